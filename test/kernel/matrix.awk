# matrix.awk: from table.md, what README shows: machines by releases of Linux, each with `passed +
# skipped` tests; the same for what are not kernels as they are; and what was skipped on x86-64, for
# want of what came with which release.

function cell(passed, failed, skipped) {
    return passed " + " skipped (failed == 0 ? "" : ", **" failed " failed**")
}

BEGIN {
    FS = " *[|] *"
}

NR > 2 && $4 != "-" {
    at = match($2, /-[0-9]+[.][0-9]+/)
    plus = index($2, "+")
    if (plus > 0) {
        variant = substr($2, plus + 1)
        if (!(variant in variants)) {
            variant_names[++variant_count] = variant
        }
        variants[variant] = variants[variant] ", " substr($2, 1, plus - 1) " " cell($4, $5, $6)
        next
    }
    if (at == 0) { # a program on the kernel of another machine
        machine = $2
        split($3, parts, ".")
        release = parts[1] "." parts[2]
    } else {
        machine = substr($2, 1, at - 1)
        release = substr($2, at + 1)
    }
    if (!(machine in machines)) {
        machine_names[++machine_count] = machine
        machines[machine] = 1
    }
    split(release, parts, ".")
    order[release] = parts[1] * 1000 + parts[2]
    cells[release, machine] = cell($4, $5, $6)
    if (machine == "x86_64") {
        lacks[release] = $7
    }
}

END {
    for (release in order) {
        for (at = ++count; at > 1 && order[releases[at - 1]] > order[release]; --at) {
            releases[at] = releases[at - 1]
        }
        releases[at] = release
    }
    header = "| Linux |"
    rule = "|---|"
    for (m = 1; m <= machine_count; ++m) {
        header = header " " machine_names[m] " |"
        rule = rule "---|"
    }
    print header "\n" rule
    for (r = 1; r <= count; ++r) {
        line = "| " releases[r] " |"
        for (m = 1; m <= machine_count; ++m) {
            line = line " " cells[releases[r], machine_names[m]] " |"
        }
        print line
    }
    print "\n| variant | boots |\n|---|---|"
    for (v = 1; v <= variant_count; ++v) {
        print "| " variant_names[v] " | " substr(variants[variant_names[v]], 3) " |"
    }
    print "\n| x86_64 | skipped for want of what came with Linux ... (tests), or because |\n|---|---|"
    for (r = 1; r <= count; ++r) {
        if (releases[r] in lacks) {
            print "| " releases[r] " | " lacks[releases[r]] " |"
        }
    }
}
