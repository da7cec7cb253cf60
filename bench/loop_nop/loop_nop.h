// Callbacks that each ask for the next one: what a loop itself costs, without anything to wait for.
// `outstanding` of them are on their way at once; each subject does it with the cheapest means that
// it has for "call me again, but not from here".
#pragma once

#include "../bench.h"

namespace bench {

inline constexpr long outstanding_max = 256;
inline long outstanding = 1;
inline long calls_left = 0;

/// In each callback: whether to ask for another one.
[[nodiscard]] inline bool goes_on() {
    return --calls_left >= outstanding;
}

/// `Subject`: made of Parameters; run() begins `outstanding` callbacks and returns when none is
/// left.
template <class Subject>
int run_loop_nop(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long count = parameters.number("count", 1000000);
    outstanding = parameters.number("outstanding", 1);
    Meter meter(parameters);
    Subject subject(parameters);
    parameters.done();
    if (outstanding < 1 || outstanding > outstanding_max || count < outstanding) {
        fail("outstanding is 1 to 256, and count no less", 0);
    }
    calls_left = outstanding; // warm
    subject.run();
    calls_left = count;
    meter.start();
    subject.run();
    meter.stop();
    if (calls_left != 0) {
        fail("callbacks are missing", calls_left);
    }
    meter.print(static_cast<double>(count));
    return 0;
}

} // namespace bench
