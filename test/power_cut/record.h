// A record of the logs that power_cut.sh cuts the power of. Its number alone says how long it is,
// so that its place is known even where one before it is lost; its seed says which boot wrote it.
#pragma once

#include "../../syscall/types.h"

namespace oxbow::power_cut {

inline constexpr u32 record_bytes_max = 12288;

/// Bytes of record `number` (they begin with 1): a multiple of `alignment`, which is a power of 2.
[[nodiscard]] u32 record_bytes(u64 number, u32 alignment) noexcept;

/// Makes record `number` in `memory`, which has room for its `bytes`.
void make_record(u8* memory, u32 bytes, u64 number, u64 seed) noexcept;

/// Why the `bytes` at `memory` are not record `number`, or nullptr: they are. A record whose seed
/// is lower than `seed`, that of the record before, is one that a later boot should have replaced;
/// otherwise `seed` becomes its seed.
[[nodiscard]] const char* why_not_record(const u8* memory, u32 bytes, u64 number,
                                         u64& seed) noexcept;

} // namespace oxbow::power_cut
