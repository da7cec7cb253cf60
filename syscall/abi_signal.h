// Signals as the kernel takes them. libc's struct sigaction and sigset_t are others, and larger.
// Source: include/linux/signal_types.h (what rt_sigaction reads), asm-generic/{signal,siginfo}.h.
#pragma once

#include "types.h"

namespace oxbow::abi {

/// Signal numbers, the same on all of our machines.
namespace signal {
inline constexpr i32 hup = 1;
inline constexpr i32 int_ = 2;
inline constexpr i32 quit = 3;
inline constexpr i32 ill = 4;
inline constexpr i32 trap = 5;
inline constexpr i32 abrt = 6;
inline constexpr i32 bus = 7;
inline constexpr i32 fpe = 8;
inline constexpr i32 kill = 9;
inline constexpr i32 usr1 = 10;
inline constexpr i32 segv = 11;
inline constexpr i32 usr2 = 12;
inline constexpr i32 pipe = 13;
inline constexpr i32 alrm = 14;
inline constexpr i32 term = 15;
inline constexpr i32 chld = 17;
inline constexpr i32 cont = 18;
inline constexpr i32 stop = 19;
inline constexpr i32 tstp = 20;
inline constexpr i32 ttin = 21;
inline constexpr i32 ttou = 22;
inline constexpr i32 urg = 23;
inline constexpr i32 xcpu = 24;
inline constexpr i32 xfsz = 25;
inline constexpr i32 vtalrm = 26;
inline constexpr i32 prof = 27;
inline constexpr i32 winch = 28;
inline constexpr i32 io = 29;
inline constexpr i32 pwr = 30;
inline constexpr i32 sys = 31;
inline constexpr i32 real_time_first = 32; ///< libc keeps the first two or three for itself
inline constexpr i32 last = 64;
} // namespace signal

/// A set of signals, 64 bits in machine words: the kernel's sigset_t. Where a call wants the set's
/// size it wants sizeof(SignalSet), which is 8.
struct SignalSet {
    uptr words[8 / sizeof(uptr)];

    [[nodiscard]] static constexpr SignalSet none() noexcept { return {}; }
    [[nodiscard]] static constexpr SignalSet all() noexcept {
        SignalSet set = {};
        for (uptr& word : set.words) {
            word = ~uptr{0};
        }
        return set;
    }
    constexpr SignalSet& add(i32 signal_number) noexcept {
        words[index_of(signal_number)] |= bit_of(signal_number);
        return *this;
    }
    constexpr SignalSet& remove(i32 signal_number) noexcept {
        words[index_of(signal_number)] &= ~bit_of(signal_number);
        return *this;
    }
    [[nodiscard]] constexpr bool has(i32 signal_number) const noexcept {
        return (words[index_of(signal_number)] & bit_of(signal_number)) != 0;
    }

  private:
    static constexpr u32 word_bits = 8 * sizeof(uptr);
    static constexpr u32 index_of(i32 signal_number) noexcept {
        return (static_cast<u32>(signal_number) - 1) / word_bits;
    }
    static constexpr uptr bit_of(i32 signal_number) noexcept {
        return uptr{1} << ((static_cast<u32>(signal_number) - 1) % word_bits);
    }
};

/// How rt_sigprocmask combines its set with the one in force.
namespace signal_mask {
inline constexpr i32 block = 0;
inline constexpr i32 unblock = 1;
inline constexpr i32 set = 2;
} // namespace signal_mask

/// SignalAction::flags.
namespace action_flag {
inline constexpr uptr nocldstop = 0x1;
inline constexpr uptr nocldwait = 0x2;
inline constexpr uptr siginfo = 0x4;
inline constexpr uptr restorer = 0x04000000; ///< kernel::rt_sigaction sets it where it is needed
inline constexpr uptr onstack = 0x08000000;
inline constexpr uptr restart = 0x10000000;
inline constexpr uptr nodefer = 0x40000000;
inline constexpr uptr resethand = 0x80000000;
} // namespace action_flag

/// Values of SignalAction::handler that are no function.
namespace signal_handler {
inline constexpr uptr standard = 0; ///< SIG_DFL
inline constexpr uptr ignore = 1;   ///< SIG_IGN
} // namespace signal_handler

/// The machines that came last have no restorer: SA_RESTORER is not in their headers.
#if defined(__riscv) || defined(__loongarch__)
#define OXBOW_SIGNAL_ACTION_HAS_RESTORER 0
#else
#define OXBOW_SIGNAL_ACTION_HAS_RESTORER 1
#endif

/// What rt_sigaction reads and writes: the kernel's struct sigaction.
struct SignalAction {
    uptr handler; ///< function of (i32), or of (i32, SignalInfo*, void*) with siginfo; or see above
    uptr flags;   ///< action_flag
#if OXBOW_SIGNAL_ACTION_HAS_RESTORER
    void (*restorer)();
#endif
    SignalSet mask; ///< blocked besides, while the handler runs
};

/// SignalInfo::code.
namespace signal_code {
inline constexpr i32 user = 0;
inline constexpr i32 kernel = 0x80;
inline constexpr i32 queue = -1;
inline constexpr i32 timer = -2;
inline constexpr i32 tkill = -6;
inline constexpr i32 child_exited = 1;
inline constexpr i32 child_killed = 2;
inline constexpr i32 child_dumped = 3;
inline constexpr i32 child_trapped = 4;
inline constexpr i32 child_stopped = 5;
inline constexpr i32 child_continued = 6;
} // namespace signal_code

/// The word that rt_sigqueueinfo carries: union sigval.
union SignalValue {
    i32 integer;
    void* pointer;
};

/// What a signal or a waitid tells: siginfo_t, 128 bytes. Which part holds follows from the signal
/// and `code`.
struct SignalInfo {
    struct Child {
        i32 pid;
        u32 user_id;
        i32 status; ///< exit code, or signal number
        long user_time;
        long system_time;
    };
    struct Sender {
        i32 pid;
        u32 user_id;
        SignalValue value; ///< with signal_code::queue
    };
    struct TimerExpiry {
        i32 timer_id;
        i32 overrun;
        SignalValue value;
    };
    struct Fault {
        void* address;
    };
    struct Poll {
        long band;
        i32 fd;
    };
    struct Call {
        void* address;
        i32 call;
        u32 machine; ///< audit_machine
    };

    i32 signal;
    i32 error;
    i32 code;
    union {
        Child child;
        Sender sender;
        TimerExpiry timer;
        Fault fault;
        Poll poll;
        Call call;
        u8 bytes[sizeof(long) == 8 ? 112 : 116];
    };
};

/// sigaltstack: stack_t.
struct SignalStack {
    void* base;
    i32 flags; ///< 0, or 2 to have none
    usize bytes;
};

} // namespace oxbow::abi
