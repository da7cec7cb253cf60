// A TCP echo server under the load of many connections, each with one request under way. The server
// is what is measured; the load comes from one program for all of them (load.cc), which the server
// starts. What is counted lies between the last connection accepted and the first one closed.
//
// With loops=2 the server is two threads of a loop each, which share a port and have a load each.
#pragma once

#include "../processor.h"
#include "../sockets.h"

#include <barrier>
#include <deque>
#include <linux/filter.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

namespace bench {

struct EchoParameters {
    unsigned connections;
    unsigned bytes; ///< of a message; servers receive up to this much at once
    long count;     ///< of requests, over all connections
    long rate;      ///< of requests in a second; 0: each follows the answer to the one before it
};

/// What servers tell: when each connection begins and ends. The load begins when all have been
/// accepted (by each of the loops, where there are several), and so does the measurement.
class EchoProgress {
  public:
    EchoProgress(unsigned connections, Meter& meter, std::barrier<>& all_loops)
        : expected_(connections), meter_(meter), all_loops_(all_loops) {
        expect("pipe", pipe(go_));
    }

    void accepted(int fd) {
        if (fd < 0) {
            fail("accept", fd);
        }
        set_nodelay(fd);
        if (++accepted_ == expected_) {
            all_loops_.arrive_and_wait();
            expect("write", write(go_[1], "", 1));
            meter_.start();
        }
    }
    void closed() {
        if (closed_++ == 0) {
            meter_.stop();
        }
    }
    [[nodiscard]] bool all_accepted() const { return accepted_ == expected_; }
    /// Where the load reads that it may begin.
    [[nodiscard]] int go() const { return go_[0]; }
    [[nodiscard]] bool done() const { return closed_ == expected_; }

  private:
    unsigned expected_;
    unsigned accepted_ = 0;
    unsigned closed_ = 0;
    int go_[2];
    Meter& meter_;
    std::barrier<>& all_loops_;
};

/// The load's program, which belongs to one of the cases beside the server's.
[[nodiscard]] inline std::string load_beside(const char* server, long rate) {
    const std::string path = server;
    return path.substr(0, path.rfind('/') + 1) + (rate == 0 ? "../echo/load" : "../latency/load");
}

/// What the command line says to every server.
struct EchoSetting {
    EchoSetting(Parameters& parameters, const char* program)
        : echo{static_cast<unsigned>(parameters.number("connections", 64)),
               static_cast<unsigned>(parameters.number("bytes", 64)),
               parameters.number("count", 100000), parameters.number("rate", 0)},
          loops(static_cast<unsigned>(parameters.number("loops", 1))),
          load(load_beside(program, echo.rate)), cpu(parameters.number("cpu", 0)),
          load_cpu(parameters.number("load_cpu", 0)),
          counts_syscalls(parameters.number("syscalls", 0) != 0) {
        if (loops == 0 || (loops > 1 && echo.rate != 0)) {
            fail("loops is 1 or more, and 1 at a rate", loops);
        }
    }

    EchoParameters echo; ///< of each loop
    unsigned loops;
    std::string load;
    long cpu;      ///< of the first loop; the others have the next ones
    long load_cpu; ///< of its load, likewise
    bool counts_syscalls;
};

inline pid_t start_load(const EchoSetting& setting, unsigned loop, unsigned port, int go) {
    const char* const program = setting.load.c_str();
    expect(program, access(program, X_OK)); // or the server would wait for ever
    std::vector<std::string> words = {setting.load,
                                      "port=" + std::to_string(port),
                                      "connections=" + std::to_string(setting.echo.connections),
                                      "bytes=" + std::to_string(setting.echo.bytes),
                                      "count=" + std::to_string(setting.echo.count),
                                      "go=" + std::to_string(go),
                                      "cpu=" + std::to_string(setting.load_cpu + loop),
                                      "lane=" + std::to_string(loop)};
    if (setting.echo.rate != 0) {
        words.push_back("rate=" + std::to_string(setting.echo.rate));
    }
    std::vector<char*> arguments;
    for (std::string& word : words) {
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    const pid_t child = static_cast<pid_t>(expect("fork", fork()));
    if (child == 0) {
        execv(program, arguments.data());
        fail(program, -errno);
    }
    return child;
}

/// Gives each connection to the listener of its load's number, of those that share the port of
/// `listener`: the third byte of the address that it comes from (source_address). Left to itself
/// the kernel draws lots, and loops would differ in how many connections they have.
inline void choose_listener_by_source(int listener) {
    constexpr u32 third_byte_of_source = static_cast<u32>(SKF_NET_OFF) + 12 + 2;
    sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, third_byte_of_source),
                          BPF_STMT(BPF_RET | BPF_A, 0)};
    const sock_fprog program = {2, code};
    expect("SO_ATTACH_REUSEPORT_CBPF",
           setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)));
}

/// One loop from beginning to end, in the thread that calls it; what it took goes into `meter`.
template <class Server>
void run_echo_loop(unsigned loop, int listener, std::barrier<>& all_loops,
                   std::vector<char*> arguments, Meter*& meter) {
    Parameters parameters(static_cast<int>(arguments.size()), arguments.data());
    const EchoSetting setting(parameters, arguments[0]);
    pin_to(setting.cpu + loop);
    // Other loops' time is not this one's; but one alone may have threads that help it.
    meter = new Meter(setting.counts_syscalls,
                      setting.loops == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID);
    EchoProgress progress(setting.echo.connections, *meter, all_loops);
    Server* const server = new Server(listener, setting.echo, progress, parameters);
    parameters.done();
    const pid_t child = start_load(setting, loop, port_of(listener), progress.go());
    server->run();
    int status = 0;
    expect("waitpid", waitpid(child, &status, 0));
    if (WIFEXITED(status) && WEXITSTATUS(status) == exit_left_out) {
        std::exit(exit_left_out);
    }
    if (status != 0) {
        fail("the load failed: wait status", status);
    }
}

/// Figures of a request, whichever loop answered it. Loops work side by side: what counts is how
/// many requests all of them answer in a second.
inline void print_echo(const EchoSetting& setting, const std::vector<Meter*>& meters) {
    const double count = static_cast<double>(setting.echo.count);
    double in_a_nanosecond = 0;
    double cpu_ns = 0;
    double wall_ns = 0;
    double syscalls = 0;
    bool counted = true;
    for (const Meter* meter : meters) {
        in_a_nanosecond += count / static_cast<double>(meter->wall_ns());
        cpu_ns += static_cast<double>(meter->cpu_ns());
        wall_ns += static_cast<double>(meter->wall_ns());
        syscalls += static_cast<double>(meter->syscalls());
        counted = counted && meter->syscalls() >= 0;
    }
    const double all = count * static_cast<double>(meters.size());
    // `share`: how much of its processors the server had; the rest was the load's, or nobody's.
    std::printf("ns=%.3f cpu_ns=%.3f share=%.3f", 1 / in_a_nanosecond, cpu_ns / all,
                cpu_ns / wall_ns);
    if (counted) {
        std::printf(" syscalls=%.4f", syscalls / all);
    }
    std::printf("\n");
}

/// `Server`: made of the listening socket (blocking), EchoParameters, EchoProgress and Parameters;
/// run() serves until EchoProgress::done(). Both in the thread of its loop.
template <class Server>
int run_echo(int argc, char** argv) {
    const std::vector<char*> arguments(argv, argv + argc); // each loop strikes out what it has read
    std::vector<char*> own = arguments;
    Parameters parameters(argc, own.data());
    const EchoSetting setting(parameters, argv[0]);
    raise_file_limit(files_beside + static_cast<long>(setting.loops) * setting.echo.connections);
    std::barrier<> all_loops(setting.loops);
    std::vector<Meter*> meters(setting.loops);
    std::vector<int> listeners = {listen_on(0)};
    for (unsigned loop = 1; loop < setting.loops; ++loop) {
        listeners.push_back(listen_on(port_of(listeners[0])));
    }
    if (setting.loops > 1) {
        choose_listener_by_source(listeners[0]);
    }
    std::deque<std::thread> threads;
    for (unsigned loop = 1; loop < setting.loops; ++loop) {
        threads.emplace_back(run_echo_loop<Server>, loop, listeners[loop], std::ref(all_loops),
                             arguments, std::ref(meters[loop]));
    }
    run_echo_loop<Server>(0, listeners[0], all_loops, arguments, meters[0]);
    for (std::thread& thread : threads) {
        thread.join();
    }
    print_echo(setting, meters);
    return 0;
}

} // namespace bench
