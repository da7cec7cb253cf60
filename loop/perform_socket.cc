// Sockets: one attempt at each of their operations.
#include "../syscall/call_socket.h"
#include "perform_step.h"

namespace oxbow {

namespace {

using detail::Buffer;

/// 0: accept may be called. Otherwise what it would say if it did not wait.
i32 find_connection(i32 fd) noexcept {
    if (!is_blocking(fd)) {
        return 0;
    }
    const i32 events = detail::poll_once(fd, abi::poll_event::in, false);
    if (events != 0) {
        return events < 0 ? events : 0;
    }
    // What does not listen never becomes ready; accept knows what is wrong with it.
    i32 listens = 0;
    u32 bytes = sizeof(listens);
    const i32 result = kernel::getsockopt(fd, abi::socket_level::socket,
                                          abi::socket_option::accepting, &listens, &bytes);
    return result < 0 || listens == 0 ? result : -Errno::eagain;
}

i32 accept_once(const Completion& operation, Patience patience) noexcept {
    const arguments::Accept& with = operation.arguments.accept;
    i32 flags = with.flags | abi::accept4_flag::cloexec;
    if (patience != Patience::blocks) {
        const i32 found = find_connection(operation.fd);
        if (found != 0) {
            return found;
        }
        flags |= abi::accept4_flag::nonblock;
    }
    if (with.address == nullptr) {
        return kernel::accept4(operation.fd, nullptr, nullptr, flags);
    }
    // The kernel reads the room from where it writes the length, so a second call must not find
    // there what the first one left.
    u32 local = 0;
    u32* const bytes = with.address_bytes != nullptr ? with.address_bytes : &local;
    *bytes = with.room;
    return kernel::accept4(operation.fd, with.address, bytes, flags);
}

/// connect(2) with the shortest send timeout there is, which `option` takes as a Time.
/// -ENOPROTOOPT, and nothing done: there is no such option.
template <class Time>
i32 connect_with(i32 option, i32 fd, const arguments::Address& to) noexcept {
    constexpr Time least = {0, 1};
    Time former = {};
    u32 bytes = sizeof(former);
    const auto set = [option, fd](const Time& time) noexcept {
        return kernel::setsockopt(fd, abi::socket_level::socket, option, &time, sizeof(time));
    };
    i32 result = kernel::getsockopt(fd, abi::socket_level::socket, option, &former, &bytes);
    if (result >= 0) {
        result = set(least);
    }
    if (result < 0) {
        return result;
    }
    result = kernel::connect(fd, to.address, to.bytes);
    (void)set(former);
    return result;
}

/// connect(2) on a blocking socket, which waits no longer than the kernel can count.
[[gnu::cold]] i32 connect_briefly(i32 fd, const arguments::Address& to) noexcept {
    i32 result = connect_with<abi::SocketTimeval>(abi::socket_option::send_timeout, fd, to);
    if constexpr (sizeof(long) == 4) {
        // qemu-user 7.2 knows 32-bit machines' first number only, which takes times of 32 bits.
        struct NarrowTimeval {
            i32 seconds;
            i32 microseconds;
        };
        constexpr i32 send_timeout_old = 21;
        if (result == -Errno::enoprotoopt) {
            result = connect_with<NarrowTimeval>(send_timeout_old, fd, to);
        }
    }
    return result;
}

[[gnu::cold]] i32 connect_once(const Completion& operation, Patience patience) noexcept {
    const arguments::Address& to = operation.arguments.address;
    const i32 fd = operation.fd;
    const bool waits = patience == Patience::blocks;
    i32 result = !waits && is_blocking(fd) ? connect_briefly(fd, to)
                                           : kernel::connect(fd, to.address, to.bytes);
    if (result == -Errno::eintr) {
        result = -Errno::einprogress; // it goes on by itself, and a second call would be refused
    }
    while (waits && result == -Errno::einprogress) {
        (void)detail::poll_once(fd, abi::poll_event::out, true);
        result = finish_connect(fd);
    }
    return result;
}

/// What a transfer moves.
struct Data {
    bool sends;
    void* data;
    u32 bytes;
    u32 flags;
};

Data data_of(const Completion& operation, const Buffer& buffer) noexcept {
    const arguments::Any& with = operation.arguments;
    switch (operation.kind) {
    case Kind::recv:
    case Kind::recv_all:
        return {false, with.receive.data, with.receive.bytes, with.receive.flags};
    case Kind::recv_managed:
    case Kind::recv_multishot:
        return {false, buffer.data, buffer.bytes, with.managed.flags};
    default: // send, send_all, send_zero_copy
        return {true, const_cast<void*>(with.send.data), with.send.bytes,
                with.send.message_flags()};
    }
}

long transfer_once(const Completion& operation, const Buffer& buffer, u32 dontwait) noexcept {
    const Data what = data_of(operation, buffer);
    const u32 done = detail::done_so_far(operation);
    u8* const data = static_cast<u8*>(what.data) + done;
    const u32 bytes = detail::bytes_of_step(what.bytes - done, done);
    // nosignal not for receives: packet sockets refuse flags that they do not know.
    const u32 flags = what.flags | dontwait;
    return what.sends ? kernel::send(operation.fd, data, bytes, flags | abi::msg_flag::nosignal)
                      : kernel::recv(operation.fd, data, bytes, flags);
}

} // namespace

i32 detail::step_on_socket(const Completion& operation, const Buffer& buffer,
                           Patience patience) noexcept {
    const arguments::Any& with = operation.arguments;
    const i32 fd = operation.fd;
    const bool waits = patience == Patience::blocks;
    switch (operation.kind) {
    case Kind::socket:
        return kernel::socket(with.socket.family,
                              with.socket.type | abi::socket_type::cloexec |
                                  (waits ? 0 : abi::socket_type::nonblock),
                              with.socket.protocol);
    case Kind::bind:
        return kernel::bind(fd, with.address.address, with.address.bytes);
    case Kind::listen:
        return kernel::listen(fd, with.listen.backlog);
    case Kind::shutdown:
        return kernel::shutdown(fd, with.shutdown.how);
    case Kind::connect:
        return connect_once(operation, patience);
    case Kind::accept:
    case Kind::accept_multishot:
        return accept_once(operation, patience);
    default:
        break;
    }
    const u32 dontwait = waits ? 0 : abi::msg_flag::dontwait;
    if (is_message(operation.kind)) {
        return step_of_message != nullptr ? step_of_message(operation, buffer, dontwait)
                                          : -Errno::eopnotsupp;
    }
    return static_cast<i32>(transfer_once(operation, buffer, dontwait));
}

i32 finish_connect(i32 fd) noexcept {
    // First whether it is over at all: only then is no error the answer, and no peer another.
    const i32 events = detail::poll_once(fd, abi::poll_event::out, false);
    if (events <= 0) {
        return events == 0 ? -Errno::einprogress : events;
    }
    i32 error = 0;
    u32 bytes = sizeof(error);
    const i32 result = kernel::getsockopt(fd, abi::socket_level::socket, abi::socket_option::error,
                                          &error, &bytes);
    if (result < 0 || error != 0) {
        return result < 0 ? result : -error;
    }
    // Someone else may have read the error: then there is just no peer (-ENOTCONN).
    abi::SocketAddress peer;
    bytes = sizeof(peer);
    return kernel::getpeername(fd, &peer, &bytes);
}

} // namespace oxbow
