#!/usr/bin/env python3
"""Runs benchmark cases on every subject that could be built, interleaved, and prints medians and ratios.

A subject is a program BUILD/bench/CASE/WHO. It takes key=value parameters and prints one line of key=value
figures for one operation: ns (wall), cpu_ns, and with syscalls=1 system calls. Instructions are callgrind's, as
the difference of two run lengths, and exact; times are medians of interleaved rounds on a machine that may be
busy: read their ratios.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import sizes
from cases import CASES, GOALS

LIBRARIES = {"liburing": "liburing-dev", "libuv": "libuv1-dev", "asio_epoll": "libasio-dev",
             "asio_uring": "libasio-dev and liburing-dev", "libev": "libev-dev", "libevent": "libevent-dev"}
RUN_SECONDS_MAX = 120
EXIT_LEFT_OUT = 77  # of a program that this machine does not let run
HEADINGS = {"cpu_ns": "ns CPU", "ns": "ns wall", "total_bytes": "bytes"}


class LeftOut(Exception):
    """A subject that cannot be measured here, and why."""


class Subject:
    """A program, and the parameters that make it one of the names that the tables show."""

    def __init__(self, who, program, fixed):
        self.who = who
        self.command = [str(program)] + fixed

    def run(self, parameters, prefix=()):
        words = [f"{key}={value}" for key, value in parameters.items()]
        done = subprocess.run([*prefix, *self.command, *words], capture_output=True, text=True,
                              timeout=RUN_SECONDS_MAX, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            if done.returncode == EXIT_LEFT_OUT:
                raise LeftOut(last)
            sys.exit(f"bench: {self.who}: {' '.join(words)}: exit status {done.returncode}: {last}")
        return done

    def figures(self, parameters):
        words = self.run(parameters).stdout.split()
        return {key: float(value) for key, value in (word.split("=") for word in words)}

    def instructions(self, parameters, count):
        """User instructions of one operation: what `count` more of them cost."""
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        totals = []
        for times in (1, 2):
            printed = self.run({**parameters, "count": count * times}, tool).stderr
            totals.append(next(int(line.split()[-1]) for line in printed.splitlines() if "Collected" in line))
        return (totals[1] - totals[0]) / count


def subjects_of(case, build):
    """Every program of a case, Oxbow's own once for each engine."""
    found = []
    folder = build / "bench" / case.folder
    for program in sorted(folder.iterdir()):
        if program.suffix or program.name in case.tools:
            continue
        if case.through:
            static = build / "bench" / "static" / program.name
            server = static if case.prefers_static and static.exists() else program
            found.append(Subject(program.name.replace("_", "-"), folder / case.through, [f"server={server}"]))
        elif program.name == "oxbow":
            found += [Subject(f"oxbow-{engine}", program, [f"engine={engine}"]) for engine in ("uring", "epoll")]
        else:
            found.append(Subject(program.name.replace("_", "-"), program, []))
    return found


def median_of(values):
    return round(statistics.median(values), 3)


def is_raw(who):
    return who.startswith("raw")


def add_ratios(rows, quantity):
    """To the lower bound of the same engine, or the best one, and to the best of the peers."""
    known = [row for row in rows if row[quantity]]
    raws = {row["who"]: row[quantity] for row in known if is_raw(row["who"])}
    peers = [row[quantity] for row in known if not is_raw(row["who"]) and not row["who"].startswith("oxbow")]
    for row in rows:
        row["ratio_to_raw"] = row["ratio_to_best_peer"] = None
    for row in known:
        engine = row["who"].rsplit("-", 1)[-1]
        raw = raws.get(f"raw-{engine}", min(raws.values(), default=None))
        row["ratio_to_raw"] = round(row[quantity] / raw, 3) if raw else None
        row["ratio_to_best_peer"] = round(row[quantity] / min(peers), 3) if peers else None


def measure(case, parameters, subjects, options):
    """Rows of one set of parameters."""
    given = {**case.fixed, **parameters}
    subjects = [subject for subject in subjects if not case.leaves_out(subject.who, parameters)]
    count = case.count_of(parameters, options.quick)
    times = {subject.who: [] for subject in subjects}
    for turn in range(min(options.rounds, case.rounds_max or options.rounds)):
        for at in range(len(subjects)):
            subject = subjects[(at + turn) % len(subjects)]  # nobody always follows the same one
            times[subject.who].append(subject.figures({**given, "count": count}))
    rows = []
    for subject in subjects:
        runs = times[subject.who]
        row = {"case": case.name, "who": subject.who, **parameters}
        for key in dict.fromkeys(("ns", "cpu_ns", case.quantity, *case.shown)):
            known = [run[key] for run in runs if key in run]
            row[key] = median_of(known) if known else None
        row["min"] = min((run[case.quantity] for run in runs if case.quantity in run), default=None)
        row["max"] = max((run[case.quantity] for run in runs if case.quantity in run), default=None)
        row["instructions"] = None
        if case.instructions and shutil.which("valgrind") and case.is_counted(parameters):
            row["instructions"] = round(subject.instructions(given, case.instructions), 1)
        counted = subject.figures({**given, "count": count, "syscalls": 1})
        row["syscalls"] = counted.get("syscalls")
        rows.append(row)
    add_ratios(rows, case.quantity)
    return rows


def add_ratio_to_base(case, rows, bases):
    """`bases`: by subject, that of the parameters which are the case's base; they come first."""
    for row in rows if case.base else []:
        base = bases.setdefault(row["who"], row[case.quantity])
        row["ratio_to_base"] = round(row[case.quantity] / base, 3)


def goal_for(row):
    """The goals of a row, each as (quantity, limit, whether it is met)."""
    for goal in GOALS:
        if goal.matches(row):
            value = row.get(goal.quantity)
            yield goal.quantity, goal.limit, None if value is None else value <= goal.limit


def words_on_goals(row):
    return ", ".join(f"{quantity} {'met' if met else 'MISSED' if met is False else 'unknown'} (<= {limit})"
                     for quantity, limit, met in goal_for(row))


def print_table(case, rows):
    names = [key for key in rows[0] if key in case.parameters]
    shown = [*case.shown, *(["ratio_to_base"] if case.base else [])]
    head = "".join(f"{name:>12}" for name in names)
    more = "".join(f"{name:>14}" for name in shown)
    print(f"{case.name:<16}{head}{HEADINGS[case.quantity]:>11}"
          f"{'min-max':>19}{'/ raw':>8}{'/ peer':>8}{'instr.':>9}{'calls':>8}{more}  goal")
    for row in rows:
        def text(key, form):
            return "-" if row[key] is None else format(row[key], form)
        values = "".join(f"{row[name]:>12}" for name in names)
        digits = 1 if (row["max"] or 0) < 10000 else 0
        spread = "-" if row["max"] is None else f"{row['min']:.{digits}f}-{row['max']:.{digits}f}"
        further = "".join(f"{text(key, '.2f' if (row[key] or 0) < 100 else '.0f'):>14}" for key in shown)
        print(f"{row['who']:<16}{values}{text(case.quantity, '.1f'):>11}{spread:>19}{text('ratio_to_raw', '.2f'):>8}"
              f"{text('ratio_to_best_peer', '.2f'):>8}{text('instructions', '.1f'):>9}"
              f"{text('syscalls', '.2f'):>8}{further}  {words_on_goals(row)}")
    print(flush=True)


def tell_what_is_absent(case, build):
    folder = build / "bench" / case.folder
    sources = pathlib.Path(__file__).parent / case.folder
    absent = [source.stem for source in sources.glob("*.cc") if not (folder / source.stem).exists()]
    for name in sorted(absent):
        print(f"bench: {case.name} without {name}: {LIBRARIES.get(name, 'its library')} is not installed",
              file=sys.stderr)


def tables_of(case, options):
    """The rows of each table of a case."""
    if case.name == "size":
        yield sizes.measure(options.build, case.tools)
        return
    subjects = subjects_of(case, options.build)
    bases = {}
    for parameters in case.combinations(options.quick):
        try:
            rows = measure(case, parameters, subjects, options)
        except LeftOut as reason:
            print(f"bench: {case.name}: {parameters}: {reason}", file=sys.stderr)
            continue
        add_ratio_to_base(case, rows, bases)
        yield rows


def main():
    arguments = argparse.ArgumentParser(description="Compares Oxbow with hand-written code and with its peers.")
    arguments.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    arguments.add_argument("--case", default="", help="one of " + ", ".join(dict.fromkeys(case.name for case in CASES)))
    arguments.add_argument("--format", choices=["table", "json"], default="table")
    arguments.add_argument("--quick", action="store_true", help="fewer rounds of shorter runs")
    arguments.add_argument("--rounds", type=int, default=0, help="how often each subject runs (7, or quick 3)")
    arguments.add_argument("--check-instructions", action="store_true",
                           help="exit status 1 where a goal of instructions is missed")
    options = arguments.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    cases = [case for case in CASES if options.case in ("", case.name)]
    if not cases:
        sys.exit(f"bench: no such case: {options.case} (there are: {', '.join(dict.fromkeys(case.name for case in CASES))})")
    if not shutil.which("valgrind"):
        print("bench: no instruction counts: valgrind is not installed", file=sys.stderr)
    if not os.access("/sys/kernel/tracing/events/raw_syscalls", os.R_OK):
        print("bench: no counts of system calls: as root, mount -t tracefs none /sys/kernel/tracing", file=sys.stderr)
    missed = 0
    for case in cases:
        tell_what_is_absent(case, options.build)
        for rows in tables_of(case, options):
            if options.format == "json":
                for row in rows:
                    print(json.dumps(row), flush=True)
            elif case.name == "size":
                sizes.print_table(rows, words_on_goals)
            else:
                print_table(case, rows)
            missed += sum(quantity == "instructions" and met is False
                          for row in rows for quantity, _, met in goal_for(row))
    if options.check_instructions and missed:
        sys.exit(f"bench: {missed} goals of instructions are missed")


if __name__ == "__main__":
    main()
