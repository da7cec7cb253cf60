// From operations to entries of the submission queue.
#include "../loop/perform.h"
#include "../syscall/abi_epoll.h"
#include "engine_state.h"
#include "prep.h"

namespace oxbow::uring_engine {

namespace {

using arguments::Any;

void prepare_receive(const State& state, abi::Sqe& sqe, Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    const u32 done = static_cast<u32>(completion.value);
    switch (completion.kind) {
    case Kind::recv:
    case Kind::recv_all:
        prep::recv(sqe, fd, static_cast<u8*>(a.receive.data) + done, a.receive.bytes - done,
                   {.flags = a.receive.flags});
        return;
    case Kind::recv_managed:
        prep::recv(sqe, fd, nullptr, a.managed.pool->buffer_bytes(), {.flags = a.managed.flags});
        prep::select_buffer(sqe, a.managed.pool->group);
        return;
    case Kind::recv_multishot:
        prep::recv_multishot(sqe, fd, a.managed.pool->group, {.flags = a.managed.flags});
        return;
    case Kind::read_multishot:
        if (state.features.has(abi::Opcode::read_multishot)) {
            prep::read_multishot(sqe, fd, a.managed.pool->group);
            return;
        }
        [[fallthrough]];
    default: // read_managed
        prep::read(sqe, fd, nullptr, a.managed.pool->buffer_bytes(), abi::current_position);
        prep::select_buffer(sqe, a.managed.pool->group);
        return;
    }
}

void prepare_send(const State& state, abi::Sqe& sqe, Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    const u32 done = static_cast<u32>(completion.value);
    switch (completion.kind) {
    case Kind::send_zero_copy:
        if (state.features.has(abi::Opcode::send_zc)) {
            prep::send_zc(sqe, fd, a.send.data, a.send.bytes, {.flags = a.send.flags | send_flags});
            if (const u32 area = area_of(state, a.send.data, a.send.bytes); area != areas_max) {
                prep::detail::use_registered_buffer(sqe, static_cast<u16>(area));
            }
            return;
        }
        [[fallthrough]];
    default: // send, send_all
        prep::send(sqe, fd, static_cast<const u8*>(a.send.data) + done, a.send.bytes - done,
                   {.flags = a.send.message_flags() | send_flags});
        return;
    }
}

void prepare_socket(const State& state, abi::Sqe& sqe, Completion& completion) noexcept {
    const Any& a = completion.arguments;
    const i32 fd = completion.fd;
    switch (completion.kind) {
    case Kind::socket:
        // Blocking: the ring arms its own poll, which it does not for a non-blocking one.
        prep::socket(sqe, {.family = a.socket.family,
                           .type = a.socket.type | abi::socket_type::cloexec,
                           .protocol = a.socket.protocol});
        return;
    case Kind::bind:
        prep::bind(sqe, fd, a.address.address, a.address.bytes);
        return;
    case Kind::listen:
        prep::listen(sqe, fd, a.listen.backlog);
        return;
    case Kind::shutdown:
        prep::shutdown(sqe, fd, a.shutdown.how);
        return;
    case Kind::connect:
        prep::connect(sqe, fd, a.address.address, a.address.bytes);
        return;
    case Kind::accept_multishot:
        if (state.features.accept_multishot) {
            prep::accept_multishot(sqe, fd, {.flags = abi::accept4_flag::cloexec});
            return;
        }
        [[fallthrough]];
    default:
        if (a.accept.address_bytes != nullptr) {
            *a.accept.address_bytes = a.accept.room; // the kernel's last word is still in it
        }
        prep::accept(sqe, fd,
                     {.address = a.accept.address,
                      .address_bytes = a.accept.address_bytes,
                      .flags = abi::accept4_flag::cloexec});
        return;
    }
}

/// The ring never wakes for urgent data alone (io_uring/poll.c, IO_ASYNC_POLL_COMMON), but for the
/// band that comes with it.
[[nodiscard]] u32 events_of_poll(u32 events) noexcept {
    return (events & abi::poll_event::pri) != 0 ? events | abi::poll_event::rdband : events;
}

void prepare_poll(const State& state, abi::Sqe& sqe, const Completion& completion) noexcept {
    const u32 events = events_of_poll(completion.arguments.poll.events);
    if (completion.kind == Kind::poll_multishot && state.features.poll_multishot) {
        prep::poll_multishot(sqe, completion.fd, events);
    } else {
        prep::poll_add(sqe, completion.fd, events);
    }
}

/// The events that a poll waits for before the operation is tried again.
[[nodiscard]] u32 poll_events_of(const Completion& completion) noexcept {
    const u32 events = info_of(completion.kind).poll_events;
    return events != 0 ? events : abi::poll_event::in; // waitid's descriptor
}

/// Does what the ring cannot do.
void submit_elsewhere(Loop& loop, Completion& completion) noexcept {
    switch (info_of(completion.kind).fallback) {
    case Fallback::now:
        loop.finish(completion, perform(completion, Patience::blocks));
        return;
    case Fallback::poll:
        enlist(loop, completion);
        if (wants_eagain(completion)) {
            attempt(loop, completion);
        } else {
            submit_poll(loop, completion);
        }
        return;
    case Fallback::waitid:
        process_part.wait_for_child(loop, completion);
        return;
    default:
        loop.perform_on_worker(completion);
        return;
    }
}

/// Between two attempts at what nothing tells the end of.
constexpr abi::Timespec pause = {0, 1'000'000};

void fill(Loop& loop, abi::Sqe& sqe, Completion& completion) noexcept {
    State& state = state_of(loop);
    if (takes_turns(completion)) {
        completion.set(Completion::polls);
    }
    if (completion.has(Completion::polls) && can_pause(completion.kind) && completion.has(pauses)) {
        prep::timeout(sqe, &pause);
    } else if (completion.has(Completion::polls) && has_output(completion.kind) &&
               completion.has(input_ready)) {
        prep::poll_add(sqe, completion.arguments.splice.splice->to_fd, abi::poll_event::out);
    } else {
        if (completion.has(Completion::polls)) {
            prep::poll_add(sqe, completion.fd, poll_events_of(completion));
        } else {
            prepare(state, sqe, completion);
        }
        finish_entry(loop, sqe, completion);
        return;
    }
    sqe.user_data = tag_of(completion);
}

/// Prepares an entry for a send, which the kernel does not tell of if it sends all. False: that is
/// not possible, or needs more than that: a send is most of what servers submit, and this calls
/// nothing.
[[nodiscard, gnu::always_inline]] inline bool queue_silently(Loop& loop,
                                                             Completion& completion) noexcept {
    State& state = state_of(loop);
    if (!loop.takes_untold(completion) || !state.ring.has(abi::feature::cqe_skip) ||
        !loop.parked().empty() || !state.ring.has_sqe_at_hand()) {
        return false;
    }
    abi::Sqe* const sqe = state.ring.get_sqe();
    const arguments::Send& with = completion.arguments.send;
    const u32 done = static_cast<u32>(completion.value);
    // A short one is a failure by waitall, and told.
    prep::send(*sqe, completion.fd, static_cast<const u8*>(with.data) + done, with.bytes - done,
               {.flags = with.message_flags() | send_flags | abi::msg_flag::waitall});
    prep::skip_success(*sqe);
    finish_entry(loop, *sqe, completion);
    loop.add_untold(completion);
    return true;
}

/// Prepares an entry for a completion that is in its slot's list; parks it where there is none.
void queue(Loop& loop, Completion& completion) noexcept {
    abi::Sqe* const sqe = loop.parked().empty() ? entry(loop) : nullptr;
    if (sqe == nullptr) {
        list_of(loop, completion).remove(completion);
        loop.park(completion);
        return;
    }
    fill(loop, *sqe, completion);
}

} // namespace

void prepare(State& state, abi::Sqe& sqe, Completion& completion) noexcept {
    const Kind kind = completion.kind;
    if (is_message(kind)) {
        message_part.prepare(state, sqe, completion);
    } else if (is_of_files(kind)) {
        file_part.prepare(state, sqe, completion);
    } else if (is_of_processes(kind)) {
        process_part.prepare(state, sqe, completion);
    } else if (is_send(kind)) {
        prepare_send(state, sqe, completion);
    } else if ((kind >= Kind::recv && kind <= Kind::recv_multishot) || is_managed(kind)) {
        prepare_receive(state, sqe, completion);
    } else if (kind >= Kind::socket && kind <= Kind::accept_multishot) {
        prepare_socket(state, sqe, completion);
    } else if (kind == Kind::close) {
        prep::close(sqe, completion.fd);
    } else {
        prepare_poll(state, sqe, completion);
    }
}

void enlist(Loop& loop, Completion& completion) noexcept {
    completion.state = oxbow::State::engine;
    list_of(loop, completion).push(completion);
}

bool has_room(Loop& loop) noexcept {
    State& state = state_of(loop);
    if (state.ring.sq_space_left() == 0) {
        enable(loop);
        ++loop.counters().syscalls;
        // Whatever refuses it now (-EAGAIN, -EBUSY) will be met again by the loop's own wait.
        (void)state.ring.submit();
    }
    return state.ring.sq_space_left() != 0;
}

abi::Sqe* entry(Loop& loop) noexcept {
    State& state = state_of(loop);
    abi::Sqe* const sqe = state.ring.get_sqe();
    if (sqe != nullptr) [[likely]] {
        return sqe;
    }
    return has_room(loop) ? state.ring.get_sqe() : nullptr;
}

/// One that is not as most are.
[[gnu::noinline]] static void submit_send(Loop& loop, Completion& completion) noexcept {
    if (!state_of(loop).round.sends_at_once || !send_at_once(loop, completion)) {
        enlist(loop, completion); // every ring has it, whatever it is given
        queue(loop, completion);
    }
}

[[gnu::noinline]] static void submit_other(Loop& loop, Completion& completion) noexcept {
    const Kind kind = completion.kind;
    if (kind >= Kind::recv && kind <= Kind::sendmsg_zero_copy && !is_message(kind) &&
        is_native(state_of(loop), completion)) {
        enlist(loop, completion); // of what sockets do, nothing has to be looked at before
        queue(loop, completion);
        return;
    }
    if (kind == Kind::read_multishot && &file_part != nullptr &&
        file_part.is_file_without_multishot(state_of(loop), completion)) {
        loop.finish(completion, -Errno::ebadfd);
        return;
    }
    begin(loop, completion);
}

void submit(Loop& loop, Completion& completion) noexcept {
    if (completion.kind == Kind::send || completion.kind == Kind::send_all) {
        if (state_of(loop).round.sends_at_once || !queue_silently(loop, completion)) {
            submit_send(loop, completion);
        }
    } else if (is_plain_transfer(completion.kind) && &file_part != nullptr) {
        file_part.submit_transfer(loop, completion);
    } else {
        submit_other(loop, completion);
    }
}

/// Whether it writes nothing. The ring would send an empty datagram, pwritev2(2) does not. (The
/// pieces of a writev are not looked at: their memory may be none.)
[[nodiscard]] static bool writes_nothing(const Completion& completion) noexcept {
    return (completion.kind == Kind::write || completion.kind == Kind::write_all) &&
           completion.arguments.transfer.bytes == 0;
}

void begin(Loop& loop, Completion& completion) noexcept {
    if (writes_nothing(completion)) {
        // Which never waits, whatever the descriptor says of itself.
        loop.finish(completion, perform(completion, Patience::ready));
        return;
    }
    if (!is_linked(completion.kind)) {
        loop.finish(completion, -Errno::eopnotsupp);
        return;
    }
    if (!is_native(state_of(loop), completion) && completion.kind != Kind::cancel) {
        submit_elsewhere(loop, completion);
        return;
    }
    if (is_transfer(completion.kind) && file_part.leaves_position(loop, completion)) {
        loop.perform_on_worker(completion);
        return;
    }
    enlist(loop, completion);
    queue(loop, completion);
}

void submit_again(Loop& loop, Completion& completion) noexcept {
    queue(loop, completion);
}

void submit_poll(Loop& loop, Completion& completion) noexcept {
    completion.set(Completion::polls);
    queue(loop, completion);
}

void submit_pause(Loop& loop, Completion& completion) noexcept {
    completion.set(pauses);
    submit_poll(loop, completion);
}

void unpark(Loop& loop) noexcept {
    State& state = state_of(loop);
    while (!loop.parked().empty() && has_room(loop)) {
        Completion& completion = *loop.parked().pop();
        if (completion.kind == Kind::cancel) {
            loop.restart_cancel(completion); // its target may have ended meanwhile
            continue;
        }
        enlist(loop, completion);
        fill(loop, *state.ring.get_sqe(), completion);
    }
}

/// What the kernel has ended, or is to end.
[[gnu::noinline]] static void resume_otherwise(Loop& loop, Completion& completion) noexcept {
    const bool armed = !completion.has(half_done);
    completion.clear(half_done);
    if (completion.has(Completion::cancelled) && !armed) {
        loop.finish(completion, -Errno::ecanceled);
        return;
    }
    if (!armed && completion.kind != Kind::poll_multishot) {
        begin(loop, completion);
        return;
    }
    enlist(loop, completion);
    if (!armed) {
        // Before 5.13 the ring has only polls that end at once as long as something is there, and
        // nothing that tells whether that is new.
        submit_pause(loop, completion);
        return;
    }
    (void)cancel(loop, completion, nullptr);
}

void resume(Loop& loop, Completion& completion) noexcept {
    if (completion.has(half_done | Completion::cancelled)) {
        resume_otherwise(loop, completion);
        return;
    }
    completion.state = oxbow::State::engine; // it goes on by itself, and no waitid ever does
    loop.own_slot_of(completion).readers.push(completion);
}

void close_fd(Loop& loop, Completion& completion) noexcept {
    if (loop.slot_of(completion).has(FdSlot::registered)) {
        unregister_fd(loop, completion.fd); // the table would keep the file open
    }
    submit(loop, completion);
}

void arm_wake(Loop& loop) noexcept {
    State& state = state_of(loop);
    abi::Sqe* const sqe = entry(loop);
    if (sqe == nullptr) {
        return; // the next round tries again
    }
    if (state.features.poll_multishot) {
        prep::poll_multishot(*sqe, loop.wake_fd(), abi::poll_event::in);
    } else {
        prep::poll_add(*sqe, loop.wake_fd(), abi::poll_event::in);
    }
    sqe->user_data = wake_tag;
    state.clear_chore(State::arm_wake);
}

} // namespace oxbow::uring_engine
