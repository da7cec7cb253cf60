// What a loop is made with.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

struct LoopOptions {
    /// Entries of the submission queue, where the engine has one: 1 to 32768. More operations than
    /// this may be in flight; it is how many are handed over at once.
    u32 entries = 256;

    /// Descriptors below this number can be used; operations on others end with -EMFILE. 0: as
    /// RLIMIT_NOFILE allows the process to open, but no more than 2^20. Each takes a slot of 48
    /// bytes of address space, and real memory from its first use on.
    u32 fds_max = 0;

    /// Memory for those slots, Loop::memory_bytes(fds_max) of the caller's until Loop::close(): at
    /// a multiple of 64, and all zero. nullptr: it is mapped. With it, fds_max must be given: else
    /// opening fails with -EINVAL.
    void* memory = nullptr;

    /// The thread that opens the loop also runs it, which saves io_uring a system call. Where
    /// another one does after all, its run ends with -EEXIST (from 6.0 on).
    bool is_opened_by_runner = false;

    /// Descriptors below this number can be registered: see Loop::register_fd. Each costs the
    /// kernel 8 bytes for as long as the loop is open. More than fds_max or the soft RLIMIT_NOFILE
    /// are never asked for, and where the kernel refuses, the loop opens all the same and registers
    /// nothing.
    u32 registered_fds = 0;

    /// Worker threads for what the engine cannot wait for. The first starts with the first such
    /// operation. 0: such operations end with -EOPNOTSUPP.
    u32 workers_max = 4;

    /// Callbacks between two looks at the kernel. 0: as many as are ready, and those that they make
    /// ready by themselves, which need no look, up to 64.
    u32 batch_max = 0;

    /// Counts callbacks that take longer in Statistics::slow_callbacks. 0: not measured.
    u64 slow_callback_ns = 0;
};

/// How long a run goes on.
enum class Run : u8 {
    no_wait,    ///< one round, without waiting
    once,       ///< until at least one callback has run
    until_done, ///< until nothing is in flight
};

/// Since the loop was opened.
struct Statistics {
    u64 submitted = 0;      ///< operations, rearmed ones each time
    u64 completed = 0;      ///< last results
    u64 delivered = 0;      ///< results with more()
    u64 rounds = 0;         ///< of run
    u64 waits = 0;          ///< rounds that asked the kernel to wait
    u64 syscalls = 0;       ///< made by the loop's thread for the loop
    u64 parked = 0;         ///< operations that found no room in the ring at once
    u64 overflows = 0;      ///< times the kernel held completions back for want of room
    u64 worker_jobs = 0;    ///< operations given to worker threads
    u64 buffer_waits = 0;   ///< operations that found no buffer at once
    u64 wakeups = 0;        ///< by other threads, while the loop slept
    u64 slow_callbacks = 0; ///< longer than LoopOptions::slow_callback_ns
};

} // namespace oxbow
