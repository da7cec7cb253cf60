// The scripted kernel sets a ring up: which requests it refuses, where it puts everything, and the
// mappings that it hands out.
#include "../syscall/abi_epoll.h"
#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "fake_kernel.h"
#include "fake_kernel_logs.h"

namespace oxbow::test {

namespace {

namespace setup_flag = abi::setup;

constexpr u32 region_align = 65536; ///< the largest page of any machine

[[nodiscard]] u32 power_of_two_from(u32 value) noexcept {
    u32 power = 1;
    while (power < value) {
        power <<= 1;
    }
    return power;
}

[[nodiscard]] constexpr usize round_up(usize bytes, usize unit) noexcept {
    return (bytes + unit - 1) & ~(unit - 1);
}

[[nodiscard]] constexpr bool any_of(u32 flags, u32 wanted) noexcept {
    return (flags & wanted) != 0;
}

/// io_uring_create and io_uring_sanitise_params: flags that cannot go together.
[[nodiscard]] bool flags_agree(u32 flags) noexcept {
    namespace f = setup_flag;
    constexpr u32 task_run = f::coop_taskrun | f::defer_taskrun;
    const bool thread_agrees =
        !any_of(flags, f::sqpoll) || !any_of(flags, task_run | f::taskrun_flag | f::sq_rewind);
    const bool affinity_agrees = !any_of(flags, f::sq_aff) || any_of(flags, f::sqpoll);
    const bool task_run_agrees = !any_of(flags, f::taskrun_flag) || any_of(flags, task_run);
    const bool defer_agrees = !any_of(flags, f::defer_taskrun) || any_of(flags, f::single_issuer);
    const bool fd_agrees = !any_of(flags, f::registered_fd_only) || any_of(flags, f::no_mmap);
    const bool polling_agrees = !any_of(flags, f::hybrid_iopoll) || any_of(flags, f::iopoll);
    const bool rewind_agrees = !any_of(flags, f::sq_rewind) || any_of(flags, f::no_sqarray);
    const bool cqe_agrees = !any_of(flags, f::cqe32) || !any_of(flags, f::cqe_mixed);
    const bool sqe_agrees = !any_of(flags, f::sqe128) || !any_of(flags, f::sqe_mixed);
    return thread_agrees && affinity_agrees && task_run_agrees && defer_agrees && fd_agrees &&
           polling_agrees && rewind_agrees && cqe_agrees && sqe_agrees;
}

} // namespace

i32 FakeKernel::check_setup(u32 entries, const abi::Params& params) const noexcept {
    for (const u32 word : params.reserved) {
        if (word != 0) {
            return -Errno::einval;
        }
    }
    const u32 flags = params.flags;
    const bool clamps = any_of(flags, setup_flag::clamp);
    if ((flags & ~options_.accepted_flags) != 0 || !flags_agree(flags) || entries == 0 ||
        (entries > abi::entries_max && !clamps)) {
        return -Errno::einval;
    }
    if (any_of(flags, setup_flag::cqsize) &&
        (params.cq_entries == 0 || (params.cq_entries > abi::completion_entries_max && !clamps) ||
         power_of_two_from(params.cq_entries) < power_of_two_from(entries))) {
        return -Errno::einval;
    }
    if (any_of(flags, setup_flag::no_mmap) &&
        ((params.sq_off.user_addr | params.cq_off.user_addr) & 4095) != 0) {
        return -Errno::einval;
    }
    return 0;
}

long FakeKernel::setup(u32 entries, abi::Params* params) noexcept {
    i32 result = 0;
    if (static_cast<i32>(options_.setup_error) != 0 &&
        (options_.setup_error_times == always || setup_errors_made_ < options_.setup_error_times)) {
        ++setup_errors_made_;
        result = -options_.setup_error;
    } else {
        result = check_setup(entries, *params);
    }
    const u32 requested = params->flags;
    if (result == 0) {
        tear_down();
        result = make_ring(entries, *params);
    }
    if (result >= 0) {
        *params = params_;
    }
    if (setup_count_ < setups_max) {
        logs_->setups[setup_count_] = {entries, requested, result};
    }
    ++setup_count_;
    return result;
}

i32 FakeKernel::make_ring(u32 entries, const abi::Params& wanted) noexcept {
    params_ = wanted;
    params_.features = options_.features;
    const u32 clamped = entries > abi::entries_max ? abi::entries_max : entries;
    params_.sq_entries = power_of_two_from(clamped);
    params_.cq_entries = 2 * params_.sq_entries;
    if (has(setup_flag::cqsize)) {
        const u32 cq = wanted.cq_entries;
        params_.cq_entries =
            power_of_two_from(cq > abi::completion_entries_max ? abi::completion_entries_max : cq);
    }
    Random random(options_.layout_seed);
    lay_out(random);
    const i32 made = make_memory();
    if (made < 0) {
        return made;
    }
    initialize_rings();
    open_ = true;
    enabled_ = !has(setup_flag::r_disabled);
    awake_ = has(setup_flag::sqpoll);
    mmap_count_ = 0;
    if (has(setup_flag::registered_fd_only)) {
        registered_index_ = 3;
        return registered_index_;
    }
    fd_ = static_cast<i32>(real_call(number::eventfd2, 0, abi::eventfd_flag::cloexec));
    open_ = fd_ >= 0;
    return fd_;
}

// ---- Layout -----------------------------------------------------------------------------------

namespace {

/// Gives each field an offset of its own, in random order, with random gaps where there is room for
/// them. Returns the first byte behind.
u32 scatter(u32* const* fields, u32 count, u32 from, bool gaps, Random& random) noexcept {
    u32* order[12] = {};
    for (u32 i = 0; i < count; ++i) {
        order[i] = fields[i];
    }
    for (u32 i = count; i > 1; --i) {
        const u32 other = random.below(i);
        u32* const moved = order[i - 1];
        order[i - 1] = order[other];
        order[other] = moved;
    }
    u32 at = from;
    for (u32 i = 0; i < count; ++i) {
        at += gaps ? 4 * random.below(8) : 0;
        *order[i] = at;
        at += 4;
    }
    return static_cast<u32>(round_up(at, 64));
}

} // namespace

/// The caller's memory leaves the header no more room than real kernels take, so gaps are for our
/// own memory only.
void FakeKernel::lay_out(Random& random) noexcept {
    abi::SqOffsets& sq = params_.sq_off;
    abi::CqOffsets& cq = params_.cq_off;
    u32* const fields[] = {&sq.head,      &sq.tail,         &sq.ring_mask, &sq.ring_entries,
                           &sq.flags,     &sq.dropped,      &cq.head,      &cq.tail,
                           &cq.ring_mask, &cq.ring_entries, &cq.overflow,  &cq.flags};
    const u32 array_bytes = has(setup_flag::no_sqarray) ? 0 : params_.sq_entries * 4;
    const u32 cqes_bytes = params_.cq_entries * cqe_bytes();
    const bool gaps = !has(setup_flag::no_mmap);
    const bool shared = !gaps || any_of(options_.features, abi::feature::single_mmap);
    if (shared) {
        const u32 end = scatter(fields, 12, gaps ? 4 : 0, gaps, random);
        const bool array_first = random.chance(500);
        sq.array = array_first ? end : end + cqes_bytes;
        cq.cqes = array_first ? static_cast<u32>(round_up(end + array_bytes, 64)) : end;
        const u32 array_end = sq.array + array_bytes;
        const u32 cqes_end = cq.cqes + cqes_bytes;
        sq_region_ = {0, array_end > cqes_end ? array_end : cqes_end};
        cq_region_ = sq_region_;
    } else {
        sq.array = scatter(fields, 6, 4, true, random);
        cq.cqes = scatter(fields + 6, 6, 4, true, random);
        sq_region_ = {0, sq.array + array_bytes};
        cq_region_ = {round_up(sq_region_.bytes, region_align), cq.cqes + cqes_bytes};
    }
    if (has(setup_flag::no_sqarray)) {
        sq.array = 0;
    }
    sqe_region_ = {round_up(static_cast<usize>(cq_region_.offset) + cq_region_.bytes, region_align),
                   usize{params_.sq_entries} * sqe_bytes()};
}

i32 FakeKernel::make_memory() noexcept {
    const u32 kept_max = 2 * params_.cq_entries + 4096;
    queue_memory_bytes_ = (3 * usize{kept_max} + params_.sq_entries) * sizeof(FakeCqe);
    queue_memory_ = static_cast<u8*>(fake_memory(queue_memory_bytes_));
    FakeCqe* at = reinterpret_cast<FakeCqe*>(queue_memory_);
    Queue* const queues[] = {&backlog_, &withheld_, &tasks_};
    for (Queue* queue : queues) {
        *queue = {at, kept_max, 0, 0};
        at += kept_max;
    }
    batch_ = at;
    if (has(setup_flag::no_mmap)) {
        sq_base_ = reinterpret_cast<u8*>(static_cast<uptr>(params_.cq_off.user_addr));
        cq_base_ = sq_base_;
        sqes_ = reinterpret_cast<u8*>(static_cast<uptr>(params_.sq_off.user_addr));
        return sq_base_ == nullptr || sqes_ == nullptr ? -Errno::efault : 0;
    }
    memory_bytes_ =
        round_up(static_cast<usize>(sqe_region_.offset) + sqe_region_.bytes, region_align);
    memory_fd_ = static_cast<i32>(
        real_call(number::memfd_create, "oxbow-fake-ring", abi::memfd_flag::cloexec));
    if (memory_fd_ < 0) {
        return memory_fd_;
    }
    const HookPause pause;
    const i32 grown = kernel::ftruncate(memory_fd_, memory_bytes_);
    if (grown < 0) {
        return grown;
    }
    const long address =
        real_call(number::mmap, nullptr, memory_bytes_,
                  abi::protection::read | abi::protection::write, abi::map::shared, memory_fd_, 0);
    if (is_error(address)) {
        return static_cast<i32>(address);
    }
    memory_ = reinterpret_cast<u8*>(address);
    sq_base_ = memory_ + sq_region_.offset;
    cq_base_ = memory_ + cq_region_.offset;
    sqes_ = memory_ + sqe_region_.offset;
    return 0;
}

void FakeKernel::initialize_rings() noexcept {
    const abi::SqOffsets& sq = params_.sq_off;
    const abi::CqOffsets& cq = params_.cq_off;
    cached_sq_head_ = options_.sq_start;
    *sq_word(sq.head) = options_.sq_start;
    *sq_word(sq.tail) = options_.sq_start;
    *sq_word(sq.ring_mask) = params_.sq_entries - 1;
    *sq_word(sq.ring_entries) = params_.sq_entries;
    *sq_word(sq.flags) = 0;
    *sq_word(sq.dropped) = 0;
    *cq_word(cq.head) = options_.cq_start;
    *cq_word(cq.tail) = options_.cq_start;
    *cq_word(cq.ring_mask) = params_.cq_entries - 1;
    *cq_word(cq.ring_entries) = params_.cq_entries;
    *cq_word(cq.overflow) = 0;
    *cq_word(cq.flags) = 0;
    lost_completion_ = false;
    // What a ring reads before it was written is meant to be noticed.
    __builtin_memset(cq_base_ + cq.cqes, 0xa5, usize{params_.cq_entries} * cqe_bytes());
    __builtin_memset(sqes_, 0xa5, sqe_region_.bytes);
    if (!has(setup_flag::no_sqarray)) {
        __builtin_memset(sq_base_ + sq.array, 0xa5, usize{params_.sq_entries} * 4);
    }
}

// ---- Mappings ---------------------------------------------------------------------------------

long FakeKernel::map(const long* arguments) noexcept {
    ++mmap_count_;
    if (mmap_count_ == options_.mmap_fails_nth) {
        return -options_.mmap_error;
    }
    const u64 offset = static_cast<u64>(static_cast<uptr>(arguments[5])) * arch::mmap_offset_unit;
    const Region* region = nullptr;
    switch (offset & abi::mmap_offset::mask) {
    case abi::mmap_offset::sq_ring:
        region = &sq_region_;
        break;
    case abi::mmap_offset::cq_ring:
        region = &cq_region_;
        break;
    case abi::mmap_offset::sqes:
        region = &sqe_region_;
        break;
    default:
        return -Errno::einval;
    }
    const usize bytes = static_cast<usize>(arguments[1]);
    if (has(setup_flag::no_mmap) || bytes == 0 || bytes > round_up(region->bytes, 4096)) {
        return -Errno::einval;
    }
    uptr unit_offset = static_cast<uptr>(region->offset);
    for (u64 unit = arch::mmap_offset_unit; unit > 1; unit >>= 1) {
        unit_offset >>= 1; // a division, without the one that may be missing
    }
    const long address = real_call(number::mmap, arguments[0], bytes, arguments[2], arguments[3],
                                   memory_fd_, unit_offset);
    for (Mapping& mapping : mappings_) {
        if (!is_error(address) && mapping.bytes == 0) {
            mapping = {static_cast<uptr>(address), bytes};
            break;
        }
    }
    return address;
}

void FakeKernel::unmapped(uptr address, usize bytes) noexcept {
    for (Mapping& mapping : mappings_) {
        if (mapping.bytes != 0 && mapping.address == address &&
            round_up(mapping.bytes, 4096) == round_up(bytes, 4096)) {
            mapping = {};
            return;
        }
    }
}

long FakeKernel::close_fd() noexcept {
    const long result = real_call(number::close, fd_);
    fd_ = -1;
    open_ = registered_index_ >= 0;
    return result;
}

/// Frees what stands for the kernel's memory. What is closed can still be read until then.
void FakeKernel::tear_down() noexcept {
    free_fake_memory(queue_memory_, queue_memory_bytes_);
    free_fake_memory(memory_, memory_bytes_);
    if (memory_fd_ >= 0) {
        (void)real_call(number::close, memory_fd_);
    }
    queue_memory_ = nullptr;
    memory_ = nullptr;
    memory_fd_ = -1;
    registered_index_ = -1;
    open_ = false;
}

} // namespace oxbow::test
