// Small file work of the harness: reading small files, removing a directory tree.
#include "../syscall/abi_file.h"
#include "../syscall/call.h"
#include "../syscall/errno.h"
#include "runner.h"

namespace oxbow::test {

long read_text_file(const char* path, char* buffer, usize bytes) noexcept {
    const i32 fd =
        kernel::openat(abi::at_fdcwd, path, abi::open_flag::read_only | abi::open_flag::cloexec);
    if (fd < 0) {
        return fd;
    }
    usize length = 0;
    while (length + 1 < bytes) {
        const long count = kernel::read(fd, buffer + length, bytes - 1 - length);
        if (count <= 0) {
            break;
        }
        length += static_cast<usize>(count);
    }
    buffer[length] = '\0';
    (void)kernel::close(fd);
    return static_cast<long>(length);
}

namespace {

constexpr u32 depth_max = 64;

[[nodiscard]] bool is_dots(const char* name) noexcept {
    return text_equal(name, ".") || text_equal(name, "..");
}

/// Removes what is in `directory`. Returns how many entries went away, so that a listing that
/// changed under us is read again.
u32 remove_entries(i32 directory, u32 depth) noexcept;

bool remove_entry(i32 directory, const char* name, u32 depth) noexcept {
    if (kernel::unlinkat(directory, name, 0) == 0) {
        return true;
    }
    (void)kernel::fchmodat(directory, name, 0700); // a test may have locked it
    const i32 inner = kernel::openat(directory, name,
                                     abi::open_flag::read_only | abi::open_flag::directory |
                                         abi::open_flag::nofollow | abi::open_flag::cloexec);
    if (inner >= 0) {
        remove_entries(inner, depth + 1);
        (void)kernel::close(inner);
    }
    return kernel::unlinkat(directory, name, abi::at_flag::remove_directory) == 0;
}

u32 remove_entries(i32 directory, u32 depth) noexcept {
    u32 removed_in_all = 0;
    for (u32 removed = 1; removed != 0 && depth < depth_max;) {
        removed = 0;
        (void)kernel::lseek(directory, 0, abi::seek_from::start);
        alignas(8) char buffer[1024];
        const long bytes = kernel::getdents64(directory, buffer, sizeof(buffer));
        for (long at = 0; at < bytes;) {
            const auto* entry = reinterpret_cast<const abi::DirectoryEntry*>(buffer + at);
            if (!is_dots(entry->name) && remove_entry(directory, entry->name, depth)) {
                ++removed;
            }
            at += entry->record_bytes;
        }
        removed_in_all += removed;
    }
    return removed_in_all;
}

} // namespace

void remove_tree(const char* path) noexcept {
    (void)remove_entry(abi::at_fdcwd, path, 0);
}

} // namespace oxbow::test
