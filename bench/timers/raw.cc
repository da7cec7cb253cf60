// By hand: a 4-ary heap in an array, in which the deadline stands beside the pointer, and one
// epoll_pwait2 for the next deadline. Equal deadlines keep no order.
#include "timers.h"

#include <sys/epoll.h>
#include <vector>

namespace {

using bench::i64;

struct Timer {
    std::size_t at;
    void (*callback)(Timer& timer);
};

class Heap {
  public:
    struct Entry {
        i64 deadline;
        Timer* timer;
    };
    explicit Heap(std::size_t room) { entries_.reserve(room); }

    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] const Entry& first() const { return entries_.front(); }
    void insert(Timer& timer, i64 deadline) {
        entries_.push_back({});
        sift_up(entries_.size() - 1, {deadline, &timer});
    }
    void remove(Timer& timer) {
        const Entry last = entries_.back();
        entries_.pop_back();
        if (last.timer != &timer) {
            sift(timer.at, last);
        }
    }
    void reset(Timer& timer, i64 deadline) { sift(timer.at, {deadline, &timer}); }

  private:
    void put(std::size_t at, const Entry& entry) {
        entries_[at] = entry;
        entry.timer->at = at;
    }
    void sift_up(std::size_t at, const Entry entry) {
        while (at > 0 && entry.deadline < entries_[(at - 1) / 4].deadline) {
            put(at, entries_[(at - 1) / 4]);
            at = (at - 1) / 4;
        }
        put(at, entry);
    }
    void sift_down(std::size_t at, const Entry entry) {
        const std::size_t count = entries_.size();
        while (true) {
            const std::size_t first = at * 4 + 1;
            if (first >= count) {
                break;
            }
            std::size_t least = first;
            for (std::size_t i = first + 1; i < first + 4 && i < count; ++i) {
                least = entries_[i].deadline < entries_[least].deadline ? i : least;
            }
            if (entry.deadline <= entries_[least].deadline) {
                break;
            }
            put(at, entries_[least]);
            at = least;
        }
        put(at, entry);
    }
    void sift(std::size_t at, const Entry entry) {
        if (at > 0 && entry.deadline < entries_[(at - 1) / 4].deadline) {
            sift_up(at, entry);
        } else {
            sift_down(at, entry);
        }
    }

    std::vector<Entry> entries_;
};

class Subject {
  public:
    Subject(long timers, bench::Parameters&)
        : timers_(static_cast<std::size_t>(timers)), heap_(timers_.size() + 1),
          epoll_(epoll_create1(0)) {
        for (Timer& timer : timers_) {
            timer.callback = fired;
        }
    }
    void start(long timer, i64 delay_ns) { heap_.insert(at(timer), now_ + delay_ns); }
    void start_and_stop(i64 delay_ns) {
        heap_.insert(spare_, now_ + delay_ns);
        heap_.remove(spare_);
    }
    void reset(long timer, i64 delay_ns) { heap_.reset(at(timer), now_ + delay_ns); }
    void call(const std::function<void()>& work) {
        now_ = bench::clock_ns(CLOCK_MONOTONIC); // as the round of a callback does
        work();
    }
    void run() {
        while (!heap_.empty()) {
            now_ = bench::clock_ns(CLOCK_MONOTONIC);
            while (!heap_.empty() && heap_.first().deadline <= now_) {
                Timer& timer = *heap_.first().timer;
                heap_.remove(timer);
                timer.callback(timer);
            }
            if (!heap_.empty()) {
                wait(heap_.first().deadline - now_);
            }
        }
    }

  private:
    Timer& at(long timer) { return timers_[static_cast<std::size_t>(timer)]; }
    void wait(i64 ns) const {
        const std::timespec limit = {ns / 1000000000, ns % 1000000000};
        epoll_event event;
        syscall(441 /* epoll_pwait2 */, epoll_, &event, 1, &limit, nullptr, 0);
    }
    static void fired(Timer&) { ++bench::timers_fired; }

    std::vector<Timer> timers_;
    Timer spare_{};
    Heap heap_;
    int epoll_;
    i64 now_ = 0; // as of the round
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_timers<Subject>(argc, argv);
}
