// The table of direct descriptors: every way to make and change one, with its effect.
#include "../uring/register.h"

#include "hook.h"
#include "register_help.h"

namespace oxbow::test {
namespace {

TEST(register_files_reads_through_slots) {
    const NothingLeaks check;
    TestRing ring;
    TestFd first(file_of("first"));
    TestFd second(file_of("second"));
    const i32 fds[] = {first, -1, second};
    CHECK_OK(register_files(*ring, fds, 3));
    // The ring has the files by itself.
    first.close();
    second.close();
    char text[16] = {};
    CHECK_EQ(read_fixed_file(*ring, 0, text, sizeof text), 5);
    CHECK_BYTES(text, "first", 5);
    CHECK_EQ(read_fixed_file(*ring, 2, text, sizeof text), 6);
    CHECK_BYTES(text, "second", 6);
    CHECK_ERRNO(read_fixed_file(*ring, 1, text, sizeof text), Errno::ebadf);
    CHECK_ERRNO(read_fixed_file(*ring, 3, text, sizeof text), Errno::ebadf);
    CHECK_OK(unregister_files(*ring));
    CHECK_ERRNO(read_fixed_file(*ring, 0, text, sizeof text), Errno::ebadf);
}

TEST(register_files_refusals) {
    const NothingLeaks check;
    TestRing ring;
    const TestFd file(file_of("x"));
    const i32 good[] = {file};
    const i32 bad[] = {file, 9999};
    const i32 itself[] = {ring->fd()};
    CHECK_ERRNO(unregister_files(*ring), Errno::enxio);
    CHECK_ERRNO(update_files(*ring, 0, good, 1), Errno::enxio);
    CHECK_ERRNO(set_file_alloc_range(*ring, 0, 1), Errno::einval);
    CHECK_ERRNO(register_files(*ring, good, 0), Errno::einval);
    CHECK_ERRNO(register_files(*ring, bad, 2), Errno::ebadf);
    CHECK_ERRNO(register_files(*ring, itself, 1), Errno::ebadf);
    const bool has_sparse = kernel_at_least(5, 19); // before, the flag itself is refused
    CHECK_ERRNO(register_files_sparse(*ring, registered_files_max + 1),
                has_sparse ? Errno::emfile : Errno::einval);
    // None of them has left half a table behind.
    CHECK_ERRNO(unregister_files(*ring), Errno::enxio);
    CHECK_OK(register_files(*ring, good, 1));
    CHECK_ERRNO(register_files(*ring, good, 1), Errno::ebusy);
    CHECK_ERRNO(register_files_sparse(*ring, 1), has_sparse ? Errno::ebusy : Errno::einval);
    CHECK_ERRNO(update_files(*ring, 1, good, 1), Errno::einval);
    CHECK_ERRNO(update_files(*ring, 0xffffffff, good, 1), Errno::eoverflow);
    CHECK_ERRNO(update_files(*ring, 0, good, 0), Errno::einval);
}

TEST(register_files_sparse_and_update) {
    SKIP_WITHOUT("sparse tables of files");
    const NothingLeaks check;
    TestRing ring;
    const TestFd file(file_of("hello"));
    CHECK_OK(register_files_sparse(*ring, 4));
    char text[8] = {};
    CHECK_ERRNO(read_fixed_file(*ring, 2, text, 5), Errno::ebadf);
    const i32 fds[] = {file, file};
    CHECK_EQ(CHECK_OK(update_files(*ring, 2, fds, 2)), 2);
    CHECK_EQ(read_fixed_file(*ring, 3, text, 5), 5);
    CHECK_BYTES(text, "hello", 5);
    // One slot is left alone, the other emptied.
    const i32 change[] = {abi::register_files_skip, -1};
    CHECK_EQ(CHECK_OK(update_files(*ring, 2, change, 2)), 2);
    CHECK_EQ(read_fixed_file(*ring, 2, text, 5), 5);
    CHECK_ERRNO(read_fixed_file(*ring, 3, text, 5), Errno::ebadf);
    // It stops at a bad descriptor and says how far it came.
    const i32 short_list[] = {file, file, 9999, file};
    CHECK_EQ(CHECK_OK(update_files(*ring, 0, short_list, 4)), 2);
    CHECK_EQ(read_fixed_file(*ring, 1, text, 5), 5);
    CHECK_ERRNO(read_fixed_file(*ring, 2, text, 5), Errno::ebadf);
}

// Zig's test 19.
TEST(register_files_update_like_zig) {
    const NothingLeaks check;
    TestRing ring(1);
    const TestFd zero(kernel::openat(abi::at_fdcwd, "/dev/zero",
                                     abi::open_flag::read_only | abi::open_flag::cloexec));
    i32 fds[] = {zero, -1};
    CHECK_OK(register_files(*ring, fds, 2));
    const i32 same[] = {zero};
    CHECK_EQ(CHECK_OK(update_files(*ring, 0, same, 1)), 1);
    u8 buffer[128];
    const u8 zeros[128] = {};
    __builtin_memset(buffer, 0xa5, sizeof buffer);
    CHECK_EQ(read_fixed_file(*ring, 0, buffer, sizeof buffer), 128);
    CHECK_BYTES(buffer, zeros, sizeof buffer);
    // Slot 1 changes, slot 0 goes on.
    CHECK_EQ(CHECK_OK(update_files(*ring, 1, same, 1)), 1);
    __builtin_memset(buffer, 0xa5, sizeof buffer);
    CHECK_EQ(read_fixed_file(*ring, 0, buffer, sizeof buffer), 128);
    CHECK_BYTES(buffer, zeros, sizeof buffer);
    fds[0] = -1;
    fds[1] = -1;
    CHECK_EQ(CHECK_OK(update_files(*ring, 0, fds, 2)), 2);
    CHECK_ERRNO(read_fixed_file(*ring, 0, buffer, sizeof buffer), Errno::ebadf);
    CHECK_OK(unregister_files(*ring));
}

TEST(register_files_tags_come_when_files_leave) {
    SKIP_WITHOUT("resource tags");
    const NothingLeaks check;
    TestRing ring;
    CHECK(ring->has(abi::feature::rsrc_tags));
    const TestFd file(file_of("x"));
    const i32 fds[] = {file, file, file};
    const u64 tags[] = {101, 0, 103};
    CHECK_OK(register_files_tagged(*ring, fds, tags, 3));
    CHECK_EQ(ring->cq_ready(), 0u);
    // Replacing a file delivers its tag and gives the slot another.
    const u64 new_tags[] = {201};
    CHECK_EQ(CHECK_OK(update_files_tagged(*ring, 0, fds, new_tags, 1)), 1);
    Cqe cqe = complete(*ring);
    CHECK_EQ(cqe.user_data, 101u);
    CHECK_EQ(cqe.result, 0);
    CHECK_EQ(CHECK_OK(update_files(*ring, 1, fds, 1)), 1); // slot 1 had none
    CHECK_OK(unregister_files(*ring));
    if (kernel_at_least(6, 13)) { // before, only updates tell of what leaves
        u64 sum = complete(*ring).user_data;
        sum += complete(*ring).user_data;
        CHECK_EQ(sum, 201u + 103u);
    }
    CHECK(ring->peek() == nullptr);
    // A tag without a file would never come, and is refused; nothing is delivered for the failure.
    const i32 with_hole[] = {file, -1};
    const u64 for_hole[] = {1, 2};
    CHECK_ERRNO(register_files_tagged(*ring, with_hole, for_hole, 2), Errno::einval);
    CHECK(ring->peek() == nullptr);
}

TEST(register_files_tag_waits_for_the_operation) {
    SKIP_WITHOUT("resource tags");
    const NothingLeaks check;
    TestRing ring;
    const TestPair pipe = TestPair::pipe();
    const i32 fds[] = {pipe[0]};
    const u64 tags[] = {77};
    CHECK_OK(register_files_tagged(*ring, fds, tags, 1));
    char byte = 0;
    Sqe& sqe = need_sqe(*ring);
    prep::read(sqe, 0, &byte, 1, 0);
    prep::fixed_file(sqe);
    sqe.user_data = 1;
    submit_and_expect_nothing(*ring);
    const i32 none[] = {-1};
    CHECK_EQ(CHECK_OK(update_files(*ring, 0, none, 1)), 1);
    CHECK_OK(ring->get_events());
    CHECK_EQ(ring->cq_ready(), 0u); // the read still has the file
    pipe.write("z");
    const Cqe read = complete(*ring);
    CHECK_EQ(read.user_data, 1u);
    CHECK_EQ(read.result, 1);
    CHECK_EQ(complete(*ring).user_data, 77u);
    CHECK_EQ(byte, 'z');
}

/// Opens /dev/zero into a slot that the kernel chooses; the slot or an errno.
i32 open_into_free_slot(Ring& ring) noexcept {
    Sqe& sqe = need_sqe(ring);
    prep::open_direct(sqe, "/dev/zero", {}, prep::allocate);
    return complete(ring).result;
}

TEST(register_file_alloc_range_keeps_allocations_inside) {
    SKIP_WITHOUT("ranges of direct descriptors");
    const NothingLeaks check;
    TestRing ring;
    CHECK_OK(register_files_sparse(*ring, 8));
    CHECK_OK(set_file_alloc_range(*ring, 4, 2));
    const i32 first = CHECK_OK(open_into_free_slot(*ring));
    const i32 second = CHECK_OK(open_into_free_slot(*ring));
    CHECK_EQ(first + second, 4 + 5);
    CHECK_ERRNO(open_into_free_slot(*ring), Errno::enfile);
    // The rest is still there for those who name their slot.
    Sqe& sqe = need_sqe(*ring);
    prep::open_direct(sqe, "/dev/zero", {}, prep::slot(7));
    CHECK_OK(complete(*ring).result);
    CHECK_OK(set_file_alloc_range(*ring, 0, 8));
    CHECK_OK(open_into_free_slot(*ring));
    CHECK_ERRNO(set_file_alloc_range(*ring, 4, 5), Errno::einval);
    CHECK_ERRNO(set_file_alloc_range(*ring, 1, 0xffffffff), Errno::eoverflow);
}

TEST(register_files_above_the_limit) {
    SKIP_WITHOUT("sparse tables of files");
    // In a child, since limits are the whole process's.
    const i32 status = in_child([] {
        TestRing ring;
        const abi::Rlimit low = {64, 256};
        CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &low));
        CHECK_ERRNO(register_files_sparse(*ring, 128), Errno::emfile);
        abi::Rlimit now = {};
        CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &now));
        CHECK_EQ(now.current, 64u); // nobody has raised it behind our back
        CHECK_ERRNO(raise_file_limit(257), Errno::eperm);
        CHECK_OK(raise_file_limit(128));
        CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &now));
        CHECK_EQ(now.current, 128u);
        CHECK_EQ(now.maximum, 256u);
        CHECK_OK(register_files_sparse(*ring, 128));
        CHECK_OK(raise_file_limit(16)); // never lowers it
        CHECK_OK(kernel::prlimit(0, abi::resource::open_files, nullptr, &now));
        CHECK_EQ(now.current, 128u);
    });
    CHECK_EQ(status, 0);
}

TEST(register_files_end_with_the_ring) {
    const NothingLeaks check;
    TestPair pipe = TestPair::pipe();
    {
        TestRing ring;
        const i32 fds[] = {pipe[1]};
        CHECK_OK(register_files(*ring, fds, 1));
        pipe.close(1); // from here on the ring alone keeps the writing end open
        char byte = 0;
        CHECK_EQ(read_fixed_file(*ring, 0, &byte, 1), -Errno::ebadf); // it is, but not for reading
    }
    // The kernel lets go of it in its own time, and then the reader sees the end.
    abi::PollFd poll = {pipe[0], static_cast<i16>(abi::poll_event::in), 0};
    const abi::Timespec patience = {20, 0};
    CHECK_EQ(CHECK_OK(repeat_interrupted([&] { return kernel::ppoll(&poll, 1, &patience); })), 1);
    char byte = 0;
    CHECK_EQ(CHECK_OK(kernel::read(pipe[0], &byte, 1)), 0);
}

// ---- Connections as direct descriptors: Zig's tests 31 and 32 -----------------------------------

/// A socket on a port of the loopback that the kernel chose, listening, and its address.
class Listener {
  public:
    Listener() noexcept
        : fd_(kernel::socket(abi::socket_family::inet,
                             abi::socket_type::stream | abi::socket_type::cloexec, 0)) {
        address_.family = static_cast<u16>(abi::socket_family::inet);
        address_.address = abi::network_order(u32{0x7f000001});
        CHECK_OK(kernel::bind(fd_, &address_, sizeof address_));
        CHECK_OK(kernel::listen(fd_, 16));
        u32 bytes = sizeof address_;
        CHECK_OK(kernel::getsockname(fd_, &address_, &bytes));
    }
    [[nodiscard]] i32 fd() const noexcept { return fd_; }
    /// A new connection; loopback connects without anybody accepting.
    [[nodiscard]] i32 connect() const noexcept {
        const i32 client = CHECK_OK(kernel::socket(
            abi::socket_family::inet, abi::socket_type::stream | abi::socket_type::cloexec, 0));
        CHECK_OK(connect_blocking(client, &address_, sizeof address_));
        return client;
    }

  private:
    TestFd fd_;
    abi::SocketAddressIn address_ = {};
};

/// Sends from `client` and receives through the slot.
void check_connection(Ring& ring, i32 client, i32 slot) noexcept {
    CHECK_EQ(CHECK_OK(kernel::send(client, "0123456789", 10, 0)), 10);
    char text[16] = {};
    Sqe& sqe = need_sqe(ring);
    prep::recv(sqe, slot, text, sizeof text);
    prep::fixed_file(sqe);
    CHECK_EQ(complete(ring).result, 10);
    CHECK_BYTES(text, "0123456789", 10);
}

TEST(register_files_accept_direct) {
    SKIP_WITHOUT("accept into a slot that the kernel chooses");
    const NothingLeaks check;
    TestRing ring(1);
    const Listener listener;
    const i32 empty[] = {-1, -1};
    CHECK_OK(register_files(*ring, empty, 2));
    for (u32 round = 0; round < 2; ++round) {
        for (u32 i = 0; i < 2; ++i) {
            const TestFd client(listener.connect());
            prep::accept_direct(need_sqe(*ring), listener.fd(), prep::allocate);
            const i32 slot = CHECK_OK(complete(*ring).result);
            CHECK_LT(slot, 2);
            check_connection(*ring, client, slot);
        }
        const TestFd client(listener.connect());
        prep::accept_direct(need_sqe(*ring), listener.fd(), prep::allocate);
        CHECK_ERRNO(complete(*ring).result, Errno::enfile);
        CHECK_EQ(CHECK_OK(update_files(*ring, 0, empty, 2)), 2);
    }
}

TEST(register_files_accept_multishot_direct) {
    SKIP_WITHOUT("multishot accept");
    const NothingLeaks check;
    TestRing ring(1);
    const Listener listener;
    const i32 empty[] = {-1, -1};
    CHECK_OK(register_files(*ring, empty, 2));
    for (u64 round = 0; round < 2; ++round) {
        Sqe& sqe = need_sqe(*ring);
        prep::accept_multishot_direct(sqe, listener.fd());
        sqe.user_data = 100 + round;
        CHECK_OK(ring->submit());
        for (u32 i = 0; i < 2; ++i) {
            const TestFd client(listener.connect());
            const Cqe cqe = complete(*ring);
            CHECK_LT(CHECK_OK(cqe.result), 2);
            CHECK_EQ(cqe.user_data, 100 + round);
            CHECK(cqe.more());
        }
        const TestFd client(listener.connect());
        const Cqe cqe = complete(*ring);
        CHECK_EQ(cqe.user_data, 100 + round);
        CHECK_ERRNO(cqe.result, Errno::enfile);
        CHECK(!cqe.more());
        CHECK_EQ(CHECK_OK(update_files(*ring, 0, empty, 2)), 2);
    }
}

} // namespace
} // namespace oxbow::test
