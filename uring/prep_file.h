// Operations on the contents of files: reading, writing, syncing, space, advice, pipes. What takes
// a path is in prep_path.h. The contract of all preps is in prep.h.
#pragma once

#include "../syscall/abi_file.h"
#include "prep_entry.h"

namespace oxbow::prep {

/// As an offset: the file's own position, which the transfer moves on. Concurrent transfers on one
/// position race; give offsets where you can, and always with O_DIRECT: the kernel does not move it
/// behind what a device ends later (io_uring/rw.c, kiocb_done). Pipes, sockets and terminals take
/// this or 0. Before feature::rw_cur_pos (5.6) it was taken at its word.
using abi::current_position;

/// What a read or write rarely needs.
struct TransferOptions {
    u32 flags = 0;    ///< abi::rw_flag; -EOPNOTSUPP: not with this file
    u16 priority = 0; ///< I/O priority, as ioprio_set(2) takes it; 0: the thread's own
};

namespace detail {
inline void fill_transfer(abi::Sqe& sqe, const void* address, u32 count, u64 offset,
                          const TransferOptions& options) noexcept {
    sqe.addr = address_of(address);
    sqe.len = count;
    sqe.off = offset;
    sqe.op_flags = options.flags;
    add_ioprio(sqe, options.priority);
}
} // namespace detail

// ---- Reading and writing ------------------------------------------------------------------------
//
// Each ends with the number of bytes, which may be short and is at most 0x7ffff000; 0 from a read
// is the end of the file. -EAGAIN: it would wait, and rw_flag::nowait is given; O_NONBLOCK counts
// on older kernels only (on 6.18 the ring waits all the same). -EIO: the device; -EISDIR: a
// directory; -ESPIPE: an offset where there is none. Writes too: -ENOSPC, -EDQUOT: no room; -EFBIG:
// beyond the largest file; -EPIPE: nobody reads; SIGPIPE may come with it, unless rw_flag::nosignal
// is given (6.18) or the signal is ignored. With O_DIRECT, -EINVAL: address, length or offset is
// not aligned.

/// Reads up to `count` bytes. The buffer lives until the completion; nullptr with
/// select_buffer. 5.6.
inline void read(abi::Sqe& sqe, i32 fd, void* buffer, u32 count, u64 offset,
                 const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::read, fd);
    detail::fill_transfer(sqe, buffer, count, offset, options);
}

/// Writes up to `count` bytes. The buffer lives until the completion. 5.6.
inline void write(abi::Sqe& sqe, i32 fd, const void* buffer, u32 count, u64 offset,
                  const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::write, fd);
    detail::fill_transfer(sqe, buffer, count, offset, options);
}

/// Reads into `count` buffers, at most 1024. The vector lives until submit, the buffers until the
/// completion. For one buffer, read is cheaper. With select_buffer: one element, of which only the
/// length counts. liburing's readv2 is this with flags. 5.1.
inline void readv(abi::Sqe& sqe, i32 fd, const abi::IoVec* vector, u32 count, u64 offset,
                  const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::readv, fd);
    detail::fill_transfer(sqe, vector, count, offset, options);
}

/// Writes from `count` buffers, at most 1024. Lifetimes as with readv. 5.1.
inline void writev(abi::Sqe& sqe, i32 fd, const abi::IoVec* vector, u32 count, u64 offset,
                   const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::writev, fd);
    detail::fill_transfer(sqe, vector, count, offset, options);
}

/// Reads into a part of registered buffer `buffer_index`, which need not begin where that begins.
/// -EFAULT: there is no such buffer, or the part leaves it. 5.1.
inline void read_fixed(abi::Sqe& sqe, i32 fd, void* buffer, u32 count, u64 offset, u16 buffer_index,
                       const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::read_fixed, fd);
    detail::fill_transfer(sqe, buffer, count, offset, options);
    sqe.buf_index = buffer_index;
}

/// Writes from a part of registered buffer `buffer_index`. Errors as read_fixed. 5.1.
inline void write_fixed(abi::Sqe& sqe, i32 fd, const void* buffer, u32 count, u64 offset,
                        u16 buffer_index, const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::write_fixed, fd);
    detail::fill_transfer(sqe, buffer, count, offset, options);
    sqe.buf_index = buffer_index;
}

/// Reads into parts of one registered buffer. The vector lives until submit. 6.15.
inline void readv_fixed(abi::Sqe& sqe, i32 fd, const abi::IoVec* vector, u32 count, u64 offset,
                        u16 buffer_index, const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::readv_fixed, fd);
    detail::fill_transfer(sqe, vector, count, offset, options);
    sqe.buf_index = buffer_index;
}

/// Writes from parts of one registered buffer. The vector lives until submit. 6.15.
inline void writev_fixed(abi::Sqe& sqe, i32 fd, const abi::IoVec* vector, u32 count, u64 offset,
                         u16 buffer_index, const TransferOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::writev_fixed, fd);
    detail::fill_transfer(sqe, vector, count, offset, options);
    sqe.buf_index = buffer_index;
}

/// Reads whenever there is something, each time into another buffer of `group`, until a completion
/// without cqe_flag::more. Sets sqe_flag::buffer_select. Only for files that can be polled and have
/// no position: pipes, tun devices, terminals; -EBADFD: this is none. -ENOBUFS: the group ran
/// empty, submit again when it is filled. There is no length: the kernel refuses any but 0
/// (io_uring/rw.c), whatever the man page of liburing's prep says. 6.7.
inline void read_multishot(abi::Sqe& sqe, i32 fd, u16 group, u64 offset = 0) noexcept {
    detail::start(sqe, abi::Opcode::read_multishot, fd);
    sqe.off = offset;
    select_buffer(sqe, group);
}

/// A read or write carries protection information, for devices that check it. `information` lives
/// until submit, the memory that it points to until the completion. The file must be open with
/// O_DIRECT. 6.14, feature::rw_attr.
inline void protection_information(abi::Sqe& sqe, const abi::AttributePi* information) noexcept {
    sqe.attributes.pointer = address_of(information);
    sqe.attributes.type_mask = abi::rw_attr_flag_pi;
}

/// A write is a part of stream `number` of its file, so that the device may keep what will be
/// discarded together in one place. 0 is no stream. -EINVAL: the file has fewer. 6.16.
inline void write_stream(abi::Sqe& sqe, u8 number) noexcept {
    sqe.write_stream.stream = number;
}

// ---- Durability, space and advice ---------------------------------------------------------------

/// What fsync shall flush.
struct FsyncOptions {
    bool data_only = false; ///< as fdatasync(2): no metadata that a read does not need
    u64 offset = 0;
    u32 bytes = 0; ///< 0: up to the end
};

/// Flushes a file to its device; ends with 0. It does not wait for writes that are in flight: link
/// it behind them, or submit it after their completions. -EIO, -ENOSPC: an earlier write was lost.
/// 5.1.
inline void fsync(abi::Sqe& sqe, i32 fd, const FsyncOptions& options = {}) noexcept {
    detail::start(sqe, abi::Opcode::fsync, fd);
    sqe.off = options.offset;
    sqe.len = options.bytes;
    sqe.op_flags = detail::when(options.data_only, abi::fsync_datasync);
}

/// fsync with data_only. 5.1.
inline void fdatasync(abi::Sqe& sqe, i32 fd) noexcept {
    fsync(sqe, fd, {.data_only = true});
}

/// A part of a file to write out.
struct SyncRange {
    u64 offset = 0;
    u32 bytes = 0; ///< 0: up to the end
    u32 flags = 0; ///< abi::sync_range_flag
};

/// Starts or awaits the writing of pages; ends with 0. Not a way to make data durable: it writes no
/// metadata and does not flush the device, see sync_file_range(2). -ESPIPE: a pipe. 5.2.
inline void sync_file_range(abi::Sqe& sqe, i32 fd, const SyncRange& range) noexcept {
    detail::start(sqe, abi::Opcode::sync_file_range, fd);
    sqe.off = range.offset;
    sqe.len = range.bytes;
    sqe.op_flags = range.flags;
}

/// Reserves, removes or zeroes a part of a file, as `mode` says (abi::fallocate_mode); ends with 0.
/// -ENOSPC: no room; -EOPNOTSUPP: not in this file system; -EFBIG: beyond the largest file;
/// -ENODEV: no regular file; -ETXTBSY, -EPERM: the file is in use or sealed. 5.6.
inline void fallocate(abi::Sqe& sqe, i32 fd, const FileRange& range, i32 mode = 0) noexcept {
    detail::start(sqe, abi::Opcode::fallocate, fd);
    sqe.off = range.offset;
    sqe.addr = range.bytes; // not the length field, which has 32 bits and is taken by the mode
    sqe.len = static_cast<u32>(mode);
}

/// Makes a file `bytes` long; ends with 0. -EINVAL: no regular file, or not open for writing;
/// -EFBIG: beyond the largest file; -EPERM: sealed or append-only; -ETXTBSY: it is being
/// executed. 6.9.
inline void ftruncate(abi::Sqe& sqe, i32 fd, u64 bytes) noexcept {
    detail::start(sqe, abi::Opcode::ftruncate, fd);
    sqe.off = bytes;
}

/// Says how a part of a file will be used (abi::fadvice); ends with 0. A length beyond 32 bits goes
/// into another field, which kernels before 6.11 refuse with -EINVAL; a shorter one works on all.
/// -ESPIPE: a pipe. 5.6.
inline void fadvise(abi::Sqe& sqe, i32 fd, const FileRange& range, i32 advice) noexcept {
    detail::start(sqe, abi::Opcode::fadvise, fd);
    sqe.off = range.offset;
    if ((range.bytes >> 32) == 0) {
        sqe.len = static_cast<u32>(range.bytes);
    } else {
        sqe.addr = range.bytes;
    }
    sqe.op_flags = static_cast<u32>(advice);
}

/// Says how memory will be used (abi::madvice); ends with 0. Long lengths as with fadvise. -ENOMEM:
/// a part is not mapped. 5.6.
inline void madvise(abi::Sqe& sqe, void* address, u64 bytes, i32 advice) noexcept {
    detail::start(sqe, abi::Opcode::madvise, -1);
    sqe.addr = address_of(address);
    if ((bytes >> 32) == 0) {
        sqe.len = static_cast<u32>(bytes);
    } else {
        sqe.off = bytes;
    }
    sqe.op_flags = static_cast<u32>(advice);
}

// ---- Pipes --------------------------------------------------------------------------------------

/// From where to where splice moves; one of the two must be a pipe.
struct Splice {
    i32 from_fd = -1;
    u64 from_offset = current_position; ///< of a pipe: current_position
    bool from_is_direct = false;        ///< from_fd is a direct descriptor's slot
    i32 to_fd = -1;                     ///< a direct descriptor's slot with fixed_file(sqe)
    u64 to_offset = current_position;   ///< of a pipe: current_position
    u32 bytes = 0;
    u32 flags = 0; ///< abi::splice_flag
};

/// Moves bytes between a pipe and a file, without copying where it can; ends with their number, 0
/// at the end of the input. It always runs in a kernel thread. -EINVAL: neither is a pipe, or the
/// file cannot be spliced; -ESPIPE: an offset for a pipe; -EPIPE: nobody reads. 5.7.
inline void splice(abi::Sqe& sqe, const Splice& splice) noexcept {
    detail::start(sqe, abi::Opcode::splice, splice.to_fd);
    sqe.off = splice.to_offset;
    sqe.addr = splice.from_offset;
    sqe.len = splice.bytes;
    sqe.op_flags = splice.flags | detail::when(splice.from_is_direct, abi::splice_fd_in_fixed);
    sqe.splice_fd_in = splice.from_fd;
}

/// From which pipe to which tee copies.
struct Tee {
    i32 from_fd = -1;
    bool from_is_direct = false; ///< from_fd is a direct descriptor's slot
    i32 to_fd = -1;              ///< a direct descriptor's slot with fixed_file(sqe)
    u32 bytes = 0;
    u32 flags = 0; ///< abi::splice_flag
};

/// Duplicates what is in one pipe into another, which then share the pages; ends with the number of
/// bytes, 0 where nobody writes any more. -EINVAL: one is no pipe, or both are the same. 5.8.
inline void tee(abi::Sqe& sqe, const Tee& tee) noexcept {
    detail::start(sqe, abi::Opcode::tee, tee.to_fd);
    sqe.len = tee.bytes;
    sqe.op_flags = tee.flags | detail::when(tee.from_is_direct, abi::splice_fd_in_fixed);
    sqe.splice_fd_in = tee.from_fd;
}

/// Makes a pipe; ends with 0, the reading end in fds[0], the writing end in fds[1]. `fds` lives
/// until the completion. `flags` are O_CLOEXEC, O_NONBLOCK, O_DIRECT. -EMFILE, -ENFILE: too many
/// open. 6.16.
inline void pipe(abi::Sqe& sqe, i32* fds, i32 flags = 0) noexcept {
    detail::start(sqe, abi::Opcode::pipe, 0);
    sqe.addr = address_of(fds);
    sqe.op_flags = static_cast<u32>(flags);
}

/// Makes a pipe of direct descriptors: in slot n and n + 1, or in two that the kernel chooses, as
/// `fds` says afterwards. -ENFILE: no two are free; -EINVAL: with O_CLOEXEC, or beyond the table.
/// 6.16.
inline void pipe_direct(abi::Sqe& sqe, i32* fds, DirectDescriptor slots, i32 flags = 0) noexcept {
    pipe(sqe, fds, flags);
    sqe.file_index = slots.encoded();
}

} // namespace oxbow::prep
