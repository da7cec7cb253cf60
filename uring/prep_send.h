// Operations that send: plain, to an address, from several buffers, from buffer groups, and without
// copying. The contract of all preps is in prep.h.
//
// Each ends with the number of bytes, which may be short unless msg_flag::waitall is given: a chain
// that relies on all of it needs that flag. None raises SIGPIPE on newer kernels, which add
// msg_flag::nosignal themselves (io_uring/net.c); give it where older ones count. -EPIPE: this side
// was shut down or the connection is gone; -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH:
// what became of it; -ENOTCONN, -EDESTADDRREQ: there is none; -EMSGSIZE: too long for a datagram;
// -EAGAIN: with msg_flag::dontwait, while O_NONBLOCK is waited for; -ENOBUFS: the kernel's queue is
// full, or the buffer group is empty.
#pragma once

#include "../syscall/abi_socket.h"
#include "prep_entry.h"

namespace oxbow::prep {

/// What a send rarely needs.
struct SendOptions {
    u32 flags = 0;           ///< abi::msg_flag
    bool poll_first = false; ///< 5.19: the socket is full for now, wait without a first try
};

/// What a zero-copy send rarely needs.
struct ZeroCopySendOptions {
    u32 flags = 0;             ///< abi::msg_flag
    bool poll_first = false;   ///< as SendOptions
    bool report_usage = false; ///< 6.2: the notification's result says whether it was copied after
                               ///< all: abi::notif_usage_zc_copied
};

namespace detail {
inline void fill_send(abi::Sqe& sqe, const void* buffer, u32 count,
                      const SendOptions& options) noexcept {
    sqe.addr = address_of(buffer);
    sqe.len = count;
    sqe.op_flags = options.flags;
    add_ioprio(sqe, when(options.poll_first, abi::recvsend_flag::poll_first));
}

inline void fill_send(abi::Sqe& sqe, const void* buffer, u32 count,
                      const ZeroCopySendOptions& options) noexcept {
    sqe.addr = address_of(buffer);
    sqe.len = count;
    sqe.op_flags = options.flags;
    add_ioprio(sqe, when(options.poll_first, abi::recvsend_flag::poll_first));
    add_ioprio(sqe, when(options.report_usage, abi::recvsend_flag::send_zc_report_usage));
}

inline void use_registered_buffer(abi::Sqe& sqe, u16 buffer_index) noexcept {
    add_ioprio(sqe, abi::recvsend_flag::fixed_buf);
    sqe.buf_index = buffer_index;
}
} // namespace detail

/// Sends up to `bytes`. The buffer lives until the completion; nullptr with select_buffer
/// (6.10). 5.6.
inline void send(abi::Sqe& sqe, i32 fd, const void* buffer, u32 bytes,
                 const SendOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::send, fd);
    detail::fill_send(sqe, buffer, bytes, options);
}

/// Gives a send or send_zc an address to go to, before or after its prep. It lives until
/// submit. 6.0.
inline void send_to_address(abi::Sqe& sqe, const void* address, u16 address_bytes) noexcept {
    sqe.off = address_of(address);
    sqe.address_length.length = address_bytes;
}

/// An address, wherever it is: any of the structs of abi_socket.h.
struct Destination {
    const void* address = nullptr;
    u16 address_bytes = 0;
};

/// send with send_to_address. 6.0.
inline void sendto(abi::Sqe& sqe, i32 fd, const void* buffer, u32 bytes,
                   const Destination& destination, const SendOptions& options = {}) noexcept {
    send(sqe, fd, buffer, bytes, options);
    send_to_address(sqe, destination.address, destination.address_bytes);
}

/// Sends from `count` buffers. The vector lives until submit, the buffers until the completion.
/// Before 6.17 -EINVAL: use sendmsg. 6.17.
inline void send_vectorized(abi::Sqe& sqe, i32 fd, const abi::IoVec* vector, u32 count,
                            const SendOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::send, fd);
    detail::fill_send(sqe, vector, count, options);
    detail::add_ioprio(sqe, abi::recvsend_flag::send_vectorized);
}

/// Sends from the buffers of `group`, as many at once as the socket takes, until the group is empty
/// or a completion comes without cqe_flag::more. Cqe::buffer_id() is the first buffer; the others
/// follow it in the order of the ring. Sets sqe_flag::buffer_select; the group must be a buffer
/// ring. `bytes` limits it; 0 does not, and is the only value that the first kernels take. 6.10,
/// feature::recvsend_bundle.
inline void send_bundle(abi::Sqe& sqe, i32 fd, u16 group, u32 bytes = 0,
                        const SendOptions& options = {}) noexcept {
    send(sqe, fd, nullptr, bytes, options);
    select_buffer(sqe, group);
    detail::add_ioprio(sqe, abi::recvsend_flag::bundle);
}

/// Sends a message with address and control messages. Message, vectors and address live until
/// submit; buffers and control messages until the completion, since the kernel reads the control
/// messages only when it sends (io_uring/net.c). 5.3.
inline void sendmsg(abi::Sqe& sqe, i32 fd, const abi::MessageHeader* message,
                    const SendOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::sendmsg, fd);
    detail::fill_send(sqe, message, 1, options);
}

// ---- Without copying ----------------------------------------------------------------------------
//
// Each posts the result, and if that completion has cqe_flag::more, also where the result is an
// error, later a second one with cqe_flag::notif: only then the buffer is free again. It says
// nothing about whether the peer has the data. Worth it for large buffers. -EOPNOTSUPP: this socket
// cannot. -EINVAL: with skip_success.

/// Sends up to `bytes` from where they are. The buffer lives until the notification.
/// send_to_address works with it. 6.0.
inline void send_zc(abi::Sqe& sqe, i32 fd, const void* buffer, u32 bytes,
                    const ZeroCopySendOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::send_zc, fd);
    detail::fill_send(sqe, buffer, bytes, options);
}

/// send_zc from a part of registered buffer `buffer_index`. -EFAULT: there is none, or the part
/// leaves it. 6.0.
inline void send_zc_fixed(abi::Sqe& sqe, i32 fd, const void* buffer, u32 bytes, u16 buffer_index,
                          const ZeroCopySendOptions& options = {}) noexcept {
    send_zc(sqe, fd, buffer, bytes, options);
    detail::use_registered_buffer(sqe, buffer_index);
}

/// send_zc from `count` buffers. The vector lives until submit. 6.17.
inline void send_zc_vectorized(abi::Sqe& sqe, i32 fd, const abi::IoVec* vector, u32 count,
                               const ZeroCopySendOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::send_zc, fd);
    detail::fill_send(sqe, vector, count, options);
    detail::add_ioprio(sqe, abi::recvsend_flag::send_vectorized);
}

/// sendmsg without copying the payload. 6.1.
inline void sendmsg_zc(abi::Sqe& sqe, i32 fd, const abi::MessageHeader* message,
                       const ZeroCopySendOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::sendmsg_zc, fd);
    detail::fill_send(sqe, message, 1, options);
}

/// sendmsg_zc from parts of registered buffer `buffer_index`. 6.15.
inline void sendmsg_zc_fixed(abi::Sqe& sqe, i32 fd, const abi::MessageHeader* message,
                             u16 buffer_index, const ZeroCopySendOptions& options = {}) noexcept {
    sendmsg_zc(sqe, fd, message, options);
    detail::use_registered_buffer(sqe, buffer_index);
}

} // namespace oxbow::prep
