// The program with io_uring alone.
#include "../../syscall/start.h"
#include "../../uring/engine.h"
#include "loop_program.h"

extern "C" int oxbow_main(int, char**, char**) {
    static constinit oxbow::Loop loop;
    static constinit oxbow::size::Program program;
    if (loop.prepare({}) != 0 || oxbow::attach_uring(loop) != 0) {
        return 77; // there is no io_uring here: the size is known all the same
    }
    return program.run(loop);
}
