// WaitThread: one thread that waits for what has no descriptor, where the engine cannot: futexes
// and children that no pidfd stands for. It starts with the first such operation and sleeps while
// there is none.
//
// Its futexes are one wait on all words of all jobs at once (futex_waitv, 5.16) and on a word of
// its own, which interrupts it. What that means beside the ring's own operation:
// - The words are looked at in submit, by the kernel: -EAGAIN there is the answer -EAGAIN. A word
//   that is found changed later was woken, and its operation ends with 0.
// - A wake that changes the word is never lost. One that leaves the word as it was is noticed while
//   the thread sleeps on that word, but not in the moments in which it makes a new list, or where
//   two words were woken in the same instant.
// - Beyond 127 words they take turns, each of 5 ms at most.
// - Without futex_waitv (older kernels, qemu-user) it looks at each word every 1 to 10 ms, and a
//   wake that leaves the word as it was is noticed by chance only.
//
// Children are asked for every 5 ms, since the kernel tells of them by signals alone, and those are
// the program's.
#pragma once

#include "list.h"
#include "lock.h"
#include "thread.h"

namespace oxbow {

class Loop;

class WaitThread {
  public:
    constexpr WaitThread() noexcept = default;
    WaitThread(const WaitThread&) = delete;
    WaitThread& operator=(const WaitThread&) = delete;

    /// Whether operations of this kind are for it, and not for the WorkerPool.
    [[nodiscard]] static constexpr bool takes(Kind kind) noexcept {
        return kind == Kind::futex_wait || kind == Kind::futex_waitv || kind == Kind::waitid;
    }

    /// Maps the thread's stack; does not start it. 0 or -ENOMEM.
    [[nodiscard]] i32 open(Loop& loop) noexcept;

    /// Ends the thread; jobs that have not ended are dropped.
    void close() noexcept;

    /// Takes on a completion (State::worker), which ends through Loop::worker_done: 0. Otherwise
    /// the error that it ends with: -EAGAIN, a word has another value; -EINVAL, -EFAULT, no word
    /// that can be waited for; -ENOMEM, no thread can be started.
    [[nodiscard]] i32 submit(Completion& job) noexcept;

    /// Takes a job back; from then on nobody touches it or what it points to, nor waits on its
    /// words. False: its result is on its way. Where the thread sleeps on them this waits until it
    /// has left them, since a wake that comes until then is the job's, and its result.
    [[nodiscard]] bool remove(Completion& job) noexcept;

    /// Takes back the first job for which `wanted(job, context)` holds; nullptr: there is none.
    [[nodiscard]] Completion* take_if(bool (*wanted)(const Completion& job, void* context) noexcept,
                                      void* context) noexcept;

    /// Whether the thread has been started.
    [[nodiscard]] bool is_running() const noexcept { return thread_.started() != 0; }

  private:
    struct Turn;

    static void run(void* self) noexcept;
    void run() noexcept;
    void publish(CompletionQueue& ended) noexcept;

    // With the lock held.
    void interrupt() noexcept { store_release(&control_, load_relaxed(&control_) + 1); }
    void take(Completion& job) noexcept;
    [[nodiscard]] bool is_slept_on(const Completion& job) const noexcept;
    void end_leaving() noexcept;
    void end(Completion& job, i32 value, CompletionQueue& ended) noexcept;
    void ask_for_children(CompletionQueue& ended) noexcept;
    void begin_turn(Turn& turn) noexcept;
    [[nodiscard]] bool add_words(Turn& turn) noexcept;
    void end_turn(const Turn& turn, i32 woken, CompletionQueue& ended) noexcept;
    void end_woken(const Turn& turn, u32 last, CompletionQueue& ended) noexcept;
    void end_changed(const Turn& turn, CompletionQueue& ended) noexcept;

    // Without it.
    [[nodiscard]] i32 look_at_words(const Completion& job) noexcept;
    [[nodiscard]] i32 wait(const Turn& turn) const noexcept;

    Loop* loop_ = nullptr;
    Threads thread_;
    u32 lacks_waitv_ = 0; // as the kernel has said
    Lock lock_;           // over all that follows
    CompletionList jobs_;
    u32 children_ = 0;              // jobs that wait for children
    u32 control_ = 0;               // the word that interrupts the thread
    Turn* turn_ = nullptr;          // what it waits for now
    u32 turns_ = 0;                 // how many have ended; remove() waits on it
    Completion* leaving_ = nullptr; // what remove() wants back when this turn has ended
    bool has_left_ = false;         // the last one did, and no wake came for it
    u32 slice_ms_ = 0;              // of the last turn, where it had to look at each word
    bool must_look_ = false;        // the kernel refused the last wait: look at each word
    bool closing_ = false;
};

} // namespace oxbow
