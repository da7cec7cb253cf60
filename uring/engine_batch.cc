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

/// How many completions a wait can hope for. Some of what is in flight may not be the kernel's to
/// end (a timer, a worker's job): then the limit ends the wait.
[[nodiscard]] u32 count_of(const Loop& loop, const State& state) noexcept {
    u32 count = loop.in_flight() - loop.untold();
    count = count < state.batch ? count : state.batch;
    count = count < state.ring.cq_entries() ? count : state.ring.cq_entries();
    return count != 0 ? count : 1; // nothing is in flight, and the wait is for other threads
}

[[nodiscard]] u32 results_of(const Loop& loop) noexcept {
    const Statistics& all = loop.statistics();
    return static_cast<u32>(all.completed + all.delivered);
}

} // namespace

bool set_wait_batch(Loop& loop, u32 completions, u64 limit_ns) noexcept {
    State& state = state_of(loop);
    if (!state.ring.has(abi::feature::ext_arg)) {
        return false; // there, a wait for several has no time limit
    }
    state.waits_for_more = 0;
    state.batch = completions;
    state.batch_limit_ns = limit_ns;
    state.results_at_batch = results_of(loop) - 1;
    if (completions > 1 && limit_ns != 0) {
        state.set_chore(State::batches);
    } else {
        state.clear_chore(State::batches);
    }
    return true;
}

u64 begin_batch(Loop& loop, u64 deadline_ns) noexcept {
    if (deadline_ns == 0) {
        return 0;
    }
    State& state = state_of(loop);
    const u32 results = results_of(loop);
    // Where the last one has come to nothing, little is going on: the next wait is for the first,
    // however long that takes.
    const bool is_idle = results == state.results_at_batch;
    state.results_at_batch = is_idle ? results - 1 : results;
    state.waits_for_more = is_idle ? 0 : count_of(loop, state) - 1;
    if (state.waits_for_more == 0) {
        return deadline_ns;
    }
    // The kernel has such a limit itself (min_wait_usec, 6.12), which needs no look at the clock.
    // But a deadline that is earlier counts there only when the limit has passed.
    const u64 limit_ns = saturating_add(loop.read_clock_ns(), state.batch_limit_ns);
    return limit_ns < deadline_ns ? limit_ns : deadline_ns;
}

} // namespace uring_engine

} // namespace oxbow
