// The server on a loop, whichever engine that has: an accept_multishot, and for each connection one
// operation at a time: a receive into a buffer of the pool, which is taken only when something has
// come, and a send of that buffer, which gives it back.
#pragma once

#include "../../loop/loop.h"
#include "bare.h"

namespace bare {

class Server {
  public:
    static constexpr u32 sessions_max = 1 << 14;

    [[nodiscard]] Loop& loop() noexcept { return loop_; }
    /// As small as a loop can be that has as many descriptors.
    [[nodiscard]] LoopOptions options() noexcept {
        return {
            .entries = 64, .fds_max = sessions_max, .memory = slots_, .is_opened_by_runner = true};
    }

    /// On its loop, which is open by now. The program's exit status.
    [[nodiscard]] int run(i32 listener, u64 answers) noexcept {
        left_ = answers;
        if (pool_.open(loop_, {.count = buffer_count,
                               .buffer_bytes = buffer_bytes,
                               .memory = buffers_,
                               .tables = tables_}) != 0) {
            return 1;
        }
        loop_.submit(accept_, op::accept_multishot(listener), on<&Server::accepted>(*this));
        return loop_.run() < 0 || left_ != 0 ? 1 : 0;
    }

  private:
    [[nodiscard]] i32 fd_of(const Completion& session) const noexcept {
        return static_cast<i32>(sessions_ + sessions_max - 1 - &session);
    }
    void accepted(Loop& loop, Result result) noexcept {
        if (!result.ok() || result.value >= i32{sessions_max}) {
            loop.stop();
            return;
        }
        receive(loop, sessions_[sessions_max - 1 - static_cast<u32>(result.value)]);
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

    // Static memory: a page is taken when something in it is touched first. What a server of few
    // connections touches of each array is next to what it touches of another: the sessions are
    // counted from their end.
    alignas(4096) Loop loop_;
    alignas(4096) u8 tables_[BufferPool::table_bytes(buffer_count)] = {};
    alignas(64) u8 buffers_[buffer_count][buffer_bytes] = {};
    Completion sessions_[sessions_max]; // by descriptor
    u64 left_ = 0;
    BufferPool pool_;
    Completion accept_;
    alignas(64) u8 slots_[Loop::memory_bytes(sessions_max)] = {};
};

} // namespace bare
