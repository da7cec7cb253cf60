// A scripted kernel: plays the other side of io_uring over plain memory, so that what a real one
// does by luck (a short submit, an overflow, EBUSY, completions out of order, indices about to
// wrap) is what a test asks for. It answers io_uring_setup, _enter and _register, mmap of its
// descriptor, and watches munmap and close; everything else goes to the real kernel. A descriptor
// of its own stands for the ring, and its mappings are real ones, so leak counts stay honest.
//
// One ring per FakeKernel, one thread at a time; several may live at once, the newest is asked
// first. Source of the rules: io_uring/io_uring.c of Linux 6.18 to 7.2 unless a comment says
// otherwise.
#pragma once

#include "../syscall/abi_time.h"
#include "../syscall/abi_uring.h"
#include "../syscall/abi_uring_register.h"
#include "harness.h"
#include "hook.h"

namespace oxbow::test {

class FakeKernel;

inline constexpr u32 everything = 0xffffffffu;

/// What kind of kernel it is, and where it lays out its rings.
struct FakeOptions {
    u32 features = (abi::feature::no_iowait << 1) - 1;     ///< without single_mmap: two mappings
    u32 accepted_flags = (abi::setup::sq_rewind << 1) - 1; ///< others: EINVAL
    u32 opcode_count = 65;                                 ///< from this opcode on: EINVAL
    Errno setup_error = Errno{0};                          ///< what setup answers
    u32 setup_error_times = always;                        ///< ... so many times
    Errno mmap_error = Errno::enomem;                      ///< what mmap answers
    u32 mmap_fails_nth = 0;                                ///< ... the nth time; 0: never
    u32 sq_start = 0;              ///< first index of the submission ring, e.g. 0xfffffff0
    u32 cq_start = 0;              ///< first index of the completion ring
    u64 layout_seed = 1;           ///< another seed, another order and other gaps
    i32 default_result = 0;        ///< of every operation that no step gives another
    bool busy_on_overflow = false; ///< EBUSY while completions are kept back: Linux before 5.19
};

/// A completion that a test posts.
struct FakeCqe {
    u64 user_data = 0;
    i32 result = 0;
    u32 flags = 0;
    bool big = false; ///< 32 bytes, in a ring with cqe_mixed; the flag is added
    u64 extra[2] = {};
};

enum class Order : u8 {
    in_order,
    reversed,
    shuffled, ///< by the seed of the test
    withheld, ///< kept until a later step, or release()
};

/// What one io_uring_enter does. `{}` is what a kernel does by default: it consumes everything and
/// completes it at once.
struct Step {
    Errno error = Errno{0};   ///< answered; nothing is consumed or posted
    bool error_after = false; ///< ... but only after all of the following has been done
    u32 consume = everything; ///< at most so many entries
    Order order = Order::in_order;
    const i32* results = nullptr; ///< of the first `result_count` entries consumed
    u32 result_count = 0;
    bool as_task_work = false; ///< the completions appear only on GETEVENTS; sets sq_flag::taskrun
    u32 lose = 0; ///< so many completions are lost: the overflow count grows, EBADR is told once
    const FakeCqe* posts = nullptr; ///< posted after those of the entries
    u32 post_count = 0;
    bool release = false; ///< what was withheld is posted, before everything else
    u32 set_sq_flags = 0;
    u32 clear_sq_flags = 0;
    u32 repeat = 1;                                                    ///< for so many enters
    void (*act)(FakeKernel& kernel, void* context) noexcept = nullptr; ///< called at the start
    void* context = nullptr;
};

/// What was asked of io_uring_enter, and answered.
struct EnterRecord {
    i32 fd;
    u32 to_submit;
    u32 min_complete;
    u32 flags;
    const void* argument;
    usize argument_bytes;
    abi::GeteventsArg decoded; ///< with enter::ext_arg
    bool has_timeout;
    abi::Timespec timeout;
    i32 result;
};

struct RegisterRecord {
    i32 fd;
    u32 operation;           ///< abi::RegisterOp
    bool through_registered; ///< register_use_registered_ring was set
    const void* argument;
    u32 count;
    i32 result;
};

struct SetupRecord {
    u32 entries;
    u32 flags;
    i32 result;
};

class FakeKernel {
  public:
    static constexpr u32 enters_max = 512;
    static constexpr u32 registers_max = 128;
    static constexpr u32 setups_max = 64;
    static constexpr u32 sqes_max = 2048;
    static constexpr u32 steps_max = 256;

    /// Begins to answer for the kernel; the destructor ends it.
    explicit FakeKernel(const FakeOptions& options = {}) noexcept;
    ~FakeKernel();
    FakeKernel(const FakeKernel&) = delete;
    FakeKernel& operator=(const FakeKernel&) = delete;

    FakeOptions& options() noexcept { return options_; } ///< may be changed before a setup

    // ---- The script ------------------------------------------------------------------------

    /// Adds a step; after the last one every enter does what it does by default. What a step points
    /// to must live until it has been taken.
    void add(const Step& step) noexcept;
    void add_errors(Errno error, u32 times) noexcept { add({.error = error, .repeat = times}); }
    [[nodiscard]] u32 steps_left() const noexcept;

    /// io_uring_register answers `result` to this operation, from now on.
    void set_register_result(abi::RegisterOp operation, i32 result) noexcept;

    // ---- Events from outside the ring ------------------------------------------------------

    /// Posts a completion, as an interrupt would.
    void post(const FakeCqe& cqe) noexcept;
    /// The same as task work: it appears on the next enter with GETEVENTS.
    void post_as_task_work(const FakeCqe& cqe) noexcept;
    /// Posts what was withheld, at most `count`, in the order in which it was submitted or, with
    /// `newest_first`, backwards.
    u32 release(u32 count = everything, bool newest_first = false) noexcept;
    void set_sq_flags(u32 flags) noexcept;
    void clear_sq_flags(u32 flags) noexcept;

    /// The SQPOLL thread consumes what is there, at most `count`. How many that were.
    u32 poll_thread_step(u32 count = everything, const Step& how = {}) noexcept;
    /// It goes to sleep: sets NEED_WAKEUP and looks once more; false where it found work.
    bool poll_thread_sleep() noexcept;
    [[nodiscard]] bool poll_thread_awake() const noexcept { return awake_; }

    // ---- What can be asserted --------------------------------------------------------------

    [[nodiscard]] bool is_open() const noexcept { return open_; }
    [[nodiscard]] i32 fd() const noexcept { return fd_; }
    [[nodiscard]] u32 flags() const noexcept { return params_.flags; }
    [[nodiscard]] const abi::Params& params() const noexcept { return params_; }
    [[nodiscard]] u32 sq_head() const noexcept;
    [[nodiscard]] u32 sq_tail() const noexcept;
    [[nodiscard]] u32 sq_flags() const noexcept;
    [[nodiscard]] u32 sq_dropped() const noexcept;
    [[nodiscard]] u32 cq_head() const noexcept;
    [[nodiscard]] u32 cq_tail() const noexcept;
    [[nodiscard]] u32 cq_overflow() const noexcept;
    [[nodiscard]] u32 withheld_count() const noexcept { return withheld_.count; }
    [[nodiscard]] u32 backlog_count() const noexcept { return backlog_.count; }
    [[nodiscard]] u32 task_work_count() const noexcept { return tasks_.count; }
    /// Mappings of the ring that have not been unmapped whole.
    [[nodiscard]] u32 mapping_count() const noexcept;

    [[nodiscard]] u32 enter_count() const noexcept { return enter_count_; }
    [[nodiscard]] const EnterRecord& enter(u32 index) const noexcept;
    [[nodiscard]] const EnterRecord& last_enter() const noexcept { return enter(enter_count_ - 1); }
    [[nodiscard]] u32 register_count() const noexcept { return register_count_; }
    [[nodiscard]] const RegisterRecord& register_call(u32 index) const noexcept;
    [[nodiscard]] u32 setup_count() const noexcept { return setup_count_; }
    [[nodiscard]] const SetupRecord& setup_call(u32 index) const noexcept;
    /// Entries consumed since the start, and the image of each as it was then.
    [[nodiscard]] u32 consumed_count() const noexcept { return consumed_count_; }
    [[nodiscard]] const abi::Sqe& consumed(u32 index) const noexcept;

  private:
    struct Logs;
    struct Mapping {
        uptr address;
        usize bytes;
    };
    /// A queue of completions in memory of its own.
    struct Queue {
        FakeCqe* entries = nullptr;
        u32 capacity = 0;
        u32 first = 0;
        u32 count = 0;

        void push(const FakeCqe& cqe) noexcept;
        FakeCqe pop() noexcept;
        FakeCqe pop_newest() noexcept;
    };
    /// Part of the memory that stands for the kernel's: its offset for mmap, and its size.
    struct Region {
        u64 offset;
        usize bytes;
    };

    static bool handle(void* context, long number, const long* arguments, int count,
                       long* result) noexcept;
    [[nodiscard]] bool is_own(i32 fd, bool registered) const noexcept;
    [[nodiscard]] i32 answer_register(u32 operation, void* argument, u32 count) noexcept;

    // fake_kernel_setup.cc
    [[nodiscard]] long setup(u32 entries, abi::Params* params) noexcept;
    [[nodiscard]] i32 check_setup(u32 entries, const abi::Params& params) const noexcept;
    [[nodiscard]] i32 make_ring(u32 entries, const abi::Params& wanted) noexcept;
    void lay_out(Random& random) noexcept;
    [[nodiscard]] i32 make_memory() noexcept;
    void initialize_rings() noexcept;
    [[nodiscard]] long map(const long* arguments) noexcept;
    void unmapped(uptr address, usize bytes) noexcept;
    [[nodiscard]] long close_fd() noexcept;
    void tear_down() noexcept;

    // fake_kernel_enter.cc
    [[nodiscard]] i32 answer_enter(const long* arguments) noexcept;
    [[nodiscard]] i32 enter_with(EnterRecord& record, const Step& step) noexcept;
    [[nodiscard]] i32 submit(const EnterRecord& record, const Step& step) noexcept;
    [[nodiscard]] i32 wait(const EnterRecord& record) noexcept;
    [[nodiscard]] i32 decode(EnterRecord& record) const noexcept;
    [[nodiscard]] Step next_step() noexcept;
    [[nodiscard]] u32 consume(u32 count_max, const Step& step) noexcept;
    [[nodiscard]] FakeCqe completion_of(const abi::Sqe& sqe, i32 result) const noexcept;
    [[nodiscard]] i32 result_of(const abi::Sqe& sqe, u32 index, const Step& step) const noexcept;
    void complete(u32 count, const Step& step) noexcept;
    void deliver(const FakeCqe& cqe, const Step& step) noexcept;
    [[nodiscard]] bool try_post(const FakeCqe& cqe) noexcept;
    void write_cqe(u32 slot, const FakeCqe& cqe) noexcept;
    void run_task_work() noexcept;
    void flush_backlog() noexcept;

    [[nodiscard]] bool has(u32 setup_flag) const noexcept {
        return (params_.flags & setup_flag) != 0;
    }
    [[nodiscard]] u32* sq_word(u32 offset) const noexcept {
        return reinterpret_cast<u32*>(sq_base_ + offset);
    }
    [[nodiscard]] u32* cq_word(u32 offset) const noexcept {
        return reinterpret_cast<u32*>(cq_base_ + offset);
    }
    [[nodiscard]] u32 sqe_bytes() const noexcept { return has(abi::setup::sqe128) ? 128 : 64; }
    [[nodiscard]] u32 cqe_bytes() const noexcept { return has(abi::setup::cqe32) ? 32 : 16; }

    FakeOptions options_;
    Logs* logs_ = nullptr;
    abi::Params params_ = {};
    bool open_ = false;
    bool enabled_ = false;
    bool awake_ = false;
    bool lost_completion_ = false;
    i32 fd_ = -1;
    i32 registered_index_ = -1;
    i32 memory_fd_ = -1;
    u8* memory_ = nullptr; ///< our own view of all regions
    usize memory_bytes_ = 0;
    Region sq_region_ = {};
    Region cq_region_ = {};
    Region sqe_region_ = {};
    u8* sq_base_ = nullptr;
    u8* cq_base_ = nullptr;
    u8* sqes_ = nullptr;
    u32 cached_sq_head_ = 0;
    Mapping mappings_[8] = {};
    u32 mmap_count_ = 0;
    u32 setup_errors_made_ = 0;
    Queue backlog_;
    Queue withheld_;
    Queue tasks_;
    FakeCqe* batch_ = nullptr; ///< completions of the enter in hand
    u8* queue_memory_ = nullptr;
    usize queue_memory_bytes_ = 0;
    u32 step_first_ = 0;
    u32 step_count_ = 0;
    u32 step_repeats_ = 0;
    u32 enter_count_ = 0;
    u32 register_count_ = 0;
    u32 setup_count_ = 0;
    u32 consumed_count_ = 0;
};

} // namespace oxbow::test
