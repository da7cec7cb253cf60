// A TCP echo server under the load of many connections, each with one request under way. The server
// is what is measured; the load comes from one program for all of them (load.cc), which the server
// starts. What is counted lies between the last connection accepted and the first one closed.
#pragma once

#include "../processor.h"
#include "../sockets.h"

#include <string>
#include <sys/wait.h>
#include <vector>

namespace bench {

struct EchoParameters {
    unsigned connections;
    unsigned bytes; ///< of a message; servers receive up to this much at once
    long count;     ///< of requests, over all connections
    long rate;      ///< of requests in a second; 0: each follows the answer to the one before it
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

/// The load's program, which belongs to one of the cases beside the server's.
[[nodiscard]] inline std::string load_beside(const char* server, long rate) {
    const std::string path = server;
    return path.substr(0, path.rfind('/') + 1) + (rate == 0 ? "../echo/load" : "../latency/load");
}

inline pid_t start_load(const std::string& program, const EchoParameters& echo, unsigned port,
                        int go, long cpu) {
    expect(program.c_str(), access(program.c_str(), X_OK)); // or the server would wait for ever
    std::vector<std::string> words = {program,
                                      "port=" + std::to_string(port),
                                      "connections=" + std::to_string(echo.connections),
                                      "bytes=" + std::to_string(echo.bytes),
                                      "count=" + std::to_string(echo.count),
                                      "go=" + std::to_string(go),
                                      "cpu=" + std::to_string(cpu)};
    if (echo.rate != 0) {
        words.push_back("rate=" + std::to_string(echo.rate));
    }
    std::vector<char*> arguments;
    for (std::string& word : words) {
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    const pid_t child = static_cast<pid_t>(expect("fork", fork()));
    if (child == 0) {
        execv(program.c_str(), arguments.data());
        fail(program.c_str(), -errno);
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
                                 parameters.number("count", 100000), parameters.number("rate", 0)};
    const std::string load = load_beside(argv[0], echo.rate);
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
