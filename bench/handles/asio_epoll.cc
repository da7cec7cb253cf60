#include "asio.h"
