// A disk of real blocks, for the tests that need one: an NVMe drive of a bare kernel (init.h), or
// any other that somebody names. The environment says where:
//
//   OXBOW_BLOCK_DEVICE=/dev/nvme0n1   a block device of 32 MiB or more; what is on it is lost
//   OXBOW_NVME_DEVICE=/dev/ng0n1      the same one for NVMe commands
//   OXBOW_NVME_CONTROLLER=/dev/nvme0  the drive that it is a part of
//   OXBOW_SMALL_DISK=/small           a directory in an ext4 of a few MiB, which will be filled up
//
// Tests skip where it is not set. Where it is, the device has to be there.
#pragma once

#include "../loop/bits.h"
#include "../syscall/start.h"
#include "loop_op_help.h"

namespace oxbow::test {

/// Memory for direct transfers, aligned for every device.
inline constexpr u32 disk_part = 65536;
template <u32 Parts>
struct alignas(disk_part) DiskMemory {
    u8 data[Parts * disk_part];
};

/// The value of an environment variable that names a disk; a skip where it has none.
[[nodiscard]] inline const char* disk_of(const char* variable) noexcept {
    const char* const path = environment_value(variable);
    if (path == nullptr) {
        SKIP("no disk was given in the environment (disk_help.h)");
    }
    return path;
}

/// One test at a time has what the file lies on for itself. Its lock goes with the descriptor.
inline void lock_disk(i32 fd) noexcept {
    i32 locked = -Errno::eintr;
    while (locked == -Errno::eintr) {
        locked = kernel::flock(fd, abi::flock_mode::exclusive);
    }
    CHECK_OK(locked);
}

/// The block device, open with O_DIRECT, and nobody else's as long as this lives.
class BlockDevice {
  public:
    BlockDevice() noexcept
        : fd_(CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_BLOCK_DEVICE"),
                                      abi::open_flag::read_write | abi::open_flag::direct |
                                          abi::open_flag::cloexec))) {
        lock_disk(fd_);
        bytes_ = static_cast<u64>(CHECK_OK(kernel::lseek(fd_, 0, abi::seek_from::end)));
        CHECK_GE(bytes_, u64{32} << 20);
        CHECK_EQ(kernel::lseek(fd_, 0, abi::seek_from::start), 0);
        // BLKSSZGET of include/uapi/linux/fs.h, numbered in the way of the machine.
        constexpr u32 block_bytes_get = prep::block_command::discard - 0x1200 + 0x1268;
        CHECK_OK(kernel::ioctl(fd_, block_bytes_get, &block_bytes_));
    }

    operator i32() const noexcept { return fd_; }
    [[nodiscard]] u64 bytes() const noexcept { return bytes_; }
    /// What transfers must be a multiple of.
    [[nodiscard]] u32 block_bytes() const noexcept { return block_bytes_; }
    /// The same as a power of two: not every machine divides without libgcc.
    [[nodiscard]] u32 block_shift() const noexcept { return lowest_bit(block_bytes_); }

  private:
    Fd fd_;
    u64 bytes_ = 0;
    u32 block_bytes_ = 0;
};

/// By plain calls, without any engine.
inline void write_plainly(i32 fd, const u8* data, u32 bytes, u64 offset) noexcept {
    CHECK_EQ(kernel::pwrite(fd, data, bytes, offset), i64{bytes});
}
inline void check_plainly(i32 fd, const u8* expected, u32 bytes, u64 offset) noexcept {
    static DiskMemory<16> read;
    CHECK_LE(bytes, sizeof(read.data));
    CHECK_EQ(kernel::pread(fd, read.data, bytes, offset), i64{bytes});
    CHECK_BYTES(read.data, expected, bytes);
}

/// A direct transfer that is not as it should be: address, length and offset relative to an aligned
/// one of 8192 bytes.
struct Misaligned {
    const char* name;
    u32 address;
    u32 bytes;
    u32 offset;
    bool never_fits; ///< on no device with blocks of 512 bytes or more
};
inline constexpr Misaligned misaligned[] = {
    {"nothing", 0, 8192, 0, false},          {"length_by_1", 0, 8191, 0, true},
    {"length_by_256", 0, 7936, 0, true},     {"length_too_small", 0, 1, 0, true},
    {"offset_by_1", 0, 8192, 1, true},       {"offset_by_256", 0, 8192, 256, true},
    {"address_by_1", 1, 8192, 0, false},     {"address_by_2", 2, 8192, 0, false},
    {"address_by_4", 4, 8192, 0, false},     {"address_by_256", 256, 8192, 0, false},
    {"address_by_512", 512, 8192, 0, false},
};

/// A kind of ring that transfers directly.
struct DiskRing {
    const char* name;
    u32 flags;
    u16 series; ///< first kernel that has the flags
    u16 release;

    [[nodiscard]] bool is_polled() const noexcept { return (flags & abi::setup::iopoll) != 0; }
    [[nodiscard]] bool has_thread() const noexcept { return (flags & abi::setup::sqpoll) != 0; }
};

namespace ring_flags {
inline constexpr u32 hybrid = iopoll | hybrid_iopoll;
} // namespace ring_flags

/// Those that poll the device, which must be one that can be.
#define OXBOW_POLLED_RINGS                                                                         \
    {"iopoll", ring_flags::iopoll, 5, 1},                                                          \
        {"iopoll_sqpoll", ring_flags::iopoll | ring_flags::sqpoll, 5, 10},                         \
        {"iopoll_big", ring_flags::iopoll | ring_flags::sqe128 | ring_flags::cqe32, 5, 19},        \
        {"iopoll_defer_taskrun", ring_flags::iopoll | ring_flags::deferred, 6, 1},                 \
        {"hybrid_iopoll", ring_flags::hybrid, 6, 13}, {                                            \
        "hybrid_iopoll_sqpoll", ring_flags::hybrid | ring_flags::sqpoll, 6, 13                     \
    }
inline constexpr DiskRing polled_rings[] = {OXBOW_POLLED_RINGS};
inline constexpr DiskRing disk_rings[] = {{"plain", 0, 5, 1},
                                          {"sqpoll", ring_flags::sqpoll, 5, 10},
                                          {"defer_taskrun", ring_flags::deferred, 6, 1},
                                          OXBOW_POLLED_RINGS};

/// A ring of one kind, open in a scope.
class OpenDiskRing {
  public:
    explicit OpenDiskRing(const DiskRing& row, u32 entries = 64) noexcept {
        const i32 result = ring_.open({.entries = entries,
                                       .flags = row.flags,
                                       .preferred_flags = 0,
                                       .sq_thread_idle_ms = 50});
        SKIP_IF_MISSING(result != -Errno::einval, (Addition{row.name, row.series, row.release}));
        CHECK_OK(result);
    }
    ~OpenDiskRing() { ring_.close(); }
    OpenDiskRing(const OpenDiskRing&) = delete;
    OpenDiskRing& operator=(const OpenDiskRing&) = delete;

    Ring& operator*() noexcept { return ring_; }
    Ring* operator->() noexcept { return &ring_; }

  private:
    Ring ring_;
};

} // namespace oxbow::test
