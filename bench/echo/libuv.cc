// uv_read_start into one buffer for everybody, uv_try_write of what came, and uv_write of a copy of
// the rest where the socket did not take it all.
#include "echo.h"

#include <uv.h>
#include <vector>

namespace {

using namespace bench;

void check(const char* what, int error) {
    if (error != 0) {
        fail(what, error);
    }
}

class Server {
  public:
    Server(int listener, const EchoParameters& echo, EchoProgress& progress, Parameters&)
        : connections_(echo.connections), progress_(progress) {
        uv_loop_init(&loop_);
        uv_tcp_init(&loop_, &listener_);
        listener_.data = this;
        check("uv_tcp_open", uv_tcp_open(&listener_, listener));
        check("uv_listen", uv_listen(stream(listener_), 4096, connected));
    }
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

  private:
    struct Rest {
        uv_write_t request;
        std::vector<char> data;
    };

    static uv_stream_t* stream(uv_tcp_t& socket) { return reinterpret_cast<uv_stream_t*>(&socket); }
    static void close(uv_stream_t* socket) {
        uv_close(reinterpret_cast<uv_handle_t*>(socket), nullptr);
    }

    static void connected(uv_stream_t* listener, int status) {
        check("uv_listen", status);
        Server& self = *static_cast<Server*>(listener->data);
        uv_tcp_t& connection = self.connections_[self.next_++];
        uv_tcp_init(&self.loop_, &connection);
        connection.data = &self;
        check("uv_accept", uv_accept(listener, stream(connection)));
        int fd = -1;
        uv_fileno(reinterpret_cast<uv_handle_t*>(&connection), &fd);
        self.progress_.accepted(fd);
        uv_read_start(stream(connection), room, received);
        if (self.progress_.all_accepted()) {
            close(listener); // so that uv_run returns after the last connection
        }
    }
    static void room(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
        // More than a message: what fills the buffer libuv reads after.
        static thread_local char data[65536]; // there may be a loop in each of several threads
        *buffer = uv_buf_init(data, sizeof(data));
    }
    static void received(uv_stream_t* connection, ssize_t bytes, const uv_buf_t* buffer) {
        if (bytes > 0) {
            answer(connection, buffer->base, static_cast<std::size_t>(bytes));
        } else if (bytes < 0) {
            if (bytes != UV_EOF) {
                fail("uv_read_start", bytes);
            }
            close(connection);
            static_cast<Server*>(connection->data)->progress_.closed();
        }
    }
    static void answer(uv_stream_t* connection, char* data, std::size_t bytes) {
        const uv_buf_t all = uv_buf_init(data, static_cast<unsigned>(bytes));
        const int taken = uv_try_write(connection, &all, 1);
        if (taken < 0 && taken != UV_EAGAIN) {
            fail("uv_try_write", taken);
        }
        const std::size_t sent = taken < 0 ? 0 : static_cast<std::size_t>(taken);
        if (sent != bytes) {
            Rest* const rest = new Rest{{}, {data + sent, data + bytes}};
            rest->request.data = rest;
            const uv_buf_t left =
                uv_buf_init(rest->data.data(), static_cast<unsigned>(rest->data.size()));
            check("uv_write", uv_write(&rest->request, connection, &left, 1, sent_rest));
        }
    }
    static void sent_rest(uv_write_t* request, int status) {
        check("uv_write", status);
        delete static_cast<Rest*>(request->data);
    }

    uv_loop_t loop_;
    uv_tcp_t listener_;
    std::vector<uv_tcp_t> connections_;
    std::size_t next_ = 0;
    EchoProgress& progress_;
};

} // namespace

int main(int argc, char** argv) {
    return run_echo<Server>(argc, argv);
}
