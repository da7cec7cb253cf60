// ev_async, which by itself writes only where the loop waits and nobody else has written.
#include "wake.h"

#include <ev.h>

namespace {

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters&) : loop_(ev_loop_new(EVFLAG_NOENV)) {
        if (loop_ == nullptr) {
            bench::fail("ev_loop_new", 0);
        }
        ev_async_init(&async_, notified);
        async_.data = this;
    }
    void open() { ev_async_start(loop_, &async_); }
    void run() { ev_run(loop_, 0); }
    void stop() { ev_break(loop_, EVBREAK_ONE); }
    void notify(Subject*) { ev_async_send(loop_, &async_); }

  private:
    static void notified(struct ev_loop*, ev_async* async, int) {
        const Subject& self = *static_cast<const Subject*>(async->data);
        self.woken(self.user);
    }

    struct ev_loop* loop_;
    ev_async async_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
