// Many at once: ten thousand idle connections and a million timers on one loop, which allocates
// nothing for them. (No machine of ours has libc's brk in a library without libc: mmap is all that
// there is to count.)
#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "hook.h"
#include "loop_help.h"

namespace oxbow::test {
namespace {

constexpr u32 connections_max = 10'000;
constexpr u32 timers_max = 1'000'000;

[[nodiscard]] abi::SocketAddressUn address_of_path(const char* path) noexcept {
    abi::SocketAddressUn address = {};
    address.family = abi::socket_family::local;
    for (u32 i = 0; path[i] != '\0'; ++i) {
        CHECK_LT(i, sizeof(address.path) - 1);
        address.path[i] = path[i];
    }
    return address;
}

/// Memory of the test's own, as a user would have it.
struct Crowd {
    Completion idle[connections_max];
    Completion timer[timers_max];
    i32 fd[connections_max];
    u8 byte[connections_max];
    u32 received;
    u32 expired;
    u32 wrong;
    u32 cancelled;
    u64 last_ns;

    void got(Loop&, Completion&, Result result) noexcept {
        received += result.count();
        cancelled += result.is(Errno::ecanceled) ? 1 : 0;
    }
    void timed(Loop&, Completion& completion, Result result) noexcept {
        expired += result.ok() ? 1 : 0;
        wrong += completion.deadline.deadline_ns < last_ns ? 1 : 0;
        last_ns = completion.deadline.deadline_ns;
    }
};

[[nodiscard]] Crowd& make_crowd() noexcept {
    const long memory =
        kernel::mmap(nullptr, sizeof(Crowd), abi::protection::read | abi::protection::write,
                     abi::map::private_ | abi::map::anonymous, -1, 0);
    CHECK(!is_error(memory));
    return *reinterpret_cast<Crowd*>(memory); // all zero is a valid completion
}

/// Before the loop is opened, which looks at the limit.
void allow_descriptors(u64 count) noexcept {
    abi::Rlimit limit = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &limit));
    if (limit.maximum < count) {
        SKIP("RLIMIT_NOFILE allows fewer descriptors than there are to be connections");
    }
    limit.current = count;
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &limit));
}

/// The other ends: a process of its own, since one may not have twenty thousand descriptors. It
/// connects to `path`, and writes a byte to every hundredth connection when it is told to.
class OtherSide {
  public:
    OtherSide(const char* path, u32 connections) noexcept {
        CHECK_OK(kernel::pipe2(go_, abi::open_flag::cloexec));
        pid_ = fork_child();
        if (pid_ == 0) {
            run(path, connections);
            leave_child(0);
        }
    }
    void write() noexcept { CHECK_EQ(kernel::write(go_[1], "x", 1), 1); }
    void end() noexcept {
        CHECK_OK(kernel::close(go_[1]));
        CHECK_OK(kernel::close(go_[0]));
        CHECK_EQ(wait_child(pid_), 0);
    }

  private:
    void run(const char* path, u32 connections) noexcept {
        static constinit i32 fds[connections_max] = {};
        CHECK_OK(kernel::close(go_[1]));
        const abi::SocketAddressUn address = address_of_path(path);
        for (u32 i = 0; i < connections; ++i) {
            fds[i] =
                CHECK_OK(kernel::socket(abi::socket_family::local, abi::socket_type::stream, 0));
            CHECK_OK(connect_blocking(fds[i], &address, sizeof(address)));
        }
        char byte = 0;
        CHECK_EQ(kernel::read(go_[0], &byte, 1), 1);
        for (u32 i = 0; i < connections; i += 100) {
            CHECK_EQ(kernel::write(fds[i], "x", 1), 1);
        }
        CHECK_EQ(kernel::read(go_[0], &byte, 1), 0); // stays until it is to end
    }

    i32 go_[2] = {};
    i32 pid_ = 0;
};

[[nodiscard]] u32 allocations() noexcept {
    return calls_made(number::mmap) + calls_made(number::mremap);
}

VARIANT_TEST(loop_scale_allocates_nothing_after_open, loop_configurations) {
    const u32 connections = effort(connections_max / 100) * 100;
    const u32 timers = effort(timers_max);
    allow_descriptors(connections + 64);
    ConfiguredLoop configured(row);
    Loop& loop = *configured;
    Crowd& crowd = make_crowd();
    char path[256];
    const abi::SocketAddressUn address = address_of_path(temp_path(path));
    const i32 listener = CHECK_OK(kernel::socket(
        abi::socket_family::local, abi::socket_type::stream | abi::socket_type::cloexec, 0));
    CHECK_OK(kernel::bind(listener, &address, sizeof(address)));
    CHECK_OK(kernel::listen(listener, 128));
    OtherSide other(path, connections);
    for (u32 i = 0; i < connections; ++i) {
        crowd.fd[i] =
            CHECK_OK(kernel::accept4(listener, nullptr, nullptr, abi::accept4_flag::cloexec));
    }
    const u32 before = allocations();
    for (u32 i = 0; i < connections; ++i) {
        loop.submit(crowd.idle[i], op::recv(crowd.fd[i], &crowd.byte[i], 1),
                    on<&Crowd::got>(crowd));
    }
    CHECK_OK(loop.run(Run::no_wait));
    Random random;
    const u64 from = loop.update_now();
    for (u32 i = 0; i < timers; ++i) {
        loop.submit(crowd.timer[i], op::timer_at(from + random.below(100'000'000)),
                    on<&Crowd::timed>(crowd));
    }
    CHECK_EQ(loop.in_flight(), connections + timers);
    run_until(loop, [&]() noexcept { return crowd.expired == timers; });
    CHECK_EQ(crowd.wrong, 0u); // in the order of their deadlines, all of them
    CHECK_EQ(crowd.received, 0u);
    CHECK_EQ(loop.in_flight(), connections);

    // Every connection is still waited for.
    other.write();
    run_until(loop, [&]() noexcept { return crowd.received == connections / 100; });
    CHECK_EQ(loop.drain(now_ns() + 200'000 * ms), 0u);
    CHECK_EQ(crowd.cancelled, connections - connections / 100);
    CHECK_EQ(allocations(), before);
    other.end();
    for (u32 i = 0; i < connections; ++i) {
        CHECK_OK(kernel::close(crowd.fd[i]));
    }
    CHECK_OK(kernel::close(listener));
    CHECK_OK(kernel::munmap(&crowd, sizeof(Crowd)));
}

LOOP_TEST(loop_scale_a_connection_is_a_completion_and_a_slot) {
    static_assert(sizeof(Completion) == (sizeof(void*) == 8 ? 96 : 64));
    static_assert(sizeof(FdSlot) <= (sizeof(void*) == 8 ? 48 : 32));
    CHECK_GT(loop.fds().count, 0u);
}

} // namespace
} // namespace oxbow::test
