// The test program as a kernel's first process: `oxbow-test-freestanding` in an initramfs, and
// nothing else. What it does there is in init.cc; as any other process it does none of it.
//
// Words of the kernel's command line that have the form of an assignment become the environment of
// the first process, and those behind `--` its arguments, so that
//
//     console=ttyS0 panic=-1 OXBOW_REFUSE=seccomp -- --filter=loop_* --jobs=2
//
// runs these tests in a system without io_uring. The environment:
//
//   OXBOW_REFUSE=seccomp    io_uring_setup is answered with ENOSYS, by a filter
//   OXBOW_REFUSE=sysctl     ... with EPERM, by kernel.io_uring_disabled; 6.6 and later
//   OXBOW_DISK=nvme         NVMe drives with the serial numbers oxbow-files and oxbow-small are
//                           mounted as ext4 at /disk and /small; /dev/oxbow-block becomes a link
//                           to the device of oxbow-block, /dev/oxbow-nvme to its character device
//                           (5.13) and /dev/oxbow-controller to its controller. Where one does
//                           not come, no test runs, and the status is 2.
//   TMPDIR=/disk            ... and the tests' temporary files are there; what else of it the tests
//                           use, disk_help.h says
//   OXBOW_EXIT=qemu         the status is handed to QEMU too: isa-debug-exit at port 0xf4 on x86,
//                           semihosting on arm, aarch64 and riscv64
//
// The first line is `oxbow-init: begins`, and the last one `oxbow-init: status N`. A console
// without the last is one of a run that did not end: QEMU ends with 0 after a panic as well. One
// without either is of a kernel that has not come as far as this program.
#pragma once

namespace oxbow::test {

/// Whether this is the first process of a kernel that has just booted.
[[nodiscard]] bool is_init() noexcept;

/// Prepares the machine, has `program` run in a child, reaps whatever loses its parent, says with
/// what status the program ended, and switches the machine off.
[[noreturn]] void run_as_init(int (*program)(int argc, char** argv) noexcept, int argc,
                              char** argv) noexcept;

} // namespace oxbow::test
