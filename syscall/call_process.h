// System calls on processes, threads, futexes, limits, scheduling and the machine as a whole.
#pragma once

#include "abi_process.h"
#include "abi_signal.h"
#include "call_pair.h"

namespace oxbow::kernel {

// --- Beginning and ending ------------------------------------------------------------------------

/// A child with a copy of this memory: its id here, 0 in the child. No handlers of libc run.
[[nodiscard]] inline i32 fork() noexcept {
    // Machines disagree on the order of the last two arguments; zeros have none.
    if constexpr (arch::clone_stack_first) {
        return invoke_plain(number::clone, 0, abi::signal::chld, 0, 0, 0);
    } else {
        return invoke_plain(number::clone, abi::signal::chld, 0, 0, 0, 0);
    }
}

/// A child as `arguments` say: its id here, 0 in the child. Without a stack of its own only: the
/// child returns from this very function, so clone_flag::vm needs clone_flag::vfork. 5.3.
[[nodiscard]] inline i32 clone3(const abi::CloneArguments* arguments) noexcept {
    return invoke_plain(number::clone3, arguments, sizeof(abi::CloneArguments));
}

/// A thread that calls entry(argument) on the stack below `stack_top` and then ends; its id.
/// `flags` is clone_flag. With child_cleartid the kernel zeroes *child_tid and wakes a futex wait
/// on it when the stack is no longer used. Tests cannot inject faults into this call.
[[nodiscard]] inline i32 clone_thread(u32 flags, void* stack_top, i32* parent_tid, i32* child_tid,
                                      void* tls, int (*entry)(void*), void* argument) noexcept {
    return static_cast<i32>(arch::clone_thread(static_cast<long>(flags), stack_top, parent_tid,
                                               child_tid, tls, entry, argument));
}

/// Returns only where it failed.
[[nodiscard]] inline i32 execve(const char* path, const char* const* arguments,
                                const char* const* environment) noexcept {
    return invoke_plain(number::execve, path, arguments, environment);
}

/// Ends this thread only.
[[noreturn]] inline void exit(i32 status) noexcept {
    for (;;) {
        (void)invoke(number::exit, status);
    }
}

/// Ends the process.
[[noreturn]] inline void exit_group(i32 status) noexcept {
    for (;;) {
        (void)invoke(number::exit_group, status);
    }
}

/// wait_for, wait_option. With nohang and nobody ready it returns 0 and info->sender.pid is 0.
/// `info` and `usage` may be nullptr.
[[nodiscard]] inline i32 waitid(i32 which, i32 id, abi::SignalInfo* info, i32 options,
                                abi::Rusage* usage = nullptr) noexcept {
    return invoke_plain(number::waitid, which, id, info, options, usage);
}

// --- Process descriptors and signals to others ---------------------------------------------------

/// pidfd_flag. The descriptor is close-on-exec. 5.3.
[[nodiscard]] inline i32 pidfd_open(i32 pid, u32 flags) noexcept {
    return invoke_plain(number::pidfd_open, pid, flags);
}

/// Signal 0 only asks whether one could be sent. `info` may be nullptr. 5.1.
[[nodiscard]] inline i32 pidfd_send_signal(i32 pidfd, i32 signal_number,
                                           const abi::SignalInfo* info = nullptr,
                                           u32 flags = 0) noexcept {
    return invoke_plain(number::pidfd_send_signal, pidfd, signal_number, info, flags);
}

/// A copy of the other process's descriptor. 5.6.
[[nodiscard]] inline i32 pidfd_getfd(i32 pidfd, i32 fd, u32 flags = 0) noexcept {
    return invoke_plain(number::pidfd_getfd, pidfd, fd, flags);
}

[[nodiscard]] inline i32 kill(i32 pid, i32 signal_number) noexcept {
    return invoke_plain(number::kill, pid, signal_number);
}

/// To one thread.
[[nodiscard]] inline i32 tgkill(i32 pid, i32 tid, i32 signal_number) noexcept {
    return invoke_plain(number::tgkill, pid, tid, signal_number);
}

/// Ids of this process: they cannot fail.
[[nodiscard]] inline i32 getpid() noexcept {
    return invoke_plain(number::getpid);
}
[[nodiscard]] inline i32 getppid() noexcept {
    return invoke_plain(number::getppid);
}
[[nodiscard]] inline i32 gettid() noexcept {
    return invoke_plain(number::gettid);
}
[[nodiscard]] inline u32 getuid() noexcept {
    return static_cast<u32>(invoke(number::getuid));
}
[[nodiscard]] inline u32 geteuid() noexcept {
    return static_cast<u32>(invoke(number::geteuid));
}
[[nodiscard]] inline u32 getgid() noexcept {
    return static_cast<u32>(invoke(number::getgid));
}
[[nodiscard]] inline u32 getegid() noexcept {
    return static_cast<u32>(invoke(number::getegid));
}

/// Real, effective and saved id of this thread (libc's does it for all threads); ~0 keeps one.
[[nodiscard]] inline i32 setresuid(u32 real, u32 effective, u32 saved) noexcept {
    return invoke_plain(number::setresuid, real, effective, saved);
}
[[nodiscard]] inline i32 setresgid(u32 real, u32 effective, u32 saved) noexcept {
    return invoke_plain(number::setresgid, real, effective, saved);
}

/// The further groups of this thread.
[[nodiscard]] inline i32 setgroups(usize count, const u32* groups) noexcept {
    return invoke_plain(number::setgroups, count, groups);
}

[[nodiscard]] inline i32 setpgid(i32 pid, i32 group) noexcept {
    return invoke_plain(number::setpgid, pid, group);
}

/// The new session's id.
[[nodiscard]] inline i32 setsid() noexcept {
    return invoke_plain(number::setsid);
}

// --- Signals to this process ---------------------------------------------------------------------

/// Sets what a signal does; either pointer may be nullptr. Fills in the restorer where the machine
/// needs one, and SA_SIGINFO with it, because the restorer undoes that kind of frame; a handler of
/// one argument works all the same.
[[nodiscard]] inline i32 rt_sigaction(i32 signal_number, const abi::SignalAction* action,
                                      abi::SignalAction* former = nullptr) noexcept {
#if OXBOW_SIGNAL_ACTION_HAS_RESTORER
    if constexpr (arch::signal_needs_restorer) {
        if (action != nullptr && action->handler > abi::signal_handler::ignore) {
            abi::SignalAction complete = *action;
            complete.flags |= abi::action_flag::restorer | abi::action_flag::siginfo;
            complete.restorer = arch::signal_restorer;
            return invoke_plain(number::rt_sigaction, signal_number, &complete, former,
                                sizeof(abi::SignalSet));
        }
    }
#endif
    return invoke_plain(number::rt_sigaction, signal_number, action, former,
                        sizeof(abi::SignalSet));
}

/// signal_mask. Either set may be nullptr. Of this thread only.
[[nodiscard]] inline i32 rt_sigprocmask(i32 how, const abi::SignalSet* set,
                                        abi::SignalSet* former = nullptr) noexcept {
    return invoke_plain(number::rt_sigprocmask, how, set, former, sizeof(abi::SignalSet));
}

[[nodiscard]] inline i32 rt_sigpending(abi::SignalSet* set) noexcept {
    return invoke_plain(number::rt_sigpending, set, sizeof(abi::SignalSet));
}

/// Waits with `mask` in force until a handler ran; always -EINTR.
[[nodiscard]] inline i32 rt_sigsuspend(const abi::SignalSet* mask) noexcept {
    return invoke_plain(number::rt_sigsuspend, mask, sizeof(abi::SignalSet));
}

/// Takes one pending signal of `set`; its number, or -EAGAIN when the time is up. `timeout` nullptr
/// waits for ever.
[[nodiscard]] inline i32 rt_sigtimedwait(const abi::SignalSet* set, abi::SignalInfo* info,
                                         const abi::Timespec* timeout) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::rt_sigtimedwait_time64)
                                               : static_cast<long>(number::rt_sigtimedwait),
                        set, info, timeout, sizeof(abi::SignalSet));
}

/// Sends a signal with `info`, whose code must be negative unless it goes to this process.
[[nodiscard]] inline i32 rt_sigqueueinfo(i32 pid, i32 signal_number,
                                         const abi::SignalInfo* info) noexcept {
    return invoke_plain(number::rt_sigqueueinfo, pid, signal_number, info);
}

[[nodiscard]] inline i32 sigaltstack(const abi::SignalStack* stack,
                                     abi::SignalStack* former = nullptr) noexcept {
    return invoke_plain(number::sigaltstack, stack, former);
}

// --- Futexes -------------------------------------------------------------------------------------

namespace detail {
inline constexpr long futex_call =
    arch::has_time64_calls ? static_cast<long>(number::futex_time64) : number::futex;
} // namespace detail

/// Sleeps while *word is `expected`: 0 when woken (perhaps for nothing), -EAGAIN where it already
/// differed, -ETIMEDOUT, -EINTR. `deadline` is absolute on the monotonic clock; nullptr is never.
/// Private to this process.
[[nodiscard]] inline i32 futex_wait(const u32* word, u32 expected,
                                    const abi::Timespec* deadline = nullptr) noexcept {
    return invoke_plain(detail::futex_call, word,
                        abi::futex_op::wait_bitset | abi::futex_op::private_flag, expected,
                        deadline, nullptr, abi::futex_bitset_any);
}

/// Wakes up to `count` sleepers on `word`; how many. Private to this process.
[[nodiscard]] inline i32 futex_wake(const u32* word, u32 count) noexcept {
    return invoke_plain(detail::futex_call, word, abi::futex_op::wake | abi::futex_op::private_flag,
                        count);
}

/// The same between processes, for words in shared memory.
[[nodiscard]] inline i32 futex_wait_shared(const u32* word, u32 expected,
                                           const abi::Timespec* deadline = nullptr) noexcept {
    return invoke_plain(detail::futex_call, word, abi::futex_op::wait_bitset, expected, deadline,
                        nullptr, abi::futex_bitset_any);
}
[[nodiscard]] inline i32 futex_wake_shared(const u32* word, u32 count) noexcept {
    return invoke_plain(detail::futex_call, word, abi::futex_op::wake, count);
}

/// Sleeps on up to 128 words; the index of the one that was woken. `deadline` is absolute on
/// `clock`, realtime or monotonic; nullptr is never. 5.16.
[[nodiscard]] inline i32 futex_waitv(const abi::FutexWaiter* waiters, u32 count,
                                     const abi::Timespec* deadline = nullptr,
                                     u32 clock = abi::clock::monotonic) noexcept {
    return invoke_plain(number::futex_waitv, waiters, count, 0, deadline, clock);
}

// --- Limits, usage, scheduling -------------------------------------------------------------------

/// `pid` 0 is this process; either pointer may be nullptr.
[[nodiscard]] inline i32 prlimit(i32 pid, u32 resource, const abi::Rlimit* limit,
                                 abi::Rlimit* former = nullptr) noexcept {
    return invoke_plain(number::prlimit64, pid, resource, limit, former);
}

/// usage_of.
[[nodiscard]] inline i32 getrusage(i32 who, abi::Rusage* usage) noexcept {
    return invoke_plain(number::getrusage, who, usage);
}

[[nodiscard]] inline i32 sched_yield() noexcept {
    return invoke_plain(number::sched_yield);
}

/// `tid` 0 is this thread; `bytes` may be less than the whole set.
[[nodiscard]] inline i32 sched_setaffinity(i32 tid, usize bytes, const abi::CpuSet* set) noexcept {
    return invoke_plain(number::sched_setaffinity, tid, bytes, set);
}

/// Bytes of `set` that the kernel wrote; zero the rest beforehand.
[[nodiscard]] inline i32 sched_getaffinity(i32 tid, usize bytes, abi::CpuSet* set) noexcept {
    return invoke_plain(number::sched_getaffinity, tid, bytes, set);
}

/// sched_policy.
[[nodiscard]] inline i32 sched_setscheduler(i32 tid, i32 policy,
                                            const abi::SchedParameters* parameters) noexcept {
    return invoke_plain(number::sched_setscheduler, tid, policy, parameters);
}

/// The sched_policy.
[[nodiscard]] inline i32 sched_getscheduler(i32 tid) noexcept {
    return invoke_plain(number::sched_getscheduler, tid);
}

/// priority_of; `nice` from -20, which gets most, to 19.
[[nodiscard]] inline i32 setpriority(i32 which, i32 who, i32 nice) noexcept {
    return invoke_plain(number::setpriority, which, who, nice);
}

/// 20 less the nice value, so that it is never negative: getpriority(2).
[[nodiscard]] inline i32 getpriority(i32 which, i32 who) noexcept {
    return invoke_plain(number::getpriority, which, who);
}

/// Where this thread runs; either pointer may be nullptr.
[[nodiscard]] inline i32 getcpu(u32* cpu, u32* node) noexcept {
    return invoke_plain(number::getcpu, cpu, node, nullptr);
}

// --- Privileges and namespaces -------------------------------------------------------------------

/// prctl_option. Numbers and pointers alike; unused ones must be 0 for most options.
template <class A = long, class B = long, class C = long, class D = long>
[[nodiscard]] inline i32 prctl(i32 option, A second = {}, B third = {}, C fourth = {},
                               D fifth = {}) noexcept {
    return invoke_plain(number::prctl, option, second, third, fourth, fifth);
}

/// seccomp_op, seccomp_flag. A filter needs prctl_option::set_no_new_privs first, or root.
[[nodiscard]] inline i32 seccomp(u32 operation, u32 flags, const void* argument) noexcept {
    return invoke_plain(number::seccomp, operation, flags, argument);
}

/// clone_flag of namespaces, files and fs.
[[nodiscard]] inline i32 unshare(u64 flags) noexcept {
    return invoke_plain(number::unshare, static_cast<uptr>(flags));
}

/// `kind` is a namespace's clone_flag, or 0 for whatever `fd` is.
[[nodiscard]] inline i32 setns(i32 fd, u64 kind) noexcept {
    return invoke_plain(number::setns, fd, static_cast<uptr>(kind));
}

// --- The machine ---------------------------------------------------------------------------------

/// reboot_command. Ends everything at once: sync first. From a PID namespace's first process it
/// ends that namespace instead: reboot(2).
[[nodiscard]] inline i32 reboot(u32 command) noexcept {
    return invoke_plain(number::reboot, 0xfee1deadu, 672274793, command, nullptr);
}

[[nodiscard]] inline i32 uname(abi::UtsName* name) noexcept {
    return invoke_plain(number::uname, name);
}

[[nodiscard]] inline i32 sethostname(const char* name, usize bytes) noexcept {
    return invoke_plain(number::sethostname, name, bytes);
}

[[nodiscard]] inline i32 sysinfo(abi::SystemInfo* info) noexcept {
    return invoke_plain(number::sysinfo, info);
}

/// getrandom_flag. Up to 256 bytes come whole once the machine has entropy: getrandom(2).
[[nodiscard]] inline long getrandom(void* data, usize bytes, u32 flags) noexcept {
    return invoke(number::getrandom, data, bytes, flags);
}

} // namespace oxbow::kernel
