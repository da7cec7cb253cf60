// Random reads of 4 KiB, `depth` of them under way at once, from a file of `bytes` that is in the
// page cache (direct=0) or is read past it (direct=1, O_DIRECT). Each block of the file begins with
// its own number, so that no subject can be fast by reading something else.
#pragma once

#include "../bench.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace bench {

inline constexpr unsigned block_bytes = 4096;

class ReadJob {
  public:
    ReadJob(long blocks, unsigned depth, long count)
        : depth(depth), blocks_(static_cast<u64>(blocks)), left_(count), unfinished_(count) {
        const std::size_t bytes = std::size_t{depth} * block_bytes;
        void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) {
            fail("mmap", -errno);
        }
        buffers_ = static_cast<char*>(memory);
        wanted_.resize(depth);
    }

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
        u64 number = 0;
        std::memcpy(&number, buffer(slot), sizeof(number));
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
    char* buffers_ = nullptr;
    std::vector<u64> wanted_;
};

/// Makes the file if it is not there in this size.
inline void make_file(const char* path, long blocks) {
    struct stat status {};
    if (stat(path, &status) == 0 && status.st_size == blocks * block_bytes) {
        return;
    }
    const int fd =
        static_cast<int>(expect(path, open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600)));
    constexpr long blocks_at_once = 256;
    std::vector<char> data(std::size_t{blocks_at_once} * block_bytes);
    for (long first = 0; first < blocks; first += blocks_at_once) {
        for (long i = 0; i < blocks_at_once; ++i) {
            const long number = first + i;
            std::memcpy(&data[static_cast<std::size_t>(i) * block_bytes], &number, sizeof(number));
        }
        const long bytes = (first + blocks_at_once <= blocks ? blocks_at_once : blocks - first) *
                           static_cast<long>(block_bytes);
        if (write(fd, data.data(), static_cast<std::size_t>(bytes)) != bytes) {
            fail(path, -errno);
        }
    }
    expect("fsync", fsync(fd));
    close(fd);
}

/// Brings it into the page cache, or out of it.
inline void warm(int fd, long blocks, bool direct) {
    if (direct) {
        expect("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
        return;
    }
    std::vector<char> data(1 << 20);
    for (long at = 0; at < blocks * block_bytes; at += 1 << 20) {
        expect("pread", pread(fd, data.data(), data.size(), at));
    }
}

/// `Subject`: made of the descriptor, the ReadJob and Parameters; run() returns when the job is
/// done.
template <class Subject>
int run_files(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long count = parameters.number("count", 100000);
    const bool direct = parameters.number("direct", 0) != 0;
    const unsigned depth = static_cast<unsigned>(parameters.number("depth", 32));
    const long blocks = parameters.number("bytes", 1L << 30) / block_bytes;
    const char* const path = parameters.text("file", "/var/tmp/oxbow-bench.data");
    Meter meter(parameters);
    make_file(path, blocks);
    const int fd =
        static_cast<int>(expect(path, open(path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0))));
    warm(fd, blocks, direct);
    ReadJob job(blocks, depth, count);
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
