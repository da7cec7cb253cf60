// What the parts of the io_uring interface are called, and since which kernel there are any: data
// for programs that report what a kernel offers (example/info.cc) or lacks (reason.cc). Linked only
// where it is used.
#pragma once

#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"

namespace oxbow {

class Text;

/// One name, as the enumerators and constants in syscall/abi_uring*.h are spelled, and the first
/// mainline kernel that has it: "6.18" is {6, 18}. Distributions carry some back to older kernels,
/// so the version is for people; what a kernel has is for Features to say.
struct KernelName {
    const char* text; ///< never nullptr; "unknown" behind the last one
    u8 series;        ///< 0 for an unknown one
    u8 release;
};

/// How many of each are named here: everything up to Linux 7.3.
inline constexpr u32 opcodes_named = 65;
inline constexpr u32 register_ops_named = 38;
inline constexpr u32 setup_flags_named = 21;
inline constexpr u32 features_named = 18;
inline constexpr u32 enter_flags_named = 8;
inline constexpr u32 sqe_flags_named = 7;

[[nodiscard]] KernelName opcode_name(abi::Opcode opcode) noexcept;
[[nodiscard]] KernelName register_op_name(abi::RegisterOp operation) noexcept;

/// These take the number of the bit: 3 for abi::setup::cqsize, which is 1 << 3.
[[nodiscard]] KernelName setup_flag_name(u32 bit) noexcept;
[[nodiscard]] KernelName feature_name(u32 bit) noexcept;
[[nodiscard]] KernelName enter_flag_name(u32 bit) noexcept;
[[nodiscard]] KernelName sqe_flag_name(u32 bit) noexcept;

/// Appends the names of the abi::setup flags, with `between` between them.
void add_setup_flags(Text& text, u32 flags, const char* between) noexcept;

} // namespace oxbow
