// A refused ring says why, in words of its own for each cause, and leaves nothing behind. Causes
// that the machine can produce are produced; those that would need a global setting (the sysctls)
// or another kernel are answered in the kernel's place.
#include "../uring/reason.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/call.h"
#include "../syscall/text.h"
#include "../uring/ring.h"
#include "../uring/surroundings.h"
#include "harness.h"
#include "hook.h"
#include "pretend_kernel.h"
#include "refusing_filter.h"

namespace oxbow::test {
namespace {

namespace setup = abi::setup;

using Line = TextBuffer<1024>;

/// What is behind the first `part` of `text`, or nullptr.
[[nodiscard]] const char* behind(const char* text, const char* part) noexcept {
    for (; *text != '\0'; ++text) {
        const char* in_text = text;
        const char* in_part = part;
        while (*in_part != '\0' && *in_text == *in_part) {
            ++in_text;
            ++in_part;
        }
        if (*in_part == '\0') {
            return in_text;
        }
    }
    return nullptr;
}

[[nodiscard]] bool contains(const char* text, const char* part) noexcept {
    return behind(text, part) != nullptr;
}

/// Checks that the line is one line, was not cut, and has all `parts`.
template <class... Parts>
void check_line(const Line& line, const Parts*... parts) noexcept {
    note(line.c_str());
    CHECK(!line.truncated());
    CHECK(!contains(line.c_str(), "\n"));
    const char* const all[] = {parts...};
    for (const char* const part : all) {
        if (!contains(line.c_str(), part)) {
            note("missing: ", part);
            FAIL("the line lacks this part");
        }
    }
}

/// Opens a ring that is to be refused, and checks that nothing is left of it.
[[nodiscard]] Reason refused(const RingOptions& options, Errno error) noexcept {
    const Resources before = resources();
    Ring ring;
    Reason reason;
    CHECK_ERRNO(ring.open(options, &reason), error);
    CHECK(!ring.is_open());
    CHECK_SAME_RESOURCES(before);
    CHECK(reason.refused());
    CHECK_EQ(reason.error, -error);
    return reason;
}

// ---- Options ------------------------------------------------------------------------------------

alignas(page_bytes_max) u8 ring_memory[page_bytes_max];

struct FaultRow {
    const char* name;
    OptionFault fault;
    RingOptions options;
    const char* part; ///< of the text
};

const FaultRow fault_rows[] = {
    {"no_entries", OptionFault::no_entries, {.entries = 0}, "entries is 0"},
    {"too_many_entries", OptionFault::too_many_entries, {.entries = 40000}, "more than 32768"},
    {"too_few_completions",
     OptionFault::too_few_completions,
     {.entries = 64, .completion_entries = 32},
     "less than entries"},
    {"too_many_completions",
     OptionFault::too_many_completions,
     {.completion_entries = 65537},
     "more than 65536"},
    {"unknown_flags", OptionFault::unknown_flags, {.flags = 1u << 31}, "bit 31"},
    {"defer_needs_issuer",
     OptionFault::defer_needs_issuer,
     {.flags = setup::defer_taskrun},
     "together with single_issuer"},
    {"task_flag_needs_coop",
     OptionFault::task_flag_needs_coop,
     {.flags = setup::taskrun_flag},
     "with coop_taskrun or defer_taskrun"},
    {"sqpoll_with_taskrun",
     OptionFault::sqpoll_with_taskrun,
     {.flags = setup::sqpoll | setup::coop_taskrun},
     "sqpoll does not go with coop_taskrun"},
    {"affinity_needs_sqpoll",
     OptionFault::affinity_needs_sqpoll,
     {.flags = setup::sq_aff},
     "sq_aff"},
    {"fd_only_needs_no_mmap",
     OptionFault::fd_only_needs_no_mmap,
     {.flags = setup::registered_fd_only},
     "together with no_mmap"},
    {"hybrid_needs_iopoll",
     OptionFault::hybrid_needs_iopoll,
     {.flags = setup::hybrid_iopoll},
     "together with iopoll"},
    {"two_completion_sizes",
     OptionFault::two_completion_sizes,
     {.flags = setup::cqe32 | setup::cqe_mixed},
     "cqe32 and cqe_mixed"},
    {"two_entry_sizes",
     OptionFault::two_entry_sizes,
     {.flags = setup::sqe128 | setup::sqe_mixed},
     "sqe128 and sqe_mixed"},
    {"mixed_needs_two_entries",
     OptionFault::mixed_needs_two,
     {.entries = 1, .flags = setup::sqe_mixed},
     "sqe_mixed needs 2 entries"},
    {"mixed_needs_two_completions",
     OptionFault::mixed_needs_two,
     {.entries = 1, .completion_entries = 1, .flags = setup::cqe_mixed},
     "cqe_mixed 2 completion_entries"},
    {"rewind_needs_no_array",
     OptionFault::rewind_needs_no_array,
     {.flags = setup::sq_rewind, .preferred_flags = 0},
     "together with no_sqarray"},
    {"rewind_with_sqpoll",
     OptionFault::rewind_with_sqpoll,
     {.flags = setup::sq_rewind | setup::no_sqarray | setup::sqpoll},
     "does not go with sqpoll"},
    {"attach_needs_fd", OptionFault::attach_needs_fd, {.flags = setup::attach_wq}, "attach_wq_fd"},
    {"memory_needs_no_mmap",
     OptionFault::memory_needs_no_mmap,
     {.memory = ring_memory, .memory_bytes = sizeof(ring_memory)},
     "only with no_mmap"},
    {"memory_too_small",
     OptionFault::memory_too_small,
     {.flags = setup::no_mmap, .memory = ring_memory, .memory_bytes = sizeof(ring_memory)},
     "too small"},
    {"memory_not_aligned",
     OptionFault::memory_not_aligned,
     {.flags = setup::no_mmap, .memory = ring_memory + 64, .memory_bytes = sizeof(ring_memory)},
     "page boundary"},
};

VARIANT_TEST(reason_option_fault, fault_rows) {
    const Reason reason = refused(row.options, Errno::einval);
    CHECK_EQ(reason.stage, Stage::options);
    CHECK_EQ(reason.fault, row.fault);
    CHECK_EQ(calls_made(number::io_uring_setup), 0u);
    Line line;
    describe(reason, line);
    check_line(line, "ring options: ", row.part);
    for (const FaultRow& other : fault_rows) {
        Line other_line;
        describe({.stage = Stage::options, .fault = other.fault}, other_line);
        CHECK_EQ(contains(other_line.c_str(), row.part) && row.fault != OptionFault::unknown_flags,
                 other.fault == row.fault && row.fault != OptionFault::unknown_flags);
    }
}

TEST(reason_rows_cover_every_fault) {
    u32 fault = 0;
    for (const FaultRow& row : fault_rows) {
        const u32 now = static_cast<u32>(row.fault);
        CHECK(now == fault + 1 || (now == fault && fault != 0)); // some have two rows
        fault = now;
    }
    CHECK_EQ(fault, static_cast<u32>(OptionFault::memory_not_aligned));
    ++fault;
    Line line;
    describe({.stage = Stage::options, .fault = static_cast<OptionFault>(fault)}, line);
    check_line(line, "unknown fault"); // so there is none behind the last row
}

TEST(reason_of_nothing) {
    Line line;
    describe({}, line);
    CHECK_STREQ(line.c_str(), "the ring was not refused");
}

TEST(reason_in_too_little_room_is_cut) {
    char memory[24];
    Text text(memory);
    describe({.stage = Stage::setup, .error = -Errno::enosys, .entries = 128}, text);
    CHECK(text.truncated());
    CHECK_STREQ(text.c_str(), "io_uring_setup (128 ent");
}

// ---- seccomp ------------------------------------------------------------------------------------

struct FilterRow {
    const char* name;
    Errno error;
    const char* part;
};

constexpr FilterRow filter_rows[] = {
    {"EPERM", Errno::eperm, "a seccomp filter refuses io_uring"},
    {"ENOSYS", Errno::enosys, "seccomp filter"},
    {"EOPNOTSUPP", Errno::eopnotsupp, "the seccomp filter that this process runs under"},
    {"EACCES", Errno::eacces, "the seccomp filter that this process runs under"},
    {"EINVAL", Errno::einval, "even a ring of one entry without flags is refused so"},
    {"ENOMEM", Errno::enomem, "locked memory"},
};

VARIANT_TEST(reason_under_seccomp, filter_rows) {
    // Of two that say EPERM, the sysctl is the one that everybody can read.
    const bool sysctl_says_so = ring_refusal() == -Errno::eperm && row.error == Errno::eperm;
    const i32 status = in_child([&]() noexcept {
        if (refuse_rings(row.error) < 0) {
            SKIP("no seccomp filters here");
        }
        const Reason reason = refused({}, row.error);
        CHECK_EQ(reason.stage, Stage::setup);
        CHECK_EQ(reason.entries, 128u);
        Line line;
        describe(reason, line);
        check_line(line, "io_uring_setup (128 entries", row.name);
        check_line(line, sysctl_says_so ? "kernel.io_uring_disabled is" : row.part);
        if (!sysctl_says_so &&
            row.error != Errno::enomem) { // which nobody would take for a filter's
            check_line(line, "allow io_uring_setup, io_uring_enter and io_uring_register");
        }
    });
    CHECK_EQ(status, 0);
}

// ---- The sysctls, answered in the kernel's place ------------------------------------------------

/// What /proc/sys/kernel/io_uring_disabled and io_uring_group say; nullptr: there is no such file.
struct Sysctls {
    const char* disabled;
    const char* group;
    bool has_proc = true;
};

i32 file_of(const char* content) noexcept {
    if (content == nullptr) {
        return -Errno::enoent;
    }
    const long fd = real_call(number::memfd_create, "sysctl", 0);
    CHECK_GE(fd, 0);
    CHECK_GE(real_call(number::pwrite64, fd, content, text_length(content), 0, 0, 0), 0);
    return static_cast<i32>(fd);
}

/// /proc/self/status of this process as it is without a seccomp filter.
i32 status_without_filter() noexcept {
    char text[4096] = {};
    const long fd =
        real_call(number::openat, abi::at_fdcwd, "/proc/self/status", abi::open_flag::read_only, 0);
    if (fd < 0) {
        return static_cast<i32>(fd);
    }
    CHECK_GT(real_call(number::read, fd, text, sizeof(text) - 1), 0);
    CHECK_EQ(real_call(number::close, fd), 0);
    const char* const mode = behind(text, "\nSeccomp:\t");
    if (mode != nullptr) {
        text[mode - text] = '0';
    }
    return file_of(text);
}

bool answer_sysctls(void* context, long number, const long* arguments, int, long* result) noexcept {
    if (number != number::openat) {
        return false;
    }
    const Sysctls& sysctls = *static_cast<const Sysctls*>(context);
    const char* const path = reinterpret_cast<const char*>(arguments[1]);
    if (text_equal(path, "/proc/sys/kernel/io_uring_disabled")) {
        *result = file_of(sysctls.disabled);
        return true;
    }
    if (text_equal(path, "/proc/sys/kernel/io_uring_group")) {
        *result = file_of(sysctls.group);
        return true;
    }
    if (sysctls.has_proc && text_equal(path, "/proc/self/status")) {
        *result = status_without_filter();
        return true;
    }
    if (!sysctls.has_proc && contains(path, "/proc/")) {
        *result = -Errno::enoent;
        return true;
    }
    return false;
}

/// The line for `reason` while the sysctls are so and no filter is in force.
void describe_amid(Sysctls sysctls, const Reason& reason, Line& line) noexcept {
    const Resources before = resources();
    set_handler(answer_sysctls, &sysctls);
    describe(reason, line);
    remove_handler(answer_sysctls, &sysctls);
    CHECK_SAME_RESOURCES(before);
}

/// The line for a default ring that is refused with `error` amid these.
void describe_with(Sysctls sysctls, Errno error, u32 flags, Line& line) noexcept {
    fail_call(number::io_uring_setup, error);
    const Reason reason = refused({.flags = flags, .preferred_flags = 0}, error);
    clear_faults();
    describe_amid(sysctls, reason, line);
}

TEST(reason_sysctl_2) {
    Line line;
    describe_with({"2\n", "-1\n"}, Errno::eperm, 0, line);
    check_line(line, "EPERM", "kernel.io_uring_disabled is 2", "every process",
               "sysctl kernel.io_uring_disabled=0");
}

/// Runs `body` without any privilege.
template <class Body>
void unprivileged(Body body) noexcept {
    const i32 status = in_child([&body] {
        if (kernel::geteuid() == 0 && kernel::setresuid(65534, 65534, 65534) < 0) {
            SKIP("cannot become another user");
        }
        body();
    });
    CHECK_EQ(status, 0);
}

TEST(reason_sysctl_1) {
    unprivileged([] {
        Line line;
        describe_with({"1\n", "-1\n"}, Errno::eperm, 0, line);
        check_line(line, "kernel.io_uring_disabled is 1", "CAP_SYS_ADMIN", "none is set");
        Line grouped;
        describe_with({"1\n", "4242\n"}, Errno::eperm, 0, grouped);
        check_line(grouped, "kernel.io_uring_disabled is 1", "now 4242");
    });
}

TEST(reason_sysctl_1_is_no_cause_for_its_group) {
    unprivileged([] {
        TextBuffer<16> group;
        group.number(kernel::getegid()).add('\n');
        Line line;
        describe_with({"1\n", group.c_str()}, Errno::eperm, 0, line);
        CHECK(!contains(line.c_str(), "is 1"));
    });
}

TEST(reason_sysctl_0_is_no_cause) {
    Line line;
    describe_with({"0\n", "-1\n"}, Errno::eperm, 0, line);
    check_line(line, "EPERM", "security module");
    CHECK(!contains(line.c_str(), "kernel.io_uring_disabled is"));
}

TEST(reason_without_proc_says_so) {
    Line line;
    describe_with({nullptr, nullptr, false}, Errno::eperm, 0, line);
    check_line(line, "EPERM", "/proc cannot be read here");
}

TEST(reason_of_a_kernel_without_io_uring) {
    Line line;
    describe_with({nullptr, nullptr}, Errno::enosys, 0, line);
    check_line(line, "ENOSYS", "older than 5.1", "CONFIG_IO_URING", "epoll");
    Line hidden;
    describe_with({"0\n", "-1\n"}, Errno::enosys, 0, hidden);
    check_line(hidden, "this kernel has io_uring", "a sandbox or an emulator hides it");
}

TEST(reason_of_refused_sqpoll) {
    const PretendKernel pretend(kernel_parts[parts_of_5_10]); // which gives a plain ring
    Line line;
    describe_with({"0\n", "-1\n"}, Errno::eperm, setup::sqpoll, line);
    check_line(line, "sqpoll)", "before Linux 5.13 sqpoll is a privilege",
               "a ring without it is accepted");
    Line access;
    describe_with({"0\n", "-1\n"}, Errno::eacces, setup::sqpoll, access);
    check_line(access, "security module refuses sqpoll");
}

// ---- Limits -------------------------------------------------------------------------------------

TEST(reason_locked_memory) {
    need_rings();
    unprivileged([] {
        const abi::Rlimit nothing = {0, 0};
        CHECK_OK(kernel::prlimit(0, abi::resource::locked_bytes, &nothing));
        Ring ring;
        Reason reason;
        const i32 result = ring.open(RingOptions{}, &reason);
        if (result == 0) {
            ring.close();
            // From 5.12 on (carried back to some 5.10) they were not, until 6.14; and 7.2 does not
            // charge them again (io_uring.c, io_allocate_scq_urings: "hence no user").
            if (kernel_at_least(7, 0)) {
                SKIP("this kernel does not charge rings to RLIMIT_MEMLOCK");
            }
            SKIP_MISSING("rings charged to RLIMIT_MEMLOCK");
        }
        CHECK_ERRNO(result, Errno::enomem);
        CHECK_EQ(reason.stage, Stage::setup);
        CHECK_EQ(reason.needed_bytes, required_bytes(RingOptions{}));
        Line line;
        describe(reason, line);
        TextBuffer<64> needed;
        needed.add("up to ").number(reason.needed_bytes >> 10).add(" KiB of locked memory");
        check_line(line, "ENOMEM", needed.c_str(), "RLIMIT_MEMLOCK is 0 KiB", "ulimit -l",
                   "fewer entries");
        const Reason again = refused({.entries_min = 1}, Errno::enomem);
        CHECK_EQ(again.entries, 1u);
    });
}

TEST(reason_locked_memory_shared) {
    unprivileged([] {
        const u64 enough = required_bytes(RingOptions{});
        const abi::Rlimit limit = {enough, enough};
        if (kernel::prlimit(0, abi::resource::locked_bytes, &limit) < 0) {
            SKIP("may not raise RLIMIT_MEMLOCK");
        }
        TextBuffer<64> part;
        part.add("RLIMIT_MEMLOCK is ").number(enough >> 10).add(" KiB");
        Line line;
        describe_with({"0\n", "-1\n"}, Errno::enomem, 0, line);
        check_line(line, part.c_str(), "which all rings of this user share");
    });
}

TEST(reason_memory_that_is_not_limited) {
    const abi::Rlimit unlimited = {~u64{0}, ~u64{0}};
    if (!read_surroundings().can(capability::ipc_lock) &&
        kernel::prlimit(0, abi::resource::locked_bytes, &unlimited) < 0) {
        SKIP("may not raise RLIMIT_MEMLOCK");
    }
    Line line;
    describe_with({"0\n", "-1\n"}, Errno::enomem, 0, line);
    check_line(line, "locked memory is not limited here", "control group");
}

TEST(reason_open_files) {
    need_rings();
    const i32 status = in_child([] {
        // Fills what is left below the limit, so that there is no descriptor to be had.
        const abi::Rlimit few = {12, 12};
        CHECK_OK(kernel::prlimit(0, abi::resource::open_files, &few));
        while (kernel::eventfd2(0, 0) >= 0) {
        }
        Ring ring;
        Reason reason;
        CHECK_ERRNO(ring.open(RingOptions{}, &reason), Errno::emfile);
        CHECK(!ring.is_open());
        Line line;
        describe(reason, line);
        check_line(line, "EMFILE", "RLIMIT_NOFILE allows (12)", "ulimit -n");
    });
    CHECK_EQ(status, 0);
}

// ---- Flags that the kernel lacks ----------------------------------------------------------------

TEST(reason_names_flags_that_are_missing) {
    PretendKernel pretend(kernel_parts[parts_of_5_10]);
    const Reason reason = refused(
        {.flags = setup::single_issuer | setup::defer_taskrun | setup::clamp}, Errno::einval);
    Line line;
    describe(reason, line);
    CHECK_EQ(pretend.rings_open(), 0);
    check_line(line, "this kernel lacks single_issuer (Linux 6.0), defer_taskrun (Linux 6.1);",
               "preferred_flags");
    CHECK(!contains(line.c_str(), "lacks clamp"));
}

TEST(reason_names_flags_that_this_kernel_lacks) {
    need_rings();
    Ring ring;
    Reason reason;
    const i32 result = ring.open({.flags = setup::sq_rewind | setup::no_sqarray}, &reason);
    if (result == 0) {
        ring.close();
        return; // 7.0
    }
    CHECK_ERRNO(result, Errno::einval);
    Line line;
    describe(reason, line);
    check_line(line, "this kernel lacks", "sq_rewind (Linux 7.0)");
}

TEST(reason_of_a_cpu_that_does_not_exist) {
    need_rings();
    const Reason reason =
        refused({.flags = setup::sqpoll | setup::sq_aff, .sq_thread_cpu = 100'000}, Errno::einval);
    Line line;
    describe(reason, line);
    check_line(line, "sqpoll | sq_aff", "the CPU in sq_thread_cpu");
}

TEST(reason_of_attaching_to_no_ring) {
    need_rings();
    Ring ring;
    Reason closed;
    const i32 result = ring.open({.flags = setup::attach_wq, .attach_wq_fd = 999'999}, &closed);
    CHECK(result == -Errno::enxio || result == -Errno::ebadf); // EBADF before 5.12
    Line line;
    describe(closed, line);
    check_line(line, "attach_wq_fd is not an open descriptor");
    const i32 fd = CHECK_OK(kernel::eventfd2(0, 0));
    const Reason other = refused({.flags = setup::attach_wq, .attach_wq_fd = fd}, Errno::einval);
    CHECK_OK(kernel::close(fd));
    Line not_a_ring;
    describe(other, not_a_ring);
    check_line(not_a_ring, "attach_wq_fd is not a ring");
}

TEST(reason_of_memory_that_cannot_be_written) {
    need_rings();
    SKIP_WITHOUT("rings in the caller's memory");
    const usize bytes = 4 * page_bytes_max;
    const long mapped = CHECK_OK(kernel::mmap(nullptr, bytes, abi::protection::none,
                                              abi::map::private_ | abi::map::anonymous, -1, 0));
    const uptr base = (static_cast<uptr>(mapped) + page_bytes_max - 1) & ~uptr{page_bytes_max - 1};
    const Reason reason = refused({.entries = 1,
                                   .flags = setup::no_mmap,
                                   .memory = reinterpret_cast<void*>(base),
                                   .memory_bytes = 2 * page_bytes_max},
                                  Errno::efault);
    CHECK_OK(kernel::munmap(reinterpret_cast<void*>(mapped), bytes));
    Line line;
    describe(reason, line);
    check_line(line, "EFAULT", "memory given to the ring is not all mapped");
}

// ---- Every errno --------------------------------------------------------------------------------

struct ErrnoRow {
    const char* name;
    Stage stage;
    u32 flags;
    Errno error;
    const char* part;
};

constexpr ErrnoRow errno_rows[] = {
    {"setup_enfile", Stage::setup, 0, Errno::enfile, "fs.file-max"},
    {"setup_ebusy", Stage::setup, setup::registered_fd_only, Errno::ebusy, "all 16 places"},
    {"setup_eagain", Stage::setup, setup::sqpoll, Errno::eagain, "RLIMIT_NPROC"},
    {"setup_eintr", Stage::setup, setup::sqpoll, Errno::eintr, "open the ring again"},
    {"setup_eoverflow", Stage::setup, 0, Errno::eoverflow, "fewer entries"},
    {"setup_efault", Stage::setup, 0, Errno::efault, "no kernel is known to answer that"},
    {"setup_ebadf", Stage::setup, 0, Errno::ebadf, "no kernel is known to answer that"},
    {"setup_ebadf_attached", Stage::setup, setup::attach_wq, Errno::ebadf, "attach_wq_fd"},
    {"setup_eopnotsupp", Stage::setup, 0, Errno::eopnotsupp, "no kernel is known to answer that"},
    {"setup_eio", Stage::setup, 0, Errno::eio, "no kernel is known to answer that"},
    {"setup_eperm_attached", Stage::setup, setup::attach_wq, Errno::eperm,
     "belongs to another process"},
    {"setup_einval", Stage::setup, setup::cqsize, Errno::einval, "not in this combination"},
    {"rings_enomem", Stage::map_rings, 0, Errno::enomem, "vm.max_map_count"},
    {"rings_eagain", Stage::map_rings, 0, Errno::eagain, "mlockall"},
    {"rings_eperm", Stage::map_rings, 0, Errno::eperm, "allow mmap"},
    {"rings_einval", Stage::map_rings, 0, Errno::einval, "knows only part of io_uring"},
    {"entries_enomem", Stage::map_entries, 0, Errno::enomem, "vm.max_map_count"},
    {"entries_enfile", Stage::map_entries, 0, Errno::enfile, "at its limit"},
    {"memory_enomem", Stage::memory, setup::no_mmap, Errno::enomem, "RLIMIT_AS"},
    {"fd_ebusy", Stage::register_fd, 0, Errno::ebusy, "all 16 places"},
    {"fd_einval", Stage::register_fd, 0, Errno::einval, "5.18"},
    {"fd_eio", Stage::register_fd, 0, Errno::eio, "no kernel is known to answer that"},
    {"resize_einval", Stage::resize, 0, Errno::einval, "6.13"},
    {"resize_eoverflow", Stage::resize, 0, Errno::eoverflow, "does not fit the new size"},
    {"resize_eexist", Stage::resize, 0, Errno::eexist, "single issuer"},
    {"resize_ebadfd", Stage::resize, 0, Errno::ebadfd, "disabled"},
    {"resize_enomem", Stage::resize, 0, Errno::enomem, "locked memory"},
    {"resize_efault", Stage::resize, 0, Errno::efault, "as it was before"},
};

TEST(reason_operations) {
    Line line;
    describe({.stage = Stage::operations, .error = -Errno::eopnotsupp, .entries = 128}, line);
    check_line(line, "io_uring", "Linux 5.6", "epoll", "lacks operations");
}

VARIANT_TEST(reason_errno, errno_rows) {
    const PretendKernel pretend(kernel_parts[parts_of_5_10]); // which gives a plain ring
    Line line;
    describe_amid({"0\n", "-1\n"},
                  {.stage = row.stage,
                   .error = -row.error,
                   .setup_flags = row.flags,
                   .entries = 1,
                   .needed_bytes = 8192},
                  line);
    check_line(line, "(1 entry", ") answered ", errno_name(row.error), row.part);
}

// ---- Nothing is left of a ring whose n-th step fails --------------------------------------------

struct StepRow {
    const char* name;
    u32 flags;
    Errno error;
};

constexpr StepRow step_rows[] = {
    {"plain_ENOMEM", 0, Errno::enomem},
    {"plain_EAGAIN", 0, Errno::eagain},
    {"plain_EPERM", 0, Errno::eperm},
    {"no_mmap_ENOMEM", setup::no_mmap, Errno::enomem},
};

VARIANT_TEST(reason_of_the_nth_mmap, step_rows) {
    need_rings();
    if ((row.flags & setup::no_mmap) != 0) {
        SKIP_WITHOUT("rings in the caller's memory");
    }
    Ring ring;
    CHECK_OK(ring.open({.entries = 4, .flags = row.flags}));
    ring.close();
    const u32 steps = calls_made(number::mmap);
    CHECK_GE(steps, 1u);
    for (u32 nth = 1; nth <= steps; ++nth) {
        clear_faults();
        fail_call(number::mmap, row.error, nth);
        const Reason reason = refused({.entries = 4, .flags = row.flags}, row.error);
        CHECK(reason.stage == Stage::map_rings || reason.stage == Stage::map_entries ||
              reason.stage == Stage::memory);
        Line line;
        describe(reason, line);
        check_line(line, "mmap of ", errno_name(row.error));
    }
}

TEST(reason_of_an_errno_without_name) {
    Line line;
    describe_amid({"0\n", "-1\n"}, {.stage = Stage::setup, .error = -4000, .entries = 2}, line);
    check_line(line, "io_uring_setup (2 entries) answered errno 4000: ", "no kernel is known");
}

/// Without MADV_DONTFORK a ring still works.
TEST(reason_is_none_where_madvise_fails) {
    need_rings();
    for (u32 nth = 1; nth <= 3; ++nth) {
        clear_faults();
        fail_call(number::madvise, Errno::einval, nth);
        const Resources before = resources();
        Ring ring;
        Reason reason;
        CHECK_OK(ring.open({.entries = 4}, &reason));
        CHECK(!reason.refused());
        ring.close();
        CHECK_SAME_RESOURCES(before);
    }
}

} // namespace
} // namespace oxbow::test
