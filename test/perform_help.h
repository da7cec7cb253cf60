// What the tests of perform() share: completions made by hand, an engine of five lines, kernels
// that pretend to know fewer flags.
#pragma once

#include "../loop/buffer_pool.h"
#include "../loop/op.h"
#include "../loop/perform.h"
#include "hook.h"
#include "live_ring.h"

namespace oxbow::test {

inline constexpr Patience every_patience[] = {Patience::none, Patience::ready, Patience::blocks};

[[nodiscard]] inline Completion made(const Operation& operation, u32 done = 0) noexcept {
    Completion completion;
    completion.kind = operation.kind;
    completion.fd = operation.fd;
    completion.arguments = operation.arguments;
    completion.value = static_cast<i32>(done);
    return completion;
}

[[nodiscard]] inline i32 perform_with(Patience patience, const Operation& operation,
                                      u32 done = 0) noexcept {
    return perform(made(operation, done), patience);
}
[[nodiscard]] inline i32 try_now(const Operation& operation, u32 done = 0) noexcept {
    return perform_with(Patience::none, operation, done);
}
[[nodiscard]] inline i32 wait_for(const Operation& operation, u32 done = 0) noexcept {
    return perform_with(Patience::blocks, operation, done);
}

/// Those of `events` (abi::poll_event) that hold now.
[[nodiscard]] inline u32 events_now(i32 fd, u32 events) noexcept {
    constexpr abi::Timespec at_once = {};
    abi::PollFd poll = {fd, static_cast<u16>(events), 0};
    CHECK_OK(kernel::ppoll(&poll, 1, &at_once));
    return poll.revents;
}

/// As an engine does it: tries, and comes again when the descriptor is ready; -EAGAIN: it is not.
[[nodiscard]] inline i32 as_engine(const Operation& operation, u32 done = 0) noexcept {
    const bool writes = operation.kind == Kind::write || operation.kind == Kind::write_all ||
                        operation.kind == Kind::writev;
    const u32 events = writes ? abi::poll_event::out : abi::poll_event::in;
    const i32 result = try_now(operation, done);
    if (result != -Errno::eagain || events_now(operation.fd, events) == 0) {
        return result;
    }
    return perform_with(Patience::ready, operation, done);
}

inline void set_nonblocking(i32 fd) noexcept {
    const i32 flags = CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_status_flags));
    CHECK_OK(
        kernel::fcntl(fd, abi::fcntl_command::set_status_flags, flags | abi::open_flag::nonblock));
}

/// A kernel whose reads and writes refuse some flags (abi::rw_flag), as older ones do, or that has
/// no reads and writes with flags.
struct OldKernel {
    const char* name;
    u32 refused;
    bool lacks_calls = false;
};
inline constexpr OldKernel old_kernels[] = {
    {"this_one", 0},
    {"before_6_18", abi::rw_flag::nosignal},
    {"before_6_5", abi::rw_flag::nosignal | abi::rw_flag::nowait},
    {"before_4_6", 0, true}, // and qemu-user 7.2
};

/// While one lives, the kernel is `old`.
class Pretend {
  public:
    explicit Pretend(const OldKernel& old) noexcept : old_(old) { set_handler(answer, &old_); }
    ~Pretend() { remove_handler(answer, &old_); }
    Pretend(const Pretend&) = delete;
    Pretend& operator=(const Pretend&) = delete;

  private:
    static bool answer(void* context, long number, const long* arguments, int,
                       long* result) noexcept {
        const OldKernel& old = *static_cast<const OldKernel*>(context);
        if ((number != number::preadv2 && number != number::pwritev2) ||
            (!old.lacks_calls && (static_cast<u32>(arguments[5]) & old.refused) == 0)) {
            return false;
        }
        *result = old.lacks_calls ? -Errno::enosys : -Errno::eopnotsupp;
        return true;
    }

    OldKernel old_;
};

/// Does something in another thread a little later, while this one waits.
class Later {
  public:
    Later(void (*body)(i32 fd) noexcept, i32 fd) noexcept
        : body_(body), fd_(fd), thread_(run, this) {}

    void join() noexcept { thread_.join(); }

  private:
    static void run(void* self) noexcept {
        const Later& later = *static_cast<Later*>(self);
        sleep_ms(30);
        later.body_(later.fd_);
    }

    void (*body_)(i32 fd) noexcept;
    i32 fd_;
    Thread thread_;
};

/// First in a test: when it ends, no SIGPIPE has come, none is pending, and the mask is as it was.
class NoSigpipe {
  public:
    NoSigpipe() noexcept {
        abi::SignalAction action = {};
        CHECK_OK(kernel::rt_sigaction(abi::signal::pipe, nullptr, &action));
        CHECK_EQ(action.handler, abi::signal_handler::standard); // one would end the test
        CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &mask_));
    }
    ~NoSigpipe() {
        abi::SignalSet now = {};
        CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &now));
        CHECK_EQ(now.words[0], mask_.words[0]);
        CHECK_OK(kernel::rt_sigpending(&now));
        CHECK(!now.has(abi::signal::pipe));
    }
    NoSigpipe(const NoSigpipe&) = delete;
    NoSigpipe& operator=(const NoSigpipe&) = delete;

  private:
    abi::SignalSet mask_ = {};
};

} // namespace oxbow::test
