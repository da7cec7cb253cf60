// Operations with many results, and buffers taken when data have come, on every engine alike.
#include "loop_op_help.h"

#include "../syscall/abi_epoll.h"
#include "../uring/recvmsg_out.h"

namespace oxbow::test {
namespace {

namespace type = abi::socket_type;
namespace event = abi::poll_event;

/// Collects what comes into buffers. Holds up to `hold` of them back.
struct Collector {
    static constexpr u32 room = 4096;

    BufferPool* pool = nullptr;
    Completion completion;
    Result last = {};
    u32 results = 0; ///< with more(), or data
    u32 lengths[128] = {};
    u8 data[room] = {};
    u32 bytes = 0;
    u32 hold = 0;
    Result held[64] = {};
    u32 held_count = 0;
    bool ended = false;

    explicit Collector(BufferPool& from) noexcept : pool(&from) {}

    void start(Loop& loop, const Operation& operation) noexcept {
        ended = false;
        loop.submit(completion, operation, on<&Collector::take>(*this));
    }

    void give_back() noexcept {
        for (u32 i = 0; i < held_count; ++i) {
            pool->give_back(held[i]);
        }
        held_count = 0;
    }

  private:
    void take(Result result) noexcept {
        last = result;
        ended = !result.more();
        CHECK_EQ(completion.idle(), ended);
        if (result.has_buffer()) {
            CHECK_GT(result.count(), 0u);
            CHECK_LE(result.count(), pool->buffer_bytes());
            CHECK_LE(bytes + result.count(), room);
            __builtin_memcpy(data + bytes, pool->data(result), result.count());
            bytes += result.count();
        }
        if (result.ok() && (result.more() || result.has_buffer())) {
            lengths[results++ & 127] = result.count();
        }
        if (result.has_buffer() && held_count < hold) {
            held[held_count++] = result;
        } else {
            pool->give_back(result);
        }
    }
};

void run_for_bytes(Loop& loop, const Collector& collector, u32 bytes) noexcept {
    run_until(loop, [&]() noexcept { return collector.bytes >= bytes; });
    CHECK_EQ(collector.bytes, bytes);
}

void end_by_cancel(Loop& loop, Collector& collector) noexcept {
    loop.cancel(collector.completion);
    run_until(loop, [&]() noexcept { return collector.ended; });
    CHECK_ERRNO(collector.last.value, Errno::ecanceled);
    CHECK(!collector.last.has_buffer());
}

// ---- accept
// ----------------------------------------------------------------------------------------

LOOP_TEST(loop_op_accept_multishot) {
    for (const i32 mode : fd_modes) {
        const BoundSocket listener = make_listener();
        set_mode(listener.fd, mode);
        Logged accepts;
        submit_waiting(loop, accepts, op::accept_multishot(listener.fd));
        Fd clients[8];
        Fd servers[8];
        for (u32 i = 0; i < 8; ++i) {
            clients[i] = make_tcp_socket();
            CHECK_OK(connect_blocking(clients[i], &listener.address, sizeof(listener.address)));
            if (i < 3) { // one after the other, then the rest at once
                run_until(loop, [&]() noexcept { return accepts.count == i + 1; });
            }
        }
        run_until(loop, [&]() noexcept { return accepts.count == 8; });
        for (u32 i = 0; i < 8; ++i) {
            CHECK(accepts.log[i].more());
            servers[i] = Fd(CHECK_OK(accepts.log[i].value));
            CHECK(is_cloexec(servers[i]));
        }
        run_a_little(loop);
        CHECK_EQ(accepts.count, 8u);
        loop.cancel(accepts.completion);
        run_until_ended(loop, accepts);
        CHECK_ERRNO(accepts.last.value, Errno::ecanceled);
        check_mode(listener.fd, mode);
    }
    const Fd deaf = make_tcp_socket();
    CHECK_ERRNO(perform_on(loop, op::accept_multishot(deaf)).value, Errno::einval);
}

// ---- recv
// ------------------------------------------------------------------------------------------

LOOP_TEST(loop_op_recv_multishot) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        Pool pool(loop, 4, 100);
        Collector got(*pool);
        got.start(loop, op::recv_multishot(pair.near, *pool));
        u8 out[1000];
        fill_pattern(out, sizeof(out));
        CHECK_EQ(kernel::write(pair.far, out, 10), 10);
        run_for_bytes(loop, got, 10);
        CHECK(got.last.more());
        CHECK_EQ(kernel::write(pair.far, out + 10, 990), 990); // more than all buffers take
        run_for_bytes(loop, got, 1000);
        check_pattern(got.data, 1000);
        CHECK(!got.ended);
        pair.far.close();
        run_until(loop, [&]() noexcept { return got.ended; });
        CHECK_EQ(got.last.value, 0);
        CHECK(got.last.eof());
        CHECK(!got.last.has_buffer());
        CHECK_EQ(pool->held(), 0u);
        check_mode(pair.near, mode);
    }
}

/// One buffer, and a burst: each has its turn, in order, and none is told of ENOBUFS.
LOOP_TEST(loop_op_recv_multishot_one_buffer_and_a_burst) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_tcp_pair();
        pair = make_socket_pair(type::seqpacket);
        set_mode(pair.near, mode);
        Pool pool(loop, 1, 16);
        Collector got(*pool);
        got.start(loop, op::recv_multishot(pair.near, *pool));
        u8 out[64 * 4];
        fill_pattern(out, sizeof(out));
        for (u32 i = 0; i < 64; ++i) {
            CHECK_EQ(kernel::send(pair.far, out + 4 * i, 4, 0), 4);
        }
        run_for_bytes(loop, got, sizeof(out));
        check_pattern(got.data, sizeof(out));
        CHECK_EQ(got.results, 64u);
        CHECK(!got.ended);
        end_by_cancel(loop, got);
    }
}

/// Buffers that come back late: what waits for them goes on then.
LOOP_TEST(loop_op_buffers_given_back_late) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode, type::datagram);
        Pool pool(loop, 2, 16);
        Collector got(*pool);
        got.hold = 2;
        got.start(loop, op::recv_multishot(pair.near, *pool));
        for (const char digit : "01234567") {
            if (digit != '\0') {
                CHECK_EQ(kernel::send(pair.far, &digit, 1, 0), 1);
            }
        }
        for (u32 round = 1; round <= 4; ++round) {
            run_for_bytes(loop, got, 2 * round);
            CHECK_OK(loop.run_for(200'000));
            CHECK_EQ(got.bytes, 2 * round); // it waits for a buffer
            CHECK_EQ(pool->held(), 2u);
            got.give_back();
        }
        CHECK_BYTES(got.data, "01234567", 8);
        CHECK_EQ(kernel::send(pair.far, "8", 1, 0), 1);
        run_for_bytes(loop, got, 9);
        got.give_back();
        CHECK(!got.ended);
        end_by_cancel(loop, got);
        CHECK_GT(loop.statistics().buffer_waits, 0u);
    }
}

/// Who waited for a buffer and then finds nothing to receive leaves it to the next.
LOOP_TEST(loop_op_buffers_go_to_who_needs_them) {
    for (const i32 mode : fd_modes) {
        const SocketPair a = make_pair_of(mode);
        const SocketPair b = make_pair_of(mode);
        const SocketPair c = make_pair_of(mode);
        Pool pool(loop, 1, 16);
        Collector holds(*pool);
        Collector idle(*pool);
        Collector wants(*pool);
        holds.hold = 1;
        holds.start(loop, op::recv(a.near, *pool));
        write_text(a.far, "taken");
        run_for_bytes(loop, holds, 5);
        idle.start(loop, op::recv(b.near, *pool));
        wants.start(loop, op::recv(c.near, *pool));
        run_a_little(loop);
        holds.give_back();
        write_text(c.far, "wanted");
        run_for_bytes(loop, wants, 6);
        CHECK(!idle.ended);
        end_by_cancel(loop, idle);
        // The same where the first one is gone by then.
        holds.hold = 1;
        holds.start(loop, op::recv(a.near, *pool));
        write_text(a.far, "taken");
        run_for_bytes(loop, holds, 10);
        idle.start(loop, op::recv(b.near, *pool));
        wants.start(loop, op::recv(c.near, *pool));
        run_a_little(loop);
        holds.give_back();
        end_by_cancel(loop, idle);
        write_text(c.far, "wanted");
        run_for_bytes(loop, wants, 12);
    }
}

/// Many share a few buffers.
LOOP_TEST(loop_op_recv_multishot_sharing_a_pool) {
    constexpr u32 count = 20;
    Pool pool(loop, 3, 32);
    SocketPair pairs[count];
    alignas(Collector) static u8 memory[count][sizeof(Collector)];
    Collector* got[count];
    for (u32 i = 0; i < count; ++i) {
        pairs[i] = make_socket_pair();
        __builtin_memset(memory[i], 0, sizeof(Collector));
        got[i] = reinterpret_cast<Collector*>(memory[i]);
        got[i]->pool = &*pool;
        got[i]->completion = Completion{};
        got[i]->start(loop, op::recv_multishot(pairs[i].near, *pool));
    }
    for (u32 round = 1; round <= 3; ++round) {
        for (const SocketPair& pair : pairs) {
            write_text(pair.far, "twenty bytes of text");
        }
        run_until(loop, [&]() noexcept {
            u32 bytes = 0;
            for (const Collector* one : got) {
                bytes += one->bytes;
            }
            return bytes == round * count * 20;
        });
    }
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(got[i]->bytes, 60u);
        CHECK_BYTES(got[i]->data + 40, "twenty bytes of text", 20);
        pairs[i].far.close();
    }
    run_until(loop, [&]() noexcept {
        for (const Collector* one : got) {
            if (!one->ended) {
                return false;
            }
        }
        return true;
    });
    for (u32 i = 0; i < count; ++i) {
        CHECK(got[i]->last.eof());
        pairs[i].near.close();
    }
}

/// An empty datagram is a result without a buffer, and not the end.
LOOP_TEST(loop_op_recv_multishot_empty_datagrams) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode, type::datagram);
        Pool pool(loop, 4, 16);
        Collector got(*pool);
        got.start(loop, op::recv_multishot(pair.near, *pool));
        CHECK_EQ(kernel::send(pair.far, "ab", 2, 0), 2);
        CHECK_EQ(kernel::send(pair.far, "", 0, 0), 0);
        CHECK_EQ(kernel::send(pair.far, "cd", 2, 0), 2);
        run_for_bytes(loop, got, 4);
        CHECK_EQ(got.results, 3u);
        CHECK_EQ(got.lengths[1], 0u);
        CHECK(!got.ended);
        end_by_cancel(loop, got);
    }
}

LOOP_TEST(loop_op_recv_into_a_pool_once) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        Pool pool(loop, 2, 8);
        Collector got(*pool);
        got.start(loop, op::recv(pair.near, *pool));
        run_a_little(loop);
        CHECK_EQ(pool->held(), 0u); // none is taken before there is something
        write_text(pair.far, "0123456789");
        run_until(loop, [&]() noexcept { return got.ended; });
        CHECK_EQ(got.last.value, 8);
        CHECK(got.last.has_buffer());
        got.start(loop, op::read(pair.near, *pool));
        run_until(loop, [&]() noexcept { return got.ended; });
        CHECK_EQ(got.last.value, 2);
        CHECK_BYTES(got.data, "0123456789", 10);
        pair.far.close();
        got.start(loop, op::recv(pair.near, *pool));
        run_until(loop, [&]() noexcept { return got.ended; });
        CHECK(got.last.eof());
        CHECK(!got.last.has_buffer());
    }
    Pool pool(loop, 2, 8);
    Collector got(*pool);
    const Fd file = make_file_with("hello, file");
    got.start(loop, op::recv(file, *pool));
    run_until(loop, [&]() noexcept { return got.ended; });
    CHECK_ERRNO(got.last.value, Errno::enotsock);
    got.start(loop, op::read(file, *pool));
    run_until(loop, [&]() noexcept { return got.ended; });
    CHECK_EQ(got.last.value, 8);
    CHECK_BYTES(got.data, "hello, f", 8);
    got.start(loop, op::recv(closed_fd(), *pool));
    run_until(loop, [&]() noexcept { return got.ended; });
    CHECK_ERRNO(got.last.value, Errno::ebadf);
}

LOOP_TEST(loop_op_pool_limits) {
    BufferPool pool;
    CHECK_ERRNO(pool.open(loop, {.count = 0, .buffer_bytes = 16}), Errno::einval);
    CHECK_ERRNO(pool.open(loop, {.count = 1, .buffer_bytes = 0}), Errno::einval);
    CHECK_ERRNO(pool.open(loop, {.count = 32769, .buffer_bytes = 16}), Errno::einval);
    CHECK(!pool.is_open());
    static u8 memory[3 * 24];
    CHECK_OK(pool.open(loop, {.count = 3, .buffer_bytes = 24, .memory = memory}));
    CHECK_EQ(pool.count(), 3u);
    const SocketPair pair = make_socket_pair();
    Collector got(pool);
    got.hold = 1;
    got.start(loop, op::recv(pair.near, pool));
    write_text(pair.far, "mine");
    run_until(loop, [&]() noexcept { return got.ended; });
    const u8* const data = pool.data(got.last);
    CHECK(data >= memory && data < memory + sizeof(memory));
    got.give_back();
    pool.close();
}

// ---- recvmsg
// ---------------------------------------------------------------------------------------

LOOP_TEST(loop_op_recvmsg_multishot) {
    for (const i32 mode : fd_modes) {
        const BoundSocket server = make_bound_socket(type::datagram);
        const BoundSocket client = make_bound_socket(type::datagram);
        set_mode(server.fd, mode);
        Pool pool(loop, 4, 64);
        Collector got(*pool);
        got.hold = 4;
        abi::MessageHeader message = {};
        message.name_bytes = sizeof(abi::SocketAddressIn);
        got.start(loop, op::recvmsg_multishot(server.fd, *pool, &message));
        const char* const texts[] = {"first", "", "third, which is longer than there is room for"};
        for (const char* const text : texts) {
            CHECK_EQ(kernel::sendto(client.fd, text, length_of(text), 0, &server.address,
                                    sizeof(server.address)),
                     length_of(text));
        }
        run_until(loop, [&]() noexcept { return got.results == 3; });
        CHECK(got.last.more());
        for (u32 i = 0; i < 3; ++i) {
            const Result result = got.held[i];
            CHECK(result.has_buffer()); // also of an empty one: the head is in it
            abi::RecvmsgOut head;
            const u8* const data = pool->data(result);
            __builtin_memcpy(&head, data, sizeof(head));
            CHECK_EQ(head.name_length, sizeof(abi::SocketAddressIn));
            CHECK_BYTES(data + sizeof(head), &client.address, 8);
            const u32 room = 64 - sizeof(head) - sizeof(abi::SocketAddressIn);
            const u32 length = length_of(texts[i]);
            const u32 there = length < room ? length : room;
            CHECK_EQ(result.count(), sizeof(head) + sizeof(abi::SocketAddressIn) + there);
            CHECK_EQ(head.payload_length, there);
            CHECK_EQ((head.flags & abi::msg_flag::truncated) != 0, length > room);
            CHECK_BYTES(data + sizeof(head) + sizeof(abi::SocketAddressIn), texts[i], there);
        }
        got.give_back();
        end_by_cancel(loop, got);
        // A buffer that has no room for the head and the address.
        Pool small(loop, 1, sizeof(abi::RecvmsgOut) + 8);
        Collector none(*small);
        none.start(loop, op::recvmsg_multishot(server.fd, *small, &message));
        CHECK_EQ(kernel::sendto(client.fd, "x", 1, 0, &server.address, sizeof(server.address)), 1);
        run_until(loop, [&]() noexcept { return none.ended; });
        CHECK_ERRNO(none.last.value, Errno::emsgsize);
    }
}

// ---- read, poll, timer
// -----------------------------------------------------------------------------

LOOP_TEST(loop_op_read_multishot) {
    for (const i32 mode : fd_modes) {
        Pipe pipe = make_pipe(mode);
        Pool pool(loop, 4, 100);
        Collector got(*pool);
        got.start(loop, op::read_multishot(pipe.reader, *pool));
        u8 out[1000];
        fill_pattern(out, sizeof(out));
        CHECK_EQ(kernel::write(pipe.writer, out, 10), 10);
        run_for_bytes(loop, got, 10);
        CHECK_EQ(kernel::write(pipe.writer, out + 10, 990), 990);
        run_for_bytes(loop, got, 1000);
        check_pattern(got.data, 1000);
        CHECK(got.last.more());
        pipe.writer.close();
        run_until(loop, [&]() noexcept { return got.ended; });
        CHECK_EQ(got.last.value, 0);
        CHECK(got.last.eof());

        const Fd counter(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec | mode)));
        Collector counts(*pool);
        counts.start(loop, op::read_multishot(counter, *pool));
        for (u64 i = 1; i <= 3; ++i) {
            CHECK_EQ(kernel::write(counter, &i, sizeof(i)), 8);
            run_for_bytes(loop, counts, static_cast<u32>(8 * i));
            u64 value = 0;
            __builtin_memcpy(&value, counts.data + 8 * (i - 1), 8);
            CHECK(value == i);
        }
        end_by_cancel(loop, counts);
    }
    Pool pool(loop, 1, 16);
    const Fd file = make_file_with("a file");
    Collector none(*pool);
    none.start(loop, op::read_multishot(file, *pool));
    run_until(loop, [&]() noexcept { return none.ended; });
    CHECK_ERRNO(none.last.value, Errno::ebadfd);
    none.start(loop, op::read_multishot(closed_fd(), *pool));
    run_until(loop, [&]() noexcept { return none.ended; });
    CHECK_ERRNO(none.last.value, Errno::ebadf);
}

LOOP_TEST(loop_op_poll) {
    SocketPair pair = make_socket_pair();
    CHECK_EQ(perform_on(loop, op::poll(pair.near, event::out)).value, event::out);
    Logged readable;
    submit_waiting(loop, readable, op::poll(pair.near, event::in));
    Logged ended;
    submit_waiting(loop, ended, op::poll(pair.near, event::rdhup));
    write_text(pair.far, "x");
    run_until_ended(loop, readable);
    CHECK_EQ(readable.last.value, event::in);
    CHECK_EQ(perform_on(loop, op::poll(pair.near, event::in | event::out)).value,
             event::in | event::out);
    run_a_little(loop);
    CHECK_EQ(ended.count, 0u);
    pair.far.close();
    run_until_ended(loop, ended);
    CHECK_EQ(static_cast<u32>(ended.last.value) & (event::hup | event::rdhup),
             event::hup | event::rdhup);
    CHECK_EQ(static_cast<u32>(ended.last.value) & event::in, 0u); // not asked for
    const Fd file = make_file();
    CHECK_EQ(perform_on(loop, op::poll(file, event::in)).value, event::in);
    CHECK_EQ(perform_on(loop, op::poll(file, event::in | event::out)).value,
             event::in | event::out);
    Pipe pipe = make_pipe();
    pipe.reader.close();
    // Errors and hang-ups are told whatever was asked for.
    CHECK_EQ(perform_on(loop, op::poll(pipe.writer, event::in)).value, event::err);
}

LOOP_TEST(loop_op_poll_multishot) {
    SocketPair pair = make_socket_pair();
    Logged poll;
    submit_waiting(loop, poll, op::poll_multishot(pair.near, event::in));
    for (u32 i = 1; i <= 3; ++i) {
        const u32 before = poll.count;
        write_text(pair.far, "abc");
        run_until(loop, [&]() noexcept { return poll.count > before; });
        CHECK_EQ(static_cast<u32>(poll.last.value) & event::in, event::in);
        CHECK(poll.last.more());
        CHECK_READS(pair.near, "abc");
        run_a_little(loop);
    }
    loop.cancel(poll.completion);
    run_until_ended(loop, poll);
    CHECK_ERRNO(poll.last.value, Errno::ecanceled);
}

LOOP_TEST(loop_op_timer_every) {
    Logged ticks;
    const u64 begin_ns = now_ns();
    submit(loop, ticks, op::timer_every(ms / 2, ms));
    u32 periods = 0;
    for (u32 seen = 0; periods < 6;) {
        CHECK_OK(loop.run(Run::once));
        for (; seen < ticks.count; ++seen) {
            CHECK(ticks.log[seen].more());
            periods += ticks.log[seen].count();
        }
    }
    CHECK_GE(now_ns() - begin_ns, ms + 5 * ms / 2);
    loop.cancel(ticks.completion);
    run_until_ended(loop, ticks);
    CHECK_ERRNO(ticks.last.value, Errno::ecanceled);
}

} // namespace
} // namespace oxbow::test
