// Registered memory: transfers mean what they mean without, on every engine.
#include "../uring/engine_state.h"
#include "../uring/register_buffers.h"
#include "loop_op_help.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

/// Whether loops of this configuration register memory.
[[nodiscard]] bool takes_memory(const LoopConfiguration& row) noexcept {
    Ring ring;
    if (!row.is_uring() || ring.open({.entries = 1}) != 0) {
        return false;
    }
    const bool has_empty_places = register_buffers_sparse(ring, 1) == 0; // 5.19
    ring.close();
    return has_empty_places;
}

/// Entries on `fd` that the kernel has not seen yet and that go by the table.
[[nodiscard]] u32 queued_by_table(Loop& loop, const LoopConfiguration& row, i32 fd) noexcept {
    u32 count = 0;
    if (row.is_uring()) {
        uring_engine::state_of(loop).ring.for_each_queued([&](const abi::Sqe& sqe) noexcept {
            const abi::Opcode opcode{sqe.opcode};
            const bool is_fixed = opcode == abi::Opcode::read_fixed ||
                                  opcode == abi::Opcode::write_fixed ||
                                  (opcode == abi::Opcode::send_zc &&
                                   (sqe.ioprio & abi::recvsend_flag::fixed_buf) != 0);
            count += sqe.fd == fd && is_fixed ? 1 : 0;
        });
    }
    return count;
}

LOOP_TEST(loop_memory_of_a_file) {
    constexpr u32 bytes = 96 * 1024;
    const Memory memory(bytes);
    const u32 expected = takes_memory(row) ? 1 : 0;
    // An area that neither begins nor ends at a page.
    u8* const area = memory.data() + 100;
    constexpr u32 area_bytes = bytes - 300;
    CHECK_EQ(loop.register_memory(area, area_bytes) ? 1u : 0u, expected);
    const Fd file = make_file();
    constexpr struct {
        u32 from;
        u32 bytes;
        bool is_inside;
    } parts[] = {
        {0, area_bytes, true},        {0, 1, true},           {area_bytes - 1, 1, true},
        {5000, 20000, true},          {0, 0, false},          {area_bytes - 1, 2, false},
        {area_bytes, 1, false},       {area_bytes, 0, false}, {1, area_bytes, false},
        {area_bytes - 10, 30, false},
    };
    for (const auto& part : parts) {
        u8* const data = area + part.from;
        fill_pattern(data, part.bytes, part.from + part.bytes);
        Logged write;
        submit(loop, write, op::pwrite_all(file, data, part.bytes, 64));
        CHECK_EQ(queued_by_table(loop, row, file), part.is_inside ? expected : 0u);
        run_until_ended(loop, write);
        CHECK_EQ(write.last.value, static_cast<i32>(part.bytes));
        __builtin_memset(data, 0xa5, part.bytes);
        Logged read;
        submit(loop, read, op::pread_all(file, data, part.bytes, 64));
        CHECK_EQ(queued_by_table(loop, row, file), part.is_inside ? expected : 0u);
        run_until_ended(loop, read);
        CHECK_EQ(read.last.value, static_cast<i32>(part.bytes));
        check_pattern(data, part.bytes, part.from + part.bytes);
    }
    loop.unregister_memory(area);
}

LOOP_TEST(loop_memory_at_the_position_of_a_file) {
    const Memory memory(4096);
    (void)loop.register_memory(memory.data(), memory.bytes());
    const Fd file = make_file();
    fill_pattern(memory.data(), 1000);
    for (u32 i = 0; i < 3; ++i) {
        CHECK_EQ(perform_on(loop, op::write(file, memory.data(), 1000)).value, 1000);
    }
    CHECK_EQ(kernel::lseek(file, 500, abi::seek_from::start), 500);
    CHECK_EQ(perform_on(loop, op::read(file, memory.data(), 4000)).value, 2500);
    check_pattern(memory.data(), 500, 500);
    check_pattern(memory.data() + 500, 1000);
    CHECK_EQ(perform_on(loop, op::read(file, memory.data(), 4000)).value, 0);
    loop.unregister_memory(memory.data());
}

/// Everything through a pipe: each step of an `_all` goes by the table.
LOOP_TEST(loop_memory_of_pipes_and_sockets) {
    constexpr u32 bytes = 1 << 20;
    const Memory memory(2 * bytes);
    const bool taken = loop.register_memory(memory.data(), memory.bytes());
    CHECK_EQ(taken, takes_memory(row));
    for (const i32 mode : fd_modes) {
        const Pipe pipe = make_pipe(mode);
        SocketPair pair = make_pair_of(mode);
        const i32 ends[][2] = {{pipe.writer, pipe.reader}, {pair.near, pair.far}};
        for (const auto& end : ends) {
            fill_pattern(memory.data(), bytes);
            __builtin_memset(memory.data() + bytes, 0, bytes);
            Logged write;
            Logged read;
            submit(loop, write, op::write_all(end[0], memory.data(), bytes));
            submit(loop, read, op::read_all(end[1], memory.data() + bytes, bytes));
            run_until_ended(loop, write);
            run_until_ended(loop, read);
            CHECK_EQ(write.last.value, static_cast<i32>(bytes));
            CHECK_EQ(read.last.value, static_cast<i32>(bytes));
            check_pattern(memory.data() + bytes, bytes);
        }
    }
    loop.unregister_memory(memory.data());
}

LOOP_TEST(loop_memory_of_zero_copy_sends) {
    const Memory memory(8192);
    const bool taken = loop.register_memory(memory.data(), memory.bytes());
    SocketPair pair = make_tcp_pair();
    fill_pattern(memory.data(), 6000);
    Logged send;
    submit(loop, send, op::send_zero_copy(pair.near, memory.data(), 6000));
    const bool has_fixed = taken && uring_engine::state_of(loop).features.has(abi::Opcode::send_zc);
    CHECK_EQ(queued_by_table(loop, row, pair.near), has_fixed ? 1u : 0u);
    run_until_ended(loop, send);
    CHECK_EQ(send.last.value, 6000);
    u8 received[6000];
    CHECK_EQ(perform_on(loop, op::recv_all(pair.far, received, sizeof(received))).value, 6000);
    check_pattern(received, sizeof(received));
    loop.unregister_memory(memory.data());
}

LOOP_TEST(loop_memory_unregistered_before_the_kernel_has_seen_it) {
    const Memory memory(4096);
    const bool taken = loop.register_memory(memory.data(), memory.bytes());
    const Fd file = make_file_with("0123456789");
    SocketPair pair = make_tcp_pair();
    Logged read;
    Logged write;
    Logged send;
    submit(loop, read, op::pread(file, memory.data(), 10, 0));
    submit(loop, write, op::pwrite(file, memory.data() + 1000, 4, 20));
    __builtin_memcpy(memory.data() + 1000, "four", 4);
    submit(loop, send, op::send_zero_copy(pair.near, memory.data() + 1000, 4));
    if (row.entries > 2) {
        CHECK_EQ(queued_by_table(loop, row, file), taken ? 2u : 0u);
    }
    loop.unregister_memory(memory.data());
    CHECK_EQ(queued_by_table(loop, row, file), 0u);
    CHECK_EQ(queued_by_table(loop, row, pair.near), 0u);
    run_until_ended(loop, read);
    run_until_ended(loop, write);
    run_until_ended(loop, send);
    CHECK_EQ(read.last.value, 10);
    CHECK(__builtin_memcmp(memory.data(), "0123456789", 10) == 0);
    CHECK_EQ(write.last.value, 4);
    CHECK_EQ(send.last.value, 4);
    CHECK_READS(pair.far, "four");
}

LOOP_TEST(loop_memory_unregistered_in_flight) {
    for (const i32 mode : fd_modes) {
        const Memory memory(4096);
        (void)loop.register_memory(memory.data(), memory.bytes());
        const Pipe pipe = make_pipe(mode);
        Logged read;
        submit(loop, read, op::read_all(pipe.reader, memory.data() + 7, 8));
        run_a_little(loop);
        CHECK_EQ(read.count, 0u);
        loop.unregister_memory(memory.data());
        CHECK_EQ(kernel::write(pipe.writer, "in t", 4), 4);
        run_a_little(loop);
        CHECK_EQ(kernel::write(pipe.writer, "wo p", 4), 4);
        run_until_ended(loop, read);
        CHECK_EQ(read.last.value, 8);
        CHECK(__builtin_memcmp(memory.data() + 7, "in two p", 8) == 0);
    }
}

LOOP_TEST(loop_memory_of_many_areas) {
    const Memory memory(40 * 4096);
    const bool takes = takes_memory(row);
    const auto area = [&](u32 index) noexcept { return memory.data() + index * usize{8192}; };
    for (u32 i = 0; i < uring_engine::areas_max; ++i) {
        CHECK_EQ(loop.register_memory(area(i), 4096), takes);
    }
    CHECK(!loop.register_memory(area(uring_engine::areas_max), 4096));
    const Fd file = make_file_with("0123456789");
    for (u32 i = 0; i <= uring_engine::areas_max; ++i) {
        CHECK_EQ(perform_on(loop, op::pread(file, area(i), 10, 0)).value, 10);
        CHECK(__builtin_memcmp(area(i), "0123456789", 10) == 0);
    }
    loop.unregister_memory(area(3) + 1); // nothing begins there
    CHECK(!loop.register_memory(area(3), 4096));
    loop.unregister_memory(area(3));
    CHECK_EQ(loop.register_memory(area(17), 4096), takes);
    Logged read;
    submit(loop, read, op::pread(file, area(17), 10, 0));
    CHECK_EQ(queued_by_table(loop, row, file), takes ? 1u : 0u);
    run_until_ended(loop, read);
    CHECK_EQ(perform_on(loop, op::pread(file, area(3), 10, 0)).value, 10);
    // The rest is taken back when the loop is closed.
}

LOOP_TEST(loop_memory_what_cannot_be) {
    const Memory memory(8192);
    CHECK(!loop.register_memory(nullptr, 4096));
    CHECK(!loop.register_memory(memory.data(), 0));
    loop.unregister_memory(nullptr);
    loop.unregister_memory(memory.data());
    const Memory none(4096, abi::protection::none);
    CHECK(!loop.register_memory(none.data(), none.bytes()));
    CHECK(!loop.register_memory(memory.data(), (usize{1} << 30) + 1));
    const bool takes = takes_memory(row);
    CHECK_EQ(loop.register_memory(memory.data(), memory.bytes()), takes);
    loop.unregister_memory(memory.data());
    // And it can be used as before.
    const Fd file = make_file_with("0123456789");
    CHECK_EQ(perform_on(loop, op::pread(file, memory.data(), 10, 0)).value, 10);
    CHECK(__builtin_memcmp(memory.data(), "0123456789", 10) == 0);
}

} // namespace
} // namespace oxbow::test
