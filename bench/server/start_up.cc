// Starts a server again and again, sends it one request on one connection, and waits for its end.
// What is measured is from the start of the process until its end has been seen, on one processor;
// the server's CPU time; and, in other runs, each system call that it makes: that of exec, which
// begins it, and that of exit, which ends it, too.
//
//     start_up server=PROGRAM count=100 cpu=0 syscalls=0
#include "child.h"

#include <sys/resource.h>

namespace {

using namespace bench;

void request(const Child& server) {
    const int connection = connect_to(port_told_by(server));
    limit_wait(connection, 20);
    exchange_on(connection);
    close(connection);
}

void check_end(int status) {
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail("the server, or its client, failed: wait status", status);
    }
}

void run_once(const char* program) {
    const Child server = start_child(program, "1", false);
    request(server);
    int status = 0;
    expect("waitpid", waitpid(server.pid, &status, 0));
    check_end(status);
    close(server.output);
}

/// Lets a traced thread go on, up to its next system call.
void resume(pid_t thread, int signal) {
    ptrace(PTRACE_SYSCALL, thread, nullptr, static_cast<long>(signal)); // fails where it has died
}

/// Whether the thread is about to make a system call; else it has made one.
[[nodiscard]] bool is_entry(pid_t thread) {
    __ptrace_syscall_info info{};
    expect("PTRACE_GET_SYSCALL_INFO", ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info));
    return info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/// Traces a server from its exec until it and its client have ended, with all of its threads, and
/// counts.
[[nodiscard]] long trace(pid_t server, pid_t client) {
    long count = 1; // exec, after which it has stopped
    int to_end = 2;
    int status = 0;
    expect("waitpid", waitpid(server, &status, 0));
    if (!WIFSTOPPED(status)) {
        fail("the server could not be started: wait status", status);
    }
    expect("PTRACE_SETOPTIONS",
           ptrace(PTRACE_SETOPTIONS, server, nullptr,
                  PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
    resume(server, 0);
    while (to_end > 0) {
        const pid_t thread = static_cast<pid_t>(expect("waitpid", waitpid(-1, &status, __WALL)));
        if (!WIFSTOPPED(status)) {
            if (thread == server || thread == client) {
                check_end(status);
                --to_end;
            }
            continue;
        }
        const int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            count += is_entry(thread) ? 1 : 0;
            resume(thread, 0);
        } else {
            // SIGSTOP begins a new thread, SIGTRAP tells of its parent's clone.
            resume(thread, signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
        }
    }
    return count;
}

/// The request comes from a process of its own, since this one is busy with tracing.
[[nodiscard]] long count_syscalls(const char* program) {
    const Child server = start_child(program, "1", true);
    const pid_t client = static_cast<pid_t>(expect("fork", fork()));
    if (client == 0) {
        request(server);
        _exit(0);
    }
    return trace(server.pid, client);
}

[[nodiscard]] i64 children_cpu_ns() {
    rusage usage{};
    expect("getrusage", getrusage(RUSAGE_CHILDREN, &usage));
    return (i64{usage.ru_utime.tv_sec} + usage.ru_stime.tv_sec) * 1000000000 +
           (i64{usage.ru_utime.tv_usec} + usage.ru_stime.tv_usec) * 1000;
}

} // namespace

int main(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const char* const server = parameters.text("server", "");
    const long count = parameters.number("count", 100);
    const bool counts_syscalls = parameters.number("syscalls", 0) != 0;
    pin_to(parameters.number("cpu", 0));
    parameters.done();
    run_once(server); // so that its file is in memory
    const i64 cpu_ns = children_cpu_ns();
    const i64 begin_ns = clock_ns(CLOCK_MONOTONIC);
    for (long i = 0; i < count; ++i) {
        run_once(server);
    }
    const auto starts = static_cast<double>(count);
    std::printf("ns=%.0f cpu_ns=%.0f",
                static_cast<double>(clock_ns(CLOCK_MONOTONIC) - begin_ns) / starts,
                static_cast<double>(children_cpu_ns() - cpu_ns) / starts);
    if (counts_syscalls) {
        std::printf(" syscalls=%ld", count_syscalls(server));
    }
    std::printf("\n");
    return 0;
}
