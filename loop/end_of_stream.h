// Whether 0 bytes mean the end: one answer for all engines.
#pragma once

#include "completion.h"

namespace oxbow {

/// result_flag::end_of_stream, where a last result of `value` says that no more will come: 0 bytes
/// into room for some, and not an empty datagram. 0 for everything else. For recvmsg_multishot,
/// whose results have a head, `value` is the bytes of payload.
[[nodiscard]] u32 end_flag(const Completion& operation, i32 value) noexcept;

} // namespace oxbow
