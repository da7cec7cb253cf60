#!/usr/bin/env python3
"""cp of the coreutils as a subject: what it takes for the file, less what it takes for an empty one.

So neither its start nor that of this script counts, as that of the other subjects does not.
"""

import filecmp
import os
import shutil
import statistics
import sys
import tempfile
import time

EMPTY_COPIES = 5


def copy(source, target):
    """Wall and CPU time of one cp, in ns."""
    begin = time.monotonic_ns()
    child = os.posix_spawn(shutil.which("cp"), ["cp", source, target], os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic_ns() - begin
    if status != 0:
        sys.exit(f"bench: cp: wait status {status}")
    return wall, (usage.ru_utime + usage.ru_stime) * 1e9


def main():
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    source, mebibytes = given["file"], int(given["count"])
    if os.path.getsize(source) != mebibytes << 20:
        sys.exit("bench: cp: the file has not `count` MiB")
    with open(source, "rb") as file:  # into the page cache
        while file.read(1 << 18):
            pass
    with tempfile.TemporaryDirectory(prefix="cp-", dir=os.path.dirname(os.path.abspath(source))) as folder:
        empty, target = os.path.join(folder, "empty"), os.path.join(folder, "target")
        with open(empty, "wb"):
            pass
        starts = [copy(empty, os.path.join(folder, str(turn))) for turn in range(EMPTY_COPIES)]
        copy(source, target)  # a rehearsal, as in copy.h
        os.unlink(target)
        wall, cpu = copy(source, target)
        if not filecmp.cmp(source, target, shallow=False):
            sys.exit("bench: cp: the copy differs from the file")
    wall -= statistics.median(start[0] for start in starts)
    cpu -= statistics.median(start[1] for start in starts)
    print(f"ns={wall / mebibytes:.3f} cpu_ns={cpu / mebibytes:.3f}")


if __name__ == "__main__":
    main()
