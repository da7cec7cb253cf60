// The contract's line 6: a timer is set anew in place, wherever it is, and its old time is as if it
// had never been; and deadlines of operations, which end with -ETIME and lose nothing.
#include "loop_pending.h"

namespace oxbow::test {
namespace {

constexpr u64 us = 1000;
constexpr u64 hour_ns = 3'600'000 * ms;

// ---- Reset --------------------------------------------------------------------------------------

LOOP_TEST(loop_time_reset_to_sooner) {
    Logged timer;
    submit(loop, timer, op::timer(hour_ns));
    loop.reset_timer(timer.completion, 0); // before it has been seen by a round
    run_until_ended(loop, timer);
    CHECK_EQ(timer.last.value, 1);
    submit(loop, timer, op::timer(hour_ns));
    run_rounds(loop, 2);
    const u64 begin_ns = now_ns();
    loop.reset_timer(timer.completion, 1 * ms);
    run_until(loop, [&]() noexcept { return timer.count == 2; });
    CHECK_GE(now_ns(), begin_ns + 1 * ms);
    CHECK_EQ(timer.last.value, 1);
    CHECK_EQ(loop.in_flight(), 0u);
}

LOOP_TEST(loop_time_reset_to_later) {
    Logged timer;
    Logged other;
    submit(loop, timer, op::timer(1 * ms));
    submit(loop, other, op::timer(3 * ms));
    loop.reset_timer(timer.completion, hour_ns);
    run_until_ended(loop, other);
    run_rounds(loop, 2);
    CHECK_EQ(timer.count, 0u);
    loop.reset_timer(timer.completion, 0);
    run_until_ended(loop, timer);
    CHECK_EQ(timer.last.value, 1);
    CHECK_EQ(timer.count, 1u);
}

LOOP_TEST(loop_time_reset_of_an_idle_one_submits_it) {
    Logged timer;
    submit(loop, timer, op::timer(0));
    run_until_ended(loop, timer);
    const u64 begin_ns = now_ns();
    loop.reset_timer(timer.completion, 1 * ms);
    CHECK(!timer.completion.idle());
    CHECK_EQ(loop.in_flight(), 1u);
    CHECK_OK(loop.run());
    CHECK_GE(now_ns(), begin_ns + 1 * ms);
    CHECK_EQ(timer.count, 2u);
    CHECK_EQ(timer.last.value, 1);
}

/// Resets another timer, whose time has come as well and whose callback is the next.
struct Resetting {
    Completion* target = nullptr;
    u64 duration_ns = 0;
    bool cancels_before = false;
    bool cancels_after = false;
    u64 reset_ns = 0;

    void ended(Loop& loop, Result) noexcept {
        if (cancels_before) {
            loop.cancel(*target);
        }
        reset_ns = now_ns();
        loop.reset_timer(*target, duration_ns);
        if (cancels_after) {
            loop.cancel(*target);
        }
    }
};

LOOP_TEST(loop_time_reset_between_expiry_and_callback) {
    for (u32 periodic = 0; periodic < 2; ++periodic) {
        const u64 due_ns = now_ns() + 200 * us;
        Completion first;
        Logged timer;
        Resetting resetting;
        resetting.target = &timer.completion;
        resetting.duration_ns = 2 * ms;
        loop.submit(first, op::timer_at(due_ns), on<&Resetting::ended>(resetting));
        Operation operation = periodic != 0 ? op::timer_every(hour_ns) : op::timer(0);
        operation.arguments.timer.time_ns = due_ns;
        operation.arguments.timer.absolute = true;
        submit(loop, timer, operation);
        while (resetting.reset_ns == 0) {
            CHECK_OK(loop.run(Run::once));
        }
        run_rounds(loop, 1);
        if (timer.count != 0) {
            CHECK_GE(now_ns(), resetting.reset_ns + 2 * ms); // it was slow, not early
        }
        run_until(loop, [&]() noexcept { return timer.count != 0; });
        CHECK_GE(now_ns(), resetting.reset_ns + 2 * ms);
        CHECK_EQ(timer.last.value, 1);
        CHECK_EQ(timer.count, 1u);
        loop.cancel(timer.completion);
        CHECK_OK(loop.run());
        CHECK_EQ(timer.count, 1 + periodic);
    }
}

LOOP_TEST(loop_time_reset_and_cancel_between_expiry_and_callback) {
    for (u32 way = 0; way < 4; ++way) {
        const bool periodic = (way & 1) != 0;
        const u64 due_ns = now_ns() + 200 * us;
        Completion first;
        Logged timer;
        Resetting resetting;
        resetting.target = &timer.completion;
        resetting.duration_ns = hour_ns;
        resetting.cancels_after = true;
        resetting.cancels_before = (way & 2) != 0;
        loop.submit(first, op::timer_at(due_ns), on<&Resetting::ended>(resetting));
        Operation operation = periodic ? op::timer_every(hour_ns) : op::timer(0);
        operation.arguments.timer.time_ns = due_ns;
        operation.arguments.timer.absolute = true;
        submit(loop, timer, operation);
        run_until_ended(loop, timer);
        CHECK_ERRNO(timer.last.value, Errno::ecanceled);
        CHECK_EQ(timer.count, 1u);
        CHECK_EQ(loop.in_flight(), 0u);
    }
}

LOOP_TEST(loop_time_reset_is_no_callback_of_a_run) {
    // Both are due in the same round; the second one's callback is put off.
    const u64 due_ns = now_ns() + 200 * us;
    Completion first;
    Logged timer;
    Resetting resetting;
    resetting.target = &timer.completion;
    resetting.duration_ns = 2 * ms;
    loop.submit(first, op::timer_at(due_ns), on<&Resetting::ended>(resetting));
    submit(loop, timer, op::timer_at(due_ns));
    while (resetting.reset_ns == 0) {
        CHECK_EQ(loop.run(Run::once), 1);
    }
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(timer.count, 1u);
}

/// Sets itself anew from its own callback.
struct SelfResetting {
    u32 count = 0;
    u64 reset_ns = 0;
    Result last = {};

    void ended(Loop& loop, Completion& completion, Result result) noexcept {
        last = result;
        if (!result.ok()) {
            return;
        }
        if (count++ != 0) {
            CHECK_GE(now_ns(), reset_ns + 1 * ms);
        }
        if (count < 4) {
            reset_ns = now_ns();
            loop.reset_timer(completion, 1 * ms);
        } else {
            loop.cancel(completion);
        }
    }
};

LOOP_TEST(loop_time_reset_in_its_own_callback) {
    for (u32 periodic = 0; periodic < 2; ++periodic) {
        SelfResetting self;
        Completion timer;
        loop.submit(timer, periodic != 0 ? op::timer_every(hour_ns, 0) : op::timer(0),
                    on<&SelfResetting::ended>(self));
        CHECK_OK(loop.run());
        CHECK_EQ(self.count, 4u);
        CHECK(periodic == 0 || self.last.is(Errno::ecanceled));
    }
}

// ---- Deadlines of operations --------------------------------------------------------------------

LOOP_TEST(loop_time_deadline_of_each_kind) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::timer || kind.waiting == Waiting::timer_every) {
            continue; // they are deadlines
        }
        Pending pending(loop, kind);
        const u64 begin_ns = now_ns();
        submit(loop, pending.logged, with_timeout(pending.operation(), 500 * us));
        run_until_ended(loop, pending.logged);
        const u64 end_ns = now_ns();
        CHECK_ERRNO(pending.logged.last.value, Errno::etime);
        CHECK_GE(end_ns, begin_ns + 500 * us);
        CHECK_EQ(pending.logged.count, 1u);
        // What comes late is not lost, nor written to where it was asked for.
        pending.poison();
        if (pending.can_be_provoked()) {
            pending.provoke();
        }
        run_rounds(loop, 3);
        pending.check_untouched();
        pending.check_nothing_taken();
        CHECK_EQ(pending.logged.count, 1u);
    }
}

LOOP_TEST(loop_time_deadline_that_is_met) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect || kind.is_multishot) {
            continue;
        }
        Pending pending(loop, kind);
        submit(loop, pending.logged, with_timeout(pending.operation(), hour_ns));
        run_rounds(loop, 1);
        pending.provoke();
        run_until_ended(loop, pending.logged);
        pending.check_came(pending.logged.last);
        CHECK_OK(loop.run()); // nothing waits for the hour
        CHECK_EQ(pending.logged.count, 1u);
    }
}

LOOP_TEST(loop_time_deadline_that_is_met_is_forgotten) {
    // It passes while the completion is the caller's again, or does something else.
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged poisoned;
    Logged reused;
    submit(loop, poisoned, with_timeout(op::recv(pair.near, got, 4), 3 * ms));
    submit(loop, reused, with_timeout(op::recv(pair.near, got, 4), 3 * ms));
    write_text(pair.far, "12345678");
    run_until_ended(loop, poisoned);
    run_until_ended(loop, reused);
    if (poisoned.last.value != 4 || reused.last.value != 4) {
        return; // the machine was too slow for this to mean anything
    }
    u8* const memory = reinterpret_cast<u8*>(&poisoned.completion);
    for (usize i = 0; i < sizeof(poisoned.completion); ++i) {
        memory[i] = 0xa5;
    }
    submit(loop, reused, op::recv(pair.near, got, 4));
    CHECK_EQ(loop.run_for(5 * ms), 0);
    CHECK_EQ(poisoned.count, 1u);
    CHECK_EQ(reused.count, 1u);
    for (usize i = 0; i < sizeof(poisoned.completion); ++i) {
        CHECK_EQ(memory[i], 0xa5);
    }
    write_text(pair.far, "rest");
    run_until(loop, [&]() noexcept { return reused.count == 2; });
    CHECK_EQ(reused.last.value, 4);
}

LOOP_TEST(loop_time_deadline_of_a_multishot) {
    SocketPair pair = make_socket_pair();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 2, .buffer_bytes = 16}));
    Logged receive;
    const u64 deadline_ns = now_ns() + 100 * ms;
    submit(loop, receive, with_deadline(op::recv_multishot(pair.near, pool), deadline_ns));
    write_text(pair.far, "once");
    run_until_ended(loop, receive);
    for (u32 i = 0; i + 1 < receive.count; ++i) { // none where the machine was too slow
        CHECK_EQ(receive.log[i].value, 4);
        pool.give_back(receive.log[i]);
    }
    CHECK_GE(now_ns(), deadline_ns);
    CHECK_ERRNO(receive.last.value, Errno::etime);
    CHECK_EQ(pool.held(), 0u);
    pool.close();
}

LOOP_TEST(loop_time_deadline_in_the_past) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::timer || kind.waiting == Waiting::timer_every) {
            continue;
        }
        for (u32 zero = 0; zero < 2; ++zero) {
            Pending pending(loop, kind);
            submit(loop, pending.logged,
                   zero != 0 ? with_timeout(pending.operation(), 0)
                             : with_deadline(pending.operation(), 1));
            CHECK_EQ(pending.logged.count, 0u);
            run_until_ended(loop, pending.logged);
            CHECK_ERRNO(pending.logged.last.value, Errno::etime);
            CHECK_EQ(pending.logged.count, 1u);
        }
    }
}

LOOP_TEST(loop_time_deadline_keeps_what_had_come) {
    SocketPair pair = make_socket_pair();
    char got[16] = {};
    Logged receive;
    submit(loop, receive, with_timeout(op::recv_all(pair.near, got, sizeof(got)), 3 * ms));
    write_text(pair.far, "five!");
    run_until_ended(loop, receive);
    // A part had come by then, and is told; or, on a slow machine, nothing.
    if (receive.last.ok()) {
        CHECK_EQ(receive.last.value, 5);
        CHECK_BYTES(got, "five!", 5);
    } else {
        CHECK_ERRNO(receive.last.value, Errno::etime);
        CHECK_READS(pair.near, "five!");
    }
    write_text(pair.far, "more");
    run_rounds(loop, 2);
    CHECK_READS(pair.near, "more");
}

LOOP_TEST(loop_time_deadline_of_a_chain_begins_with_its_start) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged first;
    Logged second;
    const u64 begin_ns = now_ns();
    submit(loop, first, op::timer(2 * ms));
    loop.then(first.completion, second.completion,
              with_timeout(op::recv(pair.near, got, sizeof(got)), 2 * ms), second.handler());
    CHECK_OK(loop.run());
    CHECK_EQ(first.last.value, 1);
    CHECK_ERRNO(second.last.value, Errno::etime);
    CHECK_GE(now_ns(), begin_ns + 4 * ms);
}

LOOP_TEST(loop_time_deadline_while_it_waits_for_a_buffer) {
    SocketPair pair = make_socket_pair();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 16}));
    Logged holder;
    Logged waiter;
    write_text(pair.far, "first");
    submit(loop, holder, op::recv(pair.near, pool));
    run_until_ended(loop, holder);
    write_text(pair.far, "second");
    submit(loop, waiter, with_timeout(op::recv(pair.near, pool), 1 * ms));
    run_until_ended(loop, waiter);
    CHECK_ERRNO(waiter.last.value, Errno::etime);
    pool.give_back(holder.last);
    CHECK_READS(pair.near, "second");
    pool.close();
}

LOOP_TEST(loop_time_deadline_of_a_crowd) {
    constexpr u32 count = 300;
    static Logged polls[count];
    const Pipe pipe = make_pipe();
    for (u32 i = 0; i < count; ++i) {
        submit(loop, polls[i],
               with_timeout(op::poll(pipe.reader, abi::poll_event::in), 500 * us + i * 10 * us));
    }
    CHECK_OK(loop.run());
    for (const Logged& poll : polls) {
        CHECK_EQ(poll.count, 1u);
        CHECK_ERRNO(poll.last.value, Errno::etime);
    }
}

} // namespace
} // namespace oxbow::test
