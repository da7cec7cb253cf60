// The command line of the test program, and which tests a filter takes.
#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "runner.h"

// Where the linker put the pointers of all tests (harness.h).
extern "C" {
extern const oxbow::test::TestEntry* __start_oxbow_tests[];
extern const oxbow::test::TestEntry* __stop_oxbow_tests[];
}

namespace oxbow::test {

namespace {

constexpr int status_of_misuse = 2;

// ---- Arguments --------------------------------------------------------------------------------

int complain(const Options& options, const char* message, const char* argument) noexcept {
    Message line;
    line.add(options.program).add(": ").add(message).add(argument).add(" (see --help)\n");
    write_text(2, line);
    return status_of_misuse;
}

[[nodiscard]] bool parse_number(const char* text, u64& value) noexcept {
    value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        const u64 next = value * 10 + static_cast<u64>(*text - '0');
        if (value > 1844674407370955160u || next < value) {
            return false;
        }
        value = next;
    }
    return true;
}

/// The text behind `name` in `argument`: "" or "=value", or nullptr where it is another option.
[[nodiscard]] const char* rest_of(const char* argument, const char* name) noexcept {
    for (; *name != '\0'; ++name, ++argument) {
        if (*argument != *name) {
            return nullptr;
        }
    }
    return *argument == '\0' || *argument == '=' ? argument : nullptr;
}

struct Flag {
    const char* name;
    void (*set)(Options& options) noexcept;
};

constexpr Flag flags[] = {
    {"--list", [](Options& o) noexcept { o.mode = Mode::list; }},
    {"--ctest", [](Options& o) noexcept { o.mode = Mode::ctest; }},
    {"--help", [](Options& o) noexcept { o.mode = Mode::help; }},
    {"-h", [](Options& o) noexcept { o.mode = Mode::help; }},
    {"--tap", [](Options& o) noexcept { o.tap = true; }},
    {"--verbose", [](Options& o) noexcept { o.verbose = true; }},
    {"-v", [](Options& o) noexcept { o.verbose = true; }},
    {"--strict", [](Options& o) noexcept { o.strict = true; }},
    {"--hidden", [](Options& o) noexcept { o.hidden = true; }},
};

struct Value {
    const char* name;
    u64 value_max; ///< 0: text
    void (*set)(Options& options, const char* text, u64 value) noexcept;
};

constexpr Value values[] = {
    {"--filter", 0, [](Options& o, const char* text, u64) noexcept { o.filter = text; }},
    {"--seed", ~u64{0},
     [](Options& o, const char*, u64 value) noexcept {
         o.seed = value;
         o.has_seed = true;
     }},
    {"--jobs", 64,
     [](Options& o, const char*, u64 value) noexcept { o.jobs = static_cast<u32>(value); }},
    {"--effort", 100000,
     [](Options& o, const char*, u64 value) noexcept {
         o.effort_percent = static_cast<u32>(value);
     }},
    {"--progress", 1000000,
     [](Options& o, const char*, u64 value) noexcept { o.progress_s = static_cast<u32>(value); }},
    {"--timeout", 1000000,
     [](Options& o, const char*, u64 value) noexcept { o.timeout_s = static_cast<u32>(value); }},
};

[[nodiscard]] const Flag* flag_named(const char* argument) noexcept {
    for (const Flag& flag : flags) {
        if (text_equal(flag.name, argument)) {
            return &flag;
        }
    }
    return nullptr;
}

/// The option of `argument`, and in `text` its value if that is in the same argument.
[[nodiscard]] const Value* value_named(const char* argument, const char*& text) noexcept {
    for (const Value& value : values) {
        const char* const rest = rest_of(argument, value.name);
        if (rest != nullptr) {
            text = *rest == '=' ? rest + 1 : nullptr;
            return &value;
        }
    }
    return nullptr;
}

} // namespace

int parse_options(int argc, char** argv, Options& options) noexcept {
    if (argc > 0 && argv[0] != nullptr) {
        options.program = argv[0];
    }
    for (int i = 1; i < argc; ++i) {
        const char* const argument = argv[i];
        if (const Flag* const flag = flag_named(argument)) {
            flag->set(options);
            continue;
        }
        const char* text = nullptr;
        const Value* const value = value_named(argument, text);
        if (value == nullptr) {
            return complain(options, "unknown argument ", argument);
        }
        if (text == nullptr) {
            if (i + 1 == argc) {
                return complain(options, "a value is missing after ", argument);
            }
            text = argv[++i];
        }
        u64 number = 0;
        if (value->value_max != 0 && (!parse_number(text, number) || number > value->value_max)) {
            return complain(options, "not a number in range: ", argument);
        }
        value->set(options, text, number);
    }
    return 0;
}

void print_help(const Options& options) noexcept {
    Message head;
    head.add("usage: ").add(options.program).add(" [OPTION]...\n");
    write_text(1, head);
    static constexpr char lines[] =
        "Runs Oxbow's tests, each in a process of its own. Exits with 0 only if none failed.\n\n"
        "  --filter=NAMES   run these only: names separated by commas; * and ? stand for any\n"
        "                   characters and for one; a name that no test has in full is looked\n"
        "                   for inside the names; one with a - in front is left out\n"
        "  --list           print the names of the tests that would run\n"
        "  --seed=N         the seed of tests that draw random numbers\n"
        "  --effort=P       percent of the rounds that long tests make (default: 100)\n"
        "  --jobs=N         tests at a time, 1 to 64 (default: two for each CPU)\n"
        "  --timeout=S      seconds that a test may take (default: 60; 0: as long as it likes)\n"
        "  --progress=S     say every S seconds how far the run has come (default: 0, never)\n"
        "  --verbose, -v    print every test and what it printed\n"
        "  --tap            print results in the Test Anything Protocol\n"
        "  --ctest          print a CTest script that runs each test by its name\n"
        "  --hidden         let the filter find tests that fail on purpose, too\n"
        "  --strict         run tests for which the kernel is too old, too: they must not pass\n"
        "  --help, -h       print this\n";
    (void)write_all(1, lines, sizeof(lines) - 1);
}

// ---- Selection --------------------------------------------------------------------------------

bool matches_glob(const char* pattern, const char* text) noexcept {
    const char* star = nullptr; // behind the last `*`, and how much of `text` it stands for so far
    const char* resume = nullptr;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            ++pattern;
            ++text;
        } else if (star != nullptr) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        ++pattern;
    }
    return *pattern == '\0';
}

Message name_of(const Case& test) noexcept {
    Message name;
    name.add(test.entry->name);
    if (test.entry->rows != 0) {
        name.add('/').add(test.entry->row_name(test.row));
    }
    return name;
}

namespace {

[[nodiscard]] bool contains(const char* text, const char* part) noexcept {
    for (; *text != '\0'; ++text) {
        usize i = 0;
        while (part[i] != '\0' && text[i] == part[i]) {
            ++i;
        }
        if (part[i] == '\0') {
            return true;
        }
    }
    return *part == '\0';
}

[[nodiscard]] bool has_wildcard(const char* pattern) noexcept {
    for (; *pattern != '\0'; ++pattern) {
        if (*pattern == '*' || *pattern == '?') {
            return true;
        }
    }
    return false;
}

/// What becomes of the tests that a pattern takes.
struct Selecting {
    bool hidden; ///< are they looked at, too
    bool takes;  ///< into what runs, or out of it
};

[[nodiscard]] u32 select_matching(const Cases& cases, const char* pattern,
                                  bool (*matches)(const char* name, const char* pattern),
                                  Selecting selecting) noexcept {
    u32 found = 0;
    for (Case& test : cases) {
        const bool allowed = !test.entry->hidden || selecting.hidden;
        if (allowed && matches(name_of(test).text(), pattern)) {
            test.selected = selecting.takes;
            ++found;
        }
    }
    return found;
}

/// One pattern of the filter. How many tests it takes.
[[nodiscard]] u32 select_pattern(const Cases& cases, const char* pattern,
                                 Selecting selecting) noexcept {
    if (has_wildcard(pattern)) {
        return select_matching(
            cases, pattern,
            [](const char* name, const char* glob) { return matches_glob(glob, name); }, selecting);
    }
    const u32 exact = select_matching(
        cases, pattern, [](const char* name, const char* whole) { return text_equal(name, whole); },
        selecting);
    return exact != 0 ? exact : select_matching(cases, pattern, contains, selecting);
}

void select_all(const Cases& cases) noexcept {
    for (Case& test : cases) {
        test.selected = !test.entry->hidden;
    }
}

int apply_filter(const Options& options, const Cases& cases) noexcept {
    const char* at = options.filter;
    if (at == nullptr || *at == '-') {
        select_all(cases); // a filter that begins with what it leaves out takes all else
    }
    if (at == nullptr) {
        return 0;
    }
    while (*at != '\0') {
        Message pattern;
        for (; *at != '\0' && *at != ','; ++at) {
            pattern.add(*at);
        }
        at += *at == ',' ? 1 : 0;
        const char* text = pattern.text();
        const Selecting selecting = {.hidden = options.hidden, .takes = *text != '-'};
        text += *text == '-' ? 1 : 0;
        if (*text != '\0' && select_pattern(cases, text, selecting) == 0) {
            return complain(options, "no test matches ", text);
        }
    }
    return 0;
}

/// Whether `a` stands before `b`: by file, then by line.
[[nodiscard]] bool stands_before(const TestEntry& a, const TestEntry& b) noexcept {
    const char* x = a.file;
    const char* y = b.file;
    while (*x != '\0' && *x == *y) {
        ++x;
        ++y;
    }
    return *x != *y ? *x < *y : a.line < b.line;
}

void sort_entries(const TestEntry** entries, u32 count) noexcept {
    for (u32 i = 1; i < count; ++i) {
        const TestEntry* const moved = entries[i];
        u32 to = i;
        for (; to > 0 && stands_before(*moved, *entries[to - 1]); --to) {
            entries[to] = entries[to - 1];
        }
        entries[to] = moved;
    }
}

[[nodiscard]] const TestEntry* find_duplicate(const TestEntry* const* entries, u32 count) noexcept {
    for (u32 i = 0; i < count; ++i) {
        for (u32 j = 0; j < i; ++j) {
            if (text_equal(entries[i]->name, entries[j]->name)) {
                return entries[i];
            }
        }
    }
    return nullptr;
}

[[nodiscard]] void* allocate(usize bytes) noexcept {
    const long address =
        kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                     abi::map::private_ | abi::map::anonymous, -1, 0);
    return is_error(address) ? nullptr : reinterpret_cast<void*>(address);
}

} // namespace

int select_cases(const Options& options, Cases& cases) noexcept {
    const u32 entry_count = static_cast<u32>(__stop_oxbow_tests - __start_oxbow_tests);
    auto** const entries =
        static_cast<const TestEntry**>(allocate((entry_count + 1) * sizeof(const TestEntry*)));
    u32 case_count = 0;
    for (u32 i = 0; i < entry_count && entries != nullptr; ++i) {
        entries[i] = __start_oxbow_tests[i];
        case_count += entries[i]->rows == 0 ? 1 : entries[i]->rows;
    }
    cases.cases = static_cast<Case*>(allocate((case_count + 1) * sizeof(Case)));
    if (entries == nullptr || cases.cases == nullptr) {
        return complain(options, "no memory", "");
    }
    sort_entries(entries, entry_count);
    if (const TestEntry* const twice = find_duplicate(entries, entry_count)) {
        return complain(options, "two tests have the name ", twice->name);
    }
    for (u32 i = 0; i < entry_count; ++i) {
        const u32 rows = entries[i]->rows == 0 ? 1 : entries[i]->rows;
        for (u32 row = 0; row < rows; ++row) {
            Case& test = cases.cases[cases.count++];
            test.entry = entries[i];
            test.row = row;
        }
    }
    const int status = apply_filter(options, cases);
    for (const Case& test : cases) {
        cases.selected += test.selected ? 1 : 0;
    }
    if (status == 0 && cases.selected == 0) {
        return complain(options, "there are no tests to run", "");
    }
    return status;
}

} // namespace oxbow::test
