// The scripted kernel enters: it consumes submissions, posts completions, and waits, as the script
// says and otherwise as Linux does.
#include "../syscall/atomic.h"
#include "fake_kernel.h"
#include "fake_kernel_logs.h"

namespace oxbow::test {

namespace {

constexpr u32 known_enter_flags = (abi::enter::no_iowait << 1) - 1;

[[nodiscard]] bool is_128_byte_opcode(u8 opcode) noexcept {
    return opcode == static_cast<u8>(abi::Opcode::nop128) ||
           opcode == static_cast<u8>(abi::Opcode::uring_cmd128);
}

[[nodiscard]] bool is_nop(u8 opcode) noexcept {
    return opcode == static_cast<u8>(abi::Opcode::nop) ||
           opcode == static_cast<u8>(abi::Opcode::nop128);
}

} // namespace

// ---- Queues -----------------------------------------------------------------------------------

void FakeKernel::Queue::push(const FakeCqe& cqe) noexcept {
    if (count == capacity) {
        FAIL("fake kernel: too many completions are kept back");
    }
    u32 at = first + count;
    at -= at >= capacity ? capacity : 0;
    entries[at] = cqe;
    ++count;
}

FakeCqe FakeKernel::Queue::pop() noexcept {
    const FakeCqe cqe = entries[first];
    first = first + 1 == capacity ? 0 : first + 1;
    --count;
    return cqe;
}

FakeCqe FakeKernel::Queue::pop_newest() noexcept {
    --count;
    const u32 at = first + count;
    return entries[at >= capacity ? at - capacity : at];
}

// ---- Completions ------------------------------------------------------------------------------

void FakeKernel::set_sq_flags(u32 flags) noexcept {
    u32* const word = sq_word(params_.sq_off.flags);
    (void)__atomic_or_fetch(word, flags, __ATOMIC_SEQ_CST);
}

void FakeKernel::clear_sq_flags(u32 flags) noexcept {
    u32* const word = sq_word(params_.sq_off.flags);
    (void)__atomic_and_fetch(word, ~flags, __ATOMIC_SEQ_CST);
}

void FakeKernel::write_cqe(u32 slot, const FakeCqe& cqe) noexcept {
    u8* const at =
        cq_base_ + params_.cq_off.cqes + (slot & (params_.cq_entries - 1)) * usize{cqe_bytes()};
    const u32 big_flag = cqe.big && has(abi::setup::cqe_mixed) ? abi::cqe_flag::big : 0;
    const abi::BigCqe image = {{cqe.user_data, cqe.result, cqe.flags | big_flag},
                               {cqe.extra[0], cqe.extra[1]}};
    const bool whole = has(abi::setup::cqe32) || big_flag != 0;
    __builtin_memcpy(at, &image, whole ? sizeof(image) : sizeof(image.cqe));
}

/// In a mixed ring a big completion takes two neighbouring slots; a filler that the program must
/// skip goes where only the last slot is left before the wrap.
bool FakeKernel::try_post(const FakeCqe& cqe) noexcept {
    u32 tail = cq_tail();
    const u32 mask = params_.cq_entries - 1;
    const bool two = cqe.big && has(abi::setup::cqe_mixed);
    const bool filler = two && (tail & mask) == mask;
    const u32 slots = (two ? 2u : 1u) + (filler ? 1u : 0u);
    if (params_.cq_entries - (tail - cq_head()) < slots) {
        return false;
    }
    if (filler) {
        write_cqe(tail++, {.flags = abi::cqe_flag::skip});
    }
    write_cqe(tail, cqe);
    store_release(cq_word(params_.cq_off.tail), tail + (two ? 2 : 1));
    return true;
}

void FakeKernel::post(const FakeCqe& cqe) noexcept {
    // What is kept back goes first, or completions of one operation could overtake each other.
    if (backlog_.count == 0 && try_post(cqe)) {
        return;
    }
    if ((params_.features & abi::feature::nodrop) == 0) {
        u32* const overflow = cq_word(params_.cq_off.overflow);
        store_release(overflow, *overflow + 1);
        return;
    }
    backlog_.push(cqe);
    set_sq_flags(abi::sq_flag::cq_overflow);
}

void FakeKernel::post_as_task_work(const FakeCqe& cqe) noexcept {
    tasks_.push(cqe);
    if (has(abi::setup::taskrun_flag)) {
        set_sq_flags(abi::sq_flag::taskrun);
    }
}

u32 FakeKernel::release(u32 count, bool newest_first) noexcept {
    u32 released = 0;
    while (withheld_.count != 0 && released < count) {
        post(newest_first ? withheld_.pop_newest() : withheld_.pop());
        ++released;
    }
    return released;
}

void FakeKernel::run_task_work() noexcept {
    while (tasks_.count != 0) {
        post(tasks_.pop());
    }
    clear_sq_flags(abi::sq_flag::taskrun);
}

void FakeKernel::flush_backlog() noexcept {
    while (backlog_.count != 0 && try_post(backlog_.entries[backlog_.first])) {
        (void)backlog_.pop();
    }
    if (backlog_.count == 0) {
        clear_sq_flags(abi::sq_flag::cq_overflow);
    }
}

// ---- Submissions ------------------------------------------------------------------------------

i32 FakeKernel::result_of(const abi::Sqe& sqe, u32 index, const Step& step) const noexcept {
    const bool big = is_nop(sqe.opcode) && (sqe.op_flags & abi::nop_flag::big_cqe) != 0;
    if (sqe.opcode >= options_.opcode_count ||
        (big && !has(abi::setup::cqe32 | abi::setup::cqe_mixed))) {
        return -Errno::einval;
    }
    if (step.results != nullptr && index < step.result_count) {
        return step.results[index];
    }
    if (is_nop(sqe.opcode) && (sqe.op_flags & abi::nop_flag::inject_result) != 0) {
        return static_cast<i32>(sqe.len);
    }
    return options_.default_result;
}

FakeCqe FakeKernel::completion_of(const abi::Sqe& sqe, i32 result) const noexcept {
    FakeCqe cqe = {.user_data = sqe.user_data, .result = result};
    if (is_nop(sqe.opcode) && (sqe.op_flags & abi::nop_flag::big_cqe) != 0 && result >= 0) {
        cqe.big = true;
        cqe.extra[0] = sqe.off;
        cqe.extra[1] = sqe.addr;
    }
    return cqe;
}

/// Takes at most `count_max` slots. Completions of what it took are delivered at the end.
u32 FakeKernel::consume(u32 count_max, const Step& step) noexcept {
    const bool rewinds = has(abi::setup::sq_rewind); // 7.0: head and tail mean nothing
    const u32 mask = params_.sq_entries - 1;
    u32 head = rewinds ? 0 : cached_sq_head_;
    const u32 available = rewinds ? params_.sq_entries : sq_tail() - head;
    if (available > params_.sq_entries) {
        FAIL("fake kernel: the submission queue holds more than it has room for");
    }
    const u32 limit = available < count_max ? available : count_max;
    u32 taken = 0;
    u32 entries = 0;
    u32 batch_count = 0;
    for (bool goes_on = true; goes_on && taken < limit;) {
        u32 slot = head++ & mask;
        if (!has(abi::setup::no_sqarray)) {
            slot = load_relaxed(sq_word(params_.sq_off.array) + slot);
        }
        if (slot > mask) { // io_get_sqe: it is skipped and not counted, and ends the batch
            u32* const dropped = sq_word(params_.sq_off.dropped);
            store_release(dropped, *dropped + 1);
            break;
        }
        const abi::Sqe& sqe = *reinterpret_cast<const abi::Sqe*>(sqes_ + slot * usize{sqe_bytes()});
        if (consumed_count_ < sqes_max) {
            logs_->sqes[consumed_count_] = sqe;
        }
        i32 result = result_of(sqe, entries++, step);
        ++consumed_count_;
        ++taken;
        if (is_128_byte_opcode(sqe.opcode) && !has(abi::setup::sqe128)) {
            if (!has(abi::setup::sqe_mixed) || taken == limit || slot == mask) {
                result = -Errno::einval; // it does not fit where it stands
            } else {
                ++head;
                ++taken;
            }
        }
        goes_on = result != -Errno::einval || has(abi::setup::submit_all);
        if (result < 0 || (sqe.flags & abi::sqe_flag::cqe_skip_success) == 0) {
            batch_[batch_count++] = completion_of(sqe, result);
        }
    }
    if (!rewinds) {
        cached_sq_head_ = head;
        store_release(sq_word(params_.sq_off.head), head);
    }
    complete(batch_count, step);
    return taken;
}

void FakeKernel::complete(u32 count, const Step& step) noexcept {
    if (step.order == Order::shuffled) {
        Random random(test_seed() + consumed_count_);
        for (u32 i = count; i > 1; --i) {
            const u32 other = random.below(i);
            const FakeCqe moved = batch_[i - 1];
            batch_[i - 1] = batch_[other];
            batch_[other] = moved;
        }
    }
    for (u32 i = 0; i < count; ++i) {
        if (i < step.lose) {
            u32* const overflow = cq_word(params_.cq_off.overflow);
            store_release(overflow, *overflow + 1);
            lost_completion_ = true;
        } else {
            deliver(batch_[step.order == Order::reversed ? count - 1 - i : i], step);
        }
    }
}

void FakeKernel::deliver(const FakeCqe& cqe, const Step& step) noexcept {
    if (step.order == Order::withheld) {
        withheld_.push(cqe);
    } else if (step.as_task_work || has(abi::setup::iopoll)) {
        post_as_task_work(cqe); // polled completions, too, are found only by who asks for them
    } else {
        post(cqe);
    }
}

// ---- Entering ---------------------------------------------------------------------------------

i32 FakeKernel::decode(EnterRecord& record) const noexcept {
    if ((record.flags & ~known_enter_flags) != 0) {
        return -Errno::einval;
    }
    if ((record.flags & abi::enter::getevents) == 0 || (record.flags & abi::enter::ext_arg) == 0 ||
        (record.flags & abi::enter::ext_arg_reg) != 0) {
        return 0;
    }
    if ((params_.features & abi::feature::ext_arg) == 0 ||
        record.argument_bytes != sizeof(abi::GeteventsArg) || record.argument == nullptr) {
        return -Errno::einval;
    }
    __builtin_memcpy(&record.decoded, record.argument, sizeof(record.decoded));
    record.has_timeout = record.decoded.ts != 0;
    if (record.has_timeout) {
        __builtin_memcpy(&record.timeout,
                         reinterpret_cast<const void*>(static_cast<uptr>(record.decoded.ts)),
                         sizeof(record.timeout));
    }
    return 0;
}

i32 FakeKernel::submit(const EnterRecord& record, const Step& step) noexcept {
    if (has(abi::setup::sqpoll)) {
        if ((record.flags & abi::enter::sq_wakeup) != 0) {
            awake_ = true;
            clear_sq_flags(abi::sq_flag::need_wakeup);
        }
        if ((record.flags & abi::enter::sq_wait) != 0) {
            (void)poll_thread_step(); // the thread makes room while the caller sleeps
        }
        return static_cast<i32>(record.to_submit);
    }
    if (record.to_submit == 0) {
        return 0;
    }
    if (options_.busy_on_overflow && backlog_.count != 0) {
        flush_backlog();
        if (backlog_.count != 0) {
            return -Errno::ebusy;
        }
    }
    const u32 limit = step.consume < record.to_submit ? step.consume : record.to_submit;
    return static_cast<i32>(consume(limit, step));
}

/// Nobody else posts while this call sleeps, so a wait that is not over at once is over when its
/// time is up, or never.
i32 FakeKernel::wait(const EnterRecord& record) noexcept {
    run_task_work();
    flush_backlog();
    const u32 wanted =
        record.min_complete < params_.cq_entries ? record.min_complete : params_.cq_entries;
    if (cq_tail() - cq_head() < wanted && has(abi::setup::sqpoll) && awake_) {
        (void)poll_thread_step();
    }
    if (cq_tail() - cq_head() >= wanted) {
        return 0;
    }
    const bool has_end =
        record.has_timeout || (record.flags & abi::enter::ext_arg_reg) != 0 || lost_completion_;
    if (!has_end) {
        FAIL("fake kernel: this io_uring_enter would sleep for ever");
    }
    // io_cqring_wait: whatever ended it, a wait that found anything at all has succeeded.
    if (cq_tail() != cq_head()) {
        return 0;
    }
    return lost_completion_ ? -Errno::ebadr : -Errno::etime;
}

i32 FakeKernel::enter_with(EnterRecord& record, const Step& step) noexcept {
    const bool fails = static_cast<i32>(step.error) != 0;
    if (fails && !step.error_after) {
        return -step.error;
    }
    const i32 refused = decode(record);
    if (refused < 0 || !enabled_) {
        return refused < 0 ? refused : -Errno::ebadfd;
    }
    if (step.release) {
        (void)release();
    }
    i32 result = submit(record, step);
    for (u32 i = 0; i < step.post_count; ++i) {
        post(step.posts[i]);
    }
    // A short submit returns at once, so that the caller learns of it before it sleeps.
    const bool complete = result == static_cast<i32>(record.to_submit);
    if (complete && !(fails && step.error_after) && (record.flags & abi::enter::getevents) != 0) {
        const i32 waited = wait(record);
        if (result == 0) {
            result = waited;
            lost_completion_ = lost_completion_ && waited != -Errno::ebadr; // told once
        }
    }
    return fails ? -step.error : result;
}

i32 FakeKernel::answer_enter(const long* arguments) noexcept {
    EnterRecord record = {};
    record.fd = static_cast<i32>(arguments[0]);
    record.to_submit = static_cast<u32>(arguments[1]);
    record.min_complete = static_cast<u32>(arguments[2]);
    record.flags = static_cast<u32>(arguments[3]);
    record.argument = reinterpret_cast<const void*>(arguments[4]);
    record.argument_bytes = static_cast<usize>(arguments[5]);
    const Step step = next_step();
    if (step.act != nullptr) {
        step.act(*this, step.context);
    }
    set_sq_flags(step.set_sq_flags);
    clear_sq_flags(step.clear_sq_flags);
    record.result = enter_with(record, step);
    if (enter_count_ < enters_max) {
        logs_->enters[enter_count_] = record;
    }
    ++enter_count_;
    return record.result;
}

// ---- The SQPOLL thread ------------------------------------------------------------------------

u32 FakeKernel::poll_thread_step(u32 count, const Step& how) noexcept {
    if (!has(abi::setup::sqpoll) || !awake_) {
        return 0;
    }
    return consume(count, how);
}

bool FakeKernel::poll_thread_sleep() noexcept {
    set_sq_flags(abi::sq_flag::need_wakeup);
    full_fence(); // pairs with the one between the program's tail store and its flag load
    if (sq_tail() != cached_sq_head_) {
        clear_sq_flags(abi::sq_flag::need_wakeup);
        return false;
    }
    awake_ = false;
    return true;
}

} // namespace oxbow::test
