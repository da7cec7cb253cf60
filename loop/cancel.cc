// Ending what is in flight: one operation, those of a descriptor, all of them; and close, which
// ends what is in flight on its descriptor first.
//
// A request never ends its target's life by itself: the target always ends through its own
// callback. Wherever a completion waits in the loop it can be taken out at once; what the engine or
// a worker has, they are asked for.
#include "loop.h"
#include "needs.h"

namespace oxbow {

Operation op::cancel(Completion& target) noexcept {
    Operation operation = detail::make(Kind::cancel, -1);
    // Of one that is idle now, no activation is meant: the last one has ended.
    const u32 generation = target.idle() ? target.generation - 1u : target.generation;
    operation.arguments.cancel = {&target, static_cast<u8>(generation)};
    return operation;
}

void Loop::cancel(Completion& completion) noexcept {
    check_owner();
    (void)cancel(completion, arguments::any_generation, nullptr);
}

/// What became of a request: 0, -ENOENT, -EALREADY, or cancel_outcome::pending.
i32 Loop::cancel(Completion& target, u32 generation, Completion* request) noexcept {
    if (target.idle() || (generation != arguments::any_generation &&
                          generation != static_cast<u32>(target.generation))) {
        return -Errno::enoent;
    }
    if (target.kind == Kind::close) {
        return -Errno::ealready; // it is never taken back, wherever it waits
    }
    switch (target.state) {
    case State::ready:
        if (was_set_anew(target)) {
            target.set(Completion::cancelled); // run_callback() sees it
            return 0;
        }
        [[fallthrough]];
    case State::posted:
        return -Errno::ealready; // its callback comes
    case State::ready_more:
    case State::ready_to_receive:
    case State::resuming:
        target.set(Completion::cancelled); // resume() sees it
        return 0;
    default:
        target.set(Completion::cancelled);
        return cancel_in(target.state, target, request);
    }
}

i32 Loop::cancel_in(State state, Completion& target, Completion* request) noexcept {
    switch (state) {
    case State::engine:
        return engine_->cancel(*this, target, request);
    case State::worker:
        if (!take_back(target)) {
            return -Errno::ealready;
        }
        break;
    case State::parked:
        parked_.remove(target);
        break;
    case State::awaiting_buffer:
        target.arguments.managed.pool->waiters.remove(target);
        --dependents_;
        break;
    case State::notification:
        notifications_.remove(target);
        target.arguments.notification.async->waiting = nullptr;
        break;
    case State::chained:
        detail::chain_calls.unchain(*this, target);
        break;
    default:
        break; // timing: finish() takes it out of the deadlines
    }
    finish(target, -Errno::ecanceled);
    return 0;
}

void Loop::start_cancel(Completion& request) noexcept {
    if (request.kind == Kind::cancel) {
        restart_cancel(request);
        return;
    }
    const u32 found =
        request.kind == Kind::cancel_all ? cancel_everything() : cancel_on_fd(request.fd);
    finish(request, found != 0 ? static_cast<i32>(found) : -Errno::enoent);
}

void Loop::restart_cancel(Completion& request) noexcept {
    request.state = State::engine;
    const arguments::Cancel& what = request.arguments.cancel;
    if (what.target == nullptr) {
        finish(request, request.value); // settle_parked_requests
        return;
    }
    const i32 result = cancel(*what.target, what.generation, &request);
    if (result != cancel_outcome::pending) {
        finish(request, result);
    }
}

/// `target` ends with `value`, and its memory may be gone before the requests that wait for room
/// are looked at again.
void Loop::settle_parked_requests(const Completion& target, i32 value) noexcept {
    for (Completion* at = parked_.first(); at != nullptr; at = at->next) {
        if (at->kind == Kind::cancel && at->arguments.cancel.target == &target) {
            at->arguments.cancel.target = nullptr;
            at->value = value == -Errno::ecanceled ? 0 : -Errno::ealready;
        }
    }
}

// ---- Many at once
// --------------------------------------------------------------------------------

/// Asks for the end of every completion of a list that is on `fd` (any_fd: of all). How many end.
u32 Loop::cancel_list(CompletionList& list, i32 fd) noexcept {
    u32 found = 0;
    Completion* next = nullptr;
    for (Completion* at = list.first(); at != nullptr; at = next) {
        next = at->next; // finishing one changes its own links only
        if (fd == any_fd || at->fd == fd) {
            found += cancel(*at, arguments::any_generation, nullptr) >= 0 ? 1 : 0;
        }
    }
    return found;
}

u32 Loop::cancel_slot(FdSlot& slot) noexcept {
    return cancel_list(slot.readers, any_fd) + cancel_list(slot.writers, any_fd);
}

u32 Loop::cancel_successors(i32 fd) noexcept {
    return &detail::chain_calls != nullptr ? detail::chain_calls.cancel(*this, fd) : 0;
}

/// Those that wait in the loop itself and not in the engine: for room, for a buffer, for a worker.
u32 Loop::cancel_waiting(i32 fd) noexcept {
    u32 found = cancel_list(parked_, fd);
    for (BufferPool* pool = pools_; pool != nullptr; pool = pool->next) {
        found += cancel_list(pool->waiters, fd);
    }
    while (Completion* const job = take_back_on(fd)) {
        job->set(Completion::cancelled);
        finish(*job, -Errno::ecanceled);
        ++found;
    }
    return found + mark_results(fd);
}

/// Multishot operations whose result waits for its callback are in no list but the ready queue.
u32 Loop::mark_results(i32 fd) noexcept {
    const auto mark = [fd](Completion& completion) noexcept -> u32 {
        const bool has_ended = completion.state == State::ready && !was_set_anew(completion);
        if (has_ended || (fd != any_fd && completion.fd != fd)) {
            return 0;
        }
        completion.set(Completion::cancelled);
        return 1;
    };
    u32 found = resuming_ != nullptr ? mark(*resuming_) : 0;
    for (Completion* at = ready_.first(); at != nullptr; at = at->next) {
        found += mark(*at);
    }
    return found;
}

u32 Loop::cancel_on_fd(i32 fd) noexcept {
    FdSlot* const slot = fds_.slot(fd);
    if (slot == nullptr || slot->in_flight == 0) {
        return cancel_successors(fd);
    }
    // Those on `fd` may wait elsewhere: a splice for room behind its other descriptor.
    return cancel_slot(*slot) + cancel_list(unattached_.readers, fd) + cancel_waiting(fd) +
           cancel_successors(fd);
}

u32 Loop::cancel_everything() noexcept {
    u32 found = cancel_successors(any_fd) + cancel_waiting(any_fd);
    found += cancel_list(notifications_, any_fd);
    found += cancel_slot(unattached_);
    for (u32 fd = 0; fd < fds_.count && fd <= fd_highest_; ++fd) {
        if (fds_.slots[fd].in_flight != 0) {
            found += cancel_slot(fds_.slots[fd]);
        }
    }
    return found + (deadlines_.empty() ? 0 : detail::timing_calls.cancel_timers(*this));
}

u32 Loop::drain(u64 deadline_ns) noexcept {
    OXBOW_CHECK(is_open() && !running_, "drain inside a callback, or of a loop that is not open");
    check_owner();
    draining_ = true;
    // Again in every round: a cancel can come too early for what has only just begun elsewhere.
    while (active_ != 0 || has_remote_work()) {
        stopped_ = false;
        (void)cancel_everything();
        if (run_until(Run::no_wait, deadline_ns, false) < 0 ||
            (deadline_ns != ~u64{0} && read_clock_ns() >= deadline_ns)) {
            break;
        }
    }
    draining_ = false;
    stopped_ = false;
    return active_;
}

// ---- Close
// ---------------------------------------------------------------------------------------

void Loop::start_close(Completion& completion) noexcept {
    FdSlot* const slot = fds_.slot(completion.fd);
    if (slot == nullptr || slot->has(FdSlot::closing)) {
        // Not a descriptor, or one that is being closed already.
        finish(completion, completion.fd < 0 || slot != nullptr ? -Errno::ebadf : -Errno::emfile);
        return;
    }
    slot->set(FdSlot::closing);
    completion.state = State::closing;
    closings_.push(completion);
    ++dependents_;
    if (slot->in_flight == 0) {
        end_close(completion.fd);
    } else {
        (void)cancel_on_fd(completion.fd);
    }
}

/// Nothing is in flight on `fd` any more.
void Loop::end_close(i32 fd) noexcept {
    for (Completion* at = closings_.first(); at != nullptr; at = at->next) {
        if (at->fd == fd) {
            closings_.remove(*at);
            --dependents_;
            fds_.slot(fd)->clear(FdSlot::closing);
            at->state = State::engine;
            engine_->close_fd(*this, *at);
            return;
        }
    }
}

} // namespace oxbow
