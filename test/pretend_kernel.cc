// See pretend_kernel.h. The order of checks is that of io_uring/{io_uring,register}.c.
#include "pretend_kernel.h"

#include "harness.h"
#include "hook.h"

namespace oxbow::test {

namespace {

namespace setup_flag = abi::setup;

constexpr u32 zcrx_bit = static_cast<u32>(abi::RegisterOp::zcrx_ifq);

[[nodiscard]] constexpr u32 low(u32 last_bit) noexcept {
    return (last_bit << 1) - 1;
}

/// What a 6.13 and a 6.14 have: all up to mem_region but zcrx_ifq, whose number was kept free.
constexpr u64 register_ops_of_6_13 = up_to(34) & ~(u64{1} << zcrx_bit);

[[nodiscard]] bool contradicts(u32 flags) noexcept {
    const auto needs = [flags](u32 flag, u32 other) noexcept {
        return (flags & flag) != 0 && (flags & other) == 0;
    };
    return needs(setup_flag::defer_taskrun, setup_flag::single_issuer) ||
           needs(setup_flag::taskrun_flag, setup_flag::coop_taskrun | setup_flag::defer_taskrun) ||
           needs(setup_flag::sq_aff, setup_flag::sqpoll) ||
           needs(setup_flag::registered_fd_only, setup_flag::no_mmap) ||
           needs(setup_flag::hybrid_iopoll, setup_flag::iopoll) ||
           needs(setup_flag::sq_rewind, setup_flag::no_sqarray);
}

} // namespace

const KernelParts kernel_parts[9] = {
    {"5.1", low(setup_flag::sq_aff), 0, low(abi::enter::sq_wakeup), abi::sqe_flag::fixed_file, 8,
     up_to(3), false, false, true},
    {"5.5", low(setup_flag::cqsize), low(abi::feature::submit_stable), low(abi::enter::sq_wakeup),
     low(abi::sqe_flag::io_hardlink), 17, up_to(6), false, false, true},
    {"5.6", low(setup_flag::attach_wq), low(abi::feature::cur_personality),
     low(abi::enter::sq_wakeup), low(abi::sqe_flag::async), 30, up_to(10), true, false, true},
    {"5.10", low(setup_flag::r_disabled), low(abi::feature::poll_32bits), low(abi::enter::sq_wait),
     low(abi::sqe_flag::buffer_select), 34, up_to(12), true, false, true},
    {"5.15", low(setup_flag::r_disabled), low(abi::feature::rsrc_tags), low(abi::enter::ext_arg),
     low(abi::sqe_flag::buffer_select), 40, up_to(19), true, true, false},
    {"6.1", low(setup_flag::defer_taskrun), low(abi::feature::linked_file),
     low(abi::enter::registered_ring), low(abi::sqe_flag::cqe_skip_success), 49, up_to(25), true,
     true, false},
    {"6.12", low(setup_flag::no_sqarray), low(abi::feature::min_timeout),
     low(abi::enter::abs_timer), low(abi::sqe_flag::cqe_skip_success), 58, up_to(30), true, true,
     false},
    {"6.13", low(setup_flag::hybrid_iopoll), low(abi::feature::min_timeout),
     low(abi::enter::ext_arg_reg), low(abi::sqe_flag::cqe_skip_success), 58, register_ops_of_6_13,
     true, true, false},
    {"6.16", low(setup_flag::hybrid_iopoll), low(abi::feature::no_iowait),
     low(abi::enter::no_iowait), low(abi::sqe_flag::cqe_skip_success), 63, up_to(34), true, true,
     false},
};

PretendKernel::PretendKernel(const KernelParts& parts) noexcept : parts_(parts) {
    set_handler(handle, this);
}

PretendKernel::~PretendKernel() {
    remove_handler(handle, this);
}

long PretendKernel::setup(u32 entries, abi::Params* params) noexcept {
    ++setups_;
    const u32 flags = params->flags;
    if ((flags & ~parts_.setup_flags) != 0 || entries == 0 || contradicts(flags)) {
        return -Errno::einval;
    }
    if ((flags & setup_flag::sqpoll) != 0 && parts_.sqpoll_is_a_privilege) {
        return -Errno::eperm;
    }
    if ((flags & setup_flag::no_mmap) != 0 && params->cq_off.user_addr == 0) {
        return -Errno::efault;
    }
    params->features = parts_.features;
    params->sq_entries = 1;
    params->cq_entries = 2;
    if ((flags & setup_flag::registered_fd_only) != 0) {
        ++open_;
        return 0;
    }
    const long fd = real_call(number::eventfd2, 0, 0);
    if (fd >= 0) {
        CHECK_LT(fd, 64);
        fds_ |= u64{1} << fd;
        ++open_;
    }
    return fd;
}

long PretendKernel::register_call(i32 fd, u32 operation, void* argument, u32 count) noexcept {
    const bool registered = (operation & abi::register_use_registered_ring) != 0;
    const u32 index = operation & ~abi::register_use_registered_ring;
    const bool in_range = index < 64 && (parts_.register_ops >> index) != 0;
    if (parts_.looks_at_number_first && !in_range) {
        return -Errno::einval;
    }
    if (fd < 0) {
        return -Errno::ebadf;
    }
    if (!in_range || (parts_.register_ops >> index & 1) == 0) {
        return -Errno::einval;
    }
    switch (static_cast<abi::RegisterOp>(index)) {
    case abi::RegisterOp::probe: {
        if (count != 256) {
            return -Errno::efault;
        }
        auto* const answer = static_cast<abi::Probe*>(argument);
        answer->last_op = static_cast<u8>(parts_.opcode_count - 1);
        answer->ops_len = static_cast<u8>(parts_.opcode_count);
        for (u32 op = 0; op < parts_.opcode_count; ++op) {
            answer->ops[op] = {static_cast<u8>(op), 0, abi::op_supported, 0};
        }
        return 0;
    }
    case abi::RegisterOp::unregister_ring_fds:
        if (registered) {
            --open_;
            return 1;
        }
        return -Errno::efault;
    case abi::RegisterOp::personality:
        return 1;
    default:
        return -Errno::efault;
    }
}

long PretendKernel::enter(u32 flags) const noexcept {
    if ((flags & ~parts_.enter_flags) != 0) {
        return -Errno::einval;
    }
    return (flags & abi::enter::registered_ring) != 0 ? -Errno::ebadf : 0;
}

bool PretendKernel::handle(void* context, long number, const long* arguments, int count,
                           long* result) noexcept {
    (void)count;
    PretendKernel& self = *static_cast<PretendKernel*>(context);
    const auto word = [arguments](int at) noexcept { return static_cast<u32>(arguments[at]); };
    switch (number) {
    case number::io_uring_setup:
        *result = self.setup(word(0), reinterpret_cast<abi::Params*>(arguments[1]));
        return true;
    case number::io_uring_register:
        *result = self.register_call(static_cast<i32>(arguments[0]), word(1),
                                     reinterpret_cast<void*>(arguments[2]), word(3));
        return true;
    case number::io_uring_enter:
        *result = self.enter(word(3));
        return true;
    case number::close:
        if (word(0) < 64 && (self.fds_ >> word(0) & 1) != 0) {
            self.fds_ &= ~(u64{1} << word(0));
            --self.open_;
        }
        return false; // an eventfd, which the kernel closes
    default:
        return false;
    }
}

} // namespace oxbow::test
