// The functions that the kernel maps into every process, so that a look at the clock is no system
// call: vdso(7).
#pragma once

#include "types.h"

namespace oxbow {

/// The function `name` of the vDSO whose ELF header is at `image`, or nullptr where it has none of
/// that name, or the image is none that this code understands.
[[nodiscard]] void* vdso_function(const void* image, const char* name) noexcept;

/// Nanoseconds of abi::clock::monotonic, as cheap as this machine tells them. The first call finds
/// out how; where that is refused, this is the system call, and so it is under an emulator that has
/// no vDSO. From any thread or signal handler.
[[nodiscard]] u64 monotonic_ns() noexcept;

} // namespace oxbow
