// Between the typed system calls and the kernel, in test builds only: every call made through
// oxbow::invoke is counted, may fail, be interrupted or be shortened as a test asks, and may be
// answered by a handler (fake_kernel.h) in the kernel's place. Everything here may be used from
// several threads at once, except that faults are injected and cleared by one thread at a time.
#pragma once

#include "../syscall/errno.h"
#include "../syscall/syscall.h"

#if !defined(OXBOW_TEST_HOOK)
extern "C" long oxbow_test_hook(long number, const long* arguments, int count) noexcept;
#endif

namespace oxbow::test {

/// For Fault::times: never stops.
inline constexpr u32 always = 0xffffffffu;

/// What goes wrong with the calls of one number. `{.number = number::read}` with `.nth = 3` and the
/// rest as it is: the third read from now on answers EINTR, once.
struct Fault {
    enum Kind : u8 {
        fail,      ///< the kernel is not asked; the answer is `errno_value`
        interrupt, ///< the kernel is not asked; the answer is EINTR
        shorten,   ///< the kernel is asked for at most `limit` bytes, pieces or entries
    };

    long number; ///< as oxbow::number has it
    u32 nth = 1; ///< the first call to hit, counted from the injection; 1 is the next one
    Kind kind = interrupt;
    i32 errno_value = 0; ///< for `fail`; either sign
    u32 times = 1;       ///< how many calls to hit, or `always`
    u32 every = 1;       ///< from `nth` on, each `every`-th call is hit
    u32 chance = 1000;   ///< of 1000: each of those is hit with this probability, drawn from `seed`
    u64 seed = 1;
    u64 limit = 1; ///< for `shorten`
};

/// Adds a fault; the oldest one that hits a call decides. Ends the process with a message where
/// there are too many, or where a call that has no count is to be shortened.
void inject(const Fault& fault) noexcept;

/// Removes all faults. Counters and handlers stay.
void clear_faults() noexcept;

/// How many calls all faults together have hit since clear_faults.
[[nodiscard]] u32 faults_hit() noexcept;

inline void fail_call(long number, Errno error, u32 nth = 1, u32 times = 1) noexcept {
    inject({.number = number,
            .nth = nth,
            .kind = Fault::fail,
            .errno_value = static_cast<i32>(error),
            .times = times});
}
inline void interrupt_call(long number, u32 nth = 1, u32 times = 1) noexcept {
    inject({.number = number, .nth = nth, .kind = Fault::interrupt, .times = times});
}
inline void shorten_call(long number, u64 limit, u32 nth = 1, u32 times = 1) noexcept {
    inject({.number = number, .nth = nth, .kind = Fault::shorten, .times = times, .limit = limit});
}

/// Calls of this number since the test began or since reset_calls, those that a fault or a handler
/// answered included. The harness's own are not counted.
[[nodiscard]] u32 calls_made(long number) noexcept;
[[nodiscard]] u32 calls_made_in_all() noexcept;
void reset_calls() noexcept;

/// Whether a call is ppoll, which has another number where longs have 32 bits.
[[nodiscard]] constexpr bool is_ppoll(long number) noexcept {
    return number == number::ppoll || number == number::ppoll_time64;
}

/// Answers calls in the kernel's place. Returns false to leave a call to the next handler and,
/// after the last one, to the kernel. Faults come first. The newest handler is asked first.
using Handler = bool (*)(void* context, long number, const long* arguments, int count,
                         long* result) noexcept;
void set_handler(Handler handler, void* context) noexcept;
void remove_handler(Handler handler, void* context) noexcept;

/// The kernel itself: no fault, no counter, no handler. For handlers.
template <class... Arguments>
inline long real_call(long number, Arguments... arguments) noexcept {
    return arch::raw(number, word_of(arguments)...);
}

/// While one lives, the thread that made it calls the kernel itself. The harness uses it, so that a
/// test's faults never hit the report about that test. At most 16 threads at a time.
class HookPause {
  public:
    HookPause() noexcept;
    ~HookPause();
    HookPause(const HookPause&) = delete;
    HookPause& operator=(const HookPause&) = delete;

  private:
    u32 slot_;
};

/// In a forked child: the pauses of the parent's threads mean nothing there.
void forget_pauses() noexcept;

} // namespace oxbow::test
