// How checks compare and show values: integers of any two types by value, and every value as text
// in a buffer of fixed size. No allocation, no C library, no 64-bit division.
#pragma once

#include "../syscall/types.h"

namespace oxbow::test {

// ---- Kinds of types ---------------------------------------------------------------------------

template <class T>
struct WithoutConst {
    using Type = T;
};
template <class T>
struct WithoutConst<const T> {
    using Type = T;
};
template <class T>
struct WithoutConst<volatile T> {
    using Type = T;
};
template <class T>
struct WithoutConst<const volatile T> {
    using Type = T;
};

template <class T>
inline constexpr bool is_integer_type = false;
template <>
inline constexpr bool is_integer_type<bool> = true;
template <>
inline constexpr bool is_integer_type<char> = true;
template <>
inline constexpr bool is_integer_type<signed char> = true;
template <>
inline constexpr bool is_integer_type<unsigned char> = true;
template <>
inline constexpr bool is_integer_type<short> = true;
template <>
inline constexpr bool is_integer_type<unsigned short> = true;
template <>
inline constexpr bool is_integer_type<int> = true;
template <>
inline constexpr bool is_integer_type<unsigned> = true;
template <>
inline constexpr bool is_integer_type<long> = true;
template <>
inline constexpr bool is_integer_type<unsigned long> = true;
template <>
inline constexpr bool is_integer_type<long long> = true;
template <>
inline constexpr bool is_integer_type<unsigned long long> = true;

template <class T>
inline constexpr bool is_pointer_type = false;
template <class T>
inline constexpr bool is_pointer_type<T*> = true;
template <>
inline constexpr bool is_pointer_type<decltype(nullptr)> = true;

/// Integers, bools and enums: what is compared by value.
template <class T>
inline constexpr bool is_number = is_integer_type<T> || __is_enum(T);

/// A number widened to 64 bits, with its sign beside it.
struct Number {
    u64 bits;
    bool negative;
};

template <class T>
[[nodiscard]] constexpr Number number_of(T value) noexcept {
    if constexpr (__is_enum(T)) {
        return number_of(static_cast<__underlying_type(T)>(value));
    } else if constexpr (static_cast<T>(-1) < static_cast<T>(1) && sizeof(T) > 0 &&
                         !__is_same(T, bool)) {
        return {static_cast<u64>(static_cast<i64>(value)), value < 0};
    } else {
        return {static_cast<u64>(value), false};
    }
}

/// -1, 0 or 1.
[[nodiscard]] constexpr int order_of(Number a, Number b) noexcept {
    if (a.negative != b.negative) {
        return a.negative ? -1 : 1;
    }
    // Two's complement keeps the order among negative numbers as well.
    return a.bits < b.bits ? -1 : (a.bits > b.bits ? 1 : 0);
}

// ---- Relations --------------------------------------------------------------------------------

#define OXBOW_TEST_DEFINE_RELATION(relation, sign)                                                 \
    struct relation {                                                                              \
        template <class A, class B>                                                                \
        [[nodiscard]] static constexpr bool holds(const A& a, const B& b) noexcept {               \
            using PlainA = typename WithoutConst<A>::Type;                                         \
            using PlainB = typename WithoutConst<B>::Type;                                         \
            if constexpr (is_number<PlainA> && is_number<PlainB>) {                                \
                return order_of(number_of<PlainA>(a), number_of<PlainB>(b)) sign 0;                \
            } else {                                                                               \
                return static_cast<bool>(a sign b);                                                \
            }                                                                                      \
        }                                                                                          \
    }

OXBOW_TEST_DEFINE_RELATION(Equal, ==);
OXBOW_TEST_DEFINE_RELATION(NotEqual, !=);
OXBOW_TEST_DEFINE_RELATION(Less, <);
OXBOW_TEST_DEFINE_RELATION(LessEqual, <=);
OXBOW_TEST_DEFINE_RELATION(Greater, >);
OXBOW_TEST_DEFINE_RELATION(GreaterEqual, >=);
#undef OXBOW_TEST_DEFINE_RELATION

// ---- Message
// -------------------------------------------------------------------------------------

/// A string that grows in place and is cut where it is full.
class Message {
  public:
    static constexpr usize capacity = 1024;

    constexpr Message() noexcept = default;

    constexpr Message& add(char c) noexcept {
        if (length_ + 1 < capacity) {
            data_[length_++] = c;
            data_[length_] = '\0';
        }
        return *this;
    }
    constexpr Message& add(const char* text) noexcept {
        for (const char* at = text == nullptr ? "(null)" : text; *at != '\0'; ++at) {
            add(*at);
        }
        return *this;
    }
    Message& add_decimal(u64 value) noexcept;
    Message& add_hex(u64 value, u32 digits_min = 1) noexcept;
    /// In quotes, with what does not print as \xNN.
    Message& add_quoted(const char* text) noexcept;
    /// As pairs of hexadecimal digits, at most `bytes_max` of them.
    Message& add_bytes(const void* bytes, usize count, usize bytes_max = 32) noexcept;
    /// Decimal, in hexadecimal too where it is large, and with the name of the errno it could be.
    Message& add_number(Number number) noexcept;
    /// Tenths of a second: "12.3 s".
    Message& add_duration(u64 duration_ns) noexcept;

    /// For `note`: strings as they are, anything else as a check would show it.
    template <class T>
    Message& add_word(const T& value) noexcept;

    [[nodiscard]] constexpr const char* text() const noexcept { return data_; }
    [[nodiscard]] constexpr usize length() const noexcept { return length_; }
    constexpr void clear() noexcept {
        length_ = 0;
        data_[0] = '\0';
    }

  private:
    char data_[capacity] = {};
    usize length_ = 0;
};

template <class T>
inline void add_value(Message& out, const T& value) noexcept {
    using Plain = typename WithoutConst<T>::Type;
    if constexpr (__is_same(Plain, bool)) {
        out.add(value ? "true" : "false");
    } else if constexpr (is_number<Plain>) {
        out.add_number(number_of<Plain>(value));
    } else if constexpr (__is_same(Plain, decltype(nullptr))) {
        out.add("nullptr");
    } else if constexpr (is_pointer_type<Plain>) {
        if (value == nullptr) {
            out.add("nullptr");
        } else {
            out.add("0x").add_hex(static_cast<u64>(reinterpret_cast<uptr>(value)));
        }
    } else {
        out.add_bytes(&value, sizeof(value));
    }
}

template <class T>
[[nodiscard]] inline Message shown(const T& value) noexcept {
    Message out;
    add_value(out, value);
    return out;
}

template <class T>
inline constexpr bool is_string_type = false;
template <>
inline constexpr bool is_string_type<const char*> = true;
template <>
inline constexpr bool is_string_type<char*> = true;
template <usize N>
inline constexpr bool is_string_type<char[N]> = true;
template <usize N>
inline constexpr bool is_string_type<const char[N]> = true;

template <class T>
Message& Message::add_word(const T& value) noexcept {
    if (length_ != 0) {
        add(' ');
    }
    using Plain = typename WithoutConst<T>::Type;
    if constexpr (is_string_type<T> || is_string_type<Plain>) {
        add(static_cast<const char*>(value));
    } else {
        add_value(*this, value);
    }
    return *this;
}

} // namespace oxbow::test
