// What there is to copy: walks the input's data from its start to its end and leaves the holes out.
// A file may grow or shrink meanwhile, and files of the kernel (/proc) have no size at all.
#pragma once

#include "../syscall/abi_file.h"
#include "../syscall/call_file.h"
#include "../syscall/errno.h"

namespace copy {

using namespace oxbow;

/// A piece of the file.
struct Range {
    u64 offset;
    u32 bytes;
};

/// The ranges of a regular file that have data, in order, each handed out once.
///
/// The file ends where it ended when the last range was handed out, or earlier where a read found
/// its end. So a file that grows is copied up to some size that it had, and the copy comes to an
/// end even if the growth does not.
class Source {
  public:
    /// `fd` is open for reading; `status` is what statx said about it.
    Source(i32 fd, const abi::Statx& status) noexcept
        : fd_(fd), end_(status.size), has_holes_(status.blocks < (status.size + 511) >> 9) {}

    [[nodiscard]] i32 fd() const noexcept { return fd_; }

    /// The next range, of at most `bytes_max`. False: none now, and none later either unless a
    /// range of a file without a size is still out.
    [[nodiscard]] bool next(Range* range, u32 bytes_max) noexcept;

    /// `range` is done; its end was the file's end where fewer than its bytes were `found`.
    void finish(const Range& range, u32 found) noexcept;

    /// Bytes that the copy must have in the end, trailing hole included.
    [[nodiscard]] u64 size() const noexcept { return end_; }

  private:
    static constexpr u64 unknown = ~u64{0};

    [[nodiscard]] bool at_end() const noexcept { return position_ >= end_; }
    [[nodiscard]] u64 size_now(u64 otherwise) const noexcept;
    void measure_again() noexcept;
    void skip_hole() noexcept;

    i32 fd_;
    u64 end_;
    u64 position_ = 0; // handed out up to here
    u64 data_end_ = 0; // no hole before here
    u32 out_ = 0;      // ranges that are handed out and not finished
    bool has_holes_;   // it takes less room than its size
    bool end_is_final_ = false;
};

inline bool Source::next(Range* range, u32 bytes_max) noexcept {
    if (position_ >= data_end_) {
        skip_hole();
    }
    if (at_end() && !end_is_final_) {
        measure_again();
        skip_hole();
    }
    if (end_ == unknown) { // only a read can tell where it ends: one range at a time
        if (out_ != 0) {
            return false;
        }
        measure_again();
        data_end_ = end_;
    }
    if (at_end()) {
        return false;
    }
    const u64 left = data_end_ - position_;
    *range = {position_, left < bytes_max ? static_cast<u32>(left) : bytes_max};
    position_ += range->bytes;
    ++out_;
    return true;
}

inline void Source::finish(const Range& range, u32 found) noexcept {
    --out_;
    const u64 found_end = range.offset + found;
    if (found < range.bytes && found_end < end_) {
        end_ = found_end;
        end_is_final_ = true;
    }
}

/// `otherwise` where the file system cannot say.
inline u64 Source::size_now(u64 otherwise) const noexcept {
    abi::Statx status;
    const i32 result =
        kernel::statx(fd_, "", abi::at_flag::empty_path, abi::statx_mask::size, &status);
    return result == 0 ? status.size : otherwise;
}

/// Everything up to the size that the file had is handed out: what has it now?
inline void Source::measure_again() noexcept {
    const u64 size = size_now(end_);
    end_ = size != 0 ? size : unknown;
    end_is_final_ = true;
}

/// Moves `position_` to where data begins, and `data_end_` to where it ends. A file system that
/// knows no holes says that all is data; one that cannot tell is taken to say the same.
inline void Source::skip_hole() noexcept {
    data_end_ = end_;
    if (!has_holes_ || at_end()) {
        return;
    }
    const i64 data = kernel::lseek(fd_, static_cast<i64>(position_), abi::seek_from::data);
    if (data == -Errno::enxio) { // nothing but a hole up to the end, or the end itself
        const u64 size = size_now(end_);
        end_is_final_ = end_is_final_ || size < end_;
        end_ = size < end_ ? size : end_;
        position_ = position_ < end_ ? end_ : position_;
        return;
    }
    if (data < 0) {
        has_holes_ = false;
        return;
    }
    position_ = static_cast<u64>(data);
    const i64 hole = kernel::lseek(fd_, data, abi::seek_from::hole);
    if (hole > data && static_cast<u64>(hole) < end_) {
        data_end_ = static_cast<u64>(hole);
    }
}

} // namespace copy
