// What servers do all the time, without the questions that anything else might raise: a send that
// nobody waits before, and data for the one multishot receive of a descriptor that is watched for
// nothing else. Where that has to wait after all, it is left to the general
// way, which makes the call once more.
#include "../loop/buffer_pool.h"
#include "../loop/end_of_stream.h"
#include "../syscall/call_socket.h"
#include "events.h"
#include "poller.h"

namespace oxbow {

/// False: it is to be started as any other; of a send_all, what is left of it.
bool Poller::send_at_once(Completion& operation) noexcept {
    const FdSlot* const slot = loop_->fds().slot(operation.fd);
    if (slot == nullptr || !slot->writers.empty() || !loop_->send_at_once(operation)) {
        return false;
    }
    produced_ = true;
    return true;
}

/// `slot` has input, and nothing else has happened to it: its multishot receive is to have its
/// turn. False: this is for serve().
bool Poller::announce_input(FdSlot& slot) noexcept {
    constexpr u16 of_no_matter = FdSlot::readable | FdSlot::writable;
    Completion* const operation = slot.readers.first();
    if ((slot.flags & ~of_no_matter) != FdSlot::registered || operation == nullptr ||
        operation->next != nullptr || operation->kind != Kind::recv_multishot ||
        operation->arguments.managed.flags != 0) {
        return false;
    }
    // Level-triggered as it is, it is told of again where more is there than one buffer takes: by
    // the call that the next round makes anyway, while another attempt would mostly find nothing.
    slot.clear(FdSlot::readable);
    leave(slot.readers, *operation);
    slot.announced = 1; // others wait behind it
    produced_ = true;
    loop_->deliver_later(*operation);
    return true;
}

/// Before that turn something more has happened. What it says of input is for those behind: who
/// comes first gets the first bytes.
void Poller::take_event_behind(FdSlot& slot, i32 fd, u32 events) noexcept {
    if ((events & input_events) != 0) {
        slot.set(FdSlot::readable);
    }
    if ((events & output_events) != 0) {
        slot.set(FdSlot::writable);
        serve(slot, fd, FdSlot::writable, Patience::ready);
    }
    if (slot.has(FdSlot::guests)) {
        serve_guests(slot, fd);
    }
}

/// Its turn has come.
bool Poller::receive(Completion& operation) noexcept {
    FdSlot& slot = loop_->slot_of(operation);
    slot.announced = 0;
    if (slot.has(FdSlot::readable)) {
        enlist(slot, operation.fd); // for those behind it
    }
    BufferPool& pool = *operation.arguments.managed.pool;
    const i32 taken = pool.take();
    if (taken < 0) {
        if (operation.has(Completion::cancelled)) {
            finish(operation, -Errno::ecanceled);
        } else {
            loop_->await_buffer(operation);
        }
        return false;
    }
    const u16 id = static_cast<u16>(taken);
    ++loop_->counters().syscalls;
    const i32 received = static_cast<i32>(
        kernel::recv(operation.fd, pool.buffer(id), pool.buffer_bytes(), abi::msg_flag::dontwait));
    if (received > 0) {
        ++loop_->counters().delivered;
        operation.state = State::ready_more;
        operation.value = received;
        operation.result_flags = result_flag::more | result_flag::buffer |
                                 static_cast<u32>(id) << result_flag::buffer_shift;
        return true;
    }
    pool.untake(id);
    if (received == -Errno::eagain || received == -Errno::eintr) {
        resume(operation); // somebody else has taken it, or it is told of again
    } else {
        end_managed(operation, received, end_flag(operation, received));
    }
    return false;
}

/// Where nothing else is to be done than to wait for the next input. False: this is for resume().
bool Poller::resume_at_once(FdSlot& slot, Completion& operation) noexcept {
    if (operation.kind != Kind::recv_multishot || operation.arguments.managed.flags != 0 ||
        operation.has(Completion::cancelled) ||
        (slot.flags & ~FdSlot::writable) != FdSlot::registered || !slot.readers.empty() ||
        (slot.interest & abi::poll_event::in) == 0) {
        return false;
    }
    enter(slot.readers, operation, false);
    return true;
}

} // namespace oxbow
