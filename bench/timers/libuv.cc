// uv_timer_start and uv_timer_stop; start on a running one is the reset. All of them count from the
// loop's own time, which is not read anew for each.
#include "timers.h"

#include <uv.h>
#include <vector>

namespace {

using bench::i64;

class Subject {
  public:
    Subject(long timers, bench::Parameters&) : timers_(static_cast<std::size_t>(timers)) {
        uv_loop_init(&loop_);
        for (uv_timer_t& timer : timers_) {
            uv_timer_init(&loop_, &timer);
        }
        uv_timer_init(&loop_, &spare_);
        uv_idle_init(&loop_, &idle_);
        idle_.data = this;
    }
    void start(long timer, i64 delay_ns) {
        start(timers_[static_cast<std::size_t>(timer)], delay_ns);
    }
    void start_and_stop(i64 delay_ns) {
        start(spare_, delay_ns);
        uv_timer_stop(&spare_);
    }
    void reset(long timer, i64 delay_ns) { start(timer, delay_ns); }
    void call(const std::function<void()>& work) {
        work_ = &work;
        uv_idle_start(&idle_, called);
        uv_run(&loop_, UV_RUN_NOWAIT); // begins with a look at the clock
    }
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

  private:
    static void start(uv_timer_t& timer, i64 delay_ns) {
        uv_timer_start(&timer, fired, static_cast<bench::u64>(delay_ns / bench::ms), 0);
    }
    static void called(uv_idle_t* idle) {
        uv_idle_stop(idle);
        (*static_cast<Subject*>(idle->data)->work_)();
    }
    static void fired(uv_timer_t*) { ++bench::timers_fired; }

    uv_loop_t loop_;
    std::vector<uv_timer_t> timers_;
    uv_timer_t spare_;
    uv_idle_t idle_;
    const std::function<void()>* work_ = nullptr;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
