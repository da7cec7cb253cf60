// Making things, plain system calls, cancels and closes. See differential_run.h.
#include "differential_run.h"

namespace oxbow::test::differential {

// ---- Making things
// ---------------------------------------------------------------------------------

namespace {

/// Without a name, since several processes make some in the same directory.
[[nodiscard]] Fd make_unnamed_file() noexcept {
    char path[256];
    Fd file = make_file(path);
    CHECK_OK(kernel::unlinkat(abi::at_fdcwd, path, 0));
    return file;
}

} // namespace

void Run::make(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if (thing.kind != Kind::none || step.kind == Kind::none) {
        return;
    }
    thing.kind = step.kind;
    i32* const fd = thing.fd;
    switch (step.kind) {
    case Kind::tcp:
    case Kind::stream:
    case Kind::datagram: {
        SocketPair pair =
            step.kind == Kind::tcp
                ? make_tcp_pair()
                : make_socket_pair(step.kind == Kind::stream ? abi::socket_type::stream
                                                             : abi::socket_type::datagram);
        fd[0] = pair.near.release();
        fd[1] = pair.far.release();
        for (u32 end = 0; end < 2 && step.kind == Kind::tcp; ++end) {
            const i32 one = 1; // a small write would wait until the one before is acknowledged
            CHECK_OK(kernel::setsockopt(fd[end], abi::socket_level::tcp, abi::tcp_option::nodelay,
                                        &one, sizeof(one)));
        }
        break;
    }
    case Kind::pipe: {
        Pipe pipe = make_pipe();
        fd[0] = pipe.reader.release();
        fd[1] = pipe.writer.release();
        break;
    }
    case Kind::counter:
        fd[0] = fd[1] = CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::cloexec));
        break;
    case Kind::file:
        fd[0] = make_unnamed_file().release();
        break;
    case Kind::listener: {
        fd[0] = CHECK_OK(kernel::socket(abi::socket_family::local,
                                        abi::socket_type::stream | abi::socket_type::cloexec, 0));
        const u16 family = static_cast<u16>(abi::socket_family::local);
        CHECK_OK(kernel::bind(fd[0], &family, sizeof(family)));
        CHECK_OK(kernel::listen(fd[0], 2 * static_cast<i32>(messages_max)));
        break;
    }
    default:
        new (static_cast<void*>(thing.async)) Asynchronous(*loop_);
        break;
    }
    for (u32 end = 0; end < 2; ++end) {
        const u8 bit = end == 0 ? Step::nonblocking : Step::also_far;
        if (fd[end] >= 0 && (step.flags & bit) != 0) {
            const i32 flags =
                CHECK_OK(kernel::fcntl(fd[end], abi::fcntl_command::get_status_flags));
            CHECK_OK(kernel::fcntl(fd[end], abi::fcntl_command::set_status_flags,
                                   flags | abi::open_flag::nonblock));
        }
    }
}

void Run::close_end(Thing& thing, u32 end) noexcept {
    if (thing.kind == Kind::counter) {
        thing.fd[1 - end] = -1;
    }
    thing.fd[end] = -1;
    thing.torn = true;
    thing.from[end].ended = true;
}

// ---- Plain system calls
// ------------------------------------------------------------------------------

void Run::plain_write(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if (thing.kind == Kind::notifier) {
        Direction& direction = thing.from[1];
        if (direction.write_begun) {
            quiet();
        }
        direction.write_begun = true;
        thing.notified = true;
        reinterpret_cast<Asynchronous*>(thing.async)->async.notify();
        return;
    }
    if (thing.kind == Kind::listener) {
        Direction& direction = thing.from[1];
        if (thing.fd[0] < 0 || direction.messages == messages_max) {
            return;
        }
        if (direction.write_begun || (direction.read_begun && !direction.was_empty)) {
            quiet();
        }
        const Fd client(CHECK_OK(kernel::socket(
            abi::socket_family::local, abi::socket_type::stream | abi::socket_type::cloexec, 0)));
        abi::SocketAddressUn address;
        u32 bytes = sizeof(address);
        CHECK_OK(kernel::getsockname(thing.fd[0], &address, &bytes));
        record(at_, connect_blocking(client, &address, bytes));
        direction.write_begun = true;
        ++direction.messages;
        return;
    }
    const u32 end = thing.kind == Kind::counter || thing.kind == Kind::pipe ? 1 : step.end;
    const u32 bytes = step.bytes < large_bytes ? step.bytes : 100;
    if (thing.kind == Kind::none || thing.kind == Kind::file || !may_write(thing, end, bytes) ||
        thing.from[end].ended || thing.fd[1 - end] < 0 ||
        (bytes == 0 && thing.kind != Kind::datagram)) {
        return;
    }
    Direction& direction = thing.from[end];
    direction.write_begun = true;
    if (thing.kind == Kind::counter) {
        const u64 number = bytes;
        record(at_, ready_for(thing.fd[1], event::out) != 0
                        ? static_cast<i32>(kernel::write(thing.fd[1], &number, sizeof(number)))
                        : 0);
        return;
    }
    const u8* const data = pattern_at(direction.written);
    long written = 0;
    if (thing.kind != Kind::pipe) {
        written = kernel::send(thing.fd[end], data, bytes, msg::dontwait | msg::nosignal);
    } else if (ready_for(thing.fd[end], event::out) == event::out) {
        written = kernel::write(thing.fd[end], data, bytes);
    }
    direction.written += written > 0 ? static_cast<u32>(written) : 0;
    direction.messages += 1;
    record(at_, static_cast<i32>(written));
}

/// Takes what is there, without waiting, and checks it. How many bytes.
u32 Run::read_some(Thing& thing, u32 end) noexcept {
    Direction& direction = into(thing, end);
    u32 total = 0;
    for (;;) {
        long count = -1;
        if (thing.kind != Kind::pipe) {
            count = kernel::recv(thing.fd[end], scratch_, sizeof(scratch_), msg::dontwait);
        } else if (ready_for(thing.fd[end], event::in) != 0) {
            count = kernel::read(thing.fd[end], scratch_, sizeof(scratch_));
        }
        if (count <= 0) {
            return total;
        }
        const u32 bytes = static_cast<u32>(count);
        for (u32 i = 0; i < bytes && !direction.cut; i += period) {
            const u32 part = bytes - i < period ? bytes - i : period;
            if (digest_of(scratch_ + i, part) != digest_of(pattern_at(direction.taken + i), part)) {
                fault("bytes of a large write arrived changed, or in another order");
            }
        }
        direction.taken += bytes;
        total += bytes;
    }
}

/// All of a large write that is under way, or of what is left of it.
void Run::drain(Thing& thing, u32 end) noexcept {
    Direction& direction = into(thing, end);
    const bool was_cut = direction.cut;
    u32 total = 0;
    u32 got = 0;
    do {
        got = read_some(thing, end);
        total += got;
        quiet();
    } while (got != 0 && is_busy(direction.writer));
    total += read_some(thing, end);
    if (is_busy(direction.writer)) {
        fault("a write does not go on though there is room");
    } else {
        direction.large = false;
    }
    record(at_, was_cut || direction.cut ? 0 : static_cast<i32>(total));
}

void Run::plain_read(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if (thing.kind == Kind::none || thing.kind == Kind::file || thing.kind == Kind::notifier) {
        return;
    }
    const u32 end = thing.kind >= Kind::pipe ? 0 : step.end;
    if (thing.fd[end] < 0) {
        return;
    }
    quiet();
    Direction& direction = into(thing, end);
    if (is_busy(direction.reader)) {
        return;
    }
    if (direction.large) {
        if (!is_busy(direction.writer) || has_begun(slots_[direction.writer])) {
            drain(thing, end);
        }
        return;
    }
    const u32 bytes = remainder_of(step.bytes, 2000) + 1;
    if (ready_for(thing.fd[end], event::in) == 0) {
        record(at_, 0);
        return;
    }
    if (thing.kind == Kind::listener) {
        const i32 fd = kernel::accept4(thing.fd[end], nullptr, nullptr, abi::accept4_flag::cloexec);
        record(at_, fd >= 0 ? 1 : fd);
        if (fd >= 0) {
            (void)kernel::close(fd);
        }
        return;
    }
    const bool is_socket = thing.kind <= Kind::datagram;
    const long count =
        is_socket ? kernel::recv(thing.fd[end], scratch_, bytes, msg::dontwait)
                  : kernel::read(thing.fd[end], scratch_, thing.kind == Kind::counter ? 8 : bytes);
    const u32 taken = count > 0 ? static_cast<u32>(count) : 0;
    if (is_stream(thing.kind)) {
        if (taken != 0 && !direction.cut &&
            digest_of(scratch_, taken) != digest_of(pattern_at(direction.taken), taken)) {
            fault("bytes arrived changed, or in another order");
        }
        direction.taken += taken;
    }
    record(at_, static_cast<i32>(count), 0, taken != 0 ? digest_of(scratch_, taken) : 0);
}

void Run::plain_shutdown(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    if ((thing.kind != Kind::tcp && thing.kind != Kind::stream) || thing.torn) {
        return;
    }
    quiet();
    Direction& direction = thing.from[step.end];
    if (is_busy(direction.writer) || thing.fd[step.end] < 0) {
        return;
    }
    record(at_, kernel::shutdown(thing.fd[step.end], abi::shutdown_how::write));
    direction.ended = true;
    direction.write_begun = true;
}

void Run::plain_close(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    const u32 end = thing.kind == Kind::file || thing.kind == Kind::listener ? 0 : step.end;
    if (thing.kind == Kind::none || thing.fd[end] < 0) {
        return;
    }
    quiet();
    for (const Slot& slot : slots_) {
        const bool same_end = slot.end == end || thing.kind == Kind::counter;
        const bool moves = slot.call == Call::splice && slot.number == step.object;
        if (slot.busy && slot.call > Call::timer_every &&
            ((slot.object == step.object && same_end) || moves)) {
            return;
        }
    }
    tell_file(thing);
    loop_->unregister_fd(thing.fd[end]);
    record(at_, kernel::close(thing.fd[end]));
    close_end(thing, end);
    thing.from[1 - end].write_begun = thing.from[end].write_begun = true;
    quiet();
}

// ---- Ending operations
// -------------------------------------------------------------------------------

void Run::cancel(const Step& step) noexcept {
    Slot& target = slots_[step.other];
    Slot& request = slots_[step.slot];
    const bool begun = has_begun(target);
    const Thing& thing = things_[target.object];
    const bool untouched = target.call == Call::timer_far ||
                           (reads(target.call) && !thing.from[1 - target.end].write_begun);
    const bool waits = target.busy && (!begun || (target.waits && untouched));
    if (!target.fresh || (step.flags & Step::early) == 0 || !waits) {
        quiet();
    }
    if ((step.flags & Step::unseen) != 0) {
        loop_->cancel(target.completion);
    } else if (&request != &target && !request.busy) {
        request.call = Call::nop;
        request.ends_by_itself = true;
        request.expires = false;
        request.rearms = 0;
        start(request, step, op::cancel(target.completion));
    }
    quiet();
}

void Run::cancel_fd(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    Slot& request = slots_[step.slot];
    quiet();
    if (request.busy ||
        (step.what == Do::cancel_fd && (thing.kind == Kind::none || thing.fd[step.end] < 0))) {
        return;
    }
    request.call = Call::nop;
    request.ends_by_itself = true;
    request.expires = false;
    request.rearms = 0;
    start(request, step,
          step.what == Do::cancel_fd ? op::cancel_fd(thing.fd[step.end]) : op::cancel_all());
    quiet();
}

void Run::close(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    Slot& request = slots_[step.slot];
    const u32 end = thing.kind == Kind::file || thing.kind == Kind::listener ? 0 : step.end;
    quiet();
    if (request.busy || thing.kind == Kind::none || thing.fd[end] < 0) {
        return;
    }
    tell_file(thing);
    request.call = Call::nop;
    request.ends_by_itself = true;
    request.expires = false;
    request.rearms = 0;
    start(request, step, op::close(thing.fd[end]));
    close_end(thing, end);
    // Whoever was on it is still busy with that number until it is told.
    quiet();
}

void Run::give_back(Pool& pool) noexcept {
    for (u32 i = 0; i < pool.held_count; ++i) {
        pool.pool.give_back(pool.held[i]);
    }
    pool.held_count = 0;
}

} // namespace oxbow::test::differential
