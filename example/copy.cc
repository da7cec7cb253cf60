// copy IN OUT: copies a file through an io_uring, 64 blocks of 128 KiB at a time. OUT is replaced
// only when the copy is complete; holes stay holes. Builds hosted, and without a C library.
//
//   copy_engine.h    the ring: linked reads and writes, and what is done when they come short
//   copy_source.h    which ranges of the input have data, and where it ends
//   copy_output.h    the temporary file beside OUT that takes its name at the end
#include "../syscall/abi_memory.h"
#include "../syscall/abi_signal.h"
#include "../syscall/call.h"
#include "../syscall/time.h"
#include "copy_engine.h"
#include "copy_output.h"

using namespace oxbow;
using copy::Problem;

namespace {

constexpr const char* usage = "usage: copy [--quiet] [--sync] IN OUT\n";
constexpr const char* help =
    "\n"
    "Copies the regular file IN to OUT with io_uring, holes and permission bits included. OUT is\n"
    "replaced when everything is written, and untouched if anything goes wrong before that.\n"
    "\n"
    "  --quiet   print no summary\n"
    "  --sync    return only when OUT would survive a crash of the machine (cp does not)\n"
    "  --help    print this\n"
    "\n"
    "Exit status: 0 copied, 1 not copied, 2 wrong arguments, 128 + N ended by signal N.\n";

constexpr i32 exit_failed = 1;
constexpr i32 exit_usage = 2;
constexpr i32 exit_signal = 128;

struct Options {
    const char* in = nullptr;
    const char* out = nullptr;
    bool quiet = false;
    bool sync = false;
    bool help = false;
    bool wrong = false;
};

/// The signal that asked us to end, or 0. Its handler does nothing else: the copy looks here.
constinit i32 signal_received = 0;

void remember_signal(i32 number) noexcept {
    store_release(&signal_received, number);
}

void install_signal_handlers() noexcept {
    constexpr i32 ending[] = {abi::signal::int_, abi::signal::term, abi::signal::hup};
    for (const i32 number : ending) {
        abi::SignalAction former = {};
        (void)kernel::rt_sigaction(number, nullptr, &former);
        if (former.handler == abi::signal_handler::ignore) {
            continue; // nohup, or a job in the background: whoever started us wants it so
        }
        abi::SignalAction action = {};
        action.handler = reinterpret_cast<uptr>(&remember_signal);
        (void)kernel::rt_sigaction(number, &action);
    }
    // A file that becomes larger than ulimit -f allows is an error like others, not a death.
    abi::SignalAction ignore = {};
    ignore.handler = abi::signal_handler::ignore;
    (void)kernel::rt_sigaction(abi::signal::xfsz, &ignore);
}

Options parse(char** arguments) noexcept {
    Options options;
    bool only_paths = false;
    for (; *arguments != nullptr; ++arguments) {
        const char* const word = *arguments;
        if (only_paths || word[0] != '-') {
            options.wrong = options.wrong || options.out != nullptr;
            (options.in == nullptr ? options.in : options.out) = word;
        } else if (text_equal(word, "--")) {
            only_paths = true;
        } else if (text_equal(word, "--quiet")) {
            options.quiet = true;
        } else if (text_equal(word, "--sync")) {
            options.sync = true;
        } else if (text_equal(word, "--help")) {
            options.help = true;
        } else {
            options.wrong = true;
        }
    }
    options.wrong = options.wrong || options.out == nullptr;
    return options;
}

/// Opens IN for reading, if it is a regular file.
Problem open_input(const char* path, i32* fd, abi::Statx* status) noexcept {
    // It is looked at before it is opened, because to open a pipe or a device has effects.
    i32 result = kernel::statx(abi::at_fdcwd, path, 0, abi::statx_mask::basic, status);
    if (result == 0 && copy::why_not_regular(*status) == nullptr) {
        result = kernel::openat(abi::at_fdcwd, path,
                                abi::open_flag::read_only | abi::open_flag::cloexec);
        *fd = result;
        if (result >= 0) {
            result =
                kernel::statx(*fd, "", abi::at_flag::empty_path, abi::statx_mask::basic, status);
        }
    }
    if (result < 0) {
        return {path, "cannot be opened", result};
    }
    return {path, copy::why_not_regular(*status)};
}

/// The best ring that this kernel has for one thread that reaps whenever it enters.
Problem open_ring(Ring* ring, Reason* reason) noexcept {
    RingOptions options;
    options.entries = copy::ring_entries;
    options.entries_min = 2; // where memory is short: at least one block at a time
    options.preferred_flags |= abi::setup::single_issuer | abi::setup::defer_taskrun;
    const i32 result = ring->open(options, reason);
    if (result < 0) {
        return {"io_uring", "refused", result};
    }
    (void)ring->register_ring_fd(); // spares a look-up in each call, where the kernel can
    return {};
}

Problem map_buffers(u8** buffers) noexcept {
    const long address =
        kernel::mmap(nullptr, copy::buffer_bytes, abi::protection::read | abi::protection::write,
                     abi::map::private_ | abi::map::anonymous, -1, 0);
    if (is_error(address)) {
        return {"buffers", "cannot be had", static_cast<i32>(address)};
    }
    *buffers = reinterpret_cast<u8*>(address);
    return {};
}

Problem problem_of(const copy::Failure& failure, const Options& options) noexcept {
    switch (failure.where) {
    case copy::Failure::nowhere:
        return {};
    case copy::Failure::reading:
        return {options.in, "cannot be read", failure.error};
    case copy::Failure::writing:
        return {options.out, "cannot be written", failure.error};
    case copy::Failure::ring:
        return {"io_uring", "the ring failed", failure.error};
    }
    return {};
}

/// Long division: a 64-bit `/` would need the compiler's library on 32-bit machines.
[[nodiscard]] u64 quotient(u64 dividend, u64 divisor) noexcept {
    u64 rest = 0;
    u64 result = 0;
    for (u32 bit = 0; bit < 64; ++bit) {
        rest = rest << 1 | dividend >> 63;
        dividend <<= 1;
        result <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            result |= 1;
        }
    }
    return result;
}

[[nodiscard]] u64 now_ns() noexcept {
    abi::Timespec now = {};
    (void)kernel::clock_gettime(abi::clock::monotonic, &now);
    return nanoseconds_of(now);
}

/// What became of a copy.
struct Report {
    bool done = false;
    Problem problem; // else this, or a signal
    Reason refusal;  // of the ring
    u64 size = 0;
    u64 written = 0;
};

void copy_file(const Options& options, Report* report) noexcept {
    Problem& problem = report->problem;
    i32 in_fd = -1;
    abi::Statx input = {};
    copy::Output output;
    Ring ring;
    u8* buffers = nullptr;
    // Whatever can be refused is refused before anything is created.
    if ((problem = open_input(options.in, &in_fd, &input)) ||
        (problem = output.find(options.out, input)) ||
        (problem = open_ring(&ring, &report->refusal)) || (problem = map_buffers(&buffers)) ||
        (problem = output.create())) {
        return;
    }
    copy::Source source(in_fd, input);
    copy::Engine engine(ring, source, output.fd(), buffers, &signal_received);
    problem = problem_of(engine.run(), options);
    if (!problem && load_relaxed(&signal_received) == 0) {
        problem = output.commit(source.size(), input.mode & 0777, options.sync);
        report->done = !problem;
    }
    output.discard();
    ring.close();
    report->size = source.size();
    report->written = engine.bytes_written();
}

/// A path that is longer than any can be is shown in part.
void add_path(Text& line, const char* path) noexcept {
    const usize length = text_length(path);
    line.add(path, length < abi::path_max ? length : abi::path_max);
}

void print_problem(const Report& report) noexcept {
    const Problem& problem = report.problem;
    TextBuffer<abi::path_max + 512> line;
    line.add("copy: ");
    if (report.refusal.refused()) {
        describe(report.refusal, line); // why, and what to do about it
    } else {
        add_path(line, problem.path);
        line.add(": ").add(problem.what);
        if (problem.error != 0) {
            line.add(": ").error(problem.error);
        }
    }
    line.add('\n');
    (void)line.write_to(2);
}

void print_signal(const Options& options) noexcept {
    TextBuffer<abi::path_max + 128> line;
    line.add("copy: ");
    add_path(line, options.out);
    line.add(": not copied: ended by signal ").number(load_relaxed(&signal_received)).add('\n');
    (void)line.write_to(2);
}

void print_summary(const Report& report, u64 elapsed_ns) noexcept {
    const u64 elapsed_us = quotient(elapsed_ns, 1000) + 1;
    const u64 kib_per_second = quotient((report.written >> 10) * 1'000'000, elapsed_us);
    const abi::Timespec elapsed = timespec_of(elapsed_ns);
    TextBuffer<160> line;
    line.add("copied ").number(report.size).add(" bytes in ");
    line.number(elapsed.seconds)
        .add('.')
        .number_u64(static_cast<u32>(elapsed.nanoseconds) / 1'000'000, 3);
    line.add(" s, ").number(kib_per_second >> 10).add(" MiB/s");
    if (report.written < report.size) {
        line.add(", ").number(report.size - report.written).add(" bytes of them holes");
    }
    line.add('\n');
    (void)line.write_to(1);
}

} // namespace

extern "C" int oxbow_main(int, char** argv, char**) {
    const Options options = parse(argv + 1);
    if (options.help || options.wrong) {
        TextBuffer<1024> text;
        text.add(usage).add(options.help ? help : "");
        (void)text.write_to(options.help ? 1 : 2);
        return options.help ? 0 : exit_usage;
    }
    install_signal_handlers();
    const u64 start_ns = now_ns();
    Report report;
    copy_file(options, &report);
    if (report.done) {
        if (!options.quiet) {
            print_summary(report, now_ns() - start_ns);
        }
        return 0;
    }
    if (load_relaxed(&signal_received) != 0) {
        print_signal(options);
        return exit_signal + load_relaxed(&signal_received);
    }
    print_problem(report);
    return exit_failed;
}
