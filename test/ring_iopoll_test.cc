// Rings that poll their devices. Few machines have a device that can be polled; where the temporary
// directory lies on one, reads and writes must work, and everywhere else the refusal must be the
// documented one.
#include "live_ring.h"

namespace oxbow::test {
namespace {

struct PolledRow {
    const char* name;
    u32 flags;
    u16 series; ///< with `release`, the kernel that brings the flags
    u16 release;
};

constexpr PolledRow rings[] = {
    {"iopoll", abi::setup::iopoll, 5, 1},
    {"hybrid_iopoll", abi::setup::iopoll | abi::setup::hybrid_iopoll, 6, 13},
    {"iopoll_sqpoll", abi::setup::iopoll | abi::setup::sqpoll, 5, 10},
};

void open_polled(Ring& ring, const PolledRow& row) noexcept {
    need_rings();
    const i32 result = ring.open({.entries = 4, .flags = row.flags});
    SKIP_IF_MISSING(result != -Errno::einval, (Addition{row.name, row.series, row.release}));
    CHECK_OK(result);
}

constexpr u32 block = 65536; // aligned for every device
alignas(block) constinit u8 out[block] = {};
alignas(block) constinit u8 in[block] = {};

VARIANT_TEST(iopoll_direct_transfer, rings) {
    const NoLeaks no_leaks;
    char path[256];
    const Fd made = make_file(path);
    Random().fill(out, sizeof(out));
    CHECK_EQ(kernel::pwrite(made, out, block, 0), static_cast<long>(block));
    CHECK_OK(kernel::fsync(made));
    const i32 opened = kernel::openat(abi::at_fdcwd, path,
                                      abi::open_flag::read_write | abi::open_flag::direct |
                                          abi::open_flag::cloexec);
    if (opened == -Errno::einval) {
        SKIP("no O_DIRECT, which a tmpfs has since Linux 6.6");
    }
    const Fd file(CHECK_OK(opened));
    Ring ring;
    open_polled(ring, row);
    const i32 result = run_result(ring, [&](Sqe& s) { prep::read(s, file, in, block, 0); });
    if (result == -Errno::eopnotsupp) {
        note("this device or file system cannot be polled, and says so");
    } else {
        CHECK_EQ(result, static_cast<i32>(block));
        CHECK_BYTES(in, out, block);
        out[0] = static_cast<u8>(~out[0]);
        CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::write(s, file, out, block, 0); }),
                 static_cast<i32>(block));
        CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::read(s, file, in, block, 0); }),
                 static_cast<i32>(block));
        CHECK_BYTES(in, out, block);
    }
    ring.close();
}

VARIANT_TEST(iopoll_refuses_the_rest, rings) {
    const NoLeaks no_leaks;
    Ring ring;
    open_polled(ring, row);
    const Fd file = make_file_with("text");
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::read(s, file, in, 4, 0); }),
                Errno::eopnotsupp); // not opened with O_DIRECT
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::fsync(s, file); }), Errno::einval);
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::nop(s); }), nop_result(ring));
    // A wait sees the end of its time although such a ring does not sleep.
    const u64 start = now_ns();
    CHECK_ERRNO(ring.submit_and_wait({.count = 1, .timeout_ns = 5 * ns_per_ms}).error,
                Errno::etime);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
    ring.close();
}

TEST(iopoll_hybrid_needs_iopoll) {
    need_rings();
    const NoLeaks no_leaks;
    Ring ring;
    CHECK_ERRNO(ring.open({.entries = 4, .flags = abi::setup::hybrid_iopoll}), Errno::einval);
}

} // namespace
} // namespace oxbow::test
