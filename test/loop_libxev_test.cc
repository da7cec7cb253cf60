// libxev's tests of its two backends and of what it builds on them, as scenarios of our own, on
// every engine: what its list names, with ports that are free, files of their own, and results that
// are looked at. Its containers are tested in list_test.cc, remote_queue_test.cc and with the
// deadlines. Source: libxev src/backend/*.zig and src/watcher/*.zig, 2026-04.
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u64 never_ns = 100'000 * ms;

/// Runs without waiting, as often as it takes.
template <class Condition>
void spin_until(Loop& loop, Condition done) noexcept {
    const u64 limit_ns = now_ns() + 20'000 * ms;
    while (!done()) {
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(loop.run(Run::no_wait));
    }
}

// ---- The loop -----------------------------------------------------------------------------------

/// "Completion size": 128 on its io_uring, 184 on its epoll.
TEST(loop_libxev_completion_size) {
    CHECK_EQ(sizeof(Completion), sizeof(void*) == 8 ? 96u : 64u);
}

/// "io_uring: available", "dynamic: detect", "dynamic: prefer".
TEST(loop_libxev_detect_and_prefer) {
    constexpr EngineChoice choices[] = {EngineChoice::uring, EngineChoice::epoll};
    u32 available = 0;
    for (const EngineChoice choice : choices) {
        Options options;
        options.engine = choice;
        Loop loop;
        if (open(loop, options) == 0) {
            ++available;
            CHECK_STREQ(loop.engine_name(), choice == EngineChoice::uring ? "io_uring" : "epoll");
            CHECK_EQ(loop.run(), 0);
            loop.close();
        }
    }
    CHECK_GE(available, 1u);
    // Two at once need not be of the same kind.
    Loop first;
    Loop second;
    Options options;
    CHECK_OK(open(first));
    options.engine = EngineChoice::epoll;
    CHECK_OK(open(second, options));
    CHECK_EQ(perform_on(first, op::timer(1)).value, 1);
    CHECK_EQ(perform_on(second, op::timer(1)).value, 1);
    first.close();
    second.close();
}

/// "io_uring: overflow entries count": the default is fine, 2^13 too many for it.
TEST(loop_libxev_entries) {
    Options options;
    Loop loop;
    CHECK_OK(open(loop, options));
    loop.close();
    options.loop.entries = 1u << 13;
    CHECK_OK(open(loop, options));
    CHECK_EQ(perform_on(loop, op::nop()).value, 0);
    loop.close();
}

/// "default completion": does nothing, and a timer still fires. Its no-op never calls back; ours
/// does.
LOOP_TEST(loop_libxev_default_completion) {
    const Completion zero = {};
    CHECK(zero.idle());
    Completion nothing = zero;
    loop.submit(nothing, Operation{}, nullptr);
    CHECK(!nothing.idle());
    Logged timer;
    submit(loop, timer, op::timer(1 * ms));
    spin_until(loop, [&]() noexcept { return timer.ended(); });
    CHECK(nothing.idle());
    CHECK_EQ(timer.last.value, 1);
    CHECK_EQ(loop.in_flight(), 0u);
}

/// "loop time": there is one, and it moves on.
LOOP_TEST(loop_libxev_loop_time) {
    const u64 start_ns = loop.now_ns();
    CHECK_GT(start_ns, 0u);
    const u64 limit_ns = now_ns() + 20'000 * ms;
    while (loop.now_ns() == start_ns) {
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_GT(loop.now_ns(), start_ns);
    const u64 later_ns = now_ns();
    CHECK_GE(loop.update_now(), later_ns);
}

/// "stop": the timer that never comes is not waited for.
LOOP_TEST(loop_libxev_stop) {
    Logged timer;
    submit(loop, timer, op::timer(1'000'000 * ms));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    loop.stop();
    CHECK_EQ(loop.run(Run::until_done), 0);
    CHECK_EQ(timer.count, 0u);
    end_all(loop);
}

/// "dynamic: loop basics".
LOOP_TEST(loop_libxev_loop_basics) {
    CHECK_EQ(loop.run(Run::until_done), 0);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    loop.stop();
    CHECK_EQ(loop.run(Run::until_done), 0);
    CHECK_EQ(loop.in_flight(), 0u);
}

// ---- Timers -------------------------------------------------------------------------------------

/// "timer": 1 ms fires, 100 s does not.
LOOP_TEST(loop_libxev_timer) {
    Logged soon;
    Logged late;
    submit(loop, soon, op::timer(1 * ms));
    submit(loop, late, op::timer(never_ns));
    CHECK(!soon.completion.idle());
    spin_until(loop, [&]() noexcept { return soon.ended(); });
    CHECK(soon.completion.idle());
    CHECK(!late.completion.idle());
    CHECK_EQ(late.count, 0u);
    end_all(loop);
}

/// "timer reset": 100 s become 1 ms; it fires once.
LOOP_TEST(loop_libxev_timer_reset) {
    Logged timer;
    submit(loop, timer, op::timer(never_ns));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(timer.count, 0u);
    const u64 start_ns = now_ns();
    loop.reset_timer(timer.completion, 1 * ms);
    spin_until(loop, [&]() noexcept { return timer.ended(); });
    CHECK_GE(now_ns() - start_ns, 1 * ms);
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(timer.last.value, 1);
    CHECK(timer.completion.idle());
    CHECK_EQ(loop.run(), 0); // nothing of the old time is left
    CHECK_EQ(timer.count, 1u);
}

/// "timer reset before tick".
LOOP_TEST(loop_libxev_timer_reset_before_a_run) {
    Logged timer;
    submit(loop, timer, op::timer(never_ns));
    loop.reset_timer(timer.completion, 1 * ms);
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(timer.last.value, 1);
    CHECK_EQ(loop.in_flight(), 0u);
}

/// "timer reset after trigger": it runs once more.
LOOP_TEST(loop_libxev_timer_reset_after_its_end) {
    Logged timer;
    submit(loop, timer, op::timer(1 * ms));
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(timer.count, 1u);
    const u64 start_ns = now_ns();
    loop.reset_timer(timer.completion, 2 * ms);
    CHECK(!timer.completion.idle());
    CHECK_EQ(loop.run(), 1);
    CHECK_GE(now_ns() - start_ns, 2 * ms);
    CHECK_EQ(timer.count, 2u);
    CHECK_EQ(timer.last.value, 1);
}

/// "timer remove", "timer cancellation", "timer cancel": both have their callback, and are idle.
LOOP_TEST(loop_libxev_timer_cancellation) {
    Logged timer;
    Logged request;
    submit(loop, timer, op::timer(never_ns));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(timer.count, 0u);
    submit(loop, request, op::cancel(timer.completion));
    CHECK_EQ(timer.count, 0u); // not inside submit
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK(timer.last.is(Errno::ecanceled));
    CHECK_EQ(request.last.value, 0);
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(request.count, 1u);
    CHECK(timer.completion.idle());
    CHECK(request.completion.idle());
}

/// "canceling a completed operation": its result stays as it was. Its epoll calls that a success.
LOOP_TEST(loop_libxev_cancel_of_a_completed_operation) {
    Logged timer;
    submit(loop, timer, op::timer(1 * ms));
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(perform_on(loop, op::cancel(timer.completion)).value, -Errno::enoent);
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(timer.last.value, 1);
}

/// "timerfd": a poll on one of 1 ns, and (epoll) a real read; and the container's set, get and
/// disarm.
LOOP_TEST(loop_libxev_timerfd) {
    const Fd fd(CHECK_OK(kernel::timerfd_create(abi::clock::monotonic, 02000000)));
    const abi::TimerSpec at_once = {{}, {0, 1}};
    CHECK_OK(kernel::timerfd_settime(fd, 0, &at_once, nullptr));
    Logged poll;
    submit(loop, poll, op::poll(fd, 1));
    CHECK(!poll.completion.idle());
    CHECK_EQ(loop.run(Run::until_done), 1);
    CHECK(poll.completion.idle());
    CHECK_EQ(poll.last.value, 1);
    u64 expirations = 0;
    CHECK_EQ(perform_on(loop, op::read(fd, &expirations, sizeof(expirations))).value, 8);
    CHECK_EQ(expirations, 1u);

    Logged read;
    submit(loop, read, op::read(fd, &expirations, sizeof(expirations)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    const abi::TimerSpec later = {{}, {100, 0}};
    abi::TimerSpec now = {};
    CHECK_OK(kernel::timerfd_settime(fd, 0, &later, nullptr));
    CHECK_OK(kernel::timerfd_gettime(fd, &now));
    CHECK_GT(now.value.seconds, 90);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    const abi::TimerSpec soon = {{}, {0, 1'000'000}};
    CHECK_OK(kernel::timerfd_settime(fd, 0, &soon, nullptr));
    CHECK_EQ(loop.run(Run::until_done), 1);
    CHECK_EQ(read.last.value, 8);
    const abi::TimerSpec off = {};
    CHECK_OK(kernel::timerfd_settime(fd, 0, &off, nullptr));
    CHECK_OK(kernel::timerfd_gettime(fd, &now));
    CHECK_EQ(now.value.seconds, 0);
    CHECK_EQ(now.value.nanoseconds, 0);
}

// ---- Async --------------------------------------------------------------------------------------

/// "async": wait and rearm; notified, one run wakes and the next is silent.
LOOP_TEST(loop_libxev_async) {
    Async async(loop);
    Logged log;
    log.rearms = true;
    submit(loop, log, op::notification(async));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    async.notify();
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(log.count, 1u);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(log.count, 1u);
    log.rearms = false;
    end_all(loop);
}

/// "async: notify first": latched before the wait.
LOOP_TEST(loop_libxev_async_notify_first) {
    Async async(loop);
    async.notify();
    Logged log;
    submit(loop, log, op::notification(async));
    CHECK_EQ(loop.run(Run::until_done), 1);
    CHECK_EQ(log.last.value, 0);
}

/// "async batches multiple notifications": six notifications, eleven rounds, one callback.
LOOP_TEST(loop_libxev_async_batches) {
    Async async(loop);
    Logged log;
    log.rearms = true;
    submit(loop, log, op::notification(async));
    for (u32 i = 0; i < 6; ++i) {
        async.notify();
    }
    for (u32 i = 0; i < 11; ++i) {
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_EQ(log.count, 1u);
    log.rearms = false;
    end_all(loop);
}

// ---- Sockets ------------------------------------------------------------------------------------

/// "socket accept/connect/send/recv/close", "TCP: accept/connect/send/recv/close".
LOOP_TEST(loop_libxev_sockets) {
    BoundSocket listener = make_listener();
    Fd client = make_tcp_socket();
    Logged accepting;
    Logged connecting;
    submit(loop, accepting, op::accept(listener.fd));
    submit(loop, connecting, op::connect(client, &listener.address, sizeof(listener.address)));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(connecting.last.value, 0);
    Fd server(CHECK_OK(accepting.last.value));

    constexpr u8 sent[] = {1, 1, 2, 3, 5, 8, 13};
    u8 received[128] = {};
    Logged sending;
    Logged receiving;
    submit(loop, sending, op::send(client, sent, sizeof(sent)));
    submit(loop, receiving, op::recv(server, received, sizeof(received)));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(sending.last.value, 7);
    CHECK_EQ(receiving.last.value, 7);
    CHECK_BYTES(received, sent, sizeof(sent));

    // A receive that waits meets the end.
    Logged ended;
    Logged shutting;
    submit(loop, ended, op::recv(server, received, sizeof(received)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, shutting, op::shutdown(client, abi::shutdown_how::both));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(shutting.last.value, 0);
    CHECK(ended.last.eof());

    Logged closes[3];
    submit(loop, closes[0], op::close(client.release()));
    submit(loop, closes[1], op::close(server.release()));
    submit(loop, closes[2], op::close(listener.fd.release()));
    CHECK_EQ(loop.run(Run::until_done), 3);
    for (const Logged& close : closes) {
        CHECK_EQ(close.last.value, 0);
    }
}

/// "sendmsg/recvmsg": 128 bytes of 42 over UDP.
LOOP_TEST(loop_libxev_sendmsg_recvmsg) {
    const BoundSocket server = make_bound_socket(abi::socket_type::datagram);
    const BoundSocket client = make_bound_socket(abi::socket_type::datagram);
    u8 sent[128];
    u8 received[128] = {};
    for (u8& byte : sent) {
        byte = 42;
    }
    abi::SocketAddressIn to = server.address;
    abi::SocketAddressStorage from = {};
    abi::IoVec sent_piece = {sent, sizeof(sent)};
    abi::IoVec received_piece = {received, sizeof(received)};
    abi::MessageHeader out = {};
    out.name = &to;
    out.name_bytes = sizeof(to);
    out.vectors = &sent_piece;
    out.vector_count = 1;
    abi::MessageHeader in = {};
    in.name = &from;
    in.name_bytes = sizeof(from);
    in.vectors = &received_piece;
    in.vector_count = 1;
    Logged receiving;
    Logged sending;
    submit(loop, receiving, op::recvmsg(server.fd, &in));
    submit(loop, sending, op::sendmsg(client.fd, &out));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(sending.last.value, 128);
    CHECK_EQ(receiving.last.value, 128);
    CHECK_BYTES(received, sent, sizeof(sent));
    CHECK_EQ(in.name_bytes, sizeof(abi::SocketAddressIn));
    CHECK_EQ(from.in.port, client.address.port);
}

/// "UDP: read/write", with the sender's address.
LOOP_TEST(loop_libxev_udp) {
    const BoundSocket server = make_bound_socket(abi::socket_type::datagram);
    const BoundSocket client = make_bound_socket(abi::socket_type::datagram);
    CHECK_OK(connect_blocking(client.fd, &server.address, sizeof(server.address)));
    constexpr u8 sent[] = {1, 1, 2, 3, 5, 8, 13};
    u8 received[128] = {};
    Logged receiving;
    Logged sending;
    submit(loop, receiving, op::read(server.fd, received, sizeof(received)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, sending, op::write(client.fd, sent, sizeof(sent)));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(sending.last.value, 7);
    CHECK_EQ(receiving.last.value, 7);
    CHECK_BYTES(received, sent, sizeof(sent));
}

/// "socket read cancellation": of a receive of UDP, which ends as cancelled.
LOOP_TEST(loop_libxev_socket_read_cancellation) {
    const BoundSocket server = make_bound_socket(abi::socket_type::datagram);
    u8 received[128];
    Logged receiving;
    submit(loop, receiving, op::recv(server.fd, received, sizeof(received)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    Logged request;
    submit(loop, request, op::cancel(receiving.completion));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(request.last.value, 0);
    CHECK(receiving.last.is(Errno::ecanceled));
    CHECK_EQ(receiving.count, 1u);
}

constexpr u32 megabyte = 1'000'000;
constinit u8 out_bytes[megabyte] = {};
constinit u8 in_bytes[megabyte] = {};

/// "TCP: Queued writes": a megabyte through a small buffer, a first part at once and the rest
/// behind it, then the end. Its queue is a chain here.
LOOP_TEST(loop_libxev_queued_writes_to_a_socket) {
    Random random;
    random.fill(out_bytes, megabyte);
    const SocketPair pair = make_tcp_pair();
    const i32 buffer = 8 * 1024;
    CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                abi::socket_option::send_buffer, &buffer, sizeof(buffer)));
    const Result first = perform_on(loop, op::send(pair.near, out_bytes, megabyte));
    const u32 unqueued = first.count();
    CHECK_GT(unqueued, 0u);
    CHECK_LT(unqueued, megabyte);
    Logged rest;
    Logged ending;
    Logged receiving;
    Logged at_end;
    submit(loop, receiving, op::recv_all(pair.far, in_bytes, megabyte));
    submit(loop, rest, op::send_all(pair.near, out_bytes + unqueued, megabyte - unqueued));
    loop.then(rest.completion, ending.completion, op::shutdown(pair.near, abi::shutdown_how::write),
              ending.handler());
    u8 byte = 0;
    loop.then(receiving.completion, at_end.completion, op::recv(pair.far, &byte, 1),
              at_end.handler());
    CHECK_EQ(loop.run(Run::until_done), 4);
    CHECK_EQ(unqueued + rest.last.count(), megabyte);
    CHECK_EQ(ending.last.value, 0);
    CHECK_EQ(receiving.last.count(), megabyte);
    CHECK(at_end.last.eof());
    CHECK_BYTES(in_bytes, out_bytes, megabyte);
}

// ---- Files --------------------------------------------------------------------------------------

/// "File: poll": a pipe with a byte in it.
LOOP_TEST(loop_libxev_file_poll) {
    const Pipe pipe = make_pipe();
    Logged poll;
    submit(loop, poll, op::poll(pipe.reader, 1));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(poll.count, 0u);
    write_text(pipe.writer, "x");
    CHECK_EQ(loop.run(Run::until_done), 1);
    CHECK_EQ(poll.last.value, 1);
}

/// "File: read/write", "File: pread/pwrite".
LOOP_TEST(loop_libxev_file_read_write) {
    char path[256];
    const Fd file = make_file(path);
    constexpr u8 written[] = {1, 1, 2, 3, 5, 8, 13};
    u8 got[128] = {};
    CHECK_EQ(perform_on(loop, op::write(file, written, sizeof(written))).value, 7);
    CHECK_EQ(perform_on(loop, op::fsync(file)).value, 0);
    const Fd again(CHECK_OK(
        kernel::openat(abi::at_fdcwd, path, abi::open_flag::read_only | abi::open_flag::cloexec)));
    CHECK_EQ(perform_on(loop, op::read(again, got, sizeof(got))).value, 7);
    CHECK_BYTES(got, written, sizeof(written));
    CHECK_EQ(perform_on(loop, op::pwrite(file, written, sizeof(written), 100)).value, 7);
    CHECK_EQ(size_of(file), 107u);
    CHECK_EQ(perform_on(loop, op::pread(again, got, sizeof(got), 100)).value, 7);
    CHECK_BYTES(got, written, sizeof(written));
    CHECK_EQ(perform_on(loop, op::read(again, got, 1)).value, 1); // its position is still 7
    CHECK_EQ(got[0], 0u);
}

/// "File: queued writes": in order, "12345678".
LOOP_TEST(loop_libxev_queued_writes_to_a_file) {
    const Fd file = make_file();
    Logged first;
    Logged second;
    submit(loop, first, op::write_all(file, "1234", 4));
    loop.then(first.completion, second.completion, op::write_all(file, "5678", 4),
              second.handler());
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(first.last.value, 4);
    CHECK_EQ(second.last.value, 4);
    CHECK_CONTENTS(file, "12345678");
}

/// "File: queuePWrite": three, the last over the first two.
LOOP_TEST(loop_libxev_queued_positioned_writes) {
    const Fd file = make_file();
    Logged writes[3];
    submit(loop, writes[0], op::pwrite_all(file, "1234", 4, 0));
    loop.then(writes[0].completion, writes[1].completion, op::pwrite_all(file, "5678", 4, 4),
              writes[1].handler());
    loop.then(writes[1].completion, writes[2].completion, op::pwrite_all(file, "000", 3, 3),
              writes[2].handler());
    CHECK_EQ(loop.run(Run::until_done), 3);
    CHECK_EQ(writes[2].last.value, 3);
    CHECK_CONTENTS(file, "12300078");
}

/// "kqueue: zero-length read for readiness" and the rule of its Stream: nothing asked is nothing
/// read, and no end.
LOOP_TEST(loop_libxev_zero_length_read) {
    const Fd file = make_file_with("x");
    u8 byte = 0;
    const Result result = perform_on(loop, op::read(file, &byte, 0));
    CHECK_EQ(result.value, 0);
    CHECK(!result.eof());
    CHECK_EQ(perform_on(loop, op::read(file, &byte, 1)).value, 1);
}

// ---- Terminals ----------------------------------------------------------------------------------

/// The two sides of a terminal.
struct Terminal {
    Fd parent;
    Fd child;
};
[[nodiscard]] Terminal make_terminal() noexcept {
    constexpr i32 no_controlling_terminal = 0400; // O_NOCTTY
    constexpr i32 flags =
        abi::open_flag::read_write | abi::open_flag::cloexec | no_controlling_terminal;
    const i32 master = kernel::openat(abi::at_fdcwd, "/dev/ptmx", flags);
    if (master < 0) {
        SKIP("no /dev/ptmx here");
    }
    Terminal terminal;
    terminal.parent = Fd(master);
    const i32 zero = 0;
    CHECK_OK(kernel::ioctl(master, abi::terminal_ioctl::lock, &zero));
    terminal.child = Fd(CHECK_OK(kernel::ioctl(master, abi::terminal_ioctl::open_peer, flags)));
    return terminal;
}

/// "Stream: pty child to parent".
LOOP_TEST(loop_libxev_terminal_child_to_parent) {
    const Terminal terminal = make_terminal();
    char got[128] = {};
    Logged reading;
    Logged writing;
    submit(loop, reading, op::read(terminal.parent, got, sizeof(got)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, writing, op::write(terminal.child, "hello, world!", 13));
    CHECK_EQ(loop.run(Run::until_done), 2);
    CHECK_EQ(writing.last.value, 13);
    CHECK_EQ(reading.last.value, 13);
    CHECK_BYTES(got, "hello, world!", 13);
}

/// "Stream: pty parent to child": lines, as terminals have them.
LOOP_TEST(loop_libxev_terminal_parent_to_child) {
    const Terminal terminal = make_terminal();
    char got[128] = {};
    Logged reading;
    Logged writing;
    submit(loop, reading, op::read(terminal.child, got, sizeof(got)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, writing, op::write(terminal.parent, "hello, world!", 13));
    run_until_ended(loop, writing);
    CHECK_EQ(writing.last.value, 13);
    CHECK_EQ(loop.run(Run::no_wait), 0); // no line yet
    CHECK_EQ(reading.count, 0u);
    CHECK_EQ(perform_on(loop, op::write(terminal.parent, "\n", 1)).value, 1);
    run_until_ended(loop, reading);
    CHECK_EQ(reading.last.value, 14);
    CHECK_BYTES(got, "hello, world!\n", 14);
}

/// "Stream: pty queued writes".
LOOP_TEST(loop_libxev_terminal_queued_writes) {
    const Terminal terminal = make_terminal();
    char got[128] = {};
    Logged reading;
    Logged first;
    Logged second;
    submit(loop, reading, op::read(terminal.child, got, sizeof(got)));
    submit(loop, first, op::write_all(terminal.parent, "hello, ", 7));
    loop.then(first.completion, second.completion, op::write_all(terminal.parent, "world!\n", 7),
              second.handler());
    run_until_ended(loop, reading);
    CHECK_EQ(first.last.value, 7);
    CHECK_EQ(reading.last.value, 14);
    CHECK_BYTES(got, "hello, world!\n", 14);
    run_until_ended(loop, second);
    CHECK_EQ(second.last.value, 7);
}

// ---- Processes ----------------------------------------------------------------------------------

/// "Process: wait", "non-zero exit": in flight before the child ends, too.
LOOP_TEST(loop_libxev_process_wait) {
    for (i32 status = 0; status <= 42; status += 42) {
        const Pipe pipe = make_pipe();
        const i32 child = fork_child();
        if (child == 0) {
            char byte = 0;
            CHECK_EQ(kernel::read(pipe.reader, &byte, 1), 1);
            kernel::exit_group(status);
        }
        abi::SignalInfo info = {};
        Logged wait;
        submit(loop, wait, op::waitid(abi::wait_for::pid, child, &info, abi::wait_option::exited));
        for (u32 i = 0; i < 3; ++i) {
            CHECK_EQ(loop.run(Run::no_wait), 0);
        }
        write_text(pipe.writer, "x");
        run_until_ended(loop, wait);
        CHECK_EQ(wait.last.value, 0);
        CHECK_EQ(info.code, abi::signal_code::child_exited);
        CHECK_EQ(info.child.pid, child);
        CHECK_EQ(info.child.status, status);
    }
}

/// Its result cannot tell an exit code of 9 from a kill by signal 9. Ours can.
LOOP_TEST(loop_libxev_process_killed) {
    const i32 child = fork_child();
    if (child == 0) {
        for (;;) {
            sleep_ms(1000);
        }
    }
    abi::SignalInfo info = {};
    Logged wait;
    submit(loop, wait, op::waitid(abi::wait_for::pid, child, &info, abi::wait_option::exited));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_OK(kernel::kill(child, abi::signal::kill));
    run_until_ended(loop, wait);
    CHECK_EQ(info.code, abi::signal_code::child_killed);
    CHECK_EQ(info.child.status, abi::signal::kill);
}

/// "Process: already exited", "and reaped".
LOOP_TEST(loop_libxev_process_already_exited) {
    const i32 child = fork_child();
    if (child == 0) {
        kernel::exit_group(3);
    }
    abi::SignalInfo info = {};
    CHECK_OK(kernel::waitid(abi::wait_for::pid, child, &info,
                            abi::wait_option::exited | abi::wait_option::nowait));
    info = {};
    const Operation wait = op::waitid(abi::wait_for::pid, child, &info, abi::wait_option::exited);
    CHECK_EQ(perform_on(loop, wait).value, 0);
    CHECK_EQ(info.child.status, 3);
    CHECK_ERRNO(perform_on(loop, wait).value, Errno::echild);
}

} // namespace
} // namespace oxbow::test
