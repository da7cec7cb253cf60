#!/bin/sh
# demo.sh COPY TOUR: copies a real file with the static program that has no libc, compares the two
# byte for byte, and prints its speed beside cp's; then runs one program of a loop on both engines and
# compares what it prints. MIB= sets the size of the file, TMPDIR= the place.
set -u
copy=$1
tour=$2
: "${MIB:=256}"
place=$(mktemp -d "${TMPDIR:-${copy%/*}}/oxbow-demo.XXXXXX") || exit 1
trap 'rm -rf "$place"' EXIT

free=$(df -Pm "$place" | awk 'NR == 2 { print $4 }')
if [ "$free" -lt $((3 * MIB + 64)) ]; then
    MIB=$((free / 4))
    echo "demo: little room in $place, so the file has only $MIB MiB"
fi
file "$copy" 2> /dev/null | sed 's/^/demo: /'
echo "demo: making a file of $MIB MiB that no one can guess"
head -c "${MIB}M" /dev/urandom > "$place/input" && sync "$place/input" || exit 1

# timed WORD COMMAND...: runs it and prints how fast the file went through.
timed() {
    word=$1
    shift
    sync -f "$place" # what is still to be written would slow down whoever comes next
    before=$(date +%s%N)
    "$@" || return 1
    after=$(date +%s%N)
    echo "$word $(((after - before) / 1000000)) $MIB" |
        awk '{ printf "demo: %-12s %6d ms  %7.0f MiB/s\n", $1, $2, $3 * 1000 / ($2 > 0 ? $2 : 1) }'
}

# Each twice, and the output removed between: the first round warms the page cache for both.
for round in 1 2; do
    echo "demo: round $round"
    rm -f "$place/by-oxbow" "$place/by-cp"
    timed oxbow "$copy" "$place/input" "$place/by-oxbow" || exit 1
    timed cp cp --reflink=never "$place/input" "$place/by-cp" || exit 1
done
cmp "$place/input" "$place/by-oxbow" || exit 1
echo "demo: the copy is the same, byte for byte"

echo "demo: a server with 200 clients, timers, another thread and a file on one loop"
for engine in epoll io_uring; do
    if [ $engine = io_uring ] && ! "$tour" --engine=io_uring --try > "$place/refused" 2>&1; then
        cat "$place/refused"
        echo "demo: so this kernel's loops run on epoll"
        break
    fi
    echo "demo: on $engine"
    "$tour" --engine=$engine "$place/tour.tmp" > "$place/on-$engine" || exit 1
    sed 's/^/demo:   /' "$place/on-$engine"
    cmp "$place/on-epoll" "$place/on-$engine" || exit 1
done
echo "demo: the same on every engine there is"
