// What the tests of the loop's operations share: addresses of every family, operations that wait
// while something is done by plain system calls, SIGPIPE watched for, and the same test for
// blocking and for non-blocking descriptors.
#pragma once

#include "../loop/buffer_pool.h"
#include "live_ring.h"
#include "loop_help.h"

namespace oxbow::test {

/// Both kinds of descriptors that a user may bring along.
inline constexpr i32 fd_modes[] = {0, abi::open_flag::nonblock};

/// Makes it non-blocking, or blocking with 0.
inline void set_mode(i32 fd, i32 mode) noexcept {
    const i32 flags = CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_status_flags));
    CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::set_status_flags,
                           (flags & ~abi::open_flag::nonblock) | mode));
}

/// Whether the library has left the descriptor's flags alone.
inline void check_mode(i32 fd, i32 mode) noexcept {
    const i32 flags = CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_status_flags));
    CHECK_EQ(flags & abi::open_flag::nonblock, mode);
}

[[nodiscard]] inline bool is_cloexec(i32 fd) noexcept {
    return (CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags)) & abi::fd_cloexec) != 0;
}

/// Two connected sockets, of which the near one is of that mode; the far one is the test's own.
[[nodiscard]] inline SocketPair make_pair_of(i32 mode,
                                             i32 type = abi::socket_type::stream) noexcept {
    SocketPair pair = make_socket_pair(type);
    set_mode(pair.near, mode);
    return pair;
}

/// A few rounds that do not wait. What could end by itself has mostly ended then, so what a test
/// expects to wait would be seen not to; what it expects to end, it waits for otherwise.
inline void run_a_little(Loop& loop) noexcept {
    for (u32 i = 0; i < 4; ++i) {
        CHECK_OK(loop.run(Run::no_wait));
    }
}

/// Submits what must wait for something that is still to come.
inline void submit_waiting(Loop& loop, Logged& logged, const Operation& operation) noexcept {
    submit(loop, logged, operation);
    run_a_little(loop);
    CHECK_EQ(logged.count, 0u);
}

/// While one lives, a SIGPIPE that reaches this process is counted; there must be none.
class NoSigpipe {
  public:
    NoSigpipe() noexcept {
        count_ = 0;
        abi::SignalAction action = {};
        action.handler = reinterpret_cast<uptr>(&note);
        CHECK_OK(kernel::rt_sigaction(abi::signal::pipe, &action, &former_));
    }
    ~NoSigpipe() {
        CHECK_EQ(count_, 0u);
        CHECK_OK(kernel::rt_sigaction(abi::signal::pipe, &former_));
    }
    NoSigpipe(const NoSigpipe&) = delete;
    NoSigpipe& operator=(const NoSigpipe&) = delete;

  private:
    static void note(i32) noexcept { ++count_; }
    inline static constinit u32 count_ = 0;
    abi::SignalAction former_ = {};
};

/// A number that no descriptor of this process has, below the loop's limit. The lowest free number
/// would not do: where a thread starts for the first time, qemu-user's own libc opens a file in
/// /sys for a moment, and the operation under test found that one.
[[nodiscard]] inline i32 closed_fd() noexcept {
    constexpr i32 rarely_reached = 500;
    const Fd fd(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec)));
    const Fd high(CHECK_OK(kernel::fcntl(fd, abi::fcntl_command::dupfd_cloexec, rarely_reached)));
    return high;
}

/// Memory that is mapped for the length of a scope.
class Memory {
  public:
    explicit Memory(usize bytes,
                    i32 protection = abi::protection::read | abi::protection::write) noexcept
        : bytes_(bytes) {
        const long mapped =
            kernel::mmap(nullptr, bytes, protection,
                         abi::map::private_ | abi::map::anonymous | abi::map::noreserve, -1, 0);
        CHECK(!is_error(mapped));
        data_ = reinterpret_cast<u8*>(static_cast<uptr>(mapped));
    }
    ~Memory() { CHECK_OK(kernel::munmap(data_, bytes_)); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    [[nodiscard]] u8* data() const noexcept { return data_; }
    [[nodiscard]] usize bytes() const noexcept { return bytes_; }

  private:
    u8* data_ = nullptr;
    usize bytes_;
};

/// An open pool for a scope, at whose end every buffer must be back.
class Pool {
  public:
    Pool(Loop& loop, u32 count, u32 bytes) noexcept {
        CHECK_OK(pool_.open(loop, {.count = count, .buffer_bytes = bytes}));
    }
    ~Pool() {
        CHECK_EQ(pool_.held(), 0u);
        pool_.close();
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    BufferPool& operator*() noexcept { return pool_; }
    BufferPool* operator->() noexcept { return &pool_; }

  private:
    BufferPool pool_;
};

/// Bytes of which each position can be told from its neighbours.
inline void fill_pattern(u8* data, u32 bytes, u32 position = 0) noexcept {
    for (u32 i = 0; i < bytes; ++i) {
        const u32 at = position + i;
        data[i] = static_cast<u8>(at ^ at >> 8 ^ at >> 16);
    }
}
inline void check_pattern(const u8* data, u32 bytes, u32 position = 0) noexcept {
    for (u32 i = 0; i < bytes; ++i) {
        const u32 at = position + i;
        if (data[i] != static_cast<u8>(at ^ at >> 8 ^ at >> 16)) {
            note("byte", i, "of", bytes, "at position", position);
            FAIL("data arrived changed, or in another order");
        }
    }
}

/// Takes what arrives at `fd`, by the loop, and checks that it is the pattern.
struct PatternReader {
    static constexpr u32 room = 16 * 1024;

    Completion completion;
    u32 received = 0;
    bool ended = false;
    u8 data[room];

    void start(Loop& loop, i32 fd) noexcept {
        loop.submit(completion, op::read(fd, data, room), on<&PatternReader::take>(*this));
    }

  private:
    Action take(Result result) noexcept {
        if (result.is(Errno::ecanceled)) {
            return Action::disarm;
        }
        CHECK_OK(result.value);
        check_pattern(data, result.count(), received);
        received += result.count();
        ended = result.eof();
        return ended ? Action::disarm : Action::rearm;
    }
};

} // namespace oxbow::test
