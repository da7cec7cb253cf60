// Registered descriptors: every operation means what it means without, on every engine.
// loop_registered_close_test.cc has how long the kernel keeps such a file.
#include "loop_registered_help.h"

#include "../syscall/abi_epoll.h"

namespace oxbow::test {
namespace {

namespace event = abi::poll_event;

[[nodiscard]] bool goes_by_number(const WaitingKind& kind) noexcept {
    return kind.waiting == Waiting::splice || kind.waiting == Waiting::tee;
}

// ---- Operations that wait -----------------------------------------------------------------------

REGISTERED_TEST(loop_registered_each_kind_comes) {
    for (const WaitingKind& kind : waiting_kinds) {
        for (const i32 mode : fd_modes) {
            if (!kind.on_fd || kind.waiting == Waiting::connect) {
                continue; // nothing can be done to end a connect that waits
            }
            Pending pending(loop, kind);
            set_mode(pending.near, mode);
            const Registered registered(loop, pending.fd(), takes);
            pending.submit();
            if (takes) {
                const Queued queued = queued_on(loop, pending.fd());
                CHECK_EQ(queued.by_place, goes_by_number(kind) ? 0u : 1u);
                CHECK_EQ(queued.by_number, 0u);
            }
            run_rounds(loop, 3);
            CHECK_EQ(pending.logged.count, 0u);
            pending.provoke();
            run_until(loop, [&]() noexcept { return pending.logged.count != 0; });
            pending.check_came(pending.logged.log[0]);
            end_all(loop);
        }
    }
}

REGISTERED_TEST(loop_registered_each_kind_is_cancelled) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd || kind.may_be_too_late) {
            continue;
        }
        for (u32 rounds = 0; rounds < 3; rounds += 2) {
            Pending pending(loop, kind);
            const Registered registered(loop, pending.fd(), takes);
            pending.submit();
            run_rounds(loop, rounds);
            Logged cancel;
            submit(loop, cancel,
                   rounds == 0 ? op::cancel(pending.logged.completion)
                               : op::cancel_fd(pending.fd()));
            run_until_ended(loop, pending.logged);
            run_until_ended(loop, cancel);
            CHECK_EQ(pending.logged.count, 1u);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
            pending.poison();
            run_rounds(loop, 2);
            pending.check_untouched();
        }
    }
}

REGISTERED_TEST(loop_registered_multishots_go_on) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd || !kind.is_multishot) {
            continue;
        }
        Pending pending(loop, kind);
        const Registered registered(loop, pending.fd(), takes);
        pending.submit();
        for (u32 shot = 0; shot < 5; ++shot) {
            run_rounds(loop, 2);
            const u32 before = pending.logged.count;
            if (row.kernel == nullptr && (!row.is_uring() || kernel_at_least(5, 13))) {
                CHECK_EQ(before, shot);
            } else {
                CHECK_GE(before, shot); // before 5.13 a poll tells again what it has told
            }
            pending.provoke();
            run_until(loop, [&]() noexcept { return pending.logged.count > before; });
            pending.check_came(pending.logged.last);
        }
        end_all(loop);
    }
}

// ---- One by one ---------------------------------------------------------------------------------

/// The results of a program, to be compared with another run of it.
struct Transcript {
    static constexpr u32 steps_max = 48;
    Result results[steps_max];
    u32 count = 0;

    void add(Loop& loop, const Operation& operation) noexcept {
        CHECK_LT(count, steps_max);
        note("step", count);
        results[count++] = perform_on(loop, operation);
    }
    void check_same(const Transcript& other) const noexcept {
        CHECK_EQ(count, other.count);
        for (u32 i = 0; i < count; ++i) {
            note("step", i);
            CHECK_EQ(results[i].value, other.results[i].value);
            CHECK_EQ(results[i].eof(), other.results[i].eof());
        }
    }
};

/// Runs `body(fd-registrar, transcript)` without and with registering, and compares.
template <class Body>
void check_same_both_ways(Loop& loop, bool takes, Body body) noexcept {
    Transcript plain;
    Transcript registered;
    body([](i32) noexcept {}, plain);
    body([&](i32 fd) noexcept { CHECK_EQ(loop.register_fd(fd), takes); }, registered);
    plain.check_same(registered);
}

REGISTERED_TEST(loop_registered_file) {
    check_same_both_ways(loop, takes, [&](auto register_it, Transcript& transcript) noexcept {
        char text[] = "0123456789";
        char got[16] = {};
        abi::IoVec pieces[] = {{text, 3}, {text + 3, 4}};
        abi::Statx status = {};
        const i32 fd = make_file().release();
        const auto step = [&](const Operation& operation) noexcept {
            transcript.add(loop, operation);
        };
        register_it(fd);
        step(op::write(fd, text, 4)); // at the file's own position, which moves
        step(op::write_all(fd, text + 4, 6));
        step(op::writev(fd, pieces, 2));
        step(op::pwrite(fd, text, 2, 100));
        step(op::pread(fd, got, 4, 0));
        step(op::pread_all(fd, got, 16, 95));
        CHECK_BYTES(got,
                    "\0\0\0\0\0"
                    "01",
                    7);
        step(op::read(fd, got, 4));
        CHECK_OK(kernel::lseek(fd, 1, abi::seek_from::start));
        step(op::read_all(fd, got, 9));
        CHECK_BYTES(got, "123456789", 9);
        step(op::readv(fd, pieces, 2));
        step(op::fsync(fd));
        step(op::fdatasync(fd));
        step(op::fallocate(fd, {.offset = 0, .bytes = 200}));
        step(op::ftruncate(fd, 50));
        step(op::fadvise(fd, {.offset = 0, .bytes = 50}, 0));
        step(op::statx(fd, "", {.flags = abi::at_flag::empty_path, .mask = abi::statx_mask::size},
                       &status));
        CHECK_EQ(status.size, 50u);
        step(op::pread(fd, got, 16, 50)); // the end
        step(op::poll(fd, event::in | event::out));
        step(op::recv(fd, got, 1)); // -ENOTSOCK
        step(op::accept(fd));
        step(op::close(fd));
        step(op::close(fd)); // -EBADF
    });
}

REGISTERED_TEST(loop_registered_socket) {
    const NoSigpipe no_sigpipe;
    check_same_both_ways(loop, takes, [&](auto register_it, Transcript& transcript) noexcept {
        SocketPair pair = make_socket_pair();
        const i32 fd = pair.near.release();
        char got[32] = {};
        abi::IoVec piece = {got, sizeof(got)};
        abi::MessageHeader message = {};
        message.vectors = &piece;
        message.vector_count = 1;
        const auto step = [&](const Operation& operation) noexcept {
            transcript.add(loop, operation);
        };
        register_it(fd);
        register_it(pair.far);
        step(op::send(fd, "one", 3));
        step(op::recv(pair.far, got, sizeof(got)));
        CHECK_BYTES(got, "one", 3);
        step(op::send_zero_copy(fd, "two", 3)); // AF_UNIX has none: a plain one
        step(op::write(fd, "three", 5));
        step(op::recv_all(pair.far, got, 8));
        CHECK_BYTES(got, "twothree", 8);
        step(op::sendmsg(fd, &message));
        step(op::recvmsg_all(pair.far, &message));
        step(with_timeout(op::pread(fd, got, 1, 7), 1 * ms)); // looks at no offset
        step(op::recv(fd, got, 1, abi::msg_flag::dontwait));
        step(with_timeout(op::recv(fd, got, 1), 1 * ms));
        step(op::bind(fd, got, 1)); // -EINVAL
        step(op::shutdown(fd, abi::shutdown_how::write));
        step(op::send(fd, "gone", 4)); // -EPIPE
        step(op::write(fd, "gone", 4));
        step(op::recv(pair.far, got, sizeof(got))); // the end
        step(op::poll(pair.far, event::in | event::rdhup));
        step(op::close(fd));
        step(op::close(pair.far.release()));
    });
}

REGISTERED_TEST(loop_registered_connection) {
    check_same_both_ways(loop, takes, [&](auto register_it, Transcript& transcript) noexcept {
        BoundSocket listener = make_listener();
        const Fd client = make_tcp_socket();
        const Fd lonely = make_tcp_socket();
        const abi::SocketAddressIn nobody = loopback(0);
        register_it(listener.fd);
        register_it(client);
        register_it(lonely);
        Logged accept;
        submit_waiting(loop, accept, op::accept(listener.fd));
        transcript.add(loop, op::connect(client, &listener.address, sizeof(listener.address)));
        run_until_ended(loop, accept);
        const Fd server(CHECK_OK(accept.last.value));
        register_it(server);
        char got[8] = {};
        transcript.add(loop, op::send_zero_copy(client, "hello", 5));
        transcript.add(loop, op::recv_all(server, got, 5));
        CHECK_BYTES(got, "hello", 5);
        transcript.add(loop, op::connect(client, &listener.address, sizeof(listener.address)));
        transcript.add(loop, op::connect(lonely, &nobody, sizeof(nobody)));
        const i32 all[] = {listener.fd, client, lonely, server};
        for (const i32 fd : all) {
            loop.unregister_fd(fd);
        }
    });
}

/// Much through little room, both ways: every step of an `_all` goes by the table.
REGISTERED_TEST(loop_registered_all) {
    constexpr u32 bytes = 1 << 20;
    const Memory data(bytes);
    fill_pattern(data.data(), bytes);
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        const Registered near(loop, pair.near, takes);
        const Registered far(loop, pair.far, takes);
        PatternReader reader;
        Logged send;
        submit(loop, send, op::send_all(pair.near, data.data(), bytes));
        reader.start(loop, pair.far);
        run_until_ended(loop, send);
        CHECK_EQ(send.last.value, static_cast<i32>(bytes));
        run_until(loop, [&]() noexcept { return reader.received == bytes; });
        end_all(loop);
        check_mode(pair.near, mode);
    }
}

REGISTERED_TEST(loop_registered_mixed_program) {
    // All of the program's descriptors that are there when it begins: none of them is touched.
    SocketPair pair = make_socket_pair();
    const Registered near(loop, pair.near, takes);
    const Registered wake(loop, loop.wake_fd(), takes);
    run_mixed_program(loop);
    CHECK_EQ(perform_on(loop, op::send(pair.near, "still", 5)).value, 5);
    CHECK_READS(pair.far, "still");
}

// ---- The calls themselves -----------------------------------------------------------------------

REGISTERED_TEST(loop_registered_what_cannot_be) {
    constexpr i32 least = static_cast<i32>(1u << 31);
    constexpr i32 most = 0x7fffffff;
    constexpr i32 beyond = registered_fds;
    SocketPair pair = make_socket_pair();
    const i32 not_there[] = {-1, least, most, beyond, closed_fd()};
    for (const i32 fd : not_there) {
        CHECK(!loop.register_fd(fd));
        loop.unregister_fd(fd);
    }
    // One that is open, in a slot that the table has not.
    const Fd high(CHECK_OK(kernel::fcntl(pair.near, abi::fcntl_command::dupfd_cloexec, beyond)));
    CHECK(!loop.register_fd(high));
    CHECK_EQ(perform_on(loop, op::send(high, "high", 4)).value, 4);
    CHECK_READS(pair.far, "high");
    const Fd last(
        CHECK_OK(kernel::fcntl(pair.near, abi::fcntl_command::dupfd_cloexec, beyond - 1)));
    const Registered registered(loop, last, takes);
    CHECK_EQ(perform_on(loop, op::send(last, "last", 4)).value, 4);
    CHECK_READS(pair.far, "last");
    const Fd path(CHECK_OK(kernel::openat(abi::at_fdcwd, "/", abi::open_flag::path, 0)));
    CHECK(!loop.register_fd(path));
    Ring ring;
    if (ring.open({.entries = 1}) == 0) {
        CHECK(!loop.register_fd(ring.fd()));
        ring.close();
    }
}

REGISTERED_TEST(loop_registered_twice) {
    SocketPair pair = make_socket_pair();
    for (u32 i = 0; i < 3; ++i) {
        CHECK_EQ(loop.register_fd(pair.near), takes);
        CHECK_EQ(perform_on(loop, op::send(pair.near, "x", 1)).value, 1);
        CHECK_READS(pair.far, "x");
    }
    for (u32 i = 0; i < 3; ++i) {
        loop.unregister_fd(pair.near);
        CHECK_EQ(perform_on(loop, op::send(pair.near, "y", 1)).value, 1);
        CHECK_READS(pair.far, "y");
    }
    pair.near.close();
    char byte = 0;
    CHECK_EQ(kernel::recv(pair.far, &byte, 1, abi::msg_flag::dontwait), 0);
}

LOOP_TEST(loop_registered_without_the_option) {
    SocketPair pair = make_socket_pair();
    CHECK(!loop.register_fd(pair.near));
    CHECK(!loop.register_fd(0));
    loop.unregister_fd(pair.near);
    CHECK_EQ(perform_on(loop, op::send(pair.near, "x", 1)).value, 1);
    CHECK_READS(pair.far, "x");
}

REGISTERED_TEST(loop_registered_between_operations_in_flight) {
    SocketPair pair = make_socket_pair();
    char got[4][8] = {};
    Logged receives[4];
    for (u32 i = 0; i < 4; ++i) {
        // Unregistered, registered, unregistered with the entry still in the queue, and so on.
        submit(loop, receives[i], op::recv(pair.near, got[i], 1));
        if (i != 2) {
            run_rounds(loop, 1);
        }
        if (i % 2 == 0) {
            CHECK_EQ(loop.register_fd(pair.near), takes);
        } else {
            loop.unregister_fd(pair.near);
        }
    }
    run_rounds(loop, 2);
    write_text(pair.far, "abcd");
    for (Logged& receive : receives) {
        run_until_ended(loop, receive);
        CHECK_EQ(receive.last.value, 1);
    }
}

REGISTERED_TEST(loop_registered_no_more_before_the_kernel_looks) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    CHECK_EQ(loop.register_fd(pair.near), takes);
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    if (takes) {
        CHECK_EQ(queued_on(loop, pair.near).by_place, 1u);
    }
    loop.unregister_fd(pair.near);
    if (takes) {
        CHECK_EQ(queued_on(loop, pair.near).by_place, 0u);
        CHECK_EQ(queued_on(loop, pair.near).by_number, 1u);
    }
    run_rounds(loop, 2);
    write_text(pair.far, "by number");
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 8);
    CHECK_BYTES(got, "by numbe", 8);
}

/// Some of them wait for room in a small ring while the descriptor is registered, and get it after.
REGISTERED_TEST(loop_registered_no_more_with_a_crowd) {
    constexpr u32 count = 300;
    static Logged polls[count];
    Pipe pipe = make_pipe();
    CHECK_EQ(loop.register_fd(pipe.reader), takes);
    for (Logged& poll : polls) {
        submit(loop, poll, op::poll(pipe.reader, event::in));
    }
    loop.unregister_fd(pipe.reader);
    write_text(pipe.writer, "x");
    CHECK_OK(loop.run());
    for (const Logged& poll : polls) {
        CHECK_EQ(poll.count, 1u);
        CHECK_EQ(poll.last.value, static_cast<i32>(event::in));
    }
}

// ---- Kernels that refuse ------------------------------------------------------------------------

/// While one lives, the kernel has no such registration.
class Refused {
  public:
    Refused(abi::RegisterOp operation, Errno error) noexcept
        : operation_(operation), error_(error) {
        set_handler(handle, this);
    }
    ~Refused() { remove_handler(handle, this); }
    Refused(const Refused&) = delete;
    Refused& operator=(const Refused&) = delete;

    [[nodiscard]] u32 hits() const noexcept { return hits_; }

  private:
    static bool handle(void* context, long number, const long* arguments, int,
                       long* result) noexcept {
        auto& self = *static_cast<Refused*>(context);
        const u32 operation = static_cast<u32>(arguments[1]) & ~abi::register_use_registered_ring;
        if (number != number::io_uring_register || operation != static_cast<u32>(self.operation_)) {
            return false;
        }
        ++self.hits_;
        *result = -self.error_;
        return true;
    }

    abi::RegisterOp operation_;
    Errno error_;
    u32 hits_ = 0;
};

VARIANT_TEST(loop_registered_no_table, loop_configurations) {
    const bool takes = registers(row);
    constexpr Errno errors[] = {Errno::enomem, Errno::emfile, Errno::einval, Errno::eperm};
    for (const Errno error : errors) {
        const Refused refused(abi::RegisterOp::files2, error);
        ConfiguredLoop configured(row, {.registered_fds = registered_fds});
        Loop& loop = *configured;
        CHECK_EQ(refused.hits(), takes ? 1u : 0u);
        SocketPair pair = make_socket_pair();
        CHECK(!loop.register_fd(pair.near));
        CHECK_EQ(perform_on(loop, op::send(pair.near, "x", 1)).value, 1);
        CHECK_READS(pair.far, "x");
        loop.unregister_fd(pair.near);
        CHECK_EQ(perform_on(loop, op::close(pair.near.release())).value, 0);
    }
}

VARIANT_TEST(loop_registered_no_more_than_the_process_may, loop_configurations) {
    abi::Rlimit limit = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &limit));
    limit.current = 64;
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &limit));
    constexpr u32 fds_maxima[] = {0, 32, 1u << 21};
    for (const u32 fds_max : fds_maxima) {
        ConfiguredLoop configured(row, {.fds_max = fds_max, .registered_fds = ~0u});
        SocketPair pair = make_socket_pair();
        const Registered registered(*configured, pair.near, registers(row));
        CHECK_EQ(perform_on(*configured, op::send(pair.near, "x", 1)).value, 1);
        CHECK_READS(pair.far, "x");
        const u32 room = fds_max == 32 ? 32 : 64;
        if (registers(row)) {
            CHECK_EQ(uring_engine::state_of(*configured).registered_fds, room);
        }
    }
}

REGISTERED_TEST(loop_registered_refused_later) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    CHECK_EQ(loop.register_fd(pair.near), takes);
    submit(loop, receive, op::recv(pair.near, got, 1));
    {
        // The second one empties the place, as the kernel does where it has no memory for a file.
        const u32 calls = calls_made(number::io_uring_register);
        fail_call(number::io_uring_register, Errno::enomem);
        CHECK(!loop.register_fd(pair.near));
        CHECK_EQ(calls_made(number::io_uring_register) - calls, takes ? 2u : 0u);
        clear_faults();
    }
    if (takes) {
        CHECK_EQ(queued_on(loop, pair.near).by_number, 1u);
    }
    write_text(pair.far, "a");
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 1);
    CHECK_EQ(loop.register_fd(pair.near), takes);
    loop.unregister_fd(pair.near);
}

} // namespace
} // namespace oxbow::test
