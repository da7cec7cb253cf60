// Asks for memory that will be needed soon. Any address may be asked for, nullptr too.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

/// The cache line that is `bytes` behind `address`.
inline void prefetch_line(const void* address, usize bytes = 0) noexcept {
    // By numbers, since it need not be in any object.
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uptr>(address) + bytes), 1);
}

/// The first `lines` cache lines; two hold most of a completion, wherever it begins.
inline void prefetch(const void* address, u32 lines = 2) noexcept {
    constexpr usize line_bytes = 64;
    for (u32 line = 0; line < lines; ++line) {
        prefetch_line(address, line * line_bytes);
    }
}

} // namespace oxbow
