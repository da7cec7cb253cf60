// The copy example's engine against a simulated kernel that does everything a kernel may: short
// reads and writes, cancelled halves, signals, completions in any order, chains cut by a short
// submission, files that grow and shrink, errors at any point. Whatever happens, the copy ends, and
// it is right or has failed with the error that was injected.
#include "../example/copy_engine.h"

#include "../syscall/abi_memory.h"
#include "../syscall/call_memory.h"
#include "fake_kernel.h"

namespace oxbow::test {
namespace {

constexpr i32 in_fd = 1000; // no descriptors of this process: the simulation answers for them
constexpr i32 out_fd = 1001;
constexpr u32 file_max = 10 * 1024 * 1024;
constexpr u32 hole_unit = 4096;
constexpr u32 operations_max = 2 * copy::ring_entries;

/// How often things go wrong, in 1000.
struct Mood {
    const char* name;
    u32 short_transfer = 0;
    u32 passing_error = 0; ///< EINTR, EAGAIN
    u32 refused_enter = 0;
    u32 short_submit = 0;
    u32 hole = 0;   ///< of each unit of the file
    u32 shrink = 0; ///< at each enter
    u32 grow = 0;   ///< at each enter
    bool sizeless = false;
    bool cannot_seek = false; ///< the file system knows nothing about its holes
    u32 entries = copy::ring_entries;
    u32 size_max = 3 * 1024 * 1024;
    u32 rounds = 12; ///< copies, each of a file of another size
};

struct Operation {
    abi::Sqe sqe;
    i32 parent = -1; ///< the operation that it is linked to and must wait for
    bool used = false;
    bool cancelled = false;
};

class Simulation {
  public:
    Simulation(const Mood& mood, Random& random, u64 size) noexcept;
    ~Simulation();
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;

    void open_ring() noexcept;
    [[nodiscard]] copy::Failure copy_file() noexcept;
    void check_copy() const noexcept;

    /// From now on: the `nth` operation of this kind ends with `error`.
    void fail_nth(abi::Opcode opcode, u32 nth, Errno error) noexcept {
        fatal_opcode_ = opcode;
        fatal_in_ = nth;
        fatal_error_ = error;
    }
    void stop_at_enter(u32 nth) noexcept { stop_in_ = nth; }
    void fail_enters(Errno error) noexcept { enter_error_ = error; }

    [[nodiscard]] bool fatal_happened() const noexcept { return fatal_in_ == 0; }
    [[nodiscard]] u32 outstanding() const noexcept { return outstanding_; }
    [[nodiscard]] u64 copied_size() const noexcept { return copied_size_; }
    [[nodiscard]] u64 bytes_moved() const noexcept { return bytes_moved_; }
    [[nodiscard]] u32 cancels() const noexcept { return cancels_; }
    [[nodiscard]] u32 short_submits() const noexcept { return short_submits_; }
    [[nodiscard]] u64 data_bytes() const noexcept;

  private:
    static bool answer(void* context, long number, const long* arguments, int count,
                       long* result) noexcept;
    [[nodiscard]] long answer_statx(abi::Statx* status) const noexcept;
    [[nodiscard]] long answer_lseek(u64 from, i32 whence) const noexcept;
    void before_enter(u32 to_submit, u32 min_complete) noexcept;
    void change_file() noexcept;
    [[nodiscard]] bool refuse_enter() noexcept;
    void take_operations(u32 count) noexcept;
    void run_operations(u32 at_least) noexcept;
    [[nodiscard]] u32 pick_operation() noexcept;
    void run(u32 slot) noexcept;
    [[nodiscard]] i32 result_of(const abi::Sqe& sqe) noexcept;
    [[nodiscard]] i32 transfer(const abi::Sqe& sqe, u32 length) noexcept;
    [[nodiscard]] i32 cancel_some() noexcept;
    [[nodiscard]] bool is_hole(u64 offset) const noexcept {
        return holes_[offset >> 12] != 0 && mood_.hole != 0;
    }
    [[nodiscard]] u8 byte_at(u64 offset) const noexcept {
        return is_hole(offset) ? u8{0} : static_cast<u8>(offset * 251 >> 3 ^ offset >> 12 ^ 0x5a);
    }

    const Mood& mood_;
    Random& random_;
    FakeKernel kernel_;
    Ring ring_;
    u64 size_;         // of the input now
    u64 largest_size_; // it ever had
    u64 smallest_size_;
    u8 holes_[2 * file_max / hole_unit] = {};
    u8* memory_ = nullptr; // the buffers, then the output
    u8* output_ = nullptr;
    abi::Sqe* entries_ = nullptr;
    Operation operations_[operations_max];
    u32 outstanding_ = 0;
    u32 scripted_enters_ = 0;
    bool script_is_endless_ = false;
    abi::Opcode fatal_opcode_ = abi::Opcode::nop;
    u32 fatal_in_ = ~u32{0};
    Errno fatal_error_ = Errno{0};
    u32 stop_in_ = ~u32{0};
    Errno enter_error_ = Errno{0};
    i32 stop_ = 0;
    u32 short_submits_ = 0;
    u32 cancels_ = 0;
    u64 bytes_moved_ = 0; // that writes have moved
    u64 copied_size_ = 0;
};

constexpr usize memory_bytes = copy::buffer_bytes + 2 * file_max;

Simulation::Simulation(const Mood& mood, Random& random, u64 size) noexcept
    : mood_(mood), random_(random), size_(size), largest_size_(size), smallest_size_(size) {
    const long address = CHECK_OK(
        kernel::mmap(nullptr, memory_bytes, abi::protection::read | abi::protection::write,
                     abi::map::private_ | abi::map::anonymous | abi::map::noreserve, -1, 0));
    memory_ = reinterpret_cast<u8*>(address);
    output_ = memory_ + copy::buffer_bytes;
    bool hole = false;
    for (u8& unit : holes_) { // in runs, so that both are longer than a block now and then
        hole = random.chance(100) ? random.chance(mood.hole) : hole;
        unit = hole ? 1 : 0;
    }
    set_handler(answer, this);
}

Simulation::~Simulation() {
    remove_handler(answer, this);
    ring_.close();
    CHECK_OK(kernel::munmap(memory_, memory_bytes));
}

void Simulation::open_ring() noexcept {
    CHECK_OK(ring_.open({.entries = mood_.entries}));
    // The first entry is the start of the array: that is where the simulation reads them from.
    entries_ = ring_.get_sqe();
    CHECK(entries_ != nullptr);
    kernel_.add({});
    CHECK_EQ(CHECK_OK(ring_.submit_and_wait(1)), 1); // a no-op, as an entry of zeros is
    ring_.seen(ring_.peek());
}

copy::Failure Simulation::copy_file() noexcept {
    abi::Statx status = {};
    CHECK_OK(answer_statx(&status));
    copy::Source source(in_fd, status);
    copy::Engine engine(ring_, source, out_fd, memory_, &stop_);
    const copy::Failure failure = engine.run();
    copied_size_ = source.size();
    if (short_submits_ == 0) { // pairs that were cut are written again
        CHECK_EQ(engine.bytes_written(), bytes_moved_);
    }
    return failure;
}

void Simulation::check_copy() const noexcept {
    CHECK_GE(copied_size_, smallest_size_);
    CHECK_LE(copied_size_, largest_size_);
    for (u64 offset = 0; offset < copied_size_; ++offset) {
        if (output_[offset] != byte_at(offset)) {
            note("wrong byte at ", offset, " of ", copied_size_);
            FAIL("the copy differs");
        }
    }
}

u64 Simulation::data_bytes() const noexcept {
    u64 bytes = 0;
    for (u64 offset = 0; offset < copied_size_; ++offset) {
        bytes += is_hole(offset) ? 0 : 1;
    }
    return bytes;
}

// ---- The kernel's side --------------------------------------------------------------------------

bool Simulation::answer(void* context, long number, const long* arguments, int,
                        long* result) noexcept {
    Simulation& self = *static_cast<Simulation*>(context);
    switch (number) {
    case number::statx:
        *result = self.answer_statx(reinterpret_cast<abi::Statx*>(arguments[4]));
        return static_cast<i32>(arguments[0]) == in_fd;
#if __SIZEOF_LONG__ == 8
    case number::lseek:
        *result = self.answer_lseek(static_cast<u64>(arguments[1]), static_cast<i32>(arguments[2]));
        return true;
#else
    case number::llseek: { // the answer goes through memory
        const i64 position =
            self.answer_lseek(static_cast<u32>(arguments[2]), static_cast<i32>(arguments[4]));
        *result = position < 0 ? static_cast<long>(position) : 0;
        *reinterpret_cast<i64*>(arguments[3]) = position;
        return true;
    }
#endif
    case number::clock_nanosleep:
        *result = 0;
        return true;
    case number::io_uring_enter:
        if (self.entries_ != nullptr && self.kernel_.enter_count() != 0) {
            self.before_enter(static_cast<u32>(arguments[1]), static_cast<u32>(arguments[2]));
        }
        return false; // the fake kernel goes on
    default:
        return false;
    }
}

long Simulation::answer_statx(abi::Statx* status) const noexcept {
    *status = {};
    status->mode = abi::file_mode::regular;
    if (!mood_.sizeless) {
        u64 data = 0;
        for (u64 offset = 0; offset < size_; offset += hole_unit) {
            const u64 left = size_ - offset;
            data += is_hole(offset) ? 0 : left < hole_unit ? left : hole_unit;
        }
        status->size = size_;
        status->blocks = (data + 511) >> 9;
    }
    return 0;
}

long Simulation::answer_lseek(u64 from, i32 whence) const noexcept {
    if (mood_.cannot_seek) {
        return -Errno::einval;
    }
    if (from >= size_) {
        return -Errno::enxio;
    }
    const bool wants_hole = whence == abi::seek_from::hole;
    u64 at = from;
    while (at < size_ && is_hole(at) != wants_hole) {
        at = (at | (hole_unit - 1)) + 1;
    }
    if (at >= size_) {
        return wants_hole ? static_cast<long>(size_) : -Errno::enxio;
    }
    return static_cast<long>(at);
}

/// Everything that happens between two enters, and what the next one will do.
void Simulation::before_enter(u32 to_submit, u32 min_complete) noexcept {
    change_file();
    if (stop_in_ != 0 && --stop_in_ == 0) {
        stop_ = 15;
    }
    if (refuse_enter()) {
        return;
    }
    u32 consumed = to_submit;
    if (!script_is_endless_) {
        if (to_submit > 1 && random_.chance(mood_.short_submit)) {
            consumed = random_.between(1, to_submit - 1);
            ++short_submits_;
        }
        script_is_endless_ = ++scripted_enters_ == FakeKernel::steps_max - 1;
        kernel_.add({.consume = script_is_endless_ ? everything : consumed,
                     .order = Order::withheld, // the simulation posts all completions itself
                     .repeat = script_is_endless_ ? always : 1});
        consumed = script_is_endless_ ? to_submit : consumed;
    }
    take_operations(consumed);
    const u32 ready = kernel_.cq_tail() - kernel_.cq_head();
    run_operations(min_complete > ready && consumed == to_submit ? min_complete - ready : 0);
}

void Simulation::change_file() noexcept {
    if (random_.chance(mood_.shrink)) {
        size_ = random_.below(static_cast<u32>(size_) + 1);
        smallest_size_ = size_ < smallest_size_ ? size_ : smallest_size_;
    }
    if (random_.chance(mood_.grow) && size_ < file_max) {
        size_ += random_.below(copy::block_bytes * 2);
        largest_size_ = size_ > largest_size_ ? size_ : largest_size_;
    }
}

bool Simulation::refuse_enter() noexcept {
    constexpr Errno passing[] = {Errno::eintr, Errno::eagain, Errno::ebusy};
    if (static_cast<i32>(enter_error_) != 0) {
        if (scripted_enters_++ == 0) {
            kernel_.add({.error = enter_error_, .repeat = always});
        }
        return true;
    }
    if (script_is_endless_ || !random_.chance(mood_.refused_enter)) {
        return false;
    }
    script_is_endless_ = ++scripted_enters_ == FakeKernel::steps_max - 1;
    kernel_.add({.error = passing[random_.below(3)]});
    if (script_is_endless_) {
        kernel_.add({.order = Order::withheld, .repeat = always});
    }
    return true;
}

/// The kernel consumes `count` entries. A chain reaches only as far as they do.
void Simulation::take_operations(u32 count) noexcept {
    const u32 mask = kernel_.params().sq_entries - 1;
    i32 parent = -1;
    u32 slot = 0;
    for (u32 i = 0; i < count; ++i) {
        while (operations_[slot].used) {
            ++slot;
            CHECK_LT(slot, operations_max);
        }
        const abi::Sqe& sqe = entries_[(kernel_.sq_head() + i) & mask];
        operations_[slot] = {.sqe = sqe, .parent = parent, .used = true, .cancelled = false};
        parent = (sqe.flags & abi::sqe_flag::io_link) != 0 ? static_cast<i32>(slot) : -1;
        ++outstanding_;
    }
}

void Simulation::run_operations(u32 at_least) noexcept {
    CHECK_LE(at_least, outstanding_); // or the engine would sleep for ever
    for (u32 left = random_.between(at_least, outstanding_); left != 0; --left) {
        run(pick_operation());
    }
}

/// Any that is not held back by its link.
u32 Simulation::pick_operation() noexcept {
    for (u32 slot = random_.below(operations_max);; ++slot) {
        slot = slot == operations_max ? 0 : slot;
        if (operations_[slot].used && operations_[slot].parent < 0) {
            return slot;
        }
    }
}

void Simulation::run(u32 slot) noexcept {
    Operation& operation = operations_[slot];
    const i32 result = operation.cancelled ? -Errno::ecanceled : result_of(operation.sqe);
    kernel_.post({.user_data = operation.sqe.user_data, .result = result});
    operation.used = false;
    --outstanding_;
    for (Operation& other : operations_) {
        if (other.used && other.parent == static_cast<i32>(slot)) {
            other.parent = -1;
            other.cancelled = result != static_cast<i32>(operation.sqe.len);
        }
    }
}

/// Cancels any number of the others, as a kernel would that is busy with some of them.
i32 Simulation::cancel_some() noexcept {
    i32 cancelled = 0;
    for (Operation& operation : operations_) {
        const bool cancels = operation.used && operation.sqe.len != 0 && random_.chance(500);
        operation.cancelled = operation.cancelled || cancels;
        cancelled += cancels ? 1 : 0;
    }
    return random_.chance(100) ? -Errno::einval : cancelled; // EINVAL: before 5.19
}

i32 Simulation::result_of(const abi::Sqe& sqe) noexcept {
    if (sqe.opcode == static_cast<u8>(abi::Opcode::async_cancel)) {
        ++cancels_;
        return cancel_some();
    }
    CHECK_NE(sqe.len, 0u);
    CHECK_LE(sqe.len, copy::block_bytes);
    if (sqe.opcode == static_cast<u8>(fatal_opcode_) && fatal_in_ != 0 && --fatal_in_ == 0) {
        return -fatal_error_;
    }
    if (random_.chance(mood_.passing_error)) {
        return random_.chance(500) ? -Errno::eintr : -Errno::eagain;
    }
    const bool whole = !random_.chance(mood_.short_transfer);
    return transfer(sqe, whole ? sqe.len : random_.between(1, sqe.len));
}

i32 Simulation::transfer(const abi::Sqe& sqe, u32 length) noexcept {
    u8* const buffer = reinterpret_cast<u8*>(static_cast<uptr>(sqe.addr));
    CHECK(buffer >= memory_ && buffer + length <= memory_ + copy::buffer_bytes);
    CHECK_LE(sqe.off + length, u64{2} * file_max);
    if (sqe.opcode == static_cast<u8>(abi::Opcode::write)) {
        CHECK_EQ(sqe.fd, out_fd);
        __builtin_memcpy(output_ + sqe.off, buffer, length);
        bytes_moved_ += length;
        return static_cast<i32>(length);
    }
    CHECK_EQ(sqe.opcode, static_cast<u8>(abi::Opcode::read));
    CHECK_EQ(sqe.fd, in_fd);
    const u64 left = sqe.off < size_ ? size_ - sqe.off : 0;
    const u32 count = left < length ? static_cast<u32>(left) : length;
    for (u32 i = 0; i < count; ++i) {
        buffer[i] = byte_at(sqe.off + i);
    }
    return static_cast<i32>(count);
}

// ---- Tests --------------------------------------------------------------------------------------

constexpr Mood moods[] = {
    {.name = "fair"},
    {.name = "fair_small_ring", .entries = 8},
    {.name = "one_block_at_a_time", .entries = 2, .size_max = 1024 * 1024},
    {.name = "more_blocks_than_slots", .size_max = file_max, .rounds = 2},
    {.name = "short_transfers", .short_transfer = 300, .entries = 16},
    {.name = "always_short", .short_transfer = 1000, .entries = 32},
    {.name = "signals_and_retries", .passing_error = 300, .refused_enter = 200, .entries = 16},
    {.name = "short_submits", .short_submit = 500, .entries = 16},
    {.name = "short_submits_and_transfers", .short_transfer = 300, .short_submit = 300},
    {.name = "holes", .hole = 500, .entries = 16},
    {.name = "holes_and_short_transfers", .short_transfer = 300, .hole = 500},
    {.name = "holes_that_cannot_be_found", .hole = 500, .cannot_seek = true, .entries = 16},
    {.name = "shrinking", .short_transfer = 100, .shrink = 50, .entries = 16},
    {.name = "growing", .short_transfer = 100, .grow = 500, .entries = 16},
    {.name = "shrinking_and_growing_holes", .hole = 500, .shrink = 50, .grow = 200, .entries = 8},
    {.name = "sizeless", .short_transfer = 300, .sizeless = true},
    {.name = "everything",
     .short_transfer = 200,
     .passing_error = 100,
     .refused_enter = 100,
     .short_submit = 100,
     .hole = 300,
     .shrink = 20,
     .grow = 50,
     .entries = 32},
};

[[nodiscard]] u64 random_size(Random& random, u32 size_max, u32 round) noexcept {
    constexpr u32 block = copy::block_bytes;
    constexpr u32 special[] = {0, 1, 4095, 4096, block - 1, block, block + 1, 8 * block};
    constexpr u32 special_count = sizeof(special) / sizeof(special[0]);
    if (round < special_count && special[round] <= size_max) {
        return special[round];
    }
    return random.between(size_max / 2, size_max);
}

VARIANT_TEST(copy_engine_copies_in_every_mood, moods) {
    Random random;
    for (u32 round = 0; round < effort(row.rounds); ++round) {
        const u32 special_first = row.rounds > 8 ? round : 8;
        const u64 size = random_size(random, row.size_max, special_first);
        note("round ", round, ", size ", size);
        Simulation simulation(row, random, size);
        simulation.open_ring();
        const copy::Failure failure = simulation.copy_file();
        CHECK_EQ(failure.error, 0);
        CHECK_EQ(failure.where, copy::Failure::nowhere);
        CHECK_EQ(simulation.outstanding(), 0u);
        simulation.check_copy();
        if (row.shrink == 0 && row.grow == 0 && simulation.short_submits() == 0) {
            // Each byte exactly once; holes are too small to be seen where they save no sector.
            CHECK_GE(simulation.bytes_moved(), simulation.data_bytes());
            const u64 bytes = row.cannot_seek ? size : simulation.data_bytes() + 511;
            CHECK_LE(simulation.bytes_moved(), bytes);
        }
    }
}

struct FatalError {
    const char* name;
    abi::Opcode opcode;
    Errno error;
    i32 expected;
};

constexpr FatalError fatal_errors[] = {
    {"read_eio", abi::Opcode::read, Errno::eio, -Errno::eio},
    {"read_ebadf", abi::Opcode::read, Errno::ebadf, -Errno::ebadf},
    {"write_enospc", abi::Opcode::write, Errno::enospc, -Errno::enospc},
    {"write_edquot", abi::Opcode::write, Errno::edquot, -Errno::edquot},
    {"write_efbig", abi::Opcode::write, Errno::efbig, -Errno::efbig},
    {"write_eio", abi::Opcode::write, Errno::eio, -Errno::eio},
    {"write_that_takes_nothing", abi::Opcode::write, Errno{0}, -Errno::eio},
};

VARIANT_TEST(copy_engine_reports_an_error_at_any_point, fatal_errors) {
    constexpr Mood mood = {.name = "faulty",
                           .short_transfer = 200,
                           .passing_error = 100,
                           .refused_enter = 100,
                           .short_submit = 100,
                           .entries = 16};
    Random random;
    for (u32 round = 0; round < effort(20); ++round) {
        Simulation simulation(mood, random, random.between(1, mood.size_max));
        simulation.open_ring();
        simulation.fail_nth(row.opcode, random.between(1, 40), row.error);
        const copy::Failure failure = simulation.copy_file();
        CHECK_EQ(simulation.outstanding(), 0u); // nothing is left with the kernel
        if (!simulation.fatal_happened()) {
            CHECK_EQ(failure.where, copy::Failure::nowhere);
            simulation.check_copy();
            continue;
        }
        CHECK_EQ(failure.where,
                 row.opcode == abi::Opcode::read ? copy::Failure::reading : copy::Failure::writing);
        CHECK_EQ(failure.error, row.expected);
    }
}

TEST(copy_engine_stops_when_asked) {
    constexpr Mood mood = {.name = "stopped", .short_transfer = 100, .entries = 16};
    Random random;
    u32 cancels = 0;
    for (u32 round = 0; round < 20; ++round) {
        Simulation simulation(mood, random, file_max);
        simulation.open_ring();
        simulation.stop_at_enter(random.between(1, 4));
        const copy::Failure failure = simulation.copy_file();
        CHECK_EQ(failure.where, copy::Failure::nowhere);
        CHECK_EQ(simulation.outstanding(), 0u);
        CHECK_LE(simulation.cancels(), 1u);
        cancels += simulation.cancels();
        CHECK_LT(simulation.bytes_moved(), file_max); // it did not go on to the end
    }
    CHECK_NE(cancels, 0u); // as there was something in flight, most of the time
}

struct EnterError {
    const char* name;
    Errno error;
};

constexpr EnterError enter_errors[] = {
    {"ebadf", Errno::ebadf}, {"eagain_for_ever", Errno::eagain}, {"ebusy_for_ever", Errno::ebusy}};

VARIANT_TEST(copy_engine_ends_with_the_ring, enter_errors) {
    constexpr Mood mood = {.name = "no ring"};
    Random random;
    Simulation simulation(mood, random, mood.size_max);
    simulation.open_ring();
    simulation.fail_enters(row.error);
    const copy::Failure failure = simulation.copy_file();
    CHECK_EQ(failure.where, copy::Failure::ring);
    CHECK_EQ(failure.error, -row.error);
}

TEST(copy_engine_does_not_try_for_ever) {
    constexpr Mood mood = {.name = "hopeless", .passing_error = 1000};
    Random random;
    Simulation simulation(mood, random, copy::block_bytes);
    simulation.open_ring();
    const copy::Failure failure = simulation.copy_file();
    CHECK_EQ(failure.where, copy::Failure::reading);
    CHECK(failure.error == -Errno::eintr || failure.error == -Errno::eagain);
    CHECK_EQ(simulation.outstanding(), 0u);
}

} // namespace
} // namespace oxbow::test
