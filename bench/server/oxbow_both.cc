// On a loop with io_uring or epoll, as the kernel allows.
#include "../../io/open.h"
#include "oxbow_server.h"

namespace {

constinit bare::Server server;

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char**) {
    const bare::u64 answers = bare::answers_max(argc, argv);
    const bare::i32 listener = bare::listen_and_tell();
    return listener >= 0 && oxbow::open(server.loop(), {.loop = server.options()}) == 0
               ? server.run(listener, answers)
               : 1;
}
