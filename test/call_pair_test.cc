// Which words a call with 64-bit arguments hands to the kernel: one on 64-bit machines; on 32-bit
// ones two, the half that memory has first coming first, after a gap where pairs are aligned.
#include "../syscall/call.h"
#include "harness.h"
#include "hook.h"

namespace oxbow::test {

namespace {

struct Seen {
    long call;
    long words[6];
    int count;
};

bool remember(void* context, long call, const long* arguments, int count, long* result) noexcept {
    Seen& seen = *static_cast<Seen*>(context);
    seen = {};
    seen.call = call;
    seen.count = count;
    for (int at = 0; at < count; ++at) {
        seen.words[at] = arguments[at];
    }
    *result = 5;
    return true;
}

constexpr u64 wide = 0x1122334455667788;
constexpr u64 other = 0x0102030405060708;

[[nodiscard]] constexpr long half_of(u64 value, bool high) noexcept {
    return static_cast<long>(static_cast<u32>(high ? value >> 32 : value));
}

/// The words that `expected` must have become: the plain ones as they are, pairs by the rule.
class Expected {
  public:
    Expected& plain(long word) noexcept {
        words_[count_++] = word;
        return *this;
    }
    Expected& pair(u64 value) noexcept {
        if (sizeof(long) == 8) {
            return plain(static_cast<long>(value));
        }
        if (arch::pair_is_aligned && count_ % 2 != 0) {
            plain(0);
        }
        const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
        return plain(half_of(value, big)).plain(half_of(value, !big));
    }
    void check(const Seen& seen, long call) const noexcept {
        CHECK_EQ(seen.call, call);
        CHECK_GE(seen.count, count_);
        for (int at = 0; at < count_; ++at) {
            CHECK_EQ(seen.words[at], words_[at]);
        }
        for (int at = count_; at < seen.count; ++at) {
            CHECK_EQ(seen.words[at], 0);
        }
    }

  private:
    long words_[8] = {};
    int count_ = 0;
};

} // namespace

TEST(call_pair_offsets) {
    Seen seen = {};
    char byte = 0;
    const long at = word_of(&byte);
    const auto call = [&seen](auto make) noexcept {
        set_handler(remember, &seen);
        const long answer = make();
        remove_handler(remember, &seen);
        CHECK_EQ(answer, 5);
    };
    call([&]() noexcept { return kernel::pread(3, &byte, 4, wide); });
    Expected().plain(3).plain(at).plain(4).pair(wide).check(seen, number::pread64);
    call([&]() noexcept { return kernel::pwrite(3, &byte, 4, wide); });
    Expected().plain(3).plain(at).plain(4).pair(wide).check(seen, number::pwrite64);
    call([&]() noexcept { return kernel::ftruncate(3, wide); });
    Expected().plain(3).pair(wide).check(seen, number::ftruncate);
    call([&]() noexcept { return kernel::fallocate(3, 1, wide, other); });
    Expected().plain(3).plain(1).pair(wide).pair(other).check(seen, number::fallocate);
}

TEST(call_pair_flags_come_early_or_late) {
    Seen seen = {};
    set_handler(remember, &seen);
    const i32 advised = kernel::fadvise(3, wide, other, 4);
    const Seen advice = seen;
    const i32 synced = kernel::sync_file_range(3, wide, other, 7);
    const Seen range = seen;
    remove_handler(remember, &seen);
    CHECK_EQ(advised, 5);
    CHECK_EQ(synced, 5);
    if (arch::fadvise_advice_second) {
        Expected().plain(3).plain(4).pair(wide).pair(other).check(advice, number::fadvise64);
    } else {
        Expected().plain(3).pair(wide).pair(other).plain(4).check(advice, number::fadvise64);
    }
    if (arch::sync_range_flags_second) {
        Expected().plain(3).plain(7).pair(wide).pair(other).check(range, number::sync_file_range);
    } else {
        Expected().plain(3).pair(wide).pair(other).plain(7).check(range, number::sync_file_range);
    }
}

TEST(call_pair_vector_offsets_are_low_then_high) {
    Seen seen = {};
    abi::IoVec piece = {};
    const long at = word_of(&piece);
    set_handler(remember, &seen);
    const long answer = kernel::preadv2(3, &piece, 1, wide, 2);
    const Seen first = seen;
    const long second_answer = kernel::pwritev2(3, &piece, 1, abi::current_position, 0);
    const Seen second = seen;
    remove_handler(remember, &seen);
    CHECK_EQ(answer, 5);
    CHECK_EQ(second_answer, 5);
    const bool narrow = sizeof(long) == 4;
    const long low = narrow ? half_of(wide, false) : static_cast<long>(wide);
    Expected()
        .plain(3)
        .plain(at)
        .plain(1)
        .plain(low)
        .plain(narrow ? half_of(wide, true) : 0)
        .plain(2)
        .check(first, number::preadv2);
    Expected()
        .plain(3)
        .plain(at)
        .plain(1)
        .plain(-1)
        .plain(narrow ? -1 : 0)
        .check(second, number::pwritev2);
}

TEST(call_pair_mmap_unit) {
    Seen seen = {};
    set_handler(remember, &seen);
    const long answer = kernel::mmap(nullptr, 4096, 1, 2, 9, u64{0x123456789} << 12);
    const Seen mapped = seen;
    remove_handler(remember, &seen);
    const bool narrow = sizeof(long) == 4;
    if (narrow) {
        CHECK_EQ(answer, -Errno::eoverflow); // 2^44 bytes and more are out of mmap2's reach
    } else {
        CHECK_EQ(answer, 5);
        CHECK_EQ(mapped.words[5], static_cast<long>(u64{0x123456789} << 12));
    }
    set_handler(remember, &seen);
    const long near = kernel::mmap(nullptr, 4096, 1, 2, 9, u64{0xfedcb} << 12);
    remove_handler(remember, &seen);
    CHECK_EQ(near, 5);
    CHECK_EQ(seen.words[5], narrow ? 0xfedcbl : 0xfedcb000l);
}

} // namespace oxbow::test
