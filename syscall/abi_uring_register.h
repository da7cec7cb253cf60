// What io_uring_register takes: its operations and their structs. Behind each constant stands the
// first mainline kernel that has it.
// Source: include/uapi/linux/io_uring.h, io_uring/query.h and io_uring/bpf_filter.h up to
// Linux 7.3.
#pragma once

#include "abi_time.h"
#include "types.h"

namespace oxbow::abi {

/// What io_uring_register does. Behind each, its first kernel.
enum class RegisterOp : u32 {
    buffers = 0,                 ///< 5.1
    unregister_buffers = 1,      ///< 5.1
    files = 2,                   ///< 5.1
    unregister_files = 3,        ///< 5.1
    eventfd = 4,                 ///< 5.2
    unregister_eventfd = 5,      ///< 5.2
    files_update = 6,            ///< 5.5
    eventfd_async = 7,           ///< 5.6
    probe = 8,                   ///< 5.6
    personality = 9,             ///< 5.6
    unregister_personality = 10, ///< 5.6
    restrictions = 11,           ///< 5.10
    enable_rings = 12,           ///< 5.10
    files2 = 13,                 ///< 5.13
    files_update2 = 14,          ///< 5.13
    buffers2 = 15,               ///< 5.13
    buffers_update = 16,         ///< 5.13
    iowq_aff = 17,               ///< 5.14
    unregister_iowq_aff = 18,    ///< 5.14
    iowq_max_workers = 19,       ///< 5.15
    ring_fds = 20,               ///< 5.18
    unregister_ring_fds = 21,    ///< 5.18
    pbuf_ring = 22,              ///< 5.19
    unregister_pbuf_ring = 23,   ///< 5.19
    sync_cancel = 24,            ///< 6.0
    file_alloc_range = 25,       ///< 6.0
    pbuf_status = 26,            ///< 6.8
    napi = 27,                   ///< 6.9
    unregister_napi = 28,        ///< 6.9
    clock = 29,                  ///< 6.12
    clone_buffers = 30,          ///< 6.12
    send_msg_ring = 31,          ///< 6.13
    zcrx_ifq = 32,               ///< 6.15
    resize_rings = 33,           ///< 6.13
    mem_region = 34,             ///< 6.13
    query = 35,                  ///< 6.18
    zcrx_ctrl = 36,              ///< 6.19
    bpf_filter = 37,             ///< 7.0
};

inline constexpr u32 register_use_registered_ring = 1u << 31; ///< 6.3: the fd is an index
inline constexpr u32 rsrc_register_sparse = 1u << 0;          ///< 5.19: RsrcRegister::flags
inline constexpr i32 register_files_skip = -2;                ///< 5.12: leave this slot alone
inline constexpr u16 op_supported = 1u << 0;                  ///< 5.6: ProbeOp::flags
inline constexpr u32 io_wq_bound = 0;                         ///< 5.15: regular files and devices
inline constexpr u32 io_wq_unbound = 1;                       ///< 5.15: everything else
inline constexpr u32 mem_region_type_user = 1u << 0;          ///< 6.13: RegionDescriptor::flags
inline constexpr u64 mem_region_reg_wait_arg = 1u << 0;       ///< 6.13: MemRegion::flags
inline constexpr u32 reg_wait_ts = 1u << 0;                   ///< 6.13: RegWait::flags
inline constexpr u32 clone_src_registered = 1u << 0;          ///< 6.12: CloneBuffers::flags
inline constexpr u32 clone_dst_replace = 1u << 1;             ///< 6.13: CloneBuffers::flags

/// BufferRingRegister::flags.
namespace buffer_ring_flag {
inline constexpr u16 mmap = 1u << 0;        ///< 6.4: the kernel has the memory
inline constexpr u16 incremental = 1u << 1; ///< 6.12: a buffer may be consumed in pieces
} // namespace buffer_ring_flag

/// files_update: struct io_uring_files_update. Superseded by RsrcUpdate, which has its layout.
struct FilesUpdate {
    u32 offset;
    u32 reserved;
    u64 fds; ///< i32*
};

/// files2, buffers2: struct io_uring_rsrc_register. 5.13.
struct RsrcRegister {
    u32 count;
    u32 flags;
    u64 reserved;
    u64 data; ///< i32* or IoVec*
    u64 tags; ///< u64*, or 0
};

/// files_update2, buffers_update: struct io_uring_rsrc_update2. 5.13.
struct RsrcUpdate {
    u32 offset;
    u32 reserved;
    u64 data;
    u64 tags;
    u32 count;
    u32 reserved2;
};

/// ring_fds: struct io_uring_rsrc_update. 5.18.
struct RingFdUpdate {
    u32 offset; ///< slot, or file_index_alloc; the slot comes back here
    u32 reserved;
    u64 data; ///< descriptor
};

/// One answer of probe: struct io_uring_probe_op. 5.6.
struct ProbeOp {
    u8 op;
    u8 reserved;
    u16 flags;
    u32 reserved2;
};

/// Answer of probe: struct io_uring_probe with room for every opcode. 5.6.
struct Probe {
    u8 last_op;
    u8 ops_len;
    u16 reserved;
    u32 reserved2[3];
    ProbeOp ops[256];
};

/// Restriction::kind.
enum class RestrictionKind : u16 {
    register_op = 0,        ///< 5.10
    sqe_op = 1,             ///< 5.10
    sqe_flags_allowed = 2,  ///< 5.10
    sqe_flags_required = 3, ///< 5.10
};

/// restrictions: struct io_uring_restriction. 5.10.
struct Restriction {
    u16 kind; ///< RestrictionKind
    u8 value; ///< RegisterOp, Opcode or sqe_flag
    u8 reserved;
    u32 reserved2[3];
};

/// restrictions of a whole task (fd -1): head of struct io_uring_task_restriction. 7.0.
struct TaskRestriction {
    u16 flags;
    u16 count;
    u32 reserved[3];
    // `count` Restriction follow.
};

/// clock: struct io_uring_clock_register. 6.12.
struct ClockRegister {
    u32 clock_id; ///< CLOCK_MONOTONIC or CLOCK_BOOTTIME
    u32 reserved[3];
};

/// clone_buffers: struct io_uring_clone_buffers. 6.12.
struct CloneBuffers {
    u32 source_fd;
    u32 flags;
    u32 source_offset;
    u32 destination_offset;
    u32 count; ///< 0 means all
    u32 pad[3];
};

/// One slot of a buffer ring: struct io_uring_buf. 5.19. The last two bytes of the first slot are
/// the ring's tail, so `tail` of any other slot is never written.
struct BufferRingEntry {
    u64 addr;
    u32 len;
    u16 buffer_id;
    u16 tail;
};

/// pbuf_ring: struct io_uring_buf_reg. 5.19.
struct BufferRingRegister {
    u64 ring_addr;
    u32 ring_entries;
    u16 group_id;
    u16 flags;    ///< buffer_ring_flag
    u32 min_left; ///< 7.1, with incremental: retire a buffer with fewer bytes left
    u32 reserved[5];
};

/// pbuf_status: struct io_uring_buf_status. 6.8.
struct BufferRingStatus {
    u32 group_id;
    u32 head; ///< answer
    u32 reserved[8];
};

/// Napi::opcode.
enum class NapiOp : u8 {
    register_op = 0,   ///< 6.9, without a name until 6.13
    static_add_id = 1, ///< 6.13
    static_del_id = 2, ///< 6.13
};

/// Napi::op_param of NapiOp::register_op.
enum class NapiTracking : u32 {
    dynamic_tracking = 0, ///< 6.9, without a name until 6.13
    static_tracking = 1,  ///< 6.13
    inactive = 255,       ///< 6.13
};

/// napi: struct io_uring_napi. 6.9.
struct Napi {
    u32 busy_poll_usec;
    u8 prefer_busy_poll;
    u8 opcode; ///< NapiOp
    u8 pad[2];
    u32 op_param;
    u32 reserved;
};

/// One entry of the registered wait region: struct io_uring_reg_wait. 6.13.
struct RegWait {
    Timespec timeout;
    u32 min_wait_usec;
    u32 flags; ///< reg_wait_ts where `timeout` counts
    u64 sigmask;
    u32 sigmask_size;
    u32 pad[3];
    u64 pad2[2];
};

/// Memory that the kernel shares: struct io_uring_region_desc. 6.13.
struct RegionDescriptor {
    u64 user_addr;
    u64 size;
    u32 flags;
    u32 id;
    u64 mmap_offset; ///< answer, where the kernel has the memory
    u64 reserved[4];
};

/// mem_region: struct io_uring_mem_region_reg. 6.13.
struct MemRegion {
    u64 region; ///< RegionDescriptor*
    u64 flags;
    u64 reserved[2];
};

/// sync_cancel: struct io_uring_sync_cancel_reg. 6.0.
struct SyncCancel {
    u64 addr; ///< user_data to match
    i32 fd;
    u32 flags;        ///< cancel_flag
    Timespec timeout; ///< both fields -1: wait for ever
    u8 opcode;        ///< 6.6, with cancel_flag::op
    u8 pad[7];
    u64 pad2[3];
};

/// file_alloc_range: struct io_uring_file_index_range. 6.0.
struct FileIndexRange {
    u32 offset;
    u32 count;
    u64 reserved;
};

/// Head of the buffer that a multishot recvmsg fills: struct io_uring_recvmsg_out. 6.0.
struct RecvmsgOut {
    u32 name_length;
    u32 control_length;
    u32 payload_length;
    u32 flags;
};

/// QueryHeader::op.
enum class QueryOp : u32 {
    opcodes = 0,    ///< 6.18
    zcrx = 1,       ///< 6.19
    scq = 2,        ///< 6.19
    zcrx_event = 3, ///< 7.2
};

/// query: struct io_uring_query_hdr, a list of questions. Needs no ring. 6.18.
struct QueryHeader {
    u64 next;
    u64 data;
    u32 op; ///< QueryOp
    u32 size;
    i32 result;
    u32 reserved[3];
};

/// Answer of QueryOp::opcodes: struct io_uring_query_opcode. 6.18.
struct QueryOpcodes {
    u32 request_opcode_count;
    u32 register_opcode_count;
    u64 feature_flags;
    u64 setup_flags;
    u64 enter_flags;
    u64 sqe_flags;
    u32 query_opcode_count;
    u32 pad;
};

/// Answer of QueryOp::scq, what setup::no_mmap needs: struct io_uring_query_scq. 6.19.
struct QueryScq {
    u64 header_size;
    u64 header_alignment;
};

inline constexpr u16 bpf_filter_deny_rest = 1u << 0;   ///< 7.0: BpfFilter::flags
inline constexpr u16 bpf_filter_size_strict = 1u << 1; ///< 7.0: BpfFilter::flags
inline constexpr u16 bpf_command_filter = 1;           ///< 7.0: BpfRegister::command

/// What a filter decides over: struct io_uring_bpf_ctx. 7.0.
struct BpfContext {
    struct Socket {
        u32 family, type, protocol;
    };
    struct Open {
        u64 flags, mode, resolve;
    };
    struct Connect { ///< 7.2
        u32 family;
        u16 port; ///< network byte order
        u8 pad[2];
        u8 address[16]; ///< IPv4 has the first four
    };
    u64 user_data;
    u8 opcode;
    u8 sqe_flags;
    u8 data_size;
    u8 pad[5];
    union {
        Socket socket;
        Open open;
        Connect connect;
    };
};

/// Inside BpfRegister: struct io_uring_bpf_filter. 7.0.
struct BpfFilter {
    u32 opcode;
    u32 flags;
    u32 filter_length; ///< instructions
    u8 data_size;
    u8 reserved[3];
    u64 filter; ///< classic BPF instructions
    u64 reserved2[5];
};

/// bpf_filter: struct io_uring_bpf. 7.0.
struct BpfRegister {
    u16 command;
    u16 command_flags;
    u32 reserved;
    BpfFilter filter;
};

} // namespace oxbow::abi
