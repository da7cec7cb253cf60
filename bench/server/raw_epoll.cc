// By hand on epoll: level-triggered, one buffer for everybody.
#include "bare.h"

using namespace bare;

namespace {

[[nodiscard]] bool watch(i32 epoll, i32 fd) noexcept {
    abi::EpollEvent event{};
    event.events = abi::poll_event::in;
    event.data = static_cast<u64>(fd);
    return kernel::epoll_ctl(epoll, abi::epoll_operation::add, fd, &event) == 0;
}

/// Whether something was sent back.
[[nodiscard]] bool answer(i32 fd) noexcept {
    static char buffer[buffer_bytes];
    const long received = kernel::recv(fd, buffer, sizeof(buffer), 0);
    if (received > 0) {
        return kernel::send(fd, buffer, static_cast<usize>(received), abi::msg_flag::nosignal) ==
               received;
    }
    (void)kernel::close(fd);
    return false;
}

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char**) {
    u64 left = answers_max(argc, argv);
    const i32 listener = listen_and_tell(abi::socket_type::nonblock);
    const i32 epoll = kernel::epoll_create1(0);
    if (listener < 0 || epoll < 0 || !watch(epoll, listener)) {
        return 1;
    }
    abi::EpollEvent events[64];
    while (left > 0) {
        const i32 ready = kernel::epoll_pwait(epoll, events, 64, -1);
        for (i32 i = 0; i < ready; ++i) {
            const i32 fd = static_cast<i32>(events[i].data);
            if (fd != listener) {
                left -= answer(fd) ? 1 : 0;
                continue;
            }
            const i32 accepted =
                kernel::accept4(listener, nullptr, nullptr, abi::accept4_flag::nonblock);
            if (accepted < 0 || !watch(epoll, accepted)) {
                return 1;
            }
        }
    }
    return 0;
}
