// The table of what each kind of operation waits for, and what follows from it.
#include "kinds.h"

namespace oxbow {

namespace {

[[nodiscard]] constexpr Way way_of(Kind kind) noexcept {
    switch (kind) {
    case Kind::accept:
    case Kind::accept_multishot:
    case Kind::recv:
    case Kind::recv_all:
    case Kind::recv_managed:
    case Kind::recv_multishot:
    case Kind::recvmsg:
    case Kind::recvmsg_all:
    case Kind::recvmsg_multishot:
    case Kind::read:
    case Kind::read_all:
    case Kind::read_managed:
    case Kind::read_multishot:
    case Kind::readv:
    case Kind::splice:
    case Kind::tee:
        return Way::input;
    case Kind::connect:
    case Kind::send:
    case Kind::send_all:
    case Kind::send_zero_copy:
    case Kind::sendmsg:
    case Kind::sendmsg_all:
    case Kind::sendmsg_zero_copy:
    case Kind::write:
    case Kind::write_all:
    case Kind::writev:
        return Way::output;
    case Kind::poll:
    case Kind::poll_multishot:
        return Way::poll;
    case Kind::waitid:
        return Way::child;
    case Kind::openat:
    case Kind::openat2:
    case Kind::statx:
    case Kind::fsync:
    case Kind::sync_file_range:
    case Kind::fallocate:
    case Kind::ftruncate:
    case Kind::fadvise:
    case Kind::madvise:
    case Kind::renameat:
    case Kind::unlinkat:
    case Kind::mkdirat:
    case Kind::symlinkat:
    case Kind::linkat:
    case Kind::getxattr:
    case Kind::setxattr:
    case Kind::fgetxattr:
    case Kind::fsetxattr:
    case Kind::copy_file_range:
    case Kind::futex_wait:
    case Kind::futex_waitv:
        return Way::worker;
    default: // nop, socket, bind, listen, shutdown, pipe, futex_wake; the loop has the rest itself
        return Way::now;
    }
}

/// Whether it also works on what cannot be waited for: regular files, and devices like /dev/null.
[[nodiscard]] constexpr bool works_on_files(Kind kind) noexcept {
    return (kind >= Kind::read && kind <= Kind::writev) || kind == Kind::splice ||
           kind == Kind::tee;
}

/// Where Completion::arguments has the flags of the call, counted in words; 0: there are none.
[[nodiscard]] constexpr u8 place_of_flags(Kind kind) noexcept {
    using namespace arguments;
    switch (kind) {
    case Kind::recv:
    case Kind::recv_all:
        return __builtin_offsetof(Receive, flags) / sizeof(u32);
    case Kind::recv_managed:
    case Kind::recv_multishot:
    case Kind::recvmsg_multishot:
        return __builtin_offsetof(Managed, flags) / sizeof(u32);
    case Kind::recvmsg:
    case Kind::recvmsg_all:
        return __builtin_offsetof(ReceiveMessage, flags) / sizeof(u32);
    case Kind::send:
    case Kind::send_all:
    case Kind::send_zero_copy:
        return __builtin_offsetof(Send, flags) / sizeof(u32);
    case Kind::sendmsg:
    case Kind::sendmsg_all:
    case Kind::sendmsg_zero_copy:
        return __builtin_offsetof(SendMessage, flags) / sizeof(u32);
    case Kind::read:
    case Kind::read_all:
    case Kind::write:
    case Kind::write_all:
        return __builtin_offsetof(Transfer, flags) / sizeof(u32);
    case Kind::readv:
    case Kind::writev:
        return __builtin_offsetof(Vector, flags) / sizeof(u32);
    default:
        return 0;
    }
}

constexpr KindTable make_table() noexcept {
    KindTable table = {};
    for (u32 i = 0; i < static_cast<u32>(Kind::count); ++i) {
        const Kind kind = static_cast<Kind>(i);
        table.of[i] = {static_cast<u8>(static_cast<u8>(way_of(kind)) & 7), works_on_files(kind),
                       static_cast<u8>(place_of_flags(kind) & 15)};
    }
    return table;
}

} // namespace

constinit const KindTable kind_table = make_table();

u32 flags_of(const Completion& operation) noexcept {
    const u32 at = info_of(operation).flags_at;
    u32 flags = 0;
    if (at != 0) {
        __builtin_memcpy(&flags, reinterpret_cast<const u32*>(&operation.arguments) + at,
                         sizeof(flags));
    }
    return flags;
}

bool asks_not_to_wait(const Completion& operation) noexcept {
    if (operation.kind == Kind::splice || operation.kind == Kind::tee) {
        return (operation.arguments.splice.splice->flags & abi::splice_flag::nonblock) != 0;
    }
    const u32 flag =
        info_of(operation).on_files != 0 ? abi::rw_flag::nowait : abi::msg_flag::dontwait;
    return (flags_of(operation) & flag) != 0;
}

} // namespace oxbow
