// Waiting for readiness: poll, epoll, and the descriptors that turn counters, timers and signals
// into readiness. Behind a constant stands its first kernel where that is newer than 5.1.
// Source: include/uapi/linux/{eventpoll,eventfd,timerfd,signalfd}.h, asm-generic/poll.h.
#pragma once

#include "types.h"

namespace oxbow::abi {

/// PollFd::events and ::revents, EpollEvent::events, and the mask of the ring's poll. The kernel
/// gives poll and epoll the same numbers.
namespace poll_event {
inline constexpr u32 in = 0x1;
inline constexpr u32 pri = 0x2;
inline constexpr u32 out = 0x4;
inline constexpr u32 err = 0x8;   ///< always reported, never asked for
inline constexpr u32 hup = 0x10;  ///< always reported, never asked for
inline constexpr u32 nval = 0x20; ///< poll only: no such descriptor
inline constexpr u32 rdnorm = 0x40;
inline constexpr u32 rdband = 0x80;
inline constexpr u32 wrnorm = 0x100;
inline constexpr u32 wrband = 0x200;
inline constexpr u32 msg = 0x400;
inline constexpr u32 rdhup = 0x2000; ///< the other side will write no more
} // namespace poll_event

/// struct pollfd.
struct PollFd {
    i32 fd; ///< negative: skip this entry
    u16 events;
    u16 revents;
};

/// Bits of EpollEvent::events that say how and not what.
namespace epoll_flag {
inline constexpr u32 exclusive = 1u << 28;
inline constexpr u32 wakeup = 1u << 29;
inline constexpr u32 oneshot = 1u << 30;
inline constexpr u32 edge_triggered = 1u << 31;
} // namespace epoll_flag

/// epoll_ctl.
namespace epoll_operation {
inline constexpr i32 add = 1;
inline constexpr i32 remove = 2;
inline constexpr i32 modify = 3;
} // namespace epoll_operation

inline constexpr i32 epoll_cloexec = 02000000; ///< epoll_create1

/// struct epoll_event. On x86-64 alone it is packed, so that 32-bit programs have the same:
/// epoll.h.
#if defined(__x86_64__)
struct [[gnu::packed]] EpollEvent {
#else
struct EpollEvent {
#endif
    u32 events; ///< poll_event and epoll_flag
    u64 data;   ///< comes back as it is
};

/// Busy polling of an epoll instance: struct epoll_params. 6.9.
struct EpollParams {
    u32 busy_poll_usecs;
    u16 busy_poll_budget;
    u8 prefer_busy_poll;
    u8 pad;
};

namespace epoll_ioctl {
#if defined(__powerpc64__)
inline constexpr u32 set_params = 0x80088a01; ///< 6.9
inline constexpr u32 get_params = 0x40088a02; ///< 6.9
#else
inline constexpr u32 set_params = 0x40088a01; ///< 6.9
inline constexpr u32 get_params = 0x80088a02; ///< 6.9
#endif
} // namespace epoll_ioctl

/// eventfd2.
namespace eventfd_flag {
inline constexpr i32 semaphore = 1;
inline constexpr i32 nonblock = 04000;
inline constexpr i32 cloexec = 02000000;
} // namespace eventfd_flag

/// timerfd_create.
namespace timerfd_flag {
inline constexpr i32 nonblock = 04000;
inline constexpr i32 cloexec = 02000000;
} // namespace timerfd_flag

/// timerfd_settime.
namespace timer_flag {
inline constexpr i32 absolute = 1;
inline constexpr i32 cancel_on_set = 2; ///< realtime only: read ends in ECANCELED when it is set
} // namespace timer_flag

/// signalfd4.
namespace signalfd_flag {
inline constexpr i32 nonblock = 04000;
inline constexpr i32 cloexec = 02000000;
} // namespace signalfd_flag

/// What a read of a signalfd yields: struct signalfd_siginfo.
struct SignalfdInfo {
    u32 signal;
    i32 error;
    i32 code; ///< signal_code
    u32 pid;
    u32 user_id;
    i32 fd;
    u32 timer_id;
    u32 band;
    u32 overrun;
    u32 trap;
    i32 status; ///< SIGCHLD: exit code or signal
    i32 value_integer;
    u64 value_pointer;
    u64 user_time;
    u64 system_time;
    u64 address;
    u16 address_lsb;
    u16 pad2;
    i32 call;
    u64 call_address;
    u32 machine;
    u8 pad[28];
};

} // namespace oxbow::abi
