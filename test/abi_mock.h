// The kernel's mock file driver (CONFIG_IO_URING_MOCK_FILE, /dev/io_uring_mock), which exists for
// tests only: files with chosen delays and errors, made by a uring_cmd on its device. Source:
// include/uapi/linux/io_uring/mock_file.h up to Linux 7.3.
#pragma once

#include "../syscall/types.h"

namespace oxbow::abi::mock {

/// Bits of Probe::features, by number.
enum class Feature : u32 {
    command_copy = 0,
    rw_zero = 1,
    rw_nowait = 2,
    rw_async = 3,
    poll = 4,
};

/// Create::flags.
namespace create_flag {
inline constexpr u32 support_nowait = 1u << 0;
inline constexpr u32 poll = 1u << 1;
} // namespace create_flag

/// Command of a uring_cmd on the device.
enum class ManagerCommand : u32 {
    probe = 0,
    create = 1,
};

inline constexpr u32 command_copy_registered_buffer = 0; ///< of a uring_cmd on a mock file
inline constexpr u32 copy_from = 1u << 0;                ///< its flag: from the buffer

/// Answer of ManagerCommand::probe: struct io_uring_mock_probe.
struct Probe {
    u64 features;
    u64 reserved[9];
};

/// Argument of ManagerCommand::create: struct io_uring_mock_create.
struct Create {
    u32 fd; ///< answer
    u32 flags;
    u64 file_size;
    u64 rw_delay_ns;
    u64 reserved[13];
};

} // namespace oxbow::abi::mock
