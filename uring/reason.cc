// Turns a Reason into a line for people. It looks around only now, after the refusal, so a ring
// that is had costs nothing for it; what it finds may have changed since, so it names the likely
// cause. Source: io_uring_setup(2), ERRORS, and io_uring/{io_uring,sqpoll,memmap}.c.
#include "reason.h"

#include "../syscall/errno.h"
#include "../syscall/text.h"
#include "names.h"
#include "probe.h"
#include "surroundings.h"

namespace oxbow {

namespace {

namespace setup = abi::setup;

constexpr const char* allow_in_profile =
    "; allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile of the "
    "container or service";

struct Refusal {
    const Reason& reason;
    const Surroundings around;
    Text& text;

    [[nodiscard]] bool asked_for(u32 flags) const noexcept {
        return (reason.setup_flags & flags) != 0;
    }
    [[nodiscard]] bool under_filter() const noexcept { return around.seccomp_mode == 2; }
    [[nodiscard]] bool may_be_under_filter() const noexcept { return around.seccomp_mode != 0; }
};

/// "12 KiB", rounded up.
void add_kib(Text& text, u64 bytes) noexcept {
    text.number((bytes >> 10) + ((bytes & 1023) != 0 ? 1 : 0)).add(" KiB");
}

/// "EPERM", or "errno 4000" where it has no name.
void add_errno(Text& text, i32 error) noexcept {
    if (text_equal(errno_name(error), errno_name(0))) {
        text.add("errno ").number(error < 0 ? -error : error);
    } else {
        text.add(errno_name(error));
    }
}

// ---- Options ------------------------------------------------------------------------------------

[[nodiscard]] const char* text_of(OptionFault fault) noexcept {
    switch (fault) {
    case OptionFault::none:
        return "nothing is wrong with them";
    case OptionFault::no_entries:
        return "entries is 0; a ring has 1 to 32768";
    case OptionFault::too_many_entries:
        return "entries is more than 32768; ask for fewer, or set clamp to get the most there is";
    case OptionFault::too_few_completions:
        return "completion_entries is less than entries; leave it 0 for twice as many";
    case OptionFault::too_many_completions:
        return "completion_entries is more than 65536; ask for fewer, or set clamp to get the most "
               "there is";
    case OptionFault::unknown_flags:
        return "a flag in `flags` is none that Linux has; see abi::setup";
    case OptionFault::defer_needs_issuer:
        return "defer_taskrun works only together with single_issuer";
    case OptionFault::task_flag_needs_coop:
        return "taskrun_flag works only together with coop_taskrun or defer_taskrun";
    case OptionFault::sqpoll_with_taskrun:
        return "sqpoll does not go with coop_taskrun, taskrun_flag or defer_taskrun: its thread "
               "runs the task work";
    case OptionFault::affinity_needs_sqpoll:
        return "sq_aff is for the thread of sqpoll, which is not asked for";
    case OptionFault::fd_only_needs_no_mmap:
        return "registered_fd_only works only together with no_mmap: there is no descriptor to map";
    case OptionFault::hybrid_needs_iopoll:
        return "hybrid_iopoll works only together with iopoll";
    case OptionFault::two_completion_sizes:
        return "cqe32 and cqe_mixed exclude each other";
    case OptionFault::two_entry_sizes:
        return "sqe128 and sqe_mixed exclude each other";
    case OptionFault::mixed_needs_two:
        return "sqe_mixed needs 2 entries at least, and cqe_mixed 2 completion_entries: a big one "
               "takes two";
    case OptionFault::rewind_needs_no_array:
        return "sq_rewind works only together with no_sqarray";
    case OptionFault::rewind_with_sqpoll:
        return "sq_rewind does not go with sqpoll";
    case OptionFault::attach_needs_fd:
        return "attach_wq needs attach_wq_fd, the descriptor of another ring";
    case OptionFault::memory_needs_no_mmap:
        return "memory is used only with no_mmap, which is not set";
    case OptionFault::memory_too_small:
        return "memory_bytes is too small";
    case OptionFault::memory_not_aligned:
        return "memory does not begin at a page boundary";
    }
    return "unknown fault";
}

void describe_options(const Reason& reason, Text& text) noexcept {
    text.add("ring options: ").add(text_of(reason.fault));
    if (reason.fault == OptionFault::memory_too_small && reason.needed_bytes != 0) {
        text.add("; these rings take ").number(reason.needed_bytes).add(" bytes");
    }
    if (reason.fault == OptionFault::unknown_flags) {
        constexpr u32 named = (1u << setup_flags_named) - 1;
        text.add(" (");
        add_setup_flags(text, reason.setup_flags & ~named, " | ");
        text.add(")");
    }
}

// ---- io_uring_setup -----------------------------------------------------------------------------

void explain_missing(const Refusal& r) noexcept {
    if (r.around.disabled != Surroundings::unknown) {
        // The sysctl is there (6.6), so the kernel has io_uring.
        r.text.add("this kernel has io_uring, so ");
        if (r.under_filter()) {
            r.text.add("the seccomp filter that this process runs under hides it");
            r.text.add(allow_in_profile);
        } else {
            r.text.add("a sandbox or an emulator hides it (qemu-user, gVisor); run without that, "
                       "or use epoll");
        }
    } else if (r.may_be_under_filter()) {
        r.text
            .add(r.under_filter() ? "this process runs under a seccomp filter, which may hide it"
                                  : "a seccomp filter may hide it (the mode cannot be read)")
            .add(allow_in_profile)
            .add("; or the kernel is older than 5.1 or built without CONFIG_IO_URING");
    } else {
        r.text.add(
            "no seccomp filter is in force, so the kernel is older than 5.1 or built without "
            "CONFIG_IO_URING, or this is an emulator without it (qemu-user, gVisor); use "
            "another kernel, or epoll");
    }
}

void explain_sysctl_group(const Refusal& r) noexcept {
    r.text.add("the sysctl kernel.io_uring_disabled is 1, which leaves io_uring to processes with "
               "CAP_SYS_ADMIN and to the group in kernel.io_uring_group (");
    if (r.around.group == Surroundings::unknown) {
        r.text.add("none is set");
    } else {
        r.text.add("now ").number(r.around.group);
    }
    r.text.add("); join the group, or as root: sysctl kernel.io_uring_disabled=0");
}

/// A second question: whether a plain ring is refused too.
[[nodiscard]] bool plain_ring_is_refused() noexcept {
    Features features;
    return probe(features) < 0;
}

void explain_not_permitted(const Refusal& r) noexcept {
    const Surroundings& around = r.around;
    if (around.disabled == 2) {
        r.text.add("the sysctl kernel.io_uring_disabled is 2, which forbids io_uring to every "
                   "process; as root: sysctl kernel.io_uring_disabled=0");
        return;
    }
    if (around.disabled == 1 && !around.can(capability::sys_admin) && !around.in_group) {
        explain_sysctl_group(r);
        return;
    }
    if (r.asked_for(setup::sqpoll | setup::attach_wq) && !plain_ring_is_refused()) {
        r.text.add(r.asked_for(setup::attach_wq)
                       ? "the ring to attach to belongs to another process, whose sqpoll thread "
                         "cannot be shared"
                       : "before Linux 5.13 sqpoll is a privilege (CAP_SYS_ADMIN, from 5.11 on "
                         "CAP_SYS_NICE), and a security module may refuse it later too");
        r.text.add("; a ring without it is accepted");
        return;
    }
    if (!around.has_proc && around.disabled == Surroundings::unknown) {
        r.text.add("/proc cannot be read here, so see whether the sysctl "
                   "kernel.io_uring_disabled is 1 or 2; if it is 0, ");
    }
    if (r.may_be_under_filter()) {
        r.text
            .add("a seccomp filter refuses io_uring, as container run-times do by default since "
                 "2023")
            .add(allow_in_profile);
    } else {
        r.text.add("no seccomp filter is in force, so a security module (SELinux, AppArmor, a BPF "
                   "program) refuses io_uring; see the kernel's audit log");
    }
}

/// For errnos that io_uring_setup itself does not answer.
void explain_foreign(const Refusal& r) noexcept {
    r.text.add(errno_text(r.reason.error)).add("; ");
    if (r.under_filter()) {
        r.text
            .add("no kernel answers that to io_uring_setup, so the seccomp filter that this "
                 "process runs under does")
            .add(allow_in_profile);
    } else {
        r.text.add("no kernel is known to answer that to io_uring_setup; a sandbox, a security "
                   "module or an emulator may");
    }
}

void explain_access(const Refusal& r) noexcept {
    if (r.asked_for(setup::sqpoll) && !plain_ring_is_refused()) {
        r.text.add("a security module refuses sqpoll (SELinux: io_uring { sqpoll }); a ring "
                   "without it is accepted");
    } else if (r.under_filter()) {
        r.text.add("the seccomp filter that this process runs under refuses io_uring")
            .add(allow_in_profile);
    } else {
        r.text.add("a security module (SELinux, AppArmor) or a sandbox refuses io_uring; see the "
                   "kernel's audit log");
    }
}

void explain_memory(const Refusal& r) noexcept {
    const u64 limit = r.around.locked_bytes_max;
    if (r.around.can(capability::ipc_lock) || limit == Surroundings::unlimited) {
        r.text.add("locked memory is not limited here, so the kernel has no ");
        add_kib(r.text, r.reason.needed_bytes);
        r.text.add(" for these rings now: see the memory limit of the control group, or ask for "
                   "fewer entries (entries_min)");
        return;
    }
    r.text.add("these rings take up to ");
    add_kib(r.text, r.reason.needed_bytes);
    r.text.add(" of locked memory, and RLIMIT_MEMLOCK is ");
    add_kib(r.text, limit);
    if (limit >= r.reason.needed_bytes) {
        r.text.add(", which all rings of this user share (closed ones a little longer)");
    }
    r.text.add(
        "; raise it (ulimit -l, LimitMEMLOCK= of systemd), or ask for fewer entries "
        "(entries_min). Linux before 5.12 counts rings as locked memory, and so does Linux from "
        "6.14 on, but not 7.2");
}

/// Names the flags that this kernel lacks, each with the release that brings it.
void add_lacking(Text& text, u32 lacking) noexcept {
    text.add("this kernel lacks ");
    bool first = true;
    for (u32 bit = 0; bit < setup_flags_named; ++bit) {
        if ((lacking >> bit & 1) != 0) {
            const KernelName name = setup_flag_name(bit);
            text.add(first ? "" : ", ").add(name.text).add(" (Linux ").number(name.series);
            text.add('.').number(name.release).add(")");
            first = false;
        }
    }
    text.add("; move what can be done without to preferred_flags");
}

void explain_invalid(const Refusal& r) noexcept {
    Features features;
    const i32 result = probe(features);
    const u32 lacking = r.reason.setup_flags & ~features.setup_flags;
    if (result == -Errno::einval) {
        r.text
            .add("even a ring of one entry without flags is refused so, which no kernel does: a "
                 "seccomp filter or an emulator answers")
            .add(r.under_filter() ? allow_in_profile : "");
    } else if (result == 0 && lacking != 0) {
        add_lacking(r.text, lacking);
    } else if (r.asked_for(setup::sq_aff)) {
        r.text.add("this kernel knows all these flags, but the CPU in sq_thread_cpu is offline, "
                   "does not exist, or is not one this process may use");
    } else if (r.asked_for(setup::attach_wq)) {
        r.text.add("this kernel knows all these flags, but attach_wq_fd is not a ring, or not one "
                   "with sqpoll as this one has");
    } else {
        r.text.add("this kernel knows all these flags, but not in this combination or with these "
                   "sizes");
    }
}

void explain_descriptor(const Refusal& r) noexcept {
    if (r.asked_for(setup::attach_wq)) {
        r.text.add("attach_wq_fd is not an open descriptor");
    } else {
        explain_foreign(r);
    }
}

void explain_address(const Refusal& r) noexcept {
    if (r.asked_for(setup::no_mmap)) {
        r.text.add("the memory given to the ring is not all mapped, writable, and of the kind that "
                   "can be pinned");
    } else {
        explain_foreign(r);
    }
}

void explain_setup(const Refusal& r) noexcept {
    switch (error_of(r.reason.error)) {
    case Errno::enosys:
        return explain_missing(r);
    case Errno::eperm:
        return explain_not_permitted(r);
    case Errno::eacces:
        return explain_access(r);
    case Errno::enomem:
        return explain_memory(r);
    case Errno::einval:
        return explain_invalid(r);
    case Errno::efault:
        return explain_address(r);
    case Errno::ebadf:
    case Errno::enxio:
        return explain_descriptor(r);
    case Errno::emfile:
        r.text.add("this process has as many descriptors open as RLIMIT_NOFILE allows (")
            .number(r.around.open_files_max)
            .add("); close some, or raise it (ulimit -n)");
        return;
    case Errno::enfile:
        r.text.add("the whole machine has as many files open as the sysctl fs.file-max allows");
        return;
    case Errno::ebusy:
        r.text.add(
            "all 16 places for registered rings of this thread are taken; close one of them");
        return;
    case Errno::eagain:
        r.text.add("the kernel could not start the thread of sqpoll: see RLIMIT_NPROC and the pids "
                   "limit of the control group");
        return;
    case Errno::eintr:
        r.text.add("a signal came before the thread of sqpoll had started; open the ring again");
        return;
    case Errno::eoverflow:
        r.text.add("rings of this size do not fit the kernel's address space; ask for fewer "
                   "entries");
        return;
    default: // EOPNOTSUPP among them, which some sandboxes answer
        return explain_foreign(r);
    }
}

// ---- The other stages ---------------------------------------------------------------------------

void explain_mapping(const Refusal& r) noexcept {
    switch (error_of(r.reason.error)) {
    case Errno::enomem:
        r.text.add("this process has no address space (RLIMIT_AS, ulimit -v) or no mappings (the "
                   "sysctl vm.max_map_count) left for the rings");
        return;
    case Errno::eagain:
        r.text.add("the process locks all its memory (mlockall), and RLIMIT_MEMLOCK is ");
        add_kib(r.text, r.around.locked_bytes_max);
        r.text.add("; raise it (ulimit -l)");
        return;
    case Errno::eperm:
    case Errno::eacces:
    case Errno::enosys:
        r.text.add("io_uring_setup succeeded, so a seccomp filter or security module refuses the "
                   "mapping; allow mmap of the ring");
        return;
    case Errno::enfile:
        r.text.add("the whole machine is at its limit of mappings or files");
        return;
    default:
        r.text.add(errno_text(r.reason.error))
            .add("; io_uring_setup succeeded, and the kernel should have mapped the ring; an "
                 "emulator or sandbox that knows only part of io_uring may answer so");
        return;
    }
}

void explain_resize(const Refusal& r) noexcept {
    switch (error_of(r.reason.error)) {
    case Errno::einval:
        r.text.add("resizing needs Linux 6.13, a ring with defer_taskrun and without no_mmap, and "
                   "sizes that a new ring could have");
        return;
    case Errno::eoverflow:
        r.text.add("what is queued does not fit the new size; reap and submit first");
        return;
    case Errno::eexist:
        r.text.add("another thread is the ring's single issuer, and only that one may resize it");
        return;
    case Errno::ebadfd:
        r.text.add("the ring is still disabled; enable it first");
        return;
    case Errno::enomem:
        return explain_memory(r);
    default:
        r.text.add(errno_text(r.reason.error)).add("; the ring is as it was before");
        return;
    }
}

void explain_registering(const Refusal& r) noexcept {
    switch (error_of(r.reason.error)) {
    case Errno::einval:
        r.text.add("registering a ring's descriptor needs Linux 5.18");
        return;
    case Errno::ebusy:
        r.text.add(
            "all 16 places for registered rings of this thread are taken; close one of them");
        return;
    default:
        return explain_foreign(r);
    }
}

[[nodiscard]] const char* name_of(Stage stage) noexcept {
    switch (stage) {
    case Stage::setup:
        return "io_uring_setup";
    case Stage::map_rings:
        return "mmap of the rings";
    case Stage::map_entries:
        return "mmap of the submission queue entries";
    case Stage::memory:
        return "mmap of memory for the rings";
    case Stage::register_fd:
        return "registering the ring's descriptor";
    case Stage::resize:
        return "resizing the ring";
    case Stage::none:
    case Stage::options:
    case Stage::operations:
        break;
    }
    return "the ring";
}

void explain(const Refusal& r) noexcept {
    switch (r.reason.stage) {
    case Stage::setup:
        return explain_setup(r);
    case Stage::map_rings:
    case Stage::map_entries:
    case Stage::memory:
        return explain_mapping(r);
    case Stage::resize:
        return explain_resize(r);
    case Stage::register_fd:
        return explain_registering(r);
    case Stage::none:
    case Stage::options:
    case Stage::operations:
        return;
    }
}

} // namespace

[[gnu::cold]] void describe(const Reason& reason, Text& text) noexcept {
    if (reason.stage == Stage::none) {
        text.add("the ring was not refused");
        return;
    }
    if (reason.stage == Stage::options) {
        return describe_options(reason, text);
    }
    if (reason.stage == Stage::operations) {
        text.add("this kernel's io_uring lacks operations that a loop needs, which came with "
                 "Linux 5.6; use a newer kernel, or epoll");
        return;
    }
    text.add(name_of(reason.stage)).add(" (").number(reason.entries);
    text.add(reason.entries == 1 ? " entry" : " entries");
    if (reason.setup_flags != 0) {
        text.add(", ");
        add_setup_flags(text, reason.setup_flags, " | ");
    }
    text.add(") answered ");
    add_errno(text, reason.error);
    text.add(": ");
    explain({reason, read_surroundings(), text});
}

} // namespace oxbow
