// Deadlines: the timers of a loop, and of every operation that has a deadline, for both engines.
//
// A wheel of wheels. Time is cut into ticks of 1024 ns; nine levels of 64 slots stand for the nine
// digits of a tick in base 64. A node lies at the level of the highest digit in which its tick
// differs from the base (the tick up to which time has been dealt with), in the slot that this
// digit names; with no digit different, in the base's own slot of level 0. When the base enters a
// slot, its nodes are dealt out to the level below, and those of a slot that has few of them, or
// lies at level 0, are sorted by their nanoseconds and due.
//
// So all nodes of a level come before all nodes of the levels above it, and the slots of a level in
// their order: the earliest slot is the lowest bit of the lowest bitmap that is not empty.
//
// Equal deadlines stay first in, first out. Where a node lies is a function of its deadline and the
// base alone, whatever the base was when it was inserted, so equal ones share a slot at all times,
// and a later one is put behind an earlier one. Dealing out keeps the order, the lists that it
// deals to are empty before, and the sort is stable. (A tick that the base has passed counts as the
// base's, so those that come too late are equal in this, too: the sort tells them apart.)
//
// Kept because it was the fastest of three. By itself (`make bench CASE=timers` measures it within
// a loop), ns of CPU beside a 4-ary heap and a pairing heap, medians of 7 on a busy machine: a
// million inserted and fired late 77, 259 and 932; fired one by one 117, 333 and 1537; one started
// and stopped 4.0, 4.2 and 7.4; one of 100,000 reset 11, 27 and 81. (With fewer than a hundred
// timers in all, firing costs the heap less.)
#pragma once

#include "../syscall/check.h"
#include "bits.h"

namespace oxbow {

struct DeadlineLink {
    DeadlineLink* next = nullptr;
    DeadlineLink* prev = nullptr;
};

/// Lives in the caller's object, which stays where it is while the node is armed.
/// Zero-initialised it is valid, and not armed.
struct DeadlineNode {
    DeadlineLink link;
    u64 deadline_ns = 0;

    [[nodiscard]] bool armed() const noexcept { return link.next != nullptr; }
};

static_assert(sizeof(DeadlineNode) == (sizeof(void*) == 8 ? 24 : 16));

/// Zero-initialised it is valid, and empty. It stays where it is while anything is armed.
class Deadlines {
  public:
    constexpr Deadlines() noexcept = default;
    Deadlines(const Deadlines&) = delete;
    Deadlines& operator=(const Deadlines&) = delete;

    /// Arms a node that is not armed. A deadline in the past is due at the next expire().
    void insert(DeadlineNode& node, u64 deadline_ns) noexcept {
        OXBOW_CHECK(!node.armed(), "a deadline was inserted twice");
        node.deadline_ns = deadline_ns;
        append(index_of(deadline_ns), node);
        ++count_;
    }

    /// Disarms a node that is armed.
    void remove(DeadlineNode& node) noexcept {
        OXBOW_CHECK(node.armed(), "a deadline was removed that is not armed");
        unlink(node);
        node.link = {};
        --count_;
    }

    /// The same as to remove the node, if it is armed, and to insert it.
    void reset(DeadlineNode& node, u64 deadline_ns) noexcept {
        rearm(node, deadline_ns, index_of(deadline_ns));
    }

    /// As insert() and reset(), for a deadline that is `duration_ns` from the next date(): whoever
    /// arms many need not read the clock for each. Until then `deadline_ns` is the duration, and
    /// the node is not looked at by next_deadline_ns() and expire().
    void insert_undated(DeadlineNode& node, u64 duration_ns) noexcept {
        OXBOW_CHECK(!node.armed(), "a deadline was inserted twice");
        node.deadline_ns = duration_ns;
        append(undated, node);
        ++count_;
    }
    void reset_undated(DeadlineNode& node, u64 duration_ns) noexcept {
        rearm(node, duration_ns, undated);
    }

    /// Whether date() has something to do.
    [[nodiscard]] bool has_undated() const noexcept {
        return (occupied_[levels] >> (undated % level_slots) & 1) != 0;
    }
    /// Counts all undated durations from `now_ns`.
    void date(u64 now_ns) noexcept;

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] u32 count() const noexcept { return count_; }

    /// When to wake up and call expire(): ~0 if there is nothing to wait for, and else no later
    /// than the earliest deadline. It is that deadline where no more than `scan_max` nodes share
    /// the first slot; with more it may be where the slot begins. After expire(now) it lies after
    /// now, unless a visit armed something that is due, so a clock that jumps there gets on.
    [[nodiscard]] u64 next_deadline_ns() const noexcept;

    /// Disarms every node whose deadline is `now_ns` or before and calls `visit(node)` for it, in
    /// the order of deadlines, and of insertion where they are equal. Returns how many there were.
    /// A visit may insert, remove and reset any node; one that it arms is not visited before the
    /// next call. Time must not run backwards from call to call. After `visits_max` of them the
    /// rest is left to the next call, which visits it first.
    ///
    /// Also to be called once before the first insert, if the clock does not start near 0: it is
    /// the only way that this learns of the time, and what lies far ahead is dealt out more often.
    template <class Visit>
    u32 expire(u64 now_ns, Visit&& visit, u32 visits_max = ~0u) noexcept {
        OXBOW_CHECK(!expiring_, "Deadlines::expire inside of a visit");
        u32 visited = 0;
        begin(now_ns);
        while (visited < visits_max) {
            DeadlineNode* const node = take();
            if (node == nullptr) {
                break;
            }
            visit(*node);
            ++visited;
        }
        end();
        return visited;
    }

    /// How many nodes of a slot are looked at one by one.
    static constexpr u32 scan_max = 16;

  private:
    static constexpr u32 tick_bits = 10; // of a deadline, below those that choose a slot
    static constexpr u32 level_bits = 6; // as many slots as a bitmap has bits
    static constexpr u32 level_slots = 1u << level_bits;
    static constexpr u32 levels = (64 - tick_bits) / level_bits;
    static_assert(tick_bits + levels * level_bits == 64);

    // How many lists are fetched together, and how far from either end: at most 16384 nodes, a
    // megabyte of cache lines.
    static constexpr u32 fetch_slots = 4;
    static constexpr u32 fetch_steps_max = 2048;

    // Three lists that are in no level, but end and are left as slots are: what is due and not yet
    // visited, what visits have armed although it is due, and what date() is to come to.
    static constexpr u32 due = levels * level_slots;
    static constexpr u32 held = due + 1;
    static constexpr u32 undated = held + 1;
    static constexpr u32 lists = undated + 1;
    static constexpr u64 due_or_held = 3; // their bits in occupied_[levels]

    [[nodiscard]] static DeadlineNode& node_of(DeadlineLink* link) noexcept {
        return *reinterpret_cast<DeadlineNode*>(link); // its first member
    }

    /// Which digit of a tick is the highest one in `difference`.
    [[nodiscard]] static constexpr u32 level_of(u64 difference) noexcept {
        return (highest_bit(difference | 1) * 43) >> 8; // a sixth, right up to 63
    }

    /// The list that a deadline belongs to.
    [[nodiscard]] u32 index_of(u64 deadline_ns) const noexcept {
        u64 tick = deadline_ns >> tick_bits;
        if (tick < floor_tick_) [[unlikely]] {
            if (expiring_ && deadline_ns <= now_ns_) {
                return held;
            }
            tick = tick < base_tick_ ? base_tick_ : tick;
        }
        const u32 level = level_of(tick ^ base_tick_);
        const u32 slot = static_cast<u32>(tick >> (level * level_bits)) % level_slots;
        return level * level_slots + slot;
    }

    /// Which list a head is of. By a shift: the division in the difference of two pointers may be a
    /// call on arm.
    [[nodiscard]] u32 index_of_head(const DeadlineLink* head) const noexcept {
        constexpr u32 shift = sizeof(void*) == 8 ? 4 : 3;
        static_assert(sizeof(DeadlineLink) == 1u << shift);
        const uptr bytes = reinterpret_cast<uptr>(head) - reinterpret_cast<uptr>(lists_);
        return static_cast<u32>(bytes >> shift);
    }

    /// Lists are circles through their head, and a head that was never used points nowhere, so that
    /// all zeroes are an empty wheel.
    void append(u32 index, DeadlineNode& node) noexcept {
        DeadlineLink& head = lists_[index];
        DeadlineLink* const last = head.prev == nullptr ? &head : head.prev;
        node.link.next = &head;
        node.link.prev = last;
        last->next = &node.link;
        head.prev = &node.link;
        occupied_[index / level_slots] |= u64{1} << index % level_slots;
    }

    void rearm(DeadlineNode& node, u64 deadline_ns, u32 index) noexcept {
        if (node.armed()) {
            unlink(node);
        } else {
            ++count_;
        }
        node.deadline_ns = deadline_ns;
        append(index, node);
    }

    void unlink(DeadlineNode& node) noexcept {
        DeadlineLink* const next = node.link.next;
        DeadlineLink* const prev = node.link.prev;
        next->prev = prev;
        prev->next = next;
        if (next == prev) { // only the head is left
            vacate(index_of_head(next));
        }
    }

    void vacate(u32 index) noexcept {
        occupied_[index / level_slots] &= ~(u64{1} << index % level_slots);
    }

    void begin(u64 now_ns) noexcept {
        const u64 tick = now_ns >> tick_bits;
        now_ns_ = now_ns;
        floor_tick_ = (tick < base_tick_ ? base_tick_ : tick) + 1;
        expiring_ = true;
        finished_ = false;
    }

    /// The next node to visit, disarmed, or nullptr.
    [[nodiscard]] DeadlineNode* take() noexcept {
        DeadlineNode* node = nullptr;
        if (occupied_[levels] % 2 != 0) {
            node = &node_of(lists_[due].next);
            unlink(*node);
        } else {
            node = collect();
            if (node == nullptr) {
                return nullptr;
            }
        }
        node->link = {};
        --count_;
        return node;
    }

    void end() noexcept {
        expiring_ = false;
        floor_tick_ = base_tick_;
        if ((occupied_[levels] & (u64{1} << held % level_slots)) != 0) {
            release_held();
        }
    }

    [[nodiscard]] u32 lowest_level() const noexcept;
    [[nodiscard]] u64 slot_tick(u32 level, u32 slot) const noexcept;
    [[nodiscard]] DeadlineLink* empty_out(u32 index) noexcept;
    [[nodiscard]] static bool is_short(const DeadlineLink& head) noexcept;
    [[nodiscard]] DeadlineNode* collect() noexcept;
    void fetch(u32 level) noexcept;
    void deal_out(u32 index) noexcept;
    [[nodiscard]] DeadlineNode* sort_out(u32 index) noexcept;
    void release_held() noexcept;

    u32 count_ = 0;
    bool expiring_ = false;
    bool finished_ = false; // while expiring: what is left in the slots is not due
    u64 occupied_[levels + 1] = {};
    u64 fetched_[levels] = {}; // which slots fetch() has seen; it may be wrong, at a cost
    u64 base_tick_ = 0;
    u64 floor_tick_ = 0; // a tick below it needs a second look: the base, or while expiring now + 1
    u64 now_ns_ = 0;
    DeadlineLink lists_[lists];
};

} // namespace oxbow
