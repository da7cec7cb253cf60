// What the kernel is told of once, so that it need not look it up with each operation: descriptors
// and memory. An engine that has nothing to tell a kernel leaves it at that.
#include "loop.h"
#include "needs.h"

namespace oxbow {

namespace {

// The ring's parts that do it come with this file, which comes with a call of it.
[[gnu::used]] constexpr const char* const needed[] = {&detail::ring_fds_part,
                                                      &detail::ring_memory_part};

} // namespace

/// Whether a close of it waits, or is on its way to the kernel.
bool Loop::is_being_closed(i32 fd) const noexcept {
    const auto has_close = [fd](const CompletionList& list) noexcept {
        for (const Completion* at = list.first(); at != nullptr; at = at->next) {
            if (at->kind == Kind::close && at->fd == fd) {
                return true;
            }
        }
        return false;
    };
    const FdSlot& slot = *fds_.slot(fd);
    return slot.has(FdSlot::closing) || has_close(slot.readers) || has_close(parked_);
}

bool Loop::register_fd(i32 fd) noexcept {
    OXBOW_CHECK(is_open(), "register_fd of a loop that is not open");
    check_owner();
    // What is about to be closed would stay open in the table.
    return engine_->register_fd != nullptr && fds_.slot(fd) != nullptr && !is_being_closed(fd) &&
           engine_->register_fd(*this, fd);
}

void Loop::unregister_fd(i32 fd) noexcept {
    OXBOW_CHECK(is_open(), "unregister_fd of a loop that is not open");
    check_owner();
    if (engine_->unregister_fd != nullptr && fds_.slot(fd) != nullptr) {
        engine_->unregister_fd(*this, fd);
    }
}

bool Loop::register_memory(void* memory, usize bytes) noexcept {
    OXBOW_CHECK(is_open(), "register_memory of a loop that is not open");
    check_owner();
    return engine_->register_memory != nullptr && memory != nullptr && bytes != 0 &&
           engine_->register_memory(*this, memory, bytes);
}

void Loop::unregister_memory(void* memory) noexcept {
    OXBOW_CHECK(is_open(), "unregister_memory of a loop that is not open");
    check_owner();
    if (engine_->unregister_memory != nullptr) {
        engine_->unregister_memory(*this, memory);
    }
}

} // namespace oxbow
