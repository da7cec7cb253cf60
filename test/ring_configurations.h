// RING_TEST: one body, run on every kind of ring: the smallest and the largest, each with every
// setup flag.
// What the running kernel lacks is skipped with the version that brings it, and a newer kernel that
// refuses it is a failure.
#pragma once

#include "../uring/ring.h"
#include "harness.h"

namespace oxbow::test {

struct RingConfiguration {
    const char* name;
    u32 entries;
    u32 flags;
    u16 series; ///< with `release`, the kernel that brings the flags
    u16 release;
};

namespace ring_flags {
using namespace abi::setup;
inline constexpr u32 deferred = single_issuer | defer_taskrun;
} // namespace ring_flags

#define OXBOW_RING_ROWS(name, flags, major, minor)                                                 \
    {name "_1", 1, flags, major, minor}, {                                                         \
        name "_32768", 32768, flags, major, minor                                                  \
    }

/// Rings on which every body must hold. A thread that polls the queue takes descriptors that are
/// not registered since 5.11, and 5.10.162.
inline constexpr RingConfiguration ring_configurations[] = {
    OXBOW_RING_ROWS("plain", 0, 5, 1),
    OXBOW_RING_ROWS("cqsize", ring_flags::cqsize, 5, 5),
    OXBOW_RING_ROWS("clamp", ring_flags::clamp, 5, 6),
    OXBOW_RING_ROWS("attach_wq", ring_flags::attach_wq, 5, 6),
    OXBOW_RING_ROWS("r_disabled", ring_flags::r_disabled, 5, 10),
    OXBOW_RING_ROWS("sqpoll", ring_flags::sqpoll, 5, 10),
    OXBOW_RING_ROWS("sq_aff", ring_flags::sqpoll | ring_flags::sq_aff, 5, 10),
    OXBOW_RING_ROWS("submit_all", ring_flags::submit_all, 5, 18),
    OXBOW_RING_ROWS("coop_taskrun", ring_flags::coop_taskrun, 5, 19),
    OXBOW_RING_ROWS("sqe128", ring_flags::sqe128, 5, 19),
    OXBOW_RING_ROWS("cqe32", ring_flags::cqe32, 5, 19),
    OXBOW_RING_ROWS("sqe128_cqe32", ring_flags::sqe128 | ring_flags::cqe32, 5, 19),
    OXBOW_RING_ROWS("single_issuer", ring_flags::single_issuer, 6, 0),
    OXBOW_RING_ROWS("defer_taskrun", ring_flags::deferred, 6, 1),
    OXBOW_RING_ROWS("no_mmap", ring_flags::no_mmap, 6, 5),
    OXBOW_RING_ROWS("registered_fd_only", ring_flags::no_mmap | ring_flags::registered_fd_only, 6,
                    5),
    OXBOW_RING_ROWS("no_sqarray", ring_flags::no_sqarray, 6, 6),
    OXBOW_RING_ROWS("cqe_mixed", ring_flags::cqe_mixed, 6, 18),
    {"sqe_mixed_2", 2, ring_flags::sqe_mixed, 6, 19}, // one slot could hold no big entry
    {"sqe_mixed_32768", 32768, ring_flags::sqe_mixed, 6, 19},
    OXBOW_RING_ROWS("sq_rewind", ring_flags::sq_rewind | ring_flags::no_sqarray, 7, 0),
    OXBOW_RING_ROWS("iopoll", ring_flags::iopoll, 5, 1),
    OXBOW_RING_ROWS("hybrid_iopoll", ring_flags::iopoll | ring_flags::hybrid_iopoll, 6, 13),
    OXBOW_RING_ROWS("everything",
                    ring_flags::deferred | ring_flags::coop_taskrun | ring_flags::submit_all |
                        ring_flags::no_sqarray | ring_flags::clamp | ring_flags::cqsize,
                    6, 6),
};

/// An open ring of one configuration. Where the configuration needs a second ring (attach_wq), it
/// has it. Closed by the destructor.
class ConfiguredRing {
  public:
    explicit ConfiguredRing(const RingConfiguration& configuration) noexcept;
    ~ConfiguredRing();
    ConfiguredRing(const ConfiguredRing&) = delete;
    ConfiguredRing& operator=(const ConfiguredRing&) = delete;

    Ring& operator*() noexcept { return ring_; }
    Ring* operator->() noexcept { return &ring_; }

  private:
    Ring ring_;
    Ring attached_to_;
};

/// What a no-op answers: 5.10 refuses it in a ring that polls its devices, 6.1 and later do not.
[[nodiscard]] i32 nop_result(const Ring& ring) noexcept;

/// The entry that get_sqe hands out, flushed first where the queue is full.
Sqe& need_sqe(Ring& ring) noexcept;

} // namespace oxbow::test

/// RING_TEST(name) { ... ring ... row ... }: the body sees an open `Ring& ring`.
#define RING_TEST(id)                                                                              \
    static void id##_on(::oxbow::Ring& ring,                                                       \
                        const ::oxbow::test::RingConfiguration& row) noexcept;                     \
    VARIANT_TEST(id, ::oxbow::test::ring_configurations) {                                         \
        const ::oxbow::test::Resources before = ::oxbow::test::resources();                        \
        {                                                                                          \
            ::oxbow::test::ConfiguredRing configured(row);                                         \
            id##_on(*configured, row);                                                             \
        }                                                                                          \
        CHECK_SAME_RESOURCES(before);                                                              \
    }                                                                                              \
    static void id##_on([[maybe_unused]] ::oxbow::Ring& ring,                                      \
                        [[maybe_unused]] const ::oxbow::test::RingConfiguration& row) noexcept
