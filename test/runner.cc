// The parent's side of the harness. Each test runs in a forked child that leads a session of its
// own and starts from a known state; the parent waits for many at once, ends the ones that hang
// with all that they started, and turns every way for a process to end into one of three results.
#include "runner.h"

#include "../syscall/abi_epoll.h"
#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "../syscall/start.h"

namespace oxbow::test {

namespace {

constexpr u32 jobs_max = 64;
constexpr u64 ns_per_s = 1000000000u;
constexpr u64 ns_per_ms = 1000000u;
constexpr u64 output_bytes_max = 1u << 20;
constexpr u64 leftover_grace_ns = 500 * ns_per_ms;
constexpr u64 poll_interval_ns = 2 * ns_per_ms; ///< where the kernel has no pidfd

constexpr i32 ending_signals[] = {abi::signal::int_, abi::signal::term, abi::signal::hup,
                                  abi::signal::quit};

/// A test that is running.
struct Slot {
    Case* test;
    Outcome* outcome;
    i32 pid; ///< 0: the slot is free
    i32 pidfd;
    i32 output_fd;
    u64 started_ns;
    u64 deadline_ns;
    bool timed_out;
    Message hint; ///< where it hung
};

/// How a child ended, as waitid tells it.
struct Exit {
    bool by_signal;
    i32 status;
};

class Runner {
  public:
    Runner(const Options& options, const Cases& cases) noexcept
        : options_(options), cases_(cases) {}

    int run() noexcept;

  private:
    [[nodiscard]] bool prepare() noexcept;
    void choose_directory() noexcept;
    void start(Slot& slot, Case& test) noexcept;
    [[noreturn]] void become_child(const Slot& slot) noexcept;
    void set_standard_files(i32 output_fd) noexcept;
    void wait() noexcept;
    void wait_for(u64 duration_ns) noexcept;
    void check(Slot& slot) noexcept;
    void end_hung(Slot& slot) noexcept;
    void finish(Slot& slot, const Exit& how) noexcept;
    static void skip_as_told(const Slot& slot) noexcept;
    [[nodiscard]] Message judge(const Slot& slot, const Exit& how, bool leftovers) noexcept;
    bool end_leftovers(i32 group) noexcept;
    bool end_strays(const Slot& slot) noexcept;
    [[nodiscard]] bool is_running(i32 pid) const noexcept;
    [[nodiscard]] bool is_of_another(const Slot& slot, i32 pid) const noexcept;
    [[nodiscard]] Message directory_of(const Case& test) const noexcept;
    void interrupt_all() noexcept;

    const Options& options_;
    const Cases& cases_;
    Slot* slots_ = nullptr;
    u32 jobs_ = 0;
    u32 running_ = 0;
    i32 own_pid_ = 0;
    i32 signal_fd_ = -1;
    i32 interrupted_by_ = 0;
    abi::SignalSet old_mask_ = {};
    Message directory_;
    Totals totals_;
};

[[nodiscard]] abi::Timespec to_timespec(u64 duration_ns) noexcept {
    // Division by doubling: 32-bit machines have no other without libgcc.
    u64 seconds = 0;
    for (u64 step = u64{1} << 31; step != 0; step >>= 1) {
        if (duration_ns >= step * ns_per_s) {
            duration_ns -= step * ns_per_s;
            seconds += step;
        }
    }
    return {static_cast<i64>(seconds), static_cast<i64>(duration_ns)};
}

[[nodiscard]] const char* signal_name(i32 signal_number) noexcept {
    static constexpr const char* names[] = {
        "0",         "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};
    constexpr i32 count = sizeof(names) / sizeof(names[0]);
    return signal_number > 0 && signal_number < count ? names[signal_number] : "a real-time signal";
}

void kill_group(i32 group) noexcept {
    (void)kernel::kill(-group, abi::signal::kill);
}

void close_fd(i32 fd) noexcept {
    if (fd >= 0) {
        (void)kernel::close(fd);
    }
}

// ---- Starting ---------------------------------------------------------------------------------

/// Names of test directories are the number of the test in the list.
Message Runner::directory_of(const Case& test) const noexcept {
    Message path = directory_;
    path.add('/').add_decimal(static_cast<u64>(&test - cases_.cases));
    return path;
}

void Runner::choose_directory() noexcept {
    char current[1024] = "";
    (void)kernel::getcwd(current, sizeof(current));
    // A run inside a test (harness_test.cc) leaves nothing where that test leaves nothing. The root
    // is for bare kernels, whose first process has no other directory.
    const char* const parents[] = {
        try_temp_directory(), environment_value("TMPDIR"), "/tmp", "/dev/shm", "/run", "", current};
    for (const char* parent : parents) {
        for (u32 attempt = 0; parent != nullptr && attempt < 100; ++attempt) {
            directory_.clear();
            directory_.add(parent).add("/oxbow-test-");
            directory_.add_decimal(static_cast<u64>(own_pid_));
            if (attempt != 0) {
                directory_.add('-').add_decimal(attempt);
            }
            const i32 made = kernel::mkdirat(abi::at_fdcwd, directory_.text(), 0700);
            if (made == 0) {
                return;
            }
            if (made != -Errno::eexist) {
                break;
            }
        }
    }
    directory_.clear(); // tests that want files say so when they fail
    directory_.add("/no-temporary-directory");
}

bool Runner::prepare() noexcept {
    own_pid_ = kernel::getpid();
    jobs_ = options_.jobs != 0 ? options_.jobs : 2 * cpu_count(); // tests mostly wait
    jobs_ = jobs_ > jobs_max ? jobs_max : jobs_;
    jobs_ = jobs_ > cases_.selected ? cases_.selected : jobs_;
    constexpr i32 access = abi::protection::read | abi::protection::write;
    const long slots = kernel::mmap(nullptr, jobs_ * sizeof(Slot), access,
                                    abi::map::private_ | abi::map::anonymous, -1, 0);
    const long outcomes = kernel::mmap(nullptr, jobs_ * sizeof(Outcome), access,
                                       abi::map::shared | abi::map::anonymous, -1, 0);
    if (is_error(slots) || is_error(outcomes)) {
        return false;
    }
    slots_ = reinterpret_cast<Slot*>(slots);
    for (u32 i = 0; i < jobs_; ++i) {
        slots_[i].outcome = reinterpret_cast<Outcome*>(outcomes) + i;
    }
    choose_directory();
    // What a dead test leaves behind becomes our child, so that it can be found and ended.
    (void)kernel::prctl(abi::prctl_option::set_child_subreaper, 1);
    abi::SignalSet set = abi::SignalSet::none();
    for (const i32 signal_number : ending_signals) {
        set.add(signal_number);
    }
    (void)kernel::rt_sigprocmask(abi::signal_mask::block, &set, &old_mask_);
    signal_fd_ = kernel::signalfd4(-1, &set, abi::signalfd_flag::cloexec);
    return true;
}

/// A file in memory that takes what a test prints, up to a limit. Parent and child share its
/// offset, which tells how much there is.
[[nodiscard]] i32 make_output_file() noexcept {
    const i32 fd = kernel::memfd_create("oxbow-test-output",
                                        abi::memfd_flag::cloexec | abi::memfd_flag::allow_sealing);
    if (fd >= 0 && kernel::ftruncate(fd, output_bytes_max) == 0) {
        (void)kernel::fcntl(fd, abi::fcntl_command::add_seals, abi::seal::grow);
    }
    return fd;
}

void Runner::start(Slot& slot, Case& test) noexcept {
    slot.test = &test;
    slot.timed_out = false;
    slot.hint.clear();
    *slot.outcome = {};
    slot.output_fd = make_output_file();
    slot.started_ns = now_ns();
    slot.deadline_ns =
        options_.timeout_s == 0 ? ~u64{0} : slot.started_ns + options_.timeout_s * ns_per_s;
    const i32 pid = kernel::fork();
    if (pid == 0) {
        become_child(slot);
    }
    slot.pid = pid;
    slot.pidfd = pid < 0 ? -1 : kernel::pidfd_open(pid, 0);
    ++running_;
    if (pid < 0) {
        slot.hint.add("fork: ").add(errno_name(pid));
        finish(slot, {false, 0});
    }
}

void Runner::set_standard_files(i32 output_fd) noexcept {
    i32 input = kernel::openat(abi::at_fdcwd, "/dev/null",
                               abi::open_flag::read_write | abi::open_flag::cloexec);
    if (input < 0) {
        input = kernel::memfd_create("oxbow-test-input", abi::memfd_flag::cloexec); // bare kernel
    }
    if (input > 0) {
        (void)kernel::dup3(input, 0, 0);
    }
    if (output_fd >= 0) {
        (void)kernel::dup3(output_fd, 1, 0);
        (void)kernel::dup3(output_fd, 2, 0);
    }
    if (kernel::close_range(3, ~0u, 0) < 0) {
        for (i32 fd = 3; fd < 1024; ++fd) {
            (void)kernel::close(fd);
        }
    }
}

/// Makes the child what every test may count on: a session of its own, standard files and nothing
/// else open, signals as they are at first, no core files; and lets it die with the parent.
void Runner::become_child(const Slot& slot) noexcept {
    (void)kernel::prctl(abi::prctl_option::set_parent_death_signal,
                        static_cast<uptr>(abi::signal::kill));
    if (kernel::getppid() != own_pid_) {
        kernel::exit_group(1);
    }
    (void)kernel::setsid();
    set_standard_files(slot.output_fd);
    constexpr i32 signals[] = {abi::signal::hup,  abi::signal::int_, abi::signal::quit,
                               abi::signal::pipe, abi::signal::alrm, abi::signal::term,
                               abi::signal::usr1, abi::signal::usr2, abi::signal::chld};
    const abi::SignalAction standard = {};
    for (const i32 signal_number : signals) {
        (void)kernel::rt_sigaction(signal_number, &standard, nullptr);
    }
    const abi::SignalSet none = abi::SignalSet::none();
    (void)kernel::rt_sigprocmask(abi::signal_mask::set, &none, nullptr);
    const abi::Rlimit no_core = {0, 0};
    (void)kernel::prlimit(0, abi::resource::core_bytes, &no_core, nullptr);
    // Both live as long as this process: nothing returns from here.
    const Message name = name_of(*slot.test);
    const Message directory = directory_of(*slot.test);
    run_here(*slot.test->entry, slot.test->row,
             {slot.outcome, name.text(), options_.program, directory.text(), options_.seed,
              options_.effort_percent, options_.strict});
}

// ---- Waiting ----------------------------------------------------------------------------------

void Runner::wait_for(u64 duration_ns) noexcept {
    abi::PollFd polled[jobs_max + 1] = {};
    u32 count = 0;
    for (u32 i = 0; i < jobs_; ++i) {
        const Slot& slot = slots_[i];
        if (slot.pid > 0 && slot.pidfd >= 0) {
            polled[count++] = {slot.pidfd, static_cast<u16>(abi::poll_event::in), 0};
        } else if (slot.pid > 0 && duration_ns > poll_interval_ns) {
            duration_ns = poll_interval_ns;
        }
    }
    if (signal_fd_ >= 0) {
        polled[count++] = {signal_fd_, static_cast<u16>(abi::poll_event::in), 0};
    }
    const abi::Timespec timeout = to_timespec(duration_ns);
    (void)kernel::ppoll(polled, count, &timeout, nullptr);
}

void Runner::wait() noexcept {
    const u64 now = now_ns();
    u64 duration_ns = 3600 * ns_per_s;
    for (u32 i = 0; i < jobs_; ++i) {
        const Slot& slot = slots_[i];
        if (slot.pid > 0 && slot.deadline_ns < now + duration_ns) {
            duration_ns = slot.deadline_ns > now ? slot.deadline_ns - now : 0;
        }
    }
    wait_for(duration_ns);
    abi::SignalfdInfo info = {};
    abi::PollFd polled = {signal_fd_, static_cast<u16>(abi::poll_event::in), 0};
    const abi::Timespec at_once = {};
    if (signal_fd_ >= 0 && kernel::ppoll(&polled, 1, &at_once, nullptr) == 1 &&
        kernel::read(signal_fd_, &info, sizeof(info)) == static_cast<long>(sizeof(info))) {
        interrupted_by_ = static_cast<i32>(info.signal);
    }
    for (u32 i = 0; i < jobs_; ++i) {
        if (slots_[i].pid > 0) {
            check(slots_[i]);
        }
    }
}

/// Where a process waits, as far as the kernel tells.
[[nodiscard]] Message place_of(i32 pid) noexcept {
    Message path;
    path.add("/proc/").add_decimal(static_cast<u64>(pid)).add("/syscall");
    char buffer[128];
    const long length = read_text_file(path.text(), buffer, sizeof(buffer));
    Message place;
    if (length > 0) {
        place.add("; in system call ");
        for (long i = 0; i < length && buffer[i] != '\n'; ++i) {
            place.add(buffer[i]);
        }
    }
    return place;
}

void Runner::end_hung(Slot& slot) noexcept {
    slot.timed_out = true;
    slot.hint = place_of(slot.pid);
    kill_group(slot.pid);
}

void Runner::check(Slot& slot) noexcept {
    if (!slot.timed_out && now_ns() >= slot.deadline_ns) {
        end_hung(slot);
        slot.deadline_ns = ~u64{0};
    }
    abi::SignalInfo info = {};
    const i32 result = kernel::waitid(abi::wait_for::pid, slot.pid, &info,
                                      abi::wait_option::exited | abi::wait_option::nohang);
    if (result == 0 && info.child.pid == 0) {
        return;
    }
    finish(slot, {info.code != abi::signal_code::child_exited, info.child.status});
}

// ---- Ending -----------------------------------------------------------------------------------

/// Ends what a test left running in its process group, and tells whether there was anything.
/// Processes that are about to end by themselves get a moment. Where we are no subreaper, whoever
/// is reaps them.
bool Runner::end_leftovers(i32 group) noexcept {
    const u64 grace_ends_ns = now_ns() + leftover_grace_ns;
    bool killed = false;
    for (;;) {
        abi::SignalInfo info = {};
        const i32 result = kernel::waitid(abi::wait_for::process_group, group, &info,
                                          abi::wait_option::exited | abi::wait_option::nohang |
                                              abi::wait_option::all_children);
        if (result == 0 && info.child.pid != 0) {
            continue;
        }
        if (kernel::kill(-group, 0) == -Errno::esrch) {
            return killed;
        }
        const u64 now = now_ns();
        if (now >= grace_ends_ns && !killed) {
            kill_group(group);
            killed = true;
        } else if (now >= grace_ends_ns + leftover_grace_ns) {
            return killed; // dead, but nobody has reaped them
        }
        sleep_ms(2);
    }
}

bool Runner::is_running(i32 pid) const noexcept {
    for (u32 i = 0; i < jobs_; ++i) {
        if (slots_[i].pid == pid) {
            return true;
        }
    }
    return false;
}

/// The session of a process, which every test has one of; 0: there is no such process.
[[nodiscard]] i32 session_of(i32 pid) noexcept {
    Message path;
    path.add("/proc/").add_decimal(static_cast<u64>(pid)).add("/stat");
    char buffer[512];
    if (read_text_file(path.text(), buffer, sizeof(buffer)) <= 0) {
        return 0;
    }
    const char* at = buffer;
    for (const char* c = buffer; *c != '\0'; ++c) {
        at = *c == ')' ? c + 1 : at; // the name, which may hold anything, ends here
    }
    for (u32 spaces = 0; *at != '\0' && spaces < 4; ++at) {
        spaces += *at == ' ' ? 1 : 0; // state, parent, group, session: proc(5)
    }
    i32 session = 0;
    for (; *at >= '0' && *at <= '9'; ++at) {
        session = session * 10 + (*at - '0');
    }
    return session;
}

bool Runner::is_of_another(const Slot& slot, i32 pid) const noexcept {
    const i32 session = session_of(pid);
    return session != 0 && session != slot.pid && is_running(session); // a free slot has pid 0
}

/// Ends children that left the group of the test in `slot`: whatever is our child now, and neither
/// a running test nor of the session of one, which will end it itself.
bool Runner::end_strays(const Slot& slot) noexcept {
    char buffer[1024];
    Message path;
    path.add("/proc/self/task/").add_decimal(static_cast<u64>(own_pid_)).add("/children");
    if (read_text_file(path.text(), buffer, sizeof(buffer)) <= 0) {
        return false;
    }
    bool ended = false;
    i32 pid = 0;
    for (const char* at = buffer; *at != '\0'; ++at) {
        if (*at >= '0' && *at <= '9') {
            pid = pid * 10 + (*at - '0');
            continue;
        }
        if (pid > 0 && !is_running(pid) && !is_of_another(slot, pid)) {
            (void)kernel::kill(pid, abi::signal::kill);
            abi::SignalInfo info = {};
            const i32 result =
                kernel::waitid(abi::wait_for::pid, pid, &info,
                               abi::wait_option::exited | abi::wait_option::all_children);
            ended = ended || result == 0;
        }
        pid = 0;
    }
    return ended;
}

void Runner::skip_as_told(const Slot& slot) noexcept {
    Case& test = *slot.test;
    test.state = State::skipped;
    __builtin_memcpy(test.reason, slot.outcome->reason, sizeof(test.reason));
    test.reason[sizeof(test.reason) - 1] = '\0';
}

/// Sets the state of the test and returns what its own output does not tell.
Message Runner::judge(const Slot& slot, const Exit& how, bool leftovers) noexcept {
    Message why;
    Case& test = *slot.test;
    const Ending ending = slot.outcome->read_ending();
    test.state = State::failed;
    const bool is_lacking = load_acquire(&slot.outcome->lacking) != 0;
    const bool passed = ending == Ending::passed && !slot.timed_out && !how.by_signal;
    if (slot.pid < 0) {
        why.add(slot.hint.text());
    } else if (is_lacking && !passed) {
        skip_as_told(slot);
    } else if (is_lacking) {
        why.add("it passed on a kernel that should lack ").add(slot.outcome->reason);
    } else if (slot.timed_out) {
        why.add("hang: no end after ").add_decimal(options_.timeout_s).add(" s, killed");
        why.add(slot.hint.text());
    } else if (ending == Ending::failed) {
        return why;
    } else if (how.by_signal) {
        why.add("killed by ").add(signal_name(how.status)).add(" (signal ");
        why.add_decimal(static_cast<u64>(how.status)).add(')');
    } else if (ending == Ending::none) {
        why.add("the process ended by itself with status ");
        why.add_decimal(static_cast<u64>(how.status)).add(", before the test had come to its end");
    } else if (ending == Ending::skipped) {
        skip_as_told(slot);
    } else if (leftovers) {
        why.add("it left processes running");
    } else {
        test.state = State::passed;
    }
    return why;
}

void Runner::finish(Slot& slot, const Exit& how) noexcept {
    bool leftovers = false;
    if (slot.pid > 0) {
        if (slot.timed_out || how.by_signal || interrupted_by_ != 0) {
            kill_group(slot.pid);
        }
        leftovers = end_leftovers(slot.pid);
        leftovers = end_strays(slot) || leftovers;
    }
    slot.test->duration_ns = now_ns() - slot.started_ns;
    const Message why = judge(slot, how, leftovers);
    totals_.passed += slot.test->state == State::passed ? 1 : 0;
    totals_.failed += slot.test->state == State::failed ? 1 : 0;
    totals_.skipped += slot.test->state == State::skipped ? 1 : 0;
    if (interrupted_by_ == 0) {
        report_case(options_, *slot.test, why.text(), slot.output_fd);
    }
    close_fd(slot.output_fd);
    close_fd(slot.pidfd);
    remove_tree(directory_of(*slot.test).text());
    slot.pid = 0;
    --running_;
}

void Runner::interrupt_all() noexcept {
    for (u32 i = 0; i < jobs_; ++i) {
        if (slots_[i].pid > 0) {
            kill_group(slots_[i].pid);
            slots_[i].timed_out = true;
        }
    }
}

int Runner::run() noexcept {
    if (!prepare()) {
        return 2;
    }
    const u64 started_ns = now_ns();
    u64 progress_ns = started_ns + options_.progress_s * ns_per_s;
    report_start(options_, cases_, jobs_);
    Case* next = cases_.begin();
    while (next != cases_.end() || running_ != 0) {
        for (u32 i = 0; i < jobs_ && interrupted_by_ == 0; ++i) {
            while (next != cases_.end() && !next->selected) {
                ++next;
            }
            if (slots_[i].pid == 0 && next != cases_.end()) {
                start(slots_[i], *next++);
            }
        }
        if (running_ != 0) {
            wait();
        }
        if (options_.progress_s != 0 && now_ns() >= progress_ns) {
            report_progress(cases_, totals_);
            progress_ns += options_.progress_s * ns_per_s;
        }
        if (interrupted_by_ != 0) {
            interrupt_all();
            next = cases_.end();
        }
    }
    remove_tree(directory_.text());
    close_fd(signal_fd_);
    (void)kernel::rt_sigprocmask(abi::signal_mask::set, &old_mask_, nullptr);
    if (interrupted_by_ != 0) {
        Message line;
        write_text(2, line.add("interrupted by ").add(signal_name(interrupted_by_)).add('\n'));
        return 128 + interrupted_by_;
    }
    report_end(options_, cases_, totals_, now_ns() - started_ns);
    return totals_.failed == 0 ? 0 : 1;
}

} // namespace

int run_cases(const Options& options, const Cases& cases) noexcept {
    Options seeded = options;
    if (!seeded.has_seed) {
        u32 drawn = 0; // 32 bits are easier to type again
        if (kernel::getrandom(&drawn, sizeof(drawn), abi::getrandom_flag::nonblock) !=
            static_cast<long>(sizeof(drawn))) {
            drawn = static_cast<u32>(now_ns());
        }
        seeded.seed = drawn;
    }
    return Runner(seeded, cases).run();
}

} // namespace oxbow::test
