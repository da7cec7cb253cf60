// The harness under test: it runs itself, on tests that fail, crash, hang and skip on purpose, and
// looks at what it prints. Those are hidden, so nobody else ever runs them.
#include "harness.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "../syscall/call.h"
#include "hook.h"
#include "refusing_filter.h"
#include "runner.h"

namespace oxbow::test {
namespace {

// ---- Tests that end in every way --------------------------------------------------------------

[[noreturn]] void sleep_for_ever() noexcept {
    for (;;) {
        sleep_ms(1000);
    }
}

} // namespace

HIDDEN_TEST(selftest_pass) {
    note("selftest_pass ran with", test_seed());
}
HIDDEN_TEST(selftest_fail_eq) {
    const i32 short_count = -1;
    CHECK_EQ(short_count, 0xffffffffu);
}
HIDDEN_TEST(selftest_fail_condition) {
    CHECK(test_seed() == 0 && test_seed() == 1);
}
HIDDEN_TEST(selftest_fail_bytes) {
    u8 left[100] = {};
    u8 right[100] = {};
    right[77] = 0xab;
    CHECK_BYTES(left, right, sizeof(left));
}
HIDDEN_TEST(selftest_fail_streq) {
    CHECK_STREQ("one\n", "two");
}
HIDDEN_TEST(selftest_fail_ok) {
    CHECK_OK(-Errno::enoent);
}
HIDDEN_TEST(selftest_fail_errno) {
    CHECK_ERRNO(3, Errno::einval);
}
HIDDEN_TEST(selftest_fail_with_faults) {
    fail_call(number::write, Errno::eio, 1, always); // the report must get through
    fail_call(number::exit_group, Errno::eio, 1, always);
    FAIL("with faults");
}
HIDDEN_TEST(selftest_fail_in_child) {
    (void)in_child([]() noexcept { CHECK_EQ(1, 2); });
}
HIDDEN_TEST(selftest_skip_in_child) {
    (void)in_child([]() noexcept { SKIP("seen in the child"); });
}
HIDDEN_TEST(selftest_crash) {
    (void)kernel::kill(kernel::getpid(), abi::signal::sys);
    sleep_for_ever();
}
HIDDEN_TEST(selftest_skip_then_crash) {
    const i32 pid = kernel::fork();
    if (pid == 0) {
        SKIP("what the child says before its parent falls over");
    }
    abi::SignalInfo info = {};
    (void)kernel::waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited);
    (void)kernel::kill(kernel::getpid(), abi::signal::sys);
    sleep_for_ever();
}
HIDDEN_TEST(selftest_hang) {
    note("about to hang");
    sleep_for_ever();
}
HIDDEN_TEST(selftest_exit_0) {
    kernel::exit_group(0);
}
HIDDEN_TEST(selftest_exit_3) {
    kernel::exit_group(3);
}
HIDDEN_TEST(selftest_skip_one) {
    SKIP("this machine has no flux");
}
HIDDEN_TEST(selftest_skip_two) {
    SKIP("this machine has no flux");
}
HIDDEN_TEST(selftest_skip_future) {
    SKIP_WITHOUT((Addition{"time travel", 9999, 1}));
}
HIDDEN_TEST(selftest_skip_not_needed) {
    SKIP_WITHOUT((Addition{"old things", 2, 6}));
    SKIP_IF_MISSING(true, (Addition{"old things", 2, 6}));
}
HIDDEN_TEST(selftest_skip_unexpected) {
    SKIP_MISSING((Addition{"old things", 2, 6}));
}
HIDDEN_TEST(selftest_skip_expected) {
    SKIP_IF_MISSING(false, (Addition{"new things", 9999, 0}));
}
HIDDEN_TEST(selftest_strict_passes) {
    SKIP_WITHOUT((Addition{"time travel", 9999, 1}));
}
HIDDEN_TEST(selftest_strict_fails) {
    SKIP_WITHOUT((Addition{"time travel", 9999, 1}));
    (void)in_child([]() noexcept { CHECK_EQ(0, 1); });
}
HIDDEN_TEST(selftest_strict_has) {
    SKIP_IF_MISSING(true, (Addition{"new things", 9999, 0}));
}
HIDDEN_TEST(selftest_without_rings) {
    if (!is_emulated()) {
        CHECK_OK(refuse_rings(Errno::enosys));
    }
    need_rings();
}
HIDDEN_TEST(selftest_leftover) {
    if (kernel::fork() == 0) { // unlike in_child's, this one does not die with its parent
        sleep_for_ever();
    }
}
HIDDEN_TEST(selftest_stray) {
    if (fork_child() == 0) {
        (void)kernel::prctl(abi::prctl_option::set_parent_death_signal, 0L);
        (void)kernel::setsid();
        sleep_for_ever();
    }
    sleep_ms(50);
}
HIDDEN_TEST(selftest_flood) {
    for (u32 i = 0; i < 40000; ++i) {
        note("this line is the number", i, "of very many lines");
    }
    FAIL("after the flood");
}
HIDDEN_TEST(selftest_effort) {
    note("effort", effort(40), effort(5), effort(1));
}

HIDDEN_TEST(selftest_files) {
    note(temp_directory());
    char path[256];
    CHECK_OK(kernel::mkdirat(abi::at_fdcwd, temp_path(path), 0700));
    CHECK_OK(kernel::chdir(path));
    CHECK_OK(kernel::mkdirat(abi::at_fdcwd, "inner", 0700));
    CHECK_OK(kernel::openat(abi::at_fdcwd, "inner/file", abi::open_flag::create, 0));
    CHECK_OK(kernel::symlinkat("/", abi::at_fdcwd, "inner/link"));
    CHECK_OK(kernel::fchmodat(abi::at_fdcwd, "inner", 0));
}

namespace {
struct Row {
    const char* name;
    u32 value;
};
constexpr Row rows[] = {{"one", 1}, {"two", 2}, {"three", 3}};
} // namespace

VARIANT_TEST(harness_variant, rows) {
    CHECK_EQ(row.value, static_cast<u32>(&row - rows) + 1);
    CHECK_STREQ(row.name, rows[row.value - 1].name);
}

namespace {

// ---- Running the program ----------------------------------------------------------------------

/// What a run of the program printed, and its exit status.
struct Run {
    i32 status;
    char output[48 * 1024];

    [[nodiscard]] bool has(const char* part) const noexcept {
        for (const char* from = output; *from != '\0'; ++from) {
            usize i = 0;
            while (part[i] != '\0' && from[i] == part[i]) {
                ++i;
            }
            if (part[i] == '\0') {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] bool ends_with(const char* end) const noexcept {
        const usize length = text_length(output);
        const usize end_length = text_length(end);
        return length >= end_length && text_equal(output + length - end_length, end);
    }
};

#define CHECK_HAS(run, part)                                                                       \
    do {                                                                                           \
        if (!(run).has(part)) {                                                                    \
            (void)write_all(2, (run).output, text_length((run).output));                           \
            FAIL("the output above lacks " part);                                                  \
        }                                                                                          \
    } while (false)

[[nodiscard]] i32 output_file() noexcept {
    return CHECK_OK(kernel::memfd_create("output", abi::memfd_flag::cloexec));
}

void read_output(i32 fd, Run& run) noexcept {
    const long bytes = CHECK_OK(kernel::pread(fd, run.output, sizeof(run.output) - 1, 0));
    run.output[bytes] = '\0';
    CHECK_OK(kernel::close(fd));
}

/// Calls the whole program in a child, as if it had been started with these arguments, on a kernel
/// that lacks the system call `missing`.
template <usize N>
void run_with(Run& run, const char* const (&arguments)[N], long missing = -1) noexcept {
    const i32 fd = output_file();
    run.status = in_child([&]() noexcept {
        CHECK_OK(kernel::dup3(fd, 1, 0));
        CHECK_OK(kernel::dup3(fd, 2, 0));
        const char* argv[N + 2] = {"PROGRAM"};
        for (usize i = 0; i < N; ++i) {
            argv[i + 1] = arguments[i];
        }
        if (missing >= 0) {
            fail_call(missing, Errno::enosys, 1, always);
        }
        return run_program(static_cast<int>(N + 1), const_cast<char**>(argv));
    });
    read_output(fd, run);
}

constinit Run run = {};

} // namespace

// ---- Results ----------------------------------------------------------------------------------

TEST(harness_passing_test) {
    run_with(run, {"--hidden", "--filter=selftest_pass"});
    CHECK_EQ(run.status, 0);
    CHECK(!run.has("selftest_pass ran"));
    CHECK(run.ends_with("\n1 passed, 0 failed, 0 skipped\n"));
}

TEST(harness_verbose_shows_output) {
    run_with(run, {"--hidden", "--filter=selftest_pass", "--verbose"});
    CHECK_EQ(run.status, 0);
    CHECK_HAS(run, "ok   selftest_pass (0.");
    CHECK_HAS(run, "    selftest_pass ran with");
}

TEST(harness_failing_checks_show_both_values) {
    run_with(run, {"--hidden", "--filter=selftest_fail*", "--seed=7"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "harness_test.cc:");
    CHECK_HAS(run, "CHECK_EQ(short_count, 0xffffffffu)\n      actual:   -1 (-EPERM)\n"
                   "      expected: 4294967295 (0xffffffff)\n");
    CHECK_HAS(run, "CHECK(test_seed() == 0 && test_seed() == 1)\n");
    CHECK_HAS(run, "first difference at offset 77 (0x4d) of 100; bytes from 69:\n"
                   "      actual:   00 00 00 00 00 00 00 00 00 00");
    CHECK_HAS(run, "expected: 00 00 00 00 00 00 00 00 ab 00");
    CHECK_HAS(run, "actual:   \"one\\n\"\n      expected: \"two\"\n");
    CHECK_HAS(run, "actual:   -2 (-ENOENT): ");
    CHECK_HAS(run, "actual:   3\n      expected: -22 (-EINVAL): ");
    CHECK_HAS(run, "with faults");
    CHECK_HAS(run, "repeat: PROGRAM --filter=selftest_fail_eq --seed=7\n");
    CHECK_HAS(run, "\nfailed: selftest_fail_eq\n");
    CHECK(run.ends_with("\n0 passed, 8 failed, 0 skipped\n"));
}

TEST(harness_child_ends_the_test) {
    run_with(run, {"--hidden", "--filter=selftest_fail_in_child,selftest_skip_in_child"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "CHECK_EQ(1, 2)");
    CHECK_HAS(run, "skipped 1 (seen in the child):");
    CHECK(run.ends_with("\n0 passed, 1 failed, 1 skipped\n"));
}

TEST(harness_crash_names_the_signal) {
    run_with(run, {"--hidden", "--filter=selftest_crash"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "killed by SIGSYS (signal 31)\n      repeat: PROGRAM --filter=selftest_crash");
}

TEST(harness_crash_behind_a_skip_is_a_failure) {
    run_with(run, {"--hidden", "--filter=selftest_skip_then_crash"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "killed by SIGSYS");
}

TEST(harness_hang_is_a_failure) {
    const u64 started_ns = now_ns();
    run_with(run, {"--hidden", "--filter=selftest_hang", "--timeout=1"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "FAIL selftest_hang (1.");
    CHECK_HAS(run, "about to hang");
    CHECK_HAS(run, "hang: no end after 1 s, killed");
    CHECK_GE(now_ns() - started_ns, u64{1000000000});
}

TEST(harness_unexpected_exit_is_a_failure) {
    run_with(run, {"--hidden", "--filter=selftest_exit_*", "--jobs=1"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "the process ended by itself with status 0");
    CHECK_HAS(run, "the process ended by itself with status 3");
    CHECK(run.ends_with("\n0 passed, 2 failed, 0 skipped\n"));
}

TEST(harness_skips_are_grouped) {
    run_with(run, {"--hidden", "--filter=selftest_skip_one,selftest_skip_two,selftest_skip_future,"
                               "selftest_skip_expected,selftest_skip_not_needed"});
    CHECK_EQ(run.status, 0);
    CHECK_HAS(run,
              "skipped 2 (this machine has no flux):\n    selftest_skip_one selftest_skip_two\n");
    CHECK_HAS(run, "skipped 1 (time travel: Linux 9999.1):\n    selftest_skip_future\n");
    CHECK_HAS(run, "skipped 1 (new things: Linux 9999.0):\n    selftest_skip_expected\n");
    CHECK(run.ends_with("\n1 passed, 0 failed, 4 skipped\n"));
}

TEST(harness_unexpected_skip_is_a_failure) {
    run_with(run, {"--hidden", "--filter=selftest_skip_unexpected"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "unexpected skip: old things: this kernel is Linux ");
    CHECK_HAS(run, "should have it since Linux 2.6");
}

TEST(harness_strict_runs_what_must_not_pass) {
    run_with(run, {"--hidden", "--strict", "--filter=selftest_strict_fails"});
    CHECK_EQ(run.status, 0);
    CHECK_HAS(run, "skipped 1 (time travel: Linux 9999.1):\n");
    run_with(run, {"--hidden", "--strict", "--filter=selftest_strict_passes"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "it passed on a kernel that should lack time travel: Linux 9999.1");
    run_with(run, {"--hidden", "--strict", "--filter=selftest_strict_has"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "this kernel has what it should lack: new things: Linux 9999.0");
    run_with(run, {"--hidden", "--filter=selftest_strict_has,selftest_strict_passes"});
    CHECK(run.ends_with("\n1 passed, 0 failed, 1 skipped\n"));
}

TEST(harness_strict_wants_rings) {
    run_with(run, {"--hidden", "--strict", "--filter=selftest_without_rings"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "unexpected skip: this machine refuses io_uring");
    run_with(run, {"--hidden", "--filter=selftest_without_rings"});
    CHECK(run.ends_with("\n0 passed, 0 failed, 1 skipped\n"));
}

TEST(harness_leftover_processes_are_ended) {
    run_with(run, {"--hidden", "--filter=selftest_leftover"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "it left processes running");
}

TEST(harness_stray_processes_are_ended) {
    char children[64];
    if (read_text_file("/proc/thread-self/children", children, sizeof(children)) < 0 ||
        kernel::prctl(abi::prctl_option::set_child_subreaper, 1L) < 0) {
        SKIP("no lists of children in /proc, or no subreapers");
    }
    run_with(run, {"--hidden", "--filter=selftest_stray"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "it left processes running");
}

TEST(harness_fake_kernel_never_sleeps) {
    run_with(run, {"--hidden", "--filter=selftest_fake_sleeps_for_ever"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "this io_uring_enter would sleep for ever");
}

TEST(harness_flood_is_cut) {
    run_with(run, {"--hidden", "--filter=selftest_flood", "--tap"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "bytes are not shown)\n");
}

TEST(harness_temporary_files_are_removed) {
    run_with(run, {"--hidden", "--filter=selftest_files", "--verbose"});
    CHECK_EQ(run.status, 0);
    const char* at = run.output;
    const char* path = nullptr;
    for (; *at != '\0' && path == nullptr; ++at) {
        path = at[0] == ' ' && at[1] == '/' ? at + 1 : nullptr;
    }
    CHECK(path != nullptr);
    Message directory;
    for (; *path != '\n' && *path != '\0'; ++path) {
        directory.add(*path);
    }
    CHECK_ERRNO(kernel::faccessat(abi::at_fdcwd, directory.text(), abi::access_mode::exists),
                Errno::enoent);
}

// ---- Small kernels ----------------------------------------------------------------------------

namespace {

struct MissingCall {
    const char* name;
    long number;
};
constexpr MissingCall missing_calls[] = {
    {"pidfd_open", number::pidfd_open},
    {"memfd_create", number::memfd_create},
    {"signalfd4", number::signalfd4},
    {"close_range", number::close_range},
    {"prctl", number::prctl},
    {"getrandom", number::getrandom},
    {"sched_getaffinity", number::sched_getaffinity},
    {"prlimit64", number::prlimit64},
    {"openat", number::openat},
    {"uname", number::uname},
};

} // namespace

VARIANT_TEST(harness_runs_without, missing_calls) {
    run_with(run,
             {"--hidden", "--jobs=4",
              "--filter=selftest_pass,selftest_crash,selftest_skip_one,selftest_exit_3"},
             row.number);
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "killed by SIGSYS");
    CHECK_HAS(run, "skipped 1 (this machine has no flux)");
    CHECK(run.ends_with("\n1 passed, 2 failed, 1 skipped\n"));
}

TEST(harness_hang_without_pidfd) {
    run_with(run, {"--hidden", "--filter=selftest_hang", "--timeout=1"}, number::pidfd_open);
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "hang: no end after 1 s, killed");
}

TEST(harness_says_why_nothing_runs) {
    run_with(run, {"--hidden", "--filter=selftest_pass"}, number::clone);
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "fork: ENOSYS");
    run_with(run, {"--hidden", "--filter=selftest_files"}, number::mkdirat);
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "no temporary directory /");
}

// ---- Surroundings of a test -------------------------------------------------------------------

TEST(harness_child_starts_clean) {
    CHECK_EQ(open_fd_count(), 3);
    char byte = 0;
    CHECK_EQ(kernel::read(0, &byte, 1), 0);
    CHECK_ERRNO(kernel::fcntl(3, abi::fcntl_command::get_fd_flags), Errno::ebadf);
    abi::SignalSet blocked = abi::SignalSet::all();
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &blocked));
    for (i32 signal_number = 1; signal_number <= abi::signal::last; ++signal_number) {
        CHECK(!blocked.has(signal_number));
    }
    abi::SignalAction action = {};
    CHECK_OK(kernel::rt_sigaction(abi::signal::pipe, nullptr, &action));
    CHECK_EQ(action.handler, abi::signal_handler::standard);
}

TEST(harness_counts_resources) {
    const Resources before = resources();
    CHECK_SAME_RESOURCES(before);
    const i32 fd = CHECK_OK(kernel::eventfd2(0, 0));
    CHECK_EQ(open_fd_count(), before.fds + 1);
    CHECK_OK(kernel::close(fd));
    if (before.mappings < 0) {
        SKIP("mappings cannot be counted: no /proc, or a sanitizer");
    }
    constexpr usize bytes = 1 << 20;
    const long address = CHECK_OK(kernel::mmap(nullptr, bytes, abi::protection::read,
                                               abi::map::shared | abi::map::anonymous, -1, 0));
    CHECK_EQ(mapping_count(), before.mappings + 1);
    CHECK_OK(kernel::munmap(reinterpret_cast<void*>(address), bytes));
    CHECK_SAME_RESOURCES(before);
}

TEST(harness_in_child_tells_the_status) {
    CHECK_EQ(in_child([]() noexcept { return 42; }), 42);
    CHECK_EQ(in_child([]() noexcept {}), 0);
    CHECK_EQ(in_child([]() noexcept { (void)kernel::kill(kernel::getpid(), abi::signal::kill); }),
             -abi::signal::kill);
}

TEST(harness_temp_paths_differ) {
    char first[256];
    char second[256];
    CHECK(!text_equal(temp_path(first), temp_path(second)));
    CHECK_ERRNO(kernel::faccessat(abi::at_fdcwd, first, abi::access_mode::exists), Errno::enoent);
    CHECK_OK(kernel::close(
        CHECK_OK(kernel::openat(abi::at_fdcwd, first, abi::open_flag::create, 0600))));
}

TEST(harness_random_is_even) {
    Random random(1);
    u32 seen[10] = {};
    for (u32 i = 0; i < 10000; ++i) {
        ++seen[random.below(10)];
    }
    for (const u32 count : seen) {
        CHECK_GT(count, 800);
        CHECK_LT(count, 1200);
    }
    for (u32 i = 0; i < 1000; ++i) {
        const u32 drawn = random.between(5, 7);
        CHECK_GE(drawn, 5);
        CHECK_LE(drawn, 7);
    }
}

// ---- Values -----------------------------------------------------------------------------------

TEST(harness_compares_by_value) {
    CHECK_NE(-1, 0xffffffffu);
    CHECK_NE(i64{-1}, ~u64{0});
    CHECK_LT(i8{-1}, u64{0});
    CHECK_GT(u64{1} << 63, i64{0x7fffffffffffffff});
    CHECK_EQ(u8{200}, 200);
    CHECK_EQ(-5, i64{-5});
    CHECK_LT(-7, -6L);
    CHECK_EQ(true, 1);
    CHECK_EQ(Errno::einval, 22);
    CHECK_EQ(Errno::einval, Errno::einval);
    const void* const nothing = nullptr;
    CHECK_EQ(nothing, nullptr);
    int numbers[2] = {};
    CHECK_LT(&numbers[0], &numbers[1]);
    CHECK_STREQ("same", "same");
    CHECK_BYTES("same", "same", 4);
}

TEST(harness_shows_values) {
    CHECK_STREQ(shown(0).text(), "0");
    CHECK_STREQ(shown(~u64{0}).text(), "18446744073709551615 (0xffffffffffffffff)");
    CHECK_STREQ(shown(static_cast<i64>(u64{1} << 63)).text(), "-9223372036854775808");
    CHECK_STREQ(shown(-Errno::etime).text(), "-62 (-ETIME)");
    CHECK_STREQ(shown(false).text(), "false");
    CHECK_STREQ(shown(nullptr).text(), "nullptr");
    CHECK_STREQ(shown(reinterpret_cast<void*>(0x1234)).text(), "0x1234");
    CHECK_STREQ(shown(Row{"x", 1}).length() > 8 ? "bytes" : "none", "bytes");
    Message time;
    CHECK_STREQ(time.add_duration(12345678901u).text(), "12.3 s");
}

// ---- Command line -----------------------------------------------------------------------------

TEST(harness_glob) {
    CHECK(matches_glob("", ""));
    CHECK(matches_glob("*", ""));
    CHECK(matches_glob("a*c", "abbbc"));
    CHECK(matches_glob("a*b*c", "a/b/bc"));
    CHECK(matches_glob("?b*", "abc"));
    CHECK(matches_glob("**x", "xxx"));
    CHECK(!matches_glob("a*c", "abcd"));
    CHECK(!matches_glob("?", ""));
    CHECK(!matches_glob("abc", "ab"));
    CHECK(!matches_glob("ab", "abc"));
}

TEST(harness_filter) {
    run_with(run, {"--list", "--filter=harness_variant"});
    CHECK_EQ(run.status, 0);
    CHECK_STREQ(run.output, "harness_variant/one\nharness_variant/two\nharness_variant/three\n");
    run_with(run, {"--list", "--filter", "harness_variant/t*"});
    CHECK_STREQ(run.output, "harness_variant/two\nharness_variant/three\n");
    run_with(run, {"--list", "--filter=harness_variant/one,harness_gl?b"});
    CHECK_STREQ(run.output, "harness_variant/one\nharness_glob\n");
    run_with(run, {"--list", "--filter=harness_variant,-harness_variant/t*"});
    CHECK_STREQ(run.output, "harness_variant/one\n");
    run_with(run, {"--list", "--filter=-harness_*"});
    CHECK_HAS(run, "loop_");
    CHECK(!run.has("harness_"));
    // A whole name means that test alone, although others contain it.
    run_with(run, {"--list", "--hidden", "--filter=selftest_pass"});
    CHECK_STREQ(run.output, "selftest_pass\n");
}

TEST(harness_effort) {
    run_with(run, {"--hidden", "--filter=selftest_effort", "--verbose"});
    CHECK_HAS(run, "effort 40 5 1");
    run_with(run, {"--hidden", "--filter=selftest_effort", "--verbose", "--effort=10"});
    CHECK_HAS(run, "effort 4 1 1");
    run_with(run, {"--hidden", "--filter=selftest_effort", "--verbose", "--effort=300"});
    CHECK_HAS(run, "effort 120 15 3");
}

TEST(harness_hidden_tests_stay_hidden) {
    run_with(run, {"--list", "--filter=selftest_pass"});
    CHECK_EQ(run.status, 2);
    CHECK_STREQ(run.output, "PROGRAM: no test matches selftest_pass (see --help)\n");
    run_with(run, {"--list", "--hidden", "--filter=harness_glob"});
    CHECK_STREQ(run.output, "harness_glob\n");
}

TEST(harness_bad_arguments) {
    run_with(run, {"--frobnicate"});
    CHECK_EQ(run.status, 2);
    CHECK_STREQ(run.output, "PROGRAM: unknown argument --frobnicate (see --help)\n");
    run_with(run, {"--seed=12x"});
    CHECK_EQ(run.status, 2);
    CHECK_STREQ(run.output, "PROGRAM: not a number in range: --seed=12x (see --help)\n");
    run_with(run, {"--jobs=1000"});
    CHECK_EQ(run.status, 2);
    run_with(run, {"--filter"});
    CHECK_EQ(run.status, 2);
    CHECK_STREQ(run.output, "PROGRAM: a value is missing after --filter (see --help)\n");
    run_with(run, {"--filter=harness_glob,no_such_test"});
    CHECK_EQ(run.status, 2);
    CHECK_STREQ(run.output, "PROGRAM: no test matches no_such_test (see --help)\n");
}

TEST(harness_help_names_every_option) {
    run_with(run, {"--help"});
    CHECK_EQ(run.status, 0);
    CHECK_HAS(run, "usage: PROGRAM [OPTION]...");
    CHECK_HAS(run, "--filter=");
    CHECK_HAS(run, "--list");
    CHECK_HAS(run, "--seed=N");
    CHECK_HAS(run, "--effort=P");
    CHECK_HAS(run, "--jobs=N");
    CHECK_HAS(run, "--strict");
    CHECK_HAS(run, "--timeout=S");
    CHECK_HAS(run, "--verbose");
    CHECK_HAS(run, "--tap");
    CHECK_HAS(run, "--ctest");
}

namespace {

/// The seed that selftest_pass printed.
[[nodiscard]] u64 printed_seed() noexcept {
    constexpr const char* label = "ran with ";
    const char* at = run.output;
    while (*at != '\0') {
        usize i = 0;
        while (label[i] != '\0' && at[i] == label[i]) {
            ++i;
        }
        if (label[i] == '\0') {
            u64 value = 0;
            for (at += i; *at >= '0' && *at <= '9'; ++at) {
                value = value * 10 + static_cast<u64>(*at - '0');
            }
            return value;
        }
        ++at;
    }
    FAIL("no seed was printed");
}

} // namespace

TEST(harness_seed_repeats) {
    run_with(run, {"--hidden", "--filter=selftest_pass", "--verbose", "--seed=1"});
    const u64 first = printed_seed();
    run_with(run,
             {"--hidden", "--filter=selftest_pass,selftest_skip_one", "--verbose", "--seed=1"});
    CHECK_EQ(printed_seed(), first);
    run_with(run, {"--hidden", "--filter=selftest_pass", "--verbose", "--seed=2"});
    CHECK_NE(printed_seed(), first);
}

TEST(harness_tap) {
    run_with(run, {"--hidden", "--tap", "--jobs=1",
                   "--filter=selftest_pass,selftest_fail_eq,selftest_crash,selftest_skip_one"});
    CHECK_EQ(run.status, 1);
    CHECK_HAS(run, "TAP version 13\n1..4\n# 4 tests, ");
    CHECK_HAS(run, "\nok 1 - selftest_pass\n");
    CHECK_HAS(run, "\nnot ok 2 - selftest_fail_eq\n# ");
    CHECK_HAS(run, "\n#   actual:   -1");
    CHECK_HAS(run, "\nnot ok 3 - selftest_crash\n# killed by SIGSYS");
    CHECK_HAS(run, "\nok 4 - selftest_skip_one # SKIP this machine has no flux\n");
    CHECK(run.ends_with("\n1 passed, 2 failed, 1 skipped\n"));
}

TEST(harness_ctest_script) {
    run_with(run, {"--ctest", "--filter=harness_variant/one"});
    CHECK_EQ(run.status, 0);
    CHECK_HAS(run, "add_test([=[harness_variant/one]=] [=[");
    CHECK_HAS(run, "]=] [=[--filter=harness_variant/one]=])\n");
    CHECK_HAS(run, "SKIP_REGULAR_EXPRESSION \"0 passed, 0 failed, 1 skipped\"");
}

TEST(harness_runs_as_a_program) {
    const i32 fd = output_file();
    const i32 status = in_child([&]() noexcept {
        CHECK_OK(kernel::dup3(fd, 1, 0));
        const char* const argv[] = {"again", "--hidden", "--filter=selftest_fail_eq", nullptr};
        const char* const environment[] = {nullptr};
        (void)kernel::execve("/proc/self/exe", argv, environment);
        return 126;
    });
    read_output(fd, run);
    if (status == 126) {
        SKIP("this program cannot execute itself here");
    }
    CHECK_EQ(status, 1);
    CHECK_HAS(run, "repeat: again --filter=selftest_fail_eq --seed=");
}

// ---- Ends from outside ------------------------------------------------------------------------

namespace {

/// The first child of a process, or 0 where there is none or none is told.
[[nodiscard]] i32 child_of(i32 pid) noexcept {
    Message path;
    path.add("/proc/").add_decimal(static_cast<u64>(pid)).add("/task/");
    path.add_decimal(static_cast<u64>(pid)).add("/children");
    char text[64];
    if (read_text_file(path.text(), text, sizeof(text)) < 0) {
        SKIP("no /proc, or one without lists of children");
    }
    i32 child = 0;
    for (const char* at = text; *at >= '0' && *at <= '9'; ++at) {
        child = child * 10 + (*at - '0');
    }
    return child;
}

/// Starts the program on a test that hangs, and returns its process and that of the test.
void start_hanging(i32& program, i32& test) noexcept {
    program = fork_child();
    if (program == 0) {
        const char* argv[] = {"PROGRAM", "--hidden", "--filter=selftest_hang", nullptr};
        leave_child(run_program(3, const_cast<char**>(argv)));
    }
    test = 0;
    for (u32 tries = 0; tries < 1000 && test == 0; ++tries) {
        sleep_ms(5);
        test = child_of(program);
    }
    CHECK_NE(test, 0);
}

[[nodiscard]] bool ends_soon(i32 pid) noexcept {
    for (u32 tries = 0; tries < 1000; ++tries) {
        if (kernel::kill(pid, 0) == -Errno::esrch) {
            return true;
        }
        sleep_ms(5);
    }
    return false;
}

} // namespace

TEST(harness_killed_program_leaves_no_test) {
    i32 program = 0;
    i32 test = 0;
    start_hanging(program, test);
    // The orphan becomes ours, to be waited for, or else somebody's who reaps it for us.
    const bool ours = kernel::prctl(abi::prctl_option::set_child_subreaper, 1L) == 0;
    CHECK_OK(kernel::kill(program, abi::signal::kill));
    CHECK_EQ(wait_child(program), -abi::signal::kill);
    if (ours) {
        // By the signal that it asked for, or of itself where the program died before it could ask.
        const i32 status = wait_child(test);
        CHECK(status == -abi::signal::kill || status == 1);
    } else {
        CHECK(ends_soon(test));
    }
}

TEST(harness_interrupted_program_cleans_up) {
    i32 program = 0;
    i32 test = 0;
    start_hanging(program, test);
    sleep_ms(20);
    CHECK_OK(kernel::kill(program, abi::signal::term));
    CHECK_EQ(wait_child(program), 128 + abi::signal::term);
    CHECK(ends_soon(test));
}

} // namespace oxbow::test
