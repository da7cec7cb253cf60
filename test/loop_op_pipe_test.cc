// Reading and writing by the loop's operations what has no positions, on every engine alike: pipes,
// terminals, event and timer descriptors, and devices.
#include "loop_op_help.h"

#include "../syscall/abi_epoll.h"
#include "../syscall/start.h"
#include "../uring/ring_options.h"

namespace oxbow::test {
namespace {

/// A pipe whose ends have that mode.
[[nodiscard]] Pipe make_pipe_of(i32 mode) noexcept {
    return make_pipe(mode);
}

/// More than a pipe's sixteen pages, of whatever size they are.
constexpr u32 bytes_beyond_a_pipe = page_bytes_max == 4096 ? 300'000 : 18 * page_bytes_max;

/// Fills a pipe; how many bytes went in.
u32 fill_pipe(i32 fd) noexcept {
    // Whole pages: a smaller piece leaves room in the last one, which is written to although the
    // pipe is not told to be writable.
    static const u8 page[page_bytes_max] = {};
    u32 bytes = 0;
    while (true) {
        abi::PollFd poll = {fd, static_cast<u16>(abi::poll_event::out), 0};
        const abi::Timespec at_once = {};
        if (CHECK_OK(kernel::ppoll(&poll, 1, &at_once)) == 0) {
            return bytes;
        }
        bytes += static_cast<u32>(CHECK_OK(kernel::write(fd, page, page_bytes())));
    }
}

void take_all(i32 fd, u32 bytes) noexcept {
    static u8 taken[65536];
    while (bytes != 0) {
        bytes -= static_cast<u32>(CHECK_OK(kernel::read(fd, taken, sizeof(taken))));
    }
}

LOOP_TEST(loop_op_pipe_read) {
    for (const i32 mode : fd_modes) {
        Pipe pipe = make_pipe_of(mode);
        char got[8];
        abi::IoVec pieces[] = {{got, 2}, {got + 2, 6}};
        const Operation operations[] = {op::read(pipe.reader, got, 8),
                                        op::readv(pipe.reader, pieces, 2),
                                        op::pread(pipe.reader, got, 8, abi::current_position)};
        for (const Operation& operation : operations) {
            Logged read;
            submit_waiting(loop, read, operation);
            write_text(pipe.writer, "12345");
            run_until_ended(loop, read);
            CHECK_EQ(read.last.value, 5);
            CHECK_BYTES(got, "12345", 5);
        }
        check_would_wait(perform_on(loop, op::read(pipe.reader, got, 8, abi::rw_flag::nowait)));
        CHECK_ERRNO(perform_on(loop, op::read(pipe.writer, got, 8)).value, Errno::ebadf);
        CHECK_ERRNO(perform_on(loop, op::write(pipe.reader, got, 8)).value, Errno::ebadf);
        check_mode(pipe.reader, mode);
        Logged last;
        submit_waiting(loop, last, operations[0]);
        pipe.writer.close();
        run_until_ended(loop, last);
        CHECK_EQ(last.last.value, 0);
        CHECK(last.last.eof());
        CHECK(perform_on(loop, op::read_all(pipe.reader, got, 8)).eof());
    }
}

/// What has no positions does not look at them.
LOOP_TEST(loop_op_offsets_without_positions) {
    for (const i32 mode : fd_modes) {
        const Pipe pipe = make_pipe_of(mode);
        const SocketPair pair = make_pair_of(mode);
        const Fd counter(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec | mode)));
        const i32 ends[][2] = {
            {pipe.reader, pipe.writer}, {pair.near, pair.far}, {counter, counter}};
        for (const auto& end : ends) {
            u64 out = 0x0102030405060708;
            u64 in = 0;
            abi::IoVec from = {&out, sizeof(out)};
            abi::IoVec to = {&in, sizeof(in)};
            Logged read;
            submit_waiting(loop, read, op::pread(end[0], &in, sizeof(in), 5));
            CHECK_EQ(perform_on(loop, op::pwrite(end[1], &out, sizeof(out), 7)).value, 8);
            run_until_ended(loop, read);
            CHECK_EQ(read.last.value, 8);
            CHECK(in == out);
            in = 0;
            CHECK_EQ(perform_on(loop, op::writev(end[1], &from, 1, 9)).value, 8);
            CHECK_EQ(perform_on(loop, op::readv(end[0], &to, 1, 11)).value, 8);
            CHECK(in == out);
        }
    }
}

/// One byte after the other.
LOOP_TEST(loop_op_pipe_read_all_by_bytes) {
    for (const i32 mode : fd_modes) {
        const Pipe pipe = make_pipe_of(mode);
        char got[6];
        Logged read;
        submit_waiting(loop, read, op::read_all(pipe.reader, got, 6));
        const char text[] = "abcdef";
        for (u32 i = 0; i < 6; ++i) {
            CHECK_EQ(read.count, 0u);
            CHECK_EQ(kernel::write(pipe.writer, text + i, 1), 1);
            run_a_little(loop);
        }
        run_until_ended(loop, read);
        CHECK_EQ(read.last.value, 6);
        CHECK_BYTES(got, "abcdef", 6);
    }
}

/// A write waits only where there is no room; `_all` until everything has gone.
LOOP_TEST(loop_op_pipe_write) {
    static u8 data[bytes_beyond_a_pipe];
    const u32 bytes = sizeof(data);
    static PatternReader reader;
    fill_pattern(data, bytes);
    for (const i32 mode : fd_modes) {
        Pipe pipe = make_pipe_of(mode);
        abi::IoVec pieces[] = {{data, 1}, {data + 1, 99}};
        const Operation operations[] = {op::write(pipe.writer, data, 100),
                                        op::writev(pipe.writer, pieces, 2)};
        for (const Operation& operation : operations) {
            const u32 filled = fill_pipe(pipe.writer);
            check_would_wait(
                perform_on(loop, op::write(pipe.writer, data, 100, abi::rw_flag::nowait)));
            Logged written;
            submit_waiting(loop, written, operation);
            take_all(pipe.reader, filled);
            run_until_ended(loop, written);
            CHECK_EQ(written.last.value, 100);
            take_all(pipe.reader, 100);
        }
        reader.received = 0;
        Logged all;
        submit(loop, all, op::write_all(pipe.writer, data, bytes));
        reader.start(loop, pipe.reader);
        run_until_ended(loop, all);
        CHECK_EQ(all.last.count(), bytes);
        check_mode(pipe.writer, mode);
        pipe.writer.close();
        run_until(loop, [&]() noexcept { return reader.completion.idle(); });
        CHECK_EQ(reader.received, bytes);
    }
}

LOOP_TEST(loop_op_pipe_write_to_nobody) {
    const NoSigpipe no_sigpipe;
    for (const i32 mode : fd_modes) {
        Pipe pipe = make_pipe_of(mode);
        const u32 filled = fill_pipe(pipe.writer);
        CHECK_GT(filled, 0u);
        const u8 data[8] = {};
        Logged waits;
        submit_waiting(loop, waits, op::write(pipe.writer, data, 8));
        pipe.reader.close();
        run_until_ended(loop, waits);
        CHECK_ERRNO(waits.last.value, Errno::epipe);
        abi::IoVec piece = {const_cast<u8*>(data), 8};
        const Operation operations[] = {op::write(pipe.writer, data, 8),
                                        op::write_all(pipe.writer, data, 8),
                                        op::writev(pipe.writer, &piece, 1)};
        for (const Operation& operation : operations) {
            CHECK_ERRNO(perform_on(loop, operation).value, Errno::epipe);
        }
    }
}

// ---- Terminals
// -------------------------------------------------------------------------------------

struct Terminal {
    Fd master;
    Fd slave;
};

/// A new one, in the usual mode: lines, with echo.
[[nodiscard]] Terminal open_terminal(i32 mode) noexcept {
    constexpr i32 flags =
        abi::open_flag::read_write | abi::open_flag::noctty | abi::open_flag::cloexec;
    const i32 master = kernel::openat(abi::at_fdcwd, "/dev/ptmx", flags | mode);
    if (master < 0) {
        SKIP("no /dev/ptmx");
    }
    Terminal terminal;
    terminal.master = Fd(master);
    const i32 no = 0;
    CHECK_OK(kernel::ioctl(master, abi::terminal_ioctl::lock, &no));
    const i32 slave = kernel::ioctl(master, abi::terminal_ioctl::open_peer, flags | mode);
    if (slave == -Errno::eio) {
        SKIP("no devpts");
    }
    terminal.slave = Fd(CHECK_OK(slave));
    return terminal;
}

LOOP_TEST(loop_op_terminal) {
    for (const i32 mode : fd_modes) {
        Terminal terminal = open_terminal(mode);
        char got[32];
        Logged line;
        submit_waiting(loop, line, op::read(terminal.slave, got, sizeof(got)));
        CHECK_EQ(perform_on(loop, op::write(terminal.master, "par", 3)).value, 3);
        run_a_little(loop);
        CHECK_EQ(line.count, 0u); // not a line yet
        CHECK_EQ(perform_on(loop, op::write_all(terminal.master, "t\n", 2)).value, 2);
        run_until_ended(loop, line);
        CHECK_EQ(line.last.value, 5);
        CHECK_BYTES(got, "part\n", 5);
        CHECK_EQ(perform_on(loop, op::read_all(terminal.master, got, 6)).value, 6); // the echo
        CHECK_BYTES(got, "part\r\n", 6);
        // Control-D in an empty line is an end, though not the last word.
        CHECK_EQ(perform_on(loop, op::write(terminal.master, "\4", 1)).value, 1);
        const Result end = perform_on(loop, op::read(terminal.slave, got, sizeof(got)));
        CHECK_EQ(end.value, 0);
        CHECK(end.eof());
        CHECK_EQ(perform_on(loop, op::write(terminal.slave, "out", 3)).value, 3);
        Logged waits;
        submit(loop, waits, op::read(terminal.slave, got, sizeof(got)));
        run_a_little(loop);
        check_mode(terminal.slave, mode);
        terminal.master.close();
        run_until_ended(loop, waits);
        CHECK_EQ(waits.last.value, 0); // hung up
        CHECK(waits.last.eof());
        CHECK_ERRNO(perform_on(loop, op::write(terminal.slave, "x", 1)).value, Errno::eio);
    }
}

LOOP_TEST(loop_op_terminal_without_its_other_side) {
    for (const i32 mode : fd_modes) {
        Terminal terminal = open_terminal(mode);
        char got[8];
        Logged waits;
        submit_waiting(loop, waits, op::read(terminal.master, got, sizeof(got)));
        terminal.slave.close();
        run_until_ended(loop, waits);
        CHECK_ERRNO(waits.last.value, Errno::eio);
    }
}

// ---- Counters
// --------------------------------------------------------------------------------------

LOOP_TEST(loop_op_eventfd) {
    for (const i32 mode : fd_modes) {
        const Fd fd(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec | mode)));
        u64 count = 0;
        Logged read;
        submit_waiting(loop, read, op::read(fd, &count, sizeof(count)));
        const u64 three = 3;
        CHECK_EQ(perform_on(loop, op::write(fd, &three, sizeof(three))).value, 8);
        run_until_ended(loop, read);
        CHECK_EQ(read.last.value, 8);
        CHECK_EQ(count, 3u);
        if (has_transfer_flags()) { // else a read that would fail at once waits as others do
            CHECK_ERRNO(perform_on(loop, op::read(fd, &count, 4)).value, Errno::einval);
            CHECK_ERRNO(perform_on(loop, op::write(fd, &count, 4)).value, Errno::einval);
        }
        // The greatest count there can be; more has to wait.
        const u64 most = ~u64{0} - 1;
        CHECK_EQ(perform_on(loop, op::write(fd, &most, sizeof(most))).value, 8);
        Logged written;
        submit_waiting(loop, written, op::write(fd, &three, sizeof(three)));
        CHECK_EQ(perform_on(loop, op::read(fd, &count, sizeof(count))).value, 8);
        CHECK(count == most);
        run_until_ended(loop, written);
        CHECK_EQ(written.last.value, 8);
        CHECK_EQ(perform_on(loop, op::read(fd, &count, sizeof(count))).value, 8);
        CHECK_EQ(count, 3u);
        check_mode(fd, mode);
    }
}

LOOP_TEST(loop_op_timerfd) {
    for (const i32 mode : fd_modes) {
        const Fd fd(CHECK_OK(
            kernel::timerfd_create(abi::clock::monotonic, abi::timerfd_flag::cloexec | mode)));
        u64 count = 0;
        Logged read;
        submit_waiting(loop, read, op::read(fd, &count, sizeof(count)));
        abi::TimerSpec spec = {};
        spec.value.nanoseconds = 1'000'000;
        CHECK_OK(kernel::timerfd_settime(fd, 0, &spec));
        run_until_ended(loop, read);
        CHECK_EQ(read.last.value, 8);
        CHECK_EQ(count, 1u);
    }
}

LOOP_TEST(loop_op_signalfd) {
    // To the process: those to one thread are not there for a thread of the ring's, which is who
    // reads here before 6.11.
    abi::SignalSet set = {};
    set.add(abi::signal::usr1);
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, &set));
    for (const i32 mode : fd_modes) {
        const Fd fd(CHECK_OK(kernel::signalfd4(-1, &set, abi::open_flag::cloexec | mode)));
        abi::SignalfdInfo info = {};
        Logged read;
        submit_waiting(loop, read, op::read(fd, &info, sizeof(info)));
        CHECK_OK(kernel::kill(kernel::getpid(), abi::signal::usr1));
        run_until_ended(loop, read);
        CHECK_EQ(read.last.value, 128);
        CHECK_EQ(info.signal, static_cast<u32>(abi::signal::usr1));
        // Before 6.11 nothing says whether a signalfd would wait, so one has to be there.
        CHECK_OK(kernel::kill(kernel::getpid(), abi::signal::usr1));
        CHECK_ERRNO(perform_on(loop, op::read(fd, &info, 1)).value, Errno::einval);
        CHECK_EQ(perform_on(loop, op::read(fd, &info, sizeof(info))).value, 128);
    }
}

LOOP_TEST(loop_op_devices) {
    constexpr i32 flags = abi::open_flag::read_write | abi::open_flag::cloexec;
    const Fd full(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/full", flags)));
    const Fd null(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/null", flags)));
    const Fd zero(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/zero", flags)));
    u8 data[4096];
    CHECK_ERRNO(perform_on(loop, op::write(full, data, sizeof(data))).value, Errno::enospc);
    CHECK_ERRNO(perform_on(loop, op::write_all(full, data, sizeof(data))).value, Errno::enospc);
    abi::IoVec piece = {data, sizeof(data)};
    CHECK_ERRNO(perform_on(loop, op::writev(full, &piece, 1)).value, Errno::enospc);
    CHECK_EQ(perform_on(loop, op::write(null, data, sizeof(data))).value, 4096);
    CHECK_EQ(perform_on(loop, op::read(null, data, sizeof(data))).value, 0);
    CHECK_EQ(perform_on(loop, op::read_all(zero, data, sizeof(data))).value, 4096);
    for (const u8 byte : data) {
        CHECK_EQ(byte, 0);
    }
    CHECK_EQ(perform_on(loop, op::poll(null, abi::poll_event::in)).value, abi::poll_event::in);
}

/// More than the kernel moves at once (2 GiB less a page), and as much as a result can tell.
LOOP_TEST(loop_op_transfer_of_two_gigabytes) {
    if (sizeof(void*) == 4) {
        SKIP("no 2 GiB of addresses");
    }
    constexpr u32 most = 0x7fffffff;
    const Memory memory(most, abi::protection::read);
    const Fd null(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/null",
                                          abi::open_flag::write_only | abi::open_flag::cloexec)));
    CHECK_EQ(perform_on(loop, op::write(null, memory.data(), most)).count(), transfer_bytes_max());
    CHECK_EQ(perform_on(loop, op::write_all(null, memory.data(), most)).value, most);
}

} // namespace
} // namespace oxbow::test
