// Finds the NVMe drives of a bare kernel by their serial numbers. Their device names are given in
// the order in which the drives answer, which is not always that of their slots.
#include "init_disk.h"

#include "../syscall/abi_file.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "../syscall/start.h"
#include "runner.h"

namespace oxbow::test {

namespace {

constexpr u64 patience_ns = 60'000'000'000; // an emulated machine may be slow

/// The name of a block device, "nvme0n1".
struct DeviceName {
    char text[32] = "";
};

void say(const char* drive, const char* what, i32 error) noexcept {
    Message line;
    line.add("oxbow-init: drive ").add(drive).add(": ").add(what);
    if (error < 0) {
        line.add(": ").add(errno_name(error));
    }
    write_text(1, line.add('\n'));
}

[[nodiscard]] bool begins_with(const char* text, const char* start) noexcept {
    while (*start != '\0' && *text == *start) {
        ++text;
        ++start;
    }
    return *start == '\0';
}

/// Whether `name` in /sys/block is the drive with this serial number.
[[nodiscard]] bool has_serial(const char* name, const char* serial) noexcept {
    Message path;
    path.add("/sys/block/").add(name).add("/device/serial");
    char text[64];
    if (read_text_file(path.text(), text, sizeof(text)) < 0 || !begins_with(text, serial)) {
        return false;
    }
    const char behind = text[text_length(serial)]; // the drive fills up with spaces
    return behind == ' ' || behind == '\n';
}

/// Looks once. False: it is not there, or not yet.
[[nodiscard]] bool find(const char* serial, DeviceName& found) noexcept {
    const i32 directory = kernel::openat(abi::at_fdcwd, "/sys/block",
                                         abi::open_flag::read_only | abi::open_flag::directory |
                                             abi::open_flag::cloexec);
    if (directory < 0) {
        return false;
    }
    bool is_found = false;
    alignas(8) char buffer[1024];
    long bytes = 1;
    while (!is_found && bytes > 0) {
        bytes = kernel::getdents64(directory, buffer, sizeof(buffer));
        for (long at = 0; !is_found && at < bytes;) {
            const auto* entry = reinterpret_cast<const abi::DirectoryEntry*>(buffer + at);
            const usize length = text_length(entry->name);
            if (begins_with(entry->name, "nvme") && length < sizeof(found.text) &&
                has_serial(entry->name, serial)) {
                __builtin_memcpy(found.text, entry->name, length + 1);
                is_found = true;
            }
            at += entry->record_bytes;
        }
    }
    (void)kernel::close(directory);
    return is_found;
}

[[nodiscard]] bool exists(const char* path) noexcept {
    return kernel::faccessat(abi::at_fdcwd, path, abi::access_mode::exists) == 0;
}

/// Waits until there is a file at `path`: devices come a moment after their entries in /sys.
[[nodiscard]] bool await_path(const char* path, u64 deadline_ns) noexcept {
    while (!exists(path)) {
        if (now_ns() >= deadline_ns) {
            return false;
        }
        sleep_ms(5);
    }
    return true;
}

/// The path of the drive's block device.
[[nodiscard]] bool await_drive(const char* serial, u64 deadline_ns, DeviceName& name,
                               Message& device) noexcept {
    while (!find(serial, name)) {
        if (now_ns() >= deadline_ns) {
            say(serial, "this kernel sees none", 0);
            return false;
        }
        sleep_ms(5);
    }
    device.add("/dev/").add(name.text);
    if (!await_path(device.text(), deadline_ns)) {
        say(serial, "it has no device node", 0);
        return false;
    }
    return true;
}

[[nodiscard]] bool mount_drive(const char* serial, const char* directory,
                               u64 deadline_ns) noexcept {
    DeviceName name;
    Message device;
    if (!await_drive(serial, deadline_ns, name, device)) {
        return false;
    }
    (void)kernel::mkdirat(abi::at_fdcwd, directory, 0755);
    // The rest of the inode tables would be cleared behind the tests' backs.
    const i32 mounted = kernel::mount(device.text(), directory, "ext4", 0, "noinit_itable");
    if (mounted < 0) {
        say(serial, "no ext4 is to be mounted", mounted);
    }
    return mounted == 0;
}

/// A link to the device of that name, which comes a moment after the drive.
[[nodiscard]] bool link_device(const char* serial, const Message& device, const char* path,
                               u64 deadline_ns) noexcept {
    if (!await_path(device.text(), deadline_ns)) {
        say(serial, "it has no character device", 0);
        return false;
    }
    const i32 linked = kernel::symlinkat(device.text(), abi::at_fdcwd, path);
    if (linked < 0) {
        say(serial, "no link to its device", linked);
    }
    return linked == 0;
}

/// The block device "nvme0n1", its controller "nvme0", and the character device "ng0n1" (5.13).
[[nodiscard]] bool link_drive(const char* serial, u64 deadline_ns) noexcept {
    DeviceName name;
    Message device;
    if (!await_drive(serial, deadline_ns, name, device) ||
        !link_device(serial, device, "/dev/oxbow-block", deadline_ns)) {
        return false;
    }
    Message generic;
    generic.add("/dev/ng").add(name.text + text_length("nvme"));
    if (exists("/sys/class/nvme-generic") &&
        !link_device(serial, generic, "/dev/oxbow-nvme", deadline_ns)) {
        return false;
    }
    usize end = text_length(name.text);
    while (end != 0 && name.text[end] != 'n') {
        --end;
    }
    name.text[end] = '\0';
    Message controller;
    controller.add("/dev/").add(name.text);
    return link_device(serial, controller, "/dev/oxbow-controller", deadline_ns);
}

} // namespace

bool prepare_disks() noexcept {
    const char* const kind = environment_value("OXBOW_DISK");
    if (kind == nullptr) {
        return true;
    }
    if (!text_equal(kind, "nvme")) {
        say(kind, "OXBOW_DISK knows only nvme", 0);
        return false;
    }
    const u64 deadline_ns = now_ns() + patience_ns;
    return mount_drive("oxbow-files", "/disk", deadline_ns) &&
           mount_drive("oxbow-small", "/small", deadline_ns) &&
           link_drive("oxbow-block", deadline_ns);
}

} // namespace oxbow::test
