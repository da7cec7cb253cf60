// The four memory functions of syscall/memory.cc, by their own names: under the standard ones a
// hosted build would test its C library. Every size up to four words and past the point where x86
// changes its ways, every alignment, every overlap, and nothing written or read outside.
#include "../syscall/call.h"
#include "../syscall/memory.h"
#include "../syscall/start.h"
#include "harness.h"

namespace oxbow {
namespace {

using namespace test;

constexpr usize sizes_max = 300;  ///< beyond the 256 at which x86 turns to string instructions
constexpr usize alignments = 16;  ///< two words of the largest machine
constexpr usize guard_bytes = 32; ///< before and behind
constexpr usize arena_bytes = sizes_max + 4 * alignments + 2 * guard_bytes;

struct Arena {
    alignas(16) u8 bytes[arena_bytes];
};

constinit Arena actual = {};
constinit Arena expected = {};
constinit Arena source = {};

/// A byte that tells its place, and is never the same at places 256 apart.
[[nodiscard]] constexpr u8 pattern(usize place) noexcept {
    return static_cast<u8>(place * 7 + (place >> 8) + 1);
}

void refill() noexcept {
    for (usize i = 0; i < arena_bytes; ++i) {
        actual.bytes[i] = expected.bytes[i] = static_cast<u8>(~pattern(i));
        source.bytes[i] = pattern(i);
    }
}

/// Not CHECK_BYTES for each of some ten thousand cases: first the quick answer, then the words.
void check_same() noexcept {
    for (usize i = 0; i < arena_bytes; ++i) {
        if (actual.bytes[i] != expected.bytes[i]) {
            CHECK_BYTES(actual.bytes, expected.bytes, arena_bytes);
        }
    }
}

/// Small sizes one by one, large ones in odd steps.
[[nodiscard]] constexpr usize size_after(usize size) noexcept {
    return size < 48 ? size + 1 : size + 13;
}

TEST(memory_copy_every_size_and_alignment) {
    for (usize size = 0; size <= sizes_max; size = size_after(size)) {
        for (usize to = 0; to < alignments; ++to) {
            for (usize from = 0; from < alignments; from += size < 48 ? 1 : 3) {
                refill();
                u8* target = actual.bytes + guard_bytes + to;
                for (usize i = 0; i < size; ++i) {
                    expected.bytes[guard_bytes + to + i] = source.bytes[from + i];
                }
                CHECK_EQ(memory_copy(target, source.bytes + from, size),
                         static_cast<void*>(target));
                check_same();
            }
        }
    }
}

TEST(memory_move_every_overlap) {
    constexpr usize middle = guard_bytes + 2 * alignments;
    for (usize size = 0; size <= sizes_max; size = size_after(size)) {
        for (usize to = middle - 2 * alignments; to <= middle + 2 * alignments; ++to) {
            refill();
            for (usize i = 0; i < size; ++i) {
                expected.bytes[to + i] = actual.bytes[middle + i];
            }
            u8* target = actual.bytes + to;
            CHECK_EQ(memory_move(target, actual.bytes + middle, size), static_cast<void*>(target));
            check_same();
        }
    }
}

TEST(memory_set_every_size_and_alignment) {
    for (usize size = 0; size <= sizes_max; ++size) {
        for (usize to = 0; to < alignments; ++to) {
            refill();
            u8* target = actual.bytes + guard_bytes + to;
            for (usize i = 0; i < size; ++i) {
                expected.bytes[guard_bytes + to + i] = 0xa5;
            }
            // Only the low byte of the value counts.
            CHECK_EQ(memory_set(target, -0x5b, size), static_cast<void*>(target));
            check_same();
        }
    }
}

TEST(memory_compare_finds_every_difference) {
    for (usize size = 0; size <= 48; ++size) {
        for (usize left = 0; left < alignments; ++left) {
            refill();
            u8* a = actual.bytes + guard_bytes + left;
            u8* b = source.bytes + guard_bytes;
            for (usize i = 0; i < size; ++i) {
                a[i] = b[i] = pattern(i);
            }
            CHECK_EQ(memory_compare(a, b, size), 0); // whatever lies around them
            for (usize place = 0; place < size; ++place) {
                a[place] = 0x7f;
                b[place] = 0x80; // greater only as an unsigned byte
                if (place + 1 < size) {
                    a[place + 1] = 0xff; // a later difference does not count
                }
                CHECK_LT(memory_compare(a, b, size), 0);
                CHECK_GT(memory_compare(b, a, size), 0);
                CHECK_EQ(memory_compare(a, b, place), 0);
                for (usize i = place; i < size; ++i) {
                    a[i] = b[i] = pattern(i);
                }
            }
        }
    }
}

TEST(memory_functions_stay_inside_a_page) {
    const usize page = page_bytes();
    const i32 read_write = abi::protection::read | abi::protection::write;
    const long mapped = kernel::mmap(nullptr, 3 * page, read_write,
                                     abi::map::private_ | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    u8* begin = reinterpret_cast<u8*>(static_cast<uptr>(mapped)) + page;
    u8* end = begin + page;
    CHECK_OK(kernel::mprotect(begin - page, page, abi::protection::none));
    CHECK_OK(kernel::mprotect(end, page, abi::protection::none));
    for (usize size = 0; size <= 64; ++size) {
        memory_set(begin, 1, size);
        memory_set(end - size, 1, size);
        CHECK_EQ(memory_compare(begin, end - size, size), 0);
        memory_copy(begin, end - size, size);
        memory_copy(end - size, begin, size);
        memory_move(begin, end - size, size);
        memory_move(end - size, end - size - 1, size);
    }
    memory_set(begin, 2, page);
    memory_move(begin + 1, begin, page - 1);
    memory_move(begin, begin + 1, page - 1);
    CHECK_EQ(begin[page - 1], 2);
    CHECK_OK(kernel::munmap(begin - page, 3 * page));
}

constexpr usize block = 40000;
constinit u8 large[2 * block] = {};

TEST(memory_functions_take_large_blocks) {
    for (usize i = 0; i < block; ++i) {
        large[i] = pattern(i);
    }
    memory_copy(large + block, large, block);
    CHECK_EQ(memory_compare(large, large + block, block), 0);
    memory_move(large + 3, large, block); // upwards by less than a word
    for (usize i = 0; i < block; ++i) {
        CHECK_EQ(large[i + 3], pattern(i));
    }
    memory_move(large + 1, large + 3, block); // and back down
    for (usize i = 0; i < block; ++i) {
        CHECK_EQ(large[i + 1], pattern(i));
    }
    memory_set(large, 0, sizeof(large));
    for (const u8 byte : large) {
        CHECK_EQ(byte, 0);
    }
}

} // namespace
} // namespace oxbow
