// The table of registered files. The place of a file in it is the number of its descriptor, so that
// nothing has to be kept but a bit of the descriptor's slot: entries carry the number either way,
// and that bit says by which of the two tables the kernel is to understand it.
//
// From 5.19 on the kernel would have such a table. But up to 6.12 a file that leaves it is let go
// of only when everything has ended that began before on any file of the table (io_uring/rsrc.c,
// io_rsrc_node_ref_zero): one quiet connection would keep all those open that were closed since,
// and their peers would see no end. 6.13 counts each file by itself. The first feature bit that
// tells of it came with 6.14.
#include "../loop/needs.h"
#include "../syscall/call_process.h"
#include "engine_state.h"
#include "register_files.h"

namespace oxbow {

constexpr char detail::ring_fds_part = 0;

namespace uring_engine {

void open_files(Loop& loop, State& state) noexcept {
    u32 count = loop.options().registered_fds;
    if (count == 0 || !state.ring.has(abi::feature::rw_attr)) {
        return;
    }
    // The kernel refuses more than these; and no descriptor is beyond the limit of the process,
    // unless that has been lowered since.
    abi::Rlimit limit = {};
    const u32 bounds[] = {
        loop.fds().count,
        registered_files_max,
        kernel::prlimit(0, abi::resource::open_files, nullptr, &limit) == 0 &&
                limit.current < registered_files_max
            ? static_cast<u32>(limit.current)
            : registered_files_max,
    };
    for (const u32 bound : bounds) {
        count = bound < count ? bound : count;
    }
    // -ENOMEM, a restriction, a limit lowered meanwhile: then there is none.
    if (register_files_sparse(state.ring, count) == 0) {
        state.registered_fds = count;
    }
}

void close_files(State& state) noexcept {
    // The kernel takes a ring apart some time after its last descriptor is closed, and a child of
    // fork(2) may have one. The files are not to wait for that. A refusal cannot be helped.
    (void)unregister_files(state.ring);
}

bool register_fd(Loop& loop, i32 fd) noexcept {
    State& state = state_of(loop);
    if (static_cast<u32>(fd) >= state.registered_fds) {
        return false;
    }
    ++loop.counters().syscalls;
    if (update_files(state.ring, static_cast<u32>(fd), &fd, 1) != 1) {
        unregister_fd(loop, fd); // if it was, its place is empty now
        return false;
    }
    loop.fds().slots[fd].set(FdSlot::registered);
    return true;
}

void unregister_fd(Loop& loop, i32 fd) noexcept {
    State& state = state_of(loop);
    FdSlot* const slot = loop.fds().slot(fd);
    if (slot == nullptr || !slot->has(FdSlot::registered)) {
        return;
    }
    slot->clear(FdSlot::registered);
    // What the kernel has taken on keeps the file that it began with. What it has not seen yet
    // would find an empty place.
    state.ring.for_each_queued([fd](abi::Sqe& sqe) noexcept {
        if (sqe.fd == fd && (sqe.flags & abi::sqe_flag::fixed_file) != 0) {
            sqe.flags = static_cast<u8>(sqe.flags & ~abi::sqe_flag::fixed_file);
        }
    });
    constexpr i32 none = -1;
    ++loop.counters().syscalls;
    // It does not fail in a place that exists, on the thread that runs the loop.
    (void)update_files(state.ring, static_cast<u32>(fd), &none, 1);
}

} // namespace uring_engine
} // namespace oxbow
