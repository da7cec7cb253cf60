// event_active from the other thread, with libevent's locks on: an event that nothing else
// triggers, in a loop that stays although none is added.
#include "wake.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

namespace {

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters&) {
        bench::expect("evthread_use_pthreads", evthread_use_pthreads()); // before the first base
    }
    void open() {
        base_ = event_base_new();
        if (base_ == nullptr) {
            bench::fail("event_base_new", 0);
        }
        event_assign(&event_, base_, -1, EV_PERSIST, notified, this);
    }
    void run() { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); }
    void stop() { event_base_loopbreak(base_); }
    void notify(Subject*) { event_active(&event_, EV_READ, 0); }

  private:
    static void notified(int, short, void* user) {
        const Subject& self = *static_cast<const Subject*>(user);
        self.woken(self.user);
    }

    event_base* base_ = nullptr;
    event event_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
