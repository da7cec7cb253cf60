// What users of such libraries suffer from (loaded machines, forks in the middle of everything,
// loops that come and go, transfers that are short at every possible place), on every engine.
#include "hook.h"
#include "loop_op_help.h"

namespace oxbow::test {
namespace {

/// Processes that use up the machine, as long as it lives.
class Hogs {
  public:
    static constexpr u32 count = 12;

    Hogs() noexcept {
        for (i32& pid : pids_) {
            pid = fork_child(); // ends with its parent, whatever happens to that
            if (pid == 0) {
                for (volatile u32 spun = 0;;) {
                    spun = spun + 1;
                }
            }
        }
    }
    ~Hogs() {
        for (const i32 pid : pids_) {
            CHECK_OK(kernel::kill(pid, abi::signal::kill));
        }
        for (const i32 pid : pids_) {
            CHECK_EQ(wait_child(pid), -abi::signal::kill);
        }
    }
    Hogs(const Hogs&) = delete;
    Hogs& operator=(const Hogs&) = delete;

  private:
    i32 pids_[count];
};

/// Sends into a socket that is full most of the time. None may be told that it is.
struct FullSender {
    static constexpr u32 total = 512 * 1024;

    Completion completion;
    Loop* loop = nullptr;
    i32 fd = -1;
    u32 sent = 0;
    u32 sends = 0;
    static constinit u8 data[total];

    void start() noexcept {
        loop->submit(completion, op::send(fd, data + sent, total - sent),
                     on<&FullSender::took>(*this));
    }

  private:
    void took(Result result) noexcept {
        CHECK_OK(result.value);
        CHECK_GT(result.value, 0);
        sent += result.count();
        ++sends;
        if (sent < total) {
            start();
        }
    }
};
constinit u8 FullSender::data[FullSender::total] = {};

LOOP_TEST(loop_pitfall_hogs_and_a_full_socket) {
    static PatternReader reader;
    fill_pattern(FullSender::data, FullSender::total);
    const Hogs hogs;
    for (const i32 mode : fd_modes) {
        SocketPair pair = make_pair_of(mode);
        const i32 room = 2048;
        CHECK_OK(kernel::setsockopt(pair.near, abi::socket_level::socket,
                                    abi::socket_option::send_buffer, &room, sizeof(room)));
        FullSender sender;
        sender.loop = &loop;
        sender.fd = pair.near;
        reader.received = 0;
        reader.start(loop, pair.far);
        sender.start();
        run_until(loop, [&]() noexcept {
            return sender.sent == FullSender::total && reader.received == FullSender::total;
        });
        CHECK_GT(sender.sends, FullSender::total / (16 * 1024)); // it was full, again and again
        pair.near.close();
        run_until(loop, [&]() noexcept { return reader.completion.idle(); });
    }
}

/// Children that are forked while transfers, timers and files are under way, and that run a loop of
/// their own, take nothing of the parent's and lose it nothing.
LOOP_TEST(loop_pitfall_fork_under_load) {
    constexpr u32 bytes = 400'000;
    static u8 data[bytes];
    static PatternReader reader;
    fill_pattern(data, bytes);
    SocketPair pair = make_socket_pair();
    const Fd file = make_file();
    Logged sent;
    Logged ticks;
    Logged saved;
    submit(loop, ticks, op::timer_every(ms / 4));
    submit(loop, sent, op::send_all(pair.near, data, bytes));
    submit(loop, saved, op::pwrite_all(file, data, bytes, 0));
    reader.received = 0;
    reader.start(loop, pair.far);
    for (u32 i = 0; i < 4; ++i) {
        CHECK_OK(loop.run(Run::once));
        const i32 status = in_child([&]() noexcept {
            Loop own;
            CHECK_OK(open_as(own, row));
            u8 got[4];
            const SocketPair others = make_socket_pair();
            Logged receives;
            submit(own, receives, op::recv_all(others.near, got, 4));
            write_text(others.far, "mine");
            run_until_ended(own, receives);
            CHECK_EQ(receives.last.value, 4);
            own.close();
            return 5;
        });
        CHECK_EQ(status, 5);
    }
    run_until_ended(loop, sent);
    CHECK_EQ(sent.last.value, bytes);
    run_until_ended(loop, saved);
    CHECK_EQ(saved.last.value, bytes);
    CHECK_EQ(size_of(file), bytes);
    pair.near.close();
    run_until(loop, [&]() noexcept { return reader.completion.idle(); });
    CHECK_EQ(reader.received, bytes);
    loop.cancel(ticks.completion);
    run_until_ended(loop, ticks);
}

/// Loops that come and go, each with something in flight to the last. Nothing is left of them, and
/// the kernel's accounts of locked memory do not run full.
VARIANT_TEST(loop_pitfall_many_loops_one_after_the_other, loop_configurations) {
    { const ConfiguredLoop first(row); } // skips where there is no such engine
    const Resources before = resources();
    for (u32 i = 0; i < 60; ++i) {
        const SocketPair pair = make_socket_pair();
        Logged receives;
        Logged waits;
        u8 byte = 0;
        {
            ConfiguredLoop loop(row);
            submit(*loop, receives, op::recv(pair.near, &byte, 1));
            submit(*loop, waits, op::timer(u64{3600} * 1000 * ms));
            CHECK_OK(loop->run(Run::no_wait));
            CHECK_EQ(loop->drain(now_ns() + patience_ns), 0u);
        }
        CHECK_ERRNO(receives.last.value, Errno::ecanceled);
        CHECK_ERRNO(waits.last.value, Errno::ecanceled);
    }
    CHECK_SAME_RESOURCES(before);
}

// ---- Short at every length ----------------------------------------------------------------------

constexpr u32 message_bytes = 23; // and so every length up to it

struct ShortTransfers {
    u8 out[message_bytes];
    u8 in[message_bytes] = {};
    abi::IoVec out_pieces[3];
    abi::IoVec in_pieces[3];
    abi::MessageHeader out_message = {};
    abi::MessageHeader in_message = {};

    ShortTransfers() noexcept {
        fill_pattern(out, message_bytes);
        const u32 cuts[] = {0, 5, 6, message_bytes};
        for (u32 i = 0; i < 3; ++i) {
            out_pieces[i] = {out + cuts[i], cuts[i + 1] - cuts[i]};
            in_pieces[i] = {in + cuts[i], cuts[i + 1] - cuts[i]};
        }
        out_message.vectors = out_pieces;
        in_message.vectors = in_pieces;
        out_message.vector_count = in_message.vector_count = 3;
    }

    void exchange(Loop& loop, const Operation& send, const Operation& receive) noexcept {
        __builtin_memset(in, 0, sizeof(in));
        Logged received;
        submit(loop, received, receive);
        CHECK_EQ(perform_on(loop, send).value, message_bytes);
        run_until_ended(loop, received);
        CHECK_EQ(received.last.value, message_bytes);
        check_pattern(in, message_bytes);
    }
};

/// The calls that the loop makes itself move no more than so much; where the ring makes them, that
/// is of no effect.
LOOP_TEST(loop_pitfall_calls_that_are_short_at_every_length) {
    ShortTransfers transfers;
    // Not plain writes: the loop wakes itself with one, of the 8 bytes that an eventfd takes.
    constexpr long calls[] = {number::preadv2,  number::pwritev2, number::sendto,
                              number::recvfrom, number::sendmsg,  number::recvmsg};
    constexpr u32 bytes = message_bytes;
    const Fd file = make_file();
    for (u32 limit = 1; limit <= message_bytes; ++limit) {
        const SocketPair pair = make_pair_of(limit % 2 != 0 ? 0 : abi::open_flag::nonblock);
        const Pipe pipe = make_pipe();
        for (const long call : calls) {
            inject({.number = call,
                    .nth = 1,
                    .kind = Fault::shorten,
                    .times = always,
                    .limit = limit});
        }
        transfers.exchange(loop, op::send_all(pair.near, transfers.out, bytes),
                           op::recv_all(pair.far, transfers.in, bytes));
        transfers.exchange(loop, op::sendmsg_all(pair.near, &transfers.out_message),
                           op::recvmsg_all(pair.far, &transfers.in_message));
        transfers.exchange(loop, op::write_all(pair.near, transfers.out, bytes),
                           op::read_all(pair.far, transfers.in, bytes));
        transfers.exchange(loop, op::write_all(pipe.writer, transfers.out, bytes),
                           op::read_all(pipe.reader, transfers.in, bytes));
        __builtin_memset(transfers.in, 0, bytes);
        CHECK_EQ(perform_on(loop, op::pwrite_all(file, transfers.out, bytes, limit)).value, bytes);
        CHECK_EQ(perform_on(loop, op::pread_all(file, transfers.in, bytes, limit)).value, bytes);
        check_pattern(transfers.in, bytes);
        clear_faults();
    }
}

/// The other side is what is slow: it sends and takes so much at a time.
LOOP_TEST(loop_pitfall_peers_that_are_short_at_every_length) {
    ShortTransfers transfers;
    const SocketPair pair = make_socket_pair();
    const Pipe pipe = make_pipe();
    const auto receive = [&](const Operation& operation, i32 from, u32 limit) noexcept {
        __builtin_memset(transfers.in, 0, message_bytes);
        Logged received;
        submit(loop, received, operation);
        for (u32 at = 0; at < message_bytes; at += limit) {
            CHECK_EQ(received.count, 0u);
            const u32 left = message_bytes - at;
            CHECK_GT(kernel::write(from, transfers.out + at, left < limit ? left : limit), 0);
            CHECK_OK(loop.run(Run::no_wait));
        }
        run_until_ended(loop, received);
        CHECK_EQ(received.last.value, message_bytes);
        check_pattern(transfers.in, message_bytes);
    };
    for (u32 limit = 1; limit <= message_bytes; ++limit) {
        receive(op::recv_all(pair.near, transfers.in, message_bytes), pair.far, limit);
        receive(op::recvmsg_all(pair.near, &transfers.in_message), pair.far, limit);
        receive(op::read_all(pair.near, transfers.in, message_bytes), pair.far, limit);
        receive(op::read_all(pipe.reader, transfers.in, message_bytes), pipe.writer, limit);
    }
}

} // namespace
} // namespace oxbow::test
