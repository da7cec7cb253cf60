// Async: tells a loop, from any thread or signal handler, that there is something to do.
#pragma once

#include "../syscall/atomic.h"

namespace oxbow {

class Loop;
struct Completion;

/// An operation made by op::notification waits for it; a notification that comes while none waits
/// is kept for the next. Several may be told as one. It must stay where it is while an operation
/// waits or another thread may notify it.
class Async {
  public:
    constexpr explicit Async(Loop& loop) noexcept : loop_(&loop) {}
    Async(const Async&) = delete;
    Async& operator=(const Async&) = delete;

    /// From any thread or signal handler. Never lost; makes a system call only where the loop
    /// sleeps.
    void notify() noexcept;

    /// The same, from a callback of another loop. Where both are on io_uring (5.18) the
    /// notification goes with what `from` hands to the kernel when its callbacks have run, and
    /// costs no system call of its own. That is for loops on two processors; on one, notify() is
    /// faster, and it does not wait for the other callbacks. Neither loop may be closed before
    /// that.
    void notify(Loop& from) noexcept;

    /// In the loop's thread, when no operation waits for it and nobody will notify it any more:
    /// from here on it may go. Without this, a notification that nobody was told may still be on
    /// its way through the loop's queue, and the loop would come upon memory that is something else
    /// by then.
    void close() noexcept;

    // What follows is the loop's.

    Async* next = nullptr;         ///< in the loop's queue of those that were notified
    Completion* waiting = nullptr; ///< the operation
    bool notified = false;         ///< and no operation has been told yet

  private:
    friend class Loop;
    Loop* loop_;
    u32 queued_ = 0; // in that queue, or on its way there
};

} // namespace oxbow
