// Our structs and constants of files, memory, time, scheduling and filters beside the kernel's own
// headers (linux/*.h and asm/*.h), which cannot be included together with libc's of the same
// things; abi_system_test.cc has those. Only in hosted builds: a bare machine has no such headers.
#include "../syscall/abi_epoll.h"
#include "../syscall/abi_file.h"
#include "../syscall/abi_memory.h"
#include "../syscall/abi_process.h"
#include "../syscall/abi_signal.h"
#include "abi_compare.h"
#include "harness.h"

#if __STDC_HOSTED__ && __has_include(<linux/openat2.h>)

#include <stddef.h>

#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/mman.h>
#include <asm/resource.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/eventpoll.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <linux/sysinfo.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/uio.h>
#include <linux/utsname.h>
#include <linux/xattr.h>

namespace oxbow::test {

namespace {

constexpr Comparison file_rows[] = {
    SAME(abi::at_fdcwd, AT_FDCWD),
    SAME(abi::open_flag::read_only, O_RDONLY),
    SAME(abi::open_flag::write_only, O_WRONLY),
    SAME(abi::open_flag::read_write, O_RDWR),
    SAME(abi::open_flag::access_mask, O_ACCMODE),
    SAME(abi::open_flag::create, O_CREAT),
    SAME(abi::open_flag::exclusive, O_EXCL),
    SAME(abi::open_flag::noctty, O_NOCTTY),
    SAME(abi::open_flag::truncate, O_TRUNC),
    SAME(abi::open_flag::append, O_APPEND),
    SAME(abi::open_flag::nonblock, O_NONBLOCK),
    SAME(abi::open_flag::dsync, O_DSYNC),
    SAME(abi::open_flag::async, FASYNC),
    SAME(abi::open_flag::directory, O_DIRECTORY),
    SAME(abi::open_flag::nofollow, O_NOFOLLOW),
    SAME(abi::open_flag::direct, O_DIRECT),
    SAME(abi::open_flag::large_file, O_LARGEFILE),
    SAME(abi::open_flag::noatime, O_NOATIME),
    SAME(abi::open_flag::cloexec, O_CLOEXEC),
    SAME(abi::open_flag::sync, O_SYNC),
    SAME(abi::open_flag::path, O_PATH),
    SAME(abi::open_flag::tmpfile, O_TMPFILE),
#if defined(O_EMPTYPATH)
    SAME(abi::open_flag::empty_path, O_EMPTYPATH),
#endif
#if defined(OPENAT2_REGULAR)
    SAME(abi::open2_flag::regular, OPENAT2_REGULAR),
#endif
    SAME(abi::resolve::no_xdev, RESOLVE_NO_XDEV),
    SAME(abi::resolve::no_magiclinks, RESOLVE_NO_MAGICLINKS),
    SAME(abi::resolve::no_symlinks, RESOLVE_NO_SYMLINKS),
    SAME(abi::resolve::beneath, RESOLVE_BENEATH),
    SAME(abi::resolve::in_root, RESOLVE_IN_ROOT),
#if defined(RESOLVE_CACHED)
    SAME(abi::resolve::cached, RESOLVE_CACHED),
#endif
    SAME(abi::at_flag::symlink_nofollow, AT_SYMLINK_NOFOLLOW),
    SAME(abi::at_flag::remove_directory, AT_REMOVEDIR),
    SAME(abi::at_flag::effective_ids, AT_EACCESS),
    SAME(abi::at_flag::symlink_follow, AT_SYMLINK_FOLLOW),
    SAME(abi::at_flag::no_automount, AT_NO_AUTOMOUNT),
    SAME(abi::at_flag::empty_path, AT_EMPTY_PATH),
    SAME(abi::at_flag::statx_force_sync, AT_STATX_FORCE_SYNC),
    SAME(abi::at_flag::statx_dont_sync, AT_STATX_DONT_SYNC),
    SAME(abi::at_flag::recursive, AT_RECURSIVE),
    SAME(abi::file_mode::type_mask, S_IFMT),
    SAME(abi::file_mode::socket, S_IFSOCK),
    SAME(abi::file_mode::symlink, S_IFLNK),
    SAME(abi::file_mode::regular, S_IFREG),
    SAME(abi::file_mode::block_device, S_IFBLK),
    SAME(abi::file_mode::directory, S_IFDIR),
    SAME(abi::file_mode::character_device, S_IFCHR),
    SAME(abi::file_mode::fifo, S_IFIFO),
    SAME(abi::file_mode::set_user_id, S_ISUID),
    SAME(abi::file_mode::set_group_id, S_ISGID),
    SAME(abi::file_mode::sticky, S_ISVTX),
    SAME(abi::seek_from::start, SEEK_SET),
    SAME(abi::seek_from::current, SEEK_CUR),
    SAME(abi::seek_from::end, SEEK_END),
    SAME(abi::seek_from::data, SEEK_DATA),
    SAME(abi::seek_from::hole, SEEK_HOLE),
    SAME(abi::vector_pieces_max, UIO_MAXIOV),
    SAME(abi::fallocate_mode::keep_size, FALLOC_FL_KEEP_SIZE),
    SAME(abi::fallocate_mode::punch_hole, FALLOC_FL_PUNCH_HOLE),
    SAME(abi::fallocate_mode::collapse_range, FALLOC_FL_COLLAPSE_RANGE),
    SAME(abi::fallocate_mode::zero_range, FALLOC_FL_ZERO_RANGE),
    SAME(abi::fallocate_mode::insert_range, FALLOC_FL_INSERT_RANGE),
    SAME(abi::fallocate_mode::unshare_range, FALLOC_FL_UNSHARE_RANGE),
#if defined(FALLOC_FL_WRITE_ZEROES)
    SAME(abi::fallocate_mode::write_zeroes, FALLOC_FL_WRITE_ZEROES),
#endif
    SAME(abi::sync_range_flag::wait_before, SYNC_FILE_RANGE_WAIT_BEFORE),
    SAME(abi::sync_range_flag::write, SYNC_FILE_RANGE_WRITE),
    SAME(abi::sync_range_flag::wait_after, SYNC_FILE_RANGE_WAIT_AFTER),
    SAME(abi::rename_flag::noreplace, RENAME_NOREPLACE),
    SAME(abi::rename_flag::exchange, RENAME_EXCHANGE),
    SAME(abi::rename_flag::whiteout, RENAME_WHITEOUT),
    SAME(abi::xattr_flag::create, XATTR_CREATE),
    SAME(abi::xattr_flag::replace, XATTR_REPLACE),
    SAME(abi::close_range_flag::unshare, CLOSE_RANGE_UNSHARE),
    SAME(abi::close_range_flag::cloexec, CLOSE_RANGE_CLOEXEC),
    SAME(abi::flock_mode::shared, LOCK_SH),
    SAME(abi::flock_mode::exclusive, LOCK_EX),
    SAME(abi::flock_mode::nonblock, LOCK_NB),
    SAME(abi::flock_mode::unlock, LOCK_UN),
    SAME(abi::fcntl_command::dupfd, F_DUPFD),
    SAME(abi::fcntl_command::get_fd_flags, F_GETFD),
    SAME(abi::fcntl_command::set_fd_flags, F_SETFD),
    SAME(abi::fcntl_command::get_status_flags, F_GETFL),
    SAME(abi::fcntl_command::set_status_flags, F_SETFL),
    SAME(abi::fcntl_command::ofd_getlk, F_OFD_GETLK),
    SAME(abi::fcntl_command::ofd_setlk, F_OFD_SETLK),
    SAME(abi::fcntl_command::ofd_setlkw, F_OFD_SETLKW),
#if defined(F_DUPFD_QUERY)
    SAME(abi::fcntl_command::dupfd_query, F_DUPFD_QUERY),
#endif
    SAME(abi::fcntl_command::dupfd_cloexec, F_DUPFD_CLOEXEC),
    SAME(abi::fcntl_command::set_pipe_size, F_SETPIPE_SZ),
    SAME(abi::fcntl_command::get_pipe_size, F_GETPIPE_SZ),
    SAME(abi::fcntl_command::add_seals, F_ADD_SEALS),
    SAME(abi::fcntl_command::get_seals, F_GET_SEALS),
    SAME(abi::fd_cloexec, FD_CLOEXEC),
    SAME(abi::file_lock::read, F_RDLCK),
    SAME(abi::file_lock::write, F_WRLCK),
    SAME(abi::file_lock::unlock, F_UNLCK),
    SAME(abi::seal::seal, F_SEAL_SEAL),
    SAME(abi::seal::shrink, F_SEAL_SHRINK),
    SAME(abi::seal::grow, F_SEAL_GROW),
    SAME(abi::seal::write, F_SEAL_WRITE),
    SAME(abi::seal::future_write, F_SEAL_FUTURE_WRITE),
#if defined(F_SEAL_EXEC)
    SAME(abi::seal::exec, F_SEAL_EXEC),
#endif
    SAME(abi::memfd_flag::cloexec, MFD_CLOEXEC),
    SAME(abi::memfd_flag::allow_sealing, MFD_ALLOW_SEALING),
    SAME(abi::memfd_flag::hugetlb, MFD_HUGETLB),
#if defined(MFD_NOEXEC_SEAL)
    SAME(abi::memfd_flag::noexec_seal, MFD_NOEXEC_SEAL),
    SAME(abi::memfd_flag::exec, MFD_EXEC),
#endif
    SAME(abi::file_ioctl::fionread, FIONREAD),
    SAME(abi::terminal_ioctl::lock, TIOCSPTLCK),
    SAME(abi::terminal_ioctl::open_peer, TIOCGPTPEER),
    SAME(abi::file_ioctl::fionbio, FIONBIO),
    SAME(abi::file_ioctl::ficlone, FICLONE),
    SAME(abi::file_ioctl::block_sector_bytes, BLKSSZGET),
    SAME(abi::file_ioctl::block_device_bytes, BLKGETSIZE64),
    SAME(abi::mount_flag::read_only, MS_RDONLY),
    SAME(abi::mount_flag::nosuid, MS_NOSUID),
    SAME(abi::mount_flag::nodev, MS_NODEV),
    SAME(abi::mount_flag::noexec, MS_NOEXEC),
    SAME(abi::mount_flag::remount, MS_REMOUNT),
    SAME(abi::mount_flag::noatime, MS_NOATIME),
    SAME(abi::mount_flag::bind, MS_BIND),
    SAME(abi::mount_flag::move, MS_MOVE),
    SAME(abi::mount_flag::recursive, MS_REC),
    SAME(abi::mount_flag::private_, MS_PRIVATE),
    SAME(abi::mount_flag::slave, MS_SLAVE),
    SAME(abi::mount_flag::shared, MS_SHARED),
    // clang-format off
    SAME(abi::rw_flag::hipri, RWF_HIPRI), SAME(abi::rw_flag::dsync, RWF_DSYNC),
    SAME(abi::rw_flag::sync, RWF_SYNC), SAME(abi::rw_flag::nowait, RWF_NOWAIT),
    SAME(abi::rw_flag::append, RWF_APPEND),
#if defined(RWF_NOAPPEND)
    SAME(abi::rw_flag::noappend, RWF_NOAPPEND),
#endif
#if defined(RWF_ATOMIC)
    SAME(abi::rw_flag::atomic, RWF_ATOMIC),
#endif
#if defined(RWF_DONTCACHE)
    SAME(abi::rw_flag::dontcache, RWF_DONTCACHE),
#endif
#if defined(RWF_NOSIGNAL)
    SAME(abi::rw_flag::nosignal, RWF_NOSIGNAL),
#endif
    // clang-format on
    SAME_SIZE(abi::IoVec, iovec),
    SAME_FIELD(abi::IoVec, base, iovec, iov_base),
    SAME_FIELD(abi::IoVec, bytes, iovec, iov_len),
    SAME_SIZE(abi::OpenHow, open_how),
    SAME_FIELD(abi::OpenHow, flags, open_how, flags),
    SAME_FIELD(abi::OpenHow, mode, open_how, mode),
    SAME_FIELD(abi::OpenHow, resolve, open_how, resolve),
#if __SIZEOF_LONG__ == 8
    SAME_SIZE(abi::FileLock, struct flock),
    SAME_FIELD(abi::FileLock, type, struct flock, l_type),
    SAME_FIELD(abi::FileLock, from, struct flock, l_whence),
    SAME_FIELD(abi::FileLock, start, struct flock, l_start),
    SAME_FIELD(abi::FileLock, bytes, struct flock, l_len),
    SAME_FIELD(abi::FileLock, pid, struct flock, l_pid),
#else
    SAME_SIZE(abi::FileLock, struct flock64),
    SAME_FIELD(abi::FileLock, type, struct flock64, l_type),
    SAME_FIELD(abi::FileLock, from, struct flock64, l_whence),
    SAME_FIELD(abi::FileLock, start, struct flock64, l_start),
    SAME_FIELD(abi::FileLock, bytes, struct flock64, l_len),
    SAME_FIELD(abi::FileLock, pid, struct flock64, l_pid),
#endif
};
static_assert(all_same(file_rows));

using KernelStatx = struct statx;

constexpr Comparison statx_rows[] = {
    SAME(abi::statx_mask::type, STATX_TYPE),
    SAME(abi::statx_mask::mode, STATX_MODE),
    SAME(abi::statx_mask::link_count, STATX_NLINK),
    SAME(abi::statx_mask::user_id, STATX_UID),
    SAME(abi::statx_mask::group_id, STATX_GID),
    SAME(abi::statx_mask::access_time, STATX_ATIME),
    SAME(abi::statx_mask::modify_time, STATX_MTIME),
    SAME(abi::statx_mask::change_time, STATX_CTIME),
    SAME(abi::statx_mask::inode, STATX_INO),
    SAME(abi::statx_mask::size, STATX_SIZE),
    SAME(abi::statx_mask::blocks, STATX_BLOCKS),
    SAME(abi::statx_mask::basic, STATX_BASIC_STATS),
    SAME(abi::statx_mask::birth_time, STATX_BTIME),
    SAME(abi::statx_mask::mount_id, STATX_MNT_ID),
    SAME(abi::statx_attribute::compressed, STATX_ATTR_COMPRESSED),
    SAME(abi::statx_attribute::immutable, STATX_ATTR_IMMUTABLE),
    SAME(abi::statx_attribute::append, STATX_ATTR_APPEND),
    SAME(abi::statx_attribute::nodump, STATX_ATTR_NODUMP),
    SAME(abi::statx_attribute::encrypted, STATX_ATTR_ENCRYPTED),
    SAME(abi::statx_attribute::automount, STATX_ATTR_AUTOMOUNT),
    SAME(abi::statx_attribute::mount_root, STATX_ATTR_MOUNT_ROOT),
    SAME(abi::statx_attribute::verity, STATX_ATTR_VERITY),
    SAME(abi::statx_attribute::dax, STATX_ATTR_DAX),
#if defined(STATX_ATTR_WRITE_ATOMIC)
    SAME(abi::statx_attribute::write_atomic, STATX_ATTR_WRITE_ATOMIC),
#endif
    SAME_SIZE(abi::StatxTime, statx_timestamp),
    SAME_FIELD(abi::StatxTime, seconds, statx_timestamp, tv_sec),
    SAME_FIELD(abi::StatxTime, nanoseconds, statx_timestamp, tv_nsec),
    SAME_SIZE(abi::Statx, KernelStatx),
    SAME_FIELD(abi::Statx, mask, KernelStatx, stx_mask),
    SAME_FIELD(abi::Statx, block_bytes, KernelStatx, stx_blksize),
    SAME_FIELD(abi::Statx, attributes, KernelStatx, stx_attributes),
    SAME_FIELD(abi::Statx, link_count, KernelStatx, stx_nlink),
    SAME_FIELD(abi::Statx, user_id, KernelStatx, stx_uid),
    SAME_FIELD(abi::Statx, group_id, KernelStatx, stx_gid),
    SAME_FIELD(abi::Statx, mode, KernelStatx, stx_mode),
    SAME_FIELD(abi::Statx, inode, KernelStatx, stx_ino),
    SAME_FIELD(abi::Statx, size, KernelStatx, stx_size),
    SAME_FIELD(abi::Statx, blocks, KernelStatx, stx_blocks),
    SAME_FIELD(abi::Statx, attributes_mask, KernelStatx, stx_attributes_mask),
    SAME_FIELD(abi::Statx, access_time, KernelStatx, stx_atime),
    SAME_FIELD(abi::Statx, birth_time, KernelStatx, stx_btime),
    SAME_FIELD(abi::Statx, change_time, KernelStatx, stx_ctime),
    SAME_FIELD(abi::Statx, modify_time, KernelStatx, stx_mtime),
    SAME_FIELD(abi::Statx, special_device_major, KernelStatx, stx_rdev_major),
    SAME_FIELD(abi::Statx, special_device_minor, KernelStatx, stx_rdev_minor),
    SAME_FIELD(abi::Statx, device_major, KernelStatx, stx_dev_major),
    SAME_FIELD(abi::Statx, device_minor, KernelStatx, stx_dev_minor),
    SAME_FIELD(abi::Statx, mount_id, KernelStatx, stx_mnt_id),
#if defined(STATX_DIOALIGN)
    SAME(abi::statx_mask::direct_io_align, STATX_DIOALIGN),
    SAME_FIELD(abi::Statx, direct_io_memory_align, KernelStatx, stx_dio_mem_align),
    SAME_FIELD(abi::Statx, direct_io_offset_align, KernelStatx, stx_dio_offset_align),
#endif
#if defined(STATX_MNT_ID_UNIQUE)
    SAME(abi::statx_mask::mount_id_unique, STATX_MNT_ID_UNIQUE),
#endif
#if defined(STATX_SUBVOL)
    SAME(abi::statx_mask::subvolume, STATX_SUBVOL),
    SAME_FIELD(abi::Statx, subvolume, KernelStatx, stx_subvol),
#endif
#if defined(STATX_WRITE_ATOMIC)
    SAME(abi::statx_mask::write_atomic, STATX_WRITE_ATOMIC),
    SAME_FIELD(abi::Statx, atomic_write_min, KernelStatx, stx_atomic_write_unit_min),
    SAME_FIELD(abi::Statx, atomic_write_max, KernelStatx, stx_atomic_write_unit_max),
    SAME_FIELD(abi::Statx, atomic_write_segments_max, KernelStatx, stx_atomic_write_segments_max),
#endif
#if defined(STATX_DIO_READ_ALIGN)
    SAME(abi::statx_mask::direct_read_align, STATX_DIO_READ_ALIGN),
    SAME_FIELD(abi::Statx, direct_read_offset_align, KernelStatx, stx_dio_read_offset_align),
    SAME_SIZE(abi::Statx, KernelStatx),
#endif
};
static_assert(all_same(statx_rows));

constexpr Comparison memory_rows[] = {
    SAME(abi::protection::none, PROT_NONE),
    SAME(abi::protection::read, PROT_READ),
    SAME(abi::protection::write, PROT_WRITE),
    SAME(abi::protection::exec, PROT_EXEC),
    SAME(abi::map::shared, MAP_SHARED),
    SAME(abi::map::private_, MAP_PRIVATE),
    SAME(abi::map::shared_validate, MAP_SHARED_VALIDATE),
    SAME(abi::map::fixed, MAP_FIXED),
    SAME(abi::map::anonymous, MAP_ANONYMOUS),
    SAME(abi::map::locked, MAP_LOCKED),
    SAME(abi::map::noreserve, MAP_NORESERVE),
    SAME(abi::map::populate, MAP_POPULATE),
    SAME(abi::map::nonblock, MAP_NONBLOCK),
    SAME(abi::map::stack, MAP_STACK),
    SAME(abi::map::hugetlb, MAP_HUGETLB),
    SAME(abi::map::fixed_noreplace, MAP_FIXED_NOREPLACE),
    SAME(abi::map::huge_2_mib, MAP_HUGE_2MB),
    SAME(abi::map::huge_1_gib, MAP_HUGE_1GB),
    SAME(abi::remap::may_move, MREMAP_MAYMOVE),
    SAME(abi::remap::fixed, MREMAP_FIXED),
    SAME(abi::remap::dontunmap, MREMAP_DONTUNMAP),
    SAME(abi::madvice::normal, MADV_NORMAL),
    SAME(abi::madvice::random, MADV_RANDOM),
    SAME(abi::madvice::sequential, MADV_SEQUENTIAL),
    SAME(abi::madvice::willneed, MADV_WILLNEED),
    SAME(abi::madvice::dontneed, MADV_DONTNEED),
    SAME(abi::madvice::free, MADV_FREE),
    SAME(abi::madvice::remove, MADV_REMOVE),
    SAME(abi::madvice::dontfork, MADV_DONTFORK),
    SAME(abi::madvice::dofork, MADV_DOFORK),
    SAME(abi::madvice::mergeable, MADV_MERGEABLE),
    SAME(abi::madvice::unmergeable, MADV_UNMERGEABLE),
    SAME(abi::madvice::hugepage, MADV_HUGEPAGE),
    SAME(abi::madvice::nohugepage, MADV_NOHUGEPAGE),
    SAME(abi::madvice::dontdump, MADV_DONTDUMP),
    SAME(abi::madvice::dodump, MADV_DODUMP),
    SAME(abi::madvice::wipeonfork, MADV_WIPEONFORK),
    SAME(abi::madvice::keeponfork, MADV_KEEPONFORK),
    SAME(abi::madvice::cold, MADV_COLD),
    SAME(abi::madvice::pageout, MADV_PAGEOUT),
#if defined(MADV_POPULATE_READ)
    SAME(abi::madvice::populate_read, MADV_POPULATE_READ),
    SAME(abi::madvice::populate_write, MADV_POPULATE_WRITE),
#endif
#if defined(MADV_DONTNEED_LOCKED)
    SAME(abi::madvice::dontneed_locked, MADV_DONTNEED_LOCKED),
#endif
#if defined(MADV_COLLAPSE)
    SAME(abi::madvice::collapse, MADV_COLLAPSE),
#endif
#if defined(MADV_GUARD_INSTALL)
    SAME(abi::madvice::guard_install, MADV_GUARD_INSTALL),
    SAME(abi::madvice::guard_remove, MADV_GUARD_REMOVE),
#endif
    SAME(abi::msync_flag::async, MS_ASYNC),
    SAME(abi::msync_flag::invalidate, MS_INVALIDATE),
    SAME(abi::msync_flag::sync, MS_SYNC),
    SAME(abi::membarrier_command::query, MEMBARRIER_CMD_QUERY),
    SAME(abi::membarrier_command::global, MEMBARRIER_CMD_GLOBAL),
    SAME(abi::membarrier_command::private_expedited, MEMBARRIER_CMD_PRIVATE_EXPEDITED),
    SAME(abi::membarrier_command::register_private_expedited,
         MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED),
};
static_assert(all_same(memory_rows));

constexpr Comparison time_rows[] = {
    SAME(abi::clock::realtime, CLOCK_REALTIME),
    SAME(abi::clock::monotonic, CLOCK_MONOTONIC),
    SAME(abi::clock::process_cpu, CLOCK_PROCESS_CPUTIME_ID),
    SAME(abi::clock::thread_cpu, CLOCK_THREAD_CPUTIME_ID),
    SAME(abi::clock::monotonic_raw, CLOCK_MONOTONIC_RAW),
    SAME(abi::clock::boottime, CLOCK_BOOTTIME),
    SAME(abi::interval_timer::real, ITIMER_REAL),
    SAME(abi::interval_timer::virtual_, ITIMER_VIRTUAL),
    SAME(abi::interval_timer::prof, ITIMER_PROF),
    SAME_SIZE(abi::Timespec, __kernel_timespec),
    SAME_FIELD(abi::Timespec, seconds, __kernel_timespec, tv_sec),
    SAME_FIELD(abi::Timespec, nanoseconds, __kernel_timespec, tv_nsec),
    SAME_SIZE(abi::TimerSpec, __kernel_itimerspec),
    SAME_FIELD(abi::TimerSpec, interval, __kernel_itimerspec, it_interval),
    SAME_FIELD(abi::TimerSpec, value, __kernel_itimerspec, it_value),
    SAME_SIZE(abi::Timeval, __kernel_old_timeval),
    SAME_FIELD(abi::Timeval, seconds, __kernel_old_timeval, tv_sec),
    SAME_FIELD(abi::Timeval, microseconds, __kernel_old_timeval, tv_usec),
    SAME_SIZE(abi::IntervalTimer, itimerval),
    SAME_FIELD(abi::IntervalTimer, interval, itimerval, it_interval),
    SAME_FIELD(abi::IntervalTimer, value, itimerval, it_value),
};
static_assert(all_same(time_rows));

constexpr Comparison process_rows[] = {
    SAME(abi::clone_flag::newtime, CLONE_NEWTIME),
    SAME(abi::clone_flag::vm, CLONE_VM),
    SAME(abi::clone_flag::fs, CLONE_FS),
    SAME(abi::clone_flag::files, CLONE_FILES),
    SAME(abi::clone_flag::sighand, CLONE_SIGHAND),
    SAME(abi::clone_flag::pidfd, CLONE_PIDFD),
    SAME(abi::clone_flag::vfork, CLONE_VFORK),
    SAME(abi::clone_flag::parent, CLONE_PARENT),
    SAME(abi::clone_flag::thread, CLONE_THREAD),
    SAME(abi::clone_flag::newns, CLONE_NEWNS),
    SAME(abi::clone_flag::sysvsem, CLONE_SYSVSEM),
    SAME(abi::clone_flag::settls, CLONE_SETTLS),
    SAME(abi::clone_flag::parent_settid, CLONE_PARENT_SETTID),
    SAME(abi::clone_flag::child_cleartid, CLONE_CHILD_CLEARTID),
    SAME(abi::clone_flag::child_settid, CLONE_CHILD_SETTID),
    SAME(abi::clone_flag::newcgroup, CLONE_NEWCGROUP),
    SAME(abi::clone_flag::newuts, CLONE_NEWUTS),
    SAME(abi::clone_flag::newipc, CLONE_NEWIPC),
    SAME(abi::clone_flag::newuser, CLONE_NEWUSER),
    SAME(abi::clone_flag::newpid, CLONE_NEWPID),
    SAME(abi::clone_flag::newnet, CLONE_NEWNET),
    SAME(abi::clone_flag::io, CLONE_IO),
    SAME(abi::clone_flag::clear_sighand, CLONE_CLEAR_SIGHAND),
    SAME(abi::clone_flag::into_cgroup, CLONE_INTO_CGROUP),
    SAME_SIZE(abi::CloneArguments, clone_args),
    SAME_FIELD(abi::CloneArguments, flags, clone_args, flags),
    SAME_FIELD(abi::CloneArguments, pidfd, clone_args, pidfd),
    SAME_FIELD(abi::CloneArguments, child_tid, clone_args, child_tid),
    SAME_FIELD(abi::CloneArguments, parent_tid, clone_args, parent_tid),
    SAME_FIELD(abi::CloneArguments, exit_signal, clone_args, exit_signal),
    SAME_FIELD(abi::CloneArguments, stack, clone_args, stack),
    SAME_FIELD(abi::CloneArguments, stack_bytes, clone_args, stack_size),
    SAME_FIELD(abi::CloneArguments, tls, clone_args, tls),
    SAME_FIELD(abi::CloneArguments, set_tid, clone_args, set_tid),
    SAME_FIELD(abi::CloneArguments, set_tid_count, clone_args, set_tid_size),
    SAME_FIELD(abi::CloneArguments, cgroup, clone_args, cgroup),
    SAME(abi::resource::cpu_seconds, RLIMIT_CPU),
    SAME(abi::resource::file_bytes, RLIMIT_FSIZE),
    SAME(abi::resource::data_bytes, RLIMIT_DATA),
    SAME(abi::resource::stack_bytes, RLIMIT_STACK),
    SAME(abi::resource::core_bytes, RLIMIT_CORE),
    SAME(abi::resource::processes, RLIMIT_NPROC),
    SAME(abi::resource::open_files, RLIMIT_NOFILE),
    SAME(abi::resource::locked_bytes, RLIMIT_MEMLOCK),
    SAME(abi::resource::address_bytes, RLIMIT_AS),
    SAME(abi::resource::count, RLIM_NLIMITS),
    SAME(abi::unlimited, RLIM64_INFINITY),
    SAME_SIZE(abi::Rlimit, rlimit64),
    SAME_FIELD(abi::Rlimit, current, rlimit64, rlim_cur),
    SAME_FIELD(abi::Rlimit, maximum, rlimit64, rlim_max),
    SAME(abi::usage_of::self, RUSAGE_SELF),
    SAME(abi::usage_of::children, RUSAGE_CHILDREN),
    SAME(abi::usage_of::thread, RUSAGE_THREAD),
    SAME_SIZE(abi::Rusage, rusage),
    SAME_FIELD(abi::Rusage, user_time, rusage, ru_utime),
    SAME_FIELD(abi::Rusage, system_time, rusage, ru_stime),
    SAME_FIELD(abi::Rusage, max_resident_kib, rusage, ru_maxrss),
    SAME_FIELD(abi::Rusage, minor_faults, rusage, ru_minflt),
    SAME_FIELD(abi::Rusage, major_faults, rusage, ru_majflt),
    SAME_FIELD(abi::Rusage, swaps, rusage, ru_nswap),
    SAME_FIELD(abi::Rusage, blocks_in, rusage, ru_inblock),
    SAME_FIELD(abi::Rusage, blocks_out, rusage, ru_oublock),
    SAME_FIELD(abi::Rusage, messages_sent, rusage, ru_msgsnd),
    SAME_FIELD(abi::Rusage, messages_received, rusage, ru_msgrcv),
    SAME_FIELD(abi::Rusage, signals, rusage, ru_nsignals),
    SAME_FIELD(abi::Rusage, voluntary_switches, rusage, ru_nvcsw),
    SAME_FIELD(abi::Rusage, involuntary_switches, rusage, ru_nivcsw),
    SAME_SIZE(abi::UtsName, new_utsname),
    SAME_FIELD(abi::UtsName, system, new_utsname, sysname),
    SAME_FIELD(abi::UtsName, node, new_utsname, nodename),
    SAME_FIELD(abi::UtsName, release, new_utsname, release),
    SAME_FIELD(abi::UtsName, version, new_utsname, version),
    SAME_FIELD(abi::UtsName, machine, new_utsname, machine),
    SAME_FIELD(abi::UtsName, domain, new_utsname, domainname),
    SAME_SIZE(abi::SystemInfo, struct sysinfo),
    SAME_FIELD(abi::SystemInfo, uptime_seconds, struct sysinfo, uptime),
    SAME_FIELD(abi::SystemInfo, loads, struct sysinfo, loads),
    SAME_FIELD(abi::SystemInfo, total_ram, struct sysinfo, totalram),
    SAME_FIELD(abi::SystemInfo, free_ram, struct sysinfo, freeram),
    SAME_FIELD(abi::SystemInfo, shared_ram, struct sysinfo, sharedram),
    SAME_FIELD(abi::SystemInfo, buffer_ram, struct sysinfo, bufferram),
    SAME_FIELD(abi::SystemInfo, total_swap, struct sysinfo, totalswap),
    SAME_FIELD(abi::SystemInfo, free_swap, struct sysinfo, freeswap),
    SAME_FIELD(abi::SystemInfo, processes, struct sysinfo, procs),
    SAME_FIELD(abi::SystemInfo, total_high, struct sysinfo, totalhigh),
    SAME_FIELD(abi::SystemInfo, free_high, struct sysinfo, freehigh),
    SAME_FIELD(abi::SystemInfo, unit_bytes, struct sysinfo, mem_unit),
    SAME(abi::sched_policy::other, SCHED_NORMAL),
    SAME(abi::sched_policy::fifo, SCHED_FIFO),
    SAME(abi::sched_policy::round_robin, SCHED_RR),
    SAME(abi::sched_policy::batch, SCHED_BATCH),
    SAME(abi::sched_policy::idle, SCHED_IDLE),
    SAME(abi::sched_policy::deadline, SCHED_DEADLINE),
    SAME(abi::sched_policy::reset_on_fork, SCHED_RESET_ON_FORK),
    SAME(abi::priority_of::process, PRIO_PROCESS),
    SAME(abi::priority_of::process_group, PRIO_PGRP),
    SAME(abi::priority_of::user, PRIO_USER),
};
static_assert(all_same(process_rows));

constexpr Comparison control_rows[] = {
    SAME(abi::futex_op::wait, FUTEX_WAIT),
    SAME(abi::futex_op::wake, FUTEX_WAKE),
    SAME(abi::futex_op::wait_bitset, FUTEX_WAIT_BITSET),
    SAME(abi::futex_op::wake_bitset, FUTEX_WAKE_BITSET),
    SAME(abi::futex_op::private_flag, FUTEX_PRIVATE_FLAG),
    SAME(abi::futex_op::clock_realtime, FUTEX_CLOCK_REALTIME),
    SAME(abi::futex_bitset_any, FUTEX_BITSET_MATCH_ANY),
#if defined(FUTEX_WAITV_MAX)
    SAME(abi::futex2_flag::size_u32, FUTEX_32),
    SAME(abi::futex_waitv_max, FUTEX_WAITV_MAX),
    SAME_SIZE(abi::FutexWaiter, struct futex_waitv),
    SAME_FIELD(abi::FutexWaiter, value, struct futex_waitv, val),
    SAME_FIELD(abi::FutexWaiter, address, struct futex_waitv, uaddr),
    SAME_FIELD(abi::FutexWaiter, flags, struct futex_waitv, flags),
    SAME_FIELD(abi::FutexWaiter, reserved, struct futex_waitv, __reserved),
#endif
#if defined(FUTEX2_SIZE_U32)
    SAME(abi::futex2_flag::size_u8, FUTEX2_SIZE_U8),
    SAME(abi::futex2_flag::size_u16, FUTEX2_SIZE_U16),
    SAME(abi::futex2_flag::size_u32, FUTEX2_SIZE_U32),
    SAME(abi::futex2_flag::size_u64, FUTEX2_SIZE_U64),
    SAME(abi::futex2_flag::numa, FUTEX2_NUMA),
    SAME(abi::futex2_flag::private_flag, FUTEX2_PRIVATE),
#endif
#if defined(FUTEX2_MPOL)
    SAME(abi::futex2_flag::mpol, FUTEX2_MPOL),
#endif
    SAME(abi::prctl_option::set_parent_death_signal, PR_SET_PDEATHSIG),
    SAME(abi::prctl_option::get_parent_death_signal, PR_GET_PDEATHSIG),
    SAME(abi::prctl_option::get_dumpable, PR_GET_DUMPABLE),
    SAME(abi::prctl_option::set_dumpable, PR_SET_DUMPABLE),
    SAME(abi::prctl_option::set_name, PR_SET_NAME),
    SAME(abi::prctl_option::get_name, PR_GET_NAME),
    SAME(abi::prctl_option::get_seccomp, PR_GET_SECCOMP),
    SAME(abi::prctl_option::set_timer_slack, PR_SET_TIMERSLACK),
    SAME(abi::prctl_option::get_timer_slack, PR_GET_TIMERSLACK),
    SAME(abi::prctl_option::set_child_subreaper, PR_SET_CHILD_SUBREAPER),
    SAME(abi::prctl_option::get_child_subreaper, PR_GET_CHILD_SUBREAPER),
    SAME(abi::prctl_option::set_no_new_privs, PR_SET_NO_NEW_PRIVS),
    SAME(abi::prctl_option::get_no_new_privs, PR_GET_NO_NEW_PRIVS),
    SAME(abi::prctl_option::set_thp_disable, PR_SET_THP_DISABLE),
    SAME(abi::prctl_option::set_io_flusher, PR_SET_IO_FLUSHER),
#if defined(PR_SET_VMA)
    SAME(abi::prctl_option::set_vma, PR_SET_VMA),
#endif
    SAME(abi::seccomp_op::set_mode_strict, SECCOMP_SET_MODE_STRICT),
    SAME(abi::seccomp_op::set_mode_filter, SECCOMP_SET_MODE_FILTER),
    SAME(abi::seccomp_op::get_action_available, SECCOMP_GET_ACTION_AVAIL),
    SAME(abi::seccomp_flag::tsync, SECCOMP_FILTER_FLAG_TSYNC),
    SAME(abi::seccomp_flag::log, SECCOMP_FILTER_FLAG_LOG),
    SAME(abi::seccomp_action::kill_process, SECCOMP_RET_KILL_PROCESS),
    SAME(abi::seccomp_action::kill_thread, SECCOMP_RET_KILL_THREAD),
    SAME(abi::seccomp_action::trap, SECCOMP_RET_TRAP),
    SAME(abi::seccomp_action::refuse_with, SECCOMP_RET_ERRNO),
    SAME(abi::seccomp_action::log, SECCOMP_RET_LOG),
    SAME(abi::seccomp_action::allow, SECCOMP_RET_ALLOW),
    SAME_SIZE(abi::SeccompData, seccomp_data),
    SAME_FIELD(abi::SeccompData, call, seccomp_data, nr),
    SAME_FIELD(abi::SeccompData, machine, seccomp_data, arch),
    SAME_FIELD(abi::SeccompData, instruction, seccomp_data, instruction_pointer),
    SAME_FIELD(abi::SeccompData, arguments, seccomp_data, args),
#if defined(__x86_64__)
    SAME(abi::audit_machine, AUDIT_ARCH_X86_64),
#elif defined(__i386__)
    SAME(abi::audit_machine, AUDIT_ARCH_I386),
#elif defined(__aarch64__)
    SAME(abi::audit_machine, AUDIT_ARCH_AARCH64),
#elif defined(__arm__)
    SAME(abi::audit_machine, AUDIT_ARCH_ARM),
#elif defined(__riscv)
    SAME(abi::audit_machine, AUDIT_ARCH_RISCV64),
#elif defined(__s390x__)
    SAME(abi::audit_machine, AUDIT_ARCH_S390X),
#elif defined(__powerpc64__)
    SAME(abi::audit_machine, AUDIT_ARCH_PPC64LE),
#endif
    SAME_SIZE(abi::SockFilter, sock_filter),
    SAME_FIELD(abi::SockFilter, code, sock_filter, code),
    SAME_FIELD(abi::SockFilter, if_true, sock_filter, jt),
    SAME_FIELD(abi::SockFilter, if_false, sock_filter, jf),
    SAME_FIELD(abi::SockFilter, k, sock_filter, k),
    SAME_SIZE(abi::SockFprog, sock_fprog),
    SAME_FIELD(abi::SockFprog, count, sock_fprog, len),
    SAME_FIELD(abi::SockFprog, filter, sock_fprog, filter),
    SAME(abi::bpf::load_word, BPF_LD | BPF_W | BPF_ABS),
    SAME(abi::bpf::jump, BPF_JMP | BPF_JA),
    SAME(abi::bpf::jump_equal, BPF_JMP | BPF_JEQ | BPF_K),
    SAME(abi::bpf::jump_greater, BPF_JMP | BPF_JGT | BPF_K),
    SAME(abi::bpf::jump_greater_equal, BPF_JMP | BPF_JGE | BPF_K),
    SAME(abi::bpf::jump_any_bit, BPF_JMP | BPF_JSET | BPF_K),
    SAME(abi::bpf::and_constant, BPF_ALU | BPF_AND | BPF_K),
    SAME(abi::bpf::answer, BPF_RET | BPF_K),
#if defined(EPIOCSPARAMS)
    SAME(abi::epoll_ioctl::set_params, EPIOCSPARAMS),
    SAME(abi::epoll_ioctl::get_params, EPIOCGPARAMS),
    SAME_SIZE(abi::EpollParams, epoll_params),
    SAME_FIELD(abi::EpollParams, busy_poll_usecs, epoll_params, busy_poll_usecs),
    SAME_FIELD(abi::EpollParams, busy_poll_budget, epoll_params, busy_poll_budget),
    SAME_FIELD(abi::EpollParams, prefer_busy_poll, epoll_params, prefer_busy_poll),
#endif
    // The kernel's header has nothing of glibc's packing, so the alignment counts here.
    SAME_SIZE(abi::EpollEvent, epoll_event),
    SAME_FIELD(abi::EpollEvent, events, epoll_event, events),
    SAME_FIELD(abi::EpollEvent, data, epoll_event, data),
    SAME(abi::epoll_flag::exclusive, EPOLLEXCLUSIVE),
    SAME(abi::epoll_flag::edge_triggered, EPOLLET),
    SAME(abi::epoll_cloexec, EPOLL_CLOEXEC),
    SAME(abi::reboot_command::restart, LINUX_REBOOT_CMD_RESTART),
    SAME(abi::reboot_command::halt, LINUX_REBOOT_CMD_HALT),
    SAME(abi::reboot_command::power_off, LINUX_REBOOT_CMD_POWER_OFF),
};
static_assert(all_same(control_rows));

} // namespace

TEST(abi_kernel_headers_file) {
    check_rows(file_rows);
}
TEST(abi_kernel_headers_statx) {
    check_rows(statx_rows);
}
TEST(abi_kernel_headers_memory) {
    check_rows(memory_rows);
}
TEST(abi_kernel_headers_time) {
    check_rows(time_rows);
}
TEST(abi_kernel_headers_process) {
    check_rows(process_rows);
}
TEST(abi_kernel_headers_control) {
    check_rows(control_rows);
}

} // namespace oxbow::test

#endif
