// Timers of a loop, as a user starts and stops them. `work` is one of
//
//   late    start `count` timers, uniform over a quarter of a second; when all are due, run them
//   live    the same, as dense as a million in a second and a half, and run them as they become due
//   pair    start one and stop it, while a thousand others wait
//   reset   give a random one of a hundred thousand a new time
//
// All of that happens in a callback of the loop, where its idea of the time is good enough to count
// from, so that nobody has to read the clock for each.
#pragma once

#include "../bench.h"

#include <functional>

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

/// In one callback.
inline constexpr long steps_at_once = 64;

/// What callbacks count.
inline long timers_fired = 0;

/// `Subject`: made of (how many timers, Parameters). start and reset take a timer's index and
/// nanoseconds from now; start_and_stop has a timer besides. call(work) runs work() in a callback
/// and returns when that has returned; run() returns when no timer is left, and each callback of
/// one adds to timers_fired.
template <class Subject>
class TimerWork {
  public:
    TimerWork(Subject& subject, Meter& meter, long timers, long count)
        : subject_(subject), meter_(meter), timers_(timers), count_(count) {}

    void late() {
        start_all(249);
        const i64 due = clock_ns(CLOCK_MONOTONIC) + 252 * ms;
        const std::timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
        run_all();
    }
    void live() {
        constexpr long due_in_a_ms = 667;
        start_all(timers_ / due_in_a_ms + 1);
        run_all();
    }
    void pair() {
        measure([this] { subject_.start_and_stop(far()); });
    }
    void reset() {
        measure([this] { subject_.reset(random_.below(timers_), far()); });
    }

  private:
    /// So late that none fires meanwhile.
    i64 far() { return 60000 * ms + ms * random_.below(1000); }
    void start_waiting() {
        for (long i = 0; i < timers_; ++i) {
            subject_.start(i, far());
        }
    }
    /// `count_` times, some of them in each callback, while all timers wait.
    template <class Step>
    void measure(Step step) {
        subject_.call([this] { start_waiting(); });
        meter_.start();
        for (long left = count_; left > 0; left -= steps_at_once) {
            subject_.call([left, step] {
                for (long i = 0; i < left && i < steps_at_once; ++i) {
                    step();
                }
            });
        }
        meter_.stop();
    }
    void start_all(i64 span_ms) {
        subject_.call([this, span_ms] {
            meter_.start();
            for (long i = 0; i < timers_; ++i) {
                subject_.start(i, ms + ms * random_.below(span_ms));
            }
            meter_.stop();
        });
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
