// ev_timer: started and stopped, and given a new time by ev_timer_again. All go by the loop's own
// time, which is brought up to date once, as in a callback.
#include "timers.h"

#include <ev.h>
#include <vector>

namespace {

using bench::i64;

class Subject {
  public:
    Subject(long timers, bench::Parameters&)
        : timers_(static_cast<std::size_t>(timers)), loop_(ev_loop_new(EVFLAG_NOENV)) {
        if (loop_ == nullptr) {
            bench::fail("ev_loop_new", 0);
        }
        for (ev_timer& timer : timers_) {
            ev_init(&timer, fired);
        }
        ev_init(&spare_, fired);
        ev_init(&call_, called);
        call_.data = this;
    }
    void start(long timer, i64 delay_ns) { start(at(timer), delay_ns); }
    void start_and_stop(i64 delay_ns) {
        start(spare_, delay_ns);
        ev_timer_stop(loop_, &spare_);
    }
    void reset(long timer, i64 delay_ns) {
        at(timer).repeat = seconds(delay_ns);
        ev_timer_again(loop_, &at(timer));
        at(timer).repeat = 0; // when it is due, it ends
    }
    void call(const std::function<void()>& work) {
        work_ = &work;
        ev_now_update(loop_); // as the round of a callback does
        ev_feed_event(loop_, &call_, EV_CUSTOM);
        ev_invoke_pending(loop_);
    }
    void run() { ev_run(loop_, 0); }

  private:
    ev_timer& at(long timer) { return timers_[static_cast<std::size_t>(timer)]; }
    static ev_tstamp seconds(i64 ns) { return static_cast<ev_tstamp>(ns) * 1e-9; }
    void start(ev_timer& timer, i64 delay_ns) {
        ev_timer_set(&timer, seconds(delay_ns), 0);
        ev_timer_start(loop_, &timer);
    }
    static void called(struct ev_loop*, ev_watcher* watcher, int) {
        (*static_cast<Subject*>(watcher->data)->work_)();
    }
    static void fired(struct ev_loop*, ev_timer*, int) { ++bench::timers_fired; }

    std::vector<ev_timer> timers_;
    ev_timer spare_;
    ev_watcher call_;
    const std::function<void()>* work_ = nullptr;
    struct ev_loop* loop_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
