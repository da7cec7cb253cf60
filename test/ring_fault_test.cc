// Ring against a scripted kernel: every answer of io_uring_enter that real kernels give only by
// luck. The property behind all of it: each entry is consumed once, in order, and each completion
// is seen once, whatever the kernel answers in between.
#include "../syscall/errno.h"
#include "../syscall/time.h"
#include "../uring/prep.h"
#include "../uring/ring.h"
#include "fake_kernel.h"

namespace oxbow::test {
namespace {

namespace setup = abi::setup;
namespace enter = abi::enter;
namespace feature = abi::feature;

constexpr u32 all_features = (feature::no_iowait << 1) - 1;

/// A ring on the scripted kernel. Closed at the end, with nothing left mapped.
struct FakeRing {
    Ring ring;

    explicit FakeRing(u32 entries, u32 flags = 0, u32 completion_entries = 0) noexcept {
        RingOptions options;
        options.entries = entries;
        options.flags = flags;
        options.preferred_flags = 0;
        options.completion_entries = completion_entries;
        CHECK_OK(ring.open(options));
    }
    ~FakeRing() { ring.close(); }
    FakeRing(const FakeRing&) = delete;
    FakeRing& operator=(const FakeRing&) = delete;

    Ring* operator->() noexcept { return &ring; }
    Ring& operator*() noexcept { return ring; }
};

void queue(Ring& ring, u64 first, u32 count) noexcept {
    for (u32 i = 0; i < count; ++i) {
        Sqe* const sqe = ring.get_sqe();
        CHECK(sqe != nullptr);
        prep::nop(*sqe);
        sqe->user_data = first + i;
    }
}

/// Checks that the next completions are `first`, `first + 1`, ...
void expect_in_order(Ring& ring, u64 first, u32 count) noexcept {
    for (u32 i = 0; i < count; ++i) {
        const Cqe* const cqe = ring.peek();
        CHECK(cqe != nullptr);
        CHECK_EQ(cqe->user_data, first + i);
        ring.seen(cqe);
    }
    CHECK(ring.peek() == nullptr);
}

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

// ---- Waiting ------------------------------------------------------------------------------------

TEST(fault_deadline_is_absolute_where_the_kernel_can) {
    FakeKernel kernel;
    FakeRing ring(4);
    // Consumed, and no word on how the wait ended: the time was up.
    const auto late = [](FakeKernel&, void*) noexcept { sleep_ms(10); };
    kernel.add({.consume = 1});
    kernel.add({.order = Order::withheld, .act = late});
    queue(*ring, 1, 2);
    const u64 deadline_ns = now_ns() + 8'000'000;
    const Entered entered = ring->submit_and_wait({.count = 2, .deadline_ns = deadline_ns});
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 2u);
    CHECK_EQ(kernel.enter_count(), 2u);
    for (u32 i = 0; i < 2; ++i) {
        CHECK_EQ(kernel.enter(i).flags & enter::abs_timer, enter::abs_timer);
        CHECK_EQ(nanoseconds_of(kernel.enter(i).timeout), deadline_ns);
    }
}

TEST(fault_relative_timeout_is_applied_once) {
    FakeOptions options;
    options.features = feature::single_mmap | feature::ext_arg | feature::nodrop;
    FakeKernel kernel(options);
    FakeRing ring(4);
    // A short submit takes a while of its own, and the second enter may only have what is left.
    const auto slowly = [](FakeKernel&, void*) noexcept { sleep_ms(30); };
    kernel.add({.consume = 1, .act = slowly});
    kernel.add(
        {.order = Order::withheld, .act = [](FakeKernel&, void*) noexcept { sleep_ms(80); }});
    queue(*ring, 1, 2);
    const Entered entered = ring->submit_and_wait({.count = 2, .timeout_ns = 100'000'000});
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 2u);
    CHECK_EQ(kernel.enter_count(), 2u);
    CHECK_EQ(kernel.enter(0).flags & enter::abs_timer, 0u);
    CHECK_LE(nanoseconds_of(kernel.enter(0).timeout), 100'000'000u);
    CHECK_LE(nanoseconds_of(kernel.enter(1).timeout), 70'000'000u);
}

TEST(fault_interrupted_wait_tells_what_was_submitted) {
    // The kernel answers the number of entries, and hides that a signal ended its wait.
    FakeKernel kernel;
    FakeRing ring(4);
    kernel.add({.order = Order::withheld});
    queue(*ring, 1, 3);
    const Entered entered =
        ring->submit_and_wait({.count = 1, .deadline_ns = now_ns() + 60'000'000'000});
    CHECK_ERRNO(entered.error, Errno::eintr);
    CHECK_EQ(entered.submitted, 3u);
    CHECK_EQ(kernel.enter_count(), 1u);
    kernel.release();
    expect_in_order(*ring, 1, 3);
}

TEST(fault_kernel_that_consumes_nothing_is_not_asked_for_ever) {
    FakeKernel kernel;
    FakeRing ring(4);
    kernel.add({.consume = 0});
    queue(*ring, 1, 1);
    CHECK_ERRNO(ring->submit_and_wait({.count = 1, .timeout_ns = 60'000'000'000}).error,
                Errno::eagain);
    CHECK_EQ(kernel.enter_count(), 1u);
}

TEST(fault_interrupted_wait_with_enough_completions_succeeds) {
    FakeKernel kernel;
    FakeRing ring(4);
    const FakeCqe posted[] = {{.user_data = 5}};
    kernel.add({.error = Errno::eintr, .error_after = true, .posts = posted, .post_count = 1});
    CHECK_OK(ring->submit_and_wait({.count = 1}).error);
    expect_in_order(*ring, 5, 1);
}

TEST(fault_interrupted_wait_with_too_few_completions_says_so) {
    // With one completion there the kernel answers 0, and hides that it was a signal.
    FakeKernel kernel;
    FakeRing ring(4);
    const FakeCqe posted[] = {{.user_data = 5}};
    kernel.add({.posts = posted, .post_count = 1});
    const Entered entered = ring->submit_and_wait({.count = 3, .timeout_ns = 60'000'000'000});
    CHECK_ERRNO(entered.error, Errno::eintr);
    expect_in_order(*ring, 5, 1);
}

TEST(fault_wait_makes_no_call_for_what_is_there) {
    FakeKernel kernel;
    FakeRing ring(4);
    kernel.post({.user_data = 3});
    const Cqe* cqe = nullptr;
    CHECK_OK(ring->wait(&cqe));
    CHECK_OK(ring->submit_and_wait({.count = 1}).error);
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(1)), 0);
    CHECK_EQ(kernel.enter_count(), 0u);
    CHECK_EQ(cqe->user_data, 3u);
}

TEST(fault_wait_without_ext_arg_polls) {
    FakeOptions options;
    options.features = feature::single_mmap | feature::nodrop; // before 5.11
    FakeKernel kernel(options);
    FakeRing ring(4);
    kernel.add({.order = Order::withheld});
    queue(*ring, 1, 1);
    const u64 start = now_ns();
    const Entered entered = ring->submit_and_wait({.count = 1, .timeout_ns = 10'000'000});
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 1u);
    CHECK_GE(now_ns() - start, 10'000'000u);
    // No timeout entry was put into the queue, and so none has to be hidden from the user.
    CHECK_EQ(kernel.consumed_count(), 1u);
    for (u32 i = 0; i < kernel.enter_count(); ++i) {
        CHECK_EQ(kernel.enter(i).flags & (enter::ext_arg | enter::abs_timer), 0u);
    }
}

TEST(fault_min_wait_is_passed_on) {
    FakeKernel kernel;
    FakeRing ring(4);
    const FakeCqe posted[] = {{.user_data = 5}};
    kernel.add({.posts = posted, .post_count = 1}); // one came, and the minimum wait was over
    const Entered entered =
        ring->submit_and_wait({.count = 3, .timeout_ns = 5'000'000'000, .min_wait_usec = 200});
    CHECK_OK(entered.error);
    CHECK_EQ(kernel.last_enter().decoded.min_wait_usec, 200u);
    CHECK_EQ(kernel.last_enter().min_complete, 3u);
    expect_in_order(*ring, 5, 1);
}

TEST(fault_signal_mask_is_passed_on) {
    FakeKernel kernel;
    FakeRing ring(4);
    const abi::SignalSet mask = abi::SignalSet::all();
    const FakeCqe posted[] = {{.user_data = 5}};
    kernel.add({.posts = posted, .post_count = 1});
    CHECK_OK(ring->submit_and_wait({.count = 1, .signals = &mask}).error);
    CHECK_EQ(kernel.last_enter().argument, static_cast<const void*>(&mask));
    CHECK_EQ(kernel.last_enter().argument_bytes, 8u);
    ring->advance(1);
    kernel.add({.posts = posted, .post_count = 1});
    CHECK_OK(
        ring->submit_and_wait({.count = 1, .timeout_ns = 5'000'000'000, .signals = &mask}).error);
    CHECK_EQ(kernel.last_enter().decoded.sigmask, address_of(&mask));
    CHECK_EQ(kernel.last_enter().decoded.sigmask_size, 8u);
}

TEST(fault_iowait_is_not_claimed) {
    {
        FakeKernel kernel;
        FakeRing ring(4);
        queue(*ring, 1, 1);
        CHECK_OK(ring->submit());
        CHECK_EQ(kernel.last_enter().flags, enter::no_iowait);
        ring->count_as_iowait(true);
        CHECK_OK(ring->get_events());
        CHECK_EQ(kernel.last_enter().flags, enter::getevents);
        ring->count_as_iowait(false);
        CHECK_OK(ring->get_events());
        CHECK_EQ(kernel.last_enter().flags, enter::getevents | enter::no_iowait);
    }
    FakeOptions options;
    options.features = all_features & ~feature::no_iowait;
    FakeKernel kernel(options);
    FakeRing ring(4);
    ring->count_as_iowait(false);
    CHECK_OK(ring->get_events());
    CHECK_EQ(kernel.last_enter().flags, enter::getevents);
}

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
    FakeRing ring(8);
    CHECK(ring->get_big_sqe() == nullptr);
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
