// What compilers and libgcc may want of a C library besides memory.cc, for freestanding programs
// that are built with other flags than ours. Nothing in Oxbow needs any of it. All are weak, and
// the object is linked in only where something asks for one of them.
#include "start.h"
#include "types.h"

#if !__STDC_HOSTED__

extern "C" {

/// -fstack-protector keeps this word on the stack and compares it at the end of functions; start.cc
/// makes it random. aarch64, arm and riscv64 use it as they are; i386, x86-64 and ppc64le look in
/// thread memory that only a C library sets up, so there pass -mstack-protector-guard=global or
/// -fno-stack-protector; s390x has only the latter.
[[gnu::weak]] constinit oxbow::uptr __stack_chk_guard =
    static_cast<oxbow::uptr>(0x5bd1e995a7c40b00u);

/// Makes the word random. start.cc calls it where it is linked in, and before any function that has
/// the word on its stack; it cannot have a guard itself. (Spelled so, both compilers know the
/// attribute.)
[[gnu::used]] void __attribute__((no_stack_protector)) oxbow_randomize_stack_guard() noexcept {
    const oxbow::u8* random = oxbow::start_random_bytes();
    for (oxbow::usize i = 1; random != nullptr && i < sizeof(oxbow::uptr); ++i) {
        // The lowest byte stays zero, so that no string can be read across the guard.
        reinterpret_cast<oxbow::u8*>(&__stack_chk_guard)[i] = random[i];
    }
}

/// Called when that comparison fails: the stack was overwritten.
[[noreturn, gnu::weak]] void __stack_chk_fail() noexcept {
    __builtin_trap();
}

#if defined(__i386__)
/// The same under -fPIC on i386, where a call inside the program needs no GOT.
[[noreturn, gnu::weak, gnu::visibility("hidden")]] void __stack_chk_fail_local() noexcept {
    __builtin_trap();
}
#endif

#if defined(__arm__)
/// libgcc's 64-bit division calls it (with SIGFPE) when the divisor is zero.
[[gnu::weak]] int raise(int) noexcept {
    __builtin_trap();
}

/// Every object built with -funwind-tables names one of these; nothing here unwinds.
[[gnu::weak]] void __aeabi_unwind_cpp_pr0() noexcept {}
[[gnu::weak]] void __aeabi_unwind_cpp_pr1() noexcept {}
#endif

#if defined(__aarch64__)
/// libgcc's outlined atomics carry a constructor that asks it for AT_HWCAP. No constructor runs in
/// a freestanding program, and they work without: they take what every machine has.
[[gnu::weak]] unsigned long __getauxval(unsigned long) noexcept {
    return 0;
}
#endif

} // extern "C"

#endif
