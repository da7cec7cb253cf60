// Where a program runs, and how much it may open.
#pragma once

#include "bench.h"

#include <sched.h>
#include <sys/resource.h>

namespace bench {

/// On a machine with fewer processors, the last one.
inline void pin_to(long cpu) {
    const long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu < last ? cpu : last), &set);
    expect("sched_setaffinity", sched_setaffinity(0, sizeof(set), &set));
}

/// What a program exits with where this machine does not let it run at all.
inline constexpr int exit_left_out = 77;

/// Descriptors, generously, that a program has besides its connections.
inline constexpr long files_beside = 64;

/// To what is allowed, and beyond that where `needed` is more and the user may. A program that
/// cannot have as many says so and ends with exit_left_out.
inline void raise_file_limit(long needed = 0) {
    rlimit limit{};
    expect("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
    const rlim_t wanted = static_cast<rlim_t>(needed);
    if (limit.rlim_max < wanted) {
        const rlimit more{wanted, wanted};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) {
            return;
        }
        std::fprintf(stderr, "bench: left out: %ld descriptors are needed, RLIMIT_NOFILE is %lu\n",
                     needed, static_cast<unsigned long>(limit.rlim_max));
        std::exit(exit_left_out);
    }
    limit.rlim_cur = limit.rlim_max;
    expect("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

} // namespace bench
