// Waits and signals: a wait that a signal interrupts says so at once, continues against the same
// deadline, and blocks the signals that it was told to block, for as long as it lasts.
#include "live_ring.h"

#include "../syscall/atomic.h"

namespace oxbow::test {
namespace {

constinit u32 alarms = 0;

void on_alarm(i32) noexcept {
    store_release(&alarms, load_relaxed(&alarms) + 1);
}

void catch_alarms() noexcept {
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&on_alarm);
    action.flags = abi::action_flag::siginfo | abi::action_flag::restart;
    CHECK_OK(kernel::rt_sigaction(abi::signal::alrm, &action));
}

/// SIGALRM after so many microseconds, and again after each `interval` if there is one: a slow
/// machine may be late for the first, and a wait without an end must not begin behind the last.
void set_alarm(long first_us, long interval_us = 0) noexcept {
    const abi::IntervalTimer timer = {{0, interval_us}, {0, first_us}};
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &timer));
}

struct WaitRow {
    const char* name;
    i32 (*wait)(Ring& ring, const Wait& wait) noexcept;
};

constexpr WaitRow ways[] = {
    {"submit_and_wait",
     [](Ring& ring, const Wait& wait) noexcept { return ring.submit_and_wait(wait).error; }},
    {"wait",
     [](Ring& ring, const Wait& wait) noexcept {
         const Cqe* cqe = nullptr;
         const i32 result = ring.wait(&cqe, wait);
         CHECK(result == 0 || cqe == nullptr);
         return result;
     }},
    {"wait_and_copy",
     [](Ring& ring, const Wait& wait) noexcept {
         Cqe cqe;
         return ring.wait_and_copy(&cqe, 1, wait);
     }},
};

VARIANT_TEST(signal_interrupts_a_wait, ways) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    catch_alarms();
    const u64 start = now_ns();
    set_alarm(10'000, 500'000);
    // Without an end of its own: only the signal ends it.
    CHECK_ERRNO(row.wait(*ring, {.count = 1}), Errno::eintr);
    CHECK_GE(now_ns() - start, 10 * ns_per_ms);
    set_alarm(0);
    CHECK_GE(load_acquire(&alarms), 1u);
}

VARIANT_TEST(signal_leaves_the_deadline_alone, ways) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    catch_alarms();
    u32 waits = 0;
    // A slow machine may let a short time pass before the first wait has begun.
    for (u64 span_ns = 60 * ns_per_ms; waits < 2; span_ns *= 2) {
        CHECK_LT(span_ns, 5000 * ns_per_ms);
        const u64 deadline_ns = now_ns() + span_ns;
        set_alarm(5'000, 5'000);
        i32 result = -Errno::eintr;
        for (waits = 0; result == -Errno::eintr; ++waits) {
            CHECK_LT(waits, 1000u);
            result = row.wait(*ring, {.count = 1, .deadline_ns = deadline_ns});
        }
        const u64 end = now_ns();
        set_alarm(0);
        CHECK_ERRNO(result, Errno::etime);
        CHECK_GE(end, deadline_ns);
    }
    CHECK_GT(load_acquire(&alarms), 0u);
}

VARIANT_TEST(signal_is_blocked_while_waiting, ways) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    catch_alarms();
    abi::SignalSet blocked = abi::SignalSet::none();
    blocked.add(abi::signal::alrm);
    set_alarm(5'000);
    const u64 start = now_ns();
    CHECK_ERRNO(row.wait(*ring, {.count = 1, .timeout_ns = 40 * ns_per_ms, .signals = &blocked}),
                Errno::etime);
    CHECK_GE(now_ns() - start, 40 * ns_per_ms);
    CHECK_EQ(load_acquire(&alarms), 1u); // afterwards it came, with the thread's own mask back
}

/// The other way round: a signal that the thread blocks, let in by the wait alone.
VARIANT_TEST(signal_is_let_in_while_waiting, ways) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    catch_alarms();
    abi::SignalSet blocked = abi::SignalSet::none();
    blocked.add(abi::signal::alrm);
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, &blocked));
    set_alarm(1);
    sleep_ms(2);
    CHECK_EQ(load_acquire(&alarms), 0u);
    const abi::SignalSet none = abi::SignalSet::none();
    CHECK_ERRNO(row.wait(*ring, {.count = 1, .timeout_ns = patience_ns, .signals = &none}),
                Errno::eintr);
    CHECK_EQ(load_acquire(&alarms), 1u);
    set_alarm(1);
    sleep_ms(2);
    CHECK_EQ(load_acquire(&alarms), 1u); // blocked again
}

TEST(signal_does_not_undo_a_submit) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    catch_alarms();
    const Pipe pipe = make_pipe();
    char got[1];
    queue(*ring, 1, [&](Sqe& s) { prep::read(s, pipe.reader, got, 1, 0); });
    set_alarm(10'000, 500'000);
    // One call that consumes the entry and is interrupted while it waits: the kernel answers the
    // number of entries and hides the signal.
    const Entered entered = ring->submit_and_wait({.count = 1, .timeout_ns = patience_ns});
    set_alarm(0);
    CHECK_ERRNO(entered.error, Errno::eintr);
    CHECK_EQ(entered.submitted, 1u);
    CHECK_EQ(ring->sq_ready(), 0u);
    write_text(pipe.writer, "x");
    CHECK_EQ(next_of(*ring, 1).result, 1);
    CHECK(is_quiet(*ring)); // once, and not twice
}

} // namespace
} // namespace oxbow::test
