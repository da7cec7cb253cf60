// Operations on rings themselves: no-ops, messages from ring to ring, the table of direct
// descriptors, the older kind of provided buffers. The contract of all preps is in prep.h.
#pragma once

#include "prep_entry.h"

namespace oxbow::prep {

/// Does nothing and completes with 0: a wake-up, or a measurement. An entry that is all zero is one
/// already. 5.1.
inline void nop(abi::Sqe&) noexcept {
    static_assert(static_cast<u8>(abi::Opcode::nop) == 0);
}

/// What a no-op can be told to do, for tests and benchmarks. io_uring/nop.c.
struct NopOptions {
    u32 flags = 0;  ///< abi::nop_flag
    i32 result = 0; ///< with nop_flag::inject_result: what Cqe::result shall be
    i32 fd = -1;    ///< with nop_flag::file; a direct descriptor with nop_flag::fixed_file too
    u16 buffer_index = 0; ///< with nop_flag::fixed_buffer: a registered buffer
    u64 extra[2] = {};    ///< with nop_flag::big_cqe: what BigCqe::extra shall be
};

namespace detail {
inline void fill_nop(abi::Sqe& sqe, const NopOptions& options) noexcept {
    sqe.len = static_cast<u32>(options.result);
    sqe.op_flags = options.flags;
    sqe.off = options.extra[0];
    sqe.addr = options.extra[1];
    if ((options.flags & abi::nop_flag::fixed_buffer) != 0) {
        sqe.buf_index = options.buffer_index;
    }
}
} // namespace detail

/// A no-op that does what `options` say. A negative injected result fails the entry, and so breaks
/// a chain. -EBADF: no such file; -EFAULT: no such buffer; -EINVAL: a flag that this kernel lacks
/// (before 6.10 the flags were not looked at), or nop_flag::big_cqe in a ring with small
/// completions. 6.10; files, buffers and task work: 6.15.
inline void nop(abi::Sqe& sqe, const NopOptions& options) noexcept {
    detail::start(sqe, abi::Opcode::nop, options.fd);
    detail::fill_nop(sqe, options);
}

/// As nop, with an entry of 128 bytes (Ring::get_big_sqe). -EINVAL in a ring that has only entries
/// of 64 bytes. 6.19.
inline void nop128(abi::Sqe& sqe) noexcept {
    detail::start(sqe, abi::Opcode::nop128, -1);
}

/// As nop with options, with an entry of 128 bytes. 6.19.
inline void nop128(abi::Sqe& sqe, const NopOptions& options) noexcept {
    detail::start(sqe, abi::Opcode::nop128, options.fd);
    detail::fill_nop(sqe, options);
}

/// A completion to be posted on another ring.
struct RingMessage {
    u64 user_data = 0; ///< its Cqe::user_data
    i32 result = 0;    ///< its Cqe::result
};

/// Posts a completion on the ring with descriptor `ring_fd`, which may be this one. Ends with 0.
/// -EBADFD: that is no ring, or a disabled one; -EOVERFLOW: its completion queue is full and could
/// not be extended; -EOWNERDEAD: the task that it belongs to is gone. 5.18.
inline void msg_ring(abi::Sqe& sqe, i32 ring_fd, const RingMessage& message) noexcept {
    detail::start(sqe, abi::Opcode::msg_ring, ring_fd);
    sqe.addr = abi::msg_ring_flag::data;
    sqe.off = message.user_data;
    sqe.len = static_cast<u32>(message.result);
}

/// As msg_ring, and chooses Cqe::flags of the posted completion; the kernel may add bits. 6.3.
inline void msg_ring_cqe_flags(abi::Sqe& sqe, i32 ring_fd, const RingMessage& message,
                               u32 cqe_flags) noexcept {
    msg_ring(sqe, ring_fd, message);
    sqe.op_flags = abi::msg_ring_flag::flags_pass;
    sqe.file_index = cqe_flags;
}

/// A direct descriptor on its way to another ring.
struct RingDescriptor {
    u32 source = 0;                     ///< its slot in this ring
    DirectDescriptor target = allocate; ///< where to put it in the other ring
    u64 user_data = 0;                  ///< Cqe::user_data of the completion posted there
    bool without_completion = false;    ///< post nothing there
};

/// Gives the ring `ring_fd` a direct descriptor of this ring, which keeps its own. Both rings get
/// the slot (target `allocate`) or 0 as the result. -EINVAL: both rings are the same; -EBADF: the
/// source slot is empty; -ENFILE: the other table is full; -ENXIO: it has none; -EBADFD: that is no
/// ring, or a disabled one; -EOVERFLOW: the file is there but its completion could not be posted,
/// so tell the other side some other way (io_uring/msg_ring.c). 6.0.
inline void msg_ring_fd(abi::Sqe& sqe, i32 ring_fd, const RingDescriptor& descriptor) noexcept {
    detail::start(sqe, abi::Opcode::msg_ring, ring_fd);
    sqe.addr = abi::msg_ring_flag::send_fd;
    sqe.off = descriptor.user_data;
    sqe.third.addr3 = descriptor.source;
    sqe.file_index = descriptor.target.encoded();
    sqe.op_flags = detail::when(descriptor.without_completion, abi::msg_ring_flag::cqe_skip);
}

/// Some slots of the table of direct descriptors, and what to put there.
struct FilesUpdate {
    const i32* fds = nullptr; ///< -1 empties a slot, abi::register_files_skip leaves it alone
    u32 count = 0;
    u32 first_slot = 0;
};

/// Replaces direct descriptors. Ends with the number of slots done, which is short where one of the
/// descriptors was bad. `fds` lives until the completion, since a kernel thread may read it.
/// -ENXIO: there is no table; -EINVAL: the slots are beyond it; -EBADF: the first descriptor is not
/// open, or is a ring. 5.6.
inline void files_update(abi::Sqe& sqe, const FilesUpdate& update) noexcept {
    detail::start(sqe, abi::Opcode::files_update, -1);
    sqe.addr = address_of(update.fds);
    sqe.len = update.count;
    sqe.off = update.first_slot;
}

/// Puts `count` descriptors into slots that the kernel chooses, and writes the slots over `fds`.
/// Ends with the number done; -ENFILE: no slot was free. `fds` lives until the completion. 5.19.
inline void files_update_allocate(abi::Sqe& sqe, i32* fds, u32 count) noexcept {
    detail::start(sqe, abi::Opcode::files_update, -1);
    sqe.addr = address_of(fds);
    sqe.len = count;
    sqe.off = abi::file_index_alloc;
}

/// Whether a descriptor survives execve.
enum class OnExec : u32 {
    close = 0,
    keep = abi::fixed_fd_no_cloexec,
};

/// Makes an ordinary descriptor for the file in slot `index`, and ends with its number; the slot
/// keeps the file. Sets sqe_flag::fixed_file, and leaves the other flags as they are. -EMFILE: too
/// many descriptors are open; -EPERM: the entry has a personality. 6.8.
inline void fixed_fd_install(abi::Sqe& sqe, u32 index, OnExec on_exec = OnExec::close) noexcept {
    detail::start(sqe, abi::Opcode::fixed_fd_install, static_cast<i32>(index));
    sqe.flags |= abi::sqe_flag::fixed_file;
    sqe.op_flags = static_cast<u32>(on_exec);
}

/// Buffers of one size, one behind the other.
struct ProvidedBuffers {
    void* memory = nullptr; ///< `count` times `bytes_each`
    u32 bytes_each = 0;
    u32 count = 0; ///< at most 65535
    u16 group = 0;
    u16 first_id = 0; ///< the others count on from it
};

/// Gives buffers to a group, for select_buffer. A buffer that was used is gone from the group until
/// it is given again. Where there are buffer rings (5.19), they are faster and need no entry. Ends
/// with 0 or, on older kernels, the number given. -E2BIG: none, or more than 65535; -EOVERFLOW:
/// count times size; -EINVAL: an id beyond 65535, or the group is a buffer ring. The memory is the
/// kernel's until a completion names the buffer or it is removed. 5.7.
inline void provide_buffers(abi::Sqe& sqe, const ProvidedBuffers& buffers) noexcept {
    detail::start(sqe, abi::Opcode::provide_buffers, static_cast<i32>(buffers.count));
    sqe.addr = address_of(buffers.memory);
    sqe.len = buffers.bytes_each;
    sqe.off = buffers.first_id;
    sqe.buf_index = buffers.group;
}

/// How many buffers to take back, and from which group.
struct RemovedBuffers {
    u32 count = 0; ///< at most 65535
    u16 group = 0;
};

/// Takes buffers back from a group, in no certain order. Ends with their number, which may be less.
/// -ENOENT: no such group; -EINVAL: it is a buffer ring. 5.7.
inline void remove_buffers(abi::Sqe& sqe, const RemovedBuffers& buffers) noexcept {
    detail::start(sqe, abi::Opcode::remove_buffers, static_cast<i32>(buffers.count));
    sqe.buf_index = buffers.group;
}

} // namespace oxbow::prep
