// uv_fs_read, which a pool of `workers` threads does: 4, if nobody says otherwise.
#include "files.h"

#include <uv.h>

namespace {

class Subject {
  public:
    Subject(int fd, bench::ReadJob& job, bench::Parameters& parameters)
        : fd_(fd), job_(job), reads_(job.depth) {
        expect("setenv", setenv("UV_THREADPOOL_SIZE", parameters.text("workers", "4"), 1));
        expect("uv_loop_init", uv_loop_init(&loop_));
    }
    void run() {
        for (unsigned slot = 0; slot < job_.depth && job_.has_next(); ++slot) {
            reads_[slot].subject = this;
            reads_[slot].slot = slot;
            start(reads_[slot]);
        }
        uv_run(&loop_, UV_RUN_DEFAULT);
    }

  private:
    struct Read {
        uv_fs_t request{};
        Subject* subject = nullptr;
        unsigned slot = 0;
    };

    static void expect(const char* what, int result) {
        if (result != 0) {
            bench::fail(what, result);
        }
    }
    void start(Read& read) {
        read.request.data = &read;
        const uv_buf_t buffer = uv_buf_init(job_.buffer(read.slot), bench::block_bytes);
        const int error = uv_fs_read(&loop_, &read.request, fd_, &buffer, 1,
                                     static_cast<std::int64_t>(job_.next_offset(read.slot)), ended);
        expect("uv_fs_read", error);
    }
    static void ended(uv_fs_t* request) {
        Read& read = *static_cast<Read*>(request->data);
        const long result = request->result;
        uv_fs_req_cleanup(request);
        read.subject->job_.finish(read.slot, result);
        if (read.subject->job_.has_next()) {
            read.subject->start(read);
        }
    }

    int fd_;
    bench::ReadJob& job_;
    std::vector<Read> reads_;
    uv_loop_t loop_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_files<Subject>(argc, argv);
}
