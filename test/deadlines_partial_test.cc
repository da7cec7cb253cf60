// Deadlines::expire with a limit of visits: what is left over comes first in the next call, in the
// order that one call would have had, whatever is armed, disarmed and set anew in between.
#include "../loop/deadlines.h"
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {
namespace {

constexpr u32 nodes_max = 600;
constexpr u64 uptime_ns = 1'000'000'000'000'000;

/// The nodes of one wheel, and in which order they were visited.
struct Crowd {
    Deadlines deadlines;
    DeadlineNode node[nodes_max];
    u32 visited[2 * nodes_max];
    u32 visits = 0;

    Crowd() noexcept { (void)expire(uptime_ns, ~0u); }

    /// With all of its nodes armed.
    explicit Crowd(Random& random) noexcept;

    u32 expire(u64 now_ns, u32 visits_max) noexcept {
        const u32 returned = deadlines.expire(
            now_ns,
            [&](DeadlineNode& at) noexcept {
                CHECK(!at.armed());
                CHECK_LE(at.deadline_ns, now_ns);
                CHECK_LT(visits, 2 * nodes_max);
                visited[visits++] = static_cast<u32>(&at - node);
            },
            visits_max);
        CHECK_LE(returned, visits_max);
        return returned;
    }
};

/// Deadlines that lie within one tick, some ticks, some slots, or a second; many are equal.
[[nodiscard]] u64 draw_deadline(Random& random) noexcept {
    constexpr u32 spans_ns[] = {1000, 50'000, 5'000'000, 1'000'000'000};
    const u64 after_ns = random.below(spans_ns[random.below(4)]);
    return uptime_ns + (random.below(3) == 0 ? after_ns / 16 * 16 : after_ns);
}

Crowd::Crowd(Random& random) noexcept : Crowd() {
    for (DeadlineNode& at : node) {
        deadlines.insert(at, draw_deadline(random));
    }
}

TEST(deadlines_partial_keeps_the_order_of_the_whole) {
    Random random;
    for (u32 round = 0; round < 20; ++round) {
        Crowd whole;
        Crowd parts;
        const u32 count = 1 + random.below(nodes_max);
        for (u32 i = 0; i < count; ++i) {
            const u64 deadline_ns = draw_deadline(random);
            whole.deadlines.insert(whole.node[i], deadline_ns);
            parts.deadlines.insert(parts.node[i], deadline_ns);
        }
        const u64 now_ns = uptime_ns + 2'000'000'000;
        CHECK_EQ(whole.expire(now_ns, ~0u), count);
        const u32 part = 1 + random.below(40);
        while (parts.expire(now_ns, part) == part) {
            CHECK(parts.deadlines.empty() || parts.deadlines.next_deadline_ns() <= now_ns);
        }
        CHECK_EQ(parts.visits, count);
        CHECK_EQ(parts.deadlines.count(), 0u);
        CHECK_EQ(parts.deadlines.next_deadline_ns(), ~u64{0});
        for (u32 i = 0; i < count; ++i) {
            CHECK_EQ(parts.visited[i], whole.visited[i]);
        }
    }
}

TEST(deadlines_partial_while_time_goes_on) {
    Random random;
    for (u32 round = 0; round < 20; ++round) {
        Crowd crowd(random);
        u64 now_ns = uptime_ns;
        while (crowd.deadlines.count() != 0) {
            const u64 next_ns = crowd.deadlines.next_deadline_ns();
            now_ns = next_ns > now_ns ? next_ns : now_ns + random.below(20'000);
            (void)crowd.expire(now_ns, 1 + random.below(5));
        }
        CHECK_EQ(crowd.visits, nodes_max);
        for (u32 i = 1; i < nodes_max; ++i) {
            CHECK_LE(crowd.node[crowd.visited[i - 1]].deadline_ns,
                     crowd.node[crowd.visited[i]].deadline_ns);
        }
    }
}

TEST(deadlines_partial_with_changes_in_between) {
    Random random;
    for (u32 round = 0; round < 20; ++round) {
        Crowd crowd(random);
        u64 now_ns = uptime_ns + 1'000'000;
        u32 left = nodes_max;
        while (left != 0) {
            left -= crowd.expire(now_ns, 3);
            DeadlineNode& node = crowd.node[random.below(nodes_max)];
            if (!node.armed()) {
                continue;
            }
            if (random.below(2) == 0) {
                crowd.deadlines.remove(node);
                --left;
            } else if (random.below(2) == 0) {
                crowd.deadlines.reset(node, now_ns + random.below(3'000'000));
            } else {
                crowd.deadlines.reset(node, now_ns - random.below(3'000'000)); // has come already
            }
            now_ns += u64{random.below(2)} * random.below(3'000'000);
            CHECK_EQ(crowd.deadlines.count(), left);
        }
        CHECK_EQ(crowd.deadlines.next_deadline_ns(), ~u64{0});
    }
}

TEST(deadlines_partial_leaves_nothing_held) {
    // What a visit arms although it is due waits for the next call, behind what was left over.
    Crowd crowd;
    for (u32 i = 0; i < 6; ++i) {
        crowd.deadlines.insert(crowd.node[i], uptime_ns + 100 + i);
    }
    const u64 now_ns = uptime_ns + 500'000;
    u32 order[16];
    u32 count = 0;
    const auto visit = [&](DeadlineNode& at) noexcept {
        const u32 number = static_cast<u32>(&at - crowd.node);
        order[count++] = number;
        if (number < 6) {
            crowd.deadlines.insert(crowd.node[10 + number], now_ns - 1);
        }
    };
    u32 calls = 0;
    while (!crowd.deadlines.empty()) {
        (void)crowd.deadlines.expire(now_ns, visit, 2);
        ++calls;
    }
    CHECK_EQ(calls, 6u);
    CHECK_EQ(count, 12u);
    for (u32 i = 0; i < 6; ++i) {
        CHECK_EQ(order[i], i);
        CHECK_EQ(order[6 + i], 10 + i);
    }
}

} // namespace
} // namespace oxbow::test
