// What the servers with a C library share: they do the same as those without (bare.h), each on its
// library.
#pragma once

#include "../sockets.h"

namespace hosted {

using namespace bench;

inline constexpr std::size_t buffer_bytes = 2048;

/// The argument: after how many answers the server ends. Without one, it never does.
[[nodiscard]] inline u64 answers_max(int argc, char** argv) {
    return argc < 2 ? ~u64{0} : std::strtoull(argv[1], nullptr, 10);
}

/// A listening socket, non-blocking, whose port has been told.
[[nodiscard]] inline int listen_and_tell() {
    const int listener = static_cast<int>(
        expect("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
    sockaddr_in address = loopback(0);
    expect("bind", bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    expect("listen", listen(listener, 4096));
    address.sin_port = htons(static_cast<std::uint16_t>(port_of(listener)));
    expect("write", write(1, &address.sin_port, sizeof(address.sin_port)));
    return listener;
}

} // namespace hosted
