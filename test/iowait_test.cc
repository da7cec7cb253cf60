// A loop that sleeps is idle, and must not look like one that waits for a disk: tools show iowait
// as load, and idle CPUs as busy.
#include "hook.h"
#include "loop_scene.h"
#include "runner.h"
#include "thread_loop.h"

namespace oxbow::test {
namespace {

// ---- What the loop asks for ---------------------------------------------------------------------

struct RingLog {
    u32 features = 0;
    u32 waits = 0;
    u32 waits_without_iowait = 0;
};

bool log_ring(void* context, long number, const long* arguments, int, long* result) noexcept {
    RingLog& log = *static_cast<RingLog*>(context);
    if (number == number::io_uring_setup) {
        auto* const params = reinterpret_cast<abi::Params*>(arguments[1]);
        *result = real_call(number, arguments[0], arguments[1]);
        log.features = params->features;
        return true;
    }
    if (number == number::io_uring_enter && arguments[2] != 0) {
        ++log.waits;
        const u32 flags = static_cast<u32>(arguments[3]);
        log.waits_without_iowait += (flags & abi::enter::no_iowait) != 0 ? 1 : 0;
    }
    return false;
}

/// Where the kernel has it, every wait of the loop asks not to be counted as one for a disk; where
/// it has not, none does.
VARIANT_TEST(iowait_is_not_asked_for, loop_configurations) {
    RingLog log;
    if (row.kernel == nullptr) {
        set_handler(log_ring, &log);
    }
    ConfiguredLoop loop(row);
    if (row.kernel != nullptr) {
        set_handler(log_ring, &log); // in front of the one that pretends, which knows no such flag
    }
    for (u32 i = 0; i < 3; ++i) {
        CHECK_EQ(perform_on(*loop, op::timer(1 * ms)).value, 1);
    }
    remove_handler(log_ring, &log);
    if (row.is_epoll()) {
        CHECK_EQ(log.waits, 0u);
        return;
    }
    CHECK_GT(log.waits + (row.kernel != nullptr ? 1 : 0), 0u);
    const bool has = row.kernel == nullptr && (log.features & abi::feature::no_iowait) != 0;
    CHECK_EQ(log.waits_without_iowait, has ? log.waits : 0u);
    if (row.kernel == nullptr && kernel_at_least(6, 15)) {
        CHECK(has);
    }
}

// ---- What the kernel counts ---------------------------------------------------------------------

/// Tasks of this machine that the kernel counts as waiting for a disk now; -1: nothing tells.
[[nodiscard]] i32 tasks_in_iowait() noexcept {
    static char text[64 * 1024];
    const HookPause pause;
    if (read_text_file("/proc/stat", text, sizeof(text)) < 0) {
        return -1;
    }
    constexpr char name[] = "procs_blocked ";
    for (const char* at = text; *at != '\0'; ++at) {
        u32 i = 0;
        while (name[i] != '\0' && at[i] == name[i]) {
            ++i;
        }
        if (name[i] == '\0') {
            return at[i] - '0'; // one digit is enough to tell 0 from more
        }
    }
    return -1;
}

/// Looks from another thread at one that sleeps, until that is counted as wanted, or long enough.
struct Watch {
    i32 tid = kernel::gettid();
    bool wanted;
    void (*found)(void* context) noexcept;
    void* context;
    u32 looks; ///< in a row that have to find it so
    u32 found_so = 0;
    bool is_found = false;

    static void run(void* self) noexcept {
        const HookPause pause;
        Watch& watch = *static_cast<Watch*>(self);
        const u64 limit_ns = now_ns() + patience_ns;
        while (!watch.is_found && now_ns() < limit_ns) {
            const bool slept = thread_state(watch.tid) == 'S' || thread_state(watch.tid) == 'D';
            const i32 count = tasks_in_iowait();
            if (count < 0) {
                watch.is_found = true; // nothing to compare with
            } else if (slept) {
                watch.found_so = (count != 0) == watch.wanted ? watch.found_so + 1 : 0;
                watch.is_found = watch.found_so == watch.looks;
            }
            const abi::Timespec pause_time = {0, 2'000'000};
            (void)kernel::ppoll(nullptr, 0, &pause_time);
        }
        watch.found(watch.context);
    }
};

/// Whatever else this machine does, other tests that wait on rings among it: sooner or later there
/// is a moment in which nobody waits for a disk, unless the loop is always counted. Something is in
/// flight on it, as it mostly is.
VARIANT_TEST(iowait_of_an_idle_loop, loop_configurations) {
    ConfiguredLoop loop(row);
    if (row.is_uring()) {
        SKIP_WITHOUT("waits that are not counted as iowait");
    }
    if (row.is_uring() && row.kernel != nullptr) {
        SKIP("it pretends to be a kernel whose waits are counted as iowait");
    }
    const SocketPair pair = make_socket_pair();
    u8 data[8];
    Logged receiving;
    Logged woken;
    submit(*loop, receiving, op::recv(pair.near, data, sizeof(data)));
    Async async(*loop);
    submit(*loop, woken, op::notification(async));
    Watch watch = {.wanted = false,
                   .found = [](void* context) noexcept { static_cast<Async*>(context)->notify(); },
                   .context = &async,
                   .looks = 1};
    {
        Thread thread(Watch::run, &watch);
        run_until_ended(*loop, woken);
    }
    CHECK(watch.is_found);
    loop->cancel(receiving.completion);
    CHECK_OK(loop->run());
}

/// That the test above can fail: a ring that asks to be counted is.
TEST(iowait_of_a_ring_that_is_counted) {
    LiveRing ring({.entries = 4});
    ring->count_as_iowait(true);
    const Pipe pipe = make_pipe();
    u8 data[8];
    queue(*ring, 1, [&](Sqe& sqe) { prep::read(sqe, pipe.reader, data, sizeof(data), ~u64{0}); });
    Watch watch = {
        .wanted = true,
        .found =
            [](void* context) noexcept { write_text(*static_cast<const Fd*>(context), "end"); },
        .context = const_cast<Fd*>(&pipe.writer),
        .looks = 30};
    {
        Thread thread(Watch::run, &watch);
        CHECK_EQ(next_of(*ring, 1).result, 3);
    }
    CHECK(watch.is_found);
}

} // namespace
} // namespace oxbow::test
