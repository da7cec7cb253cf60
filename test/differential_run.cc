// Running a program of differential.h on one engine.
//
// What is left out, because more than one outcome is right:
// - Two readers, or two writers, of one direction at a time: who is first is nobody's promise.
// - A read while somebody writes to the same direction, where something was there before: it may
//   come before or behind. (A read of what is empty, and then one write, is fine.)
// - How much of a large write had gone when it was cut: only that it was some, and that just so
//   many bytes arrive. The same for reads of a direction in which one is under way.
// - Sends to a TCP socket that is closed: whether the reset is there yet. To a datagram socket that
//   is closed: the kernel throws away what had come from there (unix_dgram_disconnected).
// - The cancel of what may be done at this moment; what waits for sure can be cancelled at once.
// - How often a poll_multishot tells the same, and the numbers of descriptors and buffers.
// - The counts of timers: a loaded machine misses periods.
// - writev of no bytes: the ring asks the file, which may be a socket that sends an empty datagram
// or
//   says EPIPE; writev(2) does not.
#include "../loop/buffer_pool.h"
#include "../syscall/abi_epoll.h"
#include "../syscall/abi_uring_register.h"
#include "differential.h"
#include "live_ring.h"

namespace oxbow::test::differential {

namespace {

namespace event = abi::poll_event;
namespace msg = abi::msg_flag;

constexpr u8 nobody = 0xff;
constexpr u32 data_bytes = 4096;    // of reads
constexpr u32 queued_max = 6000;    // bytes of a direction, so that small writes never wait
constexpr u32 messages_max = 12;    // of a datagram socket
constexpr u32 period = 4093;        // of the pattern
constexpr u32 large_bytes = 20'000; // from here on a write may wait for its reader
constexpr u32 pattern_bytes = 256'000 + period;
constexpr u64 stuck_ns = 1'500'000'000;
constexpr u64 behind_ns = 100'000'000; // for what another engine has told already

// ---- Things
// ----------------------------------------------------------------------------------------

/// From one end to the other.
struct Direction {
    u32 written;
    u32 taken;
    u32 messages;
    u8 reader; ///< slot that reads, if it is still busy with that
    u8 writer;
    bool read_begun; ///< since the loop was last quiet
    bool write_begun;
    bool was_empty; ///< when the read began
    bool large;     ///< a large write is under way, or was cut
    bool cut;
    bool ended;
};

struct Asynchronous {
    Async async;
    explicit Asynchronous(Loop& loop) noexcept : async(loop) {}
    static void* operator new(usize, void* place) noexcept { return place; }
};

struct Thing {
    Kind kind;
    i32 fd[2];
    Direction from[2]; ///< what an end writes
    bool torn;         ///< an end was closed
    bool notified;
    alignas(Asynchronous) u8 async[sizeof(Asynchronous)];
};

struct Slot {
    Completion completion;
    bool busy;
    bool fresh; ///< since the loop was last quiet
    u8 object;
    u8 end;
    u8 pool;
    u8 rearms;
    u8 hold;
    bool ends_by_itself;
    bool expires;
    bool waits;      ///< for what was not there when it was submitted
    u8 behind;       ///< slot that it is chained to, or nobody
    u32 behind_ends; ///< its `ends` then
    u32 ends;
    u32 results;
    u32 step;
    u32 bytes;
    Call call;
    abi::IoVec pieces[3];
    abi::MessageHeader message;
    op::Splice splice;
    u64 number;
    u8 data[data_bytes];
};

struct Pool {
    BufferPool pool;
    u8 user;
    u32 held_count;
    Result held[8];
};

[[nodiscard]] constexpr bool reads(Call call) noexcept {
    return (call >= Call::recv && call <= Call::poll_multishot) || call == Call::accept ||
           call == Call::accept_multishot || call == Call::notification || call == Call::splice;
}
[[nodiscard]] constexpr bool writes(Call call) noexcept {
    return call >= Call::send && call <= Call::poll_out;
}
[[nodiscard]] constexpr bool is_of_file(Call call) noexcept {
    return call >= Call::pread && call <= Call::ftruncate;
}
[[nodiscard]] constexpr bool takes_buffers(Call call) noexcept {
    return call == Call::recv_pool || call == Call::recv_multishot ||
           call == Call::recvmsg_multishot || call == Call::read_pool ||
           call == Call::read_multishot;
}
[[nodiscard]] constexpr bool is_stream(Kind kind) noexcept {
    return kind == Kind::tcp || kind == Kind::stream || kind == Kind::pipe;
}

/// What `fd` is ready for.
[[nodiscard]] u32 ready_for(i32 fd, u32 events) noexcept {
    abi::PollFd poll = {fd, static_cast<u16>(events), 0};
    const abi::Timespec at_once = {};
    return kernel::ppoll(&poll, 1, &at_once) > 0 ? poll.revents : 0;
}

[[nodiscard]] u32 digest_of(const u8* data, u32 bytes) noexcept {
    u32 hash = 2166136261u;
    for (u32 i = 0; i < bytes; ++i) {
        hash = (hash ^ data[i]) * 16777619u;
    }
    return hash | 1;
}

constinit u8 pattern[pattern_bytes] = {};

/// Without a division, which some 32-bit machines have in libgcc.
[[nodiscard]] u32 remainder_of(u32 value, u32 divisor) noexcept {
    u32 step = divisor;
    while (step <= value >> 1) {
        step <<= 1;
    }
    for (; step >= divisor; step >>= 1) {
        if (value >= step) {
            value -= step;
        }
    }
    return value;
}

void fill_pattern_once() noexcept {
    if (pattern[0] == 0) {
        for (u32 i = 0; i < pattern_bytes; ++i) {
            const u32 at = remainder_of(i, period);
            pattern[i] = static_cast<u8>((at * 2654435761u) >> 24);
        }
        pattern[0] = pattern[period] = 1;
        for (u32 i = period; i < pattern_bytes; ++i) {
            pattern[i] = pattern[i - period];
        }
    }
}
[[nodiscard]] u8* pattern_at(u32 position) noexcept {
    return pattern + remainder_of(position, period);
}

// ---- The run
// ---------------------------------------------------------------------------------------

class Run {
  public:
    void run(Loop& loop, const Program& program, const Trace* expected, Trace& trace) noexcept;

  private:
    [[nodiscard]] Thing& thing_of(const Step& step) noexcept { return things_[step.object]; }
    [[nodiscard]] Direction& into(Thing& thing, u32 end) noexcept { return thing.from[1 - end]; }
    /// Whether it does not wait for what it is chained to.
    [[nodiscard]] bool has_begun(const Slot& slot) const noexcept {
        return slot.behind == nobody || slots_[slot.behind].ends != slot.behind_ends;
    }
    [[nodiscard]] bool is_busy(u8 slot) const noexcept {
        return slot != nobody && slots_[slot].busy;
    }

    void fault(const char* text) noexcept {
        if (trace_->fault == nullptr) {
            trace_->fault = text;
            trace_->fault_step = at_;
        }
    }
    void record(u32 step, i32 value, u8 flags = 0, u32 digest = 0) noexcept;

    void do_step(const Step& step) noexcept;
    void make(const Step& step) noexcept;
    void submit(const Step& step) noexcept;
    void start(Slot& slot, const Step& step, const Operation& operation) noexcept;
    void plain_write(const Step& step) noexcept;
    void plain_read(const Step& step) noexcept;
    void plain_shutdown(const Step& step) noexcept;
    void plain_close(const Step& step) noexcept;
    void cancel(const Step& step) noexcept;
    void cancel_fd(const Step& step) noexcept;
    void close(const Step& step) noexcept;
    void give_back(Pool& pool) noexcept;
    void end() noexcept;

    [[nodiscard]] bool may_read(Thing& thing, u32 end) noexcept;
    [[nodiscard]] bool may_write(Thing& thing, u32 end, u32 bytes) noexcept;
    [[nodiscard]] Operation operation_of(const Step& step, Slot& slot, i32 fd) noexcept;
    [[nodiscard]] Operation file_operation_of(const Step& step, Slot& slot, i32 fd) noexcept;
    [[nodiscard]] u32 read_some(Thing& thing, u32 end) noexcept;
    void drain(Thing& thing, u32 end) noexcept;
    void tell_file(Thing& thing) noexcept;
    void close_end(Thing& thing, u32 end) noexcept;

    void quiet() noexcept;
    [[nodiscard]] bool is_settled() noexcept;
    [[nodiscard]] bool is_settled(Slot& slot) noexcept;
    [[nodiscard]] bool has_arrived(const Thing& thing) const noexcept;

    static Action took(Loop& loop, Completion& completion, Result result, void* user) noexcept;
    Action take(Slot& slot, Result result) noexcept;
    void take_data(Slot& slot, Result result, i32& value, u32& digest) noexcept;
    [[nodiscard]] i32 normalised(Slot& slot, i32 value) noexcept;

    Loop* loop_;
    const Program* program_;
    const Trace* expected_;
    Trace* trace_;
    u32 at_;
    Thing things_[objects_max];
    Slot slots_[slots_max];
    Pool pools_[pools_max];
    u8 scratch_[1 << 16];
};

alignas(64) constinit u8 run_memory[sizeof(Run)] = {};

void Run::record(u32 step, i32 value, u8 flags, u32 digest) noexcept {
    if (trace_->count == records_max) {
        fault("more results than there is room for");
        return;
    }
    trace_->records[trace_->count++] = {static_cast<u16>(step), flags, value, digest};
}

// ---- Until nothing happens
// ---------------------------------------------------------------------------

/// Loopback delivers at once, unless the machine is so busy that a kernel thread has to.
bool Run::has_arrived(const Thing& thing) const noexcept {
    constexpr u8 established = 1; // the states in which no FIN has come
    constexpr u8 fin_wait1 = 4;
    constexpr u8 fin_wait2 = 5;
    for (u32 end = 0; end < 2 && thing.kind == Kind::tcp; ++end) {
        const i32 fd = thing.fd[end];
        const Direction& direction = thing.from[1 - end];
        if (fd < 0) {
            continue;
        }
        // Whoever reads may have taken some that it has not told of yet.
        i32 readable = 0;
        if (!thing.torn && !is_busy(direction.reader) &&
            kernel::ioctl(fd, abi::socket_ioctl::bytes_readable, &readable) == 0 &&
            static_cast<u32>(readable) != direction.written - direction.taken) {
            return false;
        }
        constexpr u32 bytes_not_sent = 0x894b; // SIOCOUTQNSD
        i32 left = 0;
        if (thing.fd[1 - end] >= 0 &&
            kernel::ioctl(thing.fd[1 - end], bytes_not_sent, &left) == 0 && left != 0) {
            return false;
        }
        u8 info[8] = {};
        u32 bytes = sizeof(info);
        if (direction.ended &&
            kernel::getsockopt(fd, abi::socket_level::tcp, abi::tcp_option::info, info, &bytes) ==
                0 &&
            (info[0] == established || info[0] == fin_wait1 || info[0] == fin_wait2)) {
            return false;
        }
    }
    return true;
}

bool Run::is_settled(Slot& slot) noexcept {
    if (!has_begun(slot)) {
        return true; // it has not begun
    }
    if (slot.expires) {
        return false;
    }
    if (takes_buffers(slot.call) &&
        pools_[slot.pool].pool.held() >= pools_[slot.pool].pool.count()) {
        return true; // it waits for a buffer
    }
    if (slot.ends_by_itself) {
        return false;
    }
    Thing& thing = things_[slot.object];
    switch (slot.call) {
    case Call::timer_far:
        return true;
    case Call::timer_every:
        return slot.results != 0;
    case Call::notification:
        return !thing.notified;
    case Call::poll_multishot:
        return slot.results != 0 || ready_for(thing.fd[slot.end], event::in) == 0;
    default:
        break;
    }
    return ready_for(thing.fd[slot.end], writes(slot.call) ? event::out : event::in) == 0;
}

bool Run::is_settled() noexcept {
    for (Slot& slot : slots_) {
        if (slot.busy && !is_settled(slot)) {
            return false;
        }
    }
    for (const Thing& thing : things_) {
        if (!has_arrived(thing)) {
            return false;
        }
    }
    return true;
}

void Run::quiet() noexcept {
    const u64 begin_ns = now_ns();
    u32 calm = 0;
    while (calm < 3) {
        const i32 callbacks = loop_->run(oxbow::Run::no_wait);
        if (callbacks < 0) {
            fault("Loop::run failed");
            break;
        }
        const u64 waited_ns = now_ns() - begin_ns;
        if (callbacks > 0) {
            calm = 0;
            if (waited_ns > stuck_ns) {
                fault("callbacks never end");
                break;
            }
            continue;
        }
        const bool behind = expected_ != nullptr && trace_->quiets < expected_->quiets &&
                            trace_->count < expected_->counts[trace_->quiets] &&
                            waited_ns < behind_ns;
        if (!behind && is_settled()) {
            ++calm;
            continue;
        }
        calm = 0;
        if (waited_ns > stuck_ns) {
            fault("an operation that can end does not");
            break;
        }
        (void)loop_->run_for(50'000);
    }
    if (trace_->quiets < quiets_max) {
        trace_->counts[trace_->quiets++] = static_cast<u16>(trace_->count);
    }
    for (Thing& thing : things_) {
        for (Direction& direction : thing.from) {
            direction.read_begun = direction.write_begun = false;
        }
    }
    for (Slot& slot : slots_) {
        slot.fresh = false;
    }
}

// ---- Results
// ---------------------------------------------------------------------------------------

Action Run::took(Loop&, Completion& completion, Result result, void* user) noexcept {
    Run& run = *reinterpret_cast<Run*>(run_memory);
    Slot& slot = *static_cast<Slot*>(user);
    if (&completion != &slot.completion || !slot.busy) {
        run.fault("a result of something that is not in flight");
        return Action::disarm;
    }
    return run.take(slot, result);
}

/// What all engines have to say alike.
i32 Run::normalised(Slot& slot, i32 value) noexcept {
    Thing& thing = things_[slot.object];
    if (value <= 0) {
        return value;
    }
    switch (slot.call) {
    case Call::timer:
    case Call::timer_every:
        return 1;
    case Call::accept:
    case Call::accept_multishot:
        (void)kernel::close(value);
        return 1;
    case Call::notification:
        return value;
    default:
        break;
    }
    if (writes(slot.call) && slot.call != Call::poll_out) {
        Direction& direction = thing.from[slot.end];
        direction.written += static_cast<u32>(value);
        direction.messages += 1;
        if (slot.bytes >= large_bytes && static_cast<u32>(value) < slot.bytes) {
            direction.cut = true;
            return 1;
        }
    }
    if (slot.call == Call::splice) {
        into(thing, 0).taken += static_cast<u32>(value);
    }
    return value;
}

void Run::take_data(Slot& slot, Result result, i32& value, u32& digest) noexcept {
    Thing& thing = things_[slot.object];
    const u8* data = slot.data;
    u32 bytes = result.count();
    if (takes_buffers(slot.call)) {
        if (!result.has_buffer()) {
            return;
        }
        data = pools_[slot.pool].pool.data(result);
        if (slot.call == Call::recvmsg_multishot) {
            abi::RecvmsgOut head;
            __builtin_memcpy(&head, data, sizeof(head));
            data += sizeof(head);
            bytes = head.payload_length;
            value = static_cast<i32>(bytes);
        }
    } else if (!reads(slot.call) && !is_of_file(slot.call)) {
        return;
    } else if (slot.call == Call::poll_in || slot.call == Call::poll_multishot ||
               slot.call == Call::accept || slot.call == Call::accept_multishot ||
               slot.call == Call::notification || slot.call == Call::splice ||
               (is_of_file(slot.call) && slot.call != Call::pread && slot.call != Call::pread_all &&
                slot.call != Call::read_file)) {
        return;
    }
    if (bytes == 0) {
        return;
    }
    digest = digest_of(data, bytes);
    if (is_stream(thing.kind)) {
        Direction& direction = into(thing, slot.end);
        if (!direction.cut && digest != digest_of(pattern_at(direction.taken), bytes)) {
            fault("bytes arrived changed, or in another order");
        }
        direction.taken += bytes;
    }
}

Action Run::take(Slot& slot, Result result) noexcept {
    ++slot.results;
    if (slot.call == Call::notification && result.ok()) {
        things_[slot.object].notified = false;
    }
    i32 value = normalised(slot, result.value);
    u32 digest = 0;
    take_data(slot, result, value, digest);
    if (result.has_buffer()) {
        Pool& pool = pools_[slot.pool];
        if (pool.held_count < slot.hold && pool.held_count < 8) {
            pool.held[pool.held_count++] = result;
        } else {
            pool.pool.give_back(result);
        }
    }
    const u8 flags =
        static_cast<u8>((result.more() ? Record::more : 0) | (result.eof() ? Record::eof : 0) |
                        (result.has_buffer() ? Record::buffer : 0));
    const bool repeats =
        (slot.call == Call::timer_every || slot.call == Call::poll_multishot) && slot.results > 1;
    const Record* last = nullptr;
    for (u32 i = trace_->count; repeats && last == nullptr && i-- != 0;) {
        last = trace_->records[i].step == slot.step ? &trace_->records[i] : nullptr;
    }
    if (last == nullptr || last->value != value || last->flags != flags) {
        record(slot.step, value, flags, digest);
    }
    if (result.more()) {
        return Action::disarm;
    }
    ++slot.ends;
    if (slot.rearms != 0 && !result.is(Errno::ecanceled) && !result.is(Errno::etime)) {
        --slot.rearms;
        return Action::rearm;
    }
    slot.busy = false;
    const u8 number = static_cast<u8>(&slot - slots_);
    for (Thing& thing : things_) {
        for (Direction& direction : thing.from) {
            direction.reader = direction.reader == number ? nobody : direction.reader;
            direction.writer = direction.writer == number ? nobody : direction.writer;
        }
    }
    if (takes_buffers(slot.call)) {
        pools_[slot.pool].user = nobody;
    }
    return Action::disarm;
}

// ---- Making things
// ---------------------------------------------------------------------------------

void Run::make(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if (thing.kind != Kind::none || step.kind == Kind::none) {
        return;
    }
    thing.kind = step.kind;
    i32* const fd = thing.fd;
    switch (step.kind) {
    case Kind::tcp:
    case Kind::stream:
    case Kind::datagram: {
        SocketPair pair =
            step.kind == Kind::tcp
                ? make_tcp_pair()
                : make_socket_pair(step.kind == Kind::stream ? abi::socket_type::stream
                                                             : abi::socket_type::datagram);
        fd[0] = pair.near.release();
        fd[1] = pair.far.release();
        for (u32 end = 0; end < 2 && step.kind == Kind::tcp; ++end) {
            const i32 one = 1; // a small write would wait until the one before is acknowledged
            CHECK_OK(kernel::setsockopt(fd[end], abi::socket_level::tcp, abi::tcp_option::nodelay,
                                        &one, sizeof(one)));
        }
        break;
    }
    case Kind::pipe: {
        Pipe pipe = make_pipe();
        fd[0] = pipe.reader.release();
        fd[1] = pipe.writer.release();
        break;
    }
    case Kind::counter:
        fd[0] = fd[1] = CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec));
        break;
    case Kind::file:
        fd[0] = make_file().release();
        break;
    case Kind::listener: {
        fd[0] = CHECK_OK(kernel::socket(abi::socket_family::local,
                                        abi::socket_type::stream | abi::socket_type::cloexec, 0));
        const u16 family = static_cast<u16>(abi::socket_family::local);
        CHECK_OK(kernel::bind(fd[0], &family, sizeof(family)));
        CHECK_OK(kernel::listen(fd[0], 2 * static_cast<i32>(messages_max)));
        break;
    }
    default:
        new (static_cast<void*>(thing.async)) Asynchronous(*loop_);
        break;
    }
    for (u32 end = 0; end < 2; ++end) {
        const u8 bit = end == 0 ? Step::nonblocking : Step::also_far;
        if (fd[end] >= 0 && (step.flags & bit) != 0) {
            const i32 flags =
                CHECK_OK(kernel::fcntl(fd[end], abi::fcntl_command::get_status_flags));
            CHECK_OK(kernel::fcntl(fd[end], abi::fcntl_command::set_status_flags,
                                   flags | abi::open_flag::nonblock));
        }
    }
}

void Run::close_end(Thing& thing, u32 end) noexcept {
    if (thing.kind == Kind::counter) {
        thing.fd[1 - end] = -1;
    }
    thing.fd[end] = -1;
    thing.torn = true;
    thing.from[end].ended = true;
}

// ---- Whether a step makes sense, and the loop has to be quiet before it
// ----------------------------

bool Run::may_read(Thing& thing, u32 end) noexcept {
    if ((thing.fd[end] < 0 && thing.kind != Kind::notifier) || thing.kind == Kind::none ||
        (thing.kind >= Kind::pipe && end != 0)) {
        return false;
    }
    Direction& direction = into(thing, end);
    if (direction.read_begun || direction.write_begun) {
        quiet();
    }
    return !is_busy(direction.reader) && !direction.large;
}

bool Run::may_write(Thing& thing, u32 end, u32 bytes) noexcept {
    if (thing.fd[end] < 0 || (thing.kind == Kind::pipe && end != 1) ||
        ((thing.kind == Kind::tcp || thing.kind == Kind::datagram) && thing.torn)) {
        return false;
    }
    Direction& direction = thing.from[end];
    if (direction.write_begun || (direction.read_begun && !direction.was_empty)) {
        quiet();
    }
    const bool large = bytes >= large_bytes;
    return !is_busy(direction.writer) && !direction.large &&
           direction.written - direction.taken < queued_max &&
           (thing.kind != Kind::datagram || direction.messages < messages_max) &&
           (!large || (!is_busy(direction.reader) && !direction.read_begun &&
                       direction.written == direction.taken));
}

// ---- Operations
// --------------------------------------------------------------------------------------

Operation Run::file_operation_of(const Step& step, Slot& slot, i32 fd) noexcept {
    const u32 bytes = step.bytes <= data_bytes ? step.bytes : data_bytes;
    u8* const from = pattern_at(step.offset + step.slot);
    switch (step.call) {
    case Call::pread:
        return op::pread(fd, slot.data, bytes, step.offset);
    case Call::pread_all:
        return op::pread_all(fd, slot.data, bytes, step.offset);
    case Call::pwrite:
        return op::pwrite(fd, from, bytes, step.offset);
    case Call::pwrite_all:
        return op::pwrite_all(fd, from, bytes, step.offset);
    case Call::write_file:
        return op::write(fd, from, bytes);
    case Call::read_file:
        return op::read(fd, slot.data, bytes);
    case Call::fsync:
        return op::fsync(fd);
    case Call::fallocate:
        return op::fallocate(fd, {step.offset, u64{bytes} + 1});
    default:
        return op::ftruncate(fd, step.offset);
    }
}

Operation Run::operation_of(const Step& step, Slot& slot, i32 fd) noexcept {
    Thing& thing = thing_of(step);
    const bool counts = thing.kind == Kind::counter;
    const u32 bytes = slot.bytes;
    u8* out = pattern_at(thing.from[step.end].written);
    if (counts) {
        slot.number = step.bytes % 1000 + 1;
        out = reinterpret_cast<u8*>(&slot.number);
    }
    u8* const at = writes(step.call) ? out : slot.data;
    const u32 third = bytes / 3;
    slot.pieces[0] = {at, third};
    slot.pieces[1] = {at + third, 0};
    slot.pieces[2] = {at + third, bytes - third};
    slot.message = {};
    slot.message.vectors = slot.pieces;
    slot.message.vector_count = 3;
    BufferPool& pool = pools_[slot.pool].pool;
    switch (step.call) {
    case Call::nop:
        return op::nop();
    case Call::timer:
        return op::timer(step.bytes * u64{100});
    case Call::timer_far:
        return op::timer(u64{1'000'000'000'000});
    case Call::timer_every:
        return op::timer_every(u64{300'000});
    case Call::recv:
        return op::recv(fd, at, bytes);
    case Call::recv_all:
        return op::recv_all(fd, at, bytes);
    case Call::recvmsg:
        return op::recvmsg(fd, &slot.message);
    case Call::recvmsg_all:
        return op::recvmsg_all(fd, &slot.message);
    case Call::recv_pool:
        return op::recv(fd, pool);
    case Call::recv_multishot:
        return op::recv_multishot(fd, pool);
    case Call::recvmsg_multishot:
        slot.message.vector_count = 0;
        return op::recvmsg_multishot(fd, pool, &slot.message);
    case Call::read:
        return op::read(fd, at, bytes);
    case Call::read_all:
        return op::read_all(fd, at, bytes);
    case Call::readv:
        return op::readv(fd, slot.pieces, 3);
    case Call::read_pool:
        return op::read(fd, pool);
    case Call::read_multishot:
        return op::read_multishot(fd, pool);
    case Call::poll_in:
        return op::poll(fd, event::in);
    case Call::poll_multishot:
        return op::poll_multishot(fd, event::in);
    case Call::send:
        return op::send(fd, at, bytes);
    case Call::send_all:
        return op::send_all(fd, at, bytes);
    case Call::sendmsg:
        return op::sendmsg(fd, &slot.message);
    case Call::sendmsg_all:
        return op::sendmsg_all(fd, &slot.message);
    case Call::send_zero_copy:
        return op::send_zero_copy(fd, at, bytes);
    case Call::write:
        return op::write(fd, at, bytes);
    case Call::write_all:
        return op::write_all(fd, at, bytes);
    case Call::writev:
        return op::writev(fd, slot.pieces, 3);
    case Call::poll_out:
        return op::poll(fd, event::out);
    case Call::accept:
        return op::accept(fd);
    case Call::accept_multishot:
        return op::accept_multishot(fd);
    case Call::notification:
        return op::notification(reinterpret_cast<Asynchronous*>(thing.async)->async);
    default:
        return file_operation_of(step, slot, fd);
    }
}

void Run::start(Slot& slot, const Step& step, const Operation& operation) noexcept {
    slot.busy = slot.fresh = true;
    slot.behind = nobody;
    slot.step = at_;
    slot.results = 0;
    const Handler handler = {&Run::took, &slot};
    if ((step.flags & Step::chained) != 0 && step.what == Do::submit && step.other != step.slot &&
        slots_[step.other].busy) {
        slot.behind = step.other;
        slot.behind_ends = slots_[step.other].ends;
        loop_->then(slots_[step.other].completion, slot.completion, operation, handler);
        return;
    }
    loop_->submit(slot.completion, operation, handler);
}

void Run::submit(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    const Call call = step.call;
    const bool timed = call <= Call::timer_every;
    const bool of_file = is_of_file(call) || (thing.kind == Kind::file && !timed);
    const bool into_pool = takes_buffers(call);
    u32 end = step.end;
    if (thing.kind == Kind::file || thing.kind == Kind::listener || thing.kind == Kind::notifier) {
        end = 0;
    }
    if (thing.kind == Kind::none && !timed) {
        return;
    }
    // Whether the thing can do that at all is decided before anything is run for it.
    const bool notifies = call == Call::notification;
    const bool accepts = call == Call::accept || call == Call::accept_multishot;
    if (!timed &&
        (notifies != (thing.kind == Kind::notifier) || (accepts && thing.kind != Kind::listener) ||
         (thing.kind == Kind::listener && !accepts && call != Call::poll_in) ||
         (is_of_file(call) != of_file && call != Call::read_pool))) {
        return;
    }
    const bool all = call == Call::recv_all || call == Call::recvmsg_all ||
                     call == Call::read_all || call == Call::send_all ||
                     call == Call::sendmsg_all || call == Call::write_all;
    const bool socket_call = (call >= Call::recv && call <= Call::recvmsg_multishot) ||
                             (call >= Call::send && call <= Call::send_zero_copy);
    const bool is_socket = thing.kind >= Kind::tcp && thing.kind <= Kind::datagram;
    if ((socket_call && !is_socket) ||
        (all && (thing.kind == Kind::datagram || thing.kind == Kind::counter)) ||
        (call == Call::recvmsg_multishot && thing.kind != Kind::datagram) ||
        (call == Call::read_multishot && thing.kind == Kind::datagram) ||
        (call == Call::writev && step.bytes == 0) ||
        (into_pool && (!pools_[step.pool].pool.is_open() || pools_[step.pool].user != nobody))) {
        return;
    }
    Slot& slot = slots_[step.slot];
    if (slot.busy) {
        return;
    }
    slot.bytes = thing.kind == Kind::counter && !into_pool ? 8 : step.bytes;
    if (!writes(call) && slot.bytes > data_bytes) {
        slot.bytes = data_bytes;
    }
    const bool large = slot.bytes >= large_bytes;
    if (large && (!all || (thing.kind != Kind::stream && thing.kind != Kind::pipe))) {
        return;
    }
    Thing* target = nullptr;
    if (of_file) {
        Direction& direction = thing.from[0];
        if (thing.fd[0] < 0) {
            return;
        }
        if (direction.read_begun) {
            quiet();
        }
        if (is_busy(direction.reader)) {
            return;
        }
    } else if (call == Call::splice) {
        target = &things_[step.other % objects_max];
        const u32 to = target->kind == Kind::pipe ? 1 : 0;
        if (thing.kind != Kind::pipe || target == &thing ||
            (target->kind != Kind::pipe && target->kind != Kind::stream) || slot.bytes == 0 ||
            !may_read(thing, end) || !may_write(*target, to, slot.bytes)) {
            return;
        }
        quiet(); // for both
        if (is_busy(into(thing, end).reader) || is_busy(target->from[to].writer) ||
            thing.fd[0] < 0 || target->fd[to] < 0 ||
            ready_for(thing.fd[0], event::in) != event::in ||
            ready_for(target->fd[to], event::out) != event::out) {
            return;
        }
    } else if (reads(call)) {
        if (!may_read(thing, end)) {
            return;
        }
    } else if (writes(call) && !may_write(thing, end, slot.bytes)) {
        return;
    }
    if (slot.busy || (into_pool && pools_[step.pool].user != nobody)) {
        return; // quiet() may have begun what was chained
    }
    slot.call = call;
    slot.object = step.object;
    slot.end = static_cast<u8>(end);
    slot.pool = step.pool;
    slot.hold = step.hold;
    slot.rearms = writes(call) || of_file || call == Call::timer_every || call == Call::splice ||
                          thing.kind == Kind::notifier
                      ? u8{0}
                      : step.rearms;
    slot.ends_by_itself =
        of_file || call == Call::nop || call == Call::timer || call == Call::splice;
    Step sane = step;
    sane.end = slot.end;
    Operation operation = {};
    if (call == Call::splice) {
        const u32 to = target->kind == Kind::pipe ? 1 : 0;
        slot.splice = {thing.fd[0],           target->fd[to], abi::current_position,
                       abi::current_position, slot.bytes,     0};
        slot.number = static_cast<u64>(target - things_);
        operation = op::splice(&slot.splice);
        target->from[to].write_begun = true;
        target->from[to].cut = true; // its pattern will be another's
        target->from[to].writer = step.slot;
        sane.flags &= static_cast<u8>(~Step::chained); // it has to be now
    } else {
        operation = operation_of(sane, slot, timed ? -1 : thing.fd[end]);
    }
    if (large) {
        thing.from[end].large = true;
    }
    if (of_file) {
        thing.from[0].read_begun = true;
        thing.from[0].reader = step.slot;
    } else if (reads(call)) {
        Direction& direction = into(thing, end);
        direction.read_begun = true;
        direction.reader = step.slot;
        direction.was_empty = thing.kind == Kind::notifier
                                  ? !thing.notified
                                  : ready_for(thing.fd[end], event::in) == 0;
    } else if (writes(call)) {
        thing.from[end].write_begun = true;
        thing.from[end].writer = step.slot;
    }
    if (into_pool) {
        pools_[step.pool].user = step.slot;
    }
    slot.expires = false;
    slot.waits = (reads(call) && into(thing, end).was_empty && call != Call::splice) ||
                 call == Call::timer_far;
    const bool is_chained =
        (sane.flags & Step::chained) != 0 && step.other != step.slot && slots_[step.other].busy;
    if (!of_file && !timed && (step.flags & Step::long_time) != 0) {
        operation = with_timeout(operation, u64{1'000'000'000'000});
    } else if (slot.waits && !timed && !is_chained && (step.flags & Step::short_time) != 0) {
        operation = with_timeout(operation, 500'000);
        slot.expires = true;
        slot.rearms = 0;
        start(slot, sane, operation);
        quiet();
        return;
    }
    start(slot, sane, operation);
}

// ---- Plain system calls
// ------------------------------------------------------------------------------

void Run::plain_write(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if (thing.kind == Kind::notifier) {
        Direction& direction = thing.from[1];
        if (direction.write_begun) {
            quiet();
        }
        direction.write_begun = true;
        thing.notified = true;
        reinterpret_cast<Asynchronous*>(thing.async)->async.notify();
        return;
    }
    if (thing.kind == Kind::listener) {
        Direction& direction = thing.from[1];
        if (thing.fd[0] < 0 || direction.messages == messages_max) {
            return;
        }
        if (direction.write_begun || (direction.read_begun && !direction.was_empty)) {
            quiet();
        }
        const Fd client(CHECK_OK(kernel::socket(
            abi::socket_family::local, abi::socket_type::stream | abi::socket_type::cloexec, 0)));
        abi::SocketAddressUn address;
        u32 bytes = sizeof(address);
        CHECK_OK(kernel::getsockname(thing.fd[0], &address, &bytes));
        record(at_, kernel::connect(client, &address, bytes));
        direction.write_begun = true;
        ++direction.messages;
        return;
    }
    const u32 end = thing.kind == Kind::counter || thing.kind == Kind::pipe ? 1 : step.end;
    const u32 bytes = step.bytes < large_bytes ? step.bytes : 100;
    if (thing.kind == Kind::none || thing.kind == Kind::file || !may_write(thing, end, bytes) ||
        thing.from[end].ended || thing.fd[1 - end] < 0 ||
        (bytes == 0 && thing.kind != Kind::datagram)) {
        return;
    }
    Direction& direction = thing.from[end];
    direction.write_begun = true;
    if (thing.kind == Kind::counter) {
        const u64 number = bytes;
        record(at_, ready_for(thing.fd[1], event::out) != 0
                        ? static_cast<i32>(kernel::write(thing.fd[1], &number, sizeof(number)))
                        : 0);
        return;
    }
    const u8* const data = pattern_at(direction.written);
    long written = 0;
    if (thing.kind != Kind::pipe) {
        written = kernel::send(thing.fd[end], data, bytes, msg::dontwait | msg::nosignal);
    } else if (ready_for(thing.fd[end], event::out) == event::out) {
        written = kernel::write(thing.fd[end], data, bytes);
    }
    direction.written += written > 0 ? static_cast<u32>(written) : 0;
    direction.messages += 1;
    record(at_, static_cast<i32>(written));
}

/// Takes what is there, without waiting, and checks it. How many bytes.
u32 Run::read_some(Thing& thing, u32 end) noexcept {
    Direction& direction = into(thing, end);
    u32 total = 0;
    for (;;) {
        long count = -1;
        if (thing.kind != Kind::pipe) {
            count = kernel::recv(thing.fd[end], scratch_, sizeof(scratch_), msg::dontwait);
        } else if (ready_for(thing.fd[end], event::in) != 0) {
            count = kernel::read(thing.fd[end], scratch_, sizeof(scratch_));
        }
        if (count <= 0) {
            return total;
        }
        const u32 bytes = static_cast<u32>(count);
        for (u32 i = 0; i < bytes && !direction.cut; i += period) {
            const u32 part = bytes - i < period ? bytes - i : period;
            if (digest_of(scratch_ + i, part) != digest_of(pattern_at(direction.taken + i), part)) {
                fault("bytes of a large write arrived changed, or in another order");
            }
        }
        direction.taken += bytes;
        total += bytes;
    }
}

/// All of a large write that is under way, or of what is left of it.
void Run::drain(Thing& thing, u32 end) noexcept {
    Direction& direction = into(thing, end);
    const bool was_cut = direction.cut;
    u32 total = 0;
    u32 got = 0;
    do {
        got = read_some(thing, end);
        total += got;
        quiet();
    } while (got != 0 && is_busy(direction.writer));
    total += read_some(thing, end);
    if (is_busy(direction.writer)) {
        fault("a write does not go on though there is room");
    } else {
        direction.large = false;
    }
    record(at_, was_cut || direction.cut ? 0 : static_cast<i32>(total));
}

void Run::plain_read(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if (thing.kind == Kind::none || thing.kind == Kind::file || thing.kind == Kind::notifier) {
        return;
    }
    const u32 end = thing.kind >= Kind::pipe ? 0 : step.end;
    if (thing.fd[end] < 0) {
        return;
    }
    quiet();
    Direction& direction = into(thing, end);
    if (is_busy(direction.reader)) {
        return;
    }
    if (direction.large) {
        if (!is_busy(direction.writer) || has_begun(slots_[direction.writer])) {
            drain(thing, end);
        }
        return;
    }
    const u32 bytes = step.bytes % 2000 + 1;
    if (ready_for(thing.fd[end], event::in) == 0) {
        record(at_, 0);
        return;
    }
    if (thing.kind == Kind::listener) {
        const i32 fd = kernel::accept4(thing.fd[end], nullptr, nullptr, abi::accept4_flag::cloexec);
        record(at_, fd >= 0 ? 1 : fd);
        if (fd >= 0) {
            (void)kernel::close(fd);
        }
        return;
    }
    const bool is_socket = thing.kind <= Kind::datagram;
    const long count =
        is_socket ? kernel::recv(thing.fd[end], scratch_, bytes, msg::dontwait)
                  : kernel::read(thing.fd[end], scratch_, thing.kind == Kind::counter ? 8 : bytes);
    const u32 taken = count > 0 ? static_cast<u32>(count) : 0;
    if (is_stream(thing.kind)) {
        if (taken != 0 && !direction.cut &&
            digest_of(scratch_, taken) != digest_of(pattern_at(direction.taken), taken)) {
            fault("bytes arrived changed, or in another order");
        }
        direction.taken += taken;
    }
    record(at_, static_cast<i32>(count), 0, taken != 0 ? digest_of(scratch_, taken) : 0);
}

void Run::plain_shutdown(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if ((thing.kind != Kind::tcp && thing.kind != Kind::stream) || thing.torn) {
        return;
    }
    quiet();
    Direction& direction = thing.from[step.end];
    if (is_busy(direction.writer) || thing.fd[step.end] < 0) {
        return;
    }
    record(at_, kernel::shutdown(thing.fd[step.end], abi::shutdown_how::write));
    direction.ended = true;
    direction.write_begun = true;
}

void Run::plain_close(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    const u32 end = thing.kind == Kind::file || thing.kind == Kind::listener ? 0 : step.end;
    if (thing.kind == Kind::none || thing.fd[end] < 0) {
        return;
    }
    quiet();
    for (const Slot& slot : slots_) {
        const bool same_end = slot.end == end || thing.kind == Kind::counter;
        const bool moves = slot.call == Call::splice && slot.number == step.object;
        if (slot.busy && slot.call > Call::timer_every &&
            ((slot.object == step.object && same_end) || moves)) {
            return;
        }
    }
    tell_file(thing);
    record(at_, kernel::close(thing.fd[end]));
    close_end(thing, end);
    thing.from[1 - end].write_begun = thing.from[end].write_begun = true;
    quiet();
}

// ---- Ending operations
// -------------------------------------------------------------------------------

void Run::cancel(const Step& step) noexcept {
    Slot& target = slots_[step.other];
    Slot& request = slots_[step.slot];
    const bool begun = has_begun(target);
    const Thing& thing = things_[target.object];
    const bool untouched = target.call == Call::timer_far ||
                           (reads(target.call) && !thing.from[1 - target.end].write_begun);
    const bool waits = target.busy && (!begun || (target.waits && untouched));
    if (!target.fresh || (step.flags & Step::early) == 0 || !waits) {
        quiet();
    }
    if ((step.flags & Step::unseen) != 0) {
        loop_->cancel(target.completion);
    } else if (&request != &target && !request.busy) {
        request.call = Call::nop;
        request.ends_by_itself = true;
        request.expires = false;
        request.rearms = 0;
        start(request, step, op::cancel(target.completion));
    }
    quiet();
}

void Run::cancel_fd(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    Slot& request = slots_[step.slot];
    quiet();
    if (request.busy ||
        (step.what == Do::cancel_fd && (thing.kind == Kind::none || thing.fd[step.end] < 0))) {
        return;
    }
    request.call = Call::nop;
    request.ends_by_itself = true;
    request.expires = false;
    request.rearms = 0;
    start(request, step,
          step.what == Do::cancel_fd ? op::cancel_fd(thing.fd[step.end]) : op::cancel_all());
    quiet();
}

void Run::close(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    Slot& request = slots_[step.slot];
    const u32 end = thing.kind == Kind::file || thing.kind == Kind::listener ? 0 : step.end;
    quiet();
    if (request.busy || thing.kind == Kind::none || thing.fd[end] < 0) {
        return;
    }
    tell_file(thing);
    request.call = Call::nop;
    request.ends_by_itself = true;
    request.expires = false;
    request.rearms = 0;
    start(request, step, op::close(thing.fd[end]));
    close_end(thing, end);
    // Whoever was on it is still busy with that number until it is told.
    quiet();
}

void Run::give_back(Pool& pool) noexcept {
    for (u32 i = 0; i < pool.held_count; ++i) {
        pool.pool.give_back(pool.held[i]);
    }
    pool.held_count = 0;
}

// ---- From first to last
// ------------------------------------------------------------------------------

void Run::tell_file(Thing& thing) noexcept {
    if (thing.kind == Kind::file && thing.fd[0] >= 0) {
        const long count = kernel::pread(thing.fd[0], scratch_, sizeof(scratch_), 0);
        record(at_, static_cast<i32>(count), 0,
               count > 0 ? digest_of(scratch_, static_cast<u32>(count)) : 0);
        record(at_, static_cast<i32>(size_of(thing.fd[0])));
    }
}

void Run::do_step(const Step& step) noexcept {
    switch (step.what) {
    case Do::make:
        make(step);
        return;
    case Do::submit:
        submit(step);
        return;
    case Do::write:
        plain_write(step);
        return;
    case Do::read:
        plain_read(step);
        return;
    case Do::shutdown:
        plain_shutdown(step);
        return;
    case Do::shut:
        plain_close(step);
        return;
    case Do::cancel:
        cancel(step);
        return;
    case Do::cancel_fd:
    case Do::cancel_all:
        cancel_fd(step);
        return;
    case Do::close:
        close(step);
        return;
    case Do::give_back:
        quiet();
        give_back(pools_[step.pool]);
        quiet();
        return;
    default:
        quiet();
        return;
    }
}

/// Cancels what is left, and looks that nothing else is.
void Run::end() noexcept {
    at_ = steps_max;
    quiet();
    if (loop_->drain(now_ns() + stuck_ns) != 0 || loop_->in_flight() != 0) {
        fault("drain left something in flight");
    }
    for (const Slot& slot : slots_) {
        if (slot.busy || !slot.completion.idle()) {
            fault("an operation has no last result");
        }
    }
    for (Thing& thing : things_) {
        tell_file(thing);
        for (u32 side = 0; side < 2 && is_stream(thing.kind); ++side) {
            Direction& direction = into(thing, side);
            if (thing.fd[side] < 0) {
                continue;
            }
            (void)read_some(thing, side);
            if (direction.taken != direction.written && !direction.cut && !thing.torn) {
                fault("bytes were lost, or came twice");
            }
        }
        for (u32 side = 0; side < 2; ++side) {
            if (thing.fd[side] >= 0 && (side == 0 || thing.fd[1] != thing.fd[0])) {
                (void)kernel::close(thing.fd[side]);
            }
        }
    }
    for (Pool& pool : pools_) {
        if (pool.pool.is_open()) {
            give_back(pool);
            if (pool.pool.held() != 0) {
                fault("a buffer was lost");
            }
            pool.pool.close();
        }
    }
    (void)loop_->run(oxbow::Run::no_wait); // what was notified last
}

void Run::run(Loop& loop, const Program& program, const Trace* expected, Trace& trace) noexcept {
    fill_pattern_once();
    loop_ = &loop;
    program_ = &program;
    expected_ = expected;
    trace_ = &trace;
    trace.fault = nullptr;
    trace.count = trace.quiets = 0;
    at_ = 0;
    __builtin_memset(static_cast<void*>(things_), 0, sizeof(things_));
    for (Thing& thing : things_) {
        thing.fd[0] = thing.fd[1] = -1;
        for (Direction& direction : thing.from) {
            direction.reader = direction.writer = nobody;
        }
    }
    bool uses_pools = false;
    for (u32 i = 0; i < program.count; ++i) {
        uses_pools |= program.steps[i].what == Do::submit && takes_buffers(program.steps[i].call);
    }
    for (Slot& slot : slots_) {
        slot.busy = slot.fresh = false;
        slot.behind = nobody;
        slot.ends = 0;
    }
    for (u32 i = 0; i < pools_max; ++i) {
        pools_[i].user = nobody;
        pools_[i].held_count = 0;
        if (uses_pools) {
            CHECK_OK(pools_[i].pool.open(
                loop, {.count = i == 0 ? 1u : 3u, .buffer_bytes = i == 0 ? 40u : 300u}));
        }
    }
    const i32 fds = open_fd_count();
    const Statistics before = loop.statistics();
    for (; at_ < program.count && trace.fault == nullptr; ++at_) {
        do_step(program.steps[at_]);
    }
    const u32 last = at_;
    end();
    const Statistics& after = loop.statistics();
    if (after.submitted - before.submitted != after.completed - before.completed) {
        fault("not as many operations have ended as were submitted");
    }
    // The reference's wait thread or workers may have started meanwhile; they have no descriptors.
    if (open_fd_count() != fds) {
        fault("descriptors were left open, or closed too often");
    }
    if (trace.fault != nullptr && trace.fault_step == steps_max) {
        trace.fault_step = last;
    }
}

} // namespace

void forget_runs() noexcept {
    __builtin_memset(run_memory, 0, sizeof(run_memory));
}

void execute(Loop& loop, const Program& program, const Trace* expected, Trace& trace) noexcept {
    reinterpret_cast<Run*>(run_memory)->run(loop, program, expected, trace);
}

} // namespace oxbow::test::differential
