#!/bin/sh
# fuzz.sh TEST-PROGRAM: `make fuzz`. Runs random programs on every engine, a thousand at a time, until
# two engines disagree, PROGRAMS of them have run, or it is interrupted. SEED= says where it begins;
# each thousand has the next seed, so that `SEED=n PROGRAMS=1000` repeats one.
set -u
program=$1
: "${PROGRAMS:=0}"
: "${SEED:=$(date +%s)}"
case "$PROGRAMS$SEED" in
*[!0-9]*)
    echo "fuzz: PROGRAMS and SEED are numbers, not '$PROGRAMS' and '$SEED'" >&2
    exit 2
    ;;
esac
ran=0
seed=$SEED
output=$(mktemp)
trap 'rm -f "$output"' EXIT
trap 'echo "fuzz: interrupted; $ran programs agreed, seeds $SEED to $((seed - 1))"; exit 130' INT TERM

while [ "$PROGRAMS" -eq 0 ] || [ "$ran" -lt "$PROGRAMS" ]; do
    "$program" '--filter=differential/*' "--seed=$seed" --timeout=600 > "$output" 2>&1 || {
        cat "$output"
        echo "fuzz: two engines disagree behind $ran programs that agreed: make fuzz SEED=$seed PROGRAMS=1000"
        exit 1
    }
    ran=$((ran + 1000))
    seed=$((seed + 1))
    [ $((ran % 10000)) -ne 0 ] || echo "fuzz: $ran programs agree, seeds $SEED to $((seed - 1))"
done
echo "fuzz: $ran programs agree, seeds $SEED to $((seed - 1))"
