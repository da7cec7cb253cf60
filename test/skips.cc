// What the running kernel is, and tests that it is too old for.
#include "../syscall/abi_process.h"
#include "../syscall/call.h"
#include "../syscall/start.h"
#include "harness.h"
#include "hook.h"
#include "runner.h"

namespace oxbow::test {

namespace {

[[nodiscard]] KernelVersion kernel_version() noexcept {
    const HookPause pause;
    abi::UtsName name = {};
    (void)kernel::uname(&name);
    return kernel_version_of(name.release);
}

[[nodiscard]] u64 ring_features() noexcept {
    const HookPause pause;
    abi::Params params = {};
    const i32 ring = kernel::io_uring_setup(1, &params);
    if (ring >= 0) {
        (void)kernel::close(ring);
    }
    return params.features;
}

[[nodiscard]] bool should_have(const Addition& addition) noexcept {
    return has_addition(addition, kernel_version(),
                        addition.older == Older::have_5_10 ? ring_features() : 0);
}

void add_version(Message& text, u32 series, u32 release) noexcept {
    text.add("Linux ").add_decimal(series).add('.').add_decimal(release);
}

[[nodiscard]] Message described(const Addition& addition) noexcept {
    Message text;
    text.add(addition.name).add(": ");
    add_version(text, addition.series, addition.release);
    return text;
}

} // namespace

bool is_emulated() noexcept {
    const HookPause pause;
    // Of /proc/self/exe qemu tells its program, but not here.
    char path[256] = {};
    const long length =
        kernel::readlinkat(abi::at_fdcwd, "/proc/thread-self/exe", path, sizeof(path) - 1);
    const char* name = path;
    for (long i = 0; i < length; ++i) {
        name = path[i] == '/' ? &path[i + 1] : name;
    }
    return __builtin_memcmp(name, "qemu-", 5) == 0;
}

bool has_transfer_flags() noexcept {
    return kernel::preadv2(-1, nullptr, 0, 0, 0) != -Errno::enosys;
}

i32 ring_refusal() noexcept {
    const HookPause pause;
    // A kernel that gives rings has looked at its sysctl before it misses the parameters.
    const i32 result = kernel::io_uring_setup(0, nullptr);
    return result == -Errno::enosys || result == -Errno::eperm ? result : 0;
}

void need_rings() noexcept {
    if (ring_refusal() == 0) {
        return;
    }
    // The machine of a strict run refuses rings only where it was asked to (init.cc).
    if (is_strict() && environment_value("OXBOW_REFUSE") == nullptr) {
        FAIL("unexpected skip: this machine refuses io_uring");
    }
    skip("this machine refuses io_uring");
}

bool kernel_at_least(u32 first_major, u32 first_minor) noexcept {
    return kernel_version().is_at_least(first_major, first_minor);
}

void skip_without(const Needed& needed) noexcept {
    if (should_have(needed.addition)) {
        return;
    }
    const Message reason = described(needed.addition);
    if (!is_strict() || needed.addition.older == Older::may_have) {
        skip(reason.text());
    }
    expect_failure(reason.text());
}

void skip_missing(const Needed& needed, const Site& site) noexcept {
    Message text;
    if (is_emulated()) {
        text.add("qemu-user: ").add(needed.addition.name);
        skip(text.text());
    }
    if (should_have(needed.addition)) {
        const KernelVersion version = kernel_version();
        text.add("unexpected skip: ").add(needed.addition.name).add(": this kernel is ");
        add_version(text, version.series, version.release);
        text.add(" and should have it since ");
        add_version(text, needed.addition.series, needed.addition.release);
        fail_check(site, text.text());
    }
    skip(described(needed.addition).text());
}

void skip_if_missing(bool present, const Needed& needed, const Site& site) noexcept {
    if (!present) {
        skip_missing(needed, site);
    }
    const bool may_have = is_emulated() || needed.addition.older == Older::may_have;
    if (is_strict() && !may_have && !should_have(needed.addition)) {
        Message text;
        text.add("this kernel has what it should lack: ").add(described(needed.addition).text());
        fail_check(site, text.text());
    }
}

} // namespace oxbow::test
