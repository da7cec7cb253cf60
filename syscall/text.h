// Text made without a C library: numbers, errors and columns put into memory of the caller's, and
// a write that goes on until everything is written.
#pragma once

#include "errno.h"
#include "types.h"

namespace oxbow {

/// Bytes before the final zero.
[[nodiscard]] constexpr usize text_length(const char* text) noexcept {
    usize length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}

[[nodiscard]] constexpr bool text_equal(const char* left, const char* right) noexcept {
    while (*left != '\0' && *left == *right) {
        ++left;
        ++right;
    }
    return *left == *right;
}

/// Writes all of `data` to `fd`, through short writes and signals: 0, or the negative errno that
/// ended it. A nonblocking descriptor that takes nothing now ends it with -EAGAIN.
[[nodiscard]] i32 write_all(i32 fd, const void* data, usize bytes) noexcept;

/// A line or page being put together in memory that the caller owns and keeps. It always ends in a
/// zero; what has no room is left out and `truncated` says so. Every function that adds returns
/// the Text, so that they can be chained.
///
///     char memory[80];
///     Text line(memory);
///     line.add("opened ").number(count).add(" files: ").error(result).add('\n');
///     (void)line.write_to(1);
class Text {
  public:
    /// `capacity` counts the final zero and is at least 1.
    constexpr Text(char* memory, usize capacity) noexcept : memory_(memory), capacity_(capacity) {
        memory_[0] = '\0';
    }
    template <usize N>
    constexpr explicit Text(char (&memory)[N]) noexcept : Text(memory, N) {}

    Text& add(char character) noexcept;
    Text& add(const char* text) noexcept;
    Text& add(const char* data, usize bytes) noexcept;

    /// Decimal, with at least `digits` digits (zeros in front).
    Text& number_u64(u64 value, u32 digits = 1) noexcept;
    Text& number_i64(i64 value) noexcept;

    /// Decimal of any integer type.
    template <class T>
    Text& number(T value) noexcept {
        if constexpr (static_cast<T>(-1) < static_cast<T>(0)) {
            return number_i64(static_cast<i64>(value));
        } else {
            return number_u64(static_cast<u64>(value));
        }
    }

    /// Decimal at the right of a column `width` wide; wider numbers take what they need.
    Text& number_right(u64 value, u32 width) noexcept;

    /// Hexadecimal without "0x", with at least `digits` digits.
    Text& hex(u64 value, u32 digits = 1) noexcept;
    /// "0x" and hexadecimal.
    Text& address(const volatile void* pointer) noexcept;

    /// "ENOENT (no such file or directory)"; takes either sign.
    Text& error(i32 result) noexcept;

    /// Spaces up to `column` of the line, counted from 0; one space where the line is already
    /// there.
    Text& column(usize column) noexcept;
    /// `text` and spaces up to `width` characters in all.
    Text& left(const char* text, usize width) noexcept;
    /// Spaces and `text`, `width` characters in all.
    Text& right(const char* text, usize width) noexcept;
    Text& repeat(char character, usize count) noexcept;

    constexpr void clear() noexcept {
        size_ = 0;
        truncated_ = false;
        memory_[0] = '\0';
    }

    [[nodiscard]] constexpr const char* c_str() const noexcept { return memory_; }
    [[nodiscard]] constexpr usize size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool truncated() const noexcept { return truncated_; }

    /// Writes it all to `fd`: 0 or a negative errno.
    [[nodiscard]] i32 write_to(i32 fd) const noexcept { return write_all(fd, memory_, size_); }

  private:
    char* memory_;
    usize capacity_;
    usize size_ = 0;
    bool truncated_ = false;
};

/// A Text with its own memory, for locals: `TextBuffer<200> line;`.
template <usize N>
class TextBuffer : public Text {
  public:
    // The memory is not alive yet when Text writes its first zero there, which is all right for
    // characters; nothing reads it before.
    TextBuffer() noexcept : Text(storage_, N) { storage_[0] = '\0'; }
    TextBuffer(const TextBuffer&) = delete;
    TextBuffer& operator=(const TextBuffer&) = delete;

  private:
    char storage_[N];
};

} // namespace oxbow
