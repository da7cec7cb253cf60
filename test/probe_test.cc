// What probe finds: on the running kernel against what the kernel itself lists, and on kernels that
// have only part of io_uring (pretend_kernel.h) against what those have.
#include "../uring/probe.h"

#include "../syscall/call.h"
#include "../syscall/text.h"
#include "../uring/names.h"
#include "../uring/ring.h"
#include "harness.h"
#include "hook.h"
#include "pretend_kernel.h"
#include "runner.h"

namespace oxbow::test {
namespace {

namespace setup = abi::setup;

/// The running kernel's own list; skips before 6.18.
abi::QueryOpcodes ask_kernel() noexcept {
    abi::QueryOpcodes answer = {};
    abi::QueryHeader header = {};
    header.data = address_of(&answer);
    header.size = sizeof(answer);
    const i32 result =
        kernel::io_uring_register(-1, static_cast<u32>(abi::RegisterOp::query), &header, 0);
    SKIP_IF_MISSING(result == 0 && header.result == 0, "register operation query");
    return answer;
}

void check_same(const Features& actual, const Features& expected) noexcept {
    CHECK_EQ(actual.setup_flags, expected.setup_flags);
    CHECK_EQ(actual.feature_bits, expected.feature_bits);
    CHECK_EQ(actual.enter_flags, expected.enter_flags);
    CHECK_EQ(actual.sqe_flags, expected.sqe_flags);
    CHECK_EQ(actual.opcode_count, expected.opcode_count);
    CHECK_EQ(actual.register_op_count, expected.register_op_count);
    for (u32 at = 0; at < 4; ++at) {
        CHECK_EQ(actual.opcodes[at], expected.opcodes[at]);
    }
    for (u32 at = 0; at < 2; ++at) {
        CHECK_EQ(actual.register_ops[at], expected.register_ops[at]);
    }
}

// ---- The running kernel -------------------------------------------------------------------------

TEST(probe_matches_query) {
    need_rings();
    const abi::QueryOpcodes answer = ask_kernel();
    const Resources before = resources();
    Features features;
    Reason reason;
    CHECK_OK(probe(features, &reason));
    CHECK_SAME_RESOURCES(before);
    CHECK(!reason.refused());
    CHECK_EQ(features.source, FeatureSource::query);
    CHECK_EQ(features.setup_flags, answer.setup_flags);
    CHECK_EQ(features.feature_bits, answer.feature_flags);
    CHECK_EQ(features.enter_flags, answer.enter_flags);
    CHECK_EQ(features.sqe_flags, answer.sqe_flags);
    CHECK_EQ(features.opcode_count, answer.request_opcode_count);
    CHECK_EQ(features.register_op_count, answer.register_opcode_count);
    CHECK_EQ(features.query_op_count, answer.query_opcode_count);
    CHECK(features.supports(abi::RegisterOp::query));
    CHECK_EQ(features.scq.header_size != 0, features.query_op_count > 2);
}

TEST(probe_opcodes_equal_the_kernels_probe) {
    need_rings();
    abi::Params params = {};
    const i32 ring = CHECK_OK(kernel::io_uring_setup(1, &params));
    abi::Probe answer = {};
    const i32 result =
        kernel::io_uring_register(ring, static_cast<u32>(abi::RegisterOp::probe), &answer, 256);
    CHECK_OK(kernel::close(ring));
    SKIP_IF_MISSING(result == 0, "register operation probe");
    Features features;
    CHECK_OK(probe(features));
    CHECK_EQ(features.opcode_count, u32{answer.last_op} + 1);
    CHECK_EQ(features.feature_bits, params.features);
    for (u32 op = 0; op < 256; ++op) {
        const bool supported =
            op < answer.ops_len && (answer.ops[op].flags & abi::op_supported) != 0;
        CHECK_EQ(features.supports(static_cast<abi::Opcode>(op)), supported);
    }
}

TEST(probe_by_trial_agrees_with_query) {
    need_rings();
    (void)ask_kernel();
    Features asked;
    CHECK_OK(probe(asked));
    const Resources before = resources();
    Features tried;
    CHECK_OK(probe_by_trial(tried));
    CHECK_SAME_RESOURCES(before);
    CHECK_EQ(tried.source, FeatureSource::trial);
    check_same(tried, asked);
}

/// One list of names.h beside what the kernel said: bit n of `has` is number n.
void check_by_version(u32 count, KernelName (*name)(u32), const u64* has, bool is_mended) noexcept {
    for (u32 index = 0; index < count; ++index) {
        const KernelName named = name(index);
        const bool is_there = (has[index >> 6] >> (index & 63) & 1) != 0;
        const bool may_differ = is_mended && named.series == 5 && named.release > 10;
        if (is_there != kernel_at_least(named.series, named.release) &&
            (named.release > 15 || !may_differ)) {
            note(named.text, "since", u32{named.series}, u32{named.release}, "found", is_there);
            FAIL("the kernel differs from what names.cc tells of its version");
        }
    }
}

/// With --strict, for the kernels of distributions that carry nothing back: what a probe finds is
/// what names.cc tells of this version, and nothing else. But 5.10 has the rings of 5.15, in part.
TEST(probe_finds_what_the_version_says) {
    if (!is_strict()) {
        SKIP("only with --strict: a vendor's kernel may be older than what it has");
    }
    need_rings();
    Features f;
    CHECK_OK(probe(f));
    const bool is_mended = !kernel_at_least(5, 11) && f.has(abi::feature::rsrc_tags);
    const u64 words[] = {f.feature_bits, f.setup_flags, f.enter_flags, f.sqe_flags};
    check_by_version(features_named, feature_name, &words[0], is_mended);
    check_by_version(setup_flags_named, setup_flag_name, &words[1], is_mended);
    check_by_version(enter_flags_named, enter_flag_name, &words[2], is_mended);
    check_by_version(sqe_flags_named, sqe_flag_name, &words[3], is_mended);
    check_by_version(
        opcodes_named,
        [](u32 index) noexcept { return opcode_name(static_cast<abi::Opcode>(index)); }, f.opcodes,
        is_mended);
    check_by_version(
        register_ops_named,
        [](u32 index) noexcept { return register_op_name(static_cast<abi::RegisterOp>(index)); },
        f.register_ops, is_mended);
}

/// Every operation is tried on a ring where a closed descriptor tells nothing, as before 5.15.
TEST(probe_register_operations_on_a_ring) {
    need_rings();
    (void)ask_kernel();
    Features asked;
    CHECK_OK(probe(asked));
    const auto hide = [](void*, long number, const long* arguments, int, long* result) noexcept {
        if (number != number::io_uring_register || static_cast<i32>(arguments[0]) >= 0) {
            return false;
        }
        *result = -Errno::ebadf;
        return true;
    };
    set_handler(hide, nullptr);
    Features tried;
    CHECK_OK(probe_by_trial(tried));
    remove_handler(hide, nullptr);
    // zcrx_ctrl and bpf_filter are never tried this way: kernels that have them answer query.
    const u64 named = up_to(static_cast<u32>(abi::RegisterOp::query));
    CHECK_EQ(tried.register_ops[0], asked.register_ops[0] & named);
}

TEST(probe_of_an_unprivileged_process) {
    need_rings();
    const i32 status = in_child([] {
        Features before;
        CHECK_OK(probe_by_trial(before));
        if (kernel::setresuid(65534, 65534, 65534) < 0) {
            SKIP("cannot become another user");
        }
        Features after;
        const i32 result = probe_by_trial(after);
        if (result == -Errno::eperm) {
            SKIP("io_uring is not for unprivileged processes here");
        }
        CHECK_OK(result);
        CHECK_EQ(before.register_ops[0], after.register_ops[0]);
        if (kernel_at_least(5, 13)) {
            CHECK_EQ(before.setup_flags, after.setup_flags);
        }
    });
    CHECK_EQ(status, 0);
}

TEST(probe_best_options_open_a_ring) {
    need_rings();
    Features features;
    CHECK_OK(probe(features));
    const RingOptions options = best_ring_options(features, 16);
    CHECK_EQ(options.entries, 16u);
    Ring ring;
    CHECK_OK(ring.open(options));
    CHECK_EQ(ring.setup_flags(), options.preferred_flags); // nothing had to be given up
    ring.close();
}

// ---- Other kernels ------------------------------------------------------------------------------

VARIANT_TEST(probe_of_kernel, kernel_parts) {
    const Resources before = resources();
    PretendKernel pretend(row);
    Features features;
    Reason reason;
    CHECK_OK(probe(features, &reason));
    CHECK_EQ(pretend.rings_open(), 0);
    CHECK_SAME_RESOURCES(before);
    CHECK_LE(pretend.setups(), 28u);

    Features expected;
    // What the kernel has but this process may not use is not offered.
    const u32 privileged = row.sqpoll_is_a_privilege ? setup::sqpoll | setup::sq_aff : 0;
    expected.setup_flags = row.setup_flags & ~privileged;
    expected.feature_bits = row.features;
    expected.enter_flags = row.enter_flags;
    expected.sqe_flags = row.sqe_flags;
    expected.opcode_count = row.opcode_count;
    expected.opcodes[0] = up_to(row.opcode_count - 1);
    expected.register_ops[0] = row.register_ops;
    while (row.register_ops >> expected.register_op_count != 0) {
        ++expected.register_op_count;
    }
    check_same(features, expected);
    CHECK_EQ(features.source, FeatureSource::trial);
    CHECK_EQ(features.query_op_count, 0u);
}

VARIANT_TEST(probe_best_options_for_kernel, kernel_parts) {
    PretendKernel pretend(row);
    Features features;
    CHECK_OK(probe(features));
    const RingOptions options = best_ring_options(features);
    CHECK_EQ(options.flags, 0u);
    CHECK(features.supports_setup(options.preferred_flags));
    RingOptions strict = options;
    strict.flags = options.preferred_flags;
    CHECK_EQ(fault_of(strict), OptionFault::none); // they go together
    const bool defers = (options.preferred_flags & setup::defer_taskrun) != 0;
    CHECK_EQ(defers, (row.setup_flags & setup::defer_taskrun) != 0);
}

TEST(probe_best_options_cooperate_where_nothing_can_be_deferred) {
    Features features;
    features.setup_flags = (setup::single_issuer << 1) - 1; // 6.0
    CHECK_EQ(best_ring_options(features).preferred_flags,
             setup::submit_all | setup::coop_taskrun | setup::taskrun_flag | setup::single_issuer);
}

// ---- Refusals and filters -----------------------------------------------------------------------

struct Refused {
    const char* name;
    Errno error;
};

constexpr Refused refusals[] = {
    {"ENOSYS", Errno::enosys}, {"EPERM", Errno::eperm},   {"EACCES", Errno::eacces},
    {"ENOMEM", Errno::enomem}, {"EMFILE", Errno::emfile}, {"EINVAL", Errno::einval},
};

VARIANT_TEST(probe_refused, refusals) {
    const Resources before = resources();
    fail_call(number::io_uring_setup, row.error, 1, always);
    Features features;
    Reason reason;
    CHECK_ERRNO(probe(features, &reason), row.error);
    CHECK_SAME_RESOURCES(before);
    CHECK_EQ(reason.stage, Stage::setup);
    CHECK_EQ(reason.error, -row.error);
    CHECK_EQ(reason.entries, 1u);
    CHECK_NE(reason.needed_bytes, u64{0});
    CHECK_EQ(calls_made(number::io_uring_setup), 1u);
    const bool registers = !is_emulated();     // qemu-user lacks io_uring_register, too
    if (registers && kernel_at_least(6, 18)) { // nearly all is told without a ring
        CHECK_EQ(features.source, FeatureSource::query);
        CHECK(features.supports(abi::Opcode::nop));
        CHECK(features.supports_setup(setup::cqe_mixed));
    }
    CHECK_ERRNO(probe_by_trial(features), row.error);
    CHECK_EQ(features.source, FeatureSource::none);
    CHECK_EQ(features.setup_flags, 0u);
    CHECK(!features.supports(abi::Opcode::nop));
    if (registers && kernel_at_least(5, 15)) {
        CHECK(features.supports(abi::RegisterOp::iowq_max_workers));
    }
}

/// A filter that answers in the kernel's place must not look like a kernel that knows everything.
TEST(probe_sees_through_filters) {
    need_rings();
    fail_call(number::io_uring_register, Errno::eperm, 1, always);
    fail_call(number::io_uring_enter, Errno::eperm, 1, always);
    Features features;
    CHECK_OK(probe(features));
    CHECK_EQ(features.source, FeatureSource::trial);
    CHECK_EQ(features.register_op_count, 0u);
    CHECK(!features.supports(abi::RegisterOp::buffers));
    CHECK_EQ(features.enter_flags, 0u);
    CHECK(features.supports(abi::Opcode::nop)); // inferred from the feature bits
    CHECK(features.supports_setup(setup::cqsize));
}

TEST(probe_without_memory_knows_the_same) {
    need_rings();
    Features before;
    CHECK_OK(probe_by_trial(before));
    fail_call(number::mmap, Errno::enomem, 1, always);
    Features after;
    CHECK_OK(probe_by_trial(after));
    check_same(after, before);
}

/// A try that fails for want of memory or descriptors still shows that its flag is known.
TEST(probe_tries_that_fail_for_other_causes) {
    need_rings();
    Features before;
    CHECK_OK(probe_by_trial(before));
    constexpr Errno errors[] = {Errno::enomem, Errno::emfile};
    for (const Errno error : errors) {
        clear_faults();
        // The first setup is the ring that everything is tried on, the second the unknown flag.
        fail_call(number::io_uring_setup, error, 3, always);
        Features after;
        CHECK_OK(probe_by_trial(after));
        CHECK_EQ(after.setup_flags & before.setup_flags, before.setup_flags);
    }
}

TEST(probe_features_take_any_number) {
    Features features;
    CHECK(!features.supports(static_cast<abi::Opcode>(255)));
    CHECK(!features.supports(static_cast<abi::RegisterOp>(127)));
    CHECK(!features.supports(static_cast<abi::RegisterOp>(128)));
    CHECK(!features.supports(static_cast<abi::RegisterOp>(0x80000000u)));
    features.opcodes[3] = u64{1} << 63;
    CHECK(features.supports(static_cast<abi::Opcode>(255)));
    features.setup_flags = setup::cqsize;
    CHECK(!features.supports_setup(setup::cqsize | setup::clamp));
    CHECK(features.supports_setup(0));
}

// ---- Names --------------------------------------------------------------------------------------

TEST(names_begin_and_end_where_the_interface_does) {
    CHECK_STREQ(opcode_name(abi::Opcode::nop).text, "nop");
    CHECK_STREQ(opcode_name(abi::Opcode::uring_cmd128).text, "uring_cmd128");
    CHECK_STREQ(opcode_name(abi::Opcode::sync_file_range).text, "sync_file_range");
    CHECK_STREQ(register_op_name(abi::RegisterOp::buffers).text, "buffers");
    CHECK_STREQ(register_op_name(abi::RegisterOp::bpf_filter).text, "bpf_filter");
    CHECK_STREQ(setup_flag_name(20).text, "sq_rewind");
    CHECK_STREQ(feature_name(17).text, "no_iowait");
    CHECK_STREQ(enter_flag_name(7).text, "no_iowait");
    CHECK_STREQ(sqe_flag_name(6).text, "cqe_skip_success");
    const KernelName pipe = opcode_name(abi::Opcode::pipe);
    CHECK_EQ(pipe.series, 6);
    CHECK_EQ(pipe.release, 16);
    CHECK_STREQ(opcode_name(static_cast<abi::Opcode>(opcodes_named)).text, "unknown");
    CHECK_EQ(opcode_name(static_cast<abi::Opcode>(255)).series, 0);
    CHECK_STREQ(register_op_name(static_cast<abi::RegisterOp>(0x80000000u)).text, "unknown");
    CHECK_STREQ(setup_flag_name(setup_flags_named).text, "unknown");
    CHECK_STREQ(feature_name(features_named).text, "unknown");
    CHECK_STREQ(enter_flag_name(enter_flags_named).text, "unknown");
    CHECK_STREQ(sqe_flag_name(sqe_flags_named).text, "unknown");
}

TEST(names_differ_and_have_a_version) {
    for (u32 one = 0; one < opcodes_named; ++one) {
        const KernelName name = opcode_name(static_cast<abi::Opcode>(one));
        CHECK_GE(name.series, 5);
        CHECK_LE(name.series, 7);
        for (u32 other = 0; other < one; ++other) {
            CHECK(!text_equal(name.text, opcode_name(static_cast<abi::Opcode>(other)).text));
        }
    }
    // New bits were always added above the older ones.
    for (u32 bit = 1; bit < setup_flags_named; ++bit) {
        const KernelName older = setup_flag_name(bit - 1);
        const KernelName newer = setup_flag_name(bit);
        CHECK_LE(older.series * 100 + older.release, newer.series * 100 + newer.release);
    }
}

TEST(names_of_flags_in_one_text) {
    TextBuffer<64> text;
    add_setup_flags(text, 0, ", ");
    CHECK_STREQ(text.c_str(), "");
    add_setup_flags(text, setup::iopoll | setup::cqsize | 1u << 31, ", ");
    CHECK_STREQ(text.c_str(), "iopoll, cqsize, bit 31");
}

} // namespace
} // namespace oxbow::test
