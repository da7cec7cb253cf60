// The contract's line 4: what a request says, which activation it means, and that it reaches
// completions wherever they wait: in the kernel, in the ready queue, parked, chained, for a buffer,
// for a worker, for the end of another operation.
#include "loop_pending.h"

namespace oxbow::test {
namespace {

constexpr u64 hour_ns = 3'600'000 * ms;

LOOP_TEST(loop_cancel_of_nothing) {
    Completion idle;
    CHECK_ERRNO(perform_on(loop, op::cancel(idle)).value, Errno::enoent);
    CHECK_ERRNO(perform_on(loop, op::cancel_fd(5)).value, Errno::enoent);
    CHECK_ERRNO(perform_on(loop, op::cancel_fd(-1)).value, Errno::enoent);
    loop.cancel(idle);
    CHECK(idle.idle());
    Logged all;
    submit(loop, all, op::cancel_all());
    CHECK_OK(loop.run());
    CHECK_ERRNO(all.last.value, Errno::enoent);
}

LOOP_TEST(loop_cancel_means_the_activation_of_its_making) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    const Operation cancel = op::cancel(receive.completion);
    write_text(pair.far, "one");
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 3);
    // The same memory again, and even the same operation: another activation.
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    CHECK_ERRNO(perform_on(loop, cancel).value, Errno::enoent);
    run_rounds(loop, 3);
    CHECK_EQ(receive.count, 1u);
    write_text(pair.far, "two");
    run_until_ended(loop, receive);
    run_until(loop, [&]() noexcept { return receive.count == 2; });
    CHECK_EQ(receive.last.value, 3);
    CHECK_BYTES(got, "two", 3);
}

LOOP_TEST(loop_cancel_that_is_late_misses_the_next_activation) {
    SocketPair pair = make_socket_pair();
    for (u32 i = 0; i < 100; ++i) {
        // The request is on its way when its target ends and begins anew.
        char got[8] = {};
        Logged receive;
        Logged request;
        receive.rearms = true;
        submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
        run_rounds(loop, i & 1);
        write_text(pair.far, "one");
        submit(loop, request, op::cancel(receive.completion));
        run_until_ended(loop, request);
        run_until(loop, [&]() noexcept { return receive.last.value == 3; });
        CHECK(!receive.completion.idle());
        if (receive.log[0].is(Errno::ecanceled)) {
            CHECK_EQ(request.last.value, 0);
            CHECK_EQ(receive.count, 2u);
        } else {
            CHECK_ERRNO(request.last.value, Errno::ealready);
            CHECK_EQ(receive.count, 1u);
        }
        run_rounds(loop, 2);
        CHECK(!receive.completion.idle());
        receive.rearms = false;
        loop.cancel(receive.completion);
        run_until(loop, [&]() noexcept { return receive.completion.idle(); });
        CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    }
}

LOOP_TEST(loop_cancel_twice) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    Logged requests[3];
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    run_rounds(loop, 1);
    for (Logged& request : requests) {
        submit(loop, request, op::cancel(receive.completion));
    }
    run_until_ended(loop, receive);
    CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    for (Logged& request : requests) {
        run_until_ended(loop, request);
        CHECK(request.last.value == 0 || request.last.value == -Errno::ealready);
    }
    CHECK_EQ(requests[0].last.value, 0);
    CHECK_EQ(receive.count, 1u);
}

LOOP_TEST(loop_cancel_of_a_cancel) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    Logged first;
    Logged second;
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    run_rounds(loop, 1);
    submit(loop, first, op::cancel(receive.completion));
    submit(loop, second, op::cancel(first.completion));
    run_until_ended(loop, receive);
    run_until_ended(loop, first);
    run_until_ended(loop, second);
    CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    CHECK_EQ(first.last.value, 0);
    CHECK_ERRNO(second.last.value, Errno::ealready);
}

LOOP_TEST(loop_cancel_made_while_its_target_is_idle) {
    // It means what is in use when it is made, and that is nothing.
    Logged timer;
    Logged itself;
    const Operation cancel = op::cancel(timer.completion);
    submit(loop, timer, op::timer(hour_ns));
    CHECK_ERRNO(perform_on(loop, cancel).value, Errno::enoent);
    CHECK_EQ(timer.count, 0u);
    submit(loop, itself, op::cancel(itself.completion));
    run_until_ended(loop, itself);
    CHECK_ERRNO(itself.last.value, Errno::enoent);
    CHECK_EQ(itself.count, 1u);
    end_all(loop);
}

LOOP_TEST(loop_cancel_of_a_close_is_too_late) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    Logged close;
    Logged request;
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    run_rounds(loop, 1);
    submit(loop, close, op::close(pair.near));
    submit(loop, request, op::cancel(close.completion));
    run_until_ended(loop, close);
    run_until_ended(loop, request);
    CHECK_ERRNO(request.last.value, Errno::ealready);
    CHECK_EQ(close.last.value, 0);
    CHECK(!is_open(pair.near));
    (void)pair.near.release();
}

LOOP_TEST(loop_cancel_fd_ends_all_of_one_descriptor) {
    SocketPair pair = make_socket_pair();
    SocketPair other = make_socket_pair();
    char got[8] = {};
    Logged receives[5];
    Logged poll;
    Logged elsewhere;
    Logged timer;
    for (Logged& receive : receives) {
        submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    }
    submit(loop, poll, op::poll_multishot(pair.near, abi::poll_event::in));
    submit(loop, elsewhere, op::recv(other.near, got, sizeof(got)));
    submit(loop, timer, op::timer(hour_ns));
    run_rounds(loop, 2);
    CHECK_EQ(perform_on(loop, op::cancel_fd(pair.near)).value, 6);
    for (Logged& receive : receives) {
        run_until_ended(loop, receive);
        CHECK_ERRNO(receive.last.value, Errno::ecanceled);
        CHECK_EQ(receive.count, 1u);
    }
    run_until_ended(loop, poll);
    CHECK_ERRNO(poll.last.value, Errno::ecanceled);
    CHECK_ERRNO(perform_on(loop, op::cancel_fd(pair.near)).value, Errno::enoent);
    CHECK(is_open(pair.near));
    CHECK_EQ(elsewhere.count, 0u);
    CHECK_EQ(timer.count, 0u);
    write_text(other.far, "all");
    run_until_ended(loop, elsewhere);
    CHECK_EQ(elsewhere.last.value, 3);
    end_all(loop);
}

LOOP_TEST(loop_cancel_fd_of_each_kind) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd) {
            continue;
        }
        for (u32 rounds = 0; rounds < 3; rounds += 2) {
            Pending pending(loop, kind);
            pending.submit();
            run_rounds(loop, rounds);
            CHECK_EQ(perform_on(loop, op::cancel_fd(pending.fd())).value, 1);
            run_until_ended(loop, pending.logged);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        }
    }
}

LOOP_TEST(loop_cancel_all_of_each_kind) {
    for (const WaitingKind& kind : waiting_kinds) {
        for (u32 rounds = 0; rounds < 3; rounds += 2) {
            Pending pending(loop, kind);
            pending.submit();
            run_rounds(loop, rounds);
            Logged request;
            submit(loop, request, op::cancel_all());
            CHECK_OK(loop.run()); // nothing is left to wait for
            CHECK_EQ(request.last.value, 1);
            CHECK_EQ(pending.logged.count, 1u);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
        }
    }
}

LOOP_TEST(loop_cancel_all_counts_what_it_found) {
    SocketPair pair = make_socket_pair();
    Async async(loop);
    char got[8] = {};
    Logged timers[3];
    Logged receives[4];
    Logged chained[2];
    Logged notification;
    Logged request;
    for (Logged& timer : timers) {
        submit(loop, timer, op::timer(hour_ns));
    }
    for (Logged& receive : receives) {
        submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    }
    for (Logged& one : chained) {
        loop.then(timers[0].completion, one.completion, op::nop(), one.handler());
    }
    submit(loop, notification, op::notification(async));
    run_rounds(loop, 1);
    CHECK_EQ(loop.in_flight(), 10u);
    submit(loop, request, op::cancel_all());
    CHECK_OK(loop.run());
    CHECK_EQ(request.last.value, 10);
    CHECK_EQ(loop.in_flight(), 0u);
    const Logged* const ended[] = {&timers[0],  &timers[2],  &receives[0], &receives[3],
                                   &chained[0], &chained[1], &notification};
    for (const Logged* logged : ended) {
        CHECK_EQ(logged->count, 1u);
        CHECK_ERRNO(logged->last.value, Errno::ecanceled);
    }
}

LOOP_TEST(loop_cancel_of_a_chain) {
    Logged first;
    Logged second;
    Logged third;
    submit(loop, first, op::timer(hour_ns));
    loop.then(first.completion, second.completion, op::nop(), second.handler());
    loop.then(second.completion, third.completion, op::nop(), third.handler());
    // One in the middle takes along what waits for it, and leaves what it waits for.
    CHECK_EQ(perform_on(loop, op::cancel(second.completion)).value, 0);
    run_until_ended(loop, third);
    CHECK_ERRNO(second.last.value, Errno::ecanceled);
    CHECK_ERRNO(third.last.value, Errno::ecanceled);
    CHECK_EQ(first.count, 0u);
    loop.then(first.completion, second.completion, op::nop(), second.handler());
    loop.cancel(first.completion);
    run_until(loop, [&]() noexcept { return second.count == 2; });
    CHECK_ERRNO(first.last.value, Errno::ecanceled);
    CHECK_ERRNO(second.last.value, Errno::ecanceled);
}

LOOP_TEST(loop_cancel_of_what_waits_for_room) {
    // More than any ring of the rows has room for, so that some are parked in rings of one entry.
    constexpr u32 count = 600;
    static Logged polls[count];
    static Logged requests[count];
    const Pipe pipe = make_pipe();
    for (Logged& poll : polls) {
        submit(loop, poll, op::poll(pipe.reader, abi::poll_event::in));
    }
    for (u32 i = 0; i < count; ++i) {
        submit(loop, requests[i], op::cancel(polls[i].completion));
    }
    CHECK_OK(loop.run());
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(polls[i].count, 1u);
        CHECK_ERRNO(polls[i].last.value, Errno::ecanceled);
        CHECK_EQ(requests[i].count, 1u);
        CHECK_EQ(requests[i].last.value, 0);
    }
}

LOOP_TEST(loop_cancel_of_what_waits_for_a_buffer) {
    SocketPair pair = make_socket_pair();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 16}));
    Logged holder;
    Logged waiter;
    write_text(pair.far, "first");
    submit(loop, holder, op::recv(pair.near, pool));
    run_until_ended(loop, holder);
    CHECK(holder.last.has_buffer());
    write_text(pair.far, "second");
    submit(loop, waiter, op::recv(pair.near, pool));
    run_rounds(loop, 4);
    CHECK_EQ(waiter.count, 0u);
    CHECK_EQ(perform_on(loop, op::cancel(waiter.completion)).value, 0);
    run_until_ended(loop, waiter);
    CHECK_ERRNO(waiter.last.value, Errno::ecanceled);
    CHECK(!waiter.last.has_buffer());
    CHECK_EQ(pool.held(), 1u);
    CHECK_BYTES(pool.data(holder.last), "first", 5);
    pool.give_back(holder.last);
    run_rounds(loop, 2);
    CHECK_READS(pair.near, "second");
    CHECK_EQ(pool.held(), 0u);
    pool.close();
}

LOOP_TEST(loop_cancel_of_an_open_that_blocks) {
    // Nobody reads the pipe, so opening it for writing waits.
    char path[256];
    temp_path(path);
    CHECK_OK(kernel::mknodat(abi::at_fdcwd, path, abi::file_mode::fifo | 0600, 0));
    for (u32 rounds = 0; rounds < 4; ++rounds) {
        Logged open;
        Logged request;
        submit(loop, open, op::openat(abi::at_fdcwd, path, abi::open_flag::write_only));
        run_rounds(loop, rounds);
        submit(loop, request, op::cancel(open.completion));
        run_until_ended(loop, request);
        Fd reader;
        if (row.is_epoll() && request.last.is(Errno::ealready)) {
            // A worker is in open(2), from which only a signal could call it back. The ring sends
            // its own workers one.
            reader = Fd(CHECK_OK(kernel::openat(
                abi::at_fdcwd, path, abi::open_flag::read_only | abi::open_flag::nonblock)));
        }
        run_until_ended(loop, open);
        CHECK_EQ(open.count, 1u);
        if (open.last.ok()) {
            CHECK_ERRNO(request.last.value, Errno::ealready);
            CHECK_OK(kernel::close(open.last.fd()));
        } else {
            CHECK_ERRNO(open.last.value, Errno::ecanceled);
        }
    }
}

LOOP_TEST(loop_cancel_of_a_job_that_has_not_begun) {
    // A path that nobody opens for writing keeps whoever opens it for reading. Where files are a
    // matter of workers, that one is the only worker there is.
    ConfiguredLoop narrow(row, {.workers_max = 1});
    char fifo[256];
    char path[256];
    temp_path(fifo);
    temp_path(path);
    CHECK_OK(kernel::mknodat(abi::at_fdcwd, fifo, abi::file_mode::fifo | 0600, 0));
    Logged blocked;
    Logged creates;
    submit(*narrow, blocked, op::openat(abi::at_fdcwd, fifo, abi::open_flag::read_only));
    run_rounds(*narrow, 2);
    submit(
        *narrow, creates,
        op::openat(abi::at_fdcwd, path, abi::open_flag::create | abi::open_flag::write_only, 0600));
    Logged request;
    submit(*narrow, request, op::cancel(creates.completion));
    run_until_ended(*narrow, creates);
    run_until_ended(*narrow, request);
    // Either it has never happened or it has wholly happened.
    if (creates.last.ok()) {
        CHECK_ERRNO(request.last.value, Errno::ealready);
        CHECK(path_exists(path));
        CHECK_OK(kernel::close(creates.last.fd()));
    } else {
        CHECK_ERRNO(creates.last.value, Errno::ecanceled);
        CHECK(!path_exists(path));
    }
    CHECK_EQ(creates.count, 1u);
    const Fd writer(CHECK_OK(kernel::openat(abi::at_fdcwd, fifo, abi::open_flag::read_write)));
    run_until_ended(*narrow, blocked);
    CHECK_OK(kernel::close(CHECK_OK(blocked.last.value)));
}

} // namespace
} // namespace oxbow::test
