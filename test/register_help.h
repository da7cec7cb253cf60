// What the tests of registrations and buffers share: rings, pipes and sockets that close
// themselves, and one completion at a time.
#pragma once

#include "../syscall/abi_memory.h"
#include "../syscall/abi_socket.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "../uring/prep.h"
#include "../uring/ring.h"
#include "harness.h"
#include "ring_configurations.h"

namespace oxbow::test {

/// No test waits longer than this for what must come.
inline constexpr u64 patience_ns = 20'000'000'000;

/// Bytes of a string without its end; no library has to bring a strlen.
[[nodiscard]] inline usize text_length(const char* text) noexcept {
    usize length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}

/// Declared first in a test, it is destroyed last, and fails the test if anything is left open or
/// mapped.
class NothingLeaks {
  public:
    NothingLeaks() noexcept : before_(resources()) {}
    ~NothingLeaks() { CHECK_SAME_RESOURCES(before_); }
    NothingLeaks(const NothingLeaks&) = delete;
    NothingLeaks& operator=(const NothingLeaks&) = delete;

  private:
    Resources before_;
};

/// A ring that is open, and closes itself. Skips where this machine gives none.
class TestRing {
  public:
    explicit TestRing(u32 entries = 8, u32 flags = 0) noexcept {
        need_rings();
        RingOptions options;
        options.entries = entries;
        options.flags = flags;
        CHECK_OK(ring_.open(options));
    }
    ~TestRing() { ring_.close(); }
    TestRing(const TestRing&) = delete;
    TestRing& operator=(const TestRing&) = delete;

    Ring& operator*() noexcept { return ring_; }
    Ring* operator->() noexcept { return &ring_; }

  private:
    Ring ring_;
};

/// A descriptor that closes itself.
class TestFd {
  public:
    explicit TestFd(i32 fd) noexcept : fd_(fd) { CHECK_OK(fd); }
    ~TestFd() { close(); }
    TestFd(const TestFd&) = delete;
    TestFd& operator=(const TestFd&) = delete;

    operator i32() const noexcept { return fd_; }
    void close() noexcept {
        if (fd_ >= 0) {
            CHECK_OK(kernel::close(fd_));
        }
        fd_ = -1;
    }

  private:
    i32 fd_;
};

/// Two ends, that close themselves.
class TestPair {
  public:
    static TestPair pipe() noexcept {
        TestPair pair;
        CHECK_OK(kernel::pipe2(pair.fds_, abi::open_flag::cloexec));
        return pair;
    }
    static TestPair sockets(i32 type = abi::socket_type::stream) noexcept {
        TestPair pair;
        CHECK_OK(kernel::socketpair(abi::socket_family::local, type | abi::socket_type::cloexec, 0,
                                    pair.fds_));
        return pair;
    }
    ~TestPair() {
        close(0);
        close(1);
    }
    TestPair(TestPair&& other) noexcept : fds_{other.fds_[0], other.fds_[1]} {
        other.fds_[0] = other.fds_[1] = -1;
    }
    TestPair& operator=(TestPair&&) = delete;

    /// Of a pipe, 0 is the end to read from.
    i32 operator[](u32 end) const noexcept { return fds_[end]; }
    void close(u32 end) noexcept {
        if (fds_[end] >= 0) {
            CHECK_OK(kernel::close(fds_[end]));
        }
        fds_[end] = -1;
    }
    /// Writes a string without its end, to end 1.
    void write(const char* text) const noexcept {
        const usize bytes = text_length(text);
        CHECK_EQ(CHECK_OK(kernel::write(fds_[1], text, bytes)), static_cast<long>(bytes));
    }

  private:
    TestPair() noexcept = default;
    i32 fds_[2] = {-1, -1};
};

/// A file in memory with these contents.
inline i32 file_of(const char* text) noexcept {
    const i32 fd = CHECK_OK(kernel::memfd_create("oxbow-test", 1 /* close on exec */));
    const usize bytes = text_length(text);
    CHECK_EQ(CHECK_OK(kernel::pwrite(fd, text, bytes, 0)), static_cast<long>(bytes));
    return fd;
}

/// Submits what is prepared, waits for a completion and takes it.
inline Cqe complete(Ring& ring) noexcept {
    Cqe cqe = {};
    if (ring.sq_ready() != 0) {
        CHECK_OK(ring.submit());
    }
    CHECK_EQ(CHECK_OK(ring.wait_and_copy(&cqe, 1, {.timeout_ns = patience_ns})), 1);
    return cqe;
}

/// Submits what is prepared, and makes sure that nothing completes by that.
inline void submit_and_expect_nothing(Ring& ring) noexcept {
    CHECK_OK(ring.submit());
    CHECK_OK(ring.get_events());
    CHECK_EQ(ring.cq_ready(), 0u);
}

/// Reads from direct descriptor `slot` at offset 0; the completion's result.
inline i32 read_fixed_file(Ring& ring, i32 slot, void* buffer, u32 bytes) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::read(sqe, slot, buffer, bytes, 0);
    prep::fixed_file(sqe);
    return complete(ring).result;
}

} // namespace oxbow::test
