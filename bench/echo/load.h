// What the load programs share: connections to a server that sends everything back, one message
// under way on each, and every byte that comes back compared.
#pragma once

#include "../processor.h"
#include "../sockets.h"

#include <sys/epoll.h>
#include <vector>

namespace bench {

struct LoadParameters {
    unsigned port;
    unsigned connections;
    unsigned bytes; ///< of a message
    long count;     ///< of messages, over all connections
    int go;         ///< descriptor from which the byte comes that lets it begin
    long cpu;
    unsigned lane; ///< its number, where a server has several loads (source_address)

    explicit LoadParameters(Parameters& parameters)
        : port(static_cast<unsigned>(parameters.number("port", 0))),
          connections(static_cast<unsigned>(parameters.number("connections", 64))),
          bytes(static_cast<unsigned>(parameters.number("bytes", 64))),
          count(parameters.number("count", 100000)),
          go(static_cast<int>(parameters.number("go", 0))), cpu(parameters.number("cpu", 1)),
          lane(static_cast<unsigned>(parameters.number("lane", 0))) {
        if (connections == 0 || bytes == 0 || count == 0) {
            fail("connections, bytes and count are above 0", 0);
        }
    }
};

class LoadConnections {
  public:
    explicit LoadConnections(const LoadParameters& load)
        : go_(load.go), message_(load.bytes), answer_(load.bytes), connections_(load.connections) {
        for (unsigned i = 0; i < load.bytes; ++i) {
            message_[i] = static_cast<char>(i * 7 + 1);
        }
        epoll_ = static_cast<int>(expect("epoll_create1", epoll_create1(0)));
        for (unsigned i = 0; i < load.connections; ++i) {
            const int fd = connect_to(load.port, source_address(load.lane, i));
            connections_[i].fd = fd;
            set_nonblocking(fd);
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u32 = i;
            expect("epoll_ctl", epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event));
        }
    }

    void await_go() const {
        char byte = 0;
        if (read(go_, &byte, 1) != 1) {
            fail("the server did not say go", 0);
        }
    }

    void send(unsigned connection) const {
        // All of a message fits into the socket's buffer, which is empty.
        const long sent =
            ::send(connections_[connection].fd, message_.data(), message_.size(), MSG_NOSIGNAL);
        if (sent != static_cast<long>(message_.size())) {
            fail("send", sent < 0 ? -errno : sent);
        }
    }

    /// Calls `visit(connection)` for each that has something to receive; how many those were.
    template <class Visit>
    long for_each_ready(int timeout_ms, Visit visit) {
        epoll_event events[64];
        const long ready = expect("epoll_wait", epoll_wait(epoll_, events, 64, timeout_ms));
        for (long i = 0; i < ready; ++i) {
            visit(static_cast<unsigned>(events[i].data.u32));
        }
        return ready;
    }

    /// Whether the message is back.
    [[nodiscard]] bool receive(unsigned connection) {
        Connection& from = connections_[connection];
        const std::size_t room = message_.size() - from.received;
        const long bytes = expect("recv", recv(from.fd, answer_.data(), room, 0));
        if (bytes == 0 || std::memcmp(answer_.data(), message_.data() + from.received,
                                      static_cast<std::size_t>(bytes)) != 0) {
            fail("the server answered wrongly", bytes);
        }
        from.received += static_cast<unsigned>(bytes);
        if (from.received < message_.size()) {
            return false;
        }
        from.received = 0;
        return true;
    }

  private:
    struct Connection {
        int fd = -1;
        unsigned received = 0; ///< of the message that is under way
    };

    int epoll_ = -1;
    int go_;
    std::vector<char> message_;
    std::vector<char> answer_;
    std::vector<Connection> connections_;
};

} // namespace bench
