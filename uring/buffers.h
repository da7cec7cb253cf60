// Buffers that the kernel chooses from when data comes, so that a thousand idle connections need
// not hold one each. Three kinds, the first two of them on the newer and faster mechanism:
//
//   BufferGroup      buffers of one size; hands out what a completion brought, takes it back (5.19)
//   BufferRing       the ring in shared memory beneath it, for buffers of any size and place (5.19)
//   ProvidedBuffers  the same interface as BufferGroup where an entry has to give each one (5.7)
#pragma once

#include "buffer_group.h"
#include "buffer_ring.h"
#include "provided_buffers.h"
