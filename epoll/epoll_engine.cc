// What the loop asks of an engine, answered with epoll.
#include "engine.h"

#include "../syscall/call_event.h"
#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "poller.h"

namespace oxbow {

extern const Engine epoll_engine;

// ---- Beginning and ending -----------------------------------------------------------------------

i32 Poller::create(Loop& loop, const EpollOptions& options) noexcept {
    static_assert(sizeof(Poller) <= Loop::engine_room_bytes &&
                  sizeof(*doubtful_) <= Loop::engine_room_bytes_per_fd);
    // All zero is what a Poller is at first, and there is no placement new without <new>.
    Poller& poller = *static_cast<Poller*>(loop.engine_room());
    __builtin_memset(static_cast<void*>(&poller), 0, sizeof(Poller));
    poller.loop_ = &loop;
    poller.use_pwait2_ = options.use_pwait2;
    poller.epoll_fd_ = -1;
    poller.blind_at_ns_ = ~u64{0};
    poller.doubtful_ = static_cast<i32*>(loop.engine_room_of_fds());
    const i32 result = poller.open();
    if (result != 0) {
        poller.destroy();
        return result;
    }
    loop.attach(epoll_engine, &poller);
    return 0;
}

/// Makes an epoll set that knows of nothing but the eventfd of the loop. 0, or an error.
i32 Poller::open() noexcept {
    const i32 fd = kernel::epoll_create1(abi::epoll_cloexec);
    if (fd < 0) {
        // -EMFILE, -ENFILE: too many descriptors; -ENOMEM; -ENOSYS, -EPERM of a filter.
        return fd;
    }
    if (loop_->wake_fd() >= 0) {
        // Edge-triggered, so that it need never be read: each write is an event.
        abi::EpollEvent event = {abi::poll_event::in | abi::epoll_flag::edge_triggered, wake_data};
        const i32 result =
            kernel::epoll_ctl(fd, abi::epoll_operation::add, loop_->wake_fd(), &event);
        if (result != 0) {
            (void)kernel::close(fd); // nothing to lose
            return result;
        }
    }
    epoll_fd_ = fd;
    return 0;
}

void Poller::destroy() noexcept {
    if (epoll_fd_ >= 0) {
        (void)kernel::close(epoll_fd_); // nothing to lose
    }
}

// ---- What is submitted --------------------------------------------------------------------------

void Poller::submit_any(Completion& operation) noexcept {
    switch (way_of(operation)) {
    case Way::now:
        finish(operation, perform_now(operation, Patience::none));
        return;
    case Way::worker:
        give_to_worker(operation);
        return;
    case Way::child:
        start_child(operation);
        return;
    default:
        start(operation);
    }
}

/// Whether it may be a read of a file past the page cache, which waits for the device although it
/// is asked not to (iomap_dio_rw in the kernel). Of a pipe the same flag means something else.
[[nodiscard]] static bool reads_directly(const FdSlot& slot, const Completion& operation) noexcept {
    if (slot.has(FdSlot::registered)) {
        return false; // no file can be
    }
    const i32 flags = kernel::fcntl(operation.fd, abi::fcntl_command::get_status_flags);
    return flags >= 0 && (flags & abi::open_flag::direct) != 0;
}

/// An operation on a descriptor that can be waited for, as far as is known.
void Poller::start(Completion& operation) noexcept {
    FdSlot* const slot = loop_->fds().slot(operation.fd);
    if (slot == nullptr) {
        finish(operation, -Errno::ebadf); // the loop has refused those above the table
        return;
    }
    const bool was_file = slot->has(FdSlot::always_ready);
    forget_what_was(*slot, operation.fd);
    if (stands_aside(operation)) {
        start_aside(*slot, operation);
        return;
    }
    const bool on_files = info_of(operation).on_files != 0;
    const bool is_managed_read =
        operation.kind == Kind::read_managed || operation.kind == Kind::read_multishot;
    const bool writes = waits_for_output(operation);
    const bool is_direct = on_files && !writes && reads_directly(*slot, operation);
    if (on_files && (was_file || is_managed_read || is_direct)) {
        learn(*slot, operation.fd, events_of(operation));
    }
    if (slot->has(FdSlot::always_ready) && !asks_not_to_wait(operation) &&
        (writes || is_managed_read || is_direct)) {
        go_on_unwatched(operation); // few file systems can write without waiting
        return;
    }
    const u16 direction = writes ? FdSlot::writable : FdSlot::readable;
    CompletionList& list = list_of(*slot, operation);
    if (is_tried_at_once(*slot, operation, direction)) {
        switch (attempt(operation, Patience::none)) {
        case Outcome::left:
            return;
        case Outcome::waits:
            slot->clear(direction);
            break;
        case Outcome::later:
            try_again(*slot, operation.fd, operation);
            break;
        }
    }
    if (slot->has(FdSlot::always_ready)) {
        go_on_unwatched(operation); // it was not in memory
        return;
    }
    enter(list, operation, false);
    watch(*slot, operation.fd, events_of(operation));
}

[[nodiscard]] static bool accepts(const Completion& operation) noexcept {
    return operation.kind == Kind::accept || operation.kind == Kind::accept_multishot;
}

/// Who has just connected has seldom sent already.
[[nodiscard]] static bool receives_into_pool_for_good(const Completion& operation) noexcept {
    return operation.kind == Kind::recv_multishot || operation.kind == Kind::recvmsg_multishot;
}

bool Poller::is_tried_at_once(FdSlot& slot, const Completion& operation, u16 direction) noexcept {
    // These do not wait behind others. A second connect is told -EALREADY.
    if (asks_not_to_wait(operation) || operation.kind == Kind::connect ||
        slot.has(FdSlot::always_ready)) {
        return true;
    }
    if (slot.announced != 0 && direction == FdSlot::readable) {
        return false;
    }
    if (slot.has(FdSlot::untold) && receives_into_pool_for_good(operation)) {
        slot.clear(FdSlot::readable); // the kernel has to be told in any case, and tells
        return false;
    }
    const Completion* const first = first_in_order(slot, list_of(slot, operation));
    if (accepts(operation) && (first == nullptr || !accepts(*first))) {
        return true; // what is no listener says so, whatever it is waited for and known to have
    }
    if (first != nullptr) {
        return false;
    }
    // A guess that there is nothing is good enough for sockets; others may have to refuse at once.
    const bool is_guess =
        slot.has(FdSlot::untold | FdSlot::doubtful) && info_of(operation).on_files != 0;
    return slot.has(direction) || is_guess;
}

void Poller::start_aside(FdSlot& slot, Completion& operation) noexcept {
    if (operation.kind != Kind::poll_multishot &&
        attempt(operation, Patience::none) == Outcome::left) {
        return;
    }
    // A poll_multishot is not tried: epoll_ctl says what holds already, and does so as an event.
    // Nor is it good enough for a poll, which believes what it is told, that a number is doubtful.
    slot.set(FdSlot::aside);
    if (operation.kind == Kind::poll_multishot || slot.has(FdSlot::doubtful)) {
        slot.set(FdSlot::untold);
    }
    enter(slot.readers, operation, false);
    watch(slot, operation.fd, events_of(operation));
}

/// A number on which nothing was in flight may be that of another file by now: whoever had it open
/// may have closed it without telling us. So nothing that was known of it counts any more, but as
/// a guess; see interest.cc.
void Poller::forget_what_was(FdSlot& slot, i32 fd) noexcept {
    if (slot.in_flight > 1) {
        return;
    }
    slot.clear(FdSlot::always_ready);
    if (!slot.has(FdSlot::registered)) {
        slot.set(FdSlot::untold | FdSlot::readable | FdSlot::writable);
    } else if (slot.has(FdSlot::edge)) {
        slot.set(FdSlot::untold);
    } else {
        doubt(slot, fd);
    }
}

void Poller::finish(Completion& operation, i32 value, u32 flags) noexcept {
    produced_ = true;
    loop_->finish(operation, value, flags);
}

void Poller::deliver(Completion& operation, i32 value, u32 flags) noexcept {
    produced_ = true;
    loop_->deliver(operation, value, flags);
}

/// The callback has seen a result, and there may be more.
void Poller::resume_any(FdSlot& slot, Completion& operation) noexcept {
    const bool is_poll = operation.kind == Kind::poll_multishot;
    if (is_poll) {
        count_away(slot, false);
    }
    if (operation.has(Completion::cancelled)) {
        finish(operation, -Errno::ecanceled);
        return;
    }
    // In front, as if it had never left; but what has begun to gather bytes must get the next ones.
    Completion* const first = is_poll ? nullptr : first_in_order(slot, slot.readers);
    const bool has_begun = first != nullptr && transfers_all(first->kind) && first->value > 0;
    if (has_begun) {
        leave(slot.readers, *first);
    }
    enter(slot.readers, operation, !is_poll);
    if (has_begun) {
        enter(slot.readers, *first, true);
    }
    if (!is_poll && slot.has(FdSlot::readable)) {
        enlist(slot, operation.fd); // not at once: others have their turn first
    }
    if (is_poll) {
        slot.set(FdSlot::aside);
        if (slot.has(FdSlot::missed)) {
            slot.set(FdSlot::untold); // the kernel tells again what holds now
        }
        if (!is_away(slot)) {
            slot.clear(FdSlot::missed);
        }
    }
    watch(slot, operation.fd, events_of(operation));
}

void Poller::cancel(Completion& target) noexcept {
    if (target.has(guest)) {
        leave(loop_->unattached().readers, target);
        if (target.kind == Kind::waitid) {
            end_child(target, -Errno::ecanceled);
            return;
        }
    } else {
        FdSlot& slot = loop_->slot_of(target);
        leave(stands_aside(target) ? slot.readers : list_of(slot, target), target);
    }
    // What an `_all` operation has transferred is true, and its result.
    finish(target,
           transfers_all(target.kind) && target.value > 0 ? target.value : -Errno::ecanceled);
}

/// Nothing is in flight on it.
void Poller::close_fd(Completion& operation) noexcept {
    FdSlot& slot = *loop_->fds().slot(operation.fd);
    const bool is_file = slot.has(FdSlot::always_ready);
    const i32 fd = operation.fd;
    drop(slot, fd);
    if (is_file) {
        give_to_worker(operation); // a file's close may write back, over a network
        return;
    }
    finish(operation, perform_now(operation, Patience::none));
    if (slot.has(FdSlot::guests)) {
        serve_guests(slot, fd); // they find that it is closed
    }
}

// ---- The table ----------------------------------------------------------------------------------

namespace {

void submit(Loop& loop, Completion& operation) noexcept {
    Poller::of(loop).submit(operation);
}

i32 wait(Loop& loop, u64 deadline_ns) noexcept {
    return Poller::of(loop).wait(deadline_ns);
}

i32 cancel(Loop& loop, Completion& target, Completion*) noexcept {
    Poller::of(loop).cancel(target);
    return cancel_outcome::ends;
}

void resume(Loop& loop, Completion& operation) noexcept {
    Poller::of(loop).resume(operation);
}
bool receive(Loop& loop, Completion& operation) noexcept {
    return Poller::of(loop).receive(operation);
}

void close_fd(Loop& loop, Completion& operation) noexcept {
    Poller::of(loop).close_fd(operation);
}

/// Buffers of a pool are taken when there is something to put into them, so nobody has to know.
i32 open_pool(Loop&, BufferPool& pool) noexcept {
    pool.kernel_takes = false;
    return 0;
}
void close_pool(Loop&, BufferPool&) noexcept {}

void detach(Loop& loop) noexcept {
    Poller::of(loop).destroy();
}

} // namespace

const Engine epoll_engine = {
    .name = "epoll",
    .submit = submit,
    .wait = wait,
    .cancel = cancel,
    .resume = resume,
    .close_fd = close_fd,
    .open_pool = open_pool,
    .close_pool = close_pool,
    .detach = detach,
    .receive = receive,
};

i32 attach_epoll(Loop& loop, const EpollOptions& options) noexcept {
    return Poller::create(loop, options);
}

} // namespace oxbow
