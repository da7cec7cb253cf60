// The errors of system calls. The kernel returns them as small negative numbers and so does
// everything here: `result == -Errno::eagain`. Names and meanings are in errno.cc and are linked
// only into programs that ask for them. Source: include/uapi/asm-generic/errno{-base,}.h up to
// Linux 7.2, which all five machines share.
#pragma once

#include "types.h"

namespace oxbow {

/// Every error that a system call can return. errno_text says what each means.
enum class Errno : i32 {
    eperm = 1,
    enoent = 2,
    esrch = 3,
    eintr = 4,
    eio = 5,
    enxio = 6,
    e2big = 7,
    enoexec = 8,
    ebadf = 9,
    echild = 10,
    eagain = 11,
    enomem = 12,
    eacces = 13,
    efault = 14,
    enotblk = 15,
    ebusy = 16,
    eexist = 17,
    exdev = 18,
    enodev = 19,
    enotdir = 20,
    eisdir = 21,
    einval = 22,
    enfile = 23,
    emfile = 24,
    enotty = 25,
    etxtbsy = 26,
    efbig = 27,
    enospc = 28,
    espipe = 29,
    erofs = 30,
    emlink = 31,
    epipe = 32,
    edom = 33,
    erange = 34,
    edeadlk = 35,
    enametoolong = 36,
    enolck = 37,
    enosys = 38,
    enotempty = 39,
    eloop = 40,
    enomsg = 42,
    eidrm = 43,
    echrng = 44,
    el2nsync = 45,
    el3hlt = 46,
    el3rst = 47,
    elnrng = 48,
    eunatch = 49,
    enocsi = 50,
    el2hlt = 51,
    ebade = 52,
    ebadr = 53,
    exfull = 54,
    enoano = 55,
    ebadrqc = 56,
    ebadslt = 57,
    ebfont = 59,
    enostr = 60,
    enodata = 61,
    etime = 62,
    enosr = 63,
    enonet = 64,
    enopkg = 65,
    eremote = 66,
    enolink = 67,
    eadv = 68,
    esrmnt = 69,
    ecomm = 70,
    eproto = 71,
    emultihop = 72,
    edotdot = 73,
    ebadmsg = 74,
    eoverflow = 75,
    enotuniq = 76,
    ebadfd = 77,
    eremchg = 78,
    elibacc = 79,
    elibbad = 80,
    elibscn = 81,
    elibmax = 82,
    elibexec = 83,
    eilseq = 84,
    erestart = 85,
    estrpipe = 86,
    eusers = 87,
    enotsock = 88,
    edestaddrreq = 89,
    emsgsize = 90,
    eprototype = 91,
    enoprotoopt = 92,
    eprotonosupport = 93,
    esocktnosupport = 94,
    eopnotsupp = 95,
    epfnosupport = 96,
    eafnosupport = 97,
    eaddrinuse = 98,
    eaddrnotavail = 99,
    enetdown = 100,
    enetunreach = 101,
    enetreset = 102,
    econnaborted = 103,
    econnreset = 104,
    enobufs = 105,
    eisconn = 106,
    enotconn = 107,
    eshutdown = 108,
    etoomanyrefs = 109,
    etimedout = 110,
    econnrefused = 111,
    ehostdown = 112,
    ehostunreach = 113,
    ealready = 114,
    einprogress = 115,
    estale = 116,
    euclean = 117,
    enotnam = 118,
    enavail = 119,
    eisnam = 120,
    eremoteio = 121,
    edquot = 122,
    enomedium = 123,
    emediumtype = 124,
    ecanceled = 125,
    enokey = 126,
    ekeyexpired = 127,
    ekeyrevoked = 128,
    ekeyrejected = 129,
    eownerdead = 130,
    enotrecoverable = 131,
    erfkill = 132,
    ehwpoison = 133,
    eftype = 134, ///< in 7.2

    ewouldblock = eagain, ///< the same on Linux
#if defined(__powerpc64__)
    edeadlock = 58, ///< here alone a number of its own, and a program is as good as never told it
#else
    edeadlock = edeadlk, ///< the same on these machines
#endif
    enotsup = eopnotsupp, ///< the same on Linux
};

/// The number that a failed call returns: `return -Errno::einval;`.
[[nodiscard]] constexpr i32 operator-(Errno error) noexcept {
    return -static_cast<i32>(error);
}

/// Greatest errno that the kernel returns. Results from -4095 to -1 are errors; all others are
/// values, addresses in the upper half of 32-bit memory included.
inline constexpr i32 errno_last = 4095;

/// Whether a call failed, for results of either width and for addresses.
[[nodiscard]] constexpr bool is_error(long result) noexcept {
    return result < 0 && result >= -static_cast<long>(errno_last);
}

/// The error of a failed result.
[[nodiscard]] constexpr Errno error_of(long result) noexcept {
    return static_cast<Errno>(-result);
}

/// "ENOENT" for 2 and for -2; "errno unknown" for a number that Linux has not named. Never nullptr.
[[nodiscard]] const char* errno_name(i32 error) noexcept;

/// What the error means, in one line without capital or full stop. Takes either sign; "errno
/// unknown" for a number that Linux has not named. Never nullptr.
[[nodiscard]] const char* errno_text(i32 error) noexcept;

[[nodiscard]] inline const char* errno_name(Errno error) noexcept {
    return errno_name(static_cast<i32>(error));
}
[[nodiscard]] inline const char* errno_text(Errno error) noexcept {
    return errno_text(static_cast<i32>(error));
}

} // namespace oxbow
