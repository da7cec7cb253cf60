// The hook behind OXBOW_TEST_HOOK: counters, faults, handlers, then the kernel.
#include "hook.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_socket.h"
#include "../syscall/atomic.h"

namespace oxbow::test {

namespace {

constexpr u32 faults_max = 64;
constexpr u32 handlers_max = 8;
constexpr u32 pauses_max = 16;
constexpr long counted_numbers = 512; // every number of the five machines but arm's private ones

struct ActiveFault {
    Fault fault;
    u32 seen; ///< calls of this number since the injection
    u32 hits;
};

struct ActiveHandler {
    Handler handler;
    void* context;
};

constinit ActiveFault faults[faults_max] = {};
constinit u32 fault_count = 0;
constinit u32 hit_count = 0;
constinit ActiveHandler handlers[handlers_max] = {};
constinit u32 handler_count = 0;
constinit u32 counters[counted_numbers] = {};
constinit u32 counter_of_all = 0;
constinit i32 paused_threads[pauses_max] = {};
constinit u32 pauses = 0;

u32 add_one(u32* word) noexcept {
    return __atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
}

[[noreturn, gnu::cold]] void misuse(const char* message) noexcept {
    usize length = 0;
    while (message[length] != '\0') {
        ++length;
    }
    (void)arch::raw(number::write, 2L, word_of(message), word_of(length));
    (void)arch::raw(number::exit_group, 99L);
    __builtin_trap();
}

[[nodiscard]] long ask_kernel(long number, const long* words) noexcept {
    return arch::raw(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

[[nodiscard]] i32 this_thread() noexcept {
    return static_cast<i32>(arch::raw(number::gettid));
}

[[nodiscard]] bool is_paused() noexcept {
    if (load_acquire(&pauses) == 0) {
        return false;
    }
    const i32 self = this_thread();
    for (i32& thread : paused_threads) {
        if (load_relaxed(&thread) == self) {
            return true;
        }
    }
    return false;
}

// ---- Faults -----------------------------------------------------------------------------------

/// Which argument of a call says how much, or -1.
[[nodiscard]] int count_argument(long number) noexcept {
    switch (number) {
    case number::read:
    case number::write:
    case number::pread64:
    case number::pwrite64:
    case number::sendto:
    case number::recvfrom:
        return 2;
    case number::io_uring_enter:
    case number::getrandom:
        return 1;
    case number::sendfile:
    case number::tee:
        return number == number::sendfile ? 3 : 2;
    case number::copy_file_range:
    case number::splice:
        return 4;
    default:
        return -1;
    }
}

[[nodiscard]] bool has_vector(long number) noexcept {
    return number == number::readv || number == number::writev || number == number::preadv ||
           number == number::pwritev || number == number::preadv2 || number == number::pwritev2;
}

[[nodiscard]] bool has_message(long number) noexcept {
    return number == number::sendmsg || number == number::recvmsg;
}

/// The first pieces of a vector that hold at most `limit` bytes: one piece is enough for a test.
[[nodiscard]] abi::IoVec shortened(const abi::IoVec& piece, u64 limit) noexcept {
    const usize bytes_max = limit < piece.bytes ? static_cast<usize>(limit) : piece.bytes;
    return {piece.base, bytes_max};
}

struct CallFrame {
    long number;
    long words[6];
    int count;
    abi::IoVec piece;          ///< stands in for a longer vector
    abi::MessageHeader header; ///< stands in for the caller's
    abi::MessageHeader* caller_header;
};

void shorten_call_frame(CallFrame& call, u64 limit) noexcept {
    const int at = count_argument(call.number);
    if (at >= 0) {
        const usize wanted = static_cast<usize>(call.words[at]);
        // io_uring_enter counts in 32 bits, and so do the others where `long` has 32.
        call.words[at] = static_cast<long>(limit < wanted ? static_cast<usize>(limit) : wanted);
    } else if (has_vector(call.number) && call.words[2] > 0) {
        call.piece = shortened(*reinterpret_cast<const abi::IoVec*>(call.words[1]), limit);
        call.words[1] = word_of(&call.piece);
        call.words[2] = 1;
    } else if (has_message(call.number)) {
        call.caller_header = reinterpret_cast<abi::MessageHeader*>(call.words[1]);
        call.header = *call.caller_header;
        if (call.header.vector_count > 0) {
            call.piece = shortened(call.header.vectors[0], limit);
            call.header.vectors = &call.piece;
            call.header.vector_count = 1;
        }
        call.words[1] = word_of(&call.header);
    }
}

/// recvmsg writes lengths and flags into the header: hand them to the caller's.
void return_header(const CallFrame& call) noexcept {
    if (call.caller_header != nullptr && call.number == number::recvmsg) {
        abi::MessageHeader result = call.header;
        result.vectors = call.caller_header->vectors;
        result.vector_count = call.caller_header->vector_count;
        *call.caller_header = result;
    }
}

/// a % b without the division that some 32-bit machines keep in libgcc.
[[nodiscard]] u32 remainder_of(u32 a, u32 b) noexcept {
    u64 step = u64{b} << 31;
    for (; step >= b; step >>= 1) {
        if (a >= step) {
            a -= static_cast<u32>(step);
        }
    }
    return a;
}

/// The draw depends on which call it is and on nothing else, so threads cannot change it.
[[nodiscard]] bool drawn(const Fault& fault, u32 seen) noexcept {
    if (fault.chance >= 1000) {
        return true;
    }
    u64 z = fault.seed + seen * u64{0x9e3779b97f4a7c15u};
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (((z >> 32) * 1000) >> 32) < fault.chance;
}

[[nodiscard]] bool hits(ActiveFault& active) noexcept {
    const Fault& fault = active.fault;
    const u32 seen = add_one(&active.seen);
    if (seen < fault.nth || !drawn(fault, seen) ||
        (fault.every > 1 && remainder_of(seen - fault.nth, fault.every) != 0)) {
        return false;
    }
    return fault.times == always || add_one(&active.hits) <= fault.times;
}

/// Whether a fault answers this call; a shortening one changes it instead.
[[nodiscard]] bool answered_by_fault(CallFrame& call, long* result) noexcept {
    const u32 count = load_acquire(&fault_count);
    for (u32 i = 0; i < count; ++i) {
        ActiveFault& active = faults[i];
        if (active.fault.number != call.number || !hits(active)) {
            continue;
        }
        add_one(&hit_count);
        if (active.fault.kind == Fault::shorten) {
            shorten_call_frame(call, active.fault.limit);
            return false;
        }
        const i32 value = active.fault.kind == Fault::interrupt ? static_cast<i32>(Errno::eintr)
                                                                : active.fault.errno_value;
        *result = value < 0 ? value : -value;
        return true;
    }
    return false;
}

[[nodiscard]] long answer(const CallFrame& call) noexcept {
    for (u32 i = load_acquire(&handler_count); i > 0; --i) {
        const ActiveHandler& active = handlers[i - 1];
        long result = 0;
        if (active.handler(active.context, call.number, call.words, call.count, &result)) {
            return result;
        }
    }
    return ask_kernel(call.number, call.words);
}

} // namespace

// ---- What tests use ---------------------------------------------------------------------------

void inject(const Fault& fault) noexcept {
    const u32 count = load_acquire(&fault_count);
    if (count == faults_max) {
        misuse("inject: too many faults\n");
    }
    if (fault.kind == Fault::shorten && count_argument(fault.number) < 0 &&
        !has_vector(fault.number) && !has_message(fault.number)) {
        misuse("inject: this system call has no count to shorten\n");
    }
    if (fault.kind == Fault::fail && fault.errno_value == 0) {
        misuse("inject: a failing call needs errno_value\n");
    }
    faults[count] = {fault, 0, 0};
    if (fault.nth == 0) {
        faults[count].fault.nth = 1;
    }
    if (fault.every == 0) {
        faults[count].fault.every = 1;
    }
    store_release(&fault_count, count + 1);
}

void clear_faults() noexcept {
    store_release(&fault_count, u32{0});
    store_release(&hit_count, u32{0});
}

u32 faults_hit() noexcept {
    return load_acquire(&hit_count);
}

u32 calls_made(long number) noexcept {
    return number >= 0 && number < counted_numbers ? load_acquire(&counters[number]) : 0;
}

u32 calls_made_in_all() noexcept {
    return load_acquire(&counter_of_all);
}

void reset_calls() noexcept {
    for (u32& counter : counters) {
        store_release(&counter, u32{0});
    }
    store_release(&counter_of_all, u32{0});
}

void set_handler(Handler handler, void* context) noexcept {
    const u32 count = load_acquire(&handler_count);
    if (count == handlers_max) {
        misuse("set_handler: too many handlers\n");
    }
    handlers[count] = {handler, context};
    store_release(&handler_count, count + 1);
}

void remove_handler(Handler handler, void* context) noexcept {
    const u32 count = load_acquire(&handler_count);
    u32 kept = 0;
    for (u32 i = 0; i < count; ++i) {
        if (handlers[i].handler != handler || handlers[i].context != context) {
            handlers[kept++] = handlers[i];
        }
    }
    store_release(&handler_count, kept);
}

HookPause::HookPause() noexcept : slot_(pauses_max) {
    const i32 self = this_thread();
    for (u32 i = 0; i < pauses_max; ++i) {
        i32 free_slot = 0;
        if (__atomic_compare_exchange_n(&paused_threads[i], &free_slot, self, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            slot_ = i;
            add_one(&pauses);
            return;
        }
    }
    misuse("HookPause: too many at a time\n");
}

HookPause::~HookPause() {
    i32 self = this_thread();
    // After a fork inside the pause the slot is free already, or another thread's.
    if (slot_ < pauses_max && __atomic_compare_exchange_n(&paused_threads[slot_], &self, 0, false,
                                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        (void)__atomic_sub_fetch(&pauses, 1, __ATOMIC_ACQ_REL);
    }
}

void forget_pauses() noexcept {
    for (i32& thread : paused_threads) {
        store_release(&thread, i32{0});
    }
    store_release(&pauses, u32{0});
}

} // namespace oxbow::test

extern "C" long oxbow_test_hook(long number, const long* arguments, int count) noexcept {
    using namespace oxbow;
    using namespace oxbow::test;
    CallFrame call = {number, {}, count, {}, {}, nullptr};
    for (int i = 0; i < count; ++i) {
        call.words[i] = arguments[i];
    }
    if (is_paused()) {
        return ask_kernel(number, call.words);
    }
    add_one(&counter_of_all);
    if (number >= 0 && number < counted_numbers) {
        add_one(&counters[number]);
    }
    long result = 0;
    if (answered_by_fault(call, &result)) {
        return result;
    }
    result = answer(call);
    return_header(call);
    return result;
}
