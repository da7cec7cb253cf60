// The test program: options, selection, run.
#include "../syscall/start.h"
#include "init.h"
#include "runner.h"

namespace oxbow::test {

int run_program(int argc, char** argv) noexcept {
    Options options;
    int status = parse_options(argc, argv, options);
    if (status != 0) {
        return status;
    }
    if (options.mode == Mode::help) {
        print_help(options);
        return 0;
    }
    Cases cases = {};
    status = select_cases(options, cases);
    if (status != 0) {
        return status;
    }
    switch (options.mode) {
    case Mode::list:
        list_cases(cases);
        return 0;
    case Mode::ctest:
        list_for_ctest(options, cases);
        return 0;
    default:
        return run_cases(options, cases);
    }
}

} // namespace oxbow::test

extern "C" int oxbow_main(int argc, char** argv, char**) {
    using namespace oxbow::test;
    if (is_init()) {
        run_as_init(run_program, argc, argv);
    }
    return run_program(argc, argv);
}
