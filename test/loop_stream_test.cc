// The contract's eighth line: the end of a stream, empty datagrams, short transfers and those that
// go on, what poll and accept tell, and no SIGPIPE.
#include "../syscall/abi_epoll.h"
#include "../syscall/abi_memory.h"
#include "../syscall/start.h"
#include "../uring/ring_options.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

void check_end(Result result, const Site& site) noexcept {
    check_relation<Equal>(result.value, 0, site);
    check_relation<Equal>(result.eof(), true, site);
    check_relation<Equal>(result.more(), false, site);
}
#define CHECK_END(result) check_end((result), OXBOW_TEST_SITE("CHECK_END(" #result ")"))

/// A count of bytes, 0 included, that is no end.
void check_count(Result result, u32 bytes, const Site& site) noexcept {
    check_relation<Equal>(result.value, static_cast<i32>(bytes), site);
    check_relation<Equal>(result.eof(), false, site);
}
#define CHECK_COUNT(result, bytes)                                                                 \
    check_count((result), (bytes), OXBOW_TEST_SITE("CHECK_COUNT(" #result ", " #bytes ")"))

/// A message in two pieces.
struct TwoPieces {
    u8 first[4] = {};
    u8 second[60] = {};
    abi::IoVec pieces[2] = {{first, sizeof(first)}, {second, sizeof(second)}};
    abi::MessageHeader message = {};

    TwoPieces() noexcept {
        message.vectors = pieces;
        message.vector_count = 2;
    }
    TwoPieces(const TwoPieces&) = delete;
    TwoPieces& operator=(const TwoPieces&) = delete;
};

// ---- The end of a stream ------------------------------------------------------------------------

/// Every way to read from a socket at its end.
void check_socket_at_end(Loop& loop, i32 fd) noexcept {
    u8 data[64];
    TwoPieces two;
    CHECK_END(perform_on(loop, op::recv(fd, data, sizeof(data))));
    CHECK_END(perform_on(loop, op::recv_all(fd, data, sizeof(data))));
    CHECK_END(perform_on(loop, op::recvmsg(fd, &two.message)));
    CHECK_END(perform_on(loop, op::recvmsg_all(fd, &two.message)));
    CHECK_END(perform_on(loop, op::read(fd, data, sizeof(data))));
    CHECK_END(perform_on(loop, op::read_all(fd, data, sizeof(data))));
    CHECK_END(perform_on(loop, op::readv(fd, two.pieces, 2)));
}

LOOP_TEST(loop_stream_end_of_a_local_socket) {
    SocketPair pair = make_socket_pair();
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    check_socket_at_end(loop, pair.near);
    pair.far.close();
    check_socket_at_end(loop, pair.near);
}

LOOP_TEST(loop_stream_end_of_a_tcp_socket) {
    SocketPair pair = make_tcp_pair();
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    check_socket_at_end(loop, pair.near);
    // Only one direction has ended.
    CHECK_COUNT(perform_on(loop, op::send(pair.near, "still", 5)), 5u);
    CHECK_READS(pair.far, "still");
}

LOOP_TEST(loop_stream_end_of_a_pipe) {
    Pipe pipe = make_pipe();
    u8 data[64];
    TwoPieces two;
    pipe.writer.close();
    CHECK_END(perform_on(loop, op::read(pipe.reader, data, sizeof(data))));
    CHECK_END(perform_on(loop, op::read_all(pipe.reader, data, sizeof(data))));
    CHECK_END(perform_on(loop, op::readv(pipe.reader, two.pieces, 2)));
}

LOOP_TEST(loop_stream_end_of_a_file) {
    const Fd file = make_file_with("12345");
    u8 data[64];
    TwoPieces two;
    CHECK_COUNT(perform_on(loop, op::pread(file, data, sizeof(data), 2)), 3u);
    CHECK_BYTES(data, "345", 3);
    CHECK_END(perform_on(loop, op::pread(file, data, sizeof(data), 5)));
    CHECK_END(perform_on(loop, op::pread_all(file, data, sizeof(data), 6)));
    CHECK_END(perform_on(loop, op::readv(file, two.pieces, 2, 5)));
    CHECK_EQ(perform_on(loop, op::read_all(file, data, sizeof(data))).value, 5);
    CHECK_END(perform_on(loop, op::read(file, data, sizeof(data))));
}

/// The end comes while the operation waits.
LOOP_TEST(loop_stream_end_ends_a_wait) {
    SocketPair pair = make_socket_pair();
    SocketPair tcp = make_tcp_pair();
    Pipe pipe = make_pipe();
    u8 data[3][64];
    Logged from_socket;
    Logged from_tcp;
    Logged from_pipe;
    submit(loop, from_socket, op::recv(pair.near, data[0], sizeof(data[0])));
    submit(loop, from_tcp, op::recv_all(tcp.near, data[1], sizeof(data[1])));
    submit(loop, from_pipe, op::read(pipe.reader, data[2], sizeof(data[2])));
    CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    pair.far.close();
    CHECK_OK(kernel::shutdown(tcp.far, abi::shutdown_how::write));
    pipe.writer.close();
    run_until_ended(loop, from_socket);
    run_until_ended(loop, from_tcp);
    run_until_ended(loop, from_pipe);
    CHECK_END(from_socket.last);
    CHECK_END(from_tcp.last);
    CHECK_END(from_pipe.last);
    CHECK_EQ(from_socket.count + from_tcp.count + from_pipe.count, 3u);
}

/// What came before the end is delivered first, and is no end.
LOOP_TEST(loop_stream_data_before_the_end) {
    SocketPair pair = make_socket_pair();
    u8 data[64];
    write_text(pair.far, "abc");
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 3u);
    CHECK_BYTES(data, "abc", 3);
    CHECK_END(perform_on(loop, op::recv(pair.near, data, sizeof(data))));

    // What an `_all` operation got before the end is its count.
    SocketPair other = make_tcp_pair();
    write_text(other.far, "defg");
    Logged all;
    submit(loop, all, op::recv_all(other.near, data, sizeof(data)));
    CHECK_OK(loop.run(Run::no_wait));
    CHECK_EQ(all.count, 0u);
    CHECK_OK(kernel::shutdown(other.far, abi::shutdown_how::write));
    run_until_ended(loop, all);
    CHECK_EQ(all.last.value, 4);
    CHECK(all.last.eof());
    CHECK_BYTES(data, "defg", 4);
    CHECK_END(perform_on(loop, op::recv_all(other.near, data, sizeof(data))));
}

LOOP_TEST(loop_stream_end_of_managed_reads) {
    OpenPool pool(loop, {.count = 4, .buffer_bytes = 64});
    SocketPair pair = make_socket_pair();
    Pipe pipe = make_pipe();
    write_text(pair.far, "xy");
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    const Result got = perform_on(loop, op::recv(pair.near, *pool));
    CHECK_COUNT(got, 2u);
    CHECK(got.has_buffer());
    CHECK_BYTES(pool->data(got), "xy", 2);
    pool->give_back(got);
    const Result ended = perform_on(loop, op::recv(pair.near, *pool));
    CHECK_END(ended);
    CHECK(!ended.has_buffer());
    pipe.writer.close();
    CHECK_END(perform_on(loop, op::read(pipe.reader, *pool)));
    CHECK_EQ(pool->held(), 0u);
}

/// Multishot: every result but the last has more(), and the end is the last.
LOOP_TEST(loop_stream_end_of_multishot_reads) {
    OpenPool pool(loop, {.count = 8, .buffer_bytes = 64});
    SocketPair pair = make_socket_pair();
    Pipe pipe = make_pipe();
    Logged from_socket;
    Logged from_pipe;
    submit(loop, from_socket, op::recv_multishot(pair.near, *pool));
    submit(loop, from_pipe, op::read_multishot(pipe.reader, *pool));
    write_text(pair.far, "one");
    write_text(pipe.writer, "three");
    run_until(loop, [&]() noexcept { return from_socket.count == 1 && from_pipe.count == 1; });
    CHECK_COUNT(from_socket.last, 3u);
    CHECK(from_socket.last.more());
    CHECK_BYTES(pool->data(from_socket.last), "one", 3);
    CHECK_COUNT(from_pipe.last, 5u);
    CHECK(from_pipe.last.more());
    CHECK_BYTES(pool->data(from_pipe.last), "three", 5);
    pool->give_back(from_socket.last);
    pool->give_back(from_pipe.last);
    pair.far.close();
    pipe.writer.close();
    run_until_ended(loop, from_socket);
    run_until_ended(loop, from_pipe);
    CHECK_END(from_socket.last);
    CHECK_END(from_pipe.last);
    CHECK_EQ(from_socket.count, 2u);
    CHECK_EQ(from_pipe.count, 2u);
    CHECK_EQ(pool->held(), 0u);
}

// ---- What is no end -----------------------------------------------------------------------------

void send_empty(i32 fd) noexcept {
    CHECK_EQ(CHECK_OK(kernel::send(fd, "", 0, 0)), 0);
}

/// Two sockets of UDP that are connected to each other.
[[nodiscard]] SocketPair make_udp_pair() noexcept {
    BoundSocket near = make_bound_socket(abi::socket_type::datagram);
    BoundSocket far = make_bound_socket(abi::socket_type::datagram);
    CHECK_OK(connect_blocking(near.fd, &far.address, sizeof(far.address)));
    CHECK_OK(connect_blocking(far.fd, &near.address, sizeof(near.address)));
    return {Fd(near.fd.release()), Fd(far.fd.release())};
}

void check_empty_datagrams(Loop& loop, const SocketPair& pair) noexcept {
    OpenPool pool(loop, {.count = 4, .buffer_bytes = 64});
    u8 data[64];
    TwoPieces two;
    for (u32 i = 0; i < 5; ++i) {
        send_empty(pair.far);
    }
    write_text(pair.far, "full");
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 0u);
    CHECK_COUNT(perform_on(loop, op::recvmsg(pair.near, &two.message)), 0u);
    CHECK_COUNT(perform_on(loop, op::read(pair.near, data, sizeof(data))), 0u);
    const Result managed = perform_on(loop, op::recv(pair.near, *pool));
    CHECK_COUNT(managed, 0u);
    pool->give_back(managed);
    // One that waits, too.
    CHECK_COUNT(perform_on(loop, op::recv_all(pair.near, data, sizeof(data))), 0u);
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 4u);
    CHECK_BYTES(data, "full", 4);
    Logged waiting;
    submit(loop, waiting, op::recv(pair.near, data, sizeof(data)));
    CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    send_empty(pair.far);
    run_until_ended(loop, waiting);
    CHECK_COUNT(waiting.last, 0u);
    CHECK_EQ(pool->held(), 0u);
}

LOOP_TEST(loop_stream_empty_udp_datagram_is_no_end) {
    check_empty_datagrams(loop, make_udp_pair());
}

LOOP_TEST(loop_stream_empty_local_datagram_is_no_end) {
    check_empty_datagrams(loop, make_socket_pair(abi::socket_type::datagram));
}

LOOP_TEST(loop_stream_empty_packet_is_no_end) {
    const SocketPair pair = make_socket_pair(abi::socket_type::seqpacket);
    u8 data[8];
    send_empty(pair.far);
    write_text(pair.far, "ab");
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 0u);
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 2u);
}

/// An empty datagram does not end a multishot receive.
LOOP_TEST(loop_stream_multishot_goes_on_past_an_empty_datagram) {
    OpenPool pool(loop, {.count = 4, .buffer_bytes = 256});
    const SocketPair pair = make_udp_pair();
    Logged log;
    submit(loop, log, op::recv_multishot(pair.near, *pool));
    write_text(pair.far, "a");
    send_empty(pair.far);
    write_text(pair.far, "bc");
    run_until(loop, [&]() noexcept { return log.count == 3; });
    constexpr u32 sizes[] = {1, 0, 2};
    for (u32 i = 0; i < 3; ++i) {
        CHECK_COUNT(log.log[i], sizes[i]);
        CHECK(log.log[i].more());
        pool->give_back(log.log[i]);
    }
    CHECK_EQ(pool->held(), 0u);
    loop.cancel(log.completion);
    run_until_ended(loop, log);
    CHECK(log.last.is(Errno::ecanceled));
}

LOOP_TEST(loop_stream_recvmsg_multishot_goes_on_past_an_empty_datagram) {
    OpenPool pool(loop, {.count = 4, .buffer_bytes = 256});
    const SocketPair pair = make_udp_pair();
    abi::MessageHeader message = {};
    message.name_bytes = sizeof(abi::SocketAddressIn);
    Logged log;
    submit(loop, log, op::recvmsg_multishot(pair.near, *pool, &message));
    send_empty(pair.far);
    write_text(pair.far, "bc");
    run_until(loop, [&]() noexcept { return log.count == 2; });
    constexpr u32 sizes[] = {0, 2};
    for (u32 i = 0; i < 2; ++i) {
        CHECK(log.log[i].ok());
        CHECK(!log.log[i].eof());
        CHECK(log.log[i].more());
        CHECK(log.log[i].has_buffer()); // with the address, even where nothing else is in it
        const auto& out = *reinterpret_cast<const abi::RecvmsgOut*>(pool->data(log.log[i]));
        CHECK_EQ(out.payload_length, sizes[i]);
        CHECK_EQ(out.name_length, sizeof(abi::SocketAddressIn));
        pool->give_back(log.log[i]);
    }
    CHECK_EQ(pool->held(), 0u);
    end_all(loop);
}

/// No room means no bytes, whatever the state of the stream.
LOOP_TEST(loop_stream_reading_nothing_is_no_end) {
    SocketPair pair = make_socket_pair();
    Pipe pipe = make_pipe();
    const Fd file = make_file_with("12345");
    u8 data[8];
    write_text(pair.far, "abc");
    write_text(pipe.writer, "abc");
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, 0)), 0u);
    CHECK_COUNT(perform_on(loop, op::read(pipe.reader, data, 0)), 0u);
    CHECK_COUNT(perform_on(loop, op::read_all(pipe.reader, data, 0)), 0u);
    CHECK_COUNT(perform_on(loop, op::pread(file, data, 0, 5)), 0u);
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 3u);
    CHECK_COUNT(perform_on(loop, op::read(pipe.reader, data, sizeof(data))), 3u);
    pair.far.close();
    pipe.writer.close();
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, 0)), 0u);
    CHECK_COUNT(perform_on(loop, op::read(pipe.reader, data, 0)), 0u);
    CHECK_END(perform_on(loop, op::recv(pair.near, data, 1)));
    CHECK_END(perform_on(loop, op::read(pipe.reader, data, 1)));
}

// ---- Short transfers ----------------------------------------------------------------------------

LOOP_TEST(loop_stream_plain_reads_tell_what_there_was) {
    SocketPair pair = make_socket_pair();
    Pipe pipe = make_pipe();
    u8 data[64];
    TwoPieces two;
    write_text(pair.far, "abc");
    CHECK_COUNT(perform_on(loop, op::recv(pair.near, data, sizeof(data))), 3u);
    write_text(pair.far, "defgh");
    CHECK_COUNT(perform_on(loop, op::recvmsg(pair.near, &two.message)), 5u);
    CHECK_BYTES(two.first, "defg", 4);
    CHECK_BYTES(two.second, "h", 1);
    write_text(pipe.writer, "ijklm");
    CHECK_COUNT(perform_on(loop, op::read(pipe.reader, data, 2)), 2u);
    CHECK_COUNT(perform_on(loop, op::readv(pipe.reader, two.pieces, 2)), 3u);
    CHECK_BYTES(two.first, "klm", 3);
}

/// Somebody who hands over a stream in parts, one per round of the loop.
struct Feeder {
    i32 fd;
    const u8* data;
    u32 bytes;
    u32 part;
    u32 at = 0;

    static Action feed(Loop&, Completion&, Result result, void* user) noexcept {
        Feeder& self = *static_cast<Feeder*>(user);
        if (!result.ok() || self.at == self.bytes) {
            return Action::disarm;
        }
        const u32 left = self.bytes - self.at;
        const u32 part = left < self.part ? left : self.part;
        const long sent = kernel::write(self.fd, self.data + self.at, part);
        if (sent != -Errno::eagain) {
            self.at += static_cast<u32>(CHECK_OK(sent));
        }
        return Action::rearm;
    }
};

template <usize N>
void fill_with_pattern(u8 (&data)[N]) noexcept {
    Random random;
    random.fill(data, N);
}

LOOP_TEST(loop_stream_all_reads_go_on) {
    u8 sent[1000];
    fill_with_pattern(sent);
    u8 got[1000];
    abi::IoVec pieces[] = {{got, 1}, {got + 1, 0}, {got + 1, 499}, {got + 500, 500}};
    abi::MessageHeader message = {};
    message.vectors = pieces;
    message.vector_count = 4;
    const SocketPair pair = make_socket_pair();
    const Pipe pipe = make_pipe();
    struct {
        Operation operation;
        i32 writer;
    } const cases[] = {
        {op::recv_all(pair.near, got, sizeof(got)), pair.far},
        {op::recvmsg_all(pair.near, &message), pair.far},
        {op::read_all(pair.near, got, sizeof(got)), pair.far},
        {op::read_all(pipe.reader, got, sizeof(got)), pipe.writer},
    };
    for (const auto& each : cases) {
        for (u8& byte : got) {
            byte = 0;
        }
        Logged log;
        Completion feeding;
        Feeder feeder = {each.writer, sent, sizeof(sent), 37};
        submit(loop, log, each.operation);
        loop.submit(feeding, op::nop(), Feeder::feed, &feeder);
        run_until_ended(loop, log);
        CHECK_EQ(log.count, 1u);
        CHECK_COUNT(log.last, 1000u);
        CHECK_BYTES(got, sent, sizeof(sent));
        run_until(loop, [&]() noexcept { return feeding.idle(); });
    }
}

/// Takes what comes, in parts, and compares it with what should come.
struct Taker {
    i32 fd;
    const u8* expected;
    u32 bytes;
    u32 at = 0;

    static Action take(Loop&, Completion&, Result result, void* user) noexcept {
        Taker& self = *static_cast<Taker*>(user);
        if (!result.ok() || self.at == self.bytes) {
            return Action::disarm;
        }
        u8 part[3000];
        const long got = kernel::read(self.fd, part, sizeof(part));
        if (got != -Errno::eagain) {
            CHECK_OK(got);
            CHECK_LE(self.at + static_cast<u32>(got), self.bytes);
            CHECK_BYTES(part, self.expected + self.at, static_cast<usize>(got));
            self.at += static_cast<u32>(got);
        }
        return Action::rearm;
    }
};

// More than a pipe's sixteen pages hold, of whatever size they are.
constinit u8 large[page_bytes_max == 4096 ? 200'000 : 18 * page_bytes_max] = {};
constexpr usize half_of_large = sizeof(large) / 2;

[[nodiscard]] SocketPair make_narrow_pair() noexcept {
    SocketPair pair = make_socket_pair();
    const i32 least = 1;
    CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                abi::socket_option::send_buffer, &least, sizeof(least)));
    set_nonblocking(pair.far);
    return pair;
}

LOOP_TEST(loop_stream_plain_writes_tell_what_had_room) {
    fill_with_pattern(large);
    const SocketPair pair = make_narrow_pair();
    const Pipe pipe = make_pipe();
    abi::IoVec pieces[] = {{large, half_of_large}, {large + half_of_large, half_of_large}};
    const Result sent = perform_on(loop, op::send(pair.near, large, sizeof(large)));
    CHECK_GT(sent.value, 0);
    CHECK_LT(sent.count(), sizeof(large));
    Taker taker = {pair.far, large, sent.count()};
    Completion taking;
    loop.submit(taking, op::nop(), Taker::take, &taker);
    run_until(loop, [&]() noexcept { return taking.idle(); });
    CHECK_EQ(taker.at, sent.count()); // neither more nor less than was told

    // A pipe that cannot wait for room takes what it has room for.
    set_nonblocking(pipe.writer);
    set_nonblocking(pipe.reader);
    const Result written = perform_on(loop, op::writev(pipe.writer, pieces, 2));
    CHECK_GT(written.value, 0);
    CHECK_LT(written.count(), sizeof(large));
    Taker from_pipe = {pipe.reader, large, written.count()};
    loop.submit(taking, op::nop(), Taker::take, &from_pipe);
    run_until(loop, [&]() noexcept { return taking.idle(); });
    CHECK_EQ(kernel::read(pipe.reader, large, 1), -Errno::eagain);
}

LOOP_TEST(loop_stream_all_writes_go_on) {
    fill_with_pattern(large);
    const SocketPair pair = make_narrow_pair();
    const Pipe pipe = make_pipe();
    set_nonblocking(pipe.reader);
    abi::IoVec pieces[] = {{large, 1},
                           {large + 1, half_of_large - 1},
                           {large, 0},
                           {large + half_of_large, half_of_large}};
    abi::MessageHeader message = {};
    message.vectors = pieces;
    message.vector_count = 4;
    struct {
        Operation operation;
        i32 reader;
    } const cases[] = {
        {op::send_all(pair.near, large, sizeof(large)), pair.far},
        {op::sendmsg_all(pair.near, &message), pair.far},
        {op::write_all(pair.near, large, sizeof(large)), pair.far},
        {op::write_all(pipe.writer, large, sizeof(large)), pipe.reader},
    };
    for (const auto& each : cases) {
        Logged log;
        Completion taking;
        Taker taker = {each.reader, large, sizeof(large)};
        submit(loop, log, each.operation);
        loop.submit(taking, op::nop(), Taker::take, &taker);
        run_until_ended(loop, log);
        CHECK_EQ(log.count, 1u);
        CHECK_COUNT(log.last, sizeof(large));
        run_until(loop, [&]() noexcept { return taking.idle(); });
        CHECK_EQ(taker.at, sizeof(large));
    }
}

/// No call moves more than 2 GiB less a page. /dev/null takes them without looking at them.
LOOP_TEST(loop_stream_goes_on_past_the_kernels_cap) {
    constexpr u32 bytes = 0x7fffffff;
    const long memory =
        kernel::mmap(nullptr, bytes, abi::protection::read,
                     abi::map::private_ | abi::map::anonymous | abi::map::noreserve, -1, 0);
    if (is_error(memory)) {
        SKIP("no room for 2 GiB of address space");
    }
    void* const data = reinterpret_cast<void*>(memory);
    const Fd null(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/null",
                                          abi::open_flag::write_only | abi::open_flag::cloexec)));
    CHECK_COUNT(perform_on(loop, op::write(null, data, bytes)), transfer_bytes_max());
    CHECK_COUNT(perform_on(loop, op::write_all(null, data, bytes)), bytes);
    CHECK_OK(kernel::munmap(data, bytes));
}

// ---- poll ---------------------------------------------------------------------------------------

namespace event = abi::poll_event;

LOOP_TEST(loop_stream_poll_tells_what_holds) {
    SocketPair pair = make_socket_pair();
    CHECK_EQ(perform_on(loop, op::poll(pair.near, event::in | event::out)).value,
             static_cast<i32>(event::out));
    write_text(pair.far, "x");
    CHECK_EQ(perform_on(loop, op::poll(pair.near, event::in | event::out)).value,
             static_cast<i32>(event::in | event::out));
    // What was not asked for is not told.
    CHECK_EQ(perform_on(loop, op::poll(pair.near, event::in)).value, static_cast<i32>(event::in));
    CHECK_READS(pair.near, "x");
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    CHECK_EQ(perform_on(loop, op::poll(pair.near, event::rdhup)).value,
             static_cast<i32>(event::rdhup));
    pair.far.close();
    const i32 gone = perform_on(loop, op::poll(pair.near, event::in | event::rdhup)).value;
    CHECK_EQ(gone, static_cast<i32>(event::in | event::rdhup | event::hup));
}

LOOP_TEST(loop_stream_poll_always_tells_errors_and_hang_ups) {
    Pipe pipe = make_pipe();
    Pipe other = make_pipe();
    pipe.writer.close();
    CHECK_EQ(perform_on(loop, op::poll(pipe.reader, event::in)).value,
             static_cast<i32>(event::hup));
    other.reader.close();
    CHECK_EQ(perform_on(loop, op::poll(other.writer, 0)).value, static_cast<i32>(event::err));
}

LOOP_TEST(loop_stream_poll_waits_for_what_was_asked) {
    SocketPair pair = make_socket_pair();
    Pipe pipe = make_pipe();
    Logged on_socket;
    Logged on_pipe;
    submit(loop, on_socket, op::poll(pair.near, event::in));
    submit(loop, on_pipe, op::poll(pipe.reader, event::in));
    CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    write_text(pair.far, "x");
    pipe.writer.close();
    run_until_ended(loop, on_socket);
    run_until_ended(loop, on_pipe);
    CHECK_EQ(on_socket.last.value, static_cast<i32>(event::in));
    CHECK_EQ(on_pipe.last.value, static_cast<i32>(event::hup));
}

LOOP_TEST(loop_stream_poll_tells_urgent_data) {
    const SocketPair pair = make_tcp_pair();
    Logged log;
    submit(loop, log, op::poll(pair.near, event::pri));
    CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    CHECK_EQ(kernel::send(pair.far, "!", 1, abi::msg_flag::oob), 1);
    run_until_ended(loop, log);
    CHECK_EQ(log.last.value, static_cast<i32>(event::pri));
}

/// Wake-ups of sockets name urgent data whether there are any or not.
LOOP_TEST(loop_stream_poll_tells_no_urgent_data_where_there_are_none) {
    const SocketPair pair = make_tcp_pair();
    Logged both;
    Logged urgent;
    submit(loop, both, op::poll(pair.near, event::in | event::pri));
    submit(loop, urgent, op::poll(pair.near, event::pri));
    CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    write_text(pair.far, "plain");
    run_until_ended(loop, both);
    CHECK_EQ(both.last.value, static_cast<i32>(event::in));
    CHECK_EQ(urgent.count, 0u);
    CHECK_EQ(kernel::send(pair.far, "!", 1, abi::msg_flag::oob), 1);
    run_until_ended(loop, urgent);
    CHECK_EQ(urgent.last.value, static_cast<i32>(event::pri));
}

LOOP_TEST(loop_stream_poll_finds_a_file_ready) {
    const Fd file = make_file_with("x");
    CHECK_EQ(perform_on(loop, op::poll(file, event::in | event::out)).value,
             static_cast<i32>(event::in | event::out));
}

LOOP_TEST(loop_stream_poll_multishot_tells_each_time) {
    SocketPair pair = make_socket_pair();
    Logged log;
    submit(loop, log, op::poll_multishot(pair.near, event::in | event::rdhup));
    for (u32 round = 1; round <= 3; ++round) {
        write_text(pair.far, "x");
        run_until(loop, [&]() noexcept { return log.count == round; });
        CHECK_EQ(log.last.value, static_cast<i32>(event::in));
        CHECK(log.last.more());
        CHECK_READS(pair.near, "x");
    }
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    run_until(loop, [&]() noexcept { return log.count >= 4; });
    CHECK_EQ(log.last.value, static_cast<i32>(event::in | event::rdhup));
    loop.cancel(log.completion);
    run_until_ended(loop, log);
    CHECK(log.last.is(Errno::ecanceled));
}

// ---- accept -------------------------------------------------------------------------------------

/// An address with bytes behind it that nobody may write to.
struct Peer {
    abi::SocketAddressStorage address = {};
    u32 bytes = 0xdead;

    [[nodiscard]] op::PeerAddress room(u32 room = sizeof(abi::SocketAddressStorage)) noexcept {
        for (u8& byte : address.bytes) {
            byte = 0xee;
        }
        return {&address, room, &bytes};
    }
    void check_untouched_from(u32 at) const noexcept {
        for (; at < sizeof(address.bytes); ++at) {
            CHECK_EQ(address.bytes[at], 0xeeu);
        }
    }
};

/// Accepts one connection of `client`, which has an address of its own, and compares the two.
void check_peer(Loop& loop, i32 listener, i32 client) noexcept {
    Peer peer;
    const Fd accepted(CHECK_OK(perform_on(loop, op::accept(listener, peer.room())).value));
    abi::SocketAddressStorage own = {};
    u32 own_bytes = sizeof(own);
    CHECK_OK(kernel::getsockname(client, &own, &own_bytes));
    CHECK_EQ(peer.bytes, own_bytes);
    CHECK_BYTES(peer.address.bytes, own.bytes, own_bytes);
    peer.check_untouched_from(own_bytes);
}

LOOP_TEST(loop_stream_accept_tells_an_ipv4_peer) {
    const BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    check_peer(loop, listener.fd, client);
}

LOOP_TEST(loop_stream_accept_tells_an_ipv6_peer) {
    const i32 type = abi::socket_type::stream | abi::socket_type::cloexec;
    const i32 result = kernel::socket(abi::socket_family::inet6, type, 0);
    if (result < 0) {
        SKIP("no IPv6 here");
    }
    const Fd listener(result);
    abi::SocketAddressIn6 address = {};
    address.family = static_cast<u16>(abi::socket_family::inet6);
    address.address[15] = 1;
    if (kernel::bind(listener, &address, sizeof(address)) != 0) {
        SKIP("no IPv6 address here");
    }
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    CHECK_OK(kernel::listen(listener, 8));
    const Fd client(CHECK_OK(kernel::socket(abi::socket_family::inet6, type, 0)));
    CHECK_OK(connect_blocking(client, &address, sizeof(address)));
    check_peer(loop, listener, client);
}

/// A listener at a path of the file system.
struct LocalListener {
    Fd fd;
    abi::SocketAddressUn address = {};
    u32 bytes = 0;
};
[[nodiscard]] abi::SocketAddressUn local_address(u32& bytes) noexcept {
    abi::SocketAddressUn address = {};
    address.family = static_cast<u16>(abi::socket_family::local);
    temp_path(address.path);
    bytes = static_cast<u32>(sizeof(address.family)) + length_of(address.path) + 1;
    return address;
}
[[nodiscard]] Fd make_local_socket() noexcept {
    return Fd(CHECK_OK(kernel::socket(abi::socket_family::local,
                                      abi::socket_type::stream | abi::socket_type::cloexec, 0)));
}
[[nodiscard]] LocalListener make_local_listener() noexcept {
    LocalListener listener;
    listener.fd = make_local_socket();
    listener.address = local_address(listener.bytes);
    CHECK_OK(kernel::bind(listener.fd, &listener.address, listener.bytes));
    CHECK_OK(kernel::listen(listener.fd, 8));
    return listener;
}

LOOP_TEST(loop_stream_accept_tells_a_local_peer) {
    const LocalListener listener = make_local_listener();
    const Fd client = make_local_socket();
    u32 bytes = 0;
    const abi::SocketAddressUn own = local_address(bytes);
    CHECK_OK(kernel::bind(client, &own, bytes));
    CHECK_OK(connect_blocking(client, &listener.address, listener.bytes));
    check_peer(loop, listener.fd, client);
    // One without a name has a family and nothing else.
    const Fd nameless = make_local_socket();
    CHECK_OK(connect_blocking(nameless, &listener.address, listener.bytes));
    check_peer(loop, listener.fd, nameless);
}

LOOP_TEST(loop_stream_accept_tells_what_had_no_room) {
    const BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    Peer peer;
    const Fd accepted(CHECK_OK(perform_on(loop, op::accept(listener.fd, peer.room(4))).value));
    CHECK_EQ(peer.bytes, sizeof(abi::SocketAddressIn));
    CHECK_EQ(peer.address.family, abi::socket_family::inet);
    peer.check_untouched_from(4);
}

LOOP_TEST(loop_stream_accept_needs_no_address) {
    const BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    const Fd accepted(CHECK_OK(perform_on(loop, op::accept(listener.fd)).value));
    write_text(client, "hi");
    CHECK_READS(accepted, "hi");
    CHECK(kernel::fcntl(accepted, abi::fcntl_command::get_fd_flags) == abi::fd_cloexec);
}

// ---- SIGPIPE ------------------------------------------------------------------------------------

/// Left alone, the signal ends the test's process.
void check_broken(Loop& loop, const Operation& operation, const Site& site) noexcept {
    check_errno(perform_on(loop, operation).value, Errno::epipe, site);
}
#define CHECK_BROKEN(operation)                                                                    \
    check_broken(loop, (operation), OXBOW_TEST_SITE("CHECK_BROKEN(" #operation ")"))

/// No signal is on its way to this thread, not even a blocked one.
void check_no_sigpipe_pending() noexcept {
    abi::SignalSet pending = {};
    CHECK_OK(kernel::rt_sigpending(&pending));
    CHECK(!pending.has(abi::signal::pipe));
}

void check_broken_socket(Loop& loop, i32 fd) noexcept {
    TwoPieces two;
    CHECK_BROKEN(op::send(fd, "x", 1));
    CHECK_BROKEN(op::send_all(fd, "x", 1));
    CHECK_BROKEN(op::sendmsg(fd, &two.message));
    CHECK_BROKEN(op::sendmsg_all(fd, &two.message));
    CHECK_BROKEN(op::write(fd, "x", 1));
    CHECK_BROKEN(op::write_all(fd, "x", 1));
    CHECK_BROKEN(op::writev(fd, two.pieces, 2));
}

LOOP_TEST(loop_stream_no_sigpipe_of_a_local_socket) {
    SocketPair pair = make_socket_pair();
    pair.far.close();
    check_broken_socket(loop, pair.near);
}

LOOP_TEST(loop_stream_no_sigpipe_of_a_tcp_socket) {
    const SocketPair pair = make_tcp_pair();
    CHECK_OK(kernel::shutdown(pair.near, abi::shutdown_how::write));
    check_broken_socket(loop, pair.near);
    CHECK_BROKEN(op::send_zero_copy(pair.near, "x", 1));
    TwoPieces two;
    CHECK_BROKEN(op::sendmsg_zero_copy(pair.near, &two.message));
}

LOOP_TEST(loop_stream_no_sigpipe_of_a_pipe) {
    Pipe pipe = make_pipe();
    pipe.reader.close();
    TwoPieces two;
    CHECK_BROKEN(op::write(pipe.writer, "x", 1));
    CHECK_BROKEN(op::write_all(pipe.writer, "x", 1));
    CHECK_BROKEN(op::writev(pipe.writer, two.pieces, 2));
}

LOOP_TEST(loop_stream_no_sigpipe_of_splice_and_tee) {
    const Pipe full = make_pipe();
    Pipe broken = make_pipe();
    broken.reader.close();
    write_text(full.writer, "abc");
    op::Splice splice = {};
    splice.from_fd = full.reader;
    splice.to_fd = broken.writer;
    splice.from_offset = abi::current_position;
    splice.to_offset = abi::current_position;
    splice.bytes = 3;
    CHECK_BROKEN(op::splice(&splice));
    CHECK_BROKEN(op::tee(&splice));
}

/// While an operation waits for room, its reader goes away.
LOOP_TEST(loop_stream_no_sigpipe_of_a_wait) {
    SocketPair pair = make_narrow_pair();
    Pipe pipe = make_pipe();
    Logged to_socket;
    Logged to_pipe;
    submit(loop, to_socket, op::send_all(pair.near, large, sizeof(large)));
    submit(loop, to_pipe, op::write_all(pipe.writer, large, sizeof(large)));
    for (u32 i = 0; i < 3; ++i) {
        CHECK_EQ(CHECK_OK(loop.run(Run::no_wait)), 0);
    }
    pair.far.close();
    pipe.reader.close();
    run_until_ended(loop, to_socket);
    run_until_ended(loop, to_pipe);
    // What went out before is a true result; the next operation meets the error.
    CHECK(to_socket.last.is(Errno::epipe) || to_socket.last.count() > 0);
    CHECK(to_pipe.last.is(Errno::epipe) || to_pipe.last.count() > 0);
    CHECK_BROKEN(op::send_all(pair.near, "x", 1));
    CHECK_BROKEN(op::write_all(pipe.writer, "x", 1));
}

/// However it is kept away, the thread's signal mask is as it was when the loop is gone, and no
/// signal is left behind.
VARIANT_TEST(loop_stream_leaves_the_signal_mask_alone, loop_configurations) {
    abi::SignalSet before = {};
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &before));
    {
        ConfiguredLoop loop(row);
        Pipe pipe = make_pipe();
        pipe.reader.close();
        check_broken(*loop, op::write(pipe.writer, "x", 1), OXBOW_TEST_SITE("write"));
    }
    check_no_sigpipe_pending();
    abi::SignalSet after = {};
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &after));
    CHECK_EQ(after.has(abi::signal::pipe), before.has(abi::signal::pipe));
}

} // namespace
} // namespace oxbow::test
