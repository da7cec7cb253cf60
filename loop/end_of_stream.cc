// The end of a stream and an empty datagram look alike: both are 0 bytes. Only the socket knows
// which it is, and it is asked only when a result is 0, which for most descriptors happens once.
#include "end_of_stream.h"

#include "../syscall/call_socket.h"

namespace oxbow {

namespace {

[[nodiscard]] bool have_room(const abi::IoVec* pieces, usize count) noexcept {
    for (usize i = 0; i < count; ++i) {
        if (pieces[i].bytes != 0) {
            return true;
        }
    }
    return false;
}

/// Whether the operation asked for any bytes of the stream itself: reading nothing yields 0 always,
/// and so does a message that came from the queue of errors.
[[nodiscard]] bool asks_for_bytes(const Completion& operation) noexcept {
    const arguments::Any& with = operation.arguments;
    switch (operation.kind) {
    case Kind::recv:
    case Kind::recv_all:
        return with.receive.bytes != 0 && (with.receive.flags & abi::msg_flag::error_queue) == 0;
    case Kind::recvmsg:
    case Kind::recvmsg_all: {
        const abi::MessageHeader& message = *with.receive_message.message;
        return (with.receive_message.flags & abi::msg_flag::error_queue) == 0 &&
               have_room(message.vectors, message.vector_count);
    }
    case Kind::recv_managed:
    case Kind::recv_multishot:
    case Kind::recvmsg_multishot:
        return (with.managed.flags & abi::msg_flag::error_queue) == 0;
    case Kind::read:
    case Kind::read_all:
        return with.transfer.bytes != 0;
    case Kind::readv:
        return have_room(with.vector.pieces, with.vector.count);
    case Kind::read_managed:
    case Kind::read_multishot:
        return true;
    default:
        return false;
    }
}

} // namespace

u32 end_flag(const Completion& operation, i32 value) noexcept {
    if (value != 0 || !asks_for_bytes(operation)) {
        return 0;
    }
    i32 type = 0;
    u32 bytes = sizeof(type);
    const i32 result = kernel::getsockopt(operation.fd, abi::socket_level::socket,
                                          abi::socket_option::type, &type, &bytes);
    // Not a socket (-ENOTSOCK): a file, a pipe, a terminal, all of which end. Of the sockets, only
    // streams do; a SEQPACKET one can carry empty packets.
    return result != 0 || type == abi::socket_type::stream ? result_flag::end_of_stream : 0;
}

} // namespace oxbow
