// The ping-pong and the echo server by hand, on a ring as the loop's engine opens it on this kernel
// and in the engine's ways; less one of them (strategy.h). What that adds is what the choice is
// worth.
#include "../echo/echo.h"
#include "../ping_pong/ping_pong.h"
#include "messages.h"

#include <vector>

namespace {

using namespace bench;

class PingPong {
  public:
    PingPong(const TcpPair& pair, Parameters& parameters)
        : pair_(pair), messages_(Strategy(parameters.text("without", "none")), 64, 16, 64) {
        messages_.receive_on(pair.client);
        messages_.receive_on(pair.server);
    }
    void run(long count) {
        messages_.send_to(pair_.client, ping, ping_bytes);
        while (count > 0) {
            messages_.wait([&](const Message& message) {
                check_ping(message.data, message.result);
                messages_.give_back(message.id);
                if (!message.goes_on) {
                    messages_.receive_on(message.fd);
                }
                if (message.fd == pair_.server || --count > 0) {
                    messages_.send_to(message.fd, ping, ping_bytes);
                }
            });
        }
    }

  private:
    TcpPair pair_;
    Messages messages_;
};

/// A buffer goes back to the kernel with the next message of its connection, as in the echo case.
class EchoServer {
  public:
    EchoServer(int listener, const EchoParameters& echo, EchoProgress& progress,
               Parameters& parameters)
        : listener_(listener), progress_(progress), sending_(Messages::fds_max, none),
          messages_(Strategy(parameters.text("without", "none")), 4096, buffers_for(echo),
                    echo.bytes) {
        messages_.accept_on(listener);
    }
    void run() {
        while (!progress_.done()) {
            messages_.wait([this](const Message& message) { take(message); });
        }
    }

  private:
    static constexpr int none = -1;

    [[nodiscard]] static unsigned buffers_for(const EchoParameters& echo) {
        unsigned count = 256;
        while (count < 2 * echo.connections) {
            count *= 2;
        }
        return count;
    }
    void take(const Message& message) {
        if (message.fd == listener_) {
            progress_.accepted(message.result);
            messages_.receive_on(message.result);
            return;
        }
        if (message.result == -ENOBUFS) {
            messages_.receive_on(message.fd);
            return;
        }
        int& sending = sending_[static_cast<std::size_t>(message.fd)];
        if (sending != none) {
            messages_.give_back(static_cast<unsigned>(sending));
            sending = none;
        }
        if (message.result <= 0) {
            close(message.fd);
            progress_.closed();
            return;
        }
        sending = static_cast<int>(message.id);
        messages_.send_to(message.fd, message.data, static_cast<unsigned>(message.result));
        if (!message.goes_on) {
            messages_.receive_on(message.fd); // behind the send, whose buffer it may write to
        }
    }

    int listener_;
    EchoProgress& progress_;
    std::vector<int> sending_; ///< by descriptor: the buffer that was sent last
    Messages messages_;
};

} // namespace

int main(int argc, char** argv) {
    const char* const work = Parameters(argc, argv).text("work", "ping-pong");
    if (std::strcmp(work, "echo") == 0) {
        return run_echo<EchoServer>(argc, argv);
    }
    if (std::strcmp(work, "ping-pong") != 0) {
        fail("work is ping-pong or echo", 0);
    }
    return run_ping_pong<PingPong>(argc, argv);
}
