// Random programs, on every engine, must get the same results: differential.h.
#include "differential.h"

namespace oxbow::test {
namespace {

using differential::Profile;

/// The same ones in every run, so that what is built is what decides. make fuzz draws others.
VARIANT_TEST(differential, differential::profiles) {
    const Resources before = resources();
    Random random(0x0b0b0b0b);
    differential::run_programs(random, row, 250);
    CHECK_SAME_RESOURCES(before);
}

/// Fresh ones: of the seed of this run.
HIDDEN_VARIANT_TEST(differential_fresh, differential::profiles) {
    const Resources before = resources();
    Random random;
    differential::run_programs(random, row, 250);
    CHECK_SAME_RESOURCES(before);
}

struct Failure {
    u32 profile; ///< number in `profiles`
    u64 seed;
};

/// Programs on which engines have disagreed once.
constexpr Failure past_failures[] = {
    {0, 1},
};

TEST(differential_past_failures) {
    for (const Failure& failure : past_failures) {
        differential::run_seed(failure.seed, differential::profiles[failure.profile]);
    }
}

} // namespace
} // namespace oxbow::test
