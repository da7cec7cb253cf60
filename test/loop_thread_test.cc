// The contract's tenth line: what other threads and signal handlers may do to a loop, and what it
// costs.
#include "../syscall/atomic.h"
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u32 threads = 8;
constexpr u64 never_ns = 1'000'000 * ms;

/// Ends a run that waits in vain.
void guard(Loop& loop, Completion& completion) noexcept {
    loop.submit(completion, op::timer(20'000 * ms), [](Loop&, Completion&, Result result, void*) {
        CHECK(result.is(Errno::ecanceled));
        return Action::disarm;
    });
}

/// Takes the guard away again, so that nothing of it is left.
void unguard(Loop& loop, Completion& completion) noexcept {
    loop.cancel(completion);
    while (!completion.idle()) {
        CHECK_OK(loop.run(Run::once));
    }
}

// ---- One thread ---------------------------------------------------------------------------------

/// Made here, run there: the thread that runs it first has it.
VARIANT_TEST(loop_thread_made_in_one_run_in_another, loop_configurations) {
    const Resources before = resources();
    {
        ConfiguredLoop configured(row); // sets the kernel up
        Loop loop;
        CHECK_OK(open_as(loop, row));
        {
            Team team(
                1,
                [](void* context, u32) noexcept {
                    Loop& its = *static_cast<Loop*>(context);
                    run_mixed_program(its);
                    CHECK_EQ(its.drain(), 0u);
                    its.close();
                },
                &loop);
        }
        CHECK(!loop.is_open());
    }
    CHECK_SAME_RESOURCES(before);
}

/// Two loops in two threads at once, which wake each other.
struct PingPong {
    Loop* loops[2];
    Async* asyncs[2];
    u32 rounds = 0;
    Completion waits[2] = {};

    static constexpr u32 rounds_max = 500;

    static Action play(Loop& loop, Completion&, Result result, void* user) noexcept {
        CHECK_OK(result.value);
        auto& self = *static_cast<PingPong*>(user);
        const u32 me = &loop == self.loops[0] ? 0 : 1;
        const u32 round = add(self.rounds);
        self.asyncs[1 - me]->notify();
        return round < rounds_max ? Action::rearm : Action::disarm;
    }
};

LOOP_TEST(loop_thread_two_loops_wake_each_other) {
    Loop other;
    CHECK_OK(open_as(other, row));
    Async asyncs[2] = {Async(loop), Async(other)};
    PingPong game = {.loops = {&loop, &other}, .asyncs = {&asyncs[0], &asyncs[1]}};
    {
        Team team(
            1,
            [](void* context, u32) noexcept {
                auto& with = *static_cast<PingPong*>(context);
                Loop& its = *with.loops[1];
                its.submit(with.waits[1], op::notification(*with.asyncs[1]), PingPong::play, &with);
                CHECK_OK(its.run());
            },
            &game);
        loop.submit(game.waits[0], op::notification(asyncs[0]), PingPong::play, &game);
        asyncs[1].notify();
        CHECK_OK(loop.run());
    }
    CHECK_GE(game.rounds, PingPong::rounds_max);
    for (Async& async : asyncs) {
        async.close(); // the last notification is one that nobody waits for
    }
    other.close();
}

// ---- Async --------------------------------------------------------------------------------------

struct Storm {
    Async* async;
    Loop* loop;
    u32 sent = 0; // by threads, before they notify
    u32 callbacks = 0;
    u32 seen = 0; // of `sent`, by callbacks
    u32 per_thread;
    u32 pauses;

    static Action notified(Loop&, Completion&, Result result, void* user) noexcept {
        CHECK_EQ(result.value, 0);
        auto& self = *static_cast<Storm*>(user);
        ++self.callbacks;
        self.seen = load_acquire(&self.sent);
        return self.seen == self.per_thread * threads ? Action::disarm : Action::rearm;
    }

    static void send(void* context, u32 index) noexcept {
        auto& self = *static_cast<Storm*>(context);
        Random random(test_seed() + index);
        for (u32 i = 0; i < self.per_thread; ++i) {
            add(self.sent);
            self.async->notify();
            if (random.below(1000) < self.pauses) {
                CHECK_OK(kernel::sched_yield());
            }
        }
    }
};

/// The last notification is seen: were one lost, the run would not end.
LOOP_TEST(loop_thread_no_notification_is_lost) {
    Async async(loop);
    Completion waiting;
    Completion timer;
    Storm storm = {.async = &async, .loop = &loop, .per_thread = 3000, .pauses = 20};
    guard(loop, timer);
    loop.submit(waiting, op::notification(async), Storm::notified, &storm);
    {
        Team team(threads, Storm::send, &storm);
        while (storm.seen != storm.per_thread * threads) {
            CHECK_OK(loop.run(Run::once));
        }
    }
    CHECK_GE(storm.callbacks, 1u);
    CHECK_LE(storm.callbacks, storm.per_thread * threads);
    note("notifications:", storm.sent, "callbacks:", storm.callbacks,
         "wake-ups:", loop.statistics().wakeups);
    unguard(loop, timer);
}

/// One notification after the other, each at about the moment in which the loop goes to sleep.
struct Brink {
    Async* async;
    u32 count;
    u32 seen = 0;

    static Action notified(Loop&, Completion&, Result result, void* user) noexcept {
        CHECK_EQ(result.value, 0);
        auto& self = *static_cast<Brink*>(user);
        return add(self.seen) == self.count ? Action::disarm : Action::rearm;
    }

    static void send(void* context, u32) noexcept {
        auto& self = *static_cast<Brink*>(context);
        Random random(test_seed());
        const u32 looks_max = cpu_count() > 1 ? 10'000 : 0;
        for (u32 i = 1; i <= self.count; ++i) {
            self.async->notify();
            for (u32 looks = 0; load_acquire(&self.seen) != i; ++looks) {
                if (looks >= looks_max) { // the loop may have no other processor
                    CHECK_OK(kernel::sched_yield());
                }
            }
            for (u32 spins = random.below(512); spins > 0; --spins) {
                asm volatile("" ::: "memory");
            }
        }
    }
};

/// Each side looks at the other's word after it wrote its own. Without a fence between the two, a
/// notification comes to a loop that sleeps, and nobody ever wakes it.
LOOP_TEST(loop_thread_wakes_whoever_is_about_to_sleep) {
    Async async(loop);
    Completion waiting;
    Completion timer;
    // On one processor the two meet there by chance alone, and a yield may last milliseconds.
    Brink brink = {.async = &async, .count = effort(cpu_count() > 1 ? 100'000 : 2'000)};
    guard(loop, timer);
    loop.submit(waiting, op::notification(async), Brink::notified, &brink);
    {
        Team team(1, Brink::send, &brink);
        while (load_acquire(&brink.seen) != brink.count) {
            CHECK_OK(loop.run(Run::once));
        }
    }
    unguard(loop, timer);
}

/// Many at once are told as one.
LOOP_TEST(loop_thread_notifications_are_coalesced) {
    Async async(loop);
    Logged log;
    log.rearms = true;
    for (u32 i = 0; i < 100; ++i) {
        async.notify();
    }
    submit(loop, log, op::notification(async));
    CHECK_EQ(loop.run(Run::once), 1);
    for (u32 i = 0; i < 20; ++i) {
        CHECK_EQ(loop.run(Run::no_wait), 0);
    }
    CHECK_EQ(log.count, 1u);
    for (u32 i = 0; i < 6; ++i) {
        async.notify();
    }
    for (u32 i = 0; i < 11; ++i) {
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_EQ(log.count, 2u);
    log.rearms = false;
    loop.cancel(log.completion);
    CHECK_OK(loop.run());
    CHECK(log.last.is(Errno::ecanceled));
}

LOOP_TEST(loop_thread_notification_before_the_first_run) {
    Async async(loop);
    async.notify();
    Logged log;
    submit(loop, log, op::notification(async));
    CHECK_EQ(log.count, 0u); // never inside submit
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(log.last.value, 0);
    // It has been told, and is not told again.
    Logged second;
    submit(loop, second, op::notification(async));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(second.count, 0u);
    async.notify();
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(second.count, 1u);
}

/// One that nobody waits for is kept, whatever the loop does meanwhile.
LOOP_TEST(loop_thread_notification_is_kept) {
    Async async(loop);
    async.notify();
    CHECK_EQ(loop.run_for(2 * ms), 0);
    CHECK_EQ(perform_on(loop, op::timer(1)).value, 1);
    Logged log;
    submit(loop, log, op::notification(async));
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(log.last.value, 0);
}

/// One that was notified in vain may go all the same: the loop does not come upon it later.
LOOP_TEST(loop_thread_async_that_goes) {
    for (u32 i = 0; i < 3; ++i) {
        struct Gone {
            Async async;
        } gone{Async(loop)};
        Async stays(loop);
        Logged told;
        submit(loop, told, op::notification(stays));
        stays.notify();
        gone.async.notify();
        gone.async.close();
        CHECK_EQ(told.count, 0u);                                        // that runs no callback
        __builtin_memset(static_cast<void*>(&gone), 0x5a, sizeof(gone)); // other memory by now
        CHECK_EQ(loop.run(), 1);
        CHECK_EQ(told.last.value, 0);
        stays.close();
    }
}

/// Notified from its own callback: told again, in a later round.
LOOP_TEST(loop_thread_notification_from_a_callback) {
    struct Self {
        Async async;
        u32 calls = 0;
        static Action notified(Loop&, Completion&, Result, void* user) noexcept {
            Self& self = *static_cast<Self*>(user);
            if (++self.calls == 5) {
                return Action::disarm;
            }
            self.async.notify();
            return Action::rearm;
        }
    } self{Async(loop)};
    Completion waiting;
    loop.submit(waiting, op::notification(self.async), Self::notified, &self);
    self.async.notify();
    CHECK_EQ(loop.run(Run::no_wait), 1);
    CHECK_EQ(loop.run(), 4);
    CHECK_EQ(self.calls, 5u);
}

/// A cancelled wait does not take the notification with it.
LOOP_TEST(loop_thread_cancelled_wait_keeps_the_notification) {
    Async async(loop);
    Logged first;
    submit(loop, first, op::notification(async));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    loop.cancel(first.completion);
    async.notify();
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK(first.last.is(Errno::ecanceled));
    Logged second;
    submit(loop, second, op::notification(async));
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(second.last.value, 0);
}

LOOP_TEST(loop_thread_many_asyncs) {
    constexpr u32 count = threads;
    struct Many {
        Async* asyncs[count];
        u32 go = 0;
    } many;
    alignas(Async) unsigned char room[count][sizeof(Async)];
    Logged logs[count];
    for (u32 i = 0; i < count; ++i) {
        struct Place {
            static void* operator new(usize, void* place) noexcept { return place; }
            Async async;
            explicit Place(Loop& its) noexcept : async(its) {}
        };
        many.asyncs[i] = &(new (static_cast<void*>(room[i])) Place(loop))->async;
        submit(loop, logs[i], op::notification(*many.asyncs[i]));
    }
    Completion timer;
    guard(loop, timer);
    {
        Team team(
            count,
            [](void* context, u32 index) noexcept {
                static_cast<Many*>(context)->asyncs[index]->notify();
            },
            &many);
        for (u32 ended = 0; ended < count;) {
            ended += static_cast<u32>(CHECK_OK(loop.run(Run::once)));
        }
    }
    for (const Logged& log : logs) {
        CHECK_EQ(log.count, 1u);
        CHECK_EQ(log.last.value, 0);
    }
    unguard(loop, timer);
}

// ---- From a signal handler ----------------------------------------------------------------------

constinit Async* alarm_async = nullptr;
constinit u32 alarms = 0;

void on_alarm(i32) noexcept {
    store_release(&alarms, load_relaxed(&alarms) + 1);
    alarm_async->notify();
}

LOOP_TEST(loop_thread_notification_from_a_signal_handler) {
    SKIP_WITH_THREAD_SANITIZER();
    Async async(loop);
    alarm_async = &async;
    struct Counter {
        u32 calls = 0;
        u32 seen = 0;
        static Action notified(Loop&, Completion&, Result result, void* user) noexcept {
            CHECK_EQ(result.value, 0);
            Counter& self = *static_cast<Counter*>(user);
            ++self.calls;
            self.seen = load_acquire(&alarms);
            return self.seen < 50 ? Action::rearm : Action::disarm;
        }
    } counter;
    Completion waiting;
    Completion timer;
    guard(loop, timer);
    loop.submit(waiting, op::notification(async), Counter::notified, &counter);
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&on_alarm);
    CHECK_OK(kernel::rt_sigaction(abi::signal::alrm, &action)); // interrupts what it meets
    const abi::IntervalTimer often = {{0, 500}, {0, 500}};
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &often));
    while (counter.seen < 50) {
        CHECK_OK(loop.run(Run::once));
    }
    const abi::IntervalTimer off = {};
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &off));
    CHECK_GE(counter.calls, 1u);
    CHECK_LE(counter.calls, load_acquire(&alarms));
    unguard(loop, timer);
}

// ---- post ---------------------------------------------------------------------------------------

constexpr u32 posts_each = 200;

struct Post {
    Completion completion{};
    u32 thread = 0;
    u32 index = 0;
    u32 runs = 0;
};
constinit Post posts[threads][posts_each] = {};

struct Posting {
    Loop* loop;
    i32 loop_tid;
    u32 runs = 0;
    u32 next[threads] = {};
};
constinit Posting* posting = nullptr;

Action posted(Loop& loop, Completion& completion, Result result, void* user) noexcept {
    Post& post = *static_cast<Post*>(user);
    CHECK(&completion == &post.completion);
    CHECK(&loop == posting->loop);
    CHECK_EQ(kernel::gettid(), posting->loop_tid); // in the loop's thread, whoever posts
    CHECK_EQ(result.value, 0);
    CHECK_EQ(++post.runs, 1u);
    CHECK_EQ(post.index, posting->next[post.thread]++); // in the order of each thread
    ++posting->runs;
    return Action::disarm;
}

LOOP_TEST(loop_thread_every_post_runs_once_and_in_order) {
    Posting all = {.loop = &loop, .loop_tid = kernel::gettid()};
    posting = &all;
    Completion timer;
    guard(loop, timer);
    {
        Team team(
            threads,
            [](void* context, u32 thread) noexcept {
                for (u32 i = 0; i < posts_each; ++i) {
                    Post& post = posts[thread][i];
                    post.thread = thread;
                    post.index = i;
                    static_cast<Posting*>(context)->loop->post(post.completion, {posted, &post});
                    if (i % 64 == 0) {
                        CHECK_OK(kernel::sched_yield());
                    }
                }
            },
            &all);
        while (all.runs != threads * posts_each) {
            CHECK_OK(loop.run(Run::once));
        }
    }
    CHECK_EQ(all.runs, threads * posts_each);
    unguard(loop, timer);
    CHECK_EQ(loop.run(), 0);
    CHECK_EQ(all.runs, threads * posts_each);
}

/// A post counts as work: a run until done that starts behind it runs it.
LOOP_TEST(loop_thread_post_before_a_run) {
    Logged log;
    loop.post(log.completion, log.handler());
    CHECK_EQ(log.count, 0u);
    CHECK(!log.completion.idle());
    CHECK_EQ(loop.run(), 1);
    CHECK_EQ(log.count, 1u);
    CHECK_EQ(log.last.value, 0);
    CHECK(log.completion.idle());
}

/// From a callback it runs in a later round, and can post itself again.
LOOP_TEST(loop_thread_post_from_a_callback) {
    struct Self {
        u32 calls = 0;
        static Action again(Loop& loop, Completion& completion, Result, void* user) noexcept {
            if (++static_cast<Self*>(user)->calls < 10) {
                loop.post(completion, {again, user});
            }
            return Action::disarm;
        }
    } self;
    Completion completion;
    loop.post(completion, {Self::again, &self});
    CHECK_EQ(loop.run(Run::no_wait), 1);
    CHECK_EQ(loop.run(), 9);
    CHECK_EQ(self.calls, 10u);
}

// ---- What it costs ------------------------------------------------------------------------------

[[nodiscard]] u32 writes() noexcept {
    return calls_made(number::write);
}

/// The loop is awake, in a callback, while others notify it and post: none of them makes a call.
struct Awake {
    Async* async;
    Loop* loop;
    u32 go = 0;
    u32 done = 0;
    u32 writes_before = 0;
    u32 writes_after = 0;
    Post* post = nullptr;
    Logged posted{};

    static void tell(void* context, u32) noexcept {
        auto& self = *static_cast<Awake*>(context);
        await(self.go, 1);
        for (u32 i = 0; i < 1000; ++i) {
            self.async->notify();
        }
        self.loop->post(self.posted.completion, self.posted.handler());
        add(self.done);
    }
    static Action busy(Loop&, Completion&, Result, void* user) noexcept {
        auto& self = *static_cast<Awake*>(user);
        self.writes_before = writes();
        add(self.go);
        await(self.done, 1);
        self.writes_after = writes();
        return Action::disarm;
    }
};

LOOP_TEST(loop_thread_waking_one_that_is_awake_costs_no_call) {
    Async async(loop);
    Awake awake = {.async = &async, .loop = &loop};
    Completion busy;
    Logged notified;
    submit(loop, notified, op::notification(async));
    {
        Team team(1, Awake::tell, &awake);
        loop.submit(busy, op::timer(1 * ms), Awake::busy, &awake);
        CHECK_EQ(loop.run(), 3);
    }
    CHECK_EQ(awake.writes_after, awake.writes_before);
    CHECK_EQ(notified.count, 1u);
    CHECK_EQ(awake.posted.count, 1u);
}

LOOP_TEST(loop_thread_waking_itself_costs_no_call) {
    Async async(loop);
    Logged notified;
    Logged posted_log;
    submit(loop, notified, op::notification(async));
    const u32 before = writes();
    async.notify();
    loop.post(posted_log.completion, posted_log.handler());
    CHECK_EQ(loop.run(), 2);
    CHECK_EQ(writes(), before);
}

/// While the loop sleeps, as many notifications as you like cost one call.
struct Asleep {
    Async* asyncs[2];
    Loop* loop;
    u32 writes_made = ~0u;
    static void tell(void* context, u32) noexcept {
        auto& self = *static_cast<Asleep*>(context);
        // It sleeps when it has made the wait that its count tells of, and a little later; should
        // it be later still, the notifications cost less and not more.
        sleep_ms(5);
        const u32 before = writes();
        self.asyncs[0]->notify();
        for (u32 i = 0; i < 100; ++i) {
            self.asyncs[0]->notify();
        }
        self.writes_made = writes() - before;
        self.asyncs[1]->notify();
    }
};

LOOP_TEST(loop_thread_waking_one_that_sleeps_costs_one_call) {
    Async first(loop);
    Async last(loop);
    Logged notified;
    Logged ended;
    notified.rearms = true;
    Asleep asleep = {.asyncs = {&first, &last}, .loop = &loop};
    submit(loop, notified, op::notification(first));
    submit(loop, ended, op::notification(last));
    {
        Team team(1, Asleep::tell, &asleep);
        run_until_ended(loop, ended);
    }
    // The loop may wake, run its callback and fall asleep again within the hundred.
    CHECK_LE(asleep.writes_made, notified.count + 1);
    CHECK_GE(notified.count, 1u);
    notified.rearms = false;
    loop.cancel(notified.completion);
    CHECK_OK(loop.run());
}

/// A wake-up ends a wait at once, and not at the next timer.
LOOP_TEST(loop_thread_wakes_a_sleeping_loop) {
    struct With {
        Async async;
        u64 notified_ns = 0;
    } with{Async(loop)};
    Logged notified;
    Logged timer;
    submit(loop, notified, op::notification(with.async));
    submit(loop, timer, op::timer(never_ns));
    {
        Team team(
            1,
            [](void* context, u32) noexcept {
                auto& its = *static_cast<With*>(context);
                sleep_ms(3);
                its.notified_ns = now_ns();
                its.async.notify();
            },
            &with);
        CHECK_EQ(loop.run(Run::once), 1);
    }
    CHECK_EQ(notified.count, 1u);
    CHECK_EQ(timer.count, 0u);
    CHECK_LT(now_ns() - with.notified_ns, 10'000 * ms);
    end_all(loop);
}

/// Threads notify at random moments around the loop's falling asleep.
LOOP_TEST(loop_thread_no_wake_up_is_lost_at_the_edge_of_sleep) {
    struct Edge {
        Async async;
        u32 told = 0;
        u32 sent = 0;
        static void tell(void* context, u32) noexcept {
            auto& self = *static_cast<Edge*>(context);
            Random random;
            for (u32 i = 1; i <= 1000; ++i) {
                for (u32 spins = random.below(400); spins != 0; --spins) {
                    (void)load_relaxed(&self.told);
                }
                add(self.sent);
                self.async.notify();
                await(self.told, i); // a lost one would hang here, and so the loop
            }
        }
        static Action count(Loop&, Completion&, Result, void* user) noexcept {
            auto& self = *static_cast<Edge*>(user);
            return add(self.told) < 1000 ? Action::rearm : Action::disarm;
        }
    } edge{Async(loop)};
    Completion waiting;
    Completion timer;
    guard(loop, timer);
    loop.submit(waiting, op::notification(edge.async), Edge::count, &edge);
    {
        Team team(1, Edge::tell, &edge);
        while (!waiting.idle()) {
            CHECK_OK(loop.run(Run::once));
        }
    }
    CHECK_EQ(edge.told, 1000u);
    unguard(loop, timer);
}

} // namespace
} // namespace oxbow::test
