// WorkerPool: threads that run operations which would block the loop. They start one by one when
// there is work and none is idle, take jobs in the order in which they came, and are joined when
// the pool is closed.
//
// The loop's thread alone calls what is here. A worker reads the job, runs perform(), writes
// Completion::value and hands the completion to Loop::worker_done, after which it never touches it
// again. An `_all` operation goes on in its worker until it is done.
#pragma once

#include "list.h"
#include "lock.h"
#include "thread.h"

namespace oxbow {

class Loop;

class WorkerPool {
  public:
    static constexpr u32 workers_limit = 64;

    constexpr WorkerPool() noexcept = default;
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    /// Maps the stacks of up to `workers_max` threads, each with a guard page below; starts none.
    /// 0, -EINVAL (more than workers_limit) or -ENOMEM.
    [[nodiscard]] i32 open(Loop& loop, u32 workers_max) noexcept;

    /// Joins all threads; jobs that have not begun are dropped. Waits for those that have.
    void close() noexcept;

    /// Queues a completion (State::worker) and sees to it that a thread comes. 0; -EOPNOTSUPP: the
    /// pool has no threads; -EAGAIN, -ENOMEM: none runs and none can be started. After an error it
    /// is not queued.
    [[nodiscard]] i32 submit(Completion& job) noexcept;

    /// Takes a job that has not begun out of the queue. False: it has begun, or ended.
    [[nodiscard]] bool remove(Completion& job) noexcept;

    /// Takes the first job that has not begun and for which `wanted(job, context)` holds; nullptr:
    /// there is none.
    [[nodiscard]] Completion* take_if(bool (*wanted)(const Completion& job, void* context) noexcept,
                                      void* context) noexcept;

    /// Threads that run now. They stay until close(); an idle one costs its stack and no time.
    [[nodiscard]] u32 workers() const noexcept { return threads_.started(); }

  private:
    static void work(void* pool) noexcept;
    [[nodiscard]] Completion* next_job() noexcept;
    [[nodiscard]] i32 start_worker(Completion& job) noexcept;
    void take(Completion& job) noexcept;

    Loop* loop_ = nullptr;
    Threads threads_;
    Lock lock_; // over all that follows
    Condition jobs_or_end_;
    CompletionList jobs_; // that have not begun
    u32 queued_ = 0;      // how many they are
    u32 idle_ = 0;        // workers that sleep, or have been woken and have not looked yet
    bool closing_ = false;
};

} // namespace oxbow
