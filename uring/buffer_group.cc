// Keeping account of buffers: where data begin, which buffer the kernel is done with, and which one
// comes behind which.
#include "buffer_group.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "../syscall/errno.h"

namespace oxbow {

namespace {

[[nodiscard]] constexpr u64 aligned(u64 bytes, u32 to) noexcept {
    return (bytes + to - 1) & ~u64{to - 1};
}

} // namespace

// ---- Life ---------------------------------------------------------------------------------------

i32 BufferGroup::open(Ring& ring, const BufferGroupOptions& options) noexcept {
    OXBOW_CHECK(!is_open(), "BufferGroup::open of a group that is open");
    if (options.count == 0 || options.count > ring_buffers_max || options.buffer_bytes == 0) {
        return -Errno::einval;
    }
    owner_ = &ring;
    i32 result = map(options);
    if (result < 0) {
        return result;
    }
    result = open_ring(options);
    if (result < 0) {
        unmap();
        return result;
    }
    count_ = options.count;
    buffer_bytes_ = options.buffer_bytes;
    held_ = 0;
    last_added_ = 0;
    for (u32 id = 0; id < count_; ++id) {
        add(static_cast<u16>(id));
    }
    ring_.publish();
    return 0;
}

/// One mapping: the ring of buffers where it is ours, what we know about each buffer, and the
/// buffers themselves where they are ours.
i32 BufferGroup::map(const BufferGroupOptions& options) noexcept {
    constexpr u32 buffers_alignment = 4096; // so that buffers of whole pages lie on pages
    const u64 ring_bytes =
        options.kernel_memory
            ? 0
            : u64{ring_detail::power_of_two_from(options.count)} * sizeof(abi::BufferRingEntry);
    const u64 known_at = aligned(ring_bytes, alignof(Buffer));
    const u64 buffers_at =
        aligned(known_at + u64{options.count} * sizeof(Buffer), buffers_alignment);
    const u64 buffers_bytes =
        options.memory != nullptr ? 0 : u64{options.count} * options.buffer_bytes;
    const u64 total = buffers_at + buffers_bytes;
    if (total > ~usize{0} / 2) {
        return -Errno::enomem;
    }
    mapping_bytes_ = static_cast<usize>(total);
    const long mapped =
        kernel::mmap(nullptr, mapping_bytes_, abi::protection::read | abi::protection::write,
                     abi::map::anonymous | abi::map::private_ | abi::map::noreserve, -1, 0);
    if (is_error(mapped)) {
        return static_cast<i32>(mapped);
    }
    mapping_ = reinterpret_cast<void*>(mapped);
    if (options.dontfork) {
        (void)kernel::madvise(mapping_, mapping_bytes_, abi::madvice::dontfork);
    }
    u8* const base = static_cast<u8*>(mapping_);
    buffer_ = reinterpret_cast<Buffer*>(base + known_at);
    buffers_ = options.memory != nullptr ? static_cast<u8*>(options.memory) : base + buffers_at;
    return 0;
}

i32 BufferGroup::open_ring(const BufferGroupOptions& options) noexcept {
    BufferRingOptions ring_options;
    ring_options.group = options.group;
    ring_options.entries = ring_detail::power_of_two_from(options.count);
    ring_options.memory = options.kernel_memory ? nullptr : mapping_;
    ring_options.kernel_memory = options.kernel_memory;
    ring_options.incremental = options.use != BufferUse::whole;
    ring_options.min_left_bytes = options.min_left_bytes;
    ring_options.dontfork = options.dontfork;
    i32 result = ring_.open(*owner_, ring_options);
    if (result == -Errno::einval && options.use == BufferUse::incremental_if_supported) {
        ring_options.incremental = false;
        ring_options.min_left_bytes = 0;
        result = ring_.open(*owner_, ring_options);
    }
    incremental_ = ring_options.incremental;
    return result;
}

void BufferGroup::unmap() noexcept {
    (void)kernel::munmap(mapping_, mapping_bytes_);
    mapping_ = nullptr;
    mapping_bytes_ = 0;
    buffer_ = nullptr;
    buffers_ = nullptr;
    owner_ = nullptr;
}

void BufferGroup::close() noexcept {
    if (!is_open()) {
        return;
    }
    ring_.close();
    unmap();
    count_ = 0;
    held_ = 0;
}

// ---- Operations ---------------------------------------------------------------------------------

Sqe* BufferGroup::entry(u64 user_data) noexcept {
    OXBOW_CHECK(is_open(), "a closed buffer group was used");
    Sqe* const sqe = owner_->get_sqe();
    if (sqe != nullptr) {
        sqe->user_data = user_data;
    }
    return sqe;
}

Sqe* BufferGroup::recv(u64 user_data, i32 fd, const prep::ReceiveOptions& options) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        // Not 0, which before 6.0 meant no byte; the buffer's size limits it in any case.
        prep::recv(*sqe, fd, nullptr, buffer_bytes_, options);
        prep::select_buffer(*sqe, group());
    }
    return sqe;
}

Sqe* BufferGroup::recv_bundle(u64 user_data, i32 fd, const prep::ReceiveOptions& options) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::recv_bundle(*sqe, fd, group(), 0, options);
    }
    return sqe;
}

Sqe* BufferGroup::recv_multishot(u64 user_data, i32 fd,
                                 const prep::GroupReceiveOptions& options) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::recv_multishot(*sqe, fd, group(), options);
    }
    return sqe;
}

Sqe* BufferGroup::read(u64 user_data, i32 fd, u64 offset) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::read(*sqe, fd, nullptr, buffer_bytes_, offset);
        prep::select_buffer(*sqe, group());
    }
    return sqe;
}

Sqe* BufferGroup::read_multishot(u64 user_data, i32 fd) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::read_multishot(*sqe, fd, group());
    }
    return sqe;
}

// ---- Account ------------------------------------------------------------------------------------

u8* BufferGroup::address(u16 id) const noexcept {
    return buffers_ + static_cast<usize>(u64{id} * buffer_bytes_);
}

/// How many bytes the next completion can have put into a buffer. A receive with a limit, and a
/// bundle that found too little, shorten the entry in the ring (io_uring/kbuf.c,
/// io_ring_buffers_peek), which stays as it is until the buffer is added again, elsewhere maybe.
u32 BufferGroup::room(u16 id) const noexcept {
    const Buffer& buffer = buffer_[id];
    u32 bytes = buffer_bytes_;
    if (!incremental_) {
        const abi::BufferRingEntry& entry = ring_.entry(buffer.position);
        const u32 shown = load_relaxed(&entry.len);
        if (load_relaxed(&entry.buffer_id) == id && shown < bytes) {
            bytes = shown;
        }
    }
    return bytes - buffer.used_bytes;
}

/// Of an incremental ring: whether the kernel has gone on to the next buffer. It then has set the
/// length of the entry to 0, if nothing else has taken the entry's place already. For regular
/// files, kernels up to 6.19 leave out cqe_flag::buf_more also where they have not (liburing issue
/// 1553).
bool BufferGroup::kernel_is_done_with(u16 id) const noexcept {
    const abi::BufferRingEntry& entry = ring_.entry(buffer_[id].position);
    return load_relaxed(&entry.buffer_id) != id || load_relaxed(&entry.len) == 0;
}

/// Takes up to `bytes` out of a buffer; how many.
u32 BufferGroup::take(u16 id, u32 bytes) noexcept {
    Buffer& buffer = buffer_[id];
    const u32 left = room(id);
    const u32 taken = bytes < left ? bytes : left;
    buffer.used_bytes += taken;
    held_ += buffer.views == 0 ? 1 : 0;
    ++buffer.views;
    return taken;
}

BufferView BufferGroup::get(const Cqe& cqe) noexcept {
    const u16 first = cqe.buffer_id();
    if (!cqe.has_buffer() || first >= count_ || cqe.result <= 0) {
        return {};
    }
    const u32 bytes = static_cast<u32>(cqe.result);
    BufferView view;
    view.id = first;
    view.data = address(first) + buffer_[first].used_bytes;
    view.bytes = take(first, bytes);
    view.bytes_following = bytes - view.bytes;
    // The following buffers of a bundle, in the order in which they were added.
    u16 last = first;
    for (u32 left = view.bytes_following; left != 0;) {
        buffer_[last].used_up = true;
        last = buffer_[last].next;
        const u32 taken = take(last, left);
        if (taken == 0) {
            OXBOW_CHECK(false, "a completion has more bytes than its buffers");
            view.bytes_following -= left;
            break;
        }
        left -= taken;
    }
    buffer_[last].used_up =
        !incremental_ || ((cqe.flags & abi::cqe_flag::buf_more) == 0 && kernel_is_done_with(last));
    return view;
}

BufferView BufferGroup::next(const BufferView& part) const noexcept {
    if (!part || part.bytes_following == 0) {
        return {};
    }
    // A bundle goes on only at the beginning of a buffer, and only its last one may be filled in
    // part, so what it holds does not depend on what came later.
    BufferView view;
    view.id = buffer_[part.id].next;
    view.data = address(view.id);
    view.bytes = part.bytes_following < buffer_bytes_ ? part.bytes_following : buffer_bytes_;
    view.bytes_following = part.bytes_following - view.bytes;
    return view;
}

void BufferGroup::put(const Cqe& cqe) noexcept {
    const u16 id = cqe.buffer_id();
    if (!cqe.has_buffer() || id >= count_) {
        return;
    }
    OXBOW_CHECK(cqe.result <= static_cast<i64>(buffer_bytes_), "a bundle is put back by its view");
    if (cqe.result > 0) {
        give_back(id);
    } else if (!incremental_) {
        OXBOW_CHECK(buffer_[id].views == 0, "a completion was put back twice");
        add(id); // used up by the end of a stream, or by an error
        ring_.publish();
    }
    // An incremental buffer is not used up by nothing, even where the end of a stream comes without
    // cqe_flag::buf_more, as it does up to 6.19 (liburing issue 1545). In a worker thread it may
    // be, but here it looks the same; taking it back wrongly would be worse than a call of
    // reclaim().
}

void BufferGroup::put(const BufferView& first) noexcept {
    BufferView part = first;
    while (part) {
        const BufferView following = next(part); // before the buffer is added behind another one
        give_back(part.id);
        part = following;
    }
}

void BufferGroup::give_back(u16 id) noexcept {
    OXBOW_CHECK(id < count_, "a buffer of another group was given back");
    OXBOW_CHECK(buffer_[id].views != 0, "a buffer was given back that nothing was got from");
    if (id >= count_ || buffer_[id].views == 0) {
        return; // given twice, the kernel would fill it twice
    }
    Buffer& buffer = buffer_[id];
    --buffer.views;
    if (buffer.views != 0) {
        return;
    }
    --held_;
    if (buffer.used_up) {
        add(id);
        ring_.publish();
    }
}

u32 BufferGroup::reclaim() noexcept {
    u32 reclaimed = 0;
    for (u32 id = 0; incremental_ && id < count_; ++id) {
        const u16 candidate = static_cast<u16>(id);
        if (buffer_[id].views == 0 && kernel_is_done_with(candidate)) {
            add(candidate);
            ++reclaimed;
        }
    }
    ring_.publish();
    return reclaimed;
}

void BufferGroup::add(u16 id) noexcept {
    buffer_[last_added_].next = id;
    last_added_ = id;
    Buffer& buffer = buffer_[id];
    buffer.used_bytes = 0;
    buffer.used_up = false;
    buffer.position = ring_.position();
    ring_.add(address(id), buffer_bytes_, id);
}

} // namespace oxbow
