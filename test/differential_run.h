// Running a program of differential.h on one engine: the state of a run. differential_quiet.cc
// waits and notes results, differential_submit.cc starts operations, differential_plain.cc does the
// other steps, differential_run.cc goes from first to last.
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
// - Whether a poll of a socket whose other end is closed still tells of an error, or another
//   operation has been told it, which happens once.
// - How often a poll_multishot tells the same, and the numbers of descriptors and buffers.
// - The counts of timers: a loaded machine misses periods.
// - writev of no bytes: the ring asks the file, which may be a socket that sends an empty datagram
// or
//   says EPIPE; writev(2) does not.
#pragma once

#include "../loop/buffer_pool.h"
#include "../syscall/abi_epoll.h"
#include "../syscall/abi_uring_register.h"
#include "differential.h"
#include "live_ring.h"

namespace oxbow::test::differential {

namespace event = abi::poll_event;
namespace msg = abi::msg_flag;

inline constexpr u8 nobody = 0xff;
inline constexpr u32 data_bytes = 4096;    // of reads
inline constexpr u32 queued_max = 6000;    // bytes of a direction, so that small writes never wait
inline constexpr u32 messages_max = 12;    // of a datagram socket
inline constexpr u32 period = 4093;        // of the pattern
inline constexpr u32 large_bytes = 20'000; // from here on a write may wait for its reader
inline constexpr u32 pattern_bytes = 256'000 + period;
inline constexpr u64 stuck_ns = 1'500'000'000;
inline constexpr u64 behind_ns = 100'000'000; // for what another engine has told already

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
    u32 events; ///< that a poll was told of last
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
[[nodiscard]] inline u32 ready_for(i32 fd, u32 events) noexcept {
    abi::PollFd poll = {fd, static_cast<u16>(events), 0};
    const abi::Timespec at_once = {};
    return kernel::ppoll(&poll, 1, &at_once) > 0 ? poll.revents : 0;
}

[[nodiscard]] inline u32 digest_of(const u8* data, u32 bytes) noexcept {
    u32 hash = 2166136261u;
    for (u32 i = 0; i < bytes; ++i) {
        hash = (hash ^ data[i]) * 16777619u;
    }
    return hash | 1;
}

/// What streams carry: every position can be told from its neighbours.
/// Without a division, which some 32-bit machines have in libgcc.
[[nodiscard]] constexpr u32 remainder_of(u32 value, u32 divisor) noexcept {
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

extern u8 pattern[pattern_bytes];
void fill_pattern_once() noexcept;
[[nodiscard]] inline u8* pattern_at(u32 position) noexcept {
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
    [[nodiscard]] bool may_start(const Step& step, u32 end) noexcept;
    [[nodiscard]] bool may_splice(const Step& step) noexcept;
    [[nodiscard]] Operation splice_of(const Step& step, Slot& slot) noexcept;
    void take_hold(const Step& step, Slot& slot) noexcept;
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
    u32 ticks_; ///< of repeating timers, behind their first
    u32 at_;
    Thing things_[objects_max];
    Slot slots_[slots_max];
    Pool pools_[pools_max];
    u8 scratch_[1 << 16];
};

/// The one run there is, in memory that is all zero at first.
[[nodiscard]] Run& the_run() noexcept;

} // namespace oxbow::test::differential
