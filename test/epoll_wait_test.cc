// How long the epoll engine waits: never too short, whatever the kernel's call counts in.
#include "../syscall/time.h"
#include "epoll_help.h"

namespace oxbow::test {

namespace {

/// Answers waits in the kernel's place, so that nobody has to wait.
struct Waits {
    i32 milliseconds[8] = {};
    u64 nanoseconds[8] = {};
    u64 asked_ns[8] = {}; ///< when
    u32 count = 0;
    bool has_pwait2 = true;

    Waits() noexcept { set_handler(&Waits::answer, this); }
    ~Waits() { remove_handler(&Waits::answer, this); }

    static bool answer(void* context, long number, const long* arguments, int,
                       long* result) noexcept {
        Waits& self = *static_cast<Waits*>(context);
        if (number != oxbow::number::epoll_pwait && number != oxbow::number::epoll_pwait2) {
            return false;
        }
        *result = -Errno::eintr; // as a signal would: the loop then waits again
        const u32 at = self.count < 8 ? self.count++ : 7;
        self.asked_ns[at] = now_ns();
        if (number == oxbow::number::epoll_pwait) {
            self.milliseconds[at] = static_cast<i32>(arguments[3]);
        } else if (!self.has_pwait2) {
            *result = -Errno::enosys;
        } else {
            self.nanoseconds[at] =
                nanoseconds_of(*reinterpret_cast<const abi::Timespec*>(arguments[3]));
        }
        return true;
    }
};

bool stop_in_the_wait(void* loop, long number, const long*, int, long*) noexcept {
    if (number == oxbow::number::epoll_pwait || number == oxbow::number::epoll_pwait2) {
        static_cast<Loop*>(loop)->stop();
    }
    return false;
}

/// Runs until the loop waits: once, where Waits answers.
void run_into_the_wait(Loop& loop) noexcept {
    set_handler(stop_in_the_wait, &loop);
    CHECK_OK(loop.run(Run::once));
    remove_handler(stop_in_the_wait, &loop);
}

struct Case {
    const char* name;
    bool use_pwait2;
};
constexpr Case cases[] = {{"pwait2", true}, {"pwait", false}};

} // namespace

VARIANT_TEST(epoll_timers_are_never_early, cases) {
    EpollLoop loop({.use_pwait2 = row.use_pwait2});
    constexpr u64 durations_ns[] = {1, 999, 100'000, 999'999, 1'000'001, 1'500'000, 3'700'000};
    for (const u64 duration_ns : durations_ns) {
        Logged timer;
        const u64 begin_ns = now_ns();
        submit(*loop, timer, op::timer(duration_ns));
        reset_calls();
        run_until_ended(*loop, timer);
        CHECK_GE(now_ns() - begin_ns, duration_ns);
        // One wait and no busy loop for the rest of a millisecond.
        CHECK_LE(calls_made(number::epoll_pwait) + calls_made(number::epoll_pwait2), 3u);
    }
}

TEST(epoll_waits_in_milliseconds_are_rounded_up) {
    constexpr u64 duration_ns = 3'600'000 * ms;
    EpollLoop loop({.use_pwait2 = false});
    Waits waits;
    Logged timer;
    const u64 begin_ns = now_ns();
    submit(*loop, timer, op::timer(duration_ns));
    run_rounds(*loop); // no wait
    CHECK_EQ(waits.count, 0u);
    run_into_the_wait(*loop);
    CHECK_GE(waits.count, 1u);
    // No shorter than what is left, which is a little less than an hour; 1 ms less would be early.
    const u64 left_ns = begin_ns + duration_ns - waits.asked_ns[0];
    CHECK_GE(static_cast<u64>(waits.milliseconds[0]) * ms, left_ns);
    CHECK_LE(waits.milliseconds[0], 3'600'000);
    loop->cancel(timer.completion);
    run_rounds(*loop);
    CHECK(timer.ended());
}

TEST(epoll_falls_back_where_there_is_no_pwait2) {
    constexpr Errno errors[] = {Errno::enosys, Errno::eperm, Errno::einval};
    for (const Errno error : errors) {
        EpollLoop loop;
        fail_call(number::epoll_pwait2, error, 1, always);
        reset_calls();
        for (u32 i = 0; i < 3; ++i) {
            const u64 begin_ns = now_ns();
            CHECK(perform_on(*loop, op::timer(2'300'000)).ok());
            CHECK_GE(now_ns() - begin_ns, 2'300'000u);
        }
        CHECK_EQ(calls_made(number::epoll_pwait2), 1u); // it is asked once
        CHECK_GE(calls_made(number::epoll_pwait), 3u);
        clear_faults();
    }
}

VARIANT_TEST(epoll_waits_longer_than_the_kernel_can_count, cases) {
    EpollLoop loop({.use_pwait2 = row.use_pwait2});
    Waits waits;
    Completion timer;
    constexpr u64 day_ns = 86'400'000'000'000;
    constexpr u64 durations_ns[] = {25 * day_ns, 4000 * day_ns, ~u64{0} - 1, ~u64{0}};
    for (const u64 duration_ns : durations_ns) {
        waits.count = 0;
        loop->submit(timer, op::timer(duration_ns), nullptr);
        run_into_the_wait(*loop);
        CHECK_GE(waits.count, 1u);
        CHECK(!timer.idle()); // it did not end early
        if (!row.use_pwait2) {
            CHECK(waits.milliseconds[0] == 0x7fffffff || waits.milliseconds[0] == -1);
        } else if (duration_ns < ~u64{0} - 1) {
            CHECK_GE(waits.nanoseconds[0], duration_ns - day_ns);
            CHECK_LE(waits.nanoseconds[0], duration_ns);
        }
        loop->cancel(timer);
        run_rounds(*loop);
        CHECK(timer.idle());
    }
}

VARIANT_TEST(epoll_interrupted_waits_go_on, cases) {
    EpollLoop loop({.use_pwait2 = row.use_pwait2});
    interrupt_call(number::epoll_pwait, 1, 5);
    interrupt_call(number::epoll_pwait2, 1, 5);
    // A machine that is busy may come to few waits before the time of one timer.
    const u64 limit_ns = now_ns() + 20'000 * ms;
    while (faults_hit() < 5) {
        CHECK_LT(now_ns(), limit_ns);
        const u64 begin_ns = now_ns();
        CHECK(perform_on(*loop, op::timer(10 * ms)).ok());
        CHECK_GE(now_ns() - begin_ns, 10 * ms);
    }
}

TEST(epoll_errors_of_the_wait_end_the_run) {
    EpollLoop loop({.use_pwait2 = false});
    Completion timer;
    loop->submit(timer, op::timer(3'600'000 * ms), nullptr);
    fail_call(number::epoll_pwait, Errno::ebadf);
    CHECK_ERRNO(loop->run(Run::once), Errno::ebadf);
    CHECK(perform_on(*loop, op::timer(1 * ms)).ok()); // and the next one goes on
    loop->cancel(timer);
    run_rounds(*loop);
    CHECK(timer.idle());
}

TEST(epoll_attach_leaves_nothing_behind_when_it_fails) {
    const Resources before = resources();
    constexpr long calls[] = {number::epoll_create1, number::epoll_ctl};
    for (const long call : calls) {
        Loop loop;
        CHECK_OK(loop.prepare({}));
        const Resources prepared = resources();
        fail_call(call, Errno::emfile);
        CHECK_ERRNO(attach_epoll(loop), Errno::emfile);
        CHECK_SAME_RESOURCES(prepared);
        CHECK(!loop.is_open());
        loop.close();
    }
    Loop loop;
    fail_call(number::mmap, Errno::enomem); // of which there is one, with room for the engine
    CHECK_ERRNO(loop.prepare({}), Errno::enomem);
    CHECK_SAME_RESOURCES(before);
}

/// It asks once in a round: another call would bring those again that are watched level-triggered
/// and have not had their turn yet.
EPOLL_TEST(epoll_takes_more_events_than_one_call_brings) {
    constexpr u32 count = 300; // of pairs; one call brings 64
    static i32 pairs[count][2];
    static Logged logged[count];
    static char data[count];
    const i32 needed = static_cast<i32>(2 * count + 32);
    abi::Rlimit limit = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &limit));
    if (limit.current < static_cast<u64>(needed)) {
        limit.current = limit.maximum;
        if (limit.current < static_cast<u64>(needed)) {
            SKIP("too few descriptors are allowed");
        }
        CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &limit, nullptr));
    }
    for (u32 i = 0; i < count; ++i) {
        CHECK_OK(kernel::socketpair(abi::socket_family::local,
                                    abi::socket_type::stream | abi::socket_type::cloexec, 0,
                                    pairs[i]));
        submit(loop, logged[i], op::recv(pairs[i][0], &data[i], 1));
    }
    run_rounds(loop, 2);
    for (u32 i = 0; i < count; ++i) {
        send_text(pairs[i][1], "x");
    }
    reset_calls();
    u32 rounds = 0;
    for (i32 ended = 0; ended < static_cast<i32>(count); ++rounds) {
        ended += CHECK_OK(loop.run(Run::once));
    }
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(logged[i].last.value, 1);
        CHECK_OK(kernel::close(pairs[i][0]));
        CHECK_OK(kernel::close(pairs[i][1]));
    }
    CHECK_EQ(rounds, 5u);
    CHECK_EQ(calls_made(number::epoll_pwait) + calls_made(number::epoll_pwait2), rounds);
    CHECK_EQ(calls_made(number::recvfrom), count);
}

EPOLL_TEST(epoll_other_threads_wake_a_loop_that_waits_for_ever) {
    Async async(loop);
    Logged logged;
    submit(loop, logged, op::notification(async));
    // Here and now, as a signal handler would in the middle of the wait.
    struct Notify {
        static bool in_the_wait(void* context, long number, const long* arguments, int,
                                long*) noexcept {
            if (number == oxbow::number::epoll_pwait && arguments[3] == -1) {
                static_cast<Async*>(context)->notify();
            }
            return false;
        }
    };
    set_handler(&Notify::in_the_wait, &async);
    for (u32 i = 1; i <= 3; ++i) {
        CHECK_OK(loop.run(Run::once));
        CHECK_EQ(logged.count, i);
        if (i < 3) {
            submit(loop, logged, op::notification(async));
        }
    }
    remove_handler(&Notify::in_the_wait, &async);
    CHECK_EQ(calls_made(number::read), 0u); // the counter is never read
}

} // namespace oxbow::test
