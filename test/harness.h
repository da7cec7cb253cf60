// What a test file sees: TEST and VARIANT_TEST, the CHECK family, skips, seeds, temporary files and
// leak counts. Tests are found through an ELF section, so there are no constructors and nothing to
// list by hand; each runs in a forked child of its own (runner.cc). Nothing but syscall/ is
// linked, so the same tests run hosted, without a C library, and as the first process of a bare
// kernel.
#pragma once

#include "../syscall/additions.h"
#include "../syscall/errno.h"
#include "../syscall/types.h"
#include "check_value.h"

namespace oxbow::test {

/// One TEST, or one VARIANT_TEST with a row per variant.
struct TestEntry {
    const char* name;
    const char* file;
    u32 line;
    u32 rows;    ///< 0: a plain test
    bool hidden; ///< runs only with --hidden and a filter that names it
    void (*run)(u32 row) noexcept;
    const char* (*row_name)(u32 row) noexcept;
};

// ---- Where a check stands, and how it ends ----------------------------------------------------

struct Site {
    const char* file;
    u32 line;
    const char* text; ///< the check as it stands in the source
};

[[noreturn, gnu::cold]] void fail_check(const Site& site, const char* message) noexcept;
[[noreturn, gnu::cold]] void fail_values(const Site& site, const Message& actual,
                                         const Message& expected) noexcept;
[[noreturn, gnu::cold]] void fail_result(const Site& site, i64 result, i64 expected) noexcept;
[[noreturn, gnu::cold]] void fail_bytes(const Site& site, const u8* actual, const u8* expected,
                                        usize count, usize offset) noexcept;
[[noreturn, gnu::cold]] void fail_strings(const Site& site, const char* actual,
                                          const char* expected) noexcept;

template <class Relation, class A, class B>
inline void check_relation(const A& actual, const B& expected, const Site& site) noexcept {
    if (!Relation::holds(actual, expected)) [[unlikely]] {
        fail_values(site, shown(actual), shown(expected));
    }
}

/// Returns the value, so that `i32 fd = CHECK_OK(kernel::openat(...))` reads naturally.
template <class T>
inline T check_ok(T result, const Site& site) noexcept {
    // An address in the upper half of 32-bit memory is a negative `long` and no error.
    constexpr i64 lowest = __is_same(T, long) ? -4095 : -0x7fffffffffffffff;
    if (static_cast<i64>(result) < 0 && static_cast<i64>(result) >= lowest) [[unlikely]] {
        fail_result(site, static_cast<i64>(result), 0);
    }
    return result;
}

template <class T, class E>
inline void check_errno(T result, E error, const Site& site) noexcept {
    const i64 number = static_cast<i64>(error);
    const i64 expected = number < 0 ? number : -number;
    if (static_cast<i64>(result) != expected) [[unlikely]] {
        fail_result(site, static_cast<i64>(result), expected);
    }
}

void check_bytes(const void* actual, const void* expected, usize count, const Site& site) noexcept;
void check_strings(const char* actual, const char* expected, const Site& site) noexcept;

// ---- Skips ------------------------------------------------------------------------------------

[[noreturn]] void skip(const char* reason) noexcept;

/// What a test needs of its kernel: an entry of additions.h by its name, which must be one, or what
/// a row of a table says of its own.
struct Needed {
    Addition addition;

    consteval Needed(const char* name) noexcept : addition(find(name)) {}
    constexpr Needed(const Addition& of_a_row) noexcept : addition(of_a_row) {}

  private:
    static consteval Addition find(const char* name) noexcept {
        for (const Addition& addition : additions) {
            if (__builtin_strcmp(addition.name, name) == 0) {
                return addition;
            }
        }
        __builtin_trap(); // syscall/additions.h has no such name
    }
};
void skip_without(const Needed& needed) noexcept;
[[noreturn]] void skip_missing(const Needed& needed, const Site& site) noexcept;
void skip_if_missing(bool present, const Needed& needed, const Site& site) noexcept;

/// Whether this is qemu-user, which answers some calls itself, lacks others, and has this machine's
/// kernel's version all the same. Tests leave out what it is known to do otherwise: each such place
/// says what.
[[nodiscard]] bool is_emulated() noexcept;

/// Whether reads and writes take flags (preadv2, pwritev2): not in qemu-user 7.2, and not where a
/// test plays a kernel without. Then flags are refused with EOPNOTSUPP.
[[nodiscard]] bool has_transfer_flags() noexcept;

/// What this machine answers to whoever wants a ring: 0 where it gives rings, else ENOSYS (it has
/// none, or a filter hides them) or EPERM (its administrator does not allow them).
[[nodiscard]] i32 ring_refusal() noexcept;

/// First in a test that needs a ring: skips on a machine that gives none. In a strict run that is a
/// failure, unless OXBOW_REFUSE told the first process to have rings refused.
void need_rings() noexcept;

/// Whether the running kernel calls itself this version or a newer one.
[[nodiscard]] bool kernel_at_least(u32 first_major, u32 first_minor) noexcept;

// ---- Help for tests ---------------------------------------------------------------------------

/// Of this run and this test; the same again with `--seed`, whatever else runs.
[[nodiscard]] u64 test_seed() noexcept;

/// The running test as `--filter` takes it.
[[nodiscard]] const char* test_name() noexcept;

/// How many rounds a long test makes where it would make `rounds` on an idle machine: as `--effort`
/// says, and at least one. What fails in fewer rounds must fail in more with the same seed.
[[nodiscard]] u32 effort(u32 rounds) noexcept;

/// splitmix64: small, and every seed is a good one.
struct Random {
    u64 state;

    explicit constexpr Random(u64 seed) noexcept : state(seed) {}
    Random() noexcept : state(test_seed()) {}

    constexpr u64 next() noexcept {
        state += 0x9e3779b97f4a7c15u;
        u64 z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// 0 to bound - 1; 0 for a bound of 0.
    constexpr u32 below(u32 bound) noexcept {
        return static_cast<u32>(((next() >> 32) * bound) >> 32);
    }
    /// first to last, both included.
    constexpr u32 between(u32 first, u32 last) noexcept { return first + below(last - first + 1); }
    constexpr bool chance(u32 of_1000) noexcept { return below(1000) < of_1000; }
    void fill(void* to, usize bytes) noexcept {
        u8* const out = static_cast<u8*>(to);
        for (usize i = 0; i < bytes; ++i) {
            out[i] = static_cast<u8>(next() >> 24);
        }
    }
};

/// Monotonic time.
[[nodiscard]] u64 now_ns() noexcept;
void sleep_ms(u32 duration_ms) noexcept;

/// The directory of this test alone; it is removed, with what is in it, when the test has ended.
[[nodiscard]] const char* temp_directory() noexcept;

/// Writes a path into `buffer` that does not exist yet, in temp_directory(), and returns it.
const char* temp_path(char* buffer, usize bytes) noexcept;
template <usize N>
const char* temp_path(char (&buffer)[N]) noexcept {
    return temp_path(buffer, N);
}

/// Open descriptors of this process.
[[nodiscard]] i32 open_fd_count() noexcept;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OXBOW_TEST_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define OXBOW_TEST_SANITIZER 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define OXBOW_TEST_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OXBOW_TEST_THREAD_SANITIZER 1
#endif
#endif

/// Whether a sanitizer's run-time maps memory and runs threads in this process, as it likes.
#if defined(OXBOW_TEST_SANITIZER)
inline constexpr bool has_sanitizer = true;
#else
inline constexpr bool has_sanitizer = false;
#endif

/// Whether ThreadSanitizer is in this program. It defers the handlers that libc installs until its
/// run-time can be entered; of ours it does not know, and one that comes in between ends or hangs
/// it.
#if defined(OXBOW_TEST_THREAD_SANITIZER)
inline constexpr bool has_thread_sanitizer = true;
#else
inline constexpr bool has_thread_sanitizer = false;
#endif

/// Memory mappings of this process, or -1 where they cannot be counted (no /proc) or some are a
/// sanitizer's.
[[nodiscard]] i32 mapping_count() noexcept;

/// What a test may leak. `const Resources before = resources();` ...
/// `CHECK_SAME_RESOURCES(before);`
struct Resources {
    i32 fds;
    i32 mappings;
};
[[nodiscard]] Resources resources() noexcept;
void check_resources(const Resources& before, const Site& site) noexcept;

/// Processors that this process may run on, at least 1.
[[nodiscard]] u32 cpu_count() noexcept;

/// Prints to the captured output, which is shown when the test fails and with --verbose.
void print_text(const Message& line) noexcept;
template <class... Values>
void note(const Values&... values) noexcept {
    Message line;
    (line.add_word(values), ...);
    line.add("\n");
    print_text(line);
}

/// The result of a call that blocks although its thread has something in flight on a ring, made
/// again for as long as it says -EINTR. On ppc64le, Linux 6.1 says so without any signal: what the
/// ring does in that thread interrupts the call, and 7.2 then begins it anew, as other machines
/// always did.
template <class Call>
[[nodiscard]] auto repeat_interrupted(Call call) noexcept {
    auto result = call();
    while (result == -Errno::eintr) {
        result = call();
    }
    return result;
}

/// connect(2) for tests' own sockets, made again in the same way.
[[nodiscard]] i32 connect_blocking(i32 fd, const void* address, u32 bytes) noexcept;

// The parts of in_child.
[[nodiscard]] i32 fork_child() noexcept;
[[noreturn]] void leave_child(i32 status) noexcept;
[[nodiscard]] i32 wait_child(i32 pid) noexcept;

/// Runs `body` in a forked child and returns its exit status, or minus the signal that killed it. A
/// failing CHECK or a skip in there ends the whole test as it would out here.
template <class Body>
[[nodiscard]] i32 in_child(Body body) noexcept {
    const i32 pid = fork_child();
    if (pid == 0) {
        if constexpr (__is_same(decltype(body()), void)) {
            body();
            leave_child(0);
        } else {
            leave_child(static_cast<i32>(body()));
        }
    }
    return wait_child(pid);
}

} // namespace oxbow::test

// ---- Registration -----------------------------------------------------------------------------

// The section holds pointers, not entries: compilers align structs as they like, which would leave
// gaps between them, but an array of pointers is dense. `retain` keeps it through --gc-sections.
#if defined(__has_attribute) && __has_attribute(retain)
#define OXBOW_TEST_SECTION gnu::section("oxbow_tests"), gnu::used, gnu::retain
#else
#define OXBOW_TEST_SECTION gnu::section("oxbow_tests"), gnu::used
#endif

#define OXBOW_TEST_REGISTER(id, hidden, rows, run, row_name)                                       \
    static constexpr ::oxbow::test::TestEntry id##_entry = {#id,    __FILE__, __LINE__, rows,      \
                                                            hidden, run,      row_name};           \
    [[OXBOW_TEST_SECTION]] static const ::oxbow::test::TestEntry* id##_registered = &id##_entry

#define OXBOW_TEST_PLAIN(id, hidden)                                                               \
    static void id##_body() noexcept;                                                              \
    static void id##_run(::oxbow::u32) noexcept {                                                  \
        id##_body();                                                                               \
    }                                                                                              \
    OXBOW_TEST_REGISTER(id, hidden, 0, id##_run, nullptr);                                         \
    static void id##_body() noexcept

/// TEST(name) { ... }
#define TEST(id) OXBOW_TEST_PLAIN(id, false)

/// A test that only runs when it is asked for by name and with --hidden.
#define HIDDEN_TEST(id) OXBOW_TEST_PLAIN(id, true)

/// VARIANT_TEST(name, table) { ... row ... }: one test per row of a constexpr array of structs that
/// have a `const char* name`, listed as name/row. The body sees the row as `row`.
#define VARIANT_TEST(id, table) OXBOW_TEST_VARIANTS(id, table, false)

/// The same, only when it is asked for by name and with --hidden.
#define HIDDEN_VARIANT_TEST(id, table) OXBOW_TEST_VARIANTS(id, table, true)

#define OXBOW_TEST_VARIANTS(id, table, hidden)                                                     \
    static void id##_body(decltype((table)[0]) row) noexcept;                                      \
    static void id##_run(::oxbow::u32 at) noexcept {                                               \
        id##_body((table)[at]);                                                                    \
    }                                                                                              \
    static const char* id##_row_name(::oxbow::u32 at) noexcept {                                   \
        return (table)[at].name;                                                                   \
    }                                                                                              \
    OXBOW_TEST_REGISTER(id, hidden, sizeof(table) / sizeof((table)[0]), id##_run, id##_row_name);  \
    static void id##_body([[maybe_unused]] decltype((table)[0]) row) noexcept

// ---- Checks -----------------------------------------------------------------------------------

#define OXBOW_TEST_SITE(text)                                                                      \
    ::oxbow::test::Site {                                                                          \
        __FILE__, __LINE__, text                                                                   \
    }

/// A check that does not hold prints where it stands, both values and how to repeat it, and ends
/// the test.
#define CHECK(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : ::oxbow::test::fail_check(OXBOW_TEST_SITE("CHECK(" #condition ")"), nullptr))
#define FAIL(message) ::oxbow::test::fail_check(OXBOW_TEST_SITE("FAIL"), message)

#define OXBOW_TEST_RELATION(relation, macro, actual, expected)                                     \
    ::oxbow::test::check_relation<::oxbow::test::relation>(                                        \
        (actual), (expected), OXBOW_TEST_SITE(macro "(" #actual ", " #expected ")"))
#define CHECK_EQ(actual, expected) OXBOW_TEST_RELATION(Equal, "CHECK_EQ", actual, expected)
#define CHECK_NE(actual, expected) OXBOW_TEST_RELATION(NotEqual, "CHECK_NE", actual, expected)
#define CHECK_LT(actual, expected) OXBOW_TEST_RELATION(Less, "CHECK_LT", actual, expected)
#define CHECK_LE(actual, expected) OXBOW_TEST_RELATION(LessEqual, "CHECK_LE", actual, expected)
#define CHECK_GT(actual, expected) OXBOW_TEST_RELATION(Greater, "CHECK_GT", actual, expected)
#define CHECK_GE(actual, expected) OXBOW_TEST_RELATION(GreaterEqual, "CHECK_GE", actual, expected)

/// For results that are a value or a negative errno: CHECK_OK wants a value and returns it;
/// CHECK_ERRNO(result, Errno::einval) wants that error.
#define CHECK_OK(result) ::oxbow::test::check_ok((result), OXBOW_TEST_SITE("CHECK_OK(" #result ")"))
#define CHECK_ERRNO(result, error)                                                                 \
    ::oxbow::test::check_errno((result), (error),                                                  \
                               OXBOW_TEST_SITE("CHECK_ERRNO(" #result ", " #error ")"))

#define CHECK_BYTES(actual, expected, count)                                                       \
    ::oxbow::test::check_bytes(                                                                    \
        (actual), (expected), (count),                                                             \
        OXBOW_TEST_SITE("CHECK_BYTES(" #actual ", " #expected ", " #count ")"))
#define CHECK_STREQ(actual, expected)                                                              \
    ::oxbow::test::check_strings((actual), (expected),                                             \
                                 OXBOW_TEST_SITE("CHECK_STREQ(" #actual ", " #expected ")"))
#define CHECK_SAME_RESOURCES(before)                                                               \
    ::oxbow::test::check_resources((before), OXBOW_TEST_SITE("CHECK_SAME_RESOURCES(" #before ")"))

/// For what the machine lacks, whatever its kernel: not root, no IPv6, no second CPU.
#define SKIP(reason) ::oxbow::test::skip(reason)
/// First in a test whose signal handler may run anywhere.
#define SKIP_WITH_THREAD_SANITIZER()                                                               \
    if (::oxbow::test::has_thread_sanitizer)                                                       \
    SKIP("ThreadSanitizer cannot be entered from a signal handler that it does not know of")

/// For what the kernel is too old for, judged by its version: `needed` is a name of
/// syscall/additions.h, or an Addition. Does nothing where the kernel should have it. With
/// `--strict` the test goes on in any case, and where the kernel should not have it, must not pass.
#define SKIP_WITHOUT(needed) ::oxbow::test::skip_without(needed)

/// The same where the test found it out by asking. A skip on a kernel that should have it is a
/// failure.
#define SKIP_MISSING(needed)                                                                       \
    ::oxbow::test::skip_missing(needed, OXBOW_TEST_SITE("SKIP_MISSING(" #needed ")"))
/// With `--strict`, so is the presence on one that should not.
#define SKIP_IF_MISSING(present, needed)                                                           \
    ::oxbow::test::skip_if_missing((present), needed,                                              \
                                   OXBOW_TEST_SITE("SKIP_IF_MISSING(" #present ")"))
