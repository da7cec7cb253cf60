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
#include "syscall.h"

#if __STDC_HOSTED__

// A program with a main of its own need not have it.
#pragma weak oxbow_main

/// Weak, as is what it calls, so that all of Oxbow's objects may be linked straight into a program
/// with a main of its own.
[[gnu::weak]] int main(int argc, char** argv) {
    // A C library may have moved the environment, but not argv: what follows it is still the above.
    oxbow::remember_start(argc, argv);
    if (&oxbow_main == nullptr) {
        constexpr char text[] = "oxbow: this program defines neither main nor oxbow_main\n";
        (void)oxbow::invoke(oxbow::number::write, 2, &text[0], sizeof(text) - 1);
        return 127;
    }
    return oxbow_main(argc, argv, argv + argc + 1);
}

#else

asm(OXBOW_ARCH_START);

/// In runtime.cc, which is linked in only where some object has a guarded stack.
extern "C" [[gnu::weak]] void oxbow_randomize_stack_guard() noexcept;

/// What `_start` calls. The guard changes while it runs, so it cannot have one.
extern "C" [[noreturn, gnu::used, gnu::visibility("hidden")]] void
    __attribute__((no_stack_protector)) oxbow_start(oxbow::uptr* stack) noexcept {
    const int argc = static_cast<int>(stack[0]);
    char** argv = reinterpret_cast<char**>(stack + 1);
    oxbow::remember_start(argc, argv);
    if (&oxbow_randomize_stack_guard != nullptr) {
        oxbow_randomize_stack_guard();
    }
    const int status = oxbow_main(argc, argv, argv + argc + 1);
    for (;;) {
        (void)oxbow::arch::raw(oxbow::number::exit_group, status);
    }
}

#endif
