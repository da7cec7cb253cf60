// System calls on memory mappings.
#pragma once

#include "abi_file.h"
#include "abi_memory.h"
#include "call_pair.h"

namespace oxbow::kernel {

namespace detail {
/// log2 of arch::mmap_offset_unit: without optimization, a division of 64 bits may call libgcc even
/// where the divisor is a constant.
inline constexpr u32 mmap_offset_shift = [] {
    u32 shift = 0;
    while ((u64{1} << shift) < arch::mmap_offset_unit) {
        ++shift;
    }
    return shift;
}();
} // namespace detail

/// Maps memory; the address, or a negative errno: ask `is_error`, since an address in the upper
/// half of 32-bit memory is a negative `long` too. `offset` is in bytes everywhere; 32-bit machines
/// reach 16 TiB (-EOVERFLOW beyond) in steps of 4096 (-EINVAL otherwise): mmap2(2).
[[nodiscard]] inline long mmap(void* address, usize bytes, i32 protection, i32 flags, i32 fd,
                               u64 offset) noexcept {
    if ((offset & (arch::mmap_offset_unit - 1)) != 0) {
        return -Errno::einval;
    }
    const u64 units = offset >> detail::mmap_offset_shift;
    if (units > ~uptr{0}) {
        return -Errno::eoverflow;
    }
    return invoke(number::mmap, address, bytes, protection, flags, fd, static_cast<uptr>(units));
}

[[nodiscard]] inline i32 munmap(void* address, usize bytes) noexcept {
    return invoke_plain(number::munmap, address, bytes);
}

[[nodiscard]] inline i32 mprotect(void* address, usize bytes, i32 protection) noexcept {
    return invoke_plain(number::mprotect, address, bytes, protection);
}

[[nodiscard]] inline i32 madvise(void* address, usize bytes, i32 advice) noexcept {
    return invoke_plain(number::madvise, address, bytes, advice);
}

/// The new address, or a negative errno: as with mmap. `new_address` counts with remap::fixed.
[[nodiscard]] inline long mremap(void* address, usize old_bytes, usize new_bytes, i32 flags,
                                 void* new_address = nullptr) noexcept {
    return invoke(number::mremap, address, old_bytes, new_bytes, flags, new_address);
}

/// One byte of `resident` per page; its lowest bit says whether the page is in memory.
[[nodiscard]] inline i32 mincore(void* address, usize bytes, u8* resident) noexcept {
    return invoke_plain(number::mincore, address, bytes, resident);
}

[[nodiscard]] inline i32 msync(void* address, usize bytes, i32 flags) noexcept {
    return invoke_plain(number::msync, address, bytes, flags);
}

[[nodiscard]] inline i32 mlock(const void* address, usize bytes) noexcept {
    return invoke_plain(number::mlock, address, bytes);
}

[[nodiscard]] inline i32 munlock(const void* address, usize bytes) noexcept {
    return invoke_plain(number::munlock, address, bytes);
}

/// A file that lives in memory only; memfd_flag.
[[nodiscard]] inline i32 memfd_create(const char* name, u32 flags) noexcept {
    return invoke_plain(number::memfd_create, name, flags);
}

/// Makes every thread of this program see memory in order; membarrier_command.
[[nodiscard]] inline i32 membarrier(i32 command, u32 flags = 0, i32 cpu = 0) noexcept {
    return invoke_plain(number::membarrier, command, flags, cpu);
}

} // namespace oxbow::kernel
