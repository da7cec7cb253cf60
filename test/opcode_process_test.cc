// The operations that wait for processes and threads, made for real: waitid and the futexes.
#include "live_ring.h"

#include "../syscall/atomic.h"

namespace oxbow::test {
namespace {

/// Submits the cancel of the one operation in flight, whose user data is `target`. For what does
/// not wait through poll, the kernel answers how many it cancelled (io_uring/cancel.c).
void cancel_only(Ring& ring, u64 target) noexcept {
    queue(ring, target + 1, [&](Sqe& s) { prep::async_cancel(s, target); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        if (cqe.user_data == target) {
            CHECK_ERRNO(cqe.result, Errno::ecanceled);
        } else {
            CHECK(cqe.result == 0 || cqe.result == 1);
        }
    }
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::async_cancel(s, target); }), Errno::enoent);
}

// ---- Children -----------------------------------------------------------------------------------

/// A child that ends with `status` as soon as the pipe's other end is closed.
[[nodiscard]] i32 fork_waiting_child(Pipe& pipe, i32 status) noexcept {
    const i32 pid = CHECK_OK(kernel::fork());
    if (pid == 0) {
        pipe.writer.close();
        char byte;
        (void)kernel::read(pipe.reader, &byte, 1);
        kernel::exit_group(status);
    }
    return pid;
}

OPERATION_TEST(op_waitid) {
    SKIP_WITHOUT("waitid in a ring");
    Pipe pipe = make_pipe();
    const i32 pid = fork_waiting_child(pipe, 7);
    abi::SignalInfo info = {};
    const prep::WaitId wait = {
        .kind = abi::wait_for::pid, .id = pid, .options = abi::wait_option::exited, .info = &info};
    prep::WaitId look = wait;
    look.options |= abi::wait_option::nohang;
    info.signal = 1;
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::waitid(s, look); }), 0);
    CHECK_EQ(info.signal, 0); // nothing to tell yet
    queue(ring, 1, [&](Sqe& s) { prep::waitid(s, wait); });
    submit_all(ring, 1);
    CHECK(is_quiet(ring));
    pipe.writer.close();
    CHECK_EQ(next_of(ring, 1).result, 0);
    CHECK_EQ(info.signal, abi::signal::chld);
    CHECK_EQ(info.code, abi::signal_code::child_exited);
    CHECK_EQ(info.child.pid, pid);
    CHECK_EQ(info.child.status, 7);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::waitid(s, wait); }), Errno::echild);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::waitid(s, {.kind = 99}); }), Errno::einval);
}

OPERATION_TEST(op_waitid_by_pidfd_and_cancel) {
    SKIP_WITHOUT("waitid in a ring");
    Pipe pipe = make_pipe();
    const i32 pid = fork_waiting_child(pipe, 3);
    const Fd pidfd(CHECK_OK(kernel::pidfd_open(pid, 0)));
    abi::SignalInfo info = {};
    const prep::WaitId wait = {.kind = abi::wait_for::pidfd,
                               .id = pidfd,
                               .options = abi::wait_option::exited,
                               .info = &info};
    queue(ring, 0, [&](Sqe& s) { prep::waitid(s, wait); });
    submit_all(ring, 1);
    cancel_only(ring, 0);
    pipe.writer.close();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::waitid(s, wait); }), 0);
    CHECK_EQ(info.child.status, 3);
}

// ---- Futexes ------------------------------------------------------------------------------------

OPERATION_TEST(op_futex_wait_and_wake) {
    SKIP_WITHOUT("futexes in a ring");
    u32 word = 5;
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::futex_wait(s, &word, {.value = 4}); }),
                Errno::eagain);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::futex_wake(s, &word); }), 0); // nobody waits
    for (u64 i = 1; i <= 3; ++i) {
        queue(ring, i, [&](Sqe& s) { prep::futex_wait(s, &word, {.value = 5}); });
    }
    submit_all(ring, 3);
    CHECK(is_quiet(ring));
    queue(ring, 0, [&](Sqe& s) { prep::futex_wake(s, &word, {.count = 2}); });
    u32 woken = 0;
    for (u32 i = 0; i < 3; ++i) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, cqe.user_data == 0 ? 2 : 0);
        woken += cqe.user_data != 0 ? 1 : 0;
    }
    CHECK_EQ(woken, 2u);
    CHECK(is_quiet(ring));
    CHECK_EQ(kernel::futex_wake(&word, 9), 1); // a plain wake reaches the ring's waiter
    CHECK_EQ(next(ring).result, 0);
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::futex_wait(s, &word, {.value = 5, .mask = 0}); }),
        Errno::einval);
    u32* const crooked = reinterpret_cast<u32*>(reinterpret_cast<char*>(&word) + 1);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::futex_wait(s, crooked, {.value = 5}); }),
                Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::futex_wake(s, crooked); }), Errno::einval);
}

OPERATION_TEST(op_futex_masks) {
    SKIP_WITHOUT("futexes in a ring");
    u32 word = 0;
    queue(ring, 1, [&](Sqe& s) { prep::futex_wait(s, &word, {.mask = 1}); });
    queue(ring, 2, [&](Sqe& s) { prep::futex_wait(s, &word, {.mask = 2}); });
    submit_all(ring, 2);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::futex_wake(s, &word, {.count = 9, .mask = 4}); }),
             0);
    queue(ring, 0, [&](Sqe& s) { prep::futex_wake(s, &word, {.count = 9, .mask = 6}); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        CHECK_NE(cqe.user_data, 1u);
        CHECK_EQ(cqe.result, cqe.user_data == 0 ? 1 : 0);
    }
    CHECK(is_quiet(ring));
    cancel_only(ring, 1);
}

[[nodiscard]] abi::FutexWaiter waiter_for(const u32& word, u64 value) noexcept {
    return {.value = value,
            .address = address_of(&word),
            .flags = abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag,
            .reserved = 0};
}

OPERATION_TEST(op_futex_waitv) {
    SKIP_WITHOUT("futexes in a ring");
    u32 words[3] = {10, 11, 12};
    abi::FutexWaiter waiters[3];
    for (u32 i = 0; i < 3; ++i) {
        waiters[i] = waiter_for(words[i], 10 + i);
    }
    queue(ring, 1, [&](Sqe& s) { prep::futex_waitv(s, waiters, 3); });
    submit_all(ring, 1);
    CHECK(is_quiet(ring));
    queue(ring, 0, [&](Sqe& s) { prep::futex_wake(s, &words[2]); });
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, cqe.user_data == 0 ? 1 : 2); // one woken; the third of the words
    }
    words[1] = 99;
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::futex_waitv(s, waiters, 3); }), Errno::eagain);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::futex_waitv(s, waiters, 0); }), Errno::einval);
    CHECK_ERRNO(
        run_result(ring, [&](Sqe& s) { prep::futex_waitv(s, waiters, abi::futex_waitv_max + 1); }),
        Errno::einval);
    words[1] = 11;
    queue(ring, 1, [&](Sqe& s) { prep::futex_waitv(s, waiters, 3); });
    submit_all(ring, 1);
    cancel_only(ring, 1);
}

constinit u32 shared_word = 0;

void wait_on_shared_word(void*) noexcept {
    while (load_acquire(&shared_word) == 0) {
        const i32 result = kernel::futex_wait(&shared_word, 0);
        CHECK(result == 0 || result == -Errno::eagain || result == -Errno::eintr);
    }
}

OPERATION_TEST(op_futex_wake_wakes_a_thread) {
    SKIP_WITHOUT("futexes in a ring");
    Thread thread(wait_on_shared_word, nullptr);
    store_release(&shared_word, 1u);
    // It either sees the word or sleeps and is woken: with neither, the join would never end.
    const i32 woken = run_result(ring, [](Sqe& s) { prep::futex_wake(s, &shared_word); });
    CHECK(woken == 0 || woken == 1);
    thread.join();
}

} // namespace
} // namespace oxbow::test
