// Every call of call_event.h and call_time.h, made for real: readiness, counters, timers, signals
// as descriptors, clocks.
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {

namespace {

using namespace kernel;

constexpr abi::Timespec no_time = {0, 0};
constexpr abi::Timespec short_time = {0, 20'000'000};

void block(i32 signal_number) noexcept {
    abi::SignalSet set = {};
    set.add(signal_number);
    CHECK_OK(rt_sigprocmask(abi::signal_mask::block, &set));
}

} // namespace

TEST(call_event_ppoll) {
    i32 fds[2];
    CHECK_OK(pipe2(fds, 0));
    abi::PollFd entries[] = {{fds[0], abi::poll_event::in, 0}, {-1, abi::poll_event::in, 0}};
    CHECK_EQ(ppoll(entries, 2, &no_time), 0);
    const u64 before = now_ns();
    CHECK_EQ(ppoll(entries, 2, &short_time), 0);
    CHECK_GE(now_ns() - before, 20'000'000u);
    CHECK_EQ(short_time.nanoseconds, 20'000'000);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(ppoll(entries, 2, nullptr), 1);
    CHECK_EQ(entries[0].revents, abi::poll_event::in);
    CHECK_OK(close(fds[1]));
    CHECK_EQ(ppoll(entries, 1, &no_time), 1);
    CHECK_EQ(entries[0].revents, abi::poll_event::in | abi::poll_event::hup);
    CHECK_OK(close(fds[0]));
    CHECK_EQ(ppoll(entries, 1, &no_time), 1);
    CHECK_EQ(entries[0].revents, abi::poll_event::nval);
}

TEST(call_event_epoll) {
    const i32 epoll = CHECK_OK(epoll_create1(abi::epoll_cloexec));
    const i32 first = CHECK_OK(eventfd2(0, abi::eventfd_flag::nonblock));
    const i32 second = CHECK_OK(eventfd2(7, abi::eventfd_flag::cloexec));
    abi::EpollEvent event = {abi::poll_event::in, 0x1122334455667788};
    CHECK_OK(epoll_ctl(epoll, abi::epoll_operation::add, first, &event));
    CHECK_ERRNO(epoll_ctl(epoll, abi::epoll_operation::add, first, &event), Errno::eexist);
    event.data = 0xffeeddccbbaa9988;
    CHECK_OK(epoll_ctl(epoll, abi::epoll_operation::add, second, &event));

    // Two events show that the array's stride is the kernel's.
    abi::EpollEvent got[4] = {};
    CHECK_EQ(epoll_pwait(epoll, got, 4, -1), 1);
    CHECK_EQ(u64{got[0].data}, 0xffeeddccbbaa9988u);
    const u64 one = 1;
    CHECK_EQ(write(first, &one, 8), 8);
    CHECK_EQ(epoll_pwait(epoll, got, 4, 0), 2);
    CHECK_EQ(u64{got[0].data} ^ u64{got[1].data}, 0x1122334455667788u ^ 0xffeeddccbbaa9988u);
    CHECK_EQ(u32{got[1].events}, abi::poll_event::in);

    event.events = abi::poll_event::in | abi::epoll_flag::oneshot;
    event.data = 5;
    CHECK_OK(epoll_ctl(epoll, abi::epoll_operation::modify, first, &event));
    CHECK_OK(epoll_ctl(epoll, abi::epoll_operation::remove, second, nullptr));
    CHECK_EQ(epoll_pwait(epoll, got, 4, 0), 1);
    CHECK_EQ(u64{got[0].data}, 5u);
    CHECK_EQ(epoll_pwait(epoll, got, 4, 0), 0);
    CHECK_ERRNO(epoll_ctl(epoll, abi::epoll_operation::remove, second, nullptr), Errno::enoent);
    CHECK_ERRNO(epoll_pwait(epoll, got, 0, 0), Errno::einval);
    CHECK_OK(close(first));
    CHECK_OK(close(second));
    CHECK_OK(close(epoll));
}

TEST(call_event_epoll_pwait2) {
    const i32 epoll = CHECK_OK(epoll_create1(0));
    abi::EpollEvent got = {};
    const u64 before = now_ns();
    const i32 result = epoll_pwait2(epoll, &got, 1, &short_time);
    SKIP_IF_MISSING(result != -Errno::enosys, "epoll_pwait2");
    CHECK_EQ(result, 0);
    CHECK_GE(now_ns() - before, 20'000'000u);
    // A pending signal, blocked outside and open inside, ends the wait.
    block(abi::signal::usr1);
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(static_cast<void (*)(i32)>([](i32) {}));
    CHECK_OK(rt_sigaction(abi::signal::usr1, &action));
    CHECK_OK(tgkill(getpid(), gettid(), abi::signal::usr1));
    const abi::SignalSet none = {};
    CHECK_ERRNO(epoll_pwait2(epoll, &got, 1, nullptr, &none), Errno::eintr);
    CHECK_OK(tgkill(getpid(), gettid(), abi::signal::usr1));
    CHECK_ERRNO(epoll_pwait(epoll, &got, 1, -1, &none), Errno::eintr);
    CHECK_OK(tgkill(getpid(), gettid(), abi::signal::usr1));
    CHECK_ERRNO(ppoll(nullptr, 0, nullptr, &none), Errno::eintr);
    CHECK_OK(close(epoll));
}

TEST(call_event_eventfd) {
    const i32 fd =
        CHECK_OK(eventfd2(3, abi::eventfd_flag::nonblock | abi::eventfd_flag::semaphore));
    u64 value = 0;
    CHECK_EQ(read(fd, &value, 8), 8);
    CHECK_EQ(value, 1u);
    value = 10;
    CHECK_EQ(write(fd, &value, 8), 8);
    for (u32 round = 0; round < 12; ++round) {
        CHECK_EQ(read(fd, &value, 8), 8);
    }
    CHECK_ERRNO(read(fd, &value, 8), Errno::eagain);
    CHECK_ERRNO(eventfd2(0, 0x100000), Errno::einval);
    CHECK_OK(close(fd));
}

TEST(call_event_timerfd) {
    const i32 fd = CHECK_OK(timerfd_create(abi::clock::monotonic, abi::timerfd_flag::cloexec));
    abi::TimerSpec value = {{0, 0}, {0x200000000, 7}}; // 272 years: more seconds than 32 bits
    CHECK_OK(timerfd_settime(fd, 0, &value));
    abi::TimerSpec left = {};
    CHECK_OK(timerfd_gettime(fd, &left));
    CHECK_GT(left.value.seconds, 0x1ffffff00);
    CHECK_LE(left.value.seconds, 0x200000000);
    abi::TimerSpec former = {};
    value = {{0, 5'000'000}, {0, 10'000'000}};
    const u64 before = now_ns();
    CHECK_OK(timerfd_settime(fd, 0, &value, &former));
    CHECK_GT(former.value.seconds, 0x1ffffff00);
    u64 expiries = 0;
    CHECK_EQ(read(fd, &expiries, 8), 8);
    CHECK_GE(now_ns() - before, 10'000'000u);
    CHECK_GE(expiries, 1u);
    abi::Timespec now = {};
    CHECK_OK(clock_gettime(abi::clock::monotonic, &now));
    value = {{0, 0}, {now.seconds, now.nanoseconds}};
    CHECK_OK(timerfd_settime(fd, abi::timer_flag::absolute, &value)); // in the past: at once
    CHECK_EQ(read(fd, &expiries, 8), 8);
    CHECK_EQ(expiries, 1u);
    CHECK_ERRNO(timerfd_create(99, 0), Errno::einval);
    CHECK_OK(close(fd));
}

TEST(call_event_signalfd) {
    block(abi::signal::usr2);
    abi::SignalSet set = {};
    set.add(abi::signal::usr2);
    i32 fd = CHECK_OK(signalfd4(-1, &set, abi::signalfd_flag::nonblock));
    abi::SignalfdInfo info = {};
    CHECK_ERRNO(read(fd, &info, sizeof(info)), Errno::eagain);
    CHECK_OK(kill(getpid(), abi::signal::usr2));
    CHECK_EQ(read(fd, &info, sizeof(info)), 128);
    CHECK_EQ(info.signal, static_cast<u32>(abi::signal::usr2));
    CHECK_EQ(info.pid, static_cast<u32>(getpid()));
    CHECK_EQ(info.user_id, getuid());
    CHECK_EQ(info.code, abi::signal_code::user);
    // The same descriptor with another set.
    set = {};
    CHECK_EQ(signalfd4(fd, &set, 0), fd);
    CHECK_OK(kill(getpid(), abi::signal::usr2));
    CHECK_ERRNO(read(fd, &info, sizeof(info)), Errno::eagain);
    CHECK_OK(close(fd));
}

TEST(call_time_clocks) {
    abi::Timespec now = {}, later = {}, resolution = {};
    CHECK_OK(clock_gettime(abi::clock::realtime, &now));
    CHECK_GT(now.seconds, 1'500'000'000);
    CHECK_OK(clock_gettime(abi::clock::monotonic, &now));
    CHECK_OK(clock_gettime(abi::clock::monotonic, &later));
    CHECK(later.seconds > now.seconds ||
          (later.seconds == now.seconds && later.nanoseconds >= now.nanoseconds));
    CHECK_LT(now.nanoseconds, 1'000'000'000);
    CHECK_OK(clock_gettime(abi::clock::boottime, &later));
    CHECK_GE(later.seconds, now.seconds);
    CHECK_OK(clock_gettime(abi::clock::thread_cpu, &later));
    CHECK_OK(clock_getres(abi::clock::monotonic, &resolution));
    CHECK_EQ(resolution.seconds, 0);
    CHECK_GT(resolution.nanoseconds, 0);
    CHECK_ERRNO(clock_gettime(77, &now), Errno::einval);
}

TEST(call_time_sleep) {
    u64 before = now_ns();
    CHECK_OK(clock_nanosleep(abi::clock::monotonic, 0, &short_time));
    CHECK_GE(now_ns() - before, 20'000'000u);
    abi::Timespec deadline = {};
    CHECK_OK(clock_gettime(abi::clock::monotonic, &deadline));
    deadline.nanoseconds += 20'000'000;
    if (deadline.nanoseconds >= 1'000'000'000) {
        deadline.nanoseconds -= 1'000'000'000;
        deadline.seconds += 1;
    }
    before = now_ns();
    CHECK_OK(clock_nanosleep(abi::clock::monotonic, abi::timer_flag::absolute, &deadline));
    CHECK_GE(now_ns() - before, 15'000'000u);
    const abi::Timespec wrong = {0, 1'000'000'000};
    CHECK_ERRNO(clock_nanosleep(abi::clock::monotonic, 0, &wrong), Errno::einval);
}

TEST(call_time_interval_timer) {
    block(abi::signal::alrm);
    const abi::IntervalTimer value = {{0, 0}, {0, 15000}};
    CHECK_OK(setitimer(abi::interval_timer::real, &value));
    abi::IntervalTimer left = {};
    CHECK_OK(getitimer(abi::interval_timer::real, &left));
    CHECK_EQ(left.value.seconds, 0);
    CHECK_LE(left.value.microseconds, 15000);
    abi::SignalSet set = {};
    set.add(abi::signal::alrm);
    const abi::Timespec second = {5, 0};
    CHECK_EQ(rt_sigtimedwait(&set, nullptr, &second), abi::signal::alrm);
    const abi::IntervalTimer far = {{2, 3}, {100, 0}};
    CHECK_OK(setitimer(abi::interval_timer::real, &far));
    const abi::IntervalTimer off = {};
    CHECK_OK(setitimer(abi::interval_timer::real, &off, &left));
    CHECK_EQ(left.interval.seconds, 2);
    CHECK_EQ(left.interval.microseconds, 3);
    CHECK_ERRNO(setitimer(9, &off), Errno::einval);
}

} // namespace oxbow::test
