// Asks for memory that will be needed soon. Any address may be asked for, nullptr too.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

inline constexpr usize cache_line_bytes = 64;

inline void prefetch_line(const void* address) noexcept {
    __builtin_prefetch(address, 1);
}

/// As much of it as a completion takes, wherever that begins.
inline void prefetch(const void* address) noexcept {
    prefetch_line(address);
    prefetch_line(static_cast<const u8*>(address) + cache_line_bytes);
}

} // namespace oxbow
