#!/bin/sh
# layers.sh [ROOT]: fails on an #include that runs the wrong way through the rooms:
#
#     syscall <- loop <- { uring, epoll } <- io          bench and example may use them all, test those too
#
# The ring part of uring/ (all but engine*) uses only syscall/ and itself, so that it can be vendored
# alone; the harness uses only syscall/, so that it can run before anything else works; no room
# includes a system header or a path that is not relative; nothing outside test/ includes test/.
set -u
cd "${1:-.}" || exit 2

find syscall loop uring epoll io test bench example -name '*.[ch]*' -type f ! -path 'test/parent/*' 2> /dev/null | sort |
    xargs awk '
function room(path) { sub("/.*", "", path); return path }
function is_ring(path) { return path ~ /^uring\// && path !~ /^uring\/engine/ }
function is_harness(path) { return path ~ /^test\/(harness|runner|report|options|files|hook|fake_kernel|check_value|main)[_.]/ && path !~ /_test\./ }
function wrong(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why; errors++ }

# resolve(directory, target): the included path from the root, "" if it leaves the tree.
function resolve(directory, target,    parts, count, i, depth, out) {
    count = split(directory "/" target, parts, "/")
    for (i = 1; i <= count; i++) {
        if (parts[i] == "." || parts[i] == "") continue
        if (parts[i] != "..") { out[++depth] = parts[i]; continue }
        if (depth-- == 0) return ""
    }
    target = out[1]
    for (i = 2; i <= depth; i++) target = target "/" out[i]
    return target
}

BEGIN {
    allowed["syscall"] = " syscall "
    allowed["loop"] = " syscall loop "
    allowed["uring"] = " syscall loop uring "
    allowed["epoll"] = " syscall loop epoll "
    allowed["io"] = " syscall loop uring epoll io "
    allowed["bench"] = allowed["io"] "bench "
    allowed["example"] = allowed["io"] "example "
    allowed["test"] = allowed["example"] "test "
}

/^[ \t]*#[ \t]*include/ {
    checked++
    from = room(FILENAME)
    library = from !~ /^(test|bench|example)$/
    name = $0
    sub(/^[ \t]*#[ \t]*include(_next)?[ \t]*/, "", name)
    if (name !~ /^"/) {
        if (library) wrong("the library has no header but its own")
        next
    }
    sub(/^"/, "", name)
    sub(/".*/, "", name)
    directory = FILENAME
    sub(/\/[^\/]*$/, "", directory)
    to = resolve(directory, name)
    if (name ~ /^\// || to == "") { wrong("the path leaves the tree"); next }
    if ((getline line < to) < 0) { wrong("no such file beside it: includes are relative"); next }
    close(to)
    target = room(to)
    if (index(allowed[from], " " target " ") == 0) wrong(from "/ must not include " target "/")
    else if (is_ring(FILENAME) && target != "syscall" && !is_ring(to)) wrong("the ring uses only syscall/ and itself")
    else if (is_harness(FILENAME) && target != "syscall" && target != "test") wrong("the harness uses only syscall/")
}
END {
    printf "layers: %d includes checked, %d wrong\n", checked, errors
    exit errors > 0 || checked == 0
}'
