// What tests against the real kernel share: one entry in and its completion out, descriptors that
// close themselves, files, pipes, loopback sockets, a plain buffer ring, a second thread.
#pragma once

#include "../loop/thread.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "../uring/prep.h"
#include "ring_configurations.h"

namespace oxbow::test {

/// A completion that has not come by then will not come: the test fails rather than hang.
inline constexpr u64 patience_ns = 20'000'000'000;

inline constexpr u64 ns_per_ms = 1'000'000;

// ---- Descriptors --------------------------------------------------------------------------------

/// A descriptor that is closed where its scope ends.
class Fd {
  public:
    constexpr Fd() noexcept = default;
    explicit Fd(i32 fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        const i32 fd = other.release();
        close();
        fd_ = fd;
        return *this;
    }
    ~Fd() { close(); }

    operator i32() const noexcept { return fd_; }

    void close() noexcept {
        if (fd_ >= 0) {
            (void)kernel::close(release());
        }
    }
    i32 release() noexcept {
        const i32 fd = fd_;
        fd_ = -1;
        return fd;
    }

  private:
    i32 fd_ = -1;
};

/// Whether `fd` is open in this process.
[[nodiscard]] bool is_open(i32 fd) noexcept;

/// A new empty file for reading and writing; its path is written to `path`.
template <usize N>
[[nodiscard]] Fd make_file(char (&path)[N]) noexcept {
    temp_path(path);
    return Fd(CHECK_OK(kernel::openat(abi::at_fdcwd, path,
                                      abi::open_flag::read_write | abi::open_flag::create |
                                          abi::open_flag::exclusive | abi::open_flag::cloexec,
                                      0600)));
}
[[nodiscard]] Fd make_file() noexcept;
[[nodiscard]] Fd make_file_with(const char* text) noexcept;

[[nodiscard]] u64 size_of(i32 fd) noexcept;
[[nodiscard]] bool path_exists(const char* path) noexcept;
[[nodiscard]] u32 length_of(const char* text) noexcept;

/// Fails unless the file holds exactly `text`.
void check_contents(i32 fd, const char* text, const Site& site) noexcept;
#define CHECK_CONTENTS(fd, text)                                                                   \
    ::oxbow::test::check_contents((fd), (text), OXBOW_TEST_SITE("CHECK_CONTENTS(" #fd ")"))

struct Pipe {
    Fd reader;
    Fd writer;
};
[[nodiscard]] Pipe make_pipe(i32 flags = 0) noexcept;

/// Two connected sockets.
struct SocketPair {
    Fd near;
    Fd far;
};
[[nodiscard]] SocketPair make_socket_pair(i32 type = abi::socket_type::stream) noexcept;
[[nodiscard]] SocketPair make_tcp_pair() noexcept;

/// A socket on a free port of 127.0.0.1.
struct BoundSocket {
    Fd fd;
    abi::SocketAddressIn address;
};
[[nodiscard]] BoundSocket make_bound_socket(i32 type) noexcept;
[[nodiscard]] BoundSocket make_listener() noexcept;
[[nodiscard]] Fd make_tcp_socket() noexcept;
[[nodiscard]] abi::SocketAddressIn loopback(u16 port_in_network_order) noexcept;

/// Writes all of `text`, and fails where that would wait.
void write_text(i32 fd, const char* text) noexcept;
/// Reads until `text` is complete, and fails where something else comes.
void read_text(i32 fd, const char* text, const Site& site) noexcept;
#define CHECK_READS(fd, text)                                                                      \
    ::oxbow::test::read_text((fd), (text), OXBOW_TEST_SITE("CHECK_READS(" #fd ", " #text ")"))

/// First in a test: when the test ends, as many descriptors and mappings are there as now.
class NoLeaks {
  public:
    NoLeaks() noexcept : before_(resources()) {}
    ~NoLeaks() { CHECK_SAME_RESOURCES(before_); }
    NoLeaks(const NoLeaks&) = delete;
    NoLeaks& operator=(const NoLeaks&) = delete;

  private:
    Resources before_;
};

// ---- Entries and completions --------------------------------------------------------------------

/// Prepares an entry: `queue(ring, 1, [&](Sqe& sqe) { prep::read(sqe, ...); })`.
template <class Prepare>
Sqe& queue(Ring& ring, u64 user_data, Prepare prepare) noexcept {
    Sqe& sqe = need_sqe(ring);
    prepare(sqe);
    sqe.user_data = user_data;
    return sqe;
}

/// Submits what is queued and returns the next completion.
[[nodiscard]] Cqe next(Ring& ring) noexcept;
[[nodiscard]] BigCqe next_big(Ring& ring) noexcept;

/// The next completion, which must be that of `user_data`.
[[nodiscard]] Cqe next_of(Ring& ring, u64 user_data) noexcept;

/// Submits what is queued; fails unless that was `count` entries.
void submit_all(Ring& ring, u32 count) noexcept;

/// Queues, submits and reaps one entry.
template <class Prepare>
[[nodiscard]] Cqe run(Ring& ring, Prepare prepare) noexcept {
    queue(ring, 0xca11, prepare);
    return next_of(ring, 0xca11);
}

/// The same, where only the result is of interest.
template <class Prepare>
[[nodiscard]] i32 run_result(Ring& ring, Prepare prepare) noexcept {
    return run(ring, prepare).result;
}

/// Submits what is queued and reaps one completion for each user data from 0 to N - 1, in whatever
/// order they come.
template <u32 N>
void collect(Ring& ring, Cqe (&by_user_data)[N]) noexcept {
    bool seen[N] = {};
    for (u32 i = 0; i < N; ++i) {
        const Cqe cqe = next(ring);
        CHECK_LT(cqe.user_data, N);
        CHECK(!seen[cqe.user_data]);
        seen[cqe.user_data] = true;
        by_user_data[cqe.user_data] = cqe;
    }
}

/// Whether nothing is there to be reaped, after everything that could come by itself has come.
[[nodiscard]] bool is_quiet(Ring& ring) noexcept;

/// An open ring for one test, which is skipped where this machine gives none.
class LiveRing {
  public:
    explicit LiveRing(const RingOptions& options) noexcept {
        need_rings();
        CHECK_OK(ring_.open(options));
    }
    ~LiveRing() { ring_.close(); }
    LiveRing(const LiveRing&) = delete;
    LiveRing& operator=(const LiveRing&) = delete;

    Ring& operator*() noexcept { return ring_; }
    Ring* operator->() noexcept { return &ring_; }

  private:
    Ring ring_;
};

// ---- What is registered with a ring
// ---------------------------------------------------------------

void register_files(Ring& ring, const i32* fds, u32 count) noexcept;
/// A table of empty slots.
void register_slots(Ring& ring, u32 count) noexcept;
void register_buffers(Ring& ring, const abi::IoVec* buffers, u32 count) noexcept;

/// A buffer ring of `count` buffers (a power of two), each `bytes_each` long, all given. Nothing
/// but the kernel's interface: the library's own is tested elsewhere.
class PlainBufferRing {
  public:
    PlainBufferRing(Ring& ring, u16 group, u32 count, u32 bytes_each, u16 flags = 0) noexcept;
    ~PlainBufferRing();
    PlainBufferRing(const PlainBufferRing&) = delete;
    PlainBufferRing& operator=(const PlainBufferRing&) = delete;

    void give(u16 id) noexcept;
    /// The bytes that `cqe` says it received.
    [[nodiscard]] u8* data_of(const Cqe& cqe) noexcept;
    [[nodiscard]] u8* buffer(u32 id) noexcept { return data_ + id * bytes_each_; }

  private:
    Ring& ring_;
    abi::BufferRingEntry* entries_;
    u8* data_;
    usize mapped_bytes_;
    u32 mask_;
    u32 bytes_each_;
    u16 group_;
    u16 tail_ = 0;
};

// ---- A second thread
// ------------------------------------------------------------------------------

/// Runs `body` in another thread of this process until it returns.
class Thread {
  public:
    explicit Thread(void (*body)(void*) noexcept, void* argument) noexcept;
    ~Thread() { join(); }
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    void join() noexcept;

  private:
    static void run(void* self) noexcept;

    Threads threads_;
    void (*body_)(void*) noexcept;
    void* argument_;
};

} // namespace oxbow::test

/// OPERATION_TEST(name) { ... ring ... }: the body sees an open `Ring& ring` of 16 entries; when it
/// is closed again, as many descriptors and mappings are there as before.
#define OPERATION_TEST(id)                                                                         \
    static void id##_on(::oxbow::Ring& ring) noexcept;                                             \
    TEST(id) {                                                                                     \
        const ::oxbow::test::NoLeaks no_leaks;                                                     \
        ::oxbow::test::LiveRing live({.entries = 16});                                             \
        id##_on(*live);                                                                            \
    }                                                                                              \
    static void id##_on([[maybe_unused]] ::oxbow::Ring& ring) noexcept
