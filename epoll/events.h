// From operations to the events that epoll is to watch for, and back.
#pragma once

#include "../loop/kinds.h"
#include "../syscall/abi_epoll.h"

namespace oxbow {

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
