// As a user would write it: accept_multishot, recv_multishot into one pool for all, and send_all of
// the buffer that the data came in, which goes back by itself.
#include "../oxbow.h"
#include "echo.h"

namespace {

using namespace oxbow;

class Server;

class Session {
  public:
    void start(Server& server, int fd) noexcept;

  private:
    static constexpr u32 sends = 4; // pieces that were received and wait to be sent back

    void received(Loop& loop, Result result) noexcept;
    void closed(Result result) noexcept;

    Server* server_ = nullptr;
    int fd_ = -1;
    u32 next_ = 0;
    Completion receive_;
    Completion send_[sends];
};

class Server {
  public:
    Server(int listener, const bench::EchoParameters& echo, bench::EchoProgress& progress,
           bench::Parameters& parameters)
        : progress_(progress), sessions_(new Session[echo.connections]) {
        bench::open_loop(loop_, parameters);
        u32 count = 256;
        while (count < 2 * echo.connections && count < 32768) { // the kernel's limit
            count *= 2;
        }
        const int error = pool_.open(loop_, {.count = count, .buffer_bytes = echo.bytes});
        if (error != 0) {
            bench::fail("BufferPool::open", error);
        }
        loop_.submit(accept_, op::accept_multishot(listener), on<&Server::accepted>(*this));
    }
    void run() {
        while (!progress_.done()) {
            if (const int error = loop_.run(Run::once); error < 0) {
                bench::fail("Loop::run", error);
            }
        }
    }
    [[nodiscard]] Loop& loop() noexcept { return loop_; }
    [[nodiscard]] BufferPool& pool() noexcept { return pool_; }
    [[nodiscard]] bench::EchoProgress& progress() noexcept { return progress_; }

  private:
    void accepted(Result result) noexcept {
        progress_.accepted(result.value);
        sessions_[next_++].start(*this, result.fd());
    }

    bench::EchoProgress& progress_;
    Session* sessions_;
    u32 next_ = 0;
    Loop loop_;
    BufferPool pool_;
    Completion accept_;
};

void Session::start(Server& server, int fd) noexcept {
    server_ = &server;
    fd_ = fd;
    server.loop().submit(receive_, op::recv_multishot(fd, server.pool()),
                         on<&Session::received>(*this));
}

void Session::received(Loop& loop, Result result) noexcept {
    if (result.has_buffer()) {
        Completion& last = send_[(next_ + sends - 1) % sends];
        // The same one as long as one is enough: it is in the cache.
        next_ = last.idle() ? 0 : next_;
        Completion& send = send_[next_++ % sends];
        const Operation answer = op::send_all(fd_, server_->pool(), result);
        if (!send.idle()) {
            bench::fail("too many pieces", sends);
        }
        if (last.idle()) {
            loop.submit(send, answer, Handler{});
        } else {
            loop.then(last, send, answer, Handler{});
        }
    }
    if (!result.more()) {
        if (!result.ok()) {
            bench::fail("recv", result.value);
        }
        loop.submit(receive_, op::close(fd_), on<&Session::closed>(*this));
    }
}

void Session::closed(Result) noexcept {
    server_->progress().closed();
}

} // namespace

int main(int argc, char** argv) {
    return bench::run_echo<Server>(argc, argv);
}
