// The differential test: random programs of operations and plain system calls are run on every
// engine, and each completion must get the same sequence of results on all of them.
//
// A program is data: a list of steps that name things by small numbers. Any list is a program: a
// step that makes no sense where it stands is left out, which depends on nothing but the steps
// before it. So programs can be drawn at random, and shrunk by leaving steps out.
//
// What makes results comparable is that the executor runs the loop only until it is quiet: until
// every operation that can end has ended, as poll(2) says of its descriptor. Between two such
// points each direction of a thing is used once. differential_run.cc lists what is left out because
// two outcomes are right.
#pragma once

#include "harness.h"
#include "loop_configurations.h"

namespace oxbow::test::differential {

enum class Kind : u8 {
    none,
    tcp,
    stream,   ///< AF_UNIX
    datagram, ///< AF_UNIX
    pipe,     ///< end 0 reads, end 1 writes
    counter,  ///< an eventfd: both ends are the same descriptor
    file,
    listener, ///< AF_UNIX
    notifier, ///< an Async
    count,
};

enum class Call : u8 {
    nop,
    timer,
    timer_far,
    timer_every,
    recv,
    recv_all,
    recvmsg,
    recvmsg_all,
    recv_pool,
    recv_multishot,
    recvmsg_multishot,
    read,
    read_all,
    readv,
    read_pool,
    read_multishot,
    poll_in,
    poll_multishot,
    send,
    send_all,
    sendmsg,
    sendmsg_all,
    send_zero_copy,
    write,
    write_all,
    writev,
    poll_out,
    pread,
    pread_all,
    pwrite,
    pwrite_all,
    write_file,
    read_file,
    fsync,
    fallocate,
    ftruncate,
    accept,
    accept_multishot,
    notification,
    splice,
    count,
};

enum class Do : u8 {
    make,
    submit,
    write,    ///< a plain system call: to the other side, a client's connect, a notify
    read,     ///< a plain system call; where a large write is under way, until all of it is there
    shutdown, ///< a plain system call
    shut,     ///< close, as a plain system call
    cancel,
    cancel_fd,
    cancel_all,
    close, ///< op::close
    give_back,
    quiet,
    count,
};

struct Step {
    /// Bits of `flags`.
    static constexpr u8 nonblocking = 1; ///< make: of end 0
    static constexpr u8 also_far = 2;    ///< make: nonblocking, of end 1
    static constexpr u8 chained = 4;     ///< submit: behind slot `other`
    static constexpr u8 short_time = 8;  ///< submit: a deadline that passes
    static constexpr u8 long_time = 16;  ///< submit: a deadline that does not
    static constexpr u8 early = 32;      ///< cancel: before the loop has run
    static constexpr u8 unseen = 64;     ///< cancel: Loop::cancel

    Do what;
    u8 slot;
    u8 object;
    u8 end;
    Kind kind; ///< make
    Call call; ///< submit
    u8 pool;
    u8 other;
    u8 rearms;
    u8 hold; ///< buffers that are kept until a give_back
    u8 flags;
    u32 bytes;
    u32 offset;
};

inline constexpr u32 steps_max = 48;
inline constexpr u32 slots_max = 8;
inline constexpr u32 objects_max = 6;
inline constexpr u32 pools_max = 2;

struct Program {
    u64 seed;
    u32 count;
    Step steps[steps_max];
};

/// What is drawn more often.
struct Profile {
    const char* name;
    u32 weights[static_cast<u32>(Kind::count)]; ///< of each kind of thing
    u32 pools;                                  ///< of 1000 submits that could use one
    u32 times;                                  ///< of 1000 submits: timers and nops
};
inline constexpr Profile profiles[] = {
    {"sockets", {0, 4, 4, 3, 0, 0, 0, 2, 0}, 150, 60},
    {"pipes", {0, 0, 2, 0, 5, 3, 0, 0, 1}, 150, 60},
    {"pools", {0, 2, 3, 3, 3, 1, 0, 0, 0}, 800, 20},
    {"files", {0, 0, 1, 0, 2, 1, 5, 0, 1}, 100, 200},
};

[[nodiscard]] Program generate(u64 seed, const Profile& profile) noexcept;

/// One result of one completion; `step` is the step that submitted it, or that made a plain call.
struct Record {
    static constexpr u8 more = 1;
    static constexpr u8 eof = 2;
    static constexpr u8 buffer = 4;

    u16 step;
    u8 flags;
    i32 value;
    u32 digest; ///< of the data
};

inline constexpr u32 records_max = 400;
inline constexpr u32 quiets_max = 3 * steps_max;

struct Trace {
    const char* fault; ///< what is wrong whatever the others say, or nullptr
    u32 fault_step;
    u32 count;
    u32 quiets;
    u16 counts[quiets_max]; ///< records at each quiet point
    Record records[records_max];
};

/// Runs a program. `expected` is a trace of another engine, as which it goes on waiting for a
/// little where it has told less; or nullptr.
void execute(Loop& loop, const Program& program, const Trace* expected, Trace& trace) noexcept;

/// In a forked child: what the parent has in flight is not the child's.
void forget_runs() noexcept;

/// Whether two traces tell the same of every completion.
[[nodiscard]] bool agree(const Trace& a, const Trace& b) noexcept;

/// Runs `count` programs on every configuration, and fails with the first on which two disagree,
/// shrunk. Seeds are drawn from `random`.
void run_programs(Random& random, const Profile& profile, u32 count) noexcept;

/// The same for one seed.
void run_seed(u64 seed, const Profile& profile) noexcept;

} // namespace oxbow::test::differential
