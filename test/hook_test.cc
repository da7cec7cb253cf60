// Faults, counters and handlers between the typed calls and the kernel.
#include "hook.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_socket.h"
#include "../syscall/atomic.h"
#include "../syscall/call.h"
#include "harness.h"

namespace oxbow::test {
namespace {

struct Pipe {
    i32 fds[2] = {-1, -1};

    Pipe() noexcept { CHECK_OK(kernel::pipe2(fds, 0)); }
    ~Pipe() {
        (void)kernel::close(fds[0]);
        (void)kernel::close(fds[1]);
    }
};

} // namespace

TEST(hook_counts_calls) {
    reset_calls();
    CHECK_EQ(calls_made(number::getpid), 0);
    for (u32 i = 0; i < 5; ++i) {
        (void)kernel::getpid();
    }
    CHECK_EQ(calls_made(number::getpid), 5);
    CHECK_EQ(calls_made_in_all(), 5);
    CHECK_EQ(calls_made(-1), 0);
    CHECK_EQ(calls_made(100000), 0);
    (void)now_ns();
    note("the harness's own calls do not count");
    CHECK_EQ(calls_made_in_all(), 5);
}

TEST(hook_fails_the_nth_call) {
    fail_call(number::getpid, Errno::enomem, 3, 2);
    CHECK_OK(kernel::getpid());
    CHECK_OK(kernel::getpid());
    CHECK_ERRNO(kernel::getpid(), Errno::enomem);
    CHECK_ERRNO(kernel::getpid(), Errno::enomem);
    CHECK_OK(kernel::getpid());
    CHECK_EQ(faults_hit(), 2);
    CHECK_EQ(calls_made(number::getpid), 5);
}

TEST(hook_takes_either_sign) {
    inject({.number = number::getppid, .kind = Fault::fail, .errno_value = -Errno::eio});
    CHECK_ERRNO(kernel::getppid(), Errno::eio);
    CHECK_OK(kernel::getppid());
}

TEST(hook_interrupts_before_any_effect) {
    Pipe pipe;
    interrupt_call(number::write, 1, 3);
    for (u32 i = 0; i < 3; ++i) {
        CHECK_ERRNO(kernel::write(pipe.fds[1], "abc", 3), Errno::eintr);
    }
    CHECK_EQ(kernel::write(pipe.fds[1], "abc", 3), 3);
    char buffer[8];
    CHECK_EQ(kernel::read(pipe.fds[0], buffer, sizeof(buffer)), 3);
}

TEST(hook_shortens_for_real) {
    Pipe pipe;
    shorten_call(number::write, 2);
    CHECK_EQ(kernel::write(pipe.fds[1], "abcdef", 6), 2);
    CHECK_EQ(kernel::write(pipe.fds[1], "cdef", 4), 4);
    shorten_call(number::read, 1, 1, always);
    char text[7] = {};
    for (u32 i = 0; i < 6; ++i) {
        CHECK_EQ(kernel::read(pipe.fds[0], text + i, 6), 1);
    }
    CHECK_STREQ(text, "abcdef");
    clear_faults();
    CHECK_EQ(faults_hit(), 0);
}

TEST(hook_shortens_vectors_and_messages) {
    i32 fds[2];
    CHECK_OK(kernel::socketpair(abi::socket_family::local, abi::socket_type::stream, 0, fds));
    char one[] = "one";
    char two[] = "two";
    abi::IoVec pieces[2] = {{one, 3}, {two, 3}};
    shorten_call(number::writev, 2);
    CHECK_EQ(kernel::writev(fds[0], pieces, 2), 2);
    CHECK_EQ(kernel::writev(fds[0], pieces, 2), 6);
    abi::MessageHeader header = {};
    header.vectors = pieces;
    header.vector_count = 2;
    shorten_call(number::sendmsg, 1);
    CHECK_EQ(kernel::sendmsg(fds[0], &header, 0), 1);
    CHECK_EQ(header.vector_count, 2);
    CHECK_EQ(header.vectors, pieces);
    shorten_call(number::recvmsg, 1);
    header.flags = 0xffff;
    CHECK_EQ(kernel::recvmsg(fds[1], &header, 0), 1);
    CHECK_EQ(header.vector_count, 2);
    CHECK_EQ(header.vectors, pieces);
    CHECK_EQ(header.flags, 0);
    CHECK_EQ(kernel::recvmsg(fds[1], &header, 0), 6);
}

TEST(hook_hits_every_nth) {
    inject({.number = number::getpid,
            .nth = 2,
            .kind = Fault::interrupt,
            .times = always,
            .every = 3});
    for (u32 call = 1; call <= 20; ++call) {
        const bool hit = call >= 2 && (call == 2 || call == 5 || call == 8 || call == 11 ||
                                       call == 14 || call == 17 || call == 20);
        CHECK_EQ(kernel::getpid() == -Errno::eintr, hit);
    }
}

namespace {

[[nodiscard]] u32 pattern_of_hits(u64 seed) noexcept {
    clear_faults();
    inject({.number = number::getpid,
            .kind = Fault::interrupt,
            .times = always,
            .chance = 300,
            .seed = seed});
    u32 pattern = 0;
    for (u32 call = 0; call < 32; ++call) {
        pattern = (pattern << 1) | (kernel::getpid() < 0 ? 1u : 0u);
    }
    return pattern;
}

} // namespace

TEST(hook_draws_from_a_seed) {
    CHECK_EQ(pattern_of_hits(1), pattern_of_hits(1));
    CHECK_NE(pattern_of_hits(1), pattern_of_hits(2));
    clear_faults();
    inject({.number = number::getpid,
            .kind = Fault::interrupt,
            .times = always,
            .chance = 300,
            .seed = test_seed()});
    u32 hits = 0;
    for (u32 call = 0; call < 10000; ++call) {
        hits += kernel::getpid() < 0 ? 1 : 0;
    }
    CHECK_GT(hits, 2700);
    CHECK_LT(hits, 3300);
}

TEST(hook_first_fault_decides) {
    fail_call(number::getpid, Errno::eio);
    fail_call(number::getpid, Errno::enomem, 1, 2);
    CHECK_ERRNO(kernel::getpid(), Errno::eio);
    CHECK_ERRNO(kernel::getpid(), Errno::enomem);
}

// ---- Handlers ---------------------------------------------------------------------------------

namespace {

bool answer_seven(void* context, long number, const long*, int, long* result) noexcept {
    ++*static_cast<u32*>(context);
    if (number != number::getpid) {
        return false;
    }
    *result = 7;
    return true;
}

} // namespace

TEST(hook_asks_the_newest_handler_first) {
    u32 asked_first = 0;
    u32 asked_last = 0;
    set_handler(answer_seven, &asked_last);
    set_handler(answer_seven, &asked_first);
    CHECK_EQ(kernel::getpid(), 7);
    CHECK_EQ(asked_first, 1);
    CHECK_EQ(asked_last, 0);
    CHECK_NE(kernel::getppid(), 7);
    CHECK_EQ(asked_last, 1);
    fail_call(number::getpid, Errno::eio);
    CHECK_ERRNO(kernel::getpid(), Errno::eio);
    CHECK_EQ(asked_first, 2);
    remove_handler(answer_seven, &asked_first);
    CHECK_EQ(kernel::getpid(), 7);
    CHECK_EQ(asked_last, 2);
    remove_handler(answer_seven, &asked_last);
    CHECK_NE(kernel::getpid(), 7);
    CHECK_EQ(real_call(number::getpid), kernel::getpid());
}

TEST(hook_pause_calls_the_kernel_itself) {
    fail_call(number::getpid, Errno::eio, 1, always);
    {
        const HookPause pause;
        CHECK_OK(kernel::getpid());
        {
            const HookPause inner;
            CHECK_OK(kernel::getpid());
        }
        CHECK_OK(kernel::getpid());
    }
    CHECK_ERRNO(kernel::getpid(), Errno::eio);
}

// ---- Threads ----------------------------------------------------------------------------------

namespace {

constexpr u32 threads = 4;
constexpr u32 calls_per_thread = 5000;
constexpr usize stack_bytes = 64 * 1024;

struct Worker {
    i32 tid;
    u32 interrupted;
};

int call_many_times(void* argument) noexcept {
    Worker& worker = *static_cast<Worker*>(argument);
    for (u32 i = 0; i < calls_per_thread; ++i) {
        worker.interrupted += kernel::getpid() == -Errno::eintr ? 1 : 0;
    }
    return 0;
}

void start(Worker& worker) noexcept {
    const long stack =
        CHECK_OK(kernel::mmap(nullptr, stack_bytes, abi::protection::read | abi::protection::write,
                              abi::map::private_ | abi::map::anonymous, -1, 0));
    constexpr u64 flags = abi::clone_flag::vm | abi::clone_flag::fs | abi::clone_flag::files |
                          abi::clone_flag::sighand | abi::clone_flag::thread |
                          abi::clone_flag::sysvsem | abi::clone_flag::parent_settid |
                          abi::clone_flag::child_cleartid;
    CHECK_OK(kernel::clone_thread(static_cast<u32>(flags),
                                  reinterpret_cast<u8*>(stack) + stack_bytes, &worker.tid,
                                  &worker.tid, nullptr, call_many_times, &worker));
}

void join(Worker& worker) noexcept {
    for (i32 tid = load_acquire(&worker.tid); tid != 0; tid = load_acquire(&worker.tid)) {
        (void)kernel::futex_wait_shared(reinterpret_cast<const u32*>(&worker.tid),
                                        static_cast<u32>(tid));
    }
}

} // namespace

TEST(hook_threads_lose_no_call) {
    reset_calls();
    inject({.number = number::getpid, .kind = Fault::interrupt, .times = 1000, .every = 3});
    Worker workers[threads] = {};
    for (Worker& worker : workers) {
        start(worker);
    }
    u32 interrupted = 0;
    for (Worker& worker : workers) {
        join(worker);
        interrupted += worker.interrupted;
    }
    CHECK_EQ(calls_made(number::getpid), threads * calls_per_thread);
    CHECK_EQ(interrupted, 1000);
    CHECK_EQ(faults_hit(), 1000);
}

} // namespace oxbow::test
