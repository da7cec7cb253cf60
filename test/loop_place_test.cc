// Loops and pools in memory of the caller's, and loops that are opened by the thread that runs
// them: the same loops, with fewer calls.
#include "../uring/engine_state.h"
#include "loop_op_help.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u32 fds_max = 128;

alignas(64) constinit u8 memory[Loop::memory_bytes(fds_max)] = {};

VARIANT_TEST(loop_place_of_the_slots, loop_configurations) {
    for (u32 i = 0; i < 2; ++i) {
        __builtin_memset(memory, 0, sizeof(memory));
        ConfiguredLoop loop(row, {.fds_max = fds_max, .memory = memory});
        CHECK(loop->fds().slots == static_cast<void*>(memory));
        CHECK_EQ(loop->fds().count, fds_max);
        run_mixed_program(*loop);
        const SocketPair pair = make_socket_pair();
        const Fd high(
            CHECK_OK(kernel::fcntl(pair.near, abi::fcntl_command::dupfd_cloexec, i32{fds_max})));
        CHECK_ERRNO(perform_on(*loop, op::send(high, "x", 1)).value, Errno::emfile);
    }
}

VARIANT_TEST(loop_place_refusals, loop_configurations) {
    const Resources before = resources();
    Loop loop;
    CHECK_ERRNO(open_as(loop, row, {.memory = memory}), Errno::einval); // how much is it?
    CHECK(!loop.is_open());
    CHECK_ERRNO(open_as(loop, row, {.fds_max = fds_max / 2, .memory = memory + 1}), Errno::einval);
    CHECK(!loop.is_open());
    CHECK_SAME_RESOURCES(before);
}

LOOP_TEST(loop_place_of_a_pool) {
    constexpr u32 count = 6;
    constexpr u32 bytes = 96;
    const Memory tables(BufferPool::table_bytes(count));
    const Memory buffers(usize{count} * bytes);
    const BufferPoolOptions places[] = {
        {.count = count, .buffer_bytes = bytes, .tables = tables.data()},
        {.count = count, .buffer_bytes = bytes, .memory = buffers.data(), .tables = tables.data()},
        {.count = count, .buffer_bytes = bytes, .memory = buffers.data()},
        {.count = count, .buffer_bytes = bytes},
    };
    for (const BufferPoolOptions& place : places) {
        const Resources before = resources();
        {
            OpenPool pool(loop, place);
            CHECK(place.memory == nullptr || pool->buffer(1) == buffers.data() + bytes);
            CHECK(place.tables == nullptr || pool->ring_memory.base == tables.data());
            const SocketPair pair = make_socket_pair();
            for (u32 i = 0; i < 4 * count; ++i) {
                write_text(pair.far, "some text");
                const Result result = perform_on(loop, op::recv(pair.near, *pool));
                CHECK_EQ(result.value, 9);
                CHECK_BYTES(pool->data(result), "some text", 9);
                pool->give_back(result);
            }
        }
        CHECK_SAME_RESOURCES(before);
    }
    BufferPool pool;
    CHECK_ERRNO(pool.open(loop, {.count = count, .buffer_bytes = 1, .tables = tables.data() + 64}),
                Errno::einval);
    CHECK(!pool.is_open());
}

/// Each buffer of a pool begins at a multiple of what its size is a multiple of, up to a page, so
/// that direct I/O into it is possible.
LOOP_TEST(loop_place_of_buffers_is_aligned) {
    constexpr u32 sizes[] = {1, 24, 512, 1536, 2048, 4096, 3 * 4096};
    for (const u32 bytes : sizes) {
        OpenPool pool(loop, {.count = 3, .buffer_bytes = bytes});
        const u32 own = bytes & (0 - bytes);
        const u32 expected = own < 4096 ? own : 4096;
        for (u16 id = 0; id < 3; ++id) {
            CHECK_EQ(reinterpret_cast<uptr>(pool->buffer(id)) & (expected - 1), 0u);
        }
    }
}

VARIANT_TEST(loop_place_opened_by_its_runner, loop_configurations) {
    ConfiguredLoop loop(row, {.is_opened_by_runner = true});
    if (row.is_uring()) {
        const u32 flags = uring_engine::state_of(*loop).ring.setup_flags();
        CHECK_EQ(flags & abi::setup::r_disabled, 0u);
    }
    run_mixed_program(*loop);
}

#if !defined(OXBOW_DEBUG) // where it traps
VARIANT_TEST(loop_place_opened_by_another, loop_configurations) {
    ConfiguredLoop loop(row, {.is_opened_by_runner = true});
    const bool is_bound = row.is_uring() && (uring_engine::state_of(*loop).ring.setup_flags() &
                                             abi::setup::single_issuer) != 0;
    struct Run {
        Loop& loop;
        i32 result = 1;
    } run = {*loop};
    Logged nop;
    const SocketPair pair = make_socket_pair();
    u8 byte = 0;
    submit(*loop, nop, op::recv(pair.near, &byte, 1));
    {
        Team team(
            1,
            [](void* context, u32) noexcept {
                Run& self = *static_cast<Run*>(context);
                self.result = self.loop.run(oxbow::Run::no_wait);
            },
            &run);
    }
    CHECK_EQ(run.result, is_bound ? -Errno::eexist : 0);
    end_all(*loop); // on its own thread it goes on
}
#endif

} // namespace
} // namespace oxbow::test
