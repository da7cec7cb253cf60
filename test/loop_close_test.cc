// The contract's line 5: close ends what is in flight on its descriptor, waits until all of it has
// ended, and then closes, with one callback; and nothing of what was before reaches a number or a
// completion that is used anew.
#include "loop_pending.h"

namespace oxbow::test {
namespace {

constexpr u64 hour_ns = 3'600'000 * ms;

LOOP_TEST(loop_close_of_each_kind) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd) {
            continue;
        }
        for (u32 rounds = 0; rounds < 3; rounds += 2) {
            Pending pending(loop, kind);
            Logged close;
            const i32 fd = pending.fd();
            pending.submit();
            run_rounds(loop, rounds);
            submit(loop, close, op::close(fd));
            pending.forget_fd();
            CHECK_OK(loop.run()); // nothing else is left
            CHECK_EQ(pending.logged.count, 1u);
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
            CHECK_EQ(close.count, 1u);
            CHECK_EQ(close.last.value, 0);
            CHECK_LT(pending.logged.sequence, close.sequence);
            CHECK(!is_open(fd));
            pending.poison();
            run_rounds(loop, 2);
            pending.check_untouched();
        }
    }
}

LOOP_TEST(loop_close_of_nothing_in_flight) {
    SocketPair pair = make_socket_pair();
    const i32 fd = pair.near.release();
    CHECK_EQ(perform_on(loop, op::close(fd)).value, 0);
    CHECK(!is_open(fd));
    char byte = 0;
    CHECK_EQ(kernel::recv(pair.far, &byte, 1, abi::msg_flag::dontwait), 0);
}

LOOP_TEST(loop_close_of_no_descriptor) {
    CHECK_ERRNO(perform_on(loop, op::close(-1)).value, Errno::ebadf);
    SocketPair pair = make_socket_pair();
    const i32 fd = pair.near;
    pair.near.close();
    CHECK_ERRNO(perform_on(loop, op::close(fd)).value, Errno::ebadf);
}

LOOP_TEST(loop_close_twice) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    Logged first;
    Logged second;
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    run_rounds(loop, 2);
    submit(loop, first, op::close(pair.near));
    submit(loop, second, op::close(pair.near));
    (void)pair.near.release();
    CHECK_OK(loop.run());
    CHECK_EQ(first.last.value, 0);
    CHECK_ERRNO(second.last.value, Errno::ebadf);
    CHECK_EQ(receive.count, 1u);
}

LOOP_TEST(loop_close_shows_the_peer_the_end) {
    // The one thing that an operation left in the kernel would hide for ever.
    for (u32 tcp = 0; tcp < 2; ++tcp) {
        SocketPair pair = tcp != 0 ? make_tcp_pair() : make_socket_pair();
        char got[8] = {};
        Logged receives[3];
        Logged poll;
        Logged close;
        for (Logged& receive : receives) {
            submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
        }
        submit(loop, poll, op::poll(pair.near, abi::poll_event::in));
        run_rounds(loop, 2);
        submit(loop, close, op::close(pair.near.release()));
        char peer[8] = {};
        Logged end;
        submit(loop, end, op::recv(pair.far, peer, sizeof(peer)));
        run_until_ended(loop, end);
        CHECK_EQ(end.last.value, 0);
        CHECK(end.last.eof());
        run_until_ended(loop, close);
        CHECK_EQ(close.last.value, 0);
        for (const Logged& receive : receives) {
            CHECK_ERRNO(receive.last.value, Errno::ecanceled);
        }
    }
}

LOOP_TEST(loop_close_after_a_send_loses_nothing) {
    SocketPair pair = make_tcp_pair();
    Logged send;
    Logged close;
    submit(loop, send, op::send_all(pair.near, "farewell", 8));
    run_until_ended(loop, send);
    submit(loop, close, op::close(pair.near.release()));
    run_until_ended(loop, close);
    CHECK_READS(pair.far, "farewell");
    char byte = 0;
    CHECK_EQ(kernel::recv(pair.far, &byte, 1, 0), 0);
}

LOOP_TEST(loop_close_in_flight_takes_no_more) {
    SocketPair pair = make_socket_pair();
    const i32 fd = pair.near.release();
    char got[8] = {};
    Logged receive;
    Logged close;
    Logged late;
    submit(loop, receive, op::recv(fd, got, sizeof(got)));
    run_rounds(loop, 2);
    submit(loop, close, op::close(fd));
    submit(loop, late, op::recv(fd, got, sizeof(got)));
    CHECK_OK(loop.run());
    CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    CHECK(late.last.is(Errno::ebadf) || late.last.is(Errno::ecanceled));
    CHECK_EQ(late.count, 1u);
    CHECK_EQ(close.last.value, 0);
}

LOOP_TEST(loop_close_tells_what_had_come_before) {
    SocketPair pair = make_socket_pair();
    char got[8] = {};
    Logged receive;
    Logged close;
    submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
    run_rounds(loop, 2);
    write_text(pair.far, "before");
    run_until_ready(loop, receive);
    submit(loop, close, op::close(pair.near.release()));
    CHECK_OK(loop.run());
    CHECK_EQ(receive.last.value, 6);
    CHECK_BYTES(got, "before", 6);
    CHECK_EQ(close.last.value, 0);
}

// ---- Wherever operations wait -------------------------------------------------------------------

LOOP_TEST(loop_close_finds_what_waits_elsewhere) {
    SocketPair pair = make_socket_pair();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 16}));
    char got[8] = {};
    Logged holder;
    Logged hungry;
    Logged timer;
    Logged chained;
    Logged close;
    write_text(pair.far, "first");
    submit(loop, holder, op::recv(pair.near, pool));
    run_until_ended(loop, holder);
    write_text(pair.far, "second");
    submit(loop, hungry, op::recv(pair.near, pool)); // waits for a buffer
    submit(loop, timer, op::timer(hour_ns));
    loop.then(timer.completion, chained.completion, op::recv(pair.near, got, sizeof(got)),
              chained.handler());
    run_rounds(loop, 3);
    CHECK_EQ(hungry.count, 0u);
    submit(loop, close, op::close(pair.near.release()));
    run_until_ended(loop, close);
    CHECK_EQ(close.last.value, 0);
    CHECK_ERRNO(hungry.last.value, Errno::ecanceled);
    CHECK_ERRNO(chained.last.value, Errno::ecanceled);
    CHECK_LT(hungry.sequence, close.sequence);
    CHECK_EQ(timer.count, 0u);
    CHECK_EQ(pool.held(), 1u);
    pool.give_back(holder.last);
    end_all(loop);
    pool.close();
    end_all(loop);
}

LOOP_TEST(loop_close_of_a_crowd) {
    // In rings of few entries some of them still wait for room.
    constexpr u32 count = 300;
    static Logged polls[count];
    Pipe pipe = make_pipe();
    Logged close;
    for (Logged& poll : polls) {
        submit(loop, poll, op::poll(pipe.reader, abi::poll_event::in));
    }
    submit(loop, close, op::close(pipe.reader.release()));
    CHECK_OK(loop.run());
    for (const Logged& poll : polls) {
        CHECK_EQ(poll.count, 1u);
        CHECK_ERRNO(poll.last.value, Errno::ecanceled);
        CHECK_LT(poll.sequence, close.sequence);
    }
    CHECK_EQ(close.last.value, 0);
}

// ---- Multishot ----------------------------------------------------------------------------------

/// Closes its own descriptor from its first callback.
struct SelfClosing {
    Logged close;
    Result first = {};
    Result last = {};
    u32 count = 0;

    void ended(Loop& loop, Completion& completion, Result result) noexcept {
        if (count++ == 0) {
            first = result;
            submit(loop, close, op::close(completion.fd));
        }
        last = result;
    }
};

LOOP_TEST(loop_close_in_the_callback_of_a_multishot) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.on_fd || !kind.is_multishot) {
            continue;
        }
        Pending pending(loop, kind);
        SelfClosing self;
        const i32 fd = pending.fd();
        loop.submit(pending.logged.completion, pending.operation(), on<&SelfClosing::ended>(self));
        run_rounds(loop, 2);
        pending.provoke();
        CHECK_OK(loop.run());
        pending.forget_fd();
        pending.check_came(self.first);
        CHECK_EQ(self.count, 2u);
        CHECK_ERRNO(self.last.value, Errno::ecanceled);
        CHECK_EQ(self.close.last.value, 0);
        CHECK(!is_open(fd));
    }
}

LOOP_TEST(loop_close_of_a_listener_loses_no_connection) {
    // Connections that come while it is being closed are either told or refused.
    constexpr i32 yes = 1;
    BoundSocket listener = make_listener();
    CHECK_OK(kernel::setsockopt(listener.fd, abi::socket_level::socket,
                                abi::socket_option::reuse_address, &yes, sizeof(yes)));
    Fd clients[8];
    Logged accept;
    Logged close;
    submit(loop, accept, op::accept_multishot(listener.fd));
    run_rounds(loop, 2);
    for (u32 i = 0; i < 8; ++i) {
        clients[i] = make_tcp_socket();
        const i32 connected =
            connect_blocking(clients[i], &listener.address, sizeof(listener.address));
        CHECK(connected == 0 || (i > 4 && connected == -Errno::econnrefused));
        if (i == 4) {
            submit(loop, close, op::close(listener.fd));
        }
    }
    (void)listener.fd.release();
    CHECK_OK(loop.run());
    CHECK(accept.ended());
    CHECK_ERRNO(accept.last.value, Errno::ecanceled);
    CHECK_EQ(close.last.value, 0);
    for (u32 i = 0; i + 1 < accept.count; ++i) {
        CHECK_OK(kernel::close(CHECK_OK(accept.log[i].value))); // else the test leaks them
    }
    // The port is free at once.
    const Fd again = make_tcp_socket();
    CHECK_OK(kernel::setsockopt(again, abi::socket_level::socket, abi::socket_option::reuse_address,
                                &yes, sizeof(yes)));
    CHECK_OK(kernel::bind(again, &listener.address, sizeof(listener.address)));
    CHECK_OK(kernel::listen(again, 1));
}

// ---- Used anew ----------------------------------------------------------------------------------

/// When its descriptor is closed, opens another pair, which gets the same number, and receives.
struct Reopening {
    i32 fd = -1;
    Fd near;
    Fd far;
    char got[8] = {};
    Logged receive;
    Logged poll;

    void closed(Loop& loop, Result result) noexcept {
        CHECK_EQ(result.value, 0);
        SocketPair pair = make_socket_pair();
        near = static_cast<Fd&&>(pair.near);
        far = static_cast<Fd&&>(pair.far);
        CHECK_EQ(static_cast<i32>(near), fd);
        submit(loop, receive, op::recv(near, got, sizeof(got)));
        submit(loop, poll, op::poll(near, abi::poll_event::in));
    }
};

LOOP_TEST(loop_close_and_the_number_is_used_anew) {
    for (u32 i = 0; i < 20; ++i) {
        SocketPair old = make_socket_pair();
        char got[8] = {};
        Logged receive;
        Logged poll;
        Completion close;
        Reopening anew;
        anew.fd = old.near;
        submit(loop, receive, op::recv(old.near, got, sizeof(got)));
        submit(loop, poll, op::poll_multishot(old.near, abi::poll_event::in));
        run_rounds(loop, i & 3);
        loop.submit(close, op::close(old.near.release()), on<&Reopening::closed>(anew));
        if ((i & 4) != 0) {
            // An event for the old one, in the same moment. It may be closed already.
            (void)kernel::send(old.far, "stale", 5, abi::msg_flag::nosignal);
        }
        run_until(loop, [&]() noexcept { return anew.near >= 0; });
        if (!receive.last.is(Errno::ecanceled)) {
            CHECK_EQ(receive.last.value, 5);
        }
        old.far.close();
        run_rounds(loop, 4);
        CHECK_EQ(anew.receive.count + anew.poll.count, 0u);
        write_text(anew.far, "fresh");
        run_until_ended(loop, anew.receive);
        CHECK_EQ(anew.receive.last.value, 5);
        CHECK_BYTES(anew.got, "fresh", 5);
        write_text(anew.far, "more");
        run_until(loop, [&]() noexcept { return anew.poll.count != 0; });
    }
}

LOOP_TEST(loop_close_of_what_is_open_elsewhere_too) {
    // The file lives on, so its events go on; but not to whoever has the number now.
    SocketPair old = make_socket_pair();
    const Fd elsewhere(CHECK_OK(kernel::dup(old.near)));
    char got[8] = {};
    Logged receive;
    Completion close;
    Reopening anew;
    anew.fd = old.near;
    submit(loop, receive, op::recv(old.near, got, sizeof(got)));
    run_rounds(loop, 2);
    loop.submit(close, op::close(old.near.release()), on<&Reopening::closed>(anew));
    run_until(loop, [&]() noexcept { return anew.near >= 0; });
    CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    run_rounds(loop, 2);
    write_text(old.far, "stale");
    run_rounds(loop, 3);
    CHECK_EQ(anew.receive.count + anew.poll.count, 0u);
    CHECK_READS(elsewhere, "stale");
    write_text(anew.far, "fresh");
    run_until_ended(loop, anew.receive);
    CHECK_BYTES(anew.got, "fresh", 5);
    write_text(anew.far, "more");
    run_until(loop, [&]() noexcept { return anew.poll.count != 0; });
}

LOOP_TEST(loop_close_behind_its_back) {
    // Between two operations a descriptor may be closed by other means, and its number be another
    // file's, while the old file lives on.
    for (u32 i = 0; i < 2; ++i) {
        SocketPair old = make_socket_pair();
        const Fd elsewhere(CHECK_OK(kernel::dup(old.near)));
        const i32 number = old.near;
        char got[8] = {};
        Logged receive;
        submit(loop, receive, op::recv(old.near, got, sizeof(got)));
        run_rounds(loop, 2);
        write_text(old.far, "before");
        run_until_ended(loop, receive);
        old.near.close();
        SocketPair pair = make_socket_pair();
        CHECK_EQ(static_cast<i32>(pair.near), number);
        Logged poll;
        submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
        submit(loop, poll, op::poll(pair.near, abi::poll_event::in));
        run_rounds(loop, i == 0 ? 2 : 0);
        write_text(old.far, "stale");
        run_rounds(loop, 3);
        CHECK_EQ(receive.count, 1u);
        CHECK_EQ(poll.count, 0u);
        write_text(pair.far, "fresh");
        run_until(loop, [&]() noexcept { return receive.count == 2; });
        CHECK_EQ(receive.last.value, 5);
        CHECK_BYTES(got, "fresh", 5);
        write_text(pair.far, "more"); // the other one may have taken all before it was seen
        run_until_ended(loop, poll);
        CHECK_EQ(poll.last.value, static_cast<i32>(abi::poll_event::in));
        CHECK_READS(elsewhere, "stale");
    }
}

/// Where its operation is cancelled, begins another one elsewhere with the same completion.
struct Moving {
    i32 next_fd = -1;
    char got[8] = {};
    Result last = {};
    u32 count = 0;

    void ended(Loop& loop, Completion& completion, Result result) noexcept {
        ++count;
        last = result;
        if (result.is(Errno::ecanceled)) {
            loop.submit(completion, op::recv(next_fd, got, sizeof(got)), on<&Moving::ended>(*this));
        }
    }
};

LOOP_TEST(loop_close_and_the_completion_is_used_anew) {
    for (u32 i = 0; i < 20; ++i) {
        SocketPair old = make_socket_pair();
        SocketPair other = make_socket_pair();
        Moving moving;
        moving.next_fd = other.near;
        Completion completion;
        Logged close;
        loop.submit(completion, op::recv(old.near, moving.got, sizeof(moving.got)),
                    on<&Moving::ended>(moving));
        run_rounds(loop, i & 3);
        submit(loop, close, op::close(old.near.release()));
        run_until_ended(loop, close);
        old.far.close();
        run_rounds(loop, 3);
        CHECK_EQ(moving.count, 1u);
        write_text(other.far, "moved");
        run_until(loop, [&]() noexcept { return moving.count == 2; });
        CHECK_EQ(moving.last.value, 5);
        CHECK_BYTES(moving.got, "moved", 5);
    }
}

LOOP_TEST(loop_close_while_the_loop_drains) {
    SocketPair pair = make_socket_pair();
    const i32 fd = pair.near.release();
    char got[8] = {};
    Logged receive;
    Logged close;
    submit(loop, receive, op::recv(fd, got, sizeof(got)));
    run_rounds(loop, 1);
    submit(loop, close, op::close(fd));
    CHECK_EQ(loop.drain(now_ns() + patience_ns), 0u);
    CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    CHECK_EQ(close.count, 1u);
    CHECK_EQ(close.last.value, 0);
    CHECK(!is_open(fd));
}

} // namespace
} // namespace oxbow::test
