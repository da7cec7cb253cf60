// What each registration passes to io_uring_register, seen from the other side of the call: the
// operation, the count (which for some is a size, and for some must be 0), the descriptor, and the
// struct. The effects are in the other register_*_test.cc.
#include "../uring/buffers.h"
#include "../uring/register.h"
#include "../uring/wait_region.h"

#include "fake_kernel.h"
#include "hook.h"
#include "register_help.h"

namespace oxbow::test {
namespace {

/// Answers io_uring_register with 0 and keeps what it was asked.
struct Recorder {
    i32 fd = 0;
    u32 operation = 0;
    u32 count = 0;
    u32 calls = 0;
    u8 argument[64] = {};

    Recorder() noexcept { set_handler(answer, this); }
    ~Recorder() { remove_handler(answer, this); }
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    template <class T>
    [[nodiscard]] T as() const noexcept {
        static_assert(sizeof(T) <= sizeof(argument));
        T value;
        __builtin_memcpy(static_cast<void*>(&value), argument, sizeof value);
        return value;
    }

    static bool is_copied_whole(u32 operation) noexcept {
        return operation == static_cast<u32>(abi::RegisterOp::files_update) ||
               operation == static_cast<u32>(abi::RegisterOp::file_alloc_range);
    }

    static bool answer(void* context, long number, const long* arguments, int,
                       long* result) noexcept {
        if (number != number::io_uring_register) {
            return false;
        }
        Recorder& self = *static_cast<Recorder*>(context);
        self.fd = static_cast<i32>(arguments[0]);
        self.operation = static_cast<u32>(arguments[1]);
        self.count = static_cast<u32>(arguments[3]);
        ++self.calls;
        __builtin_memset(self.argument, 0, sizeof self.argument);
        if (arguments[2] != 0) {
            // Every argument of these tests is followed by room enough.
            __builtin_memcpy(self.argument, reinterpret_cast<const void*>(arguments[2]),
                             is_copied_whole(self.operation) ? 16 : 4);
        }
        *result = 0;
        return true;
    }
};

/// Arguments for the calls below; none of them is looked at.
struct Arguments {
    i32 fds[2] = {-1, -1};
    u64 tags[2] = {};
    abi::IoVec vectors[2] = {};
    abi::Probe probe = {};
    abi::Restriction list[2] = {};
    TaskRestrictionList<2> task_list = {};
    abi::BpfRegister filter = {};
    abi::CpuSet cpus = {};
    WorkerLimits limits = {};
    abi::Napi napi = {};
    abi::ZcrxIfqRegister queue = {};
    abi::ZcrxControl control = {};
    abi::RegionDescriptor region = {};
    abi::BufferRingRegister buffer_ring = {};
    abi::QueryHeader query = {};
    u16 head = 0;
};

struct Expected {
    const char* name;
    i32 (*call)(Ring& ring, Arguments& a) noexcept;
    abi::RegisterOp operation;
    u32 count;
    bool without_ring = false;
};

using Op = abi::RegisterOp;
constexpr u32 register_bytes = sizeof(abi::RsrcRegister);
constexpr u32 update_bytes = sizeof(abi::RsrcUpdate);

// All 38 operations but those of the ring's own descriptor and size, which are Ring's.
constexpr Expected expected[] = {
    {"buffers", [](Ring& r, Arguments& a) noexcept { return register_buffers(r, a.vectors, 2); },
     Op::buffers, 2},
    {"unregister_buffers", [](Ring& r, Arguments&) noexcept { return unregister_buffers(r); },
     Op::unregister_buffers, 0},
    {"files", [](Ring& r, Arguments& a) noexcept { return register_files(r, a.fds, 2); }, Op::files,
     2},
    {"unregister_files", [](Ring& r, Arguments&) noexcept { return unregister_files(r); },
     Op::unregister_files, 0},
    {"eventfd", [](Ring& r, Arguments&) noexcept { return register_eventfd(r, 3); }, Op::eventfd,
     1},
    {"unregister_eventfd", [](Ring& r, Arguments&) noexcept { return unregister_eventfd(r); },
     Op::unregister_eventfd, 0},
    {"files_update", [](Ring& r, Arguments& a) noexcept { return update_files(r, 7, a.fds, 2); },
     Op::files_update, 2},
    {"eventfd_async", [](Ring& r, Arguments&) noexcept { return register_eventfd_async(r, 3); },
     Op::eventfd_async, 1},
    {"probe", [](Ring& r, Arguments& a) noexcept { return register_probe(r, a.probe); }, Op::probe,
     256},
    {"personality", [](Ring& r, Arguments&) noexcept { return register_personality(r); },
     Op::personality, 0},
    {"unregister_personality",
     [](Ring& r, Arguments&) noexcept { return unregister_personality(r, 65535); },
     Op::unregister_personality, 65535},
    {"restrictions",
     [](Ring& r, Arguments& a) noexcept { return register_restrictions(r, a.list, 2); },
     Op::restrictions, 2},
    {"task_restrictions",
     [](Ring&, Arguments& a) noexcept { return register_task_restrictions(a.task_list.head); },
     Op::restrictions, 1, true},
    {"enable_rings", [](Ring& r, Arguments&) noexcept { return enable_ring(r); }, Op::enable_rings,
     0},
    {"files2_sparse", [](Ring& r, Arguments&) noexcept { return register_files_sparse(r, 9); },
     Op::files2, register_bytes},
    {"files2",
     [](Ring& r, Arguments& a) noexcept { return register_files_tagged(r, a.fds, a.tags, 2); },
     Op::files2, register_bytes},
    {"files_update2",
     [](Ring& r, Arguments& a) noexcept { return update_files_tagged(r, 7, a.fds, a.tags, 2); },
     Op::files_update2, update_bytes},
    {"buffers2_sparse", [](Ring& r, Arguments&) noexcept { return register_buffers_sparse(r, 9); },
     Op::buffers2, register_bytes},
    {"buffers2",
     [](Ring& r, Arguments& a) noexcept {
         return register_buffers_tagged(r, a.vectors, a.tags, 2);
     },
     Op::buffers2, register_bytes},
    {"buffers_update",
     [](Ring& r, Arguments& a) noexcept { return update_buffers(r, 7, a.vectors, a.tags, 2); },
     Op::buffers_update, update_bytes},
    {"iowq_aff", [](Ring& r, Arguments& a) noexcept { return register_worker_cpus(r, a.cpus); },
     Op::iowq_aff, 128},
    {"unregister_iowq_aff", [](Ring& r, Arguments&) noexcept { return unregister_worker_cpus(r); },
     Op::unregister_iowq_aff, 0},
    {"iowq_max_workers",
     [](Ring& r, Arguments& a) noexcept { return set_worker_limits(r, a.limits); },
     Op::iowq_max_workers, 2},
    {"pbuf_ring",
     [](Ring& r, Arguments& a) noexcept { return register_buffer_ring(r, a.buffer_ring); },
     Op::pbuf_ring, 1},
    {"unregister_pbuf_ring",
     [](Ring& r, Arguments&) noexcept { return unregister_buffer_ring(r, 5); },
     Op::unregister_pbuf_ring, 1},
    {"sync_cancel", [](Ring& r, Arguments&) noexcept { return cancel_now(r, {}); }, Op::sync_cancel,
     1},
    {"file_alloc_range", [](Ring& r, Arguments&) noexcept { return set_file_alloc_range(r, 3, 4); },
     Op::file_alloc_range, 0},
    {"pbuf_status", [](Ring& r, Arguments& a) noexcept { return buffer_ring_head(r, 5, &a.head); },
     Op::pbuf_status, 1},
    {"napi", [](Ring& r, Arguments& a) noexcept { return register_napi(r, a.napi); }, Op::napi, 1},
    {"unregister_napi", [](Ring& r, Arguments&) noexcept { return unregister_napi(r); },
     Op::unregister_napi, 1},
    {"clock", [](Ring& r, Arguments&) noexcept { return r.use_clock(abi::clock::boottime); },
     Op::clock, 0},
    {"clone_buffers", [](Ring& r, Arguments&) noexcept { return clone_buffers(r, r); },
     Op::clone_buffers, 1},
    {"send_msg_ring", [](Ring& r, Arguments&) noexcept { return send_ring_message(r.fd(), {}); },
     Op::send_msg_ring, 1, true},
    {"send_msg_ring_flags",
     [](Ring& r, Arguments&) noexcept { return send_ring_message(r.fd(), {}, 1u << 16); },
     Op::send_msg_ring, 1, true},
    {"zcrx_ifq", [](Ring& r, Arguments& a) noexcept { return register_zcrx_queue(r, a.queue); },
     Op::zcrx_ifq, 1},
    {"mem_region",
     [](Ring& r, Arguments& a) noexcept { return register_memory_region(r, a.region, 0); },
     Op::mem_region, 1},
    {"query", [](Ring&, Arguments& a) noexcept { return register_query(&a.query); }, Op::query, 0,
     true},
    {"zcrx_ctrl", [](Ring& r, Arguments& a) noexcept { return zcrx_control(r, a.control); },
     Op::zcrx_ctrl, 0},
    {"bpf_filter", [](Ring& r, Arguments& a) noexcept { return register_bpf_filter(r, a.filter); },
     Op::bpf_filter, 1},
    {"task_bpf_filter",
     [](Ring&, Arguments& a) noexcept { return register_task_bpf_filter(a.filter); },
     Op::bpf_filter, 1, true},
};

VARIANT_TEST(register_call_passes, expected) {
    const NothingLeaks check;
    TestRing ring;
    Arguments arguments;
    {
        const Recorder recorder;
        CHECK_OK(row.call(*ring, arguments));
        CHECK_EQ(recorder.calls, 1u);
        CHECK_EQ(recorder.operation, static_cast<u32>(row.operation));
        CHECK_EQ(recorder.count, row.count);
        CHECK_EQ(recorder.fd, row.without_ring ? -1 : ring->fd());
    }
    // The same with a registered ring. Its index is for io_uring_enter alone until 6.3.
    SKIP_WITHOUT("registered rings");
    CHECK_OK(ring->register_ring_fd());
    const Recorder recorder;
    CHECK_OK(row.call(*ring, arguments));
    CHECK_EQ(recorder.calls, 1u);
    CHECK_EQ(recorder.count, row.count);
    if (row.without_ring) {
        CHECK_EQ(recorder.operation, static_cast<u32>(row.operation));
        CHECK_EQ(recorder.fd, -1);
    } else if (!kernel_at_least(6, 3)) {
        CHECK_EQ(recorder.operation, static_cast<u32>(row.operation));
        CHECK_EQ(recorder.fd, ring->fd());
    } else {
        CHECK_EQ(recorder.operation,
                 static_cast<u32>(row.operation) | abi::register_use_registered_ring);
        CHECK_EQ(recorder.fd, ring->enter_fd());
    }
}

TEST(register_call_covers_every_operation) {
    // 38 of them; ring_fds, unregister_ring_fds and resize_rings are methods of Ring.
    u64 seen = u64{1} << static_cast<u32>(Op::ring_fds) |
               u64{1} << static_cast<u32>(Op::unregister_ring_fds) |
               u64{1} << static_cast<u32>(Op::resize_rings);
    for (const Expected& row : expected) {
        seen |= u64{1} << static_cast<u32>(row.operation);
    }
    CHECK_EQ(seen, (u64{1} << 38) - 1);
}

TEST(register_call_fills_its_struct) {
    TestRing ring;
    const Recorder recorder;
    i32 fds[2] = {4, 5};
    CHECK_OK(set_file_alloc_range(*ring, 3, 4));
    CHECK_EQ(recorder.count, 0u); // 16 is what Zig passes, and the kernel then always refuses
    const abi::FileIndexRange range = recorder.as<abi::FileIndexRange>();
    CHECK_EQ(range.offset, 3u);
    CHECK_EQ(range.count, 4u);
    CHECK_EQ(range.reserved, 0u);
    CHECK_OK(update_files(*ring, 7, fds, 2));
    const abi::FilesUpdate update = recorder.as<abi::FilesUpdate>();
    CHECK_EQ(update.offset, 7u);
    CHECK_EQ(update.reserved, 0u);
    CHECK_EQ(update.fds, address_of(fds));
    // The descriptor of an eventfd is passed by its address.
    CHECK_OK(register_eventfd(*ring, 0x1234));
    CHECK_EQ(recorder.as<i32>(), 0x1234);
}

// ---- Which name of the ring ---------------------------------------------------------------------

TEST(register_call_uses_the_index_only_where_the_kernel_can) {
    const NothingLeaks check;
    constexpr bool both[] = {false, true};
    for (const bool can : both) {
        FakeOptions fake;
        if (!can) {
            fake.features &= ~abi::feature::reg_reg_ring;
        }
        FakeKernel kernel(fake);
        kernel.set_register_result(Op::eventfd, 0);
        Ring ring;
        CHECK_OK(ring.open({.entries = 4}));
        CHECK_OK(register_eventfd(ring, 0));
        CHECK(!kernel.register_call(kernel.register_count() - 1).through_registered);
        CHECK_OK(ring.register_ring_fd());
        // Before 6.3 the index is for io_uring_enter alone.
        CHECK_OK(register_eventfd(ring, 0));
        CHECK_EQ(kernel.register_call(kernel.register_count() - 1).through_registered, can);
        CHECK_ERRNO(can ? -Errno::einval : ring.close_ring_fd(), Errno::einval);
        CHECK_OK(ring.unregister_ring_fd());
        CHECK_OK(register_eventfd(ring, 0));
        CHECK(!kernel.register_call(kernel.register_count() - 1).through_registered);
        ring.close();
    }
}

// ---- Byte order ---------------------------------------------------------------------------------

TEST(register_call_layouts_do_not_depend_on_byte_order) {
    // The kernel's cpumask is an array of machine words.
    abi::CpuSet cpus = {};
    cpus.add(0);
    cpus.add(70);
    CHECK(cpus.has(0));
    CHECK(cpus.has(70));
    CHECK(!cpus.has(1));
    CHECK(!cpus.has(5000));
    CHECK_EQ(cpus.words[0] & 1, uptr{1});
    constexpr u32 word_bits = 8 * sizeof(uptr);
    CHECK_EQ(cpus.words[70 / word_bits], uptr{1} << (70 % word_bits));
    static_assert(sizeof(abi::CpuSet) == 128);
    // The tail of a buffer ring is the last two bytes of its first entry, as a number of 16 bits.
    alignas(16) u8 image[16] = {};
    auto* const entry = reinterpret_cast<abi::BufferRingEntry*>(image);
    store_release(&entry->tail, u16{0x1234});
    u16 tail = 0;
    __builtin_memcpy(&tail, image + 14, 2);
    CHECK_EQ(tail, 0x1234);
    // The two worker limits go into an array by their index, not by their place in our struct.
    TestRing ring;
    WorkerLimits limits = {.bound = 3, .unbound = 0x01020304};
    const Recorder recorder;
    CHECK_OK(set_worker_limits(*ring, limits));
    CHECK_EQ(recorder.as<u32>(), 3u);
}

} // namespace
} // namespace oxbow::test
