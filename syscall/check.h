// OXBOW_CHECK: traps on programmer errors in debug builds (-DOXBOW_DEBUG, for the library and what
// calls it, since part of it is inline) and costs nothing in release builds.
// Operating errors (a full disk, a closed peer, a refused ring) are never checked with it: they are
// returned.
#pragma once

#if defined(OXBOW_DEBUG)

#include "syscall.h"

namespace oxbow {

/// Prints one line to standard error and ends the process with an illegal instruction.
[[noreturn, gnu::noinline, gnu::cold]] inline void
check_failed(const char* message, const char* file, int line) noexcept {
    const auto print = [](const char* text) noexcept {
        long length = 0;
        while (text[length] != '\0') {
            ++length;
        }
        (void)invoke(number::write, 2, text, length);
    };
    // Digits by subtraction: on some 32-bit machines a division is a call into libgcc.
    char digits[] = "00000";
    u32 at = 0;
    i32 rest = line;
    constexpr i32 powers[] = {10000, 1000, 100, 10, 1};
    for (const i32 power : powers) {
        for (; rest >= power; rest -= power) {
            ++digits[at];
        }
        ++at;
    }
    print("oxbow: misuse: ");
    print(message);
    print(" (");
    print(file);
    print(":");
    print(digits);
    print(")\n");
    __builtin_trap();
}

} // namespace oxbow

#define OXBOW_CHECK(condition, message)                                                            \
    ((condition) ? (void)0 : ::oxbow::check_failed(message, __FILE__, __LINE__))

#else

#define OXBOW_CHECK(condition, message) ((void)0)

#endif
