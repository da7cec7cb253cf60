// Everything that fills a submission queue entry: one function per operation of the kernel and per
// form of it, named after abi::Opcode, with the form behind (recv, recv_multishot, recv_bundle).
//
// What holds for all of them:
//
// - The entry was zeroed by Ring::get_sqe. A prep writes what its operation needs and nothing else:
//   never Sqe::user_data, and of Sqe::flags it only ever sets a bit that the operation cannot do
//   without. Flags, buffer groups and user data may so be set before or after, in any order. To
//   prepare an entry a second time, zero it first.
// - Arguments of one type that could be swapped come in a struct with names. Every field has a
//   default where there is a usual value.
// - Nothing fails here. What is wrong is said by the completion, as a negative errno in
//   Cqe::result. Common to all operations, and so not repeated below, are
//     -EBADF      the descriptor is not open, or the slot of the direct descriptor is empty
//     -EFAULT     an address is not mapped
//     -EINVAL     this kernel does not know the operation, or a flag or field of it
//     -ECANCELED  a cancel reached it first, or an entry that it was linked to failed
//     -EINTR      a cancel reached it while a kernel thread was at it
//                 (splice and tee then end with -512, a number that is the kernel's own)
//     -ENOMEM     the kernel is out of memory
//     -EACCES     the ring's restrictions forbid it
// - "Until submit" means: until the kernel has consumed the entry. Submit says so when it returns,
//   except with a submission thread (setup::sqpoll), where the queue must have been seen empty.
//   Kernels without feature::submit_stable (before 5.5) mean "until the completion" everywhere.
//   Paths, vectors, times and addresses must live until submit; buffers, and whatever else the
//   kernel writes to, until the completion, and until the last one of a multishot operation.
// - A version such as 5.19 is the first mainline kernel that has it.
#pragma once

#include "prep_command.h"
#include "prep_entry.h"
#include "prep_file.h"
#include "prep_path.h"
#include "prep_poll.h"
#include "prep_process.h"
#include "prep_ring.h"
#include "prep_send.h"
#include "prep_socket.h"
#include "prep_time.h"
