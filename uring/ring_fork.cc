// What a fork does to a ring.
#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "ring.h"

namespace oxbow {

namespace {

constexpr uptr page_bytes_min = 4096; // of all machines

void keep(uptr begin, uptr end) noexcept {
    // A refusal would only bring the traditional behaviour back.
    (void)kernel::madvise(reinterpret_cast<void*>(begin), end - begin, abi::madvice::dontfork);
}

} // namespace

void Ring::keep_from_children() noexcept {
    dontfork_ = true;
    uptr begin = 0;
    uptr end = 0;
    // The kernel puts each mapping right below the one before, if there is room.
    const Mapping mappings[] = {entries_, cq_ring_, sq_ring_};
    for (const Mapping& mapping : mappings) {
        const uptr next = reinterpret_cast<uptr>(mapping.address);
        if (mapping.bytes == 0) {
            continue;
        }
        if (end == 0 || next - end >= page_bytes_min) {
            if (end != 0) {
                keep(begin, end);
            }
            begin = next;
        }
        end = next + mapping.bytes;
    }
    if (end != 0) {
        keep(begin, end);
    }
}

} // namespace oxbow
