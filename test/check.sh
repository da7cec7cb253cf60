#!/bin/sh
# `make check`: every test with both compilers, hosted and without libc, then the checks of the
# sources and objects. Arguments go to the test programs. The last line sums all runs.
set -u
: "${BUILD:=build}" "${CXX:=g++}" "${OTHER_CXX:=clang++}" "${OTHER_BUILD:=$BUILD/clang}"
. ./test/tally.sh

# run_all DIRECTORY COMPILER [ARGUMENT...]: builds everything, and runs the tests if that worked.
run_all() {
    directory=$1
    compiler=$2
    shift 2
    step "build with $compiler in $directory" $make BUILD="$directory" CXX="$compiler" all tests || return
    step "tests, hosted, $compiler" "$directory/test/oxbow-test" "$@"
    step "tests, without libc, $compiler" "$directory/test/oxbow-test-freestanding" "$@"
    step "copy, $compiler" env CXX="$compiler" sh test/copy_test.sh \
        "$directory/example/copy" "$directory/example/copy-static"
}

run_all "$BUILD" "$CXX" "$@"
if command -v "$OTHER_CXX" > /dev/null; then
    run_all "$OTHER_BUILD" "$OTHER_CXX" "$@"
    step "symbols, $OTHER_CXX" $make BUILD="$OTHER_BUILD" CXX="$OTHER_CXX" symbols
else
    skip "tests with $OTHER_CXX" "$OTHER_CXX is not installed"
fi
step "symbols, $CXX" $make BUILD="$BUILD" CXX="$CXX" symbols
step layers $make BUILD="$BUILD" CXX="$CXX" layers
step size $make BUILD="$BUILD" CXX="$CXX" size
step headers $make BUILD="$BUILD" CXX="$CXX" headers
step "README's program" sh test/readme.sh "$CXX"
step 'ABI structs are all compared' sh test/abi_names.sh
step 'the checks themselves' sh test/checks.sh
summary
