// A persistent read event for each end, level-triggered (edges came out no quicker); the callback
// receives and sends at once.
#include "ping_pong.h"

#include <event2/event.h>
#include <event2/event_struct.h>

namespace {

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters&)
        : base_(event_base_new()), client_fd_(pair.client) {
        if (base_ == nullptr) {
            bench::fail("event_base_new", 0);
        }
        watch(client_, pair.client, client_readable);
        watch(server_, pair.server, server_readable);
    }
    void run(long count) {
        left_ = count;
        send_to(client_fd_);
        event_base_dispatch(base_);
    }

  private:
    void watch(event& watcher, int fd, event_callback_fn callback) {
        bench::set_nonblocking(fd);
        event_assign(&watcher, base_, fd, EV_READ | EV_PERSIST, callback, this);
        bench::expect("event_add", event_add(&watcher, nullptr));
    }
    static void client_readable(int fd, short, void* user) {
        Subject& self = *static_cast<Subject*>(user);
        receive_from(fd);
        if (--self.left_ > 0) {
            send_to(fd);
        } else {
            event_base_loopbreak(self.base_);
        }
    }
    static void server_readable(int fd, short, void*) {
        receive_from(fd);
        send_to(fd);
    }
    static void receive_from(int fd) {
        char data[64];
        bench::check_ping(data, recv(fd, data, sizeof(data), 0));
    }
    static void send_to(int fd) {
        if (send(fd, bench::ping, bench::ping_bytes, MSG_NOSIGNAL) != bench::ping_bytes) {
            bench::fail("send", -errno);
        }
    }

    event_base* base_;
    event client_;
    event server_;
    int client_fd_;
    long left_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
