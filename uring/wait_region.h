// WaitRegion: time limits that the kernel reads where they lie, for
// Ring::submit_and_wait_registered. A wait with one copies nothing into the kernel. 6.13.
#pragma once

#include "ring.h"

namespace oxbow {

/// Like Ring, it has no destructor, and is closed by hand, before or after its ring. A wait with an
/// entry that is not there ends with -EFAULT, and any such wait of a polled ring (setup::iopoll)
/// with -EINVAL: io_uring/io_uring.c, io_get_ext_arg.
class WaitRegion {
  public:
    constexpr WaitRegion() noexcept = default;
    WaitRegion(const WaitRegion&) = delete;
    WaitRegion& operator=(const WaitRegion&) = delete;

    /// Maps memory for at least `entries` time limits and registers it with `ring`, which must
    /// still be disabled: open the ring with setup::r_disabled, then this, then enable_ring. All
    /// entries begin without a limit. Errors: as register_memory_region; -EINVAL too on kernels
    /// before 6.13; after any of them nothing is left mapped.
    [[nodiscard]] i32 open(Ring& ring, u32 entries = 1) noexcept;

    /// Unmaps the memory. The kernel keeps its pages until the ring is gone, with the limits as
    /// they were; but nothing can change them any more, so do not wait with them either.
    void close() noexcept;

    /// What entry `index` says from now on; may change between waits, not during one.
    /// `wait.timeout_ns` is from the beginning of the wait, each time anew, and `wait.signals` must
    /// live as long as the entry. `wait.count` and `wait.deadline_ns` do not count here.
    void set(u32 index, const Wait& wait) noexcept;

    [[nodiscard]] bool is_open() const noexcept { return entry_ != nullptr; }
    [[nodiscard]] u32 entries() const noexcept { return entries_; }

  private:
    abi::RegWait* entry_ = nullptr;
    u32 entries_ = 0;
    usize bytes_ = 0;
};

} // namespace oxbow
