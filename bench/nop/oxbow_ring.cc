// The no-op loop on oxbow::Ring: get, prepare, submit and wait, reap.
#include "../../uring/prep_ring.h"
#include "../../uring/ring.h"
#include "nop.h"

namespace {

namespace setup = oxbow::abi::setup;

struct Subject {
    oxbow::Ring ring;

    void open() {
        oxbow::RingOptions options;
        options.entries = 256;
        options.flags = setup::single_issuer | setup::defer_taskrun;
        int error = ring.open(options);
        if (error == 0) {
            error = ring.register_ring_fd();
        }
        if (error != 0) {
            bench::fail("oxbow::Ring", error);
        }
    }

    template <unsigned batch>
    [[gnu::always_inline]] void round(bench::Totals& totals) {
        for (unsigned i = 0; i < batch; ++i) {
            oxbow::Sqe* const sqe = ring.get_sqe();
            if (sqe == nullptr) {
                bench::fail("no entry", 0);
            }
            oxbow::prep::nop(*sqe);
            sqe->user_data = i + 1;
        }
        const int submitted = ring.submit_and_wait(batch);
        if (submitted != static_cast<int>(batch)) {
            bench::fail("submit", submitted);
        }
        ring.for_each([&totals](const oxbow::Cqe& cqe) noexcept {
            totals.sum += cqe.user_data;
            totals.errors |= cqe.result;
        });
    }
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_nop<Subject>(argc, argv);
}
