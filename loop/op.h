// A function for each operation. It only makes a value; Loop::submit starts it:
//
//     loop.submit(completion, op::recv(fd, data, bytes), on<&Session::received>(session));
//
// What holds for all of them, on both engines alike:
//
// - Pointers are the caller's memory and must stay valid until the callback begins with the last
//   result (the one without more()). Plain structs that are passed by reference are copied.
// - A result is a count, a descriptor or 0, or a negative errno. Besides what is listed, every
//   operation can end with -ECANCELED (it was cancelled, its fd was closed, or the loop drains),
//   -ETIME (its deadline passed), -EBADF (no such descriptor) and -EFAULT (no such memory).
// - EINTR and EAGAIN never come out, unless the caller asked for the latter (msg_flag::dontwait,
//   rw_flag::nowait, which is -EOPNOTSUPP where the kernel cannot promise not to wait, as of pipes
//   before 6.5). Blocking and non-blocking descriptors both work, and keep their flags.
// - Of several operations that wait for input of one descriptor, or for room, each byte, message
//   and connection goes to exactly one; to which of them first is the engine's choice.
// - Functions that are templates of a `Caller` are to be called as if they were not: needs.h.
// - No operation raises SIGPIPE; -EPIPE says the same.
// - On io_uring it is the ring's operation of this name where the kernel has it; on epoll it is the
//   system call of this name, tried first and then made again when the descriptor is ready. What
//   can block without a descriptor to wait for (files, paths) runs on a worker thread.
#pragma once

#include "buffer_pool.h"
#include "needs.h"
#include "operation.h"

namespace oxbow::op {

using arguments::Splice;

namespace detail {
using ::oxbow::detail::need_messages;
using ::oxbow::detail::need_paths;
using ::oxbow::detail::need_processes;
using ::oxbow::detail::need_timing;
using ::oxbow::detail::need_transfers;
using ::oxbow::detail::need_wait_thread;

[[nodiscard]] constexpr Operation make(Kind kind, i32 fd) noexcept {
    Operation operation;
    operation.kind = kind;
    operation.fd = fd;
    return operation;
}

/// msg_flag::waitall asks for the `_all` form, which is what io_uring makes of it and what a call
/// that does not wait has no way to do. Not together with peek: that never gets on.
[[nodiscard]] constexpr bool asks_for_all(u32 flags) noexcept {
    return (flags & (abi::msg_flag::waitall | abi::msg_flag::peek)) == abi::msg_flag::waitall;
}
} // namespace detail

// ---- The loop itself ----------------------------------------------------------------------------

/// Ends with 0 in the next round, without the kernel.
[[nodiscard]] inline Operation nop() noexcept {
    return detail::make(Kind::nop, -1);
}

/// Ends `duration_ns` after its submit, never earlier, with the count of periods that have passed:
/// 1. One that a callback submits counts from the end of the callbacks of this round, since one
/// look at the clock then serves them all; who needs it to the point uses timer_at. A rearm lets it
/// end again `duration_ns` after it was due; what was missed meanwhile is counted and not caught up
/// on.
template <class Caller = void>
[[nodiscard]] inline Operation timer(u64 duration_ns) noexcept {
    detail::need_timing<Caller>();
    Operation operation = detail::make(Kind::timer, -1);
    operation.arguments.timer = {duration_ns, 0, false};
    return operation;
}

/// As `timer`, at a point of CLOCK_MONOTONIC: Loop::now_ns. A rearm ends in the next round.
template <class Caller = void>
[[nodiscard]] inline Operation timer_at(u64 deadline_ns) noexcept {
    detail::need_timing<Caller>();
    Operation operation = detail::make(Kind::timer, -1);
    operation.arguments.timer = {deadline_ns, 0, true};
    return operation;
}

/// Delivers a result with more() after `first_ns` and then every `period_ns`, without drift, until
/// it is cancelled. Each is the count of periods that have passed since the last: 1, unless the
/// loop was late.
template <class Caller = void>
[[nodiscard]] inline Operation timer_every(u64 period_ns, u64 first_ns) noexcept {
    detail::need_timing<Caller>();
    Operation operation = detail::make(Kind::timer, -1);
    operation.arguments.timer = {first_ns, period_ns != 0 ? period_ns : 1, false};
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation timer_every(u64 period_ns) noexcept {
    return timer_every<Caller>(period_ns, period_ns);
}

/// Ends with 0 when `async` is notified, or has been since the last one that was told.
[[nodiscard]] Operation notification(Async& async) noexcept;

/// Asks for the end of `target`, which comes through its own callback. Ends with 0: it was found
/// and ends; -ENOENT: it is not in use; -EALREADY: it has already ended, or cannot be stopped any
/// more, and its callback comes or has come with its true result. What is meant is the activation
/// of `target` at the time when this function is called.
[[nodiscard]] Operation cancel(Completion& target) noexcept;

/// Asks for the end of all operations on `fd`; ends with how many were found, or -ENOENT.
[[nodiscard]] inline Operation cancel_fd(i32 fd) noexcept {
    return detail::make(Kind::cancel_fd, fd);
}

/// Asks for the end of everything but itself; ends with how many were found, or -ENOENT.
[[nodiscard]] inline Operation cancel_all() noexcept {
    return detail::make(Kind::cancel_all, -1);
}

/// Ends every operation on `fd` as by cancel, waits until they have ended, then closes it. Ends
/// with 0, or -EIO, -ENOSPC, -EDQUOT: what was written earlier is lost, and the descriptor closed
/// all the same (close(2), "Dealing with error returns from close()"). Cannot be cancelled.
[[nodiscard]] inline Operation close(i32 fd) noexcept {
    return detail::make(Kind::close, fd);
}

// ---- Sockets ------------------------------------------------------------------------------------

/// Ends with a new socket, close-on-exec and fit for the engine. -EMFILE, -ENFILE: too many are
/// open; -EAFNOSUPPORT, -EPROTONOSUPPORT: the kernel has none such; -EPERM, -EACCES: not allowed.
[[nodiscard]] inline Operation socket(i32 family, i32 type, i32 protocol = 0) noexcept {
    Operation operation = detail::make(Kind::socket, -1);
    operation.arguments.socket = {family, type, protocol};
    return operation;
}

/// Ends with 0. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES: bind(2).
[[nodiscard]] inline Operation bind(i32 fd, const void* address, u32 address_bytes) noexcept {
    Operation operation = detail::make(Kind::bind, fd);
    operation.arguments.address = {address, address_bytes};
    return operation;
}

/// Ends with 0. -EADDRINUSE: another one listens there; -EOPNOTSUPP: not a socket that can listen.
[[nodiscard]] inline Operation listen(i32 fd, i32 backlog) noexcept {
    Operation operation = detail::make(Kind::listen, fd);
    operation.arguments.listen = {backlog};
    return operation;
}

/// abi::shutdown_how. Ends with 0. -ENOTCONN: not connected, or not any more.
[[nodiscard]] inline Operation shutdown(i32 fd, i32 how) noexcept {
    Operation operation = detail::make(Kind::shutdown, fd);
    operation.arguments.shutdown = {how};
    return operation;
}

/// Ends with 0 when the connection stands. -ECONNREFUSED, -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH:
/// there is none; -EISCONN: there was one already; -EALREADY: another connect is under way.
[[nodiscard]] inline Operation connect(i32 fd, const void* address, u32 address_bytes) noexcept {
    Operation operation = detail::make(Kind::connect, fd);
    operation.arguments.address = {address, address_bytes};
    return operation;
}

/// Where `accept` puts the peer's address.
struct PeerAddress {
    void* address = nullptr;
    u32 room = 0;         ///< bytes at `address`: abi::SocketAddressStorage holds every kind
    u32* bytes = nullptr; ///< becomes the length; above `room` where it did not fit
};

/// Ends with a connection's descriptor, close-on-exec and fit for the engine. -ECONNABORTED: the
/// peer has gone again; -EMFILE, -ENFILE: too many are open; -EINVAL: the socket does not listen.
[[nodiscard]] inline Operation accept(i32 fd, const PeerAddress& peer = {}) noexcept {
    Operation operation = detail::make(Kind::accept, fd);
    operation.arguments.accept = {peer.address, peer.bytes, peer.room, 0};
    return operation;
}

/// A result with more() for each connection, until it is cancelled or fails.
[[nodiscard]] inline Operation accept_multishot(i32 fd) noexcept {
    Operation operation = detail::make(Kind::accept_multishot, fd);
    operation.arguments.accept = {nullptr, nullptr, 0, 0};
    return operation;
}

/// Ends with the bytes received; Result::eof() where a stream is at its end. `flags` is
/// abi::msg_flag; waitall makes it recv_all, as it makes of the others the forms with `_all`.
/// -ECONNRESET, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH: what became of the connection, or of an
/// earlier datagram; -ENOTCONN: there is none; -ENOTSOCK: not a socket.
[[nodiscard]] inline Operation recv(i32 fd, void* data, u32 bytes, u32 flags = 0) noexcept {
    const bool all = detail::asks_for_all(flags);
    Operation operation = detail::make(all ? Kind::recv_all : Kind::recv, fd);
    operation.arguments.receive = {data, bytes, all ? flags & ~abi::msg_flag::waitall : flags};
    return operation;
}

/// As recv, until `bytes` (up to 2^31 - 1) are there. Fewer: the stream ended, and eof() says so,
/// or an error came behind them, which the next operation then meets.
[[nodiscard]] inline Operation recv_all(i32 fd, void* data, u32 bytes, u32 flags = 0) noexcept {
    Operation operation = recv(fd, data, bytes, flags);
    operation.kind = Kind::recv_all;
    return operation;
}

/// Receives once into a buffer of `pool`, which is taken only when there is something to receive:
/// Result::buffer(). Where all buffers are in use, it waits until one is given back.
[[nodiscard]] inline Operation recv(i32 fd, BufferPool& pool, u32 flags = 0) noexcept {
    Operation operation = detail::make(Kind::recv_managed, fd);
    operation.arguments.managed = {&pool, nullptr, flags};
    return operation;
}

/// The same again and again, each result with more(), until the end of the stream or an error.
[[nodiscard]] inline Operation recv_multishot(i32 fd, BufferPool& pool, u32 flags = 0) noexcept {
    Operation operation = recv(fd, pool, flags);
    operation.kind = Kind::recv_multishot;
    return operation;
}

/// Receives with address and control messages, as recvmsg(2). An empty datagram is 0 bytes and not
/// eof().
template <class Caller = void>
[[nodiscard]] inline Operation recvmsg(i32 fd, abi::MessageHeader* message,
                                       u32 flags = 0) noexcept {
    detail::need_messages<Caller>();
    const bool all = detail::asks_for_all(flags);
    Operation operation = detail::make(all ? Kind::recvmsg_all : Kind::recvmsg, fd);
    operation.arguments.receive_message = {message, all ? flags & ~abi::msg_flag::waitall : flags};
    return operation;
}

/// As recvmsg, until all of its vectors are full. Address and control messages are the first
/// part's.
template <class Caller = void>
[[nodiscard]] inline Operation recvmsg_all(i32 fd, abi::MessageHeader* message,
                                           u32 flags = 0) noexcept {
    Operation operation = recvmsg<Caller>(fd, message, flags);
    operation.kind = Kind::recvmsg_all;
    return operation;
}

/// Receives messages again and again, each into a buffer of `pool`: a RecvmsgOut there says where
/// address, control messages and payload lie. Of `message` only name_bytes and control_bytes count,
/// as the room to keep for them; its vectors may be set to none. -EMSGSIZE: a buffer is smaller
/// than that room.
template <class Caller = void>
[[nodiscard]] inline Operation
recvmsg_multishot(i32 fd, BufferPool& pool, abi::MessageHeader* message, u32 flags = 0) noexcept {
    detail::need_messages<Caller>();
    Operation operation = detail::make(Kind::recvmsg_multishot, fd);
    operation.arguments.managed = {&pool, message, flags};
    return operation;
}

/// Ends with the bytes sent, which may be fewer. `flags` is abi::msg_flag. -EPIPE, -ECONNRESET: the
/// other side is gone; -EMSGSIZE: too long a datagram; -ENOTCONN, -EDESTADDRREQ: no one to send to.
[[nodiscard]] inline Operation send(i32 fd, const void* data, u32 bytes, u32 flags = 0) noexcept {
    const bool all = detail::asks_for_all(flags);
    Operation operation = detail::make(all ? Kind::send_all : Kind::send, fd);
    operation.arguments.send = {data, bytes, all ? flags & ~abi::msg_flag::waitall : flags,
                                nullptr};
    return operation;
}

/// As send, until all is sent. Fewer: an error came behind them, which the next operation meets.
[[nodiscard]] inline Operation send_all(i32 fd, const void* data, u32 bytes,
                                        u32 flags = 0) noexcept {
    Operation operation = send(fd, data, bytes, flags);
    operation.kind = Kind::send_all;
    return operation;
}

/// As send_all, of what `received` has in a buffer of `pool`, which is given back when the send has
/// ended, however it does. So a server that answers with what it was sent, or what it has written
/// over that, need not be told of the end: with no callback, io_uring is asked not to tell of it
/// either (5.17), and a request costs one system call. Not to be rearmed. `flags` are below 2^16.
[[nodiscard]] inline Operation send_all(i32 fd, BufferPool& pool, Result received,
                                        u32 flags = 0) noexcept {
    OXBOW_CHECK(received.has_buffer() && flags <= arguments::Send::pooled_flags,
                "op::send_all of a result without a buffer, or with flags above 2^16");
    Operation operation = detail::make(Kind::send_all, fd);
    operation.arguments.send = {
        pool.data(received), received.count(),
        flags | static_cast<u32>(received.buffer()) << arguments::Send::buffer_shift, &pool};
    return operation;
}

/// As send, without copying where kernel and socket can do that (io_uring, 6.0): ends when the
/// kernel needs the memory no more. A plain send everywhere else.
[[nodiscard]] inline Operation send_zero_copy(i32 fd, const void* data, u32 bytes,
                                              u32 flags = 0) noexcept {
    Operation operation = send(fd, data, bytes, flags);
    operation.kind = Kind::send_zero_copy;
    return operation;
}

/// Sends with address and control messages, as sendmsg(2).
template <class Caller = void>
[[nodiscard]] inline Operation sendmsg(i32 fd, const abi::MessageHeader* message,
                                       u32 flags = 0) noexcept {
    detail::need_messages<Caller>();
    const bool all = detail::asks_for_all(flags);
    Operation operation = detail::make(all ? Kind::sendmsg_all : Kind::sendmsg, fd);
    operation.arguments.send_message = {message, all ? flags & ~abi::msg_flag::waitall : flags};
    return operation;
}

/// As sendmsg, until all of its vectors are sent. Control messages go with the first part.
template <class Caller = void>
[[nodiscard]] inline Operation sendmsg_all(i32 fd, const abi::MessageHeader* message,
                                           u32 flags = 0) noexcept {
    Operation operation = sendmsg<Caller>(fd, message, flags);
    operation.kind = Kind::sendmsg_all;
    return operation;
}

/// As send_zero_copy, with sendmsg. io_uring, 6.1.
template <class Caller = void>
[[nodiscard]] inline Operation sendmsg_zero_copy(i32 fd, const abi::MessageHeader* message,
                                                 u32 flags = 0) noexcept {
    Operation operation = sendmsg<Caller>(fd, message, flags);
    operation.kind = Kind::sendmsg_zero_copy;
    return operation;
}

// ---- Files, pipes, terminals, counters ----------------------------------------------------------

/// Reads up to `bytes` at the file's own position; 0 is its end, and of a pipe, a terminal or a
/// stream socket eof(). `flags` is abi::rw_flag. -EISDIR, -EINVAL (not aligned for direct I/O),
/// -EIO: read(2).
template <class Caller = void>
[[nodiscard]] inline Operation read(i32 fd, void* data, u32 bytes, u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::read, fd);
    operation.arguments.transfer = {data, abi::current_position, bytes, flags};
    return operation;
}

/// As read, at `offset`, which what has no positions (pipes, sockets, terminals) does not look at.
template <class Caller = void>
[[nodiscard]] inline Operation pread(i32 fd, void* data, u32 bytes, u64 offset,
                                     u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::read, fd);
    operation.arguments.transfer = {data, offset, bytes, flags};
    return operation;
}

/// As read, until `bytes` (up to 2^31 - 1) are there, or the end.
template <class Caller = void>
[[nodiscard]] inline Operation read_all(i32 fd, void* data, u32 bytes, u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = read(fd, data, bytes, flags);
    operation.kind = Kind::read_all;
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation pread_all(i32 fd, void* data, u32 bytes, u64 offset,
                                         u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = pread(fd, data, bytes, offset, flags);
    operation.kind = Kind::read_all;
    return operation;
}

/// Reads once into a buffer of `pool`, which is taken only when there is something to read. Not for
/// files on a slow disk: the epoll engine, and a ring before 5.19, read them in the loop's thread.
/// And not for those open with O_DIRECT, whose position a newer ring does not move.
template <class Caller = void>
[[nodiscard]] inline Operation read(i32 fd, BufferPool& pool) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::read_managed, fd);
    operation.arguments.managed = {&pool, nullptr, 0};
    return operation;
}

/// The same again and again, each result with more(), until the end or an error. For what can be
/// waited for: pipes, terminals, sockets, counters; -EBADFD for a regular file.
template <class Caller = void>
[[nodiscard]] inline Operation read_multishot(i32 fd, BufferPool& pool) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = read(fd, pool);
    operation.kind = Kind::read_multishot;
    return operation;
}

/// Writes up to `bytes` at the file's own position. -ENOSPC, -EDQUOT, -EFBIG, -EIO: write(2);
/// -EPIPE: nobody reads the pipe any more.
template <class Caller = void>
[[nodiscard]] inline Operation write(i32 fd, const void* data, u32 bytes, u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::write, fd);
    operation.arguments.transfer = {const_cast<void*>(data), abi::current_position, bytes, flags};
    return operation;
}

/// As write, at `offset`, which what has no positions does not look at.
template <class Caller = void>
[[nodiscard]] inline Operation pwrite(i32 fd, const void* data, u32 bytes, u64 offset,
                                      u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::write, fd);
    operation.arguments.transfer = {const_cast<void*>(data), offset, bytes, flags};
    return operation;
}

/// As write, until all is written. Fewer: an error came behind them, which the next one meets.
template <class Caller = void>
[[nodiscard]] inline Operation write_all(i32 fd, const void* data, u32 bytes,
                                         u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = write(fd, data, bytes, flags);
    operation.kind = Kind::write_all;
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation pwrite_all(i32 fd, const void* data, u32 bytes, u64 offset,
                                          u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = pwrite(fd, data, bytes, offset, flags);
    operation.kind = Kind::write_all;
    return operation;
}

/// As read and pread, into several pieces.
template <class Caller = void>
[[nodiscard]] inline Operation readv(i32 fd, const abi::IoVec* pieces, u32 count,
                                     u64 offset = abi::current_position, u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::readv, fd);
    operation.arguments.vector = {pieces, offset, count, flags};
    return operation;
}

/// As write and pwrite, from several pieces.
template <class Caller = void>
[[nodiscard]] inline Operation writev(i32 fd, const abi::IoVec* pieces, u32 count,
                                      u64 offset = abi::current_position, u32 flags = 0) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::writev, fd);
    operation.arguments.vector = {pieces, offset, count, flags};
    return operation;
}

/// Ends with abi::poll_event bits as soon as one of `events` holds; err and hup always count. What
/// poll(2) finds always ready (regular files) is ready at once.
[[nodiscard]] inline Operation poll(i32 fd, u32 events) noexcept {
    Operation operation = detail::make(Kind::poll, fd);
    operation.arguments.poll = {events};
    return operation;
}

/// A result with more() each time that one of `events` comes anew, until it is cancelled or fails.
/// Edge-triggered: read until there is no more before you rely on the next. (On an io_uring before
/// 5.13 it may come again, each millisecond, as long as something is there.)
[[nodiscard]] inline Operation poll_multishot(i32 fd, u32 events) noexcept {
    Operation operation = poll(fd, events);
    operation.kind = Kind::poll_multishot;
    return operation;
}

// ---- Paths and whole files: worker threads on epoll
// -----------------------------------------------

/// Ends with a new descriptor. `flags` is abi::open_flag; add cloexec yourself, as with openat(2).
/// `directory` may be abi::at_fdcwd in all of these. -ENOENT, -EACCES, -EEXIST ...: open(2).
template <class Caller = void>
[[nodiscard]] inline Operation openat(i32 directory, const char* path, i32 flags,
                                      u32 mode = 0) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::openat, directory);
    operation.arguments.open = {path, flags, mode};
    return operation;
}

/// As openat, with restrictions on how the path resolves: openat2(2). 5.6.
template <class Caller = void>
[[nodiscard]] inline Operation openat2(i32 directory, const char* path,
                                       const abi::OpenHow* how) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::openat2, directory);
    operation.arguments.open2 = {path, how};
    return operation;
}

/// What statx takes besides the path.
struct StatxOptions {
    i32 flags = 0; ///< abi::at_flag
    u32 mask = 0;  ///< abi::statx_mask
};

/// Ends with 0 and the status of a file.
template <class Caller = void>
[[nodiscard]] inline Operation statx(i32 directory, const char* path, const StatxOptions& options,
                                     abi::Statx* status) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::statx, directory);
    operation.arguments.status = {path, status, options.flags, options.mask};
    return operation;
}

/// Ends with 0 when all that was written is on the disk. -EIO, -ENOSPC: something is lost.
template <class Caller = void>
[[nodiscard]] inline Operation fsync(i32 fd) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::fsync, fd);
    operation.arguments.sync = {false};
    return operation;
}

/// As fsync, without the metadata that reading does not need.
template <class Caller = void>
[[nodiscard]] inline Operation fdatasync(i32 fd) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::fsync, fd);
    operation.arguments.sync = {true};
    return operation;
}

/// A part of a file.
struct FileRange {
    u64 offset = 0;
    u64 bytes = 0; ///< 0: to the end, for sync_file_range and fadvise
};

namespace detail {
[[nodiscard]] inline Operation on_range(Kind kind, i32 fd, const FileRange& range,
                                        u32 how) noexcept {
    Operation operation = make(kind, fd);
    operation.arguments.range = {range.offset, range.bytes, how};
    return operation;
}
} // namespace detail

/// abi::sync_range_flag: sync_file_range(2). io_uring's own takes up to 4 GiB; more is done on a
/// worker.
template <class Caller = void>
[[nodiscard]] inline Operation sync_file_range(i32 fd, const FileRange& range, u32 flags) noexcept {
    detail::need_paths<Caller>();
    return detail::on_range(Kind::sync_file_range, fd, range, flags);
}

/// abi::fallocate_mode. -ENOSPC: no room; -EOPNOTSUPP: not in this file system.
template <class Caller = void>
[[nodiscard]] inline Operation fallocate(i32 fd, const FileRange& range, i32 mode = 0) noexcept {
    detail::need_paths<Caller>();
    return detail::on_range(Kind::fallocate, fd, range, static_cast<u32>(mode));
}

/// Makes a file `bytes` long.
template <class Caller = void>
[[nodiscard]] inline Operation ftruncate(i32 fd, u64 bytes) noexcept {
    detail::need_paths<Caller>();
    return detail::on_range(Kind::ftruncate, fd, {0, bytes}, 0);
}

/// abi::fadvice. -ESPIPE: a pipe.
template <class Caller = void>
[[nodiscard]] inline Operation fadvise(i32 fd, const FileRange& range, i32 advice) noexcept {
    detail::need_paths<Caller>();
    return detail::on_range(Kind::fadvise, fd, range, static_cast<u32>(advice));
}

/// abi::madvice, for memory of this process.
template <class Caller = void>
[[nodiscard]] inline Operation madvise(void* address, u64 bytes, i32 advice) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::madvise, -1);
    operation.arguments.memory = {address, bytes, advice};
    return operation;
}

/// Two names, for renameat and linkat.
struct PathPair {
    const char* old_path = nullptr;
    const char* new_path = nullptr;
    i32 old_directory = abi::at_fdcwd;
    i32 new_directory = abi::at_fdcwd;
    u32 flags = 0; ///< abi::rename_flag, or abi::at_flag of linkat
};

template <class Caller = void>
[[nodiscard]] inline Operation renameat(const PathPair& paths) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::renameat, paths.old_directory);
    operation.arguments.paths = {paths.old_path, paths.new_path, paths.new_directory, paths.flags};
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation linkat(const PathPair& paths) noexcept {
    detail::need_paths<Caller>();
    Operation operation = renameat(paths);
    operation.kind = Kind::linkat;
    return operation;
}

/// `directory` and `path` are the link's; `target` is its text.
template <class Caller = void>
[[nodiscard]] inline Operation symlinkat(const char* target, i32 directory,
                                         const char* path) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::symlinkat, -1);
    operation.arguments.paths = {target, path, directory, 0};
    return operation;
}

/// abi::at_flag::remove_directory for a directory.
template <class Caller = void>
[[nodiscard]] inline Operation unlinkat(i32 directory, const char* path, i32 flags = 0) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::unlinkat, directory);
    operation.arguments.path = {path, static_cast<u32>(flags)};
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation mkdirat(i32 directory, const char* path, u32 mode) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::mkdirat, directory);
    operation.arguments.path = {path, mode};
    return operation;
}

using arguments::Attribute;

/// End with the length of the attribute's value; room of 0 bytes only asks for it. -ENODATA: there
/// is none of that name; -ERANGE: no room; -EOPNOTSUPP: not in this file system.
template <class Caller = void>
[[nodiscard]] inline Operation fgetxattr(i32 fd, const Attribute& attribute) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::fgetxattr, fd);
    operation.arguments.attribute = attribute;
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation getxattr(const char* path, const Attribute* attribute) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::getxattr, -1);
    operation.arguments.path_attribute = {path, attribute};
    return operation;
}

/// End with 0. abi::xattr_flag: create (-EEXIST), replace (-ENODATA).
template <class Caller = void>
[[nodiscard]] inline Operation fsetxattr(i32 fd, const Attribute& attribute) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::fsetxattr, fd);
    operation.arguments.attribute = attribute;
    return operation;
}
template <class Caller = void>
[[nodiscard]] inline Operation setxattr(const char* path, const Attribute* attribute) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::setxattr, -1);
    operation.arguments.path_attribute = {path, attribute};
    return operation;
}

/// Moves bytes between a pipe and anything else; ends with how many, 0 at the end of the input.
/// Belongs, for cancel_fd and close, to both descriptors' input side: `from_fd`. -EINVAL: neither
/// is a pipe.
template <class Caller = void>
[[nodiscard]] inline Operation splice(const Splice* splice) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::splice, splice->from_fd);
    operation.arguments.splice = {splice};
    return operation;
}

/// Copies from one pipe to another and leaves the data in the first.
template <class Caller = void>
[[nodiscard]] inline Operation tee(const Splice* splice) noexcept {
    detail::need_transfers<Caller>();
    Operation operation = detail::make(Kind::tee, splice->from_fd);
    operation.arguments.splice = {splice};
    return operation;
}

/// Copies from one file to another within the kernel, which shares the blocks where the file system
/// can. Ends with how many bytes, perhaps fewer than asked for; 0 at the end of the input. No ring
/// has it, so a worker does it on either engine, and a large copy is better asked for in pieces:
/// what has begun cannot be cancelled. Belongs, for cancel_fd and close, to `from_fd`. -EXDEV: the
/// file systems cannot (of two different ones, mostly); -EINVAL: not two regular files, or the
/// ranges overlap; -EBADF: `to_fd` is append-only; copy_file_range(2). Until 5.18 files without a
/// size, as in /proc, look empty to it.
template <class Caller = void>
[[nodiscard]] inline Operation copy_file_range(const Splice* range) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::copy_file_range, range->from_fd);
    operation.arguments.splice = {range};
    return operation;
}

/// fds[0] reads, fds[1] writes; `flags` as pipe2(2), add cloexec yourself.
template <class Caller = void>
[[nodiscard]] inline Operation pipe(i32* fds, i32 flags) noexcept {
    detail::need_paths<Caller>();
    Operation operation = detail::make(Kind::pipe, -1);
    operation.arguments.pipe = {fds, flags};
    return operation;
}

// ---- Processes and futexes ----------------------------------------------------------------------

/// Ends with 0 when a child has changed as asked: waitid(2). `which` is abi::wait_for, `options`
/// abi::wait_option; `info` may be nullptr. -ECHILD: there is no such child.
template <class Caller = void>
[[nodiscard]] inline Operation waitid(i32 which, i32 id, abi::SignalInfo* info,
                                      i32 options) noexcept {
    detail::need_wait_thread<Caller>();
    Operation operation = detail::make(Kind::waitid, -1);
    operation.arguments.wait = {info, which, id, options};
    return operation;
}

/// Waits while the word is `expected`; ends with 0 when it is woken, perhaps for nothing. -EAGAIN:
/// it has another value (the one EAGAIN that comes out, since it is the answer). `shared`: between
/// processes.
template <class Caller = void>
[[nodiscard]] inline Operation futex_wait(const u32* word, u32 expected,
                                          bool shared = false) noexcept {
    detail::need_wait_thread<Caller>();
    Operation operation = detail::make(Kind::futex_wait, -1);
    operation.arguments.futex_wait = {word, expected, shared};
    return operation;
}

/// Waits on up to 128 words at once; ends with the index of one that was woken. 5.16.
template <class Caller = void>
[[nodiscard]] inline Operation futex_waitv(const abi::FutexWaiter* waiters, u32 count) noexcept {
    detail::need_wait_thread<Caller>();
    Operation operation = detail::make(Kind::futex_waitv, -1);
    operation.arguments.futex_wait_many = {waiters, count};
    return operation;
}

/// Wakes up to `count` waiters, threads and operations alike; ends with how many.
template <class Caller = void>
[[nodiscard]] inline Operation futex_wake(const u32* word, u32 count,
                                          bool shared = false) noexcept {
    detail::need_processes<Caller>();
    Operation operation = detail::make(Kind::futex_wake, -1);
    operation.arguments.futex_wake = {word, count, shared};
    return operation;
}

} // namespace oxbow::op
