// The thread that waits for futexes and children.
//
// It holds the lock while it looks at jobs and prepares a turn, and lets go of it only to sleep and
// to hand in results. The loop's thread may take jobs back meanwhile: one on whose words it sleeps,
// when it has left them.
#include "wait_thread.h"

#include "../syscall/call_time.h"
#include "../syscall/time.h"
#include "loop.h"
#include "needs.h"

namespace oxbow {

namespace {

constexpr u32 ns_per_ms = 1'000'000;
constexpr u32 slice_ms_max = 10;
constexpr u32 turn_ms_max = 5;
constexpr u32 words_max = abi::futex_waitv_max; // in a turn, the control word included

/// A job that has left the list says so itself: no completion in a list is its own predecessor.
void mark_as_ended(Completion& job) noexcept {
    job.prev = &job;
}
[[nodiscard]] bool has_ended(const Completion& job) noexcept {
    return job.prev == &job;
}

// ---- The words of a job -------------------------------------------------------------------------

[[nodiscard]] u32 words_of(const Completion& job) noexcept {
    return job.kind == Kind::futex_wait ? 1 : job.arguments.futex_wait_many.count;
}

[[nodiscard]] abi::FutexWaiter waiter_of(const Completion& job, u32 at) noexcept {
    if (job.kind != Kind::futex_wait) {
        return job.arguments.futex_wait_many.waiters[at];
    }
    const arguments::FutexWait& wait = job.arguments.futex_wait;
    const u32 flags =
        abi::futex2_flag::size_u32 | (wait.shared != 0 ? 0 : abi::futex2_flag::private_flag);
    return {wait.expected, reinterpret_cast<uptr>(wait.word), flags, 0};
}

/// What futex_waitv would refuse, where it is not there to refuse it.
[[nodiscard]] bool is_valid(const abi::FutexWaiter& waiter) noexcept {
    return (waiter.flags & ~abi::futex2_flag::private_flag) == abi::futex2_flag::size_u32 &&
           waiter.reserved == 0 && waiter.value <= 0xffffffffu;
}

/// Kernels before 6.7 overlook values of more than 32 bits, and would wait.
[[nodiscard]] bool are_valid(const Completion& job) noexcept {
    for (u32 i = 0; i < words_of(job); ++i) {
        if (!is_valid(waiter_of(job, i))) {
            return false;
        }
    }
    return true;
}

[[nodiscard]] bool is_same_futex(const abi::FutexWaiter& a, const abi::FutexWaiter& b) noexcept {
    return a.address == b.address && a.flags == b.flags;
}

[[nodiscard]] const u32* word_at(const abi::FutexWaiter& waiter) noexcept {
    return reinterpret_cast<const u32*>(static_cast<uptr>(waiter.address));
}

/// Asks the kernel to wait on a word until a time long past: -ETIMEDOUT where it would wait, and
/// otherwise its answer. The kernel reads the word, so that one which is gone is an error and no
/// fault.
[[nodiscard]] i32 look_at(const abi::FutexWaiter& waiter) noexcept {
    const abi::Timespec past = {};
    const u32* const word = word_at(waiter);
    const u32 expected = static_cast<u32>(waiter.value);
    i32 result;
    do {
        result = (waiter.flags & abi::futex2_flag::private_flag) != 0
                     ? kernel::futex_wait(word, expected, &past)
                     : kernel::futex_wait_shared(word, expected, &past);
    } while (result == -Errno::eintr);
    return result;
}

void wake_next(const abi::FutexWaiter& waiter) noexcept {
    if ((waiter.flags & abi::futex2_flag::private_flag) != 0) {
        (void)kernel::futex_wake(word_at(waiter), 1);
    } else {
        (void)kernel::futex_wake_shared(word_at(waiter), 1);
    }
}

/// futex_waitv itself never says -EPERM: a sandbox does, of calls that it does not know.
[[nodiscard]] bool is_missing(i32 result) noexcept {
    return result == -Errno::enosys || result == -Errno::eperm;
}

// ---- Children -----------------------------------------------------------------------------------

inline constexpr i32 nobody_yet = 1;

/// waitid without waiting. The look that takes nothing comes first, because the call that takes a
/// child must not be made with a doubt whether it did: with nobody there it returns 0 as well.
[[nodiscard]] i32 ask_for_child(const arguments::Wait& wait) noexcept {
    const i32 options = wait.options | abi::wait_option::nohang;
    abi::SignalInfo info = {};
    const i32 seen = kernel::waitid(wait.which, wait.id, &info, options | abi::wait_option::nowait);
    if (seen < 0) {
        return seen;
    }
    const bool hangs = (wait.options & abi::wait_option::nohang) == 0;
    if (info.child.pid == 0 && hangs) {
        return nobody_yet;
    }
    abi::SignalInfo* const told = wait.info != nullptr ? wait.info : &info;
    const i32 taken = kernel::waitid(wait.which, wait.id, told, options);
    if (taken < 0) {
        return taken;
    }
    return told->child.pid == 0 && hangs ? nobody_yet : 0; // another thread was faster
}

} // namespace

/// What the thread waits for at one time. The control word stands first: where it and a job's word
/// are woken together, the kernel tells of the later one.
struct WaitThread::Turn {
    u32 count;
    u32 slice_ms; // 0: for ever
    bool has_all; // no word had to stand back
    bool looks;   // waits on the control word only, and then looks at each word
    abi::FutexWaiter waiters[words_max];
    Completion* jobs[words_max]; // whose word; nullptr: it has ended
    u16 words[words_max];        // which of the job's words
};

// ---- The loop's thread --------------------------------------------------------------------------

i32 WaitThread::open(Loop& loop) noexcept {
    OXBOW_CHECK(loop_ == nullptr, "WaitThread::open of one that is open");
    const i32 result = thread_.open(1);
    if (result == 0) {
        loop_ = &loop;
    }
    return result;
}

void WaitThread::close() noexcept {
    {
        const Locked locked(lock_);
        closing_ = true;
        interrupt();
    }
    if (is_running()) {
        (void)kernel::futex_wake(&control_, 1);
    }
    thread_.join_and_close();
    jobs_ = {};
    children_ = 0;
    closing_ = false;
    loop_ = nullptr;
}

i32 WaitThread::submit(Completion& job) noexcept {
    OXBOW_CHECK(loop_ != nullptr, "WaitThread::submit to one that is not open");
    OXBOW_CHECK(takes(job.kind), "WaitThread::submit of an operation that is for a worker");
    const bool waits_for_child = job.kind == Kind::waitid;
    if (!waits_for_child) {
        const i32 seen = look_at_words(job);
        if (seen >= 0) {
            // Woken in that very moment, which must count.
            mark_as_ended(job);
            job.value = seen;
            loop_->worker_done(job);
            return 0;
        }
        if (seen != -Errno::etimedout) {
            return seen;
        }
    }
    if (!is_running() && thread_.start("oxbow-wait", run, this) < 0) {
        return -Errno::enomem; // its -EAGAIN would be taken for the word's
    }
    {
        const Locked locked(lock_);
        jobs_.push(job);
        children_ += waits_for_child ? 1 : 0;
        interrupt();
    }
    (void)kernel::futex_wake(&control_, 1);
    return 0;
}

/// What a wait on all words of `job` would come to: -ETIMEDOUT, it would wait; the index of one
/// that was woken just now; or an error.
i32 WaitThread::look_at_words(const Completion& job) noexcept {
    if (job.kind == Kind::futex_wait) {
        return look_at(waiter_of(job, 0));
    }
    const u32 count = words_of(job);
    if (load_relaxed(&lacks_waitv_) == 0) {
        const abi::Timespec past = {};
        i32 result;
        do {
            result = kernel::futex_waitv(job.arguments.futex_wait_many.waiters, count, &past);
        } while (result == -Errno::eintr);
        if (!is_missing(result)) {
            return result == -Errno::etimedout && !are_valid(job) ? -Errno::einval : result;
        }
        store_release(&lacks_waitv_, u32{1});
    }
    if (count == 0 || count > abi::futex_waitv_max) {
        return -Errno::einval;
    }
    if (!are_valid(job)) {
        return -Errno::einval;
    }
    for (u32 i = 0; i < count; ++i) {
        const i32 seen = look_at(waiter_of(job, i));
        if (seen != -Errno::etimedout) {
            return seen == 0 ? static_cast<i32>(i) : seen;
        }
    }
    return -Errno::etimedout;
}

/// Out of the list, and out of what the thread waits for.
void WaitThread::take(Completion& job) noexcept {
    jobs_.remove(job);
    mark_as_ended(job);
    children_ -= job.kind == Kind::waitid ? 1 : 0;
    for (u32 i = 1; turn_ != nullptr && i < turn_->count; ++i) {
        if (turn_->jobs[i] == &job) {
            turn_->jobs[i] = nullptr;
        }
    }
}

/// Whether the thread sleeps on a word of it, or is about to.
bool WaitThread::is_slept_on(const Completion& job) const noexcept {
    for (u32 i = 1; turn_ != nullptr && i < turn_->count; ++i) {
        if (turn_->jobs[i] == &job) {
            return true;
        }
    }
    return false;
}

bool WaitThread::remove(Completion& job) noexcept {
    bool is_free = true;
    u32 turn = 0;
    {
        const Locked locked(lock_);
        if (has_ended(job)) {
            return false;
        }
        is_free = !is_slept_on(job);
        if (is_free) {
            take(job);
        } else {
            leaving_ = &job;
            turn = turns_;
        }
        interrupt();
    }
    (void)kernel::futex_wake(&control_, 1);
    if (is_free) {
        return true;
    }
    while (load_acquire(&turns_) == turn) {
        (void)kernel::futex_wait(&turns_, turn); // however it ends, the loop looks again
    }
    const Locked locked(lock_);
    return has_left_;
}

Completion* WaitThread::take_if(bool (*wanted)(const Completion& job, void* context) noexcept,
                                void* context) noexcept {
    for (;;) {
        Completion* found = nullptr;
        {
            const Locked locked(lock_);
            for (found = jobs_.first(); found != nullptr && !wanted(*found, context);) {
                found = found->next;
            }
        }
        // One that ends meanwhile is out of the list, and another may be there.
        if (found == nullptr || remove(*found)) {
            return found;
        }
    }
}

// ---- The thread ---------------------------------------------------------------------------------

void WaitThread::run(void* self) noexcept {
    static_cast<WaitThread*>(self)->run();
}

void WaitThread::run() noexcept {
    Turn turn; // 4.5 KiB, of which begin_turn() writes what it needs
    turn.count = 0;
    CompletionQueue ended;
    lock_.lock();
    turn_ = &turn;
    while (!closing_) {
        ask_for_children(ended);
        begin_turn(turn);
        lock_.unlock();
        publish(ended);
        const i32 woken = wait(turn);
        lock_.lock();
        end_turn(turn, woken, ended);
        end_leaving();
    }
    turn_ = nullptr;
    lock_.unlock();
    publish(ended);
}

/// They are out of the list, so nobody else has them; and after this they are the loop's.
void WaitThread::publish(CompletionQueue& ended) noexcept {
    while (Completion* const job = ended.pop()) {
        loop_->worker_done(*job);
    }
}

/// Nobody sleeps on any word now, and who was woken has ended.
void WaitThread::end_leaving() noexcept {
    Completion* const job = leaving_;
    store_release(&turns_, turns_ + 1);
    if (job == nullptr) {
        return;
    }
    leaving_ = nullptr;
    has_left_ = !has_ended(*job);
    if (has_left_) {
        take(*job);
    }
    (void)kernel::futex_wake(&turns_, 1);
}

void WaitThread::end(Completion& job, i32 value, CompletionQueue& ended) noexcept {
    take(job);
    job.value = value;
    ended.push(job);
}

/// With the lock held, so that a child which has been taken is never lost with its job.
void WaitThread::ask_for_children(CompletionQueue& ended) noexcept {
    if (children_ == 0) {
        return;
    }
    Completion* next = nullptr;
    for (Completion* job = jobs_.first(); job != nullptr; job = next) {
        next = job->next;
        if (job->kind == Kind::waitid) {
            const i32 result = ask_for_child(job->arguments.wait);
            if (result != nobody_yet) {
                end(*job, result, ended);
            }
        }
    }
}

// ---- One turn -----------------------------------------------------------------------------------

void WaitThread::begin_turn(Turn& turn) noexcept {
    turn.waiters[0] = {load_relaxed(&control_), reinterpret_cast<uptr>(&control_),
                       abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag, 0};
    turn.jobs[0] = nullptr;
    turn.count = 1;
    turn.has_all = add_words(turn);
    turn.looks = turn.count > 1 && (must_look_ || load_relaxed(&lacks_waitv_) != 0);
    turn.slice_ms = turn.has_all && children_ == 0 ? 0 : turn_ms_max;
    must_look_ = false;
    if (!turn.looks) {
        slice_ms_ = 0;
        return;
    }
    slice_ms_ = slice_ms_ == 0 ? 1 : slice_ms_ * 2;
    slice_ms_ = slice_ms_ < slice_ms_max ? slice_ms_ : slice_ms_max;
    if (turn.slice_ms == 0 || slice_ms_ < turn.slice_ms) {
        turn.slice_ms = slice_ms_;
    }
}

/// As many jobs as there is room for, from the front of the list; where some have to stand back,
/// the others go to its end. A job of 128 words, one more than fit, gets its first and its last 127
/// by turns. Whether all words are in.
bool WaitThread::add_words(Turn& turn) noexcept {
    bool has_all = true;
    Completion* job = jobs_.first();
    for (; job != nullptr; job = job->next) {
        if (job->kind == Kind::waitid) {
            continue;
        }
        u32 first = 0;
        u32 count = words_of(*job);
        if (count >= words_max) {
            has_all = false;
            count = words_max - 1;
            first = static_cast<u32>(job->value); // nobody else's until the job ends
            job->value = 1 - job->value;
        }
        if (count > words_max - turn.count) {
            break;
        }
        for (u32 i = first; i < first + count; ++i, ++turn.count) {
            turn.waiters[turn.count] = waiter_of(*job, i);
            turn.jobs[turn.count] = job;
            turn.words[turn.count] = static_cast<u16>(i);
        }
    }
    if (job == nullptr) {
        return has_all;
    }
    while (jobs_.first() != job) {
        jobs_.push(*jobs_.pop());
    }
    return false;
}

/// The index of what was woken, 0 being the control word, or an error.
i32 WaitThread::wait(const Turn& turn) const noexcept {
    abi::Timespec deadline = {};
    if (turn.slice_ms != 0) {
        (void)kernel::clock_gettime(abi::clock::monotonic, &deadline);
        deadline = timespec_of(nanoseconds_of(deadline) + u64{turn.slice_ms} * ns_per_ms);
    }
    const abi::Timespec* const until = turn.slice_ms != 0 ? &deadline : nullptr;
    if (turn.count == 1 || turn.looks) {
        return kernel::futex_wait(&control_, static_cast<u32>(turn.waiters[0].value), until);
    }
    return kernel::futex_waitv(turn.waiters, turn.count, until);
}

void WaitThread::end_turn(const Turn& turn, i32 woken, CompletionQueue& ended) noexcept {
    const bool was_interrupted = load_relaxed(&control_) != turn.waiters[0].value;
    if (turn.looks) {
        end_changed(turn, ended);
        if (was_interrupted || !ended.empty()) {
            slice_ms_ = 0;
        }
        return;
    }
    if (woken > 0) {
        end_woken(turn, static_cast<u32>(woken), ended);
        return;
    }
    if (turn.count == 1 || woken == 0 || woken == -Errno::etimedout || woken == -Errno::eintr ||
        (woken == -Errno::eagain && was_interrupted)) {
        return; // the next turn will tell
    }
    // -EAGAIN: some word has another value. -EFAULT: some word is gone, as where its memory was
    // unmapped. The kernel does not say which. What the words are not to blame for (-ENOSYS,
    // -ENOMEM) leaves them as they are, and the next turn must do without the call.
    if (is_missing(woken)) {
        store_release(&lacks_waitv_, u32{1});
    }
    must_look_ = woken != -Errno::eagain;
    end_changed(turn, ended);
}

/// The kernel names the last word that was woken. Waiters of one futex are woken in the order of
/// the list, so those before it on the same futex were woken too.
void WaitThread::end_woken(const Turn& turn, u32 last, CompletionQueue& ended) noexcept {
    for (u32 i = 1; i <= last; ++i) {
        if (!is_same_futex(turn.waiters[i], turn.waiters[last])) {
            continue;
        }
        if (turn.jobs[i] != nullptr) {
            end(*turn.jobs[i], static_cast<i32>(turn.words[i]), ended);
        } else {
            wake_next(turn.waiters[i]); // another of its job's words has ended that: one too many
        }
    }
}

/// Looks at each word. One that has not the expected value any more was woken after submit, where
/// it had.
void WaitThread::end_changed(const Turn& turn, CompletionQueue& ended) noexcept {
    for (u32 i = 1; i < turn.count; ++i) {
        if (turn.jobs[i] == nullptr) {
            continue;
        }
        const i32 seen = look_at(turn.waiters[i]);
        if (seen == 0 || seen == -Errno::eagain) {
            end(*turn.jobs[i], static_cast<i32>(turn.words[i]), ended);
        } else if (seen != -Errno::etimedout) {
            end(*turn.jobs[i], seen, ended);
        }
    }
}

// ---- What the loop refers to -------------------------------------------------------------------

constexpr char detail::wait_thread_part = 0;

constexpr detail::JobCalls<WaitThread> detail::wait_thread_calls = {
    .open = [](WaitThread& pool, Loop& loop, u32) noexcept { return pool.open(loop); },
    .close = [](WaitThread& pool) noexcept { pool.close(); },
    .submit = [](WaitThread& pool, Completion& job) noexcept { return pool.submit(job); },
    .remove = [](WaitThread& pool, Completion& job) noexcept { return pool.remove(job); },
    .take_if = [](WaitThread& pool, bool (*wanted)(const Completion& job, void* context) noexcept,
                  void* context) noexcept { return pool.take_if(wanted, context); },
};

} // namespace oxbow
