// Buffers of one size: where they lie, who has them, and what waits for one; over an engine that
// only writes down what it is asked.
#include "../syscall/abi_uring_register.h"
#include "../syscall/start.h"
#include "hook.h"
#include "thread_loop.h"

namespace oxbow::test {
namespace {

struct Engineer {
    i32 open_result = 0;
    bool kernel_takes = false;
    u32 opened = 0;
    u32 closed = 0;
    bool finds_data = true; ///< what is submitted takes a buffer
    u32 submitted = 0;
    Completion* last_submitted = nullptr;
};

[[nodiscard]] Engineer& of(Loop& loop) noexcept {
    return *static_cast<Engineer*>(loop.engine_state());
}

constexpr Engine engine = {
    .name = "noting",
    .submit =
        [](Loop& loop, Completion& completion) noexcept {
            Engineer& engineer = of(loop);
            CHECK(completion.state == State::engine);
            ++engineer.submitted;
            engineer.last_submitted = &completion;
            BufferPool& pool = *completion.arguments.managed.pool;
            if (engineer.finds_data && !pool.kernel_takes) {
                CHECK_EQ(pool.take(), 0);
            }
        },
    .wait = [](Loop&, u64) noexcept { return 0; },
    .cancel = [](Loop&, Completion&, Completion*) noexcept { return -Errno::ealready; },
    .resume = [](Loop&, Completion&) noexcept {},
    .close_fd = [](Loop&, Completion&) noexcept {},
    .open_pool =
        [](Loop& loop, BufferPool& pool) noexcept {
            ++of(loop).opened;
            pool.kernel_takes = of(loop).kernel_takes;
            if (pool.kernel_takes) {
                pool.offer_all();
            }
            return of(loop).open_result;
        },
    .close_pool = [](Loop& loop, BufferPool&) noexcept { ++of(loop).closed; },
    .detach = [](Loop&) noexcept {},
};

/// The buffer ring, as the kernel sees it.
[[nodiscard]] const abi::BufferRingEntry* ring_of(const BufferPool& pool) noexcept {
    return static_cast<const abi::BufferRingEntry*>(pool.ring_memory.base);
}
/// How many buffers it was given.
[[nodiscard]] u32 given_to(const BufferPool& pool) noexcept {
    return ring_of(pool)->tail;
}
/// Which one, by the number of the gift.
[[nodiscard]] u16 gift_of(BufferPool& pool, u32 number) noexcept {
    const abi::BufferRingEntry& entry = ring_of(pool)[number & (pool.ring_entries() - 1)];
    CHECK_EQ(entry.addr, address_of(pool.buffer(entry.buffer_id)));
    CHECK_EQ(entry.len, pool.buffer_bytes());
    return entry.buffer_id;
}
[[nodiscard]] u16 last_gift_of(BufferPool& pool) noexcept {
    return gift_of(pool, given_to(pool) - 1);
}

/// A loop with that engine; closed where its scope ends.
struct NotingLoop {
    Engineer engineer;
    Loop loop;

    NotingLoop() noexcept {
        CHECK_OK(loop.prepare({.fds_max = 64, .workers_max = 0}));
        loop.attach(engine, &engineer);
    }
    ~NotingLoop() { loop.close(); }
    NotingLoop(const NotingLoop&) = delete;
    NotingLoop& operator=(const NotingLoop&) = delete;
};

TEST(buffer_pool_wants_buffers) {
    NotingLoop noting;
    BufferPool pool;
    const BufferPoolOptions wrong[] = {
        {.count = 0, .buffer_bytes = 16},
        {.count = 16, .buffer_bytes = 0},
        {.count = 32769, .buffer_bytes = 16},
    };
    const Resources before = resources();
    for (const BufferPoolOptions& options : wrong) {
        CHECK_ERRNO(pool.open(noting.loop, options), Errno::einval);
    }
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(pool.open(noting.loop, {.count = 1, .buffer_bytes = 1}), Errno::enomem);
    if (sizeof(usize) == 4) { // where no address space has so much
        CHECK_ERRNO(pool.open(noting.loop, {.count = 32768, .buffer_bytes = ~0u}), Errno::enomem);
    }
    CHECK_EQ(noting.engineer.opened, 0u);
    noting.engineer.open_result = -Errno::eperm;
    CHECK_ERRNO(pool.open(noting.loop, {.count = 1, .buffer_bytes = 1}), Errno::eperm);
    CHECK(!pool.is_open());
    pool.close(); // does nothing
    CHECK_EQ(noting.engineer.closed, 0u);
    CHECK_SAME_RESOURCES(before);
}

TEST(buffer_pool_lays_itself_out) {
    NotingLoop noting;
    constexpr u32 counts[] = {1, 2, 3, 100, 32768};
    constexpr u32 entries[] = {1, 2, 4, 128, 32768};
    for (u32 i = 0; i < sizeof(counts) / sizeof(counts[0]); ++i) {
        const Resources before = resources();
        BufferPool pool;
        CHECK_OK(pool.open(noting.loop, {.count = counts[i], .buffer_bytes = 100}));
        CHECK_EQ(pool.count(), counts[i]);
        CHECK_EQ(pool.buffer_bytes(), 100u);
        CHECK_EQ(pool.ring_entries(), entries[i]);
        CHECK_EQ(pool.ring_memory.bytes, entries[i] * sizeof(abi::BufferRingEntry));
        const uptr ring = reinterpret_cast<uptr>(pool.ring_memory.base);
        CHECK_EQ(ring & (page_bytes() - 1), 0u);
        // The ring, the chain and every buffer can be written to the last byte and are apart.
        __builtin_memset(pool.ring_memory.base, 0xff, pool.ring_memory.bytes);
        for (u32 id = 0; id < counts[i]; ++id) {
            const i32 taken = pool.take();
            CHECK_EQ(taken, id);
            __builtin_memset(pool.buffer(static_cast<u16>(id)), static_cast<int>(id & 0xff), 100);
        }
        CHECK_EQ(pool.take(), -1);
        CHECK_EQ(pool.held(), counts[i]);
        CHECK_EQ(static_cast<u8*>(pool.ring_memory.base)[pool.ring_memory.bytes - 1], 0xffu);
        for (u32 id = 0; id < counts[i]; ++id) {
            CHECK_EQ(*pool.buffer(static_cast<u16>(id)), id & 0xff);
            CHECK_EQ(pool.buffer(static_cast<u16>(id))[99], id & 0xff);
        }
        pool.close();
        CHECK(!pool.is_open());
        CHECK_SAME_RESOURCES(before);
    }
    CHECK_EQ(noting.engineer.opened, 5u);
    CHECK_EQ(noting.engineer.closed, 5u);
}

TEST(buffer_pool_gives_the_warmest_first) {
    NotingLoop noting;
    BufferPool pool;
    CHECK_OK(pool.open(noting.loop, {.count = 4, .buffer_bytes = 8}));
    CHECK_EQ(pool.take(), 0);
    CHECK_EQ(pool.take(), 1);
    CHECK_EQ(pool.take(), 2);
    CHECK_EQ(pool.held(), 3u);
    pool.give_back(u16{1});
    CHECK_EQ(pool.take(), 1);
    pool.untake(1);
    CHECK_EQ(pool.held(), 2u);
    CHECK_EQ(pool.take(), 1);
    // What a result says.
    const Result with = {8, result_flag::more | result_flag::buffer |
                                (2u << result_flag::buffer_shift)};
    CHECK(pool.data(with) == pool.buffer(2));
    pool.give_back(with);
    pool.give_back(Result{8, result_flag::more}); // has none
    CHECK_EQ(pool.held(), 2u);
    CHECK_EQ(pool.take(), 2);
    CHECK_EQ(pool.take(), 3);
    CHECK_EQ(pool.take(), -1);
    CHECK_EQ(given_to(pool), 0u);
    pool.close();
}

TEST(buffer_pool_of_the_callers_memory) {
    NotingLoop noting;
    u8 memory[3][32] = {};
    BufferPool pool;
    CHECK_OK(pool.open(noting.loop, {.count = 3, .buffer_bytes = 32, .memory = memory}));
    for (u16 i = 0; i < 3; ++i) {
        CHECK(pool.buffer(i) == memory[i]);
    }
    pool.close();
}

TEST(buffer_pool_gives_back_to_the_kernel) {
    NotingLoop noting;
    noting.engineer.kernel_takes = true;
    BufferPool pool;
    CHECK_OK(pool.open(noting.loop, {.count = 4, .buffer_bytes = 8}));
    pool.taken_by_kernel();
    pool.taken_by_kernel();
    CHECK_EQ(pool.held(), 2u);
    pool.give_back(u16{3});
    CHECK_EQ(pool.held(), 1u);
    CHECK_EQ(given_to(pool), 5u); // the four that it was offered, and this one
    CHECK_EQ(last_gift_of(pool), 3u);
    pool.close();
}

[[nodiscard]] u32 bits_in(u64 word) noexcept {
    u32 count = 0;
    for (; word != 0; word &= word - 1) {
        ++count;
    }
    return count;
}

/// What a kernel does that takes buffers of 64, in the order in which they were offered.
struct Taking {
    NotingLoop noting;
    BufferPool pool;

    explicit Taking(u32 buffer_bytes) noexcept {
        noting.engineer.kernel_takes = true;
        CHECK_OK(pool.open(noting.loop, {.count = 64, .buffer_bytes = buffer_bytes}));
    }
    ~Taking() { pool.close(); }
    Taking(const Taking&) = delete;
    Taking& operator=(const Taking&) = delete;

    [[nodiscard]] u32 given() const noexcept { return given_to(pool); }
    [[nodiscard]] u16 take() noexcept {
        CHECK(static_cast<u16>(given() - taken_) != 0); // both go round
        const u16 buffer = gift_of(pool, taken_++);
        pool.taken_by_kernel();
        return buffer;
    }
    /// Which of them one user who holds one at a time gets to see, as a bit for each.
    [[nodiscard]] u64 seen_in(u32 takes) noexcept {
        u64 seen = 0;
        for (u32 i = 0; i < takes; ++i) {
            const u16 buffer = take();
            seen |= u64{1} << buffer;
            pool.give_back(buffer);
        }
        return seen;
    }

  private:
    u32 taken_ = 0;
};

TEST(buffer_pool_offers_few_large_buffers) {
    Taking taking(16384);
    CHECK_EQ(taking.given(), 8u);
    CHECK_EQ(taking.take(), 0u);
    CHECK_EQ(taking.given(), 9u); // a new one, for none has come back
    taking.pool.give_back(u16{0});
    CHECK_EQ(taking.given(), 9u); // it is kept
    CHECK_EQ(taking.take(), 1u);
    CHECK_EQ(last_gift_of(taking.pool), 0u); // the one that was used last
    taking.pool.give_back(u16{1});
    CHECK_EQ(taking.seen_in(1000), 0x1ffu);
    CHECK_EQ(taking.pool.held(), 0u);
}

TEST(buffer_pool_offers_small_buffers_all) {
    Taking taking(64);
    CHECK_EQ(taking.given(), 64u);
    CHECK_EQ(taking.take(), 0u);
    CHECK_EQ(taking.given(), 64u);
    CHECK(!taking.pool.offer_more());
    taking.pool.give_back(u16{0});
    CHECK_EQ(taking.given(), 65u);
}

TEST(buffer_pool_offers_more_where_the_kernel_finds_none) {
    Taking taking(16384);
    for (u32 i = 0; i < 4; ++i) {
        CHECK(taking.pool.offer_more());
    }
    CHECK_EQ(taking.given(), 12u);
    for (u32 i = 0; i < 52; ++i) {
        (void)taking.take();
    }
    CHECK_EQ(taking.given(), 64u); // twelve are offered, and all others held
    CHECK(!taking.pool.offer_more());
    for (u32 i = 0; i < 12; ++i) {
        (void)taking.take();
    }
    CHECK_EQ(taking.pool.held(), 64u);
    for (u16 i = 0; i < 64; ++i) {
        taking.pool.give_back(i);
        CHECK_EQ(taking.given(), i < 12 ? 65u + i : 76u);
    }
    CHECK_EQ(taking.pool.held(), 0u);
}

TEST(buffer_pool_offers_fewer_after_a_while) {
    Taking taking(16384);
    for (u32 i = 0; i < 56; ++i) {
        CHECK(taking.pool.offer_more());
    }
    CHECK_EQ(taking.given(), 64u);
    CHECK_EQ(taking.seen_in(1000), ~u64{0});
    (void)taking.seen_in(400'000);
    CHECK_EQ(bits_in(taking.seen_in(1000)), 9u); // a crowd that came once is long gone
    CHECK(taking.pool.offer_more());
    CHECK_EQ(bits_in(taking.seen_in(1000)), 10u);
}

/// 256 takes, of which so many are of a crowd.
void count_takes(BufferPool& pool, u32 of_crowd) noexcept {
    for (u32 i = 0; i < 256; ++i) {
        pool.count_take(i < of_crowd);
    }
}

TEST(buffer_pool_offers_none_in_turn) {
    Taking taking(16384);
    BufferPool& pool = taking.pool;
    count_takes(pool, 127);
    CHECK(!pool.in_turn());
    count_takes(pool, 128);
    CHECK(pool.in_turn());
    // What it had been offered, and in place of which there is nothing.
    for (u32 i = 0; i < 8; ++i) {
        pool.give_back(taking.take());
    }
    CHECK_EQ(taking.given(), 8u);
    CHECK_EQ(pool.take(), 7); // the last that came back
    CHECK_EQ(pool.held(), 1u);
    pool.give_back(u16{7});
    CHECK_EQ(pool.take(), 7);
    pool.untake(7);
    CHECK(pool.offer_more()); // for those that can be done in no other way
    CHECK_EQ(taking.given(), 9u);
    pool.give_back(taking.take());
    CHECK_EQ(taking.given(), 10u);
    count_takes(pool, 64);
    CHECK(pool.in_turn());
    count_takes(pool, 63);
    CHECK(!pool.in_turn());
    CHECK_EQ(taking.given(), 17u); // eight again
    CHECK_EQ(pool.held(), 0u);
}

/// Three operations that wait for a buffer of a pool of one.
struct Waiting {
    NotingLoop noting;
    BufferPool pool;
    Completion completions[3];

    explicit Waiting(bool kernel_takes) noexcept {
        noting.engineer.kernel_takes = kernel_takes;
        CHECK_OK(pool.open(noting.loop, {.count = 1, .buffer_bytes = 8}));
        if (kernel_takes) {
            pool.taken_by_kernel();
        } else {
            CHECK_EQ(pool.take(), 0);
        }
        for (Completion& completion : completions) {
            completion.arguments.managed = {&pool, nullptr, 0};
            noting.loop.await_buffer(completion);
            CHECK(completion.state == State::awaiting_buffer);
        }
    }
    ~Waiting() { pool.close(); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
};

TEST(buffer_pool_restarts_one_for_each_buffer) {
    constexpr bool ways[] = {false, true};
    for (const bool kernel_takes : ways) {
        Waiting waiting(kernel_takes);
        Engineer& engineer = waiting.noting.engineer;
        for (u32 i = 0; i < 3; ++i) {
            waiting.pool.give_back(u16{0});
            CHECK_EQ(engineer.submitted, i); // in the loop's own time, not inside give_back
            waiting.pool.serve_waiters();
            CHECK_EQ(engineer.submitted, i + 1);
            CHECK(engineer.last_submitted == &waiting.completions[i]);
            if (kernel_takes) {
                waiting.pool.taken_by_kernel();
            }
        }
        waiting.pool.give_back(u16{0});
        waiting.pool.serve_waiters();
        CHECK_EQ(engineer.submitted, 3u);
        CHECK(waiting.pool.waiters.empty());
    }
}

TEST(buffer_pool_leaves_an_unwanted_buffer_to_the_next) {
    Waiting waiting(false);
    waiting.noting.engineer.finds_data = false;
    waiting.pool.give_back(u16{0});
    for (u32 round = 1; round <= 3; ++round) {
        waiting.pool.serve_waiters();
        CHECK_EQ(waiting.noting.engineer.submitted, round);
    }
    CHECK_EQ(waiting.noting.engineer.submitted, 3u);
    CHECK(waiting.noting.engineer.last_submitted == &waiting.completions[2]);
    CHECK_EQ(waiting.pool.take(), 0);
}

TEST(buffer_pool_several_in_one_loop) {
    NotingLoop noting;
    BufferPool pools[3];
    for (BufferPool& pool : pools) {
        CHECK_OK(pool.open(noting.loop, {.count = 1, .buffer_bytes = 8}));
    }
    // In any order: the one in the middle, the first, the last.
    pools[1].close();
    pools[2].close();
    pools[0].close();
    CHECK_OK(pools[1].open(noting.loop, {.count = 1, .buffer_bytes = 8}));
    pools[1].close();
    CHECK_EQ(noting.engineer.closed, 4u);
}

#if defined(OXBOW_DEBUG)
/// In a child, which opens a pool of two buffers, takes both and gives one back.
[[nodiscard]] bool traps(bool kernel_takes, void (*misuse)(BufferPool& pool)) noexcept {
    const i32 status = in_child([=]() noexcept {
        NotingLoop noting;
        noting.engineer.kernel_takes = kernel_takes;
        BufferPool pool;
        CHECK_OK(pool.open(noting.loop, {.count = 2, .buffer_bytes = 8}));
        if (kernel_takes) {
            pool.taken_by_kernel();
        } else {
            CHECK_EQ(pool.take(), 0);
            CHECK_EQ(pool.take(), 1);
        }
        pool.give_back(u16{0});
        misuse(pool);
    });
    return status == -abi::signal::ill || status == -abi::signal::trap; // by machine
}

TEST(buffer_pool_traps_on_misuse) {
    const auto again = [](BufferPool& pool) { pool.give_back(u16{0}); };
    CHECK(traps(false, again));
    CHECK(traps(true, again)); // nobody has any
    const auto foreign = [](BufferPool& pool) { pool.give_back(u16{2}); };
    CHECK(traps(false, foreign));
    CHECK(traps(true, foreign));
}
#endif

} // namespace
} // namespace oxbow::test
