// Buffers that are given to the kernel by entries.
#include "buffers_help.h"

namespace oxbow::test {
namespace {

class TestProvided {
  public:
    TestProvided(Ring& ring, u32 count, u32 buffer_bytes) noexcept {
        CHECK_OK(
            buffers_.open(ring, {.group = group_id, .count = count, .buffer_bytes = buffer_bytes}));
    }
    ~TestProvided() { buffers_.close(); }
    TestProvided(const TestProvided&) = delete;
    TestProvided& operator=(const TestProvided&) = delete;

    ProvidedBuffers* operator->() noexcept { return &buffers_; }

  private:
    ProvidedBuffers buffers_;
};

/// Kernels before 5.13 answer how many, later ones 0.
void check_provided(const Cqe& cqe, u64 user_data) noexcept {
    CHECK_EQ(cqe.user_data, user_data);
    CHECK_GE(cqe.result, 0);
}

/// Takes back what the kernel still has, so that the memory can go.
void remove_all(Ring& ring, ProvidedBuffers& buffers, u32 count) noexcept {
    CHECK(buffers.remove(0, buffers.count()) != nullptr);
    CHECK_EQ(complete(ring).result, static_cast<i32>(count));
}

// Zig's test 26.
TEST(buffers_provided_read) {
    const NothingLeaks check;
    TestRing ring(1);
    TestProvided buffers(*ring, 4, 128);
    const TestFd zero(kernel::openat(abi::at_fdcwd, "/dev/zero",
                                     abi::open_flag::read_only | abi::open_flag::cloexec));
    CHECK(buffers->provide_all(0xcccc) != nullptr);
    check_provided(complete(*ring), 0xcccc);
    const u8 zeros[128] = {};
    u32 ids = 0;
    for (u32 i = 0; i < 4; ++i) {
        CHECK(buffers->read(0xdede, zero, 0) != nullptr);
        const Cqe cqe = complete(*ring);
        CHECK_EQ(cqe.user_data, 0xdedeu);
        CHECK(cqe.has_buffer());
        CHECK_LT(cqe.buffer_id(), 4);
        ids |= 1u << cqe.buffer_id();
        const BufferView view = buffers->get(cqe);
        CHECK_EQ(view.bytes, 128u);
        CHECK_EQ(view.id, cqe.buffer_id());
        CHECK_BYTES(view.data, zeros, 128);
    }
    CHECK_EQ(ids, 0xfu);
    CHECK(buffers->read(1, zero, 0) != nullptr);
    Cqe cqe = complete(*ring);
    CHECK_ERRNO(cqe.result, Errno::enobufs);
    CHECK(!cqe.has_buffer());
    CHECK(!buffers->get(cqe));
    CHECK(buffers->give_back(0xabab, 2) != nullptr);
    check_provided(complete(*ring), 0xabab);
    CHECK(buffers->read(2, zero, 0) != nullptr);
    cqe = complete(*ring);
    CHECK_EQ(cqe.buffer_id(), 2);
    CHECK_EQ(buffers->get(cqe).bytes, 128u);
    CHECK(!buffers->get({.user_data = 0, .result = 5, .flags = abi::cqe_flag::buffer | 4u << 16}));
}

// Zig's test 27.
TEST(buffers_provided_remove) {
    const NothingLeaks check;
    TestRing ring(1);
    TestProvided buffers(*ring, 4, 128);
    const TestFd zero(kernel::openat(abi::at_fdcwd, "/dev/zero",
                                     abi::open_flag::read_only | abi::open_flag::cloexec));
    CHECK(buffers->provide_all(1) != nullptr);
    check_provided(complete(*ring), 1);
    CHECK(buffers->remove(2, 3) != nullptr);
    CHECK_EQ(CHECK_OK(ring->submit()), 1);
    Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.user_data, 2u);
    CHECK_EQ(cqe.result, 3);
    CHECK(buffers->read(3, zero, 0) != nullptr);
    cqe = complete(*ring);
    CHECK_EQ(cqe.result, 128);
    CHECK_LT(cqe.buffer_id(), 4);
    CHECK(buffers->read(4, zero, 0) != nullptr);
    CHECK_ERRNO(complete(*ring).result, Errno::enobufs);
    // They can all be provided once more.
    CHECK(buffers->provide_all(5) != nullptr);
    check_provided(complete(*ring), 5);
    CHECK(buffers->remove(6, 100) != nullptr);
    CHECK_EQ(complete(*ring).result, 4);
}

// Zig's test 28.
TEST(buffers_provided_sockets) {
    const NothingLeaks check;
    TestRing ring(16);
    TestProvided buffers(*ring, 4, 128);
    CHECK(buffers->provide_all(1) != nullptr);
    check_provided(complete(*ring), 1);
    const TestPair sockets = TestPair::sockets(abi::socket_type::datagram);
    u8 message[128];
    __builtin_memset(message, 'z', sizeof message);
    for (u64 i = 0; i < 4; ++i) {
        Sqe* const sqe = buffers->recv(100 + i, sockets[0]);
        CHECK(sqe != nullptr);
        CHECK_EQ(sqe->flags, abi::sqe_flag::buffer_select);
        CHECK_EQ(sqe->op_flags, 0u);
        CHECK_EQ(sqe->buf_index, group_id);
        CHECK_EQ(CHECK_OK(kernel::send(sockets[1], message, sizeof message, 0)), 128);
    }
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(4)), 4);
    Cqe cqes[4];
    CHECK_EQ(ring->copy(cqes, 4), 4u);
    u32 ids = 0;
    for (const Cqe& cqe : cqes) {
        CHECK_EQ(cqe.result, 128);
        const BufferView view = buffers->get(cqe);
        CHECK_BYTES(view.data, message, sizeof message);
        ids |= 1u << view.id;
    }
    CHECK_EQ(ids, 0xfu);
    CHECK_EQ(CHECK_OK(kernel::send(sockets[1], message, sizeof message, 0)), 128);
    CHECK(buffers->recv(5, sockets[0]) != nullptr);
    CHECK_ERRNO(complete(*ring).result, Errno::enobufs);
    CHECK(buffers->give_back(6, 1) != nullptr);
    check_provided(complete(*ring), 6);
    CHECK(buffers->recv(7, sockets[0]) != nullptr);
    const Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.result, 128);
    CHECK_EQ(cqe.buffer_id(), 1);
    CHECK(buffers->give_back(8, 1) != nullptr);
    check_provided(complete(*ring), 8);
    remove_all(*ring, *buffers.operator->(), 1);
}

TEST(buffers_provided_multishot) {
    SKIP_WITHOUT("multishot receives");
    const NothingLeaks check;
    TestRing ring(16);
    TestProvided buffers(*ring, 2, 4);
    // Successes without a completion, so that only receives are to be seen.
    Sqe* sqe = buffers->provide_all(1);
    CHECK(sqe != nullptr);
    prep::skip_success(*sqe);
    const TestPair sockets = TestPair::sockets();
    sockets.write("0123456789");
    CHECK(buffers->recv_multishot(2, sockets[0]) != nullptr);
    const Cqe first = complete(*ring);
    CHECK_EQ(first.user_data, 2u);
    CHECK_VIEW(buffers->get(first), "0123");
    const Cqe second = complete(*ring);
    CHECK_VIEW(buffers->get(second), "4567");
    const Cqe ended = complete(*ring);
    CHECK_ERRNO(ended.result, Errno::enobufs);
    CHECK(!ended.more());
    sqe = buffers->give_back(3, second.buffer_id());
    CHECK(sqe != nullptr);
    prep::skip_success(*sqe);
    CHECK(buffers->recv(4, sockets[0]) != nullptr);
    const Cqe rest = complete(*ring);
    CHECK_EQ(rest.user_data, 4u);
    CHECK_VIEW(buffers->get(rest), "89");
}

TEST(buffers_provided_refusals) {
    const NothingLeaks check;
    TestRing ring(1);
    ProvidedBuffers buffers;
    CHECK_ERRNO(buffers.open(*ring, {.count = 0, .buffer_bytes = 8}), Errno::einval);
    CHECK_ERRNO(buffers.open(*ring, {.count = 40000, .buffer_bytes = 8}), Errno::einval);
    CHECK_ERRNO(buffers.open(*ring, {.count = 4, .buffer_bytes = 0}), Errno::einval);
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(buffers.open(*ring, {.count = 4, .buffer_bytes = 8}), Errno::enomem);
    clear_faults();
    CHECK(!buffers.is_open());
    u8 memory[32];
    CHECK_OK(buffers.open(*ring, {.group = 3, .count = 4, .buffer_bytes = 8, .memory = memory}));
    prep::nop(need_sqe(*ring)); // the one entry there is
    CHECK(buffers.provide_all(1) == nullptr);
    CHECK(buffers.give_back(1, 0) == nullptr);
    CHECK(buffers.remove(1, 1) == nullptr);
    CHECK(buffers.recv(1, 0) == nullptr);
    CHECK(buffers.read(1, 0) == nullptr);
    CHECK(buffers.recv_multishot(1, 0) == nullptr);
    (void)complete(*ring);
    CHECK(buffers.remove(1, 1) != nullptr);
    CHECK_ERRNO(complete(*ring).result, Errno::enoent);
    buffers.close();
    buffers.close();
}

} // namespace
} // namespace oxbow::test
