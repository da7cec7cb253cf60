// Entering the kernel: submitting, waiting, and both in one call.
//
// io_uring_enter answers the number of entries that it consumed and then hides what became of the
// wait; Ring keeps the two apart. The kernel's own word on what it consumed is the queue's head, so
// the count of a failed or short call is never guessed.
#include "ring.h"

#include "../syscall/abi_epoll.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "../syscall/time.h"

namespace oxbow {

namespace enter = abi::enter;

// ---- What the kernel is shown -------------------------------------------------------------------

/// Shows all prepared entries to the kernel; returns how many it has not consumed, leftovers of a
/// short submit among them.
u32 Ring::flush() noexcept {
    store_release(sq_.shared_tail, sq_.tail);
    return sq_ready();
}

/// The same for the SQPOLL thread, which may consume them at once. How many are new to it.
u32 Ring::publish_to_thread() noexcept {
    const u32 fresh = sq_.tail - load_relaxed(sq_.shared_tail);
    store_release(sq_.shared_tail, sq_.tail);
    return fresh;
}

/// enter::sq_wakeup where the SQPOLL thread sleeps over entries that it has not consumed. The
/// thread sets its flag, then looks at the tail once more; we store the tail, then look at the
/// flag. Without a full fence between the two both sides can miss each other, and the entries wait
/// for ever (liburing issue 541).
u32 Ring::wakeup_flag() const noexcept {
    if (!polls_sq()) {
        return 0;
    }
    full_fence();
    const bool sleeps = (load_relaxed(sq_.shared_flags) & abi::sq_flag::need_wakeup) != 0;
    return sleeps && sq_ready() != 0 ? enter::sq_wakeup : 0;
}

bool Ring::has_completions(u32 count) const noexcept {
    return cq_ready() >= count;
}

i32 Ring::enter_once(u32 to_submit, u32 count, u32 flags, const void* argument,
                     usize argument_bytes) noexcept {
    OXBOW_CHECK(is_open(), "a closed ring was entered");
    const i32 result =
        kernel::io_uring_enter(enter_fd_, to_submit, count,
                               (flags | enter_flags_) & ~uncommon_submit, argument, argument_bytes);
    if (uncommon_ != nullptr) {
        uncommon_->after_enter(*this, result);
    }
    return result;
}

// ---- Submitting ---------------------------------------------------------------------------------

/// A ring that is not the common one, or nothing to submit.
i32 Ring::submit_uncommonly(u32 count) noexcept {
    OXBOW_CHECK(is_open(), "submit on a closed ring");
    if ((enter_flags_ & uncommon_submit) != 0) {
        return uncommon_->submit(*this, count);
    }
    if (count != 0 ? has_completions(count) : !must_get_events()) {
        return 0;
    }
    return kernel::io_uring_enter(enter_fd_, 0, count, enter_flags_ | enter::getevents);
}

i32 Ring::get_events() noexcept {
    OXBOW_CHECK(is_open(), "get_events on a closed ring");
    return kernel::io_uring_enter(enter_fd_, 0, 0,
                                  (enter_flags_ & ~uncommon_submit) | enter::getevents);
}

i32 Ring::wait_for_sq_room() noexcept {
    look_at_sq_head();
    if (!polls_sq() || sq_ready() < sq_.entries) {
        return 0;
    }
    (void)publish_to_thread();
    const i32 result = enter_once(0, 0, enter::sq_wait | wakeup_flag());
    return result < 0 ? result : 0;
}

i32 Ring::reserve(u32 count) noexcept {
    if (count > sq_.entries) {
        return -Errno::einval;
    }
    while (sq_space_left() < count) {
        const i32 submitted = submit();
        if (submitted < 0) {
            return submitted;
        }
        if (polls_sq()) {
            const i32 waited = wait_for_sq_room();
            if (waited < 0) {
                return waited;
            }
        } else if (submitted == 0) {
            return -Errno::eagain;
        }
    }
    look_at_sq_head();
    return 0;
}

// ---- Waiting ------------------------------------------------------------------------------------

u64 Ring::now_ns() const noexcept {
    abi::Timespec now = {};
    (void)kernel::clock_gettime(clock_, &now); // cannot fail: the clock was accepted by the kernel
    return nanoseconds_of(now);
}

u64 Ring::deadline_of(const Wait& wait) const noexcept {
    if (wait.timeout_ns == Wait::for_ever) {
        return wait.deadline_ns;
    }
    const u64 end = saturating_add(now_ns(), wait.timeout_ns);
    return end < wait.deadline_ns ? end : wait.deadline_ns;
}

Entered Ring::submit_and_wait(const Wait& wait) noexcept {
    return enter_until(wait, true);
}

/// How many completions a wait for `count` can lead to. The kernel looks at the devices of a polled
/// ring only while none is there (io_uring/io_uring.c, io_iopoll_check); more do not come then.
u32 Ring::reachable(u32 count) const noexcept {
    return looks_itself() && count > 1 ? 1 : count;
}

/// One enter in the usual case. Another where the kernel stopped at a malformed entry and so did
/// not wait, where it cannot time a wait, and while a polled ring has nothing yet.
Entered Ring::enter_until(const Wait& wait, bool submits) noexcept {
    const u64 deadline_ns = deadline_of(wait);
    u32 submitted = 0;
    for (;;) {
        u32 to_submit = 0;
        if (submits && polls_sq()) {
            submitted += publish_to_thread();
        } else if (submits) {
            to_submit = flush();
        }
        const bool fetches = wait.count == 0 && must_get_events();
        if (to_submit == 0 && has_completions(wait.count) && !fetches && wakeup_flag() == 0) {
            return {0, submitted};
        }
        const i32 result = enter_timed(to_submit, wait, deadline_ns);
        submitted += result > 0 ? static_cast<u32>(result) : 0;
        const bool is_short = !polls_sq() && to_submit != 0 && sq_ready() != 0;
        const bool ended_early = result == -Errno::etime || result == -Errno::eintr;
        if (has_completions(reachable(wait.count)) && !is_short && (result >= 0 || ended_early)) {
            return {0, submitted};
        }
        if (result < 0 || (is_short && result == 0)) {
            return {result < 0 ? result : -Errno::eagain, submitted};
        }
        const bool has_waited = !is_short && (to_submit == 0 || has(abi::feature::ext_arg));
        const i32 why = has_waited ? why_early(wait, deadline_ns) : 1;
        if (why <= 0) {
            return {why, submitted};
        }
    }
}

/// Why a wait ended with too few completions and no error. The kernel hides the reason as soon as
/// it has consumed an entry or posted one completion (io_cqring_wait), but there are only two: the
/// time was up, or a signal came. An errno, 0 where that end was asked for, or 1 to wait on.
i32 Ring::why_early(const Wait& wait, u64 deadline_ns) const noexcept {
    if (deadline_ns != Wait::for_ever && now_ns() >= deadline_ns) {
        return has_completions(1) && wait.min_wait_usec != 0 ? 0 : -Errno::etime;
    }
    if ((setup_flags_ & abi::setup::iopoll) != 0) {
        return 1; // polled rings do not sleep: the kernel looks at its devices and comes back
    }
    if (wait.min_wait_usec != 0 || !has(abi::feature::ext_arg)) {
        return 0;
    }
    return -Errno::eintr;
}

/// One enter that waits no longer than until `deadline_ns`.
i32 Ring::enter_timed(u32 to_submit, const Wait& wait, u64 deadline_ns) noexcept {
    u32 flags = enter::getevents | wakeup_flag();
    const bool timed = deadline_ns != Wait::for_ever;
    if (!timed && wait.min_wait_usec == 0) {
        return enter_once(to_submit, wait.count, flags, wait.signals,
                          wait.signals != nullptr ? sizeof(*wait.signals) : 0);
    }
    if (!has(abi::feature::ext_arg)) { // before 5.11
        return to_submit != 0 ? enter_once(to_submit, 0, flags) : poll_until(wait, deadline_ns);
    }
    abi::Timespec time = {};
    if (timed && has(abi::feature::min_timeout)) {
        flags |= enter::abs_timer; // both came with 6.12
        time = timespec_of(deadline_ns);
    } else if (timed) {
        const u64 now = now_ns();
        time = timespec_of(deadline_ns > now ? deadline_ns - now : 0);
    }
    abi::GeteventsArg argument = {};
    argument.sigmask = address_of(wait.signals);
    argument.sigmask_size = sizeof(abi::SignalSet);
    argument.min_wait_usec = has(abi::feature::min_timeout) ? wait.min_wait_usec : 0;
    argument.ts = timed ? address_of(&time) : 0;
    return enter_once(to_submit, wait.count, flags | enter::ext_arg, &argument, sizeof(argument));
}

/// Kernels that cannot time a wait (before 5.11) can still poll the ring's descriptor, which needs
/// no timeout entry in the queue and so no completion to hide. It ends with the first completion,
/// however many were asked for. Where nothing comes unless the device is looked at, it looks once,
/// and enter_until goes on.
i32 Ring::poll_until(const Wait& wait, u64 deadline_ns) noexcept {
    if (looks_itself()) {
        return get_events();
    }
    const u64 now = now_ns();
    abi::Timespec left = timespec_of(deadline_ns > now ? deadline_ns - now : 0);
    abi::PollFd poll = {fd_, static_cast<i16>(abi::poll_event::in), 0};
    const i32 ready =
        kernel::ppoll(&poll, 1, deadline_ns == Wait::for_ever ? nullptr : &left, wait.signals);
    if (ready < 0) {
        return ready;
    }
    if (ready == 0) {
        return -Errno::etime;
    }
    const i32 result = get_events();
    return result < 0 ? result : 0;
}

Entered Ring::submit_and_wait_registered(u32 count, u32 index) noexcept {
    u32 submitted = 0;
    u32 to_submit = 0;
    if (polls_sq()) {
        submitted = publish_to_thread();
    } else {
        to_submit = flush();
    }
    // In this form the argument is no address but the offset of the entry in the region.
    const void* const offset =
        reinterpret_cast<const void*>(static_cast<uptr>(index) * sizeof(abi::RegWait));
    const i32 result = enter_once(
        to_submit, count, enter::getevents | enter::ext_arg | enter::ext_arg_reg | wakeup_flag(),
        offset, sizeof(abi::RegWait));
    if (result > 0) {
        submitted += static_cast<u32>(result);
    }
    // Where entries were consumed the kernel does not tell how the wait ended: the time limit of
    // the region's entry is the one thing that ends it early, besides a signal.
    const bool all_consumed = polls_sq() || sq_ready() == 0;
    const bool ended_early = result >= 0 && !has_completions(count) && all_consumed;
    return {result < 0 ? result : (ended_early ? -Errno::etime : 0), submitted};
}

i32 Ring::wait(const Cqe** cqe, const Wait& wait) noexcept {
    *cqe = peek();
    if (*cqe != nullptr && has_completions(wait.count)) {
        return 0;
    }
    const Entered entered = enter_until(wait, false);
    *cqe = peek();
    return *cqe != nullptr ? 0 : (entered.error != 0 ? entered.error : -Errno::eagain);
}

i32 Ring::wait_and_copy(Cqe* destination, u32 room, const Wait& wait) noexcept {
    const Entered entered = enter_until(wait, false);
    const u32 copied = copy(destination, room);
    return copied == 0 && entered.error != 0 ? entered.error : static_cast<i32>(copied);
}

void Ring::count_as_iowait(bool counted) noexcept {
    if (has(abi::feature::no_iowait)) {
        enter_flags_ = counted ? enter_flags_ & ~enter::no_iowait : enter_flags_ | enter::no_iowait;
    }
}

} // namespace oxbow
