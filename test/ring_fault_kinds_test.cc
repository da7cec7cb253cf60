// Uncommon rings against a scripted kernel: SQPOLL, rewinding, entries and completions of two
// sizes.
#include "../syscall/errno.h"
#include "fake_ring.h"

namespace oxbow::test {
namespace {

// ---- SQPOLL -------------------------------------------------------------------------------------

TEST(fault_sqpoll_is_woken_only_when_asleep) {
    FakeKernel kernel;
    FakeRing ring(4, setup::sqpoll);
    queue(*ring, 1, 2);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    CHECK_EQ(kernel.enter_count(), 0u); // the thread is awake
    CHECK_EQ(ring->sq_ready(), 2u);
    CHECK_EQ(kernel.poll_thread_step(), 2u);
    CHECK_EQ(ring->sq_ready(), 0u);
    CHECK(kernel.poll_thread_sleep());
    CHECK_EQ(CHECK_OK(ring->submit()), 0);
    CHECK_EQ(kernel.enter_count(), 0u); // asleep, and nothing to wake it for
    queue(*ring, 3, 1);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    CHECK_EQ(kernel.last_enter().flags & enter::sq_wakeup, enter::sq_wakeup);
    CHECK(kernel.poll_thread_awake());
    CHECK_EQ(kernel.poll_thread_step(), 1u);
    expect_in_order(*ring, 1, 3);
}

TEST(fault_sqpoll_entries_are_handed_over_in_spite_of_an_error) {
    FakeKernel kernel;
    FakeRing ring(4, setup::sqpoll);
    queue(*ring, 1, 1);
    kernel.add_errors(Errno::eintr, 1);
    const Entered entered = ring->submit_and_wait({.count = 1, .timeout_ns = 5'000'000'000});
    CHECK_ERRNO(entered.error, Errno::eintr);
    CHECK_EQ(entered.submitted, 1u);
    CHECK_EQ(kernel.poll_thread_step(), 1u);
    expect_in_order(*ring, 1, 1);
    CHECK_EQ(CHECK_OK(ring->submit()), 0); // not a second time
    CHECK_EQ(kernel.poll_thread_step(), 0u);
}

TEST(fault_sqpoll_registered_wait_that_ends_early_says_so) {
    FakeKernel kernel;
    FakeRing ring(4, setup::sqpoll);
    // The thread is busy elsewhere: it consumes nothing, and has not gone to sleep either.
    CHECK(kernel.poll_thread_sleep());
    kernel.clear_sq_flags(abi::sq_flag::need_wakeup);
    kernel.post({.user_data = 9}); // one of the two that are waited for: so the kernel answers 0
    queue(*ring, 1, 1);
    const Entered entered = ring->submit_and_wait_registered(2, 0);
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 1u);
    CHECK_EQ(ring->sq_ready(), 1u);
    CHECK_EQ(ring->cq_ready(), 1u);
}

TEST(fault_sqpoll_waits_for_room) {
    FakeKernel kernel;
    FakeRing ring(2, setup::sqpoll);
    CHECK_OK(ring->wait_for_sq_room());
    CHECK_EQ(kernel.enter_count(), 0u);
    queue(*ring, 1, 2);
    CHECK_OK(ring->submit());
    CHECK(ring->get_sqe() == nullptr);
    CHECK_OK(ring->wait_for_sq_room());
    CHECK_EQ(kernel.last_enter().flags & enter::sq_wait, enter::sq_wait);
    kernel.poll_thread_step();
    CHECK(ring->get_sqe() != nullptr);
}

TEST(fault_sqpoll_full_queue_shows_once_the_thread_consumed) {
    // A completion may be seen before the head has moved: the queue is full until it does.
    FakeKernel kernel;
    FakeRing ring(1, setup::sqpoll);
    for (u32 i = 0; i < 10; ++i) {
        queue(*ring, i, 1);
        CHECK_OK(ring->submit());
        CHECK(ring->get_sqe() == nullptr);
        CHECK_EQ(kernel.poll_thread_step(), 1u);
    }
    CHECK_EQ(kernel.consumed_count(), 10u);
}

// ---- Unusual entry sizes and rings --------------------------------------------------------------

TEST(fault_rewinding_ring_moves_leftovers_to_the_front) {
    FakeKernel kernel;
    FakeRing ring(8, setup::sq_rewind | setup::no_sqarray);
    kernel.add({.consume = 2});
    queue(*ring, 1, 5);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    CHECK_EQ(ring->sq_ready(), 3u);
    CHECK_EQ(ring->sq_space_left(), 5u);
    queue(*ring, 6, 5);
    CHECK(ring->get_sqe() == nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 8);
    for (u32 i = 0; i < 10; ++i) {
        CHECK_EQ(kernel.consumed(i).user_data, i + 1);
    }
    expect_in_order(*ring, 1, 10);
    queue(*ring, 20, 8); // and again from the front
    CHECK_EQ(CHECK_OK(ring->submit()), 8);
    expect_in_order(*ring, 20, 8);
}

TEST(fault_mixed_entries_never_wrap) {
    FakeOptions options;
    options.sq_start = 3; // of 8 slots
    FakeKernel kernel(options);
    FakeRing ring(8, setup::sqe_mixed | setup::no_sqarray);
    Random random;
    u64 queued = 0;
    u64 next = 0;
    for (u32 round = 0; round < 200; ++round) {
        const bool big = random.chance(500);
        Sqe* sqe = big ? ring->get_big_sqe() : ring->get_sqe();
        if (sqe == nullptr) {
            CHECK_OK(ring->submit());
            next += ring->for_each([&next](const Cqe& cqe) noexcept {
                CHECK_GE(cqe.user_data, next); // fillers post nothing
            });
            CHECK_EQ(next, queued);
            sqe = big ? ring->get_big_sqe() : ring->get_sqe();
        }
        CHECK(sqe != nullptr);
        const u8 zero[128] = {};
        CHECK_BYTES(sqe, zero, big ? 128 : 64);
        sqe->opcode = static_cast<u8>(big ? abi::Opcode::nop128 : abi::Opcode::nop);
        sqe->user_data = queued++;
    }
    CHECK_OK(ring->submit());
    next += ring->for_each([](const Cqe&) noexcept {});
    CHECK_EQ(next, queued);
}

TEST(fault_big_entry_needs_a_ring_that_has_them) {
    FakeKernel kernel;
    {
        FakeRing ring(8);
        CHECK(ring->get_big_sqe() == nullptr);
    } // it has one ring at a time, and leaves a second one to the real kernel
    FakeRing big(1, setup::sqe128);
    CHECK(big->get_big_sqe() != nullptr);
    CHECK(big->get_big_sqe() == nullptr);
}

TEST(fault_mixed_completions_are_walked_by_their_size) {
    FakeOptions options;
    options.cq_start = 1; // so that a big one meets the wrap and the kernel fills the last slot
    FakeKernel kernel(options);
    FakeRing ring(4, setup::cqe_mixed, 8);
    for (u32 way = 0; way < 3; ++way) {
        kernel.post({.user_data = 1});
        kernel.post({.user_data = 2, .big = true, .extra = {21, 22}});
        kernel.post({.user_data = 3, .big = true, .extra = {31, 32}});
        kernel.post({.user_data = 4});
        u64 expected = 1;
        const auto check = [&expected](const Cqe& cqe, const u64* extra) noexcept {
            CHECK_EQ(cqe.user_data, expected);
            if (cqe.user_data == 2 || cqe.user_data == 3) {
                CHECK_EQ(extra[0], cqe.user_data * 10 + 1);
                CHECK_EQ(extra[1], cqe.user_data * 10 + 2);
            }
            ++expected;
        };
        BigCqe copied[8];
        if (way == 0) {
            CHECK_EQ(ring->for_each(
                         [&check](const Cqe& cqe) noexcept { check(cqe, Ring::extra_of(cqe)); }),
                     4u);
        } else if (way == 1) {
            CHECK_EQ(ring->copy(copied, 8), 4u);
            for (u32 i = 0; i < 4; ++i) {
                check(copied[i].cqe, copied[i].extra);
            }
        } else {
            while (const Cqe* const cqe = ring->peek()) {
                check(*cqe, Ring::extra_of(*cqe));
                ring->seen(cqe);
            }
        }
        CHECK_EQ(expected, 5u);
        CHECK_EQ(ring->cq_ready(), 0u);
    }
}

} // namespace
} // namespace oxbow::test
