#!/bin/sh
# one.sh DIRECTORY NAME PROGRAM MACHINE: one boot of check.sh, which sets the environment; NAME is that of
# a kernel or KERNEL+VARIANT. Leaves the console in DIRECTORY/NAME.log, and in DIRECTORY/NAME.row what
# became of it:
#
#   name|program|package|passed|failed|skipped|seconds|why it is no result
set -u
out=$1
name=$2
program=$3
machine=$4
row() { echo "$name|$program|$1" > "$out/$name.row"; }
rm -f "$out/$name.row" "$out/$name.log"

kernel=$KERNEL
package=$KERNEL
if [ -z "$KERNEL" ]; then
    kernel=$KERNEL_CACHE/${name%%+*}/vmlinuz
    package=$(cat "$KERNEL_CACHE/${name%%+*}/package" 2> /dev/null)
fi
if [ ! -r "$kernel" ]; then
    row "-|-|-|-|-|$(sed -n "s/^${name%%+*}: //p" "$out/fetch.log" 2> /dev/null | tail -n 1)"
    exit
fi
if [ ! -r "$out/$program" ]; then
    row "$package|-|-|-|-|the program could not be built"
    exit
fi

# What a kernel that somebody built has carried back is theirs to know.
if [ -n "$KERNEL" ]; then strict=''; else strict=--strict; fi

# boot [ARGUMENT...]: prints the console.
boot() {
    # shellcheck disable=SC2086 # an argument or none
    sh test/kernel/boot.sh "$kernel" "$machine" "$out/$program" $strict \
        --jobs=4 --timeout=120 --progress=20 --effort="$EFFORT" ${TESTS:+"--filter=$TESTS"} "$@" 2>&1
}

. ./test/without_rings.sh
# Where threads meet.
with_threads='loop_thread_*/uring,loop_thread_*/epoll,wait_thread_*,worker_pool_*,remote_queue_*,loop_cancel_race*/uring,loop_cancel_race*/epoll'
# What reads and writes files, for kernels that have the driver of NVMe drives and ext4 built in.
on_disks='disk_*,iopoll_*,ring_file_*,ring_linked_*,zig_*,-*_32768'
for operation in file openat statx sync sizes advice names attributes splice; do
    on_disks="$on_disks,loop_op_$operation*"
done
for operation in read write fsync sync fallocate ftruncate fadvise openat statx renameat unlinkat symlinkat xattr protection; do
    on_disks="$on_disks,op_$operation*"
done
for step in openat statx names whole_files attributes file vectors all_in_steps read_into; do
    on_disks="$on_disks,perform_$step*"
done

started=$(date +%s)
case "$name" in
*+seccomp | *+sysctl)
    export APPEND="OXBOW_REFUSE=${name#*+}"
    : "${TESTS:=$without_rings}"
    boot > "$out/$name.log"
    ;;
*+disk)
    export DISK=1
    : "${TESTS:=$on_disks}"
    boot > "$out/$name.log"
    ;;
*+two-cpus)
    export CPUS=2
    : "${TESTS:=$with_threads}"
    boot > "$out/$name.log"
    ;;
*+icount-*)
    # Time is the number of instructions, so that threads are interrupted elsewhere than usual.
    export DEVICES="-icount shift=${name##*-}"
    : "${TESTS:=$with_threads}"
    boot > "$out/$name.log"
    ;;
*+replay)
    # Played again, a recorded run prints the same, with the same times.
    : "${TESTS:=loop_thread_*/uring,loop_thread_*/epoll,wait_thread_*}"
    export DEVICES="-icount shift=4,rr=record,rrfile=$out/$name.events -net none"
    boot --seed=1 > "$out/$name.log"
    status=$?
    export DEVICES="-icount shift=4,rr=replay,rrfile=$out/$name.events -net none"
    boot --seed=1 > "$out/$name.again"
    rm -f "$out/$name.events"
    if ! cmp "$out/$name.log" "$out/$name.again" >> "$out/$name.log" 2>&1; then status=124; fi
    (exit $status)
    ;;
*)
    : "${TESTS:=$PLAIN_TESTS}"
    boot > "$out/$name.log"
    ;;
esac
status=$?
seconds=$(($(date +%s) - started))
counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1|\2|\3/p' "$out/$name.log" | tail -n 1)
case "$status" in
126) row "$package|-|-|-|-|$(tail -n 1 "$out/$name.log")" ;;
124) row "$package|${counts:-0|0|0}|$seconds|the replay differs from what was recorded" ;;
0 | 1) row "$package|${counts:-0|0|0}|$seconds|" ;;
*) row "$package|${counts:-0|0|0}|$seconds|no end came: $(grep -aE 'Kernel panic|Oops|BUG:' "$out/$name.log" | head -n 1)" ;;
esac
