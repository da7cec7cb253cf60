// The contract's line 7, descriptors: foreign ones keep their flags and work, blocking or not, and
// what another one takes away is no error; the library's own are right for the engine; and what
// finds no buffer waits for one.
#include "hook.h"
#include "loop_pending.h"

namespace oxbow::test {
namespace {

[[nodiscard]] i32 flags_of(i32 fd) noexcept {
    return CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_status_flags));
}

void make_nonblocking(i32 fd) noexcept {
    CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::set_status_flags,
                           flags_of(fd) | abi::open_flag::nonblock));
}

/// Whether something is there to be read, or to be accepted.
[[nodiscard]] bool is_readable(i32 fd) noexcept {
    abi::PollFd poll = {fd, static_cast<i16>(abi::poll_event::in), 0};
    constexpr abi::Timespec at_once = {};
    return CHECK_OK(kernel::ppoll(&poll, 1, &at_once)) == 1;
}

// ---- Foreign ones -------------------------------------------------------------------------------

LOOP_TEST(loop_transient_fd_keeps_its_flags) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd || kind.waiting == Waiting::connect) {
            continue;
        }
        for (u32 nonblocking = 0; nonblocking < 2; ++nonblocking) {
            Pending pending(loop, kind);
            if (nonblocking != 0) {
                make_nonblocking(pending.near);
                make_nonblocking(pending.far >= 0 ? pending.far : pending.near);
            }
            const i32 flags = flags_of(pending.fd());
            pending.submit();
            run_rounds(loop, 4);
            CHECK_EQ(pending.logged.count, 0u); // it waits, and says nothing of -EAGAIN
            CHECK_EQ(flags_of(pending.fd()), flags);
            pending.provoke();
            run_until(loop, [&]() noexcept { return pending.logged.count != 0; });
            pending.check_came(pending.logged.log[0]);
            CHECK_EQ(flags_of(pending.fd()), flags);
            loop.cancel(pending.logged.completion);
            CHECK_OK(loop.run());
        }
    }
}

LOOP_TEST(loop_transient_fd_that_does_not_block_can_be_cancelled) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd) {
            continue;
        }
        for (u32 rounds = 0; rounds < 6; rounds += 1 + rounds) {
            Pending pending(loop, kind);
            Logged request;
            make_nonblocking(pending.near);
            pending.submit();
            run_rounds(loop, rounds);
            submit(loop, request, op::cancel(pending.logged.completion));
            run_until_ended(loop, pending.logged);
            run_until_ended(loop, request);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
            CHECK(request.last.value == 0 ||
                  (kind.may_be_too_late && request.last.is(Errno::ealready)));
            pending.poison();
            if (pending.can_be_provoked()) {
                pending.provoke();
            }
            run_rounds(loop, 3);
            pending.check_untouched();
            pending.check_nothing_taken();
        }
    }
}

LOOP_TEST(loop_transient_fd_says_eagain_where_that_is_asked_for) {
    SocketPair pair = make_socket_pair();
    Pipe pipe = make_pipe();
    char got[8] = {};
    constexpr u32 dontwait = abi::msg_flag::dontwait;
    CHECK_ERRNO(perform_on(loop, op::recv(pair.near, got, 8, dontwait)).value, Errno::eagain);
    check_would_wait(perform_on(loop, op::read(pipe.reader, got, 8, abi::rw_flag::nowait)));
    write_text(pair.far, "x");
    CHECK_EQ(perform_on(loop, op::recv(pair.near, got, 8, dontwait)).value, 1);
}

/// Takes what can be read from a pipe or a socket, which may block: how many bytes, or an errno.
[[nodiscard]] i64 steal(i32 fd, bool is_pipe, char* memory, u32 bytes) noexcept {
    if (!is_pipe) {
        return kernel::recv(fd, memory, bytes, abi::msg_flag::dontwait);
    }
    // By another description of the same pipe, whose mode is its own.
    Message path;
    path.add("/proc/self/fd/").add_decimal(static_cast<u64>(fd));
    const Fd thief(CHECK_OK(kernel::openat(abi::at_fdcwd, path.text(),
                                           abi::open_flag::read_only | abi::open_flag::nonblock |
                                               abi::open_flag::cloexec)));
    return kernel::read(thief, memory, bytes);
}

LOOP_TEST(loop_transient_fd_whose_data_another_one_takes) {
    // The descriptor was ready, and is not when its turn comes. Nobody is told, and nothing hangs.
    for (u32 way = 0; way < 8; ++way) {
        const bool is_pipe = (way & 1) != 0;
        const bool nonblocking = (way & 2) != 0;
        Pipe pipe;
        SocketPair pair;
        if (is_pipe) {
            pipe = make_pipe();
        } else {
            pair = make_socket_pair();
        }
        const i32 from = is_pipe ? pipe.reader : pair.near;
        const i32 to = is_pipe ? pipe.writer : pair.far;
        if (nonblocking) {
            make_nonblocking(from);
        }
        char got[8] = {};
        Logged receive;
        submit(loop, receive,
               is_pipe ? op::read(from, got, sizeof(got)) : op::recv(from, got, sizeof(got)));
        run_rounds(loop, (way & 4) != 0 ? 3 : 1);
        // Older rings take the data as soon as they come: then there is nothing to be stolen.
        bool stolen = true;
        for (u32 i = 0; i < 5 && stolen; ++i) {
            write_text(to, "data");
            char loot[8] = {};
            stolen = steal(from, is_pipe, loot, sizeof(loot)) > 0;
            if (stolen) {
                CHECK_STREQ(loot, "data");
                run_rounds(loop, 2);
                CHECK_EQ(receive.count, 0u);
            }
        }
        if (stolen) {
            write_text(to, "data");
        }
        run_until_ended(loop, receive);
        CHECK_EQ(receive.last.value, 4);
        CHECK_BYTES(got, "data", 4);
    }
}

LOOP_TEST(loop_transient_fd_whose_connection_another_one_takes) {
    for (u32 nonblocking = 0; nonblocking < 2; ++nonblocking) {
        const BoundSocket listener = make_listener();
        if (nonblocking != 0) {
            make_nonblocking(listener.fd);
        }
        Logged accept;
        submit(loop, accept, op::accept(listener.fd));
        run_rounds(loop, 3);
        Fd clients[4];
        bool stolen = true;
        for (u32 i = 0; i < 4 && stolen; ++i) {
            clients[i] = make_tcp_socket();
            CHECK_OK(connect_blocking(clients[i], &listener.address, sizeof(listener.address)));
            stolen = i < 3 && is_readable(listener.fd);
            if (stolen) {
                CHECK_OK(
                    kernel::close(CHECK_OK(kernel::accept4(listener.fd, nullptr, nullptr, 0))));
                run_rounds(loop, 2);
                CHECK_EQ(accept.count, 0u);
            }
        }
        run_until_ended(loop, accept);
        CHECK_OK(kernel::close(CHECK_OK(accept.last.value)));
    }
}

LOOP_TEST(loop_transient_fd_of_two_loops) {
    // Both wait for the same descriptor; each datagram is received by exactly one of them.
    ConfiguredLoop other(row);
    SocketPair pair = make_socket_pair(abi::socket_type::datagram);
    char got[2][8] = {};
    Logged receives[2];
    receives[0].rearms = receives[1].rearms = true;
    submit(loop, receives[0], op::recv(pair.near, got[0], 8));
    submit(*other, receives[1], op::recv(pair.near, got[1], 8));
    for (u32 i = 1; i <= 20; ++i) {
        write_text(pair.far, "x");
        for (u32 turns = 0; receives[0].count + receives[1].count < i; ++turns) {
            CHECK_LT(turns, 1'000'000u);
            run_rounds(loop, 1);
            run_rounds(*other, 1);
        }
        CHECK_EQ(receives[0].count + receives[1].count, i);
        CHECK(receives[0].count == 0 || receives[0].last.value == 1);
        CHECK(receives[1].count == 0 || receives[1].last.value == 1);
    }
    receives[0].rearms = receives[1].rearms = false;
    end_all(loop);
    end_all(*other);
}

LOOP_TEST(loop_transient_fd_that_is_full) {
    // A small window and a slow reader, so that nearly every send finds no room at first.
    for (u32 nonblocking = 0; nonblocking < 2; ++nonblocking) {
        constexpr u32 count = 20;
        constexpr u32 bytes = 5000;
        static u8 data[bytes];
        static u8 got[bytes];
        SocketPair pair = make_socket_pair();
        constexpr i32 small = 4096;
        CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                    abi::socket_option::send_buffer, &small, sizeof(small)));
        if (nonblocking != 0) {
            make_nonblocking(pair.near);
            make_nonblocking(pair.far);
        }
        for (u32 i = 0; i < count; ++i) {
            Random(i).fill(data, bytes);
            Logged send;
            Logged receive;
            submit(loop, send, op::send_all(pair.near, data, bytes));
            run_rounds(loop, 2);
            submit(loop, receive, op::recv_all(pair.far, got, bytes));
            run_until_ended(loop, receive);
            run_until_ended(loop, send);
            CHECK_EQ(send.last.value, static_cast<i32>(bytes));
            CHECK_EQ(receive.last.value, static_cast<i32>(bytes));
            CHECK_BYTES(got, data, bytes);
        }
    }
}

// ---- The library's own --------------------------------------------------------------------------

LOOP_TEST(loop_transient_fd_that_the_library_opens) {
    const BoundSocket listener = make_listener();
    Logged accept;
    submit(loop, accept, op::accept(listener.fd));
    const Fd client(CHECK_OK(
        perform_on(loop, op::socket(abi::socket_family::inet, abi::socket_type::stream)).value));
    CHECK_EQ(
        perform_on(loop, op::connect(client, &listener.address, sizeof(listener.address))).value,
        0);
    run_until_ended(loop, accept);
    const Fd server(CHECK_OK(accept.last.value));
    const i32 both[] = {client, server};
    for (const i32 fd : both) {
        const i32 flags = CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags));
        CHECK_EQ(flags & abi::fd_cloexec, abi::fd_cloexec);
        // A receive that waits does so in the kernel on io_uring, and in the loop on epoll; the
        // flag that each is best with is what the engines differ in.
        CHECK_EQ((flags_of(fd) & abi::open_flag::nonblock) != 0, row.is_epoll());
    }
    char got[8] = {};
    Logged receive;
    submit(loop, receive, op::recv(server, got, sizeof(got)));
    run_rounds(loop, 3);
    CHECK_EQ(receive.count, 0u);
    CHECK_EQ(perform_on(loop, op::send(client, "hello", 5)).value, 5);
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 5);
}

// ---- No buffer ----------------------------------------------------------------------------------

/// Gives each buffer back only in the round after, and checks that the datagrams come in order.
struct SlowReader {
    BufferPool pool;
    Result held = {};
    u32 count = 0;
    Completion later;

    void received(Loop& loop, Result result) noexcept {
        if (result.is(Errno::ecanceled)) {
            return;
        }
        CHECK_EQ(result.value, 4);
        CHECK(result.has_buffer());
        CHECK(result.more());
        CHECK(!held.has_buffer()); // there is only one
        u32 number = 0;
        const u8* const data = pool.data(result);
        for (u32 i = 0; i < 4; ++i) {
            number |= static_cast<u32>(data[i]) << (8 * i);
        }
        CHECK_EQ(number, count);
        ++count;
        held = result;
        loop.submit(later, op::nop(), on<&SlowReader::gives_back>(*this));
    }
    void gives_back(Result) noexcept {
        pool.give_back(held);
        held = {};
    }
};

LOOP_TEST(loop_transient_fd_of_one_buffer_and_a_burst) {
    constexpr u32 datagrams = 64;
    const BoundSocket receiver = make_bound_socket(abi::socket_type::datagram);
    const BoundSocket sender = make_bound_socket(abi::socket_type::datagram);
    SlowReader reader;
    CHECK_OK(reader.pool.open(loop, {.count = 1, .buffer_bytes = 32}));
    Completion receive;
    loop.submit(receive, op::recv_multishot(receiver.fd, reader.pool),
                on<&SlowReader::received>(reader));
    run_rounds(loop, 2);
    for (u32 i = 0; i < datagrams; ++i) {
        const u8 data[4] = {static_cast<u8>(i), 0, 0, 0};
        CHECK_EQ(kernel::sendto(sender.fd, data, 4, 0, &receiver.address, sizeof(receiver.address)),
                 4);
    }
    run_until(loop, [&]() noexcept { return reader.count == datagrams; });
    if (row.is_uring()) { // epoll takes a buffer when the callback's turn has come
        CHECK_GT(loop.statistics().buffer_waits, 0u);
    }
    loop.cancel(receive);
    CHECK_OK(loop.run());
    CHECK(receive.idle());
    CHECK_EQ(reader.pool.held(), 0u);
    reader.pool.close();
}

LOOP_TEST(loop_transient_fd_of_one_buffer_and_a_crowd) {
    // Each of them waits for data on its own, and all of them for the same buffer.
    constexpr u32 count = 16;
    SocketPair pairs[count];
    Logged receives[count];
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 16}));
    for (u32 i = 0; i < count; ++i) {
        pairs[i] = make_socket_pair();
        submit(loop, receives[i], op::recv(pairs[i].near, pool));
    }
    run_rounds(loop, 2);
    for (const SocketPair& pair : pairs) {
        write_text(pair.far, "data");
    }
    bool seen[count] = {};
    for (u32 ended = 0; ended < count;) {
        run_until(loop, [&]() noexcept {
            for (u32 i = 0; i < count; ++i) {
                if (receives[i].ended() && !seen[i]) {
                    return true;
                }
            }
            return false;
        });
        CHECK_EQ(pool.held(), 1u);
        for (u32 i = 0; i < count; ++i) {
            if (receives[i].ended() && !seen[i]) {
                CHECK_EQ(receives[i].last.value, 4);
                CHECK_BYTES(pool.data(receives[i].last), "data", 4);
                pool.give_back(receives[i].last);
                seen[i] = true;
                ++ended;
            }
        }
    }
    CHECK_OK(loop.run());
    CHECK_EQ(pool.held(), 0u);
    pool.close();
}

} // namespace
} // namespace oxbow::test
