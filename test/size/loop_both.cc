// The program with either engine, as the kernel allows.
#include "../../io/open.h"
#include "../../syscall/start.h"
#include "loop_program.h"

extern "C" int oxbow_main(int, char**, char**) {
    static constinit oxbow::Loop loop;
    static constinit oxbow::size::Program program;
    return oxbow::open(loop) != 0 ? 1 : program.run(loop);
}
