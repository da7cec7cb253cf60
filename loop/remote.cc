// What other threads, and workers, hand to the loop; and how they wake it.
//
// Before the loop sleeps it says so and then looks once more for work; whoever brings work puts it
// there and then looks whether the loop sleeps. With a full fence between the two steps on both
// sides, one of them sees the other, so no wake-up is lost; and while the loop is awake, none costs
// a system call. The eventfd is watched edge-triggered and never read: each write is an event.
#include "../syscall/call_event.h"
#include "../syscall/call_file.h"
#include "end_of_stream.h"
#include "loop.h"

namespace oxbow {

/// Lets the table name what is the loop's own.
struct detail::Remote {
    static i32 open(Loop& loop) noexcept { return loop.open_remote(); }
    static void take(Loop& loop) noexcept { loop.take_remote(); }
    static void start_notification(Loop& loop, Completion& completion) noexcept {
        loop.start_notification(completion);
    }
};
constinit const detail::RemoteCalls detail::remote_calls = {
    detail::Remote::open, detail::Remote::take, detail::Remote::start_notification};

Operation op::notification(Async& async) noexcept {
    Operation operation = detail::make(Kind::notification, -1);
    operation.arguments.notification = {&async};
    return operation;
}

i32 Loop::open_remote() noexcept {
    const i32 made = kernel::eventfd2(0, abi::eventfd_flag::cloexec | abi::eventfd_flag::nonblock);
    if (made < 0) {
        return made;
    }
    wake_fd_and_1_ = made + 1;
    return 0;
}

/// Something has been brought. Whether the loop sleeps, and it is on the caller to wake it.
bool Loop::must_be_woken() noexcept {
    store_release(&brought_, u32{1});
    full_fence();
    return load_relaxed(&sleeping_) != 0 && exchange(&sleeping_, u32{0}) != 0;
}

void Loop::write_wake() noexcept {
    const u64 one = 1;
    // -EAGAIN would mean 2^64 - 1 wake-ups since it was opened, and that it is readable anyway.
    (void)kernel::write(wake_fd(), &one, sizeof(one));
}

void Loop::wake() noexcept {
    if (must_be_woken()) {
        write_wake();
    }
}

void Loop::post(Completion& completion, Handler handler) noexcept {
    OXBOW_CHECK(completion.idle(), "a completion was posted that is still in use");
    completion.kind = Kind::nop;
    completion.callback = handler.callback;
    completion.user = handler.user;
    completion.bits = 0;
    completion.fd = -1;
    completion.state = State::posted;
    posted_.push(completion);
    wake();
}

void Loop::worker_done(Completion& completion, bool met_end) noexcept {
    (met_end ? worker_ends_ : worker_results_).push(completion);
    wake();
}

void Async::notify() noexcept {
    // Where it is queued already, whoever queued it wakes the loop; and the loop's own exchange
    // then makes what was written before this call visible to the callback.
    if (exchange(&queued_, u32{1}) == 0) {
        loop_->notified_.push(*this);
        loop_->wake();
    }
}

void Async::close() noexcept {
    OXBOW_CHECK(waiting == nullptr, "Async::close while an operation waits for it");
    if (load_relaxed(&queued_) != 0) {
        loop_->take_notifications();
    }
    notified = false;
}

void Loop::start_notification(Completion& completion) noexcept {
    Async& async = *completion.arguments.notification.async;
    OXBOW_CHECK(async.waiting == nullptr, "two operations wait for one Async");
    if (async.notified) {
        async.notified = false;
        finish(completion, 0);
        return;
    }
    async.waiting = &completion;
    completion.state = State::notification;
    notifications_.push(completion);
}

void Loop::take_remote() noexcept {
    (void)exchange(&brought_, u32{0}); // before the queues: what comes behind is said again
    Completion* next = nullptr;
    for (Completion* at = worker_results_.take_all(); at != nullptr; at = next) {
        next = at->next;
        finish(*at, at->value, end_flag(*at, at->value));
    }
    for (Completion* at = worker_ends_.take_all(); at != nullptr; at = next) {
        next = at->next;
        finish(*at, at->value, end_flag(*at, 0));
    }
    for (Completion* at = posted_.take_all(); at != nullptr; at = next) {
        next = at->next;
        ++active_;
        ++statistics_.submitted;
        finish(*at, 0);
    }
    take_notifications();
}

void Loop::take_notifications() noexcept {
    Async* next = nullptr;
    for (Async* at = notified_.take_all(); at != nullptr; at = next) {
        next = at->next;
        // From here on a notification queues it again, so that none is missed between this and the
        // callback.
        (void)exchange(&at->queued_, u32{0});
        if (at->waiting == nullptr) {
            at->notified = true;
            continue;
        }
        Completion& completion = *at->waiting;
        at->waiting = nullptr;
        notifications_.remove(completion);
        finish(completion, 0);
    }
}

} // namespace oxbow
