// See limited_kernel.h.
#include "limited_kernel.h"

#include "harness.h"
#include "hook.h"

namespace oxbow::test {

const KernelParts& parts_of(const char* version) noexcept {
    for (const KernelParts& parts : kernel_parts) {
        const char* a = parts.name;
        const char* b = version;
        while (*a != '\0' && *a == *b) {
            ++a;
            ++b;
        }
        if (*a == *b) {
            return parts;
        }
    }
    FAIL("no parts of this version");
}

LimitedKernel::LimitedKernel(const KernelParts& parts) noexcept : parts_(parts) {
    set_handler(handle, this);
}

LimitedKernel::~LimitedKernel() {
    remove_handler(handle, this);
}

bool LimitedKernel::handle(void* context, long number, const long* arguments, int count,
                           long* result) noexcept {
    (void)count;
    const KernelParts& parts = static_cast<LimitedKernel*>(context)->parts_;
    const u32 second = static_cast<u32>(arguments[1]);
    switch (number) {
    case number::io_uring_setup: {
        auto* const params = reinterpret_cast<abi::Params*>(arguments[1]);
        if ((params->flags & ~parts.setup_flags) != 0) {
            *result = -Errno::einval;
            return true;
        }
        *result = real_call(number, arguments[0], arguments[1]);
        params->features &= parts.features;
        return true;
    }
    case number::io_uring_register: {
        const u32 operation = second & ~abi::register_use_registered_ring;
        if (operation >= 64 || (parts.register_ops >> operation & 1) == 0) {
            *result = -Errno::einval;
            return true;
        }
        *result = real_call(number, arguments[0], arguments[1], arguments[2], arguments[3]);
        if (*result == 0 && operation == static_cast<u32>(abi::RegisterOp::probe)) {
            auto* const probe = reinterpret_cast<abi::Probe*>(arguments[2]);
            probe->last_op = static_cast<u8>(parts.opcode_count - 1);
            probe->ops_len = static_cast<u8>(parts.opcode_count);
        }
        return true;
    }
    case number::io_uring_enter:
        if ((static_cast<u32>(arguments[3]) & ~parts.enter_flags) != 0) {
            *result = -Errno::einval;
            return true;
        }
        return false;
    default:
        return false;
    }
}

} // namespace oxbow::test
