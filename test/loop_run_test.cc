// The contract's eleventh line: how long a run goes on, what ends it, draining, and what is left
// when a loop is closed.
#include "../syscall/atomic.h"
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u64 never_ns = 1'000'000 * ms;

/// Time that this thread has run.
[[nodiscard]] u64 cpu_time_ns() noexcept {
    abi::Timespec time = {};
    CHECK_OK(kernel::clock_gettime(abi::clock::thread_cpu, &time));
    return static_cast<u64>(time.seconds) * 1'000'000'000 + static_cast<u64>(time.nanoseconds);
}

// ---- no_wait ------------------------------------------------------------------------------------

LOOP_TEST(loop_run_no_wait_never_blocks) {
    Logged timer;
    Logged receiving;
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    CHECK_EQ(loop.run(Run::no_wait), 0); // nothing at all
    submit(loop, timer, op::timer(never_ns));
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    // Were a round to wait, it would wait until the test is killed.
    for (u32 i = 0; i < 100; ++i) {
        CHECK_EQ(loop.run(Run::no_wait), 0);
    }
    CHECK_EQ(timer.count + receiving.count, 0u);
    end_all(loop);
}

LOOP_TEST(loop_run_no_wait_runs_what_is_ready) {
    Logged nops[5];
    for (Logged& nop : nops) {
        submit(loop, nop, op::nop());
    }
    CHECK_EQ(nops[0].count, 0u); // never inside submit
    CHECK_EQ(loop.run(Run::no_wait), 5);
    for (u32 i = 0; i < 5; ++i) {
        CHECK_EQ(nops[i].count, 1u);
        CHECK_EQ(nops[i].sequence, i + 1); // in order
    }
    CHECK_EQ(loop.run(Run::no_wait), 0);
}

LOOP_TEST(loop_run_no_wait_sees_what_has_happened) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receiving;
    Logged timer;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, timer, op::timer(1));
    write_text(pair.far, "x");
    const u64 limit_ns = now_ns() + 20'000 * ms;
    while (!receiving.ended() || !timer.ended()) {
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_EQ(receiving.last.value, 1);
}

// ---- once ---------------------------------------------------------------------------------------

LOOP_TEST(loop_run_once_waits_for_one_callback) {
    const u64 start_ns = now_ns();
    Logged timer;
    Logged later;
    submit(loop, timer, op::timer(10 * ms));
    submit(loop, later, op::timer(never_ns));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_GE(now_ns() - start_ns, 10 * ms);
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(later.count, 0u);
    end_all(loop);
}

LOOP_TEST(loop_run_once_returns_where_nothing_is_in_flight) {
    CHECK_EQ(loop.run(Run::once), 0);
    Logged nop;
    submit(loop, nop, op::nop());
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(loop.run(Run::once), 0);
}

/// A completion without a callback is one of the user's all the same.
LOOP_TEST(loop_run_once_counts_completions_without_a_callback) {
    Completion nobody;
    Logged later;
    submit(loop, later, op::timer(never_ns));
    loop.submit(nobody, op::timer(1 * ms), nullptr);
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK(nobody.idle());
    end_all(loop);
}

/// Each of these is an event for the loop and none for the user.
struct Disturbance {
    Loop* loop;
    Async* async;
    i32 pipe_writer;
    u32 go = 0;
    u32 done = 0;
};

void disturb(void* context, u32) noexcept {
    auto& with = *static_cast<Disturbance*>(context);
    const u64 one = 1;
    await(with.go, 1);
    sleep_ms(2); // it sleeps, or will: both must hold
    CHECK_EQ(kernel::write(with.loop->wake_fd(), &one, sizeof(one)), 8); // a wake-up for nothing
    with.async->notify();                                                // nobody waits for it
    CHECK_EQ(kernel::write(with.pipe_writer, "ab", 2), 2);               // a part of what is read
    add(with.done);
}

LOOP_TEST(loop_run_once_does_not_return_for_internal_events) {
    const Pipe pipe = make_pipe();
    u8 data[16];
    Async async(loop);
    Logged timer;
    Logged part;
    const u64 start_ns = now_ns();
    submit(loop, timer, op::timer(20 * ms));
    submit(loop, part, op::read_all(pipe.reader, data, sizeof(data)));
    Disturbance with = {&loop, &async, pipe.writer};
    Team team(1, disturb, &with);
    add(with.go);
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(part.count, 0u);
    CHECK_GE(now_ns() - start_ns, 20 * ms);
    await(with.done, 1);
    end_all(loop);
}

/// Nor for the internal end of what was asked for without a callback: Loop::cancel's own request.
LOOP_TEST(loop_run_once_does_not_return_for_its_own_requests) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receiving;
    Logged timer;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    loop.cancel(receiving.completion);
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(receiving.count, 1u);
    CHECK(receiving.last.is(Errno::ecanceled));
    // The request's own end may still be on its way: the next run waits for the timer.
    submit(loop, timer, op::timer(5 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(timer.count, 1u);
}

LOOP_TEST(loop_run_once_returns_for_a_result_with_more) {
    Logged timer;
    submit(loop, timer, op::timer_every(2 * ms));
    for (u32 i = 1; i <= 3; ++i) {
        CHECK_EQ(loop.run(Run::once), 1);
        CHECK_EQ(timer.count, i);
        CHECK(timer.last.more());
    }
    end_all(loop);
}

// ---- until_done ---------------------------------------------------------------------------------

LOOP_TEST(loop_run_until_done_runs_until_nothing_is_in_flight) {
    CHECK_EQ(loop.run(), 0);
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged timers[3];
    Logged receiving;
    struct Sender {
        i32 fd;
        static Action send(Loop&, Completion&, Result, void* user) noexcept {
            write_text(static_cast<Sender*>(user)->fd, "late");
            return Action::disarm;
        }
    } sender = {pair.far};
    Completion sending;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    // Each begins when it is submitted, so they are further apart than a slow machine submits.
    submit(loop, timers[0], op::timer(60 * ms));
    submit(loop, timers[1], op::timer(30 * ms));
    submit(loop, timers[2], op::timer(0));
    loop.submit(sending, op::timer(90 * ms), Sender::send, &sender);
    CHECK_EQ(loop.run(), 5);
    CHECK_EQ(loop.in_flight(), 0u);
    CHECK_EQ(receiving.last.value, 4);
    CHECK_LT(timers[2].sequence, timers[1].sequence);
    CHECK_LT(timers[1].sequence, timers[0].sequence);
    CHECK_LT(timers[0].sequence, receiving.sequence);
}

/// What callbacks begin is waited for too.
LOOP_TEST(loop_run_until_done_waits_for_what_callbacks_begin) {
    struct Chain {
        Completion completion;
        u32 left = 20;
        static Action next(Loop& loop, Completion& completion, Result, void* user) noexcept {
            Chain& self = *static_cast<Chain*>(user);
            if (--self.left != 0) {
                const u64 duration_ns = (self.left & 7) == 0 ? 1 * ms : 0;
                loop.submit(completion, self.left % 2 == 0 ? op::nop() : op::timer(duration_ns),
                            next, user);
            }
            return Action::disarm;
        }
    } chain;
    loop.submit(chain.completion, op::nop(), Chain::next, &chain);
    CHECK_EQ(loop.run(), 20);
    CHECK_EQ(chain.left, 0u);
}

// ---- run_for ------------------------------------------------------------------------------------

LOOP_TEST(loop_run_for_runs_that_long) {
    u64 start_ns = now_ns();
    CHECK_EQ(loop.run_for(5 * ms), 0); // though nothing is in flight
    CHECK_GE(now_ns() - start_ns, 5 * ms);
    Logged soon;
    Logged late;
    submit(loop, soon, op::timer(1 * ms));
    submit(loop, late, op::timer(never_ns));
    start_ns = now_ns();
    CHECK_EQ(loop.run_for(10 * ms), 1); // and does not end with the first callback
    CHECK_GE(now_ns() - start_ns, 10 * ms);
    CHECK_EQ(soon.count, 1u);
    CHECK_EQ(late.count, 0u);
    end_all(loop);
}

LOOP_TEST(loop_run_for_nothing_is_one_round) {
    Logged nop;
    Logged late;
    submit(loop, nop, op::nop());
    submit(loop, late, op::timer(never_ns));
    CHECK_EQ(loop.run_for(0), 1);
    CHECK_EQ(nop.count, 1u);
    CHECK_EQ(loop.run_for(0), 0);
    end_all(loop);
}

/// It ends though callbacks never cease.
LOOP_TEST(loop_run_for_ends_under_load) {
    Logged busy;
    busy.rearms = true;
    submit(loop, busy, op::nop());
    const u64 start_ns = now_ns();
    const i32 callbacks = CHECK_OK(loop.run_for(50 * ms));
    CHECK_GE(now_ns() - start_ns, 50 * ms);
    CHECK_GT(callbacks, 1);
    CHECK_EQ(busy.count, static_cast<u32>(callbacks));
    busy.rearms = false;
    CHECK_EQ(loop.run(), 1);
}

LOOP_TEST(loop_run_for_ever_ends_with_stop) {
    struct Stopper {
        static Action stop(Loop& loop, Completion&, Result, void*) noexcept {
            loop.stop();
            return Action::disarm;
        }
    };
    Completion stopping;
    loop.submit(stopping, op::timer(2 * ms), Stopper::stop);
    CHECK_EQ(loop.run_for(~u64{0}), 1); // the sum saturates
}

// ---- stop ---------------------------------------------------------------------------------------

Action stop_loop(Loop& loop, Completion&, Result, void* user) noexcept {
    ++*static_cast<u32*>(user);
    loop.stop();
    return Action::disarm;
}

LOOP_TEST(loop_run_stop_takes_effect_before_the_next_callback) {
    Logged nops[4];
    Completion stopping;
    u32 stops = 0;
    submit(loop, nops[0], op::nop());
    loop.submit(stopping, op::nop(), stop_loop, &stops);
    submit(loop, nops[1], op::nop());
    submit(loop, nops[2], op::nop());
    CHECK_EQ(loop.run(), 2);
    CHECK_EQ(nops[0].count, 1u);
    CHECK_EQ(nops[1].count + nops[2].count, 0u);
    // What was ready waits for the next run, in front of what comes later.
    submit(loop, nops[3], op::nop());
    CHECK_EQ(loop.run(), 3);
    CHECK_LT(nops[1].sequence, nops[2].sequence);
    CHECK_LT(nops[2].sequence, nops[3].sequence);
    CHECK_EQ(stops, 1u);
}

LOOP_TEST(loop_run_stop_leaves_operations_in_flight) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receiving;
    Completion stopping;
    u32 stops = 0;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    loop.submit(stopping, op::timer(1 * ms), stop_loop, &stops);
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(loop.in_flight(), 1u);
    write_text(pair.far, "x");
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(receiving.count, 1u);
}

LOOP_TEST(loop_run_stop_before_a_run) {
    Logged nop;
    Logged late;
    submit(loop, nop, op::nop());
    submit(loop, late, op::timer(never_ns));
    loop.stop();
    CHECK_EQ(loop.run(), 0);
    CHECK_EQ(nop.count, 0u);
    CHECK_EQ(loop.run(Run::once), 1); // it held for one run only
    CHECK_EQ(nop.count, 1u);
    loop.stop();
    const u64 start_ns = now_ns();
    CHECK_EQ(loop.run_for(never_ns), 0);
    CHECK_LT(now_ns() - start_ns, never_ns / 2);
    loop.stop();
    CHECK_EQ(loop.run(Run::once), 0);
    loop.stop();
    CHECK_EQ(loop.run(Run::no_wait), 0);
    end_all(loop);
}

LOOP_TEST(loop_run_stop_within_a_multishot) {
    Logged timer;
    Completion stopping;
    u32 stops = 0;
    submit(loop, timer, op::timer_every(1 * ms));
    loop.submit(stopping, op::timer_every(20 * ms), stop_loop, &stops);
    CHECK_OK(loop.run());
    CHECK_EQ(stops, 1u);
    CHECK_OK(loop.run());
    CHECK_EQ(stops, 2u);
    CHECK_GE(timer.count, 2u);
    end_all(loop);
}

/// The batch limit only divides the work into rounds.
VARIANT_TEST(loop_run_batch_limit, loop_configurations) {
    ConfiguredLoop loop(row, {.batch_max = 3});
    Logged nops[10];
    for (Logged& nop : nops) {
        submit(*loop, nop, op::nop());
    }
    CHECK_EQ(loop->run(Run::no_wait), 3);
    CHECK_EQ(loop->run(Run::no_wait), 3);
    CHECK_EQ(loop->run(), 4);
    for (u32 i = 0; i < 10; ++i) {
        CHECK_EQ(nops[i].sequence, i + 1);
    }
}

// ---- drain --------------------------------------------------------------------------------------

LOOP_TEST(loop_run_drain_ends_everything) {
    Everything everything(loop);
    CHECK_EQ(loop.in_flight(), everything.count());
    everything.drain();
    CHECK_EQ(loop.in_flight(), 0u);
}

LOOP_TEST(loop_run_drain_of_nothing_returns) {
    CHECK_EQ(loop.drain(), 0u);
    CHECK_EQ(loop.drain(0), 0u);
}

/// What callbacks begin meanwhile is cancelled as well.
LOOP_TEST(loop_run_drain_ends_what_callbacks_begin) {
    const SocketPair pair = make_socket_pair();
    struct Again {
        i32 fd;
        u32 calls = 0;
        u8 data[8] = {};
        static Action again(Loop& loop, Completion& completion, Result result,
                            void* user) noexcept {
            Again& self = *static_cast<Again*>(user);
            CHECK(result.is(Errno::ecanceled));
            if (++self.calls == 10) {
                return Action::disarm;
            }
            if (self.calls % 2 == 0) {
                return Action::rearm;
            }
            loop.submit(completion, op::recv(self.fd, self.data, sizeof(self.data)), again, user);
            return Action::disarm;
        }
    } with = {pair.near};
    Completion completion;
    loop.submit(completion, op::recv(pair.near, with.data, sizeof(with.data)), Again::again, &with);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(loop.drain(now_ns() + 20'000 * ms), 0u);
    CHECK_EQ(with.calls, 10u);
    // And the loop can be used again.
    CHECK_EQ(perform_on(loop, op::nop()).value, 0);
    write_text(pair.far, "x");
    CHECK_EQ(perform_on(loop, op::recv(pair.near, with.data, 8)).value, 1);
}

/// A close in a callback of a drain closes.
LOOP_TEST(loop_run_drain_lets_callbacks_close) {
    SocketPair pair = make_socket_pair();
    struct Closer {
        i32 fd;
        Logged closing{};
        u8 data[8] = {};
        static Action close(Loop& loop, Completion&, Result result, void* user) noexcept {
            Closer& self = *static_cast<Closer*>(user);
            CHECK(result.is(Errno::ecanceled));
            submit(loop, self.closing, op::close(self.fd));
            return Action::disarm;
        }
    } with = {pair.near};
    Completion receiving;
    loop.submit(receiving, op::recv(pair.near, with.data, 8), Closer::close, &with);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(loop.drain(now_ns() + 20'000 * ms), 0u);
    CHECK_EQ(with.closing.count, 1u);
    CHECK_EQ(with.closing.last.value, 0);
    CHECK(!is_open(pair.near.release()));
}

/// Where one refuses to end, the deadline does: and the one is not lost.
LOOP_TEST(loop_run_drain_has_a_deadline) {
    struct Stubborn {
        u32 calls = 0;
        static Action again(Loop&, Completion&, Result, void* user) noexcept {
            ++static_cast<Stubborn*>(user)->calls;
            return Action::rearm;
        }
    } stubborn;
    Completion completion;
    Logged timer;
    loop.submit(completion, op::timer(never_ns), Stubborn::again, &stubborn);
    submit(loop, timer, op::timer(never_ns));
    const u64 start_ns = now_ns();
    CHECK_EQ(loop.drain(start_ns + 5 * ms), 1u);
    CHECK_GE(now_ns() - start_ns, 5 * ms);
    CHECK_GT(stubborn.calls, 0u);
    CHECK_EQ(loop.in_flight(), 1u);
    CHECK_EQ(timer.count, 1u);
    CHECK(timer.last.is(Errno::ecanceled));
    CHECK(!completion.idle());
    completion.callback = nullptr; // gives in
    CHECK_EQ(loop.drain(), 0u);
}

/// What cannot be cancelled, here an open that waits for another process, ends by itself, and what
/// it opened is handed over.
LOOP_TEST(loop_run_drain_loses_no_opened_descriptor) {
    char path[256];
    temp_path(path);
    constexpr u32 fifo = 0010600;
    CHECK_OK(kernel::mknodat(abi::at_fdcwd, path, fifo, 0));
    Logged opening;
    submit(loop, opening,
           op::openat(abi::at_fdcwd, path, abi::open_flag::write_only | abi::open_flag::cloexec));
    CHECK_OK(loop.run(Run::no_wait));
    CHECK_EQ(opening.count, 0u);
    const u32 left = loop.drain(now_ns() + 30 * ms);
    if (left == 0) {
        CHECK(opening.last.is(Errno::ecanceled)); // io_uring interrupts it
        return;
    }
    CHECK_EQ(left, 1u);
    const Fd reader(CHECK_OK(kernel::openat(abi::at_fdcwd, path,
                                            abi::open_flag::read_only | abi::open_flag::nonblock |
                                                abi::open_flag::cloexec)));
    CHECK_EQ(loop.drain(now_ns() + 20'000 * ms), 0u);
    CHECK_EQ(opening.count, 1u);
    const Fd opened(CHECK_OK(opening.last.value));
    write_text(opened, "mine");
    CHECK_READS(reader, "mine");
}

// ---- Nothing is lost or leaked ------------------------------------------------------------------

/// A connection that comes while its accept is being cancelled: the accept has it, or the next one.
LOOP_TEST(loop_run_cancelled_accept_loses_no_connection) {
    const BoundSocket listener = make_listener();
    Random random;
    u32 accepted = 0;
    for (u32 round = 0; round < 60; ++round) {
        Logged first;
        submit(loop, first, op::accept(listener.fd));
        if (random.chance(500)) {
            CHECK_OK(loop.run(Run::no_wait));
        }
        const Fd client = make_tcp_socket();
        const bool connects_first = random.chance(500);
        if (!connects_first) {
            loop.cancel(first.completion);
        }
        if (random.chance(300)) {
            CHECK_OK(loop.run(Run::no_wait));
        }
        CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
        if (connects_first) {
            if (random.chance(300)) {
                CHECK_OK(loop.run(Run::no_wait));
            }
            loop.cancel(first.completion);
        }
        run_until_ended(loop, first);
        Fd connection;
        if (first.last.ok()) {
            connection = Fd(first.last.fd());
            ++accepted;
        } else {
            CHECK(first.last.is(Errno::ecanceled));
            connection = Fd(CHECK_OK(perform_on(loop, op::accept(listener.fd)).value));
        }
        write_text(client, "you");
        CHECK_READS(connection, "you");
    }
    note("accepted in spite of the cancel:", accepted);
}

LOOP_TEST(loop_run_cancelled_multishot_accept_loses_no_connection) {
    const BoundSocket listener = make_listener();
    Random random;
    for (u32 round = 0; round < 20; ++round) {
        Logged log;
        submit(loop, log, op::accept_multishot(listener.fd));
        const u32 clients = random.between(1, 5);
        const u32 cancel_at = random.below(clients + 1);
        Fd client[5];
        for (u32 i = 0; i < clients; ++i) {
            if (i == cancel_at) {
                loop.cancel(log.completion);
            }
            client[i] = make_tcp_socket();
            CHECK_OK(connect_blocking(client[i], &listener.address, sizeof(listener.address)));
            if (random.chance(500)) {
                CHECK_OK(loop.run(Run::no_wait));
            }
        }
        loop.cancel(log.completion);
        run_until_ended(loop, log);
        u32 connections = 0;
        for (u32 i = 0; i < log.count; ++i) {
            if (log.log[i].ok()) {
                CHECK_OK(kernel::close(log.log[i].fd()));
                ++connections;
            }
        }
        for (; connections < clients; ++connections) {
            CHECK_OK(kernel::close(perform_on(loop, op::accept(listener.fd)).fd()));
        }
    }
}

/// Every descriptor of an open that was cancelled is the caller's, or is not there.
LOOP_TEST(loop_run_cancelled_open_loses_no_descriptor) {
    const i32 fds = open_fd_count();
    Random random;
    u32 opened = 0;
    for (u32 round = 0; round < 60; ++round) {
        Logged log;
        submit(loop, log,
               op::openat(abi::at_fdcwd, "/proc/self/stat",
                          abi::open_flag::read_only | abi::open_flag::cloexec));
        if (random.chance(500)) {
            CHECK_OK(loop.run(Run::no_wait));
        }
        loop.cancel(log.completion);
        run_until_ended(loop, log);
        if (log.last.ok()) {
            ++opened;
            CHECK_OK(kernel::close(log.last.fd()));
        } else {
            CHECK(log.last.is(Errno::ecanceled));
        }
        CHECK_EQ(open_fd_count(), fds);
    }
    note("opened in spite of the cancel:", opened);
}

/// LOOP_TEST itself compares descriptors and mappings after each test. Here: a loop that had
/// everything in flight, and one that never ran, are opened and closed again and again.
VARIANT_TEST(loop_run_close_leaks_nothing, loop_configurations) {
    const Resources before = resources();
    for (u32 round = 0; round < 3; ++round) {
        {
            ConfiguredLoop loop(row);
            Everything everything(*loop);
            everything.drain();
        }
        CHECK_SAME_RESOURCES(before);
        { ConfiguredLoop loop(row); }
        CHECK_SAME_RESOURCES(before);
    }
}

VARIANT_TEST(loop_run_close_twice, loop_configurations) {
    ConfiguredLoop configured(row); // sets the kernel up
    const Resources before = resources();
    Loop loop;
    loop.close(); // one that was never open
    CHECK_STREQ(loop.engine_name(), "none");
    for (u32 round = 0; round < 3; ++round) {
        CHECK_OK(open_as(loop, row));
        CHECK(loop.is_open());
        CHECK_EQ(perform_on(loop, op::timer(1)).value, 1);
        loop.close();
        loop.close();
        CHECK(!loop.is_open());
        CHECK_SAME_RESOURCES(before);
    }
}

// ---- Idleness -----------------------------------------------------------------------------------

/// A loop that waits makes hardly a call and uses hardly any time.
LOOP_TEST(loop_run_idle_costs_nothing) {
    Everything everything(loop);
    CHECK_OK(loop.run_for(20 * ms)); // most often, worker threads have got to where they wait
    const u64 limit_ns = now_ns() + 20'000 * ms;
    for (bool quiet = false; !quiet;) {
        const u64 start_ns = now_ns();
        CHECK_LT(start_ns, limit_ns);
        const u64 cpu_ns = cpu_time_ns();
        const u64 syscalls = loop.statistics().syscalls;
        CHECK_EQ(loop.run_for(300 * ms), 0);
        CHECK_GE(now_ns() - start_ns, 300 * ms);
        CHECK_LE(loop.statistics().syscalls - syscalls, 12u);
        quiet = cpu_time_ns() - cpu_ns <= 20 * ms;
    }
    CHECK_EQ(everything.ended(), 0u);
    everything.drain();
    end_all(loop);
}

LOOP_TEST(loop_run_idle_makes_no_call) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receiving;
    Logged timer;
    Async async(loop);
    Logged notified;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    submit(loop, timer, op::timer(never_ns));
    submit(loop, notified, op::notification(async));
    CHECK_EQ(loop.run_for(5 * ms), 0);
    reset_calls();
    CHECK_EQ(loop.run_for(250 * ms), 0);
    CHECK_LE(calls_made_in_all(), 12u); // one wait, and the clock
    end_all(loop);
}

} // namespace
} // namespace oxbow::test
