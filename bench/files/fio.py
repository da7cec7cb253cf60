#!/usr/bin/env python3
"""fio as a subject: its io_uring engine on the same file, and its figures in the form of all others.

It reads `count` random blocks of its own choice, in batches as large as serve it best, and says how
many it has read; what they hold it does not look at.
"""

import json
import os
import subprocess
import sys

BLOCK_BYTES = 4096


def main():
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    count = int(given["count"])
    depth = int(given.get("depth", 32))
    cached = given.get("cached", "1") != "0"
    fixed = int(given.get("fixed", "1") != "0")
    # From the cache all reads of a batch end at once; of a disk some are always to be under way.
    batch = depth if cached else max(depth // 4, 1)
    command = ["fio", "--name=read", f"--filename={given['file']}", f"--size={os.path.getsize(given['file'])}",
               f"--io_size={count * BLOCK_BYTES}", "--rw=randread", f"--bs={BLOCK_BYTES}", "--norandommap",
               "--ioengine=io_uring", f"--iodepth={depth}", f"--iodepth_batch_submit={batch}",
               f"--iodepth_batch_complete_max={depth}", f"--fixedbufs={fixed}", f"--registerfiles={fixed}",
               f"--direct={int(not cached)}", "--invalidate=0", "--thread", "--gtod_reduce=1",
               "--output-format=json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: fio: {done.stderr.strip() or 'failed'}")
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    read = job["read"]
    if job["error"] != 0 or read["short_ios"] != 0 or read["total_ios"] != count:
        sys.exit(f"bench: fio: {read['total_ios']} of {count} reads, error {job['error']}")
    cpu_share = (job["usr_cpu"] + job["sys_cpu"]) / 100
    ms_in_ns = 1000000
    print(f"ns={read['runtime'] * ms_in_ns / count:.3f} "
          f"cpu_ns={cpu_share * job['job_runtime'] * ms_in_ns / count:.3f}")


if __name__ == "__main__":
    main()
