// Timers: oxbow::Deadlines beside an intrusive pairing heap and a 4-ary heap in an array, each
// doing the same four things. Prints medians of interleaved rounds, in nanoseconds of CPU per
// operation:
//
//   late    insert a million timers, uniform over a second, and then fire them all at once
//   live    insert a million timers, and fire them one deadline after the other, as a loop would
//   pair    start and stop one timer, while a thousand others run
//   reset   give a random one of a hundred thousand a new deadline
//
// Nothing is simulated but the clock. The heaps do not keep equal deadlines in order, which would
// cost them a counter; the wheel does.
#include "../loop/deadlines.h"
#include "bench.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace {

using oxbow::u32;
using oxbow::u64;

constexpr u64 start_ns = 1000000000000000; // an uptime of eleven days
constexpr u64 ms = 1000000;

/// xorshift64: the same numbers for every subject.
struct Random {
    u64 state = 88172645463325252u;
    u64 next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
    u64 below(u64 bound) { return ((next() >> 32) * bound) >> 32; } // bound < 2^32
};

// ---- The subjects -----------------------------------------------------------------------------

struct Wheel {
    struct Timer {
        oxbow::DeadlineNode node;
        u64 fired;
    };
    oxbow::Deadlines deadlines;

    void start(u64 now) {
        (void)deadlines.expire(now, [](oxbow::DeadlineNode&) noexcept {});
    }
    void insert(Timer& timer, u64 deadline) { deadlines.insert(timer.node, deadline); }
    void remove(Timer& timer) { deadlines.remove(timer.node); }
    void reset(Timer& timer, u64 deadline) { deadlines.reset(timer.node, deadline); }
    u64 next_deadline() { return deadlines.next_deadline_ns(); }
    template <class Visit>
    u32 expire(u64 now, Visit visit) {
        return deadlines.expire(now, [&](oxbow::DeadlineNode& node) noexcept {
            visit(reinterpret_cast<Timer&>(node), node.deadline_ns);
        });
    }
};

/// Two-pass pairing heap; `prev` is the left sibling, or the parent of a first child.
struct PairingHeap {
    struct Timer {
        Timer* child;
        Timer* next;
        Timer* prev;
        u64 deadline;
        u64 fired;
    };
    Timer* root = nullptr;

    static Timer* meld(Timer* a, Timer* b) {
        if (b->deadline < a->deadline) {
            std::swap(a, b);
        }
        b->prev = a;
        b->next = a->child;
        if (a->child != nullptr) {
            a->child->prev = b;
        }
        a->child = b;
        return a;
    }
    static Timer* meld_all(Timer* first) {
        Timer* pairs = nullptr; // of the first pass, the last one first
        while (first != nullptr) {
            Timer* const second = first->next;
            Timer* const rest = second == nullptr ? nullptr : second->next;
            Timer* const pair = second == nullptr ? first : meld(first, second);
            pair->next = pairs;
            pairs = pair;
            first = rest;
        }
        Timer* melded = nullptr;
        while (pairs != nullptr) {
            Timer* const next = pairs->next;
            melded = melded == nullptr ? pairs : meld(melded, pairs);
            pairs = next;
        }
        if (melded != nullptr) {
            melded->next = melded->prev = nullptr;
        }
        return melded;
    }

    void start(u64) {}
    void insert(Timer& timer, u64 deadline) {
        timer.deadline = deadline;
        timer.child = timer.next = timer.prev = nullptr;
        root = root == nullptr ? &timer : meld(root, &timer);
    }
    void remove(Timer& timer) {
        if (&timer == root) {
            root = meld_all(timer.child);
            return;
        }
        (timer.prev->child == &timer ? timer.prev->child : timer.prev->next) = timer.next;
        if (timer.next != nullptr) {
            timer.next->prev = timer.prev;
        }
        if (Timer* const children = meld_all(timer.child)) {
            root = meld(root, children);
        }
    }
    void reset(Timer& timer, u64 deadline) {
        remove(timer);
        insert(timer, deadline);
    }
    u64 next_deadline() { return root == nullptr ? ~u64{0} : root->deadline; }
    template <class Visit>
    u32 expire(u64 now, Visit visit) {
        u32 fired = 0;
        for (; root != nullptr && root->deadline <= now; ++fired) {
            Timer& timer = *root;
            root = meld_all(timer.child);
            visit(timer, timer.deadline);
        }
        return fired;
    }
};

/// The deadline stands beside the pointer, so that sifting does not touch the timers, except to
/// tell them where they are now.
struct FourHeap {
    struct Timer {
        u64 fired;
        u32 index;
    };
    struct Entry {
        u64 deadline;
        Timer* timer;
    };
    std::vector<Entry> heap;

    void put(std::size_t at, const Entry& entry) {
        heap[at] = entry;
        entry.timer->index = static_cast<u32>(at);
    }
    void sift_up(std::size_t at, const Entry entry) {
        while (at > 0 && entry.deadline < heap[(at - 1) / 4].deadline) {
            put(at, heap[(at - 1) / 4]);
            at = (at - 1) / 4;
        }
        put(at, entry);
    }
    void sift_down(std::size_t at, const Entry entry) {
        const std::size_t count = heap.size();
        while (true) {
            const std::size_t first = at * 4 + 1;
            if (first >= count) {
                break;
            }
            std::size_t least = first;
            for (std::size_t i = first + 1; i < first + 4 && i < count; ++i) {
                least = heap[i].deadline < heap[least].deadline ? i : least;
            }
            if (entry.deadline <= heap[least].deadline) {
                break;
            }
            put(at, heap[least]);
            at = least;
        }
        put(at, entry);
    }
    void sift(std::size_t at, const Entry entry) {
        if (at > 0 && entry.deadline < heap[(at - 1) / 4].deadline) {
            sift_up(at, entry);
        } else {
            sift_down(at, entry);
        }
    }

    void start(u64) {
        heap.resize(1000000); // so that its pages are there, as the timers' are
        heap.clear();
    }
    void insert(Timer& timer, u64 deadline) {
        heap.push_back({});
        sift_up(heap.size() - 1, {deadline, &timer});
    }
    void remove(Timer& timer) {
        const Entry last = heap.back();
        heap.pop_back();
        if (last.timer != &timer) {
            sift(timer.index, last);
        }
    }
    void reset(Timer& timer, u64 deadline) { sift(timer.index, {deadline, &timer}); }
    u64 next_deadline() { return heap.empty() ? ~u64{0} : heap.front().deadline; }
    template <class Visit>
    u32 expire(u64 now, Visit visit) {
        u32 fired = 0;
        for (; !heap.empty() && heap.front().deadline <= now; ++fired) {
            const Entry first = heap.front();
            remove(*first.timer);
            visit(*first.timer, first.deadline);
        }
        return fired;
    }
};

// ---- The workloads ----------------------------------------------------------------------------

/// What a visit checks, so that no subject can be fast by being wrong.
struct Order {
    u64 last = 0;
    bool wrong = false;
    template <class Timer>
    void visit(Timer& timer, u64 deadline, u64 now) {
        wrong |= deadline < last || deadline > now;
        last = deadline;
        ++timer.fired;
    }
};

void expect(bool right) {
    if (!right) {
        bench::fail("timers fired wrongly", 0);
    }
}

template <class Subject>
struct Workloads {
    using Timer = typename Subject::Timer;

    static void fill(Subject& subject, std::vector<Timer>& timers, Random& random, u64 span_ns) {
        for (Timer& timer : timers) {
            subject.insert(timer, start_ns + ms + random.below(span_ns));
        }
    }

    static double late() {
        auto subject = std::make_unique<Subject>();
        std::vector<Timer> timers(1000000);
        Random random;
        subject->start(start_ns);
        const std::int64_t begin = bench::cpu_ns();
        fill(*subject, timers, random, 999 * ms);
        Order order;
        const u64 now = start_ns + 1000 * ms;
        const u32 fired =
            subject->expire(now, [&](Timer& timer, u64 at) { order.visit(timer, at, now); });
        const std::int64_t spent = bench::cpu_ns() - begin;
        expect(fired == 1000000 && !order.wrong);
        return static_cast<double>(spent) / 1e6;
    }

    static double live() {
        auto subject = std::make_unique<Subject>();
        std::vector<Timer> timers(1000000);
        Random random;
        subject->start(start_ns);
        const std::int64_t begin = bench::cpu_ns();
        fill(*subject, timers, random, 1499 * ms);
        Order order;
        u32 fired = 0;
        for (u64 now = 0; (now = subject->next_deadline()) != ~u64{0};) {
            fired +=
                subject->expire(now, [&](Timer& timer, u64 at) { order.visit(timer, at, now); });
        }
        const std::int64_t spent = bench::cpu_ns() - begin;
        expect(fired == 1000000 && !order.wrong);
        return static_cast<double>(spent) / 1e6;
    }

    static double pair() {
        auto subject = std::make_unique<Subject>();
        std::vector<Timer> timers(1000);
        Random random;
        subject->start(start_ns);
        fill(*subject, timers, random, 999 * ms);
        Timer timer{};
        constexpr u32 pairs = 4000000;
        const std::int64_t begin = bench::cpu_ns();
        for (u32 i = 0; i < pairs; ++i) {
            subject->insert(timer, start_ns + ms + random.below(999 * ms));
            subject->remove(timer);
        }
        return static_cast<double>(bench::cpu_ns() - begin) / pairs;
    }

    static double reset() {
        auto subject = std::make_unique<Subject>();
        std::vector<Timer> timers(100000);
        Random random;
        subject->start(start_ns);
        fill(*subject, timers, random, 999 * ms);
        constexpr u32 resets = 2000000;
        const std::int64_t begin = bench::cpu_ns();
        for (u32 i = 0; i < resets; ++i) {
            subject->reset(timers[random.below(100000)], start_ns + ms + random.below(999 * ms));
        }
        return static_cast<double>(bench::cpu_ns() - begin) / resets;
    }
};
// ---- The table --------------------------------------------------------------------------------

constexpr int rounds_max = 99;

struct Subject {
    const char* name;
    double (*run[4])();
};

template <class Heap>
constexpr Subject subject(const char* name) {
    return {name,
            {Workloads<Heap>::late, Workloads<Heap>::live, Workloads<Heap>::pair,
             Workloads<Heap>::reset}};
}

constexpr Subject subjects[] = {subject<Wheel>("oxbow"), subject<FourHeap>("4-ary-heap"),
                                subject<PairingHeap>("pairing-heap")};
constexpr const char* workloads[] = {"late", "live", "pair", "reset"};

double median(double* values, int count) {
    std::sort(values, values + count);
    return values[count / 2];
}

void print(bool json, const char* workload, const double* medians) {
    if (!json) {
        std::printf("%-12s", workload);
    }
    for (int who = 0; who < 3; ++who) {
        if (json) {
            std::printf("{\"case\": \"deadlines\", \"who\": \"%s\", \"work\": \"%s\", "
                        "\"ns\": %.1f}\n",
                        subjects[who].name, workload, medians[who]);
        } else {
            std::printf(" %9.1f (%5.2f)", medians[who], medians[who] / medians[0]);
        }
    }
    if (!json) {
        std::printf("\n");
    }
}

} // namespace

/// `deadlines ROUNDS table|json`
int main(int argc, char** argv) {
    const int rounds = argc == 3 ? std::atoi(argv[1]) : 0;
    if (rounds < 1 || rounds > rounds_max) {
        std::fprintf(stderr, "usage: %s ROUNDS(1 to %d) table|json\n", argv[0], rounds_max);
        return 2;
    }
    const bool json = std::strcmp(argv[2], "json") == 0;
    if (!json) {
        std::printf("%-12s", "deadlines");
        for (const Subject& who : subjects) {
            std::printf(" %17s", who.name);
        }
        std::printf("   ns CPU per timer (/ oxbow)\n");
    }
    for (int workload = 0; workload < 4; ++workload) {
        static double spent[3][rounds_max];
        for (int round = 0; round < rounds; ++round) {
            for (int who = 0; who < 3; ++who) {
                spent[who][round] = subjects[who].run[workload]();
            }
        }
        const double medians[] = {median(spent[0], rounds), median(spent[1], rounds),
                                  median(spent[2], rounds)};
        print(json, workloads[workload], medians);
    }
    return 0;
}
