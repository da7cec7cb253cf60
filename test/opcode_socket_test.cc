// The operations that make, connect and end sockets, for real on loopback: socket, bind, listen,
// connect, accept and shutdown in all forms, with their most common errors.
#include "live_ring.h"

namespace oxbow::test {
namespace {

namespace family = abi::socket_family;
namespace type = abi::socket_type;

constexpr prep::SocketKind tcp = {.family = family::inet, .type = type::stream};
constexpr prep::SocketKind udp = {.family = family::inet, .type = type::datagram};

/// What a direct descriptor is, asked with an operation on it.
[[nodiscard]] i32 poll_slot(Ring& ring, u32 slot) noexcept {
    return run_result(ring, [&](Sqe& s) {
        prep::poll_add(s, static_cast<i32>(slot), abi::poll_event::out);
        prep::fixed_file(s);
    });
}

OPERATION_TEST(op_socket) {
    SKIP_WITHOUT("sockets made by a ring");
    const Fd fd(CHECK_OK(run_result(ring, [](Sqe& s) {
        prep::socket(
            s, {.family = family::local, .type = type::seqpacket | type::cloexec | type::nonblock});
    })));
    CHECK_EQ(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    CHECK_NE(kernel::fcntl(fd, abi::fcntl_command::get_status_flags) & abi::open_flag::nonblock, 0);
    i32 kind = 0;
    u32 bytes = sizeof(kind);
    CHECK_OK(
        kernel::getsockopt(fd, abi::socket_level::socket, abi::socket_option::type, &kind, &bytes));
    CHECK_EQ(kind, type::seqpacket);
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::socket(s, {.family = 999, .type = 1}); }),
                Errno::eafnosupport);
    CHECK_ERRNO(run_result(ring,
                           [](Sqe& s) {
                               prep::socket(s, {.family = family::inet,
                                                .type = type::stream,
                                                .protocol = abi::socket_protocol::udp});
                           }),
                Errno::eprotonosupport);
}

OPERATION_TEST(op_socket_direct) {
    SKIP_WITHOUT("sockets made by a ring");
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::socket_direct(s, udp, prep::slot(1)); }),
                Errno::enxio); // there is no table
    register_slots(ring, 2);
    const i32 fds = open_fd_count();
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::socket_direct(s, udp, prep::slot(1)); }), 0);
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::socket_direct(s, udp); }), 0); // slot 0 was free
    CHECK_EQ(open_fd_count(), fds);
    CHECK_EQ(poll_slot(ring, 0), static_cast<i32>(abi::poll_event::out));
    CHECK_EQ(poll_slot(ring, 1), static_cast<i32>(abi::poll_event::out));
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::socket_direct(s, udp); }), Errno::enfile);
    prep::SocketKind with_cloexec = udp;
    with_cloexec.type |= type::cloexec;
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::socket_direct(s, with_cloexec); }),
                Errno::einval);
}

OPERATION_TEST(op_bind_listen) {
    SKIP_WITHOUT("bind and listen in a ring");
    const BoundSocket other = make_listener();
    const Fd fd = make_tcp_socket();
    abi::SocketAddressIn address = loopback(0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::bind(s, fd, &address, sizeof(address)); }), 0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::listen(s, fd, 4); }), 0);
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(fd, &address, &bytes));
    CHECK_NE(address.port, 0);
    const Fd client = make_tcp_socket();
    CHECK_OK(connect_blocking(client, &address, sizeof(address)));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::bind(s, fd, &address, sizeof(address)); }),
                Errno::einval); // bound already
    const Fd late = make_tcp_socket();
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::bind(s, late, &other.address, sizeof(other.address)); }),
        Errno::eaddrinuse);
    const BoundSocket datagrams = make_bound_socket(type::datagram);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::listen(s, datagrams.fd, 4); }),
                Errno::eopnotsupp);
}

OPERATION_TEST(op_connect) {
    BoundSocket listener = make_listener();
    const abi::SocketAddressIn address = listener.address;
    const Fd fd = make_tcp_socket();
    const auto connect = [&](i32 to) noexcept {
        return run_result(ring, [&](Sqe& s) { prep::connect(s, to, &address, sizeof(address)); });
    };
    CHECK_EQ(connect(fd), 0);
    const Fd accepted(CHECK_OK(kernel::accept4(listener.fd, nullptr, nullptr, 0)));
    write_text(fd, "connected");
    CHECK_READS(accepted, "connected");
    const i32 again = connect(fd);
    SKIP_IF_MISSING(again != 0, "second connects that are refused");
    CHECK_ERRNO(again, Errno::eisconn);
    CHECK_ERRNO(connect(9999), Errno::ebadf);
    // Nobody else gets this port while a socket that does not listen is bound to it.
    const BoundSocket silent = make_bound_socket(type::stream);
    const Fd refused = make_tcp_socket();
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::connect(s, refused, &silent.address, sizeof(silent.address));
                           }),
                Errno::econnrefused);
}

/// Connects a new socket to the listener.
[[nodiscard]] Fd connect_to(const BoundSocket& listener) noexcept {
    Fd fd = make_tcp_socket();
    CHECK_OK(connect_blocking(fd, &listener.address, sizeof(listener.address)));
    return fd;
}

OPERATION_TEST(op_accept) {
    const BoundSocket listener = make_listener();
    abi::SocketAddressStorage peer = {};
    u32 bytes = sizeof(peer);
    queue(ring, 1, [&](Sqe& s) {
        prep::accept(s, listener.fd,
                     {.address = &peer,
                      .address_bytes = &bytes,
                      .flags = abi::accept4_flag::cloexec | abi::accept4_flag::nonblock});
    });
    submit_all(ring, 1);
    CHECK(is_quiet(ring)); // it waits for a connection
    const Fd client = connect_to(listener);
    const Fd fd(CHECK_OK(next_of(ring, 1).result));
    abi::SocketAddressIn own = {};
    u32 own_bytes = sizeof(own);
    CHECK_OK(kernel::getsockname(client, &own, &own_bytes));
    CHECK_EQ(bytes, sizeof(own));
    CHECK_EQ(peer.in.port, own.port);
    CHECK_EQ(peer.in.address, abi::ipv4_loopback);
    CHECK_EQ(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    CHECK_NE(kernel::fcntl(fd, abi::fcntl_command::get_status_flags) & abi::open_flag::nonblock, 0);
    write_text(client, "accepted");
    CHECK_READS(fd, "accepted");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::accept(s, client); }), Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::accept(s, listener.fd, {.flags = 1}); }),
                Errno::einval);
}

OPERATION_TEST(op_accept_at_once_or_after_a_poll) {
    SKIP_WITHOUT("accept without waiting");
    const BoundSocket listener = make_listener();
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::accept(s, listener.fd, {.dont_wait = true}); }),
        Errno::eagain);
    const Fd one = connect_to(listener);
    const Fd accepted(CHECK_OK(
        run_result(ring, [&](Sqe& s) { prep::accept(s, listener.fd, {.dont_wait = true}); })));
    queue(ring, 1, [&](Sqe& s) { prep::accept(s, listener.fd, {.poll_first = true}); });
    submit_all(ring, 1);
    const Fd two = connect_to(listener);
    const Fd second(CHECK_OK(next_of(ring, 1).result));
}

OPERATION_TEST(op_accept_direct) {
    SKIP_WITHOUT("slots that the kernel chooses");
    const BoundSocket listener = make_listener();
    register_slots(ring, 2);
    const Fd clients[3] = {connect_to(listener), connect_to(listener), connect_to(listener)};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::accept_direct(s, listener.fd, prep::slot(1)); }),
             0);
    const i32 fds = open_fd_count();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::accept_direct(s, listener.fd, prep::allocate); }),
             0); // slot 0 was free
    CHECK_EQ(open_fd_count(), fds);
    constexpr i32 slots[] = {1, 0};
    for (const i32 slot : slots) {
        const Fd& client = clients[1 - slot];
        write_text(client, "to a slot");
        char got[16] = {};
        CHECK_EQ(run_result(ring,
                            [&](Sqe& s) {
                                prep::recv(s, slot, got, sizeof(got));
                                prep::fixed_file(s);
                            }),
                 9);
        CHECK_STREQ(got, "to a slot");
    }
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::accept_direct(s, listener.fd, prep::allocate); }),
        Errno::enfile);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::accept_direct(s, listener.fd, prep::slot(0),
                                                   {.flags = abi::accept4_flag::cloexec});
                           }),
                Errno::einval);
}

OPERATION_TEST(op_accept_multishot) {
    SKIP_WITHOUT("multishot accept");
    const BoundSocket listener = make_listener();
    queue(ring, 1, [&](Sqe& s) {
        prep::accept_multishot(s, listener.fd, {.flags = abi::accept4_flag::cloexec});
    });
    submit_all(ring, 1);
    for (u32 i = 0; i < 4; ++i) {
        const Fd client = connect_to(listener);
        const Cqe cqe = next_of(ring, 1);
        CHECK(cqe.more());
        const Fd fd(CHECK_OK(cqe.result));
        write_text(client, "again");
        CHECK_READS(fd, "again");
    }
    queue(ring, 2, [](Sqe& s) { prep::async_cancel(s, 1); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        CHECK(!cqe.more());
        CHECK_EQ(cqe.result, cqe.user_data == 2 ? 0 : -Errno::ecanceled);
    }
}

OPERATION_TEST(op_accept_multishot_direct) {
    SKIP_WITHOUT("multishot accept");
    const BoundSocket listener = make_listener();
    register_slots(ring, 2);
    queue(ring, 1, [&](Sqe& s) { prep::accept_multishot_direct(s, listener.fd); });
    submit_all(ring, 1);
    bool seen[2] = {};
    for (u32 i = 0; i < 2; ++i) {
        const Fd client = connect_to(listener);
        const Cqe cqe = next_of(ring, 1);
        CHECK(cqe.more());
        CHECK_LT(static_cast<u32>(CHECK_OK(cqe.result)), 2u);
        CHECK(!seen[cqe.result]);
        seen[cqe.result] = true;
    }
    const Fd client = connect_to(listener);
    const Cqe last = next_of(ring, 1);
    CHECK_ERRNO(last.result, Errno::enfile);
    CHECK(!last.more());
}

OPERATION_TEST(op_shutdown) {
    const SocketPair pair = make_socket_pair();
    char got[4];
    queue(ring, 1, [&](Sqe& s) { prep::recv(s, pair.far, got, 4); });
    submit_all(ring, 1);
    queue(ring, 0, [&](Sqe& s) { prep::shutdown(s, pair.near, abi::shutdown_how::write); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_EQ(cqes[0].result, 0);
    CHECK_EQ(cqes[1].result, 0); // the end of the stream
    write_text(pair.far, "back");
    CHECK_READS(pair.near, "back"); // the other direction is open still
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::shutdown(s, pair.near, 7); }), Errno::einval);
    const Fd lonely = make_tcp_socket();
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::shutdown(s, lonely, abi::shutdown_how::both); }),
        Errno::enotconn);
    const Fd file = make_file();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::shutdown(s, file, 2); }), Errno::enotsock);
}

/// What an IPv6 or a local address loses on its way would show here.
OPERATION_TEST(op_connect_accept_local_address) {
    const Fd listener(CHECK_OK(kernel::socket(family::local, type::stream | type::cloexec, 0)));
    abi::SocketAddressUn address = {};
    address.family = static_cast<u16>(family::local);
    temp_path(address.path);
    if (kernel_at_least(6, 11)) {
        CHECK_EQ(
            run_result(ring, [&](Sqe& s) { prep::bind(s, listener, &address, sizeof(address)); }),
            0);
        CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::listen(s, listener, 4); }), 0);
    } else {
        CHECK_OK(kernel::bind(listener, &address, sizeof(address)));
        CHECK_OK(kernel::listen(listener, 4));
    }
    const Fd client(CHECK_OK(kernel::socket(family::local, type::stream | type::cloexec, 0)));
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::connect(s, client, &address, sizeof(address)); }),
             0);
    const Fd accepted(CHECK_OK(run_result(ring, [&](Sqe& s) { prep::accept(s, listener); })));
    write_text(client, "local");
    CHECK_READS(accepted, "local");
}

OPERATION_TEST(op_tcp_from_socket_to_close) {
    SKIP_WITHOUT("sockets made by a ring");
    const BoundSocket listener = make_listener();
    const Fd fd(CHECK_OK(run_result(ring, [](Sqe& s) { prep::socket(s, tcp); })));
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::connect(s, fd, &listener.address, sizeof(listener.address));
                        }),
             0);
    const i32 accepted = CHECK_OK(run_result(ring, [&](Sqe& s) { prep::accept(s, listener.fd); }));
    char got[8] = {};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::send(s, fd, "eight by", 8); }), 8);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::recv(s, accepted, got, 8); }), 8);
    CHECK_BYTES(got, "eight by", 8);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::close(s, accepted); }), 0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::recv(s, fd, got, 8); }), 0);
}

} // namespace
} // namespace oxbow::test
