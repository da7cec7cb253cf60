// Wakes that go from one loop to another through the kernel's rings instead of an eventfd.
#include "loop.h"
#include "needs.h"

namespace oxbow {

namespace {

// The ring's part that does it comes with this file, which comes with a call of it.
[[gnu::used]] constexpr const char* needed = &detail::ring_wake_part;

} // namespace

void Async::notify(Loop& from) noexcept {
    if (exchange(&queued_, u32{1}) == 0) {
        loop_->notified_.push(*this);
        loop_->wake_with(from);
    }
}

void Loop::wake_with(Loop& from) noexcept {
    if (!must_be_woken()) {
        return;
    }
    const bool can =
        ring_fd() >= 0 && from.running_ && &from != this && from.engine_->wake_other != nullptr;
    if (can && from.engine_->wake_other(from, *this)) {
        from.owes_wakes_ = true;
    } else {
        write_wake();
    }
}

} // namespace oxbow
