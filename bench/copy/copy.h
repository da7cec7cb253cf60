// A copy of a file of `count` MiB, which is in the page cache, to a new file beside it, which stays
// there too. One operation of the figures is a MiB. The copy is compared byte for byte, outside of
// what is measured, and removed.
#pragma once

#include "../test_file.h"

#include <string>
#include <sys/wait.h>

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

/// Makes the copy once, in a process of its own, and empties it again. In a virtual machine, memory
/// that nobody has used for some seconds may have gone back to the host, and is several times as
/// slow when it is used again. Which memory the kernel takes depends on how much is written at
/// once, so the rehearsal is the subject's own.
template <class Subject>
void rehearse(const CopyJob& job, Parameters& parameters) {
    const pid_t child = static_cast<pid_t>(expect("fork", fork()));
    if (child == 0) {
        (new Subject(job, parameters))->run();
        _exit(0); // and not exit, which would remove the copy
    }
    int status = 0;
    expect("waitpid", waitpid(child, &status, 0));
    if (status != 0) {
        fail("the rehearsal failed: wait status", status);
    }
    expect("ftruncate", ftruncate(job.to, 0));
    expect("lseek", lseek(job.to, 0, SEEK_SET));
    expect("lseek", lseek(job.from, 0, SEEK_SET));
}

inline void compare_files(const CopyJob& job) {
    const int to = open_test_file(job.to_path);
    const long bytes = static_cast<long>(job.bytes);
    if (size_of(to) != bytes) {
        fail("the copy has another size", size_of(to));
    }
    std::vector<char> data[2] = {std::vector<char>(1 << 18), std::vector<char>(1 << 18)};
    const std::size_t size = data[0].size();
    for (long at = 0; at < bytes; at += static_cast<long>(size)) {
        const long read = expect("pread", pread(job.from, data[0].data(), size, at));
        if (read <= 0 || pread(to, data[1].data(), size, at) != read ||
            std::memcmp(data[0].data(), data[1].data(), static_cast<std::size_t>(read)) != 0) {
            fail("the copy differs from the file", at);
        }
    }
    close(to);
}

/// `Subject`: made of the CopyJob and Parameters; run() returns when everything is copied.
template <class Subject>
int run_copy(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const long bytes = parameters.number("count", 1024) * mebibyte;
    const char* const path = parameters.text("file", nullptr);
    Meter meter(parameters);
    const int from = open_test_file(path);
    if (size_of(from) != bytes || bytes == 0) {
        fail("the file has not `count` MiB", size_of(from));
    }
    warm(from, bytes);
    const CopyTarget target(path);
    const CopyJob job = {from, target.fd(), static_cast<u64>(bytes), path,
                         CopyTarget::path().c_str()};
    rehearse<Subject>(job, parameters);
    Subject* const subject = new Subject(job, parameters);
    parameters.done();
    meter.start();
    subject->run();
    meter.stop();
    compare_files(job);
    meter.print(static_cast<double>(bytes / mebibyte));
    return 0;
}

} // namespace bench
