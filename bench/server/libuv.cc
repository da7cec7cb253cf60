// A uv_tcp_t for each connection, one buffer for everybody, and uv_try_write, which always has room
// for what this program is asked to send back.
#include "hosted.h"

#include <uv.h>

namespace {

using namespace hosted;

u64 left;
char buffer[buffer_bytes];

uv_stream_t* stream(uv_tcp_t* socket) {
    return reinterpret_cast<uv_stream_t*>(socket);
}

void check(const char* what, int error) {
    if (error != 0) {
        fail(what, error);
    }
}

void room(uv_handle_t*, std::size_t, uv_buf_t* result) {
    *result = uv_buf_init(buffer, sizeof(buffer));
}

void closed(uv_handle_t* connection) {
    delete reinterpret_cast<uv_tcp_t*>(connection);
}

void received(uv_stream_t* connection, ssize_t bytes, const uv_buf_t* data) {
    if (bytes < 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(connection), closed);
    } else if (bytes > 0) {
        const uv_buf_t all = uv_buf_init(data->base, static_cast<unsigned>(bytes));
        if (uv_try_write(connection, &all, 1) != static_cast<int>(bytes)) {
            fail("uv_try_write", 0);
        }
        if (--left == 0) {
            uv_stop(connection->loop);
        }
    }
}

void connected(uv_stream_t* listener, int status) {
    check("uv_listen", status);
    uv_tcp_t* const connection = new uv_tcp_t;
    check("uv_tcp_init", uv_tcp_init(listener->loop, connection));
    check("uv_accept", uv_accept(listener, stream(connection)));
    check("uv_read_start", uv_read_start(stream(connection), room, received));
}

} // namespace

int main(int argc, char** argv) {
    left = answers_max(argc, argv);
    uv_loop_t loop;
    uv_tcp_t listener;
    check("uv_loop_init", uv_loop_init(&loop));
    check("uv_tcp_init", uv_tcp_init(&loop, &listener));
    check("uv_tcp_open", uv_tcp_open(&listener, listen_and_tell()));
    check("uv_listen", uv_listen(stream(&listener), 4096, connected));
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
