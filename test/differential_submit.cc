// Starting operations: whether one makes sense, and what it is. See differential_run.h.
#include "differential_run.h"

namespace oxbow::test::differential {

// ---- Whether a step makes sense, and the loop has to be quiet before it
// ----------------------------

bool Run::may_read(Thing& thing, u32 end) noexcept {
    if ((thing.fd[end] < 0 && thing.kind != Kind::notifier) || thing.kind == Kind::none ||
        (thing.kind >= Kind::pipe && end != 0)) {
        return false;
    }
    Direction& direction = into(thing, end);
    if (direction.read_begun || direction.write_begun) {
        quiet();
    }
    return !is_busy(direction.reader) && !direction.large;
}

bool Run::may_write(Thing& thing, u32 end, u32 bytes) noexcept {
    if (thing.fd[end] < 0 || (thing.kind == Kind::pipe && end != 1) ||
        ((thing.kind == Kind::tcp || thing.kind == Kind::datagram) && thing.torn)) {
        return false;
    }
    const u8 reader = into(thing, 0).reader;
    if (thing.kind == Kind::counter && is_busy(reader) && !has_begun(slots_[reader])) {
        return false; // which of the two comes first would be the engine's choice
    }
    Direction& direction = thing.from[end];
    if (direction.write_begun || (direction.read_begun && !direction.was_empty)) {
        quiet();
    }
    const bool large = bytes >= large_bytes;
    return !is_busy(direction.writer) && !direction.large &&
           direction.written - direction.taken < queued_max &&
           (thing.kind != Kind::datagram || direction.messages < messages_max) &&
           (!large || (!is_busy(direction.reader) && !direction.read_begun &&
                       direction.written == direction.taken));
}

// ---- Operations
// --------------------------------------------------------------------------------------

Operation Run::file_operation_of(const Step& step, Slot& slot, i32 fd) noexcept {
    const u32 bytes = step.bytes <= data_bytes ? step.bytes : data_bytes;
    u8* const from = pattern_at(step.offset + step.slot);
    switch (step.call) {
    case Call::pread:
        return op::pread(fd, slot.data, bytes, step.offset);
    case Call::pread_all:
        return op::pread_all(fd, slot.data, bytes, step.offset);
    case Call::pwrite:
        return op::pwrite(fd, from, bytes, step.offset);
    case Call::pwrite_all:
        return op::pwrite_all(fd, from, bytes, step.offset);
    case Call::write_file:
        return op::write(fd, from, bytes);
    case Call::read_file:
        return op::read(fd, slot.data, bytes);
    case Call::fsync:
        return op::fsync(fd);
    case Call::fallocate:
        return op::fallocate(fd, {step.offset, u64{bytes} + 1});
    default:
        return op::ftruncate(fd, step.offset);
    }
}

Operation Run::operation_of(const Step& step, Slot& slot, i32 fd) noexcept {
    Thing& thing = thing_of(step);
    const bool counts = thing.kind == Kind::counter;
    const u32 bytes = slot.bytes;
    u8* out = pattern_at(thing.from[step.end].written);
    if (counts) {
        slot.number = remainder_of(step.bytes, 1000) + 1;
        out = reinterpret_cast<u8*>(&slot.number);
    }
    u8* const at = writes(step.call) ? out : slot.data;
    const u32 third = bytes / 3;
    slot.pieces[0] = {at, third};
    slot.pieces[1] = {at + third, 0};
    slot.pieces[2] = {at + third, bytes - third};
    slot.message = {};
    slot.message.vectors = slot.pieces;
    slot.message.vector_count = 3;
    BufferPool& pool = pools_[slot.pool].pool;
    switch (step.call) {
    case Call::nop:
        return op::nop();
    case Call::timer:
        return op::timer(step.bytes * u64{100});
    case Call::timer_far:
        return op::timer(u64{1'000'000'000'000});
    case Call::timer_every:
        return op::timer_every(u64{300'000});
    case Call::recv:
        return op::recv(fd, at, bytes);
    case Call::recv_all:
        return op::recv_all(fd, at, bytes);
    case Call::recvmsg:
        return op::recvmsg(fd, &slot.message);
    case Call::recvmsg_all:
        return op::recvmsg_all(fd, &slot.message);
    case Call::recv_pool:
        return op::recv(fd, pool);
    case Call::recv_multishot:
        return op::recv_multishot(fd, pool);
    case Call::recvmsg_multishot:
        slot.message.vector_count = 0;
        return op::recvmsg_multishot(fd, pool, &slot.message);
    case Call::read:
        return op::read(fd, at, bytes);
    case Call::read_all:
        return op::read_all(fd, at, bytes);
    case Call::readv:
        return op::readv(fd, slot.pieces, 3);
    case Call::read_pool:
        return op::read(fd, pool);
    case Call::read_multishot:
        return op::read_multishot(fd, pool);
    case Call::poll_in:
        return op::poll(fd, event::in);
    case Call::poll_multishot:
        return op::poll_multishot(fd, event::in);
    case Call::send:
        return op::send(fd, at, bytes);
    case Call::send_all:
        return op::send_all(fd, at, bytes);
    case Call::sendmsg:
        return op::sendmsg(fd, &slot.message);
    case Call::sendmsg_all:
        return op::sendmsg_all(fd, &slot.message);
    case Call::send_zero_copy:
        return op::send_zero_copy(fd, at, bytes);
    case Call::write:
        return op::write(fd, at, bytes);
    case Call::write_all:
        return op::write_all(fd, at, bytes);
    case Call::writev:
        return op::writev(fd, slot.pieces, 3);
    case Call::poll_out:
        return op::poll(fd, event::out);
    case Call::accept:
        return op::accept(fd);
    case Call::accept_multishot:
        return op::accept_multishot(fd);
    case Call::notification:
        return op::notification(reinterpret_cast<Asynchronous*>(thing.async)->async);
    default:
        return file_operation_of(step, slot, fd);
    }
}

void Run::start(Slot& slot, const Step& step, const Operation& operation) noexcept {
    slot.busy = slot.fresh = true;
    slot.behind = nobody;
    slot.step = at_;
    slot.results = 0;
    slot.events = 0;
    const Handler handler = {&Run::took, &slot};
    // Registered now and then, and then not any more: it must change nothing.
    const u32 turn = (at_ ^ at_ >> 2) & 3;
    if (turn == 0) {
        (void)loop_->register_fd(operation.fd);
    } else if (turn == 1) {
        loop_->unregister_fd(operation.fd);
    } else if (turn == 2) {
        (void)loop_->set_wait_batch(at_ >> 4 & 7, 100'000); // nor must this, and waits that go on
    }
    if ((step.flags & Step::chained) != 0 && step.what == Do::submit && step.other != step.slot &&
        slots_[step.other].busy) {
        slot.behind = step.other;
        slot.behind_ends = slots_[step.other].ends;
        loop_->then(slots_[step.other].completion, slot.completion, operation, handler);
        return;
    }
    loop_->submit(slot.completion, operation, handler);
}

namespace {

[[nodiscard]] constexpr bool is_timed(Call call) noexcept {
    return call <= Call::timer_every;
}
[[nodiscard]] constexpr bool goes_on(Call call) noexcept {
    return call == Call::recv_all || call == Call::recvmsg_all || call == Call::read_all ||
           call == Call::send_all || call == Call::sendmsg_all || call == Call::write_all;
}
[[nodiscard]] constexpr bool is_of_socket(Call call) noexcept {
    return (call >= Call::recv && call <= Call::recvmsg_multishot) ||
           (call >= Call::send && call <= Call::send_zero_copy);
}
[[nodiscard]] constexpr bool is_large(u32 bytes) noexcept {
    return bytes >= large_bytes;
}

/// Whether a thing of that kind can do that, and so that there is one right outcome.
[[nodiscard]] bool can_do(Kind kind, Call call, u32 bytes) noexcept {
    if (is_timed(call)) {
        return true;
    }
    const bool accepts = call == Call::accept || call == Call::accept_multishot;
    const bool carries_large = kind == Kind::stream || kind == Kind::pipe;
    switch (kind) {
    case Kind::none:
        return false;
    case Kind::file:
        return is_of_file(call) || call == Call::read_pool;
    case Kind::listener:
        return accepts || call == Call::poll_in;
    case Kind::notifier:
        return call == Call::notification;
    case Kind::datagram:
        if (goes_on(call) || call == Call::read_multishot) {
            return false;
        }
        break;
    case Kind::counter:
        if (goes_on(call)) {
            return false;
        }
        [[fallthrough]];
    default:
        if (call == Call::recvmsg_multishot) {
            return false;
        }
        break;
    }
    return !is_of_file(call) && !accepts && call != Call::notification &&
           (kind <= Kind::datagram || !is_of_socket(call)) &&
           (call != Call::writev || bytes != 0) &&
           (!writes(call) || !is_large(bytes) || (goes_on(call) && carries_large));
}

} // namespace

/// Makes the loop quiet where it has to be, and says whether the operation may be started then.
bool Run::may_start(const Step& step, u32 end) noexcept {
    Thing& thing = thing_of(step);
    if (is_timed(step.call)) {
        return true;
    }
    if (thing.kind == Kind::file) {
        if (thing.from[0].read_begun) {
            quiet();
        }
        return thing.fd[0] >= 0 && !is_busy(thing.from[0].reader);
    }
    if (step.call == Call::splice) {
        return may_splice(step);
    }
    return reads(step.call) ? may_read(thing, end) : may_write(thing, end, step.bytes);
}

/// Only where it can be done at once: how a splice that waits is cancelled differs.
bool Run::may_splice(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    Thing& target = things_[remainder_of(step.other, objects_max)];
    const u32 to = target.kind == Kind::pipe ? 1 : 0;
    if (thing.kind != Kind::pipe || &target == &thing ||
        (target.kind != Kind::pipe && target.kind != Kind::stream) || step.bytes == 0 ||
        !may_read(thing, 0) || !may_write(target, to, step.bytes)) {
        return false;
    }
    quiet(); // for both
    return !is_busy(into(thing, 0).reader) && !is_busy(target.from[to].writer) &&
           thing.fd[0] >= 0 && target.fd[to] >= 0 &&
           ready_for(thing.fd[0], event::in) == event::in &&
           ready_for(target.fd[to], event::out) == event::out;
}

Operation Run::splice_of(const Step& step, Slot& slot) noexcept {
    Thing& target = things_[remainder_of(step.other, objects_max)];
    const u32 to = target.kind == Kind::pipe ? 1 : 0;
    slot.number = remainder_of(step.other, objects_max);
    slot.splice = {thing_of(step).fd[0],  target.fd[to], abi::current_position,
                   abi::current_position, slot.bytes,    0};
    Direction& direction = target.from[to];
    direction.write_begun = true;
    direction.cut = true; // its pattern will be another's
    direction.writer = step.slot;
    return op::splice(&slot.splice);
}

/// Notes who uses what from here on.
void Run::take_hold(const Step& step, Slot& slot) noexcept {
    Thing& thing = thing_of(step);
    slot.waits = step.call == Call::timer_far;
    if (takes_buffers(step.call)) {
        pools_[step.pool].user = step.slot;
    }
    if (thing.kind == Kind::file && !is_timed(step.call)) {
        thing.from[0].read_begun = true;
        thing.from[0].reader = step.slot;
    } else if (reads(step.call)) {
        Direction& direction = into(thing, slot.end);
        direction.read_begun = true;
        direction.reader = step.slot;
        direction.was_empty = thing.kind == Kind::notifier
                                  ? !thing.notified
                                  : ready_for(thing.fd[slot.end], event::in) == 0;
        slot.waits = direction.was_empty && step.call != Call::splice;
    } else if (writes(step.call)) {
        Direction& direction = thing.from[slot.end];
        direction.write_begun = true;
        direction.writer = step.slot;
        direction.large = is_large(slot.bytes);
    }
}

void Run::submit(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    Slot& slot = slots_[step.slot];
    const Call call = step.call;
    const bool of_file = thing.kind == Kind::file && !is_timed(call);
    const bool one_sided = thing.kind >= Kind::file;
    const u32 end = one_sided ? 0 : step.end;
    const auto is_free = [&]() noexcept {
        return !slot.busy && (!takes_buffers(call) || (pools_[step.pool].pool.is_open() &&
                                                       pools_[step.pool].user == nobody));
    };
    // Asked again, because what was chained may have begun meanwhile.
    if (!can_do(thing.kind, call, step.bytes) || !is_free() || !may_start(step, end) ||
        !is_free()) {
        return;
    }
    const bool counts = thing.kind == Kind::counter && !takes_buffers(call);
    slot.bytes = counts ? 8 : step.bytes;
    if (!writes(call) && slot.bytes > data_bytes) {
        slot.bytes = data_bytes;
    }
    if (thing.kind == Kind::pipe && reads(call) && slot.bytes == 0) {
        // A splice takes the pipe's promise away that a read need not wait (pipe_clear_nowait in
        // the kernel), and then nothing can be read from an empty pipe only when something comes.
        slot.bytes = 1;
    }
    slot.call = call;
    slot.object = step.object;
    slot.end = static_cast<u8>(end);
    slot.pool = step.pool;
    slot.hold = step.hold;
    const bool once = writes(call) || of_file || call == Call::timer_every ||
                      call == Call::splice || thing.kind == Kind::notifier;
    slot.rearms = once ? u8{0} : step.rearms;
    slot.ends_by_itself =
        of_file || call == Call::nop || call == Call::timer || call == Call::splice;
    slot.expires = false;
    Step sane = step;
    sane.end = slot.end;
    take_hold(sane, slot);
    if (call == Call::splice) {
        sane.flags &= static_cast<u8>(~Step::chained); // it has to be now
        start(slot, sane, splice_of(sane, slot));
        return;
    }
    Operation operation = operation_of(sane, slot, is_timed(call) ? -1 : thing.fd[end]);
    const bool is_chained =
        (sane.flags & Step::chained) != 0 && step.other != step.slot && slots_[step.other].busy;
    if (!of_file && !is_timed(call) && (step.flags & Step::long_time) != 0) {
        operation = with_timeout(operation, u64{1'000'000'000'000});
    } else if (slot.waits && !is_timed(call) && !is_chained &&
               (step.flags & Step::short_time) != 0) {
        operation = with_timeout(operation, 500'000);
        slot.expires = true;
        slot.rearms = 0;
    }
    start(slot, sane, operation);
    if (slot.expires) {
        quiet();
    }
}

} // namespace oxbow::test::differential
