// Direct transfers on a block device by rings of every kind, those that poll it among them:
// results, contents, errors, registered buffers and files, chains, and the commands of block
// devices.
#include "disk_help.h"

namespace oxbow::test {
namespace {

constinit DiskMemory<16> out = {};
constinit DiskMemory<16> in = {};

/// 6.1 never ends a polled transfer that is too large for one request of the device; 5.10 and 6.12
/// do.
[[nodiscard]] u32 largest_transfer(const DiskRing& row) noexcept {
    const bool may_hang = row.is_polled() && kernel_at_least(5, 11) && !kernel_at_least(6, 12);
    return may_hang ? 2 * disk_part : sizeof(out.data);
}

VARIANT_TEST(disk_ring_transfers, disk_rings) {
    const NoLeaks no_leaks;
    const BlockDevice device;
    OpenDiskRing ring(row);
    const u32 sizes[] = {device.block_bytes(), 4096, disk_part, largest_transfer(row)};
    Random random;
    for (const u32 bytes : sizes) {
        const u64 offset = u64{random.below(100)} * device.block_bytes();
        const i32 count = static_cast<i32>(bytes);
        note("bytes", bytes);
        random.fill(out.data, bytes);
        CHECK_EQ(
            run_result(*ring, [&](Sqe& s) { prep::write(s, device, out.data, bytes, offset); }),
            count);
        check_plainly(device, out.data, bytes, offset);
        __builtin_memset(in.data, 0, bytes);
        CHECK_EQ(run_result(*ring, [&](Sqe& s) { prep::read(s, device, in.data, bytes, offset); }),
                 count);
        CHECK_BYTES(in.data, out.data, bytes);
    }
    const abi::IoVec from[] = {{out.data + disk_part, 4096}, {out.data, disk_part}};
    const abi::IoVec to[] = {{in.data, disk_part}, {in.data + disk_part, 4096}};
    constexpr i32 both = disk_part + 4096;
    CHECK_EQ(run_result(*ring, [&](Sqe& s) { prep::writev(s, device, from, 2, 4096); }), both);
    CHECK_EQ(run_result(*ring, [&](Sqe& s) { prep::readv(s, device, to, 2, 4096); }), both);
    CHECK_BYTES(in.data, out.data + disk_part, 4096);
    CHECK_BYTES(in.data + 4096, out.data, disk_part);
}

VARIANT_TEST(disk_ring_registered, disk_rings) {
    const NoLeaks no_leaks;
    const BlockDevice device;
    OpenDiskRing ring(row);
    Random().fill(out.data, sizeof(out.data));
    const abi::IoVec buffers[] = {{out.data, sizeof(out.data)}, {in.data, sizeof(in.data)}};
    register_buffers(*ring, buffers, 2);
    const i32 files[] = {-1, device};
    register_files(*ring, files, 2);
    constexpr i32 slot = 1;
    constexpr u32 bytes = 4 * disk_part;
    CHECK_EQ(run_result(*ring,
                        [&](Sqe& s) {
                            prep::write_fixed(s, slot, out.data + 4096, bytes, disk_part, 0);
                            prep::fixed_file(s);
                        }),
             static_cast<i32>(bytes));
    check_plainly(device, out.data + 4096, bytes, disk_part);
    CHECK_EQ(run_result(
                 *ring,
                 [&](Sqe& s) { prep::read_fixed(s, device, in.data + 512, bytes, disk_part, 1); }),
             static_cast<i32>(bytes));
    CHECK_BYTES(in.data + 512, out.data + 4096, bytes);
    CHECK_EQ(run_result(*ring,
                        [&](Sqe& s) {
                            prep::read(s, slot, in.data, 4096, disk_part);
                            prep::fixed_file(s);
                        }),
             4096);
    CHECK_BYTES(in.data, out.data + 4096, 4096);
    // Not aligned inside of the buffer, beyond it, without a file.
    CHECK_ERRNO(
        run_result(*ring, [&](Sqe& s) { prep::read_fixed(s, device, in.data, 4096, 100, 1); }),
        Errno::einval);
    CHECK_ERRNO(run_result(*ring,
                           [&](Sqe& s) {
                               prep::read_fixed(s, device, in.data + sizeof(in.data) - 512, 4096, 0,
                                                1);
                           }),
                Errno::efault);
    CHECK_ERRNO(run_result(*ring,
                           [&](Sqe& s) {
                               prep::write(s, 0, out.data, 4096, 0);
                               prep::fixed_file(s);
                           }),
                Errno::ebadf);
    if (kernel_at_least(6, 15)) {
        const abi::IoVec parts[] = {{in.data + 8192, 4096}, {in.data, 8192}};
        CHECK_EQ(run_result(
                     *ring,
                     [&](Sqe& s) { prep::readv_fixed(s, device, parts, 2, disk_part + 4096, 1); }),
                 12288);
        CHECK_BYTES(in.data + 8192, out.data + 8192, 4096);
        CHECK_BYTES(in.data, out.data + 12288, 8192);
    }
}

/// As by plain calls, in each kind of ring.
VARIANT_TEST(disk_ring_errors, disk_rings) {
    const NoLeaks no_leaks;
    const BlockDevice device;
    OpenDiskRing ring(row);
    Random().fill(out.data, disk_part);
    write_plainly(device, out.data, disk_part, 0);
    for (const Misaligned& wrong : misaligned) {
        note(wrong.name);
        u8* const address = in.data + wrong.address;
        const i64 expected = kernel::pread(device, address, wrong.bytes, wrong.offset);
        __builtin_memset(in.data, 0, disk_part);
        CHECK_EQ(
            run_result(*ring,
                       [&](Sqe& s) { prep::read(s, device, address, wrong.bytes, wrong.offset); }),
            expected);
        if (expected > 0) {
            CHECK_BYTES(address, out.data, wrong.bytes);
        }
    }
    const u64 end = device.bytes();
    write_plainly(device, out.data, 4096, end - 4096);
    const auto read_at = [&](u64 offset) noexcept {
        return run_result(*ring, [&](Sqe& s) { prep::read(s, device, in.data, 8192, offset); });
    };
    const auto write_at = [&](u64 offset) noexcept {
        return run_result(*ring, [&](Sqe& s) { prep::write(s, device, out.data, 8192, offset); });
    };
    CHECK_EQ(read_at(end - 4096), 4096);
    CHECK_BYTES(in.data, out.data, 4096);
    CHECK_EQ(read_at(end), 0);
    CHECK_EQ(read_at(4 * end), 0);
    CHECK_EQ(write_at(end - 4096), 4096);
    CHECK_ERRNO(write_at(end), Errno::enospc);
    CHECK_ERRNO(read_at(u64{1} << 63), Errno::einval);
    CHECK_ERRNO(run_result(*ring, [&](Sqe& s) { prep::read(s, device, nullptr, 4096, 0); }),
                kernel_at_least(6, 1) ? Errno::efault : Errno::eio);
    CHECK_ERRNO(run_result(*ring, [&](Sqe& s) { prep::read(s, 9999, in.data, 4096, 0); }),
                Errno::ebadf);
    const Fd reader(CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_BLOCK_DEVICE"),
                                            abi::open_flag::direct | abi::open_flag::cloexec)));
    CHECK_ERRNO(run_result(*ring, [&](Sqe& s) { prep::write(s, reader, out.data, 4096, 0); }),
                Errno::ebadf);
}

/// As many as the ring takes, all the time, some of which cannot succeed.
VARIANT_TEST(disk_ring_many_in_flight, disk_rings) {
    constexpr u32 count = 600;
    constexpr u32 places = 64;
    constexpr u32 each = 8192;
    const NoLeaks no_leaks;
    const BlockDevice device;
    OpenDiskRing ring(row, places);
    Random random;
    random.fill(out.data, places * each);
    write_plainly(device, out.data, places * each, 0);
    static bool seen[count];
    u32 submitted = 0;
    u32 ended = 0;
    u64 free_places = ~u64{0};
    static u8 place_of[count];
    while (ended < count) {
        while (submitted < count && free_places != 0) {
            const u32 place = lowest_bit(free_places);
            free_places &= free_places - 1;
            place_of[submitted] = static_cast<u8>(place);
            u8* const to = in.data + place * each;
            const u64 at = u64{place} * each;
            Sqe& sqe = queue(*ring, submitted, [&](Sqe& s) {
                if (submitted % 7 == 3) {
                    prep::read(s, device, to, each - 1, at);
                } else if (submitted % 7 == 5) {
                    prep::write(s, device, out.data + place * each, each, at);
                } else {
                    __builtin_memset(to, 0, each);
                    prep::read(s, device, to, each, at);
                }
            });
            sqe.user_data = submitted++;
        }
        const Cqe cqe = next(*ring);
        const u32 number = static_cast<u32>(cqe.user_data);
        CHECK_LT(number, submitted);
        CHECK(!seen[number]);
        seen[number] = true;
        ++ended;
        const u32 place = place_of[number];
        free_places |= u64{1} << place;
        CHECK_EQ(cqe.result, number % 7 == 3 ? -Errno::einval : static_cast<i32>(each));
        if (number % 7 != 3 && number % 7 != 5) {
            CHECK_BYTES(in.data + place * each, out.data + place * each, each);
        }
    }
    CHECK(is_quiet(*ring));
}

VARIANT_TEST(disk_ring_chains, disk_rings) {
    const NoLeaks no_leaks;
    const BlockDevice device;
    OpenDiskRing ring(row);
    Random().fill(out.data, disk_part);
    CHECK_OK(ring->reserve(3));
    queue(*ring, 0, [&](Sqe& s) {
        prep::write(s, device, out.data, 8192, 4096);
        prep::link(s);
    });
    queue(*ring, 1, [&](Sqe& s) {
        prep::write(s, device, out.data + 8192, 4096, 8192);
        prep::link(s);
    });
    queue(*ring, 2, [&](Sqe& s) { prep::read(s, device, in.data, 8192, 4096); });
    Cqe cqes[3];
    collect(*ring, cqes);
    CHECK_EQ(cqes[0].result, 8192);
    CHECK_EQ(cqes[1].result, 4096);
    CHECK_EQ(cqes[2].result, 8192);
    CHECK_BYTES(in.data, out.data, 4096);
    CHECK_BYTES(in.data + 4096, out.data + 8192, 4096);
    // Broken by an error, and by what is short; of the latter polled rings take no notice, and old
    // ones of neither.
    const u64 offsets[] = {100, device.bytes() - 4096};
    for (const u64 offset : offsets) {
        CHECK_OK(ring->reserve(3));
        queue(*ring, 0, [&](Sqe& s) {
            prep::read(s, device, in.data, 8192, offset);
            prep::link(s);
        });
        queue(*ring, 1, [&](Sqe& s) { prep::write(s, device, out.data + 16384, 4096, 4096); });
        queue(*ring, 2, [&](Sqe& s) { prep::read(s, device, in.data + 8192, 4096, 4096); });
        collect(*ring, cqes);
        CHECK_EQ(cqes[0].result, offset == 100 ? -Errno::einval : 4096);
        const bool breaks = !row.is_polled() || (offset == 100 && kernel_at_least(6, 1));
        CHECK_EQ(cqes[1].result, breaks ? -Errno::ecanceled : 4096);
        CHECK_EQ(cqes[2].result, 4096);
        check_plainly(device, out.data + (breaks ? 0 : 16384), 4096, 4096);
    }
}

OPERATION_TEST(disk_ring_sync) {
    const BlockDevice device;
    Random().fill(out.data, disk_part);
    CHECK_OK(ring.reserve(4));
    queue(ring, 0, [&](Sqe& s) {
        prep::write(s, device, out.data, disk_part, 0);
        prep::link(s);
    });
    queue(ring, 1, [&](Sqe& s) {
        prep::fsync(s, device);
        prep::link(s);
    });
    queue(ring, 2, [&](Sqe& s) {
        prep::fdatasync(s, device);
        prep::link(s);
    });
    queue(ring, 3, [&](Sqe& s) { prep::read(s, device, in.data, disk_part, 0); });
    Cqe cqes[4];
    collect(ring, cqes);
    CHECK_EQ(cqes[0].result, static_cast<i32>(disk_part));
    CHECK_EQ(cqes[1].result, 0);
    CHECK_EQ(cqes[2].result, 0);
    CHECK_EQ(cqes[3].result, static_cast<i32>(disk_part));
    CHECK_BYTES(in.data, out.data, disk_part);
    const prep::TransferOptions durable = {.flags = abi::rw_flag::dsync};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::write(s, device, in.data, 4096, 0, durable); }),
             4096);
}

OPERATION_TEST(disk_ring_discard) {
    SKIP_WITHOUT("discards in a ring");
    const BlockDevice device;
    Random().fill(out.data, 4 * disk_part);
    write_plainly(device, out.data, 4 * disk_part, 0);
    const auto discard = [&](i32 fd, u64 offset, u64 bytes) noexcept {
        return run_result(ring, [&](Sqe& s) { prep::block_discard(s, fd, {offset, bytes}); });
    };
    const i32 result = discard(device, disk_part, 2 * disk_part);
    if (result == -Errno::eopnotsupp) {
        SKIP("the device cannot discard");
    }
    CHECK_EQ(result, 0);
    check_plainly(device, out.data, disk_part, 0);
    check_plainly(device, out.data + 3 * disk_part, disk_part, 3 * disk_part);
    // What a discarded block reads as is the device's affair: zeroes, or what it was.
    static constexpr u8 zeroes[disk_part] = {};
    CHECK_EQ(kernel::pread(device, in.data, disk_part, disk_part), i64{disk_part});
    const bool is_cleared = __builtin_memcmp(in.data, zeroes, disk_part) == 0;
    note(is_cleared ? "cleared" : "not cleared");
    CHECK_BYTES(in.data, is_cleared ? zeroes : out.data + disk_part, disk_part);
    CHECK_ERRNO(discard(device, 1, device.block_bytes()), Errno::einval);
    CHECK_ERRNO(discard(device, 0, device.block_bytes() - 1), Errno::einval);
    CHECK_ERRNO(discard(device, device.bytes(), device.block_bytes()), Errno::einval);
    const Fd reader(CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_BLOCK_DEVICE"),
                                            abi::open_flag::direct | abi::open_flag::cloexec)));
    CHECK_ERRNO(discard(reader, 0, disk_part), Errno::ebadf);
}

} // namespace
} // namespace oxbow::test
