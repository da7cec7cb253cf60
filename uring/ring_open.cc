// Opening, resizing and closing a ring: setup flags are tried best first, then the rings are
// mapped.
#include "ring.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "../syscall/errno.h"

namespace oxbow {

namespace setup = abi::setup;

namespace {

/// New flags have always taken the next higher bit, so that dropping the highest one, again and
/// again, is the ladder from the best set down to the plainest.
[[nodiscard]] u32 without_newest_flag(u32 flags) noexcept {
    u32 bit = setup::sq_rewind;
    while (bit > flags) {
        bit >>= 1;
    }
    return flags & ~bit;
}

} // namespace

/// Turns RingOptions into a mapped ring. A struct of its own, so that ring.h need not name the
/// steps.
struct RingMapper {
    Ring& ring;
    Reason& reason;
    i32 error = 0;
    abi::Params params = {};

    i32 refuse(Stage stage, i32 result) noexcept {
        reason.stage = stage;
        reason.error = result;
        error = result;
        return result;
    }

    /// Asks io_uring_setup once. A descriptor or index, or a negative errno.
    [[nodiscard]] i32 attempt(const RingOptions& options, u32 flags, u32 entries,
                              u32 completion_entries) noexcept {
        params = {};
        params.flags = flags;
        params.sq_thread_idle = options.sq_thread_idle_ms;
        params.sq_thread_cpu = options.sq_thread_cpu; // these two are read with their flag only
        params.wq_fd = static_cast<u32>(options.attach_wq_fd);
        params.cq_off.user_addr = address_of(ring.cq_.entry);
        params.sq_off.user_addr = address_of(ring.sq_.entry);
        if (completion_entries != 0) {
            params.flags |= setup::cqsize;
            params.cq_entries = completion_entries;
        }
        reason.setup_flags = params.flags;
        reason.entries = entries;
        return kernel::io_uring_setup(entries, &params);
    }

    /// Goes down the ladder of preferred flags while the kernel answers EINVAL, then down in size
    /// while it answers ENOMEM and the caller allows it.
    [[nodiscard]] i32 set_up(const RingOptions& options, u32 preferred) noexcept {
        u32 entries = options.entries;
        u32 completion_entries = options.completion_entries;
        for (;;) {
            const i32 result =
                attempt(options, options.flags | preferred, entries, completion_entries);
            if (result == -Errno::einval && preferred != 0) {
                preferred = without_newest_flag(preferred);
            } else if (result == -Errno::enomem && options.entries_min != 0 &&
                       entries / 2 >= options.entries_min) {
                entries /= 2;
                completion_entries /= 2;
            } else {
                return result;
            }
        }
    }

    /// Maps `bytes` of the ring's descriptor and keeps them from forked children if so wished. Does
    /// nothing after an error, or where there is memory of setup::no_mmap.
    [[nodiscard]] char* map(Ring::Mapping& mapping, u64 memory, u32 bytes, u64 offset) noexcept {
        if (memory != 0) {
            return reinterpret_cast<char*>(static_cast<uptr>(memory));
        }
        if (error != 0) {
            return nullptr;
        }
        const long mapped =
            kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                         abi::map::shared | abi::map::populate, ring.fd_, offset);
        if (is_error(mapped)) {
            const Stage stage = &mapping == &ring.entries_ ? Stage::map_entries : Stage::map_rings;
            (void)refuse(stage, static_cast<i32>(mapped));
            return nullptr;
        }
        mapping = {reinterpret_cast<void*>(mapped), bytes};
        if (ring.dontfork_) {
            // A refusal would only bring the traditional behaviour back.
            (void)kernel::madvise(mapping.address, bytes, abi::madvice::dontfork);
        }
        return reinterpret_cast<char*>(mapped);
    }

    /// Maps both rings and the entries.
    i32 map_and_point() noexcept {
        u32 sq_bytes = params.sq_off.array + 4 * params.sq_entries;
        const u32 cq_bytes = params.cq_off.cqes + ((16 * params.cq_entries) << ring.cqe_shift_);
        const bool single = (params.features & abi::feature::single_mmap) != 0; // 5.4
        if (single && sq_bytes < cq_bytes) {
            sq_bytes = cq_bytes;
        }
        char* const sq =
            map(ring.sq_ring_, params.cq_off.user_addr, sq_bytes, abi::mmap_offset::sq_ring);
        char* const cq = single ? sq : map(ring.cq_ring_, 0, cq_bytes, abi::mmap_offset::cq_ring);
        char* const entries =
            map(ring.entries_, params.sq_off.user_addr, (64 * params.sq_entries) << ring.sqe_shift_,
                abi::mmap_offset::sqes);
        if (error == 0) {
            point(sq, cq, entries);
        }
        return error;
    }

    /// Fills in the pointers from the offsets that the kernel gave; no two kernels agree on them.
    void point(char* sq, char* cq, void* entries) noexcept {
        const auto word = [](char* base, u32 offset) noexcept {
            return reinterpret_cast<u32*>(base + offset);
        };
        Ring::SubmissionQueue& s = ring.sq_;
        s.entry = static_cast<Sqe*>(entries);
        s.shared_head = word(sq, params.sq_off.head);
        s.shared_tail = word(sq, params.sq_off.tail);
        s.shared_flags = word(sq, params.sq_off.flags);
        ring.sq_shared_dropped_ = word(sq, params.sq_off.dropped);
        s.entries = params.sq_entries;
        s.mask = params.sq_entries - 1;
        s.tail = load_relaxed(s.shared_tail);
        s.limit = s.tail; // the first get_sqe looks how much room there is
        if ((params.flags & setup::no_sqarray) == 0) {
            u32* const array = word(sq, params.sq_off.array);
            for (u32 index = 0; index < s.entries; ++index) {
                array[index] = index;
            }
        }
        Ring::CompletionQueue& c = ring.cq_;
        c.entry = reinterpret_cast<Cqe*>(cq + params.cq_off.cqes);
        c.shared_head = word(cq, params.cq_off.head);
        c.shared_tail = word(cq, params.cq_off.tail);
        ring.cq_shared_overflow_ = word(cq, params.cq_off.overflow);
        ring.cq_shared_flags_ = word(cq, params.cq_off.flags);
        c.mask = params.cq_entries - 1;
        c.next = c.entry + ((*c.shared_head & c.mask) << ring.cqe_shift_);
        c.wrap = ring.plain_completions_ ? c.entry + params.cq_entries : nullptr;
    }

    static void unmap(const Ring::Mapping& mapping) noexcept {
        if (mapping.bytes != 0) {
            (void)kernel::munmap(mapping.address, mapping.bytes);
        }
    }

    static void unmap_queues(Ring& ring) noexcept {
        unmap(ring.entries_);
        unmap(ring.cq_ring_);
        unmap(ring.sq_ring_);
    }
};

i32 Ring::open_checked(const RingOptions& options, u32 preferred_flags, Reason& reason) noexcept {
    RingMapper mapper{*this, reason};
    i32 result = mapper.set_up(options, preferred_flags);
    if (result < 0) {
        (void)mapper.refuse(Stage::setup, result);
    } else {
        fd_ = enter_fd_ = result;
        setup_flags_ = mapper.params.flags;
        features_ = mapper.params.features;
        dontfork_ = options.dontfork;
        if ((features_ & abi::feature::no_iowait) != 0) {
            enter_flags_ = abi::enter::no_iowait;
        }
        plain_completions_ = true;
        if (uncommon_ != nullptr) {
            uncommon_->adopt(*this);
        }
        result = mapper.map_and_point();
    }
    if (result < 0) {
        close();
        return result;
    }
    return 0;
}

void Ring::close() noexcept {
    RingMapper::unmap_queues(*this);
    if (release_fd_ != nullptr) {
        release_fd_(*this);
    }
    if (fd_ >= 0) {
        // Linux frees the descriptor whatever close returns (close(2), NOTES).
        (void)kernel::close(fd_);
    }
    RingMapper::unmap(own_memory_);
    become_closed();
}

// Defined here because it maps again what `open` mapped.
i32 Ring::resize(u32 entries, u32 completion_entries, Reason* reason) noexcept {
    OXBOW_CHECK(is_open(), "Ring::resize of a closed ring");
    Reason unread;
    Reason& answer = reason != nullptr ? *reason : unread;
    answer = {};
    answer.entries = entries;
    RingMapper mapper{*this, answer};
    // Prepared entries move along only if the kernel can see them.
    const u32 prepared = sq_.tail;
    (void)flush();
    mapper.params.flags = completion_entries != 0 ? setup::cqsize : 0;
    mapper.params.sq_entries = entries;
    mapper.params.cq_entries = completion_entries;
    if (fd_ < 0 || (setup_flags_ & setup::no_mmap) != 0) {
        return mapper.refuse(Stage::resize, -Errno::einval); // there is nothing to map again
    }
    const i32 result = register_call(abi::RegisterOp::resize_rings, &mapper.params, 1);
    if (result < 0) {
        return mapper.refuse(Stage::resize, result);
    }
    // The kernel answers the new sizes and offsets; what kind of ring this is has not changed.
    mapper.params.flags = setup_flags_;
    mapper.params.features = features_;
    RingMapper::unmap_queues(*this);
    sq_ring_ = cq_ring_ = entries_ = {};
    const i32 mapped = mapper.map_and_point();
    if (mapped < 0) {
        close();
        return mapped;
    }
    sq_.tail = prepared;
    look_at_sq_head();
    answer = {};
    return 0;
}

} // namespace oxbow
