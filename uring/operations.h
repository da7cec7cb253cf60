// Every operation as one call on the ring: `ring.read(user_data, fd, buffer, count, offset)` is the
// prepared entry, or nullptr where the queue is full, and nothing else can go wrong. The entry may
// still be edited, linked for instance, until the next submit:
//
//     Sqe* const write = ring.write(1, fd, text, length, 0);
//     if (write == nullptr) { ... submit, and try again ... }
//     prep::link(*write);
//
// What follows user_data is what prep::<name> takes behind its entry; uring/prep_*.h documents
// each. (A path is opened with openat: Ring::open opens the ring.)
#pragma once

#include "prep.h"

namespace oxbow {

// A macro, because a function's name is the one thing that a template cannot pass on.
#define OXBOW_OPERATION(name, get)                                                                 \
    template <class... Arguments>                                                                  \
    [[nodiscard]] abi::Sqe* name(u64 user_data, Arguments&&... arguments) noexcept {               \
        abi::Sqe* const sqe = static_cast<Self*>(this)->get();                                     \
        if (sqe != nullptr) [[likely]] {                                                           \
            prep::name(*sqe, static_cast<Arguments&&>(arguments)...);                              \
            sqe->user_data = user_data;                                                            \
        }                                                                                          \
        return sqe;                                                                                \
    }

/// A base of `Self`, which has get_sqe and get_big_sqe.
template <class Self>
class RingOperations {
  public:
    // clang-format off
    OXBOW_OPERATION(nop, get_sqe)

    OXBOW_OPERATION(read, get_sqe)
    OXBOW_OPERATION(write, get_sqe)
    OXBOW_OPERATION(readv, get_sqe)
    OXBOW_OPERATION(writev, get_sqe)
    OXBOW_OPERATION(read_fixed, get_sqe)
    OXBOW_OPERATION(write_fixed, get_sqe)
    OXBOW_OPERATION(readv_fixed, get_sqe)
    OXBOW_OPERATION(writev_fixed, get_sqe)
    OXBOW_OPERATION(read_multishot, get_sqe)

    OXBOW_OPERATION(fsync, get_sqe)
    OXBOW_OPERATION(fdatasync, get_sqe)
    OXBOW_OPERATION(sync_file_range, get_sqe)
    OXBOW_OPERATION(fallocate, get_sqe)
    OXBOW_OPERATION(ftruncate, get_sqe)
    OXBOW_OPERATION(fadvise, get_sqe)
    OXBOW_OPERATION(madvise, get_sqe)
    OXBOW_OPERATION(splice, get_sqe)
    OXBOW_OPERATION(tee, get_sqe)
    OXBOW_OPERATION(pipe, get_sqe)
    OXBOW_OPERATION(pipe_direct, get_sqe)

    OXBOW_OPERATION(open_direct, get_sqe)
    OXBOW_OPERATION(openat, get_sqe)
    OXBOW_OPERATION(openat_direct, get_sqe)
    OXBOW_OPERATION(openat2, get_sqe)
    OXBOW_OPERATION(openat2_direct, get_sqe)
    OXBOW_OPERATION(close, get_sqe)
    OXBOW_OPERATION(close_direct, get_sqe)
    OXBOW_OPERATION(statx, get_sqe)

    OXBOW_OPERATION(renameat, get_sqe)
    OXBOW_OPERATION(linkat, get_sqe)
    OXBOW_OPERATION(symlinkat, get_sqe)
    OXBOW_OPERATION(unlinkat, get_sqe)
    OXBOW_OPERATION(unlink, get_sqe)
    OXBOW_OPERATION(mkdirat, get_sqe)
    OXBOW_OPERATION(mkdir, get_sqe)
    OXBOW_OPERATION(getxattr, get_sqe)
    OXBOW_OPERATION(setxattr, get_sqe)
    OXBOW_OPERATION(fgetxattr, get_sqe)
    OXBOW_OPERATION(fsetxattr, get_sqe)

    OXBOW_OPERATION(socket, get_sqe)
    OXBOW_OPERATION(socket_direct, get_sqe)
    OXBOW_OPERATION(bind, get_sqe)
    OXBOW_OPERATION(listen, get_sqe)
    OXBOW_OPERATION(connect, get_sqe)
    OXBOW_OPERATION(shutdown, get_sqe)
    OXBOW_OPERATION(accept, get_sqe)
    OXBOW_OPERATION(accept_direct, get_sqe)
    OXBOW_OPERATION(accept_multishot, get_sqe)
    OXBOW_OPERATION(accept_multishot_direct, get_sqe)

    OXBOW_OPERATION(recv, get_sqe)
    OXBOW_OPERATION(recv_multishot, get_sqe)
    OXBOW_OPERATION(recv_bundle, get_sqe)
    OXBOW_OPERATION(recvmsg, get_sqe)
    OXBOW_OPERATION(recvmsg_multishot, get_sqe)
    OXBOW_OPERATION(recv_zc, get_sqe)

    OXBOW_OPERATION(send, get_sqe)
    OXBOW_OPERATION(sendto, get_sqe)
    OXBOW_OPERATION(send_vectorized, get_sqe)
    OXBOW_OPERATION(send_bundle, get_sqe)
    OXBOW_OPERATION(sendmsg, get_sqe)
    OXBOW_OPERATION(send_zc, get_sqe)
    OXBOW_OPERATION(send_zc_fixed, get_sqe)
    OXBOW_OPERATION(send_zc_vectorized, get_sqe)
    OXBOW_OPERATION(sendmsg_zc, get_sqe)
    OXBOW_OPERATION(sendmsg_zc_fixed, get_sqe)

    OXBOW_OPERATION(getsockopt, get_sqe)
    OXBOW_OPERATION(setsockopt, get_sqe)
    OXBOW_OPERATION(getsockname, get_sqe)
    OXBOW_OPERATION(socket_bytes_readable, get_sqe)
    OXBOW_OPERATION(socket_bytes_unsent, get_sqe)
    OXBOW_OPERATION(socket_tx_timestamp, get_sqe)
    OXBOW_OPERATION(socket_command, get_sqe)

    OXBOW_OPERATION(poll_add, get_sqe)
    OXBOW_OPERATION(poll_multishot, get_sqe)
    OXBOW_OPERATION(poll_remove, get_sqe)
    OXBOW_OPERATION(poll_update, get_sqe)
    OXBOW_OPERATION(epoll_ctl, get_sqe)
    OXBOW_OPERATION(epoll_wait, get_sqe)

    OXBOW_OPERATION(timeout, get_sqe)
    OXBOW_OPERATION(timeout_multishot, get_sqe)
    OXBOW_OPERATION(timeout_update, get_sqe)
    OXBOW_OPERATION(timeout_remove, get_sqe)
    OXBOW_OPERATION(timeout_ns, get_sqe)
    OXBOW_OPERATION(timeout_multishot_ns, get_sqe)
    OXBOW_OPERATION(timeout_update_ns, get_sqe)

    OXBOW_OPERATION(link_timeout, get_sqe)
    OXBOW_OPERATION(link_timeout_update, get_sqe)
    OXBOW_OPERATION(link_timeout_ns, get_sqe)
    OXBOW_OPERATION(link_timeout_update_ns, get_sqe)

    OXBOW_OPERATION(async_cancel, get_sqe)
    OXBOW_OPERATION(async_cancel_fd, get_sqe)
    OXBOW_OPERATION(async_cancel_direct, get_sqe)
    OXBOW_OPERATION(async_cancel_opcode, get_sqe)
    OXBOW_OPERATION(async_cancel_any, get_sqe)
    OXBOW_OPERATION(async_cancel_match, get_sqe)

    OXBOW_OPERATION(waitid, get_sqe)
    OXBOW_OPERATION(futex_wait, get_sqe)
    OXBOW_OPERATION(futex_wake, get_sqe)
    OXBOW_OPERATION(futex_waitv, get_sqe)

    OXBOW_OPERATION(msg_ring, get_sqe)
    OXBOW_OPERATION(msg_ring_cqe_flags, get_sqe)
    OXBOW_OPERATION(msg_ring_fd, get_sqe)
    OXBOW_OPERATION(files_update, get_sqe)
    OXBOW_OPERATION(files_update_allocate, get_sqe)
    OXBOW_OPERATION(fixed_fd_install, get_sqe)

    OXBOW_OPERATION(provide_buffers, get_sqe)
    OXBOW_OPERATION(remove_buffers, get_sqe)
    OXBOW_OPERATION(uring_cmd, get_sqe)
    OXBOW_OPERATION(block_discard, get_sqe)
    OXBOW_OPERATION(block_zone_reset_all, get_sqe)

    OXBOW_OPERATION(nop128, get_big_sqe)
    OXBOW_OPERATION(uring_cmd128, get_big_sqe)
    // clang-format on
};

#undef OXBOW_OPERATION

} // namespace oxbow
