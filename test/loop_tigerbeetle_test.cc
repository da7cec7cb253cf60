// The tests of TigerBeetle's IO layer, as scenarios of our own, on every engine: the nine of its
// io/test.zig, and the two that it had while it could cancel. Source: TigerBeetle src/io/test.zig
// and src/io/linux.zig, 2022 to 2026.
#include "../syscall/atomic.h"
#include "../syscall/call_memory.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

// ---- open/write/read/close/statx
// ------------------------------------------------------------------

/// Five operations one behind the other through one completion, each begun by the callback of the
/// one before.
struct FileChain {
    const char* path;
    Completion completion{};
    i32 fd = -1;
    u8 written[20] = {};
    u8 read[20] = {};
    abi::Statx status{};
    u32 steps = 0;

    void next(Loop& loop, Completion& done, Result result) noexcept {
        CHECK(&done == &completion);
        switch (++steps) {
        case 1: {
            fd = CHECK_OK(result.value);
            for (u8& byte : written) {
                byte = 97;
            }
            const Operation write = op::pwrite(fd, written, sizeof(written), 10);
            loop.submit(completion, write, on<&FileChain::next>(*this));
            return;
        }
        case 2:
            CHECK_EQ(result.value, 20);
            loop.submit(completion, op::pread(fd, read, sizeof(read), 10),
                        on<&FileChain::next>(*this));
            return;
        case 3:
            CHECK_EQ(result.value, 20);
            CHECK_BYTES(read, written, sizeof(read));
            loop.submit(completion, op::close(fd), on<&FileChain::next>(*this));
            return;
        case 4:
            CHECK_EQ(result.value, 0);
            loop.submit(completion,
                        op::statx(abi::at_fdcwd, path, {.mask = abi::statx_mask::size}, &status),
                        on<&FileChain::next>(*this));
            return;
        default:
            CHECK_EQ(result.value, 0);
            CHECK_EQ(status.size - 10, sizeof(written));
        }
    }
};

LOOP_TEST(loop_tigerbeetle_open_write_read_close_statx) {
    char path[256];
    temp_path(path);
    FileChain chain = {.path = path};
    loop.submit(chain.completion,
                op::openat(abi::at_fdcwd, path,
                           abi::open_flag::cloexec | abi::open_flag::read_write |
                               abi::open_flag::truncate | abi::open_flag::create,
                           0666),
                on<&FileChain::next>(chain));
    CHECK_EQ(chain.steps, 0u);
    CHECK_EQ(loop.run(), 5);
    CHECK_EQ(chain.steps, 5u);
    CHECK(!is_open(chain.fd));
}

// ---- accept/connect/send/receive
// ------------------------------------------------------------------

struct Exchange {
    Fd client{};
    Fd server{};
    u8 sent[10] = {1, 0, 1, 0, 1, 0, 1, 0, 1, 0};
    u8 received[5] = {};
    Completion client_side{};
    Completion server_side{};
    u32 done = 0;

    void accepted(Loop& loop, Result result) noexcept {
        server = Fd(CHECK_OK(result.value));
        loop.submit(server_side, op::recv(server, received, sizeof(received)),
                    on<&Exchange::was_received>(*this));
    }
    void connected(Loop& loop, Result result) noexcept {
        CHECK_EQ(result.value, 0);
        loop.submit(client_side, op::send(client, sent, sizeof(sent)),
                    on<&Exchange::was_sent>(*this));
    }
    void was_sent(Result result) noexcept {
        CHECK_EQ(result.value, 10);
        ++done;
    }
    void was_received(Result result) noexcept {
        CHECK_EQ(result.value, 5);
        CHECK_BYTES(received, sent, sizeof(received));
        ++done;
    }
};

LOOP_TEST(loop_tigerbeetle_accept_connect_send_receive) {
    const BoundSocket listener = make_listener();
    Exchange exchange;
    exchange.client = make_tcp_socket();
    loop.submit(exchange.client_side,
                op::connect(exchange.client, &listener.address, sizeof(listener.address)),
                on<&Exchange::connected>(exchange));
    loop.submit(exchange.server_side, op::accept(listener.fd), on<&Exchange::accepted>(exchange));
    CHECK_EQ(loop.run(), 4);
    CHECK_EQ(exchange.done, 2u);
}

// ---- timeout
// --------------------------------------------------------------------------------------

LOOP_TEST(loop_tigerbeetle_timeout) {
    constexpr u64 duration_ns = 20 * ms;
    Logged timers[10];
    const u64 start_ns = now_ns();
    for (Logged& timer : timers) {
        submit(loop, timer, op::timer(duration_ns));
    }
    CHECK_GE(CHECK_OK(loop.run(Run::once)), 1);
    CHECK_GE(now_ns() - start_ns, duration_ns);
    CHECK_OK(loop.run());
    for (u32 i = 0; i < 10; ++i) {
        CHECK_EQ(timers[i].count, 1u);
        CHECK_EQ(timers[i].last.value, 1);
        CHECK_EQ(timers[i].sequence, i + 1); // and in order, which it does not ask for
    }
}

// ---- event
// ----------------------------------------------------------------------------------------

/// Another thread triggers an event again and again, each time when the last has been seen.
struct Event {
    Async async;
    i32 loop_tid;
    u32 seen = 0;
    static constexpr u32 events = 5;

    static void trigger(void* context, u32) noexcept {
        Event& self = *static_cast<Event*>(context);
        for (u32 i = 0; i < events; ++i) {
            await(self.seen, i);
            sleep_ms(2);
            self.async.notify();
        }
    }
    Action happened(Result result) noexcept {
        CHECK_EQ(result.value, 0);
        CHECK_EQ(kernel::gettid(), loop_tid);
        return add(seen) < events ? Action::rearm : Action::disarm;
    }
};

LOOP_TEST(loop_tigerbeetle_event) {
    Event event{Async(loop), kernel::gettid()};
    Completion waiting;
    loop.submit(waiting, op::notification(event.async), on<&Event::happened>(event));
    const u64 start_ns = now_ns();
    {
        Team team(1, Event::trigger, &event);
        CHECK_EQ(loop.run(), 5);
    }
    CHECK_GE(now_ns() - start_ns, Event::events * 2 * ms);
    CHECK_EQ(event.seen, 5u);
}

// ---- submission queue full
// ------------------------------------------------------------------------

/// More than the queue has room for: with one entry (uring_1), ten timers; and ten operations that
/// the ring has to take.
LOOP_TEST(loop_tigerbeetle_submission_queue_full) {
    Logged timers[10];
    for (Logged& timer : timers) {
        submit(loop, timer, op::timer(1 * ms));
    }
    CHECK_EQ(loop.run(), 10);
    for (const Logged& timer : timers) {
        CHECK_EQ(timer.last.value, 1);
    }
    const Fd file = make_file_with("0123456789");
    Logged reads[10];
    char bytes[10] = {};
    for (u32 i = 0; i < 10; ++i) {
        submit(loop, reads[i], op::pread(file, bytes + i, 1, i));
    }
    CHECK_EQ(loop.run(), 10);
    CHECK_BYTES(bytes, "0123456789", 10);
    for (const Logged& read : reads) {
        CHECK_EQ(read.count, 1u);
        CHECK_EQ(read.last.value, 1);
    }
}

// ---- tick to wait
// ---------------------------------------------------------------------------------

/// A receive is in flight; the data come by a plain send that the loop knows nothing of; rounds
/// that do not wait must see them.
LOOP_TEST(loop_tigerbeetle_tick_to_wait) {
    const SocketPair pair = make_tcp_pair();
    u8 data[64];
    Logged receiving;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    CHECK_EQ(loop.run(Run::no_wait), 0);
    CHECK_EQ(kernel::send(pair.far, "hello", 5, 0), 5);
    const u64 limit_ns = now_ns() + 20'000 * ms;
    while (!receiving.ended()) {
        CHECK_LT(now_ns(), limit_ns);
        CHECK_OK(loop.run(Run::no_wait));
    }
    CHECK_EQ(receiving.last.value, 5);
    CHECK_BYTES(data, "hello", 5);
}

// ---- pipe data over socket
// ------------------------------------------------------------------------

constexpr u32 megabyte = 1024 * 1024;
constinit u8 source[megabyte] = {};
constinit u8 target[megabyte] = {};

/// A megabyte in parts of whatever size the kernel takes and gives.
struct DataPipe {
    Fd reader{};
    Fd writer{};
    Completion receiving{};
    Completion sending{};
    u32 received = 0;
    u32 sent = 0;

    void send(Loop& loop) noexcept {
        loop.submit(sending, op::send(writer, source + sent, megabyte - sent),
                    on<&DataPipe::was_sent>(*this));
    }
    void receive(Loop& loop) noexcept {
        loop.submit(receiving, op::recv(reader, target + received, megabyte - received),
                    on<&DataPipe::was_received>(*this));
    }
    void was_sent(Loop& loop, Completion& completion, Result result) noexcept {
        CHECK(&completion == &sending);
        CHECK_GT(result.value, 0);
        sent += result.count();
        if (sent < megabyte) {
            send(loop);
        }
    }
    void was_received(Loop& loop, Completion& completion, Result result) noexcept {
        CHECK(&completion == &receiving);
        CHECK_GT(result.value, 0);
        received += result.count();
        if (received < megabyte) {
            receive(loop);
        }
    }
};

LOOP_TEST(loop_tigerbeetle_pipe_data_over_socket) {
    Random random;
    random.fill(source, megabyte);
    SocketPair pair = make_tcp_pair();
    DataPipe pipe;
    pipe.reader = Fd(pair.near.release());
    pipe.writer = Fd(pair.far.release());
    pipe.receive(loop);
    pipe.send(loop);
    for (u32 tick = 0; pipe.received != megabyte || pipe.sent != megabyte; ++tick) {
        CHECK_LT(tick, 10'000'000u);
        // Rounds that do not wait, and now and then some that do.
        if ((tick & 63) == 0) {
            CHECK_OK(loop.run_for((tick & 64) != 0 ? ms : 0));
        } else {
            CHECK_OK(loop.run(Run::no_wait));
        }
    }
    CHECK(pipe.receiving.idle());
    CHECK(pipe.sending.idle());
    CHECK_BYTES(target, source, megabyte);
}

// ---- Timers beside what is ready
// --------------------------------------------------------------------

/// "flush checks timeouts even when completions are queued", which it skips on Linux: a nop and a
/// timer of 1 ns both end in one round.
LOOP_TEST(loop_tigerbeetle_timers_are_seen_though_others_are_ready) {
    Logged nop;
    Logged timer;
    submit(loop, nop, op::nop());
    submit(loop, timer, op::timer(1));
    CHECK_EQ(loop.run(Run::no_wait), 2);
    CHECK_EQ(nop.count, 1u);
    CHECK_EQ(timer.count, 1u);
}

/// "chained zero-delay callbacks complete in a single flush": ten, each begun by the one before.
/// There, in one call of run, which may never return; here what a callback begins comes in the next
/// round, so that a run without waiting is bounded, and a run until done has them all.
LOOP_TEST(loop_tigerbeetle_chained_zero_delay_callbacks) {
    struct Chain {
        Completion completion;
        u32 calls = 0;
        void next(Loop& loop, Result result) noexcept {
            CHECK_EQ(result.value, 0);
            if (++calls < 10) {
                loop.submit(completion, op::nop(), on<&Chain::next>(*this));
            }
        }
    } chain;
    loop.submit(chain.completion, op::nop(), on<&Chain::next>(chain));
    CHECK_EQ(loop.run(Run::no_wait), 1);
    CHECK_EQ(chain.calls, 1u);
    const u64 waits = loop.statistics().waits;
    CHECK_EQ(loop.run(), 9);
    CHECK_EQ(chain.calls, 10u);
    CHECK_EQ(loop.statistics().waits, waits); // nobody went to sleep meanwhile
}

// ---- Cancels, as it had them
// ------------------------------------------------------------------------

constexpr u32 direct_reads = 8;
constexpr u32 direct_bytes = 16 * 1024;
alignas(4096) constinit u8 direct[direct_reads][direct_bytes] = {};

[[nodiscard]] u64 checksum(const u8 (&bytes)[direct_bytes]) noexcept {
    u64 sum = 1469598103934665603u;
    for (const u8 byte : bytes) {
        sum = (sum ^ byte) * 1099511628211u;
    }
    return sum;
}

/// "cancel_all": eight reads with O_DIRECT, which the kernel may have handed to the disk; when all
/// have been cancelled, and have ended, nothing writes to their memory any more.
LOOP_TEST(loop_tigerbeetle_cancel_all) {
    char path[256];
    {
        const Fd file = make_file(path);
        for (u32 i = 0; i < direct_reads; ++i) {
            for (u8& byte : direct[i]) {
                byte = static_cast<u8>(i + 1);
            }
            CHECK_EQ(kernel::pwrite(file, direct[i], direct_bytes, u64{i} * direct_bytes),
                     direct_bytes);
        }
        CHECK_OK(kernel::fsync(file));
    }
    constexpr i32 flags = abi::open_flag::read_only | abi::open_flag::cloexec;
    i32 opened = kernel::openat(abi::at_fdcwd, path, flags | abi::open_flag::direct);
    if (opened == -Errno::einval) {
        opened = kernel::openat(abi::at_fdcwd, path, flags); // a file system without
    }
    const Fd file(CHECK_OK(opened));
    Logged reads[direct_reads];
    for (u32 i = 0; i < direct_reads; ++i) {
        for (u8& byte : direct[i]) {
            byte = 0xaa;
        }
        submit(loop, reads[i], op::pread(file, direct[i], direct_bytes, u64{i} * direct_bytes));
    }
    CHECK_OK(loop.run(Run::no_wait));
    CHECK_EQ(loop.drain(now_ns() + 20'000 * ms), 0u);
    u64 sums[direct_reads];
    for (u32 i = 0; i < direct_reads; ++i) {
        CHECK_EQ(reads[i].count, 1u);
        CHECK(reads[i].last.is(Errno::ecanceled) ||
              reads[i].last.value == static_cast<i32>(direct_bytes));
        CHECK(reads[i].completion.idle());
        if (reads[i].last.ok()) { // then it has done what it says
            CHECK_EQ(direct[i][0], i + 1);
            CHECK_EQ(direct[i][direct_bytes - 1], i + 1);
        }
        sums[i] = checksum(direct[i]);
    }
    sleep_ms(20);
    CHECK_EQ(loop.run(Run::no_wait), 0);
    for (u32 i = 0; i < direct_reads; ++i) {
        CHECK_EQ(checksum(direct[i]), sums[i]);
        CHECK_EQ(reads[i].count, 1u); // no callback after its end
    }
}

/// "cancel": of a receive that waits; the cancel succeeds and the receive says that it was
/// cancelled.
LOOP_TEST(loop_tigerbeetle_cancel) {
    const SocketPair pair = make_tcp_pair();
    u8 data[64];
    Logged receiving;
    Logged request;
    submit(loop, receiving, op::recv(pair.near, data, sizeof(data)));
    CHECK_EQ(loop.run_for(1 * ms), 0);
    submit(loop, request, op::cancel(receiving.completion));
    CHECK_EQ(loop.run(), 2);
    CHECK_EQ(request.last.value, 0);
    CHECK(receiving.last.is(Errno::ecanceled));
    // What comes afterwards is the next one's.
    write_text(pair.far, "next");
    CHECK_EQ(perform_on(loop, op::recv(pair.near, data, sizeof(data))).value, 4);
}

} // namespace
} // namespace oxbow::test
