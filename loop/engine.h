// The seam between the loop and what waits for the kernel: one constant table of functions, as a
// file system has one of its operations. uring/engine.cc and epoll/epoll_engine.cc each define one,
// tests define a simulated one, and so can you.
//
// An engine keeps what it knows behind Loop::engine_state(). Whatever it has taken on it hands back
// with Loop::finish (the last result) or Loop::deliver (one with more()), at any time but never
// from another thread; neither runs a callback. While a completion is in the engine's hands its
// state is State::engine and it stands in a list where Loop::slot_of finds it: FdSlot::readers or
// ::writers of its descriptor, or those of Loop::unattached().
#pragma once

#include "completion.h"

namespace oxbow {

/// What Engine::cancel says.
namespace cancel_outcome {
inline constexpr i32 ends = 0;    ///< it will end, or has been finished already
inline constexpr i32 pending = 1; ///< the request itself is finished later, by the engine
// -EALREADY: it cannot be stopped any more.
} // namespace cancel_outcome

struct Engine {
    const char* name;

    /// Takes on an operation that needs the kernel. Never fails: what cannot be done is finished
    /// with its error, what finds no room waits in Loop::parked().
    void (*submit)(Loop& loop, Completion& completion) noexcept;

    /// Hands over what is queued, waits until something happens or `deadline_ns` (a point of
    /// CLOCK_MONOTONIC; 0: not at all; ~0: for ever), and collects what has happened. 0, or an
    /// error that ends the loop's run.
    i32 (*wait)(Loop& loop, u64 deadline_ns) noexcept;

    /// Asks for the end of `target`, which is in State::engine. `request` is the completion of
    /// Kind::cancel that wants to know, or nullptr. cancel_outcome.
    i32 (*cancel)(Loop& loop, Completion& target, Completion* request) noexcept;

    /// Goes on with an operation whose result with more() has been seen by its callback. Its state
    /// is State::resuming, and it is in no list.
    void (*resume)(Loop& loop, Completion& completion) noexcept;

    /// Closes completion.fd, on which nothing is in flight, and finishes the completion.
    void (*close_fd)(Loop& loop, Completion& completion) noexcept;

    /// A BufferPool is opened, or is closed. Where the kernel is to take buffers by itself, it
    /// takes them from BufferPool::ring_memory, once open_pool has set BufferPool::kernel_takes.
    i32 (*open_pool)(Loop& loop, BufferPool& pool) noexcept;
    void (*close_pool)(Loop& loop, BufferPool& pool) noexcept;

    /// Lets go of everything: descriptors, mappings, and Loop::engine_state().
    void (*detach)(Loop& loop) noexcept;

    /// Loop::register_fd of a descriptor that has a slot and is not being closed, and
    /// Loop::unregister_fd of one that has a slot. An engine that calls close_fd unregisters there
    /// by itself. nullptr, both of them: it has nothing to register with.
    bool (*register_fd)(Loop& loop, i32 fd) noexcept = nullptr;
    void (*unregister_fd)(Loop& loop, i32 fd) noexcept = nullptr;
    /// Loop::register_memory and Loop::unregister_memory, likewise.
    bool (*register_memory)(Loop& loop, void* memory, usize bytes) noexcept = nullptr;
    void (*unregister_memory)(Loop& loop, void* memory) noexcept = nullptr;

    /// Loop::set_wait_batch. nullptr: each wait ends with what comes first.
    bool (*set_wait_batch)(Loop& loop, u32 completions, u64 limit_ns) noexcept = nullptr;

    /// Wakes `target`, which has a ring and sleeps in another thread, with the next Engine::wait of
    /// `loop`. False: it cannot. nullptr: it never can.
    bool (*wake_other)(Loop& loop, Loop& target) noexcept = nullptr;
    /// After the last callbacks of a run, in which wake_other was called: there may be no further
    /// wait. Whoever has not been woken yet is woken now.
    void (*wake_others_now)(Loop& loop) noexcept = nullptr;

    /// Fetches what was announced with Loop::deliver_later, when its callback's turn has come: so
    /// that data are in the processor's cache, and one buffer serves many. True: the completion has
    /// its value and flags and is in State::ready_more; false: it has been put elsewhere. nullptr:
    /// the engine announces nothing.
    bool (*receive)(Loop& loop, Completion& completion) noexcept = nullptr;
};

} // namespace oxbow
