// Waits that several completions end, and not the first: how many they cost, what ends them before,
// and that a limit is kept.
#include "../syscall/call_file.h"
#include "../uring/engine_state.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u64 never_ns = 1'000'000 * ms;

[[nodiscard]] bool takes_batches(Loop& loop, const LoopConfiguration& row) noexcept {
    return row.is_uring() && uring_engine::state_of(loop).ring.has(abi::feature::ext_arg); // 5.11
}

/// Whether it could be set, which must be as expected.
bool set_batch(Loop& loop, const LoopConfiguration& row, u32 completions, u64 limit_ns) noexcept {
    const bool is_set = loop.set_wait_batch(completions, limit_ns);
    CHECK_EQ(is_set, takes_batches(loop, row));
    return is_set;
}

/// A receive on each of some connections.
struct Receives {
    static constexpr u32 max = 8;

    u32 count;
    u32 pause_ms = 0; ///< of write_all(), before each
    SocketPair pairs[max];
    u8 data[max] = {};
    Logged received[max];

    Receives(Loop& loop, u32 receives) noexcept : count(receives) {
        for (u32 i = 0; i < count; ++i) {
            pairs[i] = make_socket_pair();
            submit(loop, received[i], op::recv(pairs[i].near, &data[i], 1));
        }
    }
    [[nodiscard]] u32 ended() const noexcept {
        u32 ended = 0;
        for (u32 i = 0; i < count; ++i) {
            ended += received[i].ended() && received[i].last.value == 1 ? 1 : 0;
        }
        return ended;
    }
    void write_all() const noexcept {
        for (u32 i = 0; i < count; ++i) {
            sleep_ms(pause_ms);
            write_text(pairs[i].far, "x");
        }
    }
    static void write_from_a_thread(void* receives, u32) noexcept {
        static_cast<Receives*>(receives)->write_all();
    }
};

/// What comes one after the other would end a wait each time.
LOOP_TEST(loop_wait_batch_waits_once_for_several) {
    Receives receives(loop, 4);
    receives.pause_ms = 2;
    const bool is_set = set_batch(loop, row, 4, never_ns);
    const u64 before = loop.statistics().waits;
    {
        const Team team(1, Receives::write_from_a_thread, &receives);
        CHECK_EQ(loop.run(), 4);
    }
    CHECK_EQ(receives.ended(), 4u);
    if (is_set) { // none, where this thread was so late that all had come
        CHECK_LT(loop.statistics().waits - before, 2u);
    }
}

/// Nobody waits for more than can come: all in flight, all that the queue has room for.
LOOP_TEST(loop_wait_batch_is_no_more_than_is_in_flight) {
    Receives receives(loop, Receives::max);
    receives.write_all();
    (void)set_batch(loop, row, ~u32{0}, never_ns);
    CHECK_EQ(loop.run(), static_cast<i32>(Receives::max));
    CHECK_EQ(receives.ended(), Receives::max);
    Logged last; // and of one alone there is no batch
    submit(loop, last, op::nop());
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(loop.run_for(1 * ms), 0); // nor of nothing
}

/// Too few have come in time, and end the wait then.
LOOP_TEST(loop_wait_batch_ends_at_its_limit) {
    Receives receives(loop, 1);
    Receives silent(loop, 1);
    receives.pause_ms = 2;
    (void)set_batch(loop, row, 2, 10 * ms);
    const u64 before = loop.statistics().waits;
    const u64 start_ns = now_ns();
    {
        const Team team(1, Receives::write_from_a_thread, &receives);
        CHECK_EQ(loop.run(Run::once), 1);
    }
    CHECK_EQ(receives.ended(), 1u);
    CHECK_EQ(silent.received[0].count, 0u);
    // Where this thread was late there was no wait: what has come is never held back.
    if (takes_batches(loop, row) && loop.statistics().waits != before) {
        CHECK_GE(now_ns() - start_ns, 10 * ms);
    }
    end_all(loop);
}

/// None has: the next wait is for the first, and the loop does not turn in the meantime.
LOOP_TEST(loop_wait_batch_goes_on_while_there_is_nothing) {
    Receives receives(loop, 1);
    Receives silent(loop, 1);
    receives.pause_ms = 20;
    const bool is_set = set_batch(loop, row, 2, 1 * ms);
    const Statistics before = loop.statistics();
    {
        const Team team(1, Receives::write_from_a_thread, &receives);
        CHECK_EQ(loop.run(Run::once), 1);
    }
    CHECK_EQ(receives.ended(), 1u);
    if (is_set) {
        CHECK_LT(loop.statistics().waits - before.waits, 3u);
        CHECK_LT(loop.statistics().syscalls - before.syscalls, 8u);
    }
    end_all(loop);
}

/// Were a timer to wait for others, or a run to miss its end, this would not end.
LOOP_TEST(loop_wait_batch_keeps_time) {
    (void)set_batch(loop, row, 8, never_ns);
    const u64 start_ns = now_ns();
    Receives silent(loop, 2);
    Logged timer;
    submit(loop, timer, op::timer(10 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(timer.count, 1u);
    CHECK_GE(now_ns() - start_ns, 10 * ms);
    CHECK_EQ(loop.run_for(10 * ms), 0);
    CHECK_GE(now_ns() - start_ns, 20 * ms);
    // The end of what misses its deadline comes from the kernel, and may wait for others.
    (void)set_batch(loop, row, 8, 1 * ms);
    Logged late;
    submit(loop, late, with_timeout(op::recv(silent.pairs[0].far, &silent.data[0], 1), 10 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK(late.last.is(Errno::etime));
    CHECK_GE(now_ns() - start_ns, 30 * ms);
    end_all(loop);
}

/// One, or no time, is as if nothing had been said.
LOOP_TEST(loop_wait_batch_can_be_taken_back) {
    constexpr struct {
        u32 completions;
        u64 limit_ns;
    } nothing[] = {{1, never_ns}, {0, never_ns}, {2, 0}};
    for (const auto& said : nothing) {
        Receives receives(loop, 2);
        (void)set_batch(loop, row, 2, never_ns);
        (void)set_batch(loop, row, said.completions, said.limit_ns);
        write_text(receives.pairs[0].far, "x");
        CHECK_EQ(loop.run(Run::once), 1);
        CHECK(receives.received[0].ended());
        end_all(loop);
    }
}

/// Other threads wait along, and no longer than the limit.
LOOP_TEST(loop_wait_batch_of_what_others_post) {
    (void)set_batch(loop, row, 8, 5 * ms);
    Receives silent(loop, 2);
    struct Posted {
        Loop* loop;
        Logged logged;
    } posted{&loop, {}};
    {
        const Team team(
            1,
            [](void* context, u32) noexcept {
                auto& with = *static_cast<Posted*>(context);
                sleep_ms(2);
                with.loop->post(with.logged.completion, with.logged.handler());
            },
            &posted);
        run_until(loop, [&]() noexcept { return posted.logged.ended(); });
    }
    end_all(loop);
}

/// Sends that nobody hears of are not waited for.
LOOP_TEST(loop_wait_batch_of_sends_without_a_callback) {
    (void)set_batch(loop, row, 8, never_ns);
    const SocketPair pair = make_socket_pair();
    Completion sends[6];
    Logged received;
    u8 data[6];
    for (Completion& send : sends) {
        loop.submit(send, op::send(pair.far, "x", 1), nullptr);
    }
    submit(loop, received, op::recv_all(pair.near, data, sizeof(data)));
    CHECK_OK(loop.run());
    CHECK_EQ(received.last.value, 6);
    for (const Completion& send : sends) {
        CHECK(send.idle());
    }
}

} // namespace
} // namespace oxbow::test
