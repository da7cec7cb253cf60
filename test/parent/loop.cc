// A user's program with a loop, built as main.cc is.
#if defined(VENDORED)
#include "third_party/io/open.h"
#else
#include <oxbow/io/open.h>
#endif

#include <cstdio>

namespace {
struct Ticker {
    oxbow::Completion timer;
    int left = 3;
    oxbow::Action ticked(oxbow::Result result) noexcept {
        return result.ok() && --left > 0 ? oxbow::Action::rearm : oxbow::Action::disarm;
    }
};
} // namespace

int main() {
    oxbow::Loop loop;
    if (const int error = oxbow::open(loop); error != 0) {
        std::printf("parent: no loop: errno %d\n", -error);
        return 1;
    }
    Ticker ticker;
    loop.submit(ticker.timer, oxbow::op::timer(1000000), oxbow::on<&Ticker::ticked>(ticker));
    const int callbacks = loop.run();
    std::printf("parent: a timer ticked %d times on %s\n", callbacks, loop.engine_name());
    loop.close();
    return callbacks == 3 && ticker.left == 0 ? 0 : 1;
}
