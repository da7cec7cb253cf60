// Operations that wait for more than their own descriptor, or have none: splice and tee for the
// room behind to_fd, waitid for a process's descriptor. While they do, they stand among the
// operations without a descriptor (Loop::unattached), where cancel finds them, and the slot that
// they wait for has a mark; its events make a search among them, which are few.
#include "../syscall/call_event.h"
#include "../syscall/call_file.h"
#include "../syscall/call_process.h"
#include "poller.h"

namespace oxbow {

namespace {

constexpr i32 options_of_pidfd =
    abi::wait_option::exited | abi::wait_option::nowait | abi::wait_option::nohang;

} // namespace

i32 Poller::watched_fd(const Completion& guest_operation) noexcept {
    return guest_operation.kind == Kind::waitid ? guest_operation.value
                                                : guest_operation.arguments.splice.splice->to_fd;
}

void Poller::enter_as_guest(Completion& operation, FdSlot& slot, i32 fd, u16 events) noexcept {
    operation.set(guest);
    enter(loop_->unattached().readers, operation, false);
    slot.set(FdSlot::guests | FdSlot::untold); // nobody counts them, so the number may be new
    watch(slot, fd, events);
}

/// Tries those that wait for `fd`.
void Poller::serve_guests(FdSlot& slot, i32 fd) noexcept {
    CompletionList theirs = take_guests(slot, fd);
    while (Completion* const operation = theirs.pop()) {
        if (attempt(*operation, Patience::ready) == Outcome::waits) {
            // A splice whose input has gone again.
            FdSlot& from = loop_->slot_of(*operation);
            from.clear(FdSlot::readable);
            enter(from.readers, *operation, true);
            watch(from, operation->fd, events_of(*operation));
        }
    }
}

/// The descriptor cannot be watched.
void Poller::refuse_guests(FdSlot& slot, i32 fd, i32 error) noexcept {
    CompletionList theirs = take_guests(slot, fd);
    while (Completion* const operation = theirs.pop()) {
        if (operation->kind == Kind::waitid) {
            end_child(*operation, error);
        } else if (error == -Errno::eperm) {
            (void)attempt_splice(*operation);
        } else {
            finish(*operation, error);
        }
    }
}

CompletionList Poller::take_guests(FdSlot& slot, i32 fd) noexcept {
    CompletionList& guests = loop_->unattached().readers;
    CompletionList theirs;
    slot.clear(FdSlot::guests);
    Completion* next = nullptr;
    for (Completion* at = guests.first(); at != nullptr; at = next) {
        next = at->next;
        if (watched_fd(*at) == fd) {
            leave(guests, *at);
            at->clear(guest);
            theirs.push(*at);
        }
    }
    return theirs;
}

// ---- splice, tee --------------------------------------------------------------------------------

/// Both sides are asked first. So a side that cannot be waited for, whose calls may wait for a
/// disk and are made by a worker, never lets that worker wait for the other side.
Poller::Outcome Poller::attempt_splice(Completion& operation) noexcept {
    if (asks_not_to_wait(operation)) {
        finish(operation, perform_now(operation, Patience::none));
        return Outcome::left;
    }
    const i32 to_fd = operation.arguments.splice.splice->to_fd;
    FdSlot* const to = loop_->fds().slot(to_fd);
    if (to == nullptr) {
        finish(operation, to_fd < 0 ? -Errno::ebadf : -Errno::emfile);
        return Outcome::left;
    }
    if (to->in_flight == 0) {
        forget_what_was(*to, to_fd); // nobody counts this operation there
    }
    FdSlot& from = loop_->slot_of(operation);
    learn(from, operation.fd, abi::poll_event::in);
    learn(*to, to_fd, abi::poll_event::out);
    abi::PollFd sides[2] = {
        {from.has(FdSlot::always_ready) ? -1 : operation.fd, abi::poll_event::in, 0},
        {to->has(FdSlot::always_ready) ? -1 : to_fd, abi::poll_event::out, 0}};
    const abi::Timespec at_once = {};
    ++loop_->counters().syscalls;
    (void)kernel::ppoll(sides, 2, &at_once); // an error leaves both as not ready
    if (sides[0].fd >= 0 && sides[0].revents == 0) {
        return Outcome::waits;
    }
    if (sides[1].fd >= 0 && sides[1].revents == 0) {
        enter_as_guest(operation, *to, to_fd, abi::poll_event::out);
        return Outcome::left;
    }
    i32 value = -Errno::eagain;
    if (sides[0].fd >= 0 && sides[1].fd >= 0) {
        value = perform_now(operation, Patience::ready);
    }
    if (value == -Errno::eagain) {
        // A file; or both are ready and yet it does not go: not for long.
        give_to_worker(operation);
    } else {
        finish(operation, value);
    }
    return Outcome::left;
}

// ---- waitid -------------------------------------------------------------------------------------

void Poller::start_child(Completion& operation) noexcept {
    const arguments::Wait& wait = operation.arguments.wait;
    const bool is_pidfd = wait.which == abi::wait_for::pidfd;
    if ((!is_pidfd && wait.which != abi::wait_for::pid) ||
        (wait.options & ~options_of_pidfd) != 0) {
        give_to_worker(operation); // nothing becomes readable when any child, or a group, stops
        return;
    }
    const i32 result = perform_now(operation, Patience::none);
    if (result != -Errno::eagain) {
        finish(operation, result);
        return;
    }
    i32 fd = wait.id;
    if (!is_pidfd) {
        ++loop_->counters().syscalls;
        fd = kernel::pidfd_open(wait.id, 0);
    }
    FdSlot* const slot = loop_->fds().slot(fd);
    if (slot == nullptr) {
        // -ENOSYS: before 5.3; -EMFILE, -ENFILE, -ENOMEM; or a number above the table.
        if (!is_pidfd && fd >= 0) {
            (void)kernel::close(fd); // nothing to lose
        }
        give_to_worker(operation);
        return;
    }
    operation.value = fd;
    enter_as_guest(operation, *slot, fd, abi::poll_event::in);
}

Poller::Outcome Poller::attempt_child(Completion& operation) noexcept {
    const i32 result = perform_now(operation, Patience::none);
    if (result != -Errno::eagain) {
        end_child(operation, result);
    } else {
        const i32 fd = operation.value;
        enter_as_guest(operation, *loop_->fds().slot(fd), fd, abi::poll_event::in);
    }
    return Outcome::left;
}

/// The descriptor that was opened to wait on goes with it.
void Poller::end_child(Completion& operation, i32 value) noexcept {
    if (operation.arguments.wait.which == abi::wait_for::pid) {
        const i32 fd = operation.value;
        drop(*loop_->fds().slot(fd), fd);
        ++loop_->counters().syscalls;
        (void)kernel::close(fd); // nothing to lose
    }
    finish(operation, value);
}

} // namespace oxbow
