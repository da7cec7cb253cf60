// The contract's line 4 against the clock: another thread works on the other end while operations
// are cancelled, time out and begin anew. Whatever is asked for when, nothing is lost or doubled:
// what was not told is still there, and what was told has happened exactly once.
#include "hook.h"
#include "loop_pending.h"

#include "../syscall/atomic.h"

namespace oxbow::test {
namespace {

constexpr u64 us = 1000;
constexpr u32 stream_bytes = 3000;

[[nodiscard]] u8 byte_at(u32 position) noexcept {
    return static_cast<u8>(position * 31 + (position >> 8));
}

// ---- Input --------------------------------------------------------------------------------------

/// Writes the stream in small pieces, with pauses, so that the receiver often has to wait.
struct Writer {
    i32 fd;
    u64 seed;

    static void run(void* self) noexcept {
        const HookPause pause;
        const Writer& writer = *static_cast<Writer*>(self);
        Random random(writer.seed);
        u8 piece[64];
        for (u32 at = 0; at < stream_bytes;) {
            const u32 left = stream_bytes - at;
            const u32 count = random.between(1, left < 64 ? left : 64);
            for (u32 i = 0; i < count; ++i) {
                piece[i] = byte_at(at + i);
            }
            CHECK_EQ(kernel::write(writer.fd, piece, count), static_cast<i64>(count));
            at += count;
            if (random.chance(300)) {
                (void)kernel::sched_yield();
            }
        }
    }
};

enum class Way : u8 { recv, recv_all, recv_managed, recv_multishot, read, read_managed, count };

/// Takes the stream with one operation after the other, each of which may be cancelled.
struct Taker {
    Way way;
    i32 fd;
    BufferPool* pool;
    u32 taken = 0;
    Completion completion = {};
    u8 data[40] = {};

    [[nodiscard]] Operation operation() noexcept {
        switch (way) {
        case Way::recv:
            return op::recv(fd, data, sizeof(data));
        case Way::recv_all:
            return op::recv_all(fd, data, sizeof(data));
        case Way::recv_managed:
            return op::recv(fd, *pool);
        case Way::recv_multishot:
            return op::recv_multishot(fd, *pool);
        case Way::read:
            return op::read(fd, data, sizeof(data));
        default:
            return op::read(fd, *pool);
        }
    }
    void ended(Result result) noexcept {
        if (!result.ok()) {
            CHECK(result.is(Errno::ecanceled) || result.is(Errno::etime));
            CHECK(!result.has_buffer());
            return;
        }
        const u8* const got = result.has_buffer() ? pool->data(result) : data;
        for (u32 i = 0; i < result.count(); ++i) {
            CHECK_EQ(got[i], byte_at(taken + i));
        }
        taken += result.count();
        pool->give_back(result);
    }
};

LOOP_TEST(loop_cancel_races_with_input) {
    Random random;
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 2, .buffer_bytes = 40}));
    for (u32 way = 0; way < static_cast<u32>(Way::count); ++way) {
        note("way", way);
        SocketPair pair;
        Pipe pipe;
        const bool is_pipe = static_cast<Way>(way) >= Way::read;
        if (is_pipe) {
            pipe = make_pipe();
        } else {
            pair = make_socket_pair();
        }
        Writer writer = {is_pipe ? pipe.writer : pair.far, random.next()};
        Taker taker = {static_cast<Way>(way), is_pipe ? pipe.reader : pair.near, &pool};
        Thread thread(&Writer::run, &writer);
        const u64 limit_ns = now_ns() + patience_ns;
        while (taker.taken < stream_bytes) {
            CHECK_LT(now_ns(), limit_ns);
            if (taker.completion.idle()) {
                const Operation operation = taker.operation();
                loop.submit(taker.completion,
                            random.chance(300) ? with_timeout(operation, random.below(100) * us)
                                               : operation,
                            on<&Taker::ended>(taker));
            }
            run_rounds(loop, random.below(3));
            if (random.chance(400) || taker.taken + sizeof(taker.data) > stream_bytes) {
                loop.cancel(taker.completion);
            }
            run_rounds(loop, 1);
        }
        CHECK_EQ(taker.taken, stream_bytes);
        loop.cancel(taker.completion);
        CHECK_OK(loop.run());
        CHECK_EQ(pool.held(), 0u);
    }
    pool.close();
}

// ---- Output -------------------------------------------------------------------------------------

/// Reads the stream slowly, and counts.
struct Reader {
    i32 fd;
    u64 seed;
    u32 taken = 0;

    static void run(void* self) noexcept {
        const HookPause pause;
        Reader& reader = *static_cast<Reader*>(self);
        Random random(reader.seed);
        u8 data[3000];
        for (;;) {
            const long count = kernel::read(reader.fd, data, random.between(1, sizeof(data)));
            CHECK_GE(count, 0);
            if (count == 0) {
                return;
            }
            for (long i = 0; i < count; ++i) {
                CHECK_EQ(data[i], byte_at(reader.taken + static_cast<u32>(i)));
            }
            reader.taken += static_cast<u32>(count);
            if (random.chance(300)) {
                (void)kernel::sched_yield();
            }
        }
    }
};

struct Giver {
    u32 given = 0;
    Completion completion = {};
    u8 data[2000] = {};

    void ended(Result result) noexcept {
        if (!result.ok()) {
            CHECK(result.is(Errno::ecanceled) || result.is(Errno::etime));
            return;
        }
        given += result.count();
    }
};

LOOP_TEST(loop_cancel_races_with_output) {
    constexpr i32 small = 4096;
    Random random;
    for (u32 way = 0; way < 4; ++way) {
        note("way", way);
        SocketPair pair;
        Pipe pipe;
        if ((way & 1) != 0) {
            pipe = make_pipe();
            CHECK_OK(kernel::fcntl(pipe.writer, abi::fcntl_command::set_pipe_size, small));
        } else {
            pair = make_socket_pair();
            CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                        abi::socket_option::send_buffer, &small, sizeof(small)));
        }
        Fd& to = (way & 1) != 0 ? pipe.writer : pair.near;
        Reader reader = {(way & 1) != 0 ? pipe.reader : pair.far, random.next()};
        Giver giver;
        Thread thread(&Reader::run, &reader);
        for (u32 i = 0; i < 300; ++i) {
            for (u32 at = 0; at < sizeof(giver.data); ++at) {
                giver.data[at] = byte_at(giver.given + at);
            }
            const u32 bytes = random.between(1, sizeof(giver.data));
            Operation operation;
            if ((way & 1) != 0) {
                operation = (way & 2) != 0 ? op::write_all(to, giver.data, bytes)
                                           : op::write(to, giver.data, bytes);
            } else {
                operation = (way & 2) != 0 ? op::send_all(to, giver.data, bytes)
                                           : op::send(to, giver.data, bytes);
            }
            if (random.chance(300)) {
                operation = with_timeout(operation, random.below(100) * us);
            }
            loop.submit(giver.completion, operation, on<&Giver::ended>(giver));
            run_rounds(loop, random.below(3));
            if (random.chance(500)) {
                loop.cancel(giver.completion);
            }
            CHECK_OK(loop.run());
            CHECK(giver.completion.idle());
        }
        to.close();
        thread.join();
        CHECK_EQ(reader.taken, giver.given);
    }
}

// ---- New descriptors ----------------------------------------------------------------------------

struct Connector {
    const BoundSocket& listener;
    Fd (&clients)[40];

    static void run(void* self) noexcept {
        const HookPause pause;
        Connector& connector = *static_cast<Connector*>(self);
        for (Fd& client : connector.clients) {
            client = make_tcp_socket();
            CHECK_OK(connect_blocking(client, &connector.listener.address,
                                      sizeof(connector.listener.address)));
            (void)kernel::sched_yield();
        }
    }
};

struct Acceptor {
    u32 accepted = 0;
    Completion completion = {};

    void ended(Result result) noexcept {
        if (!result.ok()) {
            CHECK_ERRNO(result.value, Errno::ecanceled);
            return;
        }
        CHECK_OK(kernel::close(result.fd()));
        ++accepted;
    }
};

LOOP_TEST(loop_cancel_races_with_connections) {
    // Each connection is accepted once: the descriptor of one that was cancelled is not lost.
    Random random;
    const u32 forms = miscounts_overflowing_connections(row) ? 1 : 2;
    for (u32 multishot = 0; multishot < forms; ++multishot) {
        const BoundSocket listener = make_listener();
        Fd clients[40];
        Connector connector = {listener, clients};
        Acceptor acceptor;
        Thread thread(&Connector::run, &connector);
        const u64 limit_ns = now_ns() + patience_ns;
        while (acceptor.accepted < 40) {
            CHECK_LT(now_ns(), limit_ns);
            if (acceptor.completion.idle()) {
                loop.submit(acceptor.completion,
                            multishot != 0 ? op::accept_multishot(listener.fd)
                                           : op::accept(listener.fd),
                            on<&Acceptor::ended>(acceptor));
            }
            run_rounds(loop, random.below(3));
            if (random.chance(500)) {
                loop.cancel(acceptor.completion);
            }
        }
        loop.cancel(acceptor.completion);
        CHECK_OK(loop.run());
        CHECK_EQ(acceptor.accepted, 40u);
    }
}

LOOP_TEST(loop_cancel_races_with_opening) {
    // What was opened is told, so that it can be closed, or is not open: the test counts.
    constexpr u32 count = 100;
    Random random;
    static Logged opens[count];
    const Fd file = make_file();
    u32 opened = 0;
    for (u32 i = 0; i < count; ++i) {
        submit(loop, opens[i],
               op::openat(abi::at_fdcwd, "/dev/null",
                          abi::open_flag::read_write | abi::open_flag::cloexec));
        if (random.chance(300)) {
            run_rounds(loop, 1);
        }
        loop.cancel(opens[random.below(i + 1)].completion);
    }
    CHECK_OK(loop.run());
    for (const Logged& open : opens) {
        CHECK_EQ(open.count, 1u);
        if (open.last.ok()) {
            CHECK_OK(kernel::close(open.last.fd()));
            ++opened;
        } else {
            CHECK_ERRNO(open.last.value, Errno::ecanceled);
        }
    }
    note("opened", opened);
}

// ---- Notifications ------------------------------------------------------------------------------

struct Notifier {
    Async& async;
    u32 sent = 0;
    u32 seen = 0;
    static constexpr u32 count = 300;

    static void run(void* self) noexcept {
        const HookPause pause;
        Notifier& notifier = *static_cast<Notifier*>(self);
        for (u32 i = 1; i <= count; ++i) {
            store_release(&notifier.sent, i);
            notifier.async.notify();
            // The next one only when this one has been told: then none may ever be missed.
            while (load_acquire(&notifier.seen) < i) {
                (void)kernel::sched_yield();
            }
        }
    }
};

LOOP_TEST(loop_cancel_races_with_notifications) {
    Random random;
    Async async(loop);
    Notifier notifier = {async};
    Logged waiting;
    Thread thread(&Notifier::run, &notifier);
    const u64 limit_ns = now_ns() + patience_ns;
    while (load_relaxed(&notifier.seen) < Notifier::count) {
        CHECK_LT(now_ns(), limit_ns);
        waiting.count = 0;
        submit(loop, waiting, op::notification(async));
        run_rounds(loop, random.below(2));
        if (random.chance(500)) {
            loop.cancel(waiting.completion);
        }
        CHECK_OK(loop.run());
        CHECK_EQ(waiting.count, 1u);
        if (waiting.last.value == 0) {
            CHECK_EQ(load_acquire(&notifier.sent), notifier.seen + 1);
            store_release(&notifier.seen, notifier.seen + 1);
        } else {
            CHECK_ERRNO(waiting.last.value, Errno::ecanceled);
        }
    }
}

} // namespace
} // namespace oxbow::test
