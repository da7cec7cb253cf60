// Receives and sends on a ring as a Strategy says.
#pragma once

#include "strategy.h"

#include <memory>
#include <sys/socket.h>

namespace bench {

struct Message {
    int fd;
    int result;  ///< bytes, 0 at the end of the stream, or a negative errno
    unsigned id; ///< of the buffer: what give_back wants
    char* data;
    bool goes_on; ///< nobody needs to receive again
};

class Messages {
  public:
    static constexpr unsigned fds_max = 4096;

    Messages(const Strategy& strategy, unsigned entries, unsigned buffers, unsigned bytes)
        : strategy_(strategy), bytes_(bytes), own_(new char[std::size_t{fds_max} * bytes]) {
        ring_.open(entries, 2 * entries, strategy.setup);
        buffers_.open(ring_, buffers, bytes);
    }

    void accept_on(int fd) {
        constexpr unsigned accept_multishot = 1u << 0; // IORING_ACCEPT_MULTISHOT
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_ACCEPT;
        sqe->fd = fd;
        sqe->ioprio = accept_multishot;
        sqe->user_data = static_cast<unsigned>(fd);
    }
    void receive_on(int fd) {
        constexpr unsigned recv_multishot = 1u << 1; // IORING_RECV_MULTISHOT
        if (static_cast<unsigned>(fd) >= fds_max) {
            fail("too many descriptors", fd);
        }
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_RECV;
        sqe->fd = fd;
        sqe->ioprio = strategy_.multishot ? recv_multishot : 0;
        sqe->user_data = static_cast<unsigned>(fd);
        if (strategy_.buffer_ring) {
            sqe->flags = IOSQE_BUFFER_SELECT;
        } else {
            sqe->addr = reinterpret_cast<u64>(own_of(fd));
            sqe->len = bytes_;
        }
    }
    /// Of so few bytes that the socket has room for them: it has ended when its entry is consumed.
    void send_to(int fd, const char* data, unsigned bytes) {
        if (!strategy_.ring_send) {
            if (send(fd, data, bytes, MSG_NOSIGNAL) != static_cast<long>(bytes)) {
                fail("send", -errno);
            }
            return;
        }
        io_uring_sqe* const sqe = ring_.entry();
        sqe->opcode = IORING_OP_SEND;
        sqe->flags = strategy_.skip_success ? IOSQE_CQE_SKIP_SUCCESS : 0;
        sqe->fd = fd;
        sqe->addr = reinterpret_cast<u64>(data);
        sqe->len = bytes;
        sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
        sqe->user_data = send_tag | bytes;
    }
    void give_back(unsigned id) {
        if (strategy_.buffer_ring) {
            buffers_.give(id);
        }
    }

    /// Waits, and calls `visit(Message)` for all that has come. (Of accepts too, with the new
    /// descriptor as the result.)
    template <class Visit>
    void wait(Visit visit) {
        if (!strategy_.one_call) {
            ring_.submit();
        }
        ring_.submit_and_wait(1);
        ring_.for_each([&](const io_uring_cqe& cqe) {
            if ((cqe.user_data & send_tag) != 0) {
                if (cqe.res != static_cast<int>(cqe.user_data)) {
                    fail("a send ended early", cqe.res);
                }
                return;
            }
            const int fd = static_cast<int>(cqe.user_data);
            const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
            visit(Message{fd, cqe.res, id, strategy_.buffer_ring ? buffers_.data(id) : own_of(fd),
                          (cqe.flags & IORING_CQE_F_MORE) != 0});
        });
    }

  private:
    static constexpr u64 send_tag = u64{1} << 32;

    [[nodiscard]] char* own_of(int fd) const {
        return own_.get() + static_cast<std::size_t>(fd) * bytes_;
    }

    Strategy strategy_;
    unsigned bytes_;
    std::unique_ptr<char[]> own_; ///< by descriptor, without a ring of buffers
    RawRing ring_;
    RawBuffers buffers_;
};

} // namespace bench
