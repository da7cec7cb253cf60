// The contract's line 4, kind by kind: a cancelled operation ends through its own callback, with
// -ECANCELED or with what had come before, and nothing of its memory is touched after that. Each
// kind is cancelled before the kernel knows of it, while the kernel has it, and too late.
#include "loop_pending.h"

namespace oxbow::test {
namespace {

/// After its end: memory is the caller's, and what comes now is for others.
void check_is_gone(Loop& loop, Pending& pending) noexcept {
    CHECK(pending.logged.completion.idle());
    CHECK_EQ(pending.logged.count, 1u);
    pending.poison();
    if (pending.can_be_provoked()) {
        pending.provoke();
    }
    run_rounds(loop, 3);
    pending.check_untouched();
    pending.check_nothing_taken();
    CHECK_EQ(pending.logged.count, 1u);
}

void check_request(const WaitingKind& kind, const Logged& request) noexcept {
    CHECK_EQ(request.count, 1u);
    if (!kind.may_be_too_late || request.last.value != -Errno::ealready) {
        CHECK_EQ(request.last.value, 0);
    }
}

LOOP_TEST(loop_cancel_before_the_first_run) {
    for (const WaitingKind& kind : waiting_kinds) {
        Pending pending(loop, kind);
        Logged request;
        pending.submit();
        submit(loop, request, op::cancel(pending.logged.completion));
        CHECK_EQ(pending.logged.count, 0u);
        run_until_ended(loop, pending.logged);
        run_until_ended(loop, request);
        CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        check_request(kind, request);
        check_is_gone(loop, pending);
    }
}

LOOP_TEST(loop_cancel_in_the_kernel) {
    for (const WaitingKind& kind : waiting_kinds) {
        Pending pending(loop, kind);
        Logged request;
        pending.submit();
        run_rounds(loop, 3);
        CHECK_EQ(pending.logged.count, 0u);
        submit(loop, request, op::cancel(pending.logged.completion));
        CHECK_EQ(pending.logged.count, 0u);
        run_until_ended(loop, pending.logged);
        run_until_ended(loop, request);
        CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        check_request(kind, request);
        check_is_gone(loop, pending);
    }
}

LOOP_TEST(loop_cancel_without_asking_what_came_of_it) {
    for (const WaitingKind& kind : waiting_kinds) {
        Pending pending(loop, kind);
        pending.submit();
        run_rounds(loop, 1);
        loop.cancel(pending.logged.completion);
        loop.cancel(pending.logged.completion); // once more is the same
        CHECK_EQ(pending.logged.count, 0u);
        run_until_ended(loop, pending.logged);
        CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        check_is_gone(loop, pending);
    }
}

LOOP_TEST(loop_cancel_of_what_has_ended) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect) {
            continue; // what it waits for takes a second
        }
        Pending pending(loop, kind);
        Logged request;
        pending.submit();
        run_rounds(loop, 3);
        pending.provoke();
        run_until_ready(loop, pending.logged);
        submit(loop, request, op::cancel(pending.logged.completion));
        run_until_ended(loop, pending.logged);
        run_until_ended(loop, request);
        // What came is told, whatever was asked for meanwhile; only what goes on can be cancelled.
        pending.check_came(pending.logged.log[0]);
        if (kind.is_multishot) {
            CHECK_EQ(pending.logged.count, 2u);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
            CHECK_EQ(request.last.value, 0);
        } else {
            CHECK_EQ(pending.logged.count, 1u);
            CHECK_ERRNO(request.last.value, Errno::ealready);
        }
    }
}

LOOP_TEST(loop_cancel_of_what_has_been_told) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect || kind.is_multishot) {
            continue;
        }
        Pending pending(loop, kind);
        pending.submit();
        const Operation cancel = op::cancel(pending.logged.completion);
        run_rounds(loop, 1);
        pending.provoke();
        run_until_ended(loop, pending.logged);
        pending.check_came(pending.logged.last);
        CHECK_ERRNO(perform_on(loop, cancel).value, Errno::enoent);
        loop.cancel(pending.logged.completion);
        run_rounds(loop, 2);
        CHECK_EQ(pending.logged.count, 1u);
    }
}

LOOP_TEST(loop_cancel_of_a_multishot_between_two_results) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.is_multishot) {
            continue;
        }
        Pending pending(loop, kind);
        pending.submit();
        run_rounds(loop, 1);
        pending.provoke();
        run_until(loop, [&]() noexcept { return pending.logged.count != 0; });
        pending.check_came(pending.logged.log[0]);
        CHECK(!pending.logged.ended());
        CHECK_EQ(perform_on(loop, op::cancel(pending.logged.completion)).value, 0);
        run_until_ended(loop, pending.logged);
        // What a poll waits for is still there, and may be told again.
        const u32 count = pending.logged.count;
        CHECK(count == 2 || kind.waiting == Waiting::poll_multishot);
        CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        pending.poison();
        pending.provoke();
        run_rounds(loop, 3);
        pending.check_untouched();
        CHECK_EQ(pending.logged.count, count);
    }
}

/// Cancels itself from its first callback.
struct SelfCancelling {
    Pending* pending = nullptr;
    u32 count = 0;
    Result results[2] = {};

    Action ended(Loop& loop, Completion& completion, Result result) noexcept {
        CHECK_LT(count, 2u);
        results[count++] = result;
        if (result.more()) {
            loop.cancel(completion);
        }
        return Action::disarm;
    }
};

LOOP_TEST(loop_cancel_of_a_multishot_in_its_own_callback) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.is_multishot) {
            continue;
        }
        Pending pending(loop, kind);
        SelfCancelling self;
        Completion& completion = pending.logged.completion;
        loop.submit(completion, pending.operation(), on<&SelfCancelling::ended>(self));
        run_rounds(loop, 1);
        pending.provoke();
        run_until(loop, [&]() noexcept { return completion.idle(); });
        CHECK_EQ(self.count, 2u);
        pending.check_came(self.results[0]);
        CHECK(!self.results[1].more());
        CHECK_ERRNO(self.results[1].value, Errno::ecanceled);
    }
}

/// Starts anew when it is cancelled.
struct Persistent {
    u32 cancelled = 0;
    u32 came = 0;
    Result last = {};

    Action ended(Result result) noexcept {
        last = result;
        if (result.is(Errno::ecanceled) && cancelled == 0) {
            ++cancelled;
            return Action::rearm;
        }
        ++came;
        return Action::disarm;
    }
};

LOOP_TEST(loop_cancel_ends_one_activation_of_what_rearms) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect) {
            continue;
        }
        Pending pending(loop, kind);
        Persistent persistent;
        Completion& completion = pending.logged.completion;
        loop.submit(completion, pending.operation(), on<&Persistent::ended>(persistent));
        run_rounds(loop, 1);
        const Operation cancel = op::cancel(completion);
        Logged request;
        submit(loop, request, cancel);
        run_until(loop, [&]() noexcept { return persistent.cancelled != 0; });
        run_until_ended(loop, request);
        check_request(kind, request);
        // The same request once more means the activation that has ended.
        CHECK_ERRNO(perform_on(loop, cancel).value, Errno::enoent);
        run_rounds(loop, 2);
        CHECK(!completion.idle());
        pending.provoke();
        run_until(loop, [&]() noexcept { return persistent.came != 0; });
        pending.check_came(persistent.last);
        if (kind.is_multishot) {
            loop.cancel(completion);
            run_until(loop, [&]() noexcept { return completion.idle(); });
        }
    }
}

LOOP_TEST(loop_cancel_with_a_deadline_is_no_timeout) {
    for (const WaitingKind& kind : waiting_kinds) {
        Pending pending(loop, kind);
        submit(loop, pending.logged, with_timeout(pending.operation(), 3'600'000 * ms));
        run_rounds(loop, 1);
        loop.cancel(pending.logged.completion);
        run_until_ended(loop, pending.logged);
        CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        CHECK_EQ(pending.logged.count, 1u);
    }
}

} // namespace
} // namespace oxbow::test
