// The real kernel with a part of io_uring only, as an older one has it: it refuses what that one
// would refuse, and hides what that one has not. What is behind it still works, so that a whole
// loop can run as on a 5.10 or a 6.1. pretend_kernel.h has the parts, and a kernel with nothing
// behind.
#pragma once

#include "pretend_kernel.h"

namespace oxbow::test {

/// The parts of this version; the test fails where there are none.
[[nodiscard]] const KernelParts& parts_of(const char* version) noexcept;

class LimitedKernel {
  public:
    /// In memory that is there already.
    static void* operator new(usize, void* place) noexcept { return place; }

    explicit LimitedKernel(const KernelParts& parts) noexcept;
    ~LimitedKernel();
    LimitedKernel(const LimitedKernel&) = delete;
    LimitedKernel& operator=(const LimitedKernel&) = delete;

  private:
    static bool handle(void* context, long number, const long* arguments, int count,
                       long* result) noexcept;

    const KernelParts& parts_;
};

} // namespace oxbow::test
