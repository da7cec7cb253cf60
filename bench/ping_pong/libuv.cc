// uv_read_start into one static buffer, uv_try_write of the answer from within the read callback.
#include "ping_pong.h"

#include <uv.h>

namespace {

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters&) {
        uv_loop_init(&loop_);
        start(client_, pair.client);
        start(server_, pair.server);
    }
    void run(long count) {
        left_ = count;
        send_to(client_);
        uv_run(&loop_, UV_RUN_DEFAULT);
    }

  private:
    static uv_stream_t* stream(uv_tcp_t& end) { return reinterpret_cast<uv_stream_t*>(&end); }
    void start(uv_tcp_t& end, int fd) {
        uv_tcp_init(&loop_, &end);
        end.data = this;
        if (const int error = uv_tcp_open(&end, fd); error != 0) {
            bench::fail("uv_tcp_open", error);
        }
        uv_read_start(stream(end), room, received);
    }
    static void room(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
        static char data[65536];
        *buffer = uv_buf_init(data, sizeof(data));
    }
    static void received(uv_stream_t* from, ssize_t bytes, const uv_buf_t* buffer) {
        Subject& self = *static_cast<Subject*>(from->data);
        if (bytes == 0) {
            return; // EAGAIN
        }
        bench::check_ping(buffer->base, bytes);
        if (from == stream(self.server_)) {
            send_to(self.server_);
        } else if (--self.left_ > 0) {
            send_to(self.client_);
        } else {
            uv_stop(&self.loop_);
        }
    }
    static void send_to(uv_tcp_t& end) {
        const uv_buf_t message = uv_buf_init(const_cast<char*>(bench::ping), bench::ping_bytes);
        const int sent = uv_try_write(stream(end), &message, 1);
        if (sent != static_cast<int>(bench::ping_bytes)) {
            bench::fail("uv_try_write", sent);
        }
    }

    uv_loop_t loop_;
    uv_tcp_t client_;
    uv_tcp_t server_;
    long left_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
