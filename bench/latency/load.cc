// The load of the latency case: requests that come at times of their own, whatever the server does,
// as from many users who do not know of one another: `rate` of them per second with exponentially
// distributed gaps, the same ones in every run, each on the next of the connections.
//
//     load port=N connections=64 bytes=64 count=100000 rate=50000 go=FD cpu=1 lane=0
//
// How long an answer took counts from when its request was due, not from when it could be sent. A
// server that stops for a while so pays for all who would have come meanwhile, and not only for the
// one that it kept waiting. A request that is due while its connection is still busy is sent as
// soon as that has its answer: servers never see two at once.
//
// It never sleeps, or it would measure how late it was woken; so it needs a processor of its own.
#include "../echo/load.h"

#include <algorithm>
#include <cmath>

namespace {

using namespace bench;

/// When each request is due, in nanoseconds from the first.
std::vector<i64> schedule(long count, double rate) {
    std::vector<i64> due(static_cast<std::size_t>(count));
    u64 state = 88172645463325252u; // xorshift64
    double at = 0;
    for (i64& time : due) {
        time = static_cast<i64>(at);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const double between_0_and_1 =
            (static_cast<double>(state >> 11) + 0.5) / 9007199254740992.0;
        at -= std::log(between_0_and_1) * 1e9 / rate;
    }
    return due;
}

class Load {
  public:
    Load(const LoadParameters& load, long rate)
        : connections_(load), due_(schedule(load.count, static_cast<double>(rate))),
          queues_(load.connections) {
        for (unsigned i = 0; i < load.connections; ++i) {
            queues_[i].next = i;
        }
        latencies_.reserve(due_.size());
    }

    void run() {
        connections_.await_go();
        start_ns_ = clock_ns(CLOCK_MONOTONIC);
        i64 last_answer = start_ns_;
        while (latencies_.size() < due_.size()) {
            const i64 now = clock_ns(CLOCK_MONOTONIC);
            send_what_is_due(now - start_ns_);
            if (connections_.for_each_ready(0, [this](unsigned at) { receive(at); }) > 0 ||
                arrived_ == 0) {
                last_answer = now;
            } else if (now - last_answer > patience_ns) {
                fail("no answer in 20 seconds", 0);
            }
        }
    }

    void print() {
        // The first tenth is for warming up.
        latencies_.erase(latencies_.begin(),
                         latencies_.begin() + static_cast<long>(latencies_.size() / 10));
        std::sort(latencies_.begin(), latencies_.end());
        const auto below = [this](double share) {
            const double rank = share * static_cast<double>(latencies_.size());
            return static_cast<long>(latencies_[static_cast<std::size_t>(std::ceil(rank)) - 1]);
        };
        std::printf("p50_ns=%ld p99_ns=%ld p999_ns=%ld max_ns=%ld\n", below(0.5), below(0.99),
                    below(0.999), below(1));
    }

  private:
    static constexpr i64 patience_ns = 20'000'000'000;

    /// The requests of one connection, which are every so-manieth of the schedule.
    struct Queue {
        std::size_t next = 0; ///< that is under way, or else is sent next
        bool busy = false;
    };

    void send_what_is_due(i64 now) {
        while (arrived_ < due_.size() && due_[arrived_] <= now) {
            const auto at = static_cast<unsigned>(arrived_++ % queues_.size());
            if (!queues_[at].busy) {
                send(at);
            }
        }
    }
    void send(unsigned at) {
        queues_[at].busy = true;
        connections_.send(at);
    }
    void receive(unsigned at) {
        if (!connections_.receive(at)) {
            return;
        }
        Queue& queue = queues_[at];
        latencies_.push_back(clock_ns(CLOCK_MONOTONIC) - start_ns_ - due_[queue.next]);
        queue.busy = false;
        queue.next += queues_.size();
        if (queue.next < arrived_) {
            send(at);
        }
    }

    LoadConnections connections_;
    std::vector<i64> due_;
    std::size_t arrived_ = 0; ///< so many have become due
    std::vector<Queue> queues_;
    std::vector<i64> latencies_;
    i64 start_ns_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const LoadParameters about(parameters);
    const long rate = parameters.number("rate", 50000);
    parameters.done();
    if (rate == 0 || about.count < 10) {
        fail("rate is above 0, and count no less than 10", 0);
    }
    pin_to(about.cpu);
    raise_file_limit(files_beside + about.connections);
    Load load(about, rate);
    load.run();
    load.print();
    return 0;
}
