#!/usr/bin/env python3
"""Runs benchmark cases on every subject that could be built, interleaved, and prints medians and ratios.

A subject is a program BUILD/bench/CASE/WHO. It takes key=value parameters and prints key=value figures for one
operation: ns (wall), cpu_ns, with syscalls=1 system calls, and what else its case is about. Instructions are
callgrind's, as the difference of two run lengths, and exact; times are medians of interleaved rounds on a machine
that may be busy: read their ratios.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import sys

import sizes
from cases import CASES, GOALS, NAMES, PINS
from ratios import add_ratio_to_base, add_ratios, add_ratios_of_case, is_oxbow, is_raw
from subjects import Failed, LeftOut, Subject, subjects_of, tell_what_is_absent
from test_file import with_test_file

own_failures = []
HEADINGS = {"cpu_ns": "ns CPU", "ns": "ns wall", "total_bytes": "bytes"}


@dataclasses.dataclass
class Plan:
    """A subject at one set of parameters, all that it is given, and the figures of its runs."""

    subject: Subject
    parameters: dict
    given: dict
    runs: list = dataclasses.field(default_factory=list)
    has_failed: bool = False


def rate_for(case, given, subjects):
    """Requests per second at which the server by hand on epoll is busy for the case's share of its time.

    What one costs it depends on how many come at once, so the first guess, from a server that is never idle, is
    made better once.
    """
    server = next(subject for subject in subjects if subject.who == "raw-epoll")
    rate = round(case.busy * 1e9 / server.figures(given)["cpu_ns"])
    return round(case.busy * 1e9 / server.figures({**given, "rate": rate})["cpu_ns"])


def plans_for(case, parameters, subjects, options):
    """Of one set of parameters."""
    given = {**case.fixed, **parameters, "count": case.count_of(parameters, options.quick)}
    if case.busy:
        given["rate"] = rate_for(case, given, subjects)
    return [Plan(subject, parameters, given) for subject in subjects if not case.leaves_out(subject.who, parameters)]


def tell_failure(plan, reason):
    """A peer that fails is left out; what is our own must not."""
    print(f"bench: {reason}", file=sys.stderr)
    plan.has_failed = True
    if is_oxbow(plan.subject.who) or is_raw(plan.subject.who):
        own_failures.append(reason)


@contextlib.contextmanager
def processors(case):
    """Of what is run meanwhile."""
    allowed = os.sched_getaffinity(0)
    if case.pinned:
        os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def run_in_turn(case, plans, rounds):
    """The plans that could be run. Where one of them could not, its set of parameters is left out."""
    left_out = []
    for turn in range(rounds):
        for step in range(len(plans)):
            plan = plans[(step + turn) % len(plans)]  # nobody always follows the same one
            if plan.parameters in left_out or plan.has_failed:
                continue
            try:
                plan.runs.append(plan.subject.figures(plan.given))
            except LeftOut as reason:
                print(f"bench: {case.name}: {plan.parameters}: {reason}", file=sys.stderr)
                left_out.append(plan.parameters)
            except Failed as reason:
                tell_failure(plan, reason)
    return [plan for plan in plans if plan.parameters not in left_out and not plan.has_failed]


def counted(case, given):
    """For counts of system calls, which need no long run."""
    return given if case.through or given["count"] < 4000 else {**given, "count": given["count"] // 4}


def row_of(case, plan, options):
    """The medians of a plan's runs, and what is counted in further ones; in a quick run only what has a pin."""
    row = {"case": case.name, "who": plan.subject.who, **plan.parameters}
    for key in dict.fromkeys([*plan.runs[0], case.quantity, *case.also]):
        known = [run[key] for run in plan.runs if key in run]
        row[key] = round(statistics.median(known), 3) if known else None
    if case.busy:
        row["rate"] = plan.given["rate"]
    compared = [run[case.quantity] for run in plan.runs if case.quantity in run]
    row["min"] = min(compared, default=None)
    row["max"] = max(compared, default=None)
    row["instructions"] = None
    is_counted = case.instructions and case.is_counted(plan.parameters)
    if is_counted and shutil.which("valgrind") and (not options.quick or any(pin.matches(row) for pin in PINS)):
        row["instructions"] = round(plan.subject.instructions(plan.given, case.instructions), 1)
    row["syscalls"] = plan.subject.figures({**counted(case, plan.given), "syscalls": 1}).get("syscalls")
    return row


def rows_beside(case, plans, options):
    for plan in plans:
        try:
            yield row_of(case, plan, options)
        except Failed as reason:
            tell_failure(plan, reason)


def measure(case, group, subjects, options):
    """Rows of the sets of parameters of a group."""
    plans = [plan for parameters in group for plan in plans_for(case, parameters, subjects, options)]
    with processors(case):
        plans = run_in_turn(case, plans, min(options.rounds, case.rounds_max or options.rounds))
    rows = []
    for parameters in group:
        beside = list(rows_beside(case, [plan for plan in plans if plan.parameters == parameters], options))
        add_ratios(beside, case.quantity)
        add_ratios_of_case(beside, case)
        rows += beside
    if case.base:
        add_ratio_to_base(rows, case)
    return rows


def goal_for(row):
    """The goals of a row, each as (quantity, limit, whether it is met)."""
    for goal in GOALS:
        if goal.matches(row):
            value = row.get(goal.quantity)
            yield goal.quantity, goal.limit, None if value is None else value <= goal.limit


def regressions_of(row):
    """What of a row is worse than it has been, in words."""
    for pin in PINS:
        if pin.matches(row) and row[pin.quantity] is not None and row[pin.quantity] > pin.limit:
            yield f"{pin.case} {pin.where or ''} {pin.who}: {row[pin.quantity]} {pin.quantity}, at most {pin.limit}"


def words_on_goals(row):
    return ", ".join(f"{quantity} {'met' if met else 'MISSED' if met is False else 'unknown'} (<= {limit})"
                     for quantity, limit, met in goal_for(row))


def short(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100000 else f"{value:.0f}"


def columns_of(case, rows):
    """(heading, width, text of a row) of each column of a table, but the first and the last."""
    def form(key, how):
        return lambda row: "-" if row[key] is None else format(row[key], how)
    yield from ((name, max(12, *(len(str(row[name])) + 2 for row in rows)), lambda row, name=name: str(row[name]))
                for name in case.parameters)
    yield HEADINGS.get(case.quantity, case.quantity), 11, lambda row: short(row[case.quantity])
    yield "min-max", 19, lambda row: "-" if row["min"] is None else f"{short(row['min'])}-{short(row['max'])}"
    yield from ((key, max(11, len(key) + 2), lambda row, key=key: short(row[key])) for key in case.also)
    if case.base:
        yield "/ base", 8, form("ratio_to_base", ".2f")
    yield "/ raw", 8, form("ratio_to_raw", ".2f")
    yield "/ peer", 8, form("ratio_to_best_peer", ".2f")
    yield "instr.", 9, form("instructions", ".1f")
    yield "calls", 8, form("syscalls", ".2f")
    yield from ((key, len(key) + 2, form(key, ".2f")) for key, _, _ in case.ratios)


def print_table(case, rows):
    columns = list(columns_of(case, rows))
    print(f"{case.name:<16}{''.join(f'{heading:>{width}}' for heading, width, _ in columns)}  goal")
    for row in rows:
        cells = "".join(f"{text(row):>{width}}" for _, width, text in columns)
        print(f"{row['who']:<16}{cells}  {words_on_goals(row)}")
    print(flush=True)


def tables_of(case, options):
    """The rows of each table of a case."""
    case = with_test_file(case, options)
    if case is None:
        return
    if case.name == "size":
        yield sizes.measure(options.build, case.tools)
        return
    subjects = subjects_of(case, options.build)
    for group in case.groups(options.quick):
        rows = measure(case, group, subjects, options)
        if rows:
            yield rows


def print_rows(case, rows, form):
    if form == "json":
        for row in rows:
            print(json.dumps(row), flush=True)
    elif case.name == "size":
        sizes.print_table(rows, words_on_goals)
    else:
        print_table(case, rows)


def options_of_command():
    arguments = argparse.ArgumentParser(description="Compares Oxbow with hand-written code and with its peers.")
    arguments.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    arguments.add_argument("--case", default="", help=f"one of {', '.join(NAMES)}")
    arguments.add_argument("--format", choices=["table", "json"], default="table")
    arguments.add_argument("--quick", action="store_true", help="fewer rounds of shorter runs")
    arguments.add_argument("--rounds", type=int, default=0, help="how often each subject runs (7, or quick 2)")
    arguments.add_argument("--check-instructions", action="store_true",
                           help="exit status 1 where there are more instructions than the pins of cases.py allow")
    options = arguments.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 7)
    return options


def main():
    options = options_of_command()
    cases = [case for case in CASES if options.case in ("", case.name)]
    if not cases:
        sys.exit(f"bench: no such case: {options.case} (there are: {', '.join(NAMES)})")
    if not shutil.which("valgrind"):
        print("bench: no instruction counts: valgrind is not installed", file=sys.stderr)
    if not os.access("/sys/kernel/tracing/events/raw_syscalls", os.R_OK):
        print("bench: no counts of system calls: as root, mount -t tracefs none /sys/kernel/tracing", file=sys.stderr)
    regressions = []
    for before, case in zip([None, *cases], cases):
        if before is None or before.name != case.name:
            tell_what_is_absent(case, options.build)
        for rows in tables_of(case, options):
            print_rows(case, rows, options.format)
            regressions += [words for row in rows for words in regressions_of(row)]
    for words in regressions:
        print(f"bench: worse than before: {words}", file=sys.stderr)
    if own_failures or (options.check_instructions and regressions):
        sys.exit(1)


if __name__ == "__main__":
    main()
