// The scripted kernel under test, driven by the system calls themselves over the memory that it
// hands out: what it does here is what the ring's tests rely on.
#include "fake_kernel.h"

#include "../syscall/abi_memory.h"
#include "../syscall/atomic.h"
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {
namespace {

namespace setup = abi::setup;
namespace enter = abi::enter;

/// The program's side of a ring, as simple as it can be.
struct RawRing {
    abi::Params params = {};
    i32 fd = -1;
    u8* sq = nullptr;
    u8* cq = nullptr;
    u8* sqes = nullptr;
    usize sq_bytes = 0;
    usize cq_bytes = 0;
    usize sqes_bytes = 0;

    [[nodiscard]] bool has(u32 flag) const noexcept { return (params.flags & flag) != 0; }
    [[nodiscard]] usize sqe_size() const noexcept { return has(setup::sqe128) ? 128 : 64; }
    [[nodiscard]] usize cqe_size() const noexcept { return has(setup::cqe32) ? 32 : 16; }

    [[nodiscard]] i32 ask(u32 entries, u32 flags, u32 cq_entries = 0) noexcept {
        params = {};
        params.flags = flags;
        params.cq_entries = cq_entries;
        fd = kernel::io_uring_setup(entries, &params);
        return fd;
    }

    [[nodiscard]] u8* map(usize bytes, u64 offset) noexcept {
        return reinterpret_cast<u8*>(
            CHECK_OK(kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                  abi::map::shared | abi::map::populate, fd, offset)));
    }

    void open(u32 entries, u32 flags = 0, u32 cq_entries = 0) noexcept {
        CHECK_OK(ask(entries, flags, cq_entries));
        sq_bytes = params.sq_off.array + params.sq_entries * 4;
        cq_bytes = params.cq_off.cqes + params.cq_entries * cqe_size();
        const bool single = (params.features & abi::feature::single_mmap) != 0;
        if (single) {
            sq_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
        }
        sq = map(sq_bytes, abi::mmap_offset::sq_ring);
        cq = single ? sq : map(cq_bytes, abi::mmap_offset::cq_ring);
        sqes_bytes = params.sq_entries * sqe_size();
        sqes = map(sqes_bytes, abi::mmap_offset::sqes);
    }

    void close() noexcept {
        CHECK_OK(kernel::munmap(sqes, sqes_bytes));
        if (cq != sq) {
            CHECK_OK(kernel::munmap(cq, cq_bytes));
        }
        CHECK_OK(kernel::munmap(sq, sq_bytes));
        CHECK_OK(kernel::close(fd));
    }

    [[nodiscard]] u32* sq_word(u32 offset) const noexcept {
        return reinterpret_cast<u32*>(sq + offset);
    }
    [[nodiscard]] u32* cq_word(u32 offset) const noexcept {
        return reinterpret_cast<u32*>(cq + offset);
    }
    [[nodiscard]] u32 tail() const noexcept { return *sq_word(params.sq_off.tail); }
    [[nodiscard]] u32 head() const noexcept { return *sq_word(params.sq_off.head); }
    [[nodiscard]] u32 flags() const noexcept { return *sq_word(params.sq_off.flags); }

    /// Writes an entry at `index` and publishes nothing.
    abi::Sqe& write(u32 index, u64 user_data, abi::Opcode opcode = abi::Opcode::nop) noexcept {
        const u32 slot = index & (params.sq_entries - 1);
        abi::Sqe& sqe = *reinterpret_cast<abi::Sqe*>(sqes + slot * sqe_size());
        sqe = {};
        sqe.opcode = static_cast<u8>(opcode);
        sqe.user_data = user_data;
        if (!has(setup::no_sqarray)) {
            sq_word(params.sq_off.array)[slot] = slot;
        }
        return sqe;
    }
    void push(u64 user_data, u32 count = 1) noexcept {
        for (u32 i = 0; i < count; ++i) {
            (void)write(tail(), user_data + i);
            store_release(sq_word(params.sq_off.tail), tail() + 1);
        }
    }
    [[nodiscard]] i32 submit(u32 count, u32 wanted = 0, u32 more_flags = 0) noexcept {
        return kernel::io_uring_enter(
            fd, count, wanted, more_flags | (wanted != 0 ? enter::getevents : 0), nullptr, 8);
    }
    [[nodiscard]] i32 get_events() noexcept { return submit(0, 0, enter::getevents); }
    [[nodiscard]] u32 ready() const noexcept {
        return load_acquire(cq_word(params.cq_off.tail)) - *cq_word(params.cq_off.head);
    }
    [[nodiscard]] abi::Cqe& cqe_at(u32 index) const noexcept {
        const u32 slot = index & (params.cq_entries - 1);
        return *reinterpret_cast<abi::Cqe*>(cq + params.cq_off.cqes + slot * cqe_size());
    }
    abi::Cqe pop() noexcept {
        CHECK_GT(ready(), 0);
        u32* const cq_head = cq_word(params.cq_off.head);
        const abi::Cqe cqe = cqe_at(*cq_head);
        store_release(cq_head, *cq_head + 1);
        return cqe;
    }
    void expect(u64 user_data, i32 result = 0) noexcept {
        const abi::Cqe cqe = pop();
        CHECK_EQ(cqe.user_data, user_data);
        CHECK_EQ(cqe.result, result);
    }
};

} // namespace

// ---- Setting up -------------------------------------------------------------------------------

TEST(fake_kernel_leaks_nothing) {
    const Resources before = resources();
    {
        FakeKernel fake;
        RawRing ring;
        ring.open(8);
        CHECK(fake.is_open());
        CHECK_EQ(fake.fd(), ring.fd);
        CHECK_EQ(fake.mapping_count(), 2);
        ring.push(1);
        CHECK_EQ(ring.submit(1, 1), 1);
        ring.expect(1);
        ring.close();
        CHECK(!fake.is_open());
        CHECK_EQ(fake.mapping_count(), 0);
        CHECK_EQ(fake.cq_tail(), 1);
    }
    CHECK_SAME_RESOURCES(before);
}

TEST(fake_kernel_rounds_sizes) {
    FakeKernel fake;
    RawRing ring;
    ring.open(5);
    CHECK_EQ(ring.params.sq_entries, 8);
    CHECK_EQ(ring.params.cq_entries, 16);
    ring.close();
    ring.open(3, setup::cqsize, 9);
    CHECK_EQ(ring.params.sq_entries, 4);
    CHECK_EQ(ring.params.cq_entries, 16);
    ring.close();
    ring.open(100000, setup::clamp);
    CHECK_EQ(ring.params.sq_entries, abi::entries_max);
    ring.close();
    CHECK_EQ(fake.setup_count(), 3);
    CHECK_EQ(fake.setup_call(1).entries, 3);
    CHECK_EQ(fake.setup_call(1).flags, setup::cqsize);
}

TEST(fake_kernel_refuses_what_linux_refuses) {
    FakeKernel fake;
    RawRing ring;
    const u32 bad[] = {1u << 30,
                       setup::taskrun_flag,
                       setup::defer_taskrun,
                       setup::sqpoll | setup::coop_taskrun,
                       setup::sq_aff,
                       setup::registered_fd_only,
                       setup::hybrid_iopoll,
                       setup::sq_rewind,
                       setup::cqe32 | setup::cqe_mixed,
                       setup::sqe128 | setup::sqe_mixed,
                       setup::cqsize};
    for (const u32 flags : bad) {
        CHECK_ERRNO(ring.ask(8, flags), Errno::einval);
    }
    CHECK_ERRNO(ring.ask(0, 0), Errno::einval);
    CHECK_ERRNO(ring.ask(abi::entries_max + 1, 0), Errno::einval);
    CHECK_ERRNO(ring.ask(8, setup::cqsize, 4), Errno::einval);
    CHECK(!fake.is_open());
}

TEST(fake_kernel_is_as_old_as_asked) {
    FakeKernel fake(
        {.accepted_flags = setup::cqsize, .setup_error = Errno::enomem, .setup_error_times = 2});
    RawRing ring;
    CHECK_ERRNO(ring.ask(8, 0), Errno::enomem);
    CHECK_ERRNO(ring.ask(8, 0), Errno::enomem);
    CHECK_ERRNO(ring.ask(8, setup::submit_all), Errno::einval);
    ring.open(8);
    ring.close();
    CHECK_EQ(fake.setup_call(0).result, -Errno::enomem);
    CHECK_EQ(fake.setup_call(2).result, -Errno::einval);
}

TEST(fake_kernel_fails_the_nth_mmap) {
    FakeKernel fake({.mmap_error = Errno::enomem, .mmap_fails_nth = 2});
    RawRing ring;
    CHECK_OK(ring.ask(8, 0));
    const auto map = [&](u64 offset) noexcept {
        return kernel::mmap(nullptr, 4096, abi::protection::read, abi::map::shared, ring.fd,
                            offset);
    };
    const long first = CHECK_OK(map(abi::mmap_offset::sq_ring));
    CHECK_ERRNO(map(abi::mmap_offset::sqes), Errno::enomem);
    CHECK_ERRNO(map(0x40000000), Errno::einval); // no such part
    CHECK_OK(kernel::munmap(reinterpret_cast<void*>(first), 4096));
    CHECK_OK(kernel::close(ring.fd));
}

namespace {

struct Layout {
    const char* name;
    u32 flags;
    u32 features;
};
constexpr u32 all_features = (abi::feature::no_iowait << 1) - 1;
constexpr Layout layouts[] = {
    {"plain", 0, all_features},
    {"two-mappings", 0, all_features & ~abi::feature::single_mmap},
    {"no-array", setup::no_sqarray, all_features},
    {"big-entries", setup::sqe128, all_features},
    {"big-completions", setup::cqe32, all_features},
    {"both-big", setup::sqe128 | setup::cqe32 | setup::no_sqarray, all_features},
    {"mixed", setup::sqe_mixed | setup::cqe_mixed, all_features},
};

} // namespace

VARIANT_TEST(fake_kernel_round_trips, layouts) {
    for (u64 seed = 1; seed <= 8; ++seed) {
        FakeKernel fake({.features = row.features,
                         .sq_start = 0xfffffff0,
                         .cq_start = 0xfffffff8,
                         .layout_seed = seed});
        RawRing ring;
        ring.open(4, row.flags);
        CHECK_EQ(ring.tail(), 0xfffffff0);
        for (u64 i = 0; i < 40; ++i) { // across 2^32 and around the rings many times
            ring.push(i);
            CHECK_EQ(ring.submit(1, 1), 1);
            ring.expect(i);
        }
        CHECK_EQ(fake.sq_head(), 0xfffffff0 + 40);
        CHECK_EQ(fake.consumed_count(), 40);
        CHECK_EQ(fake.consumed(39).user_data, 39);
        ring.close();
    }
}

TEST(fake_kernel_layouts_differ) {
    u32 different = 0;
    u32 last_tail = 0;
    for (u64 seed = 1; seed <= 16; ++seed) {
        FakeKernel fake({.layout_seed = seed});
        RawRing ring;
        ring.open(4);
        different += ring.params.cq_off.tail != last_tail ? 1 : 0;
        last_tail = ring.params.cq_off.tail;
        CHECK_EQ(*ring.sq_word(ring.params.sq_off.ring_mask), 3);
        CHECK_EQ(*ring.sq_word(ring.params.sq_off.ring_entries), 4);
        CHECK_EQ(*ring.cq_word(ring.params.cq_off.ring_mask), 7);
        CHECK_EQ(*ring.cq_word(ring.params.cq_off.ring_entries), 8);
        ring.close();
    }
    CHECK_GT(different, 10);
}

TEST(fake_kernel_uses_the_callers_memory) {
    FakeKernel fake;
    constexpr usize bytes = 3 * 65536;
    const long memory =
        CHECK_OK(kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                              abi::map::private_ | abi::map::anonymous, -1, 0));
    u8* const base = reinterpret_cast<u8*>((static_cast<uptr>(memory) + 65535) & ~uptr{65535});
    RawRing ring;
    ring.params.flags = setup::no_mmap | setup::registered_fd_only;
    ring.params.cq_off.user_addr = address_of(base) + 8;
    CHECK_ERRNO(kernel::io_uring_setup(8, &ring.params), Errno::einval);
    ring.params.cq_off.user_addr = address_of(base);
    ring.params.sq_off.user_addr = address_of(base + 65536);
    const i32 index = CHECK_OK(kernel::io_uring_setup(8, &ring.params));
    CHECK_LE(ring.params.cq_off.cqes, 64);
    ring.sq = base;
    ring.cq = base;
    ring.sqes = base + 65536;
    ring.fd = index;
    ring.push(9);
    CHECK_LT(ring.submit(1), 0); // an index is no descriptor
    CHECK_EQ(fake.enter_count(), 0);
    CHECK_EQ(ring.submit(1, 1, enter::registered_ring), 1);
    ring.expect(9);
    CHECK_OK(kernel::munmap(reinterpret_cast<void*>(memory), bytes));
}

// ---- Submitting -------------------------------------------------------------------------------

TEST(fake_kernel_submits_short) {
    FakeKernel fake;
    RawRing ring;
    ring.open(8);
    fake.add({.consume = 2});
    fake.add({.consume = 0});
    ring.push(0, 5);
    CHECK_EQ(ring.submit(5, 5), 2); // and does not wait, because it was short
    CHECK_EQ(ring.ready(), 2);
    CHECK_EQ(ring.head(), 2);
    CHECK_EQ(ring.submit(3), 0);
    CHECK_EQ(fake.steps_left(), 0);
    CHECK_EQ(ring.submit(3, 5), 3);
    for (u64 i = 0; i < 5; ++i) {
        ring.expect(i);
    }
}

TEST(fake_kernel_answers_errors) {
    FakeKernel fake;
    RawRing ring;
    ring.open(8);
    fake.add_errors(Errno::eintr, 2);
    fake.add({.error = Errno::eagain});
    ring.push(0, 2);
    CHECK_ERRNO(ring.submit(2), Errno::eintr);
    CHECK_ERRNO(ring.submit(2), Errno::eintr);
    CHECK_ERRNO(ring.submit(2), Errno::eagain);
    CHECK_EQ(ring.head(), 0);
    CHECK_EQ(ring.ready(), 0);
    CHECK_EQ(ring.submit(2), 2);
    CHECK_EQ(fake.enter_count(), 4);
    CHECK_EQ(fake.enter(2).result, -Errno::eagain);
    CHECK_EQ(fake.enter(3).to_submit, 2);
}

TEST(fake_kernel_error_after_consuming) {
    FakeKernel fake;
    RawRing ring;
    ring.open(8);
    fake.add({.error = Errno::etime, .error_after = true});
    ring.push(3);
    CHECK_ERRNO(ring.submit(1, 2), Errno::etime);
    CHECK_EQ(ring.head(), 1);
    ring.expect(3);
}

TEST(fake_kernel_gives_chosen_results) {
    FakeKernel fake({.default_result = 5});
    RawRing ring;
    ring.open(8);
    const i32 results[] = {10, -Errno::epipe};
    fake.add({.results = results, .result_count = 2});
    ring.push(0, 3);
    abi::Sqe& injected = ring.write(ring.tail(), 3);
    injected.op_flags = abi::nop_flag::inject_result;
    injected.len = 77;
    store_release(ring.sq_word(ring.params.sq_off.tail), ring.tail() + 1);
    CHECK_EQ(ring.submit(4), 4);
    ring.expect(0, 10);
    ring.expect(1, -Errno::epipe);
    ring.expect(2, 5);
    ring.expect(3, 77);
}

TEST(fake_kernel_stops_at_a_bad_entry) {
    const u32 flags[] = {0, setup::submit_all};
    for (const u32 flag : flags) {
        FakeKernel fake;
        RawRing ring;
        ring.open(8, flag);
        ring.push(0, 3);
        (void)ring.write(1, 1, static_cast<abi::Opcode>(200));
        CHECK_EQ(ring.submit(3), flag == 0 ? 2 : 3);
        ring.expect(0);
        ring.expect(1, -Errno::einval);
        CHECK_EQ(ring.ready(), flag == 0 ? 0 : 1);
        ring.close();
    }
}

TEST(fake_kernel_drops_bad_indices) {
    FakeKernel fake;
    RawRing ring;
    ring.open(8);
    ring.push(0, 3);
    ring.sq_word(ring.params.sq_off.array)[1] = 8;
    CHECK_EQ(ring.submit(3), 1);
    CHECK_EQ(fake.sq_dropped(), 1);
    CHECK_EQ(ring.head(), 2);
    CHECK_EQ(ring.submit(1), 1);
    ring.expect(0);
    ring.expect(2);
}

TEST(fake_kernel_skips_successful_completions) {
    FakeKernel fake;
    RawRing ring;
    ring.open(8);
    const i32 results[] = {0, -Errno::eio};
    fake.add({.results = results, .result_count = 2});
    for (u32 i = 0; i < 2; ++i) {
        ring.push(i);
        ring.write(i, i).flags = abi::sqe_flag::cqe_skip_success;
    }
    CHECK_EQ(ring.submit(2), 2);
    CHECK_EQ(ring.ready(), 1);
    ring.expect(1, -Errno::eio);
}

TEST(fake_kernel_rewinds) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4, setup::sq_rewind | setup::no_sqarray);
    for (u64 round = 0; round < 3; ++round) {
        (void)ring.write(0, 10 * round);
        (void)ring.write(1, 10 * round + 1);
        CHECK_EQ(ring.submit(2), 2); // the tail was never stored
        ring.expect(10 * round);
        ring.expect(10 * round + 1);
    }
    CHECK_EQ(ring.head(), 0);
}

TEST(fake_kernel_takes_mixed_entries) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4, setup::sqe_mixed | setup::no_sqarray);
    const auto publish = [&](u32 slots) noexcept {
        store_release(ring.sq_word(ring.params.sq_off.tail), ring.tail() + slots);
    };
    (void)ring.write(0, 1, abi::Opcode::nop128);
    (void)ring.write(2, 2);
    publish(3);
    CHECK_EQ(ring.submit(3), 3);
    ring.expect(1);
    ring.expect(2);
    // A big entry in the last slot has no second half.
    (void)ring.write(3, 3, abi::Opcode::nop128);
    publish(2);
    CHECK_EQ(ring.submit(2), 1);
    ring.expect(3, -Errno::einval);
}

// ---- Completing -------------------------------------------------------------------------------

TEST(fake_kernel_orders_completions) {
    FakeKernel fake;
    RawRing ring;
    ring.open(16);
    fake.add({.order = Order::reversed});
    fake.add({.order = Order::shuffled});
    fake.add({.order = Order::withheld});
    ring.push(0, 3);
    CHECK_EQ(ring.submit(3), 3);
    ring.expect(2);
    ring.expect(1);
    ring.expect(0);
    ring.push(0, 16);
    CHECK_EQ(ring.submit(16), 16);
    u32 seen = 0;
    for (u32 i = 0; i < 16; ++i) {
        seen |= 1u << ring.pop().user_data;
    }
    CHECK_EQ(seen, 0xffff);
    ring.push(0, 4);
    CHECK_EQ(ring.submit(4), 4);
    CHECK_EQ(ring.ready(), 0);
    CHECK_EQ(fake.withheld_count(), 4);
    CHECK_EQ(fake.release(1, true), 1);
    ring.expect(3);
    fake.add({.release = true});
    CHECK_EQ(ring.submit(0, 3), 0);
    ring.expect(0);
    ring.expect(1);
    ring.expect(2);
}

TEST(fake_kernel_overflows_and_flushes) {
    FakeKernel fake;
    RawRing ring;
    ring.open(2);
    for (u64 i = 0; i < 3; ++i) {
        ring.push(2 * i, 2);
        CHECK_EQ(ring.submit(2), 2);
    }
    CHECK_EQ(ring.ready(), 4);
    CHECK_EQ(fake.backlog_count(), 2);
    CHECK_EQ(ring.flags() & abi::sq_flag::cq_overflow, abi::sq_flag::cq_overflow);
    ring.expect(0);
    CHECK_EQ(ring.submit(0), 0); // room alone brings nothing: GETEVENTS does
    CHECK_EQ(ring.ready(), 3);
    CHECK_EQ(ring.get_events(), 0);
    CHECK_EQ(ring.ready(), 4);
    CHECK_NE(ring.flags() & abi::sq_flag::cq_overflow, 0);
    for (u64 i = 1; i < 5; ++i) {
        ring.expect(i);
    }
    CHECK_EQ(ring.get_events(), 0);
    ring.expect(5);
    CHECK_EQ(ring.flags(), 0);
    CHECK_EQ(fake.cq_overflow(), 0);
}

TEST(fake_kernel_is_busy_on_overflow) {
    FakeKernel fake({.busy_on_overflow = true});
    RawRing ring;
    ring.open(1);
    for (u64 i = 0; i < 3; ++i) {
        ring.push(i);
        CHECK_EQ(ring.submit(1), 1);
    }
    ring.push(3);
    CHECK_ERRNO(ring.submit(1), Errno::ebusy);
    ring.expect(0);
    CHECK_EQ(ring.submit(1), 1);
    ring.expect(1);
    ring.expect(2);
}

TEST(fake_kernel_without_nodrop_drops) {
    FakeKernel fake({.features = all_features & ~abi::feature::nodrop});
    RawRing ring;
    ring.open(1);
    for (u64 i = 0; i < 3; ++i) {
        ring.push(i);
        CHECK_EQ(ring.submit(1), 1);
    }
    CHECK_EQ(ring.ready(), 2);
    CHECK_EQ(fake.cq_overflow(), 1);
    CHECK_EQ(ring.flags(), 0);
}

TEST(fake_kernel_loses_completions) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4);
    fake.add({.lose = 1});
    ring.push(0);
    CHECK_EQ(ring.submit(1), 1);
    CHECK_EQ(fake.cq_overflow(), 1);
    CHECK_EQ(ring.ready(), 0);
    CHECK_ERRNO(ring.submit(0, 1), Errno::ebadr);
    fake.post({.user_data = 5});
    CHECK_EQ(ring.submit(0, 1), 0);
}

TEST(fake_kernel_keeps_task_work) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4, setup::single_issuer | setup::defer_taskrun | setup::taskrun_flag);
    fake.add({.as_task_work = true});
    ring.push(1);
    CHECK_EQ(ring.submit(1), 1);
    CHECK_EQ(ring.ready(), 0);
    CHECK_EQ(ring.flags(), abi::sq_flag::taskrun);
    fake.post_as_task_work({.user_data = 2, .result = 3});
    CHECK_EQ(fake.task_work_count(), 2);
    CHECK_EQ(ring.get_events(), 0);
    CHECK_EQ(ring.flags(), 0);
    ring.expect(1);
    ring.expect(2, 3);
}

TEST(fake_kernel_posts_mixed_completions) {
    FakeKernel fake;
    RawRing ring;
    ring.open(2, setup::cqe_mixed); // four slots
    fake.post({.user_data = 1});
    fake.post({.user_data = 2, .big = true, .extra = {0x1111, 0x2222}});
    CHECK_EQ(ring.ready(), 3);
    ring.expect(1);
    const abi::BigCqe& big = reinterpret_cast<const abi::BigCqe&>(ring.cqe_at(1));
    CHECK_EQ(big.cqe.flags, abi::cqe_flag::big);
    CHECK_EQ(big.extra[0], 0x1111);
    CHECK_EQ(big.extra[1], 0x2222);
    ring.expect(2);
    (void)ring.pop(); // its second half
    // Only the last slot is left before the wrap: a filler, then the big one.
    fake.post({.user_data = 3, .big = true});
    CHECK_EQ(ring.ready(), 3);
    const abi::Cqe filler = ring.pop();
    CHECK_EQ(filler.flags, abi::cqe_flag::skip);
    ring.expect(3);
}

TEST(fake_kernel_big_nop) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4, setup::cqe32);
    ring.push(1);
    abi::Sqe& sqe = ring.write(0, 1);
    sqe.op_flags = abi::nop_flag::big_cqe;
    sqe.off = 0xaa;
    sqe.addr = 0xbb;
    CHECK_EQ(ring.submit(1), 1);
    const abi::BigCqe& big = reinterpret_cast<const abi::BigCqe&>(ring.cqe_at(0));
    CHECK_EQ(big.extra[0], 0xaa);
    CHECK_EQ(big.extra[1], 0xbb);
    CHECK_EQ(big.cqe.flags, 0);
}

TEST(fake_kernel_posts_what_a_step_says) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4);
    const FakeCqe posts[] = {{.user_data = 8, .result = 1, .flags = abi::cqe_flag::more},
                             {.user_data = 9}};
    fake.add({.posts = posts, .post_count = 2, .set_sq_flags = abi::sq_flag::taskrun});
    fake.add({.clear_sq_flags = abi::sq_flag::taskrun});
    CHECK_EQ(ring.submit(0), 0);
    CHECK_EQ(ring.flags(), abi::sq_flag::taskrun);
    CHECK(ring.cqe_at(0).more());
    ring.expect(8, 1);
    ring.expect(9);
    CHECK_EQ(ring.submit(0), 0);
    CHECK_EQ(ring.flags(), 0);
}

TEST(fake_kernel_step_may_act) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4);
    u64 user_data = 31;
    fake.add({.act =
                  [](FakeKernel& kernel, void* context) noexcept {
                      kernel.post({.user_data = *static_cast<u64*>(context)});
                  },
              .context = &user_data});
    CHECK_EQ(ring.submit(0, 1), 0);
    ring.expect(31);
}

// ---- Waiting ----------------------------------------------------------------------------------

TEST(fake_kernel_waits_until_the_time_is_up) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4);
    const abi::Timespec time = {1, 500};
    abi::GeteventsArg argument = {};
    argument.ts = address_of(&time);
    argument.min_wait_usec = 33;
    const u32 flags = enter::getevents | enter::ext_arg;
    CHECK_ERRNO(kernel::io_uring_enter(ring.fd, 0, 1, flags, &argument, sizeof(argument)),
                Errno::etime);
    const EnterRecord& record = fake.last_enter();
    CHECK(record.has_timeout);
    CHECK_EQ(record.timeout.seconds, 1);
    CHECK_EQ(record.timeout.nanoseconds, 500);
    CHECK_EQ(record.decoded.min_wait_usec, 33);
    CHECK_EQ(record.min_complete, 1);
    CHECK_ERRNO(kernel::io_uring_enter(ring.fd, 0, 1, flags, &argument, 8), Errno::einval);
    // A wait that found anything has succeeded.
    fake.post({.user_data = 1});
    CHECK_EQ(kernel::io_uring_enter(ring.fd, 0, 2, flags, &argument, sizeof(argument)), 0);
    // What was submitted is told before what became of the wait.
    ring.expect(1);
    fake.add({.order = Order::withheld});
    ring.push(2);
    CHECK_EQ(kernel::io_uring_enter(ring.fd, 1, 1, flags, &argument, sizeof(argument)), 1);
}

TEST(fake_kernel_agrees_with_this_kernel_on_timeouts) {
    need_rings();
    RawRing ring;
    CHECK_OK(ring.ask(4, 0));
    if ((ring.params.features & abi::feature::ext_arg) == 0) {
        SKIP_MISSING("enter with a timeout");
    }
    CHECK_OK(kernel::close(ring.fd));
    ring.open(4);
    const abi::Timespec time = {0, 1000000};
    abi::GeteventsArg argument = {};
    argument.ts = address_of(&time);
    const u32 flags = enter::getevents | enter::ext_arg;
    CHECK_ERRNO(kernel::io_uring_enter(ring.fd, 0, 1, flags, &argument, sizeof(argument)),
                Errno::etime);
    ring.push(1);
    CHECK_EQ(kernel::io_uring_enter(ring.fd, 1, 2, flags, &argument, sizeof(argument)), 1);
    CHECK_EQ(kernel::io_uring_enter(ring.fd, 0, 2, flags, &argument, sizeof(argument)), 0);
    ring.expect(1);
    ring.close();
}

TEST(fake_kernel_begins_disabled) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4, setup::r_disabled);
    ring.push(1);
    CHECK_ERRNO(ring.submit(1), Errno::ebadfd);
    const u32 enable = static_cast<u32>(abi::RegisterOp::enable_rings);
    CHECK_OK(kernel::io_uring_register(ring.fd, enable, nullptr, 0));
    CHECK_ERRNO(kernel::io_uring_register(ring.fd, enable, nullptr, 0), Errno::ebadfd);
    CHECK_EQ(ring.submit(1, 1), 1);
    ring.expect(1);
}

TEST(fake_kernel_registers) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4);
    const u32 probe = static_cast<u32>(abi::RegisterOp::probe);
    CHECK_ERRNO(kernel::io_uring_register(ring.fd, probe, nullptr, 0), Errno::einval);
    fake.set_register_result(abi::RegisterOp::probe, 0);
    CHECK_OK(kernel::io_uring_register(ring.fd, probe, nullptr, 0));
    abi::RingFdUpdate update = {abi::file_index_alloc, 0, static_cast<u64>(ring.fd)};
    CHECK_EQ(
        kernel::io_uring_register(ring.fd, static_cast<u32>(abi::RegisterOp::ring_fds), &update, 1),
        1);
    CHECK_NE(update.offset, abi::file_index_alloc);
    const i32 index = static_cast<i32>(update.offset);
    CHECK_OK(
        kernel::io_uring_register(index, probe | abi::register_use_registered_ring, nullptr, 0));
    CHECK(fake.register_call(fake.register_count() - 1).through_registered);
    ring.push(1);
    CHECK_EQ(
        kernel::io_uring_enter(index, 1, 1, enter::getevents | enter::registered_ring, nullptr, 8),
        1);
    ring.expect(1);
}

// ---- The SQPOLL thread ------------------------------------------------------------------------

TEST(fake_kernel_polls_by_hand) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4, setup::sqpoll);
    ring.push(0, 4);
    CHECK_EQ(ring.head(), 0);
    CHECK_EQ(fake.poll_thread_step(3), 3);
    CHECK_EQ(ring.head(), 3);
    CHECK_EQ(ring.ready(), 3);
    CHECK(!fake.poll_thread_sleep()); // there is one more
    CHECK_EQ(fake.poll_thread_step(), 1);
    CHECK(fake.poll_thread_sleep());
    CHECK_EQ(ring.flags(), abi::sq_flag::need_wakeup);
    ring.push(4);
    CHECK_EQ(fake.poll_thread_step(), 0); // asleep
    CHECK_EQ(ring.submit(1, 0, enter::sq_wakeup), 1);
    CHECK(fake.poll_thread_awake());
    CHECK_EQ(ring.flags(), 0);
    CHECK_EQ(ring.submit(0, 5), 0); // it works while the caller waits
    CHECK_EQ(ring.ready(), 5);
}

TEST(fake_kernel_makes_room_on_sq_wait) {
    FakeKernel fake;
    RawRing ring;
    ring.open(2, setup::sqpoll);
    ring.push(0, 2);
    CHECK_EQ(ring.submit(0, 0, enter::sq_wait), 0);
    CHECK_EQ(ring.head(), 2);
}

// ---- Several ----------------------------------------------------------------------------------

TEST(fake_kernel_two_rings) {
    FakeKernel first;
    FakeKernel second;
    RawRing a;
    RawRing b;
    a.open(4);
    b.open(4);
    CHECK_NE(a.fd, b.fd);
    CHECK_EQ(second.fd(), a.fd);
    CHECK_EQ(first.fd(), b.fd);
    a.push(1);
    b.push(2);
    CHECK_EQ(a.submit(1), 1);
    CHECK_EQ(b.submit(1), 1);
    a.expect(1);
    b.expect(2);
    CHECK_EQ(first.enter_count(), 1);
    CHECK_EQ(second.enter_count(), 1);
    a.close();
    b.close();
}

TEST(fake_kernel_under_faults) {
    FakeKernel fake;
    RawRing ring;
    ring.open(8);
    interrupt_call(number::io_uring_enter);
    shorten_call(number::io_uring_enter, 1);
    ring.push(0, 3);
    CHECK_ERRNO(ring.submit(3), Errno::eintr);
    CHECK_EQ(fake.enter_count(), 0);
    CHECK_EQ(ring.submit(3), 1);
    CHECK_EQ(fake.last_enter().to_submit, 1);
    CHECK_EQ(ring.submit(2), 2);
}

HIDDEN_TEST(selftest_fake_sleeps_for_ever) {
    FakeKernel fake;
    RawRing ring;
    ring.open(4);
    (void)ring.submit(0, 1);
}

} // namespace oxbow::test
