// Between the files of perform(): one attempt at an operation, by subject.
#pragma once

#include "../syscall/abi_epoll.h"
#include "../syscall/call_event.h"
#include "../syscall/start.h"
#include "needs.h"
#include "perform.h"

namespace oxbow::detail {

/// The greatest sum that an operation can report.
inline constexpr u32 count_max = 0x7fffffff;

/// Where a managed operation puts its data; nothing for the others.
struct Buffer {
    void* data = nullptr;
    u32 bytes = 0;
};

/// One attempt, which may be interrupted, and fails with -EAGAIN where it would wait.
[[nodiscard]] i32 step_on_socket(const Completion& operation, const Buffer& buffer,
                                 Patience patience) noexcept;
// These are linked only where operations need them: needs.h.
[[nodiscard, gnu::weak]] i32 step_of_message(const Completion& operation, const Buffer& buffer,
                                             u32 dontwait) noexcept;
[[nodiscard, gnu::weak]] i32 step_of_transfer(const Completion& operation, const Buffer& buffer,
                                              Patience patience) noexcept;
[[nodiscard, gnu::weak]] i32 step_on_path(const Completion& operation) noexcept;
[[nodiscard, gnu::weak]] i32 step_on_process(const Completion& operation,
                                             Patience patience) noexcept;

/// What an `_all` operation has transferred so far; 0 for the others, whose `value` is their own.
[[nodiscard]] inline u32 done_so_far(const Completion& operation) noexcept {
    return transfers_all(operation.kind) ? static_cast<u32>(operation.value) : 0;
}

/// How many of the `left` bytes one call is asked for: no more than it moves anyway, nor than one
/// result can report together with the `done` before.
[[nodiscard]] inline u32 bytes_of_step(usize left, u32 done) noexcept {
    const u32 reportable = count_max - done;
    const u32 wanted = left < reportable ? static_cast<u32>(left) : reportable;
    return wanted <= transfer_bytes_least || wanted < transfer_bytes_max() ? wanted
                                                                           : transfer_bytes_max();
}

/// Waits until one of `events` (abi::poll_event) holds, or does not wait: those that hold, 0, or an
/// error. -EBADF: no such descriptor; -EINTR: a signal ended the wait.
[[nodiscard]] i32 poll_once(i32 fd, u32 events, bool waits) noexcept;

} // namespace oxbow::detail
