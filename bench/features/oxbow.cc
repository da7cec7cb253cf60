// The ping-pong with one optional feature of the loop in use: features.h has them.
#include "../oxbow.h"
#include "../ping_pong/ping_pong.h"
#include "features.h"

namespace {

using namespace oxbow;

constexpr u64 never_ns = 3'600'000'000'000; // far behind the end of the run
constexpr u32 registered_fds = 64;

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters& parameters)
        : features_(parameters.text("feature", "none")) {
        bench::open_loop(loop_, parameters,
                         {.registered_fds = features_.registered ? registered_fds : 0,
                          .slow_callback_ns = features_.callback_times ? never_ns : 0});
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
        if (loop_.statistics().slow_callbacks != 0) {
            bench::fail("a callback took an hour", 0);
        }
        // Of the last send the end may still be to come.
        if (features_.told_sends ? told_ < sent_ - 1 || told_ > sent_ : told_ != 0) {
            bench::fail("callbacks of sends", told_);
        }
    }

  private:
    static constexpr u32 sends = 2; // the end of one may be told after the next has begun

    struct End {
        Subject* subject = nullptr;
        int fd = -1;
        u32 next = 0;
        char data[64];
        Completion receive;
        Completion send[sends];
    };

    void start(End& end, int fd) noexcept {
        end.subject = this;
        end.fd = fd;
        if (features_.registered && !loop_.register_fd(fd) &&
            std::strcmp(loop_.engine_name(), "io_uring") == 0) {
            bench::fail("the ring registers no descriptors", 0);
        }
        receive(end);
    }
    void receive(End& end) noexcept {
        Operation operation = features_.multishot ? op::recv_multishot(end.fd, pool_)
                              : features_.pool    ? op::recv(end.fd, pool_)
                                                  : op::recv(end.fd, end.data, sizeof(end.data));
        if (features_.deadline) {
            operation = with_timeout(operation, never_ns);
        }
        loop_.submit(end.receive, operation, received, &end);
        if (features_.chain && &end == &server_) {
            loop_.then(end.receive, next_send(end), answer_of(end), Handler{});
        }
    }
    static Action received(Loop&, Completion&, Result result, void* user) noexcept {
        End& end = *static_cast<End*>(user);
        Subject& self = *end.subject;
        bench::check_ping(result.has_buffer() ? self.pool_.data(result)
                                              : reinterpret_cast<const u8*>(end.data),
                          result.value);
        self.pool_.give_back(result);
        if (!result.more()) {
            self.receive(end);
        }
        if (&end == &self.server_) {
            if (!self.features_.chain) {
                self.send(end);
            }
        } else if (--self.left_ > 0) {
            self.send(end);
        } else {
            self.loop_.stop();
        }
        return Action::disarm;
    }
    static Action sent(Loop&, Completion&, Result result, void* user) noexcept {
        bench::check_ping(bench::ping, result.value);
        ++static_cast<End*>(user)->subject->told_;
        return Action::disarm;
    }
    [[nodiscard]] static Completion& next_send(End& end) noexcept {
        Completion& completion = end.send[end.next++ % sends];
        if (!completion.idle()) {
            bench::fail("the send before the last has not ended", 0);
        }
        return completion;
    }
    [[nodiscard]] static Operation answer_of(const End& end) noexcept {
        return op::send_all(end.fd, bench::ping, bench::ping_bytes);
    }
    void send(End& end) noexcept {
        ++sent_;
        loop_.submit(next_send(end), answer_of(end),
                     features_.told_sends ? Handler{sent, &end} : Handler{});
    }

    bench::Features features_;
    Loop loop_;
    BufferPool pool_;
    End client_;
    End server_;
    long left_ = 0;
    long sent_ = 0;
    long told_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
