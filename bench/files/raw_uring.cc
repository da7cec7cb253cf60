// By hand on io_uring: READ_FIXED with the file and the buffers registered, or with fixed=0 READ of
// a descriptor into memory; handed over in whatever number is due when `wait` reads have ended.
#include "../raw_ring.h"
#include "files.h"

#include <sys/uio.h>

namespace {

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters& parameters)
        : fd_(fd), job_(job), fixed_(parameters.number("fixed", 1) != 0),
          wait_(static_cast<unsigned>(parameters.number("wait", 1))) {
        ring_.open(job.depth);
        if (fixed_) {
            iovec whole = {job.buffer(0), std::size_t{job.depth} * bench::block_bytes};
            expect_registered(ring_.register_call(IORING_REGISTER_BUFFERS, &whole, 1));
            expect_registered(ring_.register_call(IORING_REGISTER_FILES, &fd, 1));
        }
    }
    void run() {
        if (fixed_) {
            run_as<true>();
        } else {
            run_as<false>();
        }
    }

  private:
    static void expect_registered(long result) {
        if (result < 0) {
            bench::fail("io_uring_register", result);
        }
    }

    template <bool fixed>
    void run_as() {
        unsigned in_flight = 0;
        for (unsigned slot = 0; slot < job_.depth && job_.has_next(); ++slot) {
            read_into<fixed>(slot);
            ++in_flight;
        }
        while (in_flight != 0) {
            ring_.submit_and_wait(wait_ < in_flight ? wait_ : in_flight);
            ring_.for_each([this, &in_flight](const io_uring_cqe& cqe) {
                const unsigned slot = static_cast<unsigned>(cqe.user_data);
                job_.finish(slot, cqe.res);
                if (job_.has_next()) {
                    read_into<fixed>(slot);
                } else {
                    --in_flight;
                }
            });
        }
    }

    template <bool fixed>
    void read_into(unsigned slot) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = fixed ? IORING_OP_READ_FIXED : IORING_OP_READ;
        sqe->flags = fixed ? IOSQE_FIXED_FILE : 0;
        sqe->fd = fixed ? 0 : fd_;
        sqe->off = job_.next_offset(slot);
        sqe->addr = reinterpret_cast<bench::u64>(job_.buffer(slot));
        sqe->len = bench::block_bytes;
        sqe->user_data = slot;
    }

    int fd_;
    bench::ReadJob& job_;
    bool fixed_;
    unsigned wait_;
    bench::RawRing ring_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
