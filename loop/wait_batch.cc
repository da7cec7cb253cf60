// Waits that several completions end, and not the first.
#include "loop.h"
#include "needs.h"

namespace oxbow {

namespace {

// The ring's part that does it comes with this file, which comes with a call of it.
[[gnu::used]] constexpr const char* const needed[] = {&detail::ring_batch_part,
                                                      &detail::clock_part};

} // namespace

bool Loop::set_wait_batch(u32 completions, u64 limit_ns) noexcept {
    OXBOW_CHECK(is_open(), "set_wait_batch of a loop that is not open");
    check_owner();
    return engine_->set_wait_batch != nullptr &&
           engine_->set_wait_batch(*this, completions, limit_ns);
}

} // namespace oxbow
