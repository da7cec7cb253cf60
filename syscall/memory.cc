// memcpy, memmove, memset, memcmp: compilers call them by themselves, even freestanding, to copy or
// zero a struct. The word loops below are written so that no compiler turns one back into a call to
// the function that it is in; no flag is needed. Each has its own section, so that a static link
// keeps only what it uses, and the standard names are weak, so that a C library's come first.
#include "memory.h"

namespace oxbow {
namespace {

// A word at any address; the compiler makes of it what the machine can do.
struct [[gnu::packed, gnu::may_alias]] LooseWord {
    uptr value;
};

// A word at an aligned address, in memory of whatever type.
using Word [[gnu::may_alias]] = uptr;

constexpr usize word_bytes = sizeof(Word);

#if defined(__x86_64__) || defined(__i386__)
constexpr usize string_bytes_min = 256; ///< below it, starting `rep` costs more than it saves
#endif

[[nodiscard]] inline bool is_aligned(const void* pointer) noexcept {
    return (reinterpret_cast<uptr>(pointer) & (word_bytes - 1)) == 0;
}

[[nodiscard]] inline Word load_loose(const u8* from) noexcept {
    return reinterpret_cast<const LooseWord*>(from)->value;
}

/// Hides where `pointer` came from. A loop that holds this is no loop that a compiler knows.
template <class T>
inline void hide(T*& pointer) noexcept {
    asm("" : "+r"(pointer));
}

/// Copies upwards: right for memory apart, and for `to` below `from`.
[[gnu::always_inline]] inline void copy_up(u8* to, const u8* from, usize bytes) noexcept {
#if defined(__x86_64__) || defined(__i386__)
    if (bytes >= string_bytes_min) {
        asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
        return;
    }
#endif
    if (bytes >= 2 * word_bytes) {
        for (; !is_aligned(to); --bytes) {
            hide(to);
            *to++ = *from++;
        }
        for (; bytes >= word_bytes; bytes -= word_bytes) {
            hide(to);
            *reinterpret_cast<Word*>(to) = load_loose(from);
            to += word_bytes;
            from += word_bytes;
        }
    }
    for (; bytes != 0; --bytes) {
        hide(to);
        *to++ = *from++;
    }
}

/// Copies downwards: right for `to` above `from`.
[[gnu::always_inline]] inline void copy_down(u8* to, const u8* from, usize bytes) noexcept {
    to += bytes;
    from += bytes;
    if (bytes >= 2 * word_bytes) {
        for (; !is_aligned(to); --bytes) {
            hide(to);
            *--to = *--from;
        }
        for (; bytes >= word_bytes; bytes -= word_bytes) {
            hide(to);
            to -= word_bytes;
            from -= word_bytes;
            *reinterpret_cast<Word*>(to) = load_loose(from);
        }
    }
    for (; bytes != 0; --bytes) {
        hide(to);
        *--to = *--from;
    }
}

} // namespace

[[gnu::section(".text.oxbow_memory_copy")]] void* memory_copy(void* to, const void* from,
                                                              usize bytes) noexcept {
    copy_up(static_cast<u8*>(to), static_cast<const u8*>(from), bytes);
    return to;
}

[[gnu::section(".text.oxbow_memory_move")]] void* memory_move(void* to, const void* from,
                                                              usize bytes) noexcept {
    // Unsigned, so this is also true where `to` lies below `from`.
    if (reinterpret_cast<uptr>(to) - reinterpret_cast<uptr>(from) >= bytes) {
        copy_up(static_cast<u8*>(to), static_cast<const u8*>(from), bytes);
    } else {
        copy_down(static_cast<u8*>(to), static_cast<const u8*>(from), bytes);
    }
    return to;
}

[[gnu::section(".text.oxbow_memory_set")]] void* memory_set(void* to, int value,
                                                            usize bytes) noexcept {
    u8* at = static_cast<u8*>(to);
    const u8 byte = static_cast<u8>(value);
#if defined(__x86_64__) || defined(__i386__)
    if (bytes >= string_bytes_min) {
        asm volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(byte) : "memory");
        return to;
    }
#endif
    if (bytes >= 2 * word_bytes) {
        for (; !is_aligned(at); --bytes) {
            hide(at);
            *at++ = byte;
        }
        const Word word = ~Word{0} / 0xff * byte; // the byte in every place
        for (; bytes >= word_bytes; bytes -= word_bytes) {
            hide(at);
            *reinterpret_cast<Word*>(at) = word;
            at += word_bytes;
        }
    }
    for (; bytes != 0; --bytes) {
        hide(at);
        *at++ = byte;
    }
    return to;
}

[[gnu::section(".text.oxbow_memory_compare")]] int
memory_compare(const void* left, const void* right, usize bytes) noexcept {
    const u8* a = static_cast<const u8*>(left);
    const u8* b = static_cast<const u8*>(right);
    for (; bytes >= word_bytes && load_loose(a) == load_loose(b); bytes -= word_bytes) {
        hide(a);
        a += word_bytes;
        b += word_bytes;
    }
    for (; bytes != 0; --bytes) {
        hide(a);
        if (*a != *b) {
            return *a - *b;
        }
        ++a;
        ++b;
    }
    return 0;
}

} // namespace oxbow

// A hosted build leaves these names to its C library: a member of an archive that defines them,
// weakly or not, would be linked in before a shared C library is looked at.
#if !__STDC_HOSTED__

extern "C" {

[[gnu::weak, gnu::alias("oxbow_memory_copy")]] void* memcpy(void*, const void*,
                                                            oxbow::usize) noexcept;
[[gnu::weak, gnu::alias("oxbow_memory_move")]] void* memmove(void*, const void*,
                                                             oxbow::usize) noexcept;
[[gnu::weak, gnu::alias("oxbow_memory_set")]] void* memset(void*, int, oxbow::usize) noexcept;
[[gnu::weak, gnu::alias("oxbow_memory_compare")]] int memcmp(const void*, const void*,
                                                             oxbow::usize) noexcept;
/// clang calls this one for a memcmp of which only zero or not matters.
[[gnu::weak, gnu::alias("oxbow_memory_compare")]] int bcmp(const void*, const void*,
                                                           oxbow::usize) noexcept;

} // extern "C"

#endif
