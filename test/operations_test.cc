// Operations as one call on the ring: the entry is the one that prep makes, with its user data, and
// a full queue is the only failure.
#include "../syscall/errno.h"
#include "../uring/ring.h"
#include "fake_kernel.h"

namespace oxbow::test {
namespace {

TEST(operations_make_the_entry_that_prep_makes) {
    FakeKernel kernel;
    Ring ring;
    CHECK_OK(ring.open({.entries = 4}));
    char buffer[16] = {};
    const Sqe* const made = ring.read(7, 3, buffer, 16u, u64{4096});
    CHECK(made != nullptr);
    Sqe expected = {};
    prep::read(expected, 3, buffer, 16, 4096);
    expected.user_data = 7;
    CHECK_BYTES(made, &expected, sizeof(Sqe));

    const Sqe* const closing = ring.close(8, 5); // beside Ring::close()
    Sqe expected_close = {};
    prep::close(expected_close, 5);
    expected_close.user_data = 8;
    CHECK_BYTES(closing, &expected_close, sizeof(Sqe));

    const Sqe* const nop = ring.nop(9);
    CHECK_EQ(nop->user_data, 9u);
    const Sqe* const update = ring.poll_update(10, prep::PollUpdate{});
    CHECK_EQ(update->opcode, static_cast<u8>(abi::Opcode::poll_remove));
    CHECK(ring.nop(11) == nullptr);
    CHECK(ring.read(12, 3, buffer, 16u, u64{0}) == nullptr);
    CHECK_EQ(ring.sq_ready(), 4u); // a refusal takes no entry
    CHECK_OK(ring.submit());
    CHECK_EQ(kernel.consumed(0).user_data, 7u);
    CHECK(ring.nop(11) != nullptr);
    ring.close();
}

TEST(operations_may_be_edited_until_submit) {
    FakeKernel kernel;
    Ring ring;
    CHECK_OK(ring.open({.entries = 4}));
    Sqe* const first = ring.nop(1);
    prep::link(*first);
    CHECK(ring.fsync(2, 0) != nullptr);
    CHECK_OK(ring.submit());
    CHECK_EQ(kernel.consumed(0).flags, abi::sqe_flag::io_link);
    CHECK_EQ(kernel.consumed(1).opcode, static_cast<u8>(abi::Opcode::fsync));
    ring.close();
}

TEST(operations_with_big_entries) {
    FakeKernel kernel;
    Ring ring;
    CHECK_OK(ring.open({.entries = 4, .flags = abi::setup::sqe_mixed}));
    CHECK(ring.nop128(1) != nullptr);
    CHECK(ring.nop128(2) != nullptr);
    CHECK(ring.nop128(3) == nullptr);
    CHECK_EQ(CHECK_OK(ring.submit()), 4); // slots
    CHECK_EQ(ring.for_each([](const Cqe&) noexcept {}), 2u);
    ring.close();

    CHECK_OK(ring.open({.entries = 4}));
    CHECK(ring.nop128(1) == nullptr); // a ring that has none
    ring.close();
}

} // namespace
} // namespace oxbow::test
