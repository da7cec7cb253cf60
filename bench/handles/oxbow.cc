// Every operation of a loop is one Completion, whatever it is.
#include "../../loop/loop.h"
#include "handles.h"

using namespace oxbow;

int main() {
    OXBOW_BENCH_PRINT(Completion);
    OXBOW_BENCH_PRINT(Async);
    OXBOW_BENCH_PRINT(BufferPool);
    OXBOW_BENCH_PRINT(Loop);
    return 0;
}
