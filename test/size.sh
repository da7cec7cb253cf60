#!/bin/sh
# size.sh NOP STATIC-EXAMPLE...: prints the pinned sizes and fails on one that grew past its limit:
# the text of a whole ring round trip without libc, and the file of each static example.
set -u
: "${SIZE:=size}"
# The pin is what g++ makes; clang++ has always been larger at -Os.
nop_text_limit=${NOP_TEXT_LIMIT:-2048}
example_limit=40960
status=0

# pin WHAT BYTES LIMIT
pin() {
    mark=ok
    if [ "$2" -ge "$3" ]; then
        mark='TOO BIG'
        status=1
    fi
    printf 'size: %-34s %6d bytes, limit %6d: %s\n' "$1" "$2" "$3" "$mark"
}

nop=$1
shift
text=$("$SIZE" "$nop" | awk 'NR == 2 { print $1 }')
pin 'text of a NOP round trip (-Os)' "${text:?$SIZE printed nothing for $nop}" $nop_text_limit
"$nop" || {
    printf 'size: %s does not work: exit status %s\n' "$nop" $?
    status=1
}
for program in "$@"; do
    pin "file ${program##*/}" "$(wc -c < "$program")" $example_limit
done
exit $status
