// Groups of buffers: what a completion brought is found where it lies, and every buffer comes back
// to the kernel exactly once, whatever the order. Bundles too; buffers that are used up in pieces
// are in buffers_incremental_test.cc.
#include "buffers_help.h"

namespace oxbow::test {
namespace {

// ---- Opening and closing ------------------------------------------------------------------------

TEST(buffers_refusals) {
    const NothingLeaks check;
    TestRing ring;
    BufferGroup group;
    CHECK_ERRNO(group.open(*ring, {.count = 0, .buffer_bytes = 1}), Errno::einval);
    CHECK_ERRNO(group.open(*ring, {.count = 32769, .buffer_bytes = 1}), Errno::einval);
    CHECK_ERRNO(group.open(*ring, {.count = 1, .buffer_bytes = 0}), Errno::einval);
    if (sizeof(usize) == 4) {
        CHECK_ERRNO(group.open(*ring, {.count = 32768, .buffer_bytes = 0xffffffff}), Errno::enomem);
    }
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(group.open(*ring, {.count = 4, .buffer_bytes = 16}), Errno::enomem);
    fail_call(number::io_uring_register, Errno::eexist);
    CHECK_ERRNO(group.open(*ring, {.count = 4, .buffer_bytes = 16}), Errno::eexist);
    clear_faults();
    CHECK(!group.is_open());
    group.close();
}

TEST(buffers_close_in_any_order) {
    need_rings();
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    u8 memory[4 * 16];
    for (u32 kind = 0; kind < 8; ++kind) {
        const bool kernels = (kind & 2) != 0 && kernel_at_least(6, 4);
        Ring ring;
        BufferGroup group;
        CHECK_OK(ring.open({.entries = 4}));
        CHECK_OK(group.open(ring, {.group = group_id,
                                   .count = 4,
                                   .buffer_bytes = 16,
                                   .memory = (kind & 4) != 0 ? memory : nullptr,
                                   .kernel_memory = kernels}));
        const TestPair sockets = TestPair::sockets();
        sockets.write("data");
        CHECK_VIEW(group.get(receive(ring, group, sockets[0])), "data"); // and never put
        if ((kind & 1) != 0) {
            ring.close();
        }
        group.close();
        group.close();
        ring.close();
    }
}

TEST(buffers_open_again_under_the_same_name) {
    const NothingLeaks check;
    TestRing ring;
    for (u32 round = 0; round < 3; ++round) {
        TestGroup group(*ring, 3, 8); // no power of two
        CHECK_EQ(group->count(), 3u);
        CHECK_EQ(group->group(), group_id);
        CHECK_AVAILABLE(*group, 3);
    }
}

TEST(buffers_stay_out_of_children) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 1, 16);
    const TestPair sockets = TestPair::sockets();
    sockets.write("x");
    const BufferView view = group->get(receive(*ring, *group, sockets[0]));
    // A child asks the kernel about its memory, which does not have the buffers.
    const i32 status =
        in_child([&] { CHECK_ERRNO(kernel::write(sockets[1], view.data, 1), Errno::efault); });
    CHECK_EQ(status, 0);
    CHECK_EQ(view.data[0], 'x');
}

// ---- Whole buffers ------------------------------------------------------------------------------

// Zig's test 37.
TEST(buffers_group_receives_and_puts) {
    const NothingLeaks check;
    TestRing ring(16);
    TestGroup group(*ring, 1, 128);
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 3; ++round) {
        sockets.write("0123456789abcde");
        const Cqe cqe = receive(*ring, *group, sockets[0]);
        CHECK_EQ(cqe.result, 15);
        CHECK(cqe.has_buffer());
        CHECK_EQ(cqe.buffer_id(), 0);
        CHECK_VIEW(group->get(cqe), "0123456789abcde");
        CHECK_EQ(group->held(), 1u);
        CHECK_AVAILABLE(*group, 0);
        group->put(cqe);
        CHECK_EQ(group->held(), 0u);
        CHECK_AVAILABLE(*group, 1);
    }
}

// Zig's test 38.
TEST(buffers_group_runs_empty_and_recovers) {
    const NothingLeaks check;
    TestRing ring(16);
    TestGroup group(*ring, 2, 4);
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 4; ++round) {
        sockets.write("0123456789abcdef"); // twice what the buffers hold
        const Cqe first = receive(*ring, *group, sockets[0]);
        CHECK_VIEW(group->get(first), "0123");
        const Cqe second = receive(*ring, *group, sockets[0]);
        CHECK_VIEW(group->get(second), "4567");
        CHECK_NE(first.buffer_id(), second.buffer_id());
        const Cqe none = receive(*ring, *group, sockets[0]);
        CHECK_ERRNO(none.result, Errno::enobufs);
        CHECK(!none.has_buffer());
        CHECK(!group->get(none));
        group->put(none); // nothing to put
        // Back in the other order, which is then theirs.
        group->put(second);
        group->put(first);
        const Cqe third = receive(*ring, *group, sockets[0]);
        CHECK_VIEW(group->get(third), "89ab");
        CHECK_EQ(third.buffer_id(), second.buffer_id());
        group->put(third);
        const Cqe fourth = receive(*ring, *group, sockets[0]);
        CHECK_VIEW(group->get(fourth), "cdef");
        group->put(fourth);
    }
    CHECK_EQ(group->held(), 0u);
}

// Zig's test 39.
TEST(buffers_group_multishot) {
    SKIP_WITHOUT("multishot receives");
    const NothingLeaks check;
    TestRing ring(16);
    TestGroup group(*ring, 2, 4);
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 4; ++round) {
        CHECK(group->recv_multishot(42, sockets[0]) != nullptr);
        CHECK_OK(ring->submit());
        sockets.write("0123456789");
        const Cqe first = complete(*ring);
        CHECK_EQ(first.user_data, 42u);
        CHECK(first.more());
        CHECK_VIEW(group->get(first), "0123");
        const Cqe second = complete(*ring);
        CHECK(second.more());
        CHECK_VIEW(group->get(second), "4567");
        // Two bytes are left and no buffer: that ends it, and does not lose them.
        const Cqe ended = complete(*ring);
        CHECK_ERRNO(ended.result, Errno::enobufs);
        CHECK_EQ(ended.user_data, 42u);
        CHECK(!ended.more());
        CHECK(!ended.has_buffer());
        group->put(first);
        group->put(second);
        CHECK(group->recv_multishot(43, sockets[0]) != nullptr);
        const Cqe rest = complete(*ring);
        CHECK_EQ(rest.user_data, 43u);
        CHECK(rest.more());
        CHECK_VIEW(group->get(rest), "89");
        group->put(rest);
        // Cancelled, it ends with that.
        prep::async_cancel(need_sqe(*ring), 43);
        const Cqe one = complete(*ring);
        const Cqe other = complete(*ring);
        const Cqe& receive_cqe = one.user_data == 43 ? one : other;
        const Cqe& cancel_cqe = one.user_data == 43 ? other : one;
        CHECK_EQ(receive_cqe.user_data, 43u);
        CHECK_ERRNO(receive_cqe.result, Errno::ecanceled);
        CHECK(!receive_cqe.more());
        CHECK_EQ(cancel_cqe.result, 0);
    }
}

// One buffer and a burst: each datagram arrives once and in order.
TEST(buffers_group_of_one_takes_a_burst) {
    SKIP_WITHOUT("multishot receives");
    const NothingLeaks check;
    TestRing ring(16);
    TestGroup group(*ring, 1, 8);
    const TestPair sockets = TestPair::sockets(abi::socket_type::datagram);
    u32 sent = 0;
    u32 got = 0;
    u32 empty = 0;
    bool armed = false;
    while (got < 64) {
        while (sent < 64 && sent < got + 8) { // no more than the socket queues
            CHECK_EQ(CHECK_OK(kernel::write(sockets[1], &sent, sizeof sent)), 4);
            ++sent;
        }
        if (!armed) {
            CHECK(group->recv_multishot(0, sockets[0]) != nullptr);
            armed = true;
        }
        const Cqe cqe = complete(*ring);
        armed = cqe.more();
        if (cqe.result == -Errno::enobufs) {
            CHECK(!armed);
            ++empty;
            continue;
        }
        CHECK_EQ(cqe.result, 4);
        const BufferView view = group->get(cqe);
        CHECK_BYTES(view.data, &got, 4);
        ++got;
        group->put(cqe);
    }
    CHECK_GT(empty, 0u);
    CHECK_AVAILABLE(*group, 1);
}

TEST(buffers_group_ignores_what_is_not_its_own) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 2, 8);
    const auto with = [](i32 result, u32 flags) {
        Cqe cqe = {};
        cqe.result = result;
        cqe.flags = flags;
        return cqe;
    };
    constexpr u32 buffer = abi::cqe_flag::buffer;
    CHECK(!group->get(with(4, 0)));
    CHECK(!group->get(with(4, buffer | 2u << abi::cqe_buffer_shift)));
    CHECK(!group->get(with(4, buffer | 65535u << abi::cqe_buffer_shift)));
    CHECK(!group->get(with(-Errno::econnreset, buffer)));
    CHECK(!group->get(with(0, buffer)));
    CHECK(!group->next({}));
    group->put(with(4, 0));
    group->put(with(4, buffer | 2u << abi::cqe_buffer_shift));
    group->put(BufferView{});
    CHECK_EQ(group->held(), 0u);
    CHECK_AVAILABLE(*group, 2);
}

TEST(buffers_group_takes_a_buffer_back_once) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 2, 8);
    const TestPair sockets = TestPair::sockets();
    sockets.write("once");
    const Cqe cqe = receive(*ring, *group, sockets[0]);
    CHECK_VIEW(group->get(cqe), "once");
    group->put(cqe);
    const auto again = [&] {
        group->put(cqe);
        group->give_back(cqe.buffer_id());
        group->put(BufferView{});
    };
#if defined(OXBOW_DEBUG)
    CHECK_NE(in_child(again), 0); // a misuse that ends the program
#else
    again(); // ignored: the kernel would fill the buffer for two at once
#endif
    CHECK_AVAILABLE(*group, 2);
}

TEST(buffers_group_gets_buffers_back_at_the_end_of_a_stream) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 2, 8);
    TestPair pipe = TestPair::pipe();
    pipe.write("tail");
    pipe.close(1);
    CHECK(group->read(0, pipe[0]) != nullptr);
    const Cqe data = complete(*ring);
    CHECK_VIEW(group->get(data), "tail");
    group->put(data);
    // Whether the end of it takes a buffer depends on the operation and the kernel. After put()
    // both are there again, as often as it is read.
    for (u32 i = 0; i < 4; ++i) {
        CHECK(group->read(0, pipe[0]) != nullptr);
        const Cqe end = complete(*ring);
        CHECK_EQ(end.result, 0);
        CHECK(!group->get(end));
        group->put(end);
        CHECK_AVAILABLE(*group, 2);
    }
    // So it is with an error: a directory cannot be read.
    const TestFd directory(
        kernel::openat(abi::at_fdcwd, "/", abi::open_flag::directory | abi::open_flag::cloexec));
    for (u32 i = 0; i < 4; ++i) {
        CHECK(group->read(0, directory, 0) != nullptr);
        const Cqe error = complete(*ring);
        CHECK_ERRNO(error.result, Errno::eisdir);
        group->put(error);
        CHECK_AVAILABLE(*group, 2);
    }
}

TEST(buffers_group_reads_a_pipe_again_and_again) {
    SKIP_WITHOUT("multishot reads");
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 2, 8);
    TestPair pipe = TestPair::pipe();
    CHECK(group->read_multishot(5, pipe[0]) != nullptr);
    CHECK_OK(ring->submit());
    constexpr const char* texts[] = {"one", "two", "three"};
    for (const char* const text : texts) {
        pipe.write(text);
        const Cqe cqe = complete(*ring);
        CHECK_EQ(cqe.user_data, 5u);
        CHECK(cqe.more());
        CHECK_VIEW(group->get(cqe), text);
        group->put(cqe);
    }
    pipe.close(1);
    const Cqe end = complete(*ring);
    CHECK_EQ(end.result, 0);
    CHECK(!end.more());
    group->put(end);
    CHECK_AVAILABLE(*group, 2);
}

TEST(buffers_group_queue_full) {
    const NothingLeaks check;
    TestRing ring(1);
    TestGroup group(*ring, 1, 8);
    const TestPair sockets = TestPair::sockets();
    CHECK(group->recv(0, sockets[0]) != nullptr);
    CHECK(group->recv(0, sockets[0]) == nullptr);
    CHECK(group->recv_multishot(0, sockets[0]) == nullptr);
    CHECK(group->recv_bundle(0, sockets[0]) == nullptr);
    CHECK(group->read(0, sockets[0]) == nullptr);
    CHECK(group->read_multishot(0, sockets[0]) == nullptr);
    sockets.write("a");
    CHECK_EQ(complete(*ring).result, 1);
}

TEST(buffers_group_beyond_four_gib) {
    if (sizeof(usize) != 4) { // where it is refused in any case
        SKIP_WITHOUT("buffer rings");
    }
    const NothingLeaks check;
    // Each buffer's first page is touched, and would become a huge one: on pages of 16384 bytes, 32
    // MiB each, more than small machines have. A kernel without them refuses, and needs nothing.
    (void)kernel::prctl(abi::prctl_option::set_thp_disable, 1, 0, 0, 0);
    TestRing ring;
    BufferGroup group;
    const BufferGroupOptions options = {
        .group = group_id, .count = 80, .buffer_bytes = 64u << 20}; // 5 GiB, never touched
    const i32 result = group.open(*ring, options);
    if (sizeof(usize) == 4) {
        CHECK_ERRNO(result, Errno::enomem);
        return;
    }
    if (result == -Errno::enomem) {
        SKIP("no 5 GiB of addresses here");
    }
    CHECK_OK(result);
    const TestPair sockets = TestPair::sockets();
    const u8* first = nullptr;
    for (u32 i = 0; i < 80; ++i) {
        sockets.write("far");
        const Cqe cqe = receive(*ring, group, sockets[0]);
        const BufferView view = group.get(cqe);
        CHECK_VIEW(view, "far");
        first = i == 0 ? view.data : first;
        CHECK_EQ(static_cast<u64>(view.data - first), u64{i} * (64u << 20));
    }
    group.close();
}

// ---- Bundles ------------------------------------------------------------------------------------

TEST(buffers_group_receives_bundles) {
    const NothingLeaks check;
    TestRing ring;
    SKIP_WITHOUT("bundles of more than a buffer from local sockets");
    if (kernel_at_least(6, 16) && !kernel_at_least(6, 17)) {
        SKIP("bundles of another length than told: mended in Linux 6.17");
    }
    TestGroup group(*ring, 4, 4);
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 20; ++round) {
        sockets.write("0123456789ab");
        CHECK(group->recv_bundle(0, sockets[0]) != nullptr);
        const Cqe cqe = complete(*ring);
        CHECK_EQ(cqe.result, 12);
        const BufferView view = group->get(cqe);
        CHECK_EQ(check_bundle(*group, view, "0123456789ab"), 3u);
        CHECK_EQ(group->held(), 3u);
        CHECK_AVAILABLE(*group, 1);
        if (round % 2 == 0) {
            group->put(view);
        } else {
            // One by one and backwards: from then on they lie in the ring in another order, and a
            // bundle runs through them in that order.
            const BufferView second = group->next(view);
            const BufferView third = group->next(second);
            group->give_back(third.id);
            group->give_back(second.id);
            group->give_back(view.id);
        }
        CHECK_EQ(group->held(), 0u);
        CHECK_AVAILABLE(*group, 4);
    }
    // A bundle with a limit may leave its last buffer partly empty, and the next one begins anew.
    sockets.write("abcdefgh");
    Sqe* const sqe = group->recv_bundle(0, sockets[0]);
    CHECK(sqe != nullptr);
    sqe->len = 3;
    Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.result, 3);
    BufferView view = group->get(cqe);
    CHECK_EQ(check_bundle(*group, view, "abc"), 1u);
    // Kernels since 6.15 rather stop in front of a buffer that would not be filled.
    const char* expected = "defgh";
    while (*expected != '\0') {
        CHECK(group->recv_bundle(0, sockets[0]) != nullptr);
        const Cqe rest_cqe = complete(*ring);
        const BufferView rest = group->get(rest_cqe);
        for (BufferView part = rest; part; part = group->next(part)) {
            CHECK_BYTES(part.data, expected, part.bytes);
            expected += part.bytes;
        }
        group->put(rest);
    }
    CHECK_EQ(group->held(), 1u);
    group->put(view);
    CHECK_AVAILABLE(*group, 4);
}

TEST(buffers_group_receives_bundles_again_and_again) {
    const NothingLeaks check;
    TestRing ring;
    SKIP_IF_MISSING(ring->has(abi::feature::recvsend_bundle), "bundles");
    TestGroup group(*ring, 8, 4);
    const TestPair sockets = TestPair::sockets();
    char text[] = "the quick brown fox jumps over the lazy dog, ten times";
    u32 written = 0;
    u32 seen = 0;
    const u32 total = sizeof text - 1;
    Random random;
    bool armed = false;
    while (seen < total) {
        if (!armed) {
            CHECK(group->recv_multishot(1, sockets[0], {.bundle = true}) != nullptr);
            armed = true;
        }
        if (written == seen) {
            const u32 piece = random.between(1, 20);
            const u32 bytes = piece < total - written ? piece : total - written;
            CHECK_EQ(CHECK_OK(kernel::write(sockets[1], text + written, bytes)),
                     static_cast<long>(bytes));
            written += bytes;
        }
        const Cqe cqe = complete(*ring);
        armed = cqe.more();
        if (cqe.result == -Errno::enobufs) {
            continue;
        }
        CHECK_GT(cqe.result, 0);
        const BufferView view = group->get(cqe);
        for (BufferView part = view; part; part = group->next(part)) {
            CHECK_BYTES(part.data, text + seen, part.bytes);
            seen += part.bytes;
        }
        group->put(view);
    }
    CHECK_EQ(seen, total);
    CHECK_AVAILABLE(*group, 8);
}

} // namespace
} // namespace oxbow::test
