// What newer kernels do that older ones do not, by version: most of it is told by no bit or number
// of uring/names.h. Data for programs that report what a kernel lacks (example/info.cc), and for
// tests, which fail where a kernel lacks what it should have by this list, or has what it should
// not.
#pragma once

#include "abi_uring.h"

namespace oxbow {

/// What older kernels do.
enum class Older : u8 {
    lack,
    have_5_10, ///< they lack it, but not stable 5.10.162 and later: io_uring there is that of 5.15
    may_have,  ///< some took it for a fix, or do well enough without it
};

/// `name` came with mainline Linux `series.release`.
struct Addition {
    const char* name;
    u16 series;
    u16 release;
    Older older = Older::lack;
};

/// In the order in which they came.
inline constexpr Addition additions[] = {
    {"preadv2", 4, 6},
    {"pwritev2", 4, 6},
    {"SO_RCVTIMEO_NEW", 5, 1},
    {"SO_SNDTIMEO_NEW", 5, 1},
    {"clone3", 5, 3},
    {"pidfd_open", 5, 3},
    {"openat2", 5, 6},
    {"register operation probe", 5, 6},
    {"close_range", 5, 9},
    {"enter with a timeout", 5, 11, Older::have_5_10},
    {"epoll_pwait2", 5, 11},
    {"resource tags", 5, 13, Older::have_5_10},
    {"affinity of workers", 5, 14, Older::have_5_10},
    {"limits of workers", 5, 15, Older::have_5_10},
    {"mkdirat", 5, 15},
    {"symlinkat and linkat", 5, 15},
    {"changes of a poll to what holds already", 5, 16},
    {"futex_waitv", 5, 16, Older::may_have},
    {"timeouts that do not break a chain", 5, 16},
    {"entries without a completion", 5, 17},
    {"messages between rings", 5, 18},
    {"registered rings", 5, 18},
    {"accept into a slot that the kernel chooses", 5, 19},
    {"buffer rings", 5, 19},
    {"cancel by descriptor", 5, 19},
    {"cancel of anything", 5, 19},
    {"cancels of more than one", 5, 19},
    {"commands in a ring", 5, 19},
    {"extended attributes", 5, 19},
    {"multishot accept", 5, 19},
    {"no-ops in a ring that polls", 5, 19},
    {"slots that the kernel chooses", 5, 19},
    {"sockets made by a ring", 5, 19},
    {"sparse tables of buffers", 5, 19},
    {"sparse tables of files", 5, 19},
    {"cancel by direct descriptor", 6, 0},
    {"cancels without an entry", 6, 0},
    {"descriptors from ring to ring", 6, 0},
    {"multishot receives", 6, 0},
    {"ranges of direct descriptors", 6, 0},
    {"sends with an address", 6, 0},
    {"zero-copy sends", 6, 0},
    {"rings with deferred work", 6, 1},
    {"single issuers", 6, 1},
    {"commands with registered buffers", 6, 1},
    {"zero-copy sendmsg", 6, 1},
    {"usage reports of zero-copy sends", 6, 2, Older::may_have},
    {"messages with completion flags", 6, 3},
    {"registrations through the index", 6, 3},
    {"buffer rings in the kernel's memory", 6, 4},
    {"buffer rings through the index", 6, 4},
    {"multishot timeouts", 6, 4},
    {"pipes that need no thread", 6, 5, Older::may_have},
    {"rings in the caller's memory", 6, 5},
    {"cancel by opcode", 6, 6},
    {"cancels by operation", 6, 6},
    {"futexes in a ring", 6, 7},
    {"multishot reads", 6, 7},
    {"options of sockets in a ring", 6, 7},
    {"second connects that are refused", 6, 7, Older::may_have},
    {"socket commands", 6, 7, Older::may_have},
    {"waitid in a ring", 6, 7},
    {"installing direct descriptors", 6, 8},
    {"busy polling", 6, 9},
    {"ftruncate", 6, 9},
    {"accept without waiting", 6, 10},
    {"bundles", 6, 10},
    {"no-ops with an injected result", 6, 10},
    {"no-ops with options", 6, 10},
    {"sends from a buffer group", 6, 10},
    {"advice on more than 4 GiB", 6, 11},
    {"bind and listen in a ring", 6, 11},
    {"clocks of rings", 6, 12},
    {"clones of buffers", 6, 12},
    {"discards in a ring", 6, 12},
    {"incremental buffers", 6, 12},
    {"bundles of more than a buffer from local sockets", 6, 13},
    {"clones of a part of the buffers", 6, 13},
    {"memory regions", 6, 13},
    {"registered waits", 6, 13},
    {"resizing", 6, 13},
    {"unregistering buffers without a wait for who uses them", 6, 13},
    {"protection information", 6, 14},
    {"rings charged to RLIMIT_MEMLOCK", 6, 14},
    {"bundles of incremental buffers", 6, 15},
    {"epoll_wait in a ring", 6, 15},
    {"no-ops that look descriptors and buffers up", 6, 15, Older::may_have},
    {"sendmsg from registered buffers", 6, 15},
    {"vectors in registered buffers", 6, 15},
    {"waits that are not counted as iowait", 6, 15, Older::may_have},
    {"pipes made by a ring", 6, 16},
    {"limits of multishot receives", 6, 17},
    {"no-ops that complete from task work", 6, 17},
    {"sends from a vector", 6, 17},
    {"timestamps of what was sent", 6, 17},
    {"RWF_NOSIGNAL", 6, 18},
    {"no-ops with big completions", 6, 18},
    {"register operation query", 6, 18},
    {"entries of two sizes", 6, 19},
    {"getsockname in a ring", 6, 19},
    {"polls that a change ends", 6, 19, Older::may_have},
    {"buffers that leave a rest", 7, 1, Older::may_have},
    {"times in the entry itself", 7, 1},
};

inline constexpr u32 additions_count = sizeof(additions) / sizeof(additions[0]);

/// "6.18.44-cloud" is {6, 18}.
struct KernelVersion {
    u32 series;
    u32 release;

    [[nodiscard]] constexpr bool is_at_least(u32 first_series, u32 first_release) const noexcept {
        return series > first_series || (series == first_series && release >= first_release);
    }
};

/// Of UtsName::release.
[[nodiscard]] constexpr KernelVersion kernel_version_of(const char* text) noexcept {
    u32 numbers[2] = {};
    for (u32& number : numbers) {
        for (; *text >= '0' && *text <= '9'; ++text) {
            number = number * 10 + static_cast<u32>(*text - '0');
        }
        text += *text == '.' ? 1 : 0;
    }
    return {numbers[0], numbers[1]};
}

/// Whether a kernel of this version has it. `feature_bits`: as its rings tell, or 0; a 5.10 with
/// the rings of 5.15 is known by them, since distributions hide the third number.
[[nodiscard]] constexpr bool has_addition(const Addition& addition, const KernelVersion& version,
                                          u64 feature_bits) noexcept {
    const bool is_mended = version.series == 5 && version.release == 10 &&
                           addition.older == Older::have_5_10 &&
                           (feature_bits & abi::feature::rsrc_tags) != 0;
    return version.is_at_least(addition.series, addition.release) || is_mended;
}

} // namespace oxbow
