// The only place that knows both engines.
#include "open.h"

#if !defined(OXBOW_NO_EPOLL)
#include "../epoll/engine.h"
#endif
#if !defined(OXBOW_NO_URING)
#include "../uring/engine.h"
#endif

namespace oxbow {

namespace {

[[nodiscard]] i32 try_uring([[maybe_unused]] Loop& loop, [[maybe_unused]] Reason* reason) noexcept {
#if !defined(OXBOW_NO_URING)
    return attach_uring(loop, reason);
#else
    return -Errno::enosys; // left out by a build option
#endif
}

[[nodiscard]] i32 try_epoll([[maybe_unused]] Loop& loop,
                            [[maybe_unused]] const Options& options) noexcept {
#if !defined(OXBOW_NO_EPOLL)
    return attach_epoll(loop, {.use_pwait2 = !options.avoid_pwait2});
#else
    return -Errno::enosys; // left out by a build option
#endif
}

} // namespace

i32 open(Loop& loop, const Options& options, Reason* reason) noexcept {
    Reason unread;
    Reason& why = reason != nullptr ? *reason : unread;
    why = {};
    i32 result = loop.prepare(options.loop);
    if (result != 0) {
        return result;
    }
    result = -Errno::enosys;
    if (options.engine != EngineChoice::epoll) {
        result = try_uring(loop, &why);
    }
    // Whatever the reason: there is no list of errors to fall back on, and so none to forget.
    if (result != 0 && options.engine != EngineChoice::uring) {
        result = try_epoll(loop, options);
    }
    if (result != 0) {
        loop.close();
    }
    return result;
}

} // namespace oxbow
