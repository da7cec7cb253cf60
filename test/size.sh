#!/bin/sh
# size.sh PROGRAM...: prints the pinned sizes and fails on one that grew past its limit: what is in the file of
# whole programs without libc (in a folder called size), and the file of each static example.
set -u
: "${SIZE:=size}"
# The pins are what g++ makes; clang++ has always been larger at -Os.
: "${NOP_TEXT_LIMIT:=2048}"
status=0

# pin WHAT BYTES LIMIT
pin() {
    mark=ok
    if [ "$2" -ge "$3" ]; then
        mark='TOO BIG'
        status=1
    fi
    printf 'size: %-55s %6d bytes, limit %6d: %s\n' "$1" "$2" "$3" "$mark"
}

# pin_text WHAT PROGRAM LIMIT: and the program must work, where the kernel lets it.
pin_text() {
    bytes=$("$SIZE" "$2" | awk 'NR == 2 { print $1 + $2 }')
    pin "text and data of $1 (-Os)" "${bytes:?$SIZE printed nothing for $2}" "$3"
    "$2"
    case $? in
    0 | 77) ;;
    *)
        printf 'size: %s does not work: exit status %s\n' "$2" $?
        status=1
        ;;
    esac
}

for program in "$@"; do
    case $program in
    */size/nop) pin_text 'a NOP round trip' "$program" "$NOP_TEXT_LIMIT" ;;
    */size/loop_uring) pin_text 'a timer and a socket on io_uring' "$program" 28672 ;;
    */size/loop_epoll) pin_text 'a timer and a socket on epoll' "$program" 28672 ;;
    */size/loop_both) pin_text 'a timer and a socket on either' "$program" 40960 ;;
    */tour-static) pin "file ${program##*/}" "$(wc -c < "$program")" 98304 ;;
    */info-static) pin "file ${program##*/}" "$(wc -c < "$program")" 45056 ;;
    *) pin "file ${program##*/}" "$(wc -c < "$program")" 40960 ;;
    esac
done
exit $status
