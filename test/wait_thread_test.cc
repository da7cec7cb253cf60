// The thread that waits for futexes and children: the answers that the ring's own operations give,
// with the kernel's wait on many words, without it, and beyond its limit.
#include "hook.h"
#include "thread_loop.h"

namespace oxbow::test {
namespace {

constexpr u32 private_u32 = abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag;

/// What the kernel has: the last is qemu-user, and kernels before 5.16.
struct KernelRow {
    const char* name;
    bool has_waitv;
};
constexpr KernelRow kernels[] = {{"waitv", true}, {"no-waitv", false}};

void pretend(const KernelRow& row) noexcept {
    if (!row.has_waitv) {
        fail_call(number::futex_waitv, Errno::enosys, 1, always);
        return;
    }
    abi::FutexWaiter nothing = {};
    if (kernel::futex_waitv(&nothing, 0) == -Errno::enosys) {
        SKIP_MISSING("futex_waitv");
    }
}

[[nodiscard]] abi::FutexWaiter waiter_on(const u32& word, u32 expected = 0) noexcept {
    return {expected, reinterpret_cast<uptr>(&word), private_u32, 0};
}

/// As every waker does: the word first.
void change_and_wake(u32& word, u32 count = 1) noexcept {
    store_release(&word, load_relaxed(&word) + 1);
    CHECK_OK(kernel::futex_wake(&word, count));
}

/// Wakes until that has reached so many who sleep, without changing the word.
void wake_sleepers(const u32& word, u32 count) noexcept {
    const u64 end = now_ns() + patience_ns;
    while (count != 0) {
        CHECK_LT(now_ns(), end);
        count -= static_cast<u32>(CHECK_OK(kernel::futex_wake(&word, count)));
        (void)kernel::sched_yield();
    }
}

// ---- One futex ----------------------------------------------------------------------------------

TEST(wait_thread_starts_with_the_first_job) {
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    CHECK(!threads.waits.is_running());
    u32 word = 0;
    Job job;
    threads.submit(job, op::futex_wait(&word, 1)); // ends in submit: no thread for that
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::eagain);
    CHECK(!threads.waits.is_running());
    job.ended = 0;
    threads.submit(job, op::futex_wait(&word, 0));
    CHECK(threads.waits.is_running());
    change_and_wake(word);
    threads.run_to_end();
    CHECK_EQ(job.result.value, 0);
}

VARIANT_TEST(wait_thread_futex_is_woken, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    u32 word = 5;
    for (u32 round = 0; round < 20; ++round) {
        Job job;
        threads.submit(job, op::futex_wait(&word, 5 + round));
        if ((round & 1) != 0) {
            CHECK(!threads.ends_within_ms(job, 3));
        }
        change_and_wake(word);
        threads.run_to_end();
        CHECK_EQ(job.result.value, 0);
    }
}

TEST(wait_thread_wake_of_an_unchanged_word_counts) {
    ThreadLoop threads(0, true);
    pretend(kernels[0]);
    u32 word = 0;
    for (u32 round = 0; round < 200; ++round) {
        Job job;
        threads.submit(job, op::futex_wait(&word, 0));
        wake_sleepers(word, 1);
        threads.run_to_end();
        CHECK_EQ(job.result.value, 0);
    }
}

VARIANT_TEST(wait_thread_futex_says_what_is_wrong, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    alignas(8) u32 words[2] = {};
    const u32* const crooked = reinterpret_cast<const u32*>(reinterpret_cast<const u8*>(words) + 1);
    Pages page(4096);
    const u32* const gone = page.as<u32>();
    page.unmap();
    const struct {
        Operation operation;
        Errno error;
    } refused[] = {
        {op::futex_wait(words, 1), Errno::eagain},
        {op::futex_wait(words, 1, true), Errno::eagain},
        {op::futex_wait(crooked, 0), Errno::einval},
        {op::futex_wait(gone, 0), Errno::efault},
        {op::futex_waitv(nullptr, 0), Errno::einval},
    };
    for (const auto& [operation, error] : refused) {
        Job job;
        threads.submit(job, operation);
        threads.run_to_end();
        CHECK_ERRNO(job.result.value, error);
    }
    const abi::FutexWaiter wrong[] = {
        {0, reinterpret_cast<uptr>(words), private_u32, 1},
        {0, reinterpret_cast<uptr>(words), 0x10 | private_u32, 0},
        {0, reinterpret_cast<uptr>(words), abi::futex2_flag::size_u8, 0},
        {u64{1} << 32, reinterpret_cast<uptr>(words), private_u32, 0},
    };
    for (const abi::FutexWaiter& waiter : wrong) {
        const abi::FutexWaiter pair[] = {waiter_on(words[1]), waiter};
        Job job;
        threads.submit(job, op::futex_waitv(pair, 2));
        threads.run_to_end();
        CHECK_ERRNO(job.result.value, Errno::einval);
    }
    CHECK(!threads.waits.is_running());
}

VARIANT_TEST(wait_thread_shared_futex, kernels) {
    pretend(row);
    ThreadLoop threads(0, true);
    const long mapped = kernel::mmap(nullptr, 4096, abi::protection::read | abi::protection::write,
                                     abi::map::shared | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    u32* const word = reinterpret_cast<u32*>(mapped);
    Job job;
    threads.submit(job, op::futex_wait(word, 0, true));
    CHECK(!threads.ends_within_ms(job, 3));
    // Another process.
    CHECK_EQ(in_child([word]() noexcept {
                 store_release(word, u32{1});
                 CHECK_OK(kernel::futex_wake_shared(word, 1));
             }),
             0);
    threads.run_to_end();
    CHECK_EQ(job.result.value, 0);
    CHECK_OK(kernel::munmap(word, 4096));
}

VARIANT_TEST(wait_thread_word_that_goes_away, kernels) {
    pretend(row);
    ThreadLoop threads(0, true);
    Pages page(4096);
    u32 word = 0;
    Job lost;
    Job other;
    threads.submit(lost, op::futex_wait(page.as<u32>(), 0));
    CHECK(!threads.ends_within_ms(lost, 5)); // the thread sleeps on it
    page.unmap();
    threads.submit(other, op::futex_wait(&word, 0)); // makes it look again
    threads.run_to_end(lost);
    CHECK_ERRNO(lost.result.value, Errno::efault);
    CHECK_EQ(other.ended, 0u);
    change_and_wake(word);
    threads.run_to_end();
    CHECK_EQ(other.result.value, 0);
}

// ---- Many words ---------------------------------------------------------------------------------

VARIANT_TEST(wait_thread_futexes_end_with_the_index, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    constexpr u32 most = abi::futex_waitv_max;
    u32 words[most] = {};
    abi::FutexWaiter waiters[most];
    for (u32 i = 0; i < most; ++i) {
        waiters[i] = waiter_on(words[i]);
    }
    // With 128 words one does not fit beside the thread's own.
    constexpr u32 counts[] = {1, 2, 127, 128};
    for (const u32 count : counts) {
        const u32 wakes[] = {0, count / 2, count - 1};
        for (const u32 woken : wakes) {
            Job job;
            threads.submit(job, op::futex_waitv(waiters, count));
            CHECK(!threads.ends_within_ms(job, 3));
            change_and_wake(words[woken]);
            threads.run_to_end();
            CHECK_EQ(job.result.value, woken);
            words[woken] = 0;
        }
    }
    Job job;
    threads.submit(job, op::futex_waitv(waiters, most + 1));
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::einval);
}

VARIANT_TEST(wait_thread_many_jobs_each_end_with_their_own_word, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    constexpr u32 most = 400; // in turns
    constexpr u32 counts[] = {3, 127, 128, most};
    static constinit u32 words[most];
    static constinit Job jobs[most];
    Random random;
    for (const u32 count : counts) {
        u32 left[most];
        for (u32 i = 0; i < count; ++i) {
            words[i] = 0;
            jobs[i].ended = 0;
            left[i] = i;
            threads.submit(jobs[i], op::futex_wait(&words[i], 0));
        }
        for (u32 rest = count; rest > 0; --rest) {
            const u32 at = random.below(rest);
            const u32 which = left[at];
            left[at] = left[rest - 1];
            change_and_wake(words[which]);
            if (random.chance(100)) {
                threads.run_to_end(jobs[which]);
                CHECK_EQ(jobs[left[0]].ended != 0, rest == 1);
            }
        }
        threads.run_to_end();
        for (u32 i = 0; i < count; ++i) {
            CHECK_EQ(jobs[i].result.value, 0);
        }
    }
}

TEST(wait_thread_wakes_of_one_word_end_as_many_jobs) {
    pretend(kernels[0]);
    ThreadLoop threads(0, true);
    u32 word = 0;
    Job jobs[8];
    for (u32 woken = 1; woken <= 8; ++woken) {
        for (Job& job : jobs) {
            job.ended = 0;
            threads.submit(job, op::futex_wait(&word, 0));
        }
        sleep_ms(5); // most often it sleeps on all of them now
        wake_sleepers(word, woken);
        for (u32 i = 0; i < woken; ++i) {
            threads.run_to_end(jobs[i]); // who came first is woken first
            CHECK_EQ(jobs[i].result.value, 0);
        }
        CHECK_OK(threads.loop.run_for(3 * ns_per_ms));
        for (u32 i = woken; i < 8; ++i) {
            CHECK_EQ(jobs[i].ended, 0u);
            CHECK(threads.waits.remove(jobs[i].completion));
            threads.drop(jobs[i]);
        }
        threads.run_to_end();
    }
}

// ---- Wakes from other threads -------------------------------------------------------------------

constexpr u32 ping_rounds = 3000;

struct Ping {
    u32 there = 0;
    u32 back = 0;
};

void answer_pings(void* argument) noexcept {
    Ping& ping = *static_cast<Ping*>(argument);
    for (u32 round = 0; round < ping_rounds; ++round) {
        while (load_acquire(&ping.there) == round) {
            (void)kernel::futex_wait(&ping.there, round);
        }
        store_release(&ping.back, round + 1);
        CHECK_OK(kernel::futex_wake(&ping.back, 1));
    }
}

TEST(wait_thread_loses_no_wake_of_another_thread) {
    const u32 others = thread_count();
    ThreadLoop threads(0, true);
    Ping ping;
    Threads peer;
    CHECK_OK(peer.open(1));
    CHECK_OK(peer.start("peer", answer_pings, &ping));
    u32 slept = 0;
    for (u32 round = 0; round < ping_rounds; ++round) {
        store_release(&ping.there, round + 1);
        CHECK_OK(kernel::futex_wake(&ping.there, 1));
        while (load_acquire(&ping.back) == round) {
            Job job;
            threads.submit(job, op::futex_wait(&ping.back, round));
            threads.run_to_end();
            CHECK(job.result.value == 0 || job.result.value == -Errno::eagain);
            slept += job.result.value == 0 ? 1 : 0;
        }
    }
    peer.join_and_close();
    note("slept", slept, "of", ping_rounds, "threads at first", others);
}

// ---- Taking back --------------------------------------------------------------------------------

VARIANT_TEST(wait_thread_takes_back, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    u32 words[3] = {};
    Job jobs[3];
    for (u32 i = 0; i < 3; ++i) {
        threads.submit(jobs[i], op::futex_wait(&words[i], 0));
    }
    CHECK(!threads.ends_within_ms(jobs[1], 3));
    CHECK(threads.waits.remove(jobs[1].completion));
    CHECK(!threads.waits.remove(jobs[1].completion));
    threads.drop(jobs[1]);
    change_and_wake(words[1]); // nobody's any more
    change_and_wake(words[0]);
    change_and_wake(words[2]);
    threads.run_to_end();
    CHECK_EQ(jobs[0].result.value, 0);
    CHECK_ERRNO(jobs[1].result.value, Errno::ecanceled);
    CHECK_EQ(jobs[2].result.value, 0);
}

VARIANT_TEST(wait_thread_takes_back_by_condition, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    u32 word = 0;
    Job jobs[4];
    for (Job& job : jobs) {
        threads.submit(job, op::futex_wait(&word, 0));
    }
    const auto is_odd = [](const Completion& job, void* context) noexcept {
        const Job* const all = static_cast<const Job*>(context);
        return &job == &all[1].completion || &job == &all[3].completion;
    };
    CHECK(threads.waits.take_if(is_odd, jobs) == &jobs[1].completion);
    threads.drop(jobs[1]);
    CHECK(threads.waits.take_if(is_odd, jobs) == &jobs[3].completion);
    threads.drop(jobs[3]);
    CHECK(threads.waits.take_if(is_odd, jobs) == nullptr);
    change_and_wake(word, 4);
    threads.run_to_end();
    CHECK_EQ(jobs[0].result.value, 0);
    CHECK_EQ(jobs[2].result.value, 0);
}

TEST(wait_thread_cannot_take_back_what_has_ended) {
    ThreadLoop threads(0, true);
    u32 word = 0;
    // The result is on its way, and the loop has not yet looked: where the thread had time enough.
    bool has_ended = false;
    for (u32 pause_ms = 10; !has_ended; pause_ms *= 2) {
        CHECK_LT(pause_ms, 20'000u);
        Job job;
        threads.submit(job, op::futex_wait(&word, word));
        change_and_wake(word);
        sleep_ms(pause_ms);
        has_ended = !threads.waits.remove(job.completion);
        if (!has_ended) {
            threads.drop(job);
        }
        threads.run_to_end();
        CHECK_EQ(job.ended, 1u);
        CHECK_EQ(job.result.value, has_ended ? 0 : -static_cast<i32>(Errno::ecanceled));
        threads.ended = 0;
    }
}

/// After remove() has said true, nobody may touch the completion, the list of words, or the words.
VARIANT_TEST(wait_thread_touches_nothing_that_was_taken_back, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    Random random;
    struct Gone {
        Completion completion;
        abi::FutexWaiter waiters[2];
        u32 words[2];
    };
    const auto ignore = [](Loop&, Completion&, Result, void*) noexcept { return Action::disarm; };
    u32 removed = 0;
    for (u32 round = 0; round < 300; ++round) {
        Pages page(sizeof(Gone));
        Gone& gone = *page.as<Gone>(); // all zero is a valid completion
        gone.waiters[0] = waiter_on(gone.words[0]);
        gone.waiters[1] = waiter_on(gone.words[1]);
        threads.loop.submit(gone.completion, op::futex_waitv(gone.waiters, 2), ignore, nullptr);
        for (u32 i = random.below(3); i > 0; --i) {
            (void)kernel::sched_yield();
        }
        if (random.chance(300)) {
            change_and_wake(gone.words[1]);
        }
        if (threads.waits.remove(gone.completion)) {
            ++removed;
            threads.loop.finish(gone.completion, -Errno::ecanceled);
        }
        threads.run_to_end();
        page.unmap();
    }
    note("removed", removed);
    CHECK_GT(removed, 100u);
}

/// Nor waits anybody on its word any more, who could take a wake that is another's.
VARIANT_TEST(wait_thread_leaves_the_word_of_what_was_taken_back, kernels) {
    pretend(row);
    ThreadLoop threads(0, true);
    Random random;
    u32 word = 0;
    for (u32 round = 0; round < 500; ++round) {
        Job job;
        threads.submit(job, op::futex_wait(&word, 0));
        for (u32 i = random.below(20); i > 0; --i) {
            (void)kernel::sched_yield();
        }
        CHECK(threads.waits.remove(job.completion));
        CHECK_EQ(kernel::futex_wake(&word, 1), 0);
        threads.drop(job);
        threads.run_to_end();
    }
}

struct Sleeper {
    u32 word = 0;
    i32 tid = 0; ///< written right before it sleeps
    u32 is_woken = 0;
};

void sleep_on_word(void* argument) noexcept {
    Sleeper& self = *static_cast<Sleeper*>(argument);
    store_release(&self.tid, kernel::gettid());
    CHECK_EQ(kernel::futex_wait(&self.word, 0), 0);
    store_release(&self.is_woken, u32{1});
}

/// Waits until that thread sleeps in the kernel; false: there is no /proc.
[[nodiscard]] bool wait_until_asleep(const i32& tid) noexcept {
    const u64 end = now_ns() + patience_ns;
    for (;;) {
        CHECK_LT(now_ns(), end);
        const i32 now = load_acquire(&tid);
        const char state = now != 0 ? thread_state(now) : 'R';
        if (state == '\0' || state == 'S') {
            return state == 'S';
        }
        (void)kernel::sched_yield();
    }
}

TEST(wait_thread_passes_on_a_wake_for_what_was_taken_back) {
    pretend(kernels[0]);
    ThreadLoop threads(0, true);
    for (u32 round = 0; round < 100; ++round) {
        Sleeper sleeper;
        Job job;
        threads.submit(job, op::futex_wait(&sleeper.word, 0));
        sleep_ms(1); // first in the kernel's queue
        Threads other;
        CHECK_OK(other.open(1));
        CHECK_OK(other.start("sleeper", sleep_on_word, &sleeper));
        if (!wait_until_asleep(sleeper.tid)) {
            wake_sleepers(sleeper.word, 1);
            SKIP("no /proc: nobody knows whether a thread sleeps");
        }
        // One wake, and at the same time the operation is taken back: whatever came first, if the
        // operation did not end with the wake, the other waiter must have got it.
        const i32 woken = kernel::futex_wake(&sleeper.word, 1);
        const bool is_removed = threads.waits.remove(job.completion);
        if (is_removed) {
            threads.drop(job);
        }
        threads.run_to_end();
        if (!is_removed) {
            CHECK_EQ(job.result.value, 0);
        }
        if (!is_removed || woken == 0) {
            wake_sleepers(sleeper.word, 1);
        }
        other.join_and_close();
        CHECK_EQ(load_acquire(&sleeper.is_woken), 1u);
    }
}

// ---- Children -----------------------------------------------------------------------------------

/// A child that ends with `status` when a byte comes.
struct Child {
    Pipe pipe = make_pipe();
    i32 pid;

    explicit Child(i32 status) noexcept : pid(fork_child()) {
        if (pid == 0) {
            u8 byte = 0;
            pipe.writer.close();
            (void)kernel::read(pipe.reader, &byte, 1);
            kernel::exit_group(status);
        }
        pipe.reader.close();
    }
    void end() noexcept { pipe.writer.close(); }
};

TEST(wait_thread_tells_of_a_child) {
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    Child child(7);
    abi::SignalInfo info = {};
    Job job;
    threads.submit(job, op::waitid(abi::wait_for::all, 0, &info, abi::wait_option::exited));
    CHECK(!threads.ends_within_ms(job, 20));
    child.end();
    threads.run_to_end();
    CHECK_EQ(job.result.value, 0);
    CHECK_EQ(info.child.pid, child.pid);
    CHECK_EQ(info.child.status, 7);
    CHECK_EQ(info.code, abi::signal_code::child_exited);
    CHECK_ERRNO(kernel::waitid(abi::wait_for::all, 0, nullptr, abi::wait_option::exited),
                Errno::echild); // it has been taken
}

TEST(wait_thread_tells_of_a_child_that_nobody_asks_about) {
    ThreadLoop threads(0, true);
    Child child(3);
    Job job;
    threads.submit(job, op::waitid(abi::wait_for::pid, child.pid, nullptr,
                                   abi::wait_option::exited | abi::wait_option::nowait));
    child.end();
    threads.run_to_end();
    CHECK_EQ(job.result.value, 0);
    CHECK_EQ(wait_child(child.pid), 3); // it was left there
}

TEST(wait_thread_says_when_there_is_no_child) {
    ThreadLoop threads(0, true);
    Job job;
    threads.submit(job, op::waitid(abi::wait_for::all, 0, nullptr, abi::wait_option::exited));
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::echild);
    job.ended = 0;
    threads.submit(job, op::waitid(abi::wait_for::all, 0, nullptr, 0));
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::einval);
}

TEST(wait_thread_does_not_hang_where_asked_not_to) {
    ThreadLoop threads(0, true);
    Child child(0);
    abi::SignalInfo info = {};
    Job job;
    threads.submit(job, op::waitid(abi::wait_for::all, 0, &info,
                                   abi::wait_option::exited | abi::wait_option::nohang));
    threads.run_to_end();
    CHECK_EQ(job.result.value, 0);
    CHECK_EQ(info.child.pid, 0);
    child.end();
    CHECK_EQ(wait_child(child.pid), 0);
}

TEST(wait_thread_tells_of_stops_and_continues) {
    ThreadLoop threads(0, true);
    Child child(0);
    abi::SignalInfo info = {};
    const struct {
        i32 signal;
        i32 option;
        i32 code;
    } changes[] = {
        {abi::signal::stop, abi::wait_option::stopped, abi::signal_code::child_stopped},
        {abi::signal::cont, abi::wait_option::continued, abi::signal_code::child_continued},
    };
    for (const auto& [signal, option, code] : changes) {
        Job job;
        threads.submit(job, op::waitid(abi::wait_for::pid, child.pid, &info, option));
        CHECK(!threads.ends_within_ms(job, 10));
        CHECK_OK(kernel::kill(child.pid, signal));
        threads.run_to_end();
        CHECK_EQ(job.result.value, 0);
        CHECK_EQ(info.code, code);
    }
    child.end();
    CHECK_EQ(wait_child(child.pid), 0);
}

TEST(wait_thread_takes_no_child_of_a_job_taken_back) {
    ThreadLoop threads(0, true);
    for (u32 round = 0; round < 50; ++round) {
        Child child(5);
        abi::SignalInfo info = {};
        Job job;
        threads.submit(job, op::waitid(abi::wait_for::all, 0, &info, abi::wait_option::exited));
        child.end();
        sleep_ms(round & 7);
        if (threads.waits.remove(job.completion)) {
            threads.drop(job);
            CHECK_EQ(info.child.pid, 0);
            CHECK_EQ(wait_child(child.pid), 5); // still there to be waited for
        } else {
            threads.run_to_end(job);
            CHECK_EQ(info.child.pid, child.pid);
        }
        threads.run_to_end();
    }
}

VARIANT_TEST(wait_thread_children_and_futexes_together, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    Child child(1);
    u32 word = 0;
    Job waits;
    Job sleeps;
    threads.submit(waits, op::waitid(abi::wait_for::all, 0, nullptr, abi::wait_option::exited));
    threads.submit(sleeps, op::futex_wait(&word, 0));
    CHECK(!threads.ends_within_ms(sleeps, 15));
    change_and_wake(word);
    threads.run_to_end(sleeps);
    CHECK_EQ(waits.ended, 0u);
    child.end();
    threads.run_to_end();
    CHECK_EQ(waits.result.value, 0);
}

// ---- Rest, and the end --------------------------------------------------------------------------

[[nodiscard]] u32 futex_calls() noexcept {
    return calls_made(kernel::detail::futex_call) + calls_made(number::futex_waitv);
}

/// From some moment on nobody calls: on a machine that is busy the thread may go to sleep late.
void check_rest() noexcept {
    const u64 limit_ns = now_ns() + patience_ns;
    for (bool rests = false; !rests;) {
        CHECK_LT(now_ns(), limit_ns);
        const u32 calls = futex_calls();
        sleep_ms(100);
        rests = futex_calls() == calls;
    }
}

TEST(wait_thread_sleeps_while_nothing_happens) {
    pretend(kernels[0]);
    ThreadLoop threads(0, true);
    u32 words[2] = {};
    Job jobs[2];
    threads.submit(jobs[0], op::futex_wait(&words[0], 0));
    threads.submit(jobs[1], op::futex_wait(&words[1], 0));
    change_and_wake(words[0]);
    threads.run_to_end(jobs[0]);
    check_rest();
    change_and_wake(words[1]);
    threads.run_to_end();
    check_rest(); // with no job at all
}

VARIANT_TEST(wait_thread_close_drops_what_waits, kernels) {
    pretend(row);
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    u32 word = 0;
    Child child(0);
    Job jobs[3];
    threads.submit(jobs[0], op::futex_wait(&word, 0));
    threads.submit(jobs[1], op::futex_wait(&word, 0));
    threads.submit(jobs[2], op::waitid(abi::wait_for::all, 0, nullptr, abi::wait_option::exited));
    CHECK(!threads.ends_within_ms(jobs[0], 3));
    threads.waits.close();
    threads.waits.close();
    CHECK(!threads.waits.is_running());
    child.end();
    CHECK_EQ(wait_child(child.pid), 0);
    for (Job& job : jobs) {
        CHECK(job.completion.state == State::worker);
        threads.drop(job);
    }
    threads.run_to_end();
    CHECK_OK(threads.waits.open(threads.loop)); // and can be used again
    jobs[0].ended = 0;
    threads.submit(jobs[0], op::futex_wait(&word, 0));
    change_and_wake(word);
    threads.run_to_end();
    CHECK_EQ(jobs[0].result.value, 0);
}

TEST(wait_thread_that_cannot_be_started) {
    const NoLeaks no_leaks;
    ThreadLoop threads(0, true);
    u32 word = 0;
    Job job;
    fail_call(number::mprotect, Errno::enomem);
    threads.submit(job, op::futex_wait(&word, 0));
    threads.run_to_end();
    CHECK_ERRNO(job.result.value, Errno::enomem);
    Loop loop;
    WaitThread waits;
    fail_call(number::mmap, Errno::enomem);
    CHECK_ERRNO(waits.open(loop), Errno::enomem);
    waits.close();
}

TEST(wait_thread_survives_a_kernel_out_of_memory) {
    pretend(kernels[0]);
    ThreadLoop threads(0, true);
    u32 word = 0;
    Job job;
    // The second futex_waitv from now on is no submit's: a single futex needs none there.
    inject({.number = number::futex_waitv,
            .kind = Fault::fail,
            .errno_value = static_cast<i32>(Errno::enomem),
            .times = 3});
    threads.submit(job, op::futex_wait(&word, 0));
    const u64 limit_ns = now_ns() + patience_ns;
    while (faults_hit() < 3) {
        CHECK(!threads.ends_within_ms(job, 1));
        CHECK_LT(now_ns(), limit_ns);
    }
    change_and_wake(word);
    threads.run_to_end();
    CHECK_EQ(job.result.value, 0);
}

TEST(wait_thread_of_a_sandbox_without_futex_waitv) {
    ThreadLoop threads(0, true);
    fail_call(number::futex_waitv, Errno::eperm, 1, always);
    u32 words[2] = {};
    const abi::FutexWaiter both[] = {waiter_on(words[0]), waiter_on(words[1])};
    Job job;
    threads.submit(job, op::futex_waitv(both, 2));
    CHECK(!threads.ends_within_ms(job, 20));
    change_and_wake(words[1]);
    threads.run_to_end();
    CHECK_EQ(job.result.value, 1);
    CHECK_EQ(calls_made(number::futex_waitv), 1u); // asked once, and never again
}

} // namespace
} // namespace oxbow::test
