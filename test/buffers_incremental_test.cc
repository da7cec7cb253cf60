// Groups whose buffers are used up in pieces: several completions lie in one buffer, and it comes
// back once all of them are done with.
#include "buffers_help.h"

namespace oxbow::test {
namespace {

TEST(buffers_incremental_fill_one_buffer_in_pieces) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 2, 10, BufferUse::incremental);
    CHECK(group->incremental());
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 6; ++round) {
        sockets.write("abc");
        const Cqe first = receive(*ring, *group, sockets[0]);
        sockets.write("defg");
        const Cqe second = receive(*ring, *group, sockets[0]);
        CHECK_EQ(first.buffer_id(), second.buffer_id());
        CHECK_NE(first.flags & abi::cqe_flag::buf_more, 0u);
        CHECK_NE(second.flags & abi::cqe_flag::buf_more, 0u);
        // Six bytes for the three that are left: the rest waits for the next buffer.
        sockets.write("hijklm");
        const Cqe third = receive(*ring, *group, sockets[0]);
        CHECK_EQ(third.buffer_id(), first.buffer_id());
        CHECK_EQ(third.flags & abi::cqe_flag::buf_more, 0u);
        const Cqe fourth = receive(*ring, *group, sockets[0]);
        CHECK_NE(fourth.buffer_id(), first.buffer_id());
        // All completions are got before any is put: each still lies where it came.
        CHECK_VIEW(group->get(first), "abc");
        CHECK_VIEW(group->get(second), "defg");
        CHECK_VIEW(group->get(third), "hij");
        CHECK_VIEW(group->get(fourth), "klm");
        CHECK_EQ(group->held(), 2u);
        CHECK_AVAILABLE(*group, 1);
        // The last piece first: the buffer stays ours until the last of its views is put.
        group->put(third);
        CHECK_AVAILABLE(*group, 1);
        group->put(first);
        CHECK_AVAILABLE(*group, 1);
        group->put(second);
        CHECK_AVAILABLE(*group, 2);
        group->put(fourth); // not used up: it stays with the kernel
        CHECK_AVAILABLE(*group, 2);
        // Seven more use that one up, so that each round begins alike.
        sockets.write("nopqrst");
        const Cqe last = receive(*ring, *group, sockets[0]);
        CHECK_VIEW(group->get(last), "nopqrst");
        CHECK_EQ(last.flags & abi::cqe_flag::buf_more, 0u);
        group->put(last);
        CHECK_AVAILABLE(*group, 2);
        CHECK_EQ(group->held(), 0u);
    }
}

TEST(buffers_incremental_multishot) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 2, 16, BufferUse::incremental);
    const TestPair sockets = TestPair::sockets();
    CHECK(group->recv_multishot(9, sockets[0]) != nullptr);
    CHECK_OK(ring->submit());
    // 200 messages of 1 to 7 bytes through 32 bytes of buffers.
    Random random;
    u8 next_sent = 0;
    u8 next_seen = 0;
    for (u32 message = 0; message < 200; ++message) {
        u8 bytes[7];
        const u32 count = random.between(1, 7);
        for (u32 i = 0; i < count; ++i) {
            bytes[i] = next_sent++;
        }
        CHECK_EQ(CHECK_OK(kernel::write(sockets[1], bytes, count)), static_cast<long>(count));
        for (u32 left = count; left != 0;) {
            const Cqe cqe = complete(*ring);
            if (!cqe.more()) {
                CHECK(group->recv_multishot(9, sockets[0]) != nullptr);
            }
            if (cqe.result == -Errno::enobufs) {
                continue;
            }
            const BufferView view = group->get(cqe);
            CHECK(view);
            CHECK_LE(view.bytes, left);
            for (u32 i = 0; i < view.bytes; ++i) {
                CHECK_EQ(view.data[i], next_seen++);
            }
            left -= view.bytes;
            group->put(cqe);
        }
    }
    CHECK_EQ(group->held(), 0u);
    CHECK_AVAILABLE(*group, 2);
}

TEST(buffers_incremental_survive_the_end_of_a_stream) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 1, 16, BufferUse::incremental);
    // A kernel that leaves out cqe_flag::buf_more at the end (up to 6.19) keeps the buffer all the
    // same: it must not be given a second time, and the next data lie behind the last.
    for (u32 i = 0; i < 3; ++i) {
        TestPair pipe = TestPair::pipe();
        pipe.write("abc");
        pipe.close(1);
        CHECK(group->read(0, pipe[0]) != nullptr);
        const Cqe data = complete(*ring);
        CHECK_VIEW(group->get(data), "abc");
        CHECK(group->read(0, pipe[0]) != nullptr);
        Cqe end = complete(*ring);
        CHECK_EQ(end.result, 0);
        end.flags &= ~abi::cqe_flag::buf_more;
        CHECK(!group->get(end));
        group->put(end);
        group->put(data);
        CHECK_AVAILABLE(*group, 1);
    }
    TestPair pipe = TestPair::pipe();
    pipe.write("0123456789");
    CHECK(group->read(0, pipe[0]) != nullptr);
    const Cqe rest = complete(*ring);
    CHECK_VIEW(group->get(rest), "0123456"); // 9 of 16 bytes were used
    group->put(rest);
    CHECK_AVAILABLE(*group, 1);
    CHECK_EQ(group->held(), 0u);
}

TEST(buffers_incremental_reclaim) {
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 3, 16, BufferUse::incremental);
    CHECK_EQ(group->reclaim(), 0u);
    // A worker thread takes all of a buffer before it knows what comes; where that is nothing, no
    // completion says for certain that the buffer is used up.
    TestPair sockets = TestPair::sockets();
    sockets.close(1);
    for (u32 i = 0; i < 10; ++i) {
        Sqe* const sqe = group->recv(0, sockets[0]);
        CHECK(sqe != nullptr);
        prep::async(*sqe);
        const Cqe end = complete(*ring);
        CHECK(end.result == 0 || end.result == -Errno::enobufs);
        group->put(end);
        if (end.result == -Errno::enobufs) {
            CHECK_EQ(group->reclaim(), 3u);
        }
    }
    (void)group->reclaim();
    CHECK_AVAILABLE(*group, 3);
    // What is held, or still the kernel's, is left alone.
    const TestPair more = TestPair::sockets();
    more.write("0123456789abcdef");
    const Cqe held = receive(*ring, *group, more[0]);
    CHECK_VIEW(group->get(held), "0123456789abcdef");
    more.write("partly");
    const Cqe part = receive(*ring, *group, more[0]);
    CHECK_VIEW(group->get(part), "partly");
    group->put(part);
    CHECK_EQ(group->reclaim(), 0u);
    group->put(held);
    CHECK_AVAILABLE(*group, 3);
}

TEST(buffers_incremental_bundles) {
    SKIP_WITHOUT("bundles of incremental buffers");
    if (kernel_at_least(6, 16) && !kernel_at_least(6, 17)) {
        SKIP("bundles of another length than told: mended in Linux 6.17");
    }
    const NothingLeaks check;
    TestRing ring;
    TestGroup group(*ring, 4, 4, BufferUse::incremental);
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 12; ++round) {
        sockets.write("ab");
        CHECK(group->recv_bundle(0, sockets[0]) != nullptr);
        const Cqe first = complete(*ring);
        CHECK_EQ(first.result, 2);
        sockets.write("cdefghij");
        CHECK(group->recv_bundle(0, sockets[0]) != nullptr);
        const Cqe second = complete(*ring);
        CHECK_EQ(second.result, 8);
        const BufferView a = group->get(first);
        CHECK_EQ(check_bundle(*group, a, "ab"), 1u);
        const BufferView b = group->get(second);
        CHECK_EQ(check_bundle(*group, b, "cdefghij"), 3u);
        CHECK_EQ(b.bytes, 2u);
        CHECK_EQ(b.data - a.data, 2);
        // 10 of 16 bytes: two buffers are used up, the third holds two more.
        CHECK_AVAILABLE(*group, 2);
        group->put(b);
        CHECK_AVAILABLE(*group, 3);
        group->put(a);
        CHECK_AVAILABLE(*group, 4);
        sockets.write("kl"); // fills the third
        CHECK(group->recv_bundle(0, sockets[0]) != nullptr);
        const Cqe third = complete(*ring);
        const BufferView c = group->get(third);
        CHECK_EQ(check_bundle(*group, c, "kl"), 1u);
        group->put(c);
        CHECK_AVAILABLE(*group, 4);
    }
}

TEST(buffers_incremental_with_a_rest) {
    const NothingLeaks check;
    TestRing ring;
    BufferGroup group;
    const i32 result = group.open(*ring, {.group = group_id,
                                          .count = 2,
                                          .buffer_bytes = 16,
                                          .use = BufferUse::incremental,
                                          .min_left_bytes = 8});
    SKIP_IF_MISSING(result != -Errno::einval, "buffers that leave a rest");
    CHECK_OK(result);
    const TestPair sockets = TestPair::sockets();
    for (u32 round = 0; round < 4; ++round) {
        sockets.write("01234");
        const Cqe first = receive(*ring, group, sockets[0]);
        sockets.write("56789");
        const Cqe second = receive(*ring, group, sockets[0]);
        CHECK_EQ(first.buffer_id(), round % 2);
        CHECK_EQ(second.buffer_id(), round % 2);
        CHECK_NE(first.flags & abi::cqe_flag::buf_more, 0u);
        CHECK_EQ(second.flags & abi::cqe_flag::buf_more, 0u); // 6 bytes would be left
        CHECK_VIEW(group.get(first), "01234");
        CHECK_VIEW(group.get(second), "56789");
        group.put(first);
        group.put(second);
        CHECK_AVAILABLE(group, 2);
    }
    group.close();
}

/// A kernel before 6.12: it does not know the flag.
bool without_incremental(void*, long number, const long* arguments, int, long* result) noexcept {
    if (number != number::io_uring_register ||
        static_cast<u32>(arguments[1]) != static_cast<u32>(abi::RegisterOp::pbuf_ring)) {
        return false;
    }
    const auto* const request = reinterpret_cast<const abi::BufferRingRegister*>(arguments[2]);
    if ((request->flags & abi::buffer_ring_flag::incremental) == 0) {
        return false;
    }
    *result = -Errno::einval;
    return true;
}

TEST(buffers_incremental_where_supported) {
    SKIP_WITHOUT("buffer rings");
    const NothingLeaks check;
    TestRing ring;
    const TestPair sockets = TestPair::sockets();
    set_handler(without_incremental, nullptr);
    BufferGroup group;
    BufferGroupOptions options = {.group = group_id, .count = 2, .buffer_bytes = 8};
    options.use = BufferUse::incremental;
    CHECK_ERRNO(group.open(*ring, options), Errno::einval);
    CHECK(!group.is_open());
    options.use = BufferUse::incremental_if_supported;
    CHECK_OK(group.open(*ring, options));
    CHECK(!group.incremental());
    remove_handler(without_incremental, nullptr);
    // Then every receive takes a whole buffer.
    sockets.write("ab");
    const Cqe first = receive(*ring, group, sockets[0]);
    sockets.write("cd");
    const Cqe second = receive(*ring, group, sockets[0]);
    CHECK_NE(first.buffer_id(), second.buffer_id());
    CHECK_VIEW(group.get(first), "ab");
    CHECK_VIEW(group.get(second), "cd");
    group.put(first);
    group.put(second);
    CHECK_AVAILABLE(group, 2);
    group.close();
    CHECK_OK(group.open(*ring, options));
    CHECK_EQ(group.incremental(), kernel_at_least(6, 12));
    group.close();
}

} // namespace
} // namespace oxbow::test
