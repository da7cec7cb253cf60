// From completions of the ring to results of operations.
//
// Errors that no user can act on end here: an interrupted operation is submitted again, one that is
// not ready waits for readiness, one that found no buffer waits for a buffer.
#include "../loop/end_of_stream.h"
#include "../loop/kinds.h"
#include "../loop/perform.h"
#include "../syscall/abi_epoll.h"
#include "../syscall/call_file.h"
#include "engine_state.h"

namespace oxbow::uring_engine {

namespace {

/// -EINTR, and what the kernel says to itself when it means to restart a call: up to Linux 7.2 a
/// cancelled splice ends with it (include/linux/errno.h, ERESTARTSYS to ERESTART_RESTARTBLOCK).
[[nodiscard]] bool is_interrupted(i32 value) noexcept {
    return value == -Errno::eintr || (value <= -512 && value >= -516);
}

void leave(Loop& loop, Completion& completion) noexcept {
    list_of(loop, completion).remove(completion);
}

void end(Loop& loop, Completion& completion, i32 value, u32 flags = 0) noexcept {
    leave(loop, completion);
    if (completion.kind == Kind::waitid && completion.fd >= 0) {
        (void)kernel::close(completion.fd); // of the process: it has nothing to lose
        completion.fd = -1;
    }
    loop.finish(completion, value, flags);
}

/// A result of an operation that goes on; `armed`: by itself, in the kernel.
void go_on(Loop& loop, Completion& completion, i32 value, u32 flags, bool armed) noexcept {
    leave(loop, completion);
    if (!armed) {
        completion.set(half_done);
    }
    loop.deliver(completion, value, flags);
}

[[nodiscard]] bool writes(Kind kind) noexcept {
    return kind == Kind::write || kind == Kind::write_all || kind == Kind::writev;
}

/// Of an `_all` operation, what it has moved so far is its true result; the next one meets the
/// error.
void end_with_error(Loop& loop, Completion& completion, i32 error) noexcept {
    const bool moved = transfers_all(completion.kind) && completion.value > 0;
    end(loop, completion, moved ? completion.value : error);
}

/// The kernel has let go of it, for another reason than that its end was asked for.
void end_cancelled(Loop& loop, Completion& completion) noexcept {
    tell_requests(loop, completion);
    end_with_error(loop, completion, -Errno::ecanceled);
}

[[nodiscard]] bool opens(Kind kind) noexcept {
    return kind == Kind::openat || kind == Kind::openat2;
}

/// Where the operation has an offset; nullptr: it has none.
[[nodiscard]] arguments::PackedU64* offset_of(Completion& completion) noexcept {
    switch (completion.kind) {
    case Kind::read:
    case Kind::read_all:
    case Kind::write:
    case Kind::write_all:
        return &completion.arguments.transfer.offset;
    case Kind::readv:
    case Kind::writev:
        return &completion.arguments.vector.offset;
    default:
        return nullptr;
    }
}

[[nodiscard]] bool is_on_file(const Completion& completion) noexcept {
    abi::Statx status = {};
    (void)kernel::statx(completion.fd, "", abi::at_flag::empty_path, abi::statx_mask::type,
                        &status); // no descriptor, no file
    const u32 type = status.mode & abi::file_mode::type_mask;
    return type == abi::file_mode::regular || type == abi::file_mode::block_device;
}

[[nodiscard]] bool reads(Kind kind) noexcept {
    return (kind >= Kind::read && kind <= Kind::read_multishot) || kind == Kind::readv;
}

/// -ECANCELED that nobody asked for. Where the ring cannot start a thread for what blocks (a signal
/// at the wrong time is enough), it drops what that thread was to do: io_uring/io-wq.c,
/// io_acct_cancel_pending_work. One of our own does it then, where that may block.
void take_refusal(Loop& loop, Completion& completion) noexcept {
    const Kind kind = completion.kind;
    const KindInfo& info = info_of(kind);
    const bool waits_for_readiness = info.poll_events != 0 && !is_on_file(completion);
    const bool is_for_workers =
        info.fallback == Fallback::worker || kind == Kind::readv || kind == Kind::writev;
    if (waits_for_readiness && reads(kind)) {
        end_with_error(loop, completion, -Errno::ecanceled); // of a timerfd: its clock was set
    } else if (is_for_workers && !waits_for_readiness) {
        leave(loop, completion);
        loop.perform_on_worker(completion);
    } else {
        submit_again(loop, completion);
    }
}

/// Whether an operation that ends with this error in the kernel is begun once more, or waits.
[[nodiscard]] bool goes_on_after(const Completion& completion, i32 value) noexcept {
    switch (value) {
    case -static_cast<i32>(Errno::eagain):
        return true;
    case -static_cast<i32>(Errno::einprogress):
        return completion.kind == Kind::connect;
    case -static_cast<i32>(Errno::enobufs):
        return is_managed(completion.kind);
    case -static_cast<i32>(Errno::enxio):
        return opens(completion.kind) && !completion.has(half_done);
    default:
        return false;
    }
}

/// Whether it goes on, because it is not ready, or all buffers are in use: it waits.
[[nodiscard]] bool waits_after(Loop& loop, Completion& completion, i32 value) noexcept {
    if (value == -Errno::enobufs && is_managed(completion.kind)) {
        BufferPool& pool = *completion.arguments.managed.pool;
        if (takes_turns(completion) || (pool.kernel_takes && pool.offer_more()) ||
            pool.held() < pool.count()) {
            submit_again(loop, completion); // there is one, or one has come back meanwhile
        } else {
            leave(loop, completion);
            loop.await_buffer(completion);
        }
        return true;
    }
    const bool connects = value == -Errno::einprogress && completion.kind == Kind::connect;
    if (!connects && (value != -Errno::eagain || wants_eagain(completion))) {
        return false;
    }
    const bool vain = is_send(completion.kind) && completion.has(pauses);
    if (value == -Errno::eagain && (completion.kind == Kind::connect || vain)) {
        // The backlog of a local listener is full, or the queue of a local receiver. poll(2) calls
        // the socket writable all the while, and no event tells when there is room: unix_poll in
        // the kernel, and unix_dgram_poll of a socket that is not connected.
        submit_pause(loop, completion);
    } else if (info_of(completion.kind).poll_events != 0) {
        submit_poll(loop, completion);
    } else {
        leave(loop, completion);
        loop.perform_on_worker(completion);
    }
    return true;
}

/// Whether it goes on, because what the kernel refuses can be asked for in another way.
/// `was_plain`: a write without rw_flag::nosignal.
[[nodiscard]] bool asks_otherwise(Loop& loop, Completion& completion, i32 value,
                                  bool was_plain) noexcept {
    if (value == -Errno::enxio && opens(completion.kind) && !completion.has(half_done)) {
        // The ring's first attempt is one with O_NONBLOCK, whoever asked for it, and a pipe that
        // nobody reads then refuses instead of waiting (io_uring/openclose.c, io_openat2).
        completion.set(half_done);
    } else if (value == -Errno::espipe) {
        // A socket; pipes and terminals do not look at the offset.
        arguments::PackedU64* const offset = offset_of(completion);
        if (offset == nullptr || *offset == abi::current_position) {
            return false;
        }
        *offset = abi::current_position;
    } else if (value == -Errno::eopnotsupp && completion.kind == Kind::send_zero_copy) {
        // A socket without such sends: AF_UNIX, and others than TCP and UDP. (With msg_flag::oob
        // the plain send says the same once more.)
        completion.kind = Kind::send;
    } else if (value == -Errno::eopnotsupp && completion.kind == Kind::sendmsg_zero_copy) {
        completion.kind = Kind::sendmsg;
    } else if (value == -Errno::eopnotsupp && writes(completion.kind) && !was_plain) {
        // Before 6.18. Others may have been on their way with the flag when the first was refused.
        State& state = state_of(loop);
        state.features.refuses_nosignal = true;
        block_sigpipe(state);
        if (completion.has(Completion::cancelled)) {
            end_cancelled(loop, completion); // the request was for the attempt that has failed
            return true;
        }
        completion.set(is_plain);
    } else {
        return false;
    }
    submit_again(loop, completion);
    return true;
}

void take_error(Loop& loop, Completion& completion, i32 value) noexcept {
    const bool cancelled = completion.has(Completion::cancelled);
    const bool was_plain = writes(completion.kind) && completion.has(is_plain);
    if (was_plain) {
        completion.clear(is_plain); // a poll would take it for `pauses`
    }
    if (is_interrupted(value)) {
        if (completion.kind == Kind::close) {
            end(loop, completion, 0); // the descriptor is gone all the same
        } else if (cancelled) {
            end_cancelled(loop, completion);
        } else if (completion.kind == Kind::connect) {
            submit_poll(loop, completion); // it goes on being made
        } else {
            submit_again(loop, completion);
        }
        return;
    }
    if (value == -Errno::ecanceled && !cancelled) {
        take_refusal(loop, completion);
        return;
    }
    if (cancelled && goes_on_after(completion, value)) {
        end_cancelled(loop, completion);
        return;
    }
    if (waits_after(loop, completion, value) ||
        asks_otherwise(loop, completion, value, was_plain)) {
        return;
    }
    if (value == -Errno::einval && is_message(completion.kind) &&
        message_part.has_too_many_pieces(completion)) {
        value = -Errno::emsgsize; // as sendmsg(2) says, and newer rings
    }
    end_with_error(loop, completion, value);
}

void take_step(Loop& loop, Completion& completion, i32 step, u32 flags) noexcept {
    const u32 done = static_cast<u32>(completion.value) + static_cast<u32>(step);
    completion.value = static_cast<i32>(done);
    if (wants_more(completion, step, done) && !completion.has(Completion::cancelled)) {
        completion.clear(pauses);
        submit_again(loop, completion);
        return;
    }
    end(loop, completion, completion.value, flags | end_flag(completion, step));
}

/// Of a multishot operation; `armed`: it goes on by itself.
void take_shot(Loop& loop, Completion& completion, i32 value, u32 flags, bool armed) noexcept {
    i32 received = value;
    if (completion.kind == Kind::recvmsg_multishot && (flags & result_flag::buffer) != 0) {
        const u8* const buffer = completion.arguments.managed.pool->buffer(
            static_cast<u16>(flags >> result_flag::buffer_shift));
        received =
            static_cast<i32>(reinterpret_cast<const abi::RecvmsgOut*>(buffer)->payload_length);
    }
    const bool transfers = is_managed(completion.kind);
    const u32 ended = transfers && !armed ? end_flag(completion, received) : 0;
    if (ended != 0) {
        end(loop, completion, value, flags | ended);
    } else {
        go_on(loop, completion, value, flags, armed);
    }
}

/// A result that is no error, of the ring's own operation or of a system call in its place.
void take_value(Loop& loop, Completion& completion, i32 value, u32 flags, bool armed) noexcept {
    if (writes(completion.kind)) {
        file_part.mend_position(state_of(loop), completion, static_cast<u32>(value));
    }
    if (transfers_all(completion.kind)) {
        take_step(loop, completion, value, flags);
    } else if (is_multishot(completion.kind)) {
        take_shot(loop, completion, value, flags, armed);
    } else {
        end(loop, completion, value, flags | end_flag(completion, value));
    }
}

/// The buffer that the kernel took, as flags of a result. One without data goes back at once.
[[nodiscard]] u32 take_buffer(Completion& completion, i32 value, u32 cqe_flags) noexcept {
    if ((cqe_flags & abi::cqe_flag::buffer) == 0 || !is_managed(completion.kind)) {
        return 0;
    }
    BufferPool& pool = *completion.arguments.managed.pool;
    const u16 id = static_cast<u16>(cqe_flags >> abi::cqe_buffer_shift);
    pool.taken_by_kernel();
    if (value <= 0) {
        pool.give_back(id);
        return 0;
    }
    return result_flag::buffer | static_cast<u32>(id) << result_flag::buffer_shift;
}

/// The kernel's wake-ups of sockets name urgent data and bands whether there are any or not
/// (sock_def_readable, sock_write_space), and the ring passes that on as it is (io_uring/poll.c,
/// io_poll_check_events).
[[nodiscard]] bool may_be_untrue(const Completion& completion) noexcept {
    constexpr u32 doubtful =
        abi::poll_event::pri | abi::poll_event::rdband | abi::poll_event::wrband;
    return (completion.arguments.poll.events & doubtful) != 0;
}

/// What of `value` a poll was asked for: since 5.13 the ring tells of rdhup in any case
/// (io_uring/poll.c, IO_POLL_UNMASK). What may be untrue is asked for. A poll of which nothing is
/// left goes on.
void take_events(Loop& loop, Completion& completion, i32 value, bool armed) noexcept {
    constexpr u32 always = abi::poll_event::err | abi::poll_event::hup | abi::poll_event::nval;
    const u32 told = static_cast<u32>(value);
    const u32 wanted = told & (completion.arguments.poll.events | always);
    value = wanted != 0 ? static_cast<i32>(wanted) : -static_cast<i32>(Errno::eagain);
    if (may_be_untrue(completion)) {
        ++loop.counters().syscalls;
        value = perform(completion, Patience::none);
    }
    if (value >= 0) {
        take_value(loop, completion, value, 0, armed);
    } else if (value != -Errno::eagain) {
        take_error(loop, completion, value);
    } else if (armed) {
        return;
    } else if (completion.has(Completion::cancelled)) {
        end_cancelled(loop, completion);
    } else {
        // Half a connection that has ended would end the next poll at once, too.
        if ((told & abi::poll_event::rdhup) != 0) {
            submit_pause(loop, completion);
        } else {
            submit_again(loop, completion);
        }
    }
}

/// What it waited for is there: of two descriptors, at the first one.
void try_again(Loop& loop, Completion& completion) noexcept {
    if (has_output(completion.kind)) {
        if (!completion.has(input_ready)) {
            completion.set(input_ready);
            submit_poll(loop, completion);
            return;
        }
        completion.clear(input_ready);
    }
    if (is_native(state_of(loop), completion) && completion.kind != Kind::waitid) {
        submit_again(loop, completion);
    } else {
        attempt(loop, completion);
    }
}

/// The descriptor is ready, or its poll has failed.
void take_readiness(Loop& loop, Completion& completion, i32 value) noexcept {
    completion.clear(Completion::polls);
    const bool can_be_vain = is_send(completion.kind);
    const bool paused = can_pause(completion.kind) && completion.has(pauses);
    if (paused) {
        completion.clear(pauses);
    } else if (can_be_vain) {
        completion.set(pauses); // should it be in vain
    }
    if (completion.has(Completion::cancelled)) {
        end_cancelled(loop, completion);
    } else if (paused) {
        submit_again(loop, completion);
    } else if (is_interrupted(value)) {
        submit_poll(loop, completion);
    } else if (value < 0) {
        take_error(loop, completion, value);
    } else if (info_of(completion.kind).poll_events == abi::poll_event::out &&
               value == abi::poll_event::rdhup) {
        // The ring tells of it unasked. There is no room yet, and the next poll would end at once.
        submit_pause(loop, completion);
    } else if (completion.kind == Kind::connect) {
        const i32 result = finish_connect(completion.fd);
        if (result == -Errno::einprogress) {
            submit_poll(loop, completion);
        } else {
            end(loop, completion, result);
        }
    } else {
        try_again(loop, completion);
    }
}

} // namespace

bool wants_eagain(const Completion& completion) noexcept {
    return completion.kind == Kind::futex_wait || completion.kind == Kind::futex_waitv ||
           asks_not_to_wait(completion);
}

void attempt(Loop& loop, Completion& completion) noexcept {
    i32 value = 0;
    u32 flags = 0;
    if (is_managed(completion.kind)) {
        BufferPool& pool = *completion.arguments.managed.pool;
        const i32 id = pool.take();
        if (id < 0) {
            leave(loop, completion);
            loop.await_buffer(completion);
            return;
        }
        value = perform_into(completion, pool.buffer(static_cast<u16>(id)), pool.buffer_bytes(),
                             Patience::ready);
        if (value == -Errno::eagain && completion.kind == Kind::read_managed &&
            &file_part != nullptr && file_part.is_file(completion.fd)) {
            // It is not in memory, and nothing tells when it is. A worker could not take the
            // buffer.
            value = perform_into(completion, pool.buffer(static_cast<u16>(id)), pool.buffer_bytes(),
                                 Patience::blocks);
        }
        if (value <= 0) {
            pool.untake(static_cast<u16>(id));
        } else {
            flags = result_flag::buffer | static_cast<u32>(id) << result_flag::buffer_shift;
        }
    } else {
        value = perform(completion, Patience::ready);
    }
    ++loop.counters().syscalls;
    if (value == -Errno::eagain && !is_send(completion.kind) && !wants_eagain(completion)) {
        submit_poll(loop, completion);
    } else if (value < 0) {
        take_error(loop, completion, value);
    } else {
        take_value(loop, completion, value, flags, false);
    }
}

void take_result(Loop& loop, Completion& completion, const abi::Cqe& cqe) noexcept {
    i32 value = cqe.result;
    if (completion.kind == Kind::cancel) {
        if (value == -Errno::enoent || value == -Errno::ealready) {
            doubt_cancel(loop);
        }
        if (value == -Errno::enoent) {
            // It was in flight when it was asked for, and has ended since, or waits no more.
            value = completion.has(target_ends) ? 0 : -Errno::ealready;
        }
        end(loop, completion, value < 0 ? value : 0); // of some kinds the kernel tells how many
        return;
    }
    if (completion.has(Completion::polls)) {
        take_readiness(loop, completion, value);
        return;
    }
    const bool armed = (cqe.flags & abi::cqe_flag::more) != 0;
    if (armed &&
        (completion.kind == Kind::send_zero_copy || completion.kind == Kind::sendmsg_zero_copy)) {
        completion.value = value; // the memory is still the kernel's: a notification follows
        return;
    }
    if ((cqe.flags & abi::cqe_flag::notif) != 0) {
        value = completion.value;
        completion.value = 0;
    }
    u32 flags = take_buffer(completion, value, cqe.flags);
    if ((cqe.flags & abi::cqe_flag::sock_nonempty) != 0) {
        flags |= result_flag::nonempty;
    }
    if (value < 0) {
        take_error(loop, completion, value);
    } else if (completion.kind == Kind::poll || completion.kind == Kind::poll_multishot) {
        take_events(loop, completion, value, armed);
    } else {
        take_value(loop, completion, value, flags, armed);
    }
}

} // namespace oxbow::uring_engine
