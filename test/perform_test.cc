// perform(): what belongs neither to sockets nor to files, and what it leaves to the loop.
#include "perform_help.h"

namespace oxbow::test {
namespace {

using abi::poll_event::hup;
using abi::poll_event::in;
using abi::poll_event::out;

TEST(perform_leaves_to_the_loop) {
    CHECK_EQ(try_now(op::nop()), 0);
    u32 word = 0;
    const Operation kinds[] = {op::timer(1), op::cancel_fd(0), op::cancel_all(),
                               op::futex_wait(&word, 0), op::futex_waitv(nullptr, 0)};
    for (const Operation& operation : kinds) {
        for (const Patience patience : every_patience) {
            CHECK_ERRNO(perform_with(patience, operation), Errno::einval);
        }
    }
    Completion unknown;
    unknown.kind = Kind::count;
    CHECK_ERRNO(perform(unknown, Patience::none), Errno::einval);
    unknown.kind = Kind::cancel;
    CHECK_ERRNO(perform(unknown, Patience::none), Errno::einval);
    unknown.kind = Kind::notification;
    CHECK_ERRNO(perform(unknown, Patience::none), Errno::einval);
    CHECK_EQ(calls_made_in_all(), 0u);
}

/// No kind is forgotten: with arguments of zeros each says something, and not that it is unknown.
TEST(perform_knows_every_kind) {
    if (is_emulated() && sizeof(long) == 4) {
        SKIP("qemu-arm 7.2 ends itself over one of these calls");
    }
    for (u32 i = 0; i < static_cast<u32>(Kind::count); ++i) {
        Completion completion;
        completion.kind = static_cast<Kind>(i);
        completion.fd = -1;
        const arguments::Splice splice = {-1, -1, 0, 0, 1, 0};
        const arguments::Attribute attribute = {};
        abi::MessageHeader message = {};
        abi::OpenHow how = {};
        switch (completion.kind) {
        case Kind::splice:
        case Kind::tee:
        case Kind::copy_file_range:
            completion.arguments.splice = {&splice};
            break;
        case Kind::getxattr:
        case Kind::setxattr:
            completion.arguments.path_attribute = {nullptr, &attribute};
            break;
        case Kind::openat2:
            completion.arguments.open2 = {nullptr, &how};
            break;
        case Kind::recvmsg_multishot:
            completion.arguments.managed = {nullptr, &message, 0};
            break;
        default:
            completion.arguments.range = {0, 0, 0};
            break;
        }
        u8 buffer[64];
        reset_calls();
        const i32 result = is_managed(completion.kind)
                               ? perform_into(completion, buffer, 64, Patience::none)
                               : perform(completion, Patience::none);
        if (result >= 0) { // socket 0 is not made, nop is done
            const bool has_no_pieces = completion.kind == Kind::recvmsg_multishot ||
                                       completion.kind == Kind::readv ||
                                       completion.kind == Kind::writev;
            CHECK(completion.kind == Kind::nop || completion.kind == Kind::futex_wake ||
                  completion.kind == Kind::madvise ||
                  (has_no_pieces && is_emulated())); // for which qemu makes no call
            continue;
        }
        const bool loops_own =
            (completion.kind >= Kind::timer && completion.kind <= Kind::cancel_all) ||
            completion.kind == Kind::futex_wait || completion.kind == Kind::futex_waitv;
        CHECK_EQ(calls_made_in_all() == 0 && result == -Errno::einval, loops_own);
    }
}

TEST(perform_close) {
    const NoLeaks no_leaks;
    for (const Patience patience : every_patience) {
        Pipe pipe = make_pipe();
        const i32 fd = pipe.reader.release();
        CHECK_EQ(perform_with(patience, op::close(fd)), 0);
        CHECK(!is_open(fd));
        CHECK_ERRNO(perform_with(patience, op::close(fd)), Errno::ebadf);
        // Interrupted it is closed as well, and must not be closed again.
        interrupt_call(number::close);
        CHECK_EQ(perform_with(patience, op::close(pipe.writer)), 0);
        CHECK_EQ(faults_hit(), 1u);
        clear_faults();
        fail_call(number::close, Errno::eio);
        CHECK_ERRNO(perform_with(patience, op::close(pipe.writer)), Errno::eio);
        clear_faults();
    }
}

void write_one(i32 fd) noexcept {
    CHECK_EQ(kernel::write(fd, "1", 1), 1);
}

TEST(perform_poll) {
    Pipe pipe = make_pipe();
    const Operation kinds[] = {op::poll(pipe.reader, in), op::poll_multishot(pipe.reader, in)};
    for (const Operation& operation : kinds) {
        CHECK_ERRNO(try_now(operation), Errno::eagain);
        CHECK_ERRNO(perform_with(Patience::ready, operation), Errno::eagain);
        interrupt_call(number::ppoll, 1, 2);
        interrupt_call(number::ppoll_time64, 1, 2);
        Later write(write_one, pipe.writer);
        CHECK_EQ(wait_for(operation), in);
        write.join();
        clear_faults();
        CHECK_EQ(try_now(operation), in);
        CHECK_READS(pipe.reader, "1");
    }
    CHECK_EQ(try_now(op::poll(pipe.writer, in | out)), out);
    pipe.writer.close();
    CHECK_EQ(try_now(op::poll(pipe.reader, in)), hup);
    const Fd file = make_file();
    CHECK_EQ(try_now(op::poll(file, in | out)), in | out);
    const SocketPair pair = make_socket_pair();
    CHECK_OK(kernel::shutdown(pair.far, abi::shutdown_how::write));
    CHECK_EQ(try_now(op::poll(pair.near, abi::poll_event::rdhup)), abi::poll_event::rdhup);
    CHECK_ERRNO(try_now(op::poll(-1, in)), Errno::ebadf);
    CHECK_ERRNO(wait_for(op::poll(-1, in)), Errno::ebadf);
    CHECK_ERRNO(wait_for(op::poll(9999, in)), Errno::ebadf);
}

/// A child that ends with 7 after somebody closes `gate`'s other end.
[[nodiscard]] i32 start_child(Pipe& gate) noexcept {
    gate = make_pipe();
    const i32 pid = CHECK_OK(kernel::fork());
    if (pid == 0) {
        gate.writer.close();
        char byte;
        (void)kernel::read(gate.reader, &byte, 1);
        kernel::exit_group(7);
    }
    return pid;
}

void check_child(bool with_info) noexcept {
    constexpr i32 exited = abi::wait_option::exited;
    Pipe gate;
    const i32 pid = start_child(gate);
    abi::SignalInfo info = {};
    abi::SignalInfo* const to = with_info ? &info : nullptr;
    const i32 by_pid = abi::wait_for::pid;
    CHECK_ERRNO(try_now(op::waitid(by_pid, pid, to, exited)), Errno::eagain);
    CHECK_ERRNO(perform_with(Patience::ready, op::waitid(by_pid, pid, to, exited)), Errno::eagain);
    // Who asks not to wait gets the kernel's answer, which is 0.
    const i32 asks = exited | abi::wait_option::nohang;
    for (const Patience patience : every_patience) {
        CHECK_EQ(perform_with(patience, op::waitid(by_pid, pid, to, asks)), 0);
        CHECK_EQ(info.child.pid, 0);
    }
    gate.writer.close();
    interrupt_call(number::waitid, 1, 2);
    const i32 stays = exited | abi::wait_option::nowait;
    CHECK_EQ(wait_for(op::waitid(by_pid, pid, to, stays)), 0);
    CHECK_EQ(faults_hit(), 2u);
    clear_faults();
    CHECK_EQ(try_now(op::waitid(by_pid, pid, to, stays)), 0);
    CHECK_EQ(try_now(op::waitid(by_pid, pid, to, exited)), 0);
    if (with_info) {
        CHECK_EQ(info.child.pid, pid);
        CHECK_EQ(info.child.status, 7);
        CHECK_EQ(info.code, abi::signal_code::child_exited);
    }
    for (const Patience patience : every_patience) {
        CHECK_ERRNO(perform_with(patience, op::waitid(by_pid, pid, to, exited)), Errno::echild);
        CHECK_ERRNO(perform_with(patience, op::waitid(by_pid, pid, to, 0)), Errno::einval);
    }
}

TEST(perform_waitid) {
    check_child(true);
    check_child(false);
}

TEST(perform_futex_wake) {
    u32 word = 0;
    CHECK_EQ(try_now(op::futex_wake(&word, 1)), 0);
    CHECK_EQ(try_now(op::futex_wake(&word, 1, true)), 0);
    struct Sleeper {
        u32 word;
        bool shared;
        static void run(void* self_) noexcept {
            const Sleeper& self = *static_cast<Sleeper*>(self_);
            const i32 woken = self.shared ? kernel::futex_wait_shared(&self.word, 0)
                                          : kernel::futex_wait(&self.word, 0);
            CHECK_EQ(woken, 0);
        }
    };
    for (u32 i = 0; i < 2; ++i) {
        Sleeper sleeper = {0, i != 0};
        Thread thread(Sleeper::run, &sleeper);
        i32 woken = 0;
        while (woken == 0) {
            woken = wait_for(op::futex_wake(&sleeper.word, 10, sleeper.shared));
            sleep_ms(1);
        }
        CHECK_EQ(woken, 1);
        thread.join();
    }
    CHECK_ERRNO(try_now(op::futex_wake(nullptr, 1, true)), Errno::efault);
}

} // namespace
} // namespace oxbow::test
