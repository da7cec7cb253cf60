// Messages with addresses, control data and vectors: one attempt at each of their operations. A
// program has this part only if it makes such operations (needs.h).
#include "../syscall/abi_uring_register.h"
#include "../syscall/call_socket.h"
#include "perform_step.h"

namespace oxbow {

constexpr char detail::messages_part = 0;

namespace {

using detail::Buffer;

/// A message into one buffer, laid out as the ring does it: io_recvmsg_multishot in io_uring/net.c.
long receive_message_into(const Completion& operation, const Buffer& buffer,
                          u32 dontwait) noexcept {
    const arguments::Managed& with = operation.arguments.managed;
    constexpr u32 head_bytes = sizeof(abi::RecvmsgOut);
    const i32 name_bytes = with.message->name_bytes;
    const usize control_bytes = with.message->control_bytes;
    if (name_bytes < 0) {
        return -Errno::einval;
    }
    const u64 room = u64{head_bytes} + static_cast<u32>(name_bytes) + control_bytes;
    if (control_bytes > buffer.bytes || room > buffer.bytes) {
        return -Errno::emsgsize;
    }
    u8* const name = static_cast<u8*>(buffer.data) + head_bytes;
    u8* const control = name + name_bytes;
    const u32 payload_room = buffer.bytes - static_cast<u32>(room);
    abi::IoVec payload = {control + control_bytes, payload_room};
    abi::MessageHeader header = {.name = name_bytes != 0 ? name : nullptr,
                                 .name_bytes = name_bytes,
                                 .vectors = &payload,
                                 .vector_count = 1,
                                 .control = control_bytes != 0 ? control : nullptr,
                                 .control_bytes = control_bytes,
                                 .flags = 0};
    const long result = kernel::recvmsg(operation.fd, &header, with.flags | dontwait);
    if (result < 0) {
        return result;
    }
    const u32 received = static_cast<u32>(result); // more than there is room for, with MSG_TRUNC
    const abi::RecvmsgOut head = {.name_length = static_cast<u32>(header.name_bytes),
                                  .control_length = static_cast<u32>(header.control_bytes),
                                  .payload_length = received,
                                  .flags = header.flags};
    __builtin_memcpy(buffer.data, &head, sizeof(head)); // nobody promises that it is aligned
    return static_cast<long>(room + (received < payload_room ? received : payload_room));
}

// A pointer, since a header that is none is the kernel's to refuse.
long receive_once(i32 fd, abi::MessageHeader* message, u32 done, u32 flags) noexcept {
    if (done == 0) {
        return kernel::recvmsg(fd, message, flags);
    }
    const abi::IoVec piece = piece_at(*message, done);
    return kernel::recv(fd, piece.base, detail::bytes_of_step(piece.bytes, done), flags);
}

long send_once(i32 fd, const abi::MessageHeader* message, u32 done, u32 flags) noexcept {
    if (done == 0) {
        return kernel::sendmsg(fd, message, flags);
    }
    const abi::IoVec piece = piece_at(*message, done);
    const u32 bytes = detail::bytes_of_step(piece.bytes, done);
    // A small piece is no packet of its own.
    const u32 more = piece_at(*message, done + bytes).bytes != 0 ? abi::msg_flag::more : 0;
    return kernel::send(fd, piece.base, bytes, flags | more);
}

} // namespace

abi::IoVec piece_at(const abi::MessageHeader& message, u32 done) noexcept {
    usize skip = done;
    for (usize i = 0; i < message.vector_count; ++i) {
        const abi::IoVec& piece = message.vectors[i];
        if (skip < piece.bytes) {
            return {static_cast<u8*>(piece.base) + skip, piece.bytes - skip};
        }
        skip -= piece.bytes;
    }
    return {nullptr, 0};
}

i32 detail::step_of_message(const Completion& operation, const Buffer& buffer,
                            u32 dontwait) noexcept {
    const arguments::Any& with = operation.arguments;
    const i32 fd = operation.fd;
    const u32 done = done_so_far(operation);
    switch (operation.kind) {
    case Kind::recvmsg_multishot:
        return static_cast<i32>(receive_message_into(operation, buffer, dontwait));
    case Kind::recvmsg:
    case Kind::recvmsg_all:
        return static_cast<i32>(receive_once(fd, with.receive_message.message, done,
                                             with.receive_message.flags | dontwait));
    default:
        return static_cast<i32>(
            send_once(fd, with.send_message.message, done,
                      with.send_message.flags | dontwait | abi::msg_flag::nosignal));
    }
}

} // namespace oxbow
