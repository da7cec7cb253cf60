// evtimer: event_add, which also gives a running one its new time, and event_del. Outside of its
// callbacks libevent keeps no time, so each event_add reads the (coarse) clock.
#include "timers.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <vector>

namespace {

using bench::i64;

class Subject {
  public:
    Subject(long timers, bench::Parameters&)
        : timers_(static_cast<std::size_t>(timers)), base_(event_base_new()) {
        if (base_ == nullptr) {
            bench::fail("event_base_new", 0);
        }
        for (event& timer : timers_) {
            evtimer_assign(&timer, base_, fired, nullptr);
        }
        evtimer_assign(&spare_, base_, fired, nullptr);
    }
    void start(long timer, i64 delay_ns) { add(at(timer), delay_ns); }
    void start_and_stop(i64 delay_ns) {
        add(spare_, delay_ns);
        evtimer_del(&spare_);
    }
    void reset(long timer, i64 delay_ns) { add(at(timer), delay_ns); }
    void run() { event_base_dispatch(base_); }

  private:
    event& at(long timer) { return timers_[static_cast<std::size_t>(timer)]; }
    static void add(event& timer, i64 delay_ns) {
        const timeval delay = {delay_ns / 1000000000, delay_ns % 1000000000 / 1000};
        evtimer_add(&timer, &delay);
    }
    static void fired(int, short, void*) { ++bench::timers_fired; }

    std::vector<event> timers_;
    event spare_;
    event_base* base_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
