// The no-op loop on Debian's liburing, as its examples write it.
#include "nop.h"

#include <liburing.h>

namespace {

struct Subject {
    io_uring ring{};

    void open() {
        int error = io_uring_queue_init(256, &ring,
                                        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
        if (error == 0) {
            error = io_uring_register_ring_fd(&ring) == 1 ? 0 : -1;
        }
        if (error != 0) {
            bench::fail("liburing", error);
        }
    }

    template <unsigned batch>
    [[gnu::always_inline]] void round(bench::Totals& totals) {
        for (unsigned i = 0; i < batch; ++i) {
            io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
            if (sqe == nullptr) {
                bench::fail("no entry", 0);
            }
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, i + 1);
        }
        const int submitted = io_uring_submit_and_wait(&ring, batch);
        if (submitted != static_cast<int>(batch)) {
            bench::fail("submit", submitted);
        }
        unsigned head = 0;
        unsigned seen = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(&ring, head, cqe) {
            totals.sum += io_uring_cqe_get_data64(cqe);
            totals.errors |= cqe->res;
            ++seen;
        }
        io_uring_cq_advance(&ring, seen);
    }
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_nop<Subject>(argc, argv);
}
