// What libxev's tests never touch, item by item, in the order of that list, on every engine. Where
// a file of its own has more (loop_run, loop_stream, loop_thread, loop_misuse), one test stands
// here all the same.
#include "../syscall/abi_epoll.h"
#include "../syscall/abi_memory.h"
#include "../syscall/atomic.h"
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

constexpr u64 never_ns = 1'000'000 * ms;

// ---- The queues of the ring ---------------------------------------------------------------------

constinit Logged many[2000];

void forget_many() noexcept {
    for (Logged& log : many) {
        CHECK(log.completion.idle());
        log.count = 0;
        log.last = {};
    }
}

/// "SQ overflow": many more than it has entries, before the loop is run at all.
LOOP_TEST(loop_untested_submission_queue_overflow) {
    const Fd file = make_file_with("0123456789abcdef");
    static constinit u8 bytes[2000] = {};
    for (u32 i = 0; i < 2000; ++i) {
        submit(loop, many[i], op::pread(file, bytes + i, 1, i % 16));
    }
    CHECK_EQ(loop.in_flight(), 2000u);
    CHECK_EQ(loop.run(), 2000);
    constexpr char digits[] = "0123456789abcdef";
    for (u32 i = 0; i < 2000; ++i) {
        CHECK_EQ(many[i].count, 1u);
        CHECK_EQ(many[i].last.value, 1);
        CHECK_EQ(bytes[i], static_cast<u8>(digits[i % 16]));
    }
    forget_many();
}

/// "CQ overflow": many more come at once than the queue of completions has room for.
LOOP_TEST(loop_untested_completion_queue_overflow) {
    const SocketPair pair = make_socket_pair();
    for (Logged& log : many) {
        submit(loop, log, op::poll(pair.near, abi::poll_event::in));
    }
    CHECK_EQ(loop.run(Run::no_wait), 0);
    write_text(pair.far, "x"); // all of them
    CHECK_EQ(loop.run(), 2000);
    for (const Logged& log : many) {
        CHECK_EQ(log.count, 1u);
        CHECK_EQ(log.last.value, static_cast<i32>(abi::poll_event::in));
    }
    forget_many();
}

/// "entries=1": is uring_1 of every test; here, everything at once through it.
LOOP_TEST(loop_untested_one_entry) {
    Everything everything(loop);
    run_mixed_program(loop, false);
    CHECK_EQ(everything.ended(), 0u);
    everything.drain();
}

// ---- Running ------------------------------------------------------------------------------------

/// "once".
LOOP_TEST(loop_untested_once) {
    Logged first;
    Logged second;
    submit(loop, first, op::timer(1 * ms));
    submit(loop, second, op::timer(200 * ms));
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(second.count, 0u);
    CHECK_EQ(loop.run(Run::once), 1);
    CHECK_EQ(second.count, 1u);
}

/// "nested run": traps (loop_misuse_nested_run); another loop may be run from a callback.
LOOP_TEST(loop_untested_run_of_another_loop_in_a_callback) {
    Loop inner;
    CHECK_OK(open_as(inner, row));
    Completion completion;
    loop.submit(
        completion, op::nop(),
        [](Loop&, Completion&, Result, void* user) {
            Loop& other = *static_cast<Loop*>(user);
            CHECK_EQ(perform_on(other, op::timer(1)).value, 1);
            return Action::disarm;
        },
        &inner);
    CHECK_EQ(loop.run(), 1);
    inner.close();
}

/// "rearm except Async": of every sort of operation, with the same arguments each time.
LOOP_TEST(loop_untested_rearm) {
    constexpr u32 times = 5;
    const SocketPair pair = make_socket_pair();
    const Pipe pipe = make_pipe();
    const Fd file = make_file_with("positions");
    const BoundSocket listener = make_listener();
    u8 received[8];
    u8 read[4];
    Logged receiving;
    Logged sending;
    Logged reading;
    Logged accepting;
    Logged polling;
    Logged timer;
    Logged nop;
    Logged* const all[] = {&receiving, &sending, &reading, &accepting, &polling, &timer, &nop};
    for (Logged* log : all) {
        log->rearms = true;
    }
    submit(loop, receiving, op::recv(pair.near, received, sizeof(received)));
    submit(loop, sending, op::send(pair.near, "s", 1));
    submit(loop, reading, op::pread(file, read, sizeof(read), 3));
    submit(loop, accepting, op::accept(listener.fd));
    submit(loop, polling, op::poll(pipe.writer, abi::poll_event::out));
    submit(loop, timer, op::timer(1 * ms));
    submit(loop, nop, op::nop());
    u32 accepted = 0;
    for (u32 i = 0; i < times; ++i) {
        write_text(pair.far, "r");
        const Fd client = make_tcp_socket();
        CHECK_OK(connect_blocking(client, &listener.address, sizeof(listener.address)));
        run_until(loop, [&]() noexcept {
            return receiving.count > i && accepting.count > i && timer.count > i;
        });
        CHECK_EQ(receiving.last.value, 1);
        CHECK_OK(kernel::close(accepting.last.fd()));
        ++accepted;
    }
    run_until(loop, [&]() noexcept {
        return sending.count >= times && reading.count >= times && polling.count >= times &&
               nop.count >= times;
    });
    CHECK_EQ(receiving.count, times); // one per message: no copies
    CHECK_EQ(accepting.count, accepted);
    CHECK_EQ(reading.last.value, 4);
    CHECK_BYTES(read, "itio", 4);
    CHECK_EQ(polling.last.value, static_cast<i32>(abi::poll_event::out));
    for (Logged* log : all) {
        log->rearms = false;
    }
    end_all(loop);
}

/// "stop/close/free in a callback": all three in one.
LOOP_TEST(loop_untested_stop_close_and_free_in_a_callback) {
    struct Session {
        Completion completion;
        Completion* closing;
        i32 fd;
        u8 data[8];
        static Action ended(Loop& loop, Completion&, Result result, void* user) noexcept {
            Session* const self = static_cast<Session*>(user);
            CHECK_EQ(result.value, 1);
            loop.submit(*self->closing, op::close(self->fd), nullptr);
            loop.stop();
            CHECK_OK(kernel::munmap(self, 4096));
            return Action::disarm;
        }
    };
    for (u32 round = 0; round < 5; ++round) {
        const long page =
            kernel::mmap(nullptr, 4096, abi::protection::read | abi::protection::write,
                         abi::map::private_ | abi::map::anonymous, -1, 0);
        CHECK(!is_error(page));
        auto* const session = reinterpret_cast<Session*>(page);
        SocketPair pair = make_socket_pair();
        Completion closing;
        const i32 fd = pair.near.release();
        session->fd = fd;
        session->closing = &closing;
        loop.submit(session->completion, op::recv(fd, session->data, 8), Session::ended, session);
        CHECK_EQ(loop.run(Run::no_wait), 0);
        write_text(pair.far, "x");
        CHECK_EQ(loop.run(), 1);
        CHECK(!closing.idle());
        CHECK_EQ(loop.run(), 1);
        CHECK(!is_open(fd));
    }
}

// ---- Cancels ------------------------------------------------------------------------------------

/// "fd-op cancel on epoll": each that waits, by a request of its own.
LOOP_TEST(loop_untested_cancel_of_every_kind) {
    Everything everything(loop);
    for (u32 i = 0; i < everything.count(); ++i) {
        Logged& target = everything.at(i);
        if (target.ended()) {
            continue; // it was chained behind another
        }
        Logged request;
        submit(loop, request, op::cancel(target.completion));
        run_until_ended(loop, request);
        run_until_ended(loop, target);
        // Found, or in the moment of being looked at by the thread that waits for it.
        CHECK(request.last.value == 0 || request.last.value == -Errno::ealready);
    }
    everything.check_cancelled();
    CHECK_EQ(loop.in_flight(), 0u);
}

/// "delete": what was submitted and never reached the kernel.
LOOP_TEST(loop_untested_cancel_before_a_run) {
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receive;
    Logged timer;
    Logged chained;
    submit(loop, receive, op::recv(pair.near, data, sizeof(data)));
    submit(loop, timer, op::timer(never_ns));
    loop.then(timer.completion, chained.completion, op::nop(), chained.handler());
    loop.cancel(receive.completion);
    loop.cancel(timer.completion);
    CHECK_EQ(receive.count + timer.count, 0u);
    CHECK_EQ(loop.run(), 3);
    CHECK(receive.last.is(Errno::ecanceled));
    CHECK(timer.last.is(Errno::ecanceled));
    CHECK(chained.last.is(Errno::ecanceled));
}

/// "dup lifetime": the peer sees the end as soon as the close has ended, whatever was in flight.
LOOP_TEST(loop_untested_peer_sees_a_close) {
    SocketPair pair = make_tcp_pair();
    u8 data[2][8];
    Logged receive;
    Logged poll;
    Logged close;
    submit(loop, receive, op::recv(pair.near, data[0], 8));
    submit(loop, poll, op::poll(pair.near, abi::poll_event::in));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, close, op::close(pair.near.release()));
    CHECK_EQ(loop.run(), 3);
    CHECK(receive.last.is(Errno::ecanceled));
    CHECK(poll.last.is(Errno::ecanceled));
    CHECK_EQ(close.last.value, 0);
    CHECK_LT(receive.sequence, close.sequence);
    CHECK(perform_on(loop, op::recv(pair.far, data[1], 8)).eof());
}

/// "two ops on one fd": both directions at once, two of one direction, and the bytes of all.
LOOP_TEST(loop_untested_two_operations_on_one_descriptor) {
    const SocketPair pair = make_socket_pair();
    u8 data[2][4];
    Logged receives[2];
    Logged send;
    Logged polls[2];
    submit(loop, receives[0], op::recv_all(pair.near, data[0], 4));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    submit(loop, polls[0], op::poll(pair.near, abi::poll_event::in));
    submit(loop, polls[1], op::poll(pair.near, abi::poll_event::in));
    submit(loop, send, op::send(pair.near, "out", 3));
    run_until_ended(loop, send);
    CHECK_EQ(send.last.value, 3);
    CHECK_READS(pair.far, "out");
    write_text(pair.far, "abcd");
    run_until_ended(loop, receives[0]);
    CHECK_BYTES(data[0], "abcd", 4);
    for (const Logged& poll : polls) {
        CHECK(poll.count <= 1); // may or may not have seen it, as it was taken
    }
    submit(loop, receives[1], op::recv_all(pair.near, data[1], 4));
    write_text(pair.far, "efgh");
    run_until_ended(loop, receives[1]);
    CHECK_BYTES(data[1], "efgh", 4);
    end_all(loop);
}

// ---- Workers ------------------------------------------------------------------------------------

/// "pool drain/shutdown": more jobs than threads, drained in the middle; each ends once, done or
/// cancelled, and what it opened is not lost.
LOOP_TEST(loop_untested_drain_of_jobs) {
    const i32 fds = open_fd_count();
    constexpr u32 jobs_max = 64;
    Logged jobs[jobs_max];
    for (Logged& job : jobs) {
        submit(loop, job,
               op::openat(abi::at_fdcwd, "/", abi::open_flag::read_only | abi::open_flag::cloexec));
    }
    end_all(loop);
    u32 opened = 0;
    for (const Logged& job : jobs) {
        CHECK_EQ(job.count, 1u);
        if (job.last.ok()) {
            CHECK_OK(kernel::close(job.last.fd()));
            ++opened;
        } else {
            CHECK(job.last.is(Errno::ecanceled));
        }
    }
    note("opened in spite of the drain:", opened);
    CHECK_EQ(open_fd_count(), fds);
}

// ---- Streams, families, datagrams ---------------------------------------------------------------

/// "EOF of length 0".
LOOP_TEST(loop_untested_end_with_no_room) {
    SocketPair pair = make_socket_pair();
    u8 byte = 0;
    pair.far.close();
    const Result nothing = perform_on(loop, op::recv(pair.near, &byte, 0));
    CHECK_EQ(nothing.value, 0);
    CHECK(!nothing.eof());
    CHECK(perform_on(loop, op::recv(pair.near, &byte, 1)).eof());
}

/// "IPv6": a conversation, made by operations alone.
LOOP_TEST(loop_untested_ipv6) {
    const i32 family = abi::socket_family::inet6;
    const Result socket = perform_on(loop, op::socket(family, abi::socket_type::stream));
    if (!socket.ok()) {
        SKIP("no IPv6 here");
    }
    const Fd listener(socket.fd());
    abi::SocketAddressIn6 address = {};
    address.family = static_cast<u16>(family);
    address.address[15] = 1;
    if (!perform_on(loop, op::bind(listener, &address, sizeof(address))).ok()) {
        SKIP("no IPv6 address here");
    }
    CHECK_EQ(perform_on(loop, op::listen(listener, 1)).value, 0);
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    const Fd client(CHECK_OK(perform_on(loop, op::socket(family, abi::socket_type::stream)).value));
    Logged accepting;
    submit(loop, accepting, op::accept(listener));
    CHECK_EQ(perform_on(loop, op::connect(client, &address, sizeof(address))).value, 0);
    run_until_ended(loop, accepting);
    const Fd server(CHECK_OK(accepting.last.value));
    u8 data[8];
    CHECK_EQ(perform_on(loop, op::send(client, "six", 3)).value, 3);
    CHECK_EQ(perform_on(loop, op::recv(server, data, sizeof(data))).value, 3);
    CHECK_BYTES(data, "six", 3);
}

/// "AF_UNIX": by an abstract name, and by a connect that has to wait for room.
LOOP_TEST(loop_untested_local_sockets) {
    const i32 family = abi::socket_family::local;
    const Fd listener(
        CHECK_OK(perform_on(loop, op::socket(family, abi::socket_type::stream)).value));
    abi::SocketAddressUn address = {};
    address.family = static_cast<u16>(family);
    // Without a name the kernel chooses a free abstract one.
    CHECK_EQ(perform_on(loop, op::bind(listener, &address, sizeof(address.family))).value, 0);
    CHECK_EQ(perform_on(loop, op::listen(listener, 0)).value, 0);
    u32 bytes = sizeof(address);
    CHECK_OK(kernel::getsockname(listener, &address, &bytes));
    Fd clients[3];
    Logged connects[3];
    for (u32 i = 0; i < 3; ++i) {
        clients[i] =
            Fd(CHECK_OK(perform_on(loop, op::socket(family, abi::socket_type::stream)).value));
        submit(loop, connects[i], op::connect(clients[i], &address, bytes));
    }
    CHECK_OK(loop.run_for(2 * ms));
    CHECK_LT(connects[0].count + connects[1].count + connects[2].count, 3u); // no room for all
    for (Logged& connect : connects) {
        const Fd server(CHECK_OK(perform_on(loop, op::accept(listener)).value));
        run_until(loop, [&]() noexcept {
            return connect.ended() || connects[0].ended() || connects[1].ended();
        });
    }
    for (Logged& connect : connects) {
        run_until_ended(loop, connect);
        CHECK_EQ(connect.last.value, 0);
    }
}

/// "empty datagram".
LOOP_TEST(loop_untested_empty_datagram) {
    const SocketPair pair = make_socket_pair(abi::socket_type::datagram);
    u8 data[8];
    CHECK_EQ(perform_on(loop, op::send(pair.far, data, 0)).value, 0);
    const Result result = perform_on(loop, op::recv(pair.near, data, sizeof(data)));
    CHECK_EQ(result.value, 0);
    CHECK(!result.eof());
}

// ---- Signals ------------------------------------------------------------------------------------

constinit u32 signals = 0;

/// "signals/EINTR": one every 200 microseconds, with a handler that does not restart calls.
LOOP_TEST(loop_untested_signals) {
    SKIP_WITH_THREAD_SANITIZER();
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(
        +[](i32) noexcept { store_release(&signals, load_relaxed(&signals) + 1); });
    CHECK_OK(kernel::rt_sigaction(abi::signal::alrm, &action));
    const abi::IntervalTimer often = {{0, 200}, {0, 200}};
    const abi::IntervalTimer off = {};
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receive;
    Logged timer;
    submit(loop, receive, op::recv(pair.near, data, sizeof(data)));
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &often));
    const u64 start_ns = now_ns();
    submit(loop, timer, op::timer(20 * ms));
    const i32 callbacks = loop.run(Run::once);
    const u64 end_ns = now_ns();
    for (u32 i = 0; i < 20; ++i) {
        Logged open;
        submit(loop, open,
               op::openat(abi::at_fdcwd, "/", abi::open_flag::read_only | abi::open_flag::cloexec));
        run_until_ended(loop, open);
        (void)kernel::close(open.last.fd());
        CHECK_GE(open.last.value, 0);
    }
    while (load_acquire(&signals) <= 10) { // however fast or slow all that was
        CHECK_EQ(loop.run_for(1 * ms), 0);
    }
    CHECK_OK(kernel::setitimer(abi::interval_timer::real, &off));
    CHECK_EQ(callbacks, 1); // no run ends for a signal
    CHECK_GE(end_ns - start_ns, 20 * ms);
    CHECK_EQ(timer.last.value, 1);
    CHECK_EQ(receive.count, 0u);
    write_text(pair.far, "x");
    run_until_ended(loop, receive);
    CHECK_EQ(receive.last.value, 1);
}

// ---- What cannot be waited for ------------------------------------------------------------------

/// "EPERM files": epoll refuses to watch them; every operation works all the same.
LOOP_TEST(loop_untested_files_that_cannot_be_watched) {
    const Fd file = make_file_with("hello");
    const Fd null(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/null",
                                          abi::open_flag::read_write | abi::open_flag::cloexec)));
    const Fd zero(CHECK_OK(kernel::openat(abi::at_fdcwd, "/dev/zero",
                                          abi::open_flag::read_only | abi::open_flag::cloexec)));
    const Fd directory(CHECK_OK(
        kernel::openat(abi::at_fdcwd, "/", abi::open_flag::read_only | abi::open_flag::cloexec)));
    u8 data[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_EQ(perform_on(loop, op::read(file, data, sizeof(data))).value, 5);
    CHECK_BYTES(data, "hello", 5);
    CHECK_EQ(perform_on(loop, op::write(file, "!", 1)).value, 1);
    CHECK_CONTENTS(file, "hello!");
    CHECK_EQ(perform_on(loop, op::write_all(null, data, sizeof(data))).value, 8);
    CHECK(perform_on(loop, op::read(null, data, sizeof(data))).eof());
    CHECK_EQ(perform_on(loop, op::read_all(zero, data, sizeof(data))).value, 8);
    CHECK_EQ(data[0] + data[7], 0);
    CHECK_ERRNO(perform_on(loop, op::read(directory, data, sizeof(data))).value, Errno::eisdir);
    CHECK_ERRNO(perform_on(loop, op::recv(file, data, sizeof(data))).value, Errno::enotsock);
    CHECK_ERRNO(perform_on(loop, op::accept(file)).value, Errno::enotsock);
    OpenPool pool(loop, {.count = 2, .buffer_bytes = 16});
    CHECK_OK(kernel::lseek(file, 0, abi::seek_from::start));
    const Result managed = perform_on(loop, op::read(file, *pool));
    CHECK_EQ(managed.value, 6);
    CHECK_BYTES(pool->data(managed), "hello!", 6);
    pool->give_back(managed);
}

// ---- Errors -------------------------------------------------------------------------------------

/// "error mapping": what the kernel says is what comes out, on every engine.
LOOP_TEST(loop_untested_errors) {
    const SocketPair pair = make_socket_pair();
    const Fd unconnected = make_tcp_socket();
    const Fd file = make_file_with("x");
    const Fd read_only(CHECK_OK(
        kernel::openat(abi::at_fdcwd, "/", abi::open_flag::read_only | abi::open_flag::cloexec)));
    BoundSocket refused = make_bound_socket(abi::socket_type::stream);
    const abi::SocketAddressIn nobody = refused.address;
    refused.fd.close();
    abi::SocketAddressIn strange = nobody;
    strange.family = 999;
    u8 byte = 0;
    abi::Statx status = {};
    i32 fds[2];
    struct {
        Operation operation;
        Errno error;
    } const cases[] = {
        {op::recv(unconnected, &byte, 1), Errno::enotconn},
        {op::send(unconnected, &byte, 1), Errno::epipe},
        {op::connect(make_tcp_socket().release(), &nobody, sizeof(nobody)), Errno::econnrefused},
        {op::connect(unconnected, &strange, sizeof(strange)), Errno::eafnosupport},
        {op::shutdown(unconnected, abi::shutdown_how::both), Errno::enotconn},
        {op::shutdown(file, abi::shutdown_how::both), Errno::enotsock},
        {op::bind(pair.near, &nobody, sizeof(nobody)), Errno::einval},
        {op::listen(file, 1), Errno::enotsock},
        {op::socket(999, 1), Errno::eafnosupport},
        {op::send(file, &byte, 1), Errno::enotsock},
        {op::write(read_only, &byte, 1), Errno::ebadf},
        {op::read(file, nullptr, 1), Errno::efault},
        {op::poll(-1, 1), Errno::ebadf},
        {op::openat(abi::at_fdcwd, "/none/there", abi::open_flag::read_only), Errno::enoent},
        {op::openat(abi::at_fdcwd, "/dev/null/x", abi::open_flag::read_only), Errno::enotdir},
        {op::statx(abi::at_fdcwd, "/none", {}, &status), Errno::enoent},
        {op::unlinkat(abi::at_fdcwd, "/none"), Errno::enoent},
        {op::mkdirat(abi::at_fdcwd, "/dev", 0700), Errno::eexist},
        {op::fsync(pair.near), Errno::einval},
        {op::ftruncate(pair.near, 0), Errno::einval},
        {op::fallocate(pair.near, {0, 1}), Errno::enodev},
        {op::fadvise(make_pipe().reader.release(), {0, 1}, 0), Errno::espipe},
        {op::pipe(fds, -1), Errno::einval},
        {op::waitid(abi::wait_for::pid, kernel::getpid(), nullptr, abi::wait_option::exited),
         Errno::echild},
        {op::close(-1), Errno::ebadf},
    };
    u32 at = 0;
    for (const auto& each : cases) {
        const i32 value = perform_on(loop, each.operation).value;
        if (value != -each.error) {
            note("case", at, "ended with", value);
        }
        CHECK_ERRNO(value, each.error);
        const bool made_here =
            each.operation.kind == Kind::fadvise ||
            (each.operation.kind == Kind::connect && each.operation.fd != i32{unconnected});
        if (made_here) {
            CHECK_OK(kernel::close(each.operation.fd));
        }
        ++at;
    }
}

// ---- Threads and time ---------------------------------------------------------------------------

/// "MPSC concurrency": of Async and post at once; loop_thread has more.
LOOP_TEST(loop_untested_many_threads) {
    struct All {
        Loop* loop;
        Async* async;
        Completion posts[8] = {};
        u32 posted = 0;
        u32 notified = 0;
    };
    Async async(loop);
    All all = {.loop = &loop, .async = &async};
    Completion waiting;
    loop.submit(
        waiting, op::notification(async),
        [](Loop&, Completion&, Result result, void* user) {
            ++static_cast<All*>(user)->notified;
            return result.ok() ? Action::rearm : Action::disarm;
        },
        &all);
    {
        Team team(
            8,
            [](void* context, u32 index) noexcept {
                All& self = *static_cast<All*>(context);
                self.async->notify();
                self.loop->post(self.posts[index], {[](Loop&, Completion&, Result, void* user) {
                                                        ++static_cast<All*>(user)->posted;
                                                        return Action::disarm;
                                                    },
                                                    &self});
                self.async->notify();
            },
            &all);
        run_until(loop, [&]() noexcept { return all.posted == 8 && all.notified != 0; });
    }
    CHECK_LE(all.notified, 16u);
    end_all(loop);
    CHECK_EQ(all.posted, 8u);
}

/// "timers > 24 days".
LOOP_TEST(loop_untested_timers_of_months) {
    Logged months;
    submit(loop, months, op::timer(u64{60} * 24 * 3600 * 1000 * ms));
    CHECK_EQ(loop.run_for(3 * ms), 0);
    CHECK_EQ(perform_on(loop, op::timer(1 * ms)).value, 1);
    CHECK_EQ(months.count, 0u);
    end_all(loop);
}

/// "equal deadlines": in the order in which they were submitted, after resets too.
LOOP_TEST(loop_untested_equal_deadlines) {
    const u64 due_ns = now_ns() + 3 * ms;
    constexpr u32 count = 200;
    static constinit Logged timers[count];
    const u32 before = sequence_counter;
    for (Logged& timer : timers) {
        submit(loop, timer, op::timer_at(due_ns));
    }
    CHECK_EQ(loop.run(), static_cast<i32>(count));
    CHECK_GE(now_ns(), due_ns);
    for (u32 i = 0; i < count; ++i) {
        CHECK_EQ(timers[i].count, 1u);
        CHECK_EQ(timers[i].sequence, before + i + 1);
    }
}

} // namespace
} // namespace oxbow::test
