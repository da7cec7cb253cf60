// The epoll set: which descriptors it has and what for.
//
// A descriptor is put there when an operation first has to wait for it, and stays until it is
// closed, so that an operation which waits again costs no epoll_ctl. What the kernel is to watch
// for grows with what is waited for. It shrinks only when it is told anew for another reason, or
// says what nobody wants to know: few connections that are read are ever full, but some kinds of
// socket report each change of room to whoever asked once. Changes are collected and made right
// before the next wait, one call for each descriptor, and none where nobody waits any more.
//
// Nothing tells us that a descriptor was closed with plain close(2) and its number given to another
// file. The kernel then has nothing in its set, and nothing would ever come. So an operation that
// finds no other in flight on its number, and has to wait, waits for a file that is doubtful. The
// kernel is asked by EPOLL_CTL_MOD, which says ENOENT where it has to be EPOLL_CTL_ADD; but not
// before every wait. Doubts are settled when nothing has come and the loop is about to sleep, or
// now and then where it never is. (Edge-triggered ones, and such with polls, must not wait so
// long.)
#include "../syscall/call_event.h"
#include "../syscall/call_file.h"
#include "poller.h"

namespace oxbow {

/// An operation waits for `events` of `fd`.
void Poller::watch(FdSlot& slot, i32 fd, u16 events) noexcept {
    if ((slot.interest & events) != events || !slot.has(FdSlot::registered)) {
        slot.interest = static_cast<u16>(slot.interest | events);
        slot.set(FdSlot::untold);
    }
    if (slot.has(FdSlot::untold)) {
        enlist(slot, fd);
    }
}

/// Has the slot looked at before the next wait.
void Poller::enlist(FdSlot& slot, i32 fd) noexcept {
    if (!slot.has(FdSlot::listed)) {
        slot.set(FdSlot::listed);
        slot.next_listed = first_listed_ & 0x7fffffffu;
        first_listed_ = static_cast<u32>(fd) + 1;
    }
}

/// Finds out whether a descriptor that was never waited for can be, before a call is made that
/// could make the loop wait for a disk.
void Poller::learn(FdSlot& slot, i32 fd, u16 events) noexcept {
    if (slot.has(FdSlot::registered | FdSlot::always_ready)) {
        return;
    }
    slot.interest = static_cast<u16>(slot.interest | events);
    if (tell(slot, fd) == -Errno::eperm) {
        slot.set(FdSlot::always_ready);
    }
    // Other errors are met again where there is something to wait for, if ever.
}

/// Tells the kernel what to watch for. 0, or its error.
i32 Poller::tell(FdSlot& slot, i32 fd) noexcept {
    using namespace abi::epoll_operation;
    constexpr u32 input_only = abi::poll_event::in | abi::poll_event::rdhup;
    if (!slot.has(FdSlot::aside | FdSlot::guests) && !is_away(slot) && slot.writers.empty()) {
        slot.interest &= input_only; // room that nobody waits for
    }
    const bool is_edge = (slot.interest & ~input_only) != 0 || is_away(slot) ||
                         slot.has(FdSlot::aside | FdSlot::guests | FdSlot::odd);
    i32 operation = slot.has(FdSlot::registered) ? modify : add;
    for (u32 attempt = 0;; ++attempt) {
        if (operation == add) {
            ++slot.generation;
        }
        abi::EpollEvent event = {slot.interest | (is_edge ? abi::epoll_flag::edge_triggered : 0),
                                 static_cast<u32>(fd) | static_cast<u64>(slot.generation) << 32};
        ++loop_->counters().syscalls;
        const i32 result = kernel::epoll_ctl(epoll_fd_, operation, fd, &event);
        if (result == -Errno::enoent && operation == modify && attempt == 0) {
            operation = add; // closed behind our back, and opened again
        } else if (result == -Errno::eexist && operation == add && attempt == 0) {
            operation = modify; // closed, and dup2 brought the same file back to its number
        } else {
            if (result == 0) {
                if (static_cast<u32>(fd) > fd_highest_) {
                    fd_highest_ = static_cast<u32>(fd);
                }
                slot.set(is_edge ? FdSlot::registered | FdSlot::edge : FdSlot::registered);
                slot.clear(is_edge ? FdSlot::untold : FdSlot::untold | FdSlot::edge);
            } else {
                slot.clear(FdSlot::registered);
            }
            return result;
        }
    }
}

/// The descriptor cannot be watched, so nothing would ever come: everything that waits ends, or
/// goes on in another way.
void Poller::refused(FdSlot& slot, i32 fd, i32 error) noexcept {
    switch (error) {
    case -Errno::eperm: // it has nothing to wait for: a file, a directory, /dev/null
        slot.set(FdSlot::always_ready);
        break;
    case -Errno::ebadf:  // it was closed behind our back: nothing of it can go on
    case -Errno::enospc: // fs.epoll.max_user_watches: close others, or raise it
    case -Errno::enomem: // of the kernel
    case -Errno::eloop:  // an epoll set that watches this one, or too deep a nest of them
    case -Errno::einval: // this epoll set itself
    default:             // nothing that epoll_ctl(2) names; the operations say it
        break;
    }
    refused(slot.readers, error);
    refused(slot.writers, error);
    if (slot.has(FdSlot::guests)) {
        refuse_guests(slot, fd, error);
    }
}

void Poller::refused(CompletionList& list, i32 error) noexcept {
    while (Completion* const operation = list.first()) {
        leave(list, *operation);
        if (error == -Errno::eperm) {
            go_on_unwatched(*operation);
        } else {
            finish(*operation, error);
        }
    }
}

/// Takes it out of the set; whatever still comes from there is not believed. Not left to close(2):
/// where the file is open elsewhere, too, by dup or fork, it would stay in the set.
void Poller::drop(FdSlot& slot, i32 fd) noexcept {
    if (slot.has(FdSlot::registered)) {
        ++loop_->counters().syscalls;
        // -ENOENT, -EBADF: closed behind our back. Nothing else can be said to a removal.
        (void)kernel::epoll_ctl(epoll_fd_, abi::epoll_operation::remove, fd, nullptr);
    }
    ++slot.generation;
    slot.interest = 0;
    slot.flags &= FdSlot::listed | FdSlot::closing | FdSlot::guests | FdSlot::doubtful;
}

// ---- Numbers that may be new --------------------------------------------------------------------

/// Has the kernel asked, before the loop sleeps, whether it still knows the descriptor.
void Poller::doubt(FdSlot& slot, i32 fd) noexcept {
    if (slot.has(FdSlot::doubtful)) {
        return;
    }
    slot.set(FdSlot::doubtful);
    const u32 room = loop_->fds().count;
    const u32 at = doubtful_first_ + doubtful_count_++;
    doubtful_[at < room ? at : at - room] = fd;
}

void Poller::ask_after_doubtful(u32 most) noexcept {
    busy_waits_ = 0;
    for (; most != 0 && doubtful_count_ != 0; --most) {
        const i32 fd = doubtful_[doubtful_first_];
        doubtful_first_ = doubtful_first_ + 1 < loop_->fds().count ? doubtful_first_ + 1 : 0;
        --doubtful_count_;
        FdSlot& slot = *loop_->fds().slot(fd);
        slot.clear(FdSlot::doubtful);
        if (someone_waits(slot)) {
            const i32 result = tell(slot, fd);
            if (result != 0) {
                refused(slot, fd, result);
            }
        } else if (slot.in_flight != 0) {
            slot.set(FdSlot::untold); // before anyone waits
        }
    }
}

/// Before a wait: what is to be tried again is, and the kernel is told what has changed.
void Poller::settle() noexcept {
    u32 at = first_listed_;
    first_listed_ = 0;
    blind_are_due_ = blind_at_ns_ != ~u64{0} && loop_->clock_ns() >= blind_at_ns_;
    if (blind_are_due_) {
        blind_at_ns_ = ~u64{0};
    }
    while (at != 0) {
        const i32 fd = static_cast<i32>(at - 1);
        FdSlot& slot = *loop_->fds().slot(fd);
        at = slot.next_listed;
        slot.clear(FdSlot::listed);
        settle(slot, fd);
    }
    blind_are_due_ = false;
}

void Poller::settle(FdSlot& slot, i32 fd) noexcept {
    if (slot.has(FdSlot::readable)) {
        serve(slot, fd, FdSlot::readable, Patience::none);
    }
    if (slot.has(FdSlot::writable)) {
        serve(slot, fd, FdSlot::writable, Patience::none);
    }
    if (slot.has(FdSlot::untold) && someone_waits(slot)) {
        const i32 result = tell(slot, fd);
        if (result != 0) {
            refused(slot, fd, result);
        }
    }
}

/// A set without those registrations that nobody can take out any more. Whoever waits is told of
/// anew; what is lost with the old set are events, and the new one says what holds.
void Poller::renew_set() noexcept {
    const i32 old_fd = epoll_fd_;
    stale_events_ = 0; // where it fails, that many more have their time to come
    if (open() != 0) {
        return;
    }
    (void)kernel::close(old_fd); // nothing to lose
    for (u32 fd = 0; fd <= fd_highest_; ++fd) {
        FdSlot& slot = loop_->fds().slots[fd];
        if (slot.has(FdSlot::registered)) {
            slot.clear(FdSlot::registered);
            slot.set(FdSlot::untold);
            enlist(slot, static_cast<i32>(fd));
        }
    }
    fd_highest_ = 0;
}

} // namespace oxbow
