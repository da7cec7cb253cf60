// One loop wakes another through the kernel's rings: nothing is lost, and it costs no call where
// that is possible.
#include "../syscall/call_event.h"
#include "../uring/engine_state.h"
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

/// Whether loops of this configuration do.
[[nodiscard]] bool sends_messages(Loop& loop, const LoopConfiguration& row) noexcept {
    return row.is_uring() &&
           uring_engine::has(uring_engine::state_of(loop), abi::Opcode::msg_ring); // 5.18
}

/// Two loops, each of which notifies the other from its callback.
struct Match {
    Loop* loops[2];
    Async* asyncs[2];
    u32 rounds_max;
    u32 rounds = 0;
    Completion waits[2] = {};

    void begin(u32 side) noexcept {
        loops[side]->submit(waits[side], op::notification(*asyncs[side]), play, this);
    }
    static Action play(Loop& loop, Completion&, Result result, void* user) noexcept {
        CHECK_OK(result.value);
        auto& self = *static_cast<Match*>(user);
        const u32 me = &loop == self.loops[0] ? 0 : 1;
        const u32 round = add(self.rounds);
        self.asyncs[1 - me]->notify(loop);
        return round < self.rounds_max ? Action::rearm : Action::disarm;
    }
    static void play_second(void* context, u32) noexcept {
        auto& self = *static_cast<Match*>(context);
        self.begin(1);
        CHECK_OK(self.loops[1]->run());
    }
};

void play(Loop& loop, Loop& other, u32 rounds) noexcept {
    Async asyncs[2] = {Async(loop), Async(other)};
    Match match = {
        .loops = {&loop, &other}, .asyncs = {&asyncs[0], &asyncs[1]}, .rounds_max = rounds};
    {
        Team team(1, Match::play_second, &match);
        match.begin(0);
        asyncs[1].notify();
        CHECK_OK(loop.run());
    }
    CHECK_GE(match.rounds, rounds);
    for (Async& async : asyncs) {
        async.close(); // the last notification is one that nobody waits for
    }
}

LOOP_TEST(loop_message_between_two_loops) {
    Loop other;
    CHECK_OK(open_as(other, row));
    play(loop, other, 1000);
    other.close();
}

/// Engines that cannot talk to each other wake each other all the same.
LOOP_TEST(loop_message_between_engines) {
    Loop other;
    CHECK_OK(open(other, {.loop = {}, .engine = EngineChoice::epoll}));
    play(loop, other, 200);
    other.close();
}

/// In the middle of a loop's wait, another one of the same thread has its turn.
struct DuringTheWait {
    Async& async;
    Loop& other;
    bool from_callback = true;
    bool drains = false;
    bool is_refused = false; ///< whatever the other one hands to the kernel
    i32 replaced_fd = -1;
    u32 turns = 0;
    u32 writes = 0;
    Completion nop = {};

    static bool handle(void* context, long number, const long* arguments, int, long*) noexcept {
        auto& self = *static_cast<DuringTheWait*>(context);
        const bool waits = (number == number::io_uring_enter && arguments[2] != 0) ||
                           (number == number::epoll_pwait && arguments[3] != 0) ||
                           number == number::epoll_pwait2;
        if (!waits || self.turns != 0) {
            return false;
        }
        ++self.turns;
        const u32 before = calls_made(number::write);
        self.take_turn();
        self.writes = calls_made(number::write) - before;
        return false;
    }
    void take_turn() noexcept {
        i32 kept = -1;
        if (replaced_fd >= 0) { // what the message is for is no ring then
            kept = CHECK_OK(kernel::dup(replaced_fd));
            const Fd counter(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec)));
            CHECK_OK(kernel::dup3(counter, replaced_fd, abi::open_flag::cloexec));
        }
        if (drains) {
            other.submit(nop, op::timer(3'600'000 * ms), notify, this);
            CHECK_EQ(other.drain(), 0u);
        } else if (from_callback) {
            other.submit(nop, op::nop(), notify, this);
            if (is_refused) {
                fail_call(number::io_uring_enter, Errno::eagain, 1, always);
            }
            CHECK_EQ(other.run(), 1);
            clear_faults();
        } else {
            async.notify(other);
        }
        if (kept >= 0) {
            CHECK_EQ(other.run(Run::no_wait), 0); // it learns what became of the message
            CHECK_OK(kernel::dup3(kept, replaced_fd, abi::open_flag::cloexec));
            CHECK_OK(kernel::close(kept));
        }
    }
    static Action notify(Loop& loop, Completion&, Result, void* user) noexcept {
        static_cast<DuringTheWait*>(user)->async.notify(loop);
        return Action::disarm;
    }
};

/// How many writes to the eventfd it takes to wake `loop`.
[[nodiscard]] u32 writes_of(Loop& loop, DuringTheWait& turn) noexcept {
    Logged logged;
    submit(loop, logged, op::notification(turn.async));
    set_handler(&DuringTheWait::handle, &turn);
    CHECK_EQ(loop.run(Run::once), 1);
    remove_handler(&DuringTheWait::handle, &turn);
    CHECK_EQ(turn.turns, 1u);
    CHECK_EQ(logged.count, 1u);
    CHECK_EQ(logged.last.value, 0);
    return turn.writes;
}

LOOP_TEST(loop_message_goes_with_the_next_wait) {
    Loop other;
    CHECK_OK(open_as(other, row));
    Async async(loop);
    DuringTheWait turn = {.async = async, .other = other};
    CHECK_EQ(writes_of(loop, turn), sends_messages(other, row) ? 0u : 1u);
    other.close();
}

/// It may never wait again.
LOOP_TEST(loop_message_from_the_last_callback_of_a_drain) {
    Loop other;
    CHECK_OK(open_as(other, row));
    Async async(loop);
    DuringTheWait turn = {.async = async, .other = other, .drains = true};
    CHECK_EQ(writes_of(loop, turn), sends_messages(other, row) ? 0u : 1u);
    other.close();
}

/// Its ring would keep the message until it runs.
LOOP_TEST(loop_message_from_a_loop_that_does_not_run) {
    Loop other;
    CHECK_OK(open_as(other, row));
    Async async(loop);
    DuringTheWait turn = {.async = async, .other = other, .from_callback = false};
    CHECK_EQ(writes_of(loop, turn), 1u);
    other.close();
}

/// It would stay in the ring until the next run, which may never come.
LOOP_TEST(loop_message_that_the_kernel_does_not_take) {
    Loop other;
    CHECK_OK(open_as(other, row));
    Async async(loop);
    DuringTheWait turn = {.async = async, .other = other, .is_refused = true};
    CHECK_EQ(writes_of(loop, turn), 1u);
    // What has been done otherwise is not done once more.
    Logged logged;
    submit(loop, logged, op::notification(async));
    CHECK_EQ(other.run(Run::no_wait), 0);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(logged.count, 0u);
    loop.cancel(logged.completion);
    run_until_ended(loop, logged);
    other.close();
}

LOOP_TEST(loop_message_that_fails) {
    Loop other;
    CHECK_OK(open_as(other, row));
    Async async(loop);
    DuringTheWait turn = {.async = async, .other = other};
    if (sends_messages(other, row)) {
        turn.replaced_fd = uring_engine::state_of(loop).ring.fd();
    }
    CHECK_EQ(writes_of(loop, turn), 1u);
    other.close();
}

LOOP_TEST(loop_message_to_oneself) {
    Async async(loop);
    Logged logged;
    Logged nop;
    submit(loop, logged, op::notification(async));
    loop.submit(
        nop.completion, op::nop(),
        [](Loop& its, Completion&, Result, void* user) noexcept {
            static_cast<Async*>(user)->notify(its);
            return Action::disarm;
        },
        &async);
    run_until_ended(loop, logged);
    CHECK_EQ(logged.last.value, 0);
}

} // namespace
} // namespace oxbow::test
