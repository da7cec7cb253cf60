#define ASIO_HAS_IO_URING 1
#define ASIO_DISABLE_EPOLL 1
#include "asio.h"
