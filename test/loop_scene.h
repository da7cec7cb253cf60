// What whole-loop tests share: threads of the test's own, a pool that closes itself, one operation
// of every kind that waits, and a program that uses a bit of everything.
#pragma once

#include "../loop/thread.h"
#include "live_ring.h"
#include "loop_help.h"

namespace oxbow::test {

[[nodiscard]] bool contains(const char* text, const char* part) noexcept;

void set_nonblocking(i32 fd) noexcept;

/// A pool that is closed where its scope ends.
class OpenPool {
  public:
    OpenPool(Loop& loop, const BufferPoolOptions& options) noexcept {
        CHECK_OK(pool_.open(loop, options));
    }
    ~OpenPool() { pool_.close(); }
    OpenPool(const OpenPool&) = delete;
    OpenPool& operator=(const OpenPool&) = delete;

    BufferPool& operator*() noexcept { return pool_; }
    BufferPool* operator->() noexcept { return &pool_; }

  private:
    BufferPool pool_;
};

/// Threads that run `body(context, index)` until it returns; joined where its scope ends.
class Team {
  public:
    static constexpr u32 threads_max = 16;
    using Body = void (*)(void* context, u32 index) noexcept;

    Team(u32 count, Body body, void* context) noexcept;
    ~Team() { threads_.join_and_close(); }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

  private:
    struct Member {
        Team* team;
        u32 index;
    };
    static void begin(void* member) noexcept;

    Threads threads_;
    Body body_;
    void* context_;
    Member members_[threads_max];
};

/// A counter that threads share.
inline u32 add(u32& counter, u32 more = 1) noexcept {
    return __atomic_add_fetch(&counter, more, __ATOMIC_ACQ_REL);
}
/// Waits, without telling the loop anything, until `counter` is at least `value`.
void await(const u32& counter, u32 value) noexcept;

/// A socket whose buffer for sending is full and whose other side takes nothing.
[[nodiscard]] SocketPair make_full_pair() noexcept;
/// A pipe that has no room.
[[nodiscard]] Pipe make_full_pipe() noexcept;
/// A listener whose backlog is full: a further connect waits.
struct FullListener {
    BoundSocket listener;
    Fd queued;
};
[[nodiscard]] FullListener make_full_listener() noexcept;

/// One operation of every kind that waits, all in flight on one loop and none about to end, with
/// what they wait for.
class Everything {
  public:
    static constexpr u32 kinds_max = 48;

    /// Submits them and runs a round.
    explicit Everything(Loop& loop) noexcept;
    /// All must have ended.
    ~Everything();
    Everything(const Everything&) = delete;
    Everything& operator=(const Everything&) = delete;

    [[nodiscard]] u32 count() const noexcept { return count_; }
    [[nodiscard]] Logged& at(u32 index) noexcept { return logs_[index]; }
    [[nodiscard]] u32 ended() const noexcept;
    /// Drains the loop; everything must end, cancelled or with what it had done by then.
    void drain() noexcept;
    /// Each has ended once, so.
    void check_cancelled() const noexcept;

  private:
    Logged& next(const char* name) noexcept;
    void start(const char* name, const Operation& operation) noexcept;
    void start_timers() noexcept;
    void start_sockets() noexcept;
    void start_receives() noexcept;
    void start_sends() noexcept;
    void start_pipes() noexcept;
    void start_rest() noexcept;

    Loop& loop_;
    u32 count_ = 0;
    const char* names_[kinds_max] = {};
    Logged logs_[kinds_max];
    Async async_;
    OpenPool pool_;
    BoundSocket listeners_[2];
    FullListener full_listener_;
    Fd connecting_;
    SocketPair quiet_;     // nothing comes
    SocketPair datagrams_; // nothing comes
    SocketPair full_;      // nothing goes
    Pipe empty_pipe_;
    Pipe part_pipe_; // has three bytes, which read_all takes
    Pipe full_pipe_;
    Pipe other_pipe_;
    u8 data_[kinds_max][16] = {};
    u8 much_[4096] = {};
    abi::IoVec pieces_[2] = {};
    abi::MessageHeader messages_[5] = {};
    op::Splice splices_[2] = {};
    u32 word_ = 7;
    abi::FutexWaiter waiter_ = {};
    abi::SignalInfo info_ = {};
    i32 child_ = -1;
};

/// Files, sockets, timers, wake-ups, cancels and chains, with every outcome checked.
void run_mixed_program(Loop& loop, bool with_files = true) noexcept;

} // namespace oxbow::test
