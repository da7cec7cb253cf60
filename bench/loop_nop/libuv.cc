// uv_idle: called in every round. libuv has nothing that is posted within the loop's own thread.
#include "loop_nop.h"

#include <uv.h>

namespace {

class Subject {
  public:
    Subject(bench::Parameters&) {
        uv_loop_init(&loop_);
        for (uv_idle_t& idle : idles_) {
            uv_idle_init(&loop_, &idle);
        }
    }
    void run() {
        for (long i = 0; i < bench::outstanding; ++i) {
            uv_idle_start(&idles_[i], called);
        }
        uv_run(&loop_, UV_RUN_DEFAULT);
    }

  private:
    static void called(uv_idle_t* idle) {
        if (!bench::goes_on()) {
            uv_idle_stop(idle);
        }
    }

    uv_loop_t loop_;
    uv_idle_t idles_[bench::outstanding_max];
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_loop_nop<Subject>(argc, argv);
}
