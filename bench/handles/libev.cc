// A watcher for each kind of event; what is done then is the user's, with memory of his own.
#include "handles.h"

#include <ev.h>

int main() {
    OXBOW_BENCH_PRINT(ev_io);
    OXBOW_BENCH_PRINT(ev_timer);
    OXBOW_BENCH_PRINT(ev_async);
    return 0;
}
