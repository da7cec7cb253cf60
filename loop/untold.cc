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
    arguments::Send& with = completion.arguments.send;
    constexpr u32 flags = abi::msg_flag::nosignal | abi::msg_flag::dontwait;
    ++statistics_.syscalls;
    const i32 sent = static_cast<i32>(
        kernel::send(completion.fd, with.data, with.bytes, with.message_flags() | flags));
    if (sent < 0 || static_cast<u32>(sent) < with.bytes || !takes_untold(completion)) {
        return take_sent(completion, sent);
    }
    if (with.pool != nullptr) {
        with.pool->give_back(with.buffer()); // for the next receive, which finds it in the cache
        with.pool = nullptr;
    }
    completion.state = State::ready; // it has ended, and cannot be cancelled
    end_on_fd(completion);
    add_untold(completion);
    return true;
}

/// False: it has not ended.
[[gnu::noinline]] bool Loop::take_sent(Completion& completion, i32 sent) noexcept {
    if (sent == -Errno::eagain || sent == -Errno::eintr) {
        return false; // nothing was sent; any other error is told by the kernel only once
    }
    if (completion.kind == Kind::send_all && sent >= 0 &&
        static_cast<u32>(sent) < completion.arguments.send.bytes) {
        completion.value = sent;
        return false;
    }
    finish(completion, sent);
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

/// The state is that of a completion in the hands of the engine, whatever it was before.
[[gnu::noinline]] void Loop::finish_untold_with_care(Completion& send) noexcept {
    send.state = State::engine;
    finish(send, static_cast<i32>(send.arguments.send.bytes));
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
        if ((send->bits & ~of_no_matter) != 0) {
            finish_untold_with_care(*send);
            continue;
        }
        send->value = static_cast<i32>(send->arguments.send.bytes);
        if (send->arguments.send.pool != nullptr) {
            send->arguments.send.pool->give_back(send->arguments.send.buffer());
        }
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
