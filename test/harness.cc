// The child's side of the harness: how checks fail, how tests skip, and the help that tests get.
#include "harness.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "../syscall/atomic.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "hook.h"
#include "runner.h"

#if defined(OXBOW_TEST_THREAD_SANITIZER)
extern "C" int fork();
#endif

namespace oxbow::test {

namespace {

constexpr i32 status_of_failure = 99;
constexpr i32 status_of_skip = 77;

constinit Running running = {};
constinit u64 seed_of_test = 0;
constinit u32 paths_made = 0;
constinit bool directory_made = false;

/// The first ending of a test counts, whichever of its processes comes to it.
void set_ending(Ending ending) noexcept {
    if (running.outcome != nullptr) {
        u32 none = static_cast<u32>(Ending::none);
        __atomic_compare_exchange_n(&running.outcome->ending, &none, static_cast<u32>(ending),
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
}

[[nodiscard]] Ending ending_so_far() noexcept {
    return running.outcome == nullptr ? Ending::none : running.outcome->read_ending();
}

[[noreturn]] void leave(i32 status) noexcept {
    for (;;) {
        kernel::exit_group(status);
    }
}

void begin_failure(const Site& site) noexcept {
    Message line;
    line.add(site.file).add(':').add_decimal(site.line).add(": ").add(site.text).add("\n");
    write_text(2, line);
}

[[noreturn]] void end_failure() noexcept {
    Message line;
    line.add("  repeat: ").add(running.program).add(" --filter=").add(running.name);
    line.add(" --seed=").add_decimal(running.run_seed).add("\n");
    write_text(2, line);
    set_ending(Ending::failed);
    leave(status_of_failure);
}

void show_value(const char* label, const Message& value) noexcept {
    (void)write_all(2, label, 12);
    write_text(2, value);
    (void)write_all(2, "\n", 1);
}

/// ThreadSanitizer has locks of its own. Libc's fork it knows, and takes them first; in the child
/// of a fork that it does not know, one that another thread held just then is never let go.
[[nodiscard]] i32 fork_beside_threads() noexcept {
#if defined(OXBOW_TEST_THREAD_SANITIZER)
    const i32 pid = ::fork();
    return pid < 0 ? -Errno::eagain : pid;
#else
    return kernel::fork();
#endif
}

} // namespace

// ---- Failing ----------------------------------------------------------------------------------

void fail_check(const Site& site, const char* message) noexcept {
    const HookPause pause;
    begin_failure(site);
    if (message != nullptr) {
        (void)write_all(2, "  ", 2);
        (void)write_all(2, message, text_length(message));
        (void)write_all(2, "\n", 1);
    }
    end_failure();
}

void fail_values(const Site& site, const Message& actual, const Message& expected) noexcept {
    const HookPause pause;
    begin_failure(site);
    show_value("  actual:   ", actual);
    show_value("  expected: ", expected);
    end_failure();
}

void fail_result(const Site& site, i64 result, i64 expected) noexcept {
    const auto described = [](i64 value) noexcept {
        Message text = shown(value);
        if (value < 0 && value >= -errno_last) {
            text.add(": ").add(errno_text(static_cast<i32>(value)));
        }
        return text;
    };
    const HookPause pause;
    begin_failure(site);
    show_value("  actual:   ", described(result));
    if (expected < 0) {
        show_value("  expected: ", described(expected));
    }
    end_failure();
}

void fail_bytes(const Site& site, const u8* actual, const u8* expected, usize count,
                usize offset) noexcept {
    const HookPause pause;
    begin_failure(site);
    constexpr usize shown_bytes = 24;
    const usize from = offset < 8 ? 0 : offset - 8;
    const usize bytes = count - from < shown_bytes ? count - from : shown_bytes;
    Message line;
    line.add("  first difference at offset ").add_decimal(offset).add(" (0x").add_hex(offset);
    line.add(") of ").add_decimal(count).add("; bytes from ").add_decimal(from).add(":\n");
    write_text(2, line);
    Message actual_bytes;
    show_value("  actual:   ", actual_bytes.add_bytes(actual + from, bytes));
    Message expected_bytes;
    show_value("  expected: ", expected_bytes.add_bytes(expected + from, bytes));
    end_failure();
}

void fail_strings(const Site& site, const char* actual, const char* expected) noexcept {
    Message actual_text;
    Message expected_text;
    fail_values(site, actual_text.add_quoted(actual), expected_text.add_quoted(expected));
}

void check_bytes(const void* actual, const void* expected, usize count, const Site& site) noexcept {
    const u8* const a = static_cast<const u8*>(actual);
    const u8* const b = static_cast<const u8*>(expected);
    for (usize i = 0; i < count; ++i) {
        if (a[i] != b[i]) {
            fail_bytes(site, a, b, count, i);
        }
    }
}

void check_strings(const char* actual, const char* expected, const Site& site) noexcept {
    const bool same = actual == expected ||
                      (actual != nullptr && expected != nullptr && text_equal(actual, expected));
    if (!same) {
        fail_strings(site, actual, expected);
    }
}

// ---- Skipping ---------------------------------------------------------------------------------

namespace {

void copy_reason(const char* reason) noexcept {
    char* const to = running.outcome->reason;
    usize i = 0;
    for (; reason[i] != '\0' && i + 1 < sizeof(running.outcome->reason); ++i) {
        to[i] = reason[i];
    }
    to[i] = '\0';
}

} // namespace

void skip(const char* reason) noexcept {
    const HookPause pause;
    if (running.outcome != nullptr && ending_so_far() == Ending::none) {
        copy_reason(reason);
    }
    set_ending(Ending::skipped);
    leave(status_of_skip);
}

bool is_strict() noexcept {
    return running.outcome != nullptr && running.strict;
}

void expect_failure(const char* reason) noexcept {
    const HookPause pause;
    if (ending_so_far() == Ending::none && load_acquire(&running.outcome->lacking) == 0) {
        copy_reason(reason);
        store_release(&running.outcome->lacking, 1u);
        // What a kernel does not know can be waited for in vain.
        const abi::IntervalTimer soon = {{0, 0}, {10, 0}};
        (void)kernel::setitimer(abi::interval_timer::real, &soon, nullptr);
    }
}

// ---- Help -------------------------------------------------------------------------------------

u64 test_seed() noexcept {
    return seed_of_test;
}

u32 effort(u32 rounds) noexcept {
    // In 32 bits: a division of 64 would ask libgcc for help on 32-bit machines.
    const u32 percent = running.effort_percent;
    const u32 part = rounds / 100 * percent + rounds % 100 * percent / 100;
    return part > 0 ? part : 1;
}

const char* test_name() noexcept {
    return running.name;
}

u64 now_ns() noexcept {
    const HookPause pause;
    abi::Timespec now = {};
    (void)kernel::clock_gettime(abi::clock::monotonic, &now);
    return static_cast<u64>(now.seconds) * 1000000000u + static_cast<u64>(now.nanoseconds);
}

void sleep_ms(u32 duration_ms) noexcept {
    const HookPause pause;
    const u32 seconds = duration_ms / 1000;
    abi::Timespec left = {static_cast<i64>(seconds),
                          static_cast<i64>(duration_ms - seconds * 1000) * 1000000};
    while (kernel::clock_nanosleep(abi::clock::monotonic, 0, &left, &left) == -Errno::eintr) {
    }
}

namespace {

/// 0, or why the directory of this test cannot be made.
[[nodiscard]] i32 make_directory() noexcept {
    const HookPause pause;
    if (!directory_made) {
        const i32 made = kernel::mkdirat(abi::at_fdcwd, running.directory, 0700);
        if (made < 0 && made != -Errno::eexist) {
            return made;
        }
        directory_made = true;
    }
    return 0;
}

} // namespace

const char* try_temp_directory() noexcept {
    return running.directory[0] == '\0' || make_directory() < 0 ? nullptr : running.directory;
}

const char* temp_directory() noexcept {
    const i32 made = make_directory();
    if (made < 0) {
        Message text;
        text.add("no temporary directory ").add(running.directory).add(": ");
        text.add(errno_name(made));
        fail_check(OXBOW_TEST_SITE("temp_directory()"), text.text());
    }
    return running.directory;
}

const char* temp_path(char* buffer, usize bytes) noexcept {
    Message path;
    path.add(temp_directory()).add('/');
    path.add_decimal(__atomic_add_fetch(&paths_made, 1, __ATOMIC_RELAXED));
    if (path.length() + 1 > bytes) {
        fail_check(OXBOW_TEST_SITE("temp_path()"), "the buffer is too small");
    }
    __builtin_memcpy(buffer, path.text(), path.length() + 1);
    return buffer;
}

namespace {

/// For machines without /proc: only low numbers are looked at, and tests open no others.
[[nodiscard]] i32 probe_fds() noexcept {
    i32 count = 0;
    for (i32 fd = 0; fd < 4096; ++fd) {
        count += kernel::fcntl(fd, abi::fcntl_command::get_fd_flags) >= 0 ? 1 : 0;
    }
    return count;
}

} // namespace

i32 open_fd_count() noexcept {
    const HookPause pause;
    const i32 directory = kernel::openat(abi::at_fdcwd, "/proc/self/fd",
                                         abi::open_flag::read_only | abi::open_flag::directory |
                                             abi::open_flag::cloexec);
    if (directory < 0) {
        return probe_fds();
    }
    i32 count = -1; // the directory's own
    alignas(8) char buffer[2048];
    for (;;) {
        const long bytes = kernel::getdents64(directory, buffer, sizeof(buffer));
        if (bytes <= 0) {
            break;
        }
        for (long at = 0; at < bytes;) {
            const auto* entry = reinterpret_cast<const abi::DirectoryEntry*>(buffer + at);
            count += entry->name[0] == '.' ? 0 : 1;
            at += entry->record_bytes;
        }
    }
    (void)kernel::close(directory);
    return count;
}

i32 mapping_count() noexcept {
    if (has_sanitizer) {
        return -1;
    }
    const HookPause pause;
    const i32 fd = kernel::openat(abi::at_fdcwd, "/proc/self/maps",
                                  abi::open_flag::read_only | abi::open_flag::cloexec);
    if (fd < 0) {
        return -1;
    }
    i32 count = 0;
    char buffer[4096];
    for (;;) {
        const long bytes = kernel::read(fd, buffer, sizeof(buffer));
        if (bytes <= 0) {
            break;
        }
        for (long i = 0; i < bytes; ++i) {
            count += buffer[i] == '\n' ? 1 : 0;
        }
    }
    (void)kernel::close(fd);
    return count;
}

Resources resources() noexcept {
    return {open_fd_count(), mapping_count()};
}

void check_resources(const Resources& before, const Site& site) noexcept {
    const Resources after = resources();
    if (after.fds == before.fds && after.mappings == before.mappings) {
        return;
    }
    const auto described = [](const Resources& r) noexcept {
        Message text;
        text.add_number(number_of(r.fds)).add(" descriptors, ");
        if (r.mappings < 0) {
            return text.add("mappings not known");
        }
        return text.add_number(number_of(r.mappings)).add(" mappings");
    };
    fail_values(site, described(after), described(before));
}

void print_text(const Message& line) noexcept {
    const HookPause pause;
    write_text(1, line);
}

i32 connect_blocking(i32 fd, const void* address, u32 bytes) noexcept {
    return repeat_interrupted([&] { return kernel::connect(fd, address, bytes); });
}

u32 cpu_count() noexcept {
    const HookPause pause;
    abi::CpuSet set = {};
    if (kernel::sched_getaffinity(0, sizeof(set), &set) < 0) {
        return 1;
    }
    u32 count = 0;
    for (u32 cpu = 0; cpu < 1024; ++cpu) {
        count += set.has(cpu) ? 1 : 0;
    }
    return count == 0 ? 1 : count;
}

i32 fork_child() noexcept {
    const i32 parent = kernel::getpid();
    const i32 pid = fork_beside_threads();
    if (pid < 0) {
        Message text;
        text.add("fork: ").add(errno_name(pid));
        fail_check(OXBOW_TEST_SITE("in_child"), text.text());
    }
    if (pid == 0) {
        forget_pauses();
        const HookPause pause;
        (void)kernel::prctl(abi::prctl_option::set_parent_death_signal,
                            static_cast<uptr>(abi::signal::kill));
        if (kernel::getppid() != parent) {
            leave(0); // the parent died before it could be noticed
        }
    }
    return pid;
}

void leave_child(i32 status) noexcept {
    const HookPause pause;
    leave(status);
}

i32 wait_child(i32 pid) noexcept {
    const HookPause pause;
    abi::SignalInfo info = {};
    i32 result = 0;
    do {
        result = kernel::waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited);
    } while (result == -Errno::eintr);
    if (ending_so_far() != Ending::none) {
        leave(status_of_failure); // what ended the test in the child has ended it here
    }
    if (result < 0) {
        return result;
    }
    const i32 status = info.child.status;
    return info.code == abi::signal_code::child_exited ? status : -status;
}

// ---- Running ----------------------------------------------------------------------------------

void run_here(const TestEntry& entry, u32 row, const Running& what) noexcept {
    running = what;
    paths_made = 0;
    directory_made = false;
    u64 hash = 0xcbf29ce484222325u; // FNV-1a of the name, so that every test draws its own numbers
    for (const char* at = what.name; *at != '\0'; ++at) {
        hash = (hash ^ static_cast<u8>(*at)) * 0x100000001b3u;
    }
    Random mixed(what.run_seed ^ hash);
    seed_of_test = mixed.next();
    forget_pauses();
    clear_faults();
    reset_calls();
    entry.run(row);
    const HookPause pause;
    set_ending(Ending::passed);
    leave(0);
}

} // namespace oxbow::test
