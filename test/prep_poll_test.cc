// The entries that prep_poll.h makes, and the poll mask in both byte orders.
#include "../uring/prep_poll.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

constexpr u32 events = 0x80042001;

static_assert(prep::poll_mask_word<prep::ByteOrder::little>(events) == 0x80042001);
static_assert(prep::poll_mask_word<prep::ByteOrder::big>(events) == 0x20018004);

// The old 16-bit field is the first half of the word in memory, whatever the byte order.
Image poll(u8 opcode, i32 fd) noexcept {
    return Image(opcode, fd).u16_at(28, 0x2001).u16_at(30, 0x8004);
}

/// Where the byte at `index` of the word ends up in memory, on a machine of either order.
u8 stored_byte(u32 word, prep::ByteOrder order, u32 index) noexcept {
    const u32 shift = order == prep::ByteOrder::big ? 24 - 8 * index : 8 * index;
    return static_cast<u8>(word >> shift);
}

} // namespace

TEST(prep_poll_mask_in_both_byte_orders) {
    // What a kernel reads as its 16-bit field, in its own order, must be the low half of the mask;
    // and the 32-bit word that it unscrambles must be the whole of it.
    const u32 little = prep::poll_mask_word<prep::ByteOrder::little>(events);
    CHECK_EQ(u32{stored_byte(little, prep::ByteOrder::little, 0)}, 0x01u);
    CHECK_EQ(u32{stored_byte(little, prep::ByteOrder::little, 1)}, 0x20u);
    const u32 big = prep::poll_mask_word<prep::ByteOrder::big>(events);
    CHECK_EQ(u32{stored_byte(big, prep::ByteOrder::big, 0)}, 0x20u);
    CHECK_EQ(u32{stored_byte(big, prep::ByteOrder::big, 1)}, 0x01u);
    CHECK_EQ(prep::poll_mask_word<prep::ByteOrder::big>(big), events);
    CHECK_EQ(prep::poll_mask_word(events),
             prep::native_byte_order == prep::ByteOrder::big ? u32{0x20018004} : u32{0x80042001});
}

TEST(prep_poll_add) {
    CHECK_PREP(poll(6, 33), prep::poll_add(sqe, 33, events));
    CHECK_PREP(poll(6, 33).len(1), prep::poll_multishot(sqe, 33, events));
}

TEST(prep_poll_remove) {
    CHECK_PREP(Image(7, -1).addr(0x1122334455667788), prep::poll_remove(sqe, 0x1122334455667788));
}

TEST(prep_poll_update) {
    constexpr u64 target = 0x1122334455667788;
    constexpr u64 user_data = 0x99aabbccddeeff00;
    CHECK_PREP(poll(7, -1).addr(target).off(user_data).len(7),
               prep::poll_update(sqe, {.target = target,
                                       .change_user_data = true,
                                       .user_data = user_data,
                                       .change_events = true,
                                       .events = events,
                                       .multishot = true}));
    CHECK_PREP(poll(7, -1).addr(target).len(2), prep::poll_update(sqe, {.target = target,
                                                                        .user_data = user_data,
                                                                        .change_events = true,
                                                                        .events = events}));
    // The kernel refuses events, or the multishot bit, without the change of events.
    CHECK_PREP(Image(7, -1).addr(target).off(user_data).len(4),
               prep::poll_update(sqe, {.target = target,
                                       .change_user_data = true,
                                       .user_data = user_data,
                                       .events = events,
                                       .multishot = true}));
}

TEST(prep_epoll) {
    CHECK_PREP(Image(29, 33).addr(0x11223344).len(3).off(44),
               prep::epoll_ctl(sqe, {.epoll_fd = 33,
                                     .operation = 3,
                                     .fd = 44,
                                     .event = pointer_of<const abi::EpollEvent>(0x11223344)}));
    CHECK_PREP(Image(59, 33).addr(0x11223344).len(64),
               prep::epoll_wait(sqe, 33, pointer_of<abi::EpollEvent>(0x11223344), 64));
}
