// perform(): paths and whole files, each with what it does and its most common error.
#include "perform_help.h"

namespace oxbow::test {
namespace {

namespace open_flag = abi::open_flag;

constexpr i32 here = abi::at_fdcwd;
constexpr const char* missing = "/nonexistent/file";

TEST(perform_openat) {
    const NoLeaks no_leaks;
    char path[256];
    temp_path(path);
    const i32 flags = open_flag::read_write | open_flag::create | open_flag::exclusive;
    for (const Patience patience : every_patience) {
        CHECK_ERRNO(perform_with(patience, op::openat(here, missing, 0)), Errno::enoent);
    }
    const Fd file(CHECK_OK(try_now(op::openat(here, path, flags, 0640))));
    CHECK_EQ(kernel::fcntl(file, abi::fcntl_command::get_fd_flags), 0); // as the caller said
    CHECK(is_blocking(file));
    abi::Statx status = {};
    CHECK_EQ(
        try_now(op::statx(file, "", {abi::at_flag::empty_path, abi::statx_mask::mode}, &status)),
        0);
    CHECK_EQ(status.mode & 0777, 0640 & ~kernel::umask(0022));
    CHECK_ERRNO(wait_for(op::openat(here, path, flags | open_flag::cloexec, 0640)), Errno::eexist);
    const Fd second(CHECK_OK(wait_for(op::openat(here, path, open_flag::cloexec))));
    CHECK_EQ(kernel::fcntl(second, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    // Large files, on 32-bit machines too.
    CHECK_EQ(wait_for(op::pwrite(file, "x", 1, u64{1} << 33)), 1);
    const Fd third(CHECK_OK(wait_for(op::openat(here, path, 0))));
}

TEST(perform_openat2) {
    abi::OpenHow how = {};
    const Fd directory(CHECK_OK(kernel::openat(here, temp_directory(), 0)));
    how.flags = static_cast<u64>(open_flag::read_write | open_flag::create);
    how.mode = 0600;
    how.resolve = abi::resolve::beneath;
    const i32 result = wait_for(op::openat2(directory, "inside", &how));
    SKIP_IF_MISSING(result != -Errno::enosys, "openat2");
    const Fd file(CHECK_OK(result));
    CHECK_EQ(wait_for(op::pwrite(file, "x", 1, u64{1} << 33)), 1);
    how.flags = open_flag::read_only;
    how.mode = 0;
    const Fd again(CHECK_OK(try_now(op::openat2(directory, "inside", &how))));
    CHECK_ERRNO(try_now(op::openat2(directory, "../out", &how)), Errno::exdev);
    CHECK_ERRNO(try_now(op::openat2(directory, "none", &how)), Errno::enoent);
    how.flags = open_flag::path;
    const Fd path(CHECK_OK(try_now(op::openat2(directory, "inside", &how))));
    how.flags = u64{1} << 40;
    CHECK_ERRNO(try_now(op::openat2(directory, "inside", &how)), Errno::einval);
}

TEST(perform_statx) {
    const Fd file = make_file_with("0123456789");
    abi::Statx status = {};
    const op::StatxOptions options = {abi::at_flag::empty_path, abi::statx_mask::size};
    CHECK_EQ(try_now(op::statx(file, "", options, &status)), 0);
    CHECK_EQ(status.size, 10u);
    CHECK_EQ(wait_for(op::statx(here, temp_directory(), {}, &status)), 0);
    CHECK_ERRNO(wait_for(op::statx(here, missing, {}, &status)), Errno::enoent);
    CHECK_ERRNO(wait_for(op::statx(-1, "x", {}, &status)), Errno::ebadf);
}

TEST(perform_names) {
    char a[256];
    char b[256];
    const Fd file = make_file(a);
    temp_path(b);
    CHECK_EQ(wait_for(op::renameat({.old_path = a, .new_path = b})), 0);
    CHECK(!path_exists(a));
    CHECK(path_exists(b));
    CHECK_EQ(wait_for(op::linkat({.old_path = b, .new_path = a})), 0);
    CHECK_ERRNO(wait_for(op::linkat({.old_path = b, .new_path = a})), Errno::eexist);
    CHECK_ERRNO(wait_for(op::renameat(
                    {.old_path = b, .new_path = a, .flags = abi::rename_flag::noreplace})),
                Errno::eexist);
    CHECK_ERRNO(wait_for(op::renameat({.old_path = missing, .new_path = a})), Errno::enoent);
    CHECK_EQ(wait_for(op::unlinkat(here, b)), 0);
    CHECK_ERRNO(wait_for(op::unlinkat(here, b)), Errno::enoent);
    CHECK_EQ(wait_for(op::symlinkat("somewhere", here, b)), 0);
    CHECK_ERRNO(wait_for(op::symlinkat("somewhere", here, b)), Errno::eexist);
    char target[16] = {};
    CHECK_EQ(kernel::readlinkat(here, b, target, sizeof(target)), 9);
    CHECK_STREQ(target, "somewhere");
    CHECK_EQ(wait_for(op::linkat({.old_path = b, .new_path = "/proc/nothing/here"})),
             -Errno::enoent);

    // Each directory is the one that was meant.
    const Fd parent(CHECK_OK(kernel::openat(here, temp_directory(), 0)));
    CHECK_EQ(wait_for(op::mkdirat(parent, "below", 0700)), 0);
    CHECK_ERRNO(wait_for(op::mkdirat(parent, "below", 0700)), Errno::eexist);
    const Fd below(CHECK_OK(kernel::openat(parent, "below", 0)));
    CHECK_EQ(wait_for(op::linkat({a, "linked", here, below})), 0);
    CHECK_EQ(wait_for(op::renameat({"linked", "moved", below, parent})), 0);
    CHECK_EQ(wait_for(op::symlinkat("x", below, "symbol")), 0);
    CHECK_ERRNO(wait_for(op::unlinkat(parent, "below", abi::at_flag::remove_directory)),
                Errno::enotempty);
    CHECK_EQ(wait_for(op::unlinkat(below, "symbol")), 0);
    CHECK_EQ(wait_for(op::unlinkat(parent, "below", abi::at_flag::remove_directory)), 0);
    CHECK_EQ(wait_for(op::unlinkat(parent, "moved")), 0);
    CHECK_ERRNO(wait_for(op::unlinkat(parent, "moved")), Errno::enoent);
}

TEST(perform_whole_files) {
    const Fd file = make_file_with("0123456789");
    const Pipe pipe = make_pipe();
    CHECK_EQ(wait_for(op::fsync(file)), 0);
    CHECK_EQ(wait_for(op::fdatasync(file)), 0);
    CHECK_ERRNO(wait_for(op::fsync(pipe.writer)), Errno::einval);
    CHECK_EQ(calls_made(number::fsync), 2u);
    CHECK_EQ(calls_made(number::fdatasync), 1u);
    CHECK_EQ(wait_for(op::sync_file_range(file, {0, 4}, abi::sync_range_flag::write)), 0);
    CHECK_ERRNO(wait_for(op::sync_file_range(file, {0, 4}, 99)), Errno::einval);
    CHECK_EQ(wait_for(op::ftruncate(file, 0x123456789)), 0);
    CHECK_EQ(size_of(file), 0x123456789u);
    CHECK_EQ(wait_for(op::ftruncate(file, 4)), 0);
    CHECK_CONTENTS(file, "0123");
    CHECK_ERRNO(wait_for(op::ftruncate(pipe.writer, 4)), Errno::einval);
    const i32 allocated = wait_for(op::fallocate(file, {4, 100}));
    if (allocated != -Errno::eopnotsupp) { // as some file systems say
        CHECK_EQ(allocated, 0);
        CHECK_EQ(size_of(file), 104u);
        CHECK_EQ(wait_for(op::fallocate(file, {104, 100}, abi::fallocate_mode::keep_size)), 0);
        CHECK_EQ(size_of(file), 104u);
    }
    CHECK_ERRNO(wait_for(op::fallocate(file, {0, 0})), Errno::einval);
    CHECK_EQ(wait_for(op::fadvise(file, {0, 0}, abi::fadvice::sequential)), 0);
    CHECK_ERRNO(wait_for(op::fadvise(file, {0, 0}, 99)), Errno::einval);
    CHECK_ERRNO(wait_for(op::fadvise(pipe.reader, {0, 0}, abi::fadvice::normal)), Errno::espipe);
    CHECK_ERRNO(try_now(op::fsync(-1)), Errno::ebadf);
}

/// What one call was given.
struct Call {
    long number;
    long arguments[6];
    u32 calls;
};

bool record_call(void* context, long number, const long* arguments, int count,
                 long* result) noexcept {
    Call& call = *static_cast<Call*>(context);
    if (number != call.number) {
        return false;
    }
    for (int i = 0; i < count; ++i) {
        call.arguments[i] = arguments[i];
    }
    ++call.calls;
    *result = 0;
    return true;
}

TEST(perform_madvise) {
    const long mapped = kernel::mmap(nullptr, 4096, abi::protection::read,
                                     abi::map::private_ | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    void* const memory = reinterpret_cast<void*>(static_cast<uptr>(mapped));
    CHECK_EQ(wait_for(op::madvise(memory, 4096, abi::madvice::dontneed)), 0);
    if (!is_emulated()) { // qemu takes all advice, and follows little of it
        CHECK_ERRNO(wait_for(op::madvise(memory, 4096, 9999)), Errno::einval);
    }
    // More than there can be: not cut down to 32 bits, which would be another range.
    CHECK_ERRNO(wait_for(op::madvise(memory, ~u64{0}, abi::madvice::normal)), Errno::einval);
    if (sizeof(long) == 4) {
        Call call = {number::madvise, {}, 0};
        set_handler(record_call, &call);
        CHECK_ERRNO(wait_for(op::madvise(memory, (u64{1} << 32) + 4096, 0)), Errno::einval);
        remove_handler(record_call, &call);
        CHECK_EQ(call.calls, 0u);
    }
    CHECK_OK(kernel::munmap(memory, 4096));
}

TEST(perform_attributes) {
    char path[256];
    const Fd file = make_file(path);
    char got[16] = {};
    char value[] = "value";
    op::Attribute set = {"user.oxbow", value, 5, 0};
    op::Attribute get = {"user.oxbow", got, sizeof(got), 0};
    const i32 result = wait_for(op::fsetxattr(file, set));
    if (result == -Errno::eopnotsupp) {
        SKIP("no user attributes, which a tmpfs has since Linux 6.6");
    }
    CHECK_EQ(result, 0);
    CHECK_EQ(wait_for(op::fgetxattr(file, get)), 5);
    CHECK_BYTES(got, "value", 5);
    CHECK_EQ(try_now(op::getxattr(path, &get)), 5);
    get.bytes = 0;
    CHECK_EQ(wait_for(op::fgetxattr(file, get)), 5);
    get.bytes = 2;
    CHECK_ERRNO(wait_for(op::getxattr(path, &get)), Errno::erange);
    set.flags = abi::xattr_flag::create;
    CHECK_ERRNO(wait_for(op::fsetxattr(file, set)), Errno::eexist);
    CHECK_ERRNO(wait_for(op::setxattr(path, &set)), Errno::eexist);
    set.flags = abi::xattr_flag::replace;
    set.bytes = 3;
    CHECK_EQ(wait_for(op::setxattr(path, &set)), 0);
    get.bytes = sizeof(got);
    CHECK_EQ(wait_for(op::getxattr(path, &get)), 3);
    set.name = get.name = "user.none";
    CHECK_ERRNO(wait_for(op::setxattr(path, &set)), Errno::enodata);
    CHECK_ERRNO(wait_for(op::fgetxattr(file, get)), Errno::enodata);
    CHECK_ERRNO(wait_for(op::getxattr(missing, &get)), Errno::enoent);
}

TEST(perform_pipe_pair) {
    const NoLeaks no_leaks;
    i32 fds[2] = {-1, -1};
    CHECK_EQ(try_now(op::pipe(fds, open_flag::cloexec)), 0);
    const Fd reader(fds[0]);
    const Fd writer(fds[1]);
    CHECK_EQ(kernel::fcntl(reader, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    CHECK(is_blocking(reader)); // as the caller said
    CHECK_EQ(wait_for(op::write(writer, "text", 4)), 4);
    CHECK_READS(reader, "text");
    CHECK_ERRNO(try_now(op::pipe(fds, 1)), Errno::einval);
}

TEST(perform_path_interrupted) {
    char path[256];
    temp_path(path);
    interrupt_call(number::openat, 1, 2);
    interrupt_call(number::fsync, 1, 2);
    const Fd fd(CHECK_OK(wait_for(op::openat(here, path, open_flag::create, 0600))));
    CHECK_EQ(wait_for(op::fsync(fd)), 0);
    CHECK_EQ(faults_hit(), 4u);
}

} // namespace
} // namespace oxbow::test
