// A handle for each thing, and a request for each operation on it but reads.
#include "handles.h"

#include <uv.h>

int main() {
    OXBOW_BENCH_PRINT(uv_tcp_t);
    OXBOW_BENCH_PRINT(uv_write_t);
    OXBOW_BENCH_PRINT(uv_udp_send_t);
    OXBOW_BENCH_PRINT(uv_connect_t);
    OXBOW_BENCH_PRINT(uv_fs_t);
    OXBOW_BENCH_PRINT(uv_timer_t);
    OXBOW_BENCH_PRINT(uv_async_t);
    OXBOW_BENCH_PRINT(uv_loop_t);
    return 0;
}
