// A copy of a file of `count` MiB, which is in the page cache, to a new file beside it, which stays
// there too. One operation of the figures is a MiB. The copy is compared byte for byte, outside of
// what is measured, and removed.
#pragma once

#include "../test_file.h"

#include <string>

namespace bench {

inline constexpr long mebibyte = 1L << 20;

struct CopyJob {
    int from;
    int to; ///< empty
    u64 bytes;
    const char* from_path;
    const char* to_path;
};

/// A new file beside the test file, that goes with the program, however that ends.
class CopyTarget {
  public:
    explicit CopyTarget(const char* beside) {
        path() = std::string(beside) + ".copy-XXXXXX";
        fd_ = static_cast<int>(expect("mkostemp", mkostemp(path().data(), O_CLOEXEC)));
        std::atexit([] { (void)unlink(path().c_str()); });
    }
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] static std::string& path() {
        static std::string name;
        return name;
    }

  private:
    int fd_;
};

inline void compare_files(const char* from_path, const char* to_path, long bytes) {
    const int from = open_test_file(from_path, bytes);
    const int to = open_test_file(to_path, bytes);
    struct stat status {};
    expect("fstat", fstat(to, &status));
    if (status.st_size != bytes) {
        fail("the copy is too long", status.st_size);
    }
    std::vector<char> data[2] = {std::vector<char>(1 << 18), std::vector<char>(1 << 18)};
    const std::size_t size = data[0].size();
    for (long at = 0; at < bytes; at += static_cast<long>(size)) {
        const long read = expect("pread", pread(from, data[0].data(), size, at));
        if (read <= 0 || pread(to, data[1].data(), size, at) != read ||
            std::memcmp(data[0].data(), data[1].data(), static_cast<std::size_t>(read)) != 0) {
            fail("the copy differs from the file", at);
        }
    }
    close(from);
    close(to);
}

/// `Subject`: made of the CopyJob and Parameters; run() returns when everything is copied.
template <class Subject>
int run_copy(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long bytes = parameters.number("count", 1024) * mebibyte;
    const char* const path = parameters.text("file", nullptr);
    Meter meter(parameters);
    const int from = open_test_file(path, bytes);
    struct stat status {};
    expect("fstat", fstat(from, &status));
    if (status.st_size != bytes || bytes == 0) {
        fail("the test file has not `count` MiB", status.st_size);
    }
    warm(from, bytes);
    const CopyTarget target(path);
    const CopyJob job = {from, target.fd(), static_cast<u64>(bytes), path,
                         CopyTarget::path().c_str()};
    Subject* const subject = new Subject(job, parameters);
    parameters.done();
    meter.start();
    subject->run();
    meter.stop();
    compare_files(job.from_path, job.to_path, bytes);
    meter.print(static_cast<double>(bytes / mebibyte));
    return 0;
}

} // namespace bench
