// Ring: one io_uring instance, and everything that its two queues can do. It needs no loop and
// nothing beyond syscall/. The common path is here, inline; setting up is in ring_open.cc, entering
// the kernel in ring_enter.cc, the uncommon entry sizes in ring_entries.cc.
//
// A Ring belongs to one thread at a time, is opened where it stands, and must be closed by hand: it
// has no destructor, so that it may live in static storage of a program without a C library.
#pragma once

#include "../syscall/abi_signal.h"
#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"
#include "../syscall/atomic.h"
#include "../syscall/call_ring.h"
#include "../syscall/check.h"
#include "operations.h"
#include "reason.h"
#include "ring_options.h"

namespace oxbow {

using abi::BigCqe;
using abi::Cqe;
using abi::Sqe;

/// What a wait is for. The default waits for one completion, however long it takes.
///
/// (*) A ring with setup::iopoll and no thread may come back with fewer, though never with none:
/// the kernel looks at its devices only while the queue is empty. Take them, and wait again.
/// (**) Without a time limit the wait ends then with none, too; and a time limit that is earlier
/// counts only then (io_uring/io_uring.c, io_cqring_min_timer_wakeup).
struct Wait {
    static constexpr u64 for_ever = ~u64{0};

    u32 count = 1;                           ///< completion queue slots to wait for (*)
    u64 timeout_ns = for_ever;               ///< from now on, or
    u64 deadline_ns = for_ever;              ///< a point in the ring's clock; the earlier counts
    u32 min_wait_usec = 0;                   ///< 6.12: after it one completion is enough (**)
    const abi::SignalSet* signals = nullptr; ///< blocked while waiting, in place of the thread's
};

/// What one submit-and-wait did. Both parts are exact, whatever became of the other: a wait that
/// times out has still submitted, and says so.
struct [[nodiscard]] Entered {
    i32 error;     ///< 0; -ETIME: the time was up; -EINTR: see submit_and_wait; or as Ring::submit
    u32 submitted; ///< entries that the kernel consumed

    [[nodiscard]] bool ok() const noexcept { return error == 0; }
};

class Ring;

/// What only some rings do: SQPOLL, rewinding, 128-byte entries, 32-byte completions, no
/// descriptor. ring_uncommon.cc.
struct UncommonRing {
    static constexpr u32 setup_flags = abi::setup::sqpoll | abi::setup::sq_rewind |
                                       abi::setup::sqe128 | abi::setup::cqe32 |
                                       abi::setup::cqe_mixed | abi::setup::registered_fd_only;
    static const UncommonRing table;

    void (*adopt)(Ring& ring) noexcept;
    Sqe* (*get_sqe)(Ring& ring) noexcept;
    i32 (*submit)(Ring& ring, u32 count) noexcept;
    void (*after_enter)(Ring& ring, i32 result) noexcept;
    const Cqe* (*next)(Ring& ring, u32& slots) noexcept;
};

class Ring : public RingOperations<Ring> {
  public:
    // Each operation as one call: operations.h.
    using RingOperations::close;

    constexpr Ring() noexcept = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    // ---- Life ------------------------------------------------------------------------------

    /// Sets a ring up and maps it. 0, or a negative errno with the cause in `reason`; after an
    /// error nothing is left open or mapped. Options: ring_options.h.
    ///
    /// Inline, because constant options then decide what is linked: a program that never asks for
    /// SQPOLL, unusual entries or memory of its own does not carry them (`make size`).
    [[nodiscard, gnu::always_inline]] i32 open(const RingOptions& options,
                                               Reason* reason = nullptr) noexcept {
        OXBOW_CHECK(!is_open(), "Ring::open of a ring that is open");
        Reason unread;
        Reason& answer = reason != nullptr ? *reason : unread;
        u32 preferred_flags = preferred_flags_of(options);
        // Asked before anything is called, after which no compiler takes an option for a constant.
        const bool needs_memory = (options.flags & abi::setup::no_mmap) != 0;
        if (((options.flags | preferred_flags) & UncommonRing::setup_flags) != 0) {
            uncommon_ = &UncommonRing::table;
        }
        i32 result = 0;
        if (reason != nullptr) {
            *reason = {};
        }
        if (reason != nullptr || options.preferred_flags != RingOptions{}.preferred_flags) {
            result = check_options(options, preferred_flags, answer);
        }
        if (result == 0 && needs_memory) {
            result = provide_memory(options, answer);
        }
        if (result != 0) {
            close();
            return result;
        }
        result = open_checked(options, preferred_flags, answer);
        if (result == 0 && reason != nullptr) {
            *reason = {};
        }
        return result;
    }

    /// Unmaps and closes. What is in flight is cancelled by the kernel in its own time, and may
    /// still write to buffers until then: reap everything first. A closed ring may be opened again;
    /// closing it twice does nothing.
    void close() noexcept;

    /// Makes it a closed one, whatever was in its memory: as the constructor does, with less code.
    void become_closed() noexcept {
        __builtin_memset(static_cast<void*>(this), 0, sizeof(*this)); // it is, but for these
        fd_ = -1;
        enter_fd_ = -1;
        clock_ = abi::clock::monotonic;
    }

    [[nodiscard]] bool is_open() const noexcept { return sq_.entries != 0; }

    // ---- Submission ------------------------------------------------------------------------

    /// The next submission queue entry, all zero, or nullptr where the queue is full: submit, then
    /// ask again. It is handed to the kernel by the next submit, and not to be touched afterwards.
    /// With setup::sqe128 it is 128 bytes.
    [[nodiscard]] Sqe* get_sqe() noexcept {
        if (sq_.tail == sq_.limit) [[unlikely]] {
            return get_sqe_slowly();
        }
        return hand_out();
    }

    /// Whether get_sqe() has one without a look at what the kernel has consumed. (Not with
    /// setup::sqe128.)
    [[nodiscard]] bool has_sqe_at_hand() const noexcept { return sq_.tail != sq_.limit; }
    /// Looks, so that it has as many at hand as there is room for. (Likewise.)
    void get_sqes_at_hand() noexcept { sq_.limit = load_acquire(sq_.shared_head) + sq_.entries; }

    /// A 128-byte entry, of a ring with setup::sqe128 or setup::sqe_mixed; nullptr where it is full
    /// or has neither. In a mixed ring it takes two slots, and three where it would wrap: a no-op
    /// that posts no completion fills the last one.
    [[nodiscard]] Sqe* get_big_sqe() noexcept;

    /// Makes sure that the next `count` entries can be handed out without a submit between them, so
    /// that a chain of linked entries is never split; submits what is already prepared if it must,
    /// and with SQPOLL waits for the kernel's thread. 0; -EINVAL: more than the queue has; or as
    /// `submit`.
    [[nodiscard]] i32 reserve(u32 count) noexcept;

    /// Hands all prepared entries to the kernel. Returns how many it consumed, which is fewer where
    /// one of them is malformed (without setup::submit_all): the rest stays and goes with the next
    /// submit. Makes no system call where there is nothing to submit and no completion to fetch.
    ///
    /// -EAGAIN: the kernel has no memory for a request now. -EBUSY: completions overflowed, reap
    /// some first. -EBADR: the kernel lost a completion for want of memory (once per loss).
    /// -EBADFD: the ring is disabled, see enable_rings. -EEXIST: another thread is the single
    /// issuer. -EOWNERDEAD: the SQPOLL thread is gone. -EINTR: a signal. In all of them nothing was
    /// consumed and nothing is lost: submit again.
    [[nodiscard]] i32 submit() noexcept { return submit_and_wait(0); }

    /// `submit`, then waits until `count` completions are there; one system call for both, and none
    /// where there is nothing to submit and enough completions are there already. A polled ring may
    /// come back with fewer, and with none.
    [[nodiscard]] i32 submit_and_wait(u32 count) noexcept {
        const u32 to_submit = sq_ready();
        u32 flags = enter_flags_;
        if (count != 0 || must_get_events()) {
            flags |= abi::enter::getevents;
        }
        if (to_submit == 0 || (flags & uncommon_submit) != 0) [[unlikely]] {
            return submit_uncommonly(count);
        }
        store_release(sq_.shared_tail, sq_.tail);
        return kernel::io_uring_enter(enter_fd_, to_submit, count, flags);
    }

    /// `submit`, then waits as `wait` says; a relative time becomes a deadline once for all.
    /// -EINTR, for a signal or an entry's timeout that is over: call again with the same
    /// `deadline_ns`.
    Entered submit_and_wait(const Wait& wait) noexcept;

    /// Submits and waits with entry `index` of a WaitRegion (wait_region.h): nothing is copied into
    /// the kernel. -EFAULT: no such region or entry; -EINVAL: the ring polls its devices. Where
    /// entries were consumed, -ETIME stands for a signal too: the kernel does not tell. 6.13.
    Entered submit_and_wait_registered(u32 count, u32 index) noexcept;

    /// Waits until the SQPOLL thread has made room for an entry. 0 at once in other rings. 5.10.
    [[nodiscard]] i32 wait_for_sq_room() noexcept;

    /// Prepared entries that the kernel has not consumed.
    [[nodiscard]] u32 sq_ready() const noexcept {
        OXBOW_CHECK(is_open(), "the submission queue of a closed ring was used");
        // The kernel's own word on what it consumed; nothing is guessed from what enter answered. A
        // ring that rewinds (7.0) keeps its head at 0.
        return sq_.tail - load_acquire(sq_.shared_head);
    }
    /// Entries that get_sqe can hand out now.
    [[nodiscard]] u32 sq_space_left() const noexcept { return sq_.entries - sq_ready(); }
    /// Calls `visit(Sqe&)` for every prepared entry that the kernel has not consumed, oldest first;
    /// what it changes is what the kernel will see. Not in a ring with SQPOLL, whose thread may be
    /// reading them, nor in one that mixes entries of two sizes.
    template <class Visitor>
    void for_each_queued(Visitor&& visit) noexcept {
        OXBOW_CHECK(!polls_sq(), "entries were edited that the SQPOLL thread may be reading");
        for (u32 left = sq_ready(); left != 0; --left) {
            visit(sq_.entry[((sq_.tail - left) & sq_.mask) << sqe_shift_]);
        }
    }

    /// Entries that the kernel dropped as out of range: always 0, the index array is the identity.
    [[nodiscard]] u32 sq_dropped() const noexcept { return load_relaxed(sq_shared_dropped_); }

    // ---- Completion ------------------------------------------------------------------------

    /// Completion queue slots that are filled; makes no system call. In a mixed ring a big one is
    /// two.
    [[nodiscard]] u32 cq_ready() const noexcept {
        OXBOW_CHECK(is_open(), "the completion queue of a closed ring was used");
        return load_acquire(cq_.shared_tail) - *cq_.shared_head;
    }

    /// The oldest completion, valid until `seen`, or nullptr. Enters the kernel only where that can
    /// bring one: overflowed completions, task work waiting, or polled I/O.
    [[nodiscard]] const Cqe* peek() noexcept {
        if (plain_completions_ && cq_ready() != 0) [[likely]] {
            return cq_.next;
        }
        return peek_slowly();
    }

    /// Gives back the completion that `peek` or `wait` returned; nullptr is ignored.
    void seen(const Cqe* cqe) noexcept {
        if (cqe != nullptr) {
            advance(slots_of(*cqe));
        }
    }

    /// Gives back `slots` slots at once.
    void advance(u32 slots) noexcept {
        OXBOW_CHECK(slots <= cq_ready(), "more completions given back than there are");
        const u32 head = *cq_.shared_head + slots; // ours alone to write
        cq_.next = cq_.entry + ((head & cq_.mask) << cqe_shift_);
        store_release(cq_.shared_head, head);
    }

    /// Calls `visit(const Cqe&)` for every completion that is there now, oldest first, then gives
    /// them all back; returns how many it visited. It may prepare and submit entries, but not reap.
    template <class Visitor>
    [[gnu::always_inline]] u32 for_each(Visitor&& visit) noexcept;

    /// The same until `visit(cqe)` says false: that completion and all behind it stay. The entries
    /// are given back when the last visit has returned, so a visit may submit but not reap. Not in
    /// a ring with fillers or completions of two sizes.
    template <class Visitor>
    [[gnu::always_inline]] u32 for_each_while(Visitor&& visit) noexcept;

    /// Calls `visit(const Cqe&)` for every completion that is there now, and gives none back. Not
    /// in a ring with fillers or completions of two sizes.
    template <class Visitor>
    void for_each_ready(Visitor&& visit) const noexcept {
        const Cqe* at = cq_.next;
        for (u32 left = cq_ready(); left != 0; --left) {
            visit(*at);
            if (++at == cq_.wrap) {
                at = cq_.entry;
            }
        }
    }

    /// Copies up to `room` completions and gives them back; returns how many. Never waits; enters
    /// the kernel where `peek` would. The extra half of big completions needs the second form.
    u32 copy(Cqe* destination, u32 room) noexcept;
    u32 copy(BigCqe* destination, u32 room) noexcept;

    /// Waits as `wait` says without submitting, then copies. How many were copied, or a negative
    /// errno, -ETIME and -EINTR among them, where there are none.
    [[nodiscard]] i32 wait_and_copy(Cqe* destination, u32 room, const Wait& wait) noexcept;

    /// Waits for one completion and shows it as `peek` does. `*cqe` is always written. 0, -ETIME,
    /// -EINTR, or as `submit`. Submits nothing.
    [[nodiscard]] i32 wait(const Cqe** cqe, const Wait& wait = {}) noexcept;

    /// Lets the kernel post what it holds back: overflowed completions, task work, polled I/O.
    [[nodiscard]] i32 get_events() noexcept;

    /// Completions wait inside the kernel for room in the queue (FEAT_NODROP, 5.5). Before 6.1
    /// newer ones may overtake them.
    [[nodiscard]] bool overflowed() const noexcept {
        return (load_relaxed(sq_.shared_flags) & abi::sq_flag::cq_overflow) != 0;
    }
    /// Completions that the kernel dropped for want of room or memory.
    [[nodiscard]] u32 cq_overflow_count() const noexcept {
        return load_relaxed(cq_shared_overflow_);
    }

    /// The second half of a big completion; only where cqe_flag::big or setup::cqe32 says there is.
    [[nodiscard]] static const u64* extra_of(const Cqe& cqe) noexcept {
        return reinterpret_cast<const BigCqe&>(cqe).extra;
    }

    /// Whether a registered eventfd is written to for completions. 5.8.
    [[nodiscard]] bool eventfd_enabled() const noexcept;
    [[nodiscard]] i32 enable_eventfd(bool enabled) noexcept;

    // ---- The ring's descriptor ---------------------------------------------------------------

    /// io_uring_register on this ring, through its registered index where it has one.
    [[nodiscard]] i32 register_call(abi::RegisterOp operation, const void* argument,
                                    u32 count) noexcept;

    /// Registers the ring's descriptor with this thread, which from then on enters without a
    /// look-up of the file. Only the thread that called it may enter. 5.18; -EBUSY: all 16 slots
    /// are taken.
    [[nodiscard]] i32 register_ring_fd() noexcept;
    [[nodiscard]] i32 unregister_ring_fd() noexcept;

    /// Closes the descriptor of a ring that is registered: only the index is left. 6.3.
    [[nodiscard]] i32 close_ring_fd() noexcept;

    /// Changes the number of entries in place; what is queued on both sides moves along. 6.13, and
    /// only with setup::defer_taskrun. -EINVAL: not such a ring. -EOVERFLOW: what is queued does
    /// not fit. After an error with Stage::map_* in `reason` the ring is closed, else unchanged.
    /// (Up to Linux 7.2 the kernel forgets what is queued across index 2^32, because
    /// io_uring/register.c copies while head < tail; a drained ring loses nothing.)
    [[nodiscard]] i32 resize(u32 entries, u32 completion_entries = 0,
                             Reason* reason = nullptr) noexcept;

    /// The clock that waits are measured by: abi::clock::monotonic (at first) or boottime. 6.12.
    [[nodiscard]] i32 use_clock(u32 clock) noexcept;

    /// -1 where the ring has only an index.
    [[nodiscard]] i32 fd() const noexcept { return fd_; }
    /// What io_uring_enter takes: the descriptor or the registered index.
    [[nodiscard]] i32 enter_fd() const noexcept { return enter_fd_; }
    [[nodiscard]] bool fd_is_registered() const noexcept {
        return (enter_flags_ & abi::enter::registered_ring) != 0;
    }
    [[nodiscard]] u32 setup_flags() const noexcept { return setup_flags_; }
    [[nodiscard]] u32 features() const noexcept { return features_; }
    [[nodiscard]] bool has(u32 feature) const noexcept { return (features_ & feature) == feature; }
    [[nodiscard]] u32 sq_entries() const noexcept { return sq_.entries; }
    [[nodiscard]] u32 cq_entries() const noexcept { return is_open() ? cq_.mask + 1 : 0; }

    /// What RingOptions::dontfork asks for, of a ring that was opened without it; with one system
    /// call where its mappings are neighbours, as they mostly are.
    void keep_from_children() noexcept;

    /// From 6.15 on a wait is not counted as iowait (feature::no_iowait), since an idle loop is not
    /// a slow disk; `true` brings the kernel's old accounting back.
    void count_as_iowait(bool counted) noexcept;

  private:
    struct SubmissionQueue {
        Sqe* entry = nullptr; // before io_uring_setup: memory of setup::no_mmap
        u32 tail = 0;         // prepared up to here; the kernel sees it at the next flush
        u32 limit = 0;        // get_sqe may hand out up to here without another look
        u32* shared_head = nullptr;
        u32* shared_tail = nullptr;
        u32* shared_flags = nullptr;
        u32 mask = 0;
        u32 entries = 0; // 0: the ring is closed
    };

    struct CompletionQueue {
        u32* shared_head = nullptr;
        const u32* shared_tail = nullptr;
        const Cqe* next = nullptr;  // where the head is
        const Cqe* entry = nullptr; // as above
        const Cqe* wrap = nullptr;  // behind the last slot; null: not plain_completions_
        u32 mask = 0;               // of slots
        u32 big_flag = 0;           // in a mixed queue: what marks a completion of two slots
    };

    /// In enter_flags_, and never shown to the kernel: this ring's submit is not the common one
    /// (SQPOLL, rewinding, 128-byte entries). It is the sign bit, the cheapest one to look at.
    static constexpr u32 uncommon_submit = 1u << 31;

    struct Mapping {
        void* address = nullptr;
        usize bytes = 0;
    };

    friend struct RingMapper;
    friend struct UncommonRing;
    friend struct RingUncommonly;

    [[nodiscard]] i32 provide_memory(const RingOptions& options, Reason& reason) noexcept;
    [[nodiscard]] i32 open_checked(const RingOptions& options, u32 preferred_flags,
                                   Reason& reason) noexcept;

    [[nodiscard]] bool has_cq_flags() const noexcept;
    [[nodiscard]] bool polls_sq() const noexcept {
        return (setup_flags_ & abi::setup::sqpoll) != 0;
    }
    /// Whether it polls its devices, and only when it is entered.
    [[nodiscard]] bool looks_itself() const noexcept {
        return (setup_flags_ & (abi::setup::iopoll | abi::setup::sqpoll)) == abi::setup::iopoll;
    }
    [[nodiscard]] bool rewinds() const noexcept {
        return (setup_flags_ & abi::setup::sq_rewind) != 0;
    }
    [[nodiscard]] bool has_big_entries() const noexcept {
        return (setup_flags_ & abi::setup::sqe128) != 0;
    }
    [[nodiscard]] u32 slots_of(const Cqe& cqe) const noexcept {
        return (cqe.flags & cq_.big_flag) != 0 ? 2 : 1;
    }

    Sqe* hand_out() noexcept {
        Sqe* const sqe = sq_.entry + (sq_.tail++ & sq_.mask);
        __builtin_memset(static_cast<void*>(sqe), 0, sizeof(Sqe));
        return sqe;
    }
    Sqe* get_sqe_slowly() noexcept;
    const Cqe* peek_slowly() noexcept;
    /// The next completion among `slots` filled slots; fillers are given back and taken off
    /// `slots`.
    const Cqe* next_of(u32& slots) noexcept {
        return plain_completions_ ? (slots != 0 ? cq_.next : nullptr)
                                  : uncommon_->next(*this, slots);
    }
    /// for_each, where completions have fillers between them or are not of 16 bytes.
    template <class Visitor>
    [[gnu::always_inline]] u32 for_each_in(u32 slots, Visitor&& visit) noexcept;
    u32 fetch_completions() noexcept;
    void look_at_sq_head() noexcept;

    i32 submit_uncommonly(u32 count) noexcept;
    [[nodiscard]] bool must_get_events() const noexcept;
    [[nodiscard]] bool has_completions(u32 count) const noexcept;
    u32 flush() noexcept;
    u32 publish_to_thread() noexcept;
    [[nodiscard]] u32 wakeup_flag() const noexcept;
    i32 enter_once(u32 to_submit, u32 count, u32 flags, const void* argument = nullptr,
                   usize argument_bytes = 0) noexcept;
    [[nodiscard]] u64 now_ns() const noexcept;
    [[nodiscard]] u64 deadline_of(const Wait& wait) const noexcept;
    [[nodiscard]] u32 reachable(u32 count) const noexcept;
    Entered enter_until(const Wait& wait, bool submits) noexcept;
    [[nodiscard]] i32 why_early(const Wait& wait, u64 deadline_ns) const noexcept;
    i32 enter_timed(u32 to_submit, const Wait& wait, u64 deadline_ns) noexcept;
    i32 poll_until(const Wait& wait, u64 deadline_ns) noexcept;

    // What every round touches comes first, in two cache lines.
    i32 enter_fd_ = -1;
    u32 enter_flags_ = 0; // registered_ring, no_iowait and uncommon_submit, in every enter
    SubmissionQueue sq_;
    CompletionQueue cq_;
    i32 fd_ = -1;
    u32 setup_flags_ = 0;
    u32 features_ = 0;
    bool plain_completions_ = false; // 16 bytes each
    u8 sqe_shift_ = 0;               // 1 with 128-byte entries: they are twice as far apart
    u8 cqe_shift_ = 0;               // 1 with 32-byte completions
    bool dontfork_ = false;
    u32 clock_ = abi::clock::monotonic;
    u32* sq_shared_dropped_ = nullptr;
    u32* cq_shared_flags_ = nullptr;
    const u32* cq_shared_overflow_ = nullptr;
    Mapping sq_ring_;
    Mapping cq_ring_; // empty where one mapping holds both
    Mapping entries_;
    Mapping own_memory_; // with setup::no_mmap and no memory from the caller
    const UncommonRing* uncommon_ = nullptr;
    void (*release_fd_)(Ring&) noexcept = nullptr; // while the descriptor is registered
};

template <class Visitor>
inline u32 Ring::for_each(Visitor&& visit) noexcept {
    u32 tail = load_acquire(cq_.shared_tail);
    u32 count = tail - *cq_.shared_head;
    if (count == 0) [[unlikely]] {
        count = fetch_completions();
        if (count == 0) {
            return 0;
        }
        tail = *cq_.shared_head + count;
    }
    // Pointers, because an index would be masked and scaled for every completion; and up to the
    // queue's end without a look for it at each.
    const Cqe* at = cq_.next;
    const Cqe* stop = at + count;
    if (stop > cq_.wrap) [[unlikely]] {
        if (cq_.wrap == nullptr) {
            return for_each_in(count, visit);
        }
        stop = cq_.wrap;
    }
    for (;;) {
        do {
            visit(*at);
        } while (++at != stop);
        if (at != cq_.wrap) [[likely]] {
            break;
        }
        at = cq_.entry;
        stop = at + (tail & cq_.mask);
        if (at == stop) {
            break;
        }
    }
    cq_.next = at;
    store_release(cq_.shared_head, tail);
    return count;
}

template <class Visitor>
inline u32 Ring::for_each_in(u32 slots, Visitor&& visit) noexcept {
    u32 visited = 0;
    for (const Cqe* cqe = next_of(slots); cqe != nullptr; cqe = next_of(slots)) {
        visit(*cqe);
        ++visited;
        slots -= slots_of(*cqe);
        seen(cqe);
    }
    return visited;
}

template <class Visitor>
inline u32 Ring::for_each_while(Visitor&& visit) noexcept {
    u32 count = load_acquire(cq_.shared_tail) - *cq_.shared_head;
    if (count == 0) [[unlikely]] {
        count = fetch_completions();
    }
    u32 visited = 0;
    const Cqe* at = cq_.next;
    while (visited != count && visit(*at)) {
        ++visited;
        if (++at == cq_.wrap) {
            at = cq_.entry;
        }
    }
    cq_.next = at;
    store_release(cq_.shared_head, *cq_.shared_head + visited);
    return visited;
}

inline bool Ring::must_get_events() const noexcept {
    return (load_relaxed(sq_.shared_flags) & (abi::sq_flag::cq_overflow | abi::sq_flag::taskrun)) !=
               0 ||
           (setup_flags_ & abi::setup::iopoll) != 0;
}

} // namespace oxbow
