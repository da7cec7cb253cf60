// Parts of the library that a program has only if it makes an operation which needs them: a server
// of sockets and timers carries no worker threads, and no code for paths.
//
// The loop refers to such a part weakly, which takes nothing out of an archive. The functions of
// op.h that need a part are templates, and so exist only in programs that call them; there they
// leave a reference to the part's own name behind, in data that nobody reads and the linker throws
// away, but not before it has fetched the part. Operations made by other means than op.h, in a
// program that calls none of these functions, end with -EOPNOTSUPP or are done in the loop's
// thread.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

class Loop;
class WaitThread;
class WorkerPool;
struct Completion;

namespace detail {

extern const char timing_part;      ///< timing.cc
extern const char clock_part;       ///< clock.cc
extern const char worker_pool_part; ///< worker_pool.cc
extern const char wait_thread_part; ///< wait_thread.cc
extern const char transfers_part;   ///< perform_transfer.cc
extern const char paths_part;       ///< perform_path.cc
extern const char messages_part;    ///< perform_message.cc
extern const char processes_part;   ///< perform_process.cc
// And where there is a ring:
extern const char ring_files_part;     ///< uring/engine_file.cc
extern const char ring_messages_part;  ///< uring/engine_message.cc
extern const char ring_processes_part; ///< uring/engine_process.cc
extern const char ring_fds_part;       ///< uring/engine_files.cc
extern const char ring_memory_part;    ///< uring/engine_memory.cc
extern const char ring_wake_part;      ///< uring/engine_wake.cc
extern const char ring_batch_part;     ///< uring/engine_batch.cc

template <const char* part, class>
struct Need {
    [[gnu::used]] static constexpr const char* reference = part;
};

// `Caller` is the parameter of the template that calls, so that nothing comes of it before a call.
/// The clock of the vDSO. Without it a look at the clock is a system call.
template <class Caller>
void need_clock() noexcept {
    (void)&Need<&clock_part, Caller>::reference;
}
/// Timers, and deadlines of operations.
template <class Caller>
void need_timing() noexcept {
    (void)&Need<&timing_part, Caller>::reference;
    need_clock<Caller>();
}
template <class Caller>
void need_workers() noexcept {
    (void)&Need<&worker_pool_part, Caller>::reference;
}
/// Reads and writes; of files they may block, so that they need workers too.
template <class Caller>
void need_transfers() noexcept {
    (void)&Need<&transfers_part, Caller>::reference;
    (void)&Need<&ring_files_part, Caller>::reference;
    need_workers<Caller>();
}
/// What is done with files and paths: the same.
template <class Caller>
void need_paths() noexcept {
    (void)&Need<&paths_part, Caller>::reference;
    (void)&Need<&ring_files_part, Caller>::reference;
    need_workers<Caller>();
}

template <class Caller>
void need_messages() noexcept {
    (void)&Need<&messages_part, Caller>::reference;
    (void)&Need<&ring_messages_part, Caller>::reference;
}
template <class Caller>
void need_processes() noexcept {
    (void)&Need<&processes_part, Caller>::reference;
    (void)&Need<&ring_processes_part, Caller>::reference;
}
/// To wait for a process or a futex there is a thread, where the ring does not.
template <class Caller>
void need_wait_thread() noexcept {
    (void)&Need<&wait_thread_part, Caller>::reference;
    need_processes<Caller>();
}

/// abi::clock::monotonic in nanoseconds.
[[gnu::weak]] extern u64 (*const clock_call)() noexcept;

/// What the loop calls of timing.cc. Where the deadlines are not empty, it is there.
struct Timing; // makes it
struct TimingCalls {
    void (*start_timer)(Loop& loop, Completion& timer) noexcept;
    void (*rearm_timer)(Loop& loop, Completion& timer) noexcept;
    void (*restart_timer)(Loop& loop, Completion& timer) noexcept;
    void (*resume_timer)(Loop& loop, Completion& timer) noexcept;
    u32 (*cancel_timers)(Loop& loop) noexcept;
    void (*arm)(Loop& loop, Completion& completion, u64 time_ns, bool is_absolute) noexcept;
    void (*disarm)(Loop& loop, Completion& completion) noexcept;
    void (*date)(Loop& loop) noexcept;
    void (*expire)(Loop& loop) noexcept;
    u64 (*next_deadline_ns)(const Loop& loop) noexcept;
};
[[gnu::weak]] extern const TimingCalls timing_calls;

/// What the loop calls of chain.cc, which comes with Loop::then. Where a completion has successors,
/// or is chained itself, it is there.
struct Chains; // makes it
struct ChainCalls {
    void (*unchain)(Loop& loop, Completion& completion) noexcept;
    void (*start_successors)(Loop& loop, const Completion& first, bool succeeded) noexcept;
    u32 (*cancel)(Loop& loop, i32 fd) noexcept;
};
[[gnu::weak]] extern const ChainCalls chain_calls;

/// What the loop calls of WorkerPool and of WaitThread.
template <class Pool>
struct JobCalls {
    i32 (*open)(Pool& pool, Loop& loop, u32 workers_max) noexcept;
    void (*close)(Pool& pool) noexcept;
    i32 (*submit)(Pool& pool, Completion& job) noexcept;
    bool (*remove)(Pool& pool, Completion& job) noexcept;
    Completion* (*take_if)(Pool& pool,
                           bool (*wanted)(const Completion& job, void* context) noexcept,
                           void* context) noexcept;
};
[[gnu::weak]] extern const JobCalls<WorkerPool> worker_pool_calls;
[[gnu::weak]] extern const JobCalls<WaitThread> wait_thread_calls;

/// What the loop calls of remote.cc, which comes with whatever another thread could call.
struct Remote; // makes it
struct RemoteCalls {
    i32 (*open)(Loop& loop) noexcept;
    void (*take)(Loop& loop) noexcept;
    void (*start_notification)(Loop& loop, Completion& completion) noexcept;
};
[[gnu::weak]] extern const RemoteCalls remote_calls;

} // namespace detail
} // namespace oxbow
