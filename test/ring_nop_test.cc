// What every kind of ring must do, shown with no-ops: nothing is lost, doubled or out of its place.
#include "../syscall/errno.h"
#include "../syscall/time.h"
#include "../uring/prep.h"
#include "hook.h"
#include "ring_configurations.h"

namespace oxbow::test {
namespace {

void queue_nop(Ring& ring, u64 user_data) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::nop(sqe);
    sqe.user_data = user_data;
}

/// Waits until `count` completions have been seen; fails after a round that brings nothing.
template <class Visitor>
void reap(Ring& ring, u32 count, Visitor visit) noexcept {
    while (count != 0) {
        const Entered entered = ring.submit_and_wait({.count = 1, .timeout_ns = 20'000'000'000});
        CHECK_OK(entered.error);
        const u32 seen = ring.for_each(visit);
        CHECK_GT(seen, 0u);
        CHECK_LE(seen, count);
        count -= seen;
    }
}

RING_TEST(ring_round_trip) {
    CHECK_EQ(ring.sq_ready(), 0u);
    CHECK_EQ(ring.cq_ready(), 0u);
    CHECK(ring.peek() == nullptr);
    queue_nop(ring, 42);
    CHECK_EQ(ring.sq_ready(), 1u);
    CHECK_EQ(CHECK_OK(ring.submit_and_wait(1)), 1);
    const Cqe* const cqe = ring.peek();
    CHECK(cqe != nullptr);
    CHECK_EQ(cqe->user_data, 42u);
    CHECK_EQ(cqe->result, nop_result(ring));
    ring.seen(cqe);
    CHECK(ring.peek() == nullptr);
    CHECK_EQ(ring.cq_ready(), 0u);
    CHECK_EQ(ring.sq_dropped(), 0u);
    CHECK_EQ(ring.cq_overflow_count(), 0u);
}

RING_TEST(ring_shows_what_is_queued) {
    constexpr u32 unread = abi::setup::sqpoll | abi::setup::sqe_mixed;
    if ((ring.setup_flags() & unread) != 0) {
        return; // not allowed there
    }
    const u32 most = ring.sq_entries() < 8 ? ring.sq_entries() : 8;
    for (u32 round = 0; round < 4; ++round) { // around a small queue
        for (u32 i = 0; i < most; ++i) {
            queue_nop(ring, i);
        }
        u64 next = 0;
        ring.for_each_queued([&](Sqe& sqe) noexcept {
            CHECK_EQ(sqe.user_data, next++);
            sqe.user_data += 100;
        });
        CHECK_EQ(next, u64{most});
        next = 100;
        reap(ring, most, [&](const Cqe& cqe) noexcept { CHECK_EQ(cqe.user_data, next++); });
        ring.for_each_queued([](Sqe&) noexcept { FAIL("nothing is queued"); });
    }
}

RING_TEST(ring_hands_out_zeroed_entries) {
    // Twice around a small queue and once into a large one: no slot shows its last use.
    for (u32 round = 0; round < 3; ++round) {
        Sqe& sqe = need_sqe(ring);
        const u8 zero[128] = {};
        const bool big = (ring.setup_flags() & abi::setup::sqe128) != 0;
        CHECK_BYTES(&sqe, zero, big ? 128 : 64);
        sqe.user_data = ~u64{0};
        CHECK_OK(ring.submit_and_wait(1));
        const Cqe* const cqe = ring.peek();
        CHECK(cqe != nullptr);
        CHECK_EQ(cqe->user_data, ~u64{0});
        ring.seen(cqe);
        // The kernel is done with it: leave the slot as dirty as can be.
        __builtin_memset(static_cast<void*>(&sqe), 0xff, big ? 128 : 64);
    }
}

RING_TEST(ring_user_data_is_never_stale) {
    constexpr u64 values[] = {77, 0};
    for (const u64 value : values) {
        Sqe& sqe = need_sqe(ring);
        prep::nop(sqe);
        if (value != 0) {
            sqe.user_data = value;
        }
        CHECK_OK(ring.submit_and_wait(1));
        const Cqe* const cqe = ring.peek();
        CHECK(cqe != nullptr);
        CHECK_EQ(cqe->user_data, value); // the second entry did not set it
        ring.seen(cqe);
        // Come round to the same slot.
        u32 queued = 0;
        for (u32 i = 1; i < ring.sq_entries() && value != 0; ++i) {
            queue_nop(ring, 77);
            if (++queued == 1024) {
                reap(ring, queued, [](const Cqe&) noexcept {});
                queued = 0;
            }
        }
        reap(ring, queued, [](const Cqe&) noexcept {});
    }
}

RING_TEST(ring_refuses_entries_when_full) {
    for (u32 i = 0; i < ring.sq_entries(); ++i) {
        CHECK_EQ(ring.sq_space_left(), ring.sq_entries() - i);
        Sqe* const sqe = ring.get_sqe();
        CHECK(sqe != nullptr);
        prep::nop(*sqe);
        sqe->user_data = i;
    }
    CHECK(ring.get_sqe() == nullptr);
    CHECK(ring.get_sqe() == nullptr);
    CHECK_EQ(ring.sq_space_left(), 0u);
    CHECK_EQ(ring.sq_ready(), ring.sq_entries());
    u64 sum = 0;
    reap(ring, ring.sq_entries(), [&sum](const Cqe& cqe) noexcept { sum += cqe.user_data; });
    CHECK_EQ(sum, u64{ring.sq_entries()} * (ring.sq_entries() - 1) / 2);
    // With SQPOLL a completion may be seen before the head of the queue has moved.
    CHECK_OK(ring.reserve(1));
    CHECK(ring.get_sqe() != nullptr);
}

RING_TEST(ring_keeps_order_over_many_wraps) {
    const i32 result = nop_result(ring);
    u64 queued = 0;
    u64 next = 0;
    Random random;
    for (u32 round = 0; round < 200; ++round) {
        const u32 batch = random.between(1, ring.sq_entries() < 40 ? ring.sq_entries() : 40);
        for (u32 i = 0; i < batch; ++i) {
            queue_nop(ring, queued++);
        }
        reap(ring, batch, [&next, result](const Cqe& cqe) noexcept {
            CHECK_EQ(cqe.user_data, next);
            CHECK_EQ(cqe.result, result);
            ++next;
        });
    }
    CHECK_EQ(next, queued);
    CHECK_EQ(ring.cq_overflow_count(), 0u);
}

RING_TEST(ring_copies_over_the_wrap) {
    const u32 batch = ring.sq_entries() == 1 ? 1 : 5;
    u64 queued = 0;
    u64 next = 0;
    for (u32 round = 0; round < 50; ++round) {
        for (u32 i = 0; i < batch; ++i) {
            queue_nop(ring, queued++);
        }
        CHECK_OK(ring.submit_and_wait(batch));
        Cqe copied[8];
        u32 count = 0;
        while (count < batch) {
            // Room for two: a batch takes several copies, and a copy may straddle the wrap.
            const i32 now = ring.wait_and_copy(copied, 2, {.timeout_ns = 20'000'000'000});
            CHECK_GT(CHECK_OK(now), 0);
            for (i32 i = 0; i < now; ++i) {
                CHECK_EQ(copied[i].user_data, next);
                ++next;
            }
            count += static_cast<u32>(now);
        }
        CHECK_EQ(ring.copy(copied, 8), 0u);
    }
}

RING_TEST(ring_copies_big_completions) {
    queue_nop(ring, 5);
    CHECK_OK(ring.submit_and_wait(1));
    BigCqe big[2];
    __builtin_memset(static_cast<void*>(big), 0xff, sizeof(big));
    CHECK_EQ(ring.copy(big, 2), 1u);
    CHECK_EQ(big[0].cqe.user_data, 5u);
    CHECK_EQ(big[0].extra[0], 0u);
    CHECK_EQ(big[0].extra[1], 0u);
}

RING_TEST(ring_advances_in_batches) {
    const u32 batch = ring.sq_entries() == 1 ? 1 : 3;
    for (u32 i = 0; i < batch; ++i) {
        queue_nop(ring, i);
    }
    CHECK_OK(ring.submit_and_wait(batch));
    reap(ring, 0, [](const Cqe&) noexcept {});
    while (ring.cq_ready() < batch) { // the SQPOLL thread may need another moment
        CHECK_OK(ring.submit_and_wait({.count = batch, .timeout_ns = 20'000'000'000}).error);
    }
    ring.advance(0);
    CHECK_EQ(ring.cq_ready(), batch);
    ring.advance(batch);
    CHECK_EQ(ring.cq_ready(), 0u);
    ring.seen(nullptr);
    CHECK_EQ(ring.cq_ready(), 0u);
}

RING_TEST(ring_reserve_keeps_a_chain_whole) {
    if (nop_result(ring) != 0) { // and one that fails cancels the rest of its chain
        SKIP_WITHOUT("no-ops in a ring that polls");
    }
    const u32 chain = ring.sq_entries() < 3 ? ring.sq_entries() : 3;
    CHECK_ERRNO(ring.reserve(ring.sq_entries() + 1), Errno::einval);
    constexpr u32 rounds = 20;
    const auto name = [](u32 round, u32 place) noexcept { return u64{round} * 4 + place; };
    for (u32 round = 0; round < rounds; ++round) {
        queue_nop(ring, name(round, 0)); // so that chains meet the end of the queue at every offset
        CHECK_OK(ring.reserve(chain));
        const u32 before = ring.sq_ready();
        for (u32 place = 1; place <= chain; ++place) {
            Sqe* const sqe = ring.get_sqe();
            CHECK(sqe != nullptr);
            prep::nop(*sqe);
            sqe->user_data = name(round, place);
            if (place < chain) {
                prep::link(*sqe);
            }
        }
        if ((ring.setup_flags() & abi::setup::sqpoll) == 0) {
            CHECK_EQ(ring.sq_ready(), before + chain);
        }
    }
    // Chains overtake each other, but inside one the order holds, and nothing is cancelled.
    u8 seen[4 * rounds] = {};
    reap(ring, rounds * (chain + 1), [&seen](const Cqe& cqe) noexcept {
        CHECK_EQ(cqe.result, 0);
        CHECK_EQ(seen[cqe.user_data], 0u);
        seen[cqe.user_data] = 1;
        if ((cqe.user_data & 3) > 1) {
            CHECK_EQ(seen[cqe.user_data - 1], 1u);
        }
    });
}

RING_TEST(ring_submits_nothing_without_a_call) {
    reset_calls();
    CHECK_EQ(CHECK_OK(ring.submit()), 0);
    CHECK_EQ(ring.peek(), nullptr);
    Cqe none[1];
    CHECK_EQ(ring.copy(none, 1), 0u);
    CHECK_EQ(ring.for_each([](const Cqe&) noexcept { FAIL("there is none"); }), 0u);
    if ((row.flags & abi::setup::iopoll) == 0) { // such a ring polls by entering
        CHECK_EQ(calls_made(number::io_uring_enter), 0u);
    }
}

RING_TEST(ring_wait_times_out_once) {
    const u64 start = now_ns();
    const Entered entered = ring.submit_and_wait({.count = 1, .timeout_ns = 20'000'000});
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 0u);
    CHECK_GE(now_ns() - start, 20'000'000u);
    const Cqe* cqe = reinterpret_cast<const Cqe*>(8);
    CHECK_ERRNO(ring.wait(&cqe, {.deadline_ns = now_ns() + 1'000'000}), Errno::etime);
    CHECK(cqe == nullptr);                                          // always written
    CHECK_ERRNO(ring.wait(&cqe, {.deadline_ns = 1}), Errno::etime); // long past
}

RING_TEST(ring_wait_that_times_out_has_submitted) {
    queue_nop(ring, 1);
    const u64 start = now_ns();
    const Entered entered = ring.submit_and_wait({.count = 2, .timeout_ns = 20'000'000});
    CHECK_EQ(entered.submitted, 1u);
    if ((row.flags & abi::setup::iopoll) != 0) {
        CHECK_EQ(entered.error, 0); // as long as one is there, no other comes
    } else {
        CHECK_ERRNO(entered.error, Errno::etime);
        CHECK_GE(now_ns() - start, 20'000'000u);
    }
    if ((row.flags & abi::setup::sqpoll) == 0) { // whose thread may need longer than that
        CHECK_EQ(ring.cq_ready(), 1u);
    }
    const Cqe* cqe = nullptr;
    CHECK_OK(ring.wait(&cqe));
    CHECK_EQ(cqe->user_data, 1u);
    ring.seen(cqe);
}

RING_TEST(ring_drains_and_links) {
    if (nop_result(ring) != 0) { // and one that fails cancels the rest of its chain
        SKIP_WITHOUT("no-ops in a ring that polls");
    }
    static constexpr i32 failing = -Errno::eio;
    u32 first = 0;
    CHECK_OK(ring.reserve(1));
    Sqe& earlier = need_sqe(ring);
    prep::nop(earlier);
    prep::async(earlier); // it would end after the next one else
    earlier.user_data = 1;
    CHECK_OK(ring.reserve(1));
    Sqe& sqe = need_sqe(ring);
    prep::nop(sqe);
    prep::drain(sqe);
    sqe.user_data = 2;
    reap(ring, 2, [&first](const Cqe& cqe) noexcept {
        first = first == 0 ? static_cast<u32>(cqe.user_data) : first;
        CHECK_EQ(cqe.result, 0);
    });
    CHECK_EQ(first, 1u);
    if (ring.sq_entries() == 1) {
        return; // no chain fits
    }
    CHECK_OK(ring.reserve(2));
    Sqe& head = need_sqe(ring);
    prep::nop(head, {.flags = abi::nop_flag::inject_result, .result = failing});
    prep::link(head);
    head.user_data = 3;
    queue_nop(ring, 4);
    if (!kernel_at_least(6, 10)) {
        reap(ring, 2, [](const Cqe&) noexcept {});
        SKIP_MISSING("no-ops with an injected result"); // with nothing left to wait for
    }
    reap(ring, 2, [](const Cqe& cqe) noexcept {
        CHECK_EQ(cqe.result, cqe.user_data == 3 ? failing : -Errno::ecanceled);
    });
}

} // namespace
} // namespace oxbow::test
