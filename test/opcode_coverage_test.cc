// Which test exercises which operation, held against what the running kernel says that it has: a
// kernel with an operation that nothing here names fails this test.
#include "live_ring.h"

extern "C" {
// Named by the linker: first and behind the last of the section that TEST fills.
extern const oxbow::test::TestEntry* __start_oxbow_tests[];
extern const oxbow::test::TestEntry* __stop_oxbow_tests[];
}

namespace oxbow::test {
namespace {

struct Exercised {
    abi::Opcode opcode;
    const char* test;
};

using enum abi::Opcode;

constexpr Exercised exercised[] = {
    {nop, "op_nop"},
    {readv, "op_readv_writev"},
    {writev, "op_readv_writev"},
    {fsync, "op_fsync"},
    {read_fixed, "op_read_fixed_write_fixed"},
    {write_fixed, "op_read_fixed_write_fixed"},
    {poll_add, "op_poll_add"},
    {poll_remove, "op_poll_remove"},
    {sync_file_range, "op_sync_file_range"},
    {sendmsg, "op_sendmsg"},
    {recvmsg, "op_recvmsg"},
    {timeout, "op_timeout_relative"},
    {timeout_remove, "op_timeout_remove"},
    {accept, "op_accept"},
    {async_cancel, "op_cancel_by_user_data"},
    {link_timeout, "op_link_timeout_fires"},
    {connect, "op_connect"},
    {fallocate, "op_fallocate"},
    {openat, "op_openat_close"},
    {close, "op_openat_close"},
    {files_update, "op_files_update"},
    {statx, "op_statx"},
    {read, "op_read_write"},
    {write, "op_read_write"},
    {fadvise, "op_fadvise"},
    {madvise, "op_madvise"},
    {send, "op_send"},
    {recv, "op_recv"},
    {openat2, "op_openat2"},
    {epoll_ctl, "op_epoll_ctl"},
    {splice, "op_splice"},
    {provide_buffers, "op_provide_and_remove_buffers"},
    {remove_buffers, "op_provide_and_remove_buffers"},
    {tee, "op_tee"},
    {shutdown, "op_shutdown"},
    {renameat, "op_renameat"},
    {unlinkat, "op_unlinkat_mkdirat"},
    {mkdirat, "op_unlinkat_mkdirat"},
    {symlinkat, "op_symlinkat_linkat"},
    {linkat, "op_symlinkat_linkat"},
    {msg_ring, "op_msg_ring_data"},
    {fsetxattr, "op_xattr_of_an_open_file"},
    {setxattr, "op_xattr_of_a_path"},
    {fgetxattr, "op_xattr_of_an_open_file"},
    {getxattr, "op_xattr_of_a_path"},
    {socket, "op_socket"},
    {uring_cmd, "op_socket_bytes_readable"},
    {send_zc, "op_send_zc"},
    {sendmsg_zc, "op_sendmsg_zc"},
    {read_multishot, "op_read_multishot"},
    {waitid, "op_waitid"},
    {futex_wait, "op_futex_wait_and_wake"},
    {futex_wake, "op_futex_wait_and_wake"},
    {futex_waitv, "op_futex_waitv"},
    {fixed_fd_install, "op_fixed_fd_install"},
    {ftruncate, "op_ftruncate"},
    {bind, "op_bind_listen"},
    {listen, "op_bind_listen"},
    {recv_zc, "op_recv_zc_is_refused_without_a_queue"},
    {epoll_wait, "op_epoll_wait"},
    {readv_fixed, "op_readv_fixed_writev_fixed"},
    {writev_fixed, "op_readv_fixed_writev_fixed"},
    {pipe, "op_pipe"},
    {nop128, "op_nop128"},
    {uring_cmd128, "op_uring_cmd128"},
};

[[nodiscard]] bool same_text(const char* a, const char* b) noexcept {
    while (*a != '\0' && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

[[nodiscard]] bool is_registered(const char* name) noexcept {
    for (const TestEntry** entry = __start_oxbow_tests; entry != __stop_oxbow_tests; ++entry) {
        if (same_text((*entry)->name, name)) {
            return true;
        }
    }
    return false;
}

TEST(op_coverage_names_tests_that_exist) {
    const NoLeaks no_leaks;
    u32 expected = 0;
    for (const Exercised& row : exercised) {
        CHECK_EQ(static_cast<u32>(row.opcode), expected); // in order, each once, none left out
        ++expected;
        if (!is_registered(row.test)) {
            note("no such test: ", row.test);
            FAIL("a test that the table names is not there");
        }
    }
}

TEST(op_coverage_of_this_kernel) {
    const NoLeaks no_leaks;
    LiveRing ring({.entries = 1});
    static abi::Probe probe = {};
    constexpr u32 room = sizeof(probe.ops) / sizeof(probe.ops[0]);
    CHECK_OK(ring->register_call(abi::RegisterOp::probe, &probe, room));
    CHECK_GT(probe.ops_len, 0u);
    constexpr u32 known = sizeof(exercised) / sizeof(exercised[0]);
    u32 supported = 0;
    for (u32 i = 0; i < probe.ops_len; ++i) {
        if ((probe.ops[i].flags & abi::op_supported) == 0) {
            continue;
        }
        ++supported;
        if (probe.ops[i].op >= known) {
            note("operation", probe.ops[i].op, "is not tested");
            FAIL("this kernel has an operation that no test exercises");
        }
    }
    CHECK_GT(supported, 0u);
    note("operations of this kernel:", supported);
}

} // namespace
} // namespace oxbow::test
