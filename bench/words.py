"""What the drawing and the table call things, and the reading of what run.py printed."""

import json

from cases import CASES

TITLES = {
    "nop": "No-op through a ring",
    "loop-nop": "Callback posted by a callback",
    "timers": "Timers by the hundred thousand",
    "ping-pong": "TCP round trip, both ends on one loop",
    "echo": "TCP echo server, per request",
    "wake": "One loop wakes another",
    "files": "Random reads of a cached file",
    "files-direct": "Random reads of a disk",
    "copy": "Copy of a file, per MiB",
    "start-up": "Echo server from its start to its end",
    "idle": "Memory of an idle connection",
    "size": "Echo server with all that it needs, in memory",
    "scale": "Echo server with more loops or connections",
    "latency": "Echo server at half load, the slowest 1 %",
    "features": "What an optional feature costs",
    "flags": "What a setup flag or strategy of the ring is worth",
}
UNITS = {"cpu_ns": "ns CPU", "ns": "ns wall", "p99_ns": "ns until the answer, p99", "total_bytes": "bytes"}


def bytes_in_words(value):
    return f"{value} B" if value < 1024 else f"{value // 1024} KiB"


VALUES = {
    "bytes": bytes_in_words,
    "batch": lambda value: f"batch {value}",
    "outstanding": lambda value: f"{value} outstanding",
    "connections": lambda value: f"{value} connection{'s' if value != 1 else ''}",
    "load_cpu": lambda value: "one core" if value == 0 else "two cores",
    "loops": lambda value: f"{value} loop{'s' if value != 1 else ''}",
    "cpus": lambda value: "one core" if value == 1 else f"{value} cores",
    "rate": lambda value: f"{value}/s",
    "depth": lambda value: f"depth {value}",
    "work": str,
    "feature": lambda value: "plain" if value == "none" else str(value),
    "without": lambda value: "all of it" if value == "none" else f"without {value}",
}


def case_of(rows):
    """By its name, and where several have that, by the parameters."""
    return next(case for case in CASES if case.name == rows[0]["case"] and case.parameters.keys() <= rows[0].keys())


def title_of(case):
    return TITLES.get(case.name, case.name)


def unit_of(case):
    return UNITS.get(case.quantity, case.quantity)


def base_in_words(case):
    """Of a case that compares a subject with itself."""
    words = [VALUES.get(key, str)(value) for key, value in case.base.items()]
    return f" · 1× is {', '.join(words)}" if words else ""


def parameters_in_words(case, row):
    words = [VALUES.get(key, lambda value, key=key: f"{key} {value}")(row[key]) for key in case.parameters]
    return ", ".join(words)


def engine_in_words(who):
    return who.replace("-uring", "-io_uring")


def is_comparable(row, quantity):
    """Not where it is unknown; nor are sizes of objects, or of programs that need shared libraries besides."""
    is_whole = row.get("what", "echo server") == "echo server" and row.get("form") != "dynamic"
    return row[quantity] is not None and is_whole


def read_groups(lines):
    """Lists of rows of one case and one set of parameters, in the order of the file."""
    groups = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            case = case_of([row])
            key = (case.name, *((name, row[name]) for name in case.parameters))
            if not is_comparable(row, case.quantity):
                continue
            row[case.quantity] = float(row[case.quantity])
        except (ValueError, TypeError, KeyError, StopIteration) as error:
            raise SystemExit(f"bench: line {number} is not a row of this bench: {error!r}") from error
        groups.setdefault(key, []).append(row)
    if not groups:
        raise SystemExit("bench: there is nothing to draw: no rows")
    return list(groups.values())
