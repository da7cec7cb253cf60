// The load of every echo server: `connections` of them, one request under way on each, `count`
// requests in all, each sent when the one before it is answered. Plain epoll.
//
//     load port=N connections=64 bytes=64 count=100000 go=FD cpu=1 lane=0
//
// It connects from the addresses of its lane, waits for a byte from the descriptor FD, and begins.
#include "load.h"

using namespace bench;

int main(int argc, char** argv) {
    Parameters parameters(argc, argv);
    const LoadParameters load(parameters);
    parameters.done();
    pin_to(load.cpu);
    raise_file_limit(files_beside + load.connections);
    LoadConnections connections(load);
    connections.await_go();
    long to_send = load.count;
    long to_receive = load.count;
    const auto request = [&](unsigned connection) {
        if (to_send > 0) {
            --to_send;
            connections.send(connection);
        }
    };
    for (unsigned i = 0; i < load.connections; ++i) {
        request(i);
    }
    while (to_receive > 0) {
        const long ready = connections.for_each_ready(20000, [&](unsigned connection) {
            if (connections.receive(connection)) {
                --to_receive;
                request(connection);
            }
        });
        if (ready == 0) {
            fail("no answer in 20 seconds", 0);
        }
    }
    return 0;
}
