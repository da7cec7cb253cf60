// Whether a text is one JSON value as RFC 8259 has it, for tests on machines without another judge.
#pragma once

#include "../syscall/types.h"

namespace oxbow::test {

class JsonCheck {
  public:
    explicit constexpr JsonCheck(const char* text) noexcept : start_(text), at_(text) {}

    /// Where the text is wrong, in bytes from its start, or -1.
    [[nodiscard]] i32 fault() noexcept {
        const bool good = value(0);
        blank();
        return good && *at_ == '\0' ? -1 : static_cast<i32>(at_ - start_);
    }

  private:
    static constexpr u32 depth_max = 32;

    void blank() noexcept {
        while (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r') {
            ++at_;
        }
    }

    [[nodiscard]] bool take(char character) noexcept {
        const bool same = *at_ == character;
        at_ += same ? 1 : 0;
        return same;
    }

    [[nodiscard]] bool word(const char* rest) noexcept {
        for (; *rest != '\0'; ++rest) {
            if (!take(*rest)) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] bool digits() noexcept {
        const char* const first = at_;
        while (*at_ >= '0' && *at_ <= '9') {
            ++at_;
        }
        return at_ != first;
    }

    [[nodiscard]] bool number() noexcept {
        (void)take('-');
        if (!take('0') && !digits()) {
            return false;
        }
        if (take('.') && !digits()) {
            return false;
        }
        if (take('e') || take('E')) {
            (void)(take('+') || take('-'));
            return digits();
        }
        return true;
    }

    [[nodiscard]] bool hex_digit() noexcept {
        const char c = *at_;
        const bool is = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        at_ += is ? 1 : 0;
        return is;
    }

    [[nodiscard]] bool escape() noexcept {
        if (take('u')) {
            return hex_digit() && hex_digit() && hex_digit() && hex_digit();
        }
        for (const char* known = "\"\\/bfnrt"; *known != '\0'; ++known) {
            if (take(*known)) {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] bool string() noexcept {
        if (!take('"')) {
            return false;
        }
        while (!take('"')) {
            if (static_cast<u8>(*at_) < 0x20) { // the end of the text among them
                return false;
            }
            if (take('\\')) {
                if (!escape()) {
                    return false;
                }
            } else {
                ++at_;
            }
        }
        return true;
    }

    /// Members or elements up to `end`.
    [[nodiscard]] bool list(char end, bool has_keys, u32 depth) noexcept {
        blank();
        if (take(end)) {
            return true;
        }
        for (;;) {
            blank();
            if (has_keys) {
                if (!string()) {
                    return false;
                }
                blank();
                if (!take(':')) {
                    return false;
                }
            }
            if (!value(depth + 1)) {
                return false;
            }
            blank();
            if (take(end)) {
                return true;
            }
            if (!take(',')) {
                return false;
            }
        }
    }

    [[nodiscard]] bool value(u32 depth) noexcept {
        if (depth > depth_max) {
            return false;
        }
        blank();
        switch (*at_) {
        case '{':
            ++at_;
            return list('}', true, depth);
        case '[':
            ++at_;
            return list(']', false, depth);
        case '"':
            return string();
        case 't':
            return word("true");
        case 'f':
            return word("false");
        case 'n':
            return word("null");
        default:
            return number();
        }
    }

    const char* start_;
    const char* at_;
};

[[nodiscard]] inline i32 json_fault(const char* text) noexcept {
    return JsonCheck(text).fault();
}

} // namespace oxbow::test
