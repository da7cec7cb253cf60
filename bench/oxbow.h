// Opens the loop that a benchmark of Oxbow runs on, as `engine=uring` or `engine=epoll` says.
#pragma once

#include "../io/open.h"
#include "bench.h"

namespace bench {

inline void open_loop(oxbow::Loop& loop, const char* name, const oxbow::LoopOptions& options = {}) {
    const bool epoll = std::strcmp(name, "epoll") == 0;
    if (!epoll && std::strcmp(name, "uring") != 0) {
        fail("engine is uring or epoll", 0);
    }
    const int error =
        oxbow::open(loop,
                    {.loop = options,
                     .engine = epoll ? oxbow::EngineChoice::epoll : oxbow::EngineChoice::uring,
                     .avoid_pwait2 = false},
                    nullptr);
    if (error != 0) {
        fail("oxbow::open", error);
    }
}

inline void open_loop(oxbow::Loop& loop, Parameters& parameters,
                      const oxbow::LoopOptions& options = {}) {
    open_loop(loop, parameters.text("engine", "uring"), options);
}

} // namespace bench
