// Timers, wake-ups by another thread, and a file: what a loop does besides sockets.
#pragma once

#include "../io/open.h"
#include "../loop/thread.h"

namespace tour {

using namespace oxbow;

/// Sixteen timers set in a wrong order, and one that comes again and again.
class Timers {
  public:
    static constexpr u32 count = 16;
    static constexpr u64 step_ns = 2'000'000;

    void start(Loop& loop) noexcept {
        begin_ns_ = loop.update_now();
        for (u32 i = 0; i < count; ++i) {
            one_[i].owner = this;
            one_[i].number = i;
            // 7 and 16 have no common factor: every place once, in no order. (No division: some
            // machines have it in libgcc.)
            one_[i].deadline_ns = begin_ns_ + (1 + ((i * 7) & (count - 1))) * step_ns;
            loop.submit(one_[i].completion, op::timer_at(one_[i].deadline_ns),
                        on<&One::ended>(one_[i]));
        }
        loop.submit(tick_, op::timer_every(3 * step_ns), on<&Timers::ticked>(*this));
    }

    u32 in_order = 0; ///< of the sixteen
    u32 early = 0;    ///< of all
    u32 ticks = 0;    ///< of the other, before it was cancelled

  private:
    struct One {
        Timers* owner;
        u32 number;
        u64 deadline_ns;
        Completion completion;

        void ended(Loop& loop, Result) noexcept {
            owner->early += loop.update_now() < deadline_ns ? 1 : 0;
            owner->in_order += deadline_ns > owner->last_ns_ ? 1 : 0;
            owner->last_ns_ = deadline_ns;
        }
    };

    void ticked(Loop& loop, Result result) noexcept {
        if (!result.ok()) {
            return; // it was cancelled
        }
        periods_ += result.count();
        early += loop.update_now() < begin_ns_ + periods_ * 3 * step_ns ? 1 : 0;
        if (++ticks == 5) {
            loop.cancel(tick_);
        }
    }

    u64 begin_ns_ = 0;
    u64 last_ns_ = 0;
    u32 periods_ = 0;
    One one_[count] = {};
    Completion tick_;
};

/// Another thread that notifies the loop and at last posts a result to it.
class Wakeups {
  public:
    static constexpr u32 count = 1000;

    explicit Wakeups(Loop& loop) noexcept : loop_(loop), async_(loop) {}

    [[nodiscard]] i32 start() noexcept {
        loop_.submit(wait_, op::notification(async_), on<&Wakeups::notified>(*this));
        const i32 result = thread_.open(1);
        return result != 0 ? result : thread_.start("tour", run, this);
    }
    void close() noexcept { thread_.join_and_close(); }

    u32 seen = 0; ///< the counter as the loop saw it last: no notification is lost
    u32 posts = 0;

  private:
    static void run(void* argument) noexcept {
        Wakeups& self = *static_cast<Wakeups*>(argument);
        for (u32 i = 0; i < count; ++i) {
            store_release(&self.counter_, i + 1);
            self.async_.notify();
        }
        self.loop_.post(self.post_, on<&Wakeups::posted>(self));
    }

    Action notified(Result result) noexcept {
        seen = load_acquire(&counter_);
        return result.ok() && seen < count ? Action::rearm : Action::disarm;
    }

    void posted(Result) noexcept { ++posts; }

    Loop& loop_;
    Async async_;
    u32 counter_ = 0;
    Completion wait_;
    Completion post_;
    Threads thread_;
};

/// Writes a file, makes it durable, reads it back: each step begins when the one before succeeded.
class File {
  public:
    static constexpr u32 bytes = 1 << 20;

    void start(Loop& loop, const char* path) noexcept {
        path_ = path;
        for (u32 i = 0; i < bytes; ++i) {
            out_[i] = static_cast<u8>(i * 31 + (i >> 8));
        }
        loop.submit(open_,
                    op::openat(abi::at_fdcwd, path,
                               abi::open_flag::read_write | abi::open_flag::create |
                                   abi::open_flag::truncate | abi::open_flag::cloexec,
                               0600),
                    on<&File::opened>(*this));
    }

    u32 written = 0;
    u32 read = 0;
    u64 size = 0;
    i32 error = 0; ///< of the step that failed, or 0
    bool same = false;
    bool gone = false;

  private:
    void opened(Loop& loop, Result result) noexcept {
        note(result);
        fd_ = result.fd();
        if (fd_ < 0) {
            return;
        }
        loop.submit(write_, op::pwrite_all(fd_, out_, bytes, 0), on<&File::wrote>(*this));
        loop.then(write_, sync_, op::fdatasync(fd_), on<&File::note>(*this));
        loop.then(sync_, read_, op::pread_all(fd_, in_, bytes, 0), on<&File::done>(*this));
        loop.then(read_, status_,
                  op::statx(fd_, "",
                            {.flags = abi::at_flag::empty_path, .mask = abi::statx_mask::size},
                            &info_),
                  on<&File::known>(*this));
    }

    void wrote(Result result) noexcept {
        note(result);
        written = result.count();
    }

    void done(Result result) noexcept {
        note(result);
        read = result.count();
        same = true;
        for (u32 i = 0; i < bytes; ++i) {
            same = same && in_[i] == out_[i];
        }
    }

    void known(Loop& loop, Result result) noexcept {
        note(result);
        size = info_.size;
        loop.submit(close_, op::close(fd_), on<&File::note>(*this));
        loop.then(close_, unlink_, op::unlinkat(abi::at_fdcwd, path_), on<&File::unlinked>(*this));
    }

    void unlinked(Result result) noexcept {
        note(result);
        gone = result.ok();
    }

    void note(Result result) noexcept {
        if (!result.ok() && error == 0) {
            error = result.value;
        }
    }

    const char* path_ = nullptr;
    i32 fd_ = 0;
    Completion open_;
    Completion write_;
    Completion sync_;
    Completion read_;
    Completion status_;
    Completion close_;
    Completion unlink_;
    abi::Statx info_{};
    u8 out_[bytes] = {};
    u8 in_[bytes] = {};
};

} // namespace tour
