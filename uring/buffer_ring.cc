// Setting up and asking about rings of buffers.
#include "buffer_ring.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "../syscall/errno.h"
#include "register_buffers.h"

namespace oxbow {

namespace {

[[nodiscard]] abi::BufferRingRegister request_of(const BufferRingOptions& options) noexcept {
    abi::BufferRingRegister request = {};
    request.ring_entries = options.entries;
    request.group_id = options.group;
    request.min_left = options.min_left_bytes;
    request.flags = options.incremental ? abi::buffer_ring_flag::incremental : u16{0};
    return request;
}

[[nodiscard]] usize bytes_of(const BufferRingOptions& options) noexcept {
    return options.entries * sizeof(abi::BufferRingEntry);
}

} // namespace

i32 BufferRing::open(Ring& ring, const BufferRingOptions& options) noexcept {
    OXBOW_CHECK(!is_open(), "BufferRing::open of a ring that is open");
    const u32 entries = options.entries;
    if (entries == 0 || entries > ring_buffers_max || (entries & (entries - 1)) != 0 ||
        (options.kernel_memory && options.memory != nullptr)) {
        return -Errno::einval;
    }
    ring_ = &ring;
    const i32 result = options.kernel_memory ? open_in_kernel(options) : open_in_memory(options);
    if (result < 0) {
        return result;
    }
    if (mapped_bytes_ != 0 && options.dontfork) {
        // A refusal only means that children see the memory, which then is theirs to leave alone.
        (void)kernel::madvise(entry_, mapped_bytes_, abi::madvice::dontfork);
    }
    mask_ = static_cast<u16>(entries - 1);
    group_ = options.group;
    tail_ = 0;
    return 0;
}

i32 BufferRing::open_in_memory(const BufferRingOptions& options) noexcept {
    void* memory = options.memory;
    const usize bytes = bytes_of(options);
    if (memory == nullptr) {
        const long mapped =
            kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                         abi::map::anonymous | abi::map::private_, -1, 0);
        if (is_error(mapped)) {
            return static_cast<i32>(mapped);
        }
        memory = reinterpret_cast<void*>(mapped);
    }
    // The kernel begins at 0 and reads nothing but the tail until there are buffers, so that is all
    // that has to be cleared. Before it is registered: afterwards the kernel may read at any time.
    auto* const entry = static_cast<abi::BufferRingEntry*>(memory);
    store_release(&entry->tail, u16{0});
    abi::BufferRingRegister request = request_of(options);
    request.ring_addr = address_of(memory);
    const i32 result = register_buffer_ring(*ring_, request);
    if (result < 0) {
        if (options.memory == nullptr) {
            (void)kernel::munmap(memory, bytes);
        }
        return result;
    }
    entry_ = entry;
    mapped_bytes_ = options.memory == nullptr ? bytes : 0;
    return 0;
}

i32 BufferRing::open_in_kernel(const BufferRingOptions& options) noexcept {
    if (ring_->fd() < 0) {
        return -Errno::einval; // there is nothing to map from
    }
    abi::BufferRingRegister request = request_of(options);
    request.flags = static_cast<u16>(request.flags | abi::buffer_ring_flag::mmap);
    const i32 result = register_buffer_ring(*ring_, request);
    if (result < 0) {
        return result;
    }
    const usize bytes = bytes_of(options);
    const u64 offset = abi::mmap_offset::buffer_ring |
                       u64{options.group} << abi::mmap_offset::buffer_ring_group_shift;
    const long mapped = kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                     abi::map::shared | abi::map::populate, ring_->fd(), offset);
    if (is_error(mapped)) {
        (void)unregister_buffer_ring(*ring_, options.group);
        return static_cast<i32>(mapped);
    }
    entry_ = reinterpret_cast<abi::BufferRingEntry*>(mapped); // the kernel has cleared it
    mapped_bytes_ = bytes;
    return 0;
}

void BufferRing::close() noexcept {
    if (!is_open()) {
        return;
    }
    if (ring_->is_open()) {
        // A refusal cannot be helped: the kernel then keeps its own hold of the pages until the
        // ring is gone, and nothing it does with them can reach memory that is mapped anew.
        (void)unregister_buffer_ring(*ring_, group_);
    }
    if (mapped_bytes_ != 0) {
        (void)kernel::munmap(entry_, mapped_bytes_);
    }
    entry_ = nullptr;
    mapped_bytes_ = 0;
    ring_ = nullptr;
}

i32 BufferRing::head(u16* head) noexcept {
    return buffer_ring_head(*ring_, group_, head);
}

i32 BufferRing::available() noexcept {
    u16 taken = 0;
    const i32 result = head(&taken);
    return result < 0 ? result : static_cast<u16>(load_relaxed(&entry_->tail) - taken);
}

} // namespace oxbow
