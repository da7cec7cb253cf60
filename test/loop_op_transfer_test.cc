// Receiving, sending, reading and writing by the loop's operations, on every engine alike: streams,
// pipes, terminals and counters, with blocking and non-blocking descriptors.
#include "loop_op_help.h"

#include "../syscall/abi_epoll.h"

namespace oxbow::test {
namespace {

namespace flag = abi::msg_flag;

// ---- Streams
// ---------------------------------------------------------------------------------------

/// What reads from a stream, whatever the descriptor.
LOOP_TEST(loop_op_receive_waits_and_ends) {
    for (const i32 mode : fd_modes) {
        char got[16];
        abi::IoVec piece = {got, sizeof(got)};
        abi::MessageHeader message = {};
        message.vectors = &piece;
        message.vector_count = 1;
        SocketPair pair = make_pair_of(mode);
        const Operation operations[] = {
            op::recv(pair.near, got, sizeof(got)), op::recvmsg(pair.near, &message),
            op::read(pair.near, got, sizeof(got)), op::readv(pair.near, &piece, 1)};
        for (const Operation& operation : operations) {
            Logged received;
            submit_waiting(loop, received, operation);
            write_text(pair.far, "late");
            run_until_ended(loop, received);
            CHECK_EQ(received.last.value, 4);
            CHECK(!received.last.eof());
            CHECK_BYTES(got, "late", 4);
            write_text(pair.far, "early");
            CHECK_EQ(perform_on(loop, operation).value, 5);
        }
        check_mode(pair.near, mode);
        pair.far.close();
        for (const Operation& operation : operations) {
            const Result end = perform_on(loop, operation);
            CHECK_EQ(end.value, 0);
            CHECK(end.eof());
        }
    }
}

LOOP_TEST(loop_op_receive_nothing) {
    const SocketPair pair = make_socket_pair();
    write_text(pair.far, "x");
    char byte = 0;
    const Result none = perform_on(loop, op::recv(pair.near, &byte, 0));
    CHECK_EQ(none.value, 0);
    CHECK(!none.eof());
    const Result read = perform_on(loop, op::read(pair.near, &byte, 0));
    CHECK_EQ(read.value, 0);
    CHECK(!read.eof());
    CHECK_EQ(perform_on(loop, op::recv(pair.near, &byte, 1)).value, 1);
    CHECK_EQ(perform_on(loop, op::send(pair.near, &byte, 0)).value, 0);
    CHECK_EQ(perform_on(loop, op::write_all(pair.near, &byte, 0)).value, 0);
}

LOOP_TEST(loop_op_receive_flags) {
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        char got[8];
        // Who asks not to wait is told, and nobody else.
        CHECK_ERRNO(perform_on(loop, op::recv(pair.near, got, 8, flag::dontwait)).value,
                    Errno::eagain);
        CHECK_ERRNO(perform_on(loop, op::recv_all(pair.near, got, 8, flag::dontwait)).value,
                    Errno::eagain);
        write_text(pair.far, "abcdef");
        CHECK_EQ(perform_on(loop, op::recv(pair.near, got, 3, flag::peek)).value, 3);
        CHECK_EQ(perform_on(loop, op::recv(pair.near, got, 3)).value, 3);
        CHECK_BYTES(got, "abc", 3);
        Logged all;
        submit_waiting(loop, all, op::recv(pair.near, got, 6, flag::waitall));
        write_text(pair.far, "ghi");
        run_until_ended(loop, all);
        CHECK_EQ(all.last.value, 6);
        CHECK_BYTES(got, "defghi", 6);
    }
}

LOOP_TEST(loop_op_receive_all) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        char got[8] = {};
        char a[3];
        char b[5];
        abi::IoVec pieces[] = {{a, 3}, {nullptr, 0}, {b, 5}};
        abi::MessageHeader message = {};
        message.vectors = pieces;
        message.vector_count = 3;
        const Operation operations[] = {op::recv_all(pair.near, got, 8),
                                        op::read_all(pair.near, got, 8),
                                        op::recvmsg_all(pair.near, &message)};
        for (const Operation& operation : operations) {
            Logged received;
            submit_waiting(loop, received, operation);
            const char* const parts[] = {"12", "3456", "7"};
            for (const char* const part : parts) {
                write_text(pair.far, part);
                run_a_little(loop);
                CHECK_EQ(received.count, 0u);
            }
            write_text(pair.far, "8.");
            run_until_ended(loop, received);
            CHECK_EQ(received.last.value, 8);
            char rest = 0;
            CHECK_EQ(perform_on(loop, op::recv(pair.near, &rest, 1)).value, 1);
            CHECK_EQ(rest, '.');
        }
        CHECK_BYTES(got, "12345678", 8);
        CHECK_BYTES(a, "123", 3);
        CHECK_BYTES(b, "45678", 5);
        // The end comes before all is there: what was there is the result.
        Logged cut;
        submit_waiting(loop, cut, operations[0]);
        write_text(pair.far, "12345");
        run_a_little(loop);
        pair.far.close();
        run_until_ended(loop, cut);
        CHECK_EQ(cut.last.value, 5);
        for (const Operation& operation : operations) {
            const Result end = perform_on(loop, operation);
            CHECK_EQ(end.value, 0);
            CHECK(end.eof());
        }
    }
}

/// An error behind some bytes: the bytes are told first, the error to the next.
LOOP_TEST(loop_op_receive_all_before_an_error) {
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_tcp_pair();
        set_mode(pair.near, mode);
        u8 got[8];
        Logged received;
        submit_waiting(loop, received, op::recv_all(pair.near, got, 8));
        write_text(pair.far, "abc");
        run_a_little(loop);
        const abi::Linger reset = {1, 0};
        CHECK_OK(kernel::setsockopt(pair.far, abi::socket_level::socket, abi::socket_option::linger,
                                    &reset, sizeof(reset)));
        pair.far.close();
        run_until_ended(loop, received);
        CHECK_EQ(received.last.value, 3);
        // It was told there, or it is still to be told: the socket keeps an error for one call.
        const Result next = perform_on(loop, op::recv_all(pair.near, got, 8));
        CHECK(next.is(Errno::econnreset) || next.eof());
    }
}

/// Far more than fits, through a buffer of the least size, while a reader takes it piece by piece.
LOOP_TEST(loop_op_send_all_through_a_small_buffer) {
    constexpr u32 bytes = 1 << 20;
    static u8 data[bytes];
    static PatternReader reader;
    fill_pattern(data, bytes);
    for (const i32 mode : fd_modes) {
        for (u32 kind = 0; kind < 4; ++kind) {
            SocketPair pair = kind == 3 ? make_tcp_pair() : make_pair_of(mode);
            set_mode(pair.near, mode);
            const i32 room = 2048;
            CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                        abi::socket_option::send_buffer, &room, sizeof(room)));
            abi::IoVec pieces[] = {
                {data, 3}, {data + 3, bytes / 2}, {data + 3 + bytes / 2, bytes / 2 - 3}};
            abi::MessageHeader message = {};
            message.vectors = pieces;
            message.vector_count = 3;
            const Operation operations[] = {
                op::send_all(pair.near, data, bytes), op::write_all(pair.near, data, bytes),
                op::sendmsg_all(pair.near, &message), op::send_all(pair.near, data, bytes)};
            reader.received = 0;
            Logged sent;
            submit(loop, sent, operations[kind]);
            reader.start(loop, pair.far);
            run_until_ended(loop, sent);
            CHECK_EQ(sent.last.value, bytes);
            CHECK_EQ(perform_on(loop, op::shutdown(pair.near, abi::shutdown_how::write)).value, 0);
            run_until(loop, [&]() noexcept { return reader.completion.idle(); });
            CHECK_EQ(reader.received, bytes);
            CHECK(reader.ended);
            check_mode(pair.near, mode);
        }
    }
}

/// The plain forms say how much there was room for, and wait only where there is none.
LOOP_TEST(loop_op_send_what_there_is_room_for) {
    const Memory data(4 << 20);
    for (const i32 mode : fd_modes) {
        const SocketPair pair = make_pair_of(mode);
        const u32 bytes = static_cast<u32>(data.bytes());
        const Result first = perform_on(loop, op::send(pair.near, data.data(), bytes));
        CHECK_OK(first.value);
        CHECK_GT(first.count(), 0u);
        CHECK_LT(first.count(), bytes);
        Logged second;
        submit_waiting(loop, second, op::send(pair.near, data.data(), 1));
        CHECK_ERRNO(perform_on(loop, op::send(pair.near, "x", 1, flag::dontwait)).value,
                    Errno::eagain);
        static u8 taken[1 << 20];
        for (u32 left = first.count(); left != 0;) {
            const long count = kernel::recv(pair.far, taken, sizeof(taken), flag::dontwait);
            left -= static_cast<u32>(CHECK_OK(count));
        }
        run_until_ended(loop, second);
        CHECK_EQ(second.last.value, 1);
    }
}

LOOP_TEST(loop_op_send_to_nobody) {
    const NoSigpipe no_sigpipe;
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        pair.far.close();
        char byte = 'x';
        abi::IoVec piece = {&byte, 1};
        abi::MessageHeader message = {};
        message.vectors = &piece;
        message.vector_count = 1;
        const Operation operations[] = {
            op::send(pair.near, &byte, 1),    op::send_all(pair.near, &byte, 1),
            op::sendmsg(pair.near, &message), op::sendmsg_all(pair.near, &message),
            op::write(pair.near, &byte, 1),   op::write_all(pair.near, &byte, 1),
            op::writev(pair.near, &piece, 1),
        };
        for (const Operation& operation : operations) {
            const Result result = perform_on(loop, operation);
            if (!result.is(Errno::epipe)) {
                note("kind", static_cast<u32>(operation.kind));
            }
            CHECK_ERRNO(result.value, Errno::epipe);
        }
    }
    const Fd alone = make_tcp_socket();
    char byte = 0;
    CHECK_ERRNO(perform_on(loop, op::recv(alone, &byte, 1)).value, Errno::enotconn);
    CHECK_ERRNO(perform_on(loop, op::send(alone, &byte, 1)).value, Errno::epipe);
}

/// A send that waits for room, whose other side goes away.
LOOP_TEST(loop_op_send_waits_for_nobody) {
    const NoSigpipe no_sigpipe;
    const Memory data(4 << 20);
    const u32 bytes = static_cast<u32>(data.bytes());
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        Logged sent;
        submit_waiting(loop, sent, op::send_all(pair.near, data.data(), bytes));
        pair.far.close();
        run_until_ended(loop, sent);
        CHECK_GT(sent.last.value, 0); // what went before is the result
        CHECK_LT(sent.last.value, static_cast<i32>(bytes));
        // Data that nobody took reset the connection: told once, to whoever comes next.
        const Result next = perform_on(loop, op::send(pair.near, data.data(), 1));
        CHECK(next.is(Errno::econnreset) || next.is(Errno::epipe));
        CHECK_ERRNO(perform_on(loop, op::send(pair.near, data.data(), 1)).value, Errno::epipe);
    }
}

[[nodiscard]] bool is_writable(i32 fd) noexcept {
    abi::PollFd poll = {fd, abi::poll_event::out, 0};
    const abi::Timespec at_once = {};
    return kernel::ppoll(&poll, 1, &at_once) == 1;
}

/// A large write that waits for room ends by cancel with what had gone, which has all arrived.
LOOP_TEST(loop_op_send_cancelled_behind_some_bytes) {
    constexpr u32 bytes = 18 * 65536; // a pipe has sixteen pages, of no more than that each
    static u8 data[bytes];
    static PatternReader reader;
    fill_pattern(data, bytes);
    for (const i32 mode : fd_modes) {
        for (u32 kind = 0; kind < 4; ++kind) {
            SocketPair pair = make_pair_of(mode);
            Pipe pipe = make_pipe(mode);
            abi::IoVec piece = {data, bytes};
            abi::MessageHeader message = {};
            message.vectors = &piece;
            message.vector_count = 1;
            const Operation operations[] = {
                op::send_all(pair.near, data, bytes), op::write_all(pair.near, data, bytes),
                op::sendmsg_all(pair.near, &message), op::write_all(pipe.writer, data, bytes)};
            Logged sent;
            submit_waiting(loop, sent, operations[kind]);
            const i32 fd = kind == 3 ? pipe.writer : pair.near;
            run_until(loop, [fd]() noexcept { return !is_writable(fd); });
            // Before 6.5 a thread of the ring's waits for room in a pipe, and may be on its way
            // back.
            const i32 cancelled = perform_on(loop, op::cancel(sent.completion)).value;
            CHECK(cancelled == 0 ||
                  (cancelled == -Errno::ealready && kind == 3 && !kernel_at_least(6, 5)));
            run_until_ended(loop, sent);
            CHECK_GT(sent.last.value, 0);
            CHECK_LT(sent.last.value, static_cast<i32>(bytes));
            pair.near.close();
            pipe.writer.close();
            reader.received = 0;
            reader.start(loop, kind == 3 ? pipe.reader : pair.far);
            run_until(loop, [&]() noexcept { return reader.completion.idle(); });
            CHECK_EQ(reader.received, sent.last.count());
        }
    }
}

/// The other side says that it will send no more; what waits for room to send to it waits on, and
/// can be cancelled.
LOOP_TEST(loop_op_send_cancelled_behind_half_an_end) {
    static u8 data[1 << 20];
    for (const i32 mode : fd_modes) {
        for (u32 kind = 0; kind < 3; ++kind) {
            SocketPair pair = make_pair_of(mode);
            abi::IoVec piece = {data, sizeof(data)};
            abi::MessageHeader message = {};
            message.vectors = &piece;
            message.vector_count = 1;
            const Operation operations[] = {op::send_all(pair.near, data, sizeof(data)),
                                            op::write_all(pair.near, data, sizeof(data)),
                                            op::sendmsg_all(pair.near, &message)};
            Logged sent;
            submit_waiting(loop, sent, operations[kind]);
            CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
            for (u32 i = 0; i < 300; ++i) {
                CHECK_OK(loop.run(Run::no_wait));
            }
            CHECK_EQ(sent.count, 0u);
            loop.cancel(sent.completion);
            run_until_ended(loop, sent);
            CHECK_GT(sent.last.value, 0);
        }
    }
}

/// Blocks of memory that are none.
LOOP_TEST(loop_op_transfer_without_memory) {
    const SocketPair pair = make_socket_pair();
    const Pipe pipe = make_pipe();
    write_text(pair.far, "something");
    write_text(pipe.writer, "something");
    void* const nowhere = reinterpret_cast<void*>(uptr{8});
    abi::IoVec piece = {nowhere, 4};
    const Operation operations[] = {
        op::recv(pair.near, nowhere, 4),
        op::send(pair.near, nowhere, 4),
        op::read(pipe.reader, nowhere, 4),
        op::write(pipe.writer, nowhere, 4),
        op::read_all(pipe.reader, nowhere, 4),
        op::write_all(pipe.writer, nowhere, 4),
        op::readv(pipe.reader, &piece, 1),
        op::writev(pipe.writer, &piece, 1),
        op::readv(pipe.reader, static_cast<abi::IoVec*>(nowhere), 1),
    };
    for (const Operation& operation : operations) {
        const Result result = perform_on(loop, operation);
        if (!result.is(Errno::efault)) {
            note("kind", static_cast<u32>(operation.kind));
        }
        CHECK_ERRNO(result.value, Errno::efault);
    }
}

} // namespace
} // namespace oxbow::test
