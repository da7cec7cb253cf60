// uring_cmd, made for real on what every machine has: commands of sockets, a block device where one
// can be made, and the refusals of everything else.
#include "live_ring.h"

#include "../syscall/time.h"

namespace oxbow::test {
namespace {

namespace level = abi::socket_level;
namespace option = abi::socket_option;
namespace type = abi::socket_type;

OPERATION_TEST(op_uring_cmd_refusals) {
    SKIP_WITHOUT("commands in a ring");
    const Fd file = make_file();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::uring_cmd(s, file, 1); }), Errno::eopnotsupp);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::uring_cmd(s, 9999, 1); }), Errno::ebadf);
    const SocketPair pair = make_tcp_pair();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::uring_cmd(s, pair.near, 9999); }),
                Errno::eopnotsupp);
}

/// In a ring whose entries have 128 bytes, all commands have.
TEST(op_uring_cmd_in_big_entries) {
    SKIP_WITHOUT("socket commands");
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 4, .flags = abi::setup::sqe128});
    const SocketPair pair = make_tcp_pair();
    write_text(pair.far, "12345");
    for (u32 round = 0; round < 9; ++round) { // twice around the queue
        CHECK_EQ(run_result(*ring, [&](Sqe& s) { prep::socket_bytes_readable(s, pair.near); }), 5);
    }
}

TEST(op_uring_cmd128) {
    need_rings();
    const NoLeaks no_leaks;
    Ring ring;
    const i32 result =
        ring.open({.entries = 8, .flags = abi::setup::sqe_mixed, .preferred_flags = 0});
    SKIP_IF_MISSING(result != -Errno::einval, "entries of two sizes");
    CHECK_OK(result);
    const SocketPair pair = make_tcp_pair();
    write_text(pair.far, "12345");
    for (u64 i = 0; i < 20; ++i) {
        Sqe* const sqe = ring.get_big_sqe();
        CHECK(sqe != nullptr);
        prep::uring_cmd128(*sqe, pair.near, static_cast<u32>(abi::SocketCommand::siocinq));
        sqe->user_data = i;
        CHECK_EQ(next_of(ring, i).result, 5);
    }
    ring.close();
}

// ---- Sockets ------------------------------------------------------------------------------------

OPERATION_TEST(op_socket_bytes_readable) {
    SKIP_WITHOUT("socket commands");
    const SocketPair pair = make_tcp_pair();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::socket_bytes_readable(s, pair.near); }), 0);
    write_text(pair.far, "1234567");
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::socket_bytes_readable(s, pair.near); }), 7);
    const BoundSocket listener = make_listener();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::socket_bytes_readable(s, listener.fd); }),
                Errno::einval);
    const SocketPair local = make_socket_pair();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::socket_bytes_readable(s, local.near); }),
                Errno::eopnotsupp);
}

OPERATION_TEST(op_socket_bytes_unsent) {
    SKIP_WITHOUT("socket commands");
    const SocketPair pair = make_tcp_pair();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::socket_bytes_unsent(s, pair.near); }), 0);
    // The other side reads nothing, so that at some point the rest stays here.
    static char data[1 << 20];
    long sent = 0;
    while (sent >= 0) {
        sent = kernel::send(pair.near, data, sizeof(data), abi::msg_flag::dontwait);
    }
    CHECK_ERRNO(sent, Errno::eagain);
    const i32 unsent = run_result(ring, [&](Sqe& s) { prep::socket_bytes_unsent(s, pair.near); });
    CHECK_GT(unsent, 0);
}

OPERATION_TEST(op_getsockopt_setsockopt) {
    SKIP_WITHOUT("options of sockets in a ring");
    const SocketPair pair = make_tcp_pair();
    i32 value = 1;
    CHECK_EQ(
        run_result(
            ring,
            [&](Sqe& s) {
                prep::setsockopt(s, pair.near, {level::tcp, abi::tcp_option::nodelay, &value, 4});
            }),
        0);
    i32 got = 0;
    u32 bytes = sizeof(got);
    CHECK_OK(kernel::getsockopt(pair.near, level::tcp, abi::tcp_option::nodelay, &got, &bytes));
    CHECK_EQ(got, 1);
    CHECK_EQ(run_result(
                 ring,
                 [&](Sqe& s) {
                     prep::setsockopt(s, pair.near, {level::socket, option::keepalive, &value, 4});
                 }),
             0);
    got = 0;
    CHECK_EQ(
        run_result(ring,
                   [&](Sqe& s) {
                       prep::getsockopt(s, pair.near, {level::socket, option::keepalive, &got, 4});
                   }),
        4); // the length, unlike getsockopt(2)
    CHECK_EQ(got, 1);
    CHECK_ERRNO(
        run_result(
            ring,
            [&](Sqe& s) {
                prep::getsockopt(s, pair.near, {level::tcp, abi::tcp_option::nodelay, &got, 4});
            }),
        Errno::eopnotsupp);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::getsockopt(s, pair.near, {level::socket, 9999, &got, 4});
                           }),
                Errno::enoprotoopt);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::setsockopt(s, pair.near, {level::socket, 9999, &value, 4});
                           }),
                Errno::enoprotoopt);
}

/// A UDP socket whose sent datagrams are stamped in software, each with a number.
void stamp_datagrams(i32 fd) noexcept {
    constexpr i32 transmit_software = 1 << 1; // include/uapi/linux/net_tstamp.h
    constexpr i32 report_software = 1 << 4;
    constexpr i32 with_number = 1 << 7;
    constexpr i32 without_data = 1 << 11;
    constexpr i32 flags = transmit_software | report_software | with_number | without_data;
    CHECK_OK(kernel::setsockopt(fd, level::socket, option::timestamping, &flags, sizeof(flags)));
}

OPERATION_TEST(op_socket_tx_timestamp) {
    SKIP_WITHOUT("timestamps of what was sent");
    const BoundSocket from = make_bound_socket(type::datagram);
    const BoundSocket to = make_bound_socket(type::datagram);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::socket_tx_timestamp(s, from.fd); }),
                Errno::einval); // small completions
    stamp_datagrams(from.fd);
    LiveRing big({.entries = 4, .flags = abi::setup::cqe32});
    abi::Timespec before = {};
    abi::Timespec after = {};
    CHECK_OK(kernel::clock_gettime(abi::clock::realtime, &before));
    queue(*big, 1, [&](Sqe& s) { prep::socket_tx_timestamp(s, from.fd); });
    submit_all(*big, 1);
    for (i32 number = 0; number < 2; ++number) {
        CHECK_EQ(kernel::sendto(from.fd, "x", 1, 0, &to.address, sizeof(to.address)), 1);
        const BigCqe cqe = next_big(*big);
        CHECK_OK(kernel::clock_gettime(abi::clock::realtime, &after));
        CHECK_EQ(cqe.cqe.user_data, 1u);
        CHECK(cqe.cqe.more());
        CHECK_EQ(cqe.cqe.result, number);
        CHECK_EQ(cqe.cqe.flags & abi::cqe_flag::tstamp_hw, 0u);
        CHECK_EQ(cqe.cqe.flags >> abi::timestamp_type_shift, 0u); // when it was sent
        const u64 stamp = cqe.extra[0] * ns_per_second + cqe.extra[1];
        CHECK_GE(stamp, nanoseconds_of(before));
        CHECK_LE(stamp, nanoseconds_of(after));
    }
}

OPERATION_TEST(op_getsockname) {
    SKIP_WITHOUT("commands in a ring");
    const SocketPair pair = make_tcp_pair();
    abi::SocketAddressIn own = {};
    abi::SocketAddressIn peer = {};
    u32 bytes = sizeof(own);
    const i32 result =
        run_result(ring, [&](Sqe& s) { prep::getsockname(s, pair.near, &own, &bytes); });
    SKIP_IF_MISSING(result != -Errno::eopnotsupp, "getsockname in a ring");
    CHECK_EQ(result, 0);
    CHECK_EQ(bytes, sizeof(own));
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::getsockname(s, pair.far, &peer, &bytes, prep::SocketEnd::peer);
                        }),
             0);
    CHECK_EQ(own.port, peer.port);
}

// ---- Block devices ------------------------------------------------------------------------------

/// struct loop_config of include/uapi/linux/loop.h, which only this test needs.
struct LoopConfig {
    u32 fd;
    u32 block_bytes;
    u64 unused[5];
    u32 more_unused[3];
    u32 flags;
    u8 rest[176 + 64];
};
static_assert(sizeof(LoopConfig) == 304);

/// A loop device over a file. It comes apart by itself when its descriptor is closed, however the
/// test ends.
[[nodiscard]] Fd make_loop_device(i32 backing_file) noexcept {
    constexpr u32 configure = 0x4c0a; // 5.8
    constexpr u32 get_free = 0x4c82;
    constexpr u32 autoclear = 4;
    if (kernel::geteuid() != 0) {
        SKIP("needs root, to make a loop device");
    }
    const i32 made = kernel::openat(abi::at_fdcwd, "/dev/loop-control",
                                    abi::open_flag::read_write | abi::open_flag::cloexec);
    if (made < 0) {
        SKIP("needs /dev/loop-control");
    }
    const Fd control(made);
    LoopConfig config = {};
    config.fd = static_cast<u32>(backing_file);
    config.flags = autoclear;
    for (u32 attempt = 0; attempt < 64; ++attempt) {
        const i32 number = kernel::ioctl(control, get_free);
        if (number < 0) {
            break;
        }
        Message path;
        path.add("/dev/loop").add_decimal(static_cast<u32>(number));
        Fd device(kernel::openat(abi::at_fdcwd, path.text(),
                                 abi::open_flag::read_write | abi::open_flag::cloexec));
        const i32 attached = device < 0 ? -1 : kernel::ioctl(device, configure, &config);
        if (attached == 0) {
            return device;
        }
        if (attached != -Errno::ebusy) { // else another process took it first
            break;
        }
    }
    SKIP("no loop device is to be had");
}

OPERATION_TEST(op_block_discard) {
    SKIP_WITHOUT("discards in a ring");
    const Fd file = make_file();
    constexpr u32 part = 65536;
    static char data[4 * part];
    __builtin_memset(data, 'x', sizeof(data));
    CHECK_EQ(kernel::pwrite(file, data, sizeof(data), 0), static_cast<long>(sizeof(data)));
    CHECK_OK(kernel::fsync(file));
    const Fd device = make_loop_device(file);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::block_discard(s, device, {part, 2 * part});
                        }),
             0);
    // The discarded part is a hole in the file now, and nothing else has gone.
    CHECK_EQ(kernel::lseek(file, 0, abi::seek_from::hole), i64{part});
    CHECK_EQ(kernel::lseek(file, part, abi::seek_from::data), i64{3 * part});
    char byte = 1;
    CHECK_EQ(kernel::pread(device, &byte, 1, 2 * part), 1);
    CHECK_EQ(byte, 0);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::block_discard(s, device, {1, 512});
                           }),
                Errno::einval); // not on a block boundary
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::block_discard(s, device, {u64{1} << 40, part});
                           }),
                Errno::einval); // beyond the end
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::uring_cmd(s, device, 0x12ff); }),
                Errno::einval);
}

OPERATION_TEST(op_block_discard_of_a_file) {
    SKIP_WITHOUT("commands in a ring");
    const Fd file = make_file();
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::block_discard(s, file, {0, 4096});
                           }),
                Errno::eopnotsupp);
}

} // namespace
} // namespace oxbow::test
