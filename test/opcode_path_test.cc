// Every operation that takes a path, made for real: opening and closing in all forms, status,
// names, extended attributes. Each shows its effect and its most common error.
#include "live_ring.h"

namespace oxbow::test {
namespace {

namespace flag = abi::open_flag;

constexpr i32 here = abi::at_fdcwd;
constexpr const char* missing = "/nonexistent/file";

// ---- Opening and closing ------------------------------------------------------------------------

OPERATION_TEST(op_openat_close) {
    char path[256];
    temp_path(path);
    const prep::OpenOptions options = {
        .flags = flag::read_write | flag::create | flag::exclusive | flag::cloexec, .mode = 0640};
    const i32 fd =
        CHECK_OK(run_result(ring, [&](Sqe& s) { prep::openat(s, here, path, options); }));
    CHECK_EQ(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    abi::Statx status = {};
    CHECK_OK(kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::mode, &status));
    CHECK_EQ(status.mode & 0077, 0040 & ~kernel::umask(0022));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::open(s, path, options); }), Errno::eexist);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::close(s, fd); }), 0);
    CHECK(!is_open(fd));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::close(s, fd); }), Errno::ebadf);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::open(s, missing, {}); }), Errno::enoent);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::close(s, ring.fd()); }), Errno::ebadf);
}

OPERATION_TEST(op_openat2) {
    const Fd directory(CHECK_OK(kernel::openat(here, temp_directory(), flag::read_only)));
    abi::OpenHow how = {};
    how.flags = static_cast<u64>(flag::read_write | flag::create | flag::cloexec);
    how.mode = 0600;
    how.resolve = abi::resolve::beneath;
    const i32 fd =
        CHECK_OK(run_result(ring, [&](Sqe& s) { prep::openat2(s, directory, "inside", &how); }));
    write_text(fd, "text");
    CHECK_OK(kernel::close(fd));
    const Fd again(CHECK_OK(kernel::openat(directory, "inside", flag::read_only)));
    CHECK_CONTENTS(again, "text");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::openat2(s, directory, "../out", &how); }),
                Errno::exdev);
    how.flags |= u64{1} << 40;
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::openat2(s, directory, "inside", &how); }),
                Errno::einval);
}

/// Whether the direct descriptor in `slot` is the file that begins with `text`.
void check_slot(Ring& ring, u32 slot, const char* text) noexcept {
    char got[64] = {};
    const u32 length = length_of(text);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::read(s, static_cast<i32>(slot), got, length, 0);
                            prep::fixed_file(s);
                        }),
             static_cast<i32>(length));
    CHECK_BYTES(got, text, length);
}

void check_empty(Ring& ring, u32 slot) noexcept {
    char got[1];
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::read(s, static_cast<i32>(slot), got, 1, 0);
                               prep::fixed_file(s);
                           }),
                Errno::ebadf);
}

OPERATION_TEST(op_openat_direct_close_direct) {
    char path[256];
    char other_path[256];
    write_text(make_file(path), "direct");
    write_text(make_file(other_path), "second");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::open_direct(s, path, {}, prep::slot(0)); }),
                Errno::enxio); // there is no table
    register_slots(ring, 3);
    const i32 fds = open_fd_count();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::open_direct(s, path, {}, prep::slot(1)); }), 0);
    CHECK_EQ(open_fd_count(), fds);
    check_slot(ring, 1, "direct");
    check_empty(ring, 0);
    if (kernel_at_least(5, 19)) {
        // The two that are free, in an order that is the kernel's own business.
        const i32 first = run_result(
            ring, [&](Sqe& s) { prep::openat_direct(s, here, path, {}, prep::allocate); });
        const i32 second =
            run_result(ring, [&](Sqe& s) { prep::open_direct(s, path, {}, prep::allocate); });
        CHECK_EQ(first + second, 2);
        CHECK(first == 0 || first == 2);
        CHECK_ERRNO(
            run_result(ring, [&](Sqe& s) { prep::open_direct(s, path, {}, prep::allocate); }),
            Errno::enfile);
    }
    // A full slot is replaced.
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::open_direct(s, other_path, {}, prep::slot(1)); }),
             0);
    check_slot(ring, 1, "second");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::open_direct(s, path, {}, prep::slot(3)); }),
                Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::open_direct(s, path, {}, prep::slot(~0u)); }),
                Errno::einval);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::open_direct(s, path, {.flags = flag::cloexec}, prep::slot(1));
                           }),
                Errno::einval);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::close_direct(s, 1); }), 0);
    check_empty(ring, 1);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::close_direct(s, 1); }), Errno::ebadf);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::close_direct(s, 3); }), Errno::einval);
}

OPERATION_TEST(op_openat2_direct) {
    SKIP_WITHOUT("slots that the kernel chooses");
    char path[256];
    write_text(make_file(path), "direct");
    register_slots(ring, 2);
    abi::OpenHow how = {};
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::openat2_direct(s, here, path, &how, prep::slot(1)); }),
        0);
    check_slot(ring, 1, "direct");
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) { prep::openat2_direct(s, here, path, &how, prep::allocate); }),
             0);
    check_slot(ring, 0, "direct");
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::openat2_direct(s, here, missing, &how, prep::slot(0)); }),
        Errno::enoent);
    // Opening, using and closing in one chain, with no descriptor known in between.
    char got[6] = {};
    queue(ring, 0, [&](Sqe& s) {
        prep::open_direct(s, path, {}, prep::slot(1));
        prep::link(s);
    });
    queue(ring, 1, [&](Sqe& s) {
        prep::read(s, 1, got, 6, 0);
        prep::fixed_file(s);
        prep::link(s);
    });
    queue(ring, 2, [&](Sqe& s) { prep::close_direct(s, 1); });
    Cqe cqes[3];
    collect(ring, cqes);
    CHECK_EQ(cqes[0].result, 0);
    CHECK_EQ(cqes[1].result, 6);
    CHECK_EQ(cqes[2].result, 0);
    CHECK_BYTES(got, "direct", 6);
}

// ---- Status and names ---------------------------------------------------------------------------

OPERATION_TEST(op_statx) {
    char path[256];
    const Fd file = make_file(path);
    write_text(file, "12345");
    abi::Statx status = {};
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::statx(s, here, path, {.mask = abi::statx_mask::basic}, &status);
                        }),
             0);
    CHECK_EQ(status.size, 5u);
    CHECK_EQ(status.mode & abi::file_mode::type_mask, abi::file_mode::regular);
    CHECK_EQ(status.link_count, 1u);
    abi::Statx by_fd = {};
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::statx(
                                s, file, "",
                                {.flags = abi::at_flag::empty_path, .mask = abi::statx_mask::basic},
                                &by_fd);
                        }),
             0);
    CHECK_EQ(by_fd.inode, status.inode);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::statx(s, here, missing, {}, &status); }),
                Errno::enoent);
}

OPERATION_TEST(op_renameat) {
    char from[256];
    char to[256];
    write_text(make_file(from), "moved");
    temp_path(to);
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::renameat(s, {.old_path = from, .new_path = to}); }),
        0);
    CHECK(!path_exists(from));
    {
        const Fd moved(CHECK_OK(kernel::openat(here, to, flag::read_only)));
        CHECK_CONTENTS(moved, "moved");
    }
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::renameat(s, {.old_path = from, .new_path = to}); }),
        Errno::enoent);
    (void)make_file(from);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::renameat(s, {.old_path = from,
                                                  .new_path = to,
                                                  .flags = abi::rename_flag::noreplace});
                           }),
                Errno::eexist);
    const Fd directory(CHECK_OK(kernel::openat(here, temp_directory(), flag::read_only)));
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::renameat(s, {.old_path = to,
                                               .new_path = "elsewhere",
                                               .new_directory = directory});
                        }),
             0);
    CHECK_OK(kernel::faccessat(directory, "elsewhere", abi::access_mode::exists));
}

OPERATION_TEST(op_unlinkat_mkdirat) {
    char path[256];
    char directory_path[256];
    (void)make_file(path);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::unlink(s, path); }), 0);
    CHECK(!path_exists(path));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::unlink(s, path); }), Errno::enoent);
    SKIP_WITHOUT("mkdirat");

    temp_path(directory_path);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::mkdir(s, directory_path, 0700); }), 0);
    const Fd directory(
        CHECK_OK(kernel::openat(here, directory_path, flag::read_only | flag::directory)));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::mkdir(s, directory_path, 0700); }),
                Errno::eexist);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::mkdirat(s, directory, "inner", 0700); }), 0);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::unlinkat(s, directory, "inner"); }),
                Errno::eisdir);
    constexpr i32 remove = abi::at_flag::remove_directory;
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::unlink(s, directory_path, remove); }),
                Errno::enotempty);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::unlinkat(s, directory, "inner", remove); }), 0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::unlink(s, directory_path, remove); }), 0);
    CHECK(!path_exists(directory_path));
}

OPERATION_TEST(op_symlinkat_linkat) {
    SKIP_WITHOUT("symlinkat and linkat");
    char path[256];
    char link_path[256];
    char hard_path[256];
    const Fd file = make_file(path);
    temp_path(link_path);
    temp_path(hard_path);
    const prep::SymbolicLink link = {.target = path, .path = link_path};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::symlinkat(s, link); }), 0);
    char target[256] = {};
    CHECK_EQ(kernel::readlinkat(here, link_path, target, sizeof(target)),
             static_cast<i32>(length_of(path)));
    CHECK_STREQ(target, path);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::symlinkat(s, link); }), Errno::eexist);

    // A hard link to what the symbolic one points to, and not to itself.
    const prep::PathPair pair = {.old_path = link_path,
                                 .new_path = hard_path,
                                 .flags = static_cast<u32>(abi::at_flag::symlink_follow)};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::linkat(s, pair); }), 0);
    write_text(file, "shared");
    const Fd hard(CHECK_OK(kernel::openat(here, hard_path, flag::read_only | flag::nofollow)));
    CHECK_CONTENTS(hard, "shared");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::linkat(s, pair); }), Errno::eexist);
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::linkat(s, {.old_path = missing, .new_path = hard_path}); }),
        Errno::enoent);
}

// ---- Extended attributes ------------------------------------------------------------------------

/// user.* where the file system of the temporary directory has it, else trusted.*, which needs
/// root.
[[nodiscard]] const char* usable_attribute(i32 fd) noexcept {
    const char* const names[] = {"user.oxbow", "trusted.oxbow"};
    for (const char* name : names) {
        if (kernel::fsetxattr(fd, name, "x", 1, 0) == 0) {
            CHECK_OK(kernel::fremovexattr(fd, name));
            return name;
        }
    }
    SKIP("no user attributes, which a tmpfs has since Linux 6.6");
}

OPERATION_TEST(op_xattr_of_a_path) {
    SKIP_WITHOUT("extended attributes");
    char path[256];
    const Fd file = make_file(path);
    const char* const name = usable_attribute(file);
    char value[16] = {};
    const prep::AttributeWrite write = {
        .name = name, .value = "value", .bytes = 5, .flags = abi::xattr_flag::create};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::setxattr(s, path, write); }), 0);
    CHECK_EQ(kernel::fgetxattr(file, name, value, sizeof(value)), 5);
    CHECK_BYTES(value, "value", 5);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::setxattr(s, path, write); }), Errno::eexist);
    char got[16] = {};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::getxattr(s, path, {name, got, 16}); }), 5);
    CHECK_BYTES(got, "value", 5);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::getxattr(s, path, {name, nullptr, 0}); }), 5);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::getxattr(s, path, {name, got, 4});
                           }),
                Errno::erange);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::getxattr(s, missing, {name, got, 16});
                           }),
                Errno::enoent);
}

OPERATION_TEST(op_xattr_of_an_open_file) {
    SKIP_WITHOUT("extended attributes");
    const Fd file = make_file();
    const char* const name = usable_attribute(file);
    const prep::AttributeWrite replace = {
        .name = name, .value = "two", .bytes = 3, .flags = abi::xattr_flag::replace};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::fsetxattr(s, file, replace); }),
                Errno::enodata);
    const prep::AttributeWrite write = {.name = name, .value = "one", .bytes = 3};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fsetxattr(s, file, write); }), 0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fsetxattr(s, file, replace); }), 0);
    char got[16] = {};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fgetxattr(s, file, {name, got, 16}); }), 3);
    CHECK_BYTES(got, "two", 3);
    CHECK_OK(kernel::fremovexattr(file, name));
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::fgetxattr(s, file, {name, got, 16});
                           }),
                Errno::enodata);
}

} // namespace
} // namespace oxbow::test
