// The engine for kernels without io_uring: readiness by epoll, system calls made when it comes.
// wait.cc argues why that means the same.
#pragma once

#include "../loop/loop.h"

namespace oxbow {

struct EpollOptions {
    /// Whether to wait with epoll_pwait2 (5.11), which takes nanoseconds. Without it, waits are
    /// rounded up to milliseconds. Where the kernel has none, that is found out by itself.
    bool use_pwait2 = true;
};

/// Gives a prepared loop (Loop::prepare) the epoll engine. 0, or a negative errno with nothing left
/// behind: -EMFILE, -ENFILE, -ENOMEM, and -ENOSPC of fs.epoll.max_user_watches.
[[nodiscard]] i32 attach_epoll(Loop& loop, const EpollOptions& options = {}) noexcept;

} // namespace oxbow
