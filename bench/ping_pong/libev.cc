// An ev_io for each end on a loop of its own; the callback receives and sends at once.
#include "ping_pong.h"

#include <ev.h>

namespace {

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters&) : loop_(ev_loop_new(EVFLAG_NOENV)) {
        if (loop_ == nullptr) {
            bench::fail("ev_loop_new", 0);
        }
        bench::set_nonblocking(pair.client);
        bench::set_nonblocking(pair.server);
        ev_io_init(&client_, client_readable, pair.client, EV_READ);
        ev_io_init(&server_, server_readable, pair.server, EV_READ);
        client_.data = this;
        ev_io_start(loop_, &client_);
        ev_io_start(loop_, &server_);
    }
    void run(long count) {
        left_ = count;
        send_to(client_.fd);
        ev_run(loop_, 0);
    }

  private:
    static void client_readable(struct ev_loop* loop, ev_io* watcher, int) {
        receive_from(watcher->fd);
        if (--static_cast<Subject*>(watcher->data)->left_ > 0) {
            send_to(watcher->fd);
        } else {
            ev_break(loop, EVBREAK_ONE);
        }
    }
    static void server_readable(struct ev_loop*, ev_io* watcher, int) {
        receive_from(watcher->fd);
        send_to(watcher->fd);
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

    struct ev_loop* loop_;
    ev_io client_;
    ev_io server_;
    long left_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
