// ProvidedBuffers: the older way to let the kernel choose buffers, for kernels without buffer rings
// (before 5.19). Each buffer that goes to the kernel takes an entry and a completion, so that
// BufferGroup is the better choice wherever it can be had. The views are the same. 5.7.
#pragma once

#include "buffer_group.h"
#include "prep_ring.h"

namespace oxbow {

/// What ProvidedBuffers::open makes.
struct ProvidedBuffersOptions {
    /// What Sqe::buf_index says to use these buffers; any number but that of a buffer ring.
    u16 group = 0;

    /// How many buffers, up to ring_buffers_max, and how large each of them is.
    u32 count = 0;
    u32 buffer_bytes = 0;

    /// `count` times `buffer_bytes`; it stays the caller's and must live until close(). nullptr: it
    /// is mapped.
    void* memory = nullptr;

    bool dontfork = true; ///< of everything that we map
};

/// Like Ring, it has no destructor, belongs to one thread, and is closed by hand.
///
/// All methods that return an entry prepare it and set its user_data; nullptr where the queue is
/// full: submit, then call again. Its completion says what became of it: prep::provide_buffers and
/// prep::remove_buffers list the errors. prep::skip_success (5.17) leaves successes out.
class ProvidedBuffers {
  public:
    constexpr ProvidedBuffers() noexcept = default;
    ProvidedBuffers(const ProvidedBuffers&) = delete;
    ProvidedBuffers& operator=(const ProvidedBuffers&) = delete;

    /// Maps memory and makes no other call: the buffers are the kernel's after provide_all().
    /// `ring` must stay where it is until close(). -EINVAL: no buffers, too many, or of no size;
    /// -ENOMEM.
    [[nodiscard]] i32 open(Ring& ring, const ProvidedBuffersOptions& options) noexcept;

    /// Unmaps. The kernel must have none of the buffers any more: remove() them and wait for that,
    /// or close the ring first. It would go on to use their addresses.
    void close() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return buffers_ != nullptr; }

    /// Gives all buffers to the kernel; once, after open() or after all were removed.
    [[nodiscard]] Sqe* provide_all(u64 user_data) noexcept;

    /// Takes up to `count` buffers back, whichever the kernel likes; the result of the completion
    /// is how many. They are out of use until provide_all(), so remove all of them: kernels do not
    /// say which ones they were.
    [[nodiscard]] Sqe* remove(u64 user_data, u32 count) noexcept;

    /// As BufferGroup: receives once; receives until a completion without cqe_flag::more (6.0);
    /// reads once.
    [[nodiscard]] Sqe* recv(u64 user_data, i32 fd,
                            const prep::ReceiveOptions& options = {}) noexcept;
    [[nodiscard]] Sqe* recv_multishot(u64 user_data, i32 fd,
                                      const prep::GroupReceiveOptions& options = {}) noexcept;
    [[nodiscard]] Sqe* read(u64 user_data, i32 fd, u64 offset = prep::current_position) noexcept;

    /// What a completion brought, in any order and as often as one likes. An empty view: no data,
    /// no buffer, or no id of this group.
    [[nodiscard]] BufferView get(const Cqe& cqe) const noexcept;

    /// Gives buffer `id`, Cqe::buffer_id() or BufferView::id, back to the kernel. Every completion
    /// with a buffer needs it, those with a result of 0 or an error too.
    [[nodiscard]] Sqe* give_back(u64 user_data, u16 id) noexcept;

    [[nodiscard]] u16 group() const noexcept { return group_; }
    [[nodiscard]] u32 count() const noexcept { return count_; }
    [[nodiscard]] u32 buffer_bytes() const noexcept { return buffer_bytes_; }

  private:
    [[nodiscard]] Sqe* entry(u64 user_data) noexcept;
    [[nodiscard]] Sqe* provide(u64 user_data, u16 first, u32 count) noexcept;
    [[nodiscard]] u8* address(u16 id) const noexcept {
        return buffers_ + static_cast<usize>(u64{id} * buffer_bytes_);
    }

    Ring* owner_ = nullptr;
    u8* buffers_ = nullptr;
    usize mapped_bytes_ = 0; // 0: the memory is the caller's
    u32 count_ = 0;
    u32 buffer_bytes_ = 0;
    u16 group_ = 0;
};

} // namespace oxbow
