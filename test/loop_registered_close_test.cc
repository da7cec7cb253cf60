// How long the kernel keeps a registered file: until it is unregistered, or closed by the loop, or
// the loop is closed, and not a moment longer.
#include "loop_registered_help.h"

#include "../syscall/abi_epoll.h"

namespace oxbow::test {
namespace {

/// Whether the other side of `fd` has been closed: that of a socket, or the last writer of a pipe.
[[nodiscard]] bool has_ended(i32 fd) noexcept {
    abi::PollFd poll = {fd, static_cast<u16>(abi::poll_event::in), 0};
    const abi::Timespec none = {};
    CHECK_OK(kernel::ppoll(&poll, 1, &none));
    return (static_cast<u32>(poll.revents) & abi::poll_event::hup) != 0;
}

// ---- The table's own hold -----------------------------------------------------------------------

/// Behind the loop's back the file lives on in the table, which shows that operations go by it, and
/// why nobody should do that.
REGISTERED_TEST(loop_registered_table_keeps_the_file) {
    SocketPair pair = make_socket_pair();
    const i32 fd = pair.near;
    char got[8] = {};
    CHECK_EQ(loop.register_fd(fd), takes);
    pair.near.close();
    CHECK_EQ(has_ended(pair.far), !takes);
    if (takes) {
        write_text(pair.far, "by place");
        CHECK_EQ(perform_on(loop, op::recv_all(fd, got, 8)).value, 8);
        CHECK_BYTES(got, "by place", 8);
        CHECK_EQ(perform_on(loop, op::write(fd, "back", 4)).value, 4);
        CHECK_READS(pair.far, "back");
        CHECK_EQ(perform_on(loop, op::poll(fd, abi::poll_event::out)).value,
                 static_cast<i32>(abi::poll_event::out));
        CHECK(!is_open(fd));
        CHECK(!has_ended(pair.far));
    }
    loop.unregister_fd(fd);
    CHECK(has_ended(pair.far));
    CHECK_ERRNO(perform_on(loop, op::recv(fd, got, 1)).value, Errno::ebadf);
    CHECK(!loop.register_fd(fd));
}

/// What had begun by then has the file still, and is its last user.
REGISTERED_TEST(loop_registered_operations_keep_the_file) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    CHECK_EQ(loop.register_fd(pair.near), takes);
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    run_rounds(loop, 2);
    loop.unregister_fd(pair.near);
    write_text(pair.far, "in time");
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 7);
    CHECK_BYTES(got, "in time", 7);
    pair.near.close();
    CHECK(has_ended(pair.far));
}

// ---- Close --------------------------------------------------------------------------------------

REGISTERED_TEST(loop_registered_close_of_each_kind) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd) {
            continue;
        }
        for (u32 rounds = 0; rounds < 3; rounds += 2) {
            Pending pending(loop, kind);
            Logged close;
            const i32 fd = pending.fd();
            CHECK_EQ(loop.register_fd(fd), takes);
            pending.submit();
            run_rounds(loop, rounds);
            submit(loop, close, op::close(fd));
            CHECK(!loop.register_fd(fd)); // it would stay open in the table
            pending.forget_fd();
            CHECK_OK(loop.run()); // nothing else is left
            CHECK_EQ(pending.logged.count, 1u);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
            CHECK_EQ(close.count, 1u);
            CHECK_EQ(close.last.value, 0);
            CHECK_LT(pending.logged.sequence, close.sequence);
            CHECK(!is_open(fd));
            CHECK(!loop.register_fd(fd));
            pending.poison();
            run_rounds(loop, 2);
            pending.check_untouched();
        }
    }
}

/// Though something else that was registered waits, and has waited from before.
REGISTERED_TEST(loop_registered_close_shows_the_peer_the_end) {
    SocketPair quiet = make_socket_pair();
    const Registered registered(loop, quiet.near, takes);
    char got[8] = {};
    Logged waiting;
    submit_waiting(loop, waiting, op::recv(quiet.near, got, sizeof(got)));
    for (u32 rounds = 0; rounds < 4; ++rounds) {
        SocketPair pair = rounds == 1 ? make_tcp_pair() : make_socket_pair();
        if (rounds == 2) {
            Pipe pipe = make_pipe();
            pair.near = static_cast<Fd&&>(pipe.writer);
            pair.far = static_cast<Fd&&>(pipe.reader);
        }
        const i32 fd = pair.near.release();
        CHECK_EQ(loop.register_fd(fd), takes);
        CHECK_EQ(perform_on(loop, op::write(fd, "farewell", 8)).value, 8);
        if (rounds == 3) {
            Logged receive;
            submit_waiting(loop, receive, op::recv(fd, got, sizeof(got)));
            CHECK_EQ(perform_on(loop, op::close(fd)).value, 0);
            CHECK_ERRNO(receive.last.value, Errno::ecanceled);
        } else {
            CHECK_EQ(perform_on(loop, op::close(fd)).value, 0);
        }
        CHECK_READS(pair.far, "farewell");
        char byte = 0;
        CHECK_EQ(kernel::read(pair.far, &byte, 1), 0);
    }
    end_all(loop);
    CHECK_ERRNO(waiting.last.value, Errno::ecanceled);
}

/// It is elsewhere too: only the table's hold and this number's are given up.
REGISTERED_TEST(loop_registered_close_of_one_of_two_numbers) {
    SocketPair pair = make_socket_pair();
    const Fd elsewhere(CHECK_OK(kernel::dup(pair.near)));
    const Registered registered(loop, elsewhere, takes);
    CHECK_EQ(loop.register_fd(pair.near), takes);
    CHECK_EQ(perform_on(loop, op::close(pair.near.release())).value, 0);
    CHECK_EQ(perform_on(loop, op::send(elsewhere, "alive", 5)).value, 5);
    CHECK_READS(pair.far, "alive");
    CHECK(!has_ended(pair.far));
}

REGISTERED_TEST(loop_registered_number_is_used_anew) {
    for (u32 i = 0; i < 8; ++i) {
        SocketPair old = make_socket_pair();
        const Fd old_elsewhere(CHECK_OK(kernel::dup(old.near)));
        const i32 fd = old.near.release();
        char got[8] = {};
        CHECK_EQ(loop.register_fd(fd), takes);
        CHECK_EQ(perform_on(loop, op::send(fd, "old", 3)).value, 3);
        CHECK_READS(old.far, "old");
        if ((i & 1) == 0) {
            CHECK_EQ(perform_on(loop, op::close(fd)).value, 0);
        } else {
            loop.unregister_fd(fd);
            CHECK_OK(kernel::close(fd));
        }
        SocketPair fresh = make_socket_pair();
        CHECK_EQ(static_cast<i32>(fresh.near), fd);
        if ((i & 2) != 0) {
            CHECK_EQ(loop.register_fd(fd), takes);
        }
        CHECK_EQ(perform_on(loop, op::send(fd, "new", 3)).value, 3);
        CHECK_READS(fresh.far, "new");
        write_text(old.far, "stale");
        write_text(fresh.far, "fresh");
        CHECK_EQ(perform_on(loop, op::recv(fd, got, sizeof(got))).value, 5);
        CHECK_BYTES(got, "fresh", 5);
        if ((i & 4) != 0) {
            CHECK_EQ(perform_on(loop, op::close(fresh.near.release())).value, 0);
            CHECK(has_ended(fresh.far));
        } else {
            loop.unregister_fd(fd);
        }
    }
}

// ---- The end of the loop ------------------------------------------------------------------------

/// At once, though a child has the ring's descriptor and would keep all of it.
VARIANT_TEST(loop_registered_end_of_the_loop, loop_configurations) {
    const bool takes = registers(row);
    for (u32 runs = 0; runs < 2; ++runs) {
        SocketPair pair = make_socket_pair();
        i32 child = -1;
        {
            ConfiguredLoop configured(row, {.registered_fds = registered_fds});
            CHECK_EQ(configured->register_fd(pair.near), takes);
            if (runs != 0) {
                CHECK_EQ(perform_on(*configured, op::send(pair.near, "x", 1)).value, 1);
                CHECK_READS(pair.far, "x");
            }
            pair.near.close();
            CHECK_EQ(has_ended(pair.far), !takes);
            child = fork_child();
            if (child == 0) {
                for (;;) {
                    (void)kernel::ppoll(nullptr, 0, nullptr);
                }
            }
        }
        CHECK(has_ended(pair.far));
        CHECK_OK(kernel::kill(child, abi::signal::kill));
        CHECK_EQ(wait_child(child), -abi::signal::kill);
    }
}

/// A child's own loop has a table of its own.
REGISTERED_TEST(loop_registered_in_a_child) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    const Registered registered(loop, pair.near, takes);
    submit_waiting(loop, receive, op::recv(pair.near, got, sizeof(got)));
    CHECK_EQ(in_child([&]() noexcept {
                 Loop own;
                 CHECK_OK(open_as(own, row, {.registered_fds = registered_fds}));
                 CHECK_EQ(own.register_fd(pair.far), takes);
                 CHECK_EQ(perform_on(own, op::send(pair.far, "child", 5)).value, 5);
                 CHECK_EQ(perform_on(own, op::close(pair.far.release())).value, 0);
                 own.close();
             }),
             0);
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 5);
    CHECK_BYTES(got, "child", 5);
}

} // namespace
} // namespace oxbow::test
