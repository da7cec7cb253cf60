// A loop over threads alone, for tests.
#include "thread_loop.h"

#include "../syscall/abi_epoll.h"
#include "../syscall/abi_file.h"
#include "../syscall/time.h"
#include "hook.h"

namespace oxbow::test {

namespace {

[[nodiscard]] ThreadLoop& of(Loop& loop) noexcept {
    return *static_cast<ThreadLoop*>(loop.engine_state());
}

void submit_to_threads(Loop& loop, Completion& completion) noexcept {
    ThreadLoop& self = of(loop);
    completion.state = State::worker;
    const i32 result = self.with_waits && WaitThread::takes(completion.kind)
                           ? self.waits.submit(completion)
                           : self.pool.submit(completion);
    if (result != 0) {
        loop.finish(completion, result);
    }
}

i32 wait_for_threads(Loop& loop, u64 deadline_ns) noexcept {
    const u64 now = now_ns();
    const u64 limit = deadline_ns < now + patience_ns ? deadline_ns : now + patience_ns;
    const abi::Timespec timeout = timespec_of(limit > now ? limit - now : 0);
    abi::PollFd polled = {loop.wake_fd(), abi::poll_event::in, 0};
    const i32 result = kernel::ppoll(&polled, 1, &timeout);
    CHECK(result >= 0 || result == -Errno::eintr);
    CHECK(result != 0 || deadline_ns <= limit); // nothing came in all that time
    if (result > 0) {
        u64 wakes = 0;
        CHECK_OK(kernel::read(loop.wake_fd(), &wakes, sizeof(wakes)));
    }
    return 0;
}

constexpr Engine engine = {
    .name = "threads",
    .submit = submit_to_threads,
    .wait = wait_for_threads,
    .cancel = [](Loop&, Completion&, Completion*) noexcept { return -Errno::ealready; },
    .resume = [](Loop&, Completion&) noexcept {},
    .close_fd = [](Loop&, Completion&) noexcept {},
    .open_pool = [](Loop&, BufferPool&) noexcept { return -Errno::eopnotsupp; },
    .close_pool = [](Loop&, BufferPool&) noexcept {},
    .detach = [](Loop&) noexcept {},
};

Action note_end(Loop& loop, Completion&, Result result, void* user) noexcept {
    Job& job = *static_cast<Job*>(user);
    CHECK_EQ(job.ended, 0u);
    job.result = result;
    job.ended = ++of(loop).ended;
    return Action::disarm;
}

} // namespace

ThreadLoop::ThreadLoop(u32 workers_max, bool has_waits) noexcept : with_waits(has_waits) {
    CHECK_OK(loop.prepare({.fds_max = 1024, .workers_max = 0}));
    loop.attach(engine, this);
    CHECK_OK(pool.open(loop, workers_max));
    if (has_waits) {
        CHECK_OK(waits.open(loop));
    }
}

ThreadLoop::~ThreadLoop() {
    pool.close();
    waits.close();
    loop.close();
}

void ThreadLoop::submit(Job& job, const Operation& operation) noexcept {
    loop.submit(job.completion, operation, note_end, &job);
}

void ThreadLoop::drop(Job& job) noexcept {
    loop.finish(job.completion, -Errno::ecanceled);
}

void ThreadLoop::run_to_end(const Job& job) noexcept {
    while (job.ended == 0) {
        CHECK_OK(loop.run(Run::once));
    }
}

void ThreadLoop::run_to_end() noexcept {
    CHECK_OK(loop.run());
    CHECK_EQ(loop.in_flight(), 0u);
}

bool ThreadLoop::ends_within_ms(const Job& job, u32 duration_ms) noexcept {
    const u64 end = now_ns() + duration_ms * ns_per_ms;
    while (job.ended == 0 && now_ns() < end) {
        CHECK_OK(loop.run_for(ns_per_ms));
    }
    return job.ended != 0;
}

namespace {

/// The words behind the name of a thread, which stands in brackets and may hold anything:
/// proc_pid_stat(5).
class Stat {
  public:
    explicit Stat(const char* path) noexcept {
        const HookPause pause;
        const i32 fd = kernel::openat(abi::at_fdcwd, path, abi::open_flag::cloexec, 0);
        if (fd < 0) {
            return;
        }
        bytes_ = CHECK_OK(kernel::read(fd, text_, sizeof(text_) - 1));
        CHECK_OK(kernel::close(fd));
        text_[bytes_] = '\0';
    }
    /// The first, the state, is number 1. nullptr: there is no such file.
    [[nodiscard]] const char* word(u32 number) const noexcept {
        if (bytes_ == 0) {
            return nullptr;
        }
        long at = bytes_;
        while (at > 0 && text_[at - 1] != ')') {
            --at;
        }
        for (; number != 0; ++at) {
            CHECK_LT(at, bytes_);
            number -= text_[at] == ' ' ? 1 : 0;
        }
        return text_ + at;
    }

  private:
    char text_[1024];
    long bytes_ = 0;
};

} // namespace

u32 thread_count() noexcept {
    if (has_sanitizer) {
        return 0;
    }
    const Stat stat("/proc/self/stat");
    const char* at = stat.word(18);
    u32 count = 0;
    for (; at != nullptr && *at >= '0' && *at <= '9'; ++at) {
        count = count * 10 + static_cast<u32>(*at - '0');
    }
    return count;
}

char thread_state(i32 tid) noexcept {
    Message path;
    path.add("/proc/self/task/").add_decimal(static_cast<u32>(tid)).add("/stat");
    const Stat stat(path.text());
    const char* const state = stat.word(1);
    return state != nullptr ? *state : '\0';
}

Pages::Pages(usize bytes) noexcept : bytes_(bytes) {
    const long mapped = kernel::mmap(nullptr, bytes, abi::protection::read | abi::protection::write,
                                     abi::map::private_ | abi::map::anonymous, -1, 0);
    CHECK(!is_error(mapped));
    base_ = reinterpret_cast<u8*>(mapped);
}

void Pages::unmap() noexcept {
    if (base_ != nullptr) {
        CHECK_OK(kernel::munmap(base_, bytes_));
        base_ = nullptr;
    }
}

} // namespace oxbow::test
