// The scripted kernel: its life, the calls it takes over, and what tests read from it.
#include "fake_kernel.h"

#include "../syscall/abi_memory.h"
#include "../syscall/atomic.h"
#include "fake_kernel_logs.h"

namespace oxbow::test {

void* fake_memory(usize bytes) noexcept {
    const long address =
        real_call(number::mmap, nullptr, bytes, abi::protection::read | abi::protection::write,
                  abi::map::private_ | abi::map::anonymous | abi::map::noreserve, -1, 0);
    if (is_error(address)) {
        FAIL("fake kernel: no memory");
    }
    return reinterpret_cast<void*>(address);
}

void free_fake_memory(void* memory, usize bytes) noexcept {
    if (memory != nullptr) {
        (void)real_call(number::munmap, memory, bytes);
    }
}

FakeKernel::FakeKernel(const FakeOptions& options) noexcept : options_(options) {
    logs_ = static_cast<Logs*>(fake_memory(sizeof(Logs)));
    set_handler(handle, this);
}

FakeKernel::~FakeKernel() {
    remove_handler(handle, this);
    if (fd_ >= 0) {
        (void)close_fd();
    }
    tear_down();
    free_fake_memory(logs_, sizeof(Logs));
}

// ---- The calls it takes over ------------------------------------------------------------------

bool FakeKernel::handle(void* context, long number, const long* arguments, int,
                        long* result) noexcept {
    FakeKernel& self = *static_cast<FakeKernel*>(context);
    const i32 fd = static_cast<i32>(arguments[0]);
    switch (number) {
    case number::io_uring_setup:
        if (self.open_) {
            return false;
        }
        *result = self.setup(static_cast<u32>(arguments[0]),
                             reinterpret_cast<abi::Params*>(arguments[1]));
        return true;
    case number::io_uring_enter: {
        const bool registered = (static_cast<u32>(arguments[3]) & abi::enter::registered_ring) != 0;
        if (!self.is_own(fd, registered)) {
            return false;
        }
        *result = self.answer_enter(arguments);
        return true;
    }
    case number::io_uring_register: {
        const u32 operation = static_cast<u32>(arguments[1]);
        if (!self.is_own(fd, (operation & abi::register_use_registered_ring) != 0)) {
            return false;
        }
        *result = self.answer_register(operation, reinterpret_cast<void*>(arguments[2]),
                                       static_cast<u32>(arguments[3]));
        return true;
    }
    case number::mmap:
        if (!self.is_own(static_cast<i32>(arguments[4]), false)) {
            return false;
        }
        *result = self.map(arguments);
        return true;
    case number::munmap:
        self.unmapped(static_cast<uptr>(arguments[0]), static_cast<usize>(arguments[1]));
        return false;
    case number::close:
        if (!self.is_own(fd, false)) {
            return false;
        }
        *result = self.close_fd();
        return true;
    default:
        return false;
    }
}

bool FakeKernel::is_own(i32 fd, bool registered) const noexcept {
    return open_ && fd >= 0 && fd == (registered ? registered_index_ : fd_);
}

// ---- The script -------------------------------------------------------------------------------

void FakeKernel::add(const Step& step) noexcept {
    if (step_count_ == steps_max) {
        FAIL("fake kernel: the script is too long");
    }
    logs_->steps[step_count_++] = step;
}

u32 FakeKernel::steps_left() const noexcept {
    return step_count_ - step_first_;
}

Step FakeKernel::next_step() noexcept {
    if (step_first_ == step_count_) {
        return {};
    }
    const Step step = logs_->steps[step_first_];
    if (++step_repeats_ >= step.repeat) {
        ++step_first_;
        step_repeats_ = 0;
    }
    return step;
}

void FakeKernel::set_register_result(abi::RegisterOp operation, i32 result) noexcept {
    const u32 index = static_cast<u32>(operation);
    if (index < 64) {
        logs_->register_results[index] = result;
        logs_->has_register_result[index] = true;
    }
}

// ---- Registering ------------------------------------------------------------------------------

i32 FakeKernel::answer_register(u32 operation, void* argument, u32 count) noexcept {
    const u32 code = operation & ~abi::register_use_registered_ring;
    i32 result = -Errno::einval;
    if (code < 64 && logs_->has_register_result[code]) {
        result = logs_->register_results[code];
    } else if (code == static_cast<u32>(abi::RegisterOp::enable_rings)) {
        result = enabled_ ? -Errno::ebadfd : 0;
        enabled_ = true;
    } else if (code == static_cast<u32>(abi::RegisterOp::ring_fds) && count == 1) {
        auto* const update = static_cast<abi::RingFdUpdate*>(argument);
        registered_index_ = update->offset == everything ? 5 : static_cast<i32>(update->offset);
        update->offset = static_cast<u32>(registered_index_);
        result = 1;
    } else if (code == static_cast<u32>(abi::RegisterOp::unregister_ring_fds)) {
        result = registered_index_ >= 0 ? 1 : 0;
        registered_index_ = -1;
        open_ = fd_ >= 0; // the last reference to the ring
    }
    if (register_count_ < registers_max) {
        logs_->registers[register_count_] = {
            fd_,      code,  (operation & abi::register_use_registered_ring) != 0,
            argument, count, result};
    }
    ++register_count_;
    return result;
}

// ---- What can be asserted ---------------------------------------------------------------------

u32 FakeKernel::sq_head() const noexcept {
    return load_acquire(sq_word(params_.sq_off.head));
}
u32 FakeKernel::sq_tail() const noexcept {
    return load_acquire(sq_word(params_.sq_off.tail));
}
u32 FakeKernel::sq_flags() const noexcept {
    return load_acquire(sq_word(params_.sq_off.flags));
}
u32 FakeKernel::sq_dropped() const noexcept {
    return load_acquire(sq_word(params_.sq_off.dropped));
}
u32 FakeKernel::cq_head() const noexcept {
    return load_acquire(cq_word(params_.cq_off.head));
}
u32 FakeKernel::cq_tail() const noexcept {
    return load_acquire(cq_word(params_.cq_off.tail));
}
u32 FakeKernel::cq_overflow() const noexcept {
    return load_acquire(cq_word(params_.cq_off.overflow));
}

u32 FakeKernel::mapping_count() const noexcept {
    u32 count = 0;
    for (const Mapping& mapping : mappings_) {
        count += mapping.bytes != 0 ? 1 : 0;
    }
    return count;
}

const EnterRecord& FakeKernel::enter(u32 index) const noexcept {
    if (index >= enter_count_ || index >= enters_max) {
        FAIL("fake kernel: no such enter was recorded");
    }
    return logs_->enters[index];
}

const RegisterRecord& FakeKernel::register_call(u32 index) const noexcept {
    if (index >= register_count_ || index >= registers_max) {
        FAIL("fake kernel: no such register call was recorded");
    }
    return logs_->registers[index];
}

const SetupRecord& FakeKernel::setup_call(u32 index) const noexcept {
    if (index >= setup_count_ || index >= setups_max) {
        FAIL("fake kernel: no such setup was recorded");
    }
    return logs_->setups[index];
}

const abi::Sqe& FakeKernel::consumed(u32 index) const noexcept {
    if (index >= consumed_count_ || index >= sqes_max) {
        FAIL("fake kernel: no such entry was recorded");
    }
    return logs_->sqes[index];
}

} // namespace oxbow::test
