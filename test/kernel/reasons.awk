# reasons.awk: of a console, what was skipped: how many tests for want of something of which release of
# Linux, oldest first, and how many for which other reason.
#
#   skipped 20 (sqe_mixed_2: Linux 6.19):    becomes    6.19 (20)

/^skipped [0-9]+ \(.*\):$/ {
    reason = substr($0, index($0, "(") + 1)
    reason = substr(reason, 1, length(reason) - 2)
    if (match(reason, /Linux [0-9]+[.][0-9]+$/)) {
        split(substr(reason, RSTART + 6), numbers, ".")
        release = numbers[1] * 1000 + numbers[2]
        if (!(release in of_release)) {
            releases[++count] = release
        }
        of_release[release] += $2
    } else {
        others = others ", " reason " (" $2 ")"
    }
}

END {
    for (i = 2; i <= count; ++i) {
        for (at = i; at > 1 && releases[at] < releases[at - 1]; --at) {
            release = releases[at]
            releases[at] = releases[at - 1]
            releases[at - 1] = release
        }
    }
    text = ""
    for (i = 1; i <= count; ++i) {
        release = releases[i]
        text = text ", " int(release / 1000) "." release % 1000 " (" of_release[release] ")"
    }
    print substr(text others, 3)
}
