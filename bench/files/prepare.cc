// Writes the test file, and says what its file system can do: `direct=1`, the page cache can be
// bypassed; `clones=1`, a copy of the file may be no copy but a second name for the same blocks.
#include "../test_file.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/vfs.h>

namespace {

void write_all_blocks(int fd, long bytes) {
    constexpr long blocks_at_once = 256;
    std::vector<char> data(std::size_t{blocks_at_once} * bench::block_bytes);
    for (long at = 0; at < bytes; at += static_cast<long>(data.size())) {
        for (long i = 0; i < blocks_at_once; ++i) {
            bench::fill_block(&data[static_cast<std::size_t>(i) * bench::block_bytes],
                              static_cast<bench::u64>(at / bench::block_bytes + i));
        }
        const long left = bytes - at;
        const std::size_t size =
            left < static_cast<long>(data.size()) ? static_cast<std::size_t>(left) : data.size();
        if (bench::expect("write", write(fd, data.data(), size)) != static_cast<long>(size)) {
            bench::fail("write: the disk is full", 0);
        }
    }
    bench::expect("fsync", fsync(fd)); // nobody's reads shall wait for these writes
}

/// A file system in memory takes O_DIRECT in newer kernels, and reads from the page cache all the
/// same.
bool can_bypass_cache(const char* path) {
    struct statfs status {};
    bench::expect("statfs", statfs(path, &status));
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd < 0 || status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC) {
        return false;
    }
    const long result = pread(fd, bench::map_pages(bench::block_bytes), bench::block_bytes, 0);
    close(fd);
    return result == bench::block_bytes;
}

bool can_clone(int fd, const char* path) {
    const std::string other = std::string(path) + ".clone";
    const int to = static_cast<int>(bench::expect(
        other.c_str(), open(other.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600)));
    const bool can = ioctl(to, FICLONE, fd) == 0;
    close(to);
    bench::expect("unlink", unlink(other.c_str()));
    return can;
}

} // namespace

int main(int argc, char** argv) {
    bench::Parameters parameters(argc, argv);
    const char* const path = parameters.text("file", nullptr);
    const long bytes = parameters.number("bytes", 1L << 30);
    parameters.done();
    if (path == nullptr) {
        bench::fail("file=PATH is missing", 0);
    }
    const int fd = static_cast<int>(
        bench::expect(path, open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600)));
    write_all_blocks(fd, bytes);
    std::printf("direct=%d clones=%d\n", can_bypass_cache(path) ? 1 : 0,
                can_clone(fd, path) ? 1 : 0);
    return 0;
}
