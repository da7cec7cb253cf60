// s390x: 64 bits, and the one big-endian machine here. The number goes in r1 and the arguments in
// r2 to r7; `svc 0` returns in r2 and keeps every other register. (`svc n` carries a number below
// 256 in itself; `svc 0` takes every number from r1, so there is one instruction for all.) Two
// calls differ from other machines': mmap takes one pointer to its six arguments in memory, which
// `raw` sees to, so that nothing else need know; and clone takes the stack before the flags. A
// function may write to the 160 bytes above the stack pointer that it is called with, where it
// keeps its caller's registers; the first word is the link to the frame above, 0 in the outermost.
// Source: syscall(2), clone(2); arch/s390/kernel/{syscall.c,entry.S}, syscalls/syscall.tbl.
#pragma once

#include "arch_common.h"

namespace oxbow {

namespace number {
// clang-format off
enum : long {
    exit = 1, read = 3, write = 4, close = 6, execve = 11, chdir = 12, lseek = 19, getpid = 20,
    mount = 21, pause = 29, sync = 36, kill = 37, dup = 41, umount2 = 52, ioctl = 54, fcntl = 55,
    setpgid = 57, umask = 60, chroot = 61, getppid = 64, setsid = 66, sethostname = 74,
    getrusage = 77, reboot = 88, mmap = 90, munmap = 91, ftruncate = 93, fchmod = 94,
    getpriority = 96, setpriority = 97, setitimer = 104, getitimer = 105, fstat = 108,
    sysinfo = 116, fsync = 118, clone = 120, uname = 122, mprotect = 125, fchdir = 133, flock = 143,
    msync = 144, readv = 145, writev = 146, fdatasync = 148, mlock = 150, munlock = 151,
    sched_setscheduler = 156, sched_getscheduler = 157, sched_yield = 158, mremap = 163,
    prctl = 172, rt_sigreturn = 173, rt_sigaction = 174, rt_sigprocmask = 175, rt_sigpending = 176,
    rt_sigtimedwait = 177, rt_sigqueueinfo = 178, rt_sigsuspend = 179, pread64 = 180,
    pwrite64 = 181, getcwd = 183, sigaltstack = 186, sendfile = 187, getrlimit = 191, getuid = 199,
    getgid = 200, geteuid = 201, getegid = 202, setgroups = 206, setresuid = 208, setresgid = 210,
    mincore = 218, madvise = 219, getdents64 = 220, setxattr = 224, fsetxattr = 226, getxattr = 227,
    fgetxattr = 229, listxattr = 230, flistxattr = 232, removexattr = 233, fremovexattr = 235,
    gettid = 236, futex = 238, sched_setaffinity = 239, sched_getaffinity = 240, tgkill = 241,
    exit_group = 248, epoll_ctl = 250, set_tid_address = 252, fadvise64 = 253, timer_create = 254,
    timer_settime = 255, timer_delete = 258, clock_gettime = 260, clock_getres = 261,
    clock_nanosleep = 262, waitid = 281, openat = 288, mkdirat = 289, mknodat = 290, fchownat = 291,
    unlinkat = 294, renameat = 295, linkat = 296, symlinkat = 297, readlinkat = 298, fchmodat = 299,
    faccessat = 300, ppoll = 302, unshare = 303, splice = 306, sync_file_range = 307, tee = 308,
    getcpu = 311, epoll_pwait = 312, fallocate = 314, utimensat = 315, timerfd_create = 319,
    timerfd_settime = 320, timerfd_gettime = 321, signalfd4 = 322, eventfd2 = 323, pipe2 = 325,
    dup3 = 326, epoll_create1 = 327, preadv = 328, pwritev = 329, perf_event_open = 331,
    prlimit64 = 334, syncfs = 338, setns = 339, renameat2 = 347, seccomp = 348, getrandom = 349,
    memfd_create = 350, membarrier = 356, recvmmsg = 357, sendmmsg = 358, socket = 359,
    socketpair = 360, bind = 361, connect = 362, listen = 363, accept4 = 364, getsockopt = 365,
    setsockopt = 366, getsockname = 367, getpeername = 368, sendto = 369, sendmsg = 370,
    recvfrom = 371, recvmsg = 372, shutdown = 373, copy_file_range = 375, preadv2 = 376,
    pwritev2 = 377, statx = 379,
};
// clang-format on
} // namespace number

namespace arch {

inline constexpr bool has_time64_calls = false;
inline constexpr bool pair_is_aligned = false;
inline constexpr bool fadvise_advice_second = false;
inline constexpr bool sync_range_flags_second = false;
inline constexpr bool clone_stack_first = true;
inline constexpr u64 mmap_offset_unit = 1;
inline constexpr bool signal_action_has_restorer = true;
inline constexpr bool signal_needs_restorer = false; // the vDSO, or the frame itself, has one
inline constexpr void (*signal_restorer)() = nullptr;

// `svc 0` with the registers of as many arguments as there are, and no more.
#define OXBOW_SVC(...)                                                                             \
    asm volatile("svc 0" : "+r"(r2) : "r"(r1)__VA_OPT__(, ) __VA_ARGS__ : "memory", "cc")

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
    if constexpr (count == 6) {
        if (number == number::mmap) {
            return raw(number, static_cast<long>(reinterpret_cast<uptr>(&argument[0])));
        }
    }
    register long r1 asm("r1") = number;
    register long r2 asm("r2") = argument[0];
    register long r3 asm("r3") = argument[1];
    register long r4 asm("r4") = argument[2];
    register long r5 asm("r5") = argument[3];
    register long r6 asm("r6") = argument[4];
    register long r7 asm("r7") = argument[5];
    if constexpr (count <= 1) {
        OXBOW_SVC();
    } else if constexpr (count == 2) {
        OXBOW_SVC("r"(r3));
    } else if constexpr (count == 3) {
        OXBOW_SVC("r"(r3), "r"(r4));
    } else if constexpr (count == 4) {
        OXBOW_SVC("r"(r3), "r"(r4), "r"(r5));
    } else if constexpr (count == 5) {
        OXBOW_SVC("r"(r3), "r"(r4), "r"(r5), "r"(r6));
    } else {
        OXBOW_SVC("r"(r3), "r"(r4), "r"(r5), "r"(r6), "r"(r7));
    }
    return r2;
}

#undef OXBOW_SVC

/// This machine has the stack before the flags, and the last two arguments the other way round.
inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, stack, flags, parent_tid, child_tid, tls);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 2, entry, argument);
    register long r1 asm("r1") = number::clone;
    register long r2 asm("r2") = static_cast<long>(reinterpret_cast<uptr>(stack));
    register long r3 asm("r3") = flags;
    register i32* r4 asm("r4") = parent_tid;
    register i32* r5 asm("r5") = child_tid;
    register void* r6 asm("r6") = tls;
    asm volatile("svc 0\n\t"
                 "ltgr %%r2, %%r2\n\t"
                 "jne 1f\n\t"
                 "lg %%r1, 0(%%r15)\n\t"
                 "lg %%r2, 8(%%r15)\n\t"
                 "aghi %%r15, -160\n\t"
                 "xc 0(8, %%r15), 0(%%r15)\n\t" // the child: the outermost frame
                 "basr %%r14, %%r1\n\t"
                 "lghi %%r1, %[exit]\n\t"
                 "svc 0\n"
                 "1:"
                 : "+r"(r2)
                 : "r"(r1), "r"(r3), "r"(r4), "r"(r5),
                   "r"(r6), [exit] "i"(static_cast<int>(number::exit))
                 : "memory", "cc");
    return r2;
}

} // namespace arch
} // namespace oxbow

#define OXBOW_ARCH_START                                                                           \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, @function\n"                                                                    \
    "_start:\n"                                                                                    \
    "\tlgr %r2, %r15\n"                                                                            \
    "\tnill %r15, 0xfff8\n"                                                                        \
    "\taghi %r15, -160\n"                                                                          \
    "\txc 0(8, %r15), 0(%r15)\n"                                                                   \
    "\tbrasl %r14, oxbow_start\n"                                                                  \
    ".size _start, . - _start\n"
