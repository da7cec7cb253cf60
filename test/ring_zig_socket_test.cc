// What Zig's std.os.linux.IoUring tests of sockets, ported: see ring_zig_file_test.cc.
#include "live_ring.h"

namespace oxbow::test {
namespace {

namespace flag = abi::msg_flag;
namespace type = abi::socket_type;

/// Zig's harness: a listener, and a client connected to what it accepted, both through the ring.
struct Connection {
    BoundSocket listener;
    Fd client;
    Fd server; ///< Zig's forgets to close it
};

void connect_in(Ring& ring, Connection& connection) noexcept {
    connection.listener = make_listener();
    connection.client = make_tcp_socket();
    CHECK(ring.accept(0xaaaaaaaa, connection.listener.fd) != nullptr);
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    const abi::SocketAddressIn address = connection.listener.address;
    CHECK(ring.connect(0xcccccccc, connection.client, &address, u32{sizeof(address)}) != nullptr);
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    bool connected = false;
    for (u32 i = 0; i < 2; ++i) { // in either order
        const Cqe cqe = next(ring);
        if (cqe.user_data == 0xaaaaaaaa) {
            connection.server = Fd(CHECK_OK(cqe.result));
        } else {
            CHECK_EQ(cqe.user_data, 0xccccccccu);
            CHECK_EQ(cqe.result, 0);
            connected = true;
        }
        CHECK_EQ(cqe.flags & ~abi::cqe_flag::sock_nonempty, 0u);
    }
    CHECK(connected);
    CHECK_GT(connection.server, 0);
}

TEST(zig_10_accept_connect_send_recv) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 16});
    Connection connection;
    connect_in(*ring, connection);
    const u8 out[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    u8 in[5] = {0, 1, 0, 1, 0};
    Sqe* const send = ring->send(0xeeeeeeee, connection.client, out, 10u);
    prep::link(*send);
    CHECK(ring->recv(0xffffffff, connection.server, in, 5u) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    const Cqe sent = next_of(*ring, 0xeeeeeeee);
    CHECK_EQ(sent.result, 10);
    CHECK_EQ(sent.flags, 0u);
    const Cqe got = next_of(*ring, 0xffffffff);
    CHECK_EQ(got.result, 5);
    CHECK_EQ(got.flags & ~abi::cqe_flag::sock_nonempty, 0u);
    CHECK_BYTES(in, out, 5);
}

TEST(zig_11_sendmsg_recvmsg) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2});
    BoundSocket server = make_bound_socket(type::datagram);
    const BoundSocket client = make_bound_socket(type::datagram);
    u8 out[128];
    u8 in[128] = {};
    __builtin_memset(out, 42, sizeof(out));
    abi::IoVec send_vector = {out, sizeof(out)};
    abi::MessageHeader message = {};
    message.name = &server.address;
    message.name_bytes = sizeof(server.address);
    message.vectors = &send_vector;
    message.vector_count = 1;
    abi::IoVec receive_vector = {in, sizeof(in)};
    abi::SocketAddressIn sender = {};
    abi::MessageHeader answer = {};
    answer.name = &sender;
    answer.name_bytes = sizeof(sender);
    answer.vectors = &receive_vector;
    answer.vector_count = 1;
    Sqe* const send = ring->sendmsg(0x11111111, client.fd, &message);
    prep::link(*send);
    CHECK_EQ(send->opcode, static_cast<u8>(abi::Opcode::sendmsg));
    CHECK_EQ(send->fd, client.fd);
    Sqe* const recv = ring->recvmsg(0x22222222, server.fd, &answer);
    CHECK_EQ(recv->opcode, static_cast<u8>(abi::Opcode::recvmsg));
    CHECK_EQ(recv->fd, server.fd);
    CHECK_EQ(ring->sq_ready(), 2u);
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(2)), 2);
    CHECK_EQ(ring->sq_ready(), 0u);
    CHECK_EQ(ring->cq_ready(), 2u);
    CHECK_EQ(next_of(*ring, 0x11111111).result, 128);
    CHECK_EQ(ring->cq_ready(), 1u);
    const Cqe got = next_of(*ring, 0x22222222);
    CHECK_EQ(got.result, 128);
    CHECK_EQ(got.flags & ~abi::cqe_flag::sock_nonempty, 0u);
    CHECK_BYTES(in, out, sizeof(out));
    CHECK_EQ(sender.port, client.address.port);
}

TEST(zig_15_accept_connect_recv_link_timeout) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 16});
    Connection connection;
    connect_in(*ring, connection);
    u8 in[5];
    Sqe* const recv = ring->recv(0xffffffff, connection.server, in, 5u);
    prep::link(*recv);
    const abi::Timespec time = {0, 1'000'000};
    CHECK(ring->link_timeout(0x22222222, &time) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(*ring);
        if (cqe.user_data == 0xffffffff) {
            CHECK(cqe.result == -Errno::eintr || cqe.result == -Errno::ecanceled);
        } else {
            CHECK_EQ(cqe.user_data, 0x22222222u);
            CHECK(cqe.result == -Errno::ealready || cqe.result == -Errno::etime);
        }
        CHECK_EQ(cqe.flags, 0u);
    }
}

TEST(zig_18_accept_connect_recv_cancel) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 16});
    Connection connection;
    connect_in(*ring, connection);
    u8 in[5];
    CHECK(ring->recv(0xffffffff, connection.server, in, 5u) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    Sqe* const cancel = ring->async_cancel(0x99999999, u64{0xffffffff});
    CHECK_EQ(cancel->opcode, static_cast<u8>(abi::Opcode::async_cancel));
    CHECK_EQ(cancel->addr, 0xffffffffu);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    bool ended = false;
    bool cancelled = false;
    for (u32 i = 0; i < 2; ++i) { // in either order
        const Cqe cqe = next(*ring);
        CHECK_EQ(cqe.flags, 0u);
        if (cqe.user_data == 0xffffffff) {
            CHECK_ERRNO(cqe.result, Errno::ecanceled);
            ended = true;
        } else {
            CHECK_EQ(cqe.user_data, 0x99999999u);
            CHECK_EQ(cqe.result, 0);
            cancelled = true;
        }
    }
    CHECK(ended && cancelled);
}

TEST(zig_20_shutdown) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 16});
    // A socket that listens can be shut down.
    const BoundSocket listener = make_listener();
    Sqe* const sqe = ring->shutdown(0x445445445, listener.fd, abi::shutdown_how::read);
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::shutdown));
    CHECK_EQ(sqe->fd, listener.fd);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    const Cqe cqe = next_of(*ring, 0x445445445);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    // One that is not even bound cannot.
    const Fd lonely = make_tcp_socket();
    CHECK(ring->shutdown(0x445445445, lonely, abi::shutdown_how::read) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    CHECK_ERRNO(next_of(*ring, 0x445445445).result, Errno::enotconn);
}

TEST(zig_29_accept_multishot) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("multishot accept");
    LiveRing ring({.entries = 16});
    const BoundSocket listener = make_listener();
    CHECK(ring->accept_multishot(0xaaaaaaaa, listener.fd) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    for (u32 i = 0; i < 4; ++i) {
        const Fd client = make_tcp_socket();
        CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
        const Cqe cqe = next_of(*ring, 0xaaaaaaaa);
        CHECK_GT(cqe.result, 0);
        CHECK_EQ(cqe.flags & abi::cqe_flag::more, abi::cqe_flag::more);
        CHECK_OK(kernel::close(cqe.result));
    }
}

TEST(zig_30_accept_connect_send_zc_recv) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("zero-copy sends");
    LiveRing ring({.entries = 16});
    Connection connection;
    connect_in(*ring, connection);
    const u8 out[15] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    u8 in[10] = {};
    Sqe* const send = ring->send_zc(0xeeeeeeee, connection.client, out, 15u);
    prep::link(*send);
    CHECK(ring->recv(0xffffffff, connection.server, in, 10u) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    // First of all the result of the send, with the promise of a notification.
    const Cqe sent = next_of(*ring, 0xeeeeeeee);
    CHECK_EQ(sent.result, 15);
    CHECK_EQ(sent.flags, abi::cqe_flag::more);
    bool received = false;
    bool notified = false;
    for (u32 i = 0; i < 2; ++i) { // in either order
        const Cqe cqe = next(*ring);
        if (cqe.user_data == 0xffffffff) {
            CHECK_EQ(cqe.result, 10);
            CHECK_EQ(cqe.flags & ~abi::cqe_flag::sock_nonempty, 0u);
            CHECK_BYTES(in, out, 10);
            received = true;
        } else {
            CHECK_EQ(cqe.user_data, 0xeeeeeeeeu);
            CHECK_EQ(cqe.result, 0);
            CHECK_EQ(cqe.flags, abi::cqe_flag::notif);
            notified = true;
        }
    }
    CHECK(received && notified);
}

TEST(zig_33_socket) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("sockets made by a ring");
    LiveRing ring({.entries = 1});
    CHECK(ring->socket(0, prep::SocketKind{.family = abi::socket_family::inet,
                                           .type = type::stream}) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    const Cqe cqe = next_of(*ring, 0);
    CHECK_GT(cqe.result, 2);
    CHECK_OK(kernel::close(cqe.result));
}

TEST(zig_34_socket_direct_close_direct) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("sockets made by a ring");
    LiveRing ring({.entries = 2});
    register_slots(*ring, 3);
    constexpr prep::SocketKind kind = {.family = abi::socket_family::inet, .type = type::stream};
    const BoundSocket listener = make_listener();
    const auto answer = [&ring]() noexcept {
        CHECK_EQ(CHECK_OK(ring->submit()), 1);
        const Cqe cqe = next(*ring);
        CHECK_EQ(cqe.flags, 0u);
        return cqe.result;
    };
    // With an index the answer is 0, with none it is the slot.
    CHECK(ring->socket_direct(1, kind, prep::slot(0)) != nullptr);
    CHECK_EQ(answer(), 0);
    CHECK(ring->socket_direct(2, kind, prep::slot(1)) != nullptr);
    CHECK_EQ(answer(), 0);
    CHECK(ring->socket_direct(3, kind, prep::allocate) != nullptr);
    CHECK_EQ(answer(), 2);
    for (i32 slot = 0; slot < 3; ++slot) {
        const abi::SocketAddressIn address = listener.address;
        Sqe* const connect = ring->connect(4, slot, &address, u32{sizeof(address)});
        prep::fixed_file(*connect);
        prep::link(*connect);
        CHECK(ring->close_direct(5, static_cast<u32>(slot)) != nullptr);
        CHECK_EQ(CHECK_OK(ring->submit()), 2);
        CHECK_EQ(next_of(*ring, 4).result, 0);
        CHECK_EQ(next_of(*ring, 5).result, 0);
    }
}

TEST(zig_35_openat_direct_close_direct) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("slots that the kernel chooses");
    LiveRing ring({.entries = 2});
    register_slots(*ring, 3);
    char path[256];
    temp_path(path);
    const prep::OpenOptions options = {.flags = abi::open_flag::read_write | abi::open_flag::create,
                                       .mode = 0666};
    constexpr prep::DirectDescriptor places[] = {prep::slot(0), prep::slot(1), prep::allocate};
    for (i32 i = 0; i < 3; ++i) {
        CHECK(ring->openat_direct(1, abi::at_fdcwd, static_cast<const char*>(path), options,
                                  places[i]) != nullptr);
        CHECK_EQ(CHECK_OK(ring->submit()), 1);
        CHECK_EQ(next_of(*ring, 1).result, i == 2 ? 2 : 0);
    }
    for (u32 slot = 0; slot < 3; ++slot) {
        CHECK(ring->close_direct(2, slot) != nullptr);
        CHECK_EQ(CHECK_OK(ring->submit()), 1);
        CHECK_EQ(next_of(*ring, 2).result, 0);
    }
}

/// The rest of zig_41: both ends send and receive, then one is shut down and closed by links.
void talk(Ring& ring, i32 from, i32 to, bool closes) noexcept {
    u8 out[1024];
    u8 in[1024];
    for (u32 i = 0; i < sizeof(out); ++i) {
        out[i] = static_cast<u8>(i * 7);
    }
    Sqe* const first = ring.send(1, from, out, 512u, prep::SendOptions{.flags = flag::waitall});
    prep::link(*first);
    Sqe* const second =
        ring.send(2, from, out + 512, 512u, prep::SendOptions{.flags = flag::waitall});
    if (closes) {
        prep::link(*second);
        Sqe* const shutdown = ring.shutdown(3, from, abi::shutdown_how::both);
        prep::link(*shutdown);
        CHECK(ring.close(4, from) != nullptr);
    }
    const i32 queued = closes ? 4 : 2;
    CHECK_EQ(CHECK_OK(ring.submit()), queued);
    for (i32 i = 1; i <= queued; ++i) {
        const Cqe cqe = next_of(ring, static_cast<u64>(i));
        CHECK_EQ(cqe.result, i <= 2 ? 512 : 0);
        CHECK_EQ(cqe.flags, 0u);
    }
    for (u32 at = 0; at < sizeof(in);) {
        CHECK(ring.recv(5, to, in + at, static_cast<u32>(sizeof(in) - at)) != nullptr);
        const Cqe cqe = next_of(ring, 5);
        CHECK_GT(cqe.result, 0);
        at += static_cast<u32>(cqe.result);
    }
    CHECK_BYTES(in, out, sizeof(in));
}

TEST(zig_41_bind_listen_connect) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("bind and listen in a ring"); // Zig asks the probe for listen
    LiveRing ring({.entries = 4});
    CHECK(ring->socket(1, prep::SocketKind{.family = abi::socket_family::inet,
                                           .type = type::stream | type::cloexec}) != nullptr);
    const Fd listener(CHECK_OK(next_of(*ring, 1).result));
    abi::SocketAddressIn address = loopback(0);
    const i32 on = 1;
    const auto set = [&](u64 user_data, i32 name) noexcept {
        Sqe* const sqe = ring->setsockopt(
            user_data, listener,
            prep::SocketOptionWrite{abi::socket_level::socket, name, &on, sizeof(on)});
        prep::link(*sqe);
    };
    set(2, abi::socket_option::reuse_address);
    set(3, abi::socket_option::reuse_port);
    prep::link(*ring->bind(4, listener, &address, u32{sizeof(address)}));
    CHECK(ring->listen(5, listener, 1) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 4);
    for (u64 user_data = 2; user_data <= 5; ++user_data) {
        CHECK_EQ(next_of(*ring, user_data).result, 0);
    }
    i32 value = 0;
    CHECK(ring->getsockopt(6, listener,
                           prep::SocketOptionRead{abi::socket_level::socket,
                                                  abi::socket_option::reuse_address, &value,
                                                  sizeof(value)}) != nullptr);
    CHECK_EQ(next_of(*ring, 6).result, 4);
    CHECK_EQ(value, 1);
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    const Fd client = make_tcp_socket();
    CHECK(ring->accept(7, listener) != nullptr);
    CHECK(ring->connect(8, client, &address, u32{sizeof(address)}) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    i32 server = -1;
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(*ring);
        CHECK_OK(cqe.result);
        server = cqe.user_data == 7 ? cqe.result : server;
    }
    CHECK_GT(server, 0);
    talk(*ring, client, server, false);
    talk(*ring, server, client, true);
    CHECK(!is_open(server));
}

} // namespace
} // namespace oxbow::test
