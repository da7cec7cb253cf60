// Async, which an op::notification waits for.
#include "../oxbow.h"
#include "wake.h"

namespace {

using namespace oxbow;

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters& parameters) {
        // One reading for both: it is asked for only once.
        static const char* const engine = parameters.text("engine", "uring");
        engine_ = engine;
    }
    void open() { bench::open_loop(loop_, engine_); }
    void run() {
        loop_.submit(completion_, op::notification(async_), on<&Subject::notified>(*this));
        (void)loop_.run();
    }
    void stop() noexcept { stopped_ = true; }
    void notify(Subject* from) noexcept {
        if (from != nullptr && on_two_cpus) {
            async_.notify(from->loop_);
        } else {
            async_.notify();
        }
    }

  private:
    Action notified(Result) noexcept {
        woken(user);
        return stopped_ ? Action::disarm : Action::rearm;
    }

    const char* engine_ = nullptr;
    bool stopped_ = false;
    Loop loop_;
    Async async_{loop_};
    Completion completion_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
