// By hand on epoll: level-triggered, one recv and one send for each event.
#include "ping_pong.h"

#include <sys/epoll.h>

namespace {

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters&) : pair_(pair) {
        epoll_ = static_cast<int>(bench::expect("epoll_create1", epoll_create1(0)));
        watch(pair.client);
        watch(pair.server);
    }
    void run(long count) {
        send_to(pair_.client);
        while (count > 0) {
            epoll_event events[16];
            const int ready = epoll_wait(epoll_, events, 16, -1);
            for (int i = 0; i < ready; ++i) {
                const int fd = events[i].data.fd;
                char data[64];
                bench::check_ping(data, recv(fd, data, sizeof(data), 0));
                if (fd == pair_.server || --count > 0) {
                    send_to(fd);
                }
            }
        }
    }

  private:
    void watch(int fd) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        bench::expect("epoll_ctl", epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event));
    }
    static void send_to(int fd) {
        if (send(fd, bench::ping, bench::ping_bytes, MSG_NOSIGNAL) != bench::ping_bytes) {
            bench::fail("send", -errno);
        }
    }

    bench::TcpPair pair_;
    int epoll_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
