// Memory of rings with setup::no_mmap: the caller's, or mapped here.
#include "ring.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "../syscall/errno.h"

namespace oxbow {

i32 Ring::provide_memory(const RingOptions& options, Reason& reason) noexcept {
    const RingLayout layout = layout_of(options);
    u64 base = address_of(options.memory);
    if (options.memory == nullptr) {
        const usize bytes = static_cast<usize>(layout.total_bytes()) + page_bytes_max; // to align
        const long mapped =
            kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                         abi::map::anonymous | abi::map::private_, -1, 0);
        if (is_error(mapped)) {
            reason.stage = Stage::memory;
            return reason.error = static_cast<i32>(mapped);
        }
        own_memory_ = {reinterpret_cast<void*>(mapped), bytes};
        base = ring_detail::page_multiple(static_cast<uptr>(mapped));
        if (options.dontfork) {
            (void)kernel::madvise(own_memory_.address, bytes, abi::madvice::dontfork);
        }
    } else if ((base & (page_bytes_max - 1)) != 0 || options.memory_bytes < layout.total_bytes()) {
        // The kernel does not know how much there is: too little would be overrun.
        reason.stage = Stage::memory;
        return reason.error = -Errno::einval;
    }
    cq_.entry = reinterpret_cast<const Cqe*>(static_cast<uptr>(base));
    sq_.entry = reinterpret_cast<Sqe*>(static_cast<uptr>(base + layout.rings_bytes));
    return 0;
}

} // namespace oxbow
