// A server of this folder as a child process, for the programs that measure one.
#pragma once

#include "../processor.h"
#include "../sockets.h"

#include <csignal>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace bench {

struct Child {
    pid_t pid;
    int output; ///< where it tells its port
};

/// Starts `program` with `argument` (or none). `traced`: it stops before its first instruction, and
/// its parent traces it.
[[nodiscard]] inline Child start_child(const char* program, const char* argument, bool traced) {
    int ends[2];
    expect("pipe2", pipe2(ends, O_CLOEXEC));
    // Not fork: what copying this process costs is not the server's.
    const pid_t child = static_cast<pid_t>(expect("vfork", vfork()));
    if (child == 0) {
        // It never outlives this process, whatever becomes of that.
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(ends[1], 1) == 1 &&
            (!traced || ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0)) {
            execl(program, program, argument, nullptr);
        }
        _exit(127);
    }
    close(ends[1]);
    return {child, ends[0]};
}

/// The port that a child tells, which it does when it listens.
[[nodiscard]] inline unsigned port_told_by(const Child& child) {
    std::uint16_t port = 0;
    if (read(child.output, &port, sizeof(port)) != sizeof(port)) {
        fail("the server has told no port", 0);
    }
    return ntohs(port);
}

/// Sends a few bytes and compares what comes back.
inline void exchange_on(int connection) {
    constexpr char request[] = "a request";
    char answer[sizeof(request)] = {};
    if (send(connection, request, sizeof(request), MSG_NOSIGNAL) != sizeof(request) ||
        recv(connection, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer) ||
        std::memcmp(request, answer, sizeof(answer)) != 0) {
        fail("the server answered wrongly", -errno);
    }
}

/// Reading from it gives up after so long.
inline void limit_wait(int connection, long seconds) {
    const timeval limit = {seconds, 0};
    expect("SO_RCVTIMEO", setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
}

} // namespace bench
