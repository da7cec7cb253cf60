// The clock of loops in programs that ask for the time, or have to do with it (needs.h).
#include "../syscall/vdso.h"
#include "needs.h"

namespace oxbow {

constexpr char detail::clock_part = 0;

u64 (*const detail::clock_call)() noexcept = &monotonic_ns;

} // namespace oxbow
