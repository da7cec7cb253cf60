// Many connections to a server that say nothing: what each costs it in memory, time and system
// calls until it waits for its first byte.
//
//     idle server=PROGRAM count=10000 cpu=0 syscalls=0
//
// What is counted, per connection, is what has grown between a first connection, which is served
// and stays, and the moment when `count` more have been accepted:
//
//   own_bytes     the server's own memory: VmRSS of /proc/PID/status
//   kernel_bytes  the kernel's that is charged to the server: its half of each connection, and what
//                 waits for it. The rest of a connection is the same for every server. Left out
//                 where it is not known (memory_group.h). Exact to some 50 bytes, since the kernel
//                 charges in advance
//   total_bytes   both
//   cpu_ns        the server's CPU time: /proc/PID/schedstat
//   ns            the time it took, together with connecting
//
// A server arms connections in the order in which it has accepted them. So when the last one has
// been answered, all of them were armed; that exchange is counted with them. Then each of the
// others is asked too, to see that it was really served.
#include "child.h"
#include "memory_group.h"

#include <vector>

namespace {

using namespace bench;

struct Snapshot {
    i64 own_bytes;
    i64 kernel_bytes;
    i64 cpu_ns;
    i64 syscalls;
    i64 ns;
};

[[nodiscard]] Snapshot snapshot(pid_t server, const SyscallCounter& counter,
                                const MemoryGroup& group) {
    const std::string folder = "/proc/" + std::to_string(server);
    const Snapshot now = {number_in(folder + "/status", "VmRSS:") * 1024, group.kernel_bytes(),
                          number_in(folder + "/schedstat", ""), counter.value(),
                          clock_ns(CLOCK_MONOTONIC)};
    if (now.own_bytes < 0 || now.cpu_ns < 0) {
        fail("/proc does not tell of the server", 0);
    }
    return now;
}

void print_growth(const Snapshot& before, const Snapshot& after, double connections) {
    const auto each = [&](i64 Snapshot::*of) {
        return static_cast<double>(after.*of - before.*of) / connections;
    };
    const double own = each(&Snapshot::own_bytes);
    std::printf("ns=%.1f cpu_ns=%.1f own_bytes=%.1f", each(&Snapshot::ns), each(&Snapshot::cpu_ns),
                own);
    if (before.kernel_bytes >= 0) {
        const double kernel = each(&Snapshot::kernel_bytes);
        std::printf(" kernel_bytes=%.1f total_bytes=%.1f", kernel, own + kernel);
    }
    if (before.syscalls >= 0) {
        std::printf(" syscalls=%.4f", each(&Snapshot::syscalls));
    }
    std::printf("\n");
}

/// Ends a connection with a reset, on both ends at once: neither may linger and be taken for memory
/// of the next server that is measured.
void reset(int connection) {
    const linger at_once = {1, 0};
    expect("SO_LINGER", setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
    close(connection);
}

/// A connection that has been served, which takes as long as all that came before it.
[[nodiscard]] int served_connection(unsigned port, u32 source) {
    const int connection = connect_to(port, source);
    limit_wait(connection, 20);
    exchange_on(connection);
    return connection;
}

} // namespace

int main(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const char* const program = parameters.text("server", "");
    const unsigned count = static_cast<unsigned>(parameters.number("count", 10000));
    const bool counts_syscalls = parameters.number("syscalls", 0) != 0;
    pin_to(parameters.number("cpu", 0));
    parameters.done();
    raise_file_limit(files_beside + count);
    const Child server = start_child(program, nullptr, false);
    const MemoryGroup group(server.pid);
    const unsigned port = port_told_by(server);
    const SyscallCounter counter(counts_syscalls ? server.pid : no_process);

    std::vector<int> connections = {served_connection(port, source_address(0, 0))};
    const Snapshot before = snapshot(server.pid, counter, group);
    for (unsigned i = 1; i < count; ++i) {
        connections.push_back(connect_to(port, source_address(0, i)));
    }
    connections.push_back(served_connection(port, source_address(0, count)));
    const Snapshot after = snapshot(server.pid, counter, group);

    for (const int connection : connections) {
        limit_wait(connection, 20);
        exchange_on(connection);
    }
    for (const int connection : connections) {
        reset(connection);
    }
    const int status = MemoryGroup::end_process();
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        fail("the server has ended by itself: wait status", status);
    }
    print_growth(before, after, count);
    return 0;
}
