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

inline void raise_file_limit() {
    rlimit limit{};
    expect("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    expect("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

} // namespace bench
