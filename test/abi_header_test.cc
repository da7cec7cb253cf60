// Compares our io_uring structs and constants with the kernel header that this file is compiled
// with, whatever its version: test/newest_headers.sh compiles it against several. Only hosted
// builds can have that header.
//
// An older header lacks some of the names. So the names are declared first in a namespace around
// the one that the header is included in, as something that says "absent": where the header defines
// a name, its own hides that one, and nothing has to ask for the header's version.

#if __STDC_HOSTED__ && __has_include(<linux/io_uring.h>)

namespace absent_unless_hidden {

struct Absent {};

#define CONSTANT(theirs, ours) [[maybe_unused]] constexpr Absent theirs{};
#include "abi_constants.inc"
#undef CONSTANT

#define OWN_STRUCT(type, bytes)
#define OWN_FIELD(type, field, offset, bytes)
#define STRUCT(type, bytes, theirs) struct theirs;
#define FIELD(type, field, offset, bytes, theirs, their_field) struct theirs;
#define ALIAS(type, field, offset, theirs, their_field) struct theirs;
#include "abi_structs.inc"
#undef STRUCT
#undef FIELD
#undef ALIAS

namespace header {
// clang-format off
#include <linux/io_uring.h>
#include <linux/version.h>
#if __has_include(<linux/io_uring/zcrx.h>)
#include <linux/io_uring/zcrx.h>
#endif
#if __has_include(<linux/io_uring/query.h>)
#include <linux/io_uring/query.h>
#endif
#if __has_include(<linux/io_uring/bpf_filter.h>)
#include <linux/io_uring/bpf_filter.h>
#endif
#if __has_include(<linux/io_uring/mock_file.h>)
#include <linux/io_uring/mock_file.h>
#endif
// clang-format on
} // namespace header

} // namespace absent_unless_hidden

#include "../syscall/abi_time.h"
#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"
#include "../syscall/abi_uring_zcrx.h"
#include "abi_mock.h"
#include "harness.h"

namespace absent_unless_hidden {

namespace abi = oxbow::abi;
using oxbow::u32;
using oxbow::u64;
using oxbow::usize;

struct Value {
    bool present;
    u64 number;
};

template <class T>
constexpr Value value_of(T number) noexcept {
    return {true, static_cast<u64>(number)};
}
constexpr Value value_of(Absent) noexcept {
    return {false, 0};
}

struct Constant {
    const char* name;
    Value theirs;
    Value ours;
};

struct Place {
    bool present;
    usize offset;
    usize bytes; ///< 0 where only the place is to be compared
};

struct Field {
    const char* type;
    const char* field; ///< null for a whole struct
    Place theirs;
    Place ours;
};

template <class T>
constexpr Place place_of_struct() noexcept {
    if constexpr (requires { sizeof(T); }) {
        return {true, 0, sizeof(T)};
    } else {
        return {false, 0, 0};
    }
}

// As a template, so that a struct or a field that is not there is a choice and not an error.
#define THEIR_PLACE(theirs, field, bytes)                                                          \
    []<class T>(T*) constexpr noexcept->Place {                                                    \
        if constexpr (requires(T & object) { object.field; }) {                                    \
            return {true, __builtin_offsetof(T, field), bytes};                                    \
        } else {                                                                                   \
            return {false, 0, 0};                                                                  \
        }                                                                                          \
    }                                                                                              \
    (static_cast<theirs*>(nullptr))
#define OUR_PLACE(type, field, bytes)                                                              \
    { true, __builtin_offsetof(abi::type, field), bytes }

namespace header {

constexpr Constant constants[] = {
#define CONSTANT(theirs, ours) {#theirs, value_of(theirs), value_of(abi::ours)},
#include "abi_constants.inc"
#undef CONSTANT
};

constexpr Field fields[] = {
#define STRUCT(type, bytes, theirs)                                                                \
    {#theirs, nullptr, place_of_struct<theirs>(), {true, 0, sizeof(abi::type)}},
#define FIELD(type, field, offset, bytes, theirs, their_field)                                     \
    {#theirs, #their_field,                                                                        \
     THEIR_PLACE(theirs, their_field, sizeof(static_cast<T*>(nullptr)->their_field)),              \
     OUR_PLACE(type, field, sizeof(static_cast<abi::type*>(nullptr)->field))},
#define ALIAS(type, field, offset, theirs, their_field)                                            \
    {#theirs, #their_field, THEIR_PLACE(theirs, their_field, 0), OUR_PLACE(type, field, 0)},
#include "abi_structs.inc"
};

} // namespace header

/// Whether the header is as new as our lists, so that it must have every name in them.
constexpr bool complete = LINUX_VERSION_CODE >= 0x070300;

} // namespace absent_unless_hidden

using absent_unless_hidden::complete;
using absent_unless_hidden::Constant;
using absent_unless_hidden::Field;

TEST(abi_header_constants_are_ours) {
    oxbow::u32 compared = 0;
    for (const Constant& row : absent_unless_hidden::header::constants) {
        if (!row.theirs.present) {
            oxbow::test::note("not in this header:", row.name);
            CHECK(!complete);
            continue;
        }
        if (row.ours.number != row.theirs.number) {
            oxbow::test::note(row.name, "differs");
        }
        CHECK_EQ(row.ours.number, row.theirs.number);
        ++compared;
    }
    oxbow::test::note("compared", compared, "constants with", LINUX_VERSION_CODE);
    // Linux 5.10, the oldest header in use, has this many of them.
    CHECK_GE(compared, 100u);
}

TEST(abi_header_fields_are_ours) {
    oxbow::u32 compared = 0;
    for (const Field& row : absent_unless_hidden::header::fields) {
        const char* const name = row.field != nullptr ? row.field : "(size)";
        if (!row.theirs.present) {
            oxbow::test::note("not in this header:", row.type, name);
            CHECK(!complete);
            continue;
        }
        if (row.ours.offset != row.theirs.offset || row.ours.bytes != row.theirs.bytes) {
            oxbow::test::note(row.type, name, "differs");
        }
        CHECK_EQ(row.ours.offset, row.theirs.offset);
        CHECK_EQ(row.ours.bytes, row.theirs.bytes);
        ++compared;
    }
    oxbow::test::note("compared", compared, "structs and fields with", LINUX_VERSION_CODE);
    CHECK_GE(compared, 100u);
}

#endif
