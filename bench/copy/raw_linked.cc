// By hand on io_uring: 64 pairs of a read of 32 KiB and a write linked behind it. Of a read that
// has succeeded the kernel tells nothing.
#include "../raw_ring.h"
#include "copy.h"

namespace {

class Subject {
  public:
    Subject(const bench::CopyJob& job, bench::Parameters&)
        : job_(job), buffers_(bench::map_pages(std::size_t{pairs} * piece_bytes)) {
        ring_.open(2 * pairs);
    }
    void run() {
        unsigned in_flight = 0;
        for (unsigned slot = 0; slot < pairs && next_ < job_.bytes; ++slot) {
            start(slot);
            ++in_flight;
        }
        while (in_flight != 0) {
            ring_.submit_and_wait(1);
            ring_.for_each([this, &in_flight](const io_uring_cqe& cqe) {
                if (cqe.res != piece_bytes) { // a MiB is a multiple of it
                    bench::fail("read and write", cqe.res);
                }
                if (next_ < job_.bytes) {
                    start(static_cast<unsigned>(cqe.user_data));
                } else {
                    --in_flight;
                }
            });
        }
    }

  private:
    static constexpr unsigned pairs = 64;
    static constexpr int piece_bytes = 32 * 1024;

    void start(unsigned slot) {
        fill(IORING_OP_READ, job_.from, slot, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
        fill(IORING_OP_WRITE, job_.to, slot, 0);
        next_ += piece_bytes;
    }
    void fill(bench::u8 opcode, int fd, unsigned slot, bench::u8 flags) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = opcode;
        sqe->flags = flags;
        sqe->fd = fd;
        sqe->off = next_;
        sqe->addr = reinterpret_cast<bench::u64>(buffers_ + std::size_t{slot} * piece_bytes);
        sqe->len = piece_bytes;
        sqe->user_data = slot;
    }

    bench::CopyJob job_;
    bench::RawRing ring_;
    char* buffers_;
    bench::u64 next_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_copy<Subject>(argc, argv);
}
