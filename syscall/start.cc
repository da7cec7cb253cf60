// The program's entry, for programs that define oxbow_main; start.h says how it is chosen.
//
// The stack as the kernel leaves it, from the stack pointer upwards, a word each:
//
//   sp ->  argc
//          argv[0] ... argv[argc - 1]
//          0
//          environment[0] ...
//          0
//          kind, value        the auxiliary vector
//          ...
//          0, 0
//          the strings and random bytes that the above point to
#include "start.h"

#if __STDC_HOSTED__

int main(int argc, char** argv) {
    // A C library may have moved the environment, but not argv: what follows it is still the above.
    oxbow::remember_start(argc, argv);
    return oxbow_main(argc, argv, argv + argc + 1);
}

#else

#include "syscall.h"

asm(OXBOW_ARCH_START);

/// The word that compilers on most machines compare for -fstack-protector (runtime.cc). It is there
/// only if some object uses it.
extern "C" [[gnu::weak]] oxbow::uptr __stack_chk_guard;

/// What `_start` calls. It sets the stack guard, so it cannot have one. (Spelled so, both compilers
/// know the last attribute.)
extern "C" [[noreturn, gnu::used, gnu::visibility("hidden")]] void
    __attribute__((no_stack_protector)) oxbow_start(oxbow::uptr* stack) noexcept {
    const int argc = static_cast<int>(stack[0]);
    char** argv = reinterpret_cast<char**>(stack + 1);
    oxbow::remember_start(argc, argv);
    if (&__stack_chk_guard != nullptr) {
        const oxbow::u8* random = oxbow::start_random_bytes();
        for (oxbow::usize i = 0; random != nullptr && i < sizeof(oxbow::uptr); ++i) {
            // The lowest byte stays zero, so that no string can be read across the guard.
            reinterpret_cast<oxbow::u8*>(&__stack_chk_guard)[i] = i == 0 ? 0 : random[i];
        }
    }
    const int status = oxbow_main(argc, argv, argv + argc + 1);
    for (;;) {
        (void)oxbow::arch::raw(oxbow::number::exit_group, status);
    }
}

#endif
