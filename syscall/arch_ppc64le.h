// 64-bit PowerPC, little endian, with the calling convention ELFv2. The number goes in r0 and the
// arguments in r3 to r8; `sc` returns in r3, where an error is a positive errno and told apart by
// the summary overflow bit of cr0. It destroys what a function call would: r0, r3 to r12, cr0, ctr
// and xer; lr and the other condition fields are kept. (`scv 0` of newer kernels is not used:
// whoever runs on an older kernel, or on a processor that lacks it, is killed for trying.) Numbers:
// sync_file_range is the machine's sync_file_range2, which has the flags second. A function is
// called with its own address in r12, from which it finds r2, the base of its data; inside one
// program r2 stays what it is. It may write above the stack pointer that it is called with: its
// return address at 16 and the condition register at 8; the smallest frame has 32 bytes, and its
// first word is the link to the frame above, 0 in the outermost. Source: syscall(2);
// Documentation/powerpc/syscall64-abi.rst; 64-Bit ELF V2 ABI, 2.2 and 2.3;
// arch/powerpc/kernel/syscalls/syscall.tbl.
#pragma once

#include "arch_common.h"

namespace oxbow {

namespace number {
// clang-format off
enum : long {
    exit = 1, read = 3, write = 4, close = 6, execve = 11, chdir = 12, lseek = 19, getpid = 20,
    mount = 21, getuid = 24, pause = 29, sync = 36, kill = 37, dup = 41, getgid = 47, geteuid = 49,
    getegid = 50, umount2 = 52, ioctl = 54, fcntl = 55, setpgid = 57, umask = 60, chroot = 61,
    getppid = 64, setsid = 66, sethostname = 74, getrlimit = 76, getrusage = 77, setgroups = 81,
    reboot = 88, mmap = 90, munmap = 91, ftruncate = 93, fchmod = 94, getpriority = 96,
    setpriority = 97, setitimer = 104, getitimer = 105, fstat = 108, sysinfo = 116, fsync = 118,
    clone = 120, uname = 122, mprotect = 125, fchdir = 133, flock = 143, msync = 144, readv = 145,
    writev = 146, fdatasync = 148, mlock = 150, munlock = 151, sched_setscheduler = 156,
    sched_getscheduler = 157, sched_yield = 158, mremap = 163, setresuid = 164, setresgid = 169,
    prctl = 171, rt_sigreturn = 172, rt_sigaction = 173, rt_sigprocmask = 174, rt_sigpending = 175,
    rt_sigtimedwait = 176, rt_sigqueueinfo = 177, rt_sigsuspend = 178, pread64 = 179,
    pwrite64 = 180, getcwd = 182, sigaltstack = 185, sendfile = 186, getdents64 = 202,
    madvise = 205, mincore = 206, gettid = 207, setxattr = 209, fsetxattr = 211, getxattr = 212,
    fgetxattr = 214, listxattr = 215, flistxattr = 217, removexattr = 218, fremovexattr = 220,
    futex = 221, sched_setaffinity = 222, sched_getaffinity = 223, set_tid_address = 232,
    fadvise64 = 233, exit_group = 234, epoll_ctl = 237, timer_create = 240, timer_settime = 241,
    timer_delete = 244, clock_gettime = 246, clock_getres = 247, clock_nanosleep = 248,
    tgkill = 250, waitid = 272, ppoll = 281, unshare = 282, splice = 283, tee = 284, openat = 286,
    mkdirat = 287, mknodat = 288, fchownat = 289, unlinkat = 292, renameat = 293, linkat = 294,
    symlinkat = 295, readlinkat = 296, fchmodat = 297, faccessat = 298, getcpu = 302,
    epoll_pwait = 303, utimensat = 304, timerfd_create = 306, sync_file_range = 308,
    fallocate = 309, timerfd_settime = 311, timerfd_gettime = 312, signalfd4 = 313, eventfd2 = 314,
    epoll_create1 = 315, dup3 = 316, pipe2 = 317, perf_event_open = 319, preadv = 320,
    pwritev = 321, prlimit64 = 325, socket = 326, bind = 327, connect = 328, listen = 329,
    getsockname = 331, getpeername = 332, socketpair = 333, sendto = 335, recvfrom = 337,
    shutdown = 338, setsockopt = 339, getsockopt = 340, sendmsg = 341, recvmsg = 342,
    recvmmsg = 343, accept4 = 344, syncfs = 348, sendmmsg = 349, setns = 350, renameat2 = 357,
    seccomp = 358, getrandom = 359, memfd_create = 360, membarrier = 365, copy_file_range = 379,
    preadv2 = 380, pwritev2 = 381, statx = 383,
};
// clang-format on
} // namespace number

namespace arch {

inline constexpr bool has_time64_calls = false;
inline constexpr bool pair_is_aligned = false;
inline constexpr bool fadvise_advice_second = false;
inline constexpr bool sync_range_flags_second = true;
inline constexpr bool clone_stack_first = false;
inline constexpr u64 mmap_offset_unit = 1;
inline constexpr bool signal_action_has_restorer = true;
inline constexpr bool signal_needs_restorer = false; // the vDSO, or the frame itself, has one
inline constexpr void (*signal_restorer)() = nullptr;

// `sc` with the registers of as many arguments as there are: "+r" for those, "=r", which loads
// nothing, for the others, since the call destroys them all.
#define OXBOW_SC(second, third, fourth, fifth, sixth)                                              \
    asm volatile("sc\n\t"                                                                          \
                 "bns+ 1f\n\t"                                                                     \
                 "neg 3, 3\n"                                                                      \
                 "1:"                                                                              \
                 : "+r"(r0), "+r"(r3), second(r4), third(r5), fourth(r6), fifth(r7), sixth(r8)     \
                 :                                                                                 \
                 : "memory", "cr0", "ctr", "xer", "r9", "r10", "r11", "r12")

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
    register long r0 asm("r0") = number;
    register long r3 asm("r3") = argument[0];
    register long r4 asm("r4") = argument[1];
    register long r5 asm("r5") = argument[2];
    register long r6 asm("r6") = argument[3];
    register long r7 asm("r7") = argument[4];
    register long r8 asm("r8") = argument[5];
    if constexpr (count <= 1) {
        OXBOW_SC("=r", "=r", "=r", "=r", "=r");
    } else if constexpr (count == 2) {
        OXBOW_SC("+r", "=r", "=r", "=r", "=r");
    } else if constexpr (count == 3) {
        OXBOW_SC("+r", "+r", "=r", "=r", "=r");
    } else if constexpr (count == 4) {
        OXBOW_SC("+r", "+r", "+r", "=r", "=r");
    } else if constexpr (count == 5) {
        OXBOW_SC("+r", "+r", "+r", "+r", "=r");
    } else {
        OXBOW_SC("+r", "+r", "+r", "+r", "+r");
    }
    return r3;
}

#undef OXBOW_SC

inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, flags, stack, parent_tid, tls, child_tid);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 4, entry, argument); // the two values, then a frame of 32
    register long r0 asm("r0") = number::clone;
    register long r3 asm("r3") = flags;
    register uptr* r4 asm("r4") = stack;
    register i32* r5 asm("r5") = parent_tid;
    register void* r6 asm("r6") = tls;
    register i32* r7 asm("r7") = child_tid;
    asm volatile("sc\n\t"
                 "bns+ 2f\n\t"
                 "neg 3, 3\n\t"
                 "b 1f\n"
                 "2:\n\t"
                 "cmpdi 3, 0\n\t"
                 "bne 1f\n\t"
                 "ld 12, 0(1)\n\t"
                 "ld 3, 8(1)\n\t"
                 "li 0, 0\n\t"
                 "std 0, 0(1)\n\t" // the child: the outermost frame, which begins at the two values
                 "mtctr 12\n\t"
                 "bctrl\n\t"
                 "li 0, %[exit]\n\t"
                 "sc\n"
                 "1:"
                 : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
                 : [exit] "i"(static_cast<int>(number::exit))
                 : "memory", "cr0", "ctr", "xer", "r8", "r9", "r10", "r11", "r12");
    return r3;
}

} // namespace arch
} // namespace oxbow

// The kernel enters with the address of _start in r12, as any caller would.
#define OXBOW_ARCH_START                                                                           \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, @function\n"                                                                    \
    "_start:\n"                                                                                    \
    "\taddis 2, 12, .TOC. - _start@ha\n"                                                           \
    "\taddi 2, 2, .TOC. - _start@l\n"                                                              \
    ".localentry _start, . - _start\n"                                                             \
    "\tmr 3, 1\n"                                                                                  \
    "\tclrrdi 1, 1, 4\n"                                                                           \
    "\tli 0, 0\n"                                                                                  \
    "\tmtlr 0\n"                                                                                   \
    "\tstdu 0, -32(1)\n"                                                                           \
    "\tbl oxbow_start\n"                                                                           \
    "\tnop\n"                                                                                      \
    ".size _start, . - _start\n"
