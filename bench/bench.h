// What every subject of a benchmark shares: the command line, the clock, and the one line of
// figures that bench/run.sh collects. Hosted: the peers need a C library anyway.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace bench {

/// CPU time of this process: what the work costs, whatever else the machine is doing.
inline std::int64_t cpu_ns() {
    std::timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

[[noreturn]] inline void fail(const char* what, int error) {
    std::fprintf(stderr, "bench: %s: error %d\n", what, error);
    std::exit(1);
}

/// What came back: kept in registers by every subject alike.
struct Totals {
    std::uint64_t sum = 0; ///< of the user_data of all completions
    int errors = 0;        ///< all results, or-ed
};

/// Runs `rounds` rounds of `batch` operations and prints nanoseconds of CPU per operation. The
/// first round warms up and is not counted; under callgrind the difference of two run lengths takes
/// it, and everything around the loop, out as well. `batch` is a constant for every subject alike,
/// so that what is counted is the subject's work and not the benchmark's loop.
template <unsigned batch, class Subject>
int run_batches(Subject& subject, long rounds) {
    subject.open();
    Totals totals;
    subject.template round<batch>(totals);
    const std::int64_t start = cpu_ns();
    for (long i = 0; i < rounds; ++i) {
        subject.template round<batch>(totals);
    }
    const std::int64_t spent = cpu_ns() - start;
    // Every round posts 1 to `batch`, each once: a lost, doubled or failed operation shows here.
    const std::uint64_t per_round = std::uint64_t{batch} * (batch + 1) / 2;
    if (totals.sum != static_cast<std::uint64_t>(rounds + 1) * per_round || totals.errors != 0) {
        fail("completions do not add up", totals.errors);
    }
    std::printf("%.3f\n", static_cast<double>(spent) / static_cast<double>(rounds * batch));
    subject.close();
    return 0;
}

/// `PROGRAM BATCH OPERATIONS`.
template <class Subject>
int run(int argc, char** argv) {
    const long batch = argc == 3 ? std::strtol(argv[1], nullptr, 10) : 0;
    const long operations = argc == 3 ? std::strtol(argv[2], nullptr, 10) : 0;
    static Subject subject;
    if (operations >= batch && batch == 1) {
        return run_batches<1>(subject, operations);
    }
    if (operations >= batch && batch == 32) {
        return run_batches<32>(subject, operations / 32);
    }
    if (operations >= batch && batch == 256) {
        return run_batches<256>(subject, operations / 256);
    }
    std::fprintf(stderr, "usage: %s BATCH(1, 32 or 256) OPERATIONS(>= BATCH)\n", argv[0]);
    return 2;
}

} // namespace bench
