// A regression test for each fault of libxev's backends that concerns a loop, on every engine: the
// number is that of the list in which they were gathered, with its issues where there are any.
#include "../syscall/abi_memory.h"
#include "../syscall/atomic.h"
#include "../syscall/start.h"
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u64 never_ns = 1'000'000 * ms;

/// Busy for a while, as a callback must not be.
void be_busy(u64 duration_ns) noexcept {
    const u64 end_ns = now_ns() + duration_ns;
    while (now_ns() < end_ns) {
    }
}

// B1: with more operations parked than the queue has room for, some stayed unsubmitted while the
// loop slept.
constinit Logged idle_receives[300];

LOOP_TEST(loop_b1_what_found_no_room_is_handed_over_before_a_sleep) {
    const SocketPair idle = make_socket_pair();
    const SocketPair busy = make_socket_pair();
    u8 data[8];
    u8 unused[1];
    for (Logged& receive : idle_receives) {
        submit(loop, receive, op::recv(idle.near, unused, sizeof(unused)));
    }
    Logged last;
    Logged timer;
    submit(loop, last, op::recv(busy.near, data, sizeof(data)));
    submit(loop, timer, op::timer(2 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(timer.count, 1u);
    write_text(busy.far, "x");
    CHECK_EQ(loop.run(Run::once), 1); // only the last one can end
    CHECK_EQ(last.last.value, 1);
    write_text(idle.far, "y");
    CHECK_EQ(loop.run(Run::once), 1); // one of them, whichever
    u32 ended = 0;
    for (const Logged& receive : idle_receives) {
        ended += receive.count;
    }
    CHECK_EQ(ended, 1u);
    end_all(loop);
}

// B2: a no-op took an entry of the queue and left its old content: the old operation ran again.
LOOP_TEST(loop_b2_nothing_runs_twice) {
    const Fd file = make_file();
    constexpr u32 rounds = 600; // more than once round every queue
    for (u32 i = 0; i < rounds; ++i) {
        Logged write;
        Logged nop;
        const char digit = static_cast<char>('0' + (i & 7));
        submit(loop, write, op::write(file, &digit, 1));
        submit(loop, nop, op::nop());
        CHECK_EQ(loop.run(), 2);
        CHECK_EQ(write.count, 1u);
        CHECK_EQ(nop.count, 1u);
    }
    CHECK_EQ(size_of(file), rounds);
    char got[rounds];
    CHECK_EQ(kernel::pread(file, got, rounds, 0), rounds);
    for (u32 i = 0; i < rounds; ++i) {
        CHECK_EQ(got[i], static_cast<char>('0' + (i & 7)));
    }
}

// B3: accept wrote 28 bytes of an IPv6 address into room for 16, from its second time on.
LOOP_TEST(loop_b3_accept_keeps_to_its_room_when_rearmed) {
    const i32 type = abi::socket_type::stream | abi::socket_type::cloexec;
    const i32 socket = kernel::socket(abi::socket_family::inet6, type, 0);
    if (socket < 0) {
        SKIP("no IPv6 here");
    }
    const Fd listener(socket);
    abi::SocketAddressIn6 address = {};
    address.family = static_cast<u16>(abi::socket_family::inet6);
    address.address[15] = 1;
    if (kernel::bind(listener, &address, sizeof(address)) != 0) {
        SKIP("no IPv6 address here");
    }
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    CHECK_OK(kernel::listen(listener, 8));
    struct {
        u8 room[16];
        u8 guard[48];
    } peer;
    u32 peer_bytes = 0;
    Logged accept;
    accept.rearms = true;
    submit(loop, accept, op::accept(listener, {peer.room, sizeof(peer.room), &peer_bytes}));
    for (u32 i = 1; i <= 3; ++i) {
        for (u8& byte : peer.guard) {
            byte = 0xee;
        }
        const Fd client(CHECK_OK(kernel::socket(abi::socket_family::inet6, type, 0)));
        CHECK_OK(connect_blocking(client, &address, sizeof(address)));
        run_until(loop, [&]() noexcept { return accept.count == i; });
        CHECK_OK(kernel::close(accept.last.fd()));
        for (const u8 byte : peer.guard) {
            CHECK_EQ(byte, 0xeeu);
        }
    }
    accept.rearms = false;
    end_all(loop);
}

// B4: an error of recvmsg was a success of 2^64 - errno bytes.
LOOP_TEST(loop_b4_an_error_of_recvmsg_is_an_error) {
    const BoundSocket gone = make_bound_socket(abi::socket_type::datagram);
    BoundSocket socket = make_bound_socket(abi::socket_type::datagram);
    CHECK_OK(connect_blocking(socket.fd, &gone.address, sizeof(gone.address)));
    u8 data[16];
    abi::IoVec piece = {data, sizeof(data)};
    abi::MessageHeader message = {};
    message.vectors = &piece;
    message.vector_count = 1;
    Logged receive;
    submit(loop, receive, op::recvmsg(socket.fd, &message));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    const_cast<BoundSocket&>(gone).fd.close();
    CHECK_EQ(kernel::send(socket.fd, "x", 1, 0), 1);
    run_until_ended(loop, receive);
    CHECK(receive.last.is(Errno::econnrefused));
    CHECK(!receive.last.ok());
    CHECK_EQ(receive.last.count(), 0u);
    const Fd file = make_file();
    CHECK_ERRNO(perform_on(loop, op::recvmsg(file, &message)).value, Errno::enotsock);
}

// B5: a pread that failed at once said that it was a read.
LOOP_TEST(loop_b5_what_fails_at_once_has_its_own_error) {
    const Pipe pipe = make_pipe();
    u8 byte = 0;
    CHECK_ERRNO(perform_on(loop, op::pread(pipe.writer, &byte, 1, 0)).value, Errno::ebadf);
    CHECK_ERRNO(perform_on(loop, op::pwrite(pipe.reader, &byte, 1, 0)).value, Errno::ebadf);
    const i32 closed = make_pipe().reader; // closed again by now
    CHECK_ERRNO(perform_on(loop, op::pread(closed, &byte, 1, 0)).value, Errno::ebadf);
    CHECK_ERRNO(perform_on(loop, op::pwrite(closed, &byte, 1, 0)).value, Errno::ebadf);
    const Fd directory(CHECK_OK(
        kernel::openat(abi::at_fdcwd, "/", abi::open_flag::read_only | abi::open_flag::cloexec)));
    CHECK_ERRNO(perform_on(loop, op::pread(directory, &byte, 1, 0)).value, Errno::eisdir);
}

/// The system call that waits.
[[nodiscard]] long wait_call(const LoopConfiguration& row) noexcept {
    if (row.is_uring()) {
        return number::io_uring_enter;
    }
    return row.avoid_pwait2 ? long{number::epoll_pwait} : long{number::epoll_pwait2};
}

// B6: EBUSY, EAGAIN and EINTR of the call that waits ended the run.
LOOP_TEST(loop_b6_what_the_wait_says_is_not_the_users) {
    constexpr Errno errors[] = {Errno::ebusy, Errno::eagain, Errno::eintr};
    for (const Errno error : errors) {
        if (row.is_epoll() && error != Errno::eintr) {
            continue; // epoll_wait says no such thing
        }
        const SocketPair pair = make_socket_pair();
        u8 data[8];
        for (u32 nth = 1; nth <= 4; ++nth) {
            Logged receive;
            Logged timer;
            fail_call(wait_call(row), error, nth, 3);
            submit(loop, receive, op::recv(pair.near, data, sizeof(data)));
            submit(loop, timer, op::timer(1 * ms));
            run_until_ended(loop, timer);
            write_text(pair.far, "x");
            run_until_ended(loop, receive);
            clear_faults();
            CHECK_EQ(timer.last.value, 1);
            CHECK_EQ(receive.last.value, 1);
            CHECK_EQ(receive.count, 1u);
        }
    }
}

// B7 (#230): a cancel of what was not in flight panicked, or took another's descriptor out.
LOOP_TEST(loop_b7_cancel_finds_what_is_there_and_nothing_else) {
    const SocketPair pair = make_socket_pair();
    const SocketPair own = make_socket_pair();
    u8 data[2][8];
    Logged bystander;
    submit(loop, bystander, op::recv(own.near, data[0], 8));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    // Of one that never was.
    Completion never;
    CHECK_ERRNO(perform_on(loop, op::cancel(never)).value, Errno::enoent);
    // Of one that was submitted just now, and has not been near the kernel.
    Logged fresh;
    submit(loop, fresh, op::recv(pair.near, data[1], 8));
    CHECK_EQ(perform_on(loop, op::cancel(fresh.completion)).value, 0);
    run_until_ended(loop, fresh);
    CHECK(fresh.last.is(Errno::ecanceled));
    // Of one that has ended; its memory is used for another by now, which is not meant (#233).
    Logged reused;
    submit(loop, reused, op::nop());
    const Operation of_the_first = op::cancel(reused.completion);
    run_until_ended(loop, reused);
    submit(loop, reused, op::recv(pair.near, data[1], 8));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_ERRNO(perform_on(loop, of_the_first).value, Errno::enoent);
    CHECK_EQ(reused.count, 1u);
    // Of a worker's job, or whatever does it here; and of a cancel.
    Logged opening;
    submit(loop, opening,
           op::openat(abi::at_fdcwd, "/", abi::open_flag::read_only | abi::open_flag::cloexec));
    Logged request;
    submit(loop, request, op::cancel(opening.completion));
    const i32 of_request = perform_on(loop, op::cancel(request.completion)).value;
    CHECK(of_request == -Errno::ealready || of_request == -Errno::enoent);
    run_until_ended(loop, opening);
    run_until_ended(loop, request);
    if (opening.last.ok()) {
        CHECK_OK(kernel::close(opening.last.fd()));
        CHECK_NE(request.last.value, -Errno::enoent);
    } else {
        CHECK(opening.last.is(Errno::ecanceled));
        CHECK_EQ(request.last.value, 0);
    }
    // Nobody else was touched.
    CHECK_EQ(bystander.count, 0u);
    write_text(own.far, "for you");
    run_until_ended(loop, bystander);
    CHECK_EQ(bystander.last.value, 7);
    end_all(loop);
}

// B8 (#231): copies of descriptors were left open, and kept connections alive.
LOOP_TEST(loop_b8_no_copy_of_a_descriptor_outlives_it) {
    const i32 fds = open_fd_count();
    SocketPair pair = make_socket_pair();
    u8 data[2][8];
    for (u32 i = 0; i < 3; ++i) {
        Logged cancelled;
        submit(loop, cancelled, op::recv(pair.near, data[0], 8));
        CHECK_EQ(loop.run(Run::no_wait), 0);
        loop.cancel(cancelled.completion);
        run_until_ended(loop, cancelled);
        CHECK_ERRNO(perform_on(loop, op::listen(pair.near, 1)).value, Errno::einval);
    }
    CHECK_EQ(open_fd_count(), fds + 2);
    Logged receive;
    Logged close;
    submit(loop, receive, op::recv(pair.near, data[1], 8));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, close, op::close(pair.near.release()));
    run_until_ended(loop, close);
    CHECK(receive.last.is(Errno::ecanceled));
    CHECK_EQ(kernel::recv(pair.far, data[0], 8, abi::msg_flag::dontwait), 0); // the end, at once
    pair.far.close();
    CHECK_EQ(open_fd_count(), fds);
}

// B9: what was deleted stayed counted, so that the run never ended, or fired later through memory
// that was gone.
LOOP_TEST(loop_b9_what_is_cancelled_is_gone) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged timer;
    Logged receive;
    Logged notified;
    Async async(loop);
    submit(loop, timer, op::timer(3 * ms));
    submit(loop, receive, op::recv(pair.near, data, sizeof(data)));
    submit(loop, notified, op::notification(async));
    // One at once, the others when they are under way.
    loop.cancel(timer.completion);
    CHECK_EQ(loop.run(Run::once), 1);
    loop.cancel(receive.completion);
    loop.cancel(notified.completion);
    loop.cancel(receive.completion); // twice is as good as once
    CHECK_EQ(loop.run(), 2);
    CHECK_EQ(loop.in_flight(), 0u);
    CHECK_EQ(loop.run_for(5 * ms), 0);
    CHECK_EQ(timer.count + receive.count + notified.count, 3u);
    // Cancelled and begun anew in one round: no list holds it twice.
    for (u32 i = 0; i < 20; ++i) {
        submit(loop, timer, op::timer(never_ns));
        loop.cancel(timer.completion);
        CHECK_EQ(loop.run(), 1);
        submit(loop, receive, op::recv(pair.near, data, sizeof(data)));
        loop.cancel(receive.completion);
        CHECK_EQ(loop.run(), 1);
    }
    CHECK_EQ(timer.count + receive.count, 42u);
}

// B10 (#234): an event for an operation that an earlier callback of the same batch had ended was
// delivered all the same.
struct Batch {
    SocketPair pairs[4];
    Completion completions[4];
    u32 ends[4] = {};
    u8 data[4][8] = {};
    bool closes;

    static Action ended(Loop& loop, Completion& completion, Result result, void* user) noexcept {
        Batch& self = *static_cast<Batch*>(user);
        u32 me = 0;
        while (&self.completions[me] != &completion) {
            ++me;
        }
        CHECK(result.value == 1 || result.is(Errno::ecanceled));
        ++self.ends[me];
        if (result.ok()) {
            // All others are to end, whatever they have by now.
            for (u32 i = 0; i < 4; ++i) {
                if (i != me) {
                    loop.cancel(self.completions[i]);
                }
            }
        }
        // The memory is used for something else at once.
        completion = Completion{};
        return Action::disarm;
    }
};

LOOP_TEST(loop_b10_no_event_reaches_what_has_ended) {
    for (u32 round = 0; round < 10; ++round) {
        Batch batch{};
        for (u32 i = 0; i < 4; ++i) {
            batch.pairs[i] = make_socket_pair();
            loop.submit(batch.completions[i],
                        op::recv(batch.pairs[i].near, batch.data[i], sizeof(batch.data[i])),
                        Batch::ended, &batch);
        }
        CHECK_EQ(loop.run(Run::no_wait), 0);
        for (const SocketPair& pair : batch.pairs) {
            write_text(pair.far, "x"); // all at once
        }
        CHECK_EQ(loop.run(), 4);
        for (const u32 ends : batch.ends) {
            CHECK_EQ(ends, 1u);
        }
    }
}

// B11: a callback that closed its descriptor itself panicked; and the number is soon another's.
LOOP_TEST(loop_b11_a_callback_may_close_its_descriptor) {
    struct Closer {
        i32 fd;
        static Action close(Loop&, Completion&, Result result, void* user) noexcept {
            CHECK_EQ(result.value, 1);
            CHECK_OK(kernel::close(static_cast<Closer*>(user)->fd));
            return Action::disarm;
        }
    };
    for (u32 round = 0; round < 10; ++round) {
        SocketPair pair = make_socket_pair();
        u8 data[8];
        Closer closer = {pair.near.release()};
        Completion receive;
        loop.submit(receive, op::recv(closer.fd, data, sizeof(data)), Closer::close, &closer);
        CHECK_EQ(loop.run(Run::no_wait), 0);
        write_text(pair.far, "x");
        CHECK_EQ(loop.run(), 1);
        // The same number, another socket.
        SocketPair other = make_socket_pair();
        CHECK(other.near == closer.fd || other.far == closer.fd);
        Logged again;
        submit(loop, again, op::recv(other.near, data, sizeof(data)));
        CHECK_EQ(loop.run(Run::no_wait), 0);
        CHECK_EQ(again.count, 0u);
        write_text(other.far, "yz");
        CHECK_EQ(loop.run(), 1);
        CHECK_EQ(again.last.value, 2);
    }
}

// B12: a worker looked at its job once more when it had handed it over, and it was gone.
struct Vanishing {
    Completion completion;
    u32* ended;
};

Action vanish(Loop&, Completion&, Result result, void* user) noexcept {
    u32& ended = *static_cast<Vanishing*>(user)->ended;
    if (result.ok()) {
        CHECK_OK(kernel::close(result.fd()));
    }
    CHECK_OK(kernel::munmap(user, 4096)); // who touches it now faults
    ++ended;
    return Action::disarm;
}

LOOP_TEST(loop_b12_a_completion_may_vanish_in_its_callback) {
    u32 ended = 0;
    for (u32 i = 0; i < 64; ++i) {
        const long page =
            kernel::mmap(nullptr, 4096, abi::protection::read | abi::protection::write,
                         abi::map::private_ | abi::map::anonymous, -1, 0);
        CHECK(!is_error(page));
        auto* const vanishing = reinterpret_cast<Vanishing*>(page); // all zero is a valid one
        vanishing->completion.fd = -1;
        vanishing->ended = &ended;
        const Operation operation =
            i % 2 == 0 ? op::openat(abi::at_fdcwd, "/",
                                    abi::open_flag::read_only | abi::open_flag::cloexec)
                       : op::openat(abi::at_fdcwd, "/there/is/none", abi::open_flag::read_only);
        loop.submit(vanishing->completion, operation, vanish, vanishing);
    }
    CHECK_EQ(loop.run(), 64);
    CHECK_EQ(ended, 64u);
}

// B13: a timer of more than 2^31 ms was a panic, and one as long as possible an overflow.
LOOP_TEST(loop_b13_timers_may_be_as_long_as_you_like) {
    constexpr u64 days = u64{24} * 3600 * 1000 * ms;
    constexpr u64 durations[] = {
        24 * days, 25 * days, 45 * days, 50 * days, 36500 * days, ~u64{0} / 2, ~u64{0} - 1, ~u64{0},
    };
    Logged timers[sizeof(durations) / sizeof(durations[0])];
    Logged with_deadline_log;
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    u32 at = 0;
    for (const u64 duration_ns : durations) {
        Logged& timer = timers[at++];
        submit(loop, timer, op::timer(duration_ns));
        // As the nearest one it is what a wait is given.
        CHECK_EQ(loop.run_for(1 * ms), 0);
    }
    submit(loop, with_deadline_log,
           with_timeout(op::recv(pair.near, data, sizeof(data)), ~u64{0} - 1));
    Logged soon;
    submit(loop, soon, op::timer(1 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(soon.count, 1u);
    for (const Logged& timer : timers) {
        CHECK_EQ(timer.count, 0u);
    }
    end_all(loop);
}

// B14: of completions whose address looked like the wake-up's descriptor the events were swallowed.
LOOP_TEST(loop_b14_no_event_is_taken_for_a_wake_up) {
    constexpr u32 pipes_max = 48;
    Pipe pipes[pipes_max]; // their numbers are those around the loop's own
    Logged reads[pipes_max];
    u8 data[pipes_max][4];
    Async async(loop);
    Logged notified;
    submit(loop, notified, op::notification(async));
    for (u32 i = 0; i < pipes_max; ++i) {
        pipes[i] = make_pipe();
        submit(loop, reads[i], op::read(pipes[i].reader, data[i], 4));
    }
    CHECK_EQ(loop.run(Run::no_wait), 0);
    for (u32 i = 0; i < pipes_max; ++i) {
        write_text(pipes[i].writer, "x");
        if (i == pipes_max / 2) {
            async.notify();
        }
    }
    CHECK_EQ(loop.run(), static_cast<i32>(pipes_max + 1));
    for (const Logged& read : reads) {
        CHECK_EQ(read.count, 1u);
        CHECK_EQ(read.last.value, 1);
    }
    CHECK_EQ(notified.count, 1u);
}

// B15: a timer that was reset between its expiry and its callback fired at its old time.
LOOP_TEST(loop_b15_a_reset_wins_over_an_expiry) {
    struct Resetter {
        Completion* timer;
        u64 reset_at_ns = 0;
        static Action reset(Loop& loop, Completion&, Result, void* user) noexcept {
            auto& self = *static_cast<Resetter*>(user);
            self.reset_at_ns = now_ns();
            loop.reset_timer(*self.timer, 10 * ms);
            return Action::disarm;
        }
    } resetter{};
    Logged timer;
    Completion first;
    resetter.timer = &timer.completion;
    // Both are due in the same round, and the first one's callback comes first.
    const u64 due_ns = now_ns() + 2 * ms;
    loop.submit(first, op::timer_at(due_ns), Resetter::reset, &resetter);
    submit(loop, timer, op::timer_at(due_ns));
    be_busy(3 * ms);
    CHECK_OK(loop.run());
    CHECK_EQ(timer.count, 1u);
    CHECK_EQ(timer.last.value, 1);
    CHECK_GE(now_ns() - resetter.reset_at_ns, 10 * ms);
}

// ---- Without a number: differences between its backends
// -------------------------------------------

// A timer counted from a cached time fired early after a long callback.
LOOP_TEST(loop_fault_timers_count_from_now) {
    struct Late {
        Logged timer{};
        u64 submitted_ns = 0;
        static Action begin(Loop& loop, Completion&, Result, void* user) noexcept {
            auto& self = *static_cast<Late*>(user);
            (void)loop.now_ns();
            be_busy(5 * ms);
            self.submitted_ns = now_ns();
            submit(loop, self.timer, op::timer(5 * ms));
            return Action::disarm;
        }
    } late;
    Completion begin;
    loop.submit(begin, op::nop(), Late::begin, &late);
    CHECK_EQ(loop.run(), 2);
    CHECK_GE(now_ns() - late.submitted_ns, 5 * ms);
    // And after a pause between two runs.
    (void)loop.now_ns();
    sleep_ms(5);
    const u64 now = now_ns();
    CHECK_GE(loop.now_ns(), now);
    const SocketPair pair = make_socket_pair();
    u8 byte = 0;
    CHECK_ERRNO(
        perform_on(loop, with_deadline(op::recv(pair.near, &byte, 1), loop.now_ns() + 5 * ms))
            .value,
        Errno::etime);
    CHECK_GE(now_ns() - now, 5 * ms);
}

// A timer that was rearmed fired again and again within one tick, and nothing else ran.
LOOP_TEST(loop_fault_a_rearmed_timer_starves_nobody) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged timer;
    Logged receive;
    timer.rearms = true;
    submit(loop, timer, op::timer(0));
    submit(loop, receive, op::recv(pair.near, data, sizeof(data)));
    CHECK_OK(loop.run(Run::no_wait));
    write_text(pair.far, "x");
    for (u32 i = 0; !receive.ended(); ++i) {
        CHECK_LT(i, 1000u);
        CHECK_OK(loop.run(Run::once));
    }
    CHECK_EQ(receive.last.value, 1);
    timer.rearms = false;
    end_all(loop);
}

// An accepted socket was blocking on epoll, and a big send to it stopped the loop.
LOOP_TEST(loop_fault_a_big_send_does_not_stop_the_loop) {
    static constinit u8 much[4 * 1024 * 1024] = {};
    const BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    const i32 little = 65536; // or the buffers may grow until they hold all of it
    CHECK_OK(kernel::setsockopt(client, abi::socket_level::socket,
                                abi::socket_option::receive_buffer, &little, sizeof(little)));
    CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    const Fd server(CHECK_OK(perform_on(loop, op::accept(listener.fd)).value));
    CHECK_OK(kernel::setsockopt(server, abi::socket_level::socket, abi::socket_option::send_buffer,
                                &little, sizeof(little)));
    Logged sending;
    Logged ticking;
    submit(loop, sending, op::send_all(server, much, sizeof(much))); // and nobody reads
    submit(loop, ticking, op::timer_every(1 * ms));
    for (u32 i = 0; ticking.count < 5; ++i) {
        CHECK_LT(i, 1000u);
        CHECK_OK(loop.run(Run::once));
    }
    CHECK_EQ(sending.count, 0u);
    end_all(loop);
    CHECK(sending.last.is(Errno::ecanceled) || sending.last.count() > 0);
}

// A spurious event showed EAGAIN to the user: somebody else had taken the data.
LOOP_TEST(loop_fault_a_spurious_event_is_not_shown) {
    const SocketPair pair = make_socket_pair();
    struct Thief {
        i32 fd;
        u8 data[2][8] = {};
        Logged first{};
        Logged second{};
        static Action steal(Loop&, Completion&, Result, void* user) noexcept {
            auto& self = *static_cast<Thief*>(user);
            u8 stolen[8];
            (void)kernel::recv(self.fd, stolen, sizeof(stolen), abi::msg_flag::dontwait);
            return Action::disarm;
        }
    } thief{pair.near};
    for (u32 i = 0; i < 10; ++i) {
        Completion poll;
        Logged receive;
        loop.submit(poll, op::poll(pair.near, 1), Thief::steal, &thief);
        submit(loop, receive, op::recv(pair.near, thief.data[0], 8));
        CHECK_EQ(loop.run(Run::no_wait), 0);
        write_text(pair.far, "x");
        run_until(loop, [&]() noexcept { return poll.idle(); });
        write_text(pair.far, "yy");
        run_until_ended(loop, receive);
        CHECK_GT(receive.last.value, 0); // this or that, and never an error
        u8 rest[8];
        (void)kernel::recv(pair.near, rest, sizeof(rest), abi::msg_flag::dontwait);
    }
}

// Errors of accept were all the same, and EMFILE with a rearm a hot loop: it is told, and the
// connection is still there afterwards.
LOOP_TEST(loop_fault_accept_without_descriptors) {
    const BoundSocket listener = make_listener();
    const Fd client = make_tcp_socket();
    CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
    abi::Rlimit former = {};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &former));
    const i32 next_fd = kernel::dup(listener.fd);
    CHECK_OK(kernel::close(CHECK_OK(next_fd)));
    const abi::Rlimit none = {static_cast<u64>(next_fd), former.maximum};
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &none));
    Logged accept;
    submit(loop, accept, op::accept(listener.fd));
    run_until_ended(loop, accept);
    CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &former));
    CHECK(accept.last.is(Errno::emfile));
    const Fd connection(CHECK_OK(perform_on(loop, op::accept(listener.fd)).value));
    write_text(client, "hi");
    CHECK_READS(connection, "hi");
}

// A splice that found no room, or no input, went where it could not be cancelled.
LOOP_TEST(loop_fault_a_splice_waits_for_both_ends) {
    const i32 modes[] = {0, abi::open_flag::nonblock};
    for (const i32 mode : modes) {
        const Pipe from = make_pipe(mode);
        const Pipe to = make_pipe(mode);
        op::Splice splice = {};
        splice.from_fd = from.reader;
        splice.to_fd = to.writer;
        splice.from_offset = abi::current_position;
        splice.to_offset = abi::current_position;
        splice.bytes = 100;
        Logged waits;
        submit(loop, waits, op::splice(&splice));
        CHECK_EQ(loop.run_for(2 * ms), 0);
        write_text(from.writer, "abc");
        run_until_ended(loop, waits);
        CHECK_EQ(waits.last.value, 3);
        CHECK_READS(to.reader, "abc");
        Logged cancelled;
        submit(loop, cancelled, op::splice(&splice));
        CHECK_EQ(loop.run_for(1 * ms), 0);
        loop.cancel(cancelled.completion);
        run_until_ended(loop, cancelled);
        CHECK(cancelled.last.is(Errno::ecanceled));
        // Input, and no room.
        const i32 bytes = CHECK_OK(kernel::fcntl(to.writer, abi::fcntl_command::get_pipe_size));
        static u8 page[page_bytes_max] = {};
        const i32 page_size = static_cast<i32>(page_bytes());
        for (i32 at = 0; at < bytes; at += page_size) {
            CHECK_EQ(kernel::write(to.writer, page, page_bytes()), page_size);
        }
        write_text(from.writer, "def");
        Logged full;
        submit(loop, full, op::splice(&splice));
        CHECK_EQ(loop.run_for(3 * ms), 0);
        const u64 calls = loop.statistics().syscalls;
        CHECK_EQ(loop.run_for(10 * ms), 0);
        CHECK_LT(loop.statistics().syscalls - calls, 100u); // it does not spin
        // There is room when a whole page has been taken out.
        CHECK_EQ(kernel::read(to.reader, page, page_bytes()), page_size);
        run_until_ended(loop, full);
        CHECK_EQ(full.last.value, 3);
    }
}

} // namespace
} // namespace oxbow::test
