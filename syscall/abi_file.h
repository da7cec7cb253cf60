// Files as the kernel takes them: open flags, modes, file status, vectors, and the small constants
// of the calls on them. Behind a constant stands its first kernel where that is newer than 5.1.
// Source: include/uapi/linux/{fcntl,stat,fs,openat2,falloc,fadvise,xattr,mount}.h up to Linux 7.2.
#pragma once

#include "abi_time.h"
#include "types.h"

namespace oxbow::abi {

/// In place of a directory's descriptor: the current directory.
inline constexpr i32 at_fdcwd = -100;

/// Longest path, with its final zero.
inline constexpr usize path_max = 4096;

/// One piece of memory of a vectored call: struct iovec.
struct IoVec {
    void* base;
    usize bytes;
};

/// Most pieces that one call takes.
inline constexpr u32 vector_pieces_max = 1024;

/// Flags of openat and openat2. Four of them differ between machines.
namespace open_flag {
inline constexpr i32 read_only = 0;
inline constexpr i32 write_only = 1;
inline constexpr i32 read_write = 2;
inline constexpr i32 access_mask = 3;
inline constexpr i32 create = 0100;
inline constexpr i32 exclusive = 0200;
inline constexpr i32 noctty = 0400;
inline constexpr i32 truncate = 01000;
inline constexpr i32 append = 02000;
inline constexpr i32 nonblock = 04000;
inline constexpr i32 dsync = 010000;
inline constexpr i32 async = 020000;
#if defined(__arm__) || defined(__aarch64__)
inline constexpr i32 directory = 040000;
inline constexpr i32 nofollow = 0100000;
inline constexpr i32 direct = 0200000;
inline constexpr i32 large_file = 0400000;
#elif defined(__powerpc64__)
inline constexpr i32 directory = 040000;
inline constexpr i32 nofollow = 0100000;
inline constexpr i32 large_file = 0200000;
inline constexpr i32 direct = 0400000;
#else
inline constexpr i32 direct = 040000;
inline constexpr i32 large_file = 0100000; ///< kernel::openat sets it where it is needed
inline constexpr i32 directory = 0200000;
inline constexpr i32 nofollow = 0400000;
#endif
inline constexpr i32 noatime = 01000000;
inline constexpr i32 cloexec = 02000000;
inline constexpr i32 sync = 04000000 | dsync;
inline constexpr i32 path = 010000000;
inline constexpr i32 tmpfile = 020000000 | directory;
inline constexpr i32 empty_path = 1 << 26; ///< in 7.2: an empty path is the directory's descriptor
} // namespace open_flag

/// How openat2 resolves a path.
namespace resolve {
inline constexpr u64 no_xdev = 0x01;       ///< 5.6
inline constexpr u64 no_magiclinks = 0x02; ///< 5.6
inline constexpr u64 no_symlinks = 0x04;   ///< 5.6
inline constexpr u64 beneath = 0x08;       ///< 5.6
inline constexpr u64 in_root = 0x10;       ///< 5.6
inline constexpr u64 cached = 0x20;        ///< 5.12: EAGAIN rather than wait for the disk
} // namespace resolve

/// Flags that only OpenHow has room for.
namespace open2_flag {
inline constexpr u64 regular = u64{1} << 32; ///< in 7.2: EFTYPE for all but regular files
} // namespace open2_flag

/// Argument of openat2: struct open_how. 5.6.
struct OpenHow {
    u64 flags; ///< open_flag and open2_flag; unknown bits are refused, unlike openat's
    u64 mode;  ///< must be 0 without create or tmpfile
    u64 resolve;
};

/// Flags of the *at calls. remove_directory and effective_ids share a bit: different calls.
namespace at_flag {
inline constexpr i32 symlink_nofollow = 0x100;
inline constexpr i32 remove_directory = 0x200;
inline constexpr i32 effective_ids = 0x200;
inline constexpr i32 symlink_follow = 0x400;
inline constexpr i32 no_automount = 0x800;
inline constexpr i32 empty_path = 0x1000;
inline constexpr i32 statx_force_sync = 0x2000;
inline constexpr i32 statx_dont_sync = 0x4000;
inline constexpr i32 recursive = 0x8000; ///< 5.2
} // namespace at_flag

/// Statx::mode, and the mode of openat, mkdirat and mknodat.
namespace file_mode {
inline constexpr u32 type_mask = 0170000;
inline constexpr u32 socket = 0140000;
inline constexpr u32 symlink = 0120000;
inline constexpr u32 regular = 0100000;
inline constexpr u32 block_device = 0060000;
inline constexpr u32 directory = 0040000;
inline constexpr u32 character_device = 0020000;
inline constexpr u32 fifo = 0010000;
inline constexpr u32 set_user_id = 04000;
inline constexpr u32 set_group_id = 02000;
inline constexpr u32 sticky = 01000;
} // namespace file_mode

/// Which fields statx is asked for and which it filled.
namespace statx_mask {
inline constexpr u32 type = 0x1;
inline constexpr u32 mode = 0x2;
inline constexpr u32 link_count = 0x4;
inline constexpr u32 user_id = 0x8;
inline constexpr u32 group_id = 0x10;
inline constexpr u32 access_time = 0x20;
inline constexpr u32 modify_time = 0x40;
inline constexpr u32 change_time = 0x80;
inline constexpr u32 inode = 0x100;
inline constexpr u32 size = 0x200;
inline constexpr u32 blocks = 0x400;
inline constexpr u32 basic = 0x7ff;
inline constexpr u32 birth_time = 0x800;
inline constexpr u32 mount_id = 0x1000;           ///< 5.8
inline constexpr u32 direct_io_align = 0x2000;    ///< 6.1
inline constexpr u32 mount_id_unique = 0x4000;    ///< 6.8
inline constexpr u32 subvolume = 0x8000;          ///< 6.10
inline constexpr u32 write_atomic = 0x10000;      ///< 6.11
inline constexpr u32 direct_read_align = 0x20000; ///< 6.14
} // namespace statx_mask

/// Statx::attributes, valid where attributes_mask has the same bit.
namespace statx_attribute {
inline constexpr u64 compressed = 0x4;
inline constexpr u64 immutable = 0x10;
inline constexpr u64 append = 0x20;
inline constexpr u64 nodump = 0x40;
inline constexpr u64 encrypted = 0x800;
inline constexpr u64 automount = 0x1000;
inline constexpr u64 mount_root = 0x2000;     ///< 5.8
inline constexpr u64 verity = 0x100000;       ///< 5.5
inline constexpr u64 dax = 0x200000;          ///< 5.8
inline constexpr u64 write_atomic = 0x400000; ///< 6.11
} // namespace statx_attribute

/// struct statx_timestamp.
struct StatxTime {
    i64 seconds;
    u32 nanoseconds;
    i32 reserved;
};

/// Answer of statx: struct statx.
struct Statx {
    u32 mask; ///< statx_mask: what was filled
    u32 block_bytes;
    u64 attributes; ///< statx_attribute
    u32 link_count;
    u32 user_id;
    u32 group_id;
    u16 mode; ///< file_mode
    u16 reserved;
    u64 inode;
    u64 size;   ///< bytes
    u64 blocks; ///< of 512 bytes
    u64 attributes_mask;
    StatxTime access_time;
    StatxTime birth_time;
    StatxTime change_time;
    StatxTime modify_time;
    u32 special_device_major;
    u32 special_device_minor;
    u32 device_major;
    u32 device_minor;
    u64 mount_id;                  ///< 5.8
    u32 direct_io_memory_align;    ///< 6.1
    u32 direct_io_offset_align;    ///< 6.1
    u64 subvolume;                 ///< 6.10
    u32 atomic_write_min;          ///< 6.11
    u32 atomic_write_max;          ///< 6.11
    u32 atomic_write_segments_max; ///< 6.11
    u32 direct_read_offset_align;  ///< 6.14
    u32 atomic_write_max_optimal;  ///< 6.16
    u32 reserved2[1];
    u64 reserved3[8];
};

/// faccessat.
namespace access_mode {
inline constexpr i32 exists = 0;
inline constexpr i32 exec = 1;
inline constexpr i32 write = 2;
inline constexpr i32 read = 4;
} // namespace access_mode

/// lseek.
namespace seek_from {
inline constexpr i32 start = 0;
inline constexpr i32 current = 1;
inline constexpr i32 end = 2;
inline constexpr i32 data = 3; ///< the next byte that is not in a hole
inline constexpr i32 hole = 4;
} // namespace seek_from

/// preadv2, pwritev2, and Sqe::op_flags of reads and writes.
namespace rw_flag {
inline constexpr u32 hipri = 0x1;
inline constexpr u32 dsync = 0x2;
inline constexpr u32 sync = 0x4;
inline constexpr u32 nowait = 0x8;
inline constexpr u32 append = 0x10;
inline constexpr u32 noappend = 0x20;  ///< 6.9
inline constexpr u32 atomic = 0x40;    ///< 6.11
inline constexpr u32 dontcache = 0x80; ///< 6.14
inline constexpr u32 nosignal = 0x100; ///< 6.18
} // namespace rw_flag

/// Offset of preadv2 and pwritev2, and of the ring's reads and writes: use and move the position.
inline constexpr u64 current_position = ~u64{0};

/// fallocate.
namespace fallocate_mode {
inline constexpr i32 allocate = 0;
inline constexpr i32 keep_size = 0x1;
inline constexpr i32 punch_hole = 0x2; ///< only with keep_size
inline constexpr i32 collapse_range = 0x8;
inline constexpr i32 zero_range = 0x10;
inline constexpr i32 insert_range = 0x20;
inline constexpr i32 unshare_range = 0x40;
inline constexpr i32 write_zeroes = 0x80; ///< 6.17
} // namespace fallocate_mode

/// fadvise64.
namespace fadvice {
inline constexpr i32 normal = 0;
inline constexpr i32 random = 1;
inline constexpr i32 sequential = 2;
inline constexpr i32 willneed = 3;
#if defined(__s390x__)
inline constexpr i32 dontneed = 6;
inline constexpr i32 noreuse = 7;
#else
inline constexpr i32 dontneed = 4;
inline constexpr i32 noreuse = 5;
#endif
} // namespace fadvice

/// sync_file_range. It makes no metadata durable: sync_file_range(2).
namespace sync_range_flag {
inline constexpr u32 wait_before = 1;
inline constexpr u32 write = 2;
inline constexpr u32 wait_after = 4;
} // namespace sync_range_flag

/// splice, tee.
namespace splice_flag {
inline constexpr u32 move = 1;
inline constexpr u32 nonblock = 2;
inline constexpr u32 more = 4;
} // namespace splice_flag

/// renameat2.
namespace rename_flag {
inline constexpr u32 noreplace = 1;
inline constexpr u32 exchange = 2;
inline constexpr u32 whiteout = 4;
} // namespace rename_flag

/// setxattr.
namespace xattr_flag {
inline constexpr i32 create = 1;
inline constexpr i32 replace = 2;
} // namespace xattr_flag

/// close_range. 5.9.
namespace close_range_flag {
inline constexpr u32 unshare = 2; ///< 5.9
inline constexpr u32 cloexec = 4; ///< 5.11
} // namespace close_range_flag

/// flock.
namespace flock_mode {
inline constexpr i32 shared = 1;
inline constexpr i32 exclusive = 2;
inline constexpr i32 nonblock = 4;
inline constexpr i32 unlock = 8;
} // namespace flock_mode

/// Commands of fcntl.
namespace fcntl_command {
inline constexpr i32 dupfd = 0;
inline constexpr i32 get_fd_flags = 1;
inline constexpr i32 set_fd_flags = 2;
inline constexpr i32 get_status_flags = 3; ///< open_flag
inline constexpr i32 set_status_flags = 4;
inline constexpr i32 ofd_getlk = 36; ///< FileLock, owned by the open file and not by the process
inline constexpr i32 ofd_setlk = 37;
inline constexpr i32 ofd_setlkw = 38;
inline constexpr i32 dupfd_query = 1027; ///< 6.10
inline constexpr i32 dupfd_cloexec = 1030;
inline constexpr i32 set_pipe_size = 1031;
inline constexpr i32 get_pipe_size = 1032;
inline constexpr i32 add_seals = 1033;
inline constexpr i32 get_seals = 1034;
} // namespace fcntl_command

/// Argument of set_fd_flags and answer of get_fd_flags.
inline constexpr i32 fd_cloexec = 1;

/// Argument of the ofd_ locks: struct flock of 64-bit machines, struct flock64 of 32-bit ones.
struct FileLock {
    i16 type; ///< file_lock
    i16 from; ///< seek_from
    i64 start;
    i64 bytes;
    i32 pid; ///< must be 0
};

/// FileLock::type.
namespace file_lock {
inline constexpr i16 read = 0;
inline constexpr i16 write = 1;
inline constexpr i16 unlock = 2;
} // namespace file_lock

/// Seals of a memory file.
namespace seal {
inline constexpr i32 seal = 0x1;
inline constexpr i32 shrink = 0x2;
inline constexpr i32 grow = 0x4;
inline constexpr i32 write = 0x8;
inline constexpr i32 future_write = 0x10;
inline constexpr i32 exec = 0x20; ///< 6.3
} // namespace seal

/// memfd_create.
namespace memfd_flag {
inline constexpr u32 cloexec = 0x1;
inline constexpr u32 allow_sealing = 0x2;
inline constexpr u32 hugetlb = 0x4;
inline constexpr u32 noexec_seal = 0x8; ///< 6.3
inline constexpr u32 exec = 0x10;       ///< 6.3
} // namespace memfd_flag

/// Commands of ioctl on files, pipes and block devices. PowerPC numbers the first two, and encodes
/// the direction of all, in its own way: asm/ioctl.h, asm/ioctls.h.
namespace file_ioctl {
#if defined(__powerpc64__)
inline constexpr u32 fionread = 0x4004667f; ///< i32*: bytes that can be read now
inline constexpr u32 fionbio = 0x8004667e;  ///< i32*: nonblocking or not
inline constexpr u32 ficlone = 0x80049409;
inline constexpr u32 block_sector_bytes = 0x20001268; ///< BLKSSZGET, i32*
inline constexpr u32 block_device_bytes = 0x40081272; ///< BLKGETSIZE64, u64*
#else
inline constexpr u32 fionread = 0x541b; ///< i32*: bytes that can be read now
inline constexpr u32 fionbio = 0x5421;  ///< i32*: nonblocking or not
inline constexpr u32 ficlone = 0x40049409;
inline constexpr u32 block_sector_bytes = 0x1268; ///< BLKSSZGET, i32*
/// BLKGETSIZE64, u64* although its number carries the size of a machine word.
inline constexpr u32 block_device_bytes = sizeof(long) == 8 ? 0x80081272 : 0x80041272;
#endif
} // namespace file_ioctl

/// Commands of ioctl on the first side of a terminal pair, /dev/ptmx.
namespace terminal_ioctl {
#if defined(__powerpc64__)
inline constexpr u32 lock = 0x80045431; ///< TIOCSPTLCK, i32*: whether the other may not be opened
inline constexpr u32 open_peer = 0x20005441; ///< TIOCGPTPEER, open_flag: the other side
#else
inline constexpr u32 lock = 0x40045431;  ///< TIOCSPTLCK, i32*: whether the other may not be opened
inline constexpr u32 open_peer = 0x5441; ///< TIOCGPTPEER, open_flag: the other side
#endif
} // namespace terminal_ioctl

/// What getdents64 writes, one after another, each `record_bytes` long: struct linux_dirent64.
struct DirectoryEntry {
    u64 inode;
    i64 next_offset;
    u16 record_bytes;
    u8 type;      ///< directory_entry
    char name[1]; ///< as long as it is, ends in zero

    [[nodiscard]] const DirectoryEntry* next() const noexcept {
        return reinterpret_cast<const DirectoryEntry*>(reinterpret_cast<const char*>(this) +
                                                       record_bytes);
    }
};

/// DirectoryEntry::type; some file systems answer only `unknown`.
namespace directory_entry {
inline constexpr u8 unknown = 0;
inline constexpr u8 fifo = 1;
inline constexpr u8 character_device = 2;
inline constexpr u8 directory = 4;
inline constexpr u8 block_device = 6;
inline constexpr u8 regular = 8;
inline constexpr u8 symlink = 10;
inline constexpr u8 socket = 12;
} // namespace directory_entry

/// Timespec::nanoseconds of utimensat.
namespace utime {
inline constexpr i64 now = 0x3fffffff;
inline constexpr i64 omit = 0x3ffffffe;
} // namespace utime

/// mount.
namespace mount_flag {
inline constexpr u32 read_only = 1;
inline constexpr u32 nosuid = 2;
inline constexpr u32 nodev = 4;
inline constexpr u32 noexec = 8;
inline constexpr u32 remount = 32;
inline constexpr u32 noatime = 1024;
inline constexpr u32 bind = 4096;
inline constexpr u32 move = 8192;
inline constexpr u32 recursive = 16384;
inline constexpr u32 private_ = 1u << 18;
inline constexpr u32 slave = 1u << 19;
inline constexpr u32 shared = 1u << 20;
} // namespace mount_flag

/// umount2.
namespace umount_flag {
inline constexpr i32 force = 1;
inline constexpr i32 detach = 2;
inline constexpr i32 nofollow = 8;
} // namespace umount_flag

} // namespace oxbow::abi
