// What the loop knows about each descriptor: which operations are in flight on it, and, for epoll,
// what it is registered for. One slot per possible number, in memory that is mapped when the loop
// is opened and takes real pages only where a slot is used.
#pragma once

#include "list.h"

namespace oxbow {

struct FdSlot {
    /// Bits of `flags`.
    static constexpr u8 closing = 1;      ///< a close waits for in_flight to become 0
    static constexpr u8 registered = 2;   ///< epoll: in the epoll set
    static constexpr u8 changed = 4;      ///< epoll: in the list of changes to be made
    static constexpr u8 always_ready = 8; ///< epoll: EPERM, it cannot be waited for
    static constexpr u8 readable = 16;    ///< epoll: not known to be empty
    static constexpr u8 writable = 32;    ///< epoll: not known to be full

    CompletionList readers; ///< in the engine's hands; those that wait for input, and all others
    CompletionList writers; ///< epoll: those that wait for room
    u32 in_flight = 0;      ///< operations on it, wherever they wait
    u32 generation = 0;     ///< epoll: of the registration, so that no stale event is believed
    u32 next_changed = 0;   ///< epoll: in that list
    u16 interest = 0;       ///< epoll: what the kernel was told, abi::poll_event
    u8 flags = 0;

    [[nodiscard]] bool has(u8 bit) const noexcept { return (flags & bit) != 0; }
    void set(u8 bit) noexcept { flags = static_cast<u8>(flags | bit); }
    void clear(u8 bit) noexcept { flags = static_cast<u8>(flags & ~bit); }
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
