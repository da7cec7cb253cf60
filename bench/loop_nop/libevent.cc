// event_active: an event that is made active by hand.
#include "loop_nop.h"

#include <event2/event.h>
#include <event2/event_struct.h>

namespace {

class Subject {
  public:
    Subject(bench::Parameters&) {
        base_ = event_base_new();
        for (event& watcher : events_) {
            event_assign(&watcher, base_, -1, EV_PERSIST, called, event_self_cbarg());
        }
    }
    void run() {
        for (long i = 0; i < bench::outstanding; ++i) {
            event_active(&events_[i], EV_READ, 0);
        }
        while (bench::calls_left > 0) {
            event_base_loop(base_, EVLOOP_NONBLOCK);
        }
    }

  private:
    static void called(int, short, void* itself) {
        if (bench::goes_on()) {
            event_active(static_cast<event*>(itself), EV_READ, 0);
        }
    }

    event_base* base_;
    event events_[bench::outstanding_max];
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_loop_nop<Subject>(argc, argv);
}
