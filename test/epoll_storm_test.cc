// Random programs on a few connections, against what edge-triggered readiness gets wrong: an edge
// that nobody saw. Whatever was written is received, by whoever it was meant for, in order; and
// when all is written, the loop comes to an end without anything else happening.
#include "epoll_help.h"

namespace oxbow::test {

namespace {

constexpr u32 connections = 6;
constexpr u32 readers_max = 4;

/// One connection: a pipe or a stream socket, whose far end is the test's own.
struct Line {
    Pair ends;
    u32 written = 0;  // bytes so far; each is its place in the stream, modulo 251
    u32 received = 0; // by the loop or by a thief
    bool is_pipe = false;
    bool has_thief = false; // somebody else reads, too: then there is no order
    bool ended = false;     // the far end is closed
    u32 ends_seen = 0;
    u32 sent = 0;        // bytes of the other direction that operations have told of
    u32 got_far_off = 0; // and that have come to the far end
};

struct Storm;

/// One operation, that is submitted again and again.
struct Reader {
    Storm* storm = nullptr;
    Line* line = nullptr;
    Completion completion;
    Kind kind = Kind::recv;
    u32 asked = 0;
    u8 data[300];

    static Action ended(Loop& loop, Completion& completion, Result result, void* user) noexcept;
    void submit() noexcept;
};

/// Writes as much as it likes; one at a time, so that it is known which bytes come next.
struct Writer {
    Storm* storm = nullptr;
    Line* line = nullptr;
    Completion completion;
    u32 bytes = 0;
    u8 data[8000];

    void ended(Result result) noexcept {
        if (result.ok()) {
            line->sent += result.count();
        } else {
            CHECK(result.is(Errno::ecanceled));
        }
    }
    void submit() noexcept;
};

struct Storm {
    Loop& loop;
    Random random;
    BufferPool pool;
    Line lines[connections];
    Reader readers[connections][readers_max];
    Writer writers[connections];
    u32 stops = 0;

    explicit Storm(Loop& a_loop) noexcept : loop(a_loop) {}

    void take(Line& line, const u8* data, u32 bytes) noexcept {
        for (u32 i = 0; i < bytes && !line.has_thief; ++i) {
            CHECK_EQ(data[i], static_cast<u8>((line.received + i) % 251));
        }
        line.received += bytes;
    }
    void write_some(Line& line) noexcept {
        u8 data[512];
        const u32 bytes = random.between(1, random.chance(100) ? sizeof(data) : 40);
        for (u32 i = 0; i < bytes; ++i) {
            data[i] = static_cast<u8>((line.written + i) % 251);
        }
        const long result = kernel::write(line.ends[1], data, bytes);
        if (result > 0) {
            line.written += static_cast<u32>(result);
        } else {
            CHECK_EQ(result, static_cast<long>(-Errno::eagain));
        }
    }
    /// Takes what has come to the far end.
    void read_far_off(Line& line) noexcept {
        u8 data[3000];
        const long result = kernel::read(line.ends[1], data, random.between(1, sizeof(data)));
        for (long i = 0; i < result; ++i) {
            CHECK_EQ(data[i], static_cast<u8>((line.got_far_off + static_cast<u32>(i)) % 241));
        }
        line.got_far_off += result > 0 ? static_cast<u32>(result) : 0;
    }
    void steal(Line& line) noexcept {
        if (!line.has_thief) {
            return;
        }
        u8 data[64];
        const long result = line.is_pipe
                                ? kernel::read(line.ends[0], data, random.between(1, sizeof(data)))
                                : kernel::recv(line.ends[0], data, random.between(1, sizeof(data)),
                                               abi::msg_flag::dontwait);
        if (result > 0) {
            take(line, data, static_cast<u32>(result));
        }
    }
};

void Reader::submit() noexcept {
    constexpr Kind of_sockets[] = {Kind::recv,           Kind::recv,           Kind::recv_managed,
                                   Kind::recv_multishot, Kind::read,           Kind::recv_all,
                                   Kind::poll,           Kind::poll_multishot, Kind::readv};
    constexpr Kind of_pipes[] = {Kind::read,     Kind::read_managed, Kind::read_multishot,
                                 Kind::read_all, Kind::poll,         Kind::poll_multishot};
    kind = line->is_pipe ? of_pipes[storm->random.below(6)] : of_sockets[storm->random.below(9)];
    asked = storm->random.between(1, storm->random.chance(300) ? 300 : 20);
    const i32 fd = line->ends[0];
    Operation operation;
    switch (kind) {
    case Kind::recv:
        operation = op::recv(fd, data, asked);
        break;
    case Kind::recv_all:
        operation = op::recv_all(fd, data, asked);
        break;
    case Kind::recv_managed:
        operation = op::recv(fd, storm->pool);
        break;
    case Kind::recv_multishot:
        operation = op::recv_multishot(fd, storm->pool);
        break;
    case Kind::read:
    case Kind::readv:
        operation = op::read(fd, data, asked);
        break;
    case Kind::read_all:
        operation = op::read_all(fd, data, asked);
        break;
    case Kind::read_managed:
        operation = op::read(fd, storm->pool);
        break;
    case Kind::read_multishot:
        operation = op::read_multishot(fd, storm->pool);
        break;
    case Kind::poll:
        operation = op::poll(fd, abi::poll_event::in);
        break;
    default:
        operation = op::poll_multishot(fd, abi::poll_event::in);
        break;
    }
    storm->loop.submit(completion, operation, &Reader::ended, this);
}

void Writer::submit() noexcept {
    bytes = storm->random.between(1, storm->random.chance(300) ? sizeof(data) : 100);
    for (u32 i = 0; i < bytes; ++i) {
        data[i] = static_cast<u8>((line->sent + i) % 241);
    }
    const i32 fd = line->ends[0];
    const u32 which = storm->random.below(4);
    storm->loop.submit(completion,
                       which == 0   ? op::send(fd, data, bytes)
                       : which == 1 ? op::send_all(fd, data, bytes)
                       : which == 2 ? op::write(fd, data, bytes)
                                    : op::write_all(fd, data, bytes),
                       on<&Writer::ended>(*this));
}

Action Reader::ended(Loop& loop, Completion&, Result result, void* user) noexcept {
    Reader& self = *static_cast<Reader*>(user);
    Line& line = *self.line;
    const bool polls = self.kind == Kind::poll || self.kind == Kind::poll_multishot;
    if (polls && result.ok()) {
        if (self.kind == Kind::poll_multishot && self.storm->random.chance(500)) {
            self.storm->steal(line);
        }
    } else if (result.has_buffer()) {
        self.storm->take(line, self.storm->pool.data(result), result.count());
        self.storm->pool.give_back(result);
    } else if (result.ok()) {
        self.storm->take(line, self.data, result.count());
    } else {
        CHECK(result.is(Errno::ecanceled));
    }
    if (result.eof()) {
        CHECK(line.ended);
        ++line.ends_seen;
    }
    if (self.storm->random.chance(30)) {
        ++self.storm->stops;
        loop.stop(); // what is ready waits for the next run
    }
    return Action::disarm;
}

void open_line(Storm& storm, Line& line) noexcept {
    line.is_pipe = storm.random.chance(400);
    line.has_thief = storm.random.chance(400);
    const bool nonblocking = line.is_pipe || storm.random.chance(500);
    if (line.is_pipe) {
        line.ends = Pair::pipe(abi::open_flag::nonblock);
    } else {
        const i32 flags = nonblocking ? abi::socket_type::nonblock : 0;
        line.ends = storm.random.chance(500) ? Pair::tcp(flags)
                                             : Pair::sockets(abi::socket_type::stream, flags);
        // The far end never blocks the test itself.
        CHECK_OK(kernel::fcntl(line.ends[1], abi::fcntl_command::set_status_flags,
                               static_cast<long>(abi::open_flag::nonblock)));
        const i32 room = 4096;
        CHECK_OK(kernel::setsockopt(line.ends[0], abi::socket_level::socket,
                                    abi::socket_option::send_buffer, &room, sizeof(room)));
    }
    line.written = line.received = line.ends_seen = line.sent = line.got_far_off = 0;
    line.ended = false;
}

/// Ends everything on a line and begins a new one, mostly with the same number.
void replace_line(Storm& storm, Line& line) noexcept {
    const u32 at = static_cast<u32>(&line - storm.lines);
    if (storm.random.chance(500)) { // through the loop, which ends what is in flight
        CHECK(perform_on(storm.loop, op::close(line.ends[0])).ok());
        line.ends.fds[0] = -1;
    } else { // behind its back, when nothing is
        for (Reader& reader : storm.readers[at]) {
            storm.loop.cancel(reader.completion);
        }
        storm.loop.cancel(storm.writers[at].completion);
        run_until(storm.loop, [&] {
            if (!storm.writers[at].completion.idle()) {
                return false;
            }
            for (const Reader& reader : storm.readers[at]) {
                if (!reader.completion.idle()) {
                    return false;
                }
            }
            return true;
        });
    }
    line.ends.close(0);
    line.ends.close(1);
    open_line(storm, line);
}

void step(Storm& storm) noexcept {
    const u32 at = storm.random.below(connections);
    Line& line = storm.lines[at];
    Reader& reader = storm.readers[at][storm.random.below(readers_max)];
    const u32 what = storm.random.below(100);
    if (what < 35) {
        storm.write_some(line);
    } else if (what < 60) {
        if (reader.completion.idle()) {
            reader.submit();
        }
    } else if (what < 66) {
        storm.loop.cancel(storm.random.chance(200) ? storm.writers[at].completion
                                                   : reader.completion);
    } else if (what < 75 && !line.is_pipe) {
        if (storm.writers[at].completion.idle()) {
            storm.writers[at].submit();
        }
    } else if (what < 80 && !line.is_pipe) {
        storm.read_far_off(line);
    } else if (what < 83) {
        storm.steal(line);
    } else if (what < 85) {
        replace_line(storm, line);
    } else {
        run_rounds(storm.loop);
    }
}

/// Everything that was written arrives, although nothing happens any more.
void finish_line(Storm& storm, u32 at) noexcept {
    Line& line = storm.lines[at];
    const u64 limit_ns = now_ns() + 10'000 * ms;
    while (!storm.writers[at].completion.idle() || line.got_far_off != line.sent) {
        CHECK_LT(now_ns(), limit_ns);
        storm.read_far_off(line);
        CHECK_OK(storm.loop.run_for(1));
    }
    line.ends.close(1);
    line.ended = true;
    while (line.received != line.written || line.ends_seen == 0) {
        if (now_ns() >= limit_ns) {
            const FdSlot& slot = *storm.loop.fds().slot(line.ends[0]);
            note("line", at, "fd", line.ends[0], "pipe", line.is_pipe, "thief", line.has_thief,
                 "written", line.written, "received", line.received, "ends", line.ends_seen);
            note("slot flags", slot.flags, "interest", slot.interest, "in flight", slot.in_flight,
                 "held", storm.pool.held(), "waiters", !storm.pool.waiters.empty());
            for (const Reader& reader : storm.readers[at]) {
                note("kind", static_cast<u32>(reader.kind), "state",
                     static_cast<u32>(reader.completion.state), "value", reader.completion.value,
                     "asked", reader.asked);
            }
            FAIL("something was missed");
        }
        bool someone_reads = false;
        u32 polling = 0;
        for (Reader& reader : storm.readers[at]) {
            const bool polls = reader.kind == Kind::poll || reader.kind == Kind::poll_multishot;
            someone_reads |= !reader.completion.idle() && !polls;
            polling += polls && !reader.completion.idle() ? 1 : 0;
        }
        for (Reader& reader : storm.readers[at]) {
            if (!someone_reads && reader.completion.idle()) {
                reader.submit();
                break;
            }
            if (polling == readers_max) {
                storm.loop.cancel(reader.completion);
            }
        }
        CHECK_OK(storm.loop.run_for(1 * ms));
    }
}

struct Weather {
    const char* name;
    bool interrupts; ///< a signal comes in the middle of every twentieth call
    bool use_pwait2;
};
constexpr Weather weathers[] = {
    {"calm", false, true}, {"signals", true, true}, {"ms", false, false}};

void interrupt_calls() noexcept {
    constexpr long calls[] = {number::epoll_pwait, number::epoll_pwait2, number::recvfrom,
                              number::preadv2,     number::ppoll,        number::ppoll_time64};
    for (const long call : calls) {
        inject({.number = call, .kind = Fault::interrupt, .times = always, .chance = 50});
    }
}

} // namespace

VARIANT_TEST(epoll_storm, weathers) {
    EpollLoop opened({.use_pwait2 = row.use_pwait2});
    Storm storm(*opened);
    CHECK_OK(storm.pool.open(*opened, {.count = 3, .buffer_bytes = 64}));
    for (u32 at = 0; at < connections; ++at) {
        open_line(storm, storm.lines[at]);
        storm.writers[at].storm = &storm;
        storm.writers[at].line = &storm.lines[at];
        for (Reader& reader : storm.readers[at]) {
            reader.storm = &storm;
            reader.line = &storm.lines[at];
        }
    }
    if (row.interrupts) {
        interrupt_calls();
    }
    for (u32 i = 0; i < 20'000; ++i) {
        step(storm);
    }
    for (u32 at = 0; at < connections; ++at) {
        finish_line(storm, at);
    }
    CHECK_EQ(opened->drain(), 0u);
    CHECK_EQ(storm.pool.held(), 0u);
    storm.pool.close();
}

} // namespace oxbow::test
