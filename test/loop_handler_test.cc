// Handlers: on() calls the method that it was made with, whatever else has the same name.
#include "loop_handler_twin.h"

#include "loop_help.h"

namespace oxbow::test {
namespace {

struct Twin {
    u32 calls = 0;
    void ended(Result) noexcept { ++calls; }
};

LOOP_TEST(loop_handler_of_a_class_that_two_files_have) {
    Twin twin;
    Completion own;
    Completion others;
    loop.submit(own, op::nop(), on<&Twin::ended>(twin));
    loop.submit(others, op::nop(), other_twin());
    CHECK_OK(loop.run());
    CHECK_EQ(twin.calls, 1u);
    CHECK_EQ(calls_of_other_twin(), 100u);
}

} // namespace
} // namespace oxbow::test
