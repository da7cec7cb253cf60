// Worker threads: when they start, in which order they work, what can be taken back, and how they
// end.
#include "hook.h"
#include "thread_loop.h"

namespace oxbow::test {
namespace {

// ---- Jobs ---------------------------------------------------------------------------------------

/// Keeps its worker until a byte is written for it.
struct BlockedJob : Job {
    Pipe pipe = make_pipe();
    u8 byte = 0;

    void submit_to(ThreadLoop& threads) noexcept {
        threads.submit(*this, op::read(pipe.reader, &byte, 1));
    }
    void let_go() noexcept {
        const u8 any = 7;
        CHECK_EQ(kernel::write(pipe.writer, &any, 1), 1);
    }
};

/// Ends as soon as a worker comes to it, and leaves a mark in a pipe.
struct MarkJob : Job {
    u8 mark = 0;

    void submit_to(ThreadLoop& threads, const Pipe& trace, u8 value) noexcept {
        mark = value;
        threads.submit(*this, op::write(trace.writer, &mark, 1));
    }
};

/// Whether no worker has come to it yet.
[[nodiscard]] bool is_queued(ThreadLoop& threads, const Job& job) noexcept {
    struct Search {
        const Completion* completion;
        bool found;
    } search = {&job.completion, false};
    const auto look = [](const Completion& queued, void* context) noexcept {
        Search& wanted = *static_cast<Search*>(context);
        wanted.found = wanted.found || &queued == wanted.completion;
        return false;
    };
    CHECK(threads.pool.take_if(look, &search) == nullptr);
    return search.found;
}

void wait_until_begun(ThreadLoop& threads, const Job& job) noexcept {
    const u64 end = now_ns() + patience_ns;
    while (is_queued(threads, job)) {
        CHECK_LT(now_ns(), end);
        (void)kernel::sched_yield();
    }
}

/// The kernel counts a thread for some moments after it was joined.
void wait_for_thread_count(u32 count) noexcept {
    const u64 end = now_ns() + patience_ns;
    while (thread_count() != count) {
        CHECK_LT(now_ns(), end);
        sleep_ms(1);
    }
}

// ---- Opening ------------------------------------------------------------------------------------

TEST(worker_pool_without_workers_refuses) {
    const NoLeaks no_leaks;
    ThreadLoop threads(0);
    CHECK_EQ(threads.pool.workers(), 0u);
    BlockedJob job;
    job.submit_to(threads);
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::eopnotsupp);
}

TEST(worker_pool_opens_maps_and_closes) {
    const NoLeaks no_leaks;
    Loop loop;
    WorkerPool pool;
    pool.close(); // of one that was never opened: nothing
    CHECK_ERRNO(pool.open(loop, WorkerPool::workers_limit + 1), Errno::einval);
    for (u32 round = 0; round < 2; ++round) {
        const Resources before = resources();
        CHECK_OK(pool.open(loop, WorkerPool::workers_limit));
        const Resources opened = resources();
        CHECK_EQ(opened.fds, before.fds);
        CHECK_LE(opened.mappings, before.mappings + 1);
        CHECK_EQ(pool.workers(), 0u);
        pool.close();
        pool.close();
    }
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(pool.open(loop, 1), Errno::enomem);
    CHECK_OK(pool.open(loop, 1)); // the failure has left nothing that is in the way
    pool.close();
}

// ---- Starting -----------------------------------------------------------------------------------

TEST(worker_pool_starts_threads_on_demand_only) {
    const NoLeaks no_leaks;
    const u32 others = thread_count();
    {
        ThreadLoop threads(3);
        CHECK_EQ(thread_count(), others);
        BlockedJob jobs[5];
        for (u32 i = 0; i < 5; ++i) {
            jobs[i].submit_to(threads);
            const u32 expected = i < 3 ? i + 1 : 3; // bounded
            CHECK_EQ(threads.pool.workers(), expected);
            if (others != 0) {
                CHECK_EQ(thread_count(), others + expected);
            }
            if (i < 3) {
                wait_until_begun(threads, jobs[i]);
            }
        }
        CHECK(is_queued(threads, jobs[3]));
        CHECK(is_queued(threads, jobs[4]));
        for (BlockedJob& job : jobs) {
            job.let_go();
        }
        threads.run_to_end();
        for (const BlockedJob& job : jobs) {
            CHECK_EQ(job.result.value, 1);
            CHECK_EQ(job.byte, 7u);
        }
    }
    if (others != 0) {
        wait_for_thread_count(others);
    }
}

TEST(worker_pool_uses_idle_threads_first) {
    const NoLeaks no_leaks;
    ThreadLoop threads(8);
    const Pipe trace = make_pipe();
    // One after another, each when the worker has gone back to sleep.
    for (u8 i = 0; i < 20; ++i) {
        MarkJob job;
        job.submit_to(threads, trace, i);
        threads.run_to_end();
        CHECK_EQ(job.result.value, 1);
        sleep_ms(2);
    }
    // A machine under load may let one sleep too late; it never needs one for each job.
    CHECK_LE(threads.pool.workers(), 3u);
}

TEST(worker_pool_idle_threads_cost_no_time) {
    ThreadLoop threads(4);
    BlockedJob jobs[4];
    for (BlockedJob& job : jobs) {
        job.submit_to(threads);
    }
    for (BlockedJob& job : jobs) {
        job.let_go();
    }
    threads.run_to_end();
    // From some moment on: on a machine that is busy, one may go to sleep late.
    const u64 limit_ns = now_ns() + patience_ns;
    for (bool quiet = false; !quiet;) {
        CHECK_LT(now_ns(), limit_ns);
        const u32 calls = calls_made(kernel::detail::futex_call);
        abi::Rusage before = {};
        CHECK_OK(kernel::getrusage(abi::usage_of::self, &before));
        sleep_ms(200);
        abi::Rusage after = {};
        CHECK_OK(kernel::getrusage(abi::usage_of::self, &after));
        quiet = calls_made(kernel::detail::futex_call) == calls &&
                after.voluntary_switches - before.voluntary_switches <= 20;
    }
}

// ---- Order --------------------------------------------------------------------------------------

TEST(worker_pool_works_in_the_order_of_submission) {
    const NoLeaks no_leaks;
    ThreadLoop threads(1);
    BlockedJob first;
    MarkJob jobs[100];
    const Pipe trace = make_pipe();
    first.submit_to(threads);
    for (u8 i = 0; i < 100; ++i) {
        jobs[i].submit_to(threads, trace, i);
    }
    first.let_go();
    threads.run_to_end();
    CHECK_EQ(first.ended, 1u);
    u8 marks[100];
    CHECK_EQ(kernel::read(trace.reader, marks, sizeof(marks)), 100);
    for (u8 i = 0; i < 100; ++i) {
        CHECK_EQ(marks[i], i);
        CHECK_EQ(jobs[i].ended, i + 2u);
        CHECK_EQ(jobs[i].result.value, 1);
    }
}

TEST(worker_pool_threads_work_side_by_side) {
    const NoLeaks no_leaks;
    ThreadLoop threads(2);
    BlockedJob slow;
    MarkJob quick;
    const Pipe trace = make_pipe();
    slow.submit_to(threads);
    quick.submit_to(threads, trace, 1);
    threads.run_to_end(quick);
    CHECK_EQ(slow.ended, 0u);
    slow.let_go();
    threads.run_to_end();
    CHECK_EQ(slow.ended, 2u);
}

TEST(worker_pool_goes_on_until_all_is_read) {
    const NoLeaks no_leaks;
    ThreadLoop threads(1);
    const Pipe pipe = make_pipe();
    u8 data[4] = {};
    Job job;
    threads.submit(job, op::read_all(pipe.reader, data, sizeof(data)));
    for (u8 i = 0; i < 4; ++i) {
        CHECK(!threads.ends_within_ms(job, 5));
        CHECK_EQ(kernel::write(pipe.writer, &i, 1), 1);
    }
    threads.run_to_end();
    CHECK_EQ(job.result.value, 4);
    CHECK_EQ(data[3], 3u);
}

TEST(worker_pool_ends_short_where_the_stream_does) {
    const NoLeaks no_leaks;
    ThreadLoop threads(1);
    Pipe pipe = make_pipe();
    u8 data[4] = {};
    Job job;
    threads.submit(job, op::read_all(pipe.reader, data, sizeof(data)));
    CHECK_EQ(kernel::write(pipe.writer, "ab", 2), 2);
    pipe.writer.close();
    threads.run_to_end();
    CHECK_EQ(job.result.value, 2);
}

// ---- Taking back --------------------------------------------------------------------------------

TEST(worker_pool_takes_back_what_has_not_begun) {
    const NoLeaks no_leaks;
    ThreadLoop threads(1);
    BlockedJob first;
    MarkJob jobs[3];
    const Pipe trace = make_pipe();
    first.submit_to(threads);
    wait_until_begun(threads, first);
    for (u8 i = 0; i < 3; ++i) {
        jobs[i].submit_to(threads, trace, i);
    }
    CHECK(threads.pool.remove(jobs[1].completion));
    CHECK(!threads.pool.remove(jobs[1].completion)); // it is not there any more
    threads.drop(jobs[1]);
    CHECK(!threads.pool.remove(first.completion)); // it has begun
    first.let_go();
    threads.run_to_end();
    CHECK_ERRNO(jobs[1].result.value, Errno::ecanceled);
    u8 marks[4] = {};
    CHECK_EQ(kernel::read(trace.reader, marks, sizeof(marks)), 2);
    CHECK_EQ(marks[0], 0u);
    CHECK_EQ(marks[1], 2u);
}

TEST(worker_pool_cannot_take_back_what_has_ended) {
    ThreadLoop threads(1);
    BlockedJob job;
    job.let_go();
    job.submit_to(threads);
    // The result is on its way, and the loop has not yet looked.
    wait_until_begun(threads, job);
    sleep_ms(10);
    CHECK(!threads.pool.remove(job.completion));
    threads.run_to_end();
    CHECK_EQ(job.result.value, 1);
}

TEST(worker_pool_takes_back_by_condition) {
    const NoLeaks no_leaks;
    ThreadLoop threads(1);
    BlockedJob first;
    MarkJob jobs[6];
    const Pipe kept = make_pipe();
    const Pipe dropped = make_pipe();
    first.submit_to(threads);
    wait_until_begun(threads, first);
    for (u8 i = 0; i < 6; ++i) {
        jobs[i].submit_to(threads, (i & 1) != 0 ? dropped : kept, i);
    }
    const auto is_on = [](const Completion& job, void* fd) noexcept {
        return job.fd == *static_cast<const i32*>(fd);
    };
    i32 fd = dropped.writer;
    for (u8 i = 1; i < 6; i = static_cast<u8>(i + 2)) {
        CHECK(threads.pool.take_if(is_on, &fd) == &jobs[i].completion); // the oldest first
        threads.drop(jobs[i]);
    }
    CHECK(threads.pool.take_if(is_on, &fd) == nullptr);
    first.let_go();
    threads.run_to_end();
    u8 marks[6] = {};
    CHECK_EQ(kernel::read(kept.reader, marks, sizeof(marks)), 3);
    CHECK_EQ(marks[2], 4u);
}

TEST(worker_pool_removes_race_with_workers) {
    const NoLeaks no_leaks;
    ThreadLoop threads(3);
    Random random;
    MarkJob jobs[64];
    u32 removed = 0;
    const Pipe trace = make_pipe();
    for (u32 round = 0; round < 300; ++round) {
        u32 ran = 0;
        for (MarkJob& job : jobs) {
            job.ended = 0;
            job.submit_to(threads, trace, 1);
        }
        for (MarkJob& job : jobs) {
            if (random.chance(700) && threads.pool.remove(job.completion)) {
                threads.drop(job);
                ++removed;
            }
        }
        threads.run_to_end();
        for (const MarkJob& job : jobs) {
            CHECK(job.ended != 0);
            CHECK(job.result.value == 1 || job.result.value == -Errno::ecanceled);
            ran += job.result.value == 1 ? 1 : 0;
        }
        u8 marks[64];
        // A removed one never runs: as many marks as good results.
        CHECK_EQ(ran == 0 ? 0 : kernel::read(trace.reader, marks, sizeof(marks)), ran);
    }
    note("removed", removed);
}

// ---- After a job is handed in, it is the loop's -------------------------------------------------

Action unmap_itself(Loop&, Completion&, Result result, void* user) noexcept {
    CHECK_EQ(result.value, 1);
    static_cast<Pages*>(user)->unmap();
    return Action::disarm;
}

TEST(worker_pool_touches_nothing_after_handing_in) {
    const NoLeaks no_leaks;
    ThreadLoop threads(2);
    BlockedJob idle;
    const Pipe trace = make_pipe();
    const u8 mark = 1;
    // libxev's thread pool wrote into completions whose callback had run. Here they are gone by
    // then, so that a worker which still knew them would die of it.
    for (u32 round = 0; round < 1000; ++round) {
        Pages pages[2] = {Pages(sizeof(Completion)), Pages(sizeof(Completion))};
        for (Pages& page : pages) {
            Completion& completion = *page.as<Completion>(); // all zero is a valid one
            threads.loop.submit(completion, op::write(trace.writer, &mark, 1), unmap_itself, &page);
        }
        threads.run_to_end();
        u8 marks[2];
        CHECK_EQ(kernel::read(trace.reader, marks, 2), 2);
    }
}

// ---- Closing ------------------------------------------------------------------------------------

struct LateWriter {
    ThreadLoop* threads;
    BlockedJob* job;
    const Job* dropped;
    u32 wrote;
};

/// As soon as the pool is being closed, which the end of its queue tells. (take_if is for the
/// loop's thread, but what it needs here, the queue and its lock, is no thread's own.)
void write_late(void* argument) noexcept {
    LateWriter& self = *static_cast<LateWriter*>(argument);
    while (is_queued(*self.threads, *self.dropped)) {
        sleep_ms(1);
    }
    store_release(&self.wrote, u32{1});
    self.job->let_go();
}

TEST(worker_pool_close_waits_for_what_has_begun_and_drops_the_rest) {
    const NoLeaks no_leaks;
    const u32 others = thread_count();
    ThreadLoop threads(1);
    BlockedJob begun;
    MarkJob dropped[3];
    const Pipe trace = make_pipe();
    begun.submit_to(threads);
    wait_until_begun(threads, begun);
    for (u8 i = 0; i < 3; ++i) {
        dropped[i].submit_to(threads, trace, i);
    }
    LateWriter writer = {&threads, &begun, &dropped[2], 0};
    Threads helper;
    CHECK_OK(helper.open(1));
    CHECK_OK(helper.start("late", write_late, &writer));
    threads.pool.close();
    CHECK_EQ(load_acquire(&writer.wrote), 1u); // it could not return earlier
    CHECK_EQ(threads.pool.workers(), 0u);
    helper.join_and_close();
    if (others != 0) {
        wait_for_thread_count(others);
    }
    for (MarkJob& job : dropped) {
        CHECK(job.completion.state == State::worker); // nobody has touched it
        threads.drop(job);
    }
    threads.run_to_end();
    CHECK_EQ(begun.ended, 4u); // its result had come, and comes after those that drop() made ready
    CHECK_EQ(begun.result.value, 1);
    i32 unread = -1;
    CHECK_OK(kernel::ioctl(trace.reader, abi::file_ioctl::fionread, &unread));
    CHECK_EQ(unread, 0);
}

TEST(worker_pool_close_of_idle_threads) {
    const NoLeaks no_leaks;
    for (u32 round = 0; round < 50; ++round) {
        ThreadLoop threads(4);
        BlockedJob jobs[4];
        for (BlockedJob& job : jobs) {
            job.submit_to(threads);
        }
        for (BlockedJob& job : jobs) {
            job.let_go();
        }
        threads.run_to_end();
        if ((round & 1) != 0) {
            sleep_ms(1); // asleep, or still on their way there
        }
    }
}

// ---- Threads that cannot be started -------------------------------------------------------------

/// As an ordinary user, who may have no further thread.
void forbid_threads() noexcept {
    if (kernel::geteuid() == 0) {
        CHECK_OK(kernel::setresuid(65534, 65534, 65534));
    }
    const abi::Rlimit none = {0, 0};
    CHECK_OK(kernel::prlimit(0, abi::resource::processes, &none));
}

TEST(worker_pool_says_when_no_thread_can_be_started) {
    const NoLeaks no_leaks;
    ThreadLoop threads(2);
    BlockedJob job;
    forbid_threads();
    job.submit_to(threads);
    CHECK_EQ(threads.pool.workers(), 0u);
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::eagain);
    // Nothing of it is left in the queue.
    CHECK(!is_queued(threads, job));
}

TEST(worker_pool_makes_do_with_the_threads_it_has) {
    const NoLeaks no_leaks;
    ThreadLoop threads(2);
    BlockedJob first;
    MarkJob second;
    const Pipe trace = make_pipe();
    first.submit_to(threads);
    wait_until_begun(threads, first);
    forbid_threads();
    second.submit_to(threads, trace, 1);
    CHECK_EQ(threads.pool.workers(), 1u);
    CHECK(!threads.ends_within_ms(second, 5));
    first.let_go();
    threads.run_to_end();
    CHECK_EQ(second.ended, 2u);
    CHECK_EQ(second.result.value, 1);
}

TEST(worker_pool_needs_memory_for_a_stack) {
    const NoLeaks no_leaks;
    ThreadLoop threads(1);
    BlockedJob job;
    fail_call(number::mprotect, Errno::enomem);
    job.submit_to(threads);
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::enomem);
    job.ended = 0;
    job.submit_to(threads); // and the next finds some
    job.let_go();
    threads.run_to_end();
    CHECK_EQ(job.result.value, 1);
}

// ---- Signals ------------------------------------------------------------------------------------

constinit u32 alarms = 0;
constinit u32 alarms_elsewhere = 0;
constinit u32 is_storming = 0;
constinit i32 owner = 0;

/// Each alarm sets the next one: at fixed intervals, a slow machine would do nothing else.
void set_next_alarm() noexcept {
    const abi::IntervalTimer next = {{0, 0}, {0, 200}};
    (void)real_call(number::setitimer, abi::interval_timer::real, &next, nullptr);
}

#if defined(__x86_64__)
[[gnu::force_align_arg_pointer]] // qemu-user 7.2 calls handlers with a stack that is not
#endif
void note_alarm(i32) noexcept {
    const bool is_here = static_cast<i32>(real_call(number::gettid)) == owner;
    u32& counter = is_here ? alarms : alarms_elsewhere;
    __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    if (load_relaxed(&is_storming) != 0) {
        set_next_alarm();
    }
}

TEST(worker_pool_threads_get_no_signals) {
    SKIP_WITH_THREAD_SANITIZER();
    owner = kernel::gettid();
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&note_alarm);
    action.flags = abi::action_flag::siginfo | abi::action_flag::restart;
    CHECK_OK(kernel::rt_sigaction(abi::signal::alrm, &action));
    const abi::SignalSet none = {};
    abi::SignalSet now_blocked = {};
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::set, &none));
    // Before the threads start: one that is interrupted between its start and a mask of its own
    // would be caught here.
    store_release(&is_storming, u32{1});
    set_next_alarm();
    for (u32 round = 0; round < 20; ++round) {
        ThreadLoop threads(4);
        BlockedJob jobs[4];
        for (BlockedJob& job : jobs) {
            job.submit_to(threads);
        }
        sleep_ms(2);
        for (BlockedJob& job : jobs) {
            job.let_go();
        }
        threads.run_to_end();
        for (const BlockedJob& job : jobs) {
            CHECK_EQ(job.result.value, 1);
        }
    }
    store_release(&is_storming, u32{0});
    const abi::IntervalTimer calm = {};
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &calm));
    CHECK_GT(load_relaxed(&alarms), 10u);
    CHECK_EQ(load_relaxed(&alarms_elsewhere), 0u);
    // The caller's own mask is as it was.
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &now_blocked));
    CHECK(!now_blocked.has(abi::signal::alrm));
    CHECK(!now_blocked.has(abi::signal::usr1));
}

} // namespace
} // namespace oxbow::test
