// System calls on clocks, sleep and timers; 64-bit times on every machine, but for setitimer.
#pragma once

#include "abi_process.h"
#include "abi_time.h"
#include "call_pair.h"

namespace oxbow::kernel {

/// abi::clock. A real system call; monotonic_ns (vdso.h) is faster.
[[nodiscard]] inline i32 clock_gettime(u32 clock, abi::Timespec* time) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::clock_gettime64)
                                               : static_cast<long>(number::clock_gettime),
                        clock, time);
}

[[nodiscard]] inline i32 clock_getres(u32 clock, abi::Timespec* resolution) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::clock_getres_time64)
                                               : static_cast<long>(number::clock_getres),
                        clock, resolution);
}

/// Sleeps; `flags` is 0 or timer_flag::absolute. After EINTR of a relative sleep, `left` (which may
/// be nullptr) has what was left.
[[nodiscard]] inline i32 clock_nanosleep(u32 clock, i32 flags, const abi::Timespec* time,
                                         abi::Timespec* left = nullptr) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::clock_nanosleep_time64)
                                               : static_cast<long>(number::clock_nanosleep),
                        clock, flags, time, left);
}

/// interval_timer. `former` may be nullptr.
[[nodiscard]] inline i32 setitimer(i32 which, const abi::IntervalTimer* value,
                                   abi::IntervalTimer* former = nullptr) noexcept {
    return invoke_plain(number::setitimer, which, value, former);
}

[[nodiscard]] inline i32 getitimer(i32 which, abi::IntervalTimer* value) noexcept {
    return invoke_plain(number::getitimer, which, value);
}

} // namespace oxbow::kernel
