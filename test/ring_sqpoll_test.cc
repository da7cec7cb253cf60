// The kernel's submission thread for real: it sleeps, is woken exactly where it must be, and no
// entry is ever left behind while it falls asleep.
#include "live_ring.h"

#include "../syscall/atomic.h"
#include "hook.h"

namespace oxbow::test {
namespace {

/// What the calls of io_uring_enter asked for.
struct EnterLog {
    u32 calls = 0;
    u32 wakeups = 0;
};

bool log_enter(void* context, long number, const long* arguments, int, long*) noexcept {
    if (number == number::io_uring_enter) {
        EnterLog& log = *static_cast<EnterLog*>(context);
        ++log.calls;
        log.wakeups += (arguments[3] & static_cast<long>(abi::enter::sq_wakeup)) != 0 ? 1 : 0;
    }
    return false; // the kernel answers
}

/// Looks at the queue, and at nothing else, until a completion is there. It makes no call into the
/// ring, which would wake the thread a second time and hide a wake-up that was missed.
void await_without_entering(Ring& ring, u32 spins) noexcept {
    const u64 deadline = now_ns() + patience_ns;
    for (u32 i = 0; ring.cq_ready() == 0; ++i) {
        if (i >= spins) {
            CHECK_OK(kernel::sched_yield());
        }
        CHECK_LT(now_ns(), deadline);
    }
}

void take_one(Ring& ring, u64 user_data) noexcept {
    Cqe cqe = {};
    CHECK_EQ(ring.copy(&cqe, 1), 1u);
    CHECK_EQ(cqe.user_data, user_data);
    CHECK_EQ(cqe.result, 0);
}

TEST(sqpoll_sleeps_and_is_woken) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4, .flags = abi::setup::sqpoll, .sq_thread_idle_ms = 1});
    EnterLog log;
    set_handler(log_enter, &log);
    u32 woken = 0;
    for (u64 i = 0; woken < 3; ++i) {
        CHECK_LT(i, 1000u); // it is idle after a millisecond or a tick, and we give it five
        sleep_ms(5);
        log = {};
        queue(*ring, i, [](Sqe& s) { prep::nop(s); });
        CHECK_EQ(CHECK_OK(ring->submit()), 1);
        CHECK_LE(log.calls, 1u);
        CHECK_EQ(log.calls, log.wakeups); // it enters to wake the thread, or not at all
        woken += log.wakeups;
        await_without_entering(*ring, 0);
        take_one(*ring, i);
    }
    remove_handler(log_enter, &log);
}

TEST(sqpoll_needs_no_call_while_awake) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4, .flags = abi::setup::sqpoll, .sq_thread_idle_ms = 30000});
    CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0); // a new thread may sleep at once
    EnterLog log;
    set_handler(log_enter, &log);
    for (u64 i = 0; i < 100; ++i) {
        queue(*ring, i, [](Sqe& s) { prep::nop(s); });
        CHECK_EQ(CHECK_OK(ring->submit()), 1);
        await_without_entering(*ring, 0);
        take_one(*ring, i);
    }
    CHECK_EQ(log.calls, 0u);
    remove_handler(log_enter, &log);
}

/// The thread sets its flag and looks at the tail; we set the tail and look at the flag. Submits at
/// random moments around its falling asleep must each be seen by one side or the other.
TEST(sqpoll_loses_no_wakeup) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 8, .flags = abi::setup::sqpoll, .sq_thread_idle_ms = 1});
    EnterLog log;
    set_handler(log_enter, &log);
    Random random;
    const u64 end = now_ns() + 2'000 * ns_per_ms;
    u64 submits = 0;
    while (now_ns() < end) {
        // Up to six milliseconds: the thread's one may be a whole tick of the kernel.
        const u64 pause_end = now_ns() + random.below(6'000'000);
        if (random.chance(500)) {
            sleep_ms(random.below(5));
        }
        while (now_ns() < pause_end) {
            CHECK_OK(kernel::sched_yield());
        }
        const u32 batch = random.between(1, 4);
        for (u32 i = 0; i < batch; ++i) {
            queue(*ring, submits + i, [](Sqe& s) { prep::nop(s); });
        }
        CHECK_EQ(CHECK_OK(ring->submit()), batch);
        for (u32 i = 0; i < batch; ++i) {
            await_without_entering(*ring, 100);
            take_one(*ring, submits + i);
        }
        submits += batch;
    }
    CHECK_GT(log.wakeups, 0u); // it did fall asleep
    CHECK_EQ(log.calls, log.wakeups);
    note("submits:", submits, "wake-ups:", log.wakeups);
    remove_handler(log_enter, &log);
}

TEST(sqpoll_waits_for_room) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2, .flags = abi::setup::sqpoll, .sq_thread_idle_ms = 1});
    u64 queued = 0;
    u64 reaped = 0;
    while (reaped < 1000) {
        while (queued < 1000 && queued - reaped < 4) { // what its completion queue has room for
            CHECK_OK(ring->reserve(1));                // waits until the thread has taken one
            queue(*ring, queued++, [](Sqe& s) { prep::nop(s); });
        }
        const Cqe cqe = next(*ring);
        CHECK_EQ(cqe.user_data, reaped);
        ++reaped;
    }
}

TEST(sqpoll_keeps_chains_whole) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4, .flags = abi::setup::sqpoll, .sq_thread_idle_ms = 1});
    for (u32 round = 0; round < 100; ++round) {
        CHECK_OK(ring->reserve(3));
        queue(*ring, 0, [](Sqe& s) {
            prep::nop(s);
            prep::link(s);
        });
        queue(*ring, 1, [](Sqe& s) {
            prep::close(s, 9999);
            prep::link(s);
        });
        queue(*ring, 2, [](Sqe& s) { prep::nop(s); });
        Cqe cqes[3];
        collect(*ring, cqes);
        CHECK_EQ(cqes[0].result, 0);
        CHECK_ERRNO(cqes[1].result, Errno::ebadf);
        CHECK_ERRNO(cqes[2].result, Errno::ecanceled);
    }
}

} // namespace
} // namespace oxbow::test
