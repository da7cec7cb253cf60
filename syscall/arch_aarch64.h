// AArch64. The number goes in x8 and the arguments in x0 to x5; `svc #0` returns in x0 and keeps
// every other register. The numbers are the generic ones, and renameat, which newer machines lack.
// Atomics: g++ calls helpers of libgcc for them unless told -mno-outline-atomics.
// Source: syscall(2); arch/arm64/kernel/entry.S; include/uapi/asm-generic/unistd.h.
#pragma once

#include "arch_common.h"
#include "numbers_generic.h"

namespace oxbow {

namespace number {
enum : long { renameat = 38 };
} // namespace number

namespace arch {

inline constexpr bool has_time64_calls = false;
inline constexpr bool pair_is_aligned = false;
inline constexpr bool fadvise_advice_second = false;
inline constexpr bool sync_range_flags_second = false;
inline constexpr bool clone_stack_first = false;
inline constexpr u64 mmap_offset_unit = 1;
inline constexpr bool signal_action_has_restorer = true;
inline constexpr bool signal_needs_restorer = false; // the vDSO always has one
inline constexpr void (*signal_restorer)() = nullptr;

// `svc #0` with the registers of as many arguments as there are, and no more.
#define OXBOW_SVC(...)                                                                             \
    asm volatile("svc #0" : "+r"(x0) : "r"(x8)__VA_OPT__(, ) __VA_ARGS__ : "memory", "cc")

template <class... Words>
inline long raw(long number, Words... words) noexcept {
    constexpr int count = sizeof...(Words);
    static_assert(count <= 6);
    const long argument[7] = {words..., 0};
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = argument[0];
    register long x1 asm("x1") = argument[1];
    register long x2 asm("x2") = argument[2];
    register long x3 asm("x3") = argument[3];
    register long x4 asm("x4") = argument[4];
    register long x5 asm("x5") = argument[5];
    if constexpr (count <= 1) {
        OXBOW_SVC();
    } else if constexpr (count == 2) {
        OXBOW_SVC("r"(x1));
    } else if constexpr (count == 3) {
        OXBOW_SVC("r"(x1), "r"(x2));
    } else if constexpr (count == 4) {
        OXBOW_SVC("r"(x1), "r"(x2), "r"(x3));
    } else if constexpr (count == 5) {
        OXBOW_SVC("r"(x1), "r"(x2), "r"(x3), "r"(x4));
    } else {
        OXBOW_SVC("r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5));
    }
    return x0;
}

#undef OXBOW_SVC

inline long clone_call(long flags, long stack, long parent_tid, long tls, long child_tid) noexcept {
    return raw(number::clone, flags, stack, parent_tid, tls, child_tid);
}

inline long clone_thread(long flags, void* stack_top, i32* parent_tid, i32* child_tid, void* tls,
                         int (*entry)(void*), void* argument) noexcept {
    uptr* stack = thread_stack(stack_top, 2, entry, argument);
    register long x8 asm("x8") = number::clone;
    register long x0 asm("x0") = flags;
    register uptr* x1 asm("x1") = stack;
    register i32* x2 asm("x2") = parent_tid;
    register void* x3 asm("x3") = tls;
    register i32* x4 asm("x4") = child_tid;
    asm volatile("svc #0\n\t"
                 "cbnz x0, 1f\n\t"
                 "mov x29, #0\n\t" // the child: the outermost frame
                 "mov x30, #0\n\t"
                 "ldp x1, x0, [sp], #16\n\t"
                 "blr x1\n\t"
                 "mov x8, %[exit]\n\t"
                 "svc #0\n"
                 "1:"
                 : "+r"(x0)
                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3),
                   "r"(x4), [exit] "i"(static_cast<int>(number::exit))
                 : "memory", "cc");
    return x0;
}

} // namespace arch
} // namespace oxbow

#define OXBOW_ARCH_START                                                                           \
    ".text\n"                                                                                      \
    ".globl _start\n"                                                                              \
    ".type _start, %function\n"                                                                    \
    "_start:\n"                                                                                    \
    "\tmov x29, #0\n"                                                                              \
    "\tmov x30, #0\n"                                                                              \
    "\tmov x0, sp\n"                                                                               \
    "\tand sp, x0, #-16\n"                                                                         \
    "\tbl oxbow_start\n"                                                                           \
    ".size _start, . - _start\n"
