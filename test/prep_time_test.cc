// The entries that prep_time.h makes.
#include "../uring/prep_time.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

constexpr u32 address = 0x11223344;
constexpr u64 target = 0x1122334455667788;
constexpr u64 duration_ns = 0x1a1b1c1d1e1f2a2b;

const abi::Timespec* time() noexcept {
    return pointer_of<const abi::Timespec>(address);
}

} // namespace

TEST(prep_timeout) {
    CHECK_PREP(Image(11, -1).addr(address).len(1), prep::timeout(sqe, time()));
    CHECK_PREP(Image(11, -1).addr(address).len(1).off(0x89abcdef).op_flags(0x25),
               prep::timeout(sqe, time(), {.flags = 0x25, .completions = 0x89abcdef}));
    CHECK_PREP(Image(11, -1).addr(duration_ns).len(1).op_flags(0x80),
               prep::timeout_ns(sqe, duration_ns));
    CHECK_PREP(Image(11, -1).addr(duration_ns).len(1).off(3).op_flags(0xa0),
               prep::timeout_ns(sqe, duration_ns, {.flags = 0x20, .completions = 3}));
}

TEST(prep_timeout_multishot) {
    CHECK_PREP(Image(11, -1).addr(address).len(1).op_flags(0x40),
               prep::timeout_multishot(sqe, time()));
    CHECK_PREP(Image(11, -1).addr(address).len(1).off(9).op_flags(0x44),
               prep::timeout_multishot(sqe, time(), {.flags = 4, .repeats = 9}));
    CHECK_PREP(Image(11, -1).addr(duration_ns).len(1).off(9).op_flags(0xc4),
               prep::timeout_multishot_ns(sqe, duration_ns, {.flags = 4, .repeats = 9}));
}

TEST(prep_timeout_remove_and_update) {
    CHECK_PREP(Image(12, -1).addr(target), prep::timeout_remove(sqe, target));
    CHECK_PREP(Image(12, -1).addr(target).off(address).op_flags(0x02),
               prep::timeout_update(sqe, target, time()));
    CHECK_PREP(Image(12, -1).addr(target).off(address).op_flags(0x03),
               prep::timeout_update(sqe, target, time(), abi::timeout_flag::abs));
    CHECK_PREP(
        Image(12, -1).addr(target).off(duration_ns).op_flags(0x83),
        prep::timeout_update_ns(sqe, {.target = target, .time_ns = duration_ns, .flags = 1}));
}

TEST(prep_link_timeout) {
    CHECK_PREP(Image(15, -1).addr(address).len(1), prep::link_timeout(sqe, time()));
    CHECK_PREP(Image(15, -1).addr(address).len(1).op_flags(9), prep::link_timeout(sqe, time(), 9));
    CHECK_PREP(Image(15, -1).addr(duration_ns).len(1).op_flags(0x81),
               prep::link_timeout_ns(sqe, {.time_ns = duration_ns, .flags = 1}));
    CHECK_PREP(Image(12, -1).addr(target).off(address).op_flags(0x13),
               prep::link_timeout_update(sqe, target, time(), abi::timeout_flag::abs));
    CHECK_PREP(Image(12, -1).addr(target).off(duration_ns).op_flags(0x92),
               prep::link_timeout_update_ns(sqe, {.target = target, .time_ns = duration_ns}));
}

TEST(prep_async_cancel) {
    using prep::CancelScope;
    CHECK_PREP(Image(14, -1).addr(target), prep::async_cancel(sqe, target));
    CHECK_PREP(Image(14, -1).addr(target).op_flags(1),
               prep::async_cancel(sqe, target, CancelScope::all));
    CHECK_PREP(Image(14, 33).op_flags(2), prep::async_cancel_fd(sqe, 33));
    CHECK_PREP(Image(14, 33).op_flags(3), prep::async_cancel_fd(sqe, 33, CancelScope::all));
    CHECK_PREP(Image(14, 33).op_flags(10), prep::async_cancel_direct(sqe, 33));
    CHECK_PREP(Image(14, 33).op_flags(11), prep::async_cancel_direct(sqe, 33, CancelScope::all));
    CHECK_PREP(Image(14, -1).op_flags(4), prep::async_cancel_any(sqe));
    CHECK_PREP(Image(14, -1).len(27).op_flags(32),
               prep::async_cancel_opcode(sqe, abi::Opcode::recv));
    CHECK_PREP(Image(14, -1).len(27).op_flags(33),
               prep::async_cancel_opcode(sqe, abi::Opcode::recv, CancelScope::all));
    CHECK_PREP(Image(14, 33).addr(target).len(26).op_flags(0x33),
               prep::async_cancel_match(
                   sqe, {.flags = 0x33, .target = target, .fd = 33, .opcode = abi::Opcode::send}));
}
