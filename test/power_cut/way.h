// The ways to append a record: what is done, and when it is acknowledged.
#pragma once

#include "../../syscall/abi_file.h"
#include "../../syscall/types.h"

namespace oxbow::power_cut {

struct Way {
    const char* name; ///< its file's, too
    i32 open_flags;
    u32 write_flags;     ///< abi::rw_flag
    u32 alignment;       ///< of a record's place, memory and length
    bool syncs;          ///< an fdatasync is chained behind each write
    bool waits_for_sync; ///< ... and the record acknowledged when that has ended, not the write
};

inline constexpr u32 direct_alignment = 4096;

inline constexpr Way ways[] = {
    {"sync", 0, 0, 1, true, true},
    {"direct", abi::open_flag::direct | abi::open_flag::dsync, 0, direct_alignment, false, false},
    {"dsync", 0, abi::rw_flag::dsync, 1, false, false},
    // These promise what they do not keep; power_cut.sh must catch them at it.
    {"early", 0, 0, 1, true, false},
    {"unsynced", 0, 0, 1, false, false},
    {"unsynced_direct", abi::open_flag::direct, 0, direct_alignment, false, false},
};
inline constexpr u32 ways_count = sizeof(ways) / sizeof(ways[0]);

/// The disk is mounted here.
inline constexpr const char* directory = "/disk";

} // namespace oxbow::power_cut
