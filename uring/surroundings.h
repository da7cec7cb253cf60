// What around a process decides whether it may have a ring: the io_uring sysctls, seccomp, limits
// and privileges. Linked only where it is used (reason.cc, example/info.cc).
#pragma once

#include "../syscall/types.h"

namespace oxbow {

struct Surroundings {
    static constexpr i32 unknown = -1;
    static constexpr u64 unlimited = ~u64{0};

    /// kernel.io_uring_disabled: 0: everybody may have rings; 1: only CAP_SYS_ADMIN and the members
    /// of io_uring_group; 2: nobody. `unknown` before 6.6 and without /proc.
    i32 disabled = unknown;
    i32 group = unknown;        ///< kernel.io_uring_group; `unknown` where none is set
    bool in_group = false;      ///< whether this process is in it
    i32 seccomp_mode = unknown; ///< 0: none; 1: strict; 2: under a filter
    u64 capabilities = 0;       ///< effective ones; bit 21 is CAP_SYS_ADMIN
    u64 locked_bytes_max = 0;   ///< RLIMIT_MEMLOCK
    u64 open_files_max = 0;     ///< RLIMIT_NOFILE
    bool has_proc = false;      ///< whether /proc could be read

    [[nodiscard]] constexpr bool can(u32 capability) const noexcept {
        return (capabilities >> capability & 1) != 0;
    }
};

/// Numbers of Surroundings::can. capabilities(7).
namespace capability {
inline constexpr u32 ipc_lock = 14;
inline constexpr u32 sys_admin = 21;
inline constexpr u32 sys_nice = 23;
} // namespace capability

/// Reads them now; they may differ a moment later. Never fails: what cannot be read is unknown.
[[nodiscard]] Surroundings read_surroundings() noexcept;

} // namespace oxbow
