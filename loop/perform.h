// An operation as plain system calls, made here and now.
#pragma once

#include "completion.h"

namespace oxbow {

/// How perform() behaves where the operation cannot go on at once.
enum class Patience : u8 {
    none, ///< -EAGAIN where the descriptor is not ready, whatever its own flags say, as far as the
          ///< kernel has a way: MSG_DONTWAIT, RWF_NOWAIT, SPLICE_F_NONBLOCK, WNOHANG
    blocks, ///< waits in the kernel; for worker threads
};

/// Does `kind` once, and says what the kernel said: no retries but of EINTR. For an `_all`
/// operation it is one step, `done` bytes after its beginning. The managed ones need their buffer
/// first (perform_into). Accepted and opened descriptors are close-on-exec. Never raises SIGPIPE
/// where the kernel has a flag for it.
[[nodiscard]] i32 perform(const Completion& operation, Patience patience) noexcept;

/// The managed kinds, into a buffer. For recvmsg_multishot: address, control messages and payload
/// as an abi::RecvmsgOut lays them out; the result is the bytes of all that.
[[nodiscard]] i32 perform_into(const Completion& operation, void* buffer, u32 bytes,
                               Patience patience) noexcept;

/// Whether a step that moved `step` bytes leaves an `_all` operation unfinished; `done` is the sum
/// so far, `step` included.
[[nodiscard]] bool wants_more(const Completion& operation, i32 step, u32 done) noexcept;

} // namespace oxbow
