// By hand on io_uring: one mapping and no index array, a multishot accept, multishot receives from
// provided buffers. A buffer goes back to the kernel when the send of it has ended.
#include "../../syscall/abi_uring_register.h"
#include "bare.h"

using namespace bare;

namespace {

constexpr u32 entries = 64;

/// What a completion is of: its descriptor, and the buffer that was sent with its number plus one.
[[nodiscard]] constexpr u64 mark(i32 fd, u32 buffer_plus_one = 0) noexcept {
    return u64{buffer_plus_one} << 32 | static_cast<u32>(fd);
}

// Not in the server, whose first values the program's file has: these are zero.
alignas(4096) constinit abi::BufferRingEntry buffer_ring[buffer_count] = {};
constinit char buffers[buffer_count][buffer_bytes] = {};

class Server {
  public:
    [[nodiscard]] bool open() noexcept {
        abi::Params params{};
        params.flags =
            abi::setup::single_issuer | abi::setup::defer_taskrun | abi::setup::no_sqarray;
        fd_ = kernel::io_uring_setup(entries, &params);
        if (fd_ < 0) {
            return false;
        }
        char* const rings =
            static_cast<char*>(map(params.cq_off.cqes + params.cq_entries * sizeof(abi::Cqe), 0));
        sqes_ = static_cast<abi::Sqe*>(map(entries * sizeof(abi::Sqe), abi::mmap_offset::sqes));
        cqes_ = reinterpret_cast<abi::Cqe*>(rings + params.cq_off.cqes);
        sq_tail_ = reinterpret_cast<u32*>(rings + params.sq_off.tail);
        cq_head_ = reinterpret_cast<u32*>(rings + params.cq_off.head);
        cq_tail_ = reinterpret_cast<u32*>(rings + params.cq_off.tail);
        cq_mask_ = params.cq_entries - 1;
        return open_buffers();
    }

    /// False: an operation failed that must not.
    [[nodiscard]] bool run(i32 listener, u64 left) noexcept {
        listener_ = listener;
        left_ = left;
        accept();
        while (left_ > 0) {
            if (!submit(1)) {
                return false;
            }
            u32 head = *cq_head_;
            const u32 end = __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE);
            for (; head != end; ++head) {
                if (!take(cqes_[head & cq_mask_])) {
                    return false;
                }
            }
            __atomic_store_n(cq_head_, head, __ATOMIC_RELEASE);
        }
        return true;
    }

  private:
    [[nodiscard]] void* map(usize bytes, u64 offset) const noexcept {
        return reinterpret_cast<void*>(
            kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                         abi::map::shared | abi::map::populate, fd_, offset));
    }
    [[nodiscard]] bool open_buffers() noexcept {
        abi::BufferRingRegister request{};
        request.ring_addr = reinterpret_cast<uptr>(buffer_ring);
        request.ring_entries = buffer_count;
        for (u32 id = 0; id < buffer_count; ++id) {
            give(id);
        }
        return kernel::io_uring_register(fd_, static_cast<u32>(abi::RegisterOp::pbuf_ring),
                                         &request, 1) == 0;
    }
    void give(u32 id) noexcept {
        abi::BufferRingEntry& entry = buffer_ring[buffer_tail_++ % buffer_count];
        entry.addr = reinterpret_cast<uptr>(buffers[id]);
        entry.len = buffer_bytes;
        entry.buffer_id = static_cast<u16>(id);
        __atomic_store_n(&buffer_ring[0].tail, buffer_tail_, __ATOMIC_RELEASE);
    }

    /// Hands over what has been prepared and waits for `count` completions.
    [[nodiscard]] bool submit(u32 count) noexcept {
        __atomic_store_n(sq_tail_, tail_, __ATOMIC_RELEASE);
        const u32 prepared = tail_ - submitted_;
        submitted_ = tail_;
        return kernel::io_uring_enter(fd_, prepared, count, abi::enter::getevents) ==
               static_cast<i32>(prepared);
    }
    [[nodiscard]] abi::Sqe& entry(abi::Opcode opcode, i32 fd) noexcept {
        if (tail_ - submitted_ == entries) {
            (void)submit(0);
        }
        abi::Sqe& sqe = sqes_[tail_++ % entries];
        sqe = {};
        sqe.opcode = static_cast<u8>(opcode);
        sqe.fd = fd;
        sqe.user_data = mark(fd);
        return sqe;
    }
    void accept() noexcept {
        entry(abi::Opcode::accept, listener_).ioprio = abi::accept_flag::multishot;
    }
    void receive(i32 fd) noexcept {
        abi::Sqe& sqe = entry(abi::Opcode::recv, fd);
        sqe.ioprio = abi::recvsend_flag::recv_multishot;
        sqe.flags = abi::sqe_flag::buffer_select;
    }
    void send(i32 fd, u32 id, u32 bytes) noexcept {
        abi::Sqe& sqe = entry(abi::Opcode::send, fd);
        sqe.addr = reinterpret_cast<uptr>(buffers[id]);
        sqe.len = bytes;
        sqe.op_flags = abi::msg_flag::nosignal | abi::msg_flag::waitall;
        sqe.user_data = mark(fd, id + 1);
    }

    [[nodiscard]] bool take(const abi::Cqe& cqe) noexcept {
        const i32 fd = static_cast<i32>(cqe.user_data);
        const u32 sent = static_cast<u32>(cqe.user_data >> 32);
        if (fd == listener_) {
            if (cqe.result < 0) {
                return false;
            }
            receive(cqe.result);
            if (!cqe.more()) {
                accept();
            }
        } else if (sent != 0) {
            give(sent - 1);
            left_ -= cqe.result > 0 && left_ > 0 ? 1 : 0;
        } else if (cqe.result > 0) {
            send(fd, cqe.buffer_id(), static_cast<u32>(cqe.result));
            if (!cqe.more()) {
                receive(fd);
            }
        } else if (cqe.result == -Errno::enobufs) {
            receive(fd); // a buffer comes back with each send that ends
        } else {
            (void)kernel::close(fd);
        }
        return true;
    }

    i32 fd_ = -1;
    i32 listener_ = -1;
    u64 left_ = 0;
    abi::Sqe* sqes_ = nullptr;
    abi::Cqe* cqes_ = nullptr;
    u32* sq_tail_ = nullptr;
    u32* cq_head_ = nullptr;
    u32* cq_tail_ = nullptr;
    u32 cq_mask_ = 0;
    u32 tail_ = 0;
    u32 submitted_ = 0;
    u16 buffer_tail_ = 0;
};

constinit Server server;

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char**) {
    const u64 answers = answers_max(argc, argv);
    const i32 listener = listen_and_tell();
    return listener >= 0 && server.open() && server.run(listener, answers) ? 0 : 1;
}
