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
    bool allocates;      ///< the writes lie within the file's size, in room that it has got before
};

inline constexpr u32 direct_alignment = 4096;
inline constexpr i32 direct_and_dsync = abi::open_flag::direct | abi::open_flag::dsync;

inline constexpr Way ways[] = {
    {"sync", 0, 0, 1, true, true, false},
    {"direct", direct_and_dsync, 0, direct_alignment, false, false, false},
    {"dsync", 0, abi::rw_flag::dsync, 1, false, false, false},
    {"allocated", direct_and_dsync, 0, direct_alignment, false, false, true},
    // These promise what they do not keep; power_cut.sh must catch them at it.
    {"early", 0, 0, 1, true, false, false},
    {"unsynced", 0, 0, 1, false, false, false},
    {"unsynced_direct", abi::open_flag::direct, 0, direct_alignment, false, false, false},
};

/// What an `allocated` file gets at each boot: more than is written until the power goes.
inline constexpr u64 allocated_bytes = u64{32} << 20;

/// The disk is mounted here.
inline constexpr const char* directory = "/disk";

} // namespace oxbow::power_cut
