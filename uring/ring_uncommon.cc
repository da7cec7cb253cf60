// What only some rings do: SQPOLL, rewinding, 128-byte entries, 32-byte and mixed completions, no
// descriptor. Ring reaches all of it through the table at the end, which is linked only into
// programs that may open such a ring (Ring::open).
#include "ring.h"

namespace oxbow {

namespace setup = abi::setup;

struct RingUncommonly {
    /// What differs before anything is mapped.
    static void adopt(Ring& ring) noexcept {
        const u32 flags = ring.setup_flags_;
        if ((flags & (setup::sqpoll | setup::sq_rewind | setup::sqe128)) != 0) {
            ring.enter_flags_ |= Ring::uncommon_submit;
        }
        if ((flags & setup::registered_fd_only) != 0 && ring.fd_ >= 0) {
            ring.enter_flags_ |= abi::enter::registered_ring; // setup answered an index
            ring.fd_ = -1;
            ring.release_fd_ = &release_fd;
        }
        ring.sqe_shift_ = (flags & setup::sqe128) != 0 ? 1 : 0;
        ring.cqe_shift_ = (flags & setup::cqe32) != 0 ? 1 : 0;
        ring.cq_.big_flag = (flags & setup::cqe_mixed) != 0 ? abi::cqe_flag::big : 0;
        ring.plain_completions_ = (flags & (setup::cqe32 | setup::cqe_mixed)) == 0;
    }

    [[nodiscard]] static Sqe* get_sqe(Ring& ring) noexcept { return ring.get_big_sqe(); }

    [[nodiscard]] static i32 submit(Ring& ring, u32 count) noexcept {
        if (ring.polls_sq()) {
            return submit_to_thread(ring, count);
        }
        const u32 to_submit = ring.flush();
        u32 flags = 0;
        if (count != 0 ? !ring.has_completions(count) : ring.must_get_events()) {
            flags = abi::enter::getevents;
        } else if (to_submit == 0) {
            return 0;
        }
        return ring.enter_once(to_submit, count, count != 0 ? abi::enter::getevents : flags);
    }

    /// With SQPOLL the entries are the thread's from the moment they are published, so that an
    /// error of the call that wakes it or waits does not take them back.
    [[nodiscard]] static i32 submit_to_thread(Ring& ring, u32 count) noexcept {
        const u32 fresh = ring.publish_to_thread();
        u32 flags = ring.wakeup_flag();
        if (!ring.has_completions(count) || ring.must_get_events()) {
            flags |= abi::enter::getevents;
        }
        if (flags == 0) {
            return static_cast<i32>(fresh);
        }
        const i32 result = ring.enter_once(0, ring.has_completions(count) ? 0 : count, flags);
        return result < 0 ? result : static_cast<i32>(fresh);
    }

    /// A ring that rewinds is read from its first slot at every enter (7.0), so that what a short
    /// submit left over has to move there.
    static void move_leftovers(Ring& ring, i32 result) noexcept {
        if (!ring.rewinds() || result <= 0) {
            return;
        }
        Ring::SubmissionQueue& sq = ring.sq_;
        const u32 done = static_cast<u32>(result);
        const u32 slots_per_entry = ring.has_big_entries() ? 2 : 1;
        __builtin_memmove(static_cast<void*>(sq.entry), sq.entry + usize{done} * slots_per_entry,
                          usize{sq.tail - done} * slots_per_entry * sizeof(Sqe));
        sq.tail -= done;
    }

    /// Where a mixed queue would wrap inside a big completion, the kernel fills its last slot.
    [[nodiscard]] static const Cqe* next(Ring& ring, u32& slots) noexcept {
        for (; slots != 0; --slots) {
            const Cqe* const cqe = ring.cq_.next;
            if (ring.cq_.big_flag == 0 || (cqe->flags & abi::cqe_flag::skip) == 0) {
                return cqe;
            }
            ring.advance(1);
        }
        return nullptr;
    }

    static void release_fd(Ring& ring) noexcept { (void)ring.unregister_ring_fd(); }
};

constinit const UncommonRing UncommonRing::table = {
    &RingUncommonly::adopt,          &RingUncommonly::get_sqe, &RingUncommonly::submit,
    &RingUncommonly::move_leftovers, &RingUncommonly::next,
};

Sqe* Ring::get_big_sqe() noexcept {
    look_at_sq_head();
    const u32 room = sq_space_left();
    Sqe* sqe = nullptr;
    if (has_big_entries()) {
        if (room == 0) {
            return nullptr;
        }
        sqe = sq_.entry + 2 * usize{sq_.tail & sq_.mask};
        sq_.tail += 1;
        sq_.limit = sq_.tail; // stays without room, so that get_sqe comes here again
    } else if ((setup_flags_ & setup::sqe_mixed) != 0) {
        const bool wraps = (sq_.tail & sq_.mask) == sq_.mask;
        if (room < (wraps ? 3u : 2u)) {
            return nullptr;
        }
        if (wraps) {
            Sqe* const filler = get_sqe();
            filler->opcode = static_cast<u8>(abi::Opcode::nop);
            filler->flags = abi::sqe_flag::cqe_skip_success;
        }
        sqe = sq_.entry + (sq_.tail & sq_.mask);
        sq_.tail += 2;
    } else {
        return nullptr;
    }
    __builtin_memset(static_cast<void*>(sqe), 0, 2 * sizeof(Sqe));
    return sqe;
}

} // namespace oxbow
