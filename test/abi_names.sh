#!/bin/sh
# abi_names.sh DIRECTORY: fails, and names it, if the kernel headers in DIRECTORY/linux/ have a constant,
# a struct or a field of io_uring that test/abi_constants.inc and test/abi_structs.inc do not mention.
# abi_names.sh alone: the same for the structs of our own headers, of which none may be left out.
set -u
lists='test/abi_constants.inc test/abi_structs.inc'

# Constants that we have no counterpart for, as shell patterns, and why.
excused() {
    case "$1" in
    *_BIT) ;;                       # the exponent of a flag that we have
    *_LAST | *_END | __*_MAX) ;;    # a count, which grows with each kernel
    IORING_URING_CMD_MASK) ;;       # all flags of the header's version in one
    LINUX_*_H | UAPI_LINUX_*) ;;    # include guards and switches of the header itself
    __DECLARE_FLEX_ARRAY) ;;        # a macro of linux/stddef.h
    *) return 1 ;;
    esac
}

# without_comments FILE...
without_comments() {
    awk '{
        text = ""
        for (line = $0; line != "";) {
            if (inside) {
                at = index(line, "*/")
                if (at == 0) { line = ""; break }
                inside = 0
                line = substr(line, at + 2)
            } else {
                at = index(line, "/*")
                if (at == 0) { text = text line; break }
                text = text substr(line, 1, at - 1) " "
                inside = 1
                line = substr(line, at + 2)
            }
        }
        sub(/\/\/.*/, "", text)
        print text
    }' "$@"
}

# structs: reads C, and prints each `struct` that is defined at the top level, and `struct field` for each
# field that has a name and is not padding.
structs() {
    awk '
    /^struct [a-z_0-9]+[ \t]*\{/ { name = $2; sub(/\{.*/, "", name); print name }
    /^\}/ { name = "" }
    name != "" && /;/ && !/\(/ {
        field = $0
        sub(/[ \t]*(\[[^]]*\])?[ \t]*;.*/, "", field)
        sub(/.*[^a-z_0-9A-Z]/, "", field)
        if (field != "" && field !~ /^_*(pad|resv|rsvd)[0-9]*$/) print name, field
    }'
}

missing=$(mktemp)
trap 'rm -f "$missing"' EXIT
count=0

if [ $# -eq 0 ]; then
    for name in $(sed -n 's/^struct \([A-Za-z]*\) {.*/\1/p' syscall/abi_uring*.h); do
        count=$((count + 1))
        grep -Eq "^(OWN_)?STRUCT\($name, " test/abi_structs.inc || echo "struct $name" >> "$missing"
    done
    where='our headers'
else
    where=$1/linux
    files=$where/io_uring.h
    for file in "$where"/io_uring/*.h; do
        if [ -e "$file" ]; then files="$files $file"; fi
    done
    # shellcheck disable=SC2086 # a list of files
    for name in $(without_comments $files | grep -oE '\b_{0,2}[A-Z][A-Z0-9]*_[A-Z0-9_]+\b' | sort -u); do
        count=$((count + 1))
        excused "$name" || grep -q "^CONSTANT($name, " test/abi_constants.inc || echo "$name" >> "$missing"
    done
    # shellcheck disable=SC2086
    without_comments $files | structs > "$missing.structs"
    while read -r type field; do
        count=$((count + 1))
        if [ -z "$field" ]; then
            grep -Eq ", $type(,.*)?\)$" test/abi_structs.inc || echo "struct $type" >> "$missing"
        else
            grep -Eq ", $type, ([a-z]+\.)?$field\)$" test/abi_structs.inc ||
                echo "field $field of struct $type" >> "$missing"
        fi
    done < "$missing.structs"
    rm -f "$missing.structs"
fi
sed "s|.*|&: in $where, but not in $lists|" "$missing"
printf 'abi_names: %s names of %s, %s missing\n' "$count" "$where" "$(wc -l < "$missing")"
[ ! -s "$missing" ] && [ "$count" -gt 0 ]
