// An ev_io for each connection, one buffer for everybody. Not the default loop: that one would reap
// the load's process.
#include "echo.h"

#include <ev.h>
#include <vector>

namespace {

using namespace bench;

class Server {
  public:
    Server(int listener, const EchoParameters& echo, EchoProgress& progress, Parameters&)
        : loop_(ev_loop_new(EVFLAG_NOENV)), sessions_(echo.connections), buffer_(echo.bytes),
          progress_(progress) {
        if (loop_ == nullptr) {
            fail("ev_loop_new", 0);
        }
        watch(listener_, listener, acceptable);
    }
    void run() { ev_run(loop_, 0); }

  private:
    void watch(ev_io& watcher, int fd, void (*callback)(struct ev_loop*, ev_io*, int)) {
        ev_io_init(&watcher, callback, fd, EV_READ);
        watcher.data = this;
        ev_io_start(loop_, &watcher);
    }
    static void acceptable(struct ev_loop*, ev_io* listener, int) {
        Server& self = *static_cast<Server*>(listener->data);
        const int fd = accept4(listener->fd, nullptr, nullptr, SOCK_NONBLOCK);
        self.progress_.accepted(fd);
        self.watch(self.sessions_[self.used_++], fd, readable);
    }
    static void readable(struct ev_loop*, ev_io* session, int) {
        Server& self = *static_cast<Server*>(session->data);
        char* const data = self.buffer_.data();
        const long received = recv(session->fd, data, self.buffer_.size(), 0);
        if (received <= 0) {
            self.closed(*session);
            return;
        }
        const auto bytes = static_cast<std::size_t>(received);
        if (send(session->fd, data, bytes, MSG_NOSIGNAL) != received) {
            fail("send", -errno);
        }
    }
    void closed(ev_io& session) {
        ev_io_stop(loop_, &session);
        close(session.fd);
        progress_.closed();
        if (progress_.done()) {
            ev_break(loop_, EVBREAK_ONE);
        }
    }

    struct ev_loop* loop_;
    ev_io listener_;
    std::vector<ev_io> sessions_; // in the order of their arrival, and never moved
    std::size_t used_ = 0;
    std::vector<char> buffer_;
    EchoProgress& progress_;
};

} // namespace

int main(int argc, char** argv) {
    return run_echo<Server>(argc, argv);
}
