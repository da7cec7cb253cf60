// The output, never seen half-written: everything goes into a temporary file in the same directory,
// and only a complete one takes the output's name, in one step (rename). Whatever happens before
// that, a former output is untouched.
#pragma once

#include "../syscall/abi_file.h"
#include "../syscall/call_file.h"
#include "../syscall/errno.h"
#include "../syscall/start.h"
#include "../syscall/text.h"

namespace copy {

using namespace oxbow;

/// Why something did not go, for `copy: PATH: WHAT: ERROR`. No text, no problem.
struct Problem {
    const char* path = nullptr;
    const char* what = nullptr;
    i32 error = 0; ///< negative errno; 0: `what` says it all

    explicit operator bool() const noexcept { return what != nullptr; }
};

/// nullptr for a regular file, else what it is instead.
[[nodiscard]] inline const char* why_not_regular(const abi::Statx& status) noexcept {
    switch (status.mode & abi::file_mode::type_mask) {
    case abi::file_mode::regular:
        return nullptr;
    case abi::file_mode::directory:
        return "is a directory, not a file";
    case abi::file_mode::fifo:
        return "is a pipe, not a file";
    case abi::file_mode::socket:
        return "is a socket, not a file";
    case abi::file_mode::block_device:
    case abi::file_mode::character_device:
        return "is a device, not a file";
    default:
        return "is not a regular file";
    }
}

class Output {
  public:
    Output() noexcept = default;
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    /// Finds the directory and the name that `path` leads to, through symbolic links, and refuses
    /// what must not be replaced: anything but a regular file, the input, a read-only file.
    [[nodiscard]] Problem find(const char* path, const abi::Statx& input) noexcept;

    /// Creates the temporary, readable by its owner only.
    [[nodiscard]] Problem create() noexcept;

    [[nodiscard]] i32 fd() const noexcept { return fd_; }

    /// Gives the temporary its size, its mode and its name. `to_disk`: and does not return before
    /// all of that would survive a crash.
    [[nodiscard]] Problem commit(u64 size, u32 mode, bool to_disk) noexcept;

    /// Removes the temporary, if there is one, and closes everything.
    void discard() noexcept;

  private:
    static constexpr u32 links_max = 40; // as the kernel's own limit: path_resolution(7)
    static constexpr u32 attempts_max = 100;

    [[nodiscard]] i32 follow(const char* path) noexcept;
    [[nodiscard]] i32 split(const char* path) noexcept;
    [[nodiscard]] i32 sync_directory() const noexcept;
    [[nodiscard]] Problem problem(const char* what, i32 error = 0) const noexcept {
        return {path_, what, error};
    }

    const char* path_ = nullptr; // as the user wrote it
    i32 directory_ = -1;
    i32 fd_ = -1;
    bool exists_ = false; // the temporary
    char name_[256] = {}; // of the output, in `directory_`
    char temporary_[16] = {};
};

inline Problem Output::find(const char* path, const abi::Statx& input) noexcept {
    path_ = path;
    abi::Statx former;
    const i32 found = kernel::statx(abi::at_fdcwd, path, 0, abi::statx_mask::basic, &former);
    if (found < 0 && found != -Errno::enoent) {
        return problem("cannot be reached", found);
    }
    if (found == 0) {
        if (const char* const what = why_not_regular(former)) {
            return problem(what);
        }
        if (former.inode == input.inode && former.device_major == input.device_major &&
            former.device_minor == input.device_minor) {
            return problem("is the input itself");
        }
    }
    const i32 followed = follow(path);
    if (followed < 0) {
        return problem("its directory cannot be used", followed);
    }
    const i32 writable =
        found == 0 ? kernel::faccessat(directory_, name_, abi::access_mode::write) : 0;
    return writable < 0 ? problem("is not writable", writable) : Problem{};
}

/// Sets `directory_` and `name_`. A rename would replace a link and not the file that it leads to,
/// so links are followed by hand.
inline i32 Output::follow(const char* path) noexcept {
    char target[abi::path_max];
    for (u32 links = 0; links < links_max; ++links) {
        const i32 result = split(path);
        if (result < 0) {
            return result;
        }
        const i32 length = kernel::readlinkat(directory_, name_, target, sizeof(target));
        if (length == -Errno::einval || length == -Errno::enoent) {
            return 0; // no link, or nothing at all
        }
        if (length < 0 || length == sizeof(target)) {
            return length < 0 ? length : -Errno::enametoolong;
        }
        target[length] = '\0';
        path = target;
    }
    return -Errno::eloop;
}

/// Opens the directory part of `path`, seen from `directory_`, and keeps the rest as `name_`.
inline i32 Output::split(const char* path) noexcept {
    const char* name = path;
    for (const char* at = path; *at != '\0'; ++at) {
        name = *at == '/' ? at + 1 : name;
    }
    char parent[abi::path_max];
    Text parent_text(parent);
    parent_text.add(path, static_cast<usize>(name - path)).add(name == path ? "." : "");
    Text name_text(name_);
    name_text.add(name);
    if (parent_text.truncated() || name_text.truncated()) {
        return -Errno::enametoolong;
    }
    if (name[0] == '\0') {
        return -Errno::enoent; // a final slash asks for a directory, and there is none
    }
    const i32 from = directory_ < 0 ? abi::at_fdcwd : directory_;
    const i32 directory = kernel::openat(
        from, parent, abi::open_flag::path | abi::open_flag::directory | abi::open_flag::cloexec);
    if (directory < 0) {
        return directory;
    }
    if (directory_ >= 0) {
        (void)kernel::close(directory_);
    }
    directory_ = directory;
    return 0;
}

inline Problem Output::create() noexcept {
    const u8* const random = start_random_bytes();
    u32 number = 0;
    if (random != nullptr) {
        __builtin_memcpy(&number, random, sizeof(number));
    }
    for (u32 attempt = 0; attempt < attempts_max; ++attempt) {
        Text name(temporary_); // short, so that it fits wherever the output's name does
        name.add(".copy-").hex(number + attempt, 8);
        fd_ = kernel::openat(directory_, temporary_,
                             abi::open_flag::write_only | abi::open_flag::create |
                                 abi::open_flag::exclusive | abi::open_flag::cloexec,
                             0600);
        if (fd_ >= 0) {
            exists_ = true;
            return {};
        }
        if (fd_ != -Errno::eexist && fd_ != -Errno::eintr) {
            break;
        }
    }
    return problem("no file can be created beside it", fd_);
}

inline Problem Output::commit(u64 size, u32 mode, bool to_disk) noexcept {
    i32 result = kernel::ftruncate(fd_, size); // a hole at the end, or what the input has lost
    if (result == 0) {
        result = kernel::fchmod(fd_, mode);
    }
    if (result == 0 && to_disk) {
        result = kernel::fsync(fd_);
    }
    if (result < 0) {
        return problem("cannot be written", result);
    }
    result = kernel::close(fd_); // network file systems report a full disk only here
    fd_ = -1;
    if (result < 0 && result != -Errno::eintr) {
        return problem("cannot be written", result);
    }
    result = kernel::renameat2(directory_, temporary_, directory_, name_);
    if (result < 0) {
        return problem("cannot be replaced", result);
    }
    exists_ = false;
    result = to_disk ? sync_directory() : 0;
    return result < 0 ? problem("is complete, but may not survive a crash", result) : Problem{};
}

/// Without this, the new name may be lost with the next crash, and the former file be there again.
inline i32 Output::sync_directory() const noexcept {
    // `directory_` is a mere path: it was opened without asking for the right to read it.
    const i32 fd = kernel::openat(directory_, ".",
                                  abi::open_flag::read_only | abi::open_flag::directory |
                                      abi::open_flag::cloexec);
    if (fd < 0) {
        return fd;
    }
    const i32 result = kernel::fsync(fd);
    (void)kernel::close(fd);
    return result;
}

inline void Output::discard() noexcept {
    if (fd_ >= 0) {
        (void)kernel::close(fd_);
    }
    if (exists_) {
        (void)kernel::unlinkat(directory_, temporary_, 0);
    }
    if (directory_ >= 0) {
        (void)kernel::close(directory_);
    }
    fd_ = -1;
    directory_ = -1;
    exists_ = false;
}

} // namespace copy
