// The uncommon ways to hand entries out and to take completions back: full queues, 128-byte
// entries, 32-byte and mixed completions, copies.
#include "ring.h"

namespace oxbow {

namespace setup = abi::setup;

void Ring::look_at_sq_head() noexcept {
    // 128-byte entries are handed out by get_big_sqe alone: a limit of no room leads there.
    sq_.limit = has_big_entries() ? sq_.tail : load_acquire(sq_.shared_head) + sq_.entries;
}

Sqe* Ring::get_sqe_slowly() noexcept {
    OXBOW_CHECK(is_open(), "an entry of a closed ring was asked for");
    if (!is_open()) {
        return nullptr;
    }
    if (has_big_entries()) {
        return get_big_sqe();
    }
    look_at_sq_head(); // the SQPOLL thread may have moved it since
    if (sq_.tail == sq_.limit) {
        return nullptr;
    }
    return get_sqe();
}

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

/// Enters the kernel where that can bring completions; how many slots are filled then.
u32 Ring::fetch_completions() noexcept {
    if (must_get_events() && get_events() >= 0) {
        return cq_ready();
    }
    return 0;
}

/// The next completion among `slots` filled slots; skips fillers and takes them off `slots`.
const Cqe* Ring::next_of(u32& slots) noexcept {
    for (; slots != 0; --slots) {
        const Cqe* const cqe = cq_.next;
        if (!is_filler(*cqe)) {
            return cqe;
        }
        advance(1);
    }
    return nullptr;
}

const Cqe* Ring::peek_slowly() noexcept {
    u32 ready = cq_ready();
    if (ready == 0) {
        ready = fetch_completions();
    }
    return next_of(ready);
}

u32 Ring::copy(Cqe* destination, u32 room) noexcept {
    if (cq_.step == CqStep::one) {
        (void)peek(); // enters the kernel if only that can bring a completion
        const u32 ready = cq_ready();
        const u32 count = ready < room ? ready : room;
        const u32 first = *cq_.shared_head & cq_.mask;
        const u32 to_wrap = cq_.entries - first;
        const u32 straight = count < to_wrap ? count : to_wrap;
        __builtin_memcpy(destination, cq_.entry + first, straight * sizeof(Cqe));
        __builtin_memcpy(destination + straight, cq_.entry, (count - straight) * sizeof(Cqe));
        advance(count);
        return count;
    }
    u32 count = 0;
    while (count < room) {
        const Cqe* const cqe = peek();
        if (cqe == nullptr) {
            break;
        }
        destination[count++] = *cqe;
        seen(cqe);
    }
    return count;
}

u32 Ring::copy(BigCqe* destination, u32 room) noexcept {
    u32 count = 0;
    while (count < room) {
        const Cqe* const cqe = peek();
        if (cqe == nullptr) {
            break;
        }
        const bool big = cq_.step == CqStep::two || (cqe->flags & abi::cqe_flag::big) != 0;
        destination[count].cqe = *cqe;
        destination[count].extra[0] = big ? extra_of(*cqe)[0] : 0;
        destination[count].extra[1] = big ? extra_of(*cqe)[1] : 0;
        ++count;
        seen(cqe);
    }
    return count;
}

} // namespace oxbow
