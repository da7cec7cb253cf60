// Nanoseconds in one word, and the kernel's pair of seconds and nanoseconds.
#pragma once

#include "abi_time.h"
#include "types.h"

namespace oxbow {

inline constexpr u32 ns_per_second = 1000000000u;

/// `a + b`, or the largest value there is: a deadline beyond the end of time is never.
[[nodiscard]] constexpr u64 saturating_add(u64 a, u64 b) noexcept {
    return a + b < a ? ~u64{0} : a + b;
}

/// Splits nanoseconds without a 64-bit division, which on 32-bit machines would need libgcc.
[[nodiscard]] constexpr abi::Timespec timespec_of(u64 ns) noexcept {
    if constexpr (sizeof(long) == 8) {
        return {static_cast<i64>(ns / ns_per_second), static_cast<i64>(ns % ns_per_second)};
    } else {
        u64 seconds = 0;
        for (u32 bit = 35; bit-- > 0;) { // 2^34 seconds are the most that 64 bits can hold
            const u64 part = u64{ns_per_second} << bit;
            if (ns >= part) {
                ns -= part;
                seconds |= u64{1} << bit;
            }
        }
        return {static_cast<i64>(seconds), static_cast<i64>(ns)};
    }
}

[[nodiscard]] constexpr u64 nanoseconds_of(const abi::Timespec& time) noexcept {
    return static_cast<u64>(time.seconds) * ns_per_second + static_cast<u64>(time.nanoseconds);
}

} // namespace oxbow
