// Opens the rings of RING_TEST.
#include "ring_configurations.h"

#include "../syscall/errno.h"

namespace oxbow::test {

ConfiguredRing::ConfiguredRing(const RingConfiguration& configuration) noexcept {
    need_rings();
    RingOptions options;
    options.entries = configuration.entries;
    options.flags = configuration.flags & ~abi::setup::cqsize;
    if ((configuration.flags & abi::setup::cqsize) != 0) {
        options.completion_entries = configuration.entries == 1 ? 8 : 65536;
    }
    // Without the preferred flags a row has exactly what its name says.
    options.preferred_flags = 0;
    options.sq_thread_idle_ms = 50;
    if ((configuration.flags & abi::setup::attach_wq) != 0) {
        CHECK_OK(attached_to_.open({.entries = 4}));
        options.attach_wq_fd = attached_to_.fd();
    }
    const i32 result = ring_.open(options);
    SKIP_IF_MISSING(result != -Errno::einval,
                    (Addition{configuration.name, configuration.series, configuration.release}));
    CHECK_OK(result);
    CHECK_EQ(ring_.setup_flags() & configuration.flags, configuration.flags);
    CHECK_EQ(ring_.sq_entries(), configuration.entries);
    if ((configuration.flags & abi::setup::r_disabled) != 0) {
        CHECK_ERRNO(ring_.get_events(), Errno::ebadfd);
        CHECK_OK(ring_.register_call(abi::RegisterOp::enable_rings, nullptr, 0));
    }
}

ConfiguredRing::~ConfiguredRing() {
    ring_.close();
    attached_to_.close();
}

i32 nop_result(const Ring& ring) noexcept {
    const bool is_polled = (ring.setup_flags() & abi::setup::iopoll) != 0;
    return is_polled && !kernel_at_least(5, 19) ? -Errno::einval : 0;
}

Sqe& need_sqe(Ring& ring) noexcept {
    Sqe* sqe = ring.get_sqe();
    if (sqe == nullptr) {
        CHECK_OK(ring.reserve(1));
        sqe = ring.get_sqe();
    }
    CHECK(sqe != nullptr);
    return *sqe;
}

} // namespace oxbow::test
