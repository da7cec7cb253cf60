// System calls on sockets. An address goes in as a pointer to any abi::SocketAddress* struct and
// its length; lengths that come back are the address's own, which may exceed the room given.
#pragma once

#include "abi_socket.h"
#include "abi_time.h"
#include "call_pair.h"

namespace oxbow::kernel {

/// socket_family, socket_type with its flags, socket_protocol or 0.
[[nodiscard]] inline i32 socket(i32 family, i32 type, i32 protocol) noexcept {
    return invoke_plain(number::socket, family, type, protocol);
}

[[nodiscard]] inline i32 socketpair(i32 family, i32 type, i32 protocol, i32* fds) noexcept {
    return invoke_plain(number::socketpair, family, type, protocol, fds);
}

[[nodiscard]] inline i32 bind(i32 fd, const void* address, u32 bytes) noexcept {
    return invoke_plain(number::bind, fd, address, bytes);
}

[[nodiscard]] inline i32 listen(i32 fd, i32 backlog) noexcept {
    return invoke_plain(number::listen, fd, backlog);
}

/// The connection's descriptor. `address` and `bytes` may be nullptr. accept4_flag. Network errors
/// of the new connection come back too, and mean to call again: accept(2), "Error handling".
[[nodiscard]] inline i32 accept4(i32 fd, void* address, u32* bytes, i32 flags) noexcept {
    return invoke_plain(number::accept4, fd, address, bytes, flags);
}

/// After EINTR the connection goes on being made: wait for writability, do not call again.
[[nodiscard]] inline i32 connect(i32 fd, const void* address, u32 bytes) noexcept {
    return invoke_plain(number::connect, fd, address, bytes);
}

[[nodiscard]] inline i32 getsockname(i32 fd, void* address, u32* bytes) noexcept {
    return invoke_plain(number::getsockname, fd, address, bytes);
}

[[nodiscard]] inline i32 getpeername(i32 fd, void* address, u32* bytes) noexcept {
    return invoke_plain(number::getpeername, fd, address, bytes);
}

/// msg_flag. `address` may be nullptr.
[[nodiscard]] inline long sendto(i32 fd, const void* data, usize bytes, u32 flags,
                                 const void* address, u32 address_bytes) noexcept {
    return invoke(number::sendto, fd, data, bytes, flags, address, address_bytes);
}

/// `address` and `address_bytes` may be nullptr.
[[nodiscard]] inline long recvfrom(i32 fd, void* data, usize bytes, u32 flags, void* address,
                                   u32* address_bytes) noexcept {
    return invoke(number::recvfrom, fd, data, bytes, flags, address, address_bytes);
}

/// sendto without an address: no machine but the oldest has a call for it.
[[nodiscard]] inline long send(i32 fd, const void* data, usize bytes, u32 flags) noexcept {
    return sendto(fd, data, bytes, flags, nullptr, 0);
}

/// recvfrom without an address.
[[nodiscard]] inline long recv(i32 fd, void* data, usize bytes, u32 flags) noexcept {
    return recvfrom(fd, data, bytes, flags, nullptr, nullptr);
}

[[nodiscard]] inline long sendmsg(i32 fd, const abi::MessageHeader* message, u32 flags) noexcept {
    return invoke(number::sendmsg, fd, message, flags);
}

[[nodiscard]] inline long recvmsg(i32 fd, abi::MessageHeader* message, u32 flags) noexcept {
    return invoke(number::recvmsg, fd, message, flags);
}

/// How many of the messages went out; an error only where the first failed.
[[nodiscard]] inline i32 sendmmsg(i32 fd, abi::ManyMessageHeader* messages, u32 count,
                                  u32 flags) noexcept {
    return invoke_plain(number::sendmmsg, fd, messages, count, flags);
}

/// How many messages came. The time is looked at only between messages: recvmmsg(2), "Bugs"; so
/// give none and wait by other means.
[[nodiscard]] inline i32 recvmmsg(i32 fd, abi::ManyMessageHeader* messages, u32 count,
                                  u32 flags) noexcept {
    return invoke_plain(number::recvmmsg, fd, messages, count, flags, nullptr);
}

/// socket_level; socket_option, tcp_option ....
[[nodiscard]] inline i32 setsockopt(i32 fd, i32 level, i32 option, const void* value,
                                    u32 bytes) noexcept {
    return invoke_plain(number::setsockopt, fd, level, option, value, bytes);
}

[[nodiscard]] inline i32 getsockopt(i32 fd, i32 level, i32 option, void* value,
                                    u32* bytes) noexcept {
    return invoke_plain(number::getsockopt, fd, level, option, value, bytes);
}

/// shutdown_how.
[[nodiscard]] inline i32 shutdown(i32 fd, i32 how) noexcept {
    return invoke_plain(number::shutdown, fd, how);
}

} // namespace oxbow::kernel
