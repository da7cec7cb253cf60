// Registrations that concern a ring as a whole, each with its effect: notifications, credentials,
// restrictions, workers, busy polling, cancels, messages, queries. What the running kernel is too
// old for must be refused in the way that the comments say.
#include "../uring/register.h"

#include "hook.h"
#include "register_help.h"

namespace oxbow::test {
namespace {

void nop(Ring& ring, u64 user_data = 0) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::nop(sqe);
    sqe.user_data = user_data;
}

// ---- Notification -------------------------------------------------------------------------------

/// What the eventfd has counted since the last look; 0 where it has not.
u64 take_count(i32 fd) noexcept {
    u64 count = 0;
    const long result = kernel::read(fd, &count, sizeof count);
    CHECK(result == 8 || result == -Errno::eagain);
    return count;
}

i32 make_eventfd() noexcept {
    return CHECK_OK(kernel::eventfd2(0, abi::eventfd_flag::nonblock | abi::eventfd_flag::cloexec));
}

TEST(register_eventfd_counts_completions) {
    const NothingLeaks check;
    TestRing ring;
    const TestFd event(make_eventfd());
    const TestFd other(make_eventfd());
    CHECK_ERRNO(unregister_eventfd(*ring), Errno::enxio);
    CHECK_ERRNO(register_eventfd(*ring, 9999), Errno::ebadf);
    CHECK_ERRNO(register_eventfd(*ring, ring->fd()), Errno::einval);
    CHECK_OK(register_eventfd(*ring, event));
    CHECK_ERRNO(register_eventfd(*ring, other), Errno::ebusy);
    CHECK(ring->eventfd_enabled());
    CHECK_EQ(take_count(event), 0u);
    nop(*ring);
    (void)complete(*ring);
    CHECK_GE(take_count(event), 1u);
    nop(*ring);
    nop(*ring);
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(2)), 2);
    const u64 count = take_count(event); // one for both or one for each
    CHECK(count == 1 || count == 2);
    ring->advance(2);
    CHECK_OK(ring->enable_eventfd(false));
    CHECK(!ring->eventfd_enabled());
    nop(*ring);
    (void)complete(*ring);
    CHECK_EQ(take_count(event), 0u);
    CHECK_OK(ring->enable_eventfd(true));
    nop(*ring);
    (void)complete(*ring);
    CHECK_GE(take_count(event), 1u);
    CHECK_OK(unregister_eventfd(*ring));
    nop(*ring);
    (void)complete(*ring);
    CHECK_EQ(take_count(event), 0u);
    CHECK_OK(register_eventfd(*ring, other)); // and ends with the ring
}

TEST(register_eventfd_async_counts_workers_only) {
    const NothingLeaks check;
    TestRing ring;
    const TestFd event(make_eventfd());
    CHECK_OK(register_eventfd_async(*ring, event));
    nop(*ring);
    (void)complete(*ring);
    CHECK_EQ(take_count(event), 0u); // completed within submit
    nop(*ring);
    prep::async(need_sqe(*ring));
    CHECK_OK(ring->submit());
    abi::PollFd poll = {event, static_cast<i16>(abi::poll_event::in), 0};
    const abi::Timespec patience = {20, 0};
    CHECK_EQ(CHECK_OK(kernel::ppoll(&poll, 1, &patience)), 1);
    CHECK_GE(take_count(event), 1u);
    CHECK_OK(unregister_eventfd(*ring));
}

// ---- What the kernel can do ---------------------------------------------------------------------

TEST(register_probe_lists_opcodes) {
    const NothingLeaks check;
    TestRing ring;
    abi::Probe probe;
    __builtin_memset(&probe, 0xff, sizeof probe); // whatever was there before
    CHECK_OK(register_probe(*ring, probe));
    CHECK_GE(probe.last_op, 30);
    CHECK_EQ(probe.ops_len, probe.last_op + 1);
    for (u32 i = 0; i < probe.ops_len; ++i) {
        CHECK_EQ(probe.ops[i].op, i);
    }
    CHECK_NE(probe.ops[static_cast<u32>(abi::Opcode::nop)].flags & abi::op_supported, 0);
}

TEST(register_query_answers_without_a_ring) {
    abi::QueryOpcodes answer;
    const i32 result = register_query(abi::QueryOp::opcodes, answer);
    if (!kernel_at_least(6, 18)) {
        CHECK_ERRNO(result, Errno::einval);
        return;
    }
    CHECK_OK(result);
    TestRing ring;
    abi::Probe probe;
    CHECK_OK(register_probe(*ring, probe));
    CHECK_EQ(answer.request_opcode_count, u32{probe.last_op} + 1);
    CHECK_GE(answer.register_opcode_count, 36u);
    CHECK_EQ(answer.feature_flags, ring->features());
    CHECK_NE(answer.setup_flags & abi::setup::cqe_mixed, 0u);
    // Two questions at once, one of which no kernel will ever know.
    abi::QueryHeader headers[2] = {};
    headers[0].next = address_of(&headers[1]);
    headers[0].data = address_of(&answer);
    headers[0].size = sizeof answer;
    headers[1].op = 0x7fffffff;
    headers[1].data = address_of(&answer);
    headers[1].size = sizeof answer;
    CHECK_OK(register_query(headers));
    CHECK_EQ(headers[0].result, 0);
    CHECK_ERRNO(headers[1].result, Errno::eopnotsupp);
    headers[1].result = 0;
    headers[0].result = 0;
    headers[1].next = address_of(&headers[0]); // in a circle
    CHECK_ERRNO(register_query(headers), Errno::erange);
}

// ---- Credentials --------------------------------------------------------------------------------

i32 open_as(Ring& ring, const char* path, u16 personality) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::open(sqe, path, {.flags = abi::open_flag::read_only | abi::open_flag::cloexec});
    prep::personality(sqe, personality);
    return complete(ring).result;
}

TEST(register_personality_lends_credentials) {
    const NothingLeaks check;
    if (kernel::geteuid() != 0) {
        SKIP("not root: nobody to lend credentials from");
    }
    char path[256];
    temp_path(path);
    {
        const TestFd file(kernel::openat(
            abi::at_fdcwd, path,
            abi::open_flag::create | abi::open_flag::read_write | abi::open_flag::cloexec, 0600));
    }
    CHECK_OK(kernel::fchmodat(abi::at_fdcwd, temp_directory(), 0711));
    // In a child, since nobody becomes root again.
    const i32 status = in_child([&path] {
        TestRing ring;
        const i32 root = CHECK_OK(register_personality(*ring));
        CHECK_LE(root, 65535);
        constexpr u32 nobody = 65534;
        CHECK_OK(kernel::setresuid(nobody, nobody, nobody));
        const i32 self = CHECK_OK(register_personality(*ring));
        CHECK_NE(self, root);
        CHECK_ERRNO(open_as(*ring, path, 0), Errno::eacces);
        CHECK_ERRNO(open_as(*ring, path, static_cast<u16>(self)), Errno::eacces);
        CHECK_OK(open_as(*ring, path, static_cast<u16>(root)));
        CHECK_OK(unregister_personality(*ring, static_cast<u16>(root)));
        CHECK_ERRNO(open_as(*ring, path, static_cast<u16>(root)), Errno::einval);
        CHECK_ERRNO(unregister_personality(*ring, static_cast<u16>(root)), Errno::einval);
    });
    CHECK_EQ(status, 0);
}

// ---- Restrictions -------------------------------------------------------------------------------

TEST(register_restrictions_forbid_the_rest) {
    const NothingLeaks check;
    TestRing enabled;
    constexpr abi::Restriction list[] = {
        allow(abi::Opcode::nop), allow(abi::Opcode::read), allow(abi::RegisterOp::probe),
        allow(abi::RegisterOp::enable_rings), allow_flags(abi::sqe_flag::io_link)};
    CHECK_ERRNO(register_restrictions(*enabled, list, 5), Errno::ebadfd);
    CHECK_ERRNO(enable_ring(*enabled), Errno::ebadfd);

    TestRing ring(8, abi::setup::r_disabled);
    const abi::Restriction unknown[] = {restriction(abi::RestrictionKind{99}, 0)};
    CHECK_ERRNO(register_restrictions(*ring, unknown, 1), Errno::einval);
    CHECK_OK(register_restrictions(*ring, list, 5));
    CHECK_ERRNO(register_restrictions(*ring, list, 5), Errno::ebusy);
    nop(*ring);
    CHECK_ERRNO(ring->submit(), Errno::ebadfd);
    CHECK_OK(enable_ring(*ring));
    CHECK_EQ(complete(*ring).result, 0); // the one from before, which was not lost
    Sqe& sqe = need_sqe(*ring);
    prep::close(sqe, 9999);
    CHECK_ERRNO(complete(*ring).result, Errno::eacces);
    nop(*ring);
    Sqe& with_flag = need_sqe(*ring);
    prep::nop(with_flag);
    prep::async(with_flag);
    with_flag.user_data = 1;
    CHECK_EQ(CHECK_OK(ring->submit_and_wait(2)), 2);
    Cqe cqes[2];
    CHECK_EQ(ring->copy(cqes, 2), 2u);
    // 5.10 and 6.1 post a refusal at once, but what succeeded at the end of the submission.
    const u32 refused = cqes[0].user_data == 1 ? 0 : 1;
    CHECK(refused == 1 || !kernel_at_least(6, 12));
    CHECK_EQ(cqes[1 - refused].result, 0);
    CHECK_ERRNO(cqes[refused].result, Errno::eacces);
    abi::Probe probe;
    CHECK_OK(register_probe(*ring, probe));
    CHECK_ERRNO(register_files_sparse(*ring, 1), Errno::eacces);
    CHECK_ERRNO(register_personality(*ring), Errno::eacces);
}

TEST(register_restrictions_can_require_flags) {
    const NothingLeaks check;
    TestRing ring(8, abi::setup::r_disabled);
    constexpr abi::Restriction list[] = {allow(abi::Opcode::nop),
                                         require_flags(abi::sqe_flag::async)};
    CHECK_OK(register_restrictions(*ring, list, 2));
    CHECK_OK(enable_ring(*ring));
    nop(*ring);
    CHECK_ERRNO(complete(*ring).result, Errno::eacces);
    Sqe& sqe = need_sqe(*ring);
    prep::nop(sqe);
    prep::async(sqe);
    CHECK_EQ(complete(*ring).result, 0);
}

TEST(register_task_restrictions_hold_for_new_rings) {
    TaskRestrictionList<1> only_nop;
    only_nop.list[0] = allow(abi::Opcode::nop);
    if (!kernel_at_least(7, 0)) {
        const i32 unknown = register_task_restrictions(only_nop.head);
        CHECK(unknown == -Errno::einval || unknown == -Errno::ebadf); // of a ring that is none
        return;
    }
    const i32 status = in_child([&only_nop] {
        CHECK_OK(kernel::prctl(abi::prctl_option::set_no_new_privs, 1));
        CHECK_OK(register_task_restrictions(only_nop.head));
        CHECK_ERRNO(register_task_restrictions(only_nop.head), Errno::eperm);
        TestRing ring;
        nop(*ring);
        CHECK_EQ(complete(*ring).result, 0);
        prep::close(need_sqe(*ring), 9999);
        CHECK_ERRNO(complete(*ring).result, Errno::eacces);
    });
    CHECK_EQ(status, 0);
}

/// One instruction of classic BPF.
struct Instruction {
    u16 code;
    u8 jump_true;
    u8 jump_false;
    u32 value;
};

TEST(register_bpf_filter_refuses_entries) {
    constexpr u16 answer_constant = 0x06;
    const Instruction forbid[] = {{answer_constant, 0, 0, 0}};
    abi::BpfRegister filter = {};
    filter.command = abi::bpf_command_filter;
    filter.filter.opcode = static_cast<u32>(abi::Opcode::nop);
    filter.filter.filter_length = 1;
    filter.filter.filter = address_of(forbid);
    TestRing ring;
    if (!kernel_at_least(7, 0)) {
        CHECK_ERRNO(register_bpf_filter(*ring, filter), Errno::einval);
        CHECK_ERRNO(register_task_bpf_filter(filter), Errno::einval);
        return;
    }
    const i32 status = in_child([&filter] {
        CHECK_OK(kernel::prctl(abi::prctl_option::set_no_new_privs, 1));
        TestRing before;
        CHECK_OK(register_bpf_filter(*before, filter));
        nop(*before);
        CHECK_ERRNO(complete(*before).result, Errno::eacces);
        CHECK_OK(register_task_bpf_filter(filter));
        TestRing after;
        nop(*after);
        CHECK_ERRNO(complete(*after).result, Errno::eacces);
    });
    CHECK_EQ(status, 0);
}

TEST(register_enable_ring_makes_the_issuer) {
    SKIP_WITHOUT("single issuers");
    const NothingLeaks check;
    TestRing ring(8,
                  abi::setup::r_disabled | abi::setup::single_issuer | abi::setup::defer_taskrun);
    nop(*ring);
    CHECK_ERRNO(ring->submit(), Errno::ebadfd);
    CHECK_OK(enable_ring(*ring));
    CHECK_EQ(complete(*ring).result, 0);
    CHECK_ERRNO(enable_ring(*ring), Errno::ebadfd);
}

// ---- Worker threads -----------------------------------------------------------------------------

/// The worker threads of this process: every thread whose name begins with iou-wrk.
template <class Visitor>
void for_each_worker(Visitor visit) noexcept {
    const TestFd tasks(kernel::openat(abi::at_fdcwd, "/proc/self/task",
                                      abi::open_flag::directory | abi::open_flag::cloexec));
    alignas(8) char names[8192];
    const long bytes = CHECK_OK(kernel::getdents64(tasks, names, sizeof names));
    for (long at = 0; at < bytes;) {
        const auto* const entry = reinterpret_cast<const abi::DirectoryEntry*>(names + at);
        at += entry->record_bytes;
        i32 tid = 0;
        for (const char* digit = entry->name; *digit >= '0' && *digit <= '9'; ++digit) {
            tid = 10 * tid + (*digit - '0');
        }
        if (tid == 0) {
            continue; // the directory itself
        }
        char path[64] = {};
        usize length = 0;
        for (const char* part = entry->name; *part != '\0'; ++part) {
            path[length++] = *part;
        }
        __builtin_memcpy(path + length, "/comm", 6);
        const i32 fd = kernel::openat(tasks, path, abi::open_flag::cloexec);
        if (fd < 0) {
            continue; // it has ended
        }
        char name[16] = {};
        CHECK_OK(kernel::read(fd, name, sizeof name - 1));
        CHECK_OK(kernel::close(fd));
        if (__builtin_memcmp(name, "iou-wrk", 7) == 0) {
            visit(tid);
        }
    }
}

/// Begins to move a byte from one pipe to another, in a worker that waits for it.
void splice_later(Ring& ring, i32 from, i32 to, u64 user_data) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::splice(sqe, {.from_fd = from, .to_fd = to, .bytes = 1});
    sqe.user_data = user_data;
    CHECK_OK(ring.submit());
}

TEST(register_worker_cpus_bind_workers) {
    SKIP_WITHOUT("affinity of workers");
    const NothingLeaks check;
    TestRing ring;
    abi::CpuSet allowed = {};
    CHECK_OK(kernel::sched_getaffinity(0, sizeof allowed, &allowed));
    u32 last = 0;
    u32 count = 0;
    for (u32 cpu = 0; cpu < 1024; ++cpu) {
        if (allowed.has(cpu)) {
            last = cpu;
            ++count;
        }
    }
    abi::CpuSet only_last = {};
    only_last.add(last);
    CHECK_OK(register_worker_cpus(*ring, only_last));
    const TestPair from = TestPair::pipe();
    const TestPair to = TestPair::pipe();
    splice_later(*ring, from[0], to[1], 1);
    u32 workers = 0;
    const auto look = [&](i32 tid) {
        abi::CpuSet cpus = {};
        CHECK_OK(kernel::sched_getaffinity(tid, sizeof cpus, &cpus));
        CHECK(cpus.has(last));
        for (u32 cpu = 0; cpu < last; ++cpu) {
            CHECK(!cpus.has(cpu));
        }
        ++workers;
    };
    // The worker is made by submit, or by another worker a moment later.
    for (const u64 end = now_ns() + patience_ns; workers == 0 && now_ns() < end;) {
        for_each_worker(look);
        (void)kernel::sched_yield();
    }
    CHECK_GE(workers, 1u);
    from.write("x");
    CHECK_EQ(complete(*ring).result, 1);
    CHECK_OK(unregister_worker_cpus(*ring));
    if (count == 1) {
        note("only one processor: the affinity could not differ");
    }
}

TEST(register_worker_limits_are_kept) {
    SKIP_WITHOUT("limits of workers");
    const NothingLeaks check;
    TestRing ring;
    WorkerLimits limits = {.bound = 3, .unbound = 1};
    CHECK_OK(set_worker_limits(*ring, limits));
    CHECK_GT(limits.bound, 0u); // what the kernel had chosen
    CHECK_GT(limits.unbound, 0u);
    limits = {};
    CHECK_OK(set_worker_limits(*ring, limits)); // changes nothing
    CHECK_EQ(limits.bound, 3u);
    CHECK_EQ(limits.unbound, 1u);
    WorkerLimits impossible = {.bound = 0x80000000, .unbound = 0};
    CHECK_ERRNO(set_worker_limits(*ring, impossible), Errno::einval);
    // One worker can wait for one pipe. The second transfer has its data first, and yet must wait
    // until the worker is done with the first.
    const TestPair first = TestPair::pipe();
    const TestPair second = TestPair::pipe();
    const TestPair to = TestPair::pipe();
    splice_later(*ring, first[0], to[1], 1);
    splice_later(*ring, second[0], to[1], 2);
    second.write("b");
    first.write("a");
    CHECK_EQ(complete(*ring).user_data, 1u);
    CHECK_EQ(complete(*ring).user_data, 2u);
    char order[2] = {};
    CHECK_EQ(CHECK_OK(kernel::read(to[0], order, 2)), 2);
    CHECK_BYTES(order, "ab", 2);
}

// ---- Busy polling -------------------------------------------------------------------------------

TEST(register_napi_answers_what_was_set) {
    SKIP_WITHOUT("busy polling");
    const NothingLeaks check;
    TestRing ring;
    abi::Napi napi = {};
    napi.busy_poll_usec = 50;
    napi.prefer_busy_poll = 1;
    const i32 result = register_napi(*ring, napi);
    if (result == -Errno::eopnotsupp) {
        SKIP("a kernel without CONFIG_NET_RX_BUSY_POLL");
    }
    CHECK_OK(result);
    CHECK_EQ(napi.busy_poll_usec, 0u);
    abi::Napi former = {};
    CHECK_OK(unregister_napi(*ring, &former));
    CHECK_EQ(former.busy_poll_usec, 50u);
    CHECK_EQ(former.prefer_busy_poll, 1);
    CHECK_OK(unregister_napi(*ring));
    abi::Napi wrong = {};
    wrong.reserved = 1;
    CHECK_ERRNO(register_napi(*ring, wrong), Errno::einval);
}

// ---- Without an entry ---------------------------------------------------------------------------

void poll_pipe(Ring& ring, i32 fd, u64 user_data) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::poll_add(sqe, fd, abi::poll_event::in);
    sqe.user_data = user_data;
    CHECK_OK(ring.submit());
}

TEST(register_cancel_now_ends_a_poll) {
    SKIP_WITHOUT("cancels without an entry");
    const NothingLeaks check;
    TestRing ring;
    const TestPair pipe = TestPair::pipe();
    CHECK_ERRNO(cancel_now(*ring, {.user_data = 1}), Errno::enoent);
    poll_pipe(*ring, pipe[0], 1);
    CHECK_OK(cancel_now(*ring, {.user_data = 1}));
    Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.user_data, 1u);
    CHECK_ERRNO(cqe.result, Errno::ecanceled);
    // By descriptor, all of them.
    poll_pipe(*ring, pipe[0], 2);
    poll_pipe(*ring, pipe[0], 3);
    poll_pipe(*ring, pipe[1], 4); // which is writable, but not readable
    const i32 found =
        cancel_now(*ring, {.fd = pipe[0], .flags = abi::cancel_flag::fd | abi::cancel_flag::all});
    CHECK_EQ(CHECK_OK(found), 2);
    CHECK_EQ(complete(*ring).user_data + complete(*ring).user_data, 5u);
    CHECK_ERRNO(cancel_now(*ring, {.fd = 9999, .flags = abi::cancel_flag::fd}), Errno::ebadf);
    CHECK_OK(cancel_now(*ring, {.flags = abi::cancel_flag::any}));
    CHECK_EQ(complete(*ring).user_data, 4u);
    CHECK(ring->peek() == nullptr);
}

TEST(register_cancel_now_waits_for_a_worker) {
    SKIP_WITHOUT("cancels without an entry");
    const NothingLeaks check;
    TestRing ring;
    const TestPair from = TestPair::pipe();
    const TestPair to = TestPair::pipe();
    for (u32 attempt = 0; attempt < 60; ++attempt) {
        splice_later(*ring, from[0], to[1], 9);
        // It may be running in a worker, which the cancel interrupts and waits for.
        const i32 result = cancel_now(*ring, {.user_data = 9, .timeout_ns = patience_ns});
        const Cqe cqe = complete(*ring);
        CHECK_EQ(cqe.user_data, 9u);
        // A splice that was interrupted shows the kernel's own ERESTARTSYS (fs/splice.c).
        constexpr i32 restart = -512;
        const bool interrupted = cqe.result == -Errno::eintr || cqe.result == restart;
        if (result == -Errno::enoent) {
            CHECK(interrupted); // before, by what the ring asked of the new worker meanwhile
            continue;
        }
        CHECK_OK(result);
        CHECK(interrupted || cqe.result == -Errno::ecanceled);
        return;
    }
    FAIL("every splice ended before its cancel");
}

TEST(register_cancel_now_by_operation) {
    SKIP_WITHOUT("cancels by operation");
    const NothingLeaks check;
    TestRing ring;
    const TestPair pipe = TestPair::pipe();
    poll_pipe(*ring, pipe[0], 1);
    const u32 by_operation = abi::cancel_flag::op;
    CHECK_ERRNO(cancel_now(*ring, {.flags = by_operation, .opcode = abi::Opcode::read}),
                Errno::enoent);
    CHECK_OK(cancel_now(*ring, {.flags = by_operation, .opcode = abi::Opcode::poll_add}));
    CHECK_EQ(complete(*ring).user_data, 1u);
}

TEST(register_send_ring_message_posts_without_a_ring) {
    const NothingLeaks check;
    TestRing ring;
    const prep::RingMessage message = {.user_data = 0x1122334455667788, .result = -7};
    if (!kernel_at_least(6, 13)) {
        CHECK_ERRNO(send_ring_message(ring->fd(), message), Errno::einval);
        return;
    }
    CHECK_OK(send_ring_message(ring->fd(), message));
    Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.user_data, message.user_data);
    CHECK_EQ(cqe.result, -7);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_OK(send_ring_message(ring->fd(), message, 5u << abi::cqe_buffer_shift));
    cqe = complete(*ring);
    CHECK_EQ(cqe.buffer_id(), 5);
    const TestFd file(file_of(""));
    CHECK_ERRNO(send_ring_message(file, message), Errno::ebadfd);
    CHECK_ERRNO(send_ring_message(9999, message), Errno::ebadf);
    TestRing disabled(8, abi::setup::r_disabled);
    CHECK_ERRNO(send_ring_message(disabled->fd(), message), Errno::ebadfd);
    // From a ring to itself, with task work.
    TestRing deferred(8, abi::setup::single_issuer | abi::setup::defer_taskrun);
    CHECK_OK(send_ring_message(deferred->fd(), message));
    CHECK_EQ(complete(*deferred).user_data, message.user_data);
}

// ---- Zero-copy receive --------------------------------------------------------------------------

TEST(register_zcrx_is_refused_without_a_card) {
    const NothingLeaks check;
    TestRing plain;
    abi::ZcrxIfqRegister request = {};
    CHECK_ERRNO(register_zcrx_queue(*plain, request), Errno::einval);
    SKIP_WITHOUT("rings with deferred work");
    TestRing ring(8, abi::setup::single_issuer | abi::setup::defer_taskrun | abi::setup::cqe32);
    // The loopback is a network interface, but not one with queues to give away.
    abi::RegionDescriptor region = {};
    abi::ZcrxAreaRegister area = {};
    request.interface_index = 1;
    request.rq_entries = 16;
    request.area = address_of(&area);
    request.region = address_of(&region);
    const i32 result = register_zcrx_queue(*ring, request);
    CHECK(result == -Errno::einval || result == -Errno::eopnotsupp || result == -Errno::eperm ||
          result == -Errno::efault || result == -Errno::enodev);
    abi::ZcrxControl control = {};
    control.op = static_cast<u32>(abi::ZcrxControlOp::flush_rq);
    const i32 controlled = zcrx_control(*ring, control);
    if (kernel_at_least(6, 19)) {
        // -EOPNOTSUPP: built without it.
        CHECK(controlled == -Errno::enxio || controlled == -Errno::eopnotsupp);
    } else {
        CHECK_ERRNO(controlled, Errno::einval);
    }
}

} // namespace
} // namespace oxbow::test
