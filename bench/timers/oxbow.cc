// op::timer, Loop::cancel and Loop::reset_timer.
#include "../oxbow.h"
#include "timers.h"

namespace {

using namespace oxbow;

class Subject {
  public:
    Subject(long timers, bench::Parameters& parameters)
        : timers_(new Completion[static_cast<usize>(timers)]) {
        bench::open_loop(loop_, parameters);
    }
    void start(long timer, bench::i64 delay_ns) {
        loop_.submit(timers_[timer], op::timer(static_cast<u64>(delay_ns)), fired);
    }
    void start_and_stop(bench::i64 delay_ns) {
        Completion& timer = spare_[spare_used_++];
        loop_.submit(timer, op::timer(static_cast<u64>(delay_ns)), fired);
        loop_.cancel(timer);
        if (spare_used_ == spares) {
            spare_used_ = 0;
            (void)loop_.run(Run::no_wait); // the callbacks that tell of their ends
        }
    }
    void reset(long timer, bench::i64 delay_ns) {
        loop_.reset_timer(timers_[timer], static_cast<u64>(delay_ns));
    }
    void run() { (void)loop_.run(); }

  private:
    static constexpr u32 spares = 64;

    static Action fired(Loop&, Completion&, Result result, void*) noexcept {
        bench::timers_fired += result.ok() ? 1 : 0;
        return Action::disarm;
    }

    Loop loop_;
    Completion* timers_;
    u32 spare_used_ = 0;
    Completion spare_[spares];
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
