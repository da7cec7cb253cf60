// The io_uring interface: entries, rings and their flags, in our own structs and under our own
// names, so that a program may also include <linux/io_uring.h>. Behind each constant stands the
// first mainline kernel that has it; distributions carry some back, so ask the kernel
// (uring/probe.h). What io_uring_register takes is in abi_uring_register.h, zero-copy receive in
// abi_uring_zcrx.h. Source: include/uapi/linux/io_uring.h up to Linux 7.3; test/abi_header_test.cc
// compares the two.
#pragma once

#include "types.h"

namespace oxbow::abi {

/// What a submission queue entry asks for. Behind each, its first kernel.
enum class Opcode : u8 {
    nop = 0,               ///< 5.1
    readv = 1,             ///< 5.1
    writev = 2,            ///< 5.1
    fsync = 3,             ///< 5.1
    read_fixed = 4,        ///< 5.1
    write_fixed = 5,       ///< 5.1
    poll_add = 6,          ///< 5.1
    poll_remove = 7,       ///< 5.1
    sync_file_range = 8,   ///< 5.2
    sendmsg = 9,           ///< 5.3
    recvmsg = 10,          ///< 5.3
    timeout = 11,          ///< 5.4
    timeout_remove = 12,   ///< 5.5
    accept = 13,           ///< 5.5
    async_cancel = 14,     ///< 5.5
    link_timeout = 15,     ///< 5.5
    connect = 16,          ///< 5.5
    fallocate = 17,        ///< 5.6
    openat = 18,           ///< 5.6
    close = 19,            ///< 5.6
    files_update = 20,     ///< 5.6
    statx = 21,            ///< 5.6
    read = 22,             ///< 5.6
    write = 23,            ///< 5.6
    fadvise = 24,          ///< 5.6
    madvise = 25,          ///< 5.6
    send = 26,             ///< 5.6
    recv = 27,             ///< 5.6
    openat2 = 28,          ///< 5.6
    epoll_ctl = 29,        ///< 5.6
    splice = 30,           ///< 5.7
    provide_buffers = 31,  ///< 5.7
    remove_buffers = 32,   ///< 5.7
    tee = 33,              ///< 5.8
    shutdown = 34,         ///< 5.11
    renameat = 35,         ///< 5.11
    unlinkat = 36,         ///< 5.11
    mkdirat = 37,          ///< 5.15
    symlinkat = 38,        ///< 5.15
    linkat = 39,           ///< 5.15
    msg_ring = 40,         ///< 5.18
    fsetxattr = 41,        ///< 5.19
    setxattr = 42,         ///< 5.19
    fgetxattr = 43,        ///< 5.19
    getxattr = 44,         ///< 5.19
    socket = 45,           ///< 5.19
    uring_cmd = 46,        ///< 5.19
    send_zc = 47,          ///< 6.0
    sendmsg_zc = 48,       ///< 6.1
    read_multishot = 49,   ///< 6.7
    waitid = 50,           ///< 6.7
    futex_wait = 51,       ///< 6.7
    futex_wake = 52,       ///< 6.7
    futex_waitv = 53,      ///< 6.7
    fixed_fd_install = 54, ///< 6.8
    ftruncate = 55,        ///< 6.9
    bind = 56,             ///< 6.11
    listen = 57,           ///< 6.11
    recv_zc = 58,          ///< 6.15
    epoll_wait = 59,       ///< 6.15
    readv_fixed = 60,      ///< 6.15
    writev_fixed = 61,     ///< 6.15
    pipe = 62,             ///< 6.16
    nop128 = 63,           ///< 6.19
    uring_cmd128 = 64,     ///< 6.19
};

/// Flags of io_uring_setup.
namespace setup {
inline constexpr u32 iopoll = 1u << 0;              ///< 5.1
inline constexpr u32 sqpoll = 1u << 1;              ///< 5.1
inline constexpr u32 sq_aff = 1u << 2;              ///< 5.1
inline constexpr u32 cqsize = 1u << 3;              ///< 5.5
inline constexpr u32 clamp = 1u << 4;               ///< 5.6
inline constexpr u32 attach_wq = 1u << 5;           ///< 5.6
inline constexpr u32 r_disabled = 1u << 6;          ///< 5.10
inline constexpr u32 submit_all = 1u << 7;          ///< 5.18
inline constexpr u32 coop_taskrun = 1u << 8;        ///< 5.19
inline constexpr u32 taskrun_flag = 1u << 9;        ///< 5.19
inline constexpr u32 sqe128 = 1u << 10;             ///< 5.19
inline constexpr u32 cqe32 = 1u << 11;              ///< 5.19
inline constexpr u32 single_issuer = 1u << 12;      ///< 6.0
inline constexpr u32 defer_taskrun = 1u << 13;      ///< 6.1
inline constexpr u32 no_mmap = 1u << 14;            ///< 6.5
inline constexpr u32 registered_fd_only = 1u << 15; ///< 6.5
inline constexpr u32 no_sqarray = 1u << 16;         ///< 6.6
inline constexpr u32 hybrid_iopoll = 1u << 17;      ///< 6.13
inline constexpr u32 cqe_mixed = 1u << 18;          ///< 6.18
inline constexpr u32 sqe_mixed = 1u << 19;          ///< 6.19
inline constexpr u32 sq_rewind = 1u << 20;          ///< 7.0
} // namespace setup

/// Feature bits that io_uring_setup answers.
namespace feature {
inline constexpr u32 single_mmap = 1u << 0;      ///< 5.4
inline constexpr u32 nodrop = 1u << 1;           ///< 5.5
inline constexpr u32 submit_stable = 1u << 2;    ///< 5.5
inline constexpr u32 rw_cur_pos = 1u << 3;       ///< 5.6
inline constexpr u32 cur_personality = 1u << 4;  ///< 5.6
inline constexpr u32 fast_poll = 1u << 5;        ///< 5.7
inline constexpr u32 poll_32bits = 1u << 6;      ///< 5.9
inline constexpr u32 sqpoll_nonfixed = 1u << 7;  ///< 5.11
inline constexpr u32 ext_arg = 1u << 8;          ///< 5.11
inline constexpr u32 native_workers = 1u << 9;   ///< 5.12
inline constexpr u32 rsrc_tags = 1u << 10;       ///< 5.13
inline constexpr u32 cqe_skip = 1u << 11;        ///< 5.17
inline constexpr u32 linked_file = 1u << 12;     ///< 5.17
inline constexpr u32 reg_reg_ring = 1u << 13;    ///< 6.3
inline constexpr u32 recvsend_bundle = 1u << 14; ///< 6.10
inline constexpr u32 min_timeout = 1u << 15;     ///< 6.12
inline constexpr u32 rw_attr = 1u << 16;         ///< 6.14
inline constexpr u32 no_iowait = 1u << 17;       ///< 6.15
} // namespace feature

/// Flags of io_uring_enter.
namespace enter {
inline constexpr u32 getevents = 1u << 0;       ///< 5.1
inline constexpr u32 sq_wakeup = 1u << 1;       ///< 5.1
inline constexpr u32 sq_wait = 1u << 2;         ///< 5.10
inline constexpr u32 ext_arg = 1u << 3;         ///< 5.11
inline constexpr u32 registered_ring = 1u << 4; ///< 5.18
inline constexpr u32 abs_timer = 1u << 5;       ///< 6.12
inline constexpr u32 ext_arg_reg = 1u << 6;     ///< 6.13
inline constexpr u32 no_iowait = 1u << 7;       ///< 6.15
} // namespace enter

/// Flags of a submission queue entry.
namespace sqe_flag {
inline constexpr u8 fixed_file = 1u << 0;       ///< 5.1
inline constexpr u8 io_drain = 1u << 1;         ///< 5.2
inline constexpr u8 io_link = 1u << 2;          ///< 5.3
inline constexpr u8 io_hardlink = 1u << 3;      ///< 5.5
inline constexpr u8 async = 1u << 4;            ///< 5.6
inline constexpr u8 buffer_select = 1u << 5;    ///< 5.7
inline constexpr u8 cqe_skip_success = 1u << 6; ///< 5.17
} // namespace sqe_flag

/// Flags of a completion queue entry.
namespace cqe_flag {
inline constexpr u32 buffer = 1u << 0;        ///< 5.7
inline constexpr u32 more = 1u << 1;          ///< 5.13
inline constexpr u32 sock_nonempty = 1u << 2; ///< 5.19
inline constexpr u32 notif = 1u << 3;         ///< 6.0
inline constexpr u32 buf_more = 1u << 4;      ///< 6.12
inline constexpr u32 skip = 1u << 5;          ///< 6.18
inline constexpr u32 big = 1u << 15;          ///< 6.18
inline constexpr u32 tstamp_hw = 1u << 16;    ///< 6.17
} // namespace cqe_flag

/// What the kernel says in the flags word of the submission queue.
namespace sq_flag {
inline constexpr u32 need_wakeup = 1u << 0; ///< 5.1
inline constexpr u32 cq_overflow = 1u << 1; ///< 5.8
inline constexpr u32 taskrun = 1u << 2;     ///< 5.19
} // namespace sq_flag

/// What the program says in the flags word of the completion queue.
namespace cq_flag {
inline constexpr u32 eventfd_disabled = 1u << 0; ///< 5.8
} // namespace cq_flag

/// Sqe::ioprio of an accept.
namespace accept_flag {
inline constexpr u16 multishot = 1u << 0;  ///< 5.19
inline constexpr u16 dontwait = 1u << 1;   ///< 6.10
inline constexpr u16 poll_first = 1u << 2; ///< 6.10
} // namespace accept_flag

/// Sqe::ioprio of sends and receives.
namespace recvsend_flag {
inline constexpr u16 poll_first = 1u << 0;           ///< 5.19
inline constexpr u16 recv_multishot = 1u << 1;       ///< 6.0
inline constexpr u16 fixed_buf = 1u << 2;            ///< 6.0
inline constexpr u16 send_zc_report_usage = 1u << 3; ///< 6.2
inline constexpr u16 bundle = 1u << 4;               ///< 6.10
inline constexpr u16 send_vectorized = 1u << 5;      ///< 6.17
} // namespace recvsend_flag

/// Sqe::op_flags of async_cancel, and SyncCancel::flags.
namespace cancel_flag {
inline constexpr u32 all = 1u << 0;      ///< 5.19
inline constexpr u32 fd = 1u << 1;       ///< 5.19
inline constexpr u32 any = 1u << 2;      ///< 5.19
inline constexpr u32 fd_fixed = 1u << 3; ///< 6.0
inline constexpr u32 userdata = 1u << 4; ///< 6.6
inline constexpr u32 op = 1u << 5;       ///< 6.6
} // namespace cancel_flag

/// Sqe::len of poll_add and poll_remove.
namespace poll_flag {
inline constexpr u32 add_multi = 1u << 0;        ///< 5.13
inline constexpr u32 update_events = 1u << 1;    ///< 5.13
inline constexpr u32 update_user_data = 1u << 2; ///< 5.13
inline constexpr u32 add_level = 1u << 3;        ///< 6.0
} // namespace poll_flag

/// Sqe::op_flags of timeouts.
namespace timeout_flag {
inline constexpr u32 abs = 1u << 0;                 ///< 5.4
inline constexpr u32 update = 1u << 1;              ///< 5.11
inline constexpr u32 boottime = 1u << 2;            ///< 5.15
inline constexpr u32 realtime = 1u << 3;            ///< 5.15
inline constexpr u32 link_timeout_update = 1u << 4; ///< 5.15
inline constexpr u32 etime_success = 1u << 5;       ///< 5.16
inline constexpr u32 multishot = 1u << 6;           ///< 6.4
inline constexpr u32 immediate_arg = 1u << 7;       ///< 7.1
inline constexpr u32 clock_mask = 12;               ///< 5.15
inline constexpr u32 update_mask = 18;              ///< 5.15
} // namespace timeout_flag

/// Sqe::op_flags and command of msg_ring.
namespace msg_ring_flag {
inline constexpr u32 cqe_skip = 1u << 0;   ///< 6.0
inline constexpr u32 flags_pass = 1u << 1; ///< 6.3
inline constexpr u32 data = 0;             ///< 5.18
inline constexpr u32 send_fd = 1u << 0;    ///< 6.0
} // namespace msg_ring_flag

/// Command of a uring_cmd on a socket.
enum class SocketCommand : u32 {
    siocinq = 0,      ///< 6.7
    siocoutq = 1,     ///< 6.7
    getsockopt = 2,   ///< 6.7
    setsockopt = 3,   ///< 6.7
    tx_timestamp = 4, ///< 6.17
    getsockname = 5,  ///< 6.19
};

/// Sqe::op_flags of nop.
namespace nop_flag {
inline constexpr u32 inject_result = 1u << 0; ///< 6.10: answer Sqe::len
inline constexpr u32 file = 1u << 1;          ///< 6.13: look Sqe::fd up
inline constexpr u32 fixed_file = 1u << 2;    ///< 6.13: it is a direct descriptor
inline constexpr u32 fixed_buffer = 1u << 3;  ///< 6.13: look Sqe::buf_index up
inline constexpr u32 task_work = 1u << 4;     ///< 6.17: complete from task work
inline constexpr u32 big_cqe = 1u << 5;       ///< 6.18: answer a 32-byte completion
} // namespace nop_flag

inline constexpr u32 fsync_datasync = 1u << 0;         ///< 5.1: Sqe::op_flags of fsync
inline constexpr u32 splice_fd_in_fixed = 1u << 31;    ///< 5.7: Sqe::op_flags of splice and tee
inline constexpr u32 uring_cmd_fixed = 1u << 0;        ///< 6.1: Sqe::op_flags of uring_cmd
inline constexpr u32 uring_cmd_multishot = 1u << 1;    ///< 6.18: with buffer_select
inline constexpr u32 fixed_fd_no_cloexec = 1u << 0;    ///< 6.8: Sqe::op_flags
inline constexpr u32 notif_usage_zc_copied = 1u << 31; ///< 6.2: Cqe::result of a notification
inline constexpr u32 file_index_alloc = 0xffffffffu;   ///< 5.19: the kernel chooses the slot
inline constexpr u64 rw_attr_flag_pi = 1u << 0;        ///< 6.14: Sqe::attribute_type_mask
inline constexpr u32 cqe_buffer_shift = 16;            ///< 5.7: buffer id inside Cqe::flags
inline constexpr u32 timestamp_hw_shift = 16;          ///< 6.17: inside Cqe::flags
inline constexpr u32 timestamp_type_shift = 17;        ///< 6.17: inside Cqe::flags
inline constexpr u32 cqe_flag_timestamp_hw = 1u << 16; ///< 6.17: hardware took the time
inline constexpr u32 entries_max = 32768;              ///< io_uring/io_uring.h
inline constexpr u32 completion_entries_max = 65536;   ///< twice entries_max

/// Offsets for mmap of a ring's descriptor.
namespace mmap_offset {
inline constexpr u64 sq_ring = 0;                  ///< 5.1
inline constexpr u64 cq_ring = 0x8000000;          ///< 5.1
inline constexpr u64 sqes = 0x10000000;            ///< 5.1
inline constexpr u64 buffer_ring = 0x80000000;     ///< 6.4
inline constexpr u32 buffer_ring_group_shift = 16; ///< 6.4
inline constexpr u64 mask = 0xf8000000;            ///< 6.4: which part names the kind
} // namespace mmap_offset

/// First half of Sqe's `off` union for uring_cmd: the command's number, then padding.
struct SqeCommand {
    u32 op;
    u32 pad;
};

/// `addr` of a uring_cmd on a socket: what getsockopt and setsockopt name.
struct SqeSocketOption {
    u32 level;
    u32 name;
};

/// `file_index` of a send with an address: its length.
struct SqeAddressLength {
    u16 length;
    u16 pad;
};

/// `file_index` of a write: the stream hint of the file. 6.16.
struct SqeWriteStream {
    u8 stream;
    u8 pad[3];
};

/// Last 16 bytes of an Sqe where the operation takes a third address.
struct SqeThird {
    u64 addr3;
    u64 pad;
};

/// Last 16 bytes of an Sqe of a read or write with attributes. 6.14.
struct SqeAttributes {
    u64 pointer;
    u64 type_mask;
};

/// A submission queue entry: struct io_uring_sqe.
struct Sqe {
    u8 opcode;
    u8 flags;   ///< sqe_flag
    u16 ioprio; ///< I/O priority, or accept_flag / recvsend_flag
    i32 fd;     ///< file descriptor, or a direct descriptor's index with sqe_flag::fixed_file
    union {
        u64 off; ///< offset, or a second address or count
        SqeCommand command;
    };
    union {
        u64 addr; ///< address of the buffer, path, vector or struct
        SqeSocketOption socket_option;
    };
    u32 len;       ///< bytes, elements, or one more argument
    u32 op_flags;  ///< the operation's own flags
    u64 user_data; ///< comes back in the Cqe
    u16 buf_index; ///< registered buffer, or buffer group with sqe_flag::buffer_select
    u16 personality;
    union {
        u32 file_index; ///< slot of a direct descriptor plus one, or file_index_alloc
        i32 splice_fd_in;
        u32 zcrx_ifq_index;
        u32 option_length;
        SqeAddressLength address_length;
        SqeWriteStream write_stream;
    };
    union {
        SqeThird third;
        SqeAttributes attributes;
        u64 option_value;
        u8 command_data[16]; ///< the first 16 of 80 bytes in a 128-byte entry
    };
};

/// Protection information of a read or write: struct io_uring_attr_pi. 6.14.
struct AttributePi {
    u16 flags;
    u16 app_tag;
    u32 len;
    u64 addr;
    u64 seed;
    u64 reserved;
};

/// A completion queue entry: struct io_uring_cqe.
struct Cqe {
    u64 user_data; ///< as in the Sqe
    i32 result;    ///< a count, a descriptor, 0 or a negative errno
    u32 flags;     ///< cqe_flag

    /// The buffer that the kernel chose; only where cqe_flag::buffer is set.
    [[nodiscard]] constexpr u16 buffer_id() const noexcept {
        return static_cast<u16>(flags >> cqe_buffer_shift);
    }
    [[nodiscard]] constexpr bool has_buffer() const noexcept {
        return (flags & cqe_flag::buffer) != 0;
    }
    [[nodiscard]] constexpr bool more() const noexcept { return (flags & cqe_flag::more) != 0; }
    /// The second completion of a zero-copy send: its buffer is free again.
    [[nodiscard]] constexpr bool notification() const noexcept {
        return (flags & cqe_flag::notif) != 0;
    }
};

/// A 32-byte completion, of setup::cqe32 and of setup::cqe_mixed where cqe_flag::big is set.
struct BigCqe {
    Cqe cqe;
    u64 extra[2];
};

/// Last half of the BigCqe of SocketCommand::tx_timestamp: struct io_timespec. 6.17.
struct TxTimestamp {
    u64 seconds;
    u64 nanoseconds;
};

/// Where things are in the mapping of the submission ring: struct io_sqring_offsets.
struct SqOffsets {
    u32 head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
    u64 user_addr; ///< memory of the Sqe array, with setup::no_mmap
};

/// Where things are in the mapping of the completion ring: struct io_cqring_offsets.
struct CqOffsets {
    u32 head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved;
    u64 user_addr; ///< memory of both rings, with setup::no_mmap
};

/// Argument and answer of io_uring_setup: struct io_uring_params.
struct Params {
    u32 sq_entries;
    u32 cq_entries;
    u32 flags;
    u32 sq_thread_cpu;
    u32 sq_thread_idle; ///< milliseconds
    u32 features;
    u32 wq_fd;
    u32 reserved[3];
    SqOffsets sq_off;
    CqOffsets cq_off;
};

/// Argument of io_uring_enter with enter::ext_arg. 5.11.
struct GeteventsArg {
    u64 sigmask;
    u32 sigmask_size;
    u32 min_wait_usec; ///< 6.12
    u64 ts;            ///< Timespec*
};

} // namespace oxbow::abi
