// Rings of buffers in shared memory: where they may lie, what the kernel takes from them and when,
// and their 16-bit tail.
#include "../uring/buffer_ring.h"

#include "../uring/register_buffers.h"
#include "hook.h"
#include "register_help.h"

namespace oxbow::test {
namespace {

constexpr u16 group = 7;

/// Memory at a page boundary, full of ones.
class Pages {
  public:
    explicit Pages(usize bytes) noexcept : bytes_(bytes) {
        address_ = reinterpret_cast<u8*>(
            CHECK_OK(kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                  abi::map::private_ | abi::map::anonymous, -1, 0)));
        __builtin_memset(address_, 0xff, bytes);
    }
    ~Pages() { CHECK_OK(kernel::munmap(address_, bytes_)); }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    u8* data() noexcept { return address_; }

  private:
    u8* address_;
    usize bytes_;
};

/// Receives up to `bytes` into a buffer of the group; the completion.
Cqe receive(Ring& ring, i32 fd, u32 bytes) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::recv(sqe, fd, nullptr, bytes);
    prep::select_buffer(sqe, group);
    return complete(ring);
}

TEST(buffer_ring_refusals) {
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    TestRing ring;
    BufferRing buffers;
    Pages pages(65536);
    constexpr u32 wrong[] = {0, 3, 12, 65536, 0x80000000};
    for (const u32 entries : wrong) {
        CHECK_ERRNO(buffers.open(*ring, {.group = group, .entries = entries}), Errno::einval);
    }
    CHECK_ERRNO(buffers.open(*ring, {.group = group, .entries = 8, .memory = pages.data() + 64}),
                Errno::einval);
    CHECK_ERRNO(
        buffers.open(*ring,
                     {.group = group, .entries = 8, .memory = pages.data(), .kernel_memory = true}),
        Errno::einval);
    CHECK(!buffers.is_open());
    CHECK_EQ(buffers.entries(), 0u);
    CHECK_OK(buffers.open(*ring, {.group = group, .entries = 32768}));
    CHECK_EQ(buffers.entries(), 32768u);
    CHECK_EQ(buffers.group(), group);
    BufferRing second;
    CHECK_ERRNO(second.open(*ring, {.group = group, .entries = 8}), Errno::eexist);
    CHECK_ERRNO(unregister_buffer_ring(*ring, 999), Errno::enoent);
    buffers.close();
    CHECK_OK(second.open(*ring, {.group = group, .entries = 1}));
    second.close();
    // On 32-bit machines that is a null pointer for the kernel 6.1 itself (__io_remove_buffers).
    if (sizeof(void*) == 8 || kernel_at_least(6, 5)) {
        const i32 gone = unregister_buffer_ring(*ring, group);
        // Up to 6.8 the groups below 64 are there in an array, if not as rings.
        CHECK(gone == -Errno::enoent || (gone == -Errno::einval && !kernel_at_least(6, 9)));
    }
    // A rest to leave is a matter of incremental use.
    CHECK_ERRNO(second.open(*ring, {.group = group, .entries = 8, .min_left_bytes = 16}),
                Errno::einval);
    CHECK(!second.is_open());
}

TEST(buffer_ring_clears_nothing_but_the_tail) {
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    TestRing ring;
    Pages pages(65536);
    BufferRing buffers;
    CHECK_OK(buffers.open(*ring, {.group = group, .entries = 16, .memory = pages.data()}));
    u8 expected[256];
    __builtin_memset(expected, 0xff, sizeof expected);
    expected[14] = 0;
    expected[15] = 0;
    CHECK_BYTES(pages.data(), expected, sizeof expected);
    // Adding writes an entry but for its last two bytes, which in the first one are the tail.
    u8 memory[8] = {};
    buffers.add(memory, 8, 0x1234);
    buffers.add(memory, 8, 0x1235);
    CHECK_EQ(buffers.unpublished(), 2);
    CHECK_EQ(pages.data()[14] + pages.data()[15], 0);
    CHECK_EQ(pages.data()[30] + pages.data()[31], 0xff + 0xff);
    buffers.publish();
    CHECK_EQ(buffers.unpublished(), 0);
    u16 tail = 0;
    __builtin_memcpy(&tail, pages.data() + 14, 2);
    CHECK_EQ(tail, 2);
    buffers.close();
    // The memory is the caller's, and still there.
    CHECK_EQ(pages.data()[255], 0xff);
}

struct Place {
    const char* name;
    bool callers;
    bool kernels;
};
constexpr Place places[] = {
    {"own", false, false}, {"callers", true, false}, {"kernels", false, true}};

VARIANT_TEST(buffer_ring_hands_out_in_order, places) {
    SKIP_WITHOUT("buffer rings");
    if (row.kernels) {
        SKIP_WITHOUT("buffer rings in the kernel's memory");
    }
    const NothingLeaks check;
    TestRing ring;
    Pages pages(65536);
    BufferRing buffers;
    BufferRingOptions options;
    options.group = group;
    options.entries = 4;
    options.memory = row.callers ? pages.data() : nullptr;
    options.kernel_memory = row.kernels;
    CHECK_OK(buffers.open(*ring, options));
    const TestPair sockets = TestPair::sockets(abi::socket_type::datagram);
    CHECK_ERRNO(receive(*ring, sockets[0], 16).result, Errno::enobufs);

    // Buffers of different sizes at different places, under any ids.
    u8 memory[3][32] = {};
    constexpr u16 ids[] = {500, 3, 65535};
    constexpr u32 sizes[] = {4, 32, 9};
    for (u32 i = 0; i < 3; ++i) {
        buffers.add(memory[i], sizes[i], ids[i]);
    }
    CHECK_ERRNO(receive(*ring, sockets[0], 16).result, Errno::enobufs); // not published yet
    buffers.publish();
    const bool tells = kernel_at_least(6, 8);
    CHECK_EQ(buffers.available(), tells ? 3 : -Errno::einval);
    for (u32 i = 0; i < 3; ++i) {
        sockets.write("0123456789");
        const Cqe cqe = receive(*ring, sockets[0], 100);
        CHECK_EQ(cqe.result, i == 1 ? 10 : static_cast<i32>(sizes[i]));
        CHECK(cqe.has_buffer());
        CHECK_EQ(cqe.buffer_id(), ids[i]);
        CHECK_BYTES(memory[i], "0123456789", static_cast<u32>(cqe.result));
        if (tells) {
            u16 head = 0;
            CHECK_OK(buffers.head(&head));
            CHECK_EQ(head, i + 1);
            CHECK_EQ(buffers.available(), static_cast<i32>(2 - i));
        }
    }
    CHECK_ERRNO(receive(*ring, sockets[0], 16).result, Errno::enobufs);
    buffers.close();
    buffers.close();
    // The group is gone.
    CHECK_ERRNO(receive(*ring, sockets[0], 16).result, Errno::enobufs);
}

TEST(buffer_ring_gives_back_buffers_and_completions_at_once) {
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    TestRing ring;
    BufferRing buffers;
    CHECK_OK(buffers.open(*ring, {.group = group, .entries = 2}));
    u8 memory[2][8] = {};
    for (u16 id = 0; id < 2; ++id) {
        buffers.add(memory[id], 8, id);
    }
    buffers.publish();
    const TestPair sockets = TestPair::sockets(abi::socket_type::datagram);
    for (u32 round = 0; round < 5; ++round) {
        for (u32 i = 0; i < 2; ++i) {
            sockets.write("xy");
            Sqe& sqe = need_sqe(*ring);
            prep::recv(sqe, sockets[0], nullptr, 8);
            prep::select_buffer(sqe, group);
        }
        CHECK_EQ(CHECK_OK(ring->submit_and_wait(2)), 2);
        CHECK_EQ(ring->cq_ready(), 2u);
        buffers.add(memory[0], 8, 0);
        buffers.add(memory[1], 8, 1);
        buffers.publish_and_advance(2);
        CHECK_EQ(ring->cq_ready(), 0u);
        CHECK_EQ(buffers.unpublished(), 0);
    }
    buffers.close();
}

TEST(buffer_ring_tail_wraps) {
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    TestRing ring(64);
    BufferRing buffers;
    CHECK_OK(buffers.open(*ring, {.group = group, .entries = 64}));
    const TestFd zero(kernel::openat(abi::at_fdcwd, "/dev/zero",
                                     abi::open_flag::read_only | abi::open_flag::cloexec));
    u8 memory[64] = {};
    for (u16 i = 0; i < 64; ++i) {
        buffers.add(memory + i, 1, i);
    }
    buffers.publish();
    // Once around the 65536 values of the tail and a bit further, always with a full ring.
    u32 expected = 0;
    for (u32 round = 0; round < 1100; ++round) {
        for (u32 i = 0; i < 64; ++i) {
            Sqe& sqe = need_sqe(*ring);
            prep::read(sqe, zero, nullptr, 1, 0);
            prep::select_buffer(sqe, group);
        }
        CHECK_EQ(CHECK_OK(ring->submit_and_wait(64)), 64);
        u32 wrong = 0;
        const u32 seen = ring->for_each([&](const Cqe& cqe) {
            const u32 id = expected++ % 64;
            wrong += cqe.result != 1 || cqe.buffer_id() != id;
            buffers.add(memory + id, 1, static_cast<u16>(id));
        });
        CHECK_EQ(seen, 64u);
        CHECK_EQ(wrong, 0u);
        buffers.publish();
    }
    CHECK_GT(expected, 70000u);
    CHECK_EQ(buffers.position(), static_cast<u16>(expected + 64));
    if (kernel_at_least(6, 8)) {
        CHECK_EQ(buffers.available(), 64);
    }
    buffers.close();
}

TEST(buffer_ring_closes_in_any_order) {
    need_rings();
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    for (u32 kernels = 0; kernels < (kernel_at_least(6, 4) ? 2 : 1); ++kernels) {
        for (u32 ring_first = 0; ring_first < 2; ++ring_first) {
            Ring ring;
            BufferRing buffers;
            CHECK_OK(ring.open({.entries = 4}));
            CHECK_OK(buffers.open(ring,
                                  {.group = group, .entries = 256, .kernel_memory = kernels != 0}));
            if (ring_first != 0) {
                ring.close();
                buffers.close();
            } else {
                buffers.close();
                ring.close();
            }
        }
    }
}

TEST(buffer_ring_failures_leave_nothing) {
    const NothingLeaks check;
    TestRing ring;
    BufferRing buffers;
    const Resources before = resources();
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(buffers.open(*ring, {.group = group, .entries = 4}), Errno::enomem);
    fail_call(number::io_uring_register, Errno::enomem);
    CHECK_ERRNO(buffers.open(*ring, {.group = group, .entries = 4}), Errno::enomem);
    if (kernel_at_least(6, 4)) {
        fail_call(number::mmap, Errno::eagain);
        const BufferRingOptions in_kernel = {.group = group, .entries = 4, .kernel_memory = true};
        CHECK_ERRNO(buffers.open(*ring, in_kernel), Errno::eagain);
        // Undone: but of low groups, kernels before 6.9 keep an empty entry.
        const i32 again = unregister_buffer_ring(*ring, group);
        CHECK(again == -Errno::enoent || (again == -Errno::einval && !kernel_at_least(6, 9)));
    }
    clear_faults();
    CHECK(!buffers.is_open());
    CHECK_SAME_RESOURCES(before);
}

TEST(buffer_ring_works_through_the_index) {
    SKIP_WITHOUT("buffer rings through the index");
    const NothingLeaks check;
    TestRing ring;
    CHECK_OK(ring->register_ring_fd());
    CHECK_OK(ring->close_ring_fd());
    BufferRing buffers;
    // Without a descriptor there is nothing to map the kernel's memory from.
    CHECK_ERRNO(buffers.open(*ring, {.group = group, .entries = 4, .kernel_memory = true}),
                Errno::einval);
    CHECK_OK(buffers.open(*ring, {.group = group, .entries = 4}));
    u8 memory[8] = {};
    buffers.add(memory, 8, 1);
    buffers.publish();
    const TestPair sockets = TestPair::sockets();
    sockets.write("index");
    CHECK_EQ(receive(*ring, sockets[0], 8).result, 5);
    CHECK_BYTES(memory, "index", 5);
    buffers.close();
}

} // namespace
} // namespace oxbow::test
