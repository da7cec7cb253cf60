// The operations that end others, made for real: timeouts in all forms, linked timeouts, cancels.
// Times are lower bounds only; how late a machine is, is no fault.
#include "live_ring.h"

#include "../syscall/time.h"

namespace oxbow::test {
namespace {

namespace flag = abi::timeout_flag;
namespace cancel = abi::cancel_flag;

constexpr abi::Timespec an_hour = {3600, 0};
constexpr abi::Timespec short_time = {0, 5'000'000};

[[nodiscard]] abi::Timespec now_of(u32 clock) noexcept {
    abi::Timespec now = {};
    CHECK_OK(kernel::clock_gettime(clock, &now));
    return now;
}

[[nodiscard]] abi::Timespec in_the_future(u32 clock, u64 ns) noexcept {
    return timespec_of(nanoseconds_of(now_of(clock)) + ns);
}

// ---- Timeouts -----------------------------------------------------------------------------------

OPERATION_TEST(op_timeout_relative) {
    const u64 start = now_ns();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &short_time); }), Errno::etime);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
    if (kernel_at_least(5, 16)) { // before, it overflows into a time that never comes
        const abi::Timespec negative = {-1, 0};
        CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &negative); }), Errno::einval);
    }
    constexpr u32 both = flag::boottime | flag::realtime;
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &short_time, {.flags = both}); }),
                Errno::einval);
}

OPERATION_TEST(op_timeout_absolute) {
    const abi::Timespec end = in_the_future(abi::clock::monotonic, 5 * ns_per_ms);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &end, {.flags = flag::abs}); }),
                Errno::etime);
    CHECK_GE(now_ns(), nanoseconds_of(end));
    const abi::Timespec past = {1, 0};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout(s, &past, {.flags = flag::abs}); }),
                Errno::etime);
}

struct ClockRow {
    const char* name;
    u32 clock;
    u32 flag;
};
constexpr ClockRow clocks[] = {
    {"boottime", abi::clock::boottime, flag::boottime},
    {"realtime", abi::clock::realtime, flag::realtime},
};

VARIANT_TEST(op_timeout_clock, clocks) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4});
    const abi::Timespec end = in_the_future(row.clock, 5 * ns_per_ms);
    CHECK_ERRNO(
        run_result(*ring, [&](Sqe& s) { prep::timeout(s, &end, {.flags = flag::abs | row.flag}); }),
        Errno::etime);
    CHECK_GE(nanoseconds_of(now_of(row.clock)), nanoseconds_of(end));
    const u64 start = now_ns();
    CHECK_ERRNO(
        run_result(*ring, [&](Sqe& s) { prep::timeout(s, &short_time, {.flags = row.flag}); }),
        Errno::etime);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
}

OPERATION_TEST(op_timeout_count) {
    queue(ring, 2, [&](Sqe& s) { prep::timeout(s, &an_hour, {.completions = 2}); });
    submit_all(ring, 1);
    for (u64 i = 0; i < 2; ++i) {
        queue(ring, i, [](Sqe& s) { prep::nop(s); });
    }
    Cqe cqes[3];
    collect(ring, cqes);
    CHECK_EQ(cqes[2].result, 0);
}

OPERATION_TEST(op_timeout_multishot) {
    SKIP_WITHOUT("multishot timeouts");
    const u64 start = now_ns();
    queue(ring, 1, [&](Sqe& s) { prep::timeout_multishot(s, &short_time, {.repeats = 3}); });
    for (u32 i = 1; i <= 3; ++i) {
        const Cqe cqe = next_of(ring, 1);
        CHECK_ERRNO(cqe.result, Errno::etime);
        CHECK_EQ(cqe.more(), i < 3);
        CHECK_GE(now_ns() - start, i * 5 * ns_per_ms);
    }
    // Without a number it goes on until it is removed.
    queue(ring, 2, [&](Sqe& s) { prep::timeout_multishot(s, &short_time); });
    for (u32 i = 0; i < 4; ++i) {
        const Cqe cqe = next_of(ring, 2);
        CHECK_ERRNO(cqe.result, Errno::etime);
        CHECK(cqe.more());
    }
    queue(ring, 3, [&](Sqe& s) { prep::timeout_remove(s, 2); });
    bool removed = false;
    bool ended = false;
    while (!removed || !ended) {
        const Cqe cqe = next(ring);
        removed = removed || cqe.user_data == 3;
        ended = ended || (cqe.user_data == 2 && !cqe.more());
        CHECK_EQ(cqe.result, cqe.user_data == 3 ? 0 : (ended ? -Errno::ecanceled : -Errno::etime));
    }
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::timeout_multishot(s, &short_time, {.flags = flag::abs}); }),
        Errno::einval);
}

OPERATION_TEST(op_timeout_etime_success) {
    const auto chain = [&ring](u32 flags) noexcept {
        queue(ring, 0, [&](Sqe& s) {
            prep::timeout(s, &short_time, {.flags = flags});
            prep::link(s);
        });
        queue(ring, 1, [](Sqe& s) { prep::nop(s); });
        Cqe cqes[2];
        collect(ring, cqes);
        CHECK_ERRNO(cqes[0].result, Errno::etime);
        return cqes[1].result;
    };
    CHECK_ERRNO(chain(0), Errno::ecanceled);
    SKIP_WITHOUT("timeouts that do not break a chain");
    CHECK_EQ(chain(flag::etime_success), 0);
}

OPERATION_TEST(op_timeout_remove) {
    queue(ring, 0, [&](Sqe& s) { prep::timeout(s, &an_hour); });
    submit_all(ring, 1);
    queue(ring, 1, [&](Sqe& s) { prep::timeout_remove(s, 0); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::ecanceled);
    CHECK_EQ(cqes[1].result, 0);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout_remove(s, 0); }), Errno::enoent);
}

OPERATION_TEST(op_timeout_update) {
    const u64 start = now_ns();
    queue(ring, 0, [&](Sqe& s) { prep::timeout(s, &an_hour); });
    submit_all(ring, 1);
    queue(ring, 1, [&](Sqe& s) { prep::timeout_update(s, 0, &short_time); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::etime);
    CHECK_EQ(cqes[1].result, 0);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
    const abi::Timespec end = in_the_future(abi::clock::monotonic, 5 * ns_per_ms);
    queue(ring, 0, [&](Sqe& s) { prep::timeout(s, &an_hour); });
    submit_all(ring, 1);
    queue(ring, 1, [&](Sqe& s) { prep::timeout_update(s, 0, &end, flag::abs); });
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::etime);
    CHECK_GE(now_ns(), nanoseconds_of(end));
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::timeout_update(s, 0, &short_time); }),
                Errno::enoent);
}

/// The forms that carry the time in the entry itself.
OPERATION_TEST(op_timeout_in_the_entry) {
    constexpr u64 soon_ns = 5 * ns_per_ms;
    constexpr u64 an_hour_ns = 3600 * u64{ns_per_second};
    const u64 start = now_ns();
    const i32 result = run_result(ring, [&](Sqe& s) { prep::timeout_ns(s, soon_ns); });
    SKIP_IF_MISSING(result != -Errno::einval, "times in the entry itself");
    CHECK_ERRNO(result, Errno::etime);
    CHECK_GE(now_ns() - start, soon_ns);
    queue(ring, 0, [&](Sqe& s) { prep::timeout_ns(s, an_hour_ns); });
    submit_all(ring, 1);
    queue(ring, 1, [&](Sqe& s) { prep::timeout_update_ns(s, {.target = 0, .time_ns = soon_ns}); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::etime);
    CHECK_EQ(cqes[1].result, 0);
    const Pipe pipe = make_pipe();
    char got[1];
    queue(ring, 0, [&](Sqe& s) {
        prep::read(s, pipe.reader, got, 1, 0);
        prep::link(s);
    });
    queue(ring, 1, [&](Sqe& s) { prep::link_timeout_ns(s, {.time_ns = soon_ns}); });
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::ecanceled);
    CHECK_ERRNO(cqes[1].result, Errno::etime);
    queue(ring, 0, [&](Sqe& s) { prep::timeout_multishot_ns(s, soon_ns, {.repeats = 2}); });
    CHECK(next_of(ring, 0).more());
    CHECK(!next_of(ring, 0).more());
}

// ---- Linked timeouts ----------------------------------------------------------------------------

OPERATION_TEST(op_link_timeout_fires) {
    const Pipe pipe = make_pipe();
    char got[4];
    const u64 start = now_ns();
    queue(ring, 0, [&](Sqe& s) {
        prep::read(s, pipe.reader, got, 4, 0);
        prep::link(s);
    });
    queue(ring, 1, [&](Sqe& s) { prep::link_timeout(s, &short_time); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::ecanceled);
    CHECK_ERRNO(cqes[1].result, Errno::etime);
    CHECK_GE(now_ns() - start, 5 * ns_per_ms);
}

OPERATION_TEST(op_link_timeout_does_not_fire) {
    const Pipe pipe = make_pipe();
    char got[4];
    queue(ring, 0, [&](Sqe& s) {
        prep::read(s, pipe.reader, got, 4, 0);
        prep::link(s);
    });
    queue(ring, 1, [&](Sqe& s) { prep::link_timeout(s, &an_hour); });
    submit_all(ring, 2);
    write_text(pipe.writer, "done");
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_EQ(cqes[0].result, 4);
    CHECK_ERRNO(cqes[1].result, Errno::ecanceled);
    // With nothing in front of it, it has nothing to end.
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::link_timeout(s, &an_hour); }), Errno::einval);
}

OPERATION_TEST(op_link_timeout_update) {
    const Pipe pipe = make_pipe();
    char got[4];
    queue(ring, 0, [&](Sqe& s) {
        prep::read(s, pipe.reader, got, 4, 0);
        prep::link(s);
    });
    queue(ring, 1, [&](Sqe& s) { prep::link_timeout(s, &an_hour); });
    submit_all(ring, 2);
    queue(ring, 2, [&](Sqe& s) { prep::link_timeout_update(s, 1, &short_time); });
    Cqe cqes[3];
    collect(ring, cqes);
    CHECK_ERRNO(cqes[0].result, Errno::ecanceled);
    CHECK_ERRNO(cqes[1].result, Errno::etime);
    CHECK_EQ(cqes[2].result, 0);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::link_timeout_update(s, 1, &short_time); }),
                Errno::enoent);
}

// ---- Cancels ------------------------------------------------------------------------------------

/// Polls that never end by themselves, with user data 0 to N - 1.
template <u32 N>
void queue_polls(Ring& ring, const i32 (&fds)[N]) noexcept {
    for (u64 i = 0; i < N; ++i) {
        queue(ring, i, [&](Sqe& s) { prep::poll_add(s, fds[i], abi::poll_event::in); });
    }
    submit_all(ring, N);
}

/// Submits a cancel with user data N - 1. The lowest `cancelled` ones must end by it and it must
/// answer `answer`; returns how many ended.
template <u32 N, class Prepare>
void check_cancel(Ring& ring, const bool (&cancelled)[N], i32 answer, Prepare prepare) noexcept {
    u32 expected = 1;
    for (const bool is_cancelled : cancelled) {
        expected += is_cancelled ? 1 : 0;
    }
    queue(ring, 100, prepare);
    for (u32 i = 0; i < expected; ++i) {
        const Cqe cqe = next(ring);
        if (cqe.user_data == 100) {
            CHECK_EQ(cqe.result, answer);
        } else {
            CHECK_LT(cqe.user_data, N);
            CHECK(cancelled[cqe.user_data]);
            CHECK_ERRNO(cqe.result, Errno::ecanceled);
        }
    }
    CHECK(is_quiet(ring));
}

OPERATION_TEST(op_cancel_by_user_data) {
    const Pipe pipe = make_pipe();
    const i32 fds[2] = {pipe.reader, pipe.reader};
    queue_polls(ring, fds);
    check_cancel(ring, {false, true}, 0, [](Sqe& s) { prep::async_cancel(s, 1); });
    check_cancel(ring, {false, false}, -Errno::enoent, [](Sqe& s) { prep::async_cancel(s, 1); });
    check_cancel(ring, {true, false}, 0, [](Sqe& s) { prep::async_cancel(s, 0); });
}

OPERATION_TEST(op_cancel_all_of_one_user_data) {
    SKIP_WITHOUT("cancels of more than one");
    const Pipe pipe = make_pipe();
    for (u32 i = 0; i < 3; ++i) {
        queue(ring, 0, [&](Sqe& s) { prep::poll_add(s, pipe.reader, abi::poll_event::in); });
    }
    submit_all(ring, 3);
    queue(ring, 100, [](Sqe& s) { prep::async_cancel(s, 0, prep::CancelScope::all); });
    for (u32 i = 0; i < 4; ++i) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, cqe.user_data == 100 ? 3 : -Errno::ecanceled);
    }
    check_cancel(ring, {false}, 0,
                 [](Sqe& s) { prep::async_cancel(s, 0, prep::CancelScope::all); });
}

OPERATION_TEST(op_cancel_by_descriptor) {
    SKIP_WITHOUT("cancel by descriptor");
    const Pipe one = make_pipe();
    const Pipe two = make_pipe();
    const i32 fds[4] = {one.reader, two.reader, two.reader, two.reader};
    queue_polls(ring, fds);
    check_cancel(ring, {true, false, false, false}, 0,
                 [&](Sqe& s) { prep::async_cancel_fd(s, one.reader); });
    check_cancel(ring, {false, false, false, false}, -Errno::enoent,
                 [&](Sqe& s) { prep::async_cancel_fd(s, one.reader); });
    check_cancel(ring, {false, true, true, true}, 3,
                 [&](Sqe& s) { prep::async_cancel_fd(s, two.reader, prep::CancelScope::all); });
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::async_cancel_fd(s, 9999); }), Errno::ebadf);
}

OPERATION_TEST(op_cancel_by_direct_descriptor) {
    SKIP_WITHOUT("cancel by direct descriptor");
    const Pipe pipe = make_pipe();
    const i32 fds[1] = {pipe.reader};
    register_files(ring, fds, 1);
    queue(ring, 0, [](Sqe& s) {
        prep::poll_add(s, 0, abi::poll_event::in);
        prep::fixed_file(s);
    });
    submit_all(ring, 1);
    check_cancel(ring, {true}, 0, [](Sqe& s) { prep::async_cancel_direct(s, 0); });
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::async_cancel_direct(s, 1); }), Errno::ebadf);
}

OPERATION_TEST(op_cancel_any) {
    SKIP_WITHOUT("cancel of anything");
    const Pipe pipe = make_pipe();
    const i32 fds[2] = {pipe.reader, pipe.reader};
    queue_polls(ring, fds);
    queue(ring, 2, [&](Sqe& s) { prep::timeout(s, &an_hour); });
    submit_all(ring, 1);
    check_cancel(ring, {true, true, true}, 3, [](Sqe& s) { prep::async_cancel_any(s); });
}

OPERATION_TEST(op_cancel_by_opcode) {
    SKIP_WITHOUT("cancel by opcode");
    const Pipe pipe = make_pipe();
    const i32 fds[2] = {pipe.reader, pipe.reader};
    queue_polls(ring, fds);
    queue(ring, 2, [&](Sqe& s) { prep::timeout(s, &an_hour); });
    submit_all(ring, 1);
    check_cancel(ring, {false, false, true}, 0,
                 [](Sqe& s) { prep::async_cancel_opcode(s, abi::Opcode::timeout); });
    check_cancel(ring, {false, false, false}, -Errno::enoent,
                 [](Sqe& s) { prep::async_cancel_opcode(s, abi::Opcode::timeout); });
    // Both keys must match.
    check_cancel(ring, {false, true, false}, 0, [](Sqe& s) {
        prep::async_cancel_match(
            s,
            {.flags = cancel::userdata | cancel::op, .target = 1, .opcode = abi::Opcode::poll_add});
    });
    check_cancel(ring, {false, false, false}, -Errno::enoent, [](Sqe& s) {
        prep::async_cancel_match(
            s, {.flags = cancel::userdata | cancel::op, .target = 0, .opcode = abi::Opcode::recv});
    });
    check_cancel(ring, {true, false, false}, 1, [](Sqe& s) {
        prep::async_cancel_opcode(s, abi::Opcode::poll_add, prep::CancelScope::all);
    });
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::async_cancel_match(s, {.flags = 1u << 20}); }),
                Errno::einval);
}

/// What a worker is already at cannot be cancelled any more, only interrupted. Nobody tells when
/// the worker has begun, so each attempt gives it more time.
OPERATION_TEST(op_cancel_too_late) {
    const Pipe from = make_pipe();
    const Pipe to = make_pipe();
    for (u32 attempt = 0; attempt < 60; ++attempt) {
        queue(ring, 0, [&](Sqe& s) { // splice always runs in a worker, and waits there
            prep::splice(s, {.from_fd = from.reader, .to_fd = to.writer, .bytes = 1});
        });
        submit_all(ring, 1);
        sleep_ms(attempt);
        queue(ring, 1, [](Sqe& s) { prep::async_cancel(s, 0); });
        Cqe cqes[2];
        const Cqe first = next(ring);
        CHECK_LT(first.user_data, 2u);
        // A worker that takes the splice at this very moment is not found, or misses the signal,
        // and then waits for ever (seen on 5.10): it gets its byte.
        const bool missed =
            ring.submit_and_wait({.count = 1, .timeout_ns = u64{2'000'000'000}}).error ==
            -Errno::etime;
        if (missed) {
            write_text(from.writer, "x");
        }
        cqes[first.user_data] = first;
        cqes[1 - first.user_data] = next_of(ring, 1 - first.user_data);
        if (missed) {
            CHECK(cqes[1].result == -Errno::ealready || cqes[1].result == -Errno::enoent);
            CHECK_EQ(cqes[0].result, 1);
            CHECK_READS(to.reader, "x");
            continue;
        }
        // 512 is the kernel's own "start again", which a splice lets out (io_uring/splice.c).
        const bool interrupted = cqes[0].result == -Errno::eintr || cqes[0].result == -512;
        if (cqes[1].result == -Errno::ealready) {
            if (cqes[0].result == -Errno::ecanceled) {
                continue; // a worker had taken it, and looked whether it still should, last
            }
            CHECK(interrupted);
            return;
        }
        if (cqes[1].result == -Errno::enoent) {
            CHECK(interrupted); // before, by what the ring asked of the new worker meanwhile
            continue;
        }
        CHECK_EQ(cqes[1].result, 0); // it had not begun
        CHECK_ERRNO(cqes[0].result, Errno::ecanceled);
    }
    FAIL("no worker ever began");
}

} // namespace
} // namespace oxbow::test
