// perform(): sockets. Blocking and non-blocking ones, of all families that a bare kernel has.
#include "../uring/recvmsg_out.h"
#include "perform_help.h"

namespace oxbow::test {
namespace {

namespace family = abi::socket_family;
namespace option = abi::socket_option;
namespace type = abi::socket_type;
using abi::poll_event::out;

[[nodiscard]] bool closes_on_exec(i32 fd) noexcept {
    return CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags)) == abi::fd_cloexec;
}

[[nodiscard]] abi::SocketTimeval timeout_of(i32 fd, i32 which) noexcept {
    abi::SocketTimeval time = {};
    u32 bytes = sizeof(time);
    CHECK_OK(kernel::getsockopt(fd, abi::socket_level::socket, which, &time, &bytes));
    return time;
}

// ---- Making sockets -----------------------------------------------------------------------------

TEST(perform_socket) {
    const NoLeaks no_leaks;
    const Fd loops(CHECK_OK(try_now(op::socket(family::inet, type::stream))));
    CHECK(!is_blocking(loops));
    CHECK(closes_on_exec(loops));
    const Fd workers(CHECK_OK(wait_for(op::socket(family::local, type::datagram))));
    CHECK(is_blocking(workers));
    CHECK(closes_on_exec(workers));
    CHECK(!is_blocking(-1));
    CHECK_ERRNO(try_now(op::socket(999, type::stream)), Errno::eafnosupport);
    CHECK_ERRNO(try_now(op::socket(family::inet, type::stream, abi::socket_protocol::udp)),
                Errno::eprotonosupport);
}

TEST(perform_bind_listen_shutdown) {
    BoundSocket taken = make_listener();
    const Fd fd = make_tcp_socket();
    CHECK_ERRNO(try_now(op::bind(fd, &taken.address, sizeof(taken.address))), Errno::eaddrinuse);
    const abi::SocketAddressIn any = loopback(0);
    CHECK_EQ(try_now(op::bind(fd, &any, sizeof(any))), 0);
    CHECK_ERRNO(try_now(op::bind(fd, &any, sizeof(any))), Errno::einval);
    CHECK_EQ(try_now(op::listen(fd, 4)), 0);
    const Fd datagram = make_bound_socket(type::datagram).fd;
    CHECK_ERRNO(try_now(op::listen(datagram, 4)), Errno::eopnotsupp);
    CHECK_ERRNO(try_now(op::shutdown(datagram, abi::shutdown_how::write)), Errno::enotconn);
    const SocketPair pair = make_socket_pair();
    CHECK_EQ(try_now(op::shutdown(pair.near, abi::shutdown_how::write)), 0);
    char got[4];
    CHECK_EQ(try_now(op::recv(pair.far, got, 4)), 0);
    CHECK_ERRNO(try_now(op::shutdown(pair.near, 7)), Errno::einval);
    CHECK_ERRNO(try_now(op::shutdown(-1, 0)), Errno::ebadf);
}

// ---- Connecting ---------------------------------------------------------------------------------

/// As an engine does it.
[[nodiscard]] i32 connect_to(i32 fd, const void* address, u32 bytes) noexcept {
    const i32 result = try_now(op::connect(fd, address, bytes));
    if (result != -Errno::einprogress) {
        return result;
    }
    CHECK_GT(wait_for(op::poll(fd, out)), 0);
    return finish_connect(fd);
}

TEST(perform_connect) {
    const BoundSocket listener = make_listener();
    const Fd blocking = make_tcp_socket();
    CHECK_EQ(connect_to(blocking, &listener.address, sizeof(listener.address)), 0);
    CHECK(is_blocking(blocking));
    CHECK_EQ(timeout_of(blocking, option::send_timeout).microseconds, 0);
    CHECK_EQ(timeout_of(blocking, option::send_timeout).seconds, 0);
    CHECK_EQ(finish_connect(blocking), 0);
    const Operation again = op::connect(blocking, &listener.address, sizeof(listener.address));
    const i32 second = try_now(again);
    // A connection that was made behind -EINPROGRESS is told to the next call, once: the kernel's
    // __inet_stream_connect, SS_CONNECTING.
    CHECK_ERRNO(second == 0 ? try_now(again) : second, Errno::eisconn);
    const Fd other = make_tcp_socket();
    set_nonblocking(other);
    CHECK_EQ(connect_to(other, &listener.address, sizeof(listener.address)), 0);
    const Fd third = make_tcp_socket();
    CHECK_EQ(wait_for(op::connect(third, &listener.address, sizeof(listener.address))), 0);
    const Fd fourth = make_tcp_socket();
    set_nonblocking(fourth);
    CHECK_EQ(wait_for(op::connect(fourth, &listener.address, sizeof(listener.address))), 0);

    // A timeout that the owner has set stays as it is.
    const Fd timed = make_tcp_socket();
    const abi::SocketTimeval seconds = {3, 0};
    const i32 told = kernel::setsockopt(timed, abi::socket_level::socket, option::send_timeout,
                                        &seconds, sizeof(seconds));
    SKIP_IF_MISSING(told != -Errno::enoprotoopt, "SO_SNDTIMEO_NEW");
    CHECK_OK(told);
    CHECK_EQ(connect_to(timed, &listener.address, sizeof(listener.address)), 0);
    CHECK_EQ(timeout_of(timed, option::send_timeout).seconds, 3);

    const BoundSocket datagram = make_bound_socket(type::datagram);
    const Fd sender(CHECK_OK(kernel::socket(family::inet, type::datagram, 0)));
    CHECK_EQ(try_now(op::connect(sender, &datagram.address, sizeof(datagram.address))), 0);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(try_now(op::connect(pipe.reader, &datagram.address, 16)), Errno::enotsock);
    CHECK_ERRNO(try_now(op::connect(-1, &datagram.address, 16)), Errno::ebadf);
    CHECK_ERRNO(finish_connect(-1), Errno::ebadf);
    CHECK_ERRNO(finish_connect(pipe.writer), Errno::enotsock);
}

TEST(perform_connect_is_refused) {
    const BoundSocket silent = make_bound_socket(type::stream); // does not listen
    for (u32 which = 0; which < 2; ++which) {
        const Fd fd = make_tcp_socket();
        if (which != 0) {
            set_nonblocking(fd);
        }
        CHECK_ERRNO(connect_to(fd, &silent.address, sizeof(silent.address)), Errno::econnrefused);
        // The error has been told; what is left is a socket without a peer.
        CHECK_ERRNO(finish_connect(fd), Errno::enotconn);
    }
    const Fd fd = make_tcp_socket();
    set_nonblocking(fd);
    CHECK_ERRNO(wait_for(op::connect(fd, &silent.address, sizeof(silent.address))),
                Errno::econnrefused);
}

TEST(perform_connect_under_way) {
    // A full queue drops what comes, so that a connection takes until the peer tries again.
    const BoundSocket listener = make_bound_socket(type::stream);
    CHECK_OK(kernel::listen(listener.fd, 0));
    const Fd first = make_tcp_socket();
    CHECK_EQ(wait_for(op::connect(first, &listener.address, sizeof(listener.address))), 0);
    Fd waiting[2] = {make_tcp_socket(), make_tcp_socket()};
    set_nonblocking(waiting[1]);
    for (const Fd& fd : waiting) {
        const u64 begin = now_ns();
        CHECK_ERRNO(try_now(op::connect(fd, &listener.address, sizeof(listener.address))),
                    Errno::einprogress);
        CHECK_LT(now_ns() - begin, patience_ns); // as long as nobody accepts, it would wait
        CHECK_ERRNO(finish_connect(fd), Errno::einprogress);
        CHECK_ERRNO(try_now(op::connect(fd, &listener.address, sizeof(listener.address))),
                    Errno::ealready);
        CHECK_ERRNO(try_now(op::poll(fd, out)), Errno::eagain);
    }
    CHECK_EQ(timeout_of(waiting[0], option::send_timeout).microseconds, 0);
    waiting[1].close(); // on a slow machine its turn could come first, and there is room for one
    const Fd taken(CHECK_OK(wait_for(op::accept(listener.fd))));
    const u32 events = static_cast<u32>(CHECK_OK(wait_for(op::poll(waiting[0], out))));
    CHECK_EQ(events, out);
    CHECK_EQ(finish_connect(waiting[0]), 0);
}

bool interrupt_connect(void* context, long number, const long* arguments, int count,
                       long* result) noexcept {
    if (number != number::connect) {
        return false;
    }
    (void)count;
    ++*static_cast<u32*>(context);
    const long real = real_call(number, arguments[0], arguments[1], arguments[2]);
    CHECK(real == 0 || real == -Errno::einprogress);
    *result = -Errno::eintr;
    return true;
}

TEST(perform_connect_goes_on_when_interrupted) {
    const BoundSocket listener = make_listener();
    u32 calls = 0;
    const Fd a = make_tcp_socket();
    const Fd b = make_tcp_socket();
    set_handler(interrupt_connect, &calls);
    CHECK_EQ(wait_for(op::connect(a, &listener.address, sizeof(listener.address))), 0);
    CHECK_EQ(calls, 1u); // a second call would be refused
    CHECK_EQ(connect_to(b, &listener.address, sizeof(listener.address)), 0);
    CHECK_EQ(calls, 2u);
    remove_handler(interrupt_connect, &calls);
}

/// A name in no file system, of this test alone.
[[nodiscard]] u32 abstract_address(abi::SocketAddressUn& address, const char* name) noexcept {
    address = {};
    address.family = static_cast<u16>(family::local);
    const i32 pid = kernel::getpid();
    __builtin_memcpy(address.path + 1, &pid, sizeof(pid));
    const u32 length = length_of(name);
    __builtin_memcpy(address.path + 1 + sizeof(pid), name, length);
    return static_cast<u32>(__builtin_offsetof(abi::SocketAddressUn, path) + 1 + sizeof(pid)) +
           length;
}

[[nodiscard]] Fd make_local(i32 kind) noexcept {
    return Fd(CHECK_OK(kernel::socket(family::local, kind | type::cloexec, 0)));
}

void accept_one(i32 fd) noexcept {
    CHECK_OK(kernel::close(CHECK_OK(kernel::accept4(fd, nullptr, nullptr, 0))));
}

TEST(perform_connect_to_a_full_local_listener) {
    abi::SocketAddressUn address;
    const u32 bytes = abstract_address(address, "full");
    const Fd listener = make_local(type::stream);
    CHECK_EQ(try_now(op::bind(listener, &address, bytes)), 0);
    CHECK_EQ(try_now(op::listen(listener, 0)), 0);
    const Fd first = make_local(type::stream);
    CHECK_EQ(try_now(op::connect(first, &address, bytes)), 0);
    for (u32 which = 0; which < 2; ++which) {
        const Fd fd = make_local(type::stream);
        if (which != 0) {
            set_nonblocking(fd);
        }
        const u64 begin = now_ns();
        CHECK_ERRNO(try_now(op::connect(fd, &address, bytes)), Errno::eagain);
        CHECK_LT(now_ns() - begin, patience_ns); // as long as nobody accepts, it would wait
        Later accept(accept_one, listener);
        CHECK_EQ(wait_for(op::connect(fd, &address, bytes)), 0);
        accept.join();
    }
}

// ---- Accepting ----------------------------------------------------------------------------------

TEST(perform_accept) {
    const NoLeaks no_leaks;
    for (u32 which = 0; which < 2; ++which) {
        const BoundSocket listener = make_listener();
        if (which != 0) {
            set_nonblocking(listener.fd);
        }
        const Operation accept =
            which != 0 ? op::accept(listener.fd) : op::accept_multishot(listener.fd);
        CHECK_ERRNO(try_now(accept), Errno::eagain);
        CHECK_ERRNO(perform_with(Patience::ready, accept), Errno::eagain);
        const Fd client = make_tcp_socket();
        CHECK_OK(kernel::connect(client, &listener.address, sizeof(listener.address)));
        const Fd loops(CHECK_OK(try_now(accept)));
        CHECK(!is_blocking(loops));
        CHECK(closes_on_exec(loops));
        const Fd another = make_tcp_socket();
        CHECK_OK(kernel::connect(another, &listener.address, sizeof(listener.address)));
        const Fd workers(CHECK_OK(wait_for(accept)));
        CHECK(is_blocking(workers));
        CHECK(closes_on_exec(workers));
        CHECK_EQ(is_blocking(listener.fd), which == 0);
        CHECK_EQ(timeout_of(loops, option::receive_timeout).microseconds, 0);
    }
    const SocketPair pair = make_tcp_pair();
    CHECK_ERRNO(try_now(op::accept(pair.near)), Errno::einval); // blocking, and nothing to read
    const Fd datagram = make_bound_socket(type::datagram).fd;
    CHECK_ERRNO(try_now(op::accept(datagram)), Errno::eopnotsupp);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(try_now(op::accept(pipe.reader)), Errno::enotsock);
    CHECK_ERRNO(try_now(op::accept(-1)), Errno::ebadf);
    CHECK_ERRNO(wait_for(op::accept(-1)), Errno::ebadf);
}

void connect_later(i32 listener) noexcept {
    abi::SocketAddressStorage address = {};
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    const Fd client(CHECK_OK(kernel::socket(address.family, type::stream | type::cloexec, 0)));
    CHECK_OK(kernel::connect(client, &address, bytes));
}

TEST(perform_accept_waits_for_what_does_not) {
    const BoundSocket listener = make_listener();
    set_nonblocking(listener.fd);
    interrupt_call(number::accept4, 1, 2);
    Later connect(connect_later, listener.fd);
    const Fd fd(CHECK_OK(wait_for(op::accept(listener.fd))));
    connect.join();
    CHECK_EQ(faults_hit(), 2u);
}

TEST(perform_accept_tells_the_peer) {
    BoundSocket listener = make_listener();
    abi::SocketAddressStorage peer = {};
    u32 bytes = 1; // is an answer only
    for (u32 i = 0; i < 2; ++i) {
        const Fd client = make_tcp_socket();
        CHECK_OK(kernel::connect(client, &listener.address, sizeof(listener.address)));
        abi::SocketAddressIn own = {};
        u32 own_bytes = sizeof(own);
        CHECK_OK(kernel::getsockname(client, &own, &own_bytes));
        const Fd fd(CHECK_OK(try_now(op::accept(listener.fd, {&peer, sizeof(peer), &bytes}))));
        CHECK_EQ(bytes, sizeof(own));
        CHECK_BYTES(&peer, &own, sizeof(own));
        // Room for less: the length says so, and the next one is not cut short by it.
        const Fd second = make_tcp_socket();
        CHECK_OK(kernel::connect(second, &listener.address, sizeof(listener.address)));
        u8 small[4] = {};
        const Fd cut(CHECK_OK(try_now(op::accept(listener.fd, {small, 4, &bytes}))));
        CHECK_EQ(bytes, sizeof(own));
        const Fd third = make_tcp_socket();
        CHECK_OK(kernel::connect(third, &listener.address, sizeof(listener.address)));
        const Fd unasked(
            CHECK_OK(try_now(op::accept(listener.fd, {&peer, sizeof(peer), nullptr}))));
        CHECK_EQ(peer.family, family::inet);
    }
}

TEST(perform_accept_tells_an_ipv6_peer) {
    const i32 socket = kernel::socket(family::inet6, type::stream | type::cloexec, 0);
    if (socket < 0) {
        SKIP("no IPv6");
    }
    const Fd listener(socket);
    abi::SocketAddressIn6 address = {};
    address.family = static_cast<u16>(family::inet6);
    address.address[15] = 1;
    if (kernel::bind(listener, &address, sizeof(address)) < 0) {
        SKIP("no IPv6 address");
    }
    CHECK_OK(kernel::listen(listener, 4));
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    const Fd client(CHECK_OK(try_now(op::socket(family::inet6, type::stream))));
    CHECK_EQ(connect_to(client, &address, sizeof(address)), 0);
    abi::SocketAddressStorage peer = {};
    const Fd fd(CHECK_OK(try_now(op::accept(listener, {&peer, sizeof(peer), &bytes}))));
    CHECK_EQ(bytes, sizeof(abi::SocketAddressIn6));
    CHECK_EQ(peer.family, family::inet6);
    CHECK_BYTES(peer.in6.address, address.address, 16);
    abi::SocketAddressIn6 own = {};
    CHECK_OK(kernel::getsockname(client, &own, &bytes));
    CHECK_EQ(peer.in6.port, own.port);
}

TEST(perform_accept_tells_a_local_peer) {
    abi::SocketAddressUn address;
    const u32 address_bytes = abstract_address(address, "listener");
    const Fd listener = make_local(type::stream);
    CHECK_EQ(try_now(op::bind(listener, &address, address_bytes)), 0);
    CHECK_EQ(try_now(op::listen(listener, 4)), 0);
    CHECK_ERRNO(try_now(op::accept(listener)), Errno::eagain);
    abi::SocketAddressStorage peer = {};
    u32 bytes = 0;
    const Fd nameless = make_local(type::stream);
    CHECK_EQ(try_now(op::connect(nameless, &address, address_bytes)), 0);
    const Fd a(CHECK_OK(try_now(op::accept(listener, {&peer, sizeof(peer), &bytes}))));
    CHECK_EQ(bytes, 2u);
    CHECK_EQ(peer.family, family::local);
    abi::SocketAddressUn own;
    const u32 own_bytes = abstract_address(own, "client");
    const Fd named = make_local(type::stream);
    CHECK_EQ(try_now(op::bind(named, &own, own_bytes)), 0);
    CHECK_EQ(wait_for(op::connect(named, &address, address_bytes)), 0);
    const Fd b(CHECK_OK(try_now(op::accept(listener, {&peer, sizeof(peer), &bytes}))));
    CHECK_EQ(bytes, own_bytes);
    CHECK_BYTES(&peer, &own, own_bytes);
}

// ---- The race for a connection ------------------------------------------------------------------

TEST(perform_accept_of_two_for_one) {
    for (u32 which = 0; which < 2; ++which) {
        const BoundSocket listener = make_listener();
        if (which != 0) {
            set_nonblocking(listener.fd);
        }
        const Fd client = make_tcp_socket();
        CHECK_OK(kernel::connect(client, &listener.address, sizeof(listener.address)));
        // Both have seen that it is readable; one comes too late.
        CHECK_EQ(events_now(listener.fd, abi::poll_event::in), abi::poll_event::in);
        const i32 status = in_child([&]() noexcept {
            const Fd fd(CHECK_OK(perform_with(Patience::ready, op::accept(listener.fd))));
        });
        CHECK_EQ(status, 0);
        CHECK_ERRNO(perform_with(Patience::ready, op::accept(listener.fd)), Errno::eagain);
    }
}

/// Another process that accepts right after `fd` was found readable.
bool steal_connection(void* context, long number, const long* arguments, int count,
                      long* result) noexcept {
    if (!is_ppoll(number)) {
        return false;
    }
    (void)count;
    *result =
        real_call(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    const i32 listener = *static_cast<const i32*>(context);
    if (*result == 1) {
        const long stolen = real_call(number::accept4, listener, 0, 0, 0);
        CHECK_OK(stolen);
        CHECK_OK(real_call(number::close, stolen));
    }
    return true;
}

TEST(perform_accept_robbed_at_the_last_moment) {
    for (u32 which = 0; which < 2; ++which) {
        const BoundSocket listener = make_listener();
        i32 fd = listener.fd;
        if (which != 0) {
            set_nonblocking(fd);
        }
        const Fd client = make_tcp_socket();
        CHECK_OK(kernel::connect(client, &listener.address, sizeof(listener.address)));
        if (which != 0) {
            accept_one(fd);
            CHECK_ERRNO(perform_with(Patience::ready, op::accept(fd)), Errno::eagain);
            continue;
        }
        // The limit that perform.h states: a blocking listener then waits for the next connection.
        Later connect(connect_later, fd);
        set_handler(steal_connection, &fd);
        const Fd next(CHECK_OK(perform_with(Patience::ready, op::accept(fd))));
        remove_handler(steal_connection, &fd);
        connect.join();
    }
}

TEST(perform_accept_timeout_would_be_inherited) {
    // Why a short SO_RCVTIMEO on the listener is no way out: whatever connects meanwhile keeps it,
    // and may be accepted by another process.
    const BoundSocket listener = make_listener();
    const abi::SocketTimeval least = {0, 1};
    const abi::SocketTimeval none = {0, 0};
    const auto set = [&](const abi::SocketTimeval& time) noexcept {
        const i32 told = kernel::setsockopt(listener.fd, abi::socket_level::socket,
                                            option::receive_timeout, &time, sizeof(time));
        SKIP_IF_MISSING(told != -Errno::enoprotoopt, "SO_RCVTIMEO_NEW");
        CHECK_OK(told);
    };
    set(least);
    const Fd client = make_tcp_socket();
    CHECK_OK(kernel::connect(client, &listener.address, sizeof(listener.address)));
    set(none);
    const Fd fd(CHECK_OK(try_now(op::accept(listener.fd))));
    CHECK_GT(timeout_of(fd, option::receive_timeout).microseconds, 0);
}

} // namespace
} // namespace oxbow::test
