// Operations that wait for readiness: poll, and epoll from within a ring. The contract of all preps
// is in prep.h.
#pragma once

#include "../syscall/abi_epoll.h"
#include "prep_entry.h"

namespace oxbow::prep {

/// How a machine stores numbers.
enum class ByteOrder : u8 { little, big };

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
inline constexpr ByteOrder native_byte_order = ByteOrder::big;
#else
inline constexpr ByteOrder native_byte_order = ByteOrder::little;
#endif

/// A poll mask as the entry wants it. At first the field had 16 bits, and they have stayed where
/// they were: on a big-endian machine that is the upper half of the 32-bit word, so there the two
/// halves change places. include/uapi/linux/io_uring.h, poll32_events.
template <ByteOrder order = native_byte_order>
[[nodiscard]] constexpr u32 poll_mask_word(u32 events) noexcept {
    if constexpr (order == ByteOrder::big) {
        return (events << 16) | (events >> 16);
    } else {
        return events;
    }
}

/// Waits until one of `events` (abi::poll_event) holds; ends with those that do, and with err and
/// hup unasked. -EPERM, -EINVAL: the file cannot be polled; -ENOMEM. Masks with bits above the
/// lowest 16 (abi::epoll_flag::exclusive): feature::poll_32bits, 5.9. 5.1.
inline void poll_add(abi::Sqe& sqe, i32 fd, u32 events) noexcept {
    detail::start(sqe, abi::Opcode::poll_add, fd);
    sqe.op_flags = poll_mask_word(events);
}

/// Tells whenever one of `events` comes to hold, until a completion without cqe_flag::more. The
/// first completion comes also where it holds already; from then on only changes are told, so read
/// until -EAGAIN. Level-triggered polls (poll_flag::add_level) were withdrawn: kernels refuse them
/// with -EINVAL (io_uring/poll.c). 5.13.
inline void poll_multishot(abi::Sqe& sqe, i32 fd, u32 events) noexcept {
    poll_add(sqe, fd, events);
    sqe.len = abi::poll_flag::add_multi;
}

/// Ends the poll with user data `target`, which completes with -ECANCELED; ends with 0 itself.
/// -ENOENT: there is none, or it has completed; -EALREADY: it is completing. 5.1.
inline void poll_remove(abi::Sqe& sqe, u64 target) noexcept {
    detail::start(sqe, abi::Opcode::poll_remove, -1);
    sqe.addr = target;
}

/// What of a poll shall change. Fields whose switch is off are not looked at.
struct PollUpdate {
    u64 target = 0;                ///< its user data so far
    bool change_user_data = false; ///< to `user_data`
    u64 user_data = 0;
    bool change_events = false; ///< to `events`; only the lowest 16 bits can change
    u32 events = 0;
    bool multishot = false; ///< with change_events; kernels so far keep what the poll was armed as
};

/// Changes a poll in flight; ends with 0. The poll itself posts nothing, unless its new events hold
/// already. Errors as poll_remove; -ECANCELED is what the poll ends with where it could not be
/// armed again. 5.13; before 5.16 a one-shot poll whose new events hold already is forgotten by the
/// kernel, and never completes.
inline void poll_update(abi::Sqe& sqe, const PollUpdate& update) noexcept {
    detail::start(sqe, abi::Opcode::poll_remove, -1);
    sqe.addr = update.target;
    if (update.change_user_data) {
        sqe.len |= abi::poll_flag::update_user_data;
        sqe.off = update.user_data;
    }
    if (update.change_events) {
        sqe.len |= abi::poll_flag::update_events;
        sqe.len |= detail::when(update.multishot, abi::poll_flag::add_multi);
        sqe.op_flags = poll_mask_word(update.events);
    }
}

/// A change of what an epoll instance watches.
struct EpollControl {
    i32 epoll_fd = -1;
    i32 operation = 0;                      ///< abi::epoll_operation
    i32 fd = -1;                            ///< watched
    const abi::EpollEvent* event = nullptr; ///< lives until submit; not for `remove`
};

/// epoll_ctl(2); ends with 0. -EEXIST: it is watched already; -ENOENT: it is not; -EPERM: the file
/// cannot be watched; -ELOOP: epolls in a circle; -ENOSPC: fs.epoll.max_user_watches. 5.6.
inline void epoll_ctl(abi::Sqe& sqe, const EpollControl& control) noexcept {
    detail::start(sqe, abi::Opcode::epoll_ctl, control.epoll_fd);
    sqe.addr = address_of(control.event);
    sqe.len = static_cast<u32>(control.operation);
    sqe.off = static_cast<u32>(control.fd);
}

/// Waits for events of an epoll instance; ends with their number, at most `events_max`. `events`
/// lives until the completion. There is no timeout: link one. 6.15.
inline void epoll_wait(abi::Sqe& sqe, i32 epoll_fd, abi::EpollEvent* events,
                       u32 events_max) noexcept {
    detail::start(sqe, abi::Opcode::epoll_wait, epoll_fd);
    sqe.addr = address_of(events);
    sqe.len = events_max;
}

} // namespace oxbow::prep
