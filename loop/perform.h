// An operation as plain system calls, made here and now. perform.cc has the loop around a step and
// what belongs to no file; perform_socket.cc, perform_transfer.cc and perform_path.cc the steps of
// their subjects.
#pragma once

#include "completion.h"

namespace oxbow {

/// How perform() behaves where the operation cannot go on at once.
enum class Patience : u8 {
    /// -EAGAIN where the descriptor is not ready, whatever its own flags say, as far as the kernel
    /// has a way: MSG_DONTWAIT, RWF_NOWAIT, SPLICE_F_NONBLOCK, WNOHANG. Of a blocking descriptor
    /// for which it has none (terminals, signalfds, pipes before 6.5, files of some file systems)
    /// -EAGAIN says only that nobody knows: wait until it is ready and come again with `ready`, or,
    /// where it cannot be waited for, let a worker do it.
    none,
    /// As `none`, but the descriptor was found ready just now, so that where the kernel has no such
    /// way a plain call is made. It does not wait if nobody else takes what was found.
    ready,
    /// Waits in the kernel; for worker threads. A non-blocking descriptor is waited for with poll.
    blocks,
};

/// Does `kind` once, and says what the kernel said: no retries but of EINTR. For an `_all`
/// operation it is one step, that begins Completion::value bytes after the beginning. The managed
/// ones need their buffer first (perform_into). Accepted descriptors and sockets are close-on-exec,
/// and non-blocking but with Patience::blocks. Never raises SIGPIPE. What only a loop can do
/// (timers, notifications, cancels, futex waits) is -EINVAL.
///
/// Without patience, connect may say -EINPROGRESS: wait for writability, then finish_connect().
/// -EAGAIN is a local socket whose listener has no room, which nothing tells the end of: a worker
/// can wait for it. A blocking socket that is not there at once costs the kernel's tick: the only
/// way to call connect(2) without O_NONBLOCK and without waiting is SO_SNDTIMEO, whose least value
/// that is.
///
/// There is no such way for accept(2): a socket takes over its listener's SO_RCVTIMEO, so that a
/// listener must not have a short one even for a moment. Of a blocking listener it is therefore
/// asked first whether a connection is there, and if another process takes just that one before
/// accept does, accept waits for the next one.
[[nodiscard]] i32 perform(const Completion& operation, Patience patience) noexcept;

/// The managed kinds, into a buffer. For recvmsg_multishot: address, control messages and payload
/// as an abi::RecvmsgOut lays them out; the result is the bytes of all that.
[[nodiscard]] i32 perform_into(const Completion& operation, void* buffer, u32 bytes,
                               Patience patience) noexcept;

/// Whether a step that moved `step` bytes leaves an `_all` operation unfinished; `done` is the sum
/// so far, `step` included. False for all others.
[[nodiscard]] bool wants_more(const Completion& operation, i32 step, u32 done) noexcept;

/// The piece of `message` in which byte `done` lies, from there on; no bytes behind its end. Part
/// of what a program has for messages (needs.h).
[[nodiscard, gnu::weak]] abi::IoVec piece_at(const abi::MessageHeader& message, u32 done) noexcept;

/// How a connect that was under way has ended: 0, its error, or -EINPROGRESS: not yet.
[[nodiscard]] i32 finish_connect(i32 fd) noexcept;

/// Whether calls on `fd` wait, as its own flags say.
[[nodiscard]] bool is_blocking(i32 fd) noexcept;

} // namespace oxbow
