// Completion queues that really overflow: whatever completes is delivered in the end, once each and
// in order, however it is reaped.
#include "live_ring.h"

namespace oxbow::test {
namespace {

struct OverflowRow {
    const char* name;
    u32 flags;
    u16 series; ///< with `release`, the kernel that brings the flags
    u16 release;
};

constexpr OverflowRow rings[] = {
    {"plain", 0, 5, 5},
    {"cqe32", abi::setup::cqe32, 5, 19},
    {"coop_taskrun", abi::setup::coop_taskrun, 5, 19},
    {"defer_taskrun", abi::setup::single_issuer | abi::setup::defer_taskrun, 6, 1},
    {"cqe_mixed", abi::setup::cqe_mixed, 6, 18},
    {"sqpoll", abi::setup::sqpoll, 5, 10},
};

constexpr u32 sq_entries = 4;
constexpr u32 cq_entries = 8;
constexpr u32 total = 100;

void open_small(Ring& ring, const OverflowRow& row) noexcept {
    need_rings();
    const i32 result = ring.open({.entries = sq_entries, .flags = row.flags});
    SKIP_IF_MISSING(result != -Errno::einval, (Addition{row.name, row.series, row.release}));
    CHECK_OK(result);
    CHECK_EQ(ring.cq_entries(), cq_entries);
}

/// Submits `total` no-ops with user data from 0 on and reaps none of them.
void flood(Ring& ring) noexcept {
    for (u64 i = 0; i < total; ++i) {
        if (ring.sq_space_left() == 0) {
            CHECK_OK(ring.reserve(1)); // and no -EBUSY: 6.18 keeps them all
        }
        queue(ring, i, [](Sqe& s) { prep::nop(s); });
    }
    CHECK_OK(ring.submit());
    const u64 deadline = now_ns() + patience_ns;
    while (!ring.overflowed() || ring.sq_ready() != 0) { // the SQPOLL thread takes its time
        CHECK_LT(now_ns(), deadline);
        CHECK_OK(kernel::sched_yield());
    }
    CHECK_EQ(ring.cq_ready(), cq_entries);
}

void check_end(Ring& ring, u64 reaped) noexcept {
    CHECK_EQ(reaped, total);
    CHECK(is_quiet(ring));
    CHECK(!ring.overflowed());
    CHECK_EQ(ring.cq_overflow_count(), 0u); // nothing was dropped
    ring.close();
}

VARIANT_TEST(overflow_reaped_by_for_each, rings) {
    const NoLeaks no_leaks;
    Ring ring;
    open_small(ring, row);
    flood(ring);
    u64 expected = 0;
    for (u32 visited = 1; visited != 0;) {
        visited = ring.for_each([&expected](const Cqe& cqe) noexcept {
            CHECK_EQ(cqe.user_data, expected);
            CHECK_EQ(cqe.result, 0);
            ++expected;
        });
    }
    check_end(ring, expected);
}

VARIANT_TEST(overflow_reaped_by_peek, rings) {
    const NoLeaks no_leaks;
    Ring ring;
    open_small(ring, row);
    flood(ring);
    u64 expected = 0;
    for (const Cqe* cqe = ring.peek(); cqe != nullptr; cqe = ring.peek()) {
        CHECK_EQ(cqe->user_data, expected);
        ++expected;
        ring.seen(cqe);
    }
    check_end(ring, expected);
}

VARIANT_TEST(overflow_reaped_by_copy, rings) {
    const NoLeaks no_leaks;
    Ring ring;
    open_small(ring, row);
    flood(ring);
    Cqe cqes[5];
    u64 expected = 0;
    for (u32 count = ring.copy(cqes, 5); count != 0; count = ring.copy(cqes, 5)) {
        for (u32 i = 0; i < count; ++i) {
            CHECK_EQ(cqes[i].user_data, expected);
            ++expected;
        }
    }
    check_end(ring, expected);
}

VARIANT_TEST(overflow_reaped_by_wait, rings) {
    const NoLeaks no_leaks;
    Ring ring;
    open_small(ring, row);
    flood(ring);
    for (u64 i = 0; i < total; ++i) {
        const Cqe* cqe = nullptr;
        CHECK_OK(ring.wait(&cqe, {.timeout_ns = patience_ns}));
        CHECK_EQ(cqe->user_data, i);
        ring.seen(cqe);
    }
    check_end(ring, total);
}

/// Submitting goes on while completions wait: each submit makes room as a side effect or not at
/// all, but never loses one.
VARIANT_TEST(overflow_while_submitting, rings) {
    const NoLeaks no_leaks;
    Ring ring;
    open_small(ring, row);
    // Before 6.1 ("io_uring: fix CQE reordering") a new completion takes a free slot although older
    // ones still wait for it.
    const bool keeps_order = kernel_at_least(6, 1);
    Random random;
    bool seen[2000] = {};
    u64 queued = 0;
    u64 reaped = 0;
    Cqe cqes[3];
    while (queued < 2000 || reaped < queued) {
        for (u32 i = random.between(1, 12); i != 0 && queued < 2000; --i) {
            CHECK_OK(ring.reserve(1));
            queue(ring, queued++, [](Sqe& s) { prep::nop(s); });
        }
        CHECK_OK(ring.submit());
        for (u32 batch = random.below(6); batch != 0; --batch) {
            const u32 count = ring.copy(cqes, 3);
            for (u32 i = 0; i < count; ++i) {
                CHECK_LT(cqes[i].user_data, queued);
                CHECK(!seen[cqes[i].user_data]);
                CHECK(!keeps_order || cqes[i].user_data == reaped);
                seen[cqes[i].user_data] = true;
                ++reaped;
            }
        }
        if (queued == 2000 && reaped < queued) {
            CHECK_OK(ring.submit_and_wait({.count = 1, .timeout_ns = patience_ns}).error);
        }
    }
    CHECK_EQ(reaped, 2000u);
    CHECK(is_quiet(ring));
    ring.close();
}

} // namespace
} // namespace oxbow::test
