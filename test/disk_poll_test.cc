// Rings that poll a device which can be polled: nothing comes by itself, every way of looking
// brings it, and none of them waits for more than was asked for. ring_iopoll_test.cc has the same
// rings where nothing can be polled.
#include "disk_help.h"

#include "hook.h"
#include "limited_kernel.h"

namespace oxbow::test {
namespace {

constinit DiskMemory<16> out = {};
constinit DiskMemory<16> in = {};

/// A polled ring and the device, of which the first MiB is `out`.
struct Polled {
    BlockDevice device;
    OpenDiskRing ring;

    explicit Polled(const DiskRing& row) noexcept : ring(row) {
        Random().fill(out.data, sizeof(out.data));
        write_plainly(device, out.data, sizeof(out.data), 0);
    }
    /// One read per part of `in`, submitted.
    void start_reads(u32 count) noexcept {
        __builtin_memset(in.data, 0, sizeof(in.data));
        for (u32 i = 0; i < count; ++i) {
            queue(*ring, i, [&](Sqe& s) {
                prep::read(s, device, in.data + i * disk_part, disk_part, u64{i} * disk_part);
            });
        }
        submit_all(*ring, count);
    }
    static void check_read(const Cqe& cqe) noexcept {
        CHECK_LT(cqe.user_data, 16u);
        CHECK_EQ(cqe.result, static_cast<i32>(disk_part));
        const u32 at = static_cast<u32>(cqe.user_data) * disk_part;
        CHECK_BYTES(in.data + at, out.data + at, disk_part);
    }
};

struct Enters {
    u32 count = 0;

    Enters() noexcept { set_handler(note, this); }
    ~Enters() { remove_handler(note, this); }
    Enters(const Enters&) = delete;
    Enters& operator=(const Enters&) = delete;

  private:
    static bool note(void* self, long number, const long*, int, long*) noexcept {
        static_cast<Enters*>(self)->count += number == number::io_uring_enter ? 1 : 0;
        return false;
    }
};

/// A look is one system call at the most, and one is enough to see what the device has done.
VARIANT_TEST(disk_poll_peek, polled_rings) {
    const NoLeaks no_leaks;
    Polled polled(row);
    Ring& ring = *polled.ring;
    const Enters enters;
    CHECK(ring.peek() == nullptr); // idle
    CHECK_EQ(enters.count, 1u);
    polled.start_reads(16);
    const u64 limit_ns = now_ns() + patience_ns;
    for (u32 ended = 0; ended < 16;) {
        CHECK_LT(now_ns(), limit_ns);
        const bool is_there = ring.cq_ready() != 0;
        const u32 before = enters.count;
        const Cqe* const cqe = ring.peek();
        CHECK_LE(enters.count - before, is_there ? 0u : 1u);
        CHECK(row.has_thread() || is_there || enters.count != before);
        if (cqe != nullptr) {
            Polled::check_read(*cqe);
            ring.seen(cqe);
            ++ended;
        }
    }
    CHECK(ring.peek() == nullptr);
}

/// Without its thread nobody looks at the device but who calls; with it nobody has to call.
VARIANT_TEST(disk_poll_who_looks, polled_rings) {
    const NoLeaks no_leaks;
    Polled polled(row);
    Ring& ring = *polled.ring;
    polled.start_reads(1);
    if (row.has_thread()) {
        const u64 limit_ns = now_ns() + patience_ns;
        while (ring.cq_ready() == 0) {
            CHECK_LT(now_ns(), limit_ns);
            CHECK_OK(kernel::sched_yield());
        }
    }
    Polled::check_read(next_of(ring, 0));
    CHECK(is_quiet(ring));
}

/// Every way to wait: for one, for all, with and without a time limit, copying.
VARIANT_TEST(disk_poll_waits, polled_rings) {
    const NoLeaks no_leaks;
    Polled polled(row);
    Ring& ring = *polled.ring;
    const Wait waits[] = {
        {.count = 16}, {.count = 16, .timeout_ns = patience_ns}, {.count = 1}, {.count = 0}};
    for (const Wait& wait : waits) {
        polled.start_reads(16);
        CHECK_EQ(ring.submit_and_wait(wait).error, 0);
        // Without a thread of its own, it does not look for more while some are there.
        CHECK_GE(ring.cq_ready(), row.has_thread() || wait.count == 0 ? wait.count : 1);
        for (u32 ended = 0; ended < 16; ++ended) {
            Polled::check_read(next(ring));
        }
    }
    polled.start_reads(3);
    for (u32 ended = 0; ended < 3; ++ended) {
        const Cqe* cqe = nullptr;
        CHECK_EQ(ring.wait(&cqe, {.timeout_ns = patience_ns}), 0);
        Polled::check_read(*cqe);
        ring.seen(cqe);
    }
    polled.start_reads(5);
    Cqe cqes[8];
    for (u32 ended = 0; ended < 5;) {
        const i32 count = CHECK_OK(ring.wait_and_copy(cqes, 8, {.count = 5 - ended}));
        CHECK_GE(count, row.has_thread() ? 5 : 1);
        for (i32 i = 0; i < count; ++i) {
            Polled::check_read(cqes[i]);
        }
        ended += static_cast<u32>(count);
    }
    const u64 start = now_ns();
    CHECK_ERRNO(ring.submit_and_wait({.timeout_ns = 5 * ns_per_ms}).error, Errno::etime);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
}

/// Kernels before 5.11 cannot time a wait, and a polled ring's descriptor never becomes ready.
TEST(disk_poll_timed_wait_on_an_older_kernel) {
    const NoLeaks no_leaks;
    const LimitedKernel limited(parts_of("5.10"));
    Polled polled({"iopoll", ring_flags::iopoll, 5, 1});
    Ring& ring = *polled.ring;
    CHECK(!ring.has(abi::feature::ext_arg));
    for (u32 round = 0; round < 4; ++round) {
        polled.start_reads(16);
        for (u32 ended = 0; ended < 16; ++ended) {
            Polled::check_read(next(ring));
        }
    }
    const u64 start = now_ns();
    CHECK_ERRNO(ring.submit_and_wait({.timeout_ns = 5 * ns_per_ms}).error, Errno::etime);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
}

/// What cannot be polled, each beside a read that can.
VARIANT_TEST(disk_poll_refuses_the_rest, polled_rings) {
    const NoLeaks no_leaks;
    Polled polled(row);
    Ring& ring = *polled.ring;
    const Fd buffered(CHECK_OK(
        kernel::openat(abi::at_fdcwd, disk_of("OXBOW_BLOCK_DEVICE"), abi::open_flag::cloexec)));
    const Pipe pipe = make_pipe();
    polled.start_reads(8);
    queue(ring, 100, [&](Sqe& s) { prep::read(s, buffered, in.data + 8 * disk_part, 4096, 0); });
    queue(ring, 101, [&](Sqe& s) { prep::fsync(s, polled.device); });
    queue(ring, 102, [&](Sqe& s) { prep::read(s, pipe.reader, in.data + 8 * disk_part, 1, 0); });
    queue(ring, 103, [&](Sqe& s) { prep::fallocate(s, polled.device, {0, 4096}); });
    queue(ring, 104, [&](Sqe& s) { prep::poll_add(s, pipe.reader, abi::poll_event::in); });
    for (u32 ended = 0; ended < 8 + 5; ++ended) {
        const Cqe cqe = next(ring);
        if (cqe.user_data < 8) {
            Polled::check_read(cqe);
            continue;
        }
        note("entry", static_cast<u32>(cqe.user_data));
        const bool is_read = cqe.user_data == 100 || cqe.user_data == 102;
        CHECK_ERRNO(cqe.result, is_read ? Errno::eopnotsupp : Errno::einval);
    }
}

/// What is in flight ends before the ring is gone, however little is done about it.
VARIANT_TEST(disk_poll_closed_in_flight, polled_rings) {
    const NoLeaks no_leaks;
    for (u32 round = 0; round < 8; ++round) {
        Polled polled(row);
        polled.start_reads(16);
        for (u32 i = 0; i < round; ++i) {
            (void)polled.ring->peek();
        }
    }
    // The device still works. (What was in flight may still be written to its own memory.)
    Polled polled(row);
    static DiskMemory<1> other;
    CHECK_EQ(run_result(*polled.ring,
                        [&](Sqe& s) { prep::read(s, polled.device, other.data, disk_part, 4096); }),
             static_cast<i32>(disk_part));
    CHECK_BYTES(other.data, out.data + 4096, disk_part);
}

/// A file on it, where the temporary directory lies on such a device: the file system takes part.
VARIANT_TEST(disk_poll_file, polled_rings) {
    (void)disk_of("OXBOW_SMALL_DISK");
    const NoLeaks no_leaks;
    char path[256];
    const Fd made = make_file(path);
    const Fd file(CHECK_OK(kernel::openat(abi::at_fdcwd, path,
                                          abi::open_flag::read_write | abi::open_flag::direct |
                                              abi::open_flag::cloexec)));
    OpenDiskRing ring(row);
    Random().fill(out.data, sizeof(out.data));
    // First where nothing is yet, so that blocks are allocated; then over what is there.
    for (u32 round = 0; round < 2; ++round) {
        for (u32 i = 0; i < 16; ++i) {
            queue(*ring, i, [&](Sqe& s) {
                prep::write(s, file, out.data + i * disk_part, disk_part, u64{i} * disk_part);
            });
        }
        for (u32 i = 0; i < 16; ++i) {
            CHECK_EQ(next(*ring).result, static_cast<i32>(disk_part));
        }
        CHECK_EQ(size_of(file), sizeof(out.data));
        check_plainly(made, out.data, sizeof(out.data), 0);
        Random(round).fill(out.data, sizeof(out.data));
    }
    CHECK_EQ(run_result(*ring, [&](Sqe& s) { prep::read(s, file, in.data, disk_part, 0); }),
             static_cast<i32>(disk_part));
    CHECK_EQ(
        run_result(*ring, [&](Sqe& s) { prep::read(s, file, in.data, 4096, sizeof(out.data)); }),
        0);
    CHECK_ERRNO(run_result(*ring, [&](Sqe& s) { prep::read(s, file, in.data, 4095, 0); }),
                Errno::einval);
}

} // namespace
} // namespace oxbow::test
