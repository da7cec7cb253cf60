// By hand on io_uring: multishot accept, multishot receives from provided buffers, sends that post
// no completion. Buffers go back to the kernel when io_uring_enter has returned, since the sends of
// this load always fit into the socket, and so have ended. There are no more of them than a batch
// needs: what is used again soon is in the cache.
#include "../raw_ring.h"
#include "echo.h"

#include <vector>

namespace {

using namespace bench;

constexpr unsigned recv_multishot = 1u << 1;   // IORING_RECV_MULTISHOT
constexpr unsigned accept_multishot = 1u << 0; // IORING_ACCEPT_MULTISHOT

class Server {
  public:
    Server(int listener, const EchoParameters& echo, EchoProgress& progress, Parameters&)
        : listener_(listener), progress_(progress) {
        ring_.open(4096, 8192);
        unsigned count = 8;
        while (count * echo.bytes < 128 * 1024 || count < echo.connections / 8) {
            count *= 2;
        }
        buffers_.open(ring_, count, echo.bytes);
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_ACCEPT;
        sqe->fd = listener;
        sqe->ioprio = accept_multishot;
        sqe->user_data = static_cast<unsigned>(listener);
    }
    void run() {
        while (!progress_.done()) {
            ring_.submit_and_wait(1);
            for (const unsigned id : sent_) {
                buffers_.give(id);
            }
            sent_.clear();
            ring_.for_each([&](const io_uring_cqe& cqe) { take(cqe); });
        }
    }

  private:
    void take(const io_uring_cqe& cqe) {
        const int fd = static_cast<int>(cqe.user_data);
        if (fd == listener_) {
            progress_.accepted(cqe.res);
            receive_on(cqe.res);
            return;
        }
        if (cqe.res <= 0) {
            if (cqe.res == -ENOBUFS) {
                receive_on(fd);
                return;
            }
            close(fd);
            progress_.closed();
            return;
        }
        const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
        sent_.push_back(id);
        send_on(fd, id, static_cast<unsigned>(cqe.res));
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
            receive_on(fd);
        }
    }
    void receive_on(int fd) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_RECV;
        sqe->fd = fd;
        sqe->ioprio = recv_multishot;
        sqe->flags = IOSQE_BUFFER_SELECT;
        sqe->user_data = static_cast<unsigned>(fd);
    }
    void send_on(int fd, unsigned id, unsigned bytes) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_SEND;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        sqe->fd = fd;
        sqe->addr = reinterpret_cast<u64>(buffers_.data(id));
        sqe->len = bytes;
        sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    }

    int listener_;
    RawRing ring_;
    RawBuffers buffers_;
    std::vector<unsigned> sent_; ///< the buffers of the sends of this batch
    EchoProgress& progress_;
};

} // namespace

int main(int argc, char** argv) {
    return run_echo<Server>(argc, argv);
}
