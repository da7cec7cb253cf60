// Rows that compare one of our numbers with the system's: a constant, a struct's size or a field's
// offset. A table of them is checked when it is compiled, and a test names every row that differs.
#pragma once

#include "../syscall/types.h"
#include "harness.h"

namespace oxbow::test {

struct Comparison {
    const char* name;
    u64 ours;
    u64 theirs;
};

template <usize N>
[[nodiscard]] constexpr bool all_same(const Comparison (&rows)[N]) noexcept {
    for (const Comparison& row : rows) {
        if (row.ours != row.theirs) {
            return false;
        }
    }
    return true;
}

/// Names every row that differs before the first of them fails the test.
template <usize N>
void check_rows(const Comparison (&rows)[N]) noexcept {
    for (const Comparison& row : rows) {
        if (row.ours != row.theirs) {
            note(row.name);
        }
    }
    for (const Comparison& row : rows) {
        CHECK_EQ(row.ours, row.theirs);
    }
}

/// Of two forms of one number, only the bits that both have: an i32 flag with its highest bit set
/// is the same as the unsigned one.
template <class A, class B>
[[nodiscard]] constexpr Comparison compare(const char* name, A ours, B theirs) noexcept {
    constexpr usize bytes = sizeof(A) < sizeof(B) ? sizeof(A) : sizeof(B);
    constexpr u64 mask = ~u64{0} >> (64 - 8 * bytes);
    return {name, static_cast<u64>(ours) & mask, static_cast<u64>(theirs) & mask};
}

} // namespace oxbow::test

#define SAME(ours, theirs) ::oxbow::test::compare(#ours " = " #theirs, ours, theirs)
#define SAME_SIZE(ours, theirs)                                                                    \
    ::oxbow::test::compare("sizeof " #ours " = " #theirs, sizeof(ours), sizeof(theirs)),           \
        ::oxbow::test::compare("alignof " #ours " = " #theirs, alignof(ours), alignof(theirs))
#define SAME_FIELD(ours, our_field, theirs, their_field)                                           \
    ::oxbow::test::compare(#ours "::" #our_field " = " #theirs "::" #their_field,                  \
                           __builtin_offsetof(ours, our_field),                                    \
                           __builtin_offsetof(theirs, their_field)),                               \
        ::oxbow::test::compare("sizeof " #ours "::" #our_field " = " #theirs "::" #their_field,    \
                               sizeof(static_cast<ours*>(nullptr)->our_field),                     \
                               sizeof(static_cast<theirs*>(nullptr)->their_field))
