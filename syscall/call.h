// Level 3: one typed function per system call, in namespace oxbow::kernel, by subject. Each returns
// a value or a negative errno (errno.h), has the kernel's name where the kernel has one, and takes
// 64-bit sizes, offsets and times on 32-bit machines too. Behind a call stands its first kernel
// where that is newer than 5.1. Nothing above this room makes a system call any other way, so tests
// that fail, interrupt or shorten a call (see invoke) reach all of them.
#pragma once

#include "call_event.h"
#include "call_file.h"
#include "call_memory.h"
#include "call_process.h"
#include "call_ring.h"
#include "call_socket.h"
#include "call_time.h"
