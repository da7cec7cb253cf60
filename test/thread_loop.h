// A loop whose engine knows no operation but those that go to threads: what the tests of WorkerPool
// and WaitThread run on. Both are the test's own and not the loop's, so that they can be opened,
// closed and asked by hand.
#pragma once

#include "../loop/loop.h"
#include "../loop/wait_thread.h"
#include "live_ring.h"

namespace oxbow::test {

/// An operation and what became of it.
struct Job {
    Completion completion;
    Result result;
    u32 ended = 0; ///< the how manieth of its ThreadLoop, from 1; 0: not yet
};

class ThreadLoop {
  public:
    explicit ThreadLoop(u32 workers_max, bool has_waits = false) noexcept;
    ~ThreadLoop();
    ThreadLoop(const ThreadLoop&) = delete;
    ThreadLoop& operator=(const ThreadLoop&) = delete;

    void submit(Job& job, const Operation& operation) noexcept;
    /// Ends one that was taken back, or was dropped by a close.
    void drop(Job& job) noexcept;

    /// Runs until `job`, or everything, has ended, and fails where that takes too long.
    void run_to_end(const Job& job) noexcept;
    void run_to_end() noexcept;
    /// Runs for a while, and says whether `job` ended.
    [[nodiscard]] bool ends_within_ms(const Job& job, u32 duration_ms) noexcept;

    Loop loop;
    WorkerPool pool;
    WaitThread waits;
    const bool with_waits; ///< futexes and children are for the WaitThread
    u32 ended = 0;         ///< jobs
};

/// Threads of this process; 0 where they cannot be counted (no /proc) or some are a sanitizer's.
[[nodiscard]] u32 thread_count() noexcept;
/// What /proc calls the state of a thread of this process, 'S' where it sleeps; '\0': there is no
/// /proc.
[[nodiscard]] char thread_state(i32 tid) noexcept;

/// Pages of memory that are unmapped in the end; all zero at first.
class Pages {
  public:
    explicit Pages(usize bytes) noexcept;
    ~Pages() { unmap(); }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    template <class T>
    [[nodiscard]] T* as() noexcept {
        return reinterpret_cast<T*>(base_);
    }
    void unmap() noexcept;

  private:
    u8* base_ = nullptr;
    usize bytes_;
};

} // namespace oxbow::test
