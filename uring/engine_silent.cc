// Sends of which nobody wants to know how they ended: no callback. The kernel is asked to tell only
// of those that fail (5.17), and so one call hands over the answer to a request and waits for the
// next one, where else the completion of the send would end the wait.
#include "engine_state.h"

namespace oxbow::uring_engine {

bool silent_must_end(Loop& loop, const State& state) noexcept {
    if (loop.steps() || loop.in_flight() <= state.silent_count || loop.awaits_buffer()) {
        return true;
    }
    for (u32 i = 0; i < state.silent_count; ++i) {
        if (state.silent[i] != nullptr && state.silent[i]->has(Completion::has_successors)) {
            return true;
        }
    }
    return false;
}

void forget_silent(State& state, const Completion& completion) noexcept {
    for (u32 i = 0; i < state.silent_count; ++i) {
        if (state.silent[i] == &completion) {
            state.silent[i] = nullptr;
            return;
        }
    }
}

void end_silent(Loop& loop, State& state) noexcept {
    for (u32 i = 0; i < state.silent_count; ++i) {
        if (Completion* const completion = state.silent[i]) {
            list_of(loop, *completion).remove(*completion);
            loop.finish_untold(*completion, static_cast<i32>(completion->arguments.send.bytes));
        }
    }
    state.silent_count = 0;
}

} // namespace oxbow::uring_engine
