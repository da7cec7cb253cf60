// The life of a ring beside others: closing with operations in flight, forked children, other
// threads, epoll and eventfd.
#include "live_ring.h"

#include "../syscall/abi_memory.h"
#include "../syscall/atomic.h"
#include "../syscall/time.h"

namespace oxbow::test {
namespace {

constexpr abi::Timespec an_hour = {3600, 0};

// ---- Closing with operations in flight ----------------------------------------------------------

/// Whether the other end of the connection goes away; the kernel takes a ring apart in its own
/// time, and lets go of the files only then.
[[nodiscard]] bool hangs_up(i32 fd) noexcept {
    abi::PollFd poll = {fd, static_cast<u16>(abi::poll_event::in), 0};
    const abi::Timespec patience = timespec_of(patience_ns);
    if (CHECK_OK(repeat_interrupted([&] { return kernel::ppoll(&poll, 1, &patience); })) != 1) {
        return false;
    }
    char byte;
    return kernel::recv(fd, &byte, 1, 0) == 0;
}

struct ClosedRow {
    const char* name;
    u32 flags;
    u16 series; ///< with `release`, the kernel that brings the flags
    u16 release;
};
constexpr ClosedRow closed[] = {
    {"plain", 0, 5, 1},
    {"defer_taskrun", abi::setup::single_issuer | abi::setup::defer_taskrun, 6, 1},
    {"sqpoll", abi::setup::sqpoll, 5, 10},
};

VARIANT_TEST(life_close_ends_what_is_in_flight, closed) {
    need_rings();
    const NoLeaks no_leaks;
    SocketPair receiving = make_socket_pair();
    SocketPair polling = make_socket_pair();
    SocketPair working = make_socket_pair();
    SocketPair direct = make_socket_pair();
    BoundSocket listener = make_listener();
    static char got[3][8];
    Ring ring;
    const i32 opened = ring.open({.entries = 16, .flags = row.flags, .sq_thread_idle_ms = 1});
    SKIP_IF_MISSING(opened != -Errno::einval, (Addition{row.name, row.series, row.release}));
    CHECK_OK(opened);
    const i32 fds[1] = {direct.near};
    register_files(ring, fds, 1);
    queue(ring, 1, [&](Sqe& s) { prep::recv(s, receiving.near, got[0], 8); });
    queue(ring, 2, [&](Sqe& s) { prep::poll_multishot(s, polling.near, abi::poll_event::in); });
    queue(ring, 3, [&](Sqe& s) {
        prep::recv(s, working.near, got[1], 8);
        prep::async(s); // in a worker
    });
    queue(ring, 4, [&](Sqe& s) {
        prep::recv(s, 0, got[2], 8);
        prep::fixed_file(s);
    });
    queue(ring, 5, [&](Sqe& s) {
        if (kernel_at_least(5, 19)) {
            prep::accept_multishot(s, listener.fd);
        } else {
            prep::accept(s, listener.fd);
        }
    });
    queue(ring, 6, [&](Sqe& s) { prep::timeout(s, &an_hour); });
    CHECK_EQ(CHECK_OK(ring.submit()), 6);
    CHECK_OK(ring.wait_for_sq_room());
    CHECK_ERRNO(ring.submit_and_wait({.count = 1, .timeout_ns = ns_per_ms}).error, Errno::etime);
    // Only the ring holds these from here on.
    receiving.near.close();
    polling.near.close();
    working.near.close();
    direct.near.close();
    listener.fd.close();
    const u64 start = now_ns();
    ring.close();
    CHECK_LT(now_ns() - start, patience_ns);
    CHECK(hangs_up(receiving.far));
    CHECK(hangs_up(polling.far));
    CHECK(hangs_up(working.far));
    CHECK(hangs_up(direct.far));
    const u64 deadline = now_ns() + patience_ns;
    i32 connected = 0;
    while (connected == 0) { // as long as the listener is still there
        CHECK_LT(now_ns(), deadline);
        const Fd client = make_tcp_socket();
        connected = connect_blocking(client, &listener.address, sizeof(listener.address));
        sleep_ms(1);
    }
    CHECK(connected == -Errno::econnrefused || connected == -Errno::econnreset);
}

TEST(life_open_and_close_many_times) {
    need_rings();
    const NoLeaks no_leaks;
    const Resources before = resources();
    const Pipe pipe = make_pipe();
    Ring ring;
    char got[1];
    for (u32 round = 0; round < 100; ++round) {
        CHECK_OK(ring.open({.entries = 8}));
        queue(ring, 1, [&](Sqe& s) { prep::read(s, pipe.reader, got, 1, 0); });
        CHECK_EQ(CHECK_OK(ring.submit()), 1);
        ring.close();
        CHECK(!ring.is_open());
        ring.close(); // twice does nothing
    }
    CHECK_EQ(open_fd_count(), before.fds + 2);
    CHECK_EQ(mapping_count(), before.mappings);
}

// ---- Forked children and other programs
// -----------------------------------------------------------

/// Whether a page of this process is there: the kernel refuses to read from one that is not.
[[nodiscard]] bool is_mapped(const void* address) noexcept {
    const Pipe pipe = make_pipe();
    const long result = kernel::write(pipe.writer, address, 1);
    CHECK(result == 1 || result == -Errno::efault);
    return result == 1;
}

TEST(life_ring_stays_out_of_forked_children) {
    const NoLeaks no_leaks;
    constexpr bool both[] = {true, false};
    for (const bool dontfork : both) {
        LiveRing ring({.entries = 4, .dontfork = dontfork});
        const void* const entry = ring->nop(1);
        CHECK_OK(ring->submit());
        const Cqe* const cqe = ring->peek();
        CHECK(cqe != nullptr);
        CHECK(is_mapped(entry));
        CHECK(is_mapped(cqe));
        const i32 in_the_child = in_child(
            [&]() noexcept { return (is_mapped(entry) ? 1 : 0) + (is_mapped(cqe) ? 2 : 0); });
        CHECK_EQ(in_the_child, dontfork ? 0 : 3);
        CHECK_EQ(cqe->user_data, 1u);
        ring->seen(cqe);
        CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0); // and here it works on
    }
}

TEST(life_child_may_open_a_ring_of_its_own) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    CHECK_EQ(in_child([]() noexcept {
                 LiveRing own({.entries = 4});
                 return run_result(*own, [](Sqe& s) { prep::nop(s); }) + 5;
             }),
             5);
    CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0);
}

TEST(life_descriptor_is_closed_on_exec) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    CHECK_EQ(kernel::fcntl(ring->fd(), abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
}

// ---- Threads
// --------------------------------------------------------------------------------------

struct FromAnotherThread {
    Ring* ring;
    i32 submitted;
    i32 fetched;
};

void enter_from_here(void* argument) noexcept {
    FromAnotherThread& shared = *static_cast<FromAnotherThread*>(argument);
    shared.submitted = shared.ring->submit();
    shared.fetched = shared.ring->get_events();
}

TEST(life_single_issuer_refuses_another_thread) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("rings with deferred work");
    LiveRing ring({.entries = 4, .flags = abi::setup::single_issuer | abi::setup::defer_taskrun});
    CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0);
    queue(*ring, 7, [](Sqe& s) { prep::nop(s); });
    FromAnotherThread shared = {&*ring, 0, 0};
    Thread thread(enter_from_here, &shared);
    thread.join();
    CHECK_ERRNO(shared.submitted, Errno::eexist);
    CHECK_ERRNO(shared.fetched, Errno::eexist);
    CHECK_EQ(ring->sq_ready(), 1u); // nothing was consumed
    CHECK_EQ(next_of(*ring, 7).result, 0);
}

TEST(life_ring_may_move_to_another_thread) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0);
    queue(*ring, 7, [](Sqe& s) { prep::nop(s); });
    FromAnotherThread shared = {&*ring, 0, 0};
    Thread thread(enter_from_here, &shared);
    thread.join();
    CHECK_EQ(shared.submitted, 1);
    CHECK_OK(shared.fetched);
    CHECK_EQ(next_of(*ring, 7).result, 0);
}

void wake_from_here(void* argument) noexcept {
    write_text(*static_cast<const Fd*>(argument), "x");
}

TEST(life_wait_is_woken_by_another_thread) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    const Pipe pipe = make_pipe();
    char got[1];
    queue(*ring, 1, [&](Sqe& s) { prep::read(s, pipe.reader, got, 1, 0); });
    submit_all(*ring, 1);
    Thread thread(wake_from_here, const_cast<Fd*>(&pipe.writer));
    CHECK_EQ(next_of(*ring, 1).result, 1);
    thread.join();
}

// ---- epoll, poll and eventfd
// ----------------------------------------------------------------------

struct WatchedRow {
    const char* name;
    u32 flags;
    u16 series; ///< with `release`, the kernel that brings the flags
    u16 release;
};
constexpr WatchedRow watched[] = {
    {"plain", 0, 5, 1},
    {"coop_taskrun", abi::setup::coop_taskrun, 5, 19},
};

[[nodiscard]] Fd watch(const Ring& ring) noexcept {
    Fd epoll(CHECK_OK(kernel::epoll_create1(abi::epoll_cloexec)));
    abi::EpollEvent event = {};
    event.events = abi::poll_event::in;
    CHECK_OK(kernel::epoll_ctl(epoll, abi::epoll_operation::add, ring.fd(), &event));
    return epoll;
}

/// Task work that the ring wants done interrupts what the thread waits in, so that EINTR is usual.
[[nodiscard]] i32 wait_in_epoll(i32 epoll, abi::EpollEvent* told) noexcept {
    i32 result = -Errno::eintr;
    while (result == -Errno::eintr) {
        result = kernel::epoll_pwait(epoll, told, 1, 20000);
    }
    return result;
}

VARIANT_TEST(life_ring_inside_epoll, watched) {
    SKIP_WITHOUT((Addition{row.name, row.series, row.release}));
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4, .flags = row.flags});
    const Fd epoll = watch(*ring);
    abi::EpollEvent told = {};
    CHECK_EQ(kernel::epoll_pwait(epoll, &told, 1, 0), 0);
    const abi::Timespec soon = {0, 5'000'000};
    for (u32 round = 0; round < 3; ++round) {
        queue(*ring, 1, [&](Sqe& s) { prep::timeout(s, &soon); });
        submit_all(*ring, 1);
        // Nobody enters the ring: its descriptor alone must wake this.
        CHECK_EQ(wait_in_epoll(epoll, &told), 1);
        CHECK_EQ(told.events & abi::poll_event::in, abi::poll_event::in);
        CHECK_ERRNO(next_of(*ring, 1).result, Errno::etime);
        CHECK_EQ(kernel::epoll_pwait(epoll, &told, 1, 0), 0); // all is reaped
    }
}

/// A ring that defers its work does not wake a poll of its descriptor when there is only such work
/// (seen on 6.18), but it writes to its eventfd.
TEST(life_deferred_ring_wakes_through_eventfd) {
    const NoLeaks no_leaks;
    SKIP_WITHOUT("rings with deferred work");
    LiveRing ring({.entries = 4, .flags = abi::setup::single_issuer | abi::setup::defer_taskrun});
    const Fd counter(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec)));
    const i32 fd = counter;
    CHECK_OK(ring->register_call(abi::RegisterOp::eventfd, &fd, 1));
    const abi::Timespec soon = {0, 5'000'000};
    for (u32 round = 0; round < 3; ++round) {
        queue(*ring, 1, [&](Sqe& s) { prep::timeout(s, &soon); });
        submit_all(*ring, 1);
        u64 value = 0;
        CHECK_EQ(kernel::read(counter, &value, sizeof(value)), 8); // sleeps until it is written to
        CHECK_ERRNO(next_of(*ring, 1).result, Errno::etime);
        // Fetching it may have counted once more.
        abi::PollFd poll = {counter, static_cast<u16>(abi::poll_event::in), 0};
        const abi::Timespec now = {};
        if (kernel::ppoll(&poll, 1, &now) == 1) {
            CHECK_EQ(kernel::read(counter, &value, sizeof(value)), 8);
        }
    }
}

TEST(life_ring_polls_another_ring) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    LiveRing other({.entries = 4});
    queue(*ring, 1, [&](Sqe& s) { prep::poll_add(s, other->fd(), abi::poll_event::in); });
    submit_all(*ring, 1);
    CHECK(is_quiet(*ring));
    queue(*other, 2, [](Sqe& s) { prep::nop(s); });
    submit_all(*other, 1);
    CHECK_EQ(next_of(*ring, 1).result & static_cast<i32>(abi::poll_event::in),
             static_cast<i32>(abi::poll_event::in));
    CHECK_EQ(next_of(*other, 2).result, 0);
}

/// A ring that waits on an epoll instance which watches that very ring must be refused or end; it
/// must not hang or leak.
TEST(life_ring_and_epoll_in_a_circle) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    const Fd epoll = watch(*ring);
    queue(*ring, 1, [&](Sqe& s) { prep::poll_add(s, epoll, abi::poll_event::in); });
    submit_all(*ring, 1);
    queue(*ring, 2, [](Sqe& s) { prep::nop(s); });
    bool seen[2] = {};
    for (u32 i = 0; i < 2; ++i) { // the no-op makes the ring readable, and so the epoll
        const Cqe cqe = next(*ring);
        CHECK(!seen[cqe.user_data - 1]);
        seen[cqe.user_data - 1] = true;
    }
}

TEST(life_eventfd_counts_completions) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    const Fd counter(
        CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::nonblock | abi::eventfd_flag::cloexec)));
    const i32 fd = counter;
    CHECK_OK(ring->register_call(abi::RegisterOp::eventfd, &fd, 1));
    CHECK(ring->eventfd_enabled());
    const auto read_counter = [&counter]() noexcept {
        u64 value = 0;
        const long bytes = kernel::read(counter, &value, sizeof(value));
        return bytes == sizeof(value) ? value : 0;
    };
    const abi::Timespec soon = {0, 1'000'000};
    queue(*ring, 1, [&](Sqe& s) { prep::timeout(s, &soon); });
    submit_all(*ring, 1);
    abi::PollFd poll = {counter, static_cast<u16>(abi::poll_event::in), 0};
    const abi::Timespec patience = timespec_of(patience_ns);
    i32 woken = -Errno::eintr; // with nobody in the ring
    while (woken == -Errno::eintr) {
        woken = kernel::ppoll(&poll, 1, &patience);
    }
    CHECK_EQ(woken, 1);
    CHECK_EQ(read_counter(), 1u);
    CHECK_ERRNO(next_of(*ring, 1).result, Errno::etime);
    CHECK_OK(ring->enable_eventfd(false));
    CHECK(!ring->eventfd_enabled());
    CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0);
    CHECK_EQ(read_counter(), 0u);
    CHECK_OK(ring->enable_eventfd(true));
    CHECK_EQ(run_result(*ring, [](Sqe& s) { prep::nop(s); }), 0);
    CHECK_EQ(read_counter(), 1u);
    CHECK_OK(ring->register_call(abi::RegisterOp::unregister_eventfd, nullptr, 0));
}

} // namespace
} // namespace oxbow::test
