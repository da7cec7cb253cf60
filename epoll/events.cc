// What epoll has to watch for, of each operation.
#include "events.h"

namespace oxbow {

bool stands_aside(const Completion& operation) noexcept {
    const KindInfo info = info_of(operation);
    return info.way == static_cast<u8>(Way::poll) ||
           (info.way == static_cast<u8>(Way::input) && info.on_files == 0 &&
            (flags_of(operation) & (abi::msg_flag::oob | abi::msg_flag::error_queue)) != 0);
}

u16 events_of(const Completion& operation) noexcept {
    namespace event = abi::poll_event;
    const KindInfo info = info_of(operation);
    if (info.way == static_cast<u8>(Way::output)) {
        return event::out;
    }
    if (info.way == static_cast<u8>(Way::poll)) {
        constexpr u32 all = event::in | event::pri | event::out | event::rdnorm | event::rdband |
                            event::wrnorm | event::wrband | event::msg | event::rdhup;
        return static_cast<u16>(operation.arguments.poll.events & all);
    }
    const bool urgent = info.on_files == 0 && (flags_of(operation) & abi::msg_flag::oob) != 0;
    return urgent ? event::pri : event::in | event::rdhup;
}

} // namespace oxbow
