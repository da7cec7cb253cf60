#!/usr/bin/env python3
"""Runs benchmark cases on every subject that could be built, interleaved, and prints medians and ratios.

A subject is a program BUILD/bench/CASE/WHO. It takes key=value parameters and prints key=value figures for one
operation: ns (wall), cpu_ns, with syscalls=1 system calls, and what else its case is about. Instructions are
callgrind's, as the difference of two run lengths, and exact; times are medians of interleaved rounds on a machine
that may be busy: read their ratios.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from cases import CASES, GOALS
from test_file import with_test_file

LIBRARIES = {"liburing": "liburing-dev", "libuv": "libuv1-dev", "asio_epoll": "libasio-dev",
             "asio_uring": "libasio-dev and liburing-dev", "libev": "libev-dev", "libevent": "libevent-dev",
             "fio": "fio", "cp": "coreutils"}
SOURCES = pathlib.Path(__file__).parent
OXBOW = {f"oxbow-{engine}": [f"engine={engine}"] for engine in ("uring", "epoll")}
RUN_SECONDS_MAX = 120


class Subject:
    """A program, and the parameters that make it one of the names that the tables show."""

    def __init__(self, who, program, fixed):
        self.who = who
        self.command = ([sys.executable] if program.suffix == ".py" else []) + [str(program)] + fixed

    def run(self, parameters, prefix=()):
        words = [f"{key}={value}" for key, value in parameters.items()]
        done = subprocess.run([*prefix, *self.command, *words], capture_output=True, text=True,
                              timeout=RUN_SECONDS_MAX, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
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


def scripts_of(case):
    """WHO.py runs the program WHO of the machine as a subject."""
    return [script for script in (SOURCES / case.folder()).glob("*.py") if shutil.which(script.stem)]


def subjects_of(case, build):
    """Every program of a case, Oxbow's own once for each engine, and others as its variants say."""
    found = []
    programs = [program for program in (build / "bench" / case.folder()).iterdir() if not program.suffix]
    for program in sorted(programs + scripts_of(case), key=lambda program: program.name):
        name = program.stem
        if name not in case.tools:
            variants = OXBOW if name == "oxbow" else {name.replace("_", "-"): []}
            found += [Subject(who, program, fixed) for who, fixed in case.variants.get(name, variants).items()]
    return found


def median_of(values):
    return round(statistics.median(values), 3)


def is_raw(who):
    return who.startswith("raw")


def add_ratios(rows, quantity):
    """To the lower bound of the same engine, or the best one, and to the best of the peers."""
    raws = {row["who"]: row[quantity] for row in rows if is_raw(row["who"])}
    peers = [row[quantity] for row in rows if not is_raw(row["who"]) and not row["who"].startswith("oxbow")]
    for row in rows:
        engine = row["who"].rsplit("-", 1)[-1]
        raw = raws.get(f"raw-{engine}", min(raws.values(), default=None))
        row["ratio_to_raw"] = round(row[quantity] / raw, 3) if raw else None
        row["ratio_to_best_peer"] = round(row[quantity] / min(peers), 3) if peers else None


def add_ratios_of_case(rows, case):
    """To the best variant of one subject; None where that is not there."""
    for key, who, figure in case.ratios:
        values = [row[figure] for row in rows if (row["who"] + "-").startswith(who + "-")]
        for row in rows:
            row[key] = round(row[figure] / min(values), 3) if values else None


def add_ratio_to_base(rows, case):
    """To the same subject with the parameters that are the case's base."""
    varied = case.parameters.keys() - case.base.keys()
    def key_of(row):
        return (row["who"], *(row[name] for name in sorted(varied)))
    bases = {key_of(row): row[case.quantity] for row in rows if case.base.items() <= row.items()}
    for row in rows:
        row["ratio_to_base"] = round(row[case.quantity] / bases[key_of(row)], 3)


def rate_for(case, parameters, subjects, options):
    """Requests per second at which the server by hand on epoll is busy for the case's share of its time.

    What one costs it depends on how many come at once, so the first guess, from a server that is never idle, is
    made better once.
    """
    server = next(subject for subject in subjects if subject.who == "raw-epoll")
    given = {**case.fixed, **parameters, "count": case.count_of(parameters, options.quick)}
    rate = round(case.busy * 1e9 / server.figures(given)["cpu_ns"])
    return round(case.busy * 1e9 / server.figures({**given, "rate": rate})["cpu_ns"])


def row_of(case, subject, parameters, given, runs, options):
    """The medians of a subject's runs, and what is counted in further ones."""
    row = {"case": case.name, "who": subject.who, **parameters}
    for key in runs[0]:
        row[key] = median_of(run[key] for run in runs)
    if case.busy:
        row["rate"] = given["rate"]
    row["min"] = min(run[case.quantity] for run in runs)
    row["max"] = max(run[case.quantity] for run in runs)
    row["instructions"] = None
    if case.instructions and shutil.which("valgrind") and case.is_counted(parameters):
        row["instructions"] = round(subject.instructions(given, case.instructions), 1)
    counted = subject.figures({**given, "syscalls": 1})
    row["syscalls"] = counted.get("syscalls")
    row["ratio_to_raw"] = row["ratio_to_best_peer"] = None
    return row


def measure(case, group, subjects, options):
    """Rows of the sets of parameters of a group."""
    plans = []  # (subject, its parameters, all that it is given)
    for parameters in group:
        given = {**case.fixed, **parameters, "count": case.count_of(parameters, options.quick)}
        if case.busy:
            given["rate"] = rate_for(case, parameters, subjects, options)
        plans += [(subject, parameters, given) for subject in subjects
                  if not case.leaves_out(subject.who, parameters)]
    runs = [[] for _ in plans]
    for turn in range(options.rounds):
        for step in range(len(plans)):
            at = (step + turn) % len(plans)  # nobody always follows the same one
            subject, _, given = plans[at]
            runs[at].append(subject.figures(given))
    rows = [row_of(case, *plan, figures, options) for plan, figures in zip(plans, runs)]
    if case.base:
        add_ratio_to_base(rows, case)
    else:
        add_ratios(rows, case.quantity)  # a group without a base is one set of parameters
        add_ratios_of_case(rows, case)
    return rows


def goal_for(row):
    """The goals of a row, each as (quantity, limit, whether it is met)."""
    for goal in GOALS:
        if goal.matches(row):
            value = row.get(goal.quantity)
            yield goal.quantity, goal.limit, None if value is None else value <= goal.limit


def short(value):
    return f"{value:.1f}" if value < 100000 else f"{value:.0f}"


def print_table(case, rows):
    widths = {key: max(12, *(len(str(row[key])) + 2 for row in rows)) for key in case.parameters}
    head = "".join(f"{name:>{width}}" for name, width in widths.items())
    unit = {"cpu_ns": "ns CPU", "ns": "ns wall"}.get(case.quantity, case.quantity)
    also = "".join(f"{key:>11}" for key in case.also)
    base = f"{'/ ' + '/'.join(case.base.values()):>8}" if case.base else ""
    print(f"{case.name:<16}{head}{unit:>11}{'min-max':>19}{also}{base}{'/ raw':>8}{'/ peer':>8}{'instr.':>9}"
          f"{'calls':>8}{''.join(f'  {key}' for key, _, _ in case.ratios)}  goal")
    for row in rows:
        def text(key, form):
            return "-" if row[key] is None else format(row[key], form)
        values = "".join(f"{row[name]:>{width}}" for name, width in widths.items())
        spread = f"{short(row['min'])}-{short(row['max'])}"
        also = "".join(f"{short(row[key]):>11}" for key in case.also)
        base = f"{row['ratio_to_base']:>8.2f}" if case.base else ""
        further = "".join(f"  {text(key, '.2f'):>{len(key)}}" for key, _, _ in case.ratios)
        goals = ", ".join(f"{quantity} {'met' if met else 'MISSED' if met is False else 'unknown'} (<= {limit})"
                          for quantity, limit, met in goal_for(row))
        print(f"{row['who']:<16}{values}{short(row[case.quantity]):>11}{spread:>19}{also}{base}"
              f"{text('ratio_to_raw', '.2f'):>8}{text('ratio_to_best_peer', '.2f'):>8}"
              f"{text('instructions', '.1f'):>9}{text('syscalls', '.2f'):>8}{further}  {goals}")
    print(flush=True)


def tell_what_is_absent(case, build):
    folder = build / "bench" / case.folder()
    sources = SOURCES / case.folder()
    absent = [source.stem for source in sources.glob("*.cc") if not (folder / source.stem).exists()]
    absent += [script.stem for script in sources.glob("*.py") if script not in scripts_of(case)]
    for name in sorted(absent):
        print(f"bench: {case.name} without {name}: {LIBRARIES.get(name, 'its library')} is not installed",
              file=sys.stderr)


def main():
    arguments = argparse.ArgumentParser(description="Compares Oxbow with hand-written code and with its peers.")
    arguments.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    arguments.add_argument("--case", default="", help="one of " + ", ".join(case.name for case in CASES))
    arguments.add_argument("--format", choices=["table", "json"], default="table")
    arguments.add_argument("--quick", action="store_true", help="fewer rounds of shorter runs")
    arguments.add_argument("--rounds", type=int, default=0, help="how often each subject runs (7, or quick 3)")
    arguments.add_argument("--check-instructions", action="store_true",
                           help="exit status 1 where a goal of instructions is missed")
    options = arguments.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    cases = [case for case in CASES if options.case in ("", case.name)]
    if not cases:
        sys.exit(f"bench: no such case: {options.case} (there are: {', '.join(case.name for case in CASES)})")
    if not shutil.which("valgrind"):
        print("bench: no instruction counts: valgrind is not installed", file=sys.stderr)
    if not pathlib.Path("/sys/kernel/tracing/events/raw_syscalls").exists():
        print("bench: no counts of system calls: mount -t tracefs none /sys/kernel/tracing", file=sys.stderr)
    missed = 0
    for case in cases:
        tell_what_is_absent(case, options.build)
        case = with_test_file(case, options)
        if case is None:
            continue
        subjects = subjects_of(case, options.build)
        for group in case.groups():
            rows = measure(case, group, subjects, options)
            if options.format == "json":
                for row in rows:
                    print(json.dumps(row), flush=True)
            else:
                print_table(case, rows)
            missed += sum(quantity == "instructions" and met is False
                          for row in rows for quantity, _, met in goal_for(row))
    if options.check_instructions and missed:
        sys.exit(f"bench: {missed} goals of instructions are missed")


if __name__ == "__main__":
    main()
