// From waits for processes and futexes to entries of the submission queue, and what is done about
// processes where the ring has nothing. A program has this part only if it makes such operations
// (needs.h).
#include "../loop/needs.h"
#include "../loop/perform.h"
#include "../syscall/call_process.h"
#include "engine_state.h"
#include "prep.h"

namespace oxbow {

constexpr char detail::ring_processes_part = 0;

namespace uring_engine {

namespace {

/// Since 6.16 a process gets a table of futexes of its own with its first thread, and who waits in
/// the table of all is not found any more. A single thread could not wait; a ring can. So the
/// process gets its table before.
void keep_futexes(State& state) noexcept {
    constexpr long slots = 64;
    if (!state.keeps_futexes) {
        state.keeps_futexes = true;
        if (kernel::prctl(abi::prctl_option::futex_hash, abi::futex_hash::get_slots) == 0) {
            // A refusal cannot be helped.
            (void)kernel::prctl(abi::prctl_option::futex_hash, abi::futex_hash::set_slots, slots);
        }
    }
}

void prepare_any(State& state, abi::Sqe& sqe, const Completion& completion) noexcept {
    const arguments::Any& a = completion.arguments;
    switch (completion.kind) {
    case Kind::waitid:
        prep::waitid(sqe, {.kind = a.wait.which,
                           .id = a.wait.id,
                           .options = a.wait.options,
                           .info = a.wait.info});
        return;
    case Kind::futex_wait:
        keep_futexes(state);
        prep::futex_wait(
            sqe, a.futex_wait.word,
            {.value = a.futex_wait.expected,
             .flags = abi::futex2_flag::size_u32 |
                      (a.futex_wait.shared != 0 ? 0 : abi::futex2_flag::private_flag)});
        return;
    case Kind::futex_waitv:
        keep_futexes(state);
        prep::futex_waitv(sqe, a.futex_wait_many.waiters, a.futex_wait_many.count);
        return;
    default:
        prep::futex_wake(
            sqe, a.futex_wake.word,
            {.count = a.futex_wake.count,
             .flags = abi::futex2_flag::size_u32 |
                      (a.futex_wake.shared != 0 ? 0 : abi::futex2_flag::private_flag)});
        return;
    }
}

/// A descriptor for the process that waitid waits for. False: there can be none.
[[nodiscard]] bool open_process(Completion& completion) noexcept {
    const arguments::Wait& wait = completion.arguments.wait;
    if (wait.which != abi::wait_for::pid || (wait.options & abi::wait_option::exited) == 0 ||
        (wait.options & (abi::wait_option::stopped | abi::wait_option::continued)) != 0) {
        return false;
    }
    completion.fd = kernel::pidfd_open(wait.id, 0);
    return completion.fd >= 0;
}

/// Where the ring has no waitid.
void wait_for_child(Loop& loop, Completion& completion) noexcept {
    // Asked first: a process that is no child of ours (-ECHILD) has a descriptor, too, and the
    // poll of that one would wait for nothing that comes.
    ++loop.counters().syscalls;
    const i32 value = perform(completion, Patience::none);
    if (value != -Errno::eagain) {
        loop.finish(completion, value);
        return;
    }
    if (open_process(completion)) {
        enlist(loop, completion);
        submit_poll(loop, completion);
        return;
    }
    completion.fd = -1;
    loop.perform_on_worker(completion);
}

} // namespace

constexpr ProcessPart process_part = {prepare_any, wait_for_child};

} // namespace uring_engine
} // namespace oxbow
