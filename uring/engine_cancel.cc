// Asking the ring for the end of what it has.
#include "engine_state.h"
#include "prep.h"

namespace oxbow::uring_engine {

i32 cancel(Loop& loop, Completion& target, Completion* request) noexcept {
    if (target.kind == Kind::cancel || target.kind == Kind::close) {
        return -Errno::ealready; // they end by themselves
    }
    if (request == nullptr && target.has(cancel_sent)) {
        return cancel_outcome::ends;
    }
    abi::Sqe* const sqe = entry(loop);
    if (sqe == nullptr) {
        if (request != nullptr) {
            loop.park(*request);
            return cancel_outcome::pending;
        }
        state_of(loop).set_chore(State::cancels_left);
        return cancel_outcome::ends;
    }
    // A request stands behind its target in the queue, so that the kernel knows the target by then.
    prep::async_cancel(*sqe, tag_of(target));
    target.set(cancel_sent);
    if (request == nullptr) {
        sqe->user_data = unseen_tag;
        return cancel_outcome::ends;
    }
    sqe->user_data = tag_of(*request);
    if (is_multishot(target.kind)) {
        request->set(target_ends); // what the kernel has not ended, resume() does
    }
    loop.slot_of(*request).readers.push(*request);
    return cancel_outcome::pending;
}

void tell_requests(Loop& loop, const Completion& target) noexcept {
    for (Completion* at = loop.unattached().readers.first(); at != nullptr; at = at->next) {
        if (at->kind == Kind::cancel && at->arguments.cancel.target == &target) {
            at->set(target_ends);
        }
    }
}

namespace {

template <class Visit>
void visit_cancelled(Loop& loop, Visit visit) noexcept {
    const auto visit_list = [visit](const CompletionList& list) noexcept {
        for (Completion* at = list.first(); at != nullptr; at = at->next) {
            if (at->has(Completion::cancelled)) {
                visit(*at);
            }
        }
    };
    visit_list(loop.unattached().readers);
    visit_list(loop.unattached().writers);
    for (u32 fd = 0; fd <= loop.fd_highest(); ++fd) {
        visit_list(loop.fds().slots[fd].readers);
        visit_list(loop.fds().slots[fd].writers);
    }
}

} // namespace

void send_cancels_left(Loop& loop) noexcept {
    state_of(loop).clear_chore(State::cancels_left);
    visit_cancelled(loop, [&loop](Completion& target) noexcept {
        if (!target.has(cancel_sent)) {
            (void)cancel(loop, target, nullptr);
        }
    });
}

void doubt_cancel(Loop& loop) noexcept {
    constexpr u64 patience_ns = 1'000'000;
    State& state = state_of(loop);
    if (!state.has_chore(State::cancels_again)) {
        state.set_chore(State::cancels_again);
        state.cancels_again_ns = loop.clock_ns() + patience_ns;
    }
}

void repeat_cancels(Loop& loop) noexcept {
    state_of(loop).clear_chore(State::cancels_again);
    visit_cancelled(loop, [&loop](Completion& target) noexcept {
        target.clear(cancel_sent);
        (void)cancel(loop, target, nullptr);
    });
}

} // namespace oxbow::uring_engine
