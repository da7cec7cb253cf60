// A user's program, built by test/vendor.sh in each way that a user can take Oxbow in. OXBOW says
// where the headers are; the default is where they are found once installed, or through CMake.
#if defined(VENDORED)
#include "third_party/uring/prep.h"
#include "third_party/uring/ring.h"
#else
#include <oxbow/uring/prep.h>
#include <oxbow/uring/ring.h>
#endif

#include <cstdio>

int main() {
    oxbow::Ring ring;
    oxbow::Reason reason;
    if (const int error = ring.open({.entries = 8}, &reason); error != 0) {
        std::printf("parent: linked; this kernel refuses a ring: errno %d\n", -error);
        return 0;
    }
    oxbow::Sqe* sqe = ring.get_sqe();
    oxbow::prep::nop(*sqe);
    sqe->user_data = 7;
    if (ring.submit_and_wait(1) != 1) {
        return 1;
    }
    const oxbow::Cqe* cqe = ring.peek();
    const bool right = cqe != nullptr && cqe->user_data == 7;
    ring.seen(cqe);
    ring.close();
    std::puts(right ? "parent: a no-op went through the ring" : "parent: wrong answer");
    return right ? 0 : 1;
}
