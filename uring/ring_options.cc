// Checks ring options before the kernel is asked, because its only answer would be EINVAL.
#include "ring_options.h"

#include "../syscall/errno.h"

namespace oxbow {

namespace {

namespace setup = abi::setup;

constexpr u32 known_flags = (setup::sq_rewind << 1) - 1;

[[nodiscard]] constexpr bool all_of(u32 flags, u32 wanted) noexcept {
    return (flags & wanted) == wanted;
}

[[nodiscard]] constexpr bool any_of(u32 flags, u32 wanted) noexcept {
    return (flags & wanted) != 0;
}

/// Combinations that every kernel answers with a bare EINVAL.
[[nodiscard]] OptionFault fault_of_flags(u32 flags) noexcept {
    constexpr u32 task_run = setup::coop_taskrun | setup::defer_taskrun;
    if (any_of(flags, ~known_flags)) {
        return OptionFault::unknown_flags;
    }
    if (any_of(flags, setup::defer_taskrun) && !any_of(flags, setup::single_issuer)) {
        return OptionFault::defer_needs_issuer;
    }
    if (any_of(flags, setup::sqpoll) && any_of(flags, task_run | setup::taskrun_flag)) {
        return OptionFault::sqpoll_with_taskrun;
    }
    if (any_of(flags, setup::taskrun_flag) && !any_of(flags, task_run)) {
        return OptionFault::task_flag_needs_coop;
    }
    if (any_of(flags, setup::sq_aff) && !any_of(flags, setup::sqpoll)) {
        return OptionFault::affinity_needs_sqpoll;
    }
    if (any_of(flags, setup::registered_fd_only) && !any_of(flags, setup::no_mmap)) {
        return OptionFault::fd_only_needs_no_mmap;
    }
    if (any_of(flags, setup::hybrid_iopoll) && !any_of(flags, setup::iopoll)) {
        return OptionFault::hybrid_needs_iopoll;
    }
    if (all_of(flags, setup::cqe32 | setup::cqe_mixed)) {
        return OptionFault::two_completion_sizes;
    }
    if (all_of(flags, setup::sqe128 | setup::sqe_mixed)) {
        return OptionFault::two_entry_sizes;
    }
    if (any_of(flags, setup::sq_rewind) && any_of(flags, setup::sqpoll)) {
        return OptionFault::rewind_with_sqpoll;
    }
    return OptionFault::none;
}

[[nodiscard]] OptionFault fault_of_sizes(const RingOptions& options) noexcept {
    const bool clamps = any_of(options.flags, setup::clamp);
    if (options.entries == 0) {
        return OptionFault::no_entries;
    }
    if (options.entries > abi::entries_max && !clamps) {
        return OptionFault::too_many_entries;
    }
    if (options.completion_entries > abi::completion_entries_max && !clamps) {
        return OptionFault::too_many_completions;
    }
    // The kernel compares after rounding up: 3 entries take 4 completions.
    const RingLayout layout = layout_of(options);
    if (layout.cq_entries < layout.sq_entries) {
        return OptionFault::too_few_completions;
    }
    // The kernel answers EOVERFLOW (io_uring.c, rings_size), which says nothing of the kind.
    const bool one_entry = layout.sq_entries < 2 && any_of(options.flags, setup::sqe_mixed);
    const bool one_completion = layout.cq_entries < 2 && any_of(options.flags, setup::cqe_mixed);
    return one_entry || one_completion ? OptionFault::mixed_needs_two : OptionFault::none;
}

[[nodiscard]] OptionFault fault_of_memory(const RingOptions& options) noexcept {
    if (options.memory == nullptr) {
        return OptionFault::none;
    }
    if (!any_of(options.flags, setup::no_mmap)) {
        return OptionFault::memory_needs_no_mmap;
    }
    if ((address_of(options.memory) & (page_bytes_max - 1)) != 0) {
        return OptionFault::memory_not_aligned;
    }
    return options.memory_bytes < required_bytes(options) ? OptionFault::memory_too_small
                                                          : OptionFault::none;
}

} // namespace

OptionFault fault_of(const RingOptions& options) noexcept {
    OptionFault fault = fault_of_sizes(options);
    if (fault == OptionFault::none) {
        fault = fault_of_flags(options.flags);
    }
    if (fault == OptionFault::none && any_of(options.flags, setup::attach_wq) &&
        options.attach_wq_fd < 0) {
        fault = OptionFault::attach_needs_fd;
    }
    if (fault == OptionFault::none && any_of(options.flags, setup::sq_rewind) &&
        !any_of(options.flags | options.preferred_flags, setup::no_sqarray)) {
        fault = OptionFault::rewind_needs_no_array;
    }
    return fault == OptionFault::none ? fault_of_memory(options) : fault;
}

i32 check_options(const RingOptions& options, u32& preferred_flags, Reason& reason) noexcept {
    preferred_flags &= known_flags;
    // The newest flag first: they refine older ones.
    for (u32 bit = setup::sq_rewind; bit != 0; bit >>= 1) {
        if (fault_of_flags(options.flags | preferred_flags) == OptionFault::none) {
            break;
        }
        preferred_flags &= ~bit;
    }
    reason.fault = fault_of(options);
    reason.entries = options.entries;
    reason.setup_flags = options.flags;
    reason.needed_bytes = required_bytes(options);
    if (reason.fault == OptionFault::none) {
        return 0;
    }
    reason.stage = Stage::options;
    return reason.error = -Errno::einval;
}

} // namespace oxbow
