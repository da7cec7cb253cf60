// A TCP echo server under the load of many connections, each with one request under way. The server
// is what is measured; the load comes from one program for all of them (load.cc), which the server
// starts. What is counted lies between the last connection accepted and the first one closed.
#pragma once

#include "../processor.h"
#include "../sockets.h"

#include <string>
#include <sys/wait.h>

namespace bench {

struct EchoParameters {
    unsigned connections;
    unsigned bytes; ///< of a message; servers receive up to this much at once
    long count;     ///< of requests, over all connections
};

/// What servers tell: when each connection begins and ends. The load begins when all have been
/// accepted, and so does the measurement.
class EchoProgress {
  public:
    EchoProgress(unsigned connections, Meter& meter) : expected_(connections), meter_(meter) {
        expect("pipe", pipe(go_));
    }

    void accepted(int fd) {
        if (fd < 0) {
            fail("accept", fd);
        }
        set_nodelay(fd);
        if (++accepted_ == expected_) {
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
};

/// The load's program lies beside the server's.
[[nodiscard]] inline std::string load_beside(const char* server) {
    const std::string path = server;
    return path.substr(0, path.rfind('/') + 1) + "load";
}

inline pid_t start_load(const char* program, const EchoParameters& echo, unsigned port, int go,
                        long cpu) {
    expect(program, access(program, X_OK)); // or the server would wait for it for ever
    char arguments[6][64];
    std::snprintf(arguments[0], 64, "port=%u", port);
    std::snprintf(arguments[1], 64, "connections=%u", echo.connections);
    std::snprintf(arguments[2], 64, "bytes=%u", echo.bytes);
    std::snprintf(arguments[3], 64, "count=%ld", echo.count);
    std::snprintf(arguments[4], 64, "go=%d", go);
    std::snprintf(arguments[5], 64, "cpu=%ld", cpu);
    const pid_t child = static_cast<pid_t>(expect("fork", fork()));
    if (child == 0) {
        execl(program, program, arguments[0], arguments[1], arguments[2], arguments[3],
              arguments[4], arguments[5], nullptr);
        fail(program, -errno);
    }
    return child;
}

/// `Server`: made of the listening socket (blocking), EchoParameters, EchoProgress and Parameters;
/// run() serves until EchoProgress::done().
template <class Server>
int run_echo(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const EchoParameters echo = {static_cast<unsigned>(parameters.number("connections", 64)),
                                 static_cast<unsigned>(parameters.number("bytes", 64)),
                                 parameters.number("count", 100000)};
    const std::string beside = load_beside(argv[0]);
    const char* const load = parameters.text("load", beside.c_str());
    const long load_cpu = parameters.number("load_cpu", 0);
    pin_to(parameters.number("cpu", 0));
    raise_file_limit();
    Meter meter(parameters);
    EchoProgress progress(echo.connections, meter);
    const int listener = listen_on(0);
    Server* const server = new Server(listener, echo, progress, parameters);
    parameters.done();
    const pid_t child = start_load(load, echo, port_of(listener), progress.go(), load_cpu);
    server->run();
    int status = 0;
    expect("waitpid", waitpid(child, &status, 0));
    if (status != 0) {
        fail("the load failed: wait status", status);
    }
    meter.print(static_cast<double>(echo.count));
    return 0;
}

} // namespace bench
