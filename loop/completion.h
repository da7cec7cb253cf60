// Completion: one operation in flight, in memory of the caller. From Loop::submit until its last
// callback begins it belongs to the loop and must neither move nor be reused; then it is the
// caller's again, so the callback may free it, fill it anew or submit it. All zero is a valid idle
// one. Nothing is ever allocated for it anywhere.
#pragma once

#include "deadlines.h"
#include "operation.h"
#include "result.h"

namespace oxbow {

class Loop;

/// What a callback returns.
enum class Action : u8 {
    disarm, ///< that was all
    rearm,  ///< the same operation again, as it was submitted. Counts only where more() is clear.
};

/// Runs in Loop::run, never inside submit or cancel, and never inside another callback.
using Callback = Action (*)(Loop& loop, Completion& completion, Result result, void* user);

/// A callback and what it is called with.
struct Handler {
    /// nullptr: nobody wants to know. A run does not come back for the end of such a send or
    /// send_all; Completion::idle() tells of it.
    Callback callback = nullptr;
    void* user = nullptr;
};

/// Where a completion is. Users ask idle(); the rest is the loop's and the engines'.
enum class State : u8 {
    idle,             ///< the caller's
    ready,            ///< its last result waits for the callback
    ready_more,       ///< a result waits for the callback, and the operation goes on
    ready_to_receive, ///< when the callback's turn comes, the engine fetches the result
    resuming,         ///< its callback is running, or has just run, with more()
    timing,           ///< among the deadlines
    notification,     ///< waits for an Async
    chained,          ///< waits for another completion to succeed
    parked,           ///< waits for room in the ring
    awaiting_buffer,  ///< waits for a buffer of its BufferPool
    engine,           ///< in the engine's hands
    worker,           ///< a job of the WorkerPool, or its result on the way
    posted,           ///< by another thread, on its way
    closing,          ///< a close that waits for what is in flight
};

struct Completion {
    /// Bits of `bits`.
    static constexpr u8 expired = 1;        ///< its deadline has passed, and its end was asked for
    static constexpr u8 cancelled = 2;      ///< its end was asked for
    static constexpr u8 has_successors = 4; ///< others are chained behind it
    static constexpr u8 counted = 8;        ///< in FdSlot::in_flight of its descriptor
    static constexpr u8 timed = 16;         ///< it has a deadline, kept in `deadline`
    static constexpr u8 polls = 32;         ///< engine: waits for readiness, to be tried again
    static constexpr u8 engine_bit_a = 64;  ///< the engine's own
    static constexpr u8 engine_bit_b = 128; ///< the engine's own

    /// Whether it is the caller's: not submitted, or its last callback has begun.
    [[nodiscard]] bool idle() const noexcept { return state == State::idle; }

    // What follows is the loop's and the engines'.

    Completion* next = nullptr; ///< in the one list or queue that `state` says
    union {
        Completion* prev = nullptr; ///< in a CompletionList
        u32 result_flags;           ///< while it is ready
    };
    Callback callback = nullptr;
    void* user = nullptr;
    Kind kind = Kind::nop;
    State state = State::idle;
    u8 generation = 0; ///< counts activations; see Engine
    u8 bits = 0;
    i32 fd = 0;    // all zero, so that static ones cost no room in the program's file
    i32 value = 0; ///< of the result; until then what an `_all` operation has transferred so far
    arguments::Any arguments{};
    DeadlineNode deadline;

    [[nodiscard]] bool has(u8 bit) const noexcept { return (bits & bit) != 0; }
    void set(u8 bit) noexcept { bits = static_cast<u8>(bits | bit); }
    void clear(u8 bit) noexcept { bits = static_cast<u8>(bits & ~bit); }
};

// The whole promise of "no memory but this": change it knowingly.
static_assert(sizeof(Completion) == (sizeof(void*) == 8 ? 96 : 64));

namespace detail {

template <class T>
struct MemberOf;
template <class Class, class Function>
struct MemberOf<Function Class::*> {
    using Object = Class;
};

template <class Function>
[[nodiscard]] inline Action action_of(Function&& call) noexcept {
    if constexpr (__is_same(decltype(call()), void)) {
        call();
        return Action::disarm;
    } else {
        return call();
    }
}

// `Object` follows from the method, and is a parameter nevertheless: with the method alone, g++ 12
// takes two classes of one name, each of an unnamed namespace of its own file, for one, and the
// linker keeps only the callback of the first.
template <class Object, auto method>
inline Action call_method(Loop& loop, Completion& completion, Result result, void* user) noexcept {
    Object& object = *static_cast<Object*>(user);
    if constexpr (requires { (object.*method)(loop, completion, result); }) {
        return action_of([&]() noexcept { return (object.*method)(loop, completion, result); });
    } else if constexpr (requires { (object.*method)(loop, result); }) {
        return action_of([&]() noexcept { return (object.*method)(loop, result); });
    } else {
        return action_of([&]() noexcept { return (object.*method)(result); });
    }
}

} // namespace detail

/// A method as a Handler, at no cost: `on<&Session::received>(session)`. It takes (Loop&,
/// Completion&, Result), (Loop&, Result) or (Result), and returns an Action or nothing.
template <auto method>
[[nodiscard]] inline Handler
on(typename detail::MemberOf<decltype(method)>::Object& object) noexcept {
    using Object = typename detail::MemberOf<decltype(method)>::Object;
    return {&detail::call_method<Object, method>, &object};
}

} // namespace oxbow
