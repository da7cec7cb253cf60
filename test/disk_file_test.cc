// Files on a disk by the loop's operations, on every engine alike: direct ones, those that are not
// in memory, their space, and a file system that is full. Where the temporary directory is none
// on a disk, what needs no disk is run all the same.
#include "disk_help.h"

namespace oxbow::test {
namespace {

namespace flag = abi::open_flag;
namespace mode = abi::fallocate_mode;

constinit DiskMemory<16> out = {};
constinit DiskMemory<16> in = {};
constexpr u8 zeroes[disk_part] = {};

/// A new file, as itself and once more with O_DIRECT.
struct DirectFile {
    Fd plain;
    Fd direct;

    DirectFile() noexcept {
        char path[256];
        plain = make_file(path);
        const i32 opened =
            kernel::openat(abi::at_fdcwd, path, flag::read_write | flag::direct | flag::cloexec);
        if (opened == -Errno::einval) {
            SKIP("no O_DIRECT, which a tmpfs has since Linux 6.6");
        }
        direct = Fd(CHECK_OK(opened));
    }
};

[[nodiscard]] u64 blocks_of(i32 fd) noexcept {
    abi::Statx status = {};
    CHECK_OK(kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::blocks, &status));
    return status.blocks;
}

LOOP_TEST(disk_file_direct) {
    const DirectFile file;
    const i32 direct = file.direct;
    Random().fill(out.data, sizeof(out.data));
    CHECK_EQ(perform_on(loop, op::pwrite_all(direct, out.data, sizeof(out.data), 0)).count(),
             sizeof(out.data));
    CHECK_EQ(size_of(direct), sizeof(out.data));
    check_plainly(file.plain, out.data, sizeof(out.data), 0);
    CHECK_EQ(perform_on(loop, op::pread_all(direct, in.data, sizeof(in.data), 0)).count(),
             sizeof(in.data));
    CHECK_BYTES(in.data, out.data, sizeof(in.data));
    // At the position, which what was written moves on, and what was read.
    CHECK_EQ(perform_on(loop, op::write(direct, out.data + disk_part, disk_part)).count(),
             disk_part);
    CHECK_EQ(perform_on(loop, op::write_all(direct, out.data, disk_part)).count(), disk_part);
    const abi::IoVec pieces[] = {{in.data, 4096}, {in.data + disk_part, 8192}};
    CHECK_EQ(perform_on(loop, op::readv(direct, pieces, 2)).count(), 12288u);
    CHECK_EQ(kernel::lseek(direct, 0, abi::seek_from::current), i64{2 * disk_part + 12288});
    CHECK_BYTES(in.data, out.data + 2 * disk_part, 4096);
    CHECK_BYTES(in.data + disk_part, out.data + 2 * disk_part + 4096, 8192);
    check_plainly(file.plain, out.data + disk_part, disk_part, 0);
    check_plainly(file.plain, out.data, disk_part, disk_part);
    for (const Misaligned& wrong : misaligned) {
        note(wrong.name);
        u8* const address = in.data + wrong.address;
        const i64 expected = kernel::pread(direct, address, wrong.bytes, wrong.offset);
        CHECK_EQ(perform_on(loop, op::pread(direct, address, wrong.bytes, wrong.offset)).value,
                 expected);
        CHECK_EQ(perform_on(loop, op::pwrite_all(direct, address, wrong.bytes, wrong.offset)).value,
                 expected);
    }
}

/// Two at once share the position and not the data.
LOOP_TEST(disk_file_direct_position_of_two) {
    const DirectFile file;
    const i32 direct = file.direct;
    Random().fill(out.data, 2 * disk_part);
    Logged writes[2];
    Logged reads[2];
    for (u32 i = 0; i < 2; ++i) {
        submit(loop, writes[i], op::write(direct, out.data + i * disk_part, disk_part));
    }
    run_until_ended(loop, writes[0]);
    run_until_ended(loop, writes[1]);
    CHECK_EQ(writes[0].last.count(), disk_part);
    CHECK_EQ(writes[1].last.count(), disk_part);
    CHECK_EQ(kernel::lseek(direct, 0, abi::seek_from::current), i64{2 * disk_part});
    CHECK_EQ(kernel::lseek(direct, 0, abi::seek_from::start), 0);
    for (u32 i = 0; i < 2; ++i) {
        submit(loop, reads[i], op::read(direct, in.data + i * disk_part, disk_part));
    }
    run_until_ended(loop, reads[0]);
    run_until_ended(loop, reads[1]);
    CHECK_EQ(reads[0].last.count(), disk_part);
    CHECK_EQ(reads[1].last.count(), disk_part);
    // In whatever order they came.
    const bool swapped = __builtin_memcmp(in.data, out.data, disk_part) != 0;
    CHECK_BYTES(in.data + (swapped ? disk_part : 0), out.data, disk_part);
    CHECK_BYTES(in.data + (swapped ? 0 : disk_part), out.data + disk_part, disk_part);
}

/// The last block of a file may be a part of one, and no transfer begins behind that.
LOOP_TEST(disk_file_direct_end) {
    const DirectFile file;
    constexpr u32 size = 3 * 4096 + 1000;
    Random().fill(out.data, size);
    write_plainly(file.plain, out.data, size, 0);
    CHECK_EQ(perform_on(loop, op::pread(file.direct, in.data, disk_part, 4096)).count(),
             size - 4096);
    CHECK_EQ(perform_on(loop, op::pread_all(file.direct, in.data, disk_part, 0)).count(), size);
    CHECK_BYTES(in.data, out.data, size);
    CHECK_EQ(perform_on(loop, op::read_all(file.direct, in.data, disk_part)).count(), size);
    CHECK_EQ(kernel::lseek(file.direct, 0, abi::seek_from::current), i64{size});
    CHECK_EQ(perform_on(loop, op::pread(file.direct, in.data, 4096, 16384)).value, 0);
    CHECK_EQ(perform_on(loop, op::pread_all(file.direct, in.data, 4096, 1 << 30)).value, 0);
    const i64 expected = kernel::pread(file.direct, in.data, 4096, size);
    CHECK_EQ(perform_on(loop, op::pread(file.direct, in.data, 4096, size)).value, expected);
}

LOOP_TEST(disk_file_direct_appends) {
    char path[256];
    const Fd plain = make_file(path);
    const i32 opened = kernel::openat(
        abi::at_fdcwd, path, flag::write_only | flag::append | flag::direct | flag::cloexec);
    if (opened == -Errno::einval) {
        SKIP("no O_DIRECT, which a tmpfs has since Linux 6.6");
    }
    const Fd direct(CHECK_OK(opened));
    Random().fill(out.data, 4 * disk_part);
    CHECK_EQ(perform_on(loop, op::write(direct, out.data, 4096)).count(), 4096u);
    CHECK_EQ(perform_on(loop, op::pwrite(direct, out.data + 4096, 4096, 0)).count(), 4096u);
    CHECK_EQ(perform_on(loop, op::write_all(direct, out.data + 8192, disk_part)).count(),
             disk_part);
    CHECK_EQ(size_of(plain), disk_part + 8192u);
    CHECK_EQ(kernel::lseek(direct, 0, abi::seek_from::current), i64{disk_part + 8192});
    check_plainly(plain, out.data, disk_part + 8192, 0);
}

/// What is not in memory takes its time, and nothing is told but the data. A read that may not wait
/// says so.
LOOP_TEST(disk_file_cold) {
    constexpr u32 count = 32;
    constexpr u32 each = sizeof(out.data) / count;
    static Logged reads[count];
    const Fd file = make_file();
    Random().fill(out.data, sizeof(out.data));
    CHECK_EQ(perform_on(loop, op::pwrite_all(file, out.data, sizeof(out.data), 0)).count(),
             sizeof(out.data));
    const auto cool = [&]() noexcept {
        CHECK_EQ(perform_on(loop, op::fsync(file)).value, 0);
        CHECK_EQ(perform_on(loop, op::fadvise(file, {}, abi::fadvice::dontneed)).value, 0);
    };
    for (u32 round = 0; round < 3; ++round) {
        cool();
        for (u32 i = 0; i < count; ++i) {
            const u32 at = (i * 13 % count) * each;
            reads[i] = {};
            submit(loop, reads[i], op::pread_all(file, in.data + at, each, at));
        }
        for (Logged& read : reads) {
            run_until_ended(loop, read);
            CHECK_EQ(read.count, 1u);
            CHECK_EQ(read.last.count(), each);
        }
        CHECK_BYTES(in.data, out.data, sizeof(in.data));
    }
    // A read that may not wait may begin to fetch all the same, and what is being fetched does not
    // cool.
    abi::IoVec piece = {in.data, disk_part};
    constexpr u32 nowait = abi::rw_flag::nowait;
    const auto refuses = [&](auto read) noexcept {
        const u64 limit_ns = now_ns() + patience_ns;
        i32 result = 0;
        do {
            CHECK_LT(now_ns(), limit_ns);
            cool();
            result = static_cast<i32>(read());
            CHECK(result == -Errno::eagain || (result > 0 && result <= i32{disk_part}));
        } while (result > 0);
    };
    if (environment_value("OXBOW_SMALL_DISK") != nullptr) {
        refuses([&]() noexcept { return kernel::preadv2(file, &piece, 1, 0, nowait); });
        refuses([&]() noexcept {
            return perform_on(loop, op::pread(file, in.data, disk_part, 0, nowait)).value;
        });
        refuses([&]() noexcept {
            return perform_on(loop, op::readv(file, &piece, 1, 0, nowait)).value;
        });
    }
    CHECK_EQ(perform_on(loop, op::pread_all(file, in.data, disk_part, 0)).count(), disk_part);
}

/// Reads into a pool's buffers one after the other, from a file that is not in memory.
LOOP_TEST(disk_file_cold_into_buffers) {
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 2, .buffer_bytes = 8192}));
    const Fd file = make_file();
    Random().fill(out.data, disk_part);
    write_plainly(file, out.data, disk_part, 0);
    CHECK_OK(kernel::fsync(file));
    CHECK_EQ(perform_on(loop, op::fadvise(file, {}, abi::fadvice::dontneed)).value, 0);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::start), 0);
    for (u32 at = 0; at < disk_part;) {
        const Result result = perform_on(loop, op::read(file, pool));
        CHECK_GT(result.value, 0);
        CHECK_BYTES(pool.data(result), out.data + at, result.count());
        at += result.count();
        pool.give_back(result);
    }
    CHECK_EQ(perform_on(loop, op::read(file, pool)).value, 0);
    pool.close();
}

LOOP_TEST(disk_file_space) {
    const Fd file = make_file();
    CHECK_EQ(perform_on(loop, op::fallocate(file, {0, 16 * disk_part}, mode::keep_size)).value, 0);
    CHECK_EQ(size_of(file), 0u);
    CHECK_GE(blocks_of(file) * 512, 16 * disk_part);
    CHECK_EQ(perform_on(loop, op::fallocate(file, {0, 4 * disk_part})).value, 0);
    CHECK_EQ(size_of(file), 4 * disk_part);
    check_plainly(file, zeroes, disk_part, 3 * disk_part);
    CHECK_EQ(perform_on(loop, op::ftruncate(file, 4 * disk_part)).value, 0); // frees the rest
    Random().fill(out.data, 4 * disk_part);
    CHECK_EQ(perform_on(loop, op::pwrite_all(file, out.data, 4 * disk_part, 0)).count(),
             4 * disk_part);
    CHECK_EQ(perform_on(loop, op::fsync(file)).value, 0);
    const u64 before = blocks_of(file);
    constexpr i32 punch = mode::punch_hole | mode::keep_size;
    CHECK_EQ(perform_on(loop, op::fallocate(file, {disk_part, 2 * disk_part}, punch)).value, 0);
    CHECK_LE(blocks_of(file) + 2 * disk_part / 512, before);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::hole), i64{disk_part});
    CHECK_EQ(kernel::lseek(file, disk_part, abi::seek_from::data), i64{3 * disk_part});
    CHECK_EQ(perform_on(loop, op::pread_all(file, in.data, 4 * disk_part, 0)).count(),
             4 * disk_part);
    CHECK_BYTES(in.data, out.data, disk_part);
    CHECK_BYTES(in.data + disk_part, zeroes, disk_part);
    CHECK_BYTES(in.data + 2 * disk_part, zeroes, disk_part);
    CHECK_BYTES(in.data + 3 * disk_part, out.data + 3 * disk_part, disk_part);
    CHECK_ERRNO(perform_on(loop, op::fallocate(file, {0, 4096}, mode::punch_hole)).value,
                Errno::eopnotsupp);
    CHECK_ERRNO(perform_on(loop, op::fallocate(file, {0, 0}, punch)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::fallocate(file, {0, 4096}, 1 << 14)).value, Errno::eopnotsupp);
}

/// What not every file system has: as this one answers a plain call.
LOOP_TEST(disk_file_space_of_some) {
    const Fd file = make_file();
    const Fd other = make_file();
    Random().fill(out.data, 4 * disk_part);
    write_plainly(file, out.data, 4 * disk_part, 0);
    write_plainly(other, out.data, 4 * disk_part, 0);
    const i32 modes[] = {mode::zero_range, mode::zero_range | mode::keep_size, mode::collapse_range,
                         mode::insert_range, mode::unshare_range};
    for (const i32 how : modes) {
        note("mode", how);
        CHECK_EQ(perform_on(loop, op::fallocate(file, {disk_part, disk_part}, how)).value,
                 kernel::fallocate(other, how, disk_part, disk_part));
        CHECK_EQ(size_of(file), size_of(other));
        const u32 bytes = static_cast<u32>(size_of(other));
        CHECK_EQ(kernel::pread(other, in.data, bytes, 0), i64{bytes});
        check_plainly(file, in.data, bytes, 0);
    }
}

LOOP_TEST(disk_file_sync) {
    const DirectFile file;
    constexpr u32 all = abi::sync_range_flag::wait_before | abi::sync_range_flag::write |
                        abi::sync_range_flag::wait_after;
    Random().fill(out.data, 4 * disk_part);
    CHECK_EQ(perform_on(loop, op::pwrite_all(file.plain, out.data, 4 * disk_part, 0)).count(),
             4 * disk_part);
    CHECK_EQ(perform_on(loop, op::sync_file_range(file.plain, {0, 2 * disk_part}, all)).value, 0);
    CHECK_EQ(perform_on(loop, op::sync_file_range(file.plain, {}, all)).value, 0);
    CHECK_EQ(perform_on(loop, op::fdatasync(file.plain)).value, 0);
    CHECK_EQ(perform_on(loop, op::fsync(file.plain)).value, 0);
    check_plainly(file.direct, out.data, 4 * disk_part, 0);
    const u32 durable[] = {abi::rw_flag::dsync, abi::rw_flag::sync};
    for (const u32 flags : durable) {
        const u8* const data = out.data + disk_part;
        CHECK_EQ(perform_on(loop, op::pwrite(file.plain, data, 5000, 100, flags)).value, 5000);
        CHECK_EQ(perform_on(loop, op::pwrite(file.direct, data, 8192, 8192, flags)).value, 8192);
        check_plainly(file.plain, data, 5000, 100);
        check_plainly(file.direct, data, 8192, 8192);
    }
    abi::Statx status = {};
    const op::StatxOptions by_fd = {.flags = abi::at_flag::empty_path,
                                    .mask =
                                        abi::statx_mask::basic | abi::statx_mask::direct_io_align};
    CHECK_EQ(perform_on(loop, op::statx(file.direct, "", by_fd, &status)).value, 0);
    CHECK_EQ(status.size, 4 * disk_part);
    CHECK_GE(status.blocks * 512, 4 * disk_part);
    if ((status.mask & abi::statx_mask::direct_io_align) != 0) { // 6.1
        CHECK_LE(status.direct_io_offset_align, 4096u);
    }
}

} // namespace
} // namespace oxbow::test
