// Running programs on every configuration, comparing traces, and telling of a disagreement.
#include "differential.h"

#include "../syscall/call.h"

namespace oxbow::test::differential {

// ---- Telling ------------------------------------------------------------------------------------

namespace {

constexpr const char* kind_names[] = {"nothing", "tcp",  "stream",   "datagram", "pipe",
                                      "counter", "file", "listener", "notifier"};
static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == static_cast<u32>(Kind::count));

constexpr const char* call_names[] = {"nop",
                                      "timer",
                                      "timer_far",
                                      "timer_every",
                                      "recv",
                                      "recv_all",
                                      "recvmsg",
                                      "recvmsg_all",
                                      "recv into pool",
                                      "recv_multishot",
                                      "recvmsg_multishot",
                                      "read",
                                      "read_all",
                                      "readv",
                                      "read into pool",
                                      "read_multishot",
                                      "poll in",
                                      "poll_multishot",
                                      "send",
                                      "send_all",
                                      "sendmsg",
                                      "sendmsg_all",
                                      "send_zero_copy",
                                      "write",
                                      "write_all",
                                      "writev",
                                      "poll out",
                                      "pread",
                                      "pread_all",
                                      "pwrite",
                                      "pwrite_all",
                                      "write of a file",
                                      "read of a file",
                                      "fsync",
                                      "fallocate",
                                      "ftruncate",
                                      "accept",
                                      "accept_multishot",
                                      "notification",
                                      "splice"};
static_assert(sizeof(call_names) / sizeof(call_names[0]) == static_cast<u32>(Call::count));

constexpr const char* do_names[] = {"make",           "submit",      "plain write", "plain read",
                                    "plain shutdown", "plain close", "cancel",      "cancel_fd",
                                    "cancel_all",     "close",       "give back",   "until quiet"};
static_assert(sizeof(do_names) / sizeof(do_names[0]) == static_cast<u32>(Do::count));

void add_submit(Message& line, const Step& step) noexcept {
    line.add(' ').add(call_names[static_cast<u32>(step.call)]).add(" in slot ");
    line.add_decimal(step.slot).add(" on object ").add_decimal(step.object).add(" end ");
    line.add_decimal(step.end).add(", ").add_decimal(step.bytes).add(" bytes");
    if (step.call >= Call::pread && step.call <= Call::ftruncate) {
        line.add(" at ").add_decimal(step.offset);
    }
    if (step.rearms != 0) {
        line.add(", rearmed ").add_decimal(step.rearms).add(" times");
    }
    if (step.call == Call::splice || (step.flags & Step::chained) != 0) {
        line.add(step.call == Call::splice ? ", to object or behind slot " : ", behind slot ");
        line.add_decimal(step.other);
    }
    line.add((step.flags & Step::short_time) != 0  ? ", short deadline"
             : (step.flags & Step::long_time) != 0 ? ", long deadline"
                                                   : "");
    line.add(", pool ").add_decimal(step.pool).add(" hold ").add_decimal(step.hold);
}

void print_step(u32 at, const Step& step) noexcept {
    Message line;
    line.add("  ").add_decimal(at).add(": ").add(do_names[static_cast<u32>(step.what)]);
    switch (step.what) {
    case Do::make:
        line.add(' ').add(kind_names[static_cast<u32>(step.kind)]).add(" as object ");
        line.add_decimal(step.object).add(", modes ").add_decimal(step.flags & 3u);
        break;
    case Do::submit:
        add_submit(line, step);
        break;
    case Do::write:
    case Do::read:
    case Do::shutdown:
    case Do::shut:
        line.add(" object ").add_decimal(step.object).add(" end ").add_decimal(step.end);
        line.add(", ").add_decimal(step.bytes).add(" bytes");
        break;
    case Do::cancel:
        line.add(" slot ").add_decimal(step.other);
        line.add((step.flags & Step::unseen) != 0 ? " unseen" : " by a request in slot ");
        line.add_decimal(step.slot).add((step.flags & Step::early) != 0 ? ", early" : "");
        break;
    case Do::cancel_fd:
    case Do::close:
        line.add(" object ").add_decimal(step.object).add(" end ").add_decimal(step.end);
        line.add(" in slot ").add_decimal(step.slot);
        break;
    case Do::give_back:
        line.add(" pool ").add_decimal(step.pool);
        break;
    default:
        break;
    }
    print_text(line.add("\n"));
}

void print_program(const Program& program) noexcept {
    for (u32 i = 0; i < program.count; ++i) {
        print_step(i, program.steps[i]);
    }
}

void print_trace(const char* name, const Trace& trace) noexcept {
    Message head;
    print_text(head.add("  on ").add(name).add(":\n"));
    for (u32 step = 0; step <= steps_max; ++step) {
        Message line;
        for (u32 i = 0; i < trace.count; ++i) {
            const Record& record = trace.records[i];
            if (record.step != step) {
                continue;
            }
            if (line.length() == 0) {
                line.add("    step ").add_decimal(step).add(":");
            }
            line.add(' ').add_number(number_of(record.value));
            line.add((record.flags & Record::more) != 0 ? "+" : "");
            line.add((record.flags & Record::eof) != 0 ? "e" : "");
            line.add((record.flags & Record::buffer) != 0 ? "b" : "");
            if (record.digest != 0) {
                line.add('#').add_hex(record.digest & 0xffff);
            }
        }
        if (line.length() != 0) {
            print_text(line.add("\n"));
        }
    }
    if (trace.fault != nullptr) {
        note("    at step", trace.fault_step, ":", trace.fault);
    }
}

// ---- Comparing ----------------------------------------------------------------------------------

[[nodiscard]] const Record* next_of(const Trace& trace, u32 step, u32& at) noexcept {
    for (; at < trace.count; ++at) {
        if (trace.records[at].step == step) {
            return &trace.records[at++];
        }
    }
    return nullptr;
}

} // namespace

bool agree(const Trace& a, const Trace& b) noexcept {
    if (a.fault != nullptr || b.fault != nullptr || a.count != b.count) {
        return false;
    }
    for (u32 step = 0; step <= steps_max; ++step) {
        u32 at = 0;
        u32 bt = 0;
        for (;;) {
            const Record* const x = next_of(a, step, at);
            const Record* const y = next_of(b, step, bt);
            if (x == nullptr || y == nullptr) {
                if (x != y) {
                    return false;
                }
                break;
            }
            if (x->value != y->value || x->flags != y->flags || x->digest != y->digest) {
                return false;
            }
        }
    }
    return true;
}

namespace {

/// The engine that the others are compared with: nothing of it happens behind the loop's back but
/// what worker threads do.
[[nodiscard]] const LoopConfiguration& reference() noexcept {
    for (const LoopConfiguration& row : loop_configurations) {
        if (row.is_epoll()) {
            return row;
        }
    }
    return loop_configurations[0];
}

/// Both traces of a program that is run for its own sake. In memory that is shared with the child
/// in which it runs, since a loop that cannot be drained cannot be closed either.
struct Pair {
    Trace expected;
    Trace actual;
};

[[nodiscard]] Pair& pair() noexcept {
    static constinit Pair* mapped = nullptr;
    if (mapped == nullptr) {
        const long memory =
            kernel::mmap(nullptr, sizeof(Pair), abi::protection::read | abi::protection::write,
                         abi::map::shared | abi::map::anonymous, -1, 0);
        CHECK(!is_error(memory));
        mapped = reinterpret_cast<Pair*>(static_cast<uptr>(memory));
    }
    return *mapped;
}

void execute_in_child(const LoopConfiguration& row, const Program& program, const Trace* expected,
                      Trace& trace) noexcept {
    trace.count = 0;
    trace.fault = "the process ended";
    const i32 pid = fork_child();
    if (pid == 0) {
        forget_runs();
        ConfiguredLoop loop(row, {.registered_fds = 1024});
        execute(*loop, program, expected, trace);
        kernel::exit_group(0);
    }
    abi::SignalInfo info = {};
    CHECK_OK(kernel::waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited));
}

[[nodiscard]] bool disagrees(const LoopConfiguration& row, const Program& program) noexcept {
    execute_in_child(reference(), program, nullptr, pair().expected);
    execute_in_child(row, program, &pair().expected, pair().actual);
    return !agree(pair().expected, pair().actual);
}

[[nodiscard]] Program without(const Program& program, u32 step) noexcept {
    Program shorter = program;
    for (u32 i = step; i + 1 < program.count; ++i) {
        shorter.steps[i] = program.steps[i + 1];
    }
    --shorter.count;
    return shorter;
}

/// Leaves out steps as long as the two disagree without them.
[[nodiscard]] Program shrink(const LoopConfiguration& row, Program program) noexcept {
    const u64 limit_ns = now_ns() + 20'000'000'000;
    for (bool shorter = true; shorter;) {
        shorter = false;
        for (u32 i = program.count; i-- != 0 && now_ns() < limit_ns;) {
            const Program candidate = without(program, i);
            if (disagrees(row, candidate)) {
                program = candidate;
                shorter = true;
            }
        }
    }
    return program;
}

[[noreturn]] void tell(const LoopConfiguration& row, const Program& program,
                       const Profile& profile) noexcept {
    Message line;
    line.add("profile ").add(profile.name).add(", seed 0x").add_hex(program.seed).add(", ");
    print_text(line.add(reference().name).add(" against ").add(row.name).add("\n"));
    if (!disagrees(row, program)) {
        note("run alone, they agree: it is a race, or needs what another program left");
        print_program(program);
        FAIL("two engines disagreed about a program");
    }
    const Program least = shrink(row, program);
    (void)disagrees(row, least);
    print_program(least);
    print_trace(reference().name, pair().expected);
    print_trace(row.name, pair().actual);
    FAIL("two engines disagree about a program");
}

constexpr u32 batch_max = 50;
constinit Program programs[batch_max] = {};
constinit Trace traces[batch_max] = {};
constinit Trace other_trace = {};

void run_batch(const Profile& profile, u32 count) noexcept {
    {
        ConfiguredLoop loop(reference());
        for (u32 i = 0; i < count; ++i) {
            execute(*loop, programs[i], nullptr, traces[i]);
            if (traces[i].fault != nullptr) {
                print_trace(reference().name, traces[i]);
                tell(reference(), programs[i], profile);
            }
        }
    }
    for (const LoopConfiguration& row : loop_configurations) {
        if (&row == &reference()) {
            continue;
        }
        ConfiguredLoop loop(row, {.registered_fds = 1024});
        for (u32 i = 0; i < count; ++i) {
            execute(*loop, programs[i], &traces[i], other_trace);
            if (!agree(traces[i], other_trace)) {
                print_trace(reference().name, traces[i]);
                print_trace(row.name, other_trace);
                tell(row, programs[i], profile);
            }
        }
    }
}

} // namespace

void run_programs(Random& random, const Profile& profile, u32 count) noexcept {
    while (count != 0) {
        const u32 batch = count < batch_max ? count : batch_max;
        for (u32 i = 0; i < batch; ++i) {
            programs[i] = generate(random.next(), profile);
        }
        run_batch(profile, batch);
        count -= batch;
    }
}

void run_seed(u64 seed, const Profile& profile) noexcept {
    programs[0] = generate(seed, profile);
    run_batch(profile, 1);
}

} // namespace oxbow::test::differential
