// io_uring_prep_read_fixed, with the file and the buffers registered; with fixed=0
// io_uring_prep_read, with neither.
#include "files.h"

#include <liburing.h>

namespace {

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters& parameters)
        : fd_(fd), job_(job), fixed_(parameters.number("fixed", 1) != 0) {
        check("io_uring_queue_init",
              io_uring_queue_init(job.depth, &ring_,
                                  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN));
        (void)io_uring_register_ring_fd(&ring_);
        if (!fixed_) {
            return;
        }
        const iovec whole = {job.buffer(0), std::size_t{job.depth} * bench::block_bytes};
        check("io_uring_register_buffers", io_uring_register_buffers(&ring_, &whole, 1));
        check("io_uring_register_files", io_uring_register_files(&ring_, &fd, 1));
    }
    void run() {
        for (unsigned slot = 0; slot < job_.depth && job_.has_next(); ++slot) {
            read_into(slot);
        }
        while (!job_.done()) {
            check("io_uring_submit_and_wait", io_uring_submit_and_wait(&ring_, 1));
            unsigned head = 0;
            unsigned seen = 0;
            io_uring_cqe* cqe = nullptr;
            io_uring_for_each_cqe(&ring_, head, cqe) {
                const unsigned slot = static_cast<unsigned>(io_uring_cqe_get_data64(cqe));
                job_.finish(slot, cqe->res);
                if (job_.has_next()) {
                    read_into(slot);
                }
                ++seen;
            }
            io_uring_cq_advance(&ring_, seen);
        }
    }

  private:
    static void check(const char* what, int result) {
        if (result < 0) {
            bench::fail(what, result);
        }
    }
    void read_into(unsigned slot) {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        char* const buffer = job_.buffer(slot);
        const bench::u64 offset = job_.next_offset(slot);
        if (fixed_) {
            io_uring_prep_read_fixed(sqe, 0, buffer, bench::block_bytes, offset, 0);
            io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        } else {
            io_uring_prep_read(sqe, fd_, buffer, bench::block_bytes, offset);
        }
        io_uring_sqe_set_data64(sqe, slot);
    }

    int fd_;
    bench::ReadJob& job_;
    bool fixed_;
    io_uring ring_{};
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
