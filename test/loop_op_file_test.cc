// The loop's operations on paths and whole files, on every engine alike: on io_uring they are the
// ring's, on epoll and on rings without them they run on worker threads.
#include "loop_op_help.h"

#include "../loop/buffer_pool.h"
#include "../syscall/abi_memory.h"

namespace oxbow::test {
namespace {

namespace flag = abi::open_flag;

/// Names in a directory of the test's own.
struct Names {
    char a[256];
    char b[256];
    char c[256];
    Names() noexcept {
        temp_path(a);
        temp_path(b);
        temp_path(c);
    }
};

[[nodiscard]] i32 result_of(Loop& loop, const Operation& operation) noexcept {
    return perform_on(loop, operation).value;
}

void make_file_at(const char* path) noexcept {
    const Fd fd(CHECK_OK(kernel::openat(abi::at_fdcwd, path,
                                        flag::write_only | flag::create | flag::cloexec, 0600)));
}

LOOP_TEST(loop_op_openat) {
    const Names names;
    constexpr i32 here = abi::at_fdcwd;
    CHECK_ERRNO(result_of(loop, op::openat(here, names.a, flag::read_only)), Errno::enoent);
    const i32 create = flag::read_write | flag::create | flag::exclusive | flag::cloexec;
    const Result made = perform_on(loop, op::openat(here, names.a, create, 0640));
    const Fd file(CHECK_OK(made.value));
    CHECK_EQ(made.fd(), file);
    CHECK(is_cloexec(file));
    write_text(file, "content");
    CHECK_CONTENTS(file, "content");
    abi::Statx status = {};
    CHECK_OK(kernel::statx(file, "", abi::at_flag::empty_path, abi::statx_mask::mode, &status));
    CHECK_EQ(status.mode & 07777, 0640);
    CHECK_ERRNO(result_of(loop, op::openat(here, names.a, create, 0600)), Errno::eexist);
    CHECK_ERRNO(result_of(loop, op::openat(here, names.a, flag::directory)), Errno::enotdir);
    CHECK_ERRNO(result_of(loop, op::openat(here, "/", flag::write_only)), Errno::eisdir);
    CHECK_ERRNO(result_of(loop, op::openat(here, nullptr, 0)), Errno::efault);
    CHECK_ERRNO(result_of(loop, op::openat(here, "", 0)), Errno::enoent);
    CHECK_ERRNO(result_of(loop, op::openat(closed_fd(), "relative", 0)), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::openat(file, "below", 0)), Errno::enotdir);
    CHECK_OK(kernel::symlinkat(names.a, here, names.b));
    CHECK_ERRNO(result_of(loop, op::openat(here, names.b, flag::nofollow)), Errno::eloop);
    const Fd directory(CHECK_OK(
        result_of(loop, op::openat(here, temp_directory(), flag::directory | flag::cloexec))));
    const char* name = names.a;
    for (const char* at = names.a; *at != '\0'; ++at) {
        name = *at == '/' ? at + 1 : name;
    }
    const Fd again(CHECK_OK(result_of(loop, op::openat(directory, name, flag::cloexec))));
    CHECK_CONTENTS(again, "content");
}

LOOP_TEST(loop_op_openat2) {
    const Names names;
    make_file_at(names.a);
    abi::OpenHow how = {};
    how.flags = static_cast<u64>(flag::read_only | flag::cloexec);
    const Result result = perform_on(loop, op::openat2(abi::at_fdcwd, names.a, &how));
    SKIP_IF_MISSING(!result.is(Errno::enosys), "openat2");
    const Fd file(CHECK_OK(result.value));
    how.resolve = abi::resolve::beneath;
    CHECK_ERRNO(result_of(loop, op::openat2(abi::at_fdcwd, names.a, &how)), Errno::exdev);
    how.flags = u64{1} << 62;
    CHECK_ERRNO(result_of(loop, op::openat2(abi::at_fdcwd, names.a, &how)), Errno::einval);
    how = {};
    CHECK_ERRNO(result_of(loop, op::openat2(abi::at_fdcwd, names.b, &how)), Errno::enoent);
    CHECK_ERRNO(result_of(loop, op::openat2(abi::at_fdcwd, names.a, nullptr)), Errno::efault);
}

LOOP_TEST(loop_op_statx) {
    const Names names;
    const Fd file = make_file_with("12345");
    abi::Statx status = {};
    const op::StatxOptions by_fd = {.flags = abi::at_flag::empty_path,
                                    .mask = abi::statx_mask::basic};
    CHECK_EQ(result_of(loop, op::statx(file, "", by_fd, &status)), 0);
    CHECK_EQ(status.size, 5u);
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::regular);
    const op::StatxOptions plain = {.mask = abi::statx_mask::basic};
    CHECK_EQ(result_of(loop, op::statx(abi::at_fdcwd, "/", plain, &status)), 0);
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::directory);
    CHECK_ERRNO(result_of(loop, op::statx(abi::at_fdcwd, names.a, plain, &status)), Errno::enoent);
    CHECK_ERRNO(result_of(loop, op::statx(closed_fd(), "", by_fd, &status)), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::statx(file, "", by_fd, nullptr)), Errno::efault);
    CHECK_ERRNO(result_of(loop, op::statx(abi::at_fdcwd, "/", {.flags = 1 << 30}, &status)),
                Errno::einval);
}

LOOP_TEST(loop_op_sync) {
    const Fd file = make_file_with("to the disk");
    const Pipe pipe = make_pipe();
    const op::FileRange all = {};
    CHECK_EQ(result_of(loop, op::fsync(file)), 0);
    CHECK_EQ(result_of(loop, op::fdatasync(file)), 0);
    CHECK_EQ(result_of(loop, op::sync_file_range(file, all, abi::sync_range_flag::write)), 0);
    CHECK_EQ(result_of(loop, op::sync_file_range(file, {0, u64{5} << 30}, 0)), 0);
    CHECK_ERRNO(result_of(loop, op::sync_file_range(file, all, 1u << 9)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::fsync(pipe.writer)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::fdatasync(pipe.writer)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::sync_file_range(pipe.writer, all, 0)), Errno::espipe);
    CHECK_ERRNO(result_of(loop, op::fsync(closed_fd())), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::sync_file_range(closed_fd(), all, 0)), Errno::ebadf);
}

LOOP_TEST(loop_op_sizes) {
    char path[256];
    const Fd file = make_file(path);
    const Pipe pipe = make_pipe();
    CHECK_EQ(result_of(loop, op::fallocate(file, {0, 10'000})), 0);
    CHECK_EQ(size_of(file), 10'000u);
    CHECK_EQ(result_of(loop, op::fallocate(file, {10'000, 5000}, abi::fallocate_mode::keep_size)),
             0);
    CHECK_EQ(size_of(file), 10'000u);
    CHECK_EQ(result_of(loop, op::ftruncate(file, 77)), 0);
    CHECK_EQ(size_of(file), 77u);
    constexpr u64 large = (u64{5} << 32) + 3; // more than one word
    CHECK_EQ(result_of(loop, op::ftruncate(file, large)), 0);
    CHECK_EQ(size_of(file), large);
    CHECK_ERRNO(result_of(loop, op::ftruncate(file, u64{1} << 63)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::fallocate(file, {0, 0})), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::fallocate(file, {0, 1}, 0x4000)), Errno::eopnotsupp);
    CHECK_ERRNO(result_of(loop, op::fallocate(pipe.writer, {0, 1})), Errno::espipe);
    CHECK_ERRNO(result_of(loop, op::ftruncate(pipe.writer, 1)), Errno::einval);
    const Fd only(CHECK_OK(kernel::openat(abi::at_fdcwd, path, flag::cloexec)));
    CHECK_ERRNO(result_of(loop, op::fallocate(only, {0, 1})), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::ftruncate(only, 1)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::ftruncate(closed_fd(), 1)), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::fallocate(closed_fd(), {0, 1})), Errno::ebadf);
}

LOOP_TEST(loop_op_advice) {
    const Fd file = make_file_with("advice");
    const Pipe pipe = make_pipe();
    CHECK_EQ(result_of(loop, op::fadvise(file, {}, abi::fadvice::willneed)), 0);
    CHECK_EQ(result_of(loop, op::fadvise(file, {0, u64{5} << 32}, abi::fadvice::dontneed)), 0);
    CHECK_ERRNO(result_of(loop, op::fadvise(file, {}, 99)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::fadvise(pipe.reader, {}, abi::fadvice::normal)), Errno::espipe);
    CHECK_ERRNO(result_of(loop, op::fadvise(closed_fd(), {}, abi::fadvice::normal)), Errno::ebadf);
    constexpr usize bytes = 128 * 1024;
    const Memory memory(bytes);
    memory.data()[0] = 7;
    CHECK_EQ(result_of(loop, op::madvise(memory.data(), bytes, abi::madvice::dontneed)), 0);
    CHECK_EQ(memory.data()[0], 0); // it is gone
    CHECK_ERRNO(result_of(loop, op::madvise(memory.data() + 1, 1, abi::madvice::dontneed)),
                Errno::einval);
    if (!is_emulated()) { // qemu takes all advice, and follows little of it
        CHECK_ERRNO(result_of(loop, op::madvise(memory.data(), bytes, 9999)), Errno::einval);
    }
}

LOOP_TEST(loop_op_names) {
    const Names names;
    make_file_at(names.a);
    constexpr u32 noreplace = abi::rename_flag::noreplace;
    CHECK_EQ(result_of(loop, op::renameat({.old_path = names.a, .new_path = names.b})), 0);
    CHECK(!path_exists(names.a));
    CHECK(path_exists(names.b));
    CHECK_ERRNO(result_of(loop, op::renameat({.old_path = names.a, .new_path = names.b})),
                Errno::enoent);
    CHECK_EQ(result_of(loop, op::linkat({.old_path = names.b, .new_path = names.a})), 0);
    CHECK(path_exists(names.a));
    CHECK_ERRNO(result_of(loop, op::linkat({.old_path = names.b, .new_path = names.a})),
                Errno::eexist);
    CHECK_ERRNO(
        result_of(loop,
                  op::renameat({.old_path = names.a, .new_path = names.b, .flags = noreplace})),
        Errno::eexist);
    CHECK_EQ(result_of(loop, op::symlinkat("anywhere", abi::at_fdcwd, names.c)), 0);
    CHECK(path_exists(names.c));
    char target[16] = {};
    CHECK_EQ(kernel::readlinkat(abi::at_fdcwd, names.c, target, sizeof(target)), 8);
    CHECK_BYTES(target, "anywhere", 8);
    CHECK_ERRNO(result_of(loop, op::symlinkat("x", abi::at_fdcwd, names.c)), Errno::eexist);
    CHECK_EQ(result_of(loop, op::renameat({.old_path = names.c,
                                           .new_path = names.b,
                                           .flags = abi::rename_flag::exchange})),
             0);
    const char* const left[] = {names.a, names.b, names.c};
    for (const char* const name : left) {
        CHECK_EQ(result_of(loop, op::unlinkat(abi::at_fdcwd, name)), 0);
        CHECK_ERRNO(result_of(loop, op::unlinkat(abi::at_fdcwd, name)), Errno::enoent);
    }
    CHECK_EQ(result_of(loop, op::mkdirat(abi::at_fdcwd, names.a, 0700)), 0);
    CHECK_ERRNO(result_of(loop, op::mkdirat(abi::at_fdcwd, names.a, 0700)), Errno::eexist);
    CHECK_ERRNO(result_of(loop, op::unlinkat(abi::at_fdcwd, names.a)), Errno::eisdir);
    const Fd directory(CHECK_OK(kernel::openat(abi::at_fdcwd, names.a, flag::cloexec)));
    CHECK_EQ(result_of(loop, op::mkdirat(directory, "below", 0700)), 0);
    constexpr i32 remove = abi::at_flag::remove_directory;
    CHECK_ERRNO(result_of(loop, op::unlinkat(abi::at_fdcwd, names.a, remove)), Errno::enotempty);
    CHECK_EQ(result_of(loop, op::unlinkat(directory, "below", remove)), 0);
    CHECK_EQ(result_of(loop, op::unlinkat(abi::at_fdcwd, names.a, remove)), 0);
    CHECK_ERRNO(result_of(loop, op::mkdirat(closed_fd(), "x", 0700)), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::unlinkat(closed_fd(), "x")), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::symlinkat("x", closed_fd(), "x")), Errno::ebadf);
    CHECK_ERRNO(
        result_of(loop,
                  op::renameat({.old_path = "x", .new_path = "y", .old_directory = closed_fd()})),
        Errno::ebadf);
}

LOOP_TEST(loop_op_attributes) {
    char path[256];
    const Fd file = make_file(path);
    char value[] = "blue";
    char room[16] = {};
    const op::Attribute set = {"user.colour", value, 4, 0};
    if (kernel::setxattr(path, "user.probe", "x", 1, 0) == -Errno::eopnotsupp) {
        CHECK_ERRNO(result_of(loop, op::fsetxattr(file, set)), Errno::eopnotsupp);
        SKIP("no user attributes, which a tmpfs has since Linux 6.6");
    }
    const op::Attribute get = {"user.colour", room, sizeof(room), 0};
    CHECK_ERRNO(result_of(loop, op::fgetxattr(file, get)), Errno::enodata);
    CHECK_ERRNO(result_of(loop, op::getxattr(path, &get)), Errno::enodata);
    CHECK_EQ(result_of(loop, op::fsetxattr(file, set)), 0);
    CHECK_EQ(result_of(loop, op::getxattr(path, &get)), 4);
    CHECK_BYTES(room, "blue", 4);
    const op::Attribute create = {"user.colour", value, 3, abi::xattr_flag::create};
    CHECK_ERRNO(result_of(loop, op::setxattr(path, &create)), Errno::eexist);
    CHECK_ERRNO(result_of(loop, op::fsetxattr(file, create)), Errno::eexist);
    const op::Attribute replace = {"user.other", value, 3, abi::xattr_flag::replace};
    CHECK_ERRNO(result_of(loop, op::setxattr(path, &replace)), Errno::enodata);
    const op::Attribute shorter = {"user.colour", value, 2, abi::xattr_flag::replace};
    CHECK_EQ(result_of(loop, op::setxattr(path, &shorter)), 0);
    CHECK_EQ(result_of(loop, op::fgetxattr(file, get)), 2);
    const op::Attribute little = {"user.colour", room, 1, 0};
    CHECK_ERRNO(result_of(loop, op::fgetxattr(file, little)), Errno::erange);
    const op::Attribute only_asks = {"user.colour", nullptr, 0, 0};
    CHECK_EQ(result_of(loop, op::getxattr(path, &only_asks)), 2);
    CHECK_ERRNO(result_of(loop, op::fgetxattr(closed_fd(), get)), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::fsetxattr(closed_fd(), set)), Errno::ebadf);
    char missing[256];
    CHECK_ERRNO(result_of(loop, op::getxattr(temp_path(missing), &get)), Errno::enoent);
    CHECK_ERRNO(result_of(loop, op::setxattr(missing, &set)), Errno::enoent);
}

/// A close is never taken back, also where it waits for a worker: neither by what it cancels
/// itself, nor by a cancel, of it, of its descriptor, or of everything.
VARIANT_TEST(loop_op_close_waits_for_a_worker, loop_configurations) {
    LoopOptions options;
    options.workers_max = 1;
    ConfiguredLoop configured(row, options);
    Loop& loop = *configured;
    char fifo[256];
    CHECK_OK(kernel::mknodat(abi::at_fdcwd, temp_path(fifo), abi::file_mode::fifo | 0600, 0));
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 4}));
    Fd file = make_file_with("a file, longer than a buffer");
    const Result holds = perform_on(loop, op::read(file, pool));
    CHECK(holds.has_buffer());
    // Where paths are a worker's, this keeps the only one busy until somebody writes to the fifo.
    Logged opens;
    submit(loop, opens, op::openat(abi::at_fdcwd, fifo, flag::read_only | flag::cloexec));
    Logged reads;
    submit_waiting(loop, reads, op::read(file, pool));
    const i32 fd = file.release();
    Logged closes;
    submit(loop, closes, op::close(fd));
    const Result of_close = perform_on(loop, op::cancel(closes.completion));
    CHECK(of_close.is(Errno::ealready) || of_close.is(Errno::enoent));
    CHECK_ERRNO(perform_on(loop, op::cancel_fd(fd)).value, Errno::enoent);
    CHECK_ERRNO(reads.last.value, Errno::ecanceled);
    Fd writer;
    run_until(loop, [&]() noexcept { // as soon as the open has begun
        writer = Fd(
            kernel::openat(abi::at_fdcwd, fifo, flag::write_only | flag::nonblock | flag::cloexec));
        return writer >= 0;
    });
    run_until_ended(loop, opens);
    const Fd opened(CHECK_OK(opens.last.value));
    run_until_ended(loop, closes);
    CHECK_EQ(closes.last.value, 0);
    CHECK(!is_open(fd) || fd == opened || fd == writer);
    pool.give_back(holds);
    pool.close();
}

// ---- Pipes and what is moved through them
// -----------------------------------------------------------

LOOP_TEST(loop_op_pipe) {
    i32 fds[2] = {-1, -1};
    CHECK_EQ(result_of(loop, op::pipe(fds, flag::cloexec | flag::nonblock)), 0);
    Fd reader(fds[0]);
    Fd writer(fds[1]);
    CHECK(is_cloexec(reader));
    check_mode(writer, flag::nonblock);
    write_text(writer, "through");
    CHECK_READS(reader, "through");
    i32 none[2] = {-1, -1};
    CHECK_ERRNO(result_of(loop, op::pipe(none, 1)), Errno::einval);
    CHECK_EQ(none[0], -1);
    if (!is_emulated()) { // qemu leaves the pipe open
        CHECK_ERRNO(result_of(loop, op::pipe(nullptr, 0)), Errno::efault);
    }
}

LOOP_TEST(loop_op_splice) {
    for (const i32 mode : fd_modes) {
        const Fd from = make_file_with("0123456789");
        const Fd to = make_file();
        Pipe pipe = make_pipe(mode);
        constexpr u64 here = abi::current_position;
        const op::Splice in = {from, pipe.writer, 2, here, 5, 0};
        CHECK_EQ(result_of(loop, op::splice(&in)), 5);
        const op::Splice out = {pipe.reader, to, here, 3, 100, 0};
        CHECK_EQ(result_of(loop, op::splice(&out)), 5);
        CHECK_EQ(size_of(to), 8u);
        char got[16] = {};
        CHECK_EQ(kernel::pread(to, got, sizeof(got), 3), 5);
        CHECK_BYTES(got, "23456", 5);
        const op::Splice at_end = {from, pipe.writer, 100, here, 5, 0};
        CHECK_EQ(result_of(loop, op::splice(&at_end)), 0);
        const op::Splice no_pipe = {from, to, 0, 0, 5, 0};
        CHECK_ERRNO(result_of(loop, op::splice(&no_pipe)), Errno::einval);
        // Without data it waits, unless it is asked not to.
        const SocketPair pair = make_pair_of(mode);
        const op::Splice onwards = {pipe.reader, pair.near, here, here, 100, 0};
        const op::Splice at_once = {pipe.reader, pair.near, here,
                                    here,        100,       abi::splice_flag::nonblock};
        CHECK_ERRNO(result_of(loop, op::splice(&at_once)), Errno::eagain);
        Logged waits;
        submit_waiting(loop, waits, op::splice(&onwards));
        write_text(pipe.writer, "late");
        run_until_ended(loop, waits);
        CHECK_EQ(waits.last.value, 4);
        CHECK_READS(pair.far, "late");
        pipe.writer.close();
        CHECK_EQ(result_of(loop, op::splice(&onwards)), 0);
        const op::Splice gone = {closed_fd(), pair.near, here, here, 1, 0};
        CHECK_ERRNO(result_of(loop, op::splice(&gone)), Errno::ebadf);
    }
}

LOOP_TEST(loop_op_splice_to_nobody) {
    const NoSigpipe no_sigpipe;
    for (const i32 mode : fd_modes) {
        const Fd from = make_file_with("0123456789");
        Pipe pipe = make_pipe(mode);
        pipe.reader.close();
        const op::Splice in = {from, pipe.writer, 0, abi::current_position, 5, 0};
        CHECK_ERRNO(result_of(loop, op::splice(&in)), Errno::epipe);
    }
}

LOOP_TEST(loop_op_tee) {
    for (const i32 mode : fd_modes) {
        Pipe a = make_pipe(mode);
        Pipe b = make_pipe(mode);
        const op::Splice copy = {a.reader, b.writer, abi::current_position, abi::current_position,
                                 100,      0};
        Logged waits;
        submit_waiting(loop, waits, op::tee(&copy));
        write_text(a.writer, "both");
        run_until_ended(loop, waits);
        CHECK_EQ(waits.last.value, 4);
        CHECK_READS(a.reader, "both");
        CHECK_READS(b.reader, "both");
        a.writer.close();
        CHECK_EQ(result_of(loop, op::tee(&copy)), 0);
        const Fd file = make_file();
        const op::Splice no_pipe = {file, b.writer, 0, 0, 1, 0};
        CHECK_ERRNO(result_of(loop, op::tee(&no_pipe)), Errno::einval);
    }
}

LOOP_TEST(loop_op_copy_file_range) {
    constexpr u64 own = abi::current_position;
    const Fd from = make_file_with("0123456789");
    const Fd to = make_file_with("abcdefghij");
    const op::Splice middle = {from, to, 2, 4, 3, 0};
    const i32 copied = result_of(loop, op::copy_file_range(&middle));
    if (copied == -Errno::exdev || copied == -Errno::enosys) {
        SKIP("this file system, or this emulation, does not copy");
    }
    CHECK_EQ(copied, 3);
    char got[16];
    CHECK_EQ(kernel::pread(to, got, sizeof(got), 0), 10);
    CHECK_BYTES(got, "abcd234hij", 10);

    // From and to the files' own positions, which move; a second copy goes on.
    CHECK_EQ(kernel::lseek(from, 6, abi::seek_from::start), 6);
    CHECK_EQ(kernel::lseek(to, 0, abi::seek_from::end), 10);
    const op::Splice rest = {from, to, own, own, 100, 0};
    CHECK_EQ(result_of(loop, op::copy_file_range(&rest)), 4);
    CHECK_EQ(result_of(loop, op::copy_file_range(&rest)), 0); // the end of the input
    CHECK_EQ(kernel::pread(to, got, sizeof(got), 0), 14);
    CHECK_BYTES(got, "abcd234hij6789", 14);
    CHECK_EQ(kernel::lseek(to, 0, abi::seek_from::current), 14);
}

LOOP_TEST(loop_op_copy_file_range_refusals) {
    const Fd file = make_file_with("0123456789");
    const Fd to = make_file();
    Pipe pipe = make_pipe(0);
    const op::Splice from_closed = {closed_fd(), to, 0, 0, 1, 0};
    const op::Splice to_reader = {file, pipe.reader, 0, abi::current_position, 1, 0};
    const op::Splice from_pipe = {pipe.reader, to, abi::current_position, 0, 1, 0};
    const op::Splice flagged = {file, to, 0, 0, 1, 1};
    CHECK_ERRNO(result_of(loop, op::copy_file_range(&from_closed)), Errno::ebadf);
    CHECK_ERRNO(result_of(loop, op::copy_file_range(&to_reader)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::copy_file_range(&from_pipe)), Errno::einval);
    CHECK_ERRNO(result_of(loop, op::copy_file_range(&flagged)), Errno::einval);
    CHECK_EQ(kernel::lseek(to, 0, abi::seek_from::end), 0);
}

LOOP_TEST(loop_op_copy_file_range_of_two_mebibytes) {
    static u8 pattern[1 << 21];
    static u8 got[sizeof(pattern)];
    fill_pattern(pattern, sizeof(pattern));
    const Fd from = make_file();
    const Fd to = make_file();
    CHECK_EQ(kernel::pwrite(from, pattern, sizeof(pattern), 0), long{sizeof(pattern)});
    u32 done = 0;
    while (done < sizeof(pattern)) {
        const op::Splice range = {from, to, done, done, 1 << 20, 0};
        const i32 copied = result_of(loop, op::copy_file_range(&range));
        if (copied == -Errno::exdev || copied == -Errno::enosys) {
            SKIP("this file system, or this emulation, does not copy");
        }
        CHECK_GE(copied, 1);
        done += static_cast<u32>(copied);
    }
    CHECK_EQ(kernel::pread(to, got, sizeof(got), 0), long{sizeof(got)});
    CHECK_BYTES(got, pattern, sizeof(got));
}

} // namespace
} // namespace oxbow::test
