// The other file of loop_handler_test.cc, with a class of the same name.
#include "loop_handler_twin.h"

namespace oxbow::test {
namespace {

struct Twin {
    u32 calls = 0;
    void ended(Result) noexcept { calls += 100; }
};

Twin twin;

} // namespace

Handler other_twin() noexcept {
    return on<&Twin::ended>(twin);
}

u32 calls_of_other_twin() noexcept {
    return twin.calls;
}

} // namespace oxbow::test
