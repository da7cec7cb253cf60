// Every operation that sends, for real on loopback: plain, to an address, from vectors, from a
// buffer ring, and without copying.
#include "live_ring.h"

namespace oxbow::test {
namespace {

namespace flag = abi::msg_flag;
namespace type = abi::socket_type;

OPERATION_TEST(op_send) {
    SocketPair pair = make_tcp_pair();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::send(s, pair.near, "plain", 5); }), 5);
    CHECK_READS(pair.far, "plain");
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::send(
                                s, pair.near, "later", 5,
                                {.flags = flag::waitall, .poll_first = kernel_at_least(5, 19)});
                        }),
             5);
    CHECK_READS(pair.far, "later");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::send(s, 9999, "x", 1); }), Errno::ebadf);
    const Fd file = make_file();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::send(s, file, "x", 1); }), Errno::enotsock);
    const Fd lonely = make_tcp_socket();
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::send(s, lonely, "x", 1, {.flags = flag::nosignal}); }),
        Errno::epipe);
    CHECK_OK(kernel::shutdown(pair.near, abi::shutdown_how::write));
    // Without nosignal: the kernel adds it, or SIGPIPE would end this process.
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::send(s, pair.near, "x", 1); }), Errno::epipe);
}

OPERATION_TEST(op_send_short_and_whole) {
    const SocketPair pair = make_socket_pair();
    static char data[1 << 20]; // more than the socket takes at once
    const i32 dont_wait = run_result(ring, [&](Sqe& s) {
        prep::send(s, pair.near, data, sizeof(data), {.flags = flag::dontwait});
    });
    CHECK_GT(dont_wait, 0);
    CHECK_LT(dont_wait, static_cast<i32>(sizeof(data)));
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::send(s, pair.near, data, sizeof(data),
                                          {.flags = flag::dontwait});
                           }),
                Errno::eagain);
    // With waitall one entry sends all of it, while the other side reads.
    queue(ring, 1,
          [&](Sqe& s) { prep::send(s, pair.near, data, sizeof(data), {.flags = flag::waitall}); });
    submit_all(ring, 1);
    usize left = sizeof(data) + static_cast<u32>(dont_wait);
    static char sink[1 << 16];
    while (left != 0) {
        const usize room = left < sizeof(sink) ? left : sizeof(sink);
        const long got = CHECK_OK(kernel::recv(pair.far, sink, room, 0));
        CHECK_GT(got, 0);
        left -= static_cast<usize>(got);
    }
    CHECK_EQ(next_of(ring, 1).result, static_cast<i32>(sizeof(data)));
}

OPERATION_TEST(op_sendto) {
    SKIP_WITHOUT("sends with an address");
    const BoundSocket from = make_bound_socket(type::datagram);
    const BoundSocket to = make_bound_socket(type::datagram);
    const prep::Destination destination = {&to.address, sizeof(to.address)};
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::sendto(s, from.fd, "datagram", 8, destination); }), 8);
    abi::SocketAddressIn sender = {};
    u32 bytes = sizeof(sender);
    char got[16] = {};
    CHECK_EQ(kernel::recvfrom(to.fd, got, sizeof(got), 0, &sender, &bytes), 8);
    CHECK_STREQ(got, "datagram");
    CHECK_EQ(sender.port, from.address.port);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::send(s, from.fd, "x", 1); }),
                Errno::edestaddrreq);
    static char large[70000];
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::sendto(s, from.fd, large, sizeof(large), destination); }),
        Errno::emsgsize);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::sendto(s, from.fd, "x", 1, {&to.address, 4}); // too short
                           }),
                Errno::einval);
}

OPERATION_TEST(op_send_vectorized) {
    SKIP_WITHOUT("sends from a vector");
    const SocketPair pair = make_tcp_pair();
    char one[] = "one ";
    char two[] = "two";
    const abi::IoVec pieces[2] = {{one, 4}, {two, 3}};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::send_vectorized(s, pair.near, pieces, 2); }), 7);
    CHECK_READS(pair.far, "one two");
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::send_vectorized(s, pair.near, pieces,
                                                     abi::vector_pieces_max + 1);
                           }),
                Errno::einval);
}

OPERATION_TEST(op_send_from_selected_buffers) {
    SKIP_WITHOUT("sends from a buffer group");
    const SocketPair pair = make_tcp_pair();
    PlainBufferRing buffers(ring, 4, 4, 5);
    for (u32 i = 0; i < 4; ++i) {
        __builtin_memset(buffers.buffer(i), static_cast<int>('a' + i), 5);
    }
    const Cqe one = run(ring, [&](Sqe& s) {
        prep::send(s, pair.near, nullptr, 0);
        prep::select_buffer(s, 4);
    });
    CHECK_EQ(one.result, 5);
    CHECK(one.has_buffer());
    CHECK_EQ(one.buffer_id(), 0);
    CHECK_READS(pair.far, "aaaaa");
    const Cqe rest = run(ring, [&](Sqe& s) { prep::send_bundle(s, pair.near, 4); });
    CHECK_EQ(rest.result, 15); // all three in one
    CHECK_EQ(rest.buffer_id(), 1);
    CHECK_READS(pair.far, "bbbbbcccccddddd");
    // Where it has sent all there was, the bundle says so at once or in a completion of its own.
    if (rest.more()) {
        CHECK_ERRNO(next(ring).result, Errno::enobufs);
    }
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::send_bundle(s, pair.near, 4); }),
                Errno::enobufs);
}

/// A message with one vector.
struct Message1 {
    abi::IoVec vector;
    abi::MessageHeader header;

    Message1(const char* text, u32 bytes) noexcept
        : vector{const_cast<char*>(text), bytes}, header{} {
        header.vectors = &vector;
        header.vector_count = 1;
    }
};

OPERATION_TEST(op_sendmsg) {
    const BoundSocket from = make_bound_socket(type::datagram);
    BoundSocket to = make_bound_socket(type::datagram);
    Message1 message("message", 7);
    message.header.name = &to.address;
    message.header.name_bytes = sizeof(to.address);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::sendmsg(s, from.fd, &message.header); }), 7);
    CHECK_READS(to.fd, "message");
    Message1 nowhere("x", 1);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::sendmsg(s, from.fd, &nowhere.header); }),
                Errno::edestaddrreq);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::sendmsg(s, from.fd, nullptr); }),
                Errno::efault);
}

OPERATION_TEST(op_sendmsg_passes_a_descriptor) {
    const SocketPair pair = make_socket_pair();
    Fd file = make_file_with("passed");
    alignas(abi::ControlHeader) u8 control[abi::control_space(sizeof(i32))] = {};
    Message1 message("x", 1);
    message.header.control = control;
    message.header.control_bytes = sizeof(control);
    abi::ControlHeader* const head = abi::first_control(message.header);
    head->bytes = abi::control_length(sizeof(i32));
    head->level = abi::socket_level::socket;
    head->type = abi::control_type::rights;
    const i32 passed = file;
    __builtin_memcpy(head->data(), &passed, sizeof(passed));
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::sendmsg(s, pair.near, &message.header); }), 1);
    file.close();

    char byte;
    Message1 answer(&byte, 1);
    __builtin_memset(control, 0, sizeof(control));
    answer.header.control = control;
    answer.header.control_bytes = sizeof(control);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::recvmsg(s, pair.far, &answer.header,
                                          {.flags = flag::control_cloexec});
                        }),
             1);
    abi::ControlHeader* const got = abi::first_control(answer.header);
    CHECK(got != nullptr);
    CHECK_EQ(got->type, abi::control_type::rights);
    i32 received = -1;
    __builtin_memcpy(&received, got->data(), sizeof(received));
    const Fd owned(received);
    CHECK_CONTENTS(owned, "passed");
    CHECK_EQ(kernel::fcntl(owned, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
}

// ---- Without copying ----------------------------------------------------------------------------

struct ZeroCopied {
    i32 result;
    bool notified;
    u32 usage; ///< result of the notification
};

/// Sends without copying; reaps the notification too, where there will be one.
template <class Prepare>
[[nodiscard]] ZeroCopied send_without_copy(Ring& ring, Prepare prepare) noexcept {
    queue(ring, 3, prepare);
    const Cqe first = next_of(ring, 3);
    CHECK(!first.notification());
    if (!first.more()) {
        return {first.result, false, 0};
    }
    const Cqe second = next_of(ring, 3);
    CHECK(second.notification());
    CHECK(!second.more());
    return {first.result, true, static_cast<u32>(second.result)};
}

OPERATION_TEST(op_send_zc) {
    SKIP_WITHOUT("zero-copy sends");
    const SocketPair pair = make_tcp_pair();
    static const char text[] = "from where it is";
    ZeroCopied sent =
        send_without_copy(ring, [&](Sqe& s) { prep::send_zc(s, pair.near, text, 16); });
    CHECK_EQ(sent.result, 16);
    CHECK(sent.notified);
    CHECK_EQ(sent.usage, 0u);
    CHECK_READS(pair.far, text);
    CHECK_ERRNO(send_without_copy(ring, [&](Sqe& s) { prep::send_zc(s, 9999, text, 16); }).result,
                Errno::ebadf);
    const SocketPair local = make_socket_pair();
    CHECK_ERRNO(
        send_without_copy(ring, [&](Sqe& s) { prep::send_zc(s, local.near, text, 16); }).result,
        Errno::eopnotsupp);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::send_zc(s, pair.near, text, 16);
                               prep::skip_success(s);
                           }),
                Errno::einval);
}

OPERATION_TEST(op_send_zc_reports_usage) {
    SKIP_WITHOUT("usage reports of zero-copy sends");
    const SocketPair pair = make_tcp_pair();
    const ZeroCopied sent = send_without_copy(
        ring, [&](Sqe& s) { prep::send_zc(s, pair.near, "report", 6, {.report_usage = true}); });
    CHECK_EQ(sent.result, 6);
    CHECK(sent.notified);
    CHECK(sent.usage == 0 || sent.usage == abi::notif_usage_zc_copied);
    CHECK_READS(pair.far, "report");
}

OPERATION_TEST(op_send_zc_fixed) {
    SKIP_WITHOUT("zero-copy sends");
    const SocketPair pair = make_tcp_pair();
    alignas(4096) static char memory[4096];
    const abi::IoVec buffer = {memory, sizeof(memory)};
    register_buffers(ring, &buffer, 1);
    __builtin_memcpy(memory + 100, "registered", 10);
    const ZeroCopied sent = send_without_copy(
        ring, [&](Sqe& s) { prep::send_zc_fixed(s, pair.near, memory + 100, 10, 0); });
    CHECK_EQ(sent.result, 10);
    CHECK(sent.notified);
    CHECK_READS(pair.far, "registered");
    CHECK_ERRNO(
        send_without_copy(ring, [&](Sqe& s) { prep::send_zc_fixed(s, pair.near, memory, 10, 1); })
            .result,
        Errno::efault);
    CHECK_ERRNO(send_without_copy(
                    ring, [&](Sqe& s) { prep::send_zc_fixed(s, pair.near, memory + 4090, 10, 0); })
                    .result,
                Errno::efault);
}

OPERATION_TEST(op_send_zc_to_address_and_vectorized) {
    SKIP_WITHOUT("sends from a vector");
    const BoundSocket from = make_bound_socket(type::datagram);
    const BoundSocket to = make_bound_socket(type::datagram);
    ZeroCopied sent = send_without_copy(ring, [&](Sqe& s) {
        prep::send_zc(s, from.fd, "addressed", 9);
        prep::send_to_address(s, &to.address, sizeof(to.address));
    });
    CHECK_EQ(sent.result, 9);
    CHECK(sent.notified);
    CHECK_READS(to.fd, "addressed");
    const SocketPair pair = make_tcp_pair();
    char one[] = "one ";
    char two[] = "two";
    const abi::IoVec pieces[2] = {{one, 4}, {two, 3}};
    sent =
        send_without_copy(ring, [&](Sqe& s) { prep::send_zc_vectorized(s, pair.near, pieces, 2); });
    CHECK_EQ(sent.result, 7);
    CHECK(sent.notified);
    CHECK_READS(pair.far, "one two");
}

OPERATION_TEST(op_sendmsg_zc) {
    SKIP_WITHOUT("zero-copy sendmsg");
    const SocketPair pair = make_tcp_pair();
    Message1 message("message", 7);
    ZeroCopied sent =
        send_without_copy(ring, [&](Sqe& s) { prep::sendmsg_zc(s, pair.near, &message.header); });
    CHECK_EQ(sent.result, 7);
    CHECK(sent.notified);
    CHECK_READS(pair.far, "message");
    const SocketPair local = make_socket_pair();
    CHECK_ERRNO(
        send_without_copy(ring, [&](Sqe& s) { prep::sendmsg_zc(s, local.near, &message.header); })
            .result,
        Errno::eopnotsupp);
    SKIP_WITHOUT("sendmsg from registered buffers");
    alignas(4096) static char memory[4096];
    const abi::IoVec buffer = {memory, sizeof(memory)};
    register_buffers(ring, &buffer, 1);
    __builtin_memcpy(memory + 7, "registered", 10);
    Message1 registered(memory + 7, 10);
    sent = send_without_copy(
        ring, [&](Sqe& s) { prep::sendmsg_zc_fixed(s, pair.near, &registered.header, 0); });
    CHECK_EQ(sent.result, 10);
    CHECK(sent.notified);
    CHECK_READS(pair.far, "registered");
    CHECK_ERRNO(
        send_without_copy(
            ring, [&](Sqe& s) { prep::sendmsg_zc_fixed(s, pair.near, &registered.header, 1); })
            .result,
        Errno::efault);
}

} // namespace
} // namespace oxbow::test
