// The contract's thirteenth line: what a child inherits, what it does not, and SQPOLL.
#include "../syscall/text.h"
#include "hook.h"
#include "loop_scene.h"
#include "runner.h"

namespace oxbow::test {
namespace {

/// Of a multishot receive: how many have come, and where the last one is.
struct ReceivedMessages {
    explicit ReceivedMessages(BufferPool& from) noexcept : pool(from) {}
    [[nodiscard]] oxbow::Handler handler() noexcept { return {note, this}; }
    static Action note(Loop&, Completion&, Result result, void* user) noexcept {
        auto& self = *static_cast<ReceivedMessages*>(user);
        if (result.has_buffer()) {
            ++self.count;
            self.id = result.buffer();
            self.last = self.pool.data(result);
        }
        return Action::disarm;
    }

    BufferPool& pool;
    Completion completion;
    u32 count = 0;
    u16 id = 0;
    const u8* last = nullptr;
};

// ---- Children -----------------------------------------------------------------------------------

/// A child opens its own loop, while the parent's has operations in flight, which then go on.
LOOP_TEST(loop_fork_child_opens_its_own) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receiving;
    Logged timer;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    submit(loop, timer, op::timer(1 * ms));
    CHECK_OK(loop.run(Run::no_wait));
    CHECK_EQ(in_child([&]() noexcept {
                 Loop own;
                 CHECK_OK(open_as(own, row));
                 run_mixed_program(own);
                 CHECK_EQ(own.drain(now_ns() + 20'000 * ms), 0u);
                 own.close();
             }),
             0);
    run_until_ended(loop, timer);
    CHECK_EQ(receiving.count, 0u);
    write_text(pair.far, "parent");
    run_until_ended(loop, receiving);
    CHECK_EQ(receiving.last.value, 6);
    CHECK_BYTES(data, "parent", 6);
    run_mixed_program(loop);
}

/// Both at once: the parent's loop runs while the child's does.
LOOP_TEST(loop_fork_both_run_at_once) {
    Logged ticks;
    submit(loop, ticks, op::timer_every(1 * ms));
    CHECK_OK(loop.run(Run::once));
    const i32 child = fork_child();
    if (child == 0) {
        Loop own;
        CHECK_OK(open_as(own, row));
        for (u32 i = 0; i < 3; ++i) {
            run_mixed_program(own);
        }
        own.close();
        leave_child(0);
    }
    for (u32 i = 0; i < 3; ++i) {
        run_until(loop, [&]() noexcept { return ticks.count >= 2 * (i + 1); });
        CHECK_EQ(perform_on(loop, op::nop()).value, 0);
    }
    // The child's end is one of the loop's own operations.
    abi::SignalInfo info = {};
    CHECK_EQ(perform_on(loop, op::waitid(abi::wait_for::pid, child, &info,
                                         abi::wait_option::exited | abi::wait_option::nowait))
                 .value,
             0);
    CHECK_EQ(wait_child(child), 0);
    end_all(loop);
}

/// What a child does with the descriptors that it inherits is nothing to the parent's loop.
LOOP_TEST(loop_fork_child_leaves_the_parent_alone) {
    Everything everything(loop);
    CHECK_EQ(in_child([]() noexcept { return 7; }), 7);
    CHECK_EQ(in_child([]() noexcept {
                 CHECK_OK(kernel::close_range(3, ~0u, 0));
                 return 8;
             }),
             8);
    CHECK_EQ(loop.run_for(5 * ms), 0);
    CHECK_EQ(everything.ended(), 0u);
    everything.drain();
}

/// The mappings of a process that have `part` in their name; -1 where that cannot be read.
[[nodiscard]] i32 mappings_named(const char* part) noexcept {
    static char maps[64 * 1024];
    if (read_text_file("/proc/self/maps", maps, sizeof(maps)) < 0) {
        return -1;
    }
    i32 count = 0;
    for (const char* at = maps; *at != '\0'; ++at) {
        u32 i = 0;
        while (part[i] != '\0' && at[i] == part[i]) {
            ++i;
        }
        count += part[i] == '\0' ? 1 : 0;
    }
    return count;
}

LOOP_TEST(loop_fork_leaves_the_pool_to_the_parent) {
    constexpr u32 count = 4;
    OpenPool pool(loop, {.count = count, .buffer_bytes = 8});
    const SocketPair pair = make_socket_pair();
    ReceivedMessages received(*pool);
    loop.submit(received.completion, op::recv_multishot(pair.near, *pool), received.handler());
    write_text(pair.far, "before");
    run_until(loop, [&]() noexcept { return received.count == 1; });
    // The kernel holds on to the memory that this child writes to, and has buffers in it.
    CHECK_EQ(in_child([&]() noexcept {
                 __builtin_memset(pool->ring_memory.base, 0xff, pool->ring_memory.bytes);
                 for (u16 id = 0; id < count; ++id) {
                     __builtin_memset(pool->buffer(id), 0xff, pool->buffer_bytes());
                 }
             }),
             0);
    for (u32 i = 1; i < 3 * count; ++i) {
        CHECK_BYTES(received.last, i == 1 ? "before" : "behind", 6);
        pool->give_back(received.id);
        write_text(pair.far, "behind");
        run_until(loop, [&]() noexcept { return received.count == i + 1; });
    }
    pool->give_back(received.id);
    end_all(loop);
}

LOOP_TEST(loop_fork_ring_memory_is_not_inherited) {
    CHECK_EQ(perform_on(loop, op::nop()).value, 0);
    const i32 here = mappings_named("io_uring");
    if (here < 0) {
        SKIP("no /proc here");
    }
    CHECK_EQ(here != 0, row.is_uring());
    CHECK_EQ(in_child([]() noexcept { return mappings_named("io_uring"); }), 0);
}

/// Every descriptor that the library opens is close-on-exec; those of the scene are as well.
VARIANT_TEST(loop_fork_descriptors_close_on_exec, loop_configurations) {
    constexpr i32 fds_max = 256;
    bool before[fds_max];
    for (i32 fd = 0; fd < fds_max; ++fd) {
        before[fd] = is_open(fd);
    }
    ConfiguredLoop loop(row);
    Everything everything(*loop);
    constexpr i32 inet = abi::socket_family::inet;
    const Fd socket(perform_on(*loop, op::socket(inet, abi::socket_type::stream)).fd());
    const BoundSocket listener = make_listener();
    const abi::SocketAddressIn& address = listener.address;
    CHECK_OK(perform_on(*loop, op::connect(socket, &address, sizeof(address))).value);
    const Fd accepted(perform_on(*loop, op::accept(listener.fd)).fd());
    CHECK(is_open(accepted));
    u32 checked = 0;
    for (i32 fd = 0; fd < fds_max; ++fd) {
        if (!before[fd] && is_open(fd)) {
            CHECK_EQ(kernel::fcntl(fd, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
            ++checked;
        }
    }
    CHECK_GT(checked, 10u);
    everything.drain();
}

// ---- SQPOLL -------------------------------------------------------------------------------------

struct SetupLog {
    u32 setups = 0;
    u32 flags = 0;
};

bool log_setup(void* context, long number, const long* arguments, int, long*) noexcept {
    SetupLog& log = *static_cast<SetupLog*>(context);
    if (number == number::io_uring_setup) {
        ++log.setups;
        log.flags |= reinterpret_cast<const abi::Params*>(arguments[1])->flags;
    }
    return false;
}

/// No kernel thread polls for a loop that nobody asked to have one.
VARIANT_TEST(loop_fork_sqpoll_is_opt_in, loop_configurations) {
    SetupLog log;
    set_handler(log_setup, &log);
    if (row.kernel == nullptr) {
        ConfiguredLoop loop(row);
        CHECK_EQ(perform_on(*loop, op::timer(1)).value, 1);
        CHECK_EQ(log.setups != 0, row.is_uring());
    }
    remove_handler(log_setup, &log);
    CHECK_EQ(log.flags & (abi::setup::sqpoll | abi::setup::sq_aff), 0u);
}

} // namespace
} // namespace oxbow::test
