// The rounds of a loop: wait, collect, run callbacks.
//
// Collecting only puts completions into the ready queue. Callbacks run here and nowhere else, from
// that queue, so that nothing recurses, the stack stays flat, and a callback may do to its
// completion whatever it likes.
#include "../syscall/time.h"
#include "loop.h"
#include "needs.h"
#include "prefetch.h"

namespace oxbow {

i32 Loop::run(Run mode) noexcept {
    return run_until(mode, mode == Run::no_wait ? 0 : ~u64{0}, false);
}

i32 Loop::run_for(u64 duration_ns) noexcept {
    return run_until(Run::until_done, saturating_add(read_clock_ns(), duration_ns), true);
}

/// As `mode` says, which with Run::no_wait is one round, and waits until `limit_ns` at most. With
/// `is_timed` until then, whether there is something to do or not.
i32 Loop::run_until(Run mode, u64 limit_ns, bool is_timed) noexcept {
    OXBOW_CHECK(is_open() && !running_, "run inside a callback, or of a loop that is not open");
    check_owner();
    running_ = true;
    goes_on_ = mode == Run::until_done && !is_timed;
    callbacks_to_look_ = 0;
    i32 result = 0;
    u32 callbacks = 0;
    while (!stopped_ && (active_ != 0 || is_timed || has_remote_work())) {
        result = round(limit_ns);
        if (result < 0) {
            break;
        }
        callbacks += static_cast<u32>(result);
        if (goes_on_) [[likely]] {
            continue;
        }
        if (is_timed ? read_clock_ns() >= limit_ns : (mode == Run::no_wait || callbacks != 0)) {
            break;
        }
    }
    end_run();
    return result < 0 ? result : static_cast<i32>(callbacks);
}

void Loop::end_run() noexcept {
    date_deadlines(); // of the last callbacks: nobody knows when the next run comes
    send_owed_wakes();
    running_ = goes_on_ = false;
    stopped_ = false;
}

/// To other loops: this one may never wait again, and of an earlier wait it is not known whether it
/// was let do what it was to.
void Loop::send_owed_wakes() noexcept {
    if (owes_wakes_) [[unlikely]] {
        owes_wakes_ = false;
        engine_->wake_others_now(*this);
    }
}

/// Gives what has been started in callbacks, as a duration, its point in time.
inline void Loop::date_deadlines() noexcept {
    if (deadlines_.has_undated()) {
        detail::timing_calls.date(*this);
    }
}

/// One round, which waits until `limit_ns` at most. How many callbacks ran.
inline i32 Loop::round(u64 limit_ns) noexcept {
    ++statistics_.rounds;
    const bool looks = ready_.empty() || callbacks_to_look_ == 0;
    if (looks) {
        const i32 result = wait(limit_ns);
        if (result < 0) {
            return result;
        }
    }
    now_ns_ = 0;
    if (has_remote_work()) {
        detail::remote_calls.take(*this);
    }
    if (looks && !deadlines_.empty()) {
        detail::timing_calls.expire(*this);
    }
    const u32 callbacks = run_ready();
    callbacks_to_look_ -= callbacks < callbacks_to_look_ ? callbacks : callbacks_to_look_;
    return static_cast<i32>(callbacks);
}

/// Of every pool.
void Loop::serve_waiters() noexcept {
    for (BufferPool* pool = pools_; pool != nullptr; pool = pool->next) {
        pool->serve_waiters();
    }
}

/// Looks at the kernel: hands over what is queued, and collects what has happened.
inline i32 Loop::wait(u64 limit_ns) noexcept {
    callbacks_to_look_ = callbacks_max_ == ~0u ? callbacks_between_looks : 0;
    if (dependents_ != 0) [[unlikely]] {
        serve_waiters();
    }
    u64 deadline_ns = ready_.empty() ? limit_ns : 0;
    if (!deadlines_.empty()) {
        date_deadlines();
        const u64 timer_ns = deadline_ns != 0 ? detail::timing_calls.next_deadline_ns(*this) : 0;
        deadline_ns = deadline_ns < timer_ns ? deadline_ns : timer_ns;
    }
    if (deadline_ns == 0 || wake_fd_and_1_ == 0) {
        return engine_->wait(*this, deadline_ns);
    }
    // Whoever pushes something now either is seen by the second look, or sees that we sleep.
    store_release(&sleeping_, u32{1});
    full_fence();
    if (has_remote_work()) {
        deadline_ns = 0;
    }
    const i32 result = engine_->wait(*this, deadline_ns);
    store_release(&sleeping_, u32{0});
    return result;
}

/// What the callback after the next one will touch. With many operations in flight, each of them
/// would wait for memory several times, one after the other.
inline void Loop::fetch_ahead(const Completion& next) const noexcept {
    prefetch(next.next);
    prefetch(next.user, 3);
    prefetch_line(fds_.slot(next.fd));
}

inline u32 Loop::run_ready() noexcept {
    // What callbacks add stands behind this one and comes in the next round, so that I/O is never
    // starved.
    const Completion* last = ready_.last();
    u32 callbacks = 0;
    // Until so many have run, a further round needs no look at the kernel.
    const u32 callbacks_in_a_row = goes_on_ ? callbacks_to_look_ : 0;
    const bool fetches = is_crowded();
    while (!stopped_ && callbacks < callbacks_max_) {
        Completion* const completion = ready_.pop();
        if (completion == nullptr) {
            break;
        }
        const bool is_last = completion == last;
        if (fetches && !is_last) [[unlikely]] {
            fetch_ahead(*ready_.first());
        }
        callbacks += run_callback(*completion) ? 1 : 0;
        if (is_last) {
            if (ready_.empty() || callbacks >= callbacks_in_a_row || has_remote_work()) {
                break;
            }
            ++statistics_.rounds;
            now_ns_ = 0;
            last = ready_.last();
        }
    }
    return callbacks;
}

inline Action Loop::call(Completion& completion, Result result) noexcept {
    if (completion.callback == nullptr) {
        return Action::disarm;
    }
    if (options_.slow_callback_ns == 0) [[likely]] {
        return completion.callback(*this, completion, result, completion.user);
    }
    return call_and_time(completion, result);
}

Action Loop::call_and_time(Completion& completion, Result result) noexcept {
    const u64 before_ns = read_clock_ns();
    const Action action = completion.callback(*this, completion, result, completion.user);
    if (read_clock_ns() - before_ns > options_.slow_callback_ns) {
        ++statistics_.slow_callbacks;
    }
    return action;
}

/// False: there was none to run, since the timer has been set anew, nothing was received after all,
/// or nobody wants to know how a send has ended.
inline bool Loop::run_callback(Completion& completion) noexcept {
    constexpr u8 needs_care = Completion::has_successors | was_reset;
    if (completion.callback == nullptr || options_.slow_callback_ns != 0) [[unlikely]] {
        return run_callback_with_care(completion);
    }
    if (completion.state == State::ready && (completion.bits & needs_care) == 0) {
        const Result result = {completion.value, completion.result_flags};
        end_activation(completion);
        if (completion.callback(*this, completion, result, completion.user) == Action::rearm) {
            rearm(completion);
        }
        return true;
    }
    if (completion.state == State::ready_to_receive && !engine_->receive(*this, completion)) {
        return false;
    }
    if (completion.state != State::ready_more || completion.kind == Kind::timer) [[unlikely]] {
        return run_callback_with_care(completion);
    }
    const Result result = {completion.value, completion.result_flags};
    completion.state = State::resuming;
    resuming_ = &completion;
    (void)completion.callback(*this, completion, result, completion.user);
    resuming_ = nullptr;
    engine_->resume(*this, completion);
    return true;
}

/// The same, whatever it is.
bool Loop::run_callback_with_care(Completion& completion) noexcept {
    if (was_set_anew(completion)) [[unlikely]] {
        if (!completion.has(Completion::cancelled)) {
            detail::timing_calls.restart_timer(*this, completion);
            return false;
        }
        completion.state = State::ready;
        completion.value = -Errno::ecanceled;
        completion.result_flags = 0;
    }
    if (completion.state == State::ready_to_receive && !engine_->receive(*this, completion)) {
        return false;
    }
    const Result result = {completion.value, completion.result_flags};
    const bool is_untold = completion.callback == nullptr &&
                           (completion.kind == Kind::send || completion.kind == Kind::send_all);
    if (completion.state == State::ready_more) {
        completion.state = State::resuming;
        resuming_ = &completion;
        (void)call(completion, result);
        resuming_ = nullptr;
        resume(completion);
        return true;
    }
    end_activation(completion);
    if (completion.has(Completion::has_successors)) {
        detail::chain_calls.start_successors(*this, completion, result.ok());
    }
    if (call(completion, result) == Action::rearm) {
        rearm(completion);
    }
    return !is_untold;
}

/// Goes on with an operation that has told one of its results.
inline void Loop::resume(Completion& completion) noexcept {
    if (completion.kind != Kind::timer) {
        engine_->resume(*this, completion);
    } else {
        detail::timing_calls.resume_timer(*this, completion);
    }
}

} // namespace oxbow
