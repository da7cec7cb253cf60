// What every subject of every case shares: its parameters, the clocks, and the one line of figures
// that bench/run.py collects. Hosted: the peers need a C library anyway.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {

using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

[[noreturn]] inline void fail(const char* what, long error) {
    std::fprintf(stderr, "bench: %s: %s (%ld)\n", what,
                 error < 0 ? std::strerror(static_cast<int>(-error)) : "unexpected", error);
    std::exit(1);
}

/// For calls that say -1 and errno.
inline long expect(const char* what, long result) {
    if (result < 0) {
        fail(what, -errno);
    }
    return result;
}

[[nodiscard]] inline i64 clock_ns(clockid_t clock) {
    std::timespec now{};
    clock_gettime(clock, &now);
    return i64{now.tv_sec} * 1000000000 + now.tv_nsec;
}

/// The command line: `key=value …`. Every key that a program knows it asks for, and then calls
/// done(), which refuses what is left.
class Parameters {
  public:
    Parameters(int argc, char** argv) : count_(argc), arguments_(argv) {}

    [[nodiscard]] const char* text(const char* key, const char* otherwise) {
        const std::size_t bytes = std::strlen(key);
        for (int i = 1; i < count_; ++i) {
            char* const argument = arguments_[i];
            if (argument != nullptr && std::strncmp(argument, key, bytes) == 0 &&
                argument[bytes] == '=') {
                arguments_[i] = nullptr;
                return argument + bytes + 1;
            }
        }
        return otherwise;
    }

    [[nodiscard]] long number(const char* key, long otherwise) {
        const char* const digits = text(key, nullptr);
        if (digits == nullptr) {
            return otherwise;
        }
        char* end = nullptr;
        const long value = std::strtol(digits, &end, 10);
        if (end == digits || *end != '\0' || value < 0) {
            std::fprintf(stderr, "bench: %s=%s is not a number\n", key, digits);
            std::exit(2);
        }
        return value;
    }

    void done() const {
        for (int i = 1; i < count_; ++i) {
            if (arguments_[i] != nullptr) {
                std::fprintf(stderr, "bench: %s: no such parameter: %s\n", arguments_[0],
                             arguments_[i]);
                std::exit(2);
            }
        }
    }

  private:
    int count_;
    char** arguments_;
};

inline constexpr pid_t no_process = -1;

/// Counts the system calls of this thread or another, and of threads (but not processes) that it
/// starts later; -1 where the kernel does not say (tracefs is not mounted, or the user may not
/// look).
class SyscallCounter {
  public:
    explicit SyscallCounter(pid_t thread = 0) {
        if (thread == no_process) {
            return;
        }
        const int fd = open("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", O_RDONLY);
        char digits[32] = {};
        if (fd < 0 || read(fd, digits, sizeof(digits) - 1) <= 0) {
            return;
        }
        close(fd);
        perf_event_attr event{};
        event.type = PERF_TYPE_TRACEPOINT;
        event.size = sizeof(event);
        event.config = std::strtoull(digits, nullptr, 10);
        event.inherit = 1;
        event.inherit_thread = 1; // and not to processes: the load of a server is one
        fd_ = static_cast<int>(
            syscall(SYS_perf_event_open, &event, thread, -1, -1, PERF_FLAG_FD_CLOEXEC));
    }
    [[nodiscard]] i64 value() const {
        i64 count = 0;
        return fd_ >= 0 && read(fd_, &count, sizeof(count)) == sizeof(count) ? count : -1;
    }

  private:
    int fd_ = -1;
};

/// Measures from start() to stop(), as often as one likes, and prints the sum for each operation.
class Meter {
  public:
    /// `counts_syscalls`: counting makes each of them dearer, so it is not for runs that are timed.
    explicit Meter(Parameters& parameters) : Meter(parameters.number("syscalls", 0) != 0) {}
    /// `cpu_clock`: of the thread, where others of the process do something else meanwhile.
    explicit Meter(bool counts_syscalls, clockid_t cpu_clock = CLOCK_PROCESS_CPUTIME_ID)
        : counts_(counts_syscalls), cpu_clock_(cpu_clock) {
        if (counts_) {
            counter_ = new SyscallCounter;
        }
    }

    void start() {
        cpu_ -= clock_ns(cpu_clock_);
        wall_ -= clock_ns(CLOCK_MONOTONIC);
        calls_ -= counts_ ? counter_->value() : 0;
    }
    void stop() {
        if (counts_) {
            const i64 count = counter_->value();
            known_ = count >= 0;
            calls_ += count - 1; // this reading is one itself
        }
        wall_ += clock_ns(CLOCK_MONOTONIC);
        cpu_ += clock_ns(cpu_clock_);
    }
    [[nodiscard]] i64 wall_ns() const { return wall_; }
    [[nodiscard]] i64 cpu_ns() const { return cpu_; }
    /// -1: not counted.
    [[nodiscard]] i64 syscalls() const { return known_ ? calls_ : -1; }
    void print(double operations) const {
        std::printf("ns=%.3f cpu_ns=%.3f", static_cast<double>(wall_) / operations,
                    static_cast<double>(cpu_) / operations);
        if (known_) {
            std::printf(" syscalls=%.4f", static_cast<double>(calls_) / operations);
        }
        std::printf("\n");
    }

  private:
    bool counts_;
    clockid_t cpu_clock_;
    bool known_ = false;
    SyscallCounter* counter_ = nullptr;
    i64 wall_ = 0;
    i64 cpu_ = 0;
    i64 calls_ = 0;
};

} // namespace bench
