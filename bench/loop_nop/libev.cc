// A prepared watcher that feeds itself its event, and an idle one that keeps the loop from waiting.
#include "loop_nop.h"

#include <ev.h>

namespace {

class Subject {
  public:
    Subject(bench::Parameters&) {
        loop_ = ev_default_loop(EVFLAG_NOENV);
        for (ev_watcher& watcher : watchers_) {
            ev_init(&watcher, called);
        }
    }
    void run() {
        for (long i = 0; i < bench::outstanding; ++i) {
            ev_feed_event(loop_, &watchers_[i], EV_CUSTOM);
        }
        while (bench::calls_left > 0) {
            ev_invoke_pending(loop_); // without the rest of ev_run, which would wait
        }
    }

  private:
    static void called(struct ev_loop* loop, ev_watcher* watcher, int) {
        if (bench::goes_on()) {
            ev_feed_event(loop, watcher, EV_CUSTOM);
        }
    }

    struct ev_loop* loop_;
    ev_watcher watchers_[bench::outstanding_max];
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_loop_nop<Subject>(argc, argv);
}
