// Registrations that concern a ring as a whole: notifications, probes, credentials, restrictions,
// worker threads, busy polling, cancels and messages without an entry, zero-copy receive, shared
// memory, questions. The contract of all registrations is in register.h.
#pragma once

#include "../syscall/abi_process.h"
#include "../syscall/abi_uring_zcrx.h"
#include "../syscall/call_ring.h"
#include "../syscall/time.h"
#include "prep_ring.h"
#include "ring.h"

namespace oxbow {

// ---- Notification -------------------------------------------------------------------------------

/// Completions add to the eventfd `fd`, so that a poll on it wakes up for them. The kernel keeps
/// the file itself. It adds 1 for one or for several completions, and now and then for none: the
/// count means nothing but "look". Ring::enable_eventfd turns it off and on without a call.
///
/// -EBUSY: there is one already; -EBADF, -EINVAL: no eventfd. 5.2.
[[nodiscard]] inline i32 register_eventfd(Ring& ring, i32 fd) noexcept {
    return ring.register_call(abi::RegisterOp::eventfd, &fd, 1);
}

/// register_eventfd for the completions only that come from a worker thread of the kernel, and not
/// from within submit or from an interrupt: io_uring/eventfd.c. 5.6.
[[nodiscard]] inline i32 register_eventfd_async(Ring& ring, i32 fd) noexcept {
    return ring.register_call(abi::RegisterOp::eventfd_async, &fd, 1);
}

/// -ENXIO: there is none. 5.2.
[[nodiscard]] inline i32 unregister_eventfd(Ring& ring) noexcept {
    return ring.register_call(abi::RegisterOp::unregister_eventfd, nullptr, 0);
}

// ---- What the kernel can do ---------------------------------------------------------------------

/// Asks which opcodes there are: ProbeOp::flags has abi::op_supported, up to Probe::last_op.
/// probe.h makes an answer of it. 5.6.
[[nodiscard]] inline i32 register_probe(Ring& ring, abi::Probe& answer) noexcept {
    answer = {}; // -EINVAL if anything in it is set
    return ring.register_call(abi::RegisterOp::probe, &answer,
                              sizeof(answer.ops) / sizeof(answer.ops[0]));
}

/// Answers a list of questions, chained by QueryHeader::next; no ring is needed. What became of
/// each is in its own `result`: -EOPNOTSUPP: this kernel does not know that question; -EINVAL: a
/// reserved field is set. `size` becomes the number of bytes answered; the rest of the room is
/// zeroed. -EINVAL: the kernel has no queries at all; -ERANGE: more than 1000, a circle
/// perhaps. 6.18.
[[nodiscard]] inline i32 register_query(abi::QueryHeader* first) noexcept {
    return kernel::io_uring_register(-1, static_cast<u32>(abi::RegisterOp::query), first, 0);
}

/// Asks one question, whose answer is one of the abi::Query* structs. 0, or an errno as
/// above. 6.18.
template <class Answer>
[[nodiscard]] inline i32 register_query(abi::QueryOp question, Answer& answer) noexcept {
    answer = {};
    abi::QueryHeader header = {};
    header.data = address_of(&answer);
    header.op = static_cast<u32>(question);
    header.size = sizeof(answer);
    const i32 result = register_query(&header);
    return result < 0 ? result : header.result;
}

// ---- Credentials --------------------------------------------------------------------------------

/// Keeps this thread's credentials as they are now; the id is for prep::personality. At most 65536.
/// -EBUSY: there are so many. 5.6.
[[nodiscard]] inline i32 register_personality(Ring& ring) noexcept {
    return ring.register_call(abi::RegisterOp::personality, nullptr, 0);
}

/// -EINVAL: no such id. Operations in flight keep the credentials. 5.6.
[[nodiscard]] inline i32 unregister_personality(Ring& ring, u16 id) noexcept {
    return ring.register_call(abi::RegisterOp::unregister_personality, nullptr, id);
}

// ---- Restrictions -------------------------------------------------------------------------------

/// One line of a list of what a ring may do.
[[nodiscard]] constexpr abi::Restriction restriction(abi::RestrictionKind kind, u8 value) noexcept {
    return {static_cast<u16>(kind), value, 0, {}};
}
/// This operation may be submitted.
[[nodiscard]] constexpr abi::Restriction allow(abi::Opcode opcode) noexcept {
    return restriction(abi::RestrictionKind::sqe_op, static_cast<u8>(opcode));
}
/// This registration may be made. Before 7.0, a list without any such line forbids them all; from
/// 7.0 on it leaves them alone, and only an empty list forbids all (io_uring/register.c).
[[nodiscard]] constexpr abi::Restriction allow(abi::RegisterOp operation) noexcept {
    return restriction(abi::RestrictionKind::register_op, static_cast<u8>(operation));
}
/// Entries may have these flags besides those that they must have; the last such line counts.
[[nodiscard]] constexpr abi::Restriction allow_flags(u8 sqe_flags) noexcept {
    return restriction(abi::RestrictionKind::sqe_flags_allowed, sqe_flags);
}
/// Entries must have these flags; the last such line counts.
[[nodiscard]] constexpr abi::Restriction require_flags(u8 sqe_flags) noexcept {
    return restriction(abi::RestrictionKind::sqe_flags_required, sqe_flags);
}

/// Limits a ring with setup::r_disabled to what the list allows, from enable_ring on, for good:
/// what is not allowed ends with -EACCES. -EBADFD: the ring is not disabled; -EBUSY: it has a list
/// already; -EINVAL: a line that this kernel does not know, or too many. 5.10.
[[nodiscard]] inline i32 register_restrictions(Ring& ring, const abi::Restriction* list,
                                               u32 count) noexcept {
    return ring.register_call(abi::RegisterOp::restrictions, list, count);
}

/// A list of restrictions with its head, as register_task_restrictions takes it.
template <u16 Count>
struct TaskRestrictionList {
    abi::TaskRestriction head = {0, Count, {}};
    abi::Restriction list[Count] = {};
};

/// Limits every ring that this thread, and what it forks, makes from now on. `list.head` is the
/// head. -EPERM: it is limited already; -EACCES: neither prctl's no_new_privs is set nor has the
/// thread CAP_SYS_ADMIN; -EINVAL: as register_restrictions. 7.0.
[[nodiscard]] inline i32 register_task_restrictions(const abi::TaskRestriction& head) noexcept {
    return kernel::io_uring_register(-1, static_cast<u32>(abi::RegisterOp::restrictions), &head, 1);
}

/// Adds a program in classic BPF that decides over each entry with one opcode; it sees a
/// BpfContext, and an entry that it refuses ends with -EACCES. Filters add up, and cannot be
/// removed. -EACCES: as register_task_restrictions; -EINVAL: no such program. 7.0.
[[nodiscard]] inline i32 register_bpf_filter(Ring& ring, const abi::BpfRegister& filter) noexcept {
    return ring.register_call(abi::RegisterOp::bpf_filter, &filter, 1);
}

/// The same for every ring that this thread, and what it forks, makes from now on. 7.0.
[[nodiscard]] inline i32 register_task_bpf_filter(const abi::BpfRegister& filter) noexcept {
    return kernel::io_uring_register(-1, static_cast<u32>(abi::RegisterOp::bpf_filter), &filter, 1);
}

/// Lets a ring with setup::r_disabled begin. With setup::single_issuer the calling thread becomes
/// the issuer. -EBADFD: it is not disabled. 5.10.
[[nodiscard]] inline i32 enable_ring(Ring& ring) noexcept {
    return ring.register_call(abi::RegisterOp::enable_rings, nullptr, 0);
}

// ---- Worker threads -----------------------------------------------------------------------------

/// Worker threads of this thread's rings (with SQPOLL: of this ring) run on these processors only;
/// at first they run where the thread may. Processors that the machine does not have are ignored.
/// -EINVAL: one of the others is not for this process (cpuset(7)), which older kernels do not look
/// at; or this thread has no workers, because it has not opened a ring itself. 5.14.
[[nodiscard]] inline i32 register_worker_cpus(Ring& ring, const abi::CpuSet& cpus) noexcept {
    return ring.register_call(abi::RegisterOp::iowq_aff, &cpus, sizeof(cpus));
}

/// Undoes register_worker_cpus. 5.14.
[[nodiscard]] inline i32 unregister_worker_cpus(Ring& ring) noexcept {
    return ring.register_call(abi::RegisterOp::unregister_iowq_aff, nullptr, 0);
}

/// How many worker threads there may be per NUMA node. In a request, 0 leaves a limit as it is.
struct WorkerLimits {
    u32 bound = 0;   ///< for regular files and block devices
    u32 unbound = 0; ///< for everything else, which may take for ever: sockets, pipes, terminals
};

/// Limits worker threads; `limits` becomes what they were. Applies to all threads that use the
/// ring, those to come included. -EINVAL: above 2^31 - 1. 5.15.
[[nodiscard]] inline i32 set_worker_limits(Ring& ring, WorkerLimits& limits) noexcept {
    u32 counts[2] = {};
    counts[abi::io_wq_bound] = limits.bound;
    counts[abi::io_wq_unbound] = limits.unbound;
    const i32 result = ring.register_call(abi::RegisterOp::iowq_max_workers, counts, 2);
    if (result >= 0) {
        limits = {counts[abi::io_wq_bound], counts[abi::io_wq_unbound]};
    }
    return result;
}

// ---- Busy polling -------------------------------------------------------------------------------

/// Waits poll the network card's queues for up to `busy_poll_usec` before they sleep; `napi`
/// becomes what was set before. Which queues: those of the sockets that the ring uses, or with
/// NapiTracking::static_tracking those that were added with NapiOp::static_add_id (6.13).
/// -EINVAL: a polled ring (setup::iopoll), or a reserved field is set; -EOPNOTSUPP: the kernel was
/// built without busy polling. 6.9.
[[nodiscard]] inline i32 register_napi(Ring& ring, abi::Napi& napi) noexcept {
    return ring.register_call(abi::RegisterOp::napi, &napi, 1);
}

/// Ends busy polling; `former`, where it is not nullptr, becomes what was set. 6.9.
[[nodiscard]] inline i32 unregister_napi(Ring& ring, abi::Napi* former = nullptr) noexcept {
    return ring.register_call(abi::RegisterOp::unregister_napi, former, 1);
}

// ---- Without an entry ---------------------------------------------------------------------------

/// What cancel_now shall end.
struct CancelRequest {
    u64 user_data = 0; ///< without cancel_flag::fd and cancel_flag::any, or with ::userdata
    i32 fd = -1;       ///< with cancel_flag::fd; an index with ::fd_fixed too
    u32 flags = 0;     ///< abi::cancel_flag
    abi::Opcode opcode = abi::Opcode::nop; ///< with cancel_flag::op, 6.6
    u64 timeout_ns = Wait::for_ever;       ///< how long to wait for what is already running
};

/// Cancels at once, and waits until what it found has ended. The targets still complete, with
/// -ECANCELED where the cancel came in time. 0 or, with cancel_flag::all, how many were found.
/// -ENOENT: nothing to cancel; -ETIME: still running after `timeout_ns`; -EINTR: a signal; -EBADF:
/// no such descriptor. 6.0.
[[nodiscard]] inline i32 cancel_now(Ring& ring, const CancelRequest& request) noexcept {
    abi::SyncCancel cancel = {};
    cancel.addr = request.user_data;
    cancel.fd = request.fd;
    cancel.flags = request.flags;
    cancel.opcode = static_cast<u8>(request.opcode);
    cancel.timeout = {-1, -1};
    if (request.timeout_ns != Wait::for_ever) {
        cancel.timeout = timespec_of(request.timeout_ns);
    }
    return ring.register_call(abi::RegisterOp::sync_cancel, &cancel, 1);
}

/// Posts a completion on the ring with descriptor `ring_fd`, from a thread that needs no ring of
/// its own; prep::msg_ring does the same through one. -EBADF: not open; -EBADFD: no ring, or a
/// disabled one; -EOVERFLOW: its completion queue is full and could not be extended; -EOWNERDEAD:
/// the task that it belongs to is gone. 6.13.
[[nodiscard]] inline i32 send_ring_message(i32 ring_fd, const prep::RingMessage& message) noexcept {
    Sqe sqe = {};
    prep::msg_ring(sqe, ring_fd, message);
    return kernel::io_uring_register(-1, static_cast<u32>(abi::RegisterOp::send_msg_ring), &sqe, 1);
}

/// send_ring_message that also chooses Cqe::flags of what is posted. 6.13.
[[nodiscard]] inline i32 send_ring_message(i32 ring_fd, const prep::RingMessage& message,
                                           u32 cqe_flags) noexcept {
    Sqe sqe = {};
    prep::msg_ring_cqe_flags(sqe, ring_fd, message, cqe_flags);
    return kernel::io_uring_register(-1, static_cast<u32>(abi::RegisterOp::send_msg_ring), &sqe, 1);
}

// ---- Zero-copy receive --------------------------------------------------------------------------

/// Takes a receive queue of a network card for prep::recv_zc; the answers are in `request`. All
/// structs that it points to are read and written during the call; the area's memory, and that of
/// the refill ring, stay the kernel's until the ring is gone.
///
/// -EINVAL: the ring lacks setup::defer_taskrun, or setup::cqe32 and ::cqe_mixed; -EPERM: without
/// CAP_NET_ADMIN; -ENODEV: no such interface; -EOPNOTSUPP: its driver cannot; -EEXIST: the queue
/// is taken. 6.15.
[[nodiscard]] inline i32 register_zcrx_queue(Ring& ring, abi::ZcrxIfqRegister& request) noexcept {
    return ring.register_call(abi::RegisterOp::zcrx_ifq, &request, 1);
}

/// Does something with such a queue: abi::ZcrxControlOp. -ENXIO: no such queue; -EOPNOTSUPP: no
/// such operation. Takes a count of 0 (io_uring/zcrx.c). 6.19.
[[nodiscard]] inline i32 zcrx_control(Ring& ring, abi::ZcrxControl& control) noexcept {
    return ring.register_call(abi::RegisterOp::zcrx_ctrl, &control, 0);
}

// ---- Shared memory ------------------------------------------------------------------------------

/// Shares memory with the kernel, pinned until the ring is gone; class WaitRegion is the one use of
/// it so far. There can be one region per ring. `region` is written to where the kernel has the
/// memory (no mem_region_type_user).
///
/// -EBUSY: there is one already; -EINVAL: with mem_region_reg_wait_arg, the ring is not disabled
/// (setup::r_disabled), because nothing may be waiting meanwhile (io_uring/register.c); or address
/// and size are not at page boundaries; -EFAULT: user memory without an address. 6.13.
[[nodiscard]] inline i32 register_memory_region(Ring& ring, abi::RegionDescriptor& region,
                                                u64 flags) noexcept {
    abi::MemRegion request = {};
    request.region = address_of(&region);
    request.flags = flags;
    return ring.register_call(abi::RegisterOp::mem_region, &request, 1);
}

} // namespace oxbow
