// A persistent read event for each connection, one buffer for everybody.
#include "hosted.h"

#include <event2/event.h>
#include <event2/event_struct.h>

namespace {

using namespace hosted;

u64 left;
char buffer[buffer_bytes];
event_base* base;

void watch(event* watcher, int fd, event_callback_fn callback) {
    event_assign(watcher, base, fd, EV_READ | EV_PERSIST, callback, watcher);
    expect("event_add", event_add(watcher, nullptr));
}

void readable(int fd, short, void* user) {
    const long received = recv(fd, buffer, sizeof(buffer), 0);
    if (received <= 0) {
        event* const session = static_cast<event*>(user);
        event_del(session);
        close(fd);
        delete session;
        return;
    }
    if (send(fd, buffer, static_cast<std::size_t>(received), MSG_NOSIGNAL) != received) {
        fail("send", -errno);
    }
    if (--left == 0) {
        event_base_loopbreak(base);
    }
}

void acceptable(int listener, short, void*) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    watch(new event, static_cast<int>(expect("accept", fd)), readable);
}

} // namespace

int main(int argc, char** argv) {
    left = answers_max(argc, argv);
    base = event_base_new();
    if (base == nullptr) {
        fail("event_base_new", 0);
    }
    event listener;
    watch(&listener, listen_and_tell(), acceptable);
    event_base_dispatch(base);
    return 0;
}
