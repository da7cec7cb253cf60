// The three system calls of io_uring. Source: io_uring/io_uring.c, io_uring/register.c.
#pragma once

#include "abi_uring.h"
#include "call_pair.h"

namespace oxbow::kernel {

/// Makes a ring; returns its descriptor and fills `parameters`. 5.1.
[[nodiscard]] inline i32 io_uring_setup(u32 entries, abi::Params* parameters) noexcept {
    return invoke_plain(number::io_uring_setup, entries, parameters);
}

/// Hands over submissions and waits for completions; returns how many submissions were taken.
/// `argument` is a signal set of the kernel (8 bytes) or, with enter::ext_arg, a GeteventsArg. 5.1.
[[nodiscard]] inline i32 io_uring_enter(i32 fd, u32 to_submit, u32 min_complete, u32 flags,
                                        const void* argument, usize argument_bytes) noexcept {
    return invoke_plain(number::io_uring_enter, fd, to_submit, min_complete, flags, argument,
                        argument_bytes);
}

/// The plain form: waits without a limit and with the thread's own signal mask. Five arguments,
/// since nobody reads the size of a mask that is not there (io_uring/io_uring.c, io_get_ext_arg).
[[nodiscard]] inline i32 io_uring_enter(i32 fd, u32 to_submit, u32 min_complete,
                                        u32 flags) noexcept {
    return invoke_plain(number::io_uring_enter, fd, to_submit, min_complete, flags, nullptr);
}

/// Every other operation on a ring, an abi::RegisterOp and its flags in the high bits. 5.1.
[[nodiscard]] inline i32 io_uring_register(i32 fd, u32 operation, const void* argument,
                                           u32 count) noexcept {
    return invoke_plain(number::io_uring_register, fd, operation, argument, count);
}

} // namespace oxbow::kernel
