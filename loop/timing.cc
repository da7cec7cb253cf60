// Timers, and deadlines of operations. A program has this part only if it makes operations that
// have to do with time (needs.h).
#include "../syscall/time.h"
#include "loop.h"
#include "needs.h"

namespace oxbow {

constexpr char detail::timing_part = 0;

/// What the loop calls, and what it is made of.
struct detail::Timing {
    static void start_timer(Loop& loop, Completion& timer) noexcept;
    static void rearm_timer(Loop& loop, Completion& timer) noexcept;
    static void restart_timer(Loop& loop, Completion& timer) noexcept;
    static void resume_timer(Loop& loop, Completion& timer) noexcept;
    static u32 cancel_timers(Loop& loop) noexcept;
    static void arm(Loop& loop, Completion& completion, u64 time_ns, bool is_absolute) noexcept;
    static void disarm(Loop& loop, Completion& completion) noexcept;
    static void date(Loop& loop) noexcept;
    static void expire(Loop& loop) noexcept;
    static u64 next_deadline_ns(const Loop& loop) noexcept {
        return loop.deadlines_.next_deadline_ns();
    }

    static void arm_dated(Loop& loop, Completion& completion, u64 time_ns,
                          bool is_absolute) noexcept;
    static void start_next_period(Loop& loop, Completion& timer, u64 period_ns) noexcept;
    static void visit(Loop& loop, Completion& completion) noexcept;
    [[nodiscard]] static Completion& completion_of(DeadlineNode& node) noexcept {
        return *reinterpret_cast<Completion*>(reinterpret_cast<u8*>(&node) -
                                              __builtin_offsetof(Completion, deadline));
    }
};

constinit const detail::TimingCalls detail::timing_calls = {
    Timing::start_timer,     Timing::rearm_timer,   Timing::restart_timer,
    Timing::resume_timer,    Timing::cancel_timers, Timing::arm,
    Timing::disarm,          Timing::date,          Timing::expire,
    Timing::next_deadline_ns};

using detail::Timing;

// ---- Arming -------------------------------------------------------------------------------------

/// A cached time would let a timer end early, since it is as old as the round; so one that is given
/// as a duration gets its date when the callbacks of this round have run, from one look at the
/// clock for all of them.
void Timing::arm(Loop& loop, Completion& completion, u64 time_ns, bool is_absolute) noexcept {
    if (loop.running_ && !is_absolute) [[likely]] {
        loop.deadlines_.insert_undated(completion.deadline, time_ns);
    } else {
        arm_dated(loop, completion, time_ns, is_absolute);
    }
}

/// Apart from arm(), which else would save the registers that only this needs.
[[gnu::noinline]] void Timing::arm_dated(Loop& loop, Completion& completion, u64 time_ns,
                                         bool is_absolute) noexcept {
    need_clock<Timing>();
    const u64 deadline_ns = is_absolute ? time_ns : saturating_add(loop.read_clock_ns(), time_ns);
    loop.deadlines_.insert(completion.deadline, deadline_ns);
}

void Timing::disarm(Loop& loop, Completion& completion) noexcept {
    if (completion.has(Completion::timed) && loop.deadlines_.has_undated()) {
        date(loop); // a rearm wants to know when it would have been over
    }
    loop.deadlines_.remove(completion.deadline);
}

void Timing::date(Loop& loop) noexcept {
    loop.deadlines_.date(loop.read_clock_ns());
}

// ---- Timers -------------------------------------------------------------------------------------

void Timing::start_timer(Loop& loop, Completion& timer) noexcept {
    timer.state = State::timing;
    arm(loop, timer, timer.arguments.timer.time_ns, timer.arguments.timer.absolute != 0);
}

void Timing::rearm_timer(Loop& loop, Completion& timer) noexcept {
    const arguments::Timer& asked = timer.arguments.timer;
    if (asked.absolute || loop.draining_ || timer.deadline.deadline_ns == asked.time_ns) {
        // The last: cancelled before it had got a date.
        loop.start(timer, Operation::no_deadline, false);
        return;
    }
    ++loop.active_;
    ++loop.statistics_.submitted;
    timer.bits = 0;
    start_next_period(loop, timer, asked.time_ns);
}

/// Goes on with one that has told one of its results.
void Timing::resume_timer(Loop& loop, Completion& timer) noexcept {
    if (timer.has(Completion::cancelled)) {
        loop.finish(timer, -Errno::ecanceled);
    } else if (timer.has(Loop::was_reset)) {
        restart_timer(loop, timer);
    } else {
        start_next_period(loop, timer, timer.arguments.timer.period_ns);
    }
}

/// At the time that Loop::reset_timer has set.
void Timing::restart_timer(Loop& loop, Completion& timer) noexcept {
    timer.clear(Loop::was_reset);
    timer.value = 0;
    timer.state = State::timing;
    loop.deadlines_.insert(timer.deadline, timer.deadline.deadline_ns);
}

/// Lets a timer end again `period_ns` after it was due; `value` keeps how many periods will have
/// passed by then, the missed ones included.
void Timing::start_next_period(Loop& loop, Completion& timer, u64 period_ns) noexcept {
    u64 next_ns = saturating_add(timer.deadline.deadline_ns, period_ns);
    u32 periods = 1;
    const u64 now = loop.clock_ns();
    if (next_ns <= now && period_ns != 0) {
        // Doubling steps instead of a division, which 32-bit machines do not have.
        u64 step_ns = period_ns;
        u32 step = 1;
        while (step < (1u << 30) && saturating_add(next_ns, 2 * step_ns) <= now &&
               2 * step_ns > step_ns) {
            step_ns *= 2;
            step *= 2;
        }
        for (; step != 0; step >>= 1, step_ns >>= 1) {
            while (next_ns + step_ns <= now) {
                next_ns += step_ns;
                periods += step;
            }
        }
        next_ns += period_ns;
        ++periods;
    }
    timer.value = static_cast<i32>(periods & 0x7fffffffu);
    timer.state = State::timing;
    loop.deadlines_.insert(timer.deadline, next_ns);
}

void Loop::reset_timer(Completion& timer, u64 duration_ns) noexcept {
    OXBOW_CHECK(timer.kind == Kind::timer, "Loop::reset_timer of something else");
    check_owner();
    timer.arguments.timer.time_ns = duration_ns;
    timer.arguments.timer.absolute = false;
    if (timer.idle()) {
        start(timer, Operation::no_deadline, false);
        return;
    }
    if (timer.state == State::timing && running_) {
        timer.value = 0;
        deadlines_.reset_undated(timer.deadline, duration_ns);
        return;
    }
    const u64 deadline_ns = saturating_add(read_clock_ns(), duration_ns);
    if (timer.state == State::timing) {
        timer.value = 0;
        deadlines_.reset(timer.deadline, deadline_ns);
        return;
    }
    // It is in the ready queue or in its callback: whoever comes to it next sees the mark.
    timer.deadline.deadline_ns = deadline_ns;
    timer.set(was_reset);
}

bool Loop::stop_timer(Completion& timer) noexcept {
    OXBOW_CHECK(timer.kind == Kind::timer || timer.idle(), "Loop::stop_timer of something else");
    check_owner();
    if (timer.state != State::timing) {
        const bool ends = timer.state == State::ready || timer.state == State::ready_more ||
                          timer.state == State::resuming;
        if (ends && was_set_anew(timer)) {
            timer.set(Completion::cancelled); // else it would go on from there
        }
        return false;
    }
    deadlines_.remove(timer.deadline);
    end_activation(timer);
    if (timer.has(Completion::has_successors)) {
        detail::chain_calls.start_successors(*this, timer, false);
    }
    return true;
}

// ---- When time has passed -----------------------------------------------------------------------

/// Of a crowd that is due, no more than callbacks run between two looks, and these soon: by the
/// time that a million had been collected, the first would be in no cache any more.
void Timing::expire(Loop& loop) noexcept {
    (void)loop.deadlines_.expire(
        loop.clock_ns(), [&loop](DeadlineNode& node) noexcept { visit(loop, completion_of(node)); },
        Loop::callbacks_between_looks);
}

inline void Timing::visit(Loop& loop, Completion& completion) noexcept {
    if (completion.state != State::timing) {
        // The operation ends as its engine says; finish() turns -ECANCELED into -ETIME.
        completion.set(Completion::expired);
        (void)loop.cancel(completion, arguments::any_generation, nullptr);
        return;
    }
    const u32 periods = completion.value != 0 ? static_cast<u32>(completion.value) : 1;
    if (completion.arguments.timer.period_ns != 0) {
        loop.deliver(completion, static_cast<i32>(periods));
    } else {
        loop.finish(completion, static_cast<i32>(periods));
    }
}

/// Of what is among the deadlines, the others are those of operations that have just been asked to
/// end. How many timers end.
u32 Timing::cancel_timers(Loop& loop) noexcept {
    u32 found = 0;
    if (loop.deadlines_.has_undated()) {
        loop.deadlines_.date(0);
    }
    (void)loop.deadlines_.expire(~u64{0}, [&loop, &found](DeadlineNode& node) noexcept {
        Completion& completion = completion_of(node);
        if (completion.state == State::timing) {
            loop.finish(completion, -Errno::ecanceled);
            ++found;
        }
    });
    return found;
}

} // namespace oxbow
