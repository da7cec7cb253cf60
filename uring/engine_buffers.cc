// Buffer pools as buffer rings, from which the kernel takes by itself (5.19).
#include "engine_state.h"
#include "register_buffers.h"

namespace oxbow::uring_engine {

namespace {

[[nodiscard]] abi::BufferRingEntry* ring_of(const BufferPool& pool) noexcept {
    return static_cast<abi::BufferRingEntry*>(pool.ring_memory.base);
}

} // namespace

i32 open_pool(Loop& loop, BufferPool& pool) noexcept {
    State& state = state_of(loop);
    pool.kernel_takes = false;
    if (!state.features.buffer_rings) {
        return 0; // buffers are taken when the descriptor is ready
    }
    ring_of(pool)->tail = 0;
    pool.group = state.next_group++;
    abi::BufferRingRegister request = {};
    request.ring_addr = address_of(pool.ring_memory.base);
    request.ring_entries = pool.ring_entries();
    request.group_id = pool.group;
    if (register_buffer_ring(state.ring, request) != 0) {
        return 0; // no memory for it, a restriction, a kernel without: the same
    }
    pool.kernel_takes = true;
    pool.offer_all();
    return 0;
}

void close_pool(Loop& loop, BufferPool& pool) noexcept {
    if (pool.kernel_takes) {
        // A refusal cannot be helped; the kernel keeps its hold of the pages until the ring is
        // gone.
        (void)unregister_buffer_ring(state_of(loop).ring, pool.group);
        pool.kernel_takes = false;
    }
}

} // namespace oxbow::uring_engine
