// Every call of call_process.h on threads, futexes, limits, scheduling, privileges and the machine,
// made for real.
#include "../syscall/atomic.h"
#include "../syscall/call.h"
#include "../syscall/text.h"
#include "harness.h"

namespace oxbow::test {

namespace {

using namespace kernel;

struct Shared {
    u32 word = 0;
    u32 seen = 0;
    i32 tid = 0;
};

int wait_and_answer(void* argument) noexcept {
    Shared& shared = *static_cast<Shared*>(argument);
    while (load_acquire(&shared.word) == 0) {
        (void)futex_wait(&shared.word, 0);
    }
    shared.tid = gettid();
    store_release(&shared.seen, load_acquire(&shared.word));
    return 0;
}

[[nodiscard]] abi::Timespec from_now(i64 nanoseconds) noexcept {
    abi::Timespec time = {};
    CHECK_OK(clock_gettime(abi::clock::monotonic, &time));
    time.nanoseconds += nanoseconds;
    if (time.nanoseconds >= 1'000'000'000) {
        time.nanoseconds -= 1'000'000'000;
        time.seconds += 1;
    }
    return time;
}

/// Refuses getppid with EDOM and allows the rest.
[[nodiscard]] i32 install_filter() noexcept {
    using namespace abi::bpf;
    const abi::SockFilter filter[] = {
        {load_word, 0, 0, __builtin_offsetof(abi::SeccompData, machine)},
        {jump_equal, 0, 3, abi::audit_machine},
        {load_word, 0, 0, __builtin_offsetof(abi::SeccompData, call)},
        {jump_equal, 0, 1, static_cast<u32>(number::getppid)},
        {answer, 0, 0, abi::seccomp_action::refuse_with | static_cast<u32>(Errno::edom)},
        {answer, 0, 0, abi::seccomp_action::allow},
    };
    const abi::SockFprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    return seccomp(abi::seccomp_op::set_mode_filter, 0, &program);
}

} // namespace

TEST(call_control_thread_and_futex) {
    constexpr usize stack_bytes = 65536;
    char* const stack = reinterpret_cast<char*>(
        CHECK_OK(mmap(nullptr, stack_bytes, abi::protection::read | abi::protection::write,
                      abi::map::private_ | abi::map::anonymous | abi::map::stack, -1, 0)));
    Shared shared;
    i32 alive = 1;
    constexpr u64 flags = abi::clone_flag::vm | abi::clone_flag::fs | abi::clone_flag::files |
                          abi::clone_flag::sighand | abi::clone_flag::thread |
                          abi::clone_flag::sysvsem | abi::clone_flag::parent_settid |
                          abi::clone_flag::child_cleartid;
    i32 tid = 0;
    const i32 started = CHECK_OK(clone_thread(static_cast<u32>(flags), stack + stack_bytes, &tid,
                                              &alive, nullptr, &wait_and_answer, &shared));
    CHECK_EQ(tid, started);
    store_release(&shared.word, 1234u);
    CHECK_OK(futex_wake(&shared.word, 1));
    // The kernel wakes the word of child_cleartid as a shared futex.
    for (i32 now = 0; (now = load_acquire(&alive)) != 0;) {
        (void)futex_wait_shared(reinterpret_cast<const u32*>(&alive), static_cast<u32>(now));
    }
    CHECK_EQ(shared.seen, 1234u);
    CHECK_EQ(shared.tid, started);
    CHECK_OK(munmap(stack, stack_bytes));
}

TEST(call_control_futex_answers) {
    u32 word = 5;
    CHECK_ERRNO(futex_wait(&word, 4), Errno::eagain);
    const u64 before = now_ns();
    const abi::Timespec deadline = from_now(20'000'000);
    CHECK_ERRNO(futex_wait(&word, 5, &deadline), Errno::etimedout);
    CHECK_GE(now_ns() - before, 15'000'000u);
    CHECK_ERRNO(futex_wait_shared(&word, 5, &deadline), Errno::etimedout);
    CHECK_EQ(futex_wake(&word, 10), 0);
    CHECK_EQ(futex_wake_shared(&word, 10), 0);
    CHECK_ERRNO(futex_wait(nullptr, 5), Errno::efault);
}

TEST(call_control_futex_between_processes) {
    u32* const word = reinterpret_cast<u32*>(
        CHECK_OK(mmap(nullptr, 4096, abi::protection::read | abi::protection::write,
                      abi::map::shared | abi::map::anonymous, -1, 0)));
    const i32 pid = CHECK_OK(fork());
    if (pid == 0) {
        while (load_acquire(word) == 0) {
            (void)futex_wait_shared(word, 0);
        }
        exit_group(12);
    }
    sleep_ms(5);
    store_release(word, 1u);
    CHECK_OK(futex_wake_shared(word, 1));
    abi::SignalInfo info = {};
    CHECK_OK(waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited));
    CHECK_EQ(info.child.status, 12);
    CHECK_OK(munmap(word, 4096));
}

TEST(call_control_futex_waitv) {
    u32 words[2] = {1, 2};
    abi::FutexWaiter waiters[2] = {};
    for (u32 at = 0; at < 2; ++at) {
        waiters[at].value = words[at];
        waiters[at].address = address_of(&words[at]);
        waiters[at].flags = abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag;
    }
    const abi::Timespec deadline = from_now(10'000'000);
    const i32 result = futex_waitv(waiters, 2, &deadline);
    SKIP_IF_MISSING(result != -Errno::enosys, "futex_waitv");
    CHECK_ERRNO(result, Errno::etimedout);
    waiters[1].value = 3;
    CHECK_ERRNO(futex_waitv(waiters, 2), Errno::eagain);
    CHECK_ERRNO(futex_waitv(waiters, 0), Errno::einval);
}

TEST(call_control_limits) {
    abi::Rlimit former = {};
    CHECK_OK(prlimit(0, abi::resource::core_bytes, nullptr, &former));
    const abi::Rlimit limit = {0, former.maximum};
    CHECK_OK(prlimit(0, abi::resource::core_bytes, &limit));
    abi::Rlimit now = {1, 1};
    CHECK_OK(prlimit(getpid(), abi::resource::core_bytes, nullptr, &now));
    CHECK_EQ(now.current, 0u);
    CHECK_EQ(now.maximum, former.maximum);
    const abi::Rlimit wrong = {2, 1};
    CHECK_ERRNO(prlimit(0, abi::resource::open_files, &wrong), Errno::einval);
    CHECK_ERRNO(prlimit(0, abi::resource::count, nullptr, &now), Errno::einval);

    const abi::Rlimit few = {10, 10};
    CHECK_EQ(in_child([&few] {
                 CHECK_OK(prlimit(0, abi::resource::open_files, &few));
                 CHECK_ERRNO(dup3(0, 20, 0), Errno::ebadf);
             }),
             0);
}

TEST(call_control_usage) {
    // Enough memory that the kernel's counters, which are kept apart for each CPU, must notice.
    constexpr usize bytes = usize{16} << 20;
    char* const memory = reinterpret_cast<char*>(
        CHECK_OK(mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                      abi::map::private_ | abi::map::anonymous | abi::map::populate, -1, 0)));
    abi::Rusage usage = {};
    CHECK_OK(getrusage(abi::usage_of::self, &usage));
    CHECK_OK(munmap(memory, bytes));
    CHECK_GE(usage.max_resident_kib, 8192);
    CHECK_GT(usage.minor_faults, 0);
    CHECK_GE(usage.user_time.seconds, 0);
    CHECK_LT(usage.user_time.microseconds, 1'000'000);
    CHECK_OK(getrusage(abi::usage_of::thread, &usage));
    CHECK_ERRNO(getrusage(77, &usage), Errno::einval);
}

TEST(call_control_scheduling) {
    CHECK_OK(sched_yield());
    abi::CpuSet set = {};
    CHECK_GE(CHECK_OK(sched_getaffinity(0, sizeof(set), &set)), 4);
    u32 cpu = 0, node = 0;
    CHECK_OK(getcpu(&cpu, &node));
    CHECK(set.has(cpu));
    abi::CpuSet one = {};
    one.add(cpu);
    CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
    abi::CpuSet now = {};
    CHECK_OK(sched_getaffinity(0, sizeof(now), &now));
    CHECK_BYTES(&now, &one, sizeof(one));
    CHECK_OK(getcpu(&cpu, nullptr));
    CHECK(one.has(cpu));
    const abi::CpuSet none = {};
    CHECK_ERRNO(sched_setaffinity(0, sizeof(none), &none), Errno::einval);

    CHECK_EQ(sched_getscheduler(0), abi::sched_policy::other);
    const abi::SchedParameters parameters = {0};
    CHECK_OK(sched_setscheduler(0, abi::sched_policy::batch, &parameters));
    CHECK_EQ(sched_getscheduler(0), abi::sched_policy::batch);
    CHECK_ERRNO(sched_setscheduler(0, 99, &parameters), Errno::einval);

    const i32 before = CHECK_OK(getpriority(abi::priority_of::process, 0));
    CHECK_GE(before, 1);
    CHECK_LE(before, 40);
    CHECK_OK(setpriority(abi::priority_of::process, 0, 19));
    CHECK_EQ(getpriority(abi::priority_of::process, 0), 1); // 20 less 19
}

TEST(call_control_prctl) {
    CHECK_OK(prctl(abi::prctl_option::set_name, "oxbow call"));
    char name[16] = {};
    CHECK_OK(prctl(abi::prctl_option::get_name, name));
    CHECK_STREQ(name, "oxbow call");
    CHECK_ERRNO(prctl(123456), Errno::einval);
    // 1 already where somebody has put a filter before all tests.
    CHECK_LE(CHECK_OK(prctl(abi::prctl_option::get_no_new_privs)), 1);
    CHECK_EQ(in_child([] {
                 CHECK_OK(prctl(abi::prctl_option::set_no_new_privs, 1));
                 CHECK_EQ(prctl(abi::prctl_option::get_no_new_privs), 1);
             }),
             0);
}

TEST(call_control_seccomp) {
    CHECK_EQ(in_child([] {
                 CHECK_OK(prctl(abi::prctl_option::set_no_new_privs, 1));
                 const i32 result = install_filter();
                 if (result == -Errno::enosys || result == -Errno::einval) {
                     return 2;
                 }
                 CHECK_OK(result);
                 CHECK_ERRNO(getppid(), Errno::edom);
                 CHECK_GT(getpid(), 0);
                 CHECK_EQ(prctl(abi::prctl_option::get_seccomp), 2);
                 return 0;
             }) % 2,
             0);
    const u32 action = abi::seccomp_action::refuse_with;
    const i32 known = seccomp(abi::seccomp_op::get_action_available, 0, &action);
    CHECK(known == 0 || known == -Errno::enosys || known == -Errno::einval);
}

TEST(call_control_namespaces) {
    CHECK_ERRNO(setns(-1, 0), Errno::ebadf);
    CHECK_ERRNO(unshare(1), Errno::einval);
    CHECK_OK(unshare(abi::clone_flag::files));
    if (geteuid() != 0) {
        SKIP("not root");
    }
    CHECK_EQ(in_child([] {
                 const i32 outside = openat(abi::at_fdcwd, "/proc/self/ns/uts", 0);
                 const i32 result = unshare(abi::clone_flag::newuts);
                 if (result == -Errno::einval || result == -Errno::eperm) {
                     return 2;
                 }
                 CHECK_OK(result);
                 abi::UtsName former = {}, name = {};
                 CHECK_OK(uname(&former));
                 CHECK_OK(sethostname("bend", 4));
                 CHECK_OK(uname(&name));
                 CHECK_STREQ(name.node, "bend");
                 if (outside >= 0) {
                     CHECK_OK(setns(outside, abi::clone_flag::newuts));
                     CHECK_OK(uname(&name));
                     CHECK_STREQ(name.node, former.node);
                 }
                 return 0;
             }) % 2,
             0);
}

TEST(call_control_reboot) {
    // A command that no kernel knows: the machine stays up whoever asks.
    const i32 unknown = reboot(0x0badf00d);
    CHECK(unknown == -Errno::einval || unknown == -Errno::eperm);
    if (geteuid() != 0) {
        SKIP("not root");
    }
    // The first process of a namespace of its own ends only that, with a signal that its parent
    // sees.
    CHECK_EQ(in_child([] {
                 const i32 apart = unshare(abi::clone_flag::newpid);
                 if (apart == -Errno::einval || apart == -Errno::eperm) {
                     return 2;
                 }
                 CHECK_OK(apart);
                 const i32 pid = CHECK_OK(fork());
                 if (pid == 0) {
                     if (getpid() == 1 && getppid() == 0) {
                         (void)reboot(abi::reboot_command::power_off);
                     }
                     exit_group(5);
                 }
                 abi::SignalInfo info = {};
                 CHECK_OK(waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited));
                 CHECK_EQ(info.code, abi::signal_code::child_killed);
                 CHECK_EQ(info.child.status, abi::signal::int_);
                 return 0;
             }) % 2,
             0);
}

TEST(call_control_machine) {
    abi::UtsName name = {};
    CHECK_OK(uname(&name));
    CHECK_STREQ(name.system, "Linux");
    CHECK(name.release[0] >= '2' && name.release[0] <= '9');
    CHECK_GT(text_length(name.machine), 2u);
    abi::SystemInfo info = {};
    CHECK_OK(sysinfo(&info));
    CHECK_GT(info.total_ram, 0u);
    CHECK_GT(info.unit_bytes, 0u);
    CHECK_GT(info.processes, 0);

    u8 first[32] = {}, second[32] = {};
    CHECK_EQ(getrandom(first, sizeof(first), 0), 32);
    CHECK_EQ(getrandom(second, sizeof(second), abi::getrandom_flag::nonblock), 32);
    u32 same = 0;
    for (u32 at = 0; at < 32; ++at) {
        same += first[at] == second[at] ? 1 : 0;
    }
    CHECK_LT(same, 16u);
    CHECK_ERRNO(getrandom(first, 1, 0x100), Errno::einval);
}

} // namespace oxbow::test
