// What the two sides of the harness share: the parent, which runs tests in children and reports
// (runner.cc, report.cc, options.cc), and the child, in which a test runs (harness.cc).
#pragma once

#include "../syscall/atomic.h"
#include "../syscall/text.h"
#include "harness.h"

namespace oxbow::test {

// ---- Between child and parent -----------------------------------------------------------------

enum class Ending : u32 {
    none = 0, ///< the process ended, or has not ended yet, without the test having come to an end
    passed,
    failed,
    skipped,
};

/// In memory that a test's processes share with the parent.
struct Outcome {
    u32 ending;       ///< Ending
    u32 lacking;      ///< the kernel lacks what it needs, as `reason` tells: it must not pass
    char reason[240]; ///< of a skip, or of `lacking`

    [[nodiscard]] Ending read_ending() const noexcept {
        return static_cast<Ending>(load_acquire(&ending));
    }
};

/// What a child knows about the test it runs.
struct Running {
    Outcome* outcome = nullptr;
    const char* name = "";
    const char* program = "";
    const char* directory = ""; ///< made on first use
    u64 run_seed = 0;
    u32 effort_percent = 100;
    bool strict = false;
};

/// Runs one test in this process, which ends with it.
[[noreturn]] void run_here(const TestEntry& entry, u32 row, const Running& running) noexcept;

/// Whether tests run even where the kernel lacks what they need.
[[nodiscard]] bool is_strict() noexcept;

/// From here on the running test must not pass: the kernel lacks something, says `reason`.
void expect_failure(const char* reason) noexcept;

/// The temporary directory of the test that runs in this process; nullptr where none does, or where
/// it cannot be made.
[[nodiscard]] const char* try_temp_directory() noexcept;

// ---- Options ----------------------------------------------------------------------------------

enum class Mode : u8 { run, list, ctest, help };

struct Options {
    Mode mode = Mode::run;
    const char* program = "oxbow-test";
    const char* filter = nullptr; ///< comma-separated; nullptr: everything
    u64 seed = 0;
    bool has_seed = false;
    bool tap = false;
    bool verbose = false;
    bool hidden = false;
    bool strict = false;
    u32 jobs = 0;       ///< 0: two for each CPU
    u32 timeout_s = 60; ///< 0: none
    u32 progress_s = 0; ///< 0: never
    u32 effort_percent = 100;
};

/// 0, or the exit status of a program that was called wrongly; the reason is printed.
[[nodiscard]] int parse_options(int argc, char** argv, Options& options) noexcept;
void print_help(const Options& options) noexcept;

/// `*` stands for any characters and `?` for one.
[[nodiscard]] bool matches_glob(const char* pattern, const char* text) noexcept;

// ---- Tests as they are run --------------------------------------------------------------------

enum class State : u8 { waiting, passed, failed, skipped };

/// One row of one entry.
struct Case {
    const TestEntry* entry;
    u32 row;
    State state;
    bool selected;
    u64 duration_ns;
    char reason[240];
};

[[nodiscard]] Message name_of(const Case& test) noexcept;

struct Cases {
    Case* cases;
    u32 count;
    u32 selected;

    [[nodiscard]] Case* begin() const noexcept { return cases; }
    [[nodiscard]] Case* end() const noexcept { return cases + count; }
};

/// Every registered test in the order of its files and lines, and which of them the filter takes.
/// 0, or an exit status after a message.
[[nodiscard]] int select_cases(const Options& options, Cases& cases) noexcept;

// ---- Reports ----------------------------------------------------------------------------------

struct Totals {
    u32 passed = 0;
    u32 failed = 0;
    u32 skipped = 0;
};

void report_start(const Options& options, const Cases& cases, u32 jobs) noexcept;

void report_progress(const Cases& cases, const Totals& totals) noexcept;

/// One test has ended. `why` says what its own output does not (a crash, a hang), or is empty;
/// `output_fd` is what it printed, or -1.
void report_case(const Options& options, const Case& test, const char* why, i32 output_fd) noexcept;

void report_end(const Options& options, const Cases& cases, const Totals& totals,
                u64 duration_ns) noexcept;

void list_cases(const Cases& cases) noexcept;
void list_for_ctest(const Options& options, const Cases& cases) noexcept;

// ---- Files ------------------------------------------------------------------------------------

/// Writes everything; what becomes of it does not change what is reported next.
inline void write_text(i32 fd, const Message& text) noexcept {
    (void)write_all(fd, text.text(), text.length());
}

/// Reads at most `bytes` - 1 bytes of a file and ends them with a zero. A count or a negative
/// errno.
[[nodiscard]] long read_text_file(const char* path, char* buffer, usize bytes) noexcept;

/// Removes a directory with all that is in it.
void remove_tree(const char* path) noexcept;

/// Runs all that `options` select. The program's exit status.
[[nodiscard]] int run_cases(const Options& options, const Cases& cases) noexcept;

/// The whole program.
[[nodiscard]] int run_program(int argc, char** argv) noexcept;

} // namespace oxbow::test
