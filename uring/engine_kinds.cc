// Which of the ring's operations does what, and what is done where the kernel has it not.
#include "../syscall/abi_epoll.h"
#include "engine_state.h"

namespace oxbow::uring_engine {

namespace {

using abi::Opcode;
namespace event = abi::poll_event;

constexpr u16 in = static_cast<u16>(event::in);
constexpr u16 out = static_cast<u16>(event::out);

// Which no ring has.
constexpr Opcode no_opcode{0xff};

// In the order of Kind. Those that the loop does itself never come here.
constexpr KindInfo kinds[] = {
    {Opcode::nop, Fallback::none, 0},          // nop
    {Opcode::nop, Fallback::none, 0},          // timer
    {Opcode::nop, Fallback::none, 0},          // notification
    {Opcode::async_cancel, Fallback::none, 0}, // cancel
    {Opcode::nop, Fallback::none, 0},          // cancel_fd
    {Opcode::nop, Fallback::none, 0},          // cancel_all
    {Opcode::close, Fallback::now, 0},         // close

    {Opcode::socket, Fallback::now, 0},     // socket
    {Opcode::bind, Fallback::now, 0},       // bind
    {Opcode::listen, Fallback::now, 0},     // listen
    {Opcode::shutdown, Fallback::now, 0},   // shutdown
    {Opcode::connect, Fallback::poll, out}, // connect
    {Opcode::accept, Fallback::poll, in},   // accept
    {Opcode::accept, Fallback::poll, in},   // accept_multishot
    {Opcode::recv, Fallback::poll, in},     // recv
    {Opcode::recv, Fallback::poll, in},     // recv_all
    {Opcode::recv, Fallback::poll, in},     // recv_managed
    {Opcode::recv, Fallback::poll, in},     // recv_multishot
    {Opcode::recvmsg, Fallback::poll, in},  // recvmsg
    {Opcode::recvmsg, Fallback::poll, in},  // recvmsg_all
    {Opcode::recvmsg, Fallback::poll, in},  // recvmsg_multishot
    {Opcode::send, Fallback::poll, out},    // send
    {Opcode::send, Fallback::poll, out},    // send_all
    {Opcode::send, Fallback::poll, out},    // send_zero_copy
    {Opcode::sendmsg, Fallback::poll, out}, // sendmsg
    {Opcode::sendmsg, Fallback::poll, out}, // sendmsg_all
    {Opcode::sendmsg, Fallback::poll, out}, // sendmsg_zero_copy
    {Opcode::read, Fallback::worker, in},   // read
    {Opcode::read, Fallback::worker, in},   // read_all
    {Opcode::read, Fallback::poll, in},     // read_managed
    {Opcode::read, Fallback::poll, in},     // read_multishot
    {Opcode::write, Fallback::worker, out}, // write
    {Opcode::write, Fallback::worker, out}, // write_all
    {Opcode::readv, Fallback::none, in},    // readv
    {Opcode::writev, Fallback::none, out},  // writev
    {Opcode::poll_add, Fallback::none, 0},  // poll
    {Opcode::poll_add, Fallback::none, 0},  // poll_multishot

    {Opcode::openat, Fallback::worker, 0},          // openat
    {Opcode::openat2, Fallback::worker, 0},         // openat2
    {Opcode::statx, Fallback::worker, 0},           // statx
    {Opcode::fsync, Fallback::worker, 0},           // fsync
    {Opcode::sync_file_range, Fallback::worker, 0}, // sync_file_range
    {Opcode::fallocate, Fallback::worker, 0},       // fallocate
    {Opcode::ftruncate, Fallback::worker, 0},       // ftruncate
    {Opcode::fadvise, Fallback::worker, 0},         // fadvise
    {Opcode::madvise, Fallback::worker, 0},         // madvise
    {Opcode::renameat, Fallback::worker, 0},        // renameat
    {Opcode::unlinkat, Fallback::worker, 0},        // unlinkat
    {Opcode::mkdirat, Fallback::worker, 0},         // mkdirat
    {Opcode::symlinkat, Fallback::worker, 0},       // symlinkat
    {Opcode::linkat, Fallback::worker, 0},          // linkat
    {Opcode::getxattr, Fallback::worker, 0},        // getxattr
    {Opcode::setxattr, Fallback::worker, 0},        // setxattr
    {Opcode::fgetxattr, Fallback::worker, 0},       // fgetxattr
    {Opcode::fsetxattr, Fallback::worker, 0},       // fsetxattr
    {Opcode::splice, Fallback::poll, in},           // splice
    {Opcode::tee, Fallback::poll, in},              // tee
    {no_opcode, Fallback::worker, 0},               // copy_file_range
    {Opcode::pipe, Fallback::now, 0},               // pipe

    {Opcode::waitid, Fallback::waitid, 0},      // waitid
    {Opcode::futex_wait, Fallback::worker, 0},  // futex_wait
    {Opcode::futex_waitv, Fallback::worker, 0}, // futex_waitv
    {Opcode::futex_wake, Fallback::now, 0},     // futex_wake
};
static_assert(sizeof(kinds) / sizeof(kinds[0]) == static_cast<u32>(Kind::count));

} // namespace

const KindInfo& info_of(Kind kind) noexcept {
    return kinds[static_cast<u32>(kind)];
}

bool is_linked(Kind kind) noexcept {
    return is_message(kind)        ? &message_part != nullptr
           : is_of_files(kind)     ? &file_part != nullptr
           : is_of_processes(kind) ? &process_part != nullptr
                                   : true;
}

bool is_native(State& state, const Completion& completion) noexcept {
    const Kind kind = completion.kind;
    if (!has(state, info_of(kind).opcode)) {
        return false;
    }
    switch (kind) {
    case Kind::recv_managed:
    case Kind::read_managed:
    case Kind::read_multishot:
        return completion.arguments.managed.pool->kernel_takes;
    case Kind::recv_multishot:
    case Kind::recvmsg_multishot:
        return state.features.recv_multishot && completion.arguments.managed.pool->kernel_takes;
    // Their entries have no room for more. (Newer ones have, for advice; but nothing tells.)
    case Kind::sync_file_range:
    case Kind::fadvise:
        return completion.arguments.range.bytes <= ~u32{0};
    case Kind::madvise:
        return completion.arguments.memory.bytes <= ~u32{0};
    default:
        return true;
    }
}

} // namespace oxbow::uring_engine
