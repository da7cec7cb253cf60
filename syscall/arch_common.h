// What every arch_<cpu>.h gives under the same names, and the little that they share. Each gives:
//
//   number::<call>         the machine's numbers; a call that it never had is not there
//   has_time64_calls       `long` is 32 bits: times need the calls with 64 or time64 in their name
//   pair_is_aligned        a 64-bit argument split into two words starts at an even word
//   fadvise_advice_second  fadvise64's advice stands second, not last
//   sync_range_flags_second   the same of sync_file_range's flags
//   clone_stack_first      clone takes the stack before the flags
//   mmap_offset_unit       the bytes that one unit of mmap's offset stands for
//   signal_action_has_restorer   the kernel's struct sigaction has a restorer field
//   signal_needs_restorer  that field must be filled, with `signal_restorer`, and SA_RESTORER set.
//                          The restorer undoes the frame of a handler with SA_SIGINFO, so set that
//                          flag too, always: i386 and arm lay out another frame without it
//   raw(number, words...)  the system call; -4095 to -1 of what it returns is an errno. mmap takes
//                          six words on every machine, whatever the kernel wants of it
//   clone_call(flags, stack, parent_tid, tls, child_tid)
//                          clone with one order of arguments. Stack 0 is the caller's own, for a
//                          child with a copy of this memory: no code can go on, from here, on a new
//                          stack
//   clone_thread(flags, stack_top, parent_tid, child_tid, tls, entry, argument)
//                          starts a thread (or a child, as `flags` say) on the stack below
//                          `stack_top`; it calls entry(argument) and ends with `exit` of the value.
//                          Returns its id or a negative errno. With CLONE_CHILD_CLEARTID the kernel
//                          zeroes and wakes *child_tid at the end, and only then may the stack go.
//                          `tls` is for CLONE_SETTLS: the thread register's value, on i386 a
//                          struct user_desc
//   OXBOW_ARCH_START       the text of `_start`: no frame above, the initial stack as the argument
//                          of oxbow_start (start.cc), the stack aligned as for any call
#pragma once

#include "types.h"

namespace oxbow::arch {

/// Room for `words` words below `stack_top`, aligned as calls want it; the child finds the two
/// values at the bottom.
[[nodiscard]] inline uptr* thread_stack(void* stack_top, int words, int (*entry)(void*),
                                        void* argument) noexcept {
    uptr* stack = reinterpret_cast<uptr*>(reinterpret_cast<uptr>(stack_top) & ~uptr{15}) - words;
    stack[0] = reinterpret_cast<uptr>(entry);
    stack[1] = reinterpret_cast<uptr>(argument);
    return stack;
}

} // namespace oxbow::arch
