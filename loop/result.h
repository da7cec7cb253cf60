// How an operation ended: one type for every operation and both engines.
#pragma once

#include "../syscall/check.h"
#include "../syscall/errno.h"

namespace oxbow {

/// Bits of Result::flags; the id of a buffer stands above them.
namespace result_flag {
inline constexpr u32 more = 1;          ///< the operation goes on, further results follow
inline constexpr u32 buffer = 2;        ///< the data lie in a buffer of the operation's BufferPool
inline constexpr u32 end_of_stream = 4; ///< the other side will send no more
inline constexpr u32 nonempty = 8;      ///< the socket has more to be read; a hint of io_uring only
inline constexpr u32 copied = 16;       ///< a zero-copy send was copied after all
inline constexpr u32 buffer_shift = 16; ///< Result::buffer() is above it
} // namespace result_flag

/// A count, a descriptor or 0, or a negative errno; and what else is to be said. An errno is never
/// dropped: what the kernel answered is what is here, but for the errors that no user can act on
/// (EINTR, EAGAIN, ENOBUFS of a BufferPool), which the loop handles itself.
struct [[nodiscard]] Result {
    i32 value = 0;
    u32 flags = 0; ///< result_flag

    [[nodiscard]] constexpr bool ok() const noexcept { return value >= 0; }

    /// The error of a result that is not ok(). -ECANCELED: by request; -ETIME: its deadline passed.
    [[nodiscard]] constexpr Errno error() const noexcept { return static_cast<Errno>(-value); }
    [[nodiscard]] constexpr bool is(Errno error) const noexcept { return value == -error; }

    /// Bytes, or how many; 0 for an error.
    [[nodiscard]] constexpr u32 count() const noexcept {
        return value > 0 ? static_cast<u32>(value) : 0;
    }

    /// The new descriptor of an accept, open or socket; -1 for an error. It is the caller's to
    /// close.
    [[nodiscard]] constexpr i32 fd() const noexcept { return value >= 0 ? value : -1; }

    /// A stream's other side has ended it: 0 bytes into room for some, with what an `_all`
    /// operation got before them. Never true of a datagram.
    [[nodiscard]] constexpr bool eof() const noexcept {
        return (flags & result_flag::end_of_stream) != 0;
    }

    /// Further results of the same operation follow; the completion is still in use.
    [[nodiscard]] constexpr bool more() const noexcept { return (flags & result_flag::more) != 0; }

    [[nodiscard]] constexpr bool has_buffer() const noexcept {
        return (flags & result_flag::buffer) != 0;
    }
    /// Which buffer of the operation's BufferPool has the data.
    [[nodiscard]] constexpr u16 buffer() const noexcept {
        return static_cast<u16>(flags >> result_flag::buffer_shift);
    }
};

static_assert(sizeof(Result) == 8);

} // namespace oxbow
