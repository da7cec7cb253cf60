// Processes and threads: clone, wait, limits, scheduling, futexes, prctl, seccomp, reboot. Behind a
// constant stands its first kernel where that is newer than 5.1. Source: include/uapi/linux/{sched,
// wait,resource,futex,prctl,seccomp,filter,audit,reboot,pidfd}.h.
#pragma once

#include "abi_time.h"
#include "types.h"

namespace oxbow::abi {

/// Flags of clone and clone3; the low byte of clone's is the signal that tells of the child's end.
namespace clone_flag {
inline constexpr u64 newtime = 0x80; ///< 5.6, clone3 and unshare only
inline constexpr u64 vm = 0x100;
inline constexpr u64 fs = 0x200;
inline constexpr u64 files = 0x400;
inline constexpr u64 sighand = 0x800;
inline constexpr u64 pidfd = 0x1000; ///< 5.2
inline constexpr u64 vfork = 0x4000;
inline constexpr u64 parent = 0x8000;
inline constexpr u64 thread = 0x10000;
inline constexpr u64 newns = 0x20000;
inline constexpr u64 sysvsem = 0x40000;
inline constexpr u64 settls = 0x80000;
inline constexpr u64 parent_settid = 0x100000;
inline constexpr u64 child_cleartid = 0x200000;
inline constexpr u64 child_settid = 0x1000000;
inline constexpr u64 newcgroup = 0x2000000;
inline constexpr u64 newuts = 0x4000000;
inline constexpr u64 newipc = 0x8000000;
inline constexpr u64 newuser = 0x10000000;
inline constexpr u64 newpid = 0x20000000;
inline constexpr u64 newnet = 0x40000000;
inline constexpr u64 io = 0x80000000;
inline constexpr u64 clear_sighand = 0x100000000; ///< 5.5, clone3 only
inline constexpr u64 into_cgroup = 0x200000000;   ///< 5.7, clone3 only
} // namespace clone_flag

/// Argument of clone3: struct clone_args. 5.3.
struct alignas(8) CloneArguments {
    u64 flags;      ///< clone_flag
    u64 pidfd;      ///< i32*: answer, with clone_flag::pidfd
    u64 child_tid;  ///< i32*
    u64 parent_tid; ///< i32*
    u64 exit_signal;
    u64 stack; ///< lowest address; the kernel adds stack_bytes where stacks grow down
    u64 stack_bytes;
    u64 tls;
    u64 set_tid; ///< 5.5: i32*
    u64 set_tid_count;
    u64 cgroup; ///< 5.7: descriptor
};

/// What waitid waits for.
namespace wait_for {
inline constexpr i32 all = 0;
inline constexpr i32 pid = 1;
inline constexpr i32 process_group = 2;
inline constexpr i32 pidfd = 3; ///< 5.4
} // namespace wait_for

/// Options of waitid; at least one of the first three.
namespace wait_option {
inline constexpr i32 stopped = 2;
inline constexpr i32 exited = 4;
inline constexpr i32 continued = 8;
inline constexpr i32 nohang = 1;
inline constexpr i32 nowait = 0x01000000;       ///< leave the child waitable
inline constexpr i32 all_children = 0x40000000; ///< clone children too, whatever their signal
} // namespace wait_option

namespace pidfd_flag {
inline constexpr u32 thread = 0x80;    ///< 6.9
inline constexpr u32 nonblock = 04000; ///< 5.10
} // namespace pidfd_flag

/// Resources of prlimit.
namespace resource {
inline constexpr u32 cpu_seconds = 0;
inline constexpr u32 file_bytes = 1;
inline constexpr u32 data_bytes = 2;
inline constexpr u32 stack_bytes = 3;
inline constexpr u32 core_bytes = 4;
inline constexpr u32 processes = 6;
inline constexpr u32 open_files = 7;
inline constexpr u32 locked_bytes = 8; ///< RLIMIT_MEMLOCK
inline constexpr u32 address_bytes = 9;
inline constexpr u32 count = 16;
} // namespace resource

inline constexpr u64 unlimited = ~u64{0};

/// struct rlimit64.
struct Rlimit {
    u64 current;
    u64 maximum;
};

/// struct timeval as it was: machine words. setitimer and getrusage still have it.
struct Timeval {
    long seconds;
    long microseconds;
};

/// Argument of setitimer: struct itimerval.
struct IntervalTimer {
    Timeval interval;
    Timeval value;
};

/// Which timer of setitimer.
namespace interval_timer {
inline constexpr i32 real = 0;     ///< SIGALRM
inline constexpr i32 virtual_ = 1; ///< SIGVTALRM
inline constexpr i32 prof = 2;     ///< SIGPROF
} // namespace interval_timer

/// Whose usage getrusage tells.
namespace usage_of {
inline constexpr i32 self = 0;
inline constexpr i32 children = -1;
inline constexpr i32 thread = 1;
} // namespace usage_of

/// struct rusage.
struct Rusage {
    Timeval user_time;
    Timeval system_time;
    long max_resident_kib;
    long unused[3];
    long minor_faults;
    long major_faults;
    long swaps;
    long blocks_in;
    long blocks_out;
    long messages_sent;
    long messages_received;
    long signals;
    long voluntary_switches;
    long involuntary_switches;
};

/// struct new_utsname.
struct UtsName {
    char system[65];
    char node[65];
    char release[65];
    char version[65];
    char machine[65];
    char domain[65];
};

/// struct sysinfo.
struct SystemInfo {
    long uptime_seconds;
    uptr loads[3];
    uptr total_ram; ///< in units of unit_bytes, like all that follow
    uptr free_ram;
    uptr shared_ram;
    uptr buffer_ram;
    uptr total_swap;
    uptr free_swap;
    u16 processes;
    u16 pad;
    uptr total_high;
    uptr free_high;
    u32 unit_bytes;
#if __SIZEOF_POINTER__ == 4
    u8 filler[8];
#endif
};

/// Which CPUs a thread may run on. The kernel takes any multiple of a machine word.
struct CpuSet {
    uptr words[1024 / (8 * sizeof(uptr))];

    constexpr void add(u32 cpu) noexcept {
        if (cpu < 1024) {
            words[cpu / (8 * sizeof(uptr))] |= uptr{1} << (cpu % (8 * sizeof(uptr)));
        }
    }
    [[nodiscard]] constexpr bool has(u32 cpu) const noexcept {
        return cpu < 1024 &&
               (words[cpu / (8 * sizeof(uptr))] >> (cpu % (8 * sizeof(uptr))) & 1) != 0;
    }
};

/// sched_setscheduler.
namespace sched_policy {
inline constexpr i32 other = 0;
inline constexpr i32 fifo = 1;
inline constexpr i32 round_robin = 2;
inline constexpr i32 batch = 3;
inline constexpr i32 idle = 5;
inline constexpr i32 deadline = 6;
inline constexpr i32 reset_on_fork = 0x40000000;
} // namespace sched_policy

/// struct sched_param.
struct SchedParameters {
    i32 priority;
};

/// Operations of futex.
namespace futex_op {
inline constexpr u32 wait = 0;
inline constexpr u32 wake = 1;
inline constexpr u32 wait_bitset = 9; ///< its time is absolute, unlike wait's
inline constexpr u32 wake_bitset = 10;
inline constexpr u32 private_flag = 128;
inline constexpr u32 clock_realtime = 256;
} // namespace futex_op

inline constexpr u32 futex_bitset_any = 0xffffffff;

/// Flags of FutexWaiter, and of the ring's futex operations. Of the sizes, kernels up to 6.18 take
/// only size_u32: kernel/futex/futex.h, futex_flags_valid.
namespace futex2_flag {
inline constexpr u32 size_u8 = 0;
inline constexpr u32 size_u16 = 1;
inline constexpr u32 size_u32 = 2; ///< 5.16
inline constexpr u32 size_u64 = 3;
inline constexpr u32 numa = 4;           ///< 6.16
inline constexpr u32 mpol = 8;           ///< 6.16
inline constexpr u32 private_flag = 128; ///< 5.16
} // namespace futex2_flag

inline constexpr u32 futex_waitv_max = 128;

/// One futex of futex_waitv: struct futex_waitv. 5.16.
struct FutexWaiter {
    u64 value;
    u64 address; ///< u32*
    u32 flags;   ///< futex2_flag
    u32 reserved;
};

namespace prctl_option {
inline constexpr i32 set_parent_death_signal = 1;
inline constexpr i32 get_parent_death_signal = 2;
inline constexpr i32 get_dumpable = 3;
inline constexpr i32 set_dumpable = 4;
inline constexpr i32 set_name = 15; ///< 16 bytes with the final zero
inline constexpr i32 get_name = 16;
inline constexpr i32 get_seccomp = 21;
inline constexpr i32 set_timer_slack = 29;
inline constexpr i32 get_timer_slack = 30;
inline constexpr i32 set_child_subreaper = 36;
inline constexpr i32 get_child_subreaper = 37;
inline constexpr i32 set_no_new_privs = 38;
inline constexpr i32 get_no_new_privs = 39;
inline constexpr i32 set_thp_disable = 41; ///< no huge pages for this process and its children
inline constexpr i32 set_io_flusher = 57;  ///< 5.6
inline constexpr i32 futex_hash = 78;      ///< 6.16; the second argument is futex_hash
inline constexpr i32 set_vma = 0x53564d41; ///< 5.17: name an anonymous mapping
/// Copies the auxiliary vector to the second argument, of the length in the third. 6.4.
inline constexpr i32 get_auxiliary_vector = 0x41555856;
} // namespace prctl_option

/// Second argument of prctl_option::futex_hash.
namespace futex_hash {
inline constexpr long set_slots = 1; ///< 6.16; how many, and 0
inline constexpr long get_slots = 2; ///< 6.16; 0: the process has no table of its own
} // namespace futex_hash

/// Operations of seccomp.
namespace seccomp_op {
inline constexpr u32 set_mode_strict = 0;
inline constexpr u32 set_mode_filter = 1;
inline constexpr u32 get_action_available = 2;
} // namespace seccomp_op

namespace seccomp_flag {
inline constexpr u32 tsync = 1;
inline constexpr u32 log = 2;
} // namespace seccomp_flag

/// What a seccomp filter returns; refuse_with takes an errno in its low half.
namespace seccomp_action {
inline constexpr u32 kill_process = 0x80000000;
inline constexpr u32 kill_thread = 0;
inline constexpr u32 trap = 0x00030000;
inline constexpr u32 refuse_with = 0x00050000; ///< SECCOMP_RET_ERRNO
inline constexpr u32 log = 0x7ffc0000;
inline constexpr u32 allow = 0x7fff0000;
} // namespace seccomp_action

/// What a seccomp filter reads: struct seccomp_data.
struct SeccompData {
    i32 call;
    u32 machine; ///< audit_machine
    u64 instruction;
    u64 arguments[6];
};

/// SeccompData::machine of this build.
#if defined(__x86_64__)
inline constexpr u32 audit_machine = 0xc000003e;
#elif defined(__i386__)
inline constexpr u32 audit_machine = 0x40000003;
#elif defined(__aarch64__)
inline constexpr u32 audit_machine = 0xc00000b7;
#elif defined(__arm__)
inline constexpr u32 audit_machine = 0x40000028;
#elif defined(__riscv)
inline constexpr u32 audit_machine = 0xc00000f3;
#elif defined(__s390x__)
inline constexpr u32 audit_machine = 0x80000016;
#elif defined(__powerpc64__)
inline constexpr u32 audit_machine = 0xc0000015;
#endif

/// One instruction of classic BPF: struct sock_filter.
struct SockFilter {
    u16 code;   ///< bpf
    u8 if_true; ///< instructions to skip
    u8 if_false;
    u32 k;
};

/// A program of classic BPF: struct sock_fprog.
struct SockFprog {
    u16 count;
    const SockFilter* filter;
};

/// The instructions of classic BPF that a seccomp filter needs.
namespace bpf {
inline constexpr u16 load_word = 0x20; ///< A = word at offset k of the data
inline constexpr u16 jump = 0x05;      ///< skip k
inline constexpr u16 jump_equal = 0x15;
inline constexpr u16 jump_greater = 0x25;
inline constexpr u16 jump_greater_equal = 0x35;
inline constexpr u16 jump_any_bit = 0x45;
inline constexpr u16 and_constant = 0x54;
inline constexpr u16 answer = 0x06; ///< return k
} // namespace bpf

/// reboot; kernel::reboot passes the two magic numbers.
namespace reboot_command {
inline constexpr u32 restart = 0x01234567;
inline constexpr u32 halt = 0xcdef0123;
inline constexpr u32 power_off = 0x4321fedc;
} // namespace reboot_command

namespace getrandom_flag {
inline constexpr u32 nonblock = 1;
inline constexpr u32 random = 2;
inline constexpr u32 insecure = 4; ///< 5.6
} // namespace getrandom_flag

/// setpriority, getpriority.
namespace priority_of {
inline constexpr i32 process = 0;
inline constexpr i32 process_group = 1;
inline constexpr i32 user = 2;
} // namespace priority_of

} // namespace oxbow::abi
