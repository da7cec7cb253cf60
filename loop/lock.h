// A mutex and a condition for the few words that the loop's thread shares with the library's own
// threads. They are held for a few instructions, never around a call that can wait, and cost no
// system call while nobody waits.
#pragma once

#include "../syscall/atomic.h"
#include "../syscall/call_process.h"

namespace oxbow {

/// Three states: Ulrich Drepper, "Futexes Are Tricky", the second mutex. Not recursive, not fair.
class Lock {
  public:
    constexpr Lock() noexcept = default;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    void lock() noexcept {
        u32 state = free;
        if (!__atomic_compare_exchange_n(&state_, &state, held, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED)) {
            // Whoever has slept must leave it as `contended`: others may be asleep behind it.
            while (exchange(&state_, contended) != free) {
                (void)kernel::futex_wait(&state_, contended);
            }
        }
    }

    void unlock() noexcept {
        if (exchange(&state_, free) == contended) {
            (void)kernel::futex_wake(&state_, 1);
        }
    }

  private:
    static constexpr u32 free = 0;
    static constexpr u32 held = 1;
    static constexpr u32 contended = 2; // and somebody may sleep

    u32 state_ = free;
};

/// Holds a Lock until its scope ends.
class Locked {
  public:
    explicit Locked(Lock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~Locked() { lock_.unlock(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    Lock& lock_;
};

/// What threads sleep on until something under a Lock has changed.
class Condition {
  public:
    constexpr Condition() noexcept = default;
    Condition(const Condition&) = delete;
    Condition& operator=(const Condition&) = delete;

    /// With the lock held, which is let go meanwhile. May return for nothing: ask again in a loop.
    void wait(Lock& lock) noexcept {
        const u32 seen = load_relaxed(&changes_);
        lock.unlock();
        (void)kernel::futex_wait(&changes_, seen);
        lock.lock();
    }

    /// With the lock held: who has not gone to sleep by now will not.
    void changed() noexcept { store_release(&changes_, load_relaxed(&changes_) + 1); }

    /// After changed(), better without the lock, which the woken thread will want.
    void wake(u32 count) noexcept { (void)kernel::futex_wake(&changes_, count); }

  private:
    u32 changes_ = 0;
};

} // namespace oxbow
