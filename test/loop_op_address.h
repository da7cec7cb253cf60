// Addresses of every family, for the tests of the loop's socket operations.
#pragma once

#include "loop_op_help.h"

namespace oxbow::test {

/// An address of any family, and its length.
struct Address {
    abi::SocketAddressStorage storage = {};
    u32 bytes = sizeof(abi::SocketAddressStorage);
};

[[nodiscard]] inline Address name_of_socket(i32 fd) noexcept {
    Address address;
    CHECK_OK(kernel::getsockname(fd, &address.storage, &address.bytes));
    return address;
}

[[nodiscard]] inline Address any_loopback(i32 of_family) noexcept {
    Address address;
    if (of_family == abi::socket_family::inet) {
        address.storage.in = loopback(0);
        address.bytes = sizeof(abi::SocketAddressIn);
    } else if (of_family == abi::socket_family::inet6) {
        address.storage.in6.family = static_cast<u16>(abi::socket_family::inet6);
        address.storage.in6.address[15] = 1;
        address.bytes = sizeof(abi::SocketAddressIn6);
    } else { // of AF_UNIX: the kernel chooses an abstract name
        address.storage.family = static_cast<u16>(abi::socket_family::local);
        address.bytes = sizeof(u16);
    }
    return address;
}

[[nodiscard]] inline Address path_address(const char* path) noexcept {
    Address address;
    address.storage.local = {static_cast<u16>(abi::socket_family::local), {}};
    const u32 length = length_of(path);
    CHECK_LT(length, sizeof(address.storage.local.path));
    __builtin_memcpy(address.storage.local.path, path, length);
    address.bytes = static_cast<u32>(__builtin_offsetof(abi::SocketAddressUn, path)) + length + 1;
    return address;
}

inline void check_same_address(const Address& actual, const Address& expected) noexcept {
    CHECK_EQ(actual.bytes, expected.bytes);
    CHECK_BYTES(&actual.storage, &expected.storage, actual.bytes);
}

[[nodiscard]] inline Fd socket_of(Loop& loop, i32 of_family, i32 of_type) noexcept {
    const Result result = perform_on(loop, op::socket(of_family, of_type));
    CHECK_OK(result.value);
    return Fd(result.fd());
}

/// Binds to a free address; skips where the machine has no such family.
[[nodiscard]] inline Address bind_somewhere(Loop& loop, i32 fd, i32 of_family) noexcept {
    const Address address = any_loopback(of_family);
    const Result result = perform_on(loop, op::bind(fd, &address.storage, address.bytes));
    if (of_family == abi::socket_family::inet6 && result.is(Errno::eaddrnotavail)) {
        SKIP("no IPv6 on this machine");
    }
    CHECK_EQ(result.value, 0);
    return name_of_socket(fd);
}

[[nodiscard]] inline bool has_ipv6() noexcept {
    const i32 fd = kernel::socket(abi::socket_family::inet6,
                                  abi::socket_type::stream | abi::socket_type::cloexec, 0);
    if (fd >= 0) {
        (void)kernel::close(fd);
    }
    return fd >= 0;
}

} // namespace oxbow::test
