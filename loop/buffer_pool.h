// BufferPool: buffers of one size for operations that take theirs only when data have come, so that
// ten thousand idle connections share a handful of them. On io_uring it is a buffer ring that the
// kernel takes from (5.19); elsewhere the engine takes one when the descriptor is readable.
//
// A buffer that was used just now is in the cache, one that was not is not, and for 16 KiB that is
// as much as all else that an answer costs. So the kernel, which takes its buffers in turn, is
// offered only a few, and these are replaced by those that were given back last. Where more data
// come at a time than are offered, that is made good by as many more, for a while.
//
// Where large data come for many at a time, few buffers are too many: what was received first is in
// no near cache any more when the last callback has run. Then receives are to be made in turn with
// their callbacks, each into the buffer that was given back last (in_turn()).
#pragma once

#include "list.h"

namespace oxbow {

class Loop;

struct BufferPoolOptions {
    u32 count = 0;        ///< up to 32768
    u32 buffer_bytes = 0; ///< of each

    /// `count` times `buffer_bytes` of the caller's, until close(); nullptr: it is mapped, and
    /// takes real memory only where it is written to.
    void* memory = nullptr;

    /// BufferPool::table_bytes(count) for what the pool knows of its buffers, at the beginning of a
    /// page; nullptr: it is mapped. With both, opening a pool costs no mapping.
    void* tables = nullptr;
};

/// Has no destructor: close it by hand, before its loop.
class BufferPool {
  public:
    constexpr BufferPool() noexcept = default;
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;

    /// 0, or a negative errno with nothing left behind. -EINVAL: no buffers, too many, or of no
    /// size; -ENOMEM: no memory.
    [[nodiscard]] i32 open(Loop& loop, const BufferPoolOptions& options) noexcept;

    /// No operation may use it any more.
    void close() noexcept;

    /// The data of a result that has_buffer(): Result::count() bytes, until they are given back.
    [[nodiscard]] u8* data(Result result) noexcept { return buffer(result.buffer()); }
    [[nodiscard]] u8* buffer(u16 id) noexcept {
        return buffers_ + static_cast<usize>(id) * buffer_bytes_;
    }

    /// Done with the buffer of a result; results without one are ignored. An operation that waits
    /// for a buffer goes on.
    void give_back(Result result) noexcept {
        if (result.has_buffer()) {
            give_back(result.buffer());
        }
    }
    void give_back(u16 id) noexcept;

    /// What BufferPoolOptions::tables takes, up to 640 KiB.
    [[nodiscard]] static constexpr usize table_bytes(u32 count) noexcept {
        return ring_entries_for(count) * ring_entry_bytes + count * sizeof(u16);
    }
    [[nodiscard]] bool is_open() const noexcept { return buffers_ != nullptr; }
    [[nodiscard]] u32 count() const noexcept { return count_; }
    [[nodiscard]] u32 buffer_bytes() const noexcept { return buffer_bytes_; }
    /// Buffers that are with the user.
    [[nodiscard]] u32 held() const noexcept { return held_; }

    // ---- For engines ---------------------------------------------------------------------------

    /// The buffer given back last, since it is the one most likely in the cache; -1: none is free.
    /// Not for engines whose kernel takes them by itself.
    [[nodiscard]] i32 take() noexcept {
        if (!can_take()) {
            return -1;
        }
        const u32 id = first_free_;
        first_free_ = next_free_[id];
        next_free_[id] = taken;
        ++held_;
        return static_cast<i32>(id);
    }
    /// Before each wait: lets as many go on as there are free buffers. Not in give_back, because
    /// whoever goes on may find nothing to receive, or be cancelled; the buffer is then the next
    /// one's.
    void serve_waiters() noexcept;
    /// Whether it would find one.
    [[nodiscard]] bool can_take() const noexcept { return first_free_ != count_; }
    /// Undoes take().
    void untake(u16 id) noexcept;
    /// The kernel has taken one, and is offered another.
    /// `of_crowd`: as in count_take().
    void taken_by_kernel(bool of_crowd = false) noexcept {
        ++held_;
        --offered_;
        if (offers_few_) {
            count_take(of_crowd);
            replace_taken();
        }
    }
    /// Whether it is better to be told of data than of what the kernel has received by itself.
    [[nodiscard]] bool in_turn() const noexcept { return in_turn_; }
    /// Data have been received. `of_crowd`: with others before and beside them that, taken
    /// together, do not fit into the nearest cache. What most are decides about in_turn().
    void count_take(bool of_crowd) noexcept {
        crowd_takes_ = static_cast<u16>(crowd_takes_ + (of_crowd ? 1 : 0));
        if (++recent_takes_ == 0) {
            choose_turns();
        }
    }
    /// The kernel has found none. Whether it does so now, because it is offered more.
    [[nodiscard]] bool offer_more() noexcept;
    /// Of an engine whose kernel takes them: offers as many as there are to be.
    void offer_all() noexcept {
        while (offered_ < offered_max_ && can_take()) {
            offer_another();
        }
    }

    CompletionList waiters;     ///< in State::awaiting_buffer
    BufferPool* next = nullptr; ///< of the loop's
    abi::IoVec ring_memory{};   ///< page-aligned room for a buffer ring of ring_entries()
    u16 group = 0;              ///< the engine's number for it
    bool kernel_takes = false;  ///< set by Engine::open_pool
    [[nodiscard]] u32 ring_entries() const noexcept { return ring_entries_; }

  private:
    static constexpr u16 taken = 0xffff; // in the chain: with the user. No buffer has this number
    static constexpr usize ring_entry_bytes = 16; // abi::BufferRingEntry
    [[nodiscard]] static constexpr u32 ring_entries_for(u32 count) noexcept {
        u32 entries = 1;
        while (entries < count) {
            entries *= 2;
        }
        return entries;
    }
    [[nodiscard]] i32 take_memory(const BufferPoolOptions& options) noexcept;
    void unmap() noexcept;
    void put_first(u16 id) noexcept;
    void offer_another() noexcept;
    void replace_taken() noexcept;
    void choose_turns() noexcept;
    void give_to_kernel(u16 id) noexcept;

    Loop* loop_ = nullptr;
    u8* buffers_ = nullptr;
    u16* next_free_ = nullptr; // by id; a chain of the free ones
    void* mapping_ = nullptr;
    usize mapping_bytes_ = 0;
    u32 count_ = 0;
    u32 buffer_bytes_ = 0;
    u32 ring_entries_ = 0;
    u32 held_ = 0;
    u32 first_free_ = 0; // count_: none
    u32 offered_ = 0;    // to a kernel that takes them, as far as we know
    u32 offered_max_ = 0;
    u32 offered_max_least_ = 0;
    u32 takes_ = 0;       // since the kernel found none
    u16 crowd_takes_ = 0; // of recent_takes_
    u8 recent_takes_ = 0; // of 256, after which in_turn_ is chosen anew
    bool in_turn_ = false;
    bool offers_few_ = false; // of what there is
};

} // namespace oxbow
