// Opens the loops of LOOP_TEST.
#include "loop_configurations.h"

#include "../syscall/errno.h"

namespace oxbow::test {

i32 open_as(Loop& loop, const LoopConfiguration& configuration,
            const LoopOptions& options) noexcept {
    Options all;
    all.loop = options;
    all.loop.entries = configuration.entries;
    all.engine = configuration.engine;
    all.avoid_pwait2 = configuration.avoid_pwait2;
    return open(loop, all);
}

ConfiguredLoop::ConfiguredLoop(const LoopConfiguration& configuration,
                               const LoopOptions& options) noexcept {
    if (configuration.kernel != nullptr) {
        limited_ = new (static_cast<void*>(limit_)) LimitedKernel(parts_of(configuration.kernel));
    }
    if (configuration.is_uring()) {
        need_rings();
    }
    CHECK_OK(open_as(loop_, configuration, options));
    CHECK(loop_.is_open());
    CHECK_STREQ(loop_.engine_name(), configuration.is_uring() ? "io_uring" : "epoll");
}

ConfiguredLoop::~ConfiguredLoop() {
    if (loop_.in_flight() != 0) {
        FAIL("the body left operations in flight, whose completions have gone with it: end_all");
    }
    constexpr u64 patience_ns = 20'000'000'000;
    CHECK_EQ(loop_.drain(now_ns() + patience_ns), 0u);
    CHECK_EQ(loop_.in_flight(), 0u);
    loop_.close();
    if (limited_ != nullptr) {
        limited_->~LimitedKernel();
    }
}

} // namespace oxbow::test
