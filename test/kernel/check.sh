#!/bin/sh
# check.sh: `make check-kernel`. Boots kernels in QEMU with the static test program as the first and only
# process and prints what passed, failed and was skipped on each; the consoles, the results and the
# table (table.md, table.tap, and matrix.md for README) stay in $BUILD/kernel.
#
#   KERNELS=core       set `core` of kernels.txt and variants.txt (the default); all: every one of them;
#                      or names, with +VARIANT or without
#   KERNEL=FILE        a kernel that somebody has built, of machine ARCH (x86_64, i386, aarch64, arm,
#                      riscv64, s390x, ppc64le; default: this one)
#   TESTS=FILTER       the tests to run, as --filter of the test program: '*' for all of them. Else what
#                      is in kernels.txt leaves some out (below), and a variant has tests of its own.
#   EFFORT=PERCENT     of the rounds that long tests make on a real machine
set -u
cd "$(dirname "$0")/../.." || exit 2
: "${BUILD:=build}" "${JOBS:=$(nproc)}" "${KERNELS:=core}" "${KERNEL:=}" "${TESTS:=}" "${EFFORT:=5}"
: "${ARCH:=$(uname -m)}" "${KERNEL_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/oxbow/kernels}"
. ./test/tally.sh
mkdir -p "$BUILD/kernel" || exit 2
out=$(cd "$BUILD/kernel" && pwd)
# What asks the kernel nothing or pretends that it is older than it is, and what wants a disk.
all_tests='-disk_*,-harness_*,-prep_*,-deadlines_*,-copy_engine_*,-info_*,-hook_*,-fake_*,-list_*,-fault_*'
all_tests="$all_tests,-differential*,-loop_scale_*,-*/uring_as_*,-*/epoll_ms,-*_32768"
# For a set that runs often, nor what takes long, nor loops and rings that differ little from others.
core_tests="$all_tests,-loop_pitfall_*,-epoll_storm*,-loop_cancel_race*,-loop_op_zero_copy_send_waits*,-*/uring_1"
for ring in attach_wq clamp coop_taskrun cqe32 cqsize no_sqarray r_disabled registered_fd_only single_issuer sq_aff sqe128 submit_all; do
    core_tests="$core_tests,-*/${ring}_1"
done

plain_tests=
names_of() {
    awk -v set="$1" '/^[^#]/ && (set == "all" || $2 == set) { print $1 }' test/kernel/kernels.txt test/kernel/variants.txt
}

# The boots, a line each: name, set, program, machine.
list=
if [ -n "$KERNEL" ]; then
    list="given - $ARCH $ARCH"
    names=
elif [ "$KERNELS" = core ] || [ "$KERNELS" = all ]; then
    if [ "$KERNELS" = core ]; then plain_tests=$core_tests; else plain_tests=$all_tests; fi
    names=$(names_of "$KERNELS")
else
    plain_tests=$all_tests
    names=$KERNELS
fi
for name in $names; do
    line=$(awk -v name="$name" -v kernel="${name%%+*}" '$1 == kernel { print name, $2, $3, $4 }' test/kernel/kernels.txt)
    if [ -z "$line" ]; then
        echo "check.sh: no kernel $name in test/kernel/kernels.txt"
        exit 2
    fi
    list="$list$line
"
done

# build PROGRAM: makes $out/PROGRAM, the test program of a machine, without what only debuggers read.
build() {
    case "$1" in
    x86_64) prefix='' flags='' ;;
    i386) prefix=i686-linux-gnu- flags='' ;;
    aarch64 | riscv64 | s390x) prefix=$1-linux-gnu- flags='' ;;
    arm) prefix=arm-linux-gnueabihf- flags=-marm ;;
    thumb) prefix=arm-linux-gnueabihf- flags=-mthumb ;;
    ppc64le) prefix=powerpc64le-linux-gnu- flags='' ;;
    *)
        echo "no program for $1"
        return 1
        ;;
    esac
    if [ "$1" = "$(uname -m)" ]; then prefix=''; fi
    command -v "${prefix}g++" > /dev/null || {
        echo "${prefix}g++ is not installed"
        return 1
    }
    if [ -z "$prefix" ]; then directory=$BUILD tests=${TEST_CXXFLAGS:-}; else directory=$BUILD/cross/$1 tests='-O1 -g0'; fi
    $make BUILD="$directory" CROSS_COMPILE="$prefix" CXX="${prefix}g++" CXXFLAGS="$flags" TEST_CXXFLAGS="$tests" \
        "$directory/test/oxbow-test-freestanding" || return
    "${prefix}strip" -o "$out/$1" "$directory/test/oxbow-test-freestanding"
}

for program in $(echo "$list" | awk 'NF { print $3 }' | sort -u); do
    rm -f "$out/$program"
    step "$program: build" build "$program"
done
# In one process, so that each package list is read once.
if [ -z "$KERNEL" ]; then
    # shellcheck disable=SC2046,SC2086 # names
    sh test/kernel/fetch.sh $(for name in $names; do echo "${name%%+*}"; done | sort -u) > "$out/fetch.log" || cat "$out/fetch.log"
fi

export KERNEL KERNEL_CACHE TESTS EFFORT
echo "$list" | awk 'NF { print $1, $3, $4 }' |
    PLAIN_TESTS=$plain_tests xargs -P "$JOBS" -n 3 sh test/kernel/one.sh "$out"

number=0
{
    echo '| boot | Debian package | passed | failed | skipped | for want of what came with Linux ... (tests), or because |'
    echo '|---|---|---|---|---|---|'
} > "$out/table.md"
: > "$out/table.tap"
for name in $(echo "$list" | awk 'NF { print $1 }'); do
    IFS='|' read -r kernel program package good bad none seconds note < "$out/$name.row"
    number=$((number + 1))
    reasons=$note
    if [ "$good" != - ]; then reasons=$(awk -f test/kernel/reasons.awk "$out/$name.log")${note:+; $note}; fi
    echo "| $kernel | ${package#linux-*-} | $good | $bad | $none | $reasons |" >> "$out/table.md"
    title="$kernel with $program: $good passed, $bad failed, $none skipped, $seconds s"
    if [ "$good" = - ]; then
        skip "$kernel" "$note"
        echo "ok $number - $kernel # SKIP $note" >> "$out/table.tap"
    elif [ -n "$note" ] || [ "$bad" != 0 ] || [ "$good" = 0 ]; then
        echo "FAIL $title${note:+: $note}"
        grep -a '^FAIL' "$out/$name.log" | head -n 20
        echo "the console's last lines ($out/$name.log):"
        tail -n 8 "$out/$name.log" | sed 's/^/    /'
        echo "not ok $number - $title" >> "$out/table.tap"
        count "$good" "$((bad + (bad == 0)))" "$none"
    else
        echo "ok   $title"
        grep -a '^boot.sh: ' "$out/$name.log"
        echo "ok $number - $title" >> "$out/table.tap"
        count "$good" 0 "$none"
    fi
done
echo "1..$number" >> "$out/table.tap"
awk -f test/kernel/matrix.awk "$out/table.md" > "$out/matrix.md"
summary
