// pread(2), one after the other: what a program without a loop does.
#include "files.h"

namespace {

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters&) : fd_(fd), job_(job) {}
    void run() {
        while (job_.has_next()) {
            const auto offset = static_cast<off_t>(job_.next_offset(0));
            job_.finish(0, pread(fd_, job_.buffer(0), bench::block_bytes, offset));
        }
    }

  private:
    int fd_;
    bench::ReadJob& job_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
