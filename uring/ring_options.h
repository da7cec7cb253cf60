// What a ring is opened with, and how much memory it takes.
#pragma once

#include "../syscall/abi_uring.h"
#include "reason.h"

namespace oxbow {

/// Options of Ring::open. The defaults are a ring of 128 entries with nothing unusual.
struct RingOptions {
    /// Submission queue entries, 1 to 32768; the kernel rounds up to a power of two.
    u32 entries = 128;

    /// Completion queue entries; 0 means twice `entries`.
    u32 completion_entries = 0;

    /// Where the kernel answers ENOMEM, `entries` is halved down to this; 0 means not at all.
    u32 entries_min = 0;

    /// abi::setup flags that the ring must have. With coop_taskrun or defer_taskrun, taskrun_flag
    /// is added to the preferred ones, because without it peek cannot know of waiting task work.
    u32 flags = 0;

    /// abi::setup flags that are wanted but given up where the kernel refuses them, the newest
    /// first. setup_flags() tells what came of it.
    u32 preferred_flags = abi::setup::no_sqarray | abi::setup::submit_all;

    /// Milliseconds until an idle SQPOLL thread sleeps.
    u32 sq_thread_idle_ms = 1000;

    /// CPU of the SQPOLL thread, with setup::sq_aff.
    u32 sq_thread_cpu = 0;

    /// The ring whose worker threads are shared, with setup::attach_wq.
    i32 attach_wq_fd = -1;

    /// Memory for setup::no_mmap, at a page boundary and of required_bytes(); it stays the caller's
    /// and must outlive the ring. nullptr: the ring maps its own.
    void* memory = nullptr;
    usize memory_bytes = 0;

    /// Keeps the ring out of forked children (MADV_DONTFORK), who would otherwise move its indices.
    /// Memory of the caller is left as it is.
    bool dontfork = true;
};

/// No machine of ours has larger pages than this; rings in the caller's memory are laid out with
/// it.
#if defined(__x86_64__) || defined(__i386__)
inline constexpr usize page_bytes_max = 4096;
#else
inline constexpr usize page_bytes_max = 65536;
#endif

/// Where the two parts of a ring lie in the caller's memory, with setup::no_mmap.
struct RingLayout {
    u32 sq_entries;
    u32 cq_entries;
    u64 rings_bytes;   ///< both rings and the index array, from offset 0
    u64 entries_bytes; ///< the submission queue entries, behind them

    [[nodiscard]] constexpr u64 total_bytes() const noexcept { return rings_bytes + entries_bytes; }
};

namespace ring_detail {

[[nodiscard]] constexpr u32 power_of_two_from(u32 value) noexcept {
    u32 power = 1;
    while (power < value) {
        power <<= 1;
    }
    return power;
}

[[nodiscard]] constexpr u64 page_multiple(u64 bytes) noexcept {
    return (bytes + page_bytes_max - 1) & ~u64{page_bytes_max - 1};
}

} // namespace ring_detail

/// The layout that `options` ask for. The queue heads in front of the rings have taken 64 to 1280
/// bytes so far, depending on the kernel and its cache line, so 2048 are counted.
[[nodiscard]] constexpr RingLayout layout_of(const RingOptions& options) noexcept {
    constexpr u64 head_bytes = 2048;
    const bool clamps = (options.flags & abi::setup::clamp) != 0;
    u32 wanted = options.entries;
    if (clamps && wanted > abi::entries_max) {
        wanted = abi::entries_max;
    }
    const u32 sq =
        ring_detail::power_of_two_from(wanted < abi::entries_max ? wanted : abi::entries_max);
    u32 completions = options.completion_entries != 0 ? options.completion_entries : 2 * sq;
    if (completions > abi::completion_entries_max) {
        completions = abi::completion_entries_max;
    }
    const u32 cq = ring_detail::power_of_two_from(completions);
    const u32 flags = options.flags | options.preferred_flags;
    const u64 cqe_bytes = (flags & abi::setup::cqe32) != 0 ? 32 : 16;
    const u64 sqe_bytes = (flags & abi::setup::sqe128) != 0 ? 128 : 64;
    return {sq, cq, ring_detail::page_multiple(head_bytes + cq * cqe_bytes + sq * u64{4}),
            ring_detail::page_multiple(sq * sqe_bytes)};
}

/// Bytes of memory that a ring with these options takes: what the kernel may charge against
/// RLIMIT_MEMLOCK, and what `RingOptions::memory` must have with setup::no_mmap.
[[nodiscard]] constexpr u64 required_bytes(const RingOptions& options) noexcept {
    return layout_of(options).total_bytes();
}

/// What is wrong with the options before any kernel is asked.
[[nodiscard]] OptionFault fault_of(const RingOptions& options) noexcept;

/// The preferred flags, and taskrun_flag where it is of use.
[[nodiscard]] constexpr u32 preferred_flags_of(const RingOptions& options) noexcept {
    constexpr u32 task_run = abi::setup::coop_taskrun | abi::setup::defer_taskrun;
    u32 preferred = options.preferred_flags;
    if (((options.flags | preferred) & task_run) != 0) {
        preferred |= abi::setup::taskrun_flag;
    }
    return preferred & ~options.flags;
}

/// 0, or -EINVAL and the fault in `reason`. Takes the preferred flags that cannot go with the
/// required ones off `preferred_flags`.
[[nodiscard]] i32 check_options(const RingOptions& options, u32& preferred_flags,
                                Reason& reason) noexcept;

} // namespace oxbow
