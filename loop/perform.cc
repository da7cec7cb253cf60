// perform(): the loop around one attempt, and the operations that belong to no other subject.
#include "perform.h"

#include "../syscall/call_file.h"
#include "kinds.h"
#include "perform_step.h"

namespace oxbow {

namespace detail {

i32 poll_once(i32 fd, u32 events, bool waits) noexcept {
    constexpr abi::Timespec at_once = {};
    if (fd < 0) {
        return -Errno::ebadf; // ppoll would leave it out, and wait for ever
    }
    abi::PollFd poll = {fd, static_cast<u16>(events), 0};
    i32 result = 0;
    do {
        result = kernel::ppoll(&poll, 1, waits ? nullptr : &at_once);
    } while (result == -Errno::eintr && !waits); // a look must end with an answer: events come once
    if (result <= 0) {
        return result;
    }
    return (poll.revents & abi::poll_event::nval) != 0 ? -Errno::ebadf : poll.revents;
}

} // namespace detail

namespace {

using detail::Buffer;

i32 close_once(i32 fd) noexcept {
    // Linux has let go of the descriptor whatever it says: close(2), "Dealing with error returns".
    const i32 result = kernel::close(fd);
    return result == -Errno::eintr ? 0 : result;
}

/// What every program has.
i32 step_of_rest(const Completion& operation, Patience patience) noexcept {
    const arguments::Any& with = operation.arguments;
    switch (operation.kind) {
    case Kind::nop:
        return 0;
    case Kind::close:
        return close_once(operation.fd);
    case Kind::poll:
    case Kind::poll_multishot: {
        const i32 events =
            detail::poll_once(operation.fd, with.poll.events, patience == Patience::blocks);
        return events != 0 ? events : -Errno::eagain;
    }
    default:
        return -Errno::einval;
    }
}

i32 step(const Completion& operation, const Buffer& buffer, Patience patience) noexcept {
    const Kind kind = operation.kind;
    if (kind >= Kind::socket && kind <= Kind::sendmsg_zero_copy) {
        return detail::step_on_socket(operation, buffer, patience);
    }
    if ((kind >= Kind::read && kind <= Kind::writev) || kind == Kind::splice || kind == Kind::tee) {
        return detail::step_of_transfer != nullptr
                   ? detail::step_of_transfer(operation, buffer, patience)
                   : -Errno::eopnotsupp;
    }
    if (kind >= Kind::openat && kind <= Kind::pipe) {
        return detail::step_on_path != nullptr ? detail::step_on_path(operation)
                                               : -Errno::eopnotsupp;
    }
    if (kind >= Kind::waitid && kind <= Kind::futex_wake) {
        return detail::step_on_process != nullptr ? detail::step_on_process(operation, patience)
                                                  : -Errno::eopnotsupp;
    }
    return step_of_rest(operation, patience);
}

/// What a descriptor that says EAGAIN can be waited for with; 0: EAGAIN is the answer.
[[nodiscard]] u32 events_awaited(const Completion& operation) noexcept {
    const Way way = way_of(operation);
    if ((way != Way::input && way != Way::output) || asks_not_to_wait(operation)) {
        return 0;
    }
    return way == Way::input ? abi::poll_event::in : abi::poll_event::out;
}

/// For a worker whose descriptor is non-blocking: until it may be ready.
[[gnu::cold]] void wait_until_ready(const Completion& operation, u32 events, bool again) noexcept {
    // Some are said to be ready and are not: a local socket whose receiver has no room, a listener
    // with rivals. So that this does not turn into a busy loop, the second round takes its time.
    constexpr abi::Timespec pause = {0, 1000000};
    if (again) {
        (void)kernel::ppoll(nullptr, 0, &pause);
    }
    (void)detail::poll_once(operation.fd, events, true);
    if (operation.kind == Kind::splice || operation.kind == Kind::tee) {
        (void)detail::poll_once(operation.arguments.splice.splice->to_fd, abi::poll_event::out,
                                true);
    }
}

i32 attempt(const Completion& operation, const Buffer& buffer, Patience patience) noexcept {
    for (bool again = false;;) {
        const i32 result = step(operation, buffer, patience);
        if (result == -Errno::eintr) {
            continue;
        }
        if (result != -Errno::eagain || patience != Patience::blocks) {
            return result;
        }
        const u32 events = events_awaited(operation);
        if (events == 0) {
            return result;
        }
        wait_until_ready(operation, events, again);
        again = true;
    }
}

} // namespace

i32 perform(const Completion& operation, Patience patience) noexcept {
    if (is_managed(operation.kind)) {
        return -Errno::einval;
    }
    return attempt(operation, {}, patience);
}

i32 perform_into(const Completion& operation, void* buffer, u32 bytes, Patience patience) noexcept {
    if (!is_managed(operation.kind)) {
        return -Errno::einval;
    }
    return attempt(operation, {buffer, bytes}, patience);
}

bool wants_more(const Completion& operation, i32 step, u32 done) noexcept {
    if (step <= 0 || done >= detail::count_max) {
        return false;
    }
    const arguments::Any& with = operation.arguments;
    switch (operation.kind) {
    case Kind::recv_all:
        return done < with.receive.bytes;
    case Kind::send_all:
        return done < with.send.bytes;
    case Kind::read_all:
    case Kind::write_all:
        return done < with.transfer.bytes;
    case Kind::recvmsg_all: // that there was a step means that the part of messages is here
        return piece_at(*with.receive_message.message, done).bytes != 0;
    case Kind::sendmsg_all:
        return piece_at(*with.send_message.message, done).bytes != 0;
    default:
        return false;
    }
}

bool is_blocking(i32 fd) noexcept {
    const i32 flags = kernel::fcntl(fd, abi::fcntl_command::get_status_flags);
    return flags >= 0 && (flags & abi::open_flag::nonblock) == 0;
}

} // namespace oxbow
