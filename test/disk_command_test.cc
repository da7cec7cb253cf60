// NVMe commands handed through a ring (uring_cmd) to a drive's character device: what they read
// and write is what the block device has, and what the drive says of itself is true.
#include "disk_help.h"

namespace oxbow::test {
namespace {

constinit DiskMemory<16> out = {};
constinit DiskMemory<16> in = {};

/// struct nvme_uring_cmd of include/uapi/linux/nvme_ioctl.h.
struct NvmeCommand {
    u8 opcode = 0;
    u8 flags = 0;
    u16 reserved = 0;
    u32 namespace_id = 0;
    u32 words_2_and_3[2] = {};
    u64 metadata = 0;
    u64 address = 0;
    u32 metadata_bytes = 0;
    u32 data_bytes = 0; ///< of a vector: its pieces
    u32 words_from_10[6] = {};
    u32 timeout_ms = 0;
    u32 reserved_2 = 0;
};
static_assert(sizeof(NvmeCommand) == 72 && sizeof(NvmeCommand) <= prep::big_command_payload_bytes);
static_assert(__builtin_offsetof(NvmeCommand, words_from_10) == 40);

/// _IOWR('N', 0x80, struct nvme_uring_cmd) and its neighbours, the same on every machine.
constexpr u32 io_command = 0xc0484e80;
constexpr u32 io_vector_command = 0xc0484e81;
constexpr u32 admin_command = 0xc0484e82;

/// Opcodes of the NVM command set, and of the admin commands.
constexpr u8 flush_opcode = 0x00;
constexpr u8 write_opcode = 0x01;
constexpr u8 read_opcode = 0x02;
constexpr u8 no_opcode = 0x7f;
constexpr u8 identify_opcode = 0x06;

/// What a drive answers, as the positive result of a command.
constexpr i32 status_mask = 0x7ff; // without "do not retry" and "there is more to know"
constexpr i32 invalid_opcode = 0x01;
constexpr i32 beyond_the_end = 0x80;

struct CommandRing {
    const char* name;
    u32 flags;
    u16 series;
    u16 release;

    [[nodiscard]] bool is_mixed() const noexcept { return (flags & ring_flags::sqe_mixed) != 0; }
};
constexpr u32 big = ring_flags::sqe128 | ring_flags::cqe32;
// Commands can be polled since 6.1. But that one may look at a request which has gone, and fall
// over (nvme_ns_chr_uring_cmd_iopoll).
constexpr CommandRing command_rings[] = {
    {"plain", big, 5, 19},
    {"sqpoll", big | ring_flags::sqpoll, 5, 19},
    {"defer_taskrun", big | ring_flags::deferred, 6, 1},
    {"iopoll", big | ring_flags::iopoll, 6, 12},
    {"iopoll_sqpoll", big | ring_flags::iopoll | ring_flags::sqpoll, 6, 12},
    {"hybrid_iopoll", big | ring_flags::hybrid, 6, 13},
    {"mixed", ring_flags::sqe_mixed | ring_flags::cqe_mixed, 6, 19},
    {"mixed_iopoll", ring_flags::sqe_mixed | ring_flags::cqe_mixed | ring_flags::iopoll, 6, 19},
};

/// The drive as a block device and as itself, and a ring for its commands.
struct Drive {
    BlockDevice device;
    Fd commands;
    Ring ring;
    bool mixed;
    u32 namespace_id = 0;

    explicit Drive(const CommandRing& row) noexcept : mixed(row.is_mixed()) {
        SKIP_WITHOUT("commands in a ring");
        commands =
            Fd(CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_NVME_DEVICE"),
                                       abi::open_flag::read_write | abi::open_flag::cloexec)));
        SKIP_WITHOUT((Addition{row.name, row.series, row.release, Older::may_have}));
        CHECK_OK(ring.open(
            {.entries = 32, .flags = row.flags, .preferred_flags = 0, .sq_thread_idle_ms = 50}));
        constexpr u32 namespace_id_get = prep::block_command::discard - 0x1200 + 0x4e40;
        namespace_id = static_cast<u32>(CHECK_OK(kernel::ioctl(commands, namespace_id_get)));
    }
    ~Drive() { ring.close(); }
    Drive(const Drive&) = delete;
    Drive& operator=(const Drive&) = delete;

    abi::Sqe& queue(u64 user_data, u32 number, const NvmeCommand& command) noexcept {
        CHECK_OK(ring.reserve(mixed ? 3 : 1));
        abi::Sqe* const sqe = ring.get_big_sqe();
        CHECK(sqe != nullptr);
        if (mixed) {
            prep::uring_cmd128(*sqe, commands, number);
        } else {
            prep::uring_cmd(*sqe, commands, number);
        }
        __builtin_memcpy(prep::command_payload(*sqe), &command, sizeof(command));
        sqe->user_data = user_data;
        return *sqe;
    }
    [[nodiscard]] i32 run(u32 number, const NvmeCommand& command) noexcept {
        queue(0xca11, number, command);
        const BigCqe cqe = next_big(ring);
        CHECK_EQ(cqe.cqe.user_data, 0xca11u);
        return cqe.cqe.result;
    }
    /// A read or write, from block `offset` / block_bytes on.
    [[nodiscard]] NvmeCommand transfer(u8 opcode, const u8* data, u32 bytes,
                                       u64 offset) const noexcept {
        const u64 first = offset >> device.block_shift();
        NvmeCommand command;
        command.opcode = opcode;
        command.namespace_id = namespace_id;
        command.address = address_of(data);
        command.data_bytes = bytes;
        command.words_from_10[0] = static_cast<u32>(first);
        command.words_from_10[1] = static_cast<u32>(first >> 32);
        command.words_from_10[2] = (bytes >> device.block_shift()) - 1;
        return command;
    }
    [[nodiscard]] i32 write(const u8* data, u32 bytes, u64 offset) noexcept {
        return run(io_command, transfer(write_opcode, data, bytes, offset));
    }
    [[nodiscard]] i32 read(u8* data, u32 bytes, u64 offset) noexcept {
        return run(io_command, transfer(read_opcode, data, bytes, offset));
    }
};

[[nodiscard]] u64 little_endian_64(const u8* bytes) noexcept {
    u64 value = 0;
    for (u32 i = 8; i-- != 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

VARIANT_TEST(disk_command_transfers, command_rings) {
    const NoLeaks no_leaks;
    Drive drive(row);
    Random().fill(out.data, 4 * disk_part);
    const u32 sizes[] = {drive.device.block_bytes(), 4096, disk_part};
    for (const u32 bytes : sizes) {
        CHECK_EQ(drive.write(out.data, bytes, 8192), 0);
        check_plainly(drive.device, out.data, bytes, 8192);
        write_plainly(drive.device, out.data + disk_part, bytes, 8192);
        __builtin_memset(in.data, 0, bytes);
        CHECK_EQ(drive.read(in.data, bytes, 8192), 0);
        CHECK_BYTES(in.data, out.data + disk_part, bytes);
    }
    NvmeCommand flush;
    flush.opcode = flush_opcode;
    flush.namespace_id = drive.namespace_id;
    CHECK_EQ(drive.run(io_command, flush), 0);
}

VARIANT_TEST(disk_command_vectors, command_rings) {
    const NoLeaks no_leaks;
    Drive drive(row);
    Random().fill(out.data, disk_part);
    write_plainly(drive.device, out.data, 12288, 0);
    const abi::IoVec pieces[] = {{in.data + 8192, 4096}, {in.data, 8192}};
    NvmeCommand command = drive.transfer(read_opcode, nullptr, 12288, 0);
    command.address = address_of(pieces);
    command.data_bytes = 2;
    CHECK_EQ(drive.run(io_vector_command, command), 0);
    CHECK_BYTES(in.data + 8192, out.data, 4096);
    CHECK_BYTES(in.data, out.data + 4096, 8192);
}

VARIANT_TEST(disk_command_registered, command_rings) {
    SKIP_WITHOUT("commands with registered buffers");
    const NoLeaks no_leaks;
    Drive drive(row);
    Random().fill(out.data, 4 * disk_part);
    constexpr u32 bytes = disk_part;
    // A part of a buffer that ends before it does is -EINVAL in 6.1 (blk_rq_map_user_bvec).
    const u32 rest = kernel_at_least(6, 12) ? disk_part : 0;
    const abi::IoVec buffers[] = {{out.data, 4096 + bytes + rest}, {in.data, 8192 + bytes + rest}};
    register_buffers(drive.ring, buffers, 2);
    const auto run_fixed = [&](const NvmeCommand& command, u16 buffer) noexcept {
        prep::command_fixed_buffer(drive.queue(1, io_command, command), buffer);
        return next_big(drive.ring).cqe.result;
    };
    CHECK_EQ(run_fixed(drive.transfer(write_opcode, out.data + 4096, bytes, 4096), 0), 0);
    check_plainly(drive.device, out.data + 4096, bytes, 4096);
    CHECK_EQ(run_fixed(drive.transfer(read_opcode, in.data + 8192, bytes, 4096), 1), 0);
    CHECK_BYTES(in.data + 8192, out.data + 4096, bytes);
    CHECK_ERRNO(run_fixed(drive.transfer(read_opcode, in.data, bytes, 0), 0), Errno::efault);
    CHECK_ERRNO(run_fixed(drive.transfer(read_opcode, in.data, bytes, 0), 2), Errno::efault);
}

VARIANT_TEST(disk_command_errors, command_rings) {
    const NoLeaks no_leaks;
    Drive drive(row);
    const u64 end = drive.device.bytes();
    // What the drive refuses is its own status, a positive number.
    CHECK_EQ(drive.read(in.data, 4096, end) & status_mask, beyond_the_end);
    CHECK_EQ(drive.write(out.data, 8192, end - 4096) & status_mask, beyond_the_end);
    NvmeCommand command = drive.transfer(no_opcode, nullptr, 0, 0);
    command.words_from_10[2] = 0;
    CHECK_EQ(drive.run(io_command, command) & status_mask, invalid_opcode);
    // What the kernel refuses never reaches it.
    command = drive.transfer(read_opcode, nullptr, 4096, 0);
    command.address = 4096;
    CHECK_ERRNO(drive.run(io_command, command), Errno::efault);
    command = drive.transfer(read_opcode, in.data, 4096, 0);
    command.flags = 1;
    CHECK_ERRNO(drive.run(io_command, command), Errno::einval);
    CHECK_ERRNO(drive.run(io_command + 0x7f, drive.transfer(read_opcode, in.data, 4096, 0)),
                Errno::enotty);
    CHECK_EQ(drive.read(in.data, 4096, end - 4096), 0); // the drive is none the worse
}

VARIANT_TEST(disk_command_many_in_flight, command_rings) {
    constexpr u32 count = 16;
    constexpr u32 each = 16384;
    const NoLeaks no_leaks;
    Drive drive(row);
    Random random;
    for (u32 round = 0; round < 8; ++round) {
        random.fill(out.data, count * each);
        for (u32 writes = 2; writes-- != 0;) {
            __builtin_memset(in.data, 0, count * each);
            for (u32 i = 0; i < count; ++i) {
                const u32 at = i * each;
                drive.queue(i, io_command,
                            writes != 0 ? drive.transfer(write_opcode, out.data + at, each, at)
                                        : drive.transfer(read_opcode, in.data + at, each, at));
            }
            u32 seen = 0;
            for (u32 i = 0; i < count; ++i) {
                const BigCqe cqe = next_big(drive.ring);
                CHECK_LT(cqe.cqe.user_data, count);
                CHECK_EQ(cqe.cqe.result, 0);
                seen |= 1u << cqe.cqe.user_data;
            }
            CHECK_EQ(seen, (1u << count) - 1);
        }
        CHECK_BYTES(in.data, out.data, count * each);
    }
}

/// Of the drive and of its namespace; and what a discarded block reads as, which they tell.
TEST(disk_command_identify) {
    const NoLeaks no_leaks;
    Drive drive(command_rings[0]);
    const Fd controller(
        CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_NVME_CONTROLLER"),
                                abi::open_flag::read_write | abi::open_flag::cloexec)));
    const auto run = [&](const NvmeCommand& asked) noexcept {
        drive.queue(1, admin_command, asked).fd = controller;
        return next_big(drive.ring).cqe.result;
    };
    NvmeCommand command;
    command.opcode = identify_opcode;
    command.address = address_of(in.data);
    command.data_bytes = 4096;
    command.words_from_10[0] = 1; // the controller
    CHECK_EQ(run(command), 0);
    const u8* const serial = in.data + 4;             // up to 20 characters, without a zero
    if (environment_value("OXBOW_DISK") != nullptr) { // boot.sh has named it
        CHECK_BYTES(serial, "oxbow-block", 11);
    }
    CHECK_GE(serial[0], ' ');
    const u32 largest_exponent = in.data[77]; // in pages of 4096 bytes; 0: no limit
    CHECK(largest_exponent == 0 || (4096u << largest_exponent) >= disk_part);

    command.words_from_10[0] = 0; // a namespace
    command.namespace_id = drive.namespace_id;
    CHECK_EQ(run(command), 0);
    CHECK_EQ(little_endian_64(in.data) * drive.device.block_bytes(), drive.device.bytes());
    const bool clears = (in.data[33] & 7) == 1;
    note(clears ? "what is discarded reads as zeroes" : "nobody knows what it reads as");

    command.namespace_id = ~u32{0} - 1;
    CHECK_GT(run(command), 0); // there is none
    command.address = 0;
    CHECK_NE(run(command), 0);
    // The namespace's own device has none of these.
    CHECK_ERRNO(drive.run(admin_command, command), Errno::enotty);
    // A ring with small entries, or with small completions, takes no such command.
    const u32 too_small[] = {0, ring_flags::sqe128, ring_flags::cqe32};
    for (const u32 flags : too_small) {
        LiveRing ring({.entries = 4, .flags = flags, .preferred_flags = 0});
        Sqe& sqe = flags == ring_flags::sqe128 ? *ring->get_big_sqe() : need_sqe(*ring);
        prep::uring_cmd(sqe, drive.commands, io_command);
        const i32 result = next_big(*ring).cqe.result;
        CHECK_ERRNO(result, Errno::eopnotsupp);
    }
}

/// The block device takes none of them; and other commands than reads need the right to write.
TEST(disk_command_elsewhere) {
    const NoLeaks no_leaks;
    Drive drive(command_rings[0]);
    abi::Sqe& sqe = drive.queue(1, io_command, drive.transfer(read_opcode, in.data, 4096, 0));
    sqe.fd = drive.device;
    // As a block device it has commands of its own since 6.12.
    CHECK_ERRNO(next_big(drive.ring).cqe.result,
                kernel_at_least(6, 12) ? Errno::einval : Errno::eopnotsupp);
}

} // namespace
} // namespace oxbow::test
