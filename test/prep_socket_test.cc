// The entries that prep_socket.h and prep_send.h make.
#include "../uring/prep_socket.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

constexpr u32 address = 0x11223344;
constexpr u32 count = 0x51627384;
constexpr u16 group = 0xa1b2;

void* buffer() noexcept {
    return pointer_of<void>(address);
}
const abi::IoVec* vector() noexcept {
    return pointer_of<const abi::IoVec>(address);
}
abi::MessageHeader* message() noexcept {
    return pointer_of<abi::MessageHeader>(address);
}

Image transfer(u8 opcode) noexcept {
    return Image(opcode, 33).addr(address).len(count);
}

} // namespace

TEST(prep_socket) {
    const prep::SocketKind kind = {.family = 10, .type = 02004001, .protocol = 262};
    const Image expected = Image(45, 10).off(02004001).len(262);
    CHECK_PREP(expected, prep::socket(sqe, kind));
    CHECK_PREP(Image(expected).file_index(4), prep::socket_direct(sqe, kind, prep::slot(3)));
    CHECK_PREP(Image(expected).file_index(0xffffffff), prep::socket_direct(sqe, kind));
}

TEST(prep_connection) {
    CHECK_PREP(Image(56, 33).addr(address).off(28), prep::bind(sqe, 33, buffer(), 28));
    CHECK_PREP(Image(57, 33).len(4096), prep::listen(sqe, 33, 4096));
    CHECK_PREP(Image(16, 33).addr(address).off(28), prep::connect(sqe, 33, buffer(), 28));
    CHECK_PREP(Image(34, 33).len(2), prep::shutdown(sqe, 33, 2));
}

TEST(prep_accept) {
    const prep::AcceptOptions options = {
        .address = buffer(), .address_bytes = pointer_of<u32>(0x21324354), .flags = 02004000};
    const Image expected = Image(13, 33).addr(address).off(0x21324354).op_flags(02004000);
    CHECK_PREP(Image(13, 33), prep::accept(sqe, 33));
    CHECK_PREP(expected, prep::accept(sqe, 33, options));
    CHECK_PREP(Image(expected).file_index(8), prep::accept_direct(sqe, 33, prep::slot(7), options));
    CHECK_PREP(Image(13, 33).file_index(0xffffffff), prep::accept_direct(sqe, 33, prep::allocate));
    CHECK_PREP(Image(expected).ioprio(1), prep::accept_multishot(sqe, 33, options));
    CHECK_PREP(Image(expected).ioprio(1).file_index(0xffffffff),
               prep::accept_multishot_direct(sqe, 33, options));
    CHECK_PREP(Image(13, 33).ioprio(2), prep::accept(sqe, 33, {.dont_wait = true}));
    CHECK_PREP(Image(13, 33).ioprio(5), prep::accept_multishot(sqe, 33, {.poll_first = true}));
}

TEST(prep_recv) {
    CHECK_PREP(transfer(27), prep::recv(sqe, 33, buffer(), count));
    CHECK_PREP(transfer(27).op_flags(0x102).ioprio(1),
               prep::recv(sqe, 33, buffer(), count, {.flags = 0x102, .poll_first = true}));
    CHECK_PREP(transfer(27).addr(0).flags(0x20).buf_index(group).ioprio(0x10),
               prep::recv_bundle(sqe, 33, group, count));
    CHECK_PREP(Image(27, 33).flags(0x20).buf_index(group).ioprio(0x11).op_flags(2),
               prep::recv_bundle(sqe, 33, group, 0, {.flags = 2, .poll_first = true}));
}

TEST(prep_recv_multishot) {
    CHECK_PREP(Image(27, 33).flags(0x20).buf_index(group).ioprio(2),
               prep::recv_multishot(sqe, 33, group));
    CHECK_PREP(Image(27, 33)
                   .flags(0x20)
                   .buf_index(group)
                   .ioprio(0x13)
                   .op_flags(0x40)
                   .len(0x1234567)
                   .file_index(0x89abcdef),
               prep::recv_multishot(sqe, 33, group,
                                    {.flags = 0x40,
                                     .poll_first = true,
                                     .bundle = true,
                                     .bytes_each = 0x1234567,
                                     .bytes_total = 0x89abcdef}));
}

TEST(prep_recvmsg) {
    const Image expected = Image(10, 33).addr(address).len(1);
    CHECK_PREP(expected, prep::recvmsg(sqe, 33, message()));
    CHECK_PREP(Image(expected).op_flags(0x20).ioprio(1),
               prep::recvmsg(sqe, 33, message(), {.flags = 0x20, .poll_first = true}));
    CHECK_PREP(Image(expected).op_flags(0x20).ioprio(2).flags(0x20).buf_index(group),
               prep::recvmsg_multishot(sqe, 33, message(), group, {.flags = 0x20}));
}

TEST(prep_recv_zc) {
    CHECK_PREP(Image(58, 33).ioprio(2).file_index(0x61728394),
               prep::recv_zc(sqe, 33, {.interface_queue = 0x61728394}));
    CHECK_PREP(Image(58, 33).ioprio(3).file_index(0x61728394).len(count),
               prep::recv_zc(sqe, 33,
                             {.interface_queue = 0x61728394, .bytes = count, .poll_first = true}));
}

TEST(prep_send) {
    CHECK_PREP(transfer(26), prep::send(sqe, 33, buffer(), count));
    CHECK_PREP(transfer(26).op_flags(0x8100).ioprio(1),
               prep::send(sqe, 33, buffer(), count, {.flags = 0x8100, .poll_first = true}));
    CHECK_PREP(transfer(26).op_flags(0x100).ioprio(0x20),
               prep::send_vectorized(sqe, 33, vector(), count, {.flags = 0x100}));
    CHECK_PREP(Image(26, 33).flags(0x20).buf_index(group).ioprio(0x10),
               prep::send_bundle(sqe, 33, group));
    CHECK_PREP(transfer(26).addr(0).flags(0x20).buf_index(group).ioprio(0x11).op_flags(0x100),
               prep::send_bundle(sqe, 33, group, count, {.flags = 0x100, .poll_first = true}));
}

TEST(prep_sendto) {
    const void* const to = pointer_of<const void>(0x21324354);
    const Image expected = transfer(26).op_flags(0x40).off(0x21324354).u16_at(44, 0x6e);
    CHECK_PREP(expected, prep::sendto(sqe, 33, buffer(), count,
                                      {.address = to, .address_bytes = 0x6e}, {.flags = 0x40}));
    CHECK_PREP(expected, prep::send_to_address(sqe, to, 0x6e);
               prep::send(sqe, 33, buffer(), count, {.flags = 0x40}));
    CHECK_PREP(Image(expected).u8_at(0, 47).ioprio(0x04).buf_index(group),
               prep::send_to_address(sqe, to, 0x6e);
               prep::send_zc_fixed(sqe, 33, buffer(), count, group, {.flags = 0x40}));
}

TEST(prep_sendmsg) {
    const Image expected = Image(9, 33).addr(address).len(1);
    CHECK_PREP(expected, prep::sendmsg(sqe, 33, message()));
    CHECK_PREP(Image(expected).op_flags(0x40).ioprio(1),
               prep::sendmsg(sqe, 33, message(), {.flags = 0x40, .poll_first = true}));
}

TEST(prep_send_zero_copy) {
    const prep::ZeroCopySendOptions options = {
        .flags = 0x40, .poll_first = true, .report_usage = true};
    const Image plain = transfer(47).op_flags(0x40).ioprio(0x09);
    CHECK_PREP(transfer(47), prep::send_zc(sqe, 33, buffer(), count));
    CHECK_PREP(plain, prep::send_zc(sqe, 33, buffer(), count, options));
    CHECK_PREP(Image(plain).ioprio(0x0d).buf_index(group),
               prep::send_zc_fixed(sqe, 33, buffer(), count, group, options));
    CHECK_PREP(Image(plain).ioprio(0x29),
               prep::send_zc_vectorized(sqe, 33, vector(), count, options));
    CHECK_PREP(Image(plain).u8_at(0, 48).len(1), prep::sendmsg_zc(sqe, 33, message(), options));
    CHECK_PREP(Image(plain).u8_at(0, 48).len(1).ioprio(0x0d).buf_index(group),
               prep::sendmsg_zc_fixed(sqe, 33, message(), group, options));
}

TEST(prep_socket_command) {
    const Image expected =
        Image(46, 33).u32_at(8, 3).u32_at(16, 0x41).u32_at(20, 0x52).file_index(0x63).addr3(
            address);
    CHECK_PREP(expected, prep::socket_command(sqe, 33,
                                              {.command = abi::SocketCommand::setsockopt,
                                               .level = 0x41,
                                               .name = 0x52,
                                               .value = buffer(),
                                               .value_bytes = 0x63}));
    CHECK_PREP(
        expected,
        prep::setsockopt(sqe, 33, {.level = 0x41, .name = 0x52, .value = buffer(), .bytes = 0x63}));
    CHECK_PREP(
        Image(expected).u32_at(8, 2),
        prep::getsockopt(sqe, 33, {.level = 0x41, .name = 0x52, .value = buffer(), .bytes = 0x63}));
    CHECK_PREP(Image(46, 33), prep::socket_bytes_readable(sqe, 33));
    CHECK_PREP(Image(46, 33).u32_at(8, 1), prep::socket_bytes_unsent(sqe, 33));
    CHECK_PREP(Image(46, 33).u32_at(8, 4), prep::socket_tx_timestamp(sqe, 33));
}

TEST(prep_getsockname) {
    u32* const bytes = pointer_of<u32>(0x21324354);
    const Image expected = Image(46, 33).u32_at(8, 5).addr(address).addr3(0x21324354);
    CHECK_PREP(expected, prep::getsockname(sqe, 33, buffer(), bytes));
    CHECK_PREP(Image(expected).file_index(1),
               prep::getsockname(sqe, 33, buffer(), bytes, prep::SocketEnd::peer));
}
