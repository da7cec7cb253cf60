// Processes and futexes: one attempt at each of their operations. A program has this part only if
// it makes such operations (needs.h).
#include "../syscall/call_process.h"
#include "perform_step.h"

namespace oxbow {

constexpr char detail::processes_part = 0;

namespace {

i32 wait_for_child(const arguments::Wait& wait, Patience patience) noexcept {
    const bool asks_only = (wait.options & abi::wait_option::nohang) != 0;
    if (patience == Patience::blocks || asks_only) {
        return kernel::waitid(wait.which, wait.id, wait.info, wait.options);
    }
    // Only the info tells a child that has changed from none: the result is 0 for both.
    abi::SignalInfo local;
    abi::SignalInfo* const info = wait.info != nullptr ? wait.info : &local;
    info->child.pid = 0;
    const i32 result =
        kernel::waitid(wait.which, wait.id, info, wait.options | abi::wait_option::nohang);
    return result == 0 && info->child.pid == 0 ? -Errno::eagain : result;
}

} // namespace

i32 detail::step_on_process(const Completion& operation, Patience patience) noexcept {
    const arguments::Any& with = operation.arguments;
    switch (operation.kind) {
    case Kind::waitid:
        return wait_for_child(with.wait, patience);
    case Kind::futex_wake: {
        const auto wake =
            with.futex_wake.shared != 0 ? kernel::futex_wake_shared : kernel::futex_wake;
        return wake(with.futex_wake.word, with.futex_wake.count);
    }
    default: // waits for futexes, which only a loop can do
        return -Errno::einval;
    }
}

} // namespace oxbow
