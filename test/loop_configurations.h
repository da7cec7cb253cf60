// LOOP_TEST: one body, run on every engine configuration: io_uring with all that this kernel has,
// with one entry, as on older kernels, and epoll with and without epoll_pwait2.
#pragma once

#include "../io/open.h"
#include "harness.h"
#include "limited_kernel.h"

namespace oxbow::test {

struct LoopConfiguration {
    const char* name;
    EngineChoice engine;
    u32 entries;
    const char* kernel; ///< that the running one pretends to be; nullptr: itself
    bool avoid_pwait2;

    [[nodiscard]] bool is_uring() const noexcept { return engine == EngineChoice::uring; }
    [[nodiscard]] bool is_epoll() const noexcept { return engine == EngineChoice::epoll; }
};

/// Engines on which every body must hold.
inline constexpr LoopConfiguration loop_configurations[] = {
    {"uring", EngineChoice::uring, 256, nullptr, false},
    {"uring_1", EngineChoice::uring, 1, nullptr, false},
    {"uring_as_5_6", EngineChoice::uring, 64, "5.6", false},
    {"uring_as_5_10", EngineChoice::uring, 64, "5.10", false},
    {"uring_as_5_15", EngineChoice::uring, 64, "5.15", false},
    {"uring_as_6_1", EngineChoice::uring, 64, "6.1", false},
    {"epoll", EngineChoice::epoll, 256, nullptr, false},
    {"epoll_ms", EngineChoice::epoll, 256, nullptr, true},
};

/// 6.5 forgets some of the connections of a multishot accept where completions overflow, which they
/// do in a ring of one entry, and tells others twice. Seen on i386.
[[nodiscard]] inline bool miscounts_overflowing_connections(const LoopConfiguration& row) noexcept {
    return row.entries == 1 && kernel_at_least(6, 5) && !kernel_at_least(6, 6);
}

/// An open loop of one configuration. Skips where this kernel refuses the engine.
class ConfiguredLoop {
  public:
    explicit ConfiguredLoop(const LoopConfiguration& configuration,
                            const LoopOptions& options = {}) noexcept;
    /// Drains and closes; fails where something is in flight, since its memory has gone.
    ~ConfiguredLoop();
    ConfiguredLoop(const ConfiguredLoop&) = delete;
    ConfiguredLoop& operator=(const ConfiguredLoop&) = delete;

    Loop& operator*() noexcept { return loop_; }
    Loop* operator->() noexcept { return &loop_; }

  private:
    alignas(LimitedKernel) unsigned char limit_[sizeof(LimitedKernel)];
    LimitedKernel* limited_ = nullptr;
    Loop loop_;
};

/// Opens as the configuration says. 0 or a negative errno.
[[nodiscard]] i32 open_as(Loop& loop, const LoopConfiguration& configuration,
                          const LoopOptions& options = {}) noexcept;

} // namespace oxbow::test

/// LOOP_TEST(name) { ... loop ... row ... }: the body sees an open `Loop& loop`. When it returns,
/// nothing may be in flight (end_all in loop_help.h), and as many descriptors and mappings are
/// there as before.
#define LOOP_TEST(id)                                                                              \
    static void id##_on(::oxbow::Loop& loop,                                                       \
                        const ::oxbow::test::LoopConfiguration& row) noexcept;                     \
    VARIANT_TEST(id, ::oxbow::test::loop_configurations) {                                         \
        const ::oxbow::test::Resources before = ::oxbow::test::resources();                        \
        {                                                                                          \
            ::oxbow::test::ConfiguredLoop configured(row);                                         \
            id##_on(*configured, row);                                                             \
        }                                                                                          \
        CHECK_SAME_RESOURCES(before);                                                              \
    }                                                                                              \
    static void id##_on([[maybe_unused]] ::oxbow::Loop& loop,                                      \
                        [[maybe_unused]] const ::oxbow::test::LoopConfiguration& row) noexcept
