#!/bin/sh
# Runs one benchmark case on every subject, interleaved, and prints medians and their ratios.
# Usage: BUILD=build CASE=nop|deadlines FORMAT=table|json ROUNDS=7 sh bench/run.sh
# The subjects are the programs $BUILD/bench/CASE_WHO, as far as `make bench` could build them. Each
# takes BATCH OPERATIONS and prints nanoseconds of CPU per operation.
# Instructions come from callgrind, as the difference of two run lengths, and are exact; nanoseconds
# are medians of interleaved rounds on a machine that may be busy: read their ratios.
# CASE=deadlines needs no peer's library, so it is one program that does all of that itself.
set -eu
CASE=${CASE:-nop}
FORMAT=${FORMAT:-table}
ROUNDS=${ROUNDS:-7}
case $CASE in
    nop) batches='1 32 256' operations=400000 ;;
    deadlines) ;;
    *) echo "bench: no such case: $CASE (there are: nop, deadlines)" >&2 && exit 2 ;;
esac
case $FORMAT in
    table | json) ;;
    *) echo "bench: FORMAT is table or json, not $FORMAT" >&2 && exit 2 ;;
esac
if [ "$CASE" = deadlines ]; then
    exec "${BUILD:-build}/bench/deadlines" "$ROUNDS" "$FORMAT"
fi
set -- "${BUILD:-build}/bench/$CASE"_*
[ -x "$1" ] || { echo "bench: nothing to run: $1" >&2 && exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# who PROGRAM: the subject's name: oxbow-ring, from build/bench/nop_oxbow_ring.
who() {
    basename "$1" | sed "s/^${CASE}_//; s/_/-/g"
}

# count PROGRAM BATCH OPERATIONS: user instructions of the whole run.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" "$3" 2>&1 |
        awk '/Collected/ { print $4 }'
}

for batch in $batches; do
    round=0
    while [ $round -lt "$ROUNDS" ]; do
        for program; do
            "$program" "$batch" "$operations" >> "$work/$(who "$program")-$batch.ns"
        done
        round=$((round + 1))
    done
    for program; do
        name=$work/$(who "$program")-$batch
        sort -n "$name.ns" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' > "$name.median"
        if command -v valgrind > /dev/null; then
            short=$(count "$program" "$batch" 25600)
            long=$(count "$program" "$batch" 51200)
            awk "BEGIN { printf \"%.1f\n\", ($long - $short) / 25600 }" > "$name.instructions"
        else
            echo 'null' > "$name.instructions"
        fi
    done
done

if [ "$FORMAT" = json ]; then
    for program; do
        for batch in $batches; do
            name=$work/$(who "$program")-$batch
            printf '{"case": "%s", "who": "%s", "batch": %s, "ns": %s, "instructions": %s}\n' \
                "$CASE" "$(who "$program")" "$batch" "$(cat "$name.median")" "$(cat "$name.instructions")"
        done
    done
    exit
fi
printf '%-12s %6s %14s %18s %10s\n' "$CASE" batch 'ns CPU per op' 'instructions' 'ns / raw'
for batch in $batches; do
    for program; do
        name=$work/$(who "$program")-$batch
        raw=$work/raw-$batch.median
        ratio=-
        [ -f "$raw" ] && ratio=$(awk "BEGIN { printf \"%.3f\", $(cat "$name.median") / $(cat "$raw") }")
        printf '%-12s %6s %14s %18s %10s\n' "$(who "$program")" "$batch" "$(cat "$name.median")" \
            "$(cat "$name.instructions")" "$ratio"
    done
done
command -v valgrind > /dev/null || echo 'no instruction counts: valgrind is not installed'
