// Every call of call_socket.h, made for real on loopback and on local sockets, with the address,
// option and control structs of abi_socket.h.
#include "../syscall/call.h"
#include "../syscall/text.h"
#include "harness.h"

namespace oxbow::test {

namespace {

using namespace kernel;
namespace family = abi::socket_family;
namespace type = abi::socket_type;
namespace option = abi::socket_option;
namespace level = abi::socket_level;

void bring_loopback_up() noexcept {
    const i32 fd = CHECK_OK(socket(family::inet, type::datagram | type::cloexec, 0));
    abi::InterfaceRequest request = {};
    request.name[0] = 'l';
    request.name[1] = 'o';
    CHECK_OK(ioctl(fd, abi::socket_ioctl::get_interface_flags, &request));
    if ((request.flags & abi::interface_flag::up) == 0) {
        // So it is where tests are the first process of a bare machine.
        request.flags = static_cast<i16>(request.flags | abi::interface_flag::up);
        CHECK_OK(ioctl(fd, abi::socket_ioctl::set_interface_flags, &request));
    }
    CHECK_OK(close(fd));
}

/// A socket bound to a free port of 127.0.0.1, and its address.
[[nodiscard]] i32 bound(i32 kind, abi::SocketAddressIn* address) noexcept {
    bring_loopback_up();
    const i32 fd = CHECK_OK(socket(family::inet, kind | type::cloexec, 0));
    *address = {};
    address->family = family::inet;
    address->address = abi::ipv4_loopback;
    CHECK_OK(bind(fd, address, sizeof(*address)));
    u32 bytes = sizeof(*address);
    CHECK_OK(getsockname(fd, address, &bytes));
    CHECK_EQ(bytes, sizeof(*address));
    CHECK_NE(address->port, 0);
    return fd;
}

} // namespace

TEST(call_socket_stream) {
    abi::SocketAddressIn address;
    const i32 listener = bound(type::stream, &address);
    CHECK_OK(listen(listener, 8));
    i32 value = 0;
    u32 bytes = sizeof(value);
    CHECK_OK(getsockopt(listener, level::socket, option::accepting, &value, &bytes));
    CHECK_EQ(value, 1);

    const i32 client =
        CHECK_OK(socket(family::inet, type::stream | type::cloexec, abi::socket_protocol::tcp));
    CHECK_OK(connect(client, &address, sizeof(address)));
    CHECK_ERRNO(connect(client, &address, sizeof(address)), Errno::eisconn);
    abi::SocketAddressStorage peer = {};
    bytes = sizeof(peer);
    const i32 server = CHECK_OK(
        accept4(listener, &peer, &bytes, abi::accept4_flag::cloexec | abi::accept4_flag::nonblock));
    CHECK_EQ(bytes, sizeof(abi::SocketAddressIn));
    CHECK_EQ(peer.family, family::inet);
    CHECK_EQ(peer.in.address, abi::ipv4_loopback);
    abi::SocketAddressIn own = {};
    bytes = sizeof(own);
    CHECK_OK(getsockname(client, &own, &bytes));
    CHECK_EQ(own.port, peer.in.port);
    bytes = sizeof(own);
    CHECK_OK(getpeername(client, &own, &bytes));
    CHECK_EQ(own.port, address.port);

    char back[16] = {};
    CHECK_ERRNO(recv(server, back, sizeof(back), 0), Errno::eagain);
    CHECK_EQ(send(client, "hello", 5, abi::msg_flag::nosignal), 5);
    CHECK_EQ(recv(client, back, sizeof(back), abi::msg_flag::dontwait), -Errno::eagain);
    abi::PollFd readable = {server, abi::poll_event::in, 0};
    CHECK_EQ(ppoll(&readable, 1, nullptr), 1);
    CHECK_EQ(recv(server, back, sizeof(back), abi::msg_flag::peek), 5);
    CHECK_EQ(recvfrom(server, back, sizeof(back), 0, nullptr, nullptr), 5);
    CHECK_BYTES(back, "hello", 5);

    CHECK_OK(shutdown(client, abi::shutdown_how::write));
    CHECK_EQ(ppoll(&readable, 1, nullptr), 1);
    CHECK_EQ(recv(server, back, sizeof(back), 0), 0);
    CHECK_OK(close(client));
    // The other side is gone: no signal, EPIPE at the latest on the second.
    (void)send(server, "x", 1, abi::msg_flag::nosignal);
    sleep_ms(20);
    const long late = send(server, "x", 1, abi::msg_flag::nosignal);
    CHECK(late == -Errno::epipe || late == -Errno::econnreset);
    CHECK_OK(close(server));
    CHECK_OK(close(listener));
}

TEST(call_socket_options) {
    abi::SocketAddressIn address;
    const i32 fd = bound(type::stream, &address);
    const i32 on = 1;
    CHECK_OK(setsockopt(fd, level::socket, option::reuse_address, &on, sizeof(on)));
    CHECK_OK(setsockopt(fd, level::tcp, abi::tcp_option::nodelay, &on, sizeof(on)));
    i32 value = 0;
    u32 bytes = sizeof(value);
    CHECK_OK(getsockopt(fd, level::tcp, abi::tcp_option::nodelay, &value, &bytes));
    CHECK_EQ(value, 1);
    CHECK_OK(getsockopt(fd, level::socket, option::type, &value, &bytes));
    CHECK_EQ(value, type::stream);
    const i32 wanted = 20000;
    CHECK_OK(setsockopt(fd, level::socket, option::receive_buffer, &wanted, sizeof(wanted)));
    CHECK_OK(getsockopt(fd, level::socket, option::receive_buffer, &value, &bytes));
    CHECK_EQ(value, 40000); // the kernel doubles it

    const abi::Linger linger = {1, 3};
    CHECK_OK(setsockopt(fd, level::socket, option::linger, &linger, sizeof(linger)));
    abi::Linger read_back = {};
    bytes = sizeof(read_back);
    CHECK_OK(getsockopt(fd, level::socket, option::linger, &read_back, &bytes));
    CHECK_EQ(read_back.on, 1);
    CHECK_EQ(read_back.seconds, 3);

    const abi::SocketTimeval timeout = {2, 500000};
    CHECK_OK(setsockopt(fd, level::socket, option::receive_timeout, &timeout, sizeof(timeout)));
    abi::SocketTimeval time_back = {};
    bytes = sizeof(time_back);
    CHECK_OK(getsockopt(fd, level::socket, option::receive_timeout, &time_back, &bytes));
    CHECK_EQ(bytes, 16u);
    CHECK_EQ(time_back.seconds, 2);
    CHECK_ERRNO(setsockopt(fd, level::socket, 9999, &on, sizeof(on)), Errno::enoprotoopt);
    CHECK_OK(close(fd));
}

TEST(call_socket_receive_timeout_counts_64_bits) {
    i32 fds[2];
    CHECK_OK(socketpair(family::local, type::datagram, 0, fds));
    const abi::SocketTimeval timeout = {0, 30000};
    CHECK_OK(setsockopt(fds[0], level::socket, option::receive_timeout, &timeout, sizeof(timeout)));
    char byte;
    const u64 before = now_ns();
    CHECK_ERRNO(recv(fds[0], &byte, 1, 0), Errno::eagain);
    CHECK_GE(now_ns() - before, 25'000'000u);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

TEST(call_socket_datagrams) {
    abi::SocketAddressIn one_address, two_address;
    const i32 one = bound(type::datagram, &one_address);
    const i32 two = bound(type::datagram, &two_address);
    char back[32] = {};
    abi::SocketAddressIn from = {};
    u32 bytes = sizeof(from);
    CHECK_EQ(sendto(one, "datagram", 8, 0, &two_address, sizeof(two_address)), 8);
    CHECK_EQ(recvfrom(two, back, sizeof(back), 0, &from, &bytes), 8);
    CHECK_EQ(from.port, one_address.port);
    CHECK_EQ(sendto(one, "", 0, 0, &two_address, sizeof(two_address)), 0);
    CHECK_EQ(recvfrom(two, back, sizeof(back), 0, nullptr, nullptr), 0);

    char head[] = "head ";
    char tail[] = "tail";
    abi::IoVec out[] = {{head, 5}, {tail, 4}};
    abi::MessageHeader message = {};
    message.name = &two_address;
    message.name_bytes = sizeof(two_address);
    message.vectors = out;
    message.vector_count = 2;
    CHECK_EQ(sendmsg(one, &message, 0), 9);
    char small[4] = {};
    abi::IoVec in = {small, sizeof(small)};
    abi::MessageHeader answer = {};
    answer.name = &from;
    answer.name_bytes = sizeof(from);
    answer.vectors = &in;
    answer.vector_count = 1;
    CHECK_EQ(recvmsg(two, &answer, 0), 4);
    CHECK_BYTES(small, "head", 4);
    CHECK_EQ(answer.flags & abi::msg_flag::truncated, abi::msg_flag::truncated);
    CHECK_EQ(answer.name_bytes, static_cast<i32>(sizeof(from)));

    abi::ManyMessageHeader many[3] = {};
    for (abi::ManyMessageHeader& entry : many) {
        entry.header = message;
    }
    CHECK_EQ(sendmmsg(one, many, 3, 0), 3);
    CHECK_EQ(many[2].bytes, 9u);
    char memory[3][16] = {};
    abi::IoVec pieces[3];
    abi::ManyMessageHeader got[3] = {};
    for (u32 at = 0; at < 3; ++at) {
        pieces[at] = {memory[at], 16};
        got[at].header.vectors = &pieces[at];
        got[at].header.vector_count = 1;
    }
    CHECK_EQ(recvmmsg(two, got, 3, abi::msg_flag::wait_for_one), 3);
    CHECK_EQ(got[1].bytes, 9u);
    CHECK_BYTES(memory[2], "head tail", 9);
    CHECK_OK(close(one));
    CHECK_OK(close(two));
}

TEST(call_socket_passes_descriptors) {
    i32 fds[2];
    CHECK_OK(socketpair(family::local, type::stream | type::cloexec, 0, fds));
    i32 pipe[2];
    CHECK_OK(pipe2(pipe, abi::open_flag::cloexec));

    char byte = 'b';
    abi::IoVec piece = {&byte, 1};
    alignas(8) char control[abi::control_space(sizeof(i32)) * 2] = {};
    abi::MessageHeader message = {};
    message.vectors = &piece;
    message.vector_count = 1;
    message.control = control;
    message.control_bytes = abi::control_space(sizeof(i32));
    abi::ControlHeader* head = abi::first_control(message);
    CHECK(head != nullptr);
    *head = {abi::control_length(sizeof(i32)), level::socket, abi::control_type::rights};
    *static_cast<i32*>(head->data()) = pipe[1];
    CHECK_EQ(sendmsg(fds[0], &message, 0), 1);

    message.control_bytes = sizeof(control);
    CHECK_EQ(recvmsg(fds[1], &message, abi::msg_flag::control_cloexec), 1);
    head = abi::first_control(message);
    CHECK(head != nullptr);
    CHECK_EQ(head->type, abi::control_type::rights);
    CHECK_EQ(head->bytes, abi::control_length(sizeof(i32)));
    const i32 passed = *static_cast<i32*>(head->data());
    CHECK(abi::next_control(message, head) == nullptr);
    CHECK_EQ(write(passed, "!", 1), 1);
    CHECK_EQ(read(pipe[0], &byte, 1), 1);
    CHECK_EQ(byte, '!');
    const i32 all[] = {passed, pipe[0], pipe[1], fds[0], fds[1]};
    for (const i32 fd : all) {
        CHECK_OK(close(fd));
    }
}

TEST(call_socket_walks_control_messages) {
    alignas(8) u8 memory[128] = {};
    abi::MessageHeader message = {};
    message.control = memory;
    message.control_bytes = abi::control_space(1) + abi::control_space(12);
    abi::ControlHeader* const first = abi::first_control(message);
    first->bytes = abi::control_length(1);
    abi::ControlHeader* const second = abi::next_control(message, first);
    CHECK(second != nullptr);
    CHECK_EQ(reinterpret_cast<u8*>(second) - memory, static_cast<long>(abi::control_space(1)));
    second->bytes = abi::control_length(12);
    CHECK(abi::next_control(message, second) == nullptr);
    // Lengths that make no sense end the walk and are never followed.
    second->bytes = 1;
    CHECK(abi::next_control(message, second) == nullptr);
    second->bytes = ~usize{0};
    CHECK(abi::next_control(message, second) == nullptr);
    second->bytes = ~usize{0} - 3;
    CHECK(abi::next_control(message, second) == nullptr);
    message.control_bytes = sizeof(abi::ControlHeader) - 1;
    CHECK(abi::first_control(message) == nullptr);
}

TEST(call_socket_local_address_and_credentials) {
    abi::SocketAddressUn address = {};
    address.family = family::local;
    TextBuffer<100> name; // abstract: no file, and unique to this run
    name.add("oxbow-").number(getpid()).add('-').number(now_ns());
    for (usize at = 0; at < name.size(); ++at) {
        address.path[at + 1] = name.c_str()[at];
    }
    const u32 bytes = static_cast<u32>(sizeof(u16) + 1 + name.size());
    const i32 listener = CHECK_OK(socket(family::local, type::seqpacket | type::cloexec, 0));
    CHECK_OK(bind(listener, &address, bytes));
    CHECK_ERRNO(bind(listener, &address, bytes), Errno::einval);
    CHECK_OK(listen(listener, 1));
    const i32 client = CHECK_OK(socket(family::local, type::seqpacket | type::cloexec, 0));
    CHECK_OK(connect(client, &address, bytes));
    const i32 server = CHECK_OK(accept4(listener, nullptr, nullptr, 0));
    abi::SocketAddressStorage back = {};
    u32 back_bytes = sizeof(back);
    CHECK_OK(getpeername(client, &back, &back_bytes));
    CHECK_EQ(back_bytes, bytes);
    CHECK_BYTES(back.local.path, address.path, name.size() + 1);
    abi::Credentials peer = {};
    u32 peer_bytes = sizeof(peer);
    CHECK_OK(getsockopt(server, level::socket, option::peer_credentials, &peer, &peer_bytes));
    CHECK_EQ(peer.pid, getpid());
    CHECK_EQ(peer.user_id, geteuid());
    CHECK_OK(close(server));
    CHECK_OK(close(client));
    CHECK_OK(close(listener));
}

TEST(call_socket_ipv6) {
    bring_loopback_up();
    const i32 fd = socket(family::inet6, type::datagram, 0);
    if (fd == -Errno::eafnosupport) {
        SKIP("no IPv6");
    }
    CHECK_OK(fd);
    const i32 on = 1;
    CHECK_OK(setsockopt(fd, level::ipv6, abi::ipv6_option::only_v6, &on, sizeof(on)));
    abi::SocketAddressIn6 address = {};
    address.family = family::inet6;
    address.address[15] = 1;
    const i32 result = bind(fd, &address, sizeof(address));
    if (result == -Errno::eaddrnotavail) {
        SKIP("no IPv6 loopback address");
    }
    CHECK_OK(result);
    u32 bytes = sizeof(address);
    CHECK_OK(getsockname(fd, &address, &bytes));
    CHECK_EQ(bytes, sizeof(address));
    CHECK_EQ(address.address[15], 1);
    CHECK_NE(address.port, 0);
    CHECK_EQ(sendto(fd, "six", 3, 0, &address, sizeof(address)), 3);
    char back[8];
    CHECK_EQ(recv(fd, back, sizeof(back), 0), 3);
    CHECK_OK(close(fd));
}

TEST(call_socket_byte_order) {
    const u16 port = abi::network_order(u16{0x1234});
    const u32 address = abi::network_order(u32{0x01020304});
    const u8 port_bytes[] = {0x12, 0x34};
    const u8 address_bytes[] = {1, 2, 3, 4};
    CHECK_BYTES(&port, port_bytes, 2);
    CHECK_BYTES(&address, address_bytes, 4);
    CHECK_EQ(abi::network_order(port), 0x1234);
    CHECK_EQ(abi::network_order(address), 0x01020304u);
}

TEST(call_socket_errors) {
    CHECK_ERRNO(socket(9999, type::stream, 0), Errno::eafnosupport);
    CHECK_ERRNO(listen(-1, 1), Errno::ebadf);
    CHECK_ERRNO(accept4(-1, nullptr, nullptr, 0), Errno::ebadf);
    const i32 fd = CHECK_OK(socket(family::inet, type::stream, 0));
    CHECK_ERRNO(shutdown(fd, abi::shutdown_how::both), Errno::enotconn);
    abi::SocketAddressStorage peer = {};
    u32 bytes = sizeof(peer);
    CHECK_ERRNO(getpeername(fd, &peer, &bytes), Errno::enotconn);
    CHECK_OK(close(fd));
    i32 pipe[2];
    CHECK_OK(pipe2(pipe, 0));
    CHECK_ERRNO(send(pipe[1], "x", 1, 0), Errno::enotsock);
    CHECK_OK(close(pipe[0]));
    CHECK_OK(close(pipe[1]));
}

} // namespace oxbow::test
