#!/bin/sh
# readme.sh CXX: compiles and runs README's program as a user would who copied Oxbow into a folder of
# that name, so that the first thing a reader tries cannot be untrue.
set -eu
cxx=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
ln -s "$PWD" "$place/oxbow"
awk '/^```cpp/ { on = 1; next } /^```/ { on = 0 } on' README.md > "$place/main.cc"
$cxx -std=c++20 -O2 -Wall -Wextra -Wpedantic -Werror -I"$place" "$place/main.cc" syscall/*.cc \
    loop/*.cc uring/*.cc epoll/*.cc io/*.cc -o "$place/main"
answer=$("$place/main")
[ "$answer" = 'hello, loop' ] || {
    echo "readme: the program printed: $answer" >&2
    exit 1
}
lines=$(wc -l < "$place/main.cc")
[ "$lines" -le 20 ] || {
    echo "readme: the program has $lines lines, more than 20" >&2
    exit 1
}
echo "readme: the program of $lines lines builds and says: $answer"
