// The three calls of call_ring.h, made for real: a ring comes and goes, and wrong arguments are
// refused as the kernel documents. What a ring does is tested with class Ring.
#include "../syscall/abi_uring_register.h"
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {

using namespace kernel;

TEST(call_ring) {
    need_rings();
    const i32 before = open_fd_count();
    abi::Params parameters = {};
    const i32 fd = CHECK_OK(io_uring_setup(3, &parameters));
    CHECK_EQ(parameters.sq_entries, 4u);
    CHECK_GE(parameters.cq_entries, 4u);
    CHECK_NE(parameters.features, 0u);
    CHECK_EQ(io_uring_enter(fd, 0, 0, 0), 0);
    CHECK_EQ(io_uring_enter(fd, 1, 0, 0, nullptr, 0), 0); // the queue is empty: none was taken
    const i32 event = CHECK_OK(eventfd2(0, abi::eventfd_flag::cloexec));
    CHECK_OK(io_uring_register(fd, static_cast<u32>(abi::RegisterOp::eventfd), &event, 1));
    CHECK_ERRNO(io_uring_register(fd, static_cast<u32>(abi::RegisterOp::eventfd), &event, 1),
                Errno::ebusy);
    CHECK_OK(close(event));
    CHECK_OK(close(fd));
    CHECK_EQ(open_fd_count(), before);
    CHECK_ERRNO(io_uring_setup(0, &parameters), Errno::einval);
    CHECK_ERRNO(io_uring_setup(1, nullptr), Errno::efault);
    CHECK_ERRNO(io_uring_enter(-1, 0, 0, 0), Errno::ebadf);
    CHECK_ERRNO(io_uring_register(999999, 0, nullptr, 0), Errno::ebadf); // newer ones take -1
}

} // namespace oxbow::test
