// On a loop with io_uring alone.
#include "../../uring/engine.h"
#include "oxbow_server.h"

namespace {

constinit bare::Server server;

} // namespace

extern "C" int oxbow_main(int argc, char** argv, char**) {
    const bare::u64 answers = bare::answers_max(argc, argv);
    const bare::i32 listener = bare::listen_and_tell();
    return listener >= 0 && server.loop().prepare(server.options()) == 0 &&
                   oxbow::attach_uring(server.loop()) == 0
               ? server.run(listener, answers)
               : 1;
}
