// Why a ring could not be had: what was tried and what the kernel answered. The numbers cost
// nothing; `describe` turns them into a sentence that a person can act on, and is linked only where
// it is called.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

class Text;

/// How far Ring::open came.
enum class Stage : u8 {
    none,        ///< it succeeded
    options,     ///< the options contradict each other; the kernel was not asked
    setup,       ///< io_uring_setup
    map_rings,   ///< mmap of the submission or completion ring
    map_entries, ///< mmap of the submission queue entries
    memory,      ///< memory for setup::no_mmap
    register_fd, ///< registering the ring's own descriptor
    resize,      ///< Ring::resize
    operations,  ///< a loop needs what this kernel's ring has not (5.6)
};

/// Why RingOptions were not even tried.
enum class OptionFault : u8 {
    none,
    no_entries,            ///< entries is 0
    too_many_entries,      ///< more than abi::entries_max without setup::clamp
    too_few_completions,   ///< fewer completion than submission entries
    too_many_completions,  ///< more than abi::completion_entries_max without setup::clamp
    unknown_flags,         ///< a bit that no kernel up to 7.2 knows
    defer_needs_issuer,    ///< defer_taskrun without single_issuer
    task_flag_needs_coop,  ///< taskrun_flag without coop_taskrun or defer_taskrun
    sqpoll_with_taskrun,   ///< sqpoll with coop_taskrun, taskrun_flag or defer_taskrun
    affinity_needs_sqpoll, ///< sq_aff without sqpoll
    fd_only_needs_no_mmap, ///< registered_fd_only without no_mmap
    hybrid_needs_iopoll,   ///< hybrid_iopoll without iopoll
    two_completion_sizes,  ///< cqe32 with cqe_mixed
    two_entry_sizes,       ///< sqe128 with sqe_mixed
    mixed_needs_two,       ///< sqe_mixed or cqe_mixed with a queue of one slot
    rewind_needs_no_array, ///< sq_rewind without no_sqarray
    rewind_with_sqpoll,    ///< sq_rewind with sqpoll
    attach_needs_fd,       ///< attach_wq without attach_wq_fd
    memory_needs_no_mmap,  ///< memory given without no_mmap
    memory_too_small,      ///< fewer than needed_bytes
    memory_not_aligned,    ///< not at a page boundary
};

/// What refused a ring. Everything is 0 after a success.
struct Reason {
    Stage stage = Stage::none;
    OptionFault fault = OptionFault::none; ///< with Stage::options
    i32 error = 0;                         ///< negative errno
    u32 setup_flags = 0;                   ///< of the last attempt
    u32 entries = 0;                       ///< of the last attempt
    u64 needed_bytes = 0;                  ///< what the rings would have taken

    [[nodiscard]] bool refused() const noexcept { return stage != Stage::none; }
};

/// Appends one line: what was refused, the kernel's answer, the likely cause on this machine now
/// (it reads the io_uring sysctl, the seccomp mode and the memory-lock limit) and what to do.
void describe(const Reason& reason, Text& text) noexcept;

} // namespace oxbow
