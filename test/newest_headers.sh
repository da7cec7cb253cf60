#!/bin/sh
# newest_headers.sh: compares our io_uring structs and constants with the kernel headers of several
# Debian suites, the newest among them, and asks of the newest whether it has a name that we lack.
# The headers (package linux-libc-dev) come through a package list of this script's own from the
# mirror that the system's apt uses, and stay in $BUILD/headers for a week. Nothing is installed.
#
#   SUITES='sid trixie' sh test/newest_headers.sh       other suites
#   HEADERS='/a/usr/include /b' sh test/newest_headers.sh    these header directories, and no download
#
# Our ABI is written after the headers of Linux 7.3. What a newer header has besides is a failure only
# with NEWER=fail: a kernel that comes out is no fault of a change made that day.
set -u
known_version=$((7 * 65536 + 3 * 256 + 255))
: "${BUILD:=build}" "${NEWER:=skip}" "${CXX:=g++}" "${OTHER_CXX:=clang++}" "${HEADERS:=}"
: "${SUITES:=sid trixie-backports trixie bullseye}"
. ./test/tally.sh
. ./test/mirror.sh
mkdir -p "$BUILD/headers"
store=$(cd "$BUILD/headers" && pwd)

# fetch MIRROR SUITE: leaves the headers in $store/SUITE, and what apt said in $store/SUITE.log.
fetch() {
    directory=$store/$2
    if [ -n "$(find "$directory/fetched" -mtime -7 2> /dev/null)" ]; then return; fi
    rm -rf "$directory"
    make_list "$directory" "$1" "$2"
    options=$(apt_options "$directory")
    # shellcheck disable=SC2086 # a list of options
    (
        cd "$directory" || exit 1
        apt-get $options -q update && apt-get $options -q download linux-libc-dev || exit 1
        dpkg-deb --fsys-tarfile linux-libc-dev_*.deb | tar -x --wildcards './usr/include/linux/*' || exit 1
        rm -rf lists cache linux-libc-dev_*.deb
        date > fetched
    ) > "$store/$2.log" 2>&1
}

version_of() { awk '/LINUX_VERSION_CODE/ { print $3 }' "$1/linux/version.h"; }

# compare DIRECTORY COMPILER: runs the test against these headers. The test needs only the harness, and
# the harness only syscall/, so the rest is left out; those objects are made once per compiler.
compare() {
    build=$store/$(basename "$2")
    rm -f "$build/test/obj/test/abi_header_test.o" "$build/test/oxbow-test"
    # The environment and not CPPFLAGS: a change of flags would make everything anew.
    # shellcheck disable=SC2016 # make expands it
    CPLUS_INCLUDE_PATH=$1 $MAKE BUILD="$build" CXX="$2" SANITIZE= ALL='$(SYSCALL)' \
        TESTS='$(HARNESS) test/abi_header_test.cc' "$build/test/oxbow-test" || return
    if ! "$build/test/oxbow-test" --filter='abi_header_*' --verbose > "$store/log" 2>&1; then
        cat "$store/log"
        return 1
    fi
    grep -v 'not in this header' "$store/log"
    if ! grep -q "constants with $(version_of "$1")\b" "$store/log"; then
        echo "the test was not compiled with the headers in $1"
        return 1
    fi
}

# judge DIRECTORY TITLE COMMAND...: a step, or for headers newer than we know a skip where it fails.
judge() {
    directory=$1
    title=$2
    shift 2
    if [ "$NEWER" = fail ] || [ "$(version_of "$directory")" -le $known_version ]; then
        step "$title" "$@"
    elif "$@" > "$store/newer.log" 2>&1; then
        step "$title" true
    else
        cat "$store/newer.log"
        skip "$title" 'newer than Linux 7.3, and it has more than we know (NEWER=fail makes it a failure)'
    fi
}

step 'structs in abi_structs.inc' sh test/abi_names.sh

directories=$HEADERS
if [ -z "$directories" ]; then
    address=$(mirror)
    for suite in $SUITES; do
        if [ -z "$address" ]; then
            skip "headers of $suite" 'no Debian mirror in the configuration of apt; HEADERS names directories to use instead'
        elif fetch "$address" "$suite"; then
            directories="$directories $store/$suite/usr/include"
        else
            skip "headers of $suite" "$(grep -E '^(E|W|Err)' "$store/$suite.log" | tail -n 1)"
        fi
    done
fi

newest=
for directory in $directories; do
    for compiler in "$CXX" "$OTHER_CXX"; do
        command -v "$compiler" > /dev/null || continue
        judge "$directory" "headers of Linux $(version_of "$directory" |
            awk '{ printf "%d.%d.%d", $1 / 65536, $1 / 256 % 256, $1 % 256 }'), $compiler, $directory" \
            compare "$directory" "$compiler"
    done
    if [ -z "$newest" ] || [ "$(version_of "$directory")" -gt "$(version_of "$newest")" ]; then
        newest=$directory
    fi
done
if [ -n "$newest" ]; then judge "$newest" "names in $newest" sh test/abi_names.sh "$newest"; fi
summary
