// The server on a loop, whichever engine that has: an accept_multishot, and for each connection one
// operation at a time: a receive into a buffer of the pool, which is taken only when something has
// come, and a send of that buffer, which gives it back.
#pragma once

#include "../../loop/loop.h"
#include "bare.h"

namespace bare {

class Server {
  public:
    static constexpr u32 sessions_max = 1 << 16;

    /// The program's exit status.
    [[nodiscard]] int run(Loop& loop, i32 listener, u64 answers) noexcept {
        left_ = answers;
        if (pool_.open(loop, {.count = buffer_count, .buffer_bytes = buffer_bytes}) != 0) {
            return 1;
        }
        loop.submit(accept_, op::accept_multishot(listener), on<&Server::accepted>(*this));
        return loop.run() < 0 || left_ != 0 ? 1 : 0;
    }

  private:
    [[nodiscard]] i32 fd_of(const Completion& session) const noexcept {
        return static_cast<i32>(&session - sessions_);
    }
    void accepted(Loop& loop, Result result) noexcept {
        if (!result.ok() || result.value >= i32{sessions_max}) {
            loop.stop();
            return;
        }
        receive(loop, sessions_[result.value]);
    }
    void receive(Loop& loop, Completion& session) noexcept {
        loop.submit(session, op::recv(fd_of(session), pool_), on<&Server::received>(*this));
    }
    void received(Loop& loop, Completion& session, Result result) noexcept {
        const i32 fd = fd_of(session);
        if (result.has_buffer()) {
            loop.submit(session, op::send_all(fd, pool_, result), on<&Server::sent>(*this));
        } else {
            loop.submit(session, op::close(fd), Handler{});
        }
    }
    void sent(Loop& loop, Completion& session, Result result) noexcept {
        if (result.ok() && --left_ == 0) {
            loop.stop();
            return;
        }
        receive(loop, session);
    }

    u64 left_ = 0;
    BufferPool pool_;
    Completion accept_;
    // By descriptor. Static memory: a page is taken when the first of its connections comes.
    Completion sessions_[sessions_max];
};

} // namespace bare
