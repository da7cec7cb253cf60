// The loop's operations that wait for processes and for words in memory, and sends without a copy,
// on every engine alike.
#include "loop_op_help.h"

#include "../syscall/atomic.h"

namespace oxbow::test {
namespace {

namespace option = abi::wait_option;

/// A child that ends with `status` when `pipe`'s writing end is closed, or is killed.
struct Child {
    Pipe pipe = make_pipe();
    i32 pid;

    explicit Child(i32 status) noexcept : pid(fork_child()) {
        if (pid == 0) {
            pipe.writer.close();
            char byte;
            (void)kernel::read(pipe.reader, &byte, 1);
            kernel::exit_group(status);
        }
    }
    void end() noexcept { pipe.writer.close(); }
};

void check_child(const abi::SignalInfo& info, i32 pid, i32 code, i32 status) noexcept {
    CHECK_EQ(info.signal, abi::signal::chld);
    CHECK_EQ(info.child.pid, pid);
    CHECK_EQ(info.code, code);
    CHECK_EQ(info.child.status, status);
}

LOOP_TEST(loop_op_waitid_exit) {
    Child child(7);
    abi::SignalInfo info = {};
    Logged waits;
    submit_waiting(loop, waits, op::waitid(abi::wait_for::pid, child.pid, &info, option::exited));
    child.end();
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 0);
    check_child(info, child.pid, abi::signal_code::child_exited, 7);
    const Operation again = op::waitid(abi::wait_for::pid, child.pid, nullptr, option::exited);
    CHECK_ERRNO(perform_on(loop, again).value, Errno::echild);
}

LOOP_TEST(loop_op_waitid_killed_and_without_info) {
    Child killed(0);
    abi::SignalInfo info = {};
    CHECK_OK(kernel::kill(killed.pid, abi::signal::kill));
    CHECK_EQ(
        perform_on(loop, op::waitid(abi::wait_for::pid, killed.pid, &info, option::exited)).value,
        0);
    check_child(info, killed.pid, abi::signal_code::child_killed, abi::signal::kill);
    Child other(1);
    Logged waits;
    submit_waiting(loop, waits, op::waitid(abi::wait_for::pid, other.pid, nullptr, option::exited));
    other.end();
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 0);
}

LOOP_TEST(loop_op_waitid_any_and_group) {
    Child first(3);
    abi::SignalInfo info = {};
    Logged waits;
    submit_waiting(loop, waits, op::waitid(abi::wait_for::all, 0, &info, option::exited));
    first.end();
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 0);
    check_child(info, first.pid, abi::signal_code::child_exited, 3);
    Child second(4);
    CHECK_OK(kernel::setpgid(second.pid, 0));
    info = {};
    Logged of_group;
    submit_waiting(loop, of_group,
                   op::waitid(abi::wait_for::process_group, second.pid, &info, option::exited));
    second.end();
    run_until_ended(loop, of_group);
    CHECK_EQ(of_group.last.value, 0);
    check_child(info, second.pid, abi::signal_code::child_exited, 4);
}

LOOP_TEST(loop_op_waitid_pidfd) {
    Child child(5);
    const Fd pidfd(CHECK_OK(kernel::pidfd_open(child.pid, 0)));
    abi::SignalInfo info = {};
    Logged waits;
    submit_waiting(loop, waits, op::waitid(abi::wait_for::pidfd, pidfd, &info, option::exited));
    child.end();
    run_until_ended(loop, waits);
    CHECK_EQ(waits.last.value, 0);
    check_child(info, child.pid, abi::signal_code::child_exited, 5);
}

LOOP_TEST(loop_op_waitid_stopped_and_continued) {
    Child child(6);
    abi::SignalInfo info = {};
    Logged stops;
    submit_waiting(loop, stops, op::waitid(abi::wait_for::pid, child.pid, &info, option::stopped));
    CHECK_OK(kernel::kill(child.pid, abi::signal::stop));
    run_until_ended(loop, stops);
    CHECK_EQ(stops.last.value, 0);
    check_child(info, child.pid, abi::signal_code::child_stopped, abi::signal::stop);
    info = {};
    Logged goes_on;
    submit_waiting(
        loop, goes_on,
        op::waitid(abi::wait_for::pid, child.pid, &info, option::continued | option::exited));
    CHECK_OK(kernel::kill(child.pid, abi::signal::cont));
    run_until_ended(loop, goes_on);
    CHECK_EQ(goes_on.last.value, 0);
    check_child(info, child.pid, abi::signal_code::child_continued, abi::signal::cont);
    child.end();
    CHECK_EQ(
        perform_on(loop, op::waitid(abi::wait_for::pid, child.pid, &info, option::exited)).value,
        0);
}

LOOP_TEST(loop_op_waitid_options) {
    Child child(2);
    abi::SignalInfo info = {};
    info.child.pid = 77;
    // Only a look: nothing yet.
    const auto wait = [&](i32 options) noexcept {
        return perform_on(loop, op::waitid(abi::wait_for::pid, child.pid, &info, options)).value;
    };
    CHECK_EQ(wait(option::exited | option::nohang), 0);
    CHECK_EQ(info.child.pid, 0);
    child.end();
    CHECK_EQ(wait(option::exited | option::nowait), 0); // left to be waited for again
    check_child(info, child.pid, abi::signal_code::child_exited, 2);
    CHECK_EQ(wait(option::exited | option::nohang), 0);
    check_child(info, child.pid, abi::signal_code::child_exited, 2);
    CHECK_ERRNO(wait(option::exited), Errno::echild);
    CHECK_ERRNO(wait(0), Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::waitid(99, 1, &info, option::exited)).value, Errno::einval);
    CHECK_ERRNO(
        perform_on(loop, op::waitid(abi::wait_for::pidfd, closed_fd(), &info, option::exited))
            .value,
        Errno::ebadf);
    CHECK_ERRNO(perform_on(loop, op::waitid(abi::wait_for::all, 0, &info, option::exited)).value,
                Errno::echild);
}

/// Several children, each waited for by its own operation, end in the reverse order.
LOOP_TEST(loop_op_waitid_many) {
    constexpr u32 count = 6;
    struct Waited {
        Child child{9};
        abi::SignalInfo info = {};
        Logged waits;
    };
    Waited all[count];
    for (Waited& one : all) {
        submit(loop, one.waits,
               op::waitid(abi::wait_for::pid, one.child.pid, &one.info, option::exited));
    }
    run_a_little(loop);
    // A child has copies of the writing ends of those before it, so the last must end first.
    for (u32 i = count; i-- != 0;) {
        CHECK_EQ(all[i].waits.count, 0u);
        all[i].child.end();
        run_until_ended(loop, all[i].waits);
        check_child(all[i].info, all[i].child.pid, abi::signal_code::child_exited, 9);
    }
}

// ---- Futexes
// ---------------------------------------------------------------------------------------

LOOP_TEST(loop_op_futex_wait_and_wake) {
    if (is_emulated()) {
        SKIP("qemu-user: no futex_waitv, and without it a wake that changes nothing can be missed");
    }
    static constinit u32 word = 5;
    CHECK_ERRNO(perform_on(loop, op::futex_wait(&word, 4)).value, Errno::eagain);
    CHECK_EQ(perform_on(loop, op::futex_wake(&word, 10)).value, 0);
    for (u32 shared = 0; shared < 2; ++shared) {
        Logged waits;
        submit_waiting(loop, waits, op::futex_wait(&word, 5, shared != 0));
        // It may take a while before a worker sleeps; until then there is nobody to be woken.
        const u64 limit_ns = now_ns() + patience_ns;
        while (perform_on(loop, op::futex_wake(&word, 10, shared != 0)).value == 0) {
            CHECK_LT(now_ns(), limit_ns);
        }
        run_until_ended(loop, waits);
        CHECK_EQ(waits.last.value, 0);
    }
    u32* const crooked = reinterpret_cast<u32*>(reinterpret_cast<u8*>(&word) + 1);
    CHECK_ERRNO(perform_on(loop, op::futex_wait(crooked, 5)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::futex_wake(crooked, 1)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::futex_wait(nullptr, 5)).value, Errno::efault);
}

constinit u32 shared_word = 0;

constinit u32 was_woken = 0; ///< and the other thread need not go on

void change_and_wake(void*) noexcept {
    store_release(&shared_word, u32{1});
    const u64 limit_ns = now_ns() + patience_ns;
    // A thread that waits for the loop may have seen the new value before it slept on the word.
    while (kernel::futex_wake(&shared_word, 10) == 0 && load_acquire(&was_woken) == 0 &&
           now_ns() < limit_ns) {
        (void)kernel::sched_yield();
    }
}

LOOP_TEST(loop_op_futex_woken_by_a_thread) {
    store_release(&shared_word, u32{0});
    store_release(&was_woken, u32{0});
    Logged waits;
    submit_waiting(loop, waits, op::futex_wait(&shared_word, 0));
    Thread thread(change_and_wake, nullptr);
    run_until_ended(loop, waits);
    // Woken, or too late to wait: both say that it is another value now.
    CHECK(waits.last.value == 0 || waits.last.is(Errno::eagain));
    CHECK_EQ(load_acquire(&shared_word), 1u);
    CHECK_ERRNO(perform_on(loop, op::futex_wait(&shared_word, 0)).value, Errno::eagain);
    if (waits.last.value != 0) {
        // Nobody waited: the other thread goes on until somebody does.
        Logged again;
        submit(loop, again, op::futex_wait(&shared_word, 1));
        run_until_ended(loop, again);
    }
    store_release(&was_woken, u32{1});
}

LOOP_TEST(loop_op_futex_waitv) {
    if (is_emulated()) {
        SKIP("qemu-user: no futex_waitv, and without it a wake that changes nothing can be missed");
    }
    SKIP_WITHOUT("futex_waitv");
    static constinit u32 words[3] = {1, 2, 3};
    abi::FutexWaiter waiters[3] = {};
    for (u32 i = 0; i < 3; ++i) {
        waiters[i] = {words[i], reinterpret_cast<uptr>(&words[i]),
                      abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag, 0};
    }
    for (u32 which = 0; which < 3; ++which) {
        Logged waits;
        submit_waiting(loop, waits, op::futex_waitv(waiters, 3));
        const u64 limit_ns = now_ns() + patience_ns;
        while (perform_on(loop, op::futex_wake(&words[which], 1)).value == 0) {
            CHECK_LT(now_ns(), limit_ns);
        }
        run_until_ended(loop, waits);
        CHECK_EQ(waits.last.value, which);
    }
    waiters[1].value = 99;
    CHECK_ERRNO(perform_on(loop, op::futex_waitv(waiters, 3)).value, Errno::eagain);
    CHECK_ERRNO(perform_on(loop, op::futex_waitv(waiters, 0)).value, Errno::einval);
    CHECK_ERRNO(perform_on(loop, op::futex_waitv(waiters, 129)).value, Errno::einval);
    waiters[1] = {2, 0, abi::futex2_flag::size_u32, 1}; // a reserved field that is not 0
    CHECK_ERRNO(perform_on(loop, op::futex_waitv(waiters, 3)).value, Errno::einval);
}

LOOP_TEST(loop_op_futex_deadline_and_cancel) {
    static constinit u32 word = 8;
    const u64 begin_ns = now_ns();
    CHECK_ERRNO(perform_on(loop, with_timeout(op::futex_wait(&word, 8), 2 * ms)).value,
                Errno::etime);
    CHECK_GE(now_ns() - begin_ns, 2 * ms);
    Logged waits;
    submit_waiting(loop, waits, op::futex_wait(&word, 8));
    CHECK_EQ(perform_on(loop, op::cancel(waits.completion)).value, 0);
    run_until_ended(loop, waits);
    CHECK_ERRNO(waits.last.value, Errno::ecanceled);
}

// ---- Sends without a copy
// --------------------------------------------------------------------------

LOOP_TEST(loop_op_zero_copy_sends) {
    const NoSigpipe no_sigpipe;
    static u8 data[20'000];
    static u8 got[20'000];
    fill_pattern(data, sizeof(data));
    for (const i32 mode : fd_modes) {
        for (u32 kind = 0; kind < 2; ++kind) {
            SocketPair pair = kind == 0 ? make_tcp_pair() : make_socket_pair();
            set_mode(pair.near, mode);
            abi::IoVec pieces[] = {{data, 1000}, {data + 1000, 9000}};
            abi::MessageHeader message = {};
            message.vectors = pieces;
            message.vector_count = 2;
            const Result sent = perform_on(loop, op::send_zero_copy(pair.near, data, 10'000));
            CHECK_EQ(sent.value, 10'000);
            CHECK_EQ(perform_on(loop, op::recv_all(pair.far, got, 10'000)).value, 10'000);
            check_pattern(got, 10'000);
            CHECK_EQ(perform_on(loop, op::sendmsg_zero_copy(pair.near, &message)).value, 10'000);
            CHECK_EQ(perform_on(loop, op::recv_all(pair.far, got, 10'000)).value, 10'000);
            check_pattern(got, 10'000);
            CHECK_EQ(perform_on(loop, op::shutdown(pair.near, abi::shutdown_how::write)).value, 0);
            CHECK_ERRNO(perform_on(loop, op::send_zero_copy(pair.near, data, 1)).value,
                        Errno::epipe);
            CHECK_ERRNO(perform_on(loop, op::sendmsg_zero_copy(pair.near, &message)).value,
                        Errno::epipe);
            check_mode(pair.near, mode);
        }
    }
}

/// It waits for room as any other does.
LOOP_TEST(loop_op_zero_copy_send_waits) {
    static u8 data[10'000];
    static PatternReader reader;
    fill_pattern(data, sizeof(data));
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_tcp_pair();
        set_mode(pair.near, mode);
        // Little room on both sides, or the kernel takes megabytes.
        const i32 room = 4096;
        CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                    abi::socket_option::send_buffer, &room, sizeof(room)));
        CHECK_OK(kernel::setsockopt(pair.far, abi::socket_level::socket,
                                    abi::socket_option::receive_buffer, &room, sizeof(room)));
        u32 filled = 0;
        for (long count = 0; count >= 0;) {
            count = kernel::send(pair.near, data, sizeof(data), abi::msg_flag::dontwait);
            filled += count > 0 ? static_cast<u32>(count) : 0;
        }
        Logged sent;
        submit_waiting(loop, sent, op::send_zero_copy(pair.near, data, sizeof(data)));
        u32 left = filled;
        static u8 taken[1 << 16];
        run_until(loop, [&]() noexcept {
            const long count =
                kernel::recv(pair.far, taken, sizeof(taken) < left ? sizeof(taken) : left,
                             left != 0 ? abi::msg_flag::dontwait : 0);
            left -= count > 0 ? static_cast<u32>(count) : 0;
            return left == 0;
        });
        // It may end only when the other side has taken everything.
        reader.received = 0;
        reader.start(loop, pair.far);
        run_until_ended(loop, sent);
        CHECK_GT(sent.last.value, 0);
        run_until(loop, [&]() noexcept { return reader.received == sent.last.count(); });
        loop.cancel(reader.completion);
        run_until(loop, [&]() noexcept { return reader.completion.idle(); });
    }
}

LOOP_TEST(loop_op_zero_copy_udp) {
    const BoundSocket server = make_bound_socket(abi::socket_type::datagram);
    const BoundSocket client = make_bound_socket(abi::socket_type::datagram);
    CHECK_OK(connect_blocking(client.fd, &server.address, sizeof(server.address)));
    char got[8];
    CHECK_EQ(perform_on(loop, op::send_zero_copy(client.fd, "datagram", 8)).value, 8);
    CHECK_EQ(perform_on(loop, op::recv(server.fd, got, 8)).value, 8);
    CHECK_BYTES(got, "datagram", 8);
    const Memory much(70'000);
    CHECK_ERRNO(perform_on(loop, op::send_zero_copy(client.fd, much.data(), 70'000)).value,
                Errno::emsgsize);
}

} // namespace
} // namespace oxbow::test
