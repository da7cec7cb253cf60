// Opening and closing a ring: setup flags are tried best first, then the rings are mapped.
#include "ring.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"

namespace oxbow {

namespace setup = abi::setup;

/// Turns RingOptions into a mapped ring. A struct of its own, so that ring.h need not name the
/// steps.
struct RingMapper {
    Ring& ring;
    Reason& reason;
    abi::Params params = {};

    i32 refuse(Stage stage, i32 error) noexcept {
        reason.stage = stage;
        reason.error = error;
        reason.setup_flags = params.flags;
        return error;
    }

    /// Memory for setup::no_mmap: the caller's, or our own with room to align.
    [[nodiscard]] i32 provide_memory(const RingOptions& options) noexcept {
        if ((options.flags & setup::no_mmap) == 0 || options.memory != nullptr) {
            return 0;
        }
        const usize bytes = static_cast<usize>(required_bytes(options)) + page_bytes_max;
        const long mapped =
            kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                         abi::map::anonymous | abi::map::private_, -1, 0);
        if (is_error(mapped)) {
            return refuse(Stage::memory, static_cast<i32>(mapped));
        }
        ring.own_memory_ = {reinterpret_cast<void*>(mapped), bytes};
        return 0;
    }

    /// What io_uring_setup is asked for in one attempt.
    void describe(const RingOptions& options, u32 flags) noexcept {
        params = {};
        params.flags = flags;
        params.sq_thread_idle = options.sq_thread_idle_ms;
        if ((flags & setup::sq_aff) != 0) {
            params.sq_thread_cpu = options.sq_thread_cpu;
        }
        if ((flags & setup::attach_wq) != 0) {
            params.wq_fd = static_cast<u32>(options.attach_wq_fd);
        }
        if (options.completion_entries != 0) {
            params.flags |= setup::cqsize;
            params.cq_entries = options.completion_entries;
        }
        if ((flags & setup::no_mmap) != 0) {
            const u64 base = options.memory != nullptr
                                 ? address_of(options.memory)
                                 : ring_detail::page_multiple(address_of(ring.own_memory_.address));
            params.cq_off.user_addr = base;
            params.sq_off.user_addr = base + layout_of(options).rings_bytes;
        }
    }

    /// Goes down the ladder of preferred flags while the kernel answers EINVAL, then down in size
    /// while it answers ENOMEM and the caller allows it. A descriptor or index, or the last error.
    [[nodiscard]] i32 set_up(RingOptions options) noexcept {
        u32 preferred = compatible_preferred_flags(options);
        for (;;) {
            reason.entries = options.entries;
            reason.needed_bytes = required_bytes(options);
            describe(options, options.flags | preferred);
            const i32 result = kernel::io_uring_setup(options.entries, &params);
            if (result == -Errno::einval && preferred != 0) {
                preferred = without_newest_flag(preferred);
            } else if (result == -Errno::enomem && options.entries_min != 0 &&
                       options.entries / 2 >= options.entries_min) {
                options.entries /= 2;
                options.completion_entries /= 2;
            } else {
                return result < 0 ? refuse(Stage::setup, result) : result;
            }
        }
    }

    /// Maps `bytes` of the ring's descriptor and keeps them from forked children if so wished.
    [[nodiscard]] i32 map(Ring::Mapping& mapping, u64 bytes, u64 offset, Stage stage) noexcept {
        const usize length = static_cast<usize>(bytes);
        const long mapped =
            kernel::mmap(nullptr, length, abi::protection::read | abi::protection::write,
                         abi::map::shared | abi::map::populate, ring.fd_, offset);
        if (is_error(mapped)) {
            return refuse(stage, static_cast<i32>(mapped));
        }
        mapping = {reinterpret_cast<void*>(mapped), length};
        if (ring.dontfork_) {
            // Older kernels without MADV_DONTFORK for such mappings do not exist; a refusal would
            // only bring the traditional behaviour back.
            (void)kernel::madvise(mapping.address, length, abi::madvice::dontfork);
        }
        return 0;
    }

    [[nodiscard]] u64 entry_bytes() const noexcept {
        return (params.flags & setup::sqe128) != 0 ? 2 * sizeof(Sqe) : sizeof(Sqe);
    }

    [[nodiscard]] i32 map_all() noexcept {
        const u64 cqe_bytes = (params.flags & setup::cqe32) != 0 ? sizeof(BigCqe) : sizeof(Cqe);
        u64 sq_bytes = params.sq_off.array + u64{4} * params.sq_entries;
        if ((params.flags & setup::no_sqarray) != 0) {
            sq_bytes = 0; // no array, and kernels that new have one mapping for all
        }
        u64 cq_bytes = params.cq_off.cqes + cqe_bytes * params.cq_entries;
        const bool single = (params.features & abi::feature::single_mmap) != 0;
        if (single) {
            sq_bytes = cq_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
        }
        i32 result = map(ring.sq_ring_, sq_bytes, abi::mmap_offset::sq_ring, Stage::map_rings);
        if (result == 0 && !single) {
            result = map(ring.cq_ring_, cq_bytes, abi::mmap_offset::cq_ring, Stage::map_rings);
        }
        if (result == 0) {
            result = map(ring.entries_, entry_bytes() * params.sq_entries, abi::mmap_offset::sqes,
                         Stage::map_entries);
        }
        return result;
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
        s.shared_dropped = word(sq, params.sq_off.dropped);
        s.entries = params.sq_entries;
        s.mask = params.sq_entries - 1;
        s.tail = load_relaxed(s.shared_tail);
        s.limit = s.tail; // the first get_sqe looks how much room there is
        if ((params.flags & setup::no_sqarray) == 0) {
            for (u32 index = 0; index < s.entries; ++index) {
                *word(sq, params.sq_off.array + 4 * index) = index;
            }
        }
        Ring::CompletionQueue& c = ring.cq_;
        c.entry = reinterpret_cast<Cqe*>(cq + params.cq_off.cqes);
        c.shared_head = word(cq, params.cq_off.head);
        c.shared_tail = word(cq, params.cq_off.tail);
        c.shared_overflow = word(cq, params.cq_off.overflow);
        c.shared_flags = params.cq_off.flags != 0 ? word(cq, params.cq_off.flags) : nullptr;
        c.entries = params.cq_entries;
        c.mask = params.cq_entries - 1;
        c.step = (params.flags & setup::cqe32) != 0       ? Ring::CqStep::two
                 : (params.flags & setup::cqe_mixed) != 0 ? Ring::CqStep::mixed
                                                          : Ring::CqStep::one;
        c.next = ring.slot(*c.shared_head);
        c.wrap = c.entry + c.entries;
    }

    [[nodiscard]] i32 map_and_point() noexcept {
        if ((params.flags & setup::no_mmap) != 0) {
            char* const rings = reinterpret_cast<char*>(static_cast<uptr>(params.cq_off.user_addr));
            point(rings, rings,
                  reinterpret_cast<void*>(static_cast<uptr>(params.sq_off.user_addr)));
            return 0;
        }
        const i32 result = map_all();
        if (result == 0) {
            char* const sq = static_cast<char*>(ring.sq_ring_.address);
            char* const cq = static_cast<char*>(ring.cq_ring_.address);
            point(sq, cq != nullptr ? cq : sq, ring.entries_.address);
        }
        return result;
    }

    void adopt(i32 descriptor) noexcept {
        ring.setup_flags_ = params.flags;
        ring.features_ = params.features;
        ring.enter_fd_ = descriptor;
        ring.enter_flags_ = 0;
        if ((params.flags & (setup::sqpoll | setup::sq_rewind | setup::sqe128)) != 0) {
            ring.enter_flags_ |= Ring::uncommon;
        }
        if ((params.flags & setup::registered_fd_only) != 0) {
            ring.enter_flags_ |= abi::enter::registered_ring;
        } else {
            ring.fd_ = descriptor;
        }
        if ((params.features & abi::feature::no_iowait) != 0) {
            ring.enter_flags_ |= abi::enter::no_iowait;
        }
    }

    static void unmap(Ring::Mapping& mapping) noexcept {
        if (mapping.address != nullptr) {
            (void)kernel::munmap(mapping.address, mapping.bytes);
            mapping = {};
        }
    }

    static void unmap_queues(Ring& ring) noexcept {
        unmap(ring.entries_);
        unmap(ring.cq_ring_);
        unmap(ring.sq_ring_);
    }
};

i32 Ring::open(const RingOptions& options, Reason* reason) noexcept {
    OXBOW_CHECK(!is_open(), "Ring::open of a ring that is open");
    Reason unread = {};
    Reason& answer = reason != nullptr ? *reason : unread;
    answer = {};
    RingMapper mapper{*this, answer};
    answer.entries = options.entries;
    answer.setup_flags = options.flags;
    answer.fault = fault_of(options);
    if (answer.fault != OptionFault::none) {
        answer.stage = Stage::options;
        return answer.error = -Errno::einval;
    }
    dontfork_ = options.dontfork;
    i32 result = mapper.provide_memory(options);
    if (result == 0) {
        result = mapper.set_up(options);
    }
    if (result >= 0) {
        mapper.adopt(result);
        result = mapper.map_and_point();
    }
    if (result < 0) {
        close();
        return result;
    }
    answer = {};
    return 0;
}

void Ring::close() noexcept {
    RingMapper::unmap_queues(*this);
    if (fd_is_registered()) {
        (void)unregister_ring_fd();
    }
    if (fd_ >= 0) {
        // Linux frees the descriptor whatever close returns (close(2), NOTES).
        (void)kernel::close(fd_);
    }
    RingMapper::unmap(own_memory_);
    sq_ = {};
    cq_ = {};
    fd_ = -1;
    enter_fd_ = -1;
    enter_flags_ = 0;
    setup_flags_ = 0;
    features_ = 0;
    clock_ = abi::clock::monotonic;
}

// Defined here because it maps again what `open` mapped.
i32 Ring::resize(u32 entries, u32 completion_entries, Reason* reason) noexcept {
    OXBOW_CHECK(is_open(), "Ring::resize of a closed ring");
    Reason unread = {};
    Reason& answer = reason != nullptr ? *reason : unread;
    answer = {};
    RingMapper mapper{*this, answer};
    answer.entries = entries;
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
