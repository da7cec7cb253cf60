// The four functions that a compiler calls by itself, under our own names. memory.cc gives them the
// names that compilers use, weakly, where no C library does.
#pragma once

#include "types.h"

namespace oxbow {

/// Copies `bytes` bytes to memory that does not overlap `from`. Returns `to`.
void* memory_copy(void* to, const void* from, usize bytes) noexcept asm("oxbow_memory_copy");

/// Copies `bytes` bytes to memory that may overlap `from`. Returns `to`.
void* memory_move(void* to, const void* from, usize bytes) noexcept asm("oxbow_memory_move");

/// Sets `bytes` bytes to the low byte of `value`. Returns `to`.
void* memory_set(void* to, int value, usize bytes) noexcept asm("oxbow_memory_set");

/// Negative, zero or positive, as the first byte that differs is less in `left`, or none does.
[[nodiscard]] int memory_compare(const void* left, const void* right, usize bytes) noexcept
    asm("oxbow_memory_compare");

} // namespace oxbow
