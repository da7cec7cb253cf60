// Loop::stop_timer: what it takes back is as if it had never been started, and what it does not
// take back comes.
#include "loop_pending.h"

namespace oxbow::test {
namespace {

constexpr u64 hour_ns = 3'600'000 * ms;

LOOP_TEST(loop_time_stop_takes_back) {
    Logged timer;
    for (u32 i = 0; i < 3; ++i) {
        submit(loop, timer, i == 2 ? op::timer_at(now_ns() + hour_ns) : op::timer(hour_ns));
        run_rounds(loop, i);
        CHECK_EQ(loop.in_flight(), 1u);
        CHECK(loop.stop_timer(timer.completion));
        CHECK(timer.completion.idle());
        CHECK_EQ(loop.in_flight(), 0u);
        CHECK_EQ(loop.run(), 0);
    }
    CHECK_EQ(timer.count, 0u);
    const Statistics statistics = loop.statistics();
    CHECK_EQ(statistics.submitted, statistics.completed);
}

LOOP_TEST(loop_time_stop_of_an_idle_one) {
    Logged timer;
    CHECK(!loop.stop_timer(timer.completion));
    submit(loop, timer, op::timer(0));
    run_until_ended(loop, timer);
    CHECK(!loop.stop_timer(timer.completion));
    submit(loop, timer, op::timer(hour_ns));
    CHECK(loop.stop_timer(timer.completion));
    CHECK(!loop.stop_timer(timer.completion));
    CHECK_EQ(timer.count, 1u);
}

LOOP_TEST(loop_time_stop_and_start_again) {
    Logged timer;
    submit(loop, timer, op::timer(0));
    CHECK(loop.stop_timer(timer.completion));
    const u64 begin_ns = now_ns();
    submit(loop, timer, op::timer(2 * ms));
    run_until_ended(loop, timer);
    CHECK_GE(now_ns(), begin_ns + 2 * ms);
    CHECK_EQ(timer.last.value, 1);
    CHECK(!loop.stop_timer(timer.completion));
    loop.reset_timer(timer.completion, 1 * ms);
    CHECK(loop.stop_timer(timer.completion));
    CHECK_EQ(loop.run(), 0);
    CHECK_EQ(timer.count, 1u);
}

/// In a callback: starts timers and stops them, before they have got a date.
struct Starting {
    Logged kept;
    Logged stopped;
    u64 begin_ns = 0;

    void ended(Loop& loop, Result) noexcept {
        begin_ns = now_ns();
        submit(loop, stopped, op::timer(0));
        submit(loop, kept, op::timer(1 * ms));
        CHECK(loop.stop_timer(stopped.completion));
        loop.reset_timer(stopped.completion, 0);
        CHECK(loop.stop_timer(stopped.completion));
    }
};

LOOP_TEST(loop_time_stop_in_a_callback) {
    Starting starting;
    Completion nop;
    loop.submit(nop, op::nop(), on<&Starting::ended>(starting));
    CHECK_OK(loop.run());
    CHECK_EQ(starting.stopped.count, 0u);
    CHECK_EQ(starting.kept.count, 1u);
    CHECK_GE(now_ns(), starting.begin_ns + 1 * ms);
}

/// Stops another timer whose time has come as well and whose callback is the next.
struct Stopping {
    Completion* target = nullptr;
    bool resets = false;

    void ended(Loop& loop, Result) noexcept {
        if (resets) {
            loop.reset_timer(*target, hour_ns);
        }
        CHECK(!loop.stop_timer(*target));
    }
};

LOOP_TEST(loop_time_stop_too_late) {
    constexpr bool either[] = {false, true};
    for (const bool resets : either) {
        const u64 due_ns = now_ns() + 1 * ms;
        Stopping stopping;
        Completion first;
        Logged second;
        stopping.target = &second.completion;
        stopping.resets = resets;
        loop.submit(first, op::timer_at(due_ns), on<&Stopping::ended>(stopping));
        submit(loop, second, op::timer_at(due_ns));
        CHECK_OK(loop.run());
        CHECK_EQ(second.count, 1u);
        CHECK_EQ(second.last.value, resets ? -static_cast<i32>(Errno::ecanceled) : 1);
    }
}

/// A periodic timer that would like to stop itself, which only a cancel does.
struct SelfStopping {
    Completion* own = nullptr;
    u32 count = 0;

    void ended(Loop& loop, Result result) noexcept {
        ++count;
        CHECK(!loop.stop_timer(*own));
        if (result.more()) {
            loop.cancel(*own);
        }
    }
};

LOOP_TEST(loop_time_stop_of_a_periodic_one) {
    Logged periodic;
    submit(loop, periodic, op::timer_every(1 * ms));
    run_until(loop, [&]() noexcept { return periodic.count >= 2; });
    const u32 count = periodic.count;
    CHECK(loop.stop_timer(periodic.completion));
    CHECK_EQ(loop.run(), 0);
    CHECK_EQ(periodic.count, count);

    SelfStopping self;
    Completion completion;
    self.own = &completion;
    loop.submit(completion, op::timer_every(1 * ms), on<&SelfStopping::ended>(self));
    CHECK_OK(loop.run());
    CHECK_EQ(self.count, 2u);
}

/// Sets a periodic timer anew, itself or another that is due in the same round, and stops it then.
struct Reconsidering {
    Completion* target = nullptr;
    Result last = {};
    u32 count = 0;

    void reconsiders(Loop& loop, Result) noexcept {
        loop.reset_timer(*target, hour_ns);
        CHECK(!loop.stop_timer(*target));
    }
    void itself(Loop& loop, Result result) noexcept {
        ended(result);
        if (result.more()) {
            reconsiders(loop, result);
        }
    }
    void ended(Result result) noexcept {
        last = result;
        ++count;
    }
};

LOOP_TEST(loop_time_stop_of_a_periodic_one_that_was_set_anew) {
    const u64 due_ns = now_ns() + 1 * ms;
    Completion first;
    Completion periodic;
    Reconsidering other;
    other.target = &periodic;
    Operation operation = op::timer_every(hour_ns);
    operation.arguments.timer.time_ns = due_ns;
    operation.arguments.timer.absolute = true;
    loop.submit(first, op::timer_at(due_ns), on<&Reconsidering::reconsiders>(other));
    loop.submit(periodic, operation, on<&Reconsidering::ended>(other));
    CHECK_OK(loop.run());
    CHECK_EQ(other.count, 1u);
    CHECK(other.last.is(Errno::ecanceled));

    Reconsidering self;
    self.target = &periodic;
    loop.submit(periodic, op::timer_every(hour_ns, 0), on<&Reconsidering::itself>(self));
    CHECK_OK(loop.run());
    CHECK_EQ(self.count, 2u);
    CHECK(self.last.is(Errno::ecanceled));
}

LOOP_TEST(loop_time_stop_ends_what_is_chained) {
    Logged first;
    Logged second;
    Logged third;
    submit(loop, first, op::timer(hour_ns));
    loop.then(first.completion, second.completion, op::timer(0), second.handler());
    loop.then(second.completion, third.completion, op::nop(), third.handler());
    CHECK(!loop.stop_timer(second.completion)); // it has not begun
    CHECK(loop.stop_timer(first.completion));
    CHECK_OK(loop.run());
    CHECK_EQ(first.count, 0u);
    CHECK_ERRNO(second.last.value, Errno::ecanceled);
    CHECK_ERRNO(third.last.value, Errno::ecanceled);
}

LOOP_TEST(loop_time_stop_before_a_cancel) {
    Logged timer;
    submit(loop, timer, op::timer(hour_ns));
    const Operation cancel = op::cancel(timer.completion);
    CHECK(loop.stop_timer(timer.completion));
    CHECK_ERRNO(perform_on(loop, cancel).value, Errno::enoent);
    CHECK_EQ(timer.count, 0u);
}

} // namespace
} // namespace oxbow::test
