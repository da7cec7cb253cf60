#!/usr/bin/env python3
"""Makes the SVG and the table that README shows, of the JSON lines of `make bench FORMAT=json`.

To be called on the machine that has measured: the footer names its kernel and compiler, and the day on which the
file was written. The same file makes the same SVG, byte for byte.
"""

import argparse
import datetime
import os
import pathlib
import shlex
import subprocess
import sys
from xml.etree import ElementTree

from chart import draw
from table import markdown
from words import case_of, read_groups

BYTES_MAX = 80000  # what a page should load for one picture


def day_of(file):
    """When it was measured; SOURCE_DATE_EPOCH where somebody wants another day."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", file.stat().st_mtime))
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()


def compiler_in_words(compiler):
    said = subprocess.run([*shlex.split(compiler), "--version"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else compiler


def check(svg):
    """What a broken one would be refused for: by a browser, by a reader with a slow line, or by both."""
    root = ElementTree.fromstring(svg)
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        sys.exit(f"bench: the root of the drawing is {root.tag}")
    width, height = (float(root.get(side)) for side in ("width", "height"))
    for element in root.iter():
        x, y = (float(element.get(key, "0")) for key in ("x", "y"))
        if not (0 <= x <= width and 0 <= y <= height):
            sys.exit(f"bench: outside of the drawing: {element.text} at {x}, {y}")
    if len(svg.encode()) > BYTES_MAX:
        sys.exit(f"bench: the drawing has {len(svg.encode())} bytes, more than {BYTES_MAX}")


def main():
    arguments = argparse.ArgumentParser(description="Draws a run of the bench.")
    arguments.add_argument("rows", type=pathlib.Path, help="the output of `make bench FORMAT=json`")
    arguments.add_argument("--svg", type=pathlib.Path, default=pathlib.Path("bench/bench.svg"))
    arguments.add_argument("--table", action="store_true", help="print the table instead, and draw nothing")
    arguments.add_argument("--all", action="store_true", help="draw also what is compared with itself")
    arguments.add_argument("--compiler", default="g++", help="that the programs were built with")
    options = arguments.parse_args()
    try:
        groups = read_groups(options.rows.read_text().splitlines())
    except OSError as error:
        sys.exit(f"bench: {options.rows}: {error.strerror}")
    footer = f"Linux {os.uname().release} · {compiler_in_words(options.compiler)} · {day_of(options.rows)}"
    if options.table:
        print(f"{markdown(groups)}\n{footer}")
        return
    beside = [group for group in groups if not case_of(group).base]
    drawn = groups if options.all or not beside else beside
    svg = draw(drawn, f"{footer} · medians of interleaved rounds, make bench")
    check(svg)
    options.svg.write_text(svg)
    print(f"bench: {options.svg}: {len(svg.encode())} bytes, {len(drawn)} sets of parameters", file=sys.stderr)


if __name__ == "__main__":
    main()
