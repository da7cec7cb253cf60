// The entries that prep_command.h makes, of 64 and of 128 bytes.
#include "../uring/prep_command.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

TEST(prep_uring_cmd) {
    CHECK_PREP(Image(46, 33).u32_at(8, 0xc0484e80), prep::uring_cmd(sqe, 33, 0xc0484e80));
    CHECK_PREP(Image(64, 33).u32_at(8, 0xc0484e80), prep::uring_cmd128(sqe, 33, 0xc0484e80));
}

TEST(prep_uring_cmd_flags) {
    const Image fixed = Image(46, 33).u32_at(8, 0x1234).op_flags(1).buf_index(0xa1b2);
    CHECK_PREP(fixed, prep::uring_cmd(sqe, 33, 0x1234); prep::command_fixed_buffer(sqe, 0xa1b2));
    CHECK_PREP(fixed, prep::command_fixed_buffer(sqe, 0xa1b2); prep::uring_cmd(sqe, 33, 0x1234));
    const Image multishot =
        Image(46, 33).u32_at(8, 0x1234).op_flags(2).buf_index(0xa1b2).flags(0x20);
    CHECK_PREP(multishot, prep::uring_cmd(sqe, 33, 0x1234); prep::command_multishot(sqe, 0xa1b2));
    CHECK_PREP(multishot, prep::command_multishot(sqe, 0xa1b2); prep::uring_cmd(sqe, 33, 0x1234));
}

TEST(prep_uring_cmd_payload) {
    Image expected = Image(64, 33).u32_at(8, 0x1234);
    for (u8 i = 0; i < prep::big_command_payload_bytes; ++i) {
        expected.u8_at(48 + usize{i}, static_cast<u8>(i + 1));
    }
    struct {
        abi::Sqe head;
        u8 rest[64];
    } entry = {};
    static_assert(sizeof entry == 128);
    u8* const payload = static_cast<u8*>(prep::command_payload(entry.head));
    CHECK_EQ(reinterpret_cast<uptr>(payload), reinterpret_cast<uptr>(&entry) + 48);
    CHECK_EQ(prep::command_payload_bytes, 64u - 48u);
    CHECK_EQ(prep::big_command_payload_bytes, 128u - 48u);
    // Through the whole object, since that is what the ring hands out.
    u8* const bytes = reinterpret_cast<u8*>(&entry) + (payload - reinterpret_cast<u8*>(&entry));
    for (u32 i = 0; i < prep::big_command_payload_bytes; ++i) {
        bytes[i] = static_cast<u8>(i + 1);
    }
    prep::uring_cmd128(entry.head, 33, 0x1234); // after its payload: it must survive
    CHECK_BYTES(&entry, expected.bytes(), sizeof entry);
}

namespace {

#if defined(__powerpc__) || defined(__mips__) || defined(__sparc__) || defined(__alpha__)
constexpr u32 no_data = 0x20000000; // how these machines say that an ioctl carries nothing
#else
constexpr u32 no_data = 0;
#endif

} // namespace

TEST(prep_block_commands) {
    CHECK_PREP(
        Image(46, 33)
            .u32_at(8, no_data | 0x1200)
            .addr(0x0102030405060708)
            .addr3(0x1112131415161718),
        prep::block_discard(sqe, 33, {.offset = 0x0102030405060708, .bytes = 0x1112131415161718}));
    CHECK_PREP(Image(46, 33).u32_at(8, no_data | 0x1201), prep::block_zone_reset_all(sqe, 33));
}
