// What the test program prints: plain lines or TAP while it runs, skips and totals at the end, and
// the lists for people and for CTest.
#include "../syscall/abi_file.h"
#include "../syscall/abi_process.h"
#include "../syscall/call.h"
#include "runner.h"

namespace oxbow::test {

namespace {

constexpr u64 shown_output_max = 65536;

/// Copies what a test printed, each line with `prefix` before it.
void show_output(i32 fd, const char* prefix) noexcept {
    const i64 length = fd < 0 ? 0 : kernel::lseek(fd, 0, abi::seek_from::current);
    if (length <= 0) {
        return;
    }
    u64 at = 0;
    const u64 end = static_cast<u64>(length);
    if (end > shown_output_max) {
        at = end - shown_output_max;
        Message line;
        write_text(
            1, line.add(prefix).add("(the first ").add_decimal(at).add(" bytes are not shown)\n"));
    }
    bool line_begins = true;
    Message out;
    while (at < end) {
        char buffer[512];
        const u64 left = end - at;
        const usize wanted = left < sizeof(buffer) ? static_cast<usize>(left) : sizeof(buffer);
        const long bytes = kernel::pread(fd, buffer, wanted, at);
        if (bytes <= 0) {
            break;
        }
        at += static_cast<u64>(bytes);
        for (long i = 0; i < bytes; ++i) {
            if (line_begins) {
                out.add(prefix);
            }
            out.add(buffer[i]);
            line_begins = buffer[i] == '\n';
            if (line_begins || out.length() > Message::capacity - 64) {
                write_text(1, out);
                out.clear();
            }
        }
    }
    if (!line_begins) {
        out.add('\n');
    }
    write_text(1, out);
}

[[nodiscard]] const char* word_of_state(State state) noexcept {
    switch (state) {
    case State::passed:
        return "ok   ";
    case State::skipped:
        return "skip ";
    default:
        return "FAIL ";
    }
}

void add_repeat(Message& line, const Options& options, const Case& test) noexcept {
    line.add("repeat: ").add(options.program).add(" --filter=").add(name_of(test).text());
    line.add(" --seed=").add_decimal(options.seed).add("\n");
}

constinit u32 tap_number = 0;

void report_case_as_tap(const Options& options, const Case& test, const char* why,
                        i32 output_fd) noexcept {
    Message line;
    line.add(test.state == State::failed ? "not ok " : "ok ").add_decimal(++tap_number);
    line.add(" - ").add(name_of(test).text());
    if (test.state == State::skipped) {
        line.add(" # SKIP ").add(test.reason);
    }
    write_text(1, line.add('\n'));
    if (test.state == State::failed || options.verbose) {
        show_output(output_fd, "# ");
    }
    if (why[0] != '\0') {
        Message reason;
        reason.add("# ").add(why).add("\n# ");
        add_repeat(reason, options, test);
        write_text(1, reason);
    }
}

} // namespace

void report_start(const Options& options, const Cases& cases, u32 jobs) noexcept {
    Message line;
    tap_number = 0;
    if (options.tap) {
        line.add("TAP version 13\n1..").add_decimal(cases.selected).add("\n# ");
    }
    abi::UtsName name = {};
    (void)kernel::uname(&name);
    line.add_decimal(cases.selected).add(cases.selected == 1 ? " test, " : " tests, ");
    line.add_decimal(jobs).add(" at a time, seed ").add_decimal(options.seed);
    line.add(__STDC_HOSTED__ ? ", hosted, Linux " : ", freestanding, Linux ").add(name.release);
    line.add(' ').add(name.machine).add('\n');
    write_text(1, line);
}

void report_progress(const Cases& cases, const Totals& totals) noexcept {
    Message line;
    line.add("# ").add_decimal(totals.passed + totals.failed + totals.skipped).add(" of ");
    write_text(1, line.add_decimal(cases.selected).add(" tests have ended\n"));
}

void report_case(const Options& options, const Case& test, const char* why,
                 i32 output_fd) noexcept {
    if (options.tap) {
        report_case_as_tap(options, test, why, output_fd);
        return;
    }
    if (test.state != State::failed && !options.verbose) {
        return;
    }
    Message line;
    line.add(word_of_state(test.state)).add(name_of(test).text()).add(" (");
    line.add_duration(test.duration_ns).add(')');
    if (test.state == State::skipped) {
        line.add(": ").add(test.reason);
    }
    write_text(1, line.add('\n'));
    show_output(output_fd, "    ");
    if (why[0] != '\0') {
        Message reason;
        reason.add("    ").add(why).add("\n      ");
        add_repeat(reason, options, test);
        write_text(1, reason);
    }
}

// ---- The end ----------------------------------------------------------------------------------

namespace {

/// Names behind `label`, in lines of readable length.
class NameLines {
  public:
    explicit NameLines(const char* prefix) noexcept : prefix_(prefix) {}

    void add(const Case& test) noexcept {
        const Message name = name_of(test);
        if (line_.length() != 0 && line_.length() + name.length() > 98) {
            end();
        }
        line_.add(line_.length() == 0 ? prefix_ : " ").add(name.text());
    }
    void end() noexcept {
        if (line_.length() != 0) {
            write_text(1, line_.add('\n'));
            line_.clear();
        }
    }

  private:
    const char* prefix_;
    Message line_;
};

[[nodiscard]] bool is_first_with_reason(const Cases& cases, const Case& test) noexcept {
    for (const Case& earlier : cases) {
        if (&earlier == &test) {
            return true;
        }
        if (earlier.state == State::skipped && text_equal(earlier.reason, test.reason)) {
            return false;
        }
    }
    return true;
}

void report_skips(const Options& options, const Cases& cases) noexcept {
    for (const Case& test : cases) {
        if (test.state != State::skipped || !is_first_with_reason(cases, test)) {
            continue;
        }
        u32 count = 0;
        for (const Case& other : cases) {
            const bool same =
                other.state == State::skipped && text_equal(other.reason, test.reason);
            count += same ? 1 : 0;
        }
        Message line;
        line.add(options.tap ? "# " : "").add("skipped ").add_decimal(count);
        write_text(1, line.add(" (").add(test.reason).add("):\n"));
        NameLines names(options.tap ? "#     " : "    ");
        for (const Case& other : cases) {
            if (other.state == State::skipped && text_equal(other.reason, test.reason)) {
                names.add(other);
            }
        }
        names.end();
    }
}

void report_failures(const Options& options, const Cases& cases) noexcept {
    const char* const prefix = options.tap ? "# failed: " : "failed: ";
    for (const Case& test : cases) {
        if (test.state == State::failed) {
            Message line;
            write_text(1, line.add(prefix).add(name_of(test).text()).add('\n'));
        }
    }
}

} // namespace

void report_end(const Options& options, const Cases& cases, const Totals& totals,
                u64 duration_ns) noexcept {
    report_skips(options, cases);
    report_failures(options, cases);
    Message line;
    line.add(options.tap ? "# " : "").add("in ").add_duration(duration_ns).add('\n');
    line.add_decimal(totals.passed).add(" passed, ").add_decimal(totals.failed);
    line.add(" failed, ").add_decimal(totals.skipped).add(" skipped\n");
    write_text(1, line);
}

// ---- Lists ------------------------------------------------------------------------------------

void list_cases(const Cases& cases) noexcept {
    for (const Case& test : cases) {
        if (test.selected) {
            Message line = name_of(test);
            write_text(1, line.add('\n'));
        }
    }
}

void list_for_ctest(const Options& options, const Cases& cases) noexcept {
    // CTest may run the script from any directory, so the program needs its whole path.
    char path[abi::path_max];
    const long length = kernel::readlinkat(abi::at_fdcwd, "/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    const char* const program = length > 0 ? path : options.program;
    for (const Case& test : cases) {
        if (!test.selected) {
            continue;
        }
        const Message name = name_of(test);
        Message line;
        line.add("add_test([=[").add(name.text()).add("]=] [=[").add(program);
        write_text(1, line.add("]=] [=[--filter=").add(name.text()).add("]=])\n"));
        line.clear();
        line.add("set_tests_properties([=[").add(name.text()).add("]=] PROPERTIES ");
        line.add("SKIP_REGULAR_EXPRESSION \"0 passed, 0 failed, 1 skipped\")\n");
        write_text(1, line);
    }
}

} // namespace oxbow::test
