// Deadlines of operations that callbacks submit: one look at the clock serves all of a round, but
// none is early, and a rearm keeps the point in time.
#include "loop_op_help.h"

namespace oxbow::test {
namespace {

constexpr u64 timeout_ns = 20 * ms;
constexpr u64 hour = 3'600'000 * ms;

/// Receives one message within the timeout, rearms, and ends by it.
struct Receiver {
    i32 fd;
    bool rearms;
    Completion receive;
    u64 begin_ns = 0;
    u32 results = 0;
    bool ended = false;
    char data[8] = {};

    void start(Loop& loop) noexcept {
        begin_ns = now_ns();
        loop.submit(receive, with_timeout(op::recv(fd, data, sizeof(data)), timeout_ns),
                    on<&Receiver::take>(*this));
    }

  private:
    Action take(Loop& loop, Completion&, Result result) noexcept {
        if (results++ == 0) {
            CHECK_EQ(result.value, 4);
            if (rearms) {
                return Action::rearm;
            }
            start(loop);
            return Action::disarm;
        }
        CHECK_ERRNO(result.value, Errno::etime);
        CHECK_GE(now_ns(), begin_ns + timeout_ns);
        ended = true;
        return Action::disarm;
    }
};

LOOP_TEST(loop_time_out_of_what_a_callback_submits) {
    constexpr bool kinds[] = {false, true};
    for (const bool rearms : kinds) {
        constexpr u32 count = 3;
        SocketPair pairs[count];
        Receiver receivers[count] = {{-1, rearms, {}}, {-1, rearms, {}}, {-1, rearms, {}}};
        for (u32 i = 0; i < count; ++i) {
            pairs[i] = make_pair_of(0);
            write_text(pairs[i].far, "here");
            receivers[i].fd = pairs[i].near;
        }
        Completion first;
        struct Starter {
            Receiver* receivers;
            void begin(Loop& loop, Result) noexcept {
                for (u32 i = 0; i < count; ++i) {
                    receivers[i].start(loop);
                }
            }
        } starter = {receivers};
        loop.submit(first, op::nop(), on<&Starter::begin>(starter));
        CHECK_OK(loop.run());
        for (const Receiver& receiver : receivers) {
            CHECK(receiver.ended);
            CHECK_EQ(receiver.results, 2u);
        }
    }
}

/// Ended in the round of its submit, before any clock was read: its time is kept all the same.
LOOP_TEST(loop_time_out_that_was_cancelled_at_once) {
    const SocketPair pair = make_pair_of(0);
    struct Both {
        i32 fd;
        Completion receive;
        Completion timer;
        u64 begin_ns = 0;
        u32 results = 0;
        char data[8] = {};

        void begin(Loop& loop, Result) noexcept {
            begin_ns = now_ns();
            loop.submit(receive, with_timeout(op::recv(fd, data, sizeof(data)), timeout_ns),
                        on<&Both::take>(*this));
            loop.submit(timer, op::timer(hour), on<&Both::take_timer>(*this));
            loop.cancel(receive);
            loop.cancel(timer);
        }
        Action take(Result result) noexcept {
            if (results++ == 0) {
                CHECK_ERRNO(result.value, Errno::ecanceled);
                return Action::rearm;
            }
            CHECK_ERRNO(result.value, Errno::etime);
            CHECK_GE(now_ns(), begin_ns + timeout_ns);
            return Action::disarm;
        }
        void take_timer(Result result) noexcept { CHECK_ERRNO(result.value, Errno::ecanceled); }
    } both = {pair.near, {}, {}};
    Completion first;
    loop.submit(first, op::nop(), on<&Both::begin>(both));
    CHECK_OK(loop.run());
    CHECK_EQ(both.results, 2u);
}

} // namespace
} // namespace oxbow::test
