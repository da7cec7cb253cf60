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
    /// Its callback, which tells of the end, comes in the next round.
    void start_and_stop(bench::i64 delay_ns) {
        Completion& timer = spare_[spare_used_++ % bench::steps_at_once];
        loop_.submit(timer, op::timer(static_cast<u64>(delay_ns)), fired);
        loop_.cancel(timer);
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
    u32 spare_used_ = 0;
    Completion spare_[bench::steps_at_once];
    Completion call_;
    const std::function<void()>* work_ = nullptr;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
