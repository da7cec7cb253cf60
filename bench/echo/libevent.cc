// A persistent read event for each connection, one buffer for everybody. Level-triggered: a message
// fills the buffer, and edges would take a second recv to see that nothing is left.
#include "echo.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <vector>

namespace {

using namespace bench;

class Server {
  public:
    Server(int listener, const EchoParameters& echo, EchoProgress& progress, Parameters&)
        : base_(event_base_new()), sessions_(echo.connections), buffer_(echo.bytes),
          progress_(progress) {
        if (base_ == nullptr) {
            fail("event_base_new", 0);
        }
        watch(listener_, listener, acceptable, this);
    }
    void run() { event_base_dispatch(base_); }

  private:
    struct Session {
        Server* server;
        event readable;
    };

    void watch(event& watcher, int fd, event_callback_fn callback, void* user) {
        event_assign(&watcher, base_, fd, EV_READ | EV_PERSIST, callback, user);
        expect("event_add", event_add(&watcher, nullptr));
    }
    static void acceptable(int listener, short, void* user) {
        Server& self = *static_cast<Server*>(user);
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        self.progress_.accepted(fd);
        Session& session = self.sessions_[self.used_++];
        session.server = &self;
        self.watch(session.readable, fd, readable, &session);
    }
    static void readable(int fd, short, void* user) {
        Session& session = *static_cast<Session*>(user);
        std::vector<char>& buffer = session.server->buffer_;
        const long received = recv(fd, buffer.data(), buffer.size(), 0);
        if (received <= 0) {
            session.server->closed(session, fd);
            return;
        }
        const auto bytes = static_cast<std::size_t>(received);
        if (send(fd, buffer.data(), bytes, MSG_NOSIGNAL) != received) {
            fail("send", -errno);
        }
    }
    void closed(Session& session, int fd) {
        event_del(&session.readable);
        close(fd);
        progress_.closed();
        if (progress_.done()) {
            event_base_loopbreak(base_);
        }
    }

    event_base* base_;
    event listener_;
    std::vector<Session> sessions_; // in the order of their arrival, and never moved
    std::size_t used_ = 0;
    std::vector<char> buffer_;
    EchoProgress& progress_;
};

} // namespace

int main(int argc, char** argv) {
    return run_echo<Server>(argc, argv);
}
