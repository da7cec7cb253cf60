// Every prep of the installed liburing beside ours: the entries must be the same, byte for byte.
// What that version lacks is left out; the test says how many it compared. Needs a C library and
// <liburing.h>, and is empty without.
#if __STDC_HOSTED__ && defined(__has_include)
#if __has_include(<liburing.h>)
#define OXBOW_HAVE_LIBURING 1
#endif
#endif

#if defined(OXBOW_HAVE_LIBURING)

// First: our headers must stand whatever macros the system's define.
#include <liburing.h>
#include <sys/wait.h>

#include "../uring/prep.h"
#include "prep_image.h"

using namespace oxbow;
using namespace oxbow::test;

namespace {

constexpr u32 address = 0x11223344;
constexpr u32 other_address = 0x21324354;
constexpr u32 third_address = 0x31425364;
constexpr u32 count = 0x51627384;
constexpr u64 offset = 0x0102030405060708;
constexpr u64 number = 0x1122334455667788;
constexpr u16 group = 0x21b2;

template <class T = void>
T* at(u32 where = address) noexcept {
    return pointer_of<T>(where);
}

/// A pointer to anything, as the type that the called function wants.
struct Pointer {
    u32 where;
    template <class T>
    operator T*() const noexcept {
        return pointer_of<T>(where);
    }
};
constexpr Pointer first = {address};
constexpr Pointer second = {other_address};
constexpr Pointer third = {third_address};

constexpr prep::SocketKind kind = {.family = 10, .type = 02000001, .protocol = 262};

u32 compared = 0;

template <class Theirs, class Ours>
void compare(Theirs theirs, Ours ours, const Site& site) noexcept {
    static_assert(sizeof(io_uring_sqe) == sizeof(abi::Sqe));
    io_uring_sqe expected;
    __builtin_memset(&expected, 0, sizeof expected);
    if (!theirs(&expected)) {
        note("not in this liburing:", site.text);
        return;
    }
    abi::Sqe actual = {};
    ours(actual);
    check_bytes(&actual, &expected, sizeof actual, site);
    ++compared;
}

} // namespace

// The name of liburing's function is looked up when the lambda is instantiated, through the type of
// `sqe`: one that does not exist makes the `requires` false, and is no error.
#define COMPARE(name, arguments, ...)                                                              \
    compare(                                                                                       \
        [](auto* sqe) noexcept {                                                                   \
            if constexpr (requires { io_uring_prep_##name arguments; }) {                          \
                io_uring_prep_##name arguments;                                                    \
                return true;                                                                       \
            } else {                                                                               \
                return false;                                                                      \
            }                                                                                      \
        },                                                                                         \
        [](abi::Sqe& sqe) noexcept { __VA_ARGS__; }, OXBOW_TEST_SITE(#name))

TEST(prep_equals_liburing_ring) {
    COMPARE(rw, (22, sqe, 33, first, count, offset),
            prep::any(sqe, {.opcode = abi::Opcode::read,
                            .fd = 33,
                            .address = first,
                            .length = count,
                            .offset = offset}));
    // liburing writes a descriptor of -1, which the kernel does not look at; we leave the zero.
    compare(
        [](auto* sqe) noexcept {
            io_uring_prep_nop(sqe);
            sqe->fd = 0;
            return true;
        },
        [](abi::Sqe& sqe) noexcept { prep::nop(sqe); }, OXBOW_TEST_SITE("nop"));
    COMPARE(nop128, (sqe), prep::nop128(sqe));
    COMPARE(msg_ring, (sqe, 33, count, number, 0),
            prep::msg_ring(sqe, 33, {.user_data = number, .result = static_cast<i32>(count)}));
    COMPARE(msg_ring_cqe_flags, (sqe, 33, count, number, 0, 0x77),
            prep::msg_ring_cqe_flags(
                sqe, 33, {.user_data = number, .result = static_cast<i32>(count)}, 0x77));
    COMPARE(
        msg_ring_fd, (sqe, 33, 5, 6, number, 0),
        prep::msg_ring_fd(sqe, 33, {.source = 5, .target = prep::slot(6), .user_data = number}));
    COMPARE(
        msg_ring_fd_alloc, (sqe, 33, 5, number, 1),
        prep::msg_ring_fd(sqe, 33, {.source = 5, .user_data = number, .without_completion = true}));
    COMPARE(files_update, (sqe, first, 9, 12),
            prep::files_update(sqe, {.fds = first, .count = 9, .first_slot = 12}));
    COMPARE(fixed_fd_install, (sqe, 33, 1), prep::fixed_fd_install(sqe, 33, prep::OnExec::keep));
    COMPARE(
        provide_buffers, (sqe, first, 4096, 7, group, 300),
        prep::provide_buffers(
            sqe,
            {.memory = first, .bytes_each = 4096, .count = 7, .group = group, .first_id = 300}));
    COMPARE(remove_buffers, (sqe, 7, group),
            prep::remove_buffers(sqe, {.count = 7, .group = group}));
    CHECK_GE(compared, 6u);
}

TEST(prep_equals_liburing_transfer) {
    COMPARE(read, (sqe, 33, first, count, offset), prep::read(sqe, 33, first, count, offset));
    COMPARE(write, (sqe, 33, first, count, offset), prep::write(sqe, 33, first, count, offset));
    COMPARE(readv, (sqe, 33, first, 4, offset), prep::readv(sqe, 33, first, 4, offset));
    COMPARE(writev, (sqe, 33, first, 4, offset), prep::writev(sqe, 33, first, 4, offset));
    COMPARE(readv2, (sqe, 33, first, 4, offset, 9),
            prep::readv(sqe, 33, first, 4, offset, {.flags = 9}));
    COMPARE(writev2, (sqe, 33, first, 4, offset, 9),
            prep::writev(sqe, 33, first, 4, offset, {.flags = 9}));
    COMPARE(read_fixed, (sqe, 33, first, count, offset, group),
            prep::read_fixed(sqe, 33, first, count, offset, group));
    COMPARE(write_fixed, (sqe, 33, first, count, offset, group),
            prep::write_fixed(sqe, 33, first, count, offset, group));
    COMPARE(readv_fixed, (sqe, 33, first, 4, offset, 9, group),
            prep::readv_fixed(sqe, 33, first, 4, offset, group, {.flags = 9}));
    COMPARE(writev_fixed, (sqe, 33, first, 4, offset, 9, group),
            prep::writev_fixed(sqe, 33, first, 4, offset, group, {.flags = 9}));
    COMPARE(read_multishot, (sqe, 33, 0, offset, group),
            prep::read_multishot(sqe, 33, group, offset));
    COMPARE(splice, (sqe, 5, 0x2122232425262728, 6, offset, count, 3),
            prep::splice(sqe, {.from_fd = 5,
                               .from_offset = 0x2122232425262728,
                               .to_fd = 6,
                               .to_offset = offset,
                               .bytes = count,
                               .flags = 3}));
    COMPARE(
        splice, (sqe, 5, -1, 6, -1, count, 0x80000003),
        prep::splice(
            sqe, {.from_fd = 5, .from_is_direct = true, .to_fd = 6, .bytes = count, .flags = 3}));
    COMPARE(
        tee, (sqe, 5, 6, count, 0x80000003),
        prep::tee(sqe,
                  {.from_fd = 5, .from_is_direct = true, .to_fd = 6, .bytes = count, .flags = 3}));
    COMPARE(pipe, (sqe, first, 04000), prep::pipe(sqe, first, 04000));
    COMPARE(pipe_direct, (sqe, first, 04000, 5),
            prep::pipe_direct(sqe, first, prep::slot(5), 04000));
    COMPARE(pipe_direct, (sqe, first, 0, 0xffffffffu),
            prep::pipe_direct(sqe, first, prep::allocate));
    CHECK_GE(compared, 11u);
}

TEST(prep_equals_liburing_file) {
    COMPARE(fsync, (sqe, 33, 1), prep::fdatasync(sqe, 33));
    COMPARE(sync_file_range, (sqe, 33, count, offset, 7),
            prep::sync_file_range(sqe, 33, {.offset = offset, .bytes = count, .flags = 7}));
    // The first versions take an off_t, of 32 bits on some machines.
    constexpr u64 from = sizeof(off_t) == 8 ? offset : 0x01020304;
    constexpr u64 length = sizeof(off_t) == 8 ? number : 0x11223344;
    COMPARE(fallocate, (sqe, 33, 3, from, length),
            prep::fallocate(sqe, 33, {.offset = from, .bytes = length}, 3));
    COMPARE(ftruncate, (sqe, 33, static_cast<loff_t>(offset)), prep::ftruncate(sqe, 33, offset));
    COMPARE(fadvise, (sqe, 33, offset, count, 4),
            prep::fadvise(sqe, 33, {.offset = offset, .bytes = count}, 4));
    COMPARE(madvise, (sqe, first, count, 8), prep::madvise(sqe, first, count, 8));
    if constexpr (sizeof(off_t) == 8) {
        COMPARE(fadvise64, (sqe, 33, offset, static_cast<off_t>(number), 4),
                prep::fadvise(sqe, 33, {.offset = offset, .bytes = number}, 4));
        COMPARE(madvise64, (sqe, first, static_cast<off_t>(number), 8),
                prep::madvise(sqe, first, number, 8));
    }
    CHECK_GE(compared, 5u);
}

TEST(prep_equals_liburing_path) {
    constexpr i32 flags = 0x241 | prep::detail::large_file;
    COMPARE(openat, (sqe, 33, first, flags, 0640),
            prep::openat(sqe, 33, first, {.flags = 0x241, .mode = 0640}));
    COMPARE(openat_direct, (sqe, 33, first, flags, 0640, 0),
            prep::openat_direct(sqe, 33, first, {.flags = 0x241, .mode = 0640}, prep::slot(0)));
#if defined(IO_URING_VERSION_MAJOR) // 2.3 and before turn "choose one" into "ordinary descriptor"
    COMPARE(openat_direct, (sqe, 33, first, flags, 0640, 0xffffffffu),
            prep::openat_direct(sqe, 33, first, {.flags = 0x241, .mode = 0640}, prep::allocate));
#endif
    COMPARE(open, (sqe, first, flags, 0640),
            prep::open(sqe, first, {.flags = 0x241, .mode = 0640}));
    COMPARE(open_direct, (sqe, first, flags, 0640, 5),
            prep::open_direct(sqe, first, {.flags = 0x241, .mode = 0640}, prep::slot(5)));
    COMPARE(openat2, (sqe, 33, first, second), prep::openat2(sqe, 33, first, second));
    COMPARE(openat2_direct, (sqe, 33, first, second, 5),
            prep::openat2_direct(sqe, 33, first, second, prep::slot(5)));
    COMPARE(close, (sqe, 33), prep::close(sqe, 33));
    COMPARE(close_direct, (sqe, 33), prep::close_direct(sqe, 33));
    COMPARE(statx, (sqe, 33, first, 0x1100, 0xfff, second),
            prep::statx(sqe, 33, first, {.flags = 0x1100, .mask = 0xfff}, second));
    COMPARE(renameat, (sqe, 33, first, 44, second, 1),
            prep::renameat(sqe, {.old_path = first,
                                 .new_path = second,
                                 .old_directory = 33,
                                 .new_directory = 44,
                                 .flags = 1}));
    COMPARE(rename, (sqe, first, second),
            prep::renameat(sqe, {.old_path = first, .new_path = second}));
    COMPARE(linkat, (sqe, 33, first, 44, second, 0x400),
            prep::linkat(sqe, {.old_path = first,
                               .new_path = second,
                               .old_directory = 33,
                               .new_directory = 44,
                               .flags = 0x400}));
    COMPARE(link, (sqe, first, second, 0x400),
            prep::linkat(sqe, {.old_path = first, .new_path = second, .flags = 0x400}));
    COMPARE(symlinkat, (sqe, first, 33, second),
            prep::symlinkat(sqe, {.target = first, .path = second, .directory = 33}));
    COMPARE(symlink, (sqe, first, second), prep::symlinkat(sqe, {.target = first, .path = second}));
    COMPARE(unlinkat, (sqe, 33, first, 0x200), prep::unlinkat(sqe, 33, first, 0x200));
    COMPARE(unlink, (sqe, first, 0), prep::unlink(sqe, first));
    COMPARE(mkdirat, (sqe, 33, first, 0750), prep::mkdirat(sqe, 33, first, 0750));
    COMPARE(mkdir, (sqe, first, 0750), prep::mkdir(sqe, first, 0750));
    COMPARE(getxattr, (sqe, first, second, third, 77),
            prep::getxattr(sqe, third, {.name = first, .value = second, .bytes = 77}));
    COMPARE(fgetxattr, (sqe, 33, first, second, 77),
            prep::fgetxattr(sqe, 33, {.name = first, .value = second, .bytes = 77}));
    COMPARE(setxattr, (sqe, first, second, third, 2, 77),
            prep::setxattr(sqe, third, {.name = first, .value = second, .bytes = 77, .flags = 2}));
    COMPARE(fsetxattr, (sqe, 33, first, second, 2, 77),
            prep::fsetxattr(sqe, 33, {.name = first, .value = second, .bytes = 77, .flags = 2}));
    CHECK_GE(compared, 21u);
}

TEST(prep_equals_liburing_connection) {
    COMPARE(socket, (sqe, 10, 02000001, 262, 0), prep::socket(sqe, kind));
    COMPARE(socket_direct, (sqe, 10, 02000001, 262, 5, 0),
            prep::socket_direct(sqe, kind, prep::slot(5)));
    COMPARE(socket_direct_alloc, (sqe, 10, 02000001, 262, 0), prep::socket_direct(sqe, kind));
    COMPARE(bind, (sqe, 33, first, 28), prep::bind(sqe, 33, first, 28));
    COMPARE(listen, (sqe, 33, 4096), prep::listen(sqe, 33, 4096));
    COMPARE(connect, (sqe, 33, first, 28), prep::connect(sqe, 33, first, 28));
    COMPARE(shutdown, (sqe, 33, 2), prep::shutdown(sqe, 33, 2));
    COMPARE(accept, (sqe, 33, first, second, 04000),
            prep::accept(sqe, 33, {.address = first, .address_bytes = second, .flags = 04000}));
    COMPARE(accept_direct, (sqe, 33, first, second, 04000, 5),
            prep::accept_direct(sqe, 33, prep::slot(5),
                                {.address = first, .address_bytes = second, .flags = 04000}));
    COMPARE(multishot_accept, (sqe, 33, first, second, 04000),
            prep::accept_multishot(sqe, 33,
                                   {.address = first, .address_bytes = second, .flags = 04000}));
    COMPARE(multishot_accept_direct, (sqe, 33, first, second, 04000),
            prep::accept_multishot_direct(
                sqe, 33, {.address = first, .address_bytes = second, .flags = 04000}));
    COMPARE(cmd_sock, (sqe, 3, 33, 1, 15, first, 4),
            prep::setsockopt(sqe, 33, {.level = 1, .name = 15, .value = first, .bytes = 4}));
    COMPARE(cmd_sock, (sqe, 2, 33, 1, 15, first, 4),
            prep::getsockopt(sqe, 33, {.level = 1, .name = 15, .value = first, .bytes = 4}));
    COMPARE(cmd_sock, (sqe, 0, 33, 0, 0, nullptr, 0), prep::socket_bytes_readable(sqe, 33));
    COMPARE(cmd_sock, (sqe, 1, 33, 0, 0, nullptr, 0), prep::socket_bytes_unsent(sqe, 33));
    COMPARE(cmd_sock, (sqe, 4, 33, 0, 0, nullptr, 0), prep::socket_tx_timestamp(sqe, 33));
    COMPARE(cmd_getsockname, (sqe, 33, first, second, 1),
            prep::getsockname(sqe, 33, first, second, prep::SocketEnd::peer));
    CHECK_GE(compared, 9u);
}

TEST(prep_equals_liburing_message) {
    COMPARE(recv, (sqe, 33, first, count, 0x102),
            prep::recv(sqe, 33, first, count, {.flags = 0x102}));
    COMPARE(recvmsg, (sqe, 33, first, 0x102), prep::recvmsg(sqe, 33, first, {.flags = 0x102}));
    // liburing leaves the buffer group to its caller; we ask for it, since nothing else works.
    compare(
        [](auto* sqe) noexcept {
            io_uring_prep_recv_multishot(sqe, 33, nullptr, 0, 0x40);
            sqe->flags |= IOSQE_BUFFER_SELECT;
            sqe->buf_group = group;
            return true;
        },
        [](abi::Sqe& sqe) noexcept { prep::recv_multishot(sqe, 33, group, {.flags = 0x40}); },
        OXBOW_TEST_SITE("recv_multishot"));
    compare(
        [](auto* sqe) noexcept {
            io_uring_prep_recvmsg_multishot(sqe, 33, first, 0x40);
            sqe->flags |= IOSQE_BUFFER_SELECT;
            sqe->buf_group = group;
            return true;
        },
        [](abi::Sqe& sqe) noexcept {
            prep::recvmsg_multishot(sqe, 33, first, group, {.flags = 0x40});
        },
        OXBOW_TEST_SITE("recvmsg_multishot"));
    compare(
        [](auto* sqe) noexcept {
            if constexpr (requires { io_uring_prep_send_bundle(sqe, 33, 0, 0x100); }) {
                io_uring_prep_send_bundle(sqe, 33, 0, 0x100);
                sqe->flags |= IOSQE_BUFFER_SELECT;
                sqe->buf_group = group;
                return true;
            } else {
                return false;
            }
        },
        [](abi::Sqe& sqe) noexcept { prep::send_bundle(sqe, 33, group, 0, {.flags = 0x100}); },
        OXBOW_TEST_SITE("send_bundle"));
    COMPARE(send, (sqe, 33, first, count, 0x100),
            prep::send(sqe, 33, first, count, {.flags = 0x100}));
    COMPARE(sendto, (sqe, 33, first, count, 0x100, second, 28),
            prep::sendto(sqe, 33, first, count, {.address = second, .address_bytes = 28},
                         {.flags = 0x100}));
    COMPARE(send_set_addr, (sqe, second, 28), prep::send_to_address(sqe, second, 28));
    COMPARE(sendmsg, (sqe, 33, first, 0x100), prep::sendmsg(sqe, 33, first, {.flags = 0x100}));
    COMPARE(send_zc, (sqe, 33, first, count, 0x100, 8),
            prep::send_zc(sqe, 33, first, count, {.flags = 0x100, .report_usage = true}));
    COMPARE(
        send_zc_fixed, (sqe, 33, first, count, 0x100, 8, group),
        prep::send_zc_fixed(sqe, 33, first, count, group, {.flags = 0x100, .report_usage = true}));
    COMPARE(sendmsg_zc, (sqe, 33, first, 0x100),
            prep::sendmsg_zc(sqe, 33, first, {.flags = 0x100}));
    COMPARE(sendmsg_zc_fixed, (sqe, 33, first, 0x100, group),
            prep::sendmsg_zc_fixed(sqe, 33, first, group, {.flags = 0x100}));
    CHECK_GE(compared, 7u);
}

TEST(prep_equals_liburing_wait) {
    COMPARE(poll_add, (sqe, 33, 0x80042001), prep::poll_add(sqe, 33, 0x80042001));
    COMPARE(poll_multishot, (sqe, 33, 0x80042001), prep::poll_multishot(sqe, 33, 0x80042001));
    COMPARE(poll_remove, (sqe, number), prep::poll_remove(sqe, number));
    COMPARE(poll_update, (sqe, number, offset, 0x2001, 7),
            prep::poll_update(sqe, {.target = number,
                                    .change_user_data = true,
                                    .user_data = offset,
                                    .change_events = true,
                                    .events = 0x2001,
                                    .multishot = true}));
    COMPARE(epoll_ctl, (sqe, 33, 44, 3, first),
            prep::epoll_ctl(sqe, {.epoll_fd = 33, .operation = 3, .fd = 44, .event = first}));
    COMPARE(epoll_wait, (sqe, 33, first, 64, 0), prep::epoll_wait(sqe, 33, first, 64));
    COMPARE(timeout, (sqe, first, 9, 0x21),
            prep::timeout(sqe, first, {.flags = 0x21, .completions = 9}));
    COMPARE(timeout, (sqe, first, 9, 0x44),
            prep::timeout_multishot(sqe, first, {.flags = 4, .repeats = 9}));
    COMPARE(timeout, (sqe, first, 0, 0x80), prep::timeout_ns(sqe, address));
    COMPARE(timeout_remove, (sqe, number, 0), prep::timeout_remove(sqe, number));
    COMPARE(timeout_update, (sqe, first, number, 1), prep::timeout_update(sqe, number, first, 1));
    COMPARE(timeout_update, (sqe, first, number, 0x11),
            prep::link_timeout_update(sqe, number, first, 1));
    COMPARE(link_timeout, (sqe, first, 9), prep::link_timeout(sqe, first, 9));
    COMPARE(cancel64, (sqe, number, 1), prep::async_cancel(sqe, number, prep::CancelScope::all));
    COMPARE(cancel, (sqe, first, 0), prep::async_cancel(sqe, address));
    COMPARE(cancel_fd, (sqe, 33, 1), prep::async_cancel_fd(sqe, 33, prep::CancelScope::all));
    COMPARE(cancel_fd, (sqe, 33, 8), prep::async_cancel_direct(sqe, 33));
    CHECK_GE(compared, 15u);
}

TEST(prep_equals_liburing_process_and_command) {
    COMPARE(waitid, (sqe, static_cast<idtype_t>(3), 44, first, 4, 0),
            prep::waitid(sqe, {.kind = 3, .id = 44, .options = 4, .info = first}));
    COMPARE(futex_wait, (sqe, first, number, 0x61728394, 2, 0),
            prep::futex_wait(sqe, first, {.value = number, .mask = 0x61728394, .flags = 2}));
    COMPARE(futex_wake, (sqe, first, 7, 0x61728394, 2, 0),
            prep::futex_wake(sqe, first, {.count = 7, .mask = 0x61728394, .flags = 2}));
    COMPARE(futex_waitv, (sqe, first, 128, 0), prep::futex_waitv(sqe, first, 128));
    COMPARE(uring_cmd, (sqe, 0x1234, 33), prep::uring_cmd(sqe, 33, 0x1234));
    COMPARE(uring_cmd128, (sqe, 0x1234, 33), prep::uring_cmd128(sqe, 33, 0x1234));
    COMPARE(cmd_discard, (sqe, 33, offset, number),
            prep::block_discard(sqe, 33, {.offset = offset, .bytes = number}));
    COMPARE(cmd_zone_reset_all, (sqe, 33), prep::block_zone_reset_all(sqe, 33));
    note("compared:", compared); // the oldest have none of these
}

#endif
