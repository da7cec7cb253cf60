// Submission queue entries as the kernel sees them: bytes at offsets. The tests of the preps build
// what they expect with this, without a look at abi::Sqe, so that a wrong field there would show
// too. Offsets: include/uapi/linux/io_uring.h, struct io_uring_sqe.
#pragma once

#include "../syscall/abi_uring.h"
#include "harness.h"

namespace oxbow::test {

/// An expected entry of 128 bytes; of a 64-byte entry the second half must have stayed untouched.
class Image {
  public:
    Image(u8 opcode, i32 fd) noexcept { u8_at(0, opcode).i32_at(4, fd); }

    Image& u8_at(usize offset, u8 value) noexcept { return put(offset, value); }
    Image& u16_at(usize offset, u16 value) noexcept { return put(offset, value); }
    Image& u32_at(usize offset, u32 value) noexcept { return put(offset, value); }
    Image& i32_at(usize offset, i32 value) noexcept { return put(offset, value); }
    Image& u64_at(usize offset, u64 value) noexcept { return put(offset, value); }

    // The fields that most operations use.
    Image& flags(u8 value) noexcept { return put(1, value); }
    Image& ioprio(u16 value) noexcept { return put(2, value); }
    Image& off(u64 value) noexcept { return put(8, value); }
    Image& addr(u64 value) noexcept { return put(16, value); }
    Image& len(u32 value) noexcept { return put(24, value); }
    Image& op_flags(u32 value) noexcept { return put(28, value); }
    Image& user_data(u64 value) noexcept { return put(32, value); }
    Image& buf_index(u16 value) noexcept { return put(40, value); }
    Image& personality(u16 value) noexcept { return put(42, value); }
    Image& file_index(u32 value) noexcept { return put(44, value); }
    Image& addr3(u64 value) noexcept { return put(48, value); }

    [[nodiscard]] const u8* bytes() const noexcept { return bytes_; }
    [[nodiscard]] u8 flags() const noexcept { return bytes_[1]; }

  private:
    template <class T>
    Image& put(usize offset, T value) noexcept {
        __builtin_memcpy(bytes_ + offset, &value, sizeof value);
        return *this;
    }

    alignas(8) u8 bytes_[128] = {};
};

/// A pointer that nobody follows, to see where it ends up. Different in all four bytes.
template <class T>
[[nodiscard]] inline T* pointer_of(u32 address) noexcept {
    return reinterpret_cast<T*>(static_cast<uptr>(address));
}

/// What a caller may have set before a prep, or may set after it: none of it may get lost.
inline constexpr u8 caller_flags =
    abi::sqe_flag::io_drain | abi::sqe_flag::io_hardlink | abi::sqe_flag::cqe_skip_success;
inline constexpr u64 caller_user_data = 0x8877665544332211;
inline constexpr u16 caller_personality = 0x5a5a;

inline void set_by_caller(abi::Sqe& sqe) noexcept {
    sqe.flags |= caller_flags;
    sqe.user_data = caller_user_data;
    sqe.personality = caller_personality;
}

/// Prepares three entries and compares all of their bytes: one that was zeroed, one to which the
/// caller had done something before, one to which it does so afterwards.
template <class Prepare>
void check_prep(const Image& expected, Prepare prepare, const Site& site) noexcept {
    abi::Sqe plain[2] = {};
    prepare(plain[0]);
    check_bytes(plain, expected.bytes(), sizeof plain, site);

    Image decorated = expected;
    decorated.flags(static_cast<u8>(expected.flags() | caller_flags))
        .user_data(caller_user_data)
        .personality(caller_personality);
    abi::Sqe before[2] = {};
    set_by_caller(before[0]);
    prepare(before[0]);
    check_bytes(before, decorated.bytes(), sizeof before, site);

    abi::Sqe after[2] = {};
    prepare(after[0]);
    set_by_caller(after[0]);
    check_bytes(after, decorated.bytes(), sizeof after, site);
}

} // namespace oxbow::test

/// CHECK_PREP(expected image, statement that prepares `sqe`).
#define CHECK_PREP(expected, ...)                                                                  \
    ::oxbow::test::check_prep((expected), [&](::oxbow::abi::Sqe& sqe) noexcept { __VA_ARGS__; },   \
                              OXBOW_TEST_SITE("CHECK_PREP(" #__VA_ARGS__ ")"))
