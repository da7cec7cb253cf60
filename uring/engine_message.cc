// From messages to entries of the submission queue. A program has this part only if it makes such
// operations (needs.h).
#include "../loop/needs.h"
#include "../loop/perform.h"
#include "engine_state.h"
#include "prep.h"

namespace oxbow {

constexpr char detail::ring_messages_part = 0;

namespace uring_engine {

namespace {

/// What is left of a vector behind its first `done` bytes: the rest of one piece.
struct Rest {
    void* data;
    u32 bytes;
    bool is_last;
};
[[nodiscard]] Rest rest_of(const abi::MessageHeader& message, u32 done) noexcept {
    const abi::IoVec piece = piece_at(message, done);
    const u32 bytes = piece.bytes < 0x7ffff000u ? static_cast<u32>(piece.bytes) : 0x7ffff000u;
    return {piece.base, bytes, piece_at(message, done + bytes).bytes == 0};
}

void prepare_receive(abi::Sqe& sqe, const Completion& completion) noexcept {
    const arguments::Any& a = completion.arguments;
    const i32 fd = completion.fd;
    if (completion.kind == Kind::recvmsg_multishot) {
        a.managed.message->vector_count = 0; // -EINVAL else: the buffer is the one piece there is
        prep::recvmsg_multishot(sqe, fd, a.managed.message, a.managed.pool->group,
                                {.flags = a.managed.flags});
        return;
    }
    abi::MessageHeader* const message = a.receive_message.message;
    const u32 flags = a.receive_message.flags;
    if (completion.kind == Kind::recvmsg_all && completion.value != 0) {
        const Rest rest = rest_of(*message, static_cast<u32>(completion.value));
        prep::recv(sqe, fd, rest.data, rest.bytes, {.flags = flags});
    } else {
        prep::recvmsg(sqe, fd, message, {.flags = flags});
    }
}

void prepare_send(const State& state, abi::Sqe& sqe, const Completion& completion) noexcept {
    const i32 fd = completion.fd;
    const abi::MessageHeader* const message = completion.arguments.send_message.message;
    const u32 flags = completion.arguments.send_message.flags | send_flags;
    if (completion.kind == Kind::sendmsg_zero_copy && state.features.has(abi::Opcode::sendmsg_zc)) {
        prep::sendmsg_zc(sqe, fd, message, {.flags = flags});
    } else if (completion.kind == Kind::sendmsg_all && completion.value != 0) {
        const Rest rest = rest_of(*message, static_cast<u32>(completion.value));
        const u32 more = rest.is_last ? 0 : abi::msg_flag::more;
        prep::send(sqe, fd, rest.data, rest.bytes, {.flags = flags | more});
    } else {
        prep::sendmsg(sqe, fd, message, {.flags = flags});
    }
}

void prepare_any(const State& state, abi::Sqe& sqe, const Completion& completion) noexcept {
    if (is_send(completion.kind)) {
        prepare_send(state, sqe, completion);
    } else {
        prepare_receive(sqe, completion);
    }
}

[[nodiscard]] bool has_too_many_pieces(const Completion& completion) noexcept {
    if (completion.kind == Kind::recvmsg_multishot) {
        return false;
    }
    const abi::MessageHeader& message = is_send(completion.kind)
                                            ? *completion.arguments.send_message.message
                                            : *completion.arguments.receive_message.message;
    return message.vector_count > abi::vector_pieces_max;
}

} // namespace

constexpr MessagePart message_part = {prepare_any, has_too_many_pieces};

} // namespace uring_engine
} // namespace oxbow
