// By hand on epoll: level-triggered, one buffer for everybody.
#include "echo.h"

#include <sys/epoll.h>
#include <vector>

namespace {

using namespace bench;

class Server {
  public:
    Server(int listener, const EchoParameters& echo, EchoProgress& progress, Parameters&)
        : listener_(listener), buffer_(echo.bytes), progress_(progress) {
        epoll_ = static_cast<int>(expect("epoll_create1", epoll_create1(0)));
        watch(listener);
    }
    void run() {
        epoll_event events[64];
        while (!progress_.done()) {
            const int ready = epoll_wait(epoll_, events, 64, -1);
            for (int i = 0; i < ready; ++i) {
                const int fd = events[i].data.fd;
                if (fd == listener_) {
                    const int accepted = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
                    progress_.accepted(accepted);
                    watch(accepted);
                } else {
                    answer(fd);
                }
            }
        }
    }

  private:
    void watch(int fd) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        expect("epoll_ctl", epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event));
    }
    void answer(int fd) {
        const long received = recv(fd, buffer_.data(), buffer_.size(), 0);
        if (received <= 0) {
            close(fd);
            progress_.closed();
            return;
        }
        const auto bytes = static_cast<std::size_t>(received);
        if (send(fd, buffer_.data(), bytes, MSG_NOSIGNAL) != received) {
            fail("send", -errno);
        }
    }

    int listener_;
    int epoll_;
    std::vector<char> buffer_;
    EchoProgress& progress_;
};

} // namespace

int main(int argc, char** argv) {
    return run_echo<Server>(argc, argv);
}
