// See loop_help.h.
#include "loop_help.h"

namespace oxbow::test {

constinit u32 sequence_counter = 0;

Action Logged::note_result(Loop&, Completion& completion, Result result, void* user) noexcept {
    Logged& logged = *static_cast<Logged*>(user);
    CHECK(&completion == &logged.completion);
    CHECK_EQ(completion.idle(), !result.more());
    if (logged.count < log_max) {
        logged.log[logged.count] = result;
    }
    ++logged.count;
    logged.last = result;
    logged.sequence = ++sequence_counter;
    return logged.rearms ? Action::rearm : Action::disarm;
}

namespace {
constexpr u64 patience_ns = 20'000'000'000;

/// Ends a run that waits for too long.
Action give_up(Loop&, Completion&, Result result, void*) noexcept {
    if (result.ok()) {
        FAIL("an operation did not end in time");
    }
    return Action::disarm;
}
} // namespace

void run_until_ended(Loop& loop, Logged& logged) noexcept {
    Completion guard;
    loop.submit(guard, op::timer(patience_ns), give_up);
    while (!logged.ended()) {
        CHECK_OK(loop.run(Run::once));
    }
    loop.cancel(guard);
    while (!guard.idle()) {
        CHECK_OK(loop.run(Run::once));
    }
}

void end_all(Loop& loop) noexcept {
    CHECK_EQ(loop.drain(now_ns() + patience_ns), 0u);
    CHECK_EQ(loop.in_flight(), 0u);
}

Result perform_on(Loop& loop, const Operation& operation) noexcept {
    Logged logged;
    submit(loop, logged, operation);
    run_until_ended(loop, logged);
    return logged.last;
}

} // namespace oxbow::test
