#!/bin/sh
# `make vendor`: builds the sample project test/parent in each way that a user can take Oxbow in, and
# runs it: a copied folder and a compiler, make install and pkg-config, CMake's add_subdirectory, and
# CMake's install and find_package.
set -u
: "${BUILD:=build}" "${CXX:=g++}"
. ./test/tally.sh
again='make vendor'
source=$PWD
mkdir -p "$BUILD/vendor"
out=$(cd "$BUILD/vendor" && pwd)
rm -rf "${out:?}"/*

# Nothing but the folders under another name and the compiler's defaults: no -I, no flag of ours. An
# archive, since only from one does the linker leave out what a program with a `main` does not need.
copied_folder() {
    mkdir -p "$out/copy/third_party" && cp -r "$source/syscall" "$source/uring" "$out/copy/third_party" &&
        cp "$source/test/parent/main.cc" "$out/copy" && cd "$out/copy" || return
    rm -f third_party/uring/engine*
    "$CXX" -std=c++20 -c third_party/*/*.cc && ar rcs third_party.a ./*.o &&
        "$CXX" -std=c++20 -DVENDORED main.cc third_party.a -o parent && ./parent || return
    # One directory takes the objects of all rooms, so no two sources may share a name.
    [ "$(find third_party -name '*.cc' | wc -l)" -eq "$(find . -name '*.o' | wc -l)" ]
}

# The same of the whole library.
copied_loop() {
    mkdir -p "$out/whole/third_party" && cd "$source" &&
        cp -r syscall loop uring epoll io "$out/whole/third_party" &&
        cp test/parent/loop.cc "$out/whole" && cd "$out/whole" || return
    "$CXX" -std=c++20 -c third_party/*/*.cc && ar rcs third_party.a ./*.o &&
        "$CXX" -std=c++20 -DVENDORED loop.cc third_party.a -o parent && ./parent || return
    [ "$(find third_party -name '*.cc' | wc -l)" -eq "$(find . -name '*.o' | wc -l)" ]
}

with_pkg_config() {
    prefix=$out/installed
    # shellcheck disable=SC2046 # the flags are words
    "$CXX" -std=c++20 "$source/test/parent/loop.cc" -o "$out/parent-loop" \
        $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs oxbow) && "$out/parent-loop" || return
    for name in oxbow oxbow-ring; do
        # shellcheck disable=SC2046 # the flags are words
        "$CXX" -std=c++20 "$source/test/parent/main.cc" -o "$out/parent-$name" \
            $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs "$name") &&
            "$out/parent-$name" || return
    done
}

# The staging directory gets what a package would hold, and uninstall leaves nothing of it.
install_and_uninstall() {
    $make BUILD="$BUILD" DESTDIR="$out/staged" PREFIX=/opt/oxbow install &&
        [ -f "$out/staged/opt/oxbow/include/oxbow/uring/ring.h" ] &&
        grep -q '^prefix=/opt/oxbow$' "$out/staged/opt/oxbow/lib/pkgconfig/oxbow.pc" &&
        $make BUILD="$BUILD" DESTDIR="$out/staged" PREFIX=/opt/oxbow uninstall || return
    left=$(find "$out/staged" -type f)
    [ -z "$left" ] || { echo "left behind: $left"; return 1; }
}

parent_of() {
    directory=$1
    shift
    cmake -S "$source/test/parent" -B "$out/$directory" -DCMAKE_CXX_COMPILER="$CXX" "$@" > "$out/$directory.log" ||
        { cat "$out/$directory.log"; return 1; }
    cmake --build "$out/$directory" $parallel > "$out/$directory.log" || { cat "$out/$directory.log"; return 1; }
    "$out/$directory/with-ring" && "$out/$directory/with-oxbow" && "$out/$directory/with-loop"
}

as_subproject() {
    parent_of subproject -DOXBOW_SOURCE="$source" || return
    installed=$(DESTDIR=$out/nothing cmake --install "$out/subproject" | grep -v '^-- Install configuration')
    [ -z "$installed" ] || { echo "as a subproject oxbow installs: $installed"; return 1; }
}

as_package() {
    cmake -S "$source" -B "$out/package" -DCMAKE_CXX_COMPILER="$CXX" -DOXBOW_BUILD_TESTS=OFF -DOXBOW_BUILD_EXAMPLES=OFF \
        -DCMAKE_INSTALL_PREFIX="$out/cmake-installed" > "$out/package.log" || { cat "$out/package.log"; return 1; }
    cmake --build "$out/package" $parallel --target install > "$out/package.log" || { cat "$out/package.log"; return 1; }
    parent_of from-package -DCMAKE_PREFIX_PATH="$out/cmake-installed" || return
    pc=$(find "$out/cmake-installed" -name oxbow-ring.pc)
    PKG_CONFIG_PATH=${pc%/*} pkg-config --validate oxbow-ring
}

step 'a copied folder and the compiler' copied_folder
step 'all folders and the compiler' copied_loop
step 'make install' $make BUILD="$BUILD" CXX="$CXX" PREFIX="$out/installed" install
if command -v pkg-config > /dev/null; then
    step 'pkg-config' with_pkg_config
else
    skip 'pkg-config' 'it is not installed'
fi
step 'make install and uninstall with DESTDIR' install_and_uninstall
if command -v cmake > /dev/null; then
    step 'CMake add_subdirectory' as_subproject
    step 'CMake install and find_package' as_package
else
    skip 'CMake' 'it is not installed'
fi
summary
