// Operations that wait for processes and threads: waitid and futexes. They take no timeout: link
// one. The contract of all preps is in prep.h.
#pragma once

#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "prep_entry.h"

namespace oxbow::prep {

/// Which child, and which of its changes.
struct WaitId {
    i32 kind = 0;                    ///< abi::wait_for
    i32 id = 0;                      ///< what `kind` says: process, group, pidfd, nothing
    i32 options = 0;                 ///< abi::wait_option, at least exited, stopped or continued
    abi::SignalInfo* info = nullptr; ///< lives until the completion
};

/// Waits for a child of this process; ends with 0 and tells about it in `info`, whose signal is 0
/// where there was nothing to tell (wait_option::nohang). -ECHILD: there is no such child; -EINVAL:
/// no such option. 6.7.
inline void waitid(abi::Sqe& sqe, const WaitId& wait) noexcept {
    detail::start(sqe, abi::Opcode::waitid, wait.id);
    sqe.len = static_cast<u32>(wait.kind);
    sqe.off = address_of(wait.info);
    sqe.file_index = static_cast<u32>(wait.options);
}

/// How a futex word is waited for.
struct FutexWait {
    u64 value = 0;                    ///< wait only while the word has it
    u64 mask = abi::futex_bitset_any; ///< woken only by a wake with a common bit; not 0
    u32 flags = abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag; ///< abi::futex2_flag
};

/// Waits on a futex; ends with 0 when it is woken. -EAGAIN: the word has another value; -EINVAL:
/// the mask is 0, or the word is not aligned. The flags are those of futex2, not of futex(2), and
/// private_flag must be given by both sides or neither. 6.7.
inline void futex_wait(abi::Sqe& sqe, const u32* word, const FutexWait& wait) noexcept {
    detail::start(sqe, abi::Opcode::futex_wait, static_cast<i32>(wait.flags));
    sqe.addr = address_of(word);
    sqe.off = wait.value;
    sqe.third.addr3 = wait.mask;
}

/// Who is woken.
struct FutexWake {
    u64 count = 1;                    ///< at most so many; 0 wakes none
    u64 mask = abi::futex_bitset_any; ///< those with a common bit
    u32 flags = abi::futex2_flag::size_u32 | abi::futex2_flag::private_flag; ///< abi::futex2_flag
};

/// Wakes waiters of a futex, in rings and in threads; ends with their number. 6.7.
inline void futex_wake(abi::Sqe& sqe, const u32* word, const FutexWake& wake = {}) noexcept {
    detail::start(sqe, abi::Opcode::futex_wake, static_cast<i32>(wake.flags));
    sqe.addr = address_of(word);
    sqe.off = wake.count;
    sqe.third.addr3 = wake.mask;
}

/// Waits on up to 128 futexes at once; ends with the index of one that was woken. `waiters` lives
/// until submit. -EAGAIN: one of the words has another value; -EINVAL: none, too many, or bad
/// flags. 6.7.
inline void futex_waitv(abi::Sqe& sqe, const abi::FutexWaiter* waiters, u32 count) noexcept {
    detail::start(sqe, abi::Opcode::futex_waitv, 0);
    sqe.addr = address_of(waiters);
    sqe.len = count;
}

} // namespace oxbow::prep
