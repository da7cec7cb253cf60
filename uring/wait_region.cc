// Mapping, registering and filling a region of registered waits.
#include "wait_region.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "../syscall/errno.h"
#include "../syscall/time.h"
#include "register_ring.h"

namespace oxbow {

i32 WaitRegion::open(Ring& ring, u32 entries) noexcept {
    OXBOW_CHECK(!is_open(), "WaitRegion::open of a region that is open");
    constexpr u32 entries_limit = 1u << 20; // 64 MiB
    if (entries == 0 || entries > entries_limit) {
        return -Errno::einval;
    }
    const usize bytes =
        static_cast<usize>(ring_detail::page_multiple(u64{entries} * sizeof(abi::RegWait)));
    const long mapped = kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                     abi::map::anonymous | abi::map::private_, -1, 0);
    if (is_error(mapped)) {
        return static_cast<i32>(mapped);
    }
    void* const memory = reinterpret_cast<void*>(mapped);
    // A child that shared the pages would leave the parent with copies that the kernel never reads.
    (void)kernel::madvise(memory, bytes, abi::madvice::dontfork);
    abi::RegionDescriptor region = {};
    region.user_addr = address_of(memory);
    region.size = bytes;
    region.flags = abi::mem_region_type_user;
    const i32 result = register_memory_region(ring, region, abi::mem_region_reg_wait_arg);
    if (result < 0) {
        (void)kernel::munmap(memory, bytes);
        return result;
    }
    entry_ = static_cast<abi::RegWait*>(memory);
    entries_ = static_cast<u32>(bytes / sizeof(abi::RegWait));
    bytes_ = bytes;
    return 0;
}

void WaitRegion::close() noexcept {
    if (entry_ != nullptr) {
        (void)kernel::munmap(entry_, bytes_);
    }
    entry_ = nullptr;
    entries_ = 0;
    bytes_ = 0;
}

void WaitRegion::set(u32 index, const Wait& wait) noexcept {
    OXBOW_CHECK(index < entries_, "WaitRegion::set beyond the region");
    if (index >= entries_) {
        return;
    }
    abi::RegWait entry = {};
    if (wait.timeout_ns != Wait::for_ever) {
        entry.timeout = timespec_of(wait.timeout_ns);
        entry.flags = abi::reg_wait_ts;
    }
    entry.min_wait_usec = wait.min_wait_usec;
    entry.sigmask = address_of(wait.signals);
    entry.sigmask_size = wait.signals != nullptr ? sizeof(abi::SignalSet) : 0;
    entry_[index] = entry;
}

} // namespace oxbow
