// Random programs, on every engine, must get the same results: differential.h.
#include "differential.h"

namespace oxbow::test {
namespace {

using differential::Profile;

/// Fresh ones in every run.
VARIANT_TEST(differential, differential::profiles) {
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
