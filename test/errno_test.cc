// Every errno has a name and a meaning, in the order of its number, whichever sign it comes with;
// where the C library's header is at hand, its numbers are the same.
#include "../syscall/errno.h"
#include "../syscall/text.h"
#include "harness.h"

#if __STDC_HOSTED__ && __has_include(<errno.h>)
#include <errno.h>
#endif

namespace oxbow::test {

namespace {

struct Known {
    Errno error;
    i32 value;
    const char* name;
};

// clang-format off
constexpr Known known[] = {
    {Errno::eperm, 1, "EPERM"},
    {Errno::enoent, 2, "ENOENT"},
    {Errno::esrch, 3, "ESRCH"},
    {Errno::eintr, 4, "EINTR"},
    {Errno::eio, 5, "EIO"},
    {Errno::enxio, 6, "ENXIO"},
    {Errno::e2big, 7, "E2BIG"},
    {Errno::enoexec, 8, "ENOEXEC"},
    {Errno::ebadf, 9, "EBADF"},
    {Errno::echild, 10, "ECHILD"},
    {Errno::eagain, 11, "EAGAIN"},
    {Errno::enomem, 12, "ENOMEM"},
    {Errno::eacces, 13, "EACCES"},
    {Errno::efault, 14, "EFAULT"},
    {Errno::enotblk, 15, "ENOTBLK"},
    {Errno::ebusy, 16, "EBUSY"},
    {Errno::eexist, 17, "EEXIST"},
    {Errno::exdev, 18, "EXDEV"},
    {Errno::enodev, 19, "ENODEV"},
    {Errno::enotdir, 20, "ENOTDIR"},
    {Errno::eisdir, 21, "EISDIR"},
    {Errno::einval, 22, "EINVAL"},
    {Errno::enfile, 23, "ENFILE"},
    {Errno::emfile, 24, "EMFILE"},
    {Errno::enotty, 25, "ENOTTY"},
    {Errno::etxtbsy, 26, "ETXTBSY"},
    {Errno::efbig, 27, "EFBIG"},
    {Errno::enospc, 28, "ENOSPC"},
    {Errno::espipe, 29, "ESPIPE"},
    {Errno::erofs, 30, "EROFS"},
    {Errno::emlink, 31, "EMLINK"},
    {Errno::epipe, 32, "EPIPE"},
    {Errno::edom, 33, "EDOM"},
    {Errno::erange, 34, "ERANGE"},
    {Errno::edeadlk, 35, "EDEADLK"},
    {Errno::enametoolong, 36, "ENAMETOOLONG"},
    {Errno::enolck, 37, "ENOLCK"},
    {Errno::enosys, 38, "ENOSYS"},
    {Errno::enotempty, 39, "ENOTEMPTY"},
    {Errno::eloop, 40, "ELOOP"},
    {Errno::enomsg, 42, "ENOMSG"},
    {Errno::eidrm, 43, "EIDRM"},
    {Errno::echrng, 44, "ECHRNG"},
    {Errno::el2nsync, 45, "EL2NSYNC"},
    {Errno::el3hlt, 46, "EL3HLT"},
    {Errno::el3rst, 47, "EL3RST"},
    {Errno::elnrng, 48, "ELNRNG"},
    {Errno::eunatch, 49, "EUNATCH"},
    {Errno::enocsi, 50, "ENOCSI"},
    {Errno::el2hlt, 51, "EL2HLT"},
    {Errno::ebade, 52, "EBADE"},
    {Errno::ebadr, 53, "EBADR"},
    {Errno::exfull, 54, "EXFULL"},
    {Errno::enoano, 55, "ENOANO"},
    {Errno::ebadrqc, 56, "EBADRQC"},
    {Errno::ebadslt, 57, "EBADSLT"},
    {Errno::ebfont, 59, "EBFONT"},
    {Errno::enostr, 60, "ENOSTR"},
    {Errno::enodata, 61, "ENODATA"},
    {Errno::etime, 62, "ETIME"},
    {Errno::enosr, 63, "ENOSR"},
    {Errno::enonet, 64, "ENONET"},
    {Errno::enopkg, 65, "ENOPKG"},
    {Errno::eremote, 66, "EREMOTE"},
    {Errno::enolink, 67, "ENOLINK"},
    {Errno::eadv, 68, "EADV"},
    {Errno::esrmnt, 69, "ESRMNT"},
    {Errno::ecomm, 70, "ECOMM"},
    {Errno::eproto, 71, "EPROTO"},
    {Errno::emultihop, 72, "EMULTIHOP"},
    {Errno::edotdot, 73, "EDOTDOT"},
    {Errno::ebadmsg, 74, "EBADMSG"},
    {Errno::eoverflow, 75, "EOVERFLOW"},
    {Errno::enotuniq, 76, "ENOTUNIQ"},
    {Errno::ebadfd, 77, "EBADFD"},
    {Errno::eremchg, 78, "EREMCHG"},
    {Errno::elibacc, 79, "ELIBACC"},
    {Errno::elibbad, 80, "ELIBBAD"},
    {Errno::elibscn, 81, "ELIBSCN"},
    {Errno::elibmax, 82, "ELIBMAX"},
    {Errno::elibexec, 83, "ELIBEXEC"},
    {Errno::eilseq, 84, "EILSEQ"},
    {Errno::erestart, 85, "ERESTART"},
    {Errno::estrpipe, 86, "ESTRPIPE"},
    {Errno::eusers, 87, "EUSERS"},
    {Errno::enotsock, 88, "ENOTSOCK"},
    {Errno::edestaddrreq, 89, "EDESTADDRREQ"},
    {Errno::emsgsize, 90, "EMSGSIZE"},
    {Errno::eprototype, 91, "EPROTOTYPE"},
    {Errno::enoprotoopt, 92, "ENOPROTOOPT"},
    {Errno::eprotonosupport, 93, "EPROTONOSUPPORT"},
    {Errno::esocktnosupport, 94, "ESOCKTNOSUPPORT"},
    {Errno::eopnotsupp, 95, "EOPNOTSUPP"},
    {Errno::epfnosupport, 96, "EPFNOSUPPORT"},
    {Errno::eafnosupport, 97, "EAFNOSUPPORT"},
    {Errno::eaddrinuse, 98, "EADDRINUSE"},
    {Errno::eaddrnotavail, 99, "EADDRNOTAVAIL"},
    {Errno::enetdown, 100, "ENETDOWN"},
    {Errno::enetunreach, 101, "ENETUNREACH"},
    {Errno::enetreset, 102, "ENETRESET"},
    {Errno::econnaborted, 103, "ECONNABORTED"},
    {Errno::econnreset, 104, "ECONNRESET"},
    {Errno::enobufs, 105, "ENOBUFS"},
    {Errno::eisconn, 106, "EISCONN"},
    {Errno::enotconn, 107, "ENOTCONN"},
    {Errno::eshutdown, 108, "ESHUTDOWN"},
    {Errno::etoomanyrefs, 109, "ETOOMANYREFS"},
    {Errno::etimedout, 110, "ETIMEDOUT"},
    {Errno::econnrefused, 111, "ECONNREFUSED"},
    {Errno::ehostdown, 112, "EHOSTDOWN"},
    {Errno::ehostunreach, 113, "EHOSTUNREACH"},
    {Errno::ealready, 114, "EALREADY"},
    {Errno::einprogress, 115, "EINPROGRESS"},
    {Errno::estale, 116, "ESTALE"},
    {Errno::euclean, 117, "EUCLEAN"},
    {Errno::enotnam, 118, "ENOTNAM"},
    {Errno::enavail, 119, "ENAVAIL"},
    {Errno::eisnam, 120, "EISNAM"},
    {Errno::eremoteio, 121, "EREMOTEIO"},
    {Errno::edquot, 122, "EDQUOT"},
    {Errno::enomedium, 123, "ENOMEDIUM"},
    {Errno::emediumtype, 124, "EMEDIUMTYPE"},
    {Errno::ecanceled, 125, "ECANCELED"},
    {Errno::enokey, 126, "ENOKEY"},
    {Errno::ekeyexpired, 127, "EKEYEXPIRED"},
    {Errno::ekeyrevoked, 128, "EKEYREVOKED"},
    {Errno::ekeyrejected, 129, "EKEYREJECTED"},
    {Errno::eownerdead, 130, "EOWNERDEAD"},
    {Errno::enotrecoverable, 131, "ENOTRECOVERABLE"},
    {Errno::erfkill, 132, "ERFKILL"},
    {Errno::ehwpoison, 133, "EHWPOISON"},
    {Errno::eftype, 134, "EFTYPE"},
};
// clang-format on

constexpr u32 known_count = sizeof(known) / sizeof(known[0]);
constexpr i32 first_unnamed = 135;

[[nodiscard]] bool is_known(i32 value) noexcept {
    for (const Known& row : known) {
        if (row.value == value) {
            return true;
        }
    }
    return false;
}

} // namespace

TEST(errno_names_follow_numbers) {
    CHECK_EQ(known_count, 132u);
    for (const Known& row : known) {
        CHECK_EQ(static_cast<i32>(row.error), row.value);
        CHECK_EQ(-row.error, -row.value);
        CHECK_STREQ(errno_name(row.error), row.name);
        CHECK_STREQ(errno_name(row.value), row.name);
        CHECK_STREQ(errno_name(-row.value), row.name);
    }
}

TEST(errno_meanings_are_one_line) {
    for (const Known& row : known) {
        const char* const text = errno_text(-row.value);
        const usize length = text_length(text);
        CHECK(!text_equal(text, "errno unknown"));
        CHECK(text == errno_text(row.value));
        CHECK_GT(length, 4u);
        CHECK_LT(length, 80u);
        CHECK_NE(text[length - 1], '.');
        for (usize at = 0; at < length; ++at) {
            CHECK(text[at] >= ' ' && text[at] <= '~');
        }
    }
}

TEST(errno_meanings_differ) {
    for (u32 first = 0; first < known_count; ++first) {
        for (u32 second = first + 1; second < known_count; ++second) {
            CHECK(!text_equal(errno_text(known[first].error), errno_text(known[second].error)));
        }
    }
}

TEST(errno_without_a_name) {
    constexpr i32 strange[] = {
        0,       41,  58,  first_unnamed,   512,       4095, -4095, 4096, -4096,
        1000000, -41, -58, -2147483647 - 1, 2147483647};
    for (const i32 value : strange) {
        CHECK(!is_known(value));
        CHECK_STREQ(errno_name(value), "errno unknown");
        CHECK_STREQ(errno_text(value), "errno unknown");
    }
    for (i32 value = -5000; value <= 5000; ++value) {
        const bool named = !text_equal(errno_name(value), "errno unknown");
        CHECK_EQ(named, is_known(value < 0 ? -value : value));
    }
}

TEST(errno_results) {
    CHECK(is_error(-1));
    CHECK(is_error(-4095));
    CHECK(!is_error(-4096));
    CHECK(!is_error(0));
    CHECK(!is_error(1));
    // An address in the upper half of memory is a value, though a negative number.
    CHECK(!is_error(static_cast<long>(~0ul << 12)));
    CHECK(!is_error(static_cast<long>(~(~0ul >> 1))));
    CHECK(error_of(-22) == Errno::einval);
    CHECK(Errno::ewouldblock == Errno::eagain);
#if !defined(__powerpc64__)
    CHECK(Errno::edeadlock == Errno::edeadlk);
#endif
    CHECK(Errno::enotsup == Errno::eopnotsupp);
    static_assert(-Errno::eagain == -11);
}

#if defined(EAGAIN)

namespace {

struct System {
    Errno ours;
    i32 theirs;
};

// clang-format off
constexpr System system_numbers[] = {
    {Errno::eperm, EPERM},
    {Errno::enoent, ENOENT},
    {Errno::esrch, ESRCH},
    {Errno::eintr, EINTR},
    {Errno::eio, EIO},
    {Errno::enxio, ENXIO},
    {Errno::e2big, E2BIG},
    {Errno::enoexec, ENOEXEC},
    {Errno::ebadf, EBADF},
    {Errno::echild, ECHILD},
    {Errno::eagain, EAGAIN},
    {Errno::enomem, ENOMEM},
    {Errno::eacces, EACCES},
    {Errno::efault, EFAULT},
    {Errno::enotblk, ENOTBLK},
    {Errno::ebusy, EBUSY},
    {Errno::eexist, EEXIST},
    {Errno::exdev, EXDEV},
    {Errno::enodev, ENODEV},
    {Errno::enotdir, ENOTDIR},
    {Errno::eisdir, EISDIR},
    {Errno::einval, EINVAL},
    {Errno::enfile, ENFILE},
    {Errno::emfile, EMFILE},
    {Errno::enotty, ENOTTY},
    {Errno::etxtbsy, ETXTBSY},
    {Errno::efbig, EFBIG},
    {Errno::enospc, ENOSPC},
    {Errno::espipe, ESPIPE},
    {Errno::erofs, EROFS},
    {Errno::emlink, EMLINK},
    {Errno::epipe, EPIPE},
    {Errno::edom, EDOM},
    {Errno::erange, ERANGE},
    {Errno::edeadlk, EDEADLK},
    {Errno::enametoolong, ENAMETOOLONG},
    {Errno::enolck, ENOLCK},
    {Errno::enosys, ENOSYS},
    {Errno::enotempty, ENOTEMPTY},
    {Errno::eloop, ELOOP},
    {Errno::enomsg, ENOMSG},
    {Errno::eidrm, EIDRM},
    {Errno::echrng, ECHRNG},
    {Errno::el2nsync, EL2NSYNC},
    {Errno::el3hlt, EL3HLT},
    {Errno::el3rst, EL3RST},
    {Errno::elnrng, ELNRNG},
    {Errno::eunatch, EUNATCH},
    {Errno::enocsi, ENOCSI},
    {Errno::el2hlt, EL2HLT},
    {Errno::ebade, EBADE},
    {Errno::ebadr, EBADR},
    {Errno::exfull, EXFULL},
    {Errno::enoano, ENOANO},
    {Errno::ebadrqc, EBADRQC},
    {Errno::ebadslt, EBADSLT},
    {Errno::ebfont, EBFONT},
    {Errno::enostr, ENOSTR},
    {Errno::enodata, ENODATA},
    {Errno::etime, ETIME},
    {Errno::enosr, ENOSR},
    {Errno::enonet, ENONET},
    {Errno::enopkg, ENOPKG},
    {Errno::eremote, EREMOTE},
    {Errno::enolink, ENOLINK},
    {Errno::eadv, EADV},
    {Errno::esrmnt, ESRMNT},
    {Errno::ecomm, ECOMM},
    {Errno::eproto, EPROTO},
    {Errno::emultihop, EMULTIHOP},
    {Errno::edotdot, EDOTDOT},
    {Errno::ebadmsg, EBADMSG},
    {Errno::eoverflow, EOVERFLOW},
    {Errno::enotuniq, ENOTUNIQ},
    {Errno::ebadfd, EBADFD},
    {Errno::eremchg, EREMCHG},
    {Errno::elibacc, ELIBACC},
    {Errno::elibbad, ELIBBAD},
    {Errno::elibscn, ELIBSCN},
    {Errno::elibmax, ELIBMAX},
    {Errno::elibexec, ELIBEXEC},
    {Errno::eilseq, EILSEQ},
    {Errno::erestart, ERESTART},
    {Errno::estrpipe, ESTRPIPE},
    {Errno::eusers, EUSERS},
    {Errno::enotsock, ENOTSOCK},
    {Errno::edestaddrreq, EDESTADDRREQ},
    {Errno::emsgsize, EMSGSIZE},
    {Errno::eprototype, EPROTOTYPE},
    {Errno::enoprotoopt, ENOPROTOOPT},
    {Errno::eprotonosupport, EPROTONOSUPPORT},
    {Errno::esocktnosupport, ESOCKTNOSUPPORT},
    {Errno::eopnotsupp, EOPNOTSUPP},
    {Errno::epfnosupport, EPFNOSUPPORT},
    {Errno::eafnosupport, EAFNOSUPPORT},
    {Errno::eaddrinuse, EADDRINUSE},
    {Errno::eaddrnotavail, EADDRNOTAVAIL},
    {Errno::enetdown, ENETDOWN},
    {Errno::enetunreach, ENETUNREACH},
    {Errno::enetreset, ENETRESET},
    {Errno::econnaborted, ECONNABORTED},
    {Errno::econnreset, ECONNRESET},
    {Errno::enobufs, ENOBUFS},
    {Errno::eisconn, EISCONN},
    {Errno::enotconn, ENOTCONN},
    {Errno::eshutdown, ESHUTDOWN},
    {Errno::etoomanyrefs, ETOOMANYREFS},
    {Errno::etimedout, ETIMEDOUT},
    {Errno::econnrefused, ECONNREFUSED},
    {Errno::ehostdown, EHOSTDOWN},
    {Errno::ehostunreach, EHOSTUNREACH},
    {Errno::ealready, EALREADY},
    {Errno::einprogress, EINPROGRESS},
    {Errno::estale, ESTALE},
    {Errno::euclean, EUCLEAN},
    {Errno::enotnam, ENOTNAM},
    {Errno::enavail, ENAVAIL},
    {Errno::eisnam, EISNAM},
    {Errno::eremoteio, EREMOTEIO},
    {Errno::edquot, EDQUOT},
    {Errno::enomedium, ENOMEDIUM},
    {Errno::emediumtype, EMEDIUMTYPE},
    {Errno::ecanceled, ECANCELED},
    {Errno::enokey, ENOKEY},
    {Errno::ekeyexpired, EKEYEXPIRED},
    {Errno::ekeyrevoked, EKEYREVOKED},
    {Errno::ekeyrejected, EKEYREJECTED},
    {Errno::eownerdead, EOWNERDEAD},
    {Errno::enotrecoverable, ENOTRECOVERABLE},
    {Errno::erfkill, ERFKILL},
    {Errno::ehwpoison, EHWPOISON},
#if defined(EFTYPE)
    {Errno::eftype, EFTYPE},
#endif
    {Errno::ewouldblock, EWOULDBLOCK},
    {Errno::edeadlock, EDEADLOCK},
    {Errno::enotsup, ENOTSUP},
};
// clang-format on

constexpr bool same_as_system() noexcept {
    for (const System& row : system_numbers) {
        if (static_cast<i32>(row.ours) != row.theirs) {
            return false;
        }
    }
    return true;
}
static_assert(same_as_system());

} // namespace

TEST(errno_numbers_are_the_systems) {
    for (const System& row : system_numbers) {
        CHECK_EQ(static_cast<i32>(row.ours), row.theirs);
    }
}

#endif

} // namespace oxbow::test
