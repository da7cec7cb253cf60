#!/bin/sh
# cross.sh [VARIANT...]: for each machine, compiles and links everything that needs no libc with all
# warnings as errors, compares our system-call numbers, constants and structs with that machine's
# headers, checks symbols and headers, and runs tests: all of them where this kernel runs the program
# itself (i386 on x86-64); and those of the loops, on epoll, in qemu-user, which has no io_uring: there
# for every machine, this one too.
# arm is built in both of its instruction sets, and again at -O0 with frame pointers, where r7
# holds both the frame and the system-call number: of the tests, those of the system calls.
set -u
: "${BUILD:=build}" "${EFFORT:=5}"
. ./test/tally.sh
. ./test/without_rings.sh
frame='-O0 -fno-omit-frame-pointer'

machine_tests='arch_*,memory_*,abi_*,errno_*,text_*,prep_*,call_pair_*'

# emulated NAME PROGRAM EMULATOR FILTER: runs tests in qemu-user.
emulated() {
    if command -v "$3" > /dev/null; then
        step "$1: in $3" "$3" "$2" "--effort=$EFFORT" "--filter=$4"
    else
        skip "$1: tests" "$3 is not installed (Debian: qemu-user-static)"
    fi
}

# The name of a variant, the prefix of its tools, its package, its emulator, and its flags.
variants="i386      i686-linux-gnu-      g++-i686-linux-gnu      qemu-i386-static
aarch64   aarch64-linux-gnu-   g++-aarch64-linux-gnu   qemu-aarch64-static
arm       arm-linux-gnueabihf- g++-arm-linux-gnueabihf qemu-arm-static     -marm
thumb     arm-linux-gnueabihf- g++-arm-linux-gnueabihf qemu-arm-static     -mthumb
arm-O0    arm-linux-gnueabihf- g++-arm-linux-gnueabihf qemu-arm-static     -marm $frame
thumb-O0  arm-linux-gnueabihf- g++-arm-linux-gnueabihf qemu-arm-static     -mthumb $frame
riscv64   riscv64-linux-gnu-   g++-riscv64-linux-gnu   qemu-riscv64-static
s390x     s390x-linux-gnu-     g++-s390x-linux-gnu     qemu-s390x-static
ppc64le   powerpc64le-linux-gnu- g++-powerpc64le-linux-gnu qemu-ppc64le-static"

while read -r name prefix package emulator flags; do
    case " $* " in *" $name "* | '  ') ;; *) continue ;; esac
    if ! command -v "${prefix}g++" > /dev/null; then
        skip "$name" "${prefix}g++ is not installed (Debian: $package)"
        continue
    fi
    out=$BUILD/cross/$name
    case "$name" in
    thumb | *-O0) headers= ;; # the same compiler's headers have just been checked
    *) headers=headers ;;
    esac
    # The flags of all tests are those of kernel/check.sh, which builds in the same place.
    # shellcheck disable=SC2016 # make expands it
    case "$name" in
    *-O0) test_flags='' tests='TESTS=$(HARNESS) $(MACHINE_TESTS)' filter='arch_*,memory_*,errno_*,text_*,call_pair_*' ;;
    *) test_flags='-O1 -g0' tests='' filter=$machine_tests,$without_rings ;;
    esac
    program=$out/test/oxbow-test-freestanding
    step "$name: build" $make BUILD="$out" CROSS_COMPILE="$prefix" \
        CXX="${prefix}g++" CXXFLAGS="$flags" TEST_CXXFLAGS="$test_flags" OTHER_CXX= ${tests:+"$tests"} \
        cross-programs $headers || continue
    if "$program" --list > /dev/null 2>&1; then
        step "$name: all tests, on this kernel" "$program" --effort=25 "--jobs=$((4 * JOBS))"
        emulated "$name" "$program" "$emulator" "$without_rings"
    else
        emulated "$name" "$program" "$emulator" "$filter"
    fi
done << END
$variants
END
machine=$(uname -m)
case " $* " in
*" $machine "* | '  ')
    program=$BUILD/test/oxbow-test-freestanding
    step "$machine: build" $make BUILD="$BUILD" "$program" &&
        emulated "$machine" "$program" "qemu-$machine-static" "$without_rings"
    ;;
esac
summary
