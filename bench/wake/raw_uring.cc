// By hand: a message from ring to ring (MSG_RING). Only a thread that has a ring can send one, so
// there is no flood.
#include "../raw_ring.h"
#include "wake.h"

namespace {

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters&) {}
    void open() { ring_.open(64); }
    void run() {
        while (!stopped_) {
            ring_.submit_and_wait(1);
            ring_.for_each([this](const io_uring_cqe&) { woken(user); });
        }
        ring_.submit_and_wait(0); // the last message
    }
    void stop() { stopped_ = true; }
    void notify(Subject* from) {
        if (from == nullptr) {
            // The first one, from the main thread: a ring of its own.
            bench::RawRing ring;
            ring.open(4);
            send(ring);
            ring.submit_and_wait(1);
            return;
        }
        send(from->ring_)->flags = IOSQE_CQE_SKIP_SUCCESS;
    }

  private:
    io_uring_sqe* send(bench::RawRing& ring) const {
        io_uring_sqe* const sqe = ring.entry();
        sqe->opcode = IORING_OP_MSG_RING;
        sqe->fd = static_cast<int>(ring_.fd);
        return sqe;
    }

    bench::RawRing ring_;
    bool stopped_ = false;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
