// The operations on pipes, made for real: splice, tee, and making them.
#include "live_ring.h"

namespace oxbow::test {
namespace {

OPERATION_TEST(op_splice) {
    const Fd in = make_file_with("0123456789");
    const Fd out = make_file_with("..........");
    const Pipe pipe = make_pipe();
    CHECK_EQ(
        run_result(ring,
                   [&](Sqe& s) {
                       prep::splice(
                           s, {.from_fd = in, .from_offset = 2, .to_fd = pipe.writer, .bytes = 5});
                   }),
        5);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::splice(
                                s,
                                {.from_fd = pipe.reader, .to_fd = out, .to_offset = 1, .bytes = 5});
                        }),
             5);
    CHECK_CONTENTS(out, ".23456....");
    CHECK_EQ(
        run_result(ring,
                   [&](Sqe& s) {
                       prep::splice(
                           s, {.from_fd = in, .from_offset = 10, .to_fd = pipe.writer, .bytes = 5});
                   }),
        0); // the end of the input
    const prep::Splice no_pipe = {
        .from_fd = in, .from_offset = 0, .to_fd = out, .to_offset = 0, .bytes = 5};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::splice(s, no_pipe); }), Errno::einval);
    const prep::Splice with_offset = {
        .from_fd = pipe.reader, .from_offset = 3, .to_fd = out, .to_offset = 0, .bytes = 5};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::splice(s, with_offset); }), Errno::espipe);
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::splice(s, {.from_fd = 9999, .to_fd = out, .bytes = 5}); }),
        Errno::ebadf);
}

OPERATION_TEST(op_splice_at_the_current_position) {
    const Fd in = make_file_with("0123456789");
    const Pipe pipe = make_pipe();
    CHECK_EQ(kernel::lseek(in, 4, abi::seek_from::start), 4);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::splice(s, {.from_fd = in, .to_fd = pipe.writer, .bytes = 3});
                        }),
             3);
    CHECK_READS(pipe.reader, "456");
    CHECK_EQ(kernel::lseek(in, 0, abi::seek_from::current), 7);
}

OPERATION_TEST(op_splice_direct_descriptors) {
    const Fd in = make_file_with("0123456789");
    const Pipe pipe = make_pipe();
    const i32 fds[2] = {in, pipe.writer};
    register_files(ring, fds, 2);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::splice(s, {.from_fd = 0,
                                             .from_offset = 0,
                                             .from_is_direct = true,
                                             .to_fd = 1,
                                             .bytes = 4});
                            prep::fixed_file(s);
                        }),
             4);
    CHECK_READS(pipe.reader, "0123");
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::splice(s, {.from_fd = 2,
                                                .from_is_direct = true,
                                                .to_fd = pipe.writer,
                                                .bytes = 4});
                           }),
                Errno::ebadf);
}

OPERATION_TEST(op_tee) {
    const Pipe from = make_pipe();
    const Pipe to = make_pipe();
    write_text(from.writer, "twice");
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::tee(s, {.from_fd = from.reader, .to_fd = to.writer, .bytes = 5});
                        }),
             5);
    CHECK_READS(to.reader, "twice");
    // It is still there; this time through direct descriptors.
    const i32 fds[2] = {from.reader, to.writer};
    register_files(ring, fds, 2);
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::tee(
                                s, {.from_fd = 0, .from_is_direct = true, .to_fd = 1, .bytes = 3});
                            prep::fixed_file(s);
                        }),
             3);
    CHECK_READS(to.reader, "twi");
    CHECK_READS(from.reader, "twice");
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::tee(s, {.from_fd = from.reader,
                                             .to_fd = to.writer,
                                             .bytes = 5,
                                             .flags = abi::splice_flag::nonblock});
                           }),
                Errno::eagain);
    const Fd file = make_file();
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::tee(s, {.from_fd = from.reader, .to_fd = file, .bytes = 5});
                           }),
                Errno::einval);
}

OPERATION_TEST(op_pipe) {
    SKIP_WITHOUT("pipes made by a ring");
    i32 fds[2] = {-1, -1};
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::pipe(s, fds, abi::open_flag::cloexec | abi::open_flag::nonblock);
                        }),
             0);
    const Pipe pipe = {Fd(fds[0]), Fd(fds[1])};
    CHECK_EQ(kernel::fcntl(pipe.reader, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    write_text(pipe.writer, "through");
    CHECK_READS(pipe.reader, "through");
    char byte;
    CHECK_ERRNO(kernel::read(pipe.reader, &byte, 1), Errno::eagain);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::pipe(s, fds, 1); }), Errno::einval);
}

OPERATION_TEST(op_pipe_direct) {
    SKIP_WITHOUT("pipes made by a ring");
    register_slots(ring, 4);
    i32 fds[2] = {-1, -1};
    const i32 open_before = open_fd_count();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::pipe_direct(s, fds, prep::slot(1)); }), 0);
    CHECK_EQ(open_fd_count(), open_before);
    const auto send_through = [&ring](i32 from, i32 to) noexcept {
        char got[8] = {};
        CHECK_EQ(run_result(ring,
                            [&](Sqe& s) {
                                prep::write(s, to, "slots", 5, 0);
                                prep::fixed_file(s);
                            }),
                 5);
        CHECK_EQ(run_result(ring,
                            [&](Sqe& s) {
                                prep::read(s, from, got, 8, 0);
                                prep::fixed_file(s);
                            }),
                 5);
        CHECK_BYTES(got, "slots", 5);
    };
    send_through(1, 2);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::pipe_direct(s, fds, prep::allocate); }), 0);
    CHECK_EQ(fds[0] + fds[1], 3); // 0 and 3 were free
    send_through(fds[0], fds[1]);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::pipe_direct(s, fds, prep::allocate); }),
                Errno::enfile);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::pipe_direct(s, fds, prep::slot(0), abi::open_flag::cloexec);
                           }),
                Errno::einval);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::pipe_direct(s, fds, prep::slot(3)); }),
                Errno::einval); // its other end would be beyond the table
}

} // namespace
} // namespace oxbow::test
