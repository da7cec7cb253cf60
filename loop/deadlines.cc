// Deadlines: what happens when time passes.
#include "deadlines.h"

#include "../syscall/time.h"

namespace oxbow {

namespace {

[[nodiscard]] u64 deadline_of(const DeadlineLink* link) noexcept {
    return reinterpret_cast<const DeadlineNode*>(link)->deadline_ns;
}

/// One chain of two sorted ones, which are not empty and end with nullptr. Of equal deadlines those
/// of `older` come first.
[[nodiscard]] DeadlineLink* merge(DeadlineLink* older, DeadlineLink* newer) noexcept {
    DeadlineLink before;
    DeadlineLink* last = &before;
    while (true) {
        if (deadline_of(newer) < deadline_of(older)) {
            last = last->next = newer;
            newer = newer->next;
            if (newer == nullptr) {
                last->next = older;
                return before.next;
            }
        } else {
            last = last->next = older;
            older = older->next;
            if (older == nullptr) {
                last->next = newer;
                return before.next;
            }
        }
    }
}

/// Cuts the nodes off `chain` that are in order already, and returns what is behind them.
[[nodiscard]] DeadlineLink* cut_run(DeadlineLink* chain) noexcept {
    while (chain->next != nullptr && deadline_of(chain->next) >= deadline_of(chain)) {
        chain = chain->next;
    }
    DeadlineLink* const rest = chain->next;
    chain->next = nullptr;
    return rest;
}

/// Sorts a chain that is not empty and ends with nullptr, by merging what is in order already: one
/// look at each where they all are, which timeouts of one length see to.
[[nodiscard]] DeadlineLink* sort(DeadlineLink* chain) noexcept {
    DeadlineLink* bins[32]; // bins[i] is 2^i runs, or nullptr; older runs are in higher bins
    u32 used = 0;
    while (chain != nullptr) {
        DeadlineLink* run = chain;
        chain = cut_run(chain);
        u32 bin = 0;
        for (; bin < used && bins[bin] != nullptr; ++bin) {
            run = merge(bins[bin], run);
            bins[bin] = nullptr;
        }
        bins[bin] = run;
        used = bin == used ? used + 1 : used;
    }
    DeadlineLink* sorted = nullptr;
    for (u32 bin = 0; bin < used; ++bin) {
        if (bins[bin] != nullptr) {
            sorted = sorted == nullptr ? bins[bin] : merge(bins[bin], sorted);
        }
    }
    return sorted;
}

} // namespace

/// `levels` if every slot is empty.
u32 Deadlines::lowest_level() const noexcept {
    u32 level = 0;
    while (level < levels && occupied_[level] == 0) {
        ++level;
    }
    return level;
}

/// Where a slot begins that the base has not passed.
u64 Deadlines::slot_tick(u32 level, u32 slot) const noexcept {
    const u32 shift = level * level_bits;
    return ((base_tick_ >> shift & ~u64{level_slots - 1}) | slot) << shift;
}

u64 Deadlines::next_deadline_ns() const noexcept {
    if ((occupied_[levels] & due_or_held) != 0) {
        return 0; // asked during a visit, and others are due
    }
    const u32 level = lowest_level();
    if (level == levels) {
        return ~u64{0};
    }
    const u32 slot = lowest_bit(occupied_[level]);
    const u64 first_tick = slot_tick(level, slot);
    // In the base's own slot lies what came too late, however late it was, and what is due within
    // this very tick: to say where that begins would be to wake the loop at once, and again.
    const u32 nodes_max = first_tick == base_tick_ ? ~0u : scan_max;
    const DeadlineLink* const head = &lists_[level * level_slots + slot];
    u64 earliest = ~u64{0};
    u32 nodes = 0;
    for (const DeadlineLink* link = head->next; link != head; link = link->next) {
        if (++nodes > nodes_max) {
            return first_tick << tick_bits;
        }
        earliest = deadline_of(link) < earliest ? deadline_of(link) : earliest;
    }
    return earliest;
}

/// Whether a list has no more than `scan_max` nodes. Steps from both ends, so that two misses of
/// the cache are under way at a time.
bool Deadlines::is_short(const DeadlineLink& head) noexcept {
    const DeadlineLink* front = head.next;
    const DeadlineLink* back = head.prev;
    for (u32 nodes = 1; nodes < scan_max; nodes += 2) {
        if (front == back || front->next == back) {
            return true;
        }
        front = front->next;
        back = back->prev;
    }
    return false;
}

/// The first of the nodes that are due next, taken out; the others of its slot are left in the list
/// `due`. nullptr: nothing more is due, and the base is at the present.
DeadlineNode* Deadlines::collect() noexcept {
    const u64 now_tick = floor_tick_ - 1;
    while (!finished_) {
        const u32 level = lowest_level();
        if (level == levels) {
            break;
        }
        const u32 slot = lowest_bit(occupied_[level]);
        const u64 first_tick = slot_tick(level, slot);
        if (first_tick > now_tick) {
            break;
        }
        const u32 index = level * level_slots + slot;
        if (level != 0 && !is_short(lists_[index])) {
            base_tick_ = first_tick;
            if ((fetched_[level] >> slot & 1) == 0) {
                fetch(level);
            }
            deal_out(index);
            continue;
        }
        const u64 last_tick = first_tick + ((u64{1} << level * level_bits) - 1);
        finished_ = last_tick >= now_tick;
        base_tick_ = finished_ ? now_tick : last_tick;
        if (DeadlineNode* const node = sort_out(index)) {
            return node;
        }
    }
    finished_ = true;
    base_tick_ = now_tick;
    return nullptr;
}

/// Brings the long list of a slot into the cache, and those of the next slots: each list is a chain
/// in which every node is a miss, but misses of different chains, and of the two ends of one,
/// do not wait for each other.
void Deadlines::fetch(u32 level) noexcept {
    const DeadlineLink* ends[2 * fetch_slots];
    u32 chains = 0;
    fetched_[level] = 0;
    for (u64 left = occupied_[level]; chains < 2 * fetch_slots && left != 0; left &= left - 1) {
        const u32 slot = lowest_bit(left);
        fetched_[level] |= u64{1} << slot;
        ends[chains++] = lists_[level * level_slots + slot].next;
        ends[chains++] = lists_[level * level_slots + slot].prev;
    }
    for (u32 step = 0; step < fetch_steps_max && chains != 0; ++step) {
        for (u32 i = 0; i < chains; i += 2) {
            ends[i] = ends[i]->next;
            ends[i + 1] = ends[i + 1]->prev;
            __builtin_prefetch(ends[i]);
            __builtin_prefetch(ends[i + 1]);
            if (ends[i] == ends[i + 1] || ends[i]->prev == ends[i + 1]) { // they have met
                chains -= 2;
                ends[i] = ends[chains];
                ends[i + 1] = ends[chains + 1];
            }
        }
    }
}

/// Moves the nodes of a slot that the base has entered to the level below, whose slots are empty.
/// Lists are chains of cache misses where there are many nodes, so this one is followed from both
/// ends at once. In each list that is dealt to, `gap` is where the nodes from the front end and
/// those from the back begin.
void Deadlines::deal_out(u32 index) noexcept {
    const u32 level = index / level_slots - 1;
    const u32 shift = level * level_bits + tick_bits;
    DeadlineLink* const heads = &lists_[level * level_slots];
    DeadlineLink* gaps[level_slots];
    u64 seen = 0;
    const auto deal = [&](DeadlineLink* link, bool from_front) noexcept {
        const u32 slot = static_cast<u32>(deadline_of(link) >> shift) % level_slots;
        if ((seen >> slot & 1) == 0) {
            seen |= u64{1} << slot;
            heads[slot] = {&heads[slot], &heads[slot]};
            gaps[slot] = &heads[slot];
        }
        DeadlineLink* const gap = gaps[slot];
        *link = {gap->next, gap};
        gap->next->prev = link;
        gap->next = link;
        gaps[slot] = from_front ? link : gap;
    };
    DeadlineLink* front = lists_[index].next;
    DeadlineLink* back = lists_[index].prev;
    vacate(index);
    lists_[index] = {};
    while (true) {
        DeadlineLink* const after = front->next;
        DeadlineLink* const before = back->prev;
        const bool met = front == back;
        const bool last = met || after == back;
        deal(front, true);
        if (!met) {
            deal(back, false);
        }
        if (last) {
            break;
        }
        front = after;
        back = before;
    }
    occupied_[level] = seen;
}

/// Empties a slot that the base has entered: what is due, in order, and puts the rest where it
/// belongs now. Returns the first that is due, and leaves the others in the list `due`.
DeadlineNode* Deadlines::sort_out(u32 index) noexcept {
    DeadlineLink* link = empty_out(index);
    if (link->next != nullptr) {
        link = sort(link);
    }
    DeadlineNode* first = nullptr;
    while (link != nullptr) {
        DeadlineNode& node = node_of(link);
        link = link->next;
        if (node.deadline_ns > now_ns_) {
            append(index_of(node.deadline_ns), node);
        } else if (first == nullptr) {
            first = &node;
        } else {
            append(due, node);
        }
    }
    return first;
}

/// What visits have armed although it is due belongs, like all that comes too late, to the base.
void Deadlines::release_held() noexcept {
    DeadlineLink* link = empty_out(held);
    while (link != nullptr) {
        DeadlineNode& node = node_of(link);
        link = link->next;
        append(index_of(node.deadline_ns), node);
    }
}

void Deadlines::date(u64 now_ns) noexcept {
    DeadlineLink* link = empty_out(undated);
    while (link != nullptr) {
        DeadlineNode& node = node_of(link);
        link = link->next;
        node.deadline_ns = saturating_add(now_ns, node.deadline_ns);
        append(index_of(node.deadline_ns), node);
    }
}

/// The nodes of a list that is not empty, as a chain that ends with nullptr.
DeadlineLink* Deadlines::empty_out(u32 index) noexcept {
    DeadlineLink& head = lists_[index];
    DeadlineLink* const first = head.next;
    head.prev->next = nullptr;
    head = {};
    vacate(index);
    return first;
}

} // namespace oxbow
