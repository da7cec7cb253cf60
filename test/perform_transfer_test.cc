// perform(): reads and writes of everything that can be read and written, on kernels with and
// without the flags that make them easy.
#include "../syscall/start.h"
#include "../uring/ring_options.h"
#include "perform_help.h"

namespace oxbow::test {
namespace {

namespace flag = abi::rw_flag;
namespace open_flag = abi::open_flag;

/// Both ends of a FIFO, blocking: it has no RWF_NOWAIT even on kernels whose pipes have it.
[[nodiscard]] Pipe make_fifo() noexcept {
    char path[256];
    temp_path(path);
    CHECK_OK(kernel::mknodat(abi::at_fdcwd, path, abi::file_mode::fifo | 0600, 0));
    Pipe fifo;
    fifo.reader = Fd(CHECK_OK(kernel::openat(
        abi::at_fdcwd, path, open_flag::read_only | open_flag::nonblock | open_flag::cloexec)));
    fifo.writer = Fd(
        CHECK_OK(kernel::openat(abi::at_fdcwd, path, open_flag::write_only | open_flag::cloexec)));
    CHECK_OK(kernel::fcntl(fifo.reader, abi::fcntl_command::set_status_flags, 0));
    return fifo;
}

[[nodiscard]] Pipe make_any(u32 which) noexcept {
    return which == 0 ? make_pipe() : make_fifo();
}

void check_empty_and_full(const Pipe& pipe) noexcept {
    static u8 data[2 * page_bytes_max];
    const u32 page = static_cast<u32>(page_bytes());
    CHECK_OK(kernel::fcntl(pipe.writer, abi::fcntl_command::set_pipe_size, 2 * page));
    char got[16] = {};
    CHECK_ERRNO(as_engine(op::read(pipe.reader, got, 16)), Errno::eagain);
    CHECK_EQ(as_engine(op::write(pipe.writer, "text", 4)), 4);
    CHECK_EQ(as_engine(op::read(pipe.reader, got, 16)), 4);
    CHECK_BYTES(got, "text", 4);
    // Into a pipe with one page left: what is there, and no waiting for more.
    CHECK_EQ(kernel::write(pipe.writer, data, page), page);
    CHECK_EQ(as_engine(op::write(pipe.writer, data, 2 * page)), page);
    CHECK_ERRNO(as_engine(op::write(pipe.writer, data, 1)), Errno::eagain);
    CHECK_ERRNO(perform_with(Patience::none, op::write(pipe.writer, data, 1)), Errno::eagain);
    CHECK_EQ(as_engine(op::read(pipe.reader, data, sizeof(data))), 2 * page);
}

VARIANT_TEST(perform_pipe, old_kernels) {
    const Pretend pretend(row);
    for (u32 which = 0; which < 4; ++which) {
        Pipe pipe = make_any(which / 2);
        if (which % 2 != 0) {
            set_nonblocking(pipe.reader);
            set_nonblocking(pipe.writer);
        }
        check_empty_and_full(pipe);
        char got[16] = {};
        CHECK_ERRNO(as_engine(op::pread(pipe.reader, got, 16, 0)), Errno::eagain);
        CHECK_EQ(as_engine(op::pwrite(pipe.writer, got, 16, 0)), 16);
        CHECK_EQ(as_engine(op::pread(pipe.reader, got, 16, 9)), 16);
        CHECK_ERRNO(try_now(op::read(pipe.writer, got, 16)), Errno::ebadf);
        CHECK_ERRNO(try_now(op::write(pipe.reader, got, 16)), Errno::ebadf);
        pipe.writer.close();
        CHECK_EQ(as_engine(op::read(pipe.reader, got, 16)), 0);
        CHECK_EQ(wait_for(op::read(pipe.reader, got, 16)), 0);
    }
}

/// Writes of all kinds to what nobody reads.
void check_broken(i32 fd) noexcept {
    char data[16] = {};
    abi::IoVec pieces[] = {{nullptr, 0}, {data, 4}, {data, 12}};
    for (u32 i = 0; i < 3; ++i) {
        CHECK_ERRNO(as_engine(op::write(fd, data, 16)), Errno::epipe);
        CHECK_ERRNO(perform_with(Patience::ready, op::write(fd, data, 16)), Errno::epipe);
        CHECK_ERRNO(wait_for(op::write(fd, data, 16)), Errno::epipe);
        CHECK_ERRNO(wait_for(op::write_all(fd, data, 16), 5), Errno::epipe);
        CHECK_ERRNO(as_engine(op::writev(fd, pieces, 3)), Errno::epipe);
        CHECK_ERRNO(wait_for(op::writev(fd, pieces, 3)), Errno::epipe);
        CHECK_ERRNO(wait_for(op::write(fd, data, 16, flag::dsync)),
                    has_transfer_flags() ? Errno::epipe : Errno::eopnotsupp);
    }
}

VARIANT_TEST(perform_never_raises_sigpipe, old_kernels) {
    const Pretend pretend(row);
    const NoSigpipe no_sigpipe;
    for (u32 which = 0; which < 4; ++which) {
        Pipe pipe = make_any(which / 2);
        if (which % 2 != 0) {
            set_nonblocking(pipe.writer);
        }
        pipe.reader.close();
        check_broken(pipe.writer);
    }
    for (u32 which = 0; which < 4; ++which) {
        SocketPair pair = which / 2 != 0 ? make_tcp_pair() : make_socket_pair();
        if (which % 2 != 0) {
            set_nonblocking(pair.near);
        }
        CHECK_OK(kernel::shutdown(pair.near, abi::shutdown_how::write));
        check_broken(pair.near);
    }
}

VARIANT_TEST(perform_leaves_a_pending_sigpipe, old_kernels) {
    const Pretend pretend(row);
    abi::SignalSet set = abi::SignalSet::none();
    set.add(abi::signal::pipe);
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, &set));
    Pipe pipe = make_pipe();
    pipe.reader.close();
    // Blocked by the caller, as on worker threads: none stays behind ...
    CHECK_ERRNO(wait_for(op::write(pipe.writer, "x", 1)), Errno::epipe);
    abi::SignalSet pending = {};
    CHECK_OK(kernel::rt_sigpending(&pending));
    CHECK(!pending.has(abi::signal::pipe));
    // ... and the caller's own is not taken away.
    CHECK_OK(kernel::tgkill(kernel::getpid(), kernel::gettid(), abi::signal::pipe));
    CHECK_ERRNO(wait_for(op::write(pipe.writer, "x", 1)), Errno::epipe);
    CHECK_OK(kernel::rt_sigpending(&pending));
    CHECK(pending.has(abi::signal::pipe));
    abi::SignalSet mask = {};
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &mask));
    CHECK(mask.has(abi::signal::pipe));
}

TEST(perform_asks_for_nosignal_only_once) {
    SKIP_IF_MISSING(has_transfer_flags(), "pwritev2");
    const Pretend pretend(old_kernels[1]);
    const Pipe pipe = make_pipe();
    CHECK_EQ(wait_for(op::write(pipe.writer, "x", 1)), 1);
    reset_calls();
    CHECK_EQ(wait_for(op::write(pipe.writer, "x", 1)), 1);
    CHECK_EQ(calls_made(number::pwritev2), 1u);
}

TEST(perform_does_not_blame_the_kernel_for_an_eventfd) {
    SKIP_WITHOUT("RWF_NOSIGNAL");
    SKIP_IF_MISSING(has_transfer_flags(), "pwritev2");
    const Fd counter(CHECK_OK(kernel::eventfd2(0, 0)));
    const u64 one = 1;
    CHECK_EQ(wait_for(op::write(counter, &one, 8)), 8);
    const Pipe pipe = make_pipe();
    reset_calls();
    CHECK_EQ(try_now(op::write(pipe.writer, "x", 1)), 1);
    CHECK_EQ(calls_made_in_all(), 1u);
}

VARIANT_TEST(perform_sockets_as_files, old_kernels) {
    const Pretend pretend(row);
    for (u32 which = 0; which < 4; ++which) {
        SocketPair pair = which / 2 != 0 ? make_tcp_pair() : make_socket_pair();
        if (which % 2 != 0) {
            set_nonblocking(pair.near);
        }
        char got[16] = {};
        CHECK_ERRNO(try_now(op::read(pair.near, got, 16)), Errno::eagain);
        write_text(pair.far, "0123456789");
        CHECK_EQ(wait_for(op::read(pair.near, got, 4)), 4);
        abi::IoVec pieces[] = {{got + 4, 4}, {got + 8, 8}};
        CHECK_EQ(try_now(op::readv(pair.near, pieces, 2)), 6);
        CHECK_BYTES(got, "0123456789", 10);
        CHECK_EQ(try_now(op::write(pair.near, "abcd", 4)), 4);
        CHECK_EQ(wait_for(op::write(pair.near, "efgh", 4)), 4);
        CHECK_READS(pair.far, "abcdefgh");
        CHECK_ERRNO(try_now(op::pread(pair.near, got, 4, 1)), Errno::eagain);
        i32 sent = 0;
        static u8 data[64 * 1024];
        for (u32 i = 0; i < 1000 && sent >= 0; ++i) {
            sent = try_now(op::write(pair.near, data, sizeof(data)));
        }
        CHECK_ERRNO(sent, Errno::eagain);
        CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
        CHECK_EQ(try_now(op::read(pair.near, got, 16)), 0);
    }
}

VARIANT_TEST(perform_counters, old_kernels) {
    const Pretend pretend(row);
    for (u32 which = 0; which < 2; ++which) {
        const i32 nonblock = which != 0 ? abi::eventfd_flag::nonblock : 0;
        const Fd counter(CHECK_OK(kernel::eventfd2(0, nonblock)));
        u64 value = 0;
        CHECK_ERRNO(as_engine(op::read(counter, &value, 8)), Errno::eagain);
        value = ~u64{0} - 1;
        CHECK_EQ(as_engine(op::write(counter, &value, 8)), 8);
        value = 1;
        CHECK_EQ(events_now(counter, abi::poll_event::out), 0u);
        CHECK_ERRNO(try_now(op::write(counter, &value, 8)), Errno::eagain);
        CHECK_EQ(as_engine(op::read(counter, &value, 8)), 8);
        CHECK_EQ(value, ~u64{0} - 1);
        CHECK_ERRNO(wait_for(op::read(counter, &value, 4)), Errno::einval);

        const Fd timer(CHECK_OK(kernel::timerfd_create(
            abi::clock::monotonic, which != 0 ? abi::timerfd_flag::nonblock : 0)));
        CHECK_ERRNO(as_engine(op::read(timer, &value, 8)), Errno::eagain);
        const abi::TimerSpec soon = {{}, {0, 1}};
        CHECK_OK(kernel::timerfd_settime(timer, 0, &soon));
        CHECK_EQ(wait_for(op::poll(timer, abi::poll_event::in)), abi::poll_event::in);
        CHECK_EQ(as_engine(op::read(timer, &value, 8)), 8);
        CHECK_EQ(value, 1u);

        abi::SignalSet set = abi::SignalSet::none();
        set.add(abi::signal::usr1);
        CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, &set));
        const Fd signals(
            CHECK_OK(kernel::signalfd4(-1, &set, which != 0 ? abi::signalfd_flag::nonblock : 0)));
        abi::SignalfdInfo info = {};
        CHECK_ERRNO(as_engine(op::read(signals, &info, sizeof(info))), Errno::eagain);
        CHECK_OK(kernel::kill(kernel::getpid(), abi::signal::usr1));
        CHECK_EQ(as_engine(op::read(signals, &info, sizeof(info))), sizeof(info));
        CHECK_EQ(info.signal, static_cast<u32>(abi::signal::usr1));
    }
}

// ---- Terminals ----------------------------------------------------------------------------------

struct Terminal {
    Fd master;
    Fd slave;
};

[[nodiscard]] Terminal make_terminal() noexcept {
    const i32 flags = open_flag::read_write | open_flag::noctty | open_flag::cloexec;
    const i32 master = kernel::openat(abi::at_fdcwd, "/dev/ptmx", flags);
    if (master < 0) {
        SKIP("no /dev/ptmx");
    }
    Terminal terminal;
    terminal.master = Fd(master);
    const i32 locked = 0;
    CHECK_OK(kernel::ioctl(master, abi::terminal_ioctl::lock, &locked));
    terminal.slave = Fd(CHECK_OK(kernel::ioctl(master, abi::terminal_ioctl::open_peer, flags)));
    return terminal;
}

VARIANT_TEST(perform_terminal, old_kernels) {
    const Pretend pretend(row);
    for (u32 which = 0; which < 2; ++which) {
        const Terminal terminal = make_terminal();
        if (which != 0) {
            set_nonblocking(terminal.slave);
        }
        char got[64] = {};
        CHECK_ERRNO(as_engine(op::read(terminal.slave, got, 64)), Errno::eagain);
        write_text(terminal.master, "line\n");
        CHECK_EQ(as_engine(op::read(terminal.slave, got, 64)), 5);
        CHECK_BYTES(got, "line\n", 5);
        CHECK_EQ(as_engine(op::write(terminal.slave, "answer", 6)), 6);
        CHECK_READS(terminal.master, "line\r\nanswer"); // the echo first
        // A terminal that nobody reads fills up, and never holds the loop back.
        static char data[4096];
        __builtin_memset(data, 'x', sizeof(data));
        i32 written = 0;
        for (u32 i = 0; i < 10000 && written >= 0; ++i) {
            written = as_engine(op::write(terminal.slave, data, sizeof(data)));
        }
        CHECK_ERRNO(written, Errno::eagain);
    }
}

// ---- Files --------------------------------------------------------------------------------------

VARIANT_TEST(perform_file, old_kernels) {
    const Pretend pretend(row);
    const NoLeaks no_leaks;
    const Fd file = make_file();
    CHECK_EQ(wait_for(op::write(file, "01234", 5)), 5);
    const bool has_flags = has_transfer_flags();
    const i32 written = wait_for(op::write(file, "56789", 5, flag::dsync));
    if (has_flags) {
        CHECK_EQ(written, 5);
    } else {
        CHECK_ERRNO(written, Errno::eopnotsupp);
        CHECK_EQ(wait_for(op::write(file, "56789", 5)), 5);
    }
    CHECK_EQ(wait_for(op::pwrite(file, "ab", 2, 3)), 2);
    CHECK_CONTENTS(file, "012ab56789");
    char got[16] = {};
    CHECK_EQ(wait_for(op::read(file, got, 16)), 0);
    CHECK_EQ(wait_for(op::pread(file, got, 16, 2)), 8);
    CHECK_BYTES(got, "2ab56789", 8);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::start), 0);
    CHECK_EQ(wait_for(op::read(file, got, 4)), 4);
    CHECK_EQ(wait_for(op::read(file, got + 4, 4)), 4);
    CHECK_BYTES(got, "012ab567", 8);
    // Beyond 4 GiB, which two machine words are for on 32-bit machines.
    const u64 far_away = 0x123456789;
    CHECK_EQ(wait_for(op::pwrite(file, "x", 1, far_away)), 1);
    CHECK_EQ(size_of(file), far_away + 1);
    CHECK_EQ(wait_for(op::pread_all(file, got, 8, far_away - 1)), 2);
    CHECK_EQ(got[1], 'x');

    const Fd directory(
        CHECK_OK(kernel::openat(abi::at_fdcwd, temp_directory(), open_flag::read_only, 0)));
    CHECK_ERRNO(wait_for(op::read(directory, got, 16)), Errno::eisdir);
    CHECK_ERRNO(wait_for(op::write(directory, got, 16)), Errno::ebadf);
    CHECK_ERRNO(wait_for(op::read(-1, got, 16)), Errno::ebadf);
    CHECK_ERRNO(wait_for(op::pread(file, reinterpret_cast<void*>(8), 16, 0)), Errno::efault);
    CHECK_ERRNO(wait_for(op::pread(file, got, 16, u64{1} << 63)), Errno::einval);
    CHECK_ERRNO(wait_for(op::read(file, got, 16, 1u << 30)), Errno::eopnotsupp);
    CHECK_ERRNO(wait_for(op::write(file, got, 16, 1u << 30)), Errno::eopnotsupp);
}

VARIANT_TEST(perform_file_without_patience, old_kernels) {
    const Pretend pretend(row);
    const Fd file = make_file_with("0123456789");
    char got[16] = {};
    // From memory at once, or nobody knows; then a worker reads it.
    i32 result = try_now(op::pread(file, got, 4, 3));
    CHECK(result == 4 || result == -Errno::eagain);
    CHECK_EQ(as_engine(op::pread(file, got, 4, 3)), 4);
    CHECK_BYTES(got, "3456", 4);
    result = try_now(op::pwrite(file, "ab", 2, 3));
    CHECK(result == 2 || result == -Errno::eagain);
    CHECK_EQ(as_engine(op::pwrite(file, "abc", 3, 3)), 3);
    CHECK_CONTENTS(file, "012abc6789");
    CHECK_EQ(as_engine(op::pread(file, got, 4, 10)), 0);
    CHECK_EQ(as_engine(op::pread(file, got, 4, 100)), 0);
}

/// As Linux 5.9 and 5.10 say it of data that are not in memory.
bool find_an_end(void*, long number, const long* arguments, int, long* result) noexcept {
    *result = 0;
    return number == number::preadv2 && (arguments[5] & flag::nowait) != 0;
}

TEST(perform_does_not_believe_in_an_end_without_patience) {
    SKIP_IF_MISSING(has_transfer_flags(), "preadv2");
    const Fd file = make_file_with("0123456789");
    Pipe pipe = make_pipe();
    pipe.writer.close();
    char got[16] = {};
    set_handler(find_an_end, nullptr);
    CHECK_ERRNO(try_now(op::read(file, got, 16)), Errno::eagain);
    CHECK_ERRNO(try_now(op::pread(file, got, 16, 0)), Errno::eagain);
    CHECK_EQ(perform_with(Patience::ready, op::read(file, got, 16)), 10);
    CHECK_EQ(wait_for(op::pread(file, got, 16, 0)), 10);
    CHECK_EQ(try_now(op::read(pipe.reader, got, 16)), 0);
    remove_handler(find_an_end, nullptr);
}

VARIANT_TEST(perform_vectors, old_kernels) {
    const Pretend pretend(row);
    const Fd file = make_file();
    char a[] = "01234";
    char b[] = "56789";
    abi::IoVec pieces[] = {{a, 5}, {nullptr, 0}, {b, 5}};
    CHECK_EQ(wait_for(op::writev(file, pieces, 3)), 10);
    CHECK_EQ(wait_for(op::writev(file, pieces, 1, 20)), 5);
    CHECK_EQ(size_of(file), 25u);
    if (has_transfer_flags()) {
        CHECK_EQ(wait_for(op::writev(file, pieces, 1, 0, flag::append)), 5);
        CHECK_EQ(size_of(file), 30u);
    } else {
        CHECK_ERRNO(wait_for(op::writev(file, pieces, 1, 0, flag::append)), Errno::eopnotsupp);
    }
    char got[16] = {};
    abi::IoVec room[] = {{got, 3}, {got + 3, 13}};
    CHECK_EQ(wait_for(op::readv(file, room, 2, 0)), 16);
    CHECK_BYTES(got, "0123456789", 10);
    CHECK_ERRNO(wait_for(op::readv(file, room, 5000, 0)), Errno::einval);
    CHECK_EQ(wait_for(op::readv(file, room, 0, 0)), 0);
    CHECK_EQ(wait_for(op::writev(file, room, 0)), 0);
    CHECK_EQ(as_engine(op::writev(file, room, 0)), 0);

    const Pipe pipe = make_fifo();
    CHECK_EQ(as_engine(op::writev(pipe.writer, pieces, 3)), 10);
    CHECK_EQ(wait_for(op::writev(pipe.writer, pieces, 1)), 5);
    CHECK_EQ(as_engine(op::readv(pipe.reader, room, 2)), 15);
    CHECK_BYTES(got, "012345678901234", 15);
}

TEST(perform_nowait_of_the_caller) {
    // It is the caller's wish to hear of EAGAIN, so nobody waits for anything.
    const Pipe pipe = make_pipe();
    char got[16] = {};
    for (const Patience patience : every_patience) {
        const i32 result = perform_with(patience, op::read(pipe.reader, got, 16, flag::nowait));
        CHECK(result == -Errno::eagain || result == -Errno::eopnotsupp); // before 6.5
    }
}

// ---- Everything, in steps -----------------------------------------------------------------------

/// Performs the rest of an `_all` operation as an engine does it: the sum, or the first error.
[[nodiscard]] i32 complete(const Operation& operation) noexcept {
    Completion completion = made(operation);
    for (;;) {
        const i32 step = perform(completion, Patience::blocks);
        if (step < 0) {
            return completion.value != 0 ? completion.value : step;
        }
        completion.value += step;
        if (!wants_more(completion, step, static_cast<u32>(completion.value))) {
            return completion.value;
        }
    }
}

TEST(perform_all_in_steps) {
    // The other side takes and gives a little at a time.
    const Pipe pipe = make_pipe();
    char got[10] = {};
    for (const char* text = "0123456789"; *text != '\0'; ++text) {
        CHECK_EQ(complete(op::write_all(pipe.writer, text, 1)), 1);
    }
    CHECK_EQ(complete(op::read_all(pipe.reader, got, 10)), 10);
    CHECK_BYTES(got, "0123456789", 10);
    const Fd file = make_file_with("0123456789");
    char room[20] = {};
    CHECK_EQ(complete(op::pread_all(file, room, 20, 3)), 7); // the end, found by the second step
    CHECK_EQ(complete(op::pwrite_all(pipe.writer, room, 20, 3)), 20);
    CHECK_EQ(complete(op::pread_all(pipe.reader, room, 20, 3)), 20);
}

TEST(perform_steps_begin_where_the_last_ended) {
    const Fd file = make_file();
    const char text[] = "0123456789";
    for (u32 done = 0; done <= 10; ++done) {
        const i32 left = static_cast<i32>(10 - done);
        CHECK_OK(kernel::ftruncate(file, 0));
        CHECK_EQ(wait_for(op::pwrite_all(file, text, 10, 5), done), left);
        CHECK_EQ(size_of(file), left != 0 ? 15u : 0u);
        char got[10] = {};
        CHECK_EQ(wait_for(op::pread_all(file, got, 10, 5), done), left);
        CHECK_BYTES(got + done, text + done, static_cast<u32>(left));
        // At its own position, only the memory moves on.
        CHECK_OK(kernel::ftruncate(file, 0));
        CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::start), 0);
        CHECK_EQ(wait_for(op::write_all(file, text, 10), done), left);
        CHECK_EQ(size_of(file), static_cast<u64>(left));
        CHECK_CONTENTS(file, text + done);
        CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::start), 0);
        char again[10] = {};
        CHECK_EQ(wait_for(op::read_all(file, again, 10), done), left);
        CHECK_BYTES(again + done, text + done, static_cast<u32>(left));
    }
}

TEST(perform_wants_more) {
    char data[10] = {};
    const Operation kinds[] = {op::read_all(0, data, 10), op::pread_all(0, data, 10, 3),
                               op::write_all(0, data, 10), op::recv_all(0, data, 10),
                               op::send_all(0, data, 10)};
    for (const Operation& operation : kinds) {
        CHECK(wants_more(made(operation), 1, 1));
        CHECK(wants_more(made(operation), 4, 9));
        CHECK(!wants_more(made(operation), 4, 10));
        CHECK(!wants_more(made(operation), 0, 3)); // the end
        CHECK(!wants_more(made(operation), -Errno::epipe, 3));
    }
    // More than a result can say is not transferred.
    const Operation huge = op::read_all(0, data, 0xffffffff);
    CHECK(wants_more(made(huge), 1, 0x7ffffffe));
    CHECK(!wants_more(made(huge), 1, 0x7fffffff));
    CHECK(!wants_more(made(op::read(0, data, 10)), 4, 4));
    CHECK(!wants_more(made(op::nop()), 4, 4));
    abi::IoVec pieces[] = {{data, 3}, {nullptr, 0}, {data, 4}};
    abi::MessageHeader message = {};
    message.vectors = pieces;
    message.vector_count = 3;
    const Operation messages[] = {op::recvmsg_all(0, &message), op::sendmsg_all(0, &message)};
    for (const Operation& operation : messages) {
        CHECK(wants_more(made(operation), 3, 3));
        CHECK(wants_more(made(operation), 3, 6));
        CHECK(!wants_more(made(operation), 3, 7));
        CHECK(!wants_more(made(operation), 3, 70));
        CHECK(!wants_more(made(operation), 0, 3));
    }
    message.vector_count = 0;
    CHECK(!wants_more(made(op::sendmsg_all(0, &message)), 1, 1));
}

/// What a handler was called with.
struct Seen {
    u32 calls;
    usize bytes;
    u64 offset;
};

bool record_transfer(void* context, long number, const long* arguments, int,
                     long* result) noexcept {
    if (number != number::preadv2 && number != number::pwritev2) {
        return false;
    }
    Seen& seen = *static_cast<Seen*>(context);
    ++seen.calls;
    seen.bytes = reinterpret_cast<const abi::IoVec*>(arguments[1])->bytes;
    seen.offset = static_cast<unsigned long>(arguments[3]);
    if constexpr (sizeof(long) == 4) {
        seen.offset |= static_cast<u64>(static_cast<unsigned long>(arguments[4])) << 32;
    }
    *result = static_cast<long>(seen.bytes);
    return true;
}

TEST(perform_caps_a_step) {
    Seen seen = {};
    set_handler(record_transfer, &seen);
    char data[1];
    const i32 most = static_cast<i32>(transfer_bytes_max());
    CHECK_EQ(wait_for(op::pread_all(0, data, 0xffffffff, 1)), most);
    CHECK_EQ(seen.bytes, transfer_bytes_max());
    CHECK_EQ(seen.offset, 1u);
    CHECK_EQ(wait_for(op::pwrite_all(0, data, 0xffffffff, 1), 0x7ffff000), 0xfff);
    CHECK_EQ(seen.bytes, 0xfffu);
    CHECK_EQ(seen.offset, 0x7ffff001u);
    CHECK_EQ(wait_for(op::pread_all(0, data, 0x7fffffff, 0xfffffffff), 0x7ffffff0), 15);
    CHECK_EQ(seen.offset, 0xfffffffff + 0x7ffffff0);
    CHECK_EQ(wait_for(op::read(0, data, 0xffffffff)), most);
    CHECK_EQ(seen.offset, abi::current_position);
    remove_handler(record_transfer, &seen);
}

// ---- Interruptions, waiting ---------------------------------------------------------------------

VARIANT_TEST(perform_goes_on_after_interruptions, old_kernels) {
    const Pretend pretend(row);
    const Pipe pipe = make_pipe();
    char got[16] = {};
    const bool has_flags = has_transfer_flags();
    interrupt_call(has_flags ? number::preadv2 : number::read, 1, 3);
    interrupt_call(has_flags ? number::pwritev2 : number::write, 1, 3);
    CHECK_EQ(wait_for(op::write(pipe.writer, "text", 4)), 4);
    CHECK_EQ(as_engine(op::write(pipe.writer, "more", 4)), 4);
    CHECK_EQ(as_engine(op::read(pipe.reader, got, 16)), 8);
    CHECK_BYTES(got, "textmore", 8);
    CHECK_EQ(faults_hit(), 6u);
}

void write_one(i32 fd) noexcept {
    CHECK_EQ(kernel::write(fd, "1", 1), 1);
}
void read_much(i32 fd) noexcept {
    static u8 data[page_bytes_max];
    CHECK_GT(kernel::read(fd, data, sizeof(data)), 0);
}

VARIANT_TEST(perform_waits_for_what_does_not, old_kernels) {
    const Pretend pretend(row);
    const Pipe pipe = make_pipe(open_flag::nonblock);
    char got[16] = {};
    Later write(write_one, pipe.writer);
    CHECK_EQ(wait_for(op::read(pipe.reader, got, 16)), 1);
    write.join();

    static u8 data[2 * page_bytes_max];
    const u32 page = static_cast<u32>(page_bytes());
    CHECK_OK(kernel::fcntl(pipe.writer, abi::fcntl_command::set_pipe_size, page));
    CHECK_EQ(kernel::write(pipe.writer, data, 2 * page), page);
    Later read(read_much, pipe.reader);
    CHECK_EQ(wait_for(op::write(pipe.writer, data, page)), page);
    read.join();
}

// ---- Into a buffer ------------------------------------------------------------------------------

VARIANT_TEST(perform_read_into_a_buffer, old_kernels) {
    const Pretend pretend(row);
    BufferPool pool; // not looked at
    Pipe pipe = make_pipe();
    char got[8] = {};
    const Operation kinds[] = {op::read(pipe.reader, pool), op::read_multishot(pipe.reader, pool)};
    for (const Operation& operation : kinds) {
        const Completion completion = made(operation);
        CHECK_ERRNO(perform_into(completion, got, 8, Patience::none), Errno::eagain);
        write_text(pipe.writer, "0123456789");
        CHECK_EQ(perform_into(completion, got, 8, Patience::ready), 8);
        CHECK_BYTES(got, "01234567", 8);
        CHECK_EQ(perform_into(completion, got, 8, Patience::blocks), 2);
        CHECK_BYTES(got, "89", 2);
        CHECK_ERRNO(perform(completion, Patience::blocks), Errno::einval);
    }
    CHECK_ERRNO(perform_into(made(op::read(pipe.reader, got, 8)), got, 8, Patience::none),
                Errno::einval);
    pipe.writer.close();
    CHECK_EQ(perform_into(made(op::read(pipe.reader, pool)), got, 8, Patience::ready), 0);
}

// ---- Splice and tee -----------------------------------------------------------------------------

TEST(perform_splice) {
    const Fd file = make_file_with("0123456789");
    const Pipe pipe = make_pipe();
    const Pipe other = make_pipe();
    op::Splice move = {file, pipe.writer, 2, abi::current_position, 100, 0};
    CHECK_EQ(try_now(op::splice(&move)), 8);
    op::Splice copy = {
        pipe.reader, other.writer, abi::current_position, abi::current_position, 5, 0};
    CHECK_EQ(try_now(op::tee(&copy)), 5);
    CHECK_READS(other.reader, "23456");
    CHECK_READS(pipe.reader, "23456789");
    CHECK_ERRNO(try_now(op::tee(&copy)), Errno::eagain);
    CHECK_ERRNO(try_now(op::splice(&copy)), Errno::eagain);
    CHECK_EQ(try_now(op::splice(&move)), 8);
    op::Splice back = {pipe.reader, file, abi::current_position, 0, 3, 0};
    CHECK_EQ(wait_for(op::splice(&back)), 3);
    CHECK_CONTENTS(file, "2343456789");
    move.from_offset = abi::current_position; // its own position
    CHECK_EQ(wait_for(op::splice(&move)), 10);
    CHECK_EQ(wait_for(op::splice(&move)), 0); // the end
    back.from_offset = 0;
    CHECK_ERRNO(try_now(op::splice(&back)), Errno::espipe);
    op::Splice neither = {file, file, 0, 20, 3, 0};
    CHECK_ERRNO(try_now(op::splice(&neither)), Errno::einval);
    CHECK_ERRNO(try_now(op::tee(&back)), Errno::einval);
    interrupt_call(number::splice);
    interrupt_call(number::tee);
    CHECK_EQ(wait_for(op::tee(&copy)), 5);
    CHECK_EQ(wait_for(op::splice(&copy)), 5);
    CHECK_EQ(faults_hit(), 2u);
}

TEST(perform_splice_never_raises_sigpipe) {
    const NoSigpipe no_sigpipe;
    const Pipe pipe = make_pipe();
    write_text(pipe.writer, "0123456789");
    Pipe broken = make_pipe();
    broken.reader.close();
    const u64 position = abi::current_position;
    const op::Splice into_pipe = {pipe.reader, broken.writer, position, position, 5, 0};
    for (const Patience patience : every_patience) {
        CHECK_ERRNO(perform_with(patience, op::splice(&into_pipe)), Errno::epipe);
        CHECK_ERRNO(perform_with(patience, op::tee(&into_pipe)), Errno::epipe);
    }
    for (u32 which = 0; which < 2; ++which) {
        const SocketPair pair = which != 0 ? make_tcp_pair() : make_socket_pair();
        CHECK_OK(kernel::shutdown(pair.near, abi::shutdown_how::write));
        write_text(pipe.writer, "0123456789");
        const op::Splice into_socket = {pipe.reader, pair.near, position, position, 5, 0};
        CHECK_ERRNO(try_now(op::splice(&into_socket)), Errno::epipe);
    }
}

TEST(perform_splice_waits_for_what_does_not) {
    const Pipe from = make_pipe(open_flag::nonblock);
    const Pipe to = make_pipe(open_flag::nonblock);
    const u64 position = abi::current_position;
    op::Splice move = {from.reader, to.writer, position, position, 5, 0};
    Later write(write_one, from.writer);
    CHECK_EQ(wait_for(op::splice(&move)), 1);
    write.join();
    CHECK_READS(to.reader, "1");
    move.flags = abi::splice_flag::nonblock;
    CHECK_ERRNO(wait_for(op::splice(&move)), Errno::eagain);
}

} // namespace
} // namespace oxbow::test
