// Waiting, and what is done about events.
//
// A descriptor that is only read is watched level-triggered, which costs a server the fewest calls:
// the kernel says by itself whether there is more. Whatever else is wanted of it (room, polls)
// makes it edge-triggered: an event then comes once when something changes, and not again because
// it is still so. That is right in every case by one rule: an operation waits only after an attempt
// that said EAGAIN, or after the kernel was told of the descriptor (epoll_ctl reports what holds
// then), and whichever of the two came last was later than the last event. What changes afterwards
// is a new event. In particular:
//
// - `readable` and `writable` of a slot are not "there is something" but "EAGAIN has not been seen
//   since the last event". A short receive clears them only where note_emptied says why it may.
// - An event that comes while nobody waits sets the flag, so that the next operation is tried at
//   once. One that says what was known already takes the descriptor out of the set (note_useless):
//   neither a talkative peer nor a dead one makes the loop spin.
// - Data that somebody else takes, by a dup or in another process, and errors that are queued for
//   whoever asks for them: the attempt says EAGAIN, and the descriptor is edge-triggered from then
//   on (serve), so that it cannot say the same again and again.
// - A registration can outlive its descriptor, where that was closed without us and the file is
//   still open elsewhere. Its events are of an old generation, so nothing is done. There is no way
//   to take it out of the set; so when such events come again and again, the loop gets a new set.
#include "../loop/buffer_pool.h"
#include "../loop/prefetch.h"
#include "../syscall/call_event.h"
#include "../syscall/time.h"
#include "poller.h"

namespace oxbow {

i32 Poller::wait(u64 deadline_ns) noexcept {
    produced_ = false;
    if (loop_->untold() != 0) {
        produced_ = loop_->untold_matter();
        loop_->finish_untold();
    }
    if (first_listed_ != 0) {
        settle();
    }
    if (doubtful_count_ != 0 && deadline_ns != 0 && !produced_ && doubtful_count_ <= doubts_few) {
        ask_after_doubtful(doubts_few);
    }
    if (deadline_ns != 0 && blind_at_ns_ < deadline_ns) {
        deadline_ns = blind_at_ns_;
    }
    while (doubtful_count_ != 0 && !produced_ && waiting_ != 0) {
        // Before a sleep there is something to do, and before that, what has come already.
        const i32 count = collect(0);
        if (count != 0) {
            if (++busy_waits_ == busy_waits_max) {
                ask_after_doubtful(doubts_batch);
            }
            return count < 0 ? count : 0;
        }
        ask_after_doubtful(doubts_batch);
        if (deadline_ns == 0) {
            return 0;
        }
    }
    if (produced_) {
        deadline_ns = 0;
    }
    if (deadline_ns == 0 && waiting_ == 0) {
        return 0; // nobody waits for anything that the kernel could tell
    }
    const i32 count = collect(deadline_ns);
    return count < 0 ? count : 0;
}

/// What a later event will need, its slot first, and then whoever waits there.
void Poller::fetch_ahead(i32 event, i32 count) const noexcept {
    constexpr i32 distance = 6;
    const auto slot_behind = [&](i32 steps) noexcept -> const FdSlot* {
        return event + steps < count
                   ? loop_->fds().slot(static_cast<i32>(events_[event + steps].data))
                   : nullptr;
    };
    prefetch_line(slot_behind(2 * distance));
    if (const FdSlot* const slot = slot_behind(distance); slot != nullptr) {
        prefetch(slot->readers.first());
    }
}

/// Takes what events there are, and waits for the first. How many, or an error. Where there are
/// more than the array takes, they come next time: to ask once more would bring those again that
/// are watched level-triggered and have not had their turn. Nor is it good to take many: what was
/// looked at for the first is in no cache any more when its turn comes.
i32 Poller::collect(u64 deadline_ns) noexcept {
    const i32 count = ask_kernel(deadline_ns);
    const bool fetches = loop_->is_crowded();
    for (i32 i = 0; i < count; ++i) {
        if (fetches) [[unlikely]] {
            fetch_ahead(i, count);
        }
        take_event(events_[i]);
    }
    if (stale_events_ >= stale_events_max) {
        renew_set();
    }
    return count == -Errno::eintr ? 0 : count;
}

namespace {

/// Rounded up, since a wait must not end early; as many as fit, since the loop waits again.
[[nodiscard]] i32 milliseconds_of(const abi::Timespec& time) noexcept {
    constexpr u32 longest = 0x7fffffff;
    if (time.seconds >= longest / 1000) {
        return longest;
    }
    const u32 part = static_cast<u32>(time.nanoseconds) + 999999u;
    return static_cast<i32>(static_cast<u32>(time.seconds) * 1000 + part / 1000000);
}

} // namespace

/// How many events came, or an error.
i32 Poller::ask_kernel(u64 deadline_ns) noexcept {
    // Without a time, both calls are the same, and the older one is there everywhere.
    if (deadline_ns != 0 && deadline_ns != ~u64{0}) {
        return ask_kernel_until(deadline_ns);
    }
    loop_->counters().waits += deadline_ns != 0 ? 1 : 0;
    ++loop_->counters().syscalls;
    return kernel::epoll_pwait(epoll_fd_, events_, events_room, deadline_ns == 0 ? 0 : -1);
}

[[gnu::noinline]] i32 Poller::ask_kernel_until(u64 deadline_ns) noexcept {
    const u64 now_ns = loop_->read_clock_ns(); // what is cached is as old as the round
    const abi::Timespec left = timespec_of(deadline_ns > now_ns ? deadline_ns - now_ns : 0);
    ++loop_->counters().waits;
    ++loop_->counters().syscalls;
    if (use_pwait2_) {
        const i32 count = kernel::epoll_pwait2(epoll_fd_, events_, events_room, &left);
        if (count >= 0 || count == -Errno::eintr) {
            return count;
        }
        // -ENOSYS: before 5.11, or an emulator; -EPERM and others: a filter that has not heard of
        // it. Where it is anything else, the older call says the same.
        use_pwait2_ = false;
        ++loop_->counters().syscalls;
    }
    return kernel::epoll_pwait(epoll_fd_, events_, events_room, milliseconds_of(left));
}

void Poller::take_other_event(FdSlot& slot, i32 fd, u32 events) noexcept {
    if (slot.announced != 0) {
        take_event_behind(slot, fd, events);
        return;
    }
    if (is_away(slot)) {
        slot.set(FdSlot::missed);
    }
    if (slot.has(FdSlot::aside)) {
        serve_aside(slot, events);
    } else if (!is_away(slot)) {
        note_useless(slot, fd, events);
    }
    if ((events & input_events) != 0) {
        slot.set(FdSlot::readable);
        serve(slot, fd, FdSlot::readable,
              (events & surely_input) != 0 ? Patience::ready : Patience::none);
    }
    if ((events & output_events) != 0) {
        slot.set(FdSlot::writable);
        serve(slot, fd, FdSlot::writable, Patience::ready);
    }
    if (slot.has(FdSlot::guests)) {
        serve_guests(slot, fd);
    }
}

/// An event that nobody waits for, and that says what was known already, is one too many: a peer
/// that sends without pause while nobody reads must not wake the loop each time.
void Poller::note_useless(FdSlot& slot, i32 fd, u32 events) noexcept {
    u32 useless = 0;
    if ((events & input_events) != 0 && slot.has(FdSlot::readable) && slot.readers.empty()) {
        useless |= input_events;
    }
    if ((events & output_events) != 0 && slot.has(FdSlot::writable) && slot.writers.empty()) {
        useless |= output_events;
    }
    if (slot.has(FdSlot::guests)) {
        return;
    }
    const bool is_known =
        (events & input_events & ~useless) == 0 && (events & output_events & ~useless) == 0;
    const bool nobody_waits = slot.readers.empty() && slot.writers.empty();
    if (is_known && nobody_waits && (slot.in_flight == 0 || !slot.has(FdSlot::edge))) {
        drop(slot, fd);
    } else if ((slot.interest & useless) != 0 && slot.in_flight != 0) {
        slot.interest = static_cast<u16>(slot.interest & ~useless);
        slot.set(FdSlot::untold);
        enlist(slot, fd);
    }
}

} // namespace oxbow
