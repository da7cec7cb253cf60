// What Ring makes of a wait that the kernel ended: by time, by a signal, early, or without saying
// why.
#include "../syscall/errno.h"
#include "../syscall/time.h"
#include "fake_ring.h"

namespace oxbow::test {
namespace {

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

} // namespace
} // namespace oxbow::test
