// Starting and joining threads.
#include "thread.h"

#include "../syscall/atomic.h"
#include "../syscall/call_memory.h"
#include "../syscall/call_process.h"
#include "../syscall/check.h"
#include "../syscall/start.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OXBOW_THREADS_ARE_PTHREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define OXBOW_THREADS_ARE_PTHREADS 1
#endif
#endif

#if defined(OXBOW_THREADS_ARE_PTHREADS)
// pthread_t is a word wherever sanitizers are.
extern "C" int pthread_create(oxbow::uptr* thread, const void* attributes, void* (*entry)(void*),
                              void* argument);
extern "C" int pthread_join(oxbow::uptr thread, void** result);
#endif

namespace oxbow {

/// Stands at the top of its stack, so that a thread which never starts takes no memory.
struct alignas(64) Threads::Head {
    u32 tid; // the kernel zeroes it when the stack is no longer used
    Entry entry;
    void* argument;
    const char* name;
    uptr pthread;

    void run() const noexcept {
        (void)kernel::prctl(abi::prctl_option::set_name, name);
        entry(argument);
    }
};

i32 Threads::open(u32 count) noexcept {
    OXBOW_CHECK(mapping_ == nullptr, "threads are opened twice");
    const usize page = page_bytes();
    slot_bytes_ = page + ((stack_bytes + page - 1) & ~(page - 1));
    // All of it is a guard at first; start() opens the stack above the lowest page of a slot.
    const long mapped = kernel::mmap(
        nullptr, count * slot_bytes_, abi::protection::none,
        abi::map::private_ | abi::map::anonymous | abi::map::noreserve | abi::map::stack, -1, 0);
    if (is_error(mapped)) {
        return -Errno::enomem;
    }
    mapping_ = reinterpret_cast<u8*>(static_cast<uptr>(mapped));
    count_ = count;
    // A forked child has none of the threads; where the advice is not taken it copies their stacks.
    (void)kernel::madvise(mapping_, count * slot_bytes_, abi::madvice::dontfork);
    return 0;
}

i32 Threads::start(const char* name, Entry entry, void* argument) noexcept {
    OXBOW_CHECK(!is_full(), "more threads are started than were opened");
    const usize page = page_bytes();
    const i32 opened = kernel::mprotect(slot(started_) + page, slot_bytes_ - page,
                                        abi::protection::read | abi::protection::write);
    if (opened < 0) {
        return -Errno::enomem;
    }
    Head& head = this->head(started_);
    head = {0, entry, argument, name, 0};
    // The new thread inherits the mask, so it has not a single instruction with signals open.
    const abi::SignalSet all = abi::SignalSet::all();
    abi::SignalSet former = {};
    (void)kernel::rt_sigprocmask(abi::signal_mask::set, &all, &former);
    const i32 begun = begin(head);
    (void)kernel::rt_sigprocmask(abi::signal_mask::set, &former);
    if (begun >= 0) {
        ++started_;
    }
    return begun;
}

void Threads::join_and_close() noexcept {
    if (mapping_ == nullptr) {
        return;
    }
    for (u32 i = 0; i < started_; ++i) {
        join(head(i));
    }
    (void)kernel::munmap(mapping_, count_ * slot_bytes_);
    mapping_ = nullptr;
    count_ = 0;
    started_ = 0;
}

Threads::Head& Threads::head(u32 at) const noexcept {
    return *reinterpret_cast<Head*>(slot(at + 1) - sizeof(Head));
}

#if defined(OXBOW_THREADS_ARE_PTHREADS)

i32 Threads::begin(Head& head) noexcept {
    const auto entry = [](void* at) -> void* {
        static_cast<Head*>(at)->run();
        return nullptr;
    };
    return -pthread_create(&head.pthread, nullptr, entry, &head);
}

void Threads::join(Head& head) noexcept {
    (void)pthread_join(head.pthread, nullptr);
}

#else

i32 Threads::begin(Head& head) noexcept {
    constexpr u64 flags = abi::clone_flag::vm | abi::clone_flag::fs | abi::clone_flag::files |
                          abi::clone_flag::sighand | abi::clone_flag::thread |
                          abi::clone_flag::sysvsem | abi::clone_flag::parent_settid |
                          abi::clone_flag::child_cleartid;
    const auto entry = [](void* at) -> int {
        static_cast<Head*>(at)->run();
        return 0;
    };
    // The kernel writes the id before the thread runs, and zeroes it after: never the other way.
    i32* const tid = reinterpret_cast<i32*>(&head.tid);
    const i32 begun =
        kernel::clone_thread(static_cast<u32>(flags), &head, tid, tid, nullptr, entry, &head);
    return begun < 0 ? begun : 0;
}

void Threads::join(Head& head) noexcept {
    for (u32 tid = load_acquire(&head.tid); tid != 0; tid = load_acquire(&head.tid)) {
        // The kernel wakes it as a shared futex, though the memory is this process's own.
        (void)kernel::futex_wait_shared(&head.tid, tid);
    }
}

#endif

} // namespace oxbow
