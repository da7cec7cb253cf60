// What the ring's kernel has, by its own answers and never by its version.
#include "engine_state.h"
#include "register_ring.h"

namespace oxbow::uring_engine {

namespace {

/// A kernel that takes setup::no_sqarray (6.6) has all operations up to this one.
constexpr u32 last_known = static_cast<u32>(abi::Opcode::sendmsg_zc);

[[nodiscard]] constexpr u64 all_up_to(u32 last) noexcept {
    return (u64{2} << last) - 1;
}

template <class... Opcode>
[[nodiscard]] constexpr u64 bits_of(Opcode... opcode) noexcept {
    return ((u64{1} << static_cast<u32>(opcode)) | ...);
}

void ask(Ring& ring, Features& features) noexcept {
    features.is_asked = true;
    abi::Probe probe = {};
    if (ring.register_call(abi::RegisterOp::probe, &probe, 256) != 0) {
        if (features.opcodes == 0) {
            // Before 5.6: what 5.1 to 5.5 had, less what came between, since nothing tells.
            features.opcodes = all_up_to(static_cast<u32>(abi::Opcode::poll_remove));
        }
        return;
    }
    features.opcodes = 0;
    for (u32 at = 0; at < probe.ops_len && at < 64; ++at) {
        if ((probe.ops[at].flags & abi::op_supported) != 0) {
            features.opcodes |= u64{1} << at;
        }
    }
}

} // namespace

/// What no bit tells follows from an operation that came with the same kernel.
Features features_of(Ring& ring) noexcept {
    Features features;
    if ((ring.setup_flags() & abi::setup::no_sqarray) != 0) {
        features.opcodes = all_up_to(last_known); // the question costs a small program's start
    } else {
        ask(ring, features);
    }
    features.poll_multishot = ring.has(abi::feature::rsrc_tags);
    features.accept_multishot = features.has(abi::Opcode::socket);
    features.buffer_rings = features.has(abi::Opcode::send_zc);
    features.recv_multishot = features.has(abi::Opcode::send_zc);
    return features;
}

bool ask_for(State& state, abi::Opcode opcode) noexcept {
    ask(state.ring, state.features);
    return state.features.has(opcode);
}

/// What 5.6 has, and a queue that loses nothing.
bool suffices(const Ring& ring, const Features& features) noexcept {
    constexpr u64 needed =
        bits_of(abi::Opcode::poll_add, abi::Opcode::async_cancel, abi::Opcode::accept,
                abi::Opcode::connect, abi::Opcode::read, abi::Opcode::write, abi::Opcode::recv,
                abi::Opcode::send, abi::Opcode::close);
    return (features.opcodes & needed) == needed &&
           ring.has(abi::feature::nodrop | abi::feature::rw_cur_pos);
}

} // namespace oxbow::uring_engine
