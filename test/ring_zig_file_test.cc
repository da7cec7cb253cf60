// What Zig's std.os.linux.IoUring tests of files, ported: the same scenario and the same
// assertions, in our own code. The number is the test's place in Zig's list. Not here: 19, 31 and
// 32 are in register_files_test.cc, 26 to 28 in buffers_provided_test.cc, 37 to 39 in
// buffers_test.cc. Where our interface differs from Zig's, a comment says how.
#include "live_ring.h"

#include "../uring/ring_options.h"

namespace oxbow::test {
namespace {

constexpr i32 here = abi::at_fdcwd;

/// Submits one entry and checks Zig's usual sequence: one to submit, one submitted, one to reap.
[[nodiscard]] Cqe submit_one(Ring& ring) noexcept {
    CHECK_EQ(ring.sq_ready(), 1u);
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    CHECK_EQ(ring.sq_ready(), 0u);
    Cqe cqe = {};
    CHECK_EQ(CHECK_OK(ring.wait_and_copy(&cqe, 1, {.timeout_ns = patience_ns})), 1);
    CHECK_EQ(ring.cq_ready(), 0u);
    return cqe;
}

TEST(zig_01_structs_offsets_entries) {
    need_rings();
    const NoLeaks no_leaks;
    CHECK_EQ(sizeof(abi::Params), 120u);
    CHECK_EQ(sizeof(abi::Sqe), 64u);
    CHECK_EQ(sizeof(abi::Cqe), 16u);
    CHECK_EQ(abi::mmap_offset::sq_ring, 0u);
    CHECK_EQ(abi::mmap_offset::cq_ring, 0x8000000u);
    CHECK_EQ(abi::mmap_offset::sqes, 0x10000000u);
    Ring ring;
    Reason reason;
    CHECK_ERRNO(ring.open({.entries = 0}, &reason), Errno::einval);
    CHECK_EQ(reason.stage, Stage::options);
    CHECK_NE(reason.fault, OptionFault::none);
    // Zig refuses 3; the kernel makes 4 of it, and so do we.
    CHECK_OK(ring.open({.entries = 3}));
    CHECK_EQ(ring.sq_entries(), 4u);
    CHECK_EQ(ring.cq_entries(), 8u);
    ring.close();
}

TEST(zig_02_nop) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    Sqe* const sqe = ring->nop(0xaaaaaaaa);
    CHECK(sqe != nullptr);
    Sqe image = {};
    image.user_data = 0xaaaaaaaa;
    CHECK_BYTES(sqe, &image, sizeof(Sqe));
    // Zig looks at the heads and tails; here only what they say is to be seen.
    CHECK_EQ(ring->sq_ready(), 1u);
    CHECK_EQ(ring->cq_ready(), 0u);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    CHECK_EQ(ring->sq_ready(), 0u);
    CHECK_EQ(ring->cq_ready(), 1u);
    Cqe cqe = {};
    CHECK_EQ(ring->copy(&cqe, 1), 1u);
    CHECK_EQ(cqe.user_data, 0xaaaaaaaau);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_EQ(ring->cq_ready(), 0u);
    Sqe* const barrier = ring->nop(0xbbbbbbbb);
    CHECK(barrier != nullptr);
    prep::drain(*barrier);
    cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0xbbbbbbbbu);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_EQ(ring->sq_dropped(), 0u);
    CHECK_EQ(ring->cq_overflow_count(), 0u);
    ring->close();
    CHECK_EQ(ring->fd(), -1);
}

TEST(zig_03_readv) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    const Fd zero(CHECK_OK(kernel::openat(here, "/dev/zero", abi::open_flag::read_only)));
    const i32 fds[1] = {zero};
    register_files(*ring, fds, 1);
    u8 buffer[128];
    __builtin_memset(buffer, 42, sizeof(buffer));
    const abi::IoVec vector = {buffer, sizeof(buffer)};
    Sqe* const sqe = ring->readv(0xcccccccc, 0, &vector, 1u, u64{0});
    CHECK(sqe != nullptr);
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::readv));
    prep::fixed_file(*sqe);
    CHECK(ring->get_sqe() == nullptr); // the queue is full
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0xccccccccu);
    CHECK_EQ(cqe.result, static_cast<i32>(sizeof(buffer)));
    CHECK_EQ(cqe.flags, 0u);
    const u8 zeros[128] = {};
    CHECK_BYTES(buffer, zeros, sizeof(zeros));
    CHECK_OK(ring->register_call(abi::RegisterOp::unregister_files, nullptr, 0));
}

TEST(zig_04_writev_fsync_readv) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    const Fd file = make_file();
    u8 out[128];
    u8 in[128] = {};
    __builtin_memset(out, 42, sizeof(out));
    const abi::IoVec write_vector = {out, sizeof(out)};
    const abi::IoVec read_vector = {in, sizeof(in)};
    Sqe* const write = ring->writev(0xdddddddd, file, &write_vector, 1u, u64{17});
    CHECK_EQ(write->opcode, static_cast<u8>(abi::Opcode::writev));
    CHECK_EQ(write->off, 17u);
    prep::link(*write);
    Sqe* const sync = ring->fsync(0xeeeeeeee, file);
    CHECK_EQ(sync->opcode, static_cast<u8>(abi::Opcode::fsync));
    CHECK_EQ(sync->fd, file);
    prep::link(*sync);
    Sqe* const read = ring->readv(0xffffffff, file, &read_vector, 1u, u64{17});
    CHECK_EQ(read->opcode, static_cast<u8>(abi::Opcode::readv));
    CHECK_EQ(read->off, 17u);
    CHECK_EQ(ring->sq_ready(), 3u);
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(3)), 3);
    CHECK_EQ(ring->sq_ready(), 0u);
    constexpr u64 order[] = {0xdddddddd, 0xeeeeeeee, 0xffffffff};
    for (u32 i = 0; i < 3; ++i) {
        CHECK_EQ(ring->cq_ready(), 3 - i);
        Cqe cqe = {};
        CHECK_EQ(ring->copy(&cqe, 1), 1u);
        CHECK_EQ(cqe.user_data, order[i]);
        CHECK_EQ(cqe.result, i == 1 ? 0 : 128);
        CHECK_EQ(cqe.flags, 0u);
    }
    CHECK_EQ(ring->cq_ready(), 0u);
    CHECK_BYTES(in, out, sizeof(out));
}

TEST(zig_05_write_read) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2});
    const Fd file = make_file();
    u8 out[20];
    u8 in[20] = {};
    __builtin_memset(out, 97, sizeof(out));
    Sqe* const write = ring->write(0x11111111, file, out, 20u, u64{10});
    CHECK_EQ(write->opcode, static_cast<u8>(abi::Opcode::write));
    CHECK_EQ(write->off, 10u);
    prep::link(*write);
    Sqe* const read = ring->read(0x22222222, file, in, 20u, u64{10});
    CHECK_EQ(read->opcode, static_cast<u8>(abi::Opcode::read));
    CHECK_EQ(read->off, 10u);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    const Cqe wrote = next_of(*ring, 0x11111111);
    const Cqe got = next_of(*ring, 0x22222222);
    CHECK_EQ(wrote.result, 20);
    CHECK_EQ(wrote.flags, 0u);
    CHECK_EQ(got.result, 20);
    CHECK_EQ(got.flags, 0u);
    CHECK_BYTES(in, out, sizeof(out));
}

TEST(zig_06_splice_read) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    const Fd source = make_file();
    const Fd destination = make_file();
    u8 out[20];
    u8 in[20] = {};
    __builtin_memset(out, 97, sizeof(out));
    CHECK_EQ(kernel::write(source, out, sizeof(out)), 20);
    const Pipe pipe = make_pipe(); // Zig's leaks it
    Sqe* const to_pipe = ring->splice(
        0x11111111,
        prep::Splice{.from_fd = source, .from_offset = 0, .to_fd = pipe.writer, .bytes = 20});
    CHECK_EQ(to_pipe->opcode, static_cast<u8>(abi::Opcode::splice));
    CHECK_EQ(to_pipe->addr, 0u);
    CHECK_EQ(to_pipe->off, ~u64{0});
    prep::link(*to_pipe);
    Sqe* const from_pipe = ring->splice(
        0x22222222,
        prep::Splice{.from_fd = pipe.reader, .to_fd = destination, .to_offset = 10, .bytes = 20});
    CHECK_EQ(from_pipe->addr, ~u64{0});
    CHECK_EQ(from_pipe->off, 10u);
    prep::link(*from_pipe);
    Sqe* const read = ring->read(0x33333333, destination, in, 20u, u64{10});
    CHECK_EQ(read->opcode, static_cast<u8>(abi::Opcode::read));
    CHECK_EQ(CHECK_OK(ring->submit()), 3);
    constexpr u64 order[] = {0x11111111, 0x22222222, 0x33333333};
    for (const u64 user_data : order) {
        const Cqe cqe = next_of(*ring, user_data);
        CHECK_EQ(cqe.result, 20);
        CHECK_EQ(cqe.flags, 0u);
    }
    CHECK_BYTES(in, out, sizeof(out));
}

TEST(zig_07_write_fixed_read_fixed) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 2});
    const Fd file = make_file();
    char out[11] = {'f', 'o', 'o', 'b', 'a', 'r', 'z', 'z', 'z', 'z', 'z'};
    char in[11] = {};
    const abi::IoVec buffers[2] = {{out, sizeof(out)}, {in, sizeof(in)}};
    register_buffers(*ring, buffers, 2); // Zig skips where memory may not be locked
    Sqe* const write = ring->write_fixed(0x45454545, file, out, 11u, u64{3}, u16{0});
    CHECK_EQ(write->opcode, static_cast<u8>(abi::Opcode::write_fixed));
    CHECK_EQ(write->off, 3u);
    prep::link(*write);
    Sqe* const read = ring->read_fixed(0x12121212, file, in, 11u, u64{0}, u16{1});
    CHECK_EQ(read->opcode, static_cast<u8>(abi::Opcode::read_fixed));
    CHECK_EQ(read->off, 0u);
    CHECK_EQ(CHECK_OK(ring->submit()), 2);
    const Cqe wrote = next_of(*ring, 0x45454545);
    CHECK_EQ(wrote.result, 11);
    CHECK_EQ(wrote.flags, 0u);
    const Cqe got = next_of(*ring, 0x12121212);
    CHECK_EQ(got.result, 11);
    CHECK_EQ(got.flags, 0u);
    CHECK_BYTES(in, "\0\0\0foobarzz", 11);
    CHECK_OK(ring->register_call(abi::RegisterOp::unregister_buffers, nullptr, 0));
}

TEST(zig_08_openat) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    char path[256];
    temp_path(path);
    const prep::OpenOptions options = {.flags = abi::open_flag::cloexec |
                                                abi::open_flag::read_write | abi::open_flag::create,
                                       .mode = 0666};
    Sqe* const sqe = ring->openat(0x33333333, here, static_cast<const char*>(path), options);
    Sqe image = {};
    image.opcode = static_cast<u8>(abi::Opcode::openat);
    image.fd = here;
    image.addr = address_of(path);
    image.len = 0666;
    // 32-bit machines ask for large files.
    image.op_flags = static_cast<u32>(options.flags) |
                     (sizeof(long) == 4 ? static_cast<u32>(abi::open_flag::large_file) : 0u);
    image.user_data = 0x33333333;
    CHECK_BYTES(sqe, &image, sizeof(Sqe));
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x33333333u);
    CHECK_GT(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_OK(kernel::close(cqe.result));
}

TEST(zig_09_close) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    const i32 fd = make_file().release();
    Sqe* const sqe = ring->close(0x44444444, fd);
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::close));
    CHECK_EQ(sqe->fd, fd);
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x44444444u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK(!is_open(fd));
}

TEST(zig_16_fallocate) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    const Fd file = make_file();
    CHECK_EQ(size_of(file), 0u);
    Sqe* const sqe = ring->fallocate(0xaaaaaaaa, file, prep::FileRange{0, 65536});
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::fallocate));
    CHECK_EQ(sqe->fd, file);
    const Cqe cqe = submit_one(*ring);
    if (cqe.result == -Errno::eopnotsupp) {
        SKIP("this file system has no fallocate");
    }
    CHECK_EQ(cqe.user_data, 0xaaaaaaaau);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_EQ(size_of(file), 65536u);
}

TEST(zig_17_statx) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    char path[256];
    const Fd file = make_file(path);
    write_text(file, "foobar");
    abi::Statx status = {};
    Sqe* const sqe = ring->statx(0xaaaaaaaa, here, static_cast<const char*>(path),
                                 prep::StatxOptions{.mask = abi::statx_mask::size}, &status);
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::statx));
    CHECK_EQ(sqe->fd, here);
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0xaaaaaaaau);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_EQ(status.mask & abi::statx_mask::size, abi::statx_mask::size);
    CHECK_EQ(status.size, 6u);
}

TEST(zig_21_renameat) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    const Fd directory(CHECK_OK(kernel::openat(here, temp_directory(), abi::open_flag::read_only)));
    char path[256];
    char old_path[256];
    write_text(make_file(path), "hello");
    temp_path(old_path);
    CHECK_OK(kernel::renameat2(here, path, directory, "old"));
    Sqe* const sqe = ring->renameat(0x12121212, prep::PathPair{.old_path = "old",
                                                               .new_path = "new",
                                                               .old_directory = directory,
                                                               .new_directory = directory});
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::renameat));
    CHECK_EQ(sqe->fd, directory);
    CHECK_EQ(sqe->len, static_cast<u32>(static_cast<i32>(directory)));
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x12121212u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_ERRNO(kernel::openat(directory, "old", abi::open_flag::read_only), Errno::enoent);
    const Fd renamed(CHECK_OK(kernel::openat(directory, "new", abi::open_flag::read_only)));
    CHECK_CONTENTS(renamed, "hello");
}

TEST(zig_22_unlinkat) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    char path[256];
    const Fd file = make_file(path);
    Sqe* const sqe = ring->unlinkat(0x12121212, here, static_cast<const char*>(path));
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::unlinkat));
    CHECK_EQ(sqe->fd, here);
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x12121212u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    CHECK(!path_exists(path));
}

TEST(zig_23_mkdirat) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("mkdirat");
    LiveRing ring({.entries = 1});
    char path[256];
    temp_path(path);
    Sqe* const sqe = ring->mkdirat(0x12121212, here, static_cast<const char*>(path), 0755u);
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::mkdirat));
    CHECK_EQ(sqe->fd, here);
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x12121212u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    const Fd made(CHECK_OK(
        kernel::openat(here, path, abi::open_flag::read_only | abi::open_flag::directory)));
}

TEST(zig_24_symlinkat) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("symlinkat and linkat");
    LiveRing ring({.entries = 1});
    char path[256];
    char link_path[256];
    const Fd file = make_file(path);
    temp_path(link_path);
    Sqe* const sqe =
        ring->symlinkat(0x12121212, prep::SymbolicLink{.target = path, .path = link_path});
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::symlinkat));
    CHECK_EQ(sqe->fd, here);
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x12121212u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    const Fd opened(CHECK_OK(kernel::openat(here, link_path, abi::open_flag::read_only)));
}

TEST(zig_25_linkat) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("symlinkat and linkat");
    LiveRing ring({.entries = 1});
    char path[256];
    char link_path[256];
    const Fd file = make_file(path);
    temp_path(link_path);
    Sqe* const sqe =
        ring->linkat(0x12121212, prep::PathPair{.old_path = path, .new_path = link_path});
    CHECK_EQ(sqe->opcode, static_cast<u8>(abi::Opcode::linkat));
    CHECK_EQ(sqe->fd, here);
    CHECK_EQ(sqe->len, static_cast<u32>(here));
    const Cqe cqe = submit_one(*ring);
    CHECK_EQ(cqe.user_data, 0x12121212u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(cqe.flags, 0u);
    // Zig writes to both and compares; one file under two names is what that shows.
    write_text(file, "hello");
    const Fd second(CHECK_OK(kernel::openat(here, link_path, abi::open_flag::read_only)));
    CHECK_CONTENTS(second, "hello");
}

} // namespace
} // namespace oxbow::test
