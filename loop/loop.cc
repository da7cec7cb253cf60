// How an operation begins and ends.
#include "loop.h"

#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "../syscall/call_process.h"
#include "../syscall/time.h"
#include "../syscall/vdso.h"
#include "needs.h"
#include "perform.h"

namespace oxbow {

namespace {

constexpr u32 fds_limit = 1u << 20;
constexpr uptr memory_alignment = 64; // a cache line

/// Whether a buffer of the pool takes what comes before the payload (abi::RecvmsgOut). io_uring
/// would call it -EFAULT.
[[nodiscard]] bool has_room_for_head(const Completion& completion) noexcept {
    constexpr u64 head_bytes = 16;
    const arguments::Managed& managed = completion.arguments.managed;
    const u64 name_bytes = static_cast<u32>(managed.message->name_bytes);
    const u64 control_bytes = managed.message->control_bytes;
    const u64 room = managed.pool->buffer_bytes();
    return control_bytes <= room && head_bytes + name_bytes + control_bytes <= room;
}

/// Word by word, as they have just been written: a load of two words at once would have to wait
/// until both stores have left the store buffer.
void copy(arguments::Any& to, const arguments::Any& from) noexcept {
    using Word [[gnu::may_alias]] = usize;
    const Word* const source = reinterpret_cast<const Word*>(&from);
    Word* const destination = reinterpret_cast<Word*>(&to);
    for (u32 i = 0; i < sizeof(from) / sizeof(Word); ++i) {
        Word word = source[i];
        asm("" : "+r"(word)); // else the compiler joins two of them
        destination[i] = word;
    }
}

[[nodiscard]] u32 fds_of_process() noexcept {
    abi::Rlimit limit = {};
    if (kernel::prlimit(0, abi::resource::open_files, nullptr, &limit) != 0 ||
        limit.maximum > fds_limit) {
        return fds_limit;
    }
    return static_cast<u32>(limit.maximum);
}

} // namespace

// ---- Opening and closing
// -------------------------------------------------------------------------

i32 Loop::prepare(const LoopOptions& options) noexcept {
    OXBOW_CHECK(!is_open() && fds_.slots == nullptr, "Loop::prepare of a loop that is open");
    options_ = options;
    if (options.is_opened_by_runner) {
        check_owner();
    }
    i32 result = take_memory();
    if (result == 0 && &detail::remote_calls != nullptr) {
        result = detail::remote_calls.open(*this);
    }
    if (result == 0) {
        result = open_jobs();
    }
    if (result != 0) {
        close();
    }
    return result;
}

/// For the slots, and what the engine is to know of each descriptor.
i32 Loop::take_memory() noexcept {
    u32 count = options_.fds_max;
    auto base = reinterpret_cast<uptr>(options_.memory);
    if (base != 0 && (count == 0 || base % memory_alignment != 0)) {
        return -Errno::einval;
    }
    if (base == 0) {
        count = count != 0 ? count : fds_of_process();
        const long mapped = kernel::mmap(
            nullptr, memory_bytes(count), abi::protection::read | abi::protection::write,
            abi::map::private_ | abi::map::anonymous | abi::map::noreserve, -1, 0);
        if (is_error(mapped)) {
            return static_cast<i32>(mapped);
        }
        base = static_cast<uptr>(mapped);
    }
    fds_.slots = reinterpret_cast<FdSlot*>(base);
    fds_.count = count;
    return 0;
}

void Loop::close() noexcept {
    OXBOW_CHECK(!running_, "Loop::close inside run");
    OXBOW_CHECK(active_ == 0, "Loop::close with operations in flight: drain first");
    OXBOW_CHECK(pools_ == nullptr, "Loop::close before BufferPool::close");
    // Workers may still be about to hand in results, and to write to the eventfd.
    close_jobs();
    if (engine_ != nullptr) {
        engine_->detach(*this);
    }
    if (wake_fd_and_1_ != 0) {
        (void)kernel::close(wake_fd()); // an eventfd has nothing to lose
    }
    if (fds_.slots != nullptr && options_.memory == nullptr) {
        (void)kernel::munmap(fds_.slots, memory_bytes(fds_.count));
    }
    engine_ = nullptr;
    engine_state_ = nullptr;
    wake_fd_and_1_ = ring_fd_and_1_ = 0;
    fds_ = {};
    owner_tid_ = 0;
    stopped_ = false;
}

u64 Loop::update_now() noexcept {
    return now_ns_ = monotonic_ns();
}

void Loop::check_owner() noexcept {
#if defined(OXBOW_DEBUG)
    const i32 self = kernel::gettid();
    if (owner_tid_ == 0) {
        owner_tid_ = self;
    }
    OXBOW_CHECK(owner_tid_ == self, "a loop was used by a thread that does not run it");
#endif
}

// ---- Beginning
// -----------------------------------------------------------------------------------

void Loop::submit(Completion& completion, const Operation& operation, Handler handler) noexcept {
    OXBOW_CHECK(is_open(), "submit to a loop that is not open");
    check_owner();
    fill(completion, operation, handler);
    if (completion.kind > Kind::close && operation.deadline_ns == Operation::no_deadline &&
        !draining_) [[likely]] {
        ++active_;
        ++statistics_.submitted;
        completion.bits = 0;
        completion.value = 0;
        start_on_engine(completion);
        return;
    }
    start(completion, operation.deadline_ns, operation.deadline_is_relative);
}

void Loop::fill(Completion& completion, const Operation& operation, Handler handler) noexcept {
    OXBOW_CHECK(completion.idle(), "a completion was submitted that is still in use");
    completion.callback = handler.callback;
    completion.user = handler.user;
    completion.kind = operation.kind;
    completion.fd = operation.fd;
    copy(completion.arguments, operation.arguments);
}

void Loop::start(Completion& completion, u64 deadline_ns, bool deadline_is_relative) noexcept {
    ++active_;
    ++statistics_.submitted;
    completion.bits = 0;
    completion.value = 0;
    if (draining_ && completion.kind != Kind::close) {
        finish(completion, -Errno::ecanceled);
        return;
    }
    switch (completion.kind) {
    case Kind::nop:
        make_ready(completion, State::ready, 0, 0);
        return;
    case Kind::timer:
        start_timer(completion);
        return;
    case Kind::cancel:
    case Kind::cancel_fd:
    case Kind::cancel_all:
        start_cancel(completion);
        return;
    case Kind::close:
        start_close(completion);
        return;
    default:
        break;
    }
    if (deadline_ns == Operation::no_deadline) {
        start_outside(completion);
    } else {
        start_timed(completion, deadline_ns, deadline_is_relative);
    }
}

/// Apart from start(), for the same reason as arm_dated().
[[gnu::noinline]] void Loop::start_timed(Completion& completion, u64 deadline_ns,
                                         bool deadline_is_relative) noexcept {
    completion.set(Completion::timed);
    arm(completion.deadline, deadline_ns, !deadline_is_relative);
    start_outside(completion);
}

/// What is not up to the loop alone.
inline void Loop::start_outside(Completion& completion) noexcept {
    if (completion.kind == Kind::notification) {
        // The table is linked, since op::notification is.
        detail::remote_calls.start_notification(*this, completion);
    } else {
        start_on_engine(completion);
    }
}

/// A cached time would let a timer end early, since it is as old as the round; so one that is given
/// as a duration gets its date when the callbacks of this round have run, from one look at the
/// clock for all of them.
inline void Loop::arm(DeadlineNode& node, u64 time_ns, bool absolute) noexcept {
    if (running_ && !absolute) [[likely]] {
        deadlines_.insert_undated(node, time_ns);
    } else {
        arm_dated(node, time_ns, absolute);
    }
}

/// Apart from arm(), which else would save the registers that only this needs.
[[gnu::noinline]] void Loop::arm_dated(DeadlineNode& node, u64 time_ns, bool absolute) noexcept {
    deadlines_.insert(node, absolute ? time_ns : saturating_add(update_now(), time_ns));
}

void Loop::start_timer(Completion& completion) noexcept {
    const arguments::Timer& timer = completion.arguments.timer;
    completion.state = State::timing;
    arm(completion.deadline, timer.time_ns, timer.absolute != 0);
}

void Loop::start_on_engine(Completion& completion) noexcept {
    FdSlot* const slot = fds_.slot(completion.fd);
    if (slot != nullptr) {
        if (slot->has(FdSlot::closing)) {
            finish(completion, -Errno::ebadf);
            return;
        }
        ++slot->in_flight;
        completion.set(Completion::counted);
        if (static_cast<u32>(completion.fd) > fd_highest_) {
            fd_highest_ = static_cast<u32>(completion.fd);
        }
    } else if (completion.fd >= 0) {
        finish(completion, -Errno::emfile); // beyond LoopOptions::fds_max
        return;
    }
    if (completion.kind == Kind::recvmsg_multishot && !has_room_for_head(completion)) {
        finish(completion, -Errno::emsgsize);
        return;
    }
    completion.state = State::engine;
    engine_->submit(*this, completion);
}

/// The same operation once more, as its callback has asked.
void Loop::rearm(Completion& completion) noexcept {
    OXBOW_CHECK(completion.idle(), "a callback rearmed a completion that it had submitted again");
    const u64 deadline_ns = completion.has(Completion::timed) ? completion.deadline.deadline_ns
                                                              : Operation::no_deadline;
    if (completion.kind != Kind::timer || completion.arguments.timer.absolute) {
        start(completion, deadline_ns, false);
        return;
    }
    ++active_;
    ++statistics_.submitted;
    completion.bits = 0;
    completion.value = 0;
    if (draining_) {
        finish(completion, -Errno::ecanceled);
    } else if (completion.deadline.deadline_ns == completion.arguments.timer.time_ns) {
        start_timer(completion); // cancelled before it had got a date
    } else {
        start_next_period(completion, completion.arguments.timer.time_ns);
    }
}

void Loop::reset_timer(Completion& timer, u64 duration_ns) noexcept {
    OXBOW_CHECK(timer.kind == Kind::timer, "Loop::reset_timer of something else");
    check_owner();
    timer.arguments.timer.time_ns = duration_ns;
    timer.arguments.timer.absolute = false;
    if (timer.idle()) {
        start(timer, Operation::no_deadline, false);
        return;
    }
    if (timer.state == State::timing && running_) {
        timer.value = 0;
        deadlines_.reset_undated(timer.deadline, duration_ns);
        return;
    }
    const u64 deadline_ns = saturating_add(update_now(), duration_ns);
    if (timer.state == State::timing) {
        timer.value = 0;
        deadlines_.reset(timer.deadline, deadline_ns);
        return;
    }
    // It is in the ready queue or in its callback: whoever comes to it next sees the mark.
    timer.deadline.deadline_ns = deadline_ns;
    timer.set(was_reset);
}

bool Loop::stop_timer(Completion& timer) noexcept {
    OXBOW_CHECK(timer.kind == Kind::timer || timer.idle(), "Loop::stop_timer of something else");
    check_owner();
    if (timer.state != State::timing) {
        const bool ends = timer.state == State::ready || timer.state == State::ready_more ||
                          timer.state == State::resuming;
        if (ends && was_set_anew(timer)) {
            timer.set(Completion::cancelled); // else it would go on from there
        }
        return false;
    }
    deadlines_.remove(timer.deadline);
    end_activation(timer);
    if (timer.has(Completion::has_successors)) {
        start_successors(timer, false);
    }
    return true;
}

/// At the time that Loop::reset_timer has set.
void Loop::restart_timer(Completion& completion) noexcept {
    completion.clear(was_reset);
    completion.value = 0;
    completion.state = State::timing;
    deadlines_.insert(completion.deadline, completion.deadline.deadline_ns);
}

/// Lets a timer end again `period_ns` after it was due; `value` keeps how many periods will have
/// passed by then, the missed ones included.
void Loop::start_next_period(Completion& completion, u64 period_ns) noexcept {
    u64 next_ns = saturating_add(completion.deadline.deadline_ns, period_ns);
    u32 periods = 1;
    const u64 now = now_ns();
    if (next_ns <= now && period_ns != 0) {
        // Doubling steps instead of a division, which 32-bit machines do not have.
        u64 step_ns = period_ns;
        u32 step = 1;
        while (step < (1u << 30) && saturating_add(next_ns, 2 * step_ns) <= now &&
               2 * step_ns > step_ns) {
            step_ns *= 2;
            step *= 2;
        }
        for (; step != 0; step >>= 1, step_ns >>= 1) {
            while (next_ns + step_ns <= now) {
                next_ns += step_ns;
                periods += step;
            }
        }
        next_ns += period_ns;
        ++periods;
    }
    completion.value = static_cast<i32>(periods & 0x7fffffffu);
    completion.state = State::timing;
    deadlines_.insert(completion.deadline, next_ns);
}

// ---- Ending
// --------------------------------------------------------------------------------------

void Loop::make_ready(Completion& completion, State state, i32 value, u32 flags) noexcept {
    completion.state = state;
    completion.value = value;
    completion.result_flags = flags;
    ready_.push(completion);
}

void Loop::finish(Completion& completion, i32 value, u32 flags) noexcept {
    OXBOW_CHECK(completion.state != State::ready, "an operation was finished twice");
    if (completion.deadline.armed()) {
        if (completion.has(Completion::timed) && deadlines_.has_undated()) {
            deadlines_.date(update_now()); // a rearm wants to know when it would have been over
        }
        deadlines_.remove(completion.deadline);
    }
    if (completion.has(Completion::expired | Completion::cancelled)) [[unlikely]] {
        if (value == -Errno::ecanceled && completion.has(Completion::expired)) {
            value = -Errno::etime;
        }
        if (completion.has(Completion::cancelled) && !parked_.empty()) {
            settle_parked_requests(completion, value);
        }
    }
    give_buffer_back(completion);
    make_ready(completion, State::ready, value, flags);
    if (completion.has(Completion::counted)) {
        end_on_fd(completion);
    }
}

void Loop::give_buffer_back(Completion& completion) noexcept {
    if (completion.kind == Kind::send_all && completion.arguments.send.pool != nullptr) {
        arguments::Send& sent = completion.arguments.send;
        sent.pool->give_back(static_cast<u16>(sent.flags >> arguments::Send::buffer_shift));
        sent.flags = sent.message_flags();
        sent.pool = nullptr;
    }
}

void Loop::deliver(Completion& completion, i32 value, u32 flags) noexcept {
    ++statistics_.delivered;
    make_ready(completion, State::ready_more, value, flags | result_flag::more);
}

void Loop::end_on_fd(Completion& completion) noexcept {
    completion.clear(Completion::counted);
    FdSlot& slot = *fds_.slot(completion.fd);
    if (--slot.in_flight == 0 && slot.has(FdSlot::closing)) {
        end_close(completion.fd);
    }
}

void Loop::park(Completion& completion) noexcept {
    ++statistics_.parked;
    completion.state = State::parked;
    parked_.push(completion);
}

void Loop::await_buffer(Completion& completion) noexcept {
    ++statistics_.buffer_waits;
    completion.state = State::awaiting_buffer;
    completion.arguments.managed.pool->waiters.push(completion);
    ++dependents_;
}

} // namespace oxbow
