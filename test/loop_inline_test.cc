// The contract's line 2: no callback runs but from run, none inside another, the stack stays flat,
// what a callback submits comes in the next round, and so input and output are never starved.
#include "loop_echo.h"
#include "loop_pending.h"

namespace oxbow::test {
namespace {

// ---- Only from run ------------------------------------------------------------------------------

LOOP_TEST(loop_inline_calls_run_no_callback) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect) {
            continue;
        }
        Pending pending(loop, kind);
        Logged close;
        Logged request;
        Logged all;
        // What it waits for is there when it is submitted, and once more while it is in flight.
        if (kind.waiting != Waiting::timer && kind.waiting != Waiting::timer_every) {
            pending.provoke();
        }
        pending.submit();
        CHECK_EQ(pending.logged.count, 0u);
        submit(loop, request, op::cancel(pending.logged.completion));
        loop.cancel(pending.logged.completion);
        CHECK_EQ(request.count, 0u);
        submit(loop, all, op::cancel_all());
        CHECK_EQ(all.count, 0u);
        if (pending.fd() >= 0) {
            submit(loop, close, op::close(pending.fd()));
            pending.forget_fd();
            CHECK_EQ(close.count, 0u);
        }
        CHECK_EQ(pending.logged.count, 0u);
        CHECK_OK(loop.run());
        CHECK(pending.logged.ended());
        CHECK(request.ended());
        CHECK(all.ended());
        const bool accepts =
            kind.waiting == Waiting::accept || kind.waiting == Waiting::accept_multishot;
        if (accepts && pending.logged.log[0].ok()) {
            CHECK_OK(kernel::close(pending.logged.log[0].fd()));
        }
    }
}

LOOP_TEST(loop_inline_of_what_the_loop_does_itself) {
    Async async(loop);
    Logged nop;
    Logged notification;
    Logged posted;
    Logged timer;
    Logged chained;
    Logged error;
    async.notify();
    submit(loop, nop, op::nop());
    submit(loop, notification, op::notification(async));
    submit(loop, timer, op::timer_at(1)); // long past
    loop.post(posted.completion, posted.handler());
    loop.then(nop.completion, chained.completion, op::nop(), chained.handler());
    submit(loop, error, op::recv(-1, nullptr, 0));
    loop.reset_timer(timer.completion, 0);
    CHECK_EQ(nop.count + notification.count + posted.count + timer.count + chained.count, 0u);
    CHECK_EQ(error.count, 0u);
    CHECK_OK(loop.run());
    CHECK_EQ(nop.count + notification.count + posted.count + timer.count + chained.count, 5u);
    CHECK_ERRNO(error.last.value, Errno::ebadf);
}

/// Does everything that might call back, and checks that nothing does before it returns.
struct Nested {
    Logged nop;
    Logged timer;
    Logged request;
    Logged posted;
    Logged close;
    Logged receive;
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    u32 depth = 0;
    u32 count = 0;

    void ended(Loop& loop, Result) noexcept {
        CHECK_EQ(depth, 0u);
        ++depth;
        ++count;
        write_text(pair.far, "x");
        submit(loop, nop, op::nop());
        submit(loop, timer, op::timer(0));
        submit(loop, receive, op::recv(pair.near, got, 1));
        submit(loop, request, op::cancel(receive.completion));
        loop.cancel(receive.completion);
        loop.post(posted.completion, posted.handler());
        submit(loop, close, op::close(pair.near.release()));
        CHECK_EQ(nop.count + timer.count + request.count + posted.count + receive.count, 0u);
        CHECK_EQ(close.count, 0u);
        --depth;
    }
};

LOOP_TEST(loop_inline_of_no_callback_within_another) {
    Nested nested;
    Completion completion;
    loop.submit(completion, op::nop(), on<&Nested::ended>(nested));
    CHECK_OK(loop.run());
    CHECK_EQ(nested.count, 1u);
    CHECK_EQ(nested.nop.count + nested.timer.count + nested.request.count + nested.posted.count +
                 nested.receive.count + nested.close.count,
             6u);
    CHECK_EQ(nested.close.last.value, 0);
}

LOOP_TEST(loop_inline_order_is_that_of_readiness) {
    Logged nops[64];
    for (Logged& nop : nops) {
        submit(loop, nop, op::nop());
    }
    CHECK_EQ(loop.run(Run::no_wait), 64);
    for (u32 i = 1; i < 64; ++i) {
        CHECK_EQ(nops[i].sequence, nops[i - 1].sequence + 1);
    }
}

// ---- The next round -----------------------------------------------------------------------------

LOOP_TEST(loop_inline_what_a_callback_submits_comes_in_the_next_round) {
    Logged rearming;
    Logged other;
    rearming.rearms = true;
    submit(loop, rearming, op::nop());
    submit(loop, other, op::nop());
    CHECK_EQ(loop.run(Run::no_wait), 2);
    CHECK_EQ(rearming.count, 1u);
    CHECK_EQ(other.count, 1u);
    for (u32 i = 2; i < 10; ++i) {
        CHECK_EQ(loop.run(Run::no_wait), 1);
        CHECK_EQ(rearming.count, i);
    }
    rearming.rearms = false;
    CHECK_EQ(loop.run(), 1);
}

/// Rearms itself until there have been enough, and measures how deep it stands.
struct Restless {
    u32 left = 0;
    uptr lowest = ~uptr{0};
    uptr highest = 0;

    Action ended(Result result) noexcept {
        if (result.is(Errno::ecanceled)) {
            return Action::disarm;
        }
        CHECK(result.ok());
        const uptr here = reinterpret_cast<uptr>(__builtin_frame_address(0));
        lowest = here < lowest ? here : lowest;
        highest = here > highest ? here : highest;
        return --left != 0 ? Action::rearm : Action::disarm;
    }
};

LOOP_TEST(loop_inline_of_a_million_rearms) {
    // While a thousand operations rearm themselves a thousand times each, an echo goes its way: no
    // round of theirs may keep it from the kernel.
    constexpr u32 count = 1000;
    static Completion completions[count];
    static Restless restless[count];
    EchoCrowd<1> echo;
    echo.begin(loop, 100);
    for (u32 i = 0; i < count; ++i) {
        restless[i].left = 1000;
        loop.submit(completions[i], op::nop(), on<&Restless::ended>(restless[i]));
    }
    u32 rounds = 0;
    for (; !echo.done(); ++rounds) {
        CHECK_LT(rounds, 1000u);
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_GT(restless[0].left, 0u);
    CHECK_OK(loop.run());
    for (const Restless& one : restless) {
        CHECK_EQ(one.left, 0u);
        CHECK_EQ(one.lowest, one.highest);
        CHECK_EQ(one.lowest, restless[0].lowest);
    }
}

LOOP_TEST(loop_inline_of_a_timer_that_is_always_due) {
    constexpr u32 most = 100'000;
    Restless restless;
    restless.left = most;
    Completion timer;
    EchoCrowd<1> echo;
    loop.submit(timer, op::timer(0), on<&Restless::ended>(restless));
    echo.begin(loop, 50);
    while (!echo.done()) {
        CHECK_GT(restless.left, 1u);
        CHECK_OK(loop.run(Run::once));
    }
    CHECK_EQ(restless.lowest, restless.highest);
    end_all(loop);
}

LOOP_TEST(loop_inline_of_a_post_that_posts_itself) {
    struct Posting {
        Completion completion;
        u32 left = 2000;
        void ended(Loop& loop, Result) noexcept {
            if (--left != 0) {
                loop.post(completion, on<&Posting::ended>(*this));
            }
        }
    } posting;
    EchoCrowd<1> echo;
    loop.post(posting.completion, on<&Posting::ended>(posting));
    echo.begin(loop, 20);
    while (!echo.done()) {
        CHECK_GT(posting.left, 1u);
        CHECK_OK(loop.run(Run::once));
    }
    CHECK_OK(loop.run());
    CHECK_EQ(posting.left, 0u);
}

// ---- Batches, and stop --------------------------------------------------------------------------

VARIANT_TEST(loop_inline_batch_is_no_larger_than_asked_for, loop_configurations) {
    ConfiguredLoop loop(row, {.batch_max = 3});
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged nops[10];
    Logged receive;
    for (Logged& nop : nops) {
        submit(*loop, nop, op::nop());
    }
    submit(*loop, receive, op::recv(pair.near, got, sizeof(got)));
    for (u32 i = 0; i < 3; ++i) {
        CHECK_EQ(CHECK_OK(loop->run(Run::no_wait)), 3);
        if (i == 0) {
            write_text(pair.far, "data"); // collected while the batches go on
        }
    }
    run_until_ended(*loop, receive);
    CHECK_EQ(receive.last.value, 4);
    CHECK_EQ(nops[9].count, 1u);
    CHECK_LT(nops[9].sequence, receive.sequence);
    for (u32 i = 1; i < 10; ++i) {
        CHECK_LT(nops[i - 1].sequence, nops[i].sequence);
    }
}

struct Stopping {
    u32 count = 0;
    void ended(Loop& loop, Result) noexcept {
        ++count;
        loop.stop();
    }
};

LOOP_TEST(loop_inline_stop_comes_before_the_next_callback) {
    Stopping stopping;
    Completion completions[5];
    for (Completion& completion : completions) {
        loop.submit(completion, op::nop(), on<&Stopping::ended>(stopping));
    }
    for (u32 i = 1; i <= 5; ++i) {
        CHECK_EQ(loop.run(), 1);
        CHECK_EQ(stopping.count, i);
        CHECK_EQ(loop.in_flight(), 5 - i);
    }
}

} // namespace
} // namespace oxbow::test
