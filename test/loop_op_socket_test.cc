// The loop's operations that make, connect and end sockets, on every engine alike: IPv4, IPv6 and
// AF_UNIX, and datagrams of all of them.
#include "loop_op_address.h"

#include "../syscall/abi_epoll.h"

namespace oxbow::test {
namespace {

namespace family = abi::socket_family;
namespace type = abi::socket_type;

void close_by(Loop& loop, Fd& fd) noexcept {
    CHECK_EQ(perform_on(loop, op::close(fd.release())).value, 0);
}

// ---- A connection from first to last
// --------------------------------------------------------------

void live_connection(Loop& loop, i32 of_family) noexcept {
    Fd listener = socket_of(loop, of_family, type::stream);
    const Address at = bind_somewhere(loop, listener, of_family);
    CHECK_EQ(perform_on(loop, op::listen(listener, 8)).value, 0);

    Fd client = socket_of(loop, of_family, type::stream);
    const Address mine = bind_somewhere(loop, client, of_family);
    Address peer;
    u32 peer_bytes = 0;
    Logged accepted;
    submit_waiting(loop, accepted,
                   op::accept(listener, {&peer.storage, sizeof(peer.storage), &peer_bytes}));
    CHECK_EQ(perform_on(loop, op::connect(client, &at.storage, at.bytes)).value, 0);
    run_until_ended(loop, accepted);
    Fd server(CHECK_OK(accepted.last.value));
    CHECK_EQ(accepted.last.fd(), server);
    CHECK(is_cloexec(server));
    peer.bytes = peer_bytes;
    check_same_address(peer, mine);

    char got[8] = {};
    CHECK_EQ(perform_on(loop, op::send(client, "ping", 4)).value, 4);
    CHECK_EQ(perform_on(loop, op::recv(server, got, sizeof(got))).value, 4);
    CHECK_BYTES(got, "ping", 4);
    CHECK_EQ(perform_on(loop, op::shutdown(client, abi::shutdown_how::write)).value, 0);
    const Result end = perform_on(loop, op::recv(server, got, sizeof(got)));
    CHECK_EQ(end.value, 0);
    CHECK(end.eof());
    CHECK_EQ(perform_on(loop, op::send(server, "pong!", 5)).value, 5);
    CHECK_EQ(perform_on(loop, op::recv(client, got, sizeof(got))).value, 5);
    close_by(loop, server);
    CHECK(perform_on(loop, op::recv(client, got, sizeof(got))).eof());
    close_by(loop, client);
    close_by(loop, listener);
}

LOOP_TEST(loop_op_connection_ipv4) {
    (void)make_listener(); // brings the loopback interface up
    live_connection(loop, family::inet);
}

LOOP_TEST(loop_op_connection_ipv6) {
    if (!has_ipv6()) {
        SKIP("no IPv6 in this kernel");
    }
    (void)make_listener();
    live_connection(loop, family::inet6);
}

LOOP_TEST(loop_op_connection_unix) {
    live_connection(loop, family::local);
}

LOOP_TEST(loop_op_connection_unix_path) {
    char path[256];
    const Address at = path_address(temp_path(path));
    Fd listener = socket_of(loop, family::local, type::stream);
    CHECK_EQ(perform_on(loop, op::bind(listener, &at.storage, at.bytes)).value, 0);
    CHECK_EQ(perform_on(loop, op::listen(listener, 1)).value, 0);
    Fd client = socket_of(loop, family::local, type::stream);
    CHECK_EQ(perform_on(loop, op::connect(client, &at.storage, at.bytes)).value, 0);
    // A peer without a name: only the family is written.
    Address peer;
    u32 bytes = 0;
    Fd server(
        perform_on(loop, op::accept(listener, {&peer.storage, sizeof(peer.storage), &bytes})).fd());
    CHECK_GE(server, 0);
    CHECK_EQ(bytes, sizeof(u16));
    CHECK_EQ(peer.storage.family, family::local);
}

// ---- socket, bind, listen, shutdown
// ----------------------------------------------------------------

LOOP_TEST(loop_op_socket_is_fit_for_the_engine) {
    const Fd fd = socket_of(loop, family::local, type::datagram);
    CHECK(is_cloexec(fd));
    check_mode(fd, row.is_epoll() ? abi::open_flag::nonblock : 0);
    i32 value = 0;
    u32 bytes = sizeof(value);
    CHECK_OK(kernel::getsockopt(fd, abi::socket_level::socket, abi::socket_option::type, &value,
                                &bytes));
    CHECK_EQ(value, type::datagram);
}

LOOP_TEST(loop_op_socket_errors) {
    CHECK_ERRNO(perform_on(loop, op::socket(199, type::stream)).value, Errno::eafnosupport);
    CHECK_ERRNO(perform_on(loop, op::socket(family::local, 9)).value, Errno::esocktnosupport);
    CHECK_ERRNO(
        perform_on(loop, op::socket(family::inet, type::stream, abi::socket_protocol::udp)).value,
        Errno::eprotonosupport);
}

LOOP_TEST(loop_op_too_many_descriptors) {
    BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    // No number below the limit is free, whoever asks.
    abi::Rlimit former = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &former));
    const abi::Rlimit few = {1, former.maximum};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &few));
    CHECK_ERRNO(perform_on(loop, op::socket(family::local, type::stream)).value, Errno::emfile);
    CHECK_ERRNO(perform_on(loop, op::accept(listener.fd)).value, Errno::emfile);
    i32 fds[2] = {-7, -7};
    CHECK_ERRNO(perform_on(loop, op::pipe(fds, 0)).value, Errno::emfile);
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &former));
    // Nothing was lost by it.
    const Fd server(perform_on(loop, op::accept(listener.fd)).fd());
    CHECK_GE(server, 0);
    write_text(client, "still there");
    CHECK_READS(server, "still there");
}

LOOP_TEST(loop_op_bind_errors) {
    const BoundSocket taken = make_listener();
    const Fd fd = make_tcp_socket();
    abi::SocketAddressIn address = taken.address;
    CHECK_ERRNO(perform_on(loop, op::bind(fd, &address, sizeof(address))).value, Errno::eaddrinuse);
    address.port = 0;
    address.address = abi::network_order(u32{0xc0000201}); // 192.0.2.1, which nobody has
    CHECK_ERRNO(perform_on(loop, op::bind(fd, &address, sizeof(address))).value,
                Errno::eaddrnotavail);
    CHECK_ERRNO(perform_on(loop, op::bind(fd, &address, 3)).value, Errno::einval);
    address = loopback(0);
    CHECK_ERRNO(perform_on(loop, op::bind(taken.fd, &address, sizeof(address))).value,
                Errno::einval); // it has an address already
    CHECK_ERRNO(perform_on(loop, op::bind(fd, nullptr, sizeof(address))).value, Errno::efault);
}

LOOP_TEST(loop_op_listen_errors) {
    const Fd datagram = socket_of(loop, family::inet, type::datagram);
    CHECK_ERRNO(perform_on(loop, op::listen(datagram, 1)).value, Errno::eopnotsupp);
    const Fd unnamed = socket_of(loop, family::local, type::stream);
    CHECK_ERRNO(perform_on(loop, op::listen(unnamed, 1)).value, Errno::einval);
    // Two may be bound to one port, where both say that they want to share it, but one listens.
    Fd fds[2] = {socket_of(loop, family::inet, type::stream),
                 socket_of(loop, family::inet, type::stream)};
    abi::SocketAddressIn address = loopback(0);
    for (const Fd& fd : fds) {
        const i32 one = 1;
        CHECK_OK(kernel::setsockopt(fd, abi::socket_level::socket,
                                    abi::socket_option::reuse_address, &one, sizeof(one)));
        CHECK_EQ(perform_on(loop, op::bind(fd, &address, sizeof(address))).value, 0);
        address = name_of_socket(fd).storage.in;
    }
    CHECK_EQ(perform_on(loop, op::listen(fds[0], 1)).value, 0);
    CHECK_ERRNO(perform_on(loop, op::listen(fds[1], 1)).value, Errno::eaddrinuse);
}

LOOP_TEST(loop_op_shutdown_ways) {
    SocketPair pair = make_tcp_pair();
    char byte = 0;
    CHECK_EQ(perform_on(loop, op::shutdown(pair.near, abi::shutdown_how::read)).value, 0);
    CHECK(perform_on(loop, op::recv(pair.near, &byte, 1)).eof());
    CHECK_EQ(perform_on(loop, op::send(pair.near, "x", 1)).value, 1);
    CHECK_EQ(perform_on(loop, op::shutdown(pair.near, abi::shutdown_how::both)).value, 0);
    CHECK_ERRNO(perform_on(loop, op::send(pair.near, "x", 1)).value, Errno::epipe);
    const Fd alone = make_tcp_socket();
    CHECK_ERRNO(perform_on(loop, op::shutdown(alone, abi::shutdown_how::both)).value,
                Errno::enotconn);
    CHECK_ERRNO(perform_on(loop, op::shutdown(pair.far, 77)).value, Errno::einval);
}

/// What waits on a socket that is shut down ends.
LOOP_TEST(loop_op_shutdown_ends_a_receive) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        char byte = 0;
        Logged received;
        submit_waiting(loop, received, op::recv(pair.near, &byte, 1));
        CHECK_EQ(perform_on(loop, op::shutdown(pair.near, abi::shutdown_how::both)).value, 0);
        run_until_ended(loop, received);
        CHECK_EQ(received.last.value, 0);
        CHECK(received.last.eof());
    }
}

// ---- Not a socket, no descriptor
// -------------------------------------------------------------------

LOOP_TEST(loop_op_socket_operations_on_a_file) {
    const Fd file = make_file();
    const abi::SocketAddressIn address = loopback(1);
    char byte = 0;
    abi::IoVec piece = {&byte, 1};
    abi::MessageHeader message = {}; // with a piece: qemu takes one without for done
    message.vectors = &piece;
    message.vector_count = 1;
    const Operation operations[] = {
        op::bind(file, &address, sizeof(address)),
        op::listen(file, 1),
        op::shutdown(file, 0),
        op::connect(file, &address, sizeof(address)),
        op::accept(file),
        op::accept_multishot(file),
        op::recv(file, &byte, 1),
        op::recv_all(file, &byte, 1),
        op::recvmsg(file, &message),
        op::send(file, &byte, 1),
        op::send_all(file, &byte, 1),
        op::sendmsg(file, &message),
        op::send_zero_copy(file, &byte, 1),
        op::sendmsg_zero_copy(file, &message),
    };
    for (const Operation& operation : operations) {
        const Result result = perform_on(loop, operation);
        if (!result.is(Errno::enotsock)) {
            note("kind", static_cast<u32>(operation.kind));
        }
        CHECK_ERRNO(result.value, Errno::enotsock);
    }
}

LOOP_TEST(loop_op_socket_operations_without_a_descriptor) {
    const abi::SocketAddressIn address = loopback(1);
    char byte = 0;
    abi::IoVec piece = {&byte, 1};
    abi::MessageHeader message = {};
    message.vectors = &piece;
    message.vector_count = 1;
    const i32 numbers[] = {closed_fd(), -1};
    for (const i32 fd : numbers) {
        const Operation operations[] = {
            op::bind(fd, &address, sizeof(address)),
            op::listen(fd, 1),
            op::shutdown(fd, 0),
            op::connect(fd, &address, sizeof(address)),
            op::accept(fd),
            op::accept_multishot(fd),
            op::recv(fd, &byte, 1),
            op::recv_all(fd, &byte, 1),
            op::recvmsg(fd, &message),
            op::recvmsg_all(fd, &message),
            op::send(fd, &byte, 1),
            op::send_all(fd, &byte, 1),
            op::sendmsg(fd, &message),
            op::sendmsg_all(fd, &message),
            op::send_zero_copy(fd, &byte, 1),
            op::sendmsg_zero_copy(fd, &message),
            op::poll(fd, abi::poll_event::in),
            op::poll_multishot(fd, abi::poll_event::in),
            op::close(fd),
        };
        for (const Operation& operation : operations) {
            const Result result = perform_on(loop, operation);
            if (!result.is(Errno::ebadf)) {
                note("kind", static_cast<u32>(operation.kind));
            }
            CHECK_ERRNO(result.value, Errno::ebadf);
        }
    }
}

} // namespace
} // namespace oxbow::test
