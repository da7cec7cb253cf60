// What Zig's std.os.linux.IoUring tests of timeouts, children and the completion queue, ported: see
// ring_zig_file_test.cc.
#include "live_ring.h"

namespace oxbow::test {
namespace {

TEST(zig_12_timeout_relative) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    const u64 start = now_ns();
    const abi::Timespec time = {0, 10'000'000};
    Sqe* const sqe = ring->timeout(0x55555555, &time);
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::timeout));
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    const Cqe cqe = next_of(*ring, 0x55555555);
    CHECK_ERRNO(cqe.result, Errno::etime);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_GE(now_ns() - start, 10 * ns_per_ms); // Zig skips where the time is off
}

TEST(zig_13_timeout_after_a_number_of_completions) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2});
    const abi::Timespec time = {3, 0};
    Sqe* const sqe = ring->timeout(0x66666666, &time, prep::TimeoutOptions{.completions = 1});
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::timeout));
    CHECK_EQ(sqe->off, 1u);
    CHECK(ring->nop(0x77777777) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    const Cqe nop = next_of(*ring, 0x77777777);
    CHECK_EQ(nop.result, 0);
    CHECK_EQ(nop.flags, 0u);
    const Cqe timeout = next_of(*ring, 0x66666666);
    CHECK_EQ(timeout.result, 0);
    CHECK_EQ(timeout.flags, 0u);
}

TEST(zig_14_timeout_remove) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2});
    const abi::Timespec time = {3, 0};
    CHECK(ring->timeout(0x88888888, &time) != nullptr);
    Sqe* const remove = ring->timeout_remove(0x99999999, u64{0x88888888});
    CHECK_EQ(remove->opcode, static_cast<u8>(abi::Opcode::timeout_remove));
    CHECK_EQ(remove->addr, 0x88888888u);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    bool ended = false;
    bool removed = false;
    for (u32 i = 0; i < 2; ++i) { // in an order that 5.18 turned round
        const Cqe cqe = next(*ring);
        CHECK_EQ(cqe.flags, 0u);
        if (cqe.user_data == 0x88888888) {
            CHECK_ERRNO(cqe.result, Errno::ecanceled);
            ended = true;
        } else {
            CHECK_EQ(cqe.user_data, 0x99999999u);
            CHECK_EQ(cqe.result, 0);
            removed = true;
        }
    }
    CHECK(ended && removed);
}

TEST(zig_36_waitid) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("waitid in a ring");
    LiveRing ring({.entries = 16});
    const i32 pid = CHECK_OK(kernel::fork());
    if (pid == 0) {
        kernel::exit_group(7);
    }
    abi::SignalInfo info = {};
    CHECK(ring->waitid(0, prep::WaitId{.kind = abi::wait_for::pid,
                                       .id = pid,
                                       .options = abi::wait_option::exited,
                                       .info = &info}) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    CHECK_EQ(next_of(*ring, 0).result, 0);
    CHECK_EQ(info.child.pid, pid);
    CHECK_EQ(info.child.status, 7);
}

TEST(zig_40_copy_with_wrapping) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2});
    CHECK_EQ(ring->sq_entries(), 2u);
    CHECK_EQ(ring->cq_entries(), 4u);
    const abi::Timespec time = {0, 0};
    const auto submit_two = [&](u64 user_data) noexcept {
        CHECK(ring->timeout(user_data, &time) != nullptr);
        CHECK(ring->timeout(user_data + 1, &time) != nullptr);
        CHECK_EQ(CHECK_OK(ring->submit_and_wait(2)), 2);
    };
    // Two in front, so that every later batch of four begins in the middle and wraps.
    submit_two(0);
    const Cqe* const first_slot = ring->peek();
    Cqe cqes[4] = {};
    CHECK_EQ(ring->copy(cqes, 4), 2u);
    for (u64 round = 1; round < 1024; ++round) {
        submit_two(4 * round);
        // The next two are due at once, but may take their time to come.
        CHECK(ring->timeout(4 * round + 2, &time) != nullptr);
        CHECK(ring->timeout(4 * round + 3, &time) != nullptr);
        CHECK_OK(ring->submit_and_wait({.count = 4, .timeout_ns = patience_ns}).error);
        CHECK_EQ(ring->cq_ready(), 4u);
        CHECK_EQ(ring->peek(), first_slot + 2); // Zig looks at the head
        CHECK_EQ(ring->copy(cqes, 4), 4u);
        u32 seen = 0;
        for (u64 i = 0; i < 4; ++i) {
            // 6.1 runs its task work from the end of the list, so that two may change places.
            const u64 at = cqes[i].user_data - 4 * round;
            CHECK_LT(at, 4u);
            CHECK(at == i || !kernel_at_least(6, 12));
            seen |= 1u << at;
            CHECK_ERRNO(cqes[i].result, Errno::etime);
            CHECK_EQ(cqes[i].flags, 0u);
        }
        CHECK_EQ(seen, 15u);
        CHECK_EQ(ring->cq_ready(), 0u);
    }
}

} // namespace
} // namespace oxbow::test
