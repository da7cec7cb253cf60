// What the tests of buffer groups share: a group that closes itself, one receive at a time, and
// what a view must show.
#pragma once

#include "../uring/buffers.h"
#include "hook.h"
#include "register_help.h"

namespace oxbow::test {

inline constexpr u16 group_id = 1337;

/// A group that closes itself, before the ring that was declared before it.
class TestGroup {
  public:
    TestGroup(Ring& ring, u32 count, u32 buffer_bytes, BufferUse use = BufferUse::whole) noexcept {
        SKIP_WITHOUT("buffer rings");
        if (use == BufferUse::incremental) {
            SKIP_WITHOUT("incremental buffers");
        }
        BufferGroupOptions options;
        options.group = group_id;
        options.count = count;
        options.buffer_bytes = buffer_bytes;
        options.use = use;
        CHECK_OK(group_.open(ring, options));
    }
    ~TestGroup() { group_.close(); }
    TestGroup(const TestGroup&) = delete;
    TestGroup& operator=(const TestGroup&) = delete;

    BufferGroup& operator*() noexcept { return group_; }
    BufferGroup* operator->() noexcept { return &group_; }

  private:
    BufferGroup group_;
};

/// The view holds these bytes.
inline void check_view(const BufferView& view, const char* text, const Site& site) noexcept {
    const usize bytes = text_length(text);
    if (!view || view.bytes != bytes) {
        fail_values(site, shown(view.bytes), shown(bytes));
    }
    check_bytes(view.data, text, bytes, site);
}
#define CHECK_VIEW(view, text)                                                                     \
    check_view((view), (text), OXBOW_TEST_SITE("CHECK_VIEW(" #view ", " #text ")"))

/// Receives once; the completion.
inline Cqe receive(Ring& ring, BufferGroup& group, i32 fd) noexcept {
    CHECK(group.recv(0, fd) != nullptr);
    return complete(ring);
}

/// Where the kernel tells, it has so many buffers.
inline void check_available(BufferGroup& group, i32 count, const Site& site) noexcept {
    if (kernel_at_least(6, 8) && group.available() != count) {
        fail_values(site, shown(group.available()), shown(count));
    }
}
#define CHECK_AVAILABLE(group, count)                                                              \
    check_available((group), (count), OXBOW_TEST_SITE("CHECK_AVAILABLE(" #count ")"))

/// Walks the parts of a bundle and compares them with `text`; how many parts there are.
inline u32 check_bundle(const BufferGroup& group, const BufferView& first,
                        const char* text) noexcept {
    u32 parts = 0;
    for (BufferView part = first; part; part = group.next(part)) {
        CHECK_BYTES(part.data, text, part.bytes);
        text += part.bytes;
        ++parts;
    }
    CHECK_EQ(*text, '\0');
    return parts;
}

} // namespace oxbow::test
