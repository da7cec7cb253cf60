// Sockets for the cases that need some: TCP on loopback, at ports that the kernel chooses.
#pragma once

#include "bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace bench {

inline void set_nodelay(int fd) {
    const int one = 1;
    expect("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
}

inline void set_nonblocking(int fd) {
    expect("O_NONBLOCK", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

[[nodiscard]] inline sockaddr_in loopback(unsigned port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

[[nodiscard]] inline unsigned port_of(int fd) {
    sockaddr_in address{};
    socklen_t bytes = sizeof(address);
    expect("getsockname", getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes));
    return ntohs(address.sin_port);
}

[[nodiscard]] inline int listen_on(unsigned port) {
    const int fd =
        static_cast<int>(expect("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    const int one = 1;
    expect("SO_REUSEPORT", setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
    const sockaddr_in address = loopback(port);
    expect("bind", bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    expect("listen", listen(fd, 4096));
    return fd;
}

/// `source`: from this address (in host order) instead of the one that the kernel chooses.
[[nodiscard]] inline int connect_to(unsigned port, u32 source = 0) {
    const int fd =
        static_cast<int>(expect("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    if (source != 0) {
        // The port only when the connection is made: one that the same address has not to there.
        const int one = 1;
        expect("IP_BIND_ADDRESS_NO_PORT",
               setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)));
        sockaddr_in from = loopback(0);
        from.sin_addr.s_addr = htonl(source);
        expect("bind", bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof(from)));
    }
    const sockaddr_in address = loopback(port);
    expect("connect", connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    set_nodelay(fd);
    return fd;
}

/// The address that connection `index` of load `lane` comes from: all of 127.0.0.0/8 is this
/// machine. The third byte is the lane, so that listeners can tell loads apart, and each address
/// has fewer connections than there are ports for it.
[[nodiscard]] inline u32 source_address(unsigned lane, unsigned index) {
    return INADDR_LOOPBACK + (lane << 8) + index / 20000;
}

/// Two blocking ends of one TCP connection.
struct TcpPair {
    int client;
    int server;
    TcpPair() {
        const int listener = listen_on(0);
        client = connect_to(port_of(listener));
        server =
            static_cast<int>(expect("accept", accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)));
        set_nodelay(server);
        close(listener);
    }
};

} // namespace bench
