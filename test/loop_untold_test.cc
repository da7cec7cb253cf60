// Sends of which nobody wants to know how they end (no callback), and sends that give their buffer
// back to a pool: on every engine alike, also where io_uring is asked not to tell of them.
#include "loop_op_help.h"

namespace oxbow::test {
namespace {

constexpr Handler nobody = {};
constexpr Handler handlers[] = {
    nobody, {[](Loop&, Completion&, Result, void*) noexcept { return Action::disarm; }}};

LOOP_TEST(loop_untold_sends_end_and_arrive_in_order) {
    constexpr u32 count = 200; // more than the engine keeps account of at once
    constexpr u32 bytes = 64;
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        static Completion sends[count];
        u8 data[count * bytes];
        fill_pattern(data, sizeof(data));
        for (u32 i = 0; i < count; ++i) {
            loop.submit(sends[i], op::send_all(pair.near, data + i * bytes, bytes), nobody);
        }
        CHECK_OK(loop.run()); // until nothing is in flight
        u8 got[sizeof(data)];
        CHECK_EQ(kernel::recv(pair.far, got, sizeof(got), abi::msg_flag::waitall),
                 static_cast<long>(sizeof(got)));
        check_pattern(got, sizeof(got));
        for (const Completion& send : sends) {
            CHECK(send.idle());
            CHECK_EQ(send.value, static_cast<i32>(bytes));
        }
    }
}

/// A run that returns after a callback does not return for a send that has none.
LOOP_TEST(loop_untold_send_ends_no_run) {
    const SocketPair pair = make_pair_of(0);
    Pool pool(loop, 2, 16);
    Logged receive;
    submit_waiting(loop, receive, op::recv_multishot(pair.near, *pool));
    for (u32 i = 0; i < 3; ++i) {
        Completion send;
        Logged timer;
        const u64 begin_ns = now_ns();
        submit(loop, timer, op::timer(5 * ms));
        loop.submit(send, op::send(pair.near, "abcd", 4), nobody);
        CHECK_EQ(loop.run(Run::once), 1);
        CHECK(timer.ended());
        CHECK_GE(now_ns(), begin_ns + 5 * ms);
        CHECK(send.idle());
        CHECK_EQ(send.value, 4);
    }
    CHECK_READS(pair.far, "abcdabcdabcd");
    CHECK_EQ(receive.count, 0u);
    end_all(loop);
}

/// With nothing else in flight there is nothing to wait for.
LOOP_TEST(loop_untold_send_alone_in_a_run) {
    const SocketPair pair = make_pair_of(0);
    constexpr Run modes[] = {Run::once, Run::until_done};
    for (const Run mode : modes) {
        Completion send;
        loop.submit(send, op::send(pair.near, "abcd", 4), nobody);
        CHECK_EQ(loop.run(mode), 0);
        CHECK(send.idle());
        CHECK_EQ(send.value, 4);
    }
    CHECK_READS(pair.far, "abcdabcd");
}

LOOP_TEST(loop_untold_send_fails) {
    const NoSigpipe watch;
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        pair.far.close();
        Completion sends[3];
        for (Completion& send : sends) {
            loop.submit(send, op::send_all(pair.near, "abcd", 4), nobody);
        }
        CHECK_OK(loop.run());
        for (const Completion& send : sends) {
            CHECK(send.idle());
            CHECK_ERRNO(send.value, Errno::epipe);
        }
    }
}

/// The kernel tells some errors only once: whoever asks a second time is told something else.
LOOP_TEST(loop_send_tells_what_the_kernel_tells_once) {
    for (const Handler& handler : handlers) {
        BoundSocket gone = make_bound_socket(abi::socket_type::datagram);
        const BoundSocket socket = make_bound_socket(abi::socket_type::datagram);
        CHECK_OK(kernel::connect(socket.fd, &gone.address, sizeof(gone.address)));
        gone.fd.close();
        constexpr i32 expected[] = {1, -Errno::econnrefused, 1, -Errno::econnrefused};
        for (const i32 value : expected) {
            Completion send;
            loop.submit(send, op::send(socket.fd, "a", 1), handler);
            CHECK_OK(loop.run());
            CHECK_EQ(send.value, value);
            if (value == 1) { // until the answer is there, which is an error
                abi::PollFd poll = {socket.fd, 0, 0};
                CHECK_EQ(kernel::ppoll(&poll, 1, nullptr), 1);
            }
        }
    }
}

LOOP_TEST(loop_untold_send_of_more_than_there_is_room_for) {
    constexpr u32 bytes = 2 << 20;
    const Memory memory(bytes);
    fill_pattern(memory.data(), bytes);
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        Completion part;
        loop.submit(part, op::send(pair.near, memory.data(), bytes), nobody);
        CHECK_OK(loop.run());
        CHECK(part.idle());
        const u32 sent = static_cast<u32>(CHECK_OK(part.value));
        CHECK_GT(sent, 0u);
        CHECK_LT(sent, bytes);
        Completion rest;
        loop.submit(rest, op::send_all(pair.near, memory.data() + sent, bytes - sent), nobody);
        run_a_little(loop);
        CHECK(!rest.idle());
        static PatternReader reader;
        reader = {};
        reader.start(loop, pair.far);
        run_until(loop, [&]() noexcept { return reader.received == bytes; });
        run_until(loop, [&]() noexcept { return rest.idle(); });
        CHECK_EQ(rest.value, static_cast<i32>(bytes - sent));
        end_all(loop);
    }
}

LOOP_TEST(loop_untold_send_starts_what_is_chained) {
    SocketPair pair = make_pair_of(0);
    Completion send;
    Logged second;
    loop.submit(send, op::send_all(pair.near, "abcd", 4), nobody);
    loop.then(send, second.completion, op::nop(), second.handler());
    CHECK_OK(loop.run());
    CHECK(second.ended());
    CHECK_EQ(second.last.value, 0);
    pair.far.close();
    const NoSigpipe watch;
    Logged third;
    loop.submit(send, op::send_all(pair.near, "abcd", 4), nobody);
    loop.then(send, third.completion, op::nop(), third.handler());
    CHECK_OK(loop.run());
    CHECK(third.ended());
    CHECK_ERRNO(third.last.value, Errno::ecanceled);
}

/// What is asked to end ends, whether it had been sent before or not; and is sent once at most.
LOOP_TEST(loop_untold_send_is_cancelled) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        Completion send;
        loop.submit(send, op::send_all(pair.near, "abcd", 4), nobody);
        loop.cancel(send);
        CHECK_OK(loop.run());
        CHECK(send.idle());
        char got[8];
        const long arrived = kernel::recv(pair.far, got, sizeof(got), abi::msg_flag::dontwait);
        if (send.value == 4) {
            CHECK_EQ(arrived, 4);
        } else {
            CHECK_ERRNO(send.value, Errno::ecanceled);
            CHECK_ERRNO(static_cast<i32>(arrived), Errno::eagain);
        }
    }
}

LOOP_TEST(loop_untold_sends_before_a_close_are_sent) {
    SocketPair pair = make_pair_of(0);
    Completion sends[8];
    for (Completion& send : sends) {
        loop.submit(send, op::send_all(pair.near, "abcd", 4), nobody);
    }
    Completion close;
    loop.submit(close, op::close(pair.near.release()), nobody);
    CHECK_OK(loop.run());
    u32 sent = 0;
    for (const Completion& send : sends) {
        CHECK(send.idle());
        sent += send.value == 4 ? 4 : 0;
    }
    char got[64];
    CHECK_EQ(kernel::recv(pair.far, got, sizeof(got), abi::msg_flag::waitall),
             static_cast<long>(sent));
}

LOOP_TEST(loop_untold_sends_are_drained) {
    constexpr u32 bytes = 2 << 20;
    const Memory memory(bytes);
    const SocketPair pair = make_pair_of(0);
    Completion sends[2];
    loop.submit(sends[0], op::send_all(pair.near, "abcd", 4), nobody);
    loop.submit(sends[1], op::send_all(pair.near, memory.data(), bytes), nobody);
    run_a_little(loop);
    CHECK(!sends[1].idle());
    CHECK_EQ(loop.drain(), 0u);
    CHECK(sends[0].idle() && sends[1].idle());
    CHECK_EQ(sends[0].value, 4);
}

// ---- Buffers that go back by themselves
// ----------------------------------------------------------

/// Answers with what it was sent, and is told of no answer's end.
struct Answerer {
    BufferPool& pool;
    i32 fd;
    Completion receive;
    Completion sends[8];
    u32 answers = 0;
    bool ended = false;

    void start(Loop& loop) noexcept {
        loop.submit(receive, op::recv_multishot(fd, pool), on<&Answerer::take>(*this));
    }

  private:
    void take(Loop& loop, Result result) noexcept {
        if (!result.has_buffer()) {
            ended = !result.more();
            return;
        }
        for (Completion& send : sends) {
            if (send.idle()) {
                loop.submit(send, op::send_all(fd, pool, result), nobody);
                ++answers;
                break;
            }
        }
        if (!result.more()) {
            start(loop);
        }
    }
};

/// Asks `rounds` times, each time when the last answer has come.
struct Asker {
    i32 fd;
    u32 rounds;
    Completion send;
    Completion receive;
    u8 question[16] = {};
    u8 answer[16] = {};
    u32 done = 0;

    void ask(Loop& loop) noexcept {
        fill_pattern(question, sizeof(question), done);
        loop.submit(receive, op::recv_all(fd, answer, sizeof(answer)), on<&Asker::take>(*this));
        loop.submit(send, op::send_all(fd, question, sizeof(question)), nobody);
    }

  private:
    void take(Loop& loop, Result result) noexcept {
        CHECK_EQ(result.value, static_cast<i32>(sizeof(answer)));
        check_pattern(answer, sizeof(answer), done);
        if (++done < rounds) {
            ask(loop);
        } else {
            CHECK_OK(kernel::shutdown(fd, abi::shutdown_how::write));
        }
    }
};

LOOP_TEST(loop_send_from_a_pool_gives_the_buffer_back) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        Pool pool(loop, 2, 16);
        Answerer server = {*pool, pair.near, {}, {}};
        Asker client = {pair.far, 300, {}, {}};
        server.start(loop);
        client.ask(loop);
        const u64 waits_before = loop.statistics().waits;
        CHECK_OK(loop.run());
        CHECK(server.ended);
        CHECK_EQ(client.done, 300u);
        CHECK_GE(server.answers, 300u);
        CHECK_GT(loop.statistics().waits, waits_before);
    }
}

LOOP_TEST(loop_send_from_a_pool_gives_the_buffer_back_where_it_fails) {
    const NoSigpipe watch;
    for (const Handler& handler : handlers) {
        SocketPair from = make_pair_of(0);
        SocketPair to = make_pair_of(0);
        Pool pool(loop, 1, 16);
        Logged received;
        submit_waiting(loop, received, op::recv(from.near, *pool));
        write_text(from.far, "abcd");
        run_until_ended(loop, received);
        CHECK_EQ(pool->held(), 1u);
        to.far.close();
        Completion send;
        loop.submit(send, op::send_all(to.near, *pool, received.last), handler);
        CHECK_OK(loop.run());
        CHECK_ERRNO(send.value, Errno::epipe);
        CHECK_EQ(pool->held(), 0u);
    }
}

/// Also where it waits for room and is asked to end, and where it never began.
LOOP_TEST(loop_send_from_a_pool_gives_the_buffer_back_where_it_is_cancelled) {
    const SocketPair from = make_pair_of(0);
    const SocketPair to = make_pair_of(0);
    Pool pool(loop, 2, 16);
    Logged received[2];
    for (Logged& one : received) {
        submit_waiting(loop, one, op::recv(from.near, *pool));
        write_text(from.far, "abcd");
        run_until_ended(loop, one);
    }
    CHECK_EQ(pool->held(), 2u);
    const char filling[4096] = {};
    while (kernel::send(to.near, filling, sizeof(filling), abi::msg_flag::dontwait) > 0) {
    }
    while (kernel::send(to.near, filling, 1, abi::msg_flag::dontwait) > 0) {
    }
    Completion send;
    loop.submit(send, op::send_all(to.near, *pool, received[0].last), nobody);
    run_a_little(loop);
    CHECK(!send.idle());
    CHECK_EQ(pool->held(), 2u);
    loop.cancel(send);
    CHECK_OK(loop.run());
    CHECK_ERRNO(send.value, Errno::ecanceled);
    CHECK_EQ(pool->held(), 1u);
    loop.submit(send, op::send_all(closed_fd(), *pool, received[1].last), nobody);
    CHECK_OK(loop.run());
    CHECK_ERRNO(send.value, Errno::ebadf);
    CHECK_EQ(pool->held(), 0u);
}

} // namespace
} // namespace oxbow::test
