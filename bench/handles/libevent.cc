// One kind of event for descriptors, timers and signals; the library says how large it is.
#include "handles.h"

#include <event2/event.h>

int main() {
    bench::print_bytes("event", event_get_struct_event_size());
    return 0;
}
