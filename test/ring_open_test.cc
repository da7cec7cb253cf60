// Opening a ring: the ladder of setup flags, shrinking on ENOMEM, both layouts of memory, what is
// mapped and kept from children, and that a failure at any step leaves nothing behind.
#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "../syscall/start.h"
#include "../uring/prep.h"
#include "../uring/ring.h"
#include "fake_kernel.h"

namespace oxbow::test {
namespace {

namespace setup = abi::setup;

constexpr u32 flags_of_6_1 = (setup::defer_taskrun << 1) - 1;
constexpr u32 flags_of_5_10 = (setup::r_disabled << 1) - 1;

// ---- The ladder ---------------------------------------------------------------------------------

TEST(ring_open_tries_the_best_flags_first) {
    FakeKernel kernel;
    Ring ring;
    CHECK_OK(ring.open({.entries = 8}));
    CHECK_EQ(kernel.setup_count(), 1u);
    CHECK_EQ(ring.setup_flags(), setup::no_sqarray | setup::submit_all);
    ring.close();
}

TEST(ring_open_gives_up_preferred_flags_newest_first) {
    FakeOptions old;
    old.accepted_flags = flags_of_6_1;
    FakeKernel kernel(old);
    Ring ring;
    CHECK_OK(ring.open({.entries = 8}));
    CHECK_EQ(kernel.setup_count(), 2u);
    CHECK_EQ(ring.setup_flags(), setup::submit_all);
    ring.close();

    kernel.options().accepted_flags = flags_of_5_10;
    CHECK_OK(ring.open({.entries = 8}));
    CHECK_EQ(kernel.setup_count(), 5u); // both, one, none
    CHECK_EQ(ring.setup_flags(), 0u);
    ring.close();
}

TEST(ring_open_climbs_down_to_what_a_kernel_has) {
    constexpr u32 wanted = setup::single_issuer | setup::defer_taskrun | setup::coop_taskrun |
                           setup::no_sqarray | setup::submit_all;
    struct Row {
        u32 accepted;
        u32 expected;
    };
    constexpr Row rows[] = {
        {~0u, wanted | setup::taskrun_flag},
        {flags_of_6_1, (wanted | setup::taskrun_flag) & ~setup::no_sqarray},
        {(setup::single_issuer << 1) - 1,
         setup::single_issuer | setup::coop_taskrun | setup::taskrun_flag | setup::submit_all},
        {(setup::cqe32 << 1) - 1, setup::coop_taskrun | setup::taskrun_flag | setup::submit_all},
        {(setup::submit_all << 1) - 1, setup::submit_all},
        {flags_of_5_10, 0},
    };
    for (const Row& row : rows) {
        FakeOptions options;
        options.accepted_flags = row.accepted;
        FakeKernel kernel(options);
        Ring ring;
        CHECK_OK(ring.open({.entries = 8, .preferred_flags = wanted}));
        CHECK_EQ(ring.setup_flags(), row.expected);
        ring.close();
    }
}

TEST(ring_open_never_gives_up_required_flags) {
    FakeOptions old;
    old.accepted_flags = flags_of_5_10;
    FakeKernel kernel(old);
    Ring ring;
    Reason reason;
    CHECK_ERRNO(ring.open({.entries = 8, .flags = setup::cqe32}, &reason), Errno::einval);
    CHECK(reason.refused());
    CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::setup));
    CHECK_ERRNO(reason.error, Errno::einval);
    CHECK_EQ(reason.setup_flags & setup::cqe32, setup::cqe32);
    CHECK(!ring.is_open());
}

TEST(ring_open_drops_preferred_flags_that_contradict_required_ones) {
    FakeKernel kernel;
    Ring ring;
    CHECK_OK(ring.open({.entries = 8,
                        .flags = setup::sqpoll,
                        .preferred_flags = setup::defer_taskrun | setup::coop_taskrun |
                                           setup::single_issuer | setup::no_sqarray}));
    CHECK_EQ(kernel.setup_count(), 1u);
    CHECK_EQ(ring.setup_flags() & (setup::defer_taskrun | setup::coop_taskrun), 0u);
    ring.close();
}

TEST(ring_open_does_not_repeat_other_errors) {
    constexpr Errno errors[] = {Errno::eperm,  Errno::enosys, Errno::enomem, Errno::emfile,
                                Errno::enfile, Errno::efault, Errno::eacces, Errno::eopnotsupp};
    for (const Errno error : errors) {
        FakeOptions options;
        options.setup_error = error;
        FakeKernel kernel(options);
        Ring ring;
        Reason reason;
        CHECK_ERRNO(ring.open({.entries = 8}, &reason), error);
        CHECK_ERRNO(reason.error, error);
        CHECK_EQ(kernel.setup_count(), 1u);
    }
}

TEST(ring_open_shrinks_only_when_asked) {
    FakeOptions options;
    options.setup_error = Errno::enomem;
    options.setup_error_times = 2;
    FakeKernel kernel(options);
    Ring ring;
    CHECK_ERRNO(ring.open({.entries = 64}), Errno::enomem);
    CHECK_EQ(kernel.setup_count(), 1u);

    FakeKernel patient(options);
    CHECK_OK(ring.open({.entries = 64, .completion_entries = 256, .entries_min = 16}));
    CHECK_EQ(patient.setup_count(), 3u);
    CHECK_EQ(ring.sq_entries(), 16u);
    CHECK_EQ(ring.cq_entries(), 64u);
    ring.close();

    FakeKernel greedy(options);
    Reason reason;
    CHECK_ERRNO(ring.open({.entries = 64, .entries_min = 33}, &reason), Errno::enomem);
    CHECK_EQ(greedy.setup_count(), 1u);
    CHECK_GE(reason.needed_bytes, 64u * 64u);
}

// ---- Nothing is left behind ---------------------------------------------------------------------

TEST(ring_open_that_fails_to_map_leaves_nothing) {
    constexpr u32 feature_sets[] = {~0u, ~abi::feature::single_mmap};
    for (const u32 features : feature_sets) {
        const u32 mappings = (features & abi::feature::single_mmap) != 0 ? 2 : 3;
        for (u32 nth = 1; nth <= mappings; ++nth) {
            const Resources before = resources();
            FakeOptions options;
            options.features &= features;
            options.mmap_fails_nth = nth;
            options.mmap_error = Errno::eagain;
            {
                FakeKernel kernel(options);
                Ring ring;
                Reason reason;
                CHECK_ERRNO(ring.open({.entries = 8}, &reason), Errno::eagain);
                const Stage stage = nth == mappings ? Stage::map_entries : Stage::map_rings;
                CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(stage));
                CHECK(!ring.is_open());
                CHECK_EQ(ring.fd(), -1);
                CHECK(!kernel.is_open());
                CHECK_EQ(kernel.mapping_count(), 0u);
            }
            CHECK_SAME_RESOURCES(before);
        }
    }
}

TEST(ring_open_and_close_a_thousand_times) {
    need_rings();
    const Resources before = resources();
    Ring ring;
    for (u32 i = 0; i < 1000; ++i) {
        CHECK_OK(ring.open({.entries = 64}));
        ring.close();
        ring.close(); // does nothing
        CHECK_EQ(ring.fd(), -1);
        CHECK(!ring.is_open());
    }
    CHECK_SAME_RESOURCES(before);
}

TEST(ring_open_without_memory_for_its_own_leaves_nothing) {
    const Resources before = resources();
    fail_call(number::mmap, Errno::enomem);
    Ring ring;
    Reason reason;
    CHECK_ERRNO(ring.open({.entries = 8, .flags = setup::no_mmap}, &reason), Errno::enomem);
    CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::memory));
    CHECK_SAME_RESOURCES(before);
}

// ---- Memory -------------------------------------------------------------------------------------

TEST(ring_open_in_the_callers_memory) {
    need_rings();
    RingOptions options;
    options.entries = 64;
    options.flags = setup::no_mmap;
    const usize bytes = static_cast<usize>(required_bytes(options));
    alignas(page_bytes_max) static u8 memory[512 * 1024];
    CHECK_LE(bytes, sizeof(memory));
    options.memory = memory;
    options.memory_bytes = bytes;
    const Resources before = resources();
    Ring ring;
    const i32 result = ring.open(options);
    SKIP_IF_MISSING(result != -Errno::einval, "rings in the caller's memory");
    CHECK_OK(result);
    CHECK_EQ(resources().mappings, before.mappings);
    CHECK(ring.nop(5) != nullptr);
    CHECK_EQ(CHECK_OK(ring.submit_and_wait(1)), 1);
    const Cqe* const cqe = ring.peek();
    CHECK(reinterpret_cast<const u8*>(cqe) >= memory &&
          reinterpret_cast<const u8*>(cqe) < memory + bytes);
    CHECK_EQ(cqe->user_data, 5u);
    ring.close();
    CHECK_SAME_RESOURCES(before);

    options.memory_bytes = bytes - 1;
    Reason reason;
    CHECK_ERRNO(ring.open(options, &reason), Errno::einval);
    CHECK_EQ(static_cast<u32>(reason.fault), static_cast<u32>(OptionFault::memory_too_small));
    options.memory_bytes = bytes;
    options.memory = memory + 64;
    CHECK_ERRNO(ring.open(options, &reason), Errno::einval);
    CHECK_EQ(static_cast<u32>(reason.fault), static_cast<u32>(OptionFault::memory_not_aligned));
}

TEST(ring_open_keeps_mappings_from_children) {
    need_rings();
    Ring ring;
    CHECK_OK(ring.open({.entries = 8}));
    CHECK(ring.nop(1) != nullptr);
    CHECK_OK(ring.submit_and_wait(1));
    const Cqe* const cqe = ring.peek();
    // The child has no such page: mincore(2) answers ENOMEM for what is not mapped.
    const uptr page = reinterpret_cast<uptr>(cqe) & ~(page_bytes() - 1);
    u8 vector[32] = {};
    CHECK_OK(kernel::mincore(reinterpret_cast<void*>(page), 1, vector));
    const i32 status = in_child([page]() noexcept {
        u8 pages[32] = {};
        CHECK_ERRNO(kernel::mincore(reinterpret_cast<void*>(page), 1, pages), Errno::enomem);
    });
    CHECK_EQ(status, 0);
    ring.seen(cqe);
    CHECK(ring.nop(2) != nullptr); // and the parent's ring goes on
    CHECK_OK(ring.submit_and_wait(1));
    ring.close();

    CHECK_OK(ring.open({.entries = 8, .dontfork = false}));
    CHECK(ring.nop(1) != nullptr);
    CHECK_OK(ring.submit_and_wait(1));
    const uptr shared = reinterpret_cast<uptr>(ring.peek()) & ~(page_bytes() - 1);
    CHECK_EQ(in_child([shared]() noexcept {
                 u8 pages[32] = {};
                 CHECK_OK(kernel::mincore(reinterpret_cast<void*>(shared), 1, pages));
             }),
             0);
    ring.close();
}

TEST(ring_open_keeps_memory_of_its_own_from_children) {
    need_rings();
    Ring ring;
    const i32 result = ring.open({.entries = 8, .flags = setup::no_mmap});
    SKIP_IF_MISSING(result != -Errno::einval, "rings in the caller's memory");
    CHECK_OK(result);
    const uptr page = reinterpret_cast<uptr>(ring.get_sqe()) & ~(page_bytes() - 1);
    CHECK_EQ(in_child([page]() noexcept {
                 u8 pages[32] = {};
                 CHECK_ERRNO(kernel::mincore(reinterpret_cast<void*>(page), 1, pages),
                             Errno::enomem);
             }),
             0);
    ring.close();
}

TEST(ring_open_closes_on_exec) {
    need_rings();
    Ring ring;
    CHECK_OK(ring.open({.entries = 1}));
    CHECK_EQ(CHECK_OK(kernel::fcntl(ring.fd(), abi::fcntl_command::get_fd_flags, 0)) & 1, 1);
    ring.close();
}

// ---- Sizes --------------------------------------------------------------------------------------

TEST(ring_open_rounds_sizes_as_the_kernel_does) {
    need_rings();
    struct Row {
        u32 entries, completions, sq, cq, flags;
    };
    constexpr Row rows[] = {
        {1, 0, 1, 2, 0},
        {3, 0, 4, 8, 0},
        {4, 5, 4, 8, 0},
        {4, 4, 4, 4, 0},
        {32768, 0, 32768, 65536, 0},
        {40000, 0, 32768, 65536, setup::clamp},
        {1, 70000, 1, 65536, setup::clamp},
    };
    for (const Row& row : rows) {
        RingOptions options;
        options.entries = row.entries;
        options.completion_entries = row.completions;
        options.flags = row.flags;
        const RingLayout layout = layout_of(options);
        CHECK_EQ(layout.sq_entries, row.sq);
        CHECK_EQ(layout.cq_entries, row.cq);
        Ring ring;
        CHECK_OK(ring.open(options));
        CHECK_EQ(ring.sq_entries(), row.sq);
        CHECK_EQ(ring.cq_entries(), row.cq);
        ring.close();
    }
}

// ---- Resizing -----------------------------------------------------------------------------------

TEST(ring_resize_that_cannot_map_closes_the_ring) {
    const Resources before = resources();
    {
        FakeKernel kernel;
        kernel.set_register_result(abi::RegisterOp::resize_rings, 0);
        Ring ring;
        CHECK_OK(ring.open({.entries = 8}));
        fail_call(number::mmap, Errno::enomem);
        Reason reason;
        CHECK_ERRNO(ring.resize(16, 0, &reason), Errno::enomem);
        CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::map_rings));
        CHECK(!ring.is_open());
        CHECK(!kernel.is_open());
    }
    CHECK_SAME_RESOURCES(before);
}

TEST(ring_resize_refused_changes_nothing) {
    FakeKernel kernel;
    kernel.set_register_result(abi::RegisterOp::resize_rings, -Errno::eoverflow);
    Ring ring;
    CHECK_OK(ring.open({.entries = 8}));
    CHECK(ring.nop(1) != nullptr);
    Reason reason;
    CHECK_ERRNO(ring.resize(4, 0, &reason), Errno::eoverflow);
    CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::resize));
    CHECK(ring.is_open());
    CHECK_EQ(ring.sq_entries(), 8u);
    CHECK_EQ(CHECK_OK(ring.submit()), 1);
    CHECK_EQ(kernel.consumed(0).user_data, 1u);
    ring.close();
}

} // namespace
} // namespace oxbow::test
