// The operations on rings themselves, made for real: no-ops, messages, the table of direct
// descriptors, provided buffers; and the flags that every entry can carry.
#include "live_ring.h"

namespace oxbow::test {
namespace {

// ---- No-ops -------------------------------------------------------------------------------------

OPERATION_TEST(op_nop) {
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::nop(s); }), 0);
    SKIP_WITHOUT("no-ops with options");
    CHECK_EQ(run_result(ring,
                        [](Sqe& s) {
                            prep::nop(s, {.flags = abi::nop_flag::inject_result, .result = 1234});
                        }),
             1234);
    CHECK_ERRNO(run_result(ring,
                           [](Sqe& s) {
                               prep::nop(s, {.flags = abi::nop_flag::inject_result,
                                             .result = -Errno::exdev});
                           }),
                Errno::exdev);
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::nop(s, {.flags = 1u << 30}); }), Errno::einval);
}

OPERATION_TEST(op_nop_looks_things_up) {
    SKIP_WITHOUT("no-ops that look descriptors and buffers up");
    namespace flag = abi::nop_flag;
    // 6.18.15 looks them up, and then answers 0 all the same; 6.18.44 and 7.2 do not.
    const auto check_refused = [](i32 result, Errno error) noexcept {
        if (result != 0 || kernel_at_least(7, 0)) {
            CHECK_ERRNO(result, error);
        }
    };
    const Fd file = make_file();
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::nop(s, {.flags = flag::file, .fd = file}); }), 0);
    check_refused(run_result(ring, [](Sqe& s) { prep::nop(s, {.flags = flag::file, .fd = 9999}); }),
                  Errno::ebadf);
    const i32 fds[1] = {file};
    register_files(ring, fds, 1);
    constexpr u32 direct = flag::file | flag::fixed_file;
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::nop(s, {.flags = direct, .fd = 0}); }), 0);
    check_refused(run_result(ring, [](Sqe& s) { prep::nop(s, {.flags = direct, .fd = 1}); }),
                  Errno::ebadf);
    alignas(4096) static char memory[4096];
    const abi::IoVec buffer = {memory, sizeof(memory)};
    register_buffers(ring, &buffer, 1);
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::nop(s, {.flags = flag::fixed_buffer}); }), 0);
    check_refused(
        run_result(ring,
                   [](Sqe& s) { prep::nop(s, {.flags = flag::fixed_buffer, .buffer_index = 1}); }),
        Errno::efault);
    SKIP_WITHOUT("no-ops that complete from task work");
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::nop(s, {.flags = flag::task_work}); }), 0);
}

OPERATION_TEST(op_nop_big_completion) {
    SKIP_WITHOUT("no-ops with big completions");
    const prep::NopOptions options = {.flags = abi::nop_flag::big_cqe, .extra = {11, 22}};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::nop(s, options); }), Errno::einval);
    constexpr u32 with_big_ones[] = {abi::setup::cqe32, abi::setup::cqe_mixed};
    for (const u32 flags : with_big_ones) {
        LiveRing big({.entries = 4, .flags = flags});
        queue(*big, 5, [&](Sqe& s) { prep::nop(s, options); });
        const BigCqe cqe = next_big(*big);
        CHECK_EQ(cqe.cqe.user_data, 5u);
        CHECK_EQ(cqe.cqe.result, 0);
        CHECK_EQ(cqe.extra[0], 11u);
        CHECK_EQ(cqe.extra[1], 22u);
    }
}

/// A ring with entries of both sizes, which 6.19 brought.
void open_mixed(Ring& ring) noexcept {
    need_rings();
    const i32 result =
        ring.open({.entries = 8, .flags = abi::setup::sqe_mixed, .preferred_flags = 0});
    SKIP_IF_MISSING(result != -Errno::einval, "entries of two sizes");
    CHECK_OK(result);
}

TEST(op_nop128) {
    const NoLeaks no_leaks;
    Ring ring;
    open_mixed(ring);
    for (u64 i = 0; i < 20; ++i) { // round the queue, past its end
        Sqe* const sqe = ring.get_big_sqe();
        CHECK(sqe != nullptr);
        prep::nop128(*sqe, {.flags = abi::nop_flag::inject_result, .result = 7});
        sqe->user_data = i;
        CHECK_EQ(next_of(ring, i).result, 7);
    }
    ring.close();
}

// ---- Messages -----------------------------------------------------------------------------------

OPERATION_TEST(op_msg_ring_data) {
    SKIP_WITHOUT("messages between rings");
    LiveRing other({.entries = 4});
    const prep::RingMessage message = {.user_data = ~u64{0} - 1, .result = -77};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::msg_ring(s, other->fd(), message); }), 0);
    const Cqe got = next_of(*other, ~u64{0} - 1);
    CHECK_EQ(got.result, -77);
    CHECK_EQ(got.flags, 0u);
    SKIP_WITHOUT("messages with completion flags");
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::msg_ring_cqe_flags(s, other->fd(), message,
                                                     abi::cqe_flag::sock_nonempty);
                        }),
             0);
    CHECK_EQ(next(*other).flags & abi::cqe_flag::sock_nonempty, abi::cqe_flag::sock_nonempty);
    const Fd file = make_file();
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::msg_ring(s, file, message); }), Errno::ebadfd);
}

OPERATION_TEST(op_msg_ring_to_itself) {
    SKIP_WITHOUT("messages between rings");
    queue(ring, 0, [&](Sqe& s) { prep::msg_ring(s, ring.fd(), {.user_data = 1, .result = 5}); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_EQ(cqes[0].result, 0);
    CHECK_EQ(cqes[1].result, 5);
}

/// Direct descriptor `slot` of `ring` must be the file with this text.
void check_slot(Ring& ring, i32 slot, const char* text) noexcept {
    char got[32] = {};
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::read(s, slot, got, sizeof(got), 0);
                            prep::fixed_file(s);
                        }),
             static_cast<i32>(length_of(text)));
    CHECK_BYTES(got, text, length_of(text));
}

OPERATION_TEST(op_msg_ring_fd) {
    SKIP_WITHOUT("descriptors from ring to ring");
    LiveRing other({.entries = 4});
    const Fd file = make_file_with("passed");
    const i32 fds[2] = {file, -1};
    register_files(ring, fds, 2);
    const prep::RingDescriptor to_slot = {.target = prep::slot(1), .user_data = 8};
    const auto send = [&](const prep::RingDescriptor& descriptor) noexcept {
        return run_result(ring, [&](Sqe& s) { prep::msg_ring_fd(s, other->fd(), descriptor); });
    };
    CHECK_ERRNO(send(to_slot), Errno::enxio); // the other ring has no table
    register_slots(*other, 2);
    CHECK_EQ(send(to_slot), 0);
    CHECK_EQ(next_of(*other, 8).result, 0);
    check_slot(*other, 1, "passed");
    check_slot(ring, 0, "passed");       // this ring keeps its own
    CHECK_EQ(send({.user_data = 9}), 0); // slot 0 was free
    CHECK_EQ(next_of(*other, 9).result, 0);
    check_slot(*other, 0, "passed");
    CHECK_ERRNO(send({.user_data = 9}), Errno::enfile);
    CHECK_EQ(send({.target = prep::slot(0), .without_completion = true}), 0);
    CHECK(is_quiet(*other));
    CHECK_ERRNO(send({.source = 1, .target = prep::slot(0)}), Errno::ebadf);
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::msg_ring_fd(s, ring.fd(), {.target = prep::slot(1)}); }),
        Errno::einval);
}

// ---- The table of direct descriptors ------------------------------------------------------------

OPERATION_TEST(op_files_update) {
    const Fd one = make_file_with("one");
    const Fd two = make_file_with("two");
    i32 fds[2] = {one, two};
    const prep::FilesUpdate both = {.fds = fds, .count = 2, .first_slot = 1};
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::files_update(s, both); }), Errno::enxio);
    register_slots(ring, 4);
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::files_update(s, both); }), 2);
    check_slot(ring, 1, "one");
    check_slot(ring, 2, "two");
    fds[0] = abi::register_files_skip;
    fds[1] = -1;
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::files_update(s, both); }), 2);
    check_slot(ring, 1, "one");
    char byte;
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::read(s, 2, &byte, 1, 0);
                               prep::fixed_file(s);
                           }),
                Errno::ebadf);
    fds[0] = two;
    fds[1] = 9999;
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::files_update(s, both); }), 1); // short
    check_slot(ring, 1, "two");
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::files_update(s, {.fds = fds, .count = 2, .first_slot = 3});
                           }),
                Errno::einval);
    SKIP_WITHOUT("slots that the kernel chooses");
    i32 chosen[4] = {one, one, one, one};
    CHECK_EQ(run_result(ring, [&](Sqe& s) { prep::files_update_allocate(s, chosen, 3); }), 3);
    check_slot(ring, chosen[0], "one");
    CHECK_EQ(chosen[0] + chosen[1] + chosen[2], 0 + 2 + 3);
    CHECK_ERRNO(run_result(ring, [&](Sqe& s) { prep::files_update_allocate(s, chosen + 3, 1); }),
                Errno::enfile);
}

OPERATION_TEST(op_fixed_fd_install) {
    SKIP_WITHOUT("installing direct descriptors");
    Fd file = make_file_with("installed");
    const i32 fds[2] = {file, -1};
    register_files(ring, fds, 2);
    file.close();
    const Fd one(CHECK_OK(run_result(ring, [](Sqe& s) { prep::fixed_fd_install(s, 0); })));
    CHECK_CONTENTS(one, "installed");
    CHECK_EQ(kernel::fcntl(one, abi::fcntl_command::get_fd_flags), abi::fd_cloexec);
    const Fd two(CHECK_OK(
        run_result(ring, [](Sqe& s) { prep::fixed_fd_install(s, 0, prep::OnExec::keep); })));
    CHECK_EQ(kernel::fcntl(two, abi::fcntl_command::get_fd_flags), 0);
    check_slot(ring, 0, "installed"); // the slot keeps it
    CHECK_ERRNO(run_result(ring, [](Sqe& s) { prep::fixed_fd_install(s, 1); }), Errno::ebadf);
    CHECK_ERRNO(run_result(ring,
                           [&](Sqe& s) {
                               prep::fixed_fd_install(s, 0);
                               s.flags = 0;
                               s.fd = one;
                           }),
                Errno::ebadf); // not for ordinary descriptors
}

// ---- Provided buffers, the older kind
// -------------------------------------------------------------

OPERATION_TEST(op_provide_and_remove_buffers) {
    const Fd file = make_file_with("0123456789");
    char memory[3][4];
    const prep::ProvidedBuffers given = {
        .memory = memory, .bytes_each = 4, .count = 3, .group = 5, .first_id = 10};
    CHECK_OK(run_result(ring, [&](Sqe& s) { prep::provide_buffers(s, given); }));
    bool seen[3] = {};
    for (u32 i = 0; i < 2; ++i) {
        const Cqe cqe = run(ring, [&](Sqe& s) {
            prep::read(s, file, nullptr, 4, i);
            prep::select_buffer(s, 5);
        });
        CHECK_EQ(cqe.result, 4);
        CHECK(cqe.has_buffer());
        const u32 at = cqe.buffer_id() - 10u;
        CHECK_LT(at, 3u);
        CHECK(!seen[at]);
        seen[at] = true;
        CHECK_BYTES(memory[at], i == 0 ? "0123" : "1234", 4);
    }
    CHECK_EQ(run_result(ring, [](Sqe& s) { prep::remove_buffers(s, {.count = 5, .group = 5}); }),
             1); // one was left
    const auto read = [&]() noexcept {
        return run_result(ring, [&](Sqe& s) {
            prep::read(s, file, nullptr, 4, 0);
            prep::select_buffer(s, 5);
        });
    };
    CHECK_ERRNO(read(), Errno::enobufs);
    // Kernels from 5.19 to 6.8 have the groups below 64 in an array, where each of them is there
    // and empty as soon as one is used.
    CHECK_ERRNO(
        run_result(ring, [](Sqe& s) { prep::remove_buffers(s, {.count = 1, .group = 64}); }),
        Errno::enoent);
    CHECK_ERRNO(
        run_result(ring,
                   [&](Sqe& s) { prep::provide_buffers(s, {.memory = memory, .bytes_each = 4}); }),
        Errno::e2big);
    const i32 beyond_the_last_id = run_result(ring, [&](Sqe& s) {
        prep::ProvidedBuffers beyond = given;
        beyond.first_id = 65535;
        prep::provide_buffers(s, beyond);
    });
    // 5.10 counts on from 0. The check came with 6.2, and to older kernels with their updates.
    if (kernel_at_least(6, 2) || beyond_the_last_id != 0) {
        CHECK_ERRNO(beyond_the_last_id, Errno::einval);
    }
}

// ---- What every entry can carry
// -------------------------------------------------------------------

OPERATION_TEST(sqe_link_and_hardlink) {
    const auto chain = [&ring](void (*link)(Sqe&) noexcept) noexcept {
        queue(ring, 0, [&](Sqe& s) {
            prep::close(s, 9999); // fails
            link(s);
        });
        queue(ring, 1, [](Sqe& s) { prep::nop(s); });
        Cqe cqes[2];
        collect(ring, cqes);
        CHECK_ERRNO(cqes[0].result, Errno::ebadf);
        return cqes[1].result;
    };
    CHECK_ERRNO(chain([](Sqe& s) noexcept { prep::link(s); }), Errno::ecanceled);
    CHECK_EQ(chain([](Sqe& s) noexcept { prep::hardlink(s); }), 0);
    // A short read breaks a chain as well.
    const Fd file = make_file_with("short");
    char got[16];
    queue(ring, 0, [&](Sqe& s) {
        prep::read(s, file, got, 16, 0);
        prep::link(s);
    });
    queue(ring, 1, [](Sqe& s) { prep::nop(s); });
    Cqe cqes[2];
    collect(ring, cqes);
    CHECK_EQ(cqes[0].result, 5);
    CHECK_ERRNO(cqes[1].result, Errno::ecanceled);
}

OPERATION_TEST(sqe_drain) {
    const Pipe pipe = make_pipe();
    char got[1];
    queue(ring, 1, [&](Sqe& s) { prep::read(s, pipe.reader, got, 1, 0); });
    queue(ring, 2, [](Sqe& s) {
        prep::nop(s);
        prep::drain(s);
    });
    queue(ring, 3, [](Sqe& s) { prep::nop(s); });
    submit_all(ring, 3);
    CHECK(is_quiet(ring)); // all wait behind the read
    write_text(pipe.writer, "x");
    CHECK_EQ(next_of(ring, 1).result, 1);
    u64 last[2] = {};
    for (u64& user_data : last) {
        const Cqe cqe = next(ring);
        CHECK_EQ(cqe.result, 0);
        user_data = cqe.user_data;
    }
    // The last entry waits for the drained one to be started, and not for its completion. 6.1 keeps
    // both as task work, in a list that it runs from its end (io_uring.c, tctx_task_work).
    const bool in_order = last[0] == 2 && last[1] == 3;
    const bool swapped = last[0] == 3 && last[1] == 2;
    CHECK(in_order || (swapped && !kernel_at_least(6, 12)));
}

OPERATION_TEST(sqe_skip_success) {
    SKIP_WITHOUT("entries without a completion");
    queue(ring, 1, [](Sqe& s) {
        prep::nop(s);
        prep::skip_success(s);
    });
    queue(ring, 2, [](Sqe& s) {
        prep::close(s, 9999); // fails, and so is told
        prep::skip_success(s);
    });
    CHECK_ERRNO(next_of(ring, 2).result, Errno::ebadf);
    CHECK(is_quiet(ring));
    CHECK_ERRNO(run_result(ring,
                           [](Sqe& s) {
                               prep::nop(s);
                               prep::drain(s);
                           }),
                Errno::eopnotsupp);
}

OPERATION_TEST(sqe_async) {
    const Fd file = make_file();
    CHECK_EQ(run_result(ring,
                        [&](Sqe& s) {
                            prep::write(s, file, "from a worker", 13, 0);
                            prep::async(s);
                        }),
             13);
    CHECK_CONTENTS(file, "from a worker");
}

OPERATION_TEST(sqe_fixed_file) {
    const Fd file = make_file_with("direct");
    const i32 fds[2] = {-1, file};
    register_files(ring, fds, 2);
    check_slot(ring, 1, "direct");
    char byte;
    constexpr i32 empty_and_beyond[] = {0, 2};
    for (const i32 slot : empty_and_beyond) {
        CHECK_ERRNO(run_result(ring,
                               [&](Sqe& s) {
                                   prep::read(s, slot, &byte, 1, 0);
                                   prep::fixed_file(s);
                               }),
                    Errno::ebadf);
    }
}

OPERATION_TEST(sqe_personality) {
    if (kernel::geteuid() != 0) {
        SKIP("needs root, to give root up");
    }
    char path[256];
    (void)make_file(path);
    const i32 id = CHECK_OK(ring.register_call(abi::RegisterOp::personality, nullptr, 0));
    constexpr u32 nobody = 65534;
    CHECK_OK(kernel::setresuid(nobody, nobody, 0));
    const auto open_as = [&](i32 personality) noexcept {
        return run_result(ring, [&](Sqe& s) {
            prep::open(s, path, {});
            prep::personality(s, static_cast<u16>(personality));
        });
    };
    CHECK_ERRNO(open_as(0), Errno::eacces);
    const Fd file(CHECK_OK(open_as(id)));
    CHECK_ERRNO(open_as(id + 1), Errno::einval);
    CHECK_OK(kernel::setresuid(0, 0, 0));
}

OPERATION_TEST(sqe_unknown_operation) {
    CHECK_ERRNO(
        run_result(ring, [](Sqe& s) { prep::any(s, {.opcode = static_cast<abi::Opcode>(250)}); }),
        Errno::einval);
    CHECK_ERRNO(run_result(ring,
                           [](Sqe& s) {
                               prep::nop(s);
                               s.flags = 0x80; // no such flag
                           }),
                Errno::einval);
}

} // namespace
} // namespace oxbow::test
