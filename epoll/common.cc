// What servers do all the time, without the questions that anything else might raise: a send that
// nobody waits before, and data for the one multishot receive of a descriptor that is watched for
// nothing else. Anything else is left to the general way, which, where something has to wait after
// all, makes the call once more.
#include "../loop/buffer_pool.h"
#include "../loop/end_of_stream.h"
#include "../syscall/call_socket.h"
#include "events.h"
#include "poller.h"

namespace oxbow {

void Poller::submit(Completion& operation) noexcept {
    if (operation.kind != Kind::send && operation.kind != Kind::send_all) {
        submit_any(operation);
        return;
    }
    const FdSlot* const slot = loop_->fds().slot(operation.fd);
    if (slot == nullptr || !slot->writers.empty() || !loop_->send_at_once(operation)) {
        submit_any(operation); // of a send_all, what is left of it
        return;
    }
    produced_ = true;
}

/// Whether it is a multishot receive that asks for nothing special, on a descriptor of which
/// nothing else is known than `of_no_matter`.
inline bool Poller::only_receives(const FdSlot& slot, const Completion& operation,
                                  u16 of_no_matter) noexcept {
    return operation.kind == Kind::recv_multishot && operation.arguments.managed.flags == 0 &&
           (slot.flags & ~of_no_matter) == FdSlot::registered;
}

void Poller::take_event(const abi::EpollEvent& event) noexcept {
    const u64 data = event.data;
    if (data == wake_data) {
        return; // the loop looks for what other threads have brought by itself
    }
    const i32 fd = static_cast<i32>(static_cast<u32>(data));
    FdSlot& slot = *loop_->fds().slot(fd);
    if (!slot.has(FdSlot::registered) || slot.generation != static_cast<u32>(data >> 32)) {
        ++stale_events_;
        return; // of a file that had this number earlier
    }
    Completion* const operation = slot.readers.first();
    if (event.events != abi::poll_event::in || operation == nullptr || operation->next != nullptr ||
        !only_receives(slot, *operation, FdSlot::readable | FdSlot::writable)) {
        take_other_event(slot, fd, event.events);
        return;
    }
    // Level-triggered as it is, it is told of again where more is there than one buffer takes: by
    // the call that the next round makes anyway, while another attempt would mostly find nothing.
    slot.clear(FdSlot::readable);
    slot.readers.take_only();
    --waiting_;
    slot.announced = 1; // others wait behind it
    produced_ = true;
    loop_->deliver_later_inline(*operation);
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
    FdSlot& slot = loop_->own_slot_of(operation);
    slot.announced = 0;
    if (slot.has(FdSlot::readable)) [[unlikely]] {
        return receive_before_others(operation);
    }
    return receive_now(operation);
}

[[gnu::noinline]] bool Poller::receive_before_others(Completion& operation) noexcept {
    enlist(loop_->own_slot_of(operation), operation.fd); // they have their turn then
    return receive_now(operation);
}

[[gnu::always_inline]] inline bool Poller::receive_now(Completion& operation) noexcept {
    BufferPool& pool = *operation.arguments.managed.pool;
    const i32 taken = pool.take();
    if (taken < 0) {
        return receive_later(operation);
    }
    const u16 id = static_cast<u16>(taken);
    ++loop_->counters().syscalls;
    const i32 received = static_cast<i32>(
        kernel::recv(operation.fd, pool.buffer(id), pool.buffer_bytes(), abi::msg_flag::dontwait));
    if (received <= 0) {
        return receive_nothing(operation, id, received);
    }
    ++loop_->counters().delivered;
    operation.state = State::ready_more;
    operation.value = received;
    operation.result_flags =
        result_flag::more | result_flag::buffer | static_cast<u32>(id) << result_flag::buffer_shift;
    return true;
}

/// There is no buffer.
[[gnu::noinline]] bool Poller::receive_later(Completion& operation) noexcept {
    if (operation.has(Completion::cancelled)) {
        finish(operation, -Errno::ecanceled);
    } else {
        loop_->await_buffer(operation);
    }
    return false;
}

/// There are no data.
[[gnu::noinline]] bool Poller::receive_nothing(Completion& operation, u16 id, i32 error) noexcept {
    operation.arguments.managed.pool->untake(id);
    if (error == -Errno::eagain || error == -Errno::eintr) {
        resume(operation); // somebody else has taken it, or it is told of again
    } else {
        end_managed(operation, error, end_flag(operation, error));
    }
    return false;
}

/// The callback has seen a result, and there may be more.
void Poller::resume(Completion& operation) noexcept {
    if (loop_->untold() != 0) {
        loop_->finish_untold(); // of this callback, as long as they are in the cache
    }
    FdSlot& slot = loop_->own_slot_of(operation);
    if (!only_receives(slot, operation, FdSlot::writable) || !slot.readers.empty() ||
        operation.has(Completion::cancelled) || (slot.interest & abi::poll_event::in) == 0) {
        resume_any(slot, operation);
        return;
    }
    enter(slot.readers, operation, false); // it waits for the next input
}

} // namespace oxbow
