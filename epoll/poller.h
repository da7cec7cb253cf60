// What the epoll engine knows, and its parts: epoll_engine.cc has what the loop calls, common.cc
// the common ways through it, attempt.cc tries operations, guests.cc those that wait for more or
// other than their own descriptor, interest.cc keeps the epoll set, wait.cc waits and deals with
// events.
#pragma once

#include "../loop/loop.h"
#include "../loop/perform.h"
#include "engine.h"
#include "events.h"

namespace oxbow {

class Poller {
  public:
    static Poller& of(Loop& loop) noexcept { return *static_cast<Poller*>(loop.engine_state()); }

    // epoll_engine.cc
    [[nodiscard]] static i32 create(Loop& loop, const EpollOptions& options) noexcept;
    void destroy() noexcept;
    void cancel(Completion& target) noexcept;
    void close_fd(Completion& operation) noexcept;

    // common.cc
    void submit(Completion& operation) noexcept;
    void resume(Completion& operation) noexcept;
    [[nodiscard]] bool receive(Completion& operation) noexcept;

    // wait.cc
    [[nodiscard]] i32 wait(u64 deadline_ns) noexcept;

  private:
    /// What became of an attempt.
    enum class Outcome : u8 {
        left,  ///< it has ended, has told a result, or waits somewhere else
        waits, ///< its descriptor is not ready
        later, ///< it is to be tried again, without an event
    };

    static constexpr u32 events_max = 64;
    static constexpr i32 events_room = static_cast<i32>(events_max);
    /// So few doubtful descriptors are asked after without a look at what has come before.
    static constexpr u32 doubts_few = 4;
    /// How many are asked after between two looks.
    static constexpr u32 doubts_batch = 32;
    /// Waits that bring something, after which doubtful ones have their turn all the same.
    static constexpr u32 busy_waits_max = 64;
    /// Events of registrations that nobody can take out, after which there is a new set.
    static constexpr u32 stale_events_max = 8;
    static constexpr u64 wake_data = ~u64{0};
    /// How often a transfer of everything goes on before others have their turn.
    static constexpr u32 steps_max = 16;
    /// Between two attempts of an operation that no event will come for.
    static constexpr u64 blind_ns = 1000000;
    /// Of a connect of a blocking socket: each takes some ticks of the kernel's (perform.h).
    static constexpr u64 blind_connect_ns = 20 * blind_ns;

    /// Of a completion: no event comes when it can go on.
    static constexpr u8 blind = Completion::engine_bit_a;
    /// Of a completion: it stands among those without a descriptor.
    static constexpr u8 guest = Completion::engine_bit_b;

    // epoll_engine.cc
    [[nodiscard]] i32 open() noexcept;
    void submit_any(Completion& operation) noexcept;
    void resume_any(FdSlot& slot, Completion& operation) noexcept;
    void start(Completion& operation) noexcept;
    [[nodiscard]] static bool is_tried_at_once(FdSlot& slot, const Completion& operation,
                                               u16 direction) noexcept;
    void start_aside(FdSlot& slot, Completion& operation) noexcept;
    void forget_what_was(FdSlot& slot, i32 fd) noexcept;
    void enter(CompletionList& list, Completion& operation, bool at_front) noexcept {
        operation.state = State::engine;
        if (at_front) {
            list.push_front(operation);
        } else {
            list.push(operation);
        }
        ++waiting_;
    }
    void leave(CompletionList& list, Completion& operation) noexcept {
        list.remove(operation);
        --waiting_;
    }
    void finish(Completion& operation, i32 value, u32 flags = 0) noexcept;
    void deliver(Completion& operation, i32 value, u32 flags = 0) noexcept;
    [[nodiscard]] static bool waits_for_output(const Completion& operation) noexcept {
        return way_of(operation) == Way::output;
    }
    [[nodiscard]] static CompletionList& list_of(FdSlot& slot,
                                                 const Completion& operation) noexcept {
        return waits_for_output(operation) ? slot.writers : slot.readers;
    }

    // attempt.cc
    [[nodiscard]] Outcome attempt(Completion& operation, Patience patience) noexcept;
    [[nodiscard]] bool is_cut_read(const Completion& operation, i32 value) noexcept;
    [[nodiscard]] Outcome attempt_all(Completion& operation, Patience patience) noexcept;
    [[nodiscard]] Outcome attempt_managed(Completion& operation, Patience patience) noexcept;
    void end_managed(Completion& operation, i32 value, u32 flags) noexcept;
    [[nodiscard]] Outcome attempt_connect(Completion& operation) noexcept;
    [[nodiscard]] Outcome wait_again(Completion& operation, Patience patience) noexcept;
    [[nodiscard]] i32 perform_now(const Completion& operation, Patience patience) noexcept;
    void note_emptied(const Completion& operation, i32 value) noexcept;
    void go_on_unwatched(Completion& operation) noexcept;
    void give_to_worker(Completion& operation) noexcept;
    void serve(FdSlot& slot, i32 fd, u16 direction, Patience patience) noexcept;
    void try_again(FdSlot& slot, i32 fd, const Completion& operation) noexcept;
    void serve_aside(FdSlot& slot, u32 events) noexcept;
    static void count_away(FdSlot& slot, bool goes) noexcept;
    [[nodiscard]] static bool is_away(const FdSlot& slot) noexcept {
        return slot.flags >= FdSlot::one_away;
    }
    [[nodiscard]] static Completion* first_in_order(const FdSlot& slot,
                                                    const CompletionList& list) noexcept;

    // common.cc
    [[nodiscard]] static bool only_receives(const FdSlot& slot, const Completion& operation,
                                            u16 of_no_matter) noexcept;
    void take_event(const abi::EpollEvent& event) noexcept;
    void take_event_behind(FdSlot& slot, i32 fd, u32 events) noexcept;
    [[nodiscard]] bool receive_now(Completion& operation) noexcept;
    [[nodiscard]] bool receive_before_others(Completion& operation) noexcept;
    [[nodiscard]] bool receive_later(Completion& operation) noexcept;
    [[nodiscard]] bool receive_nothing(Completion& operation, u16 id, i32 error) noexcept;

    // guests.cc
    [[nodiscard]] Outcome attempt_splice(Completion& operation) noexcept;
    void start_child(Completion& operation) noexcept;
    [[nodiscard]] Outcome attempt_child(Completion& operation) noexcept;
    void end_child(Completion& operation, i32 value) noexcept;
    void enter_as_guest(Completion& operation, FdSlot& slot, i32 fd, u16 events) noexcept;
    void serve_guests(FdSlot& slot, i32 fd) noexcept;
    void refuse_guests(FdSlot& slot, i32 fd, i32 error) noexcept;
    [[nodiscard]] CompletionList take_guests(FdSlot& slot, i32 fd) noexcept;
    [[nodiscard]] static i32 watched_fd(const Completion& guest_operation) noexcept;

    // interest.cc
    void watch(FdSlot& slot, i32 fd, u16 events) noexcept;
    void enlist(FdSlot& slot, i32 fd) noexcept;
    void learn(FdSlot& slot, i32 fd, u16 events) noexcept;
    [[nodiscard]] i32 tell(FdSlot& slot, i32 fd) noexcept;
    void refused(FdSlot& slot, i32 fd, i32 error) noexcept;
    void refused(CompletionList& list, i32 error) noexcept;
    void drop(FdSlot& slot, i32 fd) noexcept;
    void doubt(FdSlot& slot, i32 fd) noexcept;
    void ask_after_doubtful(u32 most) noexcept;
    void renew_set() noexcept;
    [[nodiscard]] static bool someone_waits(const FdSlot& slot) noexcept {
        return !slot.readers.empty() || !slot.writers.empty() || slot.has(FdSlot::guests);
    }
    void settle() noexcept;
    void settle(FdSlot& slot, i32 fd) noexcept;

    // wait.cc
    [[nodiscard]] i32 collect(u64 deadline_ns) noexcept;
    [[nodiscard]] i32 ask_kernel(u64 deadline_ns) noexcept;
    [[nodiscard]] i32 ask_kernel_until(u64 deadline_ns) noexcept;
    void fetch_ahead(i32 event, i32 count) const noexcept;
    void take_other_event(FdSlot& slot, i32 fd, u32 events) noexcept;
    void note_useless(FdSlot& slot, i32 fd, u32 events) noexcept;

    // It lives in the room that a loop has for its engine, and is zero at first.
    Loop* loop_;
    i32 epoll_fd_;
    bool use_pwait2_;
    bool blind_are_due_;
    bool produced_;    // something has become ready since the wait began
    u32 first_listed_; // of the slots to be looked at before the next wait: number plus one, or 0
    u32 waiting_;      // operations in lists
    u32 stale_events_; // in this set
    u32 fd_highest_;   // that this set was told of
    u32 busy_waits_;   // since doubtful ones were asked after
    u32 doubtful_count_;
    u32 doubtful_first_;
    u64 blind_at_ns_; // when blind ones are tried again; ~0: there are none
    i32* doubtful_;   // a ring of numbers, with room for each
    abi::EpollEvent events_[events_max];
};

} // namespace oxbow
