// Reads, writes, splice and tee: one attempt, that does not wait where it must not, and that never
// raises SIGPIPE.
//
// RWF_NOWAIT and, from 6.18 on, RWF_NOSIGNAL do all of that in one call for nearly everything.
// Where the kernel refuses one of them the descriptor may be a socket, for which recvmsg and
// sendmsg have always had such flags; else a plain call is made, where that does not wait
// (Patience), for pipes with the signal blocked. Where the very calls that take flags are missing,
// that is so for everything.
#include "../syscall/atomic.h"
#include "../syscall/call_file.h"
#include "../syscall/call_process.h"
#include "../syscall/call_socket.h"
#include "../syscall/start.h"
#include "perform_step.h"

namespace oxbow {

constexpr char detail::transfers_part = 0; // needs.h

namespace {

/// Whether a pipe has refused RWF_NOSIGNAL: then the kernel is older, and is not asked again.
constinit u8 nosignal_is_missing = 0;

/// Whether preadv2 and pwritev2 have been missing: then they are not called again.
constinit u8 flags_are_missing = 0;

struct Transfer {
    i32 fd;
    bool writes;
    bool is_plain; ///< of one piece, and not the caller's
    const abi::IoVec* pieces;
    u32 count;
    u32 flags; ///< the caller's
    u64 offset;
};

/// The transfer where the calls that take flags are missing. Every Linux since 4.6 has them, but
/// qemu-user 7.2 passes them on to none. Flags are refused as a kernel refuses those that it does
/// not know.
[[gnu::cold, gnu::noinline]] long call_without_flags(const Transfer& transfer, u32 flags) noexcept {
    if (flags != 0) {
        return -Errno::eopnotsupp;
    }
    const bool at_position = transfer.offset == abi::current_position;
    // One piece by itself: of an eventfd and its like, qemu turns the bytes round only there.
    if (transfer.is_plain && at_position) {
        const abi::IoVec& piece = *transfer.pieces;
        return transfer.writes ? kernel::write(transfer.fd, piece.base, piece.bytes)
                               : kernel::read(transfer.fd, piece.base, piece.bytes);
    }
    if (at_position) {
        return transfer.writes ? kernel::writev(transfer.fd, transfer.pieces, transfer.count)
                               : kernel::readv(transfer.fd, transfer.pieces, transfer.count);
    }
    return transfer.writes
               ? kernel::pwritev(transfer.fd, transfer.pieces, transfer.count, transfer.offset)
               : kernel::preadv(transfer.fd, transfer.pieces, transfer.count, transfer.offset);
}

[[gnu::noinline]] long call_once(const Transfer& transfer, u32 flags) noexcept {
    if (load_relaxed(&flags_are_missing) == 0) {
        const long result = transfer.writes
                                ? kernel::pwritev2(transfer.fd, transfer.pieces, transfer.count,
                                                   transfer.offset, flags)
                                : kernel::preadv2(transfer.fd, transfer.pieces, transfer.count,
                                                  transfer.offset, flags);
        // A file can answer that too (fuse); only the call itself does so without one.
        if (result != -Errno::enosys || kernel::preadv2(-1, nullptr, 0, 0, 0) == -Errno::ebadf) {
            return result;
        }
        store_release(&flags_are_missing, u8{1});
    }
    return call_without_flags(transfer, flags);
}

/// Until it is not interrupted: whoever begins anew with other flags might never get to an end.
[[gnu::noinline]] long call(const Transfer& transfer, u32 flags) noexcept {
    long result;
    do {
        result = call_once(transfer, flags | transfer.flags);
    } while (result == -Errno::eintr);
    return result;
}

bool has_position(i32 fd) noexcept {
    return kernel::lseek(fd, 0, abi::seek_from::current) >= 0;
}

// ---- SIGPIPE ------------------------------------------------------------------------------------

constexpr abi::SignalSet sigpipe_alone = abi::SignalSet{}.add(abi::signal::pipe);

/// While one lives, this thread does not get SIGPIPE; what came meanwhile is taken back. (One that
/// is already pending stays so: a second one does not add to it.)
class QuietPipe {
  public:
    [[gnu::noinline]] QuietPipe() noexcept {
        (void)kernel::rt_sigprocmask(abi::signal_mask::block, &sigpipe_alone, &former_);
        if (former_.has(abi::signal::pipe)) {
            (void)kernel::rt_sigpending(&pending_);
        }
    }
    QuietPipe(const QuietPipe&) = delete;
    QuietPipe& operator=(const QuietPipe&) = delete;

    /// `result` of the call that was made.
    [[gnu::noinline]] long end(long result) noexcept {
        constexpr abi::Timespec at_once = {};
        if (result == -Errno::epipe && !pending_.has(abi::signal::pipe)) {
            (void)kernel::rt_sigtimedwait(&sigpipe_alone, nullptr, &at_once);
        }
        (void)kernel::rt_sigprocmask(abi::signal_mask::set, &former_);
        return result;
    }

  private:
    abi::SignalSet former_ = {};
    abi::SignalSet pending_ = {};
};

/// A write that may meet a pipe without readers.
long write_quietly(const Transfer& transfer, bool is_pipe) noexcept {
    if (load_relaxed(&nosignal_is_missing) == 0) {
        const long result = call(transfer, abi::rw_flag::nosignal);
        if (result != -Errno::eopnotsupp) {
            return result;
        }
        // All other things refuse flags now and then, but a pipe only what the kernel does not
        // know.
        if (is_pipe && transfer.flags == 0) {
            store_release(&nosignal_is_missing, u8{1});
        }
    }
    QuietPipe quiet;
    return quiet.end(call(transfer, 0));
}

// ---- Where the kernel has no flag not to wait ---------------------------------------------------

/// -ENOTSOCK where it is none.
long transfer_on_socket(const Transfer& transfer, bool waits) noexcept {
    abi::MessageHeader message = {};
    message.vectors = const_cast<abi::IoVec*>(transfer.pieces);
    message.vector_count = transfer.count;
    const u32 flags = waits ? 0 : abi::msg_flag::dontwait;
    return transfer.writes ? kernel::sendmsg(transfer.fd, &message, flags | abi::msg_flag::nosignal)
                           : kernel::recvmsg(transfer.fd, &message, flags);
}

/// What a pipe or a terminal that is writable surely takes at once. Others get it whole: their
/// writes may be messages.
u32 bytes_taken(i32 fd, bool is_pipe) noexcept {
    constexpr u32 wakeup_chars = 256; // include/linux/tty.h: the same for a terminal
    i32 unsent = 0;
    if (is_pipe) {
        return static_cast<u32>(page_bytes()); // pipe_poll: writable when one of its pages is free
    }
    return kernel::ioctl(fd, abi::socket_ioctl::bytes_unsent, &unsent) == 0
               ? wakeup_chars // the same number is TIOCOUTQ, which only terminals have
               : detail::count_max;
}

/// Makes `transfer` one of no more than `most` bytes: of its first piece only, unless all of it is
/// no more, which then stays together.
void shorten(Transfer& transfer, abi::IoVec& piece, u32 most) noexcept {
    usize left = most;
    u32 fitting = 0;
    while (fitting < transfer.count && transfer.pieces[fitting].bytes <= left) {
        left -= transfer.pieces[fitting++].bytes;
    }
    if (fitting == transfer.count) {
        return;
    }
    while (transfer.count > 1 && transfer.pieces->bytes == 0) {
        ++transfer.pieces;
        --transfer.count;
    }
    piece = *transfer.pieces;
    piece.bytes = piece.bytes < most ? piece.bytes : most;
    transfer.pieces = &piece;
    transfer.count = 1;
}

/// Whether a plain call could wait. One that fails at once must be made rather than waited for: the
/// descriptor might never become ready for it.
bool could_wait(const Transfer& transfer) noexcept {
    const i32 status = kernel::fcntl(transfer.fd, abi::fcntl_command::get_status_flags);
    const i32 wrong = transfer.writes ? abi::open_flag::read_only : abi::open_flag::write_only;
    return status >= 0 && (status & abi::open_flag::nonblock) == 0 &&
           (status & abi::open_flag::access_mask) != wrong &&
           (transfer.flags & abi::rw_flag::nowait) == 0 &&
           (transfer.offset == abi::current_position || has_position(transfer.fd));
}

[[gnu::cold]] long transfer_plainly(Transfer transfer, Patience patience) noexcept {
    const bool at_position = transfer.offset == abi::current_position;
    const bool is_pipe =
        at_position && kernel::fcntl(transfer.fd, abi::fcntl_command::get_pipe_size) >= 0;
    if (at_position && !is_pipe && transfer.flags == 0) {
        const long result = transfer_on_socket(transfer, patience == Patience::blocks);
        if (result != -Errno::enotsock) {
            return result;
        }
    }
    abi::IoVec piece;
    if (patience != Patience::blocks && could_wait(transfer)) {
        if (patience == Patience::none) {
            return -Errno::eagain;
        }
        const u32 most = transfer.writes && transfer.count != 0 ? bytes_taken(transfer.fd, is_pipe)
                                                                : detail::count_max;
        if (most != detail::count_max) {
            shorten(transfer, piece, most);
        }
    }
    return transfer.writes && at_position && (is_pipe || transfer.flags != 0)
               ? write_quietly(transfer, is_pipe)
               : call(transfer, 0);
}

/// Linux 5.9 and 5.10 take data that are not in memory for the end of the file: preadv2(2), "Bugs".
/// What has no position is never read from a disk.
bool may_be_no_end(const Transfer& transfer, long result) noexcept {
    return result == 0 && !transfer.writes && has_position(transfer.fd);
}

long transfer_once(const Transfer& transfer, Patience patience) noexcept {
    u32 flags = patience == Patience::blocks ? 0 : abi::rw_flag::nowait;
    if (transfer.writes && transfer.offset == abi::current_position) {
        if (load_relaxed(&nosignal_is_missing) != 0) {
            return transfer_plainly(transfer, patience);
        }
        flags |= abi::rw_flag::nosignal;
    }
    const long result = call(transfer, flags);
    const bool refused = result == -Errno::eopnotsupp && flags != 0;
    const bool dubious = (flags & abi::rw_flag::nowait) != 0 && may_be_no_end(transfer, result);
    return refused || dubious ? transfer_plainly(transfer, patience) : result;
}

// ---- Splice and tee -----------------------------------------------------------------------------

long move_once(Kind kind, const arguments::Splice& with, Patience patience) noexcept {
    // The flag is for pipes; a blocking socket or terminal at the other end waits all the same.
    const u32 flags = with.flags | (patience == Patience::blocks ? 0 : abi::splice_flag::nonblock);
    QuietPipe quiet; // neither of the two has a flag for it, even where the end is a socket
    if (kind == Kind::tee) {
        return quiet.end(kernel::tee(with.from_fd, with.to_fd, with.bytes, flags));
    }
    i64 from = static_cast<i64>(with.from_offset);
    i64 to = static_cast<i64>(with.to_offset);
    return quiet.end(kernel::splice(
        with.from_fd, with.from_offset == abi::current_position ? nullptr : &from, with.to_fd,
        with.to_offset == abi::current_position ? nullptr : &to, with.bytes, flags));
}

} // namespace

i32 detail::step_of_transfer(const Completion& operation, const Buffer& buffer,
                             Patience patience) noexcept {
    const arguments::Any& with = operation.arguments;
    abi::IoVec piece = {buffer.data, buffer.bytes};
    Transfer transfer = {.fd = operation.fd,
                         .writes = false,
                         .is_plain = true,
                         .pieces = &piece,
                         .count = 1,
                         .flags = 0,
                         .offset = abi::current_position};
    switch (operation.kind) {
    case Kind::splice:
    case Kind::tee:
        return static_cast<i32>(move_once(operation.kind, *with.splice.splice, patience));
    case Kind::write:
    case Kind::write_all:
        transfer.writes = true;
        [[fallthrough]];
    case Kind::read:
    case Kind::read_all: {
        const u32 done = done_so_far(operation);
        piece = {static_cast<u8*>(with.transfer.data) + done,
                 bytes_of_step(with.transfer.bytes - done, done)};
        transfer.flags = with.transfer.flags;
        if (with.transfer.offset != abi::current_position) {
            transfer.offset = with.transfer.offset + done;
        }
        break;
    }
    case Kind::writev:
        transfer.writes = true;
        [[fallthrough]];
    case Kind::readv:
        transfer.is_plain = false;
        transfer.pieces = with.vector.pieces;
        transfer.count = with.vector.count;
        transfer.flags = with.vector.flags;
        transfer.offset = with.vector.offset;
        break;
    default: // read_managed, read_multishot
        break;
    }
    long result = transfer_once(transfer, patience);
    if (result == -Errno::espipe && transfer.offset != abi::current_position) {
        transfer.offset = abi::current_position; // it has no positions: as io_uring, any will do
        result = transfer_once(transfer, patience);
    }
    return static_cast<i32>(result);
}

} // namespace oxbow
