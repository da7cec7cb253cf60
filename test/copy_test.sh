#!/bin/sh
# copy_test.sh COPY...: what example/copy promises, for each of the programs given (the hosted and the
# static one): the same bytes whatever the size, holes kept, everything else refused, nothing left
# half done after an error or a signal. Last line: `N passed, N failed, N skipped`.
#
# TMPDIR= sets the place; CXX= compiles test/copy/under.cc, which holds a few conditions that the shell
# cannot make. Runs as root (then some parts run as nobody) and as a user.
set -u
: "${CXX:=g++}"
# What whoever started us left open (the job server of make, for one) would count against ulimit -n.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/oxbow-copy.XXXXXX") || exit 1
background=
# shellcheck disable=SC2317 # called by the trap
clean() {
    [ -z "$background" ] || kill -KILL "$background" 2> /dev/null
    chmod -R u+rwX "$place" 2> /dev/null
    rm -rf "$place"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP
chmod 755 "$place"
under=$place/under
$CXX -std=c++20 -O1 -o "$under" "$root/test/copy/under.cc" "$root/syscall/start.cc" \
    "$root/syscall/environment.cc" "$root/syscall/text.cc" "$root/syscall/errno.cc" || exit 1
passed=0
failed=0
skipped=0
program=
test=

# begin NAME: an empty directory $dir for the next checks.
begin() {
    test=$1
    dir=$place/work
    chmod -R u+rwX "$dir" 2> /dev/null
    rm -rf "$dir"
    mkdir -m 777 "$dir"
    chmod 777 "$dir"
    in=$dir/in
    out=$dir/out
}
ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    printf 'FAIL %s: %s: %s\n' "$program" "$test" "$1"
    [ ! -s "$place/stderr" ] || sed 's/^/    stderr: /' "$place/stderr"
}
skip() {
    skipped=$((skipped + 1))
    printf 'skip %s: %s: %s\n' "$program" "$test" "$1"
}
# check WHAT COMMAND...: the command must succeed.
check() {
    what=$1
    shift
    if "$@"; then ok; else bad "$what: $*"; fi
}
# run COMMAND...: bounded, output kept, status in $status.
run() {
    timeout -k 5 120 "$@" > "$place/stdout" 2> "$place/stderr" < /dev/null
    status=$?
}
no_temporary() { [ -z "$(find "$dir" -name '.copy-*')" ]; }
# copies ARGUMENT...: copy succeeds, says nothing on stderr and leaves nothing behind.
copies() {
    run "$program" "$@"
    check 'exit status 0' [ "$status" -eq 0 ]
    check 'no word on stderr' [ ! -s "$place/stderr" ]
    check 'no temporary' no_temporary
}
same() { check 'same bytes' cmp -s "$1" "$2"; }
one_line() { [ "$(wc -l < "$place/stderr")" -eq 1 ]; }
# refused STATUS PATTERN COMMAND...: it fails with one line that matches, and nothing has changed.
refused() {
    wanted=$1
    pattern=$2
    shift 2
    run "$@"
    check "exit status $wanted, not $status" [ "$status" -eq "$wanted" ]
    check 'one line on stderr' one_line
    check "message: $pattern" grep -Eq "^copy: $pattern" "$place/stderr"
    check 'no temporary' no_temporary
}
# What root puts in front of a command that shall have no more rights than others.
nobody=
[ "$(id -u)" -ne 0 ] || nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
own_namespace=
[ "$(id -u)" -eq 0 ] || own_namespace=-r
can_be_nobody() { $nobody true 2> /dev/null; }
noise() { head -c "$1" /dev/urandom; }
blocks() { stat -c '%b' "$1"; }
bytes() { stat -c '%s' "$1"; }

# ---- What is copied -------------------------------------------------------------------------------

test_sizes() {
    for size in 0 1 4095 4096 131071 131072 131073 1000003 8388608 20000003; do
        begin "size $size"
        noise $size > "$in"
        copies "$in" "$out"
        same "$in" "$out"
        check 'summary' grep -Eq "^copied $size bytes in [0-9]+\.[0-9]{3} s, [0-9]+ MiB/s$" "$place/stdout"
    done
}

test_replacing() {
    begin 'a former output is replaced'
    noise 300000 > "$in"
    noise 900000 > "$out"
    copies --quiet "$in" "$out"
    same "$in" "$out"
    check 'quiet' [ ! -s "$place/stdout" ]
    copies --sync -- "$in" "$out"
    same "$in" "$out"

    begin 'a path without a slash, and one that begins with a dash'
    noise 5000 > "$dir/-in"
    # shellcheck disable=SC2016 # the inner shell expands them
    check 'exit status 0' sh -c 'cd "$1" && "$2" --quiet -- -in -out' sh "$dir" "$program"
    same "$dir/-in" "$dir/-out"

    begin 'through symbolic links'
    mkdir "$dir/deep"
    noise 200000 > "$dir/deep/real-in"
    noise 100 > "$dir/deep/real-out"
    ln -s deep/real-in "$in"
    ln -s out2 "$out"
    ln -s "$dir/deep/real-out" "$dir/out2"
    copies "$in" "$out"
    same "$in" "$dir/deep/real-out"
    check 'the links stay' [ -L "$out" ] && check 'the links stay' [ -L "$dir/out2" ]
    ln -s deep/new "$dir/dangling"
    copies "$in" "$dir/dangling"
    same "$in" "$dir/deep/new"
}

test_modes() {
    for mode in 600 640 444 755 4755 2755 1644; do
        begin "mode $mode"
        noise 1000 > "$in"
        chmod $mode "$in"
        [ -r "$in" ] || continue
        (umask 077 && exec "$program" --quiet "$in" "$out")
        wanted=$(printf '%s' $mode | tail -c 3)
        check "mode $wanted" [ "$(stat -c '%a' "$out")" = "$wanted" ]
    done
}

test_holes() {
    begin 'islands in 5 GiB'
    truncate -s 5G "$in" || { skip "no file of 5 GiB here" && return; }
    offsets='0 1048576 4294959104 4295000064 5000003584'
    for at in $offsets; do
        noise 300001 | dd of="$in" bs=65536 seek="$at" oflag=seek_bytes conv=notrunc status=none
    done
    if [ $(($(blocks "$in") * 512)) -gt 100000000 ]; then
        skip 'this file system has no holes'
        return
    fi
    copies "$in" "$out"
    check 'size' [ "$(bytes "$out")" -eq "$(bytes "$in")" ]
    check 'no more room' [ "$(blocks "$out")" -le $(($(blocks "$in") + 256)) ]
    for at in $offsets; do
        check "island at $at" cmp -s -i "$at" -n 310000 "$in" "$out"
    done

    begin 'nothing but a hole'
    truncate -s 3000001 "$in"
    copies "$in" "$out"
    same "$in" "$out"
    check 'no more room' [ "$(blocks "$out")" -le $(($(blocks "$in") + 16)) ]

    begin 'a hole at the start, data to the end'
    noise 700001 | dd of="$in" bs=65536 seek=9000000 oflag=seek_bytes status=none
    copies "$in" "$out"
    same "$in" "$out"
    check 'no more room' [ "$(blocks "$out")" -le $(($(blocks "$in") + 64)) ]
    check 'summary' grep -q ' holes$' "$place/stdout"
}

test_kernel_files() {
    begin 'a file without a size'
    [ -r /proc/version ] || { skip 'no /proc' && return; }
    copies /proc/version "$out"
    cat /proc/version > "$in"
    same "$in" "$out"
    [ "$(wc -c < /proc/kallsyms)" -gt 1000000 ] || { skip 'no /proc/kallsyms' && return; }
    rm -f "$out"
    copies /proc/kallsyms "$out"
    cat /proc/kallsyms > "$in"
    check 'the same million bytes' cmp -s -n 1000000 "$in" "$out"
}

# ---- What is refused ------------------------------------------------------------------------------

test_usage() {
    begin 'arguments'
    noise 10 > "$in"
    for arguments in '' "$in" "$in $out $dir/third" "--unknown $in $out" "-q $in $out"; do
        # shellcheck disable=SC2086 # it is a list
        run "$program" $arguments
        check "exit status 2 for '$arguments'" [ "$status" -eq 2 ]
        check 'usage' grep -q '^usage: copy ' "$place/stderr"
        check 'one line' one_line
        check 'no output' [ ! -e "$out" ]
    done
    run "$program" --help
    check 'help' [ "$status" -eq 0 ]
    check 'help' grep -q '^usage: copy ' "$place/stdout"
    check 'help names each option' [ "$(grep -c '^  --' "$place/stdout")" -eq 3 ]
}

# shellcheck disable=SC2086 # $nobody is a list
test_inputs() {
    begin 'inputs'
    echo former > "$out"
    refused 1 "$dir/missing: .*ENOENT" "$program" "$dir/missing" "$out"
    refused 1 "$dir/work/: .*" "$program" "$dir/work/" "$out"
    refused 1 "$dir: is a directory" "$program" "$dir" "$out"
    refused 1 '/dev/null: is a device' "$program" /dev/null "$out"
    mkfifo "$dir/pipe"
    refused 1 "$dir/pipe: is a pipe" "$program" "$dir/pipe" "$out"
    "$under" socket "$dir/socket"
    refused 1 "$dir/socket: is a socket" "$program" "$dir/socket" "$out"
    refused 1 ': .*ENOENT' "$program" '' "$out"
    check 'the former output is untouched' [ "$(cat "$out")" = former ]
    can_be_nobody || { skip 'unreadable input: setpriv cannot make us nobody' && return; }
    noise 10 > "$in"
    chmod 000 "$in"
    refused 1 "$in: cannot be opened: EACCES" $nobody "$program" "$in" "$out"
}

# shellcheck disable=SC2086 # $nobody is a list
test_outputs() {
    begin 'outputs'
    noise 200000 > "$in"
    mkdir "$dir/sub"
    mkfifo "$dir/pipe"
    "$under" socket "$dir/socket"
    refused 1 "$dir/sub: is a directory" "$program" "$in" "$dir/sub"
    refused 1 "$dir/sub/: is a directory" "$program" "$in" "$dir/sub/"
    refused 1 "$dir/new/: .*ENOENT" "$program" "$in" "$dir/new/"
    refused 1 '/dev/null: is a device' "$program" "$in" /dev/null
    refused 1 "$dir/pipe: is a pipe" "$program" "$in" "$dir/pipe"
    refused 1 "$dir/socket: is a socket" "$program" "$in" "$dir/socket"
    refused 1 "$dir/none/out: .*ENOENT" "$program" "$in" "$dir/none/out"
    refused 1 "$in/out: .*ENOTDIR" "$program" "$in" "$in/out"
    long=$(printf '%0300d' 0)
    refused 1 "$dir/$long: .*ENAMETOOLONG" "$program" "$in" "$dir/$long"
    ln -s loop "$dir/loop"
    refused 1 "$dir/loop: .*ELOOP" "$program" "$in" "$dir/loop"
    check 'nothing was created' [ "$(find "$dir" -type f | wc -l)" -eq 1 ]

    begin 'input and output are the same'
    noise 1000 > "$in"
    cp "$in" "$place/before"
    ln "$in" "$dir/hard"
    ln -s in "$dir/soft"
    for other in "$in" "$dir/../work/in" "$dir/hard" "$dir/soft"; do
        refused 1 "$other: is the input itself" "$program" "$in" "$other"
    done
    same "$in" "$place/before"

    begin 'permissions'
    can_be_nobody || { skip 'setpriv cannot make us nobody' && return; }
    noise 1000 > "$in"
    chmod 644 "$in"
    mkdir "$dir/closed"
    echo former > "$dir/closed/out"
    chmod 666 "$dir/closed/out"
    chmod 555 "$dir/closed"
    refused 1 "$dir/closed/new: .*EACCES" $nobody "$program" "$in" "$dir/closed/new"
    refused 1 "$dir/closed/out: .*EACCES" $nobody "$program" "$in" "$dir/closed/out"
    check 'the former output is untouched' [ "$(cat "$dir/closed/out")" = former ]
    echo former > "$out"
    chmod 444 "$out"
    refused 1 "$out: .*EACCES" $nobody "$program" "$in" "$out"
    check 'a read-only output is untouched' [ "$(cat "$out")" = former ]
}

test_full_disk() {
    begin 'ulimit -f'
    noise 3000000 > "$in"
    echo former > "$out"
    # Blocks of 512 or 1024 bytes, depending on the shell: less than the input in both.
    refused 1 "$out: cannot be written: EFBIG" sh -c 'ulimit -f 2000 && exec "$@"' sh "$program" "$in" "$out"
    check 'the former output is untouched' [ "$(cat "$out")" = former ]

    begin 'a full disk'
    mkdir "$dir/disk"
    noise 6000000 > "$in"
    # A user may do so in a namespace of its own, where the kernel allows that.
    # shellcheck disable=SC2016,SC2086 # the inner shell expands them; it is a list
    run unshare $own_namespace -m sh -c 'mount -t tmpfs -o size=4m none "$1" || exit 77
        echo former > "$1/out"
        "$2" "$3" "$1/out"
        status=$?
        [ "$(ls -A "$1")" = out ] && [ "$(cat "$1/out")" = former ] || exit 78
        exit $status' sh "$dir/disk" "$program" "$in"
    if [ "$status" -eq 77 ] || grep -Eq '^(unshare|timeout|mount):' "$place/stderr"; then
        skip 'no right to mount a small file system'
        return
    fi
    check 'nothing has changed' [ "$status" -ne 78 ]
    check "exit status 1, not $status" [ "$status" -eq 1 ]
    check 'message' grep -Eq "^copy: $dir/disk/out: cannot be written: ENOSPC" "$place/stderr"
}

test_refused_ring() {
    begin 'a refused ring'
    noise 1000 > "$in"
    echo former > "$out"
    refused 1 'io_uring_setup .*EPERM.*seccomp' "$under" refuse 1 "$program" "$in" "$out"
    refused 1 'io_uring_setup .*ENOSYS.*seccomp' "$under" refuse 38 "$program" "$in" "$out"
    refused 1 'io_uring_setup .*ENOMEM' "$under" refuse 12 "$program" "$in" "$out"
    # Descriptors 0 to 2, the input and the output's directory: none is left for a ring.
    refused 1 'io_uring_setup .*EMFILE.*ulimit' sh -c 'ulimit -n 5 && exec "$@"' sh "$program" "$in" "$out"
    check 'the former output is untouched' [ "$(cat "$out")" = former ]
}

# ---- Changes and signals in the middle ------------------------------------------------------------

# caught_in_the_middle COMMAND...: starts it, and stops it (SIGSTOP) while its temporary is there. Where
# the copy was too fast, tries again. $copier is the process.
state() { sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2> /dev/null; }
caught_in_the_middle() {
    tries=0
    while [ $tries -lt 50 ]; do
        tries=$((tries + 1))
        "$@" > "$place/stdout" 2> "$place/stderr" < /dev/null &
        copier=$!
        background=$copier
        while ! has_temporary && [ -n "$(state $copier)" ] && [ "$(state $copier)" != Z ]; do :; done
        kill -STOP $copier 2> /dev/null
        while [ -n "$(state $copier)" ] && [ "$(state $copier)" != T ] && [ "$(state $copier)" != Z ]; do :; done
        if [ "$(state $copier)" = T ] && has_temporary; then return 0; fi
        kill -CONT $copier 2> /dev/null
        wait $copier
        background=
    done
    return 1
}
has_temporary() {
    for name in "$dir"/.copy-*; do [ -e "$name" ] && return 0; done
    return 1
}
goes_on() {
    kill -CONT "$copier"
    wait "$copier"
    status=$?
    background=
}

test_signals() {
    begin 'signals'
    noise 50000000 > "$in"
    echo former > "$out"
    for number in 2 15 1; do
        caught_in_the_middle "$under" default $number "$program" "$in" "$out" ||
            { bad 'the copy could not be caught in the middle' && return; }
        kill -$number "$copier"
        goes_on
        check "exit status after signal $number, not $status" [ "$status" -eq $((128 + number)) ]
        check 'one line on stderr' one_line
        check 'message' grep -Eq "^copy: $out: not copied: ended by signal $number$" "$place/stderr"
        check 'no temporary' no_temporary
        check 'the former output is untouched' [ "$(cat "$out")" = former ]
    done

    test='an ignored signal'
    # shellcheck disable=SC2016 # the inner shell expands them
    caught_in_the_middle sh -c 'trap "" HUP && exec "$@"' sh "$program" "$in" "$out" ||
        { bad 'the copy could not be caught in the middle' && return; }
    kill -HUP "$copier"
    goes_on
    check 'exit status 0' [ "$status" -eq 0 ]
    same "$in" "$out"

    test='SIGKILL'
    echo former > "$out"
    caught_in_the_middle "$program" "$in" "$out" || { bad 'the copy could not be caught in the middle' && return; }
    kill -KILL "$copier"
    goes_on 2> /dev/null
    check 'the former output is untouched' [ "$(cat "$out")" = former ]
    check 'only a temporary is left' [ "$(find "$dir" -type f | wc -l)" -eq 3 ]
}

test_changing_input() {
    begin 'the input grows'
    noise 50000000 > "$in"
    caught_in_the_middle "$program" "$in" "$out" || { bad 'the copy could not be caught in the middle' && return; }
    noise 5000001 >> "$in"
    goes_on
    check 'exit status 0' [ "$status" -eq 0 ]
    check 'all that was there' [ "$(bytes "$out")" -ge 50000000 ]
    check 'and nothing else' cmp -s -n "$(bytes "$out")" "$in" "$out"

    begin 'the input shrinks'
    noise 50000000 > "$in"
    cp "$in" "$place/before"
    caught_in_the_middle "$program" "$in" "$out" || { bad 'the copy could not be caught in the middle' && return; }
    truncate -s 1000001 "$in"
    goes_on
    check 'exit status 0' [ "$status" -eq 0 ]
    check 'what is left' [ "$(bytes "$out")" -ge 1000001 ]
    check 'only what was there' cmp -s -n "$(bytes "$out")" "$place/before" "$out"
    rm -f "$place/before"

    begin 'the input grows without end'
    noise 10000000 > "$in"
    (while :; do head -c 4000000 /dev/zero; done >> "$in") &
    background=$!
    copies "$in" "$out"
    kill -KILL "$background"
    wait "$background" 2> /dev/null
    background=
    check 'all that was there' [ "$(bytes "$out")" -ge 10000000 ]
    check 'and nothing else' cmp -s -n "$(bytes "$out")" "$in" "$out"
}

for program in "$@"; do
    program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
    cp "$program" "$place/" # where nobody can run it, too
    program=$place/$(basename "$program")
    test_sizes
    test_replacing
    test_modes
    test_holes
    test_kernel_files
    test_usage
    test_inputs
    test_outputs
    test_full_disk
    test_refused_ring
    test_signals
    test_changing_input
done
printf '%s passed, %s failed, %s skipped\n' $passed $failed $skipped
[ $failed -eq 0 ] && [ $passed -gt 0 ]
