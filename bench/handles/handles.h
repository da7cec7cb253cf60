// What an object of a library takes: each program here prints the bytes of those that its users
// make one of for each operation, or for each thing that operations are on.
#pragma once

#include "../bench.h"

namespace bench {

inline void print_bytes(const char* name, std::size_t bytes) {
    std::printf("%s=%zu ", name, bytes);
}

} // namespace bench

// clang-format off
#define OXBOW_BENCH_PRINT(type) ::bench::print_bytes(#type, sizeof(type))
// clang-format on
