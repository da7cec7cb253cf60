// Every operation on the contents of files, made for real: reading and writing in all forms,
// syncing, space, advice. Each shows its effect and its most common error.
#include "live_ring.h"

#include "../syscall/abi_memory.h"

namespace oxbow::test {
namespace {

using prep::current_position;

constexpr i32 broken_fd = 9999;

// ---- Reading and writing ------------------------------------------------------------------------

OPERATION_TEST(op_read_write) {
    const Fd file = make_file();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::write(s, file, "hello", 5, 3); }), 5);
    CHECK_EQ(size_of(file), 8u);
    char got[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 8, 0); }), 8);
    CHECK_BYTES(got, "\0\0\0hello", 8);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 8, 6); }), 2); // short
    CHECK_BYTES(got, "lo", 2);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 8, 8); }), 0); // the end
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::current), 0); // offsets leave it alone
}

OPERATION_TEST(op_read_write_at_current_position) {
    const Fd file = make_file();
    const u64 here = current_position;
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::write(s, file, "abc", 3, here); }), 3);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::write(s, file, "def", 3, here); }), 3);
    CHECK_CONTENTS(file, "abcdef");
    CHECK_EQ(kernel::lseek(file, 1, abi::seek_from::start), 1);
    char got[4] = {};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 4, here); }), 4);
    CHECK_BYTES(got, "bcde", 4);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::current), 5);
}

OPERATION_TEST(op_read_write_errors) {
    char path[256];
    const Fd file = make_file(path);
    const Fd read_only(CHECK_OK(kernel::openat(abi::at_fdcwd, path, abi::open_flag::read_only)));
    const Fd directory(
        CHECK_OK(kernel::openat(abi::at_fdcwd, temp_directory(), abi::open_flag::read_only)));
    char got[8] = {};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read(s, broken_fd, got, 8, 0); }),
                Errno::ebadf);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::write(s, broken_fd, got, 8, 0); }),
                Errno::ebadf);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::write(s, read_only, got, 8, 0); }),
                Errno::ebadf);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read(s, directory, got, 8, 0); }),
                Errno::eisdir);
    write_text(file, "x");
    void* const nowhere = reinterpret_cast<void*>(uptr{8});
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read(s, file, nowhere, 1, 0); }),
                Errno::efault);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::write(s, file, nowhere, 1, 0); }),
                Errno::efault);
}

OPERATION_TEST(op_read_write_flags) {
    const Fd file = make_file_with("1234");
    namespace rw = abi::rw_flag;
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::write(s, file, "56", 2, 0, {.flags = rw::append | rw::dsync});
                        }),
             2);
    CHECK_CONTENTS(file, "123456"); // at the end in spite of its offset
    char got[4] = {};
    // Just written, so it is in memory; but not all file systems can promise that they do not wait.
    const abi::IoVec piece = {got, sizeof(got)};
    const long without_ring = kernel::preadv2(file, &piece, 1, 2, rw::nowait);
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 4, 2, {.flags = rw::nowait}); }),
        static_cast<i32>(without_ring));
    if (without_ring == 4) {
        CHECK_BYTES(got, "3456", 4);
    } else {
        CHECK_ERRNO(without_ring, Errno::eopnotsupp);
    }
    // Pipes promise it since 6.4 (FMODE_NOWAIT in fs/pipe.c).
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::read(s, pipe.reader, got, 4, 0, {.flags = rw::nowait}); }),
        kernel_at_least(6, 4) ? Errno::eagain : Errno::eopnotsupp);
    const i32 unknown =
        run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 4, 0, {.flags = 1u << 30}); });
    CHECK_ERRNO(unknown, Errno::eopnotsupp);
    // Best effort, level 4: ioprio_set(2).
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) { prep::read(s, file, got, 4, 0, {.priority = 2 << 13 | 4}); }),
             4);
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::read(s, file, got, 4, 0, {.priority = 5 << 13}); }),
        Errno::einval);
}

OPERATION_TEST(op_write_to_broken_pipe) {
    SKIP_WITHOUT("RWF_NOSIGNAL");
    Pipe pipe = make_pipe();
    pipe.reader.close();
    // SIGPIPE would end this process.
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::write(s, pipe.writer, "x", 1, 0,
                                           {.flags = abi::rw_flag::nosignal});
                           }),
                Errno::epipe);
}

OPERATION_TEST(op_readv_writev) {
    const Fd file = make_file();
    char one[] = "one ";
    char two[] = "two ";
    char three[] = "three";
    const abi::IoVec out[3] = {{one, 4}, {two, 4}, {three, 5}};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::writev(s, file, out, 3, 0); }), 13);
    CHECK_CONTENTS(file, "one two three");
    char head[6] = {};
    char tail[16] = {};
    const abi::IoVec in[2] = {{head, 6}, {tail, 16}};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::readv(s, file, in, 2, 0); }), 13);
    CHECK_BYTES(head, "one tw", 6);
    CHECK_BYTES(tail, "o three", 7);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::writev(s, file, out, 1, 0, {.flags = abi::rw_flag::append});
                        }),
             4);
    CHECK_CONTENTS(file, "one two threeone ");
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::readv(s, file, in, 1, current_position); }), 6);
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::current), 6);
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::readv(s, file, in, abi::vector_pieces_max + 1, 0); }),
        Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::writev(s, broken_fd, out, 3, 0); }),
                Errno::ebadf);
}

OPERATION_TEST(op_read_fixed_write_fixed) {
    const Fd file = make_file();
    alignas(4096) static char memory[2][4096];
    const abi::IoVec buffers[2] = {{memory[0], 4096}, {memory[1], 4096}};
    register_buffers(ring, buffers, 2);
    __builtin_memcpy(memory[0] + 100, "registered", 10);
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::write_fixed(s, file, memory[0] + 100, 10, 5, 0); }),
        10);
    CHECK_EQ(size_of(file), 15u);
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::read_fixed(s, file, memory[1] + 4086, 10, 5, 1); }),
        10);
    CHECK_BYTES(memory[1] + 4086, "registered", 10);
    // A part that leaves its buffer, one of another buffer, and a buffer that is not there.
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::read_fixed(s, file, memory[1] + 4087, 10, 5, 1); }),
        Errno::efault);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::write_fixed(s, file, memory[0], 10, 0, 1); }),
                Errno::efault);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read_fixed(s, file, memory[0], 10, 0, 2); }),
                Errno::efault);
}

OPERATION_TEST(op_readv_fixed_writev_fixed) {
    SKIP_WITHOUT("vectors in registered buffers");
    const Fd file = make_file();
    alignas(4096) static char memory[8192];
    const abi::IoVec buffer = {memory, sizeof(memory)};
    register_buffers(ring, &buffer, 1);
    __builtin_memcpy(memory, "first", 5);
    __builtin_memcpy(memory + 5000, "second", 6);
    const abi::IoVec out[2] = {{memory + 5000, 6}, {memory, 5}};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::writev_fixed(s, file, out, 2, 0, 0); }), 11);
    CHECK_CONTENTS(file, "secondfirst");
    const abi::IoVec in[2] = {{memory + 100, 3}, {memory + 4090, 8}};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::readv_fixed(s, file, in, 2, 0, 0); }), 11);
    CHECK_BYTES(memory + 100, "sec", 3);
    CHECK_BYTES(memory + 4090, "ondfirst", 8);
    char elsewhere[8];
    const abi::IoVec outside = {elsewhere, 8};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::readv_fixed(s, file, &outside, 1, 0, 0); }),
                Errno::efault);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::writev_fixed(s, file, out, 2, 0, 1); }),
                Errno::efault);
}

OPERATION_TEST(op_read_into_selected_buffer) {
    SKIP_WITHOUT("buffer rings");
    const Fd file = make_file_with("0123456789");
    PlainBufferRing buffers(ring, 3, 4, 6);
    const Cqe whole = run(ring, [&](Sqe& s) {
        prep::read(s, file, nullptr, 0, 0); // as long as the buffer is
        prep::select_buffer(s, 3);
    });
    CHECK_EQ(whole.result, 6);
    CHECK_BYTES(buffers.data_of(whole), "012345", 6);
    const Cqe part = run(ring, [&](Sqe& s) {
        prep::read(s, file, nullptr, 2, 6);
        prep::select_buffer(s, 3);
    });
    CHECK_EQ(part.result, 2);
    CHECK_NE(part.buffer_id(), whole.buffer_id());
    CHECK_BYTES(buffers.data_of(part), "67", 2);
    const abi::IoVec length_only = {nullptr, 3};
    const Cqe vector = run(ring, [&](Sqe& s) {
        prep::readv(s, file, &length_only, 1, 7);
        prep::select_buffer(s, 3);
    });
    CHECK_EQ(vector.result, 3);
    CHECK_BYTES(buffers.data_of(vector), "789", 3);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::read(s, file, nullptr, 2, 6);
                               prep::select_buffer(s, 4); // no such group
                           }),
                Errno::enobufs);
}

OPERATION_TEST(op_read_multishot) {
    SKIP_WITHOUT("multishot reads");
    const Pipe pipe = make_pipe();
    PlainBufferRing buffers(ring, 7, 2, 8);
    queue(ring, 5, [&](Sqe& s) { prep::read_multishot(s, pipe.reader, 7); });
    submit_all(ring, 1);
    CHECK(is_quiet(ring));
    u16 ids[2] = {};
    for (u32 round = 0; round < 2; ++round) {
        write_text(pipe.writer, round == 0 ? "first" : "second");
        const Cqe cqe = next_of(ring, 5);
        CHECK(cqe.more());
        CHECK_EQ(cqe.result, round == 0 ? 5 : 6);
        CHECK_BYTES(buffers.data_of(cqe), round == 0 ? "first" : "second",
                    static_cast<u32>(cqe.result));
        ids[round] = cqe.buffer_id();
    }
    CHECK_NE(ids[0], ids[1]);
    write_text(pipe.writer, "third"); // no buffer is left
    const Cqe last = next_of(ring, 5);
    CHECK_ERRNO(last.result, Errno::enobufs);
    CHECK(!last.more());
    CHECK(!last.has_buffer());
    buffers.give(ids[0]);
    queue(ring, 6, [&](Sqe& s) { prep::read_multishot(s, pipe.reader, 7); });
    const Cqe again = next_of(ring, 6);
    CHECK_EQ(again.result, 5);
    CHECK(again.more());
    CHECK_BYTES(buffers.data_of(again), "third", 5);
    queue(ring, 7, [&](Sqe& s) { prep::async_cancel(s, 6); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, cqe.user_data == 7 ? 0 : -Errno::ecanceled);
    }
    const Fd file = make_file_with("a file has a position");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read_multishot(s, file, 7); }), Errno::ebadfd);
}

/// Before 6.16 nobody reads the field.
OPERATION_TEST(op_write_stream) {
    const Fd file = make_file();
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::write(s, file, "x", 1, 0);
                            prep::write_stream(s, 0);
                        }),
             1);
}

OPERATION_TEST(op_protection_information) {
    SKIP_WITHOUT("protection information");
    // Few devices check it; any other file refuses it, which shows that the attribute was read.
    const Fd file = make_file_with("text");
    char got[4];
    abi::AttributePi information = {};
    information.addr = address_of(got);
    information.len = sizeof(got);
    const i32 result = run_result(ring, [&](Sqe& s) {
        prep::read(s, file, got, 4, 0);
        prep::protection_information(s, &information);
    });
    CHECK(result == -Errno::eopnotsupp || result == -Errno::einval);
    information.reserved = 1;
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::read(s, file, got, 4, 0);
                               prep::protection_information(s, &information);
                           }),
                Errno::einval);
}

// ---- Durability and space -----------------------------------------------------------------------

OPERATION_TEST(op_fsync) {
    const Fd file = make_file_with("text");
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fsync(s, file); }), 0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fdatasync(s, file); }), 0);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::fsync(s, file, {.offset = 1, .bytes = 2}); }), 0);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::fsync(s, pipe.writer); }), Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::fsync(s, broken_fd); }), Errno::ebadf);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::fsync(s, file);
                               s.op_flags = 1u << 30;
                           }),
                Errno::einval);
}

OPERATION_TEST(op_sync_file_range) {
    const Fd file = make_file_with("text");
    namespace flag = abi::sync_range_flag;
    constexpr u32 all = flag::wait_before | flag::write | flag::wait_after;
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::sync_file_range(s, file, {0, 4, all}); }), 0);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::sync_file_range(s, file, {0, 4, 1u << 10});
                           }),
                Errno::einval);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::sync_file_range(s, pipe.writer, {0, 4, all});
                           }),
                Errno::espipe);
}

[[nodiscard]] u64 blocks_of(i32 fd) noexcept {
    abi::Statx status = {};
    CHECK_OK(kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::blocks, &status));
    return status.blocks;
}

OPERATION_TEST(op_fallocate) {
    const Fd file = make_file();
    namespace mode = abi::fallocate_mode;
    constexpr u64 part = 65536; // whole pages and blocks, wherever this runs
    const i32 first = run_result(ring, [&](Sqe& s) { prep::fallocate(s, file, {0, 2 * part}); });
    if (first == -Errno::eopnotsupp) {
        SKIP("this file system has no fallocate");
    }
    CHECK_EQ(first, 0);
    CHECK_EQ(size_of(file), 2 * part);
    CHECK_GE(blocks_of(file), 2 * part / 512);
    static char text[part];
    __builtin_memset(text, 'x', part);
    CHECK_EQ(kernel::pwrite(file, text, part, 0), static_cast<long>(part));
    CHECK_EQ(kernel::pwrite(file, text, part, part), static_cast<long>(part));
    const u64 before = blocks_of(file);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::fallocate(s, file, {0, part}, mode::punch_hole | mode::keep_size);
                        }),
             0);
    CHECK_LE(blocks_of(file), before - part / 512);
    char byte = 1;
    CHECK_EQ(kernel::pread(file, &byte, 1, part - 1), 1);
    CHECK_EQ(byte, 0);
    CHECK_EQ(kernel::pread(file, &byte, 1, part), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::fallocate(s, file, {2 * part, part}, mode::keep_size);
                        }),
             0);
    CHECK_EQ(size_of(file), 2 * part);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::fallocate(s, file, {0, part}, mode::punch_hole);
                           }),
                Errno::eopnotsupp); // not without keep_size
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::fallocate(s, file, {0, 0}); }), Errno::einval);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::fallocate(s, pipe.writer, {0, part});
                           }),
                Errno::espipe);
}

OPERATION_TEST(op_fallocate_beyond_32_bits) {
    const Fd file = make_file();
    constexpr u64 far = (u64{5} << 30) + 4096; // the low 32 bits are another place
    const i32 result = run_result(ring, [&](Sqe& s) { prep::fallocate(s, file, {far, 4096}); });
    if (result == -Errno::eopnotsupp) {
        SKIP("this file system has no fallocate");
    }
    CHECK_EQ(result, 0);
    CHECK_EQ(size_of(file), far + 4096);
}

OPERATION_TEST(op_ftruncate) {
    SKIP_WITHOUT("ftruncate");
    char path[256];
    const Fd file = make_file(path);
    write_text(file, "0123456789");
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::ftruncate(s, file, 4); }), 0);
    CHECK_CONTENTS(file, "0123");
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::ftruncate(s, file, (u64{1} << 32) + 1); }), 0);
    CHECK_EQ(size_of(file), (u64{1} << 32) + 1);
    const Fd read_only(CHECK_OK(kernel::openat(abi::at_fdcwd, path, abi::open_flag::read_only)));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::ftruncate(s, read_only, 0); }), Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::ftruncate(s, file, ~u64{0}); }),
                Errno::einval); // negative as the kernel takes it
}

// ---- Advice -------------------------------------------------------------------------------------

/// How many of the first four pages of the file are in memory.
[[nodiscard]] u32 pages_in_memory(i32 fd, usize bytes) noexcept {
    const long mapped =
        kernel::mmap(nullptr, bytes, abi::protection::read, abi::map::shared, fd, 0);
    CHECK(!is_error(mapped));
    void* const address = reinterpret_cast<void*>(static_cast<uptr>(mapped));
    u8 resident[64] = {}; // pages have 4096 bytes or more
    CHECK_LE(bytes, sizeof(resident) * 4096);
    CHECK_OK(kernel::mincore(address, bytes, resident));
    CHECK_OK(kernel::munmap(address, bytes));
    u32 count = 0;
    for (u32 i = 0; i < 4; ++i) {
        count += resident[i] & 1u;
    }
    return count;
}

OPERATION_TEST(op_fadvise) {
    constexpr u32 bytes = 4 * 65536; // whole pages, whatever their size
    static char text[bytes];
    const Fd files[2] = {make_file(), make_file()};
    u32 dropped[2];
    for (u32 i = 0; i < 2; ++i) {
        CHECK_EQ(kernel::pwrite(files[i], text, bytes, 0), static_cast<long>(bytes));
        CHECK_OK(kernel::fsync(files[i]));
        CHECK_EQ(pages_in_memory(files[i], bytes), 4u);
    }
    // What the ring does is what the plain call does, whatever the file system makes of it.
    CHECK_OK(kernel::fadvise(files[0], 0, bytes, abi::fadvice::dontneed));
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::fadvise(s, files[1], {0, bytes}, abi::fadvice::dontneed);
                        }),
             0);
    dropped[0] = pages_in_memory(files[0], bytes);
    dropped[1] = pages_in_memory(files[1], bytes);
    CHECK_EQ(dropped[1], dropped[0]);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::fadvise(s, files[1], {0, bytes}, 99);
                           }),
                Errno::einval);
    const Pipe pipe = make_pipe();
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::fadvise(s, pipe.reader, {}, abi::fadvice::normal); }),
        Errno::espipe);
    SKIP_WITHOUT("advice on more than 4 GiB");
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::fadvise(s, files[1], {0, u64{5} << 30}, abi::fadvice::random);
                        }),
             0);
}

OPERATION_TEST(op_madvise) {
    constexpr usize bytes = 65536;
    const long mapped = kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                     abi::map::private_ | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    char* const memory = reinterpret_cast<char*>(static_cast<uptr>(mapped));
    memory[0] = memory[bytes - 1] = 'x';
    CHECK_EQ(
        run_result(ring, [&](Sqe& s) { prep::madvise(s, memory, bytes, abi::madvice::dontneed); }),
        0);
    CHECK_EQ(memory[0], 0);
    CHECK_EQ(memory[bytes - 1], 0);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::madvise(s, memory, bytes, 99); }),
                Errno::einval);
    CHECK_OK(kernel::munmap(memory, bytes));
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::madvise(s, memory, bytes, abi::madvice::normal); }),
        Errno::enomem);
}

} // namespace
} // namespace oxbow::test
