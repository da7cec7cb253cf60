// The three levels of this room, from the machine upwards:
//
//   1. `arch::raw(number, ...)` in arch_<cpu>.h is the instruction. It returns what the kernel
//      returned, and nothing above level 2 calls it.
//   2. `invoke(number, ...)` here turns typed arguments into machine words. In test builds
//      (OXBOW_TEST_HOOK) it asks a hook first, which is how faults are injected and how a scripted
//      kernel stands in for the real one.
//   3. call.h has one typed function per system call; each returns a value or a negative errno, and
//      everything outside this room calls only those.
//
// There is no errno variable anywhere.
#pragma once

#include "types.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#include "arch_x86_64.h"
#elif defined(__i386__)
#include "arch_i386.h"
#elif defined(__aarch64__) && !defined(__ILP32__)
#include "arch_aarch64.h"
#elif defined(__arm__) && defined(__ARM_EABI__)
#include "arch_arm.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "arch_riscv64.h"
#elif defined(__s390x__)
#include "arch_s390x.h"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && _CALL_ELF == 2
#include "arch_ppc64le.h"
#else
#error "No system calls for this machine yet: add syscall/arch_<cpu>.h and name it here."
#endif

namespace oxbow {

// Calls added since Linux 5.1 have one number on every machine; so do the 64-bit-time calls that
// 32-bit machines got then. arch_<cpu>.h has the older ones. include/uapi/asm-generic/unistd.h.
namespace number {
enum : long {
    clock_gettime64 = 403,
    clock_getres_time64 = 406,
    clock_nanosleep_time64 = 407,
    timerfd_gettime64 = 410,
    timerfd_settime64 = 411,
    utimensat_time64 = 412,
    ppoll_time64 = 414,
    rt_sigtimedwait_time64 = 421,
    futex_time64 = 422,
    pidfd_send_signal = 424,
    io_uring_setup = 425,
    io_uring_enter = 426,
    io_uring_register = 427,
    pidfd_open = 434,
    clone3 = 435,
    close_range = 436,
    openat2 = 437,
    pidfd_getfd = 438,
    epoll_pwait2 = 441,
    futex_waitv = 449,
};
} // namespace number

#if defined(OXBOW_TEST_HOOK)
/// What a test build calls in place of every system call; test/hook.cc defines it.
extern "C" long oxbow_test_hook(long number, const long* arguments, int count) noexcept;
#endif

/// Any scalar as the machine word that a register carries.
template <class T>
[[nodiscard]] inline long word_of(T value) noexcept {
    static_assert(sizeof(T) <= sizeof(long), "pass a 64-bit value through invoke_pair");
    if constexpr (__is_enum(T)) {
        return static_cast<long>(value);
    } else {
        return (long)(value); // pointer or integer: the one place where either becomes a register
    }
}

/// Level 2: makes system call `number` and returns what the kernel returned.
template <class... Arguments>
inline long invoke(long number, Arguments... arguments) noexcept {
    static_assert(sizeof...(Arguments) <= 6, "a system call has at most six arguments");
#if defined(OXBOW_TEST_HOOK)
    const long words[7] = {word_of(arguments)..., 0};
    return oxbow_test_hook(number, words, static_cast<int>(sizeof...(Arguments)));
#else
    return arch::raw(number, word_of(arguments)...);
#endif
}

} // namespace oxbow
