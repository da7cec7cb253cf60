// uv_async_send.
#include "wake.h"

#include <uv.h>

namespace {

class Subject : public bench::Wakeable {
  public:
    explicit Subject(bench::Parameters&) {}
    void open() {
        uv_loop_init(&loop_);
        if (const int error = uv_async_init(&loop_, &async_, sent); error != 0) {
            bench::fail("uv_async_init", error);
        }
        async_.data = this;
    }
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
    void stop() { uv_stop(&loop_); } // the other thread may still send
    void notify(Subject*) { uv_async_send(&async_); }

  private:
    static void sent(uv_async_t* async) {
        const Subject& self = *static_cast<Subject*>(async->data);
        self.woken(self.user);
    }

    uv_loop_t loop_;
    uv_async_t async_;
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_wake<Subject>(argc, argv);
}
