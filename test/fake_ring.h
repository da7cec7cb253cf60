// A Ring on the scripted kernel, for the tests of what Ring makes of each answer.
#pragma once

#include "../uring/prep.h"
#include "../uring/ring.h"
#include "fake_kernel.h"

namespace oxbow::test {

namespace setup = abi::setup;
namespace enter = abi::enter;
namespace feature = abi::feature;

inline constexpr u32 all_features = (feature::no_iowait << 1) - 1;

/// A ring on the scripted kernel. Closed at the end, with nothing left mapped.
struct FakeRing {
    Ring ring;

    explicit FakeRing(u32 entries, u32 flags = 0, u32 completion_entries = 0) noexcept {
        RingOptions options;
        options.entries = entries;
        options.flags = flags;
        options.preferred_flags = 0;
        options.completion_entries = completion_entries;
        CHECK_OK(ring.open(options));
    }
    ~FakeRing() { ring.close(); }
    FakeRing(const FakeRing&) = delete;
    FakeRing& operator=(const FakeRing&) = delete;

    Ring* operator->() noexcept { return &ring; }
    Ring& operator*() noexcept { return ring; }
};

inline void queue(Ring& ring, u64 first, u32 count) noexcept {
    for (u32 i = 0; i < count; ++i) {
        Sqe* const sqe = ring.get_sqe();
        CHECK(sqe != nullptr);
        prep::nop(*sqe);
        sqe->user_data = first + i;
    }
}

/// Checks that the next completions are `first`, `first + 1`, ...
inline void expect_in_order(Ring& ring, u64 first, u32 count) noexcept {
    for (u32 i = 0; i < count; ++i) {
        const Cqe* const cqe = ring.peek();
        CHECK(cqe != nullptr);
        CHECK_EQ(cqe->user_data, first + i);
        ring.seen(cqe);
    }
    CHECK(ring.peek() == nullptr);
}

} // namespace oxbow::test
