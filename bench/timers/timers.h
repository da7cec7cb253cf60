// Timers of a loop, as a user starts and stops them. `work` is one of
//
//   late    start `count` timers, uniform over a second; when all are due, run them
//   live    the same over a second and a half, and run them as they become due
//   pair    start one and stop it, while a thousand others wait
//   reset   give a random one of a hundred thousand a new time
#pragma once

#include "../bench.h"

namespace bench {

inline constexpr i64 ms = 1000000;

/// xorshift64: the same numbers for every subject.
struct Random {
    u64 state = 88172645463325252u;
    u64 next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
    i64 below(i64 bound) { // less than 2^31
        return static_cast<i64>(((next() >> 32) * static_cast<u64>(bound)) >> 32);
    }
};

/// What callbacks count.
inline long timers_fired = 0;

/// `Subject`: made of (how many timers, Parameters). start and reset take a timer's index and
/// nanoseconds from now; start_and_stop has a timer besides; run() returns when none is left, and
/// each callback adds to timers_fired.
template <class Subject>
class TimerWork {
  public:
    TimerWork(Subject& subject, Meter& meter, long timers, long count)
        : subject_(subject), meter_(meter), timers_(timers), count_(count) {}

    void late() {
        meter_.start();
        for (long i = 0; i < timers_; ++i) {
            subject_.start(i, ms + ms * random_.below(999));
        }
        meter_.stop();
        const i64 due = clock_ns(CLOCK_MONOTONIC) + 1002 * ms;
        const std::timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
        run_all();
    }
    void live() {
        meter_.start();
        for (long i = 0; i < timers_; ++i) {
            subject_.start(i, ms + ms * random_.below(1499));
        }
        meter_.stop();
        run_all();
    }
    void pair() {
        start_waiting();
        meter_.start();
        for (long i = 0; i < count_; ++i) {
            subject_.start_and_stop(far());
        }
        meter_.stop();
    }
    void reset() {
        start_waiting();
        meter_.start();
        for (long i = 0; i < count_; ++i) {
            subject_.reset(random_.below(timers_), far());
        }
        meter_.stop();
    }

  private:
    /// So late that none fires meanwhile.
    i64 far() { return 60000 * ms + ms * random_.below(1000); }
    void start_waiting() {
        for (long i = 0; i < timers_; ++i) {
            subject_.start(i, far());
        }
    }
    void run_all() {
        meter_.start();
        subject_.run();
        meter_.stop();
        if (timers_fired != timers_) {
            fail("timers fired wrongly", timers_fired);
        }
    }

    Subject& subject_;
    Meter& meter_;
    long timers_;
    long count_;
    Random random_;
};

template <class Subject>
int run_timers(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const char* const name = parameters.text("work", "late");
    const bool fires = std::strcmp(name, "late") == 0 || std::strcmp(name, "live") == 0;
    const bool pairs = std::strcmp(name, "pair") == 0;
    if (!fires && !pairs && std::strcmp(name, "reset") != 0) {
        fail("work is late, live, pair or reset", 0);
    }
    const long count = parameters.number("count", 1000000);
    const long timers = fires ? count : pairs ? 1000 : 100000;
    Meter meter(parameters);
    Subject* const subject = new Subject(timers, parameters);
    parameters.done();
    TimerWork<Subject> work(*subject, meter, timers, count);
    if (pairs) {
        work.pair();
    } else if (!fires) {
        work.reset();
    } else if (name[1] == 'a') {
        work.late();
    } else {
        work.live();
    }
    meter.print(static_cast<double>(count));
    return 0;
}

} // namespace bench
