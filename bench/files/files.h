// Random reads of 4 KiB, `depth` of them under way at once, from the first `bytes` of a file that
// is in the page cache (cached=1) or is read past it (cached=0, O_DIRECT).
#pragma once

#include "../test_file.h"

namespace bench {

class ReadJob {
  public:
    ReadJob(u64 blocks, unsigned reads_at_once, long count)
        : depth(reads_at_once), blocks_(blocks), left_(count), unfinished_(count),
          buffers_(map_pages(std::size_t{reads_at_once} * block_bytes)), wanted_(reads_at_once) {}

    const unsigned depth;

    [[nodiscard]] char* buffer(unsigned slot) const {
        return buffers_ + std::size_t{slot} * block_bytes;
    }
    [[nodiscard]] bool has_next() const { return left_ > 0; }
    [[nodiscard]] bool done() const { return unfinished_ == 0; }
    /// Where the next read of this slot begins.
    [[nodiscard]] u64 next_offset(unsigned slot) {
        --left_;
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        wanted_[slot] = ((state_ >> 32) * blocks_) >> 32;
        return wanted_[slot] * block_bytes;
    }
    void finish(unsigned slot, long result) {
        // The number is wiped out, so that it cannot be mistaken for that of the next read.
        u64 number = 0;
        std::memcpy(&number, buffer(slot), sizeof(number));
        std::memset(buffer(slot), 0xff, sizeof(number));
        if (result != block_bytes || number != wanted_[slot]) {
            fail("read", result);
        }
        --unfinished_;
    }

  private:
    u64 blocks_;
    long left_;
    long unfinished_;
    u64 state_ = 88172645463325252u; // xorshift64: the same blocks for every subject
    char* buffers_;
    std::vector<u64> wanted_;
};

/// `Subject`: made of the descriptor, the ReadJob and Parameters; run() returns when the job is
/// done.
template <class Subject>
int run_files(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long count = parameters.number("count", 100000);
    const bool cached = parameters.number("cached", 1) != 0;
    const unsigned depth = static_cast<unsigned>(parameters.number("depth", 32));
    const char* const path = parameters.text("file", nullptr);
    Meter meter(parameters);
    const int fd = open_test_file(path, cached ? 0 : O_DIRECT);
    const long bytes = size_of(fd);
    if (depth == 0 || bytes < block_bytes) {
        fail("depth=0, or the file is too short", bytes);
    }
    if (cached) {
        warm(fd, bytes);
    } else {
        // What is in the cache, a direct read would have to take into account.
        expect("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    }
    ReadJob job(static_cast<u64>(bytes) / block_bytes, depth, count);
    Subject* const subject = new Subject(fd, job, parameters);
    parameters.done();
    meter.start();
    subject->run();
    meter.stop();
    if (!job.done()) {
        fail("reads are missing", 0);
    }
    meter.print(static_cast<double>(count));
    return 0;
}

} // namespace bench
