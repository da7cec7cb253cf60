// Memory mappings: protection, kinds of mapping, advice. Behind a constant stands its first kernel
// where that is newer than 5.1. These numbers are the same on all machines, but
// for two on PowerPC. Source: include/uapi/asm-generic/{mman,mman-common}.h, linux/{mman,
// membarrier}.h, arch/powerpc/include/uapi/asm/mman.h.
#pragma once

#include "types.h"

namespace oxbow::abi {

/// mmap, mprotect.
namespace protection {
inline constexpr i32 none = 0;
inline constexpr i32 read = 1;
inline constexpr i32 write = 2;
inline constexpr i32 exec = 4;
} // namespace protection

/// Flags of mmap.
namespace map {
inline constexpr i32 shared = 0x1;
inline constexpr i32 private_ = 0x2;
inline constexpr i32 shared_validate = 0x3;
inline constexpr i32 fixed = 0x10;
inline constexpr i32 anonymous = 0x20;
#if defined(__powerpc64__)
inline constexpr i32 noreserve = 0x40;
inline constexpr i32 locked = 0x80;
#else
inline constexpr i32 locked = 0x2000;
inline constexpr i32 noreserve = 0x4000;
#endif
inline constexpr i32 populate = 0x8000;
inline constexpr i32 nonblock = 0x10000;
inline constexpr i32 stack = 0x20000;
inline constexpr i32 hugetlb = 0x40000;
inline constexpr i32 fixed_noreplace = 0x100000;
inline constexpr i32 huge_2_mib = 21 << 26; ///< with hugetlb
inline constexpr i32 huge_1_gib = 30 << 26; ///< with hugetlb
} // namespace map

/// mremap.
namespace remap {
inline constexpr i32 may_move = 1;
inline constexpr i32 fixed = 2;
inline constexpr i32 dontunmap = 4; ///< 5.7
} // namespace remap

/// madvise.
namespace madvice {
inline constexpr i32 normal = 0;
inline constexpr i32 random = 1;
inline constexpr i32 sequential = 2;
inline constexpr i32 willneed = 3;
inline constexpr i32 dontneed = 4;
inline constexpr i32 free = 8;
inline constexpr i32 remove = 9;
inline constexpr i32 dontfork = 10;
inline constexpr i32 dofork = 11;
inline constexpr i32 mergeable = 12;
inline constexpr i32 unmergeable = 13;
inline constexpr i32 hugepage = 14;
inline constexpr i32 nohugepage = 15;
inline constexpr i32 dontdump = 16;
inline constexpr i32 dodump = 17;
inline constexpr i32 wipeonfork = 18;
inline constexpr i32 keeponfork = 19;
inline constexpr i32 cold = 20;            ///< 5.4
inline constexpr i32 pageout = 21;         ///< 5.4
inline constexpr i32 populate_read = 22;   ///< 5.14
inline constexpr i32 populate_write = 23;  ///< 5.14
inline constexpr i32 dontneed_locked = 24; ///< 5.18
inline constexpr i32 collapse = 25;        ///< 6.1
inline constexpr i32 guard_install = 102;  ///< 6.13
inline constexpr i32 guard_remove = 103;   ///< 6.13
} // namespace madvice

/// msync.
namespace msync_flag {
inline constexpr i32 async = 1;
inline constexpr i32 invalidate = 2;
inline constexpr i32 sync = 4;
} // namespace msync_flag

/// membarrier.
namespace membarrier_command {
inline constexpr i32 query = 0;
inline constexpr i32 global = 1;
inline constexpr i32 private_expedited = 8;
inline constexpr i32 register_private_expedited = 16;
} // namespace membarrier_command

} // namespace oxbow::abi
