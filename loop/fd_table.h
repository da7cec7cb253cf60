// What the loop knows about each descriptor: which operations are in flight on it, and, for epoll,
// what it is registered for. One slot per possible number, in memory that is mapped when the loop
// is opened and takes real pages only where a slot is used.
#pragma once

#include "list.h"

namespace oxbow {

struct FdSlot {
    /// Bits of `flags`.
    static constexpr u16 closing = 1;      ///< a close waits for in_flight to become 0
    static constexpr u16 registered = 2;   ///< epoll: in the epoll set; io_uring: in its table
    static constexpr u16 listed = 4;       ///< epoll: to be looked at before the next wait
    static constexpr u16 always_ready = 8; ///< epoll: EPERM, it cannot be waited for
    static constexpr u16 readable = 16;    ///< epoll: not known to be empty
    static constexpr u16 writable = 32;    ///< epoll: not known to be full
    static constexpr u16 untold = 64;      ///< epoll: epoll_ctl before it is relied on again
    static constexpr u16 aside = 128;      ///< epoll: some operations are out of the order
    static constexpr u16 guests = 256;     ///< epoll: operations of no descriptor wait for it
    static constexpr u16 missed = 512;     ///< epoll: an event came while a poll was away
    static constexpr u16 edge = 1024;      ///< epoll: it is watched edge-triggered
    static constexpr u16 odd = 2048;       ///< epoll: it must be, since it says what is not so
    static constexpr u16 doubtful = 4096;  ///< epoll: among those whose number may be new
    static constexpr u16 one_away = 8192;  ///< epoll: from here on, a count of such polls

    CompletionList readers;   ///< in the engine's hands; those that wait for input, and all others
    CompletionList writers;   ///< epoll: those that wait for room
    u32 in_flight = 0;        ///< operations on it, wherever they wait
    u32 generation = 0;       ///< epoll: of the registration, so that no stale event is believed
    u32 next_listed : 31 = 0; ///< epoll: the next number in that list, plus one
    u32 announced   : 1 = 0;  ///< epoll: the first of its readers has left to have its turn
    u16 interest = 0;         ///< epoll: what the kernel is to watch for, abi::poll_event
    u16 flags = 0;

    [[nodiscard]] bool has(u16 bit) const noexcept { return (flags & bit) != 0; }
    void set(u16 bit) noexcept { flags = static_cast<u16>(flags | bit); }
    void clear(u16 bit) noexcept { flags = static_cast<u16>(flags & ~bit); }
};

/// A table of slots, all zero at first.
struct FdTable {
    FdSlot* slots = nullptr;
    u32 count = 0;

    /// nullptr where `fd` is no number of the table.
    [[nodiscard]] FdSlot* slot(i32 fd) const noexcept {
        return static_cast<u32>(fd) < count ? &slots[fd] : nullptr;
    }
};

} // namespace oxbow
