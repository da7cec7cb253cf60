// Opening a loop: io_uring where the kernel gives it, else epoll, with the same API, the same
// results and a reason that can be read.
//
//     oxbow::Loop loop;
//     if (oxbow::open(loop) < 0) { ... }
//
// A program that needs only one engine calls Loop::prepare and attach_uring or attach_epoll itself,
// or is compiled with OXBOW_NO_URING or OXBOW_NO_EPOLL, and does not link the other.
#pragma once

#include "../loop/loop.h"
#include "../uring/reason.h"

namespace oxbow {

/// Which engine a loop is to have.
enum class EngineChoice : u8 {
    any,   ///< io_uring, and on any refusal epoll
    uring, ///< io_uring or nothing
    epoll, ///< epoll; no call of io_uring is made
};

struct Options {
    LoopOptions loop;

    EngineChoice engine = EngineChoice::any;

    /// Lets epoll wait with epoll_pwait (milliseconds, rounded up) even where there is
    /// epoll_pwait2.
    bool avoid_pwait2 = false;
};

/// Opens a loop. 0, or a negative errno with nothing left behind. `reason` says why it has not
/// io_uring, also after a success; Reason::refused() is false where it has, or where it was not
/// asked for. describe() in uring/reason.h makes words of it.
[[nodiscard]] i32 open(Loop& loop, const Options& options = {}, Reason* reason = nullptr) noexcept;

} // namespace oxbow
