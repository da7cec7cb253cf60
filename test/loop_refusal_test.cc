// The contract's ninth line: whatever refuses io_uring, the same program runs on epoll, and why can
// be read; a setting forces or forbids an engine; what the kernel has is learnt from its answers.
#include "../syscall/text.h"
#include "../uring/surroundings.h"
#include "hook.h"
#include "loop_scene.h"
#include "refusing_filter.h"

namespace oxbow::test {
namespace {

[[nodiscard]] Options with_engine(EngineChoice engine) noexcept {
    Options options;
    options.engine = engine;
    return options;
}

/// The line that a person is to read: there, whole, and about this error.
void check_readable(const Reason& reason, const char* part) noexcept {
    TextBuffer<1024> text;
    describe(reason, text);
    note(text.c_str());
    CHECK(!text.truncated());
    CHECK_GT(text_length(text.c_str()), 20u);
    CHECK(!contains(text.c_str(), "\n"));
    if (!contains(text.c_str(), part)) {
        note("missing:", part);
        FAIL("the line lacks this part");
    }
}

/// A loop of whatever engine there is, with a program run on it.
void run_on(Loop& loop) noexcept {
    run_mixed_program(loop);
    CHECK_EQ(loop.drain(now_ns() + 20'000 * ms), 0u);
    loop.close();
}

// ---- By a filter, as container run-times have them
// ------------------------------------------------

struct RefusalRow {
    const char* name;
    Errno error;
};
constexpr RefusalRow refusals[] = {
    {"EPERM", Errno::eperm},   {"ENOSYS", Errno::enosys}, {"EOPNOTSUPP", Errno::eopnotsupp},
    {"EACCES", Errno::eacces}, {"EINVAL", Errno::einval}, {"ENOMEM", Errno::enomem},
};

VARIANT_TEST(loop_refusal_by_a_filter, refusals) {
    const Resources before = resources();
    CHECK_EQ(in_child([&]() noexcept {
                 if (is_emulated()) {
                     SKIP("qemu-user: no seccomp filters");
                 }
                 CHECK_OK(refuse_rings(row.error));
                 Loop loop;
                 Reason reason;
                 // Who wants io_uring and nothing else is told so.
                 CHECK_ERRNO(open(loop, with_engine(EngineChoice::uring), &reason), row.error);
                 CHECK(!loop.is_open());
                 CHECK_EQ(reason.error, -row.error);
                 CHECK_SAME_RESOURCES(before);
                 CHECK_OK(open(loop, {}, &reason));
                 CHECK_STREQ(loop.engine_name(), "epoll");
                 CHECK(reason.refused());
                 CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::setup));
                 CHECK_EQ(reason.error, -row.error);
                 check_readable(reason, row.name);
                 run_on(loop);
                 CHECK_SAME_RESOURCES(before);
             }),
             0);
}

/// There is no list of errors to fall back on, and so none that is missing from it.
TEST(loop_refusal_by_any_errno) {
    const Resources before = resources();
    for (i32 error = 1; error <= 133; ++error) {
        inject({.number = number::io_uring_setup,
                .kind = Fault::fail,
                .errno_value = error,
                .times = always});
        Loop loop;
        Reason reason;
        CHECK_OK(open(loop, {}, &reason));
        clear_faults();
        CHECK_STREQ(loop.engine_name(), "epoll");
        CHECK_EQ(reason.error, -error);
        CHECK_EQ(perform_on(loop, op::timer(1)).value, 1);
        loop.close();
        CHECK_SAME_RESOURCES(before);
    }
}

// ---- By this machine
// ------------------------------------------------------------------------------

/// What the line must say of a machine that refuses, as this one does.
[[nodiscard]] const char* cause_of(i32 refusal, const Surroundings& around) noexcept {
    if (refusal == -Errno::eperm && around.disabled == 2) {
        return "kernel.io_uring_disabled is 2";
    }
    if (refusal == -Errno::eperm && around.disabled == 1) {
        return "kernel.io_uring_disabled is 1";
    }
    if (around.seccomp_mode == 2) {
        return "seccomp filter";
    }
    return refusal == -Errno::enosys ? "an emulator" : "a security module";
}

/// Whatever this machine is: one that gives rings, one behind a filter or a sysctl, an emulator.
TEST(loop_refusal_by_this_machine) {
    const Resources before = resources();
    const i32 refusal = ring_refusal();
    const Surroundings around = read_surroundings();
    if (is_emulated()) {
        CHECK_ERRNO(refusal, Errno::enosys);
    } else if (around.disabled == 2 && around.seccomp_mode == 0) {
        CHECK_ERRNO(refusal, Errno::eperm);
    }
    Loop loop;
    Reason reason;
    CHECK_EQ(open(loop, with_engine(EngineChoice::uring), &reason), refusal);
    CHECK_EQ(loop.is_open(), refusal == 0);
    CHECK_EQ(reason.error, refusal);
    loop.close();
    CHECK_SAME_RESOURCES(before);
    CHECK_OK(open(loop, {}, &reason));
    CHECK_STREQ(loop.engine_name(), refusal == 0 ? "io_uring" : "epoll");
    CHECK_EQ(reason.refused(), refusal != 0);
    CHECK_EQ(reason.error, refusal);
    if (refusal != 0) {
        CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::setup));
        check_readable(reason, errno_name(refusal));
        check_readable(reason, cause_of(refusal, around));
    }
    run_on(loop);
    CHECK_SAME_RESOURCES(before);
}

// ---- At every step of opening
// ---------------------------------------------------------------------

struct StepRow {
    const char* name;
    long number;
    Errno error;
};
constexpr StepRow steps[] = {
    {"mmap", number::mmap, Errno::enomem},
    {"register", number::io_uring_register, Errno::eperm},
    {"eventfd", number::eventfd2, Errno::emfile},
    {"epoll_create", number::epoll_create1, Errno::enfile},
    {"epoll_ctl", number::epoll_ctl, Errno::enospc},
    {"madvise", number::madvise, Errno::einval},
    {"prlimit", number::prlimit64, Errno::eperm},
    {"fcntl", number::fcntl, Errno::einval},
};

/// Each single call fails, and from each on all of them: the loop works with one engine or the
/// other, or says that error, and nothing is left behind.
VARIANT_TEST(loop_refusal_at_every_step, steps) {
    const Resources before = resources();
    const i32 refusal = ring_refusal();
    constexpr EngineChoice choices[] = {EngineChoice::any, EngineChoice::uring,
                                        EngineChoice::epoll};
    constexpr u32 hits_max[] = {1, always};
    for (const EngineChoice choice : choices) {
        for (const u32 times : hits_max) {
            for (u32 nth = 1;; ++nth) {
                CHECK_LT(nth, 100u);
                fail_call(row.number, row.error, nth, times);
                Loop loop;
                const i32 result = open(loop, with_engine(choice));
                const u32 hits = faults_hit();
                clear_faults();
                if (result == 0) {
                    CHECK_EQ(perform_on(loop, op::timer(1)).value, 1);
                    const Pipe pipe = make_pipe();
                    char byte = 0;
                    write_text(pipe.writer, "x");
                    CHECK_EQ(perform_on(loop, op::read(pipe.reader, &byte, 1)).value, 1);
                    CHECK_EQ(loop.drain(), 0u);
                    loop.close();
                } else {
                    // A kernel that does not say what it has may lack what a loop needs.
                    CHECK(result == -row.error || result == -Errno::eopnotsupp ||
                          (result == refusal && choice == EngineChoice::uring));
                    CHECK(!loop.is_open());
                }
                CHECK_SAME_RESOURCES(before);
                if (hits == 0) {
                    CHECK_EQ(result, choice == EngineChoice::uring ? refusal : 0);
                    break;
                }
            }
        }
    }
}

// ---- By limits
// ------------------------------------------------------------------------------------

struct LimitRow {
    const char* name;
    u64 locked_bytes;
};
constexpr LimitRow limits[] = {{"0", 0}, {"64K", 64 * 1024}};

/// Memory for rings counts against RLIMIT_MEMLOCK for everybody but the privileged, before 5.12 and
/// again from 6.14 on.
VARIANT_TEST(loop_refusal_by_the_memory_lock_limit, limits) {
    need_rings(); // what is not given at all is not limited
    CHECK_EQ(in_child([&]() noexcept {
                 const abi::Rlimit limit = {row.locked_bytes, row.locked_bytes};
                 CHECK_OK(kernel::prlimit(0, abi::resource::locked_bytes, &limit));
                 if (kernel::getuid() == 0) {
                     constexpr u32 nobody = 65534;
                     CHECK_OK(kernel::setresgid(nobody, nobody, nobody));
                     CHECK_OK(kernel::setresuid(nobody, nobody, nobody));
                 }
                 Loop loop;
                 Reason reason;
                 CHECK_OK(open(loop, with_engine(EngineChoice::any), &reason));
                 if (reason.refused()) {
                     CHECK_STREQ(loop.engine_name(), "epoll");
                     CHECK_EQ(reason.error, -Errno::enomem);
                     CHECK_GT(reason.needed_bytes, 0u);
                     check_readable(reason, "RLIMIT_MEMLOCK");
                 } else {
                     CHECK_STREQ(loop.engine_name(), "io_uring");
                 }
                 run_mixed_program(loop, false); // nobody has no files here
                 loop.close();
             }),
             0);
}

/// Too many descriptors: no engine at all, and that is the answer.
TEST(loop_refusal_without_descriptors) {
    CHECK_EQ(in_child([]() noexcept {
                 const Resources before = resources();
                 for (u64 room = 0; room < 8; ++room) {
                     const abi::Rlimit limit = {static_cast<u64>(open_fd_count()) + room, 1024};
                     CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &limit));
                     Loop loop;
                     const i32 result = open(loop);
                     if (result == 0) {
                         CHECK_EQ(perform_on(loop, op::timer(1)).value, 1);
                         CHECK_EQ(loop.drain(), 0u);
                         loop.close();
                     } else {
                         CHECK_ERRNO(result, Errno::emfile);
                     }
                     const abi::Rlimit again = {1024, 1024};
                     CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &again));
                     CHECK_SAME_RESOURCES(before);
                 }
             }),
             0);
}

// ---- By its own options
// ---------------------------------------------------------------------------

TEST(loop_refusal_of_what_no_ring_has) {
    const Resources before = resources();
    constexpr u32 sizes[] = {0, 32769, 1u << 30};
    for (const u32 entries : sizes) {
        Options options;
        options.loop.entries = entries;
        options.engine = EngineChoice::uring;
        Loop loop;
        Reason reason;
        CHECK_ERRNO(open(loop, options, &reason), Errno::einval);
        CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::options));
        check_readable(reason, "entries");
        options.engine = EngineChoice::any;
        CHECK_OK(open(loop, options, &reason));
        CHECK_STREQ(loop.engine_name(), "epoll");
        CHECK_EQ(static_cast<u32>(reason.stage), static_cast<u32>(Stage::options));
        loop.close();
    }
    CHECK_SAME_RESOURCES(before);
}

/// The largest that a ring has can be had.
TEST(loop_refusal_of_no_size_below) {
    need_rings();
    constexpr u32 sizes[] = {1, 3, 16384, 20000, 32768};
    for (const u32 entries : sizes) {
        Options options;
        options.loop.entries = entries;
        options.engine = EngineChoice::uring;
        Loop loop;
        Reason reason;
        const i32 result = open(loop, options, &reason);
        if (result == -Errno::enomem) {
            SKIP("RLIMIT_MEMLOCK leaves no room for rings of this size");
        }
        CHECK_OK(result);
        CHECK_EQ(perform_on(loop, op::timer(1)).value, 1);
        CHECK_EQ(loop.drain(), 0u);
        loop.close();
    }
}

// ---- Choosing
// -------------------------------------------------------------------------------------

[[nodiscard]] u32 ring_calls() noexcept {
    return calls_made(number::io_uring_setup) + calls_made(number::io_uring_enter) +
           calls_made(number::io_uring_register);
}

/// On every engine the same program; with epoll chosen, no call of io_uring is made in all its
/// life.
VARIANT_TEST(loop_refusal_choice_of_an_engine, loop_configurations) {
    reset_calls();
    {
        ConfiguredLoop loop(row);
        run_mixed_program(*loop);
    }
    if (row.is_epoll()) {
        CHECK_EQ(ring_calls(), 0u);
    } else {
        CHECK_GT(calls_made(number::io_uring_setup), 0u);
        CHECK_EQ(calls_made(number::epoll_create1), 0u);
        CHECK_EQ(calls_made(number::epoll_pwait) + calls_made(number::epoll_pwait2), 0u);
    }
}

LOOP_TEST(loop_refusal_program_is_the_same_on_every_engine) {
    run_mixed_program(loop);
}

TEST(loop_refusal_reason_is_empty_where_nothing_was_refused) {
    Loop loop;
    Reason reason = {};
    reason.stage = Stage::setup;
    reason.error = -1;
    CHECK_OK(open(loop, with_engine(EngineChoice::epoll), &reason)); // it was not asked for
    CHECK(!reason.refused());
    CHECK_EQ(reason.error, 0);
    loop.close();
    reason.stage = Stage::setup;
    CHECK_OK(open(loop, {}, &reason));
    CHECK_EQ(reason.refused(), text_equal(loop.engine_name(), "epoll"));
    loop.close();
}

// ---- What the kernel has
// --------------------------------------------------------------------------

struct SetupLog {
    static constexpr u32 attempts_max = 32;
    u32 flags[attempts_max];
    u32 count = 0;
};

bool log_setup(void* context, long number, const long* arguments, int, long*) noexcept {
    if (number == number::io_uring_setup) {
        SetupLog& log = *static_cast<SetupLog*>(context);
        CHECK_LT(log.count, SetupLog::attempts_max);
        log.flags[log.count++] = reinterpret_cast<const abi::Params*>(arguments[1])->flags;
    }
    return false; // the kernel answers, or the one that pretends to be an older one
}

/// Without __builtin_popcount, which may be a call into libgcc.
[[nodiscard]] u32 bits_in(u32 word) noexcept {
    u32 count = 0;
    for (; word != 0; word &= word - 1) {
        ++count;
    }
    return count;
}

/// Setup flags are tried best first: each attempt asks for less than the one before.
LOOP_TEST(loop_refusal_setup_flags_are_a_ladder) {
    SetupLog log;
    set_handler(log_setup, &log);
    Loop second;
    CHECK_OK(open_as(second, row));
    remove_handler(log_setup, &log);
    CHECK_EQ(perform_on(second, op::timer(1)).value, 1);
    second.close();
    if (row.is_epoll()) {
        CHECK_EQ(log.count, 0u);
        return;
    }
    CHECK_GE(log.count, 1u);
    constexpr u32 best = abi::setup::single_issuer | abi::setup::defer_taskrun;
    CHECK_EQ(log.flags[0] & best, best);
    for (u32 i = 1; i < log.count; ++i) {
        CHECK_LT(bits_in(log.flags[i]), bits_in(log.flags[i - 1]));
        // A ladder and no wandering: with one rung less, never with another instead, but that
        // coop_taskrun may stand in for defer_taskrun.
        const u32 added = log.flags[i] & ~log.flags[i - 1];
        CHECK_EQ(added & ~(abi::setup::coop_taskrun | abi::setup::taskrun_flag), 0u);
    }
    if (row.kernel == nullptr && kernel_at_least(6, 6)) {
        CHECK_EQ(log.count, 1u); // the best is had at once
    }
    if (row.kernel != nullptr && text_equal(row.kernel, "5.6")) {
        CHECK_EQ(log.flags[log.count - 1] & best, 0u);
    }
    for (u32 i = 0; i < log.count; ++i) {
        CHECK_EQ(log.flags[i] & abi::setup::sqpoll, 0u); // only on request
    }
}

/// Nobody asks for the kernel's version.
VARIANT_TEST(loop_refusal_nothing_follows_from_uname, loop_configurations) {
    reset_calls();
    {
        ConfiguredLoop loop(row);
        run_mixed_program(*loop);
        CHECK_EQ(calls_made(number::uname), 0u);
    }
    CHECK_EQ(calls_made(number::uname), 0u);
}

} // namespace
} // namespace oxbow::test
