// A pool of large buffers, of which the kernel is offered only a few at a time: more data than
// these hold come at once, and nothing is lost, doubled or left lying.
#include "live_ring.h"
#include "loop_op_help.h"

namespace oxbow::test {
namespace {

constexpr u32 bytes = 16384;
constexpr u32 streams = 24;

/// Receives on one socket, and keeps what it got.
struct Stream {
    SocketPair pair;
    BufferPool* pool = nullptr;
    Completion receive;
    Result held[8];
    u32 held_count = 0;
    u32 received = 0;
    bool ended = false;

    void start(Loop& loop, BufferPool& from) noexcept {
        pool = &from;
        loop.submit(receive, op::recv_multishot(pair.near, from), on<&Stream::got>(*this));
    }
    void got(Loop&, Result result) noexcept {
        ended = !result.more();
        if (result.has_buffer()) {
            CHECK_LT(held_count, 8u);
            held[held_count++] = result;
            received += result.count();
        }
    }
    /// Checks that it is the pattern from its beginning, and gives it back.
    void check_and_give_back() noexcept {
        static u8 expected[bytes];
        fill_pattern(expected, bytes);
        u32 at = 0;
        for (u32 i = 0; i < held_count; ++i) {
            CHECK_BYTES(pool->data(held[i]), expected + at, held[i].count());
            at += held[i].count();
            pool->give_back(held[i]);
        }
        CHECK_EQ(at, bytes);
        held_count = received = 0;
    }
};

LOOP_TEST(loop_hot_buffers_of_many_streams_at_once) {
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 64, .buffer_bytes = bytes}));
    static u8 pattern[bytes];
    fill_pattern(pattern, bytes);
    Stream crowd[streams];
    for (Stream& stream : crowd) {
        stream.pair = make_socket_pair();
        stream.start(loop, pool);
    }
    for (u32 round = 0; round < 4; ++round) {
        for (Stream& stream : crowd) {
            CHECK_EQ(kernel::send(stream.pair.far, pattern, bytes, 0), long{bytes});
        }
        run_until(loop, [&]() noexcept {
            u32 done = 0;
            for (const Stream& stream : crowd) {
                done += stream.received == bytes ? 1 : 0;
            }
            return done == streams;
        });
        CHECK_GE(pool.held(), streams); // all of them at the same time
        for (Stream& stream : crowd) {
            CHECK(!stream.ended);
            stream.check_and_give_back();
        }
        CHECK_EQ(pool.held(), 0u);
    }
    end_all(loop);
    for (Stream& stream : crowd) {
        CHECK(stream.ended);
        stream.pair = {};
    }
    pool.close();
}

} // namespace
} // namespace oxbow::test
