// A file system that is full: what was acknowledged is there, what was not is told, and with room
// again everything goes on.
#include "disk_help.h"

namespace oxbow::test {
namespace {

namespace flag = abi::open_flag;

constinit DiskMemory<16> out = {};
constinit DiskMemory<16> in = {};

/// A new file on the small disk, which is nobody else's as long as this lives.
class SmallDisk {
  public:
    SmallDisk() noexcept
        : directory_(CHECK_OK(kernel::openat(abi::at_fdcwd, disk_of("OXBOW_SMALL_DISK"),
                                             flag::directory | flag::cloexec))) {
        lock_disk(directory_);
        (void)kernel::unlinkat(directory_, name, 0); // of a test that did not come to its end
        (void)kernel::unlinkat(directory_, filler, 0);
    }
    ~SmallDisk() {
        (void)kernel::unlinkat(directory_, name, 0);
        (void)kernel::unlinkat(directory_, filler, 0);
        (void)kernel::syncfs(directory_);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    [[nodiscard]] Fd make(const char* file = name, i32 flags = 0) const noexcept {
        return Fd(CHECK_OK(kernel::openat(
            directory_, file, flag::read_write | flag::create | flag::cloexec | flags, 0600)));
    }
    void remove(const char* file) const noexcept {
        CHECK_OK(kernel::unlinkat(directory_, file, 0));
    }

    static constexpr const char* name = "full";
    static constexpr const char* filler = "filler";

  private:
    Fd directory_;
};

/// No more than a small disk has, and what fits on it in any case.
constexpr u32 parts_max = 1024;
constexpr u64 bytes_min = u64{1} << 20;

/// Writes `file` until nothing fits any more, then not even a block; how many bytes were
/// acknowledged. What other files gave back is free once the journal has committed that, which the
/// kernel does in its own time: until there is room for `bytes_min`, the disk is not full.
template <class Write>
[[nodiscard]] u64 fill_up(Loop& loop, i32 file, Write write) noexcept {
    u64 acknowledged = 0;
    const u32 sizes[] = {disk_part, 4096};
    for (const u32 bytes : sizes) {
        for (u32 part = 0;; ++part) {
            CHECK_LT(part, parts_max);
            fill_pattern(out.data, bytes, static_cast<u32>(acknowledged));
            const Result result = perform_on(loop, write(bytes, acknowledged));
            if (result.value < 0) {
                CHECK_ERRNO(result.value, Errno::enospc);
                if (acknowledged < bytes_min) {
                    CHECK_OK(kernel::syncfs(file));
                    continue;
                }
                break;
            }
            CHECK_GT(result.value, 0);
            CHECK_LE(result.count(), bytes);
            acknowledged += result.count();
        }
    }
    return acknowledged;
}

void check_all(i32 fd, u64 bytes) noexcept {
    CHECK_EQ(size_of(fd), bytes);
    for (u64 at = 0; at < bytes;) {
        const u32 part = bytes - at < disk_part ? static_cast<u32>(bytes - at) : disk_part;
        CHECK_EQ(kernel::pread(fd, in.data, part, at), i64{part});
        check_pattern(in.data, part, static_cast<u32>(at));
        at += part;
    }
}

LOOP_TEST(disk_full_keeps_what_it_took) {
    const SmallDisk disk;
    const Fd file = disk.make();
    // At the position and at offsets; buffered and direct.
    for (u32 kind = 0; kind < 4; ++kind) {
        note("kind", kind);
        const Fd direct = disk.make(SmallDisk::name, kind < 2 ? 0 : flag::direct);
        CHECK_OK(kernel::ftruncate(file, 0));
        const u64 bytes = fill_up(loop, file, [&](u32 part, u64 at) noexcept {
            return kind % 2 == 0 ? op::write_all(direct, out.data, part)
                                 : op::pwrite(direct, out.data, part, at);
        });
        CHECK_GE(bytes, bytes_min);
        if (kind % 2 == 0) {
            CHECK_EQ(kernel::lseek(direct, 0, abi::seek_from::current), static_cast<i64>(bytes));
        }
        CHECK_EQ(perform_on(loop, op::fsync(file)).value, 0);
        // What the operations are answerable for. From the disk, with the page cache dropped, ext4
        // of Linux 7.2 has read back zeroes for a page in one of some dozens of runs, whichever
        // engine had written it.
        check_all(file, bytes);
        CHECK_ERRNO(perform_on(loop, op::pwrite_all(direct, out.data, 4096, 1 << 25)).value,
                    Errno::enospc);
        // Over what is there, one can write all the same.
        fill_pattern(out.data, 8192, 4096);
        CHECK_EQ(perform_on(loop, op::pwrite_all(direct, out.data, 8192, 4096)).count(), 8192u);
        check_all(file, bytes);
    }
}

LOOP_TEST(disk_full_and_room_again) {
    const SmallDisk disk;
    const Fd file = disk.make();
    Fd filler = disk.make(SmallDisk::filler);
    const u64 bytes = fill_up(loop, filler, [&](u32 part, u64 at) noexcept {
        return op::pwrite_all(filler, out.data, part, at);
    });
    CHECK_ERRNO(perform_on(loop, op::pwrite_all(file, out.data, disk_part, 0)).value,
                Errno::enospc);
    CHECK_EQ(size_of(file), 0u);
    CHECK_ERRNO(perform_on(loop, op::fallocate(file, {0, 4 * disk_part})).value, Errno::enospc);
    CHECK_EQ(perform_on(loop, op::ftruncate(filler, bytes / 2)).value, 0);
    Result room;
    do {
        CHECK_EQ(perform_on(loop, op::fsync(filler)).value, 0);
        room = perform_on(loop, op::fallocate(file, {0, 4 * disk_part}));
    } while (room.value == -Errno::enospc); // not free yet, as in fill_up
    CHECK_EQ(room.value, 0);
    fill_pattern(out.data, 4 * disk_part);
    CHECK_EQ(perform_on(loop, op::pwrite_all(file, out.data, 4 * disk_part, 0)).count(),
             4 * disk_part);
    CHECK_EQ(perform_on(loop, op::fsync(file)).value, 0);
    check_all(file, 4 * disk_part);
    check_all(filler, bytes / 2);
    CHECK_EQ(perform_on(loop, op::close(filler.release())).value, 0);
}

/// Many at once, of which only some can have room: each is told the truth.
LOOP_TEST(disk_full_many_at_once) {
    constexpr u32 count = 96;
    constexpr u32 each = disk_part;
    static Logged writes[count];
    const SmallDisk disk;
    const Fd file = disk.make();
    Random().fill(out.data, each);
    for (u32 i = 0; i < count; ++i) {
        writes[i] = {};
        submit(loop, writes[i], op::pwrite_all(file, out.data, each, u64{i} * each));
    }
    u32 full = 0;
    for (Logged& write : writes) {
        run_until_ended(loop, write);
        CHECK_EQ(write.count, 1u);
        if (write.last.value < 0) {
            CHECK_ERRNO(write.last.value, Errno::enospc);
            ++full;
        }
    }
    CHECK_GT(full, 0u);
    CHECK_LT(full, count);
    CHECK_OK(kernel::fsync(file));
    for (u32 i = 0; i < count; ++i) {
        if (writes[i].last.value > 0) {
            check_plainly(file, out.data, writes[i].last.count(), u64{i} * each);
        }
    }
}

} // namespace
} // namespace oxbow::test
