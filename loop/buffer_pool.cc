// Buffers of one size, and the operations that wait for one.
#include "buffer_pool.h"

#include "../syscall/abi_uring_register.h"
#include "../syscall/call_memory.h"
#include "../syscall/start.h"
#include "loop.h"

namespace oxbow {

namespace {

constexpr u32 count_max = 32768;
// What the kernel is offered at a time, if that is not too few: a part of a small second-level
// cache.
constexpr u32 offered_bytes = 128 * 1024;
constexpr u32 offered_least = 8;
// After as many takes the kernel is offered fewer. If that are too few, it costs as many requests
// as are missing another attempt.
constexpr u32 takes_to_fewer = 16384;
// Of 256 receives, how many of a crowd lead to turns, and how few end them.
constexpr u32 crowd_takes_many = 128;
constexpr u32 crowd_takes_few = 64;

/// How many buffers the kernel is offered in any case. By doubling: arm has no division.
[[nodiscard]] u32 offered_at_least(u32 buffer_bytes) noexcept {
    u32 buffers = offered_least;
    for (u64 bytes = u64{buffers} * buffer_bytes; 2 * bytes <= offered_bytes; bytes *= 2) {
        buffers *= 2;
    }
    return buffers;
}

/// What buffers of this size are to begin at a multiple of, so that each does that begins at one of
/// its own size.
[[nodiscard]] usize alignment_of(u32 buffer_bytes) noexcept {
    const usize page = page_bytes();
    const usize own = buffer_bytes & (0 - buffer_bytes);
    return own < page ? own : page;
}

} // namespace

i32 BufferPool::open(Loop& loop, const BufferPoolOptions& options) noexcept {
    OXBOW_CHECK(!is_open(), "BufferPool::open of a pool that is open");
    if (options.count == 0 || options.count > count_max || options.buffer_bytes == 0) {
        return -Errno::einval;
    }
    const i32 result = take_memory(options);
    if (result < 0) {
        return result;
    }
    count_ = options.count;
    buffer_bytes_ = options.buffer_bytes;
    ring_entries_ = ring_entries_for(count_);
    held_ = 0;
    first_free_ = 0;
    offered_ = takes_ = 0;
    offered_max_ = offered_max_least_ = offered_at_least(buffer_bytes_);
    offers_few_ = offered_max_ < count_;
    for (u32 i = 0; i < count_; ++i) {
        next_free_[i] = static_cast<u16>(i + 1);
    }
    loop_ = &loop;
    const i32 opened = loop.engine().open_pool(loop, *this);
    if (opened < 0) {
        unmap();
        return opened;
    }
    next = loop.pools_;
    loop.pools_ = this;
    return 0;
}

/// The ring's room first, since the kernel wants it at a page; then the chain; then the buffers.
i32 BufferPool::take_memory(const BufferPoolOptions& options) noexcept {
    u8* tables = static_cast<u8*>(options.tables);
    u8* buffers = static_cast<u8*>(options.memory);
    const usize table_size = table_bytes(options.count);
    const usize alignment = alignment_of(options.buffer_bytes);
    const u64 buffers_size = u64{options.count} * options.buffer_bytes;
    if ((reinterpret_cast<uptr>(tables) & (page_bytes() - 1)) != 0) {
        return -Errno::einval;
    }
    usize bytes = tables == nullptr ? (table_size + alignment - 1) & ~(alignment - 1) : 0;
    const usize buffers_at = bytes;
    if (buffers == nullptr) {
        if (buffers_size > ~usize{0} / 2) {
            return -Errno::enomem;
        }
        bytes += static_cast<usize>(buffers_size);
    }
    if (bytes != 0) {
        const long mapped =
            kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                         abi::map::private_ | abi::map::anonymous | abi::map::noreserve, -1, 0);
        if (is_error(mapped)) {
            return -Errno::enomem;
        }
        u8* const base = reinterpret_cast<u8*>(mapped);
        mapping_ = base;
        tables = tables == nullptr ? base : tables;
        buffers = buffers == nullptr ? base + buffers_at : buffers;
    }
    mapping_bytes_ = bytes;
    static_assert(sizeof(abi::BufferRingEntry) == ring_entry_bytes);
    const usize ring_bytes = ring_entries_for(options.count) * ring_entry_bytes;
    ring_memory = {tables, ring_bytes};
    next_free_ = reinterpret_cast<u16*>(tables + ring_bytes);
    buffers_ = buffers;
    return 0;
}

void BufferPool::close() noexcept {
    if (!is_open()) {
        return;
    }
    OXBOW_CHECK(waiters.empty(), "BufferPool::close while operations wait for a buffer");
    BufferPool** link = &loop_->pools_;
    while (*link != this) {
        link = &(*link)->next;
    }
    *link = next;
    loop_->engine().close_pool(*loop_, *this);
    unmap();
}

void BufferPool::unmap() noexcept {
    if (mapping_bytes_ != 0) {
        (void)kernel::munmap(mapping_, mapping_bytes_);
    }
    mapping_ = nullptr;
    mapping_bytes_ = 0;
    next_free_ = nullptr;
    buffers_ = nullptr;
    ring_memory = {};
    offers_few_ = in_turn_ = false;
    next = nullptr;
    loop_ = nullptr;
    group = 0;
    kernel_takes = false;
    count_ = buffer_bytes_ = ring_entries_ = held_ = first_free_ = offered_ = offered_max_ =
        offered_max_least_ = takes_ = crowd_takes_ = recent_takes_ = 0;
}

void BufferPool::untake(u16 id) noexcept {
    OXBOW_CHECK(id < count_ && next_free_[id] == taken, "a buffer was given back twice");
    --held_;
    put_first(id);
}

/// Of the chain of the free ones.
inline void BufferPool::put_first(u16 id) noexcept {
    next_free_[id] = static_cast<u16>(first_free_);
    first_free_ = id;
}

/// The kernel sees the entry when it sees the tail, which only we write.
inline void BufferPool::give_to_kernel(u16 id) noexcept {
    ++offered_;
    abi::BufferRingEntry* const ring = static_cast<abi::BufferRingEntry*>(ring_memory.base);
    const u16 tail = ring->tail; // it overlies the first entry
    abi::BufferRingEntry& entry = ring[tail & (ring_entries_ - 1)];
    entry.addr = address_of(buffer(id));
    entry.len = buffer_bytes_;
    entry.buffer_id = id;
    store_release(&ring->tail, static_cast<u16>(tail + 1));
}

void BufferPool::give_back(u16 id) noexcept {
    OXBOW_CHECK(is_open() && id < count_, "a buffer was given back that is none of the pool's");
    if (kernel_takes) {
        // Which buffers the kernel has taken it tells with each result; here they are only counted.
        OXBOW_CHECK(held_ != 0, "a buffer was given back twice");
        --held_;
        if (offered_ < offered_max_) {
            give_to_kernel(id);
        } else {
            put_first(id);
        }
    } else {
        untake(id);
    }
}

void BufferPool::offer_another() noexcept {
    const u16 id = static_cast<u16>(first_free_);
    first_free_ = next_free_[id];
    give_to_kernel(id);
}

void BufferPool::replace_taken() noexcept {
    if (++takes_ == takes_to_fewer) {
        takes_ = 0;
        const u32 least = in_turn_ ? 0 : offered_max_least_;
        const u32 fewer = offered_max_ - offered_max_ / 4;
        offered_max_ = fewer > least ? fewer : least;
    }
    if (offered_ < offered_max_ && can_take()) {
        offer_another();
    }
}

/// In turn, none is offered: what the kernel still has, it takes. But not every operation on a pool
/// can be done so, and those others see to it that they get some (offer_more).
void BufferPool::choose_turns() noexcept {
    const u32 of_crowd = crowd_takes_;
    crowd_takes_ = 0;
    if (in_turn_ && of_crowd < crowd_takes_few) {
        in_turn_ = false;
        offered_max_ = offered_max_least_;
        offer_all();
    } else if (!in_turn_ && of_crowd >= crowd_takes_many) {
        in_turn_ = true;
        offered_max_ = 0;
    }
}

bool BufferPool::offer_more() noexcept {
    takes_ = 0;
    if (!can_take()) {
        return false; // all are with the user, or there are as many as it has taken just now
    }
    offered_max_ = (offered_ > offered_max_ ? offered_ : offered_max_) + 1;
    offer_another();
    return true;
}

void BufferPool::serve_waiters() noexcept {
    // More than are offered would find none, and come back.
    const bool from_kernel = kernel_takes && !in_turn_;
    for (u32 left = from_kernel ? offered_ : count_ - held_; left != 0 && !waiters.empty();
         --left) {
        Completion& waiter = *waiters.pop();
        --loop_->dependents_;
        waiter.state = State::engine;
        loop_->engine().submit(*loop_, waiter);
    }
}

} // namespace oxbow
