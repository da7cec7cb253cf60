// The clock of the vDSO: that it is found, tells the same time as the system call, and that images
// of every kind are read as elf(5) says.
#include "../syscall/vdso.h"

#include "../syscall/call.h"
#include "../syscall/start.h"
#include "../syscall/time.h"
#include "harness.h"
#include "hook.h"

namespace oxbow::test {
namespace {

[[nodiscard]] u64 asked_ns() noexcept {
    abi::Timespec time = {};
    CHECK_OK(kernel::clock_gettime(abi::clock::monotonic, &time));
    return nanoseconds_of(time);
}

TEST(vdso_clock_tells_what_the_kernel_tells) {
    u64 before_ns = asked_ns();
    for (u32 i = 0; i < 1000; ++i) {
        const u64 told_ns = monotonic_ns();
        CHECK_LE(before_ns, told_ns);
        before_ns = asked_ns();
        CHECK_LE(told_ns, before_ns);
    }
}

TEST(vdso_clock_is_no_system_call) {
    if (auxiliary_value(auxiliary::vdso) == 0) {
        SKIP("this kernel, or an emulator, maps no vDSO");
    }
    (void)monotonic_ns(); // finds out how
    reset_calls();
    for (u32 i = 0; i < 100; ++i) {
        (void)monotonic_ns();
    }
    const u32 calls = calls_made_in_all();
    CHECK(calls == 0 ||
          calls == 100); // a vDSO without this clock: i386 before 5.3, arm without a timer
#if defined(__x86_64__)
    CHECK_EQ(calls, 0u);
#endif
}

// ---- Images ------------------------------------------------------------------------------------

constexpr usize words = sizeof(uptr);

/// A small image: one function `wanted`, one that is only asked for, and data of a similar name.
struct MadeImage {
    alignas(8) u8 bytes[1024] = {};

    void put(usize at, u64 value, usize width) noexcept {
        for (usize i = 0; i < width; ++i) {
            bytes[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? at + i : at + width - 1 - i] =
                static_cast<u8>(value >> 8 * i);
        }
    }
    void put_word(usize at, u64 value) noexcept { put(at, value, words); }

    void put_symbol(u32 index, u32 name, u8 info, u16 section, u64 value) noexcept {
        const usize at = symbols_at + index * (words == 8 ? 24 : 16);
        put(at, name, 4);
        put(at + (words == 8 ? 4 : 12), info, 1);
        put(at + (words == 8 ? 6 : 14), section, 2);
        put_word(at + (words == 8 ? 8 : 4), value);
    }

    static constexpr usize parts_at = 64;
    static constexpr usize dynamic_at = 192;
    static constexpr usize symbols_at = 320;
    static constexpr usize strings_at = 448;
    static constexpr usize hash_at = 512;
    static constexpr u64 linked_at = 0x10000; ///< where the linker believed it to be

    explicit MadeImage(bool gnu) noexcept {
        constexpr u8 head[] = {0x7f, 'E', 'L', 'F', words == 8 ? 2 : 1};
        __builtin_memcpy(bytes, head, sizeof(head));
        constexpr usize after_version = 24;
        put_word(after_version + words, parts_at);
        constexpr usize part_bytes = words == 8 ? 56 : 32;
        put(after_version + 3 * words + 6, part_bytes, 2);
        put(after_version + 3 * words + 8, 2, 2);
        put_part(parts_at, 1, 0, linked_at);
        put_part(parts_at + part_bytes, 2, dynamic_at, linked_at + dynamic_at);
        const u64 entries[][2] = {{5, linked_at + strings_at},
                                  {6, linked_at + symbols_at},
                                  {gnu ? 0x6ffffef5u : 4u, linked_at + hash_at}};
        usize at = dynamic_at;
        for (const auto& entry : entries) {
            put_word(at, entry[0]);
            put_word(at + words, entry[1]);
            at += 2 * words;
        }
        constexpr char names[] = "\0wanted_not\0wanted\0undefined";
        __builtin_memcpy(bytes + strings_at, names, sizeof(names));
        put_symbol(1, 1, 2, 7, linked_at + 900);
        put_symbol(2, 12, 1, 7, linked_at + 901); // data
        put_symbol(3, 19, 2, 0, 0);               // nobody defines it here
        put_symbol(4, 12, 2, 7, linked_at + 902);
        gnu ? put_gnu_hash() : put_hash();
    }

  private:
    void put_part(usize at, u32 type, u64 offset, u64 address) noexcept {
        put(at, type, 4);
        put_word(at + words, offset);
        put_word(at + 2 * words, address);
    }
    void put_hash() noexcept {
#if defined(__s390x__)
        constexpr usize width = 8;
#else
        constexpr usize width = 4;
#endif
        put(hash_at, 1, width);
        put(hash_at + width, 5, width);
    }
    /// Two buckets, an empty one and one whose chain ends with the last symbol.
    void put_gnu_hash() noexcept {
        const u32 head[] = {2, 1, 1, 0};
        usize at = hash_at;
        for (const u32 value : head) {
            put(at, value, 4);
            at += 4;
        }
        at += words; // the filter
        const u32 rest[] = {0, 1, /* the chain */ 2, 4, 6, 9};
        for (const u32 value : rest) {
            put(at, value, 4);
            at += 4;
        }
    }
};

TEST(vdso_image_with_either_table) {
    constexpr bool kinds[] = {false, true};
    for (const bool gnu : kinds) {
        const MadeImage image(gnu);
        CHECK(vdso_function(image.bytes, "wanted") == image.bytes + 902);
        CHECK(vdso_function(image.bytes, "wanted_not") == image.bytes + 900);
        CHECK(vdso_function(image.bytes, "undefined") == nullptr);
        CHECK(vdso_function(image.bytes, "want") == nullptr);
        CHECK(vdso_function(image.bytes, "") == nullptr);
    }
}

TEST(vdso_image_that_is_none) {
    constexpr usize places[] = {0, 3, 4};
    for (const usize at : places) {
        MadeImage image(false);
        image.bytes[at] = static_cast<u8>(image.bytes[at] + 1);
        CHECK(vdso_function(image.bytes, "wanted") == nullptr);
    }
    MadeImage no_symbols(false);
    no_symbols.put_word(MadeImage::dynamic_at + 2 * words, 0x70000000);
    CHECK(vdso_function(no_symbols.bytes, "wanted") == nullptr);
    MadeImage no_hash(false);
    no_hash.put_word(MadeImage::dynamic_at + 4 * words, 0x70000000);
    CHECK(vdso_function(no_hash.bytes, "wanted") == nullptr);
    MadeImage empty(true);
    empty.put(MadeImage::hash_at + 16 + words + 4, 0, 4); // both buckets
    CHECK(vdso_function(empty.bytes, "wanted") == nullptr);
}

} // namespace
} // namespace oxbow::test
