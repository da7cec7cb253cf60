// Waking a loop from another thread. `work` is one of
//
//   round-trip   two loops in two threads, each wakes the other and sleeps
//   flood        one thread wakes a loop again and again, without waiting for anything
//
// `cpus=1`: both threads on one processor; 2: on two.
#pragma once

#include "../processor.h"

#include <pthread.h>

namespace bench {

/// `Subject`: made of Parameters, in the main thread; open() and run() are called in a thread of
/// its own, and run() calls `woken` for each wake-up that it sees until stop() is called, which is
/// done in `woken`. notify(from) may be called by any thread; `from`: whose thread it is, or
/// nullptr.
template <class Subject>
class WakeWork {
  public:
    explicit WakeWork(Parameters& parameters)
        : count_(parameters.number("count", 20000)), cpus_(parameters.number("cpus", 1)),
          flood_(std::strcmp(parameters.text("work", "round-trip"), "flood") == 0),
          meter_(parameters) {
        for (Side& side : sides_) {
            side.work = this;
            side.subject = new Subject(parameters);
            side.subject->woken = woken;
            side.subject->on_two_cpus = cpus_ > 1;
            side.subject->user = &side;
        }
        sides_[0].other = &sides_[1];
        sides_[1].other = &sides_[0];
        pthread_barrier_init(&opened_, nullptr, flood_ ? 2 : 3);
    }

    void run() {
        pin_to(0);
        const int threads = flood_ ? 1 : 2;
        for (int i = 0; i < threads; ++i) {
            sides_[i].cpu = cpus_ == 1 ? 0 : flood_ ? 1 : i;
            pthread_create(&sides_[i].thread, nullptr, thread, &sides_[i]);
        }
        pthread_barrier_wait(&opened_);
        meter_.start();
        for (long i = 0; i < (flood_ ? count_ : 1); ++i) {
            sides_[0].subject->notify(nullptr);
        }
        if (flood_) {
            meter_.stop();
            __atomic_store_n(&sent_all_, true, __ATOMIC_RELEASE);
            sides_[0].subject->notify(nullptr);
        }
        for (int i = 0; i < threads; ++i) {
            pthread_join(sides_[i].thread, nullptr);
        }
        if (!flood_) {
            meter_.stop();
        }
        meter_.print(static_cast<double>(count_));
    }

  private:
    struct Side {
        WakeWork* work = nullptr;
        Subject* subject = nullptr;
        Side* other = nullptr;
        pthread_t thread{};
        long cpu = 0;
        long woken = 0;
    };

    static void* thread(void* user) {
        Side& side = *static_cast<Side*>(user);
        pin_to(side.cpu);
        side.subject->open();
        pthread_barrier_wait(&side.work->opened_);
        side.subject->run();
        return nullptr;
    }
    static void woken(void* user) {
        Side& side = *static_cast<Side*>(user);
        WakeWork& work = *side.work;
        if (work.flood_) {
            if (__atomic_load_n(&work.sent_all_, __ATOMIC_ACQUIRE)) {
                side.subject->stop();
            }
            return;
        }
        side.other->subject->notify(side.subject);
        if (++side.woken == work.count_) {
            side.subject->stop();
        }
    }

    long count_;
    long cpus_;
    bool flood_;
    bool sent_all_ = false;
    Meter meter_;
    pthread_barrier_t opened_;
    Side sides_[2];
};

template <class Subject>
int run_wake(int argc, char** argv) {
    Parameters parameters(argc, argv);
    WakeWork<Subject>* const work = new WakeWork<Subject>(parameters);
    parameters.done();
    work->run();
    return 0;
}

/// What every subject has.
struct Wakeable {
    void (*woken)(void* user) = nullptr;
    void* user = nullptr;
    bool on_two_cpus = false;
};

} // namespace bench
