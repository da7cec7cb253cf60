#!/bin/sh
# one.sh DIRECTORY NAME PROGRAM MACHINE: one boot of check.sh, which sets the environment. Leaves the
# console in DIRECTORY/NAME.log, and in DIRECTORY/NAME.row what became of it:
#
#   name|program|package|passed|failed|skipped|seconds|why it is no result
set -u
out=$1
name=$2
program=$3
row() { echo "$name|$program|$1" > "$out/$name.row"; }
rm -f "$out/$name.row" "$out/$name.log"

kernel=$KERNEL
package=$KERNEL
if [ -z "$KERNEL" ]; then
    kernel=$KERNEL_CACHE/$name/vmlinuz
    package=$(cat "$KERNEL_CACHE/$name/package" 2> /dev/null)
fi
if [ ! -r "$kernel" ]; then
    row "-|-|-|-|-|$(sed -n "s/^$name: //p" "$out/fetch.log" 2> /dev/null | tail -n 1)"
    exit
fi
if [ ! -r "$out/$program" ]; then
    row "$package|-|-|-|-|the program could not be built"
    exit
fi

started=$(date +%s)
APPEND="${REFUSE:+OXBOW_REFUSE=$REFUSE}" sh test/kernel/boot.sh "$kernel" "$4" "$out/$program" \
    --jobs=4 --timeout=120 --progress=20 ${TESTS:+"--filter=$TESTS"} > "$out/$name.log" 2>&1
status=$?
seconds=$(($(date +%s) - started))
counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1|\2|\3/p' "$out/$name.log" | tail -n 1)
case "$status" in
126) row "$package|-|-|-|-|$(tail -n 1 "$out/$name.log")" ;;
0 | 1) row "$package|${counts:-0|0|0}|$seconds|" ;;
*) row "$package|${counts:-0|0|0}|$seconds|no end came: $(grep -aE 'Kernel panic|Oops|BUG:' "$out/$name.log" | head -n 1)" ;;
esac
