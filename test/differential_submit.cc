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
        slot.number = step.bytes % 1000 + 1;
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
    const Handler handler = {&Run::took, &slot};
    if ((step.flags & Step::chained) != 0 && step.what == Do::submit && step.other != step.slot &&
        slots_[step.other].busy) {
        slot.behind = step.other;
        slot.behind_ends = slots_[step.other].ends;
        loop_->then(slots_[step.other].completion, slot.completion, operation, handler);
        return;
    }
    loop_->submit(slot.completion, operation, handler);
}

void Run::submit(const Step& step) noexcept {
    Thing& thing = thing_of(step);
    const Call call = step.call;
    const bool timed = call <= Call::timer_every;
    const bool of_file = is_of_file(call) || (thing.kind == Kind::file && !timed);
    const bool into_pool = takes_buffers(call);
    u32 end = step.end;
    if (thing.kind == Kind::file || thing.kind == Kind::listener || thing.kind == Kind::notifier) {
        end = 0;
    }
    if (thing.kind == Kind::none && !timed) {
        return;
    }
    // Whether the thing can do that at all is decided before anything is run for it.
    const bool notifies = call == Call::notification;
    const bool accepts = call == Call::accept || call == Call::accept_multishot;
    if (!timed &&
        (notifies != (thing.kind == Kind::notifier) || (accepts && thing.kind != Kind::listener) ||
         (thing.kind == Kind::listener && !accepts && call != Call::poll_in) ||
         (is_of_file(call) != of_file && call != Call::read_pool))) {
        return;
    }
    const bool all = call == Call::recv_all || call == Call::recvmsg_all ||
                     call == Call::read_all || call == Call::send_all ||
                     call == Call::sendmsg_all || call == Call::write_all;
    const bool socket_call = (call >= Call::recv && call <= Call::recvmsg_multishot) ||
                             (call >= Call::send && call <= Call::send_zero_copy);
    const bool is_socket = thing.kind >= Kind::tcp && thing.kind <= Kind::datagram;
    if ((socket_call && !is_socket) ||
        (all && (thing.kind == Kind::datagram || thing.kind == Kind::counter)) ||
        (call == Call::recvmsg_multishot && thing.kind != Kind::datagram) ||
        (call == Call::read_multishot && thing.kind == Kind::datagram) ||
        (call == Call::writev && step.bytes == 0) ||
        (into_pool && (!pools_[step.pool].pool.is_open() || pools_[step.pool].user != nobody))) {
        return;
    }
    Slot& slot = slots_[step.slot];
    if (slot.busy) {
        return;
    }
    slot.bytes = thing.kind == Kind::counter && !into_pool ? 8 : step.bytes;
    if (!writes(call) && slot.bytes > data_bytes) {
        slot.bytes = data_bytes;
    }
    const bool large = slot.bytes >= large_bytes;
    if (large && (!all || (thing.kind != Kind::stream && thing.kind != Kind::pipe))) {
        return;
    }
    Thing* target = nullptr;
    if (of_file) {
        Direction& direction = thing.from[0];
        if (thing.fd[0] < 0) {
            return;
        }
        if (direction.read_begun) {
            quiet();
        }
        if (is_busy(direction.reader)) {
            return;
        }
    } else if (call == Call::splice) {
        target = &things_[step.other % objects_max];
        const u32 to = target->kind == Kind::pipe ? 1 : 0;
        if (thing.kind != Kind::pipe || target == &thing ||
            (target->kind != Kind::pipe && target->kind != Kind::stream) || slot.bytes == 0 ||
            !may_read(thing, end) || !may_write(*target, to, slot.bytes)) {
            return;
        }
        quiet(); // for both
        if (is_busy(into(thing, end).reader) || is_busy(target->from[to].writer) ||
            thing.fd[0] < 0 || target->fd[to] < 0 ||
            ready_for(thing.fd[0], event::in) != event::in ||
            ready_for(target->fd[to], event::out) != event::out) {
            return;
        }
    } else if (reads(call)) {
        if (!may_read(thing, end)) {
            return;
        }
    } else if (writes(call) && !may_write(thing, end, slot.bytes)) {
        return;
    }
    if (slot.busy || (into_pool && pools_[step.pool].user != nobody)) {
        return; // quiet() may have begun what was chained
    }
    slot.call = call;
    slot.object = step.object;
    slot.end = static_cast<u8>(end);
    slot.pool = step.pool;
    slot.hold = step.hold;
    slot.rearms = writes(call) || of_file || call == Call::timer_every || call == Call::splice ||
                          thing.kind == Kind::notifier
                      ? u8{0}
                      : step.rearms;
    slot.ends_by_itself =
        of_file || call == Call::nop || call == Call::timer || call == Call::splice;
    Step sane = step;
    sane.end = slot.end;
    Operation operation = {};
    if (call == Call::splice) {
        const u32 to = target->kind == Kind::pipe ? 1 : 0;
        slot.splice = {thing.fd[0],           target->fd[to], abi::current_position,
                       abi::current_position, slot.bytes,     0};
        slot.number = static_cast<u64>(target - things_);
        operation = op::splice(&slot.splice);
        target->from[to].write_begun = true;
        target->from[to].cut = true; // its pattern will be another's
        target->from[to].writer = step.slot;
        sane.flags &= static_cast<u8>(~Step::chained); // it has to be now
    } else {
        operation = operation_of(sane, slot, timed ? -1 : thing.fd[end]);
    }
    if (large) {
        thing.from[end].large = true;
    }
    if (of_file) {
        thing.from[0].read_begun = true;
        thing.from[0].reader = step.slot;
    } else if (reads(call)) {
        Direction& direction = into(thing, end);
        direction.read_begun = true;
        direction.reader = step.slot;
        direction.was_empty = thing.kind == Kind::notifier
                                  ? !thing.notified
                                  : ready_for(thing.fd[end], event::in) == 0;
    } else if (writes(call)) {
        thing.from[end].write_begun = true;
        thing.from[end].writer = step.slot;
    }
    if (into_pool) {
        pools_[step.pool].user = step.slot;
    }
    slot.expires = false;
    slot.waits = (reads(call) && into(thing, end).was_empty && call != Call::splice) ||
                 call == Call::timer_far;
    const bool is_chained =
        (sane.flags & Step::chained) != 0 && step.other != step.slot && slots_[step.other].busy;
    if (!of_file && !timed && (step.flags & Step::long_time) != 0) {
        operation = with_timeout(operation, u64{1'000'000'000'000});
    } else if (slot.waits && !timed && !is_chained && (step.flags & Step::short_time) != 0) {
        operation = with_timeout(operation, 500'000);
        slot.expires = true;
        slot.rearms = 0;
        start(slot, sane, operation);
        quiet();
        return;
    }
    start(slot, sane, operation);
}

} // namespace oxbow::test::differential
