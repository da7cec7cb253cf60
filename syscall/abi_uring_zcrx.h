// Zero-copy receive: what RegisterOp::zcrx_ifq and RegisterOp::zcrx_ctrl take, what
// Opcode::recv_zc answers, and the two questions of RegisterOp::query about them. Behind each
// constant stands the first mainline kernel that has it.
// Source: include/uapi/linux/io_uring/zcrx.h and query.h up to Linux 7.3.
#pragma once

#include "types.h"

namespace oxbow::abi {

/// Where an area's token stands in the offsets of ZcrxRqe and ZcrxCqe: above this bit.
inline constexpr u32 zcrx_area_shift = 48;                   ///< 6.15
inline constexpr u64 zcrx_area_mask = 0xffff'0000'0000'0000; ///< 6.15

/// ZcrxAreaRegister::flags.
namespace zcrx_area_flag {
inline constexpr u32 dmabuf = 1u << 0; ///< 6.16: memory of `dmabuf_fd` and not at `addr`
} // namespace zcrx_area_flag

/// ZcrxIfqRegister::flags; QueryZcrx::register_flags says which of them there are.
namespace zcrx_register_flag {
inline constexpr u32 import_ifq = 1u << 0; ///< 6.19: `interface_index` is what export_ifq answered
inline constexpr u32 no_device = 1u << 1;  ///< 7.1: no network device, every byte is copied
} // namespace zcrx_register_flag

/// QueryZcrx::features.
namespace zcrx_feature {
inline constexpr u32 rx_page_size = 1u << 0; ///< 7.0: ZcrxIfqRegister::rx_buffer_bytes counts
inline constexpr u32 event = 1u << 1;        ///< 7.2: ZcrxIfqRegister::event_descriptor counts
} // namespace zcrx_feature

/// What may happen to an interface queue besides received data. ZcrxEventDescriptor::type_mask and
/// QueryZcrxEvent::event_flags have bit 1 << event; ZcrxControlArmEvent has the number itself.
enum class ZcrxEvent : u32 {
    alloc_fail = 0, ///< 7.2: no free buffer was left
    copy = 1,       ///< 7.2: data was copied instead of landing in the area
};

/// ZcrxEventDescriptor::flags.
namespace zcrx_event_flag {
inline constexpr u32 stats = 1u << 0; ///< 7.2: `stats_offset` counts
} // namespace zcrx_event_flag

/// What RegisterOp::zcrx_ctrl does; QueryZcrx::control_op_count says how many of them there are.
enum class ZcrxControlOp : u32 {
    flush_rq = 0,   ///< 6.19: take the refill entries now
    export_ifq = 1, ///< 6.19: answer a close-on-exec descriptor that another ring can import
    arm_event = 2,  ///< 7.2: report once more an event that was reported
    add_area = 3,   ///< 7.3: give the queue another area
};

/// One entry of the refill ring, by which a buffer goes back: struct io_uring_zcrx_rqe. 6.15.
struct ZcrxRqe {
    u64 offset; ///< place in the area, or-ed with ZcrxAreaRegister::rq_area_token
    u32 length;
    u32 pad;
};

/// Last half of the BigCqe of a recv_zc: struct io_uring_zcrx_cqe. 6.15.
struct ZcrxCqe {
    u64 offset; ///< area token above zcrx_area_shift, place in the area below it
    u64 pad;
};

/// Answer, where things are in the refill ring's region: struct io_uring_zcrx_offsets. 6.15.
struct ZcrxOffsets {
    u32 head;
    u32 tail;
    u32 rqes; ///< the ZcrxRqe array
    u32 reserved;
    u64 reserved2[2];
};

/// Memory that the network card writes into: struct io_uring_zcrx_area_reg. 6.15.
struct ZcrxAreaRegister {
    u64 addr;          ///< with zcrx_area_flag::dmabuf, an offset into it
    u64 length;        ///< bytes
    u64 rq_area_token; ///< answer, to be or-ed into ZcrxRqe::offset
    u32 flags;         ///< zcrx_area_flag
    u32 dmabuf_fd;     ///< 6.16
    u64 reserved[2];
};

/// What the kernel counts for an interface queue: struct zcrx_stats. 7.2.
struct ZcrxStats {
    u64 copy_count; ///< completions whose data was copied
    u64 copy_bytes;
};

/// How events are to be reported: struct zcrx_event_desc. 7.2.
struct ZcrxEventDescriptor {
    u64 user_data;    ///< of the completion that reports an event
    u32 type_mask;    ///< 1 << ZcrxEvent
    u32 flags;        ///< zcrx_event_flag
    u64 stats_offset; ///< place of a ZcrxStats, from the start of the refill ring's region
    u64 reserved[9];
};

/// zcrx_ifq: struct io_uring_zcrx_ifq_reg. 6.15. Wants setup::defer_taskrun, and setup::cqe32 or,
/// from 6.18 on, setup::cqe_mixed.
struct ZcrxIfqRegister {
    u32 interface_index;
    u32 interface_queue;
    u32 rq_entries; ///< of the refill ring; the kernel rounds it up to a power of two
    u32 flags;      ///< zcrx_register_flag
    u64 area;       ///< ZcrxAreaRegister*
    u64 region;     ///< RegionDescriptor*, of the refill ring
    ZcrxOffsets offsets;
    u32 zcrx_id;          ///< answer, for Sqe::zcrx_ifq_index and ZcrxControl. 6.16
    u32 rx_buffer_bytes;  ///< 7.0, with zcrx_feature::rx_page_size; 0 means a page
    u64 event_descriptor; ///< 7.2, ZcrxEventDescriptor* or 0
    u64 reserved[2];
};

/// Of ZcrxControlOp::flush_rq: struct zcrx_ctrl_flush_rq. 6.19.
struct ZcrxControlFlush {
    u64 reserved[6];
};

/// Of ZcrxControlOp::export_ifq: struct zcrx_ctrl_export. 6.19.
struct ZcrxControlExport {
    u32 zcrx_fd; ///< answer
    u32 reserved[11];
};

/// Of ZcrxControlOp::arm_event: struct zcrx_ctrl_arm_event. 7.2.
struct ZcrxControlArmEvent {
    u32 event; ///< ZcrxEvent
    u32 reserved[11];
};

/// Of ZcrxControlOp::add_area: struct zcrx_ctrl_add_area. 7.3.
struct ZcrxControlAddArea {
    u64 area; ///< ZcrxAreaRegister*
    u64 reserved[5];
};

/// zcrx_ctrl: struct zcrx_ctrl. 6.19. io_uring_register takes it with a count of 0.
struct ZcrxControl {
    u32 zcrx_id;
    u32 op; ///< ZcrxControlOp
    u64 reserved[2];
    union {
        ZcrxControlExport export_ifq;
        ZcrxControlFlush flush_rq;
        ZcrxControlArmEvent arm_event;
        ZcrxControlAddArea add_area;
    };
};

/// Answer of QueryOp::zcrx: struct io_uring_query_zcrx. 6.19.
struct QueryZcrx {
    u64 register_flags; ///< zcrx_register_flag
    u64 area_flags;     ///< zcrx_area_flag
    u32 control_op_count;
    u32 features;            ///< zcrx_feature. 7.0
    u32 rq_header_size;      ///< of the refill ring: 8 up to Linux 7.2 and 128 in 7.3
    u32 rq_header_alignment; ///< a power of two
    u64 reserved;
};

/// Answer of QueryOp::zcrx_event: struct io_uring_query_zcrx_event. 7.2.
struct QueryZcrxEvent {
    u32 event_flags;     ///< 1 << ZcrxEvent
    u32 stats_size;      ///< of the kernel's ZcrxStats
    u32 stats_alignment; ///< of ZcrxEventDescriptor::stats_offset
    u32 reserved;
    u64 reserved2[4];
};

} // namespace oxbow::abi
