// A seccomp filter that refuses io_uring with a chosen errno, as the profiles of container
// run-times do. There is no way to take it off again: install it in a child.
#pragma once

#include "../syscall/abi_process.h"
#include "../syscall/call.h"

namespace oxbow::test {

/// Refuses io_uring_setup and nothing else. 0 or a negative errno.
[[nodiscard]] inline i32 refuse_rings(Errno error) noexcept {
    using namespace abi::bpf;
    const abi::SockFilter filter[] = {
        {load_word, 0, 0, __builtin_offsetof(abi::SeccompData, call)},
        {jump_equal, 0, 1, static_cast<u32>(number::io_uring_setup)},
        {answer, 0, 0, abi::seccomp_action::refuse_with | static_cast<u32>(error)},
        {answer, 0, 0, abi::seccomp_action::allow},
    };
    const abi::SockFprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    const i32 result = kernel::prctl(abi::prctl_option::set_no_new_privs, 1);
    return result < 0 ? result : kernel::seccomp(abi::seccomp_op::set_mode_filter, 0, &program);
}

} // namespace oxbow::test
