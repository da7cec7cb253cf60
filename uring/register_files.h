// The table of direct descriptors: files that a ring knows by index, so that no operation has to
// look a descriptor up. sqe_flag::fixed_file makes Sqe::fd such an index. The contract of all
// registrations is in register.h.
#pragma once

#include "../syscall/abi_process.h"
#include "../syscall/call_process.h"
#include "../syscall/errno.h"
#include "ring.h"

namespace oxbow {

/// The most slots that a table may have: io_uring/rsrc.c, IORING_MAX_FIXED_FILES.
inline constexpr u32 registered_files_max = 1u << 20;

/// Makes a table of `count` slots that hold these files; -1 leaves a slot empty (5.5). The ring
/// keeps the files open itself: the descriptors may be closed.
///
/// -EBUSY: there is a table already; -EINVAL: `count` is 0; -EBADF: one of them is not open, or is
/// a ring; -EMFILE: more slots than registered_files_max or, from 5.13 on, than RLIMIT_NOFILE
/// (raise_file_limit). Up to 5.12 it also waits until nothing is in flight. 5.1.
[[nodiscard]] inline i32 register_files(Ring& ring, const i32* fds, u32 count) noexcept {
    return ring.register_call(abi::RegisterOp::files, fds, count);
}

namespace register_detail {

[[nodiscard]] inline i32 register_resources(Ring& ring, abi::RegisterOp operation, u32 count,
                                            const void* data, const u64* tags) noexcept {
    abi::RsrcRegister request = {};
    request.count = count;
    request.flags = data == nullptr ? abi::rsrc_register_sparse : 0;
    request.data = address_of(data);
    request.tags = address_of(tags);
    // In place of a count the kernel takes the size of the struct, to tell later versions apart.
    return ring.register_call(operation, &request, sizeof(request));
}

[[nodiscard]] inline i32 update_resources(Ring& ring, abi::RegisterOp operation, u32 first_slot,
                                          const void* data, const u64* tags, u32 count) noexcept {
    abi::RsrcUpdate request = {};
    request.offset = first_slot;
    request.data = address_of(data);
    request.tags = address_of(tags);
    request.count = count;
    return ring.register_call(operation, &request, sizeof(request));
}

} // namespace register_detail

/// Makes a table of `count` empty slots, for update_files and for operations that put their file
/// straight into it. -EBUSY, -EINVAL, -EMFILE: as register_files. 5.19.
[[nodiscard]] inline i32 register_files_sparse(Ring& ring, u32 count) noexcept {
    return register_detail::register_resources(ring, abi::RegisterOp::files2, count, nullptr,
                                               nullptr);
}

/// register_files with a tag per slot. When a file has left its slot and the last operation on it
/// is over, a completion comes with the tag as its user data and a result of 0; a tag of 0 means
/// none, and is all that an empty slot may have (-EINVAL). Needs feature::rsrc_tags. 5.13.
[[nodiscard]] inline i32 register_files_tagged(Ring& ring, const i32* fds, const u64* tags,
                                               u32 count) noexcept {
    return register_detail::register_resources(ring, abi::RegisterOp::files2, count, fds, tags);
}

/// Replaces files from slot `first_slot` on: -1 empties a slot, abi::register_files_skip (5.12)
/// leaves it as it is. Operations in flight keep the file that they started with.
///
/// How many slots were done, which is short where one of the descriptors was bad: the slot of the
/// bad one is empty then. -ENXIO: there is no table; -EINVAL: the slots are beyond it, or `count`
/// is 0; -EOVERFLOW: first_slot + count; -EBADF: the first one is not open, or is a ring. 5.5.
[[nodiscard]] inline i32 update_files(Ring& ring, u32 first_slot, const i32* fds,
                                      u32 count) noexcept {
    abi::FilesUpdate request = {};
    request.offset = first_slot;
    request.fds = address_of(fds);
    return ring.register_call(abi::RegisterOp::files_update, &request, count);
}

/// update_files with a tag per slot, as in register_files_tagged. 5.13.
[[nodiscard]] inline i32 update_files_tagged(Ring& ring, u32 first_slot, const i32* fds,
                                             const u64* tags, u32 count) noexcept {
    return register_detail::update_resources(ring, abi::RegisterOp::files_update2, first_slot, fds,
                                             tags, count);
}

/// Empties the table and removes it, at once (before 5.13 after a wait for what is in flight).
/// -ENXIO: there is none. 5.1.
[[nodiscard]] inline i32 unregister_files(Ring& ring) noexcept {
    return ring.register_call(abi::RegisterOp::unregister_files, nullptr, 0);
}

/// Slots from `first_slot` on are the ones that operations with prep::allocate may take; the others
/// are left to those that name their slot. At first it is the whole table. -EINVAL: beyond the
/// table, or there is none; -EOVERFLOW: first_slot + count. The man page's "nr_args must be 1" is
/// wrong: the kernel takes 0 only (io_uring/register.c). 6.0.
[[nodiscard]] inline i32 set_file_alloc_range(Ring& ring, u32 first_slot, u32 count) noexcept {
    abi::FileIndexRange range = {};
    range.offset = first_slot;
    range.count = count;
    return ring.register_call(abi::RegisterOp::file_alloc_range, &range, 0);
}

/// Raises the soft RLIMIT_NOFILE of this process to `count`, where it is lower, and returns 0. For
/// after -EMFILE of a registration: the kernel compares the slots with that limit, although they
/// are no descriptors. liburing does it by itself; here it has to be asked for, since the limit is
/// the whole process's and select(2) overruns its sets above 1024. -EPERM: above the hard limit.
[[nodiscard]] inline i32 raise_file_limit(u64 count) noexcept {
    abi::Rlimit limit = {};
    const i32 result = kernel::prlimit(0, abi::resource::open_files, nullptr, &limit);
    if (result < 0 || limit.current >= count) {
        return result;
    }
    if (limit.maximum < count) {
        return -Errno::eperm; // a privileged process could raise that one too, but must do so
                              // itself
    }
    limit.current = count;
    return kernel::prlimit(0, abi::resource::open_files, &limit);
}

} // namespace oxbow
