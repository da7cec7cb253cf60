// What the loop has other threads do: workers, and the one that waits. Programs that make no
// operation which needs them are linked without (needs.h).
#include "loop.h"
#include "needs.h"
#include "perform.h"

namespace oxbow {

namespace {

[[nodiscard]] bool has_workers() noexcept {
    return &detail::worker_pool_calls != nullptr;
}
[[nodiscard]] bool has_wait_thread() noexcept {
    return &detail::wait_thread_calls != nullptr;
}

} // namespace

i32 Loop::open_jobs() noexcept {
    i32 result = 0;
    if (has_workers()) {
        result = detail::worker_pool_calls.open(workers_, *this, options_.workers_max);
    }
    if (result == 0 && has_wait_thread()) {
        result = detail::wait_thread_calls.open(waits_, *this, 1);
    }
    return result;
}

void Loop::close_jobs() noexcept {
    if (has_workers()) {
        detail::worker_pool_calls.close(workers_);
    }
    if (has_wait_thread()) {
        detail::wait_thread_calls.close(waits_);
    }
}

void Loop::perform_on_worker(Completion& completion) noexcept {
    completion.state = State::worker;
    i32 result = -Errno::eopnotsupp;
    if (WaitThread::takes(completion.kind)) {
        result = has_wait_thread() ? detail::wait_thread_calls.submit(waits_, completion) : result;
    } else if (has_workers()) {
        result = detail::worker_pool_calls.submit(workers_, completion);
    } else {
        // Such as the close of a file in a program that otherwise has none.
        finish(completion, perform(completion, Patience::blocks));
        return;
    }
    if (result != 0) {
        finish(completion, result);
        return;
    }
    ++statistics_.worker_jobs;
}

bool Loop::take_back(Completion& job) noexcept {
    if (WaitThread::takes(job.kind)) {
        return has_wait_thread() && detail::wait_thread_calls.remove(waits_, job);
    }
    return has_workers() && detail::worker_pool_calls.remove(workers_, job);
}

/// The first job that has not begun and is on `fd` (any_fd: whatever it is on); nullptr: there is
/// none.
Completion* Loop::take_back_on(i32 fd) noexcept {
    const auto wanted = [](const Completion& job, void* context) noexcept {
        const i32 wanted_fd = *static_cast<const i32*>(context);
        return (wanted_fd == any_fd || job.fd == wanted_fd) && job.kind != Kind::close;
    };
    Completion* job =
        has_workers() ? detail::worker_pool_calls.take_if(workers_, wanted, &fd) : nullptr;
    if (job == nullptr && has_wait_thread()) {
        job = detail::wait_thread_calls.take_if(waits_, wanted, &fd);
    }
    return job;
}

} // namespace oxbow
