// Direct transfers on a block device by the loop's operations, on every engine alike: alignment,
// the end of the device, many at once, cancelled ones, what makes data durable and what throws it
// away.
#include "disk_help.h"

namespace oxbow::test {
namespace {

constinit DiskMemory<16> out = {};
constinit DiskMemory<16> in = {};

LOOP_TEST(disk_block_transfers) {
    const BlockDevice device;
    const u32 sizes[] = {device.block_bytes(), 4096, disk_part, sizeof(out.data)};
    Random random;
    for (const u32 bytes : sizes) {
        const u64 offset = u64{random.below(100)} * device.block_bytes();
        random.fill(out.data, bytes);
        CHECK_EQ(perform_on(loop, op::pwrite(device, out.data, bytes, offset)).count(), bytes);
        check_plainly(device, out.data, bytes, offset);
        __builtin_memset(in.data, 0, bytes);
        CHECK_EQ(perform_on(loop, op::pread_all(device, in.data, bytes, offset)).count(), bytes);
        CHECK_BYTES(in.data, out.data, bytes);
    }
}

LOOP_TEST(disk_block_position_and_vectors) {
    const BlockDevice device;
    Random().fill(out.data, 4 * disk_part);
    CHECK_EQ(perform_on(loop, op::write(device, out.data, disk_part)).count(), disk_part);
    const abi::IoVec pieces[] = {{out.data + 3 * disk_part, disk_part},
                                 {out.data + disk_part, 4096}};
    CHECK_EQ(perform_on(loop, op::writev(device, pieces, 2)).count(), disk_part + 4096);
    CHECK_EQ(kernel::lseek(device, 0, abi::seek_from::current), i64{2 * disk_part + 4096});
    check_plainly(device, out.data, disk_part, 0);
    check_plainly(device, out.data + 3 * disk_part, disk_part, disk_part);
    check_plainly(device, out.data + disk_part, 4096, 2 * disk_part);
    CHECK_EQ(kernel::lseek(device, 0, abi::seek_from::start), 0);
    const abi::IoVec room[] = {{in.data + disk_part, 4096}, {in.data, disk_part}};
    CHECK_EQ(perform_on(loop, op::readv(device, room, 2)).count(), disk_part + 4096);
    CHECK_BYTES(in.data + disk_part, out.data, 4096);
    CHECK_BYTES(in.data, out.data + 4096, disk_part - 4096);
    CHECK_EQ(perform_on(loop, op::read_all(device, in.data, 4096)).count(), 4096u);
    CHECK_BYTES(in.data, out.data + 3 * disk_part + 4096, 4096);
}

/// What the kernel answers depends on its version and on the device; the engines answer the same.
LOOP_TEST(disk_block_alignment) {
    const BlockDevice device;
    Random().fill(out.data, 4 * disk_part);
    for (const Misaligned& wrong : misaligned) {
        note(wrong.name);
        write_plainly(device, out.data, disk_part, 0);
        const i64 expected =
            kernel::pread(device, in.data + wrong.address, wrong.bytes, wrong.offset);
        if (wrong.never_fits) {
            CHECK_ERRNO(expected, Errno::einval);
        }
        __builtin_memset(in.data, 0, disk_part);
        const Result read =
            perform_on(loop, op::pread(device, in.data + wrong.address, wrong.bytes, wrong.offset));
        CHECK_EQ(read.value, expected);
        if (expected > 0) {
            CHECK_BYTES(in.data + wrong.address, out.data, wrong.bytes);
        }
        const abi::IoVec pieces[] = {{out.data + disk_part + wrong.address, wrong.bytes},
                                     {out.data, 512}};
        const Result written = perform_on(loop, op::writev(device, pieces, 1, wrong.offset));
        CHECK_EQ(written.value, expected);
        check_plainly(device, out.data + (expected > 0 ? disk_part + wrong.address : 0), 4096, 0);
        CHECK_EQ(perform_on(loop, op::pwrite_all(device, pieces[0].base, wrong.bytes, wrong.offset))
                     .value,
                 expected);
    }
}

LOOP_TEST(disk_block_ends) {
    const BlockDevice device;
    const u64 end = device.bytes();
    Random().fill(out.data, disk_part);
    write_plainly(device, out.data, 4096, end - 4096);
    CHECK_EQ(perform_on(loop, op::pread(device, in.data, 8192, end - 4096)).value, 4096);
    CHECK_BYTES(in.data, out.data, 4096);
    CHECK_EQ(perform_on(loop, op::pread_all(device, in.data, disk_part, end - 4096)).value, 4096);
    const abi::IoVec room[] = {{in.data, 512}, {in.data + disk_part, 8192}};
    CHECK_EQ(perform_on(loop, op::readv(device, room, 2, end - 4096)).value, 4096);
    CHECK_BYTES(in.data + disk_part, out.data + 512, 3584);
    CHECK_EQ(perform_on(loop, op::pread(device, in.data, 4096, end)).value, 0);
    CHECK_EQ(perform_on(loop, op::pread(device, in.data, 4096, 3 * end)).value, 0);
    CHECK_EQ(perform_on(loop, op::pread_all(device, in.data, 4096, end)).value, 0);
    CHECK_ERRNO(perform_on(loop, op::pread(device, in.data, 4096, u64{1} << 63)).value,
                Errno::einval);
    // What fits is written, and the next one is told.
    CHECK_EQ(perform_on(loop, op::pwrite(device, out.data + 4096, 8192, end - 4096)).value, 4096);
    check_plainly(device, out.data + 4096, 4096, end - 4096);
    CHECK_EQ(perform_on(loop, op::pwrite_all(device, out.data, 8192, end - 4096)).value, 4096);
    check_plainly(device, out.data, 4096, end - 4096);
    CHECK_ERRNO(perform_on(loop, op::pwrite(device, out.data, 4096, end)).value, Errno::enospc);
    CHECK_ERRNO(perform_on(loop, op::pwrite_all(device, out.data, 4096, 2 * end)).value,
                Errno::enospc);
    // The same at the position, which stands behind what was written.
    CHECK_OK(kernel::lseek(device, static_cast<i64>(end) - 4096, abi::seek_from::start));
    CHECK_EQ(perform_on(loop, op::write_all(device, out.data, disk_part)).value, 4096);
    CHECK_EQ(kernel::lseek(device, 0, abi::seek_from::current), static_cast<i64>(end));
    CHECK_ERRNO(perform_on(loop, op::write(device, out.data, 512)).value, Errno::enospc);
    CHECK_EQ(perform_on(loop, op::read(device, in.data, 512)).value, 0);
}

LOOP_TEST(disk_block_many_at_once) {
    constexpr u32 count = 128;
    constexpr u32 each = 4096;
    static Logged operations[count];
    const BlockDevice device;
    Random random;
    random.fill(out.data, count * each);
    u32 order[count];
    for (u32 i = 0; i < count; ++i) { // shuffled
        const u32 at = random.below(i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    const auto run_all = [&](bool writes) noexcept {
        for (Logged& operation : operations) {
            operation = {};
        }
        for (const u32 i : order) {
            const u64 offset = u64{i} * each * 16;
            submit(loop, operations[i],
                   writes ? op::pwrite(device, out.data + i * each, each, offset)
                          : op::pread(device, in.data + i * each, each, offset));
        }
        for (Logged& operation : operations) {
            run_until_ended(loop, operation);
            CHECK_EQ(operation.count, 1u);
            CHECK_EQ(operation.last.value, each);
        }
    };
    run_all(true);
    for (u32 i = 0; i < count; ++i) {
        check_plainly(device, out.data + i * each, each, u64{i} * each * 16);
    }
    run_all(false);
    CHECK_BYTES(in.data, out.data, count * each);
}

/// Each ends once, as what it was or as cancelled; and what was read is what is there.
LOOP_TEST(disk_block_cancelled) {
    constexpr u32 count = 32;
    constexpr u32 each = 8192;
    static Logged reads[count];
    const BlockDevice device;
    Random().fill(out.data, count * each);
    write_plainly(device, out.data, count * each, 0);
    for (u32 round = 0; round < 4; ++round) {
        for (u32 i = 0; i < count; ++i) {
            reads[i] = {};
            submit(loop, reads[i], op::pread(device, in.data + i * each, each, u64{i} * each));
        }
        for (u32 i = 0; i < round; ++i) {
            CHECK_OK(loop.run(Run::no_wait));
        }
        Logged cancel;
        submit(loop, cancel, op::cancel_fd(device));
        run_until_ended(loop, cancel);
        for (u32 i = 0; i < count; ++i) {
            run_until_ended(loop, reads[i]);
            CHECK_EQ(reads[i].count, 1u);
            if (reads[i].last.value != -Errno::ecanceled) {
                CHECK_EQ(reads[i].last.value, each);
                CHECK_BYTES(in.data + i * each, out.data + i * each, each);
            }
        }
        CHECK(cancel.last.value >= 0 || cancel.last.is(Errno::enoent));
    }
}

LOOP_TEST(disk_block_sync) {
    const BlockDevice device;
    Random().fill(out.data, disk_part);
    constexpr u32 all = abi::sync_range_flag::wait_before | abi::sync_range_flag::write |
                        abi::sync_range_flag::wait_after;
    CHECK_EQ(perform_on(loop, op::pwrite(device, out.data, disk_part, 0)).count(), disk_part);
    CHECK_EQ(perform_on(loop, op::fsync(device)).value, 0);
    CHECK_EQ(perform_on(loop, op::pwrite(device, out.data, 4096, 0, abi::rw_flag::dsync)).value,
             4096);
    CHECK_EQ(perform_on(loop, op::fdatasync(device)).value, 0);
    CHECK_EQ(perform_on(loop, op::sync_file_range(device, {0, disk_part}, all)).value, 0);
    // Through the page cache it is seen only by who reads through it, until it is flushed.
    Fd buffered(CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_BLOCK_DEVICE"),
                                        abi::open_flag::read_write | abi::open_flag::cloexec)));
    CHECK_EQ(perform_on(loop, op::pwrite(buffered, out.data + 5000, 10'000, 3)).value, 10'000);
    CHECK_EQ(perform_on(loop, op::fsync(buffered)).value, 0);
    check_plainly(buffered, out.data + 5000, 10'000, 3);
    __builtin_memcpy(in.data, out.data, disk_part);
    __builtin_memcpy(in.data + 3, out.data + 5000, 10'000);
    check_plainly(device, in.data, disk_part, 0);
    CHECK_EQ(perform_on(loop, op::close(buffered.release())).value, 0);
}

/// As much of it as a block device has: zeroes, holes, no length of its own.
LOOP_TEST(disk_block_space) {
    namespace mode = abi::fallocate_mode;
    const BlockDevice device;
    static constexpr u8 zeroes[disk_part] = {};
    Random().fill(out.data, 4 * disk_part);
    write_plainly(device, out.data, 4 * disk_part, 0);
    constexpr i32 zero = mode::zero_range | mode::keep_size;
    CHECK_EQ(perform_on(loop, op::fallocate(device, {disk_part, disk_part}, zero)).value, 0);
    check_plainly(device, zeroes, disk_part, disk_part);
    check_plainly(device, out.data, disk_part, 0);
    check_plainly(device, out.data + 2 * disk_part, 2 * disk_part, 2 * disk_part);
    constexpr i32 punch = mode::punch_hole | mode::keep_size;
    const i32 expected = kernel::fallocate(device, punch, 3 * disk_part, 4096);
    CHECK_EQ(perform_on(loop, op::fallocate(device, {2 * disk_part, disk_part}, punch)).value,
             expected);
    if (expected == 0) {
        check_plainly(device, zeroes, disk_part, 2 * disk_part);
    }
    CHECK_ERRNO(perform_on(loop, op::fallocate(device, {1, 4096}, zero)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::fallocate(device, {0, 4096})).value, Errno::eopnotsupp);
    CHECK_ERRNO(perform_on(loop, op::ftruncate(device, 4096)).value, Errno::einval);
    abi::Statx status = {};
    const op::StatxOptions by_fd = {.flags = abi::at_flag::empty_path,
                                    .mask = abi::statx_mask::basic};
    CHECK_EQ(perform_on(loop, op::statx(device, "", by_fd, &status)).value, 0);
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::block_device);
    CHECK_EQ(status.size, 0u);
}

} // namespace
} // namespace oxbow::test
