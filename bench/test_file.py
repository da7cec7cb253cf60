"""The file that cases of files read and copy: written once for all of them, removed at the end."""

import atexit
import dataclasses
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

PREPARE_SECONDS_MAX = 300
QUICK_PART = 4  # of the file's size, in a quick run
FREE_MIN = 3  # times the file: it, a copy of it, and some room
found_by_size = {}  # what find_folder has found, by the size of the file


def remove_at_exit(folder):
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def write_file(program, parent, size):
    """A new folder with the file, and what its file system can do: {"direct": "1", "clones": "0"}."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="oxbow-bench-", dir=parent))
    remove_at_exit(folder)
    done = subprocess.run([str(program), f"file={folder / 'data'}", f"bytes={size}"], capture_output=True, text=True,
                          timeout=PREPARE_SECONDS_MAX, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    return folder, dict(word.split("=") for word in done.stdout.split())


def find_folder(build, size):
    """As write_file: under the build's folder, or where nothing bypasses the page cache (tmpfs), in /var/tmp."""
    found = None, {}
    for parent in (build, pathlib.Path("/var/tmp")):
        if shutil.disk_usage(parent).free < FREE_MIN * size:
            print(f"bench: no test file in {parent}: there is no room for {FREE_MIN * size} bytes", file=sys.stderr)
            continue
        found = write_file(build / "bench" / "files" / "prepare", parent, size)
        if found[1]["direct"] == "1":
            break
        print(f"bench: {parent} has no O_DIRECT that bypasses the page cache", file=sys.stderr)
    if found[1].get("clones") == "1":
        print("bench: the file system clones files: cp and copy_file_range copy nothing there", file=sys.stderr)
    return found


def with_test_file(case, options):
    """The case, with file=PATH among its parameters if it needs one; None where it cannot be had."""
    if not case.file_bytes:
        return case
    size = case.file_bytes // QUICK_PART if options.quick else case.file_bytes
    if size not in found_by_size:
        found_by_size[size] = find_folder(options.build, size)
    folder, abilities = found_by_size[size]
    if folder is None or (case.needs_direct and abilities["direct"] != "1"):
        print(f"bench: {case.name} is left out: there is no file to measure it with", file=sys.stderr)
        return None
    return dataclasses.replace(case, fixed={**case.fixed, "file": folder / "data"})
