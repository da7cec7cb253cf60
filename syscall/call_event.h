// System calls that wait for readiness, and those that make counters, timers and signals into
// descriptors. A signal set goes in with its size by itself; nullptr leaves the mask as it is.
#pragma once

#include "abi_epoll.h"
#include "abi_signal.h"
#include "abi_time.h"
#include "call_pair.h"

namespace oxbow::kernel {

/// How many of `fds` have revents. `timeout` nullptr waits for ever; the kernel writes into its own
/// copy, so that the same time can be given again.
[[nodiscard]] inline i32 ppoll(abi::PollFd* fds, u32 count, const abi::Timespec* timeout,
                               const abi::SignalSet* mask = nullptr) noexcept {
    abi::Timespec left = timeout != nullptr ? *timeout : abi::Timespec{};
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::ppoll_time64)
                                               : static_cast<long>(number::ppoll),
                        fds, count, timeout != nullptr ? &left : nullptr, mask,
                        sizeof(abi::SignalSet));
}

/// 0 or abi::epoll_cloexec.
[[nodiscard]] inline i32 epoll_create1(i32 flags) noexcept {
    return invoke_plain(number::epoll_create1, flags);
}

/// epoll_operation.
[[nodiscard]] inline i32 epoll_ctl(i32 epoll_fd, i32 operation, i32 fd,
                                   abi::EpollEvent* event) noexcept {
    return invoke_plain(number::epoll_ctl, epoll_fd, operation, fd, event);
}

/// `timeout_ms` -1 waits for ever.
[[nodiscard]] inline i32 epoll_pwait(i32 epoll_fd, abi::EpollEvent* events, i32 count,
                                     i32 timeout_ms,
                                     const abi::SignalSet* mask = nullptr) noexcept {
    return invoke_plain(number::epoll_pwait, epoll_fd, events, count, timeout_ms, mask,
                        sizeof(abi::SignalSet));
}

/// The same with nanoseconds; nullptr waits for ever. 5.11.
[[nodiscard]] inline i32 epoll_pwait2(i32 epoll_fd, abi::EpollEvent* events, i32 count,
                                      const abi::Timespec* timeout,
                                      const abi::SignalSet* mask = nullptr) noexcept {
    return invoke_plain(number::epoll_pwait2, epoll_fd, events, count, timeout, mask,
                        sizeof(abi::SignalSet));
}

/// A counter that is readable while it is not 0; eventfd_flag.
[[nodiscard]] inline i32 eventfd2(u32 initial, i32 flags) noexcept {
    return invoke_plain(number::eventfd2, initial, flags);
}

/// abi::clock, timerfd_flag.
[[nodiscard]] inline i32 timerfd_create(u32 clock, i32 flags) noexcept {
    return invoke_plain(number::timerfd_create, clock, flags);
}

/// timer_flag. A value of zero disarms the timer; `former` may be nullptr.
[[nodiscard]] inline i32 timerfd_settime(i32 fd, i32 flags, const abi::TimerSpec* value,
                                         abi::TimerSpec* former = nullptr) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::timerfd_settime64)
                                               : static_cast<long>(number::timerfd_settime),
                        fd, flags, value, former);
}

/// The time left until the next expiry, and the interval.
[[nodiscard]] inline i32 timerfd_gettime(i32 fd, abi::TimerSpec* value) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::timerfd_gettime64)
                                               : static_cast<long>(number::timerfd_gettime),
                        fd, value);
}

/// `fd` -1 makes one, another changes its set; signalfd_flag. Block the signals as well.
[[nodiscard]] inline i32 signalfd4(i32 fd, const abi::SignalSet* set, i32 flags) noexcept {
    return invoke_plain(number::signalfd4, fd, set, sizeof(abi::SignalSet), flags);
}

} // namespace oxbow::kernel
