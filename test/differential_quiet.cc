// Until nothing happens any more, and what is told on the way. See differential_run.h.
#include "differential_run.h"

namespace oxbow::test::differential {

void Run::record(u32 step, i32 value, u8 flags, u32 digest) noexcept {
    if (trace_->count == records_max) {
        fault("more results than there is room for");
        return;
    }
    trace_->records[trace_->count++] = {static_cast<u16>(step), flags, value, digest};
}

// ---- Until nothing happens
// ---------------------------------------------------------------------------

/// Loopback delivers at once, unless the machine is so busy that a kernel thread has to.
bool Run::has_arrived(const Thing& thing) const noexcept {
    constexpr u8 established = 1; // the states in which no FIN has come
    constexpr u8 fin_wait1 = 4;
    constexpr u8 fin_wait2 = 5;
    for (u32 end = 0; end < 2 && thing.kind == Kind::tcp; ++end) {
        const i32 fd = thing.fd[end];
        const Direction& direction = thing.from[1 - end];
        if (fd < 0) {
            continue;
        }
        // Whoever reads may have taken some that it has not told of yet.
        i32 readable = 0;
        if (!thing.torn && !is_busy(direction.reader) &&
            kernel::ioctl(fd, abi::socket_ioctl::bytes_readable, &readable) == 0 &&
            static_cast<u32>(readable) != direction.written - direction.taken) {
            return false;
        }
        constexpr u32 bytes_not_sent = 0x894b; // SIOCOUTQNSD
        i32 left = 0;
        if (thing.fd[1 - end] >= 0 &&
            kernel::ioctl(thing.fd[1 - end], bytes_not_sent, &left) == 0 && left != 0) {
            return false;
        }
        // struct tcp_info: its first byte is the state, and 128 bytes on it counts what has come.
        constexpr u32 count_at = 128;
        u8 info[count_at + sizeof(u64)] = {};
        u32 bytes = sizeof(info);
        if (kernel::getsockopt(fd, abi::socket_level::tcp, abi::tcp_option::info, info, &bytes) !=
            0) {
            continue;
        }
        u64 received = 0;
        __builtin_memcpy(&received, info + count_at, sizeof(received));
        const bool is_open = info[0] == established || info[0] == fin_wait1 || info[0] == fin_wait2;
        if (is_open && (direction.ended || (!thing.torn && received < direction.written))) {
            return false;
        }
    }
    return true;
}

bool Run::is_settled(Slot& slot) noexcept {
    if (!has_begun(slot)) {
        return true; // it has not begun
    }
    if (slot.expires) {
        return false;
    }
    if (takes_buffers(slot.call) &&
        pools_[slot.pool].pool.held() >= pools_[slot.pool].pool.count()) {
        return true; // it waits for a buffer
    }
    if (slot.ends_by_itself) {
        return false;
    }
    Thing& thing = things_[slot.object];
    switch (slot.call) {
    case Call::timer_far:
        return true;
    case Call::timer_every:
        return slot.results != 0;
    case Call::notification:
        return !thing.notified;
    case Call::poll_multishot:
        // An old ring is asked now and then; whoever is told at once has told of all there is.
        return (ready_for(thing.fd[slot.end], event::in) & (event::in | event::hup) &
                ~slot.events) == 0;
    default:
        break;
    }
    return ready_for(thing.fd[slot.end], writes(slot.call) ? event::out : event::in) == 0;
}

bool Run::is_settled() noexcept {
    for (Slot& slot : slots_) {
        if (slot.busy && !is_settled(slot)) {
            return false;
        }
    }
    for (const Thing& thing : things_) {
        if (!has_arrived(thing)) {
            return false;
        }
    }
    return true;
}

void Run::quiet() noexcept {
    const u64 begin_ns = now_ns();
    u32 calm = 0;
    while (calm < 3) {
        const u32 ticks = ticks_;
        const i32 callbacks = loop_->run(oxbow::Run::no_wait);
        if (callbacks < 0) {
            fault("Loop::run failed");
            break;
        }
        const u64 waited_ns = now_ns() - begin_ns;
        // On a slow machine a round takes longer than a repeating timer's period.
        if (callbacks > static_cast<i32>(ticks_ - ticks)) {
            calm = 0;
            if (waited_ns > stuck_ns) {
                fault("callbacks never end");
                break;
            }
            continue;
        }
        const bool behind = expected_ != nullptr && trace_->quiets < expected_->quiets &&
                            trace_->count < expected_->counts[trace_->quiets] &&
                            waited_ns < behind_ns;
        if (!behind && is_settled()) {
            ++calm;
            continue;
        }
        calm = 0;
        if (waited_ns > stuck_ns) {
            fault("an operation that can end does not");
            break;
        }
        (void)loop_->run_for(50'000);
    }
    if (trace_->quiets < quiets_max) {
        trace_->counts[trace_->quiets++] = static_cast<u16>(trace_->count);
    }
    for (Thing& thing : things_) {
        for (Direction& direction : thing.from) {
            direction.read_begun = direction.write_begun = false;
        }
    }
    for (Slot& slot : slots_) {
        slot.fresh = false;
    }
}

// ---- Results
// ---------------------------------------------------------------------------------------

Action Run::took(Loop&, Completion& completion, Result result, void* user) noexcept {
    Run& run = the_run();
    Slot& slot = *static_cast<Slot*>(user);
    if (&completion != &slot.completion || !slot.busy) {
        run.fault("a result of something that is not in flight");
        return Action::disarm;
    }
    return run.take(slot, result);
}

/// What all engines have to say alike.
i32 Run::normalised(Slot& slot, i32 value) noexcept {
    Thing& thing = things_[slot.object];
    if (value <= 0) {
        return value;
    }
    switch (slot.call) {
    case Call::timer:
    case Call::timer_every:
        return 1;
    case Call::accept:
    case Call::accept_multishot:
        (void)kernel::close(value);
        return 1;
    case Call::notification:
        return value;
    default:
        break;
    }
    if (slot.call == Call::poll_in || slot.call == Call::poll_out ||
        slot.call == Call::poll_multishot) {
        const u32 events = static_cast<u32>(value);
        return static_cast<i32>(thing.torn ? events & ~u32{event::err} : events);
    }
    if (writes(slot.call)) {
        Direction& direction = thing.from[slot.end];
        direction.written += static_cast<u32>(value);
        direction.messages += 1;
        if (slot.bytes >= large_bytes && static_cast<u32>(value) < slot.bytes) {
            direction.cut = true;
            return 1;
        }
    }
    if (slot.call == Call::splice) {
        into(thing, 0).taken += static_cast<u32>(value);
    }
    return value;
}

void Run::take_data(Slot& slot, Result result, i32& value, u32& digest) noexcept {
    Thing& thing = things_[slot.object];
    const u8* data = slot.data;
    u32 bytes = result.count();
    if (takes_buffers(slot.call)) {
        if (!result.has_buffer()) {
            return;
        }
        data = pools_[slot.pool].pool.data(result);
        if (slot.call == Call::recvmsg_multishot) {
            abi::RecvmsgOut head;
            __builtin_memcpy(&head, data, sizeof(head));
            data += sizeof(head);
            bytes = head.payload_length;
            value = static_cast<i32>(bytes);
        }
    } else if (!reads(slot.call) && !is_of_file(slot.call)) {
        return;
    } else if (slot.call == Call::poll_in || slot.call == Call::poll_multishot ||
               slot.call == Call::accept || slot.call == Call::accept_multishot ||
               slot.call == Call::notification || slot.call == Call::splice ||
               (is_of_file(slot.call) && slot.call != Call::pread && slot.call != Call::pread_all &&
                slot.call != Call::read_file)) {
        return;
    }
    if (bytes == 0) {
        return;
    }
    digest = digest_of(data, bytes);
    if (is_stream(thing.kind)) {
        Direction& direction = into(thing, slot.end);
        if (!direction.cut && digest != digest_of(pattern_at(direction.taken), bytes)) {
            fault("bytes arrived changed, or in another order");
        }
        direction.taken += bytes;
    }
}

Action Run::take(Slot& slot, Result result) noexcept {
    ++slot.results;
    if (slot.call == Call::timer_every && slot.results > 1 && result.more()) {
        ++ticks_;
    }
    slot.events = result.ok() ? static_cast<u32>(result.value) : slot.events;
    if (slot.call == Call::notification && result.ok()) {
        things_[slot.object].notified = false;
    }
    i32 value = normalised(slot, result.value);
    u32 digest = 0;
    take_data(slot, result, value, digest);
    if (result.has_buffer()) {
        Pool& pool = pools_[slot.pool];
        if (pool.held_count < slot.hold && pool.held_count < 8) {
            pool.held[pool.held_count++] = result;
        } else {
            pool.pool.give_back(result);
        }
    }
    const u8 flags =
        static_cast<u8>((result.more() ? Record::more : 0) | (result.eof() ? Record::eof : 0) |
                        (result.has_buffer() ? Record::buffer : 0));
    const bool repeats =
        (slot.call == Call::timer_every || slot.call == Call::poll_multishot) && slot.results > 1;
    const Record* last = nullptr;
    for (u32 i = trace_->count; repeats && last == nullptr && i-- != 0;) {
        last = trace_->records[i].step == slot.step ? &trace_->records[i] : nullptr;
    }
    if (last == nullptr || last->value != value || last->flags != flags) {
        record(slot.step, value, flags, digest);
    }
    if (result.more()) {
        return Action::disarm;
    }
    ++slot.ends;
    if (slot.rearms != 0 && !result.is(Errno::ecanceled) && !result.is(Errno::etime)) {
        --slot.rearms;
        return Action::rearm;
    }
    slot.busy = false;
    const u8 number = static_cast<u8>(&slot - slots_);
    for (Thing& thing : things_) {
        for (Direction& direction : thing.from) {
            direction.reader = direction.reader == number ? nobody : direction.reader;
            direction.writer = direction.writer == number ? nobody : direction.writer;
        }
    }
    if (takes_buffers(slot.call)) {
        pools_[slot.pool].user = nobody;
    }
    return Action::disarm;
}

} // namespace oxbow::test::differential
