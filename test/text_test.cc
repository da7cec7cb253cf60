// Text: numbers of every size, columns, what happens where memory ends; and write_all through short
// writes, signals and errors.
#include "../syscall/text.h"

#include "../syscall/call.h"
#include "harness.h"
#include "hook.h"

namespace oxbow::test {

namespace {

struct DecimalRow {
    u64 value;
    const char* text;
};

constexpr DecimalRow decimal_rows[] = {
    {0, "0"},
    {1, "1"},
    {9, "9"},
    {10, "10"},
    {99, "99"},
    {100, "100"},
    {4294967295u, "4294967295"},
    {4294967296u, "4294967296"},
    {9999999999999999999u, "9999999999999999999"},
    {10000000000000000000u, "10000000000000000000"},
    {18446744073709551615u, "18446744073709551615"},
};

} // namespace

TEST(text_decimal) {
    for (const DecimalRow& row : decimal_rows) {
        TextBuffer<32> text;
        CHECK_STREQ(text.number_u64(row.value).c_str(), row.text);
        CHECK_STREQ(TextBuffer<32>().number(row.value).c_str(), row.text);
    }
    CHECK_STREQ(TextBuffer<32>().number(-1).c_str(), "-1");
    CHECK_STREQ(TextBuffer<32>().number(i8{-128}).c_str(), "-128");
    CHECK_STREQ(TextBuffer<32>().number(u8{255}).c_str(), "255");
    CHECK_STREQ(TextBuffer<32>().number_i64(-9223372036854775807 - 1).c_str(),
                "-9223372036854775808");
    CHECK_STREQ(TextBuffer<32>().number_u64(7, 3).c_str(), "007");
    CHECK_STREQ(TextBuffer<32>().number_u64(1234, 3).c_str(), "1234");
    CHECK_STREQ(TextBuffer<64>().number_u64(0, 20).c_str(), "00000000000000000000");
    CHECK_STREQ(TextBuffer<32>().number_right(42, 6).c_str(), "    42");
    CHECK_STREQ(TextBuffer<32>().number_right(1234567, 6).c_str(), "1234567");
}

TEST(text_decimal_agrees_with_addition) {
    Random random;
    for (u32 round = 0; round < 1000; ++round) {
        const u64 value = random.next() >> random.below(64);
        TextBuffer<32> text;
        text.number(value);
        u64 back = 0;
        for (usize at = 0; at < text.size(); ++at) {
            back = back * 10 + static_cast<u64>(text.c_str()[at] - '0');
        }
        CHECK_EQ(back, value);
        CHECK(text.size() == 1 || text.c_str()[0] != '0');
    }
}

TEST(text_hexadecimal) {
    CHECK_STREQ(TextBuffer<32>().hex(0).c_str(), "0");
    CHECK_STREQ(TextBuffer<32>().hex(0xf).c_str(), "f");
    CHECK_STREQ(TextBuffer<32>().hex(0x10).c_str(), "10");
    CHECK_STREQ(TextBuffer<32>().hex(~u64{0}).c_str(), "ffffffffffffffff");
    CHECK_STREQ(TextBuffer<32>().hex(0xab, 4).c_str(), "00ab");
    CHECK_STREQ(TextBuffer<32>().address(reinterpret_cast<void*>(uptr{0x1234})).c_str(), "0x1234");
    CHECK_STREQ(TextBuffer<32>().address(nullptr).c_str(), "0x0");
}

TEST(text_columns) {
    CHECK_STREQ(TextBuffer<32>().add("ab").column(4).add('c').c_str(), "ab  c");
    CHECK_STREQ(TextBuffer<32>().add("abcd").column(4).add('e').c_str(), "abcd e");
    CHECK_STREQ(TextBuffer<32>().add("long line\nx").column(3).add('y').c_str(), "long line\nx  y");
    CHECK_STREQ(TextBuffer<32>().left("ab", 4).add('|').c_str(), "ab  |");
    CHECK_STREQ(TextBuffer<32>().left("abcdef", 4).add('|').c_str(), "abcdef|");
    CHECK_STREQ(TextBuffer<32>().right("ab", 4).c_str(), "  ab");
    CHECK_STREQ(TextBuffer<32>().repeat('-', 3).c_str(), "---");
    CHECK_STREQ(TextBuffer<64>().error(-2).c_str(), "ENOENT (no such file or directory)");
    CHECK_STREQ(TextBuffer<64>().error(999).c_str(), "errno unknown (errno unknown)");
}

TEST(text_ends_where_its_memory_ends) {
    char memory[8] = {'?', '?', '?', '?', '?', '?', '?', '!'};
    Text text(memory, 7);
    text.add("abc");
    CHECK(!text.truncated());
    text.add("defgh");
    CHECK(text.truncated());
    CHECK_STREQ(text.c_str(), "abcdef");
    CHECK_EQ(text.size(), 6u);
    CHECK_EQ(memory[7], '!');
    text.add('x').number(12345).hex(77);
    CHECK_STREQ(text.c_str(), "abcdef");
    text.clear();
    CHECK(!text.truncated());
    CHECK_EQ(text.size(), 0u);
    CHECK_STREQ(text.add("123456").c_str(), "123456");
    CHECK(!text.truncated());

    char one[1];
    Text nothing(one);
    CHECK_STREQ(nothing.add('a').c_str(), "");
    CHECK(nothing.truncated());
}

TEST(text_constant_helpers) {
    static_assert(text_length("") == 0);
    static_assert(text_length("abc") == 3);
    static_assert(text_equal("", ""));
    static_assert(text_equal("ab", "ab"));
    static_assert(!text_equal("ab", "abc"));
    static_assert(!text_equal("abc", "ab"));
    static_assert(!text_equal("abd", "abc"));
}

TEST(text_write_to_goes_on_after_short_writes_and_signals) {
    i32 fds[2];
    CHECK_OK(kernel::pipe2(fds, abi::open_flag::cloexec));
    interrupt_call(number::write, 2);
    shorten_call(number::write, 3, 1, 2);
    TextBuffer<64> text;
    text.add("0123456789 and the rest");
    CHECK_OK(text.write_to(fds[1]));
    CHECK_EQ(calls_made(number::write), 4u);
    clear_faults();
    char back[64] = {};
    CHECK_EQ(kernel::read(fds[0], back, sizeof(back)), static_cast<long>(text.size()));
    CHECK_STREQ(back, text.c_str());
    CHECK_OK(kernel::close(fds[0]));
    CHECK_OK(kernel::close(fds[1]));
}

TEST(text_write_all_reports_what_ended_it) {
    CHECK_ERRNO(write_all(-1, "a", 1), Errno::ebadf);
    CHECK_OK(write_all(-1, "a", 0));
    fail_call(number::write, Errno::enospc);
    CHECK_ERRNO(write_all(1, "a", 1), Errno::enospc);
    clear_faults();
    // A write that takes nothing and reports nothing must not go round for ever.
    set_handler(
        [](void*, long call, const long*, int, long* result) noexcept {
            *result = 0;
            return call == number::write;
        },
        nullptr);
    CHECK_ERRNO(write_all(1, "a", 1), Errno::eio);
}

} // namespace oxbow::test
