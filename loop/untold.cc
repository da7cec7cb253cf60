// Sends that are made at once, and sends of which nobody wants to know how they end: those have no
// callback. An engine that has done one, or has handed it to a kernel that will tell of a failure
// only, adds it here, and all of them end together, in Engine::wait, without a turn in the ready
// queue. Whoever waits for such an end (a chain, a close, a run that returns for one) has
// untold_matter() say so.
#include "../syscall/call_socket.h"
#include "../syscall/check.h"
#include "buffer_pool.h"
#include "loop.h"

namespace oxbow {

bool Loop::send_at_once(Completion& completion) noexcept {
    const arguments::Send& with = completion.arguments.send;
    constexpr u32 flags = abi::msg_flag::nosignal | abi::msg_flag::dontwait;
    ++statistics_.syscalls;
    const i32 sent = static_cast<i32>(
        kernel::send(completion.fd, with.data, with.bytes, with.message_flags() | flags));
    if (sent == -Errno::eagain || sent == -Errno::eintr) {
        return false; // nothing was sent; any other error is told by the kernel only once
    }
    const bool is_short = sent >= 0 && static_cast<u32>(sent) < with.bytes;
    if (is_short && completion.kind == Kind::send_all) {
        completion.value = sent;
        return false;
    }
    if (sent >= 0 && !is_short && takes_untold(completion)) {
        give_buffer_back(completion);    // for the next receive, which finds it in the cache
        completion.state = State::ready; // it has ended, and cannot be cancelled
        end_on_fd(completion);
        add_untold(completion);
    } else {
        finish(completion, sent);
    }
    return true;
}

bool Loop::forget_untold(const Completion& send) noexcept {
    for (u32 i = 0; i < untold_count_; ++i) {
        if (untold_[i] == &send) {
            untold_[i] = nullptr;
            return true;
        }
    }
    return false;
}

void Loop::finish_untold() noexcept {
    constexpr u8 of_no_matter =
        Completion::counted | Completion::engine_bit_a | Completion::engine_bit_b;
    u32 ended = 0;
    for (u32 i = 0; i < untold_count_; ++i) {
        Completion* const send = untold_[i];
        if (send == nullptr) {
            continue;
        }
        const i32 value = static_cast<i32>(send->arguments.send.bytes);
        send->state = State::engine;
        if ((send->bits & ~of_no_matter) != 0) {
            finish(*send, value);
            continue;
        }
        if (send->arguments.send.pool != nullptr) {
            give_buffer_back(*send);
        }
        send->value = value;
        send->state = State::idle;
        ++send->generation;
        ++ended;
        if (send->has(Completion::counted)) {
            end_on_fd(*send);
        }
    }
    active_ -= ended;
    statistics_.completed += ended;
    untold_count_ = 0;
}

} // namespace oxbow
