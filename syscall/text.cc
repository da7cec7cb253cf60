// Numbers become digits without a 64-bit division, which 32-bit machines would take from libgcc.
#include "text.h"

#include "call_file.h"

namespace oxbow {

namespace {

constexpr u32 decimal_digits_max = 20; // of 2^64 - 1

/// Writes `value` in decimal and returns how many digits it has. Each digit is found by subtracting
/// its power of ten, at most nine times.
u32 decimal(char* digits, u64 value, u32 digits_min) noexcept {
    constexpr u64 powers[decimal_digits_max] = {10'000'000'000'000'000'000u,
                                                1'000'000'000'000'000'000u,
                                                100'000'000'000'000'000u,
                                                10'000'000'000'000'000u,
                                                1'000'000'000'000'000u,
                                                100'000'000'000'000u,
                                                10'000'000'000'000u,
                                                1'000'000'000'000u,
                                                100'000'000'000u,
                                                10'000'000'000u,
                                                1'000'000'000u,
                                                100'000'000u,
                                                10'000'000u,
                                                1'000'000u,
                                                100'000u,
                                                10'000u,
                                                1'000u,
                                                100u,
                                                10u,
                                                1u};
    u32 count = 0;
    for (u32 place = 0; place < decimal_digits_max; ++place) {
        char digit = '0';
        while (value >= powers[place]) {
            value -= powers[place];
            ++digit;
        }
        const u32 places_left = decimal_digits_max - place;
        if (count > 0 || digit != '0' || places_left <= digits_min || places_left == 1) {
            digits[count++] = digit;
        }
    }
    return count;
}

} // namespace

i32 write_all(i32 fd, const void* data, usize bytes) noexcept {
    const char* at = static_cast<const char*>(data);
    while (bytes > 0) {
        const long written = kernel::write(fd, at, bytes);
        if (written == -Errno::eintr) {
            continue;
        }
        if (written < 0) {
            return static_cast<i32>(written);
        }
        if (written == 0) {
            return -Errno::eio; // a descriptor that takes nothing and says no error: do not spin
        }
        at += written;
        bytes -= static_cast<usize>(written);
    }
    return 0;
}

Text& Text::add(char character) noexcept {
    return add(&character, 1);
}

Text& Text::add(const char* text) noexcept {
    return add(text, text_length(text));
}

Text& Text::add(const char* data, usize bytes) noexcept {
    const usize room = capacity_ - 1 - size_;
    if (bytes > room) {
        bytes = room;
        truncated_ = true;
    }
    for (usize index = 0; index < bytes; ++index) {
        memory_[size_ + index] = data[index];
    }
    size_ += bytes;
    memory_[size_] = '\0';
    return *this;
}

Text& Text::number_u64(u64 value, u32 digits) noexcept {
    char characters[decimal_digits_max];
    return add(characters, decimal(characters, value, digits));
}

Text& Text::number_i64(i64 value) noexcept {
    if (value < 0) {
        add('-');
        return number_u64(0 - static_cast<u64>(value));
    }
    return number_u64(static_cast<u64>(value));
}

Text& Text::number_right(u64 value, u32 width) noexcept {
    char characters[decimal_digits_max];
    const u32 count = decimal(characters, value, 1);
    repeat(' ', count < width ? width - count : 0);
    return add(characters, count);
}

Text& Text::hex(u64 value, u32 digits) noexcept {
    // By halves: to shift 64 bits by a variable may call libgcc on 32-bit machines.
    const u32 halves[2] = {static_cast<u32>(value >> 32), static_cast<u32>(value)};
    bool begun = false;
    for (u32 place = 16; place > 0; --place) {
        const u32 digit = (halves[place > 8 ? 0 : 1] >> ((place - 1) % 8 * 4)) & 15;
        begun = begun || digit != 0 || place <= digits || place == 1;
        if (begun) {
            add("0123456789abcdef"[digit]);
        }
    }
    return *this;
}

Text& Text::address(const volatile void* pointer) noexcept {
    return add("0x").hex(address_of(pointer));
}

Text& Text::error(i32 result) noexcept {
    return add(errno_name(result)).add(" (").add(errno_text(result)).add(')');
}

Text& Text::column(usize column) noexcept {
    usize at = 0;
    while (at < size_ && memory_[size_ - 1 - at] != '\n') {
        ++at;
    }
    return repeat(' ', at < column ? column - at : 1);
}

Text& Text::left(const char* text, usize width) noexcept {
    const usize length = text_length(text);
    return add(text, length).repeat(' ', length < width ? width - length : 0);
}

Text& Text::right(const char* text, usize width) noexcept {
    const usize length = text_length(text);
    return repeat(' ', length < width ? width - length : 0).add(text, length);
}

Text& Text::repeat(char character, usize count) noexcept {
    for (; count > 0; --count) {
        add(character);
    }
    return *this;
}

} // namespace oxbow
