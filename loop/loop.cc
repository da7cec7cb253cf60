// How an operation begins and ends.
#include "loop.h"

#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "../syscall/call_process.h"
#include "../syscall/call_time.h"
#include "../syscall/time.h"
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

[[nodiscard]] u32 fds_of_process() noexcept {
    abi::Rlimit limit = {};
    if (kernel::prlimit(0, abi::resource::open_files, nullptr, &limit) != 0 ||
        limit.maximum > fds_limit) {
        return fds_limit;
    }
    return static_cast<u32>(limit.maximum);
}

[[nodiscard]] bool has_timing() noexcept {
    return &detail::timing_calls != nullptr;
}

} // namespace

// ---- Opening and closing
// -------------------------------------------------------------------------

i32 Loop::prepare(const LoopOptions& options) noexcept {
    OXBOW_CHECK(!is_open() && fds_.slots == nullptr, "Loop::prepare of a loop that is open");
    options_ = options;
    callbacks_max_ = options.batch_max == 0 ? ~0u : options.batch_max;
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

/// Where nothing of the program has to do with time, only what is rare asks for it here.
u64 Loop::read_clock_ns() noexcept {
    if (&detail::clock_call != nullptr) [[likely]] {
        return now_ns_ = detail::clock_call();
    }
    abi::Timespec now = {};
    (void)kernel::clock_gettime(abi::clock::monotonic, &now); // cannot fail: it is always there
    return now_ns_ = nanoseconds_of(now);
}

void Loop::compare_owner() noexcept {
    const i32 self = kernel::gettid();
    if (owner_tid_ == 0) {
        owner_tid_ = self;
    }
    OXBOW_CHECK(owner_tid_ == self, "a loop was used by a thread that does not run it");
}

// ---- Beginning
// -----------------------------------------------------------------------------------

/// What only the engine has to do with, and which has no deadline.
void Loop::start_plain(Completion& completion) noexcept {
    if (draining_) [[unlikely]] {
        start(completion, Operation::no_deadline, false);
        return;
    }
    ++active_;
    ++statistics_.submitted;
    completion.bits = 0;
    completion.value = 0;
    start_on_engine(completion);
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
    if (deadline_ns != Operation::no_deadline) {
        if (!has_timing()) {
            finish(completion, -Errno::eopnotsupp);
            return;
        }
        completion.set(Completion::timed);
        detail::timing_calls.arm(*this, completion, deadline_ns, !deadline_is_relative);
    }
    start_outside(completion);
}

inline void Loop::start_timer(Completion& completion) noexcept {
    if (has_timing()) [[likely]] {
        detail::timing_calls.start_timer(*this, completion);
    } else {
        finish(completion, -Errno::eopnotsupp);
    }
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
    if (completion.kind == Kind::nop && !draining_) {
        ++active_;
        ++statistics_.submitted;
        completion.bits = 0;
        make_ready_inline(completion, State::ready, 0, 0);
        return;
    }
    if (completion.kind == Kind::timer && has_timing()) {
        detail::timing_calls.rearm_timer(*this, completion);
        return;
    }
    const u64 deadline_ns = completion.has(Completion::timed) ? completion.deadline.deadline_ns
                                                              : Operation::no_deadline;
    start(completion, deadline_ns, false);
}

// ---- Ending
// --------------------------------------------------------------------------------------

[[gnu::noinline]] void Loop::make_ready(Completion& completion, State state, i32 value,
                                        u32 flags) noexcept {
    make_ready_inline(completion, state, value, flags);
}

inline void Loop::end(Completion& completion, i32 value, u32 flags) noexcept {
    make_ready_inline(completion, State::ready, value, flags);
    if (completion.has(Completion::counted)) {
        end_on_fd(completion);
    }
}

void Loop::finish(Completion& completion, i32 value, u32 flags) noexcept {
    OXBOW_CHECK(completion.state != State::ready, "an operation was finished twice");
    if (completion.deadline.armed() || completion.kind == Kind::send_all ||
        completion.has(Completion::expired | Completion::cancelled)) {
        finish_with_care(completion, value, flags);
    } else {
        end(completion, value, flags);
    }
}

/// Of one that has a deadline, that may owe a buffer, or whose end was asked for.
[[gnu::noinline]] void Loop::finish_with_care(Completion& completion, i32 value,
                                              u32 flags) noexcept {
    if (completion.deadline.armed()) {
        detail::timing_calls.disarm(*this, completion);
    }
    if (value == -Errno::ecanceled && completion.has(Completion::expired)) {
        value = -Errno::etime;
    }
    if (completion.has(Completion::cancelled) && !parked_.empty()) {
        settle_parked_requests(completion, value);
    }
    give_buffer_back(completion);
    end(completion, value, flags);
}

void Loop::give_buffer_back(Completion& completion) noexcept {
    if (completion.kind == Kind::send_all && completion.arguments.send.pool != nullptr) {
        arguments::Send& sent = completion.arguments.send;
        sent.pool->give_back(sent.buffer());
        sent.flags = sent.message_flags();
        sent.pool = nullptr;
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
