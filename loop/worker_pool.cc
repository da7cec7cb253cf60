// Worker threads: what the loop's thread asks of them, and what they do.
#include "worker_pool.h"

#include "loop.h"
#include "needs.h"
#include "perform.h"

namespace oxbow {

namespace {

/// A job that has left the queue says so itself, so that remove() need not search: no completion in
/// a list is its own predecessor. Written with the lock held.
void mark_as_begun(Completion& job) noexcept {
    job.prev = &job;
}
[[nodiscard]] bool has_begun(const Completion& job) noexcept {
    return job.prev == &job;
}

/// What a job ends with, and in `met_end` whether it came to the end behind what it tells.
/// Completion::value counts the bytes of an `_all` operation, which perform()
/// goes on behind; an error after the first of them is left to the next operation.
[[nodiscard]] i32 result_of(Completion& job, bool& met_end) noexcept {
    for (;;) {
        const i32 step = perform(job, Patience::blocks);
        if (!transfers_all(job.kind)) {
            return step;
        }
        if (step < 0) {
            return job.value > 0 ? job.value : step;
        }
        job.value += step;
        if (!wants_more(job, step, static_cast<u32>(job.value))) {
            met_end = step == 0;
            return job.value;
        }
    }
}

} // namespace

// ---- The loop's thread --------------------------------------------------------------------------

i32 WorkerPool::open(Loop& loop, u32 workers_max) noexcept {
    OXBOW_CHECK(loop_ == nullptr, "WorkerPool::open of a pool that is open");
    if (workers_max > workers_limit) {
        return -Errno::einval;
    }
    if (workers_max != 0) {
        const i32 result = threads_.open(workers_max);
        if (result != 0) {
            return result;
        }
    }
    loop_ = &loop;
    return 0;
}

void WorkerPool::close() noexcept {
    {
        const Locked locked(lock_);
        closing_ = true;
        jobs_ = {};
        queued_ = 0;
        jobs_or_end_.changed();
    }
    if (threads_.started() != 0) {
        jobs_or_end_.wake(workers_limit);
    }
    threads_.join_and_close();
    closing_ = false;
    loop_ = nullptr;
}

i32 WorkerPool::submit(Completion& job) noexcept {
    OXBOW_CHECK(loop_ != nullptr, "WorkerPool::submit to a pool that is not open");
    if (threads_.is_full() && threads_.started() == 0) {
        return -Errno::eopnotsupp;
    }
    bool all_are_busy;
    bool somebody_sleeps;
    {
        const Locked locked(lock_);
        jobs_.push(job);
        ++queued_;
        somebody_sleeps = idle_ != 0;
        all_are_busy = queued_ > idle_;
        if (somebody_sleeps) {
            jobs_or_end_.changed();
        }
    }
    if (somebody_sleeps) {
        jobs_or_end_.wake(1);
    }
    return all_are_busy && !threads_.is_full() ? start_worker(job) : 0;
}

/// Where there is no other, `job` depends on it.
i32 WorkerPool::start_worker(Completion& job) noexcept {
    const i32 result = threads_.start("oxbow-worker", work, this);
    if (result >= 0 || threads_.started() != 0) {
        return 0; // without this one, the others will come to the job
    }
    const Locked locked(lock_);
    take(job);
    return result;
}

/// With the lock held.
void WorkerPool::take(Completion& job) noexcept {
    jobs_.remove(job);
    mark_as_begun(job);
    --queued_;
}

bool WorkerPool::remove(Completion& job) noexcept {
    const Locked locked(lock_);
    if (has_begun(job)) {
        return false;
    }
    take(job);
    return true;
}

Completion* WorkerPool::take_if(bool (*wanted)(const Completion& job, void* context) noexcept,
                                void* context) noexcept {
    const Locked locked(lock_);
    for (Completion* job = jobs_.first(); job != nullptr; job = job->next) {
        if (wanted(*job, context)) {
            take(*job);
            return job;
        }
    }
    return nullptr;
}

// ---- The workers --------------------------------------------------------------------------------

void WorkerPool::work(void* pool) noexcept {
    WorkerPool& self = *static_cast<WorkerPool*>(pool);
    while (Completion* const job = self.next_job()) {
        bool met_end = false;
        job->value = result_of(*job, met_end);
        // From here on the job is the loop's, which may have handed it on before this returns.
        self.loop_->worker_done(*job, met_end);
    }
}

/// Waits for one; nullptr: the pool is closed.
Completion* WorkerPool::next_job() noexcept {
    const Locked locked(lock_);
    for (;;) {
        if (closing_) {
            return nullptr;
        }
        Completion* const job = jobs_.first();
        if (job != nullptr) {
            take(*job);
            return job;
        }
        ++idle_;
        jobs_or_end_.wait(lock_);
        --idle_;
    }
}

// ---- What the loop refers to -------------------------------------------------------------------

constexpr char detail::worker_pool_part = 0;

constexpr detail::JobCalls<WorkerPool> detail::worker_pool_calls = {
    .open = [](WorkerPool& pool, Loop& loop,
               u32 workers_max) noexcept { return pool.open(loop, workers_max); },
    .close = [](WorkerPool& pool) noexcept { pool.close(); },
    .submit = [](WorkerPool& pool, Completion& job) noexcept { return pool.submit(job); },
    .remove = [](WorkerPool& pool, Completion& job) noexcept { return pool.remove(job); },
    .take_if = [](WorkerPool& pool, bool (*wanted)(const Completion& job, void* context) noexcept,
                  void* context) noexcept { return pool.take_if(wanted, context); },
};

} // namespace oxbow
