// What is registered about the ring itself: its descriptor, its size, its clock, and the memory
// that it waits with.
#include "../uring/register.h"
#include "../uring/wait_region.h"

#include "hook.h"
#include "register_help.h"

namespace oxbow::test {
namespace {

constexpr u32 deferred = abi::setup::single_issuer | abi::setup::defer_taskrun;

void nop(Ring& ring, u64 user_data) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::nop(sqe);
    sqe.user_data = user_data;
}

// ---- The descriptor -----------------------------------------------------------------------------

TEST(register_ring_fd_enters_by_index) {
    SKIP_WITHOUT("registered rings");
    const NothingLeaks check;
    TestRing ring;
    CHECK_ERRNO(ring->unregister_ring_fd(), Errno::einval);
    CHECK_ERRNO(ring->close_ring_fd(), Errno::einval); // it has no other name yet
    CHECK_OK(ring->register_ring_fd());
    CHECK(ring->fd_is_registered());
    CHECK_NE(ring->enter_fd(), ring->fd());
    CHECK_ERRNO(ring->register_ring_fd(), Errno::eexist);
    nop(*ring, 1);
    CHECK_EQ(complete(*ring).user_data, 1u);
    CHECK_OK(ring->unregister_ring_fd());
    CHECK_EQ(ring->enter_fd(), ring->fd());
    nop(*ring, 2);
    CHECK_EQ(complete(*ring).user_data, 2u);
}

TEST(register_ring_fd_has_sixteen_places) {
    need_rings();
    SKIP_WITHOUT("registered rings");
    const NothingLeaks check;
    Ring rings[17];
    for (Ring& ring : rings) {
        CHECK_OK(ring.open({.entries = 1}));
    }
    for (u32 i = 0; i < 16; ++i) {
        CHECK_OK(rings[i].register_ring_fd());
    }
    CHECK_ERRNO(rings[16].register_ring_fd(), Errno::ebusy);
    CHECK(!rings[16].fd_is_registered());
    nop(rings[16], 1); // goes on with its descriptor
    CHECK_EQ(complete(rings[16]).user_data, 1u);
    rings[3].close(); // which gives its place back
    CHECK_OK(rings[16].register_ring_fd());
    for (Ring& ring : rings) {
        ring.close();
    }
}

TEST(register_ring_fd_closed_leaves_the_index) {
    SKIP_WITHOUT("registrations through the index");
    const NothingLeaks check;
    const i32 before = open_fd_count();
    {
        TestRing ring;
        CHECK_OK(ring->register_ring_fd());
        CHECK_OK(ring->close_ring_fd());
        CHECK_EQ(ring->fd(), -1);
        CHECK_EQ(open_fd_count(), before);
        nop(*ring, 1);
        CHECK_EQ(complete(*ring).user_data, 1u);
        // Everything can still be registered, through the index.
        const TestFd file(file_of("indexed"));
        const i32 fds[] = {file};
        CHECK_OK(register_files(*ring, fds, 1));
        char text[8] = {};
        CHECK_EQ(read_fixed_file(*ring, 0, text, 7), 7);
        CHECK_BYTES(text, "indexed", 7);
        abi::Probe probe;
        CHECK_OK(register_probe(*ring, probe));
        CHECK_ERRNO(ring->close_ring_fd(), Errno::einval);
    }
    // The place is free again, for all sixteen.
    Ring rings[16];
    for (Ring& ring : rings) {
        CHECK_OK(ring.open({.entries = 1}));
        CHECK_OK(ring.register_ring_fd());
    }
    for (Ring& ring : rings) {
        ring.close();
    }
}

// ---- The size -----------------------------------------------------------------------------------

/// Puts `waiting` completions into the queue and prepares as many entries, after `turns` times
/// around it, so that what is queued on both sides begins anywhere.
void fill_both_sides(Ring& ring, u32 turns, u32 waiting) noexcept {
    for (u32 i = 0; i < turns; ++i) {
        nop(ring, 0);
        (void)complete(ring);
    }
    for (u32 i = 0; i < waiting; ++i) {
        nop(ring, 100 + i);
    }
    CHECK_EQ(CHECK_OK(ring.submit_and_wait(waiting)), static_cast<i32>(waiting));
    for (u32 i = 0; i < waiting; ++i) {
        nop(ring, 200 + i);
    }
}

void check_both_sides(Ring& ring, u32 waiting) noexcept {
    CHECK_EQ(ring.cq_ready(), waiting);
    CHECK_EQ(ring.sq_ready(), waiting);
    CHECK_EQ(ring.sq_space_left(), ring.sq_entries() - waiting);
    CHECK_EQ(CHECK_OK(ring.submit_and_wait(2 * waiting)), static_cast<i32>(waiting));
    for (u32 i = 0; i < 2 * waiting; ++i) {
        const Cqe* const cqe = ring.peek();
        CHECK(cqe != nullptr);
        CHECK_EQ(cqe->user_data, i < waiting ? 100 + i : 200 + i - waiting);
        CHECK_EQ(cqe->result, 0);
        ring.seen(cqe);
    }
    CHECK(ring.peek() == nullptr);
}

TEST(register_resize_moves_what_is_queued) {
    SKIP_WITHOUT("resizing");
    const NothingLeaks check;
    for (u32 turns = 0; turns < 6; ++turns) {
        TestRing ring(4, deferred);
        const i32 mappings = mapping_count();
        fill_both_sides(*ring, turns, 3);
        CHECK_OK(ring->resize(64));
        CHECK_EQ(ring->sq_entries(), 64u);
        CHECK_EQ(ring->cq_entries(), 128u);
        CHECK_EQ(mapping_count(), mappings);
        check_both_sides(*ring, 3);
        // All of the new room is there.
        for (u32 i = 0; i < 64; ++i) {
            Sqe* const sqe = ring->get_sqe();
            CHECK(sqe != nullptr);
            prep::nop(*sqe);
        }
        CHECK(ring->get_sqe() == nullptr);
        CHECK_EQ(CHECK_OK(ring->submit_and_wait(64)), 64);
        ring->advance(64);
        // And down again, with a queue of completions of its own size.
        fill_both_sides(*ring, turns, 3);
        CHECK_OK(ring->resize(4, 16));
        CHECK_EQ(ring->sq_entries(), 4u);
        CHECK_EQ(ring->cq_entries(), 16u);
        check_both_sides(*ring, 3);
    }
}

TEST(register_resize_refusals_change_nothing) {
    SKIP_WITHOUT("resizing");
    const NothingLeaks check;
    TestRing plain;
    Reason reason;
    CHECK_ERRNO(plain->resize(16, 0, &reason), Errno::einval); // not defer_taskrun
    CHECK(reason.stage == Stage::resize);
    CHECK_EQ(reason.error, -Errno::einval);
    nop(*plain, 1);
    CHECK_EQ(complete(*plain).user_data, 1u);

    TestRing ring(16, deferred);
    fill_both_sides(*ring, 5, 8);
    CHECK_ERRNO(ring->resize(4), Errno::eoverflow); // 8 entries are prepared
    CHECK_EQ(ring->sq_entries(), 16u);
    CHECK_ERRNO(ring->resize(0), Errno::einval);
    check_both_sides(*ring, 8);
    // Where the new mappings cannot be had, the ring is closed and says so.
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(ring->resize(64, 0, &reason), Errno::enomem);
    CHECK(reason.stage == Stage::map_rings);
    CHECK(!ring->is_open());
    clear_faults();
}

TEST(register_resize_keeps_what_is_registered) {
    SKIP_WITHOUT("resizing");
    const NothingLeaks check;
    TestRing ring(4, deferred);
    const TestFd file(file_of("kept"));
    const i32 fds[] = {file};
    CHECK_OK(register_files(*ring, fds, 1));
    CHECK_OK(ring->register_ring_fd());
    CHECK_OK(ring->resize(8));
    char text[4] = {};
    CHECK_EQ(read_fixed_file(*ring, 0, text, 4), 4);
    CHECK_BYTES(text, "kept", 4);
}

// ---- The clock ----------------------------------------------------------------------------------

TEST(register_clock_measures_waits) {
    SKIP_WITHOUT("clocks of rings");
    const NothingLeaks check;
    TestRing ring;
    CHECK_ERRNO(ring->use_clock(abi::clock::realtime), Errno::einval);
    constexpr u32 clocks[] = {abi::clock::boottime, abi::clock::monotonic};
    for (const u32 clock : clocks) {
        CHECK_OK(ring->use_clock(clock));
        const u64 begin = now_ns();
        const Cqe* cqe = nullptr;
        CHECK_ERRNO(ring->wait(&cqe, {.timeout_ns = 20'000'000}), Errno::etime);
        CHECK(cqe == nullptr);
        CHECK_GE(now_ns() - begin, u64{20'000'000});
        // A deadline in that clock that has passed is over at once.
        abi::Timespec now = {};
        CHECK_OK(kernel::clock_gettime(clock, &now));
        const u64 past = static_cast<u64>(now.seconds) * 1'000'000'000 - 1;
        CHECK_ERRNO(ring->wait(&cqe, {.deadline_ns = past}), Errno::etime);
    }
}

// ---- Memory to wait with ------------------------------------------------------------------------

TEST(register_wait_region_must_come_before_the_ring_is_enabled) {
    const NothingLeaks check;
    TestRing ring;
    WaitRegion region;
    CHECK_ERRNO(region.open(*ring), Errno::einval); // also on kernels that have none
    CHECK(!region.is_open());
    region.close();
    CHECK_EQ(region.entries(), 0u);
}

TEST(register_wait_region_times_out_and_wakes) {
    SKIP_WITHOUT("registered waits");
    const NothingLeaks check;
    TestRing ring(8, abi::setup::r_disabled);
    WaitRegion region;
    CHECK_ERRNO(region.open(*ring, 0), Errno::einval);
    CHECK_OK(region.open(*ring, 3));
    CHECK_GE(region.entries(), 3u);
    WaitRegion second;
    CHECK_ERRNO(second.open(*ring), Errno::ebusy);
    CHECK_OK(enable_ring(*ring));

    region.set(0, {.timeout_ns = 30'000'000});
    region.set(1, {});
    const u64 begin = now_ns();
    Entered entered = ring->submit_and_wait_registered(1, 0);
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 0u);
    CHECK_GE(now_ns() - begin, u64{30'000'000});
    // The same entry again is a new wait, and what is submitted on the way is told apart from it.
    const TestPair pipe = TestPair::pipe();
    Sqe& sqe = need_sqe(*ring);
    prep::poll_add(sqe, pipe[0], abi::poll_event::in);
    sqe.user_data = 7;
    entered = ring->submit_and_wait_registered(1, 0);
    CHECK_ERRNO(entered.error, Errno::etime);
    CHECK_EQ(entered.submitted, 1u);
    // Without a limit it waits until something comes.
    pipe.write("x");
    nop(*ring, 8);
    entered = ring->submit_and_wait_registered(2, 1);
    CHECK_OK(entered.error);
    CHECK_EQ(entered.submitted, 1u);
    CHECK_EQ(ring->cq_ready(), 2u);
    ring->advance(2);
    // A limit can be changed between waits.
    region.set(1, {.timeout_ns = 1'000'000});
    CHECK_ERRNO(ring->submit_and_wait_registered(1, 1).error, Errno::etime);
    // There is nothing behind the region.
    CHECK_ERRNO(ring->submit_and_wait_registered(1, region.entries()).error, Errno::efault);
    TestRing without;
    CHECK_ERRNO(without->submit_and_wait_registered(1, 0).error, Errno::efault);
    region.close();
    CHECK(!region.is_open());
}

TEST(register_wait_region_blocks_signals) {
    SKIP_WITHOUT("registered waits");
    const NothingLeaks check;
    const i32 status = in_child([] {
        TestRing ring(8, abi::setup::r_disabled);
        WaitRegion region;
        CHECK_OK(region.open(*ring));
        CHECK_OK(enable_ring(*ring));
        // SIGALRM kills this child, unless the wait keeps it away. It is pending before the wait
        // begins, and blocked outside of it.
        const abi::SignalSet all = abi::SignalSet::all();
        CHECK_OK(kernel::rt_sigprocmask(0, &all, nullptr));
        CHECK_OK(kernel::kill(kernel::getpid(), abi::signal::alrm));
        region.set(0, {.timeout_ns = 1'000'000, .signals = &all});
        CHECK_ERRNO(ring->submit_and_wait_registered(1, 0).error, Errno::etime);
        // With nothing blocked the wait lets it in.
        const abi::SignalSet none = abi::SignalSet::none();
        region.set(0, {.timeout_ns = patience_ns, .signals = &none});
        (void)ring->submit_and_wait_registered(1, 0);
        FAIL("the signal did not come");
    });
    CHECK_EQ(status, -abi::signal::alrm);
}

TEST(register_wait_region_may_outlive_its_ring) {
    SKIP_WITHOUT("registered waits");
    const NothingLeaks check;
    WaitRegion region;
    {
        TestRing ring(8, abi::setup::r_disabled);
        CHECK_OK(region.open(*ring));
        CHECK_OK(enable_ring(*ring));
    }
    region.set(0, {.timeout_ns = 1});
    region.close();
    region.close(); // a second time does nothing
}

TEST(register_memory_region_of_the_kernel) {
    SKIP_WITHOUT("memory regions");
    const NothingLeaks check;
    TestRing ring;
    abi::RegionDescriptor region = {};
    region.size = page_bytes_max;
    CHECK_OK(register_memory_region(*ring, region, 0));
    CHECK_NE(region.mmap_offset, 0u); // the kernel's, to be mapped by whoever wants it
    CHECK_ERRNO(register_memory_region(*ring, region, 0), Errno::ebusy);
    TestRing other;
    abi::RegionDescriptor odd = {};
    odd.size = 100;
    CHECK_ERRNO(register_memory_region(*other, odd, 0), Errno::einval);
    odd.flags = abi::mem_region_type_user;
    CHECK_ERRNO(register_memory_region(*other, odd, 0), Errno::efault);
}

} // namespace
} // namespace oxbow::test
