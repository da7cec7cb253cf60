// Trying operations. An attempt makes the call and never waits; what it says becomes a result, or
// the operation stays where it waits.
#include "../loop/buffer_pool.h"
#include "../loop/end_of_stream.h"
#include "../syscall/abi_uring_register.h"
#include "../syscall/call_file.h"
#include "../syscall/call_socket.h"
#include "../syscall/start.h"
#include "poller.h"

namespace oxbow {

namespace {

[[nodiscard]] bool names_a_peer(const Completion& operation) noexcept {
    switch (operation.kind) {
    case Kind::sendmsg:
    case Kind::sendmsg_all:
    case Kind::sendmsg_zero_copy:
        return operation.arguments.send_message.message->name != nullptr;
    default:
        return false;
    }
}

} // namespace

i32 Poller::perform_now(const Completion& operation, Patience patience) noexcept {
    ++loop_->counters().syscalls;
    return perform(operation, patience);
}

Poller::Outcome Poller::attempt(Completion& operation, Patience patience) noexcept {
    switch (operation.kind) {
    case Kind::recv_managed:
    case Kind::recv_multishot:
    case Kind::recvmsg_multishot:
    case Kind::read_managed:
    case Kind::read_multishot:
        return attempt_managed(operation, patience);
    case Kind::recv_all:
    case Kind::recvmsg_all:
    case Kind::send_all:
    case Kind::sendmsg_all:
    case Kind::read_all:
    case Kind::write_all:
        return attempt_all(operation, patience);
    case Kind::connect:
        return attempt_connect(operation);
    case Kind::splice:
    case Kind::tee:
        return attempt_splice(operation);
    case Kind::waitid:
        return attempt_child(operation);
    default:
        break;
    }
    const i32 value = perform_now(operation, patience);
    if (value == -Errno::eagain && !asks_not_to_wait(operation)) {
        return wait_again(operation, patience);
    }
    if (value > 0 && is_cut_read(operation, value)) {
        give_to_worker(operation);
        return Outcome::left;
    }
    note_emptied(operation, value);
    if (operation.kind == Kind::accept_multishot && value >= 0) {
        deliver(operation, value);
    } else {
        finish(operation, value, end_flag(operation, value));
    }
    return Outcome::left;
}

/// Whether a read of a file got less than there is, because only that was in memory. It has then
/// not been made: the position is where it was. A short read of a file means its end to everybody.
bool Poller::is_cut_read(const Completion& operation, i32 value) noexcept {
    const bool is_vector = operation.kind == Kind::readv;
    if ((operation.kind != Kind::read && !is_vector) || asks_not_to_wait(operation)) {
        return false;
    }
    const arguments::Any& with = operation.arguments;
    u64 asked = is_vector ? 0 : with.transfer.bytes;
    for (u32 i = 0; is_vector && i < with.vector.count; ++i) {
        asked += with.vector.pieces[i].bytes;
    }
    const u32 got = static_cast<u32>(value);
    if (got >= asked || (got > transfer_bytes_least && got >= transfer_bytes_max())) {
        return false;
    }
    const i32 fd = operation.fd;
    ++loop_->counters().syscalls;
    const i64 position = kernel::lseek(fd, 0, abi::seek_from::current);
    if (position < 0) {
        return false; // a pipe, a socket, a terminal: no file
    }
    const u64 offset = is_vector ? with.vector.offset : with.transfer.offset;
    const bool at_position = offset == abi::current_position;
    const u64 end = at_position ? static_cast<u64>(position) : offset + got;
    constexpr u32 mask = abi::statx_mask::size | abi::statx_mask::type;
    abi::Statx status = {};
    ++loop_->counters().syscalls;
    if (kernel::statx(fd, "", abi::at_flag::empty_path, mask, &status) != 0 ||
        (status.mode & abi::file_mode::type_mask) != abi::file_mode::regular ||
        end >= status.size) {
        return false;
    }
    return !at_position ||
           kernel::lseek(fd, position - static_cast<i64>(got), abi::seek_from::start) >= 0;
}

/// One with `_all`, for as many steps as go without waiting.
Poller::Outcome Poller::attempt_all(Completion& operation, Patience patience) noexcept {
    for (u32 step = 0; step < steps_max; ++step) {
        const i32 value = perform_now(operation, patience);
        if (value == -Errno::eagain && !asks_not_to_wait(operation)) {
            return wait_again(operation, patience);
        }
        patience = Patience::none; // what was found ready has been used
        if (value < 0) {
            // An error behind what has been transferred is left to the next operation.
            finish(operation, operation.value > 0 ? operation.value : value);
            return Outcome::left;
        }
        operation.value += value;
        if (!wants_more(operation, value, static_cast<u32>(operation.value))) {
            finish(operation, operation.value, end_flag(operation, value));
            return Outcome::left;
        }
    }
    return Outcome::later;
}

/// One that takes a buffer of its pool.
Poller::Outcome Poller::attempt_managed(Completion& operation, Patience patience) noexcept {
    BufferPool& pool = *operation.arguments.managed.pool;
    const i32 taken = pool.take();
    if (taken < 0) {
        loop_->await_buffer(operation);
        return Outcome::left;
    }
    const u16 id = static_cast<u16>(taken);
    ++loop_->counters().syscalls;
    const i32 value = perform_into(operation, pool.buffer(id), pool.buffer_bytes(), patience);
    if (value <= 0) {
        pool.untake(id);
        if (value == -Errno::eagain && !asks_not_to_wait(operation)) {
            return wait_again(operation, patience);
        }
    }
    i32 received = value;
    u32 flags = 0;
    if (value > 0) {
        if (operation.kind == Kind::recvmsg_multishot) { // without its head
            received = static_cast<i32>(
                reinterpret_cast<const abi::RecvmsgOut*>(pool.buffer(id))->payload_length);
        }
        flags |= result_flag::buffer | static_cast<u32>(id) << result_flag::buffer_shift;
    }
    flags |= end_flag(operation, received);
    note_emptied(operation, value);
    end_managed(operation, value, flags);
    return Outcome::left;
}

/// With what one attempt has yielded, which is the last of a multishot only at the end or an error.
void Poller::end_managed(Completion& operation, i32 value, u32 flags) noexcept {
    if (is_multishot(operation.kind) && value >= 0 && (flags & result_flag::end_of_stream) == 0) {
        deliver(operation, value, flags);
    } else {
        finish(operation, value, flags);
    }
}

Poller::Outcome Poller::attempt_connect(Completion& operation) noexcept {
    i32 value = 0;
    if (operation.has(Completion::polls)) {
        ++loop_->counters().syscalls;
        value = finish_connect(operation.fd);
        if (value == -Errno::einprogress) {
            return Outcome::waits;
        }
        if (value == 0) {
            // The socket takes note of it, so that the next connect is told -EISCONN and not 0:
            // __inet_stream_connect in the kernel.
            const arguments::Address& to = operation.arguments.address;
            (void)kernel::connect(operation.fd, to.address, to.bytes);
        }
    } else {
        value = perform_now(operation, Patience::none);
        if (value == -Errno::einprogress) {
            operation.set(Completion::polls);
            return Outcome::waits;
        }
        if (value == -Errno::eagain) {
            // The backlog of an AF_UNIX listener is full. poll(2) calls the socket writable all the
            // while and no event tells when there is room: unix_stream_connect in the kernel.
            operation.set(blind);
            return Outcome::later;
        }
    }
    finish(operation, value);
    return Outcome::left;
}

/// After -EAGAIN: what the operation waits for next.
Poller::Outcome Poller::wait_again(Completion& operation, Patience patience) noexcept {
    if (operation.has(Completion::polls) && names_a_peer(operation)) {
        // It was said to be writable, and is not. An AF_UNIX datagram to a named peer whose queue
        // is full waits for that queue, which no event tells of: unix_dgram_poll in the kernel.
        operation.set(blind);
        return Outcome::later;
    }
    FdSlot& slot = loop_->slot_of(operation);
    if (patience == Patience::none && info_of(operation).on_files != 0 && slot.has(FdSlot::edge)) {
        // Perhaps it was only not clear whether the call would wait. Then there is no change to
        // wait for, but the kernel can be asked what holds already.
        slot.set(FdSlot::untold);
    }
    operation.set(Completion::polls);
    return Outcome::waits;
}

/// What received less than it could, and an accept, have probably emptied their descriptor. That is
/// a guess, which saves the attempt that would end in EAGAIN, and it must not be relied on: the end
/// of the stream, another message of a local socket or urgent data may stand right behind. So it
/// counts only where the kernel says anew what there is: because it always does (level-triggered),
/// or because it is told of the descriptor before the next operation waits.
void Poller::note_emptied(const Completion& operation, i32 value) noexcept {
    FdSlot& slot = loop_->slot_of(operation);
    const bool is_told_anew = slot.in_flight == 1 && !is_multishot(operation.kind);
    if (slot.has(FdSlot::registered) && slot.has(FdSlot::edge) && !is_told_anew) {
        return;
    }
    const arguments::Any& with = operation.arguments;
    u32 asked = 0;
    switch (operation.kind) {
    case Kind::accept:
    case Kind::accept_multishot:
        asked = ~0u;
        break;
    case Kind::recv:
        asked = with.receive.bytes;
        break;
    case Kind::read:
        asked = with.transfer.bytes;
        break;
    case Kind::recv_managed:
    case Kind::recv_multishot:
    case Kind::read_managed:
    case Kind::read_multishot:
        asked = with.managed.pool->buffer_bytes();
        break;
    default:
        return;
    }
    if (value > 0 && static_cast<u32>(value) < asked) {
        slot.clear(FdSlot::readable);
    }
}

void Poller::give_to_worker(Completion& operation) noexcept {
    produced_ = true; // where there is no worker, it has ended
    loop_->perform_on_worker(operation);
}

/// On a descriptor that cannot be waited for (EPERM of epoll_ctl): a regular file, a directory, or
/// a device like /dev/null.
void Poller::go_on_unwatched(Completion& operation) noexcept {
    switch (operation.kind) {
    case Kind::poll:
    case Kind::poll_multishot: {
        const i32 events = perform_now(operation, Patience::none);
        // As io_uring: what never becomes ready cannot be waited for.
        finish(operation, events == -Errno::eagain ? -Errno::einval : events);
        return;
    }
    case Kind::read_multishot:
        finish(operation, -Errno::ebadfd);
        return;
    case Kind::splice:
    case Kind::tee:
        (void)attempt_splice(operation); // never waits for a file
        return;
    case Kind::read_managed:
        // Here and now: a worker could not take the buffer.
        (void)attempt_managed(operation, Patience::blocks);
        return;
    default:
        give_to_worker(operation);
    }
}

// ---- Those that wait ----------------------------------------------------------------------------

/// The first that the others of its direction wait behind.
Completion* Poller::first_in_order(const FdSlot& slot, const CompletionList& list) noexcept {
    Completion* at = list.first();
    if (slot.has(FdSlot::aside)) {
        while (at != nullptr && stands_aside(*at)) {
            at = at->next;
        }
    }
    return at;
}

/// Tries those that wait in one direction, in order, until one has to go on waiting. Each has one
/// result at most, since it leaves the list with it. `patience` is the first one's.
void Poller::serve(FdSlot& slot, i32 fd, u16 direction, Patience patience) noexcept {
    if (slot.announced != 0 && direction == FdSlot::readable) {
        return; // receive() comes back to them
    }
    CompletionList& list = direction == FdSlot::readable ? slot.readers : slot.writers;
    while (Completion* const operation = first_in_order(slot, list)) {
        if (operation->has(blind) && !blind_are_due_) {
            enlist(slot, fd); // an event says nothing about it; its own attempt may have caused it
            return;
        }
        leave(list, *operation);
        const Outcome outcome = attempt(*operation, patience);
        const bool was_told = patience == Patience::ready;
        patience = Patience::none;
        if (outcome == Outcome::left) {
            continue;
        }
        enter(list, *operation, true);
        if (outcome == Outcome::waits) {
            slot.clear(direction);
            if (was_told && !slot.has(FdSlot::edge)) {
                // It is ready, and is not: somebody else was quicker, or errors are queued that
                // nobody asks for. So that this cannot go on and on:
                slot.set(FdSlot::odd | FdSlot::untold);
            }
            watch(slot, fd, events_of(*operation));
        } else {
            try_again(slot, fd, *operation);
        }
        return;
    }
}

/// Sees to it that an operation is tried again though no event may come.
void Poller::try_again(FdSlot& slot, i32 fd, const Completion& operation) noexcept {
    enlist(slot, fd);
    if (!operation.has(blind)) {
        produced_ = true; // without a wait before it
        return;
    }
    const bool is_slow = operation.kind == Kind::connect && is_blocking(operation.fd);
    const u64 at_ns = loop_->read_clock_ns() + (is_slow ? blind_connect_ns : blind_ns);
    if (at_ns < blind_at_ns_) {
        blind_at_ns_ = at_ns;
    }
}

/// Tells those that stand aside of what has come.
void Poller::serve_aside(FdSlot& slot, u32 events) noexcept {
    slot.clear(FdSlot::aside);
    Completion* next = nullptr;
    for (Completion* at = slot.readers.first(); at != nullptr; at = next) {
        next = at->next;
        if (!stands_aside(*at)) {
            continue;
        }
        const u32 wanted = events_of(*at) | abi::poll_event::err | abi::poll_event::hup;
        if ((events & wanted) == 0) {
            slot.set(FdSlot::aside);
            continue;
        }
        leave(slot.readers, *at);
        const i32 value = static_cast<i32>(events & wanted);
        if (at->kind == Kind::poll_multishot) {
            count_away(slot, true);
            deliver(*at, value);
        } else if (at->kind == Kind::poll) {
            finish(*at, value);
        } else if (attempt(*at, Patience::none) != Outcome::left) {
            enter(slot.readers, *at, true);
            slot.set(FdSlot::aside);
        }
    }
}

/// Counts polls that go on, but whose result is still to be told: what comes meanwhile they miss.
void Poller::count_away(FdSlot& slot, bool goes) noexcept {
    constexpr u16 most = 7 * FdSlot::one_away; // one more would not fit, and is not noticed
    if (goes && slot.flags < most) {
        slot.flags = static_cast<u16>(slot.flags + FdSlot::one_away);
    } else if (!goes && is_away(slot)) {
        slot.flags = static_cast<u16>(slot.flags - FdSlot::one_away);
    }
}

} // namespace oxbow
