// By hand: an edge-triggered eventfd that is never read, and a flag that says whether it has been
// written to since the loop last looked.
#include "wake.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace {

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters&)
        : event_(eventfd(0, EFD_NONBLOCK)), epoll_(epoll_create1(0)) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        bench::expect("epoll_ctl", epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event));
    }
    void open() {}
    void run() {
        while (!stopped_) {
            epoll_event event;
            if (epoll_wait(epoll_, &event, 1, -1) == 1 &&
                __atomic_exchange_n(&pending_, false, __ATOMIC_SEQ_CST)) {
                woken(user);
            }
        }
    }
    void stop() { stopped_ = true; }
    void notify(Subject*) {
        // Never a mere look first: what was written before could pass it, and be missed.
        if (!__atomic_exchange_n(&pending_, true, __ATOMIC_SEQ_CST)) {
            const bench::u64 one = 1;
            bench::expect("write", write(event_, &one, sizeof(one)));
        }
    }

  private:
    int event_;
    int epoll_;
    bool pending_ = false;
    bool stopped_ = false;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
