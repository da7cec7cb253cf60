// Operations that end others: timeouts, linked timeouts, cancels. The contract of all preps is in
// prep.h.
//
// A Timespec lives until submit. Timeouts count in CLOCK_MONOTONIC unless timeout_flag::boottime or
// ::realtime says otherwise; both at once are -EINVAL, and so are negative times.
#pragma once

#include "../syscall/abi_time.h"
#include "prep_entry.h"

namespace oxbow::prep {

// ---- Timeouts -----------------------------------------------------------------------------------

/// What a timeout rarely needs.
struct TimeoutOptions {
    u32 flags =
        0; ///< abi::timeout_flag: abs, a clock, etime_success (a chain goes on after -ETIME)
    u32 completions = 0; ///< ends with 0 as soon as so many others were posted; 0: never
};

/// Ends with -ETIME when the time is up, from now on or at a point in time (timeout_flag::abs).
/// -ECANCELED: it was removed. `completions` counts what is posted after the submit, in the whole
/// ring: almost never what is wanted. 5.4.
inline void timeout(abi::Sqe& sqe, const abi::Timespec* time,
                    const TimeoutOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::timeout, -1);
    sqe.addr = address_of(time);
    sqe.len = 1;
    sqe.off = options.completions;
    sqe.op_flags = options.flags;
}

/// As timeout, with the time in the entry itself: nothing has to live until submit. Times from 2^63
/// up are -EINVAL. 7.1.
inline void timeout_ns(abi::Sqe& sqe, u64 time_ns, const TimeoutOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::timeout, -1);
    sqe.addr = time_ns;
    sqe.len = 1;
    sqe.off = options.completions;
    sqe.op_flags = options.flags | abi::timeout_flag::immediate_arg;
}

/// What a repeating timeout rarely needs.
struct RepeatOptions {
    u32 flags = 0;   ///< abi::timeout_flag, but not abs: -EINVAL
    u32 repeats = 0; ///< how often; 0: until it is removed
};

/// Posts -ETIME again and again, every `period`, until a completion without cqe_flag::more. Each
/// period begins when the kernel has posted the last one, so it drifts. 6.4.
inline void timeout_multishot(abi::Sqe& sqe, const abi::Timespec* period,
                              const RepeatOptions& options = {}) noexcept {
    timeout(
        sqe, period,
        {.flags = options.flags | abi::timeout_flag::multishot, .completions = options.repeats});
}

/// As timeout_multishot, with the period in the entry itself. 7.1.
inline void timeout_multishot_ns(abi::Sqe& sqe, u64 period_ns,
                                 const RepeatOptions& options = {}) noexcept {
    timeout_ns(
        sqe, period_ns,
        {.flags = options.flags | abi::timeout_flag::multishot, .completions = options.repeats});
}

/// Ends the timeout with user data `target`, which completes with -ECANCELED; ends with 0 itself.
/// -ENOENT: there is none, or it is over; -EALREADY, on older kernels -EBUSY: it is just
/// ending. 5.5.
inline void timeout_remove(abi::Sqe& sqe, u64 target) noexcept {
    detail::start(sqe, abi::Opcode::timeout_remove, -1);
    sqe.addr = target;
}

/// Gives the timeout with user data `target` another time; ends with 0. The only flag is
/// timeout_flag::abs; the clock stays. Errors as timeout_remove. 5.11.
inline void timeout_update(abi::Sqe& sqe, u64 target, const abi::Timespec* time,
                           u32 flags = 0) noexcept {
    detail::start(sqe, abi::Opcode::timeout_remove, -1);
    sqe.addr = target;
    sqe.off = address_of(time);
    sqe.op_flags = flags | abi::timeout_flag::update;
}

/// A timeout's new time, in the entry itself.
struct TimeoutUpdateNs {
    u64 target = 0; ///< its user data
    u64 time_ns = 0;
    u32 flags = 0; ///< abi::timeout_flag::abs
};

/// As timeout_update, with the time in the entry itself. 7.1.
inline void timeout_update_ns(abi::Sqe& sqe, const TimeoutUpdateNs& update) noexcept {
    detail::start(sqe, abi::Opcode::timeout_remove, -1);
    sqe.addr = update.target;
    sqe.off = update.time_ns;
    sqe.op_flags = update.flags | abi::timeout_flag::update | abi::timeout_flag::immediate_arg;
}

/// As timeout_update, for a linked timeout. The kernel wants both update bits: with this one alone
/// it removes the timeout (io_uring/timeout.c). 5.15.
inline void link_timeout_update(abi::Sqe& sqe, u64 target, const abi::Timespec* time,
                                u32 flags = 0) noexcept {
    timeout_update(sqe, target, time, flags | abi::timeout_flag::link_timeout_update);
}

/// As link_timeout_update, with the time in the entry itself. 7.1.
inline void link_timeout_update_ns(abi::Sqe& sqe, const TimeoutUpdateNs& update) noexcept {
    timeout_update_ns(sqe, {.target = update.target,
                            .time_ns = update.time_ns,
                            .flags = update.flags | abi::timeout_flag::link_timeout_update});
}

/// Cancels the entry before it when the time is up; that one must carry link. It ends with
/// -ECANCELED where that one was faster, with -ETIME where it cancelled it, with -EALREADY where
/// that one could no longer be stopped, and with -ENOENT where it was over just then. -EINVAL:
/// there is no entry before it, or that is a linked timeout too. 5.5.
inline void link_timeout(abi::Sqe& sqe, const abi::Timespec* time, u32 flags = 0) noexcept {
    detail::start(sqe, abi::Opcode::link_timeout, -1);
    sqe.addr = address_of(time);
    sqe.len = 1;
    sqe.op_flags = flags;
}

/// A linked timeout's time, in the entry itself.
struct LinkTimeoutNs {
    u64 time_ns = 0;
    u32 flags = 0; ///< as TimeoutOptions
};

/// As link_timeout, with the time in the entry itself. 7.1.
inline void link_timeout_ns(abi::Sqe& sqe, const LinkTimeoutNs& timeout) noexcept {
    detail::start(sqe, abi::Opcode::link_timeout, -1);
    sqe.addr = timeout.time_ns;
    sqe.len = 1;
    sqe.op_flags = timeout.flags | abi::timeout_flag::immediate_arg;
}

// ---- Cancels ------------------------------------------------------------------------------------
//
// What is cancelled always completes through its own entry: with -ECANCELED, with -EINTR, or with
// what it had done by then. The cancel itself ends with 0, or with the number that it cancelled
// where it was to take all, or where that was a waitid or a futex (io_uring/cancel.c). -ENOENT:
// nothing matched; -EALREADY: it runs and cannot be stopped, its completion will follow. A cancel
// is done by the time that submit returns.

/// How many a cancel takes.
enum class CancelScope : u32 {
    first = 0,                   ///< one
    all = abi::cancel_flag::all, ///< 5.19: every match
};

/// Cancels by user data. 5.5.
inline void async_cancel(abi::Sqe& sqe, u64 target,
                         CancelScope scope = CancelScope::first) noexcept {
    detail::start(sqe, abi::Opcode::async_cancel, -1);
    sqe.addr = target;
    sqe.op_flags = static_cast<u32>(scope);
}

/// Cancels what was submitted on descriptor `fd`. 5.19.
inline void async_cancel_fd(abi::Sqe& sqe, i32 fd,
                            CancelScope scope = CancelScope::first) noexcept {
    detail::start(sqe, abi::Opcode::async_cancel, fd);
    sqe.op_flags = static_cast<u32>(scope) | abi::cancel_flag::fd;
}

/// Cancels what was submitted on the direct descriptor in slot `index`. fixed_file is not wanted
/// here. 6.0.
inline void async_cancel_direct(abi::Sqe& sqe, u32 index,
                                CancelScope scope = CancelScope::first) noexcept {
    detail::start(sqe, abi::Opcode::async_cancel, static_cast<i32>(index));
    sqe.op_flags = static_cast<u32>(scope) | abi::cancel_flag::fd | abi::cancel_flag::fd_fixed;
}

/// Cancels everything in the ring; ends with the number. 5.19.
inline void async_cancel_any(abi::Sqe& sqe) noexcept {
    detail::start(sqe, abi::Opcode::async_cancel, -1);
    sqe.op_flags = abi::cancel_flag::any;
}

/// What a cancel looks for; all that `flags` names must match.
struct CancelMatch {
    u32 flags = 0;  ///< abi::cancel_flag
    u64 target = 0; ///< with cancel_flag::userdata, and with no flag that names a key
    i32 fd = -1;    ///< with cancel_flag::fd; a slot with cancel_flag::fd_fixed too
    abi::Opcode opcode = abi::Opcode::nop; ///< with cancel_flag::op
};

/// Cancels what matches. cancel_flag::userdata and ::op are 6.6; before, -EINVAL.
inline void async_cancel_match(abi::Sqe& sqe, const CancelMatch& match) noexcept {
    detail::start(sqe, abi::Opcode::async_cancel, match.fd);
    sqe.addr = match.target;
    sqe.len = static_cast<u32>(match.opcode);
    sqe.op_flags = match.flags;
}

/// Cancels operations of one kind. 6.6.
inline void async_cancel_opcode(abi::Sqe& sqe, abi::Opcode opcode,
                                CancelScope scope = CancelScope::first) noexcept {
    async_cancel_match(sqe,
                       {.flags = static_cast<u32>(scope) | abi::cancel_flag::op, .opcode = opcode});
}

} // namespace oxbow::prep
