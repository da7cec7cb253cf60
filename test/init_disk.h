// The NVMe drives of a bare kernel: test/kernel/boot.sh with DISK=1 attaches them, init.cc calls
// this, disk_help.h has what the tests see of them.
#pragma once

namespace oxbow::test {

/// Where OXBOW_DISK=nvme asks for it: waits for the drives, mounts those with ext4, and makes links
/// to the devices of the empty one, under names that do not depend on which drive came first.
/// False, after a message: one of them does not come, and a run would prove nothing.
[[nodiscard]] bool prepare_disks() noexcept;

} // namespace oxbow::test
