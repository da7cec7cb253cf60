// What LOOP_TESTs share: completions that write down how they ended.
#pragma once

#include "loop_configurations.h"

namespace oxbow::test {

/// An operation with a log of its results.
struct Logged {
    static constexpr u32 log_max = 64;

    Completion completion;
    u32 count = 0; ///< results, those with more() among them
    Result last = {};
    Result log[log_max] = {};
    u32 sequence = 0; ///< when its last result came, by `sequence_counter`
    bool rearms = false;

    [[nodiscard]] bool ended() const noexcept { return count != 0 && !last.more(); }
    [[nodiscard]] oxbow::Handler handler() noexcept { return {&Logged::note_result, this}; }

    static Action note_result(Loop&, Completion& completion, Result result, void* user) noexcept;
};

/// Counts results of all Logged of this process.
extern u32 sequence_counter;

inline void submit(Loop& loop, Logged& logged, const Operation& operation) noexcept {
    loop.submit(logged.completion, operation, logged.handler());
}

/// Runs until it has ended, but no longer than a test can wait; fails where it has not.
void run_until_ended(Loop& loop, Logged& logged) noexcept;

/// Submits, runs until it has ended, and returns its last result.
[[nodiscard]] Result perform_on(Loop& loop, const Operation& operation) noexcept;

/// Fails unless rw_flag::nowait has done its work, on a pipe that is not ready: before 6.5 the
/// kernel cannot promise anything of pipes, and qemu-user never.
inline void check_would_wait(Result result) noexcept {
    CHECK(result.is(Errno::eagain) ||
          ((!kernel_at_least(6, 5) || !has_transfer_flags()) && result.is(Errno::eopnotsupp)));
}

/// Cancels what is in flight and waits for its end: a body whose completions are its own must do so
/// before it returns.
void end_all(Loop& loop) noexcept;

constexpr u64 ms = 1'000'000;

/// Runs until `done` holds, but no longer than a test can wait.
template <class Condition>
void run_until(Loop& loop, Condition done) noexcept {
    const u64 limit_ns = now_ns() + 20'000 * ms;
    Completion tick; // so that a round ends although nothing happens
    loop.submit(tick, op::timer_every(20 * ms), nullptr);
    while (!done()) {
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(loop.run(Run::once));
    }
    loop.cancel(tick);
    while (!tick.idle()) {
        CHECK_OK(loop.run(Run::once));
    }
}

} // namespace oxbow::test
