// What servers do all the time, without the questions that anything else might raise: a send that
// nobody waits before, and data for the one multishot receive of a descriptor that is watched for
// nothing else. Where that has to wait after all, it is left to the general
// way, which makes the call once more.
#include "../loop/buffer_pool.h"
#include "../loop/end_of_stream.h"
#include "../syscall/call_socket.h"
#include "poller.h"

namespace oxbow {

/// False: it is to be started as any other; of a send_all, what is left of it.
bool Poller::send_at_once(Completion& operation) noexcept {
    const FdSlot* const slot = loop_->fds().slot(operation.fd);
    if (slot == nullptr || !slot->writers.empty()) {
        return false;
    }
    const arguments::Send& with = operation.arguments.send;
    constexpr u32 flags = abi::msg_flag::nosignal | abi::msg_flag::dontwait;
    ++loop_->counters().syscalls;
    const i32 sent = static_cast<i32>(
        kernel::send(operation.fd, with.data, with.bytes, with.message_flags() | flags));
    if (sent == -Errno::eagain || sent == -Errno::eintr) {
        return false; // nothing was sent; any other error is told by the kernel only once
    }
    const bool is_short = sent >= 0 && static_cast<u32>(sent) < with.bytes;
    if (is_short && operation.kind == Kind::send_all) {
        operation.value = sent;
        return false;
    }
    if (sent >= 0 && !is_short && loop_->takes_untold(operation)) {
        operation.state = State::ready; // it has ended, and cannot be cancelled
        loop_->end_on_fd(operation);
        loop_->add_untold(operation);
    } else {
        finish(operation, sent);
    }
    return true;
}

/// `slot` has input, and nothing else has happened to it. False: this is for serve().
bool Poller::receive_at_once(FdSlot& slot, i32 fd) noexcept {
    constexpr u16 of_no_matter = FdSlot::readable | FdSlot::writable;
    Completion* const operation = slot.readers.first();
    if ((slot.flags & ~of_no_matter) != FdSlot::registered || operation == nullptr ||
        operation->next != nullptr || operation->kind != Kind::recv_multishot ||
        operation->arguments.managed.flags != 0) {
        return false;
    }
    BufferPool& pool = *operation->arguments.managed.pool;
    const i32 taken = pool.take();
    if (taken < 0) {
        return false;
    }
    const u16 id = static_cast<u16>(taken);
    ++loop_->counters().syscalls;
    const i32 received = static_cast<i32>(
        kernel::recv(fd, pool.buffer(id), pool.buffer_bytes(), abi::msg_flag::dontwait));
    if (received <= 0) {
        pool.untake(id);
        if (received == -Errno::eagain || received == -Errno::eintr) {
            return false;
        }
        leave(slot.readers, *operation);
        end_managed(*operation, received, end_flag(*operation, received));
        return true;
    }
    // Level-triggered as it is, it is told of again where more is there: by the call that the next
    // round makes anyway, while another attempt would mostly find nothing.
    slot.clear(FdSlot::readable);
    leave(slot.readers, *operation);
    deliver(*operation, received,
            result_flag::buffer | static_cast<u32>(id) << result_flag::buffer_shift);
    return true;
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
