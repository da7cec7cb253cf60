// sendfile(2), as often as it takes: the kernel copies from page to page.
#include "copy.h"

#include <sys/sendfile.h>

namespace {

class Subject {
  public:
    Subject(const bench::CopyJob& job, bench::Parameters&) : job_(job) {}
    void run() {
        bench::u64 left = job_.bytes;
        while (left != 0) {
            const long sent =
                bench::expect("sendfile", sendfile(job_.to, job_.from, nullptr, left));
            if (sent == 0) {
                bench::fail("sendfile: the file ends early", static_cast<long>(left));
            }
            left -= static_cast<bench::u64>(sent);
        }
    }

  private:
    bench::CopyJob job_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_copy<Subject>(argc, argv);
}
