// Operations that wait: one of each kind that can, each for something of its own that the test
// brings about when it likes. So tests of cancels, closes and callbacks go through all of them.
#pragma once

#include "live_ring.h"
#include "loop_help.h"

namespace oxbow::test {

enum class Waiting : u8 {
    timer,
    timer_every,
    notification,
    accept,
    accept_multishot,
    connect,
    recv,
    recv_all,
    recv_managed,
    recv_multishot,
    recvmsg,
    recvmsg_all,
    recvmsg_multishot,
    send,
    send_all,
    sendmsg,
    sendmsg_all,
    read,
    read_all,
    read_managed,
    read_multishot,
    readv,
    write,
    write_all,
    writev,
    poll,
    poll_multishot,
    splice,
    tee,
    waitid,
    futex_wait,
    futex_waitv,
    count,
};

struct WaitingKind {
    const char* name;
    Waiting waiting;
    bool on_fd;           ///< cancel_fd and close find it
    bool is_multishot;    ///< goes on after what it waited for has come
    bool may_be_too_late; ///< on io_uring a kernel thread is in the call, which tells of no cancel
};
inline constexpr WaitingKind waiting_kinds[] = {
    {"timer", Waiting::timer, false, false, false},
    {"timer_every", Waiting::timer_every, false, true, false},
    {"notification", Waiting::notification, false, false, false},
    {"accept", Waiting::accept, true, false, false},
    {"accept_multishot", Waiting::accept_multishot, true, true, false},
    {"connect", Waiting::connect, true, false, false},
    {"recv", Waiting::recv, true, false, false},
    {"recv_all", Waiting::recv_all, true, false, false},
    {"recv_managed", Waiting::recv_managed, true, false, false},
    {"recv_multishot", Waiting::recv_multishot, true, true, false},
    {"recvmsg", Waiting::recvmsg, true, false, false},
    {"recvmsg_all", Waiting::recvmsg_all, true, false, false},
    {"recvmsg_multishot", Waiting::recvmsg_multishot, true, true, false},
    {"send", Waiting::send, true, false, false},
    {"send_all", Waiting::send_all, true, false, false},
    {"sendmsg", Waiting::sendmsg, true, false, false},
    {"sendmsg_all", Waiting::sendmsg_all, true, false, false},
    {"read", Waiting::read, true, false, false},
    {"read_all", Waiting::read_all, true, false, false},
    {"read_managed", Waiting::read_managed, true, false, false},
    {"read_multishot", Waiting::read_multishot, true, true, false},
    {"readv", Waiting::readv, true, false, false},
    {"write", Waiting::write, true, false, false},
    {"write_all", Waiting::write_all, true, false, false},
    {"writev", Waiting::writev, true, false, false},
    {"poll", Waiting::poll, true, false, false},
    {"poll_multishot", Waiting::poll_multishot, true, true, false},
    {"splice", Waiting::splice, true, false, true},
    {"tee", Waiting::tee, true, false, true},
    {"waitid", Waiting::waitid, false, false, false},
    {"futex_wait", Waiting::futex_wait, false, false, false},
    {"futex_waitv", Waiting::futex_waitv, false, false, false},
};
static_assert(sizeof(waiting_kinds) / sizeof(waiting_kinds[0]) == static_cast<u32>(Waiting::count));

/// One such operation with all that it needs.
class Pending {
  public:
    static constexpr u32 bytes = 16;

    Pending(Loop& loop, const WaitingKind& kind) noexcept;
    /// The operation must have ended.
    ~Pending();
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

    [[nodiscard]] Operation operation() noexcept;
    void submit() noexcept { test::submit(loop_, logged, operation()); }

    /// Brings about what it waits for. Not for connect: the kernel takes a second to notice.
    void provoke() noexcept;
    [[nodiscard]] bool can_be_provoked() const noexcept { return !is(Waiting::connect); }

    /// Fails unless `result` and memory say that exactly that has come. For a multishot one:
    /// unless its first result does.
    void check_came(Result result) noexcept;

    /// Fills all that the operation may write to, or reads from.
    void poison() noexcept;
    /// Fails where something has been written to since.
    void check_untouched() noexcept;
    /// Fails unless what was provoked is there for the next one who asks.
    void check_nothing_taken() noexcept;

    /// What it waits on; -1 where there is none.
    [[nodiscard]] i32 fd() const noexcept { return near; }
    /// The descriptor has been closed by the loop.
    void forget_fd() noexcept { (void)near.release(); }

    Logged logged;
    Fd near;
    Fd far;

  private:
    [[nodiscard]] bool is(Waiting waiting) const noexcept { return kind_.waiting == waiting; }
    [[nodiscard]] bool is_between(Waiting first, Waiting last) const noexcept {
        return kind_.waiting >= first && kind_.waiting <= last;
    }
    [[nodiscard]] bool receives() const noexcept {
        return is_between(Waiting::recv, Waiting::recvmsg_multishot) ||
               is_between(Waiting::read, Waiting::readv);
    }
    [[nodiscard]] bool sends() const noexcept {
        return is_between(Waiting::send, Waiting::sendmsg_all) ||
               is_between(Waiting::write, Waiting::writev);
    }
    [[nodiscard]] bool uses_pool() const noexcept {
        return is(Waiting::recv_managed) || is(Waiting::recv_multishot) ||
               is(Waiting::recvmsg_multishot) || is(Waiting::read_managed) ||
               is(Waiting::read_multishot);
    }
    [[nodiscard]] bool has_pipes() const noexcept {
        return is_between(Waiting::read, Waiting::writev) || is(Waiting::splice) ||
               is(Waiting::tee);
    }
    void make_listener() noexcept;
    void fill_far() noexcept;
    void drain_far() noexcept;
    void start_child() noexcept;
    void end_child() noexcept;

    Loop& loop_;
    const WaitingKind& kind_;
    abi::SocketAddressIn address_ = {};
    Fd waiting_client_;
    Pipe second_; // where splice and tee put what they take
    Async async_;
    BufferPool pool_;
    abi::IoVec vectors_[2] = {};
    abi::MessageHeader message_ = {};
    arguments::Splice splice_ = {};
    abi::SignalInfo info_ = {};
    abi::FutexWaiter waiter_ = {};
    u32 word_ = 7;
    i32 child_ = -1;
    u32 operation_bytes_seen_ = 0; // on the far side of a send
    u8 data_[bytes] = {};
};

/// Runs `rounds` rounds, each of which looks at the kernel and does not wait.
inline void run_rounds(Loop& loop, u32 rounds) noexcept {
    for (; rounds != 0; --rounds) {
        CHECK_OK(loop.run(Run::no_wait));
    }
}

/// Runs until `logged` has a result that no callback has seen; fails where none comes.
void run_until_ready(Loop& loop, const Logged& logged) noexcept;

} // namespace oxbow::test
