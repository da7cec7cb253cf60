// BufferRing: a ring of buffers in memory that the kernel reads directly: giving a buffer to it is
// three stores. The kernel takes them in the order in which they were added. 5.19.
#pragma once

#include "../syscall/abi_uring_register.h"
#include "../syscall/atomic.h"
#include "../syscall/check.h"
#include "ring.h"

namespace oxbow {

/// The most buffers in one ring, and so in one group: head and tail have 16 bits.
inline constexpr u32 ring_buffers_max = 1u << 15;

/// What BufferRing::open makes.
struct BufferRingOptions {
    /// What Sqe::buf_index says to use these buffers; any number that the ring does not use yet.
    u16 group = 0;

    /// Room for so many buffers: a power of two up to ring_buffers_max.
    u32 entries = 0;

    /// Memory for the ring itself, 16 bytes per entry, at a page boundary; it stays the caller's,
    /// need not be cleared, and must live until close(). nullptr: it is mapped.
    void* memory = nullptr;

    /// The kernel has the memory, and we map it. For machines whose caches would otherwise show the
    /// kernel something else (parisc), and where pinning memory is limited. 6.4.
    bool kernel_memory = false;

    /// A buffer may be used up in pieces: see BufferGroup. -EINVAL before 6.12.
    bool incremental = false;

    /// With `incremental`: a buffer with fewer bytes left than this counts as used up. -EINVAL
    /// before 7.1.
    u32 min_left_bytes = 0;

    /// Keeps memory that we map out of forked children.
    bool dontfork = true;
};

/// Like Ring, it has no destructor, belongs to one thread, and is closed by hand.
class BufferRing {
  public:
    constexpr BufferRing() noexcept = default;
    BufferRing(const BufferRing&) = delete;
    BufferRing& operator=(const BufferRing&) = delete;

    /// Maps and registers an empty ring of buffers; `ring` must stay where it is until close().
    ///
    /// -EINVAL: the number of entries, memory that is not at a page boundary, an option that this
    /// kernel lacks, or kernel_memory for a Ring without a descriptor; -EEXIST: the group exists;
    /// -ENOMEM. After an error nothing is left mapped or registered.
    [[nodiscard]] i32 open(Ring& ring, const BufferRingOptions& options) noexcept;

    /// Unregisters and unmaps; before or after Ring::close(), but not after the Ring was opened
    /// anew. Operations in flight must not use buffers of the group any more, or end first.
    void close() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return entry_ != nullptr; }

    /// Adds a buffer, which the kernel sees at the next publish(). `id` is what Cqe::buffer_id()
    /// will say. The memory is the kernel's until then. There must be room: no more buffers may be
    /// in the ring than it has entries.
    void add(void* data, u32 bytes, u16 id) noexcept {
        // Not a whole struct: the last two bytes of the first entry are the tail.
        abi::BufferRingEntry& entry = entry_[tail_ & mask_];
        entry.addr = address_of(data);
        entry.len = bytes;
        entry.buffer_id = id;
        ++tail_;
    }

    /// Shows the kernel all buffers that were added.
    void publish() noexcept { store_release(&entry_->tail, tail_); }

    /// publish(), and gives back completion slots of the Ring: what a loop over completions with
    /// buffers ends with.
    void publish_and_advance(u32 completion_slots) noexcept {
        publish();
        ring_->advance(completion_slots);
    }

    /// Buffers that were added and not published.
    [[nodiscard]] u16 unpublished() const noexcept {
        return static_cast<u16>(tail_ - load_relaxed(&entry_->tail));
    }

    /// How many buffers the kernel has used up since the ring was opened, modulo 65536. 0 or
    /// -EINVAL: before 6.8.
    [[nodiscard]] i32 head(u16* head) noexcept;

    /// How many published buffers the kernel still has, or -EINVAL: before 6.8. What an operation
    /// in flight is about to use counts as still there.
    [[nodiscard]] i32 available() noexcept;

    /// Where the next buffer will be added, modulo 65536; entry() shows it afterwards.
    [[nodiscard]] u16 position() const noexcept { return tail_; }
    /// The entry at a position. An incremental ring changes `addr` and `len` as it goes.
    [[nodiscard]] const abi::BufferRingEntry& entry(u16 position) const noexcept {
        return entry_[position & mask_];
    }

    [[nodiscard]] u16 group() const noexcept { return group_; }
    [[nodiscard]] u32 entries() const noexcept { return is_open() ? mask_ + 1u : 0; }

  private:
    [[nodiscard]] i32 open_in_memory(const BufferRingOptions& options) noexcept;
    [[nodiscard]] i32 open_in_kernel(const BufferRingOptions& options) noexcept;

    Ring* ring_ = nullptr;
    abi::BufferRingEntry* entry_ = nullptr;
    usize mapped_bytes_ = 0; // 0: the memory is the caller's
    u16 mask_ = 0;
    u16 tail_ = 0; // the kernel has seen entry_->tail
    u16 group_ = 0;
};

} // namespace oxbow
