// The loop on io_uring: setting up, waiting, reaping.
#include "engine.h"

#include "../loop/prefetch.h"
#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "../syscall/call_process.h"
#include "engine_state.h"
#include "register_ring.h"

namespace oxbow {

namespace uring_engine {

namespace {

/// Multishot operations complete more often than they are submitted.
[[nodiscard]] u32 completions_for(u32 entries) noexcept {
    return entries < abi::completion_entries_max / 4 ? 4 * entries : abi::completion_entries_max;
}

/// -EINTR and -ETIME are how waits end; -EBUSY: completions wait in the kernel for room, which
/// reaping makes; -EAGAIN: no memory for a request now; all others end the run.
[[nodiscard]] i32 after_enter(Loop& loop, i32 error) noexcept {
    switch (error) {
    case -static_cast<i32>(Errno::ebusy):
        ++loop.counters().overflows;
        return 0;
    case 0:
    case -static_cast<i32>(Errno::eintr):
    case -static_cast<i32>(Errno::etime):
    case -static_cast<i32>(Errno::eagain):
        return 0;
    default:
        // -EBADR: the kernel had no memory for a completion and lost it. -EEXIST: another thread
        // than the one that runs the loop. -EBADF, -ENXIO, -EINVAL, -EFAULT: the ring is broken.
        return error;
    }
}

void take_wake(Loop& loop, const Cqe& cqe) noexcept {
    State& state = state_of(loop);
    ++loop.counters().wakeups;
    if ((cqe.flags & abi::cqe_flag::more) != 0) {
        return;
    }
    state.set_chore(State::arm_wake);
    if (!state.features.poll_multishot) {
        u64 count = 0; // without it the next poll would end at once
        (void)kernel::read(loop.wake_fd(), &count, sizeof(count));
    }
}

/// Data of a multishot receive that goes on: what servers get most, with nothing to look up, and
/// without a second look. False: it is something else.
[[nodiscard, gnu::always_inline]] inline bool take_data(Loop& loop, Completion& completion,
                                                        const Cqe& cqe) noexcept {
    constexpr u32 goes_on = abi::cqe_flag::buffer | abi::cqe_flag::more;
    constexpr u32 buffer_number = ~((1u << abi::cqe_buffer_shift) - 1);
    if (completion.kind != Kind::recv_multishot || completion.has(Completion::polls) ||
        cqe.result <= 0 ||
        (cqe.flags & ~buffer_number & ~abi::cqe_flag::sock_nonempty) != goes_on) {
        return false;
    }
    static_assert(abi::cqe_buffer_shift == result_flag::buffer_shift);
    u32 flags = result_flag::buffer | (cqe.flags & buffer_number);
    flags |= (cqe.flags & abi::cqe_flag::sock_nonempty) != 0 ? result_flag::nonempty : 0;
    completion.arguments.managed.pool->taken_by_kernel(cqe.result >= turn_bytes &&
                                                       is_of_crowd(state_of(loop), cqe.result));
    loop.own_slot_of(completion).readers.remove(completion);
    loop.deliver_inline(completion, cqe.result, flags);
    return true;
}

/// What has sent, read or written all, in one step, and is no failure. False: it is something else.
[[nodiscard]] bool take_whole(Loop& loop, Completion& completion, const Cqe& cqe) noexcept {
    u32 bytes = 0;
    if (completion.kind == Kind::send_all) {
        bytes = completion.arguments.send.bytes;
    } else if (completion.kind == Kind::send) {
        bytes = 1;
    } else if (is_plain_transfer(completion.kind)) {
        bytes = completion.arguments.transfer.bytes;
    }
    const u32 done = static_cast<u32>(completion.value) + static_cast<u32>(cqe.result);
    if (cqe.result <= 0 || bytes == 0 || done < bytes) {
        return false;
    }
    loop.own_slot_of(completion).readers.remove(completion);
    loop.finish(completion, static_cast<i32>(done));
    return true;
}

/// A completion that is none of an operation.
[[gnu::noinline]] void take_own(Loop& loop, const Cqe& cqe) noexcept {
    if (cqe.user_data == wake_tag) {
        take_wake(loop, cqe);
    } else if (cqe.user_data == message_tag) {
        ++loop.counters().wakeups; // what it has been told is in the loop's queues
    } else if ((cqe.user_data & message_bits) == message_bits) {
        wake_otherwise(cqe.user_data);
    } else if (cqe.result == -Errno::ealready || cqe.result == -Errno::enoent) {
        doubt_cancel(loop);
    }
}

/// One of an operation, other than what take_data() takes.
[[gnu::noinline]] void take_other(Loop& loop, Completion& completion, const Cqe& cqe) noexcept {
    if (loop.untold() != 0 && is_send(completion.kind) && loop.forget_untold(completion)) {
        list_of(loop, completion).push(completion); // the kernel tells, for it has failed
    }
    if (completion.has(Completion::polls) ? cqe.result <= 0 || !announce(loop, completion)
                                          : !take_whole(loop, completion, cqe)) {
        take_result(loop, completion, cqe);
    }
}

/// Whether it could be taken: not while an earlier result of the same completion has not been seen.
[[nodiscard, gnu::always_inline]] inline bool take(Loop& loop, const Cqe& cqe) noexcept {
    if ((cqe.user_data & 1) != 0) [[unlikely]] {
        take_own(loop, cqe);
        return true;
    }
    Completion& completion = completion_of(cqe.user_data);
    OXBOW_CHECK(completion.generation == static_cast<u8>(cqe.user_data >> generation_shift),
                "the kernel completed an operation whose completion was reused");
    if (completion.state != oxbow::State::engine) [[unlikely]] {
        return false;
    }
    if (!take_data(loop, completion, cqe)) {
        take_other(loop, completion, cqe);
    }
    return true;
}

/// All that is to be taken at a time, instead of waiting for memory with each of it: first the
/// completions, then what is known of their descriptors.
[[gnu::noinline]] void fetch_ahead(Loop& loop) noexcept {
    const Ring& ring = state_of(loop).ring;
    const auto is_operation = [](const Cqe& cqe) noexcept { return (cqe.user_data & 1) == 0; };
    ring.for_each_ready([&](const Cqe& cqe) noexcept {
        if (is_operation(cqe)) {
            prefetch(&completion_of(cqe.user_data));
        }
    });
    ring.for_each_ready([&](const Cqe& cqe) noexcept {
        if (is_operation(cqe)) {
            prefetch_line(loop.fds().slot(completion_of(cqe.user_data).fd));
        }
    });
}

/// How many completions were taken.
[[gnu::always_inline]] inline u32 reap(Loop& loop, State& state) noexcept {
    Ring& ring = state.ring;
    // Whether the kernel has consumed the entries of those of which it tells a failure only, and
    // has had room to tell. Taking completions may queue new entries.
    bool all_told = loop.untold() != 0 && ring.sq_ready() == 0;
    if (ring.overflowed()) [[unlikely]] {
        ++loop.counters().overflows;
        all_told = false;
    }
    if (loop.is_crowded() && ring.cq_ready() > 1) [[unlikely]] {
        fetch_ahead(loop);
    }
    // Those that are left where one could not be taken wait in the queue, in order.
    u32 taken = ring.for_each_while([&loop](const Cqe& cqe) noexcept { return take(loop, cqe); });
    if (all_told && ring.cq_ready() == 0) {
        taken += loop.untold(); // what the kernel had to tell has been taken
        loop.finish_untold();
    }
    return taken;
}

/// Nothing was there. Where that is because nothing moves, and the kernel has no memory for
/// requests, it gets some time to find some.
void pause_for_memory(State& state, i32 error) noexcept {
    constexpr u64 pause_ns = 1'000'000;
    if (state.round.is_stuck || error == -Errno::eagain) {
        (void)state.ring.submit_and_wait({.count = 1, .timeout_ns = pause_ns});
    }
}

constexpr u32 waits_before_registering = 8;

/// 0 or an error; -EAGAIN only where it was to wait.
[[nodiscard]] i32 submit_and_wait(Loop& loop, State& state, u64 deadline_ns) noexcept {
    Ring& ring = state.ring;
    const bool may_sleep =
        deadline_ns != 0 && ring.cq_ready() == 0 && (loop.untold() == 0 || !loop.untold_matter());
    if (!may_sleep) {
        if (ring.sq_ready() == 0) {
            return 0;
        }
        ++loop.counters().syscalls;
        const i32 result = ring.submit();
        return result >= 0 || (result == -Errno::eagain && deadline_ns == 0) ? 0 : result;
    }
    ++loop.counters().syscalls;
    ++loop.counters().waits;
    if (deadline_ns == Wait::for_ever) {
        const i32 result = ring.submit_and_wait(1);
        return result < 0 ? result : 0;
    }
    return ring.submit_and_wait({.count = 1 + state.waits_for_more, .deadline_ns = deadline_ns})
        .error;
}

/// What is to be done first. The earlier of `deadline_ns` and when there is something to do again;
/// 0 where that is at once, because something found no room and would not be handed over during a
/// long wait.
[[nodiscard, gnu::cold]] u64 do_chores(Loop& loop, u64 deadline_ns) noexcept {
    State& state = state_of(loop);
    enable(loop);
    if (state.has_chore(State::to_register) && loop.counters().waits >= waits_before_registering) {
        // Saves a look-up of the descriptor with every enter. A refusal (before 5.18, or all slots
        // of the thread in use) costs only that. Not earlier, since it is a call, too, and many a
        // program does not wait as often as makes it worth.
        state.clear_chore(State::to_register);
        (void)state.ring.register_ring_fd();
    }
    if (state.has_chore(State::arm_wake)) {
        arm_wake(loop);
    }
    if (state.has_chore(State::cancels_left)) {
        send_cancels_left(loop);
    }
    if (state.has_chore(State::cancels_again)) {
        if (loop.read_clock_ns() >= state.cancels_again_ns) {
            repeat_cancels(loop);
        } else if (deadline_ns > state.cancels_again_ns) {
            deadline_ns = state.cancels_again_ns;
        }
    }
    unpark(loop);
    if (!loop.parked().empty() || state.has_chore(State::cancels_left | State::arm_wake)) {
        state.round.is_stuck = deadline_ns != 0;
        return 0;
    }
    return state.has_chore(State::batches) ? begin_batch(loop, deadline_ns) : deadline_ns;
}

i32 wait(Loop& loop, u64 deadline_ns) noexcept {
    State& state = state_of(loop);
    state.round = {};
    if (state.chores != 0 || !loop.parked().empty()) [[unlikely]] {
        deadline_ns = do_chores(loop, deadline_ns);
    }
    const i32 error = submit_and_wait(loop, state, deadline_ns);
    state.ring.get_sqes_at_hand();
    if (reap(loop, state) == 0) [[unlikely]] {
        pause_for_memory(state, error);
    }
    return error == 0 ? 0 : after_enter(loop, error);
}

void detach(Loop& loop) noexcept {
    State& state = state_of(loop);
    if (state.blocks_sigpipe) {
        abi::SignalSet set = {};
        set.add(abi::signal::pipe);
        const abi::Timespec none = {};
        (void)kernel::rt_sigtimedwait(&set, nullptr, &none); // one that came meanwhile
        (void)kernel::rt_sigprocmask(abi::signal_mask::unblock, &set, nullptr);
    }
    if (state.registered_fds != 0) {
        close_files(state);
    }
    state.ring.close();
}

constexpr Engine table = {
    .name = "io_uring",
    .submit = submit,
    .wait = wait,
    .cancel = cancel,
    .resume = resume,
    .close_fd = close_fd,
    .open_pool = open_pool,
    .close_pool = close_pool,
    .detach = detach,
    .register_fd = register_fd,
    .unregister_fd = unregister_fd,
    .register_memory = register_memory,
    .unregister_memory = unregister_memory,
    .set_wait_batch = set_wait_batch,
    .wake_other = wake_other,
    .wake_others_now = wake_others_now,
    .receive = receive,
};

} // namespace

void enable(Loop& loop) noexcept {
    State& state = state_of(loop);
    if (!state.has_chore(State::to_enable)) {
        return;
    }
    state.clear_chore(State::to_enable);
    // Refused it is only where it is enabled already. But before 5.13 it waits until the ring is
    // idle, longer than it may take until the next signal comes (__io_uring_register).
    if (enable_ring(state.ring) == -Errno::eintr) {
        const abi::SignalSet all = abi::SignalSet::all();
        abi::SignalSet former = {};
        (void)kernel::rt_sigprocmask(abi::signal_mask::block, &all, &former);
        (void)enable_ring(state.ring);
        (void)kernel::rt_sigprocmask(abi::signal_mask::set, &former, nullptr);
    }
}

void block_sigpipe(State& state) noexcept {
    if (state.blocks_sigpipe) {
        return;
    }
    abi::SignalSet set = {};
    set.add(abi::signal::pipe);
    abi::SignalSet former = {};
    if (kernel::rt_sigprocmask(abi::signal_mask::block, &set, &former) == 0) {
        state.blocks_sigpipe = !former.has(abi::signal::pipe);
    }
}

} // namespace uring_engine

i32 attach_uring(Loop& loop, Reason* reason) noexcept {
    static_assert(sizeof(uring_engine::State) <= Loop::engine_room_bytes);
    uring_engine::State& state = uring_engine::State::make(loop.engine_room());
    const RingOptions options = {
        .entries = loop.options().entries,
        .completion_entries = uring_engine::completions_for(loop.options().entries),
        .preferred_flags = abi::setup::no_sqarray | abi::setup::submit_all |
                           abi::setup::single_issuer | abi::setup::defer_taskrun |
                           (loop.options().is_opened_by_runner ? 0 : abi::setup::r_disabled),
        .dontfork = false, // below
    };
    const i32 result = state.ring.open(options, reason);
    if (result != 0) {
        return result;
    }
    state.ring.keep_from_children();
    state.features = uring_engine::features_of(state.ring);
    state.set_chore(uring_engine::State::to_register);
    if ((state.ring.setup_flags() & abi::setup::r_disabled) != 0) {
        state.set_chore(uring_engine::State::to_enable);
    }
    if (loop.wake_fd() >= 0) {
        state.set_chore(uring_engine::State::arm_wake);
    }
    if (!uring_engine::suffices(state.ring, state.features)) {
        if (reason != nullptr) {
            *reason = {.stage = Stage::operations,
                       .error = -Errno::eopnotsupp,
                       .entries = options.entries};
        }
        state.ring.close();
        return -Errno::eopnotsupp;
    }
    if (&uring_engine::open_files != nullptr) {
        uring_engine::open_files(loop, state);
    }
    loop.attach(uring_engine::table, &state);
    loop.set_ring_fd(state.ring.fd());
    return 0;
}

} // namespace oxbow
