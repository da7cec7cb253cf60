// uv_fs_copyfile, or with way=sendfile uv_fs_sendfile as often as it takes; one thread of the pool
// does either.
#include "copy.h"

#include <uv.h>

namespace {

class Subject {
  public:
    Subject(const bench::CopyJob& job, bench::Parameters& parameters)
        : job_(job), sends_(std::strcmp(parameters.text("way", "copyfile"), "sendfile") == 0) {
        expect("uv_loop_init", uv_loop_init(&loop_));
        request_.data = this;
    }
    void run() {
        if (sends_) {
            send_rest();
        } else {
            const int error = uv_fs_copyfile(&loop_, &request_, job_.from_path, job_.to_path, 0,
                                             [](uv_fs_t* request) { self(request).copied(); });
            expect("uv_fs_copyfile", error);
        }
        uv_run(&loop_, UV_RUN_DEFAULT);
    }

  private:
    static Subject& self(uv_fs_t* request) { return *static_cast<Subject*>(request->data); }
    static void expect(const char* what, int result) {
        if (result != 0) {
            bench::fail(what, result);
        }
    }

    void copied() {
        expect("uv_fs_copyfile", static_cast<int>(request_.result));
        uv_fs_req_cleanup(&request_);
    }
    void send_rest() {
        const int error =
            uv_fs_sendfile(&loop_, &request_, job_.to, job_.from, static_cast<std::int64_t>(done_),
                           job_.bytes - done_, [](uv_fs_t* request) { self(request).sent(); });
        expect("uv_fs_sendfile", error);
    }
    void sent() {
        const long result = request_.result;
        uv_fs_req_cleanup(&request_);
        if (result <= 0) {
            bench::fail("uv_fs_sendfile", result);
        }
        done_ += static_cast<bench::u64>(result);
        if (done_ != job_.bytes) {
            send_rest();
        }
    }

    bench::CopyJob job_;
    bool sends_;
    bench::u64 done_ = 0;
    uv_loop_t loop_;
    uv_fs_t request_{};
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_copy<Subject>(argc, argv);
}
