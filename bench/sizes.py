"""The case `size`: bytes of programs and of objects, which need no rounds and no ratios of times.

Programs are the echo servers of bench/server: what they load into memory from their file (text and data, by
size(1)) and the file, stripped. Oxbow's and the hand-written ones have no C library; the peers' are linked once
with glibc inside (static) and once with shared libraries (dynamic), which then come on top. Objects are what a user
makes one of for each operation, as the programs of bench/handles print them.
"""

import pathlib
import subprocess
import tempfile

from ratios import add_ratios


def of_program(path):
    """Text and data, and the bytes of the stripped file."""
    columns = subprocess.run(["size", path], capture_output=True, text=True, check=True).stdout.splitlines()[1].split()
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-o", stripped.name, path], check=True)
        return int(columns[0]), int(columns[1]), pathlib.Path(stripped.name).stat().st_size


def programs(build, tools):
    """(who, form, path) of every server."""
    for path in sorted((build / "bench" / "server").iterdir()):
        if path.suffix or path.name in tools:
            continue
        is_bare = path.name.startswith(("raw", "oxbow"))
        yield path.name.replace("_", "-"), "no libc" if is_bare else "dynamic", path
    static = build / "bench" / "static"
    for path in sorted(static.iterdir()) if static.exists() else []:
        yield path.name.replace("_", "-"), "static", path


def measure(build, tools):
    """Rows of programs, then rows of objects."""
    rows = []
    for who, form, path in programs(build, tools):
        text, data, file_bytes = of_program(path)
        rows.append({"case": "size", "who": who, "what": "echo server", "form": form, "bytes": text + data,
                     "text": text, "data": data, "file": file_bytes, "ratio_to_raw": None, "ratio_to_best_peer": None})
    add_ratios([row for row in rows if row["form"] != "dynamic"], "bytes")  # shared libraries would come on top
    for path in sorted((build / "bench" / "handles").iterdir()):
        printed = subprocess.run([path], capture_output=True, text=True, check=True).stdout
        for word in printed.split():
            name, value = word.split("=")
            rows.append({"case": "size", "who": path.name.replace("_", "-"), "what": name, "bytes": int(value)})
    return rows


def print_table(rows, goals_of):
    """`goals_of`: the words on a row's goals."""
    print(f"{'size':<16}{'form':>10}{'text+data':>11}{'text':>9}{'data':>8}{'file':>9}  goal")
    for row in rows:
        if row["what"] == "echo server":
            print(f"{row['who']:<16}{row['form']:>10}{row['bytes']:>11}{row['text']:>9}{row['data']:>8}"
                  f"{row['file']:>9}  {goals_of(row)}")
    print(f"\n{'sizeof':<16}{'':>4}{'object':<18}{'bytes':>9}  goal")
    for row in rows:
        if row["what"] != "echo server":
            print(f"{row['who']:<16}{'':>4}{row['what']:<18}{row['bytes']:>9}  {goals_of(row)}")
    print(flush=True)
