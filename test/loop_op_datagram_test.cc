// Datagrams and messages by the loop's operations, on every engine alike: addresses, boundaries,
// empty ones, what is cut, descriptors that travel.
#include "loop_op_address.h"

namespace oxbow::test {
namespace {

namespace family = abi::socket_family;
namespace type = abi::socket_type;

/// A message of one piece, and room for the other side's address and for control messages.
struct Packet {
    abi::IoVec piece;
    abi::SocketAddressStorage name = {};
    alignas(8) u8 control[64] = {};
    abi::MessageHeader header = {};

    Packet(const void* data, usize bytes) noexcept : piece{const_cast<void*>(data), bytes} {
        header.vectors = &piece;
        header.vector_count = 1;
    }
    Packet& with_room() noexcept {
        header.name = &name;
        header.name_bytes = sizeof(name);
        header.control = control;
        header.control_bytes = sizeof(control);
        return *this;
    }
    Packet& to(const void* address, u32 bytes) noexcept {
        header.name = const_cast<void*>(address);
        header.name_bytes = static_cast<i32>(bytes);
        return *this;
    }
};

LOOP_TEST(loop_op_datagram_udp_addresses) {
    for (const i32 mode : fd_modes) {
        const BoundSocket server = make_bound_socket(type::datagram);
        const BoundSocket client = make_bound_socket(type::datagram);
        set_mode(server.fd, mode);
        set_mode(client.fd, mode);
        char got[16] = {};
        Packet incoming(got, sizeof(got));
        Logged received;
        submit_waiting(loop, received, op::recvmsg(server.fd, &incoming.with_room().header));
        Packet outgoing("hello", 5);
        outgoing.to(&server.address, sizeof(server.address));
        CHECK_EQ(perform_on(loop, op::sendmsg(client.fd, &outgoing.header)).value, 5);
        run_until_ended(loop, received);
        CHECK_EQ(received.last.value, 5);
        CHECK_BYTES(got, "hello", 5);
        CHECK_EQ(incoming.header.name_bytes, sizeof(client.address));
        CHECK_BYTES(&incoming.name, &client.address, 8);
        CHECK_EQ(incoming.header.flags, 0u);
        check_mode(server.fd, mode);
    }
}

/// Each has a boundary; an empty one is there too, and is no end.
LOOP_TEST(loop_op_datagram_boundaries) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode, type::datagram);
        CHECK_EQ(perform_on(loop, op::send(pair.near, "one", 3)).value, 3);
        CHECK_EQ(perform_on(loop, op::send(pair.near, nullptr, 0)).value, 0);
        CHECK_EQ(perform_on(loop, op::send(pair.near, "three", 5)).value, 5);
        char got[16];
        CHECK_EQ(perform_on(loop, op::recv(pair.far, got, sizeof(got))).value, 3);
        const Result empty = perform_on(loop, op::recv(pair.far, got, sizeof(got)));
        CHECK_EQ(empty.value, 0);
        CHECK(!empty.eof());
        Packet message(got, sizeof(got));
        CHECK_EQ(perform_on(loop, op::recvmsg(pair.far, &message.header)).value, 5);
        CHECK_BYTES(got, "three", 5);
    }
}

/// Empty datagrams to whatever can receive one, also where it is waited for.
LOOP_TEST(loop_op_datagram_empty) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode, type::datagram);
        char got[4];
        abi::IoVec piece = {got, sizeof(got)};
        Packet message(got, sizeof(got));
        const Operation operations[] = {
            op::recv(pair.near, got, sizeof(got)),
            op::recvmsg(pair.near, &message.header),
            op::read(pair.near, got, sizeof(got)),
            op::readv(pair.near, &piece, 1),
        };
        for (const Operation& operation : operations) {
            Logged received;
            submit_waiting(loop, received, operation);
            CHECK_EQ(kernel::send(pair.far, "", 0, 0), 0);
            run_until_ended(loop, received);
            CHECK_EQ(received.last.value, 0);
            CHECK(!received.last.eof());
            CHECK_EQ(kernel::send(pair.far, "", 0, 0), 0);
            CHECK(!perform_on(loop, operation).eof());
        }
    }
}

/// A packet socket can carry empty packets as well, so 0 does not say that it is at its end.
LOOP_TEST(loop_op_datagram_seqpacket) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode, type::seqpacket);
        CHECK_EQ(perform_on(loop, op::send(pair.near, "abc", 3)).value, 3);
        CHECK_EQ(perform_on(loop, op::send(pair.near, "de", 2)).value, 2);
        char got[8];
        CHECK_EQ(perform_on(loop, op::recv(pair.far, got, 2)).value, 2); // the rest is lost
        CHECK_EQ(perform_on(loop, op::recv(pair.far, got, sizeof(got))).value, 2);
        CHECK_BYTES(got, "de", 2);
        pair.far.close();
        CHECK_EQ(perform_on(loop, op::recv(pair.near, got, sizeof(got))).value, 0);
    }
}

LOOP_TEST(loop_op_datagram_that_is_cut) {
    const SocketPair pair = make_socket_pair(type::datagram);
    CHECK_EQ(perform_on(loop, op::send(pair.near, "0123456789", 10)).value, 10);
    CHECK_EQ(perform_on(loop, op::send(pair.near, "0123456789", 10)).value, 10);
    CHECK_EQ(perform_on(loop, op::send(pair.near, "last", 4)).value, 4);
    char got[4];
    Packet message(got, sizeof(got));
    CHECK_EQ(perform_on(loop, op::recvmsg(pair.far, &message.header)).value, 4);
    CHECK_BYTES(got, "0123", 4);
    CHECK_EQ(message.header.flags & abi::msg_flag::truncated, abi::msg_flag::truncated);
    // With the flag among those asked for, the whole length comes back.
    CHECK_EQ(perform_on(loop, op::recv(pair.far, got, 4, abi::msg_flag::truncated)).value, 10);
    CHECK_EQ(perform_on(loop, op::recv(pair.far, got, 4, abi::msg_flag::peek)).value, 4);
    CHECK_EQ(perform_on(loop, op::recv(pair.far, got, 4)).value, 4);
    CHECK_BYTES(got, "last", 4);
}

LOOP_TEST(loop_op_datagram_errors) {
    for (const i32 mode : fd_modes) {
        const BoundSocket socket = make_bound_socket(type::datagram);
        set_mode(socket.fd, mode);
        CHECK_ERRNO(perform_on(loop, op::send(socket.fd, "x", 1)).value, Errno::edestaddrreq);
        const Memory much(70'000);
        Packet large(much.data(), 70'000);
        large.to(&socket.address, sizeof(socket.address));
        CHECK_ERRNO(perform_on(loop, op::sendmsg(socket.fd, &large.header)).value, Errno::emsgsize);
        Packet nowhere("x", 1);
        nowhere.to(&socket.address, 3);
        CHECK_ERRNO(perform_on(loop, op::sendmsg(socket.fd, &nowhere.header)).value, Errno::einval);
        // What an earlier datagram met, the next operation is told.
        abi::SocketAddressIn deaf = {};
        {
            const BoundSocket gone = make_bound_socket(type::datagram);
            deaf = gone.address;
        }
        CHECK_EQ(perform_on(loop, op::connect(socket.fd, &deaf, sizeof(deaf))).value, 0);
        char got[4];
        Logged received;
        submit_waiting(loop, received, op::recv(socket.fd, got, sizeof(got)));
        CHECK_EQ(perform_on(loop, op::send(socket.fd, "x", 1)).value, 1);
        run_until_ended(loop, received);
        CHECK_ERRNO(received.last.value, Errno::econnrefused);
        CHECK_ERRNO(perform_on(loop, op::recvmsg(socket.fd, nullptr)).value, Errno::efault);
        CHECK_ERRNO(perform_on(loop, op::sendmsg(socket.fd, nullptr)).value, Errno::efault);
    }
}

/// A receiver that has no room: the sender waits until it has.
LOOP_TEST(loop_op_datagram_send_waits) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode, type::datagram);
        u32 queued = 0;
        while (kernel::send(pair.near, "full", 4, abi::msg_flag::dontwait) == 4) {
            ++queued;
        }
        CHECK_GT(queued, 0u);
        Logged sent;
        submit_waiting(loop, sent, op::send(pair.near, "last", 4));
        char got[8];
        while (queued-- != 0) {
            CHECK_EQ(kernel::recv(pair.far, got, sizeof(got), abi::msg_flag::dontwait), 4);
        }
        run_until_ended(loop, sent);
        CHECK_EQ(sent.last.value, 4);
        CHECK_READS(pair.far, "last");
    }
}

/// The same where the receiver is not connected to the sender, so that the length of its queue is
/// the limit, by each kind of send. (The ring of Linux 6.18 would send an empty datagram in the
/// end.)
LOOP_TEST(loop_op_datagram_send_waits_for_a_server) {
    for (const i32 mode : fd_modes) {
        const Fd receiver = socket_of(loop, family::local, type::datagram);
        const Address at = bind_somewhere(loop, receiver, family::local);
        const Fd sender = socket_of(loop, family::local, type::datagram);
        CHECK_OK(connect_blocking(sender, &at.storage, at.bytes));
        set_mode(sender, mode);
        abi::IoVec piece = {const_cast<char*>("data"), 4};
        Packet packet("data", 4);
        const Operation operations[] = {
            op::send(sender, "data", 4),         op::send_all(sender, "data", 4),
            op::write(sender, "data", 4),        op::writev(sender, &piece, 1),
            op::sendmsg(sender, &packet.header), op::sendmsg_all(sender, &packet.header),
        };
        for (const Operation& operation : operations) {
            u32 queued = 0;
            while (kernel::send(sender, "full", 4, abi::msg_flag::dontwait) == 4) {
                ++queued;
            }
            CHECK_GT(queued, 0u);
            Logged sent;
            submit_waiting(loop, sent, operation);
            char got[8];
            while (queued-- != 0) {
                CHECK_EQ(kernel::recv(receiver, got, sizeof(got), abi::msg_flag::dontwait), 4);
            }
            run_until_ended(loop, sent);
            CHECK_EQ(sent.last.value, 4);
            CHECK_EQ(kernel::recv(receiver, got, sizeof(got), abi::msg_flag::dontwait), 4);
            CHECK_BYTES(got, "data", 4);
        }
    }
}

/// The same for a socket that is not connected, to which poll(2) says that it is always writable.
LOOP_TEST(loop_op_datagram_send_to_a_full_receiver) {
    for (const i32 mode : fd_modes) {
        const Fd receiver = socket_of(loop, family::local, type::datagram);
        const Address at = bind_somewhere(loop, receiver, family::local);
        const Fd sender = socket_of(loop, family::local, type::datagram);
        set_mode(sender, mode);
        Packet message("data", 4);
        message.to(&at.storage, at.bytes);
        u32 queued = 0;
        while (kernel::sendmsg(sender, &message.header, abi::msg_flag::dontwait) == 4) {
            ++queued;
        }
        CHECK_GT(queued, 0u);
        Packet last("last", 4);
        last.to(&at.storage, at.bytes);
        Logged sent;
        submit_waiting(loop, sent, op::sendmsg(sender, &last.header));
        CHECK_OK(loop.run_for(5 * ms));
        CHECK_EQ(sent.count, 0u);
        CHECK_LT(loop.statistics().rounds, 200u); // it does not spin meanwhile
        char got[8];
        CHECK_EQ(kernel::recv(receiver, got, sizeof(got), abi::msg_flag::dontwait), 4);
        run_until_ended(loop, sent);
        CHECK_EQ(sent.last.value, 4);
        while (--queued != 0) {
            CHECK_EQ(kernel::recv(receiver, got, sizeof(got), abi::msg_flag::dontwait), 4);
        }
        CHECK_EQ(kernel::recv(receiver, got, sizeof(got), abi::msg_flag::dontwait), 4);
        CHECK_BYTES(got, "last", 4);
    }
}

LOOP_TEST(loop_op_message_carries_a_descriptor) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        const Pipe pipe = make_pipe();
        Packet outgoing("fd", 2);
        outgoing.header.control = outgoing.control;
        outgoing.header.control_bytes = abi::control_space(sizeof(i32));
        auto* const head = reinterpret_cast<abi::ControlHeader*>(outgoing.control);
        *head = {abi::control_length(sizeof(i32)), abi::socket_level::socket,
                 abi::control_type::rights};
        const i32 sent_fd = pipe.writer;
        __builtin_memcpy(head->data(), &sent_fd, sizeof(sent_fd));
        char got[8];
        Packet incoming(got, sizeof(got));
        Logged received;
        submit_waiting(
            loop, received,
            op::recvmsg(pair.near, &incoming.with_room().header, abi::msg_flag::control_cloexec));
        CHECK_EQ(perform_on(loop, op::sendmsg(pair.far, &outgoing.header)).value, 2);
        run_until_ended(loop, received);
        CHECK_EQ(received.last.value, 2);
        const abi::ControlHeader* const control = abi::first_control(incoming.header);
        CHECK(control != nullptr);
        if (control->type != abi::control_type::rights && !kernel_at_least(6, 18)) {
            SKIP("6.17 tells first how much there is to read, unasked: mended in Linux 6.18");
        }
        CHECK_EQ(control->type, abi::control_type::rights);
        i32 got_fd = -1;
        __builtin_memcpy(&got_fd, control->data(), sizeof(got_fd));
        const Fd arrived(got_fd);
        CHECK(is_cloexec(arrived));
        write_text(arrived, "through");
        CHECK_READS(pipe.reader, "through");
    }
}

LOOP_TEST(loop_op_message_of_many_pieces) {
    const SocketPair pair = make_socket_pair(type::datagram);
    char a[] = "ab";
    char b[] = "cde";
    abi::IoVec out[] = {{a, 2}, {nullptr, 0}, {b, 3}};
    abi::MessageHeader outgoing = {};
    outgoing.vectors = out;
    outgoing.vector_count = 3;
    CHECK_EQ(perform_on(loop, op::sendmsg(pair.near, &outgoing)).value, 5);
    char first[1];
    char rest[9] = {};
    abi::IoVec in[] = {{first, 1}, {rest, 9}};
    abi::MessageHeader incoming = {};
    incoming.vectors = in;
    incoming.vector_count = 2;
    CHECK_EQ(perform_on(loop, op::recvmsg(pair.far, &incoming)).value, 5);
    CHECK_EQ(first[0], 'a');
    CHECK_BYTES(rest, "bcde", 4);
    outgoing.vector_count = abi::vector_pieces_max + 1;
    CHECK_ERRNO(perform_on(loop, op::sendmsg(pair.near, &outgoing)).value, Errno::emsgsize);
}

} // namespace
} // namespace oxbow::test
