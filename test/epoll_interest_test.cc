// The epoll set: how seldom it is told anything, and what happens when a descriptor is not what it
// was.
#include "epoll_help.h"

namespace oxbow::test {

namespace {

[[nodiscard]] u32 ctl_calls() noexcept {
    return calls_made(number::epoll_ctl);
}
[[nodiscard]] u32 wait_calls() noexcept {
    return calls_made(number::epoll_pwait) + calls_made(number::epoll_pwait2);
}

/// What the engine told of which descriptor.
struct ToldOf {
    struct Call {
        i32 operation;
        i32 fd;
        u32 events;
        u64 data;
        i32 epoll_fd;
    };
    Call calls[64] = {};
    u32 count = 0;

    ToldOf() noexcept { set_handler(&ToldOf::note, this); }
    ~ToldOf() { remove_handler(&ToldOf::note, this); }

    static bool note(void* context, long number, const long* arguments, int, long*) noexcept {
        ToldOf& self = *static_cast<ToldOf*>(context);
        if (number == oxbow::number::epoll_ctl && self.count < 64) {
            Call& call = self.calls[self.count++];
            call.epoll_fd = static_cast<i32>(arguments[0]);
            call.operation = static_cast<i32>(arguments[1]);
            call.fd = static_cast<i32>(arguments[2]);
            const auto* const event = reinterpret_cast<const abi::EpollEvent*>(arguments[3]);
            call.events = event != nullptr ? event->events : 0;
            call.data = event != nullptr ? event->data : 0;
        }
        return false;
    }
    [[nodiscard]] u32 of(i32 operation) const noexcept {
        u32 found = 0;
        for (u32 i = 0; i < count; ++i) {
            found += calls[i].operation == operation ? 1 : 0;
        }
        return found;
    }
};

/// Answers each message until the end of the stream.
struct Echo {
    BufferPool pool;
    Completion receive;
    Completion send;
    u32 answered = 0;
    bool ended = false;
    i32 fd;

    static Action received(Loop& loop, Completion&, Result result, void* user) noexcept {
        Echo& self = *static_cast<Echo*>(user);
        if (!result.more()) {
            self.ended = true;
            return Action::disarm;
        }
        loop.submit(self.send, op::send(self.fd, self.pool.data(result), result.count()), nullptr);
        self.pool.give_back(result);
        ++self.answered;
        return Action::disarm;
    }
};

} // namespace

EPOLL_TEST(epoll_tells_the_kernel_once_of_a_connection_that_stays) {
    Pair pair = Pair::sockets();
    Echo echo;
    echo.fd = pair[0];
    CHECK_OK(echo.pool.open(loop, {.count = 4, .buffer_bytes = 64}));
    loop.submit(echo.receive, op::recv_multishot(pair[0], echo.pool), &Echo::received, &echo);
    run_rounds(loop);
    reset_calls();
    for (u32 i = 0; i < 100; ++i) {
        send_text(pair[1], "ping");
        char answer[8];
        while (kernel::recv(pair[1], answer, sizeof(answer), abi::msg_flag::dontwait) < 0) {
            run_rounds(loop);
        }
    }
    CHECK_EQ(echo.answered, 100u);
    CHECK_EQ(ctl_calls(), 0u); // it was told in the first round
    pair.close(1);
    run_until(loop, [&] { return echo.ended; });
    echo.pool.close();
}

EPOLL_TEST(epoll_tells_the_kernel_once_per_wait_of_single_operations) {
    const Pair pair = Pair::sockets();
    char data[64];
    Logged logged;
    submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop);
    reset_calls();
    for (u32 i = 0; i < 20; ++i) {
        send_text(pair[1], "ping");
        run_until_ended(loop, logged);
        submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
        logged.count = 0;
        run_rounds(loop);
    }
    // Each time it is asked whether it still knows the descriptor, and no attempt is made that
    // would end in EAGAIN.
    CHECK_EQ(ctl_calls(), 20u);
    CHECK_EQ(calls_made(number::recvfrom), 20u);
    CHECK_EQ(loop.drain(), 0u);
}

namespace {

/// Answers each message, and receives the next with the same operation.
struct Answering {
    Pair ends = Pair::sockets();
    Completion receive;
    Completion send;
    char data[16];

    void start(Loop& loop) noexcept {
        loop.submit(receive, op::recv(ends[0], data, sizeof(data)), &Answering::received, this);
    }
    static Action received(Loop& loop, Completion&, Result result, void* user) noexcept {
        Answering& self = *static_cast<Answering*>(user);
        if (!result.ok()) {
            return Action::disarm;
        }
        loop.submit(self.send, op::send(self.ends[0], self.data, result.count()), nullptr);
        return Action::rearm;
    }
};

} // namespace

EPOLL_TEST(epoll_busy_server_makes_three_calls) {
    constexpr u32 count = 8;
    Answering servers[count];
    for (Answering& server : servers) {
        server.start(loop);
    }
    run_rounds(loop, 2);
    char answer[16];
    reset_calls();
    for (u32 i = 0; i < 20; ++i) {
        for (const Answering& server : servers) {
            CHECK_EQ(kernel::send(server.ends[1], "ping", 4, 0), 4L);
        }
        run_rounds(loop);
        for (const Answering& server : servers) {
            CHECK_EQ(kernel::recv(server.ends[1], answer, 16, abi::msg_flag::dontwait), 4L);
        }
    }
    CHECK_EQ(wait_calls(), 20u);
    CHECK_EQ(calls_made(number::recvfrom), 2 * 20 * count); // the test's own among them
    CHECK_EQ(calls_made(number::sendto), 2 * 20 * count);
    CHECK_EQ(ctl_calls(), 0u);
    run_rounds(loop, 2); // nothing comes: time to ask whether all are still known
    CHECK_EQ(ctl_calls(), count);
    run_rounds(loop, 2);
    CHECK_EQ(ctl_calls(), count);
    CHECK_EQ(loop.drain(), 0u);
}

EPOLL_TEST(epoll_busy_loop_finds_a_number_that_was_opened_again) {
    Answering servers[6]; // more than are asked after without a look
    for (Answering& server : servers) {
        server.start(loop);
    }
    Pair pair = Pair::sockets();
    const i32 number = pair[0];
    char data[8];
    Logged logged;
    submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(pair[1], "one");
    run_until_ended(loop, logged);
    pair.close(0);
    pair.close(1);
    Pair other = Pair::sockets();
    CHECK_EQ(other[0], number);
    Logged second;
    submit(loop, second, op::recv(other[0], data, sizeof(data)));
    send_text(other[1], "four");
    u32 rounds = 0;
    while (!second.ended()) {
        for (const Answering& server : servers) {
            CHECK_EQ(kernel::send(server.ends[1], "x", 1, 0), 1L);
        }
        run_rounds(loop); // something comes each time
        CHECK_LE(++rounds, 100u);
        char answer[16];
        for (const Answering& server : servers) {
            CHECK_EQ(kernel::recv(server.ends[1], answer, 16, abi::msg_flag::dontwait), 1L);
        }
    }
    CHECK_EQ(second.last.value, 4);
    CHECK_EQ(loop.drain(), 0u);
}

EPOLL_TEST(epoll_finds_a_new_number_although_its_result_was_on_the_way) {
    struct Stopper {
        static Action run(Loop& l, Completion&, Result, void*) noexcept {
            l.stop();
            return Action::disarm;
        }
    };
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 4, .buffer_bytes = 16}));
    Pair pair = Pair::sockets();
    const i32 number = pair[0];
    char data[8];
    Logged first;
    submit(loop, first, op::recv(pair[0], data, 3)); // all of it, so that the next is tried at once
    run_rounds(loop, 2);
    send_text(pair[1], "one");
    run_until_ended(loop, first);
    pair.close(0);
    pair.close(1);
    Pair other = Pair::sockets();
    CHECK_EQ(other[0], number);
    Pair third = Pair::sockets(); // somebody who waits
    Logged waits;
    submit(loop, waits, op::recv(third[0], data, sizeof(data)));
    // A result at once, whose callback comes only after the kernel has been asked.
    Completion stop[2];
    send_text(other[1], "a");
    loop.submit(stop[0], op::nop(), &Stopper::run);
    Logged multishot;
    submit(loop, multishot, op::recv_multishot(other[0], pool));
    run_rounds(loop, 1);
    loop.submit(stop[1], op::nop(), &Stopper::run);
    CHECK_EQ(multishot.count, 0u);
    run_rounds(loop, 4);
    CHECK_EQ(multishot.count, 1u);
    send_text(other[1], "b");
    run_until(loop, [&] { return multishot.count == 2; });
    CHECK_EQ(loop.drain(), 0u);
    pool.give_back(multishot.log[0]);
    pool.give_back(multishot.log[1]);
    pool.close();
}

EPOLL_TEST(epoll_thieves_do_not_make_it_spin) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    // Each time it is told of data that are gone when it looks.
    struct Thief {
        i32 fd;
        static bool steal(void* context, long number, const long* arguments, int, long*) noexcept {
            const i32 fd = static_cast<Thief*>(context)->fd;
            if (number == oxbow::number::recvfrom && arguments[0] == fd) {
                char byte[8];
                (void)real_call(oxbow::number::recvfrom, fd, byte, sizeof(byte),
                                abi::msg_flag::dontwait, nullptr, nullptr);
            }
            return false;
        }
    };
    Thief thief = {pair[0]};
    ToldOf told;
    set_handler(&Thief::steal, &thief);
    for (u32 i = 0; i < 5; ++i) {
        send_text(pair[1], "x");
        run_rounds(loop, 3);
    }
    remove_handler(&Thief::steal, &thief);
    CHECK(!read.ended());
    CHECK_EQ(told.count, 1u); // that it is to be watched edge-triggered from now on
    CHECK((told.calls[0].events & abi::epoll_flag::edge_triggered) != 0);
    send_text(pair[1], "mine");
    run_until_ended(loop, read);
    CHECK_EQ(read.last.value, 4);
}

EPOLL_TEST(epoll_does_not_spin_while_there_is_no_buffer) {
    const Pair pair = Pair::sockets();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 4}));
    Logged read;
    submit(loop, read, op::recv_multishot(pair[0], pool));
    run_rounds(loop, 2);
    send_text(pair[1], "abcdefgh");
    run_rounds(loop, 4);
    CHECK_EQ(read.count, 1u);
    send_text(pair[1], "ij");
    reset_calls();
    CHECK_OK(loop.run_for(20 * ms));
    CHECK_LE(wait_calls(), 5u);
    CHECK_EQ(read.count, 1u);
    for (u32 i = 0; i < 3; ++i) {
        pool.give_back(read.log[i]);
        run_rounds(loop, 3);
    }
    CHECK_EQ(read.count, 3u);
    CHECK_BYTES(pool.data(read.log[2]), "ij", 2);
    CHECK_EQ(loop.drain(), 0u);
    pool.close();
}

EPOLL_TEST(epoll_has_no_call_for_what_succeeds_at_once) {
    const Pair pair = Pair::sockets();
    char data[8];
    reset_calls();
    for (u32 i = 0; i < 10; ++i) {
        Logged sent;
        Logged got;
        submit(loop, sent, op::send(pair[1], "x", 1));
        submit(loop, got, op::recv(pair[0], data, sizeof(data)));
        run_rounds(loop);
        CHECK(sent.ended() && got.ended());
    }
    CHECK_EQ(ctl_calls(), 0u);
    CHECK_EQ(wait_calls(), 0u);
    CHECK_EQ(calls_made(number::sendto), 10u);
    CHECK_EQ(calls_made(number::recvfrom), 10u);
}

EPOLL_TEST(epoll_makes_no_call_at_all_for_nops) {
    struct Again {
        u32 left = 1000;
        static Action run(Loop&, Completion&, Result, void* user) noexcept {
            return --static_cast<Again*>(user)->left != 0 ? Action::rearm : Action::disarm;
        }
    };
    Again again;
    Completion nop;
    loop.submit(nop, op::nop(), &Again::run, &again);
    (void)loop.run(Run::no_wait); // debug builds ask for the thread's number
    reset_calls();
    while (again.left != 0) {
        run_rounds(loop, 1);
    }
    CHECK_LE(calls_made_in_all(), 1000u); // gettid of debug builds
    CHECK_EQ(calls_made_in_all(), calls_made(number::gettid));
}

EPOLL_TEST(epoll_tells_nothing_of_what_is_cancelled_at_once) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged logged;
    reset_calls();
    for (u32 i = 1; i <= 5; ++i) {
        submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
        loop.cancel(logged.completion);
        run_rounds(loop, 2);
        CHECK_EQ(logged.count, i);
        CHECK(logged.last.is(Errno::ecanceled));
    }
    CHECK_EQ(ctl_calls(), 0u);
}

EPOLL_TEST(epoll_makes_no_second_descriptor) {
    const Pair pair = Pair::sockets();
    const i32 before = open_fd_count();
    char data[2][8];
    Logged readers[2];
    Logged poll;
    submit(loop, readers[0], op::recv(pair[0], data[0], 8));
    submit(loop, readers[1], op::recv(pair[0], data[1], 8));
    submit(loop, poll, op::poll(pair[0], abi::poll_event::pri));
    ToldOf told;
    run_rounds(loop, 3);
    CHECK_EQ(open_fd_count(), before);
    CHECK_EQ(told.count, 1u); // of all three
    CHECK_EQ(told.calls[0].fd, pair[0]);
    CHECK_EQ(calls_made(number::dup) + calls_made(number::dup3) + calls_made(number::fcntl), 0u);
    CHECK_EQ(loop.drain(), 0u);
}

EPOLL_TEST(epoll_finds_a_number_that_was_closed_and_opened_again) {
    for (u32 i = 0; i < 3; ++i) {
        Pair pair = Pair::sockets();
        const i32 number = pair[0];
        char data[8];
        Logged logged;
        submit(loop, logged, op::recv(pair[0], data, sizeof(data)));
        run_rounds(loop, 2);
        send_text(pair[1], "one");
        run_until_ended(loop, logged);
        // Closed without the loop, and another socket gets its number.
        pair.close(1);
        pair.close(0);
        Pair other = Pair::sockets();
        CHECK_EQ(other[0], number);
        Logged second;
        submit(loop, second, op::recv(other[0], data, sizeof(data)));
        run_rounds(loop, 2);
        CHECK(!second.ended());
        send_text(other[1], "four");
        run_until_ended(loop, second);
        CHECK_EQ(second.last.value, 4);
    }
}

EPOLL_TEST(epoll_finds_a_file_where_a_socket_was) {
    Pair pair = Pair::sockets();
    const i32 number = pair[0];
    char data[8] = {};
    Logged logged;
    submit(loop, logged, op::read(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(pair[1], "one");
    run_until_ended(loop, logged);
    pair.close(0);
    char path[256];
    const i32 file = CHECK_OK(kernel::openat(
        abi::at_fdcwd, temp_path(path),
        abi::open_flag::create | abi::open_flag::read_write | abi::open_flag::cloexec, 0600));
    CHECK_EQ(file, number);
    CHECK_EQ(perform_on(loop, op::write(file, "content", 7)).value, 7);
    CHECK_EQ(perform_on(loop, op::pread(file, data, 8, 0)).value, 7);
    // And a socket where a file was.
    CHECK_OK(kernel::close(file));
    const i32 again = CHECK_OK(kernel::fcntl(pair[1], abi::fcntl_command::dupfd_cloexec, 0L));
    CHECK_EQ(again, number);
    Logged last;
    submit(loop, last, op::poll(again, abi::poll_event::in));
    run_rounds(loop, 2);
    CHECK(last.ended()); // its other side is closed
    CHECK(perform_on(loop, op::close(again)).ok());
}

EPOLL_TEST(epoll_believes_no_event_of_a_number_s_former_file) {
    Pair old = Pair::sockets();
    const i32 number = old[0];
    // The file stays open elsewhere, so close(2) leaves it in the epoll set.
    const i32 elsewhere = CHECK_OK(kernel::dup(old[0]));
    char data[8];
    Logged logged;
    submit(loop, logged, op::recv(old[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(old[1], "x");
    run_until_ended(loop, logged);
    old.close(0);
    Pair fresh = Pair::sockets();
    CHECK_EQ(fresh[0], number);
    Logged poll;
    submit(loop, poll, op::poll(fresh[0], abi::poll_event::in));
    run_rounds(loop, 2);
    send_text(old[1], "stale"); // an event of the old file, with the new one's number
    run_rounds(loop, 3);
    CHECK(!poll.ended());
    send_text(fresh[1], "y");
    run_until_ended(loop, poll);
    CHECK_EQ(poll.last.value, static_cast<i32>(abi::poll_event::in));
    CHECK_OK(kernel::close(elsewhere));
}

EPOLL_TEST(epoll_gets_a_new_set_where_the_old_one_cannot_be_cleaned) {
    Pair old = Pair::sockets();
    Pair other = Pair::sockets();
    const i32 elsewhere = CHECK_OK(kernel::dup(old[0]));
    char data[8];
    Logged logged;
    Logged waits;
    submit(loop, logged, op::recv(old[0], data, sizeof(data)));
    submit(loop, waits, op::recv(other[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(old[1], "x");
    run_until_ended(loop, logged);
    old.close(0); // without the loop; the file stays open, and in the epoll set
    send_text(old[1], "for somebody else");
    const i32 fds = open_fd_count();
    reset_calls();
    const u64 begin_ns = now_ns();
    CHECK_OK(loop.run_for(20 * ms));
    CHECK_GE(now_ns() - begin_ns, 20 * ms);
    CHECK_LE(wait_calls(), 25u); // it does not spin
    CHECK_EQ(open_fd_count(), fds);
    send_text(other[1], "abc"); // and who waited does so still
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 3);
    // Where there can be no new one, it spins, but works.
    Pair more = Pair::sockets();
    const i32 again = CHECK_OK(kernel::dup(more[0]));
    submit(loop, logged, op::recv(more[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(more[1], "x");
    run_until_ended(loop, logged);
    more.close(0);
    send_text(more[1], "for somebody else");
    fail_call(number::epoll_create1, Errno::emfile, 1, 3);
    submit(loop, waits, op::recv(other[0], data, sizeof(data)));
    CHECK_OK(loop.run_for(5 * ms));
    clear_faults();
    send_text(other[1], "abcd");
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 4);
    CHECK_OK(kernel::close(elsewhere));
    CHECK_OK(kernel::close(again));
}

EPOLL_TEST(epoll_close_takes_out_what_is_open_elsewhere) {
    Pair pair = Pair::sockets();
    const i32 elsewhere = CHECK_OK(kernel::dup(pair[0]));
    char data[8];
    Logged read;
    Logged close;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    submit(loop, close, op::close(pair.fds[0]));
    run_until_ended(loop, close);
    CHECK(read.last.is(Errno::ecanceled));
    CHECK_EQ(close.last.value, 0);
    CHECK_LT(read.sequence, close.sequence);
    pair.fds[0] = -1;
    // Nothing wakes the loop any more.
    send_text(pair[1], "x");
    const u64 begin_ns = now_ns();
    reset_calls();
    CHECK_OK(loop.run_for(20 * ms));
    CHECK_GE(now_ns() - begin_ns, 20 * ms);
    CHECK_LE(wait_calls(), 3u);
    CHECK_OK(kernel::close(elsewhere));
}

EPOLL_TEST(epoll_ends_what_waits_on_a_closed_number) {
    Pair pair = Pair::sockets();
    char data[8];
    Logged readers[2];
    Logged poll;
    submit(loop, readers[0], op::recv(pair[0], data, sizeof(data)));
    submit(loop, readers[1], op::recv(pair[0], data, sizeof(data)));
    submit(loop, poll, op::poll(pair[0], abi::poll_event::in));
    pair.close(0);
    run_until_ended(loop, poll);
    CHECK(readers[0].last.is(Errno::ebadf));
    CHECK(readers[1].last.is(Errno::ebadf));
    CHECK(poll.last.is(Errno::ebadf));
    CHECK(perform_on(loop, op::recv(77, data, 1)).is(Errno::ebadf));
    CHECK(perform_on(loop, op::recv(-1, data, 1)).is(Errno::ebadf));
    CHECK(perform_on(loop, op::close(77)).is(Errno::ebadf));
}

EPOLL_TEST(epoll_errors_of_the_set_are_results) {
    const Pair pair = Pair::sockets();
    char data[8];
    constexpr Errno errors[] = {Errno::enospc, Errno::enomem, Errno::eloop};
    for (const Errno error : errors) {
        Logged read;
        Logged poll;
        submit(loop, read, op::recv(pair[0], data, sizeof(data)));
        submit(loop, poll, op::poll(pair[0], abi::poll_event::in));
        fail_call(number::epoll_ctl, error);
        run_rounds(loop, 2);
        CHECK(read.last.is(error));
        CHECK(poll.last.is(error));
    }
    // And nothing is broken by it.
    Logged read;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(pair[1], "abc");
    run_until_ended(loop, read);
    CHECK_EQ(read.last.value, 3);
}

EPOLL_TEST(epoll_set_that_knows_more_or_less_than_we) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    ToldOf told;
    run_rounds(loop, 2);
    CHECK_EQ(told.count, 1u);
    send_text(pair[1], "abc");
    run_until_ended(loop, read);
    // It has lost it: EPOLL_CTL_MOD says ENOENT, so it is added again.
    CHECK_OK(
        kernel::epoll_ctl(told.calls[0].epoll_fd, abi::epoll_operation::remove, pair[0], nullptr));
    Logged second;
    submit(loop, second, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(pair[1], "defg");
    run_until_ended(loop, second);
    CHECK_EQ(second.last.value, 4);
    // Dropped here, and there again: EPOLL_CTL_ADD says EEXIST.
    abi::EpollEvent event = {abi::poll_event::in, ~u64{0}};
    const i32 copy = CHECK_OK(kernel::dup(pair[0]));
    CHECK(perform_on(loop, op::close(copy)).ok());
    const i32 again = CHECK_OK(kernel::dup(pair[0]));
    CHECK_EQ(again, copy);
    CHECK_OK(kernel::epoll_ctl(told.calls[0].epoll_fd, abi::epoll_operation::add, again, &event));
    Logged third;
    submit(loop, third, op::recv(again, data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(pair[1], "hijkl");
    run_until_ended(loop, third);
    CHECK_EQ(third.last.value, 5);
    CHECK(perform_on(loop, op::close(again)).ok());
}

EPOLL_TEST(epoll_hang_up_ends_readers_and_writers) {
    Pair pair = Pair::sockets();
    const i32 room = 4096;
    CHECK_OK(kernel::setsockopt(pair[0], abi::socket_level::socket, abi::socket_option::send_buffer,
                                &room, sizeof(room)));
    static u8 data[100000];
    char in[8];
    Logged read;
    Logged write;
    submit(loop, read, op::recv(pair[0], in, sizeof(in)));
    submit(loop, write, op::send_all(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    CHECK(!read.ended() && !write.ended());
    pair.close(1); // with unread data: a reset
    run_until_ended(loop, read);
    run_until_ended(loop, write);
    CHECK(read.last.is(Errno::econnreset) || read.last.eof());
    CHECK_GT(write.last.value, 0); // what went out before
    CHECK_LT(write.last.value, static_cast<i32>(sizeof(data)));
    CHECK(perform_on(loop, op::send(pair[0], data, 1)).is(Errno::epipe));
}

EPOLL_TEST(epoll_does_not_spin_on_a_dead_connection) {
    Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    pair.close(1);
    run_until_ended(loop, read);
    CHECK(read.last.eof());
    const u64 begin_ns = now_ns();
    reset_calls();
    CHECK_OK(loop.run_for(50 * ms));
    CHECK_GE(now_ns() - begin_ns, 50 * ms);
    CHECK_LE(wait_calls(), 3u);
}

EPOLL_TEST(epoll_a_talkative_peer_does_not_wake_who_does_not_read) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(pair[1], "first");
    run_until_ended(loop, read);
    const Pair other = Pair::sockets(); // so that there is something to wait for
    Logged idle;
    submit(loop, idle, op::recv(other[0], data, sizeof(data)));
    run_rounds(loop);
    for (u32 i = 0; i < 3; ++i) {
        send_text(pair[1], "x");
        run_rounds(loop);
    }
    ToldOf told;
    for (u32 i = 0; i < 10; ++i) {
        send_text(pair[1], "x");
        run_rounds(loop);
    }
    CHECK_EQ(told.count, 0u); // it is out of the set by now
    char rest[32] = {};
    Logged last;
    submit(loop, last, op::recv(pair[0], rest, sizeof(rest)));
    run_until_ended(loop, last);
    CHECK_EQ(last.last.value, 13);
    CHECK_EQ(loop.drain(), 0u);
}

EPOLL_TEST(epoll_room_that_nobody_waits_for_stops_waking_the_loop) {
    const Pair pair = Pair::sockets();
    const i32 room = 4096;
    CHECK_OK(kernel::setsockopt(pair[0], abi::socket_level::socket, abi::socket_option::send_buffer,
                                &room, sizeof(room)));
    static u8 data[60000];
    char in[8];
    Logged read;
    Logged write;
    submit(loop, read, op::recv(pair[0], in, sizeof(in)));
    submit(loop, write, op::send_all(pair[0], data, sizeof(data)));
    while (!write.ended()) {
        run_rounds(loop);
        (void)kernel::recv(pair[1], data, sizeof(data), abi::msg_flag::dontwait);
    }
    CHECK_EQ(write.last.value, static_cast<i32>(sizeof(data)));
    // An AF_UNIX socket tells of each change of room, if it was once asked to.
    ToldOf told;
    for (u32 i = 0; i < 6; ++i) {
        CHECK_EQ(kernel::send(pair[0], data, 100, 0), 100L);
        CHECK_GT(kernel::recv(pair[1], data, sizeof(data), abi::msg_flag::dontwait), 0L);
        run_rounds(loop);
    }
    CHECK_EQ(told.of(abi::epoll_operation::modify), 1u);
    CHECK_EQ(told.calls[0].events & abi::poll_event::out, 0u);
    CHECK_EQ(loop.drain(), 0u);
}

} // namespace oxbow::test
