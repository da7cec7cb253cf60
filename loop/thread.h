// Threads of the library's own: clone and a futex, no C library. Each runs on a stack of 64 KiB
// with a page below it that nobody may touch, and with all signals blocked, so that no handler of
// the program ever runs where it does not expect to.
//
// In builds with AddressSanitizer or ThreadSanitizer they are pthreads, because those have to know
// of every thread; thread.cc alone knows that.
#pragma once

#include "../syscall/types.h"

namespace oxbow {

/// A number of threads that share one mapping of stacks; none runs at first. Belongs to one thread.
class Threads {
  public:
    static constexpr usize stack_bytes = 64 * 1024; ///< or one page, where pages are larger

    using Entry = void (*)(void* argument) noexcept;

    constexpr Threads() noexcept = default;
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    /// Maps the stacks of `count` threads, which take real memory only as they are used. 0 or
    /// -ENOMEM.
    [[nodiscard]] i32 open(u32 count) noexcept;

    /// Starts one more. It ends when `entry` returns. `name` (15 characters at most) is what tools
    /// show. 0; -EAGAIN, -ENOMEM: the system has no room for another thread.
    [[nodiscard]] i32 start(const char* name, Entry entry, void* argument) noexcept;

    /// Waits until all have ended, and lets go of the stacks.
    void join_and_close() noexcept;

    /// Threads started so far.
    [[nodiscard]] u32 started() const noexcept { return started_; }
    [[nodiscard]] bool is_full() const noexcept { return started_ == count_; }

  private:
    struct Head;

    [[nodiscard]] u8* slot(u32 at) const noexcept { return mapping_ + at * slot_bytes_; }
    [[nodiscard]] Head& head(u32 at) const noexcept;
    [[nodiscard]] static i32 begin(Head& head) noexcept;
    static void join(Head& head) noexcept;

    u8* mapping_ = nullptr;
    usize slot_bytes_ = 0;
    u32 count_ = 0;
    u32 started_ = 0;
};

} // namespace oxbow
