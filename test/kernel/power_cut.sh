#!/bin/sh
# power_cut.sh [control]: `make check-power-cut`. Cuts the power of a machine that appends records to
# files (test/power_cut), and looks after the next boot whether each record is there of which it had
# said so on its console. The power cut is a SIGKILL for QEMU at a random moment: what the machine had
# only in its memory is gone, what its NVMe drive had taken is not.
#
# Each engine gets a new disk with ext4, and CUTS cuts. A boot first looks at what the one before it
# left, and then goes on appending: in turn with a write and an fdatasync chained behind it, with
# O_DIRECT and O_DSYNC, with RWF_DSYNC, and with O_DIRECT and O_DSYNC in room that is allocated. The last
# boot only looks, with the other engine. Then the controls, which alone are run with the argument: ways
# to append that acknowledge too soon, with which records must get lost, or this test could not see it.
# Last line: `N passed, N failed, N skipped`, where a cut counts as one, a control as one, and the other
# engine's look as one.
#
#   CUTS=20  ENGINES='io_uring epoll'
#   KERNELS=x86_64-6.12    names of kernels.txt with NVMe and ext4 built in: Debian's cloud kernels
#   SEED=N                 of ways, numbers in flight and moments, the same for each engine; a moment
#                          is so many acknowledgements and milliseconds, and so never quite the same
#   DISK_MIB=512           the disk's size, 128 or more; a new one is made when the records take a
#                          quarter of it
set -u
cd "$(dirname "$0")/../.." || exit 2
: "${BUILD:=build}" "${CUTS:=20}" "${ENGINES:=io_uring epoll}" "${KERNELS:=x86_64-6.12}" "${DISK_MIB:=512}"
: "${SEED:=$(date +%s)}" "${KERNEL_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/oxbow/kernels}"
PATH=$PATH:/usr/sbin:/sbin # mke2fs
. ./test/tally.sh
mkdir -p "$BUILD/power-cut" || exit 2
out=$(cd "$BUILD/power-cut" && pwd)
for number in "$CUTS" "$SEED" "$DISK_MIB"; do
    case "$number" in
    0* | *[!0-9]*)
        echo "power_cut.sh: CUTS, SEED and DISK_MIB are numbers above 0, not '$number'" >&2
        exit 2
        ;;
    esac
done
cuts_of_control=8 # in how many of them a faulty way must have lost something

# draw N: makes $drawn a number below N, of the sequence that begins with SEED.
draw() {
    random=$(((random * 1103515245 + 12345) % 2147483648))
    drawn=$((random / 65536 % $1))
}

# new_disk: with no file on it, so that nothing of it is to be held against a boot.
new_disk() {
    rm -f "$out/disk" "$out/cut" "$out/held"
    truncate -s "${DISK_MIB}M" "$out/disk" && mke2fs -q -t ext4 -b 4096 -m 0 "$out/disk"
}

# start ARGUMENT...: boots with the program behind our back. $out/status is there when it has ended.
start() {
    rm -f "$out/pid" "$out/status"
    : > "$out/console"
    {
        MEMORY=512 SECONDS_MAX=120 APPEND=nvme_core.io_timeout=10 DEVICES="-drive file=$out/disk,if=none,id=disk,format=raw,cache=writeback \
            -device nvme,drive=disk,serial=oxbow -pidfile $out/pid" \
            sh test/kernel/boot.sh "$kernel" "$machine" "$program" "$@" > "$out/console" 2>&1
        echo $? > "$out/status"
    } &
    boot=$!
}

# pull_plug: ends QEMU, which leaves the file with its id only where it did not end by itself.
pull_plug() { kill -KILL "$(cat "$out/pid" 2> /dev/null)" 2> /dev/null; }

# is_mute: whether the drive has stopped to answer before the disk was mounted, as that of QEMU 7.2 does in
# one of twenty boots of Linux 5.10, while it reads the journal. Such a boot has changed nothing.
is_mute() {
    grep -q 'I/O error, dev nvme0n1' "$out/console" && grep -q '^power-cut: no ext4 .*: EIO' "$out/console" || return
    mute=$((mute + 1))
    echo "     the drive did not answer; once more"
    [ "$mute" -le 10 ]
}

# append_and_cut ACKNOWLEDGEMENTS MILLISECONDS ARGUMENT...: a boot that ends so long after so many.
append_and_cut() {
    least=$1
    milliseconds=$2
    shift 2
    start append "$@"
    while [ ! -e "$out/status" ] && [ "$(grep -c '^ack .*\.$' "$out/console")" -lt "$least" ]; do sleep 0.02; done
    [ -e "$out/status" ] || sleep "$(printf '0.%03d' "$milliseconds")"
    if [ ! -e "$out/status" ] && pull_plug; then
        wait "$boot"
        return
    fi
    wait "$boot"
    if is_mute; then
        append_and_cut "$least" "$milliseconds" "$@"
        return
    fi
    echo "FAIL the boot ended before its power was cut"
    show_console
}

# look ENGINE: a boot that looks and does nothing else.
look() {
    start verify "--engine=$1"
    wait "$boot"
    [ "$(cat "$out/status")" -ne 0 ] || return 0
    if is_mute; then
        look "$1"
        return
    fi
    echo 'FAIL the boot that looks at the files did not end well'
    show_console
}

# show_console: of the boot that failed. Fails, too.
show_console() {
    mv "$out/console" "$out/failed-$name-$engine-$number.console"
    echo "the console's last lines ($out/failed-$name-$engine-$number.console):"
    tail -n 8 "$out/failed-$name-$engine-$number.console" | sed 's/^/    /'
    return 1
}

# judge: what the boot of $out/console found, held against what the one of $out/cut acknowledged, and
# against what earlier ones had found. Makes $acknowledged, $highest, $intact, $lost numbers of records.
# The number of a line that the cut has torn has no full stop behind it.
judge() {
    # shellcheck disable=SC2046 # words
    set -- $(awk -v way="$way" '
        FILENAME ~ /console$/ && /^intact [a-z_]+ [0-9]+ [0-9]+\.$/ { intact[$2] = $3 + 0 }
        FILENAME ~ /console$/ && /^behind [a-z_]+ [0-9]+\.$/ { behind[$2, $3 + 0] = 1 }
        FILENAME ~ /held$/ && $3 + 0 > intact[$2] { lost += $3 - intact[$2] }
        FILENAME ~ /cut$/ && /^ack [a-z_]+ [0-9]+\.$/ {
            acknowledged++
            if ($3 + 0 > highest) highest = $3 + 0
            if ($2 != way || ($3 + 0 > intact[$2] && !(($2, $3 + 0) in behind))) lost++
        }
        END { print acknowledged + 0, highest + 0, intact[way] + 0, lost + 0 }' "$out/console" "$out/held" "$out/cut")
    acknowledged=$1 highest=$2 intact=$3 lost=$4
    if [ "$lost" -ne 0 ]; then
        for file in cut console; do cp "$out/$file" "$out/lost-$name-$engine-$number.$file"; done
    fi
}

# verdict: what judge found, in words.
verdict() { echo "$way, $depth in flight: $acknowledged acknowledged up to $highest, $intact intact, $lost lost"; }

# after_boot: the boot of $out/console is the one that the next is held against.
after_boot() {
    grep '^intact ' "$out/console" > "$out/held"
    mv "$out/console" "$out/cut"
}

# report: judges the cut before the boot of $out/console, and prints what became of it. Fails on a loss.
report() {
    judge
    acknowledged_all=$((acknowledged_all + acknowledged))
    lost_all=$((lost_all + lost))
    if [ "$lost" -eq 0 ] && [ "$acknowledged" -gt 0 ]; then
        echo "ok   cut $number, $engine, $(verdict)"
        good=$((good + 1))
    else
        echo "FAIL cut $number, $engine, $(verdict)"
        grep '^bad ' "$out/console" | sed 's/^/    /'
        bad=$((bad + 1))
    fi
}

# next_boot: draws what is to be in it, and cuts it.
next_boot() {
    draw "$depth_max"
    depth_next=$((drawn + 1))
    draw 400
    least_next=$((drawn + 1))
    draw 800
    append_and_cut $least_next "$drawn" "--engine=$engine" "--way=$1" "--depth=$depth_next" "--seed=$((SEED + number + 1))"
}

other_engine() { if [ "$engine" = epoll ]; then echo io_uring; else echo epoll; fi; }

is_disk_full() {
    awk -v limit="$((DISK_MIB << 18))" '/^intact / { bytes += $4 } END { exit bytes <= limit }' "$out/held" 2> /dev/null
}

# cuts ENGINE: the real ones.
cuts() {
    engine=$1 random=$SEED depth_max=16 mute=0 good=0 bad=0 acknowledged_all=0 lost_all=0 number=0
    trap 'pull_plug; exit 130' INT TERM HUP
    new_disk || return
    while [ "$number" -lt "$CUTS" ]; do
        if is_disk_full; then
            look "$engine" || break
            report
            new_disk || break
        fi
        # shellcheck disable=SC2086 # a list
        set -- $ways
        shift $((number % $#))
        way_next=$1
        next_boot "$way_next" || break
        if [ -e "$out/cut" ]; then report; fi
        number=$((number + 1)) way=$way_next depth=$depth_next
        after_boot
    done
    if [ "$number" -eq "$CUTS" ] && look "$(other_engine)"; then
        report
        echo "ok   $(other_engine) reads what $engine wrote"
        good=$((good + 1))
    else
        bad=$((bad + 1))
    fi
    echo "$engine: $number cuts, $lost_all of $acknowledged_all acknowledged records lost"
    echo "$good passed, $bad failed, 0 skipped"
    [ "$bad" -eq 0 ]
}

# control ENGINE WAY: a faulty way to append, until it has lost something. With few in flight: another
# record's fdatasync can save one that was acknowledged too soon.
control() {
    engine=$1 way=$2 random=$SEED depth_max=4 mute=0 number=0
    trap 'pull_plug; exit 130' INT TERM HUP
    new_disk || return
    while [ "$number" -lt "$cuts_of_control" ]; do
        next_boot "$way" || return
        number=$((number + 1)) depth=$depth_next
        after_boot
        look "$engine" || return
        judge
        if [ "$lost" -gt 0 ]; then
            rm -f "$out/lost-$name-$engine-$number".*
            echo "ok   caught in cut $number, $engine, $(verdict)"
            return 0
        fi
        echo "     nothing in cut $number, $engine, $(verdict)"
    done
    echo "FAIL $way loses nothing in $number cuts: what is faulty would not be seen"
    return 1
}

# why_not: says why there can be no boot of kernel $name on $machine.
why_not() {
    case "$machine" in
    x86_64 | aarch64) ;;
    *) echo "no cloud kernel is called $name" && return ;;
    esac
    for tool in "${prefix}g++" "qemu-system-$machine" cpio mke2fs; do
        command -v "$tool" > /dev/null || echo "$tool is not installed"
    done
    sh test/kernel/fetch.sh "$name"
}

echo "SEED=$SEED"
for name in $KERNELS; do
    machine=$(awk -v name="$name" '$1 == name { print $4 }' test/kernel/kernels.txt)
    if [ -z "$machine" ]; then
        echo "power_cut.sh: no kernel $name in test/kernel/kernels.txt" >&2
        exit 2
    fi
    kernel=$KERNEL_CACHE/$name/vmlinuz
    prefix=$machine-linux-gnu- directory=$BUILD/cross/$machine
    if [ "$machine" = "$(uname -m)" ]; then prefix='' directory=$BUILD; fi
    program=$directory/test/power-cut
    why=$(why_not)
    if [ -n "$why" ]; then
        skip "$name" "$why"
        continue
    fi
    step "$name: build" $make BUILD="$directory" CROSS_COMPILE="$prefix" CXX="${prefix}g++" "$program" || continue
    # Linux 5.10 syncs such a write before it has noted the file's new size, and loses the last record,
    # with pwrite(2) as with a loop; "ext4: properly sync file size update after O_SYNC direct IO", in 6.7
    # and in Debian's 6.1.
    case "$name" in
    *-5.10)
        ways='sync dsync allocated'
        skip "$name: direct" 'ext4 of 5.10 loses what O_DIRECT and O_DSYNC have appended'
        ;;
    *) ways='sync direct dsync allocated' ;;
    esac
    for engine in $ENGINES; do
        again="make check-power-cut KERNELS=$name ENGINES=$engine CUTS=$CUTS SEED=$SEED"
        [ "${1:-}" = control ] || step "$name: $CUTS cuts with $engine" cuts "$engine"
        for way in early unsynced unsynced_direct; do
            step "$name: control with $engine: $way" control "$engine" "$way"
        done
    done
done
rm -f "$out/disk" "$out/pid" "$out/status"
summary
