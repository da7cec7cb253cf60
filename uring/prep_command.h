// Commands that a driver or a file system of its own defines (uring_cmd), and the two of block
// devices. Those of sockets are in prep_socket.h. The contract of all preps is in prep.h.
#pragma once

#include "prep_entry.h"

namespace oxbow::prep {

/// A command of the file's own: NVMe passthrough, ublk, FUSE, sockets. What it needs besides its
/// number, the caller writes into the entry or into command_payload. Ends as the command says.
/// -EOPNOTSUPP: the file has no commands; -EINVAL, -ENOTTY: not this one. 5.19.
inline void uring_cmd(abi::Sqe& sqe, i32 fd, u32 command) noexcept {
    detail::start(sqe, abi::Opcode::uring_cmd, fd);
    // Not through the 64-bit `off`: the number would be in the wrong half on big-endian machines.
    sqe.command.op = command;
}

/// uring_cmd with an entry of 128 bytes (Ring::get_big_sqe), in a ring with setup::sqe_mixed. In
/// one with setup::sqe128, every uring_cmd has such an entry already. 6.19.
inline void uring_cmd128(abi::Sqe& sqe, i32 fd, u32 command) noexcept {
    detail::start(sqe, abi::Opcode::uring_cmd128, fd);
    sqe.command.op = command;
}

/// How many bytes of a command its entry carries itself.
inline constexpr u32 command_payload_bytes = 16;
inline constexpr u32 big_command_payload_bytes = 80; ///< in an entry of 128 bytes

/// Where a command's own bytes begin: 16 of them, 80 where the entry has 128 bytes.
[[nodiscard]] inline void* command_payload(abi::Sqe& sqe) noexcept {
    return reinterpret_cast<u8*>(&sqe) + __builtin_offsetof(abi::Sqe, command_data);
}

/// The command takes its data from registered buffer `buffer_index`. Before or after its prep. 6.1.
inline void command_fixed_buffer(abi::Sqe& sqe, u16 buffer_index) noexcept {
    sqe.op_flags |= abi::uring_cmd_fixed;
    sqe.buf_index = buffer_index;
}

/// The command goes on, each time with another buffer of `group`, until a completion without
/// cqe_flag::more. Sets sqe_flag::buffer_select. Before or after its prep. 6.18.
inline void command_multishot(abi::Sqe& sqe, u16 group) noexcept {
    sqe.op_flags |= abi::uring_cmd_multishot;
    select_buffer(sqe, group);
}

/// Commands of block devices. They are numbered as ioctls that carry nothing, which some machines
/// encode in their own way: include/uapi/linux/blkdev.h, asm/ioctl.h.
namespace block_command {
#if defined(__powerpc__) || defined(__mips__) || defined(__sparc__) || defined(__alpha__)
inline constexpr u32 discard = 0x20001200;        ///< 6.12
inline constexpr u32 zone_reset_all = 0x20001201; ///< after 7.2
#else
inline constexpr u32 discard = 0x1200;        ///< 6.12
inline constexpr u32 zone_reset_all = 0x1201; ///< after 7.2
#endif
} // namespace block_command

/// Tells a block device that a part of it is not needed; ends with 0. Unlike the ioctl BLKDISCARD
/// it excludes neither reads nor writes of that part: keep them away. -EOPNOTSUPP: the device
/// cannot; -EINVAL: not on its block boundaries, or beyond it; -EBADF: not open for writing;
/// -EPERM: read-only. 6.12.
inline void block_discard(abi::Sqe& sqe, i32 fd, const FileRange& range) noexcept {
    uring_cmd(sqe, fd, block_command::discard);
    sqe.addr = range.offset;
    sqe.third.addr3 = range.bytes;
}

/// Resets all zones of a zoned block device that must be written in order; ends with 0. As
/// block_discard, it excludes nothing that is in flight. -EOPNOTSUPP: not a zoned device; -EINVAL:
/// this kernel does not have it. Headers of Linux 7.2 do not have it yet.
inline void block_zone_reset_all(abi::Sqe& sqe, i32 fd) noexcept {
    uring_cmd(sqe, fd, block_command::zone_reset_all);
}

} // namespace oxbow::prep
