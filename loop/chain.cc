// Chains: what starts when something else has succeeded.
//
// A completion has no room for a pointer to its successors; but a successor has, as long as it has
// not started. So those that wait stand in a few lists by the address of what they wait for, which
// costs a search among those of one bucket, and nothing where nobody uses chains.
#include "../syscall/time.h"
#include "loop.h"
#include "needs.h"

namespace oxbow {

namespace {

/// What a chained completion waits for. It stands in a link of a deadline that is not armed yet.
[[nodiscard]] const Completion* predecessor_of(const Completion& completion) noexcept {
    return reinterpret_cast<const Completion*>(completion.deadline.link.prev);
}

void set_predecessor(Completion& completion, const Completion* first) noexcept {
    completion.deadline.link.next = nullptr;
    completion.deadline.link.prev = reinterpret_cast<DeadlineLink*>(const_cast<Completion*>(first));
}

} // namespace

/// Lets the table name what is the loop's own.
struct detail::Chains {
    static void unchain(Loop& loop, Completion& completion) noexcept { loop.unchain(completion); }
    static void start_successors(Loop& loop, const Completion& first, bool succeeded) noexcept {
        loop.start_successors(first, succeeded);
    }
    static u32 cancel(Loop& loop, i32 fd) noexcept { return loop.cancel_chained(fd); }
};
constinit const detail::ChainCalls detail::chain_calls = {Chains::unchain, Chains::start_successors,
                                                          Chains::cancel};

u32 Loop::bucket_of(const Completion& first) noexcept {
    const uptr address = reinterpret_cast<uptr>(&first);
    return static_cast<u32>(address >> 5 ^ address >> 11) & (chain_buckets - 1);
}

void Loop::then(Completion& first, Completion& second, const Operation& operation,
                Handler handler) noexcept {
    OXBOW_CHECK(is_open(), "Loop::then of a loop that is not open");
    OXBOW_CHECK(!first.idle(), "Loop::then behind a completion that is not in flight");
    check_owner();
    fill(second, operation, handler);
    ++active_;
    ++statistics_.submitted;
    second.bits = operation.deadline_is_relative ? relative_deadline : u8{0};
    second.state = State::chained;
    second.deadline.deadline_ns = operation.deadline_ns;
    set_predecessor(second, &first);
    first.set(Completion::has_successors);
    chained_[bucket_of(first)].push(second);
    ++dependents_;
}

void Loop::unchain(Completion& completion) noexcept {
    chained_[bucket_of(*predecessor_of(completion))].remove(completion);
    set_predecessor(completion, nullptr);
    --dependents_;
}

void Loop::start_successors(const Completion& first, bool succeeded) noexcept {
    CompletionList& bucket = chained_[bucket_of(first)];
    Completion* next = nullptr;
    for (Completion* at = bucket.first(); at != nullptr; at = next) {
        next = at->next;
        if (predecessor_of(*at) != &first) {
            continue;
        }
        unchain(*at);
        if (!succeeded) {
            finish(*at, -Errno::ecanceled);
            continue;
        }
        const bool relative = at->has(relative_deadline);
        const bool chained = at->has(Completion::has_successors);
        --active_; // start() counts it again
        --statistics_.submitted;
        start(*at, at->deadline.deadline_ns, relative);
        if (chained) {
            at->set(Completion::has_successors);
        }
    }
}

u32 Loop::cancel_chained(i32 fd) noexcept {
    u32 found = 0;
    for (CompletionList& bucket : chained_) {
        if (!bucket.empty()) {
            found += cancel_list(bucket, fd);
        }
    }
    return found;
}

} // namespace oxbow
