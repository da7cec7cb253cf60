// The contract's line 1: every operation ends exactly once, one that goes on delivers any number of
// results before that, and from before the last callback begins the completion and everything that
// it points to are the caller's: to be overwritten, unmapped, or submitted again at once.
#include "hook.h"
#include "loop_pending.h"

namespace oxbow::test {
namespace {

// ---- Once ---------------------------------------------------------------------------------------

LOOP_TEST(loop_once_of_each_kind) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect || kind.is_multishot) {
            continue; // loop_once_of_a_multishot
        }
        Pending pending(loop, kind);
        pending.submit();
        run_rounds(loop, 2);
        CHECK_EQ(pending.logged.count, 0u);
        CHECK_EQ(loop.in_flight(), 1u);
        pending.provoke();
        run_until_ended(loop, pending.logged);
        pending.check_came(pending.logged.last);
        run_rounds(loop, 3);
        CHECK_EQ(pending.logged.count, 1u);
        CHECK_EQ(loop.in_flight(), 0u);
    }
}

LOOP_TEST(loop_once_where_it_can_be_done_at_once) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect || kind.is_multishot ||
            kind.waiting == Waiting::timer || kind.waiting == Waiting::futex_wait ||
            kind.waiting == Waiting::futex_waitv) {
            continue; // these wait for what comes after their submit
        }
        Pending pending(loop, kind);
        pending.provoke();
        pending.submit();
        CHECK_EQ(pending.logged.count, 0u);
        run_until_ended(loop, pending.logged);
        pending.check_came(pending.logged.last);
        run_rounds(loop, 3);
        CHECK_EQ(pending.logged.count, 1u);
    }
}

constexpr u64 one = 1;

/// Some operation that ends by itself soon, whatever comes of it.
[[nodiscard]] Operation some_operation(Random& random, i32 file, i32 counter, char* data,
                                       abi::Statx* status, u32* word) noexcept {
    switch (random.below(12)) {
    case 0:
        return op::nop();
    case 1:
        return op::timer(random.below(1'000'000));
    case 2:
        return op::pread(file, data, 8, 0);
    case 3:
        return op::pwrite(file, data, 8, random.below(64));
    case 4:
        return op::fdatasync(file);
    case 5:
        return op::statx(file, "", {abi::at_flag::empty_path, abi::statx_mask::size}, status);
    case 6:
        return op::poll(counter, abi::poll_event::out);
    case 7:
        return op::write(counter, &one, 8);
    case 8:
        return op::futex_wake(word, 1);
    case 9:
        return op::read(-1, data, 8); // -EBADF
    case 10:
        return op::cancel_fd(counter);
    default:
        return with_timeout(op::poll(counter, abi::poll_event::pri), random.below(1'000'000));
    }
}

LOOP_TEST(loop_once_of_a_random_crowd) {
    constexpr u32 count = 500;
    static Logged crowd[count];
    static char data[8] = {1};
    static abi::Statx status;
    static u32 word = 0;
    Random random;
    const Fd file = make_file_with("01234567");
    const Fd counter(CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec)));
    for (Logged& logged : crowd) {
        submit(loop, logged, some_operation(random, file, counter, data, &status, &word));
        if (random.chance(100)) {
            loop.cancel(crowd[random.below(count)].completion);
        }
        if (random.chance(50)) {
            CHECK_OK(loop.run(Run::no_wait));
        }
    }
    CHECK_OK(loop.run());
    for (const Logged& logged : crowd) {
        CHECK_EQ(logged.count, 1u);
        CHECK(logged.completion.idle());
    }
    CHECK_EQ(loop.in_flight(), 0u);
}

// ---- Any number, then one -----------------------------------------------------------------------

LOOP_TEST(loop_once_of_a_multishot) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (!kind.is_multishot) {
            continue;
        }
        for (u32 results = 1; results <= 5; results += 4) {
            Pending pending(loop, kind);
            pending.submit();
            run_rounds(loop, 1);
            for (u32 i = 0; i < results; ++i) {
                pending.provoke();
                run_until(loop, [&]() noexcept { return pending.logged.count > i; });
                CHECK(pending.logged.log[i].more());
                CHECK(!pending.logged.completion.idle());
                pending.check_came(pending.logged.log[i]);
                if (kind.waiting == Waiting::poll_multishot) {
                    break; // what it tells of stays, and may be told again
                }
            }
            loop.cancel(pending.logged.completion);
            run_until_ended(loop, pending.logged);
            CHECK(!pending.logged.last.more());
            CHECK_ERRNO(pending.logged.last.value, Errno::ecanceled);
            const u32 count = pending.logged.count;
            CHECK(count == results + 1 || kind.waiting == Waiting::poll_multishot);
            for (u32 i = 0; i + 1 < count; ++i) {
                CHECK(pending.logged.log[i].more());
            }
            run_rounds(loop, 3);
            CHECK_EQ(pending.logged.count, count);
        }
    }
}

LOOP_TEST(loop_once_of_a_multishot_that_ends_by_itself) {
    SocketPair pair = make_socket_pair();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 4, .buffer_bytes = 16}));
    Logged receive;
    submit(loop, receive, op::recv_multishot(pair.near, pool));
    write_text(pair.far, "last words");
    run_until(loop, [&]() noexcept { return receive.count == 1; });
    CHECK(receive.last.more());
    CHECK_BYTES(pool.data(receive.last), "last words", 10);
    pool.give_back(receive.last);
    pair.far.close();
    run_until_ended(loop, receive);
    CHECK_EQ(receive.count, 2u);
    CHECK_EQ(receive.last.value, 0);
    CHECK(receive.last.eof());
    run_rounds(loop, 3);
    CHECK_EQ(receive.count, 2u);
    CHECK_EQ(pool.held(), 0u);
    pool.close();
}

// ---- From before its callback begins, the caller's ----------------------------------------------

/// A completion with a page of its own, which its last callback unmaps.
struct Freed {
    Completion* completion;
    Result last = {};
    u32 count = 0;

    static constexpr usize page_bytes = 4096;

    Freed() noexcept {
        const long page =
            kernel::mmap(nullptr, page_bytes, abi::protection::read | abi::protection::write,
                         abi::map::private_ | abi::map::anonymous, -1, 0);
        CHECK(!is_error(page));
        completion = reinterpret_cast<Completion*>(page);
    }
    [[nodiscard]] oxbow::Handler handler() noexcept { return on<&Freed::ended>(*this); }
    void ended(Loop&, Completion& ended_one, Result result) noexcept {
        CHECK(&ended_one == completion);
        last = result;
        ++count;
        if (!result.more()) {
            CHECK_OK(kernel::munmap(completion, page_bytes));
            completion = nullptr;
        }
    }
};

LOOP_TEST(loop_once_and_the_callback_may_free) {
    for (const WaitingKind& kind : waiting_kinds) {
        for (u32 cancels = 0; cancels < 2; ++cancels) {
            if (cancels == 0 && (kind.waiting == Waiting::connect || kind.is_multishot ||
                                 kind.waiting == Waiting::timer)) {
                continue; // without a cancel they do not end here
            }
            Pending pending(loop, kind);
            Freed freed;
            loop.submit(*freed.completion, pending.operation(), freed.handler());
            run_rounds(loop, 2);
            if (cancels != 0) {
                loop.cancel(*freed.completion);
            } else {
                pending.provoke();
            }
            run_until(loop, [&]() noexcept { return freed.completion == nullptr; });
            CHECK_EQ(freed.count, 1u);
            if (cancels != 0) {
                CHECK_ERRNO(freed.last.value, Errno::ecanceled);
            } else {
                pending.check_came(freed.last);
            }
            run_rounds(loop, 2);
        }
    }
}

LOOP_TEST(loop_once_and_the_callback_may_free_what_the_loop_does_itself) {
    Freed nop;
    Freed timer;
    Freed close;
    Freed all;
    Freed fd;
    Freed posted;
    Freed first;
    Freed second;
    SocketPair pair = make_socket_pair();
    loop.submit(*nop.completion, op::nop(), nop.handler());
    loop.submit(*timer.completion, op::timer(100'000), timer.handler());
    loop.submit(*close.completion, op::close(pair.near.release()), close.handler());
    loop.submit(*fd.completion, op::cancel_fd(pair.far), fd.handler());
    loop.post(*posted.completion, posted.handler());
    loop.submit(*first.completion, op::nop(), first.handler());
    loop.then(*first.completion, *second.completion, op::nop(), second.handler());
    CHECK_OK(loop.run());
    loop.submit(*all.completion, op::cancel_all(), all.handler());
    CHECK_OK(loop.run());
    const Freed* const ended[] = {&nop, &timer, &close, &all, &fd, &posted, &first, &second};
    for (const Freed* freed : ended) {
        CHECK_EQ(freed->count, 1u);
        CHECK(freed->completion == nullptr);
    }
}

LOOP_TEST(loop_once_and_a_request_outlives_its_target) {
    // With rings of one entry the requests wait for room while their targets end and go.
    constexpr u32 count = 40;
    SocketPair pair = make_socket_pair();
    char got[count] = {};
    Freed targets[count];
    Logged requests[count];
    for (u32 i = 0; i < count; ++i) {
        loop.submit(*targets[i].completion, op::recv(pair.near, got + i, 1), targets[i].handler());
    }
    run_rounds(loop, 2);
    write_text(pair.far, "0123456789");
    for (u32 i = 0; i < count; ++i) {
        submit(loop, requests[i], op::cancel(*targets[i].completion));
    }
    CHECK_OK(loop.run());
    u32 received = 0;
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(targets[i].count, 1u);
        CHECK_EQ(requests[i].count, 1u);
        if (targets[i].last.ok()) {
            ++received;
            CHECK_ERRNO(requests[i].last.value, Errno::ealready);
        } else {
            CHECK_ERRNO(targets[i].last.value, Errno::ecanceled);
            CHECK_EQ(requests[i].last.value, 0);
        }
    }
    CHECK_LE(received, 10u);
    // What was not received is there for others.
    char rest[16] = {};
    const long left = kernel::recv(pair.near, rest, sizeof(rest), abi::msg_flag::dontwait);
    CHECK_EQ(received + (left > 0 ? static_cast<u32>(left) : 0), 10u);
}

/// A kernel that takes no entries for the time being.
class FullKernel {
  public:
    FullKernel() noexcept { set_handler(handle, nullptr); }
    ~FullKernel() { remove_handler(handle, nullptr); }
    FullKernel(const FullKernel&) = delete;
    FullKernel& operator=(const FullKernel&) = delete;

  private:
    static bool handle(void*, long number, const long* arguments, int, long* result) noexcept {
        if (number != number::io_uring_enter || arguments[1] == 0) {
            return false;
        }
        *result = -static_cast<long>(Errno::ebusy);
        return true;
    }
};

LOOP_TEST(loop_once_and_a_request_that_waits_for_room_outlives_its_target) {
    constexpr u32 count = 300; // more than any ring of the rows has room for
    SocketPair pair = make_tcp_pair();
    static char got[count];
    static char data[count];
    Freed targets[count];
    Logged requests[count];
    for (u32 i = 0; i < count; ++i) {
        loop.submit(*targets[i].completion, op::recv(pair.near, got + i, 1), targets[i].handler());
    }
    run_rounds(loop, 3);
    CHECK_EQ(kernel::send(pair.far, data, count, 0), static_cast<i64>(count));
    {
        const FullKernel full;
        for (u32 i = 0; i < count; ++i) {
            submit(loop, requests[i], op::cancel(*targets[i].completion));
        }
        run_rounds(loop, 4);
    }
    CHECK_OK(loop.run());
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(targets[i].count, 1u);
        CHECK_EQ(requests[i].count, 1u);
        CHECK_EQ(requests[i].last.value,
                 targets[i].last.ok() ? -static_cast<i32>(Errno::ealready) : 0);
    }
}

/// Overwrites its completion first of all, then begins anew with it.
struct Overwriting {
    static constexpr u32 rounds_max = 50;
    Pipe pipe = make_pipe();
    char got[8] = {};
    u32 count = 0;

    [[nodiscard]] Operation next() noexcept {
        switch (count % 4) {
        case 0:
            return op::nop();
        case 1:
            return op::timer(1000);
        case 2:
            return op::read(pipe.reader, got, sizeof(got));
        default:
            return op::cancel_fd(pipe.writer);
        }
    }
    [[nodiscard]] i32 expected() const noexcept {
        constexpr i32 values[] = {0, 1, 4, -static_cast<i32>(Errno::enoent)};
        return values[count % 4];
    }
    void ended(Loop& loop, Completion& completion, Result result) noexcept {
        CHECK(completion.idle());
        u8* const memory = reinterpret_cast<u8*>(&completion);
        for (usize i = 0; i < sizeof(completion); ++i) {
            memory[i] = 0xa5;
        }
        CHECK_EQ(result.value, expected());
        if (count % 4 == 2) {
            CHECK_BYTES(got, "data", 4);
        }
        if (++count == rounds_max) {
            return;
        }
        for (usize i = 0; i < sizeof(completion); ++i) {
            memory[i] = 0; // a valid idle one
        }
        if (count % 4 == 2) {
            write_text(pipe.writer, "data");
        }
        loop.submit(completion, next(), on<&Overwriting::ended>(*this));
    }
};

LOOP_TEST(loop_once_and_the_callback_may_reuse) {
    Overwriting overwriting;
    Completion completion;
    loop.submit(completion, overwriting.next(), on<&Overwriting::ended>(overwriting));
    CHECK_OK(loop.run());
    CHECK_EQ(overwriting.count, Overwriting::rounds_max);
}

LOOP_TEST(loop_once_of_each_rearm) {
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect || kind.is_multishot ||
            kind.waiting == Waiting::timer || kind.waiting == Waiting::waitid ||
            kind.waiting == Waiting::futex_wait || kind.waiting == Waiting::futex_waitv ||
            kind.waiting == Waiting::poll || kind.waiting == Waiting::tee) {
            continue; // what they wait for comes once, or stays
        }
        Pending pending(loop, kind);
        pending.logged.rearms = true;
        pending.submit();
        for (u32 i = 1; i <= 3; ++i) {
            run_rounds(loop, 1);
            pending.provoke();
            run_until(loop, [&]() noexcept { return pending.logged.count >= i; });
            CHECK(!pending.logged.completion.idle());
            if (kind.waiting >= Waiting::send && kind.waiting <= Waiting::sendmsg_all) {
                break; // there is room for more than one
            }
            if (kind.waiting >= Waiting::write && kind.waiting <= Waiting::writev) {
                break;
            }
            CHECK_EQ(pending.logged.count, i);
            pending.check_came(pending.logged.last);
        }
        pending.logged.rearms = false;
        loop.cancel(pending.logged.completion);
        run_until(loop, [&]() noexcept { return pending.logged.completion.idle(); });
    }
}

LOOP_TEST(loop_once_and_a_rearm_counts_only_at_the_end) {
    SocketPair pair = make_socket_pair();
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 4, .buffer_bytes = 16}));
    Logged receive;
    receive.rearms = true; // says so at every result
    submit(loop, receive, op::recv_multishot(pair.near, pool));
    for (u32 i = 1; i <= 3; ++i) {
        write_text(pair.far, "x");
        run_until(loop, [&]() noexcept { return receive.count == i; });
        pool.give_back(receive.last);
        CHECK_EQ(loop.in_flight(), 1u);
    }
    loop.cancel(receive.completion);
    run_until(loop, [&]() noexcept { return receive.count == 4; });
    CHECK_ERRNO(receive.last.value, Errno::ecanceled);
    CHECK(!receive.completion.idle()); // this one counted
    receive.rearms = false;
    write_text(pair.far, "y");
    run_until(loop, [&]() noexcept { return receive.count == 5; });
    pool.give_back(receive.last);
    loop.cancel(receive.completion);
    run_until_ended(loop, receive);
    run_until(loop, [&]() noexcept { return receive.completion.idle(); });
    pool.close();
}

} // namespace
} // namespace oxbow::test
