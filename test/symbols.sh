#!/bin/sh
# symbols.sh ARCHIVE...: fails if an archive needs a symbol that it does not define itself, other
# than the four functions that a compiler calls on its own, or if an object has anything that would
# need a run-time system: constructors, thread-local data, guard variables, writable vtables.
set -u
: "${NM:=nm}" "${READELF:=${NM%nm}readelf}"
# The program itself gives oxbow_main to the start object; the last three are the linker's own names for
# places in the output (i386, riscv64 and ppc64le).
allowed='memcpy memset memmove memcmp oxbow_main _GLOBAL_OFFSET_TABLE_ __global_pointer$ .TOC.'
status=0

for archive in "$@"; do
    report=$("$NM" "$archive" | awk -v allowed="$allowed" '
        BEGIN { n = split(allowed, list, " "); for (i = 1; i <= n; i++) defined[list[i]] = 1 }
        /^[^ ]+:$/ { object = $1 }
        $1 == "U" || $1 == "w" || $1 == "v" { needed[$2] = needed[$2] " " object; next }
        NF == 3 {
            defined[$3] = 1
            if ($3 ~ /^_ZGV/) print "  guard variable " $3 " in " object
            if ($3 ~ /^_ZT[VIS]/) print "  vtable or type information " $3 " in " object
        }
        END { for (s in needed) if (!(s in defined)) print "  undefined " s " in" needed[s] }')
    sections=$("$READELF" -SW "$archive" |
        awk '/^File: /{ object = $2 }
             match($0, /\.(init_array|ctors|fini_array|dtors|tbss|tdata|gcc_except_table)[^ ]*/) {
                 print "  section " substr($0, RSTART, RLENGTH) " in " object }')
    if [ -n "$report$sections" ]; then
        printf '%s has what a program without libc cannot give:\n%s\n' "$archive" "$report$sections"
        status=1
    else
        printf 'symbols: %s: %s objects, nothing undefined but memcpy memset memmove memcmp\n' \
            "$archive" "$("$NM" "$archive" 2> /dev/null | grep -c ':$')"
    fi
done
exit $status
