// System calls on files, directories and pipes. Paths are relative to a directory's descriptor or
// abi::at_fdcwd. Counts are `long`, as the kernel returns them.
#pragma once

#include "abi_file.h"
#include "abi_time.h"
#include "call_pair.h"

namespace oxbow::kernel {

// --- Opening, closing, copying descriptors -------------------------------------------------------

/// Opens a file; its descriptor. Always able to open files over 2 GiB: 32-bit kernels ask for
/// open_flag::large_file, which is added here.
[[nodiscard]] inline i32 openat(i32 directory, const char* path, i32 flags, u32 mode = 0) noexcept {
    const i32 large = sizeof(long) == 8 ? 0 : abi::open_flag::large_file;
    return invoke_plain(number::openat, directory, path, flags | large, mode);
}

/// As openat, but refuses flags that it does not know and restricts how the path resolves. On
/// 32-bit machines the caller adds open_flag::large_file where it is wanted. 5.6.
[[nodiscard]] inline i32 openat2(i32 directory, const char* path,
                                 const abi::OpenHow* how) noexcept {
    return invoke_plain(number::openat2, directory, path, how, sizeof(abi::OpenHow));
}

/// Closes a descriptor. It is gone even after EINTR and must not be closed again: close(2).
[[nodiscard]] inline i32 close(i32 fd) noexcept {
    return invoke_plain(number::close, fd);
}

/// Closes all from `first` to `last`; close_range_flag. 5.9.
[[nodiscard]] inline i32 close_range(u32 first, u32 last, u32 flags) noexcept {
    return invoke_plain(number::close_range, first, last, flags);
}

[[nodiscard]] inline i32 dup(i32 fd) noexcept {
    return invoke_plain(number::dup, fd);
}

/// Makes `new_fd` a copy of `fd`; `flags` is 0 or open_flag::cloexec. -EINVAL where both are equal.
[[nodiscard]] inline i32 dup3(i32 fd, i32 new_fd, i32 flags) noexcept {
    return invoke_plain(number::dup3, fd, new_fd, flags);
}

/// fds[0] reads, fds[1] writes; open_flag::{cloexec, nonblock, direct}.
[[nodiscard]] inline i32 pipe2(i32* fds, i32 flags) noexcept {
    return invoke_plain(number::pipe2, fds, flags);
}

/// `argument` is a number or a pointer, as `command` (fcntl_command) wants.
template <class Argument = long>
[[nodiscard]] inline i32 fcntl(i32 fd, i32 command, Argument argument = {}) noexcept {
    return invoke_plain(number::fcntl, fd, command, argument);
}

template <class Argument = long>
[[nodiscard]] inline i32 ioctl(i32 fd, u32 command, Argument argument = {}) noexcept {
    return invoke_plain(number::ioctl, fd, command, argument);
}

[[nodiscard]] inline i32 flock(i32 fd, i32 mode) noexcept {
    return invoke_plain(number::flock, fd, mode);
}

// --- Reading and writing -------------------------------------------------------------------------

[[nodiscard]] inline long read(i32 fd, void* data, usize bytes) noexcept {
    return invoke(number::read, fd, data, bytes);
}

[[nodiscard]] inline long write(i32 fd, const void* data, usize bytes) noexcept {
    return invoke(number::write, fd, data, bytes);
}

[[nodiscard]] inline long pread(i32 fd, void* data, usize bytes, u64 offset) noexcept {
    return invoke_pair(number::pread64, fd, data, bytes, offset);
}

[[nodiscard]] inline long pwrite(i32 fd, const void* data, usize bytes, u64 offset) noexcept {
    return invoke_pair(number::pwrite64, fd, data, bytes, offset);
}

[[nodiscard]] inline long readv(i32 fd, const abi::IoVec* pieces, u32 count) noexcept {
    return invoke(number::readv, fd, pieces, count);
}

[[nodiscard]] inline long writev(i32 fd, const abi::IoVec* pieces, u32 count) noexcept {
    return invoke(number::writev, fd, pieces, count);
}

[[nodiscard]] inline long preadv(i32 fd, const abi::IoVec* pieces, u32 count, u64 offset) noexcept {
    return invoke(number::preadv, fd, pieces, count, low_word(offset), high_word(offset));
}

[[nodiscard]] inline long pwritev(i32 fd, const abi::IoVec* pieces, u32 count,
                                  u64 offset) noexcept {
    return invoke(number::pwritev, fd, pieces, count, low_word(offset), high_word(offset));
}

/// `offset` may be abi::current_position; `flags` is rw_flag.
[[nodiscard]] inline long preadv2(i32 fd, const abi::IoVec* pieces, u32 count, u64 offset,
                                  u32 flags) noexcept {
    return invoke(number::preadv2, fd, pieces, count, low_word(offset), high_word(offset), flags);
}

[[nodiscard]] inline long pwritev2(i32 fd, const abi::IoVec* pieces, u32 count, u64 offset,
                                   u32 flags) noexcept {
    return invoke(number::pwritev2, fd, pieces, count, low_word(offset), high_word(offset), flags);
}

/// Moves the position; the new one. `from` is seek_from.
[[nodiscard]] inline i64 lseek(i32 fd, i64 offset, i32 from) noexcept {
#if __SIZEOF_LONG__ == 8
    return invoke(number::lseek, fd, offset, from);
#else
    // The high word comes first on every machine, and the answer through memory: llseek(2).
    i64 position = 0;
    const long result = invoke(number::llseek, fd, high_word(static_cast<u64>(offset)),
                               low_word(static_cast<u64>(offset)), &position, from);
    return result < 0 ? result : position;
#endif
}

// --- Moving data inside the kernel ---------------------------------------------------------------

/// Copies between files; offsets are read and moved on, nullptr means the file's own position.
[[nodiscard]] inline long copy_file_range(i32 in_fd, i64* in_offset, i32 out_fd, i64* out_offset,
                                          usize bytes, u32 flags = 0) noexcept {
    return invoke(number::copy_file_range, in_fd, in_offset, out_fd, out_offset, bytes, flags);
}

/// Moves between a pipe and anything else; splice_flag. Offsets as in copy_file_range; a pipe's
/// must be nullptr.
[[nodiscard]] inline long splice(i32 in_fd, i64* in_offset, i32 out_fd, i64* out_offset,
                                 usize bytes, u32 flags) noexcept {
    return invoke(number::splice, in_fd, in_offset, out_fd, out_offset, bytes, flags);
}

/// Copies from one pipe to another and leaves the data in the first.
[[nodiscard]] inline long tee(i32 in_fd, i32 out_fd, usize bytes, u32 flags) noexcept {
    return invoke(number::tee, in_fd, out_fd, bytes, flags);
}

/// Sends a file; `offset` as in copy_file_range.
[[nodiscard]] inline long sendfile(i32 out_fd, i32 in_fd, i64* offset, usize bytes) noexcept {
    return invoke(number::sendfile, out_fd, in_fd, offset, bytes);
}

// --- Size, durability, advice --------------------------------------------------------------------

[[nodiscard]] inline i32 ftruncate(i32 fd, u64 bytes) noexcept {
    return static_cast<i32>(invoke_pair(number::ftruncate, fd, bytes));
}

/// fallocate_mode.
[[nodiscard]] inline i32 fallocate(i32 fd, i32 mode, u64 offset, u64 bytes) noexcept {
    return static_cast<i32>(invoke_pair(number::fallocate, fd, mode, offset, bytes));
}

[[nodiscard]] inline i32 fsync(i32 fd) noexcept {
    return invoke_plain(number::fsync, fd);
}

[[nodiscard]] inline i32 fdatasync(i32 fd) noexcept {
    return invoke_plain(number::fdatasync, fd);
}

/// Writes back part of a file; sync_range_flag. `bytes` 0 means to its end.
[[nodiscard]] inline i32 sync_file_range(i32 fd, u64 offset, u64 bytes, u32 flags) noexcept {
    if constexpr (arch::sync_range_flags_second) {
        return static_cast<i32>(invoke_pair(number::sync_file_range, fd, flags, offset, bytes));
    } else {
        return static_cast<i32>(invoke_pair(number::sync_file_range, fd, offset, bytes, flags));
    }
}

/// fadvice. `bytes` 0 means to the end.
[[nodiscard]] inline i32 fadvise(i32 fd, u64 offset, u64 bytes, i32 advice) noexcept {
    if constexpr (arch::fadvise_advice_second) {
        return static_cast<i32>(invoke_pair(number::fadvise64, fd, advice, offset, bytes));
    } else {
        return static_cast<i32>(invoke_pair(number::fadvise64, fd, offset, bytes, advice));
    }
}

/// Writes back everything; cannot fail.
inline void sync() noexcept {
    (void)invoke(number::sync);
}

/// Writes back the file system that `fd` is on.
[[nodiscard]] inline i32 syncfs(i32 fd) noexcept {
    return invoke_plain(number::syncfs, fd);
}

// --- Names and attributes ------------------------------------------------------------------------

/// The status of a file; of `directory` itself with an empty path and at_flag::empty_path.
[[nodiscard]] inline i32 statx(i32 directory, const char* path, i32 flags, u32 mask,
                               abi::Statx* status) noexcept {
    return invoke_plain(number::statx, directory, path, flags, mask, status);
}

[[nodiscard]] inline i32 mkdirat(i32 directory, const char* path, u32 mode) noexcept {
    return invoke_plain(number::mkdirat, directory, path, mode);
}

/// Makes a file, FIFO, socket or device. `device` is 0 or the kernel's device number.
[[nodiscard]] inline i32 mknodat(i32 directory, const char* path, u32 mode, u32 device) noexcept {
    return invoke_plain(number::mknodat, directory, path, mode, device);
}

/// Removes a name; at_flag::remove_directory for a directory.
[[nodiscard]] inline i32 unlinkat(i32 directory, const char* path, i32 flags) noexcept {
    return invoke_plain(number::unlinkat, directory, path, flags);
}

/// rename_flag. There is no renameat: RISC-V never had it, and flags of 0 are the same.
[[nodiscard]] inline i32 renameat2(i32 old_directory, const char* old_path, i32 new_directory,
                                   const char* new_path, u32 flags = 0) noexcept {
    return invoke_plain(number::renameat2, old_directory, old_path, new_directory, new_path, flags);
}

[[nodiscard]] inline i32 linkat(i32 old_directory, const char* old_path, i32 new_directory,
                                const char* new_path, i32 flags = 0) noexcept {
    return invoke_plain(number::linkat, old_directory, old_path, new_directory, new_path, flags);
}

[[nodiscard]] inline i32 symlinkat(const char* target, i32 directory, const char* path) noexcept {
    return invoke_plain(number::symlinkat, target, directory, path);
}

/// Bytes of the target, which gets no final zero; as many as `bytes` may mean that there are more.
[[nodiscard]] inline i32 readlinkat(i32 directory, const char* path, char* target,
                                    u32 bytes) noexcept {
    return invoke_plain(number::readlinkat, directory, path, target, bytes);
}

/// access_mode. The kernel's call takes no flags: faccessat(2).
[[nodiscard]] inline i32 faccessat(i32 directory, const char* path, i32 mode) noexcept {
    return invoke_plain(number::faccessat, directory, path, mode);
}

[[nodiscard]] inline i32 fchmod(i32 fd, u32 mode) noexcept {
    return invoke_plain(number::fchmod, fd, mode);
}

/// The kernel's call takes no flags: fchmodat(2).
[[nodiscard]] inline i32 fchmodat(i32 directory, const char* path, u32 mode) noexcept {
    return invoke_plain(number::fchmodat, directory, path, mode);
}

/// An id of ~0 stays as it is.
[[nodiscard]] inline i32 fchownat(i32 directory, const char* path, u32 user_id, u32 group_id,
                                  i32 flags) noexcept {
    return invoke_plain(number::fchownat, directory, path, user_id, group_id, flags);
}

/// times[0] is access, times[1] modification; see abi::utime. nullptr is now. A null `path` means
/// `directory` itself, whatever it is.
[[nodiscard]] inline i32 utimensat(i32 directory, const char* path, const abi::Timespec* times,
                                   i32 flags) noexcept {
    return invoke_plain(arch::has_time64_calls ? static_cast<long>(number::utimensat_time64)
                                               : static_cast<long>(number::utimensat),
                        directory, path, times, flags);
}

/// Fills `entries` with DirectoryEntry; bytes written, 0 at the end.
[[nodiscard]] inline long getdents64(i32 fd, void* entries, u32 bytes) noexcept {
    return invoke(number::getdents64, fd, entries, bytes);
}

/// xattr_flag.
[[nodiscard]] inline i32 setxattr(const char* path, const char* name, const void* value,
                                  usize bytes, i32 flags) noexcept {
    return invoke_plain(number::setxattr, path, name, value, bytes, flags);
}

[[nodiscard]] inline i32 fsetxattr(i32 fd, const char* name, const void* value, usize bytes,
                                   i32 flags) noexcept {
    return invoke_plain(number::fsetxattr, fd, name, value, bytes, flags);
}

/// Bytes of the value; asks only how many with `bytes` 0.
[[nodiscard]] inline long getxattr(const char* path, const char* name, void* value,
                                   usize bytes) noexcept {
    return invoke(number::getxattr, path, name, value, bytes);
}

[[nodiscard]] inline long fgetxattr(i32 fd, const char* name, void* value, usize bytes) noexcept {
    return invoke(number::fgetxattr, fd, name, value, bytes);
}

/// Bytes of all names, each with its final zero; asks only how many with `bytes` 0.
[[nodiscard]] inline long listxattr(const char* path, char* names, usize bytes) noexcept {
    return invoke(number::listxattr, path, names, bytes);
}

[[nodiscard]] inline long flistxattr(i32 fd, char* names, usize bytes) noexcept {
    return invoke(number::flistxattr, fd, names, bytes);
}

[[nodiscard]] inline i32 removexattr(const char* path, const char* name) noexcept {
    return invoke_plain(number::removexattr, path, name);
}

[[nodiscard]] inline i32 fremovexattr(i32 fd, const char* name) noexcept {
    return invoke_plain(number::fremovexattr, fd, name);
}

// --- The current directory and mounts ------------------------------------------------------------

[[nodiscard]] inline i32 chdir(const char* path) noexcept {
    return invoke_plain(number::chdir, path);
}

[[nodiscard]] inline i32 fchdir(i32 fd) noexcept {
    return invoke_plain(number::fchdir, fd);
}

/// Bytes of the path with its final zero. It begins with "(unreachable)" where the current
/// directory is not below the root: getcwd(2).
[[nodiscard]] inline i32 getcwd(char* path, usize bytes) noexcept {
    return invoke_plain(number::getcwd, path, bytes);
}

[[nodiscard]] inline i32 chroot(const char* path) noexcept {
    return invoke_plain(number::chroot, path);
}

/// The former mask; cannot fail.
inline u32 umask(u32 mask) noexcept {
    return static_cast<u32>(invoke(number::umask, mask));
}

/// mount_flag.
[[nodiscard]] inline i32 mount(const char* source, const char* target, const char* type, u32 flags,
                               const void* options = nullptr) noexcept {
    return invoke_plain(number::mount, source, target, type, flags, options);
}

/// umount_flag.
[[nodiscard]] inline i32 umount2(const char* target, i32 flags) noexcept {
    return invoke_plain(number::umount2, target, flags);
}

} // namespace oxbow::kernel
