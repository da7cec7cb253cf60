// The program with epoll alone.
#include "../../epoll/engine.h"
#include "../../syscall/start.h"
#include "loop_program.h"

extern "C" int oxbow_main(int, char**, char**) {
    static constinit oxbow::Loop loop;
    static constinit oxbow::size::Program program;
    if (loop.prepare({}) != 0 || oxbow::attach_epoll(loop, {}) != 0) {
        return 1;
    }
    return program.run(loop);
}
