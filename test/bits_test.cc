// The positions of bits, where the machine has an instruction for them and where it has none.
#include "../loop/bits.h"
#include "harness.h"

namespace oxbow::test {
namespace {

static_assert(highest_bit(1) == 0 && highest_bit(~u64{0}) == 63);
static_assert(lowest_bit(1) == 0 && lowest_bit(u64{1} << 63) == 63);

TEST(bits_highest_and_lowest) {
    Random random;
    for (u32 bit = 0; bit < 64; ++bit) {
        const u64 one = u64{1} << bit;
        for (u32 i = 0; i < 100; ++i) {
            const u64 below = one | (random.next() & (one - 1));
            CHECK_EQ(highest_bit(below), bit);
            CHECK_EQ(highest_bit_portable(below), bit);
            const u64 above = one | (random.next() & ~(one - 1));
            CHECK_EQ(lowest_bit(above), bit);
            CHECK_EQ(highest_bit_portable(above & (0 - above)), bit);
        }
    }
}

} // namespace
} // namespace oxbow::test
