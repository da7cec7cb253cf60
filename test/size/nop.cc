// The smallest whole program: opens a ring, sends one no-op through it, looks at the answer,
// closes. `make size` pins how much text this takes without libc.
#include "../../syscall/start.h"
#include "../../uring/ring.h"

namespace {

constinit oxbow::Ring ring;

} // namespace

int oxbow_main(int, char**, char**) {
    if (ring.open({.entries = 1}) != 0) {
        return 1;
    }
    bool right = ring.nop(42) != nullptr && ring.submit_and_wait(1) == 1;
    const oxbow::Cqe* const cqe = ring.peek();
    right = right && cqe != nullptr && cqe->user_data == 42 && cqe->result == 0;
    ring.seen(cqe);
    ring.close();
    return right ? 0 : 1;
}
