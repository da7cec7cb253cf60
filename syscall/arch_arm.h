// ARM, EABI, in ARM and Thumb-2 state. The number goes in r7 and the arguments in r0 to r5;
// `svc 0` returns in r0 and keeps every other register. In Thumb state r7 is the frame pointer, and
// a register variable on it fails to compile at -O0: there the number goes over a scratch register,
// and r7 is put back before the asm ends. A 64-bit argument takes two words and starts at an even
// one, with an unused word before it if need be; where that would need a seventh register
// (fadvise64, sync_file_range), advice and flags come second.
// Numbers: where a call came in several widths, the plain name is the one with 32-bit user ids and
// 64-bit file offsets (fcntl64, ftruncate64, mmap2, getuid32 ...); `lseek` still has 32-bit offsets
// and `llseek` 64-bit ones; times are 32-bit but for the *64 numbers in syscall.h.
// Source: syscall(2); arch/arm/kernel/entry-common.S; arch/arm/tools/syscall.tbl.
#pragma once

#include "arch_common.h"

namespace oxbow {

namespace number {
// clang-format off
enum : long {
    exit = 1, read = 3, write = 4, close = 6, execve = 11, chdir = 12, lseek = 19, getpid = 20,
    mount = 21, pause = 29, sync = 36, kill = 37, dup = 41, umount2 = 52, ioctl = 54, setpgid = 57,
    umask = 60, chroot = 61, getppid = 64, setsid = 66, sethostname = 74, getrusage = 77,
    reboot = 88, munmap = 91, fchmod = 94, getpriority = 96, setpriority = 97, setitimer = 104,
    getitimer = 105, sysinfo = 116, fsync = 118, clone = 120, uname = 122, mprotect = 125,
    fchdir = 133, llseek = 140, flock = 143, msync = 144, readv = 145, writev = 146,
    fdatasync = 148, mlock = 150, munlock = 151, sched_setscheduler = 156, sched_getscheduler = 157,
    sched_yield = 158, mremap = 163, prctl = 172, rt_sigreturn = 173, rt_sigaction = 174,
    rt_sigprocmask = 175, rt_sigpending = 176, rt_sigtimedwait = 177, rt_sigqueueinfo = 178,
    rt_sigsuspend = 179, pread64 = 180, pwrite64 = 181, getcwd = 183, sigaltstack = 186,
    getrlimit = 191, mmap = 192, ftruncate = 194, fstat = 197, getuid = 199, getgid = 200,
    geteuid = 201, getegid = 202, setgroups = 206, setresuid = 208, setresgid = 210,
    getdents64 = 217, mincore = 219, madvise = 220, fcntl = 221, gettid = 224, setxattr = 226,
    fsetxattr = 228, getxattr = 229, fgetxattr = 231, listxattr = 232, flistxattr = 234,
    removexattr = 235, fremovexattr = 237, sendfile = 239, futex = 240, sched_setaffinity = 241,
    sched_getaffinity = 242, exit_group = 248, epoll_ctl = 251, set_tid_address = 256,
    timer_create = 257, timer_settime = 258, timer_delete = 261, clock_gettime = 263,
    clock_getres = 264, clock_nanosleep = 265, tgkill = 268, fadvise64 = 270, waitid = 280,
    socket = 281, bind = 282, connect = 283, listen = 284, getsockname = 286, getpeername = 287,
    socketpair = 288, sendto = 290, recvfrom = 292, shutdown = 293, setsockopt = 294,
    getsockopt = 295, sendmsg = 296, recvmsg = 297, openat = 322, mkdirat = 323, mknodat = 324,
    fchownat = 325, unlinkat = 328, renameat = 329, linkat = 330, symlinkat = 331, readlinkat = 332,
    fchmodat = 333, faccessat = 334, ppoll = 336, unshare = 337, splice = 340,
    sync_file_range = 341, tee = 342, getcpu = 345, epoll_pwait = 346, utimensat = 348,
    timerfd_create = 350, fallocate = 352, timerfd_settime = 353, timerfd_gettime = 354,
    signalfd4 = 355, eventfd2 = 356, epoll_create1 = 357, dup3 = 358, pipe2 = 359, preadv = 361,
    pwritev = 362, perf_event_open = 364, recvmmsg = 365, accept4 = 366, prlimit64 = 369,
    syncfs = 373, sendmmsg = 374, setns = 375, renameat2 = 382, seccomp = 383, getrandom = 384,
    memfd_create = 385, membarrier = 389, copy_file_range = 391, preadv2 = 392, pwritev2 = 393,
    statx = 397,
};
// clang-format on
} // namespace number

namespace arch {

inline constexpr bool has_time64_calls = true;
inline constexpr bool pair_is_aligned = true;
inline constexpr bool fadvise_advice_second = true;
inline constexpr bool sync_range_flags_second = true;
inline constexpr bool clone_stack_first = false;
inline constexpr u64 mmap_offset_unit = 4096;
inline constexpr bool signal_action_has_restorer = true;
inline constexpr bool signal_needs_restorer = true; // a kernel without its signal page exists

// The instruction with the registers of as many arguments as there are, and no more.
#if defined(__thumb__)
#define OXBOW_SVC(...)                                                                             \
    asm volatile("mov %[saved], r7\n\tmov r7, %[number]\n\tsvc 0\n\tmov r7, %[saved]"              \
                 : "+r"(r0), [saved] "=&r"(saved)                                                  \
                 : [number] "r"(number)__VA_OPT__(, ) __VA_ARGS__                                  \
                 : "memory", "cc")
#else
#define OXBOW_SVC(...)                                                                             \
    asm volatile("svc 0" : "+r"(r0) : "r"(r7)__VA_OPT__(, ) __VA_ARGS__ : "memory", "cc")
#endif

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
#if defined(__thumb__)
    long saved;
#else
    register long r7 asm("r7") = number;
#endif
    register long r0 asm("r0") = argument[0];
    register long r1 asm("r1") = argument[1];
    register long r2 asm("r2") = argument[2];
    register long r3 asm("r3") = argument[3];
    register long r4 asm("r4") = argument[4];
    register long r5 asm("r5") = argument[5];
    if constexpr (count <= 1) {
        OXBOW_SVC();
    } else if constexpr (count == 2) {
        OXBOW_SVC("r"(r1));
    } else if constexpr (count == 3) {
        OXBOW_SVC("r"(r1), "r"(r2));
    } else if constexpr (count == 4) {
        OXBOW_SVC("r"(r1), "r"(r2), "r"(r3));
    } else if constexpr (count == 5) {
        OXBOW_SVC("r"(r1), "r"(r2), "r"(r3), "r"(r4));
    } else {
        OXBOW_SVC("r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5));
    }
    return r0;
}

#undef OXBOW_SVC

inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, flags, stack, parent_tid, tls, child_tid);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 2, entry, argument);
    long saved;
    register long r0 asm("r0") = flags;
    register uptr* r1 asm("r1") = stack;
    register i32* r2 asm("r2") = parent_tid;
    register void* r3 asm("r3") = tls;
    register i32* r4 asm("r4") = child_tid;
    asm volatile("mov %[saved], r7\n\t"
                 "mov r7, %[clone]\n\t"
                 "svc 0\n\t"
                 "cmp r0, #0\n\t"
                 "bne 1f\n\t"
                 "mov r7, #0\n\t" // the child: the outermost frame, of either state
                 "mov r11, #0\n\t"
                 "pop {r1, r2}\n\t"
                 "mov r0, r2\n\t"
                 "blx r1\n\t"
                 "mov r7, %[exit]\n\t"
                 "svc 0\n"
                 "1:\n\t"
                 "mov r7, %[saved]"
                 : "+r"(r0), [saved] "=&r"(saved)
                 : "r"(r1), "r"(r2), "r"(r3), "r"(r4), [clone] "i"(static_cast<int>(number::clone)),
                   [exit] "i"(static_cast<int>(number::exit))
                 : "memory", "cc");
    return r0;
}

[[gnu::naked]] inline void signal_return() noexcept {
    asm volatile("mov r7, #173\n\tsvc 0");
}

inline constexpr void (*signal_restorer)() = &signal_return;

} // namespace arch
} // namespace oxbow

#if defined(__thumb__)
#define OXBOW_ARCH_STATE ".thumb\n.thumb_func\n"
#else
#define OXBOW_ARCH_STATE ".arm\n"
#endif

#define OXBOW_ARCH_START                                                                           \
    ".syntax unified\n"                                                                            \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, %function\n" OXBOW_ARCH_STATE "_start:\n"                                       \
    "\tmov r7, #0\n"                                                                               \
    "\tmov r11, #0\n"                                                                              \
    "\tmov lr, #0\n"                                                                               \
    "\tmov r0, sp\n"                                                                               \
    "\tbic r1, r0, #15\n"                                                                          \
    "\tmov sp, r1\n"                                                                               \
    "\tbl oxbow_start\n"                                                                           \
    ".size _start, . - _start\n"
