// RISC-V, 64 bits. The number goes in a7 and the arguments in a0 to a5; `ecall` returns in a0 and
// keeps every other register. The numbers are the generic ones.
// Source: syscall(2); arch/riscv/kernel/entry.S; include/uapi/asm-generic/unistd.h.
#pragma once

#include "arch_common.h"
#include "numbers_generic.h"

namespace oxbow {
namespace arch {

inline constexpr bool has_time64_calls = false;
inline constexpr bool pair_is_aligned = false;
inline constexpr bool fadvise_advice_second = false;
inline constexpr bool sync_range_flags_second = false;
inline constexpr bool clone_stack_first = false;
inline constexpr u64 mmap_offset_unit = 1;
inline constexpr bool signal_action_has_restorer = false;
inline constexpr bool signal_needs_restorer = false; // the vDSO always has one
inline constexpr void (*signal_restorer)() = nullptr;

// `ecall` with the registers of as many arguments as there are, and no more.
#define OXBOW_ECALL(...)                                                                           \
    asm volatile("ecall" : "+r"(a0) : "r"(a7)__VA_OPT__(, ) __VA_ARGS__ : "memory")

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
    register long a7 asm("a7") = number;
    register long a0 asm("a0") = argument[0];
    register long a1 asm("a1") = argument[1];
    register long a2 asm("a2") = argument[2];
    register long a3 asm("a3") = argument[3];
    register long a4 asm("a4") = argument[4];
    register long a5 asm("a5") = argument[5];
    if constexpr (count <= 1) {
        OXBOW_ECALL();
    } else if constexpr (count == 2) {
        OXBOW_ECALL("r"(a1));
    } else if constexpr (count == 3) {
        OXBOW_ECALL("r"(a1), "r"(a2));
    } else if constexpr (count == 4) {
        OXBOW_ECALL("r"(a1), "r"(a2), "r"(a3));
    } else if constexpr (count == 5) {
        OXBOW_ECALL("r"(a1), "r"(a2), "r"(a3), "r"(a4));
    } else {
        OXBOW_ECALL("r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5));
    }
    return a0;
}

#undef OXBOW_ECALL

inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, flags, stack, parent_tid, tls, child_tid);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 2, entry, argument);
    register long a7 asm("a7") = number::clone;
    register long a0 asm("a0") = flags;
    register uptr* a1 asm("a1") = stack;
    register i32* a2 asm("a2") = parent_tid;
    register void* a3 asm("a3") = tls;
    register i32* a4 asm("a4") = child_tid;
    asm volatile("ecall\n\t"
                 "bnez a0, 1f\n\t"
                 "li s0, 0\n\t" // the child: the outermost frame
                 "ld a1, 0(sp)\n\t"
                 "ld a0, 8(sp)\n\t"
                 "addi sp, sp, 16\n\t"
                 "jalr a1\n\t"
                 "li a7, %[exit]\n\t"
                 "ecall\n"
                 "1:"
                 : "+r"(a0)
                 : "r"(a7), "r"(a1), "r"(a2), "r"(a3),
                   "r"(a4), [exit] "i"(static_cast<int>(number::exit))
                 : "memory");
    return a0;
}

} // namespace arch
} // namespace oxbow

// gp is the base of the linker's short addresses; nothing else sets it.
#define OXBOW_ARCH_START                                                                           \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, @function\n"                                                                    \
    "_start:\n"                                                                                    \
    ".option push\n"                                                                               \
    ".option norelax\n"                                                                            \
    "\tlla gp, __global_pointer$\n"                                                                \
    ".option pop\n"                                                                                \
    "\tli s0, 0\n"                                                                                 \
    "\tli ra, 0\n"                                                                                 \
    "\tmv a0, sp\n"                                                                                \
    "\tandi sp, sp, -16\n"                                                                         \
    "\tcall oxbow_start\n"                                                                         \
    ".size _start, . - _start\n"
