// The contract's line 6: time is CLOCK_MONOTONIC in nanoseconds, read once per round; timers end in
// order, never early, at whatever time fits into 64 bits; and a periodic one neither drifts nor
// spins. Only lower bounds are checked: a loaded machine may be late.
#include "loop_pending.h"

#include "../syscall/time.h"

namespace oxbow::test {
namespace {

constexpr u64 us = 1000;
constexpr u64 hour_ns = 3'600'000 * ms;

void wait_busily(u64 duration_ns) noexcept {
    const u64 end_ns = now_ns() + duration_ns;
    while (now_ns() < end_ns) {
    }
}

/// A timer that knows when it may end at the earliest.
struct Due {
    Completion completion;
    u64 due_ns = 0;
    u64 ended_ns = 0;
    u32 sequence = 0;
    u32 count = 0;
    Result last = {};

    /// What the loop adds to is read after this.
    void start(Loop& loop, u64 duration_ns) noexcept {
        due_ns = saturating_add(now_ns(), duration_ns);
        loop.submit(completion, op::timer(duration_ns), on<&Due::ended>(*this));
    }
    void start_at(Loop& loop, u64 deadline_ns) noexcept {
        due_ns = deadline_ns;
        loop.submit(completion, op::timer_at(deadline_ns), on<&Due::ended>(*this));
    }
    void reset(Loop& loop, u64 duration_ns) noexcept {
        due_ns = saturating_add(now_ns(), duration_ns);
        loop.reset_timer(completion, duration_ns);
    }
    void ended(Result result) noexcept {
        ended_ns = now_ns();
        last = result;
        sequence = ++sequence_counter;
        ++count;
        if (result.ok()) {
            CHECK_EQ(result.value, 1);
            CHECK_GE(ended_ns, due_ns);
        }
    }
};

// ---- The clock ----------------------------------------------------------------------------------

struct Clock {
    u64 times[2] = {};
    u32 count = 0;
    void ended(Loop& loop, Result) noexcept {
        times[count++] = loop.now_ns();
        wait_busily(2 * ms);
    }
};

LOOP_TEST(loop_time_is_read_once_per_round) {
    Clock clock;
    Completion first;
    Completion second;
    const u64 before = now_ns();
    loop.submit(first, op::nop(), on<&Clock::ended>(clock));
    loop.submit(second, op::nop(), on<&Clock::ended>(clock));
    CHECK_EQ(loop.run(Run::no_wait), 2);
    CHECK_GE(clock.times[0], before);
    CHECK_EQ(clock.times[0], clock.times[1]);
    CHECK_GE(now_ns(), clock.times[0] + 4 * ms);
    const u64 fresh = loop.update_now();
    CHECK_GE(fresh, clock.times[0] + 4 * ms);
    CHECK_LE(fresh, now_ns());
    CHECK_GE(loop.now_ns(), fresh); // outside of a run nobody knows how old a cached time is
}

struct Late {
    Due timer;
    void ended(Loop& loop, Result) noexcept {
        wait_busily(3 * ms);
        timer.start(loop, 1 * ms); // not from the beginning of the round
    }
};

LOOP_TEST(loop_time_of_a_timer_begins_with_its_submit) {
    Late late;
    Completion completion;
    loop.submit(completion, op::nop(), on<&Late::ended>(late));
    CHECK_OK(loop.run());
    CHECK_EQ(late.timer.count, 1u);
    // The same where the loop has been idle, and its time is old.
    wait_busily(3 * ms);
    Due due;
    due.start(loop, 1 * ms);
    CHECK_OK(loop.run());
    CHECK_EQ(due.count, 1u);
}

// ---- Never early, in order ----------------------------------------------------------------------

LOOP_TEST(loop_time_is_never_early) {
    static Due timers[200];
    Random random;
    for (Due& timer : timers) {
        timer.start(loop, random.below(8'000) * us + random.below(1000));
        if (random.chance(100)) {
            run_rounds(loop, 1);
        }
    }
    CHECK_OK(loop.run());
    for (const Due& timer : timers) {
        CHECK_EQ(timer.count, 1u);
    }
}

LOOP_TEST(loop_time_is_kept_in_order) {
    static Due timers[200];
    Random random;
    const u64 base_ns = now_ns() + 2 * ms;
    for (Due& timer : timers) {
        // Many of them at the same time.
        timer.start_at(loop, base_ns + random.below(20) * 100 * us);
    }
    CHECK_OK(loop.run());
    for (u32 i = 0; i < 200; ++i) {
        for (u32 j = i + 1; j < 200; ++j) {
            // Where they are equal, the one that was submitted first ends first.
            CHECK_EQ(timers[i].sequence < timers[j].sequence, timers[i].due_ns <= timers[j].due_ns);
        }
    }
}

LOOP_TEST(loop_time_of_one_wait) {
    // One wait is one sleep: no short naps before the time, and no busy end after it.
    Due timer;
    timer.start(loop, 3'700 * us);
    const u64 rounds = loop.statistics().rounds;
    CHECK_EQ(loop.run(), 1);
    CHECK_LE(loop.statistics().rounds - rounds, 4u);
}

LOOP_TEST(loop_time_that_has_passed) {
    Due zero;
    Due first;
    Due past;
    zero.start(loop, 0);
    first.start_at(loop, 0);
    past.start_at(loop, now_ns() - 1);
    CHECK_EQ(zero.count + first.count + past.count, 0u);
    while (loop.in_flight() != 0) {
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_EQ(zero.count + first.count + past.count, 3u);
}

LOOP_TEST(loop_time_that_never_comes) {
    Due timers[6];
    Logged receive;
    Logged short_one;
    char got[8] = {};
    SocketPair pair = make_socket_pair();
    timers[0].start(loop, ~u64{0});
    timers[1].start(loop, ~u64{0} - 1);
    timers[2].start_at(loop, ~u64{0});
    timers[3].start(loop, u64{1} << 63);
    timers[4].start(loop, (u64{1} << 31) * ms + ms); // beyond what epoll_wait can say
    timers[5].start(loop, (u64{1} << 32) * 1000 * ms);
    submit(loop, receive, with_timeout(op::recv(pair.near, got, sizeof(got)), ~u64{0} - 5));
    submit(loop, short_one, op::timer(2 * ms));
    const u64 rounds = loop.statistics().rounds;
    run_until_ended(loop, short_one);
    CHECK_OK(loop.run_for(2 * ms));
    CHECK_LE(loop.statistics().rounds - rounds, 16u);
    for (Due& timer : timers) {
        CHECK_EQ(timer.count, 0u);
        loop.cancel(timer.completion);
    }
    CHECK_EQ(receive.count, 0u);
    loop.cancel(receive.completion);
    CHECK_OK(loop.run());
    for (const Due& timer : timers) {
        CHECK_EQ(timer.count, 1u);
        CHECK_ERRNO(timer.last.value, Errno::ecanceled);
    }
}

LOOP_TEST(loop_time_of_many_with_random_changes) {
    constexpr u32 count = 1000;
    static Due timers[count];
    static bool cancelled[count];
    Random random;
    for (Due& timer : timers) {
        timer.start(loop, random.below(5'000) * us);
    }
    for (u32 i = 0; i < 2 * count; ++i) {
        const u32 at = random.below(count);
        Due& timer = timers[at];
        if (timer.count != 0 || cancelled[at]) {
            continue;
        }
        if (random.chance(300)) {
            loop.cancel(timer.completion);
            cancelled[at] = true;
        } else {
            timer.reset(loop, random.below(5'000) * us);
        }
        if (random.chance(20)) {
            run_rounds(loop, 1);
        }
    }
    CHECK_OK(loop.run());
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(timers[i].count, 1u);
        // One whose time had come was told so, although it was to be cancelled.
        CHECK(timers[i].last.value == 1 || (cancelled[i] && timers[i].last.is(Errno::ecanceled)));
    }
}

// ---- Periodic -----------------------------------------------------------------------------------

/// Counts periods, and stalls once.
struct Periodic {
    u64 begin_ns = 0;
    u64 period_ns = 0;
    u64 stall_ns = 0;
    u32 until = 0;   ///< periods
    u32 periods = 0; ///< that have been told
    u32 results = 0;
    u64 first_due_ns = 0;

    Action ended(Loop& loop, Completion& completion, Result result) noexcept {
        if (!result.ok()) {
            CHECK_ERRNO(result.value, Errno::ecanceled);
            return Action::disarm;
        }
        // Whenever the callbacks come, the times at which they are due are whole periods apart.
        const u64 due_ns = completion.deadline.deadline_ns;
        if (results++ == 0) {
            first_due_ns = due_ns;
        }
        u64 apart_ns = due_ns - first_due_ns;
        while (apart_ns >= period_ns) {
            apart_ns -= period_ns;
        }
        CHECK_EQ(apart_ns, 0u);
        CHECK_GE(result.value, 1);
        periods += result.count();
        // The n-th period ends n periods after the beginning, however late those before were told.
        CHECK_GE(now_ns(), begin_ns + periods * period_ns);
        if (stall_ns != 0) {
            wait_busily(stall_ns);
            stall_ns = 0;
        }
        if (periods < until) {
            return Action::rearm;
        }
        loop.cancel(completion);
        return Action::disarm;
    }
};

LOOP_TEST(loop_time_of_a_period_does_not_drift) {
    Completion completion;
    Periodic periodic;
    periodic.period_ns = 500 * us;
    periodic.until = 20;
    periodic.begin_ns = now_ns();
    loop.submit(completion, op::timer_every(periodic.period_ns), on<&Periodic::ended>(periodic));
    CHECK_OK(loop.run());
    CHECK_GE(periodic.periods, 20u);
    CHECK(completion.idle());
}

LOOP_TEST(loop_time_of_a_rearmed_timer_does_not_drift) {
    Completion completion;
    Periodic periodic;
    periodic.period_ns = 500 * us;
    periodic.until = 20;
    periodic.begin_ns = now_ns();
    loop.submit(completion, op::timer(periodic.period_ns), on<&Periodic::ended>(periodic));
    CHECK_OK(loop.run());
    CHECK_GE(periodic.periods, 20u);
    CHECK(completion.idle());
}

LOOP_TEST(loop_time_that_was_missed_is_counted_and_not_caught_up_on) {
    for (u32 rearms = 0; rearms < 2; ++rearms) {
        Completion completion;
        Periodic periodic;
        periodic.period_ns = 100 * us;
        periodic.stall_ns = 20 * ms;
        periodic.until = 201;
        periodic.begin_ns = now_ns();
        loop.submit(completion,
                    rearms != 0 ? op::timer(periodic.period_ns)
                                : op::timer_every(periodic.period_ns),
                    on<&Periodic::ended>(periodic));
        u32 rounds = 0;
        while (periodic.periods < 200) {
            CHECK_LT(++rounds, 20u); // one each would be two hundred
            CHECK_OK(loop.run(Run::once));
        }
        CHECK_LE(periodic.results, 10u);
        loop.cancel(completion);
        CHECK_OK(loop.run());
    }
}

LOOP_TEST(loop_time_of_the_first_period_is_its_own) {
    Logged periodic;
    const u64 begin_ns = now_ns();
    submit(loop, periodic, op::timer_every(hour_ns, 1 * ms));
    run_until(loop, [&]() noexcept { return periodic.count != 0; });
    CHECK_GE(now_ns(), begin_ns + 1 * ms);
    CHECK(periodic.last.more());
    CHECK_EQ(periodic.last.value, 1);
    run_rounds(loop, 3);
    CHECK_EQ(periodic.count, 1u);
    loop.cancel(periodic.completion);
    run_until_ended(loop, periodic);
    CHECK_ERRNO(periodic.last.value, Errno::ecanceled);
}

// ---- Runs ---------------------------------------------------------------------------------------

LOOP_TEST(loop_time_of_a_run) {
    Logged timer;
    submit(loop, timer, op::timer(hour_ns));
    u64 begin_ns = now_ns();
    CHECK_EQ(loop.run_for(3 * ms), 0);
    CHECK_GE(now_ns(), begin_ns + 3 * ms);
    CHECK_EQ(loop.run_for(0), 0);
    loop.cancel(timer.completion);
    CHECK_EQ(loop.run(), 1);
    // Also where there is nothing to wait for.
    begin_ns = now_ns();
    CHECK_EQ(loop.run_for(2 * ms), 0);
    CHECK_GE(now_ns(), begin_ns + 2 * ms);
}

/// Starts a timer in a callback, and a receive with a timeout.
struct StartingLate {
    Logged timer;
    Logged receive;
    i32 fd = -1;
    u8 byte = 0;

    void ended(Loop& loop, Result) noexcept {
        submit(loop, timer, op::timer(1 * ms));
        submit(loop, receive, with_timeout(op::recv(fd, &byte, 1), 1 * ms));
    }
};

LOOP_TEST(loop_time_passes_while_no_run_does) {
    // What a callback has started counts from the end of the callbacks, not from when somebody
    // runs the loop again.
    SocketPair pair = make_socket_pair();
    StartingLate starting;
    starting.fd = pair.near;
    Completion nop;
    loop.submit(nop, op::nop(), on<&StartingLate::ended>(starting));
    CHECK_EQ(loop.run(Run::no_wait), 1);
    const u64 end_ns = now_ns() + 2 * ms;
    while (now_ns() < end_ns) {
    }
    run_rounds(loop, 3);
    CHECK_EQ(starting.timer.count, 1u);
    run_until_ended(loop, starting.receive);
    CHECK_ERRNO(starting.receive.last.value, Errno::etime);
}

} // namespace
} // namespace oxbow::test
