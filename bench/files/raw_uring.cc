// By hand on io_uring: READ_FIXED, with the file and the buffers registered; handed over in
// whatever number is due when the kernel has something to tell.
#include "../raw_ring.h"
#include "files.h"

#include <sys/uio.h>

namespace {

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters&) : job_(job) {
        ring_.open(job.depth);
        iovec whole = {job.buffer(0), std::size_t{job.depth} * bench::block_bytes};
        bench::expect("IORING_REGISTER_BUFFERS",
                      ring_.register_call(IORING_REGISTER_BUFFERS, &whole, 1));
        bench::expect("IORING_REGISTER_FILES", ring_.register_call(IORING_REGISTER_FILES, &fd, 1));
    }
    void run() {
        for (unsigned slot = 0; slot < job_.depth && job_.has_next(); ++slot) {
            read_into(slot);
        }
        while (!job_.done()) {
            ring_.submit_and_wait(1);
            ring_.for_each([this](const io_uring_cqe& cqe) {
                const unsigned slot = static_cast<unsigned>(cqe.user_data);
                job_.finish(slot, cqe.res);
                if (job_.has_next()) {
                    read_into(slot);
                }
            });
        }
    }

  private:
    void read_into(unsigned slot) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_READ_FIXED;
        sqe->flags = IOSQE_FIXED_FILE;
        sqe->off = job_.next_offset(slot);
        sqe->addr = reinterpret_cast<bench::u64>(job_.buffer(slot));
        sqe->len = bench::block_bytes;
        sqe->user_data = slot;
    }

    bench::ReadJob& job_;
    bench::RawRing ring_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
