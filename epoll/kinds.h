// What each kind of operation waits for.
#pragma once

#include "../loop/completion.h"
#include "../syscall/abi_epoll.h"

namespace oxbow {

/// How an operation is done where there is only readiness.
enum class Way : u8 {
    now,    ///< a call that never waits
    worker, ///< a call that can wait, and for nothing that has a descriptor to watch
    input,  ///< tried, and again when its descriptor is readable
    output, ///< tried, and again when its descriptor is writable
    poll,   ///< readiness itself
    child,  ///< waits for a process's descriptor
};

/// What there is to know about a kind.
struct KindInfo {
    u8 way      : 3; ///< Way
    u8 on_files : 1; ///< also works on what cannot be waited for: files, and the like of /dev/null
    u8 flags_at : 4; ///< where Completion::arguments has the flags, in words; 0: there are none
};
struct KindTable {
    KindInfo of[static_cast<u32>(Kind::count)];
};
extern const KindTable kind_table;

[[nodiscard]] inline KindInfo info_of(const Completion& operation) noexcept {
    return kind_table.of[static_cast<u32>(operation.kind)];
}
[[nodiscard]] inline Way way_of(const Completion& operation) noexcept {
    return static_cast<Way>(info_of(operation).way);
}

/// Whether the caller asked for -EAGAIN instead of a wait.
[[nodiscard]] bool asks_not_to_wait(const Completion& operation) noexcept;

/// Whether it waits for something that others of its direction do not wait for: readiness itself,
/// urgent data, the queue of errors. Such a one stands aside: it neither waits behind the others
/// nor holds them up.
[[nodiscard]] bool stands_aside(const Completion& operation) noexcept;

/// What epoll has to watch for; errors and hang-ups it always does.
[[nodiscard]] u16 events_of(const Completion& operation) noexcept;

/// Events that can mean that there is input, or an end of it; those after which a read does not
/// wait; and those that can mean room.
inline constexpr u32 input_events =
    abi::poll_event::in | abi::poll_event::pri | abi::poll_event::rdnorm | abi::poll_event::rdband |
    abi::poll_event::msg | abi::poll_event::rdhup | abi::poll_event::err | abi::poll_event::hup;
inline constexpr u32 surely_input =
    abi::poll_event::in | abi::poll_event::rdnorm | abi::poll_event::err | abi::poll_event::hup;
inline constexpr u32 output_events = abi::poll_event::out | abi::poll_event::wrnorm |
                                     abi::poll_event::wrband | abi::poll_event::err |
                                     abi::poll_event::hup;

} // namespace oxbow
