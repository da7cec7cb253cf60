// A program from its first step to its last. See differential_run.h.
#include "differential_run.h"

namespace oxbow::test::differential {

constinit u8 pattern[pattern_bytes] = {};

void fill_pattern_once() noexcept {
    if (pattern[0] == 0) {
        for (u32 i = 0; i < pattern_bytes; ++i) {
            const u32 at = remainder_of(i, period);
            pattern[i] = static_cast<u8>((at * 2654435761u) >> 24);
        }
        pattern[0] = pattern[period] = 1;
        for (u32 i = period; i < pattern_bytes; ++i) {
            pattern[i] = pattern[i - period];
        }
    }
}

namespace {
alignas(64) constinit u8 run_memory[sizeof(Run)] = {};
} // namespace

Run& the_run() noexcept {
    return *reinterpret_cast<Run*>(run_memory);
}

// ---- From first to last
// ------------------------------------------------------------------------------

void Run::tell_file(Thing& thing) noexcept {
    if (thing.kind == Kind::file && thing.fd[0] >= 0) {
        const long count = kernel::pread(thing.fd[0], scratch_, sizeof(scratch_), 0);
        record(at_, static_cast<i32>(count), 0,
               count > 0 ? digest_of(scratch_, static_cast<u32>(count)) : 0);
        record(at_, static_cast<i32>(size_of(thing.fd[0])));
    }
}

void Run::do_step(const Step& step) noexcept {
    switch (step.what) {
    case Do::make:
        make(step);
        return;
    case Do::submit:
        submit(step);
        return;
    case Do::write:
        plain_write(step);
        return;
    case Do::read:
        plain_read(step);
        return;
    case Do::shutdown:
        plain_shutdown(step);
        return;
    case Do::shut:
        plain_close(step);
        return;
    case Do::cancel:
        cancel(step);
        return;
    case Do::cancel_fd:
    case Do::cancel_all:
        cancel_fd(step);
        return;
    case Do::close:
        close(step);
        return;
    case Do::give_back:
        quiet();
        give_back(pools_[step.pool]);
        quiet();
        return;
    default:
        quiet();
        return;
    }
}

/// Cancels what is left, and looks that nothing else is.
void Run::end() noexcept {
    at_ = steps_max;
    quiet();
    if (loop_->drain(now_ns() + stuck_ns) != 0 || loop_->in_flight() != 0) {
        fault("drain left something in flight");
    }
    for (const Slot& slot : slots_) {
        if (slot.busy || !slot.completion.idle()) {
            fault("an operation has no last result");
        }
    }
    for (Thing& thing : things_) {
        tell_file(thing);
        for (u32 side = 0; side < 2 && is_stream(thing.kind); ++side) {
            Direction& direction = into(thing, side);
            if (thing.fd[side] < 0) {
                continue;
            }
            (void)read_some(thing, side);
            if (direction.taken != direction.written && !direction.cut && !thing.torn) {
                fault("bytes were lost, or came twice");
            }
        }
        for (u32 side = 0; side < 2; ++side) {
            if (thing.fd[side] >= 0 && (side == 0 || thing.fd[1] != thing.fd[0])) {
                loop_->unregister_fd(thing.fd[side]);
                (void)kernel::close(thing.fd[side]);
            }
        }
    }
    for (Pool& pool : pools_) {
        if (pool.pool.is_open()) {
            give_back(pool);
            if (pool.pool.held() != 0) {
                fault("a buffer was lost");
            }
            pool.pool.close();
        }
    }
    (void)loop_->run(oxbow::Run::no_wait); // what was notified last
}

void Run::run(Loop& loop, const Program& program, const Trace* expected, Trace& trace) noexcept {
    fill_pattern_once();
    loop_ = &loop;
    program_ = &program;
    expected_ = expected;
    trace_ = &trace;
    trace.fault = nullptr;
    trace.count = trace.quiets = 0;
    at_ = 0;
    __builtin_memset(static_cast<void*>(things_), 0, sizeof(things_));
    for (Thing& thing : things_) {
        thing.fd[0] = thing.fd[1] = -1;
        for (Direction& direction : thing.from) {
            direction.reader = direction.writer = nobody;
        }
    }
    bool uses_pools = false;
    for (u32 i = 0; i < program.count; ++i) {
        uses_pools |= program.steps[i].what == Do::submit && takes_buffers(program.steps[i].call);
    }
    for (Slot& slot : slots_) {
        slot.busy = slot.fresh = false;
        slot.behind = nobody;
        slot.ends = 0;
    }
    for (u32 i = 0; i < pools_max; ++i) {
        pools_[i].user = nobody;
        pools_[i].held_count = 0;
        if (uses_pools) {
            CHECK_OK(pools_[i].pool.open(
                loop, {.count = i == 0 ? 1u : 3u, .buffer_bytes = i == 0 ? 40u : 300u}));
        }
    }
    const i32 fds = open_fd_count();
    const Statistics before = loop.statistics();
    for (; at_ < program.count && trace.fault == nullptr; ++at_) {
        do_step(program.steps[at_]);
    }
    const u32 last = at_;
    end();
    const Statistics& after = loop.statistics();
    if (after.submitted - before.submitted != after.completed - before.completed) {
        fault("not as many operations have ended as were submitted");
    }
    // The reference's wait thread or workers may have started meanwhile; they have no descriptors.
    if (open_fd_count() != fds) {
        fault("descriptors were left open, or closed too often");
    }
    if (trace.fault != nullptr && trace.fault_step == steps_max) {
        trace.fault_step = last;
    }
}

void forget_runs() noexcept {
    __builtin_memset(run_memory, 0, sizeof(run_memory));
}

void execute(Loop& loop, const Program& program, const Trace* expected, Trace& trace) noexcept {
    the_run().run(loop, program, expected, trace);
}

} // namespace oxbow::test::differential
