// copy_file_range(2), as often as it takes. On file systems that clone (prepare says `clones=1`) it
// copies nothing.
#include "copy.h"

namespace {

class Subject {
  public:
    Subject(const bench::CopyJob& job, bench::Parameters&) : job_(job) {}
    void run() {
        bench::u64 left = job_.bytes;
        while (left != 0) {
            const long copied = bench::expect(
                "copy_file_range", copy_file_range(job_.from, nullptr, job_.to, nullptr, left, 0));
            if (copied == 0) {
                bench::fail("copy_file_range: the file ends early", static_cast<long>(left));
            }
            left -= static_cast<bench::u64>(copied);
        }
    }

  private:
    bench::CopyJob job_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_copy<Subject>(argc, argv);
}
