// Reading and writing of files by the loop's operations, on every engine alike: positions, offsets,
// ends, limits.
#include "loop_op_help.h"

namespace oxbow::test {
namespace {

LOOP_TEST(loop_op_file_position) {
    for (const i32 mode : fd_modes) {
        const Fd file = make_file();
        set_mode(file, mode); // which means nothing to a file
        CHECK_EQ(perform_on(loop, op::write(file, "0123", 4)).value, 4);
        CHECK_EQ(perform_on(loop, op::write_all(file, "4567", 4)).value, 4);
        CHECK_CONTENTS(file, "01234567");
        CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::current), 8);
        // At an offset, the position stays where it is.
        CHECK_EQ(perform_on(loop, op::pwrite(file, "ab", 2, 2)).value, 2);
        CHECK_EQ(perform_on(loop, op::pwrite_all(file, "yz", 2, 6)).value, 2);
        CHECK_CONTENTS(file, "01ab45yz");
        CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::current), 8);
        CHECK_EQ(kernel::lseek(file, 1, abi::seek_from::start), 1);
        char got[16] = {};
        CHECK_EQ(perform_on(loop, op::read(file, got, 3)).value, 3);
        CHECK_BYTES(got, "1ab", 3);
        CHECK_EQ(perform_on(loop, op::pread(file, got, 16, 6)).value, 2);
        CHECK_BYTES(got, "yz", 2);
        CHECK_EQ(perform_on(loop, op::pread_all(file, got, 4, 0)).value, 4);
        CHECK_BYTES(got, "01ab", 4);
        CHECK_EQ(perform_on(loop, op::read_all(file, got, 16)).value, 4); // up to the end
        CHECK_BYTES(got, "45yz", 4);
        CHECK_EQ(perform_on(loop, op::read(file, got, 16)).value, 0);
        CHECK_EQ(perform_on(loop, op::pread(file, got, 16, 1000)).value, 0);
    }
}

LOOP_TEST(loop_op_file_vectors) {
    const Fd file = make_file();
    char a[] = "abc";
    char b[] = "defgh";
    abi::IoVec out[] = {{a, 3}, {nullptr, 0}, {b, 5}};
    CHECK_EQ(perform_on(loop, op::writev(file, out, 3)).value, 8);
    CHECK_EQ(perform_on(loop, op::writev(file, out, 1, 100)).value, 3);
    CHECK_EQ(size_of(file), 103u);
    CHECK_EQ(perform_on(loop, op::writev(file, out, 0)).value, 0);
    CHECK_EQ(perform_on(loop, op::readv(file, out, 0)).value, 0);
    char x[2];
    char y[4];
    abi::IoVec in[] = {{x, 2}, {y, 4}};
    CHECK_EQ(perform_on(loop, op::readv(file, in, 2, 1)).value, 6);
    CHECK_BYTES(x, "bc", 2);
    CHECK_BYTES(y, "defg", 4);
    CHECK_EQ(perform_on(loop, op::readv(file, in, 2, 101)).value, 2);
    CHECK_BYTES(x, "bc", 2);
    if (!is_emulated()) { // qemu counts the pieces before it finds that the file is no socket
        CHECK_ERRNO(perform_on(loop, op::readv(file, in, abi::vector_pieces_max + 1)).value,
                    Errno::einval);
    }
}

LOOP_TEST(loop_op_file_edges) {
    char path[256];
    const Fd file = make_file(path);
    char got[4] = {};
    constexpr u64 far = u64{1} << 40;
    CHECK_EQ(perform_on(loop, op::pwrite(file, "x", 1, far)).value, 1);
    CHECK_EQ(size_of(file), far + 1);
    CHECK_EQ(perform_on(loop, op::pread(file, got, 4, far - 2)).value, 3);
    CHECK_BYTES(got, "\0\0x", 3);
    CHECK_ERRNO(perform_on(loop, op::pread(file, got, 4, u64{1} << 63)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::pwrite(file, got, 4, ~u64{0} - 9)).value, Errno::einval);
    CHECK_EQ(perform_on(loop, op::pread(file, got, 0, 0)).value, 0);
    CHECK_EQ(perform_on(loop, op::pwrite(file, got, 0, 0)).value, 0);
    const i32 written = perform_on(loop, op::write(file, "dsync", 5, abi::rw_flag::dsync)).value;
    CHECK_EQ(written, has_transfer_flags() ? 5 : -Errno::eopnotsupp);
    const Fd only(CHECK_OK(kernel::openat(abi::at_fdcwd, path, abi::open_flag::cloexec)));
    CHECK_ERRNO(perform_on(loop, op::write(only, "x", 1)).value, Errno::ebadf);
    CHECK_ERRNO(perform_on(loop, op::pwrite_all(only, "x", 1, 0)).value, Errno::ebadf);
    const Fd directory(CHECK_OK(
        kernel::openat(abi::at_fdcwd, "/", abi::open_flag::directory | abi::open_flag::cloexec)));
    CHECK_ERRNO(perform_on(loop, op::read(directory, got, 4)).value, Errno::eisdir);
    CHECK_ERRNO(perform_on(loop, op::pread(directory, got, 4, 0)).value, Errno::eisdir);
}

LOOP_TEST(loop_op_file_appends) {
    char path[256];
    const Fd file = make_file(path);
    CHECK_EQ(perform_on(loop, op::write(file, "begin", 5)).value, 5);
    const Fd end(CHECK_OK(kernel::openat(abi::at_fdcwd, path,
                                         abi::open_flag::write_only | abi::open_flag::append |
                                             abi::open_flag::cloexec)));
    CHECK_EQ(perform_on(loop, op::write(end, "-end", 4)).value, 4);
    CHECK_EQ(perform_on(loop, op::pwrite(end, "-last", 5, 0)).value, 5); // pwrite(2), "Bugs"
    CHECK_CONTENTS(file, "begin-end-last");
}

/// Without a descriptor to read from or to write to.
LOOP_TEST(loop_op_file_without_a_descriptor) {
    char data[4] = {};
    abi::IoVec piece = {data, 4};
    const i32 numbers[] = {closed_fd(), -1};
    for (const i32 fd : numbers) {
        const Operation operations[] = {
            op::read(fd, data, 4),    op::read_all(fd, data, 4),  op::pread(fd, data, 4, 0),
            op::write(fd, data, 4),   op::write_all(fd, data, 4), op::pwrite(fd, data, 4, 0),
            op::readv(fd, &piece, 1), op::writev(fd, &piece, 1),
        };
        for (const Operation& operation : operations) {
            const Result result = perform_on(loop, operation);
            if (!result.is(Errno::ebadf)) {
                note("kind", static_cast<u32>(operation.kind), "fd", fd);
            }
            CHECK_ERRNO(result.value, Errno::ebadf);
        }
    }
}

/// The limit comes in the middle: what fits is written, and the next one is told.
LOOP_TEST(loop_op_file_too_large) {
    abi::SignalAction ignore = {};
    ignore.handler = abi::signal_handler::ignore;
    CHECK_OK(kernel::rt_sigaction(abi::signal::xfsz, &ignore));
    abi::Rlimit former = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::file_bytes, nullptr, &former));
    static u8 data[3000];
    fill_pattern(data, sizeof(data));
    const abi::Rlimit limit = {2000, former.maximum};
    CHECK_OK(kernel::prlimit(0, abi::resource::file_bytes, &limit));
    for (u32 all = 0; all < 2; ++all) {
        const Fd file = make_file();
        const auto write = [&](u32 bytes) noexcept {
            return all != 0 ? op::write_all(file, data, bytes) : op::write(file, data, bytes);
        };
        const auto pwrite = [&](u32 bytes, u64 at) noexcept {
            return all != 0 ? op::pwrite_all(file, data, bytes, at)
                            : op::pwrite(file, data, bytes, at);
        };
        CHECK_EQ(perform_on(loop, write(1500)).value, 1500);
        CHECK_EQ(perform_on(loop, write(1500)).value, 500);
        CHECK_EQ(perform_on(loop, pwrite(3000, 0)).value, 2000);
        CHECK_ERRNO(perform_on(loop, pwrite(1, 2000)).value, Errno::efbig);
        CHECK_EQ(size_of(file), 2000u);
        static u8 got[2000];
        CHECK_EQ(perform_on(loop, op::pread_all(file, got, 2000, 0)).value, 2000);
        check_pattern(got, 2000);
    }
    CHECK_OK(kernel::prlimit(0, abi::resource::file_bytes, &former));
    end_all(loop);
}

/// A short write moves the file's own position by what it wrote, as write(2) does. (The ring of
/// Linux 6.18 does not, where an error came behind: io_write, need_complete_io.)
LOOP_TEST(loop_op_file_position_behind_a_short_write) {
    abi::SignalAction ignore = {};
    ignore.handler = abi::signal_handler::ignore;
    CHECK_OK(kernel::rt_sigaction(abi::signal::xfsz, &ignore));
    abi::Rlimit former = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::file_bytes, nullptr, &former));
    const abi::Rlimit limit = {2000, former.maximum};
    CHECK_OK(kernel::prlimit(0, abi::resource::file_bytes, &limit));
    const u8 data[3000] = {};
    const Fd file = make_file();
    CHECK_EQ(perform_on(loop, op::write(file, data, sizeof(data))).value, 2000);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::current), 2000);
    CHECK_ERRNO(perform_on(loop, op::write(file, data, sizeof(data))).value, Errno::efbig);
    CHECK_OK(kernel::prlimit(0, abi::resource::file_bytes, &former));
}

/// Many at once, in one file, each at its own place.
LOOP_TEST(loop_op_file_many_at_once) {
    constexpr u32 count = 40;
    constexpr u32 each = 1000;
    static u8 data[count * each];
    static u8 got[count * each];
    static Logged operations[count];
    fill_pattern(data, sizeof(data));
    const Fd file = make_file();
    for (u32 i = 0; i < count; ++i) {
        operations[i] = {};
        submit(loop, operations[i], op::pwrite_all(file, data + i * each, each, i * each));
    }
    for (Logged& operation : operations) {
        run_until_ended(loop, operation);
        CHECK_EQ(operation.last.value, each);
        operation = {};
    }
    for (u32 i = 0; i < count; ++i) {
        submit(loop, operations[i], op::pread_all(file, got + i * each, each, i * each));
    }
    for (Logged& operation : operations) {
        run_until_ended(loop, operation);
        CHECK_EQ(operation.last.value, each);
    }
    check_pattern(got, sizeof(got));
}

} // namespace
} // namespace oxbow::test
