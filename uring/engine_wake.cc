// Wakes another loop by a completion that its ring gets from ours.
#include "../loop/needs.h"
#include "engine_state.h"
#include "prep.h"

namespace oxbow {

constexpr char detail::ring_wake_part = 0;

namespace uring_engine {

bool wake_other(Loop& loop, Loop& target) noexcept {
    static_assert(alignof(Loop) > message_bits);
    State& state = state_of(loop);
    if (!state.ring.has(abi::feature::cqe_skip) || !has(state, abi::Opcode::msg_ring)) {
        return false;
    }
    abi::Sqe* const sqe = entry(loop);
    if (sqe == nullptr) {
        return false;
    }
    prep::msg_ring(*sqe, target.ring_fd(), {.user_data = message_tag});
    prep::skip_success(*sqe);
    sqe->user_data = address_of(&target) | message_bits;
    return true;
}

/// What the kernel does not take now (-EAGAIN, -EBUSY, or a broken ring) would wait in the queue
/// for a run that may never come. So its place is left to something that does nothing.
void wake_others_now(Loop& loop) noexcept {
    (void)loop.engine().wait(loop, 0); // which also takes what the kernel says of those that fail
    state_of(loop).ring.for_each_queued([](abi::Sqe& sqe) noexcept {
        if ((sqe.user_data & message_bits) == message_bits) {
            wake_otherwise(sqe.user_data);
            sqe = {};
            prep::nop(sqe);
            prep::skip_success(sqe);
            sqe.user_data = unseen_tag;
        }
    });
}

void wake_otherwise(u64 user_data) noexcept {
    reinterpret_cast<Loop*>(static_cast<uptr>(user_data & ~u64{message_bits}))->write_wake();
}

} // namespace uring_engine
} // namespace oxbow
