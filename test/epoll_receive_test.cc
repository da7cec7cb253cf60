// Data for a multishot receive stay in the kernel until the callback's turn has come: one buffer
// serves many connections of a round, and what happens in between is seen.
#include "../loop/buffer_pool.h"
#include "epoll_help.h"

namespace oxbow::test {
namespace {

/// Two connections with data, of which the first one's callback does something to the second.
struct TwoConnections {
    Pair first = Pair::sockets();
    Pair second = Pair::sockets();
    BufferPool pool;
    Completion receive;
    Logged logged; ///< of the second
    void (*act)(Loop& loop, TwoConnections& self, Result result) noexcept;
    bool acted = false;

    /// Both are waited for, and then both have data.
    void begin(Loop& loop, u32 buffers) noexcept {
        CHECK_OK(pool.open(loop, {.count = buffers, .buffer_bytes = 4}));
        loop.submit(receive, op::recv_multishot(first[0], pool), on<&TwoConnections::take>(*this));
        submit(loop, logged, op::recv_multishot(second[0], pool));
        run_rounds(loop, 2);
        send_text(first[1], "one");
        send_text(second[1], "two");
        run_rounds(loop, 1);
        CHECK(acted);
    }
    void end(Loop& loop) noexcept {
        CHECK_EQ(loop.drain(), 0u);
        CHECK_EQ(pool.held(), 0u);
        pool.close();
    }

  private:
    void take(Loop& loop, Result result) noexcept {
        if (result.more()) {
            acted = true;
            act(loop, *this, result);
        }
    }
};

} // namespace

EPOLL_TEST(epoll_receive_that_is_cancelled_before_its_turn_tells_what_has_come) {
    TwoConnections both;
    both.act = [](Loop& of, TwoConnections& self, Result result) noexcept {
        self.pool.give_back(result);
        of.cancel(self.logged.completion);
    };
    both.begin(loop, 4);
    run_until_ended(loop, both.logged);
    CHECK_EQ(both.logged.count, 2u);
    CHECK_BYTES(both.pool.data(both.logged.log[0]), "two", 3);
    both.pool.give_back(both.logged.log[0]);
    CHECK_ERRNO(both.logged.last.value, Errno::ecanceled);
    both.end(loop);
}

EPOLL_TEST(epoll_receive_whose_data_are_gone_before_its_turn_waits_on) {
    TwoConnections both;
    both.act = [](Loop&, TwoConnections& self, Result result) noexcept {
        self.pool.give_back(result);
        char data[8];
        CHECK_EQ(kernel::recv(self.second[0], data, sizeof(data), abi::msg_flag::dontwait), 3L);
    };
    both.begin(loop, 4);
    run_rounds(loop, 2);
    CHECK_EQ(both.logged.count, 0u);
    send_text(both.second[1], "next");
    run_until(loop, [&]() noexcept { return both.logged.count == 1; });
    CHECK_BYTES(both.pool.data(both.logged.last), "next", 4);
    both.pool.give_back(both.logged.last);
    both.end(loop);
}

EPOLL_TEST(epoll_receive_without_a_buffer_at_its_turn_waits_for_one) {
    TwoConnections both;
    static constinit Result kept = {};
    both.act = [](Loop&, TwoConnections&, Result result) noexcept { kept = result; };
    both.begin(loop, 1);
    run_rounds(loop, 2);
    CHECK_EQ(both.logged.count, 0u);
    CHECK_EQ(loop.statistics().buffer_waits, 1u);
    CHECK_BYTES(both.pool.data(kept), "one", 3);
    both.pool.give_back(kept);
    run_until(loop, [&]() noexcept { return both.logged.count == 1; });
    CHECK_BYTES(both.pool.data(both.logged.last), "two", 3);
    both.pool.give_back(both.logged.last);
    both.end(loop);
}

EPOLL_TEST(epoll_receive_keeps_its_place_before_another_one) {
    TwoConnections both;
    static Logged later;
    static char data[8];
    later = {};
    both.act = [](Loop& of, TwoConnections& self, Result result) noexcept {
        self.pool.give_back(result);
        submit(of, later, op::recv(self.second[0], data, sizeof(data)));
    };
    both.begin(loop, 4);
    CHECK_EQ(both.logged.count, 1u);
    CHECK_BYTES(both.pool.data(both.logged.last), "two", 3);
    both.pool.give_back(both.logged.last);
    run_rounds(loop, 2);
    CHECK(!later.ended());
    both.end(loop);
    CHECK_ERRNO(later.last.value, Errno::ecanceled);
}

/// An error that the kernel tells once is told, and so is the end.
EPOLL_TEST(epoll_receive_meets_an_error_at_its_turn) {
    TwoConnections both;
    both.act = [](Loop&, TwoConnections& self, Result result) noexcept {
        self.pool.give_back(result);
        fail_call(number::recvfrom, Errno::econnreset);
    };
    both.begin(loop, 4);
    run_until_ended(loop, both.logged);
    CHECK_EQ(both.logged.count, 1u);
    CHECK_ERRNO(both.logged.last.value, Errno::econnreset);
    clear_faults();
    both.end(loop);
}

EPOLL_TEST(epoll_receive_that_is_interrupted_is_made_again) {
    TwoConnections both;
    both.act = [](Loop&, TwoConnections& self, Result result) noexcept {
        self.pool.give_back(result);
        interrupt_call(number::recvfrom);
    };
    both.begin(loop, 4);
    run_until(loop, [&]() noexcept { return both.logged.count == 1; });
    CHECK_BYTES(both.pool.data(both.logged.last), "two", 3);
    both.pool.give_back(both.logged.last);
    both.end(loop);
}

/// Each is answered before the next one is received, so one buffer is enough for all.
EPOLL_TEST(epoll_receive_and_answer_with_one_buffer) {
    constexpr u32 count = 8;
    struct Server {
        BufferPool* pool;
        i32 fd;
        Completion receive;
        Completion send;
        void take(Loop& of, Result result) noexcept {
            if (result.has_buffer()) {
                of.submit(send, op::send_all(fd, *pool, result), nullptr);
            }
        }
    };
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 1, .buffer_bytes = 16}));
    Pair pairs[count];
    static Server servers[count];
    for (u32 i = 0; i < count; ++i) {
        pairs[i] = Pair::sockets();
        servers[i] = {&pool, pairs[i][0], {}, {}};
        loop.submit(servers[i].receive, op::recv_multishot(pairs[i][0], pool),
                    on<&Server::take>(servers[i]));
    }
    run_rounds(loop, 2);
    for (u32 turn = 0; turn < 3; ++turn) {
        for (const Pair& pair : pairs) {
            send_text(pair.fds[1], "question");
        }
        run_rounds(loop, 1);
        for (const Pair& pair : pairs) {
            char data[16];
            CHECK_EQ(kernel::recv(pair.fds[1], data, sizeof(data), abi::msg_flag::dontwait), 8L);
            CHECK_BYTES(data, "question", 8);
        }
    }
    CHECK_EQ(loop.statistics().buffer_waits, 0u);
    CHECK_EQ(loop.drain(), 0u);
    CHECK_EQ(pool.held(), 0u);
    pool.close();
}

} // namespace oxbow::test
