// perform(): what sockets carry, plain, in messages, in steps and into buffers.
#include "../uring/recvmsg_out.h"
#include "perform_help.h"

namespace oxbow::test {
namespace {

namespace msg = abi::msg_flag;
namespace type = abi::socket_type;

[[nodiscard]] SocketPair make_pair(u32 which) noexcept {
    SocketPair pair = which / 2 != 0 ? make_tcp_pair() : make_socket_pair();
    if (which % 2 != 0) {
        set_nonblocking(pair.near);
    }
    return pair;
}

/// Fills what `fd` can send; nothing of it waits.
void fill(i32 fd, const Operation& send) noexcept {
    i32 sent = 0;
    for (u32 i = 0; i < 10000 && sent >= 0; ++i) {
        sent = try_now(send);
    }
    CHECK_ERRNO(sent, Errno::eagain);
    CHECK_EQ(events_now(fd, abi::poll_event::out), 0u);
}

TEST(perform_recv_send) {
    for (u32 which = 0; which < 4; ++which) {
        SocketPair pair = make_pair(which);
        char got[16] = {};
        CHECK_ERRNO(try_now(op::recv(pair.near, got, 16)), Errno::eagain);
        CHECK_ERRNO(perform_with(Patience::ready, op::recv_all(pair.near, got, 16)), Errno::eagain);
        CHECK_ERRNO(wait_for(op::recv(pair.near, got, 16, msg::dontwait)), Errno::eagain);
        CHECK_EQ(try_now(op::send(pair.far, "01234", 5)), 5);
        CHECK_EQ(wait_for(op::send_zero_copy(pair.far, "56789", 5)), 5);
        CHECK_EQ(wait_for(op::recv(pair.near, got, 4, msg::peek)), 4); // a busy machine is late
        CHECK_EQ(try_now(op::recv(pair.near, got, 4, msg::peek)), 4);
        CHECK_EQ(try_now(op::recv(pair.near, got, 4)), 4);
        CHECK_EQ(wait_for(op::recv_all(pair.near, got + 3, 7), 1), 6);
        CHECK_BYTES(got, "0123456789", 10);
        CHECK_EQ(try_now(op::send_all(pair.near, "abcdef", 6), 2), 4);
        CHECK_READS(pair.far, "cdef");
        static u8 data[64 * 1024];
        fill(pair.near, op::send(pair.near, data, sizeof(data)));
        CHECK_ERRNO(wait_for(op::send(pair.near, data, 1, msg::dontwait)), Errno::eagain);
        CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
        CHECK_EQ(wait_for(op::recv(pair.near, got, 16)), 0);
        CHECK_EQ(try_now(op::recv(pair.near, got, 16)), 0);
        CHECK_EQ(wait_for(op::recv_all(pair.near, got, 16), 3), 0);
    }
}

TEST(perform_recv_send_errors) {
    const NoSigpipe no_sigpipe;
    char got[16] = {};
    abi::IoVec whole = {got, 16};
    abi::MessageHeader message = {}; // with a piece: qemu takes one without for done
    message.vectors = &whole;
    message.vector_count = 1;
    const Fd lonely = make_tcp_socket();
    CHECK_ERRNO(try_now(op::recv(lonely, got, 16)), Errno::enotconn);
    CHECK_ERRNO(try_now(op::recvmsg(lonely, &message)), Errno::enotconn);
    CHECK_ERRNO(try_now(op::send(lonely, got, 16)), Errno::epipe);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(try_now(op::recv(pipe.reader, got, 16)), Errno::enotsock);
    CHECK_ERRNO(try_now(op::send(pipe.writer, got, 16)), Errno::enotsock);
    CHECK_ERRNO(wait_for(op::sendmsg(-1, &message)), Errno::ebadf);
    CHECK_ERRNO(wait_for(op::sendmsg(lonely, nullptr)), Errno::efault);
    CHECK_ERRNO(wait_for(op::recvmsg(lonely, nullptr)), Errno::efault);
    for (u32 which = 0; which < 4; ++which) {
        SocketPair pair = make_pair(which);
        CHECK_OK(kernel::shutdown(pair.near, abi::shutdown_how::write));
        abi::IoVec piece = {got, 16};
        message.vectors = &piece;
        message.vector_count = 1;
        const Operation kinds[] = {
            op::send(pair.near, got, 16),           op::send_all(pair.near, got, 16),
            op::send_zero_copy(pair.near, got, 16), op::sendmsg(pair.near, &message),
            op::sendmsg_all(pair.near, &message),   op::sendmsg_zero_copy(pair.near, &message)};
        for (const Operation& operation : kinds) {
            for (const Patience patience : every_patience) {
                CHECK_ERRNO(perform_with(patience, operation), Errno::epipe);
                CHECK_ERRNO(
                    perform_with(patience, operation, transfers_all(operation.kind) ? 3 : 0),
                    Errno::epipe);
            }
        }
    }
    // A datagram that was refused, and one that is too long.
    const BoundSocket receiver = make_bound_socket(type::datagram);
    BoundSocket gone = make_bound_socket(type::datagram);
    CHECK_OK(kernel::connect(receiver.fd, &gone.address, sizeof(gone.address)));
    gone.fd.close();
    CHECK_EQ(try_now(op::send(receiver.fd, got, 16)), 16);
    CHECK_ERRNO(wait_for(op::recv(receiver.fd, got, 16)), Errno::econnrefused);
    static u8 data[70000];
    CHECK_ERRNO(try_now(op::send(receiver.fd, data, sizeof(data))), Errno::emsgsize);
}

VARIANT_TEST(perform_packet_socket, old_kernels) {
    const Pretend pretend(row);
    const i32 fd = kernel::socket(abi::socket_family::packet, type::datagram | type::cloexec, 0);
    if (fd < 0) {
        SKIP("no packet sockets, or not allowed");
    }
    const Fd packets(fd);
    char got[16];
    // It refuses receive flags that others leave alone.
    CHECK_ERRNO(try_now(op::recv(packets, got, 16)), Errno::eagain);
    CHECK_ERRNO(try_now(op::read(packets, got, 16)), Errno::eagain);
}

void send_one(i32 fd) noexcept {
    CHECK_EQ(kernel::send(fd, "1", 1, 0), 1);
}
void receive_much(i32 fd) noexcept {
    static u8 data[1024 * 1024];
    for (u32 i = 0; i < 100000; ++i) {
        // What was sent may still be on its way.
        abi::PollFd poll = {fd, abi::poll_event::in, 0};
        const abi::Timespec patience = {1, 0};
        if (kernel::ppoll(&poll, 1, &patience) != 1 ||
            kernel::recv(fd, data, sizeof(data), msg::dontwait) < 0) {
            return;
        }
    }
}

TEST(perform_socket_waits_for_what_does_not) {
    for (u32 which = 1; which < 4; which += 2) {
        const SocketPair pair = make_pair(which);
        char got[4] = {};
        interrupt_call(number::recvfrom, 1, 2);
        Later send(send_one, pair.far);
        CHECK_EQ(wait_for(op::recv(pair.near, got, 4)), 1);
        send.join();
        CHECK_EQ(faults_hit(), 2u);
        clear_faults();
        static u8 data[64 * 1024];
        interrupt_call(number::sendto, 1, 2);
        fill(pair.near, op::send(pair.near, data, sizeof(data)));
        Later receive(receive_much, pair.far);
        CHECK_GT(wait_for(op::send(pair.near, data, sizeof(data))), 0);
        receive.join();
        CHECK_EQ(faults_hit(), 2u);
        clear_faults();
    }
}

TEST(perform_waits_for_a_local_receiver_with_room) {
    // A socket that is not connected is writable for poll while it has room itself, whatever the
    // receiver has; so poll alone would spin.
    char data = 'x';
    abi::SocketAddressUn address = {};
    address.family = static_cast<u16>(abi::socket_family::local);
    const i32 pid = kernel::getpid();
    __builtin_memcpy(address.path + 1, &pid, sizeof(pid));
    const Fd receiver(CHECK_OK(kernel::socket(address.family, type::datagram, 0)));
    CHECK_OK(kernel::bind(receiver, &address, 16));
    const Fd sender(CHECK_OK(kernel::socket(address.family, type::datagram | type::nonblock, 0)));
    abi::IoVec piece = {&data, 1};
    abi::MessageHeader message = {};
    message.name = &address;
    message.name_bytes = 16;
    message.vectors = &piece;
    message.vector_count = 1;
    i32 sent = 0;
    for (u32 i = 0; i < 10000 && sent >= 0; ++i) {
        sent = try_now(op::sendmsg(sender, &message));
    }
    CHECK_ERRNO(sent, Errno::eagain);
    reset_calls();
    Later receive(receive_much, receiver);
    CHECK_EQ(wait_for(op::sendmsg(sender, &message)), 1);
    receive.join();
    CHECK_LT(calls_made(number::sendmsg), 100u);
}

// ---- Messages -----------------------------------------------------------------------------------

TEST(perform_messages) {
    const BoundSocket receiver = make_bound_socket(type::datagram);
    BoundSocket sender = make_bound_socket(type::datagram);
    char text[] = "0123456789";
    abi::IoVec out[] = {{text, 4}, {text + 4, 6}};
    abi::MessageHeader message = {};
    abi::SocketAddressIn to = receiver.address;
    message.name = &to;
    message.name_bytes = sizeof(to);
    message.vectors = out;
    message.vector_count = 2;
    char got[16] = {};
    abi::IoVec in[] = {{got, 3}, {got + 3, 13}};
    abi::SocketAddressIn from = {};
    abi::MessageHeader answer = {};
    answer.vectors = in;
    answer.vector_count = 2;
    CHECK_ERRNO(try_now(op::recvmsg(receiver.fd, &answer)), Errno::eagain);
    CHECK_ERRNO(wait_for(op::recvmsg(receiver.fd, &answer, msg::dontwait)), Errno::eagain);
    const Operation kinds[] = {op::sendmsg(sender.fd, &message),
                               op::sendmsg_all(sender.fd, &message),
                               op::sendmsg_zero_copy(sender.fd, &message)};
    for (const Operation& operation : kinds) {
        for (const Patience patience : every_patience) {
            answer.name = &from;
            answer.name_bytes = sizeof(from);
            CHECK_EQ(perform_with(patience, operation), 10);
            CHECK_EQ(perform_with(patience, op::recvmsg(receiver.fd, &answer)), 10);
            CHECK_BYTES(got, text, 10);
            CHECK_EQ(answer.name_bytes, sizeof(from));
            CHECK_EQ(from.port, sender.address.port);
        }
    }
    if (!is_emulated()) { // qemu makes no call for a message without pieces
        message.vector_count = 0;
        CHECK_EQ(try_now(op::sendmsg(sender.fd, &message)), 0);
        CHECK_EQ(try_now(op::recvmsg(receiver.fd, &answer)), 0); // empty, and no end
    }
    CHECK_ERRNO(try_now(op::recvmsg(receiver.fd, &answer)), Errno::eagain);
    interrupt_call(number::sendmsg);
    interrupt_call(number::recvmsg);
    message.vector_count = 1;
    CHECK_EQ(wait_for(op::sendmsg(sender.fd, &message)), 4);
    CHECK_EQ(wait_for(op::recvmsg(receiver.fd, &answer)), 4);
    CHECK_EQ(faults_hit(), 2u);
}

TEST(perform_message_steps) {
    // From each byte on: the rest of the piece in which it lies.
    char text[] = "0123456789";
    abi::IoVec pieces[] = {{nullptr, 0}, {text, 3}, {nullptr, 0}, {text + 3, 4}, {text + 7, 3}};
    constexpr u32 ends[] = {3, 7, 10};
    abi::MessageHeader out = {};
    out.vectors = pieces;
    out.vector_count = 5;
    char got[10] = {};
    abi::IoVec room[] = {{got, 3}, {nullptr, 0}, {got + 3, 4}, {got + 7, 3}};
    abi::MessageHeader in = {};
    in.vectors = room;
    in.vector_count = 4;
    for (u32 which = 0; which < 4; ++which) {
        const SocketPair pair = make_pair(which);
        for (u32 done = 0; done < 10; ++done) {
            const u32 end = done == 0 ? 10 : done < 3 ? ends[0] : done < 7 ? ends[1] : ends[2];
            const i32 step = static_cast<i32>(end - done);
            __builtin_memset(got, '-', sizeof(got));
            CHECK_EQ(wait_for(op::sendmsg_all(pair.near, &out), done), step);
            if (end < 10) {
                // More follows, and what was held back for it comes with it.
                CHECK_EQ(kernel::send(pair.near, "", 0, 0), 0);
                CHECK_EQ(kernel::send(pair.near, "x", 1, 0), 1);
            }
            CHECK_EQ(wait_for(op::recvmsg_all(pair.far, &in, msg::waitall), done), step);
            CHECK_BYTES(got + done, text + done, static_cast<u32>(step));
            if (end < 10) {
                CHECK_READS(pair.far, "x");
            }
            CHECK_ERRNO(try_now(op::recvmsg_all(pair.far, &in), done), Errno::eagain);
        }
    }
}

[[nodiscard]] i32 complete(const Operation& operation) noexcept {
    Completion completion = made(operation);
    for (;;) {
        const i32 step = perform(completion, Patience::blocks);
        CHECK_OK(step);
        completion.value += step;
        if (!wants_more(completion, step, static_cast<u32>(completion.value))) {
            return completion.value;
        }
    }
}

struct Flood {
    i32 fd;
    i32 sent;
    u8* data;
    u32 bytes;
};

void send_flood(void* flood_) noexcept {
    Flood& flood = *static_cast<Flood*>(flood_);
    abi::IoVec pieces[] = {{flood.data, 100001},
                           {nullptr, 0},
                           {flood.data + 100001, 3},
                           {flood.data + 100004, flood.bytes - 100004}};
    abi::MessageHeader message = {};
    message.vectors = pieces;
    message.vector_count = 4;
    flood.sent = complete(op::sendmsg_all(flood.fd, &message));
}

TEST(perform_all_of_much) {
    constexpr u32 bytes = 3 * 1024 * 1024;
    static u8 data[bytes];
    static u8 got[bytes];
    Random random;
    random.fill(data, bytes);
    for (u32 which = 0; which < 4; ++which) {
        const SocketPair pair = make_pair(which);
        Flood flood = {pair.near, 0, data, bytes};
        __builtin_memset(got, 0, bytes);
        Thread thread(send_flood, &flood);
        if (which % 2 == 0) {
            CHECK_EQ(complete(op::recv_all(pair.far, got, bytes)), bytes);
        } else {
            abi::IoVec pieces[] = {{got, 77777}, {got + 77777, 5}, {got + 77782, bytes - 77782}};
            abi::MessageHeader message = {};
            message.vectors = pieces;
            message.vector_count = 3;
            CHECK_EQ(complete(op::recvmsg_all(pair.far, &message)), bytes);
        }
        thread.join();
        CHECK_EQ(flood.sent, bytes);
        CHECK_BYTES(got, data, bytes);
    }
}

// ---- Into buffers -------------------------------------------------------------------------------

TEST(perform_recv_into_a_buffer) {
    BufferPool pool; // not looked at
    for (u32 which = 0; which < 4; ++which) {
        SocketPair pair = make_pair(which);
        char got[8] = {};
        const Operation kinds[] = {op::recv(pair.near, pool), op::recv_multishot(pair.near, pool)};
        for (const Operation& operation : kinds) {
            const Completion completion = made(operation);
            CHECK_ERRNO(perform_into(completion, got, 8, Patience::none), Errno::eagain);
            write_text(pair.far, "0123456789");
            CHECK_EQ(perform_into(completion, got, 8, Patience::none), 8);
            CHECK_BYTES(got, "01234567", 8);
            CHECK_EQ(perform_into(completion, got, 8, Patience::blocks), 2);
            CHECK_BYTES(got, "89", 2);
            CHECK_ERRNO(perform(completion, Patience::none), Errno::einval);
        }
        pair.far.close();
        CHECK_EQ(perform_into(made(kinds[0]), got, 8, Patience::none), 0);
    }
}

/// Two datagram sockets, of which the second asks for control messages.
struct Datagrams {
    BoundSocket from = make_bound_socket(type::datagram);
    BoundSocket to = make_bound_socket(type::datagram);

    Datagrams() noexcept {
        const i32 on = 1;
        CHECK_OK(kernel::setsockopt(to.fd, abi::socket_level::ip, abi::ip_option::packet_info, &on,
                                    sizeof(on)));
    }
    void send(const char* text) noexcept {
        const u32 bytes = length_of(text);
        CHECK_EQ(kernel::sendto(from.fd, text, bytes, 0, &to.address, sizeof(to.address)), bytes);
        // On a busy machine the loopback device delivers later than that, in a thread of its own.
        abi::PollFd arrived = {to.fd, abi::poll_event::in, 0};
        CHECK_EQ(kernel::ppoll(&arrived, 1, nullptr), 1);
    }
};

[[nodiscard]] i32 receive_into(i32 fd, void* buffer, u32 bytes, abi::MessageHeader& message,
                               u32 flags = 0) noexcept {
    BufferPool pool; // not looked at
    const Completion completion = made(op::recvmsg_multishot(fd, pool, &message, flags));
    return perform_into(completion, buffer, bytes, Patience::none);
}

constexpr u32 control_room = static_cast<u32>(abi::control_space(sizeof(abi::Ipv4PacketInfo)));

TEST(perform_recvmsg_into_a_buffer) {
    Datagrams sockets;
    alignas(8) u8 buffer[256];
    abi::MessageHeader message = {};
    message.name_bytes = sizeof(abi::SocketAddressIn);
    message.control_bytes = control_room;
    const RecvmsgRoom room = {sizeof(abi::SocketAddressIn), control_room};
    ReceivedMessage received;
    CHECK_ERRNO(receive_into(sockets.to.fd, buffer, sizeof(buffer), message), Errno::eagain);
    sockets.send("0123456789");
    const i32 bytes = receive_into(sockets.to.fd, buffer, sizeof(buffer), message);
    CHECK_EQ(bytes, sizeof(abi::RecvmsgOut) + sizeof(abi::SocketAddressIn) + control_room + 10);
    CHECK(read_recvmsg_out(buffer, bytes, room, received));
    CHECK_EQ(received.name_bytes, sizeof(abi::SocketAddressIn));
    CHECK_BYTES(received.name, &sockets.from.address, 8);
    CHECK_EQ(received.payload_bytes, 10u);
    CHECK_BYTES(received.payload, "0123456789", 10);
    CHECK(!received.truncated());
    CHECK(!received.control_truncated());
    u32 controls = 0;
    for (const ControlMessage& control : received.control_messages()) {
        CHECK_EQ(control.level, abi::socket_level::ip);
        CHECK_EQ(control.type, abi::ip_option::packet_info);
        CHECK_EQ(control.bytes, sizeof(abi::Ipv4PacketInfo));
        ++controls;
    }
    CHECK_EQ(controls, 1u);
    // An empty datagram is a message too.
    sockets.send("");
    const i32 empty = receive_into(sockets.to.fd, buffer, sizeof(buffer), message);
    CHECK(read_recvmsg_out(buffer, empty, room, received));
    CHECK_EQ(received.payload_bytes, 0u);
    CHECK_EQ(received.name_bytes, sizeof(abi::SocketAddressIn));
}

TEST(perform_recvmsg_into_a_buffer_too_small) {
    Datagrams sockets;
    u8 buffer[256];
    abi::MessageHeader message = {};
    message.name_bytes = 100;
    message.control_bytes = 100;
    CHECK_ERRNO(receive_into(sockets.to.fd, buffer, 215, message), Errno::emsgsize);
    message.control_bytes = ~usize{0};
    CHECK_ERRNO(receive_into(sockets.to.fd, buffer, 256, message), Errno::emsgsize);
    message.control_bytes = 0;
    message.name_bytes = 0x7fffffff;
    CHECK_ERRNO(receive_into(sockets.to.fd, buffer, 256, message), Errno::emsgsize);
    message.name_bytes = -1;
    CHECK_ERRNO(receive_into(sockets.to.fd, buffer, 256, message), Errno::einval);
    // Just the room is enough for an empty payload, and cuts off any other.
    message.name_bytes = 100;
    message.control_bytes = 100;
    sockets.send("text");
    const i32 bytes = receive_into(sockets.to.fd, buffer, 216, message);
    CHECK_EQ(bytes, 216);
    ReceivedMessage received;
    CHECK(read_recvmsg_out(buffer, bytes, {100, 100}, received));
    CHECK(received.truncated());
    CHECK_EQ(received.payload_bytes, 0u);
}

/// What one message looks like in a buffer.
struct Shape {
    const char* name;
    u32 name_room;
    u32 control_room;
    u32 buffer_bytes;
    u32 flags;
    const char* text;
};
constexpr Shape shapes[] = {
    {"all", 16, control_room, 256, 0, "0123456789"},
    {"no_room_asked", 0, 0, 64, 0, "0123456789"},
    {"name_only", 16, 0, 64, 0, "0123456789"},
    {"control_only", 0, control_room, 128, 0, "0123456789"},
    {"longer_name_room", 128, 0, 256, 0, "0123456789"},
    {"name_cut", 5, 0, 64, 0, "0123456789"},
    {"control_cut", 16, 20, 128, 0, "0123456789"},
    {"payload_cut", 16, 0, 36, 0, "0123456789"},
    {"payload_cut_and_told", 16, 0, 36, abi::msg_flag::truncated, "0123456789"},
    {"no_payload_room", 16, 0, 32, 0, "0123456789"},
    {"control_closes_on_exec", 16, control_room, 256, abi::msg_flag::control_cloexec, "text"},
};

VARIANT_TEST(perform_recvmsg_as_the_ring_does, shapes) {
    need_rings();
    SKIP_WITHOUT("multishot receives");
    Datagrams sockets;
    Ring ring;
    CHECK_OK(ring.open({.entries = 4}));
    u8 ours[256];
    __builtin_memset(ours, 0, sizeof(ours));
    abi::MessageHeader message = {};
    message.name_bytes = static_cast<i32>(row.name_room);
    message.control_bytes = row.control_room;
    sockets.send(row.text);
    const i32 bytes =
        CHECK_OK(receive_into(sockets.to.fd, ours, row.buffer_bytes, message, row.flags));
    {
        PlainBufferRing buffers(ring, 1, 1, row.buffer_bytes);
        sockets.send(row.text);
        const Cqe cqe = run(ring, [&](Sqe& s) {
            prep::recvmsg_multishot(s, sockets.to.fd, &message, 1, {.flags = row.flags});
        });
        CHECK_EQ(bytes, cqe.result);
        const u8* const theirs = buffers.data_of(cqe);
        ReceivedMessage a;
        ReceivedMessage b;
        const RecvmsgRoom room = {row.name_room, row.control_room};
        CHECK(read_recvmsg_out(ours, bytes, room, a));
        CHECK(read_recvmsg_out(theirs, cqe.result, room, b));
        CHECK_BYTES(ours, theirs, sizeof(abi::RecvmsgOut));
        CHECK_BYTES(a.name, b.name, a.name_bytes);
        CHECK_BYTES(a.control, b.control, a.control_bytes);
        CHECK_BYTES(a.payload, b.payload, b.payload_bytes);
        CHECK_EQ(a.payload_bytes, b.payload_bytes);
    }
    ring.close();
}

} // namespace
} // namespace oxbow::test
