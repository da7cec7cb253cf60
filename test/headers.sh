#!/bin/sh
# headers.sh COMPILER...: compiles each library header alone, twice in one file, with all warnings as
# errors, as a hosted and as a freestanding program with no header path at all; then all headers
# together after the system headers whose macros (major, st_atime, sa_handler ...) clash most.
set -u
: "${JOBS:=$(nproc)}"
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
freestanding='-ffreestanding -nostdinc -nostdinc++ -fno-exceptions -fno-rtti'
nasty='errno.h sys/sysmacros.h signal.h sys/stat.h linux/io_uring.h sys/socket.h fcntl.h'
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

for compiler in "$@"; do
    [ -n "$compiler" ] || continue
    if ! command -v "$compiler" > /dev/null; then
        printf 'headers: skipped %s: not installed\n' "$compiler"
        continue
    fi
    # The files of other machines do not compile here; syscall.h includes this one's.
    here=$(echo '#include "syscall/syscall.h"' | "$compiler" -std=c++20 -I. -x c++ -MM - | tr ' ' '\n')
    headers=$(for header in syscall/*.h loop/*.h uring/*.h epoll/*.h io/*.h; do
        case "$header" in
        *'*'*) ;;
        syscall/arch_* | syscall/numbers_*) case "$here" in *"$header"*) echo "$header" ;; esac ;;
        *) echo "$header" ;;
        esac
    done)
    for mode in '' "$freestanding"; do
        # shellcheck disable=SC2016 # the inner shell expands them
        printf '%s\n' $headers | xargs -P "$JOBS" -I '{}' sh -c '
            printf "#include \"%s\"\n#include \"%s\"\n" "$1" "$1" |
                $2 -std=c++20 -I. $3 $4 -x c++ -fsyntax-only - ||
                echo "$1 does not stand alone: $2 $4" >> "$5"' \
            sh '{}' "$compiler" "$warnings" "$mode" "$failures"
    done
    {
        printf '#include <%s>\n' $nasty
        printf '#include "%s"\n' $headers
    } | $compiler -std=c++20 -I. $warnings -x c++ -fsyntax-only - ||
        echo "macros of system headers break ours: $compiler" >> "$failures"
    printf 'headers: %s: %s headers alone, hosted and freestanding, and after %s\n' \
        "$compiler" "$(printf '%s\n' $headers | wc -l)" "$nasty"
done
cat "$failures"
[ ! -s "$failures" ]
