// The contract's line 3: submit never fails for want of room. What does not fit waits, in order,
// and is handed over before the loop sleeps; nothing that the kernel says about room loses, doubles
// or surfaces anything.
#include "hook.h"
#include "loop_echo.h"
#include "loop_pending.h"

namespace oxbow::test {
namespace {

// ---- Room ---------------------------------------------------------------------------------------

LOOP_TEST(loop_submit_more_than_there_is_room) {
    constexpr u32 count = 1000;
    static Logged polls[count];
    const Pipe pipe = make_pipe();
    for (Logged& poll : polls) {
        submit(loop, poll, op::poll(pipe.reader, abi::poll_event::in));
    }
    CHECK_EQ(loop.in_flight(), count);
    run_rounds(loop, 3);
    CHECK_EQ(polls[0].count, 0u);
    // All of them complete at once: more than the ring has room for that, too.
    write_text(pipe.writer, "x");
    CHECK_OK(loop.run());
    for (const Logged& poll : polls) {
        CHECK_EQ(poll.count, 1u);
        CHECK_EQ(static_cast<u32>(poll.last.value) & abi::poll_event::in, abi::poll_event::in);
    }
}

LOOP_TEST(loop_submit_keeps_the_order) {
    constexpr u32 count = 700;
    static Logged sends[count];
    static u8 bytes[count];
    static u8 got[count];
    SocketPair pair = make_tcp_pair();
    for (u32 i = 0; i < count; ++i) {
        bytes[i] = static_cast<u8>(i * 7);
        submit(loop, sends[i], op::send(pair.near, &bytes[i], 1));
    }
    CHECK_OK(loop.run());
    for (const Logged& send : sends) {
        CHECK_EQ(send.count, 1u);
        CHECK_EQ(send.last.value, 1);
    }
    CHECK_EQ(kernel::recv(pair.far, got, count, abi::msg_flag::waitall), static_cast<i64>(count));
    CHECK_BYTES(got, bytes, count);
}

LOOP_TEST(loop_submit_is_handed_over_before_the_loop_sleeps) {
    // Many that wait for nothing that comes, and behind them one for which something comes while
    // the loop sleeps. Nobody calls it but the kernel.
    constexpr u32 count = 600;
    static Logged idle[count];
    const Pipe silent = make_pipe();
    const Pipe pipe = make_pipe();
    char got[8] = {};
    Logged last;
    for (Logged& one : idle) {
        submit(loop, one, op::poll(silent.reader, abi::poll_event::in));
    }
    submit(loop, last, op::read(pipe.reader, got, sizeof(got)));
    struct Writer {
        const Pipe& pipe;
        static void write(void* self) noexcept {
            sleep_ms(10);
            write_text(static_cast<Writer*>(self)->pipe.writer, "late");
        }
    } writer = {pipe};
    Thread thread(&Writer::write, &writer);
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(last.last.value, 4);
    CHECK_BYTES(got, "late", 4);
    CHECK_EQ(loop.in_flight(), count);
    CHECK_EQ(perform_on(loop, op::cancel_all()).value, static_cast<i32>(count));
    CHECK_OK(loop.run());
    CHECK_ERRNO(idle[count - 1].last.value, Errno::ecanceled);
}

/// Each callback submits two more, until there have been enough.
struct Growing {
    static constexpr u32 most = 1023;
    Completion completions[most];
    u32 submitted = 0;
    u32 ended_count = 0;
    i32 fd = -1;

    void submit_one(Loop& loop) noexcept {
        if (submitted < most) {
            loop.submit(completions[submitted++], op::poll(fd, abi::poll_event::out),
                        on<&Growing::ended>(*this));
        }
    }
    void ended(Loop& loop, Result result) noexcept {
        CHECK_EQ(static_cast<u32>(result.value), abi::poll_event::out);
        ++ended_count;
        submit_one(loop);
        submit_one(loop);
    }
};

LOOP_TEST(loop_submit_from_callbacks) {
    static Growing growing;
    SocketPair pair = make_socket_pair();
    growing.fd = pair.near;
    growing.submit_one(loop);
    CHECK_OK(loop.run());
    CHECK_EQ(growing.submitted, Growing::most);
    CHECK_EQ(growing.ended_count, Growing::most);
}

LOOP_TEST(loop_submit_of_each_kind_behind_a_crowd) {
    constexpr u32 count = 300;
    static Completion crowd[count];
    const Pipe silent = make_pipe();
    for (const WaitingKind& kind : waiting_kinds) {
        if (kind.waiting == Waiting::connect) {
            continue;
        }
        Pending pending(loop, kind);
        for (Completion& one : crowd) {
            loop.submit(one, op::poll(silent.reader, abi::poll_event::in), nullptr);
        }
        pending.submit();
        run_rounds(loop, 2);
        pending.provoke();
        run_until(loop, [&]() noexcept { return pending.logged.count != 0; });
        pending.check_came(pending.logged.log[0]);
        Logged all;
        submit(loop, all, op::cancel_all());
        CHECK_OK(loop.run());
        CHECK_EQ(all.last.value, static_cast<i32>(count) + (kind.is_multishot ? 1 : 0));
    }
}

// ---- What the kernel says about room ------------------------------------------------------------
//
// On epoll nothing of this ever hits; the bodies are the same.

void talk(Loop& loop) noexcept {
    EchoCrowd<20> crowd;
    crowd.begin(loop, 10);
    CHECK_OK(loop.run());
    CHECK(crowd.done());
}

/// A kernel that takes fewer entries than it is given, and then does not wait: io_uring_enter(2)
/// returns as soon as it has taken fewer.
class ShortKernel {
  public:
    explicit ShortKernel(u32 chance) noexcept : chance_(chance) { set_handler(handle, this); }
    ~ShortKernel() { remove_handler(handle, this); }
    ShortKernel(const ShortKernel&) = delete;
    ShortKernel& operator=(const ShortKernel&) = delete;

  private:
    static bool handle(void* context, long number, const long* arguments, int count,
                       long* result) noexcept {
        (void)count;
        ShortKernel& self = *static_cast<ShortKernel*>(context);
        if (number != number::io_uring_enter || arguments[1] < 2 ||
            !self.random_.chance(self.chance_)) {
            return false;
        }
        const u32 most = static_cast<u32>(arguments[1]) - 1;
        const u32 waits = abi::enter::getevents | abi::enter::ext_arg | abi::enter::abs_timer;
        *result = real_call(number, arguments[0], self.random_.between(1, most), 0,
                            static_cast<u32>(arguments[3]) & ~waits, 0, 0);
        return true;
    }

    Random random_;
    u32 chance_;
};

LOOP_TEST(loop_submit_of_short_submits) {
    const ShortKernel kernel(1000);
    talk(loop);
}

LOOP_TEST(loop_submit_of_refusals) {
    constexpr Errno refusals[] = {Errno::ebusy, Errno::eagain, Errno::eintr};
    for (const Errno refusal : refusals) {
        note(refusal);
        inject({.number = number::io_uring_enter,
                .nth = 2,
                .kind = Fault::fail,
                .errno_value = static_cast<i32>(refusal),
                .times = 60,
                .every = 2});
        talk(loop);
        clear_faults();
    }
}

LOOP_TEST(loop_submit_of_refusals_in_a_row) {
    SocketPair pair = make_socket_pair();
    constexpr Errno refusals[] = {Errno::ebusy, Errno::eagain};
    for (const Errno refusal : refusals) {
        char got[8] = {};
        Logged receive;
        fail_call(number::io_uring_enter, refusal, 1, 20);
        submit(loop, receive, op::recv(pair.near, got, sizeof(got)));
        for (u32 i = 0; i < 30; ++i) {
            CHECK_OK(loop.run(Run::no_wait));
        }
        CHECK_EQ(receive.count, 0u);
        CHECK_EQ(loop.in_flight(), 1u);
        write_text(pair.far, "data");
        run_until_ended(loop, receive);
        CHECK_EQ(receive.last.value, 4);
        clear_faults();
    }
}

LOOP_TEST(loop_submit_of_random_refusals) {
    Random random;
    constexpr Errno refusals[] = {Errno::ebusy, Errno::eagain, Errno::eintr};
    for (const Errno refusal : refusals) {
        inject({.number = number::io_uring_enter,
                .kind = Fault::fail,
                .errno_value = static_cast<i32>(refusal),
                .times = 40,
                .chance = 200,
                .seed = random.next()});
    }
    const ShortKernel kernel(300);
    talk(loop);
    clear_faults();
}

LOOP_TEST(loop_submit_overflows_of_a_multishot) {
    if (miscounts_overflowing_connections(row)) {
        SKIP("6.5 forgets connections where completions overflow: well in Linux 6.12");
    }
    // Connections in one go, many more than a ring of one entry keeps completions for.
    constexpr u32 count = 60;
    const BoundSocket listener = make_listener();
    Fd clients[count];
    Logged accept;
    submit(loop, accept, op::accept_multishot(listener.fd));
    run_rounds(loop, 2);
    for (Fd& client : clients) {
        client = make_tcp_socket();
        CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    }
    run_until(loop, [&]() noexcept { return accept.count >= count; });
    loop.cancel(accept.completion);
    run_until_ended(loop, accept);
    CHECK_EQ(accept.count, count + 1);
    CHECK_ERRNO(accept.last.value, Errno::ecanceled);
    for (u32 i = 0; i < count; ++i) {
        CHECK(accept.log[i].more());
        CHECK_OK(kernel::close(accept.log[i].fd()));
    }
}

} // namespace
} // namespace oxbow::test
