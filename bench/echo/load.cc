// The load of every echo server: `connections` of them, one request under way on each, `count`
// requests in all, and every byte that comes back is compared. Plain epoll.
//
//     load port=N connections=64 bytes=64 count=100000 go=FD cpu=1 lane=0
//
// It connects from the addresses of its lane, waits for a byte from the descriptor FD, and begins.
#include "../processor.h"
#include "../sockets.h"

#include <sys/epoll.h>
#include <vector>

namespace {

using namespace bench;

struct Connection {
    int fd = -1;
    unsigned received = 0; ///< of the message that is under way
};

class Load {
  public:
    Load(unsigned port, unsigned lane, unsigned connections, unsigned bytes, long count)
        : message_(bytes), answer_(bytes), connections_(connections), to_send_(count),
          to_receive_(count) {
        for (unsigned i = 0; i < bytes; ++i) {
            message_[i] = static_cast<char>(i * 7 + 1);
        }
        epoll_ = static_cast<int>(expect("epoll_create1", epoll_create1(0)));
        for (unsigned i = 0; i < connections; ++i) {
            connections_[i].fd = connect_to(port, source_address(lane, i));
            set_nonblocking(connections_[i].fd);
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u32 = i;
            expect("epoll_ctl", epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].fd, &event));
        }
    }

    void run() {
        for (Connection& connection : connections_) {
            request(connection);
        }
        epoll_event events[64];
        while (to_receive_ > 0) {
            const long ready = epoll_wait(epoll_, events, 64, 20000);
            if (ready <= 0) {
                fail("no answer in 20 seconds", ready);
            }
            for (long i = 0; i < ready; ++i) {
                receive(connections_[events[i].data.u32]);
            }
        }
    }

  private:
    void request(Connection& connection) {
        if (to_send_ == 0) {
            return;
        }
        --to_send_;
        // All of a message fits into the socket's buffer, which is empty.
        const long sent = send(connection.fd, message_.data(), message_.size(), MSG_NOSIGNAL);
        if (sent != static_cast<long>(message_.size())) {
            fail("send", sent < 0 ? -errno : sent);
        }
    }
    void receive(Connection& connection) {
        const std::size_t room = message_.size() - connection.received;
        const long bytes = expect("recv", recv(connection.fd, answer_.data(), room, 0));
        if (bytes == 0 || std::memcmp(answer_.data(), message_.data() + connection.received,
                                      static_cast<std::size_t>(bytes)) != 0) {
            fail("the server answered wrongly", bytes);
        }
        connection.received += static_cast<unsigned>(bytes);
        if (connection.received == message_.size()) {
            connection.received = 0;
            --to_receive_;
            request(connection);
        }
    }

    std::vector<char> message_;
    std::vector<char> answer_;
    std::vector<Connection> connections_;
    int epoll_;
    long to_send_;
    long to_receive_;
};

} // namespace

int main(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const unsigned port = static_cast<unsigned>(parameters.number("port", 0));
    const unsigned connections = static_cast<unsigned>(parameters.number("connections", 64));
    const unsigned bytes = static_cast<unsigned>(parameters.number("bytes", 64));
    const long count = parameters.number("count", 100000);
    const unsigned lane = static_cast<unsigned>(parameters.number("lane", 0));
    const int go = static_cast<int>(parameters.number("go", 0));
    pin_to(parameters.number("cpu", 1));
    parameters.done();
    raise_file_limit(files_beside + connections);
    Load load(port, lane, connections, bytes, count);
    char byte = 0;
    if (read(go, &byte, 1) != 1) {
        fail("the server did not say go", 0);
    }
    load.run();
    return 0;
}
