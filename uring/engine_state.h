// What the io_uring engine knows, and what its parts call in each other: engine.cc waits and reaps,
// engine_features.cc finds out what the kernel has, engine_kinds.cc knows which of the ring's
// operations does what, engine_submit.cc prepares entries (with engine_file.cc, engine_message.cc
// and engine_process.cc, which not every program has), engine_result.cc makes results of
// completions, engine_cancel.cc ends things, engine_buffers.cc has the buffer rings,
// engine_files.cc the table of registered files, engine_memory.cc that of registered memory,
// engine_wake.cc wakes other loops, engine_batch.cc waits for several completions, engine_turn.cc
// receives in turn, engine_position.cc mends what the kernel leaves undone.
#pragma once

#include "../loop/loop.h"
#include "ring.h"

namespace oxbow::uring_engine {

/// What the kernel has. From its own answers, never from its version.
struct Features {
    u64 opcodes = 0;               ///< bit n: abi::Opcode n
    bool is_asked = false;         ///< about all of them; else there may be more
    bool accept_multishot = false; ///< 5.19
    bool poll_multishot = false;   ///< 5.13
    bool recv_multishot = false;   ///< 6.0, and with it recvmsg
    bool buffer_rings = false;     ///< 5.19
    bool refuses_nosignal = false; ///< rw_flag::nosignal, 6.18; believed in until it is

    [[nodiscard]] bool has(abi::Opcode opcode) const noexcept {
        const u32 bit = static_cast<u32>(opcode);
        return bit < 64 && (opcodes >> bit & 1) != 0;
    }
};

/// Of registered memory.
struct Area {
    uptr begin;
    usize bytes; ///< 0: its place is free
};
inline constexpr u32 areas_max = 16;
inline constexpr usize area_bytes_max = usize{1} << 30; ///< io_uring/rsrc.c, io_buffer_validate

/// What holds from one wait to the next.
struct Round {
    u32 large_bytes;    ///< of large messages, received
    bool sends_at_once; ///< from a receive in turn on
    bool is_stuck;      ///< something found no room, and so the wait has not slept
};

struct State {
    Ring ring;
    Features features;
    u8 chores;            ///< bits, below: what is to be done besides handing over and waiting
    u64 cancels_again_ns; ///< when doubtful ones are sent again
    bool blocks_sigpipe;
    bool keeps_futexes; ///< see keep_futexes
    bool asked_about_position;
    bool moves_position; ///< of a file, behind a short write; see mend_position
    u16 next_group;
    Round round;

    u32 waits_for_more;   ///< completions after the first, where a wait has a deadline
    u32 batch;            ///< what Loop::set_wait_batch has said
    u64 batch_limit_ns;   ///< the same
    u32 results_at_batch; ///< all that there had been when the last one began

    u32 registered_fds; ///< slots of the ring's table of files; the index is the descriptor

    bool has_area_table; ///< in the kernel
    u32 areas;           ///< from which place on there are none
    Area area[areas_max];

    // Bits of `chores`.
    static constexpr u8 to_enable = 1;    ///< the ring, by the thread that runs the loop
    static constexpr u8 arm_wake = 2;     ///< the poll of the loop's eventfd has ended
    static constexpr u8 cancels_left = 4; ///< some cancels did not find room in the queue
    static constexpr u8 cancels_again = 8;
    static constexpr u8 batches = 16;     ///< waits go on for several completions; this one stays
    static constexpr u8 to_register = 32; ///< the ring's descriptor, after some waits

    [[nodiscard]] bool has_chore(u8 bit) const noexcept { return (chores & bit) != 0; }
    void set_chore(u8 bit) noexcept { chores = static_cast<u8>(chores | bit); }
    void clear_chore(u8 bit) noexcept { chores = static_cast<u8>(chores & ~bit); }

    /// Lives in the room that a loop has for its engine, and is zero at first, as a closed ring.
    [[nodiscard]] static State& make(void* room) noexcept {
        __builtin_memset(room, 0, sizeof(State));
        State& state = *static_cast<State*>(room);
        state.ring.become_closed();
        return state;
    }
};

[[nodiscard]] inline State& state_of(Loop& loop) noexcept {
    return *static_cast<State*>(loop.engine_state());
}

// ---- User data ---------------------------------------------------------------------------------
//
// The completion's address, below the activation that is meant. Addresses of user memory have no
// more than 56 bits on any machine unless a program asks for more, and completions are aligned, so
// that odd numbers are free for the engine's own.

inline constexpr u32 generation_shift = 56;
inline constexpr u64 wake_tag = 1;    ///< the poll of the loop's eventfd
inline constexpr u64 unseen_tag = 3;  ///< a request of which nobody wants to know what came
inline constexpr u64 message_tag = 5; ///< another loop wakes this one
/// Of a wake of another loop that has failed; above, the other loop's address.
inline constexpr u64 message_bits = 7;

[[nodiscard]] inline u64 tag_of(const Completion& completion) noexcept {
    return address_of(&completion) | static_cast<u64>(completion.generation) << generation_shift;
}
[[nodiscard]] inline Completion& completion_of(u64 tag) noexcept {
    const u64 address = tag & ((u64{1} << generation_shift) - 1);
    return *reinterpret_cast<Completion*>(static_cast<uptr>(address));
}

// ---- What a completion's own bits mean here ---------------------------------------------------

/// Multishot: the kernel has ended it, the next entry begins it again. Zero-copy send: only the
/// notification is missing. Open: it may have to wait for another process.
inline constexpr u8 half_done = Completion::engine_bit_a;
/// Splice and tee, with Completion::polls: the input is ready, and it waits for room at the output.
inline constexpr u8 input_ready = Completion::engine_bit_a;
/// Connects, polls and sends, with Completion::polls: some time is to pass, not readiness to come.
/// Sends without: it was found ready, and is tried again.
inline constexpr u8 pauses = Completion::engine_bit_a;
/// Writes, without Completion::polls: its entry asks for no rw_flag::nosignal.
inline constexpr u8 is_plain = Completion::engine_bit_a;
/// Cancels: their target ends by them, even if the kernel does not find it any more.
inline constexpr u8 target_ends = Completion::engine_bit_a;
/// The kernel has been asked for its end.
inline constexpr u8 cancel_sent = Completion::engine_bit_b;

/// Where it stands while it is in flight. A waitid waits on a descriptor that the engine has opened
/// for it and that is none of the loop's.
[[nodiscard]] inline CompletionList& list_of(Loop& loop, const Completion& completion) noexcept {
    return completion.kind == Kind::waitid ? loop.unattached().readers
                                           : loop.slot_of(completion).readers;
}

// ---- The parts ---------------------------------------------------------------------------------

/// How an operation is done where the ring cannot.
enum class Fallback : u8 {
    none,   ///< the ring has had it from the first
    now,    ///< the system call does not block
    worker, ///< the system call may block
    poll,   ///< the system call, when the descriptor is ready
    waitid, ///< the same, on a descriptor of the process
};

struct KindInfo {
    abi::Opcode opcode;
    Fallback fallback;
    u16 poll_events; ///< what to wait for after -EAGAIN; 0: it does not wait for readiness
};
[[nodiscard]] const KindInfo& info_of(Kind kind) noexcept;
[[nodiscard]] constexpr bool is_send(Kind kind) noexcept {
    return kind >= Kind::send && kind <= Kind::sendmsg_zero_copy;
}
/// Whether `pauses` may be set of it.
[[nodiscard]] constexpr bool can_pause(Kind kind) noexcept {
    return kind == Kind::connect || kind == Kind::poll || kind == Kind::poll_multishot ||
           kind == Kind::write || kind == Kind::write_all || kind == Kind::writev || is_send(kind);
}

/// Whether it has an output besides its input, and so two descriptors to be ready.
[[nodiscard]] constexpr bool has_output(Kind kind) noexcept {
    return kind == Kind::splice || kind == Kind::tee;
}

/// Without asking, where that is not needed.
[[nodiscard]] Features features_of(Ring& ring) noexcept;
/// Whether a loop can stand on this ring.
[[nodiscard]] bool suffices(const Ring& ring, const Features& features) noexcept;
[[nodiscard]] bool ask_for(State& state, abi::Opcode opcode) noexcept;
[[nodiscard]] inline bool has(State& state, abi::Opcode opcode) noexcept {
    return state.features.has(opcode) || (!state.features.is_asked && ask_for(state, opcode));
}

/// Whether this ring does the operation itself.
[[nodiscard]] bool is_native(State& state, const Completion& completion) noexcept;

/// What every send asks for besides. dontwait, because a send that finds no room and that the ring
/// makes again by itself may be empty the second time: up to Linux 6.18 it does not take back what
/// the first attempt has copied of the message (AF_UNIX datagrams, unix_dgram_sendmsg).
inline constexpr u32 send_flags = abi::msg_flag::nosignal | abi::msg_flag::dontwait;

/// Fills an entry for an operation that is_native, or for its poll.
void prepare(State& state, abi::Sqe& sqe, Completion& completion) noexcept;

void submit(Loop& loop, Completion& completion) noexcept;
/// Into its slot's list: from now on it is in flight.
void enlist(Loop& loop, Completion& completion) noexcept;
/// The same for one that has been looked at.
void begin(Loop& loop, Completion& completion) noexcept;
void resume(Loop& loop, Completion& completion) noexcept;
void close_fd(Loop& loop, Completion& completion) noexcept;
/// Puts it into the queue once more; it is in its slot's list already.
void submit_again(Loop& loop, Completion& completion) noexcept;
/// Waits for readiness, then submit_again or attempt().
void submit_poll(Loop& loop, Completion& completion) noexcept;
/// The same after a while, for what readiness does not tell of.
void submit_pause(Loop& loop, Completion& completion) noexcept;
/// Room for an entry, flushed for if need be.
[[nodiscard]] bool has_room(Loop& loop) noexcept;
/// An entry, flushed for if need be; nullptr: the kernel takes none now.
[[nodiscard]] abi::Sqe* entry(Loop& loop) noexcept;
/// Hands over what waited for room.
void unpark(Loop& loop) noexcept;
void arm_wake(Loop& loop) noexcept;
/// Lets the ring run, as this thread's.
void enable(Loop& loop) noexcept;
/// Keeps SIGPIPE from this thread, where the kernel has no flag that does.
void block_sigpipe(State& state) noexcept;

/// Whether the caller wants -EAGAIN, or it is the operation's answer.
[[nodiscard]] bool wants_eagain(const Completion& completion) noexcept;
/// Does with a system call what this ring has no operation for, when the descriptor is ready.
void attempt(Loop& loop, Completion& completion) noexcept;
/// What a completion of the ring says about an operation.
void take_result(Loop& loop, Completion& completion, const abi::Cqe& cqe) noexcept;

// What is linked only into programs that call such a function of op.h (needs.h).

/// Reads and writes, but for those into a buffer of a pool.
[[nodiscard]] constexpr bool is_transfer(Kind kind) noexcept {
    return kind >= Kind::read && kind <= Kind::writev && !is_managed(kind);
}
/// Those of one piece of memory.
[[nodiscard]] constexpr bool is_plain_transfer(Kind kind) noexcept {
    return kind == Kind::read || kind == Kind::read_all || kind == Kind::write ||
           kind == Kind::write_all;
}
[[nodiscard]] constexpr bool is_of_files(Kind kind) noexcept {
    return is_transfer(kind) || (kind >= Kind::openat && kind <= Kind::pipe);
}
[[nodiscard]] constexpr bool is_of_processes(Kind kind) noexcept {
    return kind >= Kind::waitid && kind <= Kind::futex_wake;
}

struct FilePart {
    void (*submit_transfer)(Loop& loop, Completion& completion) noexcept; // is_plain_transfer()
    void (*prepare)(State& state, abi::Sqe& sqe, Completion& completion) noexcept;
    bool (*leaves_position)(Loop& loop, const Completion& completion) noexcept;
    void (*mend_position)(State& state, const Completion& completion, u32 written) noexcept;
    bool (*is_file)(i32 fd) noexcept;
    bool (*is_file_without_multishot)(State& state, const Completion& completion) noexcept;
};
[[gnu::weak]] extern const FilePart file_part;
struct MessagePart { // for is_message()
    void (*prepare)(const State& state, abi::Sqe& sqe, const Completion& completion) noexcept;
    bool (*has_too_many_pieces)(const Completion& completion) noexcept;
};
[[gnu::weak]] extern const MessagePart message_part;
struct ProcessPart {
    void (*prepare)(State& state, abi::Sqe& sqe, const Completion& completion) noexcept;
    void (*wait_for_child)(Loop& loop, Completion& completion) noexcept;
};
[[gnu::weak]] extern const ProcessPart process_part;

/// Whether the part that does it is there.
[[nodiscard]] bool is_linked(Kind kind) noexcept;

/// Whether nobody can wait for it: a regular file, a directory, a disk.
[[nodiscard]] bool is_file(i32 fd) noexcept;
/// Whether the ring would do the transfer and leave the file's own position where it was.
[[nodiscard]] bool leaves_position(Loop& loop, const Completion& completion) noexcept;
/// After a step of a write: sees to it that the file's own position is behind what was written.
void mend_position(State& state, const Completion& completion, u32 written) noexcept;

// Of receives in turn with their callbacks (engine_turn.cc).

/// Smaller messages are not worth it.
inline constexpr i32 turn_bytes = 8192;
/// Where the pool has no buffer, the kernel may still have some of what it was offered before, and
/// receives as ever.
[[nodiscard]] inline bool takes_turns(const Completion& completion) noexcept {
    const arguments::Managed& with = completion.arguments.managed;
    return completion.kind == Kind::recv_multishot && with.flags == 0 && with.pool->in_turn() &&
           with.pool->can_take();
}
/// Its poll has ended: it is to have its turn. False: it takes none.
[[nodiscard]] bool announce(Loop& loop, Completion& completion) noexcept;
/// Counts a message of turn_bytes or more; see BufferPool::count_take.
[[nodiscard]] bool is_of_crowd(State& state, i32 received) noexcept;
/// Engine::receive.
[[nodiscard]] bool receive(Loop& loop, Completion& completion) noexcept;
/// False: it is for the ring; of a send_all, what is left of it.
[[nodiscard]] bool send_at_once(Loop& loop, Completion& completion) noexcept;

[[nodiscard]] i32 cancel(Loop& loop, Completion& target, Completion* request) noexcept;
/// The engine ends `target` because that was asked for, though the kernel did not.
void tell_requests(Loop& loop, const Completion& target) noexcept;
/// The kernel has answered -EALREADY or -ENOENT to a cancel. Mostly its target has ended, or does
/// so now. But a thread of the kernel's that has just taken a request up, and has not begun to wait
/// yet, may miss the signal and wait for ever after all: so whatever is left in a while is asked
/// again.
void doubt_cancel(Loop& loop) noexcept;
void repeat_cancels(Loop& loop) noexcept;
/// Asks for what found no room before.
void send_cancels_left(Loop& loop) noexcept;

// Of descriptors and memory that are registered; linked only where Loop::register_fd or
// Loop::register_memory is called.

/// Makes the table of registered files, as large as the loop's options ask and the kernel lets.
[[gnu::weak]] void open_files(Loop& loop, State& state) noexcept;
/// Lets go of all files in it.
[[gnu::weak]] void close_files(State& state) noexcept;
[[gnu::weak]] bool register_fd(Loop& loop, i32 fd) noexcept;
[[gnu::weak]] void unregister_fd(Loop& loop, i32 fd) noexcept;

/// Whether its entry may name the file by its place in the table. Of what has a descriptor, that
/// leaves out what the ring does not take so (close, and what looks up a path), what has two of
/// them, and what a thread of the kernel's does in any case: that costs far more than the look-up,
/// and the thread may come to the table only when the file has left it.
[[nodiscard]] constexpr bool takes_registered(Kind kind) noexcept {
    return kind >= Kind::connect && kind <= Kind::poll_multishot;
}
[[nodiscard]] inline bool is_registered(Loop& loop, const State& state,
                                        const Completion& completion) noexcept {
    return static_cast<u32>(completion.fd) < state.registered_fds &&
           loop.fds().slots[completion.fd].has(FdSlot::registered) &&
           takes_registered(completion.kind);
}

/// What every entry on a completion's own descriptor has.
inline void finish_entry(Loop& loop, abi::Sqe& sqe, const Completion& completion) noexcept {
    if (is_registered(loop, state_of(loop), completion)) {
        sqe.flags |= abi::sqe_flag::fixed_file;
    }
    sqe.user_data = tag_of(completion);
}

[[gnu::weak]] bool register_memory(Loop& loop, void* memory, usize bytes) noexcept;
[[gnu::weak]] void unregister_memory(Loop& loop, void* memory) noexcept;
/// The place of the area that has all of it; areas_max: there is none.
[[nodiscard]] inline u32 area_of(const State& state, const void* data, u32 bytes) noexcept {
    for (u32 place = 0; place < state.areas; ++place) {
        const uptr distance = reinterpret_cast<uptr>(data) - state.area[place].begin;
        if (distance < state.area[place].bytes && bytes <= state.area[place].bytes - distance) {
            return place;
        }
    }
    return areas_max;
}

/// Linked only where Loop::set_wait_batch is called.
[[gnu::weak]] bool set_wait_batch(Loop& loop, u32 completions, u64 limit_ns) noexcept;
/// Sets State::waits_for_more for the wait that comes; the earlier of `deadline_ns` and the batch's
/// own.
[[gnu::weak]] u64 begin_batch(Loop& loop, u64 deadline_ns) noexcept;

/// Linked only where Async::notify(Loop&) is called.
[[gnu::weak]] bool wake_other(Loop& loop, Loop& target) noexcept;
[[gnu::weak]] void wake_others_now(Loop& loop) noexcept;
/// The kernel could not post that completion: it has no memory for it, mostly.
[[gnu::weak]] void wake_otherwise(u64 user_data) noexcept;

[[nodiscard]] i32 open_pool(Loop& loop, BufferPool& pool) noexcept;
void close_pool(Loop& loop, BufferPool& pool) noexcept;

} // namespace oxbow::uring_engine
