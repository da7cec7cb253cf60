// evtimer: event_add, which also gives a running one its new time, and event_del.
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
        event_assign(&call_, base_, -1, EV_PERSIST, called, this);
    }
    void start(long timer, i64 delay_ns) { add(at(timer), delay_ns); }
    void start_and_stop(i64 delay_ns) {
        add(spare_, delay_ns);
        evtimer_del(&spare_);
    }
    void reset(long timer, i64 delay_ns) { add(at(timer), delay_ns); }
    void call(const std::function<void()>& work) {
        work_ = &work;
        event_active(&call_, EV_READ, 0);
        event_base_loop(base_,
                        EVLOOP_NONBLOCK | EVLOOP_ONCE); // else again, as long as some are due
    }
    void run() { event_base_dispatch(base_); }

  private:
    event& at(long timer) { return timers_[static_cast<std::size_t>(timer)]; }
    static void add(event& timer, i64 delay_ns) {
        const timeval delay = {delay_ns / 1000000000, delay_ns % 1000000000 / 1000};
        evtimer_add(&timer, &delay);
    }
    static void called(int, short, void* self) { (*static_cast<Subject*>(self)->work_)(); }
    static void fired(int, short, void*) { ++bench::timers_fired; }

    std::vector<event> timers_;
    event spare_;
    event call_;
    const std::function<void()>* work_ = nullptr;
    event_base* base_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
