// The ring's descriptor: calls of io_uring_register, the registered index, eventfd and clock.
#include "ring.h"

#include "../syscall/call.h"
#include "../syscall/errno.h"

namespace oxbow {

i32 Ring::register_call(abi::RegisterOp operation, const void* argument, u32 count) noexcept {
    OXBOW_CHECK(is_open() || enter_fd_ >= 0, "io_uring_register on a closed ring");
    u32 number = static_cast<u32>(operation);
    i32 descriptor = fd_;
    // The index saves the file's look-up, and is all there is once the descriptor is closed.
    if (fd_is_registered() && (fd_ < 0 || has(abi::feature::reg_reg_ring))) {
        number |= abi::register_use_registered_ring;
        descriptor = enter_fd_;
    }
    return kernel::io_uring_register(descriptor, number, argument, count);
}

i32 Ring::register_ring_fd() noexcept {
    if (fd_is_registered()) {
        return -Errno::eexist;
    }
    abi::RingFdUpdate update = {};
    update.offset = abi::file_index_alloc;
    update.data = static_cast<u32>(fd_);
    const i32 result = register_call(abi::RegisterOp::ring_fds, &update, 1);
    if (result < 0) {
        return result;
    }
    if (result != 1) {
        return -Errno::einval; // the kernel answers how many it registered
    }
    enter_fd_ = static_cast<i32>(update.offset);
    enter_flags_ |= abi::enter::registered_ring;
    release_fd_ = [](Ring& ring) noexcept { (void)ring.unregister_ring_fd(); };
    return 0;
}

i32 Ring::unregister_ring_fd() noexcept {
    if (!fd_is_registered()) {
        return -Errno::einval;
    }
    abi::RingFdUpdate update = {};
    update.offset = static_cast<u32>(enter_fd_);
    const i32 result = register_call(abi::RegisterOp::unregister_ring_fds, &update, 1);
    if (result != 1) {
        return result < 0 ? result : -Errno::einval;
    }
    enter_fd_ = fd_;
    enter_flags_ &= ~abi::enter::registered_ring;
    release_fd_ = nullptr;
    return 0;
}

i32 Ring::close_ring_fd() noexcept {
    if (fd_ < 0 || !fd_is_registered() || !has(abi::feature::reg_reg_ring)) {
        return -Errno::einval;
    }
    const i32 result = kernel::close(fd_);
    fd_ = -1; // freed whatever the answer (close(2), NOTES)
    return result;
}

i32 Ring::use_clock(u32 clock) noexcept {
    abi::ClockRegister request = {};
    request.clock_id = clock;
    const i32 result = register_call(abi::RegisterOp::clock, &request, 0);
    if (result == 0) {
        clock_ = clock;
    }
    return result;
}

/// Before 5.8 there is no such word, and its offset is 0: that is where the mapping begins.
bool Ring::has_cq_flags() const noexcept {
    const void* const base = cq_ring_.address != nullptr ? cq_ring_.address : sq_ring_.address;
    return cq_shared_flags_ != base;
}

bool Ring::eventfd_enabled() const noexcept {
    return !has_cq_flags() ||
           (load_relaxed(cq_shared_flags_) & abi::cq_flag::eventfd_disabled) == 0;
}

i32 Ring::enable_eventfd(bool enabled) noexcept {
    if (!has_cq_flags()) {
        return enabled ? 0 : -Errno::eopnotsupp;
    }
    const u32 flags = load_relaxed(cq_shared_flags_);
    store_release(cq_shared_flags_, enabled ? flags & ~abi::cq_flag::eventfd_disabled
                                            : flags | abi::cq_flag::eventfd_disabled);
    return 0;
}

} // namespace oxbow
