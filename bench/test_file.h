// The file that the cases of files read and copy: bench/files/prepare.cc writes it, once for all
// subjects. Block n begins with the number n, and no two words of it are alike, so nobody can be
// fast by reading something else.
#pragma once

#include "bench.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace bench {

inline constexpr unsigned block_bytes = 4096;

inline void fill_block(char* block, u64 number) {
    for (u64 i = 0; i < block_bytes / sizeof(u64); ++i) {
        const u64 word = number + i * 0x9e3779b97f4a7c15u;
        std::memcpy(block + i * sizeof(word), &word, sizeof(word));
    }
}

/// Memory that begins with a page, as O_DIRECT wants it, and is there before it is used.
[[nodiscard]] inline char* map_pages(std::size_t bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        fail("mmap", -errno);
    }
    return static_cast<char*>(memory);
}

/// Opens the file for reading.
[[nodiscard]] inline int open_test_file(const char* path, int flags = 0) {
    if (path == nullptr) {
        fail("file=PATH is missing: bench/files/prepare writes one", 0);
    }
    return static_cast<int>(expect(path, open(path, O_RDONLY | O_CLOEXEC | flags)));
}

[[nodiscard]] inline long size_of(int fd) {
    struct stat status {};
    expect("fstat", fstat(fd, &status));
    return status.st_size;
}

/// Whether all of the file is in the page cache.
[[nodiscard]] inline bool is_cached(int fd, long bytes) {
    const std::size_t length = static_cast<std::size_t>(bytes);
    void* const view = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
    if (view == MAP_FAILED) {
        fail("mmap", -errno);
    }
    std::vector<unsigned char> pages(length / static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + 1);
    expect("mincore", mincore(view, length, pages.data()));
    munmap(view, length);
    for (std::size_t page = 0; page < pages.size() - 1; ++page) {
        if ((pages[page] & 1) == 0) {
            return false;
        }
    }
    return true;
}

/// Brings the file into the page cache. More than one try: the kernel may take pages back at any
/// time.
inline void warm(int fd, long bytes) {
    constexpr int tries_max = 3;
    std::vector<char> data(1 << 18);
    for (int tries = 0; !is_cached(fd, bytes); ++tries) {
        if (tries == tries_max) {
            fail("the test file does not stay in the page cache: memory is short", 0);
        }
        for (long at = 0; at < bytes; at += static_cast<long>(data.size())) {
            expect("pread", pread(fd, data.data(), data.size(), at));
        }
    }
}

} // namespace bench
