// Deadlines: never early, exact to the nanosecond, in order, and first in, first out where they are
// equal, whatever path a node takes through the levels; and misuse from inside a visit is no
// misuse. The last word has a model, which is an array.
#include "../loop/deadlines.h"
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {
namespace {

static_assert(sizeof(DeadlineNode) == (sizeof(void*) == 8 ? 24 : 16));
static_assert(sizeof(Deadlines) == (sizeof(void*) == 8 ? 9448 : 4816));

constexpr u64 us = 1000;
constexpr u64 ms = 1000 * us;
constexpr u64 second = 1000 * ms;
constexpr u64 year = 31557600 * second;
constexpr u64 never = ~u64{0};
constexpr u64 uptime = 1000000 * second; // where a clock may stand when the first node comes

/// What a test sees of its nodes: by number, in the order of visits.
template <u32 count>
struct Nodes {
    Deadlines deadlines;
    DeadlineNode node[count];
    u32 visited[count * 2] = {};
    u32 visits = 0;

    [[nodiscard]] u32 number_of(const DeadlineNode& of) const noexcept {
        return static_cast<u32>(&of - node);
    }
    void insert(u32 i, u64 deadline_ns) noexcept { deadlines.insert(node[i], deadline_ns); }
    void remove(u32 i) noexcept { deadlines.remove(node[i]); }
    void reset(u32 i, u64 deadline_ns) noexcept { deadlines.reset(node[i], deadline_ns); }

    /// Checks what every visit must be, and calls `then(number)`.
    template <class Then>
    u32 expire(u64 now_ns, Then then) noexcept {
        visits = 0;
        u64 last_ns = 0;
        const u32 returned = deadlines.expire(now_ns, [&](DeadlineNode& at) noexcept {
            CHECK(!at.armed());
            CHECK_LE(at.deadline_ns, now_ns);
            CHECK_LE(last_ns, at.deadline_ns);
            last_ns = at.deadline_ns;
            CHECK_LT(visits, count * 2);
            visited[visits++] = number_of(at);
            then(number_of(at));
        });
        CHECK_EQ(returned, visits);
        return returned;
    }
    u32 expire(u64 now_ns) noexcept {
        return expire(now_ns, [](u32) noexcept {});
    }
    /// expire(), and it must visit exactly these.
    template <class... Numbers>
    void expect(u64 now_ns, Numbers... numbers) noexcept {
        (void)expire(now_ns);
        check_visited(numbers...);
    }
    template <class... Numbers>
    void check_visited(Numbers... numbers) noexcept {
        CHECK_EQ(visits, sizeof...(numbers));
        u32 i = 0;
        (CHECK_EQ(visited[i++], static_cast<u32>(numbers)), ...);
    }
};

// ---- One by one ---------------------------------------------------------------------------------

constinit Deadlines global;

TEST(deadlines_zero_is_empty) {
    const u8* const bytes = reinterpret_cast<const u8*>(&global);
    for (usize i = 0; i < sizeof(global); ++i) {
        CHECK_EQ(bytes[i], 0);
    }
    CHECK(global.empty());
    CHECK_EQ(global.count(), 0u);
    CHECK_EQ(global.next_deadline_ns(), never);
    CHECK_EQ(global.expire(never, [](DeadlineNode&) noexcept { FAIL("nothing to visit"); }), 0u);
    CHECK(!DeadlineNode{}.armed());
}

TEST(deadlines_one) {
    Nodes<1> n;
    n.insert(0, 5 * ms);
    CHECK(n.node[0].armed());
    CHECK_EQ(n.node[0].deadline_ns, 5 * ms);
    CHECK(!n.deadlines.empty());
    CHECK_EQ(n.deadlines.count(), 1u);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 5 * ms);
    n.expect(5 * ms - 1);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 5 * ms);
    n.expect(5 * ms, 0);
    CHECK(!n.node[0].armed());
    CHECK(n.deadlines.empty());
    CHECK_EQ(n.deadlines.next_deadline_ns(), never);
    n.expect(5 * ms);
}

// Never early by a nanosecond and due at its own, at every distance, whatever digit differs.
TEST(deadlines_at_every_distance) {
    const u64 starts[] = {0, uptime, 0x123456789abcdef0};
    for (const u64 start : starts) {
        for (u32 bit = 0; bit < 64; ++bit) {
            for (u64 off = 0; off < 3; ++off) {
                Nodes<1> n;
                n.expect(start);
                const u64 at = start + (u64{1} << bit) + off - 1;
                if (at <= start) {
                    continue; // beyond the end of time, or now
                }
                n.insert(0, at);
                CHECK_EQ(n.deadlines.next_deadline_ns(), at);
                n.expect(start + (at - start) / 2);
                CHECK_EQ(n.deadlines.next_deadline_ns(), at);
                n.expect(at - 1);
                CHECK_EQ(n.deadlines.next_deadline_ns(), at);
                n.expect(at, 0);
            }
        }
    }
}

TEST(deadlines_in_order) {
    Nodes<6> n;
    n.insert(0, 3 * second);
    n.insert(1, 1 * ms + 1);
    n.insert(2, 2 * year);
    n.insert(3, 1 * ms);
    n.insert(4, 40 * ms);
    n.insert(5, 1 * ms + 2);
    n.expect(3 * year, 3, 1, 5, 4, 0, 2);
    for (u32 i = 0; i < 6; ++i) {
        CHECK(!n.node[i].armed());
    }
}

TEST(deadlines_within_one_tick) {
    Nodes<5> n;
    n.expect(uptime);
    const u64 at = (uptime & ~u64{1023}) + 10240;
    n.insert(0, at + 7);
    n.insert(1, at + 1023);
    n.insert(2, at);
    n.insert(3, at + 8);
    n.insert(4, at + 6);
    CHECK_EQ(n.deadlines.next_deadline_ns(), at);
    n.expect(at, 2);
    CHECK_EQ(n.deadlines.next_deadline_ns(), at + 6);
    n.expect(at + 7, 4, 0);
    CHECK_EQ(n.deadlines.next_deadline_ns(), at + 8);
    n.insert(0, at + 9);
    n.insert(2, at + 8);
    n.expect(at + 8, 3, 2);
    n.expect(at + 1024, 0, 1);
}

TEST(deadlines_remove) {
    Nodes<4> n;
    for (u32 i = 0; i < 4; ++i) {
        n.insert(i, (i + 1) * ms);
    }
    n.remove(0);
    CHECK(!n.node[0].armed());
    CHECK_EQ(n.deadlines.count(), 3u);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 2 * ms);
    n.remove(2);
    n.expect(10 * ms, 1, 3);
    n.insert(2, 11 * ms);
    n.remove(2);
    CHECK(n.deadlines.empty());
    CHECK_EQ(n.deadlines.next_deadline_ns(), never);
    n.insert(2, 11 * ms);
    n.expect(11 * ms, 2);
}

TEST(deadlines_remove_from_anywhere_in_a_slot) {
    for (u32 gone = 0; gone < 5; ++gone) {
        Nodes<5> n;
        for (u32 i = 0; i < 5; ++i) {
            n.insert(i, second);
        }
        n.remove(gone);
        n.expect(second - 1);
        CHECK_EQ(n.expire(second), 4u);
        for (u32 i = 0; i < 4; ++i) {
            CHECK_EQ(n.visited[i], i < gone ? i : i + 1);
        }
    }
}

TEST(deadlines_reset) {
    Nodes<3> n;
    n.reset(0, 2 * ms); // not armed
    CHECK_EQ(n.deadlines.count(), 1u);
    n.insert(1, 3 * ms);
    n.reset(1, 1 * ms); // to earlier
    CHECK_EQ(n.deadlines.count(), 2u);
    CHECK_EQ(n.node[1].deadline_ns, 1 * ms);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 1 * ms);
    n.insert(2, 4 * ms);
    n.reset(1, 5 * ms); // to later
    CHECK_EQ(n.deadlines.next_deadline_ns(), 2 * ms);
    n.reset(0, 2 * ms); // to the same
    n.expect(4 * ms, 0, 2);
    n.reset(0, 5 * ms); // after it was visited, which puts it behind 1
    n.reset(2, 4 * ms); // to the past
    n.expect(5 * ms, 2, 1, 0);
    CHECK(n.deadlines.empty());
}

TEST(deadlines_reset_is_a_new_insertion) {
    Nodes<3> n;
    for (u32 i = 0; i < 3; ++i) {
        n.insert(i, second);
    }
    n.reset(0, second);
    n.expect(second, 1, 2, 0);
}

// ---- Past, far, and far past --------------------------------------------------------------------

TEST(deadlines_in_the_past) {
    Nodes<7> n;
    n.expect(uptime);
    n.insert(0, uptime - 1);
    n.insert(1, 0);
    n.insert(2, uptime - year / 100);
    n.insert(3, uptime);
    n.insert(4, 0);
    n.insert(5, uptime + 1);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 0u);
    n.remove(1);
    n.insert(1, 1);
    n.expect(uptime, 4, 1, 2, 0, 3);
    CHECK_EQ(n.deadlines.next_deadline_ns(), uptime + 1);
    n.expect(uptime + 1, 5);
}

TEST(deadlines_never) {
    Nodes<3> n;
    n.insert(0, never);
    CHECK_EQ(n.deadlines.next_deadline_ns(), never);
    n.insert(1, never - 1);
    n.insert(2, never);
    CHECK_EQ(n.deadlines.next_deadline_ns(), never - 1);
    n.expect(500 * year);
    n.expect(never - 2);
    n.expect(never - 1, 1);
    CHECK_EQ(n.deadlines.count(), 2u);
    // At the end of time what a visit arms is still not visited by the same call.
    (void)n.expire(never, [&](u32 i) noexcept { n.insert(i, never); });
    n.check_visited(0, 2);
    CHECK_EQ(n.deadlines.count(), 2u);
    n.expect(never, 0, 2);
}

TEST(deadlines_beyond_31_and_32_bits_of_milliseconds) {
    Nodes<4> n;
    n.expect(uptime);
    const u64 days = uptime + (u64{1} << 31) * ms;
    n.insert(0, days);
    n.insert(1, days + 1);
    n.insert(2, uptime + (u64{1} << 32) * ms);
    n.insert(3, uptime + 100 * year);
    n.expect(days - 1);
    n.expect(days, 0);
    n.expect(days + 1, 1);
    n.expect(uptime + 99 * year, 2);
    n.expect(uptime + 101 * year, 3);
}

// The clock may be anywhere when the first node comes, and may jump.
TEST(deadlines_now_jumps) {
    Nodes<4> n;
    n.insert(0, uptime + 2); // no expire() before: the base is 0
    n.insert(1, uptime + 1);
    CHECK_EQ(n.deadlines.next_deadline_ns(), uptime + 1);
    n.expect(uptime);
    n.expect(uptime + 1, 1);
    u64 now = uptime + 50 * year;
    n.expect(now, 0);
    for (u32 i = 0; i < 5; ++i) {
        n.insert(0, now + 3 * year);
        n.insert(1, now + 1);
        n.insert(2, now + 30 * year);
        n.insert(3, now + 2 * year);
        now += 29 * year;
        n.expect(now, 1, 3, 0);
        now += 60 * year;
        n.expect(now, 2);
    }
}

// It must not, but if it does nothing is early and nothing is lost.
TEST(deadlines_time_runs_backwards) {
    for (u64 back = 1; back < second; back = back * 3 + 1) {
        Nodes<4> n;
        n.expect(uptime);
        n.insert(0, uptime - back);
        n.insert(1, uptime + back);
        n.insert(2, uptime - 2 * back);
        n.expect(uptime - 2 * back - 1);
        n.expect(uptime - 2 * back, 2);
        n.insert(2, uptime - back);
        (void)n.expire(uptime - back, [&](u32 i) noexcept {
            if (i == 0) {
                n.insert(3, uptime - back + 1); // not due, and passed once
                n.insert(0, uptime - back);     // due, but not in this call
            }
        });
        n.check_visited(0, 2);
        n.expect(uptime + back - 1, 0, 3);
        n.expect(uptime + back, 1);
    }
}

// ---- Equal deadlines ----------------------------------------------------------------------------

// Inserted at times that halve their distance, 20 each time (so that they are dealt out and not
// only sorted), they enter at every level and meet on the way down.
TEST(deadlines_equal_stay_in_order_across_levels) {
    constexpr u32 rounds = 58;
    constexpr u32 each = 20;
    static Nodes<rounds * each> n;
    const u64 at = (u64{1} << 58) + 777777777777777;
    for (u32 round = 0; round < rounds; ++round) {
        n.expect(at - (u64{1} << (58 - round)));
        for (u32 i = 0; i < each; ++i) {
            n.insert(round * each + i, at);
        }
    }
    n.expect(at - 1);
    CHECK_EQ(n.expire(at), rounds * each);
    for (u32 i = 0; i < rounds * each; ++i) {
        CHECK_EQ(n.visited[i], i);
    }
}

TEST(deadlines_equal_among_others_in_their_tick) {
    static Nodes<300> n;
    Random random;
    n.expect(uptime);
    const u64 at = uptime + 10 * second;
    for (u32 i = 0; i < 300; ++i) {
        n.insert(i, at + random.below(3));
        if (i % 50 == 0) {
            n.expect(uptime + i / 50 * second);
        }
    }
    CHECK_EQ(n.expire(at + 2), 300u);
    for (u32 i = 1; i < 300; ++i) {
        const DeadlineNode& before = n.node[n.visited[i - 1]];
        const DeadlineNode& behind = n.node[n.visited[i]];
        CHECK(before.deadline_ns < behind.deadline_ns || n.visited[i - 1] < n.visited[i]);
    }
}

// ---- Visits that change things ------------------------------------------------------------------

TEST(deadlines_visit_inserts) {
    Nodes<4> n;
    n.insert(0, 10 * ms);
    n.insert(1, 20 * ms);
    const auto rearm = [&](u32 i) noexcept {
        if (i == 0) {
            n.insert(0, 10 * ms); // due, and in front of what is not yet visited
            n.insert(2, 20 * ms); // due
            n.insert(3, 30 * ms + 1);
            CHECK_EQ(n.deadlines.count(), 4u);
            CHECK_EQ(n.deadlines.next_deadline_ns(), 0u);
        }
    };
    (void)n.expire(30 * ms, rearm);
    n.check_visited(0, 1);
    CHECK_EQ(n.deadlines.count(), 3u);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 10 * ms);
    n.expect(30 * ms, 0, 2);
    n.expect(30 * ms + 1, 3);
}

// Without an end to the call there would be none.
TEST(deadlines_visit_rearms_itself) {
    Nodes<3> n;
    n.expect(uptime);
    for (u32 i = 0; i < 3; ++i) {
        n.insert(i, uptime + 1);
    }
    for (u32 round = 0; round < 5; ++round) {
        const u64 now = uptime + 1 + round * second;
        (void)n.expire(now, [&](u32 i) noexcept { n.insert(i, i == 0 ? now : 0); });
        CHECK_EQ(n.visits, 3u);
        CHECK_EQ(n.deadlines.count(), 3u);
        CHECK_EQ(n.deadlines.next_deadline_ns(), 0u);
    }
    n.expect(uptime + 1 + 4 * second, 1, 2, 0);
}

TEST(deadlines_visit_removes_and_resets_others) {
    const u64 distances[] = {0, 1, us, 10 * ms, second};
    for (const u64 apart : distances) {
        Nodes<6> n;
        for (u32 i = 0; i < 6; ++i) {
            n.insert(i, second + i * apart);
        }
        const u64 now = 10 * second;
        (void)n.expire(now, [&](u32 i) noexcept {
            if (i == 0) {
                n.remove(1);
                n.reset(3, now + 1);
                n.reset(4, 0); // due again, but not in this call
                n.insert(1, now);
                n.remove(1);
            }
            if (i == 2) {
                n.remove(4); // armed by a visit and not yet visited
            }
        });
        n.check_visited(0, 2, 5);
        CHECK_EQ(n.deadlines.count(), 1u);
        CHECK_EQ(n.deadlines.next_deadline_ns(), now + 1);
        n.expect(now);
        n.expect(now + 1, 3);
    }
}

TEST(deadlines_visit_removes_all) {
    static Nodes<100> n;
    for (u32 i = 0; i < 100; ++i) {
        n.insert(i, second + i % 7 * ms);
    }
    (void)n.expire(2 * second, [&](u32 first) noexcept {
        for (u32 i = 0; i < 100; ++i) {
            if (i != first) {
                n.remove(i);
            }
        }
    });
    n.check_visited(0);
    CHECK(n.deadlines.empty());
    n.insert(0, 3 * second);
    n.expect(3 * second, 0);
}

#if defined(OXBOW_DEBUG)
TEST(deadlines_misuse_traps) {
    const auto traps = [](void (*misuse)(Nodes<1>&) noexcept) noexcept {
        const i32 status = in_child([&]() noexcept {
            Nodes<1> n;
            misuse(n);
        });
        return status == -4 || status == -5; // SIGILL or SIGTRAP, by machine
    };
    CHECK(traps([](Nodes<1>& n) noexcept {
        n.insert(0, 1);
        n.insert(0, 2);
    }));
    CHECK(traps([](Nodes<1>& n) noexcept { n.remove(0); }));
    CHECK(traps([](Nodes<1>& n) noexcept {
        n.insert(0, 1);
        (void)n.expire(1, [&](u32) noexcept { n.expect(1); });
    }));
}
#endif

// ---- When to wake up ----------------------------------------------------------------------------

// A handful of timers, however far they lie apart, costs one wake-up each.
TEST(deadlines_few_wake_up_exactly) {
    Random random;
    for (u32 round = 0; round < 200; ++round) {
        Nodes<Deadlines::scan_max> n;
        u64 now = uptime + (random.next() >> 10); // a few months
        n.expect(now);
        const u32 bits = random.between(1, 50);
        for (u32 i = 0; i < Deadlines::scan_max; ++i) {
            n.insert(i, now + 1 + (random.next() >> (64 - bits)));
        }
        while (!n.deadlines.empty()) {
            const u64 next = n.deadlines.next_deadline_ns();
            CHECK_LT(now, next);
            now = next;
            CHECK_NE(n.expire(now), 0u);
            CHECK_EQ(n.node[n.visited[0]].deadline_ns, now);
        }
    }
}

TEST(deadlines_many_wake_up_in_time) {
    static Nodes<4000> n;
    Random random;
    u64 now = uptime;
    n.expect(now);
    for (u32 i = 0; i < 4000; ++i) {
        // Half of them in a crowd within a microsecond.
        n.insert(i, now + 1 + (i % 2 == 0 ? random.below(2000000000) : second + random.below(900)));
    }
    u32 wakeups = 0;
    u32 visits = 0;
    for (; !n.deadlines.empty(); ++wakeups) {
        u64 earliest = never;
        for (const DeadlineNode& node : n.node) {
            earliest = node.armed() && node.deadline_ns < earliest ? node.deadline_ns : earliest;
        }
        const u64 next = n.deadlines.next_deadline_ns();
        CHECK_LE(next, earliest);
        CHECK_LT(now, next);
        now = next;
        visits += n.expire(now);
    }
    CHECK_EQ(visits, 4000u);
    CHECK_LT(wakeups, 3500u); // of 2900 deadlines or so
}

// ---- Many
// -----------------------------------------------------------------------------------------

// A node may be gone as soon as it is not armed: its page is.
TEST(deadlines_touch_no_node_that_is_gone) {
    constexpr u32 nodes = 64;
    constexpr u32 page = 65536; // no machine's are larger
    const long memory = CHECK_OK(kernel::mmap(nullptr, nodes * page, abi::protection::none,
                                              abi::map::private_ | abi::map::anonymous, -1, 0));
    const auto node_at = [&](u32 i) noexcept {
        return reinterpret_cast<DeadlineNode*>(static_cast<uptr>(memory) + i * page);
    };
    Deadlines deadlines;
    bool armed[nodes] = {};
    const auto bring = [&](u32 i) noexcept {
        CHECK_OK(
            kernel::mprotect(node_at(i), page, abi::protection::read | abi::protection::write));
        *node_at(i) = {};
    };
    const auto take_away = [&](const DeadlineNode& node) noexcept {
        const u32 i =
            static_cast<u32>((reinterpret_cast<uptr>(&node) - static_cast<uptr>(memory)) / page);
        armed[i] = false;
        CHECK_OK(kernel::mprotect(node_at(i), page, abi::protection::none));
    };
    Random random;
    u64 now = uptime;
    for (u32 step = 0; step < 20000; ++step) {
        const u32 i = random.below(nodes);
        if (armed[i] && random.chance(300)) {
            deadlines.remove(*node_at(i));
            take_away(*node_at(i));
        } else {
            if (!armed[i]) {
                bring(i);
            }
            armed[i] = true;
            deadlines.reset(*node_at(i), now + (random.next() >> random.between(24, 63)));
        }
        if (random.chance(100)) {
            now += random.next() >> random.between(30, 63);
            (void)deadlines.expire(now, [&](DeadlineNode& node) noexcept { take_away(node); });
        }
    }
    (void)deadlines.expire(never, [&](DeadlineNode& node) noexcept { take_away(node); });
    CHECK(deadlines.empty());
    CHECK_OK(kernel::munmap(reinterpret_cast<void*>(memory), nodes * page));
}

constexpr u32 million = 1000000;
DeadlineNode million_nodes[million];

// libxev's "million values": each of 10,000 deadlines a hundred times.
TEST(deadlines_million) {
    Deadlines deadlines;
    for (u32 i = 0; i < million; ++i) {
        deadlines.insert(million_nodes[i], u64{i % 10000} * 100 * us + 1);
    }
    CHECK_EQ(deadlines.count(), million);
    u32 visits = 0;
    const DeadlineNode* last = nullptr;
    u64 now = 0;
    while (!deadlines.empty()) {
        now = deadlines.next_deadline_ns();
        visits += deadlines.expire(now, [&](DeadlineNode& node) noexcept {
            CHECK_EQ(node.deadline_ns, now);
            CHECK(last == nullptr || last->deadline_ns < node.deadline_ns || last < &node);
            last = &node;
        });
    }
    CHECK_EQ(visits, million);
}

TEST(deadlines_million_late) {
    Deadlines deadlines;
    Random random;
    (void)deadlines.expire(uptime, [](DeadlineNode&) noexcept {});
    for (DeadlineNode& node : million_nodes) {
        deadlines.insert(node, uptime + random.below(1000000000));
    }
    u64 last_ns = 0;
    const u32 visits = deadlines.expire(uptime + second, [&](DeadlineNode& node) noexcept {
        CHECK_LE(last_ns, node.deadline_ns);
        last_ns = node.deadline_ns;
        node.deadline_ns = never; // so that a second visit would show
    });
    CHECK_EQ(visits, million);
    CHECK(deadlines.empty());
}

// ---- libxev's heap ------------------------------------------------------------------------------

// "heap", "heap remove root", "heap remove with children" and "heap dangling next pointer".
TEST(deadlines_like_a_heap) {
    Nodes<5> n;
    n.insert(0, 12);
    n.insert(1, 24);
    n.insert(2, 7);
    n.insert(3, 9);
    CHECK_EQ(n.deadlines.next_deadline_ns(), 7u);
    n.remove(2); // the root
    CHECK_EQ(n.deadlines.next_deadline_ns(), 9u);
    n.expect(9, 3);
    n.remove(0);
    n.expect(24, 1);
    CHECK(n.deadlines.empty());

    const u64 values[] = {2, 4, 5, 1, 3};
    for (u32 i = 0; i < 5; ++i) {
        n.insert(i, 100 + values[i]);
    }
    const u32 order[] = {3, 0, 4, 1, 2};
    for (const u32 i : order) {
        CHECK_EQ(n.deadlines.next_deadline_ns(), 100 + values[i]);
        n.expect(100 + values[i], i);
    }
    CHECK(n.deadlines.empty());
}

// ---- Against a model ----------------------------------------------------------------------------

struct Crowd {
    const char* name;
    u32 nodes;
    u32 steps;
    u32 bits_max; // of how far a deadline lies ahead
    u32 expire_of_1000;
};
constexpr Crowd crowds[] = {
    {"few", 12, 400000, 63, 200},  {"some", 200, 300000, 40, 30},  {"ties", 200, 200000, 4, 20},
    {"many", 5000, 200000, 30, 2}, {"dense", 5000, 100000, 14, 2},
};

class Model {
  public:
    explicit Model(const Crowd& crowd) noexcept : crowd_(crowd) {}

    void step() noexcept {
        if (random_.chance(crowd_.expire_of_1000)) {
            pass_time();
        } else {
            change();
        }
    }

    void finish() noexcept {
        now_ns_ = never;
        expire(0);
        CHECK(deadlines_.empty());
    }

  private:
    struct Entry {
        u64 deadline_ns;
        u64 sequence; // of its insertion, 0: not armed
        u32 call;     // the expire() that it was armed in
    };

    [[nodiscard]] u64 any_deadline() noexcept {
        const u64 ahead = random_.next() >> (64 - random_.between(1, crowd_.bits_max));
        switch (random_.below(20)) {
        case 0:
            return 0;
        case 1:
            return now_ns_;
        case 2:
            return never;
        case 3:
            return now_ns_ - (ahead < now_ns_ ? ahead : now_ns_);
        case 4:
        case 5:
            return entries_[random_.below(crowd_.nodes)].deadline_ns; // a tie
        case 6:
            return (now_ns_ + ahead) & ~u64{1023};
        default:
            return now_ns_ + ahead < ahead ? never : now_ns_ + ahead;
        }
    }

    /// Inserts, removes or resets any node.
    void change() noexcept {
        const u32 i = random_.below(crowd_.nodes);
        Entry& entry = entries_[i];
        if (entry.sequence != 0 && random_.chance(400)) {
            CHECK(nodes_[i].armed());
            deadlines_.remove(nodes_[i]);
            CHECK(!nodes_[i].armed());
            entry.sequence = 0;
            --count_;
            return;
        }
        const u64 deadline_ns = any_deadline();
        if (entry.sequence == 0) {
            ++count_;
            if (random_.chance(500)) {
                deadlines_.insert(nodes_[i], deadline_ns);
            } else {
                deadlines_.reset(nodes_[i], deadline_ns);
            }
        } else {
            deadlines_.reset(nodes_[i], deadline_ns);
        }
        entry = {deadline_ns, ++sequence_, expiring_ ? call_ : 0};
        CHECK_EQ(deadlines_.count(), count_);
    }

    /// The first in order of those that `call` may visit; crowd_.nodes if there is none.
    [[nodiscard]] u32 first(u32 call) const noexcept {
        u32 best = crowd_.nodes;
        for (u32 i = 0; i < crowd_.nodes; ++i) {
            const Entry& entry = entries_[i];
            if (entry.sequence == 0 || (call != 0 && entry.call == call)) {
                continue;
            }
            if (best == crowd_.nodes || entry.deadline_ns < entries_[best].deadline_ns ||
                (entry.deadline_ns == entries_[best].deadline_ns &&
                 entry.sequence < entries_[best].sequence)) {
                best = i;
            }
        }
        return best;
    }

    void pass_time() noexcept {
        const u64 next = deadlines_.next_deadline_ns();
        const u32 earliest = first(0);
        const u64 expected = earliest == crowd_.nodes ? never : entries_[earliest].deadline_ns;
        CHECK_LE(next, expected);
        if (count_ <= Deadlines::scan_max) {
            CHECK_EQ(next, expected);
        }
        const u64 ahead = random_.next() >> (64 - random_.between(1, crowd_.bits_max));
        if (random_.chance(300) && next != never) {
            now_ns_ = next < now_ns_ ? now_ns_ : next;
        } else if (now_ns_ + ahead / 2 > now_ns_ && now_ns_ + ahead / 2 < never / 2) {
            now_ns_ += ahead / 2;
        }
        const bool quiet = random_.chance(500);
        expire(quiet ? 0 : 300);
        if (quiet) {
            CHECK_LT(now_ns_, deadlines_.next_deadline_ns());
        }
    }

    void expire(u32 changes_of_1000) noexcept {
        ++call_;
        expiring_ = true;
        const u32 visits = deadlines_.expire(now_ns_, [&](DeadlineNode& node) noexcept {
            const u32 i = static_cast<u32>(&node - nodes_);
            CHECK_EQ(i, first(call_));
            CHECK_LE(entries_[i].deadline_ns, now_ns_);
            CHECK_EQ(node.deadline_ns, entries_[i].deadline_ns);
            CHECK(!node.armed());
            entries_[i].sequence = 0;
            --count_;
            while (random_.chance(changes_of_1000)) {
                change();
            }
        });
        expiring_ = false;
        (void)visits;
        const u32 left = first(call_);
        CHECK(left == crowd_.nodes || entries_[left].deadline_ns > now_ns_);
        CHECK_EQ(deadlines_.count(), count_);
    }

    static constexpr u32 nodes_max = 5000;
    const Crowd& crowd_;
    Random random_;
    Deadlines deadlines_;
    DeadlineNode nodes_[nodes_max];
    Entry entries_[nodes_max] = {};
    u64 sequence_ = 0;
    u64 now_ns_ = uptime;
    u32 count_ = 0;
    u32 call_ = 0;
    bool expiring_ = false;
};

VARIANT_TEST(deadlines_model, crowds) {
    Model model(row);
    for (u32 step = 0; step < effort(row.steps); ++step) {
        model.step();
    }
    model.finish();
}

} // namespace
} // namespace oxbow::test
