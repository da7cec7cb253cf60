// What is written by hand for each machine: the registers of a system call, the order and the
// splitting of its arguments, threads, signal frames, and what a program finds on its first stack.
#include "../syscall/atomic.h"
#include "../syscall/call.h"
#include "../syscall/memory.h"
#include "../syscall/start.h"
#include "harness.h"

namespace oxbow {
namespace {

using namespace test;

[[nodiscard]] long word(const volatile void* pointer) noexcept {
    return static_cast<long>(reinterpret_cast<uptr>(pointer));
}

// ---- Calls --------------------------------------------------------------------------------------

TEST(arch_raw_passes_no_to_three_arguments) {
    const long process = arch::raw(number::getpid);
    CHECK_GT(process, 0);
    CHECK_EQ(process, kernel::getpid());

    const long former = arch::raw(number::umask, 0123L);
    CHECK_EQ(arch::raw(number::umask, former), 0123L);

    i32 ends[2] = {-1, -1};
    CHECK_OK(arch::raw(number::pipe2, word(ends), static_cast<long>(abi::open_flag::cloexec)));
    CHECK_EQ(arch::raw(number::write, static_cast<long>(ends[1]), word("three"), 5L), 5L);
    char got[8] = {};
    CHECK_EQ(arch::raw(number::read, static_cast<long>(ends[0]), word(got), 8L), 5L);
    CHECK_STREQ(got, "three");
    CHECK_OK(kernel::close(ends[0]));
    CHECK_OK(kernel::close(ends[1]));
}

TEST(arch_raw_passes_four_and_five_arguments) {
    abi::SignalSet set = {};
    set.add(abi::signal::usr1);
    abi::SignalSet former = {};
    const long bytes = sizeof(set);
    CHECK_OK(arch::raw(number::rt_sigprocmask, static_cast<long>(abi::signal_mask::block),
                       word(&set), 0L, bytes));
    CHECK_OK(arch::raw(number::rt_sigprocmask, static_cast<long>(abi::signal_mask::unblock),
                       word(&set), word(&former), bytes));
    CHECK(former.has(abi::signal::usr1));
    CHECK_ERRNO(arch::raw(number::rt_sigprocmask, 0L, word(&set), 0L, bytes + 1), Errno::einval);

    abi::Statx answer = {};
    CHECK_OK(arch::raw(number::statx, static_cast<long>(abi::at_fdcwd), word("/"), 0L,
                       static_cast<long>(abi::statx_mask::type), word(&answer)));
    CHECK_EQ(answer.mode & abi::file_mode::type_mask, abi::file_mode::directory);
}

TEST(arch_raw_passes_six_arguments) {
    const i32 from = CHECK_OK(kernel::memfd_create("from", 0));
    const i32 to = CHECK_OK(kernel::memfd_create("to", 0));
    CHECK_EQ(kernel::write(from, "0123456789", 10), 10);
    i64 from_offset = 2;
    i64 to_offset = 1;
    const auto copy = [&](long flags) noexcept {
        return arch::raw(number::copy_file_range, static_cast<long>(from), word(&from_offset),
                         static_cast<long>(to), word(&to_offset), 5L, flags);
    };
    CHECK_ERRNO(copy(~0L), Errno::einval); // the sixth: no flag is known
    CHECK_EQ(copy(0), 5L);
    CHECK_EQ(from_offset, 7);
    CHECK_EQ(to_offset, 6);
    char got[6] = {};
    CHECK_EQ(kernel::pread(to, got, 6, 0), 6);
    CHECK_BYTES(got, "\00023456", 6);
    CHECK_OK(kernel::close(from));
    CHECK_OK(kernel::close(to));
}

TEST(arch_raw_returns_errors_as_they_are) {
    CHECK_ERRNO(arch::raw(number::close, -1L), Errno::ebadf);
    CHECK_ERRNO(arch::raw(number::uname, 1L), Errno::efault);
    CHECK_ERRNO(arch::raw(0xffffL), Errno::enosys);
    CHECK_ERRNO(arch::raw(number::munmap, 1L, 4096L), Errno::einval);
}

/// Values in more variables than a machine has registers, and calls of each length in between: a
/// register that a call changes and the asm does not name would change a sum.
[[gnu::noinline]] long calls_between_sums(const volatile long* in) noexcept {
    long v[12];
    for (int i = 0; i < 12; ++i) {
        v[i] = in[i];
    }
    for (int round = 0; round < 8; ++round) {
        v[0] += arch::raw(number::close, -1L);
        v[1] += v[0] + arch::raw(number::madvise, 1L, 0L, 0L);
        v[2] += v[1] + arch::raw(number::rt_sigprocmask, 0L, 0L, 0L, -1L);
        v[3] += v[2] + arch::raw(number::waitid, -1L, 0L, 0L, 0L, 0L);
        v[4] += v[3] + arch::raw(number::copy_file_range, -1L, 0L, -1L, 0L, 0L, 0L);
        for (int i = 5; i < 12; ++i) {
            v[i] += v[i - 1] + in[i];
        }
    }
    return v[11];
}

TEST(arch_raw_keeps_every_other_register) {
    volatile long in[12];
    for (int i = 0; i < 12; ++i) {
        in[i] = 1000 * i;
    }
    const long errors[5] = {-Errno::ebadf, -Errno::einval, -Errno::einval, -Errno::einval,
                            -Errno::ebadf};
    long v[12];
    for (int i = 0; i < 12; ++i) {
        v[i] = in[i];
    }
    for (int round = 0; round < 8; ++round) {
        v[0] += errors[0];
        for (int i = 1; i < 12; ++i) {
            v[i] += v[i - 1] + (i < 5 ? errors[i] : in[i]);
        }
    }
    CHECK_EQ(calls_between_sums(in), v[11]);
}

// ---- Offsets ------------------------------------------------------------------------------------

TEST(arch_mmap_offset_is_in_bytes) {
    const usize page = page_bytes();
    const i32 fd = CHECK_OK(kernel::memfd_create("pages", 0));
    CHECK_OK(kernel::ftruncate(fd, 4 * page));
    CHECK_EQ(kernel::pwrite(fd, "third", 5, 2 * page), 5);
    const long mapped =
        kernel::mmap(nullptr, page, abi::protection::read, abi::map::shared, fd, 2 * page);
    CHECK(!is_error(mapped));
    void* memory = reinterpret_cast<void*>(static_cast<uptr>(mapped));
    CHECK_EQ(memory_compare(memory, "third", 5), 0);
    CHECK_OK(kernel::munmap(memory, page));
    CHECK_ERRNO(kernel::mmap(nullptr, page, abi::protection::read, abi::map::shared, fd, 512),
                Errno::einval);
    CHECK_OK(kernel::close(fd));
}

TEST(arch_mmap_reaches_beyond_4_gib) {
    const usize page = page_bytes();
    const u64 offset = (u64{5} << 30) + 16 * page;
    const i32 fd = CHECK_OK(kernel::memfd_create("far", 0));
    CHECK_OK(kernel::ftruncate(fd, offset + page));
    CHECK_EQ(kernel::pwrite(fd, "far", 3, offset), 3);
    CHECK_EQ(kernel::pwrite(fd, "cut", 3, offset & 0xffffffff), 3);
    if constexpr (sizeof(long) == 4) {
        const long units = static_cast<long>(offset >> 12);
        const long plain = arch::raw(number::mmap, 0L, static_cast<long>(page), 1L, 1L,
                                     static_cast<long>(fd), units);
        CHECK(!is_error(plain));
        if (*reinterpret_cast<const u8*>(static_cast<uptr>(plain)) == 'c') {
            SKIP("this emulator cuts mmap2's offset to 32 bits");
        }
    }
    const long mapped =
        kernel::mmap(nullptr, page, abi::protection::read, abi::map::shared, fd, offset);
    CHECK(!is_error(mapped));
    void* memory = reinterpret_cast<void*>(static_cast<uptr>(mapped));
    CHECK_EQ(memory_compare(memory, "far", 4), 0);
    CHECK_OK(kernel::munmap(memory, page));
    CHECK_OK(kernel::close(fd));
}

TEST(arch_file_offsets_are_64_bits) {
    constexpr u64 far = (u64{5} << 30) + 12345; // both halves differ from 0 and from one another
    char path[256];
    temp_path(path);
    const i32 fd = CHECK_OK(kernel::openat(
        abi::at_fdcwd, path, abi::open_flag::read_write | abi::open_flag::create, 0600));
    CHECK_OK(kernel::ftruncate(fd, far));
    CHECK_EQ(kernel::lseek(fd, 0, abi::seek_from::end), static_cast<i64>(far));
    CHECK_EQ(kernel::pwrite(fd, "tail", 4, far), 4);
    char got[8] = {};
    CHECK_EQ(kernel::pread(fd, got, 8, far), 4);
    CHECK_STREQ(got, "tail");
    CHECK_EQ(kernel::pread(fd, got, 8, far & 0xffffffff), 8); // the low half alone is a hole
    CHECK_EQ(got[0], 0);

    CHECK_EQ(kernel::lseek(fd, static_cast<i64>(far + 1), abi::seek_from::start),
             static_cast<i64>(far + 1));
    CHECK_EQ(kernel::read(fd, got, 8), 3);
    abi::IoVec pieces[2] = {{got, 1}, {got + 1, 7}};
    CHECK_EQ(kernel::preadv(fd, pieces, 2, far + 2), 2);
    CHECK_BYTES(got, "il", 2);
    CHECK_EQ(kernel::pwritev(fd, pieces, 1, far + 4), 1);

    abi::Statx answer = {};
    CHECK_OK(kernel::statx(fd, "", abi::at_flag::empty_path, abi::statx_mask::size, &answer));
    CHECK_EQ(answer.size, far + 5);
    CHECK_OK(kernel::fadvise(fd, far, u64{6} << 30, abi::fadvice::dontneed));
    CHECK_ERRNO(kernel::fadvise(fd, far, 1, 99), Errno::einval);
    CHECK_OK(kernel::sync_file_range(fd, far, 4, 0));
    CHECK_ERRNO(kernel::sync_file_range(fd, far, 4, 0x100), Errno::einval);
    const i32 allocated = kernel::fallocate(fd, 0, far + 5, 4096);
    if (allocated != -Errno::eopnotsupp) { // not every file system can
        CHECK_OK(allocated);
        CHECK_EQ(kernel::lseek(fd, 0, abi::seek_from::end), static_cast<i64>(far + 5 + 4096));
    }
    CHECK_OK(kernel::close(fd));
}

// ---- Threads and children -----------------------------------------------------------------------

constexpr u32 thread_flags =
    static_cast<u32>(abi::clone_flag::vm | abi::clone_flag::fs | abi::clone_flag::files |
                     abi::clone_flag::sighand | abi::clone_flag::thread | abi::clone_flag::sysvsem |
                     abi::clone_flag::parent_settid | abi::clone_flag::child_cleartid);

struct Thread {
    alignas(16) u8 stack[32768];
    u32 child_tid; ///< the kernel zeroes it when the stack is free
    i32 parent_tid;
    i32 own_tid;
    u32 misaligned;
    u32 answer;
};

constinit Thread threads[4] = {};

/// Whether a local variable that must be aligned is: the compiler believes the stack to be.
[[gnu::noinline]] bool stack_is_aligned() noexcept {
    struct alignas(16) Aligned {
        u8 bytes[48];
    };
    Aligned local;
    uptr address;
    asm volatile("" : "=r"(address) : "0"(&local) : "memory");
    return (address & 15) == 0;
}

int thread_entry(void* argument) noexcept {
    Thread* thread = static_cast<Thread*>(argument);
    thread->misaligned = stack_is_aligned() ? 0 : 1;
    thread->own_tid = kernel::gettid();
    store_release(&thread->answer, 42u);
    return 0;
}

void join(Thread* thread) noexcept {
    for (;;) {
        const u32 tid = load_acquire(&thread->child_tid);
        if (tid == 0) {
            return;
        }
        // The kernel wakes it as a shared futex, though the memory is this process's own.
        const i32 woken = kernel::futex_wait_shared(&thread->child_tid, tid);
        CHECK(woken == 0 || woken == -Errno::eagain || woken == -Errno::eintr);
    }
}

TEST(arch_threads_run_and_join) {
    for (u32 round = 0; round < 16; ++round) {
        for (u32 i = 0; i < 4; ++i) {
            Thread* thread = &threads[i];
            thread->answer = 0;
            thread->child_tid = ~0u;
            // A top that is not aligned is rounded down.
            u8* top = thread->stack + sizeof(thread->stack) - 3 * i;
            const i32 tid = CHECK_OK(kernel::clone_thread(
                thread_flags, top, &thread->parent_tid, reinterpret_cast<i32*>(&thread->child_tid),
                nullptr, thread_entry, thread));
            CHECK_EQ(thread->parent_tid, tid);
        }
        for (Thread& thread : threads) {
            join(&thread);
            CHECK_EQ(load_acquire(&thread.answer), 42u);
            CHECK_EQ(thread.own_tid, thread.parent_tid);
            CHECK_EQ(thread.misaligned, 0u);
        }
    }
}

TEST(arch_clone_returns_errors) {
    // A thread must share signal handlers and memory.
    CHECK_ERRNO(kernel::clone_thread(static_cast<u32>(abi::clone_flag::thread),
                                     threads[0].stack + sizeof(threads[0].stack), nullptr, nullptr,
                                     nullptr, thread_entry, &threads[0]),
                Errno::einval);
}

int child_entry(void* argument) noexcept {
    return static_cast<int>(reinterpret_cast<uptr>(argument));
}

/// The status of child `pid` after its end.
[[nodiscard]] i32 status_of(i32 pid) noexcept {
    abi::SignalInfo info = {};
    CHECK_OK(kernel::waitid(abi::wait_for::pid, pid, &info, abi::wait_option::exited));
    CHECK_EQ(info.code, abi::signal_code::child_exited);
    return info.child.status;
}

TEST(arch_child_ends_with_its_entrys_value) {
    u8* top = threads[0].stack + sizeof(threads[0].stack);
    void* argument = reinterpret_cast<void*>(uptr{77});
    const i32 pid = CHECK_OK(kernel::clone_thread(static_cast<u32>(abi::signal::chld), top, nullptr,
                                                  nullptr, nullptr, child_entry, argument));
    CHECK_EQ(status_of(pid), 77);
}

TEST(arch_clone_call_sets_the_tids) {
    // Shared with the child, whose copy the kernel writes the second one to.
    const long mapped =
        kernel::mmap(nullptr, page_bytes(), abi::protection::read | abi::protection::write,
                     abi::map::shared | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    volatile i32* tids = reinterpret_cast<i32*>(static_cast<uptr>(mapped));
    const long flags =
        static_cast<long>(abi::clone_flag::parent_settid | abi::clone_flag::child_settid) |
        abi::signal::chld;
    const long pid = CHECK_OK(arch::clone_call(flags, 0, word(tids), 0, word(tids + 1)));
    if (pid == 0) {
        kernel::exit_group(tids[1] == kernel::getpid() ? 33 : 1);
    }
    CHECK_EQ(status_of(static_cast<i32>(pid)), 33);
    CHECK_EQ(tids[0], pid);
    CHECK_EQ(tids[1], pid);
    CHECK_EQ(tids[2], 0);
}

TEST(arch_fork_returns_twice) {
    const i32 pid = CHECK_OK(kernel::fork());
    if (pid == 0) {
        kernel::exit_group(34);
    }
    CHECK_EQ(status_of(pid), 34);
}

// ---- Signals ------------------------------------------------------------------------------------

struct Seen {
    volatile u32 handled;
    volatile i32 signal_number;
    volatile i32 sender;
    volatile bool aligned;
    volatile bool on_other_stack;
};

constinit Seen seen = {};
constinit u8 other_stack[65536] = {};

void handle(i32 signal_number, abi::SignalInfo* info, void* context) noexcept {
    u8 local = 0;
    u8* place = &local;
    asm volatile("" : "+r"(place));
    seen.signal_number = signal_number;
    seen.sender = context != nullptr ? info->sender.pid : -1;
    seen.aligned = stack_is_aligned();
    seen.on_other_stack = place >= other_stack && place < other_stack + sizeof(other_stack);
    seen.handled = seen.handled + 1;
}

void install(i32 signal_number, uptr flags) noexcept {
    abi::SignalAction action = {};
    action.handler = reinterpret_cast<uptr>(&handle);
    action.flags = abi::action_flag::siginfo | flags;
    action.mask.add(abi::signal::usr2);
    CHECK_OK(kernel::rt_sigaction(signal_number, &action));
}

/// qemu-i386 7.2 does not align a handler's stack as the kernel does.
[[nodiscard]] bool aligns_as_it_likes() noexcept {
#if defined(__i386__)
    return is_emulated();
#else
    return false;
#endif
}

TEST(arch_signal_handlers_return) {
    install(abi::signal::usr1, 0);
    const i32 process = kernel::getpid();
    for (u32 i = 1; i <= 3; ++i) {
        CHECK_OK(kernel::kill(process, abi::signal::usr1));
        CHECK_EQ(seen.handled, i);
        CHECK_EQ(seen.signal_number, abi::signal::usr1);
        CHECK_EQ(seen.sender, process);
        CHECK(seen.aligned || aligns_as_it_likes());
        CHECK(!seen.on_other_stack);
    }
    abi::SignalSet mask = {};
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, nullptr, &mask));
    CHECK(!mask.has(abi::signal::usr1)); // the return gave the former mask back
    CHECK(!mask.has(abi::signal::usr2));
}

TEST(arch_signal_handlers_run_on_another_stack) {
    abi::SignalStack stack = {};
    stack.base = other_stack;
    stack.bytes = sizeof(other_stack);
    CHECK_OK(kernel::sigaltstack(&stack));
    install(abi::signal::usr1, abi::action_flag::onstack);
    CHECK_OK(kernel::kill(kernel::getpid(), abi::signal::usr1));
    CHECK_EQ(seen.handled, 1u);
    CHECK(seen.on_other_stack);
    CHECK(seen.aligned || aligns_as_it_likes());
}

TEST(arch_signal_interrupts_a_call) {
    install(abi::signal::usr1, 0);
    abi::SignalSet blocked = {};
    blocked.add(abi::signal::usr1);
    CHECK_OK(kernel::rt_sigprocmask(abi::signal_mask::block, &blocked));
    CHECK_OK(kernel::kill(kernel::getpid(), abi::signal::usr1));
    CHECK_EQ(seen.handled, 0u);
    const abi::SignalSet none = {};
    CHECK_ERRNO(kernel::rt_sigsuspend(&none), Errno::eintr);
    CHECK_EQ(seen.handled, 1u);
}

// ---- The first stack ----------------------------------------------------------------------------

TEST(start_page_bytes_is_what_the_kernel_maps) {
    const usize page = page_bytes();
    CHECK_GE(page, 4096u);
    CHECK_EQ(page & (page - 1), 0u);
    CHECK_EQ(auxiliary_value(auxiliary::page_size), page);
    CHECK_EQ(transfer_bytes_max(), 0x7fffffff & ~(page - 1));
    CHECK_ERRNO(arch::raw(number::madvise, static_cast<long>(page / 2), 0L, 0L), Errno::einval);
    CHECK_OK(arch::raw(number::madvise, static_cast<long>(page), 0L, 0L));
    CHECK(start_random_bytes() != nullptr);
}

TEST(start_reads_environment_and_auxiliary_vector) {
    char program[] = "program";
    char name_long[] = "NAME_LONG=1";
    char name[] = "NAME=a=b";
    char empty[] = "EMPTY=";
    char odd[] = "ODD";
    const auto text = [](char* from) noexcept { return reinterpret_cast<uptr>(from); };
    // As the kernel leaves it, from argv upwards.
    uptr stack[] = {text(program),
                    0,
                    text(name_long),
                    text(name),
                    text(empty),
                    text(odd),
                    0,
                    auxiliary::user,
                    1001,
                    auxiliary::page_size,
                    0,
                    auxiliary::vdso,
                    0xabcd,
                    0,
                    0,
                    auxiliary::random,
                    1};
    remember_start(1, reinterpret_cast<char**>(stack));
    CHECK_STREQ(environment_value("NAME"), "a=b");
    CHECK_STREQ(environment_value("NAME_LONG"), "1");
    CHECK_STREQ(environment_value("EMPTY"), "");
    CHECK(environment_value("ODD") == nullptr);
    CHECK(environment_value("NAM") == nullptr);
    CHECK(environment_value("") == nullptr);
    CHECK_EQ(auxiliary_value(auxiliary::user), 1001u);
    CHECK_EQ(auxiliary_value(auxiliary::vdso), 0xabcdu);
    CHECK_EQ(auxiliary_value(auxiliary::secure, 9), 9u);
    CHECK(start_random_bytes() == nullptr); // behind the vector's end
    CHECK_GE(page_bytes(), 4096u);          // not told, so found out
}

} // namespace
} // namespace oxbow
