// What every submission queue entry can carry, whatever its operation: links, drains, direct
// descriptors, provided buffers, credentials. Each function touches its own bit or field and no
// other, so it may be called before or after the operation's prep, in any order.
// Sources: man page io_uring_enter(2), "flags"; io_uring/io_uring.c.
#pragma once

#include "../syscall/abi_uring.h"

namespace oxbow::prep {

/// A slot of the ring's table of direct descriptors, as the place where an operation puts a new
/// file. The kernel wants "slot plus one", zero for "an ordinary descriptor" and ~0 for "choose one
/// yourself"; this type is the only place that knows. 5.15; allocate: 5.19.
class DirectDescriptor {
  public:
    /// Slot `index`. A file that is already there is replaced, and closed. The operation's
    /// result is 0, not the index. An index beyond the table ends with -EINVAL.
    [[nodiscard]] static constexpr DirectDescriptor slot(u32 index) noexcept {
        // The two highest indices would turn into "choose one" and "ordinary"; no table is that
        // large (the kernel stops at 2^20), so they become another index that it refuses.
        return DirectDescriptor(index < last_encoding - 1 ? index + 1 : last_encoding);
    }

    /// A free slot that the kernel chooses: it is the operation's result; -ENFILE where none is
    /// free. 5.19.
    [[nodiscard]] static constexpr DirectDescriptor allocate() noexcept {
        return DirectDescriptor(abi::file_index_alloc);
    }

    /// What goes into Sqe::file_index.
    [[nodiscard]] constexpr u32 encoded() const noexcept { return encoded_; }

  private:
    static constexpr u32 last_encoding = abi::file_index_alloc - 1;

    constexpr explicit DirectDescriptor(u32 encoded) noexcept : encoded_(encoded) {}

    u32 encoded_;
};

/// DirectDescriptor::slot, shorter.
[[nodiscard]] constexpr DirectDescriptor slot(u32 index) noexcept {
    return DirectDescriptor::slot(index);
}

/// DirectDescriptor::allocate, shorter.
inline constexpr DirectDescriptor allocate = DirectDescriptor::allocate();

/// A part of a file or of a device.
struct FileRange {
    u64 offset = 0; ///< bytes
    u64 bytes = 0;
};

/// The next entry starts only after this one has succeeded; where this one fails, the rest of the
/// chain ends with -ECANCELED. A short read or write counts as a failure, except in a ring with
/// setup::iopoll, which up to Linux 7.2 does not notice it (io_uring/rw.c, io_complete_rw_iopoll),
/// and in 5.10 no failed one either; a short send or receive does so only with MSG_WAITALL. A chain
/// ends at the end of a submit, so all of it must be in one: reserve room first. 5.3.
inline void link(abi::Sqe& sqe) noexcept {
    sqe.flags |= abi::sqe_flag::io_link;
}

/// As link, but the next entry starts also where this one has failed. 5.5.
inline void hardlink(abi::Sqe& sqe) noexcept {
    sqe.flags |= abi::sqe_flag::io_hardlink;
}

/// Waits until all entries submitted before have completed, and holds back all that follow until
/// this one has: costly. -EOPNOTSUPP in a ring that has ever seen skip_success, since the kernel
/// then no longer knows what is outstanding (io_uring/io_uring.c, drain_disabled). 5.2.
inline void drain(abi::Sqe& sqe) noexcept {
    sqe.flags |= abi::sqe_flag::io_drain;
}

/// Hands the operation to a kernel thread at once, without first trying to do it here. 5.6.
inline void async(abi::Sqe& sqe) noexcept {
    sqe.flags |= abi::sqe_flag::async;
}

/// Sqe::fd is an index into the table of direct descriptors. -EBADF: nothing is in that slot, or
/// the operation takes a directory or has no file. 5.1.
inline void fixed_file(abi::Sqe& sqe) noexcept {
    sqe.flags |= abi::sqe_flag::fixed_file;
}

/// The kernel takes a buffer of `group` when there is data, and says in Cqe::buffer_id() which.
/// The operation's own buffer is then nullptr; its length still limits the transfer, where it is
/// not zero. -ENOBUFS: the group is empty or unknown. Receives and reads: 5.7; sends: 6.10.
inline void select_buffer(abi::Sqe& sqe, u16 group) noexcept {
    sqe.flags |= abi::sqe_flag::buffer_select;
    sqe.buf_index = group;
}

/// No completion is posted where the operation succeeds. -EINVAL: with a multishot poll or a
/// zero-copy send. From then on drain no longer works in this ring. 5.17.
inline void skip_success(abi::Sqe& sqe) noexcept {
    sqe.flags |= abi::sqe_flag::cqe_skip_success;
}

/// Runs the operation with the credentials registered as `id`. -EINVAL: there are none. 5.6.
inline void personality(abi::Sqe& sqe, u16 id) noexcept {
    sqe.personality = id;
}

namespace detail {

/// What all operations have in common. It leaves user_data and flags alone.
inline void start(abi::Sqe& sqe, abi::Opcode opcode, i32 fd) noexcept {
    sqe.opcode = static_cast<u8>(opcode);
    sqe.fd = fd;
}

/// The bit where the condition holds, else nothing.
template <class Flags>
[[nodiscard]] constexpr Flags when(bool condition, Flags bit) noexcept {
    return condition ? bit : Flags{0};
}

inline void add_ioprio(abi::Sqe& sqe, u16 bits) noexcept {
    sqe.ioprio = static_cast<u16>(sqe.ioprio | bits);
}

} // namespace detail

/// The fields of an entry that most operations use, for one that this library does not know.
struct AnyOperation {
    abi::Opcode opcode = abi::Opcode::nop;
    i32 fd = -1;
    const void* address = nullptr;
    u32 length = 0;
    u64 offset = 0;
};

/// Prepares an operation by its fields; what else it needs, the caller writes into `sqe`.
inline void any(abi::Sqe& sqe, const AnyOperation& operation) noexcept {
    detail::start(sqe, operation.opcode, operation.fd);
    sqe.addr = address_of(operation.address);
    sqe.len = operation.length;
    sqe.off = operation.offset;
}

} // namespace oxbow::prep
