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
        uv_update_time(&loop_);
    }
    void start(long timer, i64 delay_ns) {
        start(timers_[static_cast<std::size_t>(timer)], delay_ns);
    }
    void start_and_stop(i64 delay_ns) {
        start(spare_, delay_ns);
        uv_timer_stop(&spare_);
    }
    void reset(long timer, i64 delay_ns) { start(timer, delay_ns); }
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

  private:
    static void start(uv_timer_t& timer, i64 delay_ns) {
        uv_timer_start(&timer, fired, static_cast<bench::u64>(delay_ns / bench::ms), 0);
    }
    static void fired(uv_timer_t*) { ++bench::timers_fired; }

    uv_loop_t loop_;
    std::vector<uv_timer_t> timers_;
    uv_timer_t spare_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
