// Faults that libxev's epoll backend had, each with a test that it cannot come here. The letters
// and numbers are those of the project's notes on libxev; its issues stand beside them.
#include "epoll_help.h"

namespace oxbow::test {

// B4: an error of recvmsg came out as a success of 2^64 - errno bytes.
EPOLL_TEST(epoll_b4_an_error_of_recvmsg_is_an_error) {
    const Pair pair = Pair::sockets(abi::socket_type::datagram);
    char data[8];
    abi::IoVec piece = {data, sizeof(data)};
    abi::MessageHeader message = {};
    message.vectors = &piece;
    message.vector_count = 1;
    Logged logged;
    submit(loop, logged, op::recvmsg(pair[0], &message));
    run_rounds(loop, 2);
    fail_call(number::recvmsg, Errno::econnreset);
    send_text(pair[1], "x");
    run_until_ended(loop, logged);
    CHECK(!logged.last.ok());
    CHECK(logged.last.is(Errno::econnreset));
    CHECK_EQ(logged.last.count(), 0u);
    abi::MessageHeader wrong = {};
    wrong.vector_count = 5000; // more than there may be
    CHECK(perform_on(loop, op::recvmsg(pair[0], &wrong)).is(Errno::emsgsize));
}

// B5: an operation that failed in its beginning ended as one of another kind.
EPOLL_TEST(epoll_b5_what_fails_at_once_ends_as_itself) {
    const Pair pipe = Pair::pipe();
    char data[8];
    CHECK(perform_on(loop, op::pread(pipe[1], data, 1, 0)).is(Errno::ebadf));
    CHECK(perform_on(loop, op::pwrite(pipe[0], data, 1, 0)).is(Errno::ebadf));
    CHECK(perform_on(loop, op::pread(999, data, 1, 0)).is(Errno::ebadf));
    CHECK(perform_on(loop, op::pread_all(pipe[1], data, 1, 0)).is(Errno::ebadf));
    Completion completion;
    loop.submit(completion, op::pread(pipe[1], data, 1, 0), nullptr);
    CHECK(completion.kind == Kind::read);
    run_rounds(loop);
    CHECK(completion.idle() && completion.kind == Kind::read);
}

// B7 (#230): a cancel of what is not in flight panicked, or took someone else's descriptor out.
EPOLL_TEST(epoll_b7_cancel_finds_only_what_is_there) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged finished;
    Logged other;
    submit(loop, other, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    Completion never;
    CHECK(perform_on(loop, op::cancel(never)).is(Errno::enoent));
    submit(loop, finished, op::send(pair[0], "x", 1));
    const Operation of_first = op::cancel(finished.completion);
    Logged too_late;
    submit(loop, too_late, of_first); // it has its result already
    run_rounds(loop);
    CHECK_EQ(finished.last.value, 1);
    CHECK(too_late.last.is(Errno::ealready));
    CHECK(perform_on(loop, of_first).is(Errno::enoent));
    // A worker's job, and one that only begins.
    Logged fresh;
    submit(loop, fresh, op::recv(pair[0], data, sizeof(data)));
    CHECK_EQ(perform_on(loop, op::cancel(fresh.completion)).value, 0);
    CHECK(fresh.last.is(Errno::ecanceled));
    CHECK(!other.ended()); // nobody else was touched
    send_text(pair[1], "abc");
    run_until_ended(loop, other);
    CHECK_EQ(other.last.value, 3);
}

// B8 (#231): copies of descriptors leaked, and kept connections open that had been closed.
EPOLL_TEST(epoll_b8_the_peer_sees_a_close_at_once) {
    const i32 before = open_fd_count();
    for (u32 round = 0; round < 4; ++round) {
        Pair pair = Pair::sockets();
        char data[8];
        Logged read;
        Logged close;
        Logged peer;
        submit(loop, read, op::recv(pair[0], data, sizeof(data)));
        submit(loop, peer, op::recv(pair[1], data, sizeof(data)));
        run_rounds(loop, 2);
        if (round % 2 == 0) {
            loop.cancel(read.completion);
        }
        submit(loop, close, op::close(pair.fds[0]));
        pair.fds[0] = -1;
        run_until_ended(loop, close);
        CHECK(read.last.is(Errno::ecanceled));
        run_until_ended(loop, peer);
        CHECK(peer.last.eof());
    }
    CHECK_EQ(open_fd_count(), before);
}

// B9: a deleted operation stayed counted, so that the loop never ended; a timer fired from freed
// memory.
EPOLL_TEST(epoll_b9_what_is_cancelled_is_gone) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    Logged timer;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    u32 duration_ms = 30;
    submit(loop, timer, op::timer(duration_ms * ms));
    run_rounds(loop, 2);
    while (timer.count != 0) { // on a machine that has been busy all that time
        timer = {};
        duration_ms *= 2;
        submit(loop, timer, op::timer(duration_ms * ms));
        run_rounds(loop, 2);
    }
    loop.cancel(read.completion);
    loop.cancel(timer.completion);
    CHECK_EQ(CHECK_OK(loop.run(Run::until_done)), 2);
    CHECK_EQ(loop.in_flight(), 0u);
    __builtin_memset(static_cast<void*>(&timer), 0xee, sizeof(timer));
    __builtin_memset(static_cast<void*>(&read), 0xee, sizeof(read));
    sleep_ms(duration_ms + 10);
    send_text(pair[1], "x");
    run_rounds(loop, 3);
    // In the middle of a submit, and again.
    Logged again;
    for (u32 i = 0; i < 3; ++i) {
        submit(loop, again, op::recv(pair[1], data, sizeof(data)));
        loop.cancel(again.completion);
        loop.cancel(again.completion);
        CHECK_EQ(CHECK_OK(loop.run(Run::until_done)), 1);
    }
}

namespace {

/// Both ready in one batch; whose callback comes first ends the other.
struct Rivals {
    Completion reads[2];
    Completion cancel;
    u32 called[2] = {};
    Result results[2] = {};
    char data[2][8] = {};
    bool closes = false;
    i32 fds[2] = {};

    static Action read_first(Loop& loop, Completion& c, Result result, void* user) noexcept {
        Rivals& self = *static_cast<Rivals*>(user);
        const u32 which = &c == &self.reads[0] ? 0 : 1;
        ++self.called[which];
        self.results[which] = result;
        const u32 other = 1 - which;
        if (self.called[other] == 0) {
            if (self.closes) {
                loop.submit(self.cancel, op::close(self.fds[other]), nullptr);
            } else {
                loop.cancel(self.reads[other]);
            }
        }
        return Action::disarm;
    }
};

} // namespace

// B10 (#234): an event of the same batch reached a completion that had ended meanwhile.
EPOLL_TEST(epoll_b10_a_batch_reaches_nobody_twice) {
    for (u32 round = 0; round < 2; ++round) {
        Pair pairs[2] = {Pair::sockets(), Pair::sockets()};
        Rivals rivals;
        rivals.closes = round == 1;
        for (u32 i = 0; i < 2; ++i) {
            rivals.fds[i] = pairs[i][0];
            loop.submit(rivals.reads[i], op::recv(pairs[i][0], rivals.data[i], 8),
                        &Rivals::read_first, &rivals);
        }
        run_rounds(loop, 2);
        send_text(pairs[0][1], "one");
        send_text(pairs[1][1], "four");
        CHECK_OK(loop.run(Run::until_done));
        CHECK_EQ(rivals.called[0], 1u);
        CHECK_EQ(rivals.called[1], 1u);
        // What had been received is not lost by the cancel that came too late.
        CHECK_EQ(rivals.results[0].value, 3);
        CHECK_EQ(rivals.results[1].value, 4);
        if (rivals.closes) {
            pairs[1].fds[0] = -1;
        }
    }
}

// B10: the number of a descriptor that is closed in a batch is used again in the same batch.
EPOLL_TEST(epoll_b10_a_number_that_is_used_again_gets_no_old_event) {
    Pair old = Pair::sockets();
    char data[8];
    const i32 number = old[0];
    Logged read;
    Logged close;
    submit(loop, read, op::recv(old[0], data, sizeof(data)));
    run_rounds(loop, 2);
    send_text(old[1], "late"); // queued in the epoll set when the close is done
    submit(loop, close, op::close(old[0]));
    run_rounds(loop);
    CHECK(close.ended() && read.ended());
    old.fds[0] = -1;
    const Pair fresh = Pair::sockets();
    CHECK_EQ(fresh[0], number);
    Logged poll;
    submit(loop, poll, op::poll(fresh[0], abi::poll_event::in));
    run_rounds(loop, 3);
    CHECK(!poll.ended());
    loop.cancel(poll.completion);
    run_rounds(loop);
}

// B11: a callback that closed its descriptor itself ended the program.
EPOLL_TEST(epoll_b11_a_callback_may_close_its_descriptor) {
    struct Closer {
        i32 fd = -1;
        bool called = false;
        static Action run(Loop&, Completion&, Result, void* user) noexcept {
            Closer& self = *static_cast<Closer*>(user);
            CHECK_OK(kernel::close(self.fd));
            self.called = true;
            return Action::disarm;
        }
    };
    Pair pair = Pair::sockets();
    char data[8];
    Closer closer;
    closer.fd = pair[0];
    Completion read;
    loop.submit(read, op::recv(pair[0], data, sizeof(data)), &Closer::run, &closer);
    run_rounds(loop, 2);
    send_text(pair[1], "x");
    CHECK_OK(loop.run(Run::until_done));
    CHECK(closer.called);
    pair.fds[0] = -1;
    run_rounds(loop, 2);
    // The same with a rearm: it finds that there is nothing any more.
    struct Rearmer {
        i32 fd = -1;
        u32 count = 0;
        static Action run(Loop&, Completion&, Result result, void* user) noexcept {
            Rearmer& self = *static_cast<Rearmer*>(user);
            if (++self.count == 1) {
                CHECK_OK(kernel::close(self.fd));
                return Action::rearm;
            }
            CHECK(result.is(Errno::ebadf));
            return Action::disarm;
        }
    };
    Pair second = Pair::sockets();
    Rearmer rearmer;
    rearmer.fd = second[0];
    loop.submit(read, op::recv(second[0], data, sizeof(data)), &Rearmer::run, &rearmer);
    run_rounds(loop, 2);
    send_text(second[1], "x");
    second.fds[0] = -1;
    CHECK_OK(loop.run(Run::until_done));
    CHECK_EQ(rearmer.count, 2u);
}

// B12: a worker touched a completion after it had handed it over. (make tsan sees more.)
EPOLL_TEST(epoll_b12_a_worker_lets_go_of_what_it_hands_over) {
    struct Poisoner {
        Completion completion;
        u32 left = 500;
        static Action run(Loop& loop, Completion& c, Result result, void* user) noexcept {
            Poisoner& self = *static_cast<Poisoner*>(user);
            CHECK(result.is(Errno::enoent));
            __builtin_memset(static_cast<void*>(&c), 0xee, sizeof(c));
            c = Completion{};
            if (--self.left != 0) {
                loop.submit(c, op::unlinkat(abi::at_fdcwd, "/nowhere/at/all"), &Poisoner::run,
                            user);
            }
            return Action::disarm;
        }
    };
    Poisoner poisoner;
    loop.submit(poisoner.completion, op::unlinkat(abi::at_fdcwd, "/nowhere/at/all"), &Poisoner::run,
                &poisoner);
    CHECK_OK(loop.run(Run::until_done));
    CHECK_EQ(poisoner.left, 0u);
}

// B13, timers beyond what epoll_wait can count: epoll_waits_longer_than_the_kernel_can_count.

// B14: a descriptor was taken for the one that wakes the loop, by what the event said.
EPOLL_TEST(epoll_b14_no_descriptor_is_taken_for_the_one_that_wakes) {
    struct Data {
        u64 seen[64] = {};
        u32 count = 0;
        static bool note(void* context, long number, const long* arguments, int, long*) noexcept {
            Data& self = *static_cast<Data*>(context);
            if (number == oxbow::number::epoll_ctl && arguments[3] != 0 && self.count < 64) {
                self.seen[self.count++] =
                    reinterpret_cast<const abi::EpollEvent*>(arguments[3])->data;
            }
            return false;
        }
    };
    Data data;
    set_handler(&Data::note, &data);
    EpollLoop second; // the first thing that it tells the kernel of is its own counter
    CHECK_EQ(data.count, 1u);
    const u64 wake_data = data.seen[0];
    Pair pairs[8];
    for (Pair& pair : pairs) {
        pair = Pair::sockets();
        char byte;
        Logged read;
        submit(*second, read, op::recv(pair[0], &byte, 1));
        run_rounds(*second, 2);
        send_text(pair[1], "x");
        run_until_ended(*second, read);
        CHECK_EQ(read.last.value, 1);
    }
    remove_handler(&Data::note, &data);
    CHECK_EQ(data.count, 9u);
    for (u32 i = 1; i < data.count; ++i) {
        CHECK_NE(data.seen[i], wake_data);
        CHECK_NE(static_cast<u32>(data.seen[i]), static_cast<u32>(wake_data));
        for (u32 k = 1; k < i; ++k) {
            CHECK_NE(data.seen[i], data.seen[k]);
        }
    }
    CHECK_EQ(loop.in_flight(), 0u);
}

// B15: a timer that was set anew between its end and its callback ended at its old time.
EPOLL_TEST(epoll_b15_a_timer_set_anew_ends_at_its_new_time) {
    struct Resetter {
        Completion* timer = nullptr;
        static Action run(Loop& loop, Completion&, Result, void* user) noexcept {
            loop.reset_timer(*static_cast<Resetter*>(user)->timer, 20 * ms);
            return Action::disarm;
        }
    };
    Logged timer;
    Completion first;
    Resetter resetter;
    resetter.timer = &timer.completion;
    const u64 begin_ns = now_ns();
    // Both end in the same round, and the first callback sets the other one anew.
    loop.submit(first, op::timer(1 * ms), &Resetter::run, &resetter);
    submit(loop, timer, op::timer(1 * ms + 1));
    sleep_ms(3);
    run_until_ended(loop, timer);
    CHECK_EQ(timer.count, 1u);
    CHECK(timer.last.ok());
    CHECK_GE(now_ns() - begin_ns, 20 * ms);
}

// "Callback timing": nothing is called from inside submit or cancel, even where it ends at once.
EPOLL_TEST(epoll_calls_nobody_from_inside_submit) {
    const Pair pair = Pair::sockets();
    Logged sent;
    Logged refused;
    Logged cancelled;
    char data[8];
    submit(loop, sent, op::send(pair[0], "x", 1));
    submit(loop, refused, op::send(-1, "x", 1));
    submit(loop, cancelled, op::recv(pair[0], data, sizeof(data)));
    loop.cancel(cancelled.completion);
    CHECK_EQ(sent.count + refused.count + cancelled.count, 0u);
    run_rounds(loop);
    CHECK_EQ(sent.count, 1u);
    CHECK_EQ(refused.count, 1u);
    CHECK_EQ(cancelled.count, 1u);
}

// "SIGPIPE", "accepted socket", "EAGAIN": a big send to a peer that does not read neither kills the
// program nor blocks the loop, whatever the descriptor's flags.
EPOLL_TEST(epoll_big_sends_do_not_block_the_loop) {
    constexpr i32 all_flags[] = {0, abi::socket_type::nonblock};
    for (const i32 flags : all_flags) {
        Pair pair = Pair::sockets(abi::socket_type::stream, flags);
        static u8 data[4 << 20];
        Logged send;
        Logged write;
        Logged timer;
        submit(loop, send, op::send_all(pair[0], data, sizeof(data)));
        submit(loop, write, op::write_all(pair[0], data, sizeof(data)));
        submit(loop, timer, op::timer(5 * ms));
        run_until_ended(loop, timer);
        CHECK(!send.ended() && !write.ended());
        pair.close(1);
        run_until_ended(loop, send);
        run_until_ended(loop, write);
        CHECK_GT(send.last.value, 0);
        CHECK(write.last.is(Errno::epipe) || write.last.is(Errno::econnreset));
    }
}

// "EAGAIN of a spurious wake": somebody else takes what the event told of.
EPOLL_TEST(epoll_waits_on_when_somebody_else_was_quicker) {
    const Pair pair = Pair::sockets();
    char data[8];
    Logged read;
    submit(loop, read, op::recv(pair[0], data, sizeof(data)));
    run_rounds(loop, 2);
    for (u32 i = 0; i < 3; ++i) {
        send_text(pair[1], "stolen");
        CHECK_EQ(kernel::recv(pair[0], data, sizeof(data), 0), 6L);
        run_rounds(loop, 2);
        CHECK(!read.ended());
    }
    send_text(pair[1], "mine");
    run_until_ended(loop, read);
    CHECK_EQ(read.last.value, 4);
}

} // namespace oxbow::test
