// The uncommon moments of handing entries out and taking completions back: a full queue, an empty
// one, copies.
#include "ring.h"

namespace oxbow {

void Ring::look_at_sq_head() noexcept {
    // 128-byte entries are handed out by get_big_sqe alone: a limit of no room leads there.
    sq_.limit = has_big_entries() ? sq_.tail : load_acquire(sq_.shared_head) + sq_.entries;
}

/// Looks what was consumed since, by the SQPOLL thread too.
Sqe* Ring::get_sqe_slowly() noexcept {
    OXBOW_CHECK(is_open(), "an entry of a closed ring was asked for");
    if (!is_open()) {
        return nullptr;
    }
    if (has_big_entries()) {
        return uncommon_->get_sqe(*this);
    }
    look_at_sq_head();
    return has_sqe_at_hand() ? hand_out() : nullptr;
}

/// Enters the kernel where that can bring completions; how many slots are filled then.
u32 Ring::fetch_completions() noexcept {
    if (must_get_events() && get_events() >= 0) {
        return cq_ready();
    }
    return 0;
}

const Cqe* Ring::peek_slowly() noexcept {
    u32 ready = cq_ready();
    if (ready == 0) {
        ready = fetch_completions();
    }
    return next_of(ready);
}

u32 Ring::copy(Cqe* destination, u32 room) noexcept {
    if (plain_completions_) {
        (void)peek(); // enters the kernel if only that can bring a completion
        const u32 ready = cq_ready();
        const u32 count = ready < room ? ready : room;
        const u32 first = *cq_.shared_head & cq_.mask;
        const u32 to_wrap = (cq_.mask + 1) - first;
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
        const bool big = cqe_shift_ != 0 || slots_of(*cqe) == 2;
        destination[count].cqe = *cqe;
        destination[count].extra[0] = big ? extra_of(*cqe)[0] : 0;
        destination[count].extra[1] = big ? extra_of(*cqe)[1] : 0;
        ++count;
        seen(cqe);
    }
    return count;
}

} // namespace oxbow
