// Ring against a scripted kernel: every answer of io_uring_enter that real kernels give only by
// luck. The property behind all of it: each entry is consumed once, in order, and each completion
// is seen once, whatever the kernel answers in between. Waits are in ring_fault_wait_test.cc,
// SQPOLL and unusual entries in ring_fault_kinds_test.cc.
#include "../syscall/errno.h"
#include "fake_ring.h"

namespace oxbow::test {
namespace {

// ---- Submitting ---------------------------------------------------------------------------------

TEST(fault_short_submit_keeps_the_rest) {
    FakeKernel kernel;
    FakeRing ring(8);
    kernel.add({.consume = 2});
    queue(*ring, 1, 5);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    CHECK_EQ(ring->sq_ready(), 3u);
    CHECK_EQ(CHECK_OK(ring->submit()), 3);
    CHECK_EQ(kernel.last_enter().to_submit, 3u);
    CHECK_EQ(ring->sq_ready(), 0u);
    CHECK_EQ(kernel.consumed_count(), 5u);
    for (u32 i = 0; i < 5; ++i) {
        CHECK_EQ(kernel.consumed(i).user_data, i + 1);
    }
    expect_in_order(*ring, 1, 5);
}

TEST(fault_short_submit_is_continued_by_a_wait) {
    FakeKernel kernel;
    FakeRing ring(8);
    kernel.add({.consume = 1});
    kernel.add({.consume = 1});
    queue(*ring, 1, 4);
    const Entered entered = ring->submit_and_wait({.count = 4, .timeout_ns = 1'000'000'000});
    CHECK_OK(entered.error);
    CHECK_EQ(entered.submitted, 4u);
    CHECK_EQ(kernel.enter_count(), 3u);
    expect_in_order(*ring, 1, 4);
}

constexpr struct {
    const char* name;
    Errno error;
} passing_errors[] = {
    {"eintr", Errno::eintr},   {"eagain", Errno::eagain},         {"ebusy", Errno::ebusy},
    {"ebadfd", Errno::ebadfd}, {"eownerdead", Errno::eownerdead}, {"eexist", Errno::eexist},
    {"enomem", Errno::enomem},
};

VARIANT_TEST(fault_error_consumes_nothing, passing_errors) {
    FakeKernel kernel;
    FakeRing ring(4);
    kernel.add_errors(row.error, 3);
    queue(*ring, 7, 4);
    CHECK(ring->get_sqe() == nullptr);
    CHECK_ERRNO(ring->submit(), row.error);
    CHECK_EQ(ring->sq_ready(), 4u);
    CHECK(ring->get_sqe() == nullptr); // the queue is still full, and still intact
    CHECK_ERRNO(ring->submit_and_wait(4), row.error);
    const Entered entered = ring->submit_and_wait({.count = 4, .timeout_ns = 1'000'000'000});
    CHECK_ERRNO(entered.error, row.error);
    CHECK_EQ(entered.submitted, 0u);
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(4)), 4);
    expect_in_order(*ring, 7, 4);
    CHECK_EQ(kernel.consumed_count(), 4u);
}

VARIANT_TEST(fault_error_reaches_reserve, passing_errors) {
    FakeKernel kernel;
    FakeRing ring(4);
    kernel.add_errors(row.error, 1);
    queue(*ring, 1, 3);
    CHECK_ERRNO(ring->reserve(2), row.error);
    CHECK_EQ(ring->sq_ready(), 3u);
    CHECK_OK(ring->reserve(2));
    CHECK_EQ(ring->sq_ready(), 0u);
    queue(*ring, 4, 2);
    CHECK_OK(ring->submit());
    expect_in_order(*ring, 1, 5);
}

TEST(fault_reserve_gives_up_where_nothing_is_consumed) {
    FakeKernel kernel;
    FakeRing ring(2);
    kernel.add({.consume = 0});
    queue(*ring, 1, 2);
    CHECK_ERRNO(ring->reserve(1), Errno::eagain);
    CHECK_EQ(ring->sq_ready(), 2u);
}

TEST(fault_full_queue_loses_nothing) {
    FakeKernel kernel;
    FakeRing ring(1);
    for (u32 i = 0; i < 100; ++i) {
        queue(*ring, i, 1);
        CHECK(ring->get_sqe() == nullptr);
        kernel.add_errors(Errno::eagain, 1);
        CHECK_ERRNO(ring->submit(), Errno::eagain);
        CHECK(ring->get_sqe() == nullptr);
        CHECK_EQ(CHECK_OK(ring->submit()), 1);
        expect_in_order(*ring, i, 1);
    }
    CHECK_EQ(kernel.sq_dropped(), 0u);
    CHECK_EQ(ring->sq_dropped(), 0u);
}

TEST(fault_identity_array_drops_nothing) {
    // With an index array in front of the entries, and the heads in mappings of their own.
    FakeOptions options;
    options.features = all_features & ~feature::single_mmap;
    FakeKernel kernel(options);
    FakeRing ring(4);
    for (u32 round = 0; round < 5; ++round) {
        queue(*ring, round * 3, 3);
        CHECK_EQ(CHECK_OK(ring->submit()), 3);
        expect_in_order(*ring, round * 3, 3);
    }
    CHECK_EQ(ring->sq_dropped(), 0u);
}

// ---- Indices ------------------------------------------------------------------------------------

TEST(fault_indices_wrap_at_2_to_the_32) {
    FakeOptions options;
    options.sq_start = 0xfffffff0u;
    options.cq_start = 0xfffffff9u;
    FakeKernel kernel(options);
    FakeRing ring(8);
    u64 next = 0;
    for (u32 round = 0; round < 16; ++round) {
        const u32 batch = 1 + round % 8;
        queue(*ring, next, batch);
        CHECK_EQ(ring->sq_ready(), batch);
        CHECK_EQ(ring->sq_space_left(), 8 - batch);
        CHECK_EQ(CHECK_OK(ring->submit_and_wait(batch)), static_cast<i32>(batch));
        CHECK_EQ(ring->cq_ready(), batch);
        if (round % 2 == 0) {
            expect_in_order(*ring, next, batch);
        } else {
            CHECK_EQ(ring->for_each([&next](const Cqe& cqe) noexcept {
                CHECK_EQ(cqe.user_data, next);
                ++next;
            }),
                     batch);
            continue;
        }
        next += batch;
    }
    CHECK_LT(kernel.sq_head(), 0x1000u); // it did wrap
    CHECK_LT(kernel.cq_head(), 0x1000u);
}

TEST(fault_full_completion_queue_is_visited_once) {
    FakeOptions options;
    options.cq_start = 0xfffffffdu;
    FakeKernel kernel(options);
    FakeRing ring(4, 0, 4);
    queue(*ring, 0, 4);
    CHECK_OK(ring->submit());
    CHECK_EQ(ring->cq_ready(), ring->cq_entries());
    u64 sum = 0;
    CHECK_EQ(ring->for_each([&sum](const Cqe& cqe) noexcept { sum = sum * 10 + cqe.user_data; }),
             4u);
    CHECK_EQ(sum, 123u);
    CHECK_EQ(ring->cq_ready(), 0u);
}

TEST(fault_visits_go_round_the_end_of_the_queue) {
    for (u32 start = 0; start < 4; ++start) {
        for (u32 count = 1; count <= 4; ++count) {
            FakeOptions options;
            options.cq_start = start;
            FakeKernel kernel(options);
            FakeRing ring(4, 0, 4);
            u64 next = 0;
            for (u32 round = 0; round < 6; ++round) { // from wherever the last round ended
                queue(*ring, next, count);
                CHECK_OK(ring->submit());
                CHECK_EQ(ring->for_each([&next](const Cqe& cqe) noexcept {
                    CHECK_EQ(cqe.user_data, next);
                    ++next;
                }),
                         count);
                CHECK_EQ(next, u64{round + 1} * count);
                CHECK_EQ(ring->cq_ready(), 0u);
            }
        }
    }
}

TEST(fault_copy_straddles_the_wrap) {
    FakeOptions options;
    options.cq_start = 3; // of 4 slots
    FakeKernel kernel(options);
    FakeRing ring(4, 0, 4);
    queue(*ring, 10, 4);
    CHECK_OK(ring->submit());
    Cqe copied[8] = {};
    CHECK_EQ(ring->copy(copied, 3), 3u);
    CHECK_EQ(ring->copy(copied + 3, 5), 1u);
    for (u32 i = 0; i < 4; ++i) {
        CHECK_EQ(copied[i].user_data, 10 + i);
    }
}

// ---- Completions that do not come by themselves -------------------------------------------------

TEST(fault_overflow_is_fetched) {
    FakeKernel kernel;
    FakeRing ring(4, 0, 4);
    u64 next = 0;
    for (u32 i = 0; i < 4; ++i) {
        queue(*ring, u64{i} * 4, 4);
        CHECK_EQ(CHECK_OK(ring->submit()), 4); // 16 completions for 4 slots
    }
    CHECK(ring->overflowed());
    CHECK_EQ(kernel.backlog_count(), 12u);
    while (const Cqe* const cqe = ring->peek()) {
        CHECK_EQ(cqe->user_data, next);
        ++next;
        ring->seen(cqe);
    }
    CHECK_EQ(next, 16u);
    CHECK(!ring->overflowed());
}

TEST(fault_overflow_is_fetched_by_every_way_of_reaping) {
    for (u32 way = 0; way < 3; ++way) {
        FakeKernel kernel;
        FakeRing ring(8, 0, 8);
        queue(*ring, 0, 8);
        CHECK_OK(ring->submit());
        queue(*ring, 8, 8);
        CHECK_OK(ring->submit());
        u64 next = 0;
        const auto visit = [&next](const Cqe& cqe) noexcept {
            CHECK_EQ(cqe.user_data, next);
            ++next;
        };
        for (u32 round = 0; round < 2; ++round) {
            Cqe copied[16];
            if (way == 0) {
                CHECK_EQ(ring->for_each(visit), 8u);
            } else if (way == 1) {
                CHECK_EQ(ring->copy(copied, 16), 8u);
                next += 8;
            } else {
                CHECK_EQ(ring->wait_and_copy(copied, 16, {}), 8);
                next += 8;
            }
        }
        CHECK_EQ(next, 16u);
    }
}

TEST(fault_submit_flushes_an_overflow) {
    FakeKernel kernel;
    FakeRing ring(4, 0, 4);
    queue(*ring, 0, 4);
    CHECK_OK(ring->submit());
    queue(*ring, 4, 4);
    CHECK_OK(ring->submit());
    ring->advance(4);
    CHECK_EQ(ring->cq_ready(), 0u);
    CHECK_EQ(CHECK_OK(ring->submit()), 0); // nothing to submit, but something to fetch
    CHECK_EQ(kernel.last_enter().flags & enter::getevents, enter::getevents);
    CHECK_EQ(ring->cq_ready(), 4u);
}

TEST(fault_busy_kernel_takes_all_after_reaping) {
    FakeOptions options;
    options.busy_on_overflow = true; // Linux before 5.19
    FakeKernel kernel(options);
    FakeRing ring(4, 0, 4);
    u32 seen[32] = {};
    u32 queued = 0;
    u32 done = 0;
    u32 busy = 0;
    while (done < 32) {
        while (queued < 32 && ring->sq_space_left() != 0) {
            queue(*ring, queued++, 1);
        }
        const i32 result = ring->submit();
        busy += result == -Errno::ebusy ? 1 : 0;
        CHECK(result >= 0 || result == -Errno::ebusy);
        if (result == -Errno::ebusy || queued == 32) {
            done += ring->for_each([&seen](const Cqe& cqe) noexcept { ++seen[cqe.user_data]; });
        }
    }
    CHECK_GT(busy, 0u);
    for (const u32 times : seen) {
        CHECK_EQ(times, 1u);
    }
}

TEST(fault_lost_completion_is_told_once) {
    FakeKernel kernel;
    FakeRing ring(4);
    kernel.add({.error = Errno::ebadr, .error_after = true, .lose = 1});
    queue(*ring, 1, 2);
    CHECK_ERRNO(ring->submit_and_wait(1), Errno::ebadr);
    CHECK_EQ(ring->cq_overflow_count(), 1u);
    CHECK_EQ(ring->sq_ready(), 0u);
    CHECK_EQ(CHECK_OK(ring->get_events()), 0);
}

TEST(fault_task_work_is_seen) {
    FakeKernel kernel;
    FakeRing ring(4, setup::single_issuer | setup::defer_taskrun);
    CHECK_NE(ring->setup_flags() & setup::taskrun_flag, 0u); // added without being asked for
    for (u32 way = 0; way < 3; ++way) {
        kernel.post_as_task_work({.user_data = 9 + way});
        CHECK_EQ(ring->cq_ready(), 0u);
        Cqe copied[2] = {};
        switch (way) {
        case 0: {
            const Cqe* const cqe = ring->peek();
            CHECK(cqe != nullptr);
            copied[0] = *cqe;
            ring->seen(cqe);
            break;
        }
        case 1:
            CHECK_EQ(ring->for_each([&copied](const Cqe& cqe) noexcept { copied[0] = cqe; }), 1u);
            break;
        default:
            CHECK_EQ(ring->copy(copied, 2), 1u);
        }
        CHECK_EQ(copied[0].user_data, 9 + way);
    }
}

TEST(fault_reordered_completions_are_all_delivered) {
    FakeKernel kernel;
    FakeRing ring(16);
    constexpr Order orders[] = {Order::reversed, Order::shuffled, Order::withheld};
    for (const Order order : orders) {
        kernel.add({.order = order});
        queue(*ring, 0, 16);
        CHECK_EQ(CHECK_OK(ring->submit()), 16);
        if (order == Order::withheld) {
            CHECK(ring->peek() == nullptr);
            CHECK_EQ(kernel.release(everything, true), 16u);
        }
        u32 seen = 0;
        CHECK_EQ(ring->for_each([&seen](const Cqe& cqe) noexcept { seen |= 1u << cqe.user_data; }),
                 16u);
        CHECK_EQ(seen, 0xffffu);
    }
}

// ---- Everything at once -------------------------------------------------------------------------

/// One random answer of the kernel.
[[nodiscard]] Step random_step(Random& random, bool has_task_work) noexcept {
    constexpr Errno errors[] = {Errno::eintr, Errno::eagain, Errno::ebusy, Errno::enomem};
    constexpr Order orders[] = {Order::in_order, Order::reversed, Order::shuffled, Order::withheld};
    Step step;
    if (random.chance(300)) {
        step.error = errors[random.below(4)];
        return step;
    }
    step.consume = random.chance(400) ? random.below(4) : everything;
    step.order = orders[random.below(4)];
    step.as_task_work = has_task_work && step.order != Order::withheld && random.chance(200);
    step.release = random.chance(300);
    return step;
}

constexpr u32 total = 120; ///< entries of one random run

/// Each entry is consumed once and in order, each completion is seen once, on rings of 1 to 16
/// entries whose indices wrap, whatever the kernel answers.
void run_random_kernel(u64 seed) noexcept {
    Random random(seed);
    FakeOptions options;
    options.features = random.chance(700) ? all_features : feature::single_mmap | feature::nodrop;
    options.sq_start = 0u - random.below(64);
    options.cq_start = 0u - random.below(64);
    options.layout_seed = random.next();
    u32 flags = random.chance(300) ? setup::no_sqarray : 0;
    flags |= random.chance(300) ? setup::coop_taskrun : 0;
    if ((flags & setup::no_sqarray) != 0 && random.chance(300)) {
        flags |= setup::sq_rewind;
        options.sq_start = 0; // such a ring has no other
    }
    FakeKernel kernel(options);
    FakeRing ring(1u << random.below(5), flags);
    u8 seen[total] = {};
    u32 queued = 0;
    u32 done = 0;
    for (u32 round = 0; done < total; ++round) {
        CHECK_LT(round, 4000u);
        while (queued < total && ring->sq_space_left() != 0 && random.chance(800)) {
            queue(*ring, queued++, 1);
        }
        if (kernel.steps_left() == 0 && round < 200) {
            kernel.add(random_step(random, (ring->setup_flags() & setup::taskrun_flag) != 0));
        }
        if (round >= 200) {
            kernel.release();
        }
        const i32 result = ring->submit();
        CHECK(result >= -static_cast<i32>(Errno::ebusy));
        done += ring->for_each([&seen](const Cqe& cqe) noexcept {
            CHECK_LT(cqe.user_data, total);
            CHECK_EQ(seen[cqe.user_data], 0u);
            seen[cqe.user_data] = 1;
        });
    }
    CHECK_EQ(kernel.consumed_count(), total);
    for (u32 i = 0; i < total; ++i) {
        CHECK_EQ(kernel.consumed(i).user_data, i);
    }
    CHECK_EQ(ring->cq_overflow_count(), 0u);
}

TEST(fault_random_kernels_lose_and_double_nothing) {
    Random random;
    for (u32 run = 0; run < 300; ++run) {
        const u64 seed = random.next();
        note("kernel ", run, " seed ", seed);
        run_random_kernel(seed);
    }
}

} // namespace
} // namespace oxbow::test
