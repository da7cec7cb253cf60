// What the tests of the epoll engine share.
#pragma once

#include "../epoll/engine.h"
#include "../syscall/call.h"
#include "hook.h"
#include "loop_help.h"

namespace oxbow::test {

/// A loop with the epoll engine. Everything must have ended when it goes.
class EpollLoop {
  public:
    explicit EpollLoop(const EpollOptions& options = {},
                       const LoopOptions& loop_options = {}) noexcept {
        CHECK_OK(loop_.prepare(loop_options));
        CHECK_OK(attach_epoll(loop_, options));
    }
    ~EpollLoop() {
        clear_faults();
        CHECK_EQ(loop_.in_flight(), 0u);
        loop_.close();
    }
    EpollLoop(const EpollLoop&) = delete;
    EpollLoop& operator=(const EpollLoop&) = delete;

    Loop& operator*() noexcept { return loop_; }
    Loop* operator->() noexcept { return &loop_; }

  private:
    Loop loop_;
};

/// Two connected descriptors, closed at the end where a test has not done so.
struct Pair {
    i32 fds[2] = {-1, -1};

    /// Of sockets; `flags` such as abi::socket_type::nonblock.
    static Pair sockets(i32 type = abi::socket_type::stream, i32 flags = 0) noexcept {
        Pair pair;
        CHECK_OK(kernel::socketpair(abi::socket_family::local,
                                    type | flags | abi::socket_type::cloexec, 0, pair.fds));
        return pair;
    }
    /// fds[0] reads.
    static Pair pipe(i32 flags = 0) noexcept {
        Pair pair;
        CHECK_OK(kernel::pipe2(pair.fds, flags | abi::open_flag::cloexec));
        return pair;
    }
    /// Over TCP; `flags` of the near one.
    static Pair tcp(i32 flags = 0) noexcept {
        constexpr i32 type = abi::socket_type::stream | abi::socket_type::cloexec;
        abi::SocketAddressIn address = {};
        address.family = static_cast<u16>(abi::socket_family::inet);
        address.address = abi::ipv4_loopback;
        u32 bytes = sizeof(address);
        Pair pair;
        const i32 listener = CHECK_OK(kernel::socket(abi::socket_family::inet, type, 0));
        CHECK_OK(kernel::bind(listener, &address, bytes));
        CHECK_OK(kernel::listen(listener, 1));
        CHECK_OK(kernel::getsockname(listener, &address, &bytes));
        pair.fds[1] = CHECK_OK(kernel::socket(abi::socket_family::inet, type, 0));
        CHECK_OK(connect_blocking(pair.fds[1], &address, bytes));
        pair.fds[0] = CHECK_OK(
            kernel::accept4(listener, nullptr, nullptr, flags | abi::accept4_flag::cloexec));
        CHECK_OK(kernel::close(listener));
        return pair;
    }
    Pair() noexcept = default;
    Pair(Pair&& other) noexcept : fds{other.fds[0], other.fds[1]} {
        other.fds[0] = other.fds[1] = -1;
    }
    Pair& operator=(Pair&& other) noexcept {
        for (u32 side = 0; side < 2; ++side) {
            close(side);
            fds[side] = other.fds[side];
            other.fds[side] = -1;
        }
        return *this;
    }
    ~Pair() {
        close(0);
        close(1);
    }
    void close(u32 side) noexcept {
        if (fds[side] >= 0) {
            CHECK_OK(kernel::close(fds[side]));
            fds[side] = -1;
        }
    }
    [[nodiscard]] i32 operator[](u32 side) const noexcept { return fds[side]; }
};

inline void send_text(i32 fd, const char* text) noexcept {
    long bytes = 0;
    while (text[bytes] != '\0') {
        ++bytes;
    }
    CHECK_EQ(kernel::write(fd, text, static_cast<usize>(bytes)), bytes);
}

/// Rounds that do not wait.
inline void run_rounds(Loop& loop, u32 rounds = 1) noexcept {
    for (u32 i = 0; i < rounds; ++i) {
        CHECK_OK(loop.run(Run::no_wait));
    }
}

} // namespace oxbow::test

/// EPOLL_TEST(name) { ... loop ... }: an open `Loop& loop`. Nothing may be in flight at the end,
/// and nothing may leak.
#define EPOLL_TEST(id)                                                                             \
    static void id##_on(::oxbow::Loop& loop) noexcept;                                             \
    TEST(id) {                                                                                     \
        const ::oxbow::test::Resources before = ::oxbow::test::resources();                        \
        {                                                                                          \
            ::oxbow::test::EpollLoop epoll_loop;                                                   \
            id##_on(*epoll_loop);                                                                  \
        }                                                                                          \
        CHECK_SAME_RESOURCES(before);                                                              \
    }                                                                                              \
    static void id##_on(::oxbow::Loop& loop) noexcept
