// The table of registered buffers: every way to make, change and clone one, with its effect.
#include "../uring/register.h"

#include "hook.h"
#include "register_help.h"

namespace oxbow::test {
namespace {

/// Writes part of a registered buffer to the file; the completion's result.
i32 write_fixed(Ring& ring, i32 fd, const void* data, u32 bytes, u16 index) noexcept {
    prep::write_fixed(need_sqe(ring), fd, data, bytes, 0, index);
    return complete(ring).result;
}

i32 read_fixed(Ring& ring, i32 fd, void* data, u32 bytes, u16 index) noexcept {
    prep::read_fixed(need_sqe(ring), fd, data, bytes, 0, index);
    return complete(ring).result;
}

/// Whether slot `index` holds `memory`: one byte of it can be written to a file.
bool holds(Ring& ring, i32 file, const void* memory, u16 index) noexcept {
    const i32 result = write_fixed(ring, file, memory, 1, index);
    CHECK(result == 1 || result == -Errno::efault);
    return result == 1;
}

TEST(register_buffers_read_and_write) {
    const NothingLeaks check;
    TestRing ring;
    const TestFd file(file_of(""));
    char out[64] = "from a registered buffer";
    char in[64] = {};
    const abi::IoVec buffers[] = {{out, sizeof out}, {in, sizeof in}};
    CHECK_OK(register_buffers(*ring, buffers, 2));
    CHECK_EQ(write_fixed(*ring, file, out, 24, 0), 24);
    CHECK_EQ(read_fixed(*ring, file, in + 10, 24, 1), 24); // any part of it
    CHECK_BYTES(in + 10, out, 24);
    // What leaves the buffer, or is in another one, is refused.
    CHECK_ERRNO(write_fixed(*ring, file, out, 65, 0), Errno::efault);
    CHECK_ERRNO(write_fixed(*ring, file, out, 1, 1), Errno::efault);
    CHECK_ERRNO(write_fixed(*ring, file, out, 1, 2), Errno::efault);
    CHECK_OK(unregister_buffers(*ring));
    CHECK_ERRNO(write_fixed(*ring, file, out, 1, 0), Errno::efault);
}

TEST(register_buffers_refusals) {
    const NothingLeaks check;
    TestRing ring;
    char byte = 0;
    const abi::IoVec good[] = {{&byte, 1}};
    const abi::IoVec unmapped[] = {{&byte, 1}, {reinterpret_cast<void*>(uptr{64}), 1}};
    const abi::IoVec empty[] = {{&byte, 0}};
    CHECK_ERRNO(unregister_buffers(*ring), Errno::enxio);
    CHECK_ERRNO(update_buffers(*ring, 0, good, nullptr, 1), Errno::enxio);
    CHECK_ERRNO(register_buffers(*ring, good, 0), Errno::einval);
    CHECK_ERRNO(register_buffers(*ring, good, registered_buffers_max + 1), Errno::einval);
    CHECK_ERRNO(register_buffers(*ring, unmapped, 2), Errno::efault);
    CHECK_ERRNO(register_buffers(*ring, empty, 1), Errno::efault);
    CHECK_ERRNO(unregister_buffers(*ring), Errno::enxio);
    CHECK_OK(register_buffers(*ring, good, 1));
    CHECK_ERRNO(register_buffers(*ring, good, 1), Errno::ebusy);
    // Before 5.19 the flag itself is refused.
    CHECK_ERRNO(register_buffers_sparse(*ring, 1),
                kernel_at_least(5, 19) ? Errno::ebusy : Errno::einval);
    CHECK_ERRNO(update_buffers(*ring, 1, good, nullptr, 1), Errno::einval);
}

TEST(register_buffers_sparse_and_update) {
    SKIP_WITHOUT("sparse tables of buffers");
    const NothingLeaks check;
    TestRing ring;
    const TestFd file(file_of(""));
    char a[8] = {};
    char b[8] = {};
    CHECK_OK(register_buffers_sparse(*ring, 4));
    CHECK(!holds(*ring, file, a, 1));
    const abi::IoVec both[] = {{a, sizeof a}, {b, sizeof b}};
    CHECK_EQ(CHECK_OK(update_buffers(*ring, 1, both, nullptr, 2)), 2);
    CHECK(!holds(*ring, file, a, 0));
    CHECK(holds(*ring, file, a, 1));
    CHECK(holds(*ring, file, b, 2));
    // One is emptied, and a bad one stops the rest but leaves its own slot as it was.
    const abi::IoVec change[] = {{nullptr, 0}, {a, 0}, {a, sizeof a}};
    CHECK_EQ(CHECK_OK(update_buffers(*ring, 1, change, nullptr, 3)), 1);
    CHECK(!holds(*ring, file, a, 1));
    CHECK(holds(*ring, file, b, 2));
    CHECK(!holds(*ring, file, a, 3));
}

TEST(register_buffers_tags_come_when_buffers_leave) {
    SKIP_WITHOUT("resource tags");
    const NothingLeaks check;
    TestRing ring;
    char memory[3][16] = {};
    const abi::IoVec buffers[] = {{memory[0], 16}, {memory[1], 16}, {memory[2], 16}};
    const u64 tags[] = {11, 0, 13};
    CHECK_OK(register_buffers_tagged(*ring, buffers, tags, 3));
    CHECK_EQ(ring->cq_ready(), 0u);
    const u64 new_tag[] = {21};
    CHECK_EQ(CHECK_OK(update_buffers(*ring, 0, buffers, new_tag, 1)), 1);
    const Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.user_data, 11u);
    CHECK_EQ(cqe.result, 0);
    CHECK_OK(unregister_buffers(*ring));
    if (kernel_at_least(6, 13)) { // before, only updates tell of what leaves
        const u64 sum = complete(*ring).user_data + complete(*ring).user_data;
        CHECK_EQ(sum, 21u + 13u);
    }
    CHECK(ring->peek() == nullptr);
    // A tag on an empty slot would never come.
    const abi::IoVec hole[] = {{nullptr, 0}};
    CHECK_ERRNO(register_buffers_tagged(*ring, hole, tags, 1), Errno::einval);
}

TEST(register_buffers_tag_waits_for_the_operation) {
    SKIP_WITHOUT("unregistering buffers without a wait for who uses them");
    const NothingLeaks check;
    TestRing ring;
    const TestPair pipe = TestPair::pipe();
    char memory[16] = {};
    const abi::IoVec buffers[] = {{memory, sizeof memory}};
    const u64 tags[] = {5};
    CHECK_OK(register_buffers_tagged(*ring, buffers, tags, 1));
    Sqe& sqe = need_sqe(*ring);
    prep::read_fixed(sqe, pipe[0], memory, sizeof memory, 0, 0);
    sqe.user_data = 1;
    submit_and_expect_nothing(*ring);
    CHECK_OK(unregister_buffers(*ring));
    CHECK_OK(ring->get_events());
    CHECK_EQ(ring->cq_ready(), 0u);
    pipe.write("late");
    const Cqe read = complete(*ring);
    CHECK_EQ(read.user_data, 1u);
    CHECK_EQ(read.result, 4);
    CHECK_BYTES(memory, "late", 4);
    CHECK_EQ(complete(*ring).user_data, 5u);
}

// ---- Clones -------------------------------------------------------------------------------------

TEST(register_clone_buffers_whole) {
    SKIP_WITHOUT("clones of buffers");
    const NothingLeaks check;
    TestRing source;
    TestRing ring;
    const TestFd file(file_of(""));
    char a[8] = {};
    char b[8] = {};
    const abi::IoVec both[] = {{a, sizeof a}, {b, sizeof b}};
    CHECK_ERRNO(clone_buffers(*ring, *source), Errno::enxio);
    CHECK_OK(register_buffers(*source, both, 2));
    CHECK_OK(clone_buffers(*ring, *source));
    // They outlive those they were cloned from.
    CHECK_OK(unregister_buffers(*source));
    CHECK(holds(*ring, file, a, 0));
    CHECK(holds(*ring, file, b, 1));
    CHECK_ERRNO(clone_buffers(*ring, *source), Errno::ebusy);
    CHECK_OK(unregister_buffers(*ring));
}

TEST(register_clone_buffers_in_part) {
    SKIP_WITHOUT("clones of a part of the buffers");
    const NothingLeaks check;
    TestRing source;
    TestRing ring;
    const TestFd file(file_of(""));
    char memory[4][8] = {};
    abi::IoVec buffers[4];
    for (u32 i = 0; i < 4; ++i) {
        buffers[i] = {memory[i], 8};
    }
    CHECK_OK(register_buffers(*source, buffers, 4));
    CHECK_ERRNO(clone_buffers(*ring, *source, {.source_slot = 1}), Errno::einval);
    CHECK_ERRNO(clone_buffers(*ring, *source, {.count = 5}), Errno::einval);
    CHECK_ERRNO(clone_buffers(*ring, *source, {.source_slot = 2, .count = 3}), Errno::eoverflow);
    CHECK_OK(clone_buffers(*ring, *source, {.source_slot = 1, .destination_slot = 2, .count = 2}));
    CHECK(!holds(*ring, file, memory[0], 0));
    CHECK(!holds(*ring, file, memory[0], 1));
    CHECK(holds(*ring, file, memory[1], 2));
    CHECK(holds(*ring, file, memory[2], 3));
    // Only with `replace` are slots of a table given up, and only those that were named.
    const CloneRange onto = {.source_slot = 3, .destination_slot = 2, .count = 1};
    CHECK_ERRNO(clone_buffers(*ring, *source, onto), Errno::ebusy);
    CHECK_OK(clone_buffers(*ring, *source,
                           {.source_slot = 3, .destination_slot = 2, .count = 1, .replace = true}));
    CHECK(holds(*ring, file, memory[3], 2));
    const bool is_kept = holds(*ring, file, memory[2], 3);
    if (!is_kept && !kernel_at_least(6, 18)) {
        SKIP("replacing a part gives up what lies behind it: mended in Linux 6.18");
    }
    CHECK(is_kept);
}

TEST(register_clone_buffers_from_a_ring_without_a_descriptor) {
    SKIP_WITHOUT("clones of buffers");
    const NothingLeaks check;
    TestRing source;
    TestRing ring;
    const TestFd file(file_of(""));
    char a[8] = {};
    const abi::IoVec buffer[] = {{a, sizeof a}};
    CHECK_OK(register_buffers(*source, buffer, 1));
    // Registered, but with a descriptor still: named by that. Then by its index alone.
    CHECK_OK(source->register_ring_fd());
    CHECK_OK(clone_buffers(*ring, *source));
    CHECK(holds(*ring, file, a, 0));
    CHECK_OK(unregister_buffers(*ring));
    CHECK_OK(source->close_ring_fd());
    CHECK_EQ(source->fd(), -1);
    CHECK_OK(clone_buffers(*ring, *source));
    CHECK(holds(*ring, file, a, 0));
}

TEST(register_buffers_end_with_the_ring) {
    const NothingLeaks check;
    // Memory that is registered may go before the ring, and the ring before its memory.
    const usize bytes = 65536;
    const auto map = [] {
        return reinterpret_cast<void*>(
            CHECK_OK(kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                  abi::map::private_ | abi::map::anonymous, -1, 0)));
    };
    for (u32 round = 0; round < 2; ++round) {
        void* const memory = map();
        {
            TestRing ring;
            const abi::IoVec buffers[] = {{memory, bytes}};
            CHECK_OK(register_buffers(*ring, buffers, 1));
            if (round == 0) {
                CHECK_OK(kernel::munmap(memory, bytes));
            }
        }
        if (round == 1) {
            CHECK_OK(kernel::munmap(memory, bytes));
        }
    }
}

} // namespace
} // namespace oxbow::test
