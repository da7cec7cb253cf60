#!/bin/sh
# fetch.sh NAME...: obtains kernels of kernels.txt and leaves each as $KERNEL_CACHE/NAME/vmlinuz, with
# its package in $KERNEL_CACHE/NAME/package. What is there and younger than KERNEL_DAYS stays; where
# a newer one cannot be had, so does the old one. Prints a line for each kernel that cannot be had at
# all, and goes on; the exit status says whether there was one.
set -u
cd "$(dirname "$0")/../.." || exit 2
. ./test/mirror.sh
: "${KERNEL_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/oxbow/kernels}" "${KERNEL_DAYS:=30}"
mkdir -p "$KERNEL_CACHE" || exit 2
KERNEL_CACHE=$(cd "$KERNEL_CACHE" && pwd)

# packages ARCHITECTURE SUITE: makes $lists, where apt knows this suite's packages; once in a run.
packages() {
    lists=$KERNEL_CACHE/lists/$2-$1
    [ ! -e "$lists/updated.$$" ] || return 0
    rm -rf "$lists"
    case "$2" in
    *-security) address=$(mirror security) ;;
    *) address=$(mirror) ;;
    esac
    if [ -z "$address" ]; then
        echo 'no Debian mirror in the configuration of apt'
        return 1
    fi
    make_list "$lists" "$address" "$2"
    options="$(apt_options "$lists") -o APT::Architecture=$1 -o APT::Architectures=$1"
    # shellcheck disable=SC2086 # a list of options
    if apt-get $options -q update > "$lists/log" 2>&1 && ! grep -q '^E:' "$lists/log"; then
        touch "$lists/updated.$$"
    else
        grep -E '^(E|Err)' "$lists/log" | tail -n 1
        return 1
    fi
}

# obtain NAME ARCHITECTURE SUITE PATTERN: the newest package of this pattern. Says why where there is none.
obtain() {
    directory=$KERNEL_CACHE/$1
    why=$(packages "$2" "$3") || {
        echo "suite $3 for $2: ${why:-it cannot be read}"
        return 1
    }
    lists=$KERNEL_CACHE/lists/$3-$2
    package=$(sed -n 's/^Package: //p' "$lists"/lists/*_Packages | grep -xE "$4" | sort -V | tail -n 1)
    if [ -z "$package" ]; then
        echo "suite $3 for $2 has no package $4"
        return 1
    fi
    [ ! -e "$directory/vmlinuz" ] || [ "$(cat "$directory/package")" != "$package" ] || {
        touch "$directory/package"
        return 0
    }
    options="$(apt_options "$lists") -o APT::Architecture=$2 -o APT::Architectures=$2"
    work=$directory.$$
    rm -rf "$work"
    mkdir -p "$work"
    # shellcheck disable=SC2086 # a list of options
    (
        cd "$work" || exit 1
        apt-get $options -q download "$package" > log 2>&1 || exit 1
        dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards './boot/vmlinu*' './usr/lib/modules/*/vmlinu*' 2> /dev/null
        file=$(find boot usr -type f -name 'vmlinu*' 2> /dev/null | head -n 1)
        [ -n "$file" ] && mv "$file" vmlinuz || exit 1
        echo "$package" > package
        rm -rf ./*.deb boot usr log
    ) || {
        echo "package $package: $(grep -sE '^(E|Err)' "$work/log" | tail -n 1)"
        rm -rf "$work"
        return 1
    }
    rm -rf "$directory"
    mv "$work" "$directory"
}

status=0
for name in "$@"; do
    # shellcheck disable=SC2046 # the words of a line
    set -- $(awk -v name="$name" '$1 == name { print; exit }' test/kernel/kernels.txt)
    if [ $# -ne 7 ]; then
        echo "$name: not in test/kernel/kernels.txt"
        status=1
        continue
    fi
    if [ -n "$(find "$KERNEL_CACHE/$name/package" -mtime "-$KERNEL_DAYS" 2> /dev/null)" ]; then continue; fi
    why=$(obtain "$1" "$5" "$6" "$7") && continue
    if [ -e "$KERNEL_CACHE/$name/vmlinuz" ]; then
        echo "$name: $why; using the older $(cat "$KERNEL_CACHE/$name/package")" >&2
    else
        echo "$name: $why"
        status=1
    fi
done
rm -f "$KERNEL_CACHE"/lists/*/updated.$$
exit $status
