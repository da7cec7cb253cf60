// Every call of call_file.h, made for real: what it does is seen through another call. Offsets
// beyond 4 GiB show that 64-bit arguments arrive whole on 32-bit machines.
#include "../syscall/call.h"
#include "../syscall/text.h"
#include "harness.h"

namespace oxbow::test {

namespace {

using namespace kernel;
using abi::at_fdcwd;

constexpr u64 far = (u64{5} << 30) + 4096; // beyond what 32 bits hold

[[nodiscard]] i32 make_file() noexcept {
    char path[512];
    using namespace abi::open_flag;
    return CHECK_OK(
        openat(at_fdcwd, temp_path(path), read_write | create | exclusive | cloexec, 0600));
}

[[nodiscard]] abi::Statx status_of(i32 fd) noexcept {
    abi::Statx status = {};
    CHECK_OK(statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::basic, &status));
    return status;
}

[[nodiscard]] bool exists(const char* path) noexcept {
    return faccessat(at_fdcwd, path, abi::access_mode::exists) == 0;
}

} // namespace

TEST(call_file_read_write_far) {
    const i32 fd = make_file();
    CHECK_EQ(write(fd, "begin", 5), 5);
    CHECK_EQ(pwrite(fd, "far away", 8, far), 8);
    CHECK_EQ(status_of(fd).size, far + 8);

    char back[8] = {};
    CHECK_EQ(pread(fd, back, 8, far), 8);
    CHECK_BYTES(back, "far away", 8);
    CHECK_EQ(pread(fd, back, 8, far + 8), 0);
    CHECK_EQ(pread(fd, back, 5, 0), 5);
    CHECK_BYTES(back, "begin", 5);

    CHECK_EQ(lseek(fd, 0, abi::seek_from::current), 5);
    CHECK_EQ(lseek(fd, static_cast<i64>(far) + 4, abi::seek_from::start),
             static_cast<i64>(far) + 4);
    CHECK_EQ(read(fd, back, 8), 4);
    CHECK_BYTES(back, "away", 4);
    CHECK_EQ(lseek(fd, -8, abi::seek_from::end), static_cast<i64>(far));
    CHECK_EQ(lseek(fd, -4096, abi::seek_from::current), static_cast<i64>(far) - 4096);
    CHECK_ERRNO(lseek(fd, -1, abi::seek_from::start), Errno::einval);
    CHECK_ERRNO(lseek(-1, 0, abi::seek_from::start), Errno::ebadf);
    CHECK_OK(close(fd));
    CHECK_ERRNO(close(fd), Errno::ebadf);
}

TEST(call_file_vectors) {
    const i32 fd = make_file();
    char one[] = "one";
    char two[] = "twotwo";
    const abi::IoVec out[] = {{one, 3}, {two, 6}};
    CHECK_EQ(writev(fd, out, 2), 9);
    CHECK_EQ(pwritev(fd, out, 2, far), 9);
    CHECK_EQ(pwritev2(fd, out, 2, far + 9, abi::rw_flag::dsync), 9);
    CHECK_EQ(pwritev2(fd, out, 1, abi::current_position, 0), 3);
    CHECK_EQ(lseek(fd, 0, abi::seek_from::current), 12);
    CHECK_EQ(status_of(fd).size, far + 18);

    char first[4] = {};
    char second[16] = {};
    const abi::IoVec in[] = {{first, 4}, {second, 8}};
    CHECK_EQ(lseek(fd, 0, abi::seek_from::start), 0);
    CHECK_EQ(readv(fd, in, 2), 12);
    CHECK_BYTES(first, "onet", 4);
    CHECK_BYTES(second, "wotwoone", 8);
    CHECK_EQ(preadv(fd, in, 2, far), 12);
    CHECK_BYTES(second, "wotwoone", 8);
    CHECK_EQ(preadv2(fd, in, 1, far + 14, 0), 4);
    CHECK_BYTES(first, "otwo", 4);
    CHECK_EQ(lseek(fd, 3, abi::seek_from::start), 3);
    CHECK_EQ(preadv2(fd, in, 1, abi::current_position, 0), 4);
    CHECK_BYTES(first, "twot", 4);
    CHECK_EQ(lseek(fd, 0, abi::seek_from::current), 7);
    CHECK_OK(close(fd));
}

TEST(call_file_size_and_advice) {
    const i32 fd = make_file();
    CHECK_OK(ftruncate(fd, far));
    CHECK_EQ(status_of(fd).size, far);
    CHECK_OK(ftruncate(fd, 3));
    CHECK_EQ(status_of(fd).size, 3u);

    const i32 allocated = fallocate(fd, abi::fallocate_mode::allocate, far, 8192);
    if (allocated != -Errno::eopnotsupp) {
        CHECK_OK(allocated);
        CHECK_EQ(status_of(fd).size, far + 8192);
        CHECK_GT(status_of(fd).blocks, 0u);
        CHECK_OK(fallocate(fd, abi::fallocate_mode::keep_size, far + 8192, 4096));
        CHECK_EQ(status_of(fd).size, far + 8192);
    } else {
        CHECK_OK(ftruncate(fd, far + 8192));
    }
    // The last data is where the argument says it is, or these would answer EINVAL.
    CHECK_OK(fadvise(fd, far, 4096, abi::fadvice::willneed));
    CHECK_OK(fadvise(fd, far, 0, abi::fadvice::dontneed));
    CHECK_ERRNO(fadvise(fd, far, 4096, 77), Errno::einval);
    CHECK_OK(sync_file_range(fd, far, 4096,
                             abi::sync_range_flag::wait_before | abi::sync_range_flag::write |
                                 abi::sync_range_flag::wait_after));
    CHECK_ERRNO(sync_file_range(fd, ~u64{0}, 1, 0), Errno::einval);
    CHECK_ERRNO(sync_file_range(fd, 0, 1, 0x100), Errno::einval);
    CHECK_OK(fsync(fd));
    CHECK_OK(fdatasync(fd));
    CHECK_OK(syncfs(fd));
    CHECK_ERRNO(syncfs(-1), Errno::ebadf);
    CHECK_ERRNO(ftruncate(fd, u64{1} << 63), Errno::einval);
    CHECK_ERRNO(fallocate(fd, 0, 0, 0), Errno::einval);
    sync();
    CHECK_OK(close(fd));
}

TEST(call_file_seeks_data_and_holes) {
    const i32 fd = make_file();
    CHECK_EQ(pwrite(fd, "x", 1, far), 1);
    const i64 data = lseek(fd, 0, abi::seek_from::data);
    CHECK_OK(data);
    // A file system that knows no holes may call everything data.
    CHECK(data == 0 || (data > (i64{1} << 32) && data <= static_cast<i64>(far)));
    CHECK_OK(lseek(fd, data, abi::seek_from::hole));
    CHECK_ERRNO(lseek(fd, static_cast<i64>(far) + 1, abi::seek_from::data), Errno::enxio);
    CHECK_OK(close(fd));
}

TEST(call_file_names) {
    char directory[512], name[512], other[512], link[512], fifo[512];
    CHECK_OK(mkdirat(at_fdcwd, temp_path(directory), 0700));
    CHECK_ERRNO(mkdirat(at_fdcwd, directory, 0700), Errno::eexist);
    const i32 dir =
        CHECK_OK(openat(at_fdcwd, directory, abi::open_flag::directory | abi::open_flag::cloexec));
    const i32 fd = CHECK_OK(openat(dir, "file", abi::open_flag::create, 0600));
    CHECK_OK(close(fd));
    CHECK_OK(linkat(dir, "file", at_fdcwd, temp_path(name)));
    CHECK_OK(symlinkat("the/target", at_fdcwd, temp_path(link)));
    char target[32] = {};
    CHECK_EQ(readlinkat(at_fdcwd, link, target, sizeof(target)), 10);
    CHECK_STREQ(target, "the/target");
    CHECK_ERRNO(openat(at_fdcwd, link, abi::open_flag::nofollow), Errno::eloop);
    CHECK_OK(mknodat(at_fdcwd, temp_path(fifo), abi::file_mode::fifo | 0600, 0));
    abi::Statx status = {};
    CHECK_OK(statx(at_fdcwd, fifo, 0, abi::statx_mask::type, &status));
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::fifo);
    CHECK_OK(statx(at_fdcwd, link, abi::at_flag::symlink_nofollow, abi::statx_mask::type, &status));
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::symlink);
    CHECK_OK(statx(dir, "file", 0, abi::statx_mask::basic, &status));
    CHECK_EQ(status.link_count, 2u);
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::regular);

    CHECK_OK(renameat2(at_fdcwd, name, at_fdcwd, temp_path(other)));
    CHECK(!exists(name));
    CHECK(exists(other));
    CHECK_ERRNO(renameat2(dir, "file", at_fdcwd, other, abi::rename_flag::noreplace),
                Errno::eexist);
    CHECK_ERRNO(unlinkat(at_fdcwd, directory, abi::at_flag::remove_directory), Errno::enotempty);
    CHECK_OK(unlinkat(dir, "file", 0));
    CHECK_OK(unlinkat(at_fdcwd, directory, abi::at_flag::remove_directory));
    CHECK(!exists(directory));
    CHECK_OK(close(dir));
}

TEST(call_file_attributes) {
    char path[512];
    const i32 fd = CHECK_OK(openat(at_fdcwd, temp_path(path),
                                   abi::open_flag::create | abi::open_flag::read_write, 0600));
    CHECK_OK(fchmod(fd, 0640));
    CHECK_EQ(status_of(fd).mode & 07777, 0640);
    CHECK_OK(fchmodat(at_fdcwd, path, 0400));
    CHECK_EQ(status_of(fd).mode & 07777, 0400);
    CHECK_OK(fchownat(at_fdcwd, path, getuid(), getgid(), 0));
    CHECK_EQ(status_of(fd).user_id, getuid());
    CHECK_EQ(status_of(fd).group_id, getgid());
    const abi::Timespec times[2] = {{1'000'000'000, 5}, {0x123456789, 0}};
    CHECK_OK(utimensat(at_fdcwd, path, times, 0));
    CHECK_EQ(status_of(fd).access_time.seconds, 1'000'000'000);
    CHECK_EQ(status_of(fd).modify_time.seconds, 0x123456789); // year 2124: more than 32 bits
    const abi::Timespec keep[2] = {{0, abi::utime::omit}, {0, abi::utime::now}};
    CHECK_OK(utimensat(fd, nullptr, keep, 0));
    CHECK_EQ(status_of(fd).access_time.seconds, 1'000'000'000);
    CHECK_NE(status_of(fd).modify_time.seconds, 0x123456789);
    CHECK_OK(faccessat(at_fdcwd, path, abi::access_mode::read));
    CHECK_ERRNO(faccessat(at_fdcwd, path, abi::access_mode::exec), Errno::eacces);
    CHECK_OK(close(fd));
}

TEST(call_file_extended_attributes) {
    char path[512];
    const i32 fd = CHECK_OK(openat(at_fdcwd, temp_path(path), abi::open_flag::create, 0600));
    const i32 set = setxattr(path, "user.one", "value", 5, 0);
    if (set == -Errno::eopnotsupp) {
        SKIP("no user attributes, which a tmpfs has since Linux 6.6");
    }
    CHECK_OK(set);
    CHECK_ERRNO(setxattr(path, "user.one", "v", 1, abi::xattr_flag::create), Errno::eexist);
    CHECK_OK(fsetxattr(fd, "user.two", "2", 1, abi::xattr_flag::create));
    char back[64] = {};
    CHECK_EQ(getxattr(path, "user.one", back, sizeof(back)), 5);
    CHECK_BYTES(back, "value", 5);
    CHECK_EQ(fgetxattr(fd, "user.two", back, sizeof(back)), 1);
    CHECK_EQ(getxattr(path, "user.one", nullptr, 0), 5);
    CHECK_ERRNO(getxattr(path, "user.one", back, 2), Errno::erange);
    const long names = CHECK_OK(listxattr(path, back, sizeof(back)));
    CHECK_GE(names, 18);
    CHECK_EQ(flistxattr(fd, nullptr, 0), names);
    CHECK_OK(removexattr(path, "user.one"));
    CHECK_OK(fremovexattr(fd, "user.two"));
    CHECK_ERRNO(getxattr(path, "user.one", back, sizeof(back)), Errno::enodata);
    CHECK_ERRNO(removexattr(path, "user.one"), Errno::enodata);
    CHECK_OK(close(fd));
}

TEST(call_file_directory_entries) {
    const i32 dir = CHECK_OK(openat(at_fdcwd, temp_directory(), abi::open_flag::directory));
    CHECK_OK(close(CHECK_OK(openat(dir, "an entry", abi::open_flag::create, 0600))));
    CHECK_OK(mkdirat(dir, "below", 0700));
    alignas(8) char memory[1024];
    u32 files = 0, directories = 0, entries = 0;
    for (;;) {
        const long bytes = CHECK_OK(getdents64(dir, memory, sizeof(memory)));
        if (bytes == 0) {
            break;
        }
        auto* entry = reinterpret_cast<const abi::DirectoryEntry*>(memory);
        const char* const end = memory + bytes;
        for (; reinterpret_cast<const char*>(entry) < end; entry = entry->next()) {
            ++entries;
            files += text_equal(entry->name, "an entry") ? 1 : 0;
            directories += text_equal(entry->name, "below") ? 1 : 0;
            CHECK(entry->type == abi::directory_entry::unknown ||
                  (entry->type == abi::directory_entry::regular) ==
                      text_equal(entry->name, "an entry"));
        }
    }
    CHECK_EQ(files, 1u);
    CHECK_EQ(directories, 1u);
    CHECK_EQ(entries, 4u); // with . and ..
    CHECK_OK(close(dir));
}

TEST(call_file_openat2) {
    const i32 dir = CHECK_OK(openat(at_fdcwd, temp_directory(), abi::open_flag::directory));
    abi::OpenHow how = {};
    how.flags = static_cast<u64>(abi::open_flag::create | abi::open_flag::write_only |
                                 abi::open_flag::cloexec);
    how.mode = 0600;
    how.resolve = abi::resolve::beneath;
    const i32 fd = openat2(dir, "inside", &how);
    SKIP_IF_MISSING(fd != -Errno::enosys, "openat2");
    CHECK_OK(fd);
    CHECK_ERRNO(openat2(dir, "../outside", &how), Errno::exdev);
    how.flags |= u64{1} << 40;
    CHECK_ERRNO(openat2(dir, "inside", &how), Errno::einval);
    CHECK_OK(close(fd));
    CHECK_OK(close(dir));
}

TEST(call_file_descriptors) {
    const i32 before = open_fd_count();
    i32 fds[2];
    CHECK_OK(pipe2(fds, abi::open_flag::cloexec | abi::open_flag::nonblock));
    CHECK_EQ(fcntl(fds[0], abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    CHECK(fcntl(fds[0], abi::fcntl_command::get_status_flags) & abi::open_flag::nonblock);
    CHECK_OK(fcntl(fds[0], abi::fcntl_command::set_status_flags, 0));
    CHECK_EQ(fcntl(fds[0], abi::fcntl_command::get_status_flags) & abi::open_flag::nonblock, 0);
    CHECK_GE(fcntl(fds[0], abi::fcntl_command::get_pipe_size), 4096);
    CHECK_EQ(write(fds[1], "12345", 5), 5);
    i32 readable = 0;
    CHECK_OK(ioctl(fds[0], abi::file_ioctl::fionread, &readable));
    CHECK_EQ(readable, 5);
    CHECK_ERRNO(ioctl(fds[0], abi::file_ioctl::ficlone, -1), Errno::ebadf);

    const i32 copy = CHECK_OK(dup(fds[1]));
    CHECK_EQ(fcntl(copy, abi::fcntl_command::get_fd_flags), 0);
    const i32 high = CHECK_OK(dup3(fds[1], 200, abi::open_flag::cloexec));
    CHECK_EQ(high, 200);
    CHECK_ERRNO(dup3(high, high, 0), Errno::einval);
    CHECK_EQ(CHECK_OK(fcntl(copy, abi::fcntl_command::dupfd_cloexec, 201)), 201);
    CHECK_EQ(write(201, "6", 1), 1);
    CHECK_OK(ioctl(fds[0], abi::file_ioctl::fionread, &readable));
    CHECK_EQ(readable, 6);

    const i32 closed = close_range(200, 300, 0);
    SKIP_IF_MISSING(closed != -Errno::enosys, "close_range");
    CHECK_OK(closed);
    CHECK_ERRNO(close(200), Errno::ebadf);
    CHECK_ERRNO(close(201), Errno::ebadf);
    CHECK_OK(close(copy));
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
    CHECK_EQ(open_fd_count(), before);
}

TEST(call_file_locks) {
    char path[512];
    const i32 flags = abi::open_flag::create | abi::open_flag::read_write;
    const i32 one = CHECK_OK(openat(at_fdcwd, temp_path(path), flags, 0600));
    const i32 two = CHECK_OK(openat(at_fdcwd, path, flags, 0600));
    using namespace abi::flock_mode;
    CHECK_OK(flock(one, exclusive));
    CHECK_ERRNO(flock(two, shared | nonblock), Errno::eagain);
    CHECK_OK(flock(one, unlock));
    CHECK_OK(flock(two, shared | nonblock));

    abi::FileLock lock = {abi::file_lock::write, abi::seek_from::start, static_cast<i64>(far), 10,
                          0};
    CHECK_OK(fcntl(one, abi::fcntl_command::ofd_setlk, &lock));
    lock.start += 9;
    CHECK_ERRNO(fcntl(two, abi::fcntl_command::ofd_setlk, &lock), Errno::eagain);
    CHECK_OK(fcntl(two, abi::fcntl_command::ofd_getlk, &lock));
    CHECK_EQ(lock.type, abi::file_lock::write);
    CHECK_EQ(lock.start, static_cast<i64>(far));
    CHECK_EQ(lock.bytes, 10);
    lock = {abi::file_lock::write, abi::seek_from::start, static_cast<i64>(far) + 10, 10, 0};
    CHECK_OK(fcntl(two, abi::fcntl_command::ofd_setlk, &lock));
    CHECK_OK(close(one));
    CHECK_OK(close(two));
}

TEST(call_file_moves_data) {
    const i32 in = make_file();
    const i32 out = make_file();
    CHECK_EQ(pwrite(in, "moved data", 10, far), 10);
    char back[16] = {};

    i64 in_offset = static_cast<i64>(far);
    i64 out_offset = 3;
    CHECK_EQ(copy_file_range(in, &in_offset, out, &out_offset, 10), 10);
    CHECK_EQ(in_offset, static_cast<i64>(far) + 10);
    CHECK_EQ(out_offset, 13);
    CHECK_EQ(pread(out, back, 16, 3), 10);
    CHECK_BYTES(back, "moved data", 10);

    in_offset = static_cast<i64>(far) + 6;
    CHECK_EQ(sendfile(out, in, &in_offset, 100), 4);
    CHECK_EQ(in_offset, static_cast<i64>(far) + 10);
    CHECK_EQ(pread(out, back, 4, 0), 4);
    CHECK_BYTES(back, "data", 4);

    i32 first[2], second[2];
    CHECK_OK(pipe2(first, 0));
    CHECK_OK(pipe2(second, 0));
    in_offset = static_cast<i64>(far);
    CHECK_EQ(splice(in, &in_offset, first[1], nullptr, 5, 0), 5);
    CHECK_EQ(in_offset, static_cast<i64>(far) + 5);
    CHECK_EQ(tee(first[0], second[1], 100, 0), 5);
    CHECK_EQ(read(first[0], back, 16), 5);
    CHECK_BYTES(back, "moved", 5);
    CHECK_EQ(read(second[0], back + 8, 8), 5);
    CHECK_BYTES(back + 8, "moved", 5);
    CHECK_ERRNO(splice(first[0], nullptr, out, nullptr, 5, abi::splice_flag::nonblock),
                Errno::eagain);
    const i32 fds[] = {in, out, first[0], first[1], second[0], second[1]};
    for (const i32 fd : fds) {
        CHECK_OK(close(fd));
    }
}

TEST(call_file_current_directory) {
    char path[1024];
    const i32 length = CHECK_OK(getcwd(path, sizeof(path)));
    CHECK_EQ(static_cast<usize>(length), text_length(path) + 1);
    CHECK_ERRNO(getcwd(path, 1), Errno::erange);
    const i32 former = CHECK_OK(openat(at_fdcwd, ".", abi::open_flag::directory));
    CHECK_OK(chdir(temp_directory()));
    char now[1024];
    CHECK_OK(getcwd(now, sizeof(now)));
    CHECK_STREQ(now, temp_directory());
    CHECK_OK(fchdir(former));
    CHECK_OK(getcwd(now, sizeof(now)));
    CHECK_STREQ(now, path);
    CHECK_ERRNO(chdir("/no/such/directory"), Errno::enoent);
    CHECK_OK(close(former));

    const u32 mask = umask(0777);
    CHECK_EQ(umask(mask), 0777u);
}

TEST(call_file_chroot) {
    if (geteuid() != 0) {
        CHECK_ERRNO(chroot("/"), Errno::eperm);
        SKIP("not root");
    }
    CHECK_EQ(in_child([] {
                 char name[] = "/inside";
                 const i32 dir =
                     CHECK_OK(openat(at_fdcwd, temp_directory(), abi::open_flag::directory));
                 CHECK_OK(mkdirat(dir, name + 1, 0700));
                 CHECK_OK(chroot(temp_directory()));
                 CHECK(exists(name));
                 return 7;
             }),
             7);
}

TEST(call_file_mount) {
    if (geteuid() != 0) {
        SKIP("not root");
    }
    CHECK_EQ(
        in_child([] {
            const i32 apart = unshare(abi::clone_flag::newns);
            if (apart == -Errno::einval || apart == -Errno::eperm) {
                return 2;
            }
            CHECK_OK(apart);
            // Where the root is shared, mounts would reach the machine.
            (void)mount(nullptr, "/", nullptr,
                        abi::mount_flag::recursive | abi::mount_flag::private_);
            char path[512];
            TextBuffer<512> file;
            file.add(temp_path(path)).add("/file");
            CHECK_OK(mkdirat(at_fdcwd, path, 0700));
            const i32 mounted = mount("none", path, "tmpfs", abi::mount_flag::nosuid, "size=64k");
            if (mounted == -Errno::enodev || mounted == -Errno::eperm) {
                return 2;
            }
            CHECK_OK(mounted);
            CHECK_OK(close(CHECK_OK(openat(at_fdcwd, file.c_str(), abi::open_flag::create, 0600))));
            CHECK_OK(umount2(path, abi::umount_flag::detach));
            CHECK(!exists(file.c_str()));
            CHECK_ERRNO(umount2(path, 0), Errno::einval);
            return 0;
        }) % 2,
        0);
}

TEST(call_file_path_errors) {
    CHECK_ERRNO(openat(at_fdcwd, "/no/such/file", 0), Errno::enoent);
    CHECK_ERRNO(openat(-1, "relative", 0), Errno::ebadf);
    CHECK_ERRNO(openat(at_fdcwd, nullptr, 0), Errno::efault);
    CHECK_ERRNO(read(-1, nullptr, 0), Errno::ebadf);
    CHECK_ERRNO(fsync(-1), Errno::ebadf);
    CHECK_ERRNO(unlinkat(at_fdcwd, "/no/such", 0), Errno::enoent);
}

} // namespace oxbow::test
