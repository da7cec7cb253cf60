// A kernel that has only part of io_uring, as 5.1, 5.10, 6.1 and so on have it: answers setup,
// register and enter with what such a kernel accepts, and nothing behind it. For tests of what is
// asked and concluded (probe, reason); fake_kernel.h has rings that work.
#pragma once

#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"

namespace oxbow::test {

struct KernelParts {
    const char* name;
    u32 setup_flags;
    u32 features;
    u32 enter_flags;
    u32 sqe_flags;
    u32 opcode_count;
    u64 register_ops;
    bool has_probe;             ///< RegisterOp::probe
    bool looks_at_number_first; ///< an unknown register operation is seen before the descriptor
    bool sqpoll_is_a_privilege;
};

/// Bits 0 to `last`.
[[nodiscard]] constexpr u64 up_to(u32 last) noexcept {
    return (u64{2} << last) - 1;
}

/// From the first one on. Sources: tables by release in syscall/abi_uring*.h, and boots of Debian's
/// kernels of these versions.
extern const KernelParts kernel_parts[9];
inline constexpr u32 parts_of_5_10 = 3;

class PretendKernel {
  public:
    explicit PretendKernel(const KernelParts& parts) noexcept;
    ~PretendKernel();
    PretendKernel(const PretendKernel&) = delete;
    PretendKernel& operator=(const PretendKernel&) = delete;

    [[nodiscard]] u32 setups() const noexcept { return setups_; }
    /// Rings that were made and not closed, descriptors and registered ones.
    [[nodiscard]] i32 rings_open() const noexcept { return open_; }

  private:
    static bool handle(void* context, long number, const long* arguments, int count,
                       long* result) noexcept;
    [[nodiscard]] long setup(u32 entries, abi::Params* params) noexcept;
    [[nodiscard]] long register_call(i32 fd, u32 operation, void* argument, u32 count) noexcept;
    [[nodiscard]] long enter(u32 flags) const noexcept;

    const KernelParts& parts_;
    u32 setups_ = 0;
    i32 open_ = 0;
    u64 fds_ = 0; ///< bit n: descriptor n is one of our rings
};

} // namespace oxbow::test
