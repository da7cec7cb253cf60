// By hand on io_uring: multishot receives from provided buffers, sends that post no completion.
#include "../raw_ring.h"
#include "ping_pong.h"

namespace {

constexpr unsigned recv_multishot = 1u << 1; // IORING_RECV_MULTISHOT

class Subject {
  public:
    Subject(const bench::TcpPair& pair, bench::Parameters&) : pair_(pair) {
        ring_.open(64);
        buffers_.open(ring_, 16, 64);
        receive_on(pair.client);
        receive_on(pair.server);
    }
    void run(long count) {
        send_to(pair_.client);
        while (count > 0) {
            ring_.submit_and_wait(1);
            ring_.for_each([&](const io_uring_cqe& cqe) {
                const int fd = static_cast<int>(cqe.user_data);
                if (cqe.res <= 0 || (cqe.flags & IORING_CQE_F_MORE) == 0) {
                    bench::fail("a receive or a send ended", cqe.res);
                }
                const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
                bench::check_ping(buffers_.data(id), cqe.res);
                buffers_.give(id);
                if (fd == pair_.server || --count > 0) {
                    send_to(fd);
                }
            });
        }
    }

  private:
    void receive_on(int fd) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_RECV;
        sqe->fd = fd;
        sqe->ioprio = recv_multishot;
        sqe->flags = IOSQE_BUFFER_SELECT;
        sqe->user_data = static_cast<unsigned>(fd);
    }
    void send_to(int fd) {
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_SEND;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        sqe->fd = fd;
        sqe->addr = reinterpret_cast<bench::u64>(bench::ping);
        sqe->len = bench::ping_bytes;
        sqe->msg_flags = MSG_NOSIGNAL;
    }

    bench::TcpPair pair_;
    bench::RawRing ring_;
    bench::RawBuffers buffers_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_ping_pong<Subject>(argc, argv);
}
