// Where the bits of a word stand, without libgcc: a machine that has no instruction for it (riscv64
// without Zbb, arm before version 5) would call __clzdi2 there, and g++ on i386 calls __ctzdi2 for
// 64 bits though it has one for 32.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

#if (defined(__riscv) && !defined(__riscv_zbb)) || (defined(__arm__) && !defined(__ARM_FEATURE_CLZ))
inline constexpr bool has_bit_scan = false;
#else
inline constexpr bool has_bit_scan = true;
#endif

/// The number of the highest bit of `word`, which is not 0, by halves.
[[nodiscard]] constexpr u32 highest_bit_portable(u64 word) noexcept {
    u32 bit = 0;
    for (u32 half = 32; half != 0; half /= 2) {
        if (word >> half != 0) {
            word >>= half;
            bit += half;
        }
    }
    return bit;
}

/// The number of the highest bit of `word`, which is not 0.
[[nodiscard]] constexpr u32 highest_bit(u64 word) noexcept {
    if constexpr (!has_bit_scan) {
        return highest_bit_portable(word);
    } else if constexpr (sizeof(long) == 8) {
        return 63u ^ static_cast<u32>(__builtin_clzll(word));
    } else {
        const u32 high = static_cast<u32>(word >> 32);
        return high != 0 ? 63u ^ static_cast<u32>(__builtin_clz(high))
                         : 31u ^ static_cast<u32>(__builtin_clz(static_cast<u32>(word)));
    }
}

/// The number of the lowest bit of `word`, which is not 0.
[[nodiscard]] constexpr u32 lowest_bit(u64 word) noexcept {
    if constexpr (!has_bit_scan) {
        return highest_bit_portable(word & (0 - word));
    } else if constexpr (sizeof(long) == 8) {
        return static_cast<u32>(__builtin_ctzll(word));
    } else {
        const u32 low = static_cast<u32>(word);
        return static_cast<u32>(low != 0 ? __builtin_ctz(low)
                                         : 32 + __builtin_ctz(static_cast<u32>(word >> 32)));
    }
}

} // namespace oxbow
