// Buffers that are given to the kernel by entries.
#include "provided_buffers.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "../syscall/errno.h"

namespace oxbow {

i32 ProvidedBuffers::open(Ring& ring, const ProvidedBuffersOptions& options) noexcept {
    OXBOW_CHECK(!is_open(), "ProvidedBuffers::open of a group that is open");
    if (options.count == 0 || options.count > ring_buffers_max || options.buffer_bytes == 0) {
        return -Errno::einval;
    }
    const u64 bytes = u64{options.count} * options.buffer_bytes;
    if (bytes > ~usize{0} / 2) {
        return -Errno::enomem;
    }
    buffers_ = static_cast<u8*>(options.memory);
    if (buffers_ == nullptr) {
        const usize length = static_cast<usize>(bytes);
        const long mapped =
            kernel::mmap(nullptr, length, abi::protection::read | abi::protection::write,
                         abi::map::anonymous | abi::map::private_ | abi::map::noreserve, -1, 0);
        if (is_error(mapped)) {
            return static_cast<i32>(mapped);
        }
        buffers_ = reinterpret_cast<u8*>(mapped);
        mapped_bytes_ = length;
        if (options.dontfork) {
            (void)kernel::madvise(buffers_, length, abi::madvice::dontfork);
        }
    }
    owner_ = &ring;
    count_ = options.count;
    buffer_bytes_ = options.buffer_bytes;
    group_ = options.group;
    return 0;
}

void ProvidedBuffers::close() noexcept {
    if (mapped_bytes_ != 0) {
        (void)kernel::munmap(buffers_, mapped_bytes_);
    }
    buffers_ = nullptr;
    mapped_bytes_ = 0;
    count_ = 0;
    owner_ = nullptr;
}

Sqe* ProvidedBuffers::entry(u64 user_data) noexcept {
    OXBOW_CHECK(is_open(), "closed buffers were used");
    Sqe* const sqe = owner_->get_sqe();
    if (sqe != nullptr) {
        sqe->user_data = user_data;
    }
    return sqe;
}

Sqe* ProvidedBuffers::provide(u64 user_data, u16 first, u32 count) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::provide_buffers(*sqe, {.memory = address(first),
                                     .bytes_each = buffer_bytes_,
                                     .count = count,
                                     .group = group_,
                                     .first_id = first});
    }
    return sqe;
}

Sqe* ProvidedBuffers::provide_all(u64 user_data) noexcept {
    return provide(user_data, 0, count_);
}

Sqe* ProvidedBuffers::give_back(u64 user_data, u16 id) noexcept {
    OXBOW_CHECK(id < count_, "a buffer of another group was given back");
    return id < count_ ? provide(user_data, id, 1) : nullptr;
}

Sqe* ProvidedBuffers::remove(u64 user_data, u32 count) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::remove_buffers(*sqe, {.count = count, .group = group_});
    }
    return sqe;
}

Sqe* ProvidedBuffers::recv(u64 user_data, i32 fd, const prep::ReceiveOptions& options) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::recv(*sqe, fd, nullptr, buffer_bytes_, options);
        prep::select_buffer(*sqe, group_);
    }
    return sqe;
}

Sqe* ProvidedBuffers::recv_multishot(u64 user_data, i32 fd,
                                     const prep::GroupReceiveOptions& options) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::recv_multishot(*sqe, fd, group_, options);
    }
    return sqe;
}

Sqe* ProvidedBuffers::read(u64 user_data, i32 fd, u64 offset) noexcept {
    Sqe* const sqe = entry(user_data);
    if (sqe != nullptr) {
        prep::read(*sqe, fd, nullptr, buffer_bytes_, offset);
        prep::select_buffer(*sqe, group_);
    }
    return sqe;
}

BufferView ProvidedBuffers::get(const Cqe& cqe) const noexcept {
    const u16 id = cqe.buffer_id();
    if (!cqe.has_buffer() || id >= count_ || cqe.result <= 0) {
        return {};
    }
    const u32 bytes = static_cast<u32>(cqe.result);
    BufferView view;
    view.data = address(id);
    view.bytes = bytes < buffer_bytes_ ? bytes : buffer_bytes_;
    view.id = id;
    return view;
}

} // namespace oxbow
