// Real operations on every kind of ring: what a file, a socket, a timeout and a cancel do must not
// depend on how the ring was set up.
#include "live_ring.h"

namespace oxbow::test {
namespace {

/// A ring that polls its devices takes nothing but reads and writes of them.
[[nodiscard]] bool polls_devices(const Ring& ring) noexcept {
    return (ring.setup_flags() & abi::setup::iopoll) != 0;
}

/// Chains of more than one entry fit.
[[nodiscard]] bool takes_chains(const Ring& ring) noexcept {
    return ring.sq_entries() >= 4;
}

RING_TEST(ring_file_round_trip) {
    const Fd file = make_file();
    u8 out[1000];
    u8 in[1000];
    Random().fill(out, sizeof(out));
    const auto write = [&](Sqe& s) noexcept { prep::write(s, file, out, sizeof(out), 500); };
    if (polls_devices(ring)) {
        CHECK_ERRNO(run_result(ring, write), Errno::eopnotsupp); // it was not opened for that
        return;
    }
    for (u32 round = 0; round < 3; ++round) {
        CHECK_EQ(run_result(ring, write), static_cast<i32>(sizeof(out)));
        CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fsync(s, file); }), 0);
        __builtin_memset(in, 0, sizeof(in));
        CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::read(s, file, in, sizeof(in), 500); }),
                 static_cast<i32>(sizeof(in)));
        CHECK_BYTES(in, out, sizeof(in));
    }
    CHECK_EQ(size_of(file), 1500u);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read(s, 9999, in, 1, 0); }), Errno::ebadf);
}

RING_TEST(ring_linked_write_sync_read) {
    if (polls_devices(ring) || !takes_chains(ring)) {
        return;
    }
    const Fd file = make_file();
    u8 out[128];
    u8 in[128] = {};
    Random().fill(out, sizeof(out));
    CHECK_OK(ring.reserve(3));
    queue(ring, 1, [&](Sqe& s) {
        prep::write(s, file, out, sizeof(out), 17);
        prep::link(s);
    });
    queue(ring, 2, [&](Sqe& s) {
        prep::fsync(s, file);
        prep::link(s);
    });
    queue(ring, 3, [&](Sqe& s) { prep::read(s, file, in, sizeof(in), 17); });
    for (u64 user_data = 1; user_data <= 3; ++user_data) {
        CHECK_EQ(next_of(ring, user_data).result, user_data == 2 ? 0 : 128);
    }
    CHECK_BYTES(in, out, sizeof(in));
    // Where the first fails, the others do not start.
    CHECK_OK(ring.reserve(2));
    queue(ring, 1, [&](Sqe& s) {
        prep::read(s, 9999, in, 1, 0);
        prep::link(s);
    });
    queue(ring, 2, [&](Sqe& s) { prep::write(s, file, "x", 1, 0); });
    CHECK_ERRNO(next_of(ring, 1).result, Errno::ebadf);
    CHECK_ERRNO(next_of(ring, 2).result, Errno::ecanceled);
}

RING_TEST(ring_waits_for_a_socket) {
    const SocketPair pair = make_socket_pair();
    char got[8] = {};
    const auto recv = [&](Sqe& s) noexcept { prep::recv(s, pair.near, got, sizeof(got)); };
    if (polls_devices(ring)) {
        CHECK_ERRNO(run_result(ring, recv), Errno::einval);
        return;
    }
    queue(ring, 1, recv);
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    const Entered early = ring.submit_and_wait({.count = 1, .timeout_ns = ns_per_ms});
    CHECK_ERRNO(early.error, Errno::etime);
    write_text(pair.far, "arrived");
    CHECK_EQ(next_of(ring, 1).result, 7);
    CHECK_BYTES(got, "arrived", 7);
}

RING_TEST(ring_peek_sees_what_arrived) {
    if (polls_devices(ring)) {
        return;
    }
    // Without a wait and without a submit: peek alone must come to see it, deferred work or not.
    const SocketPair pair = make_socket_pair();
    char got[8] = {};
    queue(ring, 1, [&](Sqe& s) { prep::recv(s, pair.near, got, sizeof(got)); });
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    if ((ring.setup_flags() & abi::setup::sqpoll) == 0) {
        CHECK(ring.peek() == nullptr);
    }
    write_text(pair.far, "arrived");
    const u64 deadline = now_ns() + patience_ns;
    const Cqe* cqe = ring.peek();
    while (cqe == nullptr && now_ns() < deadline) {
        CHECK_OK(kernel::sched_yield());
        cqe = ring.peek();
    }
    CHECK(cqe != nullptr);
    CHECK_EQ(cqe->result, 7);
    ring.seen(cqe);
}

RING_TEST(ring_timeout_and_cancel) {
    const abi::Timespec soon = {0, 2'000'000};
    const abi::Timespec late = {3600, 0};
    if (polls_devices(ring)) {
        CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &soon); }), Errno::einval);
        return;
    }
    const u64 start = now_ns();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &soon); }), Errno::etime);
    CHECK_GE(now_ns() - start, 2 * ns_per_ms);
    queue(ring, 0, [&](Sqe& s) { prep::timeout(s, &late); });
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    queue(ring, 1, [](Sqe& s) { prep::async_cancel(s, 0); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::ecanceled);
    CHECK_EQ(cqes[1].result, 0);
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::async_cancel(s, 0); }), Errno::enoent);
}

RING_TEST(ring_many_operations_at_once) {
    if (polls_devices(ring)) {
        return;
    }
    // More in flight than a small completion queue holds, all ending at the same moment.
    constexpr u32 count = 64;
    const Pipe pipe = make_pipe();
    for (u64 i = 0; i < count; ++i) {
        queue(ring, i, [&](Sqe& s) { prep::poll_add(s, pipe.reader, abi::poll_event::in); });
        CHECK_OK(ring.submit());
    }
    write_text(pipe.writer, "x");
    Cqe cqes[count];
    collect(ring, cqes);
    for (const Cqe& cqe : cqes) {
        CHECK_EQ(cqe.result, static_cast<i32>(abi::poll_event::in));
    }
    CHECK(!ring.overflowed());
    CHECK_EQ(ring.cq_overflow_count(), 0u);
}

} // namespace
} // namespace oxbow::test
