// An ev_io for each connection, one buffer for everybody.
#include "hosted.h"

#include <ev.h>

namespace {

using namespace hosted;

u64 left;
char buffer[buffer_bytes];

void watch(struct ev_loop* loop, ev_io* watcher, int fd,
           void (*callback)(struct ev_loop*, ev_io*, int)) {
    ev_io_init(watcher, callback, fd, EV_READ);
    ev_io_start(loop, watcher);
}

void readable(struct ev_loop* loop, ev_io* session, int) {
    const long received = recv(session->fd, buffer, sizeof(buffer), 0);
    if (received <= 0) {
        ev_io_stop(loop, session);
        close(session->fd);
        delete session;
        return;
    }
    const auto bytes = static_cast<std::size_t>(received);
    if (send(session->fd, buffer, bytes, MSG_NOSIGNAL) != received) {
        fail("send", -errno);
    }
    if (--left == 0) {
        ev_break(loop, EVBREAK_ALL);
    }
}

void acceptable(struct ev_loop* loop, ev_io* listener, int) {
    const int fd = accept4(listener->fd, nullptr, nullptr, SOCK_NONBLOCK);
    watch(loop, new ev_io, static_cast<int>(expect("accept", fd)), readable);
}

} // namespace

int main(int argc, char** argv) {
    left = answers_max(argc, argv);
    struct ev_loop* const loop = ev_loop_new(EVFLAG_NOENV);
    if (loop == nullptr) {
        fail("ev_loop_new", 0);
    }
    ev_io listener;
    watch(loop, &listener, listen_and_tell(), acceptable);
    ev_run(loop, 0);
    return 0;
}
