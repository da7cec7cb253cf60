// Waits that go on until several completions are there: with one sleep for what would else have
// been one each. The kernel wakes the thread when the last of them comes, so that the others cost
// it no wake-up either.
#include "../loop/needs.h"
#include "../syscall/time.h"
#include "engine_state.h"

namespace oxbow {

constexpr char detail::ring_batch_part = 0;

namespace uring_engine {

namespace {

/// Rounded up.
[[nodiscard]] u32 usec_of(u64 ns) noexcept {
    const abi::Timespec time = timespec_of(ns); // which does not divide 64 bits
    constexpr i64 seconds_max = 4000;           // about what 32 bits hold
    const u32 seconds = static_cast<u32>(time.seconds < seconds_max ? time.seconds : seconds_max);
    return seconds * 1'000'000 + (static_cast<u32>(time.nanoseconds) + 999) / 1000;
}

/// How many completions a wait can hope for. Some of what is in flight may not be the kernel's to
/// end (a timer, a worker's job): then the limit ends the wait.
[[nodiscard]] u32 batch_of(const Loop& loop, const State& state) noexcept {
    u32 count = loop.in_flight() - loop.untold();
    count = count < state.wait_batch ? count : state.wait_batch;
    count = count < state.ring.cq_entries() ? count : state.ring.cq_entries();
    return count != 0 ? count : 1; // nothing is in flight, and the wait is for other threads
}

/// Without any deadline a wait with a limit ends there even if nothing has come, and so it does
/// with one that the kernel takes for none (io_uring/io_uring.c, io_cqring_min_timer_wakeup).
constexpr u64 far_ns = u64{1} << 62;

} // namespace

bool set_wait_batch(Loop& loop, u32 completions, u64 limit_ns) noexcept {
    State& state = state_of(loop);
    if (!state.ring.has(abi::feature::ext_arg)) {
        return false; // there, a wait for several has no time limit
    }
    state.wait_batch = completions > 1 && limit_ns != 0 ? completions : 0;
    state.wait_batch_limit_ns = limit_ns;
    return true;
}

i32 wait_for_batch(Loop& loop, u64 deadline_ns) noexcept {
    State& state = state_of(loop);
    Ring& ring = state.ring;
    const u32 count = batch_of(loop, state);
    if (count > 1 && deadline_ns == Wait::for_ever && ring.has(abi::feature::min_timeout)) {
        const u32 limit_usec = usec_of(state.wait_batch_limit_ns);
        return ring
            .submit_and_wait({.count = count, .deadline_ns = far_ns, .min_wait_usec = limit_usec})
            .error;
    }
    // With a deadline the kernel's own limit does not do: it would come before an earlier deadline.
    const u64 limit_ns = saturating_add(loop.read_clock_ns(), state.wait_batch_limit_ns);
    if (count > 1 && limit_ns < deadline_ns) {
        const i32 error = ring.submit_and_wait({.count = count, .deadline_ns = limit_ns}).error;
        if (error != -Errno::etime || ring.cq_ready() != 0) {
            return error;
        }
        ++loop.counters().syscalls; // nothing has come: now for the first
        return ring.submit_and_wait({.count = 1, .deadline_ns = deadline_ns}).error;
    }
    return ring.submit_and_wait({.count = count, .deadline_ns = deadline_ns}).error;
}

} // namespace uring_engine

} // namespace oxbow
