// What the tests of registered descriptors share: loops that can register, and what their ring is
// about to be told.
#pragma once

#include "../uring/engine_state.h"
#include "hook.h"
#include "loop_op_help.h"
#include "loop_pending.h"
#include "loop_scene.h"

namespace oxbow::test {

inline constexpr u32 registered_fds = 256;

/// Whether loops of this configuration register anything.
[[nodiscard]] inline bool registers(const LoopConfiguration& row) noexcept {
    Ring ring;
    if (!row.is_uring() || row.kernel != nullptr || ring.open({.entries = 1}) != 0) {
        return false;
    }
    const bool is_new = ring.has(abi::feature::rw_attr); // 6.14
    ring.close();
    return is_new;
}

/// A descriptor registered for a scope, since the tests close theirs with close(2).
class Registered {
  public:
    Registered(Loop& loop, i32 fd, bool expected) noexcept : loop_(loop), fd_(fd) {
        CHECK_EQ(loop.register_fd(fd), expected);
    }
    ~Registered() { loop_.unregister_fd(fd_); }
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;

  private:
    Loop& loop_;
    i32 fd_;
};

/// Entries on `fd` that the kernel has not seen yet: those that go by its place in the table, and
/// those that go by the descriptor.
struct Queued {
    u32 by_place = 0;
    u32 by_number = 0;
};
[[nodiscard]] inline Queued queued_on(Loop& loop, i32 fd) noexcept {
    Queued queued;
    uring_engine::state_of(loop).ring.for_each_queued([&](const abi::Sqe& sqe) noexcept {
        if (sqe.fd == fd) {
            const bool by_place = (sqe.flags & abi::sqe_flag::fixed_file) != 0;
            ++(by_place ? queued.by_place : queued.by_number);
        }
    });
    return queued;
}

} // namespace oxbow::test

/// LOOP_TEST on loops that were opened to register; `takes`: whether the kernel lets them.
#define REGISTERED_TEST(id)                                                                        \
    static void id##_on(::oxbow::Loop& loop, const ::oxbow::test::LoopConfiguration& row,          \
                        bool takes) noexcept;                                                      \
    VARIANT_TEST(id, ::oxbow::test::loop_configurations) {                                         \
        const ::oxbow::test::Resources before = ::oxbow::test::resources();                        \
        {                                                                                          \
            ::oxbow::test::ConfiguredLoop configured(                                              \
                row, {.registered_fds = ::oxbow::test::registered_fds});                           \
            id##_on(*configured, row, ::oxbow::test::registers(row));                              \
        }                                                                                          \
        CHECK_SAME_RESOURCES(before);                                                              \
    }                                                                                              \
    static void id##_on([[maybe_unused]] ::oxbow::Loop& loop,                                      \
                        [[maybe_unused]] const ::oxbow::test::LoopConfiguration& row,              \
                        [[maybe_unused]] bool takes) noexcept
