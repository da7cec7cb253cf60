// The contract's line 7, errnos: signals and refusals that come and go never reach the user, and do
// not move a deadline.
#include "hook.h"
#include "loop_echo.h"
#include "loop_pending.h"

#include "../syscall/atomic.h"

namespace oxbow::test {
namespace {

constexpr u64 us = 1000;

// ---- Signals ------------------------------------------------------------------------------------

constinit u32 alarms = 0;
constinit u32 alarms_left = 0; ///< so that a slow machine gets to something else in the end

void set_alarms(long interval_us) noexcept {
    const HookPause pause;
    const abi::IntervalTimer timer = {{0, interval_us}, {0, interval_us}};
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &timer));
}

void on_alarm(i32) noexcept {
    store_release(&alarms, load_relaxed(&alarms) + 1);
    const u32 left = load_relaxed(&alarms_left) - 1;
    store_release(&alarms_left, left);
    if (left == 0) {
        set_alarms(0);
    }
}

/// SIGALRM every so often, to a handler that restarts nothing.
class AlarmStorm {
  public:
    explicit AlarmStorm(long interval_us, u32 most = 5000) noexcept {
        abi::SignalAction action = {};
        action.handler = reinterpret_cast<uptr>(&on_alarm);
        CHECK_OK(kernel::rt_sigaction(abi::signal::alrm, &action));
        store_release(&alarms_left, most);
        set_alarms(interval_us);
    }
    ~AlarmStorm() { set_alarms(0); }
    AlarmStorm(const AlarmStorm&) = delete;
    AlarmStorm& operator=(const AlarmStorm&) = delete;
};

/// A mixture of everything that a signal can interrupt. No system call of its own is made while it
/// runs, but those of the loop.
class Workload {
  public:
    void begin(Loop& loop) noexcept {
        crowd_.begin(loop, 20);
        listener_ = make_listener();
        client_ = make_tcp_socket();
        file_ = make_file();
        pipe_ = make_pipe();
        for (u32 i = 0; i < bytes; ++i) {
            sent_[i] = static_cast<u8>(i * 13);
        }
        submit(loop, accept_, op::accept(listener_.fd));
        submit(loop, connect_, op::connect(client_, &listener_.address, sizeof(listener_.address)));
        submit(loop, write_, op::write_all(pipe_.writer, sent_, bytes));
        submit(loop, read_, op::read_all(pipe_.reader, got_, bytes));
        submit(loop, save_, op::pwrite_all(file_, sent_, bytes, 0));
        loop.then(save_.completion, sync_.completion, op::fdatasync(file_), sync_.handler());
        loop.then(sync_.completion, load_.completion, op::pread_all(file_, loaded_, bytes, 0),
                  load_.handler());
        submit(loop, timer_, op::timer(8 * ms));
        submit(loop, periodic_, op::timer_every(300 * us));
    }
    [[nodiscard]] bool done() const noexcept {
        return crowd_.done() && accept_.ended() && connect_.ended() && write_.ended() &&
               read_.ended() && load_.ended() && timer_.ended() && periodic_.count >= 10;
    }
    /// Where it has come to, for whoever reads why it came no further.
    void tell() const noexcept {
        note("echoed", crowd_.done());
        note("accepted, connected", accept_.count * 10 + connect_.count);
        note("written, read", write_.count * 10 + read_.count);
        note("saved, synced, loaded", save_.count * 100 + sync_.count * 10 + load_.count);
        note("timers", timer_.count * 1000 + periodic_.count);
    }
    void check() noexcept {
        CHECK_OK(kernel::close(CHECK_OK(accept_.last.value)));
        CHECK_EQ(connect_.last.value, 0);
        CHECK_EQ(write_.last.value, static_cast<i32>(bytes));
        CHECK_EQ(read_.last.value, static_cast<i32>(bytes));
        CHECK_EQ(save_.last.value, static_cast<i32>(bytes));
        CHECK_EQ(sync_.last.value, 0);
        CHECK_EQ(load_.last.value, static_cast<i32>(bytes));
        CHECK_BYTES(got_, sent_, bytes);
        CHECK_BYTES(loaded_, sent_, bytes);
        CHECK_EQ(timer_.last.value, 1);
        CHECK(periodic_.last.ok());
        const Logged* const once[] = {&accept_, &connect_, &write_, &read_,
                                      &save_,   &sync_,    &load_,  &timer_};
        for (const Logged* logged : once) {
            CHECK_EQ(logged->count, 1u);
        }
    }
    void end(Loop& loop) noexcept {
        loop.cancel(periodic_.completion);
        CHECK_OK(loop.run());
    }

  private:
    // One at a time, and too much for a small stack.
    static constexpr u32 bytes = 100'000;
    static inline constinit u8 sent_[bytes] = {};
    static inline constinit u8 got_[bytes] = {};
    static inline constinit u8 loaded_[bytes] = {};

    EchoCrowd<8> crowd_;
    BoundSocket listener_;
    Fd client_;
    Fd file_;
    Pipe pipe_;
    Logged accept_;
    Logged connect_;
    Logged write_;
    Logged read_;
    Logged save_;
    Logged sync_;
    Logged load_;
    Logged timer_;
    Logged periodic_;
};

void run_to_its_end(Loop& loop, Workload& workload) noexcept {
    const u64 limit_ns = now_ns() + patience_ns;
    while (!workload.done()) {
        if (now_ns() >= limit_ns) {
            workload.tell();
        }
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(loop.run(Run::once));
    }
}

LOOP_TEST(loop_transient_signals_interrupt_nothing) {
    SKIP_WITH_THREAD_SANITIZER();
    if (row.is_uring() && kernel_at_least(5, 16)) {
        // A thread of the ring's does it else, and on 6.1 one that signals keep from starting does
        // not start any more: see README, Limits.
        SKIP_WITHOUT("pipes that need no thread");
    }
    // Signals go to the thread of the loop: the library's own block them.
    Workload workload;
    workload.begin(loop);
    {
        const AlarmStorm storm(200);
        run_to_its_end(loop, workload);
        while (load_acquire(&alarms) == 0) { // however fast all that was
            CHECK_OK(loop.run_for(1 * ms));
        }
    }
    workload.check();
    workload.end(loop);
}

LOOP_TEST(loop_transient_signals_while_threads_are_started) {
    SKIP_WITH_THREAD_SANITIZER();
    // A signal can keep the kernel from starting the thread that is to write, and the ring then
    // drops what that thread was to do, as if it had been cancelled. A new loop has no threads.
    constexpr u32 writes = 4;
    const Fd file = make_file();
    for (u32 i = 0; i < effort(60); ++i) {
        ConfiguredLoop fresh(row);
        Logged logged[writes];
        const AlarmStorm storm(10, 2000);
        for (u32 at = 0; at < writes; ++at) {
            submit(*fresh, logged[at],
                   (at & 1) != 0 ? op::pwrite_all(file, "0123456789abcdef", 16, 0)
                                 : op::fdatasync(file));
        }
        CHECK_OK(fresh->run());
        for (u32 at = 0; at < writes; ++at) {
            CHECK_EQ(logged[at].last.value, (at & 1) != 0 ? 16 : 0);
        }
    }
}

LOOP_TEST(loop_transient_signals_move_no_deadline) {
    SKIP_WITH_THREAD_SANITIZER();
    Logged timer;
    const u64 begin_ns = now_ns();
    submit(loop, timer, op::timer(6 * ms));
    {
        const AlarmStorm storm(300);
        CHECK_EQ(loop.run(Run::once), 1); // a signal is no callback
        CHECK_GE(now_ns(), begin_ns + 6 * ms);
        CHECK_EQ(timer.last.value, 1);
        const u64 again_ns = now_ns();
        CHECK_EQ(loop.run_for(4 * ms), 0);
        CHECK_GE(now_ns(), again_ns + 4 * ms);
        while (load_acquire(&alarms) < 2) { // however fast or slow all that was
            CHECK_EQ(loop.run_for(1 * ms), 0);
        }
    }
}

LOOP_TEST(loop_transient_signals_during_each_kind) {
    SKIP_WITH_THREAD_SANITIZER();
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect) {
            continue;
        }
        Pending pending(loop, kind);
        pending.submit();
        {
            const AlarmStorm storm(100);
            const u32 before = load_acquire(&alarms);
            while (load_acquire(&alarms) < before + 3) {
                CHECK_OK(loop.run_for(200 * us));
            }
        }
        CHECK_EQ(pending.logged.count, 0u);
        pending.provoke();
        run_until(loop, [&]() noexcept { return pending.logged.count != 0; });
        pending.check_came(pending.logged.log[0]);
        loop.cancel(pending.logged.completion);
        CHECK_OK(loop.run());
    }
}

// ---- Injected -----------------------------------------------------------------------------------

/// What the loop's thread, or a worker, asks of the kernel while it works.
constexpr long calls_of_work[] = {
    number::io_uring_enter, number::epoll_pwait, number::epoll_pwait2, number::ppoll,
    number::recvfrom,       number::sendto,      number::recvmsg,      number::sendmsg,
    number::accept4,        number::connect,     number::read,         number::write,
};
constexpr long calls_of_files[] = {
    number::pread64, number::pwrite64, number::readv,     number::writev,
    number::preadv2, number::pwritev2, number::fdatasync,
};

/// Drawn, and not every second one: a round that makes two of them would have the same one
/// interrupted for ever.
void interrupt_half_of(long call) noexcept {
    inject({.number = call, .times = always, .chance = 500, .seed = test_seed()});
}

LOOP_TEST(loop_transient_calls_that_are_interrupted) {
    Workload workload;
    workload.begin(loop);
    for (const long call : calls_of_work) {
        interrupt_half_of(call);
    }
    run_to_its_end(loop, workload);
    clear_faults();
    workload.check();
    workload.end(loop);
}

LOOP_TEST(loop_transient_calls_on_files_that_are_interrupted) {
    Workload workload;
    workload.begin(loop);
    for (const long call : calls_of_files) {
        interrupt_half_of(call);
    }
    run_to_its_end(loop, workload);
    clear_faults();
    workload.check();
    workload.end(loop);
}

LOOP_TEST(loop_transient_calls_that_are_interrupted_at_random) {
    Random random;
    Workload workload;
    workload.begin(loop);
    for (const long call : calls_of_work) {
        inject({.number = call,
                .kind = Fault::interrupt,
                .times = always,
                .chance = 400,
                .seed = random.next()});
    }
    run_to_its_end(loop, workload);
    clear_faults();
    workload.check();
    workload.end(loop);
}

LOOP_TEST(loop_transient_waits_that_are_interrupted) {
    constexpr long waits[] = {number::io_uring_enter, number::epoll_pwait, number::epoll_pwait2,
                              number::ppoll};
    for (const long wait : waits) {
        interrupt_call(wait, 1, 5);
    }
    Logged timer;
    const u64 begin_ns = now_ns();
    submit(loop, timer, op::timer(2 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_GE(now_ns(), begin_ns + 2 * ms);
    clear_faults();
    for (const long wait : waits) {
        interrupt_call(wait, 1, 5);
    }
    CHECK_EQ(loop.run_for(2 * ms), 0);
    CHECK_GE(now_ns(), begin_ns + 4 * ms);
    clear_faults();
}

LOOP_TEST(loop_transient_waits_that_have_no_memory) {
    // io_uring_enter: no memory for a request now. The others do not say so.
    Workload workload;
    workload.begin(loop);
    inject({.number = number::io_uring_enter,
            .nth = 1,
            .kind = Fault::fail,
            .errno_value = static_cast<i32>(Errno::eagain),
            .times = 30,
            .every = 2});
    run_to_its_end(loop, workload);
    clear_faults();
    workload.check();
    workload.end(loop);
}

LOOP_TEST(loop_transient_wait_that_this_kernel_lacks) {
    // Found out in the middle of a run, as under a filter that was installed later.
    fail_call(number::epoll_pwait2, Errno::enosys, 2, always);
    Workload workload;
    workload.begin(loop);
    run_to_its_end(loop, workload);
    clear_faults();
    workload.check();
    workload.end(loop);
}

LOOP_TEST(loop_transient_transfers_that_are_short) {
    Workload workload;
    workload.begin(loop);
    constexpr long transfers[] = {number::read,     number::write,   number::pread64,
                                  number::pwrite64, number::preadv2, number::pwritev2};
    for (const long transfer : transfers) {
        inject(
            {.number = transfer, .nth = 1, .kind = Fault::shorten, .times = always, .limit = 3001});
    }
    run_to_its_end(loop, workload);
    clear_faults();
    workload.check();
    workload.end(loop);
}

} // namespace
} // namespace oxbow::test
