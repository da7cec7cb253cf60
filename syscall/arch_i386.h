// i386. The number goes in eax and the arguments in ebx, ecx, edx, esi, edi and ebp; `int $0x80`
// returns in eax and keeps everything else. ebp may be the frame pointer, which no constraint can
// name: a sixth argument goes over the stack. (sysenter through the vDSO is faster, but needs the
// auxiliary vector; no call here is made often enough to matter.)
// Numbers: where a call came in several widths, the plain name is the one with 32-bit user ids and
// 64-bit file offsets (fcntl64, ftruncate64, mmap2, getuid32 ...); `lseek` still has 32-bit offsets
// and `llseek` 64-bit ones; times are 32-bit but for the *64 numbers in syscall.h.
// Source: syscall(2); arch/x86/entry/entry_32.S; arch/x86/entry/syscalls/syscall_32.tbl.
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
    geteuid = 201, getegid = 202, setgroups = 206, setresuid = 208, setresgid = 210, mincore = 218,
    madvise = 219, getdents64 = 220, fcntl = 221, gettid = 224, setxattr = 226, fsetxattr = 228,
    getxattr = 229, fgetxattr = 231, listxattr = 232, flistxattr = 234, removexattr = 235,
    fremovexattr = 237, sendfile = 239, futex = 240, sched_setaffinity = 241,
    sched_getaffinity = 242, exit_group = 252, epoll_ctl = 255, set_tid_address = 258,
    timer_create = 259, timer_settime = 260, timer_delete = 263, clock_gettime = 265,
    clock_getres = 266, clock_nanosleep = 267, tgkill = 270, fadvise64 = 272, waitid = 284,
    openat = 295, mkdirat = 296, mknodat = 297, fchownat = 298, unlinkat = 301, renameat = 302,
    linkat = 303, symlinkat = 304, readlinkat = 305, fchmodat = 306, faccessat = 307, ppoll = 309,
    unshare = 310, splice = 313, sync_file_range = 314, tee = 315, getcpu = 318, epoll_pwait = 319,
    utimensat = 320, timerfd_create = 322, fallocate = 324, timerfd_settime = 325,
    timerfd_gettime = 326, signalfd4 = 327, eventfd2 = 328, epoll_create1 = 329, dup3 = 330,
    pipe2 = 331, preadv = 333, pwritev = 334, perf_event_open = 336, recvmmsg = 337,
    prlimit64 = 340, syncfs = 344, sendmmsg = 345, setns = 346, renameat2 = 353, seccomp = 354,
    getrandom = 355, memfd_create = 356, socket = 359, socketpair = 360, bind = 361, connect = 362,
    listen = 363, accept4 = 364, getsockopt = 365, setsockopt = 366, getsockname = 367,
    getpeername = 368, sendto = 369, sendmsg = 370, recvfrom = 371, recvmsg = 372, shutdown = 373,
    membarrier = 375, copy_file_range = 377, preadv2 = 378, pwritev2 = 379, statx = 383,
};
// clang-format on
} // namespace number

namespace arch {

inline constexpr bool has_time64_calls = true;
inline constexpr bool pair_is_aligned = false;
inline constexpr bool fadvise_advice_second = false;
inline constexpr bool sync_range_flags_second = false;
inline constexpr bool clone_stack_first = false;
inline constexpr u64 mmap_offset_unit = 4096;
inline constexpr bool signal_action_has_restorer = true;
inline constexpr bool signal_needs_restorer = true; // the kernel may run without a vDSO

// `int $0x80` with the registers of as many arguments as there are, and no more.
#define OXBOW_INT80(...)                                                                           \
    asm volatile("int $0x80" : "=a"(result) : "a"(number)__VA_OPT__(, ) __VA_ARGS__ : "memory")

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
    long result;
    if constexpr (count == 0) {
        OXBOW_INT80();
    } else if constexpr (count == 1) {
        OXBOW_INT80("b"(argument[0]));
    } else if constexpr (count == 2) {
        OXBOW_INT80("b"(argument[0]), "c"(argument[1]));
    } else if constexpr (count == 3) {
        OXBOW_INT80("b"(argument[0]), "c"(argument[1]), "d"(argument[2]));
    } else if constexpr (count == 4) {
        OXBOW_INT80("b"(argument[0]), "c"(argument[1]), "d"(argument[2]), "S"(argument[3]));
    } else if constexpr (count == 5) {
        OXBOW_INT80("b"(argument[0]), "c"(argument[1]), "d"(argument[2]), "S"(argument[3]),
                    "D"(argument[4]));
    } else {
        // In memory, for no register is left; the first push reads it, before esp moves.
        const long sixth = argument[5];
        asm volatile("pushl %[sixth]\n\t"
                     "pushl %%ebp\n\t"
                     "movl 4(%%esp), %%ebp\n\t"
                     "int $0x80\n\t"
                     "popl %%ebp\n\t"
                     "addl $4, %%esp"
                     : "=a"(result)
                     : "a"(number), "b"(argument[0]), "c"(argument[1]), "d"(argument[2]),
                       "S"(argument[3]), "D"(argument[4]), [sixth] "m"(sixth)
                     : "memory");
    }
    return result;
}

#undef OXBOW_INT80

inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, flags, stack, parent_tid, tls, child_tid);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 5, entry, argument);
    long result;
    asm volatile("int $0x80\n\t"
                 "testl %%eax, %%eax\n\t"
                 "jnz 1f\n\t"
                 "xorl %%ebp, %%ebp\n\t" // the child: the outermost frame
                 "popl %%eax\n\t"
                 "call *%%eax\n\t" // its argument lies on the stack, which is aligned here
                 "movl %%eax, %%ebx\n\t"
                 "movl %[exit], %%eax\n\t"
                 "int $0x80\n"
                 "1:"
                 : "=a"(result)
                 : "a"(static_cast<long>(number::clone)), "b"(flags), "c"(stack), "d"(parent_tid),
                   "S"(tls), "D"(child_tid), [exit] "i"(static_cast<int>(number::exit))
                 : "memory");
    return result;
}

/// Where a signal handler returns to: the restorer of rt_sigaction, with SA_RESTORER. It undoes the
/// frame of a handler installed with SA_SIGINFO; one without has another frame, so always set it.
[[gnu::naked]] inline void signal_return() noexcept {
    asm volatile("movl $173, %eax\n\tint $0x80");
}

inline constexpr void (*signal_restorer)() = &signal_return;

} // namespace arch
} // namespace oxbow

#define OXBOW_ARCH_START                                                                           \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, @function\n"                                                                    \
    "_start:\n"                                                                                    \
    "\txorl %ebp, %ebp\n"                                                                          \
    "\tmovl %esp, %eax\n"                                                                          \
    "\tandl $-16, %esp\n"                                                                          \
    "\tsubl $12, %esp\n"                                                                           \
    "\tpushl %eax\n"                                                                               \
    "\tcall oxbow_start\n"                                                                         \
    "\thlt\n"                                                                                      \
    ".size _start, . - _start\n"
