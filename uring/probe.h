// What this kernel's io_uring offers, as one value. Everything in it is the kernel's own answer to
// a question, never a guess from the version that it calls itself.
#pragma once

#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"
#include "../syscall/abi_uring_zcrx.h"
#include "reason.h"
#include "ring_options.h"

namespace oxbow {

/// How a Features value was found.
enum class FeatureSource : u8 {
    none,  ///< not asked yet, or refused by a kernel that tells nothing without a ring
    query, ///< the kernel listed it (RegisterOp::query, 6.18)
    trial, ///< flags and operations were tried on rings of one entry, which are closed again
};

struct Features {
    FeatureSource source = FeatureSource::none;
    u32 setup_flags = 0;                 ///< abi::setup flags that are accepted
    u32 feature_bits = 0;                ///< abi::feature
    u32 enter_flags = 0;                 ///< abi::enter
    u32 sqe_flags = 0;                   ///< abi::sqe_flag
    u32 opcode_count = 0;                ///< the highest known opcode plus one
    u32 register_op_count = 0;           ///< the highest known register operation plus one
    u32 query_op_count = 0;              ///< questions that RegisterOp::query takes
    u64 opcodes[4] = {};                 ///< bit n of the whole: opcode n
    u64 register_ops[2] = {};            ///< bit n of the whole: register operation n
    abi::QueryScq scq = {};              ///< all 0 where the kernel does not tell. 6.19
    abi::QueryZcrx zcrx = {};            ///< zero-copy receive; all 0 likewise. 6.19
    abi::QueryZcrxEvent zcrx_event = {}; ///< all 0 likewise. 7.2

    /// Whether the operation can be submitted. A kernel may know an opcode and yet be built
    /// without what it needs (sockets, futexes, epoll): then this is false.
    [[nodiscard]] constexpr bool supports(abi::Opcode opcode) const noexcept {
        const u32 index = static_cast<u32>(opcode);
        return (opcodes[index >> 6 & 3] >> (index & 63) & 1) != 0;
    }
    /// Whether io_uring_register knows the operation. It may still want privileges or a ring of
    /// another kind.
    [[nodiscard]] constexpr bool supports(abi::RegisterOp operation) const noexcept {
        const u32 index = static_cast<u32>(operation);
        return index < 128 && (register_ops[index >> 6] >> (index & 63) & 1) != 0;
    }
    /// These take one bit or several; all of them must be there.
    [[nodiscard]] constexpr bool supports_setup(u32 flags) const noexcept {
        return (setup_flags & flags) == flags;
    }
    [[nodiscard]] constexpr bool supports_enter(u32 flags) const noexcept {
        return (enter_flags & flags) == flags;
    }
    [[nodiscard]] constexpr bool supports_sqe(u32 flags) const noexcept {
        return (sqe_flags & flags) == flags;
    }
    [[nodiscard]] constexpr bool has(u32 feature) const noexcept {
        return (feature_bits & feature) == feature;
    }
};

/// Asks the kernel what it offers. From 6.18 on that is RegisterOp::query and one ring of one
/// entry; before, about twenty more such rings are made, one after the other, and closed at once
/// (two of them with a kernel thread, for SQPOLL). 0, or the negative errno with which even the
/// plainest ring was refused, with the cause in `reason`; `features` then has what the kernel tells
/// without a ring, which is nearly all from 6.18 on, the register operations from 5.15 on, and
/// nothing before.
///
/// Of flags and operations that came in one release, some are not tried but inferred from another,
/// because no harmless call tells whether the kernel knows them: probe.cc says which.
[[nodiscard]] i32 probe(Features& features, Reason* reason = nullptr) noexcept;

/// The same without RegisterOp::query, as on a kernel before 6.18.
[[nodiscard]] i32 probe_by_trial(Features& features, Reason* reason = nullptr) noexcept;

/// What a ring is best opened with that one thread opens, submits to and reaps, such as an event
/// loop's: task work is run when the thread waits (defer_taskrun) or at least without an interrupt
/// (coop_taskrun), and no entry is left behind by a malformed one (submit_all).
[[nodiscard]] RingOptions best_ring_options(const Features& features, u32 entries = 128) noexcept;

} // namespace oxbow
