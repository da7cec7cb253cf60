// The copy itself: up to 64 blocks in flight on one ring, each a read with a write linked behind
// it, so that the kernel starts the write as soon as the read has filled the buffer.
//
// The life of a block is a series of rounds. A round submits what is still to do: a linked pair, or
// a write alone once everything is read. When all completions of the round are there, the block
// knows how far it came, and begins its next round or takes the next range. Whatever the kernel
// answers (a short read, which cancels its write; a short write; a signal) is thus one case: some
// bytes of the block are read, some are written, and the rest is asked for again.
#pragma once

#include "../syscall/atomic.h"
#include "../syscall/call_process.h"
#include "../syscall/call_time.h"
#include "../uring/ring.h"
#include "copy_source.h"

namespace copy {

inline constexpr u32 block_bytes = 128 * 1024;
inline constexpr u32 blocks_max = 64;
inline constexpr usize buffer_bytes = usize{blocks_max} * block_bytes;

/// A ring's entries for that many pairs: none ever has to wait for room.
inline constexpr u32 ring_entries = 2 * blocks_max;

/// What ended a copy early.
struct Failure {
    enum Where : u8 { nowhere, reading, writing, ring };

    Where where = nowhere;
    i32 error = 0; ///< negative errno
};

/// Errors that ask for another try. ECANCELED: the other half of the pair came short.
[[nodiscard]] constexpr bool is_passing(i32 error) noexcept {
    return error == -Errno::eintr || error == -Errno::eagain || error == -Errno::ecanceled;
}

class Engine {
  public:
    /// `buffers` are buffer_bytes long. A `*stop` that is no longer 0 ends the copy.
    Engine(Ring& ring, Source& source, i32 out_fd, u8* buffers, const i32* stop) noexcept
        : ring_(ring), source_(source), out_fd_(out_fd), buffers_(buffers), stop_(stop) {}

    /// Copies until everything is written, something fails or `*stop` says so. When it returns,
    /// nothing is in flight any more, unless the ring itself failed: then the kernel may still own
    /// the buffers, and they must not be freed. Signals are handled only while it waits.
    [[nodiscard]] Failure run() noexcept;

    /// Bytes that were written; holes are not.
    [[nodiscard]] u64 bytes_written() const noexcept { return bytes_written_; }

  private:
    /// Tries in a row that may bring nothing before that counts as an error.
    static constexpr u32 idle_max = 1000;

    /// In place of a block's number, in the user data of the cancel.
    static constexpr u64 no_block = blocks_max;

    /// The result of a half that has not run.
    static constexpr i32 not_run = -Errno::ecanceled;

    struct Block {
        Range range; // in both files
        u32 wanted;  // bytes: the range's, or fewer where the file turned out to end in it
        u32 read;    // so many of them are in the buffer
        u32 written; // so many of them are in the output
        u32 pending; // completions of this round that are to come
        i32 read_result;
        i32 write_result;
        u32 idle_rounds;
        bool unlinked; // the kernel may have taken the write of this round without its read
    };

    void take_range(u32 index) noexcept;
    void begin_round(u32 index) noexcept;
    void complete(const Cqe& cqe) noexcept;
    void end_round(u32 index) noexcept;
    void count_results(Block& block) noexcept;
    void give_up() noexcept;
    [[nodiscard]] bool submit() noexcept;
    [[nodiscard]] bool wait() noexcept;
    [[nodiscard]] bool may_try_again(i32 error) noexcept;
    void distrust_pairs() noexcept;
    void fail(Failure::Where where, i32 error) noexcept;
    [[nodiscard]] bool is_stopping() const noexcept {
        return failure_.where != Failure::nowhere || load_relaxed(stop_) != 0;
    }

    Ring& ring_;
    Source& source_;
    i32 out_fd_;
    u8* buffers_;
    const i32* stop_;
    u32 in_flight_ = 0; // completions that are to come
    u32 idle_enters_ = 0;
    bool gave_up_ = false;
    abi::SignalSet blocked_ = {}; // signals, while it waits
    u64 bytes_written_ = 0;
    Failure failure_;
    Block blocks_[blocks_max] = {};
};

inline Failure Engine::run() noexcept {
    // A signal between a look at `*stop` and the wait would be missed: only the wait lets it in.
    const abi::SignalSet all = abi::SignalSet::all();
    (void)kernel::rt_sigprocmask(abi::signal_mask::set, &all, &blocked_);
    const u32 fitting = ring_.sq_entries() / 2; // the kernel may have had no memory for more
    for (u32 index = 0; index < blocks_max && index < fitting; ++index) {
        take_range(index);
    }
    while (in_flight_ != 0) {
        if (is_stopping() && !gave_up_) {
            give_up();
        }
        if (!submit() || !wait()) {
            break;
        }
        ring_.for_each([this](const Cqe& cqe) noexcept { complete(cqe); });
    }
    (void)kernel::rt_sigprocmask(abi::signal_mask::set, &blocked_, nullptr);
    return failure_;
}

/// The block takes the next range of the file, if there is one.
inline void Engine::take_range(u32 index) noexcept {
    Block& block = blocks_[index];
    block = {};
    if (!is_stopping() && source_.next(&block.range, block_bytes)) {
        block.wanted = block.range.bytes;
        begin_round(index);
    }
}

inline void Engine::begin_round(u32 index) noexcept {
    Block& block = blocks_[index];
    // Room for both entries or for none: a chain ends where a submission ends.
    const i32 room = ring_.reserve(2);
    if (room < 0) {
        return fail(Failure::ring, room);
    }
    u8* const buffer = buffers_ + usize{index} * block_bytes;
    block.read_result = not_run;
    block.write_result = not_run;
    block.unlinked = false;
    if (block.read < block.wanted) {
        Sqe* const read = ring_.read(2 * index, source_.fd(), buffer + block.read,
                                     block.wanted - block.read, block.range.offset + block.read);
        prep::link(*read); // the write waits for it, and is cancelled if it comes short
        ++block.pending;
    }
    (void)ring_.write(2 * index + 1, out_fd_, buffer + block.written, block.wanted - block.written,
                      block.range.offset + block.written);
    ++block.pending;
    in_flight_ += block.pending;
}

/// Asks the kernel to end what is in flight. A disk would do that anyway, and soon; but a read from
/// some file of the kernel may take for ever.
inline void Engine::give_up() noexcept {
    gave_up_ = true;
    if (ring_.reserve(1) == 0 && ring_.async_cancel_any(2 * no_block) != nullptr) {
        ++in_flight_;
    }
}

inline void Engine::complete(const Cqe& cqe) noexcept {
    --in_flight_;
    const u32 index = static_cast<u32>(cqe.user_data) / 2;
    if (index == no_block) {
        return;
    }
    Block& block = blocks_[index];
    if ((cqe.user_data & 1) == 0) {
        block.read_result = cqe.result;
    } else {
        block.write_result = cqe.result;
    }
    if (--block.pending == 0) {
        end_round(index);
    }
}

inline void Engine::end_round(u32 index) noexcept {
    Block& block = blocks_[index];
    count_results(block);
    if (block.read == block.wanted && block.written == block.wanted) {
        source_.finish(block.range, block.wanted);
        take_range(index);
    } else if (!is_stopping()) {
        begin_round(index);
    }
}

/// What the round has brought. Rounds that bring nothing may be repeated, but not for ever.
inline void Engine::count_results(Block& block) noexcept {
    const i32 read = block.read_result;
    // A write that may have run before its read was done has written who knows what.
    const i32 write = block.unlinked && block.write_result > 0 ? not_run : block.write_result;
    if (read > 0) {
        block.read += static_cast<u32>(read);
    } else if (read == 0) {
        block.wanted = block.read; // the file ends here
    } else if (!is_passing(read)) {
        return fail(Failure::reading, read);
    }
    if (write > 0) {
        block.written += static_cast<u32>(write);
        bytes_written_ += static_cast<u32>(write);
    } else if (write == 0) {
        return fail(Failure::writing, -Errno::eio); // nothing taken, and no reason given
    } else if (!is_passing(write)) {
        return fail(Failure::writing, write);
    }
    block.idle_rounds = read >= 0 || write > 0 ? 0 : block.idle_rounds + 1;
    if (block.idle_rounds > idle_max) {
        fail(read != not_run ? Failure::reading : Failure::writing, read != not_run ? read : write);
    }
}

/// Hands over what is prepared. False: the ring is of no more use.
inline bool Engine::submit() noexcept {
    const i32 submitted = ring_.submit();
    if (submitted >= 0 && ring_.sq_ready() != 0) {
        distrust_pairs();
    }
    return submitted >= 0 || may_try_again(submitted);
}

/// Waits for some completions: an eighth of those that are to come, as every wake-up has its price.
inline bool Engine::wait() noexcept {
    if (ring_.sq_ready() != 0) {
        return true; // what was not submitted cannot be waited for
    }
    const Cqe* first = nullptr;
    const i32 result = ring_.wait(&first, {.count = (in_flight_ + 7) / 8, .signals = &blocked_});
    if (result == 0) {
        idle_enters_ = 0;
    }
    return result == 0 || may_try_again(result);
}

/// After an error of the ring: a signal, or the kernel is short of memory or wants completions to
/// be reaped.
inline bool Engine::may_try_again(i32 error) noexcept {
    if (error == -Errno::eintr) {
        return true;
    }
    const bool passing = error == -Errno::eagain || error == -Errno::ebusy;
    if (!passing || ++idle_enters_ > idle_max) {
        fail(Failure::ring, error);
        return false;
    }
    const abi::Timespec moment = {0, 1'000'000};
    (void)kernel::clock_nanosleep(abi::clock::monotonic, 0, &moment);
    return true;
}

/// The kernel has consumed only some entries, and the cut may lie inside a pair. The write behind
/// the cut is then no longer linked to its read, so that all pairs of this time are written again.
inline void Engine::distrust_pairs() noexcept {
    for (Block& block : blocks_) {
        block.unlinked = block.unlinked || block.pending == 2;
    }
}

inline void Engine::fail(Failure::Where where, i32 error) noexcept {
    if (failure_.where == Failure::nowhere) { // what comes after the first is its consequence
        failure_ = {where, error};
    }
}

} // namespace copy
