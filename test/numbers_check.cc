// Compares every system call number with the kernel's own header, on the machine that this is
// compiled for. Compiling it is the whole test: `make cross` does so for each machine.
#include "../syscall/syscall.h"

#include <asm/unistd.h>

namespace {

namespace number = oxbow::number;

#define SAME(name) static_assert(number::name == __NR_##name)
#define SAME_AS(name, theirs) static_assert(number::name == __NR_##theirs)

// Calls with one name everywhere.
SAME(accept4);
SAME(bind);
SAME(chdir);
SAME(chroot);
SAME(clock_getres);
SAME(clock_gettime);
SAME(clock_nanosleep);
SAME(clone);
SAME(close);
SAME(connect);
SAME(copy_file_range);
SAME(dup);
SAME(dup3);
SAME(epoll_create1);
SAME(epoll_ctl);
SAME(epoll_pwait);
SAME(eventfd2);
SAME(execve);
SAME(exit);
SAME(exit_group);
SAME(faccessat);
SAME(fallocate);
SAME(fchdir);
SAME(fchmod);
SAME(fchmodat);
SAME(fchownat);
SAME(fdatasync);
SAME(fgetxattr);
SAME(flistxattr);
SAME(flock);
SAME(fremovexattr);
SAME(fsetxattr);
SAME(fsync);
SAME(futex);
SAME(getcpu);
SAME(getcwd);
SAME(getdents64);
SAME(getitimer);
SAME(getpeername);
SAME(getpid);
SAME(getppid);
SAME(getpriority);
SAME(getrandom);
SAME(getrusage);
SAME(getsockname);
SAME(getsockopt);
SAME(gettid);
SAME(getxattr);
SAME(ioctl);
SAME(kill);
SAME(linkat);
SAME(listen);
SAME(listxattr);
SAME(madvise);
SAME(membarrier);
SAME(memfd_create);
SAME(mincore);
SAME(mkdirat);
SAME(mknodat);
SAME(mlock);
SAME(mount);
SAME(mprotect);
SAME(mremap);
SAME(msync);
SAME(munlock);
SAME(munmap);
SAME(openat);
SAME(perf_event_open);
SAME(pipe2);
SAME(ppoll);
SAME(prctl);
SAME(pread64);
SAME(preadv);
SAME(preadv2);
SAME(prlimit64);
SAME(pwrite64);
SAME(pwritev);
SAME(pwritev2);
SAME(read);
SAME(readlinkat);
SAME(readv);
SAME(reboot);
SAME(recvfrom);
SAME(recvmmsg);
SAME(recvmsg);
SAME(removexattr);
SAME(renameat2);
SAME(rt_sigaction);
SAME(rt_sigpending);
SAME(rt_sigprocmask);
SAME(rt_sigqueueinfo);
SAME(rt_sigreturn);
SAME(rt_sigsuspend);
SAME(rt_sigtimedwait);
SAME(sched_getaffinity);
SAME(sched_getscheduler);
SAME(sched_setaffinity);
SAME(sched_setscheduler);
SAME(sched_yield);
SAME(seccomp);
SAME(sendmmsg);
SAME(sendmsg);
SAME(sendto);
SAME(set_tid_address);
SAME(sethostname);
SAME(setitimer);
SAME(setns);
SAME(setpgid);
SAME(setpriority);
SAME(setsid);
SAME(setsockopt);
SAME(setxattr);
SAME(shutdown);
SAME(sigaltstack);
SAME(signalfd4);
SAME(socket);
SAME(socketpair);
SAME(splice);
SAME(statx);
SAME(symlinkat);
SAME(sync);
SAME(syncfs);
SAME(sysinfo);
SAME(tee);
SAME(tgkill);
SAME(timer_create);
SAME(timer_delete);
SAME(timer_settime);
SAME(timerfd_create);
SAME(timerfd_gettime);
SAME(timerfd_settime);
SAME(umask);
SAME(umount2);
SAME(uname);
SAME(unlinkat);
SAME(unshare);
SAME(utimensat);
SAME(waitid);
SAME(write);
SAME(writev);

// Calls of one number everywhere, since 5.1. A header older than the call lacks it.
SAME(pidfd_send_signal);
SAME(io_uring_setup);
SAME(io_uring_enter);
SAME(io_uring_register);
SAME(pidfd_open);
SAME(clone3);
SAME(close_range);
SAME(openat2);
SAME(pidfd_getfd);
#if defined(__NR_epoll_pwait2)
SAME(epoll_pwait2);
#endif
#if defined(__NR_futex_waitv)
SAME(futex_waitv);
#endif

// Calls that 32-bit machines have in several widths.
#if defined(__i386__) || defined(__arm__)
SAME(lseek);
SAME_AS(llseek, _llseek);
SAME_AS(fcntl, fcntl64);
SAME_AS(fstat, fstat64);
SAME_AS(ftruncate, ftruncate64);
SAME_AS(getrlimit, ugetrlimit);
SAME_AS(mmap, mmap2);
SAME_AS(sendfile, sendfile64);
SAME_AS(getuid, getuid32);
SAME_AS(geteuid, geteuid32);
SAME_AS(getgid, getgid32);
SAME_AS(getegid, getegid32);
SAME_AS(setresuid, setresuid32);
SAME_AS(setresgid, setresgid32);
SAME_AS(setgroups, setgroups32);
SAME(clock_gettime64);
SAME(clock_getres_time64);
SAME(timerfd_gettime64);
SAME(clock_nanosleep_time64);
SAME(timerfd_settime64);
SAME(utimensat_time64);
SAME(ppoll_time64);
SAME(rt_sigtimedwait_time64);
SAME(futex_time64);
#else
SAME(lseek);
SAME(fcntl);
SAME(ftruncate);
SAME(getuid);
SAME(mmap);
SAME(sendfile);
SAME(getrlimit);
SAME(fstat);
SAME(getgid);
SAME(geteuid);
SAME(getegid);
SAME(setresuid);
SAME(setresgid);
SAME(setgroups);
#endif

#if defined(__arm__)
SAME_AS(fadvise64, arm_fadvise64_64);
SAME_AS(sync_file_range, arm_sync_file_range);
#elif defined(__i386__)
SAME_AS(fadvise64, fadvise64_64);
SAME(sync_file_range);
#elif defined(__powerpc64__)
SAME(fadvise64);
SAME_AS(sync_file_range, sync_file_range2);
#else
SAME(fadvise64);
SAME(sync_file_range);
#endif

// Calls that newer machines never got.
#if defined(__NR_renameat)
SAME(renameat);
#endif
#if defined(__NR_pause)
SAME(pause);
#endif

} // namespace
