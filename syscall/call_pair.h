// What the call_*.h files share: a call whose result fits 32 bits, and calls with 64-bit arguments,
// which 32-bit machines take as two words.
#pragma once

#include "errno.h"
#include "syscall.h"

namespace oxbow::kernel {

/// A call that returns a descriptor, an id, 0 or a negative errno.
template <class... Arguments>
inline i32 invoke_plain(long call, Arguments... arguments) noexcept {
    return static_cast<i32>(invoke(call, arguments...));
}

namespace detail {

/// Appends `value` to the words of a call on a 32-bit machine. Of a 64-bit value, the half that
/// memory would have first comes first: the low one on a little-endian machine.
template <class T>
inline void append_word(long* words, u32& used, T value) noexcept {
    if constexpr (sizeof(T) <= sizeof(long)) {
        words[used++] = word_of(value);
    } else {
        const u64 wide = static_cast<u64>(value);
        const long low = static_cast<long>(static_cast<u32>(wide));
        const long high = static_cast<long>(static_cast<u32>(wide >> 32));
        if (arch::pair_is_aligned && used % 2 == 1) {
            words[used++] = 0;
        }
        words[used++] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? low : high;
        words[used++] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? high : low;
    }
}

} // namespace detail

/// A call with 64-bit arguments among the others: syscall(2), "Architecture-specific requirements".
/// On 32-bit machines it always passes six words; a call does not look at those it has no use for.
template <class... Arguments>
inline long invoke_pair(long call, Arguments... arguments) noexcept {
    if constexpr (sizeof(long) == 8) {
        return invoke(call, arguments...);
    } else {
        long words[12] = {}; // more than any six arguments make
        u32 used = 0;
        (detail::append_word(words, used, arguments), ...);
        return invoke(call, words[0], words[1], words[2], words[3], words[4], words[5]);
    }
}

/// The low and the high word of the offset of preadv and its like, which the kernel takes in this
/// order on every machine and puts together itself; 64-bit machines have it all in the low one.
[[nodiscard]] inline long low_word(u64 offset) noexcept {
    return static_cast<long>(static_cast<unsigned long>(offset));
}
[[nodiscard]] inline long high_word(u64 offset) noexcept {
    return sizeof(long) == 8 ? 0 : static_cast<long>(static_cast<u32>(offset >> 32));
}

} // namespace oxbow::kernel
