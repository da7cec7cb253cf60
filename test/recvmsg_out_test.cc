// Taking apart the buffers of a multishot recvmsg: what the kernel writes, and what it never would.
#include "../uring/recvmsg_out.h"
#include "harness.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

/// A buffer as the kernel fills it; `size` is what Cqe::result would say.
struct Buffer {
    alignas(8) u8 bytes[512] = {};
    u32 size = 0;

    void put(const void* data, u32 count) noexcept {
        __builtin_memcpy(bytes + size, data, count);
        size += count;
    }
    void put_u32(u32 value) noexcept { put(&value, sizeof value); }
    void pad_to(u32 offset) noexcept { size = offset; }
    void head(u32 name, u32 control, u32 payload, u32 flags) noexcept {
        put_u32(name);
        put_u32(control);
        put_u32(payload);
        put_u32(flags);
    }
    void control(usize length, i32 level, i32 type) noexcept {
        put(&length, sizeof length);
        put(&level, sizeof level);
        put(&type, sizeof type);
    }
    [[nodiscard]] i32 result() const noexcept { return static_cast<i32>(size); }
};

constexpr u32 control_head = sizeof(usize) + 8;

constexpr u32 aligned(u32 length) noexcept {
    return (length + u32{sizeof(usize)} - 1) & ~(u32{sizeof(usize)} - 1);
}

u32 count_messages(const ControlMessages& messages) noexcept {
    u32 count = 0;
    for (const ControlMessage& message : messages) {
        CHECK(message.data != nullptr);
        ++count;
    }
    return count;
}

} // namespace

TEST(recvmsg_out_whole_message) {
    const RecvmsgRoom room = {.name_bytes = 32, .control_bytes = 64};
    Buffer buffer;
    buffer.head(6, aligned(control_head + 4), 5, abi::msg_flag::end_of_record);
    buffer.put("sender", 6);
    buffer.pad_to(16 + 32);
    buffer.control(control_head + 4, 1, 2);
    buffer.put("\1\2\3\4", 4);
    buffer.pad_to(16 + 32 + 64);
    buffer.put("hello", 5);

    ReceivedMessage message;
    CHECK(read_recvmsg_out(buffer.bytes, buffer.result(), room, message));
    CHECK_EQ(message.name_bytes, 6u);
    CHECK_EQ(message.name_bytes_full, 6u);
    CHECK_BYTES(message.name, "sender", 6);
    CHECK_EQ(message.payload_bytes, 5u);
    CHECK_EQ(message.payload_bytes_full, 5u);
    CHECK_BYTES(message.payload, "hello", 5);
    CHECK_EQ(message.flags, abi::msg_flag::end_of_record);
    CHECK(!message.truncated());
    CHECK(!message.control_truncated());

    CHECK_EQ(count_messages(message.control_messages()), 1u);
    const auto first = message.control_messages().begin();
    CHECK_EQ(first->level, 1);
    CHECK_EQ(first->type, 2);
    CHECK_EQ(first->bytes, usize{4});
    CHECK_BYTES(first->data, "\1\2\3\4", 4);
}

TEST(recvmsg_out_empty_payload_and_no_room) {
    Buffer buffer;
    buffer.head(0, 0, 0, 0);
    ReceivedMessage message;
    CHECK(read_recvmsg_out(buffer.bytes, buffer.result(), {}, message));
    CHECK_EQ(message.payload_bytes, 0u);
    CHECK_EQ(message.name_bytes, 0u);
    CHECK(message.control_messages().empty());
}

TEST(recvmsg_out_truncated) {
    // The name needed 20 bytes of 8, the control messages more than 16, the payload 1000 of 4.
    Buffer buffer;
    buffer.head(20, 16, 1000, abi::msg_flag::truncated | abi::msg_flag::control_truncated);
    buffer.pad_to(16 + 8 + 16);
    buffer.put("abcd", 4);
    ReceivedMessage message;
    CHECK(read_recvmsg_out(buffer.bytes, buffer.result(), {.name_bytes = 8, .control_bytes = 16},
                           message));
    CHECK_EQ(message.name_bytes, 8u);
    CHECK_EQ(message.name_bytes_full, 20u);
    CHECK_EQ(message.payload_bytes, 4u);
    CHECK_EQ(message.payload_bytes_full, 1000u);
    CHECK_BYTES(message.payload, "abcd", 4);
    CHECK(message.truncated());
    CHECK(message.control_truncated());
}

TEST(recvmsg_out_lengths_that_lie) {
    Buffer buffer;
    buffer.head(0xffffffff, 0xffffffff, 0xffffffff, 0);
    buffer.pad_to(16 + 8 + 8 + 3);
    ReceivedMessage message;
    CHECK(read_recvmsg_out(buffer.bytes, buffer.result(), {.name_bytes = 8, .control_bytes = 8},
                           message));
    CHECK_EQ(message.name_bytes, 8u);
    CHECK_EQ(message.control_bytes, 8u);
    CHECK_EQ(message.payload_bytes, 3u);
    CHECK(message.payload + message.payload_bytes == buffer.bytes + buffer.size);
}

TEST(recvmsg_out_rejects_what_does_not_fit) {
    Buffer buffer;
    buffer.head(1, 1, 1, 0);
    ReceivedMessage message;
    const auto reads = [&](i32 bytes, u32 name, u32 control) noexcept {
        message.payload = buffer.bytes;
        const bool read = read_recvmsg_out(buffer.bytes, bytes,
                                           {.name_bytes = name, .control_bytes = control}, message);
        CHECK(read || message.payload == nullptr); // nothing of an earlier message is left
        return read;
    };
    CHECK(reads(16, 0, 0));
    CHECK(!reads(15, 0, 0));
    CHECK(!reads(0, 0, 0));
    CHECK(!reads(-105, 0, 0)); // -ENOBUFS is no message
    CHECK(!reads(-0x7fffffff - 1, 0, 0));
    CHECK(reads(48, 16, 16));
    CHECK(!reads(47, 16, 16));
    CHECK(!reads(48, 33, 0));
    CHECK(!reads(48, 0, 33));
    // Sums that wrap around 2^32.
    CHECK(!reads(48, 0xffffffff, 1));
    CHECK(!reads(48, 0xfffffff0, 16));
    CHECK(!reads(48, 16, 0xfffffff0));
    CHECK(!reads(48, 0x80000000, 0x80000000));
    CHECK(!read_recvmsg_out(nullptr, 48, {}, message));
}

TEST(control_messages_several) {
    Buffer buffer;
    buffer.control(control_head + 1, 10, 20);
    buffer.put("x", 1);
    buffer.pad_to(aligned(buffer.size));
    buffer.control(control_head, 11, 21);
    buffer.control(control_head + 3, 12, 22);
    buffer.put("abc", 3); // the last one without its padding
    const ControlMessages messages(buffer.bytes, buffer.size);
    u32 count = 0;
    for (const ControlMessage& message : messages) {
        CHECK_EQ(message.level, static_cast<i32>(10 + count));
        CHECK_EQ(message.type, static_cast<i32>(20 + count));
        CHECK_EQ(message.bytes, count == 0 ? usize{1} : count == 1 ? usize{0} : usize{3});
        ++count;
    }
    CHECK_EQ(count, 3u);
    CHECK(!messages.empty());
}

TEST(control_messages_unaligned_buffer) {
    // Behind a room for the name that is no multiple of a word, nothing is aligned.
    for (u32 shift = 0; shift < 8; ++shift) {
        Buffer buffer;
        buffer.pad_to(shift);
        buffer.control(control_head + 2, 7, 8);
        buffer.put("yz", 2);
        const ControlMessages messages(buffer.bytes + shift, buffer.size - shift);
        CHECK_EQ(count_messages(messages), 1u);
        CHECK_EQ(messages.begin()->level, 7);
        CHECK_BYTES(messages.begin()->data, "yz", 2);
    }
}

TEST(control_messages_that_lie) {
    CHECK_EQ(count_messages(ControlMessages{}), 0u);
    const usize lengths[] = {0,
                             1,
                             control_head - 1,
                             control_head + 9,
                             ~usize{0},
                             ~usize{0} - 7,
                             usize{1} << (sizeof(usize) * 8 - 1)};
    for (const usize length : lengths) {
        Buffer buffer;
        buffer.control(length, 1, 2);
        buffer.pad_to(buffer.size + 8);
        CHECK_EQ(count_messages(ControlMessages(buffer.bytes, buffer.size)), 0u);
    }
    // Whatever the lengths, a walk stays inside and ends.
    Random random;
    for (u32 round = 0; round < 2000; ++round) {
        Buffer buffer;
        buffer.size = random.below(sizeof buffer.bytes + 1);
        random.fill(buffer.bytes, buffer.size);
        for (u32 at = 0; at + sizeof(usize) <= buffer.size; at += 8) {
            const usize length = random.below(64);
            __builtin_memcpy(buffer.bytes + at, &length, sizeof length);
        }
        for (const ControlMessage& message : ControlMessages(buffer.bytes, buffer.size)) {
            CHECK(message.data >= buffer.bytes + control_head);
            CHECK(message.data + message.bytes <= buffer.bytes + buffer.size);
        }
    }
}
