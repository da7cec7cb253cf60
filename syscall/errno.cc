// Names and meanings of the errors. Each table is one run of characters: an entry ends at its zero,
// and an empty one is a number without a name. No pointers, so no relocations, and 6 KB in all.
#include "errno.h"

namespace oxbow {

namespace {

constexpr i32 named_last = 134;
constexpr char unknown[] = "errno unknown";

// clang-format off
constexpr char names[] =
    "EPERM\0ENOENT\0ESRCH\0EINTR\0EIO\0ENXIO\0E2BIG\0ENOEXEC\0EBADF\0ECHILD\0EAGAIN\0ENOMEM\0"
    "EACCES\0EFAULT\0ENOTBLK\0EBUSY\0EEXIST\0EXDEV\0ENODEV\0ENOTDIR\0EISDIR\0EINVAL\0ENFILE\0"
    "EMFILE\0ENOTTY\0ETXTBSY\0EFBIG\0ENOSPC\0ESPIPE\0EROFS\0EMLINK\0EPIPE\0EDOM\0ERANGE\0"
    "EDEADLK\0ENAMETOOLONG\0ENOLCK\0ENOSYS\0ENOTEMPTY\0ELOOP\0\0ENOMSG\0EIDRM\0ECHRNG\0EL2NSYNC\0"
    "EL3HLT\0EL3RST\0ELNRNG\0EUNATCH\0ENOCSI\0EL2HLT\0EBADE\0EBADR\0EXFULL\0ENOANO\0EBADRQC\0"
    "EBADSLT\0\0EBFONT\0ENOSTR\0ENODATA\0ETIME\0ENOSR\0ENONET\0ENOPKG\0EREMOTE\0ENOLINK\0EADV\0"
    "ESRMNT\0ECOMM\0EPROTO\0EMULTIHOP\0EDOTDOT\0EBADMSG\0EOVERFLOW\0ENOTUNIQ\0EBADFD\0EREMCHG\0"
    "ELIBACC\0ELIBBAD\0ELIBSCN\0ELIBMAX\0ELIBEXEC\0EILSEQ\0ERESTART\0ESTRPIPE\0EUSERS\0ENOTSOCK\0"
    "EDESTADDRREQ\0EMSGSIZE\0EPROTOTYPE\0ENOPROTOOPT\0EPROTONOSUPPORT\0ESOCKTNOSUPPORT\0"
    "EOPNOTSUPP\0EPFNOSUPPORT\0EAFNOSUPPORT\0EADDRINUSE\0EADDRNOTAVAIL\0ENETDOWN\0ENETUNREACH\0"
    "ENETRESET\0ECONNABORTED\0ECONNRESET\0ENOBUFS\0EISCONN\0ENOTCONN\0ESHUTDOWN\0ETOOMANYREFS\0"
    "ETIMEDOUT\0ECONNREFUSED\0EHOSTDOWN\0EHOSTUNREACH\0EALREADY\0EINPROGRESS\0ESTALE\0EUCLEAN\0"
    "ENOTNAM\0ENAVAIL\0EISNAM\0EREMOTEIO\0EDQUOT\0ENOMEDIUM\0EMEDIUMTYPE\0ECANCELED\0ENOKEY\0"
    "EKEYEXPIRED\0EKEYREVOKED\0EKEYREJECTED\0EOWNERDEAD\0ENOTRECOVERABLE\0ERFKILL\0EHWPOISON\0"
    "EFTYPE";

constexpr char texts[] =
    "not permitted: the caller lacks the privilege, or a seal or policy forbids it\0"
    "no such file or directory\0"
    "no such process or thread\0"
    "interrupted by a signal: call again\0"
    "the device or file system failed to read or write\0"
    "no such device or address, or no reader on a FIFO\0"
    "the argument or environment list is too long\0"
    "not a program this kernel can run\0"
    "not an open descriptor, or not open for this direction\0"
    "no child to wait for\0"
    "not ready now: try again later or wait for readiness\0"
    "no memory, or over the limit on locked or mapped memory\0"
    "permission denied by file modes or policy\0"
    "a pointer given to the kernel is not valid memory\0"
    "not a block device\0"
    "busy: in use by something else\0"
    "exists already\0"
    "source and target are on different file systems\0"
    "no such device, or the device does not do this\0"
    "a part of the path is not a directory\0"
    "is a directory\0"
    "invalid argument: a value or flag this kernel does not take here\0"
    "the whole system has no free file: see fs.file-max\0"
    "this process has no free descriptor: see RLIMIT_NOFILE\0"
    "the device does not know this ioctl, or is no terminal\0"
    "the program file is open for writing\0"
    "the file would grow over its limit\0"
    "no space left on the device\0"
    "cannot seek: a pipe, socket or terminal has no position\0"
    "the file system is mounted read-only\0"
    "the file has too many links\0"
    "the other end is closed: nobody will read this\0"
    "the value is outside what the function accepts\0"
    "the answer does not fit the space or range given\0"
    "waiting would deadlock\0"
    "the name is too long\0"
    "no lock can be had: too many\0"
    "this kernel has no such system call, or a filter hides it\0"
    "the directory is not empty\0"
    "too many symbolic links on the path\0"
    "\0"
    "no message of that type\0"
    "the identifier was removed\0"
    "channel number out of range\0"
    "level 2 is not synchronized\0"
    "level 3 has halted\0"
    "level 3 was reset\0"
    "link number out of range\0"
    "no protocol driver is attached\0"
    "no CSI structure is left\0"
    "level 2 has halted\0"
    "invalid exchange\0"
    "invalid request descriptor\0"
    "the exchange is full\0"
    "no anode\0"
    "invalid request code\0"
    "invalid slot\0"
    "\0"
    "bad font file format\0"
    "not a stream device\0"
    "no such data or attribute\0"
    "the time ran out\0"
    "no stream resources are left\0"
    "the machine is not on the network\0"
    "the package is not installed\0"
    "the object is on another machine\0"
    "the link has been cut\0"
    "advertise error\0"
    "srmount error\0"
    "communication failed while sending\0"
    "protocol error\0"
    "a multihop was attempted\0"
    "RFS error\0"
    "not a valid message, or a checksum that does not match\0"
    "the value does not fit its type\0"
    "the name is not unique on the network\0"
    "the descriptor is in a bad state, or the ring is disabled\0"
    "the remote address changed\0"
    "a needed shared library cannot be read\0"
    "a shared library is damaged\0"
    "the .lib section is damaged\0"
    "too many shared libraries\0"
    "a shared library cannot be run by itself\0"
    "not a valid character sequence\0"
    "the interrupted call should be restarted\0"
    "streams pipe error\0"
    "too many users\0"
    "not a socket\0"
    "the destination address is missing\0"
    "the message is longer than the socket or transport takes\0"
    "the protocol is of the wrong type for this socket\0"
    "the protocol has no such option\0"
    "no such protocol\0"
    "no such socket type\0"
    "this file, socket or kernel does not support the operation\0"
    "no such protocol family\0"
    "the address family does not fit the socket or the kernel\0"
    "the address is in use\0"
    "the address is not one of this machine's\0"
    "the network is down\0"
    "no route to the network\0"
    "the network dropped the connection on reset\0"
    "the connection was aborted on this side\0"
    "the other side reset the connection\0"
    "no buffer is free: give some back or provide more\0"
    "connected already\0"
    "not connected\0"
    "cannot send after shutdown\0"
    "too many references: cannot splice\0"
    "the time ran out before the operation ended\0"
    "nobody listens at that address\0"
    "the host is down\0"
    "no route to the host\0"
    "under way already\0"
    "begun and not yet ended: wait for readiness\0"
    "the file handle is stale: the server no longer has the file\0"
    "the structure on disk is damaged: check the file system\0"
    "not a XENIX named file\0"
    "no XENIX semaphores\0"
    "is a named file\0"
    "remote input or output error\0"
    "over the quota\0"
    "no medium in the drive\0"
    "wrong type of medium\0"
    "canceled before it was done\0"
    "the needed key is not available\0"
    "the key has expired\0"
    "the key was revoked\0"
    "the key was rejected\0"
    "the owner of the lock died\0"
    "the state cannot be recovered\0"
    "radio is switched off\0"
    "a page of memory is damaged in hardware\0"
    "the file is of the wrong type for this operation";
// clang-format on

/// Entry `error` of a table whose first is for 1.
const char* entry_of(const char* table, i32 error) noexcept {
    const i32 wanted = error < 0 && error >= -errno_last ? -error : error;
    if (wanted < 1 || wanted > named_last) {
        return unknown;
    }
    for (i32 entry = 1; entry < wanted; ++entry) {
        while (*table != 0) {
            ++table;
        }
        ++table;
    }
    return *table == 0 ? unknown : table;
}

} // namespace

const char* errno_name(i32 error) noexcept {
    return entry_of(names, error);
}

const char* errno_text(i32 error) noexcept {
    return entry_of(texts, error);
}

} // namespace oxbow
