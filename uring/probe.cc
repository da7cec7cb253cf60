// Asks the kernel what its io_uring offers: by query where there is one, else by trying.
//
// A kernel answers EINVAL to a flag or operation that it does not know, before it looks at anything
// else. So whatever else it answers (success, EFAULT for a bad address, EBADF for a bad descriptor,
// ENOMEM) shows that it knows the one that was tried. Source: io_uring/{io_uring,register}.c from
// 5.1 to 7.2.
#include "probe.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"

namespace oxbow {

namespace {

namespace setup = abi::setup;
namespace feature = abi::feature;
using abi::RegisterOp;

constexpr i32 no_ring = -1;
constexpr u32 unknown_operation = 0x7fff;
constexpr i32 closed_fd = -2; // -1 would ask for an operation that needs no ring

[[nodiscard]] i32 register_call(i32 fd, u32 operation, const void* argument, u32 count) noexcept {
    return kernel::io_uring_register(fd, operation, argument, count);
}

[[nodiscard]] i32 register_call(i32 fd, RegisterOp operation, const void* argument,
                                u32 count) noexcept {
    return register_call(fd, static_cast<u32>(operation), argument, count);
}

void set_bit(u64* bits, u32 index) noexcept {
    bits[index >> 6] |= u64{1} << (index & 63);
}

void set_operation(Features& features, RegisterOp operation) noexcept {
    const u32 index = static_cast<u32>(operation);
    set_bit(features.register_ops, index);
    if (features.register_op_count <= index) {
        features.register_op_count = index + 1;
    }
}

void set_first_operations(Features& features, u32 count) noexcept {
    features.register_op_count = count < 128 ? count : 128;
    for (u32 index = 0; index < features.register_op_count; ++index) {
        set_bit(features.register_ops, index);
    }
}

void set_first_opcodes(Features& features, u32 count) noexcept {
    features.opcode_count = count < 256 ? count : 256;
    for (u32 index = 0; index < features.opcode_count; ++index) {
        set_bit(features.opcodes, index);
    }
}

// ---- By query (6.18) ----------------------------------------------------------------------------

/// Asks one question, without a ring. False, and a cleared answer, where the kernel has none.
template <class Answer>
[[nodiscard]] bool ask(abi::QueryOp question, Answer& answer) noexcept {
    abi::QueryHeader header = {};
    header.data = address_of(&answer);
    header.op = static_cast<u32>(question);
    header.size = sizeof(Answer);
    if (register_call(no_ring, RegisterOp::query, &header, 0) == 0 && header.result == 0) {
        return true;
    }
    answer = {};
    return false;
}

[[nodiscard]] bool ask_all(Features& features) noexcept {
    abi::QueryOpcodes answer = {};
    if (!ask(abi::QueryOp::opcodes, answer)) {
        return false;
    }
    features.source = FeatureSource::query;
    features.setup_flags = static_cast<u32>(answer.setup_flags);
    features.feature_bits = static_cast<u32>(answer.feature_flags);
    features.enter_flags = static_cast<u32>(answer.enter_flags);
    features.sqe_flags = static_cast<u32>(answer.sqe_flags);
    features.query_op_count = answer.query_opcode_count;
    set_first_opcodes(features, answer.request_opcode_count);
    set_first_operations(features, answer.register_opcode_count);
    // A question that the kernel does not know is answered with an error inside the header.
    (void)ask(abi::QueryOp::zcrx, features.zcrx);
    (void)ask(abi::QueryOp::scq, features.scq);
    (void)ask(abi::QueryOp::zcrx_event, features.zcrx_event);
    return true;
}

// ---- Setup flags --------------------------------------------------------------------------------

/// Flags that one ring can try at once, and flags that they go with. Where the whole group is
/// refused, each is tried alone; that keeps the memory low that kernels before 5.12 charge to
/// RLIMIT_MEMLOCK, and give back only some time after the close.
struct SetupTry {
    u32 flags;
    u32 with;
};

constexpr SetupTry setup_tries[] = {
    {setup::iopoll | setup::cqsize | setup::clamp | setup::r_disabled, 0},
    {setup::attach_wq, 0},
    {setup::submit_all, 0},
    {setup::coop_taskrun | setup::taskrun_flag, 0},
    {setup::sqe128 | setup::cqe32, 0},
    {setup::single_issuer, 0},
    {setup::defer_taskrun, setup::single_issuer},
    {setup::no_mmap, 0},
    {setup::registered_fd_only, setup::no_mmap},
    {setup::no_sqarray, 0},
    {setup::hybrid_iopoll, setup::iopoll},
    {setup::cqe_mixed, 0},
    {setup::sqe_mixed, 0},
    {setup::sq_rewind, setup::no_sqarray},
    {setup::sqpoll | setup::sq_aff, 0}, // before 5.11 only for root: EPERM
};

void close_try(i32 result, u32 flags) noexcept {
    if (result < 0) {
        return;
    }
    if ((flags & setup::registered_fd_only) == 0) {
        (void)kernel::close(result);
        return;
    }
    abi::RingFdUpdate update = {};
    update.offset = static_cast<u32>(result);
    (void)register_call(result,
                        static_cast<u32>(RegisterOp::unregister_ring_fds) |
                            abi::register_use_registered_ring,
                        &update, 1);
}

/// Whether a ring of one entry with these flags is accepted. `ring` is one to attach to.
[[nodiscard]] bool accepts(u32 flags, i32 ring) noexcept {
    abi::Params params = {};
    params.flags = flags;
    params.cq_entries = 2; // counts only with cqsize
    params.wq_fd = static_cast<u32>(ring);
    params.sq_thread_idle = 1;
    if ((flags & setup::sq_aff) != 0) {
        (void)kernel::getcpu(&params.sq_thread_cpu, nullptr);
    }
    long memory = 0;
    usize bytes = 0;
    if ((flags & setup::no_mmap) != 0) {
        RingOptions options;
        options.entries = 1;
        const RingLayout layout = layout_of(options);
        bytes = static_cast<usize>(layout.total_bytes());
        memory = kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                              abi::map::private_ | abi::map::anonymous, -1, 0);
        // Without memory the addresses stay 0, and the answer to a known flag is EFAULT.
        if (!is_error(memory)) {
            params.cq_off.user_addr = static_cast<uptr>(memory);
            params.sq_off.user_addr = params.cq_off.user_addr + layout.rings_bytes;
        }
    }
    const i32 result = kernel::io_uring_setup(1, &params);
    close_try(result, flags);
    if (bytes != 0 && !is_error(memory)) {
        (void)kernel::munmap(reinterpret_cast<void*>(memory), bytes);
    }
    return result != -Errno::einval && result != -Errno::eperm;
}

[[nodiscard]] constexpr bool is_group(u32 flags) noexcept {
    return (flags & (flags - 1)) != 0;
}

void try_setup_flags(Features& features, i32 ring) noexcept {
    constexpr u32 unknown = 1u << 31;
    if (accepts(unknown, ring)) {
        return; // a filter answers in the kernel's place, so the answers tell nothing
    }
    for (const SetupTry& next : setup_tries) {
        if (!features.supports_setup(next.with)) {
            continue;
        }
        if (accepts(next.flags | next.with, ring)) {
            features.setup_flags |= next.flags;
            continue;
        }
        for (u32 rest = next.flags; is_group(next.flags) && rest != 0; rest &= rest - 1) {
            const u32 lowest = rest & (~rest + 1);
            if (accepts(lowest | next.with, ring)) {
                features.setup_flags |= lowest;
            }
        }
    }
}

// ---- Enter flags --------------------------------------------------------------------------------

/// Every enter here submits nothing and waits for nothing. registered_ring takes an index in place
/// of the descriptor, and the last of the 16 is hardly ever in use; if it is, nothing happens to
/// that ring either.
void try_enter_flags(Features& features, i32 ring) noexcept {
    constexpr i32 last_index = 15;
    constexpr u32 unknown = 1u << 30;
    if (kernel::io_uring_enter(ring, 0, 0, unknown, nullptr, 0) != -Errno::einval) {
        return; // a filter answers
    }
    for (u32 flag = 1; flag <= abi::enter::no_iowait; flag <<= 1) {
        const i32 fd = flag == abi::enter::registered_ring ? last_index : ring;
        if (kernel::io_uring_enter(fd, 0, 0, flag, nullptr, 0) != -Errno::einval) {
            features.enter_flags |= flag;
        }
    }
}

// ---- Register operations ------------------------------------------------------------------------

/// From 5.15 on the operation is looked at before the descriptor, so that a closed descriptor tells
/// what is known and nothing can happen. False where it tells nothing.
[[nodiscard]] bool scan_register_operations(Features& features) noexcept {
    if (register_call(closed_fd, unknown_operation, nullptr, 0) != -Errno::einval) {
        return false;
    }
    u32 count = 0;
    while (count < 128 && register_call(closed_fd, count, nullptr, 0) == -Errno::ebadf) {
        ++count;
    }
    if (count == 0) {
        return false; // something other than the kernel answers
    }
    set_first_operations(features, count);
    return true;
}

/// A call that an operation answers with something other than EINVAL, without having done anything.
struct RegisterTry {
    RegisterOp operation;
    bool has_address; ///< one that cannot be read, so that the answer is EFAULT; else nullptr
    u8 count;
};

constexpr RegisterTry register_tries[] = {
    {RegisterOp::eventfd, false, 1},            // EFAULT
    {RegisterOp::unregister_eventfd, false, 0}, // ENXIO: there is none
    {RegisterOp::files_update, false, 1},       // ENXIO or EFAULT
    {RegisterOp::eventfd_async, false, 1},
    {RegisterOp::probe, true, 1},
    {RegisterOp::personality, false, 0},  // an id of this ring alone, gone with it
    {RegisterOp::restrictions, false, 0}, // EBADFD: the ring is not disabled
    {RegisterOp::enable_rings, false, 0}, // EBADFD
    {RegisterOp::files2, true, sizeof(abi::RsrcRegister)},
    {RegisterOp::files_update2, true, sizeof(abi::RsrcUpdate)},
    {RegisterOp::buffers2, true, sizeof(abi::RsrcRegister)},
    {RegisterOp::buffers_update, true, sizeof(abi::RsrcUpdate)},
    {RegisterOp::iowq_aff, true, 8},
    {RegisterOp::iowq_max_workers, true, 2},
    {RegisterOp::ring_fds, true, 1},
    {RegisterOp::unregister_ring_fds, true, 1},
    {RegisterOp::pbuf_ring, true, 1},
    {RegisterOp::unregister_pbuf_ring, true, 1},
    {RegisterOp::sync_cancel, true, 1},
    {RegisterOp::file_alloc_range, true, 0},
    {RegisterOp::pbuf_status, true, 1},
    {RegisterOp::napi, true, 1},
    {RegisterOp::unregister_napi, false, 1},
    {RegisterOp::clock, true, 0},
    {RegisterOp::clone_buffers, true, 1},
    {RegisterOp::mem_region, true, 1},
    {RegisterOp::query, true, 0},
};

/// What cannot be told apart from an unknown operation on any ring, and what came in the same
/// release.
struct RegisterInference {
    RegisterOp operation;
    RegisterOp from;
};

constexpr RegisterInference register_inferences[] = {
    {RegisterOp::unregister_personality, RegisterOp::personality}, // EINVAL for an unknown id
    {RegisterOp::unregister_iowq_aff, RegisterOp::iowq_aff},       // EINVAL without workers
    {RegisterOp::send_msg_ring, RegisterOp::mem_region},           // takes no ring
    {RegisterOp::resize_rings, RegisterOp::mem_region},            // EINVAL without defer_taskrun
};

void try_register_operations(Features& features, i32 ring) noexcept {
    if (register_call(ring, unknown_operation, nullptr, 0) != -Errno::einval) {
        return; // a filter answers
    }
    set_first_operations(features,
                         static_cast<u32>(RegisterOp::eventfd)); // 5.1, as the ring itself
    const void* const unreadable = reinterpret_cast<const void*>(~uptr{4095});
    for (const RegisterTry& next : register_tries) {
        const void* const argument = next.has_address ? unreadable : nullptr;
        if (register_call(ring, next.operation, argument, next.count) != -Errno::einval) {
            set_operation(features, next.operation);
        }
    }
    for (const RegisterInference& next : register_inferences) {
        if (features.supports(next.from)) {
            set_operation(features, next.operation);
        }
    }
}

/// Zero-copy receive has its number between two older operations, and cannot be tried without a
/// network card that does it; its opcode came in the same release, 6.15.
void infer_zcrx_operation(Features& features) noexcept {
    const u32 index = static_cast<u32>(RegisterOp::zcrx_ifq);
    if (features.register_op_count == 0) {
        return;
    }
    if (features.supports(abi::Opcode::recv_zc)) {
        set_operation(features, RegisterOp::zcrx_ifq);
    } else {
        features.register_ops[index >> 6] &= ~(u64{1} << (index & 63));
    }
}

// ---- Opcodes and flags of entries ---------------------------------------------------------------

/// What a feature bit says about the release, for kernels that answer nothing better.
struct Release {
    u32 feature;
    u8 opcode_count;
    u8 sqe_flags;
};

constexpr u8 flags_of_5_4 =
    abi::sqe_flag::fixed_file | abi::sqe_flag::io_drain | abi::sqe_flag::io_link;
constexpr u8 flags_of_5_5 = flags_of_5_4 | abi::sqe_flag::io_hardlink;
constexpr u8 flags_of_5_6 = flags_of_5_5 | abi::sqe_flag::async;
constexpr u8 flags_of_5_7 = flags_of_5_6 | abi::sqe_flag::buffer_select;
constexpr u8 flags_of_5_17 = flags_of_5_7 | abi::sqe_flag::cqe_skip_success;

constexpr Release releases[] = {
    {0, 8, abi::sqe_flag::fixed_file},             // 5.1
    {feature::single_mmap, 12, flags_of_5_4},      // 5.4, and what 5.2 and 5.3 brought
    {feature::nodrop, 17, flags_of_5_5},           // 5.5
    {feature::rw_cur_pos, 30, flags_of_5_6},       // 5.6
    {feature::fast_poll, 33, flags_of_5_7},        // 5.7
    {feature::poll_32bits, 34, flags_of_5_7},      // 5.9
    {feature::sqpoll_nonfixed, 37, flags_of_5_7},  // 5.11
    {feature::cqe_skip, 40, flags_of_5_17},        // 5.17
    {feature::reg_reg_ring, 49, flags_of_5_17},    // 6.3
    {feature::recvsend_bundle, 56, flags_of_5_17}, // 6.10
    {feature::min_timeout, 58, flags_of_5_17},     // 6.12
    {feature::no_iowait, 62, flags_of_5_17},       // 6.15
};

[[nodiscard]] const Release& release_of(const Features& features) noexcept {
    const Release* last = &releases[0];
    for (const Release& next : releases) {
        if (features.has(next.feature)) {
            last = &next;
        }
    }
    return *last;
}

/// RegisterOp::probe (5.6) tells which operations the kernel was built with. Where it cannot be
/// had, what query or the feature bits said stays.
void ask_for_opcodes(Features& features, i32 ring) noexcept {
    abi::Probe answer = {};
    if (register_call(ring, RegisterOp::probe, &answer, 256) != 0) {
        if (features.opcode_count == 0) {
            set_first_opcodes(features, release_of(features).opcode_count);
        }
        return;
    }
    for (u64& word : features.opcodes) {
        word = 0;
    }
    features.opcode_count = u32{answer.last_op} + 1;
    for (u32 at = 0; at < answer.ops_len; ++at) {
        if ((answer.ops[at].flags & abi::op_supported) != 0) {
            set_bit(features.opcodes, answer.ops[at].op);
        }
    }
}

void try_all(Features& features, i32 ring, u32 feature_bits) noexcept {
    features.source = FeatureSource::trial;
    features.feature_bits = feature_bits;
    features.sqe_flags = release_of(features).sqe_flags;
    try_enter_flags(features, ring);
    try_setup_flags(features, ring);
    if (features.register_op_count == 0) {
        try_register_operations(features, ring);
    }
    ask_for_opcodes(features, ring);
    infer_zcrx_operation(features);
}

[[nodiscard, gnu::cold]] i32 probe_with(Features& features, Reason* reason,
                                        bool may_query) noexcept {
    features = {};
    const bool answered = may_query && ask_all(features);
    if (!answered) {
        (void)scan_register_operations(features);
    }
    abi::Params params = {};
    const i32 ring = kernel::io_uring_setup(1, &params);
    if (reason != nullptr) {
        *reason = {};
    }
    if (ring < 0) {
        if (reason != nullptr) {
            RingOptions options;
            options.entries = 1;
            reason->stage = Stage::setup;
            reason->error = ring;
            reason->entries = 1;
            reason->needed_bytes = required_bytes(options);
        }
        return ring;
    }
    if (answered) {
        ask_for_opcodes(features, ring);
    } else {
        try_all(features, ring, params.features);
    }
    (void)kernel::close(ring);
    return 0;
}

} // namespace

i32 probe(Features& features, Reason* reason) noexcept {
    return probe_with(features, reason, true);
}

i32 probe_by_trial(Features& features, Reason* reason) noexcept {
    return probe_with(features, reason, false);
}

RingOptions best_ring_options(const Features& features, u32 entries) noexcept {
    constexpr u32 plain = setup::no_sqarray | setup::submit_all | setup::single_issuer;
    constexpr u32 deferred = setup::single_issuer | setup::defer_taskrun | setup::taskrun_flag;
    constexpr u32 cooperative = setup::coop_taskrun | setup::taskrun_flag;
    RingOptions options;
    options.entries = entries;
    options.preferred_flags = features.setup_flags & plain;
    if (features.supports_setup(deferred)) {
        options.preferred_flags |= deferred;
    } else if (features.supports_setup(cooperative)) {
        options.preferred_flags |= cooperative;
    }
    return options;
}

} // namespace oxbow
