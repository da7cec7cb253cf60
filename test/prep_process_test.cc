// The entries that prep_process.h makes.
#include "../uring/prep_process.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

constexpr u32 address = 0x11223344;

const u32* word() noexcept {
    return pointer_of<const u32>(address);
}

} // namespace

TEST(prep_waitid) {
    CHECK_PREP(Image(50, 4321).len(3).off(address).file_index(0x01000004),
               prep::waitid(sqe, {.kind = 3,
                                  .id = 4321,
                                  .options = 0x01000004,
                                  .info = pointer_of<abi::SignalInfo>(address)}));
}

TEST(prep_futex_wait) {
    CHECK_PREP(Image(51, 0x82).addr(address).off(7).addr3(0xffffffff),
               prep::futex_wait(sqe, word(), {.value = 7}));
    CHECK_PREP(
        Image(51, 0x02).addr(address).off(0xfedcba98).addr3(0x61728394),
        prep::futex_wait(sqe, word(), {.value = 0xfedcba98, .mask = 0x61728394, .flags = 2}));
}

TEST(prep_futex_wake) {
    CHECK_PREP(Image(52, 0x82).addr(address).off(1).addr3(0xffffffff),
               prep::futex_wake(sqe, word()));
    CHECK_PREP(
        Image(52, 0x02).addr(address).off(0x7fffffff).addr3(0x61728394),
        prep::futex_wake(sqe, word(), {.count = 0x7fffffff, .mask = 0x61728394, .flags = 2}));
}

TEST(prep_futex_waitv) {
    CHECK_PREP(Image(53, 0).addr(address).len(128),
               prep::futex_waitv(sqe, pointer_of<const abi::FutexWaiter>(address), 128));
}
