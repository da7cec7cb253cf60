// The no-op loop by hand: the least code that does the job. One mapping, no index array, no look at
// whether there is room, no error but the one that ends the program.
#include "bench.h"

#include <linux/io_uring.h>
#include <sys/mman.h>

namespace {

constexpr unsigned setup_no_sqarray = 1u << 16; // newer than Debian 12's header
constexpr unsigned enter_registered_ring = 1u << 4;

long call(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

struct RawNop {
    io_uring_sqe* sqes = nullptr;
    io_uring_cqe* cqes = nullptr;
    unsigned* sq_tail = nullptr;
    unsigned* cq_head = nullptr;
    unsigned* cq_tail = nullptr;
    unsigned sq_mask = 0;
    unsigned cq_mask = 0;
    unsigned tail = 0;
    unsigned head = 0;
    long index = 0;

    void open() {
        io_uring_params params{};
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | setup_no_sqarray;
        const long fd = call(425, 256, reinterpret_cast<long>(&params), 0, 0, 0, 0);
        if (fd < 0) {
            bench::fail("io_uring_setup", static_cast<int>(fd));
        }
        const std::size_t bytes = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
        char* const rings =
            static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_POPULATE, static_cast<int>(fd), 0));
        void* const entries =
            mmap(nullptr, params.sq_entries * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_POPULATE, static_cast<int>(fd), IORING_OFF_SQES);
        if (rings == MAP_FAILED || entries == MAP_FAILED) {
            bench::fail("mmap", -1);
        }
        sqes = static_cast<io_uring_sqe*>(entries);
        cqes = reinterpret_cast<io_uring_cqe*>(rings + params.cq_off.cqes);
        sq_tail = reinterpret_cast<unsigned*>(rings + params.sq_off.tail);
        cq_head = reinterpret_cast<unsigned*>(rings + params.cq_off.head);
        cq_tail = reinterpret_cast<unsigned*>(rings + params.cq_off.tail);
        sq_mask = params.sq_entries - 1;
        cq_mask = params.cq_entries - 1;
        io_uring_rsrc_update update{};
        update.offset = ~0u;
        update.data = static_cast<std::uint64_t>(fd);
        if (call(427, fd, IORING_REGISTER_RING_FDS, reinterpret_cast<long>(&update), 1, 0, 0) !=
            1) {
            bench::fail("ring fd", -1);
        }
        index = update.offset;
    }

    template <unsigned batch>
    [[gnu::always_inline]] void round(bench::Totals& totals) {
        unsigned at = tail;
        for (unsigned i = 0; i < batch; ++i) {
            io_uring_sqe* const sqe = &sqes[at++ & sq_mask];
            __builtin_memset(sqe, 0, sizeof(*sqe));
            sqe->user_data = i + 1;
        }
        tail = at;
        __atomic_store_n(sq_tail, at, __ATOMIC_RELEASE);
        const long submitted =
            call(426, index, batch, batch, IORING_ENTER_GETEVENTS | enter_registered_ring, 0, 0);
        if (submitted != static_cast<long>(batch)) {
            bench::fail("enter", static_cast<int>(submitted));
        }
        unsigned from = head;
        const unsigned to = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
        for (; from != to; ++from) {
            const io_uring_cqe& cqe = cqes[from & cq_mask];
            totals.sum += cqe.user_data;
            totals.errors |= cqe.res;
        }
        head = from;
        __atomic_store_n(cq_head, from, __ATOMIC_RELEASE);
    }

    void close() {} // the end of the process does it
};

} // namespace

int main(int argc, char** argv) {
    return bench::run<RawNop>(argc, argv);
}
