// Every operation of io_uring_register, one function each, by subject:
//
//   register_files.h    the table of direct descriptors
//   register_buffers.h  the table of registered buffers, and buffer rings as the kernel sees them
//   register_ring.h     everything else: notifications, restrictions, workers, cancels, queries
//
// Those that change the Ring object itself are its methods: register_ring_fd, unregister_ring_fd,
// close_ring_fd, use_clock, resize. Whoever wants buffer groups takes buffers.h; whoever wants
// waits without a copied argument, wait_region.h.
//
// What holds for all of them:
//
// - They return 0, or what their comment says, or a negative errno. They never wait, unless their
//   comment says so, and never submit what is prepared.
// - Common to all operations on a ring, and so not repeated, are
//     -EINVAL  this kernel does not know the operation, or a flag of it
//     -EEXIST  the ring has setup::single_issuer, and another thread than the issuer called
//     -EACCES  the ring's restrictions forbid it
//     -EFAULT  an argument is not mapped
//     -ENOMEM  the kernel is out of memory
// - Arguments are read during the call and may go afterwards, unless a comment says otherwise.
// - What is registered belongs to the ring and ends with it, at the latest when the last descriptor
//   and mapping of it are gone: Ring::close() leaks nothing, whatever is still registered. The
//   kernel tears a ring down in its own time (io_uring/io_uring.c, io_ring_exit_work), so that a
//   file may stay open for a moment longer: liburing issue 1627.
// - A version such as 5.13 is the first mainline kernel that has it.
#pragma once

#include "register_buffers.h"
#include "register_files.h"
#include "register_ring.h"
