// Operations on sockets: making and connecting them, accepting, receiving, socket commands. Sending
// is in prep_send.h, which this includes. The contract of all preps is in prep.h.
#pragma once

#include "../syscall/abi_socket.h"
#include "prep_command.h"
#include "prep_entry.h"
#include "prep_send.h"

namespace oxbow::prep {

// ---- Making a connection ------------------------------------------------------------------------

/// What socket makes.
struct SocketKind {
    i32 family = 0; ///< abi::socket_family
    i32 type = 0;   ///< abi::socket_type, with its flags
    i32 protocol = 0;
};

/// Makes a socket; ends with its descriptor. -EAFNOSUPPORT, -EPROTONOSUPPORT: this kernel has no
/// such socket; -EMFILE, -ENFILE: too many are open; -EACCES, -EPERM: not allowed. 5.19.
inline void socket(abi::Sqe& sqe, const SocketKind& kind) noexcept {
    detail::start(sqe, abi::Opcode::socket, kind.family);
    sqe.off = static_cast<u32>(kind.type);
    sqe.len = static_cast<u32>(kind.protocol);
}

/// Makes a socket as a direct descriptor; ends as DirectDescriptor says. -EINVAL: with
/// socket_type::cloexec. 5.19.
inline void socket_direct(abi::Sqe& sqe, const SocketKind& kind,
                          DirectDescriptor slot = allocate) noexcept {
    socket(sqe, kind);
    sqe.file_index = slot.encoded();
}

/// Gives a socket its own address, which lives until submit; ends with 0. -EADDRINUSE,
/// -EADDRNOTAVAIL: it is taken, or not of this machine; -EACCES: a port below 1024; -EINVAL: bound
/// already. 6.11.
inline void bind(abi::Sqe& sqe, i32 fd, const void* address, u32 address_bytes) noexcept {
    detail::start(sqe, abi::Opcode::bind, fd);
    sqe.addr = address_of(address);
    sqe.off = address_bytes;
}

/// Lets a socket take connections; ends with 0. `backlog` is capped by net.core.somaxconn.
/// -EADDRINUSE: another one listens there; -EOPNOTSUPP: not a socket that can. 6.11.
inline void listen(abi::Sqe& sqe, i32 fd, i32 backlog) noexcept {
    detail::start(sqe, abi::Opcode::listen, fd);
    sqe.len = static_cast<u32>(backlog);
}

/// Connects; ends with 0, never with -EINPROGRESS. The address lives until submit. -ECONNREFUSED:
/// nobody listens; -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH: no answer, no way; -EISCONN, -EALREADY:
/// connected, or another connect is under way; -EADDRNOTAVAIL: no local port is left;
/// -EAFNOSUPPORT; -EAGAIN: a local socket whose backlog is full. 5.5.
inline void connect(abi::Sqe& sqe, i32 fd, const void* address, u32 address_bytes) noexcept {
    detail::start(sqe, abi::Opcode::connect, fd);
    sqe.addr = address_of(address);
    sqe.off = address_bytes;
}

/// Ends one or both directions of a connection; ends with 0. `how` is abi::shutdown_how. What waits
/// for data on it then sees the end of the stream. -ENOTCONN: not connected. 5.11.
inline void shutdown(abi::Sqe& sqe, i32 fd, i32 how) noexcept {
    detail::start(sqe, abi::Opcode::shutdown, fd);
    sqe.len = static_cast<u32>(how);
}

// ---- Accepting ----------------------------------------------------------------------------------

/// How accept shall take connections.
struct AcceptOptions {
    void* address = nullptr;      ///< room for the peer's address; lives until the completion
    u32* address_bytes = nullptr; ///< in: the room, out: the length; lives until the completion
    i32 flags = 0;                ///< abi::accept4_flag
    bool dont_wait = false;       ///< 6.10: -EAGAIN where there is no connection yet
    bool poll_first = false;      ///< 6.10: none is expected yet, wait without a first try
};

/// Takes a connection; ends with its descriptor. -ECONNABORTED: the peer has gone again; -EMFILE,
/// -ENFILE: too many are open; -EINVAL: the socket does not listen, or was shut down; -EAGAIN:
/// with dont_wait; O_NONBLOCK counts on older kernels only. 5.5.
inline void accept(abi::Sqe& sqe, i32 fd, const AcceptOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::accept, fd);
    sqe.addr = address_of(options.address);
    sqe.off = address_of(options.address_bytes);
    sqe.op_flags = static_cast<u32>(options.flags);
    detail::add_ioprio(sqe, detail::when(options.dont_wait, abi::accept_flag::dontwait));
    detail::add_ioprio(sqe, detail::when(options.poll_first, abi::accept_flag::poll_first));
}

/// Takes a connection as a direct descriptor; ends as DirectDescriptor says. -EINVAL: with
/// accept4_flag::cloexec. 5.15.
inline void accept_direct(abi::Sqe& sqe, i32 fd, DirectDescriptor slot,
                          const AcceptOptions& options = {}) noexcept {
    accept(sqe, fd, options);
    sqe.file_index = slot.encoded();
}

/// Takes connections until a completion without cqe_flag::more: each ends with a descriptor. All
/// write the peer's address to the same room, so ask the socket for it instead. Errors as accept;
/// any of them ends it, so submit it again. 5.19.
inline void accept_multishot(abi::Sqe& sqe, i32 fd, const AcceptOptions& options = {}) noexcept {
    accept(sqe, fd, options);
    detail::add_ioprio(sqe, abi::accept_flag::multishot);
}

/// accept_multishot with direct descriptors, in slots that the kernel chooses. -ENFILE: none is
/// free, and the connection is lost. 5.19.
inline void accept_multishot_direct(abi::Sqe& sqe, i32 fd,
                                    const AcceptOptions& options = {}) noexcept {
    accept_multishot(sqe, fd, options);
    sqe.file_index = allocate.encoded();
}

// ---- Receiving ----------------------------------------------------------------------------------
//
// Each ends with the number of bytes; 0 from a stream is the end of it, from a datagram socket an
// empty datagram. cqe_flag::sock_nonempty says that there is more. -ECONNRESET, -ETIMEDOUT,
// -ECONNREFUSED, -EHOSTUNREACH: what became of the connection, or of an earlier datagram;
// -ENOTCONN: there is none; -EAGAIN: with msg_flag::dontwait, while O_NONBLOCK is waited for;
// -ENOBUFS: the buffer group is empty.

/// What a receive rarely needs.
struct ReceiveOptions {
    u32 flags = 0;           ///< abi::msg_flag; with waitall, less than asked for breaks a chain
    bool poll_first = false; ///< 5.19: nothing is expected yet, wait without a first try
};

/// What recv_multishot and recv_bundle rarely need.
struct GroupReceiveOptions {
    u32 flags = 0;           ///< abi::msg_flag; not waitall: -EINVAL
    bool poll_first = false; ///< as ReceiveOptions
    bool bundle = false;     ///< 6.10: several buffers at once, see recv_bundle
    u32 bytes_each = 0;      ///< 6.17: most per completion, for fairness; 0: as the buffers allow
    u32 bytes_total = 0;     ///< 6.17: ends with the receive that reaches it; 0: no limit
};

namespace detail {
inline void fill_receive(abi::Sqe& sqe, u32 flags, bool poll_first) noexcept {
    sqe.op_flags = flags;
    add_ioprio(sqe, when(poll_first, abi::recvsend_flag::poll_first));
}
} // namespace detail

/// Receives up to `bytes`. The buffer lives until the completion; nullptr with select_buffer. 5.6.
inline void recv(abi::Sqe& sqe, i32 fd, void* buffer, u32 bytes,
                 const ReceiveOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::recv, fd);
    sqe.addr = address_of(buffer);
    sqe.len = bytes;
    detail::fill_receive(sqe, options.flags, options.poll_first);
}

/// Receives again and again, each time into another buffer of `group`, until a completion without
/// cqe_flag::more. Sets sqe_flag::buffer_select. -ENOBUFS ends it: submit it again when there are
/// buffers. 6.0.
inline void recv_multishot(abi::Sqe& sqe, i32 fd, u16 group,
                           const GroupReceiveOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::recv, fd);
    select_buffer(sqe, group);
    sqe.len = options.bytes_each;
    sqe.option_length = options.bytes_total;
    detail::fill_receive(sqe, options.flags, options.poll_first);
    detail::add_ioprio(sqe, abi::recvsend_flag::recv_multishot);
    detail::add_ioprio(sqe, detail::when(options.bundle, abi::recvsend_flag::bundle));
}

/// Receives once into as many buffers of `group` as there is data for. Cqe::buffer_id() is the
/// first; the others follow it in the order of the ring. Sets sqe_flag::buffer_select; the group
/// must be a buffer ring. `bytes` limits it, 0 does not. 6.10, feature::recvsend_bundle.
inline void recv_bundle(abi::Sqe& sqe, i32 fd, u16 group, u32 bytes = 0,
                        const ReceiveOptions& options = {}) noexcept {
    recv(sqe, fd, nullptr, bytes, options);
    select_buffer(sqe, group);
    detail::add_ioprio(sqe, abi::recvsend_flag::bundle);
}

/// Receives with address and control messages. The vectors live until submit. The message itself
/// lives until the completion, since the kernel then writes the lengths and flags into it
/// (io_uring/net.c), and so do the buffers. msg_flag::truncated and ::control_truncated in it say
/// what did not fit. 5.3.
inline void recvmsg(abi::Sqe& sqe, i32 fd, abi::MessageHeader* message,
                    const ReceiveOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::recvmsg, fd);
    sqe.addr = address_of(message);
    sqe.len = 1;
    detail::fill_receive(sqe, options.flags, options.poll_first);
}

/// Receives messages again and again, each into another buffer of `group`, until a completion
/// without cqe_flag::more. Address, control messages and payload all go into that buffer:
/// recvmsg_out.h takes it apart. Of `message` only name_bytes and control_bytes count, as the room
/// to keep for them; it lives until submit. Sets sqe_flag::buffer_select. -EFAULT: a buffer is
/// smaller than that room; -ENOBUFS: as recv_multishot. 6.0.
inline void recvmsg_multishot(abi::Sqe& sqe, i32 fd, abi::MessageHeader* message, u16 group,
                              const ReceiveOptions& options = {}) noexcept {
    recvmsg(sqe, fd, message, options);
    select_buffer(sqe, group);
    detail::add_ioprio(sqe, abi::recvsend_flag::recv_multishot);
}

/// What recv_zc takes from where.
struct ZeroCopyReceive {
    u32 interface_queue = 0; ///< as registered by RegisterOp::zcrx_ifq
    u32 bytes = 0;           ///< ends after so many; 0: no limit
    bool poll_first = false; ///< as ReceiveOptions
};

/// Receives from a network card straight into memory of the ring, again and again until a
/// completion without cqe_flag::more. Each completion is 32 bytes long and says in BigCqe::extra
/// where the data are; they are given back through the refill ring. Ends with 0 when `bytes` are
/// there. -EOPNOTSUPP: not TCP; -EINVAL: no such queue; -ENOMEM, -EFAULT: no room in the
/// area. 6.15.
inline void recv_zc(abi::Sqe& sqe, i32 fd, const ZeroCopyReceive& receive) noexcept {
    detail::start(sqe, abi::Opcode::recv_zc, fd);
    sqe.len = receive.bytes;
    sqe.zcrx_ifq_index = receive.interface_queue;
    detail::add_ioprio(sqe, abi::recvsend_flag::recv_multishot);
    detail::add_ioprio(sqe, detail::when(receive.poll_first, abi::recvsend_flag::poll_first));
}

// ---- Socket commands ----------------------------------------------------------------------------
//
// Each is a uring_cmd. -EOPNOTSUPP: this kernel, or this kind of socket, does not have it.

/// Any command of a socket: what the entry carries, under the kernel's names.
struct SocketCommandArguments {
    abi::SocketCommand command = abi::SocketCommand::siocinq;
    i32 level = 0;               ///< abi::socket_level
    i32 name = 0;                ///< abi::socket_option
    const void* value = nullptr; ///< lives until the completion
    u32 value_bytes = 0;
};

/// A socket command by its fields; the functions below are the common ones. 6.5.
inline void socket_command(abi::Sqe& sqe, i32 fd,
                           const SocketCommandArguments& arguments) noexcept {
    uring_cmd(sqe, fd, static_cast<u32>(arguments.command));
    sqe.socket_option.level = static_cast<u32>(arguments.level);
    sqe.socket_option.name = static_cast<u32>(arguments.name);
    sqe.option_length = arguments.value_bytes;
    sqe.option_value = address_of(arguments.value);
}

/// Ends with the number of bytes waiting to be received, of the next datagram for UDP. -EINVAL: the
/// socket listens. 6.5.
inline void socket_bytes_readable(abi::Sqe& sqe, i32 fd) noexcept {
    socket_command(sqe, fd, {.command = abi::SocketCommand::siocinq});
}

/// Ends with the number of bytes not yet sent, or for TCP not yet acknowledged. -EINVAL: the socket
/// listens. 6.5.
inline void socket_bytes_unsent(abi::Sqe& sqe, i32 fd) noexcept {
    socket_command(sqe, fd, {.command = abi::SocketCommand::siocoutq});
}

/// An option to be read; the value lives until the completion.
struct SocketOptionRead {
    i32 level = 0; ///< must be abi::socket_level::socket
    i32 name = 0;  ///< abi::socket_option
    void* value = nullptr;
    u32 bytes = 0; ///< room
};

/// Reads an option; ends with its length, unlike getsockopt(2). -EOPNOTSUPP: another level than
/// socket_level::socket (io_uring/cmd_net.c); -ENOPROTOOPT: no such option. 6.7.
inline void getsockopt(abi::Sqe& sqe, i32 fd, const SocketOptionRead& option) noexcept {
    socket_command(sqe, fd,
                   {.command = abi::SocketCommand::getsockopt,
                    .level = option.level,
                    .name = option.name,
                    .value = option.value,
                    .value_bytes = option.bytes});
}

/// An option to be set; the value lives until the completion.
struct SocketOptionWrite {
    i32 level = 0; ///< abi::socket_level
    i32 name = 0;  ///< abi::socket_option
    const void* value = nullptr;
    u32 bytes = 0;
};

/// Sets an option; ends with 0. -ENOPROTOOPT: no such option; -EDOM, -EINVAL: no such value;
/// -EPERM: not allowed. 6.7.
inline void setsockopt(abi::Sqe& sqe, i32 fd, const SocketOptionWrite& option) noexcept {
    socket_command(sqe, fd,
                   {.command = abi::SocketCommand::setsockopt,
                    .level = option.level,
                    .name = option.name,
                    .value = option.value,
                    .value_bytes = option.bytes});
}

/// Delivers the times at which sent data left, one per completion of 32 bytes, until one without
/// cqe_flag::more. Cqe::result is the key (bytes or packets so far), Cqe::flags has the type from
/// abi::timestamp_type_shift up, BigCqe::extra the seconds and nanoseconds. SO_TIMESTAMPING must be
/// set with SOF_TIMESTAMPING_OPT_TSONLY. -EINVAL: the ring has only small completions. 6.17.
inline void socket_tx_timestamp(abi::Sqe& sqe, i32 fd) noexcept {
    socket_command(sqe, fd, {.command = abi::SocketCommand::tx_timestamp});
}

/// Which end of a connection.
enum class SocketEnd : u32 {
    local = 0,
    peer = 1,
};

/// Tells the address of one end; ends with 0. `address_bytes` is the room and becomes the length;
/// both live until the completion. -ENOTCONN: there is no peer. 6.19.
inline void getsockname(abi::Sqe& sqe, i32 fd, void* address, u32* address_bytes,
                        SocketEnd end = SocketEnd::local) noexcept {
    uring_cmd(sqe, fd, static_cast<u32>(abi::SocketCommand::getsockname));
    sqe.addr = address_of(address);
    sqe.third.addr3 = address_of(address_bytes);
    sqe.option_length = static_cast<u32>(end);
}

} // namespace oxbow::prep
