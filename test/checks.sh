#!/bin/sh
# Tests of the checks: each must fail on the fault that it is there for, and pass without it. A check
# that cannot fail proves nothing.
set -u
: "${CXX:=g++}"
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0
failed=0

# expect STATUS WHAT COMMAND...
expect() {
    wanted=$1
    what=$2
    shift 2
    "$@" > "$place/output" 2>&1
    got=$?
    if { [ "$got" -eq 0 ] && [ "$wanted" = pass ]; } || { [ "$got" -ne 0 ] && [ "$wanted" = fail ]; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "checks: $what: should $wanted, but ended with $got:"
        cat "$place/output"
    fi
}

# includes STATUS FILE LINE: a tree that is right but for one line in one file.
includes() {
    rm -rf "$place/tree"
    for room in syscall loop uring epoll io test example bench; do
        mkdir -p "$place/tree/$room"
        echo '#pragma once' > "$place/tree/$room/a.h"
    done
    echo '#include "../syscall/a.h"' > "$place/tree/uring/engine.cc"
    echo '#pragma once' > "$place/tree/uring/ring.h"
    printf '%s\n' "$3" >> "$place/tree/$2"
    expect "$1" "layers: '$3' in $2" sh "$here/layers.sh" "$place/tree"
}
includes pass uring/ring.h '#include "../syscall/a.h"'
includes pass uring/engine.cc '#include "../loop/a.h"'
includes pass io/b.cc '#include "../epoll/a.h"'
includes pass test/b.cc '#include "../io/a.h"'
includes pass test/b.cc '#include "../example/a.h"'
includes pass test/b.cc '#include <linux/io_uring.h>'
includes fail syscall/b.h '#include "../loop/a.h"'
includes fail loop/b.h '#include "../uring/a.h"'
includes fail uring/ring.h '#include "../loop/a.h"'
includes fail uring/ring.h '#include "engine.cc"'
includes fail uring/engine.cc '#include "../epoll/a.h"'
includes fail epoll/b.h '#include "../uring/a.h"'
includes fail io/b.h '#include "../test/a.h"'
includes fail example/b.cc '#include "../test/a.h"'
includes fail bench/b.cc '#include "../test/a.h"'
includes fail test/harness.h '#include "../uring/a.h"'
includes fail uring/b.h '  #  include <cstdint>'
includes fail uring/b.h '#include "syscall/a.h"'
includes fail uring/b.h '#include "/usr/include/errno.h"'
includes fail uring/b.h '#include "../../outside.h"'
includes fail uring/b.h '#include CHOSEN_BY_MACRO'

# object STATUS CODE: what test/symbols.sh says of it.
object() {
    rm -f "$place/a.a"
    printf '%s\n' "$2" | $CXX -std=c++20 -O1 -fno-exceptions -fno-threadsafe-statics -x c++ -c - -o "$place/a.o" &&
        ar rcs "$place/a.a" "$place/a.o"
    expect "$1" "symbols: $2" sh "$here/symbols.sh" "$place/a.a"
}
object pass 'int f(int a) { return a + 1; }'
object pass 'extern "C" void* memcpy(void*, const void*, unsigned long); void f(void* a, void* b) { memcpy(a, b, 99); }'
object fail 'extern "C" unsigned long strlen(const char*); unsigned long f(const char* a) { return strlen(a); }'
object fail 'int g(); int f() { return g(); }'
object fail 'int g(); struct S { int v; S() : v(g()) {} }; S s; int g() { return 1; }'
object fail 'thread_local int t; int* f() { return &t; }'
object fail 'struct S { virtual int f(); int g(); }; int S::f() { return 1; }'
object fail 'int g(); int f() { static int once = g(); return once; } int g() { return 2; }'

printf 'checks: %s of the checks behave, %s do not\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
