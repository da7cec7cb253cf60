// Paths and whole files: each is one system call, which waits for the disk if it must.
#include "../syscall/call_file.h"
#include "../syscall/call_memory.h"
#include "perform_step.h"

namespace oxbow {

constexpr char detail::paths_part = 0; // needs.h

namespace {

i32 open_2(i32 directory, const arguments::Open2& with) noexcept {
    if constexpr (sizeof(long) == 8) {
        return kernel::openat2(directory, with.path, with.how);
    } else {
        // As openat does it, so that a file over 2 GiB opens. With O_PATH openat2 refuses it.
        if (with.how == nullptr) {
            return -Errno::efault;
        }
        abi::OpenHow how = *with.how;
        if ((how.flags & abi::open_flag::path) == 0) {
            how.flags |= abi::open_flag::large_file;
        }
        return kernel::openat2(directory, with.path, &how);
    }
}

i32 advise_memory(const arguments::Memory& with) noexcept {
    // More than there is of addresses: the kernel says the same of a range that wraps around.
    return with.bytes > ~usize{0}
               ? -Errno::einval
               : kernel::madvise(with.address, static_cast<usize>(with.bytes), with.advice);
}

i32 attribute_of_path(Kind kind, const arguments::PathAttribute& with) noexcept {
    const arguments::Attribute& what = *with.attribute;
    return kind == Kind::getxattr
               ? static_cast<i32>(kernel::getxattr(with.path, what.name, what.value, what.bytes))
               : kernel::setxattr(with.path, what.name, what.value, what.bytes, what.flags);
}

/// Those that take a path.
i32 step_on_name(const Completion& operation) noexcept {
    const arguments::Any& with = operation.arguments;
    const arguments::Paths& paths = with.paths;
    const i32 directory = operation.fd;
    switch (operation.kind) {
    case Kind::openat:
        return kernel::openat(directory, with.open.path, with.open.flags, with.open.mode);
    case Kind::openat2:
        return open_2(directory, with.open2);
    case Kind::statx:
        return kernel::statx(directory, with.status.path, with.status.flags, with.status.mask,
                             with.status.status);
    case Kind::renameat:
        return kernel::renameat2(directory, paths.old_path, paths.new_directory, paths.new_path,
                                 paths.flags);
    case Kind::linkat:
        return kernel::linkat(directory, paths.old_path, paths.new_directory, paths.new_path,
                              static_cast<i32>(paths.flags));
    case Kind::symlinkat:
        return kernel::symlinkat(paths.old_path, paths.new_directory, paths.new_path);
    case Kind::unlinkat:
        return kernel::unlinkat(directory, with.path.path, static_cast<i32>(with.path.how));
    case Kind::mkdirat:
        return kernel::mkdirat(directory, with.path.path, with.path.how);
    default: // getxattr, setxattr
        return attribute_of_path(operation.kind, with.path_attribute);
    }
}

i32 copy_range(const arguments::Splice& range) noexcept {
    i64 from = static_cast<i64>(range.from_offset);
    i64 to = static_cast<i64>(range.to_offset);
    const long copied = kernel::copy_file_range(
        range.from_fd, range.from_offset == abi::current_position ? nullptr : &from, range.to_fd,
        range.to_offset == abi::current_position ? nullptr : &to,
        detail::bytes_of_step(range.bytes, 0), range.flags);
    return static_cast<i32>(copied);
}

} // namespace

i32 detail::step_on_path(const Completion& operation) noexcept {
    const arguments::Any& with = operation.arguments;
    const arguments::Range& range = with.range;
    const arguments::Attribute& attribute = with.attribute;
    const i32 fd = operation.fd;
    switch (operation.kind) {
    case Kind::fsync:
        return with.sync.data_only != 0 ? kernel::fdatasync(fd) : kernel::fsync(fd);
    case Kind::sync_file_range:
        return kernel::sync_file_range(fd, range.offset, range.bytes, range.how);
    case Kind::fallocate:
        return kernel::fallocate(fd, static_cast<i32>(range.how), range.offset, range.bytes);
    case Kind::ftruncate:
        return kernel::ftruncate(fd, range.bytes);
    case Kind::fadvise:
        return kernel::fadvise(fd, range.offset, range.bytes, static_cast<i32>(range.how));
    case Kind::madvise:
        return advise_memory(with.memory);
    case Kind::fgetxattr:
        return static_cast<i32>(
            kernel::fgetxattr(fd, attribute.name, attribute.value, attribute.bytes));
    case Kind::fsetxattr:
        return kernel::fsetxattr(fd, attribute.name, attribute.value, attribute.bytes,
                                 attribute.flags);
    case Kind::copy_file_range:
        return copy_range(*with.splice.splice);
    case Kind::pipe:
        return kernel::pipe2(with.pipe.fds, with.pipe.flags);
    default:
        return step_on_name(operation);
    }
}

} // namespace oxbow
