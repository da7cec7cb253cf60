# shellcheck shell=sh
# Sourced by test/check.sh and the other scripts that run many steps and go on after a failed one.
#
# A step whose output has a line `N passed, N failed, N skipped` adds its last such line to the sum;
# any other step counts as one. A step that ends with an error although it counted no failure adds one.

passed=0
failed=0
skipped=0
log=$(mktemp)
trap 'rm -f "$log" "$log.status" "$log.failures" "$log.times"' EXIT
started=$(date +%s)

# A job server that make has handed down is used; else every core is.
: "${MAKE:=make}" "${JOBS:=$(nproc)}"
case "${MAKEFLAGS:-}" in
*jobserver*) parallel= ;;
*) parallel=-j$JOBS ;;
esac
MAKE="$MAKE --no-print-directory"
# shellcheck disable=SC2034 # for the scripts
make="$MAKE $parallel"

# quoted WORD...: the words as a person can paste them.
quoted() {
    for word in "$@"; do
        case "$word" in
        *[!A-Za-z0-9_./=:,@+-]*) printf "'%s' " "$word" ;;
        *) printf '%s ' "$word" ;;
        esac
    done
}

# step NAME COMMAND...: runs the command, and says how to run it again if it fails ($again, where the
# command is a function of the script).
again=
step() {
    title=$1
    shift
    printf '\n== %s\n' "$title"
    begun=$(date +%s)
    {
        "$@" 2>&1 < /dev/null
        echo $? > "$log.status"
    } | tee "$log"
    status=$(cat "$log.status")
    echo "$(($(date +%s) - begun)) s: $title" >> "$log.times"
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped.*/\1 \2 \3/p' "$log" | tail -n 1)
    if [ -z "$counts" ]; then
        if [ "$status" -eq 0 ]; then counts='1 0 0'; else counts='0 1 0'; fi
    fi
    bad=${counts#* }
    bad=${bad% *}
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    passed=$((passed + ${counts%% *}))
    failed=$((failed + bad))
    skipped=$((skipped + ${counts##* }))
    if [ "$status" -ne 0 ]; then
        printf 'FAILED: %s (exit status %s)\nrepeat: %s\n' "$title" "$status" "${again:-$(quoted "$@")}" |
            tee -a "$log.failures"
        return 1
    fi
}

# skip NAME REASON: a step that this machine cannot run.
skip() {
    printf '\n== %s\nskipped: %s\n' "$1" "$2"
    skipped=$((skipped + 1))
}

# count PASSED FAILED SKIPPED: adds what was no step.
count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

# summary: what took longest, what failed, the last line, and the exit status.
summary() {
    printf '\n== all steps, in %s s\n' $(($(date +%s) - started))
    if [ -e "$log.times" ]; then sort -rn "$log.times" | sed '/^[0-9] s/d; 12q'; fi
    if [ -e "$log.failures" ]; then cat "$log.failures"; fi
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
