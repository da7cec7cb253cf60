// By hand: the least code that does the job.
#include "../raw_ring.h"
#include "nop.h"

namespace {

struct Subject {
    bench::RawRing ring;

    void open() { ring.open(256); }

    template <unsigned batch>
    [[gnu::always_inline]] void round(bench::Totals& totals) {
        for (unsigned i = 0; i < batch; ++i) {
            ring.entry()->user_data = i + 1;
        }
        ring.submit_and_wait(batch);
        ring.for_each([&totals](const io_uring_cqe& cqe) {
            totals.sum += cqe.user_data;
            totals.errors |= cqe.res;
        });
    }
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_nop<Subject>(argc, argv);
}
