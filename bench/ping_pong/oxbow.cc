// recv_multishot into a pool, and a send for each message that tells nobody of its end.
#include "../oxbow.h"
#include "ping_pong.h"

namespace {

using namespace oxbow;

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters& parameters) {
        bench::open_loop(loop_, parameters);
        const int error = pool_.open(loop_, {.count = 16, .buffer_bytes = 64});
        if (error != 0) {
            bench::fail("BufferPool::open", error);
        }
        start(client_, pair.client);
        start(server_, pair.server);
    }
    void run(long count) {
        left_ = count;
        send(client_);
        if (const int error = loop_.run(); error < 0) {
            bench::fail("Loop::run", error);
        }
    }

  private:
    struct End {
        Subject* subject = nullptr;
        int fd = -1;
        Completion receive;
        Completion send;
    };

    void start(End& end, int fd) noexcept {
        end.subject = this;
        end.fd = fd;
        loop_.submit(end.receive, op::recv_multishot(fd, pool_), received, &end);
    }
    static Action received(Loop&, Completion&, Result result, void* user) noexcept {
        End& end = *static_cast<End*>(user);
        Subject& self = *end.subject;
        bench::check_ping(self.pool_.data(result), result.value);
        self.pool_.give_back(result);
        if (&end == &self.server_ || --self.left_ > 0) {
            self.send(end);
        } else {
            self.loop_.stop();
        }
        return Action::disarm;
    }
    /// Nobody wants to know of its end: a failure is seen by the receives, as in the other
    /// subjects.
    void send(End& end) noexcept {
        loop_.submit(end.send, op::send_all(end.fd, bench::ping, bench::ping_bytes), Handler{});
    }

    Loop loop_;
    BufferPool pool_;
    End client_;
    End server_;
    long left_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
