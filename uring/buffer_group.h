// BufferGroup: buffers of one size for operations that take theirs when data comes, on a
// BufferRing. What came is shown by get() and given back by put(); nothing is allocated after
// open(). 5.19.
#pragma once

#include "buffer_ring.h"
#include "prep_entry.h"
#include "prep_file.h"
#include "prep_socket.h"

namespace oxbow {

/// Bytes that a completion brought, in a buffer of a group. Valid until the buffer is put back.
struct BufferView {
    u8* data = nullptr; ///< nullptr: the completion has no buffer of this group
    u32 bytes = 0;
    u32 bytes_following = 0; ///< of a bundle: in the buffers behind this one, see next()
    u16 id = 0;

    [[nodiscard]] explicit operator bool() const noexcept { return data != nullptr; }
};

/// Whether the kernel may use up a buffer in pieces, so that small messages do not each take a
/// large one. For sockets and pipes only: of regular files, kernels up to 6.19 tell wrongly what
/// they have used up (liburing issues 1553, 1555). Receives with MSG_TRUNC are counted wrongly too
/// (issue 1619), and recvmsg_multishot needs min_left_bytes (issue 1433).
enum class BufferUse : u8 {
    whole,                    ///< each receive takes one
    incremental_if_supported, ///< in pieces from 6.12 on
    incremental,              ///< in pieces; open() answers -EINVAL before 6.12
};

/// What BufferGroup::open makes.
struct BufferGroupOptions {
    /// What Sqe::buf_index says to use these buffers; any number that the ring does not use yet.
    u16 group = 0;

    /// How many buffers, up to ring_buffers_max, and how large each of them is.
    u32 count = 0;
    u32 buffer_bytes = 0;

    /// `count` times `buffer_bytes`; it stays the caller's and must live until close(). nullptr: it
    /// is mapped, and takes real memory only where it is written to.
    void* memory = nullptr;

    BufferUse use = BufferUse::whole;
    u32 min_left_bytes = 0;     ///< as BufferRingOptions
    bool kernel_memory = false; ///< of the ring, as BufferRingOptions
    bool dontfork = true;       ///< of everything that we map
};

/// Like Ring, it has no destructor, belongs to one thread, and is closed by hand.
class BufferGroup {
  public:
    constexpr BufferGroup() noexcept = default;
    BufferGroup(const BufferGroup&) = delete;
    BufferGroup& operator=(const BufferGroup&) = delete;

    /// Maps, registers and fills the group; `ring` must stay where it is until close(). Errors as
    /// BufferRing::open; -EINVAL: no buffers, too many, or of no size; -ENOMEM: more than there are
    /// addresses. After an error nothing is left mapped or registered.
    [[nodiscard]] i32 open(Ring& ring, const BufferGroupOptions& options) noexcept;

    /// As BufferRing::close: before or after Ring::close(). All views are gone with it.
    void close() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return buffers_ != nullptr; }

    // ---- Operations that use the group -------------------------------------------------------
    //
    // Each prepares an entry and returns it, or nullptr where the queue is full; user_data is set.
    // Others can do the same with prep::select_buffer and group().

    /// Receives once, into one buffer. 5.19.
    [[nodiscard]] Sqe* recv(u64 user_data, i32 fd,
                            const prep::ReceiveOptions& options = {}) noexcept;
    /// Receives once, into as many buffers as there is data for: walk them with next(). 6.10,
    /// feature::recvsend_bundle; with incremental use, 6.15.
    [[nodiscard]] Sqe* recv_bundle(u64 user_data, i32 fd,
                                   const prep::ReceiveOptions& options = {}) noexcept;
    /// Receives until a completion without cqe_flag::more. -ENOBUFS: all buffers are in use; put
    /// one back, then submit it again. 6.0.
    [[nodiscard]] Sqe* recv_multishot(u64 user_data, i32 fd,
                                      const prep::GroupReceiveOptions& options = {}) noexcept;
    /// Reads once, at the file's own position if no other is given. 5.19.
    [[nodiscard]] Sqe* read(u64 user_data, i32 fd, u64 offset = prep::current_position) noexcept;
    /// Reads until a completion without cqe_flag::more: pipes, terminals. 6.7.
    [[nodiscard]] Sqe* read_multishot(u64 user_data, i32 fd) noexcept;

    // ---- What came ---------------------------------------------------------------------------

    /// What a completion brought. To be called once for each completion with a result above 0, in
    /// the order of the completions: where the data lie depends on those before it in the same
    /// buffer. An empty view: no data, no buffer, or no id of this group.
    [[nodiscard]] BufferView get(const Cqe& cqe) noexcept;

    /// The part of a bundle behind `part`, or an empty view. May be called at any time until `part`
    /// is put back, and as often as one likes.
    [[nodiscard]] BufferView next(const BufferView& part) const noexcept;

    /// Done with what get() returned for this completion, unless it was a bundle. In any order: a
    /// buffer goes back to the kernel once it is used up and all that was got from it is put. Put
    /// every completion, since the end of a stream and errors may use up a buffer too; those
    /// without a buffer are ignored.
    void put(const Cqe& cqe) noexcept;

    /// Done with all parts of a bundle, from this one on.
    void put(const BufferView& first) noexcept;

    /// Done with one part of what was got from buffer `id`.
    void give_back(u16 id) noexcept;

    /// With incremental use: gives the kernel all buffers that it is done with although no
    /// completion said so beyond doubt, and returns how many. A receive that fails or meets the end
    /// of the stream in a worker thread (prep::async) leaves such a buffer. To be called when every
    /// completion that there is has been got and put: on -ENOBUFS, say.
    u32 reclaim() noexcept;

    // ---- What it is --------------------------------------------------------------------------

    [[nodiscard]] u16 group() const noexcept { return ring_.group(); }
    [[nodiscard]] u32 count() const noexcept { return count_; }
    [[nodiscard]] u32 buffer_bytes() const noexcept { return buffer_bytes_; }
    [[nodiscard]] bool incremental() const noexcept { return incremental_; }
    /// Buffers that the kernel still has; -EINVAL before 6.8.
    [[nodiscard]] i32 available() noexcept { return ring_.available(); }
    /// Buffers from which something was got and not yet put.
    [[nodiscard]] u32 held() const noexcept { return held_; }

  private:
    /// What we know about a buffer.
    struct Buffer {
        u32 used_bytes; // by completions that were got; where the next one begins
        u16 views;      // got and not yet put
        u16 position;   // in the ring, where it was last added
        u16 next;       // the buffer that was added behind it
        bool used_up;   // the kernel is done with it
    };

    [[nodiscard]] i32 map(const BufferGroupOptions& options) noexcept;
    [[nodiscard]] i32 open_ring(const BufferGroupOptions& options) noexcept;
    void unmap() noexcept;
    [[nodiscard]] Sqe* entry(u64 user_data) noexcept;
    [[nodiscard]] u8* address(u16 id) const noexcept;
    [[nodiscard]] u32 room(u16 id) const noexcept;
    [[nodiscard]] bool kernel_is_done_with(u16 id) const noexcept;
    u32 take(u16 id, u32 bytes) noexcept;
    void add(u16 id) noexcept;

    Ring* owner_ = nullptr;
    BufferRing ring_;
    Buffer* buffer_ = nullptr;
    u8* buffers_ = nullptr;
    void* mapping_ = nullptr; // of `buffer_`, and of the ring and the buffers where they are ours
    usize mapping_bytes_ = 0;
    u32 count_ = 0;
    u32 buffer_bytes_ = 0;
    u32 held_ = 0;
    u16 last_added_ = 0;
    bool incremental_ = false;
};

} // namespace oxbow
