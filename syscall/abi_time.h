// Time as the kernel takes it: always 64 bits, on 32-bit machines too.
#pragma once

#include "types.h"

namespace oxbow::abi {

/// struct __kernel_timespec.
struct Timespec {
    i64 seconds;
    i64 nanoseconds;
};

/// struct __kernel_itimerspec, of timerfd_settime.
struct TimerSpec {
    Timespec interval;
    Timespec value;
};

/// Clocks of clock_gettime, timerfd_create and RegisterOp::clock.
namespace clock {
inline constexpr u32 realtime = 0;
inline constexpr u32 monotonic = 1;
inline constexpr u32 process_cpu = 2;
inline constexpr u32 thread_cpu = 3;
inline constexpr u32 monotonic_raw = 4;
inline constexpr u32 boottime = 7;
} // namespace clock

} // namespace oxbow::abi
