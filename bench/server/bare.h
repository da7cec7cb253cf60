// What the servers without a C library share. A server is a whole program, and as small as it can
// be: it listens on a port of loopback that the kernel chooses, writes the port's two bytes to its
// standard output, and sends back what comes in on any number of connections. With a number as its
// argument it ends after as many answers; how long that takes from its start, with how many system
// calls, how large it is and what an idle connection costs it are what is measured.
//
// Nothing is closed at the end: the kernel does that for a process that exits.
#pragma once

#include "../../syscall/call.h"
#include "../../syscall/start.h"

namespace bare {

using namespace oxbow;

inline constexpr u32 buffer_bytes = 2048;
inline constexpr u32 buffer_count = 64; // for all connections; a power of two

/// The argument: after how many answers the server ends. Without one, it never does.
[[nodiscard]] inline u64 answers_max(int argc, char** argv) noexcept {
    if (argc < 2) {
        return ~u64{0};
    }
    u64 number = 0;
    for (const char* digit = argv[1]; *digit >= '0' && *digit <= '9'; ++digit) {
        number = number * 10 + static_cast<u64>(*digit - '0');
    }
    return number;
}

/// A listening socket whose port has been told, or -1. `flags`: nonblock is what epoll wants.
[[nodiscard]] inline i32 listen_and_tell(i32 flags = 0) noexcept {
    const i32 listener = kernel::socket(
        abi::socket_family::inet, abi::socket_type::stream | abi::socket_type::cloexec | flags, 0);
    abi::SocketAddressIn address{};
    address.family = abi::socket_family::inet;
    address.address = abi::ipv4_loopback;
    u32 bytes = sizeof(address);
    if (kernel::bind(listener, &address, bytes) != 0 || kernel::listen(listener, 4096) != 0 ||
        kernel::getsockname(listener, &address, &bytes) != 0 ||
        kernel::write(1, &address.port, sizeof(address.port)) != sizeof(address.port)) {
        return -1;
    }
    return listener;
}

} // namespace bare
