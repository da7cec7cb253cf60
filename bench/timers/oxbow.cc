// op::timer, Loop::stop_timer and Loop::reset_timer.
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
        loop_.submit(spare_, op::timer(static_cast<u64>(delay_ns)), fired);
        if (!loop_.stop_timer(spare_)) {
            bench::fail("a timer that waits was not stopped", 0);
        }
    }
    void reset(long timer, bench::i64 delay_ns) {
        loop_.reset_timer(timers_[timer], static_cast<u64>(delay_ns));
    }
    void call(const std::function<void()>& work) {
        work_ = &work;
        loop_.submit(call_, op::nop(), on<&Subject::called>(*this));
        while (work_ != nullptr) {
            (void)loop_.run(Run::no_wait);
        }
    }
    void run() { (void)loop_.run(); }

  private:
    void called(Result) noexcept {
        (*work_)();
        work_ = nullptr;
    }
    static Action fired(Loop&, Completion&, Result result, void*) noexcept {
        bench::timers_fired += result.ok() ? 1 : 0;
        return Action::disarm;
    }

    Loop loop_;
    Completion* timers_;
    Completion spare_;
    Completion call_;
    const std::function<void()>* work_ = nullptr;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
