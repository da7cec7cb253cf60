// Reads the sysctls and /proc/self/status: proc(5), and Documentation/admin-guide/sysctl/kernel.rst
// for the two of io_uring.
#include "surroundings.h"

#include "../syscall/abi_file.h"
#include "../syscall/abi_process.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"

namespace oxbow {

namespace {

constexpr usize file_bytes_max = 4096; // of /proc/self/status, which has about 1500

/// Reads the whole of a small file and ends it with a zero; how many bytes, or a negative errno.
long read_file(const char* path, char* data, usize bytes) noexcept {
    const i32 fd =
        kernel::openat(abi::at_fdcwd, path, abi::open_flag::read_only | abi::open_flag::cloexec);
    if (fd < 0) {
        return fd;
    }
    usize used = 0;
    long result = 0;
    while (used + 1 < bytes) {
        result = kernel::read(fd, data + used, bytes - 1 - used);
        if (result == -Errno::eintr) {
            continue;
        }
        if (result <= 0) {
            break;
        }
        used += static_cast<usize>(result);
    }
    (void)kernel::close(fd);
    data[used] = '\0';
    return result < 0 ? result : static_cast<long>(used);
}

/// Where the value of "Name:" begins, or nullptr.
[[nodiscard]] const char* find_field(const char* text, const char* name) noexcept {
    bool at_line_start = true;
    for (; *text != '\0'; ++text) {
        const char* in_text = text;
        const char* in_name = name;
        while (at_line_start && *in_name != '\0' && *in_text == *in_name) {
            ++in_text;
            ++in_name;
        }
        if (at_line_start && *in_name == '\0') {
            return in_text;
        }
        at_line_start = *text == '\n';
    }
    return nullptr;
}

/// Skips blanks and reads digits; leaves `text` behind them. False where there are none.
[[nodiscard]] bool read_number(const char*& text, u32 base, u64& value) noexcept {
    while (*text == ' ' || *text == '\t') {
        ++text;
    }
    value = 0;
    bool any = false;
    for (;; ++text) {
        u32 digit = base;
        if (*text >= '0' && *text <= '9') {
            digit = static_cast<u32>(*text - '0');
        } else if (*text >= 'a' && *text <= 'f') {
            digit = static_cast<u32>(*text - 'a') + 10;
        }
        if (digit >= base) {
            return any;
        }
        value = value * base + digit;
        any = true;
    }
}

/// A sysctl that is a number, or `unknown`: the group's is -1 where there is none.
[[nodiscard]] i32 read_sysctl(const char* path) noexcept {
    char text[32];
    u64 value = 0;
    const char* at = text;
    if (read_file(path, text, sizeof(text)) <= 0 || !read_number(at, 10, value)) {
        return Surroundings::unknown;
    }
    return static_cast<i32>(value);
}

void read_status(Surroundings& found) noexcept {
    char text[file_bytes_max];
    if (read_file("/proc/self/status", text, sizeof(text)) <= 0) {
        return;
    }
    found.has_proc = true;
    u64 value = 0;
    const char* at = find_field(text, "CapEff:");
    if (at != nullptr && read_number(at, 16, value)) {
        found.capabilities = value;
    }
    at = find_field(text, "Seccomp:");
    if (at != nullptr && read_number(at, 10, value)) {
        found.seccomp_mode = static_cast<i32>(value);
    }
    at = find_field(text, "Groups:");
    while (at != nullptr && read_number(at, 10, value)) {
        found.in_group |= found.group >= 0 && value == static_cast<u32>(found.group);
    }
}

[[nodiscard]] u64 limit_of(u32 resource) noexcept {
    abi::Rlimit limit = {};
    return kernel::prlimit(0, resource, nullptr, &limit) == 0 ? limit.current : 0;
}

} // namespace

[[gnu::cold]] Surroundings read_surroundings() noexcept {
    Surroundings found;
    found.disabled = read_sysctl("/proc/sys/kernel/io_uring_disabled");
    found.group = read_sysctl("/proc/sys/kernel/io_uring_group");
    found.in_group = found.group >= 0 && kernel::getegid() == static_cast<u32>(found.group);
    read_status(found);
    if (found.seccomp_mode == Surroundings::unknown) {
        const i32 mode = kernel::prctl(abi::prctl_option::get_seccomp);
        found.seccomp_mode = mode >= 0 ? mode : Surroundings::unknown;
    }
    found.locked_bytes_max = limit_of(abi::resource::locked_bytes);
    found.open_files_max = limit_of(abi::resource::open_files);
    return found;
}

} // namespace oxbow
