// Receives and sends in turn.
//
// A ring receives for everybody who has data before the first callback runs, and sends when the
// last one has. With messages of some kilobytes, what was received first is in no near cache any
// more when it is sent on, and that costs as much as all else. So where such messages come for many
// at a time (BufferPool::in_turn), the ring only tells who has data, as epoll does. Each receive is
// made when its callback's turn has come, into the buffer that was given back last, and what the
// callback sends is sent at once. It costs system calls, which are cheap beside that.
#include "../loop/end_of_stream.h"
#include "../syscall/call_socket.h"
#include "engine_state.h"

namespace oxbow::uring_engine {

namespace {

/// Whether nothing else is in flight on its descriptor that it could overtake: no more than what
/// receives there, which stands in the list or has its callback now.
[[nodiscard]] bool is_first(Loop& loop, const Completion& send) noexcept {
    const FdSlot& slot = loop.slot_of(send);
    const Completion* const resuming = loop.resuming();
    const Completion* const other =
        resuming != nullptr && resuming->fd == send.fd ? resuming : slot.readers.first();
    return slot.in_flight == 1 ||
           (slot.in_flight == 2 && other != nullptr && other->kind == Kind::recv_multishot);
}

} // namespace

bool announce(Loop& loop, Completion& completion) noexcept {
    if (!takes_turns(completion)) {
        return false;
    }
    completion.clear(Completion::polls);
    completion.set(half_done); // the poll has ended
    list_of(loop, completion).remove(completion);
    loop.deliver_later(completion);
    return true;
}

bool is_of_crowd(State& state, i32 received) noexcept {
    constexpr u32 crowd_bytes = 48 * 1024; // the nearest cache of many processors
    state.round.large_bytes += static_cast<u32>(received);
    return state.round.large_bytes >= crowd_bytes;
}

bool receive(Loop& loop, Completion& completion) noexcept {
    State& state = state_of(loop);
    BufferPool& pool = *completion.arguments.managed.pool;
    const i32 taken = pool.take();
    if (taken < 0) {
        resume(loop, completion); // the kernel may have some left
        return false;
    }
    const u16 id = static_cast<u16>(taken);
    ++loop.counters().syscalls;
    const i32 received = static_cast<i32>(
        kernel::recv(completion.fd, pool.buffer(id), pool.buffer_bytes(), abi::msg_flag::dontwait));
    u32 flags = result_flag::more;
    if (received > 0) {
        pool.count_take(received >= turn_bytes && is_of_crowd(state, received));
        state.round.sends_at_once = true;
        flags |= result_flag::buffer | static_cast<u32>(id) << result_flag::buffer_shift;
    } else {
        pool.untake(id);
        if (received == -Errno::eagain || received == -Errno::eintr) {
            resume(loop, completion); // somebody else has taken it, or it is told of again
            return false;
        }
        const u32 ended = end_flag(completion, received);
        if (received < 0 || ended != 0) {
            loop.finish(completion, received, ended);
            return false;
        }
    }
    ++loop.counters().delivered;
    completion.state = oxbow::State::ready_more;
    completion.value = received;
    completion.result_flags = flags;
    return true;
}

bool send_at_once(Loop& loop, Completion& completion) noexcept {
    return completion.arguments.send.bytes >= static_cast<u32>(turn_bytes) &&
           is_first(loop, completion) && loop.send_at_once(completion);
}

} // namespace oxbow::uring_engine
