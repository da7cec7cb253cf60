// One TCP connection, both ends on one loop: the client sends five bytes, the server sends them
// back, the client counts a round trip and sends again. The least that a loop can do for a message.
#pragma once

#include "../sockets.h"

namespace bench {

inline constexpr char ping[] = "PING\n";
inline constexpr unsigned ping_bytes = 5;

/// `Subject`: made of the connection and Parameters; run(count) makes so many round trips.
template <class Subject>
int run_ping_pong(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long count = parameters.number("count", 100000);
    Meter meter(parameters);
    const TcpPair pair;
    static Subject subject(pair, parameters);
    parameters.done();
    subject.run(100); // warm
    meter.start();
    subject.run(count);
    meter.stop();
    meter.print(static_cast<double>(count));
    return 0;
}

/// Every subject's check of what it has received.
inline void check_ping(const void* data, long bytes) {
    if (bytes != ping_bytes || std::memcmp(data, ping, ping_bytes) != 0) {
        fail("a message was damaged", bytes);
    }
}

} // namespace bench
