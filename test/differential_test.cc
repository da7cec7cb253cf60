// Random programs, on every engine, must get the same results: differential.h.
#include "differential.h"

namespace oxbow::test {
namespace {

using differential::Profile;

/// The same ones in every run, so that what is built is what decides. make fuzz draws others.
VARIANT_TEST(differential, differential::profiles) {
    const Resources before = resources();
    Random random(0x0b0b0b0b);
    differential::run_programs(random, row, effort(250));
    CHECK_SAME_RESOURCES(before);
}

/// Fresh ones: of the seed of this run.
HIDDEN_VARIANT_TEST(differential_fresh, differential::profiles) {
    const Resources before = resources();
    Random random;
    differential::run_programs(random, row, effort(250));
    CHECK_SAME_RESOURCES(before);
}

struct Failure {
    u32 profile; ///< number in `profiles`
    u64 seed;
};

/// Programs on which engines have disagreed once, with what was wrong.
constexpr Failure past_failures[] = {
    {0, 0x4cd3b241f61289ee}, // io_uring told rdhup to a poll that had not asked for it
    {0, 0x7e4fcb3d560d7124}, // poll_multishot without end on rings that have none
    {0, 0x344bdcdeb726eecc}, // chained operations that never began were counted once
    {1, 0xe01d19a0c38464f8}, // a cancel that got lost in a thread of the kernel's
    {1, 0xe7726e8eae5296e9}, // a writev to a blocking pipe that wrote its first piece only
    {2, 0x939b240d41a517ca}, // a write of nothing sent an empty datagram on io_uring
    {2, 0xba5c30713aac8bd0}, // splices between pipes that others read
    {3, 0xbe25d07c4cbd12c3}, // a pread_all that met the end did not say so on a worker
    {3, 0xe00f4ac187a59b69}, // a pread of a file got only what was in memory on epoll
    {3, 0xbcece14ce1503543}, // the same, with a number that had been a socket's
    {3, 0x3b02321cda1894a0}, // a read into a pool of a file that is not in memory, on old rings
    {1, 0xb68de497673b2ad1}, // a counter that was written while its chained read began
    {3, 0x74fb0087a079564b}, // a close of a file that cancelled itself on its way to a worker
};

TEST(differential_past_failures) {
    for (const Failure& failure : past_failures) {
        differential::run_seed(failure.seed, differential::profiles[failure.profile]);
    }
}

} // namespace
} // namespace oxbow::test
