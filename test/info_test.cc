// The program `info`, run as people run it: both outputs, refusals, wrong arguments and an output
// that cannot be written. The program is looked for where the build puts it, beside the tests.
#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/abi_process.h"
#include "../syscall/call.h"
#include "../syscall/start.h"
#include "../syscall/text.h"
#include "harness.h"
#include "json_check.h"
#include "refusing_filter.h"

namespace oxbow::test {
namespace {

constexpr usize output_bytes_max = 32768;

/// What one run printed, and how it ended.
struct Run {
    i32 status;
    char out[output_bytes_max];
    char err[1024];
};

Run run; // too large for some stacks

[[nodiscard]] bool contains(const char* text, const char* part) noexcept {
    for (; *text != '\0'; ++text) {
        usize at = 0;
        while (part[at] != '\0' && text[at] == part[at]) {
            ++at;
        }
        if (part[at] == '\0') {
            return true;
        }
    }
    return false;
}

struct Build {
    const char* name; ///< of the program
    const char* places[2];
};

constexpr Build builds[] = {
    {"info", {"../example/info", "oxbow-info"}},
    {"info-static", {"../example/info-static", "oxbow-info-static"}},
};

/// Where the program is, or a skip: a test program that was copied elsewhere has none beside it.
void find_program(const Build& build, Text& path) noexcept {
    char self[512];
    const char* program = self;
    const i32 length = kernel::readlinkat(abi::at_fdcwd, "/proc/self/exe", self, sizeof(self) - 1);
    if (length > 0) {
        self[length] = '\0';
    } else { // no /proc
        const uptr name = auxiliary_value(auxiliary::executable_name);
        program = name != 0 ? reinterpret_cast<const char*>(name) : "";
    }
    usize directory = text_length(program);
    while (directory > 0 && program[directory - 1] != '/') {
        --directory;
    }
    for (const char* const place : build.places) {
        path.clear();
        path.add(program, directory).add(place);
        const i32 fd = kernel::openat(abi::at_fdcwd, path.c_str(),
                                      abi::open_flag::read_only | abi::open_flag::cloexec);
        if (fd >= 0) {
            CHECK_OK(kernel::close(fd));
            return;
        }
    }
    SKIP("the program info is not built beside this one");
}

i32 file_for(const char* name) noexcept {
    return CHECK_OK(kernel::memfd_create(name, abi::memfd_flag::cloexec));
}

void take(i32 fd, char* text, usize bytes) noexcept {
    const long length = CHECK_OK(kernel::pread(fd, text, bytes - 1, 0));
    CHECK_LT(static_cast<usize>(length), bytes - 1);
    text[length] = '\0';
    CHECK_OK(kernel::close(fd));
}

/// Runs it with one argument or none. `prepare` is called in the child, with the output in place.
template <class Prepare>
void run_program(const char* path, const char* argument, Prepare prepare) noexcept {
    const i32 out = file_for("out");
    const i32 err = file_for("err");
    run.status = in_child([&]() noexcept -> i32 {
        CHECK_OK(kernel::dup3(out, 1, 0));
        CHECK_OK(kernel::dup3(err, 2, 0));
        prepare();
        const char* const arguments[] = {path, argument, nullptr};
        const char* const environment[] = {"PATH=/usr/bin:/bin", nullptr};
        (void)kernel::execve(path, arguments, environment);
        return 127;
    });
    take(out, run.out, sizeof(run.out));
    take(err, run.err, sizeof(run.err));
}

void run_program(const char* path, const char* argument) noexcept {
    run_program(path, argument, [] {});
}

/// The one place where the foreign judge of JSON is asked, if it is installed.
void check_with_python(const char* json) noexcept {
    constexpr const char* python = "/usr/bin/python3";
    if (kernel::faccessat(abi::at_fdcwd, python, abi::access_mode::exec) < 0) {
        note("no python3 here: judged by json_check.h alone");
        return;
    }
    const i32 in = file_for("in");
    CHECK_OK(write_all(in, json, text_length(json)));
    CHECK_EQ(kernel::lseek(in, 0, 0), 0);
    const i32 null =
        CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/null", abi::open_flag::write_only));
    const i32 status = in_child([&]() noexcept -> i32 {
        CHECK_OK(kernel::dup3(in, 0, 0));
        CHECK_OK(kernel::dup3(null, 1, 0));
        const char* const arguments[] = {python, "-m", "json.tool", nullptr};
        const char* const environment[] = {"PATH=/usr/bin:/bin", nullptr};
        (void)kernel::execve(python, arguments, environment);
        return 127;
    });
    CHECK_OK(kernel::close(in));
    CHECK_OK(kernel::close(null));
    CHECK_EQ(status, 0);
}

/// Every line ends in a newline, has no blank before it, and fits a terminal.
void check_lines(const char* text) noexcept {
    usize column = 0;
    char last = '\n';
    for (; *text != '\0'; ++text) {
        if (*text == '\n') {
            CHECK_NE(last, ' ');
            column = 0;
        } else {
            ++column;
            CHECK_LE(column, 80u);
        }
        last = *text;
    }
    CHECK_EQ(last, '\n');
}

} // namespace

VARIANT_TEST(info_for_people, builds) {
    TextBuffer<600> path;
    find_program(row, path);
    run_program(path.c_str(), nullptr);
    note(run.out, run.err);
    CHECK_STREQ(run.err, "");
    check_lines(run.out);
    CHECK(contains(run.out, "io_uring on Linux "));
    CHECK(contains(run.out, "\nlimits\n"));
    CHECK(contains(run.out, "\nsetup flags "));
    CHECK(contains(run.out, "\nregister operations "));
    if (run.status == 0) {
        CHECK(contains(run.out, "available         yes\n"));
        CHECK(contains(run.out, "  nop "));
    } else {
        CHECK_EQ(run.status, 1);
        CHECK(contains(run.out, "available         no\n"));
    }
}

VARIANT_TEST(info_json, builds) {
    TextBuffer<600> path;
    find_program(row, path);
    run_program(path.c_str(), "--json");
    note(run.out, run.err);
    CHECK_STREQ(run.err, "");
    CHECK_EQ(json_fault(run.out), -1);
    CHECK(contains(run.out, "\"opcodes\": {\"supported\": ["));
    check_with_python(run.out);
}

struct RefusalRow {
    const char* name;
    Errno error;
    const char* part;
};

constexpr RefusalRow refusal_rows[] = {
    {"EPERM", Errno::eperm, "filter"},
    {"ENOSYS", Errno::enosys, "filter"},
    {"EOPNOTSUPP", Errno::eopnotsupp, "filter"},
    {"ENOMEM", Errno::enomem, "locked"},
};

VARIANT_TEST(info_refused, refusal_rows) {
    TextBuffer<600> path;
    find_program(builds[1], path);
    const auto refuse = [&row]() noexcept {
        if (refuse_rings(row.error) < 0) {
            SKIP("no seccomp filters here");
        }
    };
    run_program(path.c_str(), nullptr, refuse);
    note(run.out, run.err);
    CHECK_EQ(run.status, 1);
    check_lines(run.out);
    CHECK(contains(run.out, "available         no\n"));
    CHECK(contains(run.out, row.name));
    CHECK(contains(run.out, row.part));
    CHECK(contains(run.out, "a filter is in force"));
    run_program(path.c_str(), "--json", refuse);
    CHECK_EQ(run.status, 1);
    CHECK_EQ(json_fault(run.out), -1);
    CHECK(contains(run.out, "\"available\": false"));
    CHECK(contains(run.out, "\"why\": \"io_uring_setup ("));
    check_with_python(run.out);
}

VARIANT_TEST(info_help, builds) {
    TextBuffer<600> path;
    find_program(row, path);
    run_program(path.c_str(), "--help");
    CHECK_EQ(run.status, 0);
    CHECK(contains(run.out, "usage: info [--json]"));
    check_lines(run.out);
}

VARIANT_TEST(info_wrong_argument, builds) {
    TextBuffer<600> path;
    find_program(row, path);
    run_program(path.c_str(), "--jsno");
    CHECK_EQ(run.status, 2);
    CHECK_STREQ(run.out, "");
    CHECK_STREQ(run.err, "info: there is no such option, see --help: --jsno\n");
}

VARIANT_TEST(info_output_that_cannot_be_written, builds) {
    TextBuffer<600> path;
    find_program(row, path);
    const char* const arguments[] = {nullptr, "--json", "--help"};
    for (const char* const argument : arguments) {
        run_program(path.c_str(), argument, []() noexcept {
            const i32 full = kernel::openat(abi::at_fdcwd, "/dev/full", abi::open_flag::write_only);
            if (full < 0) {
                SKIP("there is no /dev/full");
            }
            CHECK_OK(kernel::dup3(full, 1, 0));
        });
        CHECK_EQ(run.status, 1);
        CHECK(contains(run.err, "info: cannot write: ENOSPC"));
        run_program(path.c_str(), argument, []() noexcept { CHECK_OK(kernel::close(1)); });
        CHECK_EQ(run.status, 1);
        CHECK(contains(run.err, "info: cannot write: EBADF"));
    }
}

TEST(info_json_check_knows_faults) {
    CHECK_EQ(json_fault("{\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\n\"], \"b\": {}}\n"), -1);
    const char* const wrong[] = {"",         "{",           "{\"a\": 1,}", "{\"a\" 1}", "[1 2]",
                                 "{'a': 1}", "[01]",        "[\"a\nb\"]",  "[nul]",     "{} {}",
                                 "[1.]",     "[\"\\x41\"]", "{\"a\": }",   "[-]",       "[,1]"};
    for (const char* const text : wrong) {
        note(text);
        CHECK_GE(json_fault(text), 0);
    }
}

} // namespace oxbow::test
