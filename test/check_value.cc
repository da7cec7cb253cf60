// Numbers, bytes and strings as text.
#include "check_value.h"

#include "../syscall/errno.h"
#include "../syscall/text.h"

namespace oxbow::test {

Message& Message::add_decimal(u64 value) noexcept {
    oxbow::Text rest(data_ + length_, capacity - length_);
    length_ += rest.number_u64(value).size();
    return *this;
}

Message& Message::add_hex(u64 value, u32 digits_min) noexcept {
    oxbow::Text rest(data_ + length_, capacity - length_);
    length_ += rest.hex(value, digits_min).size();
    return *this;
}

Message& Message::add_quoted(const char* text) noexcept {
    if (text == nullptr) {
        return add("nullptr");
    }
    add('"');
    for (; *text != '\0'; ++text) {
        const u8 c = static_cast<u8>(*text);
        if (c == '\n') {
            add("\\n");
        } else if (c < 0x20 || c >= 0x7f) {
            add("\\x").add_hex(c, 2);
        } else {
            add(*text);
        }
    }
    return add('"');
}

Message& Message::add_bytes(const void* bytes, usize count, usize bytes_max) noexcept {
    const u8* const from = static_cast<const u8*>(bytes);
    for (usize i = 0; i < count && i < bytes_max; ++i) {
        if (i != 0) {
            add(' ');
        }
        add_hex(from[i], 2);
    }
    if (count > bytes_max) {
        add(" ...");
    }
    return *this;
}

Message& Message::add_number(Number number) noexcept {
    if (number.negative) {
        const u64 magnitude = u64{0} - number.bits;
        add('-').add_decimal(magnitude);
        if (magnitude < 4096) {
            const char* const name = errno_name(-static_cast<i32>(magnitude));
            if (name != nullptr && name[0] == 'E') {
                add(" (-").add(name).add(')');
            }
        }
        return *this;
    }
    add_decimal(number.bits);
    if (number.bits > 255) {
        add(" (0x").add_hex(number.bits).add(')');
    }
    return *this;
}

Message& Message::add_duration(u64 duration_ns) noexcept {
    constexpr u64 tenth_ns = 100000000;
    u32 tenths = 0;
    for (u32 step = u32{1} << 31; step != 0; step >>= 1) { // long division, bit by bit
        if (duration_ns >= step * tenth_ns) {
            duration_ns -= step * tenth_ns;
            tenths += step;
        }
    }
    return add_decimal(tenths / 10).add('.').add_decimal(tenths % 10).add(" s");
}

} // namespace oxbow::test
