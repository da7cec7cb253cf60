// The loop on io_uring. io/open.h chooses it; whoever wants this one and no other attaches it
// directly.
#pragma once

#include "../loop/loop.h"
#include "reason.h"

namespace oxbow {

/// Lets a loop that was prepared (Loop::prepare) wait with io_uring. 0, or a negative errno with
/// the cause in `reason` and nothing left behind.
[[nodiscard]] i32 attach_uring(Loop& loop, Reason* reason = nullptr) noexcept;

} // namespace oxbow
