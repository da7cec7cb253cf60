// Operations that take a path, closing, and extended attributes. Directories here are always
// ordinary descriptors: the table of direct descriptors is not looked at. Paths live until submit.
// The contract of all preps is in prep.h.
#pragma once

#include "../syscall/abi_file.h"
#include "prep_entry.h"

namespace oxbow::prep {

// Common to all that takes a path: -ENOENT: it does not exist; -ENOTDIR: a part of it is no
// directory; -EACCES: no permission; -ELOOP: too many symbolic links; -ENAMETOOLONG; -EROFS: the
// file system is read-only; -ENOSPC, -EDQUOT: no room for a new name.

/// How openat shall open.
struct OpenOptions {
    i32 flags = 0; ///< abi::open_flag; large_file is added where it is needed
    u32 mode = 0;  ///< permissions of a file that is made
};

namespace detail {
/// On 32-bit machines a file beyond 2 GiB opens only with this flag. 64-bit kernels add it.
inline constexpr i32 large_file = sizeof(long) == 4 ? abi::open_flag::large_file : 0;
} // namespace detail

/// Opens a file; ends with its descriptor. -EMFILE, -ENFILE: too many are open; -EEXIST: exclusive,
/// and it exists; -EISDIR: writing a directory; -ETXTBSY: it is being executed; -EAGAIN: with
/// nonblock on a leased file. 5.6.
inline void openat(abi::Sqe& sqe, i32 directory, const char* path,
                   const OpenOptions& options) noexcept {
    detail::start(sqe, abi::Opcode::openat, directory);
    sqe.addr = address_of(path);
    sqe.len = options.mode;
    sqe.op_flags = static_cast<u32>(options.flags | detail::large_file);
}

/// openat from the current directory. 5.6.
inline void open(abi::Sqe& sqe, const char* path, const OpenOptions& options) noexcept {
    openat(sqe, abi::at_fdcwd, path, options);
}

/// Opens a file as a direct descriptor; ends as DirectDescriptor says. -EINVAL: with O_CLOEXEC,
/// which has no meaning here; -ENXIO: there is no table. Kernels before 5.15 open an ordinary one.
/// 5.15.
inline void openat_direct(abi::Sqe& sqe, i32 directory, const char* path,
                          const OpenOptions& options, DirectDescriptor slot) noexcept {
    openat(sqe, directory, path, options);
    sqe.file_index = slot.encoded();
}

/// openat_direct from the current directory. 5.15.
inline void open_direct(abi::Sqe& sqe, const char* path, const OpenOptions& options,
                        DirectDescriptor slot) noexcept {
    openat_direct(sqe, abi::at_fdcwd, path, options, slot);
}

/// openat with rules for resolving the path, see openat2(2). `how` lives until submit; nothing is
/// added to its flags, so a 32-bit machine wants open_flag::large_file there. -EXDEV, -ELOOP: the
/// path breaks the rules; -EAGAIN: a rename was in the way, try again; -EINVAL: unknown flags,
/// which openat ignores. 5.6.
inline void openat2(abi::Sqe& sqe, i32 directory, const char* path,
                    const abi::OpenHow* how) noexcept {
    detail::start(sqe, abi::Opcode::openat2, directory);
    sqe.addr = address_of(path);
    sqe.off = address_of(how);
    sqe.len = sizeof(abi::OpenHow);
}

/// openat2 to a direct descriptor; see openat_direct. 5.15.
inline void openat2_direct(abi::Sqe& sqe, i32 directory, const char* path, const abi::OpenHow* how,
                           DirectDescriptor slot) noexcept {
    openat2(sqe, directory, path, how);
    sqe.file_index = slot.encoded();
}

/// Closes a descriptor; ends with 0. Operations in flight on it go on: cancel them first. Whatever
/// the error, the descriptor is closed. -EBADF: also the ring's own descriptor, and with
/// fixed_file; -EIO, -ENOSPC, -EDQUOT: an earlier write was lost. 5.6.
inline void close(abi::Sqe& sqe, i32 fd) noexcept {
    detail::start(sqe, abi::Opcode::close, fd);
}

/// Empties slot `index` of the table of direct descriptors; ends with 0. The slot stands in
/// Sqe::file_index, so fixed_file must not be set: -EBADF. -EBADF too: the slot is empty; -ENXIO:
/// there is no table; -EINVAL: it is shorter. 5.15.
inline void close_direct(abi::Sqe& sqe, u32 index) noexcept {
    detail::start(sqe, abi::Opcode::close, 0);
    sqe.file_index = slot(index).encoded();
}

/// What statx shall tell.
struct StatxOptions {
    i32 flags = 0; ///< abi::at_flag
    u32 mask = 0;  ///< abi::statx_mask
};

/// Tells about a file; ends with 0 and fills `status`, which lives until the completion. 5.6.
inline void statx(abi::Sqe& sqe, i32 directory, const char* path, const StatxOptions& options,
                  abi::Statx* status) noexcept {
    detail::start(sqe, abi::Opcode::statx, directory);
    sqe.addr = address_of(path);
    sqe.off = address_of(status);
    sqe.len = options.mask;
    sqe.op_flags = static_cast<u32>(options.flags);
}

/// An old and a new path, for renameat and linkat.
struct PathPair {
    const char* old_path = nullptr;
    const char* new_path = nullptr;
    i32 old_directory = abi::at_fdcwd;
    i32 new_directory = abi::at_fdcwd;
    u32 flags = 0; ///< abi::rename_flag, or abi::at_flag of linkat
};

/// Renames; ends with 0. With the default directories this is liburing's prep_rename. -EEXIST: the
/// new name exists, with rename_flag::noreplace; -ENOTEMPTY, -EISDIR: it is a directory in use;
/// -EXDEV: another file system; -EBUSY: a mount point; -EINVAL: into itself. 5.11.
inline void renameat(abi::Sqe& sqe, const PathPair& paths) noexcept {
    detail::start(sqe, abi::Opcode::renameat, paths.old_directory);
    sqe.addr = address_of(paths.old_path);
    sqe.off = address_of(paths.new_path);
    sqe.len = static_cast<u32>(paths.new_directory);
    sqe.op_flags = paths.flags;
}

/// Gives a file a second name; ends with 0. With the default directories this is liburing's
/// prep_link. -EEXIST: the new name exists; -EXDEV: another file system; -EMLINK: too many names;
/// -EPERM: a directory, or not your file (fs.protected_hardlinks). 5.15.
inline void linkat(abi::Sqe& sqe, const PathPair& paths) noexcept {
    detail::start(sqe, abi::Opcode::linkat, paths.old_directory);
    sqe.addr = address_of(paths.old_path);
    sqe.off = address_of(paths.new_path);
    sqe.len = static_cast<u32>(paths.new_directory);
    sqe.op_flags = paths.flags;
}

/// What a symbolic link says, and where it is made.
struct SymbolicLink {
    const char* target = nullptr; ///< its text
    const char* path = nullptr;   ///< the link itself
    i32 directory = abi::at_fdcwd;
};

/// Makes a symbolic link; ends with 0. With the default directory this is liburing's prep_symlink.
/// -EEXIST: the name exists. 5.15.
inline void symlinkat(abi::Sqe& sqe, const SymbolicLink& link) noexcept {
    detail::start(sqe, abi::Opcode::symlinkat, link.directory);
    sqe.addr = address_of(link.target);
    sqe.off = address_of(link.path);
}

/// Removes a name; ends with 0. `flags` may be at_flag::remove_directory. -EISDIR: it is a
/// directory; -ENOTDIR, -ENOTEMPTY: with that flag; -EBUSY: a mount point; -EPERM: sticky
/// directory. 5.11.
inline void unlinkat(abi::Sqe& sqe, i32 directory, const char* path, i32 flags = 0) noexcept {
    detail::start(sqe, abi::Opcode::unlinkat, directory);
    sqe.addr = address_of(path);
    sqe.op_flags = static_cast<u32>(flags);
}

/// unlinkat from the current directory. 5.11.
inline void unlink(abi::Sqe& sqe, const char* path, i32 flags = 0) noexcept {
    unlinkat(sqe, abi::at_fdcwd, path, flags);
}

/// Makes a directory; ends with 0. -EEXIST: the name exists; -EMLINK: too many in this one. 5.15.
inline void mkdirat(abi::Sqe& sqe, i32 directory, const char* path, u32 mode) noexcept {
    detail::start(sqe, abi::Opcode::mkdirat, directory);
    sqe.addr = address_of(path);
    sqe.len = mode;
}

/// mkdirat from the current directory. 5.15.
inline void mkdir(abi::Sqe& sqe, const char* path, u32 mode) noexcept {
    mkdirat(sqe, abi::at_fdcwd, path, mode);
}

// ---- Extended attributes ------------------------------------------------------------------------
//
// Common errors: -ENODATA: there is no such attribute; -ERANGE: the value or name is too long for
// the buffer or the kernel; -EOPNOTSUPP: not in this file system or name space.

/// An attribute to be read. The name lives until submit, the value until the completion.
struct AttributeRead {
    const char* name = nullptr; ///< with its name space: "user.x"
    void* value = nullptr;
    u32 bytes = 0; ///< room; 0 asks for the length
};

/// An attribute to be written. Name and value live until submit.
struct AttributeWrite {
    const char* name = nullptr;
    const void* value = nullptr;
    u32 bytes = 0;
    i32 flags = 0; ///< abi::xattr_flag: create (-EEXIST), replace (-ENODATA)
};

namespace detail {
inline void fill_attribute(abi::Sqe& sqe, const char* name, const void* value, u32 bytes) noexcept {
    sqe.addr = address_of(name);
    sqe.off = address_of(value);
    sqe.len = bytes;
}
} // namespace detail

/// Reads an attribute of an open file; ends with its length. 5.19.
inline void fgetxattr(abi::Sqe& sqe, i32 fd, const AttributeRead& attribute) noexcept {
    detail::start(sqe, abi::Opcode::fgetxattr, fd);
    detail::fill_attribute(sqe, attribute.name, attribute.value, attribute.bytes);
}

/// Reads an attribute of the file at `path`, from the current directory; follows symbolic
/// links. 5.19.
inline void getxattr(abi::Sqe& sqe, const char* path, const AttributeRead& attribute) noexcept {
    detail::start(sqe, abi::Opcode::getxattr, 0);
    detail::fill_attribute(sqe, attribute.name, attribute.value, attribute.bytes);
    sqe.third.addr3 = address_of(path);
}

/// Writes an attribute of an open file; ends with 0. 5.19.
inline void fsetxattr(abi::Sqe& sqe, i32 fd, const AttributeWrite& attribute) noexcept {
    detail::start(sqe, abi::Opcode::fsetxattr, fd);
    detail::fill_attribute(sqe, attribute.name, attribute.value, attribute.bytes);
    sqe.op_flags = static_cast<u32>(attribute.flags);
}

/// Writes an attribute of the file at `path`, from the current directory; follows symbolic links.
/// 5.19.
inline void setxattr(abi::Sqe& sqe, const char* path, const AttributeWrite& attribute) noexcept {
    detail::start(sqe, abi::Opcode::setxattr, 0);
    detail::fill_attribute(sqe, attribute.name, attribute.value, attribute.bytes);
    sqe.op_flags = static_cast<u32>(attribute.flags);
    sqe.third.addr3 = address_of(path);
}

} // namespace oxbow::prep
