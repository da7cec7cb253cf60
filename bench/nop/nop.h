// No-ops through a ring: `batch` of them are prepared, handed over and waited for in one call. What
// it costs to get an entry, to enter the kernel, and to see a completion.
#pragma once

#include "../bench.h"

namespace bench {

/// What came back: kept in registers by every subject alike.
struct Totals {
    u64 sum = 0;    ///< of the user_data of all completions
    int errors = 0; ///< all results, or-ed
};

/// `batch` is a constant for every subject alike, so that what is counted is the subject's work and
/// not the benchmark's loop.
template <unsigned batch, class Subject>
void run_batches(Subject& subject, Meter& meter, long count) {
    const long rounds = count / batch;
    Totals totals;
    subject.template round<batch>(totals); // warm
    meter.start();
    for (long i = 0; i < rounds; ++i) {
        subject.template round<batch>(totals);
    }
    meter.stop();
    // Every round posts 1 to `batch`, each once: a lost, doubled or failed operation shows here.
    const u64 per_round = u64{batch} * (batch + 1) / 2;
    if (totals.sum != static_cast<u64>(rounds + 1) * per_round || totals.errors != 0) {
        fail("completions do not add up", totals.errors);
    }
    meter.print(static_cast<double>(rounds * batch));
}

template <class Subject>
int run_nop(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long count = parameters.number("count", 400000);
    const long batch = parameters.number("batch", 1);
    Meter meter(parameters);
    parameters.done();
    static Subject subject;
    subject.open();
    if (batch == 1) {
        run_batches<1>(subject, meter, count);
    } else if (batch == 32) {
        run_batches<32>(subject, meter, count);
    } else if (batch == 256) {
        run_batches<256>(subject, meter, count);
    } else {
        fail("batch is 1, 32 or 256", 0);
    }
    return 0;
}

} // namespace bench
