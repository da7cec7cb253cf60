// Takes apart what prep::recvmsg_multishot leaves in a buffer: a head, room for the sender's
// address, room for control messages, and the payload, one behind the other. Every length in there
// is checked against the buffer before it is believed. Source: io_uring/net.c,
// io_recvmsg_multishot; man page io_uring_recvmsg_out(3).
#pragma once

#include "../syscall/abi_socket.h"
#include "../syscall/abi_uring_register.h"

namespace oxbow {

/// One control message: what a cmsghdr says, and its data.
struct ControlMessage {
    i32 level = 0;            ///< abi::socket_level
    i32 type = 0;             ///< abi::control_type, or an option of the level
    const u8* data = nullptr; ///< as aligned as the buffer is, so copy it out
    usize bytes = 0;
};

/// Control messages in a row, wherever they are: `for (const ControlMessage message : messages)`.
/// Reading stops at the first one that does not fit.
class ControlMessages {
  public:
    class Iterator {
      public:
        constexpr Iterator(const u8* at, const u8* end) noexcept : at_(at), end_(end) { load(); }

        [[nodiscard]] const ControlMessage& operator*() const noexcept { return message_; }
        [[nodiscard]] const ControlMessage* operator->() const noexcept { return &message_; }
        Iterator& operator++() noexcept {
            // The last one may lack its padding. The step cannot pass the end otherwise: load()
            // has checked the length.
            const usize left = static_cast<usize>(end_ - at_);
            const usize step = aligned(head_bytes + message_.bytes);
            at_ = step < left ? at_ + step : end_;
            load();
            return *this;
        }
        [[nodiscard]] bool operator==(const Iterator& other) const noexcept {
            return at_ == other.at_;
        }

      private:
        constexpr void load() noexcept {
            message_ = {};
            abi::ControlHeader head = {};
            const usize left = static_cast<usize>(end_ - at_);
            if (left >= head_bytes) {
                // Copied, since nobody promises that the buffer is aligned.
                __builtin_memcpy(&head, at_, sizeof head);
            }
            if (left < head_bytes || head.bytes < head_bytes || head.bytes > left) {
                at_ = end_;
                return;
            }
            message_ = {.level = head.level,
                        .type = head.type,
                        .data = at_ + head_bytes,
                        .bytes = head.bytes - head_bytes};
        }

        const u8* at_;
        const u8* end_;
        ControlMessage message_;
    };

    constexpr ControlMessages() noexcept = default;
    constexpr ControlMessages(const u8* data, usize bytes) noexcept : data_(data), bytes_(bytes) {}

    [[nodiscard]] Iterator begin() const noexcept { return {data_, data_ + bytes_}; }
    [[nodiscard]] Iterator end() const noexcept { return {data_ + bytes_, data_ + bytes_}; }
    [[nodiscard]] bool empty() const noexcept { return begin() == end(); }

  private:
    // Heads are aligned to machine words, as CMSG_ALIGN has it: include/linux/socket.h. The head
    // itself is a whole number of words on every machine.
    static constexpr usize head_bytes = sizeof(abi::ControlHeader);
    static_assert(head_bytes % sizeof(usize) == 0);

    [[nodiscard]] static constexpr usize aligned(usize bytes) noexcept {
        return (bytes + sizeof(usize) - 1) & ~(sizeof(usize) - 1);
    }

    const u8* data_ = nullptr;
    usize bytes_ = 0;
};

/// The room that the request keeps: MessageHeader::name_bytes and ::control_bytes as submitted.
struct RecvmsgRoom {
    u32 name_bytes = 0;
    u32 control_bytes = 0;
};

/// One received message. The pointers lead into the buffer, so use them before it is given back.
struct ReceivedMessage {
    const u8* name = nullptr; ///< the sender's address: abi::SocketAddress
    u32 name_bytes = 0;       ///< what is there of it
    u32 name_bytes_full = 0;  ///< how long it was; larger where the room was too small
    const u8* control = nullptr;
    u32 control_bytes = 0;
    const u8* payload = nullptr;
    u32 payload_bytes = 0;      ///< what is there of it
    u32 payload_bytes_full = 0; ///< how long it was, where msg_flag::truncated was asked for
    u32 flags = 0;              ///< abi::msg_flag of the answer

    [[nodiscard]] ControlMessages control_messages() const noexcept {
        return {control, control_bytes};
    }
    /// The buffer was too small for the payload; the rest of a datagram is lost.
    [[nodiscard]] bool truncated() const noexcept {
        return (flags & abi::msg_flag::truncated) != 0;
    }
    /// The room was too small for the control messages.
    [[nodiscard]] bool control_truncated() const noexcept {
        return (flags & abi::msg_flag::control_truncated) != 0;
    }
};

/// Reads the `bytes` bytes (Cqe::result) that a completion left in `buffer`. False, and `message`
/// empty, where they are too few for the head and the room: then they were not written for this
/// request. A negative Cqe::result is an error and no message: `bytes` of it read as too few. 6.0.
[[nodiscard]] inline bool read_recvmsg_out(const void* buffer, i32 bytes, const RecvmsgRoom& room,
                                           ReceivedMessage& message) noexcept {
    message = {};
    // One subtraction at a time: the sum of the lengths may be more than 32 bits hold.
    constexpr u32 head_bytes = sizeof(abi::RecvmsgOut);
    if (buffer == nullptr || bytes < 0 || static_cast<u32>(bytes) < head_bytes) {
        return false;
    }
    u32 left = static_cast<u32>(bytes) - head_bytes;
    if (room.name_bytes > left) {
        return false;
    }
    left -= room.name_bytes;
    if (room.control_bytes > left) {
        return false;
    }
    left -= room.control_bytes;

    abi::RecvmsgOut head = {};
    __builtin_memcpy(&head, buffer, sizeof head);
    const u8* const name = static_cast<const u8*>(buffer) + head_bytes;
    const auto smaller = [](u32 a, u32 b) noexcept { return a < b ? a : b; };
    message.name = name;
    message.name_bytes = smaller(head.name_length, room.name_bytes);
    message.name_bytes_full = head.name_length;
    message.control = name + room.name_bytes;
    message.control_bytes = smaller(head.control_length, room.control_bytes);
    message.payload = message.control + room.control_bytes;
    message.payload_bytes = smaller(head.payload_length, left);
    message.payload_bytes_full = head.payload_length;
    message.flags = head.flags;
    return true;
}

} // namespace oxbow
