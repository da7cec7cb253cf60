// The entries that prep_file.h and prep_path.h make.
#include "../uring/prep_file.h"
#include "../uring/prep_path.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

// The arguments that most of the tests use: no two alike in any byte.
constexpr u32 address = 0x11223344;
constexpr u32 count = 0x51627384;
constexpr u64 offset = 0x0102030405060708;
constexpr u16 index = 0xa1b2;

Image transfer(u8 opcode) noexcept {
    return Image(opcode, 33).addr(address).len(count).off(offset);
}

void* buffer() noexcept {
    return pointer_of<void>(address);
}
const abi::IoVec* vector() noexcept {
    return pointer_of<const abi::IoVec>(address);
}
const char* old_name() noexcept {
    return pointer_of<const char>(0x21324354);
}
const char* new_name() noexcept {
    return pointer_of<const char>(0x61728394);
}

} // namespace

TEST(prep_read_write) {
    CHECK_PREP(transfer(22), prep::read(sqe, 33, buffer(), count, offset));
    CHECK_PREP(transfer(23), prep::write(sqe, 33, buffer(), count, offset));
    CHECK_PREP(transfer(22).off(~u64{0}),
               prep::read(sqe, 33, buffer(), count, prep::current_position));
}

TEST(prep_readv_writev) {
    CHECK_PREP(transfer(1), prep::readv(sqe, 33, vector(), count, offset));
    CHECK_PREP(transfer(2), prep::writev(sqe, 33, vector(), count, offset));
}

TEST(prep_transfer_options) {
    const prep::TransferOptions options = {.flags = 0x89abcdef, .priority = 0x6001};
    const auto with = [](u8 opcode) noexcept {
        return transfer(opcode).op_flags(0x89abcdef).ioprio(0x6001);
    };
    CHECK_PREP(with(22), prep::read(sqe, 33, buffer(), count, offset, options));
    CHECK_PREP(with(23), prep::write(sqe, 33, buffer(), count, offset, options));
    CHECK_PREP(with(1), prep::readv(sqe, 33, vector(), count, offset, options));
    CHECK_PREP(with(2), prep::writev(sqe, 33, vector(), count, offset, options));
    CHECK_PREP(with(4).buf_index(index),
               prep::read_fixed(sqe, 33, buffer(), count, offset, index, options));
    CHECK_PREP(with(5).buf_index(index),
               prep::write_fixed(sqe, 33, buffer(), count, offset, index, options));
    CHECK_PREP(with(60).buf_index(index),
               prep::readv_fixed(sqe, 33, vector(), count, offset, index, options));
    CHECK_PREP(with(61).buf_index(index),
               prep::writev_fixed(sqe, 33, vector(), count, offset, index, options));
}

TEST(prep_fixed_buffers) {
    CHECK_PREP(transfer(4).buf_index(index),
               prep::read_fixed(sqe, 33, buffer(), count, offset, index));
    CHECK_PREP(transfer(5).buf_index(index),
               prep::write_fixed(sqe, 33, buffer(), count, offset, index));
    CHECK_PREP(transfer(60).buf_index(index),
               prep::readv_fixed(sqe, 33, vector(), count, offset, index));
    CHECK_PREP(transfer(61).buf_index(index),
               prep::writev_fixed(sqe, 33, vector(), count, offset, index));
}

TEST(prep_read_multishot) {
    CHECK_PREP(Image(49, 33).flags(0x20).buf_index(index), prep::read_multishot(sqe, 33, index));
    CHECK_PREP(Image(49, 33).flags(0x20).buf_index(index).off(offset),
               prep::read_multishot(sqe, 33, index, offset));
}

TEST(prep_read_with_selected_buffer) {
    const Image expected = Image(22, 33).flags(0x20).buf_index(index).len(count).off(offset);
    CHECK_PREP(expected, prep::select_buffer(sqe, index);
               prep::read(sqe, 33, nullptr, count, offset));
    CHECK_PREP(expected, prep::read(sqe, 33, nullptr, count, offset);
               prep::select_buffer(sqe, index));
}

TEST(prep_write_attributes) {
    const auto* information = pointer_of<const abi::AttributePi>(0x21324354);
    const Image expected = transfer(23).addr3(0x21324354).u64_at(56, 1).u8_at(44, 0x5c);
    CHECK_PREP(expected, prep::protection_information(sqe, information);
               prep::write_stream(sqe, 0x5c); prep::write(sqe, 33, buffer(), count, offset));
    CHECK_PREP(expected, prep::write(sqe, 33, buffer(), count, offset);
               prep::write_stream(sqe, 0x5c); prep::protection_information(sqe, information));
}

TEST(prep_fsync) {
    CHECK_PREP(Image(3, 33), prep::fsync(sqe, 33));
    CHECK_PREP(Image(3, 33).op_flags(1), prep::fdatasync(sqe, 33));
    CHECK_PREP(Image(3, 33).op_flags(1).off(offset).len(count),
               prep::fsync(sqe, 33, {.data_only = true, .offset = offset, .bytes = count}));
}

TEST(prep_sync_file_range) {
    CHECK_PREP(Image(8, 33).off(offset).len(count).op_flags(7),
               prep::sync_file_range(sqe, 33, {.offset = offset, .bytes = count, .flags = 7}));
}

TEST(prep_fallocate) {
    CHECK_PREP(Image(17, 33).off(offset).addr(0x1112131415161718).len(3),
               prep::fallocate(sqe, 33, {.offset = offset, .bytes = 0x1112131415161718}, 3));
    CHECK_PREP(Image(17, 33).off(offset).addr(99),
               prep::fallocate(sqe, 33, {.offset = offset, .bytes = 99}));
}

TEST(prep_ftruncate) {
    CHECK_PREP(Image(55, 33).off(offset), prep::ftruncate(sqe, 33, offset));
}

TEST(prep_advice) {
    CHECK_PREP(Image(24, 33).off(offset).len(0xffffffff).op_flags(4),
               prep::fadvise(sqe, 33, {.offset = offset, .bytes = 0xffffffff}, 4));
    CHECK_PREP(Image(24, 33).off(offset).addr(0x100000000).op_flags(4),
               prep::fadvise(sqe, 33, {.offset = offset, .bytes = 0x100000000}, 4));
    CHECK_PREP(Image(25, -1).addr(address).len(0xffffffff).op_flags(8),
               prep::madvise(sqe, buffer(), 0xffffffff, 8));
    CHECK_PREP(Image(25, -1).addr(address).off(0x100000000).op_flags(8),
               prep::madvise(sqe, buffer(), 0x100000000, 8));
}

TEST(prep_splice) {
    const prep::Splice splice = {.from_fd = 0x41,
                                 .from_offset = 0x2122232425262728,
                                 .to_fd = 0x42,
                                 .to_offset = offset,
                                 .bytes = count,
                                 .flags = 6};
    const Image expected = Image(30, 0x42)
                               .off(offset)
                               .addr(0x2122232425262728)
                               .len(count)
                               .op_flags(6)
                               .file_index(0x41);
    CHECK_PREP(expected, prep::splice(sqe, splice));
    prep::Splice direct = splice;
    direct.from_is_direct = true;
    CHECK_PREP(Image(expected).op_flags(0x80000006).flags(0x01), prep::splice(sqe, direct);
               prep::fixed_file(sqe));
    CHECK_PREP(Image(30, 0x42).off(~u64{0}).addr(~u64{0}).len(1).file_index(0x41),
               prep::splice(sqe, {.from_fd = 0x41, .to_fd = 0x42, .bytes = 1}));
}

TEST(prep_tee) {
    CHECK_PREP(Image(33, 0x42).len(count).op_flags(6).file_index(0x41),
               prep::tee(sqe, {.from_fd = 0x41, .to_fd = 0x42, .bytes = count, .flags = 6}));
    CHECK_PREP(
        Image(33, 0x42).len(count).op_flags(0x80000000).file_index(0x41),
        prep::tee(sqe, {.from_fd = 0x41, .from_is_direct = true, .to_fd = 0x42, .bytes = count}));
}

TEST(prep_pipe) {
    i32* const fds = pointer_of<i32>(address);
    CHECK_PREP(Image(62, 0).addr(address), prep::pipe(sqe, fds));
    CHECK_PREP(Image(62, 0).addr(address).op_flags(04000), prep::pipe(sqe, fds, 04000));
    CHECK_PREP(Image(62, 0).addr(address).file_index(8),
               prep::pipe_direct(sqe, fds, prep::slot(7)));
    CHECK_PREP(Image(62, 0).addr(address).file_index(0xffffffff).op_flags(04000),
               prep::pipe_direct(sqe, fds, prep::allocate, 04000));
}

// ---- Paths --------------------------------------------------------------------------------------

namespace {

// The flag that a 32-bit program needs for files beyond 2 GiB: its value differs on arm.
#if defined(__arm__)
constexpr u32 large_file = 0400000;
#elif defined(__i386__)
constexpr u32 large_file = 0100000;
#else
constexpr u32 large_file = 0;
#endif

} // namespace

TEST(prep_openat) {
    const prep::OpenOptions options = {.flags = 0x6241, .mode = 0640};
    const Image expected = Image(18, 33).addr(0x21324354).len(0640).op_flags(0x6241 | large_file);
    CHECK_PREP(expected, prep::openat(sqe, 33, old_name(), options));
    CHECK_PREP(Image(expected).i32_at(4, -100), prep::open(sqe, old_name(), options));
    CHECK_PREP(Image(expected).file_index(1),
               prep::openat_direct(sqe, 33, old_name(), options, prep::slot(0)));
    CHECK_PREP(Image(expected).file_index(0xffffffff),
               prep::openat_direct(sqe, 33, old_name(), options, prep::allocate));
    CHECK_PREP(Image(expected).i32_at(4, -100).file_index(6),
               prep::open_direct(sqe, old_name(), options, prep::slot(5)));
}

TEST(prep_openat2) {
    const auto* how = pointer_of<const abi::OpenHow>(0x31415161);
    const Image expected = Image(28, 33).addr(0x21324354).off(0x31415161).len(24);
    CHECK_PREP(expected, prep::openat2(sqe, 33, old_name(), how));
    CHECK_PREP(Image(expected).file_index(6),
               prep::openat2_direct(sqe, 33, old_name(), how, prep::slot(5)));
    CHECK_PREP(Image(expected).file_index(0xffffffff),
               prep::openat2_direct(sqe, 33, old_name(), how, prep::allocate));
}

TEST(prep_close) {
    CHECK_PREP(Image(19, 33), prep::close(sqe, 33));
    CHECK_PREP(Image(19, 0).file_index(34), prep::close_direct(sqe, 33));
    CHECK_PREP(Image(19, 0).file_index(1), prep::close_direct(sqe, 0));
    // Neither "an ordinary descriptor", which would close number 0, nor "choose one".
    CHECK_PREP(Image(19, 0).file_index(0xfffffffe), prep::close_direct(sqe, 0xffffffff));
}

TEST(prep_statx) {
    CHECK_PREP(Image(21, 33).addr(0x21324354).off(address).len(0xfff).op_flags(0x1100),
               prep::statx(sqe, 33, old_name(), {.flags = 0x1100, .mask = 0xfff},
                           pointer_of<abi::Statx>(address)));
}

TEST(prep_renameat_linkat) {
    const prep::PathPair pair = {.old_path = old_name(),
                                 .new_path = new_name(),
                                 .old_directory = 33,
                                 .new_directory = 44,
                                 .flags = 0x400};
    const Image expected = Image(35, 33).addr(0x21324354).off(0x61728394).len(44).op_flags(0x400);
    CHECK_PREP(expected, prep::renameat(sqe, pair));
    CHECK_PREP(Image(expected).u8_at(0, 39), prep::linkat(sqe, pair));
    const Image here = Image(35, -100).addr(0x21324354).off(0x61728394).len(static_cast<u32>(-100));
    CHECK_PREP(here, prep::renameat(sqe, {.old_path = old_name(), .new_path = new_name()}));
    CHECK_PREP(Image(here).u8_at(0, 39),
               prep::linkat(sqe, {.old_path = old_name(), .new_path = new_name()}));
}

TEST(prep_symlinkat) {
    CHECK_PREP(Image(38, 33).addr(0x21324354).off(0x61728394),
               prep::symlinkat(sqe, {.target = old_name(), .path = new_name(), .directory = 33}));
    CHECK_PREP(Image(38, -100).addr(0x21324354).off(0x61728394),
               prep::symlinkat(sqe, {.target = old_name(), .path = new_name()}));
}

TEST(prep_unlinkat_mkdirat) {
    CHECK_PREP(Image(36, 33).addr(0x21324354).op_flags(0x200),
               prep::unlinkat(sqe, 33, old_name(), 0x200));
    CHECK_PREP(Image(36, -100).addr(0x21324354), prep::unlink(sqe, old_name()));
    CHECK_PREP(Image(37, 33).addr(0x21324354).len(0750), prep::mkdirat(sqe, 33, old_name(), 0750));
    CHECK_PREP(Image(37, -100).addr(0x21324354).len(0750), prep::mkdir(sqe, old_name(), 0750));
}

TEST(prep_extended_attributes) {
    const prep::AttributeRead read = {.name = old_name(), .value = buffer(), .bytes = count};
    const prep::AttributeWrite write = {
        .name = old_name(), .value = buffer(), .bytes = count, .flags = 2};
    const Image image = Image(0, 0).addr(0x21324354).off(address).len(count);
    CHECK_PREP(Image(image).u8_at(0, 43).i32_at(4, 33), prep::fgetxattr(sqe, 33, read));
    CHECK_PREP(Image(image).u8_at(0, 44).addr3(0x61728394), prep::getxattr(sqe, new_name(), read));
    CHECK_PREP(Image(image).u8_at(0, 41).i32_at(4, 33).op_flags(2),
               prep::fsetxattr(sqe, 33, write));
    CHECK_PREP(Image(image).u8_at(0, 42).op_flags(2).addr3(0x61728394),
               prep::setxattr(sqe, new_name(), write));
}
