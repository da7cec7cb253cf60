// The contract's twelfth line: programmer errors trap in debug builds and cost nothing in release
// builds; limits are stated, and what is beyond them is an error. The hosted test program is a
// debug build, and the one without libc a release build.
#include "hook.h"
#include "loop_scene.h"

namespace oxbow::test {
namespace {

[[maybe_unused]] constexpr u64 never_ns = 1'000'000 * ms;

#if defined(OXBOW_DEBUG)

/// Runs `misuse(loop)` in a child, with a loop of its own. It must die of its trap and say why, in
/// words that begin with `message`.
template <class Misuse>
void check_traps(const LoopConfiguration& row, const char* message, Misuse misuse) noexcept {
    i32 pipe[2];
    CHECK_OK(kernel::pipe2(pipe, 0));
    const i32 status = in_child([&]() noexcept {
        ConfiguredLoop loop(row);
        CHECK_OK(kernel::dup3(pipe[1], 2, 0));
        misuse(*loop);
        // Nobody has noticed. Not by way of the loop's own checks, which might be misled by now.
        leave_child(77);
    });
    CHECK_OK(kernel::close(pipe[1]));
    char text[300] = {};
    CHECK_OK(kernel::read(pipe[0], text, sizeof(text) - 1));
    CHECK_OK(kernel::close(pipe[0]));
    note(text);
    CHECK(status == -abi::signal::ill || status == -abi::signal::trap); // by machine
    CHECK(contains(text, "oxbow: misuse: "));
    CHECK(contains(text, message));
    CHECK(contains(text, "loop/")); // and where
}

#define MISUSE_TEST(id, message)                                                                   \
    static void id##_misuse(Loop& loop, const LoopConfiguration& row) noexcept;                    \
    VARIANT_TEST(id, loop_configurations) {                                                        \
        check_traps(row, message, [&](Loop& loop) noexcept { id##_misuse(loop, row); });           \
    }                                                                                              \
    static void id##_misuse([[maybe_unused]] Loop& loop,                                           \
                            [[maybe_unused]] const LoopConfiguration& row) noexcept

using Call = void (*)(Loop& loop);

/// Runs `call` inside a callback.
void in_a_callback(Loop& loop, Call call) noexcept {
    Completion completion;
    loop.submit(
        completion, op::nop(),
        [](Loop& its, Completion&, Result, void* user) {
            (*static_cast<Call*>(user))(its);
            return Action::disarm;
        },
        &call);
    (void)loop.run();
}

// ---- Completions that are in use
// ------------------------------------------------------------------

MISUSE_TEST(loop_misuse_submit_twice, "a completion was submitted that is still in use") {
    Completion completion;
    loop.submit(completion, op::timer(never_ns), nullptr);
    loop.submit(completion, op::timer(never_ns), nullptr);
}

MISUSE_TEST(loop_misuse_submit_while_the_kernel_has_it,
            "a completion was submitted that is still in use") {
    const Pipe pipe = make_pipe();
    u8 data[8];
    Completion completion;
    loop.submit(completion, op::read(pipe.reader, data, sizeof(data)), nullptr);
    (void)loop.run(Run::no_wait);
    loop.submit(completion, op::nop(), nullptr);
}

MISUSE_TEST(loop_misuse_submit_while_ready, "a completion was submitted that is still in use") {
    Completion completion;
    loop.submit(completion, op::nop(), nullptr);
    loop.submit(completion, op::nop(), nullptr);
}

/// After a result with more() the operation goes on.
MISUSE_TEST(loop_misuse_submit_of_a_multishot, "a completion was submitted that is still in use") {
    Completion completion;
    loop.submit(completion, op::timer_every(1), [](Loop& its, Completion& self, Result, void*) {
        its.submit(self, op::nop(), nullptr);
        return Action::disarm;
    });
    (void)loop.run();
}

MISUSE_TEST(loop_misuse_submit_by_post, "a completion was posted that is still in use") {
    Completion completion;
    loop.submit(completion, op::timer(never_ns), nullptr);
    loop.post(completion, {});
}

MISUSE_TEST(loop_misuse_chain_of_one_in_use, "a completion was submitted that is still in use") {
    Completion first;
    Completion second;
    loop.submit(first, op::timer(never_ns), nullptr);
    loop.then(first, second, op::nop(), {});
    loop.then(first, second, op::nop(), {});
}

MISUSE_TEST(loop_misuse_rearm_of_one_that_was_submitted,
            "a callback rearmed a completion that it had submitted again") {
    Completion completion;
    loop.submit(completion, op::nop(), [](Loop& its, Completion& self, Result, void*) {
        its.submit(self, op::timer(never_ns), nullptr);
        return Action::rearm;
    });
    (void)loop.run();
}

MISUSE_TEST(loop_misuse_chain_behind_nothing,
            "Loop::then behind a completion that is not in flight") {
    Completion first;
    Completion second;
    loop.then(first, second, op::nop(), {});
}

MISUSE_TEST(loop_misuse_two_waits_for_one_async, "two operations wait for one Async") {
    Async async(loop);
    Completion first;
    Completion second;
    loop.submit(first, op::notification(async), nullptr);
    loop.submit(second, op::notification(async), nullptr);
}

MISUSE_TEST(loop_misuse_reset_of_no_timer, "Loop::reset_timer of something else") {
    Completion completion;
    loop.submit(completion, op::nop(), nullptr);
    loop.reset_timer(completion, 1);
}

// ---- Runs inside runs
// -----------------------------------------------------------------------------

MISUSE_TEST(loop_misuse_nested_run, "run inside a callback") {
    in_a_callback(loop, [](Loop& its) { (void)its.run(Run::no_wait); });
}

MISUSE_TEST(loop_misuse_nested_run_for, "run inside a callback") {
    in_a_callback(loop, [](Loop& its) { (void)its.run_for(0); });
}

MISUSE_TEST(loop_misuse_nested_drain, "drain inside a callback") {
    in_a_callback(loop, [](Loop& its) { (void)its.drain(); });
}

MISUSE_TEST(loop_misuse_close_in_a_callback, "Loop::close inside run") {
    in_a_callback(loop, [](Loop& its) { its.close(); });
}

MISUSE_TEST(loop_misuse_run_inside_a_drain, "run inside a callback") {
    Completion completion;
    loop.submit(completion, op::timer(never_ns), [](Loop& its, Completion&, Result, void*) {
        (void)its.run(Run::no_wait);
        return Action::disarm;
    });
    (void)loop.drain();
}

// ---- Loops that are not open, or still in use
// -------------------------------------------------------

MISUSE_TEST(loop_misuse_close_with_operations_in_flight,
            "Loop::close with operations in flight: drain first") {
    Completion completion;
    loop.submit(completion, op::timer(never_ns), nullptr);
    loop.close();
}

MISUSE_TEST(loop_misuse_close_before_the_pool, "Loop::close before BufferPool::close") {
    BufferPool pool;
    CHECK_OK(pool.open(loop, {.count = 2, .buffer_bytes = 64}));
    loop.close();
}

MISUSE_TEST(loop_misuse_submit_to_a_closed_loop, "submit to a loop that is not open") {
    Loop closed;
    Completion completion;
    closed.submit(completion, op::nop(), nullptr);
}

MISUSE_TEST(loop_misuse_run_of_a_closed_loop, "of a loop that is not open") {
    Loop closed;
    (void)closed.run();
}

MISUSE_TEST(loop_misuse_set_wait_batch_of_a_closed_loop,
            "set_wait_batch of a loop that is not open") {
    Loop closed;
    (void)closed.set_wait_batch(2, ms);
}

MISUSE_TEST(loop_misuse_open_twice, "Loop::prepare of a loop that is open") {
    (void)open_as(loop, row);
}

// ---- Buffers
// --------------------------------------------------------------------------------------

MISUSE_TEST(loop_misuse_buffer_given_back_twice, "a buffer was given back twice") {
    OpenPool pool(loop, {.count = 2, .buffer_bytes = 64});
    const SocketPair pair = make_socket_pair();
    write_text(pair.far, "x");
    const Result result = perform_on(loop, op::recv(pair.near, *pool));
    pool->give_back(result);
    pool->give_back(result);
}

MISUSE_TEST(loop_misuse_buffer_of_nobody, "a buffer was given back") {
    OpenPool pool(loop, {.count = 2, .buffer_bytes = 64});
    pool->give_back(2);
}

// ---- Threads
// --------------------------------------------------------------------------------------

/// Runs `call` in another thread, once this one has made the loop its own.
void in_another_thread(Loop& loop, Call call) noexcept {
    struct With {
        Loop& loop;
        Call call;
    } with = {loop, call};
    (void)loop.run(Run::no_wait);
    const Team team(
        1,
        [](void* context, u32) noexcept {
            const With& its = *static_cast<With*>(context);
            its.call(its.loop);
        },
        &with);
}

constexpr const char* foreign = "a loop was used by a thread that does not run it";
constinit Completion a_completion;

MISUSE_TEST(loop_misuse_foreign_submit, foreign) {
    in_another_thread(loop, [](Loop& its) { its.submit(a_completion, op::nop(), nullptr); });
}

MISUSE_TEST(loop_misuse_foreign_run, foreign) {
    in_another_thread(loop, [](Loop& its) { (void)its.run(Run::no_wait); });
}

MISUSE_TEST(loop_misuse_foreign_cancel, foreign) {
    loop.submit(a_completion, op::timer(never_ns), nullptr);
    in_another_thread(loop, [](Loop& its) { its.cancel(a_completion); });
}

MISUSE_TEST(loop_misuse_foreign_drain, foreign) {
    in_another_thread(loop, [](Loop& its) { (void)its.drain(); });
}

MISUSE_TEST(loop_misuse_foreign_reset_timer, foreign) {
    loop.submit(a_completion, op::timer(never_ns), nullptr);
    in_another_thread(loop, [](Loop& its) { its.reset_timer(a_completion, 1); });
}

#endif

// ---- What is no misuse
// ------------------------------------------------------------------------------

/// All of this is allowed, in debug builds too.
LOOP_TEST(loop_misuse_of_none_of_these) {
    Completion idle;
    loop.cancel(idle); // of one that is not in use
    loop.cancel(idle);
    CHECK_EQ(perform_on(loop, op::cancel(idle)).value, -Errno::enoent);
    // In its callback a completion is the caller's: submitted again, and its memory used anew.
    struct Reuse {
        u32 calls = 0;
        static Action again(Loop& its, Completion& self, Result, void* user) noexcept {
            if (++static_cast<Reuse*>(user)->calls == 1) {
                self = Completion{};
                its.submit(self, op::timer(1), again, user);
            }
            return Action::disarm;
        }
    } reuse;
    Completion completion;
    loop.submit(completion, op::nop(), Reuse::again, &reuse);
    CHECK_EQ(loop.run(), 2);
    CHECK_EQ(reuse.calls, 2u);
}

/// Checks cost nothing in a release build: there a submit that needs no kernel makes no call.
LOOP_TEST(loop_misuse_checks_are_free_in_release) {
    Logged nops[50];
    CHECK_EQ(loop.run(Run::no_wait), 0);
    reset_calls();
    for (Logged& nop : nops) {
        submit(loop, nop, op::nop());
    }
#if defined(OXBOW_DEBUG)
    CHECK_EQ(calls_made_in_all(), calls_made(number::gettid)); // whose thread it is
    CHECK_GE(calls_made(number::gettid), 50u);
#else
    CHECK_EQ(calls_made_in_all(), 0u);
#endif
    CHECK_EQ(loop.run(), 50);
}

// ---- Limits
// -----------------------------------------------------------------------------------------

VARIANT_TEST(loop_misuse_fds_have_a_limit, loop_configurations) {
    ConfiguredLoop loop(row, {.fds_max = 64});
    const Pipe pipe = make_pipe();
    constexpr i32 high = 100;
    CHECK_OK(kernel::dup3(pipe.reader, high, abi::open_flag::cloexec));
    char byte = 0;
    write_text(pipe.writer, "xy");
    CHECK_ERRNO(perform_on(*loop, op::read(high, &byte, 1)).value, Errno::emfile);
    CHECK_ERRNO(perform_on(*loop, op::poll(high, 1)).value, Errno::emfile);
    CHECK_ERRNO(perform_on(*loop, op::close(high)).value, Errno::emfile);
    CHECK(is_open(high)); // an operation that ended with an error has done nothing
    CHECK_EQ(perform_on(*loop, op::read(pipe.reader, &byte, 1)).value, 1);
    CHECK_OK(kernel::close(high));
    CHECK_ERRNO(perform_on(*loop, op::read(-1, &byte, 1)).value, Errno::ebadf);
    CHECK_ERRNO(perform_on(*loop, op::read(-7, &byte, 1)).value, Errno::ebadf);
    CHECK_ERRNO(perform_on(*loop, op::close(-1)).value, Errno::ebadf);
    CHECK_ERRNO(perform_on(*loop, op::close(60)).value, Errno::ebadf);
}

VARIANT_TEST(loop_misuse_workers_have_a_limit, loop_configurations) {
    const ConfiguredLoop configured(row); // sets the kernel up
    const Resources before = resources();
    Loop loop;
    CHECK_ERRNO(open_as(loop, row, {.workers_max = WorkerPool::workers_limit + 1}), Errno::einval);
    CHECK(!loop.is_open());
    CHECK_SAME_RESOURCES(before);
    CHECK_OK(open_as(loop, row, {.workers_max = WorkerPool::workers_limit}));
    CHECK_EQ(perform_on(loop, op::nop()).value, 0);
    loop.close();
    CHECK_SAME_RESOURCES(before);
}

/// Without workers, what only they can do is refused, and all else works.
VARIANT_TEST(loop_misuse_no_workers, loop_configurations) {
    ConfiguredLoop loop(row, {.workers_max = 0});
    char path[256];
    temp_path(path);
    const i32 made = perform_on(*loop, op::mkdirat(abi::at_fdcwd, path, 0700)).value;
    CHECK(made == 0 || made == -Errno::eopnotsupp);
    CHECK_EQ(path_exists(path), made == 0);
    if (row.is_epoll()) {
        CHECK_ERRNO(made, Errno::eopnotsupp);
    } else if (row.kernel == nullptr && kernel_at_least(5, 15)) {
        CHECK_EQ(made, 0);
    }
    const SocketPair pair = make_socket_pair();
    char byte = 0;
    write_text(pair.far, "x");
    CHECK_EQ(perform_on(*loop, op::recv(pair.near, &byte, 1)).value, 1);
}

LOOP_TEST(loop_misuse_pools_have_limits) {
    BufferPool pool;
    CHECK_ERRNO(pool.open(loop, {.count = 0, .buffer_bytes = 64}), Errno::einval);
    CHECK_ERRNO(pool.open(loop, {.count = 4, .buffer_bytes = 0}), Errno::einval);
    CHECK_ERRNO(pool.open(loop, {.count = 32769, .buffer_bytes = 16}), Errno::einval);
    CHECK(!pool.is_open());
    CHECK_OK(pool.open(loop, {.count = 32768, .buffer_bytes = 16}));
    pool.close();
}

} // namespace
} // namespace oxbow::test
