// The least code that drives a ring, for the lower bounds that everything else is compared with:
// one mapping, no index array, no look at whether there is room, no error but the one that ends the
// program. SINGLE_ISSUER, DEFER_TASKRUN and a registered descriptor, which are the fastest there
// is.
#pragma once

#include "bench.h"

#include <linux/io_uring.h>
#include <sys/mman.h>

namespace bench {

[[gnu::always_inline]] inline long raw_call(long number, long a, long b, long c, long d = 0,
                                            long e = 0, long f = 0) {
#if defined(__x86_64__)
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#else
    const long result = syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
#endif
}

/// An own copy of the two things that Debian 12's header lacks.
inline constexpr unsigned setup_no_sqarray = 1u << 16;
inline constexpr unsigned enter_registered_ring = 1u << 4;

struct RawSetup {
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | setup_no_sqarray;
    bool registered = true; ///< the ring's descriptor, with this thread
};

class RawRing {
  public:
    void open(unsigned entries, unsigned completions = 0, const RawSetup& setup = {}) {
        io_uring_params params{};
        params.flags = setup.flags | (completions != 0 ? IORING_SETUP_CQSIZE : 0u);
        params.cq_entries = completions;
        fd = raw_call(__NR_io_uring_setup, entries, reinterpret_cast<long>(&params), 0);
        if (fd < 0) {
            fail("io_uring_setup", fd);
        }
        const bool has_array = (setup.flags & setup_no_sqarray) == 0;
        const std::size_t array_end = params.sq_off.array + params.sq_entries * sizeof(unsigned);
        const std::size_t queue_end = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
        char* const rings =
            map(has_array && array_end > queue_end ? array_end : queue_end, IORING_OFF_SQ_RING);
        sqes = reinterpret_cast<io_uring_sqe*>(
            map(params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
        cqes = reinterpret_cast<io_uring_cqe*>(rings + params.cq_off.cqes);
        sq_tail = reinterpret_cast<unsigned*>(rings + params.sq_off.tail);
        cq_head = reinterpret_cast<unsigned*>(rings + params.cq_off.head);
        cq_tail = reinterpret_cast<unsigned*>(rings + params.cq_off.tail);
        sq_mask = params.sq_entries - 1;
        cq_mask = params.cq_entries - 1;
        for (unsigned i = 0; has_array && i < params.sq_entries; ++i) {
            reinterpret_cast<unsigned*>(rings + params.sq_off.array)[i] = i;
        }
        index = fd;
        if (setup.registered) {
            register_descriptor();
        }
    }

    void register_descriptor() {
        io_uring_rsrc_update update{};
        update.offset = ~0u;
        update.data = static_cast<u64>(fd);
        if (register_call(IORING_REGISTER_RING_FDS, &update, 1) != 1) {
            fail("IORING_REGISTER_RING_FDS", -1);
        }
        index = update.offset;
        submit_flags = enter_registered_ring;
        wait_flags |= enter_registered_ring;
    }

    long register_call(unsigned operation, void* argument, unsigned count) const {
        return raw_call(__NR_io_uring_register, fd, operation, reinterpret_cast<long>(argument),
                        count);
    }

    /// The next entry, all zero.
    [[gnu::always_inline]] io_uring_sqe* entry() {
        io_uring_sqe* const sqe = &sqes[tail++ & sq_mask];
        __builtin_memset(sqe, 0, sizeof(*sqe));
        return sqe;
    }

    /// Hands over what has been prepared and waits for `count` completions.
    [[gnu::always_inline]] void submit_and_wait(unsigned count) { enter(count, wait_flags); }
    [[gnu::always_inline]] void submit() { enter(0, submit_flags); }

    [[gnu::always_inline]] void enter(unsigned count, unsigned flags) {
        const unsigned prepared = tail - submitted;
        submitted = tail;
        __atomic_store_n(sq_tail, tail, __ATOMIC_RELEASE);
        const long taken = raw_call(__NR_io_uring_enter, index, prepared, count, flags);
        if (taken != static_cast<long>(prepared)) {
            fail("io_uring_enter", taken);
        }
    }

    template <class Visit>
    [[gnu::always_inline]] void for_each(Visit visit) {
        unsigned at = head;
        const unsigned end = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
        for (; at != end; ++at) {
            visit(cqes[at & cq_mask]);
        }
        head = at;
        __atomic_store_n(cq_head, at, __ATOMIC_RELEASE);
    }

    long fd = -1;
    long index = 0; ///< of the descriptor among the registered ones, or itself
    unsigned submit_flags = 0;
    unsigned wait_flags = IORING_ENTER_GETEVENTS;

  private:
    char* map(std::size_t bytes, off_t offset) const {
        void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                                  static_cast<int>(fd), offset);
        if (memory == MAP_FAILED) {
            fail("mmap", -errno);
        }
        return static_cast<char*>(memory);
    }

    io_uring_sqe* sqes = nullptr;
    io_uring_cqe* cqes = nullptr;
    unsigned* sq_tail = nullptr;
    unsigned* cq_head = nullptr;
    unsigned* cq_tail = nullptr;
    unsigned sq_mask = 0;
    unsigned cq_mask = 0;
    unsigned tail = 0;
    unsigned submitted = 0;
    unsigned head = 0;
};

/// A ring of provided buffers, group 0, and no more than that.
class RawBuffers {
  public:
    void open(const RawRing& ring, unsigned count, unsigned bytes) {
        bytes_ = bytes;
        mask_ = count - 1;
        void* const memory =
            mmap(nullptr, std::size_t{count} * (bytes + sizeof(io_uring_buf)),
                 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) {
            fail("mmap", -errno);
        }
        // Not io_uring_buf_ring::bufs, which C++ puts at another place than C does.
        entries_ = static_cast<io_uring_buf*>(memory);
        data_ = static_cast<char*>(memory) + count * sizeof(io_uring_buf);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<u64>(memory);
        registration.ring_entries = count;
        const long error = ring.register_call(IORING_REGISTER_PBUF_RING, &registration, 1);
        if (error != 0) {
            fail("IORING_REGISTER_PBUF_RING", error);
        }
        for (unsigned id = 0; id < count; ++id) {
            give(id);
        }
    }
    [[gnu::always_inline]] char* data(unsigned id) const {
        return data_ + std::size_t{id} * bytes_;
    }
    [[gnu::always_inline]] void give(unsigned id) {
        io_uring_buf& buffer = entries_[tail_++ & mask_];
        buffer.addr = reinterpret_cast<u64>(data(id));
        buffer.len = bytes_;
        buffer.bid = static_cast<std::uint16_t>(id);
        __atomic_store_n(&entries_[0].resv, static_cast<std::uint16_t>(tail_), __ATOMIC_RELEASE);
    }

  private:
    io_uring_buf* entries_ = nullptr;
    char* data_ = nullptr;
    unsigned bytes_ = 0;
    unsigned mask_ = 0;
    unsigned tail_ = 0;
};

} // namespace bench
