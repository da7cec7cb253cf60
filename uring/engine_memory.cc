// Registered memory: areas whose pages the kernel has looked up and holds, in a table of the ring.
// The table has few places, so that an operation finds its area by looking through them.
#include "../loop/needs.h"
#include "engine_state.h"
#include "register_buffers.h"

namespace oxbow {

constexpr char detail::ring_memory_part = 0;

namespace uring_engine {

namespace {

/// Puts an area, or none, into a place of the kernel's table; whether it could.
[[nodiscard]] bool update(Loop& loop, u32 place, void* memory, usize bytes) noexcept {
    const abi::IoVec area = {memory, bytes};
    ++loop.counters().syscalls;
    return update_buffers(state_of(loop).ring, place, &area, nullptr, 1) == 1;
}

/// A place of no area; areas_max: there is none.
[[nodiscard]] u32 free_place(const State& state) noexcept {
    u32 place = 0;
    while (place < areas_max && state.area[place].bytes != 0) {
        ++place;
    }
    return place;
}

/// Lets an entry mean the same without the table.
void use_addresses(abi::Sqe& sqe) noexcept {
    switch (static_cast<abi::Opcode>(sqe.opcode)) {
    case abi::Opcode::read_fixed:
        sqe.opcode = static_cast<u8>(abi::Opcode::read);
        break;
    case abi::Opcode::write_fixed:
        sqe.opcode = static_cast<u8>(abi::Opcode::write);
        break;
    case abi::Opcode::send_zc:
        sqe.ioprio = static_cast<u16>(sqe.ioprio & ~abi::recvsend_flag::fixed_buf);
        break;
    default: // its buf_index is a group of buffers
        return;
    }
    sqe.buf_index = 0;
}

} // namespace

bool register_memory(Loop& loop, void* memory, usize bytes) noexcept {
    State& state = state_of(loop);
    const u32 place = free_place(state);
    if (place == areas_max || bytes > area_bytes_max) {
        return false;
    }
    if (!state.has_area_table) {
        ++loop.counters().syscalls;
        // Before 5.19 there are no empty places, and -EINVAL; -ENOMEM is possible.
        if (register_buffers_sparse(state.ring, areas_max) != 0) {
            return false;
        }
        state.has_area_table = true;
    }
    if (!update(loop, place, memory, bytes)) {
        return false; // -EFAULT, -ENOMEM, -EOPNOTSUPP: as Loop::register_memory says
    }
    state.area[place] = {reinterpret_cast<uptr>(memory), bytes};
    state.areas = place < state.areas ? state.areas : place + 1;
    return true;
}

void unregister_memory(Loop& loop, void* memory) noexcept {
    State& state = state_of(loop);
    for (u32 place = 0; place < state.areas; ++place) {
        Area& area = state.area[place];
        if (area.bytes == 0 || area.begin != reinterpret_cast<uptr>(memory)) {
            continue;
        }
        area = {};
        // What the kernel has not seen yet would find an empty place.
        state.ring.for_each_queued([place](abi::Sqe& sqe) noexcept {
            if (sqe.buf_index == place) {
                use_addresses(sqe);
            }
        });
        (void)update(loop, place, nullptr, 0); // it does not fail where there is a table
        return;
    }
}

} // namespace uring_engine
} // namespace oxbow
