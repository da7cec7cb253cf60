// Large messages for many at a time: io_uring changes to receives and sends in turn
// (engine_turn.cc), and back when they are gone. On every engine alike nothing is lost, doubled,
// overtaken or left lying, whatever happens meanwhile.
#include "live_ring.h"
#include "loop_op_help.h"

namespace oxbow::test {
namespace {

constexpr u32 bytes = 16384;
constexpr u32 peers = 24;
constexpr u32 pool_buffers = 64;

[[nodiscard]] const u8* pattern() noexcept {
    static u8 data[bytes];
    fill_pattern(data, bytes);
    return data;
}

class Crowd;

/// Answers each piece with itself.
struct Peer {
    Crowd* crowd = nullptr;
    SocketPair pair;
    Completion receive;
    Completion sends[8];
    u32 next_send = 0;
    u32 received = 0;
    Result held[4];
    u32 held_count = 0;
    Result last = {};

    void got(Loop& loop, Result result) noexcept;
    [[nodiscard]] bool ended() const noexcept { return receive.idle(); }
};

class Crowd {
  public:
    explicit Crowd(Loop& loop, u32 buffers = pool_buffers) noexcept
        : pool(loop, buffers, bytes), loop_(loop) {
        for (Peer& peer : all) {
            peer.crowd = this;
            peer.pair = make_socket_pair();
        }
        start();
    }
    void start() noexcept {
        for (Peer& peer : all) {
            loop_.submit(peer.receive, op::recv_multishot(peer.pair.near, *pool),
                         on<&Peer::got>(peer));
        }
    }

    /// Sends `length` bytes to each and waits until they have come back.
    void exchange(u32 length) noexcept {
        send_to_all(length);
        run_until_received(length);
        run_until(loop_, [this]() noexcept { return pool->held() == 0; });
        static u8 got[bytes];
        for (u32 i = 0; i < active; ++i) {
            CHECK_EQ(kernel::recv(all[i].pair.far, got, length, abi::msg_flag::waitall),
                     static_cast<long>(length));
            CHECK_BYTES(got, pattern(), length);
        }
    }
    void send_to_all(u32 length) noexcept {
        for (u32 i = 0; i < active; ++i) {
            all[i].received = 0;
            CHECK_EQ(kernel::send(all[i].pair.far, pattern(), length, 0),
                     static_cast<long>(length));
        }
    }
    void run_until_received(u32 length) noexcept {
        run_until(loop_, [this, length]() noexcept {
            u32 done = 0;
            for (u32 i = 0; i < active; ++i) {
                done += all[i].received == length ? 1 : 0;
            }
            return done == active;
        });
    }
    /// Until an engine that does takes turns.
    void warm_up(const LoopConfiguration& row) noexcept {
        for (u32 round = 0; round < 30; ++round) {
            exchange(bytes);
        }
        check_turns(row, true);
    }
    void check_turns(const LoopConfiguration& row, bool expected) noexcept {
        // A ring of one entry has few completions at a time.
        const bool can = pool->kernel_takes && kernel_at_least(6, 0) && row.entries > 1;
        if (can || !expected) {
            CHECK_EQ(pool->in_turn(), can && expected);
        }
    }

    Pool pool;
    Peer all[peers];
    u32 active = peers; ///< the first so many get something
    bool answers = true;
    bool holds = false;
    void (*on_input)(Loop& loop, Peer& peer) = nullptr;

  private:
    Loop& loop_;
};

void Peer::got(Loop& loop, Result result) noexcept {
    last = result;
    if (!result.has_buffer()) {
        return;
    }
    received += result.count();
    if (crowd->on_input != nullptr) {
        crowd->on_input(loop, *this);
    }
    if (crowd->holds) {
        CHECK_LT(held_count, 4u);
        held[held_count++] = result;
    } else if (crowd->answers) {
        Completion& send = sends[next_send++ % 8];
        CHECK(send.idle());
        loop.submit(send, op::send_all(pair.near, *crowd->pool, result), Handler{});
    } else {
        crowd->pool->give_back(result);
    }
}

LOOP_TEST(loop_turn_begins_and_ends) {
    Crowd crowd(loop);
    crowd.check_turns(row, false);
    crowd.warm_up(row);
    for (u32 round = 0; round < 40; ++round) { // small ones for a while
        crowd.exchange(100);
    }
    crowd.check_turns(row, false);
    crowd.warm_up(row);
    end_all(loop);
    for (const Peer& peer : crowd.all) {
        CHECK_ERRNO(peer.last.value, Errno::ecanceled);
    }
}

/// One after another is no crowd, whatever they send.
LOOP_TEST(loop_turn_is_for_many_only) {
    Crowd crowd(loop);
    static u8 got[bytes];
    for (u32 i = 0; i < 600; ++i) {
        Peer& peer = crowd.all[0];
        peer.received = 0;
        CHECK_EQ(kernel::send(peer.pair.far, pattern(), bytes, 0), long{bytes});
        run_until(loop, [&]() noexcept { return peer.received == bytes; });
        run_until(loop, [&]() noexcept { return crowd.pool->held() == 0; });
        CHECK_EQ(kernel::recv(peer.pair.far, got, bytes, abi::msg_flag::waitall), long{bytes});
    }
    CHECK_BYTES(got, pattern(), bytes);
    crowd.check_turns(row, false);
    end_all(loop);
}

LOOP_TEST(loop_turn_meets_ends_and_closed_peers) {
    Crowd crowd(loop);
    crowd.warm_up(row);
    crowd.answers = false;
    crowd.send_to_all(bytes);
    for (u32 i = 0; i < peers; ++i) {
        if (i % 2 == 0) {
            crowd.all[i].pair.far.close();
        } else {
            CHECK_OK(kernel::shutdown(crowd.all[i].pair.far, abi::shutdown_how::write));
        }
    }
    run_until(loop, [&]() noexcept {
        u32 ended = 0;
        for (const Peer& peer : crowd.all) {
            ended += peer.ended() ? 1 : 0;
        }
        return ended == peers;
    });
    for (const Peer& peer : crowd.all) {
        CHECK_EQ(peer.received, bytes); // what came before the end came
        CHECK_EQ(peer.last.value, 0);
        CHECK(peer.last.eof());
    }
    CHECK_EQ(crowd.pool->held(), 0u);
}

/// The first callback of a round ends others of that round: by cancel, by close, by the descriptor.
/// Of every fourth it does not.
LOOP_TEST(loop_turn_is_taken_back) {
    Crowd crowd(loop);
    crowd.warm_up(row);
    static Logged requests[peers];
    static bool is_asked[peers];
    static bool done;
    done = false;
    for (bool& asked : is_asked) {
        asked = false;
    }
    crowd.on_input = [](Loop& inner, Peer& peer) noexcept {
        if (done) {
            return;
        }
        done = true;
        for (u32 i = 0; i < peers; ++i) {
            Peer& other = peer.crowd->all[i];
            if (&other == &peer || other.received != 0) {
                continue;
            }
            requests[i] = {};
            is_asked[i] = i % 4 != 3;
            if (i % 4 == 0) {
                inner.cancel(other.receive);
            } else if (i % 4 == 1) {
                submit(inner, requests[i], op::close(other.pair.near.release()));
            } else if (i % 4 == 2) {
                submit(inner, requests[i], op::cancel_fd(other.pair.near));
            }
        }
    };
    crowd.send_to_all(bytes);
    run_until(loop, [&]() noexcept {
        u32 settled = 0;
        for (u32 i = 0; i < peers; ++i) {
            const Peer& peer = crowd.all[i];
            settled += (is_asked[i] ? peer.ended() : peer.received == bytes) ? 1 : 0;
        }
        return settled == peers;
    });
    u32 asked = 0;
    for (u32 i = 0; i < peers; ++i) {
        asked += is_asked[i] ? 1 : 0;
        CHECK_EQ(crowd.all[i].ended(), is_asked[i]);
        if (is_asked[i]) {
            CHECK_ERRNO(crowd.all[i].last.value, Errno::ecanceled);
        }
    }
    CHECK_GE(asked, peers / 4 * 3 - 1); // all but the one that asked, which may be any
    end_all(loop);
    CHECK_EQ(crowd.pool->held(), 0u);
}

/// More have data than there are buffers, and the user keeps what he has got: all there are.
void hold_all_buffers(Loop& loop, Crowd& crowd, u32 buffers) noexcept {
    crowd.holds = true;
    crowd.send_to_all(bytes);
    u32 given_back = 0;
    while (given_back < peers) {
        run_until(loop, [&]() noexcept {
            return crowd.pool->held() ==
                   (peers - given_back < buffers ? peers - given_back : buffers);
        });
        for (Peer& peer : crowd.all) {
            for (; peer.held_count != 0; ++given_back) {
                const Result result = peer.held[--peer.held_count];
                CHECK_EQ(result.count(), bytes);
                CHECK_BYTES(crowd.pool->data(result), pattern(), bytes);
                crowd.pool->give_back(result);
            }
        }
    }
    CHECK_EQ(given_back, peers);
    crowd.holds = false;
    crowd.answers = true;
    crowd.exchange(bytes);
}

LOOP_TEST(loop_turn_waits_for_buffers) {
    constexpr u32 buffers = 16;
    Crowd crowd(loop, buffers);
    crowd.warm_up(row);
    hold_all_buffers(loop, crowd, buffers);
    end_all(loop);
}

/// Those that the kernel was still offered when turns began, among them.
LOOP_TEST(loop_turn_takes_what_the_kernel_was_offered) {
    constexpr u32 buffers = 16;
    Crowd crowd(loop, buffers);
    // As many as it is offered, and 32 times as many are the 256 after which turns begin: the last
    // of them, when those before it have been replaced.
    crowd.active = 8;
    for (u32 round = 0; round < 32; ++round) {
        crowd.exchange(bytes);
    }
    crowd.check_turns(row, true);
    end_all(loop);
    crowd.start();
    crowd.active = peers;
    hold_all_buffers(loop, crowd, buffers);
    end_all(loop);
}

/// A small send before the answer is not overtaken by it, whoever makes which.
LOOP_TEST(loop_turn_keeps_the_order_of_sends) {
    static Completion heads[peers];
    Crowd crowd(loop);
    crowd.warm_up(row);
    crowd.on_input = [](Loop& inner, Peer& peer) noexcept {
        const auto index = static_cast<u32>(&peer - peer.crowd->all);
        inner.submit(heads[index], op::send(peer.pair.near, "head", 4), Handler{});
    };
    crowd.send_to_all(bytes);
    crowd.run_until_received(bytes);
    run_until(loop, [&]() noexcept { return crowd.pool->held() == 0; });
    static u8 got[bytes];
    for (Peer& peer : crowd.all) {
        CHECK_READS(peer.pair.far, "head");
        CHECK_EQ(kernel::recv(peer.pair.far, got, bytes, abi::msg_flag::waitall), long{bytes});
        CHECK_BYTES(got, pattern(), bytes);
    }
    end_all(loop);
}

/// What has come to `peer` of the pattern, without waiting.
[[nodiscard]] u32 take_some(const Peer& peer, u32 position, u32 most) noexcept {
    static u8 got[bytes];
    const long step =
        kernel::recv(peer.pair.far, got, most < bytes ? most : bytes, abi::msg_flag::dontwait);
    if (step <= 0) {
        return 0;
    }
    check_pattern(got, static_cast<u32>(step), position);
    return static_cast<u32>(step);
}

/// Answers that find no room go on when there is some, and what is chained behind them follows.
LOOP_TEST(loop_turn_answers_more_than_there_is_room_for) {
    constexpr u32 large = 1 << 20;
    static u8 answer[large];
    fill_pattern(answer, large);
    static Logged sends[peers];
    static Logged ends[peers];
    static u32 taken[peers];
    Crowd crowd(loop);
    crowd.warm_up(row);
    crowd.answers = false;
    crowd.on_input = [](Loop& inner, Peer& peer) noexcept {
        const auto i = static_cast<u32>(&peer - peer.crowd->all);
        sends[i] = {};
        ends[i] = {};
        // Of every second one nobody wants to know how it ends.
        inner.submit(sends[i].completion, op::send_all(peer.pair.near, answer, large),
                     i % 2 == 0 ? sends[i].handler() : Handler{});
        inner.then(sends[i].completion, ends[i].completion, op::send(peer.pair.near, "end", 3),
                   ends[i].handler());
        // Makes room for more, before the ring is asked for the rest.
        taken[i] = 0;
        for (u32 piece = 0; piece < 8; ++piece) {
            taken[i] += take_some(peer, taken[i], large - taken[i]);
        }
    };
    crowd.send_to_all(bytes);
    crowd.run_until_received(bytes);
    // All at a time: a peer that has seen its window closed may have to wait for the next probe.
    run_until(loop, [&]() noexcept {
        u32 done = 0;
        for (u32 i = 0; i < peers; ++i) {
            taken[i] += take_some(crowd.all[i], taken[i], large - taken[i]);
            done += taken[i] == large && ends[i].ended() ? 1 : 0;
        }
        return done == peers;
    });
    for (u32 i = 0; i < peers; ++i) {
        CHECK_EQ(sends[i].completion.value, i32{large});
        CHECK_EQ(sends[i].count, i % 2 == 0 ? 1u : 0u);
        CHECK_EQ(ends[i].last.value, 3);
        CHECK_READS(crowd.all[i].pair.far, "end");
    }
    end_all(loop);
}

} // namespace
} // namespace oxbow::test
