// op::pread for each buffer, submitted again from its callback. Where the loop's engine is
// io_uring, the file is registered with it, and waits go on until `wait` reads have ended, but no
// longer than a millisecond for that; on epoll, what is not in the page cache is read by `workers`
// threads.
#include "../oxbow.h"
#include "files.h"

namespace {

using namespace oxbow;

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters& parameters)
        : fd_(fd), job_(job), reads_(new Read[job.depth]) {
        oxbow::LoopOptions options;
        options.registered_fds = static_cast<u32>(fd) + 1;
        options.workers_max = static_cast<u32>(parameters.number("workers", 4));
        bench::open_loop(loop_, parameters, options);
        // Both are false on epoll, and in kernels that cannot.
        (void)loop_.register_fd(fd);
        (void)loop_.set_wait_batch(static_cast<u32>(parameters.number("wait", 1)), 1'000'000);
        if (parameters.number("fixed", 1) != 0) {
            (void)loop_.register_memory(job.buffer(0), usize{job.depth} * bench::block_bytes);
        }
    }
    void run() {
        for (u32 slot = 0; slot < job_.depth && job_.has_next(); ++slot) {
            reads_[slot].subject = this;
            reads_[slot].slot = slot;
            start(reads_[slot]);
        }
        if (const int error = loop_.run(); error < 0) {
            bench::fail("Loop::run", error);
        }
    }

  private:
    struct Read {
        Subject* subject = nullptr;
        u32 slot = 0;
        Completion completion;

        void ended(Result result) noexcept {
            subject->job_.finish(slot, result.value);
            if (subject->job_.has_next()) {
                subject->start(*this);
            }
        }
    };

    void start(Read& read) noexcept {
        loop_.submit(
            read.completion,
            op::pread(fd_, job_.buffer(read.slot), bench::block_bytes, job_.next_offset(read.slot)),
            on<&Read::ended>(read));
    }

    i32 fd_;
    bench::ReadJob& job_;
    Read* reads_;
    Loop loop_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
