// What each kind of operation waits for, and where it has the flags of its call.
#pragma once

#include "completion.h"

namespace oxbow {

/// How an operation is done where there are only system calls and readiness.
enum class Way : u8 {
    now,    ///< a call that never waits
    worker, ///< a call that can wait, and for nothing that has a descriptor to watch
    input,  ///< tried, and again when its descriptor is readable
    output, ///< tried, and again when its descriptor is writable
    poll,   ///< readiness itself
    child,  ///< waits for a process's descriptor
};

/// What there is to know about a kind.
struct KindInfo {
    u8 way      : 3; ///< Way
    u8 on_files : 1; ///< also works on what cannot be waited for: files, and the like of /dev/null
    u8 flags_at : 4; ///< where Completion::arguments has the flags, in words; 0: there are none
};
struct KindTable {
    KindInfo of[static_cast<u32>(Kind::count)];
};
extern const KindTable kind_table;

[[nodiscard]] inline KindInfo info_of(const Completion& operation) noexcept {
    return kind_table.of[static_cast<u32>(operation.kind)];
}
[[nodiscard]] inline Way way_of(const Completion& operation) noexcept {
    return static_cast<Way>(info_of(operation).way);
}

/// The flags of the call, such as abi::msg_flag; 0: it has none.
[[nodiscard]] u32 flags_of(const Completion& operation) noexcept;

/// Whether the caller asked for -EAGAIN instead of a wait.
[[nodiscard]] bool asks_not_to_wait(const Completion& operation) noexcept;

} // namespace oxbow
