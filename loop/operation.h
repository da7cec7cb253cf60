// Operation: what is to be done, as a value: a kind, a descriptor, and the arguments of that kind.
// op.h has a function for each, which is how they are made, and says what each means. Engines and
// perform.cc read the fields; nobody else needs to.
//
// The structs are packed to words of 32 bits, because a Completion has to hold them in 20 bytes on
// 32-bit machines and in 24 on 64-bit ones. What does not fit stands behind a pointer, in memory of
// the caller that must live as long as the operation.
#pragma once

#include "../syscall/abi_file.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "../syscall/abi_socket.h"
#include "../syscall/types.h"
#include "needs.h"

namespace oxbow {

class Async;
class BufferPool;
struct Completion;

/// Every operation. Those with `_all` go on after a short transfer until all is done, the stream
/// ends, or an error comes.
enum class Kind : u8 {
    nop,
    timer,
    notification, ///< of an Async
    cancel,
    cancel_fd,
    cancel_all,
    close,

    socket,
    bind,
    listen,
    shutdown,
    connect,
    accept,
    accept_multishot,
    recv,
    recv_all,
    recv_managed,
    recv_multishot,
    recvmsg,
    recvmsg_all,
    recvmsg_multishot,
    send,
    send_all,
    send_zero_copy,
    sendmsg,
    sendmsg_all,
    sendmsg_zero_copy,

    read,
    read_all,
    read_managed,
    read_multishot,
    write,
    write_all,
    readv,
    writev,
    poll,
    poll_multishot,

    openat,
    openat2,
    statx,
    fsync,
    sync_file_range,
    fallocate,
    ftruncate,
    fadvise,
    madvise,
    renameat,
    unlinkat,
    mkdirat,
    symlinkat,
    linkat,
    getxattr,
    setxattr,
    fgetxattr,
    fsetxattr,
    splice,
    tee,
    copy_file_range,
    pipe,

    waitid,
    futex_wait,
    futex_waitv,
    futex_wake,

    count, ///< how many there are
};

namespace arguments {

/// A 64-bit number that needs no more alignment than its halves.
using PackedU64 [[gnu::aligned(4)]] = u64;

struct Timer {
    PackedU64 time_ns;   ///< a duration from now, or with `absolute` a point of CLOCK_MONOTONIC
    PackedU64 period_ns; ///< 0: once
    u32 absolute;
};
struct Notification {
    Async* async;
};
struct Cancel {
    Completion* target;
    u32 generation; ///< of the activation that is meant; any_generation: the one there is
};
inline constexpr u32 any_generation = ~0u;

struct Socket {
    i32 family;
    i32 type;
    i32 protocol;
};
struct Address { // bind, connect
    const void* address;
    u32 bytes;
};
struct Listen {
    i32 backlog;
};
struct Shutdown {
    i32 how;
};
struct Accept {
    void* address;
    u32* address_bytes;
    u32 room;
    i32 flags;
};
struct Receive { // recv, recv_all
    void* data;
    u32 bytes;
    u32 flags;
};
struct Managed { // recv_managed, recv_multishot, read_managed, read_multishot, recvmsg_multishot
    BufferPool* pool;
    abi::MessageHeader* message; ///< recvmsg_multishot
    u32 flags;
};
struct Send { // send, send_all, send_zero_copy
    const void* data;
    u32 bytes;
    u32 flags;        ///< with a pool, the buffer's id is above pooled_flags
    BufferPool* pool; ///< send_all: whose buffer goes back in the end; nullptr: none does

    static constexpr u32 buffer_shift = 16;
    static constexpr u32 pooled_flags = (1u << buffer_shift) - 1;
    [[nodiscard]] u32 message_flags() const noexcept {
        return pool != nullptr ? flags & pooled_flags : flags;
    }
    /// The buffer's id.
    [[nodiscard]] u16 buffer() const noexcept { return static_cast<u16>(flags >> buffer_shift); }
};
struct ReceiveMessage {
    abi::MessageHeader* message;
    u32 flags;
};
struct SendMessage {
    const abi::MessageHeader* message;
    u32 flags;
};
struct Transfer { // read, read_all, write, write_all
    void* data;
    PackedU64 offset; ///< or abi::current_position
    u32 bytes;
    u32 flags; ///< abi::rw_flag
};
struct Vector { // readv, writev
    const abi::IoVec* pieces;
    PackedU64 offset;
    u32 count;
    u32 flags;
};
struct Poll {
    u32 events;
};

struct Open {
    const char* path;
    i32 flags;
    u32 mode;
};
struct Open2 {
    const char* path;
    const abi::OpenHow* how;
};
struct Status {
    const char* path;
    abi::Statx* status;
    i32 flags;
    u32 mask;
};
struct Sync {
    u32 data_only;
};
struct Range { // sync_file_range (flags), fallocate (mode), fadvise (advice), ftruncate (bytes)
    PackedU64 offset;
    PackedU64 bytes;
    u32 how;
};
struct Memory {
    void* address;
    PackedU64 bytes;
    i32 advice;
};
struct Paths { // renameat, linkat, symlinkat; the operation's fd is the old directory
    const char* old_path;
    const char* new_path;
    i32 new_directory;
    u32 flags;
};
struct Path { // unlinkat (flags), mkdirat (mode)
    const char* path;
    u32 how;
};
struct Attribute { // fgetxattr, fsetxattr
    const char* name;
    void* value;
    u32 bytes;
    i32 flags;
};
struct PathAttribute { // getxattr, setxattr
    const char* path;
    const Attribute* attribute; ///< lives as long as the operation
};

/// Of splice, tee and copy_file_range. It lives as long as the operation.
struct Splice {
    i32 from_fd;
    i32 to_fd;
    u64 from_offset; ///< of a pipe, or a file where its own position is: abi::current_position
    u64 to_offset;   ///< the same
    u32 bytes;
    u32 flags; ///< abi::splice_flag; of copy_file_range: 0
};
struct SplicePointer {
    const Splice* splice;
};
struct Pipe {
    i32* fds;
    i32 flags;
};

struct Wait {
    abi::SignalInfo* info;
    i32 which;
    i32 id;
    i32 options;
};
struct FutexWait {
    const u32* word;
    u32 expected;
    u32 shared;
};
struct FutexWaitMany {
    const abi::FutexWaiter* waiters;
    u32 count;
};
struct FutexWake {
    const u32* word;
    u32 count;
    u32 shared;
};

union Any {
    u8 nothing = 0;
    Timer timer;
    Notification notification;
    Cancel cancel;
    Socket socket;
    Address address;
    Listen listen;
    Shutdown shutdown;
    Accept accept;
    Receive receive;
    Managed managed;
    Send send;
    ReceiveMessage receive_message;
    SendMessage send_message;
    Transfer transfer;
    Vector vector;
    Poll poll;
    Open open;
    Open2 open2;
    Status status;
    Sync sync;
    Range range;
    Memory memory;
    Paths paths;
    Path path;
    Attribute attribute;
    PathAttribute path_attribute;
    SplicePointer splice;
    Pipe pipe;
    Wait wait;
    FutexWait futex_wait;
    FutexWaitMany futex_wait_many;
    FutexWake futex_wake;
};
static_assert(sizeof(Any) == (sizeof(void*) == 8 ? 24 : 20));

} // namespace arguments

/// What is to be done. A plain value: copy it, keep it, submit it as often as you like.
struct Operation {
    static constexpr u64 no_deadline = ~u64{0};

    Kind kind = Kind::nop;
    bool deadline_is_relative = false;
    i32 fd = -1; ///< what it works on; the directory of a path; -1 where there is none
    arguments::Any arguments{};
    u64 deadline_ns = no_deadline; ///< see with_deadline, with_timeout
};

/// The same operation, which ends with -ETIME where it is not done at `deadline_ns`, a point of
/// CLOCK_MONOTONIC (Loop::now_ns). Whatever had been done by then is reported as its true result.
template <class Caller = void>
[[nodiscard]] inline Operation with_deadline(Operation operation, u64 deadline_ns) noexcept {
    detail::need_timing<Caller>();
    operation.deadline_ns = deadline_ns;
    operation.deadline_is_relative = false;
    return operation;
}

/// The same operation, which ends with -ETIME where it is not done `timeout_ns` after its submit,
/// or after the end of the callbacks of the round where a callback submits it (op::timer). A rearm
/// keeps that point in time, since a completion has no room for the duration: submit it anew for a
/// new one.
template <class Caller = void>
[[nodiscard]] inline Operation with_timeout(Operation operation, u64 timeout_ns) noexcept {
    detail::need_timing<Caller>();
    operation.deadline_ns = timeout_ns;
    operation.deadline_is_relative = true;
    return operation;
}

/// Whether results with more() may come before the last one.
[[nodiscard]] constexpr bool is_multishot(Kind kind) noexcept {
    return kind == Kind::accept_multishot || kind == Kind::recv_multishot ||
           kind == Kind::recvmsg_multishot || kind == Kind::read_multishot ||
           kind == Kind::poll_multishot;
}

/// Whether its data go into a buffer of a BufferPool.
[[nodiscard]] constexpr bool is_managed(Kind kind) noexcept {
    return kind == Kind::recv_managed || kind == Kind::recv_multishot ||
           kind == Kind::recvmsg_multishot || kind == Kind::read_managed ||
           kind == Kind::read_multishot;
}

/// Whether it moves messages with addresses, control data and vectors.
[[nodiscard]] constexpr bool is_message(Kind kind) noexcept {
    return (kind >= Kind::recvmsg && kind <= Kind::recvmsg_multishot) ||
           (kind >= Kind::sendmsg && kind <= Kind::sendmsg_zero_copy);
}

/// Whether it goes on after a short transfer.
[[nodiscard]] constexpr bool transfers_all(Kind kind) noexcept {
    return kind == Kind::recv_all || kind == Kind::recvmsg_all || kind == Kind::send_all ||
           kind == Kind::sendmsg_all || kind == Kind::read_all || kind == Kind::write_all;
}

} // namespace oxbow
