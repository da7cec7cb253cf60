// Pins the size of every io_uring struct and the place and size of each of its fields to literal
// numbers, which are the same on every machine. The compiler checks them; the tests check what it
// cannot: that the list in abi_structs.inc leaves no byte of any struct out.

#include "../syscall/abi_time.h"
#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"
#include "../syscall/abi_uring_zcrx.h"
#include "abi_mock.h"
#include "harness.h"

namespace {

namespace abi = oxbow::abi;
using oxbow::usize;

#define OFFSET(type, field) __builtin_offsetof(abi::type, field)
#define BYTES(type, field) sizeof(static_cast<abi::type*>(nullptr)->field)

#define OWN_STRUCT(type, bytes) static_assert(sizeof(abi::type) == (bytes));
#define OWN_FIELD(type, field, offset, bytes)                                                      \
    static_assert(OFFSET(type, field) == (offset) && BYTES(type, field) == (bytes));
#define STRUCT(type, bytes, theirs) OWN_STRUCT(type, bytes)
#define FIELD(type, field, offset, bytes, theirs, their_field) OWN_FIELD(type, field, offset, bytes)
#define ALIAS(type, field, offset, theirs, their_field)                                            \
    static_assert(OFFSET(type, field) == (offset));
#include "abi_structs.inc"
#undef OWN_STRUCT
#undef OWN_FIELD
#undef ALIAS

/// A struct (`field` is null, `offset` 0) or one field of the struct above it in the table.
struct Row {
    const char* type;
    const char* field;
    usize offset;
    usize bytes;
    usize expected_offset;
    usize expected_bytes;
};

#define OWN_STRUCT(type, bytes) {#type, nullptr, 0, sizeof(abi::type), 0, bytes},
#define OWN_FIELD(type, field, offset, bytes)                                                      \
    {#type, #field, OFFSET(type, field), BYTES(type, field), offset, bytes},
#define ALIAS(type, field, offset, theirs, their_field)
constexpr Row rows[] = {
#include "abi_structs.inc"
};

constexpr usize largest_struct = sizeof(abi::Probe);

/// Fails, and names the place, if no field of the table has byte `at` of struct `type`.
void check_covered(const char* type, const bool* covered, usize bytes) noexcept {
    for (usize at = 0; at < bytes; ++at) {
        if (!covered[at]) {
            oxbow::test::note(type, "has no field listed at byte", at);
        }
        CHECK(covered[at]);
    }
}

} // namespace

TEST(abi_uring_fields_are_at_their_places) {
    for (const Row& row : rows) {
        if (row.offset != row.expected_offset || row.bytes != row.expected_bytes) {
            oxbow::test::note(row.type, row.field != nullptr ? row.field : "itself");
        }
        CHECK_EQ(row.offset, row.expected_offset);
        CHECK_EQ(row.bytes, row.expected_bytes);
    }
}

TEST(abi_uring_structs_have_no_unlisted_byte) {
    const Row* whole = nullptr;
    bool covered[largest_struct] = {};
    for (const Row& row : rows) {
        if (row.field == nullptr) {
            if (whole != nullptr) {
                check_covered(whole->type, covered, whole->bytes);
            }
            CHECK_LE(row.bytes, largest_struct);
            for (bool& byte : covered) {
                byte = false;
            }
            whole = &row;
            continue;
        }
        CHECK(whole != nullptr);
        CHECK_STREQ(row.type, whole->type);
        CHECK_LE(row.offset + row.bytes, whole->bytes);
        for (usize at = row.offset; at < row.offset + row.bytes; ++at) {
            covered[at] = true;
        }
    }
    CHECK(whole != nullptr);
    check_covered(whole->type, covered, whole->bytes);
}

// What the helpers of the structs answer.

TEST(abi_uring_completion_helpers) {
    abi::Cqe cqe = {};
    CHECK(!cqe.has_buffer());
    CHECK(!cqe.more());
    CHECK(!cqe.notification());
    cqe.flags = 0xfedc0001u;
    CHECK(cqe.has_buffer());
    CHECK_EQ(cqe.buffer_id(), 0xfedcu);
    cqe.flags = abi::cqe_flag::more;
    CHECK(cqe.more());
    CHECK(!cqe.has_buffer());
    cqe.flags = abi::cqe_flag::notif;
    CHECK(cqe.notification());
    CHECK(!cqe.more());
}

TEST(abi_uring_addresses_are_zero_extended) {
    // The top bit of a 32-bit pointer must not spread: the kernel would refuse the address.
    const oxbow::uptr high = oxbow::uptr{1} << (sizeof(oxbow::uptr) * 8 - 1);
    CHECK_EQ(oxbow::address_of(reinterpret_cast<const void*>(high)), oxbow::u64{high});
}
