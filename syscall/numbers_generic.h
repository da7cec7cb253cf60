// The numbers of the machines that came late enough to share one table: aarch64 and riscv64 (and
// loongarch64). arch_<cpu>.h has the rest. Source: include/uapi/asm-generic/unistd.h.
#pragma once

namespace oxbow {

namespace number {
// clang-format off
enum : long {
    setxattr = 5, fsetxattr = 7, getxattr = 8, fgetxattr = 10, listxattr = 11, flistxattr = 13,
    removexattr = 14, fremovexattr = 16, getcwd = 17, eventfd2 = 19, epoll_create1 = 20,
    epoll_ctl = 21, epoll_pwait = 22, dup = 23, dup3 = 24, fcntl = 25, ioctl = 29, flock = 32,
    mknodat = 33, mkdirat = 34, unlinkat = 35, symlinkat = 36, linkat = 37, umount2 = 39,
    mount = 40, ftruncate = 46, fallocate = 47, faccessat = 48, chdir = 49, fchdir = 50,
    chroot = 51, fchmod = 52, fchmodat = 53, fchownat = 54, openat = 56, close = 57, pipe2 = 59,
    getdents64 = 61, lseek = 62, read = 63, write = 64, readv = 65, writev = 66, pread64 = 67,
    pwrite64 = 68, preadv = 69, pwritev = 70, sendfile = 71, ppoll = 73, signalfd4 = 74,
    splice = 76, tee = 77, readlinkat = 78, fstat = 80, sync = 81, fsync = 82, fdatasync = 83,
    sync_file_range = 84, timerfd_create = 85, timerfd_settime = 86, timerfd_gettime = 87,
    utimensat = 88, exit = 93, exit_group = 94, waitid = 95, set_tid_address = 96, unshare = 97,
    futex = 98, getitimer = 102, setitimer = 103, timer_create = 107, timer_settime = 110,
    timer_delete = 111, clock_gettime = 113, clock_getres = 114, clock_nanosleep = 115,
    sched_setscheduler = 119, sched_getscheduler = 120, sched_setaffinity = 122,
    sched_getaffinity = 123, sched_yield = 124, kill = 129, tgkill = 131, sigaltstack = 132,
    rt_sigsuspend = 133, rt_sigaction = 134, rt_sigprocmask = 135, rt_sigpending = 136,
    rt_sigtimedwait = 137, rt_sigqueueinfo = 138, rt_sigreturn = 139, setpriority = 140,
    getpriority = 141, reboot = 142, setresuid = 147, setresgid = 149, setpgid = 154, setsid = 157,
    setgroups = 159, uname = 160, sethostname = 161, getrlimit = 163, getrusage = 165, umask = 166,
    prctl = 167, getcpu = 168, getpid = 172, getppid = 173, getuid = 174, geteuid = 175,
    getgid = 176, getegid = 177, gettid = 178, sysinfo = 179, socket = 198, socketpair = 199,
    bind = 200, listen = 201, connect = 203, getsockname = 204, getpeername = 205, sendto = 206,
    recvfrom = 207, setsockopt = 208, getsockopt = 209, shutdown = 210, sendmsg = 211,
    recvmsg = 212, munmap = 215, mremap = 216, clone = 220, execve = 221, mmap = 222,
    fadvise64 = 223, mprotect = 226, msync = 227, mlock = 228, munlock = 229, mincore = 232,
    madvise = 233, perf_event_open = 241, accept4 = 242, recvmmsg = 243, prlimit64 = 261,
    syncfs = 267, setns = 268, sendmmsg = 269, renameat2 = 276, seccomp = 277, getrandom = 278,
    memfd_create = 279, membarrier = 283, copy_file_range = 285, preadv2 = 286, pwritev2 = 287,
    statx = 291,
};
// clang-format on
} // namespace number

} // namespace oxbow
