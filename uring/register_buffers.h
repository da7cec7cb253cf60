// The table of registered buffers, whose pages the kernel has looked up and pinned once and for
// all, and the calls beneath buffer rings (those are meant to be used through buffers.h). The
// contract of all registrations is in register.h.
#pragma once

#include "../syscall/abi_file.h"
#include "register_files.h"
#include "ring.h"

namespace oxbow {

/// The most buffers that a table may have: io_uring/rsrc.c, IORING_MAX_REG_BUFFERS.
inline constexpr u32 registered_buffers_max = 1u << 14;

/// Makes a table of these buffers, for the fixed operations (prep::read_fixed, prep::send_zc_fixed
/// ...), which may use any part of a buffer. A null address of no length leaves a slot empty
/// (5.13).
///
/// The pages are pinned: they stay in memory, and are charged against RLIMIT_MEMLOCK unless the
/// process has CAP_IPC_LOCK. Memory that is unmapped and mapped anew is another one: the kernel
/// goes on using the old pages. A fork leaves the pages to the parent (5.12).
///
/// -EBUSY: there is a table already; -EINVAL: no buffers, or more than registered_buffers_max;
/// -EFAULT: not mapped, not writable, empty or above 1 GiB; -ENOMEM: RLIMIT_MEMLOCK; -EOPNOTSUPP:
/// memory of a file on disk. 5.1.
[[nodiscard]] inline i32 register_buffers(Ring& ring, const abi::IoVec* buffers,
                                          u32 count) noexcept {
    return ring.register_call(abi::RegisterOp::buffers, buffers, count);
}

/// Makes a table of `count` empty slots, for update_buffers. Using an empty one ends an operation
/// with -EFAULT. 5.19.
[[nodiscard]] inline i32 register_buffers_sparse(Ring& ring, u32 count) noexcept {
    return register_detail::register_resources(ring, abi::RegisterOp::buffers2, count, nullptr,
                                               nullptr);
}

/// register_buffers with a tag per slot. When a buffer has left the table and the last operation on
/// it is over, a completion comes with the tag as its user data and a result of 0: only then its
/// memory may be used for something else. 0 means no tag, and is all that an empty slot may have
/// (-EINVAL). Needs feature::rsrc_tags. 5.13.
[[nodiscard]] inline i32 register_buffers_tagged(Ring& ring, const abi::IoVec* buffers,
                                                 const u64* tags, u32 count) noexcept {
    return register_detail::register_resources(ring, abi::RegisterOp::buffers2, count, buffers,
                                               tags);
}

/// Replaces buffers from slot `first_slot` on; a null address of no length empties a slot. `tags`
/// may be nullptr. Operations in flight keep the buffer that they started with.
///
/// How many slots were done, which is short where one of the buffers was bad: its slot keeps what
/// it had. -ENXIO: there is no table; -EINVAL: the slots are beyond it, or `count` is 0; otherwise
/// as register_buffers. 5.13.
[[nodiscard]] inline i32 update_buffers(Ring& ring, u32 first_slot, const abi::IoVec* buffers,
                                        const u64* tags, u32 count) noexcept {
    return register_detail::update_resources(ring, abi::RegisterOp::buffers_update, first_slot,
                                             buffers, tags, count);
}

/// Empties the table and removes it. Pages are let go when the last operation on them is over.
/// -ENXIO: there is none. 5.1.
[[nodiscard]] inline i32 unregister_buffers(Ring& ring) noexcept {
    return ring.register_call(abi::RegisterOp::unregister_buffers, nullptr, 0);
}

/// Which buffers to clone, and where to.
struct CloneRange {
    u32 source_slot = 0;      ///< 6.13, as all below
    u32 destination_slot = 0; ///< the table grows if it must
    u32 count = 0;            ///< 0: all, and both slots must be 0 too
    bool replace = false;     ///< the destination may have a table, and gives up these slots of it
};

/// Gives `ring` registered buffers of `source`, without looking their pages up or charging them a
/// second time. Tags are not cloned.
///
/// -ENXIO: the source has none; -EBUSY: the destination has a table, and not `replace`; -EINVAL: a
/// slot without a count, more than the source has, or another user's ring; -EOVERFLOW: beyond the
/// source's table; -EEXIST: the source's single issuer is another thread. 6.12.
[[nodiscard]] inline i32 clone_buffers(Ring& ring, const Ring& source,
                                       const CloneRange& range = {}) noexcept {
    abi::CloneBuffers request = {};
    // The flag says that source_fd is an index, and so only goes with one: a ring with a descriptor
    // besides its index is named by that, since an index is of this thread only.
    if (source.fd() >= 0) {
        request.source_fd = static_cast<u32>(source.fd());
    } else {
        request.source_fd = static_cast<u32>(source.enter_fd());
        request.flags = abi::clone_src_registered;
    }
    request.flags |= range.replace ? abi::clone_dst_replace : 0;
    request.source_offset = range.source_slot;
    request.destination_offset = range.destination_slot;
    request.count = range.count;
    return ring.register_call(abi::RegisterOp::clone_buffers, &request, 1);
}

/// Makes a buffer group out of a ring of buffers in shared memory. class BufferRing fills
/// `request`.
///
/// -EEXIST: the group exists, and is a ring or has buffers; -EINVAL: entries are no power of two
/// below 65536, the address is not at a page boundary or, with buffer_ring_flag::mmap, not 0;
/// buffer_ring_flag::incremental before 6.12. The memory is pinned until the group is unregistered
/// or the ring is gone. 5.19.
[[nodiscard]] inline i32 register_buffer_ring(Ring& ring,
                                              const abi::BufferRingRegister& request) noexcept {
    return ring.register_call(abi::RegisterOp::pbuf_ring, &request, 1);
}

/// Removes a buffer ring. Operations that have a buffer of it already go on; the others end with
/// -ENOBUFS. -ENOENT: no such group; -EINVAL: its buffers were provided one by one. 5.19.
[[nodiscard]] inline i32 unregister_buffer_ring(Ring& ring, u16 group) noexcept {
    abi::BufferRingRegister request = {};
    request.group_id = group;
    return ring.register_call(abi::RegisterOp::unregister_pbuf_ring, &request, 1);
}

/// How far the kernel has come in a buffer ring: `*head` counts buffers and wraps at 65536, as the
/// ring's tail does. -ENOENT, -EINVAL: as unregister_buffer_ring. 6.8.
[[nodiscard]] inline i32 buffer_ring_head(Ring& ring, u16 group, u16* head) noexcept {
    abi::BufferRingStatus status = {};
    status.group_id = group;
    const i32 result = ring.register_call(abi::RegisterOp::pbuf_status, &status, 1);
    *head = static_cast<u16>(status.head);
    return result;
}

} // namespace oxbow
