// Loop: what every loop shares, whatever waits for the kernel below it: completions and their life,
// the one ready queue, deadlines, cached time, cancels, closes, worker threads, wake-ups by other
// threads, run modes. It knows no engine; io/open.h makes one with io_uring or epoll.
//
// A Loop belongs to the thread that runs it. Only Async::notify and Loop::post may be called from
// others. It has no destructor and must be closed by hand, so that it may live in static storage of
// a program without a C library.
//
// Where things are: loop.cc submits and finishes, run.cc has the rounds, timing.cc has the timers,
// cancel.cc ends what is in flight, registered.cc tells the kernel of descriptors and memory,
// wait_batch.cc lets waits go on, chain.cc has what starts after something else, jobs.cc what other
// threads are given to do, remote.cc what they hand in.
#pragma once

#include "async.h"
#include "buffer_pool.h"
#include "deadlines.h"
#include "engine.h"
#include "fd_table.h"
#include "list.h"
#include "needs.h"
#include "op.h"
#include "options.h"
#include "wait_thread.h"
#include "worker_pool.h"

namespace oxbow {

class Loop {
  public:
    constexpr Loop() noexcept = default;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // ---- Operations --------------------------------------------------------------------------

    /// Starts `operation`; it ends through `handler`, in a later call of run. Never fails: an error
    /// is a result like any other. `completion` must be idle.
    ///
    /// Inline, so that an operation of op.h is never made: its parts go straight into `completion`.
    void submit(Completion& completion, const Operation& operation, Handler handler) noexcept {
        OXBOW_CHECK(is_open(), "submit to a loop that is not open");
        check_owner();
        fill(completion, operation, handler);
        if (operation.kind > Kind::close && operation.deadline_ns == Operation::no_deadline) {
            start_plain(completion);
        } else {
            start(completion, operation.deadline_ns, operation.deadline_is_relative);
        }
    }
    void submit(Completion& completion, const Operation& operation, Callback callback,
                void* user = nullptr) noexcept {
        submit(completion, operation, {callback, user});
    }

    /// Starts `second` when `first`, which is in flight, has ended well; where it ends with an
    /// error, `second` ends with -ECANCELED. A deadline given as a time begins with its start.
    void then(Completion& first, Completion& second, const Operation& operation,
              Handler handler) noexcept;

    /// Asks for the end of `completion`, without wanting to know what came of the asking; see
    /// op::cancel. Nothing happens where it is idle.
    void cancel(Completion& completion) noexcept;

    /// Sets the time of a timer anew, whether it is in flight or idle (then it is submitted as it
    /// was before). It ends `duration_ns` from now, counted as op::timer does, and not at its old
    /// time, even where that has passed and its callback is still to come.
    void reset_timer(Completion& timer, u64 duration_ns) noexcept;

    /// Takes a timer back: it is idle then, and its callback does not run. For what is started far
    /// more often than it fires, this is cheaper than cancel(). What is chained behind it ends with
    /// -ECANCELED. False: there is no taking back, since it is idle, or its time has come and its
    /// callback is still to come or runs (of a periodic one, cancel() ends it then).
    [[nodiscard]] bool stop_timer(Completion& timer) noexcept;

    /// From any thread or signal handler: runs the handler's callback in the loop's thread, with a
    /// result of 0. `completion` must be idle.
    void post(Completion& completion, Handler handler) noexcept;

    // ---- Registered descriptors and memory ---------------------------------------------------

    /// Tells the loop that many operations on `fd` will follow. io_uring then keeps the file in a
    /// table of its own, which saves it a look-up of the descriptor with each of them. Nothing else
    /// changes, and what it returns matters to nobody but who measures: whether the kernel took it.
    /// It costs a system call, and its end another one, so it is for what lives long.
    ///
    /// False on epoll; before 6.14; where the loop was opened with no LoopOptions::registered_fds
    /// or `fd` is not below it; of what is not open, is a ring, was opened with O_PATH, or is just
    /// being closed by the loop; and where the kernel has no memory for it.
    ///
    /// The table keeps the file open. So op::close takes `fd` out of it first, and Loop::close
    /// takes all. Whoever closes it by other means (close(2), dup2(2) onto it) must call
    /// unregister_fd before: else the file lives on, its peer sees no end, and operations on the
    /// number go to the old file even when the number is another's. The same holds for a change of
    /// O_NONBLOCK, which the kernel looks at here and not again: register it once more, which is
    /// never wrong. A child that inherits the loop's descriptors (fork without exec) keeps what is
    /// in the table open where this process dies without Loop::close.
    [[nodiscard]] bool register_fd(i32 fd) noexcept;

    /// Takes `fd` out of the table. What is in flight on it goes on as if it had never been there.
    /// Nothing happens where it is not registered.
    void unregister_fd(i32 fd) noexcept;

    /// Tells the loop that many reads, writes and zero-copy sends will use parts of this memory.
    /// io_uring then looks its pages up once and keeps them in place, which saves it that with each
    /// such operation (not with those of vectors or into a pool's buffers). Nothing else changes;
    /// what it returns is whether the kernel took it.
    ///
    /// False on epoll; before 5.19; for more than 16 areas, or one above 1 GiB; for memory that is
    /// not mapped or not writable, or a file on disk; and beyond RLIMIT_MEMLOCK, against which it
    /// is charged unless the process has CAP_IPC_LOCK.
    ///
    /// Memory that is unmapped, or mapped anew, must be unregistered before: the kernel would go on
    /// with the old pages. Loop::close takes all.
    [[nodiscard]] bool register_memory(void* memory, usize bytes) noexcept;

    /// The area that begins there, if it is registered. What is in flight goes on with its pages.
    void unregister_memory(void* memory) noexcept;

    // ---- Running -----------------------------------------------------------------------------

    /// Runs callbacks as `mode` says. How many ran, or a negative errno of the engine. A callback
    /// must not call it.
    i32 run(Run mode = Run::until_done) noexcept;

    /// Runs for `duration_ns`, or until stop().
    i32 run_for(u64 duration_ns) noexcept;

    /// From now on a wait goes on until `completions` operations have something to tell, or all
    /// that are in flight, or one of them `limit_ns` after the wait began. What ends in quick
    /// succession, as reads of a disk do, then costs one sleep and one system call instead of one
    /// each. In return a callback may come up to `limit_ns` later, that of an operation whose
    /// deadline has passed too, and so may what another thread tells the loop. Timers and the
    /// limits of a run are as exact as ever. With 1 the first ends a wait, as it does where nothing
    /// is said.
    ///
    /// False, and nothing changes: epoll, and io_uring before 5.11, whose waits end with the first.
    [[nodiscard]] bool set_wait_batch(u32 completions, u64 limit_ns) noexcept;

    /// Makes the run that is under way return before the next callback; what is ready waits for the
    /// next run. Before a run, the next one returns at once.
    void stop() noexcept { stopped_ = true; }

    /// Cancels everything, and what callbacks submit meanwhile, and runs until nothing is in flight
    /// or `deadline_ns` has passed. How many operations are left.
    u32 drain(u64 deadline_ns = ~u64{0}) noexcept;

    /// Lets go of everything. Nothing may be in flight: drain first. Closing twice does nothing.
    void close() noexcept;

    // ---- What there is -----------------------------------------------------------------------

    /// What LoopOptions::memory takes.
    [[nodiscard]] static constexpr usize memory_bytes(u32 fds_max) noexcept {
        return usize{fds_max} * (sizeof(FdSlot) + engine_room_bytes_per_fd);
    }
    [[nodiscard]] bool is_open() const noexcept { return engine_ != nullptr; }
    /// Operations that have not ended, or whose last callback has not begun.
    [[nodiscard]] u32 in_flight() const noexcept { return active_; }
    [[nodiscard]] const char* engine_name() const noexcept {
        return engine_ != nullptr ? engine_->name : "none";
    }
    /// CLOCK_MONOTONIC, read at most once per round, and anew where no run is under way.
    template <class Caller = void>
    [[nodiscard]] u64 now_ns() noexcept {
        detail::need_clock<Caller>();
        return clock_ns();
    }
    /// Reads the clock anew.
    template <class Caller = void>
    u64 update_now() noexcept {
        detail::need_clock<Caller>();
        return read_clock_ns();
    }
    [[nodiscard]] const Statistics& statistics() const noexcept { return statistics_; }
    [[nodiscard]] const LoopOptions& options() const noexcept { return options_; }

    // ---- For engines and their openers ---------------------------------------------------------

    /// now_ns() and update_now(), of which no program has more than it needs (needs.h).
    [[nodiscard]] u64 clock_ns() noexcept {
        return running_ && now_ns_ != 0 ? now_ns_ : read_clock_ns();
    }
    u64 read_clock_ns() noexcept;

    /// Makes everything but the engine. 0, or a negative errno with nothing left behind.
    [[nodiscard]] i32 prepare(const LoopOptions& options) noexcept;
    void attach(const Engine& engine, void* state) noexcept {
        engine_ = &engine;
        engine_state_ = state;
    }
    [[nodiscard]] void* engine_state() const noexcept { return engine_state_; }
    /// Between prepare() and close(): memory for what an engine knows, and some more for each
    /// descriptor. All zero, or as the last engine has left it.
    static constexpr usize engine_room_bytes = 2560;
    static constexpr usize engine_room_bytes_per_fd = 4;
    [[nodiscard]] void* engine_room() noexcept { return engine_room_; }
    [[nodiscard]] void* engine_room_of_fds() const noexcept { return fds_.slots + fds_.count; }
    [[nodiscard]] const Engine& engine() const noexcept { return *engine_; }

    /// An operation has ended. Takes it out of the deadlines; the caller has taken it out of its
    /// own lists.
    void finish(Completion& completion, i32 value, u32 flags = 0) noexcept;
    /// The engine is done with the buffer that a send_all was to give back to its pool, or with the
    /// operation's descriptor; finish() does both, too.
    static void give_buffer_back(Completion& completion) noexcept;
    void end_on_fd(Completion& completion) noexcept {
        completion.clear(Completion::counted);
        FdSlot& slot = own_slot_of(completion); // it was counted there
        if (--slot.in_flight == 0 && slot.has(FdSlot::closing)) [[unlikely]] {
            end_close(completion.fd);
        }
    }
    /// A result of an operation that goes on. The caller has taken it out of its own lists, and
    /// puts it back in Engine::resume.
    void deliver(Completion& completion, i32 value, u32 flags = 0) noexcept {
        ++statistics_.delivered;
        make_ready(completion, State::ready_more, value, flags | result_flag::more);
    }
    /// The same without a result, which is fetched by Engine::receive.
    void deliver_later(Completion& completion) noexcept {
        make_ready(completion, State::ready_to_receive, 0, 0);
    }
    /// Both again, for what comes with every message.
    void deliver_inline(Completion& completion, i32 value, u32 flags) noexcept {
        ++statistics_.delivered;
        make_ready_inline(completion, State::ready_more, value, flags | result_flag::more);
    }
    void deliver_later_inline(Completion& completion) noexcept {
        make_ready_inline(completion, State::ready_to_receive, 0, 0);
    }
    /// Whether a callback is still to see a result of it, so that no further one can be delivered.
    [[nodiscard]] static bool has_result(const Completion& completion) noexcept {
        return completion.state >= State::ready && completion.state <= State::ready_to_receive;
    }

    /// Waits for room in the ring, in order.
    void park(Completion& completion) noexcept;
    [[nodiscard]] CompletionList& parked() noexcept { return parked_; }
    /// Waits for a buffer of its pool; goes back to Engine::submit when there is one.
    void await_buffer(Completion& completion) noexcept;

    /// One attempt at a send or send_all that no other of its descriptor waits before, with a call
    /// and not by the engine's own means. False: it is to be started as any other; of a send_all,
    /// what is left of it (Completion::value is what is not).
    [[nodiscard]] bool send_at_once(Completion& send) noexcept;

    // Of sends without a callback that have succeeded, or of whose success the kernel will not
    // tell (untold.cc). `send` is in none of the engine's lists.
    [[nodiscard]] bool takes_untold(const Completion& send) const noexcept {
        return send.callback == nullptr && untold_count_ != untold_max;
    }
    void add_untold(Completion& send) noexcept { untold_[untold_count_++] = &send; }
    [[nodiscard]] u32 untold() const noexcept { return untold_count_; }
    /// Whether something waits for their end, so that no sleep may come before.
    [[nodiscard]] bool untold_matter() const noexcept {
        return dependents_ != 0 || active_ <= untold_count_;
    }
    /// It is as any other from here on. False: it is none of them.
    [[nodiscard]] bool forget_untold(const Completion& send) noexcept;
    /// They have all ended.
    void finish_untold() noexcept;

    /// Does the operation on a worker thread, or lets the thread that waits wait for it, and
    /// finishes with what comes of it; the completion is in no list of the engine's.
    void perform_on_worker(Completion& completion) noexcept;
    /// From a worker thread: the job's value is written. `met_end`: the end came behind it.
    void worker_done(Completion& completion, bool met_end = false) noexcept;

    /// Asks anew for what a parked request asks for.
    void restart_cancel(Completion& request) noexcept;

    /// Whether so much is in flight that it is in no near cache: then it is worth fetching what
    /// comes next ahead.
    [[nodiscard]] bool is_crowded() const noexcept { return active_ > 128; }

    [[nodiscard]] FdTable& fds() noexcept { return fds_; }
    /// The highest descriptor that an operation has used.
    [[nodiscard]] u32 fd_highest() const noexcept { return fd_highest_; }
    /// The slot of its descriptor, or unattached().
    [[nodiscard]] FdSlot& slot_of(const Completion& completion) noexcept {
        FdSlot* const slot = fds_.slot(completion.fd);
        return slot != nullptr ? *slot : unattached_;
    }
    /// Of one that has a descriptor in the table.
    [[nodiscard]] FdSlot& own_slot_of(const Completion& completion) noexcept {
        OXBOW_CHECK(fds_.slot(completion.fd) != nullptr, "an operation without a slot");
        return fds_.slots[completion.fd];
    }
    /// Of operations without a descriptor.
    [[nodiscard]] FdSlot& unattached() noexcept { return unattached_; }

    /// The eventfd that other threads write to while the loop sleeps. Edge-triggered: it is never
    /// read. -1 in programs in which nobody could.
    [[nodiscard]] i32 wake_fd() const noexcept { return wake_fd_and_1_ - 1; }
    /// Wakes it, whatever it does; from any thread.
    void write_wake() noexcept;
    /// The ring that those of other loops may send a message to instead; -1: none. Kept here,
    /// beside what they have to look at anyway, so that they take no cache line of the engine's.
    [[nodiscard]] i32 ring_fd() const noexcept { return ring_fd_and_1_ - 1; }
    void set_ring_fd(i32 fd) noexcept { ring_fd_and_1_ = fd + 1; }
    /// Whose callback runs, where further results follow; nullptr: that of none.
    [[nodiscard]] const Completion* resuming() const noexcept { return resuming_; }
    [[nodiscard]] Statistics& counters() noexcept { return statistics_; }
    [[nodiscard]] bool is_draining() const noexcept { return draining_; }

  private:
    friend class Async;
    friend class BufferPool;

    static constexpr u32 chain_buckets = 64;
    static constexpr u32 untold_max = 64;
    // What callbacks make ready by themselves costs no system call, but never keeps the kernel
    // waiting for longer than this.
    static constexpr u32 callbacks_between_looks = 64;
    // Of a timer: its result is not to be told, it has been set anew.
    static constexpr u8 was_reset = Completion::engine_bit_a;
    [[nodiscard]] static bool was_set_anew(const Completion& completion) noexcept {
        return completion.kind == Kind::timer && completion.has(was_reset);
    }
    // Of a chained operation: its deadline counts from its start.
    static constexpr u8 relative_deadline = Completion::engine_bit_a;

    // loop.cc
    [[nodiscard]] i32 take_memory() noexcept;
    void compare_owner() noexcept;
    void check_owner() noexcept {
#if defined(OXBOW_DEBUG)
        compare_owner();
#endif
    }
    static void fill(Completion& completion, const Operation& operation, Handler handler) noexcept {
        OXBOW_CHECK(completion.idle(), "a completion was submitted that is still in use");
        completion.callback = handler.callback;
        completion.user = handler.user;
        completion.kind = operation.kind;
        completion.fd = operation.fd;
        copy(completion.arguments, operation.arguments);
    }
    /// Word by word, as they have mostly just been written, and with no loop: then compilers keep
    /// them in registers. Else they are stores to the stack, and a wider load that has to wait
    /// until these are done.
    static void copy(arguments::Any& to, const arguments::Any& from) noexcept {
        copy_word(to, from, 0);
        copy_word(to, from, 1);
        copy_word(to, from, 2);
        if constexpr (sizeof(from) > 3 * sizeof(usize)) {
            copy_word(to, from, 3);
            copy_word(to, from, 4);
        }
    }
    static void copy_word(arguments::Any& to, const arguments::Any& from, usize index) noexcept {
        const usize at = index * sizeof(usize);
        __builtin_memcpy(reinterpret_cast<u8*>(&to) + at, reinterpret_cast<const u8*>(&from) + at,
                         sizeof(usize));
    }
    void start_plain(Completion& completion) noexcept;
    void start(Completion& completion, u64 deadline_ns, bool deadline_is_relative) noexcept;
    void start_outside(Completion& completion) noexcept;
    void start_timer(Completion& completion) noexcept;
    void start_on_engine(Completion& completion) noexcept;
    void make_ready(Completion& completion, State state, i32 value, u32 flags) noexcept;
    [[gnu::always_inline]] void make_ready_inline(Completion& completion, State state, i32 value,
                                                  u32 flags) noexcept {
        completion.state = state;
        completion.value = value;
        completion.result_flags = flags;
        ready_.push(completion);
    }
    void rearm(Completion& completion) noexcept;
    void end(Completion& completion, i32 value, u32 flags) noexcept;
    void finish_with_care(Completion& completion, i32 value, u32 flags) noexcept;

    // jobs.cc
    [[nodiscard]] i32 open_jobs() noexcept;
    void close_jobs() noexcept;
    [[nodiscard]] bool take_back(Completion& job) noexcept;
    [[nodiscard]] Completion* take_back_on(i32 fd) noexcept;

    // run.cc
    [[nodiscard]] i32 run_until(Run mode, u64 limit_ns, bool is_timed) noexcept;
    void end_run() noexcept;
    void send_owed_wakes() noexcept;
    void date_deadlines() noexcept;
    [[nodiscard]] i32 round(u64 limit_ns) noexcept;
    [[nodiscard]] i32 wait(u64 limit_ns) noexcept;
    void serve_waiters() noexcept;
    void fetch_ahead(const Completion& next) const noexcept;
    [[nodiscard]] u32 run_ready() noexcept;
    [[nodiscard]] bool run_callback(Completion& completion) noexcept;
    [[nodiscard]] bool run_callback_with_care(Completion& completion) noexcept;
    /// From here on the completion is the caller's, and may be gone unless its callback asks for
    /// more.
    void end_activation(Completion& completion) noexcept {
        completion.state = State::idle;
        ++completion.generation;
        --active_;
        ++statistics_.completed;
    }
    Action call(Completion& completion, Result result) noexcept;
    Action call_and_time(Completion& completion, Result result) noexcept;
    void resume(Completion& completion) noexcept;

    friend struct detail::Timing; // timing.cc

    // cancel.cc
    static constexpr i32 any_fd = -1;
    [[nodiscard]] i32 cancel(Completion& target, u32 generation, Completion* request) noexcept;
    [[nodiscard]] i32 cancel_in(State state, Completion& target, Completion* request) noexcept;
    void start_cancel(Completion& request) noexcept;
    void settle_parked_requests(const Completion& target, i32 value) noexcept;
    u32 cancel_list(CompletionList& list, i32 fd) noexcept;
    u32 cancel_slot(FdSlot& slot) noexcept;
    u32 cancel_successors(i32 fd) noexcept;
    u32 cancel_waiting(i32 fd) noexcept;
    u32 cancel_on_fd(i32 fd) noexcept;
    u32 cancel_everything() noexcept;
    u32 mark_results(i32 fd) noexcept;
    void start_close(Completion& completion) noexcept;
    void end_close(i32 fd) noexcept;

    // untold.cc
    [[nodiscard]] bool take_sent(Completion& completion, i32 sent) noexcept;
    void finish_untold_with_care(Completion& send) noexcept;

    // registered.cc
    [[nodiscard]] bool is_being_closed(i32 fd) const noexcept;

    // chain.cc, which only programs have that call then()
    friend struct detail::Chains;
    [[nodiscard]] static u32 bucket_of(const Completion& first) noexcept;
    void unchain(Completion& completion) noexcept;
    void start_successors(const Completion& first, bool succeeded) noexcept;
    u32 cancel_chained(i32 fd) noexcept;

    // remote.cc, which only programs have in which other threads, or signal handlers, could have
    // something for a loop
    friend struct detail::Remote;
    [[nodiscard]] i32 open_remote() noexcept;
    [[nodiscard]] bool must_be_woken() noexcept;
    void wake() noexcept;
    void wake_with(Loop& from) noexcept;
    void take_remote() noexcept;
    void take_notifications() noexcept;
    void start_notification(Completion& completion) noexcept;
    [[nodiscard]] bool has_remote_work() const noexcept {
        return load_relaxed(&brought_) != 0;
    }

    // What every round and every operation touches comes first and together: a server that has
    // slept begins with cold caches. And all of it is zero at first, so that a static loop takes no
    // room in the program's file.
    const Engine* engine_ = nullptr;
    void* engine_state_ = nullptr;
    CompletionQueue ready_;
    u32 active_ = 0;
    u32 dependents_ = 0; // of those, what waits for another: for its buffer or its end
    u32 untold_count_ = 0;
    u32 callbacks_to_look_ = 0;      // at the kernel; before that comes a look where none is ready
    u32 callbacks_max_ = 0;          // of a round
    u64 now_ns_ = 0;                 // 0: not read in this round
    Completion* resuming_ = nullptr; // whose callback runs, where further results follow
    CompletionList parked_;
    FdTable fds_;
    u32 fd_highest_ = 0; // that an operation has used
    bool stopped_ = false;
    bool running_ = false;
    bool draining_ = false;
    bool goes_on_ = false;    // the run, with whatever is ready
    bool owes_wakes_ = false; // to other loops, in this run
    i32 owner_tid_ = 0;
    Statistics statistics_;
    LoopOptions options_ = {.entries = 0, .workers_max = 0};
    Completion* untold_[untold_max] = {};
    FdSlot unattached_;
    BufferPool* pools_ = nullptr;

    // What other threads read and write, in a cache line that holds nothing else they would take
    // from this loop: each that changes hands costs both sides.
    alignas(64) u32 sleeping_ = 0; // whether a write to the eventfd is needed
    u32 brought_ = 0;              // whether there may be something in one of the four queues
    RemoteQueue<Completion> posted_;
    RemoteQueue<Completion> worker_results_;
    RemoteQueue<Completion> worker_ends_; // the same, of those that met the end of a file
    RemoteQueue<Async> notified_;
    CompletionList notifications_; // in State::notification: where those go next
    i32 wake_fd_and_1_ = 0;        // 0: there is none
    i32 ring_fd_and_1_ = 0;        // 0: nor a ring

    alignas(64) u8 engine_room_[engine_room_bytes] = {};

    // Large, or mostly not touched.
    CompletionList closings_; // in State::closing
    Deadlines deadlines_;
    CompletionList chained_[chain_buckets];
    WorkerPool workers_;
    WaitThread waits_;
};

} // namespace oxbow
