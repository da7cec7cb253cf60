// What epoll cannot watch, and operations that wait for something else than their own descriptor.
#include "../uring/ring_options.h"
#include "epoll_help.h"
#include "loop_op_help.h"

namespace oxbow::test {

namespace {

[[nodiscard]] i32 open_temp_file() noexcept {
    char path[256];
    return CHECK_OK(kernel::openat(
        abi::at_fdcwd, temp_path(path),
        abi::open_flag::create | abi::open_flag::read_write | abi::open_flag::cloexec, 0600));
}

/// A file that is in nobody's memory, as far as RWF_NOWAIT is concerned.
struct Cold {
    Cold() noexcept { set_handler(&Cold::answer, nullptr); }
    ~Cold() { remove_handler(&Cold::answer, nullptr); }
    static bool answer(void*, long number, const long* arguments, int, long* result) noexcept {
        const bool nowait = (static_cast<u32>(arguments[5]) & abi::rw_flag::nowait) != 0;
        if ((number == oxbow::number::preadv2 || number == oxbow::number::pwritev2) && nowait) {
            *result = -Errno::eagain;
            return true;
        }
        return false;
    }
};

} // namespace

EPOLL_TEST(epoll_reads_and_writes_files) {
    const i32 file = open_temp_file();
    char data[16] = {};
    CHECK_EQ(perform_on(loop, op::write(file, "regular file", 12)).value, 12);
    CHECK_EQ(perform_on(loop, op::pread(file, data, sizeof(data), 0)).value, 12);
    CHECK_BYTES(data, "regular file", 12);
    Result result = perform_on(loop, op::pread(file, data, sizeof(data), 12));
    CHECK_EQ(result.value, 0);
    CHECK(result.eof());
    CHECK_EQ(perform_on(loop, op::pread(file, data, 0, 0)).value, 0);
    CHECK_EQ(perform_on(loop, op::pread_all(file, data, 8, 4)).value, 8);
    CHECK_BYTES(data, "lar file", 8);
    CHECK(perform_on(loop, op::close(file)).ok());
}

EPOLL_TEST(epoll_files_that_are_not_in_memory_are_a_worker_s) {
    const i32 file = open_temp_file();
    CHECK_EQ(kernel::write(file, "cold", 4), 4L);
    const Cold cold;
    char data[16] = {};
    Logged logged[3];
    for (Logged& each : logged) {
        submit(loop, each, op::pread(file, data, sizeof(data), 0));
    }
    for (Logged& each : logged) {
        run_until_ended(loop, each);
        CHECK_EQ(each.last.value, 4);
    }
    CHECK_EQ(loop.statistics().worker_jobs, 3u);
    Logged all;
    submit(loop, all, op::pwrite_all(file, "0123456789", 10, 100));
    run_until_ended(loop, all);
    CHECK_EQ(all.last.value, 10);
    const Result result = perform_on(loop, op::pread(file, data, 1, 1000));
    CHECK(result.value == 0 && result.eof());
    // The caller asked not to wait.
    CHECK(perform_on(loop, op::pread(file, data, 1, 0, abi::rw_flag::nowait))
              .is(has_transfer_flags() ? Errno::eagain : Errno::eopnotsupp));
    const u64 jobs = loop.statistics().worker_jobs;
    CHECK(perform_on(loop, op::close(file)).ok());
    CHECK_EQ(loop.statistics().worker_jobs, jobs + 1); // since it may write back
}

/// A read with O_DIRECT waits for the device, whatever it is asked.
EPOLL_TEST(epoll_direct_reads_are_a_worker_s) {
    constexpr u32 bytes = 4096;
    alignas(bytes) static u8 data[bytes];
    char path[256];
    const i32 plain = CHECK_OK(kernel::openat(
        abi::at_fdcwd, temp_path(path),
        abi::open_flag::create | abi::open_flag::read_write | abi::open_flag::cloexec, 0600));
    fill_pattern(data, bytes);
    CHECK_EQ(kernel::write(plain, data, bytes), static_cast<long>(bytes));
    const i32 direct = kernel::openat(abi::at_fdcwd, path,
                                      abi::open_flag::read_only | abi::open_flag::direct |
                                          abi::open_flag::cloexec);
    CHECK_OK(kernel::close(plain));
    if (direct == -Errno::einval) {
        SKIP("no O_DIRECT, which a tmpfs has since Linux 6.6");
    }
    CHECK_OK(direct);
    for (u32 i = 0; i < 3; ++i) {
        __builtin_memset(data, 0, bytes);
        CHECK_EQ(perform_on(loop, op::pread(direct, data, bytes, 0)).count(), bytes);
        check_pattern(data, bytes);
    }
    CHECK_EQ(loop.statistics().worker_jobs, 3u);
    CHECK(perform_on(loop, op::close(direct)).ok());
}

/// Of a pipe the same flag means something else.
EPOLL_TEST(epoll_reads_of_a_packet_pipe_are_no_worker_s) {
    i32 ends[2];
    CHECK_OK(kernel::pipe2(ends, abi::open_flag::direct | abi::open_flag::cloexec));
    char data[8];
    Logged read;
    submit(loop, read, op::read(ends[0], data, sizeof(data)));
    run_rounds(loop, 2);
    CHECK(!read.ended());
    CHECK_EQ(kernel::write(ends[1], "packet", 6), 6L);
    run_until_ended(loop, read);
    CHECK_EQ(read.last.value, 6);
    CHECK_EQ(loop.statistics().worker_jobs, 0u);
    CHECK(perform_on(loop, op::close(ends[0])).ok());
    CHECK(perform_on(loop, op::close(ends[1])).ok());
}

TEST(epoll_files_without_workers_say_so) {
    EpollLoop alone({}, {.workers_max = 0});
    const i32 file = open_temp_file();
    const Cold cold;
    char data[4];
    CHECK(perform_on(*alone, op::pread(file, data, 4, 0)).is(Errno::eopnotsupp));
    CHECK_OK(kernel::close(file));
}

EPOLL_TEST(epoll_polls_files_as_ready) {
    const i32 file = open_temp_file();
    const i32 expected = static_cast<i32>(abi::poll_event::in | abi::poll_event::out);
    Result result = perform_on(loop, op::poll(file, abi::poll_event::in | abi::poll_event::out));
    CHECK_EQ(result.value, expected);
    result = perform_on(loop, op::poll_multishot(file, abi::poll_event::in | abi::poll_event::out));
    CHECK_EQ(result.value, expected);
    CHECK(!result.more());
    CHECK(perform_on(loop, op::poll(file, abi::poll_event::pri)).is(Errno::einval));
    CHECK(perform_on(loop, op::close(file)).ok());
}

EPOLL_TEST(epoll_reads_files_into_a_pool_once) {
    const i32 file = open_temp_file();
    CHECK_EQ(kernel::write(file, "pool", 4), 4L);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::start), 0);
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 16}));
    CHECK(perform_on(loop, op::read_multishot(file, pool)).is(Errno::ebadfd));
    {
        const Cold cold;
        const Result result = perform_on(loop, op::read(file, pool));
        CHECK_EQ(result.value, 4);
        CHECK_BYTES(pool.data(result), "pool", 4);
        pool.give_back(result);
    }
    const Result end = perform_on(loop, op::read(file, pool));
    CHECK(end.value == 0 && end.eof() && !end.has_buffer());
    CHECK_EQ(pool.held(), 0u);
    pool.close();
    CHECK(perform_on(loop, op::close(file)).ok());
}

EPOLL_TEST(epoll_null_and_zero) {
    const i32 null = CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/null",
                                             abi::open_flag::read_write | abi::open_flag::cloexec));
    const i32 zero = CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/zero",
                                             abi::open_flag::read_only | abi::open_flag::cloexec));
    char data[4] = {1, 1, 1, 1};
    const Result end = perform_on(loop, op::read(null, data, 4));
    CHECK(end.value == 0 && end.eof());
    CHECK_EQ(perform_on(loop, op::write(null, data, 4)).value, 4);
    CHECK_EQ(perform_on(loop, op::write_all(null, data, 4)).value, 4);
    CHECK_EQ(perform_on(loop, op::read_all(zero, data, 4)).value, 4);
    CHECK_EQ(data[3], 0);
    CHECK_EQ(perform_on(loop, op::poll(null, abi::poll_event::out)).value,
             static_cast<i32>(abi::poll_event::out));
    CHECK(perform_on(loop, op::recv(null, data, 4)).is(Errno::enotsock));
    CHECK(perform_on(loop, op::close(null)).ok());
    CHECK(perform_on(loop, op::close(zero)).ok());
}

namespace {
struct PipeCase {
    const char* name;
    i32 flags;
    bool has_nowait; ///< whether the kernel can try a pipe; before 6.5 it cannot
};
constexpr PipeCase pipe_cases[] = {
    {"nonblocking", abi::open_flag::nonblock, true},
    {"blocking", 0, true},
    {"nonblocking_old", abi::open_flag::nonblock, false},
    {"blocking_old", 0, false},
};

/// A kernel that has no RWF_NOWAIT for pipes.
struct NoNowait {
    NoNowait() noexcept { set_handler(&NoNowait::answer, nullptr); }
    ~NoNowait() { remove_handler(&NoNowait::answer, nullptr); }
    static bool answer(void*, long number, const long* arguments, int, long* result) noexcept {
        const u32 flags = static_cast<u32>(arguments[5]);
        if ((number == oxbow::number::preadv2 || number == oxbow::number::pwritev2) && flags != 0) {
            *result = -Errno::eopnotsupp;
            return true;
        }
        return false;
    }
};

void use_pipe(Loop& loop, const PipeCase& row) noexcept {
    Pair pipe = Pair::pipe(row.flags);
    char data[3][4] = {};
    Logged readers[3];
    for (u32 i = 0; i < 3; ++i) {
        submit(loop, readers[i], op::read(pipe[0], data[i], 4));
    }
    run_rounds(loop, 3);
    send_text(pipe[1], "12345678"); // for two of them; the third must not block the loop
    run_until_ended(loop, readers[1]);
    CHECK_EQ(readers[0].last.value, 4);
    CHECK_EQ(readers[1].last.value, 4);
    run_rounds(loop, 3);
    CHECK(!readers[2].ended());
    CHECK_BYTES(data[0], "1234", 4);
    CHECK_BYTES(data[1], "5678", 4);

    // More than a pipe's sixteen pages, of whatever size they are.
    static u8 much[page_bytes_max == 4096 ? 300'000 : 18 * page_bytes_max];
    static u8 got[sizeof(much)];
    Random random(3);
    random.fill(much, sizeof(much));
    Logged writer;
    Logged reader;
    send_text(pipe[1], "9");
    run_until_ended(loop, readers[2]);
    submit(loop, writer, op::write_all(pipe[1], much, sizeof(much)));
    run_rounds(loop, 3);
    CHECK(!writer.ended());
    submit(loop, reader, op::read_all(pipe[0], got, sizeof(got)));
    run_until_ended(loop, reader);
    run_until_ended(loop, writer);
    CHECK_EQ(writer.last.value, static_cast<i32>(sizeof(much)));
    CHECK_EQ(reader.last.value, static_cast<i32>(sizeof(got)));
    CHECK_BYTES(got, much, sizeof(much));

    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 8, .buffer_bytes = 4}));
    Logged multishot;
    submit(loop, multishot, op::read_multishot(pipe[0], pool));
    run_rounds(loop, 2);
    send_text(pipe[1], "abcdefghij"); // three results, though only one event comes
    run_until(loop, [&] { return multishot.count == 3; });
    CHECK_EQ(multishot.log[2].value, 2);
    pipe.close(1);
    run_until_ended(loop, multishot);
    CHECK(multishot.last.eof());
    for (u32 i = 0; i < 3; ++i) {
        pool.give_back(multishot.log[i]);
    }
    pool.close();
    const Result broken = [&] {
        Pair other = Pair::pipe(row.flags);
        other.close(0);
        return perform_on(loop, op::write(other[1], "x", 1));
    }();
    CHECK(broken.is(Errno::epipe));
    CHECK_EQ(loop.statistics().worker_jobs, 0u);
}
} // namespace

VARIANT_TEST(epoll_pipes, pipe_cases) {
    EpollLoop loop;
    if (row.has_nowait) {
        use_pipe(*loop, row);
    } else {
        const NoNowait old;
        use_pipe(*loop, row);
    }
}

EPOLL_TEST(epoll_splice_waits_for_either_side) {
    Pair from = Pair::pipe();
    const Pair to = Pair::pipe(abi::open_flag::nonblock);
    static u8 data[65536];
    while (kernel::write(to[1], data, sizeof(data)) > 0) {
    }
    const op::Splice splice = {from[0], to[1], abi::current_position, abi::current_position,
                               100,     0};
    Logged logged;
    send_text(from[1], "through");
    submit(loop, logged, op::splice(&splice));
    run_rounds(loop, 3);
    CHECK(!logged.ended()); // there is no room
    while (kernel::read(to[0], data, sizeof(data)) > 0) {
    }
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 7);
    CHECK_EQ(loop.statistics().worker_jobs, 0u);

    const op::Splice tee = {to[0], from[1], abi::current_position, abi::current_position, 100, 0};
    CHECK_EQ(perform_on(loop, op::tee(&tee)).value, 7);
    CHECK_EQ(kernel::read(to[0], data, sizeof(data)), 7L);
    CHECK_EQ(kernel::read(from[0], data, sizeof(data)), 7L);
    from.close(1);
    CHECK_EQ(perform_on(loop, op::splice(&splice)).value, 0); // the end of the input
}

EPOLL_TEST(epoll_splice_that_waits_for_room_can_be_ended) {
    const Pair from = Pair::pipe();
    const Pair to = Pair::pipe(abi::open_flag::nonblock);
    static u8 data[65536];
    while (kernel::write(to[1], data, sizeof(data)) > 0) {
    }
    send_text(from[1], "through");
    const op::Splice splice = {from[0], to[1], abi::current_position, abi::current_position,
                               100,     0};
    Logged first;
    Logged second;
    submit(loop, first, op::splice(&splice));
    submit(loop, second, op::splice(&splice));
    run_rounds(loop, 3);
    loop.cancel(first.completion);
    run_rounds(loop);
    CHECK(first.last.is(Errno::ecanceled));
    CHECK_EQ(perform_on(loop, op::cancel_fd(from[0])).value, 1); // it belongs to its input
    CHECK(second.last.is(Errno::ecanceled));
    Logged third;
    submit(loop, third, op::splice(&splice));
    run_rounds(loop, 2);
    Pair moved;
    moved.fds[0] = CHECK_OK(kernel::dup(from[0]));
    CHECK(perform_on(loop, op::close(from[0])).ok()); // and ends with it
    CHECK(third.last.is(Errno::ecanceled));
    CHECK_EQ(kernel::read(moved[0], data, sizeof(data)), 7L); // nothing is lost
    CHECK_EQ(CHECK_OK(kernel::fcntl(moved[0], abi::fcntl_command::dupfd_cloexec,
                                    static_cast<long>(from[0]))),
             from[0]);
}

EPOLL_TEST(epoll_splice_with_a_file_is_a_worker_s_when_the_pipe_is_ready) {
    const i32 file = open_temp_file();
    CHECK_EQ(kernel::write(file, "contents", 8), 8L);
    const Pair pipe = Pair::pipe(abi::open_flag::nonblock);
    static u8 data[65536];
    while (kernel::write(pipe[1], data, sizeof(data)) > 0) {
    }
    const op::Splice out = {file, pipe[1], 0, abi::current_position, 8, 0};
    Logged logged;
    submit(loop, logged, op::splice(&out));
    run_rounds(loop, 3);
    CHECK(!logged.ended());
    CHECK_EQ(loop.statistics().worker_jobs, 0u); // none waits for room in the pipe
    while (kernel::read(pipe[0], data, sizeof(data)) > 0) {
    }
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 8);
    CHECK_EQ(loop.statistics().worker_jobs, 1u);

    const op::Splice in = {pipe[0], file, abi::current_position, 100, 8, 0};
    CHECK_EQ(perform_on(loop, op::splice(&in)).value, 8);
    Logged waits;
    submit(loop, waits, op::splice(&in));
    run_rounds(loop, 3);
    CHECK(!waits.ended());
    CHECK_EQ(loop.statistics().worker_jobs, 2u); // nor for data
    CHECK_EQ(loop.drain(), 0u);
    CHECK(waits.last.is(Errno::ecanceled));
    CHECK_OK(kernel::close(file));
}

EPOLL_TEST(epoll_children_are_waited_for_by_their_descriptors) {
    constexpr u32 count = 5;
    const i32 before = open_fd_count();
    i32 pids[count];
    Pair go = Pair::pipe();
    for (i32& pid : pids) {
        pid = fork_child();
        if (pid == 0) {
            char byte;
            (void)kernel::read(go[0], &byte, 1);
            leave_child(3);
        }
    }
    abi::SignalInfo infos[count] = {};
    Logged logged[count];
    for (u32 i = 0; i < count; ++i) {
        submit(loop, logged[i],
               op::waitid(abi::wait_for::pid, pids[i], &infos[i], abi::wait_option::exited));
    }
    run_rounds(loop, 3);
    CHECK_EQ(open_fd_count(), before + 2 + static_cast<i32>(count));
    loop.cancel(logged[0].completion);
    run_rounds(loop);
    CHECK(logged[0].last.is(Errno::ecanceled));
    CHECK_EQ(open_fd_count(), before + 2 + static_cast<i32>(count) - 1);
    send_text(go[1], "12345");
    for (u32 i = 1; i < count; ++i) {
        run_until_ended(loop, logged[i]);
        CHECK_EQ(logged[i].last.value, 0);
        CHECK_EQ(infos[i].child.pid, pids[i]);
        CHECK_EQ(infos[i].child.status, 3);
    }
    CHECK_EQ(open_fd_count(), before + 2);
    CHECK_EQ(wait_child(pids[0]), 3);
    CHECK_EQ(loop.statistics().worker_jobs, 0u);
    // No such child; and one that nobody has a descriptor for.
    CHECK(
        perform_on(loop, op::waitid(abi::wait_for::pid, pids[0], nullptr, abi::wait_option::exited))
            .is(Errno::echild));
    CHECK(perform_on(loop, op::waitid(abi::wait_for::all, 0, nullptr, abi::wait_option::exited))
              .is(Errno::echild));
}

EPOLL_TEST(epoll_children_without_a_descriptor_are_a_worker_s) {
    const Pair told = Pair::sockets();
    const i32 pid = fork_child();
    if (pid == 0) {
        char word[1];
        (void)kernel::read(told[0], word, sizeof(word));
        leave_child(5);
    }
    fail_call(number::pidfd_open, Errno::enosys); // before 5.3
    abi::SignalInfo info = {};
    Logged waiting;
    submit(loop, waiting, op::waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited));
    run_rounds(loop, 2);
    CHECK_EQ(loop.statistics().worker_jobs, 1u);
    send_text(told[1], "x");
    run_until_ended(loop, waiting);
    CHECK_EQ(waiting.last.value, 0);
    CHECK_EQ(info.child.status, 5);
}

/// A local socket by a name that the kernel chooses: nobody else's, whatever else runs.
[[nodiscard]] i32 make_named_socket(i32 type, abi::SocketAddressUn& address, u32& bytes) noexcept {
    const i32 fd =
        CHECK_OK(kernel::socket(abi::socket_family::local, type | abi::socket_type::cloexec, 0));
    address = {};
    address.family = static_cast<u16>(abi::socket_family::local);
    CHECK_OK(kernel::bind(fd, &address, sizeof(u16)));
    bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(fd, &address, &bytes));
    return fd;
}

EPOLL_TEST(epoll_connect_waits_for_room_in_a_local_backlog) {
    abi::SocketAddressUn address;
    u32 bytes = 0;
    const i32 listener = make_named_socket(abi::socket_type::stream, address, bytes);
    CHECK_OK(kernel::listen(listener, 0));
    constexpr u32 count = 3;
    i32 clients[count];
    Logged logged[count];
    for (u32 i = 0; i < count; ++i) {
        clients[i] = CHECK_OK(kernel::socket(abi::socket_family::local,
                                             abi::socket_type::stream | abi::socket_type::cloexec |
                                                 (i % 2 == 0 ? abi::socket_type::nonblock : 0),
                                             0));
        submit(loop, logged[i], op::connect(clients[i], &address, bytes));
    }
    run_rounds(loop, 3);
    CHECK(logged[0].ended() && logged[0].last.ok());
    CHECK(!logged[count - 1].ended());
    // It costs few calls to wait.
    reset_calls();
    CHECK_OK(loop.run_for(20 * ms));
    CHECK_LE(calls_made(number::connect), 50u);
    CHECK_EQ(loop.statistics().worker_jobs, 0u);
    for (u32 i = 0; i < count; ++i) {
        Logged accepted;
        submit(loop, accepted, op::accept(listener));
        run_until_ended(loop, accepted);
        CHECK(perform_on(loop, op::close(accepted.last.fd())).ok());
    }
    for (u32 i = 0; i < count; ++i) {
        run_until_ended(loop, logged[i]);
        CHECK(logged[i].last.ok());
        CHECK_OK(kernel::close(clients[i]));
    }
    CHECK_OK(kernel::close(listener));
}

EPOLL_TEST(epoll_datagrams_wait_for_a_receiver_that_no_event_tells_of) {
    abi::SocketAddressUn address;
    u32 bytes = 0;
    const i32 receiver = make_named_socket(abi::socket_type::datagram, address, bytes);
    const i32 sender = CHECK_OK(kernel::socket(
        abi::socket_family::local, abi::socket_type::datagram | abi::socket_type::cloexec, 0));
    while (kernel::sendto(sender, "x", 1, abi::msg_flag::dontwait, &address, bytes) > 0) {
    }
    char data[4];
    abi::IoVec piece = {data, 1};
    abi::MessageHeader message = {};
    message.name = &address;
    message.name_bytes = static_cast<i32>(bytes);
    message.vectors = &piece;
    message.vector_count = 1;
    Logged logged;
    submit(loop, logged, op::sendmsg(sender, &message));
    run_rounds(loop, 3);
    reset_calls();
    CHECK_OK(loop.run_for(20 * ms));
    CHECK(!logged.ended());
    CHECK_LE(calls_made(number::sendmsg), 50u);
    char got[4];
    CHECK_EQ(kernel::recv(receiver, got, sizeof(got), 0), 1L);
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 1);
    CHECK_OK(kernel::close(sender));
    CHECK_OK(kernel::close(receiver));
}

} // namespace oxbow::test
