// op::nop, which rearms itself.
#include "../oxbow.h"
#include "loop_nop.h"

namespace {

using namespace oxbow;

class Subject {
  public:
    Subject(bench::Parameters& parameters) { bench::open_loop(loop_, parameters); }
    void run() {
        for (long i = 0; i < bench::outstanding; ++i) {
            loop_.submit(completions_[i], op::nop(), on<&Subject::called>(*this));
        }
        if (loop_.run() < 0) {
            bench::fail("Loop::run", 0);
        }
    }

  private:
    Action called(Result) noexcept { return bench::goes_on() ? Action::rearm : Action::disarm; }

    Loop loop_;
    Completion completions_[bench::outstanding_max];
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_loop_nop<Subject>(argc, argv);
}
