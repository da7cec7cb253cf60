// Every call of call_process.h that begins, ends, waits for, signals or describes a process, made
// for real. Futexes, limits and privileges are in call_control_test.cc.
#include "../syscall/call.h"
#include "../syscall/text.h"
#include "harness.h"

namespace oxbow::test {

namespace {

using namespace kernel;

/// Waits for `pid` to end; its exit code, or minus its signal.
[[nodiscard]] i32 ending_of(i32 which, i32 id) noexcept {
    abi::SignalInfo info = {};
    abi::Rusage usage = {};
    i32 result;
    do {
        result = waitid(which, id, &info, abi::wait_option::exited, &usage);
    } while (result == -Errno::eintr);
    CHECK_OK(result);
    CHECK_EQ(info.signal, abi::signal::chld);
    return info.code == abi::signal_code::child_exited ? info.child.status : -info.child.status;
}

abi::SignalSet blocked(i32 signal_number) noexcept {
    abi::SignalSet set = {};
    set.add(signal_number);
    CHECK_OK(rt_sigprocmask(abi::signal_mask::block, &set));
    return set;
}

// What handlers leave behind.
volatile i32 handled_signal = 0;
volatile i32 handled_code = 0;
volatile i32 handled_value = 0;
volatile bool handled_on_own_stack = false;
char* own_stack = nullptr;
constexpr usize own_stack_bytes = 65536;

void handle(i32 signal_number) noexcept {
    handled_signal = signal_number;
}

void handle_with_info(i32 signal_number, abi::SignalInfo* info, void*) noexcept {
    char here = 0;
    handled_signal = signal_number;
    handled_code = info->code;
    handled_value = info->sender.value.integer;
    const uptr at = reinterpret_cast<uptr>(&here);
    const uptr base = reinterpret_cast<uptr>(own_stack);
    handled_on_own_stack = own_stack != nullptr && at >= base && at < base + own_stack_bytes;
}

} // namespace

TEST(call_process_fork_and_wait) {
    const i32 pid = CHECK_OK(fork());
    if (pid == 0) {
        exit_group(getppid() > 0 && getpid() == gettid() ? 41 : 1);
    }
    CHECK_EQ(ending_of(abi::wait_for::pid, pid), 41);
    CHECK_ERRNO(waitid(abi::wait_for::pid, pid, nullptr, abi::wait_option::exited), Errno::echild);
    CHECK_ERRNO(waitid(abi::wait_for::pid, pid, nullptr, 0), Errno::einval);
}

TEST(call_process_wait_without_hanging) {
    i32 pipe[2];
    CHECK_OK(pipe2(pipe, 0));
    const i32 pid = CHECK_OK(fork());
    if (pid == 0) {
        char byte;
        CHECK_OK(close(pipe[1]));
        (void)read(pipe[0], &byte, 1);
        exit(3); // of the only thread, so of the process
    }
    abi::SignalInfo info = {};
    const i32 options = abi::wait_option::exited | abi::wait_option::nohang;
    CHECK_OK(waitid(abi::wait_for::all, 0, &info, options));
    CHECK_EQ(info.sender.pid, 0);
    CHECK_OK(close(pipe[1]));
    CHECK_OK(waitid(abi::wait_for::pid, pid, &info,
                    abi::wait_option::exited | abi::wait_option::nowait));
    CHECK_EQ(info.child.pid, pid);
    CHECK_EQ(info.child.user_id, getuid());
    CHECK_EQ(ending_of(abi::wait_for::pid, pid), 3);
    CHECK_OK(close(pipe[0]));
}

TEST(call_process_execve) {
    CHECK_ERRNO(execve("/no/such/program", nullptr, nullptr), Errno::enoent);
    const i32 self = openat(abi::at_fdcwd, "/proc/self/exe", abi::open_flag::cloexec);
    if (self < 0) {
        SKIP("no /proc");
    }
    CHECK_OK(close(self));
    const i32 pid = CHECK_OK(fork());
    if (pid == 0) {
        const i32 null = openat(abi::at_fdcwd, "/dev/null", abi::open_flag::write_only);
        if (null >= 0) {
            (void)dup3(null, 1, 0);
        }
        const char* const arguments[] = {"oxbow-test", "--list", nullptr};
        const char* const environment[] = {nullptr};
        (void)execve("/proc/self/exe", arguments, environment);
        exit_group(99);
    }
    CHECK_EQ(ending_of(abi::wait_for::pid, pid), 0);
}

TEST(call_process_clone3_with_pidfd) {
    i32 pidfd = -1;
    i32 tid = 0;
    abi::CloneArguments arguments = {};
    arguments.flags = abi::clone_flag::pidfd | abi::clone_flag::parent_settid;
    arguments.pidfd = address_of(&pidfd);
    arguments.parent_tid = address_of(&tid);
    arguments.exit_signal = abi::signal::chld;
    const i32 pid = clone3(&arguments);
    SKIP_IF_MISSING(pid != -Errno::enosys, "clone3");
    CHECK_OK(pid);
    if (pid == 0) {
        exit_group(17);
    }
    CHECK_EQ(tid, pid);
    abi::PollFd poll = {pidfd, abi::poll_event::in, 0};
    CHECK_EQ(ppoll(&poll, 1, nullptr), 1);
    CHECK_EQ(ending_of(abi::wait_for::pidfd, pidfd), 17);
    CHECK_OK(close(pidfd));
    arguments.flags = u64{1} << 63;
    CHECK_ERRNO(clone3(&arguments), Errno::einval);
}

TEST(call_process_pidfd) {
    i32 pipe[2];
    CHECK_OK(pipe2(pipe, 0));
    const i32 pid = CHECK_OK(fork());
    if (pid == 0) {
        for (;;) {
            (void)clock_nanosleep(abi::clock::monotonic, 0, []() noexcept {
                static constexpr abi::Timespec hour = {3600, 0};
                return &hour;
            }());
        }
    }
    const i32 pidfd = pidfd_open(pid, 0);
    if (pidfd == -Errno::enosys) {
        (void)kill(pid, abi::signal::kill);
        SKIP_MISSING("pidfd_open");
    }
    CHECK_OK(pidfd);
    const i32 theirs = pidfd_getfd(pidfd, pipe[1]);
    if (theirs != -Errno::enosys && theirs != -Errno::eperm) {
        CHECK_OK(theirs);
        CHECK_EQ(write(theirs, "z", 1), 1);
        char byte = 0;
        CHECK_EQ(read(pipe[0], &byte, 1), 1);
        CHECK_EQ(byte, 'z');
        CHECK_OK(close(theirs));
    }
    CHECK_OK(pidfd_send_signal(pidfd, 0));
    CHECK_OK(pidfd_send_signal(pidfd, abi::signal::kill));
    CHECK_EQ(ending_of(abi::wait_for::pid, pid), -abi::signal::kill);
    CHECK_ERRNO(pidfd_send_signal(pidfd, abi::signal::term), Errno::esrch);
    CHECK_ERRNO(pidfd_open(-1, 0), Errno::einval);
    CHECK_OK(close(pidfd));
}

TEST(call_process_ids) {
    CHECK_GT(getpid(), 0);
    CHECK_EQ(gettid(), getpid());
    CHECK_GE(getppid(), 0);
    CHECK_EQ(in_child([] {
                 CHECK_OK(setpgid(0, 0));
                 CHECK_ERRNO(setsid(), Errno::eperm); // a group's leader already
             }),
             0);
    CHECK_EQ(in_child([] { CHECK_EQ(CHECK_OK(setsid()), getpid()); }), 0);
    if (getuid() != 0) {
        CHECK_ERRNO(setresuid(0, 0, 0), Errno::eperm);
        CHECK_ERRNO(setresgid(0, 0, 0), Errno::eperm);
        return;
    }
    CHECK_EQ(in_child([] {
                 const u32 groups[] = {70005, 70006};
                 CHECK_OK(setgroups(2, groups));
                 CHECK_OK(setgroups(0, nullptr));
                 CHECK_OK(setresgid(70001, 70002, ~u32{0})); // above 16 bits
                 CHECK_EQ(getgid(), 70001u);
                 CHECK_EQ(getegid(), 70002u);
                 CHECK_OK(setresuid(70003, 70004, 70004));
                 CHECK_EQ(getuid(), 70003u);
                 CHECK_EQ(geteuid(), 70004u);
                 CHECK_ERRNO(setresuid(0, 0, 0), Errno::eperm);
             }),
             0);
}

TEST(call_process_signal_handlers) {
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&handle);
    abi::SignalAction former = {};
    CHECK_OK(rt_sigaction(abi::signal::usr1, &action, &former));
    CHECK_EQ(former.handler, abi::signal_handler::standard);
    for (i32 round = 0; round < 3; ++round) { // so that coming back worked, too
        handled_signal = 0;
        CHECK_OK(kill(getpid(), abi::signal::usr1));
        CHECK_EQ(handled_signal, abi::signal::usr1);
    }
    action.handler = reinterpret_cast<uptr>(&handle_with_info);
    action.flags = abi::action_flag::siginfo | abi::action_flag::resethand;
    CHECK_OK(rt_sigaction(abi::signal::usr1, &action, &former));
    CHECK_EQ(former.handler, reinterpret_cast<uptr>(&handle));
    abi::SignalInfo info = {};
    info.signal = abi::signal::usr1;
    info.code = abi::signal_code::queue;
    info.sender.pid = getpid();
    info.sender.value.integer = 4711;
    CHECK_OK(rt_sigqueueinfo(getpid(), abi::signal::usr1, &info));
    CHECK_EQ(handled_signal, abi::signal::usr1);
    CHECK_EQ(handled_code, abi::signal_code::queue);
    CHECK_EQ(handled_value, 4711);
    CHECK_OK(rt_sigaction(abi::signal::usr1, nullptr, &former));
    CHECK_EQ(former.handler, abi::signal_handler::standard);

    action = {};
    action.handler = abi::signal_handler::ignore;
    CHECK_OK(rt_sigaction(abi::signal::usr1, &action));
    CHECK_OK(tgkill(getpid(), gettid(), abi::signal::usr1));
    CHECK_ERRNO(rt_sigaction(abi::signal::kill, &action), Errno::einval);
}

TEST(call_process_signal_mask_in_handler) {
    // The mask lies where the kernel looks for it: usr2 waits while usr1 is being handled.
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(static_cast<void (*)(i32)>([](i32) {
        abi::SignalSet now = {};
        (void)rt_sigprocmask(abi::signal_mask::block, nullptr, &now);
        handled_value = (now.has(abi::signal::usr2) ? 1 : 0) +
                        (now.has(abi::signal::last) ? 2 : 0) +
                        (now.has(abi::signal::usr1) ? 4 : 0) + (now.has(abi::signal::hup) ? 8 : 0);
    }));
    action.mask.add(abi::signal::usr2).add(abi::signal::last);
    CHECK_OK(rt_sigaction(abi::signal::usr1, &action));
    CHECK_OK(kill(getpid(), abi::signal::usr1));
    CHECK_EQ(handled_value, 7);
}

TEST(call_process_signal_sets) {
    const abi::SignalSet set = blocked(abi::signal::last);
    CHECK_OK(kill(getpid(), abi::signal::last));
    abi::SignalSet pending = {};
    CHECK_OK(rt_sigpending(&pending));
    CHECK(pending.has(abi::signal::last));
    CHECK(!pending.has(abi::signal::usr1));
    abi::SignalInfo info = {};
    CHECK_EQ(rt_sigtimedwait(&set, &info, nullptr), abi::signal::last);
    CHECK_EQ(info.sender.pid, getpid());
    const abi::Timespec soon = {0, 1'000'000};
    CHECK_ERRNO(rt_sigtimedwait(&set, &info, &soon), Errno::eagain);

    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&handle);
    CHECK_OK(rt_sigaction(abi::signal::last, &action));
    CHECK_OK(kill(getpid(), abi::signal::last));
    const abi::SignalSet none = abi::SignalSet::none();
    CHECK_ERRNO(rt_sigsuspend(&none), Errno::eintr);
    CHECK_EQ(handled_signal, abi::signal::last);

    abi::SignalSet copy = abi::SignalSet::all();
    for (i32 number = 1; number <= abi::signal::last; ++number) {
        CHECK(copy.has(number));
        copy.remove(number);
        CHECK(!copy.has(number));
    }
    CHECK_ERRNO(rt_sigprocmask(77, &set), Errno::einval);
}

TEST(call_process_signal_stack) {
    own_stack = reinterpret_cast<char*>(
        CHECK_OK(mmap(nullptr, own_stack_bytes, abi::protection::read | abi::protection::write,
                      abi::map::private_ | abi::map::anonymous, -1, 0)));
    const abi::SignalStack stack = {own_stack, 0, own_stack_bytes};
    abi::SignalStack former = {};
    CHECK_OK(sigaltstack(&stack, &former));
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&handle_with_info);
    action.flags = abi::action_flag::siginfo | abi::action_flag::onstack;
    CHECK_OK(rt_sigaction(abi::signal::usr2, &action));
    CHECK_OK(kill(getpid(), abi::signal::usr2));
    CHECK(handled_on_own_stack);
    CHECK_OK(sigaltstack(nullptr, &former));
    CHECK(former.base == own_stack);
    CHECK_EQ(former.bytes, own_stack_bytes);
}

TEST(call_process_ended_by_signals) {
    CHECK_EQ(in_child([] { (void)kill(getpid(), abi::signal::term); }), -abi::signal::term);
    CHECK_EQ(in_child([] { (void)tgkill(getpid(), gettid(), abi::signal::kill); }),
             -abi::signal::kill);
    CHECK_ERRNO(kill(getpid(), 99), Errno::einval);
    CHECK_ERRNO(kill(0x7ffffff0, 0), Errno::esrch);
    CHECK_OK(kill(getpid(), 0));
}

} // namespace oxbow::test
