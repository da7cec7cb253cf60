// The entries that prep_ring.h and prep_entry.h make, and that no operation was forgotten.
#include "../uring/prep.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;
using prep::DirectDescriptor;

namespace {

constexpr u32 no_slot = 0xfffffffe; // an encoded slot that no table can have

static_assert(prep::slot(0).encoded() == 1);
static_assert(prep::slot(41).encoded() == 42);
static_assert(prep::slot(0xfffffffc).encoded() == 0xfffffffd);
static_assert(prep::slot(0xfffffffd).encoded() == no_slot);
static_assert(prep::slot(0xfffffffe).encoded() == no_slot, "must not mean `choose one`");
static_assert(prep::slot(0xffffffff).encoded() == no_slot, "must not mean `ordinary descriptor`");
static_assert(prep::allocate.encoded() == 0xffffffff);
static_assert(DirectDescriptor::allocate().encoded() == abi::file_index_alloc);
static_assert(!__is_constructible(DirectDescriptor, u32), "an index must be wrapped by slot()");

} // namespace

TEST(prep_entry_flags) {
    const Image none(0, 0);
    CHECK_PREP(Image(none).flags(0x01), prep::fixed_file(sqe));
    CHECK_PREP(Image(none).flags(0x02), prep::drain(sqe));
    CHECK_PREP(Image(none).flags(0x04), prep::link(sqe));
    CHECK_PREP(Image(none).flags(0x08), prep::hardlink(sqe));
    CHECK_PREP(Image(none).flags(0x10), prep::async(sqe));
    CHECK_PREP(Image(none).flags(0x20).buf_index(0x1234), prep::select_buffer(sqe, 0x1234));
    CHECK_PREP(Image(none).flags(0x40), prep::skip_success(sqe));
    abi::Sqe sqe = {};
    prep::personality(sqe, 0x4321);
    CHECK_BYTES(&sqe, Image(none).personality(0x4321).bytes(), sizeof sqe);
}

TEST(prep_entry_flags_in_any_order) {
    const Image expected = Image(27, 9).flags(0x3d).buf_index(7).len(100);
    CHECK_PREP(expected, prep::link(sqe); prep::fixed_file(sqe); prep::select_buffer(sqe, 7);
               prep::recv(sqe, 9, nullptr, 100); prep::async(sqe); prep::hardlink(sqe));
    CHECK_PREP(expected, prep::recv(sqe, 9, nullptr, 100); prep::select_buffer(sqe, 7);
               prep::hardlink(sqe); prep::async(sqe); prep::fixed_file(sqe); prep::link(sqe));
}

TEST(prep_any) {
    CHECK_PREP(Image(200, -3).addr(0x11223344).len(0x55667788).off(0x99aabbccddeeff00),
               prep::any(sqe, {.opcode = static_cast<abi::Opcode>(200),
                               .fd = -3,
                               .address = pointer_of<void>(0x11223344),
                               .length = 0x55667788,
                               .offset = 0x99aabbccddeeff00}));
}

TEST(prep_nop) {
    CHECK_PREP(Image(0, 0), prep::nop(sqe)); // the zeroed entry itself
    CHECK_PREP(Image(63, -1), prep::nop128(sqe));
}

TEST(prep_nop_options) {
    CHECK_PREP(Image(0, -1).op_flags(1).len(static_cast<u32>(-5)),
               prep::nop(sqe, {.flags = abi::nop_flag::inject_result, .result = -5}));
    const prep::NopOptions all = {.flags = 0x3f,
                                  .result = 0x12345678,
                                  .fd = 77,
                                  .buffer_index = 0xabc,
                                  .extra = {0x0102030405060708, 0x1112131415161718}};
    const Image expected = Image(0, 77)
                               .off(0x0102030405060708)
                               .addr(0x1112131415161718)
                               .len(0x12345678)
                               .op_flags(0x3f)
                               .buf_index(0xabc);
    CHECK_PREP(expected, prep::nop(sqe, all));
    CHECK_PREP(Image(expected).u8_at(0, 63), prep::nop128(sqe, all));
    CHECK_PREP(Image(0, 77).op_flags(2),
               prep::nop(sqe, {.flags = abi::nop_flag::file, .fd = 77, .buffer_index = 5}));
}

TEST(prep_msg_ring) {
    const prep::RingMessage message = {.user_data = 0x1122334455667788, .result = -19};
    const Image expected =
        Image(40, 21).off(0x1122334455667788).len(static_cast<u32>(-19)).op_flags(0);
    CHECK_PREP(expected, prep::msg_ring(sqe, 21, message));
    CHECK_PREP(Image(expected).op_flags(2).file_index(0xcafe0001),
               prep::msg_ring_cqe_flags(sqe, 21, message, 0xcafe0001));
}

TEST(prep_msg_ring_fd) {
    const Image expected = Image(40, 21).addr(1).off(0x1122334455667788).addr3(0x80000003);
    CHECK_PREP(
        Image(expected).file_index(13),
        prep::msg_ring_fd(
            sqe, 21,
            {.source = 0x80000003, .target = prep::slot(12), .user_data = 0x1122334455667788}));
    CHECK_PREP(
        Image(expected).file_index(0xffffffff).op_flags(1),
        prep::msg_ring_fd(
            sqe, 21,
            {.source = 0x80000003, .user_data = 0x1122334455667788, .without_completion = true}));
}

TEST(prep_files_update) {
    CHECK_PREP(
        Image(20, -1).addr(0x11223344).len(5).off(0x89abcdef),
        prep::files_update(
            sqe, {.fds = pointer_of<i32>(0x11223344), .count = 5, .first_slot = 0x89abcdef}));
    CHECK_PREP(Image(20, -1).addr(0x11223344).len(6).off(0xffffffff),
               prep::files_update_allocate(sqe, pointer_of<i32>(0x11223344), 6));
}

TEST(prep_fixed_fd_install) {
    CHECK_PREP(Image(54, 17).flags(0x01), prep::fixed_fd_install(sqe, 17));
    CHECK_PREP(Image(54, 18).flags(0x01).op_flags(1),
               prep::fixed_fd_install(sqe, 18, prep::OnExec::keep));
}

TEST(prep_provide_buffers) {
    CHECK_PREP(Image(31, 300).addr(0x11223344).len(4096).off(0x2345).buf_index(0x6789),
               prep::provide_buffers(sqe, {.memory = pointer_of<void>(0x11223344),
                                           .bytes_each = 4096,
                                           .count = 300,
                                           .group = 0x6789,
                                           .first_id = 0x2345}));
    CHECK_PREP(Image(32, 301).buf_index(0x6789),
               prep::remove_buffers(sqe, {.count = 301, .group = 0x6789}));
}

namespace {

using Prepare = void (*)(abi::Sqe& sqe);

// One prep per opcode, in the order of the numbers.
constexpr Prepare every_opcode[] = {
    [](abi::Sqe& sqe) { prep::nop(sqe); },
    [](abi::Sqe& sqe) { prep::readv(sqe, 0, nullptr, 0, 0); },
    [](abi::Sqe& sqe) { prep::writev(sqe, 0, nullptr, 0, 0); },
    [](abi::Sqe& sqe) { prep::fsync(sqe, 0); },
    [](abi::Sqe& sqe) { prep::read_fixed(sqe, 0, nullptr, 0, 0, 0); },
    [](abi::Sqe& sqe) { prep::write_fixed(sqe, 0, nullptr, 0, 0, 0); },
    [](abi::Sqe& sqe) { prep::poll_add(sqe, 0, 0); },
    [](abi::Sqe& sqe) { prep::poll_remove(sqe, 0); },
    [](abi::Sqe& sqe) { prep::sync_file_range(sqe, 0, {}); },
    [](abi::Sqe& sqe) { prep::sendmsg(sqe, 0, nullptr); },
    [](abi::Sqe& sqe) { prep::recvmsg(sqe, 0, nullptr); },
    [](abi::Sqe& sqe) { prep::timeout(sqe, nullptr); },
    [](abi::Sqe& sqe) { prep::timeout_remove(sqe, 0); },
    [](abi::Sqe& sqe) { prep::accept(sqe, 0); },
    [](abi::Sqe& sqe) { prep::async_cancel(sqe, 0); },
    [](abi::Sqe& sqe) { prep::link_timeout(sqe, nullptr); },
    [](abi::Sqe& sqe) { prep::connect(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::fallocate(sqe, 0, {}); },
    [](abi::Sqe& sqe) { prep::openat(sqe, 0, nullptr, {}); },
    [](abi::Sqe& sqe) { prep::close(sqe, 0); },
    [](abi::Sqe& sqe) { prep::files_update(sqe, {}); },
    [](abi::Sqe& sqe) { prep::statx(sqe, 0, nullptr, {}, nullptr); },
    [](abi::Sqe& sqe) { prep::read(sqe, 0, nullptr, 0, 0); },
    [](abi::Sqe& sqe) { prep::write(sqe, 0, nullptr, 0, 0); },
    [](abi::Sqe& sqe) { prep::fadvise(sqe, 0, {}, 0); },
    [](abi::Sqe& sqe) { prep::madvise(sqe, nullptr, 0, 0); },
    [](abi::Sqe& sqe) { prep::send(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::recv(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::openat2(sqe, 0, nullptr, nullptr); },
    [](abi::Sqe& sqe) { prep::epoll_ctl(sqe, {}); },
    [](abi::Sqe& sqe) { prep::splice(sqe, {}); },
    [](abi::Sqe& sqe) { prep::provide_buffers(sqe, {}); },
    [](abi::Sqe& sqe) { prep::remove_buffers(sqe, {}); },
    [](abi::Sqe& sqe) { prep::tee(sqe, {}); },
    [](abi::Sqe& sqe) { prep::shutdown(sqe, 0, 0); },
    [](abi::Sqe& sqe) { prep::renameat(sqe, {}); },
    [](abi::Sqe& sqe) { prep::unlinkat(sqe, 0, nullptr); },
    [](abi::Sqe& sqe) { prep::mkdirat(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::symlinkat(sqe, {}); },
    [](abi::Sqe& sqe) { prep::linkat(sqe, {}); },
    [](abi::Sqe& sqe) { prep::msg_ring(sqe, 0, {}); },
    [](abi::Sqe& sqe) { prep::fsetxattr(sqe, 0, {}); },
    [](abi::Sqe& sqe) { prep::setxattr(sqe, nullptr, {}); },
    [](abi::Sqe& sqe) { prep::fgetxattr(sqe, 0, {}); },
    [](abi::Sqe& sqe) { prep::getxattr(sqe, nullptr, {}); },
    [](abi::Sqe& sqe) { prep::socket(sqe, {}); },
    [](abi::Sqe& sqe) { prep::uring_cmd(sqe, 0, 0); },
    [](abi::Sqe& sqe) { prep::send_zc(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::sendmsg_zc(sqe, 0, nullptr); },
    [](abi::Sqe& sqe) { prep::read_multishot(sqe, 0, 0); },
    [](abi::Sqe& sqe) { prep::waitid(sqe, {}); },
    [](abi::Sqe& sqe) { prep::futex_wait(sqe, nullptr, {}); },
    [](abi::Sqe& sqe) { prep::futex_wake(sqe, nullptr); },
    [](abi::Sqe& sqe) { prep::futex_waitv(sqe, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::fixed_fd_install(sqe, 0); },
    [](abi::Sqe& sqe) { prep::ftruncate(sqe, 0, 0); },
    [](abi::Sqe& sqe) { prep::bind(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::listen(sqe, 0, 0); },
    [](abi::Sqe& sqe) { prep::recv_zc(sqe, 0, {}); },
    [](abi::Sqe& sqe) { prep::epoll_wait(sqe, 0, nullptr, 0); },
    [](abi::Sqe& sqe) { prep::readv_fixed(sqe, 0, nullptr, 0, 0, 0); },
    [](abi::Sqe& sqe) { prep::writev_fixed(sqe, 0, nullptr, 0, 0, 0); },
    [](abi::Sqe& sqe) { prep::pipe(sqe, nullptr); },
    [](abi::Sqe& sqe) { prep::nop128(sqe); },
    [](abi::Sqe& sqe) { prep::uring_cmd128(sqe, 0, 0); },
};
static_assert(sizeof every_opcode / sizeof every_opcode[0] == 65);

} // namespace

TEST(prep_covers_every_opcode) {
    for (u32 opcode = 0; opcode < 65; ++opcode) {
        abi::Sqe sqe = {};
        every_opcode[opcode](sqe);
        CHECK_EQ(u32{sqe.opcode}, opcode);
    }
}
