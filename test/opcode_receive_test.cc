// Every operation that receives, for real on loopback: plain, messages, multishot, bundles, and the
// refusal of zero-copy receive where there is no queue of a network card.
#include "live_ring.h"

#include "../uring/recvmsg_out.h"

namespace oxbow::test {
namespace {

namespace flag = abi::msg_flag;
namespace type = abi::socket_type;

OPERATION_TEST(op_recv) {
    SocketPair pair = make_tcp_pair();
    char got[16] = {};
    queue(ring, 1, [&](Sqe& s) { prep::recv(s, pair.far, got, 16); });
    submit_all(ring, 1);
    CHECK(is_quiet(ring));
    write_text(pair.near, "0123456789");
    CHECK_EQ(next_of(ring, 1).result, 10);
    CHECK_BYTES(got, "0123456789", 10);
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::recv(s, pair.far, got, 16, {.flags = flag::dontwait}); }),
        Errno::eagain);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::recv(s, 9999, got, 16); }), Errno::ebadf);
    const Fd lonely = make_tcp_socket();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::recv(s, lonely, got, 16); }), Errno::enotconn);
    pair.near.close();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::recv(s, pair.far, got, 16); }), 0);
}

OPERATION_TEST(op_recv_flags) {
    const SocketPair pair = make_tcp_pair();
    char got[16] = {};
    write_text(pair.near, "0123456789");
    const Cqe peeked =
        run(ring, [&](Sqe& s) { prep::recv(s, pair.far, got, 4, {.flags = flag::peek}); });
    CHECK_EQ(peeked.result, 4);
    const Cqe part = run(ring, [&](Sqe& s) { prep::recv(s, pair.far, got, 4); });
    CHECK_EQ(part.result, 4);
    CHECK_BYTES(got, "0123", 4);
    CHECK_EQ((part.flags & abi::cqe_flag::sock_nonempty) != 0, kernel_at_least(5, 19));
    // waitall waits for the other half.
    queue(ring, 1, [&](Sqe& s) {
        prep::recv(s, pair.far, got, 10,
                   {.flags = flag::waitall, .poll_first = kernel_at_least(5, 19)});
    });
    submit_all(ring, 1);
    write_text(pair.near, "abcd");
    CHECK_EQ(next_of(ring, 1).result, 10);
    CHECK_BYTES(got, "456789abcd", 10);
}

OPERATION_TEST(op_recv_into_selected_buffer) {
    SKIP_WITHOUT("buffer rings");
    const SocketPair pair = make_tcp_pair();
    PlainBufferRing buffers(ring, 2, 2, 8);
    write_text(pair.near, "0123456789");
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = run(ring, [&](Sqe& s) {
            prep::recv(s, pair.far, nullptr, i == 0 ? 6 : 0);
            prep::select_buffer(s, 2);
        });
        CHECK_EQ(cqe.result, i == 0 ? 6 : 4);
        CHECK_BYTES(buffers.data_of(cqe), i == 0 ? "012345" : "6789", static_cast<u32>(cqe.result));
    }
    write_text(pair.near, "x");
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::recv(s, pair.far, nullptr, 0);
                               prep::select_buffer(s, 2);
                           }),
                Errno::enobufs);
}

OPERATION_TEST(op_recv_multishot) {
    SKIP_WITHOUT("multishot receives");
    SocketPair pair = make_tcp_pair();
    PlainBufferRing buffers(ring, 2, 4, 8);
    queue(ring, 1, [&](Sqe& s) { prep::recv_multishot(s, pair.far, 2); });
    submit_all(ring, 1);
    for (u32 round = 0; round < 6; ++round) {
        char text[] = "round 0";
        text[6] = static_cast<char>('0' + round);
        write_text(pair.near, text);
        const Cqe cqe = next_of(ring, 1);
        CHECK(cqe.more());
        CHECK_EQ(cqe.result, 7);
        CHECK_BYTES(buffers.data_of(cqe), text, 7);
        buffers.give(cqe.buffer_id());
    }
    pair.near.close();
    const Cqe last = next_of(ring, 1);
    CHECK_EQ(last.result, 0);
    CHECK(!last.more());
}

OPERATION_TEST(op_recv_multishot_ends_without_buffers) {
    SKIP_WITHOUT("multishot receives");
    const SocketPair pair = make_socket_pair(type::datagram);
    PlainBufferRing buffers(ring, 2, 2, 8);
    queue(ring, 1, [&](Sqe& s) { prep::recv_multishot(s, pair.far, 2); });
    submit_all(ring, 1);
    for (u32 i = 0; i < 3; ++i) {
        write_text(pair.near, "datagram");
    }
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next_of(ring, 1);
        CHECK(cqe.more());
        CHECK_EQ(cqe.result, 8);
    }
    const Cqe last = next_of(ring, 1);
    CHECK_ERRNO(last.result, Errno::enobufs);
    CHECK(!last.more());
    CHECK(!last.has_buffer());
    buffers.give(0);
    buffers.give(1); // or it would end at once, for want of a buffer to wait with
    queue(ring, 2, [&](Sqe& s) { prep::recv_multishot(s, pair.far, 2); });
    CHECK_EQ(next_of(ring, 2).result, 8); // nothing is lost
    queue(ring, 3, [](Sqe& s) { prep::async_cancel(s, 2); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, cqe.user_data == 3 ? 0 : -Errno::ecanceled);
    }
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::recv_multishot(s, pair.far, 2, {.flags = flag::waitall}); }),
        Errno::einval);
}

OPERATION_TEST(op_recv_multishot_limits) {
    SKIP_WITHOUT("limits of multishot receives");
    const SocketPair pair = make_tcp_pair();
    PlainBufferRing buffers(ring, 2, 8, 16);
    write_text(pair.near, "0123456789");
    queue(ring, 1, [&](Sqe& s) {
        prep::recv_multishot(s, pair.far, 2, {.bytes_each = 3, .bytes_total = 7});
    });
    const char* const expected = "0123456789";
    u32 total = 0;
    bool more = true;
    while (more) {
        const Cqe cqe = next_of(ring, 1);
        CHECK_OK(cqe.result);
        CHECK_LE(cqe.result, 3);
        CHECK_BYTES(buffers.data_of(cqe), expected + total, static_cast<u32>(cqe.result));
        total += static_cast<u32>(cqe.result);
        more = cqe.more();
    }
    CHECK_GE(total, 7u); // the last one is not cut
    CHECK_LT(total, 7u + 3u);
}

/// Reaps bundles until all of `text` has come, over buffers of 4 bytes that are used in order from
/// `next_id` on. Returns how many buffers the largest bundle filled.
u32 reap_bundles(Ring& ring, PlainBufferRing& buffers, const char* text, u32 next_id) noexcept {
    u32 largest = 0;
    const u32 length = length_of(text);
    for (u32 at = 0; at < length;) {
        const Cqe cqe = next(ring);
        CHECK_GT(cqe.result, 0);
        CHECK_EQ(cqe.buffer_id(), next_id);
        u32 filled = 0;
        for (u32 left = static_cast<u32>(cqe.result); left != 0; ++filled) {
            const u32 part = left < 4 ? left : 4;
            CHECK_BYTES(buffers.buffer(next_id), text + at, part);
            buffers.give(static_cast<u16>(next_id));
            next_id = (next_id + 1) % 8;
            at += part;
            left -= part;
        }
        largest = filled > largest ? filled : largest;
        if (!cqe.more() && at < length) {
            queue(ring, 1, [&](Sqe& s) { prep::recv_bundle(s, 0, 2), prep::fixed_file(s); });
        }
    }
    return largest;
}

OPERATION_TEST(op_recv_bundle) {
    SKIP_WITHOUT("bundles");
    if (kernel_at_least(6, 16) && !kernel_at_least(6, 17)) {
        SKIP("bundles of another length than told: mended in Linux 6.17");
    }
    const SocketPair pair = make_tcp_pair();
    const i32 fds[1] = {pair.far};
    register_files(ring, fds, 1);
    PlainBufferRing buffers(ring, 2, 8, 4);
    write_text(pair.near, "0123456789abcdef");
    queue(ring, 1, [&](Sqe& s) { prep::recv_bundle(s, pair.far, 2); });
    CHECK_GT(reap_bundles(ring, buffers, "0123456789abcdef", 0), 1u);
    queue(ring, 1, [&](Sqe& s) { prep::recv_bundle(s, pair.far, 2, 3); }); // no more than 3 bytes
    submit_all(ring, 1);
    write_text(pair.near, "rest");
    const Cqe limited = next_of(ring, 1);
    CHECK_EQ(limited.result, 3);
    CHECK_BYTES(buffers.data_of(limited), "res", 3);
}

OPERATION_TEST(op_recv_multishot_bundle) {
    SKIP_WITHOUT("bundles");
    const SocketPair pair = make_tcp_pair();
    PlainBufferRing buffers(ring, 2, 8, 4);
    queue(ring, 1, [&](Sqe& s) { prep::recv_multishot(s, pair.far, 2, {.bundle = true}); });
    submit_all(ring, 1);
    CHECK(is_quiet(ring));
    write_text(pair.near, "0123456789abcdef");
    CHECK_GT(reap_bundles(ring, buffers, "0123456789abcdef", 0), 1u);
    queue(ring, 0, [](Sqe& s) { prep::async_cancel(s, 1); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe end = next(ring);
        CHECK_EQ(end.result, end.user_data == 0 ? 0 : -Errno::ecanceled);
    }
}

// ---- Messages -----------------------------------------------------------------------------------

OPERATION_TEST(op_recvmsg) {
    const BoundSocket from = make_bound_socket(type::datagram);
    const BoundSocket to = make_bound_socket(type::datagram);
    char head[4] = {};
    char tail[4] = {};
    abi::IoVec pieces[2] = {{head, 4}, {tail, 4}};
    abi::SocketAddressIn sender = {};
    abi::MessageHeader message = {};
    message.name = &sender;
    message.name_bytes = sizeof(sender);
    message.vectors = pieces;
    message.vector_count = 2;
    queue(ring, 1, [&](Sqe& s) { prep::recvmsg(s, to.fd, &message); });
    submit_all(ring, 1);
    CHECK_EQ(kernel::sendto(from.fd, "0123456789", 10, 0, &to.address, sizeof(to.address)), 10);
    CHECK_EQ(next_of(ring, 1).result, 8);
    CHECK_BYTES(head, "0123", 4);
    CHECK_BYTES(tail, "4567", 4);
    CHECK_NE(message.flags & flag::truncated, 0u);
    CHECK_EQ(message.name_bytes, sizeof(sender));
    CHECK_EQ(sender.port, from.address.port);
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::recvmsg(s, to.fd, &message, {.flags = flag::dontwait}); }),
        Errno::eagain);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::recvmsg(s, to.fd, nullptr); }), Errno::efault);
}

OPERATION_TEST(op_recvmsg_multishot) {
    SKIP_WITHOUT("multishot receives");
    const BoundSocket from = make_bound_socket(type::datagram);
    const BoundSocket to = make_bound_socket(type::datagram);
    constexpr i32 on = 1;
    CHECK_OK(kernel::setsockopt(to.fd, abi::socket_level::ip, abi::ip_option::packet_info, &on,
                                sizeof(on)));
    constexpr RecvmsgRoom room = {sizeof(abi::SocketAddressIn),
                                  abi::control_space(sizeof(abi::Ipv4PacketInfo))};
    constexpr u32 payload_room = 8;
    constexpr u32 bytes_each =
        sizeof(abi::RecvmsgOut) + room.name_bytes + room.control_bytes + payload_room;
    PlainBufferRing buffers(ring, 2, 2, bytes_each);
    abi::MessageHeader message = {};
    message.name_bytes = room.name_bytes;
    message.control_bytes = room.control_bytes;
    queue(ring, 1, [&](Sqe& s) {
        prep::recvmsg_multishot(s, to.fd, &message, 2, {.flags = flag::truncated});
    });
    submit_all(ring, 1);
    const char* const texts[] = {"short", "exactly8", "longer than eight"};
    for (const char* text : texts) {
        const u32 length = length_of(text);
        CHECK_EQ(kernel::sendto(from.fd, text, length, 0, &to.address, sizeof(to.address)),
                 static_cast<long>(length));
        const Cqe cqe = next_of(ring, 1);
        CHECK(cqe.more());
        ReceivedMessage got;
        CHECK(read_recvmsg_out(buffers.data_of(cqe), cqe.result, room, got));
        const u32 kept = length < payload_room ? length : payload_room;
        CHECK_EQ(got.payload_bytes, kept);
        CHECK_EQ(got.payload_bytes_full, length);
        CHECK_EQ(got.truncated(), length > payload_room);
        CHECK_BYTES(got.payload, text, kept);
        abi::SocketAddressIn sender = {};
        CHECK_EQ(got.name_bytes, sizeof(sender));
        __builtin_memcpy(&sender, got.name, sizeof(sender));
        CHECK_EQ(sender.port, from.address.port);
        u32 controls = 0;
        for (const ControlMessage& control : got.control_messages()) {
            CHECK_EQ(control.level, abi::socket_level::ip);
            CHECK_EQ(control.type, abi::ip_option::packet_info);
            abi::Ipv4PacketInfo info = {};
            CHECK_EQ(control.bytes, sizeof(info));
            __builtin_memcpy(&info, control.data, sizeof(info));
            CHECK_EQ(info.destination, abi::ipv4_loopback);
            ++controls;
        }
        CHECK_EQ(controls, 1u);
        CHECK(!got.control_truncated());
        buffers.give(cqe.buffer_id());
    }
    queue(ring, 0, [](Sqe& s) { prep::async_cancel(s, 1); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, cqe.user_data == 0 ? 0 : -Errno::ecanceled);
    }
}

OPERATION_TEST(op_recvmsg_multishot_with_too_little_room) {
    SKIP_WITHOUT("multishot receives");
    const SocketPair pair = make_socket_pair(type::datagram);
    PlainBufferRing buffers(ring, 2, 2, 16);
    abi::MessageHeader message = {};
    message.name_bytes = 16;
    write_text(pair.near, "x");
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::recvmsg_multishot(s, pair.far, &message, 2); }),
        Errno::efault);
}

// ---- Zero-copy receive --------------------------------------------------------------------------

OPERATION_TEST(op_recv_zc_is_refused_without_a_queue) {
    SKIP_WITHOUT("rings with deferred work");
    // What it takes is a network card with a queue to spare; what every machine has is its refusal.
    const SocketPair pair = make_tcp_pair();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::recv_zc(s, pair.far, {}); }), Errno::einval);
    LiveRing big(
        {.entries = 4,
         .flags = abi::setup::single_issuer | abi::setup::defer_taskrun | abi::setup::cqe32});
    CHECK_ERRNO(
        run_result(*big, [&](Sqe& s) { prep::recv_zc(s, pair.far, {.interface_queue = 5}); }),
        Errno::einval);
}

} // namespace
} // namespace oxbow::test
