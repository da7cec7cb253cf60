#!/bin/sh
# size.sh PROGRAM...: prints the pinned sizes and fails on one that grew past its limit: what is in the file of
# whole programs without libc (in a folder called size), and the file of each static example.
set -u
: "${SIZE:=size}"
# The limits are for what g++ makes, in percent of which others may need: clang++ has always been larger at -Os.
: "${LIMIT_PERCENT:=100}"
status=0

# pin WHAT BYTES LIMIT
pin() {
    mark=ok
    limit=$(($3 * LIMIT_PERCENT / 100))
    if [ "$2" -ge "$limit" ]; then
        mark='TOO BIG'
        status=1
    fi
    printf 'size: %-55s %6d bytes, limit %6d: %s\n' "$1" "$2" "$limit" "$mark"
}

# pin_text WHAT PROGRAM LIMIT: text, and data where WHAT says so; and the program works.
pin_text() {
    case $1 in
    'text and data'*) bytes=$("$SIZE" "$2" | awk 'NR == 2 { print $1 + $2 }') ;;
    *) bytes=$("$SIZE" "$2" | awk 'NR == 2 { print $1 }') ;;
    esac
    pin "$1 (-Oz)" "${bytes:?$SIZE printed nothing for $2}" "$3"
    works "$2"
}

# works PROGRAM: where the kernel lets it.
works() {
    "$1"
    case $? in
    0 | 77) ;;
    *)
        printf 'size: %s does not work: exit status %s\n' "$1" $?
        status=1
        ;;
    esac
}

for program in "$@"; do
    case $program in
    */size/nop) pin_text 'text of a NOP round trip' "$program" 2048 ;;
    */size/loop_uring) pin_text 'text and data of a timer and a socket on io_uring' "$program" 28160 ;;
    */size/loop_epoll) pin_text 'text and data of a timer and a socket on epoll' "$program" 23552 ;;
    */size/loop_both) pin_text 'text and data of a timer and a socket on either' "$program" 38400 ;;
    */size/unlinked) works "$program" ;;
    */tour-static) pin "file ${program##*/}" "$(wc -c < "$program")" 98304 ;;
    */info-static) pin "file ${program##*/}" "$(wc -c < "$program")" 45056 ;;
    *) pin "file ${program##*/}" "$(wc -c < "$program")" 40960 ;;
    esac
done
exit $status
