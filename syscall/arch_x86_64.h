// x86-64. The number goes in rax and the arguments in rdi, rsi, rdx, r10, r8 and r9; `syscall`
// returns in rax and destroys rcx (it holds the return address) and r11 (the flags). r10 stands
// where the C convention has rcx, for that reason. Everything else is kept. Code below the stack
// pointer (the red zone) is safe: a system call does not touch the user's stack.
// Source: syscall(2); arch/x86/entry/entry_64.S.
#pragma once

#include "arch_common.h"

namespace oxbow {

namespace number {
// clang-format off
enum : long {
    read = 0, write = 1, close = 3, fstat = 5, lseek = 8, mmap = 9, mprotect = 10, munmap = 11,
    rt_sigaction = 13, rt_sigprocmask = 14, rt_sigreturn = 15, ioctl = 16, pread64 = 17,
    pwrite64 = 18, readv = 19, writev = 20, sched_yield = 24, mremap = 25, msync = 26, mincore = 27,
    madvise = 28, dup = 32, pause = 34, getitimer = 36, setitimer = 38, getpid = 39, sendfile = 40,
    socket = 41, connect = 42, sendto = 44, recvfrom = 45, sendmsg = 46, recvmsg = 47,
    shutdown = 48, bind = 49, listen = 50, getsockname = 51, getpeername = 52, socketpair = 53,
    setsockopt = 54, getsockopt = 55, clone = 56, execve = 59, exit = 60, kill = 62, uname = 63,
    fcntl = 72, flock = 73, fsync = 74, fdatasync = 75, ftruncate = 77, getcwd = 79, chdir = 80,
    fchdir = 81, fchmod = 91, umask = 95, getrlimit = 97, getrusage = 98, sysinfo = 99,
    getuid = 102, getgid = 104, geteuid = 107, getegid = 108, setpgid = 109, getppid = 110,
    setsid = 112, setgroups = 116, setresuid = 117, setresgid = 119, rt_sigpending = 127,
    rt_sigtimedwait = 128, rt_sigqueueinfo = 129, rt_sigsuspend = 130, sigaltstack = 131,
    getpriority = 140, setpriority = 141, sched_setscheduler = 144, sched_getscheduler = 145,
    mlock = 149, munlock = 150, prctl = 157, chroot = 161, sync = 162, mount = 165, umount2 = 166,
    reboot = 169, sethostname = 170, gettid = 186, setxattr = 188, fsetxattr = 190, getxattr = 191,
    fgetxattr = 193, listxattr = 194, flistxattr = 196, removexattr = 197, fremovexattr = 199,
    futex = 202, sched_setaffinity = 203, sched_getaffinity = 204, getdents64 = 217,
    set_tid_address = 218, fadvise64 = 221, timer_create = 222, timer_settime = 223,
    timer_delete = 226, clock_gettime = 228, clock_getres = 229, clock_nanosleep = 230,
    exit_group = 231, epoll_ctl = 233, tgkill = 234, waitid = 247, openat = 257, mkdirat = 258,
    mknodat = 259, fchownat = 260, unlinkat = 263, renameat = 264, linkat = 265, symlinkat = 266,
    readlinkat = 267, fchmodat = 268, faccessat = 269, ppoll = 271, unshare = 272, splice = 275,
    tee = 276, sync_file_range = 277, utimensat = 280, epoll_pwait = 281, timerfd_create = 283,
    fallocate = 285, timerfd_settime = 286, timerfd_gettime = 287, accept4 = 288, signalfd4 = 289,
    eventfd2 = 290, epoll_create1 = 291, dup3 = 292, pipe2 = 293, preadv = 295, pwritev = 296,
    perf_event_open = 298, recvmmsg = 299, prlimit64 = 302, syncfs = 306, sendmmsg = 307,
    setns = 308, getcpu = 309, renameat2 = 316, seccomp = 317, getrandom = 318, memfd_create = 319,
    membarrier = 324, copy_file_range = 326, preadv2 = 327, pwritev2 = 328, statx = 332,
};
// clang-format on
} // namespace number

namespace arch {

inline constexpr bool has_time64_calls = false;
inline constexpr bool pair_is_aligned = false;
inline constexpr bool fadvise_advice_second = false;
inline constexpr bool sync_range_flags_second = false;
inline constexpr bool clone_stack_first = false;
inline constexpr u64 mmap_offset_unit = 1;
inline constexpr bool signal_action_has_restorer = true;
inline constexpr bool signal_needs_restorer = true;

// `syscall` with the registers of as many arguments as there are, and no more.
#define OXBOW_SYSCALL(...)                                                                         \
    asm volatile("syscall"                                                                         \
                 : "=a"(result)                                                                    \
                 : "a"(number)__VA_OPT__(, ) __VA_ARGS__                                           \
                 : "rcx", "r11", "memory")

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
    long result;
    register long r10 asm("r10") = argument[3];
    register long r8 asm("r8") = argument[4];
    register long r9 asm("r9") = argument[5];
    if constexpr (count == 0) {
        OXBOW_SYSCALL();
    } else if constexpr (count == 1) {
        OXBOW_SYSCALL("D"(argument[0]));
    } else if constexpr (count == 2) {
        OXBOW_SYSCALL("D"(argument[0]), "S"(argument[1]));
    } else if constexpr (count == 3) {
        OXBOW_SYSCALL("D"(argument[0]), "S"(argument[1]), "d"(argument[2]));
    } else if constexpr (count == 4) {
        OXBOW_SYSCALL("D"(argument[0]), "S"(argument[1]), "d"(argument[2]), "r"(r10));
    } else if constexpr (count == 5) {
        OXBOW_SYSCALL("D"(argument[0]), "S"(argument[1]), "d"(argument[2]), "r"(r10), "r"(r8));
    } else {
        OXBOW_SYSCALL("D"(argument[0]), "S"(argument[1]), "d"(argument[2]), "r"(r10), "r"(r8),
                      "r"(r9));
    }
    return result;
}

#undef OXBOW_SYSCALL

/// This machine has the last two arguments the other way round.
inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, flags, stack, parent_tid, child_tid, tls);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 2, entry, argument);
    long result;
    register i32* r10 asm("r10") = child_tid;
    register void* r8 asm("r8") = tls;
    asm volatile("syscall\n\t"
                 "test %%rax, %%rax\n\t"
                 "jnz 1f\n\t"
                 "xor %%ebp, %%ebp\n\t" // the child: the outermost frame
                 "pop %%rax\n\t"
                 "pop %%rdi\n\t"
                 "call *%%rax\n\t"
                 "mov %%eax, %%edi\n\t"
                 "mov %[exit], %%eax\n\t"
                 "syscall\n"
                 "1:"
                 : "=a"(result)
                 : "a"(static_cast<long>(number::clone)), "D"(flags), "S"(stack), "d"(parent_tid),
                   "r"(r10), "r"(r8), [exit] "i"(static_cast<int>(number::exit))
                 : "rcx", "r11", "memory");
    return result;
}

/// Where a signal handler returns to: the restorer of rt_sigaction, with SA_RESTORER. Debuggers
/// know a signal frame by exactly these two instructions.
[[gnu::naked]] inline void signal_return() noexcept {
    asm volatile("mov $15, %rax\n\tsyscall");
}

inline constexpr void (*signal_restorer)() = &signal_return;

} // namespace arch
} // namespace oxbow

#define OXBOW_ARCH_START                                                                           \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, @function\n"                                                                    \
    "_start:\n"                                                                                    \
    "\txor %ebp, %ebp\n"                                                                           \
    "\tmov %rsp, %rdi\n"                                                                           \
    "\tand $-16, %rsp\n"                                                                           \
    "\tcall oxbow_start\n"                                                                         \
    "\thlt\n"                                                                                      \
    ".size _start, . - _start\n"
